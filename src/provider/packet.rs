//! Packet, later Equinix Metal.
//!
//! What is relied on was observed, or stands in the API description that Equinix published (`Device`,
//! `DeviceCreateInput`, `DeviceActionInput`); its operator ended the public service on 2026-06-30, so the address of
//! the API is a setting.

mod preflight;

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::account::Account;
use super::api::Api;
use super::attribute::{Attribute, Form, is_uuid};
use super::auth::{Auth, Endpoint};
use super::call::Call;
use super::explanation::Explanation;
use super::machine::{Machine, MachineId, Power, State, Traffic};
use super::order::Order;
use super::spec::{Absence, Format, Identity, PowerControl, Spec, UserDataForm};
use super::{Filter, Provider};
use crate::http::error::{ApiError, Kind};
use crate::http::url::percent_encode;
use crate::opennebula::owner::Owner;
use crate::report::finding::Finding;
use crate::report::frame::one_line;
use crate::report::secret::Secret;
use crate::wire::time;
use crate::wire::tree::Tree;

/// Packet.
pub struct Packet;

const SPEC: Spec = Spec {
    name: "packet",
    id_form: "a UUID",
    id: |text| is_uuid(text).then(|| MachineId::checked(text.to_ascii_lowercase())),
    attributes: ATTRIBUTES,
    answers: Format::Json,
    user_data: UserDataForm::plain("userdata", usize::MAX),
    identity: Identity::Tags { field: "tags" },
    order_within: Duration::from_secs(60),
    appears_within: Duration::from_secs(12),
    absence: Absence::NotFound,
    has_idempotency_key: false,
    has_objects: false,
    power: PowerControl::FULL,
};

/// `LOCKED` is left out with intent: a locked machine cannot be deleted, so a failed deploy would leave it.
#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    Attribute::credential("PACKET_TOKEN", "the API key").required(),
    Attribute::new("PACKET_PROJECT", "the UUID of the project").form(Form::Own("UUID", project)).account().required(),
    Attribute::address("PACKET_API_URL", "where the API is").default("https://api.equinix.com/metal/v1"),
    Attribute::sent("FACILITY", "facility", Form::OneOrList, "the place, or several by preference").required().or("METRO").place(),
    Attribute::sent("PLAN", "plan", Form::Text, "the kind of machine").required().plan(),
    Attribute::sent("OS", "operating_system", Form::Text, "the operating system").required(),
    Attribute::sent("METRO", "metro", Form::Text, "the place, of newer APIs").place(),
    Attribute::sent("HOSTNAME", "hostname", Form::Text, "the host name"),
    Attribute::sent("BILLING_CYCLE", "billing_cycle", Form::Text, "hourly, monthly or yearly"),
    Attribute::sent("HARDWARE_RESERVATION", "hardware_reservation_id", Form::Text, "a reserved server, or next-available"),
    Attribute::sent("DESCRIPTION", "description", Form::Text, "what it is for"),
    Attribute::sent("IPXE_SCRIPT_URL", "ipxe_script_url", Form::Text, "what custom_ipxe boots"),
    Attribute::sent("ALWAYS_PXE", "always_pxe", Form::Flag, "boots by PXE every time"),
    Attribute::sent("SPOT_INSTANCE", "spot_instance", Form::Flag, "on the spot market"),
    Attribute::sent("SPOT_PRICE_MAX", "spot_price_max", Form::Number, "the most that it may cost an hour"),
    Attribute::sent("TERMINATION_TIME", "termination_time", Form::Time, "when the provider takes it back"),
    Attribute::sent("PROJECT_SSH_KEYS", "project_ssh_keys", Form::Uuids, "keys of the project"),
    Attribute::sent("USER_SSH_KEYS", "user_ssh_keys", Form::Uuids, "keys of users"),
    Attribute::sent("NO_SSH_KEYS", "no_ssh_keys", Form::Flag, "no key but the context's"),
    Attribute::sent("FEATURES", "features", Form::List, "what the server must have"),
    Attribute::sent("CUSTOMDATA", "customdata", Form::Object, "what the metadata service hands out").private(),
    Attribute::sent("PUBLIC_IPV4_SUBNET_SIZE", "public_ipv4_subnet_size", Form::Prefix, "the public subnet"),
    Attribute::sent("PRIVATE_IPV4_SUBNET_SIZE", "private_ipv4_subnet_size", Form::Prefix, "the private subnet"),
    Attribute::sent("IP_ADDRESSES", "ip_addresses", Form::Objects, "addresses to have"),
    Attribute::sent("NETWORK_FROZEN", "network_frozen", Form::Flag, "no change of the network"),
    Attribute::sent("STORAGE", "storage", Form::Object, "disks, partitions, file systems"),
    Attribute::new("TAGS", "tags beside those of OpenNebula").form(Form::List),
];

/// Machines a page of a listing; the API allows up to 1000.
const PAGE: usize = 100;
/// The time of which `poll` sums up the traffic.
const TRAFFIC: Duration = Duration::from_secs(3600);

