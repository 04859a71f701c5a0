//! The actions, and what they share: which host is meant, its credentials, its machine.

mod cancel;
mod check;
mod deploy;
mod list;
mod poll;
mod reboot;
mod reset;
mod shutdown;

pub use cancel::Cancel;
pub use check::Check;
pub use deploy::Deploy;
pub use list::List;
pub use poll::{Poll, values};
pub use reboot::Reboot;
pub use reset::Reset;
pub use shutdown::Shutdown;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::engine::{Lifecycle, Trouble};
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::{Oned, OnedError, Which};
use crate::opennebula::settings::Settings;
use crate::provider::{self, BACKENDS, Backend, MachineId, Row};
use crate::report::frame::Report;
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
    pub row: Option<&'static Row>,
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

/// The host that the arguments of an action name, as they came.
struct Named<'a> {
    name: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// The host of the arguments `NAME HOST_ID NAME`, of which any may be missing.
    fn of(words: &'a [String]) -> Self {
        let word = |at: usize| words.get(at).map(|word| word.trim());
        Self {
            name: word(0).filter(|word| !word.is_empty()),
            id: word(1).filter(|word| !word.is_empty()),
        }
    }

    fn called(&self) -> String {
        match (self.name, self.id) {
            (Some(name), Some(id)) => format!("host {id} ({name})"),
            (Some(name), None) => format!("host {name}"),
            (None, Some(id)) => format!("host {id}"),
            (None, None) => "the host".to_owned(),
        }
    }

    /// The host's id, if the arguments have one.
    fn host_id(&self) -> Result<Option<HostId>> {
        match self.id {
            None => Ok(None),
            Some(text) => match HostId::parse(text) {
                Some(id) => Ok(Some(id)),
                None => bail!("HOST_ID is {text:?}, which is no number: {SHIFTED}"),
            },
        }
    }
}

const SHIFTED: &str =
    "the arguments look shifted; an empty one vanishes on its way through the shell";

/// A machine that an action is about, and the engine that acts on it.
struct Target {
    id: MachineId,
    lifecycle: Lifecycle,
    backend: Arc<dyn Backend>,
    shows_root_password: bool,
}

