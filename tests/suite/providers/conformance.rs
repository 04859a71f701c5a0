//! One suite that every backend runs: what `src/backend/mod.rs` says that a backend must do, done to each.
//!
//! A new backend adds a [`Candidate`] and nothing else.

use std::time::{Duration, Instant};

use crate::common;
use pm_packet::http::client::Kind;
use pm_packet::opennebula::host::{Environment, Host, Owner, Settings};
use pm_packet::provider::{self, BACKENDS, Backend, Machine, MachineId, Power, Row, State};
use pm_packet::report::frame::{Level, Report};
use simulator::ec2::{Ec2, Ec2Options};
use simulator::{HostTemplate, Options, Simulator};

/// A backend with something behind it to run against.
struct Candidate {
    row: &'static Row,
    host: Host,
    environment: Environment,
    /// An id that is well-formed and that no machine has, where the provider knows such.
    unknown: Option<&'static str>,
    provider: Option<Provider>,
}

/// What is kept alive while it is asked.
enum Provider {
    Packet(Simulator),
    Ec2(Ec2),
}

impl Provider {
    /// Puts a machine into a state that nobody described.
    fn let_it_ponder(&self, id: &str) {
        match self {
            Self::Packet(simulator) => {
                simulator.set_state(id, simulator::State::Other("pondering".to_owned()));
            }
            Self::Ec2(ec2) => ec2.put(id, "pondering", None),
        }
    }
}

fn candidates() -> Vec<Candidate> {
    let simulator = Simulator::start(Options {
        powering: Duration::from_millis(100),
        ..Options::default()
    })
    .unwrap();
    let packet = HostTemplate::new(7).with("PACKET_API_URL", &simulator.api_url());
    let cloud = Ec2::start(Ec2Options::default()).unwrap();
    let ec2 = HostTemplate::ec2(9).with("EC2_API_URL", &cloud.url());
    let mut dummy = HostTemplate::new(8).with("IP", "192.0.2.8");
    dummy.pm_mad = "dummy".to_owned();
    let candidate = |template: &HostTemplate, unknown, provider| Candidate {
        row: provider::row(&template.pm_mad).unwrap(),
        host: Host::parse(&template.xml()).unwrap().0,
        environment: Environment::default(),
        unknown,
        provider,
    };
    let candidates = vec![
        candidate(
            &packet,
            Some(common::UNKNOWN_ID),
            Some(Provider::Packet(simulator)),
        ),
        candidate(
            &ec2,
            Some("i-0123456789abcdef0"),
            Some(Provider::Ec2(cloud)),
        ),
        candidate(&dummy, None, None),
    ];
    let run: Vec<&str> = candidates.iter().map(|c| c.row.name).collect();
    let all: Vec<&str> = BACKENDS.iter().map(|row| row.name).collect();
    assert_eq!(run, all, "every backend must run the suite");
    candidates
}

impl Candidate {
    fn settings(&self) -> Settings<'_> {
        Settings {
            host: Some(&self.host),
            environment: &self.environment,
        }
    }

    fn open(&self) -> std::sync::Arc<dyn Backend> {
        (self.row.open)(&self.settings(), report()).unwrap()
    }

    fn create(&self, backend: &dyn Backend) -> (Machine, Owner) {
        let owner = Owner::of(&self.host);
        let order = (self.row.order)(&self.host, &self.settings(), &owner, &report()).unwrap();
        (backend.create(&order, soon()).unwrap(), owner)
    }
}

