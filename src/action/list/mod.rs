//! `list`: the machines that carry OpenNebula's tag, beside the hosts of oned, and where the two disagree.
//!
//! It deletes nothing; it prints the command that does.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::{Result, anyhow, bail};
use argh::FromArgs;
use serde_json::{Value, json};

use super::check::host_id;
use super::{Context, Outcome};
use crate::engine::{Lifecycle, Trouble};
use crate::opennebula::host::Host;
use crate::opennebula::oned::{Oned, Which};
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::provider::{self, Machine, MachineId, Row, State};
use crate::report::frame::Report;
use crate::report::table::{Look, Table};
use crate::wire::time;

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
    /// the provider of the credentials in the environment (default: packet)
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
                failures.push(format!(
                    "which machines are orphans is not known, for {why}"
                ));
                (Vec::new(), None)
            }
        };
        let accounts = self.accounts(&hosts, oned.as_ref(), context, &mut failures)?;
        let mut lines = Vec::new();
        for account in &accounts {
            match account.lines(&hosts, oned.is_some(), context) {
                Ok(found) => lines.extend(found),
                Err(trouble) => failures.push(format!("{}: {trouble}", account.called())),
            }
        }
        let text = match self.json {
            true => format!("{:#}", in_json(&lines)),
            false => in_text(&lines, context.report),
        };
        super::print(&text, context)?;
        if !failures.is_empty() {
            bail!("{}", failures.join("; "));
        }
        let has_orphans = lines.iter().any(Line::is_orphan);
        Ok(if has_orphans {
            Outcome::Unwell
        } else {
            Outcome::Well
        })
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
            let host = clear(&Host {
                id: Some(id),
                ..Host::default()
            })?;
            let row = context.row_of(Some(&host))?;
            return Ok(vec![Account::open(row, Some(host), context)?]);
        }
        if !self.all {
            let row = provider::row(self.driver.as_deref().unwrap_or("packet"))?;
            let account = Account::open(row, None, context).map_err(|error| {
                anyhow!(
                    "{error:#}; or, to list its project, name a host with --host ID, or give --all"
                )
            })?;
            return Ok(vec![account]);
        }
        // Hosts share accounts, and each that is not known yet costs oned a question: so they are told apart
        // first by what the pool says, secrets encrypted, and then by what they are.
        let mut seen = BTreeMap::new();
        for host in hosts {
            let Some(row) = host.pm_mad().and_then(|name| provider::row(name).ok()) else {
                continue;
            };
            // Where there is nothing to be let in with there is nothing to list.
            if !row.account.is_empty() {
                seen.entry((row.name, key(row, host, context)?))
                    .or_insert((row, host));
            }
        }
        let mut accounts = BTreeMap::new();
        for (row, host) in seen.into_values() {
            let opened = clear(host).and_then(|host| {
                let key = key(row, &host, context)?;
                Ok((key, Account::open(row, Some(host), context)?))
            });
            match opened {
                Ok((key, account)) => {
                    accounts.entry((row.name, key)).or_insert(account);
                }
                Err(why) => failures.push(format!("{}: {why:#}", host.called())),
            }
        }
        Ok(accounts.into_values().collect())
    }
}

/// What tells accounts apart.
fn key(row: &Row, host: &Host, context: &Context<'_>) -> Result<Vec<Option<String>>> {
    let settings = Settings {
        host: Some(host),
        environment: context.environment,
    };
    row.account
        .iter()
        .map(|name| Ok(settings.get(name)?.map(str::to_owned)))
        .collect()
}

/// Credentials, and the machines that they show.
struct Account {
    row: &'static Row,
    lifecycle: Lifecycle,
    /// Whose credentials they are, if a host's.
    host: Option<Host>,
    /// The key of the account, without its secrets.
    key: Vec<Option<String>>,
}

impl Account {
    fn open(row: &'static Row, host: Option<Host>, context: &Context<'_>) -> Result<Self> {
        let settings = Settings {
            host: host.as_ref(),
            environment: context.environment,
        };
        let backend = (row.open)(&settings, context.report)?;
        let lifecycle = context.lifecycle(&backend, &settings)?;
        let key = open_key(row, host.as_ref().unwrap_or(&Host::default()), context)?;
        Ok(Self {
            row,
            lifecycle,
            host,
            key,
        })
    }

    fn called(&self) -> String {
        match &self.host {
            Some(host) => format!(
                "the machines of {} ({}) cannot be listed",
                host.called(),
                self.row.name
            ),
            None => format!("the machines cannot be listed ({})", self.row.name),
        }
    }

