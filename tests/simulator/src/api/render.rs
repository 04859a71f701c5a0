//! The books in the API's JSON: each object in the full shape of its schema, with null where the API has null.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::catalogue::{
    FACILITIES, Facility, METROS, Metro, OPERATING_SYSTEMS, OperatingSystem, PLANS, Plan, RESERVATIONS, Row, find,
};
use crate::clock::Clock;
use crate::device::{Address, Device, State};
use crate::http::lock;
use crate::random::{Random, uuid_of};

/// Writes JSON; knows the dates and where links begin.
pub(super) struct Renderer<'a> {
    pub clock: &'a Clock,
    pub prefix: &'static str,
    pub written: &'a Written,
}

/// A machine to be shown, as it was on the books.
pub(super) struct Shown {
    pub device: Device,
    pub now: Duration,
    /// Draws the order of its addresses, which the API does not promise.
    pub seed: u64,
    /// Whether its root password can still be read.
    pub young: bool,
    /// Whether its progress is told.
    pub progress: bool,
}

/// What was written before and is always the same: of a machine's JSON the larger half, which would otherwise take most of
/// the time of a request.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<HashMap<String, String>>);

impl Written {
    fn once(&self, key: String, write: impl FnOnce() -> Value) -> String {
        lock(&self.0).entry(key).or_insert_with(|| write().to_string()).clone()
    }
}

/// Code of the metro that a machine is in.
pub(super) fn metro_of(device: &Device) -> &'static str {
    find(FACILITIES, &device.facility).map_or("", |facility| facility.metro)
}

