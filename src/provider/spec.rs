//! What is known of a provider without asking it, as data: the engine, `check`, `list` and the documents read it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;

use super::attribute::{self, Attribute};
use super::machine::{Machine, MachineId, Power};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::user_data::{self, UserData};
use crate::wire::digest::sha256;

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

/// What a new machine gets as user data.
#[derive(Clone, Copy)]
pub struct UserDataForm {
    /// The member of the order that carries it.
    pub field: &'static str,
    /// Whether it is sent in base64.
    pub is_base64: bool,
    /// The most bytes that the provider takes, before they are encoded.
    pub limit: usize,
    /// Makes it of the host's SSH keys and USERDATA.
    ///
    /// # Errors
    /// What is wrong with USERDATA, and the remedy.
    pub compose: fn(&Host) -> Result<Payload>,
}

/// User data, ready to be sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The bytes; none where there is nothing to say.
    pub data: Vec<u8>,
    /// What the user should know.
    pub warning: Option<String>,
}

impl Payload {
    /// The host's SSH keys and its own USERDATA `own`, for cloud-init.
    pub fn for_cloud_init(host: &Host, own: Option<&str>) -> Self {
        let UserData { text, warning } = user_data::compose(&host.ssh_keys(), own);
        let data = text.map(|text| text.expose().as_bytes().to_vec());
        Self { data: data.unwrap_or_default(), warning }
    }
}

impl UserDataForm {
    /// Plain text for cloud-init, at `field`.
    pub const fn plain(field: &'static str, limit: usize) -> Self {
        Self {
            field,
            is_base64: false,
            limit,
            compose: |host| Ok(Payload::for_cloud_init(host, host.provision("USERDATA"))),
        }
    }

    /// None at all.
    pub const NONE: Self = Self { field: "", is_base64: false, limit: 0, compose: |_| Ok(Payload::default()) };
}

/// The length of a name that is a mark.
const NAME: usize = 36;

/// How the owner's mark travels with an order, and is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// In a list of tags, texts of any characters, at this member of the order.
    Tags {
        /// The member of the order.
        field: &'static str,
    },
    /// In a list of tags that are names with values, each key once.
    Pairs {
        /// The member of the order.
        field: &'static str,
        /// The members of a tag: its key and its value.
        members: (&'static str, &'static str),
        /// The characters beside letters and digits that a value may hold; each other one becomes a `-`.
        alphabet: Option<&'static str>,
    },
    /// In a name that nothing else has, at this member of the order: `one-` and a digest.
    Name {
        /// The member of the order.
        field: &'static str,
        /// The member of the order that says whose it is in words, by keys with values: as a name can be anybody's,
        /// only both make a machine its owner's. Where the order takes no such words, either does: the provider may put
        /// them onto the machine later, as tags, and give the name away.
        tags: Option<&'static str>,
    },
}

impl Identity {
    /// The mark of `owner`, as a machine's tag or name shows it.
    pub fn mark(&self, owner: &Owner) -> String {
        self.encode(owner.identity())
    }

    /// A tag in the characters that the provider takes.
    pub fn tag(&self, tag: &str) -> String {
        match self {
            Self::Tags { .. } | Self::Name { .. } | Self::Pairs { alphabet: None, .. } => tag.to_owned(),
            Self::Pairs { alphabet: Some(alphabet), .. } => {
                let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
                let own = |c: char| match c {
                    c if c.is_ascii_alphanumeric() || alphabet.contains(c) => c,
                    _ => '-',
                };
                joined(key, &value.chars().map(own).collect::<String>())
            }
        }
    }

    /// The same as what a machine is found by: a name where it takes no tags.
    pub fn encode(&self, tag: &str) -> String {
        match self {
            Self::Name { .. } => format!("one-{}", &sha256(tag.as_bytes())[..NAME - 4]),
            _ => self.tag(tag),
        }
    }

    /// Whether `machine` carries this mark.
    pub fn is_borne(&self, mark: &str, machine: &Machine) -> bool {
        match self {
            Self::Name { tags, .. } => {
                let is_told = |tag: &String| Owner::is_identity(tag) && self.encode(tag) == mark;
                let [is_named, is_told] = [machine.name.as_deref() == Some(mark), machine.tags.iter().any(is_told)];
                if tags.is_some() { is_named && is_told } else { is_named || is_told }
            }
            _ => machine.tags.iter().any(|tag| tag == mark),
        }
    }

    /// Whether OpenNebula ordered `machine`, as far as it shows.
    pub fn is_opennebulas(&self, machine: &Machine) -> bool {
        let common = self.tag(Owner::COMMON_TAG);
        let is_named = |name: &String| name.starts_with("one-") && name.len() == NAME;
        let by_name = matches!(self, Self::Name { tags: None, .. }) && machine.name.as_ref().is_some_and(is_named);
        by_name || machine.tags.iter().any(|tag| *tag == common || Owner::is_identity(tag))
    }

    /// The mark of whatever owner that `machine` bears.
    pub fn borne(&self, machine: &Machine) -> Option<String> {
        match self {
            Self::Name { .. } => match self.other("", machine) {
                Some(words) => Some(self.encode(&words)),
                None => machine.name.clone(),
            },
            _ => self.other("", machine),
        }
    }

    /// The mark that another owner of OpenNebula's put on `machine`, if it bears one that is not `mark`.
    pub fn other(&self, mark: &str, machine: &Machine) -> Option<String> {
        let is_others = |tag: &&String| Owner::is_identity(tag) && *tag != mark;
        machine.tags.iter().find(is_others).cloned()
    }
}

/// A tag with a value as one text.
pub fn joined(key: &str, value: &str) -> String {
    match value {
        "" => key.to_owned(),
        value => format!("{key}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Provider as _;
    use crate::provider::dummy::Dummy;
    use crate::provider::machine::State;

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

    #[test]
    fn a_mark_is_written_in_the_characters_that_the_provider_takes() {
        let tag = "ONE_PROVISION_HOST=7a15-52:7";
        let small = Identity::Pairs { field: "tags", members: ("name", "value"), alphabet: Some("_-") };
        assert_eq!(small.encode(tag), "ONE_PROVISION_HOST=7a15-52-7");
        let name = Identity::Name { field: "hostname", tags: None };
        let (one, other) = (name.encode(tag), name.encode("ONE_PROVISION_HOST=7a15-52:8"));
        assert!(one.starts_with("one-") && one.len() == 36 && one != other, "{one}");
        assert_eq!(Identity::Tags { field: "tags" }.encode(tag), tag);
    }

    #[test]
    fn a_name_that_is_anybodys_makes_a_machine_the_owners_only_with_the_words_beside_it() {
        let identity = Identity::Name { field: "name", tags: Some("extra") };
        let tag = "ONE_PROVISION_HOST=7a15:7".to_owned();
        let mark = identity.encode(&tag);
        let mut machine = Machine::new(MachineId::scripted("1"), State::On, "on");
        machine.name = Some(mark.clone());
        assert!(!identity.is_borne(&mark, &machine));
        machine.tags = vec!["ONE_PROVISION_HOST=7a15:8".to_owned()];
        assert!(!identity.is_borne(&mark, &machine));
        machine.tags.push(tag);
        assert!(identity.is_borne(&mark, &machine));
        machine.name = Some("another".to_owned());
        assert!(!identity.is_borne(&mark, &machine));
        // Where the words come later, the name may go then.
        let identity = Identity::Name { field: "name", tags: None };
        machine.tags.remove(0);
        assert!(identity.is_borne(&mark, &machine));
        assert_eq!(identity.borne(&machine).as_deref(), Some(mark.as_str()));
    }
}
