//! What the attributes of every provider have in common.

use std::cmp::Reverse;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::opennebula::host::Host;
use crate::opennebula::settings::Settings;
use crate::opennebula::user_data;
use crate::report::secret::Secret;

/// Whether the host has the attribute `name`, and it is not blank.
pub fn is_given(settings: &Settings<'_>, name: &str) -> bool {
    settings
        .host
        .and_then(|host| host.provision(name))
        .is_some_and(|text| !text.trim().is_empty())
}

/// Nothing, unless attributes are `missing`.
///
/// # Errors
/// Names all of them at once.
pub fn require(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "PROVISION lacks the mandatory attributes {}: add them to the section provision of the template",
        missing.join(", ")
    )
}

/// What an order holds that must not be told though the provider may quote it: the lines of user data, and the
/// texts of the attributes `names`. Those that are too short to be a secret are left out, and the longest come
/// first, so that none is torn by a shorter one.
pub fn private_texts(host: &Host, names: &[&str]) -> Vec<Secret> {
    let own = host.provision("USERDATA").unwrap_or_default();
    let composed = user_data::compose(&host.ssh_keys(), Some(own)).text;
    let others = names.iter().filter_map(|name| host.provision(name));
    let mut texts: Vec<String> = (own.lines())
        .chain(composed.iter().flat_map(|text| text.expose().lines()))
        .chain(others.flat_map(|text| text.split('"')))
        .map(|text| text.trim().to_owned())
        .filter(|text| text.len() >= 8)
        .collect();
    // A body of JSON may be quoted as it came, too.
    let quoted = |text: &String| {
        Value::from(text.as_str())
            .to_string()
            .trim_matches('"')
            .to_owned()
    };
    texts.extend(texts.iter().map(quoted).collect::<Vec<_>>());
    texts.sort_by_key(|text| Reverse(text.len()));
    texts.dedup();
    texts.into_iter().map(Secret::new).collect()
}

/// The words of a list with commas.
pub fn words(written: &str) -> Vec<String> {
    written
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A yes or a no, in any of the ways that OpenNebula's templates write it.
///
/// # Errors
/// It is neither.
pub fn yes_or_no(written: &str) -> Result<bool> {
    match written.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => bail!("is {written:?}: write yes or no"),
    }
}
