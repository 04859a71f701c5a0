//! Nothing left behind, whatever happens: hosts are deployed and cancelled side by side while requests go
//! wrong, machines fail, and the driver is interrupted or killed at any moment. After each call, and in the
//! end, the books must balance: the machines at the provider are those whose ids were handed over and that
//! were not cancelled.
//!
//! `PM_PACKET_RUNS` is the number of hosts (10000 for the long run), `PM_PACKET_SEED` repeats one. Timing is
//! part of the game, so a seed repeats the same game, not the same moves of the threads.

use std::fmt::Write as _;
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{Bench, finish, signal, until};
use fastrand::Rng;
use nix::sys::signal::Signal;
use simulator::ec2::{Ec2, Ec2Options, Instance};
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, Operation, Options, State};

/// In seconds of a clock that runs ten times as fast. An order without an answer is looked for during 72 of them:
/// longer than lag and delay of the simulator together.
const TIMEOUT: &str = "240";
const LAG: Duration = Duration::from_millis(800);
const DELAY: Duration = Duration::from_millis(1000);
/// Hosts that are played with at a time, and in a long run. The driver mostly sleeps.
const HOSTS: (usize, usize) = (40, 150);

#[test]
fn the_books_balance_after_any_sequence_of_faults_signals_and_kills() {
    let (runs, seed) = runs_and_seed(120);
    let bench = Bench::with(Options {
        provisioning: Duration::from_millis(20)..=Duration::from_millis(400),
        powering: Duration::from_millis(150),
        listing_lag: LAG,
        log: 1000,
        seed: seed as u64,
        ..Options::default()
    })
    .lapsing(TIMEOUT);
    let table = Table { bench, ec2: None };
    play(&table, runs, seed);
    let left: Vec<_> = table.bench.simulator.devices();
    assert!(
        left.iter().all(|device| device.taken.is_some() || device.state == State::Deprovisioning),
        "left behind: {left:?}"
    );
}

#[test]
fn the_books_balance_on_ec2_too() {
    let (runs, seed) = runs_and_seed(40);
    let ec2 = Ec2::start(Ec2Options {
        pending: Duration::from_millis(200),
        leaving: Duration::from_millis(150),
        lag: LAG,
        log: 1000,
        seed: seed as u64,
        ..Ec2Options::default()
    })
    .unwrap();
    let bench = Bench::new().set("EC2_API_URL", &ec2.url()).lapsing(TIMEOUT);
    let table = Table { bench, ec2: Some(ec2) };
    play(&table, runs, seed);
    let left = table.ec2.as_ref().map(Ec2::instances).unwrap_or_default();
    assert!(left.iter().all(|instance| !instance.is_billed()), "left behind: {left:?}");
}

/// How many hosts are played with, and from what their games are drawn.
fn runs_and_seed(usual: usize) -> (usize, usize) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let runs = number("PM_PACKET_RUNS").unwrap_or(usual);
    let seed = number("PM_PACKET_SEED").unwrap_or_else(|| fastrand::usize(..));
    println!("PM_PACKET_RUNS={runs} PM_PACKET_SEED={seed}");
    (runs, seed)
}

/// What is played at: a front-end, and the small EC2 if it is not Packet.
struct Table {
    bench: Bench,
    ec2: Option<Ec2>,
}

impl Table {
    fn template(&self, id: i32) -> HostTemplate {
        match self.ec2 {
            Some(_) => HostTemplate::ec2(id),
            None => HostTemplate::new(id),
        }
    }

    fn start(&self, action: &str, words: &[&str]) -> Child {
        let driver = if self.ec2.is_some() { "ec2" } else { "packet" };
        let mut command = self.bench.command_of(driver, action, words);
        command.spawn().unwrap()
    }

    fn fault(&self, fault: Fault) {
        match &self.ec2 {
            Some(ec2) => ec2.fault(fault),
            None => self.bench.simulator.fault(fault),
        }
    }

