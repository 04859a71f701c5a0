//! OpenStack Ironic: bare metal of one's own, standalone or in a cloud.
//!
//! What is relied on was observed with Ironic 39.0.0 from PyPI, or stands in its api-ref. A machine is an allocation: its
//! UUID is the node's `instance_uuid` as long as the node is ours, and unknown as soon as it is not; a node outlives it.
//! An order is three requests: the allocation, which `create` makes, and the image and the deployment, which `advance`
//! gives to the node that Ironic has chosen.

mod grant;
mod node;
mod preflight;

use super::kit::*;

use self::node::{ALLOCATED, ALLOCATED_LOCKED, Allocation};

pub use self::node::read_machine;

/// Ironic.
pub struct Ironic;

const SPEC: Spec = Spec {
    // The keys go where cloud-init and glean look for them: into the metadata.
    user_data: UserDataForm::without_keys("configdrive.user_data"),
    identity: Identity::Name { field: "allocation.name", tags: Some("allocation.extra") },
    // It is in the database before it is answered.
    appears_within: Duration::from_secs(12),
    // The name of the allocation.
    has_idempotency_key: true,
    frees_key: true,
    ..Spec::usual("ironic", "a UUID", MachineId::uuid, ATTRIBUTES)
};

#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("OS_AUTH_TYPE", "none, http_basic or password; by what else is given if not said").form(Form::Own("word", grant::auth_type)).account(),
    Attribute::address("OS_ENDPOINT", "where Ironic is").required().unless("OS_AUTH_URL"),
    Attribute::address("OS_AUTH_URL", "where Keystone is, whose catalogue tells where Ironic is"),
    Attribute::new("OS_USERNAME", "the user").account(),
    Attribute::password("OS_PASSWORD", "the user's password"),
    Attribute::new("OS_PROJECT_NAME", "the project").account(),
    Attribute::new("OS_USER_DOMAIN_NAME", "the user's domain").account().default("Default"),
    Attribute::new("OS_PROJECT_DOMAIN_NAME", "the project's domain").account().default("Default"),
    Attribute::new("OS_SYSTEM_SCOPE", "all, in place of a project").account(),
    Attribute::new("OS_REGION_NAME", "the region in the catalogue").account(),
    Attribute::new("OS_INTERFACE", "the interface in the catalogue").account().default("public"),
    Attribute::sent("RESOURCE_CLASS", "allocation.resource_class", Form::Text, "the kind of node").required().plan(),
    Attribute::sent("TRAITS", "allocation.traits", Form::List, "what the node must have"),
    Attribute::sent("CANDIDATE_NODES", "allocation.candidate_nodes", Form::List, "the nodes that may be taken, by name or UUID").place(),
    Attribute::sent("OWNER", "allocation.owner", Form::Text, "the project that owns the node"),
    Attribute::new("ADDRESS", "the address of the host, as Ironic knows none").form(Form::Address).reach(),
    Attribute::sent("INSTANCE_INFO", "instance_info", Form::Object, "what else the node's instance_info gets").private(),
    Attribute::sent("IMAGE_SOURCE", "instance_info.image_source", Form::Text, "the image: an address, or an id of Glance"),
    Attribute::sent("IMAGE_CHECKSUM", "instance_info.image_checksum", Form::Text, "its checksum, or the address of one"),
    Attribute::sent("IMAGE_KERNEL", "instance_info.kernel", Form::Text, "its kernel, where it is a partition"),
    Attribute::sent("IMAGE_RAMDISK", "instance_info.ramdisk", Form::Text, "its ramdisk, where it is a partition"),
    Attribute::sent("IMAGE_TYPE", "instance_info.image_type", Form::Text, "whole-disk or partition"),
    Attribute::sent("IMAGE_DISK_FORMAT", "instance_info.image_disk_format", Form::Text, "raw or qcow2"),
    Attribute::sent("BOOT_ISO", "instance_info.boot_iso", Form::Text, "what is booted in place of an image"),
    Attribute::sent("ROOT_GB", "instance_info.root_gb", Form::Count, "the size of the root partition"),
    Attribute::sent("SWAP_MB", "instance_info.swap_mb", Form::Count, "the size of the swap partition"),
    Attribute::sent("KERNEL_APPEND_PARAMS", "instance_info.kernel_append_params", Form::Text, "parameters of the kernel"),
    Attribute::sent("CAPABILITIES", "instance_info.capabilities", Form::Object, "such as boot_mode and boot_option"),
    Attribute::sent("META_DATA", "configdrive.meta_data", Form::Object, "what else the metadata gets").private(),
    Attribute::sent("HOSTNAME", "configdrive.meta_data.hostname", Form::Text, "the host name"),
    Attribute::sent("NETWORK_DATA", "configdrive.network_data", Form::Object, "the network, as Nova's network_data.json").reach_by(node::first_address),
    Attribute::sent("VENDOR_DATA", "configdrive.vendor_data", Form::Object, "the vendor data").private(),
    Attribute::sent("DEPLOY_STEPS", "deploy_steps", Form::Objects, "deploy steps beside those of the node"),
    Attribute::new("TAGS", "keys with values in the allocation's extra").form(Form::List),
];

