//! `check FILE | --host ID`: what a deployment file says, what would be ordered, and whether that would work.
//!
//! It asks and never changes anything: no order, no file, no host.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use argh::FromArgs;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Context, Outcome, timeout};
use crate::opennebula::deployment_file;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::{Oned, OnedError, Which};
use crate::opennebula::owner::Owner;
use crate::opennebula::session::is_exposed;
use crate::opennebula::settings::Settings;
use crate::provider::{Backend, Order, Row, State};
use crate::report::finding::{Finding, Problems, Verdict};
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::report::table::{Look, Table};
use crate::system::file;

/// How long all questions to the provider may take.
const QUESTIONS: Duration = Duration::from_secs(60);
/// The largest key file that is looked at.
const KEY_LIMIT: u64 = 64 << 10;
/// What stands in place of a value that is not shown.
const HIDDEN: &str = "(not shown)";

/// Show what a host's deployment file says and would order, and whether a deploy would be accepted.
///
/// Orders nothing and changes nothing. Exit code 0: a deploy would be accepted; 1: it would not.
#[derive(FromArgs)]
#[argh(subcommand, name = "check", help_triggers("-h", "--help"))]
pub struct Check {
    /// a deployment file: the host's XML, as oneprovision writes it and `onehost show -x` prints it
    #[argh(positional, arg_name = "FILE")]
    file: Option<String>,
    /// the host with this id, from oned, in place of a file
    #[argh(option, arg_name = "ID")]
    host: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Check {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// There is no host to check; all else is a finding.
    pub fn run(self, context: &Context<'_>) -> Result<Outcome> {
        let checked = match (&self.file, &self.host) {
            (Some(path), None) => Checked::from_file(Path::new(path), context)?,
            (None, Some(id)) => Checked::from_oned(id, context)?,
            _ => bail!("what is to be checked is not clear: give a deployment file, or --host ID"),
        };
        let inquiry = Inquiry::make(checked, context)?;
        let text = if self.json {
            format!("{:#}", inquiry.json())
        } else {
            inquiry.text(context.report)
        };
        super::print(&text, context)?;
        Ok(if inquiry.is_accepted() {
            Outcome::Well
        } else {
            Outcome::Unwell
        })
    }
}

/// A host, its secrets in the clear as far as they are to be had, and what came up on the way.
struct Checked {
    host: Host,
    /// Every secret that was seen, in the clear or not: none is shown.
    secrets: Vec<Secret>,
    findings: Vec<Finding>,
}

impl Checked {
    fn from_file(path: &Path, context: &Context<'_>) -> Result<Self> {
        let (mut host, warnings) = deployment_file::read(path)?;
        let mut findings: Vec<Finding> = warnings
            .into_iter()
            .map(|warning| Finding::doubtful("file", warning, "mend it"))
            .collect();
        let row = context.row_of(Some(&host))?;
        let mut secrets = secrets_of(&host, row);
        if row.secrets.is_empty() {
            return Ok(Self {
                host,
                secrets,
                findings,
            });
        }
        let Some(id) = host.id else {
            if is_exposed(path) {
                let what = "every user can read the file, and the token in it";
                findings.push(Finding::doubtful("file", what, "chmod 600 it"));
            }
            return Ok(Self {
                host,
                secrets,
                findings,
            });
        };
        match ask_oned(id, context) {
            Ok((known, endpoint)) => {
                secrets.extend(secrets_of(&known, row));
                host.take_provision(&known, row.secrets);
                if host.deploy_id().is_none() {
                    host.take_provision(&known, &["DEPLOY_ID"]);
                }
                findings.push(Finding::good("oned", format!("answers at {endpoint}")));
            }
            Err(OnedError::CannotAsk(why)) if context.environment_has_secrets()? => {
                let remedy = "deploy will use the credentials of the environment";
                findings.push(Finding::doubtful("oned", format!("{why:#}"), remedy));
                host.drop_provision(row.secrets);
            }
            Err(why) => {
                // What the file has is encrypted: of no use to the provider.
                host.drop_provision(row.secrets);
                findings.push(Finding::of_error("oned", &format!("{:#}", anyhow!(why))));
            }
        }
        Ok(Self {
            host,
            secrets,
            findings,
        })
    }

