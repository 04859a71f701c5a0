//! Catalogues: whether what an attribute names is known to the provider, and which names are near.

use super::api::Api;
use super::call::Call;
use super::order::Order;
use crate::http::error::{ApiError, Kind};
use crate::report::finding::{Finding, Mistake};
use crate::report::near::closest;
use crate::report::text::one_line;
use crate::wire::tree::Tree;

/// An entry of a catalogue: what it is called, and what it is.
pub struct Entry {
    /// The names that it goes by; an order may have any of them, and the first one is shown.
    pub names: Vec<String>,
    /// What it is called in words, where that says more.
    pub title: Option<String>,
    /// All that the provider says of it.
    pub tree: Tree<'static>,
}

impl Entry {
    /// The entry that `tree` is: its names stand at `names`, its title at `name`.
    pub fn of(tree: &Tree, names: &[&str]) -> Self {
        let own = names.iter().filter_map(|path| tree.text(path));
        Self {
            names: own.map(str::to_owned).collect(),
            title: tree.text("name").map(str::to_owned),
            tree: tree.owned(),
        }
    }

    /// Whether it goes by this name.
    pub fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// Its first name.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Its first name, and its title where that says more.
    pub fn label(&self) -> String {
        match &self.title {
            Some(title) if title != self.name() => one_line(&format!("{} ({title})", self.name())),
            _ => one_line(self.name()),
        }
    }
}

/// A catalogue of the provider, and the attribute that names one of its entries.
pub struct Shelf<'a> {
    /// What an entry is, for messages.
    pub about: &'static str,
    /// The attribute.
    pub attribute: &'static str,
    /// Where the catalogue is.
    pub path: &'a str,
    /// The list in the answer.
    pub list: &'static str,
    /// The members of an entry that an order may name it by.
    pub names: &'static [&'static str],
}

impl Shelf<'_> {
    /// Everything on it.
    ///
    /// # Errors
    /// Those of the request.
    pub fn entries(&self, api: &Api<'_>) -> Result<Vec<Entry>, ApiError> {
        api.read(&Call::get(self.path), |answer| {
            Ok(answer.list(self.list)?.map(|item| Entry::of(item, self.names)).collect())
        })
    }

    /// The entry that the order names, if it names one; a finding says of it, or which names are near.
    pub fn chosen(&self, api: &Api<'_>, order: &Order, findings: &mut Vec<Finding>) -> Option<Entry> {
        match order.attribute(self.attribute) {
            "" => None,
            name => self.named(api, name, findings),
        }
    }

    /// The entry `name`; a finding says of it, or which names are near.
    pub fn named(&self, api: &Api<'_>, name: &str, findings: &mut Vec<Finding>) -> Option<Entry> {
        self.pick(api, self.entries(api), name, findings)
    }

    /// The same among `entries`, for a catalogue that comes in pages.
    pub fn pick(
        &self,
        api: &Api<'_>,
        entries: Result<Vec<Entry>, ApiError>,
        name: &str,
        findings: &mut Vec<Finding>,
    ) -> Option<Entry> {
        let picked = entries.and_then(|entries| {
            pick(entries, self.about, self.attribute, name).map_err(|mistake| api.refusal(mistake))
        });
        found(self.about, picked, findings)
    }
}

/// The one of `entries` that goes by `name`, which is what `attribute` says. `about`: what they are.
///
/// # Errors
/// There is none; the remedy says which names are near.
pub fn pick(entries: Vec<Entry>, about: &str, attribute: &str, name: &str) -> Result<Entry, Mistake> {
    let remedy = another(attribute, name, entries.iter().map(Entry::name));
    let what = || format!("the provider knows no {about} called {:?}", one_line(name));
    entries.into_iter().find(|entry| entry.is_called(name)).ok_or_else(|| Mistake::new(what(), remedy))
}

/// What to do where `attribute` says `name`, which is none of the `known` ones.
pub fn another<'a>(attribute: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known = known.into_iter().peekable();
    match known.peek() {
        None => format!("set {attribute} to another one, or see at the provider why it shows none"),
        Some(_) => format!("set {attribute} to another one, such as {}", closest(name, known)),
    }
}

/// What became of looking for what the order names; a finding says it.
pub fn found(about: &'static str, sought: Result<Entry, ApiError>, findings: &mut Vec<Finding>) -> Option<Entry> {
    findings.push(match &sought {
        Ok(entry) => Finding::good(about, entry.label()),
        // A refusal of ours.
        Err(error) if error.kind == Kind::Rejected && error.status.is_none() => {
            Finding::bad(about, error.reasons.join("; "), error.remedy.clone())
        }
        Err(error) => unanswered(about, error),
    });
    sought.ok()
}

