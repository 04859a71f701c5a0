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
pub mod host;
pub mod http;
pub mod interrupt;
pub mod journal;
pub mod lifecycle;
pub mod limits;
pub mod opennebula;
pub mod report;
pub mod retry;
pub mod secret;
pub mod userdata;
pub mod xml;

/// The exit code of every failure, as the stock driver's `exit(-1)` gives it.
pub const FAILURE: u8 = 255;
