//! Packet, later Equinix Metal.
//!
//! What is relied on was observed, or stands in the API description that Equinix published (`Device`,
//! `DeviceCreateInput`, `DeviceActionInput`); its operator ended the public service on 2026-06-30, so the address of
//! the API is a setting.

mod device;
mod preflight;

use super::kit::*;

pub use self::device::{machine, read_reasons, read_traffic};

/// Packet.
pub struct Packet;

const SPEC: Spec = Spec {
    user_data: UserDataForm::plain("userdata", usize::MAX),
    appears_within: Duration::from_secs(12),
    ..Spec::usual("packet", "a UUID", MachineId::uuid, ATTRIBUTES)
};

/// `LOCKED` is left out with intent: a locked machine cannot be deleted, so a failed deploy would leave it.
#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    Attribute::credential("PACKET_TOKEN", "the API key").required(),
    Attribute::new("PACKET_PROJECT", "the UUID of the project").form(Form::Own("UUID", project)).account().required(),
    Attribute::address("PACKET_API_URL", "where the API is").default("https://api.equinix.com/metal/v1").ended("set PACKET_API_URL to the API that you use, for the public service ended on 2026-06-30"),
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
/// The seconds of which `poll` sums up the traffic.
const TRAFFIC: u64 = 3600;

fn project(written: &str) -> Result<Value> {
    if !is_plain(written, "-_") {
        bail!(Mistake::new("is no project id", "set it to the UUID of the project"));
    }
    Ok(json!(written))
}

/// The path of the project's machines.
fn devices(api: &Api<'_>) -> Result<String, ApiError> {
    Ok(format!("/projects/{}/devices", api.required("PACKET_PROJECT")?))
}

impl Provider for Packet {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        Ok(Endpoint::with_header(account, "PACKET_API_URL", "x-auth-token", "PACKET_TOKEN"))
    }

    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        let devices = devices(api)?;
        let tag = match filter {
            Filter::Marked(mark) => format!("tag={}&", percent_encode(mark)),
            Filter::Ours => format!("tag={}&", Owner::COMMON_TAG),
            Filter::Account => String::new(),
        };
        let page = |number: usize| format!("{devices}?{tag}per_page={PAGE}&page={number}");
        let listing = Listing { items: "devices", total: "meta.total", next: Some("meta.next") };
        api.numbered(page, &listing, |device| Ok(api.redacted(machine(device)?)))
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        api.machine(&Call::order(&devices(api)?).json(&order.body), machine)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        api.machine(&Call::get(&format!("/devices/{id}")), machine)
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let action = power.pick(["power_on", "power_off", "reboot"]);
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
        let has_none = ["capacity", "not available", "no provisionable"];
        Explanation {
            kind,
            remedy: match status {
                403 => Some("check that PACKET_TOKEN may use PACKET_PROJECT"),
                422 if has_none.into_iter().any(says) => Some(NO_CAPACITY),
                _ => None,
            },
            reasons,
            ..Explanation::default()
        }
    }

    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        preflight::ask(api, order)
    }

    fn traffic(&self, api: &Api<'_>, id: &MachineId) -> Result<Traffic, ApiError> {
        let now = time::unix(SystemTime::now());
        let path = format!("/devices/{id}/bandwidth?from={}&until={now}", now.saturating_sub(TRAFFIC));
        api.read(&Call::get(&path), |answer| Ok(read_traffic(answer)))
    }
}
