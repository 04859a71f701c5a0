//! Requests of EC2's query API: an order's members become the parameters of a form.

use serde_json::Value;

use crate::http::url::percent_encode;

/// `members` as a form: nested names get dots between them, and items of lists numbers from 1 on ("Query
/// requests", Amazon EC2 API Reference). What is null is left out.
pub fn encode(members: &Value) -> String {
    let mut form = String::new();
    add(&mut form, "", members);
    form
}

fn add(form: &mut String, name: &str, value: &Value) {
    let inner = |part: &str| match name {
        "" => part.to_owned(),
        name => format!("{name}.{part}"),
    };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (part, value) in members {
                add(form, &inner(part), value);
            }
        }
        Value::Array(items) => {
            for (number, value) in (1..).zip(items) {
                add(form, &inner(&number.to_string()), value);
            }
        }
        Value::String(text) => push(form, name, text),
        Value::Bool(_) | Value::Number(_) => push(form, name, &value.to_string()),
    }
}

fn push(form: &mut String, name: &str, value: &str) {
    let mark = if form.is_empty() { "" } else { "&" };
    // Forms have their own sign for a blank.
    let value = percent_encode(value).replace("%20", "+");
    form.push_str(&format!("{mark}{name}={value}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_numbered_and_named_as_the_query_api_has_them() {
        let order = json!({ "A": "x y&z", "B": [{ "C": true }, { "C": 7 }], "D": null, "E": { "F": "" } });
        assert_eq!(encode(&order), "A=x+y%26z&B.1.C=true&B.2.C=7&E.F=");
    }
}
