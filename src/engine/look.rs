//! Looks at machines, and what they prove: a machine is gone only on proof.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::{Engine, Error};
use crate::http::error::{ApiError, Kind};
use crate::provider::Filter;
use crate::provider::machine::{Machine, MachineId, State};
use crate::provider::spec::Absence;

/// What a look at a machine shows.
#[derive(Clone, Debug)]
pub enum Sight {
    /// The machine.
    Here(Box<Machine>),
    /// Nothing, of a machine that was just ordered: the provider may not show it yet.
    NotYet,
    /// That it is gone, in words that may follow "the machine".
    Gone(Cow<'static, str>),
}

/// What was seen of machines, and what is known of those that were not.
#[derive(Default)]
pub(super) struct Sightings {
    /// Those that were seen by their id: the address of the API and the credentials are right.
    seen: BTreeSet<MachineId>,
    /// When this run first heard of those that were ordered, noted or seen: they are at least as old.
    heard: BTreeMap<MachineId, Instant>,
    /// Those that a listing showed.
    listed: BTreeSet<MachineId>,
    /// Those that were ordered and not seen yet, and until when they may appear.
    expected: BTreeMap<MachineId, Instant>,
    /// Those that are no more, or go away.
    dead: BTreeSet<MachineId>,
    /// Why a machine is in its state: some providers tell it once.
    reasons: BTreeMap<MachineId, String>,
}

impl Engine {
    /// The machines that pass `filter`, with patience for passing faults; without tombstones.
    ///
    /// # Errors
    /// The call failed.
    pub fn list(&self, filter: Filter<'_>) -> Result<Vec<Machine>, Error> {
        self.list_by(filter, self.deadline())
    }

    pub(super) fn list_by(&self, filter: Filter<'_>, by: Instant) -> Result<Vec<Machine>, Error> {
        let mut machines = self.ask(by, || self.provider.list(&self.session.api(by), filter))?;
        // The filter is the provider's; whose a machine is, is too important to trust it.
        let identity = &self.provider.spec().identity;
        match filter {
            Filter::Marked(mark) => machines.retain(|machine| identity.is_borne(mark, machine)),
            Filter::Ours => machines.retain(|machine| identity.is_opennebulas(machine)),
            Filter::Account => {}
        }
        for machine in &machines {
            // A listing shows what is not known by its id yet.
            self.note_state(machine);
            self.sightings().listed.insert(machine.id.clone());
        }
        machines.retain(|machine| machine.state != State::Gone);
        Ok(machines)
    }

    /// Looks at a machine, with patience for passing faults. That it is gone is said on proof alone.
    ///
    /// # Errors
    /// The call failed, or it is not known what became of the machine.
    pub fn look(&self, id: &MachineId) -> Result<Sight, Error> {
        self.look_by(id, self.deadline())
    }

    pub(super) fn look_by(&self, id: &MachineId, by: Instant) -> Result<Sight, Error> {
        match self.ask(by, || self.peek(id, by)) {
            Err(Error::Api(error)) if is_absence(&error) => self.absence(id, error, by),
            sight => sight,
        }
    }

    /// Looks at a machine once. A not-found proves that it is gone where it was seen before.
    pub(super) fn peek(&self, id: &MachineId, by: Instant) -> Result<Sight, ApiError> {
        let api = self.session.api(by);
        let error = match self.provider.get(&api, id) {
            Ok(machine) if machine.id != *id => {
                let reason = format!("the answer is about another machine, {}", machine.id);
                return Err(api.problem(Kind::Ambiguous, reason));
            }
            Ok(machine) => {
                self.note(&machine);
                return Ok(match machine.state {
                    State::Gone => Sight::Gone(self.outcome_of(&machine)),
                    _ => Sight::Here(Box::new(machine)),
                });
            }
            Err(error) => error,
        };
        if error.kind != Kind::NotFound {
            return Err(error);
        }
        if self.is_expected(id) {
            return Ok(Sight::NotYet);
        }
        // It was known, or has had the time to be.
        let is_known = {
            let sightings = self.sightings();
            sightings.seen.contains(id) || sightings.expected.contains_key(id)
        };
        match self.provider.spec().absence {
            Absence::NotFound if is_known => Ok(Sight::Gone("is gone".into())),
            _ => Err(error),
        }
    }

