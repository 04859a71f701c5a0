//! How Scaleway describes a server.

use super::super::kit::*;

/// The name under which `poll` prints the id of a server's offer.
pub(super) const OFFER_ID: &str = "OFFER_ID";

/// A deploy id: the zone, and the UUID that is known there.
pub(super) fn id(text: &str) -> Option<MachineId> {
    let (zone, uuid) = text.split_once('/')?;
    (is_zone(zone) && is_uuid(uuid)).then(|| MachineId::checked(format!("{zone}/{}", uuid.to_ascii_lowercase())))
}

/// Whether `text` has the form of a zone, such as `fr-par-2`.
pub(super) fn is_zone(text: &str) -> bool {
    text.len() == 8
        && text.bytes().enumerate().all(|(at, byte)| match at {
            2 | 6 => byte == b'-',
            7 => byte.is_ascii_digit(),
            _ => byte.is_ascii_lowercase(),
        })
}

/// The machine that an answer describes.
///
/// # Errors
/// It describes none.
pub fn machine(server: &Tree) -> Result<Machine> {
    let own = |path: &str| server.text(path).map(str::to_owned);
    let (zone, uuid) = (own("zone").unwrap_or_default(), own("id").unwrap_or_default());
    let id = id(&format!("{zone}/{uuid}")).context("it names a server without a zone or a UUID")?;
    let status = server.text("status").unwrap_or("unknown");
    // A server that was ordered without an operating system has none to be installed: null.
    let install = match server.at("install").is_null() {
        true => "completed",
        false => server.text("install.status").unwrap_or("unknown"),
    };
    let (state, word, reason, remedy) = read_state(status, install);
    let values = values([
        ("OFFER", own("offer_name")),
        (OFFER_ID, own("offer_id")),
        ("ZONE", Some(zone.clone())),
        ("INSTALL_USER", own("install.user")),
    ]);
    let addresses = server.items("ips").filter_map(|ip| Some((true, ip.text("address")?.parse().ok()?)));
    Ok(Machine {
        reason: reason.map(str::to_owned),
        remedy,
        name: own("name"),
        tags: server.texts("tags").map(str::to_owned).collect(),
        addresses: by_reach(addresses),
        // By us, or by Scaleway, which locks for abuse and unpaid bills.
        locked: server.flag("protected") == Some(true) || status == "locked",
        plan: own("offer_name"),
        place: Some(zone),
        values,
        created: server.text("created_at").and_then(time::rfc3339),
        ..Machine::new(id, state, one_line(&word))
    })
}

/// A state, the words for it, and why it is so and what to do where that can be told: the events of a server tell actions
/// only (API description). Those that nobody described are not there yet, never an error.
fn read_state(status: &str, install: &str) -> (State, String, Option<&'static str>, Option<&'static str>) {
    let (state, reason, remedy) = match (status, install) {
        ("ready", "completed") => (State::On, None, None),
        ("ready", "error") => {
            let remedy = "deploy once more, or set OS to another one";
            (State::Failed, Some("the operating system could not be installed"), Some(remedy))
        }
        ("stopping", _) => (State::Stopping, None, None),
        ("stopped", _) => (State::Off, None, None),
        ("deleting", _) => (State::Deleting, None, None),
        ("error", _) => (State::Failed, None, None),
        // The order was taken before this was known.
        ("out_of_stock", _) => (State::Failed, Some("no server of this offer is left"), Some(NO_CAPACITY)),
        ("locked", _) => (State::Failed, Some("Scaleway has locked it"), Some("ask Scaleway why it is locked")),
        // It answers pings already while it is being installed.
        _ => (State::Starting, None, None),
    };
    let word = match (status, install) {
        ("ready", "error") => "install_error",
        ("ready", "to_install" | "installing") => install,
        _ => status,
    };
    (state, word.to_owned(), reason, remedy)
}

