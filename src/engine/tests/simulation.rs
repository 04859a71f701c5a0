//! Many hosts of two OpenNebulas at one provider and on one clock: late and doubled orders, lost answers, listings that
//! lag and fail, looks that lie, machines that fail or are taken back, signals, kills, two deploys of one host at once,
//! hosts that are deleted meanwhile, and an oned that refuses. All of it is drawn from a seed.
//!
//! `PM_PACKET_PLAYS` is the number of plays (1 prints every step), `PM_PACKET_SEED` the first seed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use super::storm::Storm;
use super::*;
use crate::engine::{Record, Unrecorded};
use crate::provider::Provider as _;

/// How many plays there are where `PM_PACKET_PLAYS` does not say.
const PLAYS: u64 = 1700;
/// The OpenNebulas of a play, and the hosts of each.
const FRONT_ENDS: u32 = 2;
const HOSTS: u32 = 3;
/// How many deploys of a host there are at most before the last one.
const RUNS: u8 = 4;

/// One play.
struct Play {
    seed: u64,
    name: &'static str,
    clock: Arc<VirtualClock>,
    provider: &'static Scripted,
    folder: PathBuf,
}

impl Drop for Play {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What is known of a host, and of its machines.
struct Life<'a> {
    play: &'a Play,
    order: Order,
    journal: Journal,
    random: Mutex<fastrand::Rng>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// The machines that deploys handed over and that are not known to be gone.
    handed_over: Vec<MachineId>,
    /// Somebody was told that a machine of this host may still be billed, or a killed run could tell nobody.
    is_told: bool,
    /// The runs that are under way, and how many of them deploy.
    running: u32,
    deploying: u32,
    /// Nothing comes between any more.
    is_ending: bool,
    /// What oned has as DEPLOY_ID.
    deploy_id: Option<MachineId>,
    /// The host was deleted in oned.
    is_deleted: bool,
}

/// The host in oned, as a process of the storm finds it.
struct HostInOned<'a> {
    life: &'a Life<'a>,
    process: Process,
    /// Whether oned answered the last question.
    answers: AtomicBool,
}

impl HostInOned<'_> {
    /// One exchange with oned: it may be killed over, or not come about.
    fn ask<T>(&self, act: impl FnOnce(&mut Books) -> T) -> Result<T, Unrecorded> {
        self.process.live();
        self.life.play.clock.pass(Duration::from_millis(20), || self.process.is_killed());
        let is_bad = self.process.storm.as_ref().is_some_and(|storm| storm.chance(5));
        self.answers.store(!is_bad, Ordering::Relaxed);
        let mut books = self.life.books();
        if is_bad {
            return Err(Unrecorded::Other("oned is away".to_owned()));
        }
        if books.is_deleted {
            return Err(Unrecorded::NoSuchHost("there is no such host".to_owned()));
        }
        let done = act(&mut books);
        drop(books);
        self.process.live();
        Ok(done)
    }
}

impl Record for HostInOned<'_> {
    fn write(&self, machine: Option<&MachineId>) -> Result<(), Unrecorded> {
        self.ask(|books| books.deploy_id = machine.cloned())
    }

    fn look(&self) -> Result<(), Unrecorded> {
        self.ask(|_| ())
    }
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut shapes = shapes::all();
        let (name, spec, mut manner) = shapes.swap_remove(random.usize(..shapes.len()));
        manner.provisioning = seconds(random.u64(1..300));
        manner.deleting = seconds(random.u64(0..60));
        manner.hidden_in_lists = seconds([0, random.u64(0..28)][random.usize(0..2)]);
        manner.hidden_by_id = seconds(random.u64(0..28)).min(manner.hidden_in_lists);
        let stage = Stage::new(spec, manner);
        stage.provider.world().is_told = number("PM_PACKET_PLAYS") == Some(1);
        let (clock, provider) = (Arc::clone(&stage.clock), stage.provider);
        let folder = stage.folder.clone();
        std::mem::forget(stage);
        Self { seed, name, clock, provider, folder }
    }

    /// A host of one of the OpenNebulas; their numbers are the same in each.
    fn life(&self, front_end: u32, host: u32) -> Life<'_> {
        let spec = self.provider.spec();
        let xml = format!(
            "<HOST><ID>{host}</ID><NAME>n</NAME><TEMPLATE><PROVISION><PROVISION_ID>{front_end}</PROVISION_ID></PROVISION></TEMPLATE></HOST>"
        );
        let (host_of, _) = Host::parse(&xml).unwrap();
        let environment = Environment::default();
        let settings = Settings { host: Some(&host_of), environment: &environment };
        let owner = Owner::of(&host_of);
        let folder = self.folder.join(front_end.to_string());
        let seed = self.seed.wrapping_mul(1009) + u64::from(front_end * HOSTS + host);
        Life {
            play: self,
            order: Order::of(spec, &host_of, &settings, &owner).unwrap(),
            journal: Journal::in_folder(&folder, spec, &owner),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            books: Mutex::default(),
        }
    }

    fn engine(&self, interrupt: &Interrupt) -> Engine {
        let report = Report::new(Level::Quiet);
        let environment = Environment::default();
        let settings = Settings { host: None, environment: &environment };
        let clock: Arc<dyn Clock> = self.clock.clone();
        let session = provider::connect(self.provider, &settings, clock, report).unwrap();
        let clock = Arc::clone(&self.clock);
        Engine::new(self.provider, Arc::new(session), interrupt.clone(), clock, seconds(1800), report)
    }
}

