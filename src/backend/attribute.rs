//! What the attributes of every provider have in common.

use anyhow::{Result, bail};

use crate::host::Settings;

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
