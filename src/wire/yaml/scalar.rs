//! What a plain scalar is, as Ruby's Psych has it (`lib/psych/scalar_scanner.rb` of Ruby 2.0 to 2.7), and what Ruby's
//! `to_s` makes of that.
//!
//! It differs in one thing: a time is printed in the zone that is written, or UTC, where Ruby takes the front-end's.

use ::time::{Date, Duration, Month};

use crate::wire::tree::Tree;

/// The largest whole number that a float holds exactly, with all below it.
const EXACT: u128 = 1 << 53;

/// Reads a plain scalar.
pub(super) fn read(text: &str) -> Tree<'static> {
    match text {
        "" | "~" => return Tree::Null,
        _ if text.eq_ignore_ascii_case("null") => return Tree::Null,
        // On several lines it is nothing else.
        _ if text.contains('\n') => return Tree::Text(text.to_owned().into()),
        _ => {}
    }
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["yes", "true", "on"]) {
        return Tree::Flag(true);
    }
    if is(["no", "false", "off"]) {
        return Tree::Flag(false);
    }
    if let Some(number) = whole(text).or_else(|| sexagesimal(text)) {
        return match number.unsigned_abs() <= EXACT {
            true => Tree::Number(number as f64),
            false => Tree::Text(number.to_string().into()),
        };
    }
    let number = || sexagesimal_float(text).map(said).or_else(|| float(text));
    let said = time(text).or_else(|| date(text)).or_else(number).or_else(|| symbol(text));
    Tree::Text(said.unwrap_or_else(|| text.to_owned()).into())
}

/// Reads a plain scalar that a tag says to be a number with a point.
pub(super) fn read_float(text: &str) -> Option<Tree<'static>> {
    let number = match read(text) {
        Tree::Number(number) => number,
        // Rust reads words as numbers, too, which Ruby does not.
        Tree::Text(own) if own != text || !text.contains(['i', 'I', 'n', 'N']) => own.parse().ok()?,
        _ => return None,
    };
    Some(Tree::Text(said(number).into()))
}

/// A symbol's name: without the colon, and without quotes around it.
fn symbol(text: &str) -> Option<String> {
    let name = text.strip_prefix(':').filter(|name| !name.is_empty())?;
    let quoted = ['"', '\''].into_iter().find_map(|quote| {
        let rest = name.strip_prefix(quote)?;
        Some(&rest[..rest.rfind(quote)?])
    });
    Some(quoted.unwrap_or(name).to_owned())
}

/// A whole number: binary, octal with a leading zero, decimal or hexadecimal, with commas and underscores anywhere behind
/// its first digit.
fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = signed(text);
    let of = |digits: &str, radix: u32| {
        let digits: String = digits.chars().filter(|c| !matches!(c, ',' | '_')).collect();
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        is_number.then(|| i128::from_str_radix(&digits, radix).ok()).flatten()
    };
    let number = match digits.as_bytes() {
        [b'0', b'b', ..] => of(&digits[2..], 2),
        [b'0', b'x', ..] => of(&digits[2..], 16),
        // The zero itself is one, where nothing but commas and underscores follows.
        [b'0', _, ..] => of(digits, 8),
        [b'0'..=b'9', ..] => of(digits, 10),
        _ => None,
    };
    Some(sign * number?)
}

/// Numbers with colons, as Psych counts them: `1:30` is 1 * 60 ** 2 + 30 * 60 ** 1.
fn sexagesimal(text: &str) -> Option<i128> {
    let (sign, digits) = signed(text);
    let mut sum: i128 = 0;
    for (place, part) in in_sixties(digits)?.into_iter().enumerate() {
        let number: i128 = part.replace('_', "").parse().ok()?;
        let number = if place == 0 { sign * number } else { number };
        let power = u32::try_from(place.abs_diff(2)).ok()?;
        sum = sum.checked_add(number.checked_mul(60_i128.checked_pow(power)?)?)?;
    }
    Some(sum)
}

/// The same with a point in the last of them.
fn sexagesimal_float(text: &str) -> Option<f64> {
    let (sign, digits) = signed(text);
    let (whole, rest) = digits.rsplit_once('.')?;
    if !rest.chars().all(|c| c.is_ascii_digit() || c == '_') {
        return None;
    }
    let mut parts: Vec<String> = in_sixties(whole)?.into_iter().map(str::to_owned).collect();
    if let Some(last) = parts.last_mut() {
        last.push_str(&format!(".{rest}"));
    }
    let mut sum = 0.0;
    for (place, part) in parts.iter().enumerate() {
        let number: f64 = part.replace('_', "").parse().ok()?;
        let number = if place == 0 { sign as f64 * number } else { number };
        sum += number * 60_f64.powi(i32::try_from(place.abs_diff(2)).ok()?);
    }
    Some(sum)
}

