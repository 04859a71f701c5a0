//! How often a wait asks: often at first and ever less often, in proportion to the time that has passed, so
//! that the answer is late by a small part of what the wait took anyway.
//!
//! Half a pause is how late a look is at the median. So pauses of at most 1.8 s in the first half minute are
//! within 1 s, 6 s at two minutes within 3 s, and 9.6 s from then on within 5 s; that is some 90 looks in
//! eight minutes, where the stock driver asks every 5 s. A provider that tells how far it is, is asked when
//! it is about to be done.

use std::time::{Duration, Instant};

use crate::http::backoff::jitter;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(9600);
/// What the pauses stay below in the first half minute.
const EARLY: Duration = Duration::from_millis(1800);
/// The share of the time passed that a pause takes: at first, and later.
const SHARES: (u32, u32) = (4, 15);
/// How much longer, or shorter, a pause may become because of the provider's progress.
const STRETCH: u32 = 4;

/// The schedule of one wait.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
}

impl Schedule {
    /// A wait that begins at this moment.
    pub fn begin(start: Instant) -> Self {
        Self { start }
    }

    /// How long the wait has lasted.
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// The pause before the next look of a wait that has lasted for `elapsed`. `progress`: how far the provider says
    /// it is, in per cent.
    pub fn pause(&self, elapsed: Duration, progress: Option<f64>) -> Duration {
        pause_after(elapsed, progress)
    }
}

/// The pause before the next look of a wait that has lasted for `elapsed`.
pub fn pause_after(elapsed: Duration, progress: Option<f64>) -> Duration {
    jitter(pause(elapsed, progress))
}

fn pause(elapsed: Duration, progress: Option<f64>) -> Duration {
    let early = (elapsed / SHARES.0).min(EARLY);
    let usual = early.max(elapsed / SHARES.1).clamp(SHORTEST, LONGEST);
    match progress {
        // Half of what seems to be left: the estimate gets better as it is approached.
        Some(progress) if (1.0..=100.0).contains(&progress) => {
            let left = elapsed.mul_f64((100.0 - progress) / progress) / 2;
            let least = (usual / STRETCH).max(SHORTEST);
            left.clamp(least, usual * STRETCH)
        }
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks a wait of `length` takes, and how late the last one is, without jitter.
    fn play(length: Duration, tells: bool) -> (u32, Duration) {
        let mut now = Duration::ZERO;
        for looks in 1.. {
            let progress = now.as_secs_f64() / length.as_secs_f64() * 100.0;
            now += pause(now, tells.then_some(progress.min(100.0)));
            if now >= length {
                return (looks, now - length);
            }
        }
        unreachable!()
    }

    fn median_lateness(seconds: std::ops::Range<u32>, tells: bool) -> Duration {
        let mut late: Vec<Duration> = (seconds.start * 10..seconds.end * 10)
            .map(|tenths| play(Duration::from_millis(u64::from(tenths) * 100), tells).1)
            .collect();
        late.sort();
        late[late.len() / 2]
    }

    #[test]
    fn looks_are_late_by_little() {
        for tells in [false, true] {
            assert!(median_lateness(2..30, tells) <= Duration::from_secs(1));
            assert!(median_lateness(30..120, tells) <= Duration::from_secs(3));
            assert!(median_lateness(120..480, tells) <= Duration::from_secs(5));
        }
    }

    #[test]
    fn eight_minutes_take_at_most_96_looks_and_fewer_where_the_provider_tells() {
        let (looks, _) = play(Duration::from_secs(480), false);
        assert!(looks <= 96, "{looks}");
        let (fewer, _) = play(Duration::from_secs(480), true);
        assert!(fewer * 2 <= looks, "{fewer} and {looks}");
    }
}
