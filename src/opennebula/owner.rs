//! Whose a machine is, as its tags say it.

use std::hash::{BuildHasher, RandomState};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::opennebula::host::{Host, HostId};

/// What not every provider takes in a tag.
const UNUSUAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Whose machine it is: a host of one OpenNebula, by tags that no other host anywhere has.
///
/// Host ids repeat across installations, so `ONE_HOST_ID` alone, as the stock driver sets it, is no
/// identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    identity: String,
    host_id: Option<HostId>,
    lasting: bool,
}

impl Owner {
    /// The tag of every machine that OpenNebula ordered, by the stock driver too.
    pub const COMMON_TAG: &str = "OpenNebula";

    /// The owner that `host` is.
    pub fn of(host: &Host) -> Self {
        let provision_id = host.provision("PROVISION_ID").map(str::trim);
        let (identity, lasting) = match (provision_id, host.id) {
            (Some(provision), Some(id)) if !provision.is_empty() => {
                (format!("ONE_PROVISION_HOST={}:{id}", utf8_percent_encode(provision, UNUSUAL)), true)
            }
            _ if is_random(&host.name) => (format!("ONE_HOST_NAME={}", host.name), true),
            // Nothing here is unique. A name of this run's own still finds an order whose answer was lost.
            _ => {
                let noise = || RandomState::new().hash_one(0);
                (format!("ONE_ORDER={:016x}{:016x}", noise(), noise()), false)
            }
        };
        Self { identity, host_id: host.id, lasting }
    }

    /// The owner that a host will be whose ids are not given yet: words stand in their places.
    pub fn planned() -> Self {
        Self { identity: "ONE_PROVISION_HOST=PROVISION_ID:ID".to_owned(), host_id: None, lasting: true }
    }

    /// Whether `tag` is one that only this driver, or the stock one, may set.
    pub fn is_reserved(tag: &str) -> bool {
        tag == Self::COMMON_TAG || tag.starts_with("ONE_HOST_ID=") || Self::is_identity(tag)
    }

    /// Whether `tag` is the identity of some owner.
    pub fn is_identity(tag: &str) -> bool {
        let keys = ["ONE_PROVISION_HOST=", "ONE_HOST_NAME=", "ONE_ORDER="];
        keys.iter().any(|key| tag.starts_with(key))
    }

    /// The one tag by which the owner's machines are found.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether a later run for the same host will be the same owner.
    pub fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// All tags that an order carries: the stock driver's two, and the identity.
    pub fn tags(&self) -> Vec<String> {
        let mut tags = vec![Self::COMMON_TAG.to_owned()];
        tags.extend(self.host_id.map(|id| format!("ONE_HOST_ID={id}")));
        tags.push(self.identity.clone());
        tags
    }
}

/// Whether `name` is one of those that oneprovision draws: `provision-` and 48 hexadecimal digits.
fn is_random(name: &str) -> bool {
    name.strip_prefix("provision-")
        .is_some_and(|rest| rest.len() >= 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;

    fn host(inner: &str) -> Result<Host> {
        Ok(Host::parse(&format!("<HOST>{inner}</HOST>"))?.0)
    }

    #[test]
    fn owners_are_unique_to_the_installation() -> Result<()> {
        let provision = "<TEMPLATE><PROVISION><PROVISION_ID>7a15</PROVISION_ID></PROVISION></TEMPLATE>";
        let owner = Owner::of(&host(&format!("<ID>7</ID>{provision}"))?);
        assert_eq!(owner.tags(), ["OpenNebula", "ONE_HOST_ID=7", "ONE_PROVISION_HOST=7a15:7"]);
        let name = format!("provision-{}", "0a".repeat(24));
        let owner = Owner::of(&host(&format!("<ID>7</ID><NAME>{name}</NAME>"))?);
        assert_eq!(owner.identity(), format!("ONE_HOST_NAME={name}"));
        let plain = host("<ID>7</ID><NAME>node7</NAME>")?;
        assert_ne!(Owner::of(&plain), Owner::of(&plain));
        assert!(!Owner::of(&plain).is_lasting());
        Ok(())
    }
}
