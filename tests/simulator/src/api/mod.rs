//! The Packet API: routes, access, and what each request does.
//!
//! Source: the API's published documentation, its official Python client (which `.ci/run` drives against this), and what
//! was observed of the service; where they are silent, this API is strict, so that mistakes are caught.

mod order;
mod render;
mod route;
mod traffic;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalogue::{FACILITIES, METROS, OPERATING_SYSTEMS, PLANS};
use crate::desk::{Connection, Desk};
use crate::device::{Action, Device};
use crate::fault::Operation;
use crate::http::{self, Delivery, JSON, Reply, Response, Target, lock};
use crate::log::Service;
use crate::world::{Access, World};
use render::{Renderer, Shown, Written};
use route::Route;

/// The API's server.
#[derive(Debug)]
pub(crate) struct Api {
    pub desk: Arc<Desk>,
    world: Mutex<World>,
    written: Written,
}

impl http::Service for Api {
    type Connection = Connection;

    fn connect(&self) -> Result<Connection, Delivery> {
        self.desk.connect(Operation::Connection)
    }

    fn answer(&self, connection: &mut Connection, request: http::Request) -> Reply {
        let target = Target::parse(&request.target);
        let (prefix, segments) = route::split(&target.path);
        let route = Route::of(&request.method, &segments);
        let about = (Service::Api, route.operation(&request.body), route.device());
        self.desk.answer(connection, about, &request, || self.carry_out(&request, &target, prefix, &route))
    }
}

fn errors(status: u16, reasons: &[impl AsRef<str>]) -> Response {
    let reasons: Vec<_> = reasons.iter().map(AsRef::as_ref).collect();
    Response::json(status, &json!({ "errors": reasons }))
}

fn not_found() -> Response {
    errors(404, &["Not found"])
}

fn forbidden() -> Response {
    errors(403, &["You are not authorized to view this resource"])
}

impl Api {
    pub(crate) fn new(desk: Arc<Desk>, world: World) -> Self {
        Api { desk, world: Mutex::new(world), written: Written::default() }
    }

    /// The books, and the time at which they are read.
    pub(crate) fn world(&self) -> (MutexGuard<'_, World>, Duration) {
        let world = lock(&self.world);
        // Only now: whoever waited for the books must not turn their clock back.
        (world, self.desk.clock.now())
    }

    fn carry_out(&self, request: &http::Request, target: &Target, prefix: &'static str, route: &Route<'_>) -> Response {
        let (mut world, now) = self.world();
        let quota = world.count(now);
        let response = if quota.as_ref().is_some_and(|quota| quota.exceeded) {
            Response::json(429, &json!({"error": "Too many requests"}))
        } else {
            let token = request.header("X-Auth-Token").unwrap_or_default();
            if world.tokens.contains_key(token) {
                Call { api: self, world, now, token, prefix, target, request }.carry_out(route)
            } else {
                Response::json(401, &json!({"error": "Invalid authentication token"}))
            }
        };
        let clock = &self.desk.clock;
        match quota {
            None => response,
            Some(quota) => {
                let response = response
                    .header("X-RateLimit-Limit", &quota.limit.to_string())
                    .header("X-RateLimit-Remaining", &quota.remaining.to_string())
                    .header("X-RateLimit-Reset", &clock.unix(quota.reset).to_string());
                if !quota.exceeded {
                    return response;
                }
                let left = quota.reset.saturating_sub(now);
                let seconds = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
                let retry_after =
                    if quota.date { clock.http_date(now + seconds) } else { seconds.as_secs().to_string() };
                response.header("Retry-After", &retry_after)
            }
        }
    }
}

/// A request with a valid token, and the books open.
struct Call<'a> {
    api: &'a Api,
    world: MutexGuard<'a, World>,
    now: Duration,
    token: &'a str,
    /// What stood before the path: `/metal/v1` or nothing. Links in answers begin with it.
    prefix: &'static str,
    target: &'a Target,
    request: &'a http::Request,
}

