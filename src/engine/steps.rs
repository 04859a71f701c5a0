//! The steps that every action is made of: to ask, to act, to delete, and to wait.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Lifecycle, SETTLE, Trouble};
use crate::engine::schedule::Pace;
use crate::http::backoff::{Advice, Backoff, advice};
use crate::http::error::{ApiError, Kind};
use crate::opennebula::owner::Owner;
use crate::provider::{Machine, MachineId, Power, State};
use crate::report::progress::Progress;

/// How often the pause of a wait is doubled at most because the provider sent us away.
const STRAIN: u32 = 3;

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is under way.
    Accepted,
    /// The machine was there already.
    Already,
}

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

impl Lifecycle {
    /// Asks for a change of power until it is accepted, or turns out to have happened.
    pub(super) fn act(
        &self,
        id: &MachineId,
        power: Power,
        by: Instant,
    ) -> Result<Outcome, Trouble> {
        let mut backoff = Backoff::default();
        // An earlier attempt may have worked although its answer was lost.
        let mut doubtful = false;
        let mut was_refused = false;
        loop {
            self.interrupt.check()?;
            let error = match self.backend.power(id, power, by) {
                Ok(()) => return Ok(Outcome::Accepted),
                Err(error) => error,
            };
            match error.kind {
                Kind::NotFound => return Err(Trouble::Vanished("is gone".into())),
                Kind::Rejected | Kind::Conflict => {
                    let machine = self
                        .ask(by, || self.backend.get(id, by))?
                        .ok_or(Trouble::Vanished("is gone".into()))?;
                    match (power, machine.state) {
                        (Power::On, State::On) | (Power::Off, State::Off) => {
                            return Ok(Outcome::Already);
                        }
                        (Power::On, State::Starting) | (Power::Off, State::Stopping) => {
                            return Ok(Outcome::Accepted);
                        }
                        (Power::Reboot, State::Off | State::Stopping | State::Starting)
                            if doubtful =>
                        {
                            return Ok(Outcome::Accepted);
                        }
                        // On its way to somewhere else: then it will take the request.
                        (_, State::Starting | State::Stopping) => {}
                        // It may have come there between the refusal and the look.
                        (Power::On, State::Off) | (Power::Off | Power::Reboot, State::On)
                            if !was_refused =>
                        {
                            was_refused = true;
                        }
                        _ if error.kind == Kind::Conflict => {}
                        _ => return Err(error.into()),
                    }
                    self.pause_within(backoff.pause(), by, &error)?;
                }
                _ => {
                    doubtful |= error.kind == Kind::Ambiguous;
                    let Some(pause) = backoff.after(&error) else {
                        return Err(error.into());
                    };
                    self.pause_within(pause, by, &error)?;
                }
            }
        }
    }

    /// Asks for the deletion until it is accepted.
    pub(super) fn delete(&self, id: &MachineId, by: Instant) -> Result<(), Trouble> {
        let mut backoff = Backoff::default();
        loop {
            self.interrupt.check()?;
            let error = match self.backend.delete(id, by) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let pause = match error.kind {
                Kind::Rejected | Kind::Conflict => {
                    // Refused for its state, or for good: the machine tells.
                    let Some(machine) = self.ask(by, || self.backend.get(id, by))? else {
                        return Ok(());
                    };
                    match machine.state {
                        State::Deleting => return Ok(()),
                        State::Starting | State::Stopping if !machine.locked => backoff.pause(),
                        _ if error.kind == Kind::Conflict => backoff.pause(),
                        _ => return Err(error.into()),
                    }
                }
                Kind::PermissionDenied if self.is_taken_back(id, by)? => return Ok(()),
                _ => match backoff.after(&error) {
                    Some(pause) => pause,
                    None => return Err(error.into()),
                },
            };
            self.report
                .info(format_args!("not deleted yet ({error}): again"));
            self.pause_within(pause, by, &error)?;
        }
    }

    /// Whether the provider took the machine back: we may neither see it nor does our project, which we do
    /// see, hold it. Then it is not ours any more, and not billed to us; credentials that lack a right look
    /// different.
    fn is_taken_back(&self, id: &MachineId, by: Instant) -> Result<bool, Trouble> {
        match self.ask(by, || self.backend.get(id, by)) {
            Ok(None) => return Ok(true),
            Err(Trouble::Api(error)) if error.kind == Kind::PermissionDenied => {}
            Ok(Some(_)) | Err(_) => return Ok(false),
        }
        let ours = self.ask(by, || self.backend.find(Owner::COMMON_TAG, by));
        Ok(ours.is_ok_and(|machines| machines.iter().all(|machine| machine.id != *id)))
    }

