//! What a driver writes into oned, and what the versions of OpenNebula differ in, against what was recorded of them.

use crate::common::{Answer, Client, fixture, start};
use simulator::{
    ENCRYPTED_TOKEN_5_8, Effect, Fault, HostTemplate, ONE_KEY, Operation, Options, SESSION, Simulator, TOKEN, Version,
};

fn call(simulator: &Simulator, body: &str) -> Answer {
    let mut client = Client::connect(&simulator.oned_url()).expect("oned listens");
    let headers = [("Content-Type", "text/xml; charset=utf-8")];
    client.send("POST", "/RPC2", &headers, body).expect("sent");
    client.receive().expect("answered")
}

fn recorded(version: &str, name: &str) -> String {
    fixture(&format!("opennebula-{version}/{name}.xml"))
}

/// The text of a recorded answer.
fn text(answer: &str) -> String {
    let (_, text) = answer.split_once("<string>").expect("a text");
    let (text, _) = text.split_once("</string>").expect("a text");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn oned(version: Version) -> Simulator {
    let simulator = start(Options { opennebula: version, ..Options::default() });
    simulator.oned().know_token(TOKEN, ENCRYPTED_TOKEN_5_8);
    simulator.oned().accept_plain("plain:opennebula");
    simulator
}

/// An update of the host with this template, as XML.
fn update(id: i32, template: &str, mode: u8) -> String {
    let template = template.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" ?><methodCall><methodName>one.host.update</methodName><params><param><value><string>{SESSION}\
         </string></value></param><param><value><i4>{id}</i4></value></param><param><value><string>{template}</string></value>\
         </param><param><value><i4>{mode}</i4></value></param></params></methodCall>"
    )
}

fn assert_answers(version: &str, simulator: &Simulator, pairs: &[(&str, &str)]) {
    for (question, answer) in pairs {
        let answered = call(simulator, &recorded(version, question));
        assert_eq!(answered.text(), recorded(version, answer), "{version}: {answer}");
    }
}

#[test]
fn updates_are_answered_and_kept_as_recorded_byte_for_byte() {
    for (number, version, before, id) in
        [("5.12", Version::V5_12, "host.info-before-update", 135), ("5.8", Version::V5_8, "host.info", 19)]
    {
        let simulator = oned(version);
        let (question, known) = (format!("{before}.request"), format!("{before}.response"));
        let added = simulator.oned().add_host(&text(&recorded(number, &known)));
        assert_eq!(added.expect("a host"), id);
        assert_answers(
            number,
            &simulator,
            &[
                (&question, &known),
                ("host.update-not-authorized.request", "host.update-not-authorized.response"),
                ("host.update-no-such-host.request", "host.update-no-such-host.response"),
                (&question, &known),
                ("host.update.request", "host.update.response"),
                (&question, "host.info-after-update.response"),
                ("host.update.request", "host.update.response"),
                (&question, "host.info-after-update.response"),
                ("host.update-remove.request", "host.update-remove.response"),
                (&question, &known),
                ("system.version.request", "system.version.response"),
            ],
        );
        assert_eq!(simulator.oned().provision(id, "PACKET_TOKEN").as_deref(), Some(TOKEN));
        let stranger = recorded(number, "host.update.request").replace(SESSION, "oneadmin:wrong");
        assert_eq!(call(&simulator, &stranger).text(), recorded(number, "host.update-bad-credentials.response"));
        for malformed in ["<TEMPLATE><PROVISION>", "A = \"b\""] {
            assert_eq!(
                call(&simulator, &update(id, malformed, 1)).text(),
                recorded(number, "host.update-malformed.response")
            );
        }
    }
}

#[test]
fn the_pool_and_the_key_of_5_8_are_the_recorded_ones() {
    let simulator = oned(Version::V5_8);
    let pool = text(&recorded("5.8", "hostpool.info-3-hosts.response"));
    for host in pool.split("<HOST>").skip(1) {
        let (host, _) = host.split_once("</HOST>").expect("a host ends");
        simulator.oned().add_host(&format!("<HOST>{host}</HOST>")).expect("a host");
    }
    assert_answers(
        "5.8",
        &simulator,
        &[
            ("hostpool.info-3-hosts.request", "hostpool.info-3-hosts.response"),
            ("system.config.request", "system.config.response"),
        ],
    );
    assert!(recorded("5.8", "system.config.response").contains(ONE_KEY));
    let plain = recorded("5.8", "system.config.request").replace(SESSION, "plain:opennebula");
    let refused = recorded("5.8", "system.config-not-authorized.response");
    assert_eq!(call(&simulator, &plain).text(), refused);
}

