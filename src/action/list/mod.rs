//! `list`: the machines that carry OpenNebula's tag, beside the hosts of oned, and where the two disagree.
//!
//! It deletes nothing; it prints the command that does. What it could not read it calls unknown.

mod account;
mod columns;
mod failure;
mod line;
mod mark;
mod metrics;
mod pool;
mod render;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};

use self::account::{Account, Key, Keys};
use self::columns::Choice;
use self::failure::Failure;
use self::line::Line;
use self::mark::Mark;
use self::pool::Pool;
use super::check::host_id;
use super::installation::Displaced;
use super::target::of_oned;
use super::{Context, Outcome};
use crate::opennebula::host::HostId;
use crate::provider::machine::MachineId;
use crate::provider::{self, PROVIDERS};
use crate::report::finding::Mistake;
use crate::report::screen::Screen;

/// List the machines that OpenNebula ordered, and mark those that no host has (orphans, still billed).
///
/// The project is that of the credentials in the environment, of the host that --host names, or of every host
/// in oned. Deletes nothing. Exit code 1: there are orphans, or a link is not ours any more; 255:
/// not all could be read.
#[derive(FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list", help_triggers("-h", "--help"))]
pub struct List {
    /// the project of the host with this id in oned
    #[argh(option, arg_name = "ID")]
    host: Option<String>,
    /// the projects of all hosts in oned, and of the environment
    #[argh(switch)]
    all: bool,
    /// the project of this driver's credentials in the environment or its settings file: all machines there are compared
    /// with all hosts in oned
    #[argh(option, arg_name = "NAME")]
    driver: Option<String>,
    /// also machines without OpenNebula's tags
    #[argh(switch)]
    all_machines: bool,
    /// also write the counts into FILE, for node_exporter
    #[argh(option, arg_name = "FILE")]
    metrics: Option<String>,
    /// these alone, such as ID,HOST,MARK: of --wide, or DRIVER
    #[argh(option, short = 'l', arg_name = "COLUMNS")]
    list: Option<String>,
    /// print comma-separated values
    #[argh(switch)]
    csv: bool,
    /// print the table without its head
    #[argh(switch)]
    no_header: bool,
    /// all columns whole, however wide the terminal is
    #[argh(switch)]
    wide: bool,
    /// print JSON
    #[argh(switch, short = 'j')]
    json: bool,
}

/// What was read, and what was not.
#[derive(Default)]
struct Survey {
    lines: Vec<Line>,
    failures: Vec<Failure>,
    /// Whether any account was read.
    is_read: bool,
    /// Whether the hosts of oned are known.
    has_hosts: bool,
    /// Whether all machines of an account are compared with all hosts.
    is_whole: bool,
    /// How many machines without OpenNebula's tags are not shown.
    hidden: usize,
    /// The drivers that oneprovision does not find ours at any more.
    displaced: Vec<Displaced>,
}

/// The accounts that are to be read, and whose hosts are whose.
#[derive(Default)]
struct Accounts {
    accounts: BTreeMap<Key, Account>,
    keys: Keys,
}

impl List {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// oned or a provider cannot be asked; what the others said is printed before.
    pub fn run(self, context: &Context<'_>) -> Result<Outcome> {
        let ways = [self.host.is_some(), self.all, self.driver.is_some()];
        if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
            bail!("--host, --all and --driver exclude each other: give one of them");
        }
        let columns = self.list.as_deref().map(columns::named).transpose()?;
        if self.json && (self.csv || columns.is_some() || self.no_header) {
            bail!("--json has all there is to say: give it without --csv, --list and --no-header");
        }
        let id = self.host.as_deref().map(host_id).transpose()?;
        let is_whole = self.driver.is_some() || self.all_machines;
        let mut survey = Survey { is_whole, displaced: Displaced::all(), ..Survey::default() };
        let pool = Pool::read(context, &mut survey.failures);
        survey.has_hosts = pool.hosts().is_some();
        let accounts = match id {
            Some(id) => one_host(id, &pool, &mut survey.failures)?,
            None if self.all => every_account(&pool, &mut survey.failures)?,
            None => self.environment(&pool)?,
        };
        survey.read(&accounts, &pool);
        // Their hosts take as much memory as what is printed.
        drop((accounts, pool));
        if !self.all_machines {
            let shown = |line: &Line| line.mark != Mark::Untagged;
            survey.hidden = survey.lines.iter().filter(|line| !shown(line)).count();
            survey.lines.retain(shown);
        }
        if let Some(file) = &self.metrics {
            metrics::write(Path::new(file), &survey)?;
        }
        match self.json {
            true => context.print(&serde_json::to_string_pretty(&survey)?)?,
            false => context.show(&self.text(&survey, columns, context.report.screen()))?,
        }
        let failures = survey.failures.iter().rev().map(Failure::to_string);
        // The first is what is told; the others are told below it.
        if let Some(error) = failures.map(|one| anyhow!(one)).reduce(|below, above| below.context(above.to_string())) {
            return Err(error);
        }
        let has_orphans = survey.lines.iter().any(|line| line.mark.is_orphan());
        Ok(if has_orphans { Outcome::Unwell } else { Displaced::outcome(&survey.displaced) })
    }

    /// The list as text. A part of it, which some program may be reading, stands alone.
    fn text(&self, survey: &Survey, columns: Option<Choice>, screen: Screen) -> String {
        let screen = if self.wide || self.csv { screen.wide() } else { screen };
        let is_whole = columns.is_none() && !self.csv && !self.no_header;
        let columns = columns.unwrap_or_else(|| columns::usual(&survey.lines));
        if is_whole {
            return survey.text(&columns, screen);
        }
        let table = columns::table(&survey.lines, &columns, screen);
        let text = if self.csv { table.csv() } else { table.text(0) };
        match self.no_header {
            true => text.split_once('\n').map_or_else(String::new, |(_, rows)| rows.to_owned()),
            false => text,
        }
    }

    /// The account that the environment names.
    fn environment(&self, pool: &Pool<'_>) -> Result<Accounts> {
        let provider = match &self.driver {
            Some(name) => provider::named(name)?,
            None => PROVIDERS[0],
        };
        let account = Account::open(provider, None, pool.context).map_err(|error| {
            anyhow!("{error:#}; or, to list its project, name a host with --host ID, or give --all")
        })?;
        Accounts::of(account, pool)
    }
}

