//! Hosts at Latitude.sh, through the links, beside its stub.

use std::time::{Duration, Instant};

use crate::common::{Bench, assert_failure_with, assert_success, each, finish, identity, signal, until};
use nix::sys::signal::Signal;
use pm_packet::provider::Provider;
use pm_packet::provider::latitude::Latitude;
use serde_json::{Value, json};
use simulator::oneprovision::{Answer, Host};
use simulator::stub::{Object, Stub, StubOptions};
use simulator::{Effect, Fault, HostTemplate, Operation};

/// The id of the host.
const ID: i32 = 7;
const TOKEN: &str = "lat_0123456789abcdef";
const NOTHING: [&str; 0] = [];

/// The name of a new machine of the host with this id.
fn mark(id: i32) -> String {
    Latitude.spec().identity.encode(&identity(id))
}

/// A front-end beside the stub.
struct Cloud {
    stub: Stub,
    bench: Bench,
}

impl Cloud {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(set: &[(&'static str, u64)]) -> Self {
        let stub = Stub::start("latitude", StubOptions { set: set.to_vec(), ..StubOptions::default() }).unwrap();
        let bench = Bench::new().set("LATITUDESH_API_URL", &stub.url());
        Self { stub, bench }
    }

    /// The same where an order without an answer is looked for during three seconds, not two minutes.
    fn lapsing(self) -> Self {
        Self { bench: self.bench.lapsing_by(40, "800"), ..self }
    }

    fn host(&self) -> Host<'_> {
        self.bench.host(&HostTemplate::latitude(ID).with("USERDATA", "#!/bin/sh\ntrue"))
    }

    fn deployed(&self) -> (Host<'_>, String) {
        let host = self.host();
        let id = deploy(&host);
        (host, id)
    }

    /// What there is of this kind.
    fn all(&self, kind: &str) -> Vec<Object> {
        self.stub.objects(kind).into_iter().filter(|one| !one.is_gone).collect()
    }

    /// This field of each of them.
    fn each_of(&self, kind: &str, field: &str) -> Vec<String> {
        let text = |one: Object| one.fields[field].as_str().unwrap_or_default().to_owned();
        self.all(kind).into_iter().map(text).collect()
    }

    fn billed(&self) -> Vec<String> {
        self.each_of("server", "id")
    }

    fn server(&self) -> Value {
        Value::Object(self.all("server").pop().unwrap().fields)
    }

    /// The texts of the server's tags.
    fn tags(&self) -> Vec<String> {
        let tags = self.all("tag");
        let own = self.server()["tags"].as_array().cloned().unwrap_or_default();
        let text = |id: &Value| {
            let tag = tags.iter().find(|tag| tag.fields["id"] == *id).unwrap();
            let field = |name: &str| tag.fields.get(name).and_then(Value::as_str);
            field("description").or(field("name")).unwrap().to_owned()
        };
        own.iter().map(text).collect()
    }

    /// Asserts that nothing is left but what was there, and tags.
    fn assert_nothing_is_left(&self) {
        assert_eq!(self.billed(), NOTHING);
        assert_eq!(self.each_of("ssh_key", "name"), ["front-end"]);
        assert_eq!(self.each_of("user_data", "id"), NOTHING);
    }

    fn count(&self, operation: Operation) -> usize {
        self.stub.requests().iter().filter(|request| request.operation == operation).count()
    }

    fn asked(&self, method: &str, path: &str) -> usize {
        let is_meant = |path: &str, own: &str| own.split('?').next() == Some(path);
        self.stub.requests().iter().filter(|own| own.method == method && is_meant(path, &own.path)).count()
    }

    fn fault(&self, operation: Operation, effect: Effect) {
        self.stub.fault(Fault::new(operation, effect));
    }

    /// A refusal in the words of the API, once.
    fn refuse(&self, operation: Operation, status: u16, words: &[(&str, &str)]) {
        self.fault(operation, Stub::refusal("latitude", status, words).unwrap());
    }

    fn forget_deploy_id(&self) {
        self.bench.simulator.oned().set_provision(ID, "DEPLOY_ID", "").unwrap();
    }

    fn run(&self, words: &[&str]) -> Answer {
        let answer = finish(self.bench.explicit(words).spawn().unwrap());
        assert!(!format!("{}{}", answer.stdout, answer.stderr).contains(TOKEN), "{answer:?}");
        answer
    }
}

fn deploy(host: &Host<'_>) -> String {
    let answer = host.deploy().unwrap();
    assert_success(&answer).to_owned()
}

#[test]
fn a_host_is_deployed_polled_powered_off_resumed_rebooted_and_cancelled() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    assert_eq!(cloud.billed(), [id.as_str()]);
    assert_eq!(cloud.server()["hostname"], "node0");
    assert_eq!(cloud.tags(), ["OpenNebula", "ONE_HOST_ID=7", &identity(ID)]);
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    let address = cloud.server()["primary_ipv4"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("STATE", "RUNNING".to_owned()),
        ("CPU", "600".to_owned()),
        ("MEMORY", "67108864".to_owned()),
        ("GUEST_IP_ADDRESSES", format!("\"{address},\"")),
    ] {
        assert_eq!(values.get(name), Some(&value), "{name}: {values:?}");
    }
    assert_eq!(assert_success(&host.poweroff().unwrap()), "");
    assert_eq!(cloud.server()["status"], "off");
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    for answer in [host.reboot(), host.reset()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(cloud.server()["status"], "on");
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    cloud.assert_nothing_is_left();
}

#[test]
fn an_order_names_its_objects_and_the_names_and_tags_follow_once_it_is_up() {
    let cloud = Cloud::new();
    let mut template = HostTemplate::latitude(ID)
        .with("BILLING", "monthly")
        .with("RAID", "raid-1")
        .with("TAGS", "production, team=blue, ONE_HOST_ID=8")
        .with("USERDATA", "#!/bin/sh\ntrue");
    template.ssh_public_key = "ssh-ed25519 AAAAC3Nza one@one\nssh-rsa AAAAB3Nza two@one".to_owned();
    let answer = cloud.bench.host(&template).deploy().unwrap();
    assert!(answer.stderr.starts_with("WARNING: TAGS has \"ONE_HOST_ID=8\""), "{answer:?}");
    let requests = cloud.stub.requests();
    let order = requests.iter().find(|request| request.operation == Operation::Create).unwrap();
    let order: Value = serde_json::from_str(&order.body).unwrap();
    let keys: Vec<Object> = cloud.all("ssh_key").into_iter().skip(1).collect();
    let scripts = cloud.all("user_data");
    let attributes = json!({
        "project": "private-cloud",
        "plan": "c3-small-x86",
        "site": "CHI",
        "operating_system": "ubuntu_24_04_x64_lts",
        "hostname": mark(ID),
        "ssh_keys": keys.iter().map(|key| key.fields["id"].clone()).collect::<Vec<_>>(),
        "user_data": scripts[0].fields["id"],
        "billing": "monthly",
        "raid": "raid-1",
    });
    assert_eq!(order, json!({ "data": { "type": "servers", "attributes": attributes } }));
    let public: Vec<&Value> = keys.iter().map(|key| &key.fields["public_key"]).collect();
    assert_eq!(public, ["ssh-ed25519 AAAAC3Nza one@one", "ssh-rsa AAAAB3Nza two@one"]);
    assert_eq!(scripts.len(), 1);
    assert_eq!(scripts[0].fields["content"], "IyEvYmluL3NoCnRydWU=");
    assert_eq!(cloud.tags(), ["production", "team=blue", "OpenNebula", "ONE_HOST_ID=7", &identity(ID)]);
    // The description allows no longer ones.
    assert!(cloud.each_of("tag", "name").iter().all(|name| name.len() <= 40));
    // The provider's own is taken, and none is made twice.
    assert_eq!(cloud.asked("POST", "/tags"), 4);
}

#[test]
fn without_a_hostname_the_mark_stays_the_name_and_tags_of_others_stay_too() {
    let cloud = Cloud::new();
    let host = cloud.bench.host(&HostTemplate::latitude(ID).without("HOSTNAME"));
    let id = deploy(&host);
    assert_eq!(cloud.server()["hostname"], mark(ID).as_str());
    cloud.stub.put("server", &id, [("tags", json!(["tag_eeeeeeeeeeeeeeeeeeeeeeeee1"]))]);
    assert_eq!(deploy(&host), id);
    assert_eq!(cloud.tags(), ["production", "OpenNebula", "ONE_HOST_ID=7", &identity(ID)]);
}

#[test]
fn a_machine_is_found_by_its_name_before_and_by_its_tags_after() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    let again = |name: &str, tags: Value| {
        cloud.stub.put("server", &id, [("hostname", json!(name)), ("tags", tags)]);
        cloud.forget_deploy_id();
        assert_eq!(deploy(&host), id);
        assert_eq!(cloud.server()["hostname"], "node0");
    };
    let tags = cloud.server()["tags"].clone();
    again("node0", tags.clone());
    again(&mark(ID), json!([]));
    again(&mark(ID), tags);
    assert_eq!(cloud.count(Operation::Create), 1);
    assert_eq!(cloud.billed(), [id.as_str()]);
    assert_success(&host.cancel().unwrap());
    cloud.assert_nothing_is_left();
}