    /// The machines with this tag that the provider bills.
    fn billed(&self, tag: &str) -> Vec<String> {
        if let Some(ec2) = &self.ec2 {
            let (key, value) = tag.split_once('=').unwrap_or_default();
            let instances = ec2.instances().into_iter();
            return instances
                .filter(|one| one.tags.get(key).is_some_and(|own| own == value))
                .filter(Instance::is_billed)
                .map(|one| one.id)
                .collect();
        }
        let devices = self.bench.simulator.devices();
        devices
            .into_iter()
            .filter(|device| device.tags.iter().any(|own| own == tag))
            .filter(|device| device.taken.is_none() && device.state != State::Deprovisioning)
            .map(|device| device.id)
            .collect()
    }

    /// Whether the provider took a machine back.
    fn has_taken(&self, id: &str) -> bool {
        match &self.ec2 {
            Some(ec2) => ec2.instance(id).is_some_and(|one| !one.is_billed()),
            None => {
                let device = self.bench.simulator.device(id);
                device.is_some_and(|device| device.taken.is_some())
            }
        }
    }
}

/// Plays with so many hosts.
fn play(table: &Table, runs: usize, seed: usize) {
    let hosts = if runs > 1000 { HOSTS.1 } else { HOSTS.0 }.min(runs);
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..hosts {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        break;
                    }
                    let rng = Rng::with_seed((seed as u64).wrapping_add(run as u64));
                    let mut game = Game::new(table, run, rng);
                    game.play();
                    tally.lock().unwrap().add(&game.tally);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:?}");
    assert!(tally.deployed >= runs, "{tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    deployed: usize,
    rolled_back: usize,
    still_billed: usize,
    killed: usize,
    faults: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.deployed += other.deployed;
        self.rolled_back += other.rolled_back;
        self.still_billed += other.still_billed;
        self.killed += other.killed;
        self.faults += other.faults;
    }
}

/// One host, from its first deploy until its machine is gone.
struct Game<'a> {
    table: &'a Table,
    run: usize,
    rng: Rng,
    file: String,
    name: String,
    tag: String,
    story: String,
    tally: Tally,
}

impl<'a> Game<'a> {
    fn new(table: &'a Table, run: usize, rng: Rng) -> Self {
        let id = 1000 + run as i32;
        let bench = &table.bench;
        let template = table.template(id);
        let tag = format!("ONE_PROVISION_HOST={}:{id}", template.provision["PROVISION_ID"]);
        let name = template.name.clone();
        let oned = bench.simulator.oned();
        oned.add(&template).unwrap();
        let file = bench.file(&format!("{run}.xml"), &oned.deployment_file(id).unwrap());
        Self { table, run, rng, file, name, tag, story: String::new(), tally: Tally::default() }
    }

    fn play(&mut self) {
        for _ in 0..self.rng.usize(0..4) {
            self.break_something();
            if let Some(id) = self.deploy(true) {
                self.cancel(&id, true);
            }
        }
        // In the end it must come to a good end, although others still break things.
        let mut handed_over = None;
        for _ in 0..20 {
            handed_over = self.deploy(false);
            if handed_over.is_some() {
                break;
            }
        }
        let Some(id) = handed_over else {
            self.fail("no deploy succeeded in the end");
        };
        self.cancel(&id, false);
        let balanced = || self.billed().is_empty();
        until("the host's machines are gone", balanced);
    }

    /// The machines that the provider bills for this host.
    fn billed(&self) -> Vec<String> {
        self.table.billed(&self.tag)
    }

    fn deploy(&mut self, with_signals: bool) -> Option<String> {
        let answer = self.call("deploy", &[&self.file.clone(), "TODO"], with_signals)?;
        let billed = self.billed();
        // What was printed is handed over, even if a kill came between that and the end of the process.
        if answer.status.success() || !answer.stdout.is_empty() {
            // A machine that the provider takes back after it was handed over is nobody's fault.
            if billed != [answer.stdout.clone()] && !self.table.has_taken(&answer.stdout) {
                self.fail(&format!("handed over {:?}, billed {billed:?}", answer.stdout));
            }
            self.tally.deployed += 1;
            return Some(answer.stdout);
        }
        if answer.stderr.contains("STILL BILLED") {
            self.tally.still_billed += 1;
        } else if answer.status.code().is_some() {
            self.tally.rolled_back += 1;
            if !billed.is_empty() {
                self.fail(&format!("failed, did not say so, and left {billed:?}"));
            }
        }
        None
    }

