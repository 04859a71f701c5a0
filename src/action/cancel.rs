//! `cancel DEPLOY_ID NAME HOST_ID NAME`, when a host or its provision is deleted.

use anyhow::Result;
use argh::FromArgs;

use super::Context;
use crate::engine::Engine;

/// Delete a machine and wait until it is gone.
#[derive(FromArgs)]
#[argh(subcommand, name = "cancel", help_triggers("-h", "--help"))]
pub struct Cancel {
    /// the id that deploy printed
    #[argh(positional, arg_name = "DEPLOY_ID")]
    deploy_id: String,
    /// its host: NAME HOST_ID NAME, or NAME alone, by which the id is looked up
    #[argh(positional, arg_name = "HOST")]
    host: Vec<String>,
}

impl Cancel {
    /// Runs the action.
    ///
    /// # Errors
    /// The machine did not do as it was asked; the first line says why.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        context.carry_out(&self.deploy_id, &self.host, &[], Engine::cancel)
    }
}
