//! `reset DEPLOY_ID NAME HOST_ID NAME`, for `oneprovision host reboot --hard`.

use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

use super::Context;
use crate::provider::machine::Power;

/// Power a machine off and on again.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "reset", help_triggers("-h", "--help"))]
pub struct Reset {
    /// the id that deploy printed
    #[argh(positional, arg_name = "DEPLOY_ID")]
    deploy_id: String,
    /// its host: NAME HOST_ID NAME, or NAME alone, by which the id is looked up
    #[argh(positional, arg_name = "HOST")]
    host: Vec<String>,
}

impl Reset {
    /// Runs the action.
    ///
    /// # Errors
    /// The machine did not do as it was asked; the first line says why.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        context.carry_out(&self.deploy_id, &self.host, &[Power::Off, Power::On], |engine, id, _| engine.reset(id))
    }
}
