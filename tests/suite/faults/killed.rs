//! Killed deploys: what one that had no time for a roll-back leaves, the next deploy of the same host finds.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::phase::{PHASES, Phase, deploy_until};
use crate::common::{Bench, assert_failure, assert_failure_with, each, finish, identity, signal, unread_deploy, until};
use nix::sys::signal::Signal;
use simulator::{Effect, Fault, HostTemplate, NewDevice, Operation, Options, PROJECT, State};

const HOST: i32 = 7;

fn kill(mut deploy: Child) {
    signal(&deploy, Signal::SIGKILL);
    deploy.wait().unwrap();
}

/// One where machines take a moment, and are in no listing for longer than a deploy is away.
fn lagging(milliseconds: u64) -> Bench {
    Bench::with(Options {
        provisioning: Duration::from_millis(500)..=Duration::from_millis(500),
        listing_lag: Duration::from_millis(milliseconds),
        ..Options::default()
    })
    .lapsing("300")
}

#[test]
fn a_deploy_that_was_killed_at_any_moment_is_taken_up_by_the_next_one() {
    let cases: Vec<(u64, Phase)> = [0, 2500].into_iter().flat_map(|lag| PHASES.map(|phase| (lag, phase))).collect();
    each(&cases, |(lag, phase)| {
        let bench = lagging(*lag);
        let host = bench.host(&HostTemplate::new(HOST));
        kill(deploy_until(&bench, &host, *phase));
        bench.simulator.clear_faults();
        let left = bench.simulator.devices();
        let answer = host.deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        if let Some(left) = left.first() {
            assert_eq!(answer.stdout, left.id, "adopted");
        }
        bench.assert_books(&[&answer.stdout]);
        assert!(!bench.journal(HOST).exists());
    });
}

#[test]
fn a_deploy_that_was_killed_again_and_again_leaves_one_machine() {
    let bench = Bench::with(Options {
        provisioning: Duration::from_secs(600)..=Duration::from_secs(600),
        listing_lag: Duration::from_millis(1500),
        ..Options::default()
    })
    .lapsing("300");
    let host = bench.host(&HostTemplate::new(HOST));
    for phase in [Phase::OrderCarriedOut, Phase::LookUp, Phase::WaitHanging, Phase::Wait, Phase::LookUpBusy] {
        bench.simulator.clear_requests();
        kill(deploy_until(&bench, &host, phase));
        bench.simulator.clear_faults();
    }
    let id = bench.simulator.devices()[0].id.clone();
    bench.simulator.set_state(&id, State::Active);
    let answer = host.deploy().unwrap();
    assert_eq!(answer.stdout, id, "{answer:?}");
    bench.assert_books(&[&id]);
}

#[test]
fn a_deploy_that_was_killed_while_it_rolled_back_is_taken_up_by_the_next_one() {
    each(&[Effect::Hang, Effect::HangAfter], |effect| {
        let bench = lagging(1500);
        let host = bench.host(&HostTemplate::new(HOST));
        bench.fault(Operation::Delete, effect.clone());
        let deploy = deploy_until(&bench, &host, Phase::Wait);
        signal(&deploy, Signal::SIGTERM);
        bench.until_asked(Operation::Delete, 1);
        kill(deploy);
        let answer = host.deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        bench.assert_books(&[&answer.stdout]);
        assert!(!bench.journal(HOST).exists());
    });
}

