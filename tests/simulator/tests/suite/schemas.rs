//! Every answer of the API, judged by what it is said to hold, and the judge itself.

use crate::common::{Api, devices, order, ready, start};
use serde_json::{Value, json};
use simulator::shape::{self, ORDER, ORDER_FIELDS, PROJECT, Shape};
use simulator::{Options, State};

/// Asserts that an answer is of this shape.
fn judge(shape: Shape, answer: &Value) {
    let faults = shape.judge_answer(answer);
    assert!(faults.is_empty(), "{answer:#}\n{}", faults.join("\n"));
}

#[test]
fn the_judge_knows_good_orders_from_bad_ones() {
    let judge = |body: &Value| ORDER.judge_request(body);
    let order = json!({"plan": "p", "operating_system": "o", "metro": "am"});
    assert_eq!(judge(&order), [""; 0]);
    for (name, value) in [
        ("facility", json!("ams1")),
        ("metro", Value::Null),
        ("metro", json!(["am"])),
        ("operating_system", json!(["o"])),
        ("tags", json!(["a", 1])),
        ("billing_cycle", json!("weekly")),
        ("always_pxe", json!("yes")),
        ("spot_price_max", json!("1.5")),
        ("public_ipv4_subnet_size", json!(33)),
        ("storage", json!({"disks": [{"device": 1}]})),
        ("plan", Value::Null),
        ("tag", json!(["a"])),
        ("tags", json!("a")),
        ("termination_time", json!("2026-11-30 18:00:00")),
        ("project_ssh_keys", json!(["key"])),
        ("public_ipv4_subnet_size", json!("29")),
        ("ip_addresses", json!([{"address_family": 4, "publik": true}])),
    ] {
        let mut order = order.clone();
        order[name] = value;
        assert!(!judge(&order).is_empty(), "{name}");
    }
}

#[test]
fn the_judge_knows_good_answers_from_bad_ones() {
    let judge = |project: &Value| PROJECT.judge_answer(project);
    let (simulator, mut api) = ready();
    let path = format!("/projects/{}", simulator.project());
    let mut project = api.get(&path).json();
    project["updated_at"] = Value::Null;
    assert_eq!(judge(&project), [""; 0]);
    for (name, value) in [
        ("naem", json!("p")),
        ("naem", Value::Null),
        ("name", Value::Null),
        ("name", json!("")),
        ("name", json!("p".repeat(81))),
        ("created_at", json!("2026-11-30T18:00:00+01:00")),
        ("members", json!([{"name": "somebody"}])),
    ] {
        let mut project = project.clone();
        project[name] = value;
        assert!(!judge(&project).is_empty(), "{name}");
    }
}

#[test]
fn a_device_is_of_its_schema_in_every_state() {
    let simulator = start(Options { progress: true, ..Options::default() });
    let mut api = Api::of(&simulator);
    let mut full = order();
    let more = json!({
        "description": "a host", "customdata": {"a": 1}, "userdata": "#!/bin/sh\n", "billing_cycle": "hourly",
        "hardware_reservation_id": "next-available", "termination_time": "2030-01-01T00:00:00Z", "spot_price_max": 1.5,
    });
    full.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    for order in [order(), full] {
        let created = api.create(&order);
        assert_eq!(created.status, 201, "{}", created.text());
        let created = created.json();
        // The form of a date is checked, and what came in is kept: a date of another form is the orderer's.
        judge(shape::DEVICE, &created);
        let id = created["id"].as_str().expect("an id");
        for state in [
            State::Queued,
            State::Provisioning,
            State::Active,
            State::PoweringOff,
            State::Inactive,
            State::PoweringOn,
            State::Failed,
            State::Reinstalling,
            State::Deprovisioning,
        ] {
            assert!(simulator.set_state(id, state.clone()));
            let shown = api.get(&format!("/devices/{id}")).json();
            assert_eq!(shown["state"], state.as_str());
            let traffic = api.get(&format!("/devices/{id}/bandwidth?from=0&until=1200"));
            judge(shape::BANDWIDTH, &traffic.json());
            judge(shape::DEVICE, &shown);
        }
        judge(shape::EVENTS, &api.get(&format!("/devices/{id}/events?per_page=3")).json());
    }
    judge(shape::DEVICES, &api.get(&format!("{}?per_page=1", devices())).json());
}

#[test]
fn the_catalogue_is_of_its_schemas() {
    let (simulator, mut api) = ready();
    let project = format!("/projects/{}", simulator.project());
    for (shape, path) in [
        (shape::PLANS, "/plans".to_owned()),
        (shape::PLANS, format!("{project}/plans")),
        (shape::OPERATING_SYSTEMS, "/operating-systems".to_owned()),
        (shape::FACILITIES, "/facilities".to_owned()),
        (shape::FACILITIES, format!("{project}/facilities")),
        (shape::METROS, "/locations/metros".to_owned()),
        (shape::PROJECTS, "/projects".to_owned()),
        (PROJECT, project.clone()),
        (shape::USER, "/user".to_owned()),
    ] {
        let answer = api.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        judge(shape, &answer.json());
    }
    let reservations = api.get(&format!("{project}/hardware-reservations")).json();
    for reservation in reservations["hardware_reservations"].as_array().expect("a list") {
        judge(shape::RESERVATION, reservation);
    }
}

#[test]
fn refusals_are_of_their_schema() {
    let (_simulator, mut api) = ready();
    for (status, method, path) in [
        (404, "GET", "/devices/no".to_owned()),
        (404, "GET", "/nowhere".to_owned()),
        (404, "DELETE", "/devices/no".to_owned()),
        (422, "POST", devices()),
    ] {
        let answer = api.ask(method, &path, Some(&json!({})));
        assert_eq!(answer.status, status, "{path}");
        judge(shape::ERROR, &answer.json());
    }
    api.token = "wrong".to_owned();
    let answer = api.get("/user");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json(), json!({"error": "Invalid authentication token"}));
    judge(shape::ERROR, &answer.json());
}

#[test]
fn what_the_description_can_order_is_accepted() {
    let (_simulator, mut api) = ready();
    for (name, _) in ORDER_FIELDS {
        let mut order = order();
        order[*name] = json!(null);
        let errors = api.create(&order).errors().join(" ");
        assert!(!errors.contains("not a known parameter"), "{name}: {errors}");
        assert!(errors.contains(name), "null is no {name}");
    }
}