fn project(written: &str) -> Result<Value> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !written.bytes().all(plain) {
        bail!("is no project id: set it to the UUID of the project");
    }
    Ok(json!(written))
}

/// The path of the project's machines.
fn devices(api: &Api<'_>) -> Result<String, ApiError> {
    match api.setting("PACKET_PROJECT") {
        "" => Err(ApiError {
            remedy: "put it into the section provision of the host's template".into(),
            ..api.problem(Kind::Rejected, "there is no PACKET_PROJECT")
        }),
        project => Ok(format!("/projects/{project}/devices")),
    }
}

impl Provider for Packet {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        let token = account.secret("PACKET_TOKEN").cloned();
        Ok(Endpoint {
            base: account.get("PACKET_API_URL").trim_end_matches('/').to_owned(),
            auth: Auth::Header("x-auth-token", token.unwrap_or_default()),
        })
    }

    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        let devices = devices(api)?;
        let tag = match filter {
            Filter::Marked(mark) => format!("tag={}&", percent_encode(mark)),
            Filter::Ours => format!("tag={}&", Owner::COMMON_TAG),
            Filter::Account => String::new(),
        };
        let mut number = 0;
        api.pages(|_| {
            number += 1;
            let path = format!("{devices}?{tag}per_page={PAGE}&page={number}");
            api.read(&Call::get(&path), read_page)
        })
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        api.read(&Call::order(&devices(api)?).json(&order.body), machine)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        api.read(&Call::get(&format!("/devices/{id}")), machine)
    }

    fn power(
        &self,
        api: &Api<'_>,
        id: &MachineId,
        power: Power,
    ) -> Result<Option<State>, ApiError> {
        let action = match power {
            Power::On => "power_on",
            Power::Off => "power_off",
            Power::Reboot => "reboot",
        };
        let path = format!("/devices/{id}/actions");
        api.send(&Call::post(&path).json(&json!({ "type": action })))?;
        // After `reboot` a device stays `active` for a while: the answer shows nothing.
        Ok(None)
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        api.send(&Call::delete(&format!("/devices/{id}")))
    }

    fn explain(&self, _: &Account, status: u16, body: &Tree) -> Explanation {
        let reasons = read_reasons(body);
        let says = |word: &str| {
            let mut reasons = reasons.iter();
            reasons.any(|reason| reason.to_ascii_lowercase().contains(word))
        };
        let kind = match status {
            404 | 410 if !reasons.is_empty() => Some(Kind::NotFound),
            401 | 403 | 404 | 408 | 410 | 429 => None,
            // "Cannot delete a device while it is provisioning" passes with time, "Cannot delete a locked item."
            // does not.
            400..500 if says("while") && says("provisioning") => Some(Kind::Conflict),
            400..500 if says("locked") => Some(Kind::Protected),
            _ => None,
        };
        Explanation {
            kind,
            remedy: (status == 403).then_some("check that PACKET_TOKEN may use PACKET_PROJECT"),
            reasons,
            ..Explanation::default()
        }
    }

    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        preflight::ask(api, order)
    }

    fn traffic(&self, api: &Api<'_>, id: &MachineId) -> Result<Traffic, ApiError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let from = now.saturating_sub(TRAFFIC).as_secs();
        let path = format!("/devices/{id}/bandwidth?from={from}&until={}", now.as_secs());
        api.read(&Call::get(&path), |answer| Ok(read_traffic(answer)))
    }
}

// ---- The answers -----------------------------------------------------------------------------------------

/// The machines of a page, and whether there is a next one.
fn read_page(page: &Tree) -> Result<(Vec<Machine>, Option<String>)> {
    let machines = page.list("devices")?.map(machine).collect::<Result<Vec<_>>>()?;
    let has_next = !machines.is_empty() && !page.at("meta.next").is_null();
    Ok((machines, has_next.then(String::new)))
}

/// The machine that an answer describes.
///
/// # Errors
/// It describes none.
pub fn machine(device: &Tree) -> Result<Machine> {
    let id = device.text("id").and_then(SPEC.id);
    let id = id.context("it names a machine whose id is no UUID")?;
    let word = one_line(device.text("state").unwrap_or("unknown"));
    let own = |path: &str| device.text(path).map(str::to_owned);
    let (plan, metro, facility) = (own("plan.slug"), own("metro.code"), own("facility.code"));
    let logo = own("operating_system.distro").map(|distro| format!("images/logos/{distro}.png"));
    let values = [
        ("OS", own("operating_system.slug")),
        ("PLAN", plan.clone()),
        ("FACILITY", facility.clone()),
        ("METRO", metro.clone()),
        ("LOGO", logo),
    ];
    let cpus = device.count("plan.specs.cpus.0.count").unwrap_or_default();
    let memory = device.text("plan.specs.memory.total").and_then(kib);
    Ok(Machine {
        progress: device.number("provisioning_percentage"),
        name: own("hostname"),
        tags: device.texts("tags").map(str::to_owned).collect(),
        addresses: addresses(device),
        locked: device.flag("locked").unwrap_or_default(),
        size: Some((cpus, memory.unwrap_or_default())),
        plan,
        place: facility.or(metro),
        values: values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        created: device.text("created_at").and_then(time::rfc3339),
        root_password: own("root_password").map(Secret::new),
        ..Machine::new(id, state(&word), word)
    })
}