/// What stands between the colons: digits, and then numbers below sixty.
fn in_sixties(digits: &str) -> Option<Vec<&str>> {
    let (first, rest) = digits.split_once(':')?;
    let is_first =
        first.starts_with(|c: char| c.is_ascii_digit()) && first.chars().all(|c| c.is_ascii_digit() || c == '_');
    let is_next = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    (is_first && rest.split(':').all(is_next)).then(|| digits.split(':').collect())
}

/// A number with a point, or one that is none, as Ruby prints it.
fn float(text: &str) -> Option<String> {
    match text.to_ascii_lowercase().as_str() {
        ".inf" | "+.inf" => return Some("Infinity".to_owned()),
        "-.inf" => return Some("-Infinity".to_owned()),
        ".nan" => return Some("NaN".to_owned()),
        _ => {}
    }
    let (_, digits) = signed(text);
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => (&digits[..at], Some(&digits[at + 1..])),
        None => (digits, None),
    };
    let (before, after) = mantissa.split_once('.')?;
    let is_before = before.is_empty()
        || before.starts_with(|c: char| c.is_ascii_digit())
            && before.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '_'));
    let is_after = after.chars().all(|c| c.is_ascii_digit());
    let is_exponent = exponent.is_none_or(|text| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or_default();
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    });
    if !is_before || !is_after || !is_exponent || before.is_empty() && after.is_empty() {
        return None;
    }
    let plain: String = text.chars().filter(|c| !matches!(c, ',' | '_')).collect();
    Some(said(plain.parse().ok()?))
}

/// A number with a point, as Ruby's `Float#to_s` has it.
fn said(number: f64) -> String {
    if !number.is_finite() {
        return format!("{number}").replace("inf", "Infinity");
    }
    let with_point = |digits: &str| match digits.contains('.') {
        true => digits.to_owned(),
        false => format!("{digits}.0"),
    };
    let scientific = format!("{number:e}");
    match scientific.split_once('e').map(|(digits, exponent)| (digits, exponent.parse::<i32>().unwrap_or_default())) {
        Some((digits, exponent)) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", with_point(digits), exponent.abs())
        }
        _ => with_point(&number.to_string()),
    }
}

/// A date, with two digits for the month and the day.
fn date(text: &str) -> Option<String> {
    let (year, month, day) = numbers_of(text)?;
    Date::from_calendar_date(year, month, day).ok().map(written)
}

/// The year, the month and the day of what has the form of a date; the day may be none of that month.
fn numbers_of(date: &str) -> Option<(i32, Month, u8)> {
    let [year, month, day] = date.split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    let is_form = year.len() == 4 && is_digits(year, 4) && is_digits(month, 2) && is_digits(day, 2);
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    is_form.then_some((year.parse().ok()?, month, day.parse().ok()?))
}

/// Whether a text is so many digits at most, and one at least.
fn is_digits(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A date with a time, as Ruby prints it.
fn time(text: &str) -> Option<String> {
    let at = text.find(['T', 't', ' ', '\t'])?;
    let (date, rest) = text.split_at_checked(at)?;
    let rest = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start());
    let (year, month, day) = numbers_of(date)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(rest.len());
    let (clock, rest) = rest.split_at(end);
    let [hour, minute, second] = clock.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    if !is_digits(hour, 2) || [minute, second].iter().any(|part| part.len() != 2) {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = zone_of(zone.trim_start())?;
    let number = |text: &str| text.parse::<u8>().ok();
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let is_one =
        (1..=31).contains(&day) && minute < 60 && second <= 60 && (hour < 24 || (hour, minute, second) == (24, 0, 0));
    // As in Ruby, the 30th of February is the first or second of March.
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    let since = Duration::days(i64::from(day) - 1) + Duration::hours(hour.into()) + Duration::minutes(minute.into());
    let moment = first.midnight().checked_add(since + Duration::seconds(second.into())).filter(|_| is_one)?;
    let (date, (hour, minute, second)) = (moment.date(), moment.as_hms());
    Some(format!("{} {hour:02}:{minute:02}:{second:02} {zone}", written(date)))
}

/// A zone as Ruby prints it: `UTC`, or as `+0200`.
fn zone_of(text: &str) -> Option<String> {
    if text.is_empty() || text == "Z" {
        return Some(if text.is_empty() { "+0000" } else { "UTC" }.to_owned());
    }
    let (sign, digits) = text.split_at_checked(1).filter(|(sign, _)| ["+", "-"].contains(sign))?;
    let digits = digits.strip_suffix(':').unwrap_or(digits);
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, Some(minutes).filter(|minutes| minutes.len() == 2)?),
        // Of three digits the last one are the minutes.
        None => digits.split_at_checked(digits.len().min(2))?,
    };
    if !is_digits(hours, 2) || !(minutes.is_empty() || is_digits(minutes, 2)) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().unwrap_or_default());
    // Psych takes the sign of the hours.
    let sign = if hours == 0 { "+" } else { sign };
    let minutes = hours * 60 + minutes;
    (minutes < 24 * 60).then(|| format!("{sign}{:02}{:02}", minutes / 60, minutes % 60))
}