#[test]
fn where_servers_show_no_tags_the_name_stays_the_mark() {
    let cloud = Cloud::with(&[("hides_tags", 1)]);
    let (host, id) = cloud.deployed();
    assert_eq!(cloud.server()["hostname"], mark(ID).as_str());
    assert_eq!(cloud.tags(), ["OpenNebula", "ONE_HOST_ID=7", &identity(ID)]);
    cloud.forget_deploy_id();
    assert_eq!(deploy(&host), id);
    assert_eq!(cloud.asked("PATCH", &format!("/servers/{id}")), 1);
    assert_success(&host.cancel().unwrap());
    cloud.assert_nothing_is_left();
}

#[test]
fn what_a_killed_deploy_made_before_its_order_is_taken_by_the_next_one() {
    let cloud = Cloud::new();
    let host = cloud.host();
    let file = host.write_deployment_file().unwrap();
    // The look for machines (2), the keys (2), the user data (2).
    cloud.stub.fault(Fault::new(Operation::Api, Effect::HangAfter).skip(5));
    let child = cloud.bench.command_of("latitude", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("the user data is made", || cloud.all("user_data").len() == 1);
    signal(&child, Signal::SIGKILL);
    finish(child);
    assert_eq!(cloud.count(Operation::Create), 0);
    let id = deploy(&host);
    assert_eq!(cloud.billed(), [id]);
    assert_eq!((cloud.asked("POST", "/ssh_keys"), cloud.asked("POST", "/user_data")), (1, 1));
    assert_success(&host.cancel().unwrap());
    cloud.assert_nothing_is_left();
}

#[test]
fn an_interrupted_deploy_removes_the_object_whose_making_brought_no_answer() {
    let cloud = Cloud::new().lapsing();
    let file = cloud.host().write_deployment_file().unwrap();
    cloud.stub.fault(Fault::new(Operation::Api, Effect::DelayBeforeEffect(Duration::from_secs(1))).skip(5));
    let child = cloud.bench.command_of("latitude", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is asked for", || cloud.asked("POST", "/user_data") == 1);
    signal(&child, Signal::SIGTERM);
    assert_failure_with(&finish(child), &["SIGTERM", "no machine was ordered"]);
    assert_eq!(cloud.stub.objects("user_data").len(), 1);
    cloud.assert_nothing_is_left();
}

#[test]
fn a_machine_that_fails_is_rolled_back_with_its_objects() {
    let cloud = Cloud::new();
    cloud.fault(Operation::Create, Effect::FailProvisioning);
    let answer = cloud.host().deploy().unwrap();
    assert_failure_with(&answer, &["failed_deployment", "was deleted again: deploy once more"]);
    assert_eq!(cloud.count(Operation::Create), 1);
    cloud.assert_nothing_is_left();
}

#[test]
fn what_is_refused_for_good_is_ordered_once_and_leaves_nothing() {
    let cases: [(&str, &str, &[&str]); 4] = [
        ("SITE", "ASH", &["out of stock", "wait, or choose another plan or place"]),
        ("PLAN", "c9-small-x86", &["plan is not included", "section provision"]),
        ("BILLING", "yearly", &["billing is not available", "section provision"]),
        ("PROJECT", "nobodys", &["Not Found", "set PROJECT to a project of the team"]),
    ];
    each(&cases, |(name, value, parts)| {
        let cloud = Cloud::new().lapsing();
        let answer = cloud.bench.host(&HostTemplate::latitude(ID).with(name, value)).deploy().unwrap();
        let first = assert_failure_with(&answer, parts);
        assert!(first.is_ascii(), "{first}");
        assert!(cloud.count(Operation::Create) <= 1, "{answer:?}");
        cloud.assert_nothing_is_left();
    });
}

#[test]
fn what_is_missing_or_wrong_is_named_at_once_and_nobody_is_asked() {
    let cloud = Cloud::new();
    let names = ["LATITUDESH_AUTH_TOKEN", "PROJECT", "PLAN", "SITE", "OS"];
    let template = names.iter().fold(HostTemplate::latitude(ID), |template, name| template.without(name));
    assert_failure_with(&cloud.bench.host(&template).deploy().unwrap(), &names);
    let wrong = [
        ("HOSTNAME", "a_b"),
        ("BILLING", "weekly"),
        ("RAID", "5"),
        ("TAGS", "a-tag-that-is-longer-than-forty-characters"),
    ];
    let template = wrong.iter().fold(HostTemplate::latitude(ID), |template, (name, value)| template.with(name, value));
    assert_failure_with(&cloud.bench.host(&template).deploy().unwrap(), &wrong.map(|(name, _)| name));
    assert!(cloud.stub.requests().is_empty());
}

#[test]
fn an_order_whose_answer_was_lost_is_found_by_its_name() {
    for effect in [Effect::DropAfter { reset: true }, Effect::Garbage, Effect::Truncate] {
        let cloud = Cloud::new().lapsing();
        cloud.fault(Operation::Create, effect);
        let (_, id) = cloud.deployed();
        assert_eq!(cloud.billed(), [id]);
        assert_eq!(cloud.count(Operation::Create), 1);
    }
}

#[test]
fn hosts_with_one_key_are_deployed_at_once_also_where_a_key_is_taken_once() {
    for unique in [0, 1] {
        let cloud = Cloud::with(&[("unique_keys", unique)]);
        let ids = [1, 2, 3];
        let templates = ids.map(HostTemplate::latitude);
        let hosts = templates.each_ref().map(|template| cloud.bench.host(template));
        std::thread::scope(|scope| {
            let deploys = hosts.each_ref().map(|host| scope.spawn(move || deploy(host)));
            for deploy in deploys {
                deploy.join().unwrap();
            }
        });
        assert_eq!(cloud.billed().len(), 3);
        let mut names = cloud.each_of("tag", "name");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), cloud.all("tag").len());
        for host in &hosts {
            assert_success(&host.cancel().unwrap());
        }
        cloud.assert_nothing_is_left();
    }
}

