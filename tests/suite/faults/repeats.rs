//! Actions that were done already, in part or in vain: repeating one is a success, and a cancellation waits only for
//! what passes.

use std::time::Duration;

use crate::common::{Bench, UNKNOWN_ID, assert_failure, each, finish, taking};
use simulator::oneprovision::Answer as Answered;
use simulator::{Answer, Effect, Fault, HostTemplate, Operation, Options, State};

const HOST: i32 = 7;

// ---- Idempotence -----------------------------------------------------------------------------------------

#[test]
fn a_cancellation_of_a_machine_that_is_gone_is_a_success() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(HOST);
    for _ in 0..3 {
        let answer = host.cancel().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(answer.stdout, "");
    }
    let answer = bench.run("cancel", &[UNKNOWN_ID, "name", "7", "name"]);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Deleted);
    bench.assert_books(&[]);
}

#[test]
fn a_cancellation_of_a_machine_that_somebody_deletes_already_waits_for_its_end() {
    let bench = Bench::with(Options { deprovisioning: Duration::from_millis(1500), ..Options::default() });
    let (host, id) = bench.deployed(HOST);
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| host.cancel().unwrap());
        bench.until_asked(Operation::Delete, 1);
        (host.cancel().unwrap(), first.join().unwrap())
    });
    for answer in [first, second] {
        assert!(answer.is_success(), "{answer:?}");
    }
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Deleted);
    bench.assert_books(&[]);
}

#[test]
fn what_is_so_already_is_a_success() {
    let bench = Bench::with(taking(150));
    let (host, id) = bench.deployed(HOST);
    let state = |expected: State| {
        assert_eq!(bench.simulator.device(&id).unwrap().state, expected);
    };
    let succeeds = |answer: Answered| {
        assert!(answer.is_success(), "{answer:?}");
    };
    succeeds(host.resume().unwrap());
    state(State::Active);
    for _ in 0..2 {
        succeeds(host.poweroff().unwrap());
        state(State::Inactive);
    }
    succeeds(host.reset().unwrap());
    state(State::Active);
    bench.simulator.set_state(&id, State::Inactive);
    let answer = host.resume().unwrap();
    assert_eq!(answer.stdout, id, "{answer:?}");
    state(State::Active);
    bench.assert_books(&[&id]);
}

#[test]
fn an_action_or_a_deletion_answered_by_a_5xx_after_its_effect_is_repeated_with_success() {
    use Operation::{Delete, PowerOff, PowerOn, Reboot};
    let mut cases = Vec::new();
    // Over at once, in the middle of the repetitions, and after them.
    for milliseconds in [15, 400, 1200] {
        for times in [1, 2] {
            for on in [PowerOff, PowerOn, Reboot, Delete] {
                // A reboot that is over before anybody looks waits for its grace period.
                if on != Reboot || milliseconds > 15 {
                    cases.push((milliseconds, times, on));
                }
            }
        }
    }
    each(&cases, |(milliseconds, times, on)| {
        let bench = Bench::with(Options {
            deprovisioning: Duration::from_millis(*milliseconds),
            provisioning: Duration::from_millis(20)..=Duration::from_millis(20),
            ..taking(*milliseconds)
        });
        let (host, id) = bench.deployed(HOST);
        if *on == PowerOn {
            bench.simulator.set_state(&id, State::Inactive);
        }
        let effect = Effect::status_after(503);
        bench.simulator.fault(Fault::new(*on, effect).times(*times));
        let (answer, state) = match on {
            PowerOff => (host.poweroff(), State::Inactive),
            Delete => (host.cancel(), State::Deleted),
            PowerOn => (host.resume(), State::Active),
            _ => (host.reboot(), State::Active),
        };
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(bench.simulator.device(&id).unwrap().state, state);
        let left: &[&str] = if *on == Delete { &[] } else { &[&id] };
        bench.assert_books(left);
    });
}

