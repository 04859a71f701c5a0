//! The questions of `check`: what Scaleway knows of an order before it is sent. All of them are GETs.

use super::super::kit::*;
use super::order::{composed, id_of, keys, offer, system};
use super::{HOURLY, of_zone};

const SYSTEM: &str = "operating system";

/// Asks all that can be asked without ordering.
pub(super) fn ask(api: &Api<'_>, order: &Order) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (zone, project) = (api.setting("SCW_DEFAULT_ZONE"), api.setting("SCW_DEFAULT_PROJECT_ID"));
    if zone.is_empty() || project.is_empty() {
        return findings;
    }
    let servers = of_zone(zone, &format!("servers?project_id={project}&page_size=1"));
    let about = ["secret key", "project"];
    if catalogue::access(api, about, &servers, "check SCW_API_URL", &mut findings) != Access::Full {
        return findings;
    }
    findings.extend(catalogue::commitment(order, "period", "SUBSCRIPTION_PERIOD", HOURLY));
    let has = |name: &str| !order.attribute(name).is_empty();
    let sought = has("OFFER").then(|| offer(api, order));
    let offer = sought.and_then(|sought| catalogue::found("offer", sought, &mut findings));
    findings.extend(offer.as_ref().map(|offer| stock(offer, zone)));
    let sought = has("OS").then(|| system(api, order));
    if let Some(system) = sought.and_then(|sought| catalogue::found(SYSTEM, sought, &mut findings)) {
        findings.extend(runs(&system, offer.as_ref()));
        findings.extend(ssh_key(api, order, &system));
    }
    findings
}

/// Whether the offer is to be had now.
fn stock(offer: &Entry, zone: &str) -> Finding {
    let remedy = "wait, or set OFFER or SCW_DEFAULT_ZONE to another one";
    match offer.tree.text("stock") {
        _ if offer.tree.flag("enable") == Some(false) => {
            Finding::bad("stock", format!("{} is not sold in {zone} now", offer.label()), remedy)
        }
        Some("empty") => Finding::bad("stock", format!("no {} is free in {zone}", offer.label()), remedy),
        Some(stock) => Finding::good("stock", one_line(stock)),
        None => Finding::doubtful("stock", "the provider does not tell", remedy),
    }
}

/// A finding where the operating system may not be installed on the offer.
fn runs(system: &Entry, offer: Option<&Entry>) -> Option<Finding> {
    let mut incompatible = offer.into_iter().flat_map(|offer| offer.tree.texts("incompatible_os_ids"));
    let why = match () {
        () if system.tree.flag("enabled") == Some(false) => "is not offered any more",
        () if system.tree.flag("allowed") == Some(false) => "is not allowed to this organization",
        () if incompatible.any(|id| id == id_of(system)) => "does not run on this offer",
        () => return None,
    };
    Some(Finding::bad(SYSTEM, format!("{} {why}", system.label()), "set OS or OFFER to another one"))
}

/// Whether the SSH keys of the context reach the host.
fn ssh_key(api: &Api<'_>, order: &Order, system: &Entry) -> Vec<Finding> {
    const ABOUT: &str = "ssh key";
    let keys = match keys(api, order) {
        Ok(keys) => keys,
        Err(error) => return vec![unanswered(ABOUT, &error)],
    };
    if let Some(without) = catalogue::without_key(order, keys.ids.len()) {
        return vec![without];
    }
    let mut findings = Vec::new();
    if order.has_user_data && system.tree.flag("cloud_init_supported") == Some(false) {
        let what = format!("{} takes no cloud-init", system.label());
        findings.push(Finding::bad("user data", what, "leave USERDATA out, or set OS to another one"));
    }
    findings.push(match composed(order, system, &keys) {
        Err(Mistake { what, remedy }) => Finding::bad(ABOUT, what, remedy),
        Ok(_) if !keys.missing.is_empty() => {
            let what = match keys.is_seen {
                true => "the key of CONTEXT is not among the SSH keys of the project",
                false => "the SSH keys of the project may not be seen",
            };
            let what = format!("{what}: it goes by cloud-init, which not every offer takes");
            Finding::doubtful(ABOUT, what, "add the key of CONTEXT to the SSH keys of the project")
        }
        Ok(_) if !keys.is_seen => {
            let what = "the SSH keys of the project may not be seen: SSH_KEY_IDS must have that of CONTEXT";
            Finding::doubtful(ABOUT, what, "let SCW_SECRET_KEY read the SSH keys in IAM")
        }
        Ok(_) => Finding::good(ABOUT, format!("IAM has it, {} in all are installed", keys.ids.len())),
    });
    findings
}
