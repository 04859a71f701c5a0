//! One suite that every provider runs: what `src/provider/mod.rs` says that a provider must do, done to each.
//!
//! A new provider adds a [`Candidate`] and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::real_ironic::{self, Auth, How, Ironic};
use crate::common;
use pm_packet::http::error::{ApiError, Kind};
use pm_packet::opennebula::host::Host;
use pm_packet::opennebula::owner::Owner;
use pm_packet::opennebula::settings::Settings;
use pm_packet::provider::machine::{Machine, MachineId, Power, State};
use pm_packet::provider::order::Order;
use pm_packet::provider::session::Session;
use pm_packet::provider::spec::{Identity, PowerControl, Spec};
use pm_packet::provider::{self, Advance, Filter, PROVIDERS, Provider};
use pm_packet::report::frame::{Level, Report};
use pm_packet::system::clock::SystemClock;
use pm_packet::system::environment::Environment;
use simulator::ec2::{Ec2, Ec2Options};
use simulator::stub::{Stub, StubOptions};
use simulator::{HostTemplate, Options, Simulator};

/// A provider with something behind it to run against.
struct Candidate {
    provider: &'static dyn Provider,
    host: Host,
    environment: Environment,
    /// An id that is well-formed and that no machine has, where the provider knows such.
    unknown: Option<&'static str>,
    behind: Option<Behind>,
}

/// What is kept alive while it is asked.
enum Behind {
    Packet(Simulator),
    Ec2(Ec2),
    /// A stub, the kind of its machines, and the field of their state.
    Stub(Stub, [&'static str; 2]),
    Ironic(Ironic),
}

impl Behind {
    /// Puts a machine into a state that nobody described.
    fn let_it_ponder(&self, id: &str) {
        match self {
            Self::Packet(simulator) => {
                simulator.set_state(id, simulator::State::Other("pondering".to_owned()));
            }
            Self::Ec2(ec2) => ec2.put(id, "pondering", None),
            Self::Stub(stub, [kind, state]) => {
                // An id may hold its place.
                let own = id.rsplit('/').next().unwrap();
                stub.put(kind, own, [(*state, "pondering".into())]);
            }
            Self::Ironic(ironic) => ironic.ponder("n1"),
        }
    }
}

/// Ironic itself, whose one node is powered on: `PM_CONFORMANCE=ironic` runs the suite on it in place of the stubs.
fn ironic_itself() -> Candidate {
    let ironic = Ironic::start(Auth::Basic, Default::default());
    ironic.node("n1", "baremetal", How::Fake);
    ironic.request("PUT", "/v1/nodes/n1/states/power", &serde_json::json!({ "target": "power on" }));
    let template = HostTemplate::ironic(11)
        .with("OS_ENDPOINT", &ironic.url)
        .with("OS_USERNAME", real_ironic::USER)
        .with("OS_PASSWORD", real_ironic::PASSWORD);
    Candidate {
        provider: provider::named("ironic").unwrap(),
        host: Host::parse(&template.xml()).unwrap().0,
        environment: Environment::default(),
        unknown: Some(common::UNKNOWN_ID),
        behind: Some(Behind::Ironic(ironic)),
    }
}

fn candidates() -> Vec<Candidate> {
    if std::env::var("PM_CONFORMANCE").as_deref() == Ok("ironic") {
        return vec![ironic_itself()];
    }
    let simulator = Simulator::start(Options { powering: Duration::from_millis(100), ..Options::default() }).unwrap();
    let packet = HostTemplate::new(7).with("PACKET_API_URL", &simulator.api_url());
    let cloud = Ec2::start(Ec2Options::default()).unwrap();
    let ec2 = HostTemplate::ec2(9).with("EC2_API_URL", &cloud.url());
    let ironic = Stub::start("ironic", StubOptions::default()).unwrap();
    let node = HostTemplate::ironic(11).with("OS_ENDPOINT", &ironic.url());
    let ironic = Behind::Stub(ironic, ["allocation", "provision_state"]);
    let phoenixnap = Stub::start("phoenixnap", StubOptions::default()).unwrap();
    let server = HostTemplate::phoenixnap(10, &phoenixnap.url());
    let phoenixnap = Behind::Stub(phoenixnap, ["server", "status"]);
    let scaleway = Stub::start("scaleway", StubOptions::default()).unwrap();
    let elastic = HostTemplate::scaleway(12).with("SCW_API_URL", &scaleway.url());
    let scaleway = Behind::Stub(scaleway, ["server", "status"]);
    let latitude = Stub::start("latitude", StubOptions::default()).unwrap();
    let metal = HostTemplate::latitude(13).with("LATITUDESH_API_URL", &latitude.url());
    let latitude = Behind::Stub(latitude, ["server", "status"]);
    let mut dummy = HostTemplate::new(8).with("IP", "192.0.2.8");
    dummy.pm_mad = "dummy".to_owned();
    let candidate = |template: &HostTemplate, unknown, behind| Candidate {
        provider: provider::named(&template.pm_mad).unwrap(),
        host: Host::parse(&template.xml()).unwrap().0,
        environment: Environment::default(),
        unknown,
        behind,
    };
    let candidates = vec![
        candidate(&packet, Some(common::UNKNOWN_ID), Some(Behind::Packet(simulator))),
        candidate(&ec2, Some("i-0123456789abcdef0"), Some(Behind::Ec2(cloud))),
        candidate(&node, Some(common::UNKNOWN_ID), Some(ironic)),
        candidate(&elastic, Some("fr-par-2/00000000-1111-2222-3333-444444444444"), Some(scaleway)),
        candidate(&server, Some("6008c14dba6d0e7bdb157b7b"), Some(phoenixnap)),
        candidate(&metal, Some("sv_00000000000000"), Some(latitude)),
        candidate(&dummy, None, None),
    ];
    let run: Vec<&str> = candidates.iter().map(|c| c.spec().name).collect();
    let all: Vec<&str> = PROVIDERS.iter().map(|one| one.spec().name).collect();
    assert_eq!(run, all, "every provider must run the suite");
    candidates
}

impl Candidate {
    fn spec(&self) -> &'static Spec {
        self.provider.spec()
    }

    fn settings(&self) -> Settings<'_> {
        Settings::of(Some(&self.host), &self.environment)
    }

