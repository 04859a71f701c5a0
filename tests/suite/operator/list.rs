//! `pm-packet list`: the provider's machines beside oned's hosts.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::{Bench, finish};
use serde_json::Value;
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, NewDevice, Operation, PROJECT, RateLimit, Simulator, State, TOKEN};

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
        assert_eq!(head, ["ID", "HOST", "NAME", "STATE", "PLAN", "PLACE", "ADDRESS", "AGE", "MARK"]);
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
    let after = Duration::ZERO;
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
    let other = HostTemplate::new(3).with("PACKET_PROJECT", OTHER_PROJECT).with("PACKET_TOKEN", "tok-of-the-other");
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

// ---- What could not be read is unknown -------------------------------------------------------------------

/// A list that is not complete, and is not said to be: exit code 255, and what it printed.
fn incomplete(bench: &Bench, words: &[&str]) -> Answer {
    let answer = list(bench, words);
    assert_eq!(answer.status.code(), Some(255), "{answer:?}");
    assert!(!answer.stdout.contains("There is no machine"), "{answer:?}");
    assert!(answer.error().is_some(), "{answer:?}");
    answer
}

#[test]
fn after_a_failure_no_list_says_that_there_is_no_machine() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    bench.simulator.revoke_token(TOKEN);
    for words in [&["--all"][..], &["--host", "7"]] {
        let answer = incomplete(&bench, words);
        assert!(answer.stdout.starts_with("Which machines there are is unknown:\n"), "{answer:?}");
        assert!(answer.stdout.contains("check PACKET_TOKEN"), "{answer:?}");
        let json = json(&incomplete(&bench, &[words, &["--json"]].concat()));
        assert_eq!(json["machines"], Value::Null);
        assert_eq!(json["orphans"], Value::Null);
        let [error] = &json["errors"].as_array().unwrap()[..] else { panic!("{json:#}") };
        assert_eq!(error["account"], "packet");
        assert_eq!(error["host"], 7);
        assert!(error["message"].as_str().unwrap().contains("status 401"), "{error}");
        assert_eq!(error["remedy"], "check PACKET_TOKEN");
    }
}

#[test]
fn where_oned_cannot_be_asked_the_list_is_unknown_and_says_why() {
    let bench = Bench::new().set("ONE_XMLRPC", "http://127.0.0.1:9/RPC2");
    for words in [&["--all"][..], &["--host", "7"]] {
        let answer = incomplete(&bench, words);
        assert!(answer.stdout.contains("is unknown:\n"), "{answer:?}");
        assert!(answer.stdout.contains("oned cannot be reached"), "{answer:?}");
        let json = json(&incomplete(&bench, &[words, &["--json"]].concat()));
        assert_eq!(json["machines"], Value::Null);
        assert_eq!(json["errors"][0]["account"], Value::Null);
        assert!(json["errors"][0]["remedy"].as_str().unwrap().starts_with("start it"), "{json:#}");
    }
    // The environment names an account: its machines can be listed, and not be judged.
    let bench = bench.set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", PROJECT);
    let id = add(&bench.simulator, PROJECT, &[]);
    let json = json(&incomplete(&bench, &["--all", "--json"]));
    let [machine] = &json["machines"].as_array().unwrap()[..] else { panic!("{json:#}") };
    assert_eq!(machine["deploy_id"], id);
    for unknown in [&machine["mark"], &machine["orphan"], &machine["remove"], &json["orphans"]] {
        assert_eq!(*unknown, Value::Null, "{json:#}");
    }
}

