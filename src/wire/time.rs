//! Moments as providers write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A date and time as RFC 3339 has it, to the second: `2026-03-01T12:00:00Z`, `…+02:00`.
pub fn rfc3339(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    if marks
        .iter()
        .any(|(at, mark)| text.get(*at..at + 1) != Some(mark))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since the epoch, with the year begun in March so that the leap day is its last one.
    let (y, m) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468;
    let local = Duration::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second);
    let zone = text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let zone_start = text.len() - zone.len();
    let offset = || {
        let hours = number(zone_start + 1, zone_start + 3)?;
        let minutes = number(zone_start + 4, zone_start + 6)?;
        Some(Duration::from_secs(hours * 3600 + minutes * 60))
    };
    let utc = match zone.chars().next() {
        None | Some('Z' | 'z') => local,
        Some('+') => local.checked_sub(offset()?)?,
        Some('-') => local.checked_add(offset()?)?,
        Some(_) => return None,
    };
    UNIX_EPOCH.checked_add(utc)
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
        for text in [
            "",
            "tomorrow",
            "2024-13-01T00:00:00Z",
            "2024-02-29Tab:00:00Z",
            "é024-02-29",
        ] {
            assert_eq!(unix(text), None, "{text}");
        }
    }

    #[test]
    fn ages_are_short() {
        let of = |seconds| age(UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(
            [of(40), of(720), of(18_000), of(300_000)],
            ["40s", "12m", "5h", "3d"]
        );
    }
}
