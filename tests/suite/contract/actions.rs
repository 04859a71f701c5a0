//! Each action, as it is called: through links and as explicit subcommands, for both providers, with every command line
//! of the contract and with arguments that went astray.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::common;
use crate::common::orders::assert_described;
use crate::common::{ACTIONS, Bench, UNKNOWN_ID, assert_failure_with, assert_success, finish};
use simulator::oneprovision::{Answer, host_name_5_12, read_poll};
use simulator::{HostTemplate, Operation, Options, Service, State};

/// Machines that are down long enough to be seen so: a reboot that is not costs the grace period.
fn bench() -> Bench {
    Bench::with(Options { powering: Duration::from_millis(300), ..Options::default() })
}

fn run(command: &mut Command) -> Answer {
    finish(command.spawn().unwrap())
}

/// Runs an action without a shell: arguments arrive as they are.
fn call(bench: &Bench, action: &str, words: &[&str]) -> Answer {
    run(&mut bench.command(action, words))
}

fn explicit(bench: &Bench, words: &[&str]) -> Answer {
    run(&mut bench.explicit(words))
}

fn dummy_host(id: i32) -> HostTemplate {
    let mut template = HostTemplate::new(id).with("IP", "192.0.2.7");
    template.pm_mad = "dummy".to_owned();
    template
}

// ---- The command lines of the contract -------------------------------------------------------------------

#[test]
fn every_command_line_of_the_contract_works_through_links() {
    let bench = bench();
    let host = bench.host(&HostTemplate::new(7));
    let file = host.write_deployment_file().unwrap();
    let name = bench.simulator.oned().host_name(7).unwrap();

    let answer = bench.run("deploy", &[&file, "TODO"]);
    let id = assert_success(&answer).to_owned();
    assert_eq!(id, id.trim(), "a line feed would be stored with the id");
    bench.assert_books(&[&id]);
    bench.simulator.oned().set_deploy_id(7, &id).unwrap();

    let answer = bench.run("poll", &[&id, &name, "7", &name]);
    let values = read_poll(assert_success(&answer));
    assert_eq!(values["STATE"], "RUNNING");
    let address = host_name_5_12(&values).unwrap();
    bench.simulator.oned().rename(7, &address).unwrap();

    for action in ["reboot", "reset"] {
        let answer = bench.run(action, &[&id, &address, "7", &address]);
        assert_eq!(assert_success(&answer), "", "{action}");
        assert_eq!(bench.simulator.device(&id).unwrap().state, State::Active);
    }
    let answer = bench.run("shutdown", &[&id, &address, "SHUTDOWN_POWEROFF", "7", &address]);
    assert_eq!(assert_success(&answer), "");
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Inactive);

    let file = host.write_deployment_file().unwrap();
    let answer = bench.run("deploy", &[&file, &address, "7", &address]);
    assert_eq!(assert_success(&answer), id, "a resume prints the id that it has");
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Active);

    let answer = bench.run("cancel", &[&id, &address, "7", &address]);
    assert_eq!(assert_success(&answer), "");
    bench.assert_books(&[]);
    assert_eq!(bench.count(Operation::HostPool), 0, "the id was always there");
    assert_described(&bench.simulator, 1);
}

