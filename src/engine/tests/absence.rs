//! Deletions, and what proves that a machine is gone.

use super::*;
use crate::engine::Error;
use crate::http::error::Kind;

/// A provider with a machine that is up, of which a new process has seen nothing yet.
fn with_machine(spec: Spec, manner: Manner) -> (Stage, MachineId) {
    let stage = Stage::new(spec, manner);
    let id = stage.deployed();
    (stage, id)
}

/// Cancels, and says why that failed.
fn refusal(stage: &Stage, id: &MachineId) -> String {
    stage.engine().cancel(id, None).unwrap_err().to_string()
}

#[test]
fn a_cancel_ends_when_the_machine_was_seen_gone() {
    for (name, spec, manner) in shapes::all() {
        let manner = Manner { deleting: seconds(90), ..manner };
        let (stage, id) = with_machine(spec, manner);
        let begin = stage.now();
        stage.engine().cancel(&id, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        let took = stage.now() - begin;
        assert!(took >= seconds(90) && took < seconds(110), "{name}: {took:?}");
        // Asked for again once a minute.
        assert_eq!(stage.provider.asked(What::Delete).len(), 2, "{name}");
    }
}

#[test]
fn a_deletion_that_the_provider_accepted_and_lost_is_asked_for_again() {
    let (stage, id) = with_machine(plain(), Manner { lost_deletions: 1, ..Manner::default() });
    let begin = stage.now();
    stage.engine().cancel(&id, None).unwrap();
    assert!(stage.now() - begin < seconds(90));
    assert_eq!(stage.provider.asked(What::Delete).len(), 2);
}

#[test]
fn a_tombstone_is_a_proof() {
    let manner = Manner { tombstone: seconds(3600), ..Manner::default() };
    let (stage, id) = with_machine(shapes::by_listing(), manner);
    stage.engine().cancel(&id, None).unwrap();
    let begin = stage.now();
    stage.engine().cancel(&id, None).unwrap();
    assert!(stage.now() < begin + seconds(5));
}

#[test]
fn a_machine_that_is_gone_already_is_cancelled() {
    for missing in [Kind::NotFound, Kind::PermissionDenied] {
        for spec in [plain(), shapes::by_listing()] {
            let (stage, id) = with_machine(spec, Manner { missing, ..Manner::default() });
            stage.engine().cancel(&id, None).unwrap();
            // Another process has never seen it: the listing is the proof.
            stage.engine().cancel(&id, None).unwrap();
            assert!(!stage.provider.asked(What::List).is_empty(), "{missing:?}");
        }
    }
}

#[test]
fn a_not_found_of_a_machine_that_was_never_seen_proves_nothing_while_the_listing_has_it() {
    for kind in [Kind::NotFound, Kind::PermissionDenied] {
        let (stage, id) = with_machine(plain(), Manner::default());
        for what in [What::Get, What::Delete] {
            stage.provider.strike_all(what, Fault::Error(kind));
        }
        assert!(refusal(&stage, &id).contains(&format!("{kind:?}")));
        assert_eq!(stage.left(), [id]);
    }
}

#[test]
fn a_not_found_of_a_machine_that_was_never_seen_proves_nothing_while_the_listing_fails() {
    for kind in [Kind::NotFound, Kind::PermissionDenied] {
        for why in [Kind::Ambiguous, Kind::PermissionDenied, Kind::NotFound, Kind::Rejected] {
            let (stage, id) = with_machine(plain(), Manner::default());
            stage.provider.strike_all(What::Get, Fault::Error(kind));
            stage.provider.strike_all(What::Delete, Fault::Error(kind));
            stage.provider.strike_all(What::List, Fault::Error(why));
            refusal(&stage, &id);
            assert_eq!(stage.left(), [id]);
        }
    }
}

#[test]
fn a_denial_of_every_look_at_a_machine_that_is_deleted_is_no_proof_by_itself() {
    let (stage, id) = with_machine(plain(), Manner { deleting: seconds(600), ..Manner::default() });
    stage.provider.strike_all(What::Get, Fault::Error(Kind::PermissionDenied));
    let begin = stage.now();
    match stage.engine().cancel(&id, None) {
        Ok(()) => assert!(stage.now() >= begin + seconds(600), "{:?}", stage.now() - begin),
        Err(error) => assert!(matches!(error, Error::Api(_)), "{error}"),
    }
}

#[test]
fn where_only_the_listing_is_a_proof_a_not_found_is_none() {
    let (stage, id) = with_machine(shapes::by_listing(), Manner::default());
    let engine = stage.engine();
    engine.look(&id).unwrap();
    stage.provider.strike_all(What::Get, Fault::Error(Kind::NotFound));
    assert!(engine.look(&id).is_err());
    // The other kind of provider means it, of a machine that was seen.
    let (stage, id) = with_machine(plain(), Manner::default());
    let engine = stage.engine();
    engine.look(&id).unwrap();
    stage.provider.strike_all(What::Get, Fault::Error(Kind::NotFound));
    assert!(matches!(engine.look(&id), Ok(crate::engine::Sight::Gone(_))));
}

#[test]
fn a_not_found_of_a_machine_that_only_the_listing_showed_is_no_proof() {
    let (stage, id) = with_machine(plain(), Manner::default());
    let engine = stage.engine();
    assert_eq!(engine.list(provider::Filter::Account).unwrap().len(), 1);
    stage.provider.strike_all(What::Get, Fault::Error(Kind::NotFound));
    assert!(engine.look(&id).is_err());
}

#[test]
fn a_denial_of_a_machine_that_may_not_be_shown_yet_is_no_proof() {
    let lag = seconds(20);
    let manner = Manner { hidden_by_id: lag, hidden_in_lists: lag, ..Manner::default() };
    let stage = Stage::new(plain(), Manner { missing: Kind::PermissionDenied, ..manner });
    let id = stage.deployed();
    assert_eq!(stage.left(), [id]);
}

#[test]
fn a_page_of_something_in_between_is_no_proof() {
    let (stage, id) = with_machine(plain(), Manner { missing: Kind::Rejected, ..Manner::default() });
    let begin = stage.now();
    // The machine goes, and then nobody but a proxy answers for it: the listing tells.
    stage.engine().cancel(&id, None).unwrap();
    assert!(stage.now() - begin >= seconds(10));
    assert_eq!(stage.left(), []);
    let (stage, id) = with_machine(plain(), Manner::default());
    for what in [What::Get, What::Delete, What::List] {
        stage.provider.strike_all(what, Fault::Error(Kind::Rejected));
    }
    refusal(&stage, &id);
}

#[test]
fn a_deletion_that_is_accepted_and_not_carried_out_is_no_success() {
    let manner = Manner { ignores_deletion: true, ..Manner::default() };
    let (stage, id) = with_machine(plain(), manner);
    let begin = stage.now();
    assert!(refusal(&stage, &id).contains("not gone"));
    assert!(stage.now() - begin <= seconds(1801));
}

#[test]
fn a_machine_that_does_not_go_in_time_is_said_to_be_leaving() {
    let manner = Manner { deleting: seconds(7200), ..Manner::default() };
    let (stage, id) = with_machine(plain(), manner);
    assert!(refusal(&stage, &id).contains("being deleted (deleting), and was not seen gone"));
}

#[test]
fn why_a_deletion_is_refused_is_told_where_the_machine_stays_being_deleted() {
    let refused_from = |first: usize| {
        let (stage, id) = with_machine(plain(), Manner { deleting: seconds(7200), ..Manner::default() });
        if first == 0 {
            stage.lead(&id, &[(State::Deleting, seconds(7200))]);
        }
        stage.provider.strike(What::Delete, first..usize::MAX, Fault::Error(Kind::Conflict));
        refusal(&stage, &id)
    };
    for told in [0, 1].map(refused_from) {
        let (state, why) =
            told.split_once("; asked for again, its deletion was not taken: ").unwrap_or_else(|| panic!("{told}"));
        assert_eq!(state, "the machine is being deleted (deleting), and was not seen gone in time");
        assert!(why.contains("Conflict"), "{told}");
    }
}

#[test]
fn a_deletion_that_is_refused_while_it_provisions_is_asked_for_again() {
    for kind in [Kind::Conflict, Kind::Rejected] {
        let manner = Manner { refuses_deletion: Some(kind), ..Manner::default() };
        let (stage, id) = with_machine(plain(), manner);
        stage.lead(&id, &[(State::Starting, seconds(400)), (State::On, seconds(0))]);
        let begin = stage.now();
        stage.engine().cancel(&id, None).unwrap();
        let took = stage.now() - begin;
        assert!(took >= seconds(400) && took < seconds(450), "{kind:?} {took:?}");
    }
}

#[test]
fn a_deletion_that_was_refused_just_before_the_machine_came_up_is_asked_for_again() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.provider.strike(What::Delete, 0..1, Fault::Error(Kind::Rejected));
    stage.engine().cancel(&id, None).unwrap();
}

