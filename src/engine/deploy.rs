//! A deploy: from the look for what is there already to the id that is handed over, or the roll-back.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::steps::Goal;
use super::{Lifecycle, SETTLE, Trouble};
use crate::engine::journal::{Entry, Journal};
use crate::engine::schedule::Pace;
use crate::http::backoff::Backoff;
use crate::http::error::{ApiError, Kind};
use crate::opennebula::owner::Owner;
use crate::provider::{Machine, MachineId, Order, Power, State};

/// How often an order is sent in all, where each answer was lost and no machine appeared.
const ORDERS: u32 = 3;
/// The least and the most time that a roll-back takes: long enough to outlast a hiccup, and most refusals
/// "while it is provisioning".
const ROLL_BACK: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(300));
/// What a deploy is to do.
pub struct Job<'a> {
    /// What to order.
    pub order: &'a Order,
    /// Whose it will be.
    pub owner: &'a Owner,
    /// What an earlier run for this owner may have left, and where this one notes what it does.
    pub journal: &'a Journal,
    /// The command that removes a machine, for messages.
    pub remove: &'a dyn Fn(&MachineId) -> String,
}

/// A deploy that failed, and what became of what it ordered.
#[derive(Debug)]
pub struct NotDeployed {
    /// What somebody must know first: what is left, or why it failed and that nothing is left.
    pub outcome: String,
    /// Why it failed, where the outcome does not say so itself.
    pub cause: Option<Trouble>,
}

impl fmt::Display for NotDeployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.outcome)
    }
}

/// What may be lost if the deploy fails now.
#[derive(Debug, Default)]
struct Stake {
    /// The machine that was ordered or adopted.
    machine: Option<MachineId>,
    /// An order was sent whose answer was lost.
    lost_order: bool,
}

impl Stake {
    fn is_nothing(&self) -> bool {
        self.machine.is_none() && !self.lost_order
    }
}