#[test]
fn every_command_line_of_the_contract_works_as_an_explicit_subcommand() {
    let bench = bench();
    let host = bench.host(&HostTemplate::new(7));
    let file = host.write_deployment_file().unwrap();
    let name = bench.simulator.oned().host_name(7).unwrap();

    let answer = explicit(&bench, &["deploy", &file, "TODO"]);
    let id = assert_success(&answer).to_owned();
    bench.assert_books(&[&id]);
    bench.simulator.oned().set_deploy_id(7, &id).unwrap();
    let answer = explicit(&bench, &["poll", &id, &name, "7", &name]);
    assert_eq!(read_poll(assert_success(&answer))["STATE"], "RUNNING");
    for action in ["reboot", "reset"] {
        let answer = explicit(&bench, &[action, &id, &name, "7", &name]);
        assert_eq!(assert_success(&answer), "", "{action}");
    }
    let poweroff = ["shutdown", &id, &name, "SHUTDOWN_POWEROFF", "7", &name];
    assert_eq!(assert_success(&explicit(&bench, &poweroff)), "");
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Inactive);
    let file = host.write_deployment_file().unwrap();
    let answer = explicit(&bench, &["deploy", &file, &name, "7", &name]);
    assert_eq!(assert_success(&answer), id);
    let answer = explicit(&bench, &["cancel", &id, &name, "7", &name]);
    assert_eq!(assert_success(&answer), "");
    bench.assert_books(&[]);
    assert_described(&bench.simulator, 1);
}

