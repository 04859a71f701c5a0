//! A deploy: from the look for what is there already to the id that is handed over.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::job::{Job, NotDeployed, Risk, Unrecorded};
use super::schedule::Schedule;
use super::{Engine, Error, Goal, Sight, Wait};
use crate::http::error::Kind;
use crate::provider::machine::{Machine, MachineId, Power, State};
use crate::provider::order::Order;
use crate::provider::{Advance, Filter};
use crate::system::file;

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
        let mut risk = Risk::default();
        // A mistake of ours must not cost a machine either.
        let obtained = catch_unwind(AssertUnwindSafe(|| self.obtain(job, &mut risk)));
        let result = obtained
            .unwrap_or(Err(Error::OurMistake))
            .and_then(|machine| hand_over(&machine.id).map_err(Error::NotHandedOver));
        match result {
            Ok(()) => {
                // An order that may still take effect is left to the next run, and to `list`.
                if risk.owed.is_none() {
                    job.journal.close();
                }
                Ok(())
            }
            Err(error) => Err(self.roll_back(error, job, &risk)),
        }
    }

    fn obtain(&self, job: &Job<'_>, risk: &mut Risk) -> Result<Machine, Error> {
        let by = self.deadline();
        let mut order = job.order.clone();
        // A killed run may have made objects, whatever else it left.
        risk.objects = self.provider.spec().has_objects;
        let found = self.find(job, risk, by)?;
        if let Some(found) = &found {
            self.report.info(format_args!("machine {} of this host is adopted", found.id));
            self.put_at_risk(job, risk, &found.id)?;
        }
        if risk.objects {
            self.prepare(&mut order, risk, by)?;
        }
        let machine = match found {
            Some(found) => {
                if found.state == State::Off {
                    self.act(&found.id, Power::On, by)?;
                }
                found
            }
            None => {
                self.report.info(format_args!("no machine bears {}: ordering one", job.order.mark));
                self.order(job, &mut order, risk, by)?
            }
        };
        let machine = self.bring_up(machine, &order, by)?;
        self.remove_doubles(&machine, &order.mark, risk, by)?;
        match risk.is_unrecorded {
            true => self.record(job, risk, &machine.id)?,
            false => match job.record.look() {
                Err(Unrecorded::NoSuchHost(why)) => return Err(Error::HostDeleted(why)),
                Ok(()) | Err(Unrecorded::Other(_)) => {}
            },
        }
        Ok(machine)
    }

    /// Makes the objects that the order needs.
    fn prepare(&self, order: &mut Order, risk: &mut Risk, by: Instant) -> Result<(), Error> {
        risk.objects_owed = Some(self.clock.now() + self.owed());
        // An answer makes nothing more, be it a refusal; a request without one may.
        let is_lost = Cell::new(false);
        let prepared = self.ask(by, || {
            let mut prepared = order.clone();
            let made = self.provider.prepare(&self.session.api(by), &mut prepared);
            is_lost.set(is_lost.get() || matches!(&made, Err(error) if error.kind == Kind::Ambiguous));
            made.map(|()| prepared)
        });
        if prepared.is_ok() || !is_lost.get() {
            risk.objects_owed = None;
        }
        *order = prepared?;
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
        let wait = Wait { id: &machine.id, goal: Goal::On, by, order: Some(order), refusal: None };
        self.wait(wait)?.ok_or(Error::Vanished("is gone".into()))
    }

    /// The machine that the owner has, if any: what an earlier run noted and had no time to hand over or to
    /// delete, else what carries its mark.
    fn find(&self, job: &Job<'_>, risk: &mut Risk, by: Instant) -> Result<Option<Machine>, Error> {
        let mark = &job.order.mark;
        let entry = job.journal.read();
        let noted = entry.as_ref().and_then(|entry| entry.machine.clone());
        let owed = entry.map_or(0, |entry| entry.owed);
        // The machine that an earlier run noted is of an order that was answered.
        let is_answered = noted.is_some();
        // Whatever fails before it is known what became of them would lose them again.
        risk.noted.extend(noted.into_iter().chain(job.recorded.clone()));
        if owed > 0 {
            // When that was nobody knows: a clock may have jumped.
            risk.owed = Some(self.clock.now() + self.owed());
            risk.unanswered = owed;
        }
        let mut found: Vec<Machine> = Vec::new();
        for id in risk.noted.clone() {
            self.expect_machine(&id);
            found.extend(self.noted(&id, mark, by)?);
        }
        for machine in self.all_of(mark, by)? {
            if found.iter().all(|known| known.id != machine.id) {
                self.expect_unseen(&machine.id);
                found.push(machine);
            }
        }
        risk.noted.clear();
        if owed > 0 {
            let is_earlier = !is_answered && !found.is_empty();
            self.find_owed(is_earlier, mark, risk, &mut found, by)?;
        }
        if found.len() > 1 {
            // Which of them is to go is not ours to say.
            return Err(Error::Several(found.into_iter().map(|machine| machine.id).collect()));
        }
        Ok(found.pop())
    }

    /// What an earlier run ordered when it was killed, if it is not `found` already.
    fn find_owed(
        &self,
        is_earlier: bool,
        mark: &str,
        risk: &mut Risk,
        found: &mut Vec<Machine>,
        by: Instant,
    ) -> Result<(), Error> {
        let spec = self.provider.spec();
        if spec.has_idempotency_key {
            // With one key there is one machine, and to send the same order again is the better look.
            if !found.is_empty() {
                risk.answer(is_earlier, spec);
            }
            return Ok(());
        }
        self.report.info("an earlier run was killed while it ordered: looking for it");
        let until = self.clock.now() + self.owed();
        risk.owed = Some(until);
        if found.is_empty() {
            found.extend(self.look_for(mark, until, by)?);
        }
        if found.is_empty() {
            risk.settle();
        }
        Ok(())
    }

    /// The machine that an earlier run noted, if it is still the owner's. One that the provider took back is
    /// not.
    pub(super) fn noted(&self, id: &MachineId, mark: &str, by: Instant) -> Result<Option<Machine>, Error> {
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
                    let reason = format!("machine {id} is not shown yet");
                    let error = self.session.api(by).problem(Kind::Ambiguous, reason);
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

    /// Deletes what was ordered beside the machine that is handed over: one look, always, as something in between
    /// may have repeated the order; and as long as an order without an answer may still take effect.
    fn remove_doubles(&self, kept: &Machine, mark: &str, risk: &mut Risk, by: Instant) -> Result<(), Error> {
        // However late it is, for the one look there is time.
        let until = risk.owed.unwrap_or(by).max(by).max(self.clock.now()) + self.owed();
        let mut schedule = Schedule::begin(self.clock.now());
        loop {
            let found = match self.all_of(mark, until) {
                Ok(found) => found,
                Err(Error::Interrupted(signal)) => return Err(Error::Interrupted(signal)),
                // A machine that is up is worth more than the certainty that there is no second one.
                Err(why) => {
                    self.warn_of_doubles(&why);
                    return Ok(());
                }
            };
            for machine in found.iter().filter(|machine| machine.id != kept.id) {
                self.report.info(format_args!("machine {} was ordered twice: deleting it", machine.id));
                self.remove_machine(&machine.id, until)?;
            }
            let now = self.clock.now();
            match risk.owed {
                Some(owed) if now < owed => {
                    let elapsed = schedule.elapsed(now);
                    let pause = schedule.pause(elapsed, None);
                    let pause = pause.min(owed.saturating_duration_since(now));
                    self.clock.sleep(pause, &self.interrupt)?;
                }
                _ => break,
            }
        }
        risk.owed = None;
        Ok(())
    }

    pub(super) fn warn_of_doubles(&self, why: &Error) {
        self.report
            .warn(format_args!("whether a second machine was ordered is not known ({why}): see `pm-packet list`"));
    }

    /// Notes a machine wherever the next run looks: whatever goes wrong from here on deletes it.
    pub(super) fn put_at_risk(&self, job: &Job<'_>, risk: &mut Risk, id: &MachineId) -> Result<(), Error> {
        risk.machine = Some(id.clone());
        if let Err(error) = job.journal.note(Some(id), risk.owed.map_or(0, |_| risk.unanswered.max(1))) {
            self.report.info(format_args!("no journal is kept: {}", file::reason(&error)));
        }
        self.interrupt
            .at_risk(Some(format!("machine {id} may be STILL BILLED: remove it with `{}`", (job.remove)(id))));
        if job.recorded.as_ref() == Some(id) {
            return Ok(());
        }
        self.record(job, risk, id)
    }

    /// Writes a machine's id into its host. Where oned refuses, it is tried once more before the id is handed over.
    fn record(&self, job: &Job<'_>, risk: &mut Risk, id: &MachineId) -> Result<(), Error> {
        match job.record.write(Some(id)) {
            Ok(()) => risk.is_unrecorded = false,
            Err(Unrecorded::NoSuchHost(why)) => return Err(Error::HostDeleted(why)),
            Err(Unrecorded::Other(why)) => {
                if !risk.is_unrecorded {
                    self.report.warn(format_args!("the DEPLOY_ID is not in the host yet: {why}"));
                }
                risk.is_unrecorded = true;
            }
        }
        Ok(())
    }
}
