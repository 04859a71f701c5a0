//! The clock, as a value: every wait of the engine goes by it, so that a test can play hours in milliseconds.

use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use super::interrupt::Interrupt;

/// What tells the time and lets it pass.
pub trait Clock: Send + Sync {
    /// The moment that deadlines are reckoned by.
    fn now(&self) -> Instant;

    /// The date. It may jump.
    fn date(&self) -> SystemTime;

    /// Lets `time` pass, or what is left of it until a signal comes.
    ///
    /// # Errors
    /// The signal that came and that nobody has [acknowledged](Interrupt::acknowledge).
    fn sleep(&self, time: Duration, interrupt: &Interrupt) -> Result<(), Signal>;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn date(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, time: Duration, interrupt: &Interrupt) -> Result<(), Signal> {
        interrupt.sleep(time)
    }
}
