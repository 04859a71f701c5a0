//! `pm-packet check`: what a host would order, and whether that would work.

use crate::common;
use crate::common::{Bench, each, finish};
use serde_json::Value;
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, NewDevice, Operation, PROJECT, SESSION, TOKEN};

/// A public key, and its fingerprint as `ssh-keygen -l` prints it.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl front-end";
const FINGERPRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";

fn template(id: i32) -> HostTemplate {
    let mut template = HostTemplate::new(id);
    template.ssh_public_key = KEY.to_owned();
    template
}

fn check(bench: &Bench, words: &[&str]) -> Answer {
    let words = [&["check"], words].concat();
    finish(bench.explicit(&words).spawn().unwrap())
}

/// Checks the deployment file of a host, as JSON: the exit code and what was said.
fn check_host(bench: &Bench, template: &HostTemplate) -> (Option<i32>, Value) {
    let file = bench.host(template).write_deployment_file().unwrap();
    let answer = check(bench, &["--json", &file]);
    let json = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"));
    (answer.status.code(), json)
}

/// What was found about something: verdicts, each with text and remedy.
fn found(json: &Value, about: &str) -> Vec<(String, String)> {
    let findings = json["findings"].as_array().unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    findings
        .iter()
        .filter(|finding| finding["about"] == about)
        .map(|finding| {
            let said = format!("{} {}", text(finding, "what"), text(finding, "remedy"));
            (text(finding, "verdict"), said)
        })
        .collect()
}

/// Asserts that this is wrong, in words that hold each of `parts`.
fn assert_wrong(json: &Value, about: &str, parts: &[&str]) {
    let found = found(json, about);
    let is_meant =
        |(verdict, said): &&(String, String)| verdict == "wrong" && parts.iter().all(|part| said.contains(part));
    assert!(found.iter().any(|one| is_meant(&one)), "{about}: {json:#}");
    assert_eq!(json["accepted"], false);
}

/// Asserts that nothing was asked that changes anything.
fn assert_only_asked(bench: &Bench) {
    for request in bench.simulator.requests() {
        let is_question = matches!(request.operation, Operation::HostInfo | Operation::HostPool);
        assert!(request.method == "GET" || is_question, "{request:?}");
    }
}

#[test]
fn every_section_is_shown_without_its_secrets_and_nothing_is_ordered() {
    let bench = Bench::new();
    let yaml = "---\nkvm:\n  nested: true\n  db_password: hunter2\n";
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(yaml)
    };
    let key = bench.file("id.pub", KEY);
    let template = template(7)
        .with("USERDATA", "#!/bin/sh\necho top-secret-script\n")
        .with("PACKET_TOKN", "misspelt-secret")
        .with("DESCRIPTION", &format!("token {TOKEN}"));
    let host = bench.host(&template);
    let file = host.write_deployment_file().unwrap();
    let text = std::fs::read_to_string(&file)
        .unwrap()
        .replace("LS0tIHt9Cg==", &encoded)
        .replace("/var/lib/one/.ssh/ddc/id_rsa.pub", &key);
    std::fs::write(&file, text).unwrap();

    let answer = check(&bench, &[&file]);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    for part in [
        "PM_MAD  packet",
        "PLAN            baremetal_0",
        "PACKET_TOKEN    (not shown)",
        "PACKET_TOKN     (not shown; packet does not read it)",
        "USERDATA        (32 bytes)",
        "/var/lib/one/.ssh/ddc/id_rsa (cannot be read: ",
        "REMOTE_USER  root",
        "status  pending",
        "            nested: true",
        "db_password: (not shown)",
        "ANSIBLE_PLAYBOOK  default",
        "What would be ordered",
        "ONE_PROVISION_HOST=",
        "warning  attributes        packet does not read PACKET_TOKN",
        "ok       project           ",
        "A deploy would be accepted",
    ] {
        assert!(answer.stdout.contains(part), "no {part:?}:\n{}", answer.stdout);
    }
    assert_eq!(answer.stdout.matches(FINGERPRINT).count(), 2);
    let session = SESSION.split(':').nth(1).unwrap();
    for secret in [TOKEN, "iG32m8cZ", "hunter2", "misspelt-secret", "top-secret-script", session] {
        let said = answer.stdout.replace("OpenNebula", "").replace("opennebula_", "");
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert!(!answer.stdout.contains('\x1b'), "colours in a pipe");
    assert_only_asked(&bench);
    bench.assert_books(&[]);
    assert!(!bench.journal(7).exists());
}

