//! The program's commands.

mod demo;
mod scratch;
mod screen;
mod serve;

pub(crate) use demo::Demo;
pub(crate) use serve::Serve;
