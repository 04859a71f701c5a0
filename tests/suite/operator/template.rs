//! `pm-packet check` of a provision template: what `oneprovision create` would make of it, before it exists.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use nix::pty::openpty;
use serde_json::Value;
use simulator::oneprovision::Answer;
use simulator::{HostTemplate, Operation, PROJECT, TOKEN};

use crate::common::{self, Bench, finish};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl front-end";

/// The defaults that the hosts of a template need, and then these lines.
fn template(bench: &Bench, rest: &str) -> String {
    let key = bench.file("id.pub", KEY);
    format!(
        "---\nname: edge\ndefaults:\n  provision:\n    driver: packet\n    packet_token: {TOKEN}\n    packet_project: {PROJECT}\n    \
         facility: ams1\n    plan: baremetal_0\n    os: centos_7\n  connection:\n    public_key: {key}\n    \
         private_key: {key}\n{rest}"
    )
}

/// A host of that name, and then these lines of its section `provision`.
fn host(name: &str, rest: &str) -> String {
    format!("  - im_mad: kvm\n    vm_mad: kvm\n    provision:\n      hostname: {name}\n{rest}")
}

fn check(bench: &Bench, words: &[&str]) -> Answer {
    finish(bench.explicit(&[&["check"], words].concat()).spawn().unwrap())
}

/// `check -` with this on STDIN.
fn check_stdin(bench: &Bench, words: &[&str], text: impl AsRef<[u8]>) -> Answer {
    let mut command = bench.explicit(&[&["check", "-"], words].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let text = text.as_ref().to_vec();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&text)));
    let answer = finish(child);
    writer.join().unwrap();
    answer
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// What was found of a host about something.
fn found<'a>(host: &'a Value, about: &str) -> Vec<(&'a str, &'a str)> {
    let findings = host["findings"].as_array().unwrap().iter().filter(|one| one["about"] == about);
    findings.map(|one| (one["verdict"].as_str().unwrap(), one["what"].as_str().unwrap())).collect()
}

#[test]
fn each_host_of_a_template_is_checked_before_there_is_any() {
    let bench = Bench::new();
    let hosts = [
        host("edge-1", ""),
        host("edge-2", "      plan: baremetal_9\n      packet_tokn: misspelt-secret\n"),
        host("edge-3", ""),
    ];
    let file = bench.file("packet.yaml", &template(&bench, &format!("hosts:\n{}", hosts.concat())));
    let answer = check(&bench, &[&file]);
    assert_eq!(answer.status.code(), Some(1), "{answer:?}");
    for part in [
        "Host 1 of 3 of the template: edge-1\n",
        "PM_MAD  packet",
        "PLAN            baremetal_0",
        "PACKET_TOKEN    (not shown)",
        "REMOTE_USER  root",
        "OpenNebula, ONE_PROVISION_HOST=PROVISION_ID:ID",
        "ok       account           PACKET_TOKEN of the template",
        "A deploy would be accepted.\n",
        "Host 2 of 3 of the template: edge-2\n",
        "packet does not read PACKET_TOKN",
        "the provider knows no plan called \"baremetal_9\"",
        "A deploy would fail: one thing is WRONG.\n",
        "Host 3 of 3 of the template: edge-3\n\nAs host 1, but for its name.\n",
        "Of 3 hosts one would fail: host 2.\n",
    ] {
        assert!(answer.stdout.contains(part), "no {part:?}:\n{}", answer.stdout);
    }
    for secret in [TOKEN, "misspelt-secret"] {
        assert!(!answer.stdout.contains(secret), "{}", answer.stdout);
    }
    let json = json(&check(&bench, &["--json", &file]));
    assert_eq!(json["accepted"], false);
    let accepted: Vec<&Value> = json["hosts"].as_array().unwrap().iter().map(|host| &host["accepted"]).collect();
    assert_eq!(accepted, [true, false, true]);
    assert_eq!(json["hosts"][2]["called"], "host 3 of 3 of the template: edge-3");
    assert_eq!(json["hosts"][2]["sections"]["provision"]["HOSTNAME"], "edge-3");
    // Nothing was changed, oned was not asked, and the same was not asked twice.
    let requests = bench.simulator.requests();
    assert!(requests.iter().all(|request| request.method == "GET"), "{requests:?}");
    assert_eq!(bench.count(Operation::List), 2 * 2);
    bench.assert_books(&[]);
}

