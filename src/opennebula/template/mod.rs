//! A provision template, which `oneprovision create` takes, and the hosts that it would make of it.
//!
//! As oneprovision of OpenNebula 5.8 to 5.12 reads it (`read_config`, `check_config`, `create_config` and
//! `create_deployment_file` in its `utils.rb`), with what that does and nobody would think of: a host has the connection of
//! the last host, for all are given one and the same hash.

mod attributes;
mod extends;
mod refusal;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::attributes::{attributes, said};
use self::extends::{Members, Reader, SECTIONS, mapping, put, take};
use crate::opennebula::host::{Host, Section};
use crate::report::finding::Finding;
use crate::report::secret::Secret;
use crate::system::file;
use crate::wire::tree::{Member, Tree};
use crate::wire::yaml;

/// How many hosts a template may have.
const HOSTS: usize = 1_000;
/// How many attributes its hosts may have in all, and how many bytes of text those: each host repeats the defaults.
const ATTRIBUTES: usize = 100_000;
const TEXT: usize = 64 << 20;
/// The largest key file that is read into a host.
const KEY_LIMIT: u64 = 64 << 10;
/// Where a connection has the key that reaches the hosts.
const PUBLIC_KEY: &str = "PUBLIC_KEY";
/// The connection where a template says nothing of it (`CONFIG_DEFAULTS`, in oneprovision's `ansible.rb`).
const CONNECTION: [(&str, &str); 4] = [
    ("remote_user", "root"),
    ("remote_port", "22"),
    ("public_key", "/var/lib/one/.ssh/ddc/id_rsa.pub"),
    ("private_key", "/var/lib/one/.ssh/ddc/id_rsa"),
];

/// A template, with all that it extends.
pub struct Template {
    /// Its hosts, in order.
    pub hosts: Vec<Planned>,
    /// What is doubtful about its form, as sentences.
    pub warnings: Vec<String>,
    /// Its files that every user can read, and what they say.
    pub exposed: Vec<(PathBuf, Secret)>,
}

/// A host that there is not yet.
pub struct Planned {
    /// What its deployment file will say, but for the ids and names that oneprovision and oned give.
    pub host: Host,
    /// What oneprovision makes of it other than somebody would think, and why it would refuse it.
    pub findings: Vec<Finding>,
}

impl Template {
    /// Reads the template in `bytes`, which `source` names; `path` is its file, if it is in one. Files that it names are
    /// read: those that it extends, and public keys.
    ///
    /// # Errors
    /// It is no template, or has no list of hosts, or what it extends cannot be read. No value is quoted: one of them is a
    /// token.
    pub fn read(source: &str, path: Option<&Path>, bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::default();
        let mut template = reader.read(source, path, bytes)?;
        let hosts = match take(&mut template, "hosts") {
            Tree::List(hosts) if hosts.len() > HOSTS => bail!("{source} has more than {HOSTS} hosts: write several"),
            Tree::List(hosts) if !hosts.is_empty() => hosts,
            Tree::List(_) | Tree::Null => bail!("{source} has no hosts: add a list of them, hosts"),
            _ => bail!("the section hosts of {source} is no list: begin each host with a dash"),
        };
        let hosts = hosts.into_iter().enumerate().map(|(at, host)| match host {
            Tree::Object(members) => Ok(members),
            _ => bail!("host {} of {source} has no names with values: write each as NAME: VALUE", at + 1),
        });
        let hosts = hosts.collect::<Result<Vec<Members>>>()?;
        Ok(Self { hosts: planned(template, hosts)?, warnings: reader.warnings, exposed: reader.exposed })
    }
}

/// What all hosts of a template have.
struct Common {
    /// Why oneprovision would refuse the whole.
    refusals: Vec<Finding>,
    playbooks: Option<String>,
    /// The defaults; those of the connection with what holds where nothing is said.
    connection: Members,
    provision: Members,
    configuration: Members,
    /// The connection that every host gets, what is doubtful about it, and the key that it names.
    shared: Section,
    doubts: Vec<Finding>,
    key: Secret,
}

