//! What `list --all` costs where oned has 10,000 hosts and the account 10,000 machines, in 100 pages.

#[path = "../tests/suite/common/mod.rs"]
#[allow(dead_code, reason = "what the tests share; this takes a part of it")]
mod common;

use std::process::Stdio;
use std::time::Instant;

use common::Bench;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use simulator::{HostTemplate, NewDevice, PROJECT};

const HOSTS: i32 = 10_000;

fn main() {
    let bench = Bench::new();
    for id in 0..HOSTS {
        let identity = format!("ONE_PROVISION_HOST={}:{id}", HostTemplate::new(id).provision["PROVISION_ID"]);
        let device = bench.simulator.add_device(NewDevice::with_tags(PROJECT, ["OpenNebula".to_owned(), identity]));
        let api = bench.simulator.api_url();
        let host = HostTemplate::new(id).with("DEPLOY_ID", &device.id).with("PACKET_API_URL", &api);
        bench.simulator.oned().add(&host).unwrap();
    }
    let before = children();
    let begin = Instant::now();
    let mut list = bench.explicit(&["list", "--all", "--json"]);
    let output = list.stderr(Stdio::inherit()).output().unwrap();
    let (elapsed, cpu) = (begin.elapsed(), children() - before);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["machines"].as_array().unwrap().len(), HOSTS as usize);
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / 1024;
    println!("| machines | CPU | limit | time | memory | limit |");
    println!("|---|---|---|---|---|---|");
    println!("| {HOSTS} | {cpu:.2} s | 1 s | {:.2} s | {peak} MiB | 64 MiB |", elapsed.as_secs_f64());
}

/// CPU of the processes that have ended, in seconds.
fn children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}
