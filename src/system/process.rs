//! What the process sets up for itself before it does anything: its limits, and what it inherited.

use std::path::PathBuf;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{SFlag, fstat, makedev};

/// The exit code of every failure, as the stock driver's `exit(-1)` gives it.
pub const FAILURE: u8 = 255;

/// The number of the last standard stream.
const STDERR: i32 = 2;
/// The device `/dev/null`: its major and its minor number (null(4)).
const NULL: (u64, u64) = (1, 3);

/// Whether what is printed reaches anybody: not where stdout was closed, and not where it is `/dev/null`. These two
/// cannot be told apart: before `main`, the runtime of Rust opens `/dev/null` in the place of what was closed.
pub fn stdout_reaches_somebody() -> bool {
    let Ok(stdout) = fstat(std::io::stdout()) else {
        return false;
    };
    let is_device = stdout.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits();
    !(is_device && stdout.st_rdev == makedev(NULL.0, NULL.1))
}

/// The folder that the program of this process stands in, whatever link it was called by.
pub fn folder_of_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.parent().map(PathBuf::from)
}

/// Closes whatever the caller left open beside the standard streams: a lock or a connection of somebody else's
/// must not live as long as a deploy. Call it while nothing of our own is open.
pub fn close_what_is_inherited() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers: Vec<i32> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > STDERR)
        .collect();
    for number in numbers {
        // The one that the listing itself took is closed already.
        let _ = nix::unistd::close(number);
    }
}

/// A write beyond the limit of a file's size is an error, and not the end of the process (setrlimit(2)). Call it before
/// any thread is started: they inherit it.
pub fn survive_file_limits() {
    let mut limit = SigSet::empty();
    limit.add(Signal::SIGXFSZ);
    let _ = limit.thread_block();
}

/// No core dump, for a token would be in it. Call it before anything secret is read.
///
/// The limit alone does not keep a kernel from piping the core to a program (core(5)); not being dumpable
/// does, and other processes of the user cannot look into the memory either. Where the system refuses, the
/// action is worth more.
pub fn forbid_core_dumps() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}
