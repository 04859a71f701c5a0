//! What `check` finds out, and what to do about it.

use std::fmt;

/// All that is wrong with the attributes of a host, each with what to do after its last colon.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// What is missing, or wrong with a setting.
    pub general: Vec<String>,
    /// What cannot be ordered, by attribute.
    pub mistakes: Vec<String>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut problems = self.general.clone();
        if !self.mistakes.is_empty() {
            let mistakes = self.mistakes.join("; ");
            problems.push(format!("PROVISION cannot be ordered: {mistakes}"));
        }
        f.write_str(&problems.join("; "))
    }
}

impl std::error::Error for Problems {}

/// How a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// A deploy is accepted all the same.
    Doubtful,
    /// A deploy fails, or nobody can say that it does not.
    Bad,
}

impl Verdict {
    /// The word for it, by which it is told without colours too.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Doubtful => "warning",
            Self::Bad => "WRONG",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub verdict: Verdict,
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub what: String,
    /// What to do; empty where all is well.
    pub remedy: String,
    /// Whether nothing more can be asked before it is mended.
    pub is_closing: bool,
}

impl Finding {
    /// All is well.
    pub fn good(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Verdict::Good, about, what, "")
    }

    /// Somebody should look at it.
    pub fn doubtful(
        about: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(Verdict::Doubtful, about, what, remedy)
    }

    /// A deploy would fail of it.
    pub fn bad(about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Verdict::Bad, about, what, remedy)
    }

    /// The same, where nothing more can be asked before it is mended.
    pub fn closing(self) -> Self {
        Self { is_closing: true, ..self }
    }

    fn new(
        verdict: Verdict,
        about: &'static str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict, about, what: what.into(), remedy: remedy.into(), is_closing: false }
    }

    /// A finding from an error in the words of this driver, where the remedy follows the last colon.
    pub fn of_error(about: &'static str, error: &str) -> Self {
        match error.rsplit_once(": ") {
            Some((what, remedy)) => Self::bad(about, what, remedy),
            None => Self::bad(about, error, ""),
        }
    }
}
