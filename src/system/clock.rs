//! The clock, as a value: every wait of the engine goes by it, so that a test can play hours in milliseconds.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::environment::Environment;
use super::interrupt::Interrupt;

#[cfg(test)]
pub use self::played::VirtualClock;

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

/// A clock whose time passes at once.
#[cfg(test)]
mod played {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// What is played when its time comes.
    type Event = Box<dyn FnOnce() + Send>;

    /// How many pauses one play may have: a wait that has no end is found by it.
    const PAUSES: u32 = 100_000;

    /// A clock whose time passes at once, and only in pauses; what was set for a moment is played when it comes.
    pub struct VirtualClock {
        start: Instant,
        timeline: Mutex<Timeline>,
    }

    #[derive(Default)]
    struct Timeline {
        passed: Duration,
        pauses: u32,
        events: BTreeMap<(Duration, usize), Event>,
        set: usize,
    }

    impl Default for VirtualClock {
        fn default() -> Self {
            Self { start: Instant::now(), timeline: Mutex::default() }
        }
    }

    impl VirtualClock {
        /// The time that has passed.
        pub fn passed(&self) -> Duration {
            self.timeline().passed
        }

        /// The time between the begin and a moment.
        pub fn since_begin(&self, moment: Instant) -> Duration {
            moment.saturating_duration_since(self.start)
        }

        /// Sets something for a moment, counted from the begin; one that is past comes with the next pause.
        pub fn at(&self, moment: Duration, event: impl FnOnce() + Send + 'static) {
            let mut timeline = self.timeline();
            timeline.set += 1;
            let place = (moment, timeline.set);
            timeline.events.insert(place, Box::new(event));
        }

        /// Lets time pass, and plays what comes meanwhile in order, until that says to stop after one.
        pub fn pass(&self, time: Duration, is_over: impl Fn() -> bool) {
            let end = self.passed() + time;
            while !is_over() {
                let mut timeline = self.timeline();
                let next = timeline.events.first_entry().filter(|event| event.key().0 <= end);
                let Some(next) = next else {
                    timeline.passed = end;
                    return;
                };
                let ((moment, _), event) = next.remove_entry();
                timeline.passed = timeline.passed.max(moment);
                drop(timeline);
                event();
            }
        }

        fn timeline(&self) -> MutexGuard<'_, Timeline> {
            self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Clock for VirtualClock {
        fn now(&self) -> Instant {
            self.start + self.passed()
        }

        fn sleep(&self, time: Duration, interrupt: &Interrupt) -> Result<(), Signal> {
            self.timeline().pauses += 1;
            assert!(self.timeline().pauses < PAUSES, "a wait that has no end");
            self.pass(time, || interrupt.check().is_err());
            interrupt.check()
        }
    }

    #[test]
    fn time_passes_at_once_and_plays_what_was_set_until_a_signal_comes() {
        let clock = VirtualClock::default();
        let (interrupt, played) = (Interrupt::default(), std::sync::Arc::new(Mutex::default()));
        let note = |what: &'static str| {
            let played = std::sync::Arc::clone(&played);
            move || Mutex::<Vec<&str>>::lock(&played).unwrap().push(what)
        };
        clock.at(Duration::from_secs(20), note("second"));
        clock.at(Duration::from_secs(10), note("first"));
        assert!(clock.sleep(Duration::from_secs(3600), &interrupt).is_ok());
        assert_eq!(
            (clock.passed().as_secs(), &**played.lock().unwrap()),
            (3600, &["first", "second"][..])
        );
        let signalled = interrupt.clone();
        clock.at(Duration::from_secs(3700), move || signalled.raise(Signal::SIGTERM));
        assert_eq!(clock.sleep(Duration::from_secs(3600), &interrupt), Err(Signal::SIGTERM));
        assert_eq!(clock.passed().as_secs(), 3700);
        interrupt.acknowledge();
        assert!(clock.sleep(Duration::from_secs(10), &interrupt).is_ok());
    }
}
