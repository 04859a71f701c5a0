//! The requests that came, for tests to look at.

use std::collections::VecDeque;
use std::time::Duration;

use crate::fault::Operation;
use crate::http;

/// Which of the two servers was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The Packet API.
    Api,
    /// OpenNebula's oned.
    Oned,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it was read, since the simulator's start.
    pub at: Duration,
    /// Which server was asked.
    pub service: Service,
    /// What for.
    pub operation: Operation,
    /// The device that its path names.
    pub device: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path and query as they came.
    pub path: String,
    /// In their order, names as they came.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
    /// Status of the answer; None while there is none, or where none was sent.
    pub status: Option<u16>,
    /// Which connection to the server it came on: requests with the same number shared one.
    pub connection: u64,
}

impl Request {
    /// The header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The latest requests.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Request>,
    /// The number of the first entry that is kept.
    first: u64,
    limit: usize,
}

impl Log {
    pub(crate) fn new(limit: usize) -> Self {
        Log { entries: VecDeque::new(), first: 0, limit }
    }

    /// Enters a request, and returns its number.
    pub(crate) fn enter(&mut self, entry: Request) -> u64 {
        self.entries.push_back(entry);
        while self.entries.len() > self.limit {
            self.entries.pop_front();
            self.first += 1;
        }
        self.first + self.entries.len() as u64 - 1
    }

    /// Notes the status of an answer.
    pub(crate) fn answered(&mut self, number: u64, status: u16) {
        if let Some(at) = number.checked_sub(self.first)
            && let Some(entry) = self.entries.get_mut(at as usize)
        {
            entry.status = Some(status);
        }
    }

    pub(crate) fn entries(&self) -> Vec<Request> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
    }
}

/// What was asked, where, before it is answered.
pub(crate) struct Asked<'a> {
    pub at: Duration,
    pub service: Service,
    pub operation: Operation,
    pub device: Option<&'a str>,
    pub connection: u64,
}

impl Asked<'_> {
    pub(crate) fn entry(&self, request: &http::Request) -> Request {
        Request {
            at: self.at,
            service: self.service,
            operation: self.operation,
            device: self.device.map(str::to_owned),
            method: request.method.clone(),
            path: request.target.clone(),
            headers: request.headers.clone(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            status: None,
            connection: self.connection,
        }
    }
}
