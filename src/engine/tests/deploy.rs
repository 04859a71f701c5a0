//! Deploys: looks, adoption, and machines that do not come up.

use std::io;

use super::*;
use crate::http::error::Kind;
use crate::provider::machine::Power;

#[test]
fn a_deploy_of_eight_minutes_is_seen_in_at_most_96_looks_and_hardly_late() {
    let mut late = Vec::new();
    for _ in 0..200 {
        let stage = Stage::new(plain(), Manner::default());
        let id = stage.deployed();
        let looks = stage.provider.asked(What::Get);
        assert!(looks.len() <= 96, "{}", looks.len());
        assert_eq!(stage.provider.asked(What::Create).len(), 1);
        assert_eq!(stage.left(), [id]);
        assert!(stage.journal().read().is_none());
        late.push(stage.now() - seconds(480));
    }
    late.sort();
    // Half a pause of 9.6 s at the median, a whole one that is a quarter longer at the most.
    assert!(late[100] <= Duration::from_millis(6500) && late[199] <= seconds(13), "{late:?}");
}

#[test]
fn every_shape_of_provider_ends_up_with_one_machine_and_can_be_cancelled() {
    for (name, spec, manner) in shapes::all() {
        let stage = Stage::new(spec, manner);
        let id = stage.deployed();
        assert_eq!(stage.shown(&id).state, State::On, "{name}");
        assert_eq!(stage.left(), std::slice::from_ref(&id), "{name}");
        assert_eq!(stage.provider.asked(What::Create).len(), 1, "{name}");
        stage.engine().cancel(&id, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        stage.asserts_nothing_left("");
    }
}

#[test]
fn a_machine_that_carries_the_mark_is_adopted() {
    for (name, spec, manner) in shapes::all() {
        let stage = Stage::new(spec, manner);
        let id = stage.deployed();
        assert_eq!(stage.deployed(), id, "{name}");
        assert_eq!(stage.left(), [id], "{name}");
    }
}

#[test]
fn an_adopted_machine_that_is_off_is_powered_on() {
    let stage = Stage::new(plain(), Manner::default());
    let id = stage.deployed();
    stage.lead(&id, &[(State::Off, seconds(0))]);
    assert_eq!(stage.deployed(), id);
    assert_eq!(stage.provider.asked(What::Power(Power::On)).len(), 1);
}

#[test]
fn of_several_machines_of_a_host_none_is_taken_and_none_deleted() {
    for recorded in [None, Some(0), Some(1)] {
        let (stage, ids) = with_two_machines();
        *stage.recorded.borrow_mut() = recorded.map(|number: usize| ids[number].clone());
        let failure = stage.failure();
        assert!(failure.contains("2 machines already") && ids.iter().all(|id| failure.contains(id.as_str())));
        assert_eq!(stage.left(), ids);
    }
}

/// A host with two machines, both with its mark.
fn with_two_machines() -> (Stage, Vec<MachineId>) {
    let stage = Stage::new(plain(), Manner::default());
    let first = stage.deployed();
    let tags = |tags| std::mem::replace(&mut stage.provider.world().machine(&first).unwrap().tags, tags);
    let own = tags(Vec::new());
    let second = stage.deployed();
    tags(own);
    (stage, vec![first, second])
}

#[test]
fn a_machine_that_is_deleted_is_not_adopted() {
    let stage = Stage::new(plain(), Manner { deleting: seconds(3600), ..Manner::default() });
    let first = stage.deployed();
    stage.lead(&first, &[(State::Deleting, seconds(3600)), (State::Gone, seconds(0))]);
    let second = stage.deployed();
    assert_ne!(first, second);
    assert_eq!(stage.left(), [second]);
}

#[test]
fn a_tombstone_is_not_adopted() {
    let stage = Stage::new(plain(), Manner { tombstone: seconds(36_000), ..Manner::default() });
    let first = stage.deployed();
    stage.engine().cancel(&first, None).unwrap();
    let second = stage.deployed();
    assert_ne!(first, second);
    assert_eq!(stage.left(), [second]);
}

#[test]
fn a_machine_of_another_host_is_neither_adopted_nor_deleted() {
    let stage = Stage::new(plain(), Manner::default());
    let other = stage.deployed();
    stage.provider.world().machine(&other).unwrap().tags = vec!["ONE_PROVISION_HOST=else:1".into()];
    let own = stage.deployed();
    assert_ne!(other, own);
    assert_eq!(stage.left(), [other, own]);
}

#[test]
fn a_machine_of_another_host_in_the_answer_to_an_order_is_not_taken() {
    let stage = Stage::new(plain(), Manner { foreign: true, ..Manner::default() });
    assert!(stage.deploy().is_err());
    assert_eq!(stage.provider.asked(What::Delete).len(), 0);
}

#[test]
fn an_answer_about_another_machine_is_no_look() {
    let manner = Manner { answers_about: Some("other"), ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    let failure = stage.failure();
    assert!(failure.contains("another machine, other"), "{failure}");
    assert!(failure.contains("m1"), "{failure}");
}

#[test]
fn a_failure_is_told_with_the_reason_that_is_given_once_and_the_machine_is_deleted() {
    let manner = Manner { fails: Some((seconds(120), "no disk was found")), ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    let failure = stage.failure();
    assert!(failure.contains("no disk was found"), "{failure}");
    assert!(failure.contains("m1 was deleted again"), "{failure}");
    assert!(stage.now() < seconds(180), "{:?}", stage.now());
    stage.asserts_nothing_left("");
}

#[test]
fn a_machine_that_the_provider_takes_back_ends_the_deploy() {
    let stage = Stage::new(plain(), Manner::default());
    let provider = stage.provider;
    stage.clock.at(seconds(100), move || {
        provider.world().machines[0].lead(seconds(100), &[(State::Gone, seconds(0))]);
    });
    let failure = stage.failure();
    assert!(failure.contains("nothing is left of machine m1: deploy once more"), "{failure}");
    assert!(stage.now() < seconds(160), "{:?}", stage.now());
    stage.asserts_nothing_left("");
}

#[test]
fn a_machine_that_is_not_up_by_the_deadline_is_deleted() {
    let manner = Manner { provisioning: seconds(7200), ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    let failure = stage.failure();
    assert!(failure.contains("the machine is not active after 1"), "{failure}");
    assert!(stage.now() < seconds(1800 + 60), "{:?}", stage.now());
    stage.asserts_nothing_left("");
}

#[test]
fn a_machine_that_came_up_just_before_the_deadline_is_handed_over() {
    for early in 1..12 {
        let manner = Manner { provisioning: seconds(1800 - early), ..Manner::default() };
        let stage = Stage::new(plain(), manner);
        stage.deployed();
        assert!(stage.now() <= seconds(1801), "{:?}", stage.now());
    }
}

#[test]
fn a_panic_after_the_order_is_rolled_back() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike(What::Get, 3..4, Fault::Panic);
    let failure = stage.failure();
    assert!(failure.contains("pm-packet made a mistake"), "{failure}");
    assert!(failure.contains("m1 was deleted again"), "{failure}");
    assert_eq!(stage.provider.asked(What::Delete).len(), 1);
    stage.asserts_nothing_left("");
}

#[test]
fn an_id_that_cannot_be_handed_over_is_rolled_back() {
    let stage = Stage::new(plain(), Manner::default());
    let closed = |_: &MachineId| Err(io::Error::from(io::ErrorKind::BrokenPipe));
    let failure = stage.deploy_to(closed).unwrap_err();
    assert!(failure.outcome.contains("could not be printed"), "{failure}");
    stage.asserts_nothing_left("");
}

#[test]
fn a_new_machine_may_be_unknown_by_its_id_and_in_listings_for_a_while() {
    let lag = seconds(29);
    let manner = Manner { hidden_by_id: lag, hidden_in_lists: lag, ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    let id = stage.deployed();
    assert_eq!(stage.left(), [id]);
}

#[test]
fn a_new_machine_that_never_appears_ends_the_deploy_and_is_told_of() {
    let lag = seconds(100_000);
    let manner = Manner { hidden_by_id: lag, hidden_in_lists: lag, ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    let failure = stage.failure();
    assert!(failure.contains("m1"), "{failure}");
    assert!(stage.now() < seconds(60), "{:?}", stage.now());
}

#[test]
fn passing_faults_of_looks_do_not_end_a_wait() {
    for kind in [Kind::Ambiguous, Kind::NotSent, Kind::RateLimited, Kind::Conflict] {
        let stage = Stage::new(plain(), Manner::default());
        // Whoever is sent away asks less often.
        let end = if kind == Kind::RateLimited { 10 } else { 50 };
        stage.provider.strike(What::Get, 5..end, Fault::Error(kind));
        stage.deployed();
        assert!(stage.now() < seconds(600), "{kind:?} {:?}", stage.now());
    }
}

#[test]
fn a_retry_after_of_an_hour_does_not_eat_the_whole_wait() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike(What::Get, 5..6, Fault::Patience(Kind::RateLimited, seconds(3600)));
    stage.deployed();
    assert!(stage.now() < seconds(1000), "{:?}", stage.now());
}
