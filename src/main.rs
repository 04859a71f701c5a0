//! Arguments in, exit code out; all else is in the library.
//!
//! The entry is C's `main` and not Rust's, for two reasons. Rust's start-up opens `/dev/null` in the place of
//! a stdout that the caller closed, and a deploy id printed there would be lost without an error. And what it
//! prepares for overflowing stacks, reading `/proc/self/maps` among it, is a quarter of what a start costs.
//! glibc hands the arguments to the standard library all the same (`std::env::args_os`, "platform behaviour").

#![no_main]

use std::ffi::c_int;

use pm_packet::cli;
use pm_packet::system::environment::Environment;

/// The only unsafe thing here is the promise that no other `main` is linked.
#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    cli::run(std::env::args_os(), &Environment::of_process()).into()
}