    /// Each machine, and each host of this account whose machine is gone.
    fn lines(
        &self,
        hosts: &[Host],
        is_known: bool,
        context: &Context<'_>,
    ) -> Result<Vec<Line>, Trouble> {
        let machines = self.lifecycle.tagged(Owner::COMMON_TAG)?;
        let mut lines: Vec<Line> = machines
            .iter()
            .map(|machine| {
                let (host, mark) = match is_known {
                    true => join(machine, hosts, self.row),
                    false => (None, Mark::Unknown),
                };
                Line::of(machine, host, mark, self, context)
            })
            .collect();
        let is_ours = |host: &&Host| {
            let is_same = |key| key == self.key;
            host.pm_mad() == Some(self.row.name)
                && open_key(self.row, host, context).is_ok_and(is_same)
        };
        for host in hosts.iter().filter(is_ours) {
            let Some(id) = host.deploy_id().and_then(self.row.id) else {
                continue;
            };
            if machines.iter().any(|machine| machine.id == id) {
                continue;
            }
            // A machine without the tag is a machine all the same.
            lines.push(match self.lifecycle.look(&id) {
                Ok(Some(machine)) => Line::of(&machine, Some(host), Mark::None, self, context),
                Ok(None) => Line::gone(&id, host, Mark::Gone),
                Err(_) => Line::gone(&id, host, Mark::Unseen),
            });
        }
        Ok(lines)
    }
}

/// The key of an account as far as it is not encrypted in the pool.
fn open_key(row: &Row, host: &Host, context: &Context<'_>) -> Result<Vec<Option<String>>> {
    let mut host = host.clone();
    host.drop_provision(row.secrets);
    let names = row
        .account
        .iter()
        .filter(|name| !row.secrets.contains(name));
    let settings = Settings {
        host: Some(&host),
        environment: context.environment,
    };
    names
        .map(|name| Ok(settings.get(name)?.map(str::to_owned)))
        .collect()
}

/// Where the provider and oned disagree, or what else is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// They agree.
    None,
    /// The host has no DEPLOY_ID yet.
    Deploying,
    /// It goes away.
    Deleting,
    /// No host in oned is its own.
    NoHost,
    /// Its host has another machine.
    Replaced,
    /// The host's machine is not there.
    Gone,
    /// The host's machine is not in the project, and may not be looked at.
    Unseen,
    /// oned cannot be asked.
    Unknown,
}

impl Mark {
    fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Deploying => "host has no DEPLOY_ID yet",
            Self::Deleting => "being deleted",
            Self::NoHost => "ORPHAN, still billed: no such host in oned",
            Self::Replaced => "ORPHAN, still billed: host has another DEPLOY_ID",
            Self::Gone => "machine is gone",
            Self::Unseen => "machine is not in the project any more",
            Self::Unknown => "?",
        }
    }
}

/// The host of a machine, and how the two agree.
fn join<'a>(machine: &Machine, hosts: &'a [Host], row: &Row) -> (Option<&'a Host>, Mark) {
    let has_it = |host: &&Host| host.deploy_id().and_then(row.id).as_ref() == Some(&machine.id);
    let has_tag = |tag: &str| machine.tags.iter().any(|own| own == tag);
    let by_identity = |host: &&Host| has_tag(Owner::of(host).identity());
    // The stock driver's tag says nothing of the installation: it is believed only while it orders.
    let by_number = |host: &&Host| {
        machine.state == State::Starting
            && host.deploy_id().is_none()
            && host
                .id
                .is_some_and(|id| has_tag(&format!("ONE_HOST_ID={id}")))
    };
    let is_deleting = machine.state == State::Deleting;
    if let Some(host) = hosts.iter().find(has_it) {
        let mark = if is_deleting {
            Mark::Deleting
        } else {
            Mark::None
        };
        return (Some(host), mark);
    }
    let tagged = hosts
        .iter()
        .find(by_identity)
        .or_else(|| hosts.iter().find(by_number));
    let mark = match tagged {
        _ if is_deleting => Mark::Deleting,
        Some(host) if host.deploy_id().is_none() => Mark::Deploying,
        Some(_) => Mark::Replaced,
        None => Mark::NoHost,
    };
    (tagged, mark)
}

/// A line of the list.
struct Line {
    id: MachineId,
    host_id: Option<String>,
    host_name: Option<String>,
    state: String,
    plan: Option<String>,
    place: Option<String>,
    address: Option<String>,
    created: Option<SystemTime>,
    mark: Mark,
    /// The command that removes the machine.
    removal: String,
}

impl Line {
    fn of(
        machine: &Machine,
        host: Option<&Host>,
        mark: Mark,
        account: &Account,
        context: &Context<'_>,
    ) -> Self {
        let value = |names: &[&str]| {
            let found = names
                .iter()
                .find_map(|name| machine.values.iter().find(|(own, _)| own == name));
            found.map(|(_, value)| value.clone())
        };
        let tag = machine
            .tags
            .iter()
            .find_map(|tag| tag.strip_prefix("ONE_HOST_ID="));
        let host_id = host.and_then(|host| host.id).map(|id| id.to_string());
        Self {
            id: machine.id.clone(),
            host_id: host_id.or_else(|| tag.map(str::to_owned)),
            host_name: host.map(|host| host.name.clone()),
            state: machine.state_name.clone(),
            plan: value(&["PLAN", "AWS_INSTANCE_TYPE"]),
            place: value(&["FACILITY", "METRO", "AWS_AVAILABILITY_ZONE"]),
            address: machine.addresses.first().map(ToString::to_string),
            created: machine.created,
            mark,
            removal: account.removal(&machine.id, context),
        }
    }

