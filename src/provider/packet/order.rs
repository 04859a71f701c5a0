//! What is ordered of Packet: the attributes of a host become the body of an order (`DeviceCreateInput`).

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::{api_url, is_uuid, project_id};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::opennebula::user_data;
use crate::provider::Order;
use crate::provider::attribute::{is_given, require, words, yes_or_no};
use crate::report::finding::Problems;
use crate::report::frame::{Report, one_line};
use crate::report::secret::Secret;

/// How the text of an attribute becomes a value of the order.
pub type Reading = fn(&str) -> Result<Value>;

/// What `DeviceCreateInput` takes and an attribute can carry: the attribute, the field, and how it is read.
///
/// `LOCKED` is left out with intent: a locked machine cannot be deleted, so a failed deploy would leave it.
pub const ATTRIBUTES: &[(&str, &str, Reading)] = &[
    ("PLAN", "plan", text),
    ("OS", "operating_system", text),
    ("FACILITY", "facility", one_or_list),
    ("METRO", "metro", text),
    ("HOSTNAME", "hostname", text),
    ("BILLING_CYCLE", "billing_cycle", text),
    ("HARDWARE_RESERVATION", "hardware_reservation_id", text),
    ("DESCRIPTION", "description", text),
    ("IPXE_SCRIPT_URL", "ipxe_script_url", text),
    ("ALWAYS_PXE", "always_pxe", flag),
    ("SPOT_INSTANCE", "spot_instance", flag),
    ("SPOT_PRICE_MAX", "spot_price_max", number),
    ("TERMINATION_TIME", "termination_time", time),
    ("PROJECT_SSH_KEYS", "project_ssh_keys", uuids),
    ("USER_SSH_KEYS", "user_ssh_keys", uuids),
    ("NO_SSH_KEYS", "no_ssh_keys", flag),
    ("FEATURES", "features", list),
    ("CUSTOMDATA", "customdata", object),
    ("PUBLIC_IPV4_SUBNET_SIZE", "public_ipv4_subnet_size", size),
    ("PRIVATE_IPV4_SUBNET_SIZE", "private_ipv4_subnet_size", size),
    ("IP_ADDRESSES", "ip_addresses", objects),
    ("NETWORK_FROZEN", "network_frozen", flag),
    ("STORAGE", "storage", object),
];

/// Attributes whose values are not shown: what a user puts there may be a secret.
pub const UNSHOWN: &[&str] = &["CUSTOMDATA"];

pub fn order(
    host: &Host,
    settings: &Settings<'_>,
    owner: &Owner,
    report: &Report,
) -> Result<Order> {
    let mut problems = Problems::default();
    for result in [
        require_attributes(settings),
        api_url(settings).map(drop),
        project_id(settings).map(drop),
    ] {
        let problem = result.err().map(|error| error.to_string());
        problems.general.extend(problem);
    }
    let mut body = Map::new();
    let mut summary = Vec::new();
    let in_metro = host
        .provision("METRO")
        .is_some_and(|text| !text.trim().is_empty());
    for (attribute, field, reading) in ATTRIBUTES {
        let written = host.provision(attribute).map(str::trim).unwrap_or_default();
        if written.is_empty() {
            continue;
        }
        if *attribute == "FACILITY" && in_metro {
            report.warn("PROVISION has both METRO and FACILITY: ordering in the METRO");
            continue;
        }
        match reading(written) {
            Ok(value) => {
                body.insert((*field).to_owned(), value);
                let shown = if UNSHOWN.contains(attribute) {
                    format!("({} bytes)", written.len())
                } else {
                    one_line(written)
                };
                summary.push((*attribute, shown));
            }
            Err(error) => problems.mistakes.push(format!("{attribute} {error}")),
        }
    }
    if problems != Problems::default() {
        return Err(problems.into());
    }
    let mut tags: Vec<String> = words(host.provision("TAGS").unwrap_or_default());
    tags.extend(owner.tags());
    summary.push(("TAGS", one_line(&tags.join(", "))));
    body.insert("tags".to_owned(), json!(tags));

    let userdata = user_data::compose(&host.ssh_keys(), host.provision("USERDATA"));
    if let Some(warning) = userdata.warning {
        report.warn(warning);
    }
    if let Some(text) = userdata.text {
        summary.push(("USERDATA", format!("({} bytes)", text.expose().len())));
        body.insert("userdata".to_owned(), json!(text.expose()));
    }
    Ok(Order {
        body: Secret::new(Value::Object(body).to_string()),
        summary,
    })
}

