//! The roll-back of a deploy that failed: whatever is at stake is deleted, and it is said what became of it.

use std::time::{Duration, Instant};

use super::job::{Job, NotDeployed, SETTLE, Stake};
use super::{Engine, Error};
use crate::provider::machine::MachineId;

/// The least and the most time that a roll-back takes: long enough to outlast a hiccup, and most refusals
/// "while it is provisioning".
const ROLL_BACK: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(300));

impl Engine {
    /// Deletes whatever is at stake, and says what became of it.
    pub(super) fn roll_back(&self, error: Error, job: &Job<'_>, stake: &Stake) -> NotDeployed {
        let nothing_left = |outcome: String| NotDeployed { outcome, cause: None };
        if stake.is_nothing() {
            let reminder = job.journal.reminder();
            let reminder = reminder.as_deref().unwrap_or("nothing was ordered");
            return nothing_left(format!("{error}; {reminder}"));
        }
        self.interrupt.acknowledge();
        self.report.notice(format_args!("{error}: rolling back; a second signal ends it at once"));
        let by = self.clock.now() + self.timeout.clamp(ROLL_BACK.0, ROLL_BACK.1);
        let (ids, left) = self.remove_stake(job, stake, by);
        if !left.is_empty() {
            return NotDeployed { outcome: left.join("; "), cause: Some(error) };
        }
        job.journal.close();
        let ids: Vec<&str> = ids.iter().map(MachineId::as_str).collect();
        let ids = ids.join(" and ");
        nothing_left(match error {
            _ if ids.is_empty() => format!("{error}; no machine was ordered"),
            Error::Vanished(_) => {
                format!("{error}; nothing is left of machine {ids}: deploy once more")
            }
            Error::Failed(_) => format!(
                "{error}; machine {ids} was deleted again: deploy once more, or order in another place"
            ),
            _ => format!("{error}; machine {ids} was deleted again"),
        })
    }

    /// Deletes what is at stake: the machines that were, and what is left of them, in words.
    fn remove_stake(
        &self,
        job: &Job<'_>,
        stake: &Stake,
        by: Instant,
    ) -> (Vec<MachineId>, Vec<String>) {
        let mut left = Vec::new();
        let mut ids: Vec<MachineId> = stake.machine.iter().cloned().collect();
        if stake.lost_order {
            match self.find_lost(&job.order.mark, !ids.is_empty(), by) {
                Ok(found) => ids.extend(found.into_iter().filter(|id| stake.machine.as_ref() != Some(id))),
                Err(why) => left.push(format!(
                    "an order may have been carried out and be STILL BILLED ({why}): look for the tag {} at the provider and delete what has it",
                    job.order.mark
                )),
            }
        }
        for id in &ids {
            let command = (job.remove)(id);
            match self.remove_machine(id, by) {
                Ok(()) => {}
                Err(Error::StillLeaving(state)) => left.push(format!(
                    "machine {id} is being deleted ({state}), and was not seen gone: see that it goes with `{command}`"
                )),
                Err(why) => left.push(format!(
                    "machine {id} is STILL BILLED and could not be deleted ({why}): remove it with `{command}`"
                )),
            }
        }
        if stake.objects
            && left.is_empty()
            && let Err(why) = self.discard(&job.order.mark, by)
        {
            left.push(format!(
                "the keys and user data that were made for the order are left ({why}): look for {} at the provider and delete them",
                job.order.mark
            ));
        }
        (ids, left)
    }

    /// What orders with lost answers brought; waits for the listing to catch up unless a machine is known.
    fn find_lost(
        &self,
        mark: &str,
        is_one_known: bool,
        by: Instant,
    ) -> Result<Vec<MachineId>, Error> {
        if !is_one_known {
            self.look_for(mark, SETTLE, by)?;
        }
        let found = self.all_of(mark, by)?;
        Ok(found.into_iter().map(|machine| machine.id).collect())
    }
}