/// The API's states. Those it does not describe are not there yet, never an error.
fn state(word: &str) -> State {
    match word {
        "active" => State::On,
        "inactive" => State::Off,
        "powering_off" | "rebooting" => State::Stopping,
        "failed" => State::Failed,
        "deprovisioning" => State::Deleting,
        "deleted" => State::Gone,
        _ => State::Starting,
    }
}

/// The machine's addresses: public IPv4 first, as the front-end reaches the host on it, then public IPv6, then
/// private ones. The API promises no order.
fn addresses(device: &Tree) -> Vec<IpAddr> {
    let mut ranked: Vec<(bool, bool, IpAddr)> = device
        .items("ip_addresses")
        .filter_map(|entry| {
            let address: IpAddr = entry.text("address")?.parse().ok()?;
            let is_public = entry.flag("public").unwrap_or_default();
            Some((!is_public, address.is_ipv6(), address))
        })
        .collect();
    ranked.sort_by_key(|(private, v6, _)| (*private, *v6));
    ranked.into_iter().map(|(_, _, address)| address).collect()
}

/// A size such as `8GB` or `1.5TB`, in KiB; the API counts in powers of two.
fn kib(text: &str) -> Option<u64> {
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

/// The traffic that an answer tells: kilobits become bytes, as the stock driver reckons.
pub fn read_traffic(answer: &Tree) -> Traffic {
    let sum = |target: &str| {
        let series = answer.items("bandwidth");
        let points = series.filter(|one| one.text("target") == Some(target));
        let points = points.flat_map(|one| one.items("datapoints"));
        let kilobits: f64 = points.filter_map(|point| point.number("0")).sum();
        (kilobits * 1024.0 / 8.0) as u64
    };
    Traffic { received: sum("inbound"), sent: sum("outbound") }
}

/// The reasons of an error: none where it is not the API's, such as the page of a proxy.
pub fn read_reasons(error: &Tree) -> Vec<String> {
    let reasons = error.texts("errors").chain(error.text("error"));
    reasons.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(device: Value) -> Result<Machine> {
        machine(&Tree::json(device.to_string().as_bytes())?)
    }

    #[test]
    fn only_uuids_are_deploy_ids() {
        let id = SPEC.id;
        assert!(id("B9EB1666-1b72-45ee-b529-806b079ce5af").is_some());
        for text in [
            "",
            "../projects/f3f131c8-f302-49ef-8c44-9405022dc6dd",
            "b9eb1666-1b72-45ee-b529-806b079ce5af/actions",
            "b9eb1666-1b72-45ee-b529-806b079ce5a\n",
            "b9eb1666x1b72-45ee-b529-806b079ce5af",
            "1002",
        ] {
            assert!(id(text).is_none(), "{text}");
        }
    }

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
    fn the_public_ipv4_comes_first() -> Result<()> {
        let entry = |address: &str, public: bool| json!({ "address": address, "public": public });
        let device = json!({ "ip_addresses": [
            entry("10.80.0.11", false),
            entry("2604:1380:1000::b", true),
            entry("147.75.0.11", true),
            entry("not an address", true),
        ]});
        let tree = Tree::json(device.to_string().as_bytes())?;
        let ordered: Vec<String> = addresses(&tree).iter().map(IpAddr::to_string).collect();
        assert_eq!(ordered, ["147.75.0.11", "2604:1380:1000::b", "10.80.0.11"]);
        Ok(())
    }

    #[test]
    fn a_field_of_another_type_does_not_spoil_the_answer() -> Result<()> {
        let machine = read(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "state": "active",
            "locked": "maybe",
            "plan": { "slug": "baremetal_0", "specs": { "cpus": {}, "memory": { "total": "8GB" } } },
            "ip_addresses": null,
        }))?;
        assert_eq!(machine.state, State::On);
        assert_eq!(machine.size, Some((0, 8_388_608)));
        Ok(())
    }

    #[test]
    fn a_null_in_a_list_does_not_spoil_the_list() -> Result<()> {
        let machine = read(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "tags": ["OpenNebula", null, 7],
            "ip_addresses": [null, { "address": "147.75.0.11", "public": true }, "x"],
        }))?;
        assert_eq!(machine.tags, ["OpenNebula"]);
        assert_eq!(machine.addresses.len(), 1);
        Ok(())
    }

    #[test]
    fn unknown_states_are_not_errors() {
        assert_eq!(state("post_provisioning"), State::Starting);
    }
}
