//! The line that renews itself while a wait lasts, for somebody who looks on: only where stderr is a terminal,
//! and not a byte of it otherwise.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::report::frame::Report;
use crate::report::text::{columns, shortened};
use crate::system::clock::Clock;
use crate::system::interrupt::Interrupt;

/// How often the line is renewed: it counts seconds.
const RENEWAL: Duration = Duration::from_secs(1);

/// One wait, as somebody sees it. Its line disappears with it.
pub struct Progress<'a> {
    report: Report,
    clock: &'a dyn Clock,
    interrupt: &'a Interrupt,
    /// What is waited for.
    goal: String,
    start: Instant,
    by: Instant,
    /// What was last seen.
    seen: String,
}

impl<'a> Progress<'a> {
    /// A wait that may last until `by`; `goal` says what it ends with. Its time is counted from the begin of
    /// the action, as whoever called it does.
    pub fn new(report: Report, clock: &'a dyn Clock, interrupt: &'a Interrupt, goal: String, by: Instant) -> Self {
        Self { report, clock, interrupt, goal, start: report.start(), by, seen: String::new() }
    }

    /// Shows what was seen, such as a state.
    pub fn show(&mut self, seen: impl Display) {
        if self.report.is_watched() {
            self.seen = seen.to_string();
            self.renew();
        }
    }

    /// Sleeps for `time`, or until a signal comes, and lets the seconds be seen passing.
    ///
    /// # Errors
    /// The signal.
    pub fn sleep(&self, time: Duration) -> Result<(), Signal> {
        if !self.report.is_watched() {
            return self.clock.sleep(time, self.interrupt);
        }
        let end = self.clock.now() + time;
        loop {
            let left = end.saturating_duration_since(self.clock.now());
            self.clock.sleep(left.min(RENEWAL), self.interrupt)?;
            if left <= RENEWAL {
                return Ok(());
            }
            self.renew();
        }
    }

    fn renew(&self) {
        let line = line(
            self.clock.now().saturating_duration_since(self.start),
            self.by.saturating_duration_since(self.start),
            &self.seen,
            &self.goal,
        );
        let (width, ellipsis) = self.report.margin();
        self.report.renew(&fitted(&line, width, ellipsis));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.report.clear();
    }
}

/// What matters most stands first: a narrow terminal lacks the end.
fn line(elapsed: Duration, limit: Duration, seen: &str, goal: &str) -> String {
    let seen = match seen {
        "" => String::new(),
        seen => format!("{seen}{BETWEEN}"),
    };
    format!("{} of {}{BETWEEN}{seen}{goal}", clock(elapsed), clock(limit))
}

/// What stands between the parts of the line.
const BETWEEN: &str = " | ";

/// As much of `line` as fits: whole parts, and where the first two are too long, their begin.
fn fitted<'a>(line: &'a str, width: Option<usize>, ellipsis: &str) -> Cow<'a, str> {
    let Some(width) = width else {
        return Cow::Borrowed(line);
    };
    let ends = line.match_indices(BETWEEN).map(|(end, _)| end).skip(1);
    let mut ends: Vec<usize> = ends.collect();
    ends.push(line.len());
    let mut parts = ends.iter().map(|end| &line[..*end]);
    match parts.rfind(|part| columns(part) <= width) {
        Some(part) => Cow::Borrowed(part),
        None => shortened(&line[..ends[0]], width, ellipsis),
    }
}

/// A time as `1:23` or `1:02:03`, to the nearest second.
fn clock(time: Duration) -> String {
    let seconds = (time + Duration::from_millis(500)).as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_state_time_limit_and_goal() {
        let limit = Duration::from_secs(1800);
        assert_eq!(
            line(Duration::from_secs(83), limit, "provisioning, 45 %", "until active"),
            "1:23 of 30:00 | provisioning, 45 % | until active"
        );
        assert_eq!(line(Duration::from_secs(3723), limit, "", "x"), "1:02:03 of 30:00 | x");
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_end() {
        let line = "1:23 of 30:00 | provisioning | until active | machine 0a1b";
        let fitted = |width| fitted(line, Some(width), "...").into_owned();
        assert_eq!(super::fitted(line, None, "..."), line);
        assert_eq!(fitted(80), line);
        assert_eq!(fitted(57), "1:23 of 30:00 | provisioning | until active");
        assert_eq!(fitted(40), "1:23 of 30:00 | provisioning");
        assert_eq!(fitted(24), "1:23 of 30:00 | provi...");
        assert_eq!(super::fitted("1:23 of 30:00", Some(8), "..."), "1:23...");
    }
}
