//! The actions, and what they share: the process as values, and which provider is meant.

mod cancel;
mod check;
mod deploy;
mod fence;
mod installation;
mod list;
mod poll;
mod reboot;
mod record;
mod reset;
mod shutdown;
mod target;

pub use cancel::Cancel;
pub use check::Check;
pub use deploy::Deploy;
pub use fence::Fence;
pub use list::List;
pub use poll::{Poll, values};
pub use reboot::Reboot;
pub use reset::Reset;
pub use shutdown::Shutdown;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::engine::Engine;
use crate::opennebula::host::Host;
use crate::opennebula::oned::{Oned, OnedError, Which};
use crate::opennebula::settings::{Remotes, Settings};
use crate::provider::form::yes_or_no;
use crate::provider::machine::MachineId;
use crate::provider::session::Session;
use crate::provider::{self, PROVIDERS, Provider};
use crate::report::finding::Mistake;
use crate::report::frame::Report;
use crate::system::clock::{Clock, SystemClock};
use crate::system::environment::Environment;
use crate::system::interrupt::Interrupt;

/// The time that one wait for a state may take where `PM_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(1800);
/// The longest time that `PM_TIMEOUT` may say: a week.
const LONGEST_TIMEOUT: u64 = 7 * 24 * 3600;

/// What a subcommand found that only looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is as it should be.
    Well,
    /// Something is not: what it is was printed.
    Unwell,
}

/// What an action is run with: the process, as values.
pub struct Context<'a> {
    /// The provider that the folder of the link names.
    pub provider: Option<&'static dyn Provider>,
    /// How this process was called.
    pub program: PathBuf,
    /// Whether that was through a link.
    pub via_link: bool,
    /// The environment.
    pub environment: &'a Environment,
    /// Signals.
    pub interrupt: Interrupt,
    /// Where to print.
    pub report: Report,
    /// OpenNebula's folder of drivers and hooks.
    pub remotes: Remotes,
}

