//! What is written and read again comes back the same: hosts, calls, and the line of `poll`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::checks;
use pm_packet::action;
use pm_packet::opennebula::host::Host;
use pm_packet::opennebula::xmlrpc::{MethodResponse, Parameter, method_call, method_response};
use pm_packet::provider::Provider;
use pm_packet::provider::machine::{Machine, State, Traffic};
use pm_packet::provider::packet::Packet;
use pm_packet::wire::xml;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use simulator::HostTemplate;
use simulator::oneprovision::{host_name_5_8, host_name_5_12, read_poll};

/// The same cases in every run; `PROPTEST_CASES` asks for more, and `PROPTEST_RNG_SEED` for others.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(7);
    }
    config
}

/// Any text that XML can hold, with what may be mistaken for markup more often than by chance.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        Just("]]>".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("</PROVISION>".to_owned()),
        Just("&amp;&#10;&x;".to_owned()),
        Just("\n\t".to_owned()),
        Just("\"'".to_owned()),
    ];
    let pieces = prop::collection::vec(piece, 0..5);
    pieces.prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    "[A-Z][A-Z0-9_]{0,12}"
        .prop_filter("not a part of the host", |name| !["PROVISION", "CONTEXT"].contains(&name.as_str()))
}

/// `text` as XML has it, either way: OpenNebula uses CDATA, people escape.
fn written(text: &str, as_cdata: bool) -> String {
    if as_cdata {
        format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"))
    } else {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_host_is_what_its_xml_says(
        id in any::<Option<u16>>(),
        attributes in prop::collection::btree_map(name(), (text(), any::<bool>()), 0..8),
        keys in prop::collection::vec("[!-~][ -~]{0,40}[!-~]", 0..4),
    ) {
        let element = |(name, (text, as_cdata)): (&String, &(String, bool))| {
            format!("<{name}>{}</{name}>", written(text, *as_cdata))
        };
        let provision: String = attributes.iter().map(element).collect();
        let id_element = id.map(|id| format!("<ID>{id}</ID>")).unwrap_or_default();
        let keys_element = written(&keys.join("\n"), true);
        let document = format!(
            "<HOST>{id_element}<TEMPLATE><CONTEXT><SSH_PUBLIC_KEY>{keys_element}</SSH_PUBLIC_KEY></CONTEXT>\
             <PROVISION>{provision}</PROVISION></TEMPLATE></HOST>"
        );
        let (host, warnings) = Host::parse(&document).unwrap();
        prop_assert!(warnings.is_empty());
        prop_assert_eq!(host.id.map(|id| id.0), id.map(u32::from));
        prop_assert_eq!(host.ssh_keys(), keys);
        for (name, (text, _)) in &attributes {
            prop_assert_eq!(host.provision(name), Some(text.as_str()));
        }
        let kept = host.sections.get("PROVISION").map_or(0, BTreeMap::len);
        prop_assert_eq!(kept, attributes.len());
    }

    #[test]
    fn a_host_of_oned_is_what_oned_was_told(
        id in 0..i32::MAX,
        attributes in prop::collection::btree_map(name(), text(), 0..6),
    ) {
        let mut template = HostTemplate::new(id);
        // oned puts any value into one CDATA: it cannot tell of one that holds the end of it.
        let printable = attributes.into_iter().map(|(name, text)| (name, text.replace("]]>", "")));
        template.provision.extend(printable);
        let (host, _) = Host::parse(&template.xml()).unwrap();
        prop_assert_eq!(host.id.map(|id| id.0), u32::try_from(id).ok());
        prop_assert_eq!(&host.name, &template.name);
        for (name, text) in &template.provision {
            prop_assert_eq!(host.provision(name), Some(text.as_str()));
        }
    }

    #[test]
    fn a_call_carries_its_parameters(session in text(), id in any::<u32>(), flag in any::<bool>()) {
        let call = method_call(
            "one.host.info",
            &session,
            &[Parameter::Number(id), Parameter::Flag(flag)],
        );
        let mut values = Vec::new();
        let ends = xml::leaves(&call, |path, value| {
            values.push((path.last().cloned().unwrap_or_default(), value.to_owned()));
            Ok(())
        });
        prop_assert!(ends.unwrap().is_empty());
        let value = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let expected = [
            value("methodName", "one.host.info"),
            value("string", &session),
            value("i4", &id.to_string()),
            value("boolean", if flag { "1" } else { "0" }),
        ];
        prop_assert_eq!(values, expected);
    }

    #[test]
    fn an_answer_brings_its_text(text in text(), code in any::<i32>(), as_cdata in any::<bool>()) {
        let answer = |flag: u8, last: &str| {
            format!(
                "<?xml version=\"1.0\"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>\r\n\
                 <value><boolean>{flag}</boolean></value>\r\n<value><string>{}</string></value>\r\n\
                 <value><i4>{last}</i4></value>\r\n</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n",
                written(&text, as_cdata)
            )
        };
        let good = method_response(&answer(1, "0")).unwrap();
        prop_assert_eq!(good, MethodResponse::Good(text.clone()));
        let bad = method_response(&answer(0, &code.to_string())).unwrap();
        let code = Some(code.into());
        prop_assert_eq!(bad, MethodResponse::Bad { message: text, code });
    }

    #[test]
    fn what_poll_prints_is_what_oneprovision_reads(
        addresses in prop::collection::vec(any::<IpAddr>(), 1..5),
        size in any::<Option<(u64, u64)>>(),
        traffic in any::<(u64, u64)>(),
        texts in prop::collection::vec(text(), 5),
    ) {
        const NAMES: [&str; 5] = ["OS", "PLAN", "FACILITY", "METRO", "LOGO"];
        let id = (Packet.spec().id)("b9eb1666-1b72-45ee-b529-806b079ce5af").unwrap();
        let machine = Machine {
            addresses: addresses.clone(),
            size,
            values: NAMES.into_iter().zip(texts.clone()).collect(),
            ..Machine::new(id, State::On, "active")
        };
        let line = action::values(&machine, Traffic { received: traffic.0, sent: traffic.1 });
        let read = read_poll(&format!("{line}\n"));
        let first = Some(addresses[0].to_string());
        prop_assert_eq!(host_name_5_12(&read), first.clone());
        prop_assert_eq!(host_name_5_8(&read), first);
        let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let listed = read["GUEST_IP_ADDRESSES"].trim_matches(['"', ',']).to_owned();
        prop_assert_eq!(listed, all.join(","));
        prop_assert_eq!(read["STATE"].as_str(), "RUNNING");
        let expected = 2 + NAMES.len() + if size.is_some() { 4 } else { 0 };
        prop_assert_eq!(read.len(), expected);
        for (name, text) in NAMES.into_iter().zip(&texts) {
            let value = read[name].trim_matches('"').to_owned();
            prop_assert_eq!(value.chars().count(), text.chars().count());
            for (printed, given) in value.chars().zip(text.chars()) {
                prop_assert!(printed == given || printed == '_');
            }
        }
    }

    #[test]
    fn user_data_and_keys_come_out_as_they_went_in(keys in prop::collection::vec(text(), 0..3), own in text(), first in 0..8_usize) {
        const FIRST: [&str; 8] = ["", "#!/bin/sh\n", "#cloud-config\n", "#include\n", "## template: jinja\n", "#!ipxe\n", "{", "#cloud-boothook\n"];
        checks::user_data(format!("{}\0{}{own}", keys.join("\n").replace('\0', ""), FIRST[first]).as_bytes());
    }
}
