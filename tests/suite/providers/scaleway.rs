//! Hosts on Scaleway Elastic Metal, through the links, beside the stub of its API.

use std::time::{Duration, Instant};

use crate::common::{Bench, assert_failure_with, assert_success, finish, signal, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simulator::oneprovision::{self, Host};
use simulator::stub::{Object, Stub, StubOptions};
use simulator::{Answer, Effect, Fault, HostTemplate, Operation, Request};

const ID: i32 = 7;
const IDENTITY: &str = "ONE_PROVISION_HOST=7a15cf52-8e99-4887-a6a6-ebf8d8536437:7";
/// What the stub has from its start.
const HOURLY: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const MONTHLY: &str = "aaaaaaaa-0000-4000-8000-000000000002";
const UBUNTU: &str = "bbbbbbbb-0000-4000-8000-000000000001";
const KEY: &str = "cccccccc-0000-4000-8000-000000000001";
const PROJECT: &str = "dddddddd-0000-4000-8000-000000000001";
/// A key that IAM does not have.
const STRANGE_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIStrange one@another";
/// An offer and an operating system that take no cloud-init.
const WITHOUT_CLOUD_INIT: &str = "EM-B220E-NVME";
const OLD_UBUNTU: &str = "Ubuntu 22.04";

/// A front-end beside Scaleway.
struct Elastic {
    stub: Stub,
    bench: Bench,
}

impl Elastic {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[(&'static str, u64)]) -> Self {
        let stub = Stub::start("scaleway", StubOptions { set: options.to_vec(), ..StubOptions::default() }).unwrap();
        // That a server is gone is believed when listings have had the time to show it: 12 of these seconds.
        let bench = Bench::new().lapsing("120").set("SCW_API_URL", &stub.url());
        Self { stub, bench }
    }

    fn host(&self) -> Host<'_> {
        self.bench.host(&HostTemplate::scaleway(ID))
    }

    fn deployed(&self) -> (Host<'_>, String) {
        let host = self.host();
        let answer = host.deploy().unwrap();
        let id = assert_success(&answer).to_owned();
        (host, id)
    }

    /// Deploys a host with these attributes: the first line of its failure, which must hold `parts`. Nothing is left.
    fn refused(&self, template: &HostTemplate, parts: &[&str]) -> String {
        let first = assert_failure_with(&self.bench.host(template).deploy().unwrap(), parts);
        assert!(first.ends_with("nothing was ordered") && first.is_ascii(), "{first}");
        assert!(self.stub.objects("server").is_empty());
        first
    }

    /// The ids of those servers that are billed.
    fn billed(&self) -> Vec<String> {
        let left = self.stub.objects("server").into_iter().filter(|one| !one.is_gone);
        left.map(|one| id(&one)).collect()
    }

    fn server(&self, id: &str) -> Object {
        let mut servers = self.stub.objects("server").into_iter();
        servers.find(|one| id.ends_with(&one.id())).unwrap()
    }

    fn put<const N: usize>(&self, id: &str, set: [(&str, Value); N]) {
        self.stub.put("server", id.split_once('/').unwrap().1, set);
    }

    fn requests(&self, begin: &str) -> Vec<Request> {
        let requests = self.stub.requests().into_iter();
        requests.filter(|one| format!("{} {}", one.method, one.path).starts_with(begin)).collect()
    }

    fn count(&self, operation: Operation) -> usize {
        self.stub.requests().iter().filter(|one| one.operation == operation).count()
    }

    /// The body of the one order that was sent.
    fn order(&self) -> Value {
        let orders = self.stub.requests().into_iter().filter(|one| one.operation == Operation::Create);
        let orders: Vec<Request> = orders.collect();
        assert_eq!(orders.len(), 1);
        serde_json::from_slice(orders[0].body.as_bytes()).unwrap()
    }

    fn fault(&self, operation: Operation, effect: Effect) {
        self.stub.fault(Fault::new(operation, effect));
    }

    /// What `check` says of a host, and its exit code.
    fn check(&self, template: &HostTemplate) -> (Option<i32>, String) {
        let file = self.bench.host(template).write_deployment_file().unwrap();
        let answer = finish(self.bench.explicit(&["check", &file]).spawn().unwrap());
        for request in self.stub.requests() {
            assert_eq!(request.method, "GET", "{request:?}");
        }
        (answer.status.code(), answer.stdout)
    }
}

/// The deploy id of a server of the stub.
fn id(server: &Object) -> String {
    format!("{}/{}", server.fields["zone"].as_str().unwrap(), server.id())
}

/// An answer with this status and body.
fn says(status: u16, body: &Value) -> Effect {
    Effect::Status(Answer::new(status).body(&body.to_string()))
}

/// A template whose context has a key that IAM does not have.
fn with_strange_key() -> HostTemplate {
    HostTemplate { ssh_public_key: STRANGE_KEY.to_owned(), ..HostTemplate::scaleway(ID) }
}

#[test]
fn a_host_is_deployed_polled_rebooted_reset_powered_off_resumed_and_cancelled() {
    let elastic = Elastic::new();
    let (host, id) = elastic.deployed();
    assert!(id.starts_with("fr-par-2/"), "{id}");
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    let first = elastic.server(&id).fields["ip"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("CPU", "800"),
        ("MEMORY", "67108864"),
        ("STATE", "RUNNING"),
        ("OFFER", "\"EM-A116X-SSD\""),
        ("ZONE", "\"fr-par-2\""),
        ("INSTALL_USER", "\"ubuntu\""),
    ] {
        assert_eq!(values.get(name).map(String::as_str), Some(value), "{name}");
    }
    for read in [oneprovision::host_name_5_8, oneprovision::host_name_5_12] {
        assert_eq!(read(&values).as_ref(), Some(&first));
    }
    for answer in [host.reboot(), host.reset(), host.poweroff(), host.poweroff()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    let (_, values) = host.poll().unwrap();
    assert_eq!(values.get("STATE").map(String::as_str), Some("POWEROFF"));
    let rebooted = assert_failure_with(&host.reboot().unwrap(), &[&id, "the server is stopped"]);
    assert!(rebooted.contains("resume it with `oneprovision host resume 7`"), "{rebooted}");
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(elastic.billed(), [""; 0]);
    assert_eq!(elastic.stub.objects("server").len(), 1);
}

#[test]
fn an_order_carries_every_attribute_and_whose_it_is() {
    let elastic = Elastic::new();
    let other = "eeeeeeee-0000-4000-8000-000000000001";
    let template = HostTemplate::scaleway(ID)
        .with("TAGS", "team=blue,ONE_HOST_ID=8")
        .with("DESCRIPTION", "of the edge")
        .with("USERDATA", "#!/bin/sh\ntrue\n")
        .with("SSH_KEY_IDS", KEY);
    let answer = elastic.bench.host(&template).deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(
        elastic.order(),
        json!({
            "offer_id": HOURLY,
            "project_id": PROJECT,
            "name": "edge-1",
            "description": "of the edge",
            "tags": ["team=blue", "OpenNebula", "ONE_HOST_ID=7", IDENTITY],
            "protected": false,
            "install": { "os_id": UBUNTU, "hostname": "edge-1", "ssh_key_ids": [KEY] },
            "user_data": STANDARD.encode("#!/bin/sh\ntrue\n"),
        })
    );
    // A key that nobody knows is Scaleway's to refuse.
    let elastic = Elastic::new();
    elastic.refused(&HostTemplate::scaleway(ID).with("SSH_KEY_IDS", other), &["ssh_key", other, "section provision"]);
}

#[test]
fn without_the_optional_attributes_an_order_still_has_all_that_the_api_needs() {
    let elastic = Elastic::new();
    let answer = elastic.bench.host(&HostTemplate::scaleway(ID).without("HOSTNAME")).deploy().unwrap();
    assert_success(&answer);
    let order = elastic.order();
    assert_eq!((&order["name"], &order["install"]["hostname"]), (&json!("one-host-7"), &json!("one-host-7")));
    assert_eq!((&order["description"], order.get("user_data")), (&json!(""), None));
    // The context's key is found in IAM by its text, whatever its comment.
    assert_eq!(order["install"]["ssh_key_ids"], json!([KEY]));
}

#[test]
fn offers_and_systems_are_known_by_name_and_by_id_and_a_monthly_one_is_never_taken_for_an_hourly_one() {
    for (offer, system, period, ordered) in [
        (HOURLY, UBUNTU, "hourly", HOURLY),
        ("EM-A116X-SSD", "Ubuntu 24.04 LTS (Noble Numbat)", "monthly", MONTHLY),
        (MONTHLY, UBUNTU, "monthly", MONTHLY),
    ] {
        // One offer a page.
        let elastic = Elastic::with(&[("page", 1)]);
        let template = HostTemplate::scaleway(ID).with("OFFER", offer).with("OS", system);
        let host = elastic.bench.host(&template.with("SUBSCRIPTION_PERIOD", period));
        assert_success(&host.deploy().unwrap());
        assert_eq!(elastic.order()["offer_id"], ordered);
        assert_eq!(elastic.order()["install"]["os_id"], UBUNTU);
    }
    let elastic = Elastic::new();
    let template = |name: &str, value: &str| HostTemplate::scaleway(ID).with(name, value);
    let parts = ["is monthly in fr-par-2, not hourly", "set OFFER", "SUBSCRIPTION_PERIOD=monthly"];
    elastic.refused(&template("OFFER", MONTHLY), &parts);
    let parts = ["no offer in fr-par-2 called \"EM-A116\"", "set OFFER to another one, such as EM-A116X-SSD"];
    elastic.refused(&template("OFFER", "EM-A116"), &parts);
    let parts = ["more than one operating system in fr-par-2", "set OS to one of Ubuntu", UBUNTU];
    elastic.refused(&template("OS", "Ubuntu"), &parts);
    let parts = ["zone: constraint", "set SCW_DEFAULT_ZONE to a zone of Elastic Metal"];
    elastic.refused(&template("SCW_DEFAULT_ZONE", "xx-xxx-9"), &parts);
    assert_eq!(elastic.count(Operation::Create), 0);
    let before = elastic.stub.requests().len();
    for (name, value, remedy) in [
        ("SUBSCRIPTION_PERIOD", "weekly", "write hourly or monthly"),
        ("SCW_DEFAULT_ZONE", "../../x", "write a zone such as fr-par-2"),
        ("SCW_DEFAULT_PROJECT_ID", "default", "set it to the UUID of the project"),
    ] {
        let answer = elastic.bench.host(&template(name, value)).deploy().unwrap();
        assert_failure_with(&answer, &[name, remedy]);
    }
    assert_eq!(elastic.stub.requests().len(), before);
}

#[test]
fn a_key_that_iam_does_not_have_goes_by_cloud_init() {
    let elastic = Elastic::new();
    assert_success(&elastic.bench.host(&with_strange_key()).deploy().unwrap());
    let order = elastic.order();
    assert_eq!(order["install"]["ssh_key_ids"], json!([]));
    let sent = STANDARD.decode(order["user_data"].as_str().unwrap()).unwrap();
    let sent = String::from_utf8(sent).unwrap();
    assert!(sent.starts_with("#cloud-config\n") && sent.contains(STRANGE_KEY), "{sent}");
    assert!(elastic.requests("POST /iam").is_empty(), "no key is left in IAM");
}

#[test]
fn a_key_that_cannot_reach_the_machine_is_a_refusal_before_the_order() {
    let elastic = Elastic::new();
    let add = "add the key to the SSH keys of the project";
    let what = "the SSH key of CONTEXT is not among the SSH keys of the project";
    elastic.refused(&with_strange_key().with("OS", OLD_UBUNTU), &[what, "takes no cloud-init", add]);
    let parts = [what, "nothing can be added to this USERDATA", add];
    elastic.refused(&with_strange_key().with("USERDATA", "nothing that cloud-init knows"), &parts);
    assert_eq!(elastic.count(Operation::Create), 0);
}

#[test]
fn a_503_with_a_permanent_reason_is_a_refusal_and_one_order() {
    let elastic = Elastic::new();
    let started = Instant::now();
    let parts = ["cloud-init is not supported on this offer (status 503", "add the SSH key of CONTEXT", "set OFFER"];
    elastic.refused(&with_strange_key().with("OFFER", WITHOUT_CLOUD_INIT), &parts);
    assert_eq!(elastic.count(Operation::Create), 1);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn where_iam_may_not_be_read_keys_that_were_named_are_believed_and_others_go_by_cloud_init() {
    let denied = json!({ "type": "permissions_denied", "message": "insufficient permissions", "details": [] });
    for (named, has_user_data) in [(true, false), (false, true)] {
        let elastic = Elastic::new();
        // Behind the offers and the systems.
        elastic.stub.fault(Fault::new(Operation::Catalogue, says(403, &denied)).skip(2));
        let template = HostTemplate::scaleway(ID);
        let template = if named { template.with("SSH_KEY_IDS", KEY) } else { template };
        assert_success(&elastic.bench.host(&template).deploy().unwrap());
        let order = elastic.order();
        assert_eq!(order["install"]["ssh_key_ids"], if named { json!([KEY]) } else { json!([]) });
        assert_eq!(order.get("user_data").is_some(), has_user_data);
    }
}

#[test]
fn a_look_before_the_order_that_fails_is_repeated_and_is_no_lost_order() {
    let elastic = Elastic::new();
    elastic.stub.fault(Fault::new(Operation::Catalogue, Effect::status(502)).times(2));
    let (_, id) = elastic.deployed();
    assert_eq!(elastic.count(Operation::Create), 1);
    assert_eq!(elastic.billed(), [id]);
    let elastic = Elastic::new();
    elastic.stub.fault(Fault::new(Operation::Catalogue, Effect::status(502)).forever());
    elastic.refused(&HostTemplate::scaleway(ID), &["status 502 to GET /baremetal/v1/zones/fr-par-2/offers"]);
}

#[test]
fn what_scaleway_has_not_to_give_says_to_wait_or_to_choose_another() {
    let elastic = Elastic::new();
    let parts = ["resource is out of stock", "wait, or choose another plan or place"];
    elastic.refused(&HostTemplate::scaleway(ID).with("OFFER", "EM-I420E-NVME"), &parts);
    assert_eq!(elastic.count(Operation::Create), 1);
    // The order was taken, and then there was none.
    let elastic = Elastic::with(&[("ordering", 60_000)]);
    let file = elastic.host().write_deployment_file().unwrap();
    let child = elastic.bench.command_of("scaleway", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is ordered", || !elastic.billed().is_empty());
    elastic.put(&elastic.billed()[0], [("status", json!("out_of_stock"))]);
    let parts = ["out_of_stock (no server of this offer is left)", "was deleted again"];
    let first = assert_failure_with(&finish(child), &parts);
    assert!(first.ends_with("and change the section provision of the host's template"), "{first}");
    assert_eq!(elastic.billed(), [""; 0]);
}

#[test]
fn refusals_of_an_order_end_it_at_once_with_the_reason_and_what_to_do() {
    let quota = json!({ "type": "quotas_exceeded", "message": "quota exceeded",
        "details": [{ "resource": "EM-A116X-SSD-hourly", "quota": 2, "current": 2 }] });
    let denied = json!({ "type": "permissions_denied", "message": "insufficient permissions",
        "details": [{ "resource": "baremetal_server", "action": "write" }] });
    let project = json!({ "type": "invalid_arguments", "message": "invalid argument(s)",
        "details": [{ "argument_name": "project_id", "reason": "unknown", "help_message": "" }] });
    for (status, body, parts) in [
        (403, &quota, ["quota of EM-A116X-SSD-hourly is 2", "ask Scaleway for a larger quota"]),
        (403, &denied, ["insufficient permissions", "SCW_SECRET_KEY the permissions"]),
        (400, &project, ["project_id: unknown", "set SCW_DEFAULT_PROJECT_ID"]),
    ] {
        let elastic = Elastic::new();
        elastic.fault(Operation::Create, says(status, body));
        elastic.refused(&HostTemplate::scaleway(ID), &parts);
        assert_eq!(elastic.count(Operation::Create), 1);
    }
    let elastic = Elastic::new();
    let template = HostTemplate::scaleway(ID).with("SCW_SECRET_KEY", "eeeeeeee-0000-4000-8000-000000000001");
    elastic.refused(&template, &["authentication is denied", "check SCW_SECRET_KEY"]);
}

#[test]
fn a_server_that_is_ready_is_not_up_until_it_is_installed() {
    let elastic = Elastic::with(&[("installing", 1500)]);
    let (_, id) = elastic.deployed();
    assert_eq!(elastic.server(&id).fields["install_status"], "completed");
}

#[test]
fn a_server_that_fails_is_deleted_again_and_the_reason_told() {
    let elastic = Elastic::new();
    elastic.fault(Operation::Create, Effect::FailProvisioning);
    let started = Instant::now();
    assert_failure_with(&elastic.host().deploy().unwrap(), &["is in state error", "was deleted again", "once more"]);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(elastic.billed(), [""; 0]);
    // So does one whose operating system cannot be installed.
    let elastic = Elastic::with(&[("installing", 60_000)]);
    let file = elastic.host().write_deployment_file().unwrap();
    let child = elastic.bench.command_of("scaleway", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is being installed", || {
        elastic.stub.objects("server").iter().any(|one| one.fields["install_status"] == "installing")
    });
    let id = elastic.billed().remove(0);
    elastic.put(&id, [("install_status", json!("error"))]);
    let parts = ["install_error (the operating system could not be installed)", "deleted again", "set OS"];
    assert_failure_with(&finish(child), &parts);
    assert_eq!(elastic.billed(), [""; 0]);
}

#[test]
fn a_lost_order_is_found_and_a_killed_deploys_server_is_the_next_ones() {
    let elastic = Elastic::with(&[("lag", 300)]);
    elastic.fault(Operation::Create, Effect::DropAfter { reset: true });
    let (_, id) = elastic.deployed();
    assert_eq!(elastic.count(Operation::Create), 1);
    assert_eq!(elastic.billed(), [id]);
    let elastic = Elastic::with(&[("installing", 500)]);
    let host = elastic.host();
    let file = host.write_deployment_file().unwrap();
    let child = elastic.bench.command_of("scaleway", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is looked at", || elastic.count(Operation::Get) > 0);
    signal(&child, Signal::SIGKILL);
    finish(child);
    let answer = host.deploy().unwrap();
    assert_eq!(elastic.billed(), [assert_success(&answer)]);
    assert_eq!(elastic.count(Operation::Create), 1);
}

#[test]
fn a_deploy_that_is_killed_before_its_order_leaves_nothing() {
    let elastic = Elastic::new();
    // In the middle of what is looked up.
    elastic.stub.fault(Fault::new(Operation::Catalogue, Effect::Hang).skip(2));
    let file = elastic.host().write_deployment_file().unwrap();
    let child = elastic.bench.command_of("scaleway", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("keys are asked for", || !elastic.requests("GET /iam").is_empty());
    signal(&child, Signal::SIGKILL);
    finish(child);
    assert!(elastic.stub.objects("server").is_empty());
    let others = elastic.stub.requests().into_iter().filter(|one| one.method != "GET");
    assert_eq!(others.count(), 0);
}

#[test]
fn a_host_keeps_its_server_in_whatever_zone_it_stands() {
    let elastic = Elastic::new();
    let (host, id) = elastic.deployed();
    // The template has another zone by now, whose listing comes first.
    elastic.bench.simulator.oned().set_provision(ID, "SCW_DEFAULT_ZONE", "nl-ams-1").unwrap();
    assert_success(&host.poll().unwrap().0);
    elastic.bench.simulator.oned().set_provision(ID, "DEPLOY_ID", "").unwrap();
    assert_eq!(assert_success(&host.deploy().unwrap()), id, "it is found in its zone, and adopted");
    assert_success(&host.cancel().unwrap());
    assert_eq!(elastic.billed(), [""; 0]);
}

#[test]
fn every_zone_of_the_account_is_listed() {
    let elastic = Elastic::new();
    let (_, id) = elastic.deployed();
    let other = HostTemplate::scaleway(8).with("SCW_DEFAULT_ZONE", "pl-waw-3");
    let answer = elastic.bench.host(&other).deploy().unwrap();
    let second = assert_success(&answer).to_owned();
    let list = || finish(elastic.bench.explicit(&["list", "--host", "7"]).spawn().unwrap());
    let answer = list();
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains(&id) && answer.stdout.contains(&second), "{answer:?}");
    // A zone that is none of the service any more has nothing; one that does not answer may have.
    let no_zone = json!({ "type": "invalid_arguments", "message": "invalid argument(s)",
        "details": [{ "argument_name": "zone", "reason": "constraint", "help_message": "" }] });
    elastic.stub.fault(Fault::new(Operation::List, says(400, &no_zone)).skip(1));
    let answer = list();
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains(&second), "{answer:?}");
    for effect in [says(404, &json!({ "message": "Not Found" })), Effect::Html5xx(404)] {
        elastic.stub.fault(Fault::new(Operation::List, effect).skip(1));
        let answer = list();
        assert_eq!(answer.status.code(), Some(255), "{answer:?}");
        assert!(answer.stderr.contains("status 404"), "{answer:?}");
    }
}

#[test]
fn every_page_of_a_zone_is_looked_at() {
    let elastic = Elastic::with(&[("page", 1)]);
    let (_, first) = elastic.deployed();
    let answer = elastic.bench.host(&HostTemplate::scaleway(8)).deploy().unwrap();
    let second = assert_success(&answer).to_owned();
    let answer = finish(elastic.bench.explicit(&["list", "--host", "7"]).spawn().unwrap());
    assert!(answer.stdout.contains(&first) && answer.stdout.contains(&second), "{answer:?}");
}

#[test]
fn a_404_proves_nothing_as_long_as_the_listing_has_the_server() {
    let elastic = Elastic::new();
    let (host, id) = elastic.deployed();
    let not_found = says(404, &json!({ "message": "Not Found" }));
    elastic.stub.fault(Fault::new(Operation::Get, not_found));
    assert_failure_with(&host.poll().unwrap().0, &[&id, "Not Found (status 404", "SCW_API_URL"]);
    elastic.stub.fault(Fault::new(Operation::Get, Effect::Html5xx(404)));
    assert_failure_with(&host.poll().unwrap().0, &[&id, "status 404", "check SCW_API_URL"]);
    assert_eq!(elastic.billed(), [id]);
}

#[test]
fn a_server_that_is_denied_is_not_gone() {
    let elastic = Elastic::new();
    let (host, id) = elastic.deployed();
    let denied = json!({ "type": "permissions_denied", "message": "insufficient permissions", "details": [] });
    for operation in [Operation::Get, Operation::Delete, Operation::Reboot] {
        elastic.stub.fault(Fault::new(operation, says(403, &denied)).forever());
    }
    for answer in [host.poll().unwrap().0, host.cancel().unwrap(), host.reboot().unwrap()] {
        assert_failure_with(&answer, &[&id, "insufficient permissions", "SCW_SECRET_KEY"]);
    }
    assert_eq!(elastic.billed(), [id]);
}

#[test]
fn a_server_in_a_zone_that_no_listing_looks_into_is_not_gone() {
    let elastic = Elastic::new();
    elastic.host();
    let unknown = "it-mil-1/eeeeeeee-0000-4000-8000-000000000001";
    elastic.stub.fault(Fault::new(Operation::Get, says(404, &json!({ "message": "Not Found" }))).forever());
    let answer = elastic.bench.oneprovision.run("scaleway", "poll", &[unknown, "host", "7", "host"]).unwrap();
    assert_failure_with(&answer, &[unknown, "Not Found", "set SCW_DEFAULT_ZONE to the zone of the machine"]);
}

#[test]
fn a_server_that_is_gone_is_gone_for_every_action() {
    let elastic = Elastic::new();
    let (host, id) = elastic.deployed();
    assert_success(&host.cancel().unwrap());
    for answer in [host.poll().unwrap().0, host.reboot().unwrap(), host.poweroff().unwrap(), host.resume().unwrap()] {
        assert_failure_with(&answer, &[&id, "delete the host and create it anew"]);
    }
}

#[test]
fn a_server_that_is_protected_or_locked_is_not_cancelled_and_that_is_said_at_once() {
    let elastic = Elastic::new();
    let (host, id) = elastic.deployed();
    elastic.put(&id, [("protected", json!(true))]);
    assert_failure_with(&host.cancel().unwrap(), &[&id, "disable the protection", "unlock it at the provider"]);
    elastic.put(&id, [("protected", json!(false)), ("locked", json!(true))]);
    assert_failure_with(&host.cancel().unwrap(), &[&id, "resource is locked", "ask Scaleway why it is locked"]);
    assert_eq!(elastic.billed(), [id]);
}

#[test]
fn check_tells_what_would_be_ordered_whether_it_is_there_and_that_a_month_is_a_commitment() {
    let elastic = Elastic::new();
    let (code, said) = elastic.check(&HostTemplate::scaleway(ID));
    for part in ["secret key", "EM-A116X-SSD", "available", "Ubuntu 24.04 LTS", "IAM has it", "would be accepted"] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
    assert_eq!(code, Some(0), "{said}");
    let monthly = HostTemplate::scaleway(ID).with("SUBSCRIPTION_PERIOD", "monthly");
    let (code, said) = elastic.check(&monthly);
    assert!(said.contains("monthly: it is paid for the whole period"), "{said}");
    assert_eq!(code, Some(0), "{said}");
    let template = |name: &str, value: &str| HostTemplate::scaleway(ID).with(name, value);
    for (template, parts) in [
        (template("OFFER", "EM-I420E-NVME"), ["no EM-I420E-NVME is free in fr-par-2", "wait, or set OFFER"]),
        (template("OFFER", "EM-A116"), ["\"EM-A116\"", "such as EM-A116X-SSD"]),
        (template("OFFER", MONTHLY), ["is monthly", "SUBSCRIPTION_PERIOD=monthly"]),
        (template("OS", "Ubuntu 26.04"), ["\"Ubuntu 26.04\"", "such as Ubuntu 24.04"]),
        (template("SCW_DEFAULT_ZONE", "xx-xxx-9"), ["zone: constraint", "set SCW_DEFAULT_ZONE"]),
        (with_strange_key().with("OS", OLD_UBUNTU), ["takes no cloud-init", "add the key to the SSH keys"]),
        (template("OS", OLD_UBUNTU).with("USERDATA", "#!/bin/sh"), ["takes no cloud-init", "leave USERDATA out"]),
    ] {
        let (code, said) = elastic.check(&template);
        assert_eq!(code, Some(1), "{said}");
        for part in parts {
            assert!(said.contains(part), "no {part:?}: {said}");
        }
    }
    let (code, said) = elastic.check(&with_strange_key());
    assert!(said.contains("it goes by cloud-init, which not every offer takes"), "{said}");
    assert_eq!(code, Some(0), "{said}");
}
