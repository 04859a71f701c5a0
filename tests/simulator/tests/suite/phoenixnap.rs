//! The stub of phoenixNAP: a server's whole life over HTTP, its tokens and tags, and what is refused.

use std::time::Duration;

use crate::common::{Answer, Client, wait};
use serde_json::{Value, json};
use simulator::stub::{Stub, StubOptions};
use simulator::{Effect, Fault, Operation, State};

const TOKEN: &str = "/auth/realms/BMC/protocol/openid-connect/token";
const SERVERS: &str = "/bmc/v1/servers";
const TAGS: &str = "/tag-manager/v1/tags";
const STOCK: &str = "/billing/v1/product-availability?productCategory=SERVER";
/// What a client of id and secret sends.
const CLIENT: &str = "Basic Y2xpZW50OnNlY3JldA==";
/// Its answer to what is gone, as it was recorded.
const GONE: &str = "The request failed since this resource cannot be accessed by the provided credentials.";

/// A client of a stub, with a token.
struct Api {
    stub: Stub,
    key: String,
}

impl Api {
    fn start(set: &[(&'static str, u64)]) -> Self {
        let options = StubOptions { set: set.to_vec(), ..StubOptions::default() };
        let stub = Stub::start("phoenixnap", options).expect("the fixture can be played");
        let mut api = Api { stub, key: CLIENT.to_owned() };
        let token = api.ask("POST", TOKEN, "grant_type=client_credentials");
        assert_eq!(token.status, 200, "{}", token.text());
        let token = token.json();
        assert_eq!(token["token_type"], "Bearer");
        api.key = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
        api
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut client = Client::connect(&self.stub.url()).expect("the server listens");
        let headers = [("Authorization", self.key.as_str())];
        client.send(method, path, &headers, body).expect("it is sent");
        client.receive().expect("an answer")
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// A refusal in the API's form.
    fn refused(&self, method: &str, path: &str, body: &str, status: u16) -> Value {
        let answer = self.ask(method, path, body);
        assert_eq!(answer.status, status, "{}", answer.text());
        let refusal = answer.json();
        assert!(refusal["message"].is_string(), "{refusal}");
        refusal
    }

    fn tag(&self, name: &str) -> Answer {
        self.ask("POST", TAGS, &json!({"name": name, "isBillingTag": false}).to_string())
    }

    fn order(&self, change: Value) -> Answer {
        let mut order = json!({
            "hostname": "one-7",
            "os": "ubuntu/jammy",
            "type": "s1.c1.small",
            "location": "PHX",
            "installDefaultSshKeys": false,
        });
        let changes = change.as_object().cloned().unwrap_or_default();
        order.as_object_mut().expect("an object").extend(changes);
        self.ask("POST", SERVERS, &order.to_string())
    }

    /// Orders a server, and returns its path.
    fn ordered(&self, change: Value) -> String {
        let answer = self.order(change);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let server = answer.json();
        assert_eq!(server["status"], "creating");
        format!("{SERVERS}/{}", server["id"].as_str().expect("an id"))
    }

    fn up(&self, change: Value) -> String {
        let path = self.ordered(change);
        wait("it is up", || self.is(&path, "powered-on"));
        path
    }

    fn is(&self, path: &str, status: &str) -> bool {
        self.get(path)["status"] == status
    }

    fn act(&self, path: &str, action: &str) {
        let answer = self.ask("POST", &format!("{path}/actions/{action}"), "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["result"].is_string());
    }

    fn leave(&self, path: &str, body: &str) {
        let answer = self.ask("POST", &format!("{path}/actions/deprovision"), body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert!(answer.json().is_string());
    }
}

#[test]
fn a_server_lives_from_its_order_to_its_end() {
    let api = Api::start(&[("creating", 200), ("powering", 200), ("leaving", 200)]);
    assert_eq!(api.tag("ONE_HOST").status, 201);
    let path = api.ordered(json!({
        "tags": [{"name": "ONE_HOST", "value": "7"}],
        "sshKeys": ["ssh-ed25519 AAAA"],
        "osConfiguration": {"cloudInit": {"userData": "IyE="}},
    }));
    let server = api.get(&path);
    assert_eq!((&server["hostname"], &server["description"]), (&json!("one-7"), &Value::Null));
    assert_eq!((&server["tags"][0]["value"], &server["tags"][0]["isBillingTag"]), (&json!("7"), &json!(false)));
    assert!(server["publicIpAddresses"][0].as_str().is_some_and(|ip| ip.starts_with("203.0.113.")));
    let conflict = api.refused("POST", &format!("{path}/actions/power-off"), "", 409);
    assert_eq!(conflict["message"], "The resource is in an incompatible state.");
    wait("it is up", || api.is(&path, "powered-on"));
    for (action, at_once, then) in [
        ("power-off", "powered-on", "powered-off"),
        ("power-on", "powered-off", "powered-on"),
        ("reboot", "rebooting", "powered-on"),
        ("shutdown", "powered-on", "powered-off"),
    ] {
        api.act(&path, action);
        assert!(api.is(&path, at_once), "{action}");
        api.refused("POST", &format!("{path}/actions/reboot"), "", 409);
        wait(then, || api.is(&path, then));
    }
    api.leave(&path, r#"{"deleteIpBlocks": true}"#);
    assert!(api.is(&path, "deleting"));
    api.refused("POST", &format!("{path}/actions/deprovision"), "{}", 409);
    wait("it is gone", || api.ask("GET", &path, "").status == 403);
    let gone = api.refused("POST", &format!("{path}/actions/deprovision"), "{}", 403);
    assert_eq!(gone, json!({"message": GONE, "validationErrors": null}));
    assert_eq!(api.get(SERVERS), json!([]));
    let servers = api.stub.objects("server");
    assert_eq!(
        (servers[0].text("has_default_keys"), servers[0].text("has_left_block")),
        ("false".into(), "false".into())
    );
    assert_eq!(
        (servers[0].text("user_data"), servers[0].text("ssh_keys")),
        ("IyE=".into(), r#"["ssh-ed25519 AAAA"]"#.into())
    );
    let operations: Vec<Operation> = api.stub.requests().iter().map(|one| one.operation).collect();
    assert_eq!(operations[..4], [Operation::Api, Operation::Api, Operation::Create, Operation::Get]);
    assert!(operations.contains(&Operation::PowerOff) && operations.contains(&Operation::Delete));
}

#[test]
fn what_is_paid_by_the_month_stays_as_reserved() {
    let api = Api::start(&[]);
    let path = api.up(json!({"pricingModel": "ONE_MONTH_RESERVATION"}));
    api.leave(&path, "{}");
    wait("it is reserved", || api.is(&path, "reserved"));
    api.refused("POST", &format!("{path}/actions/deprovision"), "{}", 409);
    api.refused("POST", &format!("{path}/actions/power-on"), "", 409);
    assert_eq!(api.get(SERVERS)[0]["status"], "reserved");
    assert_eq!(api.stub.objects("server")[0].text("has_left_block"), "true");
}

#[test]
fn tokens_are_fetched_and_expire() {
    let mut api = Api::start(&[("token", 300)]);
    assert!(api.key.len() > 1000, "{}", api.key);
    wait("the token expires", || api.ask("GET", SERVERS, "").status == 401);
    let denied = api.refused("GET", SERVERS, "", 401);
    assert!(denied["message"].as_str().is_some_and(|message| message.contains("invalid credentials")));
    let token = |form: &str, status: u16| {
        let answer = api.ask("POST", TOKEN, form);
        assert_eq!(answer.status, status, "{}", answer.text());
        answer.json()
    };
    let form = "grant_type=client_credentials&client_id=client&client_secret=";
    assert_eq!(token(form, 401)["error"], "unauthorized_client");
    assert_eq!(token("", 400)["error"], "invalid_request");
    assert_eq!(token("grant_type=password", 400)["error"], "unsupported_grant_type");
    let token = token(&format!("{form}secret"), 200);
    assert_eq!(token["expires_in"], 1);
    api.key = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
    assert_eq!(api.get(SERVERS), json!([]));
}

#[test]
fn a_tag_is_made_before_an_order_and_servers_are_found_by_it() {
    let api = Api::start(&[("tagging", 150)]);
    assert_eq!(api.get(&format!("{TAGS}?name=ONE_HOST")), json!([]));
    assert_eq!(api.tag("ONE_HOST").json()["name"], "ONE_HOST");
    assert_eq!(api.get(&format!("{TAGS}?name=ONE_HOST"))[0]["isBillingTag"], false);
    assert_eq!(api.get(TAGS).as_array().map(Vec::len), Some(2));
    let tagged = |value: &str| json!({"tags": [{"name": "Environment"}, {"name": "ONE_HOST", "value": value}]});
    assert_eq!(api.order(tagged("p-1")).status, 400);
    wait("orders know the tag", || api.order(tagged("p-1")).status == 200);
    api.ordered(tagged("p-2"));
    let found = |query: &str| api.get(&format!("{SERVERS}?{query}")).as_array().expect("a list").len();
    assert_eq!([found(""), found("tag=ONE_HOST.p-1"), found("tag=ONE_HOST.p-2&tag=Environment")], [2, 1, 1]);
    assert_eq!([found("tag=ONE_HOST.p"), found("tag=ONE_HOST"), found("tag=ONE_HOST.p-1&tag=ONE_HOST.p-2")], [0; 3]);

    let exists = api.tag("ONE_HOST");
    assert_eq!((exists.status, exists.text().contains("already exists")), (409, true));
    assert_eq!(api.tag("A=B").status, 400);
    let lacks = api.refused("POST", TAGS, r#"{"name": "A"}"#, 400);
    assert_eq!(lacks["validationErrors"], json!(["isBillingTag must not be null"]));
    for value in ["p:1", "a=b", "a.b", "a b"] {
        let answer = api.order(tagged(value));
        assert_eq!((answer.status, answer.text().contains("must match")), (400, true), "{value}");
    }
    assert_eq!(api.order(json!({"tags": [{"name": "ONE_OTHER"}]})).status, 400);
}

#[test]
fn what_can_be_had_is_told() {
    let mut api = Api::start(&[]);
    let at = |query: &str| api.get(&format!("{STOCK}&{query}"));
    let one = at("productCode=s1.c1.small&location=ASH&minQuantity=3");
    assert_eq!(one[0]["productCode"], "s1.c1.small");
    let detail = json!({
        "location": "ASH",
        "minQuantityRequested": 3,
        "minQuantityAvailable": true,
        "availableQuantity": 3,
        "solutions": [],
    });
    assert_eq!(one[0]["locationAvailabilityDetails"], json!([detail]));
    assert_eq!(at("productCode=s1.c1.small&location=ASH&minQuantity=4"), json!([]));
    assert_eq!(at("productCode=s1.c1.small&location=NLD"), json!([]));
    let none = at("productCode=s1.c1.small&location=NLD&showOnlyMinQuantityAvailable=false");
    assert_eq!(none[0]["locationAvailabilityDetails"][0]["minQuantityAvailable"], false);
    assert_eq!(at("productCode=s1.c1.medium&location=NLD&showOnlyMinQuantityAvailable=false"), json!([]));
    let all = at("showOnlyMinQuantityAvailable=false");
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    assert_eq!(all[0]["locationAvailabilityDetails"].as_array().map(Vec::len), Some(3));
    assert_eq!(api.get(&format!("{STOCK}&productCode=x1")), json!([]));
    let products = api.get("/billing/v1/products?productCode=s1.c1.medium");
    assert_eq!(
        (&products[0]["metadata"]["ramInGb"], &products[0]["plans"][1]["location"]),
        (&json!(128), &json!("PHX"))
    );
    api.key.clear();
    assert_eq!(api.get("/location-api/v1/locations?location=NLD")[0]["locationDescription"], "Netherlands");
    api.refused("GET", "/location-api/v1/locations?location=MARS", "", 404);
    api.refused("GET", STOCK, "", 401);
}

#[test]
fn phoenixnap_refuses_in_its_own_words() {
    let api = Api::start(&[("holding", 1), ("creating", 200)]);
    let said = |change: Value, status: u16| {
        let answer = api.order(change);
        assert_eq!(answer.status, status, "{}", answer.text());
        answer.json()["validationErrors"][0].as_str().unwrap_or_default().to_owned()
    };
    for name in ["hostname", "os", "type", "location"] {
        assert_eq!(said(json!({name: null}), 400), format!("{name} must not be null"));
    }
    assert!(said(json!({"hostname": "one_7"}), 400).starts_with("hostname must match"));
    assert_eq!(said(json!({"type": "x1"}), 400), "type x1 is not supported");
    assert_eq!(said(json!({"os": "plan9"}), 400), "os plan9 is not supported");
    assert_eq!(said(json!({"location": "MARS"}), 400), "location MARS is not supported");
    let data = json!({"cloudInit": {"userData": "IyE="}});
    let never = said(json!({"os": "esxi/esxi80", "osConfiguration": data}), 400);
    assert_eq!(never, "cloudInit is not supported for esxi/esxi80");
    assert_eq!(said(json!({"type": "d2.c5.large"}), 406), "");
    let words = [("message", "The account is blocked."), ("error", "pay")];
    let effect = Stub::refusal("phoenixnap", 403, &words).expect("a refusal");
    api.stub.fault(Fault::new(Operation::Create, effect));
    assert_eq!(said(json!({}), 403), "pay");

    let path = api.ordered(json!({}));
    let deprovision = format!("{path}/actions/deprovision");
    api.refused("POST", &deprovision, "{}", 409);
    wait("it is up", || api.is(&path, "powered-on"));
    api.refused("POST", &format!("{path}/actions/power-on"), "", 409);
    let lacks = api.refused("POST", &deprovision, "", 400);
    assert_eq!(lacks["validationErrors"], json!(["Required request body is missing"]));
    api.stub.fault(Fault::new(Operation::Create, Effect::Locked));
    let path = api.up(json!({}));
    api.refused("POST", &format!("{path}/actions/deprovision"), "{}", 409);
    api.refused("GET", "/bmc/v1/server", "", 404);
}

#[test]
fn faults_decide_what_becomes_of_a_server() {
    let api = Api::start(&[]);
    let fated = |effect: Effect| {
        api.stub.fault(Fault::new(Operation::Create, effect));
        api.ordered(json!({}))
    };
    let failed = fated(Effect::FailProvisioning);
    let queued = fated(Effect::Stuck(State::Queued));
    let stuck = fated(Effect::Stuck(State::Other("powered-on".to_owned())));
    let after = Duration::from_millis(10);
    let taken = fated(Effect::Vanish { after, status: 404 });
    let hidden = fated(Effect::ListingLag(Duration::from_secs(3600)));
    wait("it failed", || api.is(&failed, "error"));
    wait("it is taken", || api.ask("GET", &taken, "").status == 403);
    wait("it is up", || api.is(&hidden, "powered-on") && api.is(&stuck, "powered-on"));
    assert!(api.is(&queued, "creating"));
    assert_eq!(api.get(SERVERS).as_array().map(Vec::len), Some(3));
    api.act(&stuck, "power-off");
    std::thread::sleep(Duration::from_millis(60));
    assert!(api.is(&stuck, "powered-on"));
    api.leave(&queued, "{}");
    wait("it is gone", || api.ask("GET", &queued, "").status == 403);

    let id = hidden.rsplit('/').next().unwrap_or_default();
    api.stub.put("server", id, [("status", "reinstating".into())]);
    assert!(api.is(&hidden, "reinstating"));
    api.refused("POST", &format!("{hidden}/actions/reboot"), "", 409);
}
