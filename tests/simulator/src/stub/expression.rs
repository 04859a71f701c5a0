//! The expressions of fixtures. They cannot fail: what is not there is `null`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::function::Function;
use super::world::World;

/// What an expression can name, by its first word.
pub(super) type Scope = BTreeMap<&'static str, Value>;

/// The first words of paths.
const ROOTS: [&str; 12] =
    ["method", "path", "query", "form", "header", "body", "option", "it", "the", "list", "with", "null"];

/// `it.status == 'stopped' and query.tag in it.tags`
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Expression {
    Literal(Value),
    Path(String, Vec<String>),
    Index(Box<Expression>, Box<Expression>),
    List(Vec<Expression>),
    Call(Function, Vec<Expression>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Equal(Box<Expression>, Box<Expression>),
    In(Box<Expression>, Box<Expression>),
}

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        super::syntax::parse(&text).map_err(|error| format!("{error} in the expression `{text}`"))
    }
}

impl Expression {
    pub(super) fn path(name: &str) -> Result<Self, String> {
        let (root, rest) = name.split_once('.').unwrap_or((name, ""));
        if !ROOTS.contains(&root) {
            return Err(format!("nothing is called `{root}`"));
        }
        let segments = rest.split('.').filter(|segment| !segment.is_empty());
        Ok(Expression::Path(root.to_owned(), segments.map(str::to_owned).collect()))
    }

    pub(super) fn call(name: &str, arguments: Vec<Self>) -> Result<Self, String> {
        match Function::named(name) {
            None => Err(format!("there is no function `{name}`")),
            Some((_, count)) if count != arguments.len() => Err(format!("`{name}` takes {count} arguments")),
            Some((function, _)) => Ok(Expression::Call(function, arguments)),
        }
    }

    pub(super) fn value(&self, scope: &Scope, world: &mut World) -> Value {
        let mut of = |one: &Expression| one.value(scope, world);
        match self {
            Expression::Literal(value) => value.clone(),
            Expression::Path(root, segments) => {
                scope.get(root.as_str()).and_then(|value| member(value, segments)).cloned().unwrap_or_default()
            }
            Expression::Index(value, key) => {
                let (value, key) = (of(value), text(&of(key)));
                member(&value, &[key]).cloned().unwrap_or_default()
            }
            Expression::List(items) => items.iter().map(of).collect(),
            Expression::Not(one) => Value::Bool(!is_true(&of(one))),
            Expression::And(one, other) => match of(one) {
                value if is_true(&value) => of(other),
                value => value,
            },
            Expression::Or(one, other) => match of(one) {
                value if is_true(&value) => value,
                _ => of(other),
            },
            Expression::Equal(one, other) => Value::Bool(is_equal(&of(one), &of(other))),
            Expression::In(one, many) => Value::Bool(is_in(&of(one), &of(many))),
            Expression::Call(function, arguments) => {
                let arguments: Vec<Value> = arguments.iter().map(of).collect();
                function.called(&arguments, world)
            }
        }
    }

    pub(super) fn holds(&self, scope: &Scope, world: &mut World) -> bool {
        is_true(&self.value(scope, world))
    }
}

/// Names of members may hold dots: the longest that there is counts.
fn member<'a>(value: &'a Value, segments: &[String]) -> Option<&'a Value> {
    if segments.is_empty() {
        return Some(value);
    }
    if let Value::Array(items) = value {
        let item = items.get(segments[0].parse::<usize>().ok()?)?;
        return member(item, &segments[1..]);
    }
    (1..=segments.len()).rev().find_map(|count| {
        let inner = value.get(segments[..count].join("."))?;
        member(inner, &segments[count..])
    })
}

/// As text: nothing of null, a text without its quotes.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Neither null, false, zero nor empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_so) => *is_so,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// What comes in a query or a form is text: `7` equals `'7'`.
pub(super) fn is_equal(one: &Value, other: &Value) -> bool {
    one == other
        || (one.is_string() != other.is_string() && !(one.is_null() || other.is_null()) && text(one) == text(other))
}

