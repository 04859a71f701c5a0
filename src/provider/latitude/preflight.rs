//! The questions of `check`: whether Latitude.sh knows what an order names, and has such a server now. All are GETs.

use super::super::kit::*;
use super::objects::all;

const NAMES: &[&str] = &["attributes.slug", "id"];

/// Asks all that can be asked without ordering.
pub(super) fn ask(api: &Api<'_>, order: &Order) -> Vec<Finding> {
    let mut findings = Vec::new();
    let remedy = "check LATITUDESH_API_URL";
    if catalogue::access(api, ["token", "user"], "/user/profile", remedy, &mut findings) == Access::None {
        return findings;
    }
    if let Some(project) = named(api, order, ["project", "PROJECT"], "/projects", &mut findings) {
        findings.extend(billed(&project, order.attribute("BILLING")));
    }
    let plans = shelf("plan", "PLAN", "/plans");
    let plan = plans.chosen(api, order, &mut findings);
    let system = named(api, order, ["operating system", "OS"], "/plans/operating_systems", &mut findings);
    if let Some(plan) = &plan {
        findings.extend(system.and_then(|system| catalogue::runs_on(&system, plan, "attributes.provisionable_on")));
        let takes_raid = plan.tree.texts("attributes.features").any(|feature| feature == "raid");
        if !order.attribute("RAID").is_empty() && !takes_raid {
            let what = format!("{} has no RAID", plan.label());
            findings.push(Finding::bad("RAID", what, "leave RAID out, or set PLAN to another one"));
        }
    }
    let site = named(api, order, ["site", "SITE"], "/regions", &mut findings);
    findings.extend(plan.zip(site).map(|(plan, site)| stock(&plan, site.name())));
    findings.extend(catalogue::without_key(order, 0));
    findings
}

fn shelf<'a>(about: &'static str, attribute: &'static str, path: &'a str) -> Shelf<'a> {
    Shelf { about, attribute, path, list: "data", names: NAMES }
}

/// The entry of a listing with pages that the order names.
fn named(
    api: &Api<'_>,
    order: &Order,
    [about, attribute]: [&'static str; 2],
    path: &'static str,
    findings: &mut Vec<Finding>,
) -> Option<Entry> {
    let name = Some(order.attribute(attribute)).filter(|name| !name.is_empty())?;
    let entries = all(api, path, "", |item| Ok(Entry::of(item, NAMES)));
    shelf(about, attribute, path).pick(api, entries, name, findings)
}

/// A finding where the project does not take this billing.
fn billed(project: &Entry, billing: &str) -> Option<Finding> {
    let of_project = project.tree.text("attributes.provisioning_type")?;
    let (is_reserved, is_yearly) = (of_project == "reserved", billing == "yearly");
    if billing.is_empty() || is_reserved == is_yearly {
        return None;
    }
    let what = format!("the project is {}, which is not billed {}", one_line(of_project), one_line(billing));
    let remedy = if is_reserved { "set BILLING to yearly" } else { "set BILLING to hourly or monthly" };
    Some(Finding::bad("billing", what, remedy))
}

/// Whether the site sells the plan, and has one now. The level of stock is that of a whole country.
fn stock(plan: &Entry, site: &str) -> Finding {
    const ABOUT: &str = "stock";
    let sites = |list: &'static str| plan.tree.items("attributes.regions").flat_map(move |region| region.texts(list));
    let free: Vec<&str> = sites("locations.in_stock").collect();
    let is_sold = sites("locations.available").any(|sold| sold == site);
    let (plan, site) = (plan.label(), one_line(site));
    if free.contains(&site.as_str()) {
        return Finding::good(ABOUT, format!("{plan} is in stock in {site}"));
    }
    let remedy = match free[..] {
        [] => "wait, or set PLAN to another one".to_owned(),
        _ => format!("wait, or set SITE to one that has it, such as {}", closest(&site, free)),
    };
    match is_sold {
        true => Finding::bad(ABOUT, format!("no {plan} is in stock in {site}"), remedy),
        false => Finding::bad(ABOUT, format!("{plan} is not sold in {site}"), remedy.replace("wait, or ", "")),
    }
}
