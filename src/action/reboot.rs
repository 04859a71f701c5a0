//! `reboot DEPLOY_ID NAME HOST_ID NAME`, for `oneprovision host reboot`.

use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

use super::Context;
use crate::provider::machine::Power;

/// Reboot a machine; returns when it was down and is up again.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "reboot", help_triggers("-h", "--help"))]
pub struct Reboot {
    /// the id that deploy printed
    #[argh(positional, arg_name = "DEPLOY_ID")]
    deploy_id: String,
    /// its host: NAME HOST_ID NAME, or NAME alone, by which the id is looked up
    #[argh(positional, arg_name = "HOST")]
    host: Vec<String>,
}

impl Reboot {
    /// Runs the action.
    ///
    /// # Errors
    /// The machine did not do as it was asked; the first line says why.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        context.carry_out(&self.deploy_id, &self.host, &[Power::Reboot], |engine, id, _| engine.reboot(id))
    }
}
