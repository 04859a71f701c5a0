//! What Packet answers: its JSON becomes machines, traffic and reasons.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::id;
use crate::provider::{Machine, State, Traffic};
use crate::report::frame::one_line;
use crate::report::secret::Secret;
use crate::wire::time;

/// Reads the machine that an answer describes.
///
/// # Errors
/// It is no JSON, or describes none. The error quotes nothing of it.
pub fn read_machine(body: &[u8]) -> Result<Machine> {
    let device: Device = parse(body)?;
    device.into_machine().context(NO_UUID)
}

/// Reads, of one page of a listing, the machines that carry `tag`, and whether it is the last one.
///
/// # Errors
/// It is no such page, or holds more machines than a page has.
pub fn read_page(body: &[u8], tag: &str) -> Result<(Vec<Machine>, bool)> {
    let list: DeviceList = parse(body)?;
    let is_last = list.devices.0.is_empty() || list.meta.and_then(|meta| meta.next).is_none();
    // The filter is the server's; whose a machine is, is too important to trust it.
    let ours = |device: &Device| device.tags.iter().flatten().any(|own| own == tag);
    let ours = list.devices.0.into_iter().filter(ours);
    let machines = ours.map(|device| device.into_machine().context(NO_UUID));
    Ok((machines.collect::<Result<_>>()?, is_last))
}

/// Reads the traffic that an answer tells.
///
/// # Errors
/// It is no JSON object.
pub fn read_traffic(body: &[u8]) -> Result<Traffic> {
    let bandwidth: Bandwidth = parse(body)?;
    let series = bandwidth.bandwidth.unwrap_or_default();
    let sum = |target: &str| {
        let points = series
            .iter()
            .filter(|one| one.target.as_deref() == Some(target))
            .flat_map(|one| one.datapoints.iter().flatten());
        let kilobits: f64 = points.filter_map(|(value, _)| *value).sum();
        // Kilobits to bytes, as the stock driver reckons.
        (kilobits * 1024.0 / 8.0) as u64
    };
    Ok(Traffic {
        received: sum("inbound"),
        sent: sum("outbound"),
    })
}

/// Reads the reasons of an error: none where it is not the API's, such as the page of a proxy.
pub fn read_reasons(body: &[u8]) -> Vec<String> {
    let Ok(Reasons { errors, error }) = serde_json::from_slice(body) else {
        return Vec::new();
    };
    errors.into_iter().flatten().chain(error).collect()
}

/// Reads JSON. Unlike serde's, the error does not quote what was read instead: it may be a password.
fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "it has not the form that is described",
            Category::Eof => "it is cut off",
            Category::Syntax | Category::Io => "it is no JSON",
        };
        anyhow!("{what}, at line {} column {}", error.line(), error.column())
    })
}

const NO_UUID: &str = "it names a machine whose id is no UUID";

/// The most items of a list: more than any machine has, and than a page may be asked to hold. What a list of
/// empty items takes in memory is many times its text.
const ITEMS: usize = 1000;

/// Field by field: one that has another type than described is as if it were null, so that what we do not
/// need cannot spoil the answer.
pub fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    d: D,
) -> Result<Option<T>, D::Error> {
    let text = Box::<RawValue>::deserialize(d)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// The same for a list, item by item. One that is too long is as if it were null.
pub fn lenient_items<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    d: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let items: Option<Items<Lenient<T>>> = lenient(d)?;
    Ok(items.map(|items| items.0.into_iter().filter_map(|item| item.0).collect()))
}

/// One item, if it has the type that is described.
struct Lenient<T>(Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        lenient(d).map(Self)
    }
}

/// A list that is not too long.
struct Items<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(Self(Vec::new()))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Self, A::Error> {
        while let Some(item) = items.next_element()? {
            if self.0.len() == ITEMS {
                return Err(A::Error::custom(format_args!(
                    "a list has more than {ITEMS} items"
                )));
            }
            self.0.push(item);
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct Device {
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    provisioning_percentage: Option<f64>,
    #[serde(default, deserialize_with = "lenient_items")]
    ip_addresses: Option<Vec<Address>>,
    #[serde(default, deserialize_with = "lenient")]
    locked: Option<bool>,
    #[serde(default, deserialize_with = "lenient_items")]
    tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    root_password: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    plan: Option<Plan>,
    #[serde(default, deserialize_with = "lenient")]
    facility: Option<Place>,
    #[serde(default, deserialize_with = "lenient")]
    metro: Option<Place>,
    #[serde(default, deserialize_with = "lenient")]
    operating_system: Option<OperatingSystem>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default, deserialize_with = "lenient")]
    address: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    public: Option<bool>,
}

#[derive(Deserialize)]
struct Plan {
    #[serde(default, deserialize_with = "lenient")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    specs: Option<Specs>,
}

#[derive(Deserialize)]
struct Specs {
    #[serde(default, deserialize_with = "lenient_items")]
    cpus: Option<Vec<Cpus>>,
    #[serde(default, deserialize_with = "lenient")]
    memory: Option<Memory>,
}

#[derive(Deserialize)]
struct Cpus {
    #[serde(default, deserialize_with = "lenient")]
    count: Option<u64>,
}

#[derive(Deserialize)]
struct Memory {
    #[serde(default, deserialize_with = "lenient")]
    total: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default, deserialize_with = "lenient")]
    code: Option<String>,
}

#[derive(Deserialize)]
struct OperatingSystem {
    #[serde(default, deserialize_with = "lenient")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    distro: Option<String>,
}

