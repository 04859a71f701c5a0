//! What `poll` prints, as oneprovision reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::common::{Bench, UNKNOWN_ID, assert_failure_with, assert_success, assert_warned};
use serde_json::{Value, json};
use simulator::oneprovision::{Answer, host_name_5_8, host_name_5_12, read_poll};
use simulator::{Answer as Reply, Effect, HostTemplate, Operation, Options, State};

/// A host with a machine of this plan.
fn deployed(bench: &Bench, template: &HostTemplate) -> String {
    let answer = bench.host(template).deploy().unwrap();
    assert_success(&answer).to_owned()
}

fn poll(bench: &Bench, id: &str) -> Answer {
    bench.run("poll", &[id, "provision-7", "7", "provision-7"])
}

/// What was printed: one line of `KEY=value` and blanks, nothing else, no key twice.
fn values(answer: &Answer) -> BTreeMap<String, String> {
    assert!(answer.is_success(), "{answer:?}");
    let line = answer.stdout.strip_suffix('\n').expect("a whole line");
    let mut keys = BTreeSet::new();
    for piece in line.split(' ') {
        let (key, value) = piece.split_once('=').unwrap_or_else(|| panic!("{piece:?} in {line}"));
        assert!(!key.is_empty() && key.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{line}");
        assert!(keys.insert(key), "{key} twice in {line}");
        assert!(value.bytes().all(|b| b.is_ascii_graphic()), "{line}");
        let inner = value.strip_prefix('"').map_or(value, |rest| rest.strip_suffix('"').unwrap_or("\""));
        assert!(!inner.contains('"'), "{line}");
    }
    let values = read_poll(&answer.stdout);
    assert_eq!(values.len(), keys.len());
    values
}

/// The addresses that were printed, in their order.
fn addresses(values: &BTreeMap<String, String>) -> Vec<String> {
    let list = values["GUEST_IP_ADDRESSES"].strip_prefix('"').unwrap();
    let list = list.strip_suffix('"').unwrap();
    list.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

/// Lets the API describe the machine so, the next time.
fn describe(bench: &Bench, device: &Value) {
    let reply = Reply::new(200).body(&device.to_string());
    bench.fault(Operation::Get, Effect::Status(reply));
}

fn address(text: &str, public: bool) -> Value {
    json!({"address": text, "public": public, "address_family": if text.contains(':') { 6 } else { 4 }})
}

#[test]
fn the_figures_are_those_of_the_contract() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    let values = values(&poll(&bench, &id));
    // The stock driver's figures for the same machine.
    for (key, value) in [
        ("CPU", "100"),
        ("MEMORY", "8388608"),
        ("NETTX", "19200"),
        ("NETRX", "2560"),
        ("STATE", "RUNNING"),
        ("OS", "\"centos_7\""),
        ("PLAN", "\"baremetal_0\""),
        ("FACILITY", "\"ams1\""),
        ("METRO", "\"am\""),
        ("LOGO", "\"images/logos/centos.png\""),
    ] {
        assert_eq!(values.get(key).map(String::as_str), Some(value), "{values:?}");
    }
    let others = ["GUEST_IP_ADDRESSES"];
    assert_eq!(values.len(), 10 + others.len(), "{values:?}");
}

#[test]
fn cpus_and_memory_are_those_of_the_plan() {
    let bench = Bench::new();
    for (number, (plan, cpu, memory)) in [
        ("baremetal_1", "100", "33554432"),
        ("baremetal_2", "200", "268435456"),
        ("n3.xlarge.opt-m4", "100", "1073741824"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = deployed(&bench, &HostTemplate::new(7 + number as i32).with("PLAN", plan));
        let values = values(&poll(&bench, &id));
        assert_eq!((&*values["CPU"], &*values["MEMORY"]), (cpu, memory), "{plan}");
    }
}

#[test]
fn the_host_is_named_by_its_public_ipv4_in_every_version() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    let public = bench.simulator.device(&id).unwrap().addresses;
    let public = public.into_iter().find(|one| one.public && one.family == 4).unwrap().address;
    // The simulator draws another order of the addresses for each answer.
    for _ in 0..8 {
        let values = values(&poll(&bench, &id));
        assert_eq!(host_name_5_12(&values).as_ref(), Some(&public));
        assert_eq!(host_name_5_8(&values).as_ref(), Some(&public));
        assert_eq!(addresses(&values).len(), 3, "{values:?}");
    }
}

#[test]
fn the_order_of_the_answer_does_not_matter() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    let given = [("147.75.0.11", true), ("2604:1380:1000::b", true), ("10.80.0.11", false)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let list: Vec<Value> = order.iter().map(|at| address(given[*at].0, given[*at].1)).collect();
        describe(&bench, &json!({"id": id, "state": "active", "ip_addresses": list}));
        let values = values(&poll(&bench, &id));
        assert_eq!(addresses(&values), given.map(|(text, _)| text), "{order:?}");
        assert_eq!(host_name_5_12(&values).as_deref(), Some("147.75.0.11"));
    }
}