    /// What a not-found, or a denial, of a machine means: proof is the account's own listing, whole and without it.
    ///
    /// # Errors
    /// `error`, where the listing has the machine or is not to be had either.
    pub(super) fn absence(&self, id: &MachineId, error: ApiError, by: Instant) -> Result<Sight, Error> {
        if self.is_expected(id) {
            return Ok(Sight::NotYet);
        }
        match self.list_by(Filter::Account, by) {
            Ok(machines) if machines.iter().all(|machine| machine.id != *id) => {
                if !self.is_listing_due(id) {
                    return Ok(Sight::NotYet);
                }
                Ok(Sight::Gone(match error.kind {
                    Kind::PermissionDenied => "was taken back by the provider".into(),
                    _ => "is gone".into(),
                }))
            }
            Ok(_) => Err(error.into()),
            Err(Error::Api(why)) if is_absence(&why) => Err(error.into()),
            Err(why) => Err(why),
        }
    }

    /// Tells of a machine that was just ordered, or ordered nobody knows when: the provider may not know it by its id
    /// yet.
    pub(super) fn expect_machine(&self, id: &MachineId) {
        let now = self.clock.now();
        let mut sightings = self.sightings();
        sightings.heard.entry(id.clone()).or_insert(now);
        sightings.expected.insert(id.clone(), now + self.provider.spec().appears_within);
    }

    /// The same of a machine that only a listing showed.
    pub(super) fn expect_unseen(&self, id: &MachineId) {
        let is_seen = self.sightings().seen.contains(id);
        if !is_seen {
            self.expect_machine(id);
        }
    }

    /// Whether the listings of the account must show a machine, if it is there: one that was seen by its id alone may be
    /// so young that they do not.
    pub(super) fn is_listing_due(&self, id: &MachineId) -> bool {
        let appears_within = self.provider.spec().appears_within;
        let sightings = self.sightings();
        let since = sightings.heard.get(id).filter(|_| !sightings.listed.contains(id));
        since.is_none_or(|since| self.clock.now() >= *since + appears_within)
    }

    fn is_expected(&self, id: &MachineId) -> bool {
        let until = self.sightings().expected.get(id).copied();
        until.is_some_and(|until| self.clock.now() < until)
    }

    /// Notes that the provider knows a machine of this id.
    pub(super) fn note_known(&self, id: &MachineId) {
        let now = self.clock.now();
        let mut sightings = self.sightings();
        sightings.expected.remove(id);
        sightings.heard.entry(id.clone()).or_insert(now);
        sightings.seen.insert(id.clone());
    }

    /// Notes what was seen of a machine.
    pub(super) fn note(&self, machine: &Machine) {
        self.note_known(&machine.id);
        self.note_state(machine);
    }

    fn note_state(&self, machine: &Machine) {
        let mut sightings = self.sightings();
        if matches!(machine.state, State::Deleting | State::Gone) {
            sightings.dead.insert(machine.id.clone());
        }
        if let Some(reason) = &machine.reason {
            let told = self.session.api(self.clock.now()).printable(reason);
            match machine.state {
                // What was told on the way may have passed.
                State::Failed => {
                    sightings.reasons.insert(machine.id.clone(), told);
                }
                _ => {
                    sightings.reasons.entry(machine.id.clone()).or_insert(told);
                }
            }
        }
    }

    /// Whether a machine is known to be no more, or to go away.
    pub(super) fn is_dead(&self, machine: &Machine) -> bool {
        let is_known = self.sightings().dead.contains(&machine.id);
        is_known || matches!(machine.state, State::Deleting | State::Gone)
    }

    /// The state of a machine, and why it is in it where that was ever told.
    pub(super) fn state_of(&self, machine: &Machine) -> String {
        match self.sightings().reasons.get(&machine.id) {
            Some(reason) => format!("{} ({reason})", machine.state_name),
            None => machine.state_name.clone(),
        }
    }

    /// What becomes of a machine that is gone, or goes: what may follow "the machine".
    pub(super) fn outcome_of(&self, machine: &Machine) -> Cow<'static, str> {
        let is_told = self.sightings().reasons.contains_key(&machine.id);
        match machine.state {
            _ if is_told => format!("is {}", self.state_of(machine)).into(),
            State::Gone => "is gone".into(),
            _ => "is being deleted".into(),
        }
    }
}

/// Whether an error says that the machine is not there for us, or not any more.
pub(super) fn is_absence(error: &ApiError) -> bool {
    matches!(error.kind, Kind::NotFound | Kind::PermissionDenied)
}
