//! What a host's file says, section by section, without secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Section;
use super::keys::{told_file, told_key};
use crate::opennebula::host::Host;
use crate::provider::spec::Spec;
use crate::report::finding::Finding;
use crate::report::secret::Secret;

/// What stands in place of a value that is not shown.
const HIDDEN: &str = "(not shown)";
const DRIVERS: [&str; 3] = ["PM_MAD", "IM_MAD", "VM_MAD"];
const CONFIGURATION: &str = "PROVISION_CONFIGURATION_BASE64";
const STATUS: &str = "PROVISION_CONFIGURATION_STATUS";

type Lines = Vec<(String, String)>;

/// The sections of the host, and what is doubtful about them.
pub(super) fn read(host: &Host, spec: &'static Spec) -> (Vec<Section>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut identity: Lines = Vec::new();
    identity.extend(host.id.map(|id| ("ID".to_owned(), id.to_string())));
    if !host.name.is_empty() {
        identity.push(("NAME".to_owned(), host.name.clone()));
    }
    let drivers = DRIVERS.iter().filter_map(|name| template(host, name));
    let sections = [
        ("Host", identity),
        ("Drivers", drivers.collect()),
        ("Provision", provision(host, spec, &mut findings)),
        ("Connection", connection(host)),
        ("Configuration", configuration(host, &mut findings)),
        ("Context", context(host)),
        ("Other attributes", others(host)),
    ];
    let sections = sections.into_iter().filter(|(_, lines)| !lines.is_empty());
    let sections = sections.map(|(title, lines)| Section { title, lines });
    (sections.collect(), findings)
}

fn template(host: &Host, name: &str) -> Option<(String, String)> {
    let value = host.template.get(name)?;
    Some((name.to_owned(), value.expose().to_owned()))
}

fn provision(host: &Host, spec: &'static Spec, findings: &mut Vec<Finding>) -> Lines {
    let section = host.sections.get("PROVISION").into_iter().flatten();
    let strange: Vec<&str> = spec.strange(host).collect();
    if !strange.is_empty() {
        let what = format!("{} does not read {}", spec.name, strange.join(", "));
        findings.push(Finding::doubtful("attributes", what, remedy(&spec.slips(host))));
    }
    section.map(|(name, value)| (name.clone(), shown(name, value, spec))).collect()
}

/// What to do about attributes that are not known: which known ones were meant by them.
fn remedy(slips: &[(&str, &str)]) -> String {
    match slips {
        [] => "see whether it is misspelt".to_owned(),
        slips => {
            let slips: Vec<String> = slips.iter().map(|(typed, meant)| format!("{meant} by {typed}")).collect();
            format!("did you mean {}?", slips.join(", "))
        }
    }
}

/// A value of `PROVISION`. What the provider does not know may be a misspelt secret.
fn shown(name: &str, value: &Secret, spec: &'static Spec) -> String {
    let text = value.expose().trim();
    match spec.attribute(name) {
        Some(attribute) if attribute.is_secret => HIDDEN.to_owned(),
        Some(attribute) if attribute.is_private => format!("({} bytes)", text.len()),
        Some(_) => text.to_owned(),
        None => format!("(not shown; {} does not read it)", spec.name),
    }
}

fn connection(host: &Host) -> Lines {
    let section = host.sections.get("PROVISION_CONNECTION");
    let value = |name: &String, value: &Secret| match name.as_str() {
        "PRIVATE_KEY" | "PUBLIC_KEY" => told_file(name, value.expose().trim()),
        _ => other_value(name, value),
    };
    let lines = section.into_iter().flatten();
    lines.map(|(name, text)| (name.clone(), value(name, text))).collect()
}

fn configuration(host: &Host, findings: &mut Vec<Finding>) -> Lines {
    let status = template(host, STATUS);
    let mut lines: Lines = status.map(|(_, status)| ("status".to_owned(), status)).into_iter().collect();
    if let Some(coded) = host.template.get(CONFIGURATION) {
        match configuration_lines(coded) {
            Some(yaml) => lines.extend(yaml.into_iter().map(|line| (String::new(), line))),
            None => findings.push(Finding::doubtful(
                "configuration",
                format!("{CONFIGURATION} cannot be decoded"),
                "the host cannot be configured with it: create the provision anew",
            )),
        }
    }
    lines
}

fn context(host: &Host) -> Lines {
    let section = host.sections.get("CONTEXT").into_iter().flatten();
    let lines = section.flat_map(|(name, value)| {
        if name == "SSH_PUBLIC_KEY" {
            let keys = host.ssh_keys().into_iter();
            return keys.map(|key| (name.clone(), told_key(key))).collect();
        }
        vec![(name.clone(), other_value(name, value))]
    });
    lines.collect()
}

fn others(host: &Host) -> Lines {
    let is_told = |name: &str| DRIVERS.contains(&name) || [CONFIGURATION, STATUS].contains(&name);
    let plain = host.template.iter().filter(|(name, _)| !is_told(name));
    let mut lines: Lines = plain.map(|(name, value)| (name.clone(), other_value(name, value))).collect();
    for (title, section) in &host.sections {
        if !["PROVISION", "PROVISION_CONNECTION", "CONTEXT"].contains(&title.as_str()) {
            let inner = section.iter();
            lines.extend(inner.map(|(name, value)| (format!("{title}/{name}"), other_value(name, value))));
        }
    }
    lines
}

/// A value of another section, unless its name says that it is a secret.
fn other_value(name: &str, value: &Secret) -> String {
    if is_secret(name) { HIDDEN.to_owned() } else { value.expose().trim().to_owned() }
}

/// Whether a value of this name is one to hide.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["pass", "secret", "token", "credential", "private", "auth"];
    words.iter().any(|word| name.contains(word)) || (name.ends_with("key") && !name.contains("public"))
}

/// The configuration as YAML, line by line, without what its names say is secret. `None`: it is none.
fn configuration_lines(coded: &Secret) -> Option<Vec<String>> {
    let coded: String = coded.expose().split_whitespace().collect();
    let bytes = STANDARD.decode(&coded).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut lines = Vec::new();
    // How deep the secret stands whose further lines are hidden with it.
    let mut hidden: Option<usize> = None;
    for line in text.lines() {
        let depth = line.len() - line.trim_start_matches([' ', '-']).len();
        if line.trim().is_empty() || hidden.is_some_and(|secret| depth > secret) {
            continue;
        }
        hidden = None;
        let name = line.split_once(':').map(|(name, _)| name);
        match name.filter(|name| is_secret(name.trim_matches([' ', '-', '"', '\'']))) {
            Some(name) => {
                hidden = Some(depth);
                lines.push(format!("{name}: {HIDDEN}"));
            }
            None => lines.push(line.trim_end().to_owned()),
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_configuration_are_hidden_with_all_their_lines() {
        let yaml =
            "---\nkvm:\n  nested: true\n  db_password: |\n    one\n    two\n  next: 1\n- api_key: x\n- public_key: y\n";
        let lines = configuration_lines(&Secret::new(STANDARD.encode(yaml)));
        assert_eq!(
            lines.unwrap_or_default(),
            [
                "---",
                "kvm:",
                "  nested: true",
                "  db_password: (not shown)",
                "  next: 1",
                "- api_key: (not shown)",
                "- public_key: y"
            ]
        );
        assert_eq!(configuration_lines(&Secret::new("%")), None);
    }
}