/// The CPUs (threads) and the memory in KiB of an offer.
pub(super) fn size(offer: &Tree) -> (u64, u64) {
    let sum = |list: &str, member: &str| offer.items(list).filter_map(|one| one.count(member)).sum::<u64>();
    (sum("cpus", "thread_count"), sum("memories", "capacity") / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "491871c5-aa0d-472c-adfa-10b06050684a";

    fn read(changes: Value) -> Result<Machine> {
        let mut server = json!({ "id": UUID, "zone": "fr-par-2", "status": "ready", "install": null });
        for (name, value) in changes.as_object().into_iter().flatten() {
            server[name] = value.clone();
        }
        machine(&Tree::json(server.to_string().as_bytes())?)
    }

    #[test]
    fn a_server_is_up_when_it_is_ready_and_installed() -> Result<()> {
        for (status, install, state, word) in [
            ("ordered", "to_install", State::Starting, "ordered"),
            ("delivering", "to_install", State::Starting, "delivering"),
            ("ready", "to_install", State::Starting, "to_install"),
            ("ready", "installing", State::Starting, "installing"),
            ("ready", "completed", State::On, "ready"),
            ("ready", "error", State::Failed, "install_error"),
            ("ready", "unknown", State::Starting, "ready"),
            ("stopping", "completed", State::Stopping, "stopping"),
            ("stopped", "completed", State::Off, "stopped"),
            ("starting", "completed", State::Starting, "starting"),
            ("resetting", "completed", State::Starting, "resetting"),
            ("migrating", "completed", State::Starting, "migrating"),
            ("error", "to_install", State::Failed, "error"),
            ("out_of_stock", "to_install", State::Failed, "out_of_stock"),
            ("locked", "completed", State::Failed, "locked"),
            ("deleting", "completed", State::Deleting, "deleting"),
            ("pondering", "completed", State::Starting, "pondering"),
        ] {
            let machine = read(json!({ "status": status, "install": { "status": install } }))?;
            assert_eq!((machine.state, machine.state_name.as_str()), (state, word), "{status} {install}");
        }
        // Ordered without an operating system.
        assert_eq!(read(json!({}))?.state, State::On);
        assert_eq!(read(json!({ "install": {} }))?.state, State::Starting);
        Ok(())
    }

    #[test]
    fn a_failure_says_why_and_what_to_do() -> Result<()> {
        let machine = read(json!({ "status": "out_of_stock" }))?;
        assert_eq!(machine.reason.as_deref(), Some("no server of this offer is left"));
        assert_eq!(machine.remedy, Some(NO_CAPACITY));
        assert!(!machine.locked);
        for locked in [json!({ "status": "locked" }), json!({ "protected": true })] {
            assert!(read(locked)?.locked);
        }
        Ok(())
    }

    #[test]
    fn what_a_server_has_is_read_and_nulls_do_not_spoil_it() -> Result<()> {
        let machine = read(json!({
            "tags": ["OpenNebula", null],
            "ips": [
                { "address": "2001:bc8:1201:a22::1", "version": "IPv6" },
                null,
                { "address": "195.154.100.174", "version": "IPv4" },
            ],
            "offer_name": "EM-A116X-SSD",
            "created_at": "2025-12-31T18:10:23.174032Z",
            "rescue_server": null,
            "protected": null,
        }))?;
        assert_eq!(machine.id.as_str(), format!("fr-par-2/{UUID}"));
        let addresses: Vec<String> = machine.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["195.154.100.174", "2001:bc8:1201:a22::1"]);
        assert_eq!(machine.tags, ["OpenNebula"]);
        assert!(machine.created.is_some() && !machine.locked);
        for broken in [json!({ "zone": "mars-1" }), json!({ "zone": null }), json!({ "id": "../x" })] {
            assert!(read(broken).is_err());
        }
        Ok(())
    }

    #[test]
    fn a_deploy_id_is_a_zone_and_a_uuid() {
        let upper = format!("fr-par-2/{}", UUID.to_ascii_uppercase());
        assert_eq!(id(&upper), id(&format!("fr-par-2/{UUID}")));
        assert!(id(&upper).is_some());
        for zone in ["", "..", "fr-par-", "fr-par-22", "FR-par-2", "fr/par-2", "fr-par-x", "fr-pa-22"] {
            assert!(id(&format!("{zone}/{UUID}")).is_none(), "{zone}");
        }
        for text in [UUID, "fr-par-2", "fr-par-2/", "fr-par-2/..", &format!("fr-par-2/{UUID}/stop")] {
            assert!(id(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_size_is_that_of_the_offer() -> Result<()> {
        let offer = json!({
            "cpus": [{ "core_count": 4, "thread_count": 8 }, { "core_count": 4, "thread_count": 8 }],
            "memories": [{ "capacity": 68719476736u64 }],
        });
        assert_eq!(size(&Tree::json(offer.to_string().as_bytes())?), (16, 64 << 20));
        Ok(())
    }
}