    fn from_oned(id: &str, context: &Context<'_>) -> Result<Self> {
        let id = host_id(id)?;
        let (host, endpoint) = ask_oned(id, context)?;
        let row = context.row_of(Some(&host))?;
        Ok(Self {
            secrets: secrets_of(&host, row),
            host,
            findings: vec![Finding::good("oned", format!("answers at {endpoint}"))],
        })
    }
}

/// The id that an option gives.
pub(super) fn host_id(text: &str) -> Result<HostId> {
    match HostId::parse(text) {
        Some(id) => Ok(id),
        None => {
            bail!("--host is {text:?}, which is no number: give the id that `onehost list` shows")
        }
    }
}

fn ask_oned(id: HostId, context: &Context<'_>) -> Result<(Host, String), OnedError> {
    let oned = Oned::open(context.environment, &context.interrupt, context.report)?;
    let host = oned.host(Which::Id(id))?;
    Ok((host, oned.endpoint().to_owned()))
}

fn secrets_of(host: &Host, row: &Row) -> Vec<Secret> {
    let values = row.secrets.iter().filter_map(|name| host.provision(name));
    values.map(|value| Secret::new(value.trim())).collect()
}

/// A part of what is shown: names and values.
struct Section {
    title: &'static str,
    lines: Vec<(String, String)>,
}

/// All that is known of a host and of its order.
struct Inquiry {
    called: String,
    sections: Vec<Section>,
    findings: Vec<Finding>,
}

impl Inquiry {
    fn make(checked: Checked, context: &Context<'_>) -> Result<Self> {
        let Checked {
            host,
            secrets,
            findings,
        } = checked;
        let row = context.row_of(Some(&host))?;
        let settings = Settings {
            host: Some(&host),
            environment: context.environment,
        };
        let mut inquiry = Self {
            called: host.called(),
            sections: Vec::new(),
            findings,
        };
        inquiry.read(&host, row);
        let owner = Owner::of(&host);
        let order = match host.deploy_id() {
            Some(_) => None,
            None => inquiry.order(&host, &settings, row, &owner, context),
        };
        if let Err(error) = timeout(&settings) {
            inquiry
                .findings
                .push(Finding::of_error("settings", &error.to_string()));
        }
        match (row.open)(&settings, context.report) {
            Ok(backend) => inquiry.ask(&host, row, &backend, &settings, &owner, context),
            // What is missing was said with the order.
            Err(_) if order.is_none() && host.deploy_id().is_none() => {}
            Err(error) => inquiry
                .findings
                .push(Finding::of_error("credentials", &error.to_string())),
        }
        inquiry.keys(&host);
        for section in &mut inquiry.sections {
            for (_, value) in &mut section.lines {
                *value = secrets
                    .iter()
                    .fold(value.clone(), |value, secret| secret.strike_from(&value));
            }
        }
        for finding in &mut inquiry.findings {
            for text in [&mut finding.what, &mut finding.remedy] {
                *text = secrets
                    .iter()
                    .fold(text.clone(), |text, secret| secret.strike_from(&text));
            }
        }
        Ok(inquiry)
    }

    fn section(&mut self, title: &'static str, lines: Vec<(String, String)>) {
        if !lines.is_empty() {
            self.sections.push(Section { title, lines });
        }
    }

