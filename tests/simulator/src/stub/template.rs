//! Templates: text with `{{expressions}}`, optional parts and lists.

use std::fmt::Write as _;
use std::path::Path;

use quick_xml::escape::escape;
use serde_json::{Map, Value};

use super::expression::{Expression, Scope, text};
use super::reader;
use super::world::World;
use crate::xml::Element;

/// How values are written where a template has its placeholders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// Escaped.
    Xml,
    /// As JSON; within quotes as a part of that text.
    Json,
}

impl Form {
    /// That of a Content-Type.
    pub(super) fn of(content_type: &str) -> Self {
        match content_type {
            json if json.contains("json") => Form::Json,
            xml if xml.contains("xml") => Form::Xml,
            _ => Form::Plain,
        }
    }
}

/// A template, read.
#[derive(Clone, Debug)]
pub(super) struct Template {
    parts: Vec<Part>,
    form: Form,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Text(String),
    Value { of: Expression, is_quoted: bool },
    If(Expression, Vec<Part>, Vec<Part>),
    Each(Expression, Vec<Part>),
}

impl Template {
    /// Reads a template; what it includes is in `folder`. Errors name the line.
    pub(super) fn parse(text: &str, form: Form, folder: &Path) -> Result<Self, String> {
        let parts = reader::parts(text, folder)?;
        Ok(Template { parts, form })
    }

    /// Whether it makes a document with all of its optional parts, and with none.
    pub(super) fn checked(self) -> Result<Self, String> {
        for is_whole in [true, false] {
            let sample = sample(&self.parts, is_whole);
            let error = match self.form {
                Form::Json => serde_json::from_str::<Value>(&sample).err().map(|e| e.to_string()),
                Form::Xml => Element::parse(&sample).err().map(|e| format!("{e:#}")),
                Form::Plain => None,
            };
            if let Some(error) = error {
                return Err(format!("it makes no {:?} ({error}): {sample}", self.form));
            }
        }
        Ok(self)
    }

    pub(super) fn render(&self, scope: &mut Scope, world: &mut World) -> String {
        let mut out = String::new();
        self.write(&self.parts, &mut out, scope, world);
        out
    }

    /// What it makes; a placeholder alone keeps its type.
    pub(super) fn value(&self, scope: &mut Scope, world: &mut World) -> Value {
        match self.parts.as_slice() {
            [Part::Value { of, .. }] => of.value(scope, world),
            _ => self.render(scope, world).into(),
        }
    }

    fn write(&self, parts: &[Part], out: &mut String, scope: &mut Scope, world: &mut World) {
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value { of, is_quoted } => {
                    let value = of.value(scope, world);
                    out.push_str(&written(&value, self.form, *is_quoted));
                }
                Part::If(condition, then, otherwise) => {
                    let holds = condition.holds(scope, world);
                    self.write(if holds { then } else { otherwise }, out, scope, world);
                }
                Part::Each(list, body) => {
                    let outer = scope.get("it").cloned();
                    for (number, item) in items(list.value(scope, world)).enumerate() {
                        if number > 0 && self.form == Form::Json {
                            out.push(',');
                        }
                        scope.insert("it", item);
                        self.write(body, out, scope, world);
                    }
                    scope.insert("it", outer.unwrap_or_default());
                }
            }
        }
    }
}

fn written(value: &Value, form: Form, is_quoted: bool) -> String {
    match form {
        Form::Plain => text(value),
        Form::Xml => escape(text(value)).into_owned(),
        Form::Json if is_quoted => {
            let quoted = Value::String(text(value)).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Form::Json => value.to_string(),
    }
}

/// A list's items, or an object's members as `{key, value}`.
fn items(list: Value) -> Box<dyn Iterator<Item = Value>> {
    match list {
        Value::Array(items) => Box::new(items.into_iter()),
        Value::Object(members) => Box::new(members.into_iter().map(|(key, value)| {
            let pair = [("key".to_owned(), key.into()), ("value".to_owned(), value)];
            Value::Object(Map::from_iter(pair))
        })),
        _ => Box::new(std::iter::empty()),
    }
}

fn sample(parts: &[Part], is_whole: bool) -> String {
    parts.iter().fold(String::new(), |mut out, part| {
        let _ = match part {
            Part::Text(text) => write!(out, "{text}"),
            Part::Value { is_quoted, .. } => {
                write!(out, "{}", if *is_quoted { "" } else { "null" })
            }
            Part::If(_, then, _) if is_whole => write!(out, "{}", sample(then, true)),
            Part::If(_, _, otherwise) => write!(out, "{}", sample(otherwise, false)),
            Part::Each(_, body) if is_whole => write!(out, "{}", sample(body, true)),
            Part::Each(..) => Ok(()),
        };
        out
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::clock::Clock;
    use crate::stub::fixture::Fixture;

    fn made(template: &str, form: Form) -> String {
        let fixture = Fixture::read(&crate::stub::folder("ec2")).expect("a fixture");
        let mut world = World::new(Arc::new(fixture), json!({}), 1, Arc::new(Clock::start()));
        let it = json!({"text": "<\"&", "list": [1, "b"], "tags": {"k": "v"}, "no": null});
        let template = Template::parse(template, form, Path::new("")).expect(template);
        let template = template.checked().expect("a document");
        template.render(&mut Scope::from([("it", it)]), &mut world)
    }

    #[test]
    fn values_are_written_as_the_document_wants_them() {
        assert_eq!(made("{{it.text}}{{it.no}}", Form::Plain), "<\"&");
        assert_eq!(made("<a b=\"{{it.text}}\"/>", Form::Xml), "<a b=\"&lt;&quot;&amp;\"/>");
        assert_eq!(made("[{{it.text}}, \"\\\" {{it.text}}\", {{it.no}}]", Form::Json), r#"["<\"&", "\" <\"&", null]"#);
    }

    #[test]
    fn parts_are_optional_and_lists_have_their_commas() {
        let list = "[{{each it.list}}{{it}}{{end}}]";
        assert_eq!(made(list, Form::Json), "[1,\"b\"]");
        let tags = "<a>{{each it.tags}}<t>{{it.key}}={{it.value}}</t>{{end}}</a>";
        assert_eq!(made(tags, Form::Xml), "<a><t>k=v</t></a>");
        let parts = "{{if it.no}}1{{else}}{{if it.text}}2{{end}}{{end}}{{if it.no}}3{{end}}";
        assert_eq!(made(parts, Form::Plain), "2");
    }

    #[test]
    fn what_is_no_template_is_told_with_its_line() {
        let told = |text: &str| Template::parse(text, Form::Plain, Path::new("/nowhere"));
        for (text, line) in
            [("a{{it", 1), ("\n{{else}}", 2), ("\n\n{{if it}}", 3), ("{{include x}}", 1), ("\n{{it ==}}", 2)]
        {
            let error = told(text).expect_err(text);
            assert!(error.starts_with(&format!("line {line}: ")), "{error}");
        }
    }
}
