//! A crowd: many deploys at once on this machine, against a provider that allows 50 requests a second and
//! answers 429 above. All must succeed, and none may order twice.

#[path = "../tests/suite/common/mod.rs"]
#[allow(dead_code, reason = "what the tests share; this takes a part of it")]
mod common;

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use common::Bench;
use simulator::{HostTemplate, Options, RateLimit};

fn main() {
    println!("| deploys at once | all done after | requests | of them 429 | memory together | machines |");
    println!("|---|---|---|---|---|---|");
    for count in [1, 10, 100, 500] {
        crowd(count);
    }
}

fn crowd(count: i32) {
    let bench = Bench::with(Options {
        queued: Duration::from_secs(1),
        provisioning: Duration::from_secs(5)..=Duration::from_secs(20),
        rate_limit: Some(RateLimit::per_second(50)),
        ..Options::default()
    })
    .set("PM_TIMEOUT", "1800");
    let oned = bench.simulator.oned();
    let files: Vec<String> = (0..count)
        .map(|id| {
            oned.add(&HostTemplate::new(id)).unwrap();
            bench.file(&format!("{id}.xml"), &oned.deployment_file(id).unwrap())
        })
        .collect();
    let begin = Instant::now();
    let children: Vec<Child> = files.iter().map(|file| bench.start("deploy", &[file, "TODO"])).collect();
    std::thread::sleep(Duration::from_secs(4));
    let memory: u64 = children.iter().map(|child| own_memory(child.id())).sum();
    let mut ids: Vec<String> = children
        .into_iter()
        .map(|child| {
            let answer = common::finish(child);
            assert!(answer.is_success(), "{answer:?}");
            answer.stdout
        })
        .collect();
    let elapsed = begin.elapsed();
    ids.sort();
    ids.dedup();
    let mut held: Vec<String> = bench.simulator.devices().into_iter().map(|d| d.id).collect();
    held.sort();
    assert_eq!(held, ids, "each deploy has one machine, and there are no others");
    let requests = bench.simulator.requests();
    let refused = requests.iter().filter(|r| r.status == Some(429)).count();
    println!(
        "| {count} | {:.1} s | {} | {refused} | {:.1} MiB | {} |",
        elapsed.as_secs_f64(),
        requests.len(),
        memory as f64 / 1024.0,
        held.len()
    );
}

/// The memory that a process has for itself, in KiB: what is shared with its like counts once for all.
fn own_memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("Pss:"))
        .filter_map(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .sum()
}