    /// Waits until `goal` is reached, the only loop that does. `is_known`: the machine could be read before,
    /// so that it is not merely slow to appear.
    ///
    /// Ends at once on a state that it will not leave, when the machine vanishes, and on errors that do not
    /// pass; all others count against the deadline.
    pub(super) fn wait(
        &self,
        id: &MachineId,
        goal: Goal,
        is_known: bool,
        by: Instant,
    ) -> Result<Option<Machine>, Trouble> {
        let pace = Pace::begin();
        let mut is_known = is_known;
        let mut was_deleting = false;
        let mut last = "it was never seen".to_owned();
        let mut progress = None;
        let mut asked_pause = Duration::ZERO;
        // How often we were sent away lately: where many wait at once, each must ask less often.
        let mut strain: u32 = 0;
        let mut line = self.progress(format!("until {goal} | machine {id}"), by);
        loop {
            // Nothing changes at the moment it was asked for: every look comes after a pause.
            let pause = (pace.pause(progress) * (1 << strain.min(STRAIN)))
                .max(asked_pause)
                .max(self.backend.rest());
            let left = by.saturating_duration_since(Instant::now());
            line.sleep(pause.min(left))?;
            if Instant::now() >= by {
                return Err(Trouble::Deadline {
                    waited: format!(
                        "the machine is not {goal} after {} s",
                        pace.elapsed().as_secs()
                    ),
                    last,
                });
            }
            asked_pause = Duration::ZERO;
            let seen = self.backend.get(id, by);
            strain = match &seen {
                Err(error) if error.kind == Kind::RateLimited => strain + 1,
                _ => strain.saturating_sub(1),
            };
            match seen {
                Ok(Some(machine)) => {
                    is_known = true;
                    if goal.is_reached_by(machine.state) {
                        return Ok(Some(machine));
                    }
                    self.judge(goal, &machine, was_deleting, by)?;
                    was_deleting |= machine.state == State::Deleting;
                    progress = machine.progress;
                    let seen = match machine.progress {
                        Some(progress) => format!("{} ({progress:.0} %)", machine.state_name),
                        None => machine.state_name,
                    };
                    line.tell(&seen);
                    last = format!("it is {seen}");
                }
                Ok(None) if goal == Goal::Gone => return Ok(None),
                Ok(None) if is_known => return Err(self.vanished(id, "is gone", by)),
                Ok(None) if pace.elapsed() > SETTLE => {
                    return Err(self.vanished(id, "never appeared", by));
                }
                // It may come yet, unless the provider knows better.
                Ok(None) => {
                    if let Ok(Some(told)) = self.backend.fate(id, by) {
                        return Err(Trouble::Vanished(told.into()));
                    }
                }
                // A machine that failed is moved to the provider's own project.
                Err(error) if error.kind == Kind::PermissionDenied && goal == Goal::Gone => {
                    return Ok(None);
                }
                Err(error) if error.kind == Kind::PermissionDenied && is_known => {
                    return Err(Trouble::Vanished("was taken back by the provider".into()));
                }
                Err(error) if advice(error.kind) == Advice::Never => return Err(error.into()),
                Err(error) => {
                    asked_pause = error.retry_after.unwrap_or_default();
                    last = format!("the last look failed: {error}");
                    line.tell(&last);
                }
            }
        }
    }

    /// Whether `machine` can still reach `goal`.
    fn judge(
        &self,
        goal: Goal,
        machine: &Machine,
        was_deleting: bool,
        by: Instant,
    ) -> Result<(), Trouble> {
        match machine.state {
            // Right after its deletion a failed machine may still be shown as failed.
            State::Failed if goal != Goal::Gone || was_deleting => {
                Err(Trouble::Failed(machine.state_name.clone()))
            }
            State::Deleting if goal != Goal::Gone => {
                Err(self.vanished(&machine.id, "is being deleted", by))
            }
            _ => Ok(()),
        }
    }

    /// What became of a machine: what the provider tells of it, else just `how`.
    fn vanished(&self, id: &MachineId, how: &'static str, by: Instant) -> Trouble {
        let told = self.backend.fate(id, by).unwrap_or_default();
        Trouble::Vanished(told.map_or(how.into(), Cow::from))
    }

    /// Asks something that may be asked again, with patience for passing faults.
    pub(super) fn ask<T>(
        &self,
        by: Instant,
        call: impl Fn() -> Result<T, ApiError>,
    ) -> Result<T, Trouble> {
        let mut backoff = Backoff::default();
        loop {
            self.interrupt.check()?;
            if Instant::now() >= by {
                return Err(Trouble::Deadline {
                    waited: "the time is up".to_owned(),
                    last: "before the provider could be asked".to_owned(),
                });
            }
            let error = match call() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(pause) = backoff.after(&error) else {
                self.interrupt.check()?;
                return Err(error.into());
            };
            self.report.info(format_args!("{error}: again"));
            self.pause_within(pause, by, &error)?;
        }
    }

    /// Sleeps for `pause`, unless the deadline comes first: then `error` is what it ends with.
    pub(super) fn pause_within(
        &self,
        pause: Duration,
        by: Instant,
        error: &ApiError,
    ) -> Result<(), Trouble> {
        if Instant::now() + pause >= by {
            self.interrupt.check()?;
            return Err(Trouble::Deadline {
                waited: "there is no time left to try again".to_owned(),
                last: format!("the last attempt failed: {error}"),
            });
        }
        let mut line = self.progress("asking again".to_owned(), by);
        line.tell(error.reasons.join("; "));
        line.sleep(pause)?;
        Ok(())
    }

    pub(super) fn progress(&self, goal: String, by: Instant) -> Progress<'_> {
        Progress::new(self.report, &self.interrupt, goal, by)
    }
}
