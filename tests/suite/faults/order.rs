//! Orders: whose machine is whose, and what became of an order whose answer was lost.

use std::time::Duration;

use crate::common::{Bench, assert_failure, each, finish, identity, signal};
use nix::sys::signal::Signal;
use simulator::{Answer, Effect, Fault, HostTemplate, NewDevice, Operation, Options, PROJECT, Simulator, State};

const HOST: i32 = 7;

/// A machine that somebody ordered with these tags.
fn machine(simulator: &Simulator, tags: &[&str]) -> String {
    simulator.add_device(NewDevice::with_tags(PROJECT, tags.iter().copied())).id
}

fn lagging(milliseconds: u64) -> Options {
    Options { listing_lag: Duration::from_millis(milliseconds), ..Options::default() }
}

// ---- Identity --------------------------------------------------------------------------------------------

#[test]
fn an_order_carries_tags_that_no_other_host_of_any_opennebula_has() {
    let bench = Bench::new();
    let name = |digits: &str| format!("provision-{}", digits.repeat(12));
    let mut named = HostTemplate::new(HOST).without("PROVISION_ID");
    named.name = name("0a1b");
    let mut renamed = named.clone();
    renamed.name = name("c2d3");
    // The same host id each time but once, as it repeats across installations.
    let hosts = [
        HostTemplate::new(HOST),
        HostTemplate::new(HOST).with("PROVISION_ID", "another"),
        HostTemplate::new(HOST + 1),
        named,
        renamed,
    ];
    let mut own_tags = Vec::new();
    for template in &hosts {
        let answer = bench.host(template).deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        let machine = bench.simulator.device(&answer.stdout).unwrap();
        let [stock, host, own] = &machine.tags[..] else { panic!("{:?}", machine.tags) };
        assert_eq!(stock, "OpenNebula");
        assert_eq!(*host, format!("ONE_HOST_ID={}", template.id));
        match template.provision.get("PROVISION_ID") {
            Some(provision) => assert!(own.contains(provision), "{own}"),
            None => assert!(own.contains(&template.name), "{own}"),
        }
        own_tags.push(own.clone());
    }
    own_tags.sort();
    own_tags.dedup();
    assert_eq!(own_tags.len(), hosts.len(), "{own_tags:?}");
    assert_eq!(bench.simulator.devices().len(), hosts.len());
}

#[test]
fn the_tags_of_the_user_are_sent_beside_ours() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(HOST).with("TAGS", "edge, rack-4"));
    let answer = host.deploy().unwrap();
    let machine = bench.simulator.device(&answer.stdout).unwrap();
    for tag in ["edge", "rack-4", "OpenNebula", &identity(HOST)] {
        assert!(machine.tags.iter().any(|own| own == tag), "{:?}", machine.tags);
    }
}

#[test]
fn before_an_order_one_looks_by_tag_and_orders_once_if_there_is_none() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(HOST));
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    bench.assert_books(&[&answer.stdout]);
    let asked: Vec<_> = bench
        .simulator
        .requests()
        .into_iter()
        .filter(|request| matches!(request.operation, Operation::List | Operation::Create))
        .collect();
    // Before the hand-over one looks again: something in between may have repeated the order.
    let [list, order, again] = &asked[..] else { panic!("{asked:?}") };
    let operations = [list.operation, order.operation, again.operation];
    assert_eq!(operations, [Operation::List, Operation::Create, Operation::List]);
    let tag = identity(HOST).replace('=', "%3D").replace(':', "%3A");
    assert!(list.path.contains(&format!("tag={tag}&")), "{}", list.path);
    assert!(!bench.journal(HOST).exists());
}

