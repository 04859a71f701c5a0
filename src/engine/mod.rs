//! The engine, over any provider: order or adopt, wait, roll back, power, delete.
//!
//! oneprovision stores the deploy id only after `deploy` succeeded, cancels only what has one, and orders
//! again when it retries. So from the moment an order may exist until its id is handed over, whatever goes
//! wrong here deletes the machine; and what a killed run left is found by its owner's mark and adopted.

mod delete;
mod deploy;
pub mod error;
mod job;
pub mod journal;
mod look;
mod order;
pub mod power;
mod rollback;
pub mod schedule;
mod wait;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::error::Error;
pub use self::job::{Job, NoRecord, NotDeployed, Record, Unrecorded};
use self::journal::Journal;
pub use self::look::Sight;
use self::look::Sightings;
use self::wait::{Goal, Wait};
use crate::http::backoff::Backoff;
use crate::http::error::ApiError;
use crate::provider::Provider;
use crate::provider::machine::MachineId;
use crate::provider::session::Session;
use crate::report::frame::Report;
use crate::report::progress::Progress;
use crate::system::clock::Clock;
use crate::system::interrupt::Interrupt;

/// The engine.
pub struct Engine {
    provider: &'static dyn Provider,
    session: Arc<Session>,
    interrupt: Interrupt,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    report: Report,
    sightings: Mutex<Sightings>,
}

impl Engine {
    /// The engine over a provider, in a session; `timeout` is the time that one wait for a state may take.
    pub fn new(
        provider: &'static dyn Provider,
        session: Arc<Session>,
        interrupt: Interrupt,
        clock: Arc<dyn Clock>,
        timeout: Duration,
        report: Report,
    ) -> Self {
        let at_work = Arc::clone(&session);
        interrupt.on_first(Box::new(move || at_work.abort()));
        Self { provider, session, interrupt, clock, timeout, report, sightings: Mutex::default() }
    }

    /// Deletes the machine and waits until it is gone. One that is gone already is a success.
    ///
    /// # Errors
    /// The provider does not delete it, it does not go away in time, or it is not known whether it is gone.
    ///
    /// `journal` is that of the host, where it is known: the objects that were made for it go with the machine.
    pub fn cancel(&self, id: &MachineId, journal: Option<&Journal>) -> Result<(), Error> {
        let by = self.deadline();
        self.interrupt.at_risk(Some(format!("machine {id} may be STILL BILLED: cancel it again")));
        let entry = journal.and_then(Journal::read);
        let is_noted = entry.as_ref().is_some_and(|entry| entry.machine.as_ref() == Some(id));
        if is_noted {
            // A killed deploy wrote its id into the host: the provider may not show it yet.
            self.expect_machine(id);
        }
        self.remove(id, journal.map(Journal::mark), by)?;
        if let (Some(journal), true) = (journal, is_noted && entry.is_some_and(|it| it.owed == 0)) {
            journal.close();
        }
        Ok(())
    }

    /// The moment by which one wait must end.
    fn deadline(&self) -> Instant {
        self.clock.now() + self.timeout
    }

    fn sightings(&self) -> MutexGuard<'_, Sightings> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks something that may be asked again, with patience for passing faults.
    fn ask<T>(&self, by: Instant, call: impl Fn() -> Result<T, ApiError>) -> Result<T, Error> {
        let mut backoff = Backoff::default();
        loop {
            self.interrupt.check()?;
            if self.clock.now() >= by {
                return Err(Error::Deadline {
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
            self.report.info(format_args!("{}: asking again", error.what()));
            self.pause_within(pause, by, &error)?;
        }
    }

    /// Sleeps for `pause`, unless the deadline comes first: then `error` is what it ends with.
    fn pause_within(&self, pause: Duration, by: Instant, error: &ApiError) -> Result<(), Error> {
        if self.clock.now() + pause >= by {
            self.interrupt.check()?;
            return Err(Error::Deadline {
                waited: "there is no time left to try again".to_owned(),
                last: format!("the last attempt failed: {error}"),
            });
        }
        let mut line = self.progress("asking again".to_owned(), by);
        line.show(error.reasons.join("; "));
        line.sleep(pause)?;
        Ok(())
    }

    fn progress(&self, goal: String, by: Instant) -> Progress<'_> {
        Progress::new(self.report, &*self.clock, &self.interrupt, goal, by)
    }
}

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
