//! Takes secrets out of the words of others, in every form in which these may quote them.
//!
//! A text is read in several ways: as it is, and with its percent-encoding, its HTML and its JSON resolved, each of them
//! twice and one within another. Blanks, line feeds and invisible characters are left out of each reading, for a secret
//! may have been broken by them. Each reading remembers where in the text its bytes come from, so that what is found in
//! it is cut out of the text itself. base64 is looked for as it would stand in each reading.
//!
//! All of it takes time in proportion to the text: what is hostile must not hold up anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::report::escape::{Escape, Meant, backslash, entity, percent};
use crate::report::text::is_unprintable;

/// What stands in the place of a secret.
const PLACEHOLDER: &str = "[secret]";
/// Shorter secrets are left: they would tear holes into every sentence, and no provider issues them.
const SHORTEST: usize = 4;
/// Shorter secrets are not looked for across blanks, for ordinary words may hold them so.
const WORD: usize = 8;
/// How much of a text is told at most, in bytes: a line has 8192 characters.
const WINDOW: usize = 4 * 8192;
/// How much longer a form of a secret may be than the secret: `&#92;u00e9`, and more.
const GROWTH: usize = 12;
/// How many encodings may lie within each other.
const DEPTH: usize = 2;

/// Secrets, made ready to be looked for.
#[derive(Default)]
pub(super) struct Needles {
    needles: Vec<Needle>,
    /// The length of the shortest text that can hold one.
    shortest: Option<usize>,
}

impl Needles {
    /// One more secret.
    pub(super) fn push(&mut self, secret: &str) {
        if let Some(needle) = Needle::of(secret) {
            self.shortest = self.shortest.into_iter().chain([needle.shortest()]).min();
            self.needles.push(needle);
        }
    }

    /// `text` without the secrets. What is too long to be told is cut off.
    pub(super) fn redact(&self, text: &str) -> String {
        // No reading is longer than the text.
        if self.shortest.is_none_or(|shortest| text.len() < shortest) && text.len() <= WINDOW {
            return text.to_owned();
        }
        let longest = self.needles.iter().map(|needle| needle.literal.len()).max().unwrap_or_default();
        // A secret that begins within the window is seen whole.
        let seen = &text[..boundary(text, WINDOW + GROWTH * longest)];
        let told = boundary(text, WINDOW);
        let mut found = Vec::new();
        let mut readings = vec![Reading::of(seen)];
        let mut new = 0..1;
        for depth in 0..=DEPTH {
            for reading in &readings[new.clone()] {
                self.needles.iter().for_each(|needle| needle.find(seen, reading, &mut found));
            }
            if depth < DEPTH {
                let decoded = readings[new.clone()].iter().flat_map(Reading::decoded).collect::<Vec<_>>();
                new = readings.len()..readings.len() + decoded.len();
                readings.extend(decoded);
            }
        }
        cut(&text[..told], text.len() > told, found)
    }
}