#[test]
fn a_single_address_is_read_right_by_every_version() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    for (text, public) in [("147.75.0.11", true), ("2604:1380:1000::b", true), ("10.80.0.11", false)] {
        describe(&bench, &json!({"id": id, "state": "active", "ip_addresses": [address(text, public)]}));
        let values = values(&poll(&bench, &id));
        assert_eq!(host_name_5_12(&values).as_deref(), Some(text));
        assert_eq!(host_name_5_8(&values).as_deref(), Some(text));
    }
}

#[test]
fn oneprovision_renames_the_host_after_the_first_poll() {
    let bench = Bench::new();
    let (host, _) = bench.deployed(7);
    let (answer, printed) = host.poll().unwrap();
    assert_success(&answer);
    let name = bench.simulator.oned().host_name(7).unwrap();
    assert!(name.parse::<std::net::Ipv4Addr>().is_ok(), "{name}");
    let (answer, again) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(printed["GUEST_IP_ADDRESSES"], again["GUEST_IP_ADDRESSES"]);
}

#[test]
fn a_machine_that_is_off_has_its_values_too() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    let up = values(&poll(&bench, &id));
    assert!(host.poweroff().unwrap().is_success());
    let off = values(&poll(&bench, &id));
    assert_eq!(off["STATE"], "POWEROFF");
    assert_eq!(off["GUEST_IP_ADDRESSES"], up["GUEST_IP_ADDRESSES"]);
    assert_eq!((&*off["NETTX"], &*off["NETRX"]), ("0", "0"), "its data points are null");
    assert_eq!(off["CPU"], up["CPU"]);
}

#[test]
fn every_state_has_its_word() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    for (state, word) in [
        (State::Active, "RUNNING"),
        (State::Inactive, "POWEROFF"),
        (State::Failed, "FAILURE"),
        (State::PoweringOn, "UNKNOWN"),
        (State::PoweringOff, "UNKNOWN"),
        (State::Reinstalling, "UNKNOWN"),
        (State::Deprovisioning, "UNKNOWN"),
        (State::Other("rebooting".to_owned()), "UNKNOWN"),
        (State::Other("never heard of".to_owned()), "UNKNOWN"),
    ] {
        assert!(bench.simulator.set_state(&id, state.clone()));
        assert_eq!(values(&poll(&bench, &id))["STATE"], word, "{state}");
    }
}

#[test]
fn a_machine_without_address_is_a_clear_failure() {
    let bench = Bench::with(Options { queued: Duration::from_secs(60), ..Options::default() });
    bench.host(&HostTemplate::new(7));
    let device = bench.simulator.add_device(simulator::NewDevice::with_tags(simulator::PROJECT, ["x"]));
    let parts = [
        "poll: machine ",
        &device.id,
        "host 7 (provision-7)",
        "has no address yet, it is queued",
        "try again when it is active",
    ];
    assert_failure_with(&poll(&bench, &device.id), &parts);
    for list in [json!(null), json!([]), json!([{"address": null}]), json!([{"address": "soon", "public": true}])] {
        describe(&bench, &json!({"id": device.id, "state": "provisioning", "ip_addresses": list}));
        assert_failure_with(&poll(&bench, &device.id), &["has no address yet, it is provisioning"]);
    }
}

