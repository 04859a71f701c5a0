//! The questions of `check`: what Packet knows of an order before it is sent. All of them are GETs.

use super::super::api::Api;
use super::super::call::Call;
use super::super::catalogue::{self, Entry, closest, unanswered};
use super::super::form::words;
use super::super::order::Order;
use crate::http::error::{ApiError, Kind};
use crate::report::finding::Finding;
use crate::report::frame::one_line;

/// Asks all that can be asked without ordering.
pub(super) fn ask(api: &Api<'_>, order: &Order) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(project) = project_seen(api, &mut findings) else {
        return findings;
    };
    let path = format!("{project}/plans");
    let plan = chosen(api, order, ["plan", "PLAN"], &path, "plans", &mut findings);
    let (path, list) = ("/operating-systems", "operating_systems");
    let system = chosen(api, order, ["operating system", "OS"], path, list, &mut findings);
    findings.extend(system.zip(plan.as_ref()).and_then(|(system, plan)| runs_on(&system, plan)));
    let reservation = order.attribute("HARDWARE_RESERVATION");
    // A reserved server stands where it stands, whatever else there is.
    let sought = plan.as_ref().filter(|_| reservation.is_empty());
    places(api, order, &project, sought, &mut findings);
    if !reservation.is_empty() {
        findings.push(reserved(api, reservation, &project, plan.as_ref()));
    }
    if order.ssh_keys.is_empty() {
        findings.push(keys(api, &project, order.body.get("userdata").is_some()));
    }
    findings
}

/// The path of the project, if the token is accepted and the provider answers; an empty one where the project is
/// not to be seen, so that the rest can be asked all the same.
fn project_seen(api: &Api<'_>, findings: &mut Vec<Finding>) -> Option<String> {
    let project = api.setting("PACKET_PROJECT");
    let path = match project {
        "" => "/projects?per_page=1".to_owned(),
        project => format!("/projects/{project}"),
    };
    let seen = api.read(&Call::get(&path), |answer| Ok(Entry::of(answer, &["id"])));
    let error = match seen {
        Ok(entry) => {
            findings.push(Finding::good("token", "accepted"));
            if project.is_empty() {
                return None;
            }
            findings.push(Finding::good("project", entry.told()));
            return Some(path);
        }
        Err(error) => error,
    };
    let reasons = error.reasons.join("; ");
    match error.kind {
        Kind::Unauthenticated => {
            findings.push(Finding::bad("token", reasons, error.remedy).closing());
            None
        }
        Kind::PermissionDenied | Kind::NotFound => {
            let remedy = match error.kind {
                Kind::NotFound => "set PACKET_PROJECT to the UUID of a project that exists".into(),
                _ => error.remedy,
            };
            findings.push(Finding::good("token", "accepted"));
            findings.push(Finding::bad("project", reasons, remedy).closing());
            Some(String::new())
        }
        _ => {
            findings.push(unanswered("provider", &error).closing());
            None
        }
    }
}

fn entries(api: &Api<'_>, path: &str, list: &str) -> Result<Vec<Entry>, ApiError> {
    catalogue::entries(api, path, list, &["slug", "code", "id"])
}

