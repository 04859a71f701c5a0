//! Orders that are lost, late, doubled, refused.

use super::*;
use crate::http::error::Kind;

#[test]
fn an_order_whose_answer_is_lost_is_found_or_sent_again_with_its_key() {
    for (name, spec, manner) in shapes::all() {
        let orders = if spec.has_idempotency_key { 2 } else { 1 };
        let stage = Stage::new(spec, manner);
        stage.provider.strike(What::Create, 0..1, Fault::Lost);
        let id = stage.deployed();
        assert_eq!(stage.provider.asked(What::Create).len(), orders, "{name}");
        assert_eq!(stage.left(), [id], "{name}");
    }
}

#[test]
fn an_order_that_was_not_carried_out_is_sent_again() {
    for fault in [Fault::Error(Kind::Ambiguous), Fault::Hang] {
        let stage = Stage::new(plain(), Manner::default());
        stage.provider.strike(What::Create, 0..1, fault);
        let id = stage.deployed();
        assert_eq!(stage.provider.asked(What::Create).len(), 2);
        assert_eq!(stage.left(), [id]);
    }
}

#[test]
fn a_lost_order_that_is_carried_out_late_leaves_no_double() {
    for late in [5, 20, 45, 59] {
        let stage = Stage::new(plain(), Manner::default());
        stage.provider.strike(What::Create, 0..1, Fault::Late(seconds(late)));
        let id = stage.deployed();
        assert_eq!(stage.left(), [id], "{late}");
    }
}

#[test]
fn doubles_are_looked_for_as_long_as_they_may_appear() {
    let stage = Stage::new(plain(), Manner { provisioning: seconds(5), ..Manner::default() });
    stage.provider.strike(What::Create, 0..1, Fault::Late(seconds(50)));
    let id = stage.deployed();
    assert_eq!(stage.left(), [id]);
}

#[test]
fn nothing_ordered_is_said_once_no_order_can_take_effect_any_more() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike_all(What::Create, Fault::Late(seconds(59)));
    let result = stage.deploy();
    stage.asserts_balance("late", &result);
}

#[test]
fn an_order_that_something_in_between_repeated_leaves_no_double() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike(What::Create, 0..1, Fault::Twice);
    let id = stage.deployed();
    assert_eq!(stage.left(), [id]);
}

#[test]
fn orders_that_are_all_lost_and_not_carried_out_end_after_three() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike_all(What::Create, Fault::Error(Kind::Ambiguous));
    let failure = stage.failure();
    assert!(failure.contains("no order got an answer"), "{failure}");
    assert_eq!(stage.provider.asked(What::Create).len(), 3);
}

#[test]
fn a_lost_order_that_cannot_be_looked_for_is_told_of_and_stays_in_the_journal() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike_all(What::Create, Fault::Lost);
    stage.provider.strike(What::List, 1..usize::MAX, Fault::Error(Kind::Ambiguous));
    let failure = stage.failure();
    assert!(failure.contains("STILL BILLED"), "{failure}");
    assert!(failure.contains("ONE_PROVISION_HOST=7a15:7"), "{failure}");
    assert!(stage.journal().read().is_some());
    stage.provider.world().strikes.clear();
    let id = stage.deployed();
    assert_eq!(stage.left(), [id]);
}

#[test]
fn an_order_is_sent_again_as_long_as_it_is_not_taken_for_now() {
    for kind in [Kind::RateLimited, Kind::Conflict] {
        let stage = Stage::new(plain(), Manner::default());
        stage.provider.strike(What::Create, 0..20, Fault::Error(kind));
        let id = stage.deployed();
        assert_eq!(stage.left(), [id], "{kind:?}");
    }
}

#[test]
fn an_order_that_never_got_a_connection_is_sent_a_limited_number_of_times() {
    let stage = Stage::new(plain(), Manner::default());
    stage.provider.strike_all(What::Create, Fault::Error(Kind::NotSent));
    let failure = stage.failure();
    assert!(failure.contains("nothing was ordered"), "{failure}");
    assert_eq!(stage.provider.asked(What::Create).len(), 6);
    stage.asserts_nothing_left("");
}

#[test]
fn an_order_that_is_refused_is_sent_once_and_nothing_is_at_stake() {
    let kinds = [Kind::Rejected, Kind::Unauthenticated, Kind::PermissionDenied, Kind::Protected];
    let others = [Kind::NotFound, Kind::Redirected, Kind::Untrusted];
    for kind in kinds.into_iter().chain(others) {
        let stage = Stage::new(plain(), Manner::default());
        stage.provider.strike_all(What::Create, Fault::Error(kind));
        let failure = stage.failure();
        assert!(failure.contains("nothing was ordered"), "{failure}");
        assert!(failure.contains(&format!("{kind:?} by the script")), "{failure}");
        assert_eq!(stage.provider.asked(What::Create).len(), 1, "{kind:?}");
        stage.asserts_nothing_left("");
    }
}

