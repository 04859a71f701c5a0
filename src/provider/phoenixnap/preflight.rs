//! The questions of `check`: what phoenixNAP knows of an order before it is sent. All of them are GETs.

use super::super::kit::*;
use super::{HOURLY, SERVERS, form, missing_tags};

/// The operating systems that are described (`ServerCreate.os`, June 2026): no API lists them.
#[rustfmt::skip]
const SYSTEMS: &[&str] = &[
    "ubuntu/bionic", "ubuntu/focal", "ubuntu/jammy", "ubuntu/jammy+pytorch", "ubuntu/noble", "centos/centos7",
    "centos/centos8", "windows/srv2019std", "windows/srv2019dc", "windows/srv2022std", "windows/srv2022dc",
    "windows/srv2025std", "windows/srv2025dc", "esxi/esxi70", "esxi/esxi80", "almalinux/almalinux8",
    "rockylinux/rockylinux8", "almalinux/almalinux9", "rockylinux/rockylinux9", "virtuozzo/virtuozzo7",
    "oraclelinux/oraclelinux9", "debian/bullseye", "debian/bookworm", "debian/trixie", "proxmox/bullseye",
    "proxmox/proxmox8", "proxmox/proxmox9", "netris/controller", "netris/softgate_1g", "netris/softgate_10g",
    "netris/softgate_25g", "ipxe",
];

/// Asks all that can be asked without ordering.
pub(super) fn ask(api: &Api<'_>, order: &Order) -> Vec<Finding> {
    let mut findings = Vec::new();
    let about = ["credentials", "servers"];
    if catalogue::access(api, about, SERVERS, "check PNAP_API_URL", &mut findings) != Access::Full {
        return findings;
    }
    findings.push(tags(api, order));
    let places = shelf("location", "LOCATION", "/location-api/v1/locations", &["location"]);
    let place = places.chosen(api, order, &mut findings);
    let products = "/billing/v1/products?productCategory=SERVER";
    let kind = shelf("type", "TYPE", products, &["productCode"]).chosen(api, order, &mut findings);
    findings.extend(place.zip(kind).map(|(place, kind)| stock(api, kind.name(), place.name())));
    findings.extend(system(order.attribute("OS")));
    if order.attribute("HOSTNAME").is_empty() {
        let name = form::own_hostname(&order.mark);
        findings.push(Finding::good("host name", format!("{name}, as there is no HOSTNAME")));
    }
    findings.extend(catalogue::commitment(order, "pricing", "PRICING_MODEL", HOURLY));
    if order.attribute("NETWORK_TYPE") == "PRIVATE_ONLY" {
        let what = "the server gets no public address: the front-end must reach its private network";
        findings.push(Finding::doubtful("network", what, "leave NETWORK_TYPE out where it does not"));
    }
    findings.extend(catalogue::without_key(order, 0));
    findings
}

fn shelf<'a>(about: &'static str, attribute: &'static str, path: &'a str, names: &'static [&'static str]) -> Shelf<'a> {
    Shelf { about, attribute, path, list: "", names }
}

/// Whether the account has the order's tags, or lets us see which it lacks.
fn tags(api: &Api<'_>, order: &Order) -> Finding {
    match missing_tags(api, order) {
        Ok(missing) if missing.is_empty() => Finding::good("tags", "the account has them"),
        Ok(missing) => Finding::good("tags", one_line(&format!("deploy makes {}", missing.join(", ")))),
        Err(error) => unanswered("tags", &error),
    }
}

/// Whether servers of the kind are free in the place, and where else they are.
fn stock(api: &Api<'_>, kind: &str, place: &str) -> Finding {
    const ABOUT: &str = "stock";
    // Of each place, also of those that have none.
    let path = format!(
        "/billing/v1/product-availability?productCategory=SERVER&productCode={}&showOnlyMinQuantityAvailable=false",
        percent_encode(kind)
    );
    let read = api.read(&Call::get(&path), |answer| {
        let own = answer.list("")?.filter(|product| product.text("productCode") == Some(kind));
        let details = own.flat_map(|product| product.items("locationAvailabilityDetails"));
        let stock =
            details.filter_map(|one| Some((one.text("location")?.to_owned(), one.number("availableQuantity")?)));
        Ok(stock.collect::<Vec<_>>())
    });
    let stock = match read {
        Ok(stock) => stock,
        // An order needs no access to it.
        Err(error) if error.kind == Kind::PermissionDenied => {
            return Finding::doubtful(ABOUT, "the credentials may not see it", "see it in the portal");
        }
        Err(error) => return unanswered(ABOUT, &error),
    };
    let (kind, place) = (one_line(kind), one_line(place));
    let here = stock.iter().find(|(name, _)| *name == place).map(|(_, count)| *count);
    let what = match here {
        Some(count) if count > 0.0 => return Finding::good(ABOUT, format!("{count:.0} are free in {place}")),
        Some(_) => format!("no {kind} is free in {place}"),
        None => format!("{kind} is not sold in {place}"),
    };
    let others: Vec<&str> = stock.iter().filter(|(_, count)| *count > 0.0).map(|(name, _)| name.as_str()).collect();
    let remedy = match others[..] {
        [] => "wait, or set TYPE to another one".to_owned(),
        _ => format!("set LOCATION to a place that has some ({}), or TYPE to another one", closest(&place, others)),
    };
    Finding::bad(ABOUT, what, remedy)
}

/// What is to be said of an operating system that is not described: there may be newer ones.
fn system(name: &str) -> Option<Finding> {
    if name.is_empty() || SYSTEMS.contains(&name) {
        return None;
    }
    let what = format!("{:?} is none that phoenixNAP has described", one_line(name));
    let remedy = format!("see that it is right; near are {}", closest(name, SYSTEMS.iter().copied()));
    Some(Finding::doubtful("operating system", what, remedy))
}
