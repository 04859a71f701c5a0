//! State lives where the next run looks: the machine's id stands in its host as soon as it is known, so that whoever
//! deletes the host cancels the machine; a retry is told from a resume; one deploy of a host runs at a time.

use std::time::Duration;

use crate::common::phase::{Phase, deploy_until};
use crate::common::{
    Bench, assert_failure, assert_failure_with, assert_success, assert_warned, each, finish, signal, taking, until,
};
use nix::sys::signal::Signal;
use simulator::oneprovision::{Choice, End, Host, Provision};
use simulator::{Effect, HostTemplate, NewDevice, Operation, PROJECT, State};

const HOST: i32 = 7;

fn recorded(bench: &Bench, id: i32) -> Option<String> {
    bench.simulator.oned().provision(id, "DEPLOY_ID")
}

fn kill(bench: &Bench, host: &Host<'_>, phase: Phase) {
    let mut deploy = deploy_until(bench, host, phase);
    signal(&deploy, Signal::SIGKILL);
    deploy.wait().unwrap();
    bench.simulator.clear_faults();
}

#[test]
fn hosts_that_deployed_well_are_cancelled_where_another_one_of_the_provision_failed() {
    let bench = Bench::new();
    let hosts: Vec<_> = (1..=3)
        .map(|id| {
            let plan = if id == 3 { "abacus" } else { "baremetal_0" };
            bench.host(&HostTemplate::new(id).with("PLAN", plan))
        })
        .collect();
    let provision = Provision::new(hosts);
    let created = provision.create(|_, _| Choice::Cleanup).unwrap();
    assert!(matches!(created.end, End::CleanedUp), "{:?}", created.answers);
    assert_eq!(bench.count(Operation::Create), 3);
    bench.assert_books(&[]);
}

#[test]
fn a_host_whose_deploy_was_killed_is_cancelled_with_it() {
    for phase in [Phase::Wait, Phase::WaitHanging] {
        let bench = Bench::with(taking(60_000));
        let host = bench.host(&HostTemplate::new(HOST));
        kill(&bench, &host, phase);
        let id = bench.simulator.devices()[0].id.clone();
        assert_eq!(recorded(&bench, HOST), Some(id));
        assert_success(&host.delete().unwrap());
        bench.assert_books(&[]);
    }
}

#[test]
fn an_id_is_taken_out_after_a_roll_back_and_only_then() {
    let bench = Bench::new();
    bench.fault(Operation::Create, Effect::FailProvisioning);
    let host = bench.host(&HostTemplate::new(HOST));
    assert_failure_with(&host.deploy().unwrap(), &["was deleted again"]);
    assert_eq!(bench.count(Operation::HostUpdate), 2);
    assert_eq!(recorded(&bench, HOST), None);
    // One that could not be deleted stays recorded: deleting the host cancels it.
    bench.fault(Operation::Create, Effect::FailProvisioning);
    bench.fault_always(Operation::Delete, Effect::refuse(422, "no"));
    assert_failure_with(&host.deploy().unwrap(), &["STILL BILLED"]);
    let left = bench.simulator.devices()[0].id.clone();
    assert_eq!(recorded(&bench, HOST), Some(left));
    bench.simulator.clear_faults();
    assert_success(&host.delete().unwrap());
    bench.assert_books(&[]);
}

#[test]
fn nothing_is_recorded_where_pm_record_says_no() {
    let bench = Bench::new().set("PM_RECORD", "no");
    let answer = bench.deploy(HOST);
    bench.assert_books(&[assert_success(&answer)]);
    assert_eq!(bench.count(Operation::HostUpdate), 0);
    let bench = bench.set("PM_RECORD", "perhaps");
    let answer = bench.deploy(HOST + 1);
    assert_failure_with(&answer, &["PM_RECORD is \"perhaps\"", "yes or no"]);
}

#[test]
fn an_oned_that_refuses_the_record_does_not_fail_the_deploy() {
    let bench = Bench::new();
    bench.fault_always(Operation::HostUpdate, Effect::status(500));
    let answer = bench.set("ONE_XMLRPC_TIMEOUT", "1").deploy(HOST);
    assert_warned(&answer, "WARNING: the DEPLOY_ID is not in the host yet");
}

/// What oned did not take when the machine was ordered was lost where another deploy of the provision failed.
#[test]
fn a_record_that_oned_did_not_take_is_tried_again_before_the_id_is_handed_over() {
    let bench = Bench::with(taking(2500)).set("ONE_XMLRPC_TIMEOUT", "1");
    let host = bench.host(&HostTemplate::new(HOST));
    bench.fault_always(Operation::HostUpdate, Effect::status(500));
    let deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::Get, 1);
    bench.simulator.clear_faults();
    let answer = finish(deploy);
    assert_warned(&answer, "WARNING: the DEPLOY_ID is not in the host yet");
    let recorded = bench.simulator.oned().provision(HOST, "DEPLOY_ID");
    assert_eq!(recorded.as_deref(), Some(answer.stdout.as_str()));
}

