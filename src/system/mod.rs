//! The process and the machine it runs on: its streams, its signals, its files.

pub mod clock;
pub mod file;
pub mod interrupt;
pub mod process;