impl Context<'_> {
    /// Does `what` to the machine `deploy_id` of the host that the words `host` name.
    fn carry_out(
        &self,
        deploy_id: &str,
        host: &[String],
        what: impl FnOnce(&Lifecycle, &MachineId) -> Result<(), Trouble>,
    ) -> Result<()> {
        let named = Named::of(host);
        let Target { id, lifecycle, .. } = self.target(deploy_id, &named)?;
        what(&lifecycle, &id)
            .map_err(|trouble| anyhow!("machine {id} of {}: {}", named.called(), advise(&trouble)))
    }

    /// The machine `deploy_id` of the host that is `named`, reached with that host's credentials.
    fn target(&self, deploy_id: &str, named: &Named<'_>) -> Result<Target> {
        // What no provider takes for an id is not worth a question to anybody.
        self.check_id(deploy_id, named)?;
        let host = match self.row {
            Some(row) if row.secrets.is_empty() => None,
            _ => self.named_host(named)?,
        };
        let row = self.row_of(host.as_ref())?;
        let id = (row.id)(deploy_id).with_context(|| not_an_id(row, deploy_id, named))?;
        let settings = Settings {
            host: host.as_ref(),
            environment: self.environment,
        };
        let backend = (row.open)(&settings, self.report)?;
        Ok(Target {
            id,
            lifecycle: self.lifecycle(&backend, &settings)?,
            backend,
            shows_root_password: is_yes("PM_ROOT_PASSWORD", &settings)?,
        })
    }

    fn check_id(&self, deploy_id: &str, named: &Named<'_>) -> Result<()> {
        named.host_id()?;
        let rows = match self.row {
            Some(row) => std::slice::from_ref(row),
            None => BACKENDS,
        };
        match rows {
            [row, ..] if rows.iter().all(|row| (row.id)(deploy_id).is_none()) => {
                bail!(not_an_id(row, deploy_id, named))
            }
            _ => Ok(()),
        }
    }

    /// The provider: that of the link, else the host's own, else packet.
    fn row_of(&self, host: Option<&Host>) -> Result<&'static Row> {
        match (self.row, host.and_then(Host::pm_mad)) {
            (Some(row), _) => Ok(row),
            (None, Some(name)) => provider::row(name),
            (None, None) => provider::row("packet"),
        }
    }

    fn lifecycle(&self, backend: &Arc<dyn Backend>, settings: &Settings<'_>) -> Result<Lifecycle> {
        Ok(Lifecycle::new(
            backend.clone(),
            self.interrupt.clone(),
            timeout(settings)?,
            self.report,
        ))
    }

    /// The host that is `named`, from oned. `None`: it cannot be asked, and the environment has what is needed.
    fn named_host(&self, named: &Named<'_>) -> Result<Option<Host>> {
        let which = match (named.host_id()?, named.name) {
            (Some(id), _) => Some(Which::Id(id)),
            (None, Some(name)) => Some(Which::Name(name)),
            (None, None) => None,
        };
        self.ask_oned(which)
    }

    /// The decrypted host from oned, or `None` where it cannot be asked but the environment has the secrets.
    fn ask_oned(&self, which: Option<Which<'_>>) -> Result<Option<Host>> {
        let asked = match which {
            Some(which) => Oned::open(self.environment, &self.interrupt, self.report)
                .map_err(OnedError::CannotAsk)
                .and_then(|oned| oned.host(which)),
            None => Err(OnedError::CannotAsk(anyhow!(
                "there is neither a host id nor a host name to ask oned for: give HOST and HOST_ID"
            ))),
        };
        match asked {
            Ok(host) => Ok(Some(host)),
            Err(OnedError::CannotAsk(why)) if self.environment_has_secrets()? => {
                self.report.warn(format_args!(
                    "{why:#}; using the credentials of the environment instead"
                ));
                Ok(None)
            }
            Err(OnedError::CannotAsk(why)) => Err(why),
            // Its machine may still be there, and must be reachable.
            Err(OnedError::NoSuchHost(why)) => {
                let secrets = self.row_of(None)?.secrets.join(" and ");
                bail!(
                    "{why}; for a machine that outlived its host, set {secrets} and give the DEPLOY_ID alone"
                )
            }
        }
    }

    /// Whether the environment has every secret of the provider (of the first one, where none is named).
    fn environment_has_secrets(&self) -> Result<bool> {
        let row = self.row_of(None)?;
        for name in row.secrets {
            if self.environment.get(name)?.is_none() {
                return Ok(false);
            }
        }
        self.interrupt
            .check()
            .map_err(|signal| anyhow!("interrupted ({signal})"))?;
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
        let words: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        words.join(" ")
    }
}

/// `text` as one word of a command line that somebody may paste into a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:-".contains(&byte);
    if text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `trouble` with a machine that was handed over, and what to do about it where it does not say so itself.
fn advise(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Vanished(_) => format!("{trouble}: delete the host and create it anew"),
        Trouble::Failed(_) => format!("{trouble}: see the machine at the provider"),
        Trouble::Interrupted(_) => {
            format!("{trouble}: what was asked for may happen all the same; ask again to be sure")
        }
        _ => trouble.to_string(),
    }
}

/// Prints the answer of a subcommand that only looks.
fn print(text: &str, context: &Context<'_>) -> Result<()> {
    let printed = context.report.answer(text.trim_end());
    printed.context("the answer cannot be printed: keep stdout open")
}

fn not_an_id(row: &Row, text: &str, named: &Named<'_>) -> anyhow::Error {
    let shifted = text.is_empty()
        || text.starts_with("provision-")
        || text.starts_with("SHUTDOWN")
        || HostId::parse(text).is_some()
        || text.parse::<IpAddr>().is_ok()
        || named.name == Some(text)
        || named.id == Some(text);
    let remedy = if shifted {
        SHIFTED
    } else {
        "give the DEPLOY_ID that deploy printed"
    };
    anyhow!(
        "DEPLOY_ID is {text:?}, which is not {}: {remedy}",
        row.id_form
    )
}

/// The time that one wait for a state may take.
fn timeout(settings: &Settings<'_>) -> Result<Duration> {
    let Some(text) = settings.get("PM_TIMEOUT")? else {
        return Ok(TIMEOUT);
    };
    match text.parse::<u64>() {
        Ok(seconds @ 1..=LONGEST_TIMEOUT) => Ok(Duration::from_secs(seconds)),
        _ => bail!("PM_TIMEOUT is {text:?}: set it to a number of seconds, 1 to {LONGEST_TIMEOUT}"),
    }
}

fn is_yes(name: &str, settings: &Settings<'_>) -> Result<bool> {
    Ok(settings
        .get(name)?
        .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "yes" | "true" | "1")))
}
