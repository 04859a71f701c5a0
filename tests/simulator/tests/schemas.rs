//! Every answer of the API against the schemas of its published description.

mod common;

use common::{Api, devices, fixture, order, start};
use serde_json::{Map, Value, json};
use simulator::{Options, State};

/// The description, with which values are judged.
///
/// Two liberties, both observed: any property can be null, and none may stand in an answer that the schema does not name
/// (the description allows it; here it would be a misspelling). A keyword that is not judged fails, so that none is
/// passed over.
struct Description(Value);

impl Description {
    fn read() -> Self {
        let text = fixture("packet-api/metal-v1-devices.json");
        Description(serde_json::from_str(&text).expect("the description is JSON"))
    }

    fn judge(&self, schema: &str, value: &Value) {
        let mut faults = Vec::new();
        self.check(
            &self.0["components"]["schemas"][schema],
            value,
            schema,
            &mut faults,
        );
        assert!(faults.is_empty(), "{schema}:\n{}", faults.join("\n"));
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema);
        let Some(keywords) = schema.as_object() else {
            panic!("{at}: no schema");
        };
        if let Some(parts) = keywords.get("allOf").and_then(Value::as_array) {
            let (first, comments) = parts.split_first().expect("allOf has parts");
            assert!(
                comments
                    .iter()
                    .all(|part| keys(part).all(|key| key == "description"))
            );
            return self.check(first, value, at, faults);
        }
        for (keyword, argument) in keywords {
            let fits = match keyword.as_str() {
                "type" => match argument.as_str() {
                    Some("object") => value.is_object(),
                    Some("array") => value.is_array(),
                    Some("string") => value.is_string(),
                    Some("boolean") => value.is_boolean(),
                    Some("integer") => value.is_i64(),
                    Some("number") => value.is_number(),
                    other => panic!("{at}: type {other:?}"),
                },
                "enum" => argument
                    .as_array()
                    .is_some_and(|words| words.contains(value)),
                "format" => has_format(argument.as_str().unwrap_or_default(), value),
                "minLength" | "maxLength" | "minItems" | "uniqueItems" => true,
                "required" => argument.as_array().is_some_and(|names| {
                    names
                        .iter()
                        .all(|name| !value[name.as_str().unwrap_or_default()].is_null())
                }),
                "properties" => {
                    self.check_properties(argument, value, at, faults);
                    true
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(argument, item, &format!("{at}[{number}]"), faults);
                    }
                    true
                }
                "description"
                | "example"
                | "default"
                | "readOnly"
                | "deprecated"
                | "x-deprecated"
                | "additionalProperties"
                | "externalDocs" => true,
                other => panic!("{at}: {other} is not judged"),
            };
            if !fits {
                faults.push(format!("{at}: {value} is not {keyword} {argument}"));
            }
        }
    }

    fn check_properties(&self, schemas: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (name, value) in value.as_object().unwrap_or(&Map::new()) {
            let at = format!("{at}.{name}");
            match schemas.get(name) {
                None => faults.push(format!("{at} is not described")),
                Some(_) if value.is_null() => {}
                Some(schema) => self.check(schema, value, &at, faults),
            }
        }
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("a reference within");
                self.0
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("no {reference}"))
            }
            None => schema,
        }
    }
}

fn keys(value: &Value) -> impl Iterator<Item = &String> {
    value.as_object().into_iter().flat_map(Map::keys)
}

fn has_format(format: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shaped = |shape: &str| {
        text.len() == shape.len()
            && text
                .chars()
                .zip(shape.chars())
                .all(|(char, form)| match form {
                    'x' => char.is_ascii_hexdigit(),
                    '0' => char.is_ascii_digit(),
                    form => char == form,
                })
    };
    match format {
        "uuid" => shaped("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        "date-time" => shaped("0000-00-00T00:00:00Z"),
        "float" | "double" => value.is_number(),
        "string" => value.is_string(),
        other => panic!("format {other} is not judged"),
    }
}

#[test]
fn a_device_is_of_its_schema_in_every_state() {
    let description = Description::read();
    let simulator = start(Options {
        progress: true,
        ..Options::default()
    });
    let mut api = Api::of(&simulator);
    let mut full = order();
    let more = json!({
        "description": "a host", "customdata": {"a": 1}, "userdata": "#!/bin/sh\n", "billing_cycle": "hourly",
        "hardware_reservation_id": "next-available", "termination_time": "2030-01-01T00:00:00Z", "spot_price_max": 1.5,
    });
    full.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    for order in [order(), full] {
        let created = api.create(&order);
        assert_eq!(created.status, 201, "{}", created.text());
        let created = created.json();
        // The form of a date is checked, and what came in is kept: a date of another form is the orderer's.
        description.judge("Device", &created);
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
            description.judge("Device", &shown);
        }
        description.judge(
            "EventList",
            &api.get(&format!("/devices/{id}/events?per_page=3")).json(),
        );
    }
    description.judge(
        "DeviceList",
        &api.get(&format!("{}?per_page=1", devices())).json(),
    );
}

#[test]
fn the_catalogue_is_of_its_schemas() {
    let description = Description::read();
    let simulator = start(Options::default());
    let mut api = Api::of(&simulator);
    let project = format!("/projects/{}", simulator.project());
    for (schema, path) in [
        ("PlanList", "/plans".to_owned()),
        ("PlanList", format!("{project}/plans")),
        ("OperatingSystemList", "/operating-systems".to_owned()),
        ("FacilityList", "/facilities".to_owned()),
        ("FacilityList", format!("{project}/facilities")),
        ("MetroList", "/locations/metros".to_owned()),
        ("ProjectList", "/projects".to_owned()),
        ("Project", project.clone()),
        ("User", "/user".to_owned()),
    ] {
        let answer = api.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        description.judge(schema, &answer.json());
    }
    let reservations = api.get(&format!("{project}/hardware-reservations")).json();
    for reservation in reservations["hardware_reservations"]
        .as_array()
        .expect("a list")
    {
        description.judge("HardwareReservation", reservation);
    }
}

#[test]
fn refusals_are_of_their_schema() {
    let description = Description::read();
    let simulator = start(Options::default());
    let mut api = Api::of(&simulator);
    for (status, method, path) in [
        (404, "GET", "/devices/no".to_owned()),
        (404, "GET", "/nowhere".to_owned()),
        (404, "DELETE", "/devices/no".to_owned()),
        (422, "POST", devices()),
    ] {
        let answer = api.ask(method, &path, Some(&json!({})));
        assert_eq!(answer.status, status, "{path}");
        description.judge("Error", &answer.json());
    }
    api.token = "wrong".to_owned();
    let answer = api.get("/user");
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.json(),
        json!({"error": "Invalid authentication token"})
    );
    description.judge("Error", &answer.json());
}

#[test]
fn what_the_description_can_order_is_accepted() {
    let description = Description::read();
    let known = &description.0["components"]["schemas"]["DeviceCreateInput"]["properties"];
    let simulator = start(Options::default());
    let mut api = Api::of(&simulator);
    for name in keys(known) {
        let mut order = order();
        order[name] = json!(null);
        let errors = api.create(&order).errors().join(" ");
        assert!(
            !errors.contains("not a known parameter"),
            "{name}: {errors}"
        );
        assert!(errors.contains(name), "null is no {name}");
    }
}
