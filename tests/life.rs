//! The life of a host, as oneprovision leads it through the links.

mod common;

use common::Bench;
use simulator::HostTemplate;

#[test]
fn a_host_is_deployed_polled_rebooted_reset_powered_off_resumed_and_cancelled() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(1002));
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    let id = answer.stdout.trim().to_owned();
    bench.assert_books(&[&id]);
    let (answer, values) = host.poll().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(values.get("STATE").map(String::as_str), Some("RUNNING"));
    for answer in [host.reboot(), host.reset(), host.poweroff()] {
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(answer.stdout, "");
    }
    let (_, values) = host.poll().unwrap();
    assert_eq!(values.get("STATE").map(String::as_str), Some("POWEROFF"));
    let answer = host.resume().unwrap();
    assert_eq!(answer.stdout.trim(), id);
    for answer in [host.cancel(), host.cancel()] {
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{answer:?}");
    }
    bench.assert_books(&[]);
}

#[test]
fn a_deploy_whose_stdout_is_closed_orders_nothing() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(1002));
    let file = host.write_deployment_file().unwrap();
    let line = bench
        .oneprovision
        .command_line("packet", "deploy", &[&file, "TODO", ">&-"]);
    let answer = common::finish(bench.oneprovision.command(&line).spawn().unwrap());
    let first = common::assert_failure(&answer);
    assert!(first.contains("stdout is closed"), "{first}");
    assert!(bench.simulator.requests().is_empty());
    bench.assert_books(&[]);
}
