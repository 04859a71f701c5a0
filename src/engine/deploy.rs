//! A deploy: from the look for what is there already to the id that is handed over.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::job::{Job, NotDeployed, SETTLE, Stake};
use super::journal::Entry;
use super::{Engine, Error, Goal, Sight, Wait};
use crate::http::error::Kind;
use crate::provider::machine::{Machine, MachineId, Power, State};
use crate::provider::order::Order;
use crate::provider::{Advance, Filter};

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

    pub(super) fn put_at_stake(&self, job: &Job<'_>, stake: &mut Stake, id: &MachineId) {
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