#[test]
fn what_check_says_of_a_template_holds_for_its_hosts() {
    let bench = Bench::new();
    let cases = ["", "      os: plan_9\n", "      always_pxe: maybe\n", "      facility: [ams1]\n", "      os:\n"];
    for (number, lines) in (1..).zip(cases) {
        let text = template(&bench, &format!("hosts:\n{}", host("centos-host", lines)));
        let answer = check_stdin(&bench, &[], &text);
        let template = HostTemplate::new(number);
        let deployed = match number {
            1 => template,
            2 => template.with("OS", "plan_9"),
            3 => template.with("ALWAYS_PXE", "maybe"),
            4 => template.with("FACILITY", "[\"ams1\"]"),
            _ => template.with("OS", ""),
        };
        let deployed = bench.host(&deployed).deploy().unwrap();
        assert_eq!(answer.status.code(), Some(i32::from(!deployed.is_success())), "{lines}: {answer:?} {deployed:?}");
        assert!(answer.stdout.starts_with("Host of the template: centos-host\n"), "{answer:?}");
    }
}

#[test]
fn a_template_may_extend_others() {
    let bench = Bench::new();
    let base = bench.file("base.yaml", &template(&bench, &format!("hosts:\n{}", host("edge-1", ""))));
    let own = format!(
        "extends: {base}\nname: mine\ndefaults:\n  provision:\n    plan: c3.medium.x86\nhosts:\n{}",
        host("edge-2", "")
    );
    let answer = check_stdin(&bench, &["--json"], &own);
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    let json = json(&answer);
    let plans: Vec<&Value> =
        json["hosts"].as_array().unwrap().iter().map(|host| &host["sections"]["provision"]["PLAN"]).collect();
    assert_eq!(plans, ["c3.medium.x86", "c3.medium.x86"]);
    let listed = format!("extends:\n- {base}\nhosts:\n{}", host("edge-2", ""));
    assert_eq!(check_stdin(&bench, &[], &listed).status.code(), Some(0));

    let circle = bench.file("circle.yaml", "hosts: []\n");
    bench.file("circle.yaml", &format!("extends: {circle}\n"));
    let cases = [
        (format!("extends: {circle}\n"), ["circle.yaml extends ", "which extends it in turn"]),
        (
            "extends: nowhere/base.yaml\n".to_owned(),
            ["STDIN extends nowhere/base.yaml, which cannot be read", "absolute"],
        ),
        (format!("extends: [{}]\n", format!("{base}, ").repeat(16)), ["more than 16 files", "extend fewer"]),
        ("extends: /dev/zero\n".to_owned(), ["which cannot be read", "it is no regular file"]),
    ];
    for (text, parts) in cases {
        common::assert_failure_with(&check_stdin(&bench, &[], &text), &parts);
    }
}

#[test]
fn the_content_decides_and_not_the_name() {
    let bench = Bench::new();
    let xml = std::fs::read_to_string(bench.host(&HostTemplate::new(7)).write_deployment_file().unwrap()).unwrap();
    let yaml = template(&bench, &format!("hosts:\n{}", host("edge-1", "")));
    for (name, text, first) in [
        ("host.yaml", xml.clone(), "Host\n"),
        ("mark.xml", format!("\u{feff}\r\n {xml}"), "Host\n"),
        ("template.xml", yaml.clone(), "Host of the template: edge-1\n"),
        ("mark.yaml", format!("\u{feff}{}", yaml.replace('\n', "\r\n")), "Host of the template: edge-1\n"),
    ] {
        for answer in [check(&bench, &[&bench.file(name, &text)]), check_stdin(&bench, &[], &text)] {
            assert_eq!(answer.status.code(), Some(0), "{name}: {answer:?}");
            assert!(answer.stdout.starts_with(first), "{name}: {answer:?}");
        }
    }
    common::assert_failure_with(&check_stdin(&bench, &[], " \n"), &["check: STDIN brings nothing: send "]);
    common::assert_failure_with(
        &check_stdin(&bench, &["--fence"], &yaml),
        &["check: a host of a provision template cannot be fenced", "give --host ID"],
    );
    let terminal = openpty(None, None).unwrap();
    let mut command = bench.explicit(&["check", "-"]);
    let answer = finish(command.stdin(Stdio::from(terminal.slave)).spawn().unwrap());
    common::assert_failure_with(&answer, &["check: STDIN is a terminal: give the path of a file"]);
}

