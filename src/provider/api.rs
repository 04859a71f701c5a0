//! The way to a provider's API: its address, its credentials, a deadline, and answers that are read by path.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::Provider;
use super::attribute::Attribute;
use super::auth::Auth;
use super::machine::{Machine, MachineId};
use super::order::private_texts;
use super::spec::Format;
use crate::http::client::{Failure, Http, Method, Request};
use crate::http::error::{ApiError, Kind};
use crate::http::url::is_loopback;
use crate::opennebula::settings::Settings;
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::wire::tree::Tree;

/// How long a request may take that is no order: they answer within a second or two.
const REQUEST: Duration = Duration::from_secs(20);
/// How long an order may take: it waits for the provider's scheduler.
const ORDER: Duration = Duration::from_secs(60);
/// The largest answer that is read: a page of machines is some 1 MB.
const LIMIT: u64 = 16 << 20;
/// Pages after which a listing must have ended: no account has 100,000 machines.
const PAGES: usize = 1000;

/// Where an API is, and how it lets us in.
pub struct Endpoint {
    /// Its address, which paths are added to.
    pub base: String,
    /// How it lets us in.
    pub auth: Auth,
}

/// A provider with the credentials of one account. It keeps connections, and a token that was fetched.
pub struct Session {
    provider: &'static dyn Provider,
    http: Http,
    endpoint: Endpoint,
    settings: BTreeMap<&'static str, Secret>,
    token: Mutex<Option<Secret>>,
    memory: Mutex<BTreeMap<MachineId, Machine>>,
}

impl Session {
    /// Reads what says which account is meant. Nobody is asked.
    ///
    /// # Errors
    /// What is missing or malformed, with the remedy.
    pub fn connect(
        provider: &'static dyn Provider,
        settings: &Settings<'_>,
        report: Report,
    ) -> Result<Self> {
        let spec = provider.spec();
        let mut account = BTreeMap::new();
        for attribute in spec.attributes.iter().filter(|one| one.is_account) {
            let name = attribute.name;
            match settings.get(name)?.or(attribute.default) {
                Some(text) => {
                    if let Err(error) = attribute.read(text) {
                        bail!("{name} {error}");
                    }
                    if attribute.is_address && text.starts_with("http://") && !is_loopback(text) {
                        report.warn(format_args!(
                            "{name} is http: what is sent travels in clear, the token too; use https"
                        ));
                    }
                    account.insert(name, Secret::new(text));
                }
                None if attribute.is_secret && attribute.is_required => bail!(
                    "there is no {name}: put it into the section provision of the host's template"
                ),
                None => {}
            }
        }
        let endpoint = provider.connect(&account)?;
        let mut secrets = settings
            .host
            .map(|host| private_texts(spec, host))
            .unwrap_or_default();
        let names = spec.attributes.iter().filter(|one| one.is_secret);
        secrets.extend(names.filter_map(|one| account.get(one.name).cloned()));
        Ok(Self {
            provider,
            http: Http::new(&endpoint.base, secrets, report),
            endpoint,
            settings: account,
            token: Mutex::default(),
            memory: Mutex::default(),
        })
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

/// One request.
pub struct Call<'a> {
    method: Method,
    path: &'a str,
    shown: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: Option<(&'static str, String)>,
    is_order: bool,
    is_open: bool,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            shown: path,
            headers: Vec::new(),
            body: None,
            is_order: false,
            is_open: false,
        }
    }

    /// A look. A `path` that begins with `http` is a whole address, for an API that stands elsewhere.
    pub fn get(path: &'a str) -> Self {
        Self::new(Method::Get, path)
    }

    /// An act.
    pub fn post(path: &'a str) -> Self {
        Self::new(Method::Post, path)
    }

    /// A deletion.
    pub fn delete(path: &'a str) -> Self {
        Self::new(Method::Delete, path)
    }

    /// An order: it may take longer.
    pub fn order(path: &'a str) -> Self {
        Self {
            is_order: true,
            ..Self::new(Method::Post, path)
        }
    }

    /// The same with another method.
    pub fn by(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same, told as this path in errors and in the log: without secrets.
    pub fn shown(self, shown: &'a str) -> Self {
        Self { shown, ..self }
    }

    /// The same with JSON.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(("application/json", body.to_string()));
        self
    }