/// The most items of a page; Ironic's own limit is 1000.
const PAGE: usize = 500;

/// The allocation of this UUID or name.
fn allocation(api: &Api<'_>, id: &str) -> Result<Allocation, ApiError> {
    api.read(&Call::get(&format!("/v1/allocations/{id}")), Allocation::read)
}

/// The machine that an allocation and its node are.
fn look(api: &Api<'_>, allocation: &Allocation) -> Result<Machine, ApiError> {
    let Some(node) = &allocation.node else {
        return Ok(api.redacted(allocation.machine(&Tree::default())));
    };
    let path = format!("/v1/nodes/{node}?fields={}", node::FIELDS);
    let is_its = |node: &Tree| node.text("instance_uuid") == Some(allocation.id.as_str());
    let machine = api.read(&Call::get(&path), |node| Ok(is_its(node).then(|| allocation.machine(node))));
    // That the node may not be seen says nothing of the allocation, which is there.
    let Some(machine) = machine.map_err(ApiError::of_part)?.map(|machine| api.redacted(machine)) else {
        // It was undeployed between the two looks: then there is no such allocation by now, or it is what is left of it.
        self::allocation(api, allocation.id.as_str())?;
        return Ok(api.redacted(allocation.released()));
    };
    // What failed is told until the next action, and then kept in the node's history (api-ref, since 1.78).
    if machine.state != State::Failed || machine.reason.is_some() {
        return Ok(machine);
    }
    let history = format!("/v1/nodes/{node}/history");
    let last = api.read(&Call::get(&history), |answer| Ok(node::last_failure(answer)));
    Ok(api.redacted(node::failed_for(machine, last.unwrap_or_default())))
}

/// Every item of a listing at `path`, whose pages go on after the last item of the one before.
fn pages<T>(api: &Api<'_>, path: &str, list: &str, reading: impl Fn(&Tree) -> Result<T>) -> Result<Vec<T>, ApiError> {
    api.pages(|last| {
        let marker = last.map_or_else(String::new, |last| format!("&marker={last}"));
        api.read(&Call::get(&format!("{path}&limit={PAGE}{marker}")), |answer| {
            let items = answer.list(list)?.map(&reading).collect::<Result<Vec<T>>>()?;
            Ok((items, node::next_page(answer, list)?))
        })
    })
}

/// Whether the project of a token sees a node at all. Ironic shows a project what is the project's own and says of all else
/// that there is none, so one that sees nothing proves nothing.
fn see_anything(api: &Api<'_>) -> Result<(), ApiError> {
    if api.setting("OS_PROJECT_NAME").is_empty() {
        return Ok(());
    }
    let seen = api.read(&Call::get("/v1/nodes?limit=1&fields=uuid"), |answer| Ok(answer.list("nodes")?.count()))?;
    match seen {
        0 => Err(api.refusal(Mistake::new(
            "these credentials see neither allocations nor nodes",
            "check OS_PROJECT_NAME, or give OS_USERNAME a role that sees the nodes",
        ))),
        _ => Ok(()),
    }
}

/// What has the name of the order: what was ordered before, or somebody else's.
fn namesake(api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
    let found = look(api, &allocation(api, &order.mark)?)?;
    if !SPEC.identity.is_borne(&order.mark, &found) {
        let what = format!("the allocation {} has the name of this order, and is not this host's", found.id);
        return Err(api.refusal(Mistake::new(what, "delete it if nobody needs it")));
    }
    if found.state != State::Deleting {
        return Ok(Machine { is_of_earlier_order: true, ..found });
    }
    if found.value(node::NODE).is_none() {
        api.send(&Call::delete(&format!("/v1/allocations/{}", found.id)))?;
    }
    let reason = format!("the allocation {} has the name of this order until it is deleted", found.id);
    Err(api.problem(Kind::Conflict, reason))
}

