//! Fencing, as OpenNebula's hook of host high availability calls it: up to 5.12 with the host in the first argument and a
//! STDIN that is never closed, from 6.0 on with the host on STDIN.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io::Write, ops::Deref};

use crate::common::{BINARY, Bench, assert_discreet, each, finish, taking};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use simulator::ec2::{Ec2, Ec2Options};
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, Operation, State, TOKEN};

/// The hook's link, as `install.sh --fence` makes it.
fn hook(bench: &Bench) -> Command {
    let folder = bench.path("remotes/hooks/ft");
    fs::create_dir_all(&folder).unwrap();
    let link = folder.join("fence_host.sh");
    let _ = symlink(BINARY, &link);
    bench.command_at(&link, &[])
}

/// The host as the hook sends it: its secrets are as oned shows them.
fn coded(bench: &Bench, id: i32) -> String {
    STANDARD.encode(bench.simulator.oned().host_xml(id, false).unwrap())
}

/// Called as by 5.8 and 5.12: STDIN is a pipe that stays open.
fn by_argument(bench: &Bench, words: &[&str]) -> Answer {
    let mut child = hook(bench).args(words).stdin(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    let answer = finish(child);
    drop(open);
    assert_discreet(&answer);
    assert!(answer.stdout.len() + answer.stderr.len() < 4096, "{answer:?}");
    answer
}

/// Called as by 6.0 and later.
fn by_stdin(bench: &Bench, text: &str) -> Answer {
    let mut child = hook(bench).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    finish(child)
}

fn assert_fenced(answer: &Answer, words: &str) {
    assert!(answer.is_success(), "{answer:?}");
    assert!(answer.stdout.starts_with("fenced: ") && answer.stdout.contains(words), "{answer:?}");
}

/// Asserts that a host counts as not fenced, and that one line says why.
fn assert_not_fenced(answer: &Answer, parts: &[&str]) {
    assert_discreet(answer);
    assert_eq!(answer.status.code(), Some(255), "{answer:?}");
    assert_eq!(answer.stdout, "");
    let last = answer.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("not fenced: "), "{answer:?}");
    for part in parts {
        assert!(last.contains(part), "no {part:?} in {last:?}");
    }
}

#[test]
fn a_host_is_fenced_when_its_machine_was_seen_off_in_both_ways_that_opennebula_calls() {
    let bench = Bench::with(taking(200));
    for (number, is_argument) in [true, false].into_iter().enumerate() {
        let (_, id) = bench.deployed(7 + number as i32);
        let coded = coded(&bench, 7 + number as i32);
        let answer = if is_argument { by_argument(&bench, &[&coded]) } else { by_stdin(&bench, &coded) };
        assert_fenced(&answer, &format!("machine {id} of host"));
        assert_eq!(bench.simulator.device(&id).unwrap().state, State::Inactive);
        // Off already is off, too.
        assert_fenced(&by_argument(&bench, &[&coded]), "is off");
    }
}

#[test]
fn a_host_whose_machine_is_proven_gone_is_fenced() {
    let bench = Bench::new();
    let (host, _) = bench.deployed(7);
    let coded = coded(&bench, 7);
    assert!(host.cancel().unwrap().is_success());
    assert_fenced(&by_argument(&bench, &[&coded]), "is gone");
    // A page of something in between proves nothing.
    bench.fault_always(Operation::Get, Effect::Html5xx(404));
    bench.fault_always(Operation::List, Effect::Html5xx(404));
    assert_not_fenced(&by_argument(&bench, &[&coded]), &["check PACKET_API_URL"]);
}

#[test]
fn bad_input_of_any_kind_is_not_fenced_and_changes_nothing() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let good = coded(&bench, 7);
    let xml = bench.simulator.oned().host_xml(7, false).unwrap();
    let other = |from: &str, to: &str| STANDARD.encode(xml.replace(from, to));
    let long = "A".repeat(100_000);
    let cases = [
        String::new(),
        " ".into(),
        "%".into(),
        "7".into(),
        "--help-me".into(),
        long,
        good[..good.len() / 2].to_owned(),
        STANDARD.encode("<HOST>"),
        STANDARD.encode("<VM><ID>7</ID></VM>"),
        STANDARD.encode([0xff, 0xfe, 0x00]),
        xml.clone(),
        other(&id, "../../projects"),
        other("<PM_MAD><![CDATA[packet]]></PM_MAD>", "<PM_MAD><![CDATA[vcenter]]></PM_MAD>"),
        other("<PM_MAD><![CDATA[packet]]></PM_MAD>", "<PM_MAD><![CDATA[dummy]]></PM_MAD>"),
    ];
    each(&cases, |case| {
        assert_not_fenced(&by_argument(&bench, &[case]), &[]);
        assert_not_fenced(&by_stdin(&bench, case), &[]);
    });
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Active);
    assert_eq!(bench.count(Operation::PowerOff), 0);
}

