//! How Ironic describes allocations, nodes and errors.

use super::super::kit::*;

/// What is read of a node.
pub(super) const FIELDS: &str = "uuid,name,instance_uuid,resource_class,provision_state,power_state,target_power_state,\
                                 last_error,reservation,protected,properties";
/// The value of a machine that is its node's UUID.
pub(super) const NODE: &str = "NODE";
/// The state of a node that is allocated and not deployed yet.
pub(super) const ALLOCATED: &str = "available";
/// The same while Ironic works on it.
pub(super) const ALLOCATED_LOCKED: &str = "available, locked";
/// The code of the refusal of an allocation whose name there is already.
pub(super) const NAME_TAKEN: &str = "name taken";

const NO_NODE: &str =
    "free a node of this RESOURCE_CLASS or set another one; `pm-packet check` shows which nodes there are";
const IMAGE: &str = "set IMAGE_SOURCE with IMAGE_CHECKSUM, or BOOT_ISO, to what ironic-conductor can fetch";
const CUT_OFF: &str = "if the node stays so, set it to maintenance and cancel again";
const CONDUCTOR: &str = "start an ironic-conductor that serves the node's driver and conductor group";

/// An allocation: the claim of a node.
pub(super) struct Allocation {
    pub(super) id: MachineId,
    /// The UUID of its node, once it has one.
    pub(super) node: Option<String>,
    state: String,
    reason: Option<String>,
    machine: Machine,
}

impl Allocation {
    /// The allocation that an answer describes.
    pub(super) fn read(answer: &Tree) -> Result<Self> {
        let id = answer.text("uuid").and_then(MachineId::uuid).context("it names an allocation whose id is no UUID")?;
        let own = |path: &str| answer.text(path).map(str::to_owned);
        let tag = |(key, value): (&str, &Tree)| joined(key, value.text("").unwrap_or_default());
        let plan = own("resource_class");
        Ok(Self {
            node: own("node_uuid").filter(|node| is_uuid(node)),
            state: one_line(answer.text("state").unwrap_or("unknown")),
            reason: own("last_error"),
            machine: Machine {
                name: own("name"),
                tags: answer.members("extra").map(tag).collect(),
                created: answer.text("created_at").and_then(time::rfc3339),
                values: plan.iter().map(|plan| ("RESOURCE_CLASS", plan.clone())).collect(),
                plan,
                ..Machine::new(id.clone(), State::Starting, "")
            },
            id,
        })
    }

    /// What is left of it where its node is not its own any more.
    pub(super) fn released(&self) -> Machine {
        Machine { state: State::Deleting, state_name: "released".to_owned(), ..self.machine.clone() }
    }

    /// The machine that it is with this node; null where that is not known.
    pub(super) fn machine(&self, node: &Tree) -> Machine {
        let mut machine = self.machine.clone();
        let Some(word) = node.text("provision_state").map(one_line) else {
            machine.state_name = self.state.clone();
            if self.state == "error" {
                return failed_for(Machine { state: State::Failed, ..machine }, self.reason.clone());
            }
            return machine;
        };
        let own = |path: &str| node.text(path).map(str::to_owned);
        let last_error = own("last_error");
        machine.values.extend(own("uuid").map(|uuid| (NODE, uuid)));
        machine.values.extend(own("name").map(|name| ("NODE_NAME", name)));
        machine.place = own("name").or(own("uuid"));
        machine.locked = node.flag("protected").unwrap_or_default();
        let memory = node.count("properties.memory_mb").unwrap_or_default();
        machine.size = Some((node.count("properties.cpus").unwrap_or_default(), memory.saturating_mul(1024)));
        (machine.state, machine.state_name) = match word.as_str() {
            ALLOCATED if own("reservation").is_some() => (State::Starting, ALLOCATED_LOCKED.to_owned()),
            "deploy failed" | "error" | "clean failed" => (State::Failed, word),
            "deleting" | "cleaning" | "clean wait" | "clean hold" => (State::Deleting, word),
            "active" => powered(node, word),
            // On a machine that was deployed.
            _ if ["rescu", "unrescu", "servic"].iter().any(|work| word.starts_with(work)) => powered(node, word),
            _ => (State::Starting, word),
        };
        match machine.state {
            State::Failed => failed_for(machine, last_error),
            State::On | State::Off => Machine { power_failed: last_error.is_some(), reason: last_error, ..machine },
            _ => machine,
        }
    }
}

