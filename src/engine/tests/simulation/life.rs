//! The life of one host: what oneprovision does with it, what comes between, and its books.

use std::sync::{Mutex, MutexGuard};

use super::super::storm::Storm;
use super::super::*;
use super::Play;
use super::host_in_oned::{Books, HostInOned};
use crate::provider::Provider as _;

/// How many deploys of a host there are at most before the last one.
const RUNS: u8 = 4;

/// What is known of a host, and of its machines.
pub(super) struct Life<'a> {
    pub(super) play: &'a Play,
    pub(super) order: Order,
    pub(super) journal: Journal,
    pub(super) random: Mutex<fastrand::Rng>,
    pub(super) books: Mutex<Books>,
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
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
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
            let record = HostInOned {
                clock: &self.play.clock,
                books: &self.books,
                process: process.clone(),
                answers: true.into(),
            };
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
        world.lasting().filter(|device| device.owner == self.order.mark).map(|device| device.id.clone()).collect()
    }

    /// After the last run that is under way: what is left was handed over, or somebody was told.
    fn balance(&self, end: &End, process: &Process) {
        let left = self.left();
        let mut books = self.books();
        books.handed_over.retain(|id| left.contains(id));
        // It is warned of then that doubles are not known.
        let is_blind = process.storm.as_ref().is_some_and(Storm::is_blind);
        match end {
            End::Failed(why) if why.contains("STILL BILLED") || why.contains("not seen gone") => {
                let is_named = left.iter().all(|id| why.contains(id.as_str()) || books.handed_over.contains(id));
                let is_told = is_named || why.contains(&self.order.mark) || is_blind;
                assert!(is_told, "{}: {left:?}: {why}", self.case());
                books.is_told = true;
            }
            End::Failed(why) if why.contains("machines already") => books.is_told = true,
            // Nobody hears what a killed run knows.
            End::Killed => books.is_told = true,
            _ if is_blind => books.is_told = true,
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
    pub(super) fn lead(&self) {
        fastrand::seed(self.draw(|random| random.u64(..)));
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
    pub(super) fn meddle(&self) {
        fastrand::seed(self.draw(|random| random.u64(..)));
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
