//! Nothing left behind, whatever happens: hosts are deployed and cancelled side by side while requests go wrong, orders
//! come late or are repeated, machines fail, two deploys of one host run at once, and the driver is interrupted or killed
//! at any moment. After each call, and in the end, the books must balance: the machines at the provider are those whose
//! ids were handed over and that were not cancelled. Provisions of several hosts are played as oneprovision leads them.
//!
//! `PM_PACKET_RUNS` is the number of hosts (10000 for the long run), `PM_PACKET_SEED` names another game. Timing is part
//! of it, so a seed repeats the same game, not the same moves of the threads.

use std::fmt::Write as _;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{Bench, finish, fixture_path, signal, until};
use fastrand::Rng;
use nix::sys::signal::Signal;
use pm_packet::provider::Provider;
use pm_packet::provider::latitude::Latitude;
use simulator::oneprovision::{Answer, Choice, Provision};
use simulator::stub::{Object, Stub, StubOptions};
use simulator::{Effect, Fault, HostTemplate, Operation, Options, State};

/// In seconds of a clock that runs so many times as fast. An order without an answer is looked for during 72 of them:
/// longer than lag and delay of the simulator together.
const TIMEOUT: &str = "240";
const LAPSE: u32 = 6;
const LAG: Duration = Duration::from_millis(800);
const DELAY: Duration = Duration::from_millis(1000);
/// How late an order may take effect: that are 60 seconds.
const LATE: Duration = Duration::from_millis(10_000);
/// Hosts that are played with at a time, and in a long run. The driver mostly sleeps.
const HOSTS: (usize, usize) = (40, 150);

#[test]
fn the_books_balance_after_any_sequence_of_faults_signals_and_kills() {
    let (runs, seed) = runs_and_seed(120);
    let table = Table::of_packet(seed, LAG);
    play(&table, runs, seed);
    table.assert_empty();
}

/// A copy of an order is seen by the one look before the machine is handed over only where no listing lags.
#[test]
fn the_books_balance_where_something_in_between_repeats_orders() {
    let (runs, seed) = runs_and_seed(40);
    let table = Table { has_copies: true, ..Table::of_packet(seed, Duration::ZERO) };
    play(&table, runs, seed);
    table.assert_empty();
}

/// The kernel reports it on connections that stand, when the request is long on its way.
#[test]
fn the_books_balance_where_the_network_cannot_be_reached_now_and_then() {
    let (runs, seed) = runs_and_seed(30);
    let mut table = Table::of_packet(seed, LAG);
    let (source, shim) = (fixture_path("unreachable.c"), table.bench.path("unreachable.so"));
    let mut compiler = Command::new("cc");
    let compiled = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).arg("-ldl").status();
    assert!(compiled.unwrap().success());
    table.bench = table.bench.set("LD_PRELOAD", &shim.display().to_string());
    play(&table, runs, seed);
    table.assert_empty();
}

/// What somebody chooses where a deploy of a provision fails is drawn, too.
#[test]
fn the_books_balance_whatever_oneprovision_does_with_a_provision() {
    let (runs, seed) = runs_and_seed(12);
    let table = Table::of_packet(seed, LAG);
    side_by_side(runs, 6, |run| {
        let id = |number: usize| 5000 + (run * 3 + number) as i32;
        let hosts: Vec<_> = (0..3).map(|number| table.bench.host(&HostTemplate::new(id(number)))).collect();
        let mut game = Game::new(&table, run, Rng::with_seed(seed as u64 + run as u64));
        game.break_something();
        let mut provision = Provision::new(hosts);
        provision.loses_file = game.rng.bool();
        let mut said = String::new();
        let choices = [Choice::Retry, Choice::Retry, Choice::Skip, Choice::Quit, Choice::Cleanup];
        let created = provision.create(|_, answer| {
            said += &answer.stderr;
            choices[game.rng.usize(..choices.len())]
        });
        let _ = writeln!(game.story, "{created:?}");
        // What is left of the provision is deleted, as often as it takes.
        for _ in 0..20 {
            let (gone, left): (Vec<_>, _) =
                provision.hosts.iter().partition(|host| table.bench.simulator.oned().host_name(host.id()).is_none());
            if left.is_empty() {
                break;
            }
            drop(gone);
            provision.hosts = left;
            let answers = provision.clean_up().unwrap();
            let _ = writeln!(game.story, "{answers:?}");
        }
        for number in 0..3 {
            let left = table.billed(&table.tag(id(number)));
            // What oned did not take is warned of; oneprovision does not cancel that.
            let is_unrecorded = game.story.contains("is not in the host yet");
            assert!(is_unrecorded || left.iter().all(|machine| said.contains(machine)), "{left:?}: {}", game.story);
        }
    });
}