    fn owner(&self) -> Owner {
        Owner::of(&self.host)
    }

    fn open(&self) -> Asked<'_> {
        let report = Report::new(Level::Quiet);
        let clock = Arc::new(SystemClock::of(&self.environment).unwrap());
        let session = provider::connect(self.provider, &self.settings(), clock, report).unwrap();
        Asked { candidate: self, session }
    }
}

/// A candidate in a session, as the engine asks it.
struct Asked<'a> {
    candidate: &'a Candidate,
    session: Session,
}

impl Asked<'_> {
    fn order(&self) -> Order {
        let candidate = self.candidate;
        let settings = candidate.settings();
        Order::of(candidate.spec(), &candidate.host, &settings, &candidate.owner()).unwrap()
    }

    /// Orders a machine, with the objects that the order needs, and leads it up step by step.
    fn create(&self) -> Machine {
        let (api, mut order) = (self.session.api(soon()), self.order());
        self.candidate.provider.prepare(&api, &mut order).unwrap();
        let machine = self.candidate.provider.create(&api, &order).unwrap();
        let is_led = || {
            let seen = self.try_get(&machine.id).unwrap_or_else(|_| machine.clone());
            self.candidate.provider.advance(&api, &order, &seen).unwrap() == Advance::Done
        };
        common::until("every step is taken", is_led);
        machine
    }

    fn try_get(&self, id: &MachineId) -> Result<Machine, ApiError> {
        self.candidate.provider.get(&self.session.api(soon()), id)
    }

    fn get(&self, id: &MachineId) -> Machine {
        self.try_get(id).unwrap()
    }

    fn list(&self, filter: Filter<'_>) -> Vec<Machine> {
        let api = self.session.api(soon());
        let mut all = self.candidate.provider.list(&api, filter).unwrap();
        all.retain(|machine| machine.state != State::Gone);
        all
    }

    fn power(&self, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let api = self.session.api(soon());
        self.candidate.provider.power(&api, id, power)
    }

    fn delete(&self, id: &MachineId) -> Result<(), ApiError> {
        self.candidate.provider.delete(&self.session.api(soon()), id)
    }

    /// Whether the provider says, in its own words, that the machine is no more.
    fn is_gone(&self, id: &MachineId) -> bool {
        match self.try_get(id) {
            Ok(machine) => machine.state == State::Gone,
            Err(error) => {
                assert_eq!(error.kind, Kind::NotFound, "{error}");
                true
            }
        }
    }

    /// Looks until the machine is as it should be.
    fn eventually(&self, id: &MachineId, what: &str, is_so: impl Fn(&Machine) -> bool) {
        common::until(what, || is_so(&self.get(id)));
    }

    fn until_state(&self, id: &MachineId, state: State) {
        self.eventually(id, &format!("{state:?}"), |machine| machine.state == state);
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn what_is_created_is_there_with_every_tag_and_is_found_by_the_owners() {
    for candidate in candidates() {
        let asked = candidate.open();
        let machine = asked.create();
        let identity = candidate.spec().identity;
        // A name holds one mark; a list of tags holds all.
        let is_name = matches!(identity, Identity::Name { .. });
        for tag in candidate.owner().tags().iter().filter(|_| !is_name) {
            assert!(machine.tags.contains(&identity.encode(tag)), "{}: {machine:?}", candidate.spec().name);
        }
        let mark = identity.mark(&candidate.owner());
        let seen = asked.get(&machine.id);
        assert_eq!(seen.id, machine.id);
        // Where the order takes none, they come with a later step.
        let takes_tags = !matches!(identity, Identity::Name { tags: None, .. });
        assert!(!takes_tags || seen.tags == machine.tags, "{}: {seen:?}", candidate.spec().name);
        assert!(identity.is_borne(&mark, &seen) && identity.is_borne(&mark, &machine));
        assert_eq!(identity.borne(&seen).as_deref(), Some(mark.as_str()));
        for filter in [Filter::Marked(&mark), Filter::Ours, Filter::Account] {
            let found = asked.list(filter);
            let ids: Vec<&MachineId> = found.iter().map(|machine| &machine.id).collect();
            assert_eq!(ids, [&machine.id], "{} {filter:?}", candidate.spec().name);
        }
        let another = identity.encode("ONE_HOST_NAME=another");
        let others = asked.list(Filter::Marked(&another));
        let is_others = |machine: &Machine| identity.is_borne(&another, machine);
        assert!(!others.iter().any(is_others));
        asked.until_state(&machine.id, State::On);
        // Where the provider knows none, the host does.
        let is_reached = candidate.spec().reach(&candidate.host).is_some();
        asked.eventually(&machine.id, "an address", |m| is_reached || !m.addresses.is_empty());
    }
}

#[test]
fn a_machine_that_is_up_needs_no_further_step_and_steps_may_be_repeated() {
    for candidate in candidates() {
        let asked = candidate.open();
        let order = asked.order();
        let machine = asked.create();
        asked.until_state(&machine.id, State::On);
        for _ in 0..2 {
            let api = asked.session.api(soon());
            let machine = asked.get(&machine.id);
            let advance = candidate.provider.advance(&api, &order, &machine).unwrap();
            assert_eq!(advance, Advance::Done, "{}", candidate.spec().name);
        }
    }
}

#[test]
fn an_id_that_was_made_is_read_back_as_itself() {
    for candidate in candidates() {
        let machine = candidate.open().create();
        assert_eq!((candidate.spec().id)(machine.id.as_str()), Some(machine.id));
    }
}

#[test]
fn power_goes_off_and_on_and_asking_twice_is_no_fault_of_the_network() {
    for candidate in candidates() {
        let asked = candidate.open();
        let machine = asked.create();
        let (id, name) = (&machine.id, candidate.spec().name);
        asked.until_state(id, State::On);
        let PowerControl { takes, shows_off, .. } = candidate.spec().power;
        for (power, state) in [(Power::Off, State::Off), (Power::On, State::On)] {
            if !takes.contains(&power) {
                continue;
            }
            let state = if shows_off { state } else { State::On };
            asked.power(id, power).unwrap();
            asked.until_state(id, state);
            // A provider may accept it again or refuse it with a reason; either way it has answered.
            if let Err(error) = asked.power(id, power) {
                assert_eq!(error.kind, Kind::Rejected, "{name}: {error}");
            }
            asked.until_state(id, state);
        }
        if takes.contains(&Power::Reboot) {
            asked.power(id, Power::Reboot).unwrap();
            asked.until_state(id, State::On);
        }
    }
}

#[test]
fn what_is_gone_is_gone_and_deleting_it_again_is_no_other_error() {
    for candidate in candidates() {
        let asked = candidate.open();
        let machine = asked.create();
        let id = &machine.id;
        asked.until_state(id, State::On);
        asked.delete(id).unwrap();
        common::until("it is gone", || asked.is_gone(id));
        // One that the provider still shows as gone it may delete again.
        if let Err(error) = asked.delete(id) {
            assert_eq!(error.kind, Kind::NotFound, "{error}");
        }
        let mark = candidate.spec().identity.mark(&candidate.owner());
        assert!(asked.list(Filter::Marked(&mark)).is_empty());
        assert!(asked.list(Filter::Account).is_empty());
        for power in candidate.spec().power.takes {
            let error = asked.power(id, *power).unwrap_err();
            // A provider that still shows it refuses for its state; then the engine looks, and sees.
            assert!(matches!(error.kind, Kind::NotFound | Kind::Rejected), "{}: {error}", candidate.spec().name);
        }
        assert!(asked.is_gone(id));
    }
}

#[test]
fn a_machine_that_never_was_is_not_found_in_the_providers_own_words() {
    for candidate in candidates() {
        let Some(unknown) = candidate.unknown else {
            continue;
        };
        let asked = candidate.open();
        let id = (candidate.spec().id)(unknown).unwrap();
        assert_eq!(asked.try_get(&id).unwrap_err().kind, Kind::NotFound);
        assert_eq!(asked.delete(&id).unwrap_err().kind, Kind::NotFound);
        for power in candidate.spec().power.takes {
            assert_eq!(asked.power(&id, *power).unwrap_err().kind, Kind::NotFound);
        }
    }
}

#[test]
fn a_state_that_nobody_described_is_not_there_yet() {
    for candidate in candidates() {
        let Some(behind) = &candidate.behind else {
            continue;
        };
        let asked = candidate.open();
        let machine = asked.create();
        behind.let_it_ponder(machine.id.as_str());
        let seen = asked.get(&machine.id);
        assert_eq!((seen.state, seen.state_name.as_str()), (State::Starting, "pondering"));
    }
}

#[test]
fn no_id_can_change_the_address_of_a_request() {
    for provider in PROVIDERS {
        for text in ["", ".", "..", "../x", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "é", "\0"] {
            let spec = provider.spec();
            assert!((spec.id)(text).is_none(), "{}: {text:?}", spec.name);
        }
    }
}

#[test]
fn an_order_names_all_that_is_missing_at_once() {
    let empty = Host::parse("<HOST><ID>1</ID><NAME>x</NAME></HOST>").unwrap().0;
    let environment = Environment::default();
    for candidate in candidates() {
        let settings = Settings::of(Some(&empty), &environment);
        let owner = Owner::of(&empty);
        let error = Order::of(candidate.spec(), &empty, &settings, &owner).unwrap_err().to_string();
        assert!(error.contains("lacks the mandatory attribute"), "{error}");
        for secret in candidate.spec().credentials() {
            assert!(error.contains(secret), "{error}");
        }
    }
}

#[test]
fn the_table_of_attributes_says_each_thing_once() {
    for provider in PROVIDERS {
        let spec = provider.spec();
        let names: BTreeSet<&str> = spec.attributes.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), spec.attributes.len(), "{}", spec.name);
        for attribute in spec.attributes {
            assert!(!attribute.about.is_empty(), "{}", attribute.name);
            let other = attribute.or.map(|other| names.contains(other));
            assert_ne!(other, Some(false), "{}", attribute.name);
            if let Some(default) = attribute.default {
                assert!(attribute.read(default).is_ok(), "{}", attribute.name);
            }
        }
    }
}