impl Context<'_> {
    /// The provider: that of the link, else the host's own, else the first one.
    fn provider_of(&self, host: Option<&Host>) -> Result<&'static dyn Provider> {
        match (self.provider, host.and_then(Host::pm_mad)) {
            (Some(provider), _) => Ok(provider),
            (None, Some(name)) => provider::named(name),
            (None, None) => Ok(PROVIDERS[0]),
        }
    }

    /// The settings of a host, or of all that have `provider`.
    fn settings<'b>(&'b self, provider: &dyn Provider, host: Option<&'b Host>) -> Settings<'b> {
        let file = self.remotes.settings_of(provider.spec().name);
        if let Some((file, true)) = file
            && file.is_exposed()
        {
            let path = file.path().display();
            self.report.warn(format_args!("{path} has settings that every user can read: chmod 640 it"));
        }
        Settings { host, environment: self.environment, file: file.map(|(file, _)| file) }
    }

    /// The clock of waits and deadlines.
    fn clock(&self) -> Result<Arc<dyn Clock>> {
        Ok(Arc::new(SystemClock::of(self.environment)?))
    }

    /// A session with the credentials of `host`, and the engine over it.
    fn engine(&self, provider: &'static dyn Provider, host: Option<&Host>) -> Result<(Engine, Arc<Session>)> {
        let settings = self.settings(provider, host);
        let session = Arc::new(provider::connect(provider, &settings, self.clock()?, self.report)?);
        let engine = self.engine_within(provider, Arc::clone(&session), timeout(&settings)?)?;
        Ok((engine, session))
    }

    /// The engine over a session, whose waits may take so long.
    fn engine_within(
        &self,
        provider: &'static dyn Provider,
        session: Arc<Session>,
        timeout: Duration,
    ) -> Result<Engine> {
        Ok(Engine::new(provider, session, self.interrupt.clone(), self.clock()?, timeout, self.report))
    }

    /// The decrypted host from oned, or `None` where it cannot be asked but the settings have the secrets of the provider.
    fn ask_oned(&self, which: Option<Which<'_>>, provider: Option<&'static dyn Provider>) -> Result<Option<Host>> {
        Ok(self.ask_and_keep_oned(which, provider)?.map(|(host, _)| host))
    }

    /// The same, with the oned that was asked.
    fn ask_and_keep_oned(
        &self,
        which: Option<Which<'_>>,
        provider: Option<&'static dyn Provider>,
    ) -> Result<Option<(Host, Oned)>> {
        let provider = provider.map_or_else(|| self.provider_of(None), Ok)?;
        let asked = match which {
            Some(which) => Oned::open(self.environment, &self.interrupt, self.report)
                .map_err(OnedError::CannotAsk)
                .and_then(|oned| Ok((oned.host(which)?, oned))),
            None => Err(OnedError::CannotAsk(anyhow!(
                "there is neither a host id nor a host name to ask oned for: give HOST and HOST_ID"
            ))),
        };
        match asked {
            Ok(host) => Ok(Some(host)),
            Err(OnedError::CannotAsk(why)) if self.has_credentials(provider)? => {
                self.report.warn(format_args!("{why:#}; using the credentials of the environment instead"));
                Ok(None)
            }
            Err(OnedError::CannotAsk(why)) => Err(why),
            // Its machine may still be there, and must be reachable.
            Err(OnedError::NoSuchHost(why)) => {
                let secrets = provider.spec().credentials().join(" and ");
                bail!("{why}; for a machine that outlived its host, set {secrets} and give the DEPLOY_ID alone")
            }
        }
    }

    /// Whether the environment, or the settings file, has what is needed to ask the provider.
    fn has_credentials(&self, provider: &dyn Provider) -> Result<bool> {
        let (spec, settings) = (provider.spec(), self.settings(provider, None));
        if spec.credentials().is_empty() {
            return Ok(false);
        }
        for name in spec.credentials() {
            let other = spec.attribute(name).and_then(|one| one.unless);
            let names = [Some(name), other].into_iter().flatten();
            let given = names.map(|name| settings.get(name)).collect::<Result<Vec<_>>>()?;
            if given.iter().all(Option::is_none) {
                return Ok(false);
            }
        }
        self.interrupt.check().map_err(|signal| anyhow!("interrupted ({signal})"))?;
        Ok(true)
    }

    /// The command line that removes the machine `id` of `host`.
    fn removal(&self, id: &MachineId, host: &Host) -> String {
        let mut words = match self.via_link {
            true => vec![self.program.with_file_name("cancel").display().to_string()],
            false => vec![self.program.display().to_string(), "cancel".to_owned()],
        };
        words.push(id.to_string());
        if !host.name.is_empty() {
            words.push(host.name.clone());
            words.extend(host.id.map(|id| id.to_string()));
        }
        shell_line(&words)
    }

    /// The command line of `cancel` with these words, for whoever called this by its own name.
    fn cancel_with(&self, words: &[&str]) -> String {
        let program = self.program.display().to_string();
        let line = [&[program.as_str(), "cancel"], words].concat();
        shell_line(&line)
    }

    /// Prints the answer of a subcommand that only looks, for programs.
    fn print(&self, text: &str) -> Result<()> {
        let printed = self.report.answer(text.trim_end());
        printed.context("the answer cannot be printed: keep stdout open")
    }

    /// The same for people. Where there is nothing to say, not a line is printed.
    fn show(&self, text: &str) -> Result<()> {
        let printed = if text.is_empty() { Ok(()) } else { self.report.show(text.strip_suffix('\n').unwrap_or(text)) };
        printed.context("the answer cannot be printed: keep stdout open")
    }
}

/// A command line that somebody may paste into a shell.
fn shell_line<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<String> = words.iter().map(|word| shell_word(word.as_ref())).collect();
    words.join(" ")
}

/// `text` as one word of a command line that somebody may paste into a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:-".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The time that one wait for a state may take.
fn timeout(settings: &Settings<'_>) -> Result<Duration> {
    Ok(timeout_of("PM_TIMEOUT", settings)?.unwrap_or(TIMEOUT))
}

/// The time that the setting `name` says, if it is given.
fn timeout_of(name: &str, settings: &Settings<'_>) -> Result<Option<Duration>> {
    let Some(text) = settings.get(name)? else {
        return Ok(None);
    };
    match text.parse::<u64>() {
        Ok(seconds @ 1..=LONGEST_TIMEOUT) => Ok(Some(Duration::from_secs(seconds))),
        _ => bail!(Mistake::new(
            format!("{name} is {text:?}"),
            format!("set it to a number of seconds, 1 to {LONGEST_TIMEOUT}")
        )),
    }
}

/// Whether a setting is a yes. What is neither a yes nor a no is none.
fn is_yes(name: &str, settings: &Settings<'_>) -> Result<bool> {
    let text = settings.get(name)?;
    Ok(text.is_some_and(|text| yes_or_no(text).unwrap_or_default()))
}
