//! How little is asked: each action asks oned once and the provider for what it needs, on one connection (an order on
//! one of its own), and
//! nothing of that grows with the cloud.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::Bench;
use simulator::oneprovision::Answer;
use simulator::{HostTemplate, NewDevice, Operation, Options, Service};

fn bench() -> Bench {
    Bench::with(Options { powering: Duration::from_millis(300), ..Options::default() })
}

/// What an answer asked, the looks of its waits left out, and that it did so on one connection to each.
fn asked(bench: &Bench, answer: &Answer) -> Vec<Operation> {
    assert!(answer.is_success(), "{answer:?}");
    let requests = bench.simulator.requests();
    for service in [Service::Api, Service::Oned] {
        let connections: BTreeSet<u64> =
            requests.iter().filter(|one| one.service == service).map(|one| one.connection).collect();
        // An order goes out on a connection of its own.
        let orders = requests.iter().filter(|one| one.operation == Operation::Create).count();
        assert!(connections.len() <= 1 + orders, "{requests:?}");
    }
    bench.simulator.clear_requests();
    let all = requests.into_iter().map(|one| one.operation);
    all.filter(|one| *one != Operation::Get).collect()
}

#[test]
fn every_action_is_one_call_of_oned_and_one_act_on_one_connection() {
    use Operation::*;
    let bench = bench();
    let host = bench.host(&HostTemplate::new(7));
    assert_eq!(asked(&bench, &host.deploy().unwrap()), [HostInfo, List, Create, HostInfo, HostUpdate, List, HostInfo]);
    assert_eq!(asked(&bench, &host.reboot().unwrap()), [HostInfo, Reboot]);
    assert_eq!(asked(&bench, &host.reset().unwrap()), [HostInfo, PowerOff, PowerOn]);
    assert_eq!(asked(&bench, &host.poweroff().unwrap()), [HostInfo, PowerOff]);
    assert_eq!(asked(&bench, &host.resume().unwrap()), [HostInfo, PowerOn]);
    assert_eq!(asked(&bench, &host.cancel().unwrap()), [HostInfo, Delete]);
}

#[test]
fn nothing_grows_with_the_hosts_of_the_pool_or_the_machines_of_the_project() {
    let bench = bench();
    for id in 100..300 {
        bench.host(&HostTemplate::new(id));
        let tags = ["OpenNebula".to_owned(), format!("ONE_HOST_ID={id}")];
        bench.simulator.add_device(NewDevice::with_tags(bench.simulator.project(), tags));
    }
    let host = bench.host(&HostTemplate::new(7));
    assert_eq!(asked(&bench, &host.deploy().unwrap()).len(), 7);
    let (answer, _) = host.poll().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(bench.simulator.requests().len(), 3);
}
