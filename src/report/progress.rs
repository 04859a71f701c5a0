//! The line that renews itself while a wait lasts, for somebody who looks on: only where stderr is a terminal,
//! and not a byte of it otherwise.

use std::fmt::Display;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::report::frame::Report;
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
        self.report.renew(&line);
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.report.clear();
    }
}

/// What matters most stands first: a narrow terminal cuts off the end.
fn line(elapsed: Duration, limit: Duration, seen: &str, goal: &str) -> String {
    let seen = match seen {
        "" => String::new(),
        seen => format!("{seen} | "),
    };
    format!("{} of {} | {seen}{goal}", clock(elapsed), clock(limit))
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
}
