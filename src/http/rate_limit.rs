//! How long the other side asks us to rest: its rate limit, and `Retry-After`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::wire::time::http_date;

/// The longest rest that an answer can ask for: beyond every deadline, and short enough to reckon with.
const LONGEST_REST: Duration = Duration::from_secs(31 * 24 * 3600);

/// How many requests are left where nothing need be saved.
const PLENTY: u64 = 20;

/// The state of a rate limit, as an answer told it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    remaining: u64,
    reset: Instant,
}

impl Allowance {
    /// What the headers `X-RateLimit-Remaining` and `X-RateLimit-Reset` of an answer tell, or the wait that a 429
    /// asked for.
    pub(super) fn read(remaining: Option<&str>, reset: Option<&str>, retry_after: Option<Duration>) -> Option<Self> {
        if let Some(wait) = retry_after {
            return Some(Self { remaining: 0, reset: Instant::now() + wait });
        }
        Some(Self { remaining: remaining?.trim().parse().ok()?, reset: Instant::now() + rate_limit_reset(reset?)? })
    }

    /// Whether so much is left that several requests may be under way at once.
    pub(super) fn is_plenty(&self) -> bool {
        self.remaining >= PLENTY
    }

    /// How long to rest before the next request.
    ///
    /// With plenty left that is nothing; when little is left, what remains is spread over the time until
    /// the limit is renewed.
    pub(super) fn rest(&self) -> Duration {
        if self.is_plenty() {
            return Duration::ZERO;
        }
        self.reset.saturating_duration_since(Instant::now()) / (self.remaining as u32 + 1)
    }
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3). Dates are read by their difference to now.
pub fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let time = match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds.max(0.0)).ok()?,
        Err(_) => until(http_date(value)?),
    };
    Some(time.min(LONGEST_REST))
}

/// How long it is until `then`.
fn until(then: SystemTime) -> Duration {
    then.duration_since(SystemTime::now()).unwrap_or_default()
}

/// `X-RateLimit-Reset`: seconds from now, or, as it is a large number, since the epoch.
pub fn rate_limit_reset(value: &str) -> Option<Duration> {
    const AN_EPOCH: u64 = 1_000_000_000;
    let time = Duration::from_secs(value.trim().parse().ok()?);
    let time = match time.as_secs() {
        ..AN_EPOCH => time,
        // Whole seconds: the limit may be renewed within that second.
        _ => until(UNIX_EPOCH.checked_add(time)?) + Duration::from_secs(1),
    };
    Some(time.min(LONGEST_REST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("-3"), Some(Duration::ZERO));
        assert_eq!(retry_after("1e300"), None);
    }
}
