//! A stateful Packet API and a oned on loopback, with faults on demand, and a port of their caller, oneprovision.
//! Other providers are played from fixture folders: see [`stub`].
//!
//! ```
//! use simulator::{Effect, Fault, HostTemplate, Operation, Options, Simulator};
//!
//! let simulator = Simulator::start(Options::default())?;
//! let host = simulator.oned().add(&HostTemplate::new(7))?;
//! // The next order is carried out, but its answer is lost:
//! simulator.fault(Fault::new(Operation::Create, Effect::DropAfter { reset: true }));
//! // … run the driver against simulator.api_url() and simulator.oned_url() …
//! assert!(simulator.devices().is_empty(), "nothing may be left behind");
//! # assert_eq!(host, 7);
//! # anyhow::Ok(())
//! ```

// json! takes a step of recursion a token: a device has many fields.
#![recursion_limit = "256"]

mod api;
mod catalogue;
mod clock;
mod desk;
mod device;
pub mod ec2;
mod fault;
mod http;
mod log;
mod millis;
mod oned;
pub mod oneprovision;
mod options;
mod random;
pub mod shape;
mod simulator;
pub mod stub;
mod world;
mod xml;

pub use device::{Address, Device, NewDevice, State};
pub use fault::{Answer, Effect, Fault, Operation};
pub use log::{Request, Service};
pub use oned::{HostTemplate, ONE_KEY, Oned, SESSION};
pub use oneprovision::Oneprovision;
pub use options::{Options, RateLimit, Version};
/// The password that the stub of Ironic takes of the user `one`.
pub const IRONIC_PASSWORD: &str = "bare-metal-secret-1";
/// The secret key that the stub of Scaleway takes.
pub const SCALEWAY_KEY: &str = "11111111-2222-4333-8444-555555555555";

pub use simulator::{ENCRYPTED_TOKEN, ENCRYPTED_TOKEN_5_8, PROJECT, Simulator, TOKEN};