#[test]
fn nulls_and_what_is_missing_do_not_hurt() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    let list = json!([address("147.75.0.11", true), null, {}, {"address": null, "public": null}]);
    let null = Value::Null;
    for device in [
        json!({"id": id, "state": "active", "ip_addresses": [address("147.75.0.11", true)]}),
        json!({"id": id, "state": "active", "ip_addresses": [address("147.75.0.11", true)], "plan": null,
            "facility": null, "metro": null, "operating_system": null, "tags": null, "locked": null,
            "root_password": null, "provisioning_percentage": null}),
        json!({"id": id, "state": "active", "ip_addresses": [address("147.75.0.11", true)],
            "plan": {"slug": null, "specs": null}, "facility": {"code": null}, "operating_system": {"slug": null}}),
        json!({"id": id, "state": "active", "ip_addresses": [address("147.75.0.11", true), {"address": null}],
            "plan": {"specs": {"cpus": [], "memory": {}}}, "facility": "ams1"}),
        json!({"id": id, "state": "active", "ip_addresses": [address("147.75.0.11", true)],
            "plan": {"specs": {"cpus": [{"count": null}], "memory": {"total": null}}}}),
    ] {
        describe(&bench, &device);
        let values = values(&poll(&bench, &id));
        assert_eq!(host_name_5_12(&values).as_deref(), Some("147.75.0.11"), "{device}");
        assert_eq!(values["STATE"], "RUNNING");
        assert!(values.values().all(|value| !value.contains("null")), "{values:?}");
    }
    for (state, word) in [(null, "UNKNOWN"), (json!(7), "UNKNOWN")] {
        describe(&bench, &json!({"id": id, "state": state, "ip_addresses": [address("147.75.0.11", true)]}));
        assert_eq!(values(&poll(&bench, &id))["STATE"], word);
    }
    // A list with nulls in it still has the addresses that it has.
    describe(&bench, &json!({"id": id, "state": "active", "ip_addresses": list}));
    assert_eq!(addresses(&values(&poll(&bench, &id))), ["147.75.0.11"]);
}

#[test]
fn traffic_that_is_unknown_is_warned_of_and_does_not_hurt() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    for effect in [Effect::status(403), Effect::status(500), Effect::Garbage, Effect::DropBefore { reset: true }] {
        bench.fault(Operation::Bandwidth, effect);
        let answer = poll(&bench, &id);
        let values = values(&answer);
        assert_eq!((&*values["NETTX"], &*values["NETRX"]), ("0", "0"));
        assert_warned(&answer, "WARNING: the traffic of machine ");
        assert_eq!(answer.stderr.lines().count(), 1, "{answer:?}");
    }
}

#[test]
fn null_data_points_are_left_out_of_the_traffic() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    for (bandwidth, sums) in [
        (
            json!([{"target": "inbound", "datapoints": [[12.5, 1], [null, 2], [7.5, 3]]},
            {"target": "outbound", "datapoints": [[null, 1], [150, 2]]}]),
            ("2560", "19200"),
        ),
        (json!([{"target": "outbound", "datapoints": []}, {"target": "inbound", "datapoints": null}]), ("0", "0")),
        (json!([]), ("0", "0")),
        (json!(null), ("0", "0")),
        // A quarter of a byte more or less is none.
        (json!([{"target": "inbound", "datapoints": [[0.01, 1]]}]), ("1", "0")),
    ] {
        let reply = Reply::new(200).body(&json!({"bandwidth": bandwidth}).to_string());
        bench.fault(Operation::Bandwidth, Effect::Status(reply));
        let values = values(&poll(&bench, &id));
        assert_eq!((&*values["NETRX"], &*values["NETTX"]), sums, "{bandwidth}");
    }
}

