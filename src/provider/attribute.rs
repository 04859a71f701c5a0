//! The attributes of `PROVISION`: one table a provider says all that is said of one, and this reads it.

use std::net::IpAddr;

use anyhow::{Result, bail};
use serde_json::Value;

use super::form::{Form, is_url};
use crate::report::finding::Mistake;

/// Attributes that mean the same for every provider.
pub const COMMON: &[Attribute] = &[
    Attribute::new("NAME", "the name of the provision"),
    Attribute::new("HOSTNAME", "the host's name: oneprovision takes no host without one"),
    Attribute::new("PROVISION_ID", "the provision that the host belongs to"),
    Attribute::new("DEPLOY_ID", "the machine of the host"),
    Attribute::new("PM_TIMEOUT", "seconds that one wait may take"),
    Attribute::new("PM_RECORD", "no: the machine's id is not written into the host by `deploy`"),
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
    /// The attribute beside which it is not required.
    pub unless: Option<&'static str>,
    /// Whether oned must encrypt it: it is shown nowhere, and struck from whatever others say.
    pub is_secret: bool,
    /// Whether its value may hold a secret: its length is shown.
    pub is_private: bool,
    /// Whether it says which account is meant. The environment has it where the host does not.
    pub is_account: bool,
    /// Whether it is where the API is.
    pub is_address: bool,
    /// Reads the address on which the front-end reaches the host, where the provider knows none: `poll` prints it first.
    pub reach: Option<fn(&str) -> Option<IpAddr>>,
    /// Whether it is the plan that `list` shows.
    pub is_plan: bool,
    /// Whether it is the place that `list` shows.
    pub is_place: bool,
    /// The key of the tag that it becomes.
    pub tag: Option<&'static str>,
    /// What to do where it alone is missing, if there is more to say than to add it.
    pub remedy: Option<&'static str>,
    /// What to do where its default does not answer, as there is no such service any more.
    pub ended: Option<&'static str>,
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
            unless: None,
            is_secret: false,
            is_private: false,
            is_account: false,
            is_address: false,
            reach: None,
            is_plan: false,
            is_place: false,
            tag: None,
            remedy: None,
            ended: None,
        }
    }

    /// A credential: part of the account, and secret.
    pub const fn credential(name: &'static str, about: &'static str) -> Self {
        let mut credential = Self::new(name, about).form(Form::Token).account();
        credential.is_secret = true;
        credential
    }

    /// A password: part of the account, and secret. It may hold any characters.
    pub const fn password(name: &'static str, about: &'static str) -> Self {
        Self::credential(name, about).form(Form::Text)
    }

    /// Where the API is.
    pub const fn address(name: &'static str, about: &'static str) -> Self {
        let mut address = Self::new(name, about).form(Form::Url).account();
        address.is_address = true;
        address
    }

    /// One that becomes the member `field` of the order.
    pub const fn sent(name: &'static str, field: &'static str, form: Form, about: &'static str) -> Self {
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

    /// The same, not required beside this other one.
    pub const fn unless(mut self, other: &'static str) -> Self {
        self.unless = Some(other);
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

    /// The same, as the address on which the front-end reaches the host.
    pub const fn reach(self) -> Self {
        self.reach_by(|written| written.parse().ok())
    }

    /// The same, as what the address is read from with `read`.
    pub const fn reach_by(mut self, read: fn(&str) -> Option<IpAddr>) -> Self {
        self.reach = Some(read);
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

    /// The same, with what to do where its default does not answer, as there is no such service any more.
    pub const fn ended(mut self, remedy: &'static str) -> Self {
        self.ended = Some(remedy);
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
                bail!(Mistake::new("is not the address of an API", remedy))
            }
            form => form.read(written),
        }
    }
}
