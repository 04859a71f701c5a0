//! The counts of a list, in Prometheus' text format, for the textfile collector of node_exporter.

use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Result, anyhow};

use super::Survey;
use crate::report::finding::Mistake;
use crate::system::file;
use crate::wire::time;

/// Everybody may read them: node_exporter runs as a user of its own.
const MODE: u32 = 0o644;

/// Writes the counts into `path`, whole or not at all.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(path: &Path, survey: &Survey) -> Result<()> {
    let text = text(survey, SystemTime::now());
    file::replace_with(path, text.as_bytes(), MODE).map_err(|error| {
        let what = format!("the metrics cannot be written into {} ({})", path.display(), file::reason(&error));
        anyhow!(Mistake::new(what, "name a file in a folder that may be written, such as node_exporter's"))
    })
}

fn text(survey: &Survey, now: SystemTime) -> String {
    let orphans = || survey.lines.iter().filter(|line| line.mark.is_orphan());
    let ages = orphans().filter_map(|line| now.duration_since(line.created?).ok());
    let oldest = ages.max().unwrap_or_default().as_secs();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: u64| {
        let _ =
            write!(text, "# HELP pm_packet_{name} {help}\n# TYPE pm_packet_{name} gauge\npm_packet_{name} {value}\n");
    };
    gauge("machines", "Machines that are listed.", survey.lines.len() as u64);
    gauge("orphans", "Machines that are billed and that no host has.", orphans().count() as u64);
    gauge(
        "unreadable",
        "Accounts and hosts that could not be read: what they have is not counted.",
        survey.failures.len() as u64,
    );
    gauge("oldest_orphan_seconds", "Age of the oldest orphan, as far as its provider tells.", oldest);
    gauge("last_run_timestamp_seconds", "When this was counted.", time::unix(now));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_help_and_its_type() {
        let text = text(&Survey::default(), SystemTime::UNIX_EPOCH);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 15);
        for metric in lines.chunks(3) {
            let name = metric[2].split(' ').next().unwrap_or_default();
            assert!(metric[0].starts_with(&format!("# HELP {name} ")), "{metric:?}");
            assert_eq!(metric[1], format!("# TYPE {name} gauge"));
        }
        assert!(text.ends_with("pm_packet_last_run_timestamp_seconds 0\n"), "{text}");
    }
}