impl Lifecycle {
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
            .unwrap_or(Err(Trouble::OurMistake))
            .and_then(|machine| hand_over(&machine.id).map_err(Trouble::NotHandedOver));
        match result {
            Ok(()) => {
                job.journal.close();
                Ok(())
            }
            Err(trouble) => Err(self.roll_back(trouble, job, &stake)),
        }
    }

    /// How long a lost order is looked for while there may be another one.
    fn settle(&self) -> Duration {
        SETTLE.min(self.timeout / 2)
    }

    fn obtain(&self, job: &Job<'_>, stake: &mut Stake) -> Result<Machine, Trouble> {
        let by = self.deadline();
        let found = self.find(job, stake, by)?;
        let is_adopted = found.is_some();
        let machine = match found {
            Some(found) => {
                self.report
                    .info(format_args!("machine {} of this host is adopted", found.id));
                self.put_at_stake(job, stake, &found.id);
                if found.state == State::Off {
                    self.act(&found.id, Power::On, by)?;
                }
                found
            }
            None => self.order(job, stake, by)?,
        };
        let machine = if machine.state == State::On {
            machine
        } else {
            self.wait(&machine.id, Goal::On, is_adopted, by)?
                .ok_or(Trouble::Vanished("is gone".into()))?
        };
        self.ask(by, || self.backend.finish(job.order, &machine.id, by))?;
        if stake.lost_order {
            self.remove_doubles(&machine, job.owner, by)?;
        }
        Ok(machine)
    }

    /// The machine that the owner has, if any: what an earlier run noted and had no time to hand over or to
    /// delete, else what carries its tag.
    fn find(
        &self,
        job: &Job<'_>,
        stake: &mut Stake,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let noted = job.journal.read();
        let mut found = Vec::new();
        if let Some(Entry {
            machine: Some(id),
            age,
        }) = &noted
        {
            self.backend.announce(id, *age);
            // Whatever fails before it is known to be gone would lose it again.
            self.put_at_stake(job, stake, id);
            found.extend(self.noted(id, job.owner, by)?);
            if found.is_empty() {
                self.withdraw(stake);
            }
        }
        for machine in self.all_of(job.owner, by)? {
            if found.iter().all(|known: &Machine| known.id != machine.id) {
                found.push(machine);
            }
        }
        if let (true, Some(Entry { machine: None, age })) = (found.is_empty(), &noted)
            && *age < SETTLE
        {
            self.report
                .info("an earlier run was killed while it ordered: looking for it");
            stake.lost_order = true;
            found.extend(self.look_for(job.owner, self.settle(), by)?);
        }
        if found.len() > 1 {
            // Which of them is to go is not ours to say.
            self.withdraw(stake);
            return Err(Trouble::Several(
                found.into_iter().map(|machine| machine.id).collect(),
            ));
        }
        Ok(found.pop())
    }

    /// The machine that an earlier run noted, if it is still the owner's. One that the provider took back is
    /// not.
    fn noted(
        &self,
        id: &MachineId,
        owner: &Owner,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let machine = match self.ask(by, || self.backend.get(id, by)) {
            Err(Trouble::Api(error)) if error.kind == Kind::PermissionDenied => None,
            machine => machine?,
        };
        Ok(machine.filter(|machine| {
            machine.state != State::Deleting
                && machine.tags.iter().any(|tag| tag == owner.identity())
        }))
    }

    /// What carries the owner's tag. A machine that is being deleted is no more its own.
    fn all_of(&self, owner: &Owner, by: Instant) -> Result<Vec<Machine>, Trouble> {
        let mut found = self.ask(by, || self.backend.find(owner.identity(), by))?;
        found.retain(|machine| machine.state != State::Deleting);
        Ok(found)
    }

    /// Sends the order until it is known to have been carried out.
    fn order(&self, job: &Job<'_>, stake: &mut Stake, by: Instant) -> Result<Machine, Trouble> {
        let owner = job.owner;
        let mut backoff = Backoff::default();
        let mut orders = 0;
        loop {
            self.interrupt.check()?;
            self.interrupt.at_stake(Some(format!(
                "the machine that was just ordered may exist and be billed: look for the tag {} at the provider",
                owner.identity()
            )));
            if let Err(error) = job.journal.note(None) {
                self.report
                    .info(format_args!("no journal is kept: {error}"));
            }
            orders += 1;
            let error = match self.backend.create(job.order, by) {
                Ok(machine) => {
                    self.report
                        .info(format_args!("machine {} was ordered", machine.id));
                    self.put_at_stake(job, stake, &machine.id);
                    return Ok(machine);
                }
                Err(error) => error,
            };
            match error.kind {
                Kind::Ambiguous => {
                    stake.lost_order = true;
                    self.report.info(format_args!(
                        "the answer to the order is lost ({error}): looking for it"
                    ));
                    if let Some(machine) = self.look_for(owner, self.settle(), by)? {
                        self.report
                            .info(format_args!("machine {} is what was ordered", machine.id));
                        self.put_at_stake(job, stake, &machine.id);
                        return Ok(machine);
                    }
                    if orders == ORDERS {
                        return Err(Trouble::OrdersLost(error));
                    }
                    self.report.info("nothing was ordered: ordering again");
                }
                // Nothing was ordered, and it may work later.
                Kind::NotSent | Kind::RateLimited => {
                    let Some(pause) = backoff.after(&error) else {
                        return Err(self.not_ordered(job, stake, error));
                    };
                    self.report
                        .info(format_args!("the order was not taken ({error}): again"));
                    orders -= 1;
                    self.pause_within(pause, by, &error)?;
                }
                _ => return Err(self.not_ordered(job, stake, error)),
            }
        }
    }

    /// `error`, of an order that was refused: unless an earlier one was lost, nothing is at stake.
    fn not_ordered(&self, job: &Job<'_>, stake: &Stake, error: ApiError) -> Trouble {
        if stake.is_nothing() {
            job.journal.close();
        }
        error.into()
    }

    /// Looks for an order whose answer was lost until it appears, or has had the time to. A deadline or an
    /// error leaves it unknown.
    fn look_for(
        &self,
        owner: &Owner,
        settle: Duration,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let pace = Pace::begin();
        let settled = Instant::now() + settle;
        let goal = format!("until an order appears | tag {}", owner.identity());
        let mut line = self.progress(goal, settled);
        line.tell("not in the listing");
        loop {
            // An order that was sent twice may appear twice; the second one is removed in the end.
            if let Some(machine) = self.all_of(owner, by)?.into_iter().next() {
                return Ok(Some(machine));
            }
            if Instant::now() >= settled {
                return Ok(None);
            }
            line.sleep(pace.pause(None))?;
        }
    }

    /// Deletes what a lost order of this run brought beside the machine that is handed over: before the first
    /// order there was none.
    fn remove_doubles(&self, kept: &Machine, owner: &Owner, by: Instant) -> Result<(), Trouble> {
        for machine in self.all_of(owner, by)? {
            if machine.id != kept.id {
                self.report.info(format_args!(
                    "machine {} was ordered twice: deleting it",
                    machine.id
                ));
                self.delete(&machine.id, by)?;
            }
        }
        Ok(())
    }

    fn put_at_stake(&self, job: &Job<'_>, stake: &mut Stake, id: &MachineId) {
        stake.machine = Some(id.clone());
        if let Err(error) = job.journal.note(Some(id)) {
            self.report
                .info(format_args!("no journal is kept: {error}"));
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

    /// Deletes whatever is at stake, and says what became of it.
    fn roll_back(&self, trouble: Trouble, job: &Job<'_>, stake: &Stake) -> NotDeployed {
        let nothing_left = |outcome: String| NotDeployed {
            outcome,
            cause: None,
        };
        if stake.is_nothing() {
            let reminder = job.journal.reminder();
            let reminder = reminder.as_deref().unwrap_or("nothing was ordered");
            return nothing_left(format!("{trouble}; {reminder}"));
        }
        self.interrupt.acknowledge();
        self.report.notice(format_args!(
            "{trouble}: rolling back; a second signal ends it at once"
        ));
        let by = Instant::now() + self.timeout.clamp(ROLL_BACK.0, ROLL_BACK.1);
        let mut left = Vec::new();
        let mut ids: Vec<MachineId> = stake.machine.iter().cloned().collect();
        if stake.lost_order {
            match self.find_lost(job.owner, !ids.is_empty(), by) {
                Ok(found) => ids.extend(found.into_iter().filter(|id| stake.machine.as_ref() != Some(id))),
                Err(why) => left.push(format!(
                    "an order may have been carried out and be STILL BILLED ({why}): look for the tag {} at the provider and delete what has it",
                    job.owner.identity()
                )),
            }
        }
        for id in &ids {
            match self.delete(id, by) {
                Ok(()) => {}
                Err(why) => left.push(format!(
                    "machine {id} is STILL BILLED and could not be deleted ({why}): remove it with `{}`",
                    (job.remove)(id)
                )),
            }
        }
        if !left.is_empty() {
            return NotDeployed {
                outcome: left.join("; "),
                cause: Some(trouble),
            };
        }
        job.journal.close();
        let ids: Vec<&str> = ids.iter().map(MachineId::as_str).collect();
        let ids = ids.join(" and ");
        nothing_left(match trouble {
            _ if ids.is_empty() => format!("{trouble}; no machine was ordered"),
            Trouble::Vanished(_) => {
                format!("{trouble}; nothing is left of machine {ids}: deploy once more")
            }
            Trouble::Failed(_) => format!(
                "{trouble}; machine {ids} was deleted again: deploy once more, or order in another place"
            ),
            _ => format!("{trouble}; machine {ids} was deleted again"),
        })
    }

    /// What orders with lost answers brought; waits for the listing to catch up unless a machine is known.
    fn find_lost(
        &self,
        owner: &Owner,
        is_one_known: bool,
        by: Instant,
    ) -> Result<Vec<MachineId>, Trouble> {
        if !is_one_known {
            self.look_for(owner, SETTLE, by)?;
        }
        let found = self.all_of(owner, by)?;
        Ok(found.into_iter().map(|machine| machine.id).collect())
    }
}
