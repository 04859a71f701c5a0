//! Moments as providers write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use time::UtcOffset;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

/// A date and time as RFC 3339 has it, to the second: `2026-03-01T12:00:00Z`, `…+02:00`. The `T` may be another
/// character, and where no zone is told it is UTC.
pub fn rfc3339(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let (date, clock, rest) = (text.get(..10)?, text.get(11..19)?, text.get(19..)?);
    let (clock, leap) = without_leap(clock);
    let zone = if rest.contains(['Z', 'z', '+', '-']) { "" } else { "Z" };
    let text = format!("{date}T{clock}{rest}{zone}");
    moment(OffsetDateTime::parse(&text, &Rfc3339).ok()?, leap)
}

/// An IMF-fixdate of HTTP (RFC 9110, 5.6.7) such as `Sun, 06 Nov 1994 08:49:37 GMT`; the two obsolete forms are
/// not read.
pub fn http_date(text: &str) -> Option<SystemTime> {
    // RFC 2822 has the same form, with any zone; here it is always GMT.
    let words: Vec<&str> = text.split_once(", ")?.1.split(' ').collect();
    let [day, month, year, clock, ..] = words[..] else {
        return None;
    };
    let (clock, leap) = without_leap(clock);
    let text = format!("{day} {month} {year} {clock} GMT");
    moment(OffsetDateTime::parse(&text, &Rfc2822).ok()?, leap)
}

/// `clock`, where its second is not 60, and the seconds that it is behind then: a leap second is the one after.
fn without_leap(clock: &str) -> (String, Duration) {
    match clock.strip_suffix(":60") {
        Some(minute) => (format!("{minute}:59"), Duration::from_secs(1)),
        None => (clock.to_owned(), Duration::ZERO),
    }
}

fn moment(time: OffsetDateTime, leap: Duration) -> Option<SystemTime> {
    let since = Duration::from_secs(time.unix_timestamp().try_into().ok()?);
    UNIX_EPOCH.checked_add(since + leap)
}

/// The Unix seconds of a moment.
pub fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Unix seconds as `2015-08-30T12:36:00Z`.
pub fn rfc3339_of(unix: u64) -> String {
    let time = i64::try_from(unix).ok();
    let time = time.and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    // The form has four digits for the year.
    let time = time.unwrap_or_else(|| PrimitiveDateTime::MAX.assume_utc());
    time.format(&Rfc3339).unwrap_or_default()
}

/// Unix seconds as `20150830T123600Z` (ISO 8601, basic format).
pub fn compact(unix: u64) -> String {
    rfc3339_of(unix).replace(['-', ':'], "")
}

/// A date and time as RFC 3339 has it, with its zone: without one it is UTC, and that is made explicit. `None`: it is
/// none.
pub fn explicit(written: &str) -> Option<String> {
    rfc3339(written)?;
    let (date, time) = (written.get(..10)?, written.get(11..)?);
    let zone = match time.find(['Z', 'z', '+', '-']) {
        None => "Z",
        Some(_) => "",
    };
    Some(format!("{date}T{}{zone}", time.replace('z', "Z")))
}

/// How far the local time is from UTC now; zero where the system does not say. Call it before another thread is started:
/// no other may change the environment meanwhile.
pub fn local_offset() -> UtcOffset {
    UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC)
}

/// A moment as logs have it, `2026-03-01 13:00:00`, so far from UTC.
pub fn log_time(time: SystemTime, offset: UtcOffset) -> String {
    let time = OffsetDateTime::from(time).to_offset(offset);
    let (date, hour, minute, second) = (time.date(), time.hour(), time.minute(), time.second());
    format!("{date} {hour:02}:{minute:02}:{second:02}")
}

/// How long ago `then` was, in the one unit that matters: `40s`, `12m`, `5h`, `3d`.
pub fn age(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_have_the_local_time() {
        let noon = UNIX_EPOCH + Duration::from_secs(1_772_366_400);
        assert_eq!(log_time(noon, UtcOffset::UTC), "2026-03-01 12:00:00");
        assert_eq!(log_time(noon, UtcOffset::from_hms(-12, -30, 0).unwrap()), "2026-02-28 23:30:00");
    }

    #[test]
    fn times_are_made_explicit() {
        let explicit = |text| explicit(text).unwrap_or_default();
        assert_eq!(explicit("2026-11-30 18:00:00"), "2026-11-30T18:00:00Z");
        assert_eq!(explicit("2026-11-30T18:00:00.5+03:00"), "2026-11-30T18:00:00.5+03:00");
        for text in ["tomorrow", "2026-11-30", "2026-11-30T18:00:00.", "2026-11-30T18:00:00+3", "é026-11-30T18:00:00Z"]
        {
            assert_eq!(explicit(text), "", "{text}");
        }
    }

    fn unix(text: &str) -> Option<u64> {
        let since = rfc3339(text)?.duration_since(UNIX_EPOCH);
        since.ok().map(|since| since.as_secs())
    }

    #[test]
    fn moments_are_counted_right() {
        assert_eq!(unix("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix("2024-02-29T12:00:00Z"), Some(1_709_208_000));
        assert_eq!(unix("2024-02-29T14:00:00.25+02:00"), Some(1_709_208_000));
        assert_eq!(unix("2024-02-29 11:30:00-00:30"), Some(1_709_208_000));
        for text in ["", "tomorrow", "2024-13-01T00:00:00Z", "2024-02-29Tab:00:00Z", "é024-02-29"] {
            assert_eq!(unix(text), None, "{text}");
        }
    }

    #[test]
    fn http_dates_are_counted_right() {
        let date =
            |text: &str| http_date(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(date("Sun, 06 Foo 1994 08:49:37 GMT"), None);
    }

    #[test]
    fn a_leap_second_is_the_one_after() {
        assert_eq!(unix("2016-12-31T23:59:60Z"), unix("2017-01-01T00:00:00Z"));
        assert_eq!(http_date("Sat, 31 Dec 2016 23:59:60 GMT"), http_date("Sun, 01 Jan 2017 00:00:00 GMT"));
        assert!(http_date("Sat, 31 Dec 2016 23:59:60 GMT").is_some());
    }

    #[test]
    fn a_missing_zone_is_utc() {
        assert_eq!(unix("2024-02-29 12:00:00"), Some(1_709_208_000));
        assert_eq!(unix("2024-02-29T12:00:00.123456"), Some(1_709_208_000));
        assert_eq!(unix("1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn moments_are_written_in_both_forms() {
        assert_eq!(rfc3339_of(1_440_938_160), "2015-08-30T12:36:00Z");
        assert_eq!(compact(1_440_938_160), "20150830T123600Z");
        assert_eq!(compact(0), "19700101T000000Z");
    }

    #[test]
    fn ages_are_short() {
        let of = |seconds| age(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!([of(40), of(720), of(18_000), of(300_000)], ["40s", "12m", "5h", "3d"]);
    }
}