#[test]
fn the_books_balance_on_ec2_too() {
    play_beside(Cloud {
        driver: "ec2",
        addresses: &["EC2_API_URL"],
        end: "/",
        kind: "instance",
        id: Object::id,
        times: &[("pending", 200), ("leaving", 150), ("lag", 800)],
        template: HostTemplate::ec2,
        bears: |instance, key, value| instance.texts("tags").get(key).is_some_and(|own| own == value),
        is_billed: |instance| !matches!(instance.text("state").as_str(), "shutting-down" | "terminated"),
    });
}

/// An order is three requests, and a name is the key that it is not made twice by.
#[test]
fn the_books_balance_on_ironic_too() {
    play_beside(Cloud {
        driver: "ironic",
        addresses: &["OS_ENDPOINT"],
        end: "",
        kind: "allocation",
        id: Object::id,
        times: &[("allocating", 60), ("deploying", 200), ("powering", 100), ("leaving", 150)],
        template: HostTemplate::ironic,
        bears: |allocation, key, value| allocation.texts("extra").get(key).is_some_and(|own| own == value),
        is_billed: |allocation| allocation.text("provision_state") != "deleting",
    });
}

#[test]
fn the_books_balance_on_scaleway_too() {
    play_beside(Cloud {
        driver: "scaleway",
        addresses: &["SCW_API_URL"],
        end: "",
        kind: "server",
        id: |server| format!("{}/{}", server.text("zone"), server.id()),
        times: &[("ordering", 60), ("delivering", 60), ("installing", 80), ("powering", 100), ("leaving", 150)],
        template: HostTemplate::scaleway,
        bears: |server, key, value| {
            let mut tags = server.fields["tags"].as_array().into_iter().flatten();
            tags.any(|tag| *tag == format!("{key}={value}"))
        },
        is_billed: |server| server.text("status") != "deleting",
    });
}

/// The name of a server is its mark, as no HOSTNAME takes its place; keys are objects of their own.
#[test]
fn the_books_balance_on_latitude_too() {
    play_beside(Cloud {
        driver: "latitude",
        addresses: &["LATITUDESH_API_URL"],
        end: "",
        kind: "server",
        id: Object::id,
        times: &[("ordering", 100), ("installing", 100), ("powering", 100), ("leaving", 150)],
        template: |id| HostTemplate::latitude(id).without("HOSTNAME"),
        bears: |server, key, value| {
            let identity = Latitude.spec().identity;
            server.text("hostname") == identity.encode(&format!("{key}={value}"))
        },
        is_billed: |server| !server.text("status").contains("delet"),
    });
}

/// Nothing but the listing proves that a server is gone.
#[test]
fn the_books_balance_on_phoenixnap_too() {
    play_beside(Cloud {
        driver: "phoenixnap",
        addresses: &["PNAP_API_URL", "PNAP_AUTH_URL"],
        end: "",
        kind: "server",
        id: Object::id,
        times: &[("creating", 150), ("powering", 100), ("leaving", 150)],
        template: |id| HostTemplate::phoenixnap(id, "").without("PNAP_API_URL").without("PNAP_AUTH_URL"),
        bears: |server, key, value| {
            let mut tags = server.fields["tags"].as_array().into_iter().flatten();
            tags.any(|tag| tag["name"] == key && tag["value"] == value.replace(':', "-"))
        },
        is_billed: |server| !["deleting", "reserved", "deprovisioning"].contains(&server.text("status").as_str()),
    });
}

/// How many hosts are played with, and from what their games are drawn.
fn runs_and_seed(usual: usize) -> (usize, usize) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let runs = number("PM_PACKET_RUNS").unwrap_or(usual);
    let seed = number("PM_PACKET_SEED").unwrap_or(20_261_124);
    println!("PM_PACKET_RUNS={runs} PM_PACKET_SEED={seed}");
    (runs, seed)
}

/// A provider whose stub is played from its fixture.
struct Cloud {
    driver: &'static str,
    /// The settings that say where it is, and what its address ends with.
    addresses: &'static [&'static str],
    end: &'static str,
    /// What its machines are called, and the deploy id of one.
    kind: &'static str,
    id: fn(&Object) -> String,
    /// In milliseconds.
    times: &'static [(&'static str, u64)],
    template: fn(i32) -> HostTemplate,
    /// Whether a machine has the tag with this key and value.
    bears: fn(&Object, &str, &str) -> bool,
    /// Whether a machine that is not gone is billed, or held.
    is_billed: fn(&Object) -> bool,
}

