//! The attributes of `PROVISION`: one table a provider says all that is said of one, and this reads it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::http::url::is_http;
use crate::wire::time;

/// Attributes that mean the same for every provider.
pub const COMMON: &[Attribute] = &[
    Attribute::new("NAME", "the name that oneprovision gave the host"),
    Attribute::new("PROVISION_ID", "the provision that the host belongs to"),
    Attribute::new("DEPLOY_ID", "the machine of the host"),
    Attribute::new("PM_TIMEOUT", "seconds that one wait may take"),
    Attribute::new("PM_ROOT_PASSWORD", "yes: `poll` prints the password of root"),
    Attribute::new("USERDATA", "user data for cloud-init, beside the SSH key").private(),
];

/// An attribute of `PROVISION`.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words for the documents.
    pub about: &'static str,
    /// The member of the order that it becomes, with dots between nested ones; empty: none.
    pub field: &'static str,
    /// How it is written.
    pub form: Form,
    /// What a host has that does not have it.
    pub default: Option<&'static str>,
    /// Whether an order must have it.
    pub is_required: bool,
    /// The attribute that takes its place: it is not required, and not sent, where that one is given.
    pub or: Option<&'static str>,
    /// Whether oned must encrypt it: it is shown nowhere, and struck from whatever others say.
    pub is_secret: bool,
    /// Whether its value may hold a secret: its length is shown.
    pub is_private: bool,
    /// Whether it says which account is meant. The environment has it where the host does not.
    pub is_account: bool,
    /// Whether it is where the API is.
    pub is_address: bool,
    /// Whether it is the plan that `list` shows.
    pub is_plan: bool,
    /// Whether it is the place that `list` shows.
    pub is_place: bool,
    /// The key of the tag that it becomes.
    pub tag: Option<&'static str>,
    /// What to do where it alone is missing, if there is more to say than to add it.
    pub remedy: Option<&'static str>,
}

impl Attribute {
    /// One that is read, and not sent by itself.
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            field: "",
            form: Form::Text,
            default: None,
            is_required: false,
            or: None,
            is_secret: false,
            is_private: false,
            is_account: false,
            is_address: false,
            is_plan: false,
            is_place: false,
            tag: None,
            remedy: None,
        }
    }

    /// A credential: part of the account, and secret.
    pub const fn credential(name: &'static str, about: &'static str) -> Self {
        let mut credential = Self::new(name, about).form(Form::Token).account();
        credential.is_secret = true;
        credential
    }

    /// Where the API is.
    pub const fn address(name: &'static str, about: &'static str) -> Self {
        let mut address = Self::new(name, about).form(Form::Url).account();
        address.is_address = true;
        address
    }

    /// One that becomes the member `field` of the order.
    pub const fn sent(
        name: &'static str,
        field: &'static str,
        form: Form,
        about: &'static str,
    ) -> Self {
        let mut sent = Self::new(name, about).form(form);
        sent.field = field;
        sent
    }

    /// The same, written in this form.
    pub const fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// The same, with what is taken where it is not given.
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The same, mandatory.
    pub const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// The same, with another one that takes its place.
    pub const fn or(mut self, other: &'static str) -> Self {
        self.or = Some(other);
        self
    }

    /// The same, as part of what says which account is meant.
    pub const fn account(mut self) -> Self {
        self.is_account = true;
        self
    }

    /// The same, with a value that is not shown.
    pub const fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// The same, as the plan that `list` shows.
    pub const fn plan(mut self) -> Self {
        self.is_plan = true;
        self
    }

    /// The same, as the place that `list` shows.
    pub const fn place(mut self) -> Self {
        self.is_place = true;
        self
    }

    /// The same, sent as a tag with this key.
    pub const fn tag(mut self, key: &'static str) -> Self {
        self.tag = Some(key);
        self
    }

    /// The same, with what to do where it alone is missing.
    pub const fn remedy(mut self, remedy: &'static str) -> Self {
        self.remedy = Some(remedy);
        self
    }

    /// Reads what was written.
    ///
    /// # Errors
    /// What is wrong, and the remedy: what may follow the attribute's name.
    pub fn read(&self, written: &str) -> Result<Value> {
        match self.form {
            Form::Url if !is_url(written) => {
                let remedy = match self.default {
                    Some(default) => format!("set it as {default}"),
                    None => "leave it out, or set it as https://host/".to_owned(),
                };
                bail!("is not the address of an API: {remedy}")
            }
            form => form.read(written),
        }
    }
}

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
    /// A date and time (RFC 3339).
    Time,
    /// A JSON object.
    Object,
    /// A JSON list of objects.
    Objects,
    /// What only this provider has: its name for the documents, and its reading.
    Own(&'static str, fn(&str) -> Result<Value>),
}

