//! What is tried again, when, and how long to wait in between.

use std::time::Duration;

use crate::http::error::{ApiError, Kind};

/// How often a request that met a passing fault is sent in all. With [`Backoff`] that is about eight
/// seconds, long enough for a restart of a proxy, short enough for somebody who mistyped an address.
pub const ATTEMPTS: u32 = 6;

/// The first pause between two attempts.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause between two attempts that we choose ourselves.
const LONGEST: Duration = Duration::from_secs(8);

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// It may pass: try again, a limited number of times.
    Again,
    /// The provider is well and asks for patience: try again as long as there is time.
    Later,
    /// It will not pass.
    Never,
}

/// The retry table. It holds for requests that may be repeated; an order is not one of them.
pub fn advice(kind: Kind) -> Advice {
    match kind {
        Kind::NotSent | Kind::Ambiguous => Advice::Again,
        Kind::RateLimited | Kind::Conflict => Advice::Later,
        Kind::Unauthenticated
        | Kind::PermissionDenied
        | Kind::NotFound
        | Kind::Rejected
        | Kind::Protected
        | Kind::Redirected
        | Kind::Untrusted
        | Kind::KeySpent => Advice::Never,
    }
}

/// Growing pauses between attempts.
#[derive(Debug, Default)]
pub struct Backoff {
    steps: u32,
    repeats: u32,
}

impl Backoff {
    /// The pause before the next attempt after `error`, or `None` where another one is hopeless or one too
    /// many. A `Retry-After` is kept to the second.
    pub fn after(&mut self, error: &ApiError) -> Option<Duration> {
        match advice(error.kind) {
            Advice::Never => return None,
            Advice::Again => {
                self.repeats += 1;
                if self.repeats >= ATTEMPTS {
                    return None;
                }
            }
            Advice::Later => {}
        }
        Some(match error.retry_after {
            // A crowd that was sent away together must not come back together.
            Some(asked) => asked + self.pause().mul_f64(random()),
            None => self.pause(),
        })
    }

    /// The next pause of our own choice.
    pub fn pause(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.steps.min(5)).min(LONGEST);
        self.steps += 1;
        jitter(pause)
    }
}

/// `time`, made up to a quarter shorter or longer, so that processes that started together do not march in
/// step.
pub fn jitter(time: Duration) -> Duration {
    time.mul_f64(0.75 + 0.5 * random())
}

/// A number between 0 and 1.
#[cfg(not(test))]
fn random() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    // A `RandomState` takes its keys from the system once a thread and then counts them up: cheap, and
    // random enough for a pause.
    f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX)
}

/// The same, from a seed that a test may set for its thread, so that it plays again what it played.
#[cfg(test)]
fn random() -> f64 {
    fastrand::f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= FIRST.mul_f64(1.25));
        assert!(pauses[5] > pauses[0]);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST.mul_f64(1.25)));
    }

    #[test]
    fn jitter_spreads() {
        let pauses: Vec<Duration> = (0..100).map(|_| jitter(Duration::from_secs(1))).collect();
        let (least, most) = (pauses.iter().min(), pauses.iter().max());
        assert!(least < Some(&Duration::from_millis(900)));
        assert!(most > Some(&Duration::from_millis(1100)));
    }
}
