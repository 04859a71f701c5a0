//! A host as oned keeps it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::random::Random;
use crate::xml::{Element, Node};

const PROVISION: [&str; 2] = ["TEMPLATE", "PROVISION"];
/// What oned.conf encrypts, as it is delivered (`HOST_ENCRYPTED_ATTR`).
pub(super) const SECRETS: [&str; 3] = ["PACKET_TOKEN", "EC2_ACCESS", "EC2_SECRET"];

/// A host of the recorded kind, with attributes of one's own: writes the XML for [`crate::Oned::add_host`].
#[derive(Clone, Debug)]
pub struct HostTemplate {
    /// `ID`
    pub id: i32,
    /// `NAME`
    pub name: String,
    /// `TEMPLATE/PM_MAD`: the name of the driver.
    pub pm_mad: String,
    /// `TEMPLATE/CONTEXT/SSH_PUBLIC_KEY`: a key a line.
    pub ssh_public_key: String,
    /// What stands in `TEMPLATE/PROVISION`.
    pub provision: BTreeMap<String, String>,
}

impl HostTemplate {
    /// A host that can be ordered from the simulator: as the recording's, without DEPLOY_ID. Its name is `provision-` and
    /// 48 digits that are always the same for its id.
    pub fn new(id: i32) -> Self {
        let provision = [
            ("FACILITY", "ams1"),
            ("HOSTNAME", "centos-host"),
            ("NAME", "EdgeCluster"),
            ("OS", "centos_7"),
            ("PACKET_PROJECT", crate::PROJECT),
            ("PACKET_TOKEN", crate::TOKEN),
            ("PLAN", "baremetal_0"),
            ("PROVISION_ID", "7a15cf52-8e99-4887-a6a6-ebf8d8536437"),
        ];
        HostTemplate {
            id,
            name: format!("provision-{}", Random::new(id as u64).hex(48)),
            pm_mad: "packet".to_owned(),
            ssh_public_key: "ssh-rsa AAAAB3Nza test@one".to_owned(),
            provision: provision.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }

    /// A host that can be ordered from [`crate::ec2::Ec2`].
    pub fn ec2(id: i32) -> Self {
        let provision = [
            ("AMI", "ami-1e749f67"),
            ("CLOUD_INIT", "yes"),
            ("EC2_ACCESS", crate::ec2::ACCESS),
            ("EC2_SECRET", crate::ec2::SECRET),
            ("HOSTNAME", "centos-host"),
            ("INSTANCETYPE", "c5.metal"),
            ("PROVISION_ID", "7a15cf52-8e99-4887-a6a6-ebf8d8536437"),
            ("REGION_NAME", "us-east-1"),
        ];
        HostTemplate {
            pm_mad: "ec2".to_owned(),
            provision: provision.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Self::new(id)
        }
    }

    /// The same for Ironic, as its stub lets it in.
    pub fn ironic(id: i32) -> Self {
        let provision = [
            ("ADDRESS", "192.0.2.11"),
            ("HOSTNAME", "edge-1"),
            ("IMAGE_CHECKSUM", "d41d8cd98f00b204e9800998ecf8427e"),
            ("IMAGE_SOURCE", "http://192.0.2.1/debian-12.raw"),
            ("OS_PASSWORD", crate::IRONIC_PASSWORD),
            ("OS_USERNAME", "one"),
            ("PROVISION_ID", "7a15cf52-8e99-4887-a6a6-ebf8d8536437"),
            ("RESOURCE_CLASS", "baremetal"),
        ];
        HostTemplate {
            pm_mad: "ironic".to_owned(),
            provision: provision.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Self::new(id)
        }
    }

    /// A host that can be ordered from the stub of phoenixNAP at this address.
    pub fn phoenixnap(id: i32, url: &str) -> Self {
        let provision = [
            ("HOSTNAME", "edge-1"),
            ("LOCATION", "PHX"),
            ("OS", "ubuntu/jammy"),
            ("PNAP_API_URL", url),
            ("PNAP_AUTH_URL", url),
            ("PNAP_CLIENT_ID", "client"),
            ("PNAP_CLIENT_SECRET", "secret"),
            ("PROVISION_ID", "7a15cf52-8e99-4887-a6a6-ebf8d8536437"),
            ("TYPE", "s1.c1.small"),
        ];
        HostTemplate {
            pm_mad: "phoenixnap".to_owned(),
            provision: provision.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Self::new(id)
        }
    }

    /// A host that can be ordered from the stub of Scaleway, whose IAM has its key.
    pub fn scaleway(id: i32) -> Self {
        let provision = [
            ("HOSTNAME", "edge-1"),
            ("OFFER", "EM-A116X-SSD"),
            ("OS", "Ubuntu 24.04"),
            ("PROVISION_ID", "7a15cf52-8e99-4887-a6a6-ebf8d8536437"),
            ("SCW_DEFAULT_PROJECT_ID", "dddddddd-0000-4000-8000-000000000001"),
            ("SCW_DEFAULT_ZONE", "fr-par-2"),
            ("SCW_SECRET_KEY", crate::SCALEWAY_KEY),
        ];
        HostTemplate {
            pm_mad: "scaleway".to_owned(),
            ssh_public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFrontEnd test@one".to_owned(),
            provision: provision.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Self::new(id)
        }
    }

    /// A host that can be ordered from the stub of Latitude.sh.
    pub fn latitude(id: i32) -> Self {
        let provision = [
            ("HOSTNAME", "node0"),
            ("LATITUDESH_AUTH_TOKEN", "lat_0123456789abcdef"),
            ("OS", "ubuntu_24_04_x64_lts"),
            ("PLAN", "c3-small-x86"),
            ("PROJECT", "private-cloud"),
            ("PROVISION_ID", "7a15cf52-8e99-4887-a6a6-ebf8d8536437"),
            ("SITE", "CHI"),
        ];
        HostTemplate {
            pm_mad: "latitude".to_owned(),
            provision: provision.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            ..Self::new(id)
        }
    }

    /// With this PROVISION attribute.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.provision.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Without this PROVISION attribute.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.provision.remove(key);
        self
    }

