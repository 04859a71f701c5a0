//! How requests are played by the rules.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::expression::{Expression, Scope, text};
use super::fixture::{Action, Answer, Fixture, List, Refusal, Rule};
use super::template::fields;
use super::world::World;
use crate::desk::{Connection, Desk};
use crate::fault::Operation;
use crate::http::{self, Delivery, Reply, Response, Target, lock};
use crate::log::Service;

#[derive(Debug)]
pub(super) struct Stage {
    pub desk: Desk,
    pub fixture: Arc<Fixture>,
    pub world: Mutex<World>,
}

impl http::Service for Stage {
    type Connection = Connection;

    fn connect(&self) -> Result<Connection, Delivery> {
        self.desk.connect(Operation::Connection)
    }

    fn answer(&self, connection: &mut Connection, request: http::Request) -> Reply {
        let asked = asked(&request);
        let (operation, id) = self.about(&asked);
        let about = (Service::Api, operation, id.as_deref());
        self.desk
            .answer(connection, about, &request, || self.carry_out(asked, true))
    }
}

/// What the request itself brings into the scope.
fn asked(request: &http::Request) -> Scope {
    let target = Target::parse(&request.target);
    let body = String::from_utf8_lossy(&request.body);
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str().into()));
    let json = serde_json::from_str::<Value>(&body).unwrap_or_default();
    // A JSON text has no place in a form.
    let form = if json.is_null() {
        format!("?{body}")
    } else {
        String::new()
    };
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
pub(super) fn posted(path: &str, form: &[(String, String)]) -> Scope {
    Scope::from([
        ("method", "POST".into()),
        ("path", path.into()),
        ("form", members(&Target::of_pairs(form.iter().cloned()))),
    ])
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

impl Stage {
    /// The world as it is by now.
    pub(super) fn living(&self) -> MutexGuard<'_, World> {
        let mut world = lock(&self.world);
        world.live();
        world
    }

    /// What a request is for, and about.
    fn about(&self, asked: &Scope) -> (Operation, Option<String>) {
        let (mut scope, mut world) = (asked.clone(), self.living());
        let Some(rule) = self.rule(&mut scope, &mut world) else {
            return (Operation::Api, None);
        };
        let id = text(&rule.id(&scope, &mut world));
        (rule.operation, Some(id).filter(|id| !id.is_empty()))
    }

    /// The first rule that is about the request. What its path holds is in the scope from then on.
    fn rule(&self, scope: &mut Scope, world: &mut World) -> Option<&Rule> {
        let (method, path) = (text(&scope["method"]), text(&scope["path"]));
        scope.insert("option", world.options.clone());
        self.fixture.rules.iter().find(|rule| {
            let Some(captures) = rule.on.captures(&method, &path) else {
                return false;
            };
            scope.insert("path", captures);
            rule.condition
                .as_ref()
                .is_none_or(|condition| condition.holds(scope, world))
        })
    }

    /// Does what the request asks for. Without `guarded` it is let in, whoever asks.
    pub(super) fn carry_out(&self, mut scope: Scope, guarded: bool) -> Response {
        let mut world = self.living();
        let rule = self.rule(&mut scope, &mut world);
        let is_guarded = guarded && !rule.is_some_and(|rule| rule.open);
        let refused = match is_guarded {
            true => refused(&self.fixture.refuse, &scope, &mut world),
            false => None,
        };
        let answer = match (refused, rule) {
            (Some(answer), _) => answer,
            (None, None) => &self.fixture.unknown,
            (None, Some(rule)) => match self.perform(rule, &mut scope, &mut world) {
                Ok(()) => &rule.answer,
                Err(answer) => answer,
            },
        };
        self.fixture.answers[answer].response(&mut scope, &mut world)
    }

    /// Finds, refuses, then makes and changes; or names the answer that says why not.
    fn perform<'a>(
        &'a self,
        rule: &'a Rule,
        scope: &mut Scope,
        world: &mut World,
    ) -> Result<(), &'a String> {
        let id = rule.id(scope, world);
        let mut found = Vec::new();
        for action in &rule.actions {
            let place = match &action.find {
                Some(kind) => Some(self.find(action, kind, &id, scope, world)?),
                None => None,
            };
            found.push(place);
        }
        if let Some(answer) = refused(&rule.refuse, scope, world) {
            return Err(answer);
        }
        for (action, place) in rule.actions.iter().zip(found) {
            self.change(action, place, rule.operation, scope, world);
        }
        if let Some(list) = &rule.list {
            list.fill(scope, world);
        }
        Ok(())
    }

    fn find<'a>(
        &'a self,
        action: &Action,
        kind: &str,
        id: &Value,
        scope: &mut Scope,
        world: &mut World,
    ) -> Result<usize, &'a String> {
        let id = action
            .id
            .as_ref()
            .map_or_else(|| id.clone(), |own| own.value(scope, world));
        let place = match action.ever {
            true => world.place(kind, &text(&id)),
            false => world.visible(kind, &text(&id)),
        };
        let place = place.ok_or_else(|| {
            scope.insert("it", json!({"id": id}));
            &self.fixture.kinds[kind].missing
        })?;
        bind(place, scope, world);
        Ok(place)
    }

    fn change(
        &self,
        action: &Action,
        place: Option<usize>,
        operation: Operation,
        scope: &mut Scope,
        world: &mut World,
    ) {
        if action
            .when
            .as_ref()
            .is_some_and(|when| !when.holds(scope, world))
        {
            return;
        }
        let is_ordered = place.is_none() && operation == Operation::Create;
        let kind = action.create.as_deref().unwrap_or_default();
        let place = place.unwrap_or_else(|| world.create(kind, scope));
        world.set(place, &action.set, scope);
        if let Some(life) = &action.life {
            let fates = if is_ordered {
                self.desk.fates()
            } else {
                Vec::new()
            };
            world.begin(place, life, fates);
        }
        bind(place, scope, world);
    }

    /// Makes what there is from the start.
    pub(super) fn seed(&self) {
        let mut world = lock(&self.world);
        for action in &self.fixture.seeds {
            self.change(action, None, Operation::Api, &mut Scope::new(), &mut world);
        }
    }
}

