//! The only loop that waits for a state.

use std::fmt;
use std::time::{Duration, Instant};

use super::look::is_absence;
use super::schedule::Schedule;
use super::{Engine, Error, Sight};
use crate::http::backoff::{Advice, advice};
use crate::http::error::{ApiError, Kind};
use crate::provider::machine::{Machine, MachineId, Power, State};
use crate::provider::order::Order;
use crate::provider::{Advance, Filter};

/// How often the pause of a wait is doubled at most because the provider sent us away.
const STRETCHES: u32 = 3;
/// How long the last look may take, after the deadline.
const LAST: Duration = Duration::from_secs(2);
/// The least time that one look may take.
const LOOK: Duration = Duration::from_secs(5);

/// How long a deletion that was accepted is waited for before it is asked for once more, and then again and again:
/// Ironic was seen to lose one in the middle.
const AGAIN: Duration = Duration::from_secs(60);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    On,
    Off,
    /// Anything but up: the first half of a reboot.
    Down,
    Gone,
}

impl Goal {
    fn is_reached_by(self, state: State) -> bool {
        match self {
            Self::On => state == State::On,
            Self::Off => state == State::Off,
            Self::Down => state != State::On,
            Self::Gone => false,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "active",
            Self::Off => "powered off",
            Self::Down => "down",
            Self::Gone => "gone",
        })
    }
}

/// One wait.
#[derive(Clone, Copy)]
pub(super) struct Wait<'a> {
    pub(super) id: &'a MachineId,
    pub(super) goal: Goal,
    pub(super) by: Instant,
    /// The order whose machine it is: it takes the steps that lead up.
    pub(super) order: Option<&'a Order>,
    /// Why the provider did not take a deletion of a machine that it shows as being deleted.
    pub(super) refusal: Option<&'a ApiError>,
}

impl Wait<'_> {
    /// The moment by which one look must end: a hanging one leaves time for others.
    fn soon(&self, engine: &Engine) -> Instant {
        let now = engine.clock.now();
        let left = self.by.saturating_duration_since(now);
        self.by.min(now + (left / 4).max(LOOK))
    }
}

/// Whether a look that failed is worth another one.
fn may_pass(goal: Goal, kind: Kind) -> bool {
    match kind {
        // Something in between answers; the listing may prove what the look does not.
        Kind::Rejected => goal == Goal::Gone,
        kind => advice(kind) != Advice::Never,
    }
}

/// What a wait saw, between two looks.
#[derive(Default)]
struct Seen {
    /// How many looks failed, one after another.
    faults: u32,
    was_deleting: bool,
    /// Whether the machine was ever shown.
    is_shown: bool,
    last: String,
    progress: Option<f64>,
    asked_pause: Duration,
    /// How many looks, one after another, showed that what was asked for failed.
    failures: u32,
    /// How often a deletion was asked for again.
    repeats: u32,
    /// Why the last one was not taken.
    refusal: Option<String>,
    /// How often we were sent away lately: where many wait at once, each must ask less often.
    refusals: u32,
}

impl Engine {
    /// Waits until the goal is reached. `None`: the machine is gone, which was the goal.
    ///
    /// Ends at once on a state that it will not leave, when the machine vanishes, and on errors that do not pass; all
    /// others count against the deadline.
    pub(super) fn wait(&self, wait: Wait<'_>) -> Result<Option<Machine>, Error> {
        let Wait { id, goal, by, .. } = wait;
        let begin = self.clock.now();
        let most = by.saturating_duration_since(begin).as_secs_f64();
        self.report.info(format_args!("waiting until machine {id} is {goal}, {most:.0} s at most"));
        let reached = self.wait_quietly(wait)?;
        let took = self.clock.now().saturating_duration_since(begin).as_secs_f64();
        self.report.info(format_args!("machine {id} is {goal}, after {took:.1} s"));
        Ok(reached)
    }

