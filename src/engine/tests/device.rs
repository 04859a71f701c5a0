//! A machine of the scripted provider: its life is laid down in advance.

use std::time::Duration;

use crate::provider::machine::{Machine, MachineId, State};
use crate::provider::spec::Spec;

/// A machine at the provider.
pub struct Device {
    pub id: MachineId,
    pub tags: Vec<String>,
    pub name: Option<String>,
    pub locked: bool,
    pub key: String,
    /// The mark of the order.
    pub owner: String,
    /// Whether the provider takes it back of its own accord.
    pub is_taken: bool,
    pub ordered: Duration,
    /// Whether it is of an order that takes effect later, unless its key is another machine's then.
    pub is_late: bool,
    /// States, and since when; the last one lasts.
    pub life: Vec<(Duration, State, &'static str)>,
    pub steps: u32,
    pub busy: Duration,
    pub reason: Option<&'static str>,
    pub power_failed: Option<&'static str>,
    pub tombstone: Duration,
}

impl Device {
    /// Its state as it truly is.
    pub fn state(&self, now: Duration) -> State {
        self.at(now).1
    }

    pub fn at(&self, now: Duration) -> (Duration, State, &'static str) {
        let begun = self.life.iter().rev().find(|(since, ..)| *since <= now);
        begun.copied().unwrap_or((self.ordered, State::Starting, "ordered"))
    }

    /// Leads it through these states from now on, each for its time.
    pub fn lead(&mut self, now: Duration, states: &[(State, Duration)]) {
        self.life.retain(|(since, ..)| *since <= now);
        let mut since = now;
        for (state, time) in states {
            self.life.push((since, *state, name_of(*state)));
            since += *time;
        }
    }

    /// Begins its life now, should that begin later.
    pub fn advance_to(&mut self, now: Duration) {
        let early = self.ordered.saturating_sub(now);
        self.ordered -= early;
        self.life.iter_mut().for_each(|(since, ..)| *since -= early);
    }

    /// Whether it is there, be it on its way out.
    pub fn lives(&self, now: Duration) -> bool {
        self.state(now) != State::Gone
    }

    /// Whether it will last if nothing more is done.
    pub fn lasts(&self) -> bool {
        self.life.last().is_none_or(|(_, state, _)| *state != State::Gone)
    }

    /// The machine as the provider shows it; `None` once its tombstone is taken away.
    pub fn shown(&mut self, spec: &Spec, now: Duration) -> Option<Machine> {
        let (since, state, name) = self.at(now);
        if state == State::Gone && now >= since + self.tombstone {
            return None;
        }
        let is_power = matches!(state, State::Off | State::Stopping);
        let (state, name) = match is_power && !spec.power.shows_off {
            true => (State::On, "on"),
            false => (state, name),
        };
        let reason = if state == State::Failed { self.reason.take() } else { self.power_failed };
        Some(Machine {
            tags: self.tags.clone(),
            name: self.name.clone(),
            locked: self.locked,
            reason: reason.map(str::to_owned),
            power_failed: self.power_failed.is_some(),
            ..Machine::new(self.id.clone(), state, name)
        })
    }
}

fn name_of(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::On => "on",
        State::Stopping => "stopping",
        State::Off => "off",
        State::Failed => "failed",
        State::Deleting => "deleting",
        State::Gone => "gone",
    }
}