#[test]
fn all_mistakes_are_told_at_once() {
    let bench = Bench::new();
    let (code, json) = check_host(
        &bench,
        &template(7)
            .without("OS")
            .with("PLAN", "baremetal_9")
            .with("FACILITY", "ams9,fr2")
            .with("ALWAYS_PXE", "maybe")
            .with("SPOT_PRICE_MAX", "cheap")
            .with("PM_TIMEOUT", "soon"),
    );
    assert_eq!(code, Some(1));
    assert_wrong(&json, "attributes", &["lacks the mandatory attributes OS", "add them"]);
    assert_wrong(&json, "attributes", &["ALWAYS_PXE is \"maybe\"", "write yes or no"]);
    assert_wrong(&json, "attributes", &["SPOT_PRICE_MAX is \"cheap\"", "write a number"]);
    assert_wrong(&json, "settings", &["PM_TIMEOUT is \"soon\"", "number of seconds"]);
    assert_wrong(&json, "plan", &["\"baremetal_9\"", "set PLAN", "baremetal_0"]);
    assert_wrong(&json, "facility", &["\"ams9\"", "such as ams1"]);
    assert_eq!(found(&json, "facility").len(), 2);
    assert_only_asked(&bench);
}

#[test]
fn what_check_accepts_deploy_gets_and_what_it_does_not_deploy_does_not() {
    type Change = fn(HostTemplate) -> HostTemplate;
    const CASES: &[(&str, Change)] = &[
        ("", |t| t),
        ("", |t| t.without("FACILITY").with("METRO", "am")),
        ("", |t| t.with("FACILITY", "any")),
        ("", |t| t.with("PLAN", "c3.medium.x86").with("HARDWARE_RESERVATION", "next-available")),
        ("attributes", |t| t.without("PACKET_PROJECT")),
        ("attributes", |t| t.with("PACKET_PROJECT", "a/b")),
        ("attributes", |t| t.with("IP_ADDRESSES", "{")),
        ("project", |t| t.with("PACKET_PROJECT", common::UNKNOWN_ID)),
        ("token", |t| t.with("PACKET_TOKEN", "tok-of-somebody-else")),
        ("plan", |t| t.with("PLAN", "")),
        ("plan", |t| t.with("PLAN", "c3.huge")),
        ("operating system", |t| t.with("OS", "plan_9")),
        ("facility", |t| t.with("FACILITY", "ams1,atlantis")),
        ("metro", |t| t.with("METRO", "atlantis")),
        ("capacity", |t| t.with("FACILITY", "ewr1")),
        ("capacity", |t| t.without("FACILITY").with("METRO", "ty")),
        ("reservation", |t| t.with("HARDWARE_RESERVATION", "mine")),
    ];
    let cases: Vec<usize> = (0..CASES.len()).collect();
    each(&cases, |number| {
        let (about, change) = CASES[*number];
        let bench = Bench::new();
        bench.simulator.set_sold_out(&["ewr1", "nrt1"]);
        let template = change(template(7));
        let (code, json) = check_host(&bench, &template);
        assert_only_asked(&bench);
        let answer = bench.host(&template).deploy().unwrap();
        assert_eq!(code, Some(i32::from(!answer.is_success())), "{about}: {answer:?}\n{json:#}");
        if about == "plan" && template.provision["PLAN"].is_empty() {
            assert_wrong(&json, "attributes", &["PLAN"]);
        } else if !about.is_empty() {
            assert_wrong(&json, about, &[]);
        }
    });
}

#[test]
fn a_reservation_that_is_in_use_or_of_another_plan_is_told() {
    let bench = Bench::new();
    let reserved = |id| template(id).with("PLAN", "c3.medium.x86");
    let (_, json) = check_host(&bench, &reserved(1).with("HARDWARE_RESERVATION", "none"));
    let said = found(&json, "reservation").remove(0).1;
    let free = said.split("a free one: ").nth(1).unwrap();
    let ids: Vec<&str> = free.split(", ").collect();
    assert_eq!(ids.len(), 2, "{said}");
    let (code, json) = check_host(&bench, &template(2).with("HARDWARE_RESERVATION", ids[0]));
    assert_eq!(code, Some(1));
    assert_wrong(&json, "reservation", &["its server is a c3.medium.x86"]);
    let host = bench.host(&reserved(3).with("HARDWARE_RESERVATION", ids[0]));
    assert!(host.deploy().unwrap().is_success());
    let (_, json) = check_host(&bench, &reserved(4).with("HARDWARE_RESERVATION", ids[0]));
    assert_wrong(&json, "reservation", &["in use", ids[1]]);
    let (code, _) = check_host(&bench, &reserved(5).with("HARDWARE_RESERVATION", ids[1]));
    assert_eq!(code, Some(0));
}

