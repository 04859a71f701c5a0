//! One HTTP client for oned and for the providers: timeouts on each request, no redirects, bounded answers,
//! and errors sorted by what may be done about them.
//!
//! It sends each request exactly once; what is sent again is decided in [`crate::http::backoff`] and by the engine.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::{Agent, AsSendBody, Body};

use crate::http::body;
pub use crate::http::body::Reading;
use crate::http::error::{ApiError, Kind, sort};
pub use crate::http::message::{Answer, Failure, Method, Request};
use crate::http::rate_limit::{Allowance, retry_after};
use crate::http::server::Server;
use crate::http::url::origin_of;
use crate::report::frame::Report;
use crate::report::secret::{Secret, Secrets};
use crate::report::text::one_line;

/// How many reasons of a provider are told, and how long each may be: a proxy's page is no reason.
const REASONS: usize = 5;
const REASON_LENGTH: usize = 300;

/// The client. It keeps connections alive between requests.
pub struct Http {
    /// The servers that were asked, by scheme, host and port: an API and what hands out its tokens may be two.
    servers: Mutex<BTreeMap<String, Server>>,
    allowance: Mutex<Option<Allowance>>,
    /// Whether an answer said that it is asked too often.
    is_limited: AtomicBool,
    /// How often each request failed since it last succeeded: for the log.
    failures: Mutex<BTreeMap<String, u32>>,
    secrets: Mutex<Secrets>,
    report: Report,
}

impl Http {
    /// A client that strikes `secrets` from whatever it tells.
    pub fn new(secrets: &[Secret], report: Report) -> Self {
        let mut struck = Secrets::default();
        secrets.iter().for_each(|secret| struck.push(secret));
        Self {
            servers: Mutex::default(),
            allowance: Mutex::new(None),
            is_limited: AtomicBool::new(false),
            failures: Mutex::default(),
            secrets: Mutex::new(struck),
            report,
        }
    }

    /// Strikes one more secret, such as a token that was fetched, from whatever is told from now on.
    pub fn conceal(&self, secret: &Secret) {
        lock(&self.secrets).push(secret);
    }

    /// Ends the requests under way. Later ones use new connections.
    pub fn abort(&self) {
        for server in lock(&self.servers).values_mut() {
            if let Some(agent) = server.agent.take() {
                agent.shutdown();
            }
        }
    }

    /// How long the other side's rate limit asks us to rest before the next request.
    pub fn rest(&self) -> Duration {
        lock(&self.allowance).map_or(Duration::ZERO, |allowance| allowance.rest())
    }

    /// Whether one request at a time is enough: little is left of the rate limit, or an answer said that it is asked too
    /// often.
    pub fn is_limited(&self) -> bool {
        let allowance = *lock(&self.allowance);
        self.is_limited.load(Ordering::Relaxed) || allowance.is_some_and(|allowance| !allowance.is_plenty())
    }

    /// Sends `request`, once.
    ///
    /// # Errors
    /// All that is not an answer with a status below 300.
    pub fn send(&self, request: &Request<'_>) -> Result<Answer, Box<Failure>> {
        let mut body = Vec::new();
        let head = self.receive(request, &mut |answer| answer.read_to_end(&mut body).map(drop))?;
        Ok(Answer { body, ..head })
    }

