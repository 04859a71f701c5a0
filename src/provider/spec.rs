//! What is known of a provider without asking it, as data: the engine, `check`, `list` and the documents read it.

use std::net::IpAddr;
use std::time::Duration;

use super::attribute::{self, Attribute};
use super::machine::{MachineId, Power};
use crate::opennebula::host::Host;
use crate::report::near;

pub use super::identity::{Identity, joined};
pub use super::user_data::{Payload, UserDataForm};

/// A provider's facts.
pub struct Spec {
    /// The driver's name: the folder in `remotes/pm`, and the host's `PM_MAD`.
    pub name: &'static str,
    /// What a deploy id looks like, for a message: "a UUID".
    pub id_form: &'static str,
    /// Reads a deploy id. MUST refuse whatever could change the address of a request.
    pub id: fn(&str) -> Option<MachineId>,
    /// Every attribute of `PROVISION` that it reads, but those that all providers share.
    pub attributes: &'static [Attribute],
    /// What its answers are written in.
    pub answers: Format,
    /// What a new machine gets as user data.
    pub user_data: UserDataForm,
    /// How the owner's mark travels.
    pub identity: Identity,
    /// How long after its first byte left an order may still take effect.
    pub order_within: Duration,
    /// How long a new machine may be missing from listings, and unknown by its id.
    pub appears_within: Duration,
    /// What proves that a machine is gone, beside its tombstone.
    pub absence: Absence,
    /// Whether an order carries an idempotency key: sent again, it orders nothing more.
    pub has_idempotency_key: bool,
    /// Whether that key is free again when its machine is deleted: an order that is still under way then brings another one.
    pub frees_key: bool,
    /// Whether an order needs objects that `prepare` makes and `discard` removes.
    pub has_objects: bool,
    /// What it can do about power, and show of it.
    pub power: PowerControl,
}

impl Spec {
    /// What most providers are like: JSON, no user data, tags, an order that may take effect for a minute and be shown
    /// after another one, a not-found that is a proof, and all about power.
    pub const fn usual(
        name: &'static str,
        id_form: &'static str,
        id: fn(&str) -> Option<MachineId>,
        attributes: &'static [Attribute],
    ) -> Self {
        Self {
            name,
            id_form,
            id,
            attributes,
            answers: Format::Json,
            user_data: UserDataForm::NONE,
            identity: Identity::Tags { field: "tags" },
            order_within: Duration::from_secs(60),
            appears_within: Duration::from_secs(60),
            absence: Absence::NotFound,
            has_idempotency_key: false,
            frees_key: false,
            has_objects: false,
            power: PowerControl::FULL,
        }
    }

    /// The attributes that are secret.
    pub fn secrets(&self) -> Vec<&'static str> {
        self.names(|one| one.is_secret)
    }

    /// The secrets without which nothing can be asked; of a provider that may ask for none, what else of the account is
    /// needed.
    pub fn credentials(&self) -> Vec<&'static str> {
        match self.names(|one| one.is_secret && one.is_required) {
            secrets if secrets.is_empty() => self.names(|one| one.is_account && one.is_required),
            secrets => secrets,
        }
    }

    /// The attributes that say which account is meant.
    pub fn account(&self) -> Vec<&'static str> {
        self.names(|one| one.is_account)
    }

    /// The names of the attributes of which this holds.
    pub fn names(&self, is_meant: impl Fn(&Attribute) -> bool) -> Vec<&'static str> {
        let meant = self.attributes.iter().filter(|one| is_meant(one));
        meant.map(|one| one.name).collect()
    }

    /// The attributes of `host` that nobody reads.
    pub fn strange<'a>(&self, host: &'a Host) -> impl Iterator<Item = &'a str> {
        host.provision_names().filter(|name| self.attribute(name).is_none())
    }

    /// The attributes of `host` that nobody reads and that are like one that is read: as they were written, and as they
    /// were meant.
    pub fn slips<'a>(&self, host: &'a Host) -> Vec<(&'a str, &'static str)> {
        let known = || self.attributes.iter().chain(attribute::COMMON).map(|one| one.name);
        self.strange(host).filter_map(|typed| Some((typed, near::meant(typed, known())?))).collect()
    }

    /// `did you mean X by Y? ` for the begin of a remedy, where `host` lacks one of these attributes and has one like it
    /// that nobody reads; else nothing.
    pub fn misspelt<'a>(&self, host: &Host, mut lacking: impl Iterator<Item = &'a str>) -> String {
        let meant = lacking.find_map(|name| Some((name, near::meant(name, self.strange(host))?)));
        meant.map_or_else(String::new, |(name, typed)| format!("did you mean {name} by {typed}? "))
    }

    /// The address on which the front-end reaches the host, where attributes say it.
    pub fn reach(&self, host: &Host) -> Option<IpAddr> {
        self.attributes.iter().find_map(|one| one.reach?(host.provision(one.name)?.trim()))
    }

    /// The attribute `name`, if it is read: of this provider, or of all.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        let mut all = self.attributes.iter().chain(attribute::COMMON);
        all.find(|one| one.name == name)
    }
}

/// What a provider's answers are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// What proves that a machine is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The provider's own not-found, for an id that could be read before, or with [`Absence::Listing`].
    NotFound,
    /// Only the account's own listing, whole and without it.
    Listing,
}

/// What a provider can do about power, and show of it.
#[derive(Clone, Copy, Debug)]
pub struct PowerControl {
    /// The changes that it takes.
    pub takes: &'static [Power],
    /// Whether a machine that is off can be told from one that is on.
    pub shows_off: bool,
    /// Whether a machine is shown down while it reboots.
    pub shows_reboot: bool,
}

impl PowerControl {
    /// All of it.
    pub const FULL: Self = Self { takes: &[Power::On, Power::Off, Power::Reboot], shows_off: true, shows_reboot: true };
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;
    use crate::provider::Provider as _;
    use crate::provider::dummy::Dummy;

    #[test]
    fn an_address_that_an_attribute_says_is_that_of_the_host() -> Result<()> {
        let reach = |provision: &str| -> Result<Option<IpAddr>> {
            let xml = format!("<HOST><ID>1</ID><TEMPLATE><PROVISION>{provision}</PROVISION></TEMPLATE></HOST>");
            Ok(Dummy.spec().reach(&Host::parse(&xml)?.0))
        };
        assert_eq!(reach("<IP> 192.0.2.7 </IP>")?, Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(reach("<ADDRESS>192.0.2.7</ADDRESS>")?, None);
        assert_eq!(reach("<IP>nowhere</IP>")?, None);
        Ok(())
    }
}
