//! Signals, and the sleep that they end.
//!
//! SIGINT, SIGTERM and SIGHUP are blocked in every thread and taken by one that waits for them, so that no
//! code runs in a signal handler. The first one ends the present sleep and the requests under way, and the
//! engine rolls back; a second one ends the process at once, still saying what is left.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

/// What a first signal does beside ending a sleep: it ends the requests under way.
pub type Hook = Box<dyn Fn() + Send>;

/// A signal, as it is told to whoever prints.
pub enum Notice<'a> {
    /// The first one: what is under way stops.
    Stopping(Signal),
    /// The first one, where what is under way is not to be stopped by it.
    GoingOn(Signal),
    /// The second one, after which the process ends: what may be left behind, if anything.
    Ending(Signal, Option<&'a str>),
}

/// The process's signals, as a value that is handed down.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    pending: Option<Signal>,
    seen: bool,
    /// A first signal stops nothing any more.
    shielded: bool,
    hooks: Vec<Hook>,
    at_risk: Option<String>,
}

impl Interrupt {
    /// Takes over the signals of this process. Call it before any other thread is started: threads inherit
    /// what is blocked.
    ///
    /// `tell` is called with the first and with the second one, and must not wait: after the second one the process
    /// ends with the code `failure`.
    ///
    /// A SIGHUP that was already ignored, as `nohup` leaves it, stays ignored.
    ///
    /// # Errors
    /// The signals cannot be blocked, or no thread can be started.
    pub fn arm(failure: u8, tell: impl Fn(Notice<'_>) + Send + 'static) -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        if !hangup_is_ignored() {
            signals.add(Signal::SIGHUP);
        }
        signals.thread_block().context("cannot block signals")?;
        let interrupt = Self::default();
        let watched = interrupt.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .stack_size(128 * 1024)
            .spawn(move || {
                while let Ok(signal) = signals.wait() {
                    watched.take(signal, failure, &tell);
                }
            })
            .context("cannot start the thread that waits for signals")?;
        Ok(interrupt)
    }

    /// Registers what a first signal calls.
    pub fn on_first(&self, hook: Hook) {
        self.state().hooks.push(hook);
    }

    /// Says what a second signal must tell before the process ends: what may be left behind. `None`: nothing.
    pub fn at_risk(&self, what: Option<String>) {
        self.state().at_risk = what;
    }

    /// Sleeps for `time`, or until a signal comes.
    ///
    /// # Errors
    /// The signal that came and that nobody has [acknowledged](Self::acknowledge).
    pub fn sleep(&self, time: Duration) -> Result<(), Signal> {
        let end = Instant::now() + time;
        let mut state = self.state();
        loop {
            if let Some(signal) = state.pending {
                return Err(signal);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self.0.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a signal came that nobody has acknowledged.
    ///
    /// # Errors
    /// That signal.
    pub fn check(&self) -> Result<(), Signal> {
        self.sleep(Duration::ZERO)
    }

    /// Takes note of the first signal, whether it came or is yet to come, so that the roll-back can sleep and ask. The
    /// second one still ends the process.
    pub fn acknowledge(&self) {
        let mut state = self.state();
        state.pending = None;
        state.shielded = true;
    }

    fn take(&self, signal: Signal, failure: u8, tell: &impl Fn(Notice<'_>)) {
        let mut state = self.state();
        if state.seen {
            tell(Notice::Ending(signal, state.at_risk.as_deref()));
            std::process::exit(failure.into());
        }
        match state.shielded {
            true => tell(Notice::GoingOn(signal)),
            false => tell(Notice::Stopping(signal)),
        }
        self.strike(&mut state, signal);
    }

    /// Does what a first signal does: it ends the present sleep and the requests under way.
    pub fn raise(&self, signal: Signal) {
        self.strike(&mut self.state(), signal);
    }

    fn strike(&self, state: &mut State, signal: Signal) {
        state.seen = true;
        if state.shielded {
            return;
        }
        state.pending = Some(signal);
        for hook in &state.hooks {
            hook();
        }
        self.0.wake.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether SIGHUP was ignored when this process started; the kernel tells it in `SigIgn`, a mask in
/// hexadecimal (proc(5)).
fn hangup_is_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (Signal::SIGHUP as u32 - 1) & 1 == 1)
}
