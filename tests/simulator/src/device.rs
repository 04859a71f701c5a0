//! A machine: what was ordered, and what becomes of it as time passes.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::Effect;
use crate::options::Options;
use crate::random::Random;

/// The state of a machine in the API's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "these are the API's own words")]
pub enum State {
    Queued,
    Provisioning,
    Deprovisioning,
    Reinstalling,
    Active,
    Inactive,
    Failed,
    PoweringOn,
    PoweringOff,
    /// Gone. The API answers 404 instead of showing it.
    Deleted,
    /// Any other: older answers say `pending` and `rebooting`, and tests may invent some.
    #[serde(untagged)]
    Other(String),
}

impl State {
    /// The API's word.
    pub fn as_str(&self) -> &str {
        match self {
            State::Queued => "queued",
            State::Provisioning => "provisioning",
            State::Deprovisioning => "deprovisioning",
            State::Reinstalling => "reinstalling",
            State::Active => "active",
            State::Inactive => "inactive",
            State::Failed => "failed",
            State::PoweringOn => "powering_on",
            State::PoweringOff => "powering_off",
            State::Deleted => "deleted",
            State::Other(word) => word,
        }
    }

    /// Whether a machine that is stuck in this state comes to it by itself or by an action.
    fn is_on_the_way(&self) -> bool {
        use State::*;
        matches!(self, Queued | Provisioning | Active | PoweringOn | PoweringOff | Deprovisioning)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One of a machine's addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub address: String,
    /// 4 or 6.
    pub family: u8,
    /// Whether the internet reaches it.
    pub public: bool,
    /// Length of the network's prefix.
    pub cidr: u8,
    pub(crate) id: String,
    pub(crate) gateway: String,
    pub(crate) network: String,
    pub(crate) netmask: String,
}

/// What a new machine is made of.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// The project that owns it.
    pub project: String,
    /// Its host name.
    pub hostname: String,
    /// Slug of its plan, one of the catalogue's.
    pub plan: String,
    /// Slug of its operating system, one of the catalogue's.
    pub operating_system: String,
    /// Code of its facility, one of the catalogue's.
    pub facility: String,
    /// Its tags, in their order.
    pub tags: Vec<String>,
    /// Id of the reserved server that it runs on.
    pub reservation: Option<String>,
    /// The order as it came, a JSON object.
    pub order: Value,
}

impl NewDevice {
    /// A machine of the recorded host's kind, with these tags.
    pub fn with_tags<T: Into<String>>(project: &str, tags: impl IntoIterator<Item = T>) -> Self {
        NewDevice {
            project: project.to_owned(),
            hostname: "centos-host".to_owned(),
            plan: "baremetal_0".to_owned(),
            operating_system: "centos_7".to_owned(),
            facility: "ams1".to_owned(),
            tags: tags.into_iter().map(Into::into).collect(),
            reservation: None,
            order: Value::Object(serde_json::Map::new()),
        }
    }
}

/// A machine as the provider's books have it.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its UUID.
    pub id: String,
    /// The project that owns it.
    pub project: String,
    /// Its host name.
    pub hostname: String,
    /// Slug of its plan.
    pub plan: String,
    /// Slug of its operating system.
    pub operating_system: String,
    /// Code of its facility.
    pub facility: String,
    /// Its tags, in their order.
    pub tags: Vec<String>,
    /// Id of the reserved server that it runs on.
    pub reservation: Option<String>,
    /// The order as it came, a JSON object.
    pub order: Value,
    /// Its state when this was taken from the books.
    pub state: State,
    /// When it was ordered, since the simulator's start.
    pub created: Duration,
    /// Each state it came to, and when, since the simulator's start.
    pub history: Vec<(Duration, State)>,
    /// All its addresses, also while the API does not show them yet.
    pub addresses: Vec<Address>,
    /// Whether DELETE is refused for ever.
    pub locked: bool,
    /// Status of its answers since the provider took it back: 403 or 404.
    pub taken: Option<u16>,
    pub(crate) short_id: String,
    pub(crate) root_password: String,
    pub(crate) network_id: String,
    /// What it comes to next, and when.
    ahead: VecDeque<(Duration, State)>,
    stuck: Option<State>,
    vanish: Option<(Duration, u16)>,
    refusal: Option<(Duration, String)>,
    listing_lag: Option<Duration>,
}

/// What `POST /devices/{id}/actions` can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    PowerOn,
    PowerOff,
    Reboot,
}

impl Device {
    pub(crate) fn order(
        new: NewDevice,
        addresses: Vec<Address>,
        fates: &[Effect],
        options: &Options,
        random: &mut Random,
        now: Duration,
    ) -> Self {
        let id = random.uuid();
        let mut device = Device {
            short_id: id[..8].to_owned(),
            id,
            locked: new.order["locked"] == true,
            project: new.project,
            hostname: new.hostname,
            plan: new.plan,
            operating_system: new.operating_system,
            facility: new.facility,
            tags: new.tags,
            reservation: new.reservation,
            order: new.order,
            state: State::Queued,
            created: now,
            history: Vec::new(),
            addresses,
            taken: None,
            root_password: format!("h4x0r${}", random.hex(6)),
            network_id: random.uuid(),
            ahead: VecDeque::new(),
            stuck: None,
            vanish: None,
            refusal: None,
            listing_lag: None,
        };
        for fate in fates {
            device.meet(fate, now);
        }
        let (shortest, longest) = (options.provisioning.start(), options.provisioning.end());
        let provisioning = *shortest + longest.saturating_sub(*shortest).mul_f64(random.unit());
        let outcome = if fates.iter().any(|fate| matches!(fate, Effect::FailProvisioning)) {
            State::Failed
        } else {
            match &device.stuck {
                Some(state) if !state.is_on_the_way() => state.clone(),
                _ => State::Active,
            }
        };
        let started = now + options.queued;
        device.ahead = VecDeque::from([(started, State::Provisioning), (started + provisioning, outcome)]);
        device.enter(now, State::Queued);
        device
    }

