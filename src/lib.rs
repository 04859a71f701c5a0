//! `pm-packet`: an OpenNebula provision driver in one binary.
//!
//! oneprovision calls `remotes/pm/<driver>/{deploy,poll,cancel,reboot,reset,shutdown}`, which are links to
//! this binary. Data enters as arguments and XML and leaves as HTTP:
//!
//! ```text
//! argv ─ Invocation ─▶ action ─ Host ◀─ deployment file / oned
//!                        │
//!                        ▼
//!                    engine ──▶ Provider (packet, ec2, …) ──▶ http ──▶ provider
//!                        │
//!                        ▼
//!                      report ──▶ stdout (the contract) / stderr (the error frame)
//! ```

#![forbid(unsafe_code)]

pub mod action;
pub mod cli;
pub mod engine;
pub mod http;
pub mod opennebula;
pub mod provider;
pub mod report;
pub mod system;
pub mod wire;

pub use system::process::FAILURE;

/// The exit code of `check` and `list` where they found something wrong.
pub const UNWELL: u8 = 1;
