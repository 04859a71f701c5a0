//! Arguments in, exit code out; all else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pm_packet::cli::run(
        std::env::args_os(),
        &pm_packet::host::Environment::of_process(),
    )
}
