//! What may be asked for: an order, an action.

use super::Shape::{self, *};

/// Where to: a facility, or several by preference, or a metro; not both.
pub const ORDER: Shape = Either(&[IN_FACILITY, IN_METRO]);

/// An action of a machine. What else an action takes is for those that the driver never asks for.
pub const ACTION: Shape =
    Object(&["type"], &[("type", Word(&["power_on", "power_off", "reboot", "rescue", "reinstall"]))]);

const IN_FACILITY: Shape = Object(&["plan", "operating_system", "facility"], &IN_FACILITY_FIELDS);
const IN_METRO: Shape = Object(&["plan", "operating_system", "metro"], &IN_METRO_FIELDS);
const IN_FACILITY_FIELDS: [(&str, Shape); COUNT + 1] = with(("facility", Either(&[Text, List(&Text)])));
const IN_METRO_FIELDS: [(&str, Shape); COUNT + 1] = with(("metro", Text));
const COUNT: usize = ORDER_FIELDS.len();

/// What an order has wherever it goes.
pub const ORDER_FIELDS: &[(&str, Shape)] = &[
    ("plan", Text),
    ("operating_system", Text),
    ("hostname", Text),
    ("description", Text),
    ("tags", List(&Text)),
    ("features", List(&Text)),
    ("billing_cycle", Word(&["hourly", "daily", "monthly", "yearly"])),
    // A UUID, or next-available.
    ("hardware_reservation_id", Text),
    ("userdata", Text),
    ("customdata", Free),
    ("ipxe_script_url", Text),
    ("always_pxe", Flag),
    ("locked", Flag),
    ("network_frozen", Flag),
    ("no_ssh_keys", Flag),
    ("project_ssh_keys", List(&Uuid)),
    ("user_ssh_keys", List(&Uuid)),
    ("ssh_keys", List(&KEY)),
    ("spot_instance", Flag),
    ("spot_price_max", Number),
    ("termination_time", Moment),
    ("ip_addresses", List(&ADDRESS)),
    ("public_ipv4_subnet_size", SUBNET),
    ("private_ipv4_subnet_size", SUBNET),
    ("storage", STORAGE),
];

/// The bits of a network's mask.
const SUBNET: Shape = Whole(0, 32);

const ADDRESS: Shape = Object(
    &[],
    &[
        ("address_family", Either(&[Whole(4, 4), Whole(6, 6)])),
        ("public", Flag),
        ("cidr", Whole(0, 128)),
        ("ip_reservations", List(&Text)),
    ],
);

const KEY: Shape = Object(&[], &[("key", Text), ("label", Text), ("tags", List(&Text))]);

const STORAGE: Shape =
    Object(&[], &[("disks", List(&DISK)), ("raid", List(&RAID)), ("filesystems", List(&FILESYSTEM))]);

const DISK: Shape = Object(&[], &[("device", Text), ("wipeTable", Flag), ("partitions", List(&PARTITION))]);

const PARTITION: Shape = Object(&[], &[("label", Text), ("number", Whole(0, i32::MAX as i64)), ("size", Text)]);

const RAID: Shape = Object(&[], &[("devices", List(&Text)), ("level", Text), ("name", Text)]);

const FILESYSTEM: Shape = Object(&[], &[("mount", MOUNT)]);

const MOUNT: Shape = Object(&[], &[("device", Text), ("format", Text), ("point", Text), ("options", List(&Text))]);

/// The fields of every order and one more.
const fn with(more: (&'static str, Shape)) -> [(&'static str, Shape); COUNT + 1] {
    let mut fields = [more; COUNT + 1];
    let mut at = 0;
    while at < COUNT {
        fields[at] = ORDER_FIELDS[at];
        at += 1;
    }
    fields
}
