//! The order: sent until it is known whether it was carried out.

use std::time::{Duration, Instant};

use super::job::{Job, SETTLE, Stake};
use super::schedule::Schedule;
use super::{Engine, Error};
use crate::http::backoff::Backoff;
use crate::http::error::{ApiError, Kind};
use crate::provider::machine::Machine;
use crate::provider::order::Order;

/// How often an order is sent in all, where each answer was lost and no machine appeared.
const ORDERS: u32 = 3;
/// How many machines that are no more an idempotency key may lead to, one after another.
const SPENT: usize = 100;

impl Engine {
    /// How long a lost order is looked for while there may be another one.
    pub(super) fn settle(&self) -> Duration {
        SETTLE.min(self.timeout / 2)
    }

    /// Sends the order until it is known to have been carried out.
    pub(super) fn order(
        &self,
        job: &Job<'_>,
        order: &mut Order,
        stake: &mut Stake,
        by: Instant,
    ) -> Result<Machine, Error> {
        let mut backoff = Backoff::default();
        let mut orders = 0;
        loop {
            self.begin_order(job)?;
            orders += 1;
            let error = match self.provider.create(&self.session.api(by), order) {
                Ok(machine) if self.is_dead(&machine) && order.spent.len() < SPENT => {
                    // An idempotency key whose machine is no more: the next one is to be used.
                    order.spent.push(machine.id.to_string());
                    orders -= 1;
                    continue;
                }
                Ok(machine) => {
                    self.report.info(format_args!("machine {} was ordered", machine.id));
                    self.expect(&machine.id, Duration::ZERO);
                    self.put_at_stake(job, stake, &machine.id);
                    return Ok(machine);
                }
                Err(error) => error,
            };
            match error.kind {
                Kind::KeySpent if order.spent.len() < SPENT => {
                    order.spent.push(format!("key {}", order.spent.len()));
                    orders -= 1;
                }
                Kind::Ambiguous => {
                    stake.lost_order = true;
                    if let Some(machine) = self.find_unanswered(job, &error, stake, by)? {
                        return Ok(machine);
                    }
                    if orders == ORDERS {
                        return Err(Error::OrdersLost(error));
                    }
                    self.report.info("nothing was ordered: ordering again");
                }
                // Nothing was ordered, and it may work later.
                Kind::NotSent | Kind::RateLimited | Kind::Conflict => {
                    let Some(pause) = backoff.after(&error) else {
                        return Err(self.not_ordered(job, stake, error));
                    };
                    self.report.info(format_args!("the order was not taken ({error}): again"));
                    orders -= 1;
                    self.pause_within(pause, by, &error)?;
                }
                _ => return Err(self.not_ordered(job, stake, error)),
            }
        }
    }

    /// Notes that an order is about to be sent.
    fn begin_order(&self, job: &Job<'_>) -> Result<(), Error> {
        self.interrupt.check()?;
        self.interrupt.at_stake(Some(format!(
            "the machine that was just ordered may exist and be billed: look for the tag {} at the provider",
            job.order.mark
        )));
        if let Err(error) = job.journal.note(None) {
            self.report.info(format_args!("no journal is kept: {error}"));
        }
        Ok(())
    }

    /// The machine of an order whose answer was lost, if it appears.
    fn find_unanswered(
        &self,
        job: &Job<'_>,
        error: &ApiError,
        stake: &mut Stake,
        by: Instant,
    ) -> Result<Option<Machine>, Error> {
        self.report.info(format_args!("the answer to the order is lost ({error}): looking for it"));
        let found = self.look_for(&job.order.mark, self.settle(), by)?;
        if let Some(machine) = &found {
            self.report.info(format_args!("machine {} is what was ordered", machine.id));
            self.put_at_stake(job, stake, &machine.id);
        }
        Ok(found)
    }

    /// `error`, of an order that was refused: unless an earlier one was lost, nothing is at stake.
    fn not_ordered(&self, job: &Job<'_>, stake: &Stake, error: ApiError) -> Error {
        if stake.is_nothing() {
            job.journal.close();
        }
        error.into()
    }

    /// Looks for an order whose answer was lost until it appears, or has had the time to. A deadline or an
    /// error leaves it unknown.
    pub(super) fn look_for(
        &self,
        mark: &str,
        settle: Duration,
        by: Instant,
    ) -> Result<Option<Machine>, Error> {
        let begin = self.clock.now();
        let schedule = Schedule::begin(begin);
        let settled = begin + settle;
        let goal = format!("until an order appears | tag {mark}");
        let mut line = self.progress(goal, settled);
        line.tell("not in the listing");
        loop {
            // An order that was sent twice may appear twice; the second one is removed in the end.
            if let Some(machine) = self.all_of(mark, by)?.into_iter().next() {
                return Ok(Some(machine));
            }
            let now = self.clock.now();
            if now >= settled {
                return Ok(None);
            }
            line.sleep(schedule.pause(schedule.elapsed(now), None))?;
        }
    }
}
