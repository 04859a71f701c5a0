//! The accounts whose machines are listed.

use anyhow::Result;

use super::line::{Line, Mark, join};
use crate::action::Context;
use crate::engine::{Engine, Error, Sight};
use crate::opennebula::host::Host;
use crate::provider::machine::MachineId;
use crate::provider::spec::Spec;
use crate::provider::{Filter, PROVIDERS, Provider};

/// What tells accounts apart: the provider's name, and its settings.
pub(super) type Key = (&'static str, Vec<Option<String>>);

/// The key of the account that `host` names.
pub(super) fn key(provider: &dyn Provider, host: &Host, context: &Context<'_>) -> Result<Key> {
    let spec = provider.spec();
    let settings = context.settings(Some(host));
    let own = |name: &str| Ok(settings.get(name)?.map(str::to_owned));
    let values: Result<Vec<Option<String>>> = spec.account().into_iter().map(own).collect();
    Ok((spec.name, values?))
}

/// The same as far as it is not encrypted in the pool.
fn open_key(provider: &dyn Provider, host: &Host, context: &Context<'_>) -> Result<Key> {
    let spec = provider.spec();
    let mut host = host.clone();
    host.drop_provision(&spec.secrets());
    let settings = context.settings(Some(&host));
    let names = spec.names(|one| one.is_account && !one.is_secret).into_iter();
    let values: Result<Vec<Option<String>>> =
        names.map(|name| Ok(settings.get(name)?.map(str::to_owned))).collect();
    Ok((spec.name, values?))
}

/// Credentials, and the machines that they show.
pub(super) struct Account {
    provider: &'static dyn Provider,
    engine: Engine,
    /// Whose credentials they are, if a host's.
    host: Option<Host>,
    /// The key of the account, without its secrets.
    key: Key,
}

impl Account {
    pub(super) fn open(
        provider: &'static dyn Provider,
        host: Option<Host>,
        context: &Context<'_>,
    ) -> Result<Self> {
        let (engine, _) = context.engine(provider, host.as_ref())?;
        let key = open_key(provider, host.as_ref().unwrap_or(&Host::default()), context)?;
        Ok(Self { provider, engine, host, key })
    }

    pub(super) fn spec(&self) -> &'static Spec {
        self.provider.spec()
    }

    pub(super) fn called(&self) -> String {
        let name = self.spec().name;
        match &self.host {
            Some(host) => format!("the machines of {} ({name}) cannot be listed", host.called()),
            None => format!("the machines cannot be listed ({name})"),
        }
    }

    /// Each machine, and each host of this account whose machine is gone.
    pub(super) fn lines(
        &self,
        hosts: &[Host],
        is_known: bool,
        context: &Context<'_>,
    ) -> Result<Vec<Line>, Error> {
        let machines = self.engine.list(Filter::Ours)?;
        let mut lines: Vec<Line> = machines
            .iter()
            .map(|machine| {
                let (host, mark) = match is_known {
                    true => join(machine, hosts, self.spec()),
                    false => (None, Mark::Unknown),
                };
                Line::of(machine, host, mark, self.removal(&machine.id, context))
            })
            .collect();
        let is_ours = |host: &&Host| {
            let is_same = |key| key == self.key;
            host.pm_mad() == Some(self.spec().name)
                && open_key(self.provider, host, context).is_ok_and(is_same)
        };
        for host in hosts.iter().filter(is_ours) {
            let Some(id) = host.deploy_id().and_then(self.spec().id) else {
                continue;
            };
            if machines.iter().any(|machine| machine.id == id) {
                continue;
            }
            // A machine without the tag is a machine all the same.
            lines.push(match self.engine.look(&id) {
                Ok(Sight::Here(machine)) => {
                    Line::of(&machine, Some(host), Mark::None, self.removal(&id, context))
                }
                Ok(Sight::Gone(_) | Sight::NotYet) => {
                    Line::gone(&id, host, Mark::Gone, self.spec())
                }
                Err(_) => Line::gone(&id, host, Mark::Unseen, self.spec()),
            });
        }
        Ok(lines)
    }

    /// The command line that removes a machine of this account.
    pub(super) fn removal(&self, id: &MachineId, context: &Context<'_>) -> String {
        let name = self.spec().name;
        match &self.host {
            Some(host) => context.removal(id, host),
            None if name == PROVIDERS[0].spec().name => context.removal(id, &Host::default()),
            // Without a host only the link says which provider is meant.
            None => format!("/var/lib/one/remotes/pm/{name}/cancel {id}"),
        }
    }
}