    /// What the host says, section by section.
    fn read(&mut self, host: &Host, row: &Row) {
        const DRIVERS: [&str; 3] = ["PM_MAD", "IM_MAD", "VM_MAD"];
        const CONFIGURATION: &str = "PROVISION_CONFIGURATION_BASE64";
        const STATUS: &str = "PROVISION_CONFIGURATION_STATUS";
        let own = |text: &str| text.to_owned();
        let mut identity = Vec::new();
        identity.extend(host.id.map(|id| (own("ID"), id.to_string())));
        identity.push((own("NAME"), host.name.clone()));
        self.section("Host", identity);
        let template = |name: &str| {
            Some((
                name.to_owned(),
                host.template.get(name)?.expose().to_owned(),
            ))
        };
        self.section(
            "Drivers",
            DRIVERS.iter().filter_map(|name| template(name)).collect(),
        );
        let provision = host.sections.get("PROVISION").into_iter().flatten();
        let strange: Vec<&str> = provision
            .clone()
            .map(|(name, _)| name.as_str())
            .filter(|name| !is_read(name, row))
            .collect();
        if !strange.is_empty() {
            self.findings.push(Finding::doubtful(
                "attributes",
                format!("{} does not read {}", row.name, strange.join(", ")),
                "see whether it is misspelt",
            ));
        }
        let provision = provision.map(|(name, value)| (name.clone(), shown(name, value, row)));
        self.section("Provision", provision.collect());
        let connection = host
            .sections
            .get("PROVISION_CONNECTION")
            .into_iter()
            .flatten();
        let connection =
            connection.map(|(name, value)| (name.clone(), connection_value(name, value)));
        self.section("Connection", connection.collect());
        let mut configuration: Vec<(String, String)> = template(STATUS)
            .map(|(_, status)| (own("status"), status))
            .into_iter()
            .collect();
        if let Some(coded) = host.template.get(CONFIGURATION) {
            match configuration_lines(coded) {
                Some(lines) => {
                    configuration.extend(lines.into_iter().map(|line| (String::new(), line)))
                }
                None => self.findings.push(Finding::doubtful(
                    "configuration",
                    format!("{CONFIGURATION} cannot be decoded"),
                    "the host cannot be configured with it: create the provision anew",
                )),
            }
        }
        self.section("Configuration", configuration);
        let context = host.sections.get("CONTEXT").into_iter().flatten();
        let context = context.flat_map(|(name, value)| {
            if name == "SSH_PUBLIC_KEY" {
                return host
                    .ssh_keys()
                    .into_iter()
                    .map(|key| (name.clone(), told_key(key)))
                    .collect();
            }
            vec![(name.clone(), other_value(name, value))]
        });
        self.section("Context", context.collect());
        let others = host.template.iter().filter(|(name, _)| {
            !DRIVERS.contains(&name.as_str()) && ![CONFIGURATION, STATUS].contains(&name.as_str())
        });
        let mut others: Vec<(String, String)> = others
            .map(|(name, value)| (name.clone(), other_value(name, value)))
            .collect();
        for (title, section) in &host.sections {
            if !["PROVISION", "PROVISION_CONNECTION", "CONTEXT"].contains(&title.as_str()) {
                others.extend(
                    section
                        .iter()
                        .map(|(name, value)| (format!("{title}/{name}"), other_value(name, value))),
                );
            }
        }
        self.section("Other attributes", others);
    }

