//! `deploy FILE TODO` when oneprovision creates a host, `deploy FILE NAME HOST_ID NAME` when it resumes one.
//!
//! Prints the deploy id and nothing else: oneprovision stores all of it as `DEPLOY_ID`. It writes the file
//! itself and sends an empty STDIN; OpenNebula's documentation says that STDIN holds what is to be written to
//! the file. Both work.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};

use super::record::HostRecord;
use super::target::{Named, SHIFTED, advise};
use super::{Context, timeout};
use crate::engine::journal::{self, Journal, Lock, reminder_beside};
use crate::engine::{Engine, Job, NoRecord};
use crate::opennebula::deployment_file;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::{Oned, Which};
use crate::opennebula::owner::Owner;
use crate::opennebula::session::warn_if_exposed;
use crate::provider::Provider;
use crate::provider::machine::MachineId;
use crate::provider::order::Order;
use crate::system::process;

/// Order a machine for a host (or power on the one that it has), wait until it is up, and print its deploy id.
#[derive(FromArgs, ArgsInfo)]
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
            bail!("stdout is closed or /dev/null, so the deploy id could reach nobody: call it with stdout open");
        }
        let asked = Asked::of(&self.host)?;
        let path = Path::new(&self.file);
        let mut host = deployment_file::receive(path, &context.interrupt, &context.report)
            .map_err(|error| with_reminder(error, reminder_of(path, context)))?;
        asked.check(&host)?;
        let provider = context.provider_of(Some(&host))?;
        context.report.info(format_args!("{} of {}, with driver {}", host.called(), self.file, provider.spec().name));
        let owner = Owner::of(&host);
        let folder = journal::folder(context.environment);
        let journal = Journal::in_folder(&folder, provider.spec(), &owner);
        let journal = journal.or_beside(path);
        // The second one waits for the first, and then finds what that left.
        let _lock = one_at_a_time(&journal, &owner, &host, context)?;
        let prepared = prepare(&mut host, provider, &owner, &asked, path, context)
            .map_err(|error| with_reminder(error, journal.reminder()))?;
        let Prepared { order, engine, machine, record } = prepared;
        match order {
            None => resume(&machine.context(NO_MACHINE)?, &host, &engine, context),
            Some(order) => {
                if !owner.is_lasting() {
                    context.report.warn(format_args!(
                        "{} has no PROVISION_ID and no random name: a killed deploy could not find its machine again",
                        host.called()
                    ));
                }
                let job = Job {
                    order: &order,
                    journal: &journal,
                    record: match &record {
                        Some(record) => record,
                        None => &NoRecord,
                    },
                    recorded: machine,
                    remove: &|id| context.removal(id, &host),
                };
                obtain(&job, &host, provider, &engine, context)
            }
        }
    }
}

/// What is said of a host that is resumed and has no machine.
const NO_MACHINE: &str = "the host has no machine, as its deploy failed: delete the host and create it anew";

/// What the words after the file ask for.
struct Asked {
    /// The host's id, if they have one.
    host_id: Option<HostId>,
    /// Whether a host is resumed, which must have a machine: `NAME HOST_ID NAME`. For one that is created the only
    /// word is `TODO`.
    is_resume: bool,
    /// Whether a host is created: then a DEPLOY_ID that it has is of an earlier deploy, whose machine may be adopted,
    /// and rolled back. A person who says neither resumes a host that has a machine.
    is_create: bool,
}

impl Asked {
    fn of(words: &[String]) -> Result<Self> {
        let host_id = Named::of(words).host_id()?;
        Ok(Self { host_id, is_resume: host_id.is_some(), is_create: words == ["TODO"] })
    }

    /// Whether the words are about the host of the file.
    fn check(&self, host: &Host) -> Result<()> {
        match (self.host_id, host.id) {
            (Some(asked), Some(own)) if asked != own => {
                bail!("HOST_ID is {asked}, and the deployment file is of host {own}: {SHIFTED}")
            }
            _ => Ok(()),
        }
    }
}

/// Waits until no other deploy of this host runs.
fn one_at_a_time(journal: &Journal, owner: &Owner, host: &Host, context: &Context<'_>) -> Result<Option<Lock>> {
    if !owner.is_lasting() {
        return Ok(None);
    }
    let clock = context.clock()?;
    let told = || {
        context.report.notice(format_args!("another deploy of {} is under way: waiting for its end", host.called()));
    };
    let lock = journal.lock(&*clock, &context.interrupt, told);
    lock.map_err(|signal| {
        anyhow!("interrupted ({signal}) while another deploy of {} is under way: nothing was done", host.called())
    })
}

/// What a deploy is done with.
struct Prepared {
    /// What to order; none for a host that has a machine and is resumed.
    order: Option<Order>,
    engine: Engine,
    /// The machine that the host has, or that an earlier deploy of it recorded.
    machine: Option<MachineId>,
    /// Where oned keeps the machine's id.
    record: Option<HostRecord>,
}

