//! Hosts on Ironic, through the links, beside a stub that speaks as the real one does. The real one is asked in
//! `real_ironic.rs`.

use std::time::{Duration, Instant};

use crate::common::{
    Bench, UNKNOWN_ID, assert_failure_with, assert_success, assert_warned, each, finish, signal, until,
};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simulator::oneprovision::{self, Host};
use simulator::stub::{Object, Stub, StubOptions};
use simulator::{Answer, Effect, Fault, HostTemplate, IRONIC_PASSWORD, Operation, Request};

const ID: i32 = 7;
const IDENTITY: (&str, &str) = ("ONE_PROVISION_HOST", "7a15cf52-8e99-4887-a6a6-ebf8d8536437:7");

/// A front-end beside Ironic.
struct Metal {
    stub: Stub,
    bench: Bench,
}

impl Metal {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[(&'static str, u64)]) -> Self {
        let stub = Stub::start("ironic", StubOptions { set: options.to_vec(), ..StubOptions::default() }).unwrap();
        let bench = Bench::new().set("OS_ENDPOINT", &stub.url());
        Self { stub, bench }
    }

    fn set(self, name: &str, value: &str) -> Self {
        Self { bench: self.bench.set(name, value), ..self }
    }

    fn unset(self, name: &str) -> Self {
        Self { bench: self.bench.unset(name), ..self }
    }

    fn host(&self) -> Host<'_> {
        self.bench.host(&HostTemplate::ironic(ID))
    }

    fn deployed(&self) -> (Host<'_>, String) {
        let host = self.host();
        let answer = host.deploy().unwrap();
        let id = assert_success(&answer).to_owned();
        (host, id)
    }

    /// Every allocation that ever was.
    fn allocations(&self) -> Vec<Object> {
        self.stub.objects("allocation")
    }

    /// Those that hold a node, or may.
    fn held(&self) -> Vec<String> {
        let left = self.allocations().into_iter().filter(|one| !one.is_gone);
        left.map(|one| one.id()).collect()
    }

    fn requests(&self, begin: &str) -> Vec<Request> {
        let requests = self.stub.requests().into_iter();
        requests.filter(|one| format!("{} {}", one.method, one.path).starts_with(begin)).collect()
    }

    fn fault(&self, fault: Fault) {
        self.stub.fault(fault);
    }
}

/// The bodies of these requests.
fn bodies(requests: &[Request]) -> Vec<Value> {
    requests.iter().map(|one| serde_json::from_slice(one.body.as_bytes()).unwrap()).collect()
}

