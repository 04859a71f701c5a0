//! `pm-packet`: an OpenNebula provision driver in one binary.
//!
//! oneprovision calls `remotes/pm/<driver>/{deploy,poll,cancel,reboot,reset,shutdown}`, which are links to
//! this binary. Data enters as arguments and XML and leaves as HTTP:
//!
//! ```text
//! argv ─ Invocation ─▶ action ─ Host ◀─ deployment file / oned
//!                        │
//!                        ▼
//!                    lifecycle ──▶ Backend (packet, dummy, …) ──▶ http ──▶ provider
//!                        │
//!                        ▼
//!                      report ──▶ stdout (the contract) / stderr (the error frame)
//! ```

#![forbid(unsafe_code)]

pub mod action;
pub mod backend;
pub mod cli;
pub mod file;
pub mod finding;
pub mod host;
pub mod http;
pub mod interrupt;
pub mod journal;
pub mod lifecycle;
pub mod moment;
pub mod opennebula;
pub mod pace;
pub mod process;
pub mod progress;
pub mod proxy;
pub mod report;
pub mod retry;
pub mod secret;
pub mod table;
pub mod userdata;
pub mod xml;

/// The exit code of every failure, as the stock driver's `exit(-1)` gives it.
pub const FAILURE: u8 = 255;

/// The exit code of `check` and `list` where they found something wrong.
pub const UNWELL: u8 = 1;