/// Makes the order and the engine. Everything that can be wrong with the order is said before anybody is asked
/// anything.
fn prepare(
    host: &mut Host,
    provider: &'static dyn Provider,
    owner: &Owner,
    asked: &Asked,
    path: &Path,
    context: &Context<'_>,
) -> Result<Prepared> {
    let settings = context.settings(provider, Some(host));
    timeout(&settings)?;
    let own = deploy_id(host, provider)?;
    let order = match asked.is_resume || (own.is_some() && !asked.is_create) {
        true => None,
        false => Some(Order::of(provider.spec(), host, &settings, owner)?),
    };
    for warning in order.iter().flat_map(|order| &order.warnings) {
        context.report.warn(warning);
    }
    let slips = provider.spec().slips(host).into_iter();
    for (typed, meant) in slips.filter(|(_, meant)| host.provision(meant).is_none()) {
        context.report.warn(format_args!("{} does not read {typed}: did you mean {meant}?", provider.spec().name));
    }
    let oned = decrypt(host, asked.host_id, path, provider, context)?;
    // What oned knows and the file does not is of an earlier deploy of this host.
    let machine = deploy_id(host, provider)?;
    if order.is_none() && machine.is_none() {
        bail!(NO_MACHINE);
    }
    let (engine, _) = context.engine(provider, Some(host))?;
    let record = match oned {
        Some((oned, id)) => HostRecord::of(oned, id, &context.settings(provider, Some(host)), context.report)?,
        None => None,
    };
    Ok(Prepared { order, engine, machine, record })
}

/// What must be told beside an error where the host was not received: what an earlier deploy of the host in `path` left, if
/// that file is there.
fn reminder_of(path: &Path, context: &Context<'_>) -> Option<String> {
    let known = deployment_file::read(path).ok().and_then(|(host, _)| {
        let spec = context.provider_of(Some(&host)).ok()?.spec();
        let folder = journal::folder(context.environment);
        Journal::in_folder(&folder, spec, &Owner::of(&host)).or_beside(path).reminder()
    });
    known.or_else(|| reminder_beside(path))
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

/// Puts the secrets that only oned can decrypt into `host`, and its DEPLOY_ID, should oned know one. Returns the oned that
/// was asked, and for which host.
fn decrypt(
    host: &mut Host,
    argument_id: Option<HostId>,
    path: &Path,
    provider: &'static dyn Provider,
    context: &Context<'_>,
) -> Result<Option<(Oned, HostId)>> {
    let secrets = &provider.spec().secrets()[..];
    if secrets.is_empty() {
        return Ok(None);
    }
    let Some(id) = argument_id.or(host.id) else {
        // Not in the database yet: the file holds what oned would have encrypted.
        if secrets.iter().any(|name| host.provision(name).is_some()) {
            warn_if_exposed(path, "holds a token in clear", &context.report);
        }
        return Ok(None);
    };
    match context.ask_and_keep_oned(Some(Which::Id(id)), Some(provider))? {
        Some((known, oned)) => {
            // A template may have escaped the encryption, as with an attribute that oned.conf does not name.
            let is_clear = |name: &&str| host.provision(name).is_some_and(|text| known.provision(name) == Some(text));
            if secrets.iter().any(is_clear) {
                warn_if_exposed(path, "holds a token in clear", &context.report);
            }
            host.take_provision(&known, secrets);
            context.report.info(format_args!("oned at {} gave its secrets in clear", oned.endpoint()));
            if host.deploy_id().is_none() && known.deploy_id().is_some() {
                context.report.info("oned knows the machine of this host already");
                host.take_provision(&known, &["DEPLOY_ID"]);
            }
            Ok(Some((oned, id)))
        }
        // What the file has is encrypted: of no use to the provider.
        None => {
            host.drop_provision(secrets);
            Ok(None)
        }
    }
}

/// Orders or adopts a machine and prints its id.
fn obtain(job: &Job<'_>, host: &Host, provider: &dyn Provider, engine: &Engine, context: &Context<'_>) -> Result<()> {
    let within = timeout(&context.settings(provider, Some(host)))?;
    let patience = |waited| waited < within && context.interrupt.check().is_ok();
    let deployed = engine.deploy(job, |id| {
        context.report.deploy_id(id.as_str(), patience)?;
        context
            .report
            .info(format_args!("DEPLOY_ID {id} is handed over: from here on only cancel deletes the machine"));
        Ok(())
    });
    deployed.map_err(|failure| {
        let first = format!("{} gives no machine for {}: {failure}", provider.spec().name, host.called());
        match failure.cause {
            Some(cause) => anyhow!(*cause).context(first),
            None => anyhow!(first),
        }
    })
}

/// Powers on the machine that the host has and prints its id.
fn resume(id: &MachineId, host: &Host, engine: &Engine, context: &Context<'_>) -> Result<()> {
    let called = host.called();
    engine.resume(id).map_err(|error| anyhow!("cannot resume {called} on machine {id}: {}", advise(&error)))?;
    let patience = |_| context.interrupt.check().is_ok();
    context.report.deploy_id(id.as_str(), patience).context("the deploy id cannot be printed: keep stdout open")
}
