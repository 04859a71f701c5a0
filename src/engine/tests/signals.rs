//! Signals: whatever phase they come in, nothing is left behind.

use super::*;
use crate::http::error::Kind;

/// Deploys with a signal at this moment; `false` where the deploy had ended before.
fn play(name: &str, spec: Spec, manner: Manner, moment: Duration, faults: &[(What, Fault)]) -> bool {
    let stage = Stage::new(spec, manner);
    for (what, fault) in faults {
        stage.provider.strike(*what, 0..1, *fault);
    }
    stage.signal_at(moment);
    let result = stage.deploy();
    let case = format!("{name}, a signal after {moment:?}");
    match &result {
        Ok(_) => assert!(stage.now() <= moment + seconds(1), "{case}: it was not heeded"),
        Err(failure) => {
            let cause = failure.cause.as_ref().map(ToString::to_string).unwrap_or_default();
            let text = format!("{failure} {cause}");
            assert!(text.contains("interrupted (SIGTERM)"), "{case}: {text}");
            assert!(stage.now() <= moment + seconds(330), "{case}: {:?}", stage.now());
            stage.asserts_nothing_left(&format!("{case}: {text}"));
        }
    }
    stage.asserts_balance(&case, &result);
    result.is_err()
}

/// Moments: dense where requests are, then every few seconds.
fn moments() -> impl Iterator<Item = Duration> {
    let dense = (0..30).map(|step| Duration::from_millis(50 + step * 90));
    dense.chain((3..150).step_by(4).map(seconds))
}

#[test]
fn a_signal_in_each_phase_of_a_deploy_leaves_nothing() {
    for moment in moments() {
        for (name, spec, manner) in shapes::all() {
            if manner.hidden_by_id.is_zero() {
                play(name, spec, manner, moment, &[]);
            }
        }
    }
}

#[test]
fn a_signal_before_a_new_machine_is_shown_leaves_nothing() {
    for moment in moments().chain(moments()) {
        for (name, spec, manner) in shapes::all() {
            if manner.missing == Kind::PermissionDenied {
                continue;
            }
            let lag = seconds(8);
            let manner = Manner { hidden_by_id: lag, hidden_in_lists: lag, ..manner };
            play(name, spec, manner, moment, &[]);
        }
    }
}

#[test]
fn a_signal_before_a_new_machine_is_known_by_its_id_leaves_nothing() {
    for moment in moments() {
        for (name, spec, manner) in shapes::all() {
            let manner = Manner { hidden_by_id: seconds(8), hidden_in_lists: seconds(0), ..manner };
            play(name, spec, manner, moment, &[]);
        }
    }
}

#[test]
fn a_signal_while_a_lost_order_is_looked_for_leaves_nothing() {
    for moment in moments() {
        for (name, spec, manner) in shapes::all() {
            play(name, spec, manner, moment, &[(What::Create, Fault::Lost)]);
        }
    }
}

#[test]
fn a_signal_while_a_deploy_meets_faults_leaves_nothing() {
    for moment in moments() {
        for what in [What::List, What::Create, What::Get, What::Prepare, What::Advance] {
            for fault in [Fault::Hang, Fault::Error(Kind::RateLimited), Fault::Error(Kind::NotSent)] {
                let manner = Manner { provisioning: seconds(30), steps: 2, ..Manner::default() };
                play("faults", shapes::objects(), manner, moment, &[(what, fault)]);
            }
        }
    }
}

#[test]
fn a_signal_during_the_look_for_doubles_leaves_nothing() {
    for late in (55..75).map(seconds) {
        let manner = Manner { provisioning: seconds(60), ..Manner::default() };
        play("doubles", plain(), manner, late, &[(What::Create, Fault::Late(seconds(20)))]);
    }
}

#[test]
fn a_deletion_that_fails_in_a_roll_back_is_tried_again() {
    for fault in [Fault::Hang, Fault::Lost, Fault::Error(Kind::NotSent), Fault::Error(Kind::Conflict)] {
        play("deletion", plain(), Manner::default(), seconds(100), &[(What::Delete, fault)]);
    }
}

#[test]
fn a_roll_back_that_does_not_succeed_says_what_is_still_billed() {
    for kind in [Kind::Rejected, Kind::Unauthenticated, Kind::Ambiguous, Kind::Conflict] {
        let stage = Stage::new(plain(), Manner::default());
        stage.provider.strike_all(What::Delete, Fault::Error(kind));
        stage.signal_at(seconds(100));
        let failure = stage.failure();
        assert!(failure.contains("machine m1 is STILL BILLED"), "{kind:?}: {failure}");
        assert!(failure.contains("`cancel m1`"), "{failure}");
        assert!(stage.journal().read().is_some());
        assert!(stage.now() < seconds(100 + 330), "{kind:?} {:?}", stage.now());
    }
}

#[test]
fn a_deletion_that_is_accepted_and_not_carried_out_is_told_of() {
    let stage = Stage::new(plain(), Manner { ignores_deletion: true, ..Manner::default() });
    stage.signal_at(seconds(100));
    let result = stage.deploy();
    assert!(result.is_err());
    stage.asserts_balance("ignored", &result);
}

#[test]
fn a_machine_that_is_not_seen_gone_in_a_roll_back_is_told_of() {
    let stage = Stage::new(plain(), Manner { deleting: seconds(3600), ..Manner::default() });
    stage.signal_at(seconds(100));
    let failure = stage.failure();
    assert!(failure.contains("machine m1 is being deleted"), "{failure}");
    assert!(failure.contains("not seen gone"), "{failure}");
    assert!(stage.journal().read().is_some());
}

#[test]
fn a_signal_ends_every_other_action_at_once_and_changes_nothing() {
    let stage = Stage::new(plain(), Manner::default());
    let id = stage.deployed();
    stage.lead(&id, &[(State::Off, seconds(0))]);
    let begin = stage.now();
    stage.signal_at(begin + seconds(20));
    assert!(stage.engine().resume(&id).is_err());
    assert!(stage.now() <= begin + seconds(21));
    assert_eq!(stage.left(), [id]);
}

/// The first signal in the middle of a roll-back ended that, and left the machine.
#[test]
fn a_first_signal_during_a_roll_back_does_not_stop_it() {
    let manner = Manner { fails: Some((seconds(60), "no disk")), ..Manner::default() };
    for second in 61..70 {
        let stage = Stage::new(plain(), manner.clone());
        stage.signal_at(seconds(second));
        let failure = stage.failure();
        assert!(failure.contains("machine m1 was deleted again"), "{second}: {failure}");
        stage.asserts_nothing_left(&failure);
    }
}

/// Something in between repeated the order, and the roll-back deleted one machine of two.
#[test]
fn a_roll_back_deletes_the_copy_of_an_order_too() {
    for deletion in [None, Some(Fault::Error(Kind::Protected))] {
        let stage = Stage::new(plain(), Manner::default());
        stage.provider.strike(What::Create, 0..1, Fault::Twice);
        if let Some(fault) = deletion {
            // The first one cannot be deleted, and is told of.
            stage.provider.strike(What::Delete, 0..1, fault);
        }
        stage.signal_at(seconds(30));
        let result = stage.deploy();
        assert_eq!(stage.left().len(), usize::from(deletion.is_some()));
        stage.asserts_balance("a copy", &result);
    }
}