#[test]
fn a_host_is_deployed_polled_rebooted_reset_powered_off_resumed_and_cancelled() {
    let metal = Metal::new();
    let (host, id) = metal.deployed();
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    for (name, value) in [
        ("CPU", "800"),
        ("MEMORY", "16777216"),
        ("STATE", "RUNNING"),
        ("GUEST_IP_ADDRESSES", "\"192.0.2.11,\""),
        ("RESOURCE_CLASS", "\"baremetal\""),
    ] {
        assert_eq!(values.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(values.contains_key("NODE"));
    for read in [oneprovision::host_name_5_8, oneprovision::host_name_5_12] {
        assert_eq!(read(&values).as_deref(), Some("192.0.2.11"));
    }
    for answer in [host.reboot(), host.reset(), host.poweroff(), host.poweroff()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    let (_, values) = host.poll().unwrap();
    assert_eq!(values.get("STATE").map(String::as_str), Some("POWEROFF"));
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(metal.held(), [""; 0]);
    assert_eq!(metal.allocations().len(), 1);
}

#[test]
fn an_order_says_whose_it_is_by_its_name_and_in_words_and_carries_every_attribute() {
    let metal = Metal::new();
    let mut template = HostTemplate::ironic(ID);
    for (name, value) in [
        ("TRAITS", "CUSTOM_GPU, CUSTOM_FAST"),
        ("TAGS", "team=blue,OpenNebula=no,ONE_HOST_ID=8,plain"),
        ("INSTANCE_INFO", r#"{"image_os_hash_algo": "sha512"}"#),
        ("CAPABILITIES", r#"{"boot_mode": "uefi"}"#),
        ("ROOT_GB", "20"),
        ("META_DATA", r#"{"role": "edge"}"#),
        ("NETWORK_DATA", r#"{"networks": [{"ip_address": "192.0.2.99"}]}"#),
        ("USERDATA", "#!/bin/sh\ntrue"),
        ("DEPLOY_STEPS", r#"[{"interface": "bios", "step": "x", "priority": 100}]"#),
    ] {
        template = template.with(name, value);
    }
    let host = metal.bench.host(&template);
    let answer = host.deploy().unwrap();
    let id = assert_warned(&answer, "WARNING: TAGS has \"ONE_HOST_ID=8\"").to_owned();
    let allocation = &bodies(&metal.requests("POST /v1/allocations"))[0];
    assert_eq!(allocation["extra"][IDENTITY.0], IDENTITY.1);
    assert_eq!(allocation["extra"]["ONE_HOST_ID"], "7");
    assert_eq!(allocation["extra"]["team"], "blue");
    assert_eq!(allocation["extra"]["plain"], "");
    assert_eq!(allocation["traits"], json!(["CUSTOM_GPU", "CUSTOM_FAST"]));
    let name = allocation["name"].as_str().unwrap();
    assert!(name.starts_with("one-") && name.len() == 36, "{name}");
    let image = &bodies(&metal.requests("PATCH /v1/nodes/"))[0];
    let value = |path: &str| {
        let operations = image.as_array().unwrap().iter();
        let found = operations.filter(|one| one["op"] == "add").find(|one| one["path"] == path);
        found.map(|one| one["value"].clone()).unwrap_or_default()
    };
    assert_eq!(value("/instance_info/image_source"), "http://192.0.2.1/debian-12.raw");
    assert_eq!(value("/instance_info/image_os_hash_algo"), "sha512");
    assert_eq!(value("/instance_info/capabilities"), json!({ "boot_mode": "uefi" }));
    assert_eq!(value("/instance_info/root_gb"), 20);
    let provision = &bodies(&metal.requests("PUT /v1/nodes/"))[0];
    assert_eq!(provision["target"], "active");
    assert_eq!(provision["deploy_steps"][0]["interface"], "bios");
    let drive = &provision["configdrive"];
    assert_eq!(drive["user_data"], "#!/bin/sh\ntrue");
    assert_eq!(drive["network_data"]["networks"][0]["ip_address"], "192.0.2.99");
    for (name, value) in [("hostname", "edge-1"), ("name", "edge-1"), ("role", "edge"), ("uuid", &id)] {
        assert_eq!(drive["meta_data"][name], *value, "{name}");
    }
    let key = drive["meta_data"]["public_keys"]["front-end-0"].as_str().unwrap();
    assert!(key.starts_with("ssh-rsa "), "{key}");
}

/// An order is three requests: the allocation, the image and the deployment.
#[test]
fn a_deploy_that_is_killed_between_any_two_requests_of_its_order_goes_on_where_it_stopped() {
    each(&[("POST", "/v1/allocations"), ("PATCH", "/v1/nodes/"), ("PUT", "/v1/nodes/")], |(method, path)| {
        let metal = Metal::with(&[("deploying", 300), ("allocating", 300)]);
        let host = metal.host();
        let killed = metal.bench.command_of("ironic", "deploy", &[&host.write_deployment_file().unwrap(), "TODO"]);
        let killed = { killed }.spawn().unwrap();
        let sought = format!("{method} {path}");
        until(&sought, || !metal.requests(&sought).is_empty());
        signal(&killed, Signal::SIGKILL);
        finish(killed);
        let answer = host.deploy().unwrap();
        let id = assert_success(&answer).to_owned();
        assert_eq!(metal.held(), [id]);
        assert_eq!(metal.allocations().len(), 1, "{sought}");
    });
}

#[test]
fn a_deploy_that_fails_between_any_two_requests_of_its_order_reserves_nothing() {
    let refused = || Stub::refusal("ironic", 400, &[("message", "Missing are: ['instance_info.image_source']")]);
    each(&[0, 1], |steps| {
        let metal = Metal::new();
        let host = metal.host();
        metal.fault(Fault::new(Operation::Action, refused().unwrap()).skip(*steps).times(1));
        let answer = host.deploy().unwrap();
        assert_failure_with(&answer, &["image_source", "was deleted again", "set IMAGE_SOURCE"]);
        assert_eq!(metal.held(), [""; 0]);
        // What it was given is not left to the next one.
        let given = metal.requests("PATCH /v1/nodes/");
        assert_eq!(bodies(&given).last().unwrap()[0]["value"], json!({}));
    });
}

#[test]
fn an_order_whose_answer_is_lost_is_found_by_its_name_and_not_made_twice() {
    each(
        &[Effect::DropAfter { reset: true }, Effect::Garbage, Effect::Truncate, Effect::status_after(502)],
        |effect| {
            let metal = Metal::new();
            metal.fault(Fault::new(Operation::Create, effect.clone()));
            let (_, id) = metal.deployed();
            assert_eq!(metal.held(), [id]);
            assert_eq!(metal.allocations().len(), 1);
        },
    );
}

/// The host of a name that an allocation of somebody else has now.
fn of_a_taken_name(metal: &Metal) -> Host<'_> {
    let (host, _) = metal.deployed();
    let name = bodies(&metal.requests("POST /v1/allocations"))[0]["name"].clone();
    assert_success(&host.cancel().unwrap());
    let theirs = json!({ "name": name, "resource_class": "baremetal", "extra": { IDENTITY.0: "another:7" } });
    let auth = format!("Basic {}", base64(&format!("one:{IRONIC_PASSWORD}")));
    let created = ureq::post(format!("{}/v1/allocations", metal.stub.url()))
        .header("authorization", auth)
        .header("x-openstack-ironic-api-version", "1.78")
        .send(theirs.to_string());
    assert_eq!(created.unwrap().status(), 201);
    // A look at it is two requests then.
    let has_node = |one: &Object| !one.is_gone && !one.text("node_uuid").is_empty();
    until("its node", || metal.allocations().iter().any(has_node));
    metal.bench.host(&HostTemplate::ironic(ID))
}

#[test]
fn an_allocation_of_somebody_else_with_the_name_of_the_order_is_neither_adopted_nor_deleted() {
    let metal = Metal::new();
    let host = of_a_taken_name(&metal);
    let held = metal.held();
    let answer = host.deploy().unwrap();
    assert_failure_with(&answer, &[&held[0], "is not this host's", "delete it if nobody needs it"]);
    assert_eq!(metal.held(), held);
}

#[test]
fn a_look_that_fails_after_an_order_was_refused_for_its_name_is_no_lost_order() {
    let metal = Metal::new();
    let host = of_a_taken_name(&metal);
    let (held, orders) = (metal.held(), metal.requests("POST /v1/allocations").len());
    // The first two are those of the search for the host's machine.
    metal.fault(Fault::new(Operation::Get, Effect::status(502)).skip(2).forever());
    let answer = host.deploy().unwrap();
    assert_failure_with(&answer, &["status 502 to GET /v1/allocations/"]);
    assert!(metal.requests("POST /v1/allocations").len() > orders);
    assert!(!answer.stderr.contains("no order got an answer"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("STILL BILLED"), "{}", answer.stderr);
    assert_eq!(metal.held(), held);
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn what_goes_wrong_is_told_in_the_first_line_with_its_remedy() {
    // Where no node fits, Ironic takes the order all the same, and then tells why it came to nothing.
    let metal = Metal::new();
    metal.fault(Fault::new(Operation::Create, Effect::FailProvisioning));
    let answer = metal.host().deploy().unwrap();
    assert_failure_with(
        &answer,
        &["no available nodes match the resource class", "free a node of this RESOURCE_CLASS"],
    );
    assert_eq!(metal.held(), [""; 0]);

    let metal = Metal::with(&[("deploy_fails", 1)]);
    let answer = metal.host().deploy().unwrap();
    assert_failure_with(&answer, &["deploy failed", "Validation of image href", "set IMAGE_SOURCE"]);
    assert_eq!(metal.held(), [""; 0]);

    let metal = Metal::new();
    let host = metal.bench.host(&HostTemplate::ironic(ID).with("OS_PASSWORD", "not-the-right-one"));
    assert_failure_with(&host.deploy().unwrap(), &["nothing was ordered", "check OS_USERNAME and OS_PASSWORD"]);

    let metal = Metal::new();
    let host = metal.bench.host(&HostTemplate::ironic(ID).without("OS_USERNAME").without("OS_PASSWORD"));
    assert_failure_with(&host.deploy().unwrap(), &["nothing was ordered", "set OS_USERNAME and OS_PASSWORD"]);

    let metal = Metal::with(&[("version", 50)]);
    let answer = metal.host().deploy().unwrap();
    assert_failure_with(&answer, &["speaks version 1.50", "use an Ironic of OpenStack Stein or later"]);

    let metal = Metal::new();
    let forbidden = [("message", "Access was denied to the following resource: baremetal:allocation:create")];
    metal.fault(Fault::new(Operation::Create, Stub::refusal("ironic", 403, &forbidden).unwrap()));
    assert_failure_with(&metal.host().deploy().unwrap(), &["Access was denied", "give OS_USERNAME the role"]);

    let metal = Metal::new().set("PM_TIMEOUT", "3");
    let none = [("message", "Resource temporarily unavailable, please retry.")];
    metal.fault(Fault::new(Operation::Create, Stub::refusal("ironic", 503, &none).unwrap()).forever());
    assert_failure_with(&metal.host().deploy().unwrap(), &["please retry", "start an ironic-conductor"]);
    assert_eq!(metal.allocations().len(), 0);

    let metal = Metal::new().unset("OS_ENDPOINT");
    let answer = metal.host().deploy().unwrap();
    assert_failure_with(&answer, &["OS_ENDPOINT (or OS_AUTH_URL)", "add"]);
    let host = metal.bench.host(&HostTemplate::ironic(8).with("OS_AUTH_TYPE", "magic").with("OS_ENDPOINT", "http://x"));
    assert_failure_with(&host.deploy().unwrap(), &["OS_AUTH_TYPE is \"magic\"", "none, http_basic or password"]);
}

#[test]
fn a_node_in_maintenance_is_told_and_given_back() {
    let metal = Metal::new();
    let host = metal.host();
    let file = host.write_deployment_file().unwrap();
    // The image is slow to be taken; meanwhile somebody sets the maintenance.
    let slow = Effect::DelayBeforeEffect(Duration::from_millis(700));
    metal.fault(Fault::new(Operation::Action, slow));
    let deploy = metal.bench.command_of("ironic", "deploy", &[&file, "TODO"]).spawn().unwrap();
    until("it is allocated", || !metal.requests("PATCH").is_empty());
    metal.stub.put("allocation", &metal.held()[0], [("maintenance", true.into())]);
    let answer = finish(deploy);
    assert_failure_with(&answer, &["maintenance", "take the node out of maintenance"]);
    assert_eq!(metal.held(), [""; 0]);
}

#[test]
fn keystone_tells_where_ironic_is_and_a_token_that_expires_in_mid_wait_is_fetched_anew() {
    let metal = Metal::with(&[("token", 400), ("deploying", 1500)]).unset("OS_ENDPOINT");
    let keystone = format!("{}/identity/v3/", metal.stub.url());
    let metal = metal.set("OS_AUTH_URL", &keystone).set("OS_PROJECT_NAME", "edge").set("OS_REGION_NAME", "RegionOne");
    let (host, _) = metal.deployed();
    let tokens = metal.requests("POST /identity/v3/auth/tokens");
    assert!(tokens.len() > 2, "{}", tokens.len());
    let user = &bodies(&tokens)[0]["auth"]["identity"]["password"]["user"];
    assert_eq!(user["name"], "one");
    assert_success(&host.cancel().unwrap());
    assert_eq!(metal.held(), [""; 0]);
    let host = metal.bench.host(&HostTemplate::ironic(8).with("OS_PASSWORD", "not-the-right-one"));
    let first =
        assert_failure_with(&host.deploy().unwrap(), &["requires authentication", "OS_USERNAME and OS_PASSWORD"]);
    assert!(!first.contains("not-the-right-one"));
    let host = metal.bench.host(&HostTemplate::ironic(9).with("OS_REGION_NAME", "nowhere"));
    assert_failure_with(&host.deploy().unwrap(), &["baremetal service in nowhere", "OS_REGION_NAME"]);
}

#[test]
fn a_protected_node_is_kept_and_that_is_said() {
    let metal = Metal::new();
    let (host, id) = metal.deployed();
    metal.stub.put("allocation", &id, [("protected", true.into())]);
    let begin = Instant::now();
    assert_failure_with(&host.cancel().unwrap(), &[&id, "is protected", "unset its protection"]);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(metal.held(), [id]);
}

#[test]
fn a_change_of_power_that_ironic_gives_up_is_told_with_its_reason() {
    let metal = Metal::with(&[("powering", 60_000)]);
    let (host, id) = metal.deployed();
    let file = host.id().to_string();
    let name = metal.bench.simulator.oned().host_name(ID).unwrap();
    let off = metal.bench.command_of("ironic", "shutdown", &[&id, &name, "SHUTDOWN_POWEROFF", &file, &name]);
    let off = { off }.spawn().unwrap();
    until("it is asked for", || !metal.requests("PUT /v1/nodes/").iter().all(|one| !one.path.ends_with("power")));
    let failed = "Failed to change power state to 'power off': the BMC does not answer";
    let set = [("target_power_state", Value::Null), ("last_error", failed.into())];
    metal.stub.put("allocation", &id, set);
    assert_failure_with(&finish(off), &["the BMC does not answer"]);
}

#[test]
fn what_is_not_there_is_said_to_be_gone_only_by_ironics_own_words() {
    let metal = Metal::new();
    let host = metal.host();
    let name = metal.bench.simulator.oned().host_name(host.id()).unwrap();
    let words = [UNKNOWN_ID, &name, "7", &name];
    let cancel = || metal.bench.oneprovision.run("ironic", "cancel", &words).unwrap();
    assert_success(&cancel());
    let page = Effect::Status(Answer::new(404).body("<html>nginx</html>"));
    metal.fault(Fault::new(Operation::Get, page).forever());
    assert_failure_with(&cancel(), &[UNKNOWN_ID, "check OS_ENDPOINT and OS_AUTH_URL"]);
}

#[test]
fn check_says_what_is_free_what_is_near_and_what_oned_shows_in_clear() {
    let metal = Metal::new();
    let host = metal.host();
    let file = host.write_deployment_file().unwrap();
    let check = |file: &str| finish(metal.bench.explicit(&["check", file]).spawn().unwrap());
    let told = |answer: &oneprovision::Answer| answer.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let answer = check(&file);
    let text = told(&answer);
    for part in ["credentials accepted", "1 nodes have it", "1 free", "HOST_ENCRYPTED_ATTR = \"PROVISION/OS_PASSWORD\""]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(answer.status.code(), Some(0));
    assert!(metal.requests("POST").is_empty() && metal.requests("PUT").is_empty());
    let other = |name: &str, value: &str| {
        let xml = HostTemplate::ironic(ID).with(name, value).with("OS_ENDPOINT", &metal.stub.url()).xml();
        told(&check(&metal.bench.file(&format!("{name}.xml"), &xml)))
    };
    let text = other("RESOURCE_CLASS", "baremetl");
    assert!(text.contains("no node has the resource class \"baremetl\""), "{text}");
    assert!(text.contains("such as baremetal"), "{text}");
    let text = other("TRAITS", "CUSTOM_NONE");
    assert!(text.contains("no node is free: 1 without the traits"), "{text}");
    let text = other("CANDIDATE_NODES", "spare-9");
    assert!(text.contains("there is no node \"spare-9\"") && text.contains("such as spare-1"), "{text}");
    metal.stub.put("node", "aaaaaaaa-0000-4000-8000-000000000001", [("maintenance", true.into())]);
    let text = told(&check(&file));
    assert!(text.contains("no node is free: 1 in maintenance"), "{text}");
}

#[test]
fn list_shows_machines_and_what_no_host_has() {
    let metal = Metal::new();
    let (host, id) = metal.deployed();
    let list = || finish(metal.bench.explicit(&["list", "--host", "7"]).spawn().unwrap());
    let answer = list();
    assert!(answer.is_success() && answer.stdout.contains(&id), "{answer:?}");
    let other = metal.bench.host(&HostTemplate::ironic(8));
    let orphan = assert_success(&other.deploy().unwrap()).to_owned();
    metal.bench.simulator.oned().remove(8);
    let answer = list();
    assert_eq!(answer.status.code(), Some(1));
    assert!(answer.stdout.contains(&format!("pm-packet cancel {orphan} --credentials-of 7")), "{answer:?}");
    assert_success(&host.cancel().unwrap());
}
