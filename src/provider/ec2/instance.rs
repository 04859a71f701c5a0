//! How EC2 describes an instance.

use super::super::kit::*;

/// What `poll` prints, as the stock driver names it, and where it stands.
const VALUES: &[(&str, &str)] = &[
    ("AWS_PUBLIC_IP_ADDRESS", "ipAddress"),
    ("AWS_PUBLIC_DNS_NAME", "dnsName"),
    ("AWS_PRIVATE_IP_ADDRESS", "privateIpAddress"),
    ("AWS_PRIVATE_DNS_NAME", "privateDnsName"),
    ("AWS_INSTANCE_TYPE", "instanceType"),
    ("AWS_IMAGE_ID", "imageId"),
    ("AWS_KEY_NAME", "keyName"),
    ("AWS_PLATFORM", "platform"),
    ("AWS_VPC_ID", "vpcId"),
    ("AWS_SUBNET_ID", "subnetId"),
    ("AWS_AVAILABILITY_ZONE", "placement.availabilityZone"),
];

/// A deploy id: `i-` and 8 or, since 2016, 17 hexadecimal digits.
pub fn id(text: &str) -> Option<MachineId> {
    let digits = text.strip_prefix("i-")?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    ((8..=17).contains(&digits.len()) && digits.bytes().all(is_digit)).then(|| MachineId::checked(text))
}

/// The machines that an answer describes.
///
/// # Errors
/// One of them has no id: it would be missing.
pub fn machines(answer: &Tree) -> Result<Vec<Machine>> {
    let own = answer.items("instancesSet");
    let reservations = answer.items("reservationSet");
    let all = own.chain(reservations.flat_map(|reservation| reservation.items("instancesSet")));
    all.map(machine).collect()
}

fn machine(instance: &Tree) -> Result<Machine> {
    let id = instance.text("instanceId").and_then(id).context("it names an instance whose id is none")?;
    let word = one_line(instance.text("instanceState.name").unwrap_or("unknown"));
    let threads = instance.count("cpuOptions.threadsPerCore").unwrap_or(1);
    let cores = instance.count("cpuOptions.coreCount").unwrap_or_default();
    let tags = instance.items("tagSet").filter_map(|tag| {
        let value = tag.text("value").unwrap_or_default();
        Some(joined(tag.text("key")?, value))
    });
    let mut values: Vec<(&'static str, String)> =
        VALUES.iter().filter_map(|(name, path)| Some((*name, instance.text(path)?.to_owned()))).collect();
    let groups = groups(instance);
    if !groups.is_empty() {
        values.push(("AWS_SECURITY_GROUPS", groups.join(",")));
    }
    // AWS's message repeats its code: "Server.InternalError: Internal error on launch".
    let reason = instance.text("stateReason.message");
    let reason = reason.or_else(|| instance.text("stateReason.code"));
    Ok(Machine {
        reason: reason.map(str::to_owned),
        tags: tags.collect(),
        addresses: by_reach(addresses(instance)),
        size: Some((cores.saturating_mul(threads), 0)),
        plan: instance.text("instanceType").map(str::to_owned),
        place: instance.text("placement.availabilityZone").map(str::to_owned),
        values,
        created: instance.text("launchTime").and_then(time::rfc3339),
        ..Machine::new(id, state(&word), word)
    })
}

/// EC2's states. Those it does not describe are not there yet, never an error.
fn state(word: &str) -> State {
    match word {
        "running" => State::On,
        "stopping" => State::Stopping,
        "stopped" => State::Off,
        "shutting-down" => State::Deleting,
        // It is shown for about an hour.
        "terminated" => State::Gone,
        _ => State::Starting,
    }
}

fn groups<'a>(instance: &'a Tree) -> Vec<&'a str> {
    let interfaces = instance.items("networkInterfaceSet");
    let all = interfaces.flat_map(|interface| interface.items("groupSet"));
    let mut groups: Vec<&str> =
        instance.items("groupSet").chain(all).filter_map(|group| group.text("groupId")).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The machine's addresses, each with whether it is public.
fn addresses(instance: &Tree) -> impl Iterator<Item = (bool, IpAddr)> {
    let interfaces = instance.items("networkInterfaceSet");
    let v6 = interfaces.flat_map(|interface| interface.items("ipv6AddressesSet"));
    let public = ["ipAddress", "ipv6Address"].into_iter().filter_map(|name| instance.text(name));
    let public = public.chain(v6.filter_map(|address| address.text("ipv6Address")));
    let all = public.map(|text| (true, text)).chain(instance.text("privateIpAddress").map(|text| (false, text)));
    all.filter_map(|(is_public, text)| Some((is_public, text.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What moto 5.2 answered, in the layout of the API Reference.
    const DESCRIBED: &str = include_str!("../../../tests/fixtures/ec2/describe-instances.xml");

    #[test]
    fn only_instance_ids_are_deploy_ids() {
        for text in ["i-0123abcd", "i-0123456789abcdef0"] {
            assert_eq!(id(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        for text in ["i-", "i-0123abc", "i-0123456789abcdef01", "I-0123abcd", "i-0123ABCD", "i-0123abcg"] {
            assert!(id(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_described_instance_is_read() -> Result<()> {
        let answer = Tree::xml(DESCRIBED.as_bytes())?;
        let found = machines(answer.at("DescribeInstancesResponse"))?;
        let states: Vec<State> = found.iter().map(|machine| machine.state).collect();
        assert_eq!(states, [State::On, State::Gone]);
        let machine = &found[0];
        assert_eq!(machine.state_name, "running");
        assert_eq!(machine.tags.len(), 4);
        assert!(machine.tags.contains(&"OpenNebula".to_owned()));
        assert!(machine.addresses.len() == 2 && machine.created.is_some());
        let mut names: Vec<&str> = machine.values.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), machine.values.len());
        assert!(names.contains(&"AWS_PUBLIC_DNS_NAME") && names.contains(&"AWS_SECURITY_GROUPS"));
        Ok(())
    }

    #[test]
    fn an_instance_without_an_id_is_not_left_out_of_a_listing() -> Result<()> {
        let strange = DESCRIBED.replacen("<instanceId>i-", "<instanceId>x-", 1);
        assert!(
            strange != DESCRIBED && machines(Tree::xml(strange.as_bytes())?.at("DescribeInstancesResponse")).is_err()
        );
        Ok(())
    }

    #[test]
    fn states_that_nobody_described_are_not_errors() {
        assert_eq!(state("rebooting"), State::Starting);
    }
}
