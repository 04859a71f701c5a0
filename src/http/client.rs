//! One HTTP client for oned and for the providers: timeouts on each request, no redirects, bounded answers,
//! and errors sorted by what may be done about them.
//!
//! It sends each request exactly once; what is sent again is decided in [`crate::http::backoff`] and by the engine.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::CertificateError;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use crate::http::proxy;
use crate::report::frame::{Report, one_line};
use crate::report::secret::Secret;

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest rest that an answer can ask for: beyond every deadline, and short enough to reckon with.
const LONGEST_REST: Duration = Duration::from_secs(31 * 24 * 3600);
/// How many reasons of a provider are told, and how long each may be: a proxy's page is no reason.
const REASONS: usize = 5;
const REASON_LENGTH: usize = 300;

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
    fn of_status(status: u16) -> Self {
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

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Look.
    Get,
    /// Order, or act.
    Post,
    /// Delete.
    Delete,
}

impl Method {
    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
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

/// The state of a rate limit, as an answer told it.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    remaining: u64,
    reset: Instant,
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
    /// The certificates of the system are loaded only for https: it takes milliseconds. They are those that
    /// OpenSSL would use, `SSL_CERT_FILE` and `SSL_CERT_DIR` included. Proxies are chosen by [`crate::http::proxy`].
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
            let roots = rustls_native_certs::load_native_certs();
            if let ([], [problem, ..]) = (&roots.certs[..], &roots.errors[..]) {
                report.warn(format_args!("no certificate is trusted: {problem}"));
            }
            let certificates = roots
                .certs
                .iter()
                .map(|der| Certificate::from_der(der).to_owned());
            builder = builder.tls_config(
                TlsConfig::builder()
                    .root_certs(RootCerts::from(certificates))
                    .unversioned_rustls_crypto_provider(
                        rustls::crypto::ring::default_provider().into(),
                    )
                    .build(),
            );
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
    ///
    /// With plenty left that is nothing; when little is left, what remains is spread over the time until
    /// the limit is renewed.
    pub fn rest(&self) -> Duration {
        const PLENTY: u64 = 20;
        match *lock(&self.allowance) {
            Some(Allowance { remaining, reset }) if remaining < PLENTY => {
                reset.saturating_duration_since(Instant::now()) / (remaining as u32 + 1)
            }
            _ => Duration::ZERO,
        }
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
        self.note_allowance(
            header("x-ratelimit-remaining"),
            header("x-ratelimit-reset"),
            retry_after.filter(|_| status == 429),
        );
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

    fn note_allowance(
        &self,
        remaining: Option<&str>,
        reset: Option<&str>,
        retry_after: Option<Duration>,
    ) {
        let allowance = if let Some(wait) = retry_after {
            Some(Allowance {
                remaining: 0,
                reset: Instant::now() + wait,
            })
        } else {
            let remaining = remaining.and_then(|text| text.trim().parse().ok());
            let reset = reset
                .and_then(rate_limit_reset)
                .map(|time| Instant::now() + time);
            remaining
                .zip(reset)
                .map(|(remaining, reset)| Allowance { remaining, reset })
        };
        if allowance.is_some() {
            *lock(&self.allowance) = allowance;
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
    if let Some(problem) = certificate_problem(error) {
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

/// What is wrong with the other side's certificate, if that is what went wrong.
fn certificate_problem(error: &ureq::Error) -> Option<String> {
    let rustls::Error::InvalidCertificate(problem) = tls_error(error)? else {
        return None;
    };
    Some(match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".into()
        }
        CertificateError::UnknownIssuer => {
            "the certificate is self-signed or of an unknown authority".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another host".into()
        }
        CertificateError::Revoked => "the certificate was revoked".into(),
        // rustls has no kind of its own for it; OpenSSL makes such certificates unless told not to.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "the certificate is self-signed, and an authority's own instead of a server's".into()
        }
        other => format!("the certificate is not valid: {other:?}"),
    })
}

/// What TLS found wrong; neither ureq nor an `io::Error` gives it as its source.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<ureq::Error>() {
        Some(ureq::Error::Rustls(tls)) => return Some(tls),
        Some(ureq::Error::Io(io)) => return tls_error(io),
        _ => {}
    }
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => tls_error(io.get_ref()?),
        None => error.downcast_ref().or_else(|| tls_error(error.source()?)),
    }
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3). Dates are read by their difference to now.
pub fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let time = match value.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds.max(0.0)).ok()?,
        Err(_) => until(http_date(value)?),
    };
    Some(time.min(LONGEST_REST))
}

/// How long it is until `then`.
fn until(then: SystemTime) -> Duration {
    then.duration_since(SystemTime::now()).unwrap_or_default()
}

/// An IMF-fixdate such as `Sun, 06 Nov 1994 08:49:37 GMT`; the two obsolete forms are not read.
fn http_date(value: &str) -> Option<SystemTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = value.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = MONTHS.find(words.next().filter(|word| word.len() == 3)?)? as u64 / 3;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>());
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    let is_day = (1970..=9999).contains(&year) && (1..=31).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since the epoch, with the year begun in March so that the leap day is its last one.
    let (y, m) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468;
    UNIX_EPOCH.checked_add(Duration::from_secs(
        days * 86_400 + hour * 3600 + minute * 60 + second,
    ))
}

/// `X-RateLimit-Reset`: seconds from now, or, as it is a large number, since the epoch.
pub fn rate_limit_reset(value: &str) -> Option<Duration> {
    const AN_EPOCH: u64 = 1_000_000_000;
    let time = Duration::from_secs(value.trim().parse().ok()?);
    let time = match time.as_secs() {
        ..AN_EPOCH => time,
        _ => until(UNIX_EPOCH.checked_add(time)?),
    };
    Some(time.min(LONGEST_REST))
}

/// Whether `url` is for this machine itself.
pub fn is_loopback(url: &str) -> bool {
    host_of(url).is_some_and(|host| {
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    })
}

/// The name or address of the host that `url` is for.
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => authority.split(':').next(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("-3"), Some(Duration::ZERO));
        assert_eq!(retry_after("1e300"), None);
    }

    #[test]
    fn http_dates_are_counted_right() {
        let date = |text: &str| {
            http_date(text).map(|time| {
                time.duration_since(UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_secs()
            })
        };
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(date("Sun, 06 Foo 1994 08:49:37 GMT"), None);
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        assert!(is_loopback("http://localhost:2633/RPC2"));
        assert!(is_loopback("http://127.0.0.1:1"));
        assert!(is_loopback("http://[::1]:1/x"));
        assert!(!is_loopback("http://127.0.0.1.example.org/"));
        assert!(!is_loopback("https://api.example.org/localhost"));
    }
}
