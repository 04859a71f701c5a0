//! A mistake of ours must not cost a machine: whatever panics between the order and the hand-over, it is rolled
//! back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pm_packet::engine::journal::Journal;
use pm_packet::engine::{Job, Lifecycle};
use pm_packet::http::client::ApiError;
use pm_packet::opennebula::host::{Environment, Host, Owner, Settings};
use pm_packet::provider::{self, Backend, Machine, MachineId, Order, Power};
use pm_packet::report::frame::{Level, Report};
use pm_packet::system::interrupt::Interrupt;

/// The dummy, with a mistake in what is done once the machine is up.
struct Mistaken {
    dummy: Arc<dyn Backend>,
    deleted: AtomicUsize,
}

impl Backend for Mistaken {
    fn find(&self, tag: &str, by: Instant) -> Result<Vec<Machine>, ApiError> {
        self.dummy.find(tag, by)
    }

    fn create(&self, order: &Order, by: Instant) -> Result<Machine, ApiError> {
        self.dummy.create(order, by)
    }

    fn get(&self, id: &MachineId, by: Instant) -> Result<Option<Machine>, ApiError> {
        self.dummy.get(id, by)
    }

    fn power(&self, id: &MachineId, power: Power, by: Instant) -> Result<(), ApiError> {
        self.dummy.power(id, power, by)
    }

    fn delete(&self, id: &MachineId, by: Instant) -> Result<(), ApiError> {
        self.deleted.fetch_add(1, Ordering::Relaxed);
        self.dummy.delete(id, by)
    }

    fn finish(&self, _: &Order, _: &MachineId, _: Instant) -> Result<(), ApiError> {
        panic!("a mistake");
    }
}

#[test]
fn a_panic_after_the_order_is_rolled_back() {
    let row = provider::row("dummy").unwrap();
    let xml = "<HOST><ID>7</ID><NAME>n</NAME><TEMPLATE><PROVISION><IP>192.0.2.7</IP></PROVISION></TEMPLATE></HOST>";
    let (host, _) = Host::parse(xml).unwrap();
    let environment = Environment::default();
    let settings = Settings {
        host: Some(&host),
        environment: &environment,
    };
    let report = Report::new(Level::Quiet);
    let owner = Owner::of(&host);
    let order = (row.order)(&host, &settings, &owner, &report).unwrap();
    let mistaken = Arc::new(Mistaken {
        dummy: (row.open)(&settings, report).unwrap(),
        deleted: AtomicUsize::new(0),
    });
    let file = std::env::temp_dir().join(format!("pm-packet-mistake-{}.xml", std::process::id()));
    let journal = Journal::beside(Path::new(&file), owner.identity(), row.id);
    let lifecycle = Lifecycle::new(
        mistaken.clone(),
        Interrupt::default(),
        Duration::from_secs(5),
        report,
    );
    let job = Job {
        order: &order,
        owner: &owner,
        journal: &journal,
        remove: &|id| format!("cancel {id}"),
    };
    let failure = lifecycle
        .deploy(&job, |_| panic!("nothing may be handed over"))
        .unwrap_err();
    assert!(
        failure.outcome.contains("pm-packet made a mistake"),
        "{failure}"
    );
    assert!(
        failure.outcome.contains("192.0.2.7 was deleted again"),
        "{failure}"
    );
    assert_eq!(mistaken.deleted.load(Ordering::Relaxed), 1);
    assert!(journal.read().is_none());
}
