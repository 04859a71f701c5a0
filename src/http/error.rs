//! What went wrong with a request, sorted by what may be done about it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What kind of error it is: the one thing that decisions hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No connection: the request cannot have been carried out.
    NotSent,
    /// No usable answer (time-out, reset, 5xx, unreadable): the request may have been carried out.
    Ambiguous,
    /// Asked too often (429); it was not carried out.
    RateLimited,
    /// The credentials are wrong (401).
    Unauthenticated,
    /// The thing is not ours (403).
    PermissionDenied,
    /// There is no such thing (404, 410).
    NotFound,
    /// Refused with a reason (other 4xx).
    Rejected,
    /// Refused for now; it passes with time.
    Conflict,
    /// Refused as somebody protected it.
    Protected,
    /// Points elsewhere (3xx); never followed, for the token would go with it.
    Redirected,
    /// The other side's certificate cannot be trusted.
    Untrusted,
}

impl Kind {
    /// What a status means by itself. 408 says that the request did not arrive whole, 5xx says nothing at
    /// all about what was done.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirected,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 | 410 => Self::NotFound,
            429 => Self::RateLimited,
            408 => Self::Ambiguous,
            400..=499 => Self::Rejected,
            _ => Self::Ambiguous,
        }
    }
}

/// What went wrong with one call.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// What decisions hang on.
    pub kind: Kind,
    /// Method and path.
    pub call: String,
    /// The HTTP status, if one came.
    pub status: Option<u16>,
    /// Why, in the words of the other side or of the network; without secrets, one line each.
    pub reasons: Vec<String>,
    /// How long the other side asks us to wait.
    pub retry_after: Option<Duration>,
    /// What somebody may do about it.
    pub remedy: &'static str,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.reasons.join("; ");
        match self.status {
            Some(status) => write!(f, "{reasons} (status {status} to {})", self.call)?,
            None => write!(f, "{reasons} ({})", self.call)?,
        }
        if !self.remedy.is_empty() {
            write!(f, ": {}", self.remedy)?;
        }
        Ok(())
    }
}

impl StdError for ApiError {}
