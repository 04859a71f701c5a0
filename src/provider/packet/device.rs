//! How Packet describes a device, its traffic and its errors.

use super::super::kit::*;

/// The machine that an answer describes.
///
/// # Errors
/// It describes none.
pub fn machine(device: &Tree) -> Result<Machine> {
    let id = device.text("id").and_then(MachineId::uuid);
    let id = id.context("it names a machine whose id is no UUID")?;
    let word = one_line(device.text("state").unwrap_or("unknown"));
    let own = |path: &str| device.text(path).map(str::to_owned);
    let (plan, metro, facility) = (own("plan.slug"), own("metro.code"), own("facility.code"));
    let logo = own("operating_system.distro").map(|distro| format!("images/logos/{distro}.png"));
    let values = values([
        ("OS", own("operating_system.slug")),
        ("PLAN", plan.clone()),
        ("FACILITY", facility.clone()),
        ("METRO", metro.clone()),
        ("LOGO", logo),
    ]);
    let addresses = device.items("ip_addresses").filter_map(|entry| {
        let is_public = entry.flag("public").unwrap_or_default();
        Some((is_public, entry.text("address")?.parse().ok()?))
    });
    let cpus = device.count("plan.specs.cpus.0.count").unwrap_or_default();
    let memory = device.text("plan.specs.memory.total").and_then(kib);
    Ok(Machine {
        progress: device.number("provisioning_percentage"),
        name: own("hostname"),
        tags: device.texts("tags").map(str::to_owned).collect(),
        addresses: by_reach(addresses),
        locked: device.flag("locked").unwrap_or_default(),
        size: Some((cpus, memory.unwrap_or_default())),
        plan,
        place: facility.or(metro),
        values,
        created: device.text("created_at").and_then(time::rfc3339),
        root_password: own("root_password").map(Secret::new),
        ..Machine::new(id, state(&word), word)
    })
}

/// The API's states. Those it does not describe are not there yet, never an error.
fn state(word: &str) -> State {
    match word {
        "active" => State::On,
        "inactive" => State::Off,
        "powering_off" | "rebooting" => State::Stopping,
        "failed" => State::Failed,
        "deprovisioning" => State::Deleting,
        "deleted" => State::Gone,
        _ => State::Starting,
    }
}

/// The traffic that an answer tells: kilobits become bytes, as the stock driver reckons.
pub fn read_traffic(answer: &Tree) -> Traffic {
    let sum = |target: &str| {
        let series = answer.items("bandwidth");
        let points = series.filter(|one| one.text("target") == Some(target));
        let points = points.flat_map(|one| one.items("datapoints"));
        let kilobits: f64 = points.filter_map(|point| point.number("0")).sum();
        (kilobits * 1024.0 / 8.0) as u64
    };
    Traffic { received: sum("inbound"), sent: sum("outbound") }
}

/// The reasons of an error: none where it is not the API's, such as the page of a proxy.
pub fn read_reasons(error: &Tree) -> Vec<String> {
    let reasons = error.texts("errors").chain(error.text("error"));
    reasons.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(device: Value) -> Result<Machine> {
        machine(&Tree::json(device.to_string().as_bytes())?)
    }

    #[test]
    fn the_public_ipv4_comes_first() -> Result<()> {
        let entry = |address: &str, public: bool| json!({ "address": address, "public": public });
        let device = json!({ "id": "b9eb1666-1b72-45ee-b529-806b079ce5af", "ip_addresses": [
            entry("10.80.0.11", false),
            entry("2604:1380:1000::b", true),
            entry("147.75.0.11", true),
            entry("not an address", true),
        ]});
        let ordered: Vec<String> = read(device)?.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(ordered, ["147.75.0.11", "2604:1380:1000::b", "10.80.0.11"]);
        Ok(())
    }

    #[test]
    fn a_field_of_another_type_does_not_spoil_the_answer() -> Result<()> {
        let machine = read(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "state": "active",
            "locked": "maybe",
            "plan": { "slug": "baremetal_0", "specs": { "cpus": {}, "memory": { "total": "8GB" } } },
            "ip_addresses": null,
        }))?;
        assert_eq!(machine.state, State::On);
        assert_eq!(machine.size, Some((0, 8_388_608)));
        Ok(())
    }

    #[test]
    fn a_null_in_a_list_does_not_spoil_the_list() -> Result<()> {
        let machine = read(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "tags": ["OpenNebula", null, 7],
            "ip_addresses": [null, { "address": "147.75.0.11", "public": true }, "x"],
        }))?;
        assert_eq!(machine.tags, ["OpenNebula"]);
        assert_eq!(machine.addresses.len(), 1);
        Ok(())
    }

    #[test]
    fn unknown_states_are_not_errors() {
        assert_eq!(state("post_provisioning"), State::Starting);
    }
}
