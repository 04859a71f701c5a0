//! Time as the servers tell it: counted from their start, written as HTTP and JSON write it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Everything that happens in a simulator is dated by the time since its start.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    epoch: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Clock { started: Instant::now(), epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Since the start.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Unix seconds of a time since the start.
    pub(crate) fn unix(&self, at: Duration) -> u64 {
        (self.epoch + at).as_secs()
    }

    /// `2026-06-30T23:59:59Z`, as the API writes times.
    pub(crate) fn rfc3339(&self, at: Duration) -> String {
        let Date { year, month, day, hour, minute, second, .. } = Date::of(self.unix(at));
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// `Tue, 30 Jun 2026 23:59:59 GMT` (RFC 9110, 5.6.7), for Date and Retry-After.
    pub(crate) fn http_date(&self, at: Duration) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let date = Date::of(self.unix(at));
        format!(
            "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
            DAYS[date.weekday],
            date.day,
            MONTHS[date.month as usize - 1],
            date.year,
            date.hour,
            date.minute,
            date.second
        )
    }
}

/// A Unix time in the Gregorian calendar, UTC.
struct Date {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    /// Days since a Thursday, for that is what 1970-01-01 was.
    weekday: usize,
}

impl Date {
    fn of(unix: u64) -> Self {
        let (days, seconds) = (unix / 86_400, unix % 86_400);
        // Howard Hinnant's days-to-civil algorithm: years begin in March, so that leap days come last.
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Date {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            weekday: (days % 7) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_on_both_sides_of_a_leap_day() {
        let at = |seconds| Clock { started: Instant::now(), epoch: Duration::from_secs(seconds) };
        assert_eq!(at(0).rfc3339(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(at(1_709_164_800).rfc3339(Duration::from_secs(86_399)), "2024-02-29T23:59:59Z");
        assert_eq!(at(784_111_777).http_date(Duration::ZERO), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
