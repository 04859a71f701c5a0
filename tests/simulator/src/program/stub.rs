//! `stub`: a provider as its fixture plays it, until nobody wants it any more.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use argh::FromArgs;
use simulator::stub::{Stub as Played, StubOptions};

/// Serve a provider's API, as its fixture plays it, until standard input ends or SIGTERM comes. Its URL is printed.
#[derive(FromArgs)]
#[argh(subcommand, name = "stub")]
pub(crate) struct Stub {
    /// the name of the fixture, a folder in tests/simulator/fixtures: ec2, scaleway, …
    #[argh(positional)]
    name: String,
    /// OPTION=NUMBER: another value for an option of the fixture, durations in milliseconds; can be given again
    #[argh(option)]
    set: Vec<String>,
    /// what everything random is drawn from (default: 1)
    #[argh(option, default = "1")]
    seed: u64,
}

impl Stub {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let set = self.set.iter().map(|set| option(set)).collect::<Result<_>>()?;
        let options = StubOptions { set, seed: self.seed, ..StubOptions::default() };
        let stub = Played::start(&self.name, options).with_context(|| format!("cannot play {}", self.name))?;
        let mut out = io::stdout().lock();
        writeln!(out, "{}", stub.url())?;
        out.flush()?;
        super::wait_for_end_of_input()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn option(set: &str) -> Result<(&'static str, u64)> {
    let parsed = set.split_once('=').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    let (name, number) = parsed.with_context(|| format!("--set {set} is not OPTION=NUMBER"))?;
    // As long as the program, which plays one stub.
    Ok((name.to_owned().leak(), number))
}
