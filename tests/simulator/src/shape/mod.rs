//! What a request to the API may hold, and what an answer of this API holds: a judge of both, beside the API.
//!
//! It is stricter than the real service: what is not named here is a misspelling, in an order null is no value, and in
//! an answer everything that is named is there, if only as null.

mod answer;
mod order;

use serde_json::{Map, Value};

pub use answer::{
    BANDWIDTH, DEVICE, DEVICES, ERROR, EVENTS, FACILITIES, METROS, OPERATING_SYSTEMS, PLANS, PROJECT, PROJECTS,
    RESERVATION, USER,
};
pub use order::{ACTION, ORDER, ORDER_FIELDS};

/// What a value in JSON is.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A text of no fewer and no more characters.
    TextOf(usize, usize),
    /// One of these texts.
    Word(&'static [&'static str]),
    /// A UUID.
    Uuid,
    /// A date and a time, with a zone: in an order as RFC 3339 has it, in an answer to the second and in UTC.
    Moment,
    /// A date.
    Date,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// A whole number, no smaller and no larger.
    Whole(i64, i64),
    /// An object, whatever is in it.
    Free,
    /// A list of these.
    List(&'static Shape),
    /// An object: what of it must not be null, and all that it has.
    Object(&'static [&'static str], &'static [(&'static str, Shape)]),
    /// Exactly one of these.
    Either(&'static [Shape]),
    /// Two values in a list, the first of which can be null.
    Pair(&'static [Shape; 2]),
}

impl Shape {
    /// What is wrong with the body of a request.
    pub fn judge_request(&self, body: &Value) -> Vec<String> {
        self.judge(body, false)
    }

    /// What is wrong with an answer.
    pub fn judge_answer(&self, answer: &Value) -> Vec<String> {
        self.judge(answer, true)
    }

    fn judge(&self, value: &Value, is_answer: bool) -> Vec<String> {
        let mut judge = Judge { is_answer, faults: Vec::new() };
        judge.value(self, value, "");
        judge.faults
    }
}

struct Judge {
    is_answer: bool,
    faults: Vec<String>,
}

impl Judge {
    fn value(&mut self, shape: &Shape, value: &Value, at: &str) {
        let text = value.as_str();
        let fits = match *shape {
            Shape::Text => text.is_some(),
            Shape::TextOf(least, most) => text.is_some_and(|text| (least..=most).contains(&text.chars().count())),
            Shape::Word(words) => text.is_some_and(|text| words.contains(&text)),
            Shape::Uuid => text.is_some_and(|text| has_form(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")),
            // This API writes but one form.
            Shape::Moment if self.is_answer => text.is_some_and(|text| has_form(text, "0000-00-00T00:00:00Z")),
            Shape::Moment => text.is_some_and(is_rfc_3339),
            Shape::Date => text.is_some_and(|text| has_form(text, "0000-00-00")),
            Shape::Flag => value.is_boolean(),
            Shape::Number => value.is_number(),
            Shape::Whole(least, most) => value.as_i64().is_some_and(|number| (least..=most).contains(&number)),
            Shape::Free => value.is_object(),
            Shape::List(shape) => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.value(shape, item, &format!("{at}[{number}]"));
                }
                value.is_array()
            }
            Shape::Object(needed, fields) => {
                if let Some(object) = value.as_object() {
                    self.object(needed, fields, object, at);
                }
                value.is_object()
            }
            Shape::Either(shapes) => {
                let faults = shapes.iter().map(|shape| {
                    let mut judge = Judge { is_answer: self.is_answer, faults: Vec::new() };
                    judge.value(shape, value, at);
                    judge.faults
                });
                let mut faults: Vec<_> = faults.collect();
                faults.sort_by_key(Vec::len);
                if faults[0].is_empty() {
                    faults.get(1).is_none_or(|second| !second.is_empty())
                } else {
                    // What is wrong with the one that it is nearest to.
                    self.faults.append(&mut faults[0]);
                    true
                }
            }
            Shape::Pair([first, second]) => match value.as_array().map(Vec::as_slice) {
                Some([one, two]) => {
                    if !one.is_null() {
                        self.value(first, one, &format!("{at}[0]"));
                    }
                    self.value(second, two, &format!("{at}[1]"));
                    true
                }
                _ => false,
            },
        };
        if !fits {
            let wanted = match shape {
                Shape::Object(..) => "an object".to_owned(),
                Shape::List(_) => "a list".to_owned(),
                other => format!("{other:?}"),
            };
            self.faults.push(format!("{at}: {value} is not {wanted}"));
        }
    }

    fn object(&mut self, needed: &[&str], fields: &[(&str, Shape)], object: &Map<String, Value>, at: &str) {
        for name in needed {
            if object.get(*name).is_none_or(Value::is_null) {
                self.faults.push(format!("{at}.{name} is missing"));
            }
        }
        for (name, value) in object {
            match fields.iter().find(|(known, _)| known == name) {
                None => self.faults.push(format!("{at}.{name} is unknown")),
                Some(_) if self.is_answer && value.is_null() => {}
                Some((_, shape)) => self.value(shape, value, &format!("{at}.{name}")),
            }
        }
        for (name, _) in fields {
            if self.is_answer && !object.contains_key(*name) {
                self.faults.push(format!("{at}.{name} is not told"));
            }
        }
    }
}

/// Whether `form` has `x` where the text has a hexadecimal digit, `0` where it has a digit, and else the same letters.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.chars().zip(form.chars()).all(|(char, form)| match form {
            'x' => char.is_ascii_hexdigit(),
            '0' => char.is_ascii_digit(),
            form => char == form,
        })
}

/// Whether it is a time of RFC 3339, with a zone.
fn is_rfc_3339(text: &str) -> bool {
    text.split_at_checked(19).is_some_and(|(clock, zone)| {
        let zone = zone.strip_prefix('.').map_or(zone, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        has_form(clock, "0000-00-00T00:00:00") && (zone == "Z" || has_form(zone, "+00:00") || has_form(zone, "-00:00"))
    })
}
