//! A provider's API on loopback, played from a fixture folder: requests, answers, and what becomes of them.
//!
//! A folder holds `rules.toml` and templates of answers. In `rules.toml`, the order of rules counts:
//!
//! ```toml
//! type = "application/json"          # of answers
//! unknown = "no_such_path"           # the answer where no rule fits
//! options = { ordering = 30, lag = 0, page = 20 }    # durations in milliseconds, and numbers; tests set others
//!
//! # What every request must get past, unless its rule is `open = true`: the first that holds is answered.
//! refuse = [{ when = "header.x-auth-token != 'secret'", answer = "denied" }]
//!
//! [kind.server]
//! id = "{{uuid()}}"
//! missing = "not_found"              # the answer where there is none of an id
//! state = "status"                   # the field that a fault may find it stuck in; `state` if not said
//! lag = "lag"                        # listings lack a new one so long, and looks too with lag_by_id = true
//! life.order = [{ status = "ordered", for = "ordering" }, { status = "ready" }]
//! life.delete = [{ status = "deleting", for = "ordering" }, { gone = true }]
//!
//! [[seed]]                           # what there is from the start: a [[rule.do]] that creates
//! create = "server"
//! set.name = "a spare one"
//!
//! [[rule]]
//! name = "order"                     # for messages
//! on = "POST /zones/{zone}/servers"
//! if = "body.name"                   # where method and path do not tell
//! operation = "create"               # for faults and the log, as in `Operation`
//! refuse = [{ when = "find('server', 'name', body.name)", answer = "taken" }]
//! answer = "server"
//! [[rule.do]]                        # each finds an object by its id, or creates one, and changes it
//! create = "server"
//! set = { name = "{{body.name}}", zone = "{{path.zone}}" }
//! life = "order"
//!
//! [[rule]]
//! name = "list"
//! on = "GET /zones/{zone}/servers"
//! operation = "list"
//! list = { of = "server", keep = "it.zone == path.zone", page = "query.page", size = "option.page" }
//! answer = "servers"
//!
//! [[rule]]
//! name = "delete"
//! on = "DELETE /zones/{zone}/servers/{id}"
//! operation = "delete"
//! refuse = [{ when = "it.locked", answer = "locked" }]
//! answer = "server"
//! [[rule.do]]
//! find = "server"                    # by path.id, or by the action's or the rule's `id`; also one gone with ever = true
//! when = "it.status != 'deleting'"   # whether anything is changed
//! life = "delete"
//!
//! [answer.server]                    # status = 200, headers, type; no body without `file` or `body`
//! file = "server.json"
//! [answer.servers]
//! body = '{"total": {{list.total}}, "servers": [{{each list.items}}{{include server.json}}{{end}}]}'
//! [answer.locked]
//! status = 403
//! with = { message = "{{it.name}} is locked" }
//! body = '{"message": {{with.message}}}'
//! # …
//! ```
//!
//! **Rules.** The first one counts whose `on` and `if` fit. Its actions first find their objects, then its `refuse` is
//! looked through, then they make and change. A list is what is not gone and is shown by now, oldest first; of it, what
//! `keep` holds for; of that, a page: `size`, and either its number from 1 (`page`) or its first place from 0 (`from`).
//!
//! **Lives.** An object takes the first step of a life at once and each other one when the time of that before it is up.
//! A step sets fields; with `gone = true` nothing finds the object any more. A life that begins takes the place of the
//! one before. Faults strike what rules with the operation `create` make. They know two lives by name, if a kind has
//! them: `fail` is led in place of an order's, `vanish` begins when the provider takes a machine back. A locked machine
//! has `locked` set; until when and why a deletion is refused (`RefuseDelete`) is not played.
//!
//! **Expressions** never fail: what is not there is null. Words: `method`, `path.NAME`, `query.NAME` and `form.NAME`
//! (lists where they come more than once), `header.NAME` in small letters, `body.NAME` of JSON, `option.NAME`; `it`, the
//! object of the rule's first action, or that of which a list, a step, a `set` or `each` speaks; `the.KIND`, the rule's
//! object of a kind; `list.items`, `list.total`, `list.next` (page or place of the next page, if there is one);
//! `with.NAME` in an answer. Names may hold dots and numbers: `form.Filter.1.Name`; others go into brackets:
//! `query['filter[name]']`. `'text'`, `7`, `true`, `null`, `[a, b]`, `a[b]`, `==`, `!=`, `in`, `not in`, `not`, `and`,
//! `or` (the last two give one of their sides). Functions: `find(kind, field, value)` and `ever(…)` (gone ones too) look
//! an object up, `all(kind, field)` and `pluck(list, field)` list a field of each; `uuid()`, `hex(digits)`,
//! `serial(most)` draw; `now()`, `seconds(milliseconds)`, `min(a, b)`; `before(text, mark)`, `after(text, mark)`,
//! `split(text, mark)`; `last(list)`; `pairs(form, name, key, value)` gathers NAME.1.KEY, NAME.1.VALUE and so on;
//! `patched(document, operations)` carries out a JSON patch.
//!
//! **Templates** have `{{expression}}`, `{{if …}}…{{else}}…{{end}}`, `{{each …}}…{{end}}` (items of a list, or `it.key`
//! and `it.value` of an object) and `{{include FILE}}`. XML is escaped. In JSON a placeholder is a value, within quotes a
//! part of that text, and `each` puts the commas. In values of rules, a placeholder alone keeps its type.
//!
//! **A further provider** needs a folder: its kinds with their lives, a rule for each request that the driver sends, the
//! templates of its objects and errors, and `[answer.refused]`, by which tests let it refuse in words of their own
//! ([`Stub::refusal`]). Then `Stub::start("NAME", options)` plays it; no Rust is to be written.

