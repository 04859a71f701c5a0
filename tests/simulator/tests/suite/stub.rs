//! Stubs that are played from fixture folders: Scaleway's whole life over HTTP, and what the format can say.

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use crate::common::{Answer, Client, wait};
use serde_json::{Value, json};
use simulator::stub::{Stub, StubOptions};
use simulator::{Effect, Fault, Operation, State};

const SECRET: &str = "11111111-2222-4333-8444-555555555555";
const ZONE: &str = "/baremetal/v1/zones/fr-par-2";
const HOURLY: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const SOLD_OUT: &str = "aaaaaaaa-0000-4000-8000-000000000004";
const WITHOUT_CLOUD_INIT: &str = "aaaaaaaa-0000-4000-8000-000000000003";

/// A client of a stub.
struct Api {
    stub: Stub,
    key: (&'static str, String),
}

impl Api {
    fn scaleway(set: &[(&'static str, u64)]) -> Self {
        let options = StubOptions { set: set.to_vec(), ..StubOptions::default() };
        let stub = Stub::start("scaleway", options).expect("the fixture can be played");
        Api { stub, key: ("X-Auth-Token", SECRET.to_owned()) }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut client = Client::connect(&self.stub.url()).expect("the server listens");
        let headers = [(self.key.0, self.key.1.as_str())];
        client.send(method, path, &headers, body).expect("it is sent");
        client.receive().expect("an answer")
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn order(&self, change: Value) -> Answer {
        let mut order = json!({
            "offer_id": HOURLY,
            "project_id": "dddddddd-0000-4000-8000-000000000001",
            "name": "a \"host\"",
            "description": "",
            "tags": ["OpenNebula", "ONE_HOST_ID=7"],
            "install": {"os_id": "bbbbbbbb-0000-4000-8000-000000000001", "hostname": "host"},
        });
        let changes = change.as_object().cloned().unwrap_or_default();
        order.as_object_mut().expect("an object").extend(changes);
        self.ask("POST", &format!("{ZONE}/servers"), &order.to_string())
    }

    /// Orders a machine, and returns its path.
    fn ordered(&self, change: Value) -> String {
        let answer = self.order(change);
        assert_eq!(answer.status, 200, "{}", answer.text());
        format!("{ZONE}/servers/{}", answer.json()["id"].as_str().expect("an id"))
    }

    /// Its status, and that of what is installed.
    fn is(&self, path: &str, status: &str, install: &str) -> bool {
        let server = self.get(path);
        server["status"] == status && server["install"]["status"] == install
    }

    fn up(&self, change: Value) -> String {
        let path = self.ordered(change);
        wait("it is up", || self.is(&path, "ready", "completed"));
        path
    }

    fn refused(&self, method: &str, path: &str, status: u16) -> Value {
        let answer = self.ask(method, path, "{}");
        assert_eq!(answer.status, status, "{}", answer.text());
        answer.json()
    }
}

#[test]
fn a_machine_of_scaleways_lives_from_its_order_to_its_end() {
    let api = Api::scaleway(&[("ordering", 200), ("installing", 200), ("powering", 100)]);
    let path = api.ordered(json!({}));
    let server = api.get(&path);
    assert_eq!(server["name"], "a \"host\"");
    assert_eq!(server["tags"], json!(["OpenNebula", "ONE_HOST_ID=7"]));
    assert_eq!((&server["zone"], &server["ips"]), (&json!("fr-par-2"), &json!([])));
    wait("it is installed", || api.is(&path, "ready", "installing"));
    let busy = api.refused("POST", &format!("{path}/stop"), 409);
    assert_eq!((&busy["type"], &busy["current_state"]), (&json!("transient_state"), &json!("installing")));
    wait("it is up", || api.is(&path, "ready", "completed"));
    let server = api.get(&path);
    assert_eq!(server["install"]["user"], "ubuntu");
    assert!(server["ips"][0]["address"].as_str().is_some_and(|ip| ip.starts_with("203.0.113.")));
    for (action, at_once, then) in
        [("stop", "stopping", "stopped"), ("start", "starting", "ready"), ("reboot", "stopping", "ready")]
    {
        let answer = api.ask("POST", &format!("{path}/{action}"), "{}");
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(at_once)), "{action}");
        wait(then, || api.is(&path, then, "completed"));
    }
    assert_eq!(api.get(&format!("{path}/events"))["events"][0]["action"], "order_server");
    assert_eq!(api.ask("DELETE", &path, "").json()["status"], "deleting");
    wait("it is gone", || api.ask("GET", &path, "").status == 404);
    assert_eq!(api.refused("DELETE", &path, 404), json!({"message": "Not Found"}));
    assert_eq!(api.get(&format!("{ZONE}/servers"))["total_count"], 0);
    let operations: Vec<Operation> = api.stub.requests().iter().map(|one| one.operation).collect();
    assert_eq!(operations[..2], [Operation::Create, Operation::Get]);
    assert!(operations.contains(&Operation::PowerOff) && operations.contains(&Operation::Events));
}

#[test]
fn listings_have_pages_and_are_of_a_zone_with_all_of_the_tags() {
    let api = Api::scaleway(&[("page", 2)]);
    for number in 0..3 {
        api.ordered(json!({"tags": ["one", format!("n={number}")]}));
    }
    let list = |query: &str| {
        let list = api.get(&format!("{ZONE}/servers?{query}"));
        let shown = list["servers"].as_array().expect("a list").len();
        (list["total_count"].as_u64().expect("a number"), shown)
    };
    assert_eq!(list("tags=one"), (3, 2));
    assert_eq!(list("tags=one&page=2"), (3, 1));
    assert_eq!(list("tags=one&page=3"), (3, 0));
    assert_eq!(list("tags=one&page_size=1&page=3"), (3, 1));
    assert_eq!(list("tags=n%3D1"), (1, 1));
    assert_eq!(list("tags=one&tags=n%3D1"), (1, 1));
    assert_eq!(list("tags=n"), (0, 0));
    let elsewhere = api.get("/baremetal/v1/zones/nl-ams-1/servers");
    assert_eq!(elsewhere["servers"], json!([]));
    let hourly = api.get(&format!("{ZONE}/offers?subscription_period=hourly&page=2"));
    assert_eq!((&hourly["total_count"], &hourly["offers"][0]["stock"]), (&json!(3), &json!("empty")));
    assert_eq!(api.get(&format!("{ZONE}/os"))["os"][0]["name"], "Ubuntu");
}

#[test]
fn scaleway_refuses_in_its_own_words() {
    let mut api = Api::scaleway(&[]);
    let said = |change: Value, status: u16| {
        let answer = api.order(change);
        assert_eq!(answer.status, status, "{}", answer.text());
        answer.json()
    };
    let lacks = said(json!({"name": null}), 400);
    assert_eq!(lacks["details"][0]["argument_name"], "name");
    assert_eq!(said(json!({"offer_id": "none"}), 404)["resource"], "offer");
    assert_eq!(said(json!({"offer_id": SOLD_OUT}), 409)["type"], "out_of_stock");
    let install = json!({"os_id": "bbbbbbbb-0000-4000-8000-000000000001", "ssh_key_ids": ["none"]});
    assert_eq!(said(json!({"install": install}), 404)["resource"], "ssh_key");
    let never = said(json!({"offer_id": WITHOUT_CLOUD_INIT, "user_data": "IyE="}), 503);
    assert_eq!(never, json!({"message": "cloud-init is not supported on this offer"}));
    let words = [("type", "permissions_denied"), ("message", "insufficient permissions")];
    let effect = Stub::refusal("scaleway", 403, &words).expect("a refusal");
    api.stub.fault(Fault::new(Operation::Create, effect));
    assert_eq!(said(json!({}), 403)["type"], "permissions_denied");

    let path = api.up(json!({"protected": true}));
    assert_eq!(api.refused("DELETE", &path, 412)["type"], "precondition_failed");
    api.refused("GET", &path.replace("fr-par-2", "fr-par-1"), 404);
    api.refused("GET", &path.replace("fr-par-2", "mars-1"), 400);
    api.stub.fault(Fault::new(Operation::Create, Effect::Locked));
    let path = api.up(json!({}));
    assert_eq!(api.refused("DELETE", &path, 423)["type"], "locked");
    api.key.1 = "another".to_owned();
    assert_eq!(api.refused("GET", &path, 401)["type"], "denied_authentication");
}

#[test]
fn keys_come_and_go() {
    let api = Api::scaleway(&[]);
    let keys = "/iam/v1alpha1/ssh-keys";
    let made = api.ask("POST", keys, r#"{"name": "n", "public_key": "ssh-ed25519 AAAA"}"#).json();
    assert_eq!(api.get(keys)["total_count"], 2);
    let path = format!("{keys}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(api.ask("DELETE", &path, "").status, 204);
    assert_eq!(api.get(keys)["ssh_keys"][0]["name"], "front-end");
    assert_eq!(api.ask("DELETE", &path, "").status, 404);
}

#[test]
fn faults_decide_what_becomes_of_a_machine() {
    let api = Api::scaleway(&[]);
    let fated = |effect: Effect| {
        api.stub.fault(Fault::new(Operation::Create, effect));
        api.ordered(json!({}))
    };
    let failed = fated(Effect::FailProvisioning);
    let stuck = fated(Effect::Stuck(State::Other("delivering".to_owned())));
    let queued = fated(Effect::Stuck(State::Queued));
    let after = Duration::from_millis(10);
    let taken = fated(Effect::Vanish { after, status: 404 });
    let hidden = fated(Effect::ListingLag(Duration::from_secs(3600)));
    wait("it failed", || api.is(&failed, "error", "to_install"));
    wait("it is taken", || api.ask("GET", &taken, "").status == 404);
    wait("it is up", || api.is(&hidden, "ready", "completed"));
    assert!(api.is(&stuck, "delivering", "to_install"));
    assert!(api.is(&queued, "ordered", "to_install"));
    assert_eq!(api.get(&format!("{ZONE}/servers"))["total_count"], 3);

    let id = hidden.rsplit('/').next().unwrap_or_default();
    api.stub.put("server", id, [("status", "locked".into())]);
    assert_eq!(api.refused("POST", &format!("{hidden}/stop"), 409)["current_state"], "locked");
    let servers = api.stub.objects("server");
    assert_eq!((servers.len(), servers[4].text("status").as_str()), (5, "locked"));
    assert!(servers[3].is_gone);
}

#[test]
fn every_fixture_folder_can_be_played() {
    let folders = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for folder in fs::read_dir(folders).expect("the folder") {
        let folder = folder.expect("a folder").path();
        if let Err(error) = Stub::open(&folder, StubOptions::default()) {
            panic!("{error}");
        }
    }
}

/// What the example in the documentation leaves out.
const REST: &str = r#"
[answer.no_such_path]
status = 404
[answer.denied]
status = 401
[answer.not_found]
status = 404
[answer.taken]
status = 409
"#;

#[test]
fn the_documented_example_can_be_played() {
    let source = include_str!("../../src/stub/mod.rs");
    let example = source.split("```").find_map(|part| part.strip_prefix("toml\n"));
    let lines = example.expect("an example").lines();
    let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("//!")).collect();
    let folder = Folder::new("example", &(lines.join("\n") + REST));
    let server = r#"{"id": {{it.id}}, "name": {{it.name}}, "status": {{it.status}}}"#;
    fs::write(folder.0.join("server.json"), server).expect("a file");
    let stub = Stub::open(&folder.0, StubOptions::default()).expect("it can be played");
    let api = Api { stub, key: ("X-Auth-Token", "secret".to_owned()) };
    let made = api.ask("POST", "/zones/a/servers", r#"{"name": "n"}"#).json();
    assert_eq!((&made["name"], &made["status"]), (&json!("n"), &json!("ordered")));
    assert_eq!(api.ask("POST", "/zones/a/servers", r#"{"name": "n"}"#).status, 409);
    assert_eq!(api.get("/zones/a/servers")["total"], 1);
    let path = format!("/zones/a/servers/{}", made["id"].as_str().expect("an id"));
    assert_eq!(api.ask("DELETE", &path, "").json()["status"], "deleting");
    wait("it is gone", || api.ask("DELETE", &path, "").status == 404);
    assert_eq!(api.ask("GET", "/", "").status, 404);
}

/// A folder with these rules, for as long as it is held.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, rules: &str) -> Self {
        let folder = env::temp_dir().join(format!("pm-packet-stub-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("rules.toml"), rules).expect("a file");
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An API whose tokens are fetched and expire, and whose objects are known by their name.
const TOKENS: &str = r#"
type = "application/json"
unknown = "unknown"
options = { token = 300 }
refuse = [{ when = "not find('token', 'id', after(header.authorization, 'Bearer '))", answer = "expired" }]

[kind.token]
id = "{{hex(40)}}"
missing = "unknown"
life.valid = [{ state = "valid", for = "token" }, { gone = true }]
[kind.allocation]
id = "{{uuid()}}"
missing = "unknown"
[kind.node]
id = "node-{{serial(9)}}"
missing = "unknown"
life.taken = [{ state = "taken" }]
[[seed]]
create = "node"
set.size = 2

[[rule]]
name = "token"
on = "POST /token"
if = "form.grant_type == 'client_credentials' and header.authorization == 'Basic aWQ6c2VjcmV0'"
operation = "api"
open = true
do = [{ create = "token", life = "valid" }]
answer = "token"
[[rule]]
name = "allocate"
on = "POST /allocations"
operation = "create"
refuse = [
    { when = "find('allocation', 'name', body.name)", answer = "taken" },
    { when = "the.node.size != 2 or the.node.state", answer = "unknown" },
]
answer = "allocation"
[[rule.do]]
create = "allocation"
set = { name = "{{body.name}}", node = "{{the.node.id}}" }
[[rule.do]]
find = "node"
id = "'node-1'"
life = "taken"

[answer.unknown]
status = 404
[answer.expired]
status = 401
headers = { WWW-Authenticate = "Bearer realm=\"{{path.none or 'all'}}\"" }
[answer.token]
status = 201
headers = { X-Subject-Token = "{{it.id}}" }
body = '{"access_token": {{it.id}}, "expires_in": {{seconds(option.token)}}}'
[answer.allocation]
status = 201
body = '{"name": "{{it.name}} ({{it.id}})", "node": {"id": {{it.node}}, "state": {{the.node.state}}}}'
[answer.taken]
status = 409
body = '{"error": "An allocation with name {{body.name}} already exists."}'
"#;

#[test]
fn tokens_are_fetched_and_expire_and_one_request_can_change_two_objects() {
    let folder = Folder::new("tokens", TOKENS);
    let stub = Stub::open(&folder.0, StubOptions::default()).expect("it can be played");
    let mut api = Api { stub, key: ("Authorization", "Basic aWQ6c2VjcmV0".to_owned()) };
    let denied = api.ask("POST", "/allocations", "{}");
    assert_eq!(denied.status, 401);
    assert_eq!(denied.header("WWW-Authenticate"), Some("Bearer realm=\"all\""));
    let token = api.ask("POST", "/token", "grant_type=client_credentials");
    assert_eq!((token.status, &token.json()["expires_in"]), (201, &json!(1)));
    let id = token.header("X-Subject-Token").unwrap_or_default().to_owned();
    assert_eq!(token.json()["access_token"], id.as_str());
    api.key.1 = format!("Bearer {id}");
    let made = api.ask("POST", "/allocations", r#"{"name": "a\\b"}"#);
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.json()["name"].as_str().is_some_and(|name| name.starts_with("a\\b (")));
    assert_eq!(made.json()["node"], json!({"id": "node-1", "state": "taken"}));
    let again = api.ask("POST", "/allocations", r#"{"name": "a\\b"}"#);
    assert_eq!((again.status, again.text().contains("already exists")), (409, true));
    assert_eq!(api.stub.objects("allocation").len(), 1);
    wait("the token expires", || api.ask("POST", "/allocations", "{}").status == 401);
}

#[test]
fn what_is_wrong_in_a_folder_is_told_when_it_is_opened() {
    let cases = [
        ("type = \"application/json\"", "", "line 1"),
        ("[kind.token]", "[kind.token]\nlife_time = 7", "life_time"),
        ("open = true", "open = tru", "line 27"),
        ("operation = \"create\"", "operation = \"order\"", "unknown variant `order`"),
        ("find('allocation', 'name', body.name)", "fnd(body.name)", "there is no function `fnd`"),
        ("find('allocation', 'name', body.name)", "body.name ==", "something is missing"),
        ("{{the.node.id}}", "{{teh.node.id}}", "nothing is called `teh`"),
        ("answer = \"taken\"", "answer = \"took\"", "rule \"allocate\": there is no answer took"),
        ("create = \"allocation\"", "create = \"location\"", "rule \"allocate\": there is no kind location"),
        ("life = \"taken\"", "life = \"took\"", "rule \"allocate\": there is no life took"),
        ("find('allocation'", "find('location'", "line 35: there is no kind location"),
        ("option.token", "option.taken", "line 55: there is no option taken"),
        ("for = \"token\"", "for = \"tokens\"", "kind token: there is no option tokens"),
        ("{ state = \"valid\", for = \"token\" }", "{ state = \"valid\" }", "life valid: each step but the last"),
        ("{{it.id}}, \"expires_in\"", "{{it.id}} \"expires_in\"", "answer token: its body: it makes no Json"),
        ("{{body.name}} already", "{{if body.name}} already", "answer taken: its body: line 1: `if` without an end"),
        ("body = '{\"access", "file = \"none.json\"\n#", "answer token: none.json"),
    ];
    for (right, wrong, error) in cases {
        let rules = TOKENS.replacen(right, wrong, 1);
        assert_ne!(rules, TOKENS, "{right} is not there");
        let folder = Folder::new("wrong", &rules);
        let told = Stub::open(&folder.0, StubOptions::default()).expect_err(wrong).to_string();
        assert!(told.contains("rules.toml") && told.contains(error), "{told}");
    }
    let options = StubOptions { set: vec![("nothing", 1)], ..StubOptions::default() };
    let told = Stub::start("ec2", options).expect_err("no such option").to_string();
    assert!(told.contains("there is no option nothing"), "{told}");
}
