//! The process, from its arguments to its exit code.

mod commands;
mod help;
mod invocation;
mod words;

pub use commands::commands;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::action::{Context, Outcome};
use crate::cli::invocation::{Call, Command, Invocation};
use crate::opennebula::settings::Remotes;
use crate::provider::{self, PROVIDERS};
use crate::report::frame::{Level, Report};
use crate::system::environment::Environment;
use crate::system::interrupt::{Interrupt, Notice};
use crate::system::process;

/// Runs the process: reads its `arguments`, the first of which is its own name, does what they say, and
/// returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> u8 {
    process::forbid_core_dumps();
    process::survive_file_limits();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let via_link = invocation::is_link(arguments.first());
    let mut report = Report::new(Level::default());
    let mut name = None;
    // What a panic says may quote what it was busy with, and no frame is around it: both are mended here.
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(|| {
        report = report.for_person(via_link, environment);
        report = report.up_to(level(environment)?);
        let called = called(&arguments);
        let command = Command::of(arguments, environment)?;
        name = Some(command.name);
        let invocation = command.read()?;
        if let Invocation::Action { level, .. } = &invocation {
            report = report.up_to(*level);
        }
        report.info(called);
        let outcome = carry_out(invocation, environment, &report)?;
        report.info("done");
        Ok(outcome)
    }));
    let result =
        result.unwrap_or_else(|_| Err(anyhow!("pm-packet made a mistake: please report it, with how it was called")));
    match result {
        Ok(Outcome::Well) => 0,
        Ok(Outcome::Unwell) => crate::UNWELL,
        Err(error) => {
            match name {
                Some("fence") => report.refusal(&error),
                _ => report.failure(name, &error),
            }
            crate::FAILURE
        }
    }
}

/// How this was called: several drivers write into oneprovision's log side by side.
fn called(arguments: &[OsString]) -> String {
    let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    format!("pm-packet {}: {}", env!("CARGO_PKG_VERSION"), words.join(" "))
}

/// The action that `arguments` ask for, without doing it; `None` where they ask for a text.
///
/// # Errors
/// They name no action, or lack something.
pub fn action_of(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Option<&'static str>> {
    let command = Command::of(arguments.into_iter().collect(), environment)?;
    let name = command.name;
    match command.read()? {
        Invocation::Text(_) => Ok(None),
        Invocation::Action { .. } => Ok(Some(name)),
    }
}

/// How much is logged, as `PM_LOG` says.
fn level(environment: &Environment) -> Result<Level> {
    match environment.get("PM_LOG")?.map(str::trim) {
        None => Ok(Level::Quiet),
        Some("info") => Ok(Level::Info),
        Some("debug") => Ok(Level::Debug),
        Some(other) => bail!("PM_LOG is {other:?}: set it to info or debug, or not at all"),
    }
}

fn carry_out(invocation: Invocation, environment: &Environment, report: &Report) -> Result<Outcome> {
    match invocation {
        Invocation::Text(text) => report
            .answer(text.trim_end())
            .map(|()| Outcome::Well)
            .context("the answer cannot be printed: keep stdout open"),
        Invocation::Action { action, call: Call { program, via_link, provider, remotes }, .. } => {
            process::close_what_is_inherited();
            let provider = provider.as_deref().map(provider::named).transpose()?;
            // A look changes nothing: a signal may end it as it ends any program.
            let interrupt = match action.only_looks() {
                true => Interrupt::default(),
                false => armed(*report)?,
            };
            let remotes = Remotes::new(remotes, PROVIDERS.iter().map(|one| one.spec().name));
            action.run(&Context { provider, program, via_link, environment, interrupt, report: *report, remotes })
        }
    }
}

/// The signals of an action that changes something.
fn armed(report: Report) -> Result<Interrupt> {
    Interrupt::arm(crate::FAILURE, move |notice| match notice {
        Notice::Stopping(signal) => report.info(format_args!("{signal} received: stopping")),
        Notice::GoingOn(signal) => {
            report.info(format_args!("{signal} received: the roll-back goes on; a second signal ends it at once"))
        }
        Notice::Ending(signal, at_risk) => {
            let left = at_risk.unwrap_or("nothing is left behind");
            report.failure(None, &anyhow!("interrupted twice ({signal}): {left}"));
        }
    })
}
