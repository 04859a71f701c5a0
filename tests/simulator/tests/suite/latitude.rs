//! Latitude.sh's stub over HTTP: a server's whole life, what the provider refuses, and its traps.

use std::time::Duration;

use crate::common::{Answer, Client, wait};
use serde_json::{Value, json};
use simulator::stub::{Stub, StubOptions};
use simulator::{Effect, Fault, Operation, State};

const PROJECT: &str = "proj_aaaaaaaaaaaa1";
const KEY: &str = "ssh_ffffffffffff1";
const TAG: &str = "tag_eeeeeeeeeeeeeeeeeeeeeeeee1";

/// A client of the stub.
struct Api {
    stub: Stub,
    authorization: &'static str,
}

impl Api {
    fn start(set: &[(&'static str, u64)]) -> Self {
        let options = StubOptions { set: set.to_vec(), ..StubOptions::default() };
        let stub = Stub::start("latitude", options).expect("the fixture can be played");
        Api { stub, authorization: "Bearer lat_0123456789abcdef" }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let mut client = Client::connect(&self.stub.url()).expect("the server listens");
        let headers = [("Authorization", self.authorization)];
        client.send(method, path, &headers, body).expect("it is sent");
        client.receive().expect("an answer")
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("Content-Type"), Some("application/vnd.api+json"));
        answer.json()
    }

    /// Sends a resource of this type.
    fn send(&self, method: &str, path: &str, kind: &str, attributes: &Value) -> Answer {
        let body = json!({"data": {"type": kind, "attributes": attributes}});
        self.ask(method, path, &body.to_string())
    }

    /// Makes one, and returns its id.
    fn made(&self, kind: &str, attributes: &Value) -> String {
        let answer = self.send("POST", &format!("/{kind}"), kind, attributes);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["data"]["id"].as_str().expect("an id").to_owned()
    }

    fn order(&self, change: Value) -> Answer {
        let mut order = json!({
            "project": "private-cloud",
            "plan": "c3-small-x86",
            "site": "CHI",
            "operating_system": "ubuntu_24_04_x64_lts",
            "hostname": "one-7",
            "ssh_keys": [KEY],
            "billing": "hourly",
        });
        let changes = change.as_object().cloned().unwrap_or_default();
        order.as_object_mut().expect("an object").extend(changes);
        self.send("POST", "/servers", "servers", &order)
    }

    /// Orders a server, and returns its path.
    fn ordered(&self, change: Value) -> String {
        let answer = self.order(change);
        assert_eq!(answer.status, 201, "{}", answer.text());
        format!("/servers/{}", answer.json()["data"]["id"].as_str().expect("an id"))
    }

    fn server(&self, path: &str) -> Value {
        self.get(path)["data"]["attributes"].clone()
    }

    fn is(&self, path: &str, status: &str) -> bool {
        self.server(path)["status"] == status
    }

    fn up(&self, change: Value) -> String {
        let path = self.ordered(change);
        wait("it is up", || self.is(&path, "on"));
        path
    }

    fn act(&self, path: &str, action: &str) -> Answer {
        self.send("POST", &format!("{path}/actions"), "actions", &json!({"action": action}))
    }

    /// The host names of a listing.
    fn hostnames(&self, query: &str) -> Vec<String> {
        let list = self.get(&format!("/servers?{query}"));
        let servers = list["data"].as_array().expect("a list").iter();
        servers.filter_map(|one| one["attributes"]["hostname"].as_str()).map(str::to_owned).collect()
    }
}

/// The only error of a refusal, which has this status.
fn error(answer: &Answer, status: u16) -> Value {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
    assert_eq!(body["errors"][0]["status"], status.to_string(), "{body}");
    body["errors"][0].clone()
}

#[test]
fn a_server_lives_from_its_order_to_its_end() {
    let api = Api::start(&[("installing", 300), ("powering", 300), ("leaving", 300)]);
    let answer = api.order(json!({})).json();
    let ordered = &answer["data"]["attributes"];
    assert_eq!((&ordered["status"], &ordered["hostname"]), (&json!("starting_deploy"), &json!("one-7")));
    assert!(ordered["primary_ipv4"].as_str().is_some_and(|ip| ip.starts_with("203.0.113.")), "{ordered}");
    for absent in ["tags", "project", "region", "operating_system", "created_at", "locked"] {
        assert!(ordered.get(absent).is_none(), "{absent} in the answer to an order");
    }
    let path = format!("/servers/{}", answer["data"]["id"].as_str().expect("an id"));
    wait("it is deployed", || api.is(&path, "deploying"));
    assert_eq!(error(&api.act(&path, "power_off"), 422)["detail"], "server is deploying");
    wait("it is up", || api.is(&path, "on"));
    let server = api.server(&path);
    assert_eq!(server["project"]["id"], PROJECT);
    assert_eq!((&server["region"]["site"]["slug"], &server["plan"]["billing"]), (&json!("CHI"), &json!("hourly")));
    assert_eq!((&server["tags"], &server["scheduled_deletion_at"]), (&json!([]), &Value::Null));

    for (action, at_once, then) in [("power_off", "on", "off"), ("power_on", "off", "on"), ("reboot", "on", "on")] {
        let acting = api.act(&path, action);
        assert_eq!((acting.status, &acting.json()["data"]["type"]), (201, &json!("actions")), "{action}");
        assert!(api.is(&path, at_once), "{action}");
        wait(then, || api.is(&path, then));
    }
    assert_eq!(error(&api.act(&path, "explode"), 422)["code"], "VALIDATION_ERROR");
    let deleted = api.ask("DELETE", &path, "");
    assert_eq!((deleted.status, deleted.text().as_str()), (204, ""));
    assert!(api.is(&path, "on"));
    wait("it is gone", || api.ask("GET", &path, "").status == 404);
    assert_eq!(
        api.ask("DELETE", &path, "").json(),
        json!({"errors": [{
            "code": "not_found", "status": "404", "title": "Error", "detail": "Specified Record Not Found", "meta": {},
        }]})
    );
    let operations: Vec<Operation> = api.stub.requests().iter().map(|one| one.operation).collect();
    assert_eq!(operations[..2], [Operation::Create, Operation::Get]);
    for operation in [Operation::PowerOff, Operation::PowerOn, Operation::Reboot, Operation::Action, Operation::Delete]
    {
        assert!(operations.contains(&operation), "{operation:?}");
    }
}

#[test]
fn tags_come_after_the_order_and_are_known_by_their_ids() {
    let api = Api::start(&[]);
    assert_eq!(error(&api.order(json!({"tags": [TAG]})), 422)["code"], "VALIDATION_ERROR");
    let lacks = api.send("POST", "/tags", "tags", &json!({"name": "one"}));
    assert_eq!(error(&lacks, 422)["detail"], "must be filled");
    let tag = api.made("tags", &json!({"name": "one", "color": "#ffffff"}));
    let again = api.send("POST", "/tags", "tags", &json!({"name": "one", "color": "#ffffff"}));
    assert_eq!(error(&again, 422)["detail"], "has already been taken");
    let names = api.get("/tags")["data"].as_array().expect("a list").len();
    assert_eq!(names, 2);

    let path = api.ordered(json!({}));
    let update = |change: Value| api.send("PATCH", &path, "servers", &change);
    assert_eq!(error(&update(json!({"tags": ["one"]})), 422)["detail"], "tags not found");
    let updated = update(json!({"hostname": "node7", "tags": [tag, TAG]})).json();
    assert_eq!(updated["data"]["attributes"]["hostname"], "node7");
    assert_eq!(updated["data"]["attributes"]["tags"][0]["name"], "one");
    // What is not named stays; tags that are named are all of them.
    assert_eq!(update(json!({"billing": "monthly"})).status, 200);
    let server = api.server(&path);
    assert_eq!((&server["hostname"], &server["plan"]["billing"]), (&json!("node7"), &json!("monthly")));
    assert_eq!(api.hostnames(&format!("filter[tags]={tag},{TAG}")), ["node7"]);
    assert_eq!(update(json!({"tags": [tag]})).status, 200);
    assert_eq!(api.hostnames(&format!("filter[tags]={tag},{TAG}")), [""; 0]);
    assert_eq!(api.hostnames(&format!("filter[tags]={tag}")), ["node7"]);
    assert_eq!(api.hostnames("filter[tags]=one"), [""; 0]);
}

#[test]
fn a_server_may_hide_its_tags() {
    let api = Api::start(&[("hides_tags", 1)]);
    let path = api.ordered(json!({}));
    assert_eq!(api.send("PATCH", &path, "servers", &json!({"tags": [TAG]})).status, 200);
    assert_eq!(api.server(&path)["tags"], json!([]));
    assert_eq!(api.hostnames(&format!("filter[tags]={TAG}")), ["one-7"]);
}

#[test]
fn listings_have_pages_and_a_total_where_it_is_asked_for() {
    let api = Api::start(&[("page", 2)]);
    for number in 0..3 {
        api.ordered(json!({"hostname": format!("one-7{number}")}));
    }
    api.ordered(json!({"hostname": "one-7", "site": "SAO"}));
    assert_eq!(api.hostnames("page[size]=50").len(), 2);
    assert_eq!(api.hostnames("page%5Bsize%5D=1&page%5Bnumber%5D=3"), ["one-72"]);
    assert_eq!(api.hostnames("page[number]=3"), [""; 0]);
    assert_eq!(api.get("/servers")["meta"], json!({}));
    assert_eq!(api.get("/servers?stats[total]=count")["meta"]["stats"]["total"]["count"], 4);
    // The plain filter finds more than the name; two others do not.
    assert_eq!(api.hostnames("filter[hostname]=one-7&page[number]=2"), ["one-72", "one-7"]);
    assert_eq!(api.hostnames("filter[hostname][eql]=one-7"), ["one-7"]);
    assert_eq!(api.hostnames("filter[hostname][prefix]=ne-7"), [""; 0]);
    assert_eq!(api.hostnames("filter[hostname][prefix]=one-71"), ["one-71"]);
    assert_eq!(api.hostnames("filter[hostname][match]=ne-71"), ["one-71"]);
    assert_eq!(api.hostnames(&format!("filter[project]={PROJECT}&filter[region]=SAO")), ["one-7"]);
    assert_eq!(api.hostnames("filter[project]=for-years"), [""; 0]);
}

#[test]
fn what_an_order_names_has_to_be_there() {
    let api = Api::start(&[]);
    for attribute in ["hostname", "project", "plan", "site", "operating_system"] {
        // Which one it is, is not said.
        assert_eq!(error(&api.order(json!({attribute: null})), 422)["detail"], "must be filled", "{attribute}");
    }
    assert_eq!(error(&api.order(json!({"operating_system": "ipxe"})), 422)["detail"], "must be filled");
    assert_eq!(error(&api.order(json!({"project": "none"})), 404)["code"], "not_found");
    let wrong = [
        json!({"plan": "c3.small.x86"}),
        json!({"site": "MARS"}),
        json!({"operating_system": "beos"}),
        json!({"ssh_keys": [KEY, "front-end"]}),
        json!({"user_data": "IyE="}),
        json!({"billing": "weekly"}),
        json!({"billing": "yearly"}),
        json!({"project": "for-years"}),
    ];
    for change in wrong {
        assert_eq!(error(&api.order(change.clone()), 422)["code"], "VALIDATION_ERROR", "{change}");
    }
    assert_eq!(api.order(json!({"project": "for-years", "billing": "yearly"})).status, 201);
    // The country has plenty, one of its sites has nothing.
    let plan = api.get("/plans?filter[slug]=c3-small-x86")["data"][0].clone();
    let country = plan["attributes"]["regions"].as_array().expect("a list").iter();
    let country = country.clone().find(|one| one["name"] == "United States").expect("the country");
    assert_eq!(country["stock_level"], "high");
    assert_eq!(country["locations"], json!({"available": ["CHI", "ASH"], "in_stock": ["CHI"]}));
    for place in [json!({"site": "ASH"}), json!({"site": "FRA"}), json!({"site": "SAO", "plan": "m3-large-x86"})] {
        assert_eq!(error(&api.order(place.clone()), 422)["code"], "SERVERS_OUT_OF_STOCK", "{place}");
    }
}

#[test]
fn a_locked_server_is_not_changed_and_one_that_ends_later_stays() {
    let mut api = Api::start(&[]);
    let path = api.up(json!({}));
    assert_eq!(api.ask("POST", &format!("{path}/lock"), "").json()["data"]["attributes"]["locked"], true);
    error(&api.ask("DELETE", &path, ""), 403);
    error(&api.act(&path, "power_off"), 403);
    error(&api.send("PATCH", &path, "servers", &json!({"hostname": "other"})), 403);
    assert_eq!(api.ask("POST", &format!("{path}/unlock"), "").status, 200);
    assert_eq!(api.ask("POST", &format!("{path}/schedule_deletion"), "").status, 201);
    let server = api.server(&path);
    assert_eq!(
        (&server["status"], &server["scheduled_deletion_at"]),
        (&json!("on"), &json!("2099-01-01T00:00:00+00:00"))
    );
    assert_eq!(api.ask("DELETE", &format!("{path}?reason=done"), "").status, 204);

    api.stub.fault(Fault::new(Operation::Create, Effect::Locked));
    let path = api.up(json!({}));
    error(&api.ask("DELETE", &path, ""), 403);
    api.authorization = "lat_0123456789abcdef";
    assert_eq!(api.server(&path)["locked"], true);
    api.authorization = "Bearer another";
    error(&api.ask("GET", &path, ""), 401);
}

#[test]
fn a_refusal_can_say_how_long_to_wait() {
    let api = Api::start(&[]);
    let words = [
        ("code", "RATE_LIMIT_EXCEEDED"),
        ("status", "429"),
        ("title", "Rate Limit Exceeded"),
        ("detail", "Too many requests. Please slow down and retry."),
        ("retry_after", "60"),
    ];
    let effect = Stub::refusal("latitude", 429, &words).expect("a refusal");
    api.stub.fault(Fault::new(Operation::List, effect));
    let limited = api.ask("GET", "/servers", "");
    assert_eq!(error(&limited, 429)["meta"], json!({"retry_after": 60}));
    assert_eq!(limited.header("Retry-After"), None);
    let effect = Stub::refusal("latitude", 403, &[("code", "forbidden"), ("status", "403")]).expect("a refusal");
    api.stub.fault(Fault::new(Operation::Create, effect));
    assert_eq!(error(&api.order(json!({})), 403)["meta"], json!({}));
    error(&api.ask("GET", "/nothing", ""), 404);
}

#[test]
fn keys_and_user_data_are_made_before_the_order_and_stay_after_it() {
    let api = Api::start(&[]);
    let key = api.made("ssh_keys", &json!({"name": "one-7", "public_key": "ssh-ed25519 AAAA", "project": PROJECT}));
    let data = api.made("user_data", &json!({"description": "one-7", "content": "IyE=", "project": "private-cloud"}));
    let path = api.up(json!({"ssh_keys": [KEY, key], "user_data": data}));
    assert_eq!(api.ask("DELETE", &path, "").status, 204);
    let listed = |kind: &str, name: &str| {
        let list = api.get(&format!("/{kind}?filter[project]=private-cloud&page[size]=100"));
        let names = list["data"].as_array().expect("a list").iter();
        names.map(|one| one["attributes"][name].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("ssh_keys", "name"), ["one-7"]);
    assert_eq!(listed("user_data", "description"), ["one-7"]);
    assert_eq!(api.get("/ssh_keys?stats[total]=count")["meta"]["stats"]["total"]["count"], 2);
    assert_eq!(api.get(&format!("/user_data/{data}"))["data"]["attributes"]["content"], "IyE=");
    let removed = api.ask("DELETE", &format!("/ssh_keys/{key}"), "");
    assert_eq!((removed.status, removed.json()), (200, json!({"meta": {}})));
    assert_eq!(api.ask("DELETE", &format!("/user_data/{data}"), "").status, 204);
    error(&api.ask("GET", &format!("/ssh_keys/{key}"), ""), 404);
    error(&api.ask("DELETE", &format!("/user_data/{data}"), ""), 404);
    let lacks = api.send("POST", "/user_data", "user_data", &json!({"content": "IyE="}));
    assert_eq!(error(&lacks, 422)["detail"], "must be filled");
    let lost = json!({"name": "n", "public_key": "k", "project": "none"});
    error(&api.send("POST", "/ssh_keys", "ssh_keys", &lost), 404);
    error(&api.send("POST", "/ssh_keys", "keys", &json!({"name": "n", "public_key": "k"})), 422);
}

#[test]
fn a_key_may_be_there_only_once() {
    let key = json!({"name": "one-7", "public_key": "ssh-ed25519 AAAA"});
    let api = Api::start(&[]);
    assert_ne!(api.made("ssh_keys", &key), api.made("ssh_keys", &key));
    let api = Api::start(&[("unique_keys", 1)]);
    api.made("ssh_keys", &key);
    assert_eq!(error(&api.send("POST", "/ssh_keys", "ssh_keys", &key), 422)["detail"], "has already been taken");
}

#[test]
fn the_catalogue_has_what_an_order_can_name() {
    let api = Api::start(&[]);
    let slugs = |path: &str| {
        let list = api.get(path);
        let slugs = list["data"].as_array().expect("a list").iter();
        slugs.filter_map(|one| one["attributes"]["slug"].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(slugs("/plans"), ["c3-small-x86", "m3-large-x86"]);
    assert_eq!(slugs("/regions"), ["CHI", "ASH", "SAO", "FRA"]);
    assert_eq!(slugs("/regions?page[size]=3&page[number]=2"), ["FRA"]);
    assert_eq!(slugs("/projects"), ["private-cloud", "for-years"]);
    assert_eq!(slugs("/plans/operating_systems"), ["ubuntu_24_04_x64_lts", "debian_12", "ipxe"]);
    assert_eq!(api.get("/plans/plan_cccccccccccc2")["data"]["attributes"]["slug"], "m3-large-x86");
    assert_eq!(api.get("/user/profile")["data"]["type"], "users");
    error(&api.ask("GET", "/plans/m3-large-x86", ""), 404);
}

#[test]
fn faults_decide_what_becomes_of_a_server() {
    let api = Api::start(&[]);
    let fated = |effect: Effect| {
        api.stub.fault(Fault::new(Operation::Create, effect));
        api.ordered(json!({}))
    };
    let failed = fated(Effect::FailProvisioning);
    let stuck = fated(Effect::Stuck(State::Other("deploying".to_owned())));
    let queued = fated(Effect::Stuck(State::Queued));
    let taken = fated(Effect::Vanish { after: Duration::from_millis(10), status: 404 });
    let hidden = fated(Effect::ListingLag(Duration::from_secs(3600)));
    wait("it failed", || api.is(&failed, "failed_deployment"));
    wait("it is taken", || api.ask("GET", &taken, "").status == 404);
    wait("it is up", || api.is(&hidden, "on"));
    assert!(api.is(&stuck, "deploying"));
    assert!(api.is(&queued, "starting_deploy"));
    assert_eq!(api.hostnames("").len(), 3);
    let lagging = Api::start(&[("lag", 3_600_000)]);
    let path = lagging.ordered(json!({}));
    assert_eq!(lagging.hostnames(""), [""; 0]);
    assert_eq!(lagging.server(&path)["hostname"], "one-7");
}
