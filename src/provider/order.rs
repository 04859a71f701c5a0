//! The order for a host, made of the provider's table of attributes; all that is wrong with it is said at once.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::attribute::Attribute;
use super::form::words;
use super::spec::{Identity, Spec, joined};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::report::finding::{Mistake, Problems};
use crate::report::secret::Secret;
use crate::report::text::one_line;

/// An order, ready to be sent.
#[derive(Clone)]
pub struct Order {
    /// What is sent: what the attributes become, the tags, the user data. It may hold secrets.
    pub body: Value,
    /// The owner's mark, as the machine will show it.
    pub mark: String,
    /// What the provider's next idempotency keys must differ by: what earlier ones are spent on.
    pub spent: Vec<String>,
    /// What the host's attributes say, also those that are not sent.
    given: BTreeMap<&'static str, String>,
    /// Its tags, also those that the order itself does not take.
    pub tags: Vec<String>,
    /// Whether it carries user data.
    pub has_user_data: bool,
    /// The host's SSH keys, a line each.
    pub ssh_keys: Vec<String>,
    /// What is ordered, in words that may be shown: names and values.
    pub summary: Vec<(&'static str, String)>,
    /// What somebody should know before it is sent.
    pub warnings: Vec<String>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl Order {
    /// The order for `host`.
    ///
    /// # Errors
    /// [`Problems`]: all that is missing or wrong.
    pub fn of(spec: &Spec, host: &Host, settings: &Settings<'_>, owner: &Owner) -> Result<Self> {
        let (order, problems) = Self::draft(spec, host, settings, owner)?;
        if problems == Problems::default() { Ok(order) } else { Err(problems.into()) }
    }

    /// The order for `host` as far as it can be made, and what is wrong with it.
    ///
    /// # Errors
    /// A variable of the environment is not UTF-8.
    pub fn draft(spec: &Spec, host: &Host, settings: &Settings<'_>, owner: &Owner) -> Result<(Self, Problems)> {
        let mut problems = Problems::default();
        let mut order = Self {
            body: Value::Object(Map::new()),
            mark: spec.identity.mark(owner),
            spent: Vec::new(),
            given: BTreeMap::new(),
            tags: Vec::new(),
            has_user_data: false,
            ssh_keys: host.ssh_keys().into_iter().map(str::to_owned).collect(),
            summary: Vec::new(),
            warnings: Vec::new(),
        };
        for attribute in spec.attributes {
            let value = match attribute.is_account {
                true => settings.get(attribute.name)?,
                false => host.provision(attribute.name).map(str::trim),
            };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                order.given.insert(attribute.name, value.to_owned());
            }
        }
        problems.general.extend(order.lacking(spec, host));
        for attribute in spec.attributes {
            order.take(attribute, &mut problems);
        }
        order.take_tags(spec, host, owner);
        let reaches: Vec<&str> = spec.names(|one| one.reach.is_some() && !one.is_required);
        if !reaches.is_empty() && spec.reach(host).is_none() {
            order.warnings.push(format!(
                "PROVISION tells no address of the host and {} knows none, so `poll` will fail: set {}",
                spec.name,
                reaches.join(" or ")
            ));
        }
        if let Err(error) = order.take_user_data(spec, host) {
            problems.mistakes.push(Mistake::of(&error).about("USERDATA"));
        }
        Ok((order, problems))
    }

    /// What the host's attribute `name` says, without blanks around it, else its default; empty where there is neither.
    pub fn attribute(&self, name: &str) -> &str {
        self.given.get(name).map_or("", String::as_str)
    }

    /// Puts `value` at `path`, names with dots between them.
    pub fn set(&mut self, path: &str, value: Value) {
        let mut place = &mut self.body;
        for name in path.split('.') {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[name];
        }
        *place = value;
    }

    fn lacking(&self, spec: &Spec, host: &Host) -> Option<Mistake> {
        let is_given = |name: &str| self.given.contains_key(name);
        let missing: Vec<&Attribute> = spec
            .attributes
            .iter()
            .filter(|one| one.is_required && !is_given(one.name))
            .filter(|one| !one.or.or(one.unless).is_some_and(is_given))
            .collect();
        let name = |one: &&Attribute| match one.or.or(one.unless) {
            Some(other) => format!("{} (or {other})", one.name),
            None => one.name.to_owned(),
        };
        let misspelt = spec.misspelt(host, missing.iter().map(|one| one.name));
        match missing[..] {
            [] => None,
            [Attribute { name, remedy: Some(remedy), .. }] => {
                let what = format!("PROVISION lacks the mandatory attribute {name}");
                Some(Mistake::new(what, format!("{misspelt}{remedy}")))
            }
            _ => {
                let missing = missing.iter().map(name).collect::<Vec<_>>().join(", ");
                Some(Mistake::new(
                    format!("PROVISION lacks the mandatory attributes {missing}"),
                    format!("{misspelt}add them to the section provision of the template"),
                ))
            }
        }
    }

    /// Reads one attribute into its member of the body.
    fn take(&mut self, attribute: &Attribute, problems: &mut Problems) {
        let name = attribute.name;
        let Some(written) = self.given.get(name).cloned() else {
            self.take_default(attribute);
            return;
        };
        if let Some(other) = attribute.or.filter(|other| self.given.contains_key(other)) {
            self.warnings.push(format!("PROVISION has both {other} and {name}: ordering in the {other}"));
            self.given.remove(name);
            return;
        }
        match attribute.read(&written) {
            Ok(value) if !attribute.field.is_empty() => self.set(attribute.field, value),
            Ok(_) => {}
            Err(error) => {
                let mistake = Mistake::of(&error).about(name);
                match attribute.is_account {
                    true => problems.general.push(mistake),
                    false => problems.mistakes.push(mistake),
                }
            }
        }
        if !attribute.is_account && name != "TAGS" {
            let shown = if attribute.is_private { format!("({} bytes)", written.len()) } else { one_line(&written) };
            self.summary.push((name, shown));
        }
    }

    /// Takes the default of an attribute that the host does not have. Those of the account are taken by that.
    fn take_default(&mut self, attribute: &Attribute) {
        let Some(default) = attribute.default.filter(|_| !attribute.is_account) else {
            return;
        };
        self.given.insert(attribute.name, default.to_owned());
        if let (Ok(value), false) = (attribute.read(default), attribute.field.is_empty()) {
            self.set(attribute.field, value);
        }
    }

    /// Puts the user's tags and the owner's into the body.
    fn take_tags(&mut self, spec: &Spec, host: &Host, owner: &Owner) {
        let mut tags = words(host.provision("TAGS").unwrap_or_default());
        tags.retain(|tag| {
            let is_reserved = Owner::is_reserved(tag);
            if is_reserved {
                self.warnings.push(format!("TAGS has {tag:?}, which only this driver may set: it is left out"));
            }
            !is_reserved
        });
        for attribute in spec.attributes {
            let value = self.attribute(attribute.name);
            if let (Some(key), false) = (attribute.tag, value.is_empty()) {
                tags.push(joined(key, value));
            }
        }
        tags.extend(owner.tags().iter().map(|tag| spec.identity.tag(tag)));
        match spec.identity {
            Identity::Tags { field } => self.set(field, json!(tags)),
            Identity::Pairs { field, members, .. } => {
                tags = each_key_once(tags);
                let pair = |tag: &String| {
                    let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
                    json!({ members.0: key.trim(), members.1: value.trim() })
                };
                self.set(field, tags.iter().map(pair).collect());
            }
            Identity::Name { field, tags: beside } => {
                self.set(field, json!(self.mark));
                tags = each_key_once(tags);
                if let Some(beside) = beside {
                    let pairs = tags.iter().map(|tag| tag.split_once('=').unwrap_or((tag, "")));
                    self.set(beside, pairs.map(|(key, value)| (key.trim(), json!(value.trim()))).collect());
                }
            }
        }
        self.summary.push(("TAGS", one_line(&tags.join(", "))));
        self.tags = tags;
    }

    fn take_user_data(&mut self, spec: &Spec, host: &Host) -> Result<()> {
        let form = &spec.user_data;
        let composed = (form.compose)(host)?;
        self.warnings.extend(composed.warning);
        let data = composed.data;
        if data.is_empty() {
            return Ok(());
        }
        if data.len() > form.limit {
            anyhow::bail!(Mistake::new(
                format!("has {} bytes", data.len()),
                format!("{} takes {}", spec.name, form.limit)
            ));
        }
        self.summary.push(("USERDATA", format!("({} bytes)", data.len())));
        let value = match form.is_base64 {
            true => STANDARD.encode(data),
            false => String::from_utf8_lossy(&data).into_owned(),
        };
        self.set(form.field, json!(value));
        self.has_user_data = true;
        Ok(())
    }
}

/// Whether two texts are the same SSH key, whatever stands around it. In base64 each begins with the zeros of a length
/// (RFC 4253, 6.6).
pub fn is_same_key(one: &str, other: &str) -> bool {
    let material = |key: &'_ str| key.split_whitespace().find(|word| word.starts_with("AAAA")).map(str::to_owned);
    material(one).is_some() && material(one) == material(other)
}

/// The tags `key=value`, of which the last one with a key counts.
fn each_key_once(tags: Vec<String>) -> Vec<String> {
    let key = |tag: &str| tag.split('=').next().unwrap_or_default().trim().to_owned();
    let mut kept: Vec<String> = Vec::new();
    for tag in tags {
        kept.retain(|known| key(known) != key(&tag));
        kept.push(tag);
    }
    kept
}

/// What an order of `host` holds that must not be told though the provider may quote it: the lines of user data,
/// and the texts of private attributes. Those that are too short to be a secret are left out, and the longest come
/// first, so that none is torn by a shorter one.
pub fn private_texts(spec: &Spec, host: &Host) -> Vec<Secret> {
    let own = host.provision("USERDATA").unwrap_or_default();
    let composed = (spec.user_data.compose)(host).unwrap_or_default().data;
    let composed = String::from_utf8_lossy(&composed);
    let private = spec.attributes.iter().filter(|attribute| attribute.is_private);
    let others = private.filter_map(|attribute| host.provision(attribute.name));
    let mut texts: Vec<String> = (own.lines())
        .chain(composed.lines())
        .chain(others.flat_map(|text| text.split('"')))
        .map(|text| text.trim().to_owned())
        .filter(|text| text.len() >= 8)
        .collect();
    // A body of JSON may be quoted as it came, too.
    let quoted = |text: &String| json!(text).to_string().trim_matches('"').to_owned();
    texts.extend(texts.iter().map(quoted).collect::<Vec<_>>());
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts.dedup();
    texts.into_iter().map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_with_another_comment_or_with_options() {
        for other in ["ssh-ed25519 AAAAC3 one@front-end", "no-pty ssh-ed25519 AAAAC3"] {
            assert!(is_same_key("ssh-ed25519 AAAAC3", other), "{other}");
        }
        for other in ["ssh-ed25519 AAAAC4", "no key", ""] {
            assert!(!is_same_key("ssh-ed25519 AAAAC3", other) && !is_same_key(other, "no key"), "{other}");
        }
    }
}
