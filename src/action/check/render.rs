//! What was found out, as text and as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Inquiry;
use crate::report::finding::Verdict;
use crate::report::screen::Screen;
use crate::report::table::{Look, Table};

impl Inquiry {
    pub(super) fn is_accepted(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Bad)
    }

    fn conclusion(&self) -> String {
        let count = |verdict| self.findings.iter().filter(|one| one.verdict == verdict).count();
        let subject = self.subject;
        match (count(Verdict::Bad), count(Verdict::Doubtful)) {
            (0, 0) => format!("{subject} would be accepted."),
            (0, 1) => format!("{subject} would be accepted; see the warning above."),
            (0, warnings) => format!("{subject} would be accepted; see the {warnings} warnings above."),
            (1, _) => format!("{subject} would fail: one thing is WRONG."),
            (wrong, _) => format!("{subject} would fail: {wrong} things are WRONG."),
        }
    }

    pub(super) fn text(&self, screen: Screen) -> String {
        let has_colours = screen.has_colours;
        let mut text = String::new();
        for section in &self.sections {
            text.push_str(&Look::Bold.paint(section.title, has_colours));
            text.push('\n');
            let mut table = Table::new(screen);
            for (name, value) in &section.lines {
                table.row([(name.as_str(), Look::Plain), (value.as_str(), Look::Plain)]);
            }
            text.push_str(&table.text(2));
            text.push('\n');
        }
        text.push_str(&Look::Bold.paint("Would it work?", has_colours));
        text.push('\n');
        let mut table = Table::new(screen);
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
        text.push_str(&table.text(2));
        let look = if self.is_accepted() { Look::Green } else { Look::Red };
        text.push('\n');
        text.push_str(&look.paint(&screen.folded(&self.conclusion()), has_colours));
        text
    }

    pub(super) fn json(&self) -> Value {
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
