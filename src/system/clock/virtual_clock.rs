//! A clock whose time passes at once, for one process or for many that take turns: it is always the turn of the one that
//! wakes next, so that whatever they do together can be played again.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use super::*;

/// What is played when its time comes.
enum Event {
    /// Something is done.
    Do(Box<dyn FnOnce() + Send>),
    /// It is the turn of an actor.
    Wake(Arc<Actor>),
}

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

/// A thread that takes turns with others.
#[derive(Default)]
struct Actor {
    turn: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    Others,
    Own,
    /// Its thread has ended.
    Never,
}

thread_local! {
    /// The actor that this thread is.
    static ACTOR: Arc<Actor> = Arc::default();
}

impl Actor {
    /// Gives it the turn, unless it has ended.
    fn take(&self) -> bool {
        let mut turn = lock(&self.turn);
        if *turn == Turn::Never {
            return false;
        }
        *turn = Turn::Own;
        self.changed.notify_one();
        true
    }

    fn wait_for_turn(&self) {
        let mut turn = lock(&self.turn);
        while *turn != Turn::Own {
            turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends an actor with its thread, however that ends.
struct Ending<'a>(&'a VirtualClock);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        *lock(&actor().turn) = Turn::Never;
        while !self.0.play_next(None) {}
    }
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

    /// Sets something for a moment, counted from the begin; one that is past comes with the next pause. Whoever sets it
    /// is woken after it.
    pub fn at(&self, moment: Duration, event: impl FnOnce() + Send + 'static) {
        self.set(moment, Event::Do(Box::new(event)));
        self.set(moment, Event::Wake(actor()));
    }

    fn set(&self, moment: Duration, event: Event) {
        let mut timeline = self.timeline();
        timeline.set += 1;
        let place = (moment, timeline.set);
        timeline.events.insert(place, event);
    }

    /// Starts a thread that plays its part from this moment on, in turns with the others while
    /// [time passes](Self::pass) in the thread that leads.
    pub fn part<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        moment: Duration,
        part: impl FnOnce() + Send + 'scope,
    ) {
        let (tell, told) = std::sync::mpsc::channel();
        scope.spawn(move || {
            let _ = tell.send(actor());
            actor().wait_for_turn();
            let _ending = Ending(self);
            part();
        });
        let actor = told.recv().expect("the thread says who it is");
        self.set(moment, Event::Wake(actor));
    }

    /// Lets time pass, and plays what comes meanwhile in order, until that says to stop after one.
    pub fn pass(&self, time: Duration, is_over: impl Fn() -> bool) {
        let (own, end) = (actor(), self.passed() + time);
        self.set(end, Event::Wake(Arc::clone(&own)));
        while !is_over() && self.passed() < end {
            self.play_next(Some(&own));
        }
    }

    /// Plays what comes next; where that is the turn of another one than `own`, until the turn comes back. Whether
    /// another one has, or had, its turn.
    fn play_next(&self, own: Option<&Arc<Actor>>) -> bool {
        let mut timeline = self.timeline();
        let Some(((moment, _), event)) = timeline.events.pop_first() else {
            return true;
        };
        timeline.passed = timeline.passed.max(moment);
        drop(timeline);
        let actor = match event {
            Event::Do(event) => {
                event();
                return false;
            }
            Event::Wake(actor) => actor,
        };
        if own.is_some_and(|own| Arc::ptr_eq(own, &actor)) {
            return false;
        }
        own.into_iter().for_each(|own| *lock(&own.turn) = Turn::Others);
        let is_taken = actor.take();
        if let (Some(own), true) = (own, is_taken) {
            own.wait_for_turn();
        }
        is_taken
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        lock(&self.timeline)
    }
}

fn actor() -> Arc<Actor> {
    ACTOR.with(Arc::clone)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    let (interrupt, played) = (Interrupt::default(), Arc::new(Mutex::default()));
    let note = |what: &'static str| {
        let played = Arc::clone(&played);
        move || Mutex::<Vec<&str>>::lock(&played).unwrap().push(what)
    };
    clock.at(Duration::from_secs(20), note("second"));
    clock.at(Duration::from_secs(10), note("first"));
    assert!(clock.sleep(Duration::from_secs(3600), &interrupt).is_ok());
    assert_eq!((clock.passed().as_secs(), &**played.lock().unwrap()), (3600, &["first", "second"][..]));
    let signalled = interrupt.clone();
    clock.at(Duration::from_secs(3700), move || signalled.raise(Signal::SIGTERM));
    assert_eq!(clock.sleep(Duration::from_secs(3600), &interrupt), Err(Signal::SIGTERM));
    assert_eq!(clock.passed().as_secs(), 3700);
    interrupt.acknowledge();
    assert!(clock.sleep(Duration::from_secs(10), &interrupt).is_ok());
}

#[test]
fn parts_take_turns_in_the_order_of_their_pauses() {
    let (clock, played) = (VirtualClock::default(), Mutex::<Vec<String>>::default());
    std::thread::scope(|scope| {
        for (name, pause) in [("a", 3), ("b", 5)] {
            let (clock, played) = (&clock, &played);
            clock.part(scope, Duration::ZERO, move || {
                for _ in 0..3 {
                    clock.pass(Duration::from_secs(pause), || false);
                    lock(played).push(format!("{name}{}", clock.passed().as_secs()));
                }
            });
        }
        clock.pass(Duration::from_secs(3600), || false);
    });
    assert_eq!(*lock(&played), ["a3", "b5", "a6", "a9", "b10", "b15"]);
}