/// The state of a node that is deployed, by its power.
fn powered(node: &Tree, word: String) -> (State, String) {
    let is_on = node.text("power_state").map(|power| power == "power on");
    let target = node.text("target_power_state");
    let is_off_next = target.is_some_and(|target| target.ends_with("power off"));
    let is_locked = node.text("reservation").is_some();
    match (is_on, target) {
        // A change that was just accepted shows nothing else yet, and the power may be that of a while ago.
        (Some(true), None) if is_locked => (State::Stopping, format!("{word}, locked")),
        (Some(false), None) if is_locked => (State::Starting, format!("{word}, locked")),
        (Some(true), None) => (State::On, word),
        // Off, or off and on again.
        (Some(true), Some(_)) => (State::Stopping, format!("{word}, powering off")),
        (Some(false), None) if node.text("power_state") == Some("power off") => {
            (State::Off, format!("{word}, power off"))
        }
        (Some(false), Some(_)) if !is_off_next => (State::Starting, format!("{word}, powering on")),
        (Some(false), Some(_)) => (State::Stopping, format!("{word}, powering off")),
        (Some(false) | None, _) => (State::Starting, format!("{word}, power unknown")),
    }
}

/// A machine that failed, for this reason.
pub(super) fn failed_for(machine: Machine, reason: Option<String>) -> Machine {
    let remedy = reason.as_deref().map(|reason| {
        let says = |words: &[&str]| words.iter().any(|word| reason.to_ascii_lowercase().contains(word));
        match () {
            () if says(&["no available nodes", "no suitable nodes", "none of the requested nodes"]) => NO_NODE,
            () if says(&["image", "boot_iso", ".iso"]) => IMAGE,
            () => "see the node and the log of ironic-conductor, then deploy once more",
        }
    });
    Machine { reason, remedy, ..machine }
}

/// The last failure in a node's history.
pub(super) fn last_failure(answer: &Tree) -> Option<String> {
    let failures = answer.items("history").filter(|event| event.text("severity") == Some("ERROR"));
    let last = failures.max_by_key(|event| event.text("created_at").map(str::to_owned))?;
    last.text("event").map(str::to_owned)
}

/// The config drive of an order: nothing where nobody would read anything from it.
pub(super) fn config_drive(order: &Order, id: &MachineId) -> Option<Value> {
    let mut drive = order.body.get("configdrive").cloned().unwrap_or_default();
    for (number, key) in order.ssh_keys.iter().enumerate() {
        drive["meta_data"]["public_keys"][format!("front-end-{number}")] = json!(key);
    }
    if drive.is_null() {
        return None;
    }
    // By it cloud-init knows whether it runs for the first time on a machine.
    drive["meta_data"]["uuid"] = json!(id.as_str());
    if let Some(name) = drive["meta_data"].get("hostname").cloned() {
        drive["meta_data"]["name"] = name;
    }
    Some(drive)
}

/// The item after which the next page of a listing begins, where there is one.
pub(super) fn next_page(page: &Tree, list: &str) -> Result<Option<String>> {
    if page.text("next").is_none() {
        return Ok(None);
    }
    let last = page.items(list).last().and_then(|item| item.text("uuid")).filter(|last| is_uuid(last));
    let last = last.context("it has a next page, and no UUID after which that begins")?;
    Ok(Some(last.to_owned()))
}