#[derive(Deserialize)]
struct DeviceList {
    devices: Items<Device>,
    #[serde(default, deserialize_with = "lenient")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "lenient")]
    next: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Bandwidth {
    #[serde(default, deserialize_with = "lenient_items")]
    bandwidth: Option<Vec<Series>>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default, deserialize_with = "lenient")]
    target: Option<String>,
    #[serde(default, deserialize_with = "lenient_items")]
    datapoints: Option<Vec<(Option<f64>, IgnoredAny)>>,
}

#[derive(Deserialize)]
struct Reasons {
    #[serde(default, deserialize_with = "lenient_items")]
    errors: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    error: Option<String>,
}

/// The API's states. Those it does not describe are not there yet, never an error.
fn state(name: &str) -> State {
    match name {
        "active" => State::On,
        "inactive" => State::Off,
        "powering_off" | "rebooting" => State::Stopping,
        "failed" => State::Failed,
        "deprovisioning" | "deleted" => State::Deleting,
        _ => State::Starting,
    }
}

impl Device {
    fn into_machine(self) -> Option<Machine> {
        let state_name = one_line(self.state.as_deref().unwrap_or("unknown"));
        let specs = self.plan.as_ref().and_then(|plan| plan.specs.as_ref());
        let cpus = specs
            .and_then(|specs| specs.cpus.as_ref()?.first()?.count)
            .unwrap_or_default();
        let memory = specs
            .and_then(|specs| kib(specs.memory.as_ref()?.total.as_deref()?))
            .unwrap_or_default();
        let system = self.operating_system.as_ref();
        let mut values = Vec::new();
        let mut add = |name, value: Option<&str>| {
            values.extend(value.map(|value| (name, value.to_owned())));
        };
        add("OS", system.and_then(|system| system.slug.as_deref()));
        add(
            "PLAN",
            self.plan.as_ref().and_then(|plan| plan.slug.as_deref()),
        );
        add(
            "FACILITY",
            self.facility
                .as_ref()
                .and_then(|place| place.code.as_deref()),
        );
        add(
            "METRO",
            self.metro.as_ref().and_then(|place| place.code.as_deref()),
        );
        let logo = system
            .and_then(|system| system.distro.as_deref())
            .map(|distro| format!("images/logos/{distro}.png"));
        add("LOGO", logo.as_deref());
        Some(Machine {
            id: id(&self.id)?,
            state: state(&state_name),
            state_name,
            progress: self.provisioning_percentage,
            addresses: addresses(self.ip_addresses.as_deref().unwrap_or_default()),
            locked: self.locked.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            size: Some((cpus, memory)),
            values,
            created: self.created_at.as_deref().and_then(time::rfc3339),
            root_password: self
                .root_password
                .filter(|password| !password.is_empty())
                .map(Secret::new),
        })
    }
}

/// The machine's addresses: public IPv4 first, as the front-end reaches the host on it, then public IPv6,
/// then private ones. The API promises no order.
fn addresses(given: &[Address]) -> Vec<IpAddr> {
    let mut ranked: Vec<(bool, bool, IpAddr)> = given
        .iter()
        .filter_map(|entry| {
            let address = IpAddr::from_str(entry.address.as_deref()?.trim()).ok()?;
            Some((
                !entry.public.unwrap_or_default(),
                address.is_ipv6(),
                address,
            ))
        })
        .collect();
    ranked.sort_by_key(|(private, v6, _)| (*private, *v6));
    ranked.into_iter().map(|(_, _, address)| address).collect()
}

/// A size such as `8GB` or `1.5TB`, in KiB; the API counts in powers of two.
fn kib(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
    let unit = text[digits.len()..].trim().to_ascii_uppercase();
    let factor = match unit.trim_end_matches('B').trim_end_matches('I') {
        "K" => 1.0,
        "M" => 1024.0,
        "" | "G" => 1024.0 * 1024.0,
        "T" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let size = digits.parse::<f64>().ok()? * factor;
    // A size that is none becomes zero, and one beyond all machines the largest number.
    Some(size as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn the_public_ipv4_comes_first() {
        let entry = |address: &str, public: bool| Address {
            address: Some(address.to_owned()),
            public: Some(public),
        };
        let ordered: Vec<String> = addresses(&[
            entry("10.80.0.11", false),
            entry("2604:1380:1000::b", true),
            entry("147.75.0.11", true),
            entry("not an address", true),
        ])
        .iter()
        .map(IpAddr::to_string)
        .collect();
        assert_eq!(ordered, ["147.75.0.11", "2604:1380:1000::b", "10.80.0.11"]);
    }

    #[test]
    fn a_field_of_another_type_does_not_spoil_the_answer() -> Result<()> {
        let device: Device = serde_json::from_value(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "state": "active",
            "locked": "maybe",
            "plan": { "slug": "baremetal_0", "specs": { "cpus": {}, "memory": { "total": "8GB" } } },
            "ip_addresses": null,
        }))?;
        let machine = device.into_machine().context("no machine")?;
        assert_eq!(machine.state, State::On);
        assert_eq!(machine.size, Some((0, 8_388_608)));
        Ok(())
    }

    #[test]
    fn a_null_in_a_list_does_not_spoil_the_list() -> Result<()> {
        let device: Device = serde_json::from_value(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "tags": ["OpenNebula", null, 7],
            "ip_addresses": [null, { "address": "147.75.0.11", "public": true }, "x"],
        }))?;
        let machine = device.into_machine().context("no machine")?;
        assert_eq!(machine.tags, ["OpenNebula"]);
        assert_eq!(machine.addresses.len(), 1);
        Ok(())
    }

    #[test]
    fn unknown_states_are_not_errors() {
        assert_eq!(state("post_provisioning"), State::Starting);
    }
}
