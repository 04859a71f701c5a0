//! What `POST /projects/{id}/devices` accepts: the fields of `DeviceCreateInput`, and nothing besides, so that a
//! misspelt field is noticed.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::catalogue::{FACILITIES, METROS, OPERATING_SYSTEMS, PLANS, RESERVATIONS, find};
use crate::device::{Device, NewDevice};
use crate::random::uuid_of;
use crate::world::World;

/// What a field must be.
enum Kind {
    Text,
    Flag,
    Number,
    Integer,
    Object,
    Time,
    OneOf(&'static [&'static str]),
    Texts,
    Uuids,
    Objects,
    /// A text or a list of texts.
    TextOrTexts,
}

/// `DeviceCreateInput` with `FacilityInput` and `MetroInput`.
const FIELDS: &[(&str, Kind)] = &[
    ("always_pxe", Kind::Flag),
    ("billing_cycle", Kind::OneOf(&["hourly", "daily", "monthly", "yearly"])),
    ("customdata", Kind::Object),
    ("description", Kind::Text),
    ("facility", Kind::TextOrTexts),
    ("features", Kind::Texts),
    ("hardware_reservation_id", Kind::Text),
    ("hostname", Kind::Text),
    ("ip_addresses", Kind::Objects),
    ("ipxe_script_url", Kind::Text),
    ("locked", Kind::Flag),
    ("metro", Kind::Text),
    ("network_frozen", Kind::Flag),
    ("no_ssh_keys", Kind::Flag),
    ("operating_system", Kind::Text),
    ("plan", Kind::Text),
    ("private_ipv4_subnet_size", Kind::Integer),
    ("project_ssh_keys", Kind::Uuids),
    ("public_ipv4_subnet_size", Kind::Integer),
    ("spot_instance", Kind::Flag),
    ("spot_price_max", Kind::Number),
    ("ssh_keys", Kind::Objects),
    ("storage", Kind::Object),
    ("tags", Kind::Texts),
    ("termination_time", Kind::Time),
    ("user_ssh_keys", Kind::Uuids),
    ("userdata", Kind::Text),
];

impl Kind {
    /// What is wrong with the value, if anything.
    fn refuses(&self, value: &Value) -> Option<&'static str> {
        let (fits, wanted) = match self {
            Kind::Text => (value.is_string(), "must be a string"),
            Kind::Flag => (value.is_boolean(), "must be true or false"),
            Kind::Number => (value.is_number(), "must be a number"),
            Kind::Integer => (value.is_i64(), "must be an integer"),
            Kind::Object => (value.is_object(), "must be an object"),
            Kind::Time => (value.as_str().is_some_and(is_time), "must be a date and time"),
            Kind::OneOf(words) => {
                (value.as_str().is_some_and(|value| words.contains(&value)), "is not included in the list")
            }
            Kind::Texts => (all(value, Value::is_string), "must be a list of strings"),
            Kind::Uuids => (all(value, |value| value.as_str().is_some_and(is_uuid)), "must be a list of UUIDs"),
            Kind::Objects => (all(value, Value::is_object), "must be a list of objects"),
            Kind::TextOrTexts => {
                (value.is_string() || all(value, Value::is_string), "must be a string or a list of strings")
            }
        };
        (!fits).then_some(wanted)
    }
}

fn all(value: &Value, fits: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(fits))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `2021-09-03T16:32:00`, with or without a zone, as the service takes it.
fn is_time(text: &str) -> bool {
    let Some((clock, zone)) = text.split_at_checked(19) else {
        return false;
    };
    let shape = clock.bytes().zip("0000-00-00T00:00:00".bytes());
    shape.into_iter().all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    }) && zone.bytes().all(|byte| b"Z+-:.0123456789".contains(&byte))
}

