//! The published description of the API, by which requests and answers are judged.
//!
//! It is read more strictly than it says: a property that it does not name is a misspelling. What cannot be judged
//! panics, so that nothing is passed over.

use std::sync::OnceLock;

use serde_json::{Map, Value};

/// The description, with which values are judged.
pub struct Description(Value);

impl Description {
    /// The published one.
    ///
    /// # Panics
    ///
    /// Where it is no JSON.
    pub fn published() -> &'static Self {
        static PUBLISHED: OnceLock<Description> = OnceLock::new();
        PUBLISHED.get_or_init(|| {
            let text = include_str!("../../fixtures/packet-api/metal-v1-devices.json");
            Description(serde_json::from_str(text).expect("the description is JSON"))
        })
    }

    /// What is wrong with the body of a POST to `path`, in which null is no value.
    ///
    /// # Panics
    ///
    /// Where the path is not described, or holds what cannot be judged.
    pub fn judge_request(&self, path: &str, body: &Value) -> Vec<String> {
        let schema =
            &self.0["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} is not described");
        self.judge(schema, body, "body", false)
    }

    /// What is wrong with an answer of this schema, in which any property can be null.
    ///
    /// # Panics
    ///
    /// Where there is no such schema, or it holds what cannot be judged.
    pub fn judge_answer(&self, schema: &str, answer: &Value) -> Vec<String> {
        self.judge(self.schema(schema), answer, schema, true)
    }

    /// The schema of this name.
    pub fn schema(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    fn judge(&self, schema: &Value, value: &Value, at: &str, is_answer: bool) -> Vec<String> {
        let mut judge = Judge {
            description: self,
            is_answer,
            faults: Vec::new(),
        };
        judge.whole(schema, value, at);
        judge.faults
    }

    /// The names of all properties that a schema describes, its parts included.
    fn names<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        let schema = self.resolve(schema);
        let own = schema["properties"].as_object();
        let mut names: Vec<&str> = own.into_iter().flatten().map(|(name, _)| &**name).collect();
        for keyword in ["allOf", "anyOf", "oneOf"] {
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
                self.0
                    .pointer(pointer)
                    .unwrap_or_else(|| panic!("no {reference}"))
            }
            None => schema,
        }
    }
}

struct Judge<'a> {
    description: &'a Description,
    is_answer: bool,
    faults: Vec<String>,
}

impl Judge<'_> {
    /// Judges a value that has no properties but those of the schema and its parts.
    fn whole(&mut self, schema: &Value, value: &Value, at: &str) {
        self.part(schema, value, at);
        let names = self.description.names(schema);
        // An object of which nothing is described is free in its form.
        if names.is_empty() {
            return;
        }
        for name in value.as_object().into_iter().flat_map(Map::keys) {
            if !names.contains(&name.as_str()) {
                self.faults.push(format!("{at}.{name} is not described"));
            }
        }
    }

    /// Judges a value by one of its schemas, which need not know all its properties.
    fn part(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = self.description.resolve(schema);
        let keywords = schema
            .as_object()
            .unwrap_or_else(|| panic!("{at}: no schema"));
        for (keyword, argument) in keywords {
            if !self.fits(keyword, argument, value, at) {
                self.faults
                    .push(format!("{at}: {value} is not {keyword} {argument}"));
            }
        }
    }

    /// Whether a value fits a keyword. What is wrong within it is noted by itself.
    fn fits(&mut self, keyword: &str, argument: &Value, value: &Value, at: &str) -> bool {
        let list = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match keyword {
            "type" => match argument.as_str() {
                Some("object") => value.is_object(),
                Some("array") => value.is_array(),
                Some("string") => value.is_string(),
                Some("boolean") => value.is_boolean(),
                Some("integer") => value.is_i64(),
                Some("number") => value.is_number(),
                other => panic!("{at}: type {other:?}"),
            },
            "enum" => list.contains(value),
            "format" => self.has_format(argument.as_str().unwrap_or_default(), value),
            "required" => list
                .iter()
                .all(|name| !value[name.as_str().unwrap_or_default()].is_null()),
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let can_be_null = self.is_answer && value.is_null();
                    if let Some(schema) = argument.get(name).filter(|_| !can_be_null) {
                        self.whole(schema, value, &format!("{at}.{name}"));
                    }
                }
                true
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.whole(argument, item, &format!("{at}[{number}]"));
                }
                true
            }
            "allOf" => {
                for schema in list {
                    self.part(schema, value, at);
                }
                true
            }
            "oneOf" => self.fitting(list, value) == 1,
            "anyOf" => self.fitting(list, value) > 0,
            "minLength" | "maxLength" => {
                let length = value.as_str().map_or(0, |text| text.chars().count());
                is_within(keyword, length, argument)
            }
            "minItems" => is_within(keyword, value.as_array().map_or(0, Vec::len), argument),
            "uniqueItems" => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let repeats = |(number, item)| items[..number].contains(item);
                *argument == false || !items.iter().enumerate().any(repeats)
            }
            "readOnly" => self.is_answer || *argument == false,
            "description"
            | "example"
            | "default"
            | "deprecated"
            | "x-deprecated"
            | "additionalProperties"
            | "externalDocs" => true,
            other => panic!("{at}: {other} is not judged"),
        }
    }

    /// How many of `schemas` the value fits.
    fn fitting(&self, schemas: &[Value], value: &Value) -> usize {
        let fits = |schema: &&Value| {
            let mut judge = Judge {
                faults: Vec::new(),
                ..*self
            };
            judge.part(schema, value, "");
            judge.faults.is_empty()
        };
        schemas.iter().filter(fits).count()
    }

    fn has_format(&self, format: &str, value: &Value) -> bool {
        let text = value.as_str().unwrap_or_default();
        match format {
            "uuid" => has_shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
            // The API writes but one form.
            "date-time" if self.is_answer => has_shape(text, "0000-00-00T00:00:00Z"),
            "date-time" => is_rfc_3339(text),
            "int32" => value
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()),
            "float" | "double" => value.is_number(),
            "string" => value.is_string(),
            other => panic!("format {other} is not judged"),
        }
    }
}

/// Whether a length keeps to the bound that `minLength`, `maxLength` or `minItems` sets.
fn is_within(keyword: &str, length: usize, bound: &Value) -> bool {
    let bound = bound.as_u64().expect("a bound is a number");
    if keyword.starts_with("max") {
        length as u64 <= bound
    } else {
        length as u64 >= bound
    }
}

/// Whether `shape` has `x` where the text has a hexadecimal digit, `0` where it has a digit, and else the same letters.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .chars()
            .zip(shape.chars())
            .all(|(char, form)| match form {
                'x' => char.is_ascii_hexdigit(),
                '0' => char.is_ascii_digit(),
                form => char == form,
            })
}

/// Whether it is a time of RFC 3339, with a zone.
fn is_rfc_3339(text: &str) -> bool {
    text.split_at_checked(19).is_some_and(|(clock, zone)| {
        let zone = zone.strip_prefix('.').map_or(zone, |rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit())
        });
        has_shape(clock, "0000-00-00T00:00:00")
            && (zone == "Z" || has_shape(zone, "+00:00") || has_shape(zone, "-00:00"))
    })
}
