//! `serve`: both servers, until nobody wants them any more.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use argh::FromArgs;
use simulator::{Fault, HostTemplate, Options, SESSION, Simulator};

/// Serve both until standard input ends or SIGTERM comes. What a driver needs is printed as NAME=value lines.
#[derive(FromArgs)]
#[argh(subcommand, name = "serve")]
pub(crate) struct Serve {
    /// port of the Packet API (default: a free one)
    #[argh(option, default = "0")]
    api_port: u16,
    /// port of oned (default: a free one)
    #[argh(option, default = "0")]
    oned_port: u16,
    /// how much faster than the real provider machines come and go (default: 1)
    #[argh(option, default = "1.0")]
    speed: f64,
    /// a JSON list of faults, durations in milliseconds
    #[argh(option)]
    faults: Option<PathBuf>,
    /// a host's XML for oned; can be given again (default: a host 0 that can be ordered)
    #[argh(option)]
    host: Vec<PathBuf>,
    /// what everything random is drawn from (default: 1)
    #[argh(option, default = "1")]
    seed: u64,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        anyhow::ensure!(self.speed > 0.0 && self.speed.is_finite(), "--speed must be above 0");
        let simulator = Simulator::start(Options {
            api_port: self.api_port,
            oned_port: self.oned_port,
            seed: self.seed,
            ..Options::realistic().faster(self.speed)
        })
        .context("cannot bind the ports")?;
        if let Some(path) = &self.faults {
            let script = read(path)?;
            let faults: Vec<Fault> =
                serde_json::from_str(&script).with_context(|| format!("{} is not a list of faults", path.display()))?;
            faults.into_iter().for_each(|fault| simulator.fault(fault));
        }
        for path in &self.host {
            let added = simulator.oned().add_host(&read(path)?);
            added.with_context(|| format!("{} is not a host", path.display()))?;
        }
        if self.host.is_empty() {
            simulator.oned().add(&HostTemplate::new(0))?;
        }
        let mut out = io::stdout().lock();
        writeln!(out, "PACKET_API_URL={}", simulator.api_url())?;
        writeln!(out, "PACKET_TOKEN={}", simulator.token())?;
        writeln!(out, "PACKET_PROJECT={}", simulator.project())?;
        writeln!(out, "ONE_XMLRPC={}", simulator.oned_url())?;
        writeln!(out, "ONE_SESSION={SESSION}")?;
        out.flush()?;
        super::wait_for_end_of_input()?;
        Ok(ExitCode::SUCCESS)
    }
}

fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
