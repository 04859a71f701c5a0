//! The list as text and as JSON.

use std::time::SystemTime;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use super::line::Line;
use super::mark::Mark;
use super::{Failure, Survey};
use crate::action::installation::Displaced;
use crate::report::frame::{Report, one_line};
use crate::report::table::{Look, Table};
use crate::wire::time;

impl Survey {
    pub(super) fn text(&self, report: Report) -> String {
        let mut text = self.machines(report);
        for one in &self.displaced {
            let ended = if text.ends_with('\n') { "" } else { "\n" };
            let remedy = Displaced::remedy();
            text.push_str(&format!("{ended}\nLinks of {}, {}:\n  {remedy}\n", one.driver, one_line(&one.what())));
        }
        text
    }

    fn machines(&self, report: Report) -> String {
        if self.lines.is_empty() && self.failures.is_empty() {
            return format!("There is no machine that OpenNebula ordered.{}", self.told_hidden());
        }
        if self.lines.is_empty() {
            let failures = self.failures.iter().map(|failure| one_line(&failure.to_string()));
            let failures: Vec<String> = failures.collect();
            let title = match self.is_read {
                true => "No machine was seen, but whether there are more is unknown",
                false => "Which machines there are is unknown",
            };
            return format!("{title}:\n  {}", failures.join("\n  "));
        }
        let mut text = self.table(report);
        text.push_str(&self.paragraph(
            "Orphans are billed until they are deleted. Unless another OpenNebula uses this project, delete them:",
            |line| line.removal.clone().filter(|_| line.mark.is_orphan()),
        ));
        text.push_str(&self.paragraph(
            "Not known: whether these are of another OpenNebula, or of a provision that was deleted here:",
            |line| {
                let owner = line.owner.as_deref().unwrap_or_default();
                (line.mark == Mark::Strange).then(|| format!("{}  {owner}", line.id))
            },
        ));
        text.push_str(&self.paragraph("Hosts whose machine is gone can be deleted, and created anew:", |line| {
            line.removal.clone().filter(|_| line.mark == Mark::Gone)
        }));
        text.push_str(&self.told_hidden());
        text
    }

    /// That there are machines which are not shown.
    fn told_hidden(&self) -> String {
        match self.hidden {
            0 => String::new(),
            1 => {
                "\nOne machine more has no host and none of OpenNebula's tags: see it with --all-machines\n".to_owned()
            }
            count => format!(
                "\n{count} machines more have no host and none of OpenNebula's tags: see them with --all-machines\n"
            ),
        }
    }

    /// A title and what `told` says of each line; nothing where it says nothing.
    fn paragraph(&self, title: &str, told: impl Fn(&Line) -> Option<String>) -> String {
        let told: Vec<String> = self.lines.iter().filter_map(told).collect();
        if told.is_empty() {
            return String::new();
        }
        let told = told.iter().map(|one| format!("  {}\n", one_line(one)));
        format!("\n{title}\n{}", told.collect::<String>())
    }

    fn table(&self, report: Report) -> String {
        let now = SystemTime::now();
        let mut table = Table::default();
        let head = ["ID", "HOST", "NAME", "STATE", "PLAN", "PLACE", "ADDRESS", "AGE", "MARK"];
        table.row(head.map(|title| (title, Look::Bold)));
        for line in &self.lines {
            let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let age = line.created.map(|created| time::age(created, now));
            let state = match line.mark {
                Mark::Unseen => "unknown".to_owned(),
                _ => or_dash(&line.state),
            };
            let look = match line.mark {
                mark if mark.is_orphan() => Look::Red,
                Mark::None => Look::Plain,
                _ => Look::Yellow,
            };
            table.row([
                (line.id.to_string(), Look::Plain),
                (or_dash(&line.host_id), Look::Plain),
                (short(&or_dash(&line.host_name)), Look::Plain),
                (state, Look::Plain),
                (or_dash(&line.plan), Look::Plain),
                (or_dash(&line.place), Look::Plain),
                (or_dash(&line.address), Look::Plain),
                (or_dash(&age), Look::Plain),
                (line.mark.words().to_owned(), look),
            ]);
        }
        table.text(0, report.is_coloured())
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

/// The random name of a host that was never polled is long and says nothing.
fn short(name: &str) -> String {
    match name.strip_prefix("provision-") {
        Some(random) if random.len() > 12 && random.is_ascii() => {
            format!("provision-{}..", &random[..8])
        }
        _ => name.to_owned(),
    }
}