#[test]
fn a_rate_limit_is_kept_whose_rest_stands_in_the_body_alone() {
    let cloud = Cloud::new();
    let words = [("code", "RATE_LIMIT_EXCEEDED"), ("status", "429"), ("retry_after", "2")];
    cloud.refuse(Operation::List, 429, &words);
    let started = Instant::now();
    cloud.deployed();
    assert!(started.elapsed() >= Duration::from_secs(2));
}

#[test]
fn a_locked_server_is_not_deleted_and_keeps_its_objects() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    cloud.stub.put("server", &id, [("locked", json!(true))]);
    assert_failure_with(&host.cancel().unwrap(), &["Server is locked", "unlock it at the provider"]);
    assert_eq!(cloud.billed(), [id]);
    assert_eq!(cloud.all("user_data").len(), 1);
}

#[test]
fn a_key_of_somebody_else_is_neither_used_nor_removed() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    // Somebody took the tags off: its name is that of a key of others.
    cloud.stub.put("server", &id, [("hostname", json!("front-end")), ("tags", json!([]))]);
    assert_success(&host.cancel().unwrap());
    assert!(cloud.each_of("ssh_key", "name").contains(&"front-end".to_owned()));
}

#[test]
fn check_resolves_every_name_and_tells_the_stock() {
    let cloud = Cloud::new();
    let run = |template: &HostTemplate| {
        let file = cloud.bench.host(template).write_deployment_file().unwrap();
        cloud.run(&["check", &file])
    };
    let answer = run(&HostTemplate::latitude(ID));
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains("c3-small-x86 is in stock in CHI"), "{answer:?}");
    let cases: [(&str, &str, &str); 7] = [
        ("PROJECT", "private-clod", "such as private-cloud"),
        ("PLAN", "c3-smal-x86", "such as c3-small-x86"),
        ("SITE", "CHIC", "such as CHI"),
        ("SITE", "ASH", "no c3-small-x86 is in stock in ASH"),
        ("OS", "ubuntu_24_04", "such as ubuntu_24_04_x64_lts"),
        ("RAID", "raid-1", "has no RAID"),
        ("BILLING", "yearly", "set BILLING to hourly or monthly"),
    ];
    for (name, value, part) in cases {
        let answer = run(&HostTemplate::latitude(ID).with(name, value));
        assert_eq!(answer.status.code(), Some(1), "{answer:?}");
        assert!(answer.stdout.contains(part), "{part}: {answer:?}");
    }
    let answer = run(&HostTemplate::latitude(ID).with("LATITUDESH_AUTH_TOKEN", "lat_fedcba9876543210"));
    assert!(answer.stdout.contains("check LATITUDESH_AUTH_TOKEN"), "{answer:?}");
    assert_eq!(cloud.count(Operation::Api) + cloud.count(Operation::Create), 0);
}

#[test]
fn list_shows_every_machine_of_the_team_on_every_page() {
    let cloud = Cloud::with(&[("page", 1)]);
    let (_, id) = cloud.deployed();
    let other = HostTemplate::latitude(8).with("PROJECT", "for-years").with("SITE", "SAO");
    let other = deploy(&cloud.bench.host(&other));
    let answer = cloud.run(&["list", "--host", "7"]);
    for (id, site) in [(id, "CHI"), (other, "SAO")] {
        let line = answer.stdout.lines().find(|line| line.contains(&id));
        assert!(line.is_some_and(|line| line.contains(site)), "{answer:?}");
    }
}
