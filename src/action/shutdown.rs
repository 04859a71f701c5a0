//! `shutdown DEPLOY_ID NAME SHUTDOWN_POWEROFF HOST_ID NAME`, for `oneprovision host poweroff`.
//!
//! The third word is a state of OpenNebula's virtual machines (`LCM_STATE`), from which this contract was
//! derived: `SHUTDOWN` ends the machine, the other two leave it to be resumed.

use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};

use super::Context;
use super::target::{SHIFTED, WithoutMachine};
use crate::opennebula::host::HostId;
use crate::provider::machine::Power;

/// Power a machine off, or delete it, as LCM_STATE says.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "shutdown", help_triggers("-h", "--help"))]
pub struct Shutdown {
    /// the id that deploy printed
    #[argh(positional, arg_name = "DEPLOY_ID")]
    deploy_id: String,
    /// the name of the host
    #[argh(positional, arg_name = "HOST")]
    name: String,
    /// SHUTDOWN deletes the machine, SHUTDOWN_POWEROFF and SHUTDOWN_UNDEPLOY power it off
    #[argh(positional, arg_name = "LCM_STATE")]
    state: String,
    /// HOST_ID NAME; without them the id is looked up by HOST
    #[argh(positional, arg_name = "HOST_ID")]
    host: Vec<String>,
}

impl Shutdown {
    /// Runs the action.
    ///
    /// # Errors
    /// The state is none of the three, or the machine did not do as it was asked.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        let is_end = match self.state.as_str() {
            "SHUTDOWN" => true,
            "SHUTDOWN_POWEROFF" | "SHUTDOWN_UNDEPLOY" => false,
            // The host's id, which follows.
            number if HostId::parse(number).is_some() => {
                bail!("LCM_STATE is {number:?}: {}", self.shifted())
            }
            other => bail!("LCM_STATE is {other:?}: it must be SHUTDOWN, SHUTDOWN_POWEROFF or SHUTDOWN_UNDEPLOY"),
        };
        let changes: &[Power] = if is_end { &[] } else { &[Power::Off] };
        let mut host = vec![self.name];
        host.extend(self.host);
        context.carry_out(&self.deploy_id, &host, changes, |engine, id, journal| match is_end {
            true => engine.cancel(id, journal),
            false => engine.power_off(id),
        })
    }

    /// What is said where the host's id stands in place of the state. Without a DEPLOY_ID its name stands in place of
    /// that, and once more behind the id.
    fn shifted(&self) -> String {
        let id = HostId::parse(&self.state);
        let name = self.host.first().filter(|name| **name == self.deploy_id);
        match (id, name) {
            (Some(id), Some(name)) if self.name.starts_with("SHUTDOWN") => WithoutMachine::IsNeeded.of_host(name, id),
            _ => SHIFTED.to_owned(),
        }
    }
}
