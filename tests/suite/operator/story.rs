//! What `PM_LOG=info` tells, one line a decision: held against a copy, in which what differs by run is named.

use std::path::Path;

use super::docs::{ROOT, read};
use crate::common::{self, Bench};
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, Operation, State};

const COPY: &str = "tests/fixtures/story.txt";

/// The lines of a log, without their times, with names in place of ids, places and durations.
fn told(bench: &Bench, answer: &Answer, names: &[(&str, &str)]) -> String {
    let folder = bench.path("").display().to_string();
    let mut text = answer.stderr.clone();
    for (own, name) in names.iter().chain(&[(folder.trim_end_matches('/'), "FOLDER")]) {
        text = text.replace(own, name);
    }
    let lines = text.lines().map(|line| {
        let line = line.get(20..).filter(|_| line.starts_with("20")).unwrap_or(line);
        let words: Vec<&str> = line.split(' ').collect();
        let is_duration = |at: usize| words.get(at + 1).is_some_and(|next| next.trim_end_matches([',', ':']) == "s");
        let words = words.iter().enumerate().map(|(at, word)| match word.parse::<f64>() {
            Ok(_) if is_duration(at) => "N",
            _ if is_uuid(word) => "MACHINE",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.map(|line| format!("  {line}\n")).collect()
}

fn is_uuid(word: &str) -> bool {
    word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

/// The stories, each under its title.
fn stories() -> String {
    let mut text = String::new();
    let mut tell = |title: &str, prepare: &dyn Fn(&Bench), is_repeated: bool| {
        let bench = Bench::new().set("PM_LOG", "info").lapsing("300");
        prepare(&bench);
        let host = bench.host(&HostTemplate::new(7));
        let mut answer = host.deploy().unwrap();
        if is_repeated {
            answer = host.deploy().unwrap();
        }
        let name = bench.simulator.oned().host_name(7).unwrap();
        let oned = bench.simulator.oned_url();
        let identity = common::identity(7);
        let names = [(name.as_str(), "NAME"), (oned.as_str(), "ONED"), (identity.as_str(), "TAG")];
        text.push_str(&format!("{title}\n{}", told(&bench, &answer, &names)));
    };
    tell("A deploy", &|_| {}, false);
    tell("The same deploy again", &|_| {}, true);
    tell(
        "The answer to the order is lost",
        &|bench| bench.simulator.fault(Fault::new(Operation::Create, Effect::DropAfter { reset: false })),
        false,
    );
    tell(
        "The machine fails",
        &|bench| bench.simulator.fault(Fault::new(Operation::Create, Effect::Stuck(State::Failed)).forever()),
        false,
    );
    text
}

#[test]
fn the_log_of_a_deploy_reads_as_a_story() {
    let stories = stories();
    if std::env::var_os("PM_PACKET_BLESS").is_some() {
        std::fs::write(Path::new(ROOT).join(COPY), &stories).unwrap();
    }
    assert_eq!(stories, read(COPY), "PM_PACKET_BLESS=1 makes the copy anew");
}
