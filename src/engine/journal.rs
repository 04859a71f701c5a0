//! What a deploy has at stake, noted beside its deployment file, so that the next run for the same file knows
//! what one that was killed had no time to hand over or to delete.
//!
//! A machine can also be found by its tag, but a listing lags by several seconds: an order that was sent just
//! before a SIGKILL would be missed by a run that follows at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::provider::machine::MachineId;
use crate::system::file;

/// What an earlier run noted.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The machine, if the order got its answer.
    pub machine: Option<MachineId>,
    /// How long ago that was.
    pub age: Duration,
}

/// What a run that cannot even read `deployment_file` must tell of what an earlier one left.
pub fn reminder_beside(deployment_file: &Path) -> Option<String> {
    path_beside(deployment_file).exists().then(|| reminder("what it ordered"))
}

fn reminder(what: &str) -> String {
    format!(
        "an earlier deploy was killed, and {what} may be STILL BILLED: deploy again, or look at the provider"
    )
}

fn path_beside(deployment_file: &Path) -> PathBuf {
    let mut path = deployment_file.as_os_str().to_owned();
    path.push(".order");
    path.into()
}

/// The note of one deployment file.
pub struct Journal {
    path: PathBuf,
    identity: String,
    id: fn(&str) -> Option<MachineId>,
}

impl Journal {
    /// The journal beside `deployment_file`, for the owner with this tag; `id` reads the id of a machine.
    pub fn beside(
        deployment_file: &Path,
        identity: &str,
        id: fn(&str) -> Option<MachineId>,
    ) -> Self {
        Self { path: path_beside(deployment_file), identity: identity.to_owned(), id }
    }

    /// What an earlier run for the same owner left; none that cannot be read.
    pub fn read(&self) -> Option<Entry> {
        let (text, modified) = file::read(&self.path, 4096).ok()?;
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(&self.identity) {
            return None;
        }
        Some(Entry {
            machine: lines.next().and_then(self.id),
            // A clock that was set back must not make it look old.
            age: SystemTime::now().duration_since(modified).unwrap_or_default(),
        })
    }

    /// What a run that cannot look must tell of what an earlier one left, if that left anything.
    pub fn reminder(&self) -> Option<String> {
        let what = match self.read()?.machine {
            Some(id) => format!("machine {id}"),
            None => format!("what it ordered (tag {})", self.identity),
        };
        Some(reminder(&what))
    }

    /// Notes that a machine is being ordered, or which one it is.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn note(&self, machine: Option<&MachineId>) -> io::Result<()> {
        let id = machine.map(MachineId::as_str).unwrap_or_default();
        file::replace(&self.path, format!("{}\n{id}\n", self.identity).as_bytes())
    }

    /// Removes the note: nothing is at stake any more.
    pub fn close(&self) {
        let _ = fs::remove_file(&self.path);
    }
}
