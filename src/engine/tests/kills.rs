//! A process that is killed at any of its requests, and the run after it.

use super::*;
use crate::http::error::Kind;

const KILLS: [Fault; 2] = [Fault::KilledBefore, Fault::KilledAfter];

/// How much later the next run begins: at once, and when no order can take effect any more.
const LATER: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3600)];

/// For each request of `run` a new stage on which it is killed there; `then` plays what follows.
fn each_kill(make: impl Fn() -> Stage, run: impl Fn(&Stage), then: impl Fn(&Stage, &str)) {
    for (fault, later) in KILLS.into_iter().flat_map(|fault| LATER.map(|later| (fault, later))) {
        for request in 0.. {
            let stage = make();
            if !stage.killed_at(request, fault, &run) {
                assert!(request > 2, "it asked for nothing");
                break;
            }
            stage.pass(later);
            then(&stage, &format!("{fault:?}, request {request}, {later:?} later"));
        }
    }
}

fn deploys(stage: &Stage) {
    let _ = stage.deploy();
}

fn one_is_left(stage: &Stage, case: &str) {
    let id = stage.deploy().unwrap_or_else(|failure| panic!("{case}: {failure}"));
    assert_eq!(stage.left(), std::slice::from_ref(&id), "{case}");
    assert!(stage.journal().read().is_none(), "{case}");
    assert_eq!(stage.shown(&id).state, State::On, "{case}");
    stage.engine().cancel(&id, None).unwrap_or_else(|error| panic!("{case}: {error}"));
    stage.asserts_nothing_left(case);
}

#[test]
fn a_deploy_after_one_that_was_killed_at_any_request_ends_with_one_machine() {
    for number in 0..shapes::all().len() {
        let shape = || shapes::all().swap_remove(number);
        let make = || Stage::new(shape().1, shape().2);
        each_kill(make, deploys, |stage, case| one_is_left(stage, &format!("{}: {case}", shape().0)));
    }
}

#[test]
fn a_deploy_after_two_that_were_killed_at_any_request_ends_with_one_machine() {
    for first in 0..14 {
        let make = || {
            let manner = Manner { provisioning: seconds(5), ..Manner::default() };
            let stage = Stage::new(shapes::objects(), manner);
            stage.killed_at(first, Fault::KilledAfter, deploys);
            stage
        };
        each_kill(make, deploys, |stage, case| one_is_left(stage, &format!("{first}: {case}")));
    }
}

#[test]
fn a_deploy_after_one_that_was_killed_while_it_looked_for_a_lost_order_ends_with_one_machine() {
    let make = || {
        let manner = Manner { provisioning: seconds(60), hidden_in_lists: seconds(8), ..Manner::default() };
        let stage = Stage::new(plain(), manner);
        stage.provider.strike(What::Create, 0..1, Fault::Lost);
        stage
    };
    each_kill(make, deploys, one_is_left);
}

/// A provider whose listings lag by almost as long as it says, and whose machines take so long.
fn lagging(provisioning: Duration) -> Stage {
    let hidden_in_lists = seconds(29);
    Stage::new(plain(), Manner { provisioning, hidden_in_lists, ..Manner::default() })
}

#[test]
fn what_a_killed_run_ordered_leaves_no_double_though_the_listing_lags() {
    each_kill(|| lagging(seconds(60)), deploys, one_is_left);
}

#[test]
fn what_a_killed_run_ordered_is_looked_for_as_long_as_it_may_appear() {
    each_kill(|| lagging(seconds(5)), deploys, one_is_left);
}

#[test]
fn an_order_of_a_killed_run_that_is_carried_out_late_leaves_no_double() {
    let make = || {
        let stage = Stage::new(plain(), Manner { provisioning: seconds(60), ..Manner::default() });
        stage.provider.strike(What::Create, 0..1, Fault::Late(seconds(50)));
        stage
    };
    each_kill(make, deploys, one_is_left);
}

#[test]
fn steps_after_the_order_are_taken_up_where_a_killed_run_left_them() {
    let make = || {
        let manner = Manner { provisioning: seconds(60), steps: 4, ..Manner::default() };
        Stage::new(shapes::objects(), manner)
    };
    each_kill(make, deploys, |stage, case| {
        let id = stage.deployed();
        assert_eq!(stage.left(), [id], "{case}");
        assert_eq!(stage.provider.world().machines.len(), 1, "{case}");
        let steps = stage.provider.asked(What::Advance).len();
        // One more where the process was killed before it was sent.
        assert!((4..=5).contains(&steps), "{case}: {steps}");
    });
}

#[test]
fn a_deploy_after_a_roll_back_that_was_killed_ends_with_one_machine() {
    let roll_back = |stage: &Stage| {
        stage.signal_at(seconds(30));
        deploys(stage);
    };
    let make = || Stage::new(shapes::objects(), Manner { steps: 2, provisioning: seconds(60), ..Manner::default() });
    each_kill(make, roll_back, one_is_left);
}

