//! The values of rules, of which each text can be a template.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::expression::Scope;
use super::template::{Form, Template};
use super::world::World;

/// A value of a rule: each text in it is a template.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum Shape {
    Literal(Value),
    Text(Template),
    List(Vec<Shape>),
    Table(BTreeMap<String, Shape>),
}

impl TryFrom<Value> for Shape {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let shape = |value| Shape::try_from(value);
        Ok(match value {
            Value::String(text) if text.contains("{{") => {
                Shape::Text(Template::parse(&text, Form::Plain, Path::new(""))?)
            }
            Value::Array(items) => Shape::List(items.into_iter().map(shape).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| Ok((name, shape(value)?)));
                Shape::Table(members.collect::<Result<_, String>>()?)
            }
            other => Shape::Literal(other),
        })
    }
}

impl Shape {
    pub(super) fn value(&self, scope: &mut Scope, world: &mut World) -> Value {
        match self {
            Shape::Literal(value) => value.clone(),
            Shape::Text(template) => template.value(scope, world),
            Shape::List(items) => items.iter().map(|item| item.value(scope, world)).collect(),
            Shape::Table(members) => Value::Object(fields(members, scope, world)),
        }
    }

    pub(super) fn is_literally(&self, word: &str) -> bool {
        matches!(self, Shape::Literal(Value::String(own)) if own == word)
    }
}

/// What each member makes.
pub(super) fn fields(members: &BTreeMap<String, Shape>, scope: &mut Scope, world: &mut World) -> Map<String, Value> {
    let made = members.iter().map(|(name, shape)| (name.clone(), shape.value(scope, world)));
    made.collect()
}