#[test]
fn an_action_that_met_the_state_before_it_changed_is_sent_again() {
    let cases = [
        (Operation::PowerOn, "Device must be powered off"),
        (Operation::PowerOff, "Device must be powered on"),
        (Operation::Reboot, "Device must be powered on"),
    ];
    each(&cases, |(on, reason)| {
        let bench = Bench::with(taking(300));
        let (host, id) = bench.deployed(HOST);
        if *on == Operation::PowerOn {
            bench.simulator.set_state(&id, State::Inactive);
        }
        bench.fault(*on, Effect::refuse(422, reason));
        let answer = match on {
            Operation::PowerOn => host.resume(),
            Operation::PowerOff => host.poweroff(),
            _ => host.reboot(),
        };
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(bench.count(*on), 2);
    });
}

#[test]
fn a_reboot_of_a_machine_that_is_off_is_said_at_once() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(HOST);
    bench.simulator.set_state(&id, State::Inactive);
    let answer = host.reboot().unwrap();
    let first = assert_failure(&answer);
    assert!(first.contains("must be powered on"), "{first}");
    assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Inactive);
}

// ---- Cancel ----------------------------------------------------------------------------------------------

#[test]
fn a_cancellation_waits_out_while_it_is_provisioning() {
    let bench = Bench::with(Options { refuse_delete_while_provisioning: true, ..taking(2500) });
    let host = bench.host(&HostTemplate::new(HOST));
    // A machine whose deploy was killed, and that is then cancelled by hand.
    let mut deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::Get, 1);
    deploy.kill().unwrap();
    deploy.wait().unwrap();
    let id = bench.simulator.devices()[0].id.clone();
    let answer = finish(bench.start("cancel", &[&id, "name", "7", "name"]));
    assert!(answer.is_success(), "{answer:?}");
    assert!(bench.count(Operation::Delete) > 1);
    bench.assert_books(&[]);
}

#[test]
fn a_cancellation_waits_for_a_refusal_to_pass_no_longer_than_its_deadline() {
    const REASON: &str = "Cannot delete a device while it is provisioning";
    each(&[State::Active, State::Provisioning], |state| {
        let (bench, id) = Bench::deployed_with_deadline("2");
        bench.simulator.set_state(&id, state.clone());
        bench.fault_always(Operation::Delete, Effect::refuse(422, REASON));
        let answer = bench.run("cancel", &[&id, "name", "7", "name"]);
        let first = assert_failure(&answer);
        assert!(first.contains("no time left"), "{first}");
        assert!(bench.count(Operation::Delete) > 1, "{first}");
        assert!(answer.elapsed < Duration::from_secs(15), "{answer:?}");
        bench.assert_books(&[&id]);
    });
}

#[test]
fn a_cancellation_says_locked_at_once() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(HOST);
    bench.simulator.fault(Fault::new(Operation::Delete, Effect::Locked).device(&id));
    let answer = host.cancel().unwrap();
    let first = assert_failure(&answer);
    assert!(first.contains("locked") && first.contains(&id), "{first}");
    assert_eq!(bench.count(Operation::Delete), 1);
    assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
    bench.assert_books(&[&id]);
}

#[test]
fn a_cancellation_takes_a_machine_in_any_state() {
    let states = [
        State::Queued,
        State::Inactive,
        State::Failed,
        State::PoweringOff,
        State::Reinstalling,
        State::Other("unheard_of".to_owned()),
    ];
    each(&states, |state| {
        let bench = Bench::new();
        let (host, id) = bench.deployed(HOST);
        bench.simulator.set_state(&id, state.clone());
        let answer = host.cancel().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        bench.assert_books(&[]);
    });
}

#[test]
fn a_cancellation_that_does_not_come_to_its_end_is_a_failure() {
    let (bench, id) = Bench::deployed_with_deadline("1");
    // Accepted, and nothing comes of it.
    bench.fault(Operation::Delete, Effect::Status(Answer::new(204)));
    let first = assert_failure(&bench.run("cancel", &[&id, "name", "7", "name"]));
    assert!(first.contains("not gone"), "{first}");
    bench.assert_books(&[&id]);
}
