//! What a deploy has under way, noted on disk, so that the next run for the same owner knows what one that was killed
//! had no time to hand over or to delete; and the lock that lets one deploy a host run at a time.
//!
//! A machine can also be found by its mark, but a listing lags: an order that was sent just before a SIGKILL would be
//! missed by a run that follows at once. The notes stand in one folder of the user, by the owner's identity: the
//! deployment file has another name in each run of oneprovision.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::opennebula::owner::Owner;
use crate::provider::machine::MachineId;
use crate::provider::spec::Spec;
use crate::system::clock::Clock;
use crate::system::environment::Environment;
use crate::system::file;
use crate::system::interrupt::Interrupt;
use crate::wire::digest::sha256;

/// How often a lock that another deploy holds is tried.
const TRY: Duration = Duration::from_millis(250);

/// The third line of a note: an order got no answer; and where there were more, how many behind it.
const OWED: &str = "an order without an answer";

/// What an earlier run noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The machine, if the order got its answer; else an order was under way.
    pub machine: Option<MachineId>,
    /// How many orders without an answer were under way, beside a machine or alone.
    pub owed: usize,
}

/// What a run that cannot even read `deployment_file` must tell of what an earlier one left: version 0.1.0 noted it
/// beside the file.
pub fn reminder_beside(deployment_file: &Path) -> Option<String> {
    path_beside(deployment_file).exists().then(|| reminder("what it ordered"))
}

fn reminder(what: &str) -> String {
    format!("an earlier deploy was killed, and {what} may be STILL BILLED: deploy again, or look at the provider")
}

fn path_beside(deployment_file: &Path) -> PathBuf {
    let mut path = deployment_file.as_os_str().to_owned();
    path.push(".order");
    path.into()
}

/// The folder of the notes: `$XDG_STATE_HOME/pm-packet`, else `~/.local/state/pm-packet`, else one in /var/tmp that
/// the user's number names.
pub fn folder(environment: &Environment) -> PathBuf {
    let variable = |name| environment.get(name).ok().flatten().map(PathBuf::from);
    let state = variable("XDG_STATE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local/state")))
        .filter(|path| path.is_absolute());
    match state {
        Some(state) => state.join("pm-packet"),
        None => PathBuf::from(format!("/var/tmp/pm-packet-{}", nix::unistd::getuid())),
    }
}

/// The note of one owner.
pub struct Journal {
    path: PathBuf,
    /// Where 0.1.0 noted it.
    beside: Option<PathBuf>,
    identity: String,
    mark: String,
    id: fn(&str) -> Option<MachineId>,
}

/// One deploy of a host at a time, as long as this lives.
pub struct Lock {
    path: PathBuf,
    held: Flock<File>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever waits for it sees that the file is another one, and makes its own.
        let _ = fs::remove_file(&self.path);
        let _ = self.held.relock(FlockArg::Unlock);
    }
}

impl Journal {
    /// The journal in `folder` for this owner at the provider that `spec` describes.
    pub fn in_folder(folder: &Path, spec: &Spec, owner: &Owner) -> Self {
        let identity = owner.identity();
        let digest = sha256(identity.as_bytes());
        let path = folder.join(format!("{}-{}.order", spec.name, &digest[..32]));
        let mark = spec.identity.mark(owner);
        Self { path, beside: None, identity: identity.to_owned(), mark, id: spec.id }
    }

    /// The same, which also reads what 0.1.0 noted beside `deployment_file`.
    pub fn or_beside(self, deployment_file: &Path) -> Self {
        Self { beside: Some(path_beside(deployment_file)), ..self }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the owner's machines bear at the provider.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Waits until no other deploy of this owner runs. `None`: the folder cannot be written, so there is no lock.
    ///
    /// # Errors
    /// The signal that came meanwhile.
    pub fn lock(
        &self,
        clock: &dyn Clock,
        interrupt: &Interrupt,
        on_wait: impl FnOnce(),
    ) -> Result<Option<Lock>, nix::sys::signal::Signal> {
        let path = self.path.with_extension("lock");
        let mut on_wait = Some(on_wait);
        loop {
            interrupt.check()?;
            let Ok(file) = self.open(&path) else {
                return Ok(None);
            };
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) if is_at(&held, &path) => return Ok(Some(Lock { path, held })),
                // Whoever held it has removed it.
                Ok(_) => continue,
                Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => {}
                Err(_) => return Ok(None),
            }
            if let Some(on_wait) = on_wait.take() {
                on_wait();
            }
            clock.sleep(TRY, interrupt)?;
        }
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.make_folder()?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path)
    }

    /// Makes the folder. One that others may write, as somebody may have put it into /var/tmp, is none of ours: whoever
    /// holds its locks would keep every deploy waiting.
    fn make_folder(&self) -> io::Result<()> {
        let Some(folder) = self.path.parent() else {
            return Ok(());
        };
        let found = match fs::symlink_metadata(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return DirBuilder::new().recursive(true).mode(0o700).create(folder);
            }
            found => found?,
        };
        let own = nix::unistd::geteuid();
        let is_own = own.is_root() || found.uid() == own.as_raw();
        match found.is_dir() && is_own && found.mode() & 0o022 == 0 {
            true => Ok(()),
            false => Err(io::Error::other(format!("{} is not a folder of this user alone", folder.display()))),
        }
    }

    /// What an earlier run for the same owner left; none that cannot be read. How old it is says nothing: clocks
    /// jump.
    pub fn read(&self) -> Option<Entry> {
        self.read_at(&self.path).or_else(|| self.read_at(self.beside.as_deref()?))
    }

    fn read_at(&self, path: &Path) -> Option<Entry> {
        let (text, _) = file::read(path, 4096).ok()?;
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(&self.identity) {
            return None;
        }
        let machine = lines.next().and_then(self.id);
        let count = |line: &str| Some(line.strip_prefix(OWED)?.trim().parse().unwrap_or(1));
        let owed = lines.next().and_then(count).unwrap_or(0).max(usize::from(machine.is_none()));
        Some(Entry { machine, owed })
    }

    /// What a run that cannot look must tell of what an earlier one left, if that left anything.
    pub fn reminder(&self) -> Option<String> {
        let what = match self.read()?.machine {
            Some(id) => format!("machine {id}"),
            None => format!("what it ordered (tag {})", self.mark),
        };
        Some(reminder(&what))
    }

    /// Notes that a machine is being ordered, or which one it is; and how many orders without an answer may still bring
    /// another one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn note(&self, machine: Option<&MachineId>, owed: usize) -> io::Result<()> {
        self.make_folder()?;
        let id = machine.map(MachineId::as_str).unwrap_or_default();
        let owed = match owed {
            0 => String::new(),
            1 => OWED.to_owned(),
            count => format!("{OWED} {count}"),
        };
        file::replace(&self.path, format!("{}\n{id}\n{owed}\n", self.identity).as_bytes())
    }

    /// Removes the note: nothing can be left behind any more.
    pub fn close(&self) {
        let _ = fs::remove_file(&self.path);
        if let Some(beside) = &self.beside
            && self.read_at(beside).is_some()
        {
            let _ = fs::remove_file(beside);
        }
    }
}

/// Whether the file that is held is the one that stands at `path`.
fn is_at(held: &File, path: &Path) -> bool {
    match (held.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}
