//! Many mishaps at once, drawn at random: the books balance after each run, and in the end one machine is left.

use super::*;
use crate::http::error::Kind;

/// How many plays there are where `PM_PACKET_PLAYS` does not say: three runs each, and one in the end.
const PLAYS: u64 = 2500;

const WHATS: [What; 7] = [
    What::List,
    What::Prepare,
    What::Create,
    What::Get,
    What::Advance,
    What::Delete,
    What::Discard,
];

fn one_of<T: Copy>(random: &mut fastrand::Rng, all: &[T]) -> T {
    all[random.usize(..all.len())]
}

fn fault(random: &mut fastrand::Rng) -> Fault {
    let passing = [Kind::NotSent, Kind::Ambiguous, Kind::RateLimited, Kind::Conflict];
    let lasting = [Kind::Rejected, Kind::Unauthenticated, Kind::Redirected];
    let asked = seconds(random.u64(0..120));
    match random.u8(0..10) {
        0..=3 => Fault::Error(one_of(random, &passing)),
        4 => Fault::Error(one_of(random, &lasting)),
        5 => Fault::Patience(Kind::RateLimited, asked),
        6..=7 => Fault::Lost,
        _ => Fault::Hang,
    }
}

/// One run with mishaps of all sorts.
fn run(stage: &Stage, random: &mut fastrand::Rng, case: &str) {
    for _ in 0..random.u8(0..4) {
        let what = one_of(random, &WHATS);
        let first = stage.provider.asked(what).len() + random.usize(0..4);
        let last = first + random.usize(1..4);
        stage.provider.strike(what, first..last, fault(random));
    }
    if random.bool() {
        stage.signal_at(stage.now() + Duration::from_millis(random.u64(0..90_000)));
    }
    let kill = one_of(random, &[Fault::KilledBefore, Fault::KilledAfter]);
    let (request, cancels) = (random.usize(0..60), random.bool());
    stage.killed_at(request, kill, |stage| {
        let result = stage.deploy();
        if stage.provider.world().is_killed {
            return;
        }
        stage.asserts_machines_balance(case, &result);
        if let Ok(id) = result
            && cancels
        {
            let _ = stage.engine().cancel(&id, None);
        }
    });
    let later = seconds(one_of(random, &[0, 5, 60, 3600]));
    stage.pass(later);
}

#[test]
fn whatever_mishaps_come_together_the_books_balance() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("PM_PACKET_SEED").unwrap_or(0);
    for seed in first..first + number("PM_PACKET_PLAYS").unwrap_or(PLAYS) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut shapes = shapes::all();
        // The others show faults of their own, each of which has an ignored test.
        let (name, spec, manner) = shapes.swap_remove(random.usize(..shapes.len()));
        let stage = Stage::new(spec, manner);
        for number in 0..3 {
            run(&stage, &mut random, &format!("{name}, play {seed}, run {number}"));
        }
        let case = format!("{name}, play {seed}, at the end");
        stage.provider.world().strikes.clear();
        stage.signal.set(None);
        let id = stage.deploy().unwrap_or_else(|failure| panic!("{case}: {failure}"));
        assert_eq!(stage.left(), std::slice::from_ref(&id), "{case}");
        stage.engine().cancel(&id, None).unwrap_or_else(|error| panic!("{case}: {error}"));
        stage.asserts_nothing_left(&case);
    }
}
