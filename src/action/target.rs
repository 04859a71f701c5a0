//! The machine and the host that the arguments of an action name.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Context, is_yes};
use crate::engine::journal::{self, Journal};
use crate::engine::{Engine, Error, Sight, power};
use crate::http::error::{ApiError, Kind};
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::{OnedError, Which};
use crate::opennebula::owner::Owner;
use crate::provider::machine::{MachineId, Power, State};
use crate::provider::session::Session;
use crate::provider::{PROVIDERS, Provider};
use crate::report::finding::Mistake;

/// What is said of arguments that do not stand where they belong.
pub(super) const SHIFTED: &str = "the arguments look shifted; an empty one vanishes on its way through the shell";

/// The host that the arguments of an action name, as they came.
#[derive(Default)]
pub(super) struct Named<'a> {
    name: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// The host of the arguments `NAME HOST_ID NAME`, of which any may be missing.
    pub(super) fn of(words: &'a [String]) -> Self {
        let word = |at: usize| words.get(at).map(|word| word.trim());
        Self { name: word(0).filter(|word| !word.is_empty()), id: word(1).filter(|word| !word.is_empty()) }
    }

    fn is_nobody(&self) -> bool {
        self.name.is_none() && self.id.is_none()
    }

    pub(super) fn called(&self) -> String {
        match (self.name, self.id) {
            (Some(name), Some(id)) => format!("host {id} ({name})"),
            (Some(name), None) => format!("host {name}"),
            (None, Some(id)) => format!("host {id}"),
            (None, None) => "the host".to_owned(),
        }
    }

    /// Fails where the words are those of a host without a DEPLOY_ID: its name came in place of the deploy id, its id
    /// in place of its name, and its name again, as oneprovision calls the action then.
    pub(super) fn check_deployed(&self, deploy_id: &str, in_place: WithoutMachine) -> Result<()> {
        let deploy_id = deploy_id.trim();
        // An empty one that did not vanish is followed by the words as they should be.
        let (name, id) = match deploy_id {
            "" => (self.name, self.id),
            _ => (self.id.filter(|name| *name == deploy_id), self.name),
        };
        match (name, id.and_then(HostId::parse)) {
            (Some(name), Some(id)) => {
                bail!("DEPLOY_ID is {deploy_id:?}: {}", in_place.of_host(name, id))
            }
            _ => Ok(()),
        }
    }

    /// The host's id, if the arguments have one.
    pub(super) fn host_id(&self) -> Result<Option<HostId>> {
        match self.id {
            None => Ok(None),
            Some(text) => match HostId::parse(text) {
                Some(id) => Ok(Some(id)),
                None => bail!("HOST_ID is {text:?}, which is no number: {SHIFTED}"),
            },
        }
    }
}

/// What an action can do for a host that has no DEPLOY_ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WithoutMachine {
    /// It needs the machine.
    IsNeeded,
    /// It would delete the machine.
    NothingToDelete,
}

impl WithoutMachine {
    /// What is said of the host `id`, called `name`.
    pub(super) fn of_host(self, name: &str, id: HostId) -> String {
        match self {
            Self::IsNeeded => format!(
                "host {id} ({name}) has no DEPLOY_ID; its deploy failed: delete the host and create it anew; {SHIFTED}"
            ),
            Self::NothingToDelete => format!(
                "host {id} ({name}) has no DEPLOY_ID; there is nothing to cancel, for its deploy failed: delete the host and create it anew (`onehost delete {id}` deletes it); {SHIFTED}"
            ),
        }
    }
}

/// A machine that an action is about, and the engine that acts on it.
pub(super) struct Target {
    pub(super) id: MachineId,
    pub(super) provider: &'static dyn Provider,
    pub(super) engine: Engine,
    pub(super) session: Arc<Session>,
    pub(super) shows_root_password: bool,
    /// The address that only an attribute of the host knows.
    pub(super) reach: Option<IpAddr>,
    /// What a deploy of the host noted, where the host is known.
    pub(super) journal: Option<Journal>,
}

