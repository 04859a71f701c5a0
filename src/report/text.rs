//! Text as it may be shown: on one line, in what the reader can show.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

/// How many columns of a terminal `text` takes; wide characters take two (Unicode Standard Annex 11).
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `text` in at most `width` columns, where need be with `ellipsis` in place of its end.
pub(super) fn shortened<'a>(text: &'a str, width: usize, ellipsis: &str) -> Cow<'a, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(columns(ellipsis));
    let (begin, _) = split(text, room);
    Cow::Owned(format!("{}{ellipsis}", begin.trim_end()))
}

/// The same in whole words, unless that would take more than half of the room.
pub(super) fn shortened_by_words<'a>(text: &'a str, width: usize, ellipsis: &str) -> Cow<'a, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(columns(ellipsis));
    match split(text, room).0.rsplit_once(' ') {
        Some((words, _)) if columns(words) * 2 >= room => Cow::Owned(format!("{words}{ellipsis}")),
        _ => shortened(text, width, ellipsis),
    }
}

/// `text` in lines of at most `width` columns, broken between words, and within those that are longer. The blanks that
/// it begins with stand before each of them.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let margin = &text[..text.len() - text.trim_start_matches(' ').len()];
    let room = width.saturating_sub(margin.len()).max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let blank = usize::from(!line.is_empty());
        if columns(&line) + blank + columns(word) <= room {
            line.push_str(&" "[..blank]);
            line.push_str(word);
            continue;
        }
        lines.extend((!line.is_empty()).then(|| std::mem::take(&mut line)));
        let mut rest = word;
        while columns(rest) > room {
            let (begin, end) = split(rest, room);
            lines.push(begin.to_owned());
            rest = end;
        }
        line.push_str(rest);
    }
    lines.push(line);
    lines.iter().map(|line| format!("{margin}{line}")).collect()
}

/// What of `text` fits into `width` columns, but at least one character, and the rest.
fn split(text: &str, width: usize) -> (&str, &str) {
    let mut taken = 0;
    let fits = |(at, c): &(usize, char)| {
        taken += c.width().unwrap_or_default();
        taken <= width || *at == 0
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(at, c)| at + c.len_utf8());
    text.split_at(end)
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

    #[test]
    fn wide_characters_count_as_they_are() {
        assert_eq!((columns("host"), columns("\u{4e3b}\u{673a}"), columns("e\u{301}")), (4, 4, 1));
        assert_eq!(shortened("\u{4e3b}\u{673a}\u{4e3b}\u{673a}", 5, "\u{2026}"), "\u{4e3b}\u{673a}\u{2026}");
        assert_eq!(wrapped("\u{4e3b}\u{673a}\u{4e3b}", 5), ["\u{4e3b}\u{673a}", "\u{4e3b}"]);
    }

    #[test]
    fn what_does_not_fit_is_shortened_or_goes_on_below() {
        assert_eq!(shortened("provision-1234", 20, "..."), "provision-1234");
        assert_eq!(shortened("provision 1234", 13, "..."), "provision...");
        assert_eq!(shortened_by_words("ORPHAN, still billed: no host", 20, "..."), "ORPHAN, still...");
        assert_eq!(shortened_by_words("a provision-1234567", 12, "..."), "a provisi...");
        assert_eq!(shortened("abc", 2, "..."), "a...", "it never is nothing");
        assert_eq!(wrapped("put it into the section", 10), ["put it", "into the", "section"]);
        assert_eq!(wrapped("  a list: abcdefghijk", 8), ["  a", "  list:", "  abcdef", "  ghijk"]);
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(wrapped("abc", 0), ["a", "b", "c"]);
    }
}
