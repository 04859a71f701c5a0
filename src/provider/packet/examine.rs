//! The questions of `check`: what Packet knows of an order before it is sent. All of them are GETs.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;

use super::Packet;
use super::answer::{lenient, lenient_items};
use crate::http::client::Method;
use crate::http::error::{ApiError, Kind};
use crate::opennebula::host::Host;
use crate::provider::attribute::words;
use crate::report::finding::Finding;
use crate::report::frame::one_line;

/// How many names are offered in place of one that is not known.
const OFFERS: usize = 5;

/// An entry of a catalogue; each has some of these.
#[derive(Deserialize)]
struct Entry {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    code: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    /// Of a plan: the facilities that have it.
    #[serde(default, deserialize_with = "lenient_items")]
    available_in: Option<Vec<Link>>,
    /// Of a plan: the metros that have it.
    #[serde(default, deserialize_with = "lenient_items")]
    available_in_metros: Option<Vec<Link>>,
    /// Of an operating system: the plans that it runs on.
    #[serde(default, deserialize_with = "lenient_items")]
    provisionable_on: Option<Vec<String>>,
    /// Of a reservation: whether its server is free.
    #[serde(default, deserialize_with = "lenient")]
    provisionable: Option<bool>,
    /// Of a reservation: what its server is.
    #[serde(default, deserialize_with = "lenient")]
    plan: Option<Box<Entry>>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "lenient")]
    href: Option<String>,
}

/// A catalogue, whatever its list is called.
#[derive(Deserialize)]
struct Catalogue {
    #[serde(
        default,
        deserialize_with = "lenient_items",
        alias = "plans",
        alias = "operating_systems",
        alias = "facilities",
        alias = "metros",
        alias = "hardware_reservations",
        alias = "ssh_keys"
    )]
    entries: Option<Vec<Entry>>,
}

/// How much there is, by place and plan.
#[derive(Deserialize)]
struct Capacity {
    capacity: BTreeMap<String, BTreeMap<String, Level>>,
}

#[derive(Deserialize)]
struct Level {
    level: String,
}

impl Entry {
    fn is_called(&self, name: &str) -> bool {
        [&self.slug, &self.code, &self.id]
            .into_iter()
            .flatten()
            .any(|own| own == name)
    }

    fn word(&self) -> &str {
        let word = self.slug.as_ref().or(self.code.as_ref());
        word.or(self.id.as_ref()).map_or("", String::as_str)
    }

    /// The word, and the name where that says more.
    fn told(&self) -> String {
        match &self.name {
            Some(name) if name != self.word() => one_line(&format!("{} ({name})", self.word())),
            _ => one_line(self.word()),
        }
    }
}

impl Packet {
    /// Asks all that can be asked without ordering.
    pub(super) fn questions(&self, host: &Host, by: Instant) -> Vec<Finding> {
        let mut findings = Vec::new();
        let given = |name: &str| {
            let value = host.provision(name).map(str::trim).unwrap_or_default();
            (!value.is_empty()).then_some(value)
        };
        let Some(project) = self.is_visible(by, &mut findings) else {
            return findings;
        };
        let plan = given("PLAN").and_then(|name| {
            let path = format!("{project}/plans");
            self.named("plan", "PLAN", name, &path, by, &mut findings)
        });
        if let Some(name) = given("OS") {
            let path = "/operating-systems";
            let system = self.named("operating system", "OS", name, path, by, &mut findings);
            findings.extend(system.and_then(|system| runs_on(&system, plan.as_ref()?)));
        }
        let reservation = given("HARDWARE_RESERVATION");
        // A reserved server stands where it stands, whatever else there is.
        let plan_sought = plan.as_ref().filter(|_| reservation.is_none());
        match (given("METRO"), given("FACILITY")) {
            (Some(metro), _) => {
                let path = "/locations/metros";
                let place = self.named("metro", "METRO", metro, path, by, &mut findings);
                let places: Vec<Entry> = place.into_iter().collect();
                self.has_room(plan_sought, &places, Kinds::METROS, by, &mut findings);
            }
            (None, Some(facilities)) => {
                let path = format!("{project}/facilities");
                let mut places = Vec::new();
                let codes = words(facilities);
                // The provider's own word for a free choice.
                let is_open = codes.iter().any(|code| code == "any");
                for code in codes.iter().filter(|code| *code != "any") {
                    let place = self.named("facility", "FACILITY", code, &path, by, &mut findings);
                    places.extend(place);
                }
                if !is_open {
                    self.has_room(plan_sought, &places, Kinds::FACILITIES, by, &mut findings);
                }
            }
            (None, None) => {}
        }
        if let Some(wanted) = reservation {
            findings.push(self.is_free(wanted, &project, plan.as_ref(), by));
        }
        if host.ssh_keys().is_empty() {
            findings.push(self.has_keys(&project, given("USERDATA").is_some(), by));
        }
        findings
    }

