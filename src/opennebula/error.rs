//! Why oned gave no host.

use std::fmt;

use crate::report::finding::Mistake;

/// Why oned gave no host.
#[derive(Debug)]
pub enum OnedError {
    /// oned could not be asked, or does not know us.
    CannotAsk(anyhow::Error),
    /// oned answered that there is no such host.
    NoSuchHost(Mistake),
}

impl OnedError {
    /// What is wrong, and what to do about it.
    pub fn mistake(&self) -> Mistake {
        match self {
            Self::CannotAsk(error) => Mistake::of(error),
            Self::NoSuchHost(mistake) => mistake.clone(),
        }
    }
}

impl fmt::Display for OnedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotAsk(error) => error.fmt(f),
            Self::NoSuchHost(mistake) => mistake.fmt(f),
        }
    }
}

impl std::error::Error for OnedError {}

impl From<Mistake> for OnedError {
    fn from(mistake: Mistake) -> Self {
        Self::CannotAsk(mistake.into())
    }
}

impl From<anyhow::Error> for OnedError {
    fn from(error: anyhow::Error) -> Self {
        Self::CannotAsk(error)
    }
}
