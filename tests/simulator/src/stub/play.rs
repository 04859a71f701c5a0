//! How requests are played by the rules.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value, json};

use super::bodies;
use super::expression::{Expression, Scope, text};
use super::fixture::{Action, Answer, Fixture, List, Refusal, Rule};
use super::request::asked;
use super::shape::fields;
use super::world::World;
use crate::desk::{Connection, Desk};
use crate::fault::Operation;
use crate::http::{self, Delivery, Reply, Response, lock};
use crate::log::Service;

#[derive(Debug)]
pub(super) struct Stage {
    /// The provider, as its folder is named.
    pub name: String,
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
        self.desk.answer(connection, about, &request, || {
            let response = self.carry_out(asked.clone(), true);
            bodies::keep(&self.name, operation, &request, &response).expect("the body is kept");
            response
        })
    }
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
            rule.condition.as_ref().is_none_or(|condition| condition.holds(scope, world))
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
    fn perform<'a>(&'a self, rule: &'a Rule, scope: &mut Scope, world: &mut World) -> Result<(), &'a String> {
        let id = rule.id(scope, world);
        let mut places = Vec::new();
        for action in &rule.actions {
            let place = match &action.find {
                Some(kind) => Some(self.find(action, kind, &id, scope, world)?),
                None => None,
            };
            places.push(place);
            bind(&places, scope, world);
        }
        if let Some(answer) = refused(&rule.refuse, scope, world) {
            return Err(answer);
        }
        for (number, action) in rule.actions.iter().enumerate() {
            places[number] = self.change(action, places[number], rule.operation, scope, world);
            bind(&places, scope, world);
        }
        if let Some(list) = &rule.list {
            let page = list.page(scope, world);
            scope.insert("list", page);
            bind(&places, scope, world);
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
        let id = match &action.id {
            Some(own) => own.value(scope, world),
            None => id.clone(),
        };
        let place = match action.ever {
            true => world.place(kind, &text(&id)),
            false => world.visible(kind, &text(&id)),
        };
        place.ok_or_else(|| {
            scope.insert("it", json!({"id": id}));
            &self.fixture.kinds[kind].missing
        })
    }

    /// Makes the object if it is to be made, changes it, and returns its place.
    fn change(
        &self,
        action: &Action,
        place: Option<usize>,
        operation: Operation,
        scope: &mut Scope,
        world: &mut World,
    ) -> Option<usize> {
        if let Some(when) = &action.when
            && !when.holds(scope, world)
        {
            return place;
        }
        let fates = match (operation, place, &action.life) {
            (Operation::Create, None, Some(_)) => self.desk.fates(),
            _ => Vec::new(),
        };
        let place = match (place, &action.create) {
            (Some(place), _) => place,
            (None, kind) => world.create(kind.as_ref()?, scope),
        };
        world.set(place, &action.set, scope);
        if let Some(life) = &action.life {
            world.begin(place, life, fates);
        }
        Some(place)
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
    /// The page that is asked for.
    fn page(&self, scope: &mut Scope, world: &mut World) -> Value {
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
        let from = number(&self.from).unwrap_or((page - 1).saturating_mul(size)).min(total);
        let to = from.saturating_add(size).min(total);
        let next = (to < total).then(|| if self.page.is_some() { page + 1 } else { to });
        json!({"items": &items[from..to], "total": total, "next": next})
    }
}

impl Answer {
    pub(super) fn response(&self, scope: &mut Scope, world: &mut World) -> Response {
        let with = fields(&self.with, scope, world);
        scope.entry("with").or_insert_with(|| Value::Object(with));
        let response = match &self.template {
            Some(template) => Response::new(self.status, &self.content_type, template.render(scope, world)),
            None => Response::empty(self.status),
        };
        let headers = fields(&self.headers, scope, world);
        headers.iter().fold(response, |response, (name, value)| response.header(name, &text(value)))
    }
}

/// Gives objects their names: `it` is the first, `the.KIND` the first of its kind.
fn bind(places: &[Option<usize>], scope: &mut Scope, world: &World) {
    let mut the = Map::new();
    for place in places.iter().flatten().rev() {
        let object = &world.objects[*place];
        the.insert(object.kind.clone(), object.value());
        scope.insert("it", object.value());
    }
    scope.insert("the", Value::Object(the));
}

fn refused<'a>(refusals: &'a [Refusal], scope: &Scope, world: &mut World) -> Option<&'a String> {
    let mut refusals = refusals.iter();
    let refusal = refusals.find(|refusal| refusal.when.holds(scope, world))?;
    Some(&refusal.answer)
}