fn written(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

fn signed(text: &str) -> (i128, &str) {
    match text.as_bytes() {
        [b'-', ..] => (-1, &text[1..]),
        [b'+', ..] => (1, &text[1..]),
        _ => (1, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match read(text) {
            Tree::Null => "null".to_owned(),
            Tree::Flag(flag) => format!("flag {flag}"),
            Tree::Number(number) => format!("number {number}"),
            Tree::Text(text) => text.into_owned(),
            Tree::List(_) | Tree::Object(_) => "?".to_owned(),
        }
    }

    #[test]
    fn plain_scalars_are_what_psych_makes_of_them() {
        let cases = [
            ("", "null"),
            ("~", "null"),
            ("Null", "null"),
            ("yes", "flag true"),
            ("On", "flag true"),
            ("OFF", "flag false"),
            ("false", "flag false"),
            ("y", "y"),
            ("n", "n"),
            ("8080", "number 8080"),
            ("+12", "number 12"),
            ("-0", "number 0"),
            ("0755", "number 493"),
            ("08", "08"),
            ("0o17", "0o17"),
            ("0x1F", "number 31"),
            ("0b101", "number 5"),
            ("1_000", "number 1000"),
            ("1,000", "number 1000"),
            ("123456789012345678901", "123456789012345678901"),
            ("22:22", "number 80520"),
            ("1:30:00", "number 5400"),
            ("52:54:00:12:34:56", "number 12409560"),
            ("52:54:00:ab:34:56", "52:54:00:ab:34:56"),
            ("1.50", "1.5"),
            ("2.", "2.0"),
            (".5", "0.5"),
            ("1e3", "1e3"),
            ("1.0e+3", "1000.0"),
            (".", "."),
            ("-", "-"),
            (".inf", "Infinity"),
            ("-.INF", "-Infinity"),
            (".nan", "NaN"),
            ("1.2.3", "1.2.3"),
            ("10.0.0.1", "10.0.0.1"),
            ("0_", "number 0"),
            ("1.0e+20", "1.0e+20"),
            ("0.00001", "1.0e-05"),
            ("18:00:00.5", "64800.5"),
            ("2026-11-30", "2026-11-30"),
            ("2026-1-3", "2026-01-03"),
            ("2026-2-30", "2026-2-30"),
            ("2026-2-30 24:00:00", "2026-03-03 00:00:00 +0000"),
            ("2026-11-30t 18:00:00", "2026-11-30t 18:00:00"),
            ("2026-11-0 18:00:00", "2026-11-0 18:00:00"),
            ("2026-11-30T18:00:00Z", "2026-11-30 18:00:00 UTC"),
            ("2026-11-30 18:00:00", "2026-11-30 18:00:00 +0000"),
            ("2026-11-30 8:00:00.5 +02:00", "2026-11-30 08:00:00 +0200"),
            ("2026-11-30 8:00:00 +059", "2026-11-30 08:00:00 +0509"),
            ("2026-11-30 8:00:00 -30", "2026-11-30 8:00:00 -30"),
            (":name", "name"),
            (":'a b'", "a b"),
            (":'a", "'a"),
            (":", ":"),
            ("centos_7", "centos_7"),
            ("c3.small.x86", "c3.small.x86"),
            ("\u{e9}", "\u{e9}"),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_number_of_any_length_is_read_without_a_panic() {
        let digits = "9".repeat(400);
        for form in
            ["2026-11-30 8:00:00 +#:00", "2026-11-30 8:00:00 -#", "#-#-#", "#:#", "1:#", "#:1:1.5", "1.0e+#", "-0x#"]
        {
            for digits in ["4294967295", &digits] {
                let text = form.replace('#', digits);
                assert!(matches!(read(&text), Tree::Text(_) | Tree::Number(_)), "{text}");
                read_float(&text);
            }
        }
        assert_eq!(said("2026-11-30 8:00:00 +4294967295:00"), "2026-11-30 8:00:00 +4294967295:00");
    }
}
