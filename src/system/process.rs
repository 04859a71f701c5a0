//! What the process sets up for itself before it does anything: its limits and its standard streams.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal};

/// The number of the last standard stream.
const STDERR: i32 = 2;

/// Sets up the process; whether its stdout is open. Call it before any file is opened and any thread started.
pub fn prepare() -> bool {
    forbid_core_dumps();
    // A write to a pipe that nobody reads must come back as an error: the engine then rolls back.
    let mut broken_pipe = SigSet::empty();
    broken_pipe.add(Signal::SIGPIPE);
    let _ = broken_pipe.thread_block();
    let has_stdout = fcntl(std::io::stdout().as_fd(), FcntlArg::F_GETFD).is_ok();
    occupy_standard_streams();
    has_stdout
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

/// No core dump, for a token would be in it.
///
/// The limit alone does not keep a kernel from piping the core to a program (core(5)); not being dumpable
/// does, and other processes of the user cannot look into the memory either. Where the system refuses, the
/// action is worth more.
fn forbid_core_dumps() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}

/// Puts `/dev/null` in the place of closed standard streams. Else a socket would take their number, and what
/// is printed would be sent there.
fn occupy_standard_streams() {
    while let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") {
        if null.as_raw_fd() > STDERR {
            break;
        }
        let _stays_open = null.into_raw_fd();
    }
}
