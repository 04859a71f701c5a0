//! The way to a provider's API: its address, its credentials, a deadline, and answers that are read by path.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::account::Account;
use super::auth::{Ask, Auth, Endpoint};
use super::call::Call;
use super::explanation::{Explanation, remedy_of};
use super::machine::{Machine, MachineId};
use super::spec::{Format, Spec};
use crate::http::client::{Answer, Failure, Http, Request};
use crate::http::error::{ApiError, Kind};
use crate::http::url::is_loopback;
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::wire::tree::Tree;

/// A provider's reading of an error answer: see `Provider::explain`.
pub type Explain = Box<dyn Fn(&Account, u16, &Tree) -> Explanation + Send + Sync>;

/// How long a request may take that is no order: they answer within a second or two.
const REQUEST: Duration = Duration::from_secs(20);
/// How long an order may take: it waits for the provider's scheduler.
const ORDER: Duration = Duration::from_secs(60);
/// The largest answer that is read: a page of machines is some 1 MB.
const LIMIT: u64 = 16 << 20;
/// Pages after which a listing must have ended: no account has 100,000 machines.
const PAGES: usize = 1000;

/// A provider with the credentials of one account. It keeps connections, and a token that was fetched.
pub struct Session {
    spec: &'static Spec,
    explain: Explain,
    http: Http,
    endpoint: Endpoint,
    account: Account,
    token: Mutex<Option<Secret>>,
    memory: Mutex<BTreeMap<MachineId, Machine>>,
}

impl Session {
    /// A session of the provider that `spec` describes; `explain` is its reading of errors, and `private` are texts
    /// that must not be told though it may quote them.
    pub fn new(
        spec: &'static Spec,
        explain: Explain,
        endpoint: Endpoint,
        account: Account,
        mut private: Vec<Secret>,
        report: Report,
    ) -> Self {
        let secrets = spec.secrets().into_iter();
        private.extend(secrets.filter_map(|name| account.secret(name).cloned()));
        for name in spec.names(|one| one.is_address) {
            let url = account.get(name);
            if url.starts_with("http://") && !is_loopback(url) {
                let what = match endpoint.auth {
                    Auth::None => "what is ordered",
                    _ => "the token",
                };
                report.warn(format_args!("{name} is http: {what} travels in clear; use https"));
            }
        }
        Self {
            spec,
            explain,
            http: Http::new(&endpoint.base, private, report),
            endpoint,
            account,
            token: Mutex::default(),
            memory: Mutex::default(),
        }
    }

    /// The way to the API, for requests that end by the moment `by`.
    pub fn api(&self, by: Instant) -> Api<'_> {
        Api { session: self, by }
    }

    /// How long the provider's rate limit asks us to rest.
    pub fn rest(&self) -> Duration {
        self.http.rest()
    }

    /// Ends the requests under way; later ones work.
    pub fn abort(&self) {
        self.http.abort();
    }

    fn token(&self) -> MutexGuard<'_, Option<Secret>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to an API, until a deadline.
#[derive(Clone, Copy)]
pub struct Api<'a> {
    session: &'a Session,
    by: Instant,
}

