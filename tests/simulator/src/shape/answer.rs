//! What this API answers. What the real service tells besides is not told here.

use super::Shape::{self, *};

/// A machine.
pub const DEVICE: Shape = Object(
    &["id", "short_id", "hostname", "state", "tags", "created_at"],
    &[
        ("id", Uuid),
        ("short_id", Text),
        ("href", Text),
        ("hostname", Text),
        ("description", Text),
        ("state", Word(&STATES)),
        ("tags", List(&Text)),
        ("image_url", Text),
        ("billing_cycle", Text),
        ("user", Text),
        ("iqn", Text),
        ("locked", Flag),
        ("bonding_mode", COUNT),
        ("created_at", Moment),
        ("updated_at", Moment),
        ("ipxe_script_url", Text),
        ("always_pxe", Flag),
        ("storage", Free),
        ("customdata", Free),
        ("network_frozen", Flag),
        ("project", HREF),
        ("project_lite", HREF),
        ("ssh_keys", List(&HREF)),
        ("volumes", List(&HREF)),
        ("hardware_reservation", HREF),
        ("ip_addresses", List(&ADDRESS)),
        ("network_ports", List(&PORT)),
        ("actions", List(&OFFERED)),
        ("provisioning_events", List(&EVENT)),
        ("provisioning_percentage", Number),
        ("root_password", Text),
        ("spot_instance", Flag),
        ("spot_price_max", Number),
        ("termination_time", Moment),
        ("switch_uuid", Text),
        ("firmware_set_id", Uuid),
        ("sos", Text),
        ("userdata", Text),
        ("operating_system", OPERATING_SYSTEM),
        ("plan", PLAN),
        ("facility", FACILITY),
        ("metro", METRO),
        ("created_by", SOMEBODY),
    ],
);

const STATES: [&str; 10] = [
    "queued",
    "provisioning",
    "deprovisioning",
    "reinstalling",
    "active",
    "inactive",
    "failed",
    "powering_on",
    "powering_off",
    "deleted",
];

/// A page of machines.
pub const DEVICES: Shape = Object(&["devices", "meta"], &[("devices", List(&DEVICE)), ("meta", META)]);

/// A page of what happened to a machine.
pub const EVENTS: Shape = Object(&["events", "meta"], &[("events", List(&EVENT)), ("meta", META)]);

/// A machine's traffic.
pub const BANDWIDTH: Shape = Object(&["bandwidth"], &[("bandwidth", List(&TRAFFIC))]);

/// A refusal: one reason, or several.
pub const ERROR: Shape =
    Either(&[Object(&["error"], &[("error", Text)]), Object(&["errors"], &[("errors", List(&Text))])]);

/// What can be bought.
pub const PLANS: Shape = Object(&["plans"], &[("plans", List(&PLAN))]);

/// What it can run.
pub const OPERATING_SYSTEMS: Shape = Object(&["operating_systems"], &[("operating_systems", List(&OPERATING_SYSTEM))]);

/// Where it can stand.
pub const FACILITIES: Shape = Object(&["facilities"], &[("facilities", List(&FACILITY))]);

/// Where it can stand, by city.
pub const METROS: Shape = Object(&["metros"], &[("metros", List(&METRO))]);

/// A page of projects.
pub const PROJECTS: Shape = Object(&["projects", "meta"], &[("projects", List(&PROJECT)), ("meta", META)]);

/// A project.
pub const PROJECT: Shape = Object(
    &["id", "name"],
    &[
        ("id", Uuid),
        ("href", Text),
        ("name", TextOf(1, 80)),
        ("type", Word(&["default", "vmce"])),
        ("created_at", Moment),
        ("updated_at", Moment),
        ("backend_transfer_enabled", Flag),
        ("customdata", Free),
        ("max_devices", Free),
        ("tags", List(&Text)),
        ("devices", List(&HREF)),
        ("ssh_keys", List(&HREF)),
        ("members", List(&HREF)),
        ("memberships", List(&HREF)),
        ("invitations", List(&HREF)),
        ("payment_method", HREF),
        ("organization", HREF),
    ],
);

/// Whose token it is.
pub const USER: Shape = Object(
    &["id", "short_id"],
    &[
        ("id", Uuid),
        ("short_id", Text),
        ("href", Text),
        ("first_name", Text),
        ("last_name", Text),
        ("full_name", Text),
        ("email", Text),
        ("avatar_thumb_url", Text),
        ("created_at", Moment),
        ("updated_at", Moment),
        ("emails", List(&HREF)),
        ("max_projects", COUNT),
        ("timezone", Text),
        ("customdata", Free),
        ("last_login_at", Moment),
    ],
);

/// A server that is kept for a project.
pub const RESERVATION: Shape = Object(
    &["id"],
    &[
        ("id", Uuid),
        ("short_id", Text),
        ("href", Text),
        ("project", HREF),
        ("facility", FACILITY),
        ("plan", PLAN),
        ("device", HREF),
        ("provisionable", Flag),
        ("spare", Flag),
        ("need_of_service", Flag),
        ("custom_rate", Number),
        ("switch_uuid", Text),
        ("termination_time", Moment),
        ("created_at", Moment),
    ],
);

const COUNT: Shape = Whole(0, i64::MAX);
const HREF: Shape = Object(&["href"], &[("href", Text)]);

const META: Shape = Object(
    &["first", "self", "last", "total", "current_page", "last_page"],
    &[
        ("first", HREF),
        ("previous", HREF),
        ("self", HREF),
        ("next", HREF),
        ("last", HREF),
        ("current_page", COUNT),
        ("last_page", COUNT),
        ("total", COUNT),
    ],
);

