//! What a request brings into the scope of expressions.

use serde_json::{Map, Value, json};

use super::expression::Scope;
use crate::http::{Request, Target};

/// What the request itself brings into the scope.
pub(super) fn asked(request: &Request) -> Scope {
    let target = Target::parse(&request.target);
    let body = String::from_utf8_lossy(&request.body);
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().into()));
    let json = serde_json::from_str::<Value>(&body).unwrap_or_default();
    // A JSON text has no place in a form.
    let form = if json.is_null() { format!("?{body}") } else { String::new() };
    Scope::from([
        ("method", request.method.as_str().into()),
        ("path", target.path.as_str().into()),
        ("query", members(&target)),
        ("header", Value::Object(headers.collect())),
        ("form", members(&Target::parse(&form))),
        ("body", json),
    ])
}

/// The scope of a form that is sent without a request.
pub(super) fn posted(path: &str, form: impl Iterator<Item = (String, String)>) -> Scope {
    Scope::from([("method", "POST".into()), ("path", path.into()), ("form", members(&Target::of_pairs(form)))])
}

/// One that comes more than once is a list.
fn members(target: &Target) -> Value {
    let mut members = Map::new();
    for (name, value) in target.pairs() {
        let known = match members.remove(name) {
            None => Value::from(value),
            Some(Value::Array(mut values)) => {
                values.push(value.into());
                Value::Array(values)
            }
            Some(first) => json!([first, value]),
        };
        members.insert(name.to_owned(), known);
    }
    Value::Object(members)
}