#[test]
fn whose_credentials_are_used_is_told() {
    let said = |json: &Value| found(json, "account").iter().map(|(_, what)| (*what).to_owned()).collect::<Vec<_>>();
    let of_host = |bench: &Bench| {
        let file = bench.host(&HostTemplate::new(7)).write_deployment_file().unwrap();
        said(&json(&check(bench, &["--json", &file])))
    };
    let bench = Bench::new();
    assert_eq!(of_host(&bench), ["PACKET_TOKEN of host 7, from oned"]);
    assert_eq!(said(&json(&check(&bench, &["--json", "--host", "7"]))), ["PACKET_TOKEN of host 7, from oned"]);
    let file = bench.host(&HostTemplate::new(8)).write_deployment_file().unwrap();
    let xml = std::fs::read_to_string(file).unwrap().replace("<ID>8</ID>", "");
    assert_eq!(said(&json(&check_stdin(&bench, &["--json"], xml))), ["PACKET_TOKEN of the deployment file"]);

    let bare = template(&bench, &format!("hosts:\n{}", host("edge-1", "")));
    let bare: String =
        bare.lines().filter(|line| !line.contains("packet_token")).map(|line| format!("{line}\n")).collect();
    let answer = check_stdin(&bench, &["--json"], &bare);
    assert_eq!((answer.status.code(), said(&json(&answer)["hosts"][0]).len()), (Some(1), 0));
    let bench = bench.set("ONE_XMLRPC", "http://127.0.0.1:9/RPC2").set("PACKET_TOKEN", TOKEN);
    assert_eq!(of_host(&bench), ["PACKET_TOKEN of the environment"]);
    assert_eq!(said(&json(&check_stdin(&bench, &["--json"], &bare))["hosts"][0]), ["PACKET_TOKEN of the environment"]);
}

#[test]
fn what_oneprovision_would_refuse_is_told_before_it_does() {
    let bench = Bench::new();
    let hosts = "hosts:\n  - im_mad: kvm\n    provision: {}\n  - {vm_mad: kvm, im_mad: kvm}\n";
    let json = json(&check_stdin(&bench, &["--json"], template(&bench, hosts).replace("driver: packet", "version: 1")));
    let told =
        |at: usize| found(&json["hosts"][at], "template").iter().map(|(_, what)| *what).collect::<Vec<_>>().join("; ");
    for part in ["the host has no vm_mad", "no hostname", "no driver is named"] {
        assert!(told(0).contains(part), "{part}: {json:#}");
    }
    assert!(told(1).contains("no hostname"), "{json:#}");
    let unknown =
        template(&bench, &format!("hosts:\n{}", host("edge-1", ""))).replace("driver: packet", "driver: pakcet");
    let answer = check_stdin(&bench, &[], unknown);
    assert_eq!(answer.status.code(), Some(1));
    assert!(answer.stdout.contains("WRONG  driver") && answer.stdout.contains("pakcet"), "{answer:?}");
}

#[test]
fn a_template_that_every_user_can_read_is_told() {
    let bench = Bench::new();
    let file = bench.file("packet.yaml", &template(&bench, &format!("hosts:\n{}", host("edge-1", ""))));
    let told = || found(&json(&check(&bench, &["--json", &file]))["hosts"][0], "file").len();
    assert_eq!(told(), 0);
    common::set_mode(std::path::Path::new(&file), 0o644);
    assert_eq!(told(), 1);
}

#[test]
fn hostile_templates_end_soon_in_one_line_that_quotes_nothing() {
    let bench = Bench::new();
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{},", level - 1).repeat(10);
        laughs.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
    }
    let defaults = format!("defaults: {{provision: {{a: &a {}}}}}\n", "x".repeat(1 << 20));
    let cases: [(&str, Vec<u8>); 12] = [
        ("nested deeper than 64", "[".repeat(4 << 20).into_bytes()),
        ("nested deeper than 64", "- ".repeat(2 << 20).into_bytes()),
        ("more than 100000 values", laughs.into_bytes()),
        ("more than 100000 values", format!("hosts:\n{}", "- a\n".repeat(200_000)).into_bytes()),
        ("more than 1000 hosts", format!("hosts:\n{}", "- {}\n".repeat(2_000)).into_bytes()),
        ("attributes, or 67108864 bytes", format!("{defaults}hosts:\n{}", "- {}\n".repeat(900)).into_bytes()),
        ("it has a NUL character", b"a: secret-1\0\n".to_vec()),
        ("it is larger than 4194304 bytes", vec![b'a'; (4 << 20) + 1]),
        ("a tab stands where only blanks may indent, at line 2", b"a:\n\tb: secret-1\n".to_vec()),
        ("it is no YAML, at line 1 column", b"a: b: secret-1\n".to_vec()),
        ("nor a provision template: give", b"secret-1\n".to_vec()),
        ("it is in UTF-16: save it as UTF-8", b"\xff\xfea\0:\0".to_vec()),
    ];
    for (part, text) in cases {
        let answer = check_stdin(&bench, &[], text);
        let first = common::assert_failure_with(&answer, &[part]);
        assert!(!first.contains("secret-1") && first.len() < 400, "{first}");
        assert!(answer.elapsed < Duration::from_secs(5), "{part}: {answer:?}");
    }
    assert!(bench.simulator.requests().is_empty());
    let strange = "      \"\\e[31m\": x\n      \"\\u202e\": x\n      description: \"\\e[31m\\n\\u202e\"\n";
    let answer = check_stdin(&bench, &[], template(&bench, &format!("hosts:\n{}", host("\"a\\e[31m\\nb\"", strange))));
    assert!(!answer.stdout.contains(['\x1b', '\u{202e}']), "{answer:?}");
}