    /// The path of the project, if the token is accepted and the provider answers; an empty one where the
    /// project is not to be seen, so that the rest can be asked all the same.
    fn is_visible(&self, by: Instant, findings: &mut Vec<Finding>) -> Option<String> {
        let path = match &self.project {
            Some(project) => format!("/projects/{project}"),
            None => "/projects?per_page=1".to_owned(),
        };
        let error = match self.read(Method::Get, &path, None, by, |body| {
            Ok(serde_json::from_slice::<Entry>(body)?)
        }) {
            Ok(entry) => {
                findings.push(Finding::good("token", "accepted"));
                self.project.as_ref()?;
                findings.push(Finding::good("project", entry.told()));
                return Some(path);
            }
            Err(error) => error,
        };
        let reasons = error.reasons.join("; ");
        match error.kind {
            Kind::Unauthenticated => {
                findings.push(Finding::bad("token", reasons, error.remedy));
                None
            }
            Kind::PermissionDenied | Kind::NotFound => {
                let remedy = if error.kind == Kind::NotFound {
                    "set PACKET_PROJECT to the UUID of a project that exists"
                } else {
                    error.remedy
                };
                findings.push(Finding::good("token", "accepted"));
                findings.push(Finding::bad("project", reasons, remedy));
                Some(String::new())
            }
            _ => {
                findings.push(unanswered("provider", &error));
                None
            }
        }
    }

    fn catalogue(&self, path: &str, by: Instant) -> Result<Vec<Entry>, ApiError> {
        self.read(Method::Get, path, None, by, |body| {
            let catalogue: Catalogue = serde_json::from_slice(body)?;
            Ok(catalogue.entries.unwrap_or_default())
        })
    }

    /// The entry of a catalogue that an attribute names.
    fn named(
        &self,
        about: &'static str,
        attribute: &str,
        name: &str,
        path: &str,
        by: Instant,
        findings: &mut Vec<Finding>,
    ) -> Option<Entry> {
        let entries = match self.catalogue(path, by) {
            Ok(entries) => entries,
            Err(error) => {
                findings.push(unanswered(about, &error));
                return None;
            }
        };
        let words: Vec<&str> = entries.iter().map(Entry::word).collect();
        let offer = closest(name, words);
        let found = entries.into_iter().find(|entry| entry.is_called(name));
        findings.push(match &found {
            Some(entry) => Finding::good(about, entry.told()),
            None => Finding::bad(
                about,
                format!("the provider knows no {about} {:?}", one_line(name)),
                format!("set {attribute} to another one, such as {offer}"),
            ),
        });
        found
    }

    /// Adds a finding where none of `places` sells the plan, or has any left.
    fn has_room(
        &self,
        plan: Option<&Entry>,
        places: &[Entry],
        kinds: Kinds,
        by: Instant,
        findings: &mut Vec<Finding>,
    ) {
        let Some(plan) = plan.filter(|_| !places.is_empty()) else {
            return;
        };
        let names: Vec<&str> = places.iter().map(Entry::word).collect();
        let names = names.join(", ");
        let sold = (kinds.sold_in)(plan);
        let is_sold = |place: &Entry| {
            sold.iter().any(|link| {
                let last = link
                    .href
                    .as_deref()
                    .and_then(|href| href.rsplit('/').next());
                last.is_some() && last == place.id.as_deref()
            })
        };
        // Where nothing is listed, nothing is known.
        if !sold.is_empty() && !places.iter().any(is_sold) {
            findings.push(Finding::bad(
                "place",
                format!("{} is not sold in {names}", plan.told()),
                format!("set {} or PLAN to another one", kinds.attribute),
            ));
            return;
        }
        let capacity = self.read(Method::Get, kinds.capacity, None, by, |body| {
            Ok(serde_json::from_slice::<Capacity>(body)?)
        });
        // Not every API tells; then the order does.
        let Ok(Capacity { capacity }) = capacity else {
            return;
        };
        let level =
            |place: &Entry| Some(capacity.get(place.word())?.get(plan.word())?.level.as_str());
        let levels: Vec<&str> = places.iter().filter_map(level).collect();
        if levels.is_empty() {
            return;
        }
        findings.push(if levels.iter().all(|level| *level == "unavailable") {
            Finding::bad(
                "capacity",
                format!("no {} is free in {names}", plan.told()),
                format!("wait, or set {} or PLAN to another one", kinds.attribute),
            )
        } else {
            Finding::good("capacity", one_line(&levels.join(", ")))
        });
    }

