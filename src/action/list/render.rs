//! The list as text and as JSON.

use std::time::SystemTime;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::columns::{Choice, table};
use super::line::Line;
use super::mark::Mark;
use super::{Failure, Survey};
use crate::action::installation::Displaced;
use crate::report::screen::Screen;
use crate::report::text::one_line;

impl Survey {
    /// The machines, and what is to be done about them.
    pub(super) fn text(&self, columns: &Choice, screen: Screen) -> String {
        let mut text = self.machines(columns, screen);
        for one in &self.displaced {
            let ended = if text.ends_with('\n') { "" } else { "\n" };
            let remedy = Displaced::remedy();
            let title = screen.folded(&one_line(&format!("Links of {}, {}:", one.driver, one.what())));
            text.push_str(&format!("{ended}\n{title}\n{}\n", screen.folded(&format!("  {remedy}"))));
        }
        text
    }

    fn machines(&self, columns: &Choice, screen: Screen) -> String {
        if self.lines.is_empty() && self.failures.is_empty() {
            return format!("There is no machine that OpenNebula ordered.{}", self.told_hidden(screen));
        }
        if self.lines.is_empty() {
            let title = match self.is_read {
                true => "No machine was seen, but whether there are more is unknown",
                false => "Which machines there are is unknown",
            };
            // On a terminal the error follows.
            if screen.is_terminal {
                return screen.folded(&format!("{title}."));
            }
            let failures = self.failures.iter().map(|failure| format!("  {}", one_line(&failure.to_string())));
            let failures: Vec<String> = failures.map(|failure| screen.folded(&failure)).collect();
            return format!("{}:\n{}", screen.folded(title), failures.join("\n"));
        }
        let mut text = table(&self.lines, columns, screen).text(0);
        let mut paragraph = |title: &str, told: &dyn Fn(&Line) -> Option<String>| {
            text.push_str(&self.paragraph(&screen.folded(title), told));
        };
        paragraph(
            "Orphans are billed until they are deleted. Unless another OpenNebula uses this project, delete them:",
            &|line| line.removal.clone().filter(|_| line.mark.is_orphan()),
        );
        paragraph(
            "Not known: whether these are of another OpenNebula, or of a provision that was deleted here:",
            &|line| {
                let owner = line.owner.as_deref().unwrap_or_default();
                (line.mark == Mark::Strange).then(|| format!("{}  {owner}", line.id))
            },
        );
        paragraph("Hosts whose machine is gone can be deleted, and created anew:", &|line| {
            line.removal.clone().filter(|_| line.mark == Mark::Gone)
        });
        text.push_str(&self.told_hidden(screen));
        text
    }

    /// That there are machines which are not shown.
    fn told_hidden(&self, screen: Screen) -> String {
        let told = match self.hidden {
            0 => return String::new(),
            1 => "One machine more has no host and none of OpenNebula's tags: see it with --all-machines".to_owned(),
            count => {
                format!(
                    "{count} machines more have no host and none of OpenNebula's tags: see them with --all-machines"
                )
            }
        };
        format!("\n{}\n", screen.folded(&told))
    }

    /// A title and what `told` says of each line; nothing where it says nothing.
    fn paragraph(&self, title: &str, told: &dyn Fn(&Line) -> Option<String>) -> String {
        let told: Vec<String> = self.lines.iter().filter_map(told).collect();
        if told.is_empty() {
            return String::new();
        }
        let told = told.iter().map(|one| format!("  {}\n", one_line(one)));
        format!("\n{title}\n{}", told.collect::<String>())
    }
}

/// What could not be read is null, and named among the errors.
impl Serialize for Survey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let orphans = self.lines.iter().filter(|line| line.mark.is_orphan()).count();
        let errors: Vec<Value> = self.failures.iter().map(Failure::json).collect();
        let displaced: Vec<Value> = self.displaced.iter().map(Displaced::json).collect();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("displaced", &displaced)?;
        map.serialize_entry("errors", &errors)?;
        map.serialize_entry("machines", &self.is_read.then_some(Machines(&self.lines)))?;
        map.serialize_entry("orphans", &(self.is_read && self.has_hosts).then_some(orphans))?;
        map.serialize_entry("untagged", &self.is_whole.then_some(self.hidden))?;
        map.end()
    }
}

/// The lines in JSON, one made after another.
struct Machines<'a>(&'a [Line]);

impl Serialize for Machines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(in_json))
    }
}

fn in_json(line: &Line) -> Value {
    let now = SystemTime::now();
    let age = line.created.map(|created| now.duration_since(created).unwrap_or_default().as_secs());
    let is_known = !line.mark.is_unknown();
    // A machine that is gone has no state; that of one that could not be looked at is not known.
    let state = match line.mark {
        Mark::Gone => Some("-"),
        _ => line.state.as_deref(),
    };
    json!({
        "provider": line.provider,
        "deploy_id": line.id.as_str(),
        "host_id": line.host_id.as_ref().and_then(|id| id.parse::<u32>().ok()),
        "host_name": line.host_name,
        "state": state,
        "plan": line.plan,
        "place": line.place,
        "address": line.address,
        "age": age,
        "owner": line.owner,
        "mark": is_known.then(|| line.mark.words()),
        "orphan": is_known.then(|| line.mark.is_orphan()),
        "remove": line.removal,
    })
}
