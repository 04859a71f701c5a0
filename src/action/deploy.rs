//! `deploy FILE TODO` when oneprovision creates a host, `deploy FILE NAME HOST_ID NAME` when it resumes one.
//!
//! Prints the deploy id and nothing else: oneprovision stores all of it as `DEPLOY_ID`. It writes the file
//! itself and sends an empty STDIN; OpenNebula's documentation says that STDIN holds what is to be written to
//! the file. Both work.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use argh::FromArgs;

use super::target::{Named, advise};
use super::{Context, timeout};
use crate::engine::journal::{Journal, reminder_beside};
use crate::engine::{Engine, Job};
use crate::opennebula::deployment_file;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::Which;
use crate::opennebula::owner::Owner;
use crate::opennebula::session::warn_if_exposed;
use crate::provider::Provider;
use crate::provider::machine::MachineId;
use crate::provider::order::Order;
use crate::system::process;

/// Order a machine for a host (or power on the one that it has), wait until it is up, and print its deploy id.
#[derive(FromArgs)]
#[argh(subcommand, name = "deploy", help_triggers("-h", "--help"))]
pub struct Deploy {
    /// the host's XML; written from STDIN unless that is empty
    #[argh(positional, arg_name = "DEPLOYMENT_FILE")]
    file: String,
    /// the host: TODO, or NAME HOST_ID NAME where it is resumed
    #[argh(positional, arg_name = "HOST")]
    host: Vec<String>,
}

impl Deploy {
    /// Runs the action.
    ///
    /// # Errors
    /// The first line says what to do; nothing is left behind, or it says what.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        if !process::stdout_reaches_somebody() {
            bail!(
                "stdout is closed or /dev/null, so the deploy id could reach nobody: call it with stdout open"
            );
        }
        let argument_id = Named::of(&self.host).host_id()?;
        let path = Path::new(&self.file);
        let mut host = deployment_file::receive(path, &context.interrupt, &context.report)
            .map_err(|error| with_reminder(error, reminder_beside(path)))?;
        let provider = context.provider_of(Some(&host))?;
        let owner = Owner::of(&host);
        let journal = Journal::beside(path, owner.identity(), provider.spec().id);
        let prepared = prepare(&mut host, provider, &owner, argument_id, path, context)
            .map_err(|error| with_reminder(error, journal.reminder()))?;
        let engine = &prepared.engine;
        match (deploy_id(&host, provider)?, prepared.order) {
            (Some(id), _) => resume(&id, &host, engine, context),
            (None, order) => {
                if !owner.is_lasting() {
                    context.report.warn(format_args!(
                        "{} has no PROVISION_ID and no random name: a killed deploy could not find its machine again",
                        host.called()
                    ));
                }
                let job = Job {
                    order: &order.context("the host lost its DEPLOY_ID while it was read")?,
                    journal: &journal,
                    remove: &|id| context.removal(id, &host),
                };
                obtain(&job, &host, provider, engine, context)
            }
        }
    }
}

/// What a deploy is done with.
struct Prepared {
    /// What to order; none for a host that has a machine.
    order: Option<Order>,
    engine: Engine,
}

/// Makes the order and the engine. Everything that can be wrong with the order is said before anybody is asked
/// anything.
fn prepare(
    host: &mut Host,
    provider: &'static dyn Provider,
    owner: &Owner,
    argument_id: Option<HostId>,
    path: &Path,
    context: &Context<'_>,
) -> Result<Prepared> {
    let settings = context.settings(Some(host));
    timeout(&settings)?;
    let order = match deploy_id(host, provider)? {
        Some(_) => None,
        None => Some(Order::of(provider.spec(), host, &settings, owner)?),
    };
    for warning in order.iter().flat_map(|order| &order.warnings) {
        context.report.warn(warning);
    }
    decrypt(host, argument_id, path, provider, context)?;
    let (engine, _) = context.engine(provider, Some(host))?;
    Ok(Prepared { order, engine })
}

/// `error`, and what must be told beside it.
fn with_reminder(error: anyhow::Error, reminder: Option<String>) -> anyhow::Error {
    match reminder {
        Some(reminder) => anyhow!("{error:#}; {reminder}"),
        None => error,
    }
}

/// The machine that the host has.
fn deploy_id(host: &Host, provider: &dyn Provider) -> Result<Option<MachineId>> {
    let Some(text) = host.deploy_id() else {
        return Ok(None);
    };
    let spec = provider.spec();
    let id = (spec.id)(text).with_context(|| {
        format!(
            "DEPLOY_ID of {} is {text:?}, which is not {}: mend it with onehost update",
            host.called(),
            spec.id_form
        )
    })?;
    Ok(Some(id))
}

/// Puts the secrets that only oned can decrypt into `host`, and its DEPLOY_ID, should oned know one.
fn decrypt(
    host: &mut Host,
    argument_id: Option<HostId>,
    path: &Path,
    provider: &dyn Provider,
    context: &Context<'_>,
) -> Result<()> {
    let secrets = &provider.spec().secrets()[..];
    if secrets.is_empty() {
        return Ok(());
    }
    let Some(id) = argument_id.or(host.id) else {
        // Not in the database yet: the file holds what oned would have encrypted.
        warn_if_exposed(path, "holds a token in clear", &context.report);
        return Ok(());
    };
    match context.ask_oned(Some(Which::Id(id)))? {
        Some(known) => {
            // A template may have escaped the encryption, as with an attribute that oned.conf does not name.
            let is_clear = |name: &&str| {
                host.provision(name).is_some_and(|text| known.provision(name) == Some(text))
            };
            if secrets.iter().any(is_clear) {
                warn_if_exposed(path, "holds a token in clear", &context.report);
            }
            host.take_provision(&known, secrets);
            if host.deploy_id().is_none() && known.deploy_id().is_some() {
                context.report.info("oned knows the machine of this host already");
                host.take_provision(&known, &["DEPLOY_ID"]);
            }
        }
        // What the file has is encrypted: of no use to the provider.
        None => host.drop_provision(secrets),
    }
    Ok(())
}

/// Orders or adopts a machine and prints its id.
fn obtain(
    job: &Job<'_>,
    host: &Host,
    provider: &dyn Provider,
    engine: &Engine,
    context: &Context<'_>,
) -> Result<()> {
    let deployed = engine.deploy(job, |id| context.report.deploy_id(id.as_str()));
    deployed.map_err(|failure| {
        let first =
            format!("{} gives no machine for {}: {failure}", provider.spec().name, host.called());
        match failure.cause {
            Some(cause) => anyhow!(cause).context(first),
            None => anyhow!(first),
        }
    })
}

/// Powers on the machine that the host has and prints its id.
fn resume(id: &MachineId, host: &Host, engine: &Engine, context: &Context<'_>) -> Result<()> {
    let called = host.called();
    engine
        .resume(id)
        .map_err(|error| anyhow!("cannot resume {called} on machine {id}: {}", advise(&error)))?;
    context
        .report
        .deploy_id(id.as_str())
        .context("the deploy id cannot be printed: keep stdout open")
}