    /// What would be ordered, if that can be said.
    fn order(
        &mut self,
        host: &Host,
        settings: &Settings<'_>,
        row: &Row,
        owner: &Owner,
        context: &Context<'_>,
    ) -> Option<Order> {
        match (row.order)(host, settings, owner, &context.report) {
            Ok(order) => {
                self.findings
                    .push(Finding::good("attributes", "complete and well-formed"));
                let lines = order
                    .summary
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()));
                self.section("What would be ordered", lines.collect());
                if !owner.is_lasting() {
                    self.findings.push(Finding::doubtful(
                        "identity",
                        "it has no PROVISION_ID and no random name: a killed deploy could not find its machine again",
                        "create the host with oneprovision",
                    ));
                }
                Some(order)
            }
            Err(error) => {
                let problems = match error.downcast::<Problems>() {
                    Ok(problems) => [problems.general, problems.mistakes].concat(),
                    Err(error) => vec![format!("{error:#}")],
                };
                let problems = problems
                    .iter()
                    .map(|problem| Finding::of_error("attributes", problem));
                self.findings.extend(problems);
                None
            }
        }
    }

    /// What the provider says.
    fn ask(
        &mut self,
        host: &Host,
        row: &Row,
        backend: &Arc<dyn Backend>,
        settings: &Settings<'_>,
        owner: &Owner,
        context: &Context<'_>,
    ) {
        // Where a setting is wrong, which was said, only the machine cannot be looked at.
        let lifecycle = context.lifecycle(backend, settings).ok();
        if let Some(text) = host.deploy_id() {
            let lines = vec![(
                "deploy".to_owned(),
                format!("powers on machine {text}, and orders nothing"),
            )];
            self.section("What would be done", lines);
            let Some(id) = (row.id)(text) else {
                self.findings.push(Finding::bad(
                    "machine",
                    format!("DEPLOY_ID is {text:?}, which is not {}", row.id_form),
                    "mend it with onehost update",
                ));
                return;
            };
            let Some(lifecycle) = lifecycle else {
                return;
            };
            self.findings.push(match lifecycle.look(&id) {
                Ok(None) => Finding::bad(
                    "machine",
                    format!("{id} is gone"),
                    "delete the host and create it anew",
                ),
                Ok(Some(machine)) if matches!(machine.state, State::Failed | State::Deleting) => {
                    Finding::bad(
                        "machine",
                        format!("{id} is {}", machine.state_name),
                        "delete the host and create it anew",
                    )
                }
                Ok(Some(machine)) => {
                    Finding::good("machine", format!("{id} is {}", machine.state_name))
                }
                Err(trouble) => Finding::of_error("machine", &format!("{id}: {trouble}")),
            });
            return;
        }
        let found = backend.examine(host, Instant::now() + QUESTIONS);
        let is_closed = found.iter().any(|one| {
            one.verdict == Verdict::Bad && ["token", "project", "provider"].contains(&one.about)
        });
        self.findings.extend(found);
        let Some(lifecycle) = lifecycle.filter(|_| !is_closed && owner.is_lasting()) else {
            return;
        };
        match lifecycle.tagged(owner.identity()) {
            Ok(mut machines) => {
                machines.retain(|machine| machine.state != State::Deleting);
                match &machines[..] {
                    [] => {}
                    [machine] => self.findings.push(Finding::doubtful(
                        "machine",
                        format!(
                            "{} of an earlier deploy is there and {}",
                            machine.id, machine.state_name
                        ),
                        "deploy adopts it and orders none",
                    )),
                    several => {
                        let ids: Vec<&str> =
                            several.iter().map(|machine| machine.id.as_str()).collect();
                        self.findings.push(Finding::bad(
                            "machine",
                            format!(
                                "the host has {} machines already, {}",
                                ids.len(),
                                ids.join(" and ")
                            ),
                            "delete all but one at the provider",
                        ));
                    }
                }
            }
            Err(trouble) => self
                .findings
                .push(Finding::of_error("machine", &trouble.to_string())),
        }
    }

    /// The keys by which the host is reached for its configuration.
    fn keys(&mut self, host: &Host) {
        const ABOUT: &str = "ssh key";
        let keys = host.ssh_keys();
        let count = keys.iter().filter(|key| blob(key).is_some()).count();
        let is_said = self.findings.iter().any(|finding| finding.about == ABOUT);
        if count > 0 {
            self.findings
                .push(Finding::good(ABOUT, format!("the context has {count}")));
        } else if !keys.is_empty() {
            self.findings.push(Finding::doubtful(
                ABOUT,
                "SSH_PUBLIC_KEY in the context is not a public key",
                "put the line of an id_rsa.pub there",
            ));
        } else if !is_said && host.deploy_id().is_none() {
            self.findings.push(Finding::doubtful(
                ABOUT,
                "the context has none",
                "put the front-end's key into CONTEXT/SSH_PUBLIC_KEY of the host's template",
            ));
        }
        for name in ["PRIVATE_KEY", "PUBLIC_KEY"] {
            let Some(path) = host
                .attribute("PROVISION_CONNECTION", name)
                .map(str::trim)
                .filter(|path| !path.is_empty())
            else {
                continue;
            };
            match file::read(Path::new(path), KEY_LIMIT) {
                Err(error) => self.findings.push(Finding::doubtful(
                    "connection",
                    format!("{name} {path} cannot be read ({})", plain(&error)),
                    "oneadmin needs it to configure the host",
                )),
                Ok((bytes, _)) if name == "PUBLIC_KEY" => {
                    let text = String::from_utf8_lossy(&bytes);
                    let own = text.lines().next().and_then(blob);
                    if own.is_some() && !keys.iter().any(|key| blob(key) == own) {
                        self.findings.push(Finding::doubtful(
                            "connection",
                            format!("the key in {path} is none of the context's"),
                            "add it to CONTEXT/SSH_PUBLIC_KEY, or the host cannot be reached with it",
                        ));
                    }
                }
                Ok(_) => {}
            }
        }
    }

    fn is_accepted(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.verdict != Verdict::Bad)
    }

    fn conclusion(&self) -> String {
        let count = |verdict| {
            self.findings
                .iter()
                .filter(|one| one.verdict == verdict)
                .count()
        };
        match (count(Verdict::Bad), count(Verdict::Doubtful)) {
            (0, 0) => "A deploy would be accepted.".to_owned(),
            (0, 1) => "A deploy would be accepted; see the warning above.".to_owned(),
            (0, warnings) => {
                format!("A deploy would be accepted; see the {warnings} warnings above.")
            }
            (1, _) => "A deploy would fail: one thing is WRONG.".to_owned(),
            (wrong, _) => format!("A deploy would fail: {wrong} things are WRONG."),
        }
    }

    fn text(&self, report: Report) -> String {
        let is_coloured = report.is_coloured();
        let mut text = String::new();
        for section in &self.sections {
            text.push_str(&Look::Bold.paint(section.title, is_coloured));
            text.push('\n');
            let mut table = Table::default();
            for (name, value) in &section.lines {
                table.row([(name.as_str(), Look::Plain), (value.as_str(), Look::Plain)]);
            }
            text.push_str(&table.text(2, is_coloured));
            text.push('\n');
        }
        text.push_str(&Look::Bold.paint("Would it work?", is_coloured));
        text.push('\n');
        let mut table = Table::default();
        for finding in &self.findings {
            let look = match finding.verdict {
                Verdict::Good => Look::Green,
                Verdict::Doubtful => Look::Yellow,
                Verdict::Bad => Look::Red,
            };
            table.row([
                (finding.verdict.word(), look),
                (finding.about, Look::Plain),
                (finding.what.as_str(), Look::Plain),
            ]);
            if !finding.remedy.is_empty() {
                let remedy = format!("-> {}", finding.remedy);
                table.row([("", Look::Plain), ("", Look::Plain), (&remedy, Look::Plain)]);
            }
        }
        text.push_str(&table.text(2, is_coloured));
        let look = if self.is_accepted() {
            Look::Green
        } else {
            Look::Red
        };
        text.push('\n');
        text.push_str(&look.paint(&self.conclusion(), is_coloured));
        text
    }

    fn json(&self) -> Value {
        let sections: Map<String, Value> = self
            .sections
            .iter()
            .map(|section| {
                let key = section.title.to_ascii_lowercase().replace(' ', "_");
                (key, in_json(&section.lines))
            })
            .collect();
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "verdict": finding.verdict.word().to_ascii_lowercase(),
                    "about": finding.about,
                    "what": finding.what,
                    "remedy": finding.remedy,
                })
            })
            .collect();
        json!({
            "called": self.called,
            "accepted": self.is_accepted(),
            "findings": findings,
            "sections": sections,
        })
    }
}