#[test]
fn a_host_that_was_deleted_meanwhile_has_its_machine_deleted() {
    let bench = Bench::with(taking(800));
    let host = bench.host(&HostTemplate::new(HOST));
    let deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::Get, 1);
    assert!(bench.simulator.oned().remove(HOST));
    let answer = finish(deploy);
    assert_failure_with(&answer, &["the host was deleted meanwhile", "was deleted again"]);
    bench.assert_books(&[]);
}

#[test]
fn a_retry_adopts_the_recorded_machine_orders_anew_where_it_is_gone_and_takes_no_strangers() {
    each(&[0, 1, 2], |which| {
        let bench = Bench::with(taking(300)).lapsing("300");
        let host = bench.host(&HostTemplate::new(HOST));
        let file = host.write_deployment_file().unwrap();
        kill(&bench, &host, Phase::Wait);
        let first = bench.simulator.devices()[0].id.clone();
        if *which > 0 {
            assert_success(&bench.run("cancel", &[&first, "name", "7", "name"]));
        }
        let stranger = NewDevice::with_tags(PROJECT, ["OpenNebula", "ONE_HOST_ID=7"]);
        let stranger = bench.simulator.add_device(stranger).id;
        if *which == 2 {
            bench.simulator.oned().set_provision(HOST, "DEPLOY_ID", &stranger).unwrap();
        }
        // The file of the first call, which has no DEPLOY_ID; and a note that is not there any more.
        let _ = std::fs::remove_file(bench.journal(HOST));
        let answer = bench.run("deploy", &[&file, "TODO"]);
        let id = assert_success(&answer);
        assert_eq!(id == first, *which == 0, "{which}");
        assert_ne!(id, stranger);
        assert_eq!(recorded(&bench, HOST).as_deref(), Some(id));
        bench.assert_books(&[id, &stranger]);
    });
}

#[test]
fn a_retry_may_be_rolled_back_and_a_resume_may_not() {
    let bench = Bench::with(taking(60_000));
    let host = bench.host(&HostTemplate::new(HOST));
    let file = host.write_deployment_file().unwrap();
    kill(&bench, &host, Phase::Wait);
    let id = bench.simulator.devices()[0].id.clone();
    bench.simulator.set_state(&id, State::Failed);
    let name = bench.simulator.oned().host_name(HOST).unwrap();
    let resume = bench.run("deploy", &[&file, &name, "7", &name]);
    assert_failure_with(&resume, &["cannot resume", &id]);
    bench.assert_books(&[&id]);
    let retry = bench.run("deploy", &[&file, "TODO"]);
    assert_failure_with(&retry, &["was deleted again"]);
    bench.assert_books(&[]);
    assert_eq!(recorded(&bench, HOST), None);
}

#[test]
fn a_resume_of_a_host_that_never_got_a_machine_is_refused() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(HOST));
    let file = host.write_deployment_file().unwrap();
    let first = assert_failure(&bench.run("deploy", &[&file, "name", "7", "name"]));
    for part in ["the host has no machine", "its deploy failed", "delete the host and create it"] {
        assert!(first.contains(part), "{first}");
    }
    assert_eq!(bench.count(Operation::Create), 0);
}

#[test]
fn two_deploys_of_one_host_at_once_make_one_machine() {
    let bench = Bench::with(taking(700));
    let host = bench.host(&HostTemplate::new(HOST));
    // oneprovision writes each file anew, under another name.
    let files = ["a", "b"].map(|name| host.write_deployment_file_anew(name).unwrap());
    let deploys = files.map(|file| bench.start("deploy", &[&file, "TODO"]));
    let ids = deploys.map(|deploy| assert_success(&finish(deploy)).to_owned());
    assert_eq!(ids[0], ids[1]);
    assert_eq!(bench.count(Operation::Create), 1);
    bench.assert_books(&[&ids[0]]);
}

#[test]
fn one_that_waits_for_another_deploy_of_its_host_can_be_interrupted() {
    let bench = Bench::with(taking(60_000));
    let host = bench.host(&HostTemplate::new(HOST));
    let first = bench.start_deploy(&host);
    bench.until_asked(Operation::Get, 1);
    let file = host.write_deployment_file_anew("again").unwrap();
    let second = bench.start("deploy", &[&file, "TODO"]);
    until("it waits", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", second.id()));
        status.unwrap().contains("State:\tS")
    });
    std::thread::sleep(Duration::from_millis(500));
    signal(&second, Signal::SIGTERM);
    let parts = ["SIGTERM", "another deploy of host 7", "nothing was done"];
    assert_failure_with(&finish(second), &parts);
    signal(&first, Signal::SIGTERM);
    assert_failure_with(&finish(first), &["was deleted again"]);
    bench.assert_books(&[]);
}