fn require_attributes(settings: &Settings<'_>) -> Result<()> {
    let mut missing = Vec::new();
    for name in ["PACKET_TOKEN", "PACKET_PROJECT"] {
        if settings.get(name)?.is_none() {
            missing.push(name);
        }
    }
    if !is_given(settings, "FACILITY") && !is_given(settings, "METRO") {
        missing.push("FACILITY (or METRO)");
    }
    missing.extend(
        ["PLAN", "OS"]
            .into_iter()
            .filter(|name| !is_given(settings, name)),
    );
    require(&missing)
}

fn text(written: &str) -> Result<Value> {
    Ok(json!(written))
}

fn list(written: &str) -> Result<Value> {
    Ok(json!(words(written)))
}

fn one_or_list(written: &str) -> Result<Value> {
    Ok(match &words(written)[..] {
        [] => bail!("names nothing: write a code such as am6"),
        [one] => json!(one),
        several => json!(several),
    })
}

fn uuids(written: &str) -> Result<Value> {
    let ids = words(written);
    match ids.iter().find(|id| !is_uuid(id)) {
        Some(id) => bail!("names {id:?}, which is no UUID: write UUIDs with commas between them"),
        None => Ok(json!(ids)),
    }
}

fn flag(written: &str) -> Result<Value> {
    Ok(json!(yes_or_no(written)?))
}

fn number(written: &str) -> Result<Value> {
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(json!(number)),
        _ => bail!("is {written:?}: write a number such as 1.25"),
    }
}

fn size(written: &str) -> Result<Value> {
    match written.trim_start_matches('/').parse::<u8>() {
        Ok(size) if size <= 32 => Ok(json!(size)),
        _ => bail!("is {written:?}: write the length of a prefix, such as 29"),
    }
}

fn object(written: &str) -> Result<Value> {
    match serde_json::from_str(written) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => bail!("is no JSON object: write it as {{\"name\": \"value\"}}"),
    }
}

fn objects(written: &str) -> Result<Value> {
    match serde_json::from_str(written) {
        Ok(Value::Array(values)) if values.iter().all(Value::is_object) => Ok(Value::Array(values)),
        _ => bail!("is no JSON list of objects: write it as [{{\"name\": \"value\"}}]"),
    }
}

/// A date and time as RFC 3339 has it. Without a zone the API takes it for UTC, so that is made explicit.
fn time(written: &str) -> Result<Value> {
    let problem = || anyhow!("is {written:?}: write a time such as 2026-11-30T18:00:00Z");
    let date = written.get(..19).with_context(problem)?;
    let zone = written.get(19..).with_context(problem)?;
    let has_form = date
        .bytes()
        .zip(*b"dddd-dd-ddTdd:dd:dd")
        .all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            mark => byte == mark,
        });
    let fraction = match zone.strip_prefix('.') {
        Some(rest) => rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len() + 1,
        None => 0,
    };
    let (fraction, zone) = zone.split_at(fraction);
    let zone = match zone.as_bytes() {
        b"" | b"Z" | b"z" => "Z",
        [b'+' | b'-', h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) =>
        {
            zone
        }
        _ => return Err(problem()),
    };
    if !has_form || fraction == "." {
        return Err(problem());
    }
    Ok(json!(format!(
        "{}T{}{fraction}{zone}",
        &date[..10],
        &date[11..]
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_made_explicit() -> Result<()> {
        assert_eq!(time("2026-11-30 18:00:00")?, json!("2026-11-30T18:00:00Z"));
        assert_eq!(
            time("2026-11-30T18:00:00.5+03:00")?,
            json!("2026-11-30T18:00:00.5+03:00")
        );
        for text in [
            "tomorrow",
            "2026-11-30",
            "2026-11-30T18:00:00.",
            "2026-11-30T18:00:00+3",
            "é026-11-30T18:00:00Z",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
        Ok(())
    }
}
