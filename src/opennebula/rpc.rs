//! One call of oned, and what became of it.

use std::io::{self, BufRead, Read as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::http::backoff::Backoff;
use crate::http::client::{Http, Method, Reading, Request};
use crate::http::error::{ApiError, Kind};
use crate::http::url::is_loopback;
use crate::opennebula::error::OnedError;
use crate::opennebula::session::{endpoint, session, timeout};
use crate::opennebula::xmlrpc::{MethodResponse, Parameter, method_call, method_response, text_of_success};
use crate::report::finding::Mistake;
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::system::environment::Environment;
use crate::system::interrupt::Interrupt;
use crate::wire::embedded::Embedded;
use crate::wire::xml;

/// The method that tells oned's own settings, to users whose primary group is oneadmin.
pub(super) const CONFIG: &str = "one.system.config";

type Parameters<'a> = &'a [Parameter<'a>];

/// How much of an answer is looked at for the begin of its text: oned writes some 150 bytes before it.
const BEGIN: u64 = 1024;
/// The longest answer without such a begin that is read: a refusal, or a page of something in between.
const REFUSAL: u64 = 8 << 20;

/// The way to oned: its address, and who we are to it.
pub(super) struct Rpc {
    http: Arc<Http>,
    endpoint: String,
    session: Secret,
    timeout: Duration,
    interrupt: Interrupt,
    report: Report,
}

impl Rpc {
    /// oned as the environment and the user's files tell where it is.
    ///
    /// # Errors
    /// There is no session, or the endpoint is no address; nothing was sent.
    pub(super) fn open(environment: &Environment, interrupt: &Interrupt, report: Report) -> Result<Self> {
        let endpoint = endpoint(environment)?;
        let session = session(environment, &report)?;
        if endpoint.starts_with("http://") && !is_loopback(&endpoint) {
            report.warn(format_args!(
                "oned is asked at {endpoint} over plain http: passwords and tokens travel in clear; use https"
            ));
        }
        let timeout = timeout(environment)?;
        let mut secrets = vec![session.clone()];
        if let Some((_, password)) = session.expose().split_once(':') {
            secrets.push(Secret::new(password));
        }
        let http = Arc::new(Http::new(&secrets, report));
        let at_work = Arc::clone(&http);
        interrupt.on_first(Box::new(move || at_work.abort()));
        Ok(Self { http, endpoint, session, timeout, interrupt: interrupt.clone(), report })
    }

    /// Its address.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Strikes one more secret from what is told of oned's answers.
    pub(super) fn conceal(&self, secret: &Secret) {
        self.http.conceal(secret);
    }

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Calls `method`, as us and with these `parameters`, and returns the text of its answer.
    pub(super) fn call(&self, method: &str, parameters: Parameters<'_>, limit: u64) -> Result<String, OnedError> {
        self.whole(method, parameters, limit, self.deadline(), false)
    }

    /// The same until the moment `by`, whatever signals come in between, and also where oned does not run just now.
    pub(super) fn insist(
        &self,
        method: &str,
        parameters: Parameters<'_>,
        limit: u64,
        by: Instant,
    ) -> Result<String, OnedError> {
        self.whole(method, parameters, limit, by, true)
    }

    /// Calls `method` as [`Self::call`] does, and lets `reading` have the text of its answer while it comes: once, or
    /// anew where it did not come whole.
    pub(super) fn stream<T>(
        &self,
        method: &str,
        parameters: Parameters<'_>,
        limit: u64,
        mut reading: impl FnMut(&mut dyn BufRead) -> Result<T>,
    ) -> Result<Result<T>, OnedError> {
        let (mut read, mut other) = (None, Vec::new());
        self.ask(method, parameters, limit, self.deadline(), false, &mut |answer| {
            (read, other) = (None, Vec::new());
            answer.take(BEGIN).read_to_end(&mut other)?;
            let Some(at) = text_of_success(&other) else {
                // What is no success is short.
                return answer.take(REFUSAL).read_to_end(&mut other).map(drop);
            };
            let result = read.insert(reading(&mut Embedded::new(other[at..].chain(answer))));
            result.as_ref().map(drop).map_err(|_| io::ErrorKind::InvalidData.into())
        })?;
        match read {
            Some(read) => Ok(read),
            None => Ok(reading(&mut self.text_of(method, &other)?.as_bytes())),
        }
    }

    fn whole(
        &self,
        method: &str,
        parameters: Parameters<'_>,
        limit: u64,
        by: Instant,
        insists: bool,
    ) -> Result<String, OnedError> {
        let mut body = Vec::new();
        self.ask(method, parameters, limit, by, insists, &mut |answer| {
            body.clear();
            answer.read_to_end(&mut body).map(drop)
        })?;
        self.text_of(method, &body)
    }

    fn ask(
        &self,
        method: &str,
        parameters: Parameters<'_>,
        limit: u64,
        by: Instant,
        insists: bool,
        reading: &mut Reading<'_>,
    ) -> Result<(), OnedError> {
        let body = method_call(method, self.session.expose(), parameters);
        let request = Request {
            method: Method::Post,
            url: &self.endpoint,
            path: method,
            headers: &[],
            body: Some(("text/xml; charset=utf-8", body.as_bytes())),
            by,
            within: self.timeout,
            wants: None,
            is_fresh: false,
            limit,
        };
        let mut backoff = Backoff::default();
        loop {
            let error = match self.http.receive(&request, reading) {
                Ok(_) => return Ok(()),
                Err(failure) => failure.error,
            };
            if !insists {
                self.interrupt.check().map_err(interrupted)?;
            }
            // A oned that refuses connections does not run: waiting for it helps nobody who only asks.
            let pause = match error.kind {
                Kind::NotSent if !insists => None,
                _ => backoff.after(&error),
            };
            match pause {
                Some(pause) if Instant::now() + pause < by => {
                    self.report.info(format_args!("oned: {}: asking again", error.what()));
                    match insists {
                        true => thread::sleep(pause),
                        false => self.interrupt.sleep(pause).map_err(interrupted)?,
                    }
                }
                _ => return Err(self.explain(&error).into()),
            }
        }
    }

    /// The text of an answer to `method`.
    fn text_of(&self, method: &str, answer: &[u8]) -> Result<String, OnedError> {
        let not_xml_rpc = |error: anyhow::Error| {
            Mistake::new(
                format!("{} does not answer as oned does ({})", self.endpoint, self.http.printable(&error.to_string())),
                "set ONE_XMLRPC to oned's address",
            )
        };
        let mut text = String::new();
        let begin = text_of_success(answer);
        if begin.is_some_and(|at| Embedded::new(&answer[at..]).read_to_string(&mut text).is_ok()) {
            return Ok(text);
        }
        let answer = xml::decode(answer).and_then(method_response).map_err(not_xml_rpc)?;
        match answer {
            MethodResponse::Fault(message) => {
                let message = self.http.printable(&message);
                Err(Mistake::new(
                    format!("oned at {} answers {method} with a fault: {message}", self.endpoint),
                    "is it an OpenNebula 5.8 to 5.12?",
                ))?
            }
            MethodResponse::Good(text) => Ok(text),
            MethodResponse::Bad { message, code } => {
                let message = self.http.printable(&message);
                // Codes of oned's Request::ErrorCode (include/Request.h).
                Err(match code {
                    Some(0x100) => Mistake::new(
                        format!("oned denies the credentials: {message}"),
                        "check one_auth (or ONE_AUTH)",
                    ),
                    Some(0x200) if method == CONFIG => Mistake::new(
                        format!(
                            "oned does not tell ONE_KEY, which the tokens of OpenNebula 5.8 are encrypted with: {message}"
                        ),
                        "run it as oneadmin, or as a user whose primary group is oneadmin",
                    ),
                    Some(0x200) => Mistake::new(
                        format!("oned does not allow it: {message}"),
                        "run it as a user who may administrate the host",
                    ),
                    Some(0x400) => {
                        let what = format!("oned has no such host: {message}");
                        return Err(OnedError::NoSuchHost(Mistake::new(what, "see `onehost list`")));
                    }
                    _ => Mistake::new(format!("oned refuses {method}: {message}"), "see oned.log"),
                }
                .into())
            }
        }
    }

    fn explain(&self, error: &ApiError) -> Mistake {
        let reasons = error.reasons.join("; ");
        let endpoint = &self.endpoint;
        match error.kind {
            Kind::NotSent => {
                let what = format!("oned cannot be reached at {endpoint}: {reasons}");
                Mistake::new(what, "start it, or set ONE_XMLRPC to its address")
            }
            Kind::Untrusted => Mistake::new(
                format!("oned at {endpoint} is not to be trusted: {reasons}"),
                "mend the certificate, or name its authority with SSL_CERT_FILE",
            ),
            _ => match error.status {
                Some(status) => Mistake::new(
                    format!("{endpoint} does not answer as oned does ({reasons}, status {status})"),
                    "set ONE_XMLRPC to oned's address",
                ),
                None => Mistake::new(
                    format!("oned at {endpoint} gives no answer: {reasons}"),
                    "see oned.log; ONE_XMLRPC_TIMEOUT is the time it gets",
                ),
            },
        }
    }
}

fn interrupted(signal: nix::sys::signal::Signal) -> anyhow::Error {
    anyhow!("interrupted ({signal}) while asking oned: nothing was done")
}
