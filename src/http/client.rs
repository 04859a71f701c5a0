//! One HTTP client for oned and for the providers: timeouts on each request, no redirects, bounded answers,
//! and errors sorted by what may be done about them.
//!
//! It sends each request exactly once; what is sent again is decided in [`crate::http::backoff`] and by the engine.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::{Agent, Timeout};

use crate::http::error::{ApiError, Kind};
use crate::http::rate_limit::{Allowance, retry_after};
use crate::http::{proxy, tls};
use crate::report::frame::{Report, one_line};
use crate::report::secret::Secret;

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// How many reasons of a provider are told, and how long each may be: a proxy's page is no reason.
const REASONS: usize = 5;
const REASON_LENGTH: usize = 300;

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
    /// The body and its content type.
    pub body: Option<(&'a str, &'a [u8])>,
    /// The moment after which the answer is of no use.
    pub by: Instant,
    /// How long the request may take, if `by` leaves that much.
    pub within: Duration,
    /// How many bytes of body are accepted.
    pub limit: u64,
}

impl Request<'_> {
    fn call(&self) -> String {
        format!("{} {}", self.method.name(), self.path)
    }
}

/// An answer with a status below 300.
pub struct Answer {
    /// The status.
    pub status: u16,
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

/// The client. It keeps connections alive between requests.
pub struct Http {
    config: ureq::config::Config,
    agent: Mutex<Option<Agent>>,
    allowance: Mutex<Option<Allowance>>,
    /// How often each request failed since it last succeeded: for the log.
    failures: Mutex<BTreeMap<String, u32>>,
    /// The variable that names the proxy, if there is one.
    proxy: Option<&'static str>,
    secrets: Vec<Secret>,
    report: Report,
}

impl Http {
    /// A client for the server of `base`, which strikes `secrets` from whatever it tells.
    ///
    /// The certificates of the system are loaded only for https; proxies are chosen by [`crate::http::proxy`].
    pub fn new(base: &str, secrets: Vec<Secret>, report: Report) -> Self {
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            // Each is zeroed for every connection; the default is 128 KiB, and an answer has 5.
            .input_buffer_size(16 * 1024)
            .output_buffer_size(8 * 1024)
            .user_agent(concat!("pm-packet/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity");
        let (proxy, proxy_address) = proxy::of(base, &report).unzip();
        builder = builder.proxy(proxy_address);
        if base.starts_with("https:") {
            builder = builder.tls_config(tls::config(&report));
        }
        Self {
            config: builder.build(),
            agent: Mutex::new(None),
            allowance: Mutex::new(None),
            failures: Mutex::default(),
            proxy,
            secrets,
            report,
        }
    }

    /// Ends the requests under way. Later ones use new connections.
    pub fn abort(&self) {
        if let Some(agent) = lock(&self.agent).take() {
            agent.shutdown();
        }
    }

    /// How long the other side's rate limit asks us to rest before the next request.
    pub fn rest(&self) -> Duration {
        lock(&self.allowance).map_or(Duration::ZERO, |allowance| allowance.rest())
    }

    /// Sends `request`, once.
    ///
    /// # Errors
    /// All that is not an answer with a status below 300.
    pub fn send(&self, request: &Request<'_>) -> Result<Answer, Box<Failure>> {
        let begin = Instant::now();
        let result = self.exchange(request, begin);
        let attempt = self.attempt(request.call(), result.is_ok());
        let outcome = match &result {
            Ok(answer) => answer.status.to_string(),
            Err(failure) => match failure.error.status {
                Some(status) => status.to_string(),
                None => failure.error.reasons.join("; "),
            },
        };
        self.report.debug(format_args!(
            "{}, attempt {attempt}: {outcome}, {} ms",
            request.call(),
            begin.elapsed().as_millis()
        ));
        result
    }

    /// Which attempt this was at `call`, counted since it last succeeded.
    fn attempt(&self, call: String, succeeded: bool) -> u32 {
        let mut failures = lock(&self.failures);
        let attempt = failures.get(&call).map_or(1, |failed| failed + 1);
        if succeeded {
            failures.remove(&call);
        } else {
            failures.insert(call, attempt);
        }
        attempt
    }

    /// `text` as it may be told: on one line, not too long, without our secrets.
    pub fn tellable(&self, text: &str) -> String {
        let clean = self
            .secrets
            .iter()
            .fold(text.to_owned(), |text, secret| secret.strike_from(&text));
        let mut line = one_line(&clean);
        if let Some((end, _)) = line.char_indices().nth(REASON_LENGTH) {
            line.truncate(end);
            line.push('…');
        }
        line
    }

    /// `reasons` as they may be told, or `otherwise` if there are none.
    pub fn reasons(&self, reasons: &[String], otherwise: &str) -> Vec<String> {
        if reasons.is_empty() {
            return vec![self.tellable(otherwise)];
        }
        reasons
            .iter()
            .take(REASONS)
            .map(|reason| self.tellable(reason))
            .collect()
    }

    /// An error for an answer that came with a good status but made no sense.
    pub fn unreadable(&self, method: Method, path: &str, answer: &Answer, why: &str) -> ApiError {
        ApiError {
            kind: Kind::Ambiguous,
            call: format!("{} {path}", method.name()),
            status: Some(answer.status),
            reasons: vec![self.tellable(&format!("the answer cannot be read: {why}"))],
            retry_after: None,
            remedy: "try again later",
        }
    }

    fn exchange(&self, request: &Request<'_>, begin: Instant) -> Result<Answer, Box<Failure>> {
        let time = request
            .within
            .min(request.by.saturating_duration_since(begin))
            // ureq takes zero for "no limit".
            .max(Duration::from_millis(1));
        let agent = lock(&self.agent)
            .get_or_insert_with(|| self.config.new_agent())
            .clone();
        let mut builder = ureq::http::Request::builder()
            .method(request.method.name())
            .uri(request.url);
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        let (kind, body) = request.body.unwrap_or_default();
        if request.body.is_some() {
            builder = builder.header("content-type", kind);
        }
        let built = builder
            .body(body)
            .map_err(|error| self.fault(request, &ureq::Error::Http(error)))?;
        let built = agent
            .configure_request(built)
            .timeout_global(Some(time))
            .build();
        let sent = if request.body.is_some() {
            agent.run(built)
        } else {
            agent.run(built.map(|_| ()))
        };
        let mut response = sent.map_err(|error| self.fault(request, &error))?;

        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
        let retry_after = header("retry-after").and_then(retry_after);
        let location = header("location").map(str::to_owned);
        let allowance = Allowance::told(
            header("x-ratelimit-remaining"),
            header("x-ratelimit-reset"),
            retry_after.filter(|_| status == 429),
        );
        if allowance.is_some() {
            *lock(&self.allowance) = allowance;
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(request.limit)
            .read_to_vec();
        let status_error = |body: Vec<u8>| {
            let reason = match location {
                Some(location) if (300..400).contains(&status) => {
                    format!("the answer redirects to {location}, which is never followed")
                }
                _ => "the answer gives no reason".to_owned(),
            };
            Box::new(Failure {
                error: ApiError {
                    kind: Kind::of_status(status),
                    call: request.call(),
                    status: Some(status),
                    reasons: vec![self.tellable(&reason)],
                    retry_after,
                    remedy: "",
                },
                body,
            })
        };
        match body {
            Ok(body) if (200..300).contains(&status) => Ok(Answer { status, body }),
            Ok(body) => Err(status_error(body)),
            // The status of an error is enough, whatever became of its body.
            Err(_) if (300..500).contains(&status) => Err(status_error(Vec::new())),
            Err(error) => Err(self.fault(request, &error)),
        }
    }

    fn fault(&self, request: &Request<'_>, error: &ureq::Error) -> Box<Failure> {
        let (kind, mut reason) = sort(error);
        if let (Kind::NotSent, Some(variable)) = (kind, self.proxy) {
            reason.push_str(&format!(", through the proxy that {variable} names"));
        }
        Box::new(Failure {
            error: ApiError {
                kind,
                call: request.call(),
                status: None,
                reasons: vec![self.tellable(&reason)],
                retry_after: None,
                remedy: "",
            },
            body: Vec::new(),
        })
    }
}

/// Sorts what ureq reports: into what cannot have reached the other side, and the rest.
fn sort(error: &ureq::Error) -> (Kind, String) {
    if let Some(problem) = tls::certificate_problem(error) {
        return (Kind::Untrusted, problem);
    }
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            (Kind::NotSent, "no connection in time".into())
        }
        ureq::Error::Timeout(_) => (Kind::Ambiguous, "no answer in time".into()),
        ureq::Error::HostNotFound => (Kind::NotSent, "the host name is not known".into()),
        ureq::Error::ConnectionFailed => (Kind::NotSent, "no connection".into()),
        ureq::Error::ConnectProxyFailed(why) => {
            (Kind::NotSent, format!("the proxy does not connect: {why}"))
        }
        ureq::Error::BadUri(why) => (Kind::Rejected, format!("the address is malformed: {why}")),
        ureq::Error::Http(why) => (Kind::Rejected, format!("the request is malformed: {why}")),
        ureq::Error::BodyExceedsLimit(limit) => (
            Kind::Ambiguous,
            format!("the answer is larger than {limit} bytes"),
        ),
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => (Kind::NotSent, "the connection was refused".into()),
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable => (Kind::NotSent, io.to_string()),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => (
                Kind::Ambiguous,
                "the connection was closed before the answer was complete".into(),
            ),
            // The standard library has no kind of its own for a name that does not resolve.
            _ if io.to_string().starts_with("failed to lookup address") => {
                (Kind::NotSent, "the host name is not known".into())
            }
            _ => (Kind::Ambiguous, io.to_string()),
        },
        other => (Kind::Ambiguous, other.to_string()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
