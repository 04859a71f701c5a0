//! The way to a provider's API: its address, its credentials, a deadline, and answers that are read by path.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::account::lacking;
use super::auth::{Ask, Auth, Grant, Reply};
use super::call::Call;
use super::explanation::{Explanation, remedy_of};
use super::machine::{Machine, MachineId};
use super::session::Session;
use super::spec::Format;
use crate::http::client::{Answer, Failure, Request};
use crate::http::error::{ApiError, Kind};
use crate::report::finding::Mistake;
use crate::report::secret::Secret;
use crate::wire::tree::Tree;

/// How long a request may take that is no order: they answer within a second or two.
const REQUEST: Duration = Duration::from_secs(20);
/// How long an order may take: it waits for the provider's scheduler.
const ORDER: Duration = Duration::from_secs(60);
/// How long a rest may go on that nobody needs any more.
const SLICE: Duration = Duration::from_millis(50);
/// The largest answer that is read: a page of machines is some 1 MB.
const LIMIT: u64 = 16 << 20;

impl Session {
    /// The way to the API, for requests that end by the moment `by`.
    pub fn api(&self, by: Instant) -> Api<'_> {
        Api { session: self, by }
    }

    /// The same, for requests that end within `time` from now.
    pub fn within(&self, time: Duration) -> Api<'_> {
        self.api(self.clock.now() + time)
    }
}

/// The way to an API, until a deadline.
#[derive(Clone, Copy)]
pub struct Api<'a> {
    session: &'a Session,
    by: Instant,
}

impl<'a> Api<'a> {
    /// The moment by which its requests must end.
    pub fn by(&self) -> Instant {
        self.by
    }