/// A member of a list, a key of an object, a part of a text; of a list each.
fn is_in(one: &Value, many: &Value) -> bool {
    match (one, many) {
        (Value::Array(each), _) => each.iter().all(|one| is_in(one, many)),
        (_, Value::Array(items)) => items.iter().any(|item| is_equal(one, item)),
        (_, Value::Object(members)) => members.contains_key(&text(one)),
        (_, Value::String(whole)) => !one.is_null() && whole.contains(&text(one)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::clock::Clock;
    use crate::stub::fixture::Fixture;

    /// What an expression gives over a form, a body and a machine.
    fn of(text: &str) -> Value {
        let fixture = Fixture::read(&crate::stub::folder("ec2")).expect("a fixture");
        let mut world = World::new(Arc::new(fixture), json!({}), 1, Arc::new(Clock::start()));
        let patch = json!([
            {"op": "add", "path": "/tags/d~1e", "value": 1},
            {"op": "replace", "path": "/tags/f", "value": [2]},
            {"op": "remove", "path": "/tags/a.b"},
            {"op": "add", "path": "/none/g", "value": 3},
            {"op": "test", "path": "/tags/h", "value": 4},
        ]);
        let scope = Scope::from([
            ("form", json!({"Filter.1.Name": "tag:a.b", "T.1.Key": "k", "T.2.Key": "l", "T.2.Value": "m"})),
            ("body", json!({"list": [1, {"name": "n"}], "none": null, "number": 7, "patch": patch})),
            ("it", json!({"state": "on", "tags": {"a.b": "c"}, "names": ["x", "y"]})),
        ]);
        let expression = Expression::try_from(text.to_owned()).expect(text);
        expression.value(&scope, &mut world)
    }

    #[test]
    fn expressions_give_what_they_say() {
        let cases = [
            ("form.Filter.1.Name", json!("tag:a.b")),
            ("it.tags[after(form.Filter.1.Name, 'tag:')]", json!("c")),
            ("it.tags.a.b", json!("c")),
            ("form['T.2.Value']", json!("m")),
            ("body.list.1.name", json!("n")),
            ("body.list.9.name or 'none'", json!("none")),
            ("body.number == '7' and body.number != 8", json!(true)),
            ("body.none == null and not body.none", json!(true)),
            ("body.none == ''", json!(false)),
            ("it.state in ['off', 'on']", json!(true)),
            ("['x', 'y'] in it.names and ['x', 'z'] not in it.names", json!(true)),
            ("'a.b' in it.tags and 'tag:' in form.Filter.1.Name", json!(true)),
            ("true or false and false", json!(true)),
            ("(true or false) and false", json!(false)),
            ("not true or true", json!(true)),
            ("min('20', 7)", json!(7)),
            ("min(body.none, 7)", json!(7)),
            ("before('a: b', ': ')", json!("a")),
            ("before('a', ': ')", json!(null)),
            ("pairs(form, 'T', 'Key', 'Value')", json!({"k": "", "l": "m"})),
            ("pluck(body.list, 'name')", json!([null, "n"])),
            ("split('a,b', ',')", json!(["a", "b"])),
            ("seconds(1500)", json!(2)),
            ("last(it.names)", json!("y")),
            ("last(it.state)", json!(null)),
            ("last([])", json!(null)),
            ("patched(it, body.patch)['tags']", json!({"d/e": 1, "f": [2]})),
            ("patched(it, body.none) == it", json!(true)),
            ("find('instance', 'id', 'i-1')", json!(null)),
        ];
        for (text, value) in cases {
            assert_eq!(of(text), value, "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for text in ["", "it.a ==", "(it", "[it", "it]", "'a", "a", "f()", "min(1)", "it not it", "it ? 1"] {
            assert!(Expression::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
