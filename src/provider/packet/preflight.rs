//! The questions of `check`: what Packet knows of an order before it is sent. All of them are GETs.

use super::super::kit::*;

/// Asks all that can be asked without ordering.
pub(super) fn ask(api: &Api<'_>, order: &Order) -> Vec<Finding> {
    let mut findings = Vec::new();
    let project = match api.setting("PACKET_PROJECT") {
        "" => "/projects?per_page=1".to_owned(),
        project => format!("/projects/{project}"),
    };
    let remedy = "set PACKET_PROJECT to the UUID of a project that exists";
    let access = catalogue::access(api, ["token", "project"], &project, remedy, &mut findings);
    let project = match access {
        Access::Full if !project.contains('?') => project,
        Access::Partial => String::new(),
        _ => return findings,
    };
    let plans = format!("{project}/plans");
    let plan = shelf("plan", "PLAN", &plans, "plans").chosen(api, order, &mut findings);
    let systems = shelf("operating system", "OS", "/operating-systems", "operating_systems");
    let system = systems.chosen(api, order, &mut findings);
    findings.extend(
        system.zip(plan.as_ref()).and_then(|(system, plan)| catalogue::runs_on(&system, plan, "provisionable_on")),
    );
    let reservation = order.attribute("HARDWARE_RESERVATION");
    // A reserved server stands where it stands, whatever else there is.
    let sought = plan.as_ref().filter(|_| reservation.is_empty());
    places(api, order, &project, sought, &mut findings);
    if !reservation.is_empty() {
        findings.push(reserved(api, reservation, &project, plan.as_ref()));
    }
    if order.ssh_keys.is_empty() {
        findings.extend(match keys(api, &project) {
            Ok(count) => catalogue::without_key(order, count),
            Err(error) => Some(unanswered("ssh key", &error)),
        });
    }
    findings
}

fn shelf<'a>(about: &'static str, attribute: &'static str, path: &'a str, list: &'static str) -> Shelf<'a> {
    Shelf { about, attribute, path, list, names: &["slug", "code", "id"] }
}

/// How many keys of its own the provider would add.
fn keys(api: &Api<'_>, project: &str) -> Result<usize, ApiError> {
    let own = if project.is_empty() { None } else { Some(format!("{project}/ssh-keys")) };
    let count = |path: &str| shelf("ssh key", "", path, "ssh_keys").entries(api).map(|keys| keys.len());
    Ok(count("/ssh-keys")? + own.map_or(Ok(0), |path| count(&path))?)
}

/// Whether the places of the order are known, sell the plan, and have some left.
fn places(api: &Api<'_>, order: &Order, project: &str, plan: Option<&Entry>, findings: &mut Vec<Finding>) {
    let mut known = Vec::new();
    let kind = if order.attribute("METRO").is_empty() {
        let path = format!("{project}/facilities");
        let facilities = shelf("facility", "FACILITY", &path, "facilities");
        let codes = words(order.attribute("FACILITY"));
        for code in codes.iter().filter(|code| *code != "any") {
            known.extend(facilities.named(api, code, findings));
        }
        // The provider's own word for a free choice.
        if codes.iter().any(|code| code == "any") {
            return;
        }
        ["FACILITY", "/capacity", "available_in"]
    } else {
        known.extend(shelf("metro", "METRO", "/locations/metros", "metros").chosen(api, order, findings));
        ["METRO", "/capacity/metros", "available_in_metros"]
    };
    findings.extend(plan.and_then(|plan| room(api, plan, &known, kind)));
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
        let what = format!("{} is not sold in {names}", plan.label());
        let remedy = format!("set {attribute} or PLAN to another one");
        return Some(Finding::bad("place", what, remedy));
    }
    // Not every API tells; then the order does.
    let capacity = api.read(&Call::get(capacity), |answer| Ok(answer.at("capacity").owned()));
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
    let what = format!("no {} is free in {names}", plan.label());
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
    let all = match shelf(ABOUT, "HARDWARE_RESERVATION", &path, "hardware_reservations").entries(api) {
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
            let what = format!("its server is a {}", own_plan(entry).label());
            Finding::bad(ABOUT, what, format!("set PLAN to that; or {offer}"))
        }
        Some(entry) => Finding::good(ABOUT, format!("{} is free", entry.name())),
    }
}
