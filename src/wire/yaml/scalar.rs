//! What a plain scalar is, as Ruby's Psych has it (`lib/psych/scalar_scanner.rb` of Ruby 2.0 to 2.7), and what Ruby's
//! `to_s` makes of that.
//!
//! It differs in two things: a time without a zone is one of UTC, where Ruby takes the zone of the front-end; and a
//! number with a point keeps the digits that were written.

use crate::wire::tree::Tree;

/// The largest whole number that a float holds exactly, with all below it.
const EXACT: u128 = 1 << 53;

/// Reads a plain scalar.
pub(super) fn read(text: &str) -> Tree<'static> {
    match text {
        "" | "~" => return Tree::Null,
        _ if text.eq_ignore_ascii_case("null") => return Tree::Null,
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
    if let Some(said) = time(text).or_else(|| float(text)) {
        return Tree::Text(said.into());
    }
    // A symbol, whose name is without the colon, and in quotes where it must be.
    match text.strip_prefix(':') {
        Some(name) if !name.is_empty() => Tree::Text(name.trim_matches(['"', '\'']).to_owned().into()),
        _ => Tree::Text(text.to_owned().into()),
    }
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
        [b'0', _, ..] => of(&digits[1..], 8),
        [b'0'..=b'9', ..] => of(digits, 10),
        _ => None,
    };
    Some(sign * number?)
}

/// Numbers with colons, as Psych counts them: `1:30` is 1 * 60 ** 2 + 30 * 60 ** 1.
fn sexagesimal(text: &str) -> Option<i128> {
    let (sign, digits) = signed(text);
    let mut parts = digits.split(':');
    let first = parts.next()?;
    let is_first =
        first.starts_with(|c: char| c.is_ascii_digit()) && first.chars().all(|c| c.is_ascii_digit() || c == '_');
    let is_next = |part: &str| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']);
    let parts: Vec<&str> = parts.collect();
    if !is_first || parts.is_empty() || !parts.iter().all(|part| is_next(part)) {
        return None;
    }
    let mut sum: i128 = 0;
    for (place, part) in std::iter::once(first).chain(parts).enumerate() {
        let number: i128 = part.replace('_', "").parse().ok()?;
        let number = if place == 0 { sign * number } else { number };
        let power = u32::try_from(place.abs_diff(2)).ok()?;
        sum = sum.checked_add(number.checked_mul(60_i128.checked_pow(power)?)?)?;
    }
    Some(sum)
}

/// A number with a point, or one that is none, as Ruby prints it.
fn float(text: &str) -> Option<String> {
    match text.to_ascii_lowercase().as_str() {
        ".inf" => return Some("Infinity".to_owned()),
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
    let number: f64 = plain.parse().ok()?;
    Some(format!("{number:?}"))
}

/// A date with a time, as Ruby prints it; a date alone is printed as it is written.
fn time(text: &str) -> Option<String> {
    let is_number = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let at = text.find(['T', 't', ' '])?;
    let (date, rest) = (&text[..at], text[at + 1..].trim_start());
    let [year, month, day] = date.split('-').collect::<Vec<_>>()[..] else {
        return None;
    };
    if year.len() != 4 || !is_number(year, 4) || !is_number(month, 2) || !is_number(day, 2) {
        return None;
    }
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(rest.len());
    let (clock, rest) = rest.split_at(end);
    let [hour, minute, second] = clock.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    if !is_number(hour, 2) || [minute, second].iter().any(|part| part.len() != 2) {
        return None;
    }
    let zone = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = zone.trim_start();
    let is_zone = zone.is_empty() || zone == "Z" || zone.starts_with(['+', '-']) && zone.len() > 1;
    let shown = match zone {
        "Z" => "UTC",
        "" => "+0000",
        other => other,
    };
    is_zone.then(|| format!("{year}-{month:0>2}-{day:0>2} {hour:0>2}:{minute}:{second} {shown}"))
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
            ("2026-11-30", "2026-11-30"),
            ("2026-11-30T18:00:00Z", "2026-11-30 18:00:00 UTC"),
            ("2026-11-30 18:00:00", "2026-11-30 18:00:00 +0000"),
            ("2026-11-30 8:00:00.5 +02:00", "2026-11-30 08:00:00 +02:00"),
            (":name", "name"),
            (":", ":"),
            ("centos_7", "centos_7"),
            ("c3.small.x86", "c3.small.x86"),
            ("\u{e9}", "\u{e9}"),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), expected, "{text:?}");
        }
    }
}