impl Rule {
    fn id(&self, scope: &Scope, world: &mut World) -> Value {
        match &self.id {
            Some(id) => id.value(scope, world),
            None => scope["path"]["id"].clone(),
        }
    }
}

impl List {
    /// Puts the page that is asked for into the scope.
    fn fill(&self, scope: &mut Scope, world: &mut World) {
        let mut items = world.listed(&self.of);
        if let Some(keep) = &self.keep {
            items.retain(|item| {
                scope.insert("it", item.clone());
                keep.holds(scope, world)
            });
        }
        let total = items.len();
        let mut number = |of: &Option<Expression>| {
            let value = of.as_ref()?.value(scope, world);
            text(&value).parse::<usize>().ok()
        };
        let size = number(&self.size).unwrap_or(total).max(1);
        let page = number(&self.page).unwrap_or(1).max(1);
        let from = number(&self.from)
            .unwrap_or((page - 1).saturating_mul(size))
            .min(total);
        let to = from.saturating_add(size).min(total);
        let next = (to < total).then(|| if self.page.is_some() { page + 1 } else { to });
        let items = &items[from..to];
        scope.insert(
            "list",
            json!({"items": items, "total": total, "next": next}),
        );
    }
}

impl Answer {
    pub(super) fn response(&self, scope: &mut Scope, world: &mut World) -> Response {
        let with = fields(&self.with, scope, world);
        scope.entry("with").or_insert_with(|| Value::Object(with));
        let response = match &self.template {
            Some(template) => Response::new(
                self.status,
                &self.content_type,
                template.render(scope, world),
            ),
            None => Response::empty(self.status),
        };
        let headers = fields(&self.headers, scope, world);
        headers.iter().fold(response, |response, (name, value)| {
            response.header(name, &text(value))
        })
    }
}

/// Gives the object its names: `it` is the one that was found or made last.
fn bind(place: usize, scope: &mut Scope, world: &World) {
    let object = &world.objects[place];
    scope.insert("it", object.value());
    let the = scope.entry("the").or_insert_with(|| json!({}));
    the[object.kind.as_str()] = object.value();
}

fn refused<'a>(refusals: &'a [Refusal], scope: &Scope, world: &mut World) -> Option<&'a String> {
    let mut refusals = refusals.iter();
    let refusal = refusals.find(|refusal| refusal.when.holds(scope, world))?;
    Some(&refusal.answer)
}
