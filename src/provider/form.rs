//! How the text of an attribute is written, and what it means: parsed once, at the door.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::http::url::is_http;
use crate::report::finding::Mistake;
use crate::wire::time;

/// How the text of an attribute is written, and what it means.
#[derive(Clone, Copy)]
pub enum Form {
    /// Any text.
    Text,
    /// A credential: printable ASCII without blanks.
    Token,
    /// An http or https address without a query.
    Url,
    /// A yes or a no, in any of the ways that OpenNebula's templates write it.
    Flag,
    /// A number that is not negative.
    Number,
    /// A whole number that is not negative.
    Count,
    /// The length of an IPv4 prefix.
    Prefix,
    /// A list with commas.
    List,
    /// One word, or a list with commas.
    OneOrList,
    /// UUIDs with commas.
    Uuids,
    /// An IPv4 address.
    Ipv4,
    /// An IPv4 or IPv6 address.
    Address,
    /// A date and time (RFC 3339).
    Time,
    /// A JSON object.
    Object,
    /// A JSON list of objects.
    Objects,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// What only this provider has: its name for the documents, and its reading.
    Own(&'static str, fn(&str) -> Result<Value>),
}

impl Form {
    /// What it is called in the documents.
    pub fn name(self) -> String {
        let name = match self {
            Self::Text => "text",
            Self::Token => "token",
            Self::Url => "http(s) address",
            Self::Flag => "yes or no",
            Self::Number => "number",
            Self::Count => "whole number",
            Self::Prefix => "length of a prefix",
            Self::List => "list with commas",
            Self::OneOrList => "one, or a list with commas",
            Self::Uuids => "UUIDs with commas",
            Self::Ipv4 => "IPv4 address",
            Self::Address => "IP address",
            Self::Time => "date and time",
            Self::Object => "JSON object",
            Self::Objects => "JSON list of objects",
            Self::OneOf(words) => return alternatives(words),
            Self::Own(name, _) => name,
        };
        name.to_owned()
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// What is wrong, and the remedy: what may follow the attribute's name.
    pub fn read(self, written: &str) -> Result<Value> {
        let wrong = |remedy: &str| Mistake::new(format!("is {written:?}"), remedy);
        match self {
            Self::OneOf(words) if !words.contains(&written) => bail!(wrong(&format!("write {}", alternatives(words)))),
            Self::Text | Self::Url | Self::OneOf(_) => {}
            Self::Token => {
                if !written.bytes().all(|byte| byte.is_ascii_graphic()) {
                    bail!(Mistake::new("holds characters that no token has", "copy it anew from the provider"));
                }
            }
            Self::Flag => return Ok(json!(yes_or_no(written)?)),
            Self::Number => match written.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => return Ok(json!(number)),
                _ => bail!(wrong("write a number such as 1.25")),
            },
            Self::Count => match written.parse::<u64>() {
                Ok(number) => return Ok(json!(number)),
                Err(_) => bail!(wrong("write a whole number")),
            },
            Self::Prefix => match written.trim_start_matches('/').parse::<u8>() {
                Ok(size) if size <= 32 => return Ok(json!(size)),
                _ => bail!(wrong("write the length of a prefix, such as 29")),
            },
            Self::List => return Ok(json!(words(written))),
            Self::OneOrList => match &words(written)[..] {
                [] => bail!(Mistake::new("names nothing", "write a code such as am6")),
                [one] => return Ok(json!(one)),
                several => return Ok(json!(several)),
            },
            Self::Uuids => {
                let ids = words(written);
                if let Some(id) = ids.iter().find(|id| !is_uuid(id)) {
                    bail!(Mistake::new(
                        format!("names {id:?}, which is no UUID"),
                        "write UUIDs with commas between them"
                    ));
                }
                return Ok(json!(ids));
            }
            Self::Ipv4 => {
                if written.parse::<Ipv4Addr>().is_err() {
                    bail!(wrong("write an IPv4 address"));
                }
            }
            Self::Address => match written.parse::<IpAddr>() {
                Ok(address) => return Ok(json!(address.to_string())),
                Err(_) => bail!(wrong("set it to an IP address")),
            },
            Self::Time => {
                let explicit =
                    time::explicit(written).ok_or_else(|| wrong("write a time such as 2026-11-30T18:00:00Z"))?;
                return Ok(json!(explicit));
            }
            Self::Object => return object(written),
            Self::Objects => return objects(written),
            Self::Own(_, read) => return read(written),
        }
        Ok(json!(written))
    }
}

/// Words of which one may stand: `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [begin @ .., last] if !begin.is_empty() => format!("{} or {last}", begin.join(", ")),
        _ => words.concat(),
    }
}

fn object(written: &str) -> Result<Value> {
    match serde_json::from_str(written) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => bail!(Mistake::new("is no JSON object", "write it as {\"name\": \"value\"}")),
    }
}

fn objects(written: &str) -> Result<Value> {
    const REMEDY: &str = "write it as [{\"name\": \"value\"}]";
    match serde_json::from_str(written) {
        Ok(Value::Array(values)) if values.iter().all(Value::is_object) => Ok(Value::Array(values)),
        _ => bail!(Mistake::new("is no JSON list of objects", REMEDY)),
    }
}

/// The words of a list with commas.
pub fn words(written: &str) -> Vec<String> {
    let words = written.split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A yes or a no, in any of the ways that OpenNebula's templates write it.
///
/// # Errors
/// It is neither.
pub fn yes_or_no(written: &str) -> Result<bool> {
    match written.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => bail!(Mistake::new(format!("is {written:?}"), "write yes or no")),
    }
}

/// Whether `text` is a UUID.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether `text` holds nothing but ASCII letters, digits and the characters `beside` them.
pub fn is_plain(text: &str, beside: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || beside.contains(c))
}

/// Whether `text` is an address that paths may follow, in characters that need no encoding.
pub(super) fn is_url(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]".contains(&byte);
    is_http(text) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_some_words_is_read_and_the_others_are_named() {
        let billing = Form::OneOf(&["hourly", "monthly", "yearly"]);
        assert_eq!(billing.name(), "hourly, monthly or yearly");
        assert!(billing.read("yearly").is_ok());
        let refused = billing.read("weekly").unwrap_err().to_string();
        assert_eq!(refused, "is \"weekly\": write hourly, monthly or yearly");
        let raid = Form::OneOf(&["raid-0", "raid-1"]);
        assert_eq!(raid.name(), "raid-0 or raid-1");
        assert!(raid.read("raid-1").is_ok() && raid.read("1").is_err() && raid.read("").is_err());
    }
}