impl Form {
    /// What it is called in the documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Token => "token",
            Self::Url => "http(s) address",
            Self::Flag => "yes or no",
            Self::Number => "number",
            Self::Prefix => "length of a prefix",
            Self::List => "list with commas",
            Self::OneOrList => "one, or a list with commas",
            Self::Uuids => "UUIDs with commas",
            Self::Ipv4 => "IPv4 address",
            Self::Time => "date and time",
            Self::Object => "JSON object",
            Self::Objects => "JSON list of objects",
            Self::Own(name, _) => name,
        }
    }

    fn read(self, written: &str) -> Result<Value> {
        let own = || anyhow!("is {written:?}");
        match self {
            Self::Text | Self::Url => {}
            Self::Token => {
                if !written.bytes().all(|byte| byte.is_ascii_graphic()) {
                    bail!("holds characters that no token has: copy it anew from the provider");
                }
            }
            Self::Flag => return Ok(json!(yes_or_no(written)?)),
            Self::Number => match written.parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => return Ok(json!(number)),
                _ => bail!("{}: write a number such as 1.25", own()),
            },
            Self::Prefix => match written.trim_start_matches('/').parse::<u8>() {
                Ok(size) if size <= 32 => return Ok(json!(size)),
                _ => bail!("{}: write the length of a prefix, such as 29", own()),
            },
            Self::List => return Ok(json!(words(written))),
            Self::OneOrList => match &words(written)[..] {
                [] => bail!("names nothing: write a code such as am6"),
                [one] => return Ok(json!(one)),
                several => return Ok(json!(several)),
            },
            Self::Uuids => {
                let ids = words(written);
                if let Some(id) = ids.iter().find(|id| !is_uuid(id)) {
                    bail!("names {id:?}, which is no UUID: write UUIDs with commas between them");
                }
                return Ok(json!(ids));
            }
            Self::Ipv4 => {
                let address = written.parse::<Ipv4Addr>();
                address.with_context(|| format!("{}: write an IPv4 address", own()))?;
            }
            Self::Time => {
                let explicit = time::explicit(written).with_context(|| {
                    format!("{}: write a time such as 2026-11-30T18:00:00Z", own())
                })?;
                return Ok(json!(explicit));
            }
            Self::Object => match serde_json::from_str(written) {
                Ok(value @ Value::Object(_)) => return Ok(value),
                _ => bail!("is no JSON object: write it as {{\"name\": \"value\"}}"),
            },
            Self::Objects => match serde_json::from_str(written) {
                Ok(Value::Array(values)) if values.iter().all(Value::is_object) => {
                    return Ok(Value::Array(values));
                }
                _ => bail!("is no JSON list of objects: write it as [{{\"name\": \"value\"}}]"),
            },
            Self::Own(_, read) => return read(written),
        }
        Ok(json!(written))
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
        _ => bail!("is {written:?}: write yes or no"),
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

/// Whether `text` is an address that paths may follow, in characters that need no encoding.
fn is_url(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]".contains(&byte);
    is_http(text) && text.bytes().all(is_plain)
}
