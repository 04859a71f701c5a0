//! How late a deploy notices that its machine is active, and how often it asked until then: the pauses of the
//! real schedule, played over machines that take from 2 s to 15 minutes, without waiting for them, and over all that a
//! provider may tell of its progress.

use std::time::{Duration, Instant};

use pm_packet::engine::schedule::Schedule;

/// Machines in each row.
const MACHINES: u32 = 1000;

/// What a provider tells, in per cent, of a machine that takes `length` seconds, after `now`.
type Telling = fn(f64, f64) -> Option<f64>;

const TELLINGS: [(&str, Telling); 7] = [
    ("nothing", |_, _| None),
    ("honest", |now, length| Some((now / length * 100.0).min(100.0))),
    ("stuck at 40 %", |now, length| Some((now / length * 100.0).min(40.0))),
    ("stuck at 99 %", |now, length| Some((now / length * 300.0).min(99.0))),
    ("in steps", |now, length| Some((now / length * 4.0).floor() * 25.0)),
    ("backwards", |now, length| Some((100.0 - now / length * 100.0).max(0.0))),
    ("100 % at once", |_, _| Some(100.0)),
];

fn main() {
    println!("| provisioning | progress told | looks, median | late: median | most | limits |");
    println!("|---|---|---|---|---|---|");
    for (from, to, limit) in [(2, 30, 1.0), (30, 120, 3.0), (120, 900, 5.0)] {
        for (name, tell) in TELLINGS {
            let mut games: Vec<(u32, f64)> = (0..MACHINES)
                .map(|at| {
                    let share = f64::from(at) / f64::from(MACHINES);
                    play(f64::from(from) + share * f64::from(to - from), tell)
                })
                .collect();
            games.sort_by_key(|(looks, _)| *looks);
            let looks = games[games.len() / 2].0;
            games.sort_by(|one, other| one.1.total_cmp(&other.1));
            let (median, most) = (games[games.len() / 2].1, games[games.len() - 1].1);
            let limits = [limit, limit * 2.5];
            println!(
                "| {from} to {to} s | {name} | {looks} | {median:.2} s | {most:.2} s | {} s, {} s |",
                limits[0], limits[1]
            );
            assert!(median <= limits[0] && most <= limits[1], "{name} from {from} to {to} s is late");
        }
    }
    println!();
    for (name, tell) in TELLINGS {
        let mut eight: Vec<u32> = (0..MACHINES).map(|_| play(480.0, tell).0).collect();
        eight.sort_unstable();
        let (least, most) = (eight[0], eight[eight.len() - 1]);
        println!("looks in eight minutes, {name}: {least} to {most} (every 5 s makes 96)");
    }
}

/// How many looks a machine of so many seconds takes, and how late the last one is, in seconds.
fn play(seconds: f64, tell: Telling) -> (u32, f64) {
    let mut schedule = Schedule::begin(Instant::now());
    let length = Duration::from_secs_f64(seconds);
    let mut now = Duration::ZERO;
    let mut looks = 0;
    while now < length {
        now += schedule.pause(now, tell(now.as_secs_f64(), seconds));
        looks += 1;
    }
    (looks, (now - length).as_secs_f64())
}