impl<'a> Api<'a> {
    /// Its address.
    pub fn base(&self) -> &'a str {
        &self.session.endpoint.base
    }

    /// A setting of the account, in the clear; empty where there is none.
    pub fn setting(&self, name: &str) -> &'a str {
        self.session.account.get(name)
    }

    /// The machines of a provider that has no API, as long as this process lasts.
    pub fn memory(&self) -> MutexGuard<'a, BTreeMap<MachineId, Machine>> {
        let memory = &self.session.memory;
        memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request, and leaves the answer unread.
    ///
    /// # Errors
    /// All that is not an answer with a status below 300.
    pub fn send(&self, call: &Call<'_>) -> Result<(), ApiError> {
        self.exchange(call).map(drop)
    }

    /// Sends a request, and reads the answer with `reading`, which may say what it misses in it.
    ///
    /// # Errors
    /// As [`Self::send`]; one of kind `Ambiguous` where the answer cannot be read.
    pub fn read<T>(
        &self,
        call: &Call<'_>,
        reading: impl FnOnce(&Tree) -> Result<T>,
    ) -> Result<T, ApiError> {
        let answer = self.exchange(call)?;
        let read = self.parse(&answer.body).and_then(|tree| reading(&tree));
        read.map_err(|error| {
            let http = &self.session.http;
            http.unreadable(call.method, call.shown, &answer, &error.to_string())
        })
    }

    /// Every item of a listing, page after page: `page` is given the mark of the one to read, as the page before
    /// told it, and tells that of the next one.
    ///
    /// # Errors
    /// Those of `page`; the listing has no end.
    pub fn pages<T>(
        &self,
        mut page: impl FnMut(Option<&str>) -> Result<(Vec<T>, Option<String>), ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let (items, following) = page(next.as_deref())?;
            all.extend(items);
            match following {
                None => return Ok(all),
                following => next = following,
            }
        }
        let reason = format!("the listing has no end after {PAGES} pages");
        Err(self.problem(Kind::Ambiguous, reason))
    }

    /// An error that the provider's answers, or the lack of a setting, amount to.
    pub fn problem(&self, kind: Kind, reason: impl Into<String>) -> ApiError {
        ApiError {
            kind,
            call: "nothing was sent".to_owned(),
            status: None,
            reasons: vec![self.session.http.tellable(&reason.into())],
            retry_after: None,
            remedy: remedy_of(self.session.spec, kind, false).into(),
            code: None,
        }
    }

    /// `text` in words that may be told: on one line, without secrets.
    pub fn tellable(&self, text: &str) -> String {
        self.session.http.tellable(text)
    }

    /// `machine` with its words as they may be told. What it is recognised by stays as the provider has it.
    pub fn told(&self, machine: Machine) -> Machine {
        machine.reworded(|text| self.session.http.redacted(text))
    }

    fn exchange(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        let is_fetched =
            !call.is_open && matches!(self.session.endpoint.auth, Auth::Fetched { .. });
        let had_token = is_fetched && self.session.token().is_some();
        match self.transmit(call) {
            // It was refused, so nothing was done: a token that was good before has expired in the wait.
            Err(error) if error.kind == Kind::Unauthenticated && had_token => {
                *self.session.token() = None;
                self.transmit(call)
            }
            answer => answer,
        }
    }

    fn transmit(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        let authorization = match call.is_open {
            true => None,
            false => self.authorization()?,
        };
        let mut headers = call.headers.clone();
        headers.extend(authorization.iter().map(|(name, value)| (*name, value.expose())));
        let url = match call.path.starts_with("http") {
            true => call.path.to_owned(),
            false => format!("{}{}", self.base(), call.path),
        };
        let request = Request {
            method: call.method,
            url: &url,
            path: call.shown,
            headers: &headers,
            body: call.body.as_ref().map(|(kind, body)| (*kind, body.as_bytes())),
            by: self.by,
            within: if call.is_order { ORDER } else { REQUEST },
            limit: LIMIT,
        };
        let sent = self.session.http.send(&request);
        sent.map_err(|failure| self.explain(*failure, call.is_order))
    }

    /// The header by which the API lets us in.
    fn authorization(&self) -> Result<Option<(&'static str, Secret)>, ApiError> {
        let Auth::Fetched { header, prefix, fetch } = &self.session.endpoint.auth else {
            return Ok(self.session.endpoint.auth.header());
        };
        let known = self.session.token().clone();
        let token = match known {
            Some(token) => token,
            None => {
                let token = fetch(self)?;
                self.session.http.conceal(token.clone());
                *self.session.token() = Some(token.clone());
                token
            }
        };
        Ok(Some((*header, Secret::new(format!("{prefix}{}", token.expose())))))
    }

    fn parse(&self, body: &[u8]) -> Result<Tree> {
        match self.session.spec.answers {
            Format::Json => Tree::json(body),
            Format::Xml => Tree::xml(body),
        }
    }

    /// Adds what the provider's own error says, unless something in between answered, and what to do.
    fn explain(&self, failure: Failure, is_order: bool) -> ApiError {
        let Failure { mut error, body } = failure;
        let mut remedy = None;
        if let Some(status) = error.status {
            let body = self.parse(&body).unwrap_or_default();
            let explained = (self.session.explain)(&self.session.account, status, &body);
            let otherwise = error.reasons.join("; ");
            error.reasons = self.session.http.reasons(&explained.reasons, &otherwise);
            error.code = explained.code;
            remedy = explained.remedy.map(str::to_owned);
            match explained.kind {
                Some(kind) => error.kind = kind,
                // A mere 404 is of whatever stands in the provider's place.
                None if error.kind == Kind::NotFound => {
                    error.kind = Kind::Rejected;
                    let address = self.session.spec.names(|one| one.is_address);
                    remedy = Some(format!("check {}", address.join(" and ")));
                }
                None => {}
            }
        }
        error.remedy =
            remedy.unwrap_or_else(|| remedy_of(self.session.spec, error.kind, is_order)).into();
        error
    }
}

impl Ask for Api<'_> {
    fn setting(&self, name: &str) -> &str {
        self.session.account.get(name)
    }

    fn ask(&self, call: &Call<'_>) -> Result<Tree, ApiError> {
        self.read(call, |answer| Ok(answer.clone()))
    }
}
