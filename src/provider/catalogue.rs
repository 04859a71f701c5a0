//! Catalogues: whether what an attribute names is known to the provider, and which names are near.

use super::api::Api;
use super::call::Call;
use crate::http::error::ApiError;
use crate::report::finding::Finding;
use crate::report::frame::one_line;
use crate::wire::tree::Tree;

/// How many names are offered in place of one that is not known.
const OFFERS: usize = 5;

/// An entry of a catalogue: what it is called, and what it is.
pub struct Entry {
    /// The names that it goes by; an order may have any of them, and the first one is shown.
    pub names: Vec<String>,
    /// What it is called in words, where that says more.
    pub title: Option<String>,
    /// All that the provider says of it.
    pub tree: Tree,
}

impl Entry {
    /// The entry that `tree` is: its names stand at `names`, its title at `name`.
    pub fn of(tree: &Tree, names: &[&str]) -> Self {
        let own = names.iter().filter_map(|path| tree.text(path));
        Self {
            names: own.map(str::to_owned).collect(),
            title: tree.text("name").map(str::to_owned),
            tree: tree.clone(),
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
    pub fn told(&self) -> String {
        match &self.title {
            Some(title) if title != self.name() => one_line(&format!("{} ({title})", self.name())),
            _ => one_line(self.name()),
        }
    }
}

/// The entries of the catalogue at `path`, in the list `list` of the answer.
///
/// # Errors
/// Those of the request.
pub fn entries(api: &Api<'_>, path: &str, list: &str, names: &[&str]) -> Result<Vec<Entry>, ApiError> {
    api.read(&Call::get(path), |answer| {
        let items = answer.list(list)?;
        Ok(items.map(|item| Entry::of(item, names)).collect())
    })
}

/// The entry that `attribute` names, `name`; a finding says of it, or which names are near.
pub fn named(
    about: &'static str,
    attribute: &str,
    name: &str,
    entries: Result<Vec<Entry>, ApiError>,
    findings: &mut Vec<Finding>,
) -> Option<Entry> {
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => {
            findings.push(unanswered(about, &error));
            return None;
        }
    };
    let offer = closest(name, entries.iter().map(Entry::name));
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

/// A question that got no answer: nobody knows whether a deploy would be accepted.
pub fn unanswered(about: &'static str, error: &ApiError) -> Finding {
    let what = format!("{} ({})", error.reasons.join("; "), error.call);
    let remedy = match &*error.remedy {
        "" => "check again later",
        remedy => remedy,
    };
    Finding::bad(about, what, remedy)
}

/// The `words` that are most like `name`, the nearest first.
pub fn closest<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter();
    let mut words: Vec<&str> = words.filter(|word| (1..=64).contains(&word.len())).collect();
    words.sort_by_cached_key(|word| distance(name, word));
    words.dedup();
    words.truncate(OFFERS);
    one_line(&words.join(", "))
}

/// How many letters are to be changed to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().take(64).enumerate() {
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
        assert_eq!(closest("centos7", ["debian_12", "centos_8", "centos_7"]), "centos_7, centos_8, debian_12");
    }
}
