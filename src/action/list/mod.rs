//! `list`: the machines that carry OpenNebula's tag, beside the hosts of oned, and where the two disagree.
//!
//! It deletes nothing; it prints the command that does.

mod account;
mod line;
mod render;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use argh::FromArgs;

use self::account::{Account, Key, key};
use self::line::Line;
use super::check::host_id;
use super::{Context, Outcome};
use crate::opennebula::host::Host;
use crate::opennebula::oned::{Oned, Which};
use crate::provider::{self, PROVIDERS};

/// List the machines that OpenNebula ordered, and mark those that no host has (orphans, still billed).
///
/// The project is that of the credentials in the environment, of the host that --host names, or of every host
/// in oned. Deletes nothing. Exit code 1: there are orphans.
#[derive(FromArgs)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"))]
pub struct List {
    /// the project of the host with this id in oned
    #[argh(option, arg_name = "ID")]
    host: Option<String>,
    /// the projects of all hosts in oned that have a provision driver
    #[argh(switch)]
    all: bool,
    /// the provider of the credentials in the environment (default: the first one of `--help`)
    #[argh(option, arg_name = "NAME")]
    driver: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl List {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// oned or a provider cannot be asked; what the others said is printed before.
    pub fn run(self, context: &Context<'_>) -> Result<Outcome> {
        if usize::from(self.host.is_some())
            + usize::from(self.all)
            + usize::from(self.driver.is_some())
            > 1
        {
            bail!("--host, --all and --driver exclude each other: give one of them");
        }
        let mut failures = Vec::new();
        let oned = Oned::open(context.environment, &context.interrupt, context.report);
        let pool = oned.and_then(|oned| Ok((oned.hosts()?, oned)));
        let (hosts, oned) = match pool {
            Ok((hosts, oned)) => (hosts, Some(oned)),
            Err(why) if self.all || self.host.is_some() => return Err(why),
            Err(why) => {
                let why = format!("{why:#}");
                failures.push(format!("which machines are orphans is not known, for {why}"));
                (Vec::new(), None)
            }
        };
        let accounts = self.accounts(&hosts, oned.as_ref(), context, &mut failures)?;
        let mut lines = Vec::new();
        for account in &accounts {
            match account.lines(&hosts, oned.is_some(), context) {
                Ok(found) => lines.extend(found),
                Err(error) => failures.push(format!("{}: {error}", account.called())),
            }
        }
        let text = match self.json {
            true => format!("{:#}", render::in_json(&lines)),
            false => render::in_text(&lines, context.report),
        };
        context.print(&text)?;
        if !failures.is_empty() {
            bail!("{}", failures.join("; "));
        }
        let has_orphans = lines.iter().any(Line::is_orphan);
        Ok(if has_orphans { Outcome::Unwell } else { Outcome::Well })
    }

    /// Whose machines are to be listed.
    fn accounts(
        &self,
        hosts: &[Host],
        oned: Option<&Oned>,
        context: &Context<'_>,
        failures: &mut Vec<String>,
    ) -> Result<Vec<Account>> {
        let clear = |host: &Host| -> Result<Host> {
            match (oned, host.id) {
                (Some(oned), Some(id)) => Ok(oned.host(Which::Id(id))?),
                _ => bail!("{} cannot be asked for: see `onehost list`", host.called()),
            }
        };
        if let Some(id) = &self.host {
            let id = host_id(id)?;
            let host = clear(&Host { id: Some(id), ..Host::default() })?;
            let provider = context.provider_of(Some(&host))?;
            return Ok(vec![Account::open(provider, Some(host), context)?]);
        }
        if !self.all {
            let provider = match &self.driver {
                Some(name) => provider::named(name)?,
                None => PROVIDERS[0],
            };
            let account = Account::open(provider, None, context).map_err(|error| {
                anyhow!(
                    "{error:#}; or, to list its project, name a host with --host ID, or give --all"
                )
            })?;
            return Ok(vec![account]);
        }
        Ok(every_account(hosts, &clear, context, failures)?.into_values().collect())
    }
}

/// The accounts of all hosts. Hosts share accounts, and each that is not known yet costs oned a question: so they are
/// told apart first by what the pool says, secrets encrypted, and then by what they are.
fn every_account(
    hosts: &[Host],
    clear: &dyn Fn(&Host) -> Result<Host>,
    context: &Context<'_>,
    failures: &mut Vec<String>,
) -> Result<BTreeMap<Key, Account>> {
    let mut seen = BTreeMap::new();
    for host in hosts {
        let named = host.pm_mad().and_then(|name| provider::named(name).ok());
        // Where there is nothing to be let in with there is nothing to list.
        if let Some(provider) = named.filter(|one| !one.spec().account().is_empty()) {
            seen.entry(key(provider, host, context)?).or_insert((provider, host));
        }
    }
    let mut accounts = BTreeMap::new();
    for (provider, host) in seen.into_values() {
        let opened = clear(host).and_then(|host| {
            let key = key(provider, &host, context)?;
            Ok((key, Account::open(provider, Some(host), context)?))
        });
        match opened {
            Ok((key, account)) => {
                accounts.entry(key).or_insert(account);
            }
            Err(why) => failures.push(format!("{}: {why:#}", host.called())),
        }
    }
    Ok(accounts)
}
