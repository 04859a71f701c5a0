//! `deploy FILE TODO` when oneprovision creates a host, `deploy FILE NAME HOST_ID NAME` when it resumes one.
//!
//! Prints the deploy id and nothing else: oneprovision stores all of it as `DEPLOY_ID`. It writes the file
//! itself and sends an empty STDIN; OpenNebula's documentation says that STDIN holds what is to be written to
//! the file. Both work.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use argh::FromArgs;

use super::{Context, Named, advise, timeout};
use crate::engine::journal::{Journal, reminder_beside};
use crate::engine::{Job, Lifecycle};
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::Which;
use crate::opennebula::owner::Owner;
use crate::opennebula::session::warn_if_exposed;
use crate::opennebula::settings::Settings;
use crate::provider::{MachineId, Row};
use crate::system::file;
use crate::wire::xml;

/// The largest deployment file that is read; the largest seen had 20 KB.
const LIMIT: u64 = 4 << 20;
/// How long STDIN may stay silent where the file is there already, and how long where it is not.
const SILENCE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

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
        if !context.report.has_stdout() {
            bail!(
                "stdout is closed, so the deploy id could reach nobody: call it with stdout open"
            );
        }
        let argument_id = Named::of(&self.host).host_id()?;
        let path = Path::new(&self.file);
        let mut host = read_host(path, context)
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

/// The host of the deployment file; what STDIN holds is written there first.
fn read_host(path: &Path, context: &Context<'_>) -> Result<Host> {
    let given = read_stdin(path, context)?;
    let (source, bytes) = match given {
        Some(bytes) => ("STDIN".to_owned(), bytes),
        None => (
            format!("the deployment file {}", path.display()),
            file_bytes(path)?,
        ),
    };
    let (host, warnings) = parse(&source, &bytes)?;
    for warning in warnings {
        context.report.warn(format_args!("{source}: {warning}"));
    }
    if source == "STDIN" {
        file::replace(path, &bytes).map_err(|error| {
            anyhow!(
                "the deployment file {:?} cannot be written ({error}): see its folder",
                path.display().to_string()
            )
        })?;
    }
    Ok(host)
}

/// The host of a deployment file that is there, and what is wrong with its form.
pub(super) fn read_file(path: &Path) -> Result<(Host, Vec<String>)> {
    let source = format!("the deployment file {}", path.display());
    parse(&source, &file_bytes(path)?)
}

fn file_bytes(path: &Path) -> Result<Vec<u8>> {
    let read = file::read(path, LIMIT).map_err(|error| {
        anyhow!(
            "the deployment file {:?} cannot be read ({error}): give the path of one, or its XML on STDIN",
            path.display().to_string()
        )
    });
    Ok(read?.0)
}

fn parse(source: &str, bytes: &[u8]) -> Result<(Host, Vec<String>)> {
    xml::decode(bytes).and_then(Host::parse).map_err(|error| {
        anyhow!("{source} is not the XML of a host: {error}: see `onehost show -x`")
    })
}

/// What STDIN holds, unless that is nothing.
///
/// A STDIN that never closes does not hold up a deploy whose file is there already.
fn read_stdin(path: &Path, context: &Context<'_>) -> Result<Option<Vec<u8>>> {
    enum News {
        Begun,
        Done(std::io::Result<Vec<u8>>),
        Interrupted,
    }
    let (tell, news) = mpsc::channel();
    let interrupted = tell.clone();
    context.interrupt.on_first(Box::new(move || {
        let _ = interrupted.send(News::Interrupted);
    }));
    thread::Builder::new()
        .name("stdin".into())
        .spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut first = [0];
            let result = match stdin.read(&mut first) {
                Ok(0) => Ok(Vec::new()),
                Ok(_) => {
                    let _ = tell.send(News::Begun);
                    file::read_bounded((&first[..]).chain(stdin), LIMIT)
                }
                Err(error) => Err(error),
            };
            let _ = tell.send(News::Done(result));
        })
        .context("cannot start the thread that reads STDIN")?;
    let is_there = path.exists();
    let mut patience = if is_there { SILENCE } else { PATIENCE };
    loop {
        context.interrupt.check().map_err(|signal| {
            anyhow!("interrupted ({signal}) while STDIN was read: nothing was done")
        })?;
        match news.recv_timeout(patience) {
            Ok(News::Begun) => patience = PATIENCE,
            Ok(News::Interrupted) => {}
            Ok(News::Done(Ok(bytes))) if bytes.iter().all(u8::is_ascii_whitespace) => {
                return Ok(None);
            }
            Ok(News::Done(Ok(bytes))) => return Ok(Some(bytes)),
            // Closed, or a terminal that we may not read: there is nothing on it.
            Ok(News::Done(Err(error)))
                if is_there && error.kind() != std::io::ErrorKind::InvalidData =>
            {
                return Ok(None);
            }
            Ok(News::Done(Err(error))) => {
                bail!("STDIN cannot be read: {error}: send the XML of a host, or nothing")
            }
            Err(RecvTimeoutError::Timeout) if is_there && patience == SILENCE => {
                context.report.warn(format_args!(
                    "STDIN stays open and silent: reading {} instead",
                    path.display()
                ));
                return Ok(None);
            }
            Err(_) => bail!(
                "there is no deployment file {} and STDIN brings none: write the one or the other",
                path.display()
            ),
        }
    }
}