#[test]
fn the_file_of_5_8_is_the_recorded_one_and_decrypt_changes_nothing() {
    let simulator = oned(Version::V5_8);
    let create = recorded("5.8", "deployment-create");
    let id = simulator.oned().add_host(&create).expect("a host");
    assert_eq!(simulator.oned().deployment_file(id), Some(create));
    let shown = simulator.oned().host_xml(id, true);
    assert_eq!(shown, simulator.oned().host_xml(id, false));
    assert!(shown.is_some_and(|xml| xml.contains(ENCRYPTED_TOKEN_5_8)));
}

#[test]
fn versions_say_which_they_are_and_only_5_8_leaves_secrets_encrypted() {
    for (version, number) in [(Version::V5_8, "5.8.5"), (Version::V5_10, "5.10.5"), (Version::V5_12, "5.12.0.4")] {
        let simulator = oned(version);
        simulator.oned().add(&HostTemplate::new(7)).expect("a host");
        let answer = call(&simulator, &recorded("5.12", "system.version.request"));
        assert_eq!(text(&answer.text()), number);
        let clear = simulator.oned().host_xml(7, true).expect("the host").contains(TOKEN);
        assert_eq!(clear, version != Version::V5_8);
        assert!(!simulator.oned().host_xml(7, false).expect("the host").contains(TOKEN));
    }
}

#[test]
fn an_append_replaces_one_section_whole_and_keeps_the_others() {
    let simulator = oned(Version::V5_12);
    let oned = simulator.oned();
    oned.add(&HostTemplate::new(7).with("PACKET_TOKEN", "another")).expect("a host");
    let sealed = oned.host_xml(7, false).expect("the host");
    let (_, sealed) = sealed.split_once("<PACKET_TOKEN><![CDATA[").expect("a token");
    let (sealed, _) = sealed.split_once("]]>").expect("a token");
    let template = format!(
        "<TEMPLATE><PROVISION><PLAN>new</PLAN><PACKET_TOKEN><![CDATA[{sealed}]]></PACKET_TOKEN><EMPTY/></PROVISION></TEMPLATE>"
    );
    assert!(call(&simulator, &update(7, &template, 1)).text().contains("<boolean>1</boolean>"));
    assert_eq!(oned.provision(7, "PLAN").as_deref(), Some("new"));
    assert_eq!(oned.provision(7, "PACKET_TOKEN").as_deref(), Some("another"));
    assert_eq!(oned.provision(7, "EMPTY").as_deref(), Some(""));
    assert_eq!(oned.provision(7, "OS"), None, "the section is replaced whole");
    assert_eq!(oned.pm_mad(7).as_deref(), Some("packet"), "and no other");
    call(&simulator, &update(7, "<TEMPLATE><A>1</A></TEMPLATE>", 0));
    assert_eq!(oned.pm_mad(7), None, "unless all is replaced");
}

#[test]
fn the_end_of_a_cdata_section_is_answered_with_success_and_not_kept() {
    let simulator = oned(Version::V5_12);
    simulator.oned().add(&HostTemplate::new(7)).expect("a host");
    for value in ["<![CDATA[a]]>b]]>", "<![CDATA[a]]]]><![CDATA[>b]]>"] {
        let template =
            format!("<TEMPLATE><PROVISION><PLAN><![CDATA[new]]></PLAN><X>{value}</X></PROVISION></TEMPLATE>");
        assert!(call(&simulator, &update(7, &template, 1)).text().contains("<boolean>1</boolean>"));
        assert_eq!(simulator.oned().provision(7, "PLAN").as_deref(), Some("baremetal_0"));
    }
}

#[test]
fn faults_strike_updates_versions_and_settings_by_name() {
    let simulator = oned(Version::V5_8);
    simulator.oned().add(&HostTemplate::new(19)).expect("a host");
    for (operation, question) in [
        (Operation::HostUpdate, "host.update.request"),
        (Operation::SystemVersion, "system.version.request"),
        (Operation::SystemConfig, "system.config.request"),
    ] {
        let question = recorded("5.8", question);
        for struck in [operation, Operation::Oned] {
            simulator.fault(Fault::new(struck, Effect::status(503)));
            assert_eq!(call(&simulator, &question).status, 503, "{operation:?}");
            assert_eq!(call(&simulator, &question).status, 200, "{operation:?}");
        }
        let log = simulator.requests();
        assert_eq!(log.iter().filter(|one| one.operation == operation).count(), 4);
        simulator.fault(Fault::new(Operation::Api, Effect::status(503)));
        assert_eq!(call(&simulator, &question).status, 200, "it is not the API");
        simulator.clear_faults();
    }
}
