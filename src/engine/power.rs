//! Power: on, off, off and on, reboot.

use std::time::{Duration, Instant};

use super::{Engine, Error, Goal, Sight, Wait};
use crate::http::backoff::Backoff;
use crate::http::error::{ApiError, Kind};
use crate::provider::Provider;
use crate::provider::machine::{Machine, MachineId, Power, State};

/// How long a reboot may take to show that the machine went down. Right after the call it is still up, and
/// some providers never show it down.
const GRACE: Duration = Duration::from_secs(60);
/// How long a machine is left off in a reset where the provider cannot show that it is.
const UNSEEN: Duration = Duration::from_secs(30);

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is under way; and whether the answer shows that the machine has begun to go down.
    Accepted(bool),
    /// The machine was there already.
    Already,
}

/// Whether a provider can do this with a machine's power at all: to be known before anything is asked.
///
/// # Errors
/// [`Error::Unsupported`].
pub fn supported(provider: &dyn Provider, power: Power) -> Result<(), Error> {
    let spec = provider.spec();
    match spec.power.takes.contains(&power) {
        true => Ok(()),
        false => Err(Error::Unsupported(spec.name, power)),
    }
}

impl Engine {
    /// Powers on the machine of a host that has one, and waits until it is up. It is never deleted.
    ///
    /// # Errors
    /// The machine is gone, or does not come up.
    pub fn resume(&self, id: &MachineId) -> Result<(), Error> {
        let by = self.deadline();
        if self.act(id, Power::On, by)? != Outcome::Already {
            self.wait_for(id, Goal::On, by)?;
        }
        Ok(())
    }

    /// Powers the machine off and waits until it is. One that is off already is a success.
    ///
    /// # Errors
    /// The machine is gone, or does not go down.
    pub fn power_off(&self, id: &MachineId) -> Result<(), Error> {
        let by = self.deadline();
        if self.act(id, Power::Off, by)? == Outcome::Already {
            return Ok(());
        }
        if self.provider.spec().power.shows_off {
            self.wait_for(id, Goal::Off, by)?;
        } else {
            self.report.notice(format_args!(
                "{} has accepted it, and does not show when the machine is off",
                self.provider.spec().name
            ));
        }
        Ok(())
    }

    /// Off, and on again. From off it just powers on.
    ///
    /// # Errors
    /// As [`Self::power_off`] and [`Self::resume`].
    pub fn reset(&self, id: &MachineId) -> Result<(), Error> {
        self.power_off(id)?;
        if !self.provider.spec().power.shows_off {
            self.clock.sleep(UNSEEN, &self.interrupt)?;
        }
        self.resume(id)
    }

    /// Reboots the machine; returns when it was down and is up again.
    ///
    /// A provider that does not show the machine down within a grace period is believed if it is up then.
    ///
    /// # Errors
    /// The machine is gone, is off, or does not come up again.
    pub fn reboot(&self, id: &MachineId) -> Result<(), Error> {
        let by = self.deadline();
        let was_down = self.act(id, Power::Reboot, by)? == Outcome::Accepted(true);
        if !was_down && self.provider.spec().power.shows_reboot {
            let grace = GRACE.min(self.timeout / 2);
            match self.wait_for(id, Goal::Down, (self.clock.now() + grace).min(by)) {
                Ok(_) => {}
                Err(Error::Deadline { .. }) => self.report.info("the machine was not seen down"),
                Err(error) => return Err(error),
            }
        }
        self.wait_for(id, Goal::On, by)?;
        Ok(())
    }

    fn wait_for(&self, id: &MachineId, goal: Goal, by: Instant) -> Result<Option<Machine>, Error> {
        self.wait(Wait { id, goal, by, order: None, refusal: None })
    }

    /// Asks for a change of power until it is accepted, or turns out to have happened.
    pub(super) fn act(&self, id: &MachineId, power: Power, by: Instant) -> Result<Outcome, Error> {
        supported(self.provider, power)?;
        let mut backoff = Backoff::default();
        // An earlier attempt may have worked although its answer was lost.
        let mut doubtful = false;
        let mut was_refused = false;
        loop {
            self.interrupt.check()?;
            let error = match self.provider.power(&self.session.api(by), id, power) {
                Ok(shown) => {
                    self.note_known(id);
                    self.report.info(format_args!("machine {id} is asked {}: the provider accepted it", verb(power)));
                    let is_down = matches!(shown, Some(state) if state != State::On);
                    return Ok(Outcome::Accepted(is_down));
                }
                Err(error) => error,
            };
            match error.kind {
                Kind::NotFound => match self.absence(id, error, by)? {
                    Sight::Gone(how) => return Err(Error::Vanished(how)),
                    Sight::Here(_) | Sight::NotYet => {}
                },
                Kind::Rejected | Kind::Conflict => {
                    let machine = match self.look_by(id, by)? {
                        Sight::Here(machine) => machine,
                        Sight::Gone(how) => return Err(Error::Vanished(how)),
                        Sight::NotYet => {
                            self.pause_within(backoff.pause(), by, &error)?;
                            continue;
                        }
                    };
                    if let Some(outcome) = settled(power, machine.state, error.kind, doubtful) {
                        self.report.info(format_args!("machine {id} is {} already", machine.state_name));
                        return Ok(outcome);
                    }
                    if !may_pass(power, machine.state, &error, &mut was_refused) {
                        return Err(error.into());
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
}

/// What a machine is asked to do.
fn verb(power: Power) -> &'static str {
    match power {
        Power::On => "to power on",
        Power::Off => "to power off",
        Power::Reboot => "to reboot",
    }
}

/// What a refused change of power amounts to in this state, if it is done or under way. A refusal that passes with time
/// does not say that what is under way is this change.
fn settled(power: Power, state: State, refusal: Kind, doubtful: bool) -> Option<Outcome> {
    match (power, state) {
        (Power::On, State::On) | (Power::Off, State::Off) => Some(Outcome::Already),
        (Power::On, State::Starting) | (Power::Off, State::Stopping) if refusal == Kind::Rejected => {
            Some(Outcome::Accepted(false))
        }
        (Power::Reboot, State::Off | State::Stopping | State::Starting) if doubtful => Some(Outcome::Accepted(true)),
        _ => None,
    }
}

/// Whether a refusal in this state may pass with time.
fn may_pass(power: Power, state: State, error: &ApiError, was_refused: &mut bool) -> bool {
    match (power, state) {
        // On its way to somewhere else: then it will take the request.
        (_, State::Starting | State::Stopping) => true,
        // It may have come there between the refusal and the look.
        (Power::On, State::Off) | (Power::Off | Power::Reboot, State::On) if !*was_refused => {
            *was_refused = true;
            true
        }
        _ => error.kind == Kind::Conflict,
    }
}
