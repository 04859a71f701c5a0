//! The published description of the API, by which every request of the driver is judged.

use std::sync::OnceLock;

use serde_json::{Map, Value};
use simulator::{Operation, Service, Simulator};

/// Asserts that each order and each action that arrived is one that the API describes, and that there were as many
/// orders as `orders`.
pub fn assert_described(simulator: &Simulator, orders: usize) {
    let mut seen = 0;
    for request in simulator.requests() {
        if request.service != Service::Api || request.method != "POST" {
            continue;
        }
        let is_order = request.operation == Operation::Create;
        seen += usize::from(is_order);
        let path = if is_order {
            "/projects/{id}/devices"
        } else {
            "/devices/{id}/actions"
        };
        assert_eq!(request.header("Content-Type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).expect("a body in JSON");
        let mut faults = Vec::new();
        Description::get().judge_body(path, &body, &mut faults);
        assert!(faults.is_empty(), "{body:#}\n{}", faults.join("\n"));
    }
    assert_eq!(seen, orders, "orders that arrived");
}

/// The description, with which values are judged.
///
/// It is read more strictly than it says: a property that it does not name is a misspelling, and null is no value. A
/// keyword that is not judged fails, so that none is passed over.
struct Description(Value);

impl Description {
    fn get() -> &'static Self {
        static DESCRIPTION: OnceLock<Description> = OnceLock::new();
        DESCRIPTION.get_or_init(|| {
            let text = super::fixture("packet-api/metal-v1-devices.json");
            Description(serde_json::from_str(&text).expect("the description is JSON"))
        })
    }

    /// Judges the body of a POST to `path`.
    fn judge_body(&self, path: &str, body: &Value, faults: &mut Vec<String>) {
        let schema =
            &self.0["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} is not described");
        self.judge(schema, body, "body", faults);
        let names = self.names(schema);
        for name in body.as_object().into_iter().flat_map(Map::keys) {
            if !names.contains(&name.as_str()) {
                faults.push(format!("body.{name} is not described"));
            }
        }
    }

    fn judge(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = self.resolve(schema);
        let keywords = schema
            .as_object()
            .unwrap_or_else(|| panic!("{at}: no schema"));
        for (keyword, argument) in keywords {
            let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
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
                "enum" => parts.contains(value),
                "format" => has_format(argument.as_str().unwrap_or_default(), value),
                "required" => parts
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap_or_default()).is_some()),
                "properties" => {
                    for (name, value) in value.as_object().unwrap_or(&Map::new()) {
                        if let Some(schema) = argument.get(name) {
                            self.judge(schema, value, &format!("{at}.{name}"), faults);
                        }
                    }
                    true
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.judge(argument, item, &format!("{at}[{number}]"), faults);
                    }
                    true
                }
                "allOf" => {
                    for part in parts {
                        self.judge(part, value, at, faults);
                    }
                    true
                }
                "oneOf" => self.fitting(parts, value) == 1,
                "anyOf" => self.fitting(parts, value) > 0,
                "description"
                | "example"
                | "default"
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

    /// How many of `schemas` the value fits.
    fn fitting(&self, schemas: &[Value], value: &Value) -> usize {
        schemas
            .iter()
            .filter(|schema| {
                let mut faults = Vec::new();
                self.judge(schema, value, "", &mut faults);
                faults.is_empty()
            })
            .count()
    }

    /// The names of all properties that a schema describes, its parts included.
    fn names<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        let schema = self.resolve(schema);
        let own = schema["properties"].as_object();
        let mut names: Vec<&str> = own.into_iter().flatten().map(|(name, _)| &**name).collect();
        for keyword in ["allOf", "oneOf"] {
            for part in schema[keyword].as_array().into_iter().flatten() {
                names.extend(self.names(part));
            }
        }
        names
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("a reference within");
                self.0.pointer(pointer).expect("what is referred to")
            }
            None => schema,
        }
    }
}

fn has_format(format: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shaped = |text: &str, shape: &str| {
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
        "uuid" => shaped(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        // RFC 3339, with a zone.
        "date-time" => text.split_at_checked(19).is_some_and(|(clock, zone)| {
            let zone = zone.strip_prefix('.').map_or(zone, |rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_digit())
            });
            shaped(clock, "0000-00-00T00:00:00")
                && (zone == "Z" || shaped(zone, "+00:00") || shaped(zone, "-00:00"))
        }),
        "int32" => value
            .as_i64()
            .is_some_and(|number| i32::try_from(number).is_ok()),
        "float" => value.is_number(),
        other => panic!("format {other} is not judged"),
    }
}

#[test]
fn the_judge_knows_good_orders_from_bad_ones() {
    let judge = |body: Value| {
        let mut faults = Vec::new();
        Description::get().judge_body("/projects/{id}/devices", &body, &mut faults);
        faults
    };
    let order = serde_json::json!({"plan": "p", "operating_system": "o", "metro": "am"});
    assert_eq!(judge(order.clone()), [""; 0]);
    for (name, value) in [
        ("facility", serde_json::json!("ams1")),
        ("plan", Value::Null),
        ("tag", serde_json::json!(["a"])),
        ("tags", serde_json::json!("a")),
        ("termination_time", serde_json::json!("2026-11-30 18:00:00")),
        ("project_ssh_keys", serde_json::json!(["key"])),
        ("public_ipv4_subnet_size", serde_json::json!("29")),
    ] {
        let mut order = order.clone();
        order[name] = value;
        assert!(!judge(order).is_empty(), "{name}");
    }
}
