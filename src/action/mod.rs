//! The actions, and what they share: the process as values, and which provider is meant.

mod cancel;
mod check;
mod deploy;
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
use crate::opennebula::settings::Settings;
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

    /// The settings of a host.
    fn settings<'b>(&'b self, host: Option<&'b Host>) -> Settings<'b> {
        Settings { host, environment: self.environment }
    }

    /// The clock of waits and deadlines.
    fn clock(&self) -> Result<Arc<dyn Clock>> {
        Ok(Arc::new(SystemClock::of(self.environment)?))
    }

    /// A session with the credentials of `host`, and the engine over it.
    fn engine(&self, provider: &'static dyn Provider, host: Option<&Host>) -> Result<(Engine, Arc<Session>)> {
        let settings = self.settings(host);
        let clock = self.clock()?;
        let session = provider::connect(provider, &settings, Arc::clone(&clock), self.report)?;
        let session = Arc::new(session);
        let engine = Engine::new(
            provider,
            Arc::clone(&session),
            self.interrupt.clone(),
            clock,
            timeout(&settings)?,
            self.report,
        );
        Ok((engine, session))
    }

    /// The decrypted host from oned, or `None` where it cannot be asked but the environment has the secrets.
    fn ask_oned(&self, which: Option<Which<'_>>) -> Result<Option<Host>> {
        Ok(self.ask_and_keep_oned(which)?.map(|(host, _)| host))
    }

    /// The same, with the oned that was asked.
    fn ask_and_keep_oned(&self, which: Option<Which<'_>>) -> Result<Option<(Host, Oned)>> {
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
            Err(OnedError::CannotAsk(why)) if self.environment_has_secrets()? => {
                self.report.warn(format_args!("{why:#}; using the credentials of the environment instead"));
                Ok(None)
            }
            Err(OnedError::CannotAsk(why)) => Err(why),
            // Its machine may still be there, and must be reachable.
            Err(OnedError::NoSuchHost(why)) => {
                let secrets = self.provider_of(None)?.spec().credentials().join(" and ");
                bail!("{why}; for a machine that outlived its host, set {secrets} and give the DEPLOY_ID alone")
            }
        }
    }

    /// Whether the environment has every secret of the provider (of the first one, where none is named).
    fn environment_has_secrets(&self) -> Result<bool> {
        let spec = self.provider_of(None)?.spec();
        for name in spec.credentials() {
            let other = spec.attribute(name).and_then(|one| one.unless);
            let names = [Some(name), other].into_iter().flatten();
            let given = names.map(|name| self.environment.get(name)).collect::<Result<Vec<_>>>()?;
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

    /// Prints the answer of a subcommand that only looks.
    fn print(&self, text: &str) -> Result<()> {
        let printed = self.report.answer(text.trim_end());
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
    let Some(text) = settings.get("PM_TIMEOUT")? else {
        return Ok(TIMEOUT);
    };
    match text.parse::<u64>() {
        Ok(seconds @ 1..=LONGEST_TIMEOUT) => Ok(Duration::from_secs(seconds)),
        _ => bail!(Mistake::new(
            format!("PM_TIMEOUT is {text:?}"),
            format!("set it to a number of seconds, 1 to {LONGEST_TIMEOUT}")
        )),
    }
}

/// Whether a setting is a yes. What is neither a yes nor a no is none.
fn is_yes(name: &str, settings: &Settings<'_>) -> Result<bool> {
    let text = settings.get(name)?;
    Ok(text.is_some_and(|text| yes_or_no(text).unwrap_or_default()))
}
