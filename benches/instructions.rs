//! Counts the instructions of a start, of reading the largest fixture and of a poll with callgrind, and
//! compares them with those that the repository keeps: a change of more than 5 % fails. Times vary with the
//! weather on a machine, instructions do not.
//!
//! `PM_PACKET_BLESS=1` writes the new counts down.

#[path = "../tests/suite/common/mod.rs"]
#[allow(dead_code, reason = "what the tests share; this takes a part of it")]
mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use common::Bench;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");
const TOLERANCE: f64 = 0.05;

fn main() -> ExitCode {
    let bench = Bench::new();
    let (host, id) = bench.deployed(1002);
    host.poll().unwrap();
    let name = bench.simulator.oned().host_name(1002).unwrap();
    let large = bench.file("large.xml", &common::fixture("deployment-large.xml"));
    let counts = BTreeMap::from([
        ("--version", count(&bench.explicit(&["--version"]))),
        ("reading the largest fixture", count(&bench.explicit(&["deploy", &large, "TODO"]))),
        ("poll", count(&bench.command("poll", &[&id, &name, "1002", &name]))),
    ]);
    if std::env::var_os("PM_PACKET_BLESS").is_some() {
        let lines: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}\n")).collect();
        fs::write(KEPT, lines.concat()).unwrap();
    }
    let kept = fs::read_to_string(KEPT).unwrap_or_default();
    let kept: BTreeMap<&str, u64> = kept
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(count, name)| (name, count.parse().unwrap()))
        .collect();
    println!("| | instructions | kept | change |");
    println!("|---|---|---|---|");
    let mut is_good = true;
    for (name, count) in counts {
        let Some(kept) = kept.get(name) else {
            println!("| {name} | {count} | none | |");
            is_good = false;
            continue;
        };
        let change = count as f64 / *kept as f64 - 1.0;
        println!("| {name} | {count} | {kept} | {:+.1} % |", change * 100.0);
        is_good &= change.abs() <= TOLERANCE;
    }
    if is_good {
        return ExitCode::SUCCESS;
    }
    println!("more than {:.0} %: mend it, or say why and bless it", TOLERANCE * 100.0);
    ExitCode::FAILURE
}

/// The instructions that a command takes, itself and all its threads.
fn count(command: &Command) -> u64 {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind.out");
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=99"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{told}");
    let refs = told.lines().find_map(|line| line.split("refs:").nth(1));
    let digits: String = refs.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{told}"))
}