#[test]
fn the_dummy_does_every_action_without_a_request() {
    let bench = bench();
    let host = bench.host(&dummy_host(7));
    let answer = host.deploy().unwrap();
    assert_eq!(assert_success(&answer), "192.0.2.7");
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(values["STATE"], "RUNNING");
    assert_eq!(host_name_5_12(&values).as_deref(), Some("192.0.2.7"));
    assert_eq!(bench.simulator.oned().host_name(7).as_deref(), Some("192.0.2.7"));
    for answer in [host.reboot(), host.reset(), host.poweroff(), host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(assert_success(&host.resume().unwrap()), "192.0.2.7");
    assert_eq!(bench.simulator.requests().len(), 0);
}

#[test]
fn a_reboot_of_the_dummy_is_seen_and_costs_no_grace_period() {
    let bench = bench().set("PM_LOG", "info");
    let words = ["192.0.2.7", "name", "7", "name"];
    let answer = bench.oneprovision.run("dummy", "reboot", &words).unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert!(!answer.stderr.contains("was not seen down"), "{answer:?}");
}

#[test]
fn an_explicit_subcommand_takes_the_provider_from_the_host() {
    let bench = bench();
    let host = bench.host(&dummy_host(7));
    let file = host.write_deployment_file().unwrap();
    let answer = explicit(&bench, &["deploy", &file, "TODO"]);
    assert_eq!(assert_success(&answer), "192.0.2.7");
    let name = bench.simulator.oned().host_name(7).unwrap();
    let answer = explicit(&bench, &["poll", "192.0.2.7", &name, "7", &name]);
    let values = read_poll(assert_success(&answer));
    assert_eq!(host_name_5_12(&values).as_deref(), Some("192.0.2.7"));
    for words in [
        vec!["reboot", "192.0.2.7", &name, "7"],
        vec!["reset", "192.0.2.7", &name],
        vec!["shutdown", "192.0.2.7", &name, "SHUTDOWN_POWEROFF", "7", &name],
        vec!["cancel", "192.0.2.7", &name, "7", &name],
    ] {
        assert_eq!(assert_success(&explicit(&bench, &words)), "", "{words:?}");
    }
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn a_host_without_driver_is_packets() {
    let bench = bench();
    let mut template = HostTemplate::new(7);
    template.pm_mad = String::new();
    let file = bench.host(&template).write_deployment_file().unwrap();
    let answer = explicit(&bench, &["deploy", &file, "TODO"]);
    bench.assert_books(&[assert_success(&answer)]);
}

#[test]
fn the_folder_of_the_link_decides_and_not_the_host() {
    let bench = bench();
    let file = bench.host(&HostTemplate::new(7).with("IP", "192.0.2.7"));
    let file = file.write_deployment_file().unwrap();
    let answer = bench.oneprovision.run("dummy", "deploy", &[&file, "TODO"]).unwrap();
    assert_eq!(assert_success(&answer), "192.0.2.7");
    assert_eq!(bench.simulator.requests().len(), 0);
}

// ---- The names under which it is called ------------------------------------------------------------------

#[test]
fn a_link_is_found_however_it_is_called() {
    let bench = bench();
    let folder = bench.path("remotes/pm/dummy");
    let poll = ["192.0.2.7", "name", "7", "name"];
    let absolute = folder.join("poll");
    let path = format!("/usr/bin:{}", folder.display());
    let mut by_path = bench.explicit(&poll);
    by_path.arg0("poll").env("PATH", path);
    let mut here = Command::new("./poll");
    here.current_dir(&folder).args(poll);
    let mut beside = Command::new("../dummy/poll");
    beside.current_dir(bench.path("remotes/pm/packet")).args(poll);
    let mut below = Command::new("pm/dummy/poll");
    below.current_dir(bench.path("remotes")).args(poll);
    let mut whole = Command::new(absolute);
    whole.args(poll);
    for command in [&mut by_path, &mut here, &mut beside, &mut below, &mut whole] {
        let output = command.output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(host_name_5_12(&read_poll(&stdout)).as_deref(), Some("192.0.2.7"), "{command:?}");
    }
}

#[test]
fn a_copy_works_as_well_as_a_link() {
    let bench = bench();
    let copy = bench.path("remotes/pm/dummy/copies");
    fs::create_dir(&copy).unwrap();
    let copy = copy.join("dummy");
    fs::create_dir(&copy).unwrap();
    // By another process: a file that this one holds open for writing cannot be run while any other starts.
    let copied = Command::new("cp").arg(common::BINARY).arg(copy.join("poll")).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new(copy.join("poll"));
    let output = command.arg("192.0.2.7").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("192.0.2.7"));
}

#[test]
fn help_names_every_action_and_their_arguments_in_the_words_of_the_contract() {
    let bench = bench();
    for option in ["--help", "-h"] {
        let answer = explicit(&bench, &[option]);
        for action in ACTIONS {
            assert!(assert_success(&answer).contains(action), "{answer:?}");
        }
    }
    for (action, words) in [
        ("deploy", &["DEPLOYMENT_FILE", "HOST", "TODO", "STDIN"][..]),
        ("poll", &["DEPLOY_ID", "HOST", "HOST_ID"]),
        ("cancel", &["DEPLOY_ID", "HOST", "HOST_ID"]),
        ("reboot", &["DEPLOY_ID", "HOST", "HOST_ID"]),
        ("reset", &["DEPLOY_ID", "HOST", "HOST_ID"]),
        ("shutdown", &["DEPLOY_ID", "HOST", "LCM_STATE", "HOST_ID", "SHUTDOWN_POWEROFF", "SHUTDOWN_UNDEPLOY"]),
    ] {
        for answer in
            [call(&bench, action, &["--help"]), call(&bench, action, &["-h"]), explicit(&bench, &[action, "--help"])]
        {
            let text = assert_success(&answer);
            for word in words {
                assert!(text.contains(word), "no {word} in {text}");
            }
        }
    }
    assert_eq!(bench.simulator.requests().len(), 0);
}

#[test]
fn the_version_is_that_of_the_package() {
    let bench = bench();
    for option in ["--version", "-V"] {
        let answer = explicit(&bench, &[option]);
        let version = format!("pm-packet {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(assert_success(&answer), version);
    }
}

// ---- Arguments that are missing, empty, shifted or odd ---------------------------------------------------

#[test]
fn trailing_arguments_may_be_missing() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    for words in [
        vec!["poll", &id, &name, "7"],
        vec!["poll", &id, &name],
        vec!["reboot", &id, &name],
        vec!["shutdown", &id, &name, "SHUTDOWN_POWEROFF"],
        vec!["shutdown", &id, &name, "SHUTDOWN_POWEROFF", "7"],
    ] {
        assert_success(&bench.run(words[0], &words[1..]));
    }
    let file = bench.registered(7);
    let file = file.write_deployment_file().unwrap();
    assert_eq!(assert_success(&bench.run("deploy", &[&file])), id);
    assert_success(&bench.run("cancel", &[&id, &name]));
    bench.assert_books(&[]);
}

#[test]
fn the_deploy_id_alone_is_enough_with_credentials_in_the_environment() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let bench = bench.set("PACKET_TOKEN", simulator::TOKEN);
    bench.simulator.clear_requests();
    let answer = bench.run("poll", &[&id]);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(read_poll(&answer.stdout)["STATE"], "RUNNING");
    assert!(answer.stderr.starts_with("WARNING: "), "{answer:?}");
    assert_eq!(bench.count_of(Service::Oned), 0);
}