    /// Whether the reservation can be ordered.
    fn is_free(&self, wanted: &str, project: &str, plan: Option<&Entry>, by: Instant) -> Finding {
        const ABOUT: &str = "reservation";
        if project.is_empty() {
            return Finding::bad(
                ABOUT,
                "it can be seen in the project only",
                "mend PACKET_PROJECT",
            );
        }
        let path = format!("{project}/hardware-reservations?per_page=1000");
        let reserved = match self.catalogue(&path, by) {
            Ok(reserved) => reserved,
            Err(error) => return unanswered(ABOUT, &error),
        };
        let fits = |entry: &&Entry| match (plan, &entry.plan) {
            (Some(plan), Some(own)) => own.id == plan.id,
            _ => true,
        };
        let free: Vec<&Entry> = reserved
            .iter()
            .filter(|entry| entry.provisionable == Some(true))
            .filter(fits)
            .collect();
        let ids: Vec<&str> = free.iter().take(OFFERS).map(|entry| entry.word()).collect();
        let offer = match ids[..] {
            [] => {
                "there is no free one of this PLAN: reserve one, or leave HARDWARE_RESERVATION out"
                    .to_owned()
            }
            _ => format!(
                "set HARDWARE_RESERVATION to a free one: {}",
                one_line(&ids.join(", "))
            ),
        };
        if wanted == "next-available" {
            return match free.len() {
                0 => Finding::bad(ABOUT, "no reserved server is free", offer),
                count => Finding::good(ABOUT, format!("{count} reserved servers are free")),
            };
        }
        match reserved.iter().find(|entry| entry.is_called(wanted)) {
            None => Finding::bad(
                ABOUT,
                format!("the project has no reservation {:?}", one_line(wanted)),
                offer,
            ),
            Some(entry) if entry.provisionable == Some(false) => {
                Finding::bad(ABOUT, "its server is in use", offer)
            }
            Some(entry) if !fits(&entry) => {
                let own = entry
                    .plan
                    .as_ref()
                    .map(|plan| plan.told())
                    .unwrap_or_default();
                Finding::bad(
                    ABOUT,
                    format!("its server is a {own}"),
                    format!("set PLAN to that; or {offer}"),
                )
            }
            Some(entry) => Finding::good(ABOUT, format!("{} is free", entry.word())),
        }
    }

    /// What becomes of a host whose context has no key.
    fn has_keys(&self, project: &str, has_userdata: bool, by: Instant) -> Finding {
        const ABOUT: &str = "ssh key";
        const REMEDY: &str =
            "put the front-end's key into CONTEXT/SSH_PUBLIC_KEY of the host's template";
        let mut paths = vec!["/ssh-keys".to_owned()];
        if !project.is_empty() {
            paths.push(format!("{project}/ssh-keys"));
        }
        let mut count = 0;
        for path in paths {
            match self.catalogue(&path, by) {
                Ok(keys) => count += keys.len(),
                Err(error) => return unanswered(ABOUT, &error),
            }
        }
        match (count, has_userdata) {
            (0, false) => Finding::bad(ABOUT, "nobody could log in: the host gets no key", REMEDY),
            (0, true) => Finding::doubtful(
                ABOUT,
                "the host gets no key but what USERDATA brings",
                REMEDY,
            ),
            _ => Finding::doubtful(
                ABOUT,
                format!(
                    "the host gets the {count} keys that the provider has, none of the context"
                ),
                REMEDY,
            ),
        }
    }
}

/// Facilities or metros: what differs between them.
struct Kinds {
    attribute: &'static str,
    capacity: &'static str,
    sold_in: fn(&Entry) -> &[Link],
}

impl Kinds {
    const METROS: Self = Self {
        attribute: "METRO",
        capacity: "/capacity/metros",
        sold_in: |plan| plan.available_in_metros.as_deref().unwrap_or_default(),
    };
    const FACILITIES: Self = Self {
        attribute: "FACILITY",
        capacity: "/capacity",
        sold_in: |plan| plan.available_in.as_deref().unwrap_or_default(),
    };
}

/// A finding where the operating system does not run on the plan.
fn runs_on(system: &Entry, plan: &Entry) -> Option<Finding> {
    let plans = system
        .provisionable_on
        .as_deref()
        .filter(|plans| !plans.is_empty())?;
    if plans.iter().any(|name| plan.is_called(name)) {
        return None;
    }
    Some(Finding::bad(
        "operating system",
        format!("{} does not run on {}", system.told(), plan.told()),
        format!(
            "set PLAN or OS to another one; it runs on {}",
            closest(plan.word(), plans.iter().map(String::as_str))
        ),
    ))
}

/// A question that got no answer: nobody knows whether a deploy would be accepted.
fn unanswered(about: &'static str, error: &ApiError) -> Finding {
    let what = format!("{} ({})", error.reasons.join("; "), error.call);
    let remedy = match error.remedy {
        "" => "check again later",
        remedy => remedy,
    };
    Finding::bad(about, what, remedy)
}

/// The `words` that are most like `name`, the nearest first.
fn closest<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<&str> = words
        .into_iter()
        .filter(|word| (1..=64).contains(&word.len()))
        .collect();
    words.sort_by_cached_key(|word| distance(name, word));
    words.dedup();
    words.truncate(OFFERS);
    one_line(&words.join(", "))
}

/// How many letters are to be changed to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_words_are_offered_first() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(
            closest("centos7", ["debian_12", "centos_8", "centos_7"]),
            "centos_7, centos_8, debian_12"
        );
    }
}
