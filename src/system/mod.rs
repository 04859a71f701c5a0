//! The process and the machine it runs on: its environment, streams, signals and files.

pub mod clock;
pub mod environment;
pub mod file;
pub mod interrupt;
pub mod output;
pub mod process;
pub mod terminal;
