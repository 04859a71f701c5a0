//! `pm-packet list`: the provider's machines beside oned's hosts.

use std::process::Stdio;

use crate::common;
use crate::common::{Bench, finish};
use serde_json::Value;
use simulator::oneprovision::Answer;
use simulator::{
    Effect, Fault, HostTemplate, NewDevice, Operation, PROJECT, Simulator, State, TOKEN,
};

const OTHER_PROJECT: &str = "0aa0a0a0-1111-4222-8333-0a0a0a0a0a0a";

fn list(bench: &Bench, words: &[&str]) -> Answer {
    let words = [&["list"], words].concat();
    finish(bench.explicit(&words).spawn().unwrap())
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// The entry of a machine in a list of the whole of oned.
fn entry(bench: &Bench, id: &str) -> Value {
    let list = json(&list(bench, &["--all", "--json"]));
    let machines = list["machines"].as_array().unwrap();
    let entry = machines.iter().find(|machine| machine["deploy_id"] == id);
    entry.unwrap_or_else(|| panic!("{id}: {list:#}")).clone()
}

fn add(simulator: &Simulator, project: &str, tags: &[&str]) -> String {
    let tags = [&["OpenNebula"], tags].concat();
    simulator.add_device(NewDevice::with_tags(project, tags)).id
}

fn assert_deletes_nothing(bench: &Bench) {
    assert_eq!(bench.count(Operation::Delete), 0);
    let asks = |operation| matches!(operation, Operation::List | Operation::Get);
    let requests = bench.simulator.requests();
    let last = requests.iter().rev().take_while(|r| asks(r.operation));
    assert!(last.count() > 0);
}

#[test]
fn where_both_worlds_agree_nothing_is_marked() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    host.poll().unwrap();
    let name = bench.simulator.oned().host_name(7).unwrap();
    for words in [&["--all"][..], &["--host", "7"]] {
        let answer = list(&bench, words);
        assert_eq!(answer.status.code(), Some(0), "{answer:?}");
        let mut lines = answer.stdout.lines();
        let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(
            head,
            ["ID", "HOST", "NAME", "STATE", "PLAN", "PLACE", "ADDRESS", "AGE", "MARK"]
        );
        let line: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(line[..4], [&id, "7", &name, "active"]);
        assert_eq!(line[4..6], ["baremetal_0", "ams1"]);
        assert_eq!(line.len(), 8, "{line:?}");
        assert_eq!(lines.next(), None);
        assert_eq!(answer.stderr, "");
    }
    assert_deletes_nothing(&bench);
}

#[test]
fn a_machine_that_no_host_has_is_an_orphan_and_the_printed_command_removes_it() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let orphan = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=77"]);
    for words in [&["--all"][..], &["--host", "7"]] {
        let answer = list(&bench, words);
        assert_eq!(answer.status.code(), Some(1), "{answer:?}");
        assert_eq!(answer.stderr, "");
        let line = answer.stdout.lines().find(|line| line.starts_with(&orphan));
        let line = line.unwrap_or_else(|| panic!("{answer:?}"));
        assert!(line.contains("ORPHAN, still billed"), "{line}");
        assert_eq!(answer.stdout.matches("ORPHAN").count(), 1, "{answer:?}");
    }
    assert_deletes_nothing(&bench);
    bench.assert_books(&[&id, &orphan]);
    let command = entry(&bench, &orphan)["remove"].as_str().unwrap().to_owned();
    let answer = list(&bench, &["--all"]);
    assert!(answer.stdout.contains(&format!("\n  {command}\n")), "{answer:?}");
    let output = bench.oneprovision.command(&command).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    bench.assert_books(&[&id]);
    assert_eq!(list(&bench, &["--all"]).status.code(), Some(0));
}

#[test]
fn a_machine_whose_host_has_another_deploy_id_is_an_orphan() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let double = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=7", &common::identity(7)]);
    let found = entry(&bench, &double);
    assert_eq!(found["orphan"], true);
    assert_eq!(found["host_id"], 7);
    assert_eq!(found["mark"], "ORPHAN, still billed: host has another DEPLOY_ID");
    assert_eq!(entry(&bench, &id)["orphan"], false);
}

#[test]
fn a_machine_that_is_being_deployed_or_deleted_is_no_orphan() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    bench.host(&HostTemplate::new(8));
    let ordered = add(&bench.simulator, PROJECT, &[&common::identity(7)]);
    let by_stock_driver = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=8"]);
    let deleted = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=9"]);
    bench.simulator.set_state(&by_stock_driver, State::Provisioning);
    bench.simulator.set_state(&deleted, State::Deprovisioning);
    assert_eq!(entry(&bench, &ordered)["mark"], "host has no DEPLOY_ID yet");
    assert_eq!(entry(&bench, &by_stock_driver)["mark"], "host has no DEPLOY_ID yet");
    assert_eq!(entry(&bench, &deleted)["mark"], "being deleted");
    assert_eq!(list(&bench, &["--all"]).status.code(), Some(0));
}

