//! The host as OpenNebula knows it: raw XML becomes [`Host`], whose attributes cannot be printed by accident.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use anyhow::{Context, Result, bail};

use crate::report::secret::Secret;
use crate::wire::xml;

/// How many attributes a host may have: a real one has some dozens.
const ATTRIBUTES: usize = 10_000;

/// A host's number in its OpenNebula. Numbers repeat across installations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostId(pub u32);

impl HostId {
    /// Reads a host id; `None` if `text` is none.
    pub fn parse(text: &str) -> Option<Self> {
        // `parse` alone would take a sign.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // oned's ids are signed 32 bit integers.
        let id = digits.then(|| text.parse::<i32>().ok()).flatten()?;
        u32::try_from(id).ok().map(Self)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The attributes of one section of the host's template. None of them can be printed by accident: any may
/// hold a secret, and which ones do differs by provider.
pub type Section = BTreeMap<String, Secret>;

/// A host, as its XML tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its id; absent while the host is not in the database yet.
    pub id: Option<HostId>,
    /// Its name: random at first, its address after the first poll.
    pub name: String,
    /// The plain attributes of its template.
    pub template: Section,
    /// The sections of its template: `PROVISION`, `CONTEXT`, `PROVISION_CONNECTION` and others.
    pub sections: BTreeMap<String, Section>,
}

impl Host {
    /// Reads the XML of one host: a deployment file, or what oned answers.
    ///
    /// Also returns what was read though it is wrong, as sentences to warn with.
    ///
    /// # Errors
    /// `text` is not the XML of a host. The error does not quote values: one of them is a token.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>)> {
        let mut host = Self::default();
        let mut root = None;
        let mut attributes = 0;
        let wrong_ends = xml::leaves(text, |path, value| {
            if root.is_none() {
                root = path.first().cloned();
            }
            if path.get(1).is_some_and(|name| name == "TEMPLATE") {
                attributes += 1;
            }
            if attributes > ATTRIBUTES {
                bail!("it has more than {ATTRIBUTES} attributes");
            }
            match path.split_first() {
                Some((root, path)) if root == "HOST" => host.take(path, value),
                _ => Ok(()),
            }
        })?;
        if root.as_deref() != Some("HOST") {
            bail!("its root element is <{}> and not <HOST>", root.unwrap_or_default());
        }
        let warnings = wrong_ends
            .iter()
            .map(|end| format!("<{}> is closed by </{}>: read as if it were closed by </{0}>", end.opened, end.closed))
            .collect();
        Ok((host, warnings))
    }

    /// Reads a pool, as oned answers it: its hosts, their secrets still encrypted. Of their templates `PM_MAD` and the
    /// section `PROVISION` are kept.
    ///
    /// # Errors
    /// `text` is not the XML of a pool, or cannot be read.
    pub fn parse_pool(text: &mut dyn BufRead) -> Result<Vec<Self>> {
        let mut hosts: Vec<Self> = Vec::new();
        xml::leaves_of(text, |path, value| {
            let [pool, host, path @ ..] = path else {
                return Ok(());
            };
            let is_kept = match path {
                [name] => name == "ID" || name == "NAME",
                [_, name] => name == "PM_MAD",
                [_, section, _] => section == "PROVISION",
                _ => false,
            };
            if pool != "HOST_POOL" || host != "HOST" || !is_kept {
                return Ok(());
            }
            // The id comes first in every host.
            if path.first().is_some_and(|name| name == "ID") {
                hosts.push(Self::default());
            }
            match hosts.last_mut() {
                Some(host) => host.take(path, value),
                None => Ok(()),
            }
        })?;
        Ok(hosts)
    }