    /// The same with a form.
    pub fn form(mut self, body: String) -> Self {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        self.body = Some((kind, body));
        self
    }

    /// The same with a header.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same without credentials: it fetches them.
    pub fn open(self) -> Self {
        Self {
            is_open: true,
            ..self
        }
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
        self.session.settings.get(name).map_or("", Secret::expose)
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
            remedy: self.remedy(kind, false).into(),
            code: None,
        }
    }

    /// `text` in words that may be told: on one line, without secrets.
    pub fn tellable(&self, text: &str) -> String {
        self.session.http.tellable(text)
    }

    fn exchange(&self, call: &Call<'_>) -> Result<crate::http::client::Answer, ApiError> {
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

    fn transmit(&self, call: &Call<'_>) -> Result<crate::http::client::Answer, ApiError> {
        let authorization = match call.is_open {
            true => None,
            false => self.authorization()?,
        };
        let mut headers = call.headers.clone();
        headers.extend(
            authorization
                .iter()
                .map(|(name, value)| (*name, value.expose())),
        );
        let url = match call.path.starts_with("http") {
            true => call.path.to_owned(),
            false => format!("{}{}", self.base(), call.path),
        };
        let request = Request {
            method: call.method,
            url: &url,
            path: call.shown,
            headers: &headers,
            body: call
                .body
                .as_ref()
                .map(|(kind, body)| (*kind, body.as_bytes())),
            by: self.by,
            within: if call.is_order { ORDER } else { REQUEST },
            limit: LIMIT,
        };
        let sent = self.session.http.send(&request);
        sent.map_err(|failure| self.explain(*failure, call.is_order))
    }

    /// The header by which the API lets us in.
    fn authorization(&self) -> Result<Option<(&'static str, Secret)>, ApiError> {
        let Auth::Fetched {
            header,
            prefix,
            fetch,
        } = &self.session.endpoint.auth
        else {
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
        Ok(Some((
            *header,
            Secret::new(format!("{prefix}{}", token.expose())),
        )))
    }

    fn parse(&self, body: &[u8]) -> Result<Tree> {
        match self.session.provider.spec().answers {
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
            let explained = self.session.provider.explain(self, status, &body);
            let otherwise = error.reasons.join("; ");
            error.reasons = self.session.http.reasons(&explained.reasons, &otherwise);
            error.code = explained.code;
            remedy = explained.remedy.map(str::to_owned);
            match explained.kind {
                Some(kind) => error.kind = kind,
                // A mere 404 is of whatever stands in the provider's place.
                None if error.kind == Kind::NotFound => {
                    error.kind = Kind::Rejected;
                    remedy.get_or_insert_with(|| self.remedy(Kind::NotFound, is_order));
                }
                None => {}
            }
        }
        error.remedy = remedy
            .unwrap_or_else(|| self.remedy(error.kind, is_order))
            .into();
        error
    }

    /// What somebody may do about an error of this kind.
    fn remedy(&self, kind: Kind, is_order: bool) -> String {
        let spec = self.session.provider.spec();
        let names = |is_meant: fn(&Attribute) -> bool| spec.names(is_meant).join(" and ");
        match kind {
            Kind::NotSent => {
                let address = names(|one| one.is_account && (one.is_place || one.is_address));
                format!("check {} and the network", address.replace(" and ", ", "))
            }
            Kind::Ambiguous | Kind::RateLimited | Kind::Conflict | Kind::KeySpent => {
                "try again later".to_owned()
            }
            Kind::Unauthenticated => {
                format!("check {}", names(|one| one.is_secret && one.is_required))
            }
            Kind::PermissionDenied => format!(
                "check that {} may do this",
                names(|one| one.is_secret && one.is_required)
            ),
            Kind::NotFound => format!("check {}", names(|one| one.is_account && !one.is_secret)),
            Kind::Rejected if is_order => {
                "change the section provision of the host's template".to_owned()
            }
            Kind::Rejected => "see the state of the machine at the provider".to_owned(),
            Kind::Protected => "unlock it at the provider first".to_owned(),
            Kind::Redirected => format!(
                "set {} to the address of the API itself",
                names(|one| one.is_address)
            ),
            Kind::Untrusted => {
                "mend the certificate, or name its authority with SSL_CERT_FILE or SSL_CERT_DIR"
                    .to_owned()
            }
        }
    }
}
