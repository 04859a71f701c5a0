//! The order: sent until it is known whether it was carried out.
//!
//! From the moment its first byte may have left, an order without an answer can become a machine for as long as the
//! provider's `Spec` says. Until then nobody knows that nothing was ordered.

use std::time::{Duration, Instant};

use super::job::{Job, Risk};
use super::schedule::Schedule;
use super::{Engine, Error};
use crate::http::backoff::Backoff;
use crate::http::error::{ApiError, Kind};
use crate::provider::machine::Machine;
use crate::provider::order::Order;
use crate::system::file;

/// How often an order is sent in all, where each answer was lost and no machine appeared.
const ORDERS: u32 = 3;
/// How many machines that are no more an idempotency key may lead to, one after another.
const SPENT: usize = 100;

impl Engine {
    /// How long an order may take to become a machine that can be seen.
    pub(super) fn owed(&self) -> Duration {
        let spec = self.provider.spec();
        spec.order_within + spec.appears_within
    }

    /// Sends the order until it is known to have been carried out.
    pub(super) fn order(
        &self,
        job: &Job<'_>,
        order: &mut Order,
        risk: &mut Risk,
        by: Instant,
    ) -> Result<Machine, Error> {
        let mut backoff = Backoff::default();
        let mut lost = 0;
        loop {
            self.begin_order(job, risk.unanswered + 1)?;
            let owed = risk.owed;
            risk.owed = owed.max(Some(self.clock.now() + self.owed()));
            let error = match self.provider.create(&self.session.api(by), order) {
                Ok(machine) if self.is_dead(&machine) && order.spent.len() < SPENT => {
                    // An idempotency key whose machine is no more: the next one is to be used.
                    risk.owed = owed;
                    order.spent.push(machine.id.to_string());
                    continue;
                }
                Ok(machine) if self.is_own(&machine, order) => {
                    risk.owed = owed;
                    risk.answer(machine.is_of_earlier_order, self.provider.spec());
                    self.report.info(format_args!("machine {} was ordered", machine.id));
                    self.expect_machine(&machine.id);
                    self.put_at_risk(job, risk, &machine.id)?;
                    return Ok(machine);
                }
                Ok(machine) => {
                    let reason = format!("the answer names {}, which does not carry the mark of this host", machine.id);
                    self.session.api(by).problem(Kind::Ambiguous, reason)
                }
                Err(error) => error,
            };
            if !matches!(error.kind, Kind::Ambiguous | Kind::Redirected) {
                // It is an answer: nothing came of this order.
                risk.owed = owed;
            }
            let is_lost = risk.owed != owed;
            lost += u32::from(is_lost);
            risk.unanswered += usize::from(is_lost);
            if let Some(machine) = self.after(job, order, risk, error, &mut backoff, lost, by)? {
                return Ok(machine);
            }
        }
    }

    /// What an order that got no machine leads to: the machine after all, or another order.
    #[allow(clippy::too_many_arguments, reason = "one step of the loop above")]
    fn after(
        &self,
        job: &Job<'_>,
        order: &mut Order,
        risk: &mut Risk,
        error: ApiError,
        backoff: &mut Backoff,
        lost: u32,
        by: Instant,
    ) -> Result<Option<Machine>, Error> {
        let has_key = self.provider.spec().has_idempotency_key;
        match error.kind {
            Kind::KeySpent if order.spent.len() < SPENT => {
                order.spent.push(format!("key {}", order.spent.len()));
                Ok(None)
            }
            // With its key the same order is the better look.
            Kind::Ambiguous if has_key => match backoff.after(&error) {
                Some(pause) => {
                    self.report.info(format_args!(
                        "the answer to the order is lost ({}): sending it again, with its key",
                        error.what()
                    ));
                    self.pause_within(pause, by, &error)?;
                    Ok(None)
                }
                None => Err(Error::OrdersLost(error)),
            },
            Kind::Ambiguous | Kind::Redirected => self.look_for_lost(job, risk, error, lost, by),
            // Nothing was ordered, and it may work later.
            Kind::NotSent | Kind::RateLimited | Kind::Conflict => {
                let Some(pause) = backoff.after(&error) else {
                    return Err(self.not_ordered(job, risk, error));
                };
                self.report.info(format_args!("the order was not taken ({}): again", error.what()));
                self.pause_within(pause, by, &error)?;
                Ok(None)
            }
            _ => Err(self.not_ordered(job, risk, error)),
        }
    }

    /// The same of an order without an answer, where no key makes it safe to send it again.
    fn look_for_lost(
        &self,
        job: &Job<'_>,
        risk: &mut Risk,
        error: ApiError,
        lost: u32,
        by: Instant,
    ) -> Result<Option<Machine>, Error> {
        self.report.info(format_args!("the answer to the order is lost ({}): looking for it", error.what()));
        let until = risk.owed.unwrap_or_else(|| self.clock.now());
        if let Some(machine) = self.look_for(&job.order.mark, until, by)? {
            self.report.info(format_args!("machine {} is what was ordered", machine.id));
            self.put_at_risk(job, risk, &machine.id)?;
            return Ok(Some(machine));
        }
        // It had the time to appear.
        risk.settle();
        if risk.is_nothing() {
            job.journal.close();
        }
        if error.kind == Kind::Redirected {
            return Err(self.not_ordered(job, risk, error));
        }
        if lost == ORDERS {
            return Err(Error::OrdersLost(error));
        }
        self.report.info("nothing was ordered: ordering again");
        Ok(None)
    }

    /// Whether the machine of an answer is the one that was ordered.
    fn is_own(&self, machine: &Machine, order: &Order) -> bool {
        self.provider.spec().identity.is_borne(&order.mark, machine)
    }

    /// Notes that an order is about to be sent.
    fn begin_order(&self, job: &Job<'_>, owed: usize) -> Result<(), Error> {
        self.interrupt.check()?;
        self.interrupt.at_risk(Some(format!(
            "the machine that was just ordered may exist and be billed: look for the tag {} at the provider",
            job.order.mark
        )));
        if let Err(error) = job.journal.note(None, owed) {
            self.report.info(format_args!("no journal is kept: {}", file::reason(&error)));
        }
        Ok(())
    }

    /// `error`, of an order that was refused: unless an earlier one was lost, nothing can be left.
    fn not_ordered(&self, job: &Job<'_>, risk: &Risk, error: ApiError) -> Error {
        if risk.is_nothing() {
            job.journal.close();
        }
        error.into()
    }

    /// Looks for an order whose answer was lost until it appears, or has had the time to: until `until`. A deadline
    /// before that, or an error, leaves it unknown.
    pub(super) fn look_for(&self, mark: &str, until: Instant, by: Instant) -> Result<Option<Machine>, Error> {
        let mut schedule = Schedule::begin(self.clock.now());
        let goal = format!("until an order appears | tag {mark}");
        let mut line = self.progress(goal, until.min(by));
        line.show("not in the listing");
        loop {
            // An order that was sent twice may appear twice; the second one is removed in the end.
            if let Some(machine) = self.all_of(mark, by)?.into_iter().next() {
                self.expect_unseen(&machine.id);
                return Ok(Some(machine));
            }
            let now = self.clock.now();
            if now >= until {
                return Ok(None);
            }
            if now >= by {
                return Err(Error::Unanswered);
            }
            let elapsed = schedule.elapsed(now);
            let pause = schedule.pause(elapsed, None);
            line.sleep(pause.min(until.min(by).saturating_duration_since(now)))?;
        }
    }
}