    /// The same where `reading` is given the body while it comes; the answer is then without it. What `reading` leaves
    /// of the body is read and dropped, unless it fails.
    ///
    /// # Errors
    /// As [`Self::send`]. That `reading` failed is no error, unless the body did not come whole.
    pub fn receive(&self, request: &Request<'_>, reading: &mut Reading<'_>) -> Result<Answer, Box<Failure>> {
        let begin = Instant::now();
        let result = self.exchange(request, begin, reading);
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

    /// `text` without our secrets, whatever form they have in it.
    pub fn redacted(&self, text: &str) -> String {
        lock(&self.secrets).strike_from(text)
    }

    /// `text` as it may be told: on one line, not too long, without our secrets.
    pub fn printable(&self, text: &str) -> String {
        // Once more, for what has become a secret on its way to one line.
        let mut line = self.redacted(&one_line(&self.redacted(text)));
        if let Some((end, _)) = line.char_indices().nth(REASON_LENGTH) {
            line.truncate(end);
            line.push_str("...");
        }
        line
    }

    /// `reasons` as they may be told, or `otherwise` if there are none.
    pub fn reasons(&self, reasons: &[String], otherwise: &str) -> Vec<String> {
        if reasons.is_empty() {
            return vec![self.printable(otherwise)];
        }
        reasons.iter().take(REASONS).map(|reason| self.printable(reason)).collect()
    }

    /// An error for an answer that came with a good status but made no sense.
    pub fn unreadable(&self, method: Method, path: &str, answer: &Answer, why: &str) -> ApiError {
        ApiError {
            kind: Kind::Ambiguous,
            call: format!("{} {path}", method.name()),
            status: Some(answer.status),
            reasons: vec![self.printable(&format!("the answer cannot be read: {why}"))],
            retry_after: None,
            remedy: "try again later".into(),
            code: None,
        }
    }

    fn exchange(
        &self,
        request: &Request<'_>,
        begin: Instant,
        reading: &mut Reading<'_>,
    ) -> Result<Answer, Box<Failure>> {
        let mut response = self.transmit(request, begin).map_err(|error| self.fault(request, &error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
        let retry_after = header("retry-after").and_then(retry_after);
        let allowance = Allowance::read(
            header("x-ratelimit-remaining"),
            header("x-ratelimit-reset"),
            retry_after.filter(|_| status == 429),
        );
        if status == 429 {
            self.is_limited.store(true, Ordering::Relaxed);
        }
        if allowance.is_some() {
            *lock(&self.allowance) = allowance;
        }
        let location = header("location").filter(|_| (300..400).contains(&status)).map(str::to_owned);
        let wanted = request.wants.and_then(header).map(str::to_owned);
        let is_good = (200..300).contains(&status);
        let mut bytes = Vec::new();
        let mut whole = |body: &mut dyn BufRead| body.read_to_end(&mut bytes).map(drop);
        let came = response.body_mut().with_config().limit(request.limit).reader();
        let came = body::read(came, if is_good { reading } else { &mut whole });
        let error = || {
            let reason = match &location {
                Some(location) => format!("the answer redirects to {location}, which is never followed"),
                None => "the answer gives no reason".to_owned(),
            };
            ApiError { status: Some(status), retry_after, ..self.error(request, Kind::of_status(status), &reason) }
        };
        match came {
            Ok(()) if is_good => Ok(Answer { status, wanted, body: bytes }),
            Ok(()) => Err(Box::new(Failure { error: error(), body: bytes })),
            // The status of an error is enough, whatever became of its body.
            Err(_) if (300..500).contains(&status) => Err(Failure::without_body(error())),
            Err(error) => Err(self.fault(request, &error)),
        }
    }

    /// Sends `request` and receives the head of its answer.
    fn transmit(&self, request: &Request<'_>, begin: Instant) -> Result<ureq::http::Response<Body>, ureq::Error> {
        let time = request
            .within
            .min(request.by.saturating_duration_since(begin))
            // ureq takes zero for "no limit".
            .max(Duration::from_millis(1));
        let agent = self.agent(request);
        let mut builder = ureq::http::Request::builder().method(request.method.name()).uri(request.url);
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        let Some((kind, body)) = request.body else {
            return run(&agent, builder.body(())?, time);
        };
        run(&agent, builder.header("content-type", kind).body(body)?, time)
    }

    /// The connections to the server of `request`.
    fn agent(&self, request: &Request<'_>) -> Agent {
        let origin = origin_of(request.url);
        let mut servers = lock(&self.servers);
        let new = || Server::of(origin, &self.report);
        let server = servers.entry(origin.to_owned()).or_insert_with(new);
        if request.is_fresh {
            server.agent = None;
        }
        server.agent()
    }

    /// An error for a request that brought no whole answer.
    fn fault(&self, request: &Request<'_>, error: &ureq::Error) -> Box<Failure> {
        let (kind, mut reason) = sort(error);
        let proxy = lock(&self.servers).get(origin_of(request.url)).and_then(|server| server.proxy);
        if let (Kind::NotSent, Some(variable)) = (kind, proxy) {
            reason.push_str(&format!(", through the proxy that {variable} names"));
        }
        Failure::without_body(self.error(request, kind, &reason))
    }

    fn error(&self, request: &Request<'_>, kind: Kind, reason: &str) -> ApiError {
        ApiError {
            kind,
            call: request.call(),
            status: None,
            reasons: vec![self.printable(reason)],
            retry_after: None,
            remedy: "".into(),
            code: None,
        }
    }
}

fn run<T: AsSendBody>(
    agent: &Agent,
    request: ureq::http::Request<T>,
    time: Duration,
) -> Result<ureq::http::Response<Body>, ureq::Error> {
    let request = agent.configure_request(request).timeout_global(Some(time)).build();
    agent.run(request)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