#[test]
fn further_arguments_are_ignored() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    assert_success(&bench.run("poll", &[&id, &name, "7", &name, "more", "--words"]));
}

#[test]
fn empty_arguments_are_as_if_they_were_missing() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    bench.simulator.clear_requests();
    assert_success(&call(&bench, "poll", &[&id, "", "7", ""]));
    assert_eq!(bench.count(Operation::HostPool), 0);
    assert_success(&call(&bench, "poll", &[&id, &name, "", ""]));
    assert_eq!(bench.count(Operation::HostPool), 1);
    let line = assert_failure_with(&call(&bench, "poll", &[&id, "", "", ""]), &["poll: "]);
    assert!(line.contains("neither a host id nor a host name"), "{line}");
}

#[test]
fn arguments_that_shifted_never_reach_the_network() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    bench.simulator.clear_requests();
    for action in ["poll", "cancel", "reboot", "reset"] {
        for words in [
            // Without DEPLOY_ID, as the shell drops an empty one.
            vec!["", name.as_str(), "7", name.as_str()],
            // Without NAME.
            vec![&id, "", "7", &name],
        ] {
            let answer = bench.run(action, &words);
            assert_failure_with(&answer, &[&format!("{action}: "), "look shifted"]);
        }
        for words in [
            ["", name.as_str(), "7", name.as_str()],
            [&name, &id, "7", &name],
            ["7", &name, &id, &name],
            ["192.0.2.7", &name, "7", &name],
            ["SHUTDOWN_POWEROFF", &name, "7", &name],
        ] {
            let answer = call(&bench, action, &words);
            let id = format!("DEPLOY_ID is {:?}", words[0]);
            let first = assert_failure_with(&answer, &["look shifted"]);
            assert!(first.contains(&id) || first.contains("HOST_ID is"), "{first}");
        }
    }
    assert_eq!(bench.simulator.requests().len(), 0);
}

#[test]
fn a_shutdown_whose_arguments_shifted_says_so() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    bench.simulator.clear_requests();
    for words in [
        // Without DEPLOY_ID.
        vec![name.as_str(), "SHUTDOWN_POWEROFF", "7", &name],
        // Without NAME, the first one or both.
        vec![&id, "SHUTDOWN_POWEROFF", "7", &name],
        vec![&id, "SHUTDOWN_POWEROFF", "7"],
        // Without LCM_STATE.
        vec![&id, &name, "7", &name],
    ] {
        let answer = bench.run("shutdown", &words);
        assert_failure_with(&answer, &["LCM_STATE is \"7\"", "look shifted"]);
    }
    assert_eq!(bench.simulator.requests().len(), 0);
    bench.assert_books(&[&id]);
}

#[test]
fn arguments_that_begin_with_a_dash_are_data() {
    let bench = bench();
    let host = bench.host(&HostTemplate::new(7));
    let file = host.write_deployment_file().unwrap();
    for odd in ["--", "--help", "-h", "-V", "--deployment.xml"] {
        let folder = bench.path("odd");
        fs::create_dir_all(&folder).unwrap();
        fs::copy(&file, folder.join(odd)).unwrap();
        let mut command = bench.command("deploy", &[odd, "TODO"]);
        let answer = run(command.current_dir(folder));
        bench.assert_books(&[assert_success(&answer)]);
    }
    for odd in ["--", "-x", "--version", "--deploy-id=1"] {
        let answer = call(&bench, "poll", &[odd, "-name", "7", "--"]);
        assert_failure_with(&answer, &[&format!("DEPLOY_ID is {odd:?}")]);
    }
    let answer = call(&bench, "shutdown", &[UNKNOWN_ID, "-x", "--help", "7"]);
    assert_failure_with(&answer, &["LCM_STATE is \"--help\""]);
}