/// The hosts of a template.
fn planned(mut template: Members, hosts: Vec<Members>) -> Result<Vec<Planned>> {
    let refusals = refusal::of_template(&template);
    let playbooks = playbooks(&mut template);
    let mut defaults = mapping("defaults", take(&mut template, "defaults"))?;
    let [defaults, provision, configuration] = sections(&mut defaults)?;
    let usual = CONNECTION.map(|(name, value)| (name.into(), Tree::Text(value.into())));
    let connection = overlaid(&usual, &defaults);
    let own = hosts.into_iter().map(|mut host| {
        let own = sections(&mut host)?;
        Ok((host, own))
    });
    let own = own.collect::<Result<Vec<_>>>()?;
    let mut shared = usual.to_vec();
    for (_, [connection, ..]) in &own {
        for (name, value) in defaults.iter().chain(connection) {
            put(&mut shared, name, value.clone());
        }
    }
    let mut doubts = Vec::new();
    let shared = attributes(&shared, &mut doubts);
    let key = key(&shared);
    let common = Common { refusals, playbooks, connection, provision, configuration, shared, doubts, key };
    let (mut count, mut text) = (0, 0);
    let hosts = own.iter().map(|(host, own)| {
        let planned = common.plan(host, own);
        let sections = planned.host.sections.values().chain([&planned.host.template]);
        for value in sections.flat_map(BTreeMap::values) {
            count += 1;
            text += value.expose().len();
        }
        if count > ATTRIBUTES || text > TEXT {
            bail!("the hosts of the template have more than {ATTRIBUTES} attributes, or {TEXT} bytes: write several");
        }
        Ok(planned)
    });
    hosts.collect()
}

impl Common {
    fn plan(&self, host: &Members, [connection, provision, configuration]: &[Members; 3]) -> Planned {
        let mut findings = self.refusals.clone();
        findings.extend(refusal::of_host(host, provision));
        let mut provision = overlaid(&self.provision, provision);
        let driver = said(&take(&mut provision, "driver"));
        if driver.trim().is_empty() {
            let what = "no driver is named in its section provision, nor in that of the defaults";
            findings.push(Finding::bad("template", what, "add one, such as driver: packet"));
        }
        let configuration = yaml::write(&Tree::Object(overlaid(&self.configuration, configuration)));
        let mut template = attributes(host, &mut Vec::new());
        let playbooks = self.playbooks.clone().map(|names| ("ANSIBLE_PLAYBOOK", names));
        let own = [
            ("PM_MAD", driver),
            ("PROVISION_CONFIGURATION_BASE64", STANDARD.encode(configuration)),
            ("PROVISION_CONFIGURATION_STATUS", "pending".to_owned()),
        ];
        let own = own.into_iter().chain(playbooks);
        template.extend(own.map(|(name, value)| (name.to_owned(), Secret::new(value))));
        let provision = attributes(&provision, &mut findings);
        findings.extend(self.doubts.iter().cloned());
        findings.extend(self.strange(connection));
        let context = Section::from([("SSH_PUBLIC_KEY".to_owned(), self.key.clone())]);
        let sections = [("PROVISION", provision), ("PROVISION_CONNECTION", self.shared.clone()), ("CONTEXT", context)];
        let sections = sections.map(|(name, section)| (name.to_owned(), section)).into();
        Planned { host: Host { template, sections, ..Host::default() }, findings }
    }

    /// What of the connection that all hosts share is not what a host's `own` section says.
    fn strange(&self, own: &Members) -> Option<Finding> {
        let meant = attributes(&overlaid(&self.connection, own), &mut Vec::new());
        let strange = self.shared.iter().filter(|(name, value)| meant.get(*name) != Some(value));
        let strange: Vec<&str> = strange.map(|(name, _)| name.as_str()).collect();
        (!strange.is_empty()).then(|| {
            Finding::doubtful(
                "connection",
                format!(
                    "all hosts of a template share one connection; not as this one has it is {}",
                    strange.join(", ")
                ),
                "write the connection into the defaults alone, or a template for each host",
            )
        })
    }
}