#[test]
fn a_deploy_that_ends_before_it_was_told_its_host_tells_what_a_killed_one_left() {
    let bench = lagging(1500);
    let host = bench.host(&HostTemplate::new(HOST));
    kill(deploy_until(&bench, &host, Phase::Wait));
    let id = bench.simulator.devices()[0].id.clone();
    let file = host.write_deployment_file().unwrap();
    // An STDIN that stays open and silent is waited for: in that time the signal comes.
    let mut child = bench.command("deploy", &[&file, "TODO"]).stdin(Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    let status = format!("/proc/{}/status", child.id());
    let has_threads = |text: String| text.lines().any(|line| line == "Threads:\t3");
    until("it listens", || std::fs::read_to_string(&status).is_ok_and(has_threads));
    std::thread::sleep(Duration::from_millis(50));
    signal(&child, Signal::SIGTERM);
    let part = format!("machine {id} may be STILL BILLED");
    assert_failure_with(&finish(child), &["interrupted (SIGTERM) while STDIN was read", &part]);
    let answer = host.deploy().unwrap();
    assert_eq!(answer.stdout, id, "{answer:?}");
    bench.assert_books(&[&id]);
}

#[test]
fn a_deploy_that_was_killed_while_it_handed_the_id_over_is_taken_up_by_the_next_one() {
    let bench = lagging(0);
    let host = bench.host(&HostTemplate::new(HOST));
    let (deploy, reader) = unread_deploy(&bench, &host);
    until("active", || bench.simulator.devices().first().is_some_and(|machine| machine.state == State::Active));
    // The last look has come when no other one does.
    let mut looks = usize::MAX;
    while looks != bench.count(Operation::Get) {
        looks = bench.count(Operation::Get);
        std::thread::sleep(Duration::from_millis(700));
    }
    kill(deploy);
    drop(reader);
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    bench.assert_books(&[&answer.stdout]);
    assert_eq!(bench.count(Operation::Create), 1);
}

#[test]
fn a_noted_machine_that_the_provider_took_back_or_that_is_gone_does_not_stop_the_next_deploy() {
    each(&[403, 404], |status| {
        let bench = lagging(0);
        let host = bench.host(&HostTemplate::new(HOST));
        kill(deploy_until(&bench, &host, Phase::WaitHanging));
        let left = bench.simulator.devices()[0].id.clone();
        let vanish = Effect::Vanish { after: Duration::ZERO, status: *status };
        bench.simulator.fault(Fault::new(Operation::Get, vanish).device(&left));
        bench.assert_books(&[]);
        let answer = host.deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_ne!(answer.stdout, left);
        bench.assert_books(&[&answer.stdout]);
    });
}

#[test]
fn a_noted_machine_beside_another_one_of_the_host_is_an_error_that_names_both() {
    let bench = lagging(60_000);
    let host = bench.host(&HostTemplate::new(HOST));
    kill(deploy_until(&bench, &host, Phase::Wait));
    let noted = bench.simulator.devices()[0].id.clone();
    let other = bench.simulator.add_device(NewDevice::with_tags(PROJECT, [identity(HOST)])).id;
    let listed = Effect::ListingLag(Duration::ZERO);
    bench.simulator.fault(Fault::new(Operation::List, listed).device(&other));
    let first = assert_failure(&host.deploy().unwrap());
    assert!(first.contains(&noted) && first.contains(&other), "{first}");
    assert_eq!(bench.count(Operation::Delete), 0);
    bench.assert_books(&[&noted, &other]);
    // One is deleted by hand, as the message asks for: the other one is adopted.
    let answer = bench.run("cancel", &[&noted, "name", "7", "name"]);
    assert!(answer.is_success(), "{answer:?}");
    let answer = host.deploy().unwrap();
    assert_eq!(answer.stdout, other, "{answer:?}");
    bench.assert_books(&[&other]);
}

#[test]
fn a_noted_machine_is_deleted_where_the_next_deploy_fails_before_it_adopts_it() {
    let bench = lagging(60_000);
    let host = bench.host(&HostTemplate::new(HOST));
    kill(deploy_until(&bench, &host, Phase::Wait));
    bench.fault(Operation::List, Effect::refuse(422, "tag is too long"));
    let first = assert_failure(&host.deploy().unwrap());
    assert!(first.contains("tag is too long"), "{first}");
    assert!(first.contains("was deleted again"), "{first}");
    bench.assert_books(&[]);
    assert!(!bench.journal(HOST).exists());
}

#[test]
fn a_noted_machine_that_cannot_be_reached_is_named() {
    let bench = lagging(0);
    let host = bench.host(&HostTemplate::new(HOST));
    kill(deploy_until(&bench, &host, Phase::Wait));
    let left = bench.simulator.devices()[0].id.clone();
    for status in [401, 403] {
        bench.fault_always(Operation::Api, Effect::status(status));
        let first = assert_failure(&host.deploy().unwrap());
        assert!(first.contains("BILLED"), "{first}");
        assert!(first.contains(&left), "{first}");
        bench.assert_books(&[&left]);
        bench.simulator.clear_faults();
    }
    let answer = host.deploy().unwrap();
    assert_eq!(answer.stdout, left, "{answer:?}");
}

#[test]
fn a_journal_makes_no_strangers_machine_ours() {
    let journals = |stranger: &str| {
        [
            format!("{}\n{stranger}\n", identity(HOST)),
            format!("{}\n{stranger}\n", identity(HOST + 1)),
            format!("{}\n../projects\n", identity(HOST)),
            "\0\n".to_owned(),
        ]
    };
    each(&[0, 1, 2, 3], |which| {
        let bench = lagging(0);
        let tags = ["OpenNebula", "ONE_HOST_ID=7"];
        let new = NewDevice::with_tags(PROJECT, tags);
        let stranger = bench.simulator.add_device(new).id;
        let host = bench.host(&HostTemplate::new(HOST));
        let journal = bench.journal(HOST);
        std::fs::create_dir_all(journal.parent().unwrap()).unwrap();
        std::fs::write(&journal, &journals(&stranger)[*which]).unwrap();
        let answer = host.deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_ne!(answer.stdout, stranger);
        bench.assert_books(&[&stranger, &answer.stdout]);
        assert!(!bench.journal(HOST).exists());
    });
}

#[test]
fn an_order_that_is_carried_out_after_the_kill_is_adopted() {
    let bench = lagging(0);
    let host = bench.host(&HostTemplate::new(HOST));
    bench.fault(Operation::Create, Effect::DelayBeforeEffect(Duration::from_secs(1)));
    let deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::Create, 1);
    kill(deploy);
    // It has not been carried out yet, and will be while the next one looks for it.
    bench.assert_books(&[]);
    let answer = finish(bench.start_deploy(&host));
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(bench.count(Operation::Create), 1);
    bench.assert_books(&[&answer.stdout]);
}