#[test]
fn the_state_of_a_shutdown_decides_what_becomes_of_the_machine() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    for (state, after) in
        [("SHUTDOWN_UNDEPLOY", State::Inactive), ("SHUTDOWN_POWEROFF", State::Inactive), ("SHUTDOWN", State::Deleted)]
    {
        let answer = bench.run("shutdown", &[&id, &name, state, "7", &name]);
        assert_eq!(assert_success(&answer), "", "{state}");
        assert_eq!(bench.simulator.device(&id).unwrap().state, after, "{state}");
    }
    bench.assert_books(&[]);
}

// ---- What each action does -------------------------------------------------------------------------------

#[test]
fn a_reboot_returns_when_the_machine_was_down_and_is_up_again() {
    let bench = bench();
    let (host, id) = bench.deployed(7);
    let before = bench.simulator.device(&id).unwrap().history.len();
    assert_success(&host.reboot().unwrap());
    let machine = bench.simulator.device(&id).unwrap();
    let passed: Vec<&str> = machine.history[before..].iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(passed, ["powering_off", "powering_on", "active"]);
    assert_eq!(bench.count(Operation::Reboot), 1);
}

#[test]
fn a_reset_powers_off_and_on() {
    let bench = bench();
    let (host, id) = bench.deployed(7);
    let before = bench.simulator.device(&id).unwrap().history.len();
    assert_success(&host.reset().unwrap());
    let machine = bench.simulator.device(&id).unwrap();
    let passed: Vec<&str> = machine.history[before..].iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(passed, ["powering_off", "inactive", "powering_on", "active"]);
}

#[test]
fn a_reset_of_a_machine_that_is_off_just_powers_it_on() {
    let bench = bench();
    let (host, id) = bench.deployed(7);
    assert_success(&host.poweroff().unwrap());
    assert_success(&host.reset().unwrap());
    let machine = bench.simulator.device(&id).unwrap();
    assert_eq!(machine.state, State::Active);
    assert_eq!(bench.count(Operation::PowerOn), 1);
}

#[test]
fn what_was_done_already_is_a_success() {
    let bench = bench();
    let (host, id) = bench.deployed(7);
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    for answer in [host.poweroff(), host.poweroff(), host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    bench.assert_books(&[]);
    let answer = bench.run("cancel", &[UNKNOWN_ID, "name", "7", "name"]);
    assert_eq!(assert_success(&answer), "");
}

#[test]
fn cancel_returns_when_the_machine_is_gone() {
    let bench = Bench::with(Options { deprovisioning: Duration::from_millis(400), ..Options::default() });
    let (host, id) = bench.deployed(7);
    assert_success(&host.cancel().unwrap());
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Deleted);
    assert_eq!(bench.count(Operation::Delete), 1);
}

#[test]
fn a_deploy_returns_when_the_machine_is_up() {
    let bench = Bench::with(Options {
        provisioning: Duration::from_millis(500)..=Duration::from_millis(500),
        ..Options::default()
    });
    let (_, id) = bench.deployed(7);
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Active);
    assert_eq!(bench.count(Operation::Create), 1);
}

#[test]
fn an_id_in_capitals_is_the_same_id() {
    let bench = bench();
    let (_, id) = bench.deployed(7);
    assert_success(&bench.run("cancel", &[&id.to_uppercase(), "name", "7", "name"]));
    bench.assert_books(&[]);
}
