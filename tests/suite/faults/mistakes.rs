//! A mistake of ours must not cost a machine: whatever panics between the order and the hand-over, it is rolled
//! back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use pm_packet::engine::journal::Journal;
use pm_packet::engine::{Engine, Job, NoRecord};
use pm_packet::http::error::ApiError;
use pm_packet::opennebula::host::Host;
use pm_packet::opennebula::owner::Owner;
use pm_packet::opennebula::settings::Settings;
use pm_packet::provider::account::Account;
use pm_packet::provider::api::Api;
use pm_packet::provider::auth::Endpoint;
use pm_packet::provider::dummy::Dummy;
use pm_packet::provider::explanation::Explanation;
use pm_packet::provider::machine::{Machine, MachineId, Power, State};
use pm_packet::provider::order::Order;
use pm_packet::provider::spec::Spec;
use pm_packet::provider::{self, Advance, Filter, Provider};
use pm_packet::report::frame::{Level, Report};
use pm_packet::system::clock::{Clock, SystemClock};
use pm_packet::system::environment::Environment;
use pm_packet::system::interrupt::Interrupt;
use pm_packet::wire::tree::Tree;

/// The dummy, with a mistake in what is done once the machine is up.
struct Mistaken;

static DELETED: AtomicUsize = AtomicUsize::new(0);

impl Provider for Mistaken {
    fn spec(&self) -> &'static Spec {
        Dummy.spec()
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        Dummy.connect(account)
    }

    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        Dummy.list(api, filter)
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        Dummy.create(api, order)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        Dummy.get(api, id)
    }

    fn power(
        &self,
        api: &Api<'_>,
        id: &MachineId,
        power: Power,
    ) -> Result<Option<State>, ApiError> {
        Dummy.power(api, id, power)
    }

    fn advance(&self, _: &Api<'_>, _: &Order, _: &Machine) -> Result<Advance, ApiError> {
        panic!("a mistake");
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        DELETED.fetch_add(1, Ordering::Relaxed);
        Dummy.delete(api, id)
    }

    fn explain(&self, account: &Account, status: u16, body: &Tree) -> Explanation {
        Dummy.explain(account, status, body)
    }
}

#[test]
fn a_panic_after_the_order_is_rolled_back() {
    let xml = "<HOST><ID>7</ID><NAME>n</NAME><TEMPLATE><PROVISION><IP>192.0.2.7</IP></PROVISION></TEMPLATE></HOST>";
    let (host, _) = Host::parse(xml).unwrap();
    let environment = Environment::default();
    let settings = Settings { host: Some(&host), environment: &environment };
    let report = Report::new(Level::Quiet);
    let owner = Owner::of(&host);
    let order = Order::of(Mistaken.spec(), &host, &settings, &owner).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::of(&environment).unwrap());
    let session = provider::connect(&Mistaken, &settings, Arc::clone(&clock), report).unwrap();
    let folder = std::env::temp_dir().join(format!("pm-packet-mistake-{}", std::process::id()));
    let journal = Journal::in_folder(&folder, "dummy", owner.identity(), Mistaken.spec().id);
    let engine = Engine::new(
        &Mistaken,
        Arc::new(session),
        Interrupt::default(),
        clock,
        Duration::from_secs(5),
        report,
    );
    let job = Job {
        order: &order,
        journal: &journal,
        record: &NoRecord,
        recorded: None,
        remove: &|id| format!("cancel {id}"),
    };
    let failure = engine.deploy(&job, |_| panic!("nothing may be handed over")).unwrap_err();
    assert!(failure.outcome.contains("pm-packet made a mistake"), "{failure}");
    assert!(failure.outcome.contains("192.0.2.7 was deleted again"), "{failure}");
    assert_eq!(DELETED.load(Ordering::Relaxed), 1);
    assert!(journal.read().is_none());
    let _ = std::fs::remove_dir_all(folder);
}
