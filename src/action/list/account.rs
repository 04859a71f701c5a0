//! An account: credentials, and the machines that they show.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::Result;

use super::failure::Failure;
use super::line::Line;
use super::mark::{Classifier, Mark};
use crate::action::target::mistake_of;
use crate::action::{Context, TIMEOUT, timeout};
use crate::engine::{Engine, Error, Sight};
use crate::opennebula::host::Host;
use crate::provider::attribute::Attribute;
use crate::provider::machine::MachineId;
use crate::provider::spec::Spec;
use crate::provider::{Filter, PROVIDERS, Provider};

/// The longest that a deploy may roll back, when its time is up.
const ROLL_BACK: Duration = Duration::from_secs(300);

/// What tells accounts apart: the provider's name, and its settings.
pub(super) type Key = (&'static str, Vec<Option<String>>);

/// The key of each account as the pool has it, secrets encrypted, and that of the same in the clear.
pub(super) type Keys = BTreeMap<Key, Key>;

/// The key of the account that `host` names; of the environment's, where there is none.
pub(super) fn key(provider: &dyn Provider, host: Option<&Host>, context: &Context<'_>) -> Result<Key> {
    key_of(provider, host, context, |one| one.is_account)
}

/// The same as far as it is not encrypted in the pool.
pub(super) fn open_key(provider: &dyn Provider, host: Option<&Host>, context: &Context<'_>) -> Result<Key> {
    key_of(provider, host, context, |one| one.is_account && !one.is_secret)
}

fn key_of(
    provider: &dyn Provider,
    host: Option<&Host>,
    context: &Context<'_>,
    is_meant: fn(&Attribute) -> bool,
) -> Result<Key> {
    let spec = provider.spec();
    let settings = context.settings(provider, host);
    let meant = spec.attributes.iter().filter(|one| is_meant(one));
    let values: Result<Vec<Option<String>>> =
        meant.map(|one| Ok(settings.get(one.name)?.or(one.default).map(str::to_owned))).collect();
    Ok((spec.name, values?))
}

/// Whether the environment names an account of this provider.
pub(super) fn is_in_environment(provider: &dyn Provider, context: &Context<'_>) -> Result<bool> {
    let needed: Vec<&Attribute> =
        provider.spec().attributes.iter().filter(|one| one.is_account && one.is_required).collect();
    let settings = context.settings(provider, None);
    for attribute in &needed {
        let names = [Some(attribute.name), attribute.unless].into_iter().flatten();
        let given = names.map(|name| settings.get(name)).collect::<Result<Vec<_>>>()?;
        if given.into_iter().flatten().next().is_none() {
            return Ok(false);
        }
    }
    Ok(!needed.is_empty())
}

/// Credentials, and the machines that they show.
pub(super) struct Account {
    provider: &'static dyn Provider,
    engine: Engine,
    /// Whose credentials they are, if a host's.
    host: Option<Host>,
    pub(super) key: Key,
    /// The same without secrets.
    pub(super) open_key: Key,
}

impl Account {
    /// The account whose credentials `host` has, decrypted, or else the environment.
    ///
    /// # Errors
    /// A setting is missing or makes no sense.
    pub(super) fn open(provider: &'static dyn Provider, host: Option<Host>, context: &Context<'_>) -> Result<Self> {
        let (engine, _) = context.engine(provider, host.as_ref())?;
        let key = key(provider, host.as_ref(), context)?;
        let open_key = open_key(provider, host.as_ref(), context)?;
        Ok(Self { provider, engine, host, key, open_key })
    }

    pub(super) fn provider(&self) -> &'static dyn Provider {
        self.provider
    }

    fn spec(&self) -> &'static Spec {
        self.provider.spec()
    }

    /// That the machines of the account could not be listed.
    pub(super) fn failure(&self, error: Error) -> Failure {
        Failure::of_account(self.provider, self.host.as_ref(), mistake_of(error))
    }

    /// Each machine, held against the hosts of oned where those are known.
    /// `is_whole`: all that the account has, not just what OpenNebula ordered.
    pub(super) fn lines(
        &self,
        hosts: Option<&[Host]>,
        is_whole: bool,
        context: &Context<'_>,
    ) -> Result<Vec<Line>, Error> {
        let machines = self.engine.list(if is_whole { Filter::Account } else { Filter::Ours })?;
        let patience = |host: &Host| {
            let timeout = timeout(&context.settings(self.provider, Some(host)));
            timeout.unwrap_or(TIMEOUT).saturating_add(ROLL_BACK)
        };
        let classifier = Classifier::new(hosts.unwrap_or_default(), self.spec(), is_whole, &patience);
        let marks = match hosts {
            Some(_) => classifier.marks(&machines),
            None => machines.iter().map(|_| (None, Mark::Unknown)).collect(),
        };
        let lines = machines.iter().zip(marks).map(|(machine, (host, mark))| {
            let mut line = Line::of(machine, host, mark, self.spec());
            line.removal = mark.is_orphan().then(|| self.removal(&machine.id, context));
            line
        });
        Ok(lines.collect())
    }

    /// Each host of this account whose machine is not among `lines`: it may be gone, or not carry the tag.
    pub(super) fn missing(
        &self,
        hosts: &[Host],
        keys: &Keys,
        lines: &[Line],
        context: &Context<'_>,
        failures: &mut Vec<Failure>,
    ) -> Vec<Line> {
        let spec = self.spec();
        let listed: HashSet<&MachineId> =
            lines.iter().filter(|line| line.provider == spec.name).map(|line| &line.id).collect();
        let mut found = Vec::new();
        for host in hosts.iter().filter(|host| host.pm_mad() == Some(spec.name)) {
            let id = host.deploy_id().and_then(spec.id);
            let Some(id) = id.filter(|id| !listed.contains(id)) else {
                continue;
            };
            let known = key(self.provider, Some(host), context);
            if !known.is_ok_and(|known| keys.get(&known) == Some(&self.key)) {
                continue;
            }
            found.push(match self.engine.look(&id) {
                Ok(Sight::Here(machine)) => Line::of(&machine, Some(host), Mark::None, spec),
                Ok(Sight::Gone(_) | Sight::NotYet) => Line::without_machine(&id, host, Mark::Gone, spec),
                Err(error) => {
                    failures.push(Failure::of_machine(self.provider, host, mistake_of(error)));
                    Line::without_machine(&id, host, Mark::Unseen, spec)
                }
            });
        }
        found
    }

    /// The command line that removes a machine of this account, which no host has.
    fn removal(&self, id: &MachineId, context: &Context<'_>) -> String {
        let name = self.spec().name;
        let host_id = self.host.as_ref().and_then(|host| host.id).map(|id| id.to_string());
        match host_id {
            Some(host_id) => context.cancel_with(&[id.as_str(), "--credentials-of", &host_id]),
            None if name == PROVIDERS[0].spec().name => context.cancel_with(&[id.as_str()]),
            None => context.cancel_with(&[id.as_str(), "--driver", name]),
        }
    }
}