    /// The host's XML, with the clear token.
    pub fn xml(&self) -> String {
        self.element().compact()
    }

    fn element(&self) -> Element {
        let plain = |name: &str, value: &str| Node::Element(Element::plain(name, value));
        let cdata = |name: &str, value: &str| Node::Element(Element::cdata(name, value));
        let parent = |name: &str, children: Vec<Node>| Node::Element(Element::new(name, children));
        let zeros = |names: &[&str]| names.iter().map(|name| plain(name, "0")).collect::<Vec<_>>();
        let provision = self.provision.iter().map(|(key, value)| cdata(key, value)).collect();
        let mut share =
            zeros(&["MEM_USAGE", "CPU_USAGE", "TOTAL_MEM", "TOTAL_CPU", "MAX_MEM", "MAX_CPU", "RUNNING_VMS"]);
        share.extend([
            plain("VMS_THREAD", "1"),
            parent(
                "DATASTORES",
                ["DISK_USAGE", "FREE_DISK", "MAX_DISK", "USED_DISK"].map(|name| cdata(name, "0")).into(),
            ),
            parent("PCI_DEVICES", Vec::new()),
            parent("NUMA_NODES", Vec::new()),
        ]);
        Element::new(
            "HOST",
            vec![
                plain("ID", &self.id.to_string()),
                plain("NAME", &self.name),
                // OFFLINE: so oneprovision keeps a host until it is configured.
                plain("STATE", "8"),
                plain("PREV_STATE", "8"),
                cdata("IM_MAD", "dummy"),
                cdata("VM_MAD", "dummy"),
                plain("CLUSTER_ID", "102"),
                plain("CLUSTER", "EdgeCluster"),
                parent("HOST_SHARE", share),
                parent("VMS", Vec::new()),
                parent(
                    "TEMPLATE",
                    vec![
                        cdata("ANSIBLE_PLAYBOOK", "default"),
                        parent("CONTEXT", vec![cdata("SSH_PUBLIC_KEY", &self.ssh_public_key)]),
                        cdata("IM_MAD", "dummy"),
                        cdata("PM_MAD", &self.pm_mad),
                        parent("PROVISION", provision),
                        cdata("PROVISION_CONFIGURATION_BASE64", "LS0tIHt9Cg=="),
                        cdata("PROVISION_CONFIGURATION_STATUS", "pending"),
                        parent(
                            "PROVISION_CONNECTION",
                            vec![
                                cdata("PRIVATE_KEY", "/var/lib/one/.ssh/ddc/id_rsa"),
                                cdata("PUBLIC_KEY", "/var/lib/one/.ssh/ddc/id_rsa.pub"),
                                cdata("REMOTE_PORT", "22"),
                                cdata("REMOTE_USER", "root"),
                            ],
                        ),
                        cdata("RESERVED_CPU", "100"),
                        cdata("RESERVED_MEM", ""),
                        cdata("VM_MAD", "dummy"),
                    ],
                ),
                parent("MONITORING", Vec::new()),
            ],
        )
    }
}