#[test]
fn a_machine_that_is_locked_is_not_deleted_and_that_is_said_at_once() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.provider.world().machine(&id).unwrap().locked = true;
    let begin = stage.now();
    assert!(refusal(&stage, &id).contains("Protected"));
    assert!(stage.now() - begin < seconds(2));
}

#[test]
fn a_failed_machine_can_be_cancelled() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.lead(&id, &[(State::Failed, seconds(0))]);
    stage.engine().cancel(&id, None).unwrap();
    stage.asserts_nothing_left("");
}

#[test]
fn a_deletion_whose_answer_is_lost_is_asked_for_again() {
    for fault in [Fault::Lost, Fault::Hang, Fault::Error(Kind::NotSent)] {
        let (stage, id) = with_machine(plain(), Manner::default());
        stage.provider.strike(What::Delete, 0..3, fault);
        stage.engine().cancel(&id, None).unwrap();
        stage.asserts_nothing_left("");
    }
}

#[test]
fn a_deletion_that_one_not_found_answers_is_asked_for_again_where_the_machine_is_shown() {
    let (stage, id) = with_machine(plain(), Manner::default());
    stage.provider.strike(What::Delete, 0..1, Fault::Error(Kind::NotFound));
    stage.engine().cancel(&id, None).unwrap();
}