    /// Changes what becomes of the machine.
    pub(crate) fn meet(&mut self, fate: &Effect, now: Duration) {
        match fate {
            Effect::Stuck(state) => {
                self.stuck = Some(state.clone());
                if self.state == *state {
                    self.ahead.clear();
                }
            }
            Effect::Vanish { after, status } => self.vanish = Some((self.created + *after, *status)),
            Effect::RefuseDelete { until, reason } => {
                self.refusal = Some((self.created + *until, reason.clone()));
            }
            Effect::Locked => self.locked = true,
            Effect::ListingLag(lag) => self.listing_lag = Some(*lag),
            // Before it is queued, the order itself decides when it fails.
            Effect::FailProvisioning if !self.history.is_empty() => self.put(now, State::Failed),
            _ => {}
        }
    }

    /// Puts the machine in a state, in which it stays until something is asked of it.
    pub(crate) fn put(&mut self, now: Duration, state: State) {
        self.ahead.clear();
        self.enter(now, state);
    }

    /// Catches up with the clock.
    pub(crate) fn advance(&mut self, now: Duration) {
        while let Some((at, _)) = self.ahead.front()
            && *at <= now
        {
            if let Some((at, state)) = self.ahead.pop_front() {
                self.enter(at, state);
            }
        }
        if let Some((at, status)) = self.vanish
            && at <= now
            && self.state != State::Deleted
        {
            self.taken = Some(status);
        }
    }

    fn enter(&mut self, at: Duration, state: State) {
        if self.stuck.as_ref() == Some(&state) {
            self.ahead.clear();
        }
        self.history.push((at, state.clone()));
        self.state = state;
    }

    /// Whether the machine is off the books: deleted, or taken back.
    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Deleted || self.taken.is_some()
    }

    /// Whether listings show it.
    pub(crate) fn is_listed(&self, options: &Options, now: Duration) -> bool {
        !self.is_gone() && now >= self.created + self.listing_lag.unwrap_or(options.listing_lag)
    }

    /// The addresses that the API shows: none while queued and at first, the private ones in the second half of
    /// provisioning, then all. They stay when the machine is off.
    pub(crate) fn shown_addresses(&self, now: Duration) -> Option<Vec<&Address>> {
        match self.state {
            State::Queued => None,
            State::Provisioning if self.progress(now).unwrap_or_default() < 50.0 => Some(Vec::new()),
            State::Provisioning => Some(self.addresses.iter().filter(|a| !a.public).collect()),
            _ => Some(self.addresses.iter().collect()),
        }
    }

    /// Percentage of the provisioning that is done, while it lasts.
    pub(crate) fn progress(&self, now: Duration) -> Option<f64> {
        if self.state != State::Provisioning {
            return None;
        }
        let (began, _) = self.history.last()?;
        // A machine that is stuck in provisioning shows how far it came.
        let Some((ends, _)) = self.ahead.front() else {
            return Some(40.0);
        };
        let share = (now - *began).as_secs_f64() / (*ends - *began).as_secs_f64();
        Some((share * 100.0).min(99.0).round())
    }

    /// Carries an action out, or says why not, in the API's words.
    pub(crate) fn act(&mut self, action: Action, options: &Options, now: Duration) -> Result<(), &'static str> {
        let on = self.state == State::Active;
        let off = self.state == State::Inactive;
        match action {
            Action::PowerOn if !off => return Err("Device must be powered off"),
            Action::PowerOff | Action::Reboot if !on => return Err("Device must be powered on"),
            _ => {}
        }
        if self.stuck.as_ref() == Some(&self.state) {
            return Ok(());
        }
        let target = match action {
            Action::PowerOff => State::Inactive,
            Action::PowerOn | Action::Reboot => State::Active,
        };
        // Asked again while it is on its way there: accepted, and nothing starts anew.
        if self.ahead.back().is_some_and(|(_, state)| *state == target) {
            return Ok(());
        }
        let down = now + options.reboot_lag;
        let turned = down + options.powering;
        self.ahead = match action {
            Action::PowerOn => {
                self.enter(now, State::PoweringOn);
                VecDeque::from([(now + options.powering, State::Active)])
            }
            Action::PowerOff => VecDeque::from([(down, State::PoweringOff), (turned, State::Inactive)]),
            Action::Reboot if options.silent_reboot => VecDeque::new(),
            Action::Reboot => VecDeque::from([
                (down, State::PoweringOff),
                (turned, State::PoweringOn),
                (turned + options.powering, State::Active),
            ]),
        };
        if self.stuck.as_ref() == Some(&self.state) {
            self.ahead.clear();
        }
        Ok(())
    }

    /// Begins the deletion, or says why not, in the API's words.
    pub(crate) fn delete(&mut self, options: &Options, now: Duration) -> Result<(), String> {
        const PROVISIONING: &str = "Cannot delete a device while it is provisioning";
        if self.locked {
            return Err("Cannot delete a locked item.".to_owned());
        }
        if let Some((until, reason)) = &self.refusal
            && now < *until
        {
            return Err(reason.clone());
        }
        match self.state {
            State::Deprovisioning => {
                return Err("Cannot delete a device while it is deprovisioning".to_owned());
            }
            State::Queued | State::Provisioning if options.refuse_delete_while_provisioning => {
                return Err(PROVISIONING.to_owned());
            }
            _ => {}
        }
        self.ahead = VecDeque::from([(now + options.deprovisioning, State::Deleted)]);
        self.enter(now, State::Deprovisioning);
        Ok(())
    }
}
