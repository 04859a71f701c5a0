//! Deletions. One is done when the machine was seen gone.

use std::time::Instant;

use super::look::is_absence;
use super::{Engine, Error, Goal, Sight, Wait};
use crate::http::backoff::Backoff;
use crate::http::error::{ApiError, Kind};
use crate::provider::machine::{MachineId, State};

/// What came of asking for a deletion.
enum Deletion {
    Accepted,
    /// It was refused, and the machine is shown as being deleted.
    UnderWay(ApiError),
    /// The machine is known to be gone already.
    Over,
}

impl Engine {
    /// Deletes a machine, waits until it is gone, and removes the objects that were made for its owner, whose
    /// mark is given or else the one that it bears.
    pub(super) fn remove(&self, id: &MachineId, mark: Option<&str>, by: Instant) -> Result<(), Error> {
        let mark = match mark {
            None if self.provider.spec().has_objects => self.mark_of(id, by)?,
            mark => mark.map(str::to_owned),
        };
        self.remove_machine(id, by)?;
        match mark {
            Some(mark) => self.discard(&mark, by),
            None => Ok(()),
        }
    }

    /// Deletes a machine and waits until it is gone.
    pub(super) fn remove_machine(&self, id: &MachineId, by: Instant) -> Result<(), Error> {
        let refusal = match self.delete(id, by)? {
            Deletion::Over => return Ok(()),
            Deletion::Accepted => None,
            Deletion::UnderWay(refusal) => Some(refusal),
        };
        self.wait(Wait { id, goal: Goal::Gone, by, order: None, refusal: refusal.as_ref() })?;
        Ok(())
    }

    /// Removes the objects that were made for the owner with this mark, if the provider has such.
    pub(super) fn discard(&self, mark: &str, by: Instant) -> Result<(), Error> {
        if !self.provider.spec().has_objects {
            return Ok(());
        }
        self.ask(by, || self.provider.discard(&self.session.api(by), mark))
    }

    /// The mark that a machine bears.
    fn mark_of(&self, id: &MachineId, by: Instant) -> Result<Option<String>, Error> {
        Ok(match self.look_by(id, by)? {
            Sight::Here(machine) => self.provider.spec().identity.borne(&machine),
            Sight::NotYet | Sight::Gone(_) => None,
        })
    }

    /// Asks for the deletion until it is accepted, or is not needed.
    fn delete(&self, id: &MachineId, by: Instant) -> Result<Deletion, Error> {
        let mut backoff = Backoff::default();
        let mut was_shown = false;
        loop {
            self.interrupt.check()?;
            let error = match self.provider.delete(&self.session.api(by), id) {
                Ok(()) => {
                    // What the provider deletes it knows: its not-found will be a proof.
                    self.note_known(id);
                    self.report.info(format_args!("machine {id} is to be deleted: the provider accepted it"));
                    return Ok(Deletion::Accepted);
                }
                Err(error) => error,
            };
            let pause = match error.kind {
                Kind::Rejected | Kind::Conflict => match self.look_by(id, by)? {
                    Sight::Gone(_) => return Ok(Deletion::Over),
                    Sight::NotYet => backoff.pause(),
                    Sight::Here(machine) => match machine.state {
                        State::Deleting => return Ok(Deletion::UnderWay(error)),
                        State::Starting | State::Stopping if !machine.locked => backoff.pause(),
                        _ if error.kind == Kind::Conflict => backoff.pause(),
                        // It may have come up between the refusal and the look, once.
                        _ if !was_shown && !machine.locked => {
                            was_shown = true;
                            backoff.pause()
                        }
                        _ => return Err(error.into()),
                    },
                },
                Kind::NotFound | Kind::PermissionDenied => match self.look_by(id, by) {
                    Ok(Sight::Gone(_)) => return Ok(Deletion::Over),
                    Ok(Sight::NotYet) => backoff.pause(),
                    // It appeared in between, once.
                    Ok(Sight::Here(_)) if !was_shown => {
                        was_shown = true;
                        backoff.pause()
                    }
                    Ok(Sight::Here(_)) => return Err(error.into()),
                    Err(Error::Api(why)) if is_absence(&why) => {
                        return Err(error.into());
                    }
                    Err(why) => return Err(why),
                },
                _ => match backoff.after(&error) {
                    Some(pause) => pause,
                    None => return Err(error.into()),
                },
            };
            self.report.info(format_args!("not deleted yet ({}): asking again", error.what()));
            self.pause_within(pause, by, &error)?;
        }
    }
}