    fn wait_quietly(&self, wait: Wait<'_>) -> Result<Option<Machine>, Error> {
        let Wait { id, goal, by, .. } = wait;
        let mut schedule = Schedule::begin(self.clock.now());
        let mut line = self.progress(format!("until {goal} | machine {id}"), by);
        let last = "it was never seen".to_owned();
        let mut seen = Seen { last, refusal: wait.refusal.map(ApiError::to_string), ..Seen::default() };
        loop {
            // Nothing changes at the moment it was asked for: every look comes after a pause.
            let elapsed = schedule.elapsed(self.clock.now());
            let pause = (schedule.pause(elapsed, seen.progress) * (1 << seen.refusals.min(STRETCHES)))
                .max(seen.asked_pause)
                .max(self.session.rest());
            let left = by.saturating_duration_since(self.clock.now());
            // Whatever asks for patience, some looks are left before the deadline.
            let pause = if pause > left && left > LOOK { left / 2 } else { pause.min(left) };
            line.sleep(pause)?;
            if self.clock.now() >= by {
                return self.end_late(wait, seen, schedule.elapsed(self.clock.now()));
            }
            seen.asked_pause = Duration::ZERO;
            match self.step(wait) {
                Ok(Sight::Here(machine)) => {
                    seen.refusals = seen.refusals.saturating_sub(1);
                    if goal.is_reached_by(machine.state) {
                        return Ok(Some(*machine));
                    }
                    self.check_state(goal, &machine, &seen)?;
                    if goal == Goal::Gone && schedule.elapsed(self.clock.now()) >= AGAIN * (seen.repeats + 1) {
                        seen.repeats += 1;
                        seen.refusal = self.delete_again(id, wait.soon(self));
                    }
                    line.show(seen.note(&machine, self.state_of(&machine)));
                }
                Ok(Sight::Gone(_)) if goal == Goal::Gone => return Ok(None),
                Ok(Sight::Gone(how)) => return Err(Error::Vanished(how)),
                Ok(Sight::NotYet) => seen.refusals = seen.refusals.saturating_sub(1),
                Err(Error::Api(error)) if may_pass(goal, error.kind) => {
                    seen.fault(&error, self.clock.now() >= by);
                    line.show(&seen.last);
                    if goal == Goal::Gone && seen.faults > 1 && self.is_unlisted(id, wait.soon(self)) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What a wait comes to whose deadline has passed, after so much time.
    fn end_late(&self, wait: Wait<'_>, seen: Seen, elapsed: Duration) -> Result<Option<Machine>, Error> {
        let goal = wait.goal;
        // What is up at the deadline is handed over, not deleted.
        if goal == Goal::On
            && let Ok(Sight::Here(machine)) = self.step(Wait { by: self.clock.now() + LAST, ..wait })
            && machine.state == State::On
        {
            return Ok(Some(*machine));
        }
        if goal == Goal::Gone && seen.was_deleting {
            return Err(Error::StillLeaving { state: seen.last.replace("it is ", ""), refusal: seen.refusal });
        }
        let waited = format!("the machine is not {goal} after {} s", elapsed.as_secs());
        Err(Error::Deadline { waited, last: seen.last })
    }

    /// Asks once more for a deletion that was accepted. The next look shows what became of it; an error is told where
    /// that stays so.
    fn delete_again(&self, id: &MachineId, by: Instant) -> Option<String> {
        let error = self.provider.delete(&self.session.api(by), id).err()?;
        self.report.info(format_args!("its deletion was asked for again, and not taken: {}", error.what()));
        Some(error.to_string())
    }

    /// Whether the account's own listing, whole, is without the machine. A listing that fails proves nothing.
    fn is_unlisted(&self, id: &MachineId, by: Instant) -> bool {
        if !self.is_listing_due(id) {
            return false;
        }
        let api = self.session.api(by);
        let listed = self.provider.list(&api, Filter::Account);
        listed.is_ok_and(|machines| machines.iter().all(|machine| machine.id != *id || machine.state == State::Gone))
    }

    /// Looks once, and takes the order's next step where the machine is on its way up. A machine that is up and still
    /// has a step to take counts as starting.
    fn step(&self, wait: Wait<'_>) -> Result<Sight, Error> {
        let Wait { id, order, .. } = wait;
        let by = wait.soon(self);
        let mut sight = match self.peek(id, by) {
            Err(error) if is_absence(&error) => return self.absence(id, error, wait.by),
            sight => sight?,
        };
        let (Sight::Here(machine), Some(order)) = (&mut sight, order) else {
            return Ok(sight);
        };
        let api = self.session.api(by);
        let has_more = match machine.state {
            State::Starting | State::On => self.provider.advance(&api, order, machine)? == Advance::Again,
            // Some are installed, and then left off.
            State::Off if self.provider.spec().power.takes.contains(&Power::On) => {
                self.provider.power(&api, id, Power::On).map_err(passing)?;
                true
            }
            _ => false,
        };
        if has_more {
            machine.state = State::Starting;
        }
        Ok(sight)
    }

    /// Whether `machine` can still reach `goal`.
    fn check_state(&self, goal: Goal, machine: &Machine, seen: &Seen) -> Result<(), Error> {
        let failed = || Err(Error::Failed { state: self.state_of(machine), remedy: machine.remedy });
        match machine.state {
            // Right after its deletion a failed machine may still be shown as failed.
            State::Failed if goal != Goal::Gone || seen.was_deleting => failed(),
            // The first such look may show what became of an earlier one.
            _ if machine.power_failed && goal != Goal::Gone && seen.failures > 0 => failed(),
            State::Deleting if goal != Goal::Gone => Err(Error::Vanished(self.outcome_of(machine))),
            _ => Ok(()),
        }
    }
}

/// The same error, of a refusal that may pass: the machine is shown in another state than it is in by now.
fn passing(error: ApiError) -> ApiError {
    match error.kind {
        Kind::Rejected => ApiError { kind: Kind::Conflict, ..error },
        _ => error,
    }
}

impl Seen {
    /// Notes a machine, and says what it is.
    fn note(&mut self, machine: &Machine, state: String) -> String {
        self.faults = 0;
        self.is_shown = true;
        self.failures = if machine.power_failed { self.failures + 1 } else { 0 };
        self.was_deleting |= machine.state == State::Deleting;
        self.progress = machine.progress;
        let told = match machine.progress {
            Some(progress) => format!("{} ({progress:.0} %)", machine.state_name),
            None if machine.reason.is_some() => state,
            None => machine.state_name.clone(),
        };
        self.last = format!("it is {told}");
        told
    }

    /// Takes note of a look that failed. One that the deadline cut off says less than the good one before it.
    fn fault(&mut self, error: &ApiError, is_cut_off: bool) {
        self.faults += 1;
        self.refusals = match error.kind {
            Kind::RateLimited => self.refusals + 1,
            _ => self.refusals.saturating_sub(1),
        };
        self.asked_pause = error.retry_after.unwrap_or_default();
        if !(is_cut_off && self.faults == 1 && self.is_shown) {
            self.last = format!("the last look failed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_the_deadline_cuts_off_does_not_hide_what_was_seen() {
        let error = ApiError::bare(Kind::Ambiguous);
        let machine = Machine::new(MachineId::scripted("m-1"), State::Starting, "provisioning");
        let last = |looks: &dyn Fn(&mut Seen)| {
            let mut seen = Seen::default();
            looks(&mut seen);
            seen.last
        };
        let shown = |seen: &mut Seen| drop(seen.note(&machine, String::new()));
        let cut = last(&|seen| {
            shown(seen);
            seen.fault(&error, true);
        });
        assert_eq!(cut, "it is provisioning");
        let failed = |looks: &dyn Fn(&mut Seen)| assert!(last(looks).starts_with("the last look failed"));
        failed(&|seen| {
            shown(seen);
            seen.fault(&error, false);
        });
        failed(&|seen| {
            shown(seen);
            seen.fault(&error, false);
            seen.fault(&error, true);
        });
        failed(&|seen| seen.fault(&error, true));
    }
}