impl<'a> Call<'a> {
    fn carry_out(mut self, route: &Route<'_>) -> Response {
        if let Some(project) = route.project() {
            match self.world.access(self.token, project) {
                Access::Granted => {}
                Access::Forbidden => return forbidden(),
                Access::Unknown => return not_found(),
            }
        }
        if let Some(device) = route.device()
            && let Err(refusal) = self.admit(device)
        {
            return refusal;
        }
        match *route {
            Route::Create { project } => self.create(project),
            Route::List { project } => self.list(project),
            Route::Get { device } => self.get(device),
            Route::Delete { device } => self.delete(device),
            Route::Act { device } => self.act(device),
            Route::Bandwidth { device } => self.bandwidth(device),
            Route::Events { device } => self.events(device),
            Route::Catalogue(words) => self.catalogue(words),
            Route::ProjectCatalogue { project, what } => self.project_catalogue(project, what),
            Route::Unknown => not_found(),
        }
    }

    fn renderer(&self) -> Renderer<'a> {
        Renderer { clock: &self.api.desk.clock, prefix: self.prefix, written: &self.api.written }
    }

    /// Whether the token may see this machine, if it exists.
    fn admit(&mut self, id: &str) -> Result<(), Response> {
        let now = self.now;
        let Some(project) = self.world.device(id, now).map(|device| device.project.clone()) else {
            let taken = self.world.gone(id).and_then(|device| device.taken);
            return Err(if taken == Some(403) { forbidden() } else { not_found() });
        };
        match self.world.access(self.token, &project) {
            Access::Granted => Ok(()),
            _ => Err(forbidden()),
        }
    }

    /// The body of the request as a JSON object.
    fn body(&self) -> Result<serde_json::Map<String, Value>, Response> {
        let kind = self.request.header("Content-Type").unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/json") {
            return Err(errors(415, &["Content-Type must be application/json"]));
        }
        match serde_json::from_slice(&self.request.body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(errors(400, &["The body is not a JSON object"])),
        }
    }

    fn create(mut self, project: &str) -> Response {
        let body = match self.body() {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let new = match order::check(project, body, &mut self.world, self.now) {
            Ok(new) => new,
            Err(reasons) => return errors(422, &reasons),
        };
        let fates = self.api.desk.fates();
        let now = self.now;
        let device = self.world.create(new, &fates, now).clone();
        self.device(201, device)
    }

    fn show(&mut self, device: Device) -> Shown {
        let options = &self.world.options;
        Shown {
            now: self.now,
            young: self.now.saturating_sub(device.created) < options.root_password,
            progress: options.progress,
            seed: self.world.random.next(),
            device,
        }
    }

    fn device(mut self, status: u16, device: Device) -> Response {
        let shown = self.show(device);
        let renderer = self.renderer();
        // Writing takes longer than looking: others can have the books meanwhile.
        drop(self.world);
        Response::new(status, JSON, renderer.device(&shown))
    }

    fn get(mut self, id: &str) -> Response {
        let now = self.now;
        match self.world.device(id, now).cloned() {
            Some(device) => self.device(200, device),
            None => not_found(),
        }
    }

    fn list(mut self, project: &str) -> Response {
        let page = match Page::of(self.target) {
            Ok(page) => page,
            Err(reasons) => return errors(422, &reasons),
        };
        let now = self.now;
        let options = self.world.options.clone();
        // The newest first, as the API lists them.
        let devices = self.world.devices(now).iter().rev();
        let found: Vec<&Device> = devices
            .filter(|device| device.project == project && device.is_listed(&options, now))
            .filter(|device| is_meant(device, self.target))
            .collect();
        let meta = page.meta(found.len(), self.prefix, self.target);
        let shown: Vec<Device> = page.slice(&found).iter().map(|device| (*device).clone()).collect();
        let shown: Vec<Shown> = shown.into_iter().map(|device| self.show(device)).collect();
        let renderer = self.renderer();
        drop(self.world);
        let devices: Vec<String> = shown.iter().map(|shown| renderer.device(shown)).collect();
        let body = format!("{{\"devices\":[{}],\"meta\":{meta}}}", devices.join(","));
        Response::new(200, JSON, body)
    }

    fn delete(mut self, id: &str) -> Response {
        let (now, options) = (self.now, self.world.options.clone());
        match self.world.device(id, now).map(|device| device.delete(&options, now)) {
            Some(Ok(())) => Response::empty(204),
            Some(Err(reason)) => errors(422, &[reason]),
            None => not_found(),
        }
    }

    fn act(mut self, id: &str) -> Response {
        let body = match self.body() {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let action = match body.get("type").and_then(Value::as_str) {
            Some("power_on") => Action::PowerOn,
            Some("power_off") => Action::PowerOff,
            Some("reboot") => Action::Reboot,
            Some(other) => return errors(422, &[format!("{other} is not a valid action")]),
            None => return errors(422, &["type is missing"]),
        };
        let (now, options) = (self.now, self.world.options.clone());
        match self.world.device(id, now).map(|device| device.act(action, &options, now)) {
            Some(Ok(())) => Response::empty(202),
            Some(Err(reason)) => errors(422, &[reason]),
            None => not_found(),
        }
    }

    fn bandwidth(mut self, id: &str) -> Response {
        let (from, until) = match traffic::period(self.target) {
            Ok(period) => period,
            Err(reasons) => return errors(422, &reasons),
        };
        let now = self.now;
        match self.world.device(id, now) {
            Some(device) => Response::json(200, &traffic::bandwidth(&device.state, from, until)),
            None => not_found(),
        }
    }

    fn events(mut self, id: &str) -> Response {
        let page = match Page::of(self.target) {
            Ok(page) => page,
            Err(reasons) => return errors(422, &reasons),
        };
        let now = self.now;
        let Some(device) = self.world.device(id, now).cloned() else {
            return not_found();
        };
        let events = self.renderer().events(&device);
        let meta = page.meta(events.len(), self.prefix, self.target);
        Response::json(200, &json!({"events": page.slice(&events), "meta": meta}))
    }

    fn catalogue(self, words: &[&str]) -> Response {
        let render = self.renderer();
        let body = match words {
            ["plans"] => {
                json!({"plans": PLANS.iter().map(|row| render.plan(row)).collect::<Vec<_>>()})
            }
            ["operating-systems"] => json!({
                "operating_systems": OPERATING_SYSTEMS.iter().map(Renderer::operating_system).collect::<Vec<_>>()
            }),
            ["facilities"] => {
                json!({"facilities": FACILITIES.iter().map(Renderer::facility).collect::<Vec<_>>()})
            }
            ["locations", "metros"] => {
                json!({"metros": METROS.iter().map(Renderer::metro).collect::<Vec<_>>()})
            }
            ["capacity"] => self.capacity(FACILITIES.iter().map(|place| (place.code, vec![place.code]))),
            ["capacity", "metros"] => self.capacity(METROS.iter().map(|metro| {
                let here = FACILITIES.iter().filter(|place| place.metro == metro.code);
                (metro.code, here.map(|place| place.code).collect())
            })),
            ["user"] => render.user(),
            ["ssh-keys"] => json!({"ssh_keys": []}),
            ["projects"] => {
                let projects: Vec<_> = self
                    .world
                    .projects
                    .iter()
                    .filter(|(id, _)| self.world.access(self.token, id) == Access::Granted)
                    .map(|(id, name)| render.project(id, name))
                    .collect();
                let page = match Page::of(self.target) {
                    Ok(page) => page,
                    Err(reasons) => return errors(422, &reasons),
                };
                let meta = page.meta(projects.len(), self.prefix, self.target);
                json!({"projects": page.slice(&projects), "meta": meta})
            }
            _ => return not_found(),
        };
        Response::json(200, &body)
    }

    /// How much of each plan there is in places, each of which is these facilities.
    fn capacity(&self, places: impl Iterator<Item = (&'static str, Vec<&'static str>)>) -> Value {
        let sold_out = &self.world.options.sold_out;
        let levels: serde_json::Map<String, Value> = places
            .map(|(code, facilities)| {
                let is_empty = facilities.iter().all(|facility| sold_out.iter().any(|sold| sold == facility));
                let level = if is_empty { "unavailable" } else { "normal" };
                let plans = PLANS.iter().map(|plan| (plan.slug.to_owned(), json!({ "level": level })));
                let plans: serde_json::Map<String, Value> = plans.collect();
                (code.to_owned(), Value::Object(plans))
            })
            .collect();
        json!({ "capacity": levels })
    }

    fn project_catalogue(mut self, project: &str, what: Option<&str>) -> Response {
        let body = match what {
            None => {
                let name = self.world.projects.get(project).cloned().unwrap_or_default();
                self.renderer().project(project, &name)
            }
            Some("ssh-keys") => json!({"ssh_keys": []}),
            Some("hardware-reservations") => {
                let now = self.now;
                let devices = self.world.devices(now).to_vec();
                json!({
                    "hardware_reservations": self.renderer().reservations(project, &devices),
                    "meta": {"total": crate::catalogue::RESERVATIONS.len()},
                })
            }
            Some(what) => return self.catalogue(&[what]),
        };
        Response::json(200, &body)
    }
}

/// Whether a listing's query means this machine.
fn is_meant(device: &Device, target: &Target) -> bool {
    let is = |key: &str, value: &str| target.get(key).is_none_or(|wanted| wanted == value);
    let search = target.get("search").unwrap_or_default();
    target.all("tag").all(|tag| device.tags.iter().any(|own| own == tag))
        && is("hostname", &device.hostname)
        && is("facility", &device.facility)
        && is("metro", render::metro_of(device))
        && (device.hostname.contains(search)
            || device.short_id.contains(search)
            || device.plan.contains(search)
            || device.operating_system.contains(search)
            || device.facility.contains(search)
            || device.tags.iter().any(|tag| tag.contains(search))
            || device.addresses.iter().any(|own| own.address.contains(search)))
}

/// Which part of a list is asked for.
struct Page {
    /// From 1.
    number: usize,
    size: usize,
}

impl Page {
    fn of(target: &Target) -> Result<Self, [String; 1]> {
        let read = |key: &str, default: usize, most: usize| match target.get(key) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| [format!("{key} must be from 1 to {most}")]),
        };
        // The bounds are the service's.
        Ok(Page { number: read("page", 1, 100_000)?, size: read("per_page", 10, 1_000)? })
    }

    fn slice<'a, T>(&self, items: &'a [T]) -> &'a [T] {
        items.chunks(self.size).nth(self.number - 1).unwrap_or_default()
    }

    fn meta(&self, total: usize, prefix: &str, target: &Target) -> Value {
        let last = total.div_ceil(self.size).max(1);
        let path = target.path.strip_prefix(prefix).unwrap_or(&target.path);
        let link = |page: usize| {
            let query = target.query_with("page", &page.to_string());
            json!({"href": format!("{prefix}{path}?{query}")})
        };
        let neighbour = |page: Option<usize>| page.filter(|page| (1..=last).contains(page)).map_or(Value::Null, link);
        json!({
            "first": link(1),
            "previous": neighbour(self.number.checked_sub(1)),
            "self": link(self.number),
            "next": neighbour(self.number.checked_add(1)),
            "last": link(last),
            "current_page": self.number,
            "last_page": last,
            "total": total,
        })
    }
}
