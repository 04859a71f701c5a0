//! What `check` finds out, and what to do about it.

use std::fmt;

/// What is wrong, and what to do about it. It may cross `anyhow`, and is found there again by [`Mistake::of`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong.
    pub what: String,
    /// What to do; empty where nobody knows.
    pub remedy: String,
}

impl Mistake {
    /// This is wrong, and that is to be done.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// The mistake that `error` is; one that is none of ours has no remedy.
    pub fn of(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<Self>() {
            Some(mistake) => mistake.clone(),
            None => Self::new(format!("{error:#}"), ""),
        }
    }

    /// The same, of what is called `name`.
    pub fn about(self, name: &str) -> Self {
        Self { what: format!("{name} {}", self.what), ..self }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.remedy.is_empty() {
            write!(f, ": {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistake {}

/// All that is wrong with the attributes of a host.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// What is missing, or wrong with a setting.
    pub general: Vec<Mistake>,
    /// What cannot be ordered, by attribute.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |mistakes: &[Mistake]| -> Vec<String> { mistakes.iter().map(ToString::to_string).collect() };
        let mut problems = told(&self.general);
        if !self.mistakes.is_empty() {
            let mistakes = told(&self.mistakes).join("; ");
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
    pub fn doubtful(about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
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

    fn new(verdict: Verdict, about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { verdict, about, what: what.into(), remedy: remedy.into(), is_closing: false }
    }

    /// A deploy would fail of this mistake.
    pub fn of(about: &'static str, mistake: Mistake) -> Self {
        Self::bad(about, mistake.what, mistake.remedy)
    }
}