impl Accounts {
    fn of(account: Account, pool: &Pool<'_>) -> Result<Self> {
        let keys = pool.keys_like(&account)?;
        Ok(Self { accounts: BTreeMap::from([(account.key.clone(), account)]), keys })
    }
}

/// The account of one host.
fn one_host(id: HostId, pool: &Pool<'_>, failures: &mut Vec<Failure>) -> Result<Accounts> {
    if pool.hosts().is_none() {
        return Ok(Accounts::default());
    }
    let host = match pool.host(id) {
        Ok(host) => host,
        Err(why) => {
            failures.push(Failure::of_host(id, of_oned(&why)));
            return Ok(Accounts::default());
        }
    };
    let provider = pool.context.provider_of(Some(&host))?;
    match Account::open(provider, Some(host.clone()), pool.context) {
        Ok(account) => Accounts::of(account, pool),
        Err(why) => {
            failures.push(Failure::of_account(provider, Some(&host), Mistake::of(&why)));
            Ok(Accounts::default())
        }
    }
}

/// The accounts of all hosts, and those that the environment names.
fn every_account(pool: &Pool<'_>, failures: &mut Vec<Failure>) -> Result<Accounts> {
    let context = pool.context;
    let mut accounts = Accounts::default();
    for (known, (provider, host)) in pool.accounts()? {
        let opened = pool.clear(host).and_then(|host| {
            let account = Account::open(provider, Some(host), context);
            account.map_err(|why| Mistake::of(&why))
        });
        match opened {
            Ok(account) => {
                accounts.keys.insert(known, account.key.clone());
                accounts.accounts.entry(account.key.clone()).or_insert(account);
            }
            Err(why) => failures.push(Failure::of_account(provider, Some(host), why)),
        }
    }
    for provider in PROVIDERS {
        if !account::is_in_environment(*provider, context)? {
            continue;
        }
        let key = account::key(*provider, None, context)?;
        if accounts.accounts.contains_key(&key) {
            continue;
        }
        match Account::open(*provider, None, context) {
            Ok(account) => drop(accounts.accounts.insert(key, account)),
            Err(why) => {
                failures.push(Failure::of_account(*provider, None, Mistake::of(&why)));
            }
        }
    }
    if accounts.accounts.is_empty() && failures.is_empty() && !pool.has_provisioned() {
        failures.push(Failure::no_account());
    }
    Ok(accounts)
}

impl Survey {
    /// Reads each account.
    fn read(&mut self, accounts: &Accounts, pool: &Pool<'_>) {
        let context = pool.context;
        // Nothing is at stake where nothing is to be let in with.
        self.is_read = accounts.accounts.is_empty() && self.failures.is_empty();
        for account in accounts.accounts.values() {
            let lines = match account.lines(pool.hosts(), self.is_whole, context) {
                Ok(lines) => lines,
                Err(error) => {
                    self.failures.push(account.failure(error));
                    continue;
                }
            };
            self.is_read = true;
            self.take(lines);
            let hosts = pool.hosts().unwrap_or_default();
            let failures = &mut self.failures;
            let missing = account.missing(hosts, &accounts.keys, &self.lines, context, failures);
            self.take(missing);
        }
    }

    /// Takes lines over; a machine that another account shows too stands there once.
    fn take(&mut self, lines: Vec<Line>) {
        let mut known: HashSet<(&'static str, MachineId)> =
            self.lines.iter().map(|one| (one.provider, one.id.clone())).collect();
        self.lines.extend(lines.into_iter().filter(|one| known.insert((one.provider, one.id.clone()))));
    }
}
