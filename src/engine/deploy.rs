//! A deploy: from the look for what is there already to the id that is handed over.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::job::{Job, NotDeployed, SETTLE, Stake};
use super::journal::Entry;
use super::schedule::Schedule;
use super::{Engine, Error, Goal, Sight, Wait};
use crate::http::backoff::Backoff;
use crate::http::error::{ApiError, Kind};
use crate::provider::machine::{Machine, MachineId, Power, State};
use crate::provider::order::Order;
use crate::provider::{Advance, Filter};

/// How often an order is sent in all, where each answer was lost and no machine appeared.
const ORDERS: u32 = 3;
/// How many machines that are no more an idempotency key may lead to, one after another.
const SPENT: usize = 100;

impl Engine {
    /// Orders a machine, or adopts the one that its owner has, waits until it is up, and hands its id over.
    ///
    /// # Errors
    /// Whatever went wrong; by then what was ordered is deleted, or the error names it and says how to.
    pub fn deploy(
        &self,
        job: &Job<'_>,
        hand_over: impl FnOnce(&MachineId) -> io::Result<()>,
    ) -> Result<(), NotDeployed> {
        let mut stake = Stake::default();
        // A mistake of ours must not cost a machine either.
        let obtained = catch_unwind(AssertUnwindSafe(|| self.obtain(job, &mut stake)));
        let result = obtained
            .unwrap_or(Err(Error::OurMistake))
            .and_then(|machine| hand_over(&machine.id).map_err(Error::NotHandedOver));
        match result {
            Ok(()) => {
                job.journal.close();
                Ok(())
            }
            Err(error) => Err(self.roll_back(error, job, &stake)),
        }
    }

    /// How long a lost order is looked for while there may be another one.
    fn settle(&self) -> Duration {
        SETTLE.min(self.timeout / 2)
    }

    fn obtain(&self, job: &Job<'_>, stake: &mut Stake) -> Result<Machine, Error> {
        let by = self.deadline();
        let mut order = job.order.clone();
        let found = self.find(job, stake, by)?;
        if self.provider.spec().has_objects {
            stake.objects = true;
            self.prepare(&mut order, by)?;
        }
        let machine = match found {
            Some(found) => {
                self.report.info(format_args!("machine {} of this host is adopted", found.id));
                self.put_at_stake(job, stake, &found.id);
                if found.state == State::Off {
                    self.act(&found.id, Power::On, by)?;
                }
                found
            }
            None => self.order(job, &mut order, stake, by)?,
        };
        let machine = self.bring_up(machine, &order, by)?;
        if stake.lost_order {
            self.remove_doubles(&machine, &order.mark, by)?;
        }
        Ok(machine)
    }

    /// Makes the objects that the order needs.
    fn prepare(&self, order: &mut Order, by: Instant) -> Result<(), Error> {
        *order = self.ask(by, || {
            let mut prepared = order.clone();
            self.provider.prepare(&self.session.api(by), &mut prepared).map(|()| prepared)
        })?;
        Ok(())
    }

    /// Waits until a machine is up, and takes the steps that lead there.
    fn bring_up(&self, machine: Machine, order: &Order, by: Instant) -> Result<Machine, Error> {
        if machine.state == State::On {
            let advance = || self.provider.advance(&self.session.api(by), order, &machine);
            if self.ask(by, advance)? == Advance::Done {
                return Ok(machine);
            }
        }
        let wait = Wait { id: &machine.id, goal: Goal::On, by, order: Some(order) };
        self.wait(wait)?.ok_or(Error::Vanished("is gone".into()))
    }

    /// The machine that the owner has, if any: what an earlier run noted and had no time to hand over or to
    /// delete, else what carries its mark.
    fn find(
        &self,
        job: &Job<'_>,
        stake: &mut Stake,
        by: Instant,
    ) -> Result<Option<Machine>, Error> {
        let mark = &job.order.mark;
        let noted = job.journal.read();
        let mut found = Vec::new();
        if let Some(Entry { machine: Some(id), age }) = &noted {
            self.expect(id, *age);
            // Whatever fails before it is known to be gone would lose it again.
            self.put_at_stake(job, stake, id);
            found.extend(self.noted(id, mark, by)?);
            if found.is_empty() {
                self.withdraw(stake);
            }
        }
        for machine in self.all_of(mark, by)? {
            if found.iter().all(|known: &Machine| known.id != machine.id) {
                found.push(machine);
            }
        }
        if let (true, Some(Entry { machine: None, age })) = (found.is_empty(), &noted)
            && *age < SETTLE
        {
            self.report.info("an earlier run was killed while it ordered: looking for it");
            stake.lost_order = true;
            found.extend(self.look_for(mark, self.settle(), by)?);
        }
        if found.len() > 1 {
            // Which of them is to go is not ours to say.
            self.withdraw(stake);
            return Err(Error::Several(found.into_iter().map(|machine| machine.id).collect()));
        }
        Ok(found.pop())
    }

    /// The machine that an earlier run noted, if it is still the owner's. One that the provider took back is
    /// not.
    fn noted(&self, id: &MachineId, mark: &str, by: Instant) -> Result<Option<Machine>, Error> {
        let identity = &self.provider.spec().identity;
        loop {
            match self.look_by(id, by)? {
                Sight::Here(machine) => {
                    let is_own = identity.is_borne(mark, &machine);
                    let is_own = is_own && machine.state != State::Deleting;
                    return Ok(is_own.then_some(*machine));
                }
                Sight::Gone(_) => return Ok(None),
                Sight::NotYet => {
                    let error = self
                        .session
                        .api(by)
                        .problem(Kind::Ambiguous, format!("machine {id} is not shown yet"));
                    self.pause_within(Duration::from_secs(1), by, &error)?;
                }
            }
        }
    }

    /// What carries the owner's mark. A machine that is being deleted is no more its own.
    pub(super) fn all_of(&self, mark: &str, by: Instant) -> Result<Vec<Machine>, Error> {
        let mut found = self.list_by(Filter::Marked(mark), by)?;
        found.retain(|machine| machine.state != State::Deleting);
        Ok(found)
    }

    /// Sends the order until it is known to have been carried out.
    fn order(
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

    /// Deletes what a lost order of this run brought beside the machine that is handed over: before the first
    /// order there was none.
    fn remove_doubles(&self, kept: &Machine, mark: &str, by: Instant) -> Result<(), Error> {
        for machine in self.all_of(mark, by)? {
            if machine.id != kept.id {
                self.report
                    .info(format_args!("machine {} was ordered twice: deleting it", machine.id));
                self.remove_machine(&machine.id, by)?;
            }
        }
        Ok(())
    }

    fn put_at_stake(&self, job: &Job<'_>, stake: &mut Stake, id: &MachineId) {
        stake.machine = Some(id.clone());
        if let Err(error) = job.journal.note(Some(id)) {
            self.report.info(format_args!("no journal is kept: {error}"));
        }
        self.interrupt.at_stake(Some(format!(
            "machine {id} may be STILL BILLED: remove it with `{}`",
            (job.remove)(id)
        )));
    }

    /// Nothing is at stake after all.
    fn withdraw(&self, stake: &mut Stake) {
        *stake = Stake::default();
        self.interrupt.at_stake(None);
    }
}
