//! The stub of OpenStack Ironic and of Keystone: its whole life over HTTP, what it refuses, and what faults do to it.

use std::time::Duration;

use crate::common::{Answer, Client, wait};
use serde_json::{Value, json};
use simulator::stub::{Stub, StubOptions};
use simulator::{Effect, Fault, Operation, State};

const VERSION: &str = "X-OpenStack-Ironic-API-Version";
/// The user `one` with the right password.
const BASIC: &str = "Basic b25lOmJhcmUtbWV0YWwtc2VjcmV0LTE=";
const UNKNOWN: &str = "11111111-2222-4333-8444-555555555555";
const SPARE: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const LOCKED: &str = "is locked by host localhost, please retry after the current operation is completed.";

/// A client of the stub.
struct Ironic {
    stub: Stub,
    headers: Vec<(&'static str, String)>,
}

impl Ironic {
    fn start(set: &[(&'static str, u64)]) -> Self {
        let options = StubOptions { set: set.to_vec(), ..StubOptions::default() };
        let stub = Stub::start("ironic", options).expect("the fixture can be played");
        Ironic { stub, headers: vec![("Authorization", BASIC.to_owned()), (VERSION, "1.115".to_owned())] }
    }

    fn ask_with(&self, headers: &[(&str, &str)], method: &str, path: &str, body: &str) -> Answer {
        let mut client = Client::connect(&self.stub.url()).expect("the server listens");
        client.send(method, path, headers, body).expect("it is sent");
        client.receive().expect("an answer")
    }

    fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask_with(&headers, method, path, &body)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// What is accepted, without a word.
    fn put(&self, path: &str, target: &str) {
        let answer = self.ask("PUT", path, json!({"target": target}));
        assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{target}");
    }

    /// A refusal with this status: its words.
    fn refused(&self, status: u16, method: &str, path: &str, body: Value) -> String {
        let answer = self.ask(method, path, body);
        assert_eq!(answer.status, status, "{}", answer.text());
        said(&answer)
    }

    fn allocate(&self, name: &str) -> Value {
        let body = json!({"name": name, "resource_class": "baremetal", "extra": {"mark": "a \"host\""}});
        let answer = self.ask("POST", "/v1/allocations", body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// A new allocation with its node: the ids of both.
    fn allocated(&self, name: &str) -> (String, String) {
        let id = text(&self.allocate(name)["uuid"]);
        let path = format!("/v1/allocations/{id}");
        wait("it has a node", || self.get(&path)["state"] == "active");
        let node = text(&self.get(&path)["node_uuid"]);
        (id, node)
    }

    fn patch(&self, node: &str, key: &str, value: &str) -> Value {
        let answer = self.ask("PATCH", &format!("/v1/nodes/{node}"), patch(key, value));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// A machine that is deployed to its end, good or bad: the ids of its allocation and of its node.
    fn deployed(&self, name: &str, end: &str) -> (String, String) {
        let (id, node) = self.allocated(name);
        self.patch(&node, "image_source", "http://images/a.img");
        self.put(&format!("/v1/nodes/{node}/states/provision"), "active");
        wait(end, || self.node(&node)["provision_state"] == end);
        (id, node)
    }

    fn node(&self, id: &str) -> Value {
        self.get(&format!("/v1/nodes/{id}"))
    }

    fn is_gone(&self, allocation: &str) -> bool {
        self.ask("GET", &format!("/v1/allocations/{allocation}"), Value::Null).status == 404
    }
}

fn patch(key: &str, value: &str) -> Value {
    json!([{"op": "add", "path": format!("/instance_info/{key}"), "value": value}])
}

/// The words of an error, which is JSON within a text.
fn said(answer: &Answer) -> String {
    let outer = answer.json();
    let inner: Value = serde_json::from_str(outer["error_message"].as_str().expect("a text")).expect("JSON in it");
    text(&inner["faultstring"])
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[test]
fn a_machine_of_ironics_lives_from_its_order_to_its_end() {
    let ironic = Ironic::start(&[("deploying", 1000), ("powering", 300), ("leaving", 300)]);
    let made = ironic.allocate("one-7");
    assert_eq!((&made["state"], &made["node_uuid"]), (&json!("allocating"), &Value::Null));
    assert_eq!(made["extra"], json!({"mark": "a \"host\""}));
    wait("it has a node", || ironic.get("/v1/allocations/one-7")["state"] == "active");
    let (id, node) = (text(&made["uuid"]), text(&ironic.get("/v1/allocations/one-7")["node_uuid"]));
    let (path, allocation) = (format!("/v1/nodes/{node}"), format!("/v1/allocations/{id}"));
    let (provision, power) = (format!("{path}/states/provision"), format!("{path}/states/power"));
    let seen = ironic.node(&node);
    assert_eq!((&seen["provision_state"], &seen["instance_uuid"]), (&json!("available"), &json!(id)));
    assert_eq!((&seen["power_state"], &seen["properties"]["cpus"]), (&json!("power off"), &json!(8)));

    let missing = ironic.refused(400, "PUT", &provision, json!({"target": "active"}));
    assert!(
        missing.ends_with("Some parameters were missing. Missing are: ['instance_info.image_source']"),
        "{missing}"
    );
    assert_eq!(ironic.get(&format!("{path}/validate"))["deploy"]["result"], false);
    ironic.patch(&node, "image_source", "http://images/a.img");
    let patched = ironic.patch(&node, "display_name", "a/host");
    let info = json!({"traits": [], "image_source": "http://images/a.img", "display_name": "a/host"});
    assert_eq!(patched["instance_info"], info);
    assert_eq!(ironic.get(&format!("{path}/validate"))["deploy"], json!({"result": true}));

    ironic.put(&provision, "active");
    let seen = ironic.node(&node);
    assert_eq!((&seen["provision_state"], &seen["target_provision_state"]), (&json!("deploying"), &json!("active")));
    assert_eq!(seen["reservation"], "localhost");
    for (method, path, target) in
        [("PUT", &provision, "deleted"), ("PUT", &power, "power on"), ("DELETE", &allocation, "")]
    {
        let busy = ironic.refused(409, method, path, json!({"target": target}));
        assert_eq!(busy, format!("Node {node} {LOCKED}"));
    }
    let busy = ironic.refused(409, "PATCH", &path, patch("image_source", "another"));
    assert_eq!(busy, format!("Node {node} can not be updated while a state transition is in progress."));
    wait("it is deployed", || ironic.node(&node)["provision_state"] == "active");
    let seen = ironic.node(&node);
    assert_eq!((&seen["power_state"], &seen["reservation"]), (&json!("power on"), &Value::Null));
    let active = ironic.refused(409, "DELETE", &allocation, Value::Null);
    let reason = "because the node is active (and maintenance mode is off)";
    assert_eq!(active, format!("Cannot remove allocation {id} for node {node}, {reason}"));

    for (target, then) in [("power off", "power off"), ("power on", "power on"), ("rebooting", "power on")] {
        ironic.put(&power, target);
        assert_eq!(ironic.node(&node)["target_power_state"], then);
        wait(target, || ironic.node(&node)["target_power_state"].is_null());
        assert_eq!(ironic.node(&node)["power_state"], then);
    }
    ironic.put(&provision, "deleted");
    assert_eq!(ironic.node(&node)["provision_state"], "deleting");
    assert_eq!(ironic.get(&allocation)["state"], "active");
    wait("it is gone", || ironic.is_gone(&id));
    let seen = ironic.node(&node);
    assert_eq!((&seen["provision_state"], &seen["instance_uuid"]), (&json!("available"), &Value::Null));
    let again = ironic.refused(400, "PUT", &provision, json!({"target": "deleted"}));
    let action = r#"The requested action "deleted" can not be performed on node"#;
    assert_eq!(again, format!(r#"{action} "{node}" while it is in state "available"."#));
    let operations: Vec<Operation> = ironic.stub.requests().iter().map(|one| one.operation).collect();
    assert_eq!(operations[..2], [Operation::Create, Operation::Get]);
    for operation in [Operation::Action, Operation::PowerOff, Operation::PowerOn, Operation::Reboot, Operation::Delete]
    {
        assert!(operations.contains(&operation), "{operation:?}");
    }
    let deploy = ironic.stub.requests().into_iter().find(|one| one.body.contains("active")).expect("a deployment");
    assert_eq!(deploy.device, Some(id));
}

/// The names on each page, by the links from one to the next.
fn pages(ironic: &Ironic, first: &str, list: &str) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), Some(first.to_owned()));
    while let Some(asked) = path {
        let page = ironic.get(&asked);
        let items = page[list].as_array().expect("a list");
        pages.push(items.iter().map(|item| text(&item["name"])).collect());
        path = page["next"].as_str().map(|link| link.replacen("http://localhost", "", 1));
    }
    pages
}

#[test]
fn listings_have_pages_up_to_one_that_is_not_full() {
    let ironic = Ironic::start(&[("page", 4)]);
    for name in ["a", "b", "c", "d"] {
        ironic.allocated(name);
    }
    let paged = |query: &str| pages(&ironic, &format!("/v1/allocations{query}"), "allocations");
    assert_eq!(paged(""), [vec!["a", "b", "c", "d"], vec![]]);
    assert_eq!(paged("?limit=3&fields=uuid,name"), [vec!["a", "b", "c"], vec!["d"]]);
    assert_eq!(paged("?limit=2"), [vec!["a", "b"], vec!["c", "d"], vec![]]);
    let nodes = pages(&ironic, "/v1/nodes?limit=2", "nodes");
    assert_eq!(nodes, [vec!["spare-1", "spare-2"], vec!["node-1", "node-2"], vec!["node-3", "node-4"], vec![]]);
    let own = pages(&ironic, "/v1/nodes?associated=true&limit=3", "nodes");
    assert_eq!(own, [vec!["node-1", "node-2", "node-3"], vec!["node-4"]]);

    let list = ironic.get("/v1/allocations?fields=uuid,state&limit=1");
    let first = list["allocations"][0].as_object().expect("an object");
    assert_eq!(first.keys().collect::<Vec<_>>(), ["links", "state", "uuid"]);
    let own = ironic.get(&format!("/v1/nodes?instance_uuid={}", text(&first["uuid"])));
    assert_eq!((&own["nodes"][0]["name"], own["nodes"].as_array().map(Vec::len)), (&json!("node-1"), Some(1)));
    for (query, names) in [
        ("resource_class=baremetal.large", vec!["spare-2"]),
        ("associated=false&resource_class=baremetal", vec!["spare-1"]),
        ("provision_state=active", vec![]),
    ] {
        assert_eq!(pages(&ironic, &format!("/v1/nodes?{query}"), "nodes"), [names], "{query}");
    }
    let unknown = format!("/v1/allocations?marker={UNKNOWN}");
    assert_eq!(ironic.refused(404, "GET", &unknown, Value::Null), format!("Allocation {UNKNOWN} could not be found."));
    assert_eq!(ironic.refused(400, "GET", "/v1/nodes?limit=0", Value::Null), "Limit must be positive");
    let no_attribute = "type object 'Node' has no attribute 'allocation_uuid'";
    assert_eq!(ironic.refused(500, "GET", "/v1/nodes?fields=uuid,allocation_uuid", Value::Null), no_attribute);
    let no_field = ironic.refused(400, "GET", "/v1/allocations?fields=none", Value::Null);
    assert!(no_field.starts_with("Schema error: 'none' is not one of"), "{no_field}");
}

#[test]
fn without_a_version_or_with_an_old_one_there_are_no_allocations() {
    let mut ironic = Ironic::start(&[("version", 79)]);
    let root = ironic.ask_with(&[], "GET", "/", "").json();
    assert_eq!(
        (&root["default_version"]["version"], &root["versions"][0]["min_version"]),
        (&json!("1.79"), &json!("1.1"))
    );
    let too_new = ironic.ask("GET", "/v1/allocations", Value::Null);
    assert_eq!((too_new.status, too_new.header("X-OpenStack-Ironic-API-Maximum-Version")), (406, Some("1.79")));
    assert!(too_new.text().contains("The supported version range is: [1.1, 1.79]."), "{}", too_new.text());
    let old = "The API version does not allow allocations";
    let order = json!({"name": "a", "resource_class": "baremetal", "owner": "b"});
    for version in ["1.51", "1.1"] {
        ironic.headers[1].1 = version.to_owned();
        assert_eq!(ironic.refused(404, "GET", "/v1/allocations", Value::Null), old);
        assert_eq!(ironic.refused(405, "POST", "/v1/allocations", order.clone()), old);
    }
    ironic.headers[1].1 = "1.52".to_owned();
    assert_eq!(ironic.get("/v1/allocations"), json!({"allocations": []}));
    assert_eq!(ironic.refused(406, "POST", "/v1/allocations", order), "Request not acceptable.");
    let (_, node) = ironic.allocated("a");
    ironic.patch(&node, "boot_iso", "http://images/a.iso");
    let drive = json!({"target": "active", "configdrive": {"user_data": "#!/bin/sh"}});
    let refused = ironic.refused(400, "PUT", &format!("/v1/nodes/{node}/states/provision"), drive);
    assert!(refused.ends_with("only supported starting with API version 1.56"), "{refused}");
    ironic.headers.pop();
    assert_eq!(ironic.refused(404, "GET", "/v1/allocations", Value::Null), old);
}

/// What asks Keystone for a token.
fn credentials(password: &str) -> Value {
    let user = json!({"name": "one", "domain": {"name": "Default"}, "password": password});
    let scope = json!({"project": {"name": "edge", "domain": {"name": "Default"}}});
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
}

#[test]
fn a_password_lets_in_and_so_does_a_token_for_its_time() {
    let mut ironic = Ironic::start(&[("token", 1000)]);
    let told = |answer: &Answer| (answer.status, answer.header("WWW-Authenticate").map(str::to_owned), answer.json());
    let basic = Some(r#"Basic realm="Baremetal API""#.to_owned());
    let denied = |words: &str| (401, basic.clone(), json!({"error": {"message": words, "code": 401}}));
    assert_eq!(told(&ironic.ask_with(&[], "GET", "/v1/nodes", "")), denied("Authorization required"));
    let wrong = ironic.ask_with(&[("Authorization", "Basic b25lOmE=")], "GET", "/v1/nodes", "");
    assert_eq!(told(&wrong), denied("Incorrect username or password"));

    let tokens = "/identity/v3/auth/tokens";
    let ask = |body: Value| ironic.ask_with(&[], "POST", tokens, &body.to_string());
    let unauthorized = json!({
        "error": {
            "code": 401,
            "message": "The request you have made requires authentication.",
            "title": "Unauthorized",
        },
    });
    let wrong = ask(credentials("wrong"));
    assert_eq!((wrong.status, wrong.json()), (401, unauthorized.clone()));
    let mut unscoped = credentials("bare-metal-secret-1");
    unscoped["auth"].as_object_mut().expect("an object").remove("scope");
    let unscoped = ask(unscoped);
    assert_eq!((unscoped.status, unscoped.json()["token"].get("catalog")), (201, None));
    let given = ask(credentials("bare-metal-secret-1"));
    assert_eq!(given.status, 201, "{}", given.text());
    let catalog = given.json()["token"]["catalog"].clone();
    let baremetal =
        catalog.as_array().and_then(|all| all.iter().find(|one| one["type"] == "baremetal")).expect("Ironic");
    for (number, interface) in ["public", "internal", "admin"].into_iter().enumerate() {
        let endpoint = &baremetal["endpoints"][number];
        let has = (&endpoint["interface"], &endpoint["region"], &endpoint["url"]);
        assert_eq!(has, (&json!(interface), &json!("RegionOne"), &json!("http://localhost")));
    }
    let token = |answer: &Answer| answer.header("X-Subject-Token").expect("a token").to_owned();
    let (unscoped, given) = (token(&unscoped), token(&given));
    assert!(given.starts_with("gAAAA"), "{given}");
    ironic.headers[0] = ("X-Auth-Token", unscoped);
    assert!(ironic.refused(403, "GET", "/v1/nodes", Value::Null).starts_with("Access was denied"));
    ironic.headers[0] = ("X-Auth-Token", given);
    ironic.get("/v1/nodes");
    wait("the token expires", || ironic.ask("GET", "/v1/nodes", Value::Null).status == 401);
    assert_eq!(ironic.ask("GET", "/v1/nodes", Value::Null).json(), unauthorized);
}

#[test]
fn ironic_refuses_in_its_own_words() {
    let ironic = Ironic::start(&[]);
    let (id, node) = ironic.allocated("a");
    let order = |change: Value, status: u16| {
        let mut order = json!({"resource_class": "baremetal"});
        order.as_object_mut().expect("an object").extend(change.as_object().cloned().unwrap_or_default());
        ironic.refused(status, "POST", "/v1/allocations", order)
    };
    assert_eq!(order(json!({"name": "a"}), 409), "An allocation with name a already exists.");
    assert_eq!(order(json!({"uuid": id}), 409), format!("An allocation with UUID {id} already exists."));
    assert_eq!(order(json!({"name": "a b"}), 400), "Cannot create allocation with invalid name 'a b'");
    assert_eq!(order(json!({"candidate_nodes": [UNKNOWN]}), 400), format!("Nodes cannot be found: {UNKNOWN}"));
    let no_class = order(json!({"resource_class": null}), 400);
    assert_eq!(no_class, "The resource_class field is mandatory when not backfilling");
    let words = [("message", r#"Node "a\b" is ['x']"#)];
    ironic.stub.fault(Fault::new(Operation::Create, Stub::refusal("ironic", 409, &words).expect("a refusal")));
    assert_eq!(order(json!({}), 409), words[0].1);

    for path in [format!("/v1/allocations/{UNKNOWN}"), "/v1/allocations/none".to_owned()] {
        let name = path.rsplit('/').next().unwrap_or_default();
        for method in ["GET", "DELETE"] {
            let told = ironic.refused(404, method, &path, Value::Null);
            assert_eq!(told, format!("Allocation {name} could not be found."));
        }
    }
    let path = format!("/v1/nodes/{UNKNOWN}");
    let target = json!({"target": "power on"});
    for (method, path, body) in [
        ("GET", path.clone(), Value::Null),
        ("GET", format!("{path}/validate"), Value::Null),
        ("PATCH", path.clone(), patch("image_source", "a")),
        ("PUT", format!("{path}/states/provision"), json!({"target": "active"})),
        ("PUT", format!("{path}/states/power"), target.clone()),
    ] {
        assert_eq!(ironic.refused(404, method, &path, body), format!("Node {UNKNOWN} could not be found."));
    }
    let answer = ironic.ask("GET", "/v1/none", Value::Null);
    assert_eq!((answer.status, answer.text().contains("Not Found")), (404, true));

    let provision = format!("/v1/nodes/{node}/states/provision");
    let rescue = ironic.refused(400, "PUT", &provision, json!({"target": "rescue"}));
    assert!(rescue.starts_with(r#"The requested action "rescue" can not be performed"#), "{rescue}");
    assert_eq!(ironic.refused(400, "PUT", &provision, json!({})), "Missing mandatory parameter: target");
    let power = format!("/v1/nodes/{node}/states/power");
    let nothing = ironic.refused(400, "PUT", &power, json!({"target": "nothing"}));
    assert!(nothing.contains(r#"while it is in state "power off""#), "{nothing}");
    ironic.patch(&node, "image_source", "a");
    ironic.stub.put("allocation", &id, [("maintenance", true.into())]);
    let maintained = ironic.refused(400, "PUT", &provision, json!({"target": "active"}));
    assert_eq!(
        maintained,
        format!("The provisioning operation can't be performed on node {node} because it's in maintenance mode.")
    );
    ironic.put(&power, "power on");
    let busy = ironic.refused(409, "PUT", &power, target);
    assert_eq!(busy, format!("Node {node} {LOCKED}"));
}

#[test]
fn a_protected_machine_stays_and_an_allocation_can_be_taken_from_one_in_maintenance() {
    let ironic = Ironic::start(&[]);
    let (id, node) = ironic.deployed("a", "active");
    let provision = format!("/v1/nodes/{node}/states/provision");
    ironic.stub.put("allocation", &id, [("protected", true.into())]);
    let protected = ironic.refused(403, "PUT", &provision, json!({"target": "deleted"}));
    assert_eq!(protected, format!("Node {node} is protected and cannot be undeployed, rebuilt or deleted"));
    let unprotect = json!([{"op": "replace", "path": "/protected", "value": false}]);
    assert_eq!(ironic.ask("PATCH", &format!("/v1/nodes/{node}"), unprotect).json()["protected"], false);
    ironic.stub.put("allocation", &id, [("maintenance", true.into()), ("maintenance_reason", "a disk".into())]);
    assert_eq!(ironic.ask("DELETE", &format!("/v1/allocations/{id}"), Value::Null).status, 204);
    assert!(ironic.is_gone(&id));
    let left = ironic.node(&node);
    assert_eq!((&left["provision_state"], &left["instance_uuid"]), (&json!("active"), &Value::Null));
    assert_eq!((&left["maintenance_reason"], &left["power_state"]), (&json!("a disk"), &json!("power on")));

    ironic.stub.fault(Fault::new(Operation::Create, Effect::Locked));
    let (_, node) = ironic.deployed("b", "active");
    assert_eq!(ironic.node(&node)["protected"], true);
    ironic.refused(403, "PUT", &format!("/v1/nodes/{node}/states/provision"), json!({"target": "deleted"}));
}

#[test]
fn what_could_not_be_deployed_keeps_its_allocation_until_it_is_taken() {
    let ironic = Ironic::start(&[("deploy_fails", 1)]);
    let (id, node) = ironic.deployed("a", "deploy failed");
    let failed = ironic.node(&node);
    assert_eq!((&failed["target_provision_state"], &failed["instance_uuid"]), (&json!("active"), &json!(id)));
    assert!(failed["last_error"].as_str().is_some_and(|error| error.contains("http://images/a.img")), "{failed}");
    assert_eq!(ironic.ask("DELETE", "/v1/allocations/a", Value::Null).status, 204);
    assert!(ironic.is_gone(&id));
    assert_eq!(ironic.node(&node)["provision_state"], "deploy failed");
    let (id, node) = ironic.deployed("a", "deploy failed");
    ironic.put(&format!("/v1/nodes/{node}/states/provision"), "deleted");
    wait("it is gone", || ironic.is_gone(&id));
    assert_eq!(ironic.node(&node)["provision_state"], "available");
}

#[test]
fn an_allocation_can_name_its_node_and_its_uuid() {
    let ironic = Ironic::start(&[]);
    for (candidate, name) in [(SPARE, "a"), ("spare-2", "b")] {
        let order = json!({"name": name, "resource_class": "baremetal", "candidate_nodes": [candidate]});
        assert_eq!(ironic.ask("POST", "/v1/allocations", order).status, 201);
        let path = format!("/v1/allocations/{name}");
        wait("it has a node", || ironic.get(&path)["state"] == "active");
    }
    assert_eq!(ironic.get("/v1/allocations/a")["node_uuid"], SPARE);
    assert_eq!(ironic.node(SPARE)["traits"], json!(["CUSTOM_GPU"]));
    let own = pages(&ironic, "/v1/nodes?associated=true", "nodes");
    assert_eq!(own, [vec!["spare-1", "spare-2"]]);
    let order = json!({"uuid": UNKNOWN, "resource_class": "baremetal", "traits": ["CUSTOM_X"]});
    assert_eq!(ironic.ask("POST", "/v1/allocations", order).json()["uuid"], UNKNOWN);
    wait("it has a node", || ironic.get(&format!("/v1/allocations/{UNKNOWN}"))["state"] == "active");
    let seen = ironic.get(&format!("/v1/nodes?instance_uuid={UNKNOWN}&fields=traits,owner"));
    assert_eq!(seen["nodes"][0]["traits"], json!(["CUSTOM_X"]));
}

#[test]
fn faults_decide_what_becomes_of_an_allocation() {
    let ironic = Ironic::start(&[("allocating", 100)]);
    let fated = |name: &str, effect: Effect| {
        ironic.stub.fault(Fault::new(Operation::Create, effect));
        text(&ironic.allocate(name)["uuid"])
    };
    let failed = fated("failed", Effect::FailProvisioning);
    let queued = fated("queued", Effect::Stuck(State::Queued));
    let taken = fated("taken", Effect::Vanish { after: Duration::from_millis(10), status: 404 });
    let hidden = fated("hidden", Effect::ListingLag(Duration::from_secs(3600)));
    ironic.stub.fault(Fault::new(Operation::Create, Effect::Stuck(State::Other("wait call-back".to_owned()))));
    let (waiting, node) = ironic.deployed("waiting", "wait call-back");
    wait("it failed", || ironic.get(&format!("/v1/allocations/{failed}"))["state"] == "error");
    let error = &ironic.get(&format!("/v1/allocations/{failed}"))["last_error"];
    let reason = "no available nodes match the resource class baremetal.";
    assert_eq!(error, &json!(format!("Failed to process allocation {failed}: {reason}")));
    assert!(ironic.is_gone(&taken));
    assert_eq!(ironic.get(&format!("/v1/allocations/{queued}"))["state"], "allocating");
    let shown = pages(&ironic, "/v1/allocations", "allocations");
    assert_eq!(shown, [vec!["failed", "queued", "waiting"]]);
    assert_eq!(ironic.get(&format!("/v1/allocations/{hidden}"))["name"], "hidden");
    for id in [&failed, &queued] {
        assert_eq!(ironic.ask("DELETE", &format!("/v1/allocations/{id}"), Value::Null).status, 204);
        assert!(ironic.is_gone(id));
    }
    let refused = ironic.refused(409, "DELETE", &format!("/v1/allocations/{waiting}"), Value::Null);
    assert!(refused.contains("in state wait call-back where updates are not allowed"), "{refused}");

    ironic.stub.put("allocation", &waiting, [("provision_state", "pondering".into()), ("last_error", "no".into())]);
    let seen = ironic.node(&node);
    assert_eq!((&seen["provision_state"], &seen["last_error"]), (&json!("pondering"), &json!("no")));
    ironic.put(&format!("/v1/nodes/{node}/states/provision"), "deleted");
    wait("it is gone", || ironic.is_gone(&waiting));
    assert!(ironic.stub.objects("allocation").iter().filter(|one| !one.is_gone).all(|one| one.id() == hidden));
}
