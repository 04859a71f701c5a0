//! The only code that prints: the answer on stdout, and on stderr the error frame, warnings and the log.
//!
//! oneprovision stores the stdout of `deploy` whole as the host's `DEPLOY_ID` and reads that of `poll` as
//! its values, so not a byte may go there by accident. Of stderr it shows its user the first line of the
//! first error frame, and writes the rest to its debug log.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

/// Marks, alone on its line, where the error frame begins. The literal is OpenNebula's
/// (`share/scripts/ruby` and `scripts_common.sh`).
const FRAME_OPEN: &str = "ERROR MESSAGE --8<------";
/// Marks, alone on its line, where the error frame ends.
const FRAME_CLOSE: &str = "ERROR MESSAGE ------>8--";

/// How much is logged on stderr, from the setting `PM_LOG`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Warnings and errors only.
    #[default]
    Quiet,
    /// Each decision of the engine.
    Info,
    /// Each request too.
    Debug,
}

/// Prints, and nothing else does.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    level: Level,
    start: Instant,
}

impl Report {
    /// A report that logs up to `level`.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            start: Instant::now(),
        }
    }

    /// Writes a text to stdout, as its own line.
    ///
    /// # Errors
    /// Whatever keeps the caller from getting it: a closed pipe, a full disk.
    pub fn answer(&self, line: &str) -> io::Result<()> {
        self.print(&format!("{line}\n"))
    }

    /// Writes the deploy id to stdout. No line feed follows, but on a terminal: the stdout of `deploy` is
    /// stored whole, and a line feed in it would cut the next command line in two.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn deploy_id(&self, id: &str) -> io::Result<()> {
        if io::stdout().is_terminal() {
            return self.answer(id);
        }
        self.print(id)
    }

    fn print(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Tells of something that did not stop the action but that somebody should mend.
    pub fn warn(&self, message: impl Display) {
        self.line(&format!("WARNING: {message}"));
    }

    /// Logs a decision of the engine.
    pub fn info(&self, message: impl Display) {
        self.log(Level::Info, "INFO", &message);
    }

    /// Logs a request or another step.
    pub fn debug(&self, message: impl Display) {
        self.log(Level::Debug, "DEBUG", &message);
    }

    /// Prints `error` in the frame that oneprovision reads: what is said outermost first, with the name of
    /// the `action` before it, and its causes below.
    pub fn failure(&self, action: Option<&str>, error: &anyhow::Error) {
        let mut frame = format!("{FRAME_OPEN}\n");
        if let Some(action) = action {
            frame.push_str(action);
            frame.push_str(": ");
        }
        for cause in error.chain() {
            frame.push_str(&one_line(&cause.to_string()));
            frame.push('\n');
        }
        frame.push_str(FRAME_CLOSE);
        frame.push('\n');
        self.raw(&frame);
    }

    fn log(&self, level: Level, label: &str, message: &dyn Display) {
        if self.level >= level {
            let elapsed = self.start.elapsed().as_secs_f64();
            self.line(&format!("{label} {elapsed:8.3} s {message}"));
        }
    }

    fn line(&self, text: &str) {
        self.raw(&format!("{}\n", one_line(text)));
    }

    /// One write, so that the lines of actions that share a stderr do not mix. An error is dropped: there
    /// is nowhere left to tell it.
    fn raw(&self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// `text` as one line that can neither colour a terminal nor forge a frame.
///
/// Control characters become blanks. So do the invisible characters that change the direction of a text.
pub fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if is_unprintable(c) { ' ' } else { c })
        .collect();
    let line = line.trim();
    if line.is_empty() {
        return "(no message)".to_owned();
    }
    line.replace("ERROR MESSAGE --", "ERROR MESSAGE - -")
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
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
    fn a_message_cannot_forge_a_frame() {
        assert!(!one_line(FRAME_OPEN).contains(FRAME_OPEN));
        assert!(!one_line(FRAME_CLOSE).contains(FRAME_CLOSE));
    }
}