mod bodies;
mod check;
mod expression;
mod fixture;
mod function;
mod play;
mod reader;
mod request;
mod shape;
mod syntax;
mod template;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::clock::Clock;
use crate::desk::Desk;
use crate::fault::{Answer, Effect, Fault};
use crate::http::Server;
use crate::log::Request;
use expression::Scope;
use fixture::Fixture;
use play::Stage;
use world::World;

pub use world::Object;

/// How a stub is started.
#[derive(Clone, Debug)]
pub struct StubOptions {
    /// Options of the fixture that are set: durations in milliseconds, and numbers.
    pub set: Vec<(&'static str, u64)>,
    /// How many requests the log keeps.
    pub log: usize,
    /// Everything random is drawn from it.
    pub seed: u64,
}

impl Default for StubOptions {
    fn default() -> Self {
        StubOptions { set: Vec::new(), log: 100_000, seed: 1 }
    }
}

/// A provider's API on a port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct Stub {
    server: Server,
    stage: Arc<Stage>,
}

/// The folder of a provider's fixture.
fn folder(provider: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(provider)
}

impl Stub {
    /// Plays the provider of this name.
    pub fn start(provider: &str, options: StubOptions) -> io::Result<Self> {
        Self::open(&folder(provider), options)
    }

    /// Plays what is in this folder. What is wrong in it, is told with the file, and the line or the rule.
    pub fn open(folder: &Path, options: StubOptions) -> io::Result<Self> {
        let fixture = Arc::new(Fixture::read(folder).map_err(io::Error::other)?);
        let mut values = fixture.options.clone();
        for (name, value) in options.set {
            if values.insert(name.to_owned(), value).is_none() {
                let error = format!("{}: there is no option {name}", folder.display());
                return Err(io::Error::other(error));
            }
        }
        let desk = Desk::new(options.seed, options.log);
        let values = serde_json::to_value(values)?;
        let clock = Arc::clone(&desk.clock);
        let world = World::new(Arc::clone(&fixture), values, options.seed, clock);
        let stop = Arc::clone(&desk.stop);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stage = Arc::new(Stage { name, desk, fixture, world: Mutex::new(world) });
        stage.seed();
        Ok(Stub { server: Server::start(0, None, stop, Arc::clone(&stage))?, stage })
    }

    /// Base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Every object of this kind that ever was, oldest first.
    pub fn objects(&self, kind: &str) -> Vec<Object> {
        let world = self.stage.living();
        let own = world.objects.iter().filter(|one| one.kind == kind);
        own.cloned().collect()
    }

    /// Sets fields of an object, which then stays as it is until something is asked of it.
    pub fn put<'a>(&self, kind: &str, id: &str, set: impl IntoIterator<Item = (&'a str, Value)>) {
        let mut world = self.stage.living();
        if let Some(place) = world.place(kind, id) {
            let set = set.into_iter().map(|(name, value)| (name.to_owned(), value));
            world.put(place, set.collect());
        }
    }

    /// Carries out a request with this form as if somebody else had made it: no log, no faults of requests, no keys.
    pub fn post(&self, path: &str, form: impl Iterator<Item = (String, String)>) {
        let request = request::posted(path, form);
        self.stage.carry_out(request, false);
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.stage.desk.add(fault);
    }

    /// The requests that came, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.stage.desk.requests()
    }

    /// A refusal as the provider of this name words it: its answer `refused`, with this status and these words.
    pub fn refusal(provider: &str, status: u16, words: &[(&str, &str)]) -> io::Result<Effect> {
        let fixture = Arc::new(Fixture::read(&folder(provider)).map_err(io::Error::other)?);
        let refused = fixture.answers.get("refused");
        let refused = refused.ok_or_else(|| io::Error::other("there is no answer refused"))?;
        let clock = Arc::new(Clock::start());
        let mut world = World::new(Arc::clone(&fixture), Value::Null, 0, clock);
        let words = words.iter().map(|(name, word)| ((*name).to_owned(), (*word).into()));
        let mut scope = Scope::from([("with", Value::Object(words.collect()))]);
        let body = refused.response(&mut scope, &mut world).body;
        let answer = Answer::new(status).body(&String::from_utf8_lossy(&body));
        Ok(Effect::Status(answer))
    }
}
