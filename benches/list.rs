//! What `list --all` costs where oned has 10,000 hosts and the account 10,000 machines, in 100 pages, each of which takes
//! 50 ms to come. Beside it, in the same run: `curl` fetching the same, one after another on one connection.
//!
//! Fails where a limit does not hold.

#[path = "../tests/suite/common/mod.rs"]
#[allow(dead_code, reason = "what the tests share; this takes a part of it")]
mod common;

use std::fs;
use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use common::Bench;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use pm_packet::opennebula::xmlrpc::method_call;
use simulator::{Effect, HostTemplate, NewDevice, Operation, PROJECT, RateLimit, SESSION};

const HOSTS: i32 = 10_000;
const PAGES: i32 = HOSTS / 100;
/// How often it is run: the one with the median of the CPU counts.
const RUNS: usize = 3;
/// How long each page takes to come.
const DELAY: Duration = Duration::from_millis(50);
/// A rate limit that is met.
const LIMIT: u32 = 30;

/// The limits: CPU in seconds, memory in MiB, and the time as a part of that of one page after another.
const CPU: f64 = 1.0;
const MEMORY: f64 = 64.0;
const TIME: f64 = 0.5;

fn main() -> ExitCode {
    let bench = Bench::new();
    for id in 0..HOSTS {
        let identity = format!("ONE_PROVISION_HOST={}:{id}", HostTemplate::new(id).provision["PROVISION_ID"]);
        let device = bench.simulator.add_device(NewDevice::with_tags(PROJECT, ["OpenNebula".to_owned(), identity]));
        let api = bench.simulator.api_url();
        let host = HostTemplate::new(id).with("DEPLOY_ID", &device.id).with("PACKET_API_URL", &api);
        bench.simulator.oned().add(&host).unwrap();
    }
    bench.fault_always(Operation::List, Effect::Delay(DELAY));
    let curl = run(curl(&bench));
    let mut lists: Vec<Cost> = (0..RUNS).map(|_| run(bench.explicit(&["list", "--all", "--json"]))).collect();
    lists.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
    let list = lists.swap_remove(RUNS / 2);
    bench.simulator.set_rate_limit(Some(RateLimit::per_second(LIMIT)));
    bench.simulator.clear_requests();
    let limited = run(bench.explicit(&["list", "--all", "--json"]));
    let refused = bench.simulator.requests().iter().filter(|request| request.status == Some(429)).count();
    for list in [&list, &limited] {
        let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
        assert_eq!(list["machines"].as_array().unwrap().len(), HOSTS as usize);
        assert_eq!(list["orphans"], 0);
    }
    println!("| {HOSTS} machines, in {PAGES} pages | CPU | memory | time |");
    println!("|---|---|---|---|");
    for (name, cost) in [
        ("`list --all --json`".to_owned(), &list),
        (format!("the same, with a limit of {LIMIT} requests a second"), &limited),
        ("`curl`, the same requests one after another".to_owned(), &curl),
    ] {
        println!("| {name} | {:.2} s | {:.0} MiB | {:.1} s |", cost.cpu, cost.memory, cost.time);
    }
    println!("| limit | {CPU} s | {MEMORY} MiB | {TIME} of curl's |");
    let is_good = list.cpu < CPU && list.memory < MEMORY && list.time < TIME * curl.time && refused == 0;
    if is_good {
        return ExitCode::SUCCESS;
    }
    println!("a limit does not hold; {refused} requests were refused");
    ExitCode::FAILURE
}

struct Cost {
    /// In seconds.
    cpu: f64,
    /// At its peak, in MiB.
    memory: f64,
    /// In seconds.
    time: f64,
    stdout: Vec<u8>,
}

/// Runs a command. Its peak memory is what the kernel tells of it between the pieces of what it prints: once it has ended,
/// the kernel's figure includes the process that it was forked from.
fn run(mut command: Command) -> Cost {
    let (before, begin) = (children(), Instant::now());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut pipe = child.stdout.take().unwrap();
    let (mut stdout, mut peak, mut piece) = (Vec::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = pipe.read(&mut piece).unwrap();
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = peak.max(line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap()));
        if read == 0 {
            break;
        }
        stdout.extend_from_slice(&piece[..read]);
    }
    assert!(child.wait().unwrap().success(), "{}", String::from_utf8_lossy(&stdout));
    let (cpu, time) = (children() - before, begin.elapsed().as_secs_f64());
    Cost { cpu, memory: f64::from(peak) / 1024.0, time, stdout }
}

/// CPU of the processes that have ended, in seconds.
fn children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
}

/// The same requests, one after another.
fn curl(bench: &Bench) -> Command {
    let call = bench.file("call.xml", &method_call("one.hostpool.info", SESSION, &[]));
    let token = format!("X-Auth-Token: {}", bench.simulator.token());
    let query = format!("tag=OpenNebula&per_page=100&page=[1-{PAGES}]");
    let devices = format!("{}/projects/{PROJECT}/devices?{query}", bench.simulator.api_url());
    let mut command = Command::new("curl");
    command.args(["-sS", "-f", "--data-binary", &format!("@{call}"), &bench.simulator.oned_url()]);
    command.args(["--next", "-sS", "-f", "-H", &token, &devices]);
    command
}
