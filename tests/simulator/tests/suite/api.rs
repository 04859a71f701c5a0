//! The API's behaviour: access, orders, states, lists.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::{Api, devices, order, ready, start, wait};
use serde_json::{Value, json};
use simulator::{Answer, Effect, Fault, NewDevice, Operation, Options, RateLimit, Simulator, State};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_machine_lives_from_its_order_to_its_end() {
    let (simulator, mut api) = ready();
    let id = api.created();
    api.until(&id, "active");
    assert_eq!(api.act(&id, "power_off").status, 202);
    api.until(&id, "inactive");
    assert_eq!(api.act(&id, "power_on").status, 202);
    api.until(&id, "active");
    assert_eq!(api.act(&id, "reboot").status, 202);
    wait("the end of the reboot", || simulator.devices()[0].history.len() == 10);
    assert_eq!(simulator.devices().len(), 1);
    assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 204);
    api.until(&id, "404");
    assert!(simulator.devices().is_empty());
    let device = simulator.device(&id).expect("what was");
    assert_eq!(device.state, State::Deleted);
    let states: Vec<&str> = device.history.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(
        states,
        [
            "queued",
            "provisioning",
            "active",
            "powering_off",
            "inactive",
            "powering_on",
            "active",
            "powering_off",
            "powering_on",
            "active",
            "deprovisioning",
            "deleted",
        ]
    );
}

/// When the machine last came to this state.
fn came_to(simulator: &Simulator, id: &str, state: State) -> Option<Duration> {
    let history = simulator.device(id)?.history;
    history.iter().rfind(|(_, came_to)| *came_to == state).map(|(at, _)| *at)
}

#[test]
fn delays_are_those_of_the_options() {
    let (simulator, mut api) = ready();
    let id = api.created();
    api.until(&id, "active");
    let at = |state| came_to(&simulator, &id, state).expect("it was there");
    assert_eq!(at(State::Provisioning) - at(State::Queued), MS(5));
    let provisioning = at(State::Active) - at(State::Provisioning);
    assert!((MS(10)..=MS(30)).contains(&provisioning), "{provisioning:?}");
    let asked = simulator.now();
    api.act(&id, "power_off");
    api.until(&id, "inactive");
    assert!(at(State::PoweringOff) >= asked + MS(15), "it stays active at first");
    assert_eq!(at(State::Inactive) - at(State::PoweringOff), MS(15));
}

#[test]
fn what_is_impossible_is_refused_in_the_apis_words() {
    let (simulator, mut api) = ready();
    let id = api.created();
    api.until(&id, "active");
    assert_eq!(api.act(&id, "power_on").errors(), ["Device must be powered off"]);
    assert!(simulator.set_state(&id, State::Inactive));
    assert_eq!(api.act(&id, "power_off").errors(), ["Device must be powered on"]);
    assert_eq!(api.act(&id, "reboot").errors(), ["Device must be powered on"]);
    assert_eq!(api.act(&id, "dance").status, 422);
    assert_eq!(api.ask("POST", &format!("/devices/{id}/actions"), Some(&json!({}))).status, 422);
    assert!(simulator.set_state(&id, State::Deprovisioning));
    assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 422);
}

#[test]
fn an_action_that_is_repeated_starts_nothing_anew() {
    let simulator = start(Options { reboot_lag: MS(300), ..Options::default() });
    let mut api = Api::of(&simulator);
    let id = api.created();
    api.until(&id, "active");
    assert_eq!(api.act(&id, "power_off").status, 202);
    let accepted = simulator.now();
    std::thread::sleep(MS(20));
    assert_eq!(api.act(&id, "power_off").status, 202);
    api.until(&id, "inactive");
    let down = came_to(&simulator, &id, State::PoweringOff);
    assert!(down.is_some_and(|down| down <= accepted + MS(300)));
}

#[test]
fn a_silent_reboot_is_never_seen() {
    let simulator = start(Options { silent_reboot: true, ..Options::default() });
    let mut api = Api::of(&simulator);
    let id = api.created();
    api.until(&id, "active");
    assert_eq!(api.act(&id, "reboot").status, 202);
    for _ in 0..20 {
        assert_eq!(api.state(&id), "active");
        std::thread::sleep(MS(3));
    }
}

