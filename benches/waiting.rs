//! How late a deploy notices that its machine is active, and how often it asked until then: the pauses of the
//! real schedule, played over machines that take from 2 s to 15 minutes, without waiting for them.

use std::time::Duration;

use pm_packet::engine::schedule::pause_after;

/// Machines in each row.
const MACHINES: u32 = 2000;

fn main() {
    println!("| provisioning | looks, median | late: 10 % | median | 90 % | limit of the median |");
    println!("|---|---|---|---|---|---|");
    for (from, to, limit) in [(2, 10, "1 s"), (10, 30, "1 s"), (30, 120, "3 s"), (120, 480, "5 s"), (480, 900, "5 s")] {
        for tells in [false, true] {
            let mut games: Vec<(u32, Duration)> = (0..MACHINES)
                .map(|at| {
                    let share = f64::from(at) / f64::from(MACHINES);
                    play(f64::from(from) + share * f64::from(to - from), tells)
                })
                .collect();
            games.sort_by_key(|(looks, _)| *looks);
            let looks = games[games.len() / 2].0;
            games.sort_by_key(|(_, late)| *late);
            let late = |share: usize| games[games.len() * share / 10].1.as_secs_f64();
            println!(
                "| {from} to {to} s{} | {looks} | {:.2} s | {:.2} s | {:.2} s | {limit} |",
                if tells { ", progress told" } else { "" },
                late(1),
                late(5),
                late(9),
            );
        }
    }
    let mut eight: Vec<u32> = (0..MACHINES).map(|_| play(480.0, false).0).collect();
    eight.sort();
    println!();
    println!(
        "looks in eight minutes: {} to {}, median {} (limit 96; every 5 s makes 96)",
        eight[0],
        eight[eight.len() - 1],
        eight[eight.len() / 2]
    );
}

/// How many looks a machine of so many seconds takes, and how late the last one is.
fn play(seconds: f64, tells: bool) -> (u32, Duration) {
    let length = Duration::from_secs_f64(seconds);
    let mut now = Duration::ZERO;
    let mut looks = 0;
    while now < length {
        let progress = now.as_secs_f64() / seconds * 100.0;
        now += pause_after(now, tells.then_some(progress));
        looks += 1;
    }
    (looks, now - length)
}
