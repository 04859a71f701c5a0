//! What the demo prints: within 96 columns, coloured only where a person looks.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

const WIDTH: usize = 96;
const INDENT: &str = "      ";

/// As println!, but a reader that went away is no reason to panic: what is left of the demo still clears up.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(io::stdout(), $($text)*);
    }};
}

/// Standard output, coloured or not.
pub(super) struct Screen {
    colour: bool,
}

/// ANSI "select graphic rendition" codes.
#[derive(Clone, Copy)]
enum Colour {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
}

impl Screen {
    /// Colours only on a terminal, and not against <https://no-color.org>.
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Screen { colour: io::stdout().is_terminal() && !unwanted }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }

    pub(super) fn headline(&self, text: &str) {
        say!("{}", self.paint(Colour::Bold, text));
    }

    pub(super) fn note(&self, text: &str) {
        say!("{}", self.paint(Colour::Dim, text));
    }

    pub(super) fn step(&self, number: usize, title: &str) {
        say!("\n{:>3}.  {}", number, self.paint(Colour::Bold, title));
    }

    /// A command line, broken between words where it is too long, as a shell would take it.
    pub(super) fn command(line: &str) {
        say!("{INDENT}$ {}", wrap(line, " \\", "    "));
    }

    /// What a command answered.
    pub(super) fn answer(&self, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            say!("{INDENT}  {}", wrap(line, "", "  "));
        }
    }

    /// What else happened, for those who asked.
    pub(super) fn detail(&self, text: &str) {
        for line in text.lines() {
            say!("{INDENT}  {}", self.paint(Colour::Dim, line));
        }
    }

    pub(super) fn right(&self, finding: &str, elapsed: Duration) {
        let elapsed = match elapsed.as_millis() {
            short @ ..100 => format!("({short} ms)"),
            _ => format!("({:.1} s)", elapsed.as_secs_f64()),
        };
        say!("{INDENT}{} {finding} {}", self.paint(Colour::Green, "ok"), self.paint(Colour::Dim, &elapsed));
    }

    pub(super) fn wrong(&self, why: &str) {
        say!("\n{}", self.paint(Colour::Red, &format!("FAILED: {why}")));
    }

    pub(super) fn end(&self, text: &str) {
        say!("\n{}", self.paint(Colour::Green, text));
    }
}

/// Breaks a line between words: `more` stands at the ends of all lines but the last, and `indent` before all but the first.
fn wrap(line: &str, more: &str, indent: &str) -> String {
    // Two columns are the mark before the line, `$` or blanks.
    let width = WIDTH - INDENT.len() - 2 - more.len();
    let mut text = String::new();
    let mut column = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text.push_str(&format!("{more}\n{INDENT}{indent}"));
            column = indent.len();
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_within_the_width() {
        let line = ["a-word-of-some-length"; 12].join(" ");
        let wrapped = wrap(&line, " \\", "    ");
        assert!(wrapped.lines().count() > 2);
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH), "{wrapped}");
        let words = |text: &str| text.split_whitespace().filter(|word| *word != "\\").count();
        assert_eq!(words(&wrapped), 12);
        assert_eq!(wrap("short", " \\", "    "), "short");
    }
}