/// Lines as an object; a name that stands several times has a list, and what has no name is text.
fn in_json(lines: &[(String, String)]) -> Value {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in lines {
        let name = if name.is_empty() { "text" } else { name };
        values.entry(name).or_default().push(value);
    }
    let object: Map<String, Value> = values
        .into_iter()
        .map(|(name, values)| {
            let value = match (&values[..], name) {
                (lines, "text") => json!(lines.join("\n")),
                ([one], _) => json!(one),
                (several, _) => json!(several),
            };
            (name.to_owned(), value)
        })
        .collect();
    Value::Object(object)
}

/// Attributes that mean the same for every provider.
const COMMON: [&str; 5] = [
    "NAME",
    "PROVISION_ID",
    "DEPLOY_ID",
    "PM_TIMEOUT",
    "PM_ROOT_PASSWORD",
];
/// Attributes of some providers whose values may hold anything.
const UNSHOWN: [&str; 2] = ["USERDATA", "CUSTOMDATA"];

/// Whether the provider, or the driver, reads this attribute of `PROVISION`.
fn is_read(name: &str, row: &Row) -> bool {
    row.secrets.contains(&name)
        || COMMON.contains(&name)
        || UNSHOWN.contains(&name)
        || (row.shows)(name)
}

/// A value of `PROVISION`. What the provider does not know may be a misspelt secret.
fn shown(name: &str, value: &Secret, row: &Row) -> String {
    let text = value.expose().trim();
    if row.secrets.contains(&name) {
        HIDDEN.to_owned()
    } else if UNSHOWN.contains(&name) {
        format!("({} bytes)", text.len())
    } else if is_read(name, row) {
        text.to_owned()
    } else {
        format!("(not shown; {} does not read it)", row.name)
    }
}

