//! The list as text and as JSON.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::line::{Line, Mark};
use crate::report::frame::Report;
use crate::report::table::{Look, Table};
use crate::wire::time;

pub(super) fn in_text(lines: &[Line], report: Report) -> String {
    if lines.is_empty() {
        return "There is no machine that OpenNebula ordered.".to_owned();
    }
    let is_coloured = report.is_coloured();
    let now = SystemTime::now();
    let mut table = Table::default();
    let head = ["ID", "HOST", "NAME", "STATE", "PLAN", "PLACE", "ADDRESS", "AGE", "MARK"];
    table.row(head.map(|title| (title, Look::Bold)));
    for line in lines {
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let age = line.created.map(|created| time::age(created, now));
        let look = match line.mark {
            Mark::NoHost | Mark::Replaced => Look::Red,
            Mark::None => Look::Plain,
            _ => Look::Yellow,
        };
        table.row([
            (line.id.to_string(), Look::Plain),
            (or_dash(&line.host_id), Look::Plain),
            (short(&or_dash(&line.host_name)), Look::Plain),
            (line.state.clone(), Look::Plain),
            (or_dash(&line.plan), Look::Plain),
            (or_dash(&line.place), Look::Plain),
            (or_dash(&line.address), Look::Plain),
            (or_dash(&age), Look::Plain),
            (line.mark.words().to_owned(), look),
        ]);
    }
    let mut text = table.text(0, is_coloured);
    let mut commands = |title: &str, is_meant: &dyn Fn(&Line) -> bool| {
        let meant: Vec<&Line> = lines.iter().filter(|line| is_meant(line)).collect();
        if meant.is_empty() {
            return;
        }
        text.push_str(&format!("\n{title}\n"));
        for line in meant {
            text.push_str(&format!("  {}\n", crate::report::frame::one_line(&line.removal)));
        }
    };
    commands(
        "Orphans are billed until they are deleted. Unless another OpenNebula uses this project, delete them:",
        &Line::is_orphan,
    );
    commands("Hosts whose machine is gone can be deleted, and created anew:", &|line| {
        matches!(line.mark, Mark::Gone | Mark::Unseen)
    });
    text
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

pub(super) fn in_json(lines: &[Line]) -> Value {
    let now = SystemTime::now();
    let machines: Vec<Value> = lines
        .iter()
        .map(|line| {
            let age = line
                .created
                .map(|created| now.duration_since(created).unwrap_or_default().as_secs());
            json!({
                "deploy_id": line.id.as_str(),
                "host_id": line.host_id.as_ref().and_then(|id| id.parse::<u32>().ok()),
                "host_name": line.host_name,
                "state": line.state,
                "plan": line.plan,
                "place": line.place,
                "address": line.address,
                "age": age,
                "mark": line.mark.words(),
                "orphan": line.is_orphan(),
                "remove": line.removal,
            })
        })
        .collect();
    let orphans = lines.iter().filter(|line| line.is_orphan()).count();
    json!({ "machines": machines, "orphans": orphans })
}
