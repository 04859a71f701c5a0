//! The providers: what the engine asks of each, and the table of those there are.

mod attribute;
pub mod dummy;
pub mod ec2;
pub mod packet;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

use crate::http::error::ApiError;
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::report::finding::Finding;
use crate::report::frame::Report;
use crate::report::secret::Secret;

/// Every provider, in one table. A further one is one file and one row.
pub const BACKENDS: &[Row] = &[packet::ROW, ec2::ROW, dummy::ROW];

/// What is known of a provider before anything is asked of it.
#[derive(Clone, Copy)]
pub struct Row {
    /// The driver's name: the folder in `remotes/pm`, and the host's `PM_MAD`.
    pub name: &'static str,
    /// The settings that say whose machines are seen: credentials, and what else an account is reached by.
    pub account: &'static [&'static str],
    /// Whether an attribute of `PROVISION` is one that this provider reads, and whose value may be shown.
    pub shows: fn(&str) -> bool,
    /// The `PROVISION` attributes that oned encrypts, and that only it can decrypt. Where there are none,
    /// oned is never asked.
    pub secrets: &'static [&'static str],
    /// What a deploy id looks like, for a message.
    pub id_form: &'static str,
    /// Reads a deploy id. MUST refuse whatever could change the address of a request.
    pub id: fn(&str) -> Option<MachineId>,
    /// Makes the order for a host. MUST NOT ask anybody, and MUST name all missing attributes at once.
    pub order: fn(&Host, &Settings<'_>, &Owner, &Report) -> Result<Order>,
    /// Makes a backend with the credentials in the settings. MUST NOT ask anybody.
    pub open: fn(&Settings<'_>, Report) -> Result<Arc<dyn Backend>>,
}

/// The row of the provider `name`.
///
/// # Errors
/// There is none; the error lists those there are.
pub fn row(name: &str) -> Result<&'static Row> {
    match BACKENDS.iter().find(|row| row.name == name) {
        Some(row) => Ok(row),
        None => {
            let known: Vec<&str> = BACKENDS.iter().map(|row| row.name).collect();
            bail!(
                "there is no provider {name:?}: the folder of the link, or PM_MAD, must be one of {}",
                known.join(", ")
            )
        }
    }
}

/// A provider, as the engine sees it: it translates its words into ours.
///
/// A backend MUST NOT sleep, retry or print, and each method MUST send its request at most once (`find`: once
/// a page). Every request MUST end by the moment `by`. What a method cannot do it says with the
/// [`Kind`](crate::http::error::Kind) that decisions hang on; it MUST NOT use `Rejected` for something that passes
/// with time.
pub trait Backend: Send + Sync {
    /// The machines that carry `tag`, exactly. MUST look at every page.
    fn find(&self, tag: &str, by: Instant) -> Result<Vec<Machine>, ApiError>;

    /// Orders one machine, in exactly one request that carries all tags of its owner, so that no machine
    /// without them can exist.
    ///
    /// An error of kind `NotSent` or `RateLimited`, or any that is an answer, MUST mean that nothing was
    /// ordered; where that is not certain the kind is `Ambiguous`.
    fn create(&self, order: &Order, by: Instant) -> Result<Machine, ApiError>;

    /// Looks at a machine. `None`: it is gone.
    fn get(&self, id: &MachineId, by: Instant) -> Result<Option<Machine>, ApiError>;

    /// Tells of a machine that another run ordered `age` ago. A provider whose new machines may not be known
    /// by their id at first MUST NOT, for a while, take what it then says for a proof that it is gone; nor
    /// with a machine that it ordered itself.
    fn announce(&self, _id: &MachineId, _age: Duration) {}

    /// Asks for a change of power. SHOULD return when it is accepted, and MUST NOT wait for it.
    fn power(&self, id: &MachineId, power: Power, by: Instant) -> Result<(), ApiError>;

    /// Asks for the deletion of a machine. One that is gone MUST be a success.
    fn delete(&self, id: &MachineId, by: Instant) -> Result<(), ApiError>;

    /// Does what an order asks for beside the machine, once that is up. MUST be repeatable.
    fn finish(&self, _order: &Order, _id: &MachineId, _by: Instant) -> Result<(), ApiError> {
        Ok(())
    }

    /// What became of a machine that is gone, or on its way there, and why: what may follow "the machine", as
    /// "is terminated (…)". `None` where the provider tells no more of it.
    fn fate(&self, _id: &MachineId, _by: Instant) -> Result<Option<String>, ApiError> {
        Ok(None)
    }

    /// The size of a machine, where asking for it costs a request.
    fn size(&self, machine: &Machine, _by: Instant) -> Result<Option<(u64, u64)>, ApiError> {
        Ok(machine.size)
    }

    /// The machine's traffic.
    fn traffic(&self, _id: &MachineId, _by: Instant) -> Result<Traffic, ApiError> {
        Ok(Traffic::default())
    }

    /// Asks whether the machine that `host` describes could be ordered: whether the credentials are accepted,
    /// and what is named is known and to be had. MUST change nothing; MAY send a request for each question,
    /// and says all that it finds, whatever is missing.
    fn examine(&self, _host: &Host, _by: Instant) -> Vec<Finding> {
        Vec::new()
    }

    /// How long the provider's rate limit asks us to rest.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// Ends the requests under way; later ones MUST work.
    fn abort(&self) {}
}

/// The id of a machine at its provider: what OpenNebula stores as `DEPLOY_ID`. It can only be made by the
/// provider's own check.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(String);

impl MachineId {
    /// An id that its provider has checked.
    fn checked(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as it is printed and sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not there yet: queued, provisioning, powering on, or in a state that we do not know.
    Starting,
    /// Up.
    On,
    /// On its way down.
    Stopping,
    /// Powered off.
    Off,
    /// It could not be provisioned, or not be deprovisioned.
    Failed,
    /// Being deleted.
    Deleting,
}

/// A machine, as the provider describes it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// Whether it runs.
    pub state: State,
    /// The provider's word for its state.
    pub state_name: String,
    /// How far its provisioning is, in per cent, where the provider tells.
    pub progress: Option<f64>,
    /// Its addresses, the one on which the front-end reaches it first.
    pub addresses: Vec<IpAddr>,
    /// Whether somebody protected it from deletion.
    pub locked: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// The number of its CPUs, and its memory in KiB, where the provider has such.
    pub size: Option<(u64, u64)>,
    /// What else `poll` prints: names and values.
    pub values: Vec<(&'static str, String)>,
    /// When it was ordered, where the provider tells.
    pub created: Option<SystemTime>,
    /// The password of root, as long as the provider tells it.
    pub root_password: Option<Secret>,
}

/// A change of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Up.
    On,
    /// Down.
    Off,
    /// Down and up.
    Reboot,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "power-on",
            Self::Off => "power-off",
            Self::Reboot => "reboot",
        })
    }
}

/// The traffic of a machine, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// An order, ready to be sent, and in words that may be shown.
#[derive(Clone, Debug)]
pub struct Order {
    /// The body of the request. It may hold user data, so it is a secret.
    pub body: Secret,
    /// What is ordered: names and values, without the secret ones.
    pub summary: Vec<(&'static str, String)>,
}