impl Provider for Ironic {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        grant::endpoint(account)
    }

    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        if let Filter::Marked(mark) = filter {
            return match allocation(api, &percent_encode(mark)).and_then(|found| look(api, &found)) {
                Ok(found) => Ok(vec![found]),
                // Of the allocation alone: nothing else is not found.
                Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            };
        }
        let fields = "uuid,name,state,node_uuid,extra,last_error,resource_class,created_at";
        let allocations = pages(api, &format!("/v1/allocations?fields={fields}"), "allocations", Allocation::read)?;
        if allocations.is_empty() {
            see_anything(api)?;
        }
        let path = format!("/v1/nodes?associated=true&fields={}", node::FIELDS);
        let nodes = pages(api, &path, "nodes", |node| Ok(node.owned()))?;
        let machine = |allocation: &Allocation| {
            let is_its = |node: &&Tree| node.text("instance_uuid") == Some(allocation.id.as_str());
            api.redacted(allocation.machine(nodes.iter().find(is_its).unwrap_or(&Tree::default())))
        };
        Ok(allocations.iter().map(machine).collect())
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let call = Call::order("/v1/allocations");
        match api.read(&call.json(&order.body["allocation"]), Allocation::read) {
            Ok(allocation) => Ok(api.redacted(allocation.machine(&Tree::default()))),
            Err(taken) if taken.code.as_deref() == Some(node::NAME_TAKEN) => {
                namesake(api, order).map_err(|error| match error.kind {
                    // It went meanwhile.
                    Kind::NotFound => taken,
                    _ => error.before_order(),
                })
            }
            Err(error) => Err(error),
        }
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        look(api, &allocation(api, id.as_str())?)
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let target = power.pick(["power on", "power off", "rebooting"]);
        let Some(node) = allocation(api, id.as_str())?.node else {
            return Err(api.problem(Kind::Conflict, "it has no node yet"));
        };
        let path = format!("/v1/nodes/{node}/states/power");
        api.send(&Call::put(&path).json(&json!({ "target": target })))?;
        Ok(None)
    }

    fn advance(&self, api: &Api<'_>, order: &Order, machine: &Machine) -> Result<Advance, ApiError> {
        let Some(node) = machine.value(node::NODE).filter(|_| machine.state_name == ALLOCATED) else {
            return Ok(if machine.state == State::On { Advance::Done } else { Advance::Again });
        };
        let image = order.body["instance_info"].as_object().into_iter().flatten();
        let add = |(name, value)| json!({ "op": "add", "path": format!("/instance_info/{name}"), "value": value });
        let image: Vec<Value> = image.map(add).collect();
        if !image.is_empty() {
            api.send(&Call::patch(&format!("/v1/nodes/{node}")).json(&json!(image)))?;
        }
        let mut wanted = json!({ "target": "active" });
        if let Some(drive) = node::config_drive(order, &machine.id) {
            wanted["configdrive"] = drive;
        }
        if let Some(steps) = order.body.get("deploy_steps") {
            wanted["deploy_steps"] = steps.clone();
        }
        api.send(&Call::put(&format!("/v1/nodes/{node}/states/provision")).json(&wanted))?;
        Ok(Advance::Again)
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        let machine = self.get(api, id)?;
        let node = machine.value(node::NODE).map(|node| format!("/v1/nodes/{node}"));
        match (node, machine.state_name.as_str()) {
            // Where an undeployment was cut off, its node has another instance, or none.
            (None, _) => {}
            _ if machine.state == State::Deleting => return Ok(()),
            // A request that deploys it may be under way.
            (Some(_), ALLOCATED_LOCKED) => return Err(api.problem(Kind::Conflict, "its node is locked")),
            // What it was given is left to the next one otherwise: Ironic clears it only of a node that was deployed.
            (Some(node), ALLOCATED) => {
                let nothing = json!([{ "op": "add", "path": "/instance_info", "value": {} }]);
                match api.send(&Call::patch(&node).json(&nothing)) {
                    // Where it cannot be changed, such as without a conductor for it, it was given nothing either.
                    Ok(()) | Err(ApiError { kind: Kind::Rejected, .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            // Ironic deletes the allocation of a node that failed to deploy, too, and leaves the node as it is.
            (Some(node), _) => {
                let deleted = json!({ "target": "deleted" });
                return api.send(&Call::put(&format!("{node}/states/provision")).json(&deleted));
            }
        }
        api.send(&Call::delete(&format!("/v1/allocations/{id}")))
    }

    fn explain(&self, account: &Account, status: u16, body: &Tree) -> Explanation {
        node::explain(account, status, body)
    }

    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        preflight::ask(api, order)
    }
}