/// How a run of the driver ended.
#[derive(Debug)]
enum End {
    Good,
    /// It failed, with these words.
    Failed(String),
    Killed,
}

impl Life<'_> {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }

    fn pass(&self, time: Duration) {
        self.play.clock.pass(time, || false);
    }

    /// Begins a process of the driver. In a storm requests fail, and a signal or a kill may come.
    fn begin(&self, is_storm: bool) -> Process {
        let lies = self.play.provider.spec().absence == Absence::Listing;
        let copies = self.play.provider.world().manner.hidden_in_lists.is_zero();
        let seed = self.draw(|random| random.u64(..));
        let process = Process {
            interrupt: Interrupt::default(),
            mark: Some(self.order.mark.clone()),
            storm: is_storm.then(|| Storm::new(seed, lies, copies)),
            ..Process::default()
        };
        process.clone().begin();
        if is_storm {
            let moment = self.play.clock.passed() + Duration::from_millis(self.draw(|r| r.u64(0..90_000)));
            let (struck, kind) = (process.clone(), self.draw(|random| random.u8(0..10)));
            match kind {
                0..3 => self.play.clock.at(moment, move || struck.interrupt.raise(Signal::SIGTERM)),
                3..6 => self.play.clock.at(moment, move || {
                    struck.kill();
                    struck.interrupt.raise(Signal::SIGKILL);
                }),
                _ => {}
            }
        }
        process
    }

    /// Runs something in a process.
    fn run(&self, is_storm: bool, run: impl FnOnce(&Process, &Engine) -> Result<(), String>) -> (End, Process) {
        let process = self.begin(is_storm);
        self.books().running += 1;
        let engine = self.play.engine(&process.interrupt);
        let ended = catch_unwind(AssertUnwindSafe(|| run(&process, &engine)));
        self.books().running -= 1;
        let end = match ended {
            _ if process.is_killed() => End::Killed,
            Ok(Ok(())) => End::Good,
            Ok(Err(why)) => End::Failed(why),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        (end, process)
    }

    /// Deploys; whether it went well.
    fn deploy(&self, is_storm: bool) -> bool {
        let recorded = self.books().deploy_id.clone();
        self.books().deploying += 1;
        let (end, process) = self.run(is_storm, |process, engine| {
            let clock = Arc::clone(&self.play.clock);
            let Ok(_lock) = self.journal.lock(&*clock, &process.interrupt, || {}) else {
                return Err("interrupted while another deploy is under way".to_owned());
            };
            let record = HostInOned { life: self, process: process.clone(), answers: true.into() };
            let job = Job {
                order: &self.order,
                journal: &self.journal,
                record: &record,
                recorded,
                remove: &|id| format!("cancel {id}"),
            };
            let deployed = engine.deploy(&job, |id| {
                let mut books = self.books();
                let is_known_deleted = books.is_deleted && record.answers.load(Ordering::Relaxed);
                assert!(!is_known_deleted, "{}: {id} is handed to a deleted host", self.case());
                books.handed_over.push(id.clone());
                Ok(())
            });
            deployed.map_err(|failure| match failure.cause {
                Some(cause) => format!("{}; {cause}", failure.outcome),
                None => failure.outcome,
            })
        });
        self.books().deploying -= 1;
        if self.play.provider.world().is_told {
            println!("{} deploy: {end:?}", self.order.mark);
        }
        self.balance(&end, &process);
        matches!(end, End::Good)
    }

    fn case(&self) -> String {
        format!("{}, PM_PACKET_SEED={}, {}", self.play.name, self.play.seed, self.order.mark)
    }

    /// The machines of this host that last if nothing more is done, and whether one was taken back.
    fn left(&self) -> Vec<MachineId> {
        let world = self.play.provider.world();
        let own = world.machines.iter().filter(|device| device.owner == self.order.mark);
        own.filter(|device| device.lasts()).map(|device| device.id.clone()).collect()
    }

    /// After the last run that is under way: what is left was handed over, or somebody was told.
    fn balance(&self, end: &End, process: &Process) {
        let left = self.left();
        let mut books = self.books();
        books.handed_over.retain(|id| left.contains(id));
        match end {
            End::Failed(why) if why.contains("STILL BILLED") || why.contains("not seen gone") => {
                let is_named = left.iter().all(|id| why.contains(id.as_str()));
                assert!(is_named || why.contains(&self.order.mark), "{}: {left:?}: {why}", self.case());
                books.is_told = true;
            }
            End::Failed(why) if why.contains("machines already") => books.is_told = true,
            // Nobody hears what a killed run knows, and a warning is told that doubles are not known.
            End::Killed => books.is_told = true,
            _ if process.storm.as_ref().is_some_and(Storm::is_blind) => {
                books.is_told = true;
            }
            _ => {}
        }
        if books.running > 0 {
            return;
        }
        let is_known = |id: &MachineId| books.handed_over.contains(id);
        let why = match end {
            End::Failed(why) => why,
            _ => "",
        };
        assert!(
            books.is_told || left.iter().all(is_known),
            "{}: {left:?} are left, and nobody knows: {why:?}",
            self.case()
        );
        if let (End::Good, false) = (end, books.is_told) {
            assert!(left.len() <= 1, "{}: {left:?} are left", self.case());
        }
    }

    /// What a person does who is told that a host has several machines.
    fn delete_all_but_one(&self) {
        let now = self.play.clock.passed();
        for id in self.left().iter().skip(1) {
            let mut world = self.play.provider.world();
            let gone = [(State::Gone, Duration::ZERO)];
            world.machine(id).into_iter().for_each(|device| device.lead(now, &gone));
        }
    }

    /// Waits until no run is under way.
    fn rest(&self) {
        while self.books().running > 0 {
            self.pass(seconds(60));
        }
    }

    /// Cancels a machine until it is done.
    fn cancel(&self, id: &MachineId, mut is_storm: bool) {
        self.rest();
        for _ in 0..20 {
            let (end, _) = self
                .run(is_storm, |_, engine| engine.cancel(id, Some(&self.journal)).map_err(|error| error.to_string()));
            let now = self.play.clock.passed();
            if let End::Good = end {
                let mut world = self.play.provider.world();
                let state = world.machine(id).map(|device| device.state(now));
                assert_eq!(state.unwrap_or(State::Gone), State::Gone, "{}", self.case());
                self.books().handed_over.retain(|one| one != id);
                return;
            }
            if let (End::Failed(why), false) = (end, is_storm) {
                panic!("{}: {why}", self.case());
            }
            is_storm &= self.draw(fastrand::Rng::bool);
        }
        panic!("{}: no cancel came to an end", self.case());
    }

    /// What oneprovision does with the host, until it has no more use for it.
    fn lead(&self) {
        for _ in 0..self.draw(|random| random.u8(0..RUNS)) {
            let deployed = self.deploy(true);
            self.pass(seconds(self.draw(|random| [0, 5, 60, 3600][random.usize(0..4)])));
            // On success it stores the id; on failure it retries, or cleans up by what oned has.
            if deployed && self.draw(fastrand::Rng::bool) {
                let id = self.books().handed_over.last().cloned();
                self.books().deploy_id = id;
            }
            let deploy_id = self.books().deploy_id.clone();
            if let (Some(id), true) = (deploy_id, self.draw(fastrand::Rng::bool)) {
                self.cancel(&id, true);
            }
        }
        self.rest();
        // What was deleted in oned is created anew.
        let mut books = self.books();
        (books.is_deleted, books.is_ending) = (false, true);
        drop(books);
        // A machine of the storm that is adopted may still fail, or be taken back.
        let id = (0..5).find_map(|_| {
            let is_deployed = self.deploy(false);
            let handed_over = self.books().handed_over.last().cloned().filter(|_| is_deployed);
            if handed_over.is_none() {
                self.delete_all_but_one();
                self.pass(seconds(300));
            }
            handed_over
        });
        let id = id.unwrap_or_else(|| panic!("{}: no deploy went well", self.case()));
        assert_eq!(self.left(), std::slice::from_ref(&id), "{}", self.case());
        self.cancel(&id, false);
        assert_eq!(self.left(), [], "{}", self.case());
        assert!(self.journal.read().is_none(), "{}", self.case());
        let world = self.play.provider.world();
        let objects = world.objects.iter().filter(|name| name.contains(&self.order.mark));
        assert_eq!(objects.count(), 0, "{}", self.case());
    }

    /// What comes between: a second deploy of the host, or its deletion in oned.
    fn meddle(&self) {
        let books = self.books();
        let is_running = books.deploying > 0 && !books.is_ending;
        drop(books);
        match self.draw(|random| random.u8(0..4)) {
            0 if is_running => {
                self.deploy(true);
            }
            1 => self.books().is_deleted = is_running,
            _ => {}
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn play(seed: u64) {
    let play = Play::new(seed);
    let lives: Vec<Life<'_>> =
        (0..FRONT_ENDS * HOSTS).map(|number| play.life(number / HOSTS, number % HOSTS)).collect();
    thread::scope(|scope| {
        for life in &lives {
            let begins = seconds(life.draw(|random| random.u64(0..60)));
            play.clock.part(scope, begins, || life.lead());
            let later = seconds(life.draw(|random| random.u64(0..300)));
            play.clock.part(scope, begins + later, || life.meddle());
        }
        play.clock.pass(seconds(1_000_000), || false);
    });
}

#[test]
fn whatever_mishaps_come_together_the_books_balance() {
    let first = number("PM_PACKET_SEED").unwrap_or(0);
    let plays = number("PM_PACKET_PLAYS").unwrap_or(PLAYS);
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(plays as usize);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + plays {
                        break;
                    }
                    play(seed);
                }
            });
        }
    });
}
