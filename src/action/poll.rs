//! `poll DEPLOY_ID NAME HOST_ID NAME`, after a host was created, reset or resumed.
//!
//! oneprovision splits what is printed at blanks, and each piece at its first `=`; so no value holds a blank.
//! It names the host by `GUEST_IP_ADDRESSES`: split at commas, the first piece less its first character, the
//! quote. 5.8 and 5.10 do not take off a closing quote, so there is always a comma before it.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use argh::{ArgsInfo, FromArgs};

use super::Context;
use super::target::{Named, WithoutMachine};
use crate::engine::Sight;
use crate::provider::machine::{Machine, State, Traffic};
use crate::provider::spec::Spec;
use crate::report::frame::Report;
use crate::report::secret::Secret;

/// How long what is not worth a failure may take.
const TRAFFIC: Duration = Duration::from_secs(20);

/// Print the values of a machine: its addresses, its state, its size and its traffic.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "poll", help_triggers("-h", "--help"))]
pub struct Poll {
    /// the id that deploy printed
    #[argh(positional, arg_name = "DEPLOY_ID")]
    deploy_id: String,
    /// its host: NAME HOST_ID NAME, or NAME alone, by which the id is looked up
    #[argh(positional, arg_name = "HOST")]
    host: Vec<String>,
}

impl Poll {
    /// Runs the action.
    ///
    /// # Errors
    /// The machine is gone, has no address yet, or cannot be asked for.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        let named = Named::of(&self.host);
        named.check_deployed(&self.deploy_id, WithoutMachine::IsNeeded)?;
        let target = context.target(&self.deploy_id, &named, &[])?;
        let called = named.called();
        let id = &target.id;
        let report = context.report;
        // Together they take one round trip to the provider less than one after the other.
        let api = target.session.within(TRAFFIC);
        let (sight, traffic) = thread::scope(|scope| {
            let traffic = scope.spawn(|| target.provider.traffic(&api, id));
            (target.engine.look(id), traffic.join())
        });
        let mut machine = match sight {
            Ok(Sight::Here(machine)) => machine,
            Ok(Sight::Gone(_) | Sight::NotYet) => {
                bail!("machine {id} of {called} is gone: delete the host and create it anew")
            }
            Err(error) => bail!("cannot look at machine {id} of {called}: {error}"),
        };
        if let Some(reach) = target.reach {
            machine.addresses.retain(|address| *address != reach);
            machine.addresses.insert(0, reach);
        }
        check_address(&machine, &called, target.provider.spec())?;
        let traffic = match traffic {
            Ok(Ok(traffic)) => traffic,
            Ok(Err(error)) => {
                report.warn(format_args!("the traffic of machine {id} is unknown: {error}"));
                Traffic::default()
            }
            Err(_) => Traffic::default(),
        };
        let api = target.session.within(TRAFFIC);
        let size = target.provider.size(&api, &machine);
        machine.size = size.unwrap_or_else(|error| {
            report.warn(format_args!("the size of machine {id} is unknown: {error}"));
            machine.size
        });
        let mut line = values(&machine, traffic);
        if target.shows_root_password {
            line.push_str(&root_password(&machine, report));
        }
        report.answer(&line).context("the values cannot be printed: keep stdout open")
    }
}

/// Fails where a machine has no address: oneprovision makes it the name of the host.
fn check_address(machine: &Machine, called: &str, spec: &Spec) -> Result<()> {
    let Machine { id, state_name, .. } = machine;
    let reaches = spec.names(|one| one.reach.is_some());
    match (&machine.addresses[..], machine.state) {
        ([], _) if !reaches.is_empty() => bail!(
            "nobody tells the address of machine {id} of {called}: set {} with `onehost update`",
            reaches.join(" or ")
        ),
        ([], State::On) => bail!(
            "machine {id} of {called} is {state_name} and has no address yet: try again, or see its network at the provider"
        ),
        ([], _) => {
            bail!("machine {id} of {called} has no address yet, it is {state_name}: try again when it is active")
        }
        _ => Ok(()),
    }
}

/// The password of root as one more piece of the line, where it can be told.
fn root_password(machine: &Machine, report: Report) -> String {
    match machine.root_password.as_ref().map(Secret::expose) {
        Some(password) if password.bytes().all(|b| b.is_ascii_graphic() && b != b'"') => {
            return format!(" ROOT_PASSWORD=\"{password}\"");
        }
        Some(_) => report.warn("the root password cannot be printed on one line: see the provider"),
        None => report.info("the provider does not tell the root password any more"),
    }
    String::new()
}

/// The line that is printed of a machine.
pub fn values(machine: &Machine, traffic: Traffic) -> String {
    let mut pieces = Vec::new();
    if let Some((cpus, memory)) = machine.size {
        pieces.push(format!("CPU={}", cpus.saturating_mul(100)));
        pieces.push(format!("MEMORY={memory}"));
        pieces.push(format!("NETTX={}", traffic.sent));
        pieces.push(format!("NETRX={}", traffic.received));
    }
    let addresses: Vec<String> = machine.addresses.iter().map(ToString::to_string).collect();
    let comma = if addresses.len() == 1 { "," } else { "" };
    pieces.push(format!("GUEST_IP_ADDRESSES=\"{}{comma}\"", addresses.join(",")));
    pieces.push(format!(
        "STATE={}",
        match machine.state {
            State::On => "RUNNING",
            State::Off => "POWEROFF",
            State::Failed => "FAILURE",
            State::Starting | State::Stopping | State::Deleting | State::Gone => "UNKNOWN",
        }
    ));
    for (name, value) in &machine.values {
        pieces.push(format!("{name}=\"{}\"", word(value)));
    }
    pieces.join(" ")
}

/// `text` as a value that ends where it should: of letters that neither a blank, a quote nor a terminal ends.
fn word(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '\\' | '=' | '\'' | '`' => '_',
            c if c.is_whitespace() || c.is_control() || !c.is_ascii() => '_',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_one_word() {
        assert_eq!(word("centos 7\n\"x=\u{1b}é"), "centos_7__x___");
    }
}