#[test]
fn a_key_that_is_spent_on_a_machine_that_is_gone_leads_to_the_next_key() {
    for shows_spent in [false, true] {
        let spec = Spec { has_idempotency_key: true, ..plain() };
        let stage = Stage::new(spec, Manner { shows_spent, ..Manner::default() });
        for round in 0..4 {
            let id = stage.deployed();
            assert_eq!(stage.left(), std::slice::from_ref(&id), "{round}");
            stage.engine().cancel(&id, None).unwrap();
            stage.pass(seconds(60));
            stage.asserts_nothing_left("");
        }
    }
}

#[test]
fn keys_that_are_all_spent_end_the_deploy() {
    let spec = Spec { has_idempotency_key: true, ..plain() };
    let stage = Stage::new(spec, Manner::default());
    stage.provider.strike_all(What::Create, Fault::Error(Kind::KeySpent));
    assert!(stage.failure().contains("nothing was ordered"));
    assert!(stage.provider.asked(What::Create).len() <= 101);
}

#[test]
fn an_order_that_is_sent_again_with_its_key_orders_nothing_more() {
    let spec = Spec { has_idempotency_key: true, ..plain() };
    let manner = Manner { hidden_in_lists: seconds(60), ..Manner::default() };
    let stage = Stage::new(spec, manner);
    stage.provider.strike(What::Create, 0..2, Fault::Lost);
    let id = stage.deployed();
    assert_eq!(stage.left(), [id]);
}

#[test]
fn objects_are_made_before_the_order_and_go_with_a_failure() {
    let fails = Some((seconds(60), "no"));
    let stage = Stage::new(shapes::objects(), Manner { fails, ..Manner::default() });
    assert!(stage.deploy().is_err());
    let (made, ordered) = (stage.provider.asked(What::Prepare), stage.provider.asked(What::Create));
    assert!(made.iter().all(|made| *made < ordered[0]));
    stage.asserts_nothing_left("");
    // Also where the order is refused, or the second object.
    for what in [What::Create, What::Prepare] {
        let stage = Stage::new(shapes::objects(), Manner::default());
        stage.provider.strike(what, 0..1, Fault::Error(Kind::Rejected));
        assert!(stage.deploy().is_err());
        stage.asserts_nothing_left("");
        let stage = Stage::new(shapes::objects(), Manner::default());
        stage.provider.strike(what, 1..2, Fault::Error(Kind::Rejected));
        let result = stage.deploy();
        stage.asserts_balance("second", &result);
        if result.is_err() {
            stage.asserts_nothing_left("");
        }
    }
}

#[test]
fn requests_that_are_limited_are_spread_and_the_deploy_goes_on() {
    let manner = Manner { limit: Some((3, seconds(10))), ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    stage.deployed();
    assert!(stage.provider.world().asked.len() < 150);
}

/// Ironic's key is the allocation's name, which is free again when the allocation is deleted.
#[test]
fn a_late_order_whose_key_would_be_free_again_is_waited_for_before_the_machine_is_handed_over() {
    let spec = || Spec { has_idempotency_key: true, frees_key: true, ..shapes::named() };
    let stage = Stage::new(spec(), Manner { provisioning: seconds(5), ..Manner::default() });
    stage.provider.strike(What::Create, 0..1, Fault::Late(seconds(40)));
    let id = stage.deployed();
    assert!(stage.now() >= seconds(60), "{:?}", stage.now());
    stage.engine().cancel(&id, None).unwrap();
    assert_eq!(stage.left(), []);
    // Where the second try finds what the first one made, nothing is owed.
    let stage = Stage::new(spec(), Manner { provisioning: seconds(5), ..Manner::default() });
    stage.provider.strike(What::Create, 0..1, Fault::Lost);
    stage.deployed();
    assert!(stage.now() < seconds(30), "{:?}", stage.now());
}

#[test]
fn objects_that_the_provider_refused_to_make_are_not_waited_for() {
    let stage = Stage::new(shapes::objects(), Manner::default());
    stage.provider.strike_all(What::Prepare, Fault::Error(Kind::Rejected));
    let begin = stage.now();
    stage.deploy().unwrap_err();
    assert!(stage.now() - begin < seconds(10), "{:?}", stage.now() - begin);
    assert!(stage.provider.asked(What::Create).is_empty());
    // A request without an answer may make one as long as an order may take effect.
    let stage = Stage::new(shapes::objects(), Manner::default());
    stage.provider.strike_all(What::Prepare, Fault::Lost);
    let begin = stage.now();
    stage.deploy().unwrap_err();
    assert!(stage.now() - begin >= seconds(60), "{:?}", stage.now() - begin);
}