/// A value of the connection; files with whether they can be read.
fn connection_value(name: &str, value: &Secret) -> String {
    let text = value.expose().trim();
    if !["PRIVATE_KEY", "PUBLIC_KEY"].contains(&name) {
        return other_value(name, value);
    }
    match file::read(Path::new(text), KEY_LIMIT) {
        Err(error) => format!("{text} (cannot be read: {})", plain(&error)),
        Ok((bytes, _)) if name == "PUBLIC_KEY" => {
            let key = String::from_utf8_lossy(&bytes);
            match key.lines().next().and_then(fingerprint) {
                Some(print) => format!("{text} ({print})"),
                None => format!("{text} (readable, but no public key)"),
            }
        }
        Ok(_) => format!("{text} (readable)"),
    }
}

/// A value of another section, unless its name says that it is a secret.
fn other_value(name: &str, value: &Secret) -> String {
    if is_secret(name) {
        HIDDEN.to_owned()
    } else {
        value.expose().trim().to_owned()
    }
}

/// Whether a value of this name is one to hide.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = ["pass", "secret", "token", "credential", "private", "auth"];
    words.iter().any(|word| name.contains(word))
        || (name.ends_with("key") && !name.contains("public"))
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

/// What a key is called: its fingerprint as `ssh-keygen -l` prints it, its type and its comment.
fn told_key(line: &str) -> String {
    fingerprint(line).unwrap_or_else(|| "(no public key)".to_owned())
}

fn fingerprint(line: &str) -> Option<String> {
    let blob = blob(line)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &blob);
    let kind = kind(&blob)?;
    let comment = line
        .split_whitespace()
        .skip_while(|word| *word != kind)
        .nth(2)
        .unwrap_or("no comment");
    Some(format!(
        "SHA256:{} {comment} ({kind})",
        STANDARD_NO_PAD.encode(digest)
    ))
}

/// The key in a line of `authorized_keys`: the word that is one in base64.
fn blob(line: &str) -> Option<Vec<u8>> {
    let mut words = line.split_whitespace();
    words.find_map(|word| {
        let bytes = STANDARD.decode(word).ok()?;
        let kind = kind(&bytes)?.to_owned();
        line.contains(&kind).then_some(bytes)
    })
}

/// The type that a key names itself: a length of four bytes and the name (RFC 4253, 6.6).
fn kind(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let name = rest.get(..u32::from_be_bytes(*length) as usize)?;
    std::str::from_utf8(name).ok().filter(|name| name.len() > 3)
}

/// An error of the system without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_prints() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
        assert_eq!(
            fingerprint(key).as_deref(),
            Some("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU github (ssh-ed25519)")
        );
        assert_eq!(fingerprint("ssh-rsa AAAAB3Nza test@one"), None);
        assert_eq!(fingerprint(""), None);
    }

    #[test]
    fn secrets_of_the_configuration_are_hidden_with_all_their_lines() {
        let yaml = "---\nkvm:\n  nested: true\n  db_password: |\n    one\n    two\n  next: 1\n- api_key: x\n- public_key: y\n";
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
