//! What the scripted provider has: machines whose lives are laid down in advance, and objects.

use std::collections::BTreeSet;
use std::time::Duration;

use super::device::Device;
use super::fault::{Asked, Fault, Strike, What};
use super::process::Process;
use super::storm::Fate;
use crate::http::error::Kind;
use crate::provider::machine::{Machine, MachineId, State};
use crate::provider::order::Order;
use crate::provider::spec::{Identity, Spec, joined};

/// How the provider behaves.
#[derive(Clone)]
pub struct Manner {
    /// How long a machine takes until it is delivered.
    pub provisioning: Duration,
    /// How long it is then installed, delivered and powered on, before it is up.
    pub installing: Duration,
    /// How many steps of `advance` lie between the order and up; they share the time of provisioning.
    pub steps: u32,
    /// How long a new machine is unknown by its id.
    pub hidden_by_id: Duration,
    /// How long a new machine is missing from listings.
    pub hidden_in_lists: Duration,
    /// When provisioning fails, and the reason that is told once.
    pub fails: Option<(Duration, &'static str)>,
    /// How long a deletion takes.
    pub deleting: Duration,
    /// How long what was deleted is still shown as gone.
    pub tombstone: Duration,
    /// How a deletion is refused as long as the machine is provisioned.
    pub refuses_deletion: Option<Kind>,
    /// How many deletions are accepted and then forgotten.
    pub lost_deletions: u32,
    /// Whether a deletion is accepted and not carried out.
    pub ignores_deletion: bool,
    /// How an id is answered that there is no machine of.
    pub missing: Kind,
    /// The machine that every look is answered with.
    pub answers_about: Option<&'static str>,
    /// Whether a key of a machine that is gone is answered with that machine, and not with an error.
    pub shows_spent: bool,
    /// How long it takes to power off, and to boot.
    pub off: Duration,
    pub boot: Duration,
    /// Whether the answer to a change of power shows the state.
    pub tells_power: bool,
    /// Whether a machine is installed and then left off.
    pub is_left_off: bool,
    /// Why a change of power that was accepted fails.
    pub fails_power: Option<&'static str>,
    /// How many requests are answered in how much time.
    pub limit: Option<(usize, Duration)>,
    /// What stands before an id.
    pub place: &'static str,
    /// The tags of other people that each new machine gets in place of the order's.
    pub foreign: bool,
}

impl Default for Manner {
    fn default() -> Self {
        let none = Duration::ZERO;
        Self {
            provisioning: Duration::from_secs(480),
            installing: none,
            steps: 0,
            hidden_by_id: none,
            hidden_in_lists: none,
            fails: None,
            deleting: Duration::from_secs(10),
            tombstone: none,
            refuses_deletion: None,
            lost_deletions: 0,
            ignores_deletion: false,
            missing: Kind::NotFound,
            answers_about: None,
            shows_spent: false,
            off: Duration::from_secs(15),
            boot: Duration::from_secs(60),
            tells_power: false,
            is_left_off: false,
            fails_power: None,
            limit: None,
            place: "",
            foreign: false,
        }
    }
}

/// All that the provider has.
pub struct World {
    pub manner: Manner,
    pub machines: Vec<Device>,
    /// What orders need.
    pub objects: BTreeSet<String>,
    pub asked: Vec<Asked>,
    pub strikes: Vec<Strike>,
    /// Whether every request is printed.
    pub is_told: bool,
    /// How much later the next order is carried out.
    pub delay: Duration,
}

impl World {
    pub fn new(manner: Manner) -> Self {
        Self {
            manner,
            machines: Vec::new(),
            objects: BTreeSet::new(),
            asked: Vec::new(),
            strikes: Vec::new(),
            is_told: false,
            delay: Duration::ZERO,
        }
    }

    /// Notes a request, and says what goes wrong with it.
    pub fn note(&mut self, what: What, at: Duration) -> Option<Fault> {
        let count = |of: Option<What>| self.asked.iter().filter(|asked| of.is_none_or(|of| asked.what == of)).count();
        let strikes = |(of, which, _): &&Strike| of.is_none_or(|of| of == what) && which.contains(&count(*of));
        let fault = self.strikes.iter().rev().find(strikes).map(|(.., fault)| *fault);
        self.asked.push(Asked { what, at });
        fault
    }

    pub fn is_too_often(&self, now: Duration) -> bool {
        self.manner.limit.is_some_and(|(most, time)| {
            self.asked.iter().rev().take_while(|asked| asked.at + time > now).count() > most
        })
    }

    pub fn machine(&mut self, id: &MachineId) -> Option<&mut Device> {
        self.machines.iter_mut().find(|device| device.id == *id)
    }