/// An attribute or a section of a template as oned keeps it, if it does: each value in a CDATA section, names in order.
fn stored(part: &Element) -> Option<Element> {
    let mut attributes: Vec<&Element> = part.elements().collect();
    if attributes.is_empty() {
        return (part.children.len() == 1).then(|| Element::cdata(&part.name, &part.text()));
    }
    attributes.sort_by(|one, other| one.name.cmp(&other.name));
    let kept = attributes.into_iter().map(|one| {
        let is_kept = one.children.len() < 2 && one.elements().next().is_none();
        is_kept.then(|| Node::Element(Element::cdata(&one.name, &one.text())))
    });
    Some(Element::new(&part.name, kept.collect::<Option<_>>()?))
}

/// A host in oned's database, with its token in the clear.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub id: i32,
    xml: Element,
}

impl Host {
    pub(crate) fn parse(xml: &str) -> Result<Self> {
        let xml = Element::parse(xml)?;
        anyhow::ensure!(xml.name == "HOST", "<{}> is no HOST", xml.name);
        let id = xml.child("ID").context("a host without ID")?.text();
        let id = id.trim().parse().with_context(|| format!("ID is {id:?}"))?;
        xml.child("NAME").context("a host without NAME")?;
        Ok(Host { id, xml })
    }

    pub(crate) fn name(&self) -> String {
        self.xml.child("NAME").map(Element::text).unwrap_or_default()
    }

    pub(crate) fn rename(&mut self, name: &str) {
        if let Some(element) = self.xml.child_mut("NAME") {
            *element = Element::plain("NAME", name);
        }
    }

    /// Changes each secret of the host.
    pub(crate) fn change_secrets(&mut self, change: impl Fn(&str) -> String) {
        for key in SECRETS {
            if let Some(secret) = self.provision(key) {
                self.set_provision(key, &change(&secret));
            }
        }
    }

    pub(crate) fn provision(&self, key: &str) -> Option<String> {
        self.xml.at(&PROVISION)?.child(key).map(Element::text)
    }

    /// Sets an attribute of PROVISION, if the host has a PROVISION.
    pub(crate) fn set_provision(&mut self, key: &str, value: &str) {
        if let Some(provision) = self.xml.at_mut(&PROVISION) {
            provision.set(Element::cdata(key, value));
        }
    }

    /// Sets sections and attributes of the template, each replaced whole, as `one.host.update` does: what holds more than
    /// one piece of text, as a CDATA section that had to be cut, is not kept, nor is the section that it stands in.
    pub(crate) fn update(&mut self, template: &Element, keeps_others: bool) {
        let Some(own) = self.xml.at_mut(&["TEMPLATE"]) else {
            return;
        };
        if !keeps_others {
            own.children.clear();
        }
        for part in template.elements() {
            if let Some(part) = stored(part) {
                own.set(part);
            }
        }
    }

    pub(crate) fn pm_mad(&self) -> Option<String> {
        self.xml.at(&["TEMPLATE", "PM_MAD"]).map(Element::text)
    }

    pub(crate) fn xml(&self) -> &Element {
        &self.xml
    }
}