    /// A setting of the account, in the clear; empty where there is none.
    pub fn setting(&self, name: &str) -> &'a str {
        self.session.account.get(name)
    }

    /// The same of a setting that is needed now.
    ///
    /// # Errors
    /// There is none.
    pub fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        match self.setting(name) {
            "" => Err(self.refusal(lacking(&[name]))),
            setting => Ok(setting),
        }
    }

    /// In which format the provider answers.
    pub(super) fn format(&self) -> Format {
        self.session.spec.answers
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
    pub fn read<T>(&self, call: &Call<'_>, reading: impl FnOnce(&Tree) -> Result<T>) -> Result<T, ApiError> {
        let answer = self.exchange(call)?;
        let read = self.parse(&answer.body).and_then(|tree| reading(&tree));
        read.map_err(|error| self.unreadable(call, &answer, &error))
    }

    /// The error of an answer to `call` that makes no sense.
    pub(super) fn unreadable(&self, call: &Call<'_>, answer: &Answer, why: &anyhow::Error) -> ApiError {
        self.session.http.unreadable(call.method, call.shown, answer, &why.to_string())
    }

    /// The same of an answer that describes a machine.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn machine(
        &self,
        call: &Call<'_>,
        reading: impl FnOnce(&Tree) -> Result<Machine>,
    ) -> Result<Machine, ApiError> {
        self.read(call, reading).map(|machine| self.redacted(machine))
    }

    /// An error that the provider's answers, or the lack of a setting, amount to.
    pub fn problem(&self, kind: Kind, reason: impl Into<String>) -> ApiError {
        ApiError {
            kind,
            call: "nothing was sent".to_owned(),
            status: None,
            reasons: vec![self.session.http.printable(&reason.into())],
            retry_after: None,
            remedy: remedy_of(self.session.spec, kind, false).into(),
            code: None,
        }
    }

    /// The same of a mistake: it is refused for good.
    pub fn refusal(&self, mistake: Mistake) -> ApiError {
        self.problem(Kind::Rejected, mistake.what).with(mistake.remedy)
    }

    /// `text` in words that may be told: on one line, without secrets.
    pub fn printable(&self, text: &str) -> String {
        self.session.http.printable(text)
    }

    /// `machine` with its words as they may be told. What it is recognised by stays as the provider has it.
    pub fn redacted(&self, machine: Machine) -> Machine {
        machine.reworded(|text| self.session.http.redacted(text))
    }

    /// How often the session was aborted: what [rests](Self::rest) tells it.
    pub(super) fn aborts(&self) -> u32 {
        self.session.aborts()
    }

    /// Whether the provider lets us ask for one thing at a time only, as far as its answers tell.
    pub(super) fn is_limited(&self) -> bool {
        self.session.http.is_limited()
    }

    /// Rests as long as the provider's rate limit asks for before one more request; where that is beyond the deadline, not
    /// at all.
    ///
    /// # Errors
    /// The request is not needed any more: `is_over`, or the session was aborted since its count of aborts was `before`.
    pub(super) fn rest(&self, before: u32, is_over: &AtomicBool) -> Result<(), ApiError> {
        let (rest, clock) = (self.session.rest(), &self.session.clock);
        let left = clock.real(self.by.saturating_duration_since(clock.now()));
        let end = Instant::now() + if rest < left { rest } else { Duration::ZERO };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let goes_on = self.session.sleep(left.min(SLICE), before) && !is_over.load(Ordering::Relaxed);
            match goes_on {
                true if left <= SLICE => return Ok(()),
                true => {}
                false => return Err(self.problem(Kind::NotSent, "it was interrupted")),
            }
        }
    }

    /// Ends the requests under way, of whatever thread.
    pub(super) fn end_requests(&self) {
        self.session.http.abort();
    }

    /// Sends a request, and brings its answer.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(super) fn exchange(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        let is_fetched = !call.is_open && matches!(self.session.endpoint.auth, Auth::Fetched(_));
        let was_granted = is_fetched && self.session.grant().is_some();
        match self.transmit(call) {
            // It was refused, so nothing was done: a token that was good before has expired in the wait.
            Err(error) if error.kind == Kind::Unauthenticated && was_granted => {
                *self.session.grant() = None;
                self.transmit(call)
            }
            answer => answer,
        }
    }

    fn transmit(&self, call: &Call<'_>) -> Result<Answer, ApiError> {
        let grant = match call.is_open {
            true => Grant::default(),
            false => self.grant()?,
        };
        let mut headers = call.headers.clone();
        headers.extend(grant.headers.iter().map(|(name, value)| (*name, value.as_str())));
        headers.extend(grant.credential.iter().map(|(name, value)| (*name, value.expose())));
        let base = grant.base.as_ref().unwrap_or(&self.session.endpoint.base);
        let url = match call.path.starts_with("http") {
            true => call.path.to_owned(),
            false => format!("{base}{}", call.path),
        };
        let clock = &self.session.clock;
        let request = Request {
            method: call.method,
            url: &url,
            path: call.shown,
            headers: &headers,
            wants: call.wants,
            body: call.body.as_ref().map(|(kind, body)| (*kind, body.as_bytes())),
            by: Instant::now() + clock.real(self.by.saturating_duration_since(clock.now())),
            within: clock.real(if call.is_order { ORDER } else { REQUEST }),
            is_fresh: call.is_order,
            limit: LIMIT,
        };
        let sent = self.session.http.send(&request);
        sent.map_err(|failure| self.explain(*failure, call.is_order))
    }

    /// What lets us in.
    fn grant(&self) -> Result<Grant, ApiError> {
        let Auth::Fetched(fetch) = &self.session.endpoint.auth else {
            return Ok(Grant { credential: self.session.endpoint.auth.header(), ..Grant::default() });
        };
        if let Some(grant) = &*self.session.grant() {
            return Ok(grant.clone());
        }
        let grant = fetch(self).map_err(|error| ApiError { kind: not_granted(error.kind), ..error })?;
        if let Some((_, credential)) = &grant.credential {
            let word = credential.expose().rsplit(' ').next().unwrap_or_default();
            self.session.http.conceal(&Secret::new(word));
        }
        *self.session.grant() = Some(grant.clone());
        Ok(grant)
    }

    fn parse<'b>(&self, body: &'b [u8]) -> Result<Tree<'b>> {
        match self.session.spec.answers {
            Format::Json => Tree::json(body),
            Format::Xml => Tree::xml(body),
        }
    }

    /// Adds what the provider's own error says, unless something in between answered, and what to do.
    fn explain(&self, failure: Failure, is_order: bool) -> ApiError {
        let Failure { mut error, body } = failure;
        let Session { spec, account, http, .. } = self.session;
        let explained = match error.status {
            Some(status) => {
                let body = self.parse(&body).unwrap_or_default();
                let explained = (self.session.explain)(account, status, &body);
                error.reasons = http.reasons(&explained.reasons, &error.reasons.join("; "));
                explained
            }
            None => Explanation::default(),
        };
        explained.apply(error, spec, account.ended(spec), is_order)
    }
}

