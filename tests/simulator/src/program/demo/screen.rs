//! What the demo prints: within 80 columns, coloured only where a person looks. What a command answers begins at the margin,
//! as in a shell.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Columns.
pub(super) const WIDTH: usize = 80;

/// As println!, but a reader that went away is no reason to panic: what is left of the demo still clears up.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(io::stdout(), $($text)*);
    }};
}

/// Standard output: a terminal or not, coloured or not.
pub(super) struct Screen {
    is_live: bool,
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
    /// Colours only on a terminal that knows them, and not against <https://no-color.org>.
    pub(super) fn new() -> Self {
        let is_live = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb");
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Screen { is_live, colour: is_live && !unwanted }
    }

    /// Whether a line can renew itself here.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
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
        say!("\n{}", self.paint(Colour::Bold, &format!("{number}. {title}")));
    }

    /// A command line without its folders, broken between words where it is too long, as a shell would take it.
    pub(super) fn command(line: &str) {
        say!("$ {}", wrap(&without_folders(line), WIDTH - 2, " \\"));
    }

    /// What an action answered, broken between words.
    pub(super) fn answer(&self, text: &str) {
        for line in text.lines().filter(|line| !line.is_empty()) {
            say!("{}", wrap(line, WIDTH, ""));
        }
    }

    /// What a command for people answered, as it is.
    pub(super) fn text(&self, text: &str) {
        say!("{}", text.trim_end());
    }

    /// A line that renewed itself, cut off at the margin as a terminal does.
    pub(super) fn state(&self, line: &str) {
        say!("{}", line.chars().take(WIDTH).collect::<String>());
    }

    /// What else happened, for those who asked.
    pub(super) fn detail(&self, text: &str) {
        for line in text.lines() {
            say!("  {}", self.paint(Colour::Dim, line));
        }
    }

    pub(super) fn right(&self, finding: &str, elapsed: Duration) {
        let elapsed = match elapsed.as_millis() {
            short @ ..100 => format!("({short} ms)"),
            _ => format!("({:.1} s)", elapsed.as_secs_f64()),
        };
        say!("{} {finding} {}", self.paint(Colour::Green, "ok"), self.paint(Colour::Dim, &elapsed));
    }

    pub(super) fn wrong(&self, why: &str) {
        say!("\n{}", self.paint(Colour::Red, &format!("FAILED: {why}")));
    }

    pub(super) fn end(&self, text: &str) {
        say!("\n{}", self.paint(Colour::Green, text));
    }
}

/// Passes on what appears on another terminal, as it comes.
pub(super) fn pass_on(bytes: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// `/remotes/pm/packet/deploy /files/deployment-7.xml TODO` → `packet/deploy deployment-7.xml TODO`
fn without_folders(line: &str) -> String {
    let mut words = line.split(' ');
    let program: Vec<&str> = words.next().unwrap_or_default().rsplitn(3, '/').collect();
    let program = match program[..] {
        [action, driver, _] => format!("{driver}/{action}"),
        _ => program.into_iter().rev().collect::<Vec<_>>().join("/"),
    };
    let words = words.map(|word| match word.strip_prefix('/') {
        Some(path) => path.rsplit('/').next().unwrap_or_default(),
        None => word,
    });
    std::iter::once(program.as_str()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Breaks a line between words: `more` stands at the ends of all lines but the last, and all but the first are indented.
fn wrap(line: &str, width: usize, more: &str) -> String {
    const INDENT: &str = "    ";
    let width = width - more.len();
    let mut text = String::new();
    let mut column = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text.push_str(&format!("{more}\n{INDENT}"));
            column = INDENT.len();
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
        let wrapped = wrap(&line, WIDTH - 2, " \\");
        assert!(wrapped.lines().count() > 2);
        assert!(wrapped.lines().all(|line| line.len() <= WIDTH), "{wrapped}");
        let words = |text: &str| text.split_whitespace().filter(|word| *word != "\\").count();
        assert_eq!(words(&wrapped), 12);
        assert_eq!(wrap("short", WIDTH, ""), "short");
    }

    #[test]
    fn commands_are_shown_without_their_folders() {
        for (line, shown) in [
            ("/r/pm/packet/deploy /f/deployment-7.xml TODO", "packet/deploy deployment-7.xml TODO"),
            ("/r/pm/packet/poll ID a/b 7", "packet/poll ID a/b 7"),
            ("pm-packet check deployment-7.xml", "pm-packet check deployment-7.xml"),
        ] {
            assert_eq!(without_folders(line), shown);
        }
    }
}
