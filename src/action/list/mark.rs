//! How a machine and the hosts of oned agree, by what the machine shows and oned knows.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::opennebula::host::{Host, HostId};
use crate::opennebula::owner::Owner;
use crate::provider::machine::{Machine, MachineId, State};
use crate::provider::spec::{Identity, Spec};

/// Where the provider and oned disagree, or what else is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// They agree.
    None,
    /// The host has no DEPLOY_ID yet.
    Deploying,
    /// It goes away.
    Deleting,
    /// No host in oned is its own.
    NoHost,
    /// The same of an account that is compared with all hosts of oned.
    Billed,
    /// No host in oned is its own, and nothing on it says that OpenNebula ordered it.
    Untagged,
    /// Its host has another machine.
    Replaced,
    /// Its host has no DEPLOY_ID, and no deploy takes as long as it is there.
    Abandoned,
    /// Its host has no DEPLOY_ID, and a newer machine.
    Doubled,
    /// The number of its host is that of another provision's host here, and numbers are never given twice.
    Foreign,
    /// No host here has its provision: it may be gone, or another OpenNebula's.
    Strange,
    /// The host's machine is not there.
    Gone,
    /// The host's machine cannot be looked at.
    Unseen,
    /// oned cannot be asked.
    Unknown,
}

impl Mark {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Deploying => "host has no DEPLOY_ID yet",
            Self::Deleting => "being deleted",
            Self::NoHost => "ORPHAN, still billed: no such host in oned",
            Self::Billed => "ORPHAN: billed, no host",
            Self::Untagged => "billed, no host; without OpenNebula's tags",
            Self::Replaced => "ORPHAN, still billed: host has another DEPLOY_ID",
            Self::Abandoned => "ORPHAN, still billed: host has no DEPLOY_ID, and no deploy runs",
            Self::Doubled => "ORPHAN, still billed: host has no DEPLOY_ID, and a newer machine",
            Self::Foreign => "FOREIGN: of another OpenNebula",
            Self::Strange => "FOREIGN? no host here has its provision",
            Self::Gone => "machine is gone",
            Self::Unseen => "unknown: it cannot be looked at",
            Self::Unknown => "unknown: oned cannot be asked",
        }
    }

    pub(super) fn is_orphan(self) -> bool {
        matches!(self, Self::NoHost | Self::Billed | Self::Replaced | Self::Abandoned | Self::Doubled)
    }

    /// Whether it says that something could not be read.
    pub(super) fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown | Self::Unseen)
    }

    /// Whether the machine is, or may be, another OpenNebula's.
    pub(super) fn is_foreign(self) -> bool {
        matches!(self, Self::Foreign | Self::Strange)
    }
}

/// What machines are held against.
pub(super) struct Classifier<'a> {
    pub(super) spec: &'static Spec,
    pub(super) now: SystemTime,
    /// Whether all machines of the account are compared with all hosts, also those that no provision driver made: by
    /// address, too.
    pub(super) is_whole: bool,
    /// How old the machine of a host can be whose deploy is still under way.
    pub(super) patience: &'a dyn Fn(&Host) -> Duration,
    index: Index<'a>,
}

/// The hosts by what a machine may show of them. Of several with one key the first counts.
#[derive(Default)]
struct Index<'a> {
    by_deploy_id: HashMap<MachineId, &'a Host>,
    by_mark: HashMap<String, &'a Host>,
    by_id: HashMap<HostId, &'a Host>,
    by_address: HashMap<IpAddr, &'a Host>,
    /// What the marks of all hosts of a provision begin with.
    provisions: HashSet<String>,
}

impl<'a> Index<'a> {
    fn of(hosts: &'a [Host], spec: &Spec) -> Self {
        let mut index = Self::default();
        for host in hosts {
            let owner = Owner::of(host);
            if let Some(id) = host.deploy_id().and_then(spec.id) {
                index.by_deploy_id.entry(id).or_insert(host);
            }
            index.by_mark.entry(spec.identity.mark(&owner)).or_insert(host);
            if let Some(id) = host.id {
                index.by_id.entry(id).or_insert(host);
            }
            if let (Ok(address), None) = (host.name.trim().parse(), host.pm_mad()) {
                index.by_address.entry(address).or_insert(host);
            }
            index.provisions.extend(provision_of(owner.identity(), ':').map(|provision| spec.identity.tag(provision)));
        }
        index
    }
}

impl<'a> Classifier<'a> {
    pub(super) fn new(
        hosts: &'a [Host],
        spec: &'static Spec,
        is_whole: bool,
        patience: &'a dyn Fn(&Host) -> Duration,
    ) -> Self {
        Self { spec, now: SystemTime::now(), is_whole, patience, index: Index::of(hosts, spec) }
    }

