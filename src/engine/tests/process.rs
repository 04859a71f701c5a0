//! The process that a thread plays: its signals, whether it was killed, and what it must not touch.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::Killed;
use super::storm::Storm;
use crate::system::interrupt::Interrupt;

/// One process.
#[derive(Clone, Default)]
pub struct Process {
    pub interrupt: Interrupt,
    pub is_killed: Arc<AtomicBool>,
    /// The mark of its host: with one, it may ask for no deletion of what bears another.
    pub mark: Option<String>,
    /// What goes wrong with its requests, if anything.
    pub storm: Option<Storm>,
}

thread_local! {
    static PROCESS: RefCell<Process> = RefCell::default();
}

impl Process {
    /// Begins a new one on this thread.
    pub fn begin(self) {
        PROCESS.set(self);
    }

    /// The one that this thread plays.
    pub fn current() -> Self {
        PROCESS.with_borrow(Clone::clone)
    }

    pub fn is_killed(&self) -> bool {
        self.is_killed.load(Ordering::Relaxed)
    }

    /// Kills it: it does nothing more from its next pause on.
    pub fn kill(&self) {
        self.is_killed.store(true, Ordering::Relaxed);
    }

    /// Ends the thread's part in it, if it was killed.
    pub fn live(&self) {
        if self.is_killed() {
            resume_unwind(Box::new(Killed));
        }
    }
}