#[test]
fn the_root_password_is_printed_only_where_it_is_asked_for() {
    for (setting, is_shown) in [
        (None, false),
        (Some("no"), false),
        (Some(""), false),
        (Some("maybe"), false),
        (Some("yes"), true),
        (Some("YES"), true),
        (Some("true"), true),
        (Some("1"), true),
    ] {
        let bench = Bench::new();
        let mut template = HostTemplate::new(7);
        if let Some(setting) = setting {
            template = template.with("PM_ROOT_PASSWORD", setting);
        }
        let id = deployed(&bench, &template);
        let answer = poll(&bench, &id);
        assert_eq!(answer.stderr, "", "{answer:?}");
        let values = values(&answer);
        assert_eq!(values.contains_key("ROOT_PASSWORD"), is_shown, "{setting:?}");
        assert_eq!(answer.stdout.contains("h4x0r$"), is_shown, "{setting:?}");
    }
    let bench = Bench::new().set("PM_ROOT_PASSWORD", "yes");
    let id = deployed(&bench, &HostTemplate::new(7));
    let values = values(&poll(&bench, &id));
    assert!(values["ROOT_PASSWORD"].starts_with("\"h4x0r$"), "{values:?}");
}

#[test]
fn a_root_password_that_is_no_word_or_not_told_is_left_out() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7).with("PM_ROOT_PASSWORD", "yes"));
    let poll_with = |password: Value| {
        describe(
            &bench,
            &json!({"id": id, "state": "active", "ip_addresses": [address("147.75.0.11", true)],
            "root_password": password}),
        );
        let answer = poll(&bench, &id);
        assert!(!values(&answer).contains_key("ROOT_PASSWORD"), "{answer:?}");
        answer
    };
    for password in ["two words", "a\"b", "a\nGUEST_IP_ADDRESSES=x", "é"] {
        let answer = poll_with(json!(password));
        assert_warned(&answer, "WARNING: the root password cannot be printed");
        assert!(!answer.stderr.contains(password), "{answer:?}");
    }
    for password in [json!(null), json!("")] {
        let answer = poll_with(json!(password));
        assert_success(&answer);
    }
}

#[test]
fn no_value_can_break_out_of_its_word() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    let evil = "a b\"\nGUEST_IP_ADDRESSES=\"6.6.6.6,\" c=\u{1b}[2J\u{202e}é$(reboot)";
    describe(
        &bench,
        &json!({"id": id, "state": evil, "ip_addresses": [address("147.75.0.11", true)],
        "plan": {"slug": evil, "specs": {"cpus": [{"count": 1}], "memory": {"total": evil}}},
        "facility": {"code": evil}, "metro": {"code": evil}, "operating_system": {"slug": evil, "distro": evil}}),
    );
    let values = values(&poll(&bench, &id));
    assert_eq!(host_name_5_12(&values).as_deref(), Some("147.75.0.11"));
    assert_eq!(values.len(), 11, "{values:?}");
}

#[test]
fn a_machine_that_is_gone_is_said_to_be_gone() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    let parts = ["poll: machine ", UNKNOWN_ID, "host 7 (provision-7)", "is gone", "delete the host and create it anew"];
    assert_failure_with(&poll(&bench, UNKNOWN_ID), &parts);
    assert_eq!(bench.count(Operation::Get), 1);
}

#[test]
fn a_poll_asks_for_the_machine_and_its_traffic_once() {
    let bench = Bench::new();
    let id = deployed(&bench, &HostTemplate::new(7));
    bench.simulator.clear_requests();
    assert_success(&poll(&bench, &id));
    // The last two are asked together, in whatever order they arrive.
    for one in [Operation::HostInfo, Operation::Get, Operation::Bandwidth] {
        assert_eq!(bench.count(one), 1, "{one:?}");
    }
    assert_eq!(bench.simulator.requests().len(), 3);
}
