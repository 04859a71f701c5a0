//! What whoever reads an answer or an error can show.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::os::fd::BorrowedFd;

use super::text::{ascii, wrapped};
use crate::system::environment::Environment;
use crate::system::terminal;

/// What a reader can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// How many columns it has; `None`: lines may have any length.
    pub width: Option<usize>,
    /// Whether it has colours.
    pub has_colours: bool,
    /// Whether it has characters beyond ASCII.
    pub has_utf8: bool,
    /// Whether somebody looks at it while it is written.
    pub is_terminal: bool,
}

impl Screen {
    /// That of `stream`. Colours are for terminals, and not against `NO_COLOR` (<https://no-color.org>).
    pub fn of(stream: BorrowedFd<'_>, environment: &Environment) -> Self {
        let is_terminal = stream.is_terminal();
        let is_plain = environment.look("TERM") == Some("dumb") || environment.look("NO_COLOR").is_some();
        Self {
            width: terminal::width(stream, environment),
            has_colours: is_terminal && !is_plain,
            has_utf8: terminal::has_utf8(environment),
            is_terminal,
        }
    }

    /// The same for lines of any length.
    pub fn wide(self) -> Self {
        Self { width: None, ..self }
    }

    /// `text` in characters that it has.
    pub fn shown(self, text: &str) -> Cow<'_, str> {
        if self.has_utf8 { Cow::Borrowed(text) } else { ascii(text) }
    }

    /// `text` in lines that fit, broken between words.
    pub fn folded(self, text: &str) -> String {
        let shown = self.shown(text);
        match self.width {
            Some(width) => wrapped(&shown, width).join("\n"),
            None => shown.into_owned(),
        }
    }

    /// What stands for what is left out.
    pub fn ellipsis(self) -> &'static str {
        if self.has_utf8 { "\u{2026}" } else { "..." }
    }
}
