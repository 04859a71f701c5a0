//! The engine, over any backend: order or adopt, wait, roll back, power, delete.
//!
//! oneprovision stores the deploy id only after `deploy` succeeded, cancels only what has one, and orders
//! again when it retries. So from the moment an order may exist until its id is handed over, whatever goes
//! wrong here deletes the machine; and what a killed run left is found by its owner's tag and adopted.

mod deploy;
pub mod journal;
pub mod schedule;
mod steps;

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

pub use self::deploy::{Job, NotDeployed};
use self::steps::{Goal, Outcome};
use crate::http::error::ApiError;
use crate::provider::{Backend, Machine, MachineId, Power};
use crate::report::frame::Report;
use crate::system::interrupt::Interrupt;

/// How long an order whose answer was lost is looked for before it counts as not carried out: a listing can
/// lag by several seconds.
const SETTLE: Duration = Duration::from_secs(12);
/// How long a reboot may take to show that the machine went down. Right after the call it is still up, and
/// some providers never show it down.
const GRACE: Duration = Duration::from_secs(60);

/// The engine.
pub struct Lifecycle {
    backend: Arc<dyn Backend>,
    interrupt: Interrupt,
    timeout: Duration,
    report: Report,
}

/// What went wrong.
#[derive(Debug)]
pub enum Trouble {
    /// A call failed.
    Api(ApiError),
    /// The machine is in a state that it will not leave.
    Failed(String),
    /// The machine is gone, or was taken back by the provider.
    Vanished(Cow<'static, str>),
    /// The deadline passed.
    Deadline {
        /// What was waited for, and for how long.
        waited: String,
        /// What was last seen, or what kept us from seeing.
        last: String,
    },
    /// A signal came.
    Interrupted(Signal),
    /// Several machines carry the owner's tag.
    Several(Vec<MachineId>),
    /// The id could not be handed over.
    NotHandedOver(io::Error),
    /// Every order was lost, and none was carried out.
    OrdersLost(ApiError),
    /// A panic.
    OurMistake,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Failed(state) => write!(f, "the machine is in state {state}"),
            Self::Vanished(how) => write!(f, "the machine {how}"),
            Self::Deadline { waited, last } => {
                write!(
                    f,
                    "{waited}, {last}; PM_TIMEOUT is the time it gets, in seconds"
                )
            }
            Self::Interrupted(signal) => write!(f, "interrupted ({signal})"),
            Self::Several(ids) => {
                let ids: Vec<&str> = ids.iter().map(MachineId::as_str).collect();
                write!(
                    f,
                    "it has {} machines already, {}: delete all but one at the provider",
                    ids.len(),
                    ids.join(" and ")
                )
            }
            Self::NotHandedOver(error) => {
                write!(
                    f,
                    "the deploy id could not be printed ({error}): keep stdout open"
                )
            }
            Self::OurMistake => f.write_str("pm-packet made a mistake: please report it"),
            Self::OrdersLost(error) => write!(f, "no order got an answer: {error}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Signal> for Trouble {
    fn from(signal: Signal) -> Self {
        Self::Interrupted(signal)
    }
}

impl Lifecycle {
    /// The engine over `backend`; `timeout` is the time that one wait for a state may take.
    pub fn new(
        backend: Arc<dyn Backend>,
        interrupt: Interrupt,
        timeout: Duration,
        report: Report,
    ) -> Self {
        let at_work = Arc::clone(&backend);
        interrupt.on_first(Box::new(move || at_work.abort()));
        Self {
            backend,
            interrupt,
            timeout,
            report,
        }
    }

    /// Powers on the machine of a host that has one, and waits until it is up. It is never deleted.
    ///
    /// # Errors
    /// The machine is gone, or does not come up.
    pub fn resume(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        if self.act(id, Power::On, by)? == Outcome::Accepted {
            self.wait(id, Goal::On, true, by)?;
        }
        Ok(())
    }

    /// Powers the machine off and waits until it is. One that is off already is a success.
    ///
    /// # Errors
    /// The machine is gone, or does not go down.
    pub fn power_off(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        if self.act(id, Power::Off, by)? == Outcome::Accepted {
            self.wait(id, Goal::Off, true, by)?;
        }
        Ok(())
    }

    /// Off, and on again. From off it just powers on.
    ///
    /// # Errors
    /// As [`Self::power_off`] and [`Self::resume`].
    pub fn reset(&self, id: &MachineId) -> Result<(), Trouble> {
        self.power_off(id)?;
        self.resume(id)
    }

    /// Reboots the machine; returns when it was down and is up again.
    ///
    /// A provider that does not show the machine down within a grace period is believed if it is up then.
    ///
    /// # Errors
    /// The machine is gone, is off, or does not come up again.
    pub fn reboot(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        self.act(id, Power::Reboot, by)?;
        let grace = GRACE.min(self.timeout / 2);
        match self.wait(id, Goal::Down, true, (Instant::now() + grace).min(by)) {
            Ok(_) => {}
            Err(Trouble::Deadline { .. }) => self.report.info("the machine was not seen down"),
            Err(trouble) => return Err(trouble),
        }
        self.wait(id, Goal::On, true, by)?;
        Ok(())
    }

    /// Deletes the machine and waits until it is gone. One that is gone already is a success.
    ///
    /// # Errors
    /// The provider does not delete it, or it does not go away in time.
    pub fn cancel(&self, id: &MachineId) -> Result<(), Trouble> {
        let by = self.deadline();
        self.interrupt.at_stake(Some(format!(
            "machine {id} may be STILL BILLED: cancel it again"
        )));
        self.delete(id, by)?;
        self.wait(id, Goal::Gone, true, by)?;
        Ok(())
    }

    /// Every machine that carries `tag`, with patience for passing faults.
    ///
    /// # Errors
    /// The call failed.
    pub fn tagged(&self, tag: &str) -> Result<Vec<Machine>, Trouble> {
        let by = self.deadline();
        self.ask(by, || self.backend.find(tag, by))
    }

    /// Looks at a machine once, with patience for passing faults.
    ///
    /// # Errors
    /// The call failed. A machine that is gone is `None`.
    pub fn look(&self, id: &MachineId) -> Result<Option<Machine>, Trouble> {
        let by = self.deadline();
        self.ask(by, || self.backend.get(id, by))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }
}
