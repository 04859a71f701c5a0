//! The functions of expressions.

use serde_json::{Map, Value};

use super::expression::text;
use super::world::World;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Function {
    After,
    All,
    Before,
    Ever,
    Find,
    Hex,
    Last,
    Min,
    Now,
    Pairs,
    Patched,
    Pluck,
    Seconds,
    Serial,
    Split,
    Uuid,
}

impl Function {
    /// The function of this name, and how many arguments it takes.
    pub(super) fn named(name: &str) -> Option<(Self, usize)> {
        Some(match name {
            "after" => (Function::After, 2),
            "all" => (Function::All, 2),
            "before" => (Function::Before, 2),
            "ever" => (Function::Ever, 3),
            "find" => (Function::Find, 3),
            "hex" => (Function::Hex, 1),
            "last" => (Function::Last, 1),
            "min" => (Function::Min, 2),
            "now" => (Function::Now, 0),
            "pairs" => (Function::Pairs, 4),
            "patched" => (Function::Patched, 2),
            "pluck" => (Function::Pluck, 2),
            "seconds" => (Function::Seconds, 1),
            "serial" => (Function::Serial, 1),
            "split" => (Function::Split, 2),
            "uuid" => (Function::Uuid, 0),
            _ => return None,
        })
    }

    /// What it gives for these.
    pub(super) fn called(self, arguments: &[Value], world: &mut World) -> Value {
        let word = |number: usize| arguments.get(number).map(text).unwrap_or_default();
        let number = |at: usize| word(at).parse::<u64>().ok();
        match self {
            Function::After => word(0).split_once(&word(1)).map(|cut| cut.1.into()),
            Function::All => Some(plucked(&world.living(&word(0)), &word(1))),
            Function::Before => word(0).split_once(&word(1)).map(|cut| cut.0.into()),
            Function::Ever => world.look_up(&word(0), &word(1), &arguments[2], true),
            Function::Find => world.look_up(&word(0), &word(1), &arguments[2], false),
            Function::Hex => Some(world.random.hex(number(0).unwrap_or(8) as usize).into()),
            Function::Last => arguments[0].as_array().and_then(|items| items.last()).cloned(),
            Function::Min => [number(0), number(1)].into_iter().flatten().min().map(Value::from),
            Function::Now => Some(world.now_as_text().into()),
            Function::Pairs => Some(pairs(&arguments[0], &word(1), &word(2), &word(3))),
            Function::Patched => Some(patched(&arguments[0], &arguments[1])),
            Function::Pluck => Some(plucked(&arguments[0], &word(1))),
            Function::Seconds => number(0).map(|millis| millis.div_ceil(1000).into()),
            Function::Serial => Some(world.serial(number(0).unwrap_or(u64::MAX)).into()),
            Function::Split => Some(word(0).split(&word(1)).map(Value::from).collect()),
            Function::Uuid => Some(world.random.uuid().into()),
        }
        .unwrap_or_default()
    }
}

/// This field of each item.
fn plucked(items: &Value, field: &str) -> Value {
    let items = items.as_array().into_iter().flatten();
    items.map(|item| item[field].clone()).collect()
}

/// A form's members `NAME.1.KEY` and `NAME.1.VALUE`, `NAME.2.KEY` and so on, as an object.
fn pairs(form: &Value, name: &str, key: &str, value: &str) -> Value {
    let at = |number: usize, what: &str| form.get(format!("{name}.{number}.{what}"));
    let numbered = (1..).map_while(|number| {
        let value = at(number, value).cloned().unwrap_or_else(|| "".into());
        Some((text(at(number, key)?), value))
    });
    Value::Object(numbered.collect::<Map<_, _>>())
}

/// A document after a JSON patch (RFC 6902), of which members of objects are added, replaced and removed.
fn patched(document: &Value, operations: &Value) -> Value {
    let mut document = document.clone();
    for operation in operations.as_array().into_iter().flatten() {
        let path = operation["path"].as_str().unwrap_or_default();
        let Some((parent, name)) = path.rsplit_once('/') else {
            continue;
        };
        let Some(members) = document.pointer_mut(parent).and_then(Value::as_object_mut) else {
            continue;
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        match operation["op"].as_str() {
            Some("add" | "replace") => _ = members.insert(name, operation["value"].clone()),
            Some("remove") => _ = members.remove(&name),
            _ => {}
        }
    }
    document
}