/// The end of the last whole character of `text` within `limit` bytes.
fn boundary(text: &str, limit: usize) -> usize {
    let limit = limit.min(text.len());
    (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// `text` with the placeholder at each of the ranges `found`, which may overlap.
fn cut(text: &str, is_cut_off: bool, mut found: Vec<(usize, usize)>) -> String {
    found.sort_unstable();
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    for (begin, end) in found {
        if begin >= at && begin < text.len() {
            clean.push_str(&text[at..begin]);
            clean.push_str(PLACEHOLDER);
        }
        at = at.max(end.min(text.len()));
    }
    clean.push_str(&text[at..]);
    if is_cut_off {
        clean.push_str("...");
    }
    clean
}

/// What is left out of every reading.
fn is_gap(c: char) -> bool {
    c.is_whitespace() || is_unprintable(c)
}

/// A text as it is read: bytes, and the range of the text that each comes from.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    from: Vec<(usize, usize)>,
}

impl Reading {
    fn of(text: &str) -> Self {
        let mut reading = Self::default();
        for (at, c) in text.char_indices().filter(|(_, c)| !is_gap(*c)) {
            reading.push(c, (at, at + c.len_utf8()));
        }
        reading
    }

    fn push(&mut self, c: char, from: (usize, usize)) {
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            self.bytes.push(byte);
            self.from.push(from);
        }
    }

    /// This one with each encoding resolved that it has.
    fn decoded(&self) -> Vec<Self> {
        let ways: [(u8, Escape); 3] = [(b'%', percent), (b'&', entity), (b'\\', backslash)];
        let ways = ways.into_iter().filter(|(mark, _)| self.bytes.contains(mark));
        ways.map(|(mark, escape)| self.resolve(mark, escape)).collect()
    }

    fn resolve(&self, mark: u8, escape: Escape) -> Self {
        let mut reading = Self::default();
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let meant = (*byte == mark).then(|| escape(&self.bytes[at..])).flatten();
            let (length, meant) = meant.unwrap_or((1, Meant::Byte(*byte)));
            let from = (self.from[at].0, self.from[at + length - 1].1);
            match meant {
                Meant::Char(c) if is_gap(c) => {}
                Meant::Char(c) => reading.push(c, from),
                Meant::Byte(byte) if byte.is_ascii() && is_gap(char::from(byte)) => {}
                Meant::Byte(byte) => {
                    reading.bytes.push(byte);
                    reading.from.push(from);
                }
            }
            at += length;
        }
        reading
    }

    /// Where in the text the bytes from `first` to `last` come from.
    fn range(&self, (first, last): (usize, usize)) -> (usize, usize) {
        (self.from[first].0, self.from[last].1)
    }

    /// The bytes from `first` to `last` with what else of base64 is around them: its edges depend on what is in the
    /// middle. A blank in the text ends it.
    fn word(&self, mut first: usize, mut last: usize) -> (usize, usize) {
        let is_of_it = |at: usize| {
            let byte = self.bytes[at];
            byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
        };
        while first > 0 && is_of_it(first - 1) && self.from[first - 1].1 == self.from[first].0 {
            first -= 1;
        }
        let end = self.bytes.len() - 1;
        while last < end && is_of_it(last + 1) && self.from[last + 1].0 == self.from[last].1 {
            last += 1;
        }
        (first, last)
    }

    /// This one without each `+`, which stands for a blank in a form.
    fn without_plus(&self) -> Self {
        let bytes = self.bytes.iter().zip(&self.from).filter(|(byte, _)| **byte != b'+');
        let (bytes, from) = bytes.map(|(byte, from)| (*byte, *from)).unzip();
        Self { bytes, from }
    }
}

/// What a secret is found by.
struct Needle {
    /// Itself, without blanks.
    literal: Vec<u8>,
    /// The same without `+`, where it has blanks that a form writes so.
    of_form: Option<Vec<u8>>,
    /// The part of its base64 that is the same whatever stands before and behind it, for each place in three bytes.
    base64: Vec<Vec<u8>>,
    has_gaps: bool,
}

impl Needle {
    fn of(secret: &str) -> Option<Self> {
        let literal: String = secret.chars().filter(|c| !is_gap(*c)).collect();
        if secret.len() < SHORTEST || literal.len() < SHORTEST {
            return None;
        }
        let has_gaps = secret.contains(is_gap);
        let of_form: Vec<u8> = literal.bytes().filter(|byte| *byte != b'+').collect();
        Some(Self {
            of_form: Some(of_form).filter(|form| has_gaps && form.len() >= SHORTEST),
            base64: (0..3).map(|place| core_of_base64(secret.as_bytes(), place)).collect(),
            literal: literal.into_bytes(),
            has_gaps,
        })
    }

    /// The length of the shortest text that can hold it, in whatever form.
    fn shortest(&self) -> usize {
        let forms = self.of_form.iter().chain(&self.base64).chain([&self.literal]);
        forms.map(Vec::len).min().unwrap_or_default()
    }

    /// Adds each range of `text` to `found` where `reading`, which is of it, holds this secret.
    fn find(&self, text: &str, reading: &Reading, found: &mut Vec<(usize, usize)>) {
        let is_whole = |&(begin, end): &(usize, usize)| {
            self.has_gaps || self.literal.len() >= WORD || !text[begin..end].contains([' ', '\t'])
        };
        let own = matches(&self.literal, reading).map(|found| reading.range(found));
        found.extend(own.filter(is_whole));
        if let Some(of_form) = self.of_form.as_ref().filter(|_| reading.bytes.contains(&b'+')) {
            let form = reading.without_plus();
            found.extend(matches(of_form, &form).map(|found| form.range(found)));
        }
        let mut as_base64 = Reading { bytes: Vec::new(), from: reading.from.clone() };
        as_base64.bytes.extend(reading.bytes.iter().map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        }));
        for core in &self.base64 {
            let mut end = 0;
            for (first, last) in matches(core, &as_base64) {
                if first >= end {
                    let word = as_base64.word(first, last);
                    end = word.1 + 1;
                    found.push(reading.range(word));
                }
            }
        }
    }
}

