//! A fixture folder as it is read and checked. Its format is described in [`super`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::expression::Expression;
use super::shape::Shape;
use super::template::{Form, Template};
use crate::fault::Operation;

/// The file of rules in a fixture folder.
const RULES: &str = "rules.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fixture {
    /// Content-Type of answers, unless they say another.
    #[serde(rename = "type")]
    content_type: String,
    /// The answer to what no rule is about.
    pub unknown: String,
    /// What a test may set: durations in milliseconds, and numbers.
    #[serde(default)]
    pub options: BTreeMap<String, u64>,
    /// What every request must get past.
    #[serde(default)]
    pub refuse: Vec<Refusal>,
    #[serde(rename = "kind", default)]
    pub kinds: BTreeMap<String, Kind>,
    /// What there is from the start.
    #[serde(rename = "seed", default)]
    pub seeds: Vec<Action>,
    #[serde(rename = "rule", default)]
    pub rules: Vec<Rule>,
    #[serde(rename = "answer", default)]
    pub answers: BTreeMap<String, Answer>,
}

/// What objects of a kind have in common.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub id: Shape,
    /// The answer to a look at one that is not there.
    pub missing: String,
    /// The field that holds its state.
    #[serde(default = "state")]
    pub state: String,
    /// The option that says how long listings do not show a new one.
    pub lag: Option<String>,
    /// Whether looks by its id do not show it either.
    #[serde(default)]
    pub lag_by_id: bool,
    #[serde(default)]
    pub life: BTreeMap<String, Vec<Step>>,
}

fn state() -> String {
    "state".to_owned()
}

/// A step of a life: fields that are set, and how long it takes until the next one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "BTreeMap<String, Value>")]
pub(super) struct Step {
    /// The option that says how long.
    pub lasts: Option<String>,
    pub gone: bool,
    pub set: BTreeMap<String, Shape>,
}

impl TryFrom<BTreeMap<String, Value>> for Step {
    type Error = String;

    fn try_from(mut members: BTreeMap<String, Value>) -> Result<Self, String> {
        let lasts = match members.remove("for") {
            None => None,
            Some(Value::String(option)) => Some(option),
            Some(other) => return Err(format!("`for` names an option, and is no {other}")),
        };
        let gone = members.remove("gone") == Some(Value::Bool(true));
        let set = members.into_iter().map(|(name, value)| Ok((name, Shape::try_from(value)?)));
        Ok(Step { lasts, gone, set: set.collect::<Result<_, String>>()? })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    pub when: Expression,
    pub answer: String,
}

/// What is done upon a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub name: String,
    pub on: Pattern,
    #[serde(rename = "if")]
    pub condition: Option<Expression>,
    pub operation: Operation,
    /// The id of what it is about, for faults and the log; `path.id` unless another is said.
    pub id: Option<Expression>,
    /// Whether it is for everybody.
    #[serde(default)]
    pub open: bool,
    #[serde(rename = "do", default)]
    pub actions: Vec<Action>,
    #[serde(default)]
    pub refuse: Vec<Refusal>,
    pub list: Option<List>,
    pub answer: String,
}

/// What is done to one object: it is found or made, then changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    pub create: Option<String>,
    pub find: Option<String>,
    /// The id of what is to be found; the rule's unless another is said.
    pub id: Option<Expression>,
    /// Whether one that is hidden or gone is found too.
    #[serde(default)]
    pub ever: bool,
    /// Whether anything is changed.
    pub when: Option<Expression>,
    #[serde(default)]
    pub set: BTreeMap<String, Shape>,
    pub life: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    pub of: String,
    pub keep: Option<Expression>,
    /// How many a page holds.
    pub size: Option<Expression>,
    /// The first one of the page, from 0.
    pub from: Option<Expression>,
    /// The page, from 1.
    pub page: Option<Expression>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(rename = "type", default)]
    pub content_type: String,
    #[serde(default)]
    pub headers: BTreeMap<String, Shape>,
    /// What its template names `with`.
    #[serde(default)]
    pub with: BTreeMap<String, Shape>,
    file: Option<String>,
    body: Option<String>,
    #[serde(skip)]
    pub template: Option<Template>,
}

fn ok() -> u16 {
    200
}

/// `GET /servers/{id}`
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern {
    method: String,
    path: String,
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (method, path) = text.split_once(' ').ok_or("neither method nor path")?;
        Ok(Pattern { method: method.to_owned(), path: path.to_owned() })
    }
}

impl Pattern {
    /// What stands in the places of the path, if the request is meant.
    pub(super) fn captures(&self, method: &str, path: &str) -> Option<Value> {
        if self.method != method || self.path.split('/').count() != path.split('/').count() {
            return None;
        }
        let mut captures = serde_json::Map::new();
        for (own, its) in self.path.split('/').zip(path.split('/')) {
            match own.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => _ = captures.insert(name.to_owned(), its.into()),
                None if own != its => return None,
                None => {}
            }
        }
        Some(Value::Object(captures))
    }
}

impl Fixture {
    /// Reads a folder. Errors name the file, and the line or the rule.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(RULES);
        let at_fault = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| at_fault(error.to_string()))?;
        let mut fixture: Fixture = toml::from_str(&text).map_err(|error| at_fault(error.to_string()))?;
        fixture.compile(folder).map_err(at_fault)?;
        fixture.check().map_err(at_fault)?;
        for file in fs::read_dir(folder).map_err(|error| at_fault(error.to_string()))? {
            let path = file.map_err(|error| at_fault(error.to_string()))?.path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            let named = fixture.check_names(&text);
            named.map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(fixture)
    }

    fn compile(&mut self, folder: &Path) -> Result<(), String> {
        for (name, answer) in &mut self.answers {
            let named = |error| format!("answer {name}: {error}");
            if answer.content_type.is_empty() {
                answer.content_type.clone_from(&self.content_type);
            }
            let (text, source) = match (&answer.body, &answer.file) {
                (Some(body), None) => (body.clone(), "its body".to_owned()),
                (None, Some(file)) => {
                    let text = fs::read_to_string(folder.join(file));
                    (text.map_err(|error| named(format!("{file}: {error}")))?, file.clone())
                }
                (None, None) => continue,
                (Some(_), Some(_)) => return Err(named("both a body and a file".to_owned())),
            };
            let template = Template::parse(text.trim_end(), Form::of(&answer.content_type), folder)
                .and_then(Template::checked)
                .map_err(|error| named(format!("{source}: {error}")))?;
            answer.template = Some(template);
        }
        Ok(())
    }
}