#[test]
fn an_account_that_failed_among_others_is_named() {
    let bench = Bench::new();
    bench.simulator.add_project(OTHER_PROJECT, "Other");
    let (_, id) = bench.deployed(1);
    bench.host(&HostTemplate::new(3).with("PACKET_PROJECT", OTHER_PROJECT));
    bench.host(&HostTemplate::new(4).with("PACKET_PROJECT", "../x"));
    let answer = incomplete(&bench, &["--all"]);
    assert!(answer.error().unwrap().contains("are unknown, as they cannot be listed"), "{answer:?}");
    let json = json(&incomplete(&bench, &["--all", "--json"]));
    assert_eq!(json["machines"].as_array().unwrap().len(), 1);
    assert_eq!(json["machines"][0]["deploy_id"], id);
    let errors = json["errors"].as_array().unwrap();
    let mut hosts: Vec<i64> = errors.iter().filter_map(|error| error["host"].as_i64()).collect();
    hosts.sort_unstable();
    assert_eq!(hosts, [3, 4], "{json:#}");
    let malformed = errors.iter().find(|error| error["host"] == 4).unwrap();
    assert_eq!(malformed["remedy"], "set it to the UUID of the project");
}

#[test]
fn a_machine_that_cannot_be_looked_at_is_unknown_and_not_gone() {
    let bench = Bench::new().set("PM_TIMEOUT", "1");
    bench.host(&HostTemplate::new(7));
    let id = bench.simulator.add_device(NewDevice::with_tags(PROJECT, [""; 0])).id;
    bench.simulator.oned().set_deploy_id(7, &id).unwrap();
    bench.simulator.fault(Fault::new(Operation::Get, Effect::status(500)).forever());
    let answer = incomplete(&bench, &["--all"]);
    assert!(answer.stdout.contains("unknown: it cannot be looked at"), "{answer:?}");
    assert!(!answer.stdout.contains("gone"), "{answer:?}");
    let json = json(&incomplete(&bench, &["--all", "--json"]));
    for name in ["state", "mark", "orphan", "remove"] {
        assert_eq!(json["machines"][0][name], Value::Null, "{json:#}");
    }
    assert_eq!(json["errors"][0]["host"], 7);
}

// ---- Which accounts are read -----------------------------------------------------------------------------