/// What of the base64 of `secret` depends on nothing else, where it begins at the place `place` of three bytes.
fn core_of_base64(secret: &[u8], place: usize) -> Vec<u8> {
    let mut bytes = vec![0; place];
    bytes.extend(secret);
    let mut text = STANDARD_NO_PAD.encode(&bytes).into_bytes();
    if !bytes.len().is_multiple_of(3) {
        text.pop();
    }
    text.drain(..(place * 4).div_ceil(3));
    text
}

/// Where `needle` stands in `reading`, by its first and its last byte, found in one pass (Knuth, Morris and Pratt).
fn matches(needle: &[u8], reading: &Reading) -> impl Iterator<Item = (usize, usize)> {
    let mut fallback = vec![0; needle.len()];
    let mut length = 0;
    for at in 1..needle.len() {
        while length > 0 && needle[at] != needle[length] {
            length = fallback[length - 1];
        }
        length += usize::from(needle[at] == needle[length]);
        fallback[at] = length;
    }
    let mut length = 0;
    reading.bytes.iter().enumerate().filter_map(move |(at, byte)| {
        if needle.is_empty() {
            return None;
        }
        while length > 0 && (length == needle.len() || *byte != needle[length]) {
            length = fallback[length - 1];
        }
        length += usize::from(*byte == needle[length]);
        (length == needle.len()).then(|| (at + 1 - length, at))
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn redact(text: &str, secrets: &[&str]) -> String {
        let mut needles = Needles::default();
        secrets.iter().for_each(|secret| needles.push(secret));
        needles.redact(text)
    }

    /// One that no encoding leaves as it is.
    const SECRET: &str = "tok+1/2 \"é<3>&'\\%~";

    fn percent_encoded(text: &str, upper: bool, plus: bool) -> String {
        text.bytes()
            .map(|byte| match byte {
                b' ' if plus => "+".to_owned(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte if upper => format!("%{byte:02X}"),
                byte => format!("%{byte:02x}"),
            })
            .collect()
    }

    fn html(text: &str) -> String {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', "&#39;")
    }

    fn json(text: &str) -> String {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
    }

    fn ascii_json(text: &str) -> String {
        let escaped = |c: char| match c {
            '\u{10000}'.. => "?".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => format!("\\u{:04x}", u32::from(c)),
        };
        text.chars().map(escaped).collect()
    }

    fn forms(secret: &str) -> Vec<(&'static str, String)> {
        let broken = |by: &str| {
            let middle = boundary(secret, secret.len() / 2);
            format!("{}{by}{}", &secret[..middle], &secret[middle..])
        };
        let within = |before: &str| STANDARD.encode(format!("{before}{secret} and more"));
        vec![
            ("literal", secret.to_owned()),
            ("percent", percent_encoded(secret, true, false)),
            ("percent, lower case", percent_encoded(secret, false, false)),
            ("form", percent_encoded(secret, true, true)),
            ("percent, twice", percent_encoded(&percent_encoded(secret, true, false), true, false)),
            ("HTML", html(secret)),
            ("HTML, by number", secret.chars().map(|c| format!("&#x{:X};", c as u32)).collect()),
            ("HTML, twice", html(&html(secret))),
            ("JSON", json(secret)),
            ("JSON, slashes escaped", json(secret).replace('/', "\\/")),
            ("JSON in ASCII", ascii_json(secret)),
            ("JSON, twice", json(&json(secret))),
            ("JSON in ASCII, twice", json(&ascii_json(secret))),
            ("JSON in HTML", html(&json(secret))),
            ("HTML in JSON", json(&html(secret))),
            ("base64", STANDARD.encode(secret)),
            ("base64 without padding", STANDARD_NO_PAD.encode(secret)),
            ("base64 for addresses", URL_SAFE.encode(secret)),
            ("base64, first place", within("abc")),
            ("base64, second place", within("a")),
            ("base64, third place", within("user:")),
            ("base64 in a form", percent_encoded(&STANDARD.encode(secret), true, false)),
            ("base64 in lines", STANDARD.encode(secret).replace("+", "+\r\n")),
            ("broken by a line feed", broken("\n")),
            ("broken by a line feed and blanks", broken("\r\n    ")),
            ("broken by an escape", broken("\u{1b}")),
            ("broken by an invisible character", broken("\u{200b}")),
            ("broken by what is made of a line feed", broken(" ")),
        ]
    }

    #[test]
    fn a_secret_is_struck_in_every_form() {
        let secrets = [SECRET, "tok-0123456789abcdefSECRET", "two words, and\na line of user data"];
        for secret in secrets {
            for (name, form) in forms(secret) {
                let text = format!("bad token ({form}), \"{form}\"!");
                assert_eq!(
                    redact(&text, &["other", secret]),
                    "bad token ([secret]), \"[secret]\"!",
                    "{name} of {secret:?}: {text}"
                );
            }
        }
    }

    #[test]
    fn other_words_are_left_as_they_are() {
        for text in [
            "the plan baremetal_0 is sold out in ams1: 100 % of 5+3, \\n & &amp; %20 %zz &#; \\u12",
            "",
            "tok-",
            "0123456789",
            "é\u{200b}\n",
        ] {
            assert_eq!(redact(text, &[SECRET, "tok-0123456789abcdefSECRET", "abc", ""]), text);
        }
        // A short one is not put together of two words.
        assert_eq!(redact("a passing word", &["gwor"]), "a passing word");
        assert_eq!(redact("a passing\nword, gwor", &["gwor"]), "a passin[secret]d, [secret]");
    }

    #[test]
    fn secrets_of_fewer_than_four_characters_tear_no_holes() {
        for secret in ["", "a", "to", "the", " a\n ", "   \n\n"] {
            assert_eq!(redact("to the a   \n\n machine", &[secret]), "to the a   \n\n machine");
        }
    }

    #[test]
    fn a_text_as_short_as_a_form_of_the_secret_is_looked_at() {
        for secret in [SECRET, "++ab cd++", "tok-0123456789abcdefSECRET"] {
            for (name, form) in forms(secret) {
                let told = redact(&form, &[secret]);
                assert!(told.contains(PLACEHOLDER), "{name} of {secret:?}: {told}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_cut_off_and_shows_no_piece_of_a_secret() {
        let secret = "0123456789abcdef".repeat(64);
        let text = format!("{}{secret}", "x".repeat(WINDOW - 10));
        let told = redact(&text, &[&secret]);
        assert!(told.ends_with("x[secret]..."), "{}", &told[told.len() - 40..]);
        let many = redact(&secret.repeat(1000), &[&secret]);
        assert!(!many.contains("0123"), "{many}");
    }

    #[test]
    fn hostile_texts_take_no_time_to_speak_of() {
        let secret = format!("{}b", "a".repeat(2000));
        let base64 = STANDARD.encode(&secret);
        for piece in ["a", "%61", "&#97;", "\\u0061", "\\\\u0061", "%2561", &base64[..40], &secret] {
            let text = piece.repeat((4 << 20) / piece.len());
            let begin = Instant::now();
            redact(&text, &[&secret, SECRET, "another-secret"]);
            assert!(begin.elapsed() < Duration::from_secs(2), "{piece}: {:?}", begin.elapsed());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_brings_it_down(text in "(\\PC|[%&\\\\;#xu0-9a-f+=\n]){0,200}", secret in "\\PC{0,12}") {
            let told = redact(&text, &[&secret]);
            let is_long = secret.len() >= WORD && !secret.contains(char::is_whitespace);
            prop_assert!(!is_long || PLACEHOLDER.contains(&secret) || !told.contains(&secret));
        }

        #[test]
        fn any_secret_is_struck_in_every_form(secret in "[!-~]{10,40}") {
            for (name, form) in forms(&secret) {
                let text = format!("({form})");
                let told = redact(&text, &[&secret]);
                prop_assert!(told.contains(PLACEHOLDER), "{}: {} in {}", name, told, text);
            }
        }
    }
}
