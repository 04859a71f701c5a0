//! The objects of a stub, and how they come, live and go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::expression::{Scope, is_equal, text};
use super::fixture::{Fixture, Kind, Step};
use super::shape::{Shape, fields};
use crate::clock::Clock;
use crate::fault::Effect;
use crate::random::Random;

/// An object of a stub: a machine, a key, a token.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is, as its fixture names it.
    pub kind: String,
    /// What is known of it, its `id` too.
    pub fields: Map<String, Value>,
    /// Nothing finds it any more.
    pub is_gone: bool,
    /// Until then listings, and perhaps looks, do not show it.
    appears: Duration,
    /// What it comes to, and when: steps of lives.
    next: VecDeque<(Duration, String, usize)>,
    /// The state that it never leaves.
    stuck: Option<String>,
}

impl Object {
    /// A field as text; nothing where there is none.
    pub fn text(&self, name: &str) -> String {
        self.fields.get(name).map(text).unwrap_or_default()
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.text("id")
    }

    /// The members of a field as texts.
    pub fn texts(&self, name: &str) -> BTreeMap<String, String> {
        let members = self.fields.get(name).and_then(Value::as_object).into_iter().flatten();
        members.map(|(name, value)| (name.clone(), text(value))).collect()
    }

    pub(super) fn value(&self) -> Value {
        Value::Object(self.fields.clone())
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub objects: Vec<Object>,
    pub random: Random,
    /// The fixture's options, as they were set.
    pub options: Value,
    fixture: Arc<Fixture>,
    clock: Arc<Clock>,
    drawn: u64,
}

impl World {
    pub(super) fn new(fixture: Arc<Fixture>, options: Value, seed: u64, clock: Arc<Clock>) -> Self {
        World { objects: Vec::new(), random: Random::new(seed), options, fixture, clock, drawn: 0 }
    }

    pub(super) fn now_as_text(&self) -> String {
        self.clock.rfc3339(self.clock.now())
    }

    /// From 1 to `most`, and over again.
    pub(super) fn serial(&mut self, most: u64) -> u64 {
        self.drawn += 1;
        (self.drawn - 1) % most.max(1) + 1
    }

    /// The first object of this kind whose field has this value, among those that are, or that ever were.
    pub(super) fn look_up(&self, kind: &str, field: &str, value: &Value, ever: bool) -> Option<Value> {
        let mut own = self.objects.iter().filter(|one| one.kind == kind);
        let found =
            own.find(|one| (ever || !one.is_gone) && one.fields.get(field).is_some_and(|own| is_equal(own, value)));
        found.map(Object::value)
    }

    /// The objects of this kind that are not gone.
    pub(super) fn living(&self, kind: &str) -> Value {
        let is_living = |one: &&Object| one.kind == kind && !one.is_gone;
        let objects = self.objects.iter().filter(is_living);
        objects.map(Object::value).collect()
    }

    /// The place of an object that can be looked at by its id.
    pub(super) fn visible(&self, kind: &str, id: &str) -> Option<usize> {
        let lags = self.fixture.kinds[kind].lag_by_id;
        let now = self.clock.now();
        self.objects
            .iter()
            .position(|one| one.kind == kind && !one.is_gone && one.id() == id && (!lags || now >= one.appears))
    }

    /// The place of an object that ever was.
    pub(super) fn place(&self, kind: &str, id: &str) -> Option<usize> {
        let is_it = |one: &Object| one.kind == kind && one.id() == id;
        self.objects.iter().position(is_it)
    }

    /// The objects that a listing shows, oldest first.
    pub(super) fn listed(&self, kind: &str) -> Vec<Value> {
        let now = self.clock.now();
        let shown = |one: &&Object| one.kind == kind && !one.is_gone && now >= one.appears;
        self.objects.iter().filter(shown).map(Object::value).collect()
    }

    /// Lets everything come to what it has come to by now.
    pub(super) fn live(&mut self) {
        let now = self.clock.now();
        for place in 0..self.objects.len() {
            self.live_one(place, now);
        }
    }

    fn live_one(&mut self, place: usize, now: Duration) {
        let fixture = Arc::clone(&self.fixture);
        let kind = &fixture.kinds[&self.objects[place].kind];
        while let Some((at, ..)) = self.objects[place].next.front()
            && *at <= now
            && let Some((_, life, number)) = self.objects[place].next.pop_front()
        {
            let step = &kind.life[&life][number];
            self.set(place, &step.set, &mut Scope::new());
            self.objects[place].is_gone |= step.gone;
        }
    }

