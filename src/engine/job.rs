//! What a deploy is to do, what it risks to leave behind meanwhile, and how it failed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Instant;

use super::error::Error;
use super::journal::Journal;
use crate::provider::machine::MachineId;
use crate::provider::order::Order;
use crate::provider::spec::Spec;

/// What a deploy is to do.
pub struct Job<'a> {
    /// What to order, and with which mark.
    pub order: &'a Order,
    /// What an earlier run for this owner may have left, and where this one notes what it does.
    pub journal: &'a Journal,
    /// The host in oned, which keeps the id of its machine for whoever deletes the host.
    pub record: &'a dyn Record,
    /// The machine that an earlier run recorded there.
    pub recorded: Option<MachineId>,
    /// The command that removes a machine, for messages.
    pub remove: &'a dyn Fn(&MachineId) -> String,
}

/// The host in oned, as far as a deploy is concerned.
pub trait Record {
    /// Writes the id of the host's machine into the host; `None` takes it out again.
    ///
    /// # Errors
    /// It is not stored; whether because there is no such host any more.
    fn write(&self, machine: Option<&MachineId>) -> Result<(), Unrecorded>;

    /// Looks whether the host is still there.
    ///
    /// # Errors
    /// It is not, or cannot be looked for.
    fn look(&self) -> Result<(), Unrecorded>;
}

/// Why a machine's id is not in its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrecorded {
    /// The host was deleted meanwhile (error 1024 of oned).
    NoSuchHost(String),
    /// oned refuses, or cannot be asked.
    Other(String),
}

/// No record: the host is in no oned, or nobody wants it.
pub struct NoRecord;

impl Record for NoRecord {
    fn write(&self, _: Option<&MachineId>) -> Result<(), Unrecorded> {
        Ok(())
    }

    fn look(&self) -> Result<(), Unrecorded> {
        Ok(())
    }
}

/// What may be left behind if the deploy fails now.
#[derive(Debug, Default)]
pub(super) struct Risk {
    /// The machine that was ordered or adopted: it is the owner's.
    pub(super) machine: Option<MachineId>,
    /// Machines that an earlier run noted, and of which it is not known yet whose they are.
    pub(super) noted: BTreeSet<MachineId>,
    /// Until when an order without an answer may still become a machine.
    pub(super) owed: Option<Instant>,
    /// The machine's id could not be written into its host.
    pub(super) is_unrecorded: bool,
    /// How many orders got no answer.
    pub(super) unanswered: usize,
    /// Objects were made that an order needs.
    pub(super) objects: bool,
    /// Until when a request for such an object, that got no answer, may still make it.
    pub(super) objects_owed: Option<Instant>,
}

impl Risk {
    /// An order got its answer, and with a key perhaps that of an earlier one.
    pub(super) fn answer(&mut self, is_earlier: bool, spec: &Spec) {
        match (spec.has_idempotency_key, spec.frees_key) {
            (false, _) => {}
            // With one key there is one machine, however often it was sent.
            (true, false) => self.owed = None,
            (true, true) => {
                self.unanswered = self.unanswered.saturating_sub(usize::from(is_earlier));
                if self.unanswered == 0 {
                    self.owed = None;
                }
            }
        }
    }

    /// No order without an answer can become a machine any more.
    pub(super) fn settle(&mut self) {
        self.owed = None;
        self.unanswered = 0;
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.machine.is_none() && self.noted.is_empty() && self.owed.is_none() && !self.objects
    }
}

/// A deploy that failed, and what became of what it ordered.
#[derive(Debug)]
pub struct NotDeployed {
    /// What somebody must know first: what is left, or why it failed and that nothing is left.
    pub outcome: String,
    /// Why it failed, where the outcome does not say so itself.
    pub cause: Option<Box<Error>>,
}

impl fmt::Display for NotDeployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome)
    }
}
