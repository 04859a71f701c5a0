//! The hosts of oned, and the accounts that they name.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::account::{Account, Key, Keys, key, open_key};
use super::failure::Failure;
use crate::action::Context;
use crate::action::target::of_oned;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::{Oned, Which};
use crate::provider::{self, Provider};
use crate::report::finding::Mistake;

/// The hosts of oned, if it could be asked.
pub(super) struct Pool<'a> {
    pub(super) context: &'a Context<'a>,
    oned: Option<(Oned, Vec<Host>)>,
}

impl<'a> Pool<'a> {
    /// Asks oned for its hosts.
    pub(super) fn read(context: &'a Context<'a>, failures: &mut Vec<Failure>) -> Self {
        let oned = Oned::open(context.environment, &context.interrupt, context.report);
        let asked = oned.and_then(|oned| {
            let hosts = oned.hosts()?;
            Ok((oned, hosts))
        });
        let oned = asked.map_err(|why| failures.push(Failure::of_oned(of_oned(&why)))).ok();
        Self { context, oned }
    }

    /// The hosts, their secrets encrypted; `None` where oned could not be asked.
    pub(super) fn hosts(&self) -> Option<&[Host]> {
        self.oned.as_ref().map(|(_, hosts)| &hosts[..])
    }

    /// The host with this id, its secrets decrypted.
    pub(super) fn host(&self, id: HostId) -> Result<Host> {
        match &self.oned {
            Some((oned, _)) => Ok(oned.host(Which::Id(id))?),
            None => bail!("there is no oned to ask for host {id}"),
        }
    }

    /// A host of the pool, its secrets decrypted.
    pub(super) fn clear(&self, host: &Host) -> Result<Host, Mistake> {
        match host.id {
            Some(id) => self.host(id).map_err(|why| of_oned(&why)),
            None => {
                let what = format!("{} cannot be asked for", host.called());
                Err(Mistake::new(what, "see `onehost list`"))
            }
        }
    }

    /// Whether any host is one of a provider of ours.
    pub(super) fn has_provisioned(&self) -> bool {
        self.provisioned().next().is_some()
    }

    fn provisioned(&self) -> impl Iterator<Item = (&'static dyn Provider, &Host)> {
        let hosts = self.hosts().unwrap_or_default().iter();
        hosts.filter_map(|host| Some((provider::named(host.pm_mad()?).ok()?, host)))
    }

    /// The accounts that the hosts name, each with a host that does. Hosts share accounts, and each that is not known
    /// yet costs oned a question: so they are told apart first by what the pool says, secrets encrypted.
    pub(super) fn accounts(&self) -> Result<BTreeMap<Key, (&'static dyn Provider, &Host)>> {
        let mut seen = BTreeMap::new();
        // Where there is nothing to be let in with there is nothing to list.
        for (provider, host) in self.provisioned().filter(|(one, _)| !one.spec().account().is_empty()) {
            seen.entry(key(provider, Some(host), self.context)?).or_insert((provider, host));
        }
        Ok(seen)
    }

    /// The keys in the pool that stand for `account`: those that differ by no more than secrets are asked for.
    pub(super) fn keys_like(&self, account: &Account) -> Result<Keys> {
        let mut keys = Keys::new();
        for (known, (provider, host)) in self.accounts()? {
            let open = open_key(provider, Some(host), self.context)?;
            if provider.spec().name != account.provider().spec().name || open != account.open_key {
                continue;
            }
            // A host whose credentials are not to be had is none of this account's.
            if let Ok(host) = self.clear(host) {
                keys.insert(known, key(provider, Some(&host), self.context)?);
            }
        }
        Ok(keys)
    }
}
