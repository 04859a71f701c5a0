//! The simulator as a program: `serve` and `stub` for trying a driver by hand, `demo` for seeing one at work.

mod program;

use std::process::ExitCode;

use argh::FromArgs;

/// A Packet API and an OpenNebula oned on loopback, or a stub of another provider, for a provision driver to talk to.
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Serve(program::Serve),
    Stub(program::Stub),
    Demo(program::Demo),
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let done = match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Stub(stub) => stub.run(),
        Command::Demo(demo) => demo.run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pm-packet-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
