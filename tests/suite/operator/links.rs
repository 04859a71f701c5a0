//! Upgrades: what `check` and `list` say where one of OpenNebula's package has put its own scripts over our links, and what
//! an upgrade of ours finds of 0.1.0.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use simulator::HostTemplate;
use simulator::oneprovision::Answer;

use crate::common::phase::{Phase, deploy_until};
use crate::common::{ACTIONS, BINARY, Bench, assert_success, finish, identity, taking};

/// A front-end with a copy of the binary, as an installation has it: its `remotes/pm`.
fn installation(bench: &Bench, drivers: &[&str]) -> PathBuf {
    let pm = bench.path("installed/remotes/pm");
    for driver in drivers {
        fs::create_dir_all(pm.join(driver)).unwrap();
        for action in ACTIONS {
            symlink("../pm-packet", pm.join(driver).join(action)).unwrap();
        }
    }
    // A descriptor of ours that is open for writing could be inherited by what another test starts, see install.rs.
    let copied = Command::new("cp").arg(BINARY).arg(pm.join("pm-packet")).status().unwrap();
    assert!(copied.success());
    fs::write(pm.join("pm-packet.drivers"), format!("{}\n", drivers.join("\n"))).unwrap();
    pm
}

fn run(bench: &Bench, words: &[&str]) -> Answer {
    // As it is found on the PATH: a link to the program.
    let program = bench.path("pm-packet");
    if !program.exists() {
        symlink(bench.path("installed/remotes/pm/pm-packet"), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(&bench.oneprovision.env);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"))
}

#[test]
fn check_and_list_say_at_once_when_a_link_is_not_ours_any_more() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    let pm = installation(&bench, &["dummy", "packet"]);
    let check = run(&bench, &["check", "--host", "7"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let list = run(&bench, &["list", "--all", "--json"]);
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    assert_eq!(json(&list)["displaced"], Value::Array(Vec::new()));

    // rpm writes a new file and renames it over the link.
    for action in ["deploy", "poll"] {
        fs::write(pm.join("new"), "#!/usr/bin/env ruby\n").unwrap();
        fs::rename(pm.join("new"), pm.join("packet").join(action)).unwrap();
    }
    let what = format!("not ours any more in {}: deploy, poll;", pm.join("packet").display());
    let check = run(&bench, &["check", "--host", "7"]);
    assert_eq!(check.status.code(), Some(1), "{check:?}");
    for words in ["WRONG", "links", &what, "-> run install.sh", "A deploy would fail: one thing is WRONG."] {
        assert!(check.stdout.contains(words), "{words}: {}", check.stdout);
    }
    let list = run(&bench, &["list", "--all"]);
    assert_eq!(list.status.code(), Some(1), "{list:?}");
    for words in ["There is no machine that OpenNebula ordered.\n\nLinks of packet, ", &what, "  run install.sh"] {
        assert!(list.stdout.contains(words), "{words}: {}", list.stdout);
    }
    let displaced = &json(&run(&bench, &["list", "--all", "--json"]))["displaced"];
    assert_eq!(displaced[0]["driver"], "packet");
    assert_eq!(displaced[0]["actions"], serde_json::json!(["deploy", "poll"]));

    // Of another driver than the host's it is worth a warning.
    for action in ["deploy", "poll"] {
        fs::remove_file(pm.join("packet").join(action)).unwrap();
        symlink("../pm-packet", pm.join("packet").join(action)).unwrap();
    }
    fs::remove_file(pm.join("dummy/cancel")).unwrap();
    let check = run(&bench, &["check", "--host", "7"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert!(check.stdout.contains("A deploy would be accepted; see the "), "{}", check.stdout);
    assert!(check.stdout.contains("warning  links"), "{}", check.stdout);
    assert!(check.stdout.contains("/dummy: cancel;"), "{}", check.stdout);
}

/// 0.1.0 noted what it ordered beside the deployment file, in two lines; it was upgraded after a deploy of it was killed.
#[test]
fn what_0_1_0_noted_beside_a_deployment_file_is_read_once_more() {
    // So long that no listing shows the machine: the note alone tells of it.
    let options = simulator::Options { listing_lag: std::time::Duration::from_secs(60), ..taking(500) };
    let bench = Bench::with(options).lapsing("300").set("PM_RECORD", "no");
    let host = bench.host(&HostTemplate::new(7));
    let mut deploy = deploy_until(&bench, &host, Phase::Wait);
    deploy.kill().unwrap();
    deploy.wait().unwrap();
    let left = bench.simulator.devices()[0].id.clone();
    fs::remove_file(bench.journal(7)).unwrap();
    let file = host.write_deployment_file().unwrap();
    let note = PathBuf::from(format!("{file}.order"));
    fs::write(&note, format!("{}\n{left}\n", identity(7))).unwrap();
    let answer = finish(bench.start("deploy", &[&file, "TODO"]));
    assert_eq!(assert_success(&answer), left, "adopted");
    bench.assert_books(&[&left]);
    assert!(!note.exists());
}
