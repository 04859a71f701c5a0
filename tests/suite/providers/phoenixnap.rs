//! Hosts at phoenixNAP, through the links, beside its stub.

use std::time::{Duration, Instant};

use crate::common;
use crate::common::{Bench, assert_failure_with, assert_success, assert_warned, finish, until};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simulator::oneprovision::{self, Host};
use simulator::stub::{Object, Stub, StubOptions};
use simulator::{Effect, Fault, HostTemplate, Operation};

const ID: i32 = 7;
/// No server has it.
const UNKNOWN_ID: &str = "6008c14dba6d0e7bdb157b7b";
/// The value of the tag by which the server of host 7 is found.
const MARK: &str = "7a15cf52-8e99-4887-a6a6-ebf8d8536437-7";
const GONE: &str = "is gone: delete the host and create it anew";

/// A front-end beside the stub, on a clock that runs twenty times as fast: that a server is gone is proven by a listing that
/// has had the time to show a new one, a minute.
struct Cloud {
    stub: Stub,
    bench: Bench,
}

impl Cloud {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(set: &[(&'static str, u64)]) -> Self {
        let options = StubOptions { set: set.to_vec(), ..StubOptions::default() };
        Self { stub: Stub::start("phoenixnap", options).unwrap(), bench: Bench::new().lapsing_by(20, "400") }
    }

    fn set(self, name: &str, value: &str) -> Self {
        Self { bench: self.bench.set(name, value), ..self }
    }

    fn template(&self) -> HostTemplate {
        HostTemplate::phoenixnap(ID, &self.stub.url())
    }

    fn host(&self) -> Host<'_> {
        self.bench.host(&self.template())
    }

    fn deployed(&self) -> (Host<'_>, String) {
        let host = self.host();
        let id = deploy(&host);
        (host, id)
    }

    /// The servers that are there, or on their way to be.
    fn billed(&self) -> Vec<String> {
        let servers = self.stub.objects("server").into_iter();
        let is_billed = |one: &Object| !one.is_gone && !["deleting", "reserved"].contains(&one.text("status").as_str());
        servers.filter(is_billed).map(|one| one.id()).collect()
    }

    fn server(&self, id: &str) -> Object {
        self.stub.objects("server").into_iter().find(|one| one.id() == id).unwrap()
    }

    fn count(&self, operation: Operation) -> usize {
        let requests = self.stub.requests();
        requests.iter().filter(|r| r.operation == operation).count()
    }

    /// How many requests came that are not read only, for a path that ends so.
    fn posts(&self, end: &str) -> usize {
        let requests = self.stub.requests();
        requests.iter().filter(|r| r.method == "POST" && r.path.ends_with(end)).count()
    }

    fn fault(&self, operation: Operation, effect: Effect) {
        self.stub.fault(Fault::new(operation, effect));
    }

    /// What `check` finds of a host: the exit code, and all findings.
    fn check(&self, template: &HostTemplate) -> (Option<i32>, Vec<Value>) {
        let file = self.bench.host(template).write_deployment_file().unwrap();
        let answer = finish(self.bench.explicit(&["check", "--json", &file]).spawn().unwrap());
        let found: Value = serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{answer:?}"));
        (answer.status.code(), found["findings"].as_array().unwrap().clone())
    }
}

fn deploy(host: &Host<'_>) -> String {
    let answer = host.deploy().unwrap();
    assert_success(&answer).to_owned()
}

fn refusal(status: u16, message: &str) -> Effect {
    Stub::refusal("phoenixnap", status, &[("message", message)]).unwrap()
}

/// What was found about something: the verdict, and what it says.
fn found(findings: &[Value], about: &str) -> (String, String) {
    let one = findings.iter().find(|one| one["about"] == about).unwrap_or_else(|| panic!("{about}: {findings:#?}"));
    let text = |name: &str| one[name].as_str().unwrap().to_owned();
    (text("verdict"), format!("{} -> {}", text("what"), text("remedy")))
}

#[test]
fn a_host_is_deployed_polled_rebooted_reset_powered_off_resumed_and_cancelled() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    assert_eq!(cloud.billed(), [id.as_str()]);
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    let server = cloud.server(&id);
    let public = server.text("public_ip");
    let expected = [
        ("CPU", "600".to_owned()),
        ("MEMORY", (64 << 20).to_string()),
        ("STATE", "RUNNING".to_owned()),
        ("GUEST_IP_ADDRESSES", format!("\"{public},{}\"", server.text("private_ip"))),
        ("OS", "\"ubuntu/jammy\"".to_owned()),
        ("TYPE", "\"s1.c1.small\"".to_owned()),
        ("LOCATION", "\"PHX\"".to_owned()),
        ("PRICING_MODEL", "\"HOURLY\"".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(values.get(name), Some(&value), "{name}");
    }
    assert_eq!(oneprovision::host_name_5_12(&values), Some(public));
    for answer in [host.reboot(), host.reset(), host.poweroff(), host.poweroff()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(cloud.server(&id).text("status"), "powered-off");
    let (_, values) = host.poll().unwrap();
    assert_eq!(values.get("STATE").map(String::as_str), Some("POWEROFF"));
    for _ in 0..2 {
        assert_eq!(assert_success(&host.resume().unwrap()), id);
    }
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    let server = cloud.server(&id);
    assert!(server.is_gone);
    assert_eq!(server.text("has_left_block"), "false", "the addresses that the order bought go with it");
}

#[test]
fn an_order_has_the_hosts_keys_alone_and_the_tags_in_the_alphabet_of_the_api() {
    let cloud = Cloud::new();
    let template = cloud
        .template()
        .with("TAGS", "team=blue,plain,ONE_HOST_ID=8")
        .with("USERDATA", "#!/bin/sh\ntrue\n")
        .with("NETWORK_TYPE", "PUBLIC_ONLY");
    let answer = cloud.bench.host(&template).deploy().unwrap();
    let id = assert_warned(&answer, "WARNING: TAGS has \"ONE_HOST_ID=8\"").to_owned();
    let server = cloud.server(&id);
    for (name, value) in [
        ("hostname", "edge-1"),
        ("pricing_model", "HOURLY"),
        ("network_type", "PUBLIC_ONLY"),
        ("has_default_keys", "false"),
        ("is_forced", "false"),
        ("ssh_keys", r#"["ssh-rsa AAAAB3Nza test@one"]"#),
        ("user_data", "IyEvYmluL3NoCnRydWUK"),
    ] {
        assert_eq!(server.text(name), value, "{name}");
    }
    let tags = json!([
        { "name": "team", "value": "blue" },
        { "name": "plain" },
        { "name": "OpenNebula" },
        { "name": "ONE_HOST_ID", "value": "7" },
        { "name": "ONE_PROVISION_HOST", "value": MARK },
    ]);
    assert_eq!(server.fields["tags"], tags);
}

#[test]
fn a_host_without_a_hostname_gets_one_that_tells_the_host() {
    let cloud = Cloud::new();
    let id = deploy(&cloud.bench.host(&cloud.template().without("HOSTNAME")));
    assert_eq!(cloud.server(&id).text("hostname"), format!("one-{MARK}"));
}

#[test]
fn a_tag_is_made_once_in_the_account_and_stays() {
    let cloud = Cloud::new();
    let (host, _) = cloud.deployed();
    let names = || cloud.stub.objects("tag").iter().map(|tag| tag.text("name")).collect::<Vec<_>>();
    let made = ["Environment", "OpenNebula", "ONE_HOST_ID", "ONE_PROVISION_HOST"];
    assert_eq!(names(), made);
    assert_success(&host.cancel().unwrap());
    let template = HostTemplate::phoenixnap(8, &cloud.stub.url()).with("TAGS", "team=blue,Environment=lab");
    deploy(&cloud.bench.host(&template));
    assert_eq!(names(), [&made[..], &["team"]].concat());
    assert_eq!(cloud.posts("/tags"), 4);
    assert!(cloud.stub.objects("tag").iter().skip(1).all(|tag| tag.text("is_billing") == "false"));
}

#[test]
fn a_tag_that_somebody_else_makes_meanwhile_is_as_good() {
    let cloud = Cloud::new();
    let order = json!({ "name": "OpenNebula", "isBillingTag": false });
    let Effect::Status(exists) = refusal(409, "The request failed since a tag with the given name already exists.")
    else {
        panic!("a refusal is a status");
    };
    // After the token, the look for the server, and that for tags.
    cloud.stub.fault(Fault::new(Operation::Api, Effect::StatusAfter(exists)).skip(3));
    let (_, id) = cloud.deployed();
    assert_eq!(cloud.billed(), [id]);
    let sent = cloud.stub.requests().into_iter().find(|r| r.method == "POST" && r.path.ends_with("/tags")).unwrap();
    assert_eq!((sent.status, serde_json::from_str::<Value>(&sent.body).unwrap()), (Some(409), order));
}

#[test]
fn an_order_waits_until_new_tags_are_known() {
    let cloud = Cloud::with(&[("tagging", 1500)]);
    let (_, id) = cloud.deployed();
    assert_eq!(cloud.billed(), [id]);
    assert!(cloud.count(Operation::Create) > 1);
    assert_eq!(cloud.posts("/tags"), 3);
}

#[test]
fn a_deploy_that_was_killed_before_its_order_leaves_nothing_but_the_accounts_tags() {
    let cloud = Cloud::new();
    let host = cloud.host();
    cloud.fault(Operation::Create, Effect::Hang);
    let file = host.write_deployment_file().unwrap();
    let child = cloud.bench.command_of("phoenixnap", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is about to order", || cloud.count(Operation::Create) == 1);
    common::signal(&child, Signal::SIGKILL);
    finish(child);
    assert!(cloud.stub.objects("server").is_empty());
    // That nothing came of it is known after two minutes.
    let id = deploy(&host);
    assert_eq!(cloud.billed(), [id]);
    assert_eq!(cloud.posts("/tags"), 3);
}

#[test]
fn an_order_whose_answer_is_lost_is_found_by_its_tag() {
    let cloud = Cloud::with(&[("lag", 300)]);
    cloud.fault(Operation::Create, Effect::DropAfter { reset: true });
    let (_, id) = cloud.deployed();
    assert_eq!((cloud.count(Operation::Create), cloud.billed()), (1, vec![id]));
    let asked = format!("/bmc/v1/servers?tag=ONE_PROVISION_HOST.{MARK}");
    assert!(cloud.stub.requests().iter().any(|r| r.path == asked));
}

#[test]
fn a_token_that_expires_in_the_wait_is_fetched_anew() {
    let cloud = Cloud::with(&[("token", 400), ("creating", 1800)]);
    let (host, id) = cloud.deployed();
    assert_success(&host.cancel().unwrap());
    assert!(cloud.server(&id).is_gone);
    let expired = cloud.stub.requests().iter().filter(|r| r.status == Some(401)).count();
    assert!(expired > 0 && cloud.posts("/token") > expired, "{expired}");
}

#[test]
fn wrong_credentials_are_told_at_once_and_no_secret_is_ever_printed() {
    let cloud = Cloud::new().set("PM_LOG", "debug");
    let wrong = cloud.template().with("PNAP_CLIENT_SECRET", "another-secret-0123");
    let answer = cloud.bench.host(&wrong).deploy().unwrap();
    let parts = ["Invalid client", "status 401", "check PNAP_CLIENT_ID and PNAP_CLIENT_SECRET"];
    assert_failure_with(&answer, &parts);
    let right = cloud.bench.host(&HostTemplate::phoenixnap(8, &cloud.stub.url())).deploy().unwrap();
    assert!(right.is_success(), "{right:?}");
    let tokens: Vec<String> = cloud.stub.objects("token").iter().map(Object::id).collect();
    assert_eq!(tokens.len(), 1);
    for said in [format!("{answer:?}"), format!("{right:?}")] {
        for secret in ["another-secret-0123", "Y2xpZW50OnNlY3JldA", "YW5vdGhlci1zZWNyZXQ", &tokens[0]] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn a_refusal_for_good_ends_it_with_one_order() {
    struct Case(u16, &'static str, &'static [&'static str]);
    let cases = [
        Case(403, "The account is blocked.", &["The account is blocked.", "the scopes bmc and tags"]),
        Case(400, "The request failed due to wrong data.", &["wrong data", "section provision"]),
        Case(409, "The resource is in an incompatible state.", &["incompatible state"]),
        Case(406, "There are currently no servers available.", &["no servers available", "set TYPE or LOCATION"]),
    ];
    for Case(status, message, parts) in cases {
        let cloud = Cloud::new();
        cloud.fault(Operation::Create, refusal(status, message));
        let started = Instant::now();
        assert_failure_with(&cloud.host().deploy().unwrap(), parts);
        assert!(started.elapsed() < Duration::from_secs(3), "{message}");
        assert_eq!((cloud.count(Operation::Create), cloud.billed()), (1, vec![]), "{message}");
    }
}

#[test]
fn what_is_out_of_stock_is_said_in_the_first_line_and_before_by_check() {
    let cloud = Cloud::new();
    let template = cloud.template().with("TYPE", "d2.c5.large").with("LOCATION", "ASH");
    let (code, findings) = cloud.check(&template);
    assert_eq!(code, Some(1));
    let (verdict, said) = found(&findings, "stock");
    assert_eq!(verdict, "wrong");
    assert_eq!(said, "no d2.c5.large is free in ASH -> wait, or set TYPE to another one");
    let answer = cloud.bench.host(&template).deploy().unwrap();
    let parts =
        ["no servers available for the selected instance type", "status 406", "set TYPE or LOCATION to another one"];
    assert_failure_with(&answer, &parts);
    assert_eq!(cloud.count(Operation::Create), 1);
}

#[test]
fn a_server_that_fails_is_rolled_back_with_its_state() {
    let cloud = Cloud::new();
    cloud.fault(Operation::Create, Effect::FailProvisioning);
    let answer = cloud.host().deploy().unwrap();
    assert_failure_with(&answer, &["the machine is in state error", "was deleted again", "another place"]);
    assert_eq!((cloud.count(Operation::Create), cloud.billed()), (1, vec![]));
}

#[test]
fn a_server_that_is_not_deprovisioned_while_it_is_created_is_rolled_back_all_the_same() {
    let cloud = Cloud::with(&[("creating", 1000), ("holding", 1)]);
    let file = cloud.host().write_deployment_file().unwrap();
    let child = cloud.bench.command_of("phoenixnap", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is looked at", || cloud.count(Operation::Get) > 0);
    common::signal(&child, Signal::SIGTERM);
    assert_failure_with(&finish(child), &["SIGTERM", "was deleted again"]);
    assert!(cloud.count(Operation::Delete) > 1);
    assert_eq!(cloud.billed(), [""; 0]);
}

#[test]
fn a_reservation_that_is_left_of_a_server_is_no_machine() {
    let cloud = Cloud::new();
    let template = cloud.template().with("PRICING_MODEL", "ONE_MONTH_RESERVATION");
    let host = cloud.bench.host(&template);
    let first = deploy(&host);
    for answer in [host.cancel(), host.cancel()] {
        assert_success(&answer.unwrap());
    }
    assert_eq!(cloud.server(&first).text("status"), "reserved");
    for answer in [host.poll().unwrap().0, host.reboot().unwrap()] {
        assert_failure_with(&answer, &[&first, "delete the host and create it anew"]);
    }
    // It carries the tag of the host still.
    cloud.bench.simulator.oned().set_provision(ID, "DEPLOY_ID", "").unwrap();
    let second = deploy(&host);
    assert_ne!(first, second);
    assert_eq!(cloud.billed(), [second.as_str()]);
    let answer = finish(cloud.bench.explicit(&["list", "--all"]).spawn().unwrap());
    assert!(answer.stdout.contains(&second) && !answer.stdout.contains(&first), "{answer:?}");
}

#[test]
fn a_server_that_is_gone_is_gone_for_every_action() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    let run = |action: &str, id: &str| {
        let words = match action {
            "shutdown" => vec![id, "host", "SHUTDOWN_POWEROFF", "7", "host"],
            _ => vec![id, "host", "7", "host"],
        };
        cloud.bench.oneprovision.run("phoenixnap", action, &words).unwrap()
    };
    assert_success(&host.cancel().unwrap());
    for gone in [id.as_str(), UNKNOWN_ID] {
        for action in ["poll", "reboot", "reset", "shutdown"] {
            assert_failure_with(&run(action, gone), &[gone, GONE]);
        }
        assert_success(&run("cancel", gone));
    }
}

#[test]
fn a_denial_alone_proves_nothing() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    let denied = "The request failed since this resource cannot be accessed by the provided credentials.";
    for effect in [Effect::Html5xx(404), Effect::Html5xx(403), refusal(403, denied), refusal(404, "Not Found")] {
        cloud.fault(Operation::Delete, effect.clone());
        cloud.stub.fault(Fault::new(Operation::Get, effect.clone()).times(2));
        for answer in [host.poll().unwrap().0, host.cancel().unwrap()] {
            assert_failure_with(&answer, &[&id, "(status 40"]);
        }
        assert_success(&host.poll().unwrap().0);
        assert_eq!(cloud.billed(), [id.as_str()], "{effect:?}");
    }
}

#[test]
fn a_reboot_of_a_server_that_is_off_is_refused_at_once() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    assert_success(&host.poweroff().unwrap());
    let started = Instant::now();
    let parts = [&id, "incompatible state", "resume it with `oneprovision host resume 7`"];
    assert_failure_with(&host.reboot().unwrap(), &parts);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let cloud = Cloud::with(&[("powering", 600)]);
    let (host, id) = cloud.deployed();
    let mut command = cloud.bench.command_of("phoenixnap", "shutdown", &[&id, "h", "SHUTDOWN_POWEROFF", "7", "h"]);
    let child = command.spawn().unwrap();
    until("it is on its way off", || cloud.server(&id).text("is_busy") == "true");
    assert_success(&host.poweroff().unwrap());
    assert_eq!(cloud.server(&id).text("status"), "powered-off");
    assert_success(&finish(child));
}

#[test]
fn all_that_is_missing_or_wrong_is_named_at_once_and_nobody_is_asked() {
    let cloud = Cloud::new();
    let names = ["PNAP_CLIENT_ID", "PNAP_CLIENT_SECRET", "TYPE", "LOCATION", "OS"];
    let empty = names.iter().fold(cloud.template(), |template, name| template.without(name));
    assert_failure_with(&cloud.bench.host(&empty).deploy().unwrap(), &names);
    let template = HostTemplate::phoenixnap(8, &cloud.stub.url())
        .with("HOSTNAME", "edge_1")
        .with("TAGS", "team=blue & red")
        .with("OS", "esxi/esxi80")
        .with("USERDATA", "#!/bin/sh\ntrue");
    let answer = cloud.bench.host(&template).deploy().unwrap();
    let parts = [
        "HOSTNAME is \"edge_1\": write up to 100 letters",
        "TAGS has \"team=blue & red\": write name or name=value",
        "USERDATA is not taken by the operating system \"esxi/esxi80\": leave it out",
    ];
    assert_failure_with(&answer, &parts);
    assert!(cloud.stub.requests().is_empty());
}

#[test]
fn check_finds_a_good_order_good_and_changes_nothing() {
    let cloud = Cloud::new();
    let (code, findings) = cloud.check(&cloud.template().without("HOSTNAME"));
    assert_eq!(code, Some(0), "{findings:#?}");
    for (about, said) in [
        ("credentials", "accepted"),
        ("tags", "deploy makes OpenNebula, ONE_HOST_ID, ONE_PROVISION_HOST"),
        ("location", "PHX"),
        ("type", "s1.c1.small"),
        ("stock", "10 are free in PHX"),
        ("host name", "one-7a15"),
    ] {
        let (verdict, told) = found(&findings, about);
        assert!(verdict == "ok" && told.starts_with(said), "{about}: {verdict} {told}");
    }
    assert!(cloud.stub.requests().iter().all(|r| r.method == "GET" || r.path.ends_with("/token")));
    deploy(&cloud.host());
    assert_eq!(
        found(&cloud.check(&HostTemplate::phoenixnap(8, &cloud.stub.url())).1, "tags").1,
        "the account has them -> "
    );
}

#[test]
fn check_offers_names_that_are_near_and_says_what_is_a_commitment() {
    let cloud = Cloud::new();
    let mut template = cloud
        .template()
        .with("TYPE", "s1.c1.smal")
        .with("LOCATION", "phx")
        .with("OS", "ubuntu/jamy")
        .with("PRICING_MODEL", "TWELVE_MONTHS_RESERVATION")
        .with("NETWORK_TYPE", "PRIVATE_ONLY");
    template.ssh_public_key = String::new();
    let (code, findings) = cloud.check(&template);
    assert_eq!(code, Some(1));
    for (about, verdict, said) in [
        ("type", "wrong", "set TYPE to another one, such as s1.c1.small"),
        ("location", "wrong", "set LOCATION to another one, such as "),
        ("operating system", "warning", "near are ubuntu/jammy"),
        ("pricing", "warning", "is a commitment"),
        ("network", "warning", "no public address"),
        ("ssh key", "wrong", "nobody could log in"),
    ] {
        let (own, told) = found(&findings, about);
        assert!(own == verdict && told.contains(said), "{about}: {own} {told}");
    }
    let (_, findings) = cloud.check(&HostTemplate::phoenixnap(8, &cloud.stub.url()).with("LOCATION", "NLD"));
    let (verdict, said) = found(&findings, "stock");
    assert_eq!(verdict, "wrong");
    assert_eq!(
        said,
        "no s1.c1.small is free in NLD -> set LOCATION to a place that has some (ASH, PHX), or TYPE to another one"
    );
    let other = HostTemplate::phoenixnap(9, &cloud.stub.url()).with("LOCATION", "NLD").with("TYPE", "s1.c1.medium");
    let (_, findings) = cloud.check(&other);
    assert!(found(&findings, "stock").1.starts_with("s1.c1.medium is not sold in NLD -> set LOCATION"));
}

#[test]
fn check_says_what_the_credentials_may_not() {
    let cloud = Cloud::new();
    let wrong = cloud.template().with("PNAP_CLIENT_SECRET", "another-secret-0123");
    let (code, findings) = cloud.check(&wrong);
    assert_eq!(code, Some(1));
    let (verdict, said) = found(&findings, "credentials");
    assert!(verdict == "wrong" && said.ends_with("check PNAP_CLIENT_ID and PNAP_CLIENT_SECRET"), "{said}");
    let denied = "The request failed since this resource cannot be accessed by the provided credentials.";
    // Of the tags, which all orders need, and of the stock, which none does.
    cloud.stub.fault(Fault::new(Operation::Catalogue, refusal(403, denied)));
    cloud.stub.fault(Fault::new(Operation::Catalogue, refusal(403, denied)).skip(2));
    let (code, findings) = cloud.check(&HostTemplate::phoenixnap(8, &cloud.stub.url()));
    assert_eq!(code, Some(1));
    let (verdict, said) = found(&findings, "tags");
    assert!(verdict == "wrong" && said.ends_with("have the scopes bmc and tags"), "{said}");
    assert_eq!(found(&findings, "stock").0, "warning");
}

#[test]
fn list_shows_opennebulas_servers_alone_wherever_they_stand() {
    let cloud = Cloud::new();
    let (_, id) = cloud.deployed();
    let far = HostTemplate::phoenixnap(8, &cloud.stub.url()).with("LOCATION", "ASH");
    let far = deploy(&cloud.bench.host(&far));
    // Somebody else's.
    cloud.stub.put("server", &far, [("tags", json!([{ "name": "Environment", "value": "lab" }]))]);
    let near = HostTemplate::phoenixnap(9, &cloud.stub.url()).with("LOCATION", "ASH");
    let near = deploy(&cloud.bench.host(&near));
    cloud.bench.simulator.oned().remove(8);
    let answer = finish(cloud.bench.explicit(&["list", "--all"]).spawn().unwrap());
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains(&id) && answer.stdout.contains(&near), "{answer:?}");
    assert!(!answer.stdout.contains(&far), "{answer:?}");
}