#[test]
fn all_reads_the_account_of_the_environment_where_no_host_is_left() {
    let bench = Bench::new().set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", PROJECT);
    let orphan = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=77"]);
    let answer = list(&bench, &["--all"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(answer.stdout.contains(&format!(" cancel {orphan}\n")), "{answer:?}");
    // A host of the same account: it is not read twice.
    bench.host(&HostTemplate::new(7));
    bench.simulator.clear_requests();
    assert_eq!(list(&bench, &["--all"]).status.code(), Some(1));
    assert_eq!(bench.count(Operation::List), 1);
    // Hosts of others beside it.
    bench.simulator.add_project(OTHER_PROJECT, "Other");
    bench.simulator.add_token("tok-of-the-other", &[OTHER_PROJECT]);
    let other = HostTemplate::new(7).with("PACKET_PROJECT", OTHER_PROJECT).with("PACKET_TOKEN", "tok-of-the-other");
    bench.host(&other);
    bench.simulator.clear_requests();
    assert_eq!(entry(&bench, &orphan)["orphan"], true);
    assert_eq!(bench.count(Operation::List), 2);
}

#[test]
fn without_any_account_it_is_not_known_which_machines_there_are() {
    let bench = Bench::new();
    let answer = incomplete(&bench, &["--all"]);
    assert!(answer.error().unwrap().contains("no host in oned names an account"), "{answer:?}");
    assert_eq!(json(&incomplete(&bench, &["--all", "--json"]))["machines"], Value::Null);
    // A dummy's host has nothing that could be left.
    let mut dummy = HostTemplate::new(7).with("IP", "192.0.2.7");
    dummy.pm_mad = "dummy".to_owned();
    bench.host(&dummy);
    assert_eq!(list(&bench, &["--all"]).status.code(), Some(0));
}

// ---- Orphans by evidence ---------------------------------------------------------------------------------

/// Answers the next listings with machines of this mark, each so many seconds old: their ids, oldest last.
fn aged(bench: &Bench, mark: &str, ages: &[u64]) -> Vec<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let id = |at: usize| format!("0000000{at}-1111-2222-3333-444444444444");
    let devices: Vec<Value> = (ages.iter().enumerate())
        .map(|(at, age)| {
            serde_json::json!({
                "id": id(at),
                "state": "active",
                "tags": ["OpenNebula", mark],
                "created_at": pm_packet::wire::time::rfc3339_of(now.as_secs() - age),
            })
        })
        .collect();
    let body = serde_json::json!({ "devices": devices, "meta": { "next": null } });
    let answer = simulator::Answer::new(200).body(&body.to_string());
    bench.simulator.fault(Fault::new(Operation::List, Effect::Status(answer)).forever());
    (0..ages.len()).map(id).collect()
}

#[test]
fn a_machine_without_deploy_id_is_an_orphan_once_no_deploy_can_take_as_long() {
    let bench = Bench::new().set("PM_TIMEOUT", "60");
    bench.host(&HostTemplate::new(7));
    let ids = aged(&bench, &common::identity(7), &[350, 370]);
    assert_eq!(entry(&bench, &ids[0])["mark"], "host has no DEPLOY_ID yet");
    assert_eq!(entry(&bench, &ids[0])["remove"], Value::Null);
    let old = entry(&bench, &ids[1]);
    assert_eq!(old["mark"], "ORPHAN, still billed: host has no DEPLOY_ID, and no deploy runs");
    assert_eq!(old["orphan"], true);
    assert_eq!(list(&bench, &["--all"]).status.code(), Some(1));
    // The host's own PM_TIMEOUT is what its deploy may take.
    bench.simulator.oned().set_provision(7, "PM_TIMEOUT", "3600").unwrap();
    assert_eq!(entry(&bench, &ids[0])["orphan"], false);
    assert_eq!(entry(&bench, &ids[1])["orphan"], true, "the newer one is the host's");
}

#[test]
fn of_several_machines_of_one_host_the_newest_young_one_is_not_an_orphan() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    let ids = aged(&bench, &common::identity(7), &[20, 5, 90, 100_000]);
    let marks: Vec<Value> = ids.iter().map(|id| entry(&bench, id)["mark"].clone()).collect();
    let doubled = "ORPHAN, still billed: host has no DEPLOY_ID, and a newer machine";
    let abandoned = "ORPHAN, still billed: host has no DEPLOY_ID, and no deploy runs";
    assert_eq!(marks, [doubled, "host has no DEPLOY_ID yet", doubled, abandoned]);
    bench.simulator.oned().set_deploy_id(7, &ids[2]).unwrap();
    let orphans = ids.iter().map(|id| entry(&bench, id)["orphan"] == true);
    assert_eq!(orphans.collect::<Vec<_>>(), [true, true, false, true]);
}

#[test]
fn a_machine_of_a_provision_that_no_host_here_has_is_foreign_and_not_offered_for_deletion() {
    let bench = Bench::new();
    bench.deployed(7);
    let strange = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=3", "ONE_PROVISION_HOST=dead-1:3"]);
    let foreign = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=7", "ONE_PROVISION_HOST=dead-1:7"]);
    let name = format!("ONE_HOST_NAME=provision-{}", "0a".repeat(24));
    let named = add(&bench.simulator, PROJECT, &[&name]);
    // Of the provision that host 7 is of: it was of this OpenNebula.
    let orphan = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=8", &common::identity(8)]);
    for (id, mark) in [
        (&strange, "FOREIGN? no host here has its provision"),
        (&named, "FOREIGN? no host here has its provision"),
        (&foreign, "FOREIGN: of another OpenNebula"),
    ] {
        let found = entry(&bench, id);
        assert_eq!(found["mark"], mark);
        assert_eq!(found["orphan"], false);
        assert_eq!(found["remove"], Value::Null);
        assert_eq!(found["host_id"], Value::Null, "the number is another OpenNebula's");
    }
    assert_eq!(entry(&bench, &orphan)["mark"], "ORPHAN, still billed: no such host in oned");
    let answer = list(&bench, &["--all"]);
    assert_eq!(answer.stdout.matches(" cancel ").count(), 1, "{answer:?}");
    assert!(answer.stdout.contains(&format!("{strange}  ONE_PROVISION_HOST=dead-1:3")));
    bench.simulator.oned().remove(7);
    let bench = bench.set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", PROJECT);
    assert_eq!(entry(&bench, &orphan)["mark"], "FOREIGN? no host here has its provision");
}

