//! What went wrong with a request, sorted by what may be done about it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use ureq::Timeout;

use crate::http::tls::{certificate_problem, tls_problem};
use crate::system::file::reason;

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
    /// The idempotency key of an order is spent on a machine that is no more: nothing was ordered, and the next key
    /// is to be used.
    KeySpent,
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
    pub remedy: Cow<'static, str>,
    /// The other side's own code for it, where its errors have one.
    pub code: Option<String>,
}

impl ApiError {
    /// What went wrong, without what to do: for the log, where the driver does it.
    pub fn what(&self) -> String {
        let reasons = self.reasons.join("; ");
        match self.status {
            Some(status) => format!("{reasons} (status {status} to {})", self.call),
            None => format!("{reasons} ({})", self.call),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        if !self.remedy.is_empty() {
            write!(f, ": {}", self.remedy)?;
        }
        Ok(())
    }
}

impl StdError for ApiError {}

/// Sorts what ureq reports: into what cannot have reached the other side, and the rest.
pub(super) fn sort(error: &ureq::Error) -> (Kind, String) {
    if let Some(problem) = certificate_problem(error) {
        return (Kind::Untrusted, problem);
    }
    if let Some(problem) = tls_problem(error) {
        return (Kind::Ambiguous, problem.to_owned());
    }
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => (Kind::NotSent, "no connection in time".into()),
        ureq::Error::Timeout(_) => (Kind::Ambiguous, "no answer in time".into()),
        ureq::Error::HostNotFound => (Kind::NotSent, "the host name is not known".into()),
        ureq::Error::ConnectionFailed => (Kind::NotSent, "no connection".into()),
        ureq::Error::ConnectProxyFailed(why) => (Kind::NotSent, refused_by_proxy(why)),
        ureq::Error::BadUri(_) => (Kind::Rejected, "the address is malformed".into()),
        ureq::Error::Http(_) => (Kind::Rejected, "the address or a header is malformed".into()),
        ureq::Error::BodyExceedsLimit(limit) => (Kind::Ambiguous, format!("the answer is larger than {limit} bytes")),
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => (Kind::NotSent, "the connection was refused".into()),
            ErrorKind::AddrNotAvailable => (Kind::NotSent, reason(io)),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => {
                (Kind::Ambiguous, "the connection was closed before the answer was complete".into())
            }
            // The standard library has no kind of its own for a name that does not resolve.
            _ if io.to_string().starts_with("failed to lookup address") => {
                (Kind::NotSent, "the host name is not known".into())
            }
            _ => (Kind::Ambiguous, reason(io)),
        },
        ureq::Error::Protocol(_) => (Kind::Ambiguous, "the answer is not in HTTP/1.1".into()),
        _ => (Kind::Ambiguous, "the request got no answer that can be read".into()),
    }
}

/// What a proxy that does not connect is told as: ureq writes its status as `403/403`.
fn refused_by_proxy(why: &str) -> String {
    match why.rsplit('/').next().filter(|status| status.parse::<u16>().is_ok()) {
        Some(status) => format!("the proxy does not connect: it answers with status {status}"),
        None => "the proxy does not connect: it does not answer".to_owned(),
    }
}

#[cfg(test)]
impl ApiError {
    /// One of this kind, that says nothing.
    pub fn bare(kind: Kind) -> Self {
        Self {
            kind,
            call: String::new(),
            status: None,
            reasons: Vec::new(),
            retry_after: None,
            remedy: "".into(),
            code: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel reports them on connections that stood, when the request was long on its way (tcp(7)).
    #[test]
    fn a_network_or_a_host_that_cannot_be_reached_says_nothing_of_what_was_sent() {
        for errno in [nix::errno::Errno::ENETUNREACH, nix::errno::Errno::EHOSTUNREACH] {
            let error = std::io::Error::from_raw_os_error(errno as i32);
            assert_eq!(sort(&ureq::Error::Io(error)).0, Kind::Ambiguous);
        }
    }
}