const ADDRESS: Shape = Object(
    &["id", "address", "address_family", "public"],
    &[
        ("id", Uuid),
        ("href", Text),
        ("address", Text),
        ("address_family", Either(&[Whole(4, 4), Whole(6, 6)])),
        ("public", Flag),
        ("cidr", Whole(0, 128)),
        ("netmask", Text),
        ("gateway", Text),
        ("network", Text),
        ("parent_block", BLOCK),
        ("assigned_to", HREF),
        ("management", Flag),
        ("manageable", Flag),
        ("enabled", Flag),
        ("global_ip", Flag),
        ("state", Word(&["pending", "active", "deleting"])),
        ("next_hop", Text),
        ("metro", METRO),
        ("created_at", Moment),
    ],
);

const BLOCK: Shape = Object(&[], &[("network", Text), ("netmask", Text), ("cidr", Whole(0, 128)), ("href", Text)]);

const PORT: Shape = Object(
    &["id", "name"],
    &[
        ("id", Uuid),
        ("href", Text),
        ("name", Text),
        ("type", Word(&["NetworkPort", "NetworkBondPort"])),
        ("data", Either(&[BOND, CARD])),
        ("bond", Object(&[], &[("id", Uuid), ("name", Text)])),
        ("network_type", Word(&["layer2-bonded", "layer2-individual", "layer3", "hybrid", "hybrid-bonded"])),
        ("disbond_operation_supported", Flag),
        ("native_virtual_network", HREF),
        ("virtual_networks", List(&HREF)),
    ],
);

const BOND: Shape = Object(&["bonded"], &[("bonded", Flag)]);
const CARD: Shape = Object(&["mac", "bonded"], &[("mac", Text), ("bonded", Flag)]);
const OFFERED: Shape = Object(&["type", "name"], &[("type", Text), ("name", Text)]);

const EVENT: Shape = Object(
    &["id", "type", "created_at"],
    &[
        ("id", Uuid),
        ("href", Text),
        ("type", Text),
        ("state", Text),
        ("body", Text),
        ("interpolated", Text),
        ("relationships", List(&HREF)),
        ("modified_by", Free),
        ("ip", Text),
        ("created_at", Moment),
    ],
);

const TRAFFIC: Shape = Object(
    &["target", "datapoints"],
    &[
        ("target", Word(&["inbound", "outbound"])),
        ("datapoints", List(&Pair(&[Number, COUNT]))),
        ("tags", Object(&[], &[("aggregatedBy", Text), ("name", Text)])),
    ],
);

const PLAN: Shape = Object(
    &["id", "slug"],
    &[
        ("id", Uuid),
        ("slug", Text),
        ("name", Text),
        ("class", Text),
        ("description", Text),
        ("line", Text),
        ("legacy", Flag),
        ("type", Word(&["standard", "workload_optimized", "custom"])),
        ("categories", List(&Text)),
        ("deployment_types", List(&Word(&["on_demand", "spot_market"]))),
        ("available_in", List(&PRICED)),
        ("available_in_metros", List(&PRICED)),
        ("pricing", Free),
        ("specs", SPECS),
    ],
);

const PRICED: Shape = Object(&["href"], &[("href", Text), ("price", Object(&[], &[("hour", Number)]))]);

const SPECS: Shape = Object(
    &["cpus", "memory"],
    &[
        ("cpus", List(&PART)),
        ("memory", Object(&["total"], &[("total", Text)])),
        ("drives", List(&DRIVE)),
        ("nics", List(&PART)),
        ("features", Object(&[], &[("raid", Flag), ("txt", Flag), ("uefi", Flag)])),
    ],
);

const PART: Shape = Object(&["count", "type"], &[("count", COUNT), ("type", Text)]);

const DRIVE: Shape = Object(&["count"], &[("count", COUNT), ("type", Text), ("size", Text), ("category", Text)]);

const OPERATING_SYSTEM: Shape = Object(
    &["id", "slug"],
    &[
        ("id", Uuid),
        ("slug", Text),
        ("name", Text),
        ("distro", Text),
        ("distro_label", Text),
        ("version", Text),
        ("preinstallable", Flag),
        ("licensed", Flag),
        ("pricing", Free),
        ("provisionable_on", List(&Text)),
        ("lifecycle_state", Text),
        ("default_operating_system", Flag),
        ("build_date", Date),
        ("release_date", Date),
        ("release_notes", Text),
        ("deprecation_date", Date),
        ("end_of_life_date", Date),
        ("end_of_service_date", Date),
    ],
);

const FACILITY: Shape = Object(
    &["id", "code"],
    &[
        ("id", Uuid),
        ("code", Text),
        ("name", Text),
        ("features", List(&Word(&["baremetal", "backend_transfer", "layer_2", "global_ipv4", "ibx"]))),
        ("ip_ranges", List(&Text)),
        ("metro", METRO),
        ("address", Free),
    ],
);

const METRO: Shape = Object(&["id", "code"], &[("id", Uuid), ("code", Text), ("name", Text), ("country", Text)]);

const SOMEBODY: Shape = Object(
    &["id", "short_id"],
    &[
        ("id", Uuid),
        ("short_id", Text),
        ("href", Text),
        ("first_name", Text),
        ("last_name", Text),
        ("full_name", Text),
        ("email", Text),
        ("avatar_thumb_url", Text),
        ("created_at", Moment),
        ("updated_at", Moment),
    ],
);