#[test]
fn a_command_stands_at_orphans_alone() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    assert_eq!(entry(&bench, &id)["remove"], Value::Null);
    bench.host(&HostTemplate::new(8));
    let ordered = add(&bench.simulator, PROJECT, &[&common::identity(8)]);
    assert_eq!(entry(&bench, &ordered)["remove"], Value::Null);
}

/// Runs the command that a list prints for a machine in a shell, and asserts that it says nothing.
fn run_printed(bench: &Bench, answer: &Answer, id: &str) -> String {
    let lines = answer.stdout.lines();
    let mut commands = lines.filter(|line| line.contains(" cancel ") && line.contains(id));
    let command = commands.next().unwrap_or_else(|| panic!("{answer:?}")).trim().to_owned();
    let output = bench.oneprovision.command(&command).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
    command
}

#[test]
fn the_printed_command_takes_no_strangers_name_and_says_nothing() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    host.poll().unwrap();
    let name = bench.simulator.oned().host_name(7).unwrap();
    let orphan = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=77"]);
    let command = run_printed(&bench, &list(&bench, &["--all"]), &orphan);
    assert!(command.ends_with(&format!(" cancel {orphan} --credentials-of 7")), "{command}");
    assert!(!command.contains(&name), "{command}");
    bench.assert_books(&[&id]);
    // The host whose credentials were used keeps its machine and what oned knows of it.
    assert_eq!(bench.simulator.oned().provision(7, "DEPLOY_ID").as_deref(), Some(id.as_str()));

    let bench = bench.set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", PROJECT);
    let orphan = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=77"]);
    let command = run_printed(&bench, &list(&bench, &[]), &orphan);
    assert!(command.ends_with(&format!(" cancel {orphan}")), "{command}");
    bench.assert_books(&[&id]);
}

#[test]
fn the_printed_command_is_quoted_for_a_shell() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let orphan = add(&bench.simulator, PROJECT, &["ONE_HOST_ID=77"]);
    let folder = bench.path("it's $HOME");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("pm packet");
    std::os::unix::fs::symlink(common::BINARY, &program).unwrap();
    let mut command = std::process::Command::new(&program);
    command.args(["list", "--all"]).env_clear().envs(&bench.oneprovision.env);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    run_printed(&bench, &finish(child), &orphan);
    bench.assert_books(&[&id]);
}

#[test]
fn credentials_of_a_host_that_is_none_are_refused_and_through_a_link_the_words_are_data() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let cancel = |words: &[&str]| {
        let words = [&["cancel", &id], words].concat();
        finish(bench.explicit(&words).spawn().unwrap())
    };
    for (words, part) in [
        (["--credentials-of", "seven"], "--credentials-of is \"seven\", which is no number"),
        (["--credentials-of", "99"], "oned has no such host"),
        (["--driver", "clouds"], "there is no provider"),
        (["--driver", "packet"], "there is no PACKET_TOKEN"),
        (["--driver", "ec2"], "which is not an instance id"),
    ] {
        common::assert_failure_with(&cancel(&words), &["cancel: ", part]);
    }
    let answer = bench.run("cancel", &[&id, "--driver", "packet"]);
    common::assert_failure_with(&answer, &["HOST_ID is \"packet\""]);
    bench.assert_books(&[&id]);
}