/// The first address in Nova's network_data.json.
pub(super) fn first_address(written: &str) -> Option<IpAddr> {
    let data = Tree::json(written.as_bytes()).ok()?;
    let mut networks = data.items("networks");
    networks.find_map(|network| network.text("ip_address")?.split('/').next()?.parse().ok())
}

/// The machine of an allocation and its node, each in an answer of its own that a list holds, for fuzzing.
pub fn read_machine(answers: &Tree) -> Result<Machine> {
    Ok(Allocation::read(answers.at("0"))?.machine(answers.at("1")))
}

/// The reasons of an error: of Ironic, where they are JSON in a text, of Keystone, and of what reads passwords.
fn reasons(body: &Tree) -> Vec<String> {
    let inner = body.text("error_message").and_then(|text| Tree::json(text.as_bytes()).ok());
    let inner = inner.as_ref().unwrap_or(body.at("error_message"));
    let texts = [inner.text("faultstring"), inner.text("description"), body.text("error.message")];
    let told = texts.into_iter().flatten().next().or(body.text("error_message"));
    told.map(str::to_owned).into_iter().collect()
}

/// What an error answer means.
pub(super) fn explain(account: &Account, status: u16, body: &Tree) -> Explanation {
    let reasons = reasons(body);
    let says = |words: &[&str]| reasons.iter().any(|reason| words.iter().any(|word| reason.contains(word)));
    let is_open = account.get("OS_USERNAME").is_empty();
    let mut code = None;
    let (kind, remedy) = match status {
        401 if is_open => (None, Some("set OS_USERNAME and OS_PASSWORD")),
        401 => (None, Some("check OS_USERNAME and OS_PASSWORD, and OS_PROJECT_NAME and the domains")),
        403 if says(&["is protected"]) => (Some(Kind::Protected), Some("unset its protection in Ironic first")),
        403 => (
            None,
            Some(
                "give OS_USERNAME the role member in the project that owns the nodes, or manager where it leases them",
            ),
        ),
        404 | 400 if says(&["No valid host"]) => (Some(Kind::Rejected), Some(CONDUCTOR)),
        404 if says(&["could not be found"]) => (Some(Kind::NotFound), None),
        404 | 406 if !reasons.is_empty() => (Some(Kind::Rejected), Some("use an Ironic of OpenStack Stein or later")),
        409 if says(&["An allocation with name"]) => {
            code = Some(NAME_TAKEN.to_owned());
            (Some(Kind::Conflict), None)
        }
        // Where Ironic was cut off while it undeployed the node, that stays in `deleting`, and this allocation with it.
        409 if says(&["Cannot remove allocation"]) => (Some(Kind::Conflict), Some(CUT_OFF)),
        // A node that somebody else works on, for now.
        409 if !reasons.is_empty() => (Some(Kind::Conflict), None),
        // Ironic says so of itself, before it does anything.
        503 if !reasons.is_empty() => (Some(Kind::NotSent), Some(CONDUCTOR)),
        400 if says(&["maintenance"]) => (None, Some("take the node out of maintenance, or set CANDIDATE_NODES")),
        400 if says(&["image_source", "boot_iso", "image", "kernel"]) => (None, Some(IMAGE)),
        _ => (None, None),
    };
    Explanation { kind, code, remedy, reasons, ..Explanation::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_goes_on_nobody_knows_where_is_not_taken_for_whole() -> Result<()> {
        let next = |page: Value| next_page(&Tree::json(page.to_string().as_bytes())?, "nodes");
        let uuid = "b9eb1666-1b72-45ee-b529-806b079ce5af";
        assert_eq!(next(json!({ "nodes": [{ "uuid": uuid }], "next": "http://x" }))?.as_deref(), Some(uuid));
        assert_eq!(next(json!({ "nodes": [{ "uuid": uuid }] }))?, None);
        for nodes in [json!([]), json!([{ "uuid": "../x" }]), json!([{}])] {
            assert!(next(json!({ "nodes": nodes, "next": "http://x" })).is_err(), "{nodes}");
        }
        Ok(())
    }
}