#[test]
fn addresses_come_while_provisioning_and_stay_in_no_order() {
    let simulator = start(Options { provisioning: MS(600)..=MS(600), ..Options::default() });
    let mut api = Api::of(&simulator);
    let mut shown = |id: &str| -> Option<usize> {
        let device = api.get(&format!("/devices/{id}")).json();
        device["ip_addresses"].as_array().map(Vec::len)
    };
    let stuck = |state| {
        simulator.fault(Fault::new(Operation::Create, Effect::Stuck(state)));
        Api::of(&simulator).created()
    };
    assert_eq!(shown(&stuck(State::Queued)), None);
    let early = stuck(State::Provisioning);
    let id = Api::of(&simulator).created();
    wait("the second half", || shown(&id) == Some(1));
    assert_eq!(shown(&early), Some(0));
    wait("the end", || shown(&id) == Some(3));

    let path = format!("/devices/{id}");
    let first: BTreeSet<String> =
        (0..50).map(|_| api.get(&path).json()["ip_addresses"][0]["address"].to_string()).collect();
    assert_eq!(first.len(), 3, "each address stands first at times");
    assert!(simulator.set_state(&id, State::Inactive));
    let off = api.get(&path).json();
    assert_eq!(off["ip_addresses"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_root_password_is_shown_while_young_and_active() {
    for (root_password, shown) in [(MS(3_600_000), true), (Duration::ZERO, false)] {
        let simulator = start(Options { root_password, ..Options::default() });
        let mut api = Api::of(&simulator);
        let id = api.created();
        let path = format!("/devices/{id}");
        api.until(&id, "active");
        assert_eq!(api.get(&path).json()["root_password"].is_string(), shown);
        assert!(simulator.set_state(&id, State::Inactive));
        assert!(api.get(&path).json()["root_password"].is_null());
    }
}

#[test]
fn progress_is_told_where_it_is_wanted() {
    for (progress, told) in [(true, json!(40.0)), (false, Value::Null)] {
        let simulator = start(Options { progress, ..Options::default() });
        let stuck = Effect::Stuck(State::Provisioning);
        simulator.fault(Fault::new(Operation::Create, stuck));
        let mut api = Api::of(&simulator);
        let id = api.created();
        let path = format!("/devices/{id}");
        assert!(simulator.set_state(&id, State::Provisioning));
        assert_eq!(api.get(&path).json()["provisioning_percentage"], told);
        assert!(simulator.set_state(&id, State::Active));
        let active = api.get(&path).json();
        assert_eq!(active["provisioning_percentage"], Value::Null);
    }
}

#[test]
fn orders_are_checked() {
    let simulator = start(Options { sold_out: vec!["ewr1".to_owned()], ..Options::default() });
    let mut api = Api::of(&simulator);
    for (field, value, reason) in [
        ("plan", json!("baremetal_99"), "baremetal_99 is not a valid plan"),
        ("operating_system", json!("beos"), "beos is not a valid operating system"),
        ("facility", json!("mars1"), "mars1 is not a valid facility"),
        ("facility", json!(["ams1", "mars1"]), "mars1 is not a valid facility"),
        (
            "facility",
            json!("ewr1"),
            "The facility ewr1 has no provisionable baremetal_0 servers matching your criteria",
        ),
        ("facility", json!(7), "facility must be a string or a list of strings"),
        ("metro", json!("am"), "Only one of metro and facility can be provided"),
        ("hostname", json!("not_a_name"), "Hostname is invalid"),
        ("billing_cycle", json!("weekly"), "billing_cycle is not included in the list"),
        ("tags", json!("a,b"), "tags must be a list of strings"),
        ("always_pxe", json!("true"), "always_pxe must be true or false"),
        ("hostnam", json!("a"), "hostnam is not a known parameter"),
        ("project_ssh_keys", json!(["me"]), "project_ssh_keys must be a list of UUIDs"),
        ("termination_time", json!("soon"), "termination_time must be a date and time"),
        ("public_ipv4_subnet_size", json!("29"), "public_ipv4_subnet_size must be an integer"),
        ("hardware_reservation_id", json!("mine"), "mine is not a valid hardware reservation"),
    ] {
        let mut order = order();
        order[field] = value;
        let answer = api.create(&order);
        assert_eq!(answer.status, 422, "{field}");
        assert_eq!(answer.errors(), [reason]);
    }
    let missing = api.create(&json!({}));
    assert_eq!(
        missing.errors(),
        ["plan is missing", "operating_system is missing", "Either metro or facility must be provided"]
    );
    assert!(simulator.devices().is_empty());
}

#[test]
fn places_are_chosen_by_preference() {
    let simulator = start(Options { sold_out: vec!["ewr1".to_owned()], ..Options::default() });
    let mut api = Api::of(&simulator);
    let mut place = |field: &str, value: Value| {
        let mut order = order();
        order.as_object_mut().expect("an object").remove("facility");
        order[field] = value;
        let answer = api.create(&order);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let device = answer.json();
        (
            device["facility"]["code"].as_str().unwrap_or_default().to_owned(),
            device["metro"]["code"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let at = |facility: &str, metro: &str| (facility.to_owned(), metro.to_owned());
    assert_eq!(place("facility", json!("sjc1")), at("sjc1", "sv"));
    assert_eq!(place("facility", json!(["ewr1", "fr2", "any"])), at("fr2", "fr"));
    assert_eq!(place("facility", json!(["ewr1", "any"])), at("ams1", "am"));
    assert_eq!(place("metro", json!("ny")), at("ny5", "ny"));
}

#[test]
fn an_order_by_ids_is_understood_and_kept_whole() {
    let (simulator, mut api) = ready();
    let plans = api.get("/plans").json();
    let mut order = order();
    order["plan"] = plans["plans"][1]["id"].clone();
    order["userdata"] = json!("#cloud-config\n");
    order["ip_addresses"] = json!([{"address_family": 4, "public": false}]);
    let id = api.create(&order).json()["id"].as_str().expect("an id").to_owned();
    let device = simulator.device(&id).expect("the machine");
    assert_eq!(device.plan, "baremetal_1");
    assert_eq!(device.order, order);
    assert_eq!(device.addresses.len(), 1);
    assert!(device.addresses[0].address.starts_with("10."));
}

#[test]
fn reservations_can_be_had_once() {
    let (_simulator, mut api) = ready();
    let mut order = order();
    order["hardware_reservation_id"] = json!("next-available");
    let first = api.create(&order).json();
    assert!(first["hardware_reservation"]["href"].is_string());
    assert_eq!(api.create(&order).status, 201);
    assert_eq!(api.create(&order).errors(), ["No available hardware reservations were found"]);
}

#[test]
fn projects_and_tokens_are_told_apart() {
    let (simulator, mut api) = ready();
    let id = api.created();
    simulator.add_project("2b6a1f5e-0000-4000-8000-000000000000", "another");
    simulator.add_token("other", &["2b6a1f5e-0000-4000-8000-000000000000"]);
    let other = "/projects/2b6a1f5e-0000-4000-8000-000000000000/devices";
    assert_eq!(api.get(other).status, 403);
    assert_eq!(api.get("/projects/none/devices").status, 404);
    api.token = "other".to_owned();
    assert_eq!(api.get(other).status, 200);
    assert_eq!(api.get(&format!("/devices/{id}")).status, 403);
    assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 403);
    simulator.revoke_token("other");
    assert_eq!(api.get(other).status, 401);
}

#[test]
fn lists_come_in_pages_that_lead_to_each_other() {
    let (simulator, mut api) = ready();
    for number in 0..25 {
        simulator.add_device(NewDevice::with_tags(simulator.project(), ["a b&c".to_owned(), format!("n{number}")]));
    }
    simulator.add_device(NewDevice::with_tags(simulator.project(), ["stranger"]));
    for prefix in ["", "/metal/v1"] {
        let mut next = Some(format!("{prefix}{}?tag=a%20b%26c", devices()));
        let (mut seen, mut pages) = (Vec::new(), Vec::new());
        while let Some(path) = next {
            assert!(path.starts_with(&format!("{prefix}/projects/")), "{path}");
            let page = api.get(&path).json();
            let here = page["devices"].as_array().expect("a list").clone();
            pages.push(here.len());
            seen.extend(here.iter().map(|device| device["tags"][1].as_str().unwrap_or_default().to_owned()));
            assert_eq!(page["meta"]["total"], 25);
            assert_eq!(page["meta"]["last_page"], 3);
            assert_eq!(page["meta"]["previous"].is_null(), pages.len() == 1);
            next = page["meta"]["next"]["href"].as_str().map(str::to_owned);
        }
        assert_eq!(pages, [10, 10, 5]);
        let newest_first: Vec<String> = (0..25).rev().map(|number| format!("n{number}")).collect();
        assert_eq!(seen, newest_first);
    }
    let beyond = api.get(&format!("{}?page=9&per_page=1000", devices())).json();
    assert_eq!(beyond["devices"], json!([]));
    assert_eq!(beyond["meta"]["next"], Value::Null);
    assert_eq!(api.get(&format!("{}?per_page=1001", devices())).status, 422);
    let found = api.get(&format!("{}?search=strang", devices())).json();
    assert_eq!(found["meta"]["total"], 1);
}

#[test]
fn bandwidth_needs_its_period() {
    let (simulator, mut api) = ready();
    let id = api.created();
    api.until(&id, "active");
    let path = format!("/devices/{id}/bandwidth");
    assert_eq!(api.get(&path).errors(), ["from is missing", "until is missing"]);
    assert_eq!(api.get(&format!("{path}?from=2&until=1")).status, 422);
    let sum = |answer: &Value, target: usize| -> f64 {
        let points = answer["bandwidth"][target]["datapoints"].as_array().expect("points").clone();
        assert!(points.iter().any(|point| point[0].is_null()));
        points.iter().filter_map(|point| point[0].as_f64()).sum()
    };
    let hour = format!("{path}?from=1600000000&until=1600003600");
    let traffic = api.get(&hour).json();
    assert_eq!(traffic["bandwidth"][0]["target"], "inbound");
    assert_eq!((sum(&traffic, 0), sum(&traffic, 1)), (20.0, 150.0));
    assert!(simulator.set_state(&id, State::Inactive));
    assert_eq!(sum(&api.get(&hour).json(), 0), 0.0);
}

#[test]
fn the_rate_limit_counts_and_says_so() {
    let limit = RateLimit { requests: 2, window: MS(800), date: false };
    let simulator = start(Options { rate_limit: Some(limit), ..Options::default() });
    let mut api = Api::of(&simulator);
    assert_eq!(api.get("/user").header("X-RateLimit-Remaining"), Some("1"));
    assert_eq!(api.get("/user").header("X-RateLimit-Remaining"), Some("0"));
    let refused = api.get("/user");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("Retry-After"), Some("1"));
    assert_eq!(refused.header("X-RateLimit-Limit"), Some("2"));
    assert!(refused.header("X-RateLimit-Reset").is_some());
    std::thread::sleep(MS(810));
    assert_eq!(api.get("/user").status, 200);
    simulator.set_rate_limit(Some(RateLimit { requests: 0, window: MS(800), date: true }));
    let refused = api.get("/user");
    assert!(refused.header("Retry-After").is_some_and(|date| date.ends_with(" GMT")));
}

#[test]
fn a_body_of_another_type_is_refused() {
    let (simulator, mut api) = ready();
    let headers = [("X-Auth-Token", simulator.token())];
    api.client.send("POST", &devices(), &headers, &order().to_string()).expect("sent");
    assert_eq!(api.client.receive().expect("answered").status, 415);
    let headers = [("X-Auth-Token", simulator.token()), ("Content-Type", "application/json")];
    api.client.send("POST", &devices(), &headers, "[]").expect("sent");
    assert_eq!(api.client.receive().expect("answered").status, 400);
}

#[test]
fn chunked_bodies_are_read() {
    use std::io::Write;
    let (simulator, mut api) = ready();
    let body = order().to_string();
    let (one, other) = body.split_at(20);
    write!(
        api.client.0,
        "POST {} HTTP/1.1\r\nX-Auth-Token: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{one}\r\n{:X}\r\n{other}\r\n0\r\n\r\n",
        devices(),
        simulator.token(),
        one.len(),
        other.len()
    )
    .expect("sent");
    assert_eq!(api.client.receive().expect("answered").status, 201);
    assert_eq!(api.get("/user").status, 200, "the connection goes on");
}

#[test]
fn the_log_tells_who_asked_what_and_how_it_went() {
    let (simulator, mut api) = ready();
    let id = api.created();
    simulator.fault(Fault::new(Operation::PowerOff, Effect::Status(Answer::new(503))));
    api.act(&id, "power_off");
    let log = simulator.requests();
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].operation, log[0].status), (Operation::Create, Some(201)));
    assert_eq!(log[0].header("x-auth-token"), Some(simulator.token()));
    assert!(log[0].body.contains("baremetal_0"));
    assert_eq!((log[1].operation, log[1].status), (Operation::PowerOff, Some(503)));
    assert_eq!(log[1].device.as_deref(), Some(id.as_str()));
    assert_eq!(log[0].connection, log[1].connection);
    simulator.clear_requests();
    assert!(simulator.requests().is_empty());
}

#[test]
fn hundreds_of_connections_are_served_at_once() {
    let simulator = start(Options::default());
    let id = Api::of(&simulator).created();
    let path = format!("/devices/{id}");
    let mut clients: Vec<Api> = (0..400).map(|_| Api::of(&simulator)).collect();
    for _ in 0..3 {
        for api in &mut clients {
            let headers = [("X-Auth-Token", api.token.as_str())];
            api.client.send("GET", &path, &headers, "").expect("sent");
        }
        for api in &mut clients {
            assert_eq!(api.client.receive().expect("answered").status, 200);
        }
    }
}