    /// Cancels until it is done.
    fn cancel(&mut self, id: &str, with_signals: bool) {
        let host_id = (1000 + self.run).to_string();
        for attempt in 0..20 {
            let name = self.name.clone();
            let words = [id, &name, &host_id, &name];
            let answer = self.call("cancel", &words, with_signals && attempt == 0);
            if answer.is_some_and(|answer| answer.status.success()) {
                let billed = self.billed();
                if !billed.is_empty() {
                    self.fail(&format!("cancelled, and left {billed:?}"));
                }
                return;
            }
        }
        self.fail("no cancel succeeded in the end");
    }

    /// Runs an action, perhaps with a signal at a random moment. `None`: it was killed.
    fn call(&mut self, action: &str, words: &[&str], with_signals: bool) -> Option<Answer> {
        self.tally.calls += 1;
        let child = self.table.start(action, words);
        let mut killed = false;
        if with_signals && self.rng.u8(..) < 110 {
            let chosen =
                self.rng.choice([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGKILL, Signal::SIGKILL]);
            let after = Duration::from_millis(self.rng.u64(0..900));
            thread::sleep(after);
            if let Some(chosen) = chosen {
                let _ = writeln!(self.story, "{chosen} after {after:?}");
                signal(&child, chosen);
                killed = chosen == Signal::SIGKILL;
            }
        }
        let answer = finish(child);
        let _ = writeln!(
            self.story,
            "{action} -> {} {:?} {}",
            answer.status,
            answer.stdout,
            answer.stderr.replace('\n', " | ")
        );
        if answer.stderr.contains("panicked") {
            self.fail("it panicked");
        }
        if killed && answer.status.code().is_none() {
            self.tally.killed += 1;
            return Some(answer).filter(|answer| !answer.stdout.is_empty());
        }
        Some(answer)
    }

    /// Lets something go wrong for whoever comes next.
    fn break_something(&mut self) {
        for _ in 0..self.rng.usize(0..3) {
            self.tally.faults += 1;
            let fault = self.any_fault();
            let _ = writeln!(self.story, "{fault:?}");
            self.table.fault(fault);
        }
    }

    fn any_fault(&mut self) -> Fault {
        let rng = &mut self.rng;
        let delay = Duration::from_millis(rng.u64(0..DELAY.as_millis() as u64));
        let reset = rng.bool();
        let fates = [
            Effect::FailProvisioning,
            Effect::Vanish { after: delay, status: if reset { 404 } else { 403 } },
            Effect::Stuck(State::Provisioning),
            Effect::Stuck(State::Other("post_provisioning".to_owned())),
            Effect::RefuseDelete { until: delay, reason: "Cannot delete a device while it is provisioning".to_owned() },
        ];
        let codes = [500, 502, 503, 504, 429, 422, 401, 403, 408];
        let code = codes[rng.usize(..codes.len())];
        let faults = [
            Effect::status(code),
            Effect::status_after([500, 502, 503, 504][rng.usize(..4)]),
            Effect::Html5xx(502),
            Effect::Delay(delay),
            Effect::DelayBeforeEffect(delay),
            Effect::Hang,
            Effect::HangAfter,
            Effect::DropBefore { reset },
            Effect::DropAfter { reset },
            Effect::Truncate,
            Effect::Garbage,
            Effect::Redirect { url: "http://127.0.0.1:9/elsewhere".to_owned(), code: 302 },
        ];
        let operations = [
            Operation::Create,
            Operation::Create,
            Operation::Create,
            Operation::Get,
            Operation::List,
            Operation::Delete,
            Operation::Action,
            Operation::HostInfo,
            Operation::Connection,
        ];
        let fault = if rng.u8(..) < 60 {
            Fault::new(Operation::Create, fates[rng.usize(..fates.len())].clone())
        } else {
            let operation = operations[rng.usize(..operations.len())];
            Fault::new(operation, faults[rng.usize(..faults.len())].clone())
        };
        fault.skip(rng.u32(0..3)).times(rng.u32(1..3))
    }

    fn fail(&self, what: &str) -> ! {
        panic!("host {}: {what}\n{}", 1000 + self.run, self.story);
    }
}