    /// Sets fields, which may be made of the object as it was.
    pub(super) fn set(&mut self, place: usize, set: &BTreeMap<String, Shape>, scope: &mut Scope) {
        if set.is_empty() {
            return;
        }
        let outer = scope.insert("it", self.objects[place].value());
        scope.insert("option", self.options.clone());
        let made = fields(set, scope, self);
        self.objects[place].fields.extend(made);
        scope.insert("it", outer.unwrap_or_default());
    }

    /// Makes an object without a life, and returns its place.
    pub(super) fn create(&mut self, kind: &str, scope: &mut Scope) -> usize {
        let fixture = Arc::clone(&self.fixture);
        let known = &fixture.kinds[kind];
        let id = known.id.value(scope, self);
        let now = self.clock.now();
        self.objects.push(Object {
            kind: kind.to_owned(),
            fields: Map::from_iter([("id".to_owned(), id)]),
            is_gone: false,
            appears: now + self.lasting(known.lag.as_ref()),
            next: VecDeque::new(),
            stuck: None,
        });
        self.objects.len() - 1
    }

    /// Begins a life, in place of what was to come. What faults have in store for a new machine becomes of it.
    pub(super) fn begin(&mut self, place: usize, mut life: &str, fates: Vec<Effect>) {
        let fixture = Arc::clone(&self.fixture);
        let kind = &fixture.kinds[&self.objects[place].kind];
        let now = self.clock.now();
        let mut taken = None;
        for fate in fates {
            let object = &mut self.objects[place];
            match fate {
                Effect::FailProvisioning if kind.life.contains_key("fail") => life = "fail",
                Effect::Vanish { after, .. } if kind.life.contains_key("vanish") => taken = Some(now + after),
                Effect::Locked => {
                    object.fields.insert("locked".to_owned(), true.into());
                }
                Effect::ListingLag(lag) => object.appears = now + lag,
                Effect::Stuck(state) => object.stuck = kind.stuck_in(state.as_str(), life),
                _ => {}
            }
        }
        self.schedule(place, life, now);
        if let Some(at) = taken {
            self.schedule(place, "vanish", at);
        }
        self.live_one(place, now);
    }

    /// Lets a life begin at a time; what was to come later does not, unless the provider takes it back.
    fn schedule(&mut self, place: usize, life: &str, mut at: Duration) {
        let fixture = Arc::clone(&self.fixture);
        let kind = &fixture.kinds[&self.objects[place].kind];
        let stuck = self.objects[place].stuck.clone();
        let mut next = std::mem::take(&mut self.objects[place].next);
        next.retain(|(time, life, _)| *time < at || life == "vanish");
        for (number, step) in kind.life(life).iter().enumerate() {
            next.push_back((at, life.to_owned(), number));
            if stuck.as_deref().is_some_and(|state| kind.is_in(step, state)) {
                break;
            }
            at += self.lasting(step.lasts.as_ref());
        }
        next.make_contiguous().sort_by_key(|(time, ..)| *time);
        self.objects[place].next = next;
    }

    /// How long an option says.
    fn lasting(&self, option: Option<&String>) -> Duration {
        let millis = option.and_then(|name| self.options[name].as_u64());
        Duration::from_millis(millis.unwrap_or_default())
    }

    /// Changes an object from outside; it stays so until something is asked of it.
    pub(super) fn put(&mut self, place: usize, set: Map<String, Value>) {
        let object = &mut self.objects[place];
        object.next.clear();
        object.fields.extend(set);
    }
}

impl Kind {
    fn life(&self, name: &str) -> &[Step] {
        self.life.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether an object is in this state, once it has taken the step.
    fn is_in(&self, step: &Step, state: &str) -> bool {
        step.set.get(&self.state).is_some_and(|own| own.is_literally(state))
    }

    /// The state of that name, or else the first of the life: other providers' words are not known here.
    fn stuck_in(&self, word: &str, life: &str) -> Option<String> {
        let mut steps = self.life.values().flatten();
        if steps.any(|step| self.is_in(step, word)) {
            return Some(word.to_owned());
        }
        match self.life(life).first()?.set.get(&self.state)? {
            Shape::Literal(Value::String(first)) => Some(first.clone()),
            _ => None,
        }
    }
}