fn report() -> Report {
    Report::new(Level::Quiet)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Looks until the machine is as it should be.
fn eventually(backend: &dyn Backend, id: &MachineId, what: &str, is_so: impl Fn(&Machine) -> bool) {
    common::until(what, || {
        backend
            .get(id, soon())
            .unwrap()
            .is_some_and(|machine| is_so(&machine))
    });
}

fn until_state(backend: &dyn Backend, id: &MachineId, state: State) {
    eventually(backend, id, &format!("{state:?}"), |machine| {
        machine.state == state
    });
}

#[test]
fn what_is_created_is_there_with_every_tag_and_is_found_by_the_owners() {
    for candidate in candidates() {
        let backend = candidate.open();
        let (machine, owner) = candidate.create(&*backend);
        for tag in owner.tags() {
            assert!(
                machine.tags.contains(&tag),
                "{}: {machine:?}",
                candidate.row.name
            );
        }
        let seen = backend.get(&machine.id, soon()).unwrap().unwrap();
        assert_eq!(seen.id, machine.id);
        assert_eq!(seen.tags, machine.tags);
        let found = backend.find(owner.identity(), soon()).unwrap();
        let ids: Vec<&MachineId> = found.iter().map(|machine| &machine.id).collect();
        assert_eq!(ids, [&machine.id], "{}", candidate.row.name);
        assert!(
            backend
                .find("ONE_HOST_NAME=another", soon())
                .unwrap()
                .is_empty()
        );
        until_state(&*backend, &machine.id, State::On);
        eventually(&*backend, &machine.id, "an address", |m| {
            !m.addresses.is_empty()
        });
    }
}

#[test]
fn an_id_that_was_made_is_read_back_as_itself() {
    for candidate in candidates() {
        let backend = candidate.open();
        let (machine, _) = candidate.create(&*backend);
        assert_eq!((candidate.row.id)(machine.id.as_str()), Some(machine.id));
    }
}

#[test]
fn power_goes_off_and_on_and_asking_twice_is_no_fault_of_the_network() {
    for candidate in candidates() {
        let backend = candidate.open();
        let (machine, _) = candidate.create(&*backend);
        let id = &machine.id;
        until_state(&*backend, id, State::On);
        for (power, state) in [(Power::Off, State::Off), (Power::On, State::On)] {
            backend.power(id, power, soon()).unwrap();
            until_state(&*backend, id, state);
            // A provider may accept it again or refuse it with a reason; either way it has answered.
            if let Err(error) = backend.power(id, power, soon()) {
                assert_eq!(
                    error.kind,
                    Kind::Rejected,
                    "{}: {error}",
                    candidate.row.name
                );
            }
            until_state(&*backend, id, state);
        }
        backend.power(id, Power::Reboot, soon()).unwrap();
        until_state(&*backend, id, State::On);
    }
}

#[test]
fn what_is_gone_is_gone_and_deleting_it_again_is_a_success() {
    for candidate in candidates() {
        let backend = candidate.open();
        let (machine, owner) = candidate.create(&*backend);
        let id = &machine.id;
        until_state(&*backend, id, State::On);
        backend.delete(id, soon()).unwrap();
        common::until("it is gone", || backend.get(id, soon()).unwrap().is_none());
        backend.delete(id, soon()).unwrap();
        assert!(backend.find(owner.identity(), soon()).unwrap().is_empty());
        for power in [Power::On, Power::Off, Power::Reboot] {
            let error = backend.power(id, power, soon()).unwrap_err();
            // A provider that still shows it refuses for its state; then the engine looks, and sees.
            assert!(
                matches!(error.kind, Kind::NotFound | Kind::Rejected),
                "{}: {error}",
                candidate.row.name
            );
        }
        assert!(backend.get(id, soon()).unwrap().is_none());
    }
}

#[test]
fn a_machine_that_never_was_is_gone_too() {
    for candidate in candidates() {
        let Some(unknown) = candidate.unknown else {
            continue;
        };
        let backend = candidate.open();
        let id = (candidate.row.id)(unknown).unwrap();
        assert!(backend.get(&id, soon()).unwrap().is_none());
        backend.delete(&id, soon()).unwrap();
    }
}

#[test]
fn a_state_that_nobody_described_is_not_there_yet() {
    for candidate in candidates() {
        let Some(provider) = &candidate.provider else {
            continue;
        };
        let backend = candidate.open();
        let (machine, _) = candidate.create(&*backend);
        provider.let_it_ponder(machine.id.as_str());
        let seen = backend.get(&machine.id, soon()).unwrap().unwrap();
        assert_eq!(
            (seen.state, seen.state_name.as_str()),
            (State::Starting, "pondering")
        );
    }
}

#[test]
fn no_id_can_change_the_address_of_a_request() {
    for row in BACKENDS {
        for text in [
            "", ".", "..", "../x", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "é", "\0",
        ] {
            assert!((row.id)(text).is_none(), "{}: {text:?}", row.name);
        }
    }
}

#[test]
fn an_order_names_all_that_is_missing_at_once() {
    let empty = Host::parse("<HOST><ID>1</ID><NAME>x</NAME></HOST>")
        .unwrap()
        .0;
    let environment = Environment::default();
    for candidate in candidates() {
        let settings = Settings {
            host: Some(&empty),
            environment: &environment,
        };
        let error = (candidate.row.order)(&empty, &settings, &Owner::of(&empty), &report())
            .unwrap_err()
            .to_string();
        assert!(error.contains("lacks the mandatory attribute"), "{error}");
        for secret in candidate.row.secrets {
            assert!(error.contains(secret), "{error}");
        }
    }
}