/// Plays with hosts of a provider.
fn play_beside(cloud: Cloud) {
    let (runs, seed) = runs_and_seed(40);
    let options = StubOptions { set: cloud.times.to_vec(), log: 1000, seed: seed as u64 };
    let stub = Stub::start(cloud.driver, options).unwrap();
    let url = format!("{}{}", stub.url(), cloud.end);
    let bench = cloud.addresses.iter().fold(Bench::new(), |bench, name| bench.set(name, &url));
    let bench = bench.lapsing_by(LAPSE, TIMEOUT);
    let table = Table { bench, cloud: Some((cloud, stub)), has_copies: false };
    play(&table, runs, seed);
    table.assert_empty();
}

/// What is played at: a front-end, and the stub of a provider if it is not Packet.
struct Table {
    bench: Bench,
    cloud: Option<(Cloud, Stub)>,
    /// Whether something in between may repeat an order.
    has_copies: bool,
}

impl Table {
    fn of_packet(seed: usize, listing_lag: Duration) -> Self {
        let bench = Bench::with(Options {
            provisioning: Duration::from_millis(20)..=Duration::from_millis(400),
            powering: Duration::from_millis(150),
            listing_lag,
            log: 1000,
            seed: seed as u64,
            ..Options::default()
        });
        Self { bench: bench.lapsing_by(LAPSE, TIMEOUT), cloud: None, has_copies: false }
    }

    fn template(&self, id: i32) -> HostTemplate {
        match &self.cloud {
            Some((cloud, _)) => (cloud.template)(id),
            None => HostTemplate::new(id),
        }
    }

    /// The tag of a host's machines.
    fn tag(&self, id: i32) -> String {
        format!("ONE_PROVISION_HOST={}:{id}", self.template(id).provision["PROVISION_ID"])
    }

    fn assert_empty(&self) {
        let left = self.billed("");
        assert!(left.is_empty(), "left behind: {left:?}");
    }

    fn start(&self, action: &str, words: &[&str]) -> Child {
        let driver = self.cloud.as_ref().map_or("packet", |(cloud, _)| cloud.driver);
        let mut command = self.bench.command_of(driver, action, words);
        command.spawn().unwrap()
    }

    fn fault(&self, fault: Fault) {
        match &self.cloud {
            Some((_, stub)) => stub.fault(fault),
            None => self.bench.simulator.fault(fault),
        }
    }

    /// The machines with this tag that the provider bills; all of them where there is none.
    fn billed(&self, tag: &str) -> Vec<String> {
        if let Some((cloud, stub)) = &self.cloud {
            let (key, value) = tag.split_once('=').unwrap_or_default();
            let machines = stub.objects(cloud.kind).into_iter();
            return machines
                .filter(|one| tag.is_empty() || (cloud.bears)(one, key, value))
                .filter(|one| !one.is_gone && (cloud.is_billed)(one))
                .map(|one| (cloud.id)(&one))
                .collect();
        }
        let devices = self.bench.simulator.devices();
        devices
            .into_iter()
            .filter(|device| tag.is_empty() || device.tags.iter().any(|own| own == tag))
            .filter(|device| device.taken.is_none() && device.state != State::Deprovisioning)
            .map(|device| device.id)
            .collect()
    }

    /// Whether the provider took a machine back.
    fn has_taken(&self, id: &str) -> bool {
        match &self.cloud {
            Some(_) => !self.billed("").iter().any(|own| own == id),
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
    let tally = Mutex::new(Tally::default());
    side_by_side(runs, hosts, |run| {
        let rng = Rng::with_seed((seed as u64).wrapping_add(run as u64));
        let mut game = Game::new(table, run, rng);
        let id = game.id();
        table.bench.simulator.oned().add(&table.template(id)).unwrap();
        game.play();
        tally.lock().unwrap().add(&game.tally);
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:?}");
    assert!(tally.deployed >= runs, "{tally:?}");
}

/// Plays so many runs, so many of them at a time.
fn side_by_side(runs: usize, at_a_time: usize, play: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        break;
                    }
                    play(run);
                }
            });
        }
    });
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
    files: usize,
    /// What two deploys at once handed over: a later one adopts it, or says that it is deleted.
    handed_over: Vec<String>,
    name: String,
    tag: String,
    story: String,
    tally: Tally,
}

impl<'a> Game<'a> {
    fn new(table: &'a Table, run: usize, rng: Rng) -> Self {
        let id = 1000 + run as i32;
        let (name, tag) = (table.template(id).name, table.tag(id));
        Self {
            table,
            run,
            rng,
            files: 0,
            handed_over: Vec::new(),
            name,
            tag,
            story: String::new(),
            tally: Tally::default(),
        }
    }