    /// The host of each machine, and how the two agree.
    pub(super) fn marks(&self, machines: &[Machine]) -> Vec<(Option<&'a Host>, Mark)> {
        let owners: Vec<Option<&Host>> = machines.iter().map(|one| self.owner(one)).collect();
        // A deploy keeps the newest: an older one is what another deploy left.
        let mut newest: HashMap<*const Host, &Machine> = HashMap::new();
        for (machine, host) in machines.iter().zip(&owners) {
            let Some(host) = host.filter(|host| self.is_young(machine, host)) else {
                continue;
            };
            let known = newest.entry(std::ptr::from_ref(host)).or_insert(machine);
            if age_key(machine) > age_key(known) {
                *known = machine;
            }
        }
        let is_newest = |machine: &Machine, host: &Host| {
            let rival = newest.get(&std::ptr::from_ref(host));
            rival.is_none_or(|rival| age_key(rival) <= age_key(machine))
        };
        let mark = |machine: &Machine, host: Option<&Host>| {
            let Some(host) = host else {
                return self.stranger(machine);
            };
            match host.deploy_id() {
                // A host of OpenNebula 6 or 7, or one that was made by hand.
                _ if host.pm_mad().is_none() => Mark::None,
                Some(_) if self.is_named(machine, host) => Mark::None,
                Some(_) => Mark::Replaced,
                None if !self.is_young(machine, host) => Mark::Abandoned,
                None if !is_newest(machine, host) => Mark::Doubled,
                None => Mark::Deploying,
            }
        };
        let marks = machines.iter().zip(&owners).map(|(machine, host)| match machine.state {
            State::Deleting => (*host, Mark::Deleting),
            _ => (*host, mark(machine, *host)),
        });
        marks.collect()
    }

    fn is_named(&self, machine: &Machine, host: &Host) -> bool {
        host.deploy_id().and_then(self.spec.id).as_ref() == Some(&machine.id)
    }

    /// Whether a deploy of `host` that ordered `machine` may still be under way.
    fn is_young(&self, machine: &Machine, host: &Host) -> bool {
        let is_recent = |created| {
            let age = self.now.duration_since(created).unwrap_or_default();
            age <= (self.patience)(host)
        };
        machine.state != State::Deleting && machine.created.is_none_or(is_recent)
    }

    fn owner(&self, machine: &Machine) -> Option<&'a Host> {
        let index = &self.index;
        let named = index.by_deploy_id.get(&machine.id);
        let by_mark =
            || index.by_mark.get(&self.spec.identity.borne(machine)?).filter(|host| self.bears(machine, host));
        // The stock driver's tag says nothing of the installation: it is believed only while it orders.
        let by_number = || {
            let mut numbers = machine.tags.iter().filter_map(|tag| HostId::parse(tag.strip_prefix("ONE_HOST_ID=")?));
            let host = index.by_id.get(&numbers.next()?)?;
            let is_ordering = machine.state == State::Starting && host.deploy_id().is_none();
            (is_ordering && owner_of(machine, self.spec).is_none()).then_some(host)
        };
        let by_address = || {
            let mut addresses = machine.addresses.iter().filter(|_| self.is_whole);
            addresses.find_map(|address| index.by_address.get(address))
        };
        named.or_else(by_mark).or_else(by_number).or_else(by_address).copied()
    }

    fn bears(&self, machine: &Machine, host: &Host) -> bool {
        let identity = &self.spec.identity;
        identity.is_borne(&identity.mark(&Owner::of(host)), machine)
    }

    /// What a machine is that no host here has.
    fn stranger(&self, machine: &Machine) -> Mark {
        if self.is_whole && !self.spec.identity.is_opennebulas(machine) {
            return Mark::Untagged;
        }
        let no_host = if self.is_whole { Mark::Billed } else { Mark::NoHost };
        let Some(mark) = owner_of(machine, self.spec) else {
            return no_host;
        };
        let provision = provision_of(&mark, ':').or_else(|| provision_of(&mark, '-'));
        if provision.is_some_and(|provision| self.index.provisions.contains(provision)) {
            return no_host;
        }
        let id = mark.rsplit([':', '-']).next().and_then(HostId::parse);
        let is_given = id.is_some_and(|id| self.index.by_id.contains_key(&id));
        match mark.starts_with(PROVISION) && is_given {
            true => Mark::Foreign,
            false => Mark::Strange,
        }
    }
}

/// What the marks of all hosts of the provision of `mark` begin with, up to this last sign between it and the host's id.
fn provision_of(mark: &str, end: char) -> Option<&str> {
    let end = mark.rfind(end).filter(|_| mark.starts_with(PROVISION))?;
    Some(&mark[..=end])
}

/// How the mark of a host of a provision begins.
const PROVISION: &str = "ONE_PROVISION_HOST=";

/// By this the newer machine is told. One whose age is not told may have been ordered just now.
fn age_key(machine: &Machine) -> (bool, Option<SystemTime>, &str) {
    (machine.created.is_none(), machine.created, machine.id.as_str())
}

/// The mark of a lasting owner that a machine bears. That of one order alone names nobody.
pub(super) fn owner_of(machine: &Machine, spec: &Spec) -> Option<String> {
    let words = spec.identity.other("", machine);
    let mark = match spec.identity {
        // A digest is compared; it cannot be read.
        Identity::Name { .. } => words.or_else(|| machine.name.clone().filter(|name| name.starts_with("one-"))),
        _ => words,
    };
    mark.filter(|mark| !mark.starts_with("ONE_ORDER="))
}