#[test]
fn a_provider_or_oned_that_cannot_be_asked_is_no_acceptance() {
    let cases = [
        (Operation::Catalogue, "provider", Effect::status(500)),
        (Operation::Catalogue, "provider", Effect::Html5xx(502)),
        (Operation::Catalogue, "provider", Effect::Garbage),
        (Operation::Catalogue, "project", Effect::status(403)),
        (Operation::List, "machine", Effect::status(403)),
        (Operation::HostInfo, "oned", Effect::Garbage),
    ];
    each(&cases, |(operation, about, effect)| {
        let bench = Bench::new();
        let fault = Fault::new(*operation, effect.clone());
        bench.simulator.fault(fault.forever());
        let (code, json) = check_host(&bench, &template(7));
        assert_eq!(code, Some(1), "{json:#}");
        assert_wrong(&json, about, &[]);
    });
}

#[test]
fn without_oned_the_token_is_of_no_use_unless_the_environment_has_one() {
    let bench = Bench::new().set("ONE_XMLRPC", "http://127.0.0.1:9/RPC2");
    let (code, json) = check_host(&bench, &template(7));
    assert_eq!(code, Some(1));
    assert_wrong(&json, "oned", &["cannot be reached at http://127.0.0.1:9/RPC2", "start it"]);
    assert_wrong(&json, "attributes", &["PACKET_TOKEN"]);
    let bench = bench.set("PACKET_TOKEN", TOKEN);
    let (code, json) = check_host(&bench, &template(7));
    assert_eq!(code, Some(0), "{json:#}");
    assert_eq!(found(&json, "oned")[0].0, "warning");
}

#[test]
fn a_host_without_a_key_that_can_be_used_is_told() {
    let bench = Bench::new();
    let mut template = template(7);
    template.ssh_public_key = String::new();
    let (code, json) = check_host(&bench, &template);
    assert_eq!(code, Some(1));
    assert_wrong(&json, "ssh key", &["nobody could log in", "CONTEXT/SSH_PUBLIC_KEY"]);
    template.ssh_public_key = "ssh-rsa AAAAB3Nza test@one".to_owned();
    let (code, json) = check_host(&bench, &template);
    assert_eq!(code, Some(0));
    assert_eq!(found(&json, "ssh key")[0].0, "warning");
}

#[test]
fn a_host_with_a_machine_is_checked_for_that_machine() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    let answer = check(&bench, &["--host", "7"]);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains(&format!("powers on machine {id}")));
    assert!(answer.stdout.contains(&format!("{id} is active")));
    host.cancel().unwrap();
    let answer = check(&bench, &["--host", "7"]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    assert!(answer.stdout.contains(&format!("{id} is gone")));
}

#[test]
fn what_an_earlier_deploy_left_is_told() {
    let bench = Bench::new();
    let tag = common::identity(7);
    let device = bench.simulator.add_device(NewDevice::with_tags(PROJECT, ["OpenNebula", &tag]));
    let (code, json) = check_host(&bench, &template(7));
    assert_eq!(code, Some(0));
    assert_eq!(found(&json, "machine")[0].0, "warning");
    assert!(found(&json, "machine")[0].1.contains(&device.id));
    bench.simulator.add_device(NewDevice::with_tags(PROJECT, ["OpenNebula", &tag]));
    let (code, json) = check_host(&bench, &template(7));
    assert_eq!(code, Some(1));
    assert_wrong(&json, "machine", &["2 machines already", &device.id]);
}

#[test]
fn a_host_that_needs_no_network_is_checked_without_one() {
    let bench = Bench::new();
    let mut template = template(7).with("IP", "192.0.2.7");
    template.pm_mad = "dummy".to_owned();
    let (code, json) = check_host(&bench, &template);
    assert_eq!(code, Some(0), "{json:#}");
    assert!(bench.simulator.requests().is_empty());
}

#[test]
fn what_cannot_be_checked_is_an_error_as_that_of_any_action() {
    let bench = Bench::new();
    let cases: [(&[&str], &str); 6] = [
        (&[], "give a deployment file, a provision template, or --host ID"),
        (&["/nonexistent"], "cannot be read"),
        (&["--host", "many"], "which is no number"),
        (&["--host", "99"], "no such host"),
        (&["--verbos"], "there is no option --verbos: did you mean --verbose? see `pm-packet check --help`"),
        (&["a", "--host", "1"], "give a deployment file, a provision template, or --host ID"),
    ];
    for (words, part) in cases {
        common::assert_failure_with(&check(&bench, words), &["check: ", part]);
    }
}