    /// The machine as it is known by its id.
    pub fn known(&mut self, id: &MachineId, now: Duration) -> Option<&mut Device> {
        let hidden = self.manner.hidden_by_id;
        self.settle(now);
        self.machine(id).filter(|device| {
            let (since, state, _) = device.at(now);
            let is_taken_away = state == State::Gone && now >= since + device.tombstone;
            now >= device.ordered + hidden && !is_taken_away
        })
    }

    pub fn listed(&mut self, spec: &Spec, now: Duration) -> Vec<Machine> {
        let hidden = self.manner.hidden_in_lists;
        self.settle(now);
        let shown = self.machines.iter_mut().filter(|device| now >= device.ordered + hidden);
        shown.filter_map(|device| device.shown(spec, now)).collect()
    }

    pub fn create(&mut self, spec: &Spec, order: &Order, now: Duration) -> Result<Machine, Kind> {
        if spec.has_objects {
            let needed = ["keys", "data"].map(|kind| order.body[kind].as_str().unwrap_or_default());
            if needed.iter().any(|name| !self.objects.contains(*name)) {
                return Err(Kind::Rejected);
            }
        }
        let key = format!("{} {}", order.mark, order.spent.join(" "));
        let is_late = self.delay > Duration::ZERO;
        if let Some(answer) = self.by_key(spec, &key, is_late, now) {
            return answer;
        }
        let ordered = now + std::mem::take(&mut self.delay);
        let Manner { provisioning, installing, steps, fails, place, is_left_off, .. } = self.manner;
        let installed = provisioning + installing;
        let life = match fails {
            Some((after, _)) => vec![(ordered + after, State::Failed, "failed")],
            None if steps > 0 => Vec::new(),
            None => vec![
                (ordered + provisioning, State::Starting, "ready, installing"),
                match is_left_off {
                    true => (ordered + installed, State::Off, "off"),
                    false => (ordered + installed, State::On, "on"),
                },
            ],
        };
        let (tags, name) = match self.manner.foreign {
            true => (vec!["OpenNebula".into(), "ONE_PROVISION_HOST=else:1".into()], None),
            false => marks_of(spec, order),
        };
        let mut device = Device {
            id: MachineId::scripted(format!("{place}m{}", self.machines.len() + 1)),
            tags,
            name,
            locked: false,
            key,
            owner: order.mark.clone(),
            is_taken: false,
            ordered,
            is_late: spec.frees_key && is_late,
            life,
            steps: 0,
            busy: Duration::ZERO,
            reason: fails.map(|(_, reason)| reason),
            power_failed: None,
            tombstone: self.manner.tombstone,
        };
        meet_fate(&mut device);
        let shown = device.shown(spec, now).ok_or(Kind::Ambiguous);
        self.machines.push(device);
        shown
    }

    pub fn delete(&mut self, id: &MachineId, now: Duration) -> Result<(), Kind> {
        let Manner { missing, refuses_deletion, ignores_deletion, lost_deletions, deleting, .. } = self.manner;
        let device = self.known(id, now).ok_or(missing)?;
        if let Some(mark) = Process::current().mark {
            assert_eq!(device.owner, mark, "{id} is deleted by the process of another host");
        }
        match device.state(now) {
            _ if device.locked => return Err(Kind::Protected),
            State::Gone => return Err(missing),
            State::Starting if refuses_deletion.is_some() => {
                return Err(refuses_deletion.unwrap_or(missing));
            }
            State::Deleting => {}
            _ if ignores_deletion => {}
            _ if lost_deletions > 0 => self.manner.lost_deletions -= 1,
            _ => device.lead(now, &[(State::Deleting, deleting), (State::Gone, Duration::ZERO)]),
        }
        Ok(())
    }
}

/// What becomes of a machine in a storm.
fn meet_fate(device: &mut Device) {
    match Process::current().storm.and_then(|storm| storm.fate()) {
        Some((Fate::Fails, after)) => {
            device.lead(device.ordered + after, &[(State::Failed, Duration::ZERO)]);
            device.reason = Some("out_of_stock");
        }
        Some((Fate::IsTaken, after)) => {
            device.is_taken = true;
            device.lead(device.ordered + after, &[(State::Gone, Duration::ZERO)]);
        }
        None => {}
    }
}

/// The tags and the name that an order gives to its machine.
fn marks_of(spec: &Spec, order: &Order) -> (Vec<String>, Option<String>) {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |field: &str| order.body[field].as_array().cloned().unwrap_or_default();
    match spec.identity {
        Identity::Tags { field } => (list(field).iter().map(text).collect(), None),
        Identity::Pairs { field, members: (key, value), .. } => {
            let pair = |tag: &serde_json::Value| joined(&text(&tag[key]), &text(&tag[value]));
            (list(field).iter().map(pair).collect(), None)
        }
        Identity::Name { field, tags } => {
            let told = tags.and_then(|tags| order.body[tags].as_object());
            let told = told.into_iter().flatten().map(|(key, value)| joined(key, &text(value)));
            (told.collect(), Some(text(&order.body[field])))
        }
    }
}
