//! OpenNebula 5.8: oneprovision encrypts the token itself, and oned does not decrypt it.

use std::fs;

use crate::common;
use crate::common::{Bench, assert_failure_with, assert_success, fixture};
use simulator::{
    ENCRYPTED_TOKEN_5_8, Effect, HostTemplate, ONE_KEY, Operation, Options, SESSION, Service, TOKEN, Version,
};

fn bench_of(opennebula: Version) -> Bench {
    Bench::with(Options { opennebula, ..common::taking(50) })
}

fn bench() -> Bench {
    bench_of(Version::V5_8)
}

/// How often each of the three questions was asked: for a host, the version, the key.
fn asked(bench: &Bench) -> [usize; 3] {
    [Operation::HostInfo, Operation::SystemVersion, Operation::SystemConfig].map(|operation| bench.count(operation))
}

fn assert_only_the_clear_token_was_sent(bench: &Bench) {
    let requests = bench.simulator.requests();
    let to_api: Vec<_> = requests.iter().filter(|one| one.service == Service::Api).collect();
    assert!(!to_api.is_empty());
    assert!(to_api.iter().all(|one| one.header("X-Auth-Token") == Some(TOKEN)));
}

#[test]
fn every_action_works_with_an_encrypted_token() {
    let bench = bench();
    let host = bench.host(&HostTemplate::new(7));
    let file = host.write_deployment_file().unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains(ENCRYPTED_TOKEN_5_8));
    assert_success(&host.deploy().unwrap());
    let (answer, _) = host.poll().unwrap();
    assert_success(&answer);
    let name = bench.simulator.oned().host_name(7).unwrap();
    assert!(name.parse::<std::net::IpAddr>().is_ok(), "{name}");
    for answer in [
        host.reboot(),
        host.reset(),
        host.poweroff(),
        host.resume(),
        host.poll().map(|(answer, _)| answer),
        host.delete(),
    ] {
        assert_success(&answer.unwrap());
    }
    bench.assert_books(&[]);
    assert_only_the_clear_token_was_sent(&bench);
    // A deploy looks at the host twice more, for the record of its machine.
    assert_eq!(asked(&bench), [10, 8, 8], "each of the eight asks for each once");
}

#[test]
fn the_key_is_asked_for_as_recorded() {
    let bench = bench().with_host_7();
    assert_success(&bench.run("cancel", &[common::UNKNOWN_ID, "name", "7", "name"]));
    let requests = bench.simulator.requests();
    let body = |operation| requests.iter().find(|one| one.operation == operation).map(|one| one.body.clone());
    for (operation, name) in [(Operation::SystemVersion, "system.version"), (Operation::SystemConfig, "system.config")]
    {
        let recorded = fixture(&format!("opennebula-5.8/{name}.request.xml"));
        assert_eq!(body(operation), Some(recorded));
    }
}

#[test]
fn the_hosts_of_ec2_are_decrypted_too() {
    let server = simulator::ec2::Ec2::start(simulator::ec2::Ec2Options::default()).unwrap();
    let bench = bench().set("EC2_API_URL", &server.url());
    let host = bench.host(&HostTemplate::ec2(7));
    let answer = host.deploy().unwrap();
    assert_success(&answer);
    assert_success(&host.delete().unwrap());
}

#[test]
fn nobody_is_asked_for_a_key_where_nothing_is_encrypted_with_it() {
    // A later oned decrypts, and its answer has not the form of something encrypted.
    for version in [Version::V5_10, Version::V5_12] {
        let bench = bench_of(version);
        assert_success(&bench.deploy(7));
        assert_eq!(asked(&bench), [3, 0, 0], "{version:?}");
    }
    // A token that only looks so: the version is asked, and that is all.
    let odd = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let bench = bench_of(Version::V5_12);
    bench.simulator.add_token(odd, &[simulator::PROJECT]);
    let host = bench.host(&HostTemplate::new(7).with("PACKET_TOKEN", odd));
    assert_success(&host.deploy().unwrap());
    assert_eq!(asked(&bench), [3, 1, 0]);
    // One that somebody wrote into a 5.8 in the clear.
    let bench = Bench::with(Options { opennebula: Version::V5_8, encryption: false, ..Options::default() });
    assert_success(&bench.deploy(7));
    assert_eq!(asked(&bench), [3, 0, 0]);
    // The same, looking encrypted: what does not come out clear is left as it is.
    bench.simulator.add_token(odd, &[simulator::PROJECT]);
    let host = bench.host(&HostTemplate::new(8).with("PACKET_TOKEN", odd));
    assert_success(&host.deploy().unwrap());
    assert_eq!(asked(&bench), [6, 1, 1]);
}

#[test]
fn who_is_not_told_the_key_is_told_whom_to_run_it_as() {
    let bench = bench().with_host_7();
    bench.simulator.oned().reject(SESSION);
    bench.simulator.oned().accept_plain(SESSION);
    let answer = bench.run("poll", &[common::UNKNOWN_ID, "name", "7", "name"]);
    assert_failure_with(
        &answer,
        &[
            "oned does not tell ONE_KEY",
            "The oned configuration can only be retrieved by users in the oneadmin group.",
            ": run it as oneadmin, or as a user whose primary group is oneadmin",
        ],
    );
    assert_eq!(bench.count_of(Service::Api), 0);
    // With the token in the environment nobody needs the key.
    let bench = bench.set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", simulator::PROJECT);
    let answer = bench.run("cancel", &[common::UNKNOWN_ID, "name", "7", "name"]);
    assert!(answer.is_success(), "{answer:?}");
    assert!(answer.stderr.contains("using the credentials of the environment"), "{answer:?}");
}

#[test]
fn a_oned_without_a_usable_key_is_named() {
    let config = fixture("opennebula-5.8/system.config.response.xml");
    let none = config.replace("ONE_KEY", "NO_KEY");
    let short = config.replace(ONE_KEY, "0123456789abcdef");
    let broken = config.replace("&lt;/ONE_KEY&gt;", "");
    for (body, part) in [
        (none, "tells no ONE_KEY"),
        (short, "ONE_KEY of oned has not the 32 characters of a key"),
        (broken, "tells no ONE_KEY"),
    ] {
        let bench = bench().with_host_7();
        let effect = Effect::Status(simulator::Answer::new(200).body(&body));
        bench.fault(Operation::SystemConfig, effect);
        let answer = bench.run("poll", &[common::UNKNOWN_ID, "name", "7", "name"]);
        assert_failure_with(&answer, &[part, "see /var/lib/one/.one/one_key"]);
        assert!(!answer.stderr.contains("0123456789abcdef"), "{answer:?}");
    }
}

#[test]
fn a_oned_that_answers_neither_question_is_named() {
    for operation in [Operation::SystemVersion, Operation::SystemConfig] {
        let bench = bench().with_host_7().set("ONE_XMLRPC_TIMEOUT", "1");
        bench.fault_always(operation, Effect::Hang);
        let answer = bench.run("poll", &[common::UNKNOWN_ID, "name", "7", "name"]);
        assert_failure_with(&answer, &["oned at", "gives no answer"]);
    }
}