/// A settings file of a driver, and where its remotes are for whoever calls the program by its own name.
fn with_settings(bench: Bench, text: &str) -> Bench {
    let folder = bench.path("one/var/remotes/etc/pm/packet");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("packetrc"), text).unwrap();
    common::set_mode(folder.join("packetrc"), 0o640);
    let location = bench.path("one").display().to_string();
    bench.set("ONE_LOCATION", &location)
}

fn account(bench: &Bench) -> String {
    format!("PACKET_TOKEN={TOKEN}\nPACKET_PROJECT={PROJECT}\nPACKET_API_URL={}\n", bench.simulator.api_url())
}

/// As where Terraform or OneForm made the machines, and hosts by hand.
#[test]
fn all_machines_of_an_account_are_held_against_all_hosts_by_address_too() {
    let bench = Bench::new();
    let text = account(&bench);
    let bench = with_settings(bench, &text);
    let device = |tags: &[&str]| {
        let device = bench.simulator.add_device(NewDevice::with_tags(PROJECT, tags.iter().copied()));
        common::until("it is up", || bench.simulator.device(&device.id).unwrap().state == State::Active);
        bench.simulator.device(&device.id).unwrap()
    };
    let (known, tagged, plain) = (device(&[]), device(&["OpenNebula"]), device(&["terraform"]));
    let xml = format!("<HOST><ID>30</ID><NAME>{}</NAME><TEMPLATE/></HOST>", known.addresses[0].address);
    bench.simulator.oned().add_host(&xml).unwrap();
    let answer = list(&bench, &["--driver", "packet"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    let line = |id: &str| answer.stdout.lines().find(|line| line.starts_with(id)).map(str::to_owned);
    assert!(!line(&known.id).unwrap().contains("billed"), "{answer:?}");
    assert!(line(&known.id).unwrap().contains(" 30 "), "{answer:?}");
    assert!(line(&tagged.id).unwrap().ends_with("ORPHAN: billed, no host"), "{answer:?}");
    assert_eq!(line(&plain.id), None);
    assert!(answer.stdout.contains("One machine more has no host and none of OpenNebula's tags"), "{answer:?}");
    let answer = list(&bench, &["--driver", "packet", "--all-machines"]);
    let line = answer.stdout.lines().find(|line| line.starts_with(&plain.id)).unwrap().to_owned();
    assert!(line.ends_with("billed, no host; without OpenNebula's tags"), "{line}");
    assert!(!answer.stdout.contains(&format!("cancel {}", plain.id)), "{answer:?}");
    assert_deletes_nothing(&bench);
}

#[test]
fn the_counts_are_written_whole_or_not_at_all() {
    let bench = Bench::new();
    bench.deployed(7);
    add(&bench.simulator, PROJECT, &["ONE_HOST_ID=77"]);
    let file = bench.path("pm-packet.prom");
    let path = file.display().to_string();
    let metric = |name: &str| {
        let text = std::fs::read_to_string(&file).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("pm_packet_{name} ")).map(str::to_owned));
        line.unwrap().parse::<u64>().unwrap()
    };
    list(&bench, &["--all", "--metrics", &path]);
    assert_eq!([metric("machines"), metric("orphans"), metric("unreadable")], [2, 1, 0]);
    assert!(metric("last_run_timestamp_seconds") > 1_700_000_000);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o644);
    // An account that cannot be read is counted as such.
    bench.fault_always(Operation::List, Effect::status(401));
    assert_eq!(list(&bench, &["--all", "--metrics", &path]).status.code(), Some(255));
    assert_eq!([metric("orphans"), metric("unreadable")], [0, 1]);
    let answer = list(&bench, &["--all", "--metrics", "/nonexistent/pm-packet.prom"]);
    common::assert_failure_with(
        &answer,
        &["the metrics cannot be written into /nonexistent", "name a file in a folder"],
    );
}

