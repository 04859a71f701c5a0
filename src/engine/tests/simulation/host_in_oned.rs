//! What is known of a host, and the host in oned: it may refuse, be away, or be deleted meanwhile.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::super::*;
use crate::engine::{Record, Unrecorded};

/// What is known of a host and its machines.
#[derive(Default)]
pub(super) struct Books {
    /// The machines that deploys handed over and that are not known to be gone.
    pub(super) handed_over: Vec<MachineId>,
    /// Somebody was told that a machine of this host may still be billed, or a killed run could tell nobody.
    pub(super) is_told: bool,
    /// The runs that are under way, and how many of them deploy.
    pub(super) running: u32,
    pub(super) deploying: u32,
    /// Nothing comes between any more.
    pub(super) is_ending: bool,
    /// What oned has as DEPLOY_ID.
    pub(super) deploy_id: Option<MachineId>,
    /// The host was deleted in oned.
    pub(super) is_deleted: bool,
}

/// The host in oned, as a process of the storm finds it.
pub(super) struct HostInOned<'a> {
    pub(super) clock: &'a VirtualClock,
    pub(super) books: &'a Mutex<Books>,
    pub(super) process: Process,
    /// Whether oned answered the last question.
    pub(super) answers: AtomicBool,
}

impl HostInOned<'_> {
    /// One exchange with oned: it may be killed over, or not come about.
    fn ask<T>(&self, act: impl FnOnce(&mut Books) -> T) -> Result<T, Unrecorded> {
        self.process.live();
        self.clock.pass(Duration::from_millis(20), || self.process.is_killed());
        let is_bad = self.process.storm.as_ref().is_some_and(|storm| storm.chance(5));
        self.answers.store(!is_bad, Ordering::Relaxed);
        let mut books = self.books.lock().unwrap();
        if is_bad {
            return Err(Unrecorded::Other("oned is away".to_owned()));
        }
        if books.is_deleted {
            return Err(Unrecorded::NoSuchHost("there is no such host".to_owned()));
        }
        let done = act(&mut books);
        drop(books);
        self.process.live();
        Ok(done)
    }
}

impl Record for HostInOned<'_> {
    fn write(&self, machine: Option<&MachineId>) -> Result<(), Unrecorded> {
        self.ask(|books| books.deploy_id = machine.cloned())
    }

    fn look(&self) -> Result<(), Unrecorded> {
        self.ask(|_| ())
    }
}
