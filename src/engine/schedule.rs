//! How often a wait asks: often at first and ever less often, in proportion to the time that has passed, so
//! that the answer is late by a small part of what the wait took anyway.
//!
//! Half a pause is how late a look is at the median. So pauses of at most 1.8 s in the first half minute are
//! within 1 s, of 6 s up to two minutes within 3 s, and of 9.4 s from then on within 5 s; that is some 90 looks in
//! eight minutes, where the stock driver asks every 5 s.
//!
//! What a provider tells of its progress never makes a pause longer, as it may stand still, jump or go back. It makes a
//! few shorter, where it says that the machine is about to be up.

use std::time::{Duration, Instant};

use crate::http::backoff::jitter;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(9400);
/// What the pauses stay below in the first half minute, and in the first two.
const EARLY: Duration = Duration::from_millis(1800);
const TWO_MINUTES: (Duration, Duration) = (Duration::from_secs(120), Duration::from_secs(6));
/// The share of the time passed that a pause takes: at first, and later.
const SHARES: (u32, u32) = (4, 15);
/// How many pauses of a wait may be shorter because of the provider's progress, and how much.
const HINTS: u32 = 3;
const HINTED: u32 = 4;

/// The schedule of one wait.
#[derive(Debug)]
pub struct Schedule {
    start: Instant,
    /// How many pauses were made shorter.
    hints: u32,
    /// What the provider told last of its progress, in per cent.
    progress: Option<f64>,
}

impl Schedule {
    /// A wait that begins at this moment.
    pub fn begin(start: Instant) -> Self {
        Self { start, hints: 0, progress: None }
    }

    /// How long the wait has lasted.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// The pause before the next look of a wait that has lasted for `elapsed`. `progress`: how far the provider says
    /// it is, in per cent.
    pub fn pause(&mut self, elapsed: Duration, progress: Option<f64>) -> Duration {
        jitter(self.exact_pause(elapsed, progress))
    }

    fn exact_pause(&mut self, elapsed: Duration, progress: Option<f64>) -> Duration {
        let early = (elapsed / SHARES.0).min(EARLY);
        let most = if elapsed < TWO_MINUTES.0 { TWO_MINUTES.1 } else { LONGEST };
        let usual = early.max(elapsed / SHARES.1).clamp(SHORTEST, most);
        let moves =
            |progress: &f64| (1.0..100.0).contains(progress) && self.progress.is_none_or(|last| *progress > last);
        let told = progress.filter(moves);
        self.progress = progress.or(self.progress);
        let left = told.map(|progress| elapsed.mul_f64((100.0 - progress) / progress));
        match left {
            Some(left) if left < usual && self.hints < HINTS => {
                self.hints += 1;
                left.max(usual / HINTED).max(SHORTEST)
            }
            _ => usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a provider tells of a machine of `length` that has taken `now`.
    type Telling = fn(f64, f64) -> Option<f64>;

    const TELLINGS: [(&str, Telling); 7] = [
        ("nothing", |_, _| None),
        ("honest", |now, length| Some((now / length * 100.0).min(100.0))),
        ("stuck at 40", |now, length| Some((now / length * 100.0).min(40.0))),
        ("stuck at 99", |now, length| Some((now / length * 300.0).min(99.0))),
        ("in steps", |now, length| Some((now / length * 4.0).floor() * 25.0)),
        ("backwards", |now, length| Some((100.0 - now / length * 100.0).max(0.0))),
        ("100 at once", |_, _| Some(100.0)),
    ];

    /// How many looks a wait of `length` takes, and how late the last one is, without jitter.
    fn play(length: Duration, tell: Telling) -> (u32, Duration) {
        let mut schedule = Schedule::begin(Instant::now());
        let mut now = Duration::ZERO;
        for looks in 1.. {
            now += schedule.exact_pause(now, tell(now.as_secs_f64(), length.as_secs_f64()));
            if now >= length {
                return (looks, now - length);
            }
        }
        unreachable!()
    }

    fn lateness(seconds: std::ops::Range<u32>, tell: Telling) -> Vec<Duration> {
        let tenths = seconds.start * 10..seconds.end * 10;
        let mut late: Vec<Duration> =
            tenths.map(|tenths| play(Duration::from_millis(u64::from(tenths) * 100), tell).1).collect();
        late.sort();
        late
    }

    #[test]
    fn looks_are_late_by_little_whatever_a_provider_tells_of_its_progress() {
        for (name, tell) in TELLINGS {
            for (seconds, limit) in [(2..30, 1), (30..120, 3), (120..900, 5)] {
                let late = lateness(seconds.clone(), tell);
                let limit = Duration::from_secs(limit);
                assert!(late[late.len() / 2] <= limit, "{name} {seconds:?}");
                // A quarter is for the jitter.
                assert!(late[late.len() - 1].mul_f64(1.25) <= limit.mul_f64(2.5), "{name} {seconds:?}");
            }
        }
    }

    #[test]
    fn what_is_told_never_makes_a_pause_longer_and_makes_few_looks_more() {
        for (name, tell) in TELLINGS {
            let (looks, _) = play(Duration::from_secs(480), tell);
            assert!(looks <= 96, "{name}: {looks}");
            let median = |tell| {
                let late = lateness(120..480, tell);
                late[late.len() / 2]
            };
            assert!(median(tell) <= median(TELLINGS[0].1) + Duration::from_millis(300), "{name}");
        }
    }
}