#[test]
fn the_one_machine_of_the_host_is_adopted_whatever_it_does() {
    let states = [None, Some(State::Active), Some(State::Inactive), Some(State::PoweringOn)];
    each(&states, |state| {
        let bench = Bench::new();
        let id = machine(&bench.simulator, &["OpenNebula", &identity(HOST)]);
        if let Some(state) = state {
            bench.simulator.set_state(&id, state.clone());
        }
        if *state == Some(State::PoweringOn) {
            let simulator = &bench.simulator;
            std::thread::scope(|scope| {
                let deploy = scope.spawn(|| bench.host(&HostTemplate::new(HOST)).deploy());
                bench.until_asked(Operation::Get, 1);
                simulator.set_state(&id, State::Active);
                assert_eq!(deploy.join().unwrap().unwrap().stdout, id);
            });
        } else {
            let answer = bench.deploy(HOST);
            assert!(answer.is_success(), "{answer:?}");
            assert_eq!(answer.stdout, id);
        }
        assert_eq!(bench.simulator.device(&id).unwrap().state, State::Active);
        assert_eq!(bench.count(Operation::Create), 0);
        assert_eq!(bench.count(Operation::Delete), 0);
        bench.assert_books(&[&id]);
    });
}

#[test]
fn several_machines_on_several_pages_are_an_error_that_names_them() {
    let bench = Bench::new();
    let mut ids: Vec<String> = (0..130).map(|_| machine(&bench.simulator, &["OpenNebula", &identity(HOST)])).collect();
    let first = assert_failure(&bench.deploy(HOST));
    for id in &ids {
        assert!(first.contains(id), "{id} is not in {first}");
    }
    assert!(first.contains("130 machines"), "{first}");
    assert_eq!(bench.count(Operation::List), 2, "two pages");
    assert_eq!(bench.count(Operation::Create), 0);
    assert_eq!(bench.count(Operation::Delete), 0);
    ids.sort();
    bench.assert_books(&ids.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_machine_that_is_being_deleted_is_not_adopted() {
    let bench = Bench::new();
    let old = machine(&bench.simulator, &["OpenNebula", &identity(HOST)]);
    bench.simulator.set_state(&old, State::Deprovisioning);
    let answer = bench.deploy(HOST);
    assert!(answer.is_success(), "{answer:?}");
    assert_ne!(answer.stdout, old);
    bench.assert_books(&[&old, &answer.stdout]);
}

#[test]
fn an_adopted_machine_that_failed_is_deleted_and_the_retry_orders_anew() {
    let bench = Bench::new();
    let failed = machine(&bench.simulator, &["OpenNebula", &identity(HOST)]);
    bench.simulator.set_state(&failed, State::Failed);
    let host = bench.host(&HostTemplate::new(HOST));
    let first = assert_failure(&host.deploy().unwrap());
    assert!(first.contains(&failed) && first.contains("failed"), "{first}");
    bench.assert_books(&[]);
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    bench.assert_books(&[&answer.stdout]);
}

#[test]
fn an_adopted_machine_that_vanishes_is_not_waited_for() {
    each(&[404, 403], |status| {
        let bench = Bench::new();
        let id = machine(&bench.simulator, &["OpenNebula", &identity(HOST)]);
        bench.simulator.set_state(&id, State::Provisioning);
        let vanish = Effect::Vanish { after: bench.simulator.now() + Duration::from_millis(1500), status: *status };
        bench.simulator.fault(Fault::new(Operation::Get, vanish).device(&id));
        let answer = bench.deploy(HOST);
        let first = assert_failure(&answer);
        assert!(!first.contains("STILL BILLED"), "{first}");
        assert!(first.contains(&id), "{first}");
        assert!(answer.elapsed < Duration::from_secs(8), "{answer:?}");
    });
}

#[test]
fn an_adopted_machine_that_only_the_listing_still_has_is_waited_for_until_it_had_the_time_to_appear() {
    let bench = Bench::new().lapsing("300");
    let id = machine(&bench.simulator, &["OpenNebula", &identity(HOST)]);
    bench.simulator.set_state(&id, State::Provisioning);
    for on in [Operation::Get, Operation::Delete] {
        let fault = Fault::new(on, Effect::status(404));
        bench.simulator.fault(fault.forever());
    }
    let answer = bench.deploy(HOST);
    let first = assert_failure(&answer);
    assert!(first.contains("is gone"), "{first}");
    assert!(answer.elapsed < Duration::from_secs(8), "{answer:?}");
}

#[test]
fn a_strangers_machine_is_never_adopted_changed_or_deleted() {
    let bench = Bench::new().lapsing("300");
    let longer = identity(HOST * 10);
    let around = format!("x{}x", identity(HOST));
    let strangers: Vec<String> = [
        &["OpenNebula", "ONE_HOST_ID=7"][..],
        &["OpenNebula", "ONE_HOST_ID=7", &longer],
        &["OpenNebula", "ONE_HOST_ID=7", &around],
        &["OpenNebula", "ONE_HOST_ID=7", "ONE_PROVISION_HOST=another:7"],
        &[],
    ]
    .iter()
    .map(|tags| machine(&bench.simulator, tags))
    .collect();
    for id in &strangers {
        bench.simulator.set_state(id, State::Inactive);
    }
    let host = bench.host(&HostTemplate::new(HOST));
    // A roll-back, one after a lost order, a life, and a cancellation.
    bench.fault(Operation::Create, Effect::FailProvisioning);
    assert_failure(&host.deploy().unwrap());
    bench.fault(Operation::Create, Effect::DropAfter { reset: true });
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    let cancelled = host.cancel().unwrap();
    assert!(cancelled.is_success(), "{cancelled:?}");
    bench.assert_books(&strangers.iter().map(String::as_str).collect::<Vec<_>>());
    for id in &strangers {
        assert_eq!(bench.simulator.device(id).unwrap().state, State::Inactive);
    }
    let requests = bench.simulator.requests();
    let touched = requests.iter().filter_map(|request| request.device.as_ref()).find(|id| strangers.contains(id));
    assert_eq!(touched, None);
}

#[test]
fn a_listing_that_ignores_the_filter_makes_nobody_elses_machine_ours() {
    let bench = Bench::new();
    let stranger = machine(&bench.simulator, &["OpenNebula", "ONE_HOST_ID=7"]);
    let body = format!(
        r#"{{"devices": [{{"id": "{stranger}", "state": "active", "tags": ["OpenNebula", "ONE_HOST_ID=7"]}}], "meta": {{"next": null}}}}"#
    );
    bench.fault_always(Operation::List, Effect::Status(Answer::new(200).body(&body)));
    let answer = bench.deploy(HOST);
    assert!(answer.is_success(), "{answer:?}");
    assert_ne!(answer.stdout, stranger);
    bench.assert_books(&[&stranger, &answer.stdout]);
}

// ---- Orders without an answer ----------------------------------------------------------------------------

/// What may happen to an order, and whether it is carried out all the same.
fn lost_answers() -> Vec<(Effect, bool)> {
    let body = |body: &str| Answer::new(201).body(body);
    vec![
        (Effect::DropBefore { reset: false }, false),
        (Effect::DropBefore { reset: true }, false),
        (Effect::status(500), false),
        (Effect::Html5xx(502), false),
        (Effect::Html5xx(503), false),
        (Effect::status(408), false),
        (Effect::Status(body("<html>hello</html>")), false),
        (Effect::Status(body("{}")), false),
        (Effect::Status(Answer::new(204)), false),
        (Effect::DropAfter { reset: false }, true),
        (Effect::DropAfter { reset: true }, true),
        (Effect::status_after(500), true),
        (Effect::status_after(502), true),
        (Effect::status_after(504), true),
        (Effect::status_after(408), true),
        (Effect::Truncate, true),
        (Effect::Garbage, true),
        (Effect::Endless, true),
        (Effect::StatusAfter(body(r#"{"id": "../projects"}"#)), true),
    ]
}

#[test]
fn an_order_without_an_answer_is_adopted_or_ordered_again_even_where_the_listing_lags() {
    let cases: Vec<(u64, Effect, bool)> = [0, 2500]
        .into_iter()
        .flat_map(|lag| lost_answers().into_iter().map(move |(effect, done)| (lag, effect, done)))
        .collect();
    each(&cases, |(lag, effect, is_carried_out)| {
        let bench = Bench::with(lagging(*lag)).lapsing("300");
        bench.fault(Operation::Create, effect.clone());
        let answer = bench.deploy(HOST);
        assert!(answer.is_success(), "{answer:?}");
        bench.assert_books(&[&answer.stdout]);
        assert_eq!(bench.count(Operation::Create), if *is_carried_out { 1 } else { 2 });
        assert!(!bench.journal(HOST).exists());
    });
}

#[test]
fn two_lost_orders_in_a_row_make_one_machine() {
    let firsts = [Effect::DropBefore { reset: true }, Effect::DropAfter { reset: true }];
    each(&firsts, |first| {
        let bench = Bench::with(lagging(300)).lapsing("400");
        for effect in [first.clone(), Effect::status_after(503)] {
            bench.fault(Operation::Create, effect);
        }
        let answer = bench.deploy(HOST);
        assert!(answer.is_success(), "{answer:?}");
        bench.assert_books(&[&answer.stdout]);
    });
}

#[test]
fn an_order_that_appears_after_the_second_one_is_deleted_again() {
    let bench = Bench::with(Options {
        provisioning: Duration::from_millis(2500)..=Duration::from_millis(2500),
        ..Options::default()
    })
    .lapsing("600");
    // It appears later than it is looked for, but while the second one is still owed a look.
    bench.fault(Operation::Create, Effect::ListingLag(Duration::from_millis(9000)));
    bench.fault(Operation::Create, Effect::DropAfter { reset: true });
    bench.fault(Operation::Create, Effect::DropAfter { reset: true });
    let answer = bench.deploy(HOST);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(bench.count(Operation::Create), 2);
    bench.assert_books(&[&answer.stdout]);
}

#[test]
fn an_order_that_hangs_until_the_deadline_is_named_as_long_as_it_may_take_effect() {
    each(&[(Effect::Hang, 0), (Effect::HangAfter, 100)], |(effect, lag)| {
        let bench = Bench::with(lagging(*lag)).set("PM_TIMEOUT", "1");
        bench.fault(Operation::Create, effect.clone());
        let host = bench.host(&HostTemplate::new(HOST));
        let answer = host.deploy().unwrap();
        let first = assert_failure(&answer);
        assert!(answer.elapsed < Duration::from_secs(30), "{answer:?}");
        // What was carried out is found and deleted; what was not, may still be.
        let is_carried_out = matches!(effect, Effect::HangAfter);
        assert_eq!(first.contains("STILL BILLED"), !is_carried_out, "{first}");
        assert_eq!(first.contains(&identity(HOST)), !is_carried_out, "{first}");
        bench.assert_books(&[]);
        assert_eq!(bench.journal(HOST).exists(), !is_carried_out);
        // The next deploy looks for it as long as it may appear, and then orders.
        let bench = bench.lapsing("300");
        let answer = bench.registered(HOST).deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        bench.assert_books(&[&answer.stdout]);
        assert!(!bench.journal(HOST).exists());
    });
}

#[test]
fn orders_that_are_all_lost_end_and_leave_nothing() {
    each(&[Effect::Html5xx(502), Effect::DropBefore { reset: true }], |effect| {
        let bench = Bench::new().lapsing("400");
        bench.fault_always(Operation::Create, effect.clone());
        let first = assert_failure(&bench.deploy(HOST));
        assert!(!first.contains("STILL BILLED"), "{first}");
        bench.assert_books(&[]);
    });
}

#[test]
fn a_lost_order_that_cannot_be_looked_for_is_named_by_its_tag() {
    let bench = Bench::new().lapsing("300");
    bench.fault(Operation::Create, Effect::DropAfter { reset: true });
    bench.simulator.fault(Fault::new(Operation::List, Effect::status(401)).skip(1).forever());
    let host = bench.host(&HostTemplate::new(HOST));
    let first = assert_failure(&host.deploy().unwrap());
    assert!(first.contains("STILL BILLED"), "{first}");
    assert!(first.contains(&identity(HOST)), "{first}");
    assert_eq!(bench.simulator.devices().len(), 1);
    // What could not be looked for is not forgotten: the next deploy adopts it.
    bench.simulator.clear_faults();
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(bench.count(Operation::Create), 1);
    bench.assert_books(&[&answer.stdout]);
}

#[test]
fn an_order_that_is_carried_out_after_the_signal_is_found_and_deleted() {
    let bench = Bench::new().lapsing("300");
    bench.fault(Operation::Create, Effect::DelayBeforeEffect(Duration::from_secs(2)));
    let host = bench.host(&HostTemplate::new(HOST));
    let deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::Create, 1);
    signal(&deploy, Signal::SIGTERM);
    let first = assert_failure(&finish(deploy));
    assert!(first.contains("SIGTERM"), "{first}");
    assert!(!first.contains("STILL BILLED"), "{first}");
    assert_eq!(bench.count(Operation::Delete), 1);
    bench.assert_books(&[]);
}

// ---- Orders that are refused -----------------------------------------------------------------------------

#[test]
fn a_4xx_is_an_answer_and_its_reasons_stand_in_the_first_line_without_json() {
    each(&[400, 401, 402, 403, 404, 409, 413, 422], |status| {
        let bench = Bench::new();
        bench.fault(
            Operation::Create,
            Effect::Status(
                Answer::new(*status).body(r#"{"errors": ["ams1 has no provisionable servers", "try sjc1"]}"#),
            ),
        );
        let answer = bench.deploy(HOST);
        let first = assert_failure(&answer);
        assert!(first.contains("ams1 has no provisionable servers; try sjc1"), "{first}");
        assert!(first.contains("nothing was ordered"), "{first}");
        assert!(!first.contains(['{', '[', '"']), "{first}");
        assert_eq!(bench.count(Operation::Create), 1);
        bench.assert_books(&[]);
        assert!(!bench.journal(HOST).exists());
    });
}

#[test]
fn what_the_provider_refuses_to_order_is_said_in_its_words() {
    let bench = Bench::with(Options { sold_out: vec!["ams1".to_owned()], ..Options::default() });
    let hosts = [
        HostTemplate::new(1),
        HostTemplate::new(2).with("FACILITY", "sjc1").with("PLAN", "abacus"),
        HostTemplate::new(3).with("FACILITY", "sjc1").with("OS", "multics"),
    ];
    for template in &hosts {
        let first = assert_failure(&bench.host(template).deploy().unwrap());
        assert!(first.contains("status 422"), "{first}");
        assert!(!first.contains(['{', '[']), "{first}");
    }
    assert_eq!(bench.count(Operation::Create), hosts.len());
    bench.assert_books(&[]);
}

#[test]
fn a_refusal_after_a_lost_order_is_told_and_nothing_is_left() {
    let bench = Bench::new().lapsing("300");
    for effect in [Effect::DropBefore { reset: true }, Effect::refuse(422, "no servers")] {
        bench.fault(Operation::Create, effect);
    }
    let first = assert_failure(&bench.deploy(HOST));
    assert!(first.contains("no servers"), "{first}");
    assert_eq!(bench.count(Operation::Create), 2);
    bench.assert_books(&[]);
    assert!(!bench.journal(HOST).exists());
}

#[test]
fn an_order_that_was_not_taken_is_sent_again() {
    let throttled = Answer::new(429).header("Retry-After", "1");
    let effects = [(1, Effect::Status(throttled)), (2, Effect::status(429))];
    each(&effects, |(times, effect)| {
        let bench = Bench::new();
        bench.simulator.fault(Fault::new(Operation::Create, effect.clone()).times(*times));
        let answer = bench.deploy(HOST);
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(bench.count(Operation::Create), 1 + *times as usize);
        bench.assert_books(&[&answer.stdout]);
    });
}

#[test]
fn an_order_is_not_redirected() {
    let bench = Bench::new().lapsing("300");
    bench.fault(Operation::Create, Effect::Redirect { url: "http://127.0.0.1:1/elsewhere".to_owned(), code: 307 });
    let first = assert_failure(&bench.deploy(HOST));
    assert!(first.contains("redirects"), "{first}");
    assert_eq!(bench.count(Operation::Create), 1);
    bench.assert_books(&[]);
}
