//! The only code that prints: the answer on stdout, and on stderr the error frame, warnings and the log.
//!
//! oneprovision stores the stdout of `deploy` whole as the host's `DEPLOY_ID` and reads that of `poll` as
//! its values, so not a byte may go there by accident. Of stderr it shows its user the first line of the
//! first error frame, and writes the rest to its debug log.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::report::screen::Screen;
use crate::report::table::Look;
use crate::report::text::{ascii, one_line};
use crate::system::environment::Environment;
use crate::system::file::reason;
use crate::system::output;
use crate::wire::time::{UtcOffset, local_offset, log_time};

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

/// Whether the last line of the terminal is one that renews itself. The process has one stderr, so this is not
/// a matter of a single report.
static IS_RENEWED: AtomicBool = AtomicBool::new(false);
/// Whether the last text on stderr found no reader: then the next one waits for none.
static IS_UNREAD: AtomicBool = AtomicBool::new(false);
/// How long a text on stderr waits for a reader.
const PATIENCE: Duration = Duration::from_secs(2);
/// The terminal's control sequence (ECMA-48) for an empty line: to its begin, and erase it.
const ERASE: &str = "\r\x1b[K";

/// Prints, and nothing else does.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    level: Level,
    start: Instant,
    /// Whether an error is for oneprovision.
    is_framed: bool,
    is_watched: bool,
    stdout: Screen,
    stderr: Screen,
    /// How far the log's time is from UTC.
    offset: UtcOffset,
}

impl Report {
    /// A report that logs up to `level`, for oneprovision.
    pub fn new(level: Level) -> Self {
        Self {
            level,
            start: Instant::now(),
            is_framed: true,
            is_watched: false,
            stdout: Screen::default(),
            stderr: Screen::default(),
            offset: if level > Level::Quiet { local_offset() } else { UtcOffset::UTC },
        }
    }

    /// The same, for a person where stderr or stdout is a terminal: with a line that renews itself, and in what that
    /// terminal can show. Errors have no frame there, unless this was called through a link as oneprovision calls it.
    pub fn for_person(mut self, via_link: bool, environment: &Environment) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        self.stdout = Screen::of(stdout.as_fd(), environment);
        self.stderr = Screen::of(stderr.as_fd(), environment);
        self.is_watched = self.stderr.is_terminal && environment.look("TERM") != Some("dumb");
        self.is_framed = via_link || !self.stderr.is_terminal;
        self
    }

    /// The same, that logs up to `level` too.
    pub fn up_to(self, level: Level) -> Self {
        match level > self.level {
            true => Self { level, offset: local_offset(), ..self },
            false => self,
        }
    }

    /// When the action began.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Whether somebody looks on while a wait lasts.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// What whoever reads the answers can show.
    pub fn screen(&self) -> Screen {
        self.stdout
    }

    /// How many columns a line on stderr may have, and what is in place of what is left out of one.
    pub fn margin(&self) -> (Option<usize>, &'static str) {
        (self.stderr.width, self.stderr.ellipsis())
    }

    /// Shows `text` as the line that renews itself; [`Self::clear`] takes it away.
    pub fn renew(&self, text: &str) {
        if self.is_watched {
            IS_RENEWED.store(true, Ordering::Relaxed);
            // Without its automatic margin (DECAWM) the terminal cuts off what does not fit, and a line
            // never becomes two.
            let line = format!("{ERASE}\x1b[?7l{}\x1b[?7h", self.stderr.shown(&one_line(text)));
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }

    /// Takes away the line that renews itself, if there is one.
    pub fn clear(&self) {
        if IS_RENEWED.swap(false, Ordering::Relaxed) {
            let _ = io::stderr().lock().write_all(ERASE.as_bytes());
        }
    }

    /// Tells somebody who looks on what is going on; in the log it is a decision of the engine.
    pub fn notice(&self, message: impl Display) {
        if self.is_watched && self.level < Level::Info {
            self.line(&message.to_string());
        } else {
            self.info(message);
        }
    }

    /// Writes a text for people to stdout, as its own line, in what they can read.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn show(&self, text: &str) -> io::Result<()> {
        self.answer(&self.stdout.shown(text))
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
    /// As [`Self::answer`]; nobody reads it as long as there is `patience`, which is asked with the time that passed.
    pub fn deploy_id(&self, id: &str, patience: impl FnMut(Duration) -> bool) -> io::Result<()> {
        self.clear();
        let end = if self.stdout.is_terminal { "\n" } else { "" };
        output::write_all(io::stdout(), format!("{id}{end}").as_bytes(), patience)
    }

    fn print(&self, text: &str) -> io::Result<()> {
        self.clear();
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Tells of something that did not stop the action but that somebody should mend.
    pub fn warn(&self, message: impl Display) {
        let lead = Look::Yellow.paint("WARNING:", self.stderr.has_colours);
        self.raw(&format!("{lead} {}\n", one_line(&message.to_string())));
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
    /// the `action` before it, and its causes below. A person gets the same without the frame.
    pub fn failure(&self, action: Option<&str>, error: &anyhow::Error) {
        let told = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref() {
            Some(system) => reason(system),
            None => cause.to_string(),
        };
        let causes: Vec<String> = error.chain().map(|cause| one_line(&told(cause))).collect();
        let text = if self.is_framed {
            let lead = action.map_or_else(String::new, |action| format!("{action}: "));
            format!("{FRAME_OPEN}\n{lead}{}\n{FRAME_CLOSE}\n", causes.join("\n"))
        } else {
            let lead = action.map_or_else(|| "pm-packet:".to_owned(), |action| format!("pm-packet {action}:"));
            let lead = Look::Red.paint(&lead, self.stderr.has_colours);
            format!("{lead} {}\n", causes.join("\n  "))
        };
        // It is worth more patience than the log was.
        IS_UNREAD.store(false, Ordering::Relaxed);
        self.raw(&text);
    }

    /// Prints `error` and its causes in one line, for a log that nobody parses.
    pub fn refusal(&self, error: &anyhow::Error) {
        IS_UNREAD.store(false, Ordering::Relaxed);
        self.line(&format!("{error:#}"));
    }

    fn log(&self, level: Level, label: &str, message: &dyn Display) {
        if self.level >= level {
            let time = log_time(SystemTime::now(), self.offset);
            self.line(&format!("{time} {label:5} : {message}"));
        }
    }

    fn line(&self, text: &str) {
        self.raw(&format!("{}\n", one_line(text)));
    }

    /// One write, so that the lines of actions that share a stderr do not mix. An error is dropped: there
    /// is nowhere left to tell it.
    fn raw(&self, text: &str) {
        self.clear();
        if cfg!(test) {
            // What a unit test prints is shown where it fails.
            return eprint!("{text}");
        }
        let stderr = io::stderr().lock();
        let text = if self.stderr.is_terminal { self.stderr.shown(text) } else { ascii(text) };
        let is_unread = IS_UNREAD.load(Ordering::Relaxed);
        let patience = |waited| !is_unread && waited < PATIENCE;
        let written = output::write_all(&stderr, text.as_bytes(), patience);
        IS_UNREAD.store(written.is_err(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_a_frame() {
        assert!(!one_line(FRAME_OPEN).contains(FRAME_OPEN));
        assert!(!one_line(FRAME_CLOSE).contains(FRAME_CLOSE));
    }
}
