//! The clock, as a value: every wait of the engine goes by it, so that a test can play hours in milliseconds.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::environment::Environment;
use super::interrupt::Interrupt;

#[cfg(test)]
mod virtual_clock;
#[cfg(test)]
pub use self::virtual_clock::VirtualClock;

/// What tells the time and lets it pass.
pub trait Clock: Send + Sync {
    /// The moment that deadlines are reckoned by.
    fn now(&self) -> Instant;

    /// Lets `time` pass, or what is left of it until a signal comes.
    ///
    /// # Errors
    /// The signal that came and that nobody has [acknowledged](Interrupt::acknowledge).
    fn sleep(&self, time: Duration, interrupt: &Interrupt) -> Result<(), Signal>;

    /// How long `time` of this clock takes on the wall.
    fn real(&self, time: Duration) -> Duration {
        time
    }
}

/// The clock of the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
    rate: u32,
}

impl SystemClock {
    /// The system's own. In builds for tests, `TIME_LAPSE_FOR_TESTS` lets it run so many times as fast, and with it
    /// every deadline of the engine and of its requests.
    ///
    /// # Errors
    /// The variable is not UTF-8.
    pub fn of(environment: &Environment) -> Result<Self> {
        let lapse = match cfg!(debug_assertions) {
            true => environment.get("TIME_LAPSE_FOR_TESTS")?,
            false => None,
        };
        let rate = lapse.and_then(|text| text.parse().ok()).unwrap_or(1).max(1);
        Ok(Self { origin: Instant::now(), rate })
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        self.origin + self.origin.elapsed() * self.rate
    }

    fn sleep(&self, time: Duration, interrupt: &Interrupt) -> Result<(), Signal> {
        interrupt.sleep(time / self.rate)
    }

    fn real(&self, time: Duration) -> Duration {
        match self.rate {
            1 => time,
            // Whoever is asked does not run faster.
            rate => (time / rate).max(Duration::from_millis(500)),
        }
    }
}