/// The entry of the catalogue at `path` that an attribute of the order names, if that is given.
fn chosen(
    api: &Api<'_>,
    order: &Order,
    [about, attribute]: [&'static str; 2],
    path: &str,
    list: &str,
    findings: &mut Vec<Finding>,
) -> Option<Entry> {
    let name = order.attribute(attribute);
    if name.is_empty() {
        return None;
    }
    catalogue::named(about, attribute, name, entries(api, path, list), findings)
}

/// A finding where the operating system does not run on the plan.
fn runs_on(system: &Entry, plan: &Entry) -> Option<Finding> {
    let plans: Vec<&str> = system.tree.texts("provisionable_on").collect();
    if plans.is_empty() || plans.iter().any(|name| plan.is_called(name)) {
        return None;
    }
    let what = format!("{} does not run on {}", system.told(), plan.told());
    let near = closest(plan.name(), plans);
    let remedy = format!("set PLAN or OS to another one; it runs on {near}");
    Some(Finding::bad("operating system", what, remedy))
}

/// Whether the places of the order are known, sell the plan, and have some left.
fn places(api: &Api<'_>, order: &Order, project: &str, plan: Option<&Entry>, findings: &mut Vec<Finding>) {
    let metro = order.attribute("METRO");
    if !metro.is_empty() {
        let place = chosen(api, order, ["metro", "METRO"], "/locations/metros", "metros", findings);
        let places: Vec<Entry> = place.into_iter().collect();
        let kind = ["METRO", "/capacity/metros", "available_in_metros"];
        findings.extend(plan.and_then(|plan| room(api, plan, &places, kind)));
        return;
    }
    let codes = words(order.attribute("FACILITY"));
    let mut places = Vec::new();
    for code in codes.iter().filter(|code| *code != "any") {
        let known = entries(api, &format!("{project}/facilities"), "facilities");
        places.extend(catalogue::named("facility", "FACILITY", code, known, findings));
    }
    // The provider's own word for a free choice.
    if !codes.iter().any(|code| code == "any") {
        let kind = ["FACILITY", "/capacity", "available_in"];
        findings.extend(plan.and_then(|plan| room(api, plan, &places, kind)));
    }
}

/// A finding of whether `places` sell the plan and have some left, where the provider tells.
fn room(api: &Api<'_>, plan: &Entry, places: &[Entry], [attribute, capacity, sold_in]: [&str; 3]) -> Option<Finding> {
    let names: Vec<&str> = places.iter().map(Entry::name).collect();
    let names = names.join(", ");
    let sold: Vec<&str> = plan.tree.items(sold_in).filter_map(|link| link.text("href")).collect();
    let is_sold = |place: &Entry| {
        let mut ends = sold.iter().filter_map(|href| href.rsplit('/').next());
        ends.any(|end| place.tree.text("id") == Some(end))
    };
    if places.is_empty() {
        return None;
    }
    // Where nothing is listed, nothing is known.
    if !sold.is_empty() && !places.iter().any(is_sold) {
        let what = format!("{} is not sold in {names}", plan.told());
        let remedy = format!("set {attribute} or PLAN to another one");
        return Some(Finding::bad("place", what, remedy));
    }
    // Not every API tells; then the order does.
    let capacity = api.read(&Call::get(capacity), |answer| Ok(answer.at("capacity").clone()));
    let capacity = capacity.ok()?;
    let level = |place: &Entry| {
        let path = format!("{}.{}.level", place.name(), plan.name());
        capacity.text(&path).map(str::to_owned)
    };
    let levels: Vec<String> = places.iter().filter_map(level).collect();
    if levels.is_empty() {
        return None;
    }
    if levels.iter().any(|level| level != "unavailable") {
        return Some(Finding::good("capacity", one_line(&levels.join(", "))));
    }
    let what = format!("no {} is free in {names}", plan.told());
    let remedy = format!("wait, or set {attribute} or PLAN to another one");
    Some(Finding::bad("capacity", what, remedy))
}

/// Whether the reservation can be ordered.
fn reserved(api: &Api<'_>, wanted: &str, project: &str, plan: Option<&Entry>) -> Finding {
    const ABOUT: &str = "reservation";
    if project.is_empty() {
        let what = "it can be seen in the project only";
        return Finding::bad(ABOUT, what, "mend PACKET_PROJECT");
    }
    let path = format!("{project}/hardware-reservations?per_page=1000");
    let all = match entries(api, &path, "hardware_reservations") {
        Ok(all) => all,
        Err(error) => return unanswered(ABOUT, &error),
    };
    let own_plan = |entry: &Entry| Entry::of(entry.tree.at("plan"), &["slug", "id"]);
    let fits = |entry: &Entry| {
        let of_plan = entry.tree.text("plan.id");
        plan.is_none_or(|plan| of_plan.is_none() || of_plan == plan.tree.text("id"))
    };
    let is_free = |entry: &Entry| entry.tree.flag("provisionable");
    let free: Vec<&str> =
        (all.iter()).filter(|entry| is_free(entry) == Some(true) && fits(entry)).map(Entry::name).collect();
    let offer = match free[..] {
        [] => "there is no free one of this PLAN: reserve one, or leave HARDWARE_RESERVATION out".to_owned(),
        _ => format!("set HARDWARE_RESERVATION to a free one: {}", closest(wanted, free.iter().copied())),
    };
    if wanted == "next-available" {
        return match free.len() {
            0 => Finding::bad(ABOUT, "no reserved server is free", offer),
            count => Finding::good(ABOUT, format!("{count} reserved servers are free")),
        };
    }
    match all.iter().find(|entry| entry.is_called(wanted)) {
        None => {
            let what = format!("the project has no reservation {:?}", one_line(wanted));
            Finding::bad(ABOUT, what, offer)
        }
        Some(entry) if is_free(entry) == Some(false) => Finding::bad(ABOUT, "its server is in use", offer),
        Some(entry) if !fits(entry) => {
            let what = format!("its server is a {}", own_plan(entry).told());
            Finding::bad(ABOUT, what, format!("set PLAN to that; or {offer}"))
        }
        Some(entry) => Finding::good(ABOUT, format!("{} is free", entry.name())),
    }
}

/// What becomes of a host whose context has no key.
fn keys(api: &Api<'_>, project: &str, has_userdata: bool) -> Finding {
    const ABOUT: &str = "ssh key";
    const REMEDY: &str = "put the front-end's key into CONTEXT/SSH_PUBLIC_KEY of the host's template";
    let mut paths = vec!["/ssh-keys".to_owned()];
    if !project.is_empty() {
        paths.push(format!("{project}/ssh-keys"));
    }
    let mut count = 0;
    for path in paths {
        match entries(api, &path, "ssh_keys") {
            Ok(keys) => count += keys.len(),
            Err(error) => return unanswered(ABOUT, &error),
        }
    }
    match (count, has_userdata) {
        (0, false) => Finding::bad(ABOUT, "nobody could log in: the host gets no key", REMEDY),
        (0, true) => {
            let what = "the host gets no key but what USERDATA brings";
            Finding::doubtful(ABOUT, what, REMEDY)
        }
        _ => {
            let what = format!("the host gets the {count} keys that the provider has, none of the context");
            Finding::doubtful(ABOUT, what, REMEDY)
        }
    }
}
