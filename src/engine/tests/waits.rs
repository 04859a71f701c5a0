//! Every wait ends, whatever goes wrong with whatever is asked, and the books balance.

use std::ops::Range;

use super::*;
use crate::http::error::Kind;
use crate::provider::machine::Power;

const KINDS: [Kind; 12] = [
    Kind::NotSent,
    Kind::Ambiguous,
    Kind::RateLimited,
    Kind::Unauthenticated,
    Kind::PermissionDenied,
    Kind::NotFound,
    Kind::Rejected,
    Kind::Conflict,
    Kind::Protected,
    Kind::Redirected,
    Kind::Untrusted,
    Kind::KeySpent,
];
const WHATS: [What; 7] =
    [What::List, What::Prepare, What::Create, What::Get, What::Advance, What::Delete, What::Discard];
/// Which requests of a kind fail: the first, some later ones, all but the first.
const WHICH: [Range<usize>; 3] = [0..1, 2..9, 1..usize::MAX];
/// How long a deploy may take that has 30 minutes, with its roll-back.
const LONGEST: Duration = Duration::from_secs(1800 + 300 + 60);

fn faults() -> Vec<Fault> {
    let errors = KINDS.into_iter().map(Fault::Error);
    let patience = Fault::Patience(Kind::RateLimited, seconds(3600));
    errors.chain([patience, Fault::Lost, Fault::Hang]).collect()
}

/// Each fault in each place, with what it is called.
fn each(whats: &[What], play: impl Fn(&str, &dyn Fn(&Stage))) {
    for what in whats {
        for which in WHICH {
            for fault in faults() {
                let case = format!("{what:?} {which:?} {fault:?}");
                play(&case, &|stage| stage.provider.strike(*what, which.clone(), fault));
            }
        }
    }
}

#[test]
fn every_deploy_ends_in_time_and_what_is_left_is_told_of() {
    for (name, steps) in [("plain", 0), ("objects and steps", 2)] {
        each(&WHATS, |case, strike| {
            let spec = if steps > 0 { shapes::objects() } else { plain() };
            let stage = Stage::new(spec, Manner { steps, ..Manner::default() });
            strike(&stage);
            let result = stage.deploy();
            let case = format!("{name}: {case}");
            assert!(stage.now() <= LONGEST, "{case}: {:?}", stage.now());
            stage.asserts_balance(&case, &result);
        });
    }
}

#[test]
fn every_deploy_that_is_interrupted_ends_in_time_and_what_is_left_is_told_of() {
    each(&[What::List, What::Create, What::Get, What::Delete, What::Discard], |case, strike| {
        let stage = Stage::new(shapes::objects(), Manner::default());
        strike(&stage);
        stage.signal_at(seconds(100));
        let result = stage.deploy();
        assert!(stage.now() <= LONGEST, "{case}: {:?}", stage.now());
        stage.asserts_balance(case, &result);
    });
}

#[test]
fn every_cancel_ends_in_time_and_succeeds_only_where_nothing_is_left() {
    for spec in [plain, shapes::by_listing, shapes::objects] {
        each(&[What::List, What::Get, What::Delete, What::Discard], |case, strike| {
            let stage = Stage::new(spec(), Manner { provisioning: seconds(5), ..Manner::default() });
            let id = stage.deployed();
            let begin = stage.now();
            strike(&stage);
            let result = stage.engine().cancel(&id, None);
            let took = stage.now() - begin;
            assert!(took <= LONGEST, "{case}: {took:?}");
            if result.is_ok() {
                assert_eq!(stage.left(), [], "{case}");
            }
        });
    }
}

#[test]
fn every_change_of_power_ends_in_time_and_deletes_nothing() {
    let whats = [What::List, What::Get, What::Power(Power::Off), What::Power(Power::On)];
    for spec in [plain, shapes::by_listing] {
        each(&whats, |case, strike| {
            let stage = Stage::new(spec(), Manner { provisioning: seconds(5), ..Manner::default() });
            let id = stage.deployed();
            let begin = stage.now();
            strike(&stage);
            let result = stage.engine().reset(&id);
            let took = stage.now() - begin;
            // It is two waits.
            assert!(took <= LONGEST + LONGEST, "{case}: {took:?}");
            if result.is_ok() {
                assert_eq!(stage.shown(&id).state, State::On, "{case}");
            }
            assert_eq!(stage.left(), [id], "{case}");
        });
    }
}

#[test]
fn a_fault_that_is_over_does_not_end_a_deploy_that_may_ask_again() {
    for what in [What::List, What::Get] {
        for kind in [Kind::NotSent, Kind::Ambiguous, Kind::RateLimited, Kind::Conflict] {
            let stage = Stage::new(plain(), Manner::default());
            stage.provider.strike(what, 0..5, Fault::Error(kind));
            let id = stage.deployed();
            assert_eq!(stage.left(), [id], "{what:?} {kind:?}");
        }
    }
}