/// What an error of what should have brought a grant means for the request that needs it: that was not sent, and nothing
/// is known of what it is about.
fn not_granted(kind: Kind) -> Kind {
    match kind {
        Kind::Ambiguous | Kind::Conflict => Kind::NotSent,
        Kind::PermissionDenied => Kind::Unauthenticated,
        Kind::NotFound | Kind::Protected | Kind::KeySpent => Kind::Rejected,
        kind => kind,
    }
}

impl Ask for Api<'_> {
    fn setting(&self, name: &str) -> &str {
        self.session.account.get(name)
    }

    fn ask(&self, call: &Call<'_>) -> Result<Reply, ApiError> {
        let answer = self.exchange(call)?;
        match self.parse(&answer.body) {
            Ok(body) => Ok(Reply { body: body.owned(), header: answer.wanted.clone() }),
            Err(why) => Err(self.unreadable(call, &answer, &why)),
        }
    }

    fn problem(&self, kind: Kind, reason: &str, remedy: &str) -> ApiError {
        Api::problem(self, kind, reason).with(remedy.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::provider::Provider;
    use crate::provider::account::Account;
    use crate::provider::auth::Endpoint;
    use crate::provider::dummy::Dummy;
    use crate::report::frame::{Level, Report};
    use crate::system::clock::SystemClock;
    use crate::system::environment::Environment;

    /// An API on loopback whose tokens are `token-1`, `token-2` and so on; the last one is good until it expires.
    #[derive(Default)]
    struct Served {
        /// Method, path and authorization of each request.
        requests: Vec<String>,
        fetched: usize,
        is_expired: bool,
        /// Whether no token is ever good enough.
        is_closed: bool,
        /// What tokens are answered with in place of one.
        refusal: Option<u16>,
    }

    impl Served {
        fn answer(&mut self, request: &str, authorization: &str) -> (u16, String) {
            self.requests.push(format!("{request} {authorization}").trim_end().to_owned());
            if request == "POST /token" {
                if let Some(status) = self.refusal {
                    return (status, r#"{"message": "no token"}"#.into());
                }
                self.fetched += 1;
                self.is_expired = false;
                return (200, format!(r#"{{"token": "token-{}"}}"#, self.fetched));
            }
            let is_good = authorization == format!("Bearer token-{}", self.fetched);
            match is_good && !self.is_expired && !self.is_closed {
                true => (200, r#"{"state": "on"}"#.into()),
                false => (401, format!(r#"{{"message": "{authorization} is not good"}}"#)),
            }
        }
    }

    fn serve(stream: TcpStream, served: &Mutex<Served>) -> std::io::Result<()> {
        let mut reader = BufReader::new(&stream);
        let (mut first, mut authorization, mut length) = (String::new(), String::new(), 0);
        reader.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    value.clone_into(&mut authorization);
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap_or(0);
                }
                Some(_) => {}
                None => break,
            }
        }
        reader.take(length).read_to_end(&mut Vec::new())?;
        let request = first.trim_end().trim_end_matches(" HTTP/1.1");
        let (status, body) = served.lock().unwrap().answer(request, &authorization);
        write!(
            &stream,
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }

    fn fetch(ask: &dyn Ask) -> Result<Grant, ApiError> {
        let body = serde_json::json!({ "user": ask.setting("USER") });
        let answer = ask.ask(&Call::post("/token").json(&body).open())?;
        Ok(Grant::bearer(answer.body.text("token").unwrap_or_default()))
    }

    /// A session with that API.
    fn session() -> (Session, Arc<Mutex<Served>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::new(Mutex::new(Served::default()));
        let state = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &state);
            }
        });
        let explain = |_: &Account, _: u16, body: &Tree| Explanation {
            reasons: body.text("message").map(str::to_owned).into_iter().collect(),
            ..Explanation::default()
        };
        let endpoint = Endpoint { base, auth: Auth::Fetched(fetch) };
        let (account, report) = (Account::default(), Report::new(Level::Quiet));
        let explain = Box::new(explain);
        let clock = Arc::new(SystemClock::of(&Environment::default()).unwrap());
        let session = Session::new(Dummy.spec(), explain, endpoint, account, clock, Vec::new(), report);
        (session, served)
    }

    fn look(session: &Session) -> Result<String, ApiError> {
        let by = Instant::now() + Duration::from_secs(20);
        let call = Call::get("/machine");
        session.api(by).read(&call, |answer| Ok(answer.text("state").unwrap_or_default().to_owned()))
    }

    #[test]
    fn a_token_is_fetched_once_and_sent_with_every_request() {
        let (session, served) = session();
        for _ in 0..3 {
            assert_eq!(look(&session).unwrap(), "on");
        }
        let looked = "GET /machine Bearer token-1";
        assert_eq!(served.lock().unwrap().requests, ["POST /token", looked, looked, looked]);
    }

    #[test]
    fn a_token_that_expires_in_mid_wait_is_fetched_anew_and_the_request_sent_once_more() {
        let (session, served) = session();
        look(&session).unwrap();
        served.lock().unwrap().is_expired = true;
        assert_eq!(look(&session).unwrap(), "on");
        assert_eq!(
            served.lock().unwrap().requests[2..],
            ["GET /machine Bearer token-1", "POST /token", "GET /machine Bearer token-2"]
        );
    }

    #[test]
    fn a_token_that_is_refused_as_soon_as_it_was_fetched_is_not_fetched_again_and_not_told() {
        let (session, served) = session();
        served.lock().unwrap().is_closed = true;
        let error = look(&session).unwrap_err();
        assert_eq!(error.kind, Kind::Unauthenticated);
        assert!(error.to_string().contains("is not good"), "{error}");
        assert!(!format!("{error} {error:?}").contains("token-1"), "{error}");
        assert_eq!(served.lock().unwrap().requests.len(), 2);
        // The one that was good before is fetched once more, and no more than once; neither is told.
        let error = look(&session).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("token-"), "{error}");
        assert_eq!(served.lock().unwrap().requests.len(), 5);
    }

    #[test]
    fn where_no_token_is_to_be_had_nothing_else_is_sent() {
        for (status, kind) in [
            (401, Kind::Unauthenticated),
            (429, Kind::RateLimited),
            (403, Kind::Unauthenticated),
            // Of the token, not of the machine: it proves nothing of that.
            (404, Kind::Rejected),
        ] {
            let (session, served) = session();
            served.lock().unwrap().refusal = Some(status);
            let error = look(&session).unwrap_err();
            assert_eq!((error.kind, error.status), (kind, Some(status)));
            assert!(error.to_string().contains("no token"), "{error}");
            assert_eq!(served.lock().unwrap().requests, ["POST /token"]);
        }
    }

    #[test]
    fn an_order_for_which_no_token_was_to_be_had_was_not_sent() {
        let (session, served) = session();
        served.lock().unwrap().refusal = Some(503);
        let by = Instant::now() + Duration::from_secs(20);
        let error = session.api(by).send(&Call::order("/machines")).unwrap_err();
        assert_eq!(served.lock().unwrap().requests, ["POST /token"]);
        assert_eq!(error.kind, Kind::NotSent);
    }
}
