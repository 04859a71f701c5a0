//! The life of a host, as oneprovision leads it through the links.

use std::time::Duration;

use crate::common;
use crate::common::Bench;
use simulator::{HostTemplate, Options};

#[test]
fn a_host_is_deployed_polled_rebooted_reset_powered_off_resumed_and_cancelled() {
    // Long enough to be seen down: else the reboot is believed only after the grace period.
    let bench = Bench::with(Options { powering: Duration::from_millis(300), ..Options::default() });
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
    let line = bench.oneprovision.command_line("packet", "deploy", &[&file, "TODO", ">&-"]);
    let answer = common::finish(bench.oneprovision.command(&line).spawn().unwrap());
    let first = common::assert_failure(&answer);
    assert!(first.contains("stdout is closed"), "{first}");
    assert!(bench.simulator.requests().is_empty());
    bench.assert_books(&[]);
}

#[test]
fn a_machine_that_outlived_its_host_is_cancelled_by_its_id_and_a_token_of_the_environment() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(1002);
    bench.simulator.oned().remove(1002);
    let answer = bench.run("cancel", &[&id, "host", "1002", "host"]);
    let first = common::assert_failure(&answer);
    assert!(first.contains("set PACKET_TOKEN and give the DEPLOY_ID alone"), "{first}");
    bench.assert_books(&[&id]);
    let token = bench.simulator.token();
    let answer = common::finish(bench.command("cancel", &[&id]).env("PACKET_TOKEN", token).spawn().unwrap());
    assert!(answer.is_success(), "{answer:?}");
    bench.assert_books(&[]);
}

#[test]
fn what_the_caller_left_open_is_closed() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(1002));
    let file = host.write_deployment_file().unwrap();
    let stuck = simulator::Effect::Stuck(simulator::State::Provisioning);
    bench.simulator.fault(simulator::Fault::new(simulator::Operation::Create, stuck));
    let line = bench.oneprovision.command_line("packet", "deploy", &[&file, "TODO"]);
    let line = format!("exec 7</etc/passwd; exec {line}");
    let deploy = bench.oneprovision.command(&line).spawn().unwrap();
    common::until("it waits", || bench.count(simulator::Operation::Get) > 0);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", deploy.id())).unwrap();
    let open: Vec<_> = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect();
    assert!(!open.is_empty());
    assert!(!open.iter().any(|path| path.ends_with("passwd")), "{open:?}");
    common::signal(&deploy, nix::sys::signal::Signal::SIGTERM);
    common::assert_failure(&common::finish(deploy));
    bench.assert_books(&[]);
}
