//! oned and oneprovision against what was recorded of OpenNebula 5.12.

use crate::common::{Answer, Client, fixture, start};
use simulator::{Effect, Fault, HostTemplate, Operation, Options, Service, Simulator};

fn recorded(name: &str) -> String {
    fixture(&format!("opennebula-5.12/{name}"))
}

fn call(simulator: &Simulator, body: &str) -> Answer {
    let mut client = Client::connect(&simulator.oned_url()).expect("oned listens");
    let headers = [("Content-Type", "text/xml; charset=utf-8")];
    client.send("POST", "/RPC2", &headers, body).expect("sent");
    client.receive().expect("answered")
}

fn request(method: &str, params: &str) -> String {
    format!(
        "<?xml version=\"1.0\" ?><methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
    )
}

fn string(text: &str) -> String {
    format!("<param><value><string>{text}</string></value></param>")
}

fn integer(number: i32) -> String {
    format!("<param><value><i4>{number}</i4></value></param>")
}

/// oned with the hosts of the recorded pool.
fn recorded_oned() -> Simulator {
    let simulator = start(Options::default());
    let pool = recorded("hostpool.info.response.xml");
    let pool = pool.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    for host in pool.split("<HOST>").skip(1) {
        let (host, _) = host.split_once("</HOST>").expect("a host ends");
        simulator.oned().add_host(&format!("<HOST>{host}</HOST>")).expect("a host");
    }
    simulator
}

#[test]
fn answers_are_the_recorded_ones_byte_for_byte() {
    let simulator = recorded_oned();
    let info = |session: &str, id: i32| {
        let params = [string(session), integer(id), "<param><value><boolean>0</boolean></value></param>".to_owned()];
        request("one.host.info", &params.concat())
    };
    for (question, answer) in [
        (recorded("host.info-decrypt.request.xml"), "host.info-decrypt.response.xml"),
        (recorded("hostpool.info.request.xml"), "hostpool.info.response.xml"),
        (info("oneadmin:opennebula", 1002), "host.info-encrypted.response.xml"),
        (info("oneadmin:wrong", 1002), "host.info-bad-credentials.response.xml"),
        (info("oneadmin:opennebula", 99), "host.info-no-such-host.response.xml"),
        (request("one.nosuch", ""), "fault.response.xml"),
    ] {
        let answered = call(&simulator, &question);
        assert_eq!(answered.status, 200);
        assert_eq!(answered.header("Content-Type"), Some("text/xml; charset=utf-8"));
        assert_eq!(answered.text(), recorded(answer), "{answer}");
    }
}

#[test]
fn deployment_files_are_the_recorded_ones_byte_for_byte() {
    let simulator = start(Options::default());
    let oned = simulator.oned();
    let create = recorded("deployment-create.xml");
    let id = oned.add_host(&create).expect("a host");
    assert_eq!(oned.deployment_file(id), Some(create));
    oned.set_deploy_id(id, "b9eb1666-1b72-45ee-b529-806b079ce5af").expect("the host");
    oned.rename(id, "147.75.0.13").expect("the host");
    assert_eq!(oned.deployment_file(id), Some(recorded("deployment-resume.xml")));
}

#[test]
fn a_template_makes_a_host_of_the_recorded_kind() {
    let simulator = start(Options::default());
    let oned = simulator.oned();
    let mut template = HostTemplate::new(1002);
    template.name = "provision-ba1435ac1e428dc2e742a0f04dcf84363ef0f5a091870943".to_owned();
    oned.add(&template).expect("a host");
    assert_eq!(oned.deployment_file(1002), Some(recorded("deployment-create.xml")));
}

#[test]
fn version_5_8_knows_no_encryption() {
    let simulator = start(Options { encryption: false, ..Options::default() });
    simulator.oned().add(&HostTemplate::new(1)).expect("a host");
    let params = [string(simulator::SESSION), integer(1)].concat();
    let answer = call(&simulator, &request("one.host.info", &params));
    assert!(answer.text().contains(simulator::TOKEN));
}

#[test]
fn other_tokens_are_encrypted_too() {
    let simulator = start(Options::default());
    simulator.oned().add(&HostTemplate::new(1).with("PACKET_TOKEN", "another")).expect("a host");
    let shown = simulator.oned().host_xml(1, false).expect("the host");
    assert!(!shown.contains("another"), "{shown}");
    assert!(simulator.oned().host_xml(1, true).is_some_and(|xml| xml.contains("another")));
}

#[test]
fn hosts_are_renamed_and_deleted_over_the_wire() {
    let simulator = recorded_oned();
    let session = string(simulator::SESSION);
    let rename = [session.clone(), integer(1), string("other")].concat();
    assert!(call(&simulator, &request("one.host.rename", &rename)).text().contains("<boolean>1</boolean>"));
    assert_eq!(simulator.oned().host_name(1).as_deref(), Some("other"));
    let delete = [session, integer(1)].concat();
    call(&simulator, &request("one.host.delete", &delete));
    assert_eq!(simulator.oned().hosts(), [1002]);
}

#[test]
fn what_is_no_call_is_a_fault() {
    let simulator = start(Options::default());
    for body in ["", "not XML", "<methodCall/>"] {
        let answer = call(&simulator, body);
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("<i4>-503</i4>"), "{}", answer.text());
    }
}

#[test]
fn faults_strike_oned_by_method() {
    let simulator = recorded_oned();
    simulator.fault(Fault::new(Operation::HostInfo, Effect::status(503)));
    let pool = recorded("hostpool.info.request.xml");
    let info = recorded("host.info-decrypt.request.xml");
    assert_eq!(call(&simulator, &pool).status, 200);
    assert_eq!(call(&simulator, &info).status, 503);
    assert_eq!(call(&simulator, &info).status, 200);
    simulator.fault(Fault::new(Operation::Oned, Effect::Garbage));
    assert!(!call(&simulator, &pool).text().starts_with("<?xml"));
    let log = simulator.requests();
    assert!(log.iter().all(|request| request.service == Service::Oned));
    let statuses: Vec<_> = log.iter().filter_map(|request| request.status).collect();
    assert_eq!(statuses, [200, 503, 200, 200]);
}
