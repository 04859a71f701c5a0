//! What is sent, and what comes back.

use std::time::{Duration, Instant};

use crate::http::error::ApiError;

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Look.
    Get,
    /// Order, or act.
    Post,
    /// Put something in the place of another.
    Put,
    /// Change a part.
    Patch,
    /// Delete.
    Delete,
}

impl Method {
    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One request.
pub struct Request<'a> {
    /// Its method.
    pub method: Method,
    /// The whole address.
    pub url: &'a str,
    /// The address as it may be told: path and query, without secrets.
    pub path: &'a str,
    /// Headers beside those of the body.
    pub headers: &'a [(&'a str, &'a str)],
    /// The header of the answer that is wanted.
    pub wants: Option<&'a str>,
    /// The body and its content type.
    pub body: Option<(&'a str, &'a [u8])>,
    /// The moment after which the answer is of no use.
    pub by: Instant,
    /// How long the request may take, if `by` leaves that much.
    pub within: Duration,
    /// Whether it must go out on a connection of its own: one that was kept may have died, and nobody could say then
    /// whether the request arrived.
    pub is_fresh: bool,
    /// How many bytes of body are accepted.
    pub limit: u64,
}

impl Request<'_> {
    /// Method and path, as an error tells them.
    pub(super) fn call(&self) -> String {
        format!("{} {}", self.method.name(), self.path)
    }
}

/// An answer with a status below 300.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header that was wanted, if it came.
    pub wanted: Option<String>,
    /// The body, at most as long as the request allowed.
    pub body: Vec<u8>,
}

/// An error answer: what its status says, and the body for the backend to read reasons from.
pub struct Failure {
    /// The error so far; its reasons are the network's, or just the status.
    pub error: ApiError,
    /// The body of the answer, if one came.
    pub body: Vec<u8>,
}

impl Failure {
    pub(super) fn without_body(error: ApiError) -> Box<Self> {
        let body = Vec::new();
        Box::new(Self { error, body })
    }
}
