//! The machine of a host, written into oned and taken out again, on each version of it.

use std::time::{Duration, Instant};

use crate::common::{Bench, finish, fixture};
use pm_packet::opennebula::host::HostId;
use pm_packet::opennebula::oned::Oned;
use pm_packet::opennebula::record::RecordError;
use pm_packet::report::frame::{Level, Report};
use pm_packet::system::environment::Environment;
use pm_packet::system::interrupt::Interrupt;
use simulator::{Answer, Effect, HostTemplate, Operation, Options, SESSION, TOKEN, Version};

const ID: &str = "5f1d1b5a-2c1e-4c55-9c0f-1b7f3f0a9d10";
const HOST: HostId = HostId(7);
const VERSIONS: [Version; 3] = [Version::V5_8, Version::V5_10, Version::V5_12];

fn bench_of(opennebula: Version) -> Bench {
    Bench::with(Options { opennebula, ..Options::default() })
}

/// A bench with host 7, whose user data may be mistaken for the host's own markup.
fn bench() -> Bench {
    let bench = bench_of(Version::V5_12);
    let userdata = "#!/bin/sh\necho '<PROVISION><DEPLOY_ID>x</DEPLOY_ID></PROVISION>' & \\\n";
    bench.host(&HostTemplate::new(7).with("USERDATA", userdata).with("EMPTY", ""));
    bench
}

/// oned as the driver finds it on this bench.
fn oned(bench: &Bench) -> Oned {
    let environment: Environment =
        bench.oneprovision.env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Oned::open(&environment, &Interrupt::default(), Report::new(Level::Quiet)).unwrap()
}

fn stored(bench: &Bench) -> Option<String> {
    bench.simulator.oned().provision(7, "DEPLOY_ID")
}

#[test]
fn an_id_is_written_and_taken_out_and_nothing_else_changes() {
    for version in VERSIONS {
        let bench = bench_of(version);
        bench.host(&HostTemplate::new(7).with("USERDATA", "</PROVISION><PROVISION>&\\\n"));
        let before = bench.simulator.oned().host_xml(7, false);
        let oned = oned(&bench);
        oned.record(HOST, Some(ID)).unwrap();
        assert_eq!(stored(&bench).as_deref(), Some(ID), "{version:?}");
        assert_eq!(bench.simulator.oned().provision(7, "PACKET_TOKEN").as_deref(), Some(TOKEN));
        oned.record(HOST, Some("another")).unwrap();
        assert_eq!(stored(&bench).as_deref(), Some("another"));
        oned.record(HOST, None).unwrap();
        assert_eq!(stored(&bench), None);
        assert_eq!(bench.simulator.oned().host_xml(7, false), before, "{version:?}");
        assert_eq!(bench.count(Operation::HostInfo), 3, "nothing is read twice");
        assert_eq!(bench.count(Operation::HostUpdate), 3);
    }
}

#[test]
fn what_oned_was_asked_is_what_was_recorded() {
    let bench = bench_of(Version::V5_12);
    let recorded = fixture("opennebula-5.12/host.info-before-update.response.xml");
    let answer = |body: &str| Effect::Status(Answer::new(200).body(body));
    bench.fault(Operation::HostInfo, answer(&recorded));
    let updated = fixture("opennebula-5.12/host.update.response.xml");
    bench.fault(Operation::HostUpdate, answer(&updated));
    oned(&bench).record(HostId(135), Some(ID)).unwrap();
    let asked: Vec<String> = bench.simulator.requests().into_iter().map(|request| request.body).collect();
    let recorded =
        ["host.info-before-update", "host.update"].map(|name| fixture(&format!("opennebula-5.12/{name}.request.xml")));
    assert_eq!(asked, recorded);
}

#[test]
fn what_would_change_nothing_is_not_sent() {
    let bench = bench();
    let oned = oned(&bench);
    oned.record(HOST, None).unwrap();
    oned.record(HOST, Some(ID)).unwrap();
    oned.record(HOST, Some(ID)).unwrap();
    assert_eq!(bench.count(Operation::HostUpdate), 1);
}