/// A finding where the operating system does not run on the plan: it names at `plans` those that it runs on, if it says.
pub fn runs_on(system: &Entry, plan: &Entry, plans: &str) -> Option<Finding> {
    let plans: Vec<&str> = system.tree.texts(plans).collect();
    if plans.is_empty() || plans.iter().any(|name| plan.is_called(name)) {
        return None;
    }
    let what = format!("{} does not run on {}", system.label(), plan.label());
    let remedy = format!("set PLAN or OS to another one; it runs on {}", closest(plan.name(), plans));
    Some(Finding::bad("operating system", what, remedy))
}

/// A warning where `attribute` says another term than `free`, its default: the one without a commitment.
pub fn commitment(order: &Order, about: &'static str, attribute: &str, free: &str) -> Option<Finding> {
    let term = order.attribute(attribute);
    if term == free {
        return None;
    }
    let what = "it is paid for the whole period, which is a commitment, also where the host is deleted before";
    let what = format!("{}: {what}", one_line(term));
    Some(Finding::doubtful(about, what, format!("leave {attribute} out, which is {free}")))
}

/// What a look at the account showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The credentials are accepted, and what they are for is to be seen.
    Full,
    /// What they are for is not: only what belongs to nobody can be asked for.
    Partial,
    /// Nothing can be asked.
    None,
}

/// Looks at what the credentials are for, such as a project, at `path`. `about`: what the credentials are called, and
/// what they are for. `remedy`: what to do where there is no such thing.
pub fn access(
    api: &Api<'_>,
    about: [&'static str; 2],
    path: &str,
    remedy: &'static str,
    findings: &mut Vec<Finding>,
) -> Access {
    let error = match api.read(&Call::get(path), |answer| Ok(Entry::of(answer, &["id"]))) {
        Ok(entry) => {
            findings.push(Finding::good(about[0], "accepted"));
            if !entry.name().is_empty() {
                findings.push(Finding::good(about[1], entry.label()));
            }
            return Access::Full;
        }
        Err(error) => error,
    };
    let reasons = error.reasons.join("; ");
    match error.kind {
        Kind::Unauthenticated => {
            findings.push(Finding::bad(about[0], reasons, error.remedy).closing());
            Access::None
        }
        Kind::PermissionDenied | Kind::NotFound => {
            let remedy = if error.kind == Kind::NotFound { remedy.into() } else { error.remedy };
            findings.push(Finding::good(about[0], "accepted"));
            findings.push(Finding::bad(about[1], reasons, remedy).closing());
            Access::Partial
        }
        _ => {
            findings.push(unanswered("provider", &error).closing());
            Access::None
        }
    }
}

/// What becomes of a host whose context has no key, where the provider adds so many of its own.
pub fn without_key(order: &Order, count: usize) -> Option<Finding> {
    const ABOUT: &str = "ssh key";
    const REMEDY: &str = "put the front-end's key into CONTEXT/SSH_PUBLIC_KEY of the host's template";
    let none_but = "the host gets no key but what USERDATA brings";
    if !order.ssh_keys.is_empty() {
        return None;
    }
    Some(match (count, order.has_user_data) {
        (0, false) => Finding::bad(ABOUT, "nobody could log in: the host gets no key", REMEDY),
        (0, true) => Finding::doubtful(ABOUT, none_but, REMEDY),
        _ => {
            let what = format!("the host gets the {count} keys that the provider has, none of the context");
            Finding::doubtful(ABOUT, what, REMEDY)
        }
    })
}

/// A question that got no answer: nobody knows whether a deploy would be accepted.
pub fn unanswered(about: &'static str, error: &ApiError) -> Finding {
    let what = format!("{} ({})", error.reasons.join("; "), error.call);
    let remedy = match &*error.remedy {
        "" => "check again later",
        remedy => remedy,
    };
    Finding::bad(about, what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_told_with_what_is_near() {
        let entries = |names: &[&str]| {
            let entry = |name: &&str| Entry { names: vec![(*name).to_owned()], title: None, tree: Tree::default() };
            names.iter().map(entry).collect::<Vec<Entry>>()
        };
        let picked = |names: &[&str]| pick(entries(names), "plan", "PLAN", "c2").map(|entry| entry.name().to_owned());
        assert_eq!(picked(&["c1", "c2"]), Ok("c2".to_owned()));
        let refused = picked(&["c1", "m10"]).unwrap_err().to_string();
        assert_eq!(refused, "the provider knows no plan called \"c2\": set PLAN to another one, such as c1, m10");
        let refused = picked(&[]).unwrap_err().to_string();
        assert!(refused.ends_with("set PLAN to another one, or see at the provider why it shows none"), "{refused}");
    }
}