/// RFC 1123: labels of letters, digits and inner hyphens, 253 characters in all.
fn is_hostname(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// The machine that is ordered, or every reason against it.
pub(super) fn check(
    project: &str,
    order: Map<String, Value>,
    world: &mut World,
    now: Duration,
) -> Result<NewDevice, Vec<String>> {
    let mut reasons = shape(&order);
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let text = |field: &str| order.get(field).and_then(Value::as_str).unwrap_or_default();

    let plan = find(PLANS, text("plan"));
    if plan.is_none() {
        reasons.push(invalid("plan", text("plan")));
    }
    let system = find(OPERATING_SYSTEMS, text("operating_system"));
    if system.is_none() {
        reasons.push(invalid("operating system", text("operating_system")));
    }
    if text("operating_system") == "custom_ipxe"
        && text("ipxe_script_url").is_empty()
        && !text("userdata").starts_with("#!ipxe")
    {
        reasons.push("ipxe_script_url or userdata with #!ipxe is required for custom_ipxe".to_owned());
    }
    if order.contains_key("hostname") && !is_hostname(text("hostname")) {
        reasons.push("Hostname is invalid".to_owned());
    }
    let reserved = reservation(text("hardware_reservation_id"), world.devices(now));
    reasons.extend(reserved.as_ref().err().cloned());
    reasons.extend(addresses(&order));

    let facility = match facility(&order, &world.options.sold_out, text("plan")) {
        Ok(facility) => facility,
        Err(reason) => {
            reasons.push(reason);
            ""
        }
    };
    match (plan, system) {
        (Some(plan), Some(system)) if reasons.is_empty() => Ok(NewDevice {
            project: project.to_owned(),
            hostname: match text("hostname") {
                "" => format!("{}-{}", plan.slug.replace('_', "-"), world.random.hex(4)),
                name => name.to_owned(),
            },
            plan: plan.slug.to_owned(),
            operating_system: system.slug.to_owned(),
            facility: facility.to_owned(),
            tags: texts(order.get("tags")).map(str::to_owned).collect(),
            reservation: reserved.unwrap_or_default(),
            order: Value::Object(order),
        }),
        _ => Err(reasons),
    }
}

fn invalid(what: &str, value: &str) -> String {
    format!("{value} is not a valid {what}")
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Fields that are unknown, missing or of the wrong type.
fn shape(order: &Map<String, Value>) -> Vec<String> {
    let mut reasons = Vec::new();
    for (field, value) in order {
        match FIELDS.iter().find(|(name, _)| name == field) {
            None => reasons.push(format!("{field} is not a known parameter")),
            Some((_, kind)) => reasons.extend(kind.refuses(value).map(|wanted| format!("{field} {wanted}"))),
        }
    }
    for field in ["plan", "operating_system"] {
        if !order.contains_key(field) {
            reasons.push(format!("{field} is missing"));
        }
    }
    match (order.contains_key("facility"), order.contains_key("metro")) {
        (false, false) => reasons.push("Either metro or facility must be provided".to_owned()),
        (true, true) => reasons.push("Only one of metro and facility can be provided".to_owned()),
        _ => {}
    }
    reasons
}

/// The code of the facility that serves the order: the first of those preferred that has machines, or the first of
/// the metro.
fn facility(order: &Map<String, Value>, sold_out: &[String], plan: &str) -> Result<&'static str, String> {
    let available = |code: &str| !sold_out.iter().any(|sold| sold == code);
    let any = || FACILITIES.iter().map(|row| row.code).find(|code| available(code));
    if let Some(metro) = order.get("metro").and_then(Value::as_str) {
        let metro = find(METROS, metro).ok_or_else(|| invalid("metro", metro))?;
        return FACILITIES
            .iter()
            .filter(|row| row.metro == metro.code)
            .map(|row| row.code)
            .find(|code| available(code))
            .ok_or_else(|| sold_out_in("metro", metro.code, plan));
    }
    let wanted = order.get("facility");
    let preferred: Vec<&str> = wanted.and_then(Value::as_str).into_iter().chain(texts(wanted)).collect();
    let mut chosen = None;
    for name in &preferred {
        let code = if *name == "any" {
            any()
        } else {
            let row = find(FACILITIES, name).ok_or_else(|| invalid("facility", name))?;
            Some(row.code).filter(|code| available(code))
        };
        chosen = chosen.or(code);
    }
    chosen.ok_or_else(|| match preferred.as_slice() {
        [] => "facility is missing".to_owned(),
        names => sold_out_in("facility", &names.join(", "), plan),
    })
}

fn sold_out_in(what: &str, place: &str, plan: &str) -> String {
    format!("The {what} {place} has no provisionable {plan} servers matching your criteria")
}

/// The reserved server that the order gets, or why it gets none. The empty one is the default: none is wanted.
fn reservation(wanted: &str, devices: &[Device]) -> Result<Option<String>, String> {
    let taken = |id: &str| devices.iter().any(|device| device.reservation.as_deref() == Some(id));
    let mut ids = RESERVATIONS.iter().map(|name| uuid_of(name));
    match wanted {
        "" => Ok(None),
        "next-available" => match ids.find(|id| !taken(id)) {
            None => Err("No available hardware reservations were found".to_owned()),
            found => Ok(found),
        },
        id if ids.all(|known| known != id) => Err(invalid("hardware reservation", id)),
        id if taken(id) => Err(format!("Hardware reservation {id} is not provisionable")),
        id => Ok(Some(id.to_owned())),
    }
}

/// What is wrong with the wishes for addresses.
fn addresses(order: &Map<String, Value>) -> Vec<String> {
    let mut reasons = Vec::new();
    for wish in order.get("ip_addresses").and_then(Value::as_array).into_iter().flatten() {
        if !matches!(wish["address_family"].as_i64(), Some(4 | 6)) {
            reasons.push("ip_addresses: address_family must be 4 or 6".to_owned());
        }
        for (field, value) in wish.as_object().into_iter().flatten() {
            let fits = match field.as_str() {
                "address_family" => true,
                "public" => value.is_boolean(),
                "cidr" => value.is_i64(),
                "ip_reservations" => all(value, Value::is_string),
                _ => false,
            };
            if !fits {
                reasons.push(format!("ip_addresses: {field} is invalid"));
            }
        }
    }
    for field in ["public_ipv4_subnet_size", "private_ipv4_subnet_size"] {
        if let Some(size) = order.get(field).and_then(Value::as_i64)
            && !(24..=32).contains(&size)
        {
            reasons.push(format!("{field} must be between 24 and 32"));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostnames_are_those_of_rfc_1123() {
        for good in ["a", "centos-host", "node7.example.org", &"a".repeat(63)] {
            assert!(is_hostname(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a..b", "a b", &"a".repeat(64)] {
            assert!(!is_hostname(bad), "{bad}");
        }
    }

    #[test]
    fn times_may_lack_a_zone() {
        assert!(is_time("2021-09-03T16:32:00+03:00"));
        assert!(is_time("2021-09-03T16:32:00"));
        assert!(!is_time("tomorrow"));
        assert!(!is_time("2021-09-03"));
    }
}
