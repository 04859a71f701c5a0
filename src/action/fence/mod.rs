//! `fence [BASE64]`, also called `fence_host.sh`: powers a dead host's machine off, and says so only when it was seen off.
//!
//! OpenNebula's hook of host high availability (`host_error.rb`) calls `remotes/hooks/ft/fence_host.sh` before it starts the
//! host's virtual machines elsewhere. The host's XML comes in base64, as the first argument up to 5.12, whose STDIN is never
//! closed, and on STDIN from 6.0 on. Exit code 0 alone lets it go on; what is printed goes into `host_error.log`.

mod find;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::find::{Found, find};
use super::target::advise;
use super::{Context, timeout_of};
use crate::opennebula::host::Host;
use crate::opennebula::settings::Settings;
use crate::report::finding::Finding;
use crate::report::frame::Report;
use crate::system::file::{read_bounded, reason};
use crate::system::process::FAILURE;
use crate::wire::xml;

/// The time that fencing may take where `PM_FENCE_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How soon a deadline that was set anew is heeded.
const STEP: Duration = Duration::from_millis(200);
/// The most bytes of base64 that are read: those of the largest host.
const LIMIT: u64 = 12 << 20;

/// Power off the machine of a dead host, for OpenNebula's high availability; exit code 0 only when it was seen off.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "fence", help_triggers("-h", "--help"))]
pub struct Fence {
    /// the host's XML in base64; from STDIN where it is not given
    #[argh(positional, arg_name = "BASE64")]
    host: Vec<String>,
}

impl Fence {
    /// Runs the action.
    ///
    /// # Errors
    /// The machine is not known to be off; the first line says why, and what to do.
    pub fn run(self, context: &Context<'_>) -> Result<()> {
        let fenced = self.fence(context).map_err(|error| anyhow!("not fenced: {error:#}"))?;
        context.print(&format!("fenced: {fenced}"))
    }

    /// Fences the host, and says what became of its machine.
    fn fence(&self, context: &Context<'_>) -> Result<String> {
        let deadline = Deadline::begin(time(&Settings::of(None, context.environment))?, context.report);
        let host = self.host()?;
        let called = host.called();
        let found = find(host, context, &|settings| {
            deadline.set(time(settings)?);
            Ok(deadline.left())
        })?;
        let (provider, session, id) = match found {
            Found::Gone(id) => return Ok(format!("machine {id} of {called} is gone")),
            Found::Here { provider, session, machine } => (provider, session, machine.id),
        };
        // What is left of the time is what the machine gets to go down.
        let engine = context.engine_within(provider, session, deadline.left())?;
        engine.power_off(&id).map_err(|error| anyhow!("machine {id} of {called}: {}", advise(&error)))?;
        Ok(format!("machine {id} of {called} is off"))
    }

    /// The host that came.
    fn host(&self) -> Result<Host> {
        let coded = match &self.host[..] {
            [] => read_bounded(io::stdin(), LIMIT)
                .map_err(|error| anyhow!("STDIN cannot be read ({}): send the host's XML in base64", reason(&error)))?,
            [coded, ..] => coded.clone().into_bytes(),
        };
        let coded: Vec<u8> = coded.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        if coded.is_empty() {
            bail!("there is no host: give its XML in base64 as the argument, or on STDIN");
        }
        let strange =
            |why: String| anyhow!("what came is not the base64 of a host's XML ({why}): see `onehost show -x`");
        let bytes = STANDARD.decode(coded).map_err(|_| strange("it is no base64".to_owned()))?;
        let host = xml::decode(&bytes).and_then(Host::parse).map_err(|error| strange(error.to_string()))?;
        Ok(host.0)
    }
}

/// What fencing of `host` would come to, and whether OpenNebula would call it.
pub(super) fn rehearse(host: &Host, context: &Context<'_>) -> Result<Vec<Finding>> {
    let time = time(&Settings::of(None, context.environment))?;
    Ok([Some(find::rehearse(host, context, time)), unlinked(&context.remotes.fence_hook())]
        .into_iter()
        .flatten()
        .collect())
}

/// That the hook is not this program.
fn unlinked(hook: &Path) -> Option<Finding> {
    let is_ours = hook.canonicalize().is_ok_and(|target| {
        let own = std::env::current_exe().and_then(|own| own.canonicalize());
        own.is_ok_and(|own| own == target)
    });
    let what = format!("{} is not this program, so OpenNebula does not call it", hook.display());
    (!is_ours).then(|| Finding::doubtful("hook", what, "link it with ./install.sh --fence"))
}

/// How long fencing may take.
fn time(settings: &Settings<'_>) -> Result<Duration> {
    Ok(timeout_of("PM_FENCE_TIMEOUT", settings)?.unwrap_or(TIMEOUT))
}

/// The moment at which this process ends, whatever it is busy with.
struct Deadline {
    begin: Instant,
    end: Arc<Mutex<Instant>>,
}

impl Deadline {
    fn begin(time: Duration, report: Report) -> Self {
        let begin = Instant::now();
        let end = Arc::new(Mutex::new(begin + time));
        let watched = Arc::clone(&end);
        thread::spawn(move || {
            loop {
                let end = *watched.lock().unwrap_or_else(PoisonError::into_inner);
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                // It may be set anew meanwhile.
                thread::sleep(left.min(STEP));
            }
            let seconds = begin.elapsed().as_secs();
            report.refusal(&anyhow!(
                "not fenced: it is not known within {seconds} s whether the machine is off: see it at the provider; PM_FENCE_TIMEOUT is the time it gets"
            ));
            std::process::exit(FAILURE.into());
        });
        Self { begin, end }
    }

    /// Lets it be so long after the beginning.
    fn set(&self, time: Duration) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = self.begin + time;
    }

    fn left(&self) -> Duration {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        // The engine is to say what it saw last, before the process ends.
        end.saturating_duration_since(Instant::now()).mul_f64(0.95)
    }
}
