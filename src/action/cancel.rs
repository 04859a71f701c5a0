//! `cancel DEPLOY_ID NAME HOST_ID NAME`, when a host or its provision is deleted.
//!
//! A machine that no host has is deleted with the credentials of a host that has the same account
//! (`--credentials-of HOST_ID`), or with those of the environment (`--driver NAME`, or the id alone). `list` prints which.

use anyhow::{Context as _, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};

use super::Context;
use super::check::id_of;
use super::target::{Named, advise, not_an_id};
use crate::engine::Engine;
use crate::opennebula::host::Host;
use crate::opennebula::oned::{Oned, Which};
use crate::provider::Provider;

/// Delete a machine and wait until it is gone.
///
/// One that no host has, as `list` shows it, is deleted with the credentials of another host of its account; or with
/// those in the environment: --driver NAME, or nothing.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "cancel", help_triggers("-h", "--help"))]
pub struct Cancel {
    /// the id that deploy printed
    #[argh(positional, arg_name = "DEPLOY_ID")]
    deploy_id: String,
    /// its host: NAME HOST_ID NAME, or NAME alone, by which the id is looked up
    #[argh(positional, arg_name = "HOST")]
    host: Vec<String>,
    /// the credentials of this host in oned, in place of HOST
    #[argh(option, arg_name = "HOST_ID")]
    credentials_of: Option<String>,
}

impl Cancel {
    /// Runs the action.
    ///
    /// # Errors
    /// The machine did not do as it was asked; the first line says why.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        match (&self.credentials_of, &self.host[..]) {
            (Some(_), [_, ..]) => bail!("--credentials-of is for a machine that no host has: leave out HOST"),
            (Some(id), []) => {
                let id = id_of("--credentials-of", id)?;
                context.check_id(&self.deploy_id, &Named::default())?;
                let oned = Oned::open(context.environment, &context.interrupt, context.report)?;
                let host = oned.host(Which::Id(id))?;
                self.remove(context.provider_of(Some(&host))?, Some(&host), context)
            }
            (None, []) if context.has_credentials(context.provider_of(None)?)? => {
                self.remove(context.provider_of(None)?, None, context)
            }
            _ => context.carry_out(&self.deploy_id, &self.host, &[], Engine::cancel),
        }
    }

    /// Deletes a machine that no host has, with the credentials of `host` or of the environment.
    fn remove(&self, provider: &'static dyn Provider, host: Option<&Host>, context: &Context<'_>) -> Result<()> {
        let id = (provider.spec().id)(&self.deploy_id);
        let id = id.with_context(|| not_an_id(provider, &self.deploy_id, &Named::default()))?;
        let (engine, _) = context.engine(provider, host)?;
        engine.cancel(&id, None).map_err(|error| anyhow!("machine {id}: {}", advise(&error)))
    }
}
