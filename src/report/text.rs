//! Text as it may be shown: on one line, in what the reader can show.

use std::borrow::Cow;

/// `text` in ASCII, for whoever reads it from a pipe: under LANG=C any other byte in a frame ends oneprovision with an
/// encoding error, before its own handling of errors.
pub(super) fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if c.is_ascii() => plain.push(c),
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            '\u{201c}' | '\u{201d}' => plain.push('"'),
            '\u{2026}' => plain.push_str("..."),
            c => plain.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(plain)
}

/// The longest line, in characters: long enough for a path and two reasons, and short enough to be read.
const LINE: usize = 8192;

/// `text` as one line that can neither colour a terminal nor forge a frame.
///
/// Control characters become blanks. So do the invisible characters, some of which change the direction of a
/// text.
pub fn one_line(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_unprintable(c));
    let (text, cut) = match text.char_indices().nth(LINE) {
        Some((end, _)) => (&text[..end], "..."),
        None => (text, ""),
    };
    if text.is_empty() {
        return "(no message)".to_owned();
    }
    let line: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    line.replace("ERROR MESSAGE --", "ERROR MESSAGE - -") + cut
}

pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `text` on one line; blanks at its begin are kept, and nothing stays nothing.
pub(super) fn printable(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let rest = text.trim_start_matches(' ');
    format!("{}{}", &text[..text.len() - rest.len()], one_line(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_leave_its_line() {
        assert_eq!(one_line("a\nb\r\u{1b}[31mc"), "a b  [31mc");
        assert_eq!(one_line("\n"), "(no message)");
    }

    #[test]
    fn what_a_pipe_gets_is_ascii() {
        assert_eq!(ascii("the plan is sold out"), "the plan is sold out");
        assert_eq!(ascii("caf\u{e9} \u{1f4bb} \u{201c}x\u{201d} \u{2019}\u{2026}"), "caf\\u{e9} \\u{1f4bb} \"x\" '...");
    }
}
