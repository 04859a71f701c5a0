//! What a deploy is to do, what it has at stake meanwhile, and how it failed.

use std::fmt;
use std::time::Duration;

use super::error::Error;
use super::journal::Journal;
use crate::provider::machine::MachineId;
use crate::provider::order::Order;

/// How long an order whose answer was lost is looked for before it counts as not carried out: a listing can
/// lag by several seconds.
pub(super) const SETTLE: Duration = Duration::from_secs(12);
/// What a deploy is to do.
pub struct Job<'a> {
    /// What to order, and with which mark.
    pub order: &'a Order,
    /// What an earlier run for this owner may have left, and where this one notes what it does.
    pub journal: &'a Journal,
    /// The command that removes a machine, for messages.
    pub remove: &'a dyn Fn(&MachineId) -> String,
}

/// What may be lost if the deploy fails now.
#[derive(Debug, Default)]
pub(super) struct Stake {
    /// The machine that was ordered or adopted.
    pub(super) machine: Option<MachineId>,
    /// An order was sent whose answer was lost.
    pub(super) lost_order: bool,
    /// Objects were made that an order needs.
    pub(super) objects: bool,
}

impl Stake {
    pub(super) fn is_nothing(&self) -> bool {
        self.machine.is_none() && !self.lost_order && !self.objects
    }
}

/// A deploy that failed, and what became of what it ordered.
#[derive(Debug)]
pub struct NotDeployed {
    /// What somebody must know first: what is left, or why it failed and that nothing is left.
    pub outcome: String,
    /// Why it failed, where the outcome does not say so itself.
    pub cause: Option<Error>,
}

impl fmt::Display for NotDeployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome)
    }
}