impl Context<'_> {
    /// Does `what` to the machine `deploy_id` of the host that the words `host` name. It needs the provider to take
    /// `changes` of power.
    pub(super) fn carry_out(
        &self,
        deploy_id: &str,
        host: &[String],
        changes: &[Power],
        what: impl FnOnce(&Engine, &MachineId, Option<&Journal>) -> Result<(), Error>,
    ) -> Result<()> {
        let named = Named::of(host);
        let missing = match changes {
            [] => WithoutMachine::NothingToDelete,
            _ => WithoutMachine::IsNeeded,
        };
        named.check_deployed(deploy_id, missing)?;
        let Target { id, engine, journal, .. } = self.target(deploy_id, &named, changes)?;
        let Err(mut error) = what(&engine, &id, journal.as_ref()) else {
            return Ok(());
        };
        if changes == [Power::Reboot] {
            error = of_reboot(error, &engine, &id, &named);
        }
        Err(anyhow!("machine {id} of {}: {}", named.called(), advise(&error)))
    }

    /// The machine `deploy_id` of the host that is `named`, reached with that host's credentials.
    pub(super) fn target(&self, deploy_id: &str, named: &Named<'_>, changes: &[Power]) -> Result<Target> {
        // What no provider takes for an id, or what this one cannot do, is not worth a question to anybody.
        self.check_id(deploy_id, named)?;
        let supported =
            |provider: &'static dyn Provider| changes.iter().try_for_each(|change| power::supported(provider, *change));
        if let Some(provider) = self.provider {
            supported(provider)?;
        }
        let host = match self.provider {
            Some(provider) if provider.spec().secrets().is_empty() => None,
            // Somebody who names the driver and no host means the account of the settings.
            Some(_) if !self.via_link && named.is_nobody() => None,
            _ => self.named_host(named)?,
        };
        let provider = self.provider_of(host.as_ref())?;
        supported(provider)?;
        let id = (provider.spec().id)(deploy_id);
        let id = id.with_context(|| not_an_id(provider, deploy_id, named))?;
        let (engine, session) = self.engine(provider, host.as_ref())?;
        let folder = journal::folder(self.environment);
        let journal_of = |host: &Host| Journal::in_folder(&folder, provider.spec(), &Owner::of(host));
        let journal = host.as_ref().map(journal_of);
        let reach = host.as_ref().and_then(|host| provider.spec().reach(host));
        Ok(Target {
            id,
            reach,
            provider,
            engine,
            session,
            journal,
            shows_root_password: is_yes("PM_ROOT_PASSWORD", &self.settings(provider, host.as_ref()))?,
        })
    }

    pub(super) fn check_id(&self, deploy_id: &str, named: &Named<'_>) -> Result<()> {
        named.host_id()?;
        let providers = match &self.provider {
            Some(provider) => std::slice::from_ref(provider),
            None => PROVIDERS,
        };
        let is_none = |provider: &&dyn Provider| (provider.spec().id)(deploy_id).is_none();
        match providers {
            [provider, ..] if providers.iter().all(is_none) => {
                bail!(not_an_id(*provider, deploy_id, named))
            }
            _ => Ok(()),
        }
    }

    /// The host that is `named`, from oned. `None`: it cannot be asked, and the environment has what is needed.
    fn named_host(&self, named: &Named<'_>) -> Result<Option<Host>> {
        let which = match (named.host_id()?, named.name) {
            (Some(id), _) => Some(Which::Id(id)),
            (None, Some(name)) => Some(Which::Name(name)),
            (None, None) => None,
        };
        self.ask_oned(which, self.provider)
    }
}

/// What a reboot that was refused amounts to: one that is off is to be resumed.
fn of_reboot(error: Error, engine: &Engine, id: &MachineId, named: &Named<'_>) -> Error {
    let Error::Api(refusal) = error else {
        return error;
    };
    let is_off = || {
        let sight = engine.look(id);
        matches!(sight, Ok(Sight::Here(machine)) if machine.state == State::Off)
    };
    if refusal.kind != Kind::Rejected || !is_off() {
        return Error::Api(refusal);
    }
    let host = named.id.map_or_else(String::new, |id| format!(" {id}"));
    let remedy = format!("resume it with `oneprovision host resume{host}`, or {}", refusal.remedy);
    Error::Api(ApiError { remedy: remedy.into(), ..refusal })
}

/// What went wrong with a machine, and what to do about it.
pub(super) fn mistake_of(error: Error) -> Mistake {
    match error {
        Error::Api(error) => {
            let remedy = error.remedy.to_string();
            Mistake::new(ApiError { remedy: "".into(), ..error }.to_string(), remedy)
        }
        Error::Deadline { waited, last } => {
            Mistake::new(format!("{waited}, {last}"), "PM_TIMEOUT is the time it gets, in seconds")
        }
        error => Mistake::new(error.to_string(), ""),
    }
}

/// What is wrong with oned.
pub(super) fn of_oned(error: &anyhow::Error) -> Mistake {
    error.downcast_ref::<OnedError>().map_or_else(|| Mistake::of(error), OnedError::mistake)
}

/// `error` with a machine that was handed over, and what to do about it where it does not say so itself.
pub(super) fn advise(error: &Error) -> String {
    match error {
        Error::Vanished(_) => format!("{error}: delete the host and create it anew"),
        Error::Failed { remedy, .. } => format!("{error}: {}", remedy.unwrap_or("see the machine at the provider")),
        Error::Interrupted(_) => {
            format!("{error}: what was asked for may happen all the same; ask again to be sure")
        }
        _ => error.to_string(),
    }
}

pub(super) fn not_an_id(provider: &dyn Provider, text: &str, named: &Named<'_>) -> anyhow::Error {
    let shifted = text.is_empty()
        || text.starts_with("provision-")
        || text.starts_with("SHUTDOWN")
        || HostId::parse(text).is_some()
        || text.parse::<IpAddr>().is_ok()
        || named.name == Some(text)
        || named.id == Some(text);
    let remedy = if shifted { SHIFTED } else { "give the DEPLOY_ID that deploy printed" };
    anyhow!("DEPLOY_ID is {text:?}, which is not {}: {remedy}", provider.spec().id_form)
}