#[test]
fn what_is_in_doubt_when_the_time_is_up_is_not_fenced() {
    let cases = [
        Fault::new(Operation::PowerOff, Effect::Hang).forever(),
        Fault::new(Operation::Get, Effect::Hang).forever(),
        Fault::new(Operation::PowerOff, Effect::status_after(500)).times(1),
        Fault::new(Operation::HostInfo, Effect::Hang).forever(),
        Fault::new(Operation::PowerOff, Effect::refuse(422, "is on fire")).forever(),
    ];
    each(&cases, |fault| {
        // It takes longer to go down than there is time.
        let bench = Bench::with(taking(100)).set("PM_FENCE_TIMEOUT", "3");
        bench.deployed(7);
        let coded = coded(&bench, 7);
        let id = bench.simulator.devices()[0].id.clone();
        bench.simulator.fault(Fault::new(Operation::Create, Effect::Stuck(State::PoweringOff)));
        bench.simulator.set_state(&id, State::Other("busy".into()));
        bench.simulator.fault(fault.clone());
        let begin = Instant::now();
        assert_not_fenced(&by_argument(&bench, &[&coded]), &[]);
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    });
}

/// A host of OpenNebula 6 or 7 has neither PM_MAD nor PROVISION.
#[test]
fn a_host_without_a_deploy_id_is_found_by_its_address_and_settings_of_its_driver() {
    let bench = Bench::with(taking(100));
    let (_, id) = bench.deployed(7);
    let address = bench.simulator.device(&id).unwrap().addresses[0].address.clone();
    let plain = |name: &str| STANDARD.encode(format!("<HOST><ID>30</ID><NAME>{name}</NAME><TEMPLATE/></HOST>"));
    let nobody = by_argument(&bench, &[&plain(&address)]);
    assert_not_fenced(&nobody, &["has no PM_MAD, and no driver has settings", "etc/pm/DRIVER/DRIVERrc"]);
    let rc = bench.path("remotes/etc/pm/packet");
    fs::create_dir_all(&rc).unwrap();
    let project = &bench.simulator.project();
    let url = bench.simulator.api_url();
    let text = format!("# account\nPACKET_TOKEN=\"{TOKEN}\"\nPACKET_PROJECT={project}\nPACKET_API_URL={url}\n");
    fs::write(rc.join("packetrc"), text).unwrap();
    crate::common::set_mode(rc.join("packetrc"), 0o640);
    assert_not_fenced(&by_argument(&bench, &[&plain("192.0.2.250")]), &["no machine has the address"]);
    assert_not_fenced(&by_argument(&bench, &[&plain("no-such-host.invalid")]), &["its name is no address"]);
    assert_fenced(&by_argument(&bench, &[&plain(&address)]), &id);
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Inactive);
    // Others may read it: that is said, and the host is fenced all the same.
    crate::common::set_mode(rc.join("packetrc"), 0o644);
    let answer = by_argument(&bench, &[&plain(&address)]);
    assert_fenced(&answer, &id);
    assert!(answer.stderr.contains("packetrc has settings that every user can read: chmod 640 it"), "{answer:?}");
    fs::write(rc.join("packetrc"), format!("PACKET_TOKEN {TOKEN}\n")).unwrap();
    assert_not_fenced(&by_argument(&bench, &[&plain(&address)]), &["line 1 of", "is no setting"]);
}

#[test]
fn of_two_machines_with_the_hosts_address_none_is_touched() {
    let ec2 = Ec2::start(Ec2Options::default()).unwrap();
    let bench = Bench::new().set("EC2_API_URL", &ec2.url());
    let ids: Vec<String> = [7, 8].map(|id| bench.host(&HostTemplate::ec2(id)).deploy().unwrap().stdout).into();
    for id in &ids {
        ec2.deref().put("instance", id, [("public_ip", "198.51.100.9".into())]);
    }
    let template = HostTemplate::ec2(7);
    let xml = |provision: &str| {
        let secrets = ["EC2_ACCESS", "EC2_SECRET", "REGION_NAME"]
            .map(|name| format!("<{name}>{}</{name}>", template.provision[name]))
            .join("");
        STANDARD.encode(format!(
            "<HOST><ID>7</ID><NAME>198.51.100.9</NAME><TEMPLATE><PM_MAD>ec2</PM_MAD><PROVISION>{secrets}{provision}</PROVISION></TEMPLATE></HOST>"
        ))
    };
    assert_not_fenced(&by_argument(&bench, &[&xml("")]), &["2 machines have the address of host 7 (198.51.100.9)"]);
    assert!(ec2.instances().iter().all(|one| one.state == "running"));
    let known = xml(&format!("<DEPLOY_ID>{}</DEPLOY_ID>", ids[0]));
    assert_fenced(&by_argument(&bench, &[&known]), &ids[0]);
    assert_eq!(ec2.instance(&ids[1]).unwrap().state, "running");
}

#[test]
fn check_tells_whether_fencing_would_work_and_touches_nothing() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let check = || finish(bench.explicit(&["check", "--host", "7", "--fence"]).spawn().unwrap());
    let before = bench.simulator.requests().len();
    let answer = check();
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains(&format!("machine {id} is active, and would be powered off")), "{answer:?}");
    assert!(answer.stdout.contains("fence_host.sh is not this program"), "{answer:?}");
    let asked = bench.simulator.requests();
    assert!(asked[before..].iter().all(|one| one.method == "GET" || one.path == "/RPC2"), "{asked:?}");
    bench.fault_always(Operation::Get, Effect::status(401));
    let answer = check();
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(answer.stdout.contains("Fencing would fail: one thing is WRONG."), "{answer:?}");
}