#[test]
fn a_host_whose_machine_is_gone_is_told_and_is_no_orphan() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let after = std::time::Duration::ZERO;
    let fault = Fault::new(Operation::Get, Effect::Vanish { after, status: 404 });
    bench.simulator.fault(fault.device(&id));
    let found = entry(&bench, &id);
    assert_eq!(found["mark"], "machine is gone");
    assert_eq!(found["remove"], "oneprovision host delete 7");
    let answer = list(&bench, &["--all"]);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
}

#[test]
fn a_machine_without_the_tag_is_found_by_its_deploy_id() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    let id = bench.simulator.add_device(NewDevice::with_tags(PROJECT, [""; 0])).id;
    bench.simulator.oned().set_deploy_id(7, &id).unwrap();
    assert_eq!(entry(&bench, &id)["mark"], "");
}

#[test]
fn all_projects_are_listed_each_once_and_one_that_cannot_be_is_named() {
    let bench = Bench::new();
    bench.simulator.add_project(OTHER_PROJECT, "Other");
    bench.simulator.add_token("tok-of-the-other", &[OTHER_PROJECT]);
    bench.deployed(1);
    bench.deployed(2);
    let other = HostTemplate::new(3)
        .with("PACKET_PROJECT", OTHER_PROJECT)
        .with("PACKET_TOKEN", "tok-of-the-other");
    assert!(bench.host(&other).deploy().unwrap().is_success());
    let orphan = add(&bench.simulator, OTHER_PROJECT, &[]);
    bench.simulator.clear_requests();
    let answer = list(&bench, &["--all", "--json"]);
    assert_eq!(answer.status.code(), Some(1));
    assert_eq!(json(&answer)["machines"].as_array().unwrap().len(), 4);
    assert_eq!(json(&answer)["orphans"], 1);
    assert_eq!(bench.count(Operation::List), 2);
    assert!(bench.count(Operation::HostInfo) <= 2, "one for each credential");

    bench.simulator.revoke_token("tok-of-the-other");
    let answer = list(&bench, &["--all"]);
    assert_eq!(answer.status.code(), Some(255));
    let first = answer.error().unwrap();
    assert!(first.starts_with("list: the machines of host 3 "), "{first}");
    assert!(first.contains("check PACKET_TOKEN"), "{first}");
    assert_eq!(answer.stdout.lines().count(), 3, "{answer:?}");
    assert!(!answer.stdout.contains(&orphan));
}

#[test]
fn the_environment_names_the_project_and_without_oned_no_orphan_is_claimed() {
    let bench = Bench::new().set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", PROJECT);
    let orphan = add(&bench.simulator, PROJECT, &[]);
    let answer = list(&bench, &[]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(answer.stdout.contains(&format!(" cancel {orphan}\n")), "{answer:?}");
    let bench = bench.set("ONE_XMLRPC", "http://127.0.0.1:9/RPC2");
    let answer = list(&bench, &[]);
    assert_eq!(answer.status.code(), Some(255), "{answer:?}");
    assert!(answer.stdout.contains(&orphan) && !answer.stdout.contains("ORPHAN"));
    let first = answer.error().unwrap();
    assert!(first.contains("orphans is not known"), "{first}");
}

#[test]
fn an_empty_project_is_said_to_be_empty_and_what_is_unclear_is_asked_back() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    let answer = list(&bench, &["--host", "7"]);
    assert_eq!(answer.stdout, "There is no machine that OpenNebula ordered.\n");
    for (words, part) in [
        (&["--host", "7", "--all"][..], "exclude each other"),
        (&["--host", "x"], "which is no number"),
        (&["--driver", "clouds"], "there is no provider"),
        (&[], "--host ID, or give --all"),
    ] {
        common::assert_failure_with(&list(&bench, words), &["list: ", part]);
    }
}

#[test]
fn a_name_with_control_characters_cannot_reach_the_terminal() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    bench.simulator.oned().rename(7, "evil\u{202e}[2Jname").unwrap();
    bench.simulator.set_state(&id, State::Other("\u{1b}[31mred".to_owned()));
    let child = bench.explicit(&["list", "--all"]).stdout(Stdio::piped()).spawn();
    let answer = finish(child.unwrap());
    assert!(answer.stdout.contains("[31mred") && !answer.stdout.contains('\u{1b}'), "{answer:?}");
    assert!(!answer.stdout.contains('\u{202e}'));
}