    /// Takes over the leaf at `path`, which begins below `HOST`.
    fn take(&mut self, path: &[String], value: &str) -> Result<()> {
        match path {
            [name] if name == "ID" => {
                let id = HostId::parse(value.trim()).context("its ID is not a number")?;
                self.id.get_or_insert(id);
            }
            [name] if name == "NAME" && self.name.is_empty() => value.trim().clone_into(&mut self.name),
            [template, name] if template == "TEMPLATE" => keep_first(&mut self.template, name, value),
            // The monitored `TEMPLATE/HOSTNAME` is not the ordered `TEMPLATE/PROVISION/HOSTNAME`.
            [template, section, name] if template == "TEMPLATE" => {
                if !self.sections.contains_key(section) {
                    self.sections.insert(section.clone(), Section::new());
                }
                if let Some(section) = self.sections.get_mut(section) {
                    keep_first(section, name, value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An attribute of the section `PROVISION`, as it was written.
    pub fn provision(&self, name: &str) -> Option<&str> {
        self.attribute("PROVISION", name)
    }

    /// The names of the attributes of section `PROVISION`.
    pub fn provision_names(&self) -> impl Iterator<Item = &str> {
        self.sections.get("PROVISION").into_iter().flat_map(|section| section.keys().map(String::as_str))
    }

    /// An attribute of any section, as it was written.
    pub fn attribute(&self, section: &str, name: &str) -> Option<&str> {
        Some(self.sections.get(section)?.get(name)?.expose())
    }

    /// The driver that the host names, its `PM_MAD`.
    pub fn pm_mad(&self) -> Option<&str> {
        let name = self.template.get("PM_MAD")?.expose().trim();
        Some(name).filter(|name| !name.is_empty())
    }

    /// The id of its machine, if it has one already.
    pub fn deploy_id(&self) -> Option<&str> {
        self.provision("DEPLOY_ID").map(str::trim).filter(|id| !id.is_empty())
    }

    /// The public SSH keys that the front-end reaches the host with, one a line in `CONTEXT`.
    pub fn ssh_keys(&self) -> Vec<&str> {
        self.attribute("CONTEXT", "SSH_PUBLIC_KEY")
            .unwrap_or_default()
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// Takes over the attributes `names` of section `PROVISION` from `other`, where it has them: the
    /// decrypted ones.
    pub fn take_provision(&mut self, other: &Self, names: &[&str]) {
        let Some(theirs) = other.sections.get("PROVISION") else {
            return;
        };
        let ours = self.sections.entry("PROVISION".to_owned()).or_default();
        for name in names {
            if let Some(value) = theirs.get(*name) {
                ours.insert((*name).to_owned(), value.clone());
            }
        }
    }

    /// Sets an attribute of section `PROVISION`.
    pub fn set_provision(&mut self, name: &str, value: Secret) {
        self.sections.entry("PROVISION".to_owned()).or_default().insert(name.to_owned(), value);
    }

    /// Removes the attributes `names` of section `PROVISION`.
    pub fn drop_provision(&mut self, names: &[&str]) {
        if let Some(section) = self.sections.get_mut("PROVISION") {
            section.retain(|name, _| !names.contains(&name.as_str()));
        }
    }

    /// The host as a user knows it.
    pub fn called(&self) -> String {
        match (self.id, self.name.as_str()) {
            (Some(id), "") => format!("host {id}"),
            (Some(id), name) => format!("host {id} ({name})"),
            (None, "") => "a host without name".to_owned(),
            (None, name) => format!("host {name}"),
        }
    }
}

/// libxml2's XPath, by which the stock driver reads, takes the first of several.
fn keep_first(section: &mut Section, name: &str, value: &str) {
    section.entry(name.to_owned()).or_insert_with(|| Secret::new(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = include_str!("../../tests/fixtures/opennebula-5.12/deployment-create.xml");

    fn host(inner: &str) -> Result<Host> {
        Ok(Host::parse(&format!("<HOST>{inner}</HOST>"))?.0)
    }

    #[test]
    fn the_recorded_file_is_read() -> Result<()> {
        let (host, warnings) = Host::parse(CREATE)?;
        assert!(warnings.is_empty());
        assert_eq!(host.id, Some(HostId(1002)));
        assert_eq!(host.pm_mad(), Some("packet"));
        assert_eq!(host.provision("PLAN"), Some("baremetal_0"));
        assert_eq!(host.provision("HOSTNAME"), Some("centos-host"));
        assert_eq!(host.ssh_keys(), ["ssh-rsa AAAAB3Nza test@one"]);
        assert_eq!(host.deploy_id(), None);
        Ok(())
    }

    #[test]
    fn debug_shows_no_attribute() -> Result<()> {
        let text = format!("{:?}", Host::parse(CREATE)?.0);
        assert!(!text.contains("iG32m8cZ"), "{text}");
        Ok(())
    }

    #[test]
    fn the_monitored_hostname_is_not_the_ordered_one() -> Result<()> {
        let host = host("<TEMPLATE><HOSTNAME>seen</HOSTNAME></TEMPLATE>")?;
        assert_eq!(host.provision("HOSTNAME"), None);
        Ok(())
    }

    #[test]
    fn the_documented_wrong_end_is_read_with_a_warning() -> Result<()> {
        let (host, warnings) = Host::parse(
            "<HOST><TEMPLATE><PROVISION><PACKET_PROJECT>p</PROJECT><PLAN>x</PLAN></PROVISION></TEMPLATE></HOST>",
        )?;
        assert_eq!(host.provision("PACKET_PROJECT"), Some("p"));
        assert_eq!(host.provision("PLAN"), Some("x"));
        assert_eq!(warnings.len(), 1);
        Ok(())
    }

    #[test]
    fn host_ids_are_what_oned_has() {
        assert_eq!(HostId::parse("0"), Some(HostId(0)));
        for text in ["", "-1", "+1", "1 ", "4294967296", "2147483648", "abc"] {
            assert_eq!(HostId::parse(text), None, "{text}");
        }
    }
}