    fn id(&self) -> i32 {
        1000 + self.run as i32
    }

    /// The host's deployment file, with a name that no run before had: as oneprovision writes it.
    fn file(&mut self) -> String {
        self.files += 1;
        let xml = self.table.bench.simulator.oned().deployment_file(self.id()).unwrap();
        self.table.bench.file(&format!("{}-{}.xml", self.run, self.files), &xml)
    }

    fn play(&mut self) {
        for _ in 0..self.rng.usize(0..4) {
            self.break_something();
            if self.rng.u8(..) < 40 {
                self.deploy_twice();
            }
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
        let file = self.file();
        let answer = self.call("deploy", &[&file, "TODO"], with_signals)?;
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
        if answer.stderr.contains("machines already") {
            // A killed deploy was repeated by something in between: a person keeps one of them.
            for id in billed.iter().skip(1) {
                self.cancel_one(id, false);
            }
        } else if answer.stderr.contains("STILL BILLED") {
            self.tally.still_billed += 1;
        } else if answer.status.code().is_some() {
            self.tally.rolled_back += 1;
            if !billed.iter().all(|id| self.handed_over.contains(id)) {
                self.fail(&format!("failed, did not say so, and left {billed:?}"));
            }
        }
        None
    }

    /// Two deploys of the host, the second one while the first one runs: it waits, and finds what that left.
    fn deploy_twice(&mut self) {
        let (file, other) = (self.file(), self.file());
        let first = self.table.start("deploy", &[&file, "TODO"]);
        thread::sleep(Duration::from_millis(self.rng.u64(0..600)));
        let second = self.table.start("deploy", &[&other, "TODO"]);
        let answers = [finish(first), finish(second)];
        self.tally.calls += 2;
        let billed = self.billed();
        for answer in &answers {
            self.tell("deploy", answer);
        }
        let said: String = answers.iter().map(|answer| answer.stderr.as_str()).collect();
        let is_known = |id: &String| answers.iter().any(|answer| answer.stdout == *id);
        self.handed_over.extend(answers.iter().map(|answer| answer.stdout.clone()));
        if !said.contains("STILL BILLED") && (billed.len() > 1 || !billed.iter().all(is_known)) {
            self.fail(&format!("two deploys at once left {billed:?}"));
        }
    }

    /// Cancels the host's machine, until nothing is billed.
    fn cancel(&mut self, id: &str, with_signals: bool) {
        self.cancel_one(id, with_signals);
        let billed = self.billed();
        if !billed.is_empty() {
            self.fail(&format!("cancelled, and left {billed:?}"));
        }
    }

    /// Cancels a machine until it is done.
    fn cancel_one(&mut self, id: &str, with_signals: bool) {
        let host_id = self.id().to_string();
        for attempt in 0..20 {
            let name = self.name.clone();
            let words = [id, &name, &host_id, &name];
            let answer = self.call("cancel", &words, with_signals && attempt == 0);
            if answer.is_some_and(|answer| answer.status.success()) {
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
        self.tell(action, &answer);
        if killed && answer.status.code().is_none() {
            self.tally.killed += 1;
            return Some(answer).filter(|answer| !answer.stdout.is_empty());
        }
        Some(answer)
    }

    fn tell(&mut self, action: &str, answer: &Answer) {
        let said = answer.stderr.replace('\n', " | ");
        let _ = writeln!(self.story, "{action} -> {} {:?} {said}", answer.status, answer.stdout);
        if answer.stderr.contains("panicked") {
            self.fail("it panicked");
        }
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
            // A page of something in between says nothing of a machine.
            Effect::Html5xx(404),
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
        let fault = if rng.u8(..) < 30 {
            let late = Duration::from_millis(rng.u64(0..LATE.as_millis() as u64));
            let copy = if self.table.has_copies { Effect::Twice } else { Effect::DelayBeforeEffect(late) };
            Fault::new(Operation::Create, copy)
        } else if rng.u8(..) < 60 {
            Fault::new(Operation::Create, fates[rng.usize(..fates.len())].clone())
        } else {
            let operation = operations[rng.usize(..operations.len())];
            Fault::new(operation, faults[rng.usize(..faults.len())].clone())
        };
        fault.skip(rng.u32(0..3)).times(rng.u32(1..3))
    }

    fn fail(&self, what: &str) -> ! {
        panic!("host {}: {what}\n{}", self.id(), self.story);
    }
}