#[test]
fn an_empty_list_after_a_failure_is_not_said() {
    let (stage, _) = with_machine(plain(), Manner::default());
    stage.provider.strike_all(What::List, Fault::Error(Kind::Ambiguous));
    assert!(stage.engine().list(provider::Filter::Account).is_err());
}

/// Two looks failed, and the listing did not show the machine yet: that was taken for gone.
#[test]
fn a_listing_that_may_lag_proves_nothing_of_a_machine_that_was_seen_by_its_id() {
    let lag = seconds(25);
    let manner = Manner { provisioning: seconds(5), hidden_in_lists: lag, deleting: seconds(60), ..Manner::default() };
    let (stage, id) = with_machine(plain(), manner);
    let looks = stage.provider.asked(What::Get).len();
    stage.provider.strike(What::Get, looks + 2..looks + 5, Fault::Error(Kind::Ambiguous));
    stage.engine().cancel(&id, None).unwrap();
    let now = stage.now();
    assert_eq!(stage.provider.world().machine(&id).unwrap().state(now), State::Gone);
}

/// A deploy was killed right after it had written the machine's id into the host, which somebody then deleted.
#[test]
fn what_a_killed_deploy_noted_is_not_gone_before_it_can_be_shown() {
    let lag = seconds(25);
    let manner = Manner { hidden_by_id: lag, hidden_in_lists: lag, ..Manner::default() };
    let stage = Stage::new(plain(), manner);
    assert!(stage.killed_at(3, Fault::KilledAfter, |stage| drop(stage.deploy())));
    let id = stage.journal().read().unwrap().machine.unwrap();
    stage.engine().cancel(&id, Some(&stage.journal())).unwrap();
    stage.asserts_nothing_left("");
}
