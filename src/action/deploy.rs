//! `deploy FILE TODO` when oneprovision creates a host, `deploy FILE NAME HOST_ID NAME` when it resumes one.
//!
//! Prints the deploy id and nothing else: oneprovision stores all of it as `DEPLOY_ID`. It writes the file
//! itself and sends an empty STDIN; OpenNebula's documentation says that STDIN holds what is to be written to
//! the file. Both work.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use argh::FromArgs;

use super::{Context, Named, advise, timeout};
use crate::engine::journal::{Journal, reminder_beside};
use crate::engine::{Job, Lifecycle};
use crate::opennebula::deployment_file;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::Which;
use crate::opennebula::owner::Owner;
use crate::opennebula::session::warn_if_exposed;
use crate::opennebula::settings::Settings;
use crate::provider::{MachineId, Row};
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
        let row = context.row_of(Some(&host))?;
        let owner = Owner::of(&host);
        let journal = Journal::beside(path, owner.identity(), row.id);
        // Everything that can be wrong with the order is said before anybody is asked anything.
        let prepare = || {
            let settings = settings(&host, context);
            timeout(&settings)?;
            match deploy_id(&host, row)? {
                Some(_) => Ok(None),
                None => (row.order)(&host, &settings, &owner, &context.report).map(Some),
            }
        };
        let prepared = prepare();
        let (order, lifecycle) = prepared
            .and_then(|order| {
                decrypt(&mut host, argument_id, path, row, context)?;
                let settings = settings(&host, context);
                let backend = (row.open)(&settings, context.report)?;
                Ok((order, context.lifecycle(&backend, &settings)?))
            })
            .map_err(|error| with_reminder(error, journal.reminder()))?;
        match (deploy_id(&host, row)?, order) {
            (Some(id), _) => resume(&id, &host, &lifecycle, context),
            (None, order) => {
                let job = Job {
                    order: &order.context("the host lost its DEPLOY_ID while it was read")?,
                    owner: &owner,
                    journal: &journal,
                    remove: &|id| context.removal(id, &host),
                };
                obtain(&job, &host, row, &lifecycle, context)
            }
        }
    }
}

/// `error`, and what must be told beside it.
fn with_reminder(error: anyhow::Error, reminder: Option<String>) -> anyhow::Error {
    match reminder {
        Some(reminder) => anyhow!("{error:#}; {reminder}"),
        None => error,
    }
}

/// The machine that the host has.
fn deploy_id(host: &Host, row: &Row) -> Result<Option<MachineId>> {
    let Some(text) = host.deploy_id() else {
        return Ok(None);
    };
    let id = (row.id)(text).with_context(|| {
        format!(
            "DEPLOY_ID of {} is {text:?}, which is not {}: mend it with onehost update",
            host.called(),
            row.id_form
        )
    })?;
    Ok(Some(id))
}

/// Puts the secrets that only oned can decrypt into `host`, and its DEPLOY_ID, should oned know one.
fn decrypt(
    host: &mut Host,
    argument_id: Option<HostId>,
    path: &Path,
    row: &Row,
    context: &Context<'_>,
) -> Result<()> {
    if row.secrets.is_empty() {
        return Ok(());
    }
    let Some(id) = argument_id.or(host.id) else {
        // Not in the database yet: the file holds what oned would have encrypted.
        warn_if_exposed(path, "holds a token in clear", &context.report);
        return Ok(());
    };
    match context.ask_oned(Some(Which::Id(id)))? {
        Some(known) => {
            // oned 5.8 encrypts nothing, and a template may have escaped the encryption of a later one.
            let is_clear = |name: &&str| {
                host.provision(name)
                    .is_some_and(|text| known.provision(name) == Some(text))
            };
            if row.secrets.iter().any(is_clear) {
                warn_if_exposed(path, "holds a token in clear", &context.report);
            }
            host.take_provision(&known, row.secrets);
            if host.deploy_id().is_none() && known.deploy_id().is_some() {
                context
                    .report
                    .info("oned knows the machine of this host already");
                host.take_provision(&known, &["DEPLOY_ID"]);
            }
        }
        // What the file has is encrypted: of no use to the provider.
        None => host.drop_provision(row.secrets),
    }
    Ok(())
}

/// Orders or adopts a machine and prints its id.
fn obtain(
    job: &Job<'_>,
    host: &Host,
    row: &Row,
    lifecycle: &Lifecycle,
    context: &Context<'_>,
) -> Result<()> {
    if !job.owner.is_lasting() {
        context.report.warn(format_args!(
            "{} has no PROVISION_ID and no random name: a killed deploy could not find its machine again",
            host.called()
        ));
    }
    lifecycle
        .deploy(job, |id| context.report.deploy_id(id.as_str()))
        .map_err(|failure| {
            let first = format!(
                "{} gives no machine for {}: {failure}",
                row.name,
                host.called()
            );
            match failure.cause {
                Some(cause) => anyhow!(cause).context(first),
                None => anyhow!(first),
            }
        })
}

/// Powers on the machine that the host has and prints its id.
fn resume(id: &MachineId, host: &Host, lifecycle: &Lifecycle, context: &Context<'_>) -> Result<()> {
    let called = host.called();
    lifecycle.resume(id).map_err(|trouble| {
        anyhow!(
            "cannot resume {called} on machine {id}: {}",
            advise(&trouble)
        )
    })?;
    context
        .report
        .deploy_id(id.as_str())
        .context("the deploy id cannot be printed: keep stdout open")
}

fn settings<'a>(host: &'a Host, context: &Context<'a>) -> Settings<'a> {
    Settings {
        host: Some(host),
        environment: context.environment,
    }
}
