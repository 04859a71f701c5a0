//! The roll-back of a deploy that failed: whatever may be left is deleted, and it is said what became of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::job::{Job, NotDeployed, Risk, Unrecorded};
use super::schedule::Schedule;
use super::{Engine, Error};
use crate::provider::machine::MachineId;

/// The least and the most time that a roll-back takes: long enough to outlast a hiccup, and most refusals
/// "while it is provisioning".
const ROLL_BACK: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(300));

/// What a roll-back has done.
#[derive(Default)]
struct Removed {
    /// The machines that were asked to go.
    asked: BTreeSet<MachineId>,
    /// The machines that are gone.
    gone: Vec<MachineId>,
    /// What is left, or may be, in words.
    left: Vec<String>,
}

impl Engine {
    /// Deletes whatever may be left, and says what became of it.
    pub(super) fn roll_back(&self, error: Error, job: &Job<'_>, risk: &Risk) -> NotDeployed {
        let nothing_left = |outcome: String| NotDeployed { outcome, cause: None };
        if risk.is_nothing() {
            let reminder = job.journal.reminder();
            let reminder = reminder.as_deref().unwrap_or("nothing was ordered");
            return nothing_left(format!("{error}; {reminder}"));
        }
        self.interrupt.acknowledge();
        self.report.notice(format_args!("{error}: rolling back; a second signal ends it at once"));
        let by = self.clock.now() + self.timeout.clamp(ROLL_BACK.0, ROLL_BACK.1);
        let Removed { gone, left, .. } = self.remove_all(job, risk, by);
        if !left.is_empty() {
            return NotDeployed { outcome: left.join("; "), cause: Some(Box::new(error)) };
        }
        job.journal.close();
        if let Err(Unrecorded::Other(why)) = job.record.write(None) {
            self.report.warn(format_args!("the DEPLOY_ID of a deleted machine is in the host: {why}"));
        }
        let ids: Vec<&str> = gone.iter().map(MachineId::as_str).collect();
        let ids = ids.join(" and ");
        nothing_left(match error {
            _ if ids.is_empty() => format!("{error}; no machine was ordered"),
            Error::Vanished(_) => {
                format!("{error}; nothing is left of machine {ids}: deploy once more")
            }
            Error::Failed { remedy, .. } => {
                let remedy = remedy.unwrap_or("deploy once more, or order in another place");
                format!("{error}; machine {ids} was deleted again: {remedy}")
            }
            _ => format!("{error}; machine {ids} was deleted again"),
        })
    }

    fn remove_all(&self, job: &Job<'_>, risk: &Risk, by: Instant) -> Removed {
        let mut removed = Removed::default();
        let mark = &job.order.mark;
        for id in &risk.noted {
            match self.noted(id, mark, by) {
                Ok(Some(machine)) => self.remove_one(job, &machine.id, by, &mut removed),
                // A note makes nobody else's machine ours.
                Ok(None) => {}
                Err(why) => removed.left.push(format!(
                    "machine {id} of an earlier deploy may be STILL BILLED ({why}): deploy again, or remove it with `{}`",
                    (job.remove)(id)
                )),
            }
        }
        if let Some(id) = &risk.machine {
            self.remove_one(job, id, by, &mut removed);
        }
        if let Some(owed) = risk.owed {
            if let Err(why) = self.remove_owed(job, owed, risk.unanswered, by, &mut removed) {
                removed.left.push(format!(
                    "an order may have been carried out and be STILL BILLED ({why}): look for the tag {mark} at the provider and delete what has it"
                ));
            }
        } else if risk.machine.is_some() || !risk.noted.is_empty() {
            // Something in between may have repeated the one order.
            let now = self.clock.now();
            let by = by.max(now + ROLL_BACK.0);
            if let Err(why) = self.remove_owed(job, now, 0, by, &mut removed) {
                self.warn_of_doubles(&why);
            }
        }
        if risk.objects
            && removed.left.is_empty()
            && let Err(why) = self.discard_owed(mark, risk.objects_owed, by)
        {
            removed.left.push(format!(
                "the keys and user data that were made for the order are left ({why}): look for {mark} at the provider and delete them"
            ));
        }
        removed
    }

    /// Removes the objects that were made for the order, as long as a request without an answer may still make one.
    fn discard_owed(&self, mark: &str, owed: Option<Instant>, by: Instant) -> Result<(), Error> {
        let mut schedule = Schedule::begin(self.clock.now());
        loop {
            self.discard(mark, by)?;
            let now = self.clock.now();
            let Some(owed) = owed.filter(|owed| now < *owed) else {
                return Ok(());
            };
            if now >= by {
                return Err(Error::Unanswered);
            }
            let elapsed = schedule.elapsed(now);
            let pause = schedule.pause(elapsed, None);
            let pause = pause.min(owed.min(by).saturating_duration_since(now));
            self.clock.sleep(pause, &self.interrupt)?;
        }
    }

    fn remove_one(&self, job: &Job<'_>, id: &MachineId, by: Instant, removed: &mut Removed) {
        let command = (job.remove)(id);
        removed.asked.insert(id.clone());
        match self.remove_machine(id, by) {
            Ok(()) => removed.gone.push(id.clone()),
            Err(Error::StillLeaving { state, refusal }) => {
                let refusal = refusal.map_or_else(String::new, |why| format!(" ({why})"));
                removed.left.push(format!(
                    "machine {id} is being deleted ({state}), and was not seen gone{refusal}: see that it goes with `{command}`"
                ));
            }
            Err(why) => removed.left.push(format!(
                "machine {id} is STILL BILLED and could not be deleted ({why}): remove it with `{command}`"
            )),
        }
    }

    /// Deletes whatever an order without an answer brings, as long as it may.
    fn remove_owed(
        &self,
        job: &Job<'_>,
        owed: Instant,
        unanswered: usize,
        by: Instant,
        removed: &mut Removed,
    ) -> Result<(), Error> {
        let mut schedule = Schedule::begin(self.clock.now());
        loop {
            let found = match self.all_of(&job.order.mark, by) {
                Err(Error::Deadline { .. }) if removed.gone.len() >= unanswered.max(1) => {
                    return Ok(());
                }
                Err(Error::Deadline { .. }) => return Err(Error::Unanswered),
                found => found?,
            };
            for machine in found {
                if !removed.asked.contains(&machine.id) {
                    self.expect_unseen(&machine.id);
                    self.remove_one(job, &machine.id, by, removed);
                }
            }
            let now = self.clock.now();
            if now >= owed {
                return Ok(());
            }
            // Somebody must look anyway, and is told what for.
            if !removed.left.is_empty() {
                return Err(Error::Unanswered);
            }
            let elapsed = schedule.elapsed(now);
            let pause = schedule.pause(elapsed, None);
            let pause = pause.min(owed.min(by).saturating_duration_since(now));
            self.clock.sleep(pause, &self.interrupt)?;
        }
    }
}