/// Takes the sections that a host and the defaults have out of `members`.
fn sections(members: &mut Members) -> Result<[Members; 3]> {
    let [connection, provision, configuration] = SECTIONS.map(|name| mapping(name, take(members, name)));
    Ok([connection?, provision?, configuration?])
}

/// `base` with the members of `over` in place of its own.
fn overlaid(base: &[Member<'static>], over: &[Member<'static>]) -> Members {
    let mut members = base.to_vec();
    for (name, value) in over {
        put(&mut members, name, value.clone());
    }
    members
}

/// The public key of a connection: what cannot be read is taken for the key itself (`try_read_file`).
fn key(connection: &Section) -> Secret {
    let path = connection.get(PUBLIC_KEY).map(Secret::expose).unwrap_or_default();
    match file::read(Path::new(path), KEY_LIMIT) {
        Ok((bytes, _)) => Secret::new(String::from_utf8_lossy(&bytes).trim()),
        Err(_) => Secret::new(path),
    }
}

/// The playbooks, as `ANSIBLE_PLAYBOOK` has them.
fn playbooks(template: &mut Members) -> Option<String> {
    let named = ["playbook", "playbooks"].map(|name| match take(template, name) {
        Tree::List(list) => list.iter().map(said).collect::<Vec<_>>(),
        one => vec![said(&one)],
    });
    let names: Vec<String> = named.concat().into_iter().filter(|name| !name.is_empty()).collect();
    Some(names.join(",")).filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<Template> {
        Template::read("STDIN", None, text.as_bytes())
    }

    fn error(text: &str) -> String {
        template(text).map(|_| String::new()).unwrap_or_else(|error| format!("{error:#}"))
    }

    const TWO: &str = "\
name: edge
version: 1
playbook: [default, mine]
defaults:
  provision: {driver: packet, packet_token: tok-1, plan: baremetal_0, os: centos_7, tags: [a, b]}
  connection: {remote_port: 0x16, private_key: /k}
  configuration: {nested: true}
hosts:
  - {im_mad: kvm, vm_mad: kvm, reserved_cpu: '100', provision: {hostname: one, plan: big, always_pxe: yes}}
  - im_mad: kvm
    vm_mad: kvm
    provision: {hostname: two, OS: ubuntu, spot: 0.10, id: '<%= @clusters[0][\"ID\"] %>'}
    connection: {remote_user: ubuntu}
    configuration: {nested: false, secret: x}
";

    #[test]
    fn hosts_are_what_oneprovision_makes_of_a_template() -> Result<()> {
        let hosts = template(TWO)?.hosts;
        let [one, two] = &hosts[..] else { bail!("{} hosts", hosts.len()) };
        let provision = |host: &Planned, name: &str| host.host.provision(name).map(str::to_owned);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(provision(one, "PLAN"), text("big"));
        assert_eq!(provision(two, "PLAN"), text("baremetal_0"));
        assert_eq!(provision(one, "ALWAYS_PXE"), text("true"));
        assert_eq!(provision(one, "TAGS"), text("[\"a\", \"b\"]"));
        // Two names to oneprovision, and one to OpenNebula.
        assert_eq!(provision(two, "OS"), text("centos_7"));
        assert_eq!(provision(two, "SPOT"), text("0.1"));
        assert_eq!(provision(one, "DRIVER"), None);
        assert_eq!([one.host.pm_mad(), two.host.pm_mad()], [Some("packet"); 2]);
        assert_eq!((one.host.id, one.host.name.as_str()), (None, ""));
        let template = |name: &str| one.host.template.get(name).map(Secret::expose);
        assert_eq!(template("RESERVED_CPU"), Some("100"));
        assert_eq!(template("ANSIBLE_PLAYBOOK"), Some("default,mine"));
        assert_eq!(template("PROVISION_CONFIGURATION_STATUS"), Some("pending"));
        let coded = STANDARD.decode(template("PROVISION_CONFIGURATION_BASE64").unwrap_or_default())?;
        assert_eq!(String::from_utf8(coded)?, "---\nnested: true\n");
        Ok(())
    }

    #[test]
    fn all_hosts_have_the_connection_of_the_last_one_and_are_warned() -> Result<()> {
        let hosts = template(TWO)?.hosts;
        for planned in &hosts {
            let connection = |name: &str| planned.host.attribute("PROVISION_CONNECTION", name);
            assert_eq!(connection("REMOTE_USER"), Some("ubuntu"));
            assert_eq!(connection("REMOTE_PORT"), Some("22"));
            assert_eq!(connection("PRIVATE_KEY"), Some("/k"));
            // The file is not there: its name is taken for the key.
            assert_eq!(planned.host.ssh_keys(), [CONNECTION[2].1]);
        }
        let about = |planned: &Planned, about: &str| {
            let found = planned.findings.iter().filter(|one| one.about == about);
            found.map(|one| one.what.clone()).collect::<Vec<_>>().join("; ")
        };
        assert!(about(&hosts[0], "connection").ends_with("not as this one has it is REMOTE_USER"));
        assert_eq!(about(&hosts[1], "connection"), "");
        assert!(about(&hosts[0], "attributes").starts_with("TAGS is no single value"));
        assert!(about(&hosts[1], "attributes").contains("ID is filled in by oneprovision"));
        Ok(())
    }

    #[test]
    fn what_oneprovision_refuses_is_told_of_each_host() -> Result<()> {
        let hosts = template("version: 2\nhosts:\n- {count: 2, provision: {}}\n- {im_mad: kvm, vm_mad: kvm}\n")?.hosts;
        let told =
            |planned: &Planned| planned.findings.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join("; ");
        for part in ["no name", "version", "no im_mad", "no vm_mad", "no hostname", "no driver", "count"] {
            assert!(told(&hosts[0]).contains(part), "{part}: {}", told(&hosts[0]));
        }
        assert!(!told(&hosts[1]).contains("_mad") && told(&hosts[1]).contains("no hostname"));
        Ok(())
    }

    #[test]
    fn what_is_no_template_is_an_error_without_its_values() {
        let cases = [
            ("", "neither the XML of a host nor a provision template: give "),
            ("secret-1", "neither the XML of a host nor a provision template: give "),
            ("a: b: secret-1", "neither the XML of a host nor a provision template in YAML: it is no YAML, at line 1"),
            ("name: secret-1", "STDIN has no hosts: add "),
            ("hosts: []", "STDIN has no hosts: add "),
            ("hosts: {a: secret-1}", "the section hosts of STDIN is no list"),
            ("hosts: [{}, secret-1]", "host 2 of STDIN has no names with values"),
            ("hosts: [{provision: secret-1}]", "the section provision of the template has no names"),
            ("hosts: [{}]\ndefaults: secret-1", "the section defaults of the template has no names"),
            ("hosts: [{}]\nextends: /nonexistent/t.yaml", "STDIN extends /nonexistent/t.yaml, which cannot be read"),
            ("hosts: [{}]\nextends: [{secret-1: b}]", "STDIN extends something that is no path"),
        ];
        for (text, part) in cases {
            let error = error(text);
            assert!(error.contains(part) && !error.contains("secret-1"), "{text:?}: {error}");
        }
        let many = format!("hosts:\n{}", "- {}\n".repeat(HOSTS + 1));
        assert!(error(&many).contains("more than 1000 hosts"), "{}", error(&many));
        let names: String = (0..900).map(|number| format!("    k{number}: v\n")).collect();
        let many = format!("defaults:\n  provision:\n{names}hosts:\n{}", "- {}\n".repeat(HOSTS));
        assert!(error(&many).contains("more than 100000 attributes"), "{}", error(&many));
        let long = format!("defaults: {{provision: {{a: {}}}}}\nhosts:\n{}", "x".repeat(1 << 20), "- {}\n".repeat(100));
        assert!(error(&long).contains("or 67108864 bytes"), "{}", error(&long));
    }
}
