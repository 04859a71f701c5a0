//! What the process denies itself, before it holds a secret.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

/// No core dump, for a token would be in it.
///
/// The limit alone does not keep a kernel from piping the core to a program (core(5)); not being dumpable
/// does, and other processes of the user cannot look into the memory either. Where the system refuses, the
/// action is worth more.
pub fn set() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}