impl Renderer<'_> {
    fn href(&self, path: &str) -> Value {
        json!({"href": format!("{}{path}", self.prefix)})
    }

    fn link(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// A machine, as text.
    pub(super) fn device(&self, shown: &Shown) -> String {
        let Shown { device, now, seed, young, progress } = shown;
        let now = *now;
        let order = &device.order;
        let given = |field: &str| order.get(field).cloned().unwrap_or(Value::Null);
        let given_or = |field: &str, default: Value| order.get(field).cloned().unwrap_or(default);
        let addresses = device.shown_addresses(now).map(|mut shown| {
            Random::new(*seed).shuffle(&mut shown);
            let metro = find(METROS, metro_of(device)).map(Self::metro);
            shown.into_iter().map(|address| self.address(device, address, metro.as_ref())).collect::<Vec<_>>()
        });
        let on = device.state == State::Active;
        let project = format!("/projects/{}", device.project);
        let changed = device.history.last().map_or(device.created, |(at, _)| *at);
        let own = json!({
            "id": device.id,
            "short_id": device.short_id,
            "href": self.link(&format!("/devices/{}", device.id)),
            "hostname": device.hostname,
            "description": given("description"),
            "state": device.state,
            "tags": device.tags,
            "image_url": null,
            "billing_cycle": given_or("billing_cycle", json!("hourly")),
            "user": "root",
            "iqn": format!("iqn.2020-01.net.packet:device.{}", device.short_id),
            "locked": device.locked,
            "bonding_mode": 5,
            "created_at": self.clock.rfc3339(device.created),
            "updated_at": self.clock.rfc3339(changed),
            "ipxe_script_url": given("ipxe_script_url"),
            "always_pxe": given_or("always_pxe", json!(false)),
            "storage": given("storage"),
            "customdata": given_or("customdata", json!({})),
            "network_frozen": given_or("network_frozen", json!(false)),
            "project": self.href(&project),
            "project_lite": self.href(&project),
            "ssh_keys": [],
            "volumes": [],
            "hardware_reservation": device.reservation.as_ref().map(|id| self.href(&format!("/hardware-reservations/{id}"))),
            "ip_addresses": addresses,
            "network_ports": self.ports(device),
            "actions": actions(&device.state),
            "provisioning_events": self.provisioning_events(device),
            "provisioning_percentage": device.progress(now).filter(|_| *progress),
            "root_password": (on && *young).then_some(&device.root_password),
            "spot_instance": given_or("spot_instance", json!(false)),
            "spot_price_max": given("spot_price_max"),
            "termination_time": given("termination_time"),
            "switch_uuid": &device.network_id[..8],
            "firmware_set_id": null,
            "sos": format!("{}@sos.{}.platformequinix.com", device.id, device.facility),
            "userdata": given_or("userdata", json!("")),
        });
        // Two objects become one: the end of the first and the beginning of the second make a comma.
        let mut text = own.to_string();
        text.pop();
        text.push(',');
        text.push_str(&self.bought(device)[1..]);
        text
    }

    /// What was bought, where it stands, and who did it.
    fn bought(&self, device: &Device) -> String {
        let Device { plan, operating_system, facility, .. } = device;
        let key = format!("{} {plan} {operating_system} {facility}", self.prefix);
        self.written.once(key, || {
            let facility = find(FACILITIES, facility);
            let metro = facility.and_then(|facility| find(METROS, facility.metro));
            json!({
                "operating_system": find(OPERATING_SYSTEMS, operating_system).map(Self::operating_system),
                "plan": find(PLANS, plan).map(|plan| self.plan(plan)),
                "facility": facility.map(Self::facility),
                "metro": metro.map(Self::metro),
                "created_by": self.user_lite(),
            })
        })
    }

    fn address(&self, device: &Device, address: &Address, metro: Option<&Value>) -> Value {
        json!({
            "id": address.id,
            "href": self.link(&format!("/ips/{}", address.id)),
            "address": address.address,
            "address_family": address.family,
            "public": address.public,
            "cidr": address.cidr,
            "netmask": address.netmask,
            "gateway": address.gateway,
            "network": address.network,
            "parent_block": {
                "network": address.network,
                "netmask": address.netmask,
                "cidr": address.cidr,
                "href": self.link(&format!("/ips/{}", sibling(&address.id, 1))),
            },
            "assigned_to": self.href(&format!("/devices/{}", device.id)),
            "management": true,
            "manageable": true,
            "enabled": true,
            "global_ip": null,
            "state": "active",
            "next_hop": null,
            "metro": metro,
            "created_at": self.clock.rfc3339(device.created),
        })
    }

    fn ports(&self, device: &Device) -> Value {
        let port = |number: u32, name: &str, kind: &str, data: Value, bond: Value| {
            let id = sibling(&device.id, number);
            json!({
                "id": id,
                "href": self.link(&format!("/ports/{id}")),
                "name": name,
                "type": kind,
                "data": data,
                "bond": bond,
                "network_type": "layer3",
                "disbond_operation_supported": true,
                "native_virtual_network": null,
                "virtual_networks": [],
            })
        };
        let bond = json!({"id": sibling(&device.id, 0), "name": "bond0"});
        let mac = |last: &str| json!({"mac": format!("0c:c4:7a:{}:{}:{last}", &device.id[0..2], &device.id[2..4]), "bonded": true});
        json!([
            port(0, "bond0", "NetworkBondPort", json!({"bonded": true}), Value::Null),
            port(1, "eth0", "NetworkPort", mac("00"), bond.clone()),
            port(2, "eth1", "NetworkPort", mac("01"), bond),
        ])
    }

    /// The events of a machine, newest first.
    pub(super) fn events(&self, device: &Device) -> Vec<Value> {
        let mut events: Vec<Value> = device
            .history
            .iter()
            .enumerate()
            .map(|(number, (at, state))| self.event(device, number, *at, state))
            .collect();
        events.reverse();
        events
    }

    fn provisioning_events(&self, device: &Device) -> Vec<Value> {
        device
            .history
            .iter()
            .take(3)
            .enumerate()
            .map(|(number, (at, state))| self.event(device, number, *at, state))
            .collect()
    }

    fn event(&self, device: &Device, number: usize, at: Duration, state: &State) -> Value {
        let (kind, body) = match state {
            State::Queued => ("instance.created", "Device was queued"),
            State::Provisioning => ("provisioning.101", "Provision started"),
            State::Active if number <= 2 => ("provisioning.109", "Provision complete! Your device is ready to go."),
            State::Active => ("instance.powered_on", "Device was powered on"),
            State::Inactive => ("instance.powered_off", "Device was powered off"),
            State::Failed => ("provisioning.failed", "Provision failed"),
            State::Deprovisioning => ("deprovisioning.started", "Deprovisioning started"),
            _ => ("instance.changed", "Device changed its state"),
        };
        let id = sibling(&device.id, 100 + number as u32);
        json!({
            "id": id,
            "href": self.link(&format!("/events/{id}")),
            "type": kind,
            "state": state,
            "body": body,
            "interpolated": body,
            "relationships": [self.href(&format!("/devices/{}", device.id))],
            "modified_by": {},
            "ip": null,
            "created_at": self.clock.rfc3339(at),
        })
    }

    pub(super) fn plan(&self, plan: &Plan) -> Value {
        let available: Vec<_> = FACILITIES
            .iter()
            .map(|facility| {
                json!({
                    "href": self.link(&format!("/facilities/{}", facility.id())),
                    "price": {"hour": plan.price},
                })
            })
            .collect();
        let metros: Vec<_> = METROS
            .iter()
            .map(|metro| {
                json!({
                    "href": self.link(&format!("/locations/metros/{}", metro.id())),
                    "price": {"hour": plan.price},
                })
            })
            .collect();
        json!({
            "id": plan.id(),
            "slug": plan.slug,
            "name": plan.class,
            "class": plan.class,
            "description": format!("Our {} configuration", plan.class),
            "line": "baremetal",
            "legacy": plan.slug.starts_with("baremetal"),
            "type": "standard",
            "categories": ["compute"],
            "deployment_types": ["on_demand", "spot_market"],
            "available_in": available,
            "available_in_metros": metros,
            "pricing": {"hour": plan.price},
            "specs": {
                "cpus": [{"count": plan.cpus.0, "type": plan.cpus.1}],
                "memory": {"total": plan.memory},
                "drives": [{"count": 2, "size": "120GB", "type": "SSD", "category": "boot"}],
                "nics": [{"count": 2, "type": "10Gbps"}],
                "features": {"raid": false, "txt": true, "uefi": false},
            },
        })
    }

    pub(super) fn operating_system(system: &OperatingSystem) -> Value {
        json!({
            "id": system.id(),
            "slug": system.slug,
            "name": system.name,
            "distro": system.distro,
            "distro_label": system.name.split(' ').next(),
            "version": system.version,
            "preinstallable": true,
            "licensed": false,
            "pricing": {},
            "provisionable_on": PLANS.iter().map(|plan| plan.slug).collect::<Vec<_>>(),
            "lifecycle_state": "active",
            "default_operating_system": system.slug == "ubuntu_22_04",
            "build_date": null,
            "release_date": null,
            "release_notes": null,
            "deprecation_date": null,
            "end_of_life_date": null,
            "end_of_service_date": null,
        })
    }

    pub(super) fn facility(facility: &Facility) -> Value {
        json!({
            "id": facility.id(),
            "code": facility.code,
            "name": facility.name,
            "features": ["baremetal", "layer_2", "global_ipv4"],
            "ip_ranges": ["2604:1380::/36", "147.75.0.0/16"],
            "metro": find(METROS, facility.metro).map(Self::metro),
            "address": null,
        })
    }

    pub(super) fn metro(metro: &Metro) -> Value {
        json!({"id": metro.id(), "code": metro.code, "name": metro.name, "country": metro.country})
    }

    pub(super) fn project(&self, id: &str, name: &str) -> Value {
        json!({
            "id": id,
            "href": self.link(&format!("/projects/{id}")),
            "name": name,
            "type": "default",
            "created_at": self.clock.rfc3339(Duration::ZERO),
            "updated_at": self.clock.rfc3339(Duration::ZERO),
            "backend_transfer_enabled": false,
            "customdata": {},
            "max_devices": {},
            "tags": [],
            "devices": [],
            "ssh_keys": [],
            "members": [],
            "memberships": [],
            "invitations": [],
            "payment_method": null,
            "organization": null,
        })
    }

    pub(super) fn user(&self) -> Value {
        let mut user = self.user_lite();
        user["emails"] = json!([]);
        user["max_projects"] = json!(10);
        user["timezone"] = json!("Etc/UTC");
        user["customdata"] = json!({});
        user["last_login_at"] = Value::Null;
        user
    }

    fn user_lite(&self) -> Value {
        let id = uuid_of("oneadmin");
        json!({
            "id": id,
            "short_id": &id[..8],
            "href": self.link(&format!("/users/{id}")),
            "first_name": "One",
            "last_name": "Admin",
            "full_name": "One Admin",
            "email": "oneadmin@example.org",
            "avatar_thumb_url": null,
            "created_at": self.clock.rfc3339(Duration::ZERO),
            "updated_at": self.clock.rfc3339(Duration::ZERO),
        })
    }

    /// The project's reserved servers. `devices` are all of the books.
    pub(super) fn reservations(&self, project: &str, devices: &[Device]) -> Vec<Value> {
        RESERVATIONS
            .iter()
            .map(|name| {
                let id = uuid_of(name);
                let device = devices.iter().find(|device| device.reservation.as_ref() == Some(&id));
                json!({
                    "id": id,
                    "short_id": &id[..8],
                    "href": self.link(&format!("/hardware-reservations/{id}")),
                    "project": self.href(&format!("/projects/{project}")),
                    "facility": find(FACILITIES, "ams1").map(Self::facility),
                    "plan": find(PLANS, "c3.medium.x86").map(|plan| self.plan(plan)),
                    "device": device.map(|device| self.href(&format!("/devices/{}", device.id))),
                    "provisionable": device.is_none(),
                    "spare": false,
                    "need_of_service": false,
                    "custom_rate": null,
                    "switch_uuid": null,
                    "termination_time": null,
                    "created_at": self.clock.rfc3339(Duration::ZERO),
                })
            })
            .collect()
    }
}

/// The id of the nth thing that belongs to the owner of this id: a UUID as good, and cheaper than a random one.
fn sibling(id: &str, number: u32) -> String {
    format!("{number:08x}{}", &id[8..])
}

/// What can be asked of a machine in this state.
fn actions(state: &State) -> Value {
    let named = |actions: &[(&str, &str)]| -> Value {
        actions.iter().map(|(kind, name)| json!({"type": kind, "name": name})).collect()
    };
    match state {
        State::Active => {
            named(&[("power_off", "Power Off"), ("reboot", "Reboot"), ("rescue", "Rescue"), ("reinstall", "Reinstall")])
        }
        State::Inactive => named(&[("power_on", "Power On"), ("reinstall", "Reinstall")]),
        _ => named(&[]),
    }
}
