//! The questions of `check`: whether Ironic lets us in, and has a node for the order now. All of them are GETs.

use std::collections::BTreeMap;

use super::super::kit::*;

/// How many of the free nodes are validated.
const VALIDATED: usize = 5;
/// What is read of nodes.
const FIELDS: &str = "uuid,name,resource_class,traits,provision_state,power_state,maintenance,instance_uuid";

/// Asks all that can be asked without ordering.
pub(super) fn ask(api: &Api<'_>, order: &Order) -> Vec<Finding> {
    let mut findings = Vec::new();
    let path = "/v1/nodes?limit=1&fields=uuid";
    if catalogue::access(api, ["credentials", "nodes"], path, "check OS_ENDPOINT", &mut findings) != Access::Full {
        return findings;
    }
    match super::pages(api, &format!("/v1/nodes?fields={FIELDS}"), "nodes", |node| Ok(node.owned())) {
        Ok(nodes) => {
            let class = order.attribute("RESOURCE_CLASS");
            let own: Vec<&Tree> = nodes.iter().filter(|node| node.text("resource_class") == Some(class)).collect();
            if own.is_empty() {
                let classes = nodes.iter().filter_map(|node| node.text("resource_class"));
                let what = format!("no node has the resource class {:?}", one_line(class));
                let remedy = catalogue::another("RESOURCE_CLASS", class, classes);
                findings.push(Finding::bad("resource class", what, remedy));
            } else {
                findings.push(Finding::good("resource class", format!("{} nodes have it", own.len())));
                let free = capacity(&own, &nodes, order, &mut findings);
                findings.extend(free.into_iter().take(VALIDATED).filter_map(|node| validated(api, node)));
            }
        }
        Err(error) => findings.push(unanswered("nodes", &error)),
    }
    let has = |name: &str| !order.attribute(name).is_empty();
    if !["IMAGE_SOURCE", "BOOT_ISO", "INSTANCE_INFO"].into_iter().any(has) {
        let remedy = "set IMAGE_SOURCE with IMAGE_CHECKSUM, or BOOT_ISO";
        findings.push(Finding::doubtful("image", "the order names none, so the node must have one", remedy));
    }
    findings.extend(catalogue::without_key(order, 0));
    findings
}

/// The nodes that the order may get now, and what is to be said of the others.
fn capacity<'a>(own: &[&'a Tree<'a>], all: &[Tree], order: &Order, findings: &mut Vec<Finding>) -> Vec<&'a Tree<'a>> {
    const ABOUT: &str = "capacity";
    let candidates = words(order.attribute("CANDIDATE_NODES"));
    let traits = words(order.attribute("TRAITS"));
    let is_called = |node: &Tree, name: &str| [node.text("name"), node.text("uuid")].contains(&Some(name));
    for candidate in &candidates {
        if !all.iter().any(|node| is_called(node, candidate)) {
            let what = format!("there is no node {:?}", one_line(candidate));
            let near = closest(candidate, own.iter().filter_map(|node| node.text("name")));
            findings.push(Finding::bad(ABOUT, what, format!("set CANDIDATE_NODES to others, such as {near}")));
        }
    }
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    let mut free = Vec::new();
    for node in own {
        let is_candidate = candidates.is_empty() || candidates.iter().any(|name| is_called(node, name));
        let has_traits = traits.iter().all(|needed| node.texts("traits").any(|own| own == needed));
        let why = match (node.text("provision_state"), node.text("power_state")) {
            _ if !is_candidate => "no candidate",
            _ if !has_traits => "without the traits",
            _ if node.flag("maintenance") == Some(true) => "in maintenance",
            _ if node.text("instance_uuid").is_some() => "in use",
            (Some("available"), Some(_)) => {
                free.push(*node);
                continue;
            }
            (Some("available"), None) => "of unknown power",
            (state, _) => state.unwrap_or("in an unknown state"),
        };
        *others.entry(one_line(why)).or_default() += 1;
    }
    let others: Vec<String> = others.into_iter().map(|(why, count)| format!("{count} {why}")).collect();
    findings.push(match free.len() {
        0 => {
            let remedy = "free one or make it available, or set RESOURCE_CLASS, TRAITS or CANDIDATE_NODES to others";
            Finding::bad(ABOUT, format!("no node is free: {}", others.join(", ")), remedy)
        }
        count => Finding::good(ABOUT, [vec![format!("{count} free")], others].concat().join(", ")),
    });
    free
}

/// What Ironic finds wrong with a node's own settings. What it finds of an image is not yet for it to know.
fn validated(api: &Api<'_>, node: &Tree) -> Option<Finding> {
    let uuid = node.text("uuid").filter(|uuid| is_uuid(uuid))?;
    let name = one_line(node.text("name").unwrap_or(uuid));
    let path = format!("/v1/nodes/{uuid}/validate");
    let wrong = |answer: &Tree| {
        let is_wrong = |interface: &&str| answer.flag(&format!("{interface}.result")) == Some(false);
        let wrong = ["power", "management", "network", "storage"].into_iter().find(is_wrong)?;
        let reason = answer.text(&format!("{wrong}.reason")).unwrap_or("no reason is told");
        Some(format!("node {name} cannot be deployed, by its {wrong} interface: {}", api.printable(reason)))
    };
    match api.read(&Call::get(&path), |answer| Ok(wrong(answer))) {
        Ok(wrong) => wrong.map(|what| Finding::doubtful("validation", what, "mend the node's driver_info")),
        Err(error) => Some(unanswered("validation", &error)),
    }
}