    fn gone(id: &MachineId, host: &Host, mark: Mark) -> Self {
        let own = |name: &str| host.provision(name).map(str::to_owned);
        Self {
            id: id.clone(),
            host_id: host.id.map(|id| id.to_string()),
            host_name: Some(host.name.clone()),
            state: "-".to_owned(),
            plan: own("PLAN").or_else(|| own("INSTANCETYPE")),
            place: ["METRO", "FACILITY", "REGION_NAME"]
                .into_iter()
                .find_map(own),
            address: None,
            created: None,
            mark,
            removal: format!(
                "oneprovision host delete {}",
                host.id.map(|id| id.to_string()).unwrap_or_default()
            ),
        }
    }

    fn is_orphan(&self) -> bool {
        matches!(self.mark, Mark::NoHost | Mark::Replaced)
    }
}

impl Account {
    /// The command line that removes a machine of this account.
    fn removal(&self, id: &MachineId, context: &Context<'_>) -> String {
        match &self.host {
            Some(host) => context.removal(id, host),
            None if self.row.name == "packet" => context.removal(id, &Host::default()),
            // Without a host only the link says which provider is meant.
            None => format!("/var/lib/one/remotes/pm/{}/cancel {id}", self.row.name),
        }
    }
}

fn in_text(lines: &[Line], report: Report) -> String {
    if lines.is_empty() {
        return "There is no machine that OpenNebula ordered.".to_owned();
    }
    let is_coloured = report.is_coloured();
    let now = SystemTime::now();
    let mut table = Table::default();
    let head = [
        "ID", "HOST", "NAME", "STATE", "PLAN", "PLACE", "ADDRESS", "AGE", "MARK",
    ];
    table.row(head.map(|title| (title, Look::Bold)));
    for line in lines {
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let age = line.created.map(|created| time::age(created, now));
        let look = match line.mark {
            Mark::NoHost | Mark::Replaced => Look::Red,
            Mark::None => Look::Plain,
            _ => Look::Yellow,
        };
        table.row([
            (line.id.to_string(), Look::Plain),
            (or_dash(&line.host_id), Look::Plain),
            (short(&or_dash(&line.host_name)), Look::Plain),
            (line.state.clone(), Look::Plain),
            (or_dash(&line.plan), Look::Plain),
            (or_dash(&line.place), Look::Plain),
            (or_dash(&line.address), Look::Plain),
            (or_dash(&age), Look::Plain),
            (line.mark.words().to_owned(), look),
        ]);
    }
    let mut text = table.text(0, is_coloured);
    let mut commands = |title: &str, is_meant: &dyn Fn(&Line) -> bool| {
        let meant: Vec<&Line> = lines.iter().filter(|line| is_meant(line)).collect();
        if meant.is_empty() {
            return;
        }
        text.push_str(&format!("\n{title}\n"));
        for line in meant {
            text.push_str(&format!(
                "  {}\n",
                crate::report::frame::one_line(&line.removal)
            ));
        }
    };
    commands(
        "Orphans are billed until they are deleted. Unless another OpenNebula uses this project, delete them:",
        &Line::is_orphan,
    );
    commands(
        "Hosts whose machine is gone can be deleted, and created anew:",
        &|line| matches!(line.mark, Mark::Gone | Mark::Unseen),
    );
    text
}

/// The random name of a host that was never polled is long and says nothing.
fn short(name: &str) -> String {
    match name.strip_prefix("provision-") {
        Some(random) if random.len() > 12 && random.is_ascii() => {
            format!("provision-{}..", &random[..8])
        }
        _ => name.to_owned(),
    }
}

fn in_json(lines: &[Line]) -> Value {
    let now = SystemTime::now();
    let machines: Vec<Value> = lines
        .iter()
        .map(|line| {
            let age = line
                .created
                .map(|created| now.duration_since(created).unwrap_or_default().as_secs());
            json!({
                "deploy_id": line.id.as_str(),
                "host_id": line.host_id.as_ref().and_then(|id| id.parse::<u32>().ok()),
                "host_name": line.host_name,
                "state": line.state,
                "plan": line.plan,
                "place": line.place,
                "address": line.address,
                "age": age,
                "mark": line.mark.words(),
                "orphan": line.is_orphan(),
                "remove": line.removal,
            })
        })
        .collect();
    let orphans = lines.iter().filter(|line| line.is_orphan()).count();
    json!({ "machines": machines, "orphans": orphans })
}
