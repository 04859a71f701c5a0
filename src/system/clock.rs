//! The clock, as a value: every wait of the engine goes by it, so that a test can play hours in milliseconds.

use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use super::interrupt::Interrupt;

#[cfg(test)]
pub use self::played::VirtualClock;

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

        fn date(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.passed()
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
