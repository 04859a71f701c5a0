//! The engine alone, over a scripted provider and on a clock whose time passes at once: each rule a test.

mod absence;
mod deploy;
pub mod device;
pub mod fault;
pub mod keys;
mod kills;
mod orders;
mod power;
pub mod process;
mod shapes;
mod signals;
mod simulation;
pub mod storm;
mod waits;
pub mod world;

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use self::fault::{Fault, Killed, What};
use self::process::Process;
use self::world::Manner;
use super::journal::Journal;
use super::scripted::Scripted;
use super::{Engine, Job, NoRecord, NotDeployed};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::provider;
use crate::provider::machine::{Machine, MachineId, State};
use crate::provider::order::Order;
use crate::provider::spec::{Absence, Format, Identity, PowerControl, Spec, UserDataForm};
use crate::report::frame::{Level, Report};
use crate::system::clock::{Clock, VirtualClock};
use crate::system::environment::Environment;
use crate::system::interrupt::Interrupt;

/// A provider with tags, whose not-found is a proof, and that shows all about power.
fn plain() -> Spec {
    Spec {
        name: "scripted",
        id_form: "any text",
        id: |text| (!text.is_empty()).then(|| MachineId::scripted(text)),
        attributes: &[],
        answers: Format::Json,
        user_data: UserDataForm::NONE,
        identity: Identity::Tags { field: "tags" },
        order_within: Duration::from_secs(60),
        appears_within: Duration::from_secs(30),
        absence: Absence::NotFound,
        has_idempotency_key: false,
        frees_key: false,
        has_objects: false,
        power: PowerControl::FULL,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One provider, and one host whose deploys follow each other.
struct Stage {
    clock: Arc<VirtualClock>,
    provider: &'static Scripted,
    timeout: Duration,
    folder: Folder,
    /// When a signal comes to the next process.
    signal: Cell<Option<Duration>>,
    /// What was handed over by the deploys so far.
    handed_over: RefCell<Vec<MachineId>>,
    /// The DEPLOY_ID that the host has in oned.
    recorded: RefCell<Option<MachineId>>,
}

/// A folder of its own, as long as this lives.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    fn new(spec: Spec, manner: Manner) -> Self {
        static STAGES: AtomicUsize = AtomicUsize::new(0);
        let number = STAGES.fetch_add(1, Ordering::Relaxed);
        let name = format!("pm-packet-engine-{}-{number}", std::process::id());
        // In memory, where there is such a folder: every note is written through.
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.into() } else { std::env::temp_dir() };
        let folder = parent.join(name);
        fs::create_dir(&folder).unwrap();
        let clock = Arc::new(VirtualClock::default());
        let scripted = Scripted::new(Box::leak(Box::new(spec)), manner, Arc::clone(&clock));
        let provider = Box::leak(Box::new(scripted));
        Self {
            clock,
            provider,
            timeout: seconds(1800),
            folder: Folder(folder),
            signal: Cell::default(),
            handed_over: RefCell::default(),
            recorded: RefCell::default(),
        }
    }

    fn order(&self) -> Order {
        self.of_host(|host, settings| {
            let spec = provider::Provider::spec(self.provider);
            Order::of(spec, host, settings, &Owner::of(host)).unwrap()
        })
    }

    fn of_host<T>(&self, make: impl FnOnce(&Host, &Settings<'_>) -> T) -> T {
        let xml = "<HOST><ID>7</ID><NAME>n</NAME><TEMPLATE><PROVISION><PROVISION_ID>7a15</PROVISION_ID></PROVISION></TEMPLATE></HOST>";
        let (host, _) = Host::parse(xml).unwrap();
        let environment = Environment::default();
        make(&host, &Settings::of(Some(&host), &environment))
    }

    fn journal(&self) -> Journal {
        let spec = provider::Provider::spec(self.provider);
        self.of_host(|host, _| Journal::in_folder(&self.folder.0, spec, &Owner::of(host)))
    }

    /// A new process.
    fn engine(&self) -> Engine {
        let report = Report::new(Level::Quiet);
        let session = self.of_host(|_, settings| {
            let clock: Arc<dyn Clock> = self.clock.clone();
            provider::connect(self.provider, settings, clock, report).unwrap()
        });
        let interrupt = Interrupt::default();
        Process { interrupt: interrupt.clone(), ..Process::default() }.begin();
        if let Some(moment) = self.signal.take() {
            let signalled = interrupt.clone();
            self.clock.at(moment, move || signalled.raise(Signal::SIGTERM));
        }
        let clock = Arc::clone(&self.clock);
        Engine::new(self.provider, Arc::new(session), interrupt, clock, self.timeout, report)
    }

    fn deploy(&self) -> Result<MachineId, Box<NotDeployed>> {
        let handed_over = &self.handed_over;
        let deployed = self.deploy_to(|id| {
            handed_over.borrow_mut().push(id.clone());
            Ok(())
        });
        deployed.map(|()| handed_over.borrow().last().unwrap().clone())
    }

    fn deploy_to(&self, hand_over: impl FnOnce(&MachineId) -> io::Result<()>) -> Result<(), Box<NotDeployed>> {
        let (order, journal) = (self.order(), self.journal());
        let job = Job {
            order: &order,
            journal: &journal,
            record: &NoRecord,
            recorded: self.recorded.borrow().clone(),
            remove: &|id| format!("cancel {id}"),
        };
        self.engine().deploy(&job, hand_over).map_err(Box::new)
    }

    /// A machine of this host that is up.
    fn deployed(&self) -> MachineId {
        self.deploy().unwrap_or_else(|failure| panic!("{failure} {:?}", failure.cause))
    }

    /// A failed deploy, in words.
    fn failure(&self) -> String {
        let NotDeployed { outcome, cause } = *self.deploy().unwrap_err();
        cause.map_or(outcome.clone(), |cause| format!("{outcome}; {cause}"))
    }

    /// Runs something in a process that is killed by the fault at its request with this number; `false` where it
    /// ended before.
    fn killed_at(&self, request: usize, fault: Fault, run: impl FnOnce(&Self)) -> bool {
        let asked = self.provider.world().asked.len() + request;
        self.provider.strike_any(asked..asked + 1, fault);
        let ended = catch_unwind(AssertUnwindSafe(|| run(self)));
        self.provider.world().strikes.pop();
        let was_killed = Process::current().is_killed();
        Process::default().begin();
        if let Err(panic) = ended
            && !panic.is::<Killed>()
        {
            std::panic::resume_unwind(panic);
        }
        was_killed
    }

    /// Sends a signal to the next process at this moment, unless that has ended.
    fn signal_at(&self, moment: Duration) {
        self.signal.set(Some(moment));
    }

    /// Lets time pass in which nobody runs.
    fn pass(&self, time: Duration) {
        self.clock.pass(time, || false);
    }

    fn now(&self) -> Duration {
        self.clock.passed()
    }

    /// The machines that last if nothing more is done.
    fn left(&self) -> Vec<MachineId> {
        let world = self.provider.world();
        world.lasting().map(|one| one.id.clone()).collect()
    }

    /// What is left was handed over, or is told of.
    fn asserts_balance(&self, case: &str, result: &Result<MachineId, Box<NotDeployed>>) {
        self.asserts_machines_balance(case, result);
        if let (Err(failure), true) = (result, self.left().is_empty()) {
            let objects = &self.provider.world().objects;
            // They stay as long as the machine may be there.
            let told = ["keys and user data", "STILL BILLED", "was not seen gone"];
            let is_told = told.iter().any(|told| failure.outcome.contains(told));
            assert!(objects.is_empty() || is_told, "{case}: {objects:?} are left: {failure}");
        }
    }

    /// As [`Self::asserts_balance`], of machines alone.
    fn asserts_machines_balance(&self, case: &str, result: &Result<MachineId, Box<NotDeployed>>) {
        let mut left = self.left();
        let outcome = match result {
            Ok(id) => return assert_eq!(left, std::slice::from_ref(id), "{case}"),
            Err(failure) => &failure.outcome,
        };
        left.retain(|id| !self.handed_over.borrow().contains(id));
        if left.is_empty() {
            return;
        }
        let names = |id: &MachineId| outcome.contains(id.as_str());
        let is_told = left.iter().all(names) || outcome.contains(&self.order().mark);
        let is_told = is_told && outcome.contains("STILL BILLED");
        assert!(is_told, "{case}: {left:?} are left: {outcome}");
        assert!(self.journal().read().is_some(), "{case}: {outcome}");
    }

    fn asserts_nothing_left(&self, case: &str) {
        assert_eq!(self.left(), [], "{case}");
        let objects = &self.provider.world().objects;
        assert!(objects.is_empty(), "{case}: {objects:?}");
        let noted = self.journal().read();
        assert!(noted.is_none(), "{case}: {noted:?}");
    }

    /// Leads a machine through states from now on.
    fn lead(&self, id: &MachineId, states: &[(State, Duration)]) {
        let now = self.now();
        self.provider.world().machine(id).unwrap().lead(now, states);
    }

    /// How a machine is shown now.
    fn shown(&self, id: &MachineId) -> Machine {
        let (now, spec) = (self.now(), provider::Provider::spec(self.provider));
        self.provider.world().machine(id).unwrap().shown(spec, now).unwrap()
    }
}
