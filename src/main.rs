//! Arguments in, exit code out; all else is in the library.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use pm_packet::cli;
use pm_packet::system::environment::Environment;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &Environment::of_process()).into()
}
