//! The program's commands.

mod demo;
mod serve;
mod stub;

use std::io::{self, Read};

pub(crate) use demo::Demo;
pub(crate) use serve::Serve;
pub(crate) use stub::Stub;

/// Returns when standard input ends.
fn wait_for_end_of_input() -> io::Result<()> {
    let mut ignored = [0; 1024];
    while io::stdin().lock().read(&mut ignored)? > 0 {}
    Ok(())
}