fn cancel_is_killed(shape: impl Fn() -> (&'static str, Spec, Manner)) {
    let make = || {
        let stage = Stage::new(shape().1, shape().2);
        stage.deployed();
        stage
    };
    let cancels = |stage: &Stage| {
        let _ = stage.engine().cancel(&MachineId::scripted(format!("{}m1", shape().2.place)), Some(&stage.journal()));
    };
    each_kill(make, cancels, |stage, case| {
        let case = format!("{}: {case}", shape().0);
        let id = stage.provider.world().machines[0].id.clone();
        stage.engine().cancel(&id, Some(&stage.journal())).unwrap_or_else(|error| panic!("{case}: {error}"));
        stage.asserts_nothing_left(&case);
    });
}

#[test]
fn a_cancel_after_one_that_was_killed_at_any_request_leaves_nothing() {
    for number in 0..shapes::all().len() {
        let shape = || shapes::all().swap_remove(number);
        if !shape().1.has_objects {
            cancel_is_killed(shape);
        }
    }
}

#[test]
fn a_cancel_after_one_that_was_killed_at_any_request_leaves_no_objects() {
    cancel_is_killed(|| ("objects", shapes::objects(), Manner::default()));
}

#[test]
fn objects_of_a_killed_run_go_with_its_machine_where_the_next_run_fails() {
    let stage = Stage::new(shapes::objects(), Manner::default());
    assert!(stage.killed_at(6, Fault::KilledBefore, deploys));
    assert_eq!(stage.left().len(), 1);
    stage.provider.strike_all(What::List, Fault::Error(Kind::Rejected));
    let result = stage.deploy();
    assert!(result.is_err());
    stage.asserts_balance("killed", &result);
}

#[test]
fn a_machine_of_a_killed_run_is_told_of_where_the_next_run_cannot_make_its_objects() {
    let stage = Stage::new(shapes::objects(), Manner::default());
    assert!(stage.killed_at(3, Fault::KilledAfter, deploys));
    assert_eq!(stage.left().len(), 1);
    stage.provider.strike_all(What::Prepare, Fault::Error(Kind::Rejected));
    let result = stage.deploy();
    assert!(result.is_err());
    stage.asserts_balance("killed", &result);
}

#[test]
fn what_a_killed_run_may_have_ordered_is_told_of_by_the_mark_that_the_provider_shows() {
    let spec = Spec { identity: Identity::Name { field: "name", tags: None }, ..plain() };
    let stage = Stage::new(spec, Manner::default());
    assert!(stage.killed_at(1, Fault::KilledAfter, deploys));
    stage.provider.strike_all(What::List, Fault::Error(Kind::Rejected));
    let failure = stage.failure();
    assert!(failure.contains(&stage.order().mark), "{failure}");
}

/// EC2 said "no machine was ordered" of what the run before it had ordered and was killed over.
#[test]
fn a_signal_before_the_first_look_does_not_forget_what_a_killed_run_ordered() {
    for has_idempotency_key in [false, true] {
        let manner = Manner { provisioning: seconds(60), ..Manner::default() };
        let stage = Stage::new(Spec { has_idempotency_key, ..plain() }, manner);
        let first = stage.deployed();
        stage.engine().cancel(&first, None).unwrap();
        // oned keeps the id of the machine that is gone.
        *stage.recorded.borrow_mut() = Some(first);
        let orders = stage.provider.asked(What::Create).len();
        let spent = usize::from(has_idempotency_key);
        stage.provider.strike(What::Create, orders + spent..orders + spent + 1, Fault::KilledAfter);
        assert!(stage.killed_at(usize::MAX / 2, Fault::KilledAfter, deploys));
        assert_eq!(stage.left().len(), 1);
        stage.signal_at(stage.now() + Duration::from_millis(100));
        let result = stage.deploy();
        stage.asserts_balance("signalled", &result);
        assert_eq!(stage.left(), [], "{}", result.unwrap_err());
    }
}

/// Whoever could write it could hold its locks, and every deploy would wait.
#[test]
fn a_folder_that_others_may_write_holds_no_notes_and_no_locks() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let stage = Stage::new(plain(), Manner::default());
    let (journal, interrupt) = (stage.journal(), Interrupt::default());
    journal.note(None, 1).unwrap();
    let is_locked = || journal.lock(&*stage.clock, &interrupt, || {}).unwrap().is_some();
    assert!(is_locked());
    fs::set_permissions(&stage.folder.0, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(journal.note(None, 1).is_err() && !is_locked());
    let link = Folder(stage.folder.0.with_extension("link"));
    symlink("/dev/shm", &link.0).unwrap();
    let elsewhere = stage.of_host(|host, _| Journal::in_folder(&link.0, &plain(), &Owner::of(host)));
    let refused = elsewhere.note(None, 1).is_err();
    fs::remove_file(&link.0).unwrap();
    assert!(refused);
    // A deploy goes on without.
    stage.deployed();
}
