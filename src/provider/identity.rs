//! How the owner's mark travels with an order, and is found again.

use super::machine::Machine;
use crate::opennebula::owner::Owner;
use crate::wire::digest::sha256;

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
    use crate::provider::machine::{MachineId, State};

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