/// As the page about OpenNebula 6 and 7 says it.
#[test]
fn a_machine_is_ordered_polled_powered_and_deleted_by_hand_without_oned() {
    let bench = Bench::new().unset("ONE_XMLRPC");
    let text = account(&bench);
    let bench = with_settings(bench, &text).set("ONE_XMLRPC", "http://127.0.0.1:9/RPC2");
    let xml = "<HOST><NAME>provision-00112233445566778899aabbccddeeff</NAME><TEMPLATE><PM_MAD>packet</PM_MAD>\
               <PROVISION><FACILITY>ams1</FACILITY><PLAN>baremetal_0</PLAN><OS>centos_7</OS></PROVISION></TEMPLATE></HOST>";
    let file = bench.file("edge-1.xml", xml);
    let run = |words: &[&str]| {
        let answer = finish(bench.explicit(words).spawn().unwrap());
        common::assert_success(&answer).to_owned()
    };
    let id = run(&["deploy", &file]);
    assert_eq!(run(&["deploy", &file]), id);
    assert!(run(&["poll", &id, "--driver", "packet"]).contains("STATE=RUNNING"));
    run(&["reboot", &id, "--driver", "packet"]);
    run(&["cancel", &id, "--driver", "packet"]);
    bench.assert_books(&[]);
    let checked = finish(bench.explicit(&["check", &file]).spawn().unwrap());
    assert!(checked.stdout.contains("etc/pm/packet/packetrc"), "{checked:?}");
}

/// A bench with host 7, and so many machines of no host.
fn with_machines(count: usize) -> Bench {
    let bench = Bench::new().with_host_7();
    for _ in 0..count {
        add(&bench.simulator, PROJECT, &[]);
    }
    bench
}

fn length(answer: &Answer) -> usize {
    json(answer)["machines"].as_array().map_or(0, Vec::len)
}

#[test]
fn pages_are_fetched_side_by_side() {
    let bench = with_machines(450);
    bench.fault_always(Operation::List, Effect::Delay(Duration::from_millis(800)));
    let answer = list(&bench, &["--all", "--json"]);
    assert_eq!(length(&answer), 450, "{}", answer.stderr);
    assert_eq!(bench.count(Operation::List), 5);
    // One after another takes four seconds.
    assert!(answer.elapsed < Duration::from_secs(3), "{:?}", answer.elapsed);
}

#[test]
fn pages_are_fetched_one_after_another_where_the_rate_limit_is_low() {
    let bench = with_machines(750);
    let limit = RateLimit { requests: 6, window: Duration::from_secs(2), date: false };
    bench.simulator.set_rate_limit(Some(limit));
    let answer = list(&bench, &["--all", "--json"]);
    assert_eq!(length(&answer), 750, "{}", answer.stderr);
    let requests = bench.simulator.requests();
    assert!(requests.iter().all(|request| request.status != Some(429)), "never asked too often");
}

#[test]
fn a_page_that_fails_is_no_shorter_list() {
    let bench = with_machines(450);
    bench.simulator.fault(Fault::new(Operation::List, Effect::status(403)).skip(3).forever());
    let answer = list(&bench, &["--all", "--json"]);
    assert_eq!(answer.status.code(), Some(255));
    assert!(json(&answer)["machines"].is_null(), "{}", answer.stdout);
    bench.simulator.clear_faults();
    // A fault that passes strikes one of the pages: all are read anew.
    bench.simulator.fault(Fault::new(Operation::List, Effect::status(500)).skip(3));
    assert_eq!(length(&list(&bench, &["--all", "--json"])), 450);
}

#[test]
fn a_signal_ends_a_listing_whose_pages_are_under_way() {
    let bench = with_machines(450);
    bench.fault_always(Operation::List, Effect::Delay(Duration::from_millis(1500)));
    // Whether a machine is gone is told by the listing of the account.
    let child = bench.start("cancel", &[common::UNKNOWN_ID, "name", "7", "name"]);
    bench.until_asked(Operation::List, 3);
    let begin = Instant::now();
    common::signal(&child, nix::sys::signal::Signal::SIGINT);
    let answer = finish(child);
    let first = common::assert_failure(&answer);
    assert!(first.contains("interrupted"), "{first}");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}