#[test]
fn an_empty_id_is_never_written() {
    let bench = bench();
    for empty in ["", " ", "\n"] {
        let error = oned(&bench).record(HOST, Some(empty)).unwrap_err();
        assert!(matches!(error, RecordError::Other(_)), "{error:?}");
    }
    assert!(bench.simulator.requests().is_empty());
}

#[test]
fn a_host_that_was_deleted_is_told_apart() {
    for version in VERSIONS {
        let bench = bench_of(version);
        let error = oned(&bench).record(HostId(99), Some(ID)).unwrap_err();
        assert!(matches!(&error, RecordError::NoSuchHost(why) if why.contains("[99]")), "{error:?}");
        // Between the look and the update.
        bench.host(&HostTemplate::new(7));
        let gone = fixture("opennebula-5.8/host.update-no-such-host.response.xml");
        bench.fault(Operation::HostUpdate, Effect::Status(Answer::new(200).body(&gone)));
        let error = oned(&bench).record(HOST, Some(ID)).unwrap_err();
        assert!(matches!(error, RecordError::NoSuchHost(_)), "{error:?}");
    }
}

#[test]
fn every_other_refusal_says_what_to_do() {
    for version in VERSIONS {
        let bench = bench_of(version);
        bench.host(&HostTemplate::new(7));
        bench.simulator.oned().reject(SESSION);
        let denied = oned(&bench).record(HOST, Some(ID)).unwrap_err();
        bench.simulator.oned().accept_plain(SESSION);
        let not_allowed = oned(&bench).record(HOST, Some(ID)).unwrap_err();
        let malformed = fixture("opennebula-5.12/host.update-malformed.response.xml");
        bench.fault(Operation::HostUpdate, Effect::Status(Answer::new(200).body(&malformed)));
        let refused = oned(&bench).record(HOST, Some(ID)).unwrap_err();
        for (error, part) in [
            (denied, "check one_auth"),
            (not_allowed, "run it as a user who may administrate the host"),
            (refused, "oned refuses one.host.update"),
        ] {
            assert!(matches!(error, RecordError::Other(_)), "{error:?}");
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(stored(&bench), None);
    }
}

#[test]
fn what_oned_only_says_it_kept_is_not_claimed() {
    let bench = bench();
    let odd = HostTemplate::new(7).with("USERDATA", "a]]>b");
    bench.host(&odd);
    let error = oned(&bench).record(HOST, Some(ID)).unwrap_err();
    assert!(error.to_string().contains("oned did not keep the DEPLOY_ID of host 7"), "{error}");
    assert_eq!(stored(&bench), None);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    for effect in [Effect::status(503), Effect::DropBefore { reset: true }, Effect::DropAfter { reset: false }] {
        let bench = bench();
        bench.fault(Operation::HostInfo, effect.clone());
        bench.fault(Operation::HostUpdate, effect);
        oned(&bench).record(HOST, Some(ID)).unwrap();
        assert_eq!(stored(&bench).as_deref(), Some(ID));
        assert_eq!(bench.count(Operation::HostUpdate), 2);
    }
}

#[test]
fn all_of_it_has_the_time_of_one_call() {
    for operation in [Operation::HostInfo, Operation::HostUpdate] {
        let bench = bench().set("ONE_XMLRPC_TIMEOUT", "1");
        bench.fault_always(operation, Effect::Hang);
        let begin = Instant::now();
        let error = oned(&bench).record(HOST, Some(ID)).unwrap_err();
        assert!(error.to_string().contains("gives no answer"), "{error}");
        assert!(begin.elapsed() < Duration::from_millis(1800), "{:?}", begin.elapsed());
    }
}

#[test]
fn what_is_written_is_what_the_driver_finds() {
    let bench = bench();
    let (host, id) = bench.deployed(8);
    bench.simulator.oned().set_provision(8, "DEPLOY_ID", "").unwrap();
    oned(&bench).record(HostId(8), Some(&id)).unwrap();
    let words = ["list", "--host", "8"];
    let listed = finish(bench.explicit(&words).spawn().unwrap());
    assert!(listed.stdout.contains(&id), "{listed:?}");
    assert!(host.delete().unwrap().is_success());
    bench.assert_books(&[]);
}
