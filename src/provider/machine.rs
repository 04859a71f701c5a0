//! A machine, as every provider's words are translated.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use super::form::is_uuid;
use crate::report::secret::Secret;

/// The id of a machine at its provider: what OpenNebula stores as `DEPLOY_ID`. It is made by the provider's own
/// reading of an id, and may hold its place (`zone/uuid`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(String);

impl MachineId {
    /// An id that its provider has read: nothing in it may change the address of a request.
    pub(super) fn checked(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// An id that is a UUID, as nothing else is ever put into an address.
    pub fn uuid(text: &str) -> Option<Self> {
        is_uuid(text).then(|| Self(text.to_ascii_lowercase()))
    }

    /// An id of any form, for tests.
    #[cfg(test)]
    pub(crate) fn scripted(text: impl Into<String>) -> Self {
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

/// What a machine is, of all that providers tell: its delivery, its installation and its power in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not there yet: queued, provisioning, installing, powering on, or in a state that we do not know.
    Starting,
    /// Up: delivered, installed and powered on.
    On,
    /// On its way down.
    Stopping,
    /// Powered off.
    Off,
    /// It could not be provisioned, or not be deprovisioned.
    Failed,
    /// Being deleted.
    Deleting,
    /// No more, and shown as such for a while: a tombstone.
    Gone,
}

/// A machine, as the provider describes it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// What it is.
    pub state: State,
    /// The provider's word for its state, on one line.
    pub state_name: String,
    /// Why it is in that state, where the provider tells; some tell it once.
    pub reason: Option<String>,
    /// What somebody may do about a failure, where the provider's words tell.
    pub remedy: Option<&'static str>,
    /// Of an answer to an order with an idempotency key: whether an earlier order brought the machine.
    pub is_of_earlier_order: bool,
    /// Whether the provider tells that the change of power that was asked for last failed: `reason` says why.
    pub power_failed: bool,
    /// How far its provisioning is, in per cent, where the provider tells.
    pub progress: Option<f64>,
    /// Its name or host name at the provider.
    pub name: Option<String>,
    /// Its tags; one with a value is `key=value`.
    pub tags: Vec<String>,
    /// Its addresses, the one on which the front-end reaches it first.
    pub addresses: Vec<IpAddr>,
    /// Whether somebody protected it from deletion.
    pub locked: bool,
    /// The number of its CPUs, and its memory in KiB, where the provider has such.
    pub size: Option<(u64, u64)>,
    /// The plan it was ordered as.
    pub plan: Option<String>,
    /// Where it stands.
    pub place: Option<String>,
    /// What else `poll` prints: names and values.
    pub values: Vec<(&'static str, String)>,
    /// When it was ordered, where the provider tells.
    pub created: Option<SystemTime>,
    /// The password of root, as long as the provider tells it.
    pub root_password: Option<Secret>,
}

impl Machine {
    /// A machine of which no more is known.
    pub fn new(id: MachineId, state: State, state_name: impl Into<String>) -> Self {
        Self {
            id,
            state,
            state_name: state_name.into(),
            reason: None,
            remedy: None,
            is_of_earlier_order: false,
            power_failed: false,
            progress: None,
            name: None,
            tags: Vec::new(),
            addresses: Vec::new(),
            locked: false,
            size: None,
            plan: None,
            place: None,
            values: Vec::new(),
            created: None,
            root_password: None,
        }
    }

    /// What `poll` prints of it under this name.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut values = self.values.iter();
        values.find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
    }

    /// The same with `word` for each of the provider's words that is only told, not gone by.
    pub(super) fn reworded(self, word: impl Fn(&str) -> String) -> Self {
        let values = self.values.into_iter();
        Self {
            state_name: word(&self.state_name),
            reason: self.reason.as_deref().map(&word),
            plan: self.plan.as_deref().map(&word),
            place: self.place.as_deref().map(&word),
            values: values.map(|(name, text)| (name, word(&text))).collect(),
            ..self
        }
    }
}

/// The values that there are, as `poll` prints them.
pub fn values<const N: usize>(values: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
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

impl Power {
    /// The one of these that is for this change.
    pub fn pick<T>(self, [on, off, reboot]: [T; 3]) -> T {
        match self {
            Self::On => on,
            Self::Off => off,
            Self::Reboot => reboot,
        }
    }
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

/// Addresses, those first on which the front-end reaches a machine: public IPv4, public IPv6, private ones. Each is given
/// with whether it is public, and comes once.
pub fn by_reach(addresses: impl Iterator<Item = (bool, IpAddr)>) -> Vec<IpAddr> {
    let mut ranked: Vec<(bool, IpAddr)> = addresses.collect();
    ranked.sort_by_key(|(is_public, address)| (!is_public, address.is_ipv6()));
    let mut ordered: Vec<IpAddr> = Vec::new();
    for (_, address) in ranked {
        if !ordered.contains(&address) {
            ordered.push(address);
        }
    }
    ordered
}

/// A size of memory such as `8GB`, `64GiB` or `1.5 TB`, in KiB; providers count it in powers of two.
pub fn kib(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
    let unit = text[digits.len()..].trim().to_ascii_uppercase();
    let factor = match unit.trim_end_matches('B').trim_end_matches('I') {
        "K" => 1.0,
        "M" => 1024.0,
        "" | "G" => 1024.0 * 1024.0,
        "T" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    // A size that is none becomes zero, and one beyond all machines the largest number.
    Some((digits.parse::<f64>().ok()? * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_are_read() {
        assert_eq!(kib("8GB"), Some(8_388_608));
        assert_eq!(kib("1TB"), Some(1 << 30));
        assert_eq!(kib("1.5 TB"), Some(3 << 29));
        assert_eq!(kib("512MB"), Some(524_288));
        assert_eq!(kib("64GiB"), Some(64 << 20));
        for text in ["", "GB", "8PB", "8 bananas", "é"] {
            assert_eq!(kib(text), None, "{text}");
        }
        assert_eq!(kib("-8GB"), Some(0));
    }

    #[test]
    fn the_public_ipv4_comes_first_and_each_address_once() {
        let given = [
            (false, "10.80.0.11"),
            (true, "2604:1380:1000::b"),
            (true, "147.75.0.11"),
            (false, "10.80.0.11"),
            (false, "fd00::1"),
        ];
        let given = given.map(|(is_public, text)| (is_public, text.parse().unwrap()));
        let ordered: Vec<String> = by_reach(given.into_iter()).iter().map(IpAddr::to_string).collect();
        assert_eq!(ordered, ["147.75.0.11", "2604:1380:1000::b", "10.80.0.11", "fd00::1"]);
    }

    #[test]
    fn only_uuids_are_deploy_ids() {
        assert!(MachineId::uuid("B9EB1666-1b72-45ee-b529-806b079ce5af").is_some());
        for text in [
            "",
            "../projects/f3f131c8-f302-49ef-8c44-9405022dc6dd",
            "b9eb1666-1b72-45ee-b529-806b079ce5af/actions",
            "b9eb1666-1b72-45ee-b529-806b079ce5a\n",
            "b9eb1666x1b72-45ee-b529-806b079ce5af",
            "1002",
        ] {
            assert!(MachineId::uuid(text).is_none(), "{text}");
        }
    }
}
