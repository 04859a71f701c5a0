//! The desk that both servers' requests pass: it logs them, and lets faults strike.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::clock::Clock;
use crate::fault::{Answer, Effect, Fault, Faults, Operation};
use crate::http::{self, Delivery, JSON, Reply, Response, Stop, lock};
use crate::log::{Asked, Log, Request, Service};

/// What both servers share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub clock: Arc<Clock>,
    pub stop: Arc<Stop>,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
    connections: AtomicU64,
}

/// What is remembered of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    /// What strikes its first request.
    pending: Option<Effect>,
}

impl Desk {
    pub(crate) fn new(seed: u64, log: usize) -> Self {
        Desk {
            clock: Arc::new(Clock::start()),
            stop: Arc::default(),
            faults: Mutex::new(Faults::new(seed)),
            log: Mutex::new(Log::new(log)),
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, fault: Fault) {
        lock(&self.faults).add(fault);
    }

    pub(crate) fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    /// What is to become of the machine that is being created.
    pub(crate) fn fates(&self) -> Vec<Effect> {
        lock(&self.faults).fates()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.log).entries()
    }

    pub(crate) fn clear_requests(&self) {
        lock(&self.log).clear();
    }

    /// A connection came.
    pub(crate) fn connect(&self, operation: Operation) -> Result<Connection, Delivery> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let struck = lock(&self.faults).strike(operation, None);
        let pending = match struck {
            Some(Effect::DropBefore { reset } | Effect::DropAfter { reset }) => {
                return Err(Delivery::Closed { reset });
            }
            Some(Effect::Hang | Effect::HangAfter) => return Err(Delivery::Never),
            Some(Effect::Delay(delay) | Effect::DelayBeforeEffect(delay)) => {
                self.stop.sleep(delay);
                None
            }
            other => other,
        };
        Ok(Connection { number, pending })
    }

    /// A request came: `carry_out` does what it asks for.
    pub(crate) fn answer(
        &self,
        connection: &mut Connection,
        (service, operation, device): (Service, Operation, Option<&str>),
        request: &http::Request,
        carry_out: impl FnMut() -> Response,
    ) -> Reply {
        let asked = Asked { at: self.clock.now(), service, operation, device, connection: connection.number };
        let number = lock(&self.log).enter(asked.entry(request));
        let struck = connection.pending.take().or_else(|| lock(&self.faults).strike(operation, device));
        let reply = self.strike(struck, service, carry_out);
        if !matches!(reply.delivery, Delivery::Never | Delivery::Closed { .. }) {
            lock(&self.log).answered(number, reply.response.status);
        }
        reply
    }

    fn strike(&self, struck: Option<Effect>, service: Service, mut carry_out: impl FnMut() -> Response) -> Reply {
        let delivered = |response, delivery| Reply { response, delivery };
        match struck {
            None => carry_out().into(),
            Some(Effect::Status(answer)) => substitute(service, &answer).into(),
            Some(Effect::StatusAfter(answer)) => {
                carry_out();
                substitute(service, &answer).into()
            }
            Some(Effect::Twice) => {
                let response = carry_out();
                carry_out();
                response.into()
            }
            Some(Effect::Delay(delay)) => delivered(carry_out(), Delivery::Late(delay)),
            Some(Effect::DelayBeforeEffect(delay)) => {
                if self.stop.sleep(delay) {
                    carry_out().into()
                } else {
                    delivered(Response::empty(503), Delivery::Closed { reset: false })
                }
            }
            Some(Effect::Hang) => delivered(Response::empty(504), Delivery::Never),
            Some(Effect::HangAfter) => delivered(carry_out(), Delivery::Never),
            Some(Effect::DropBefore { reset }) => delivered(Response::empty(502), Delivery::Closed { reset }),
            Some(Effect::DropAfter { reset }) => delivered(carry_out(), Delivery::Closed { reset }),
            Some(Effect::Truncate) => delivered(carry_out(), Delivery::Truncated),
            Some(Effect::Garbage) => {
                let mut response = carry_out();
                response.body = b"\x1b[2J{<not what you asked for>".to_vec();
                response.into()
            }
            Some(Effect::Html5xx(code)) => proxy_page(code).into(),
            Some(Effect::Redirect { url, code }) => Response::empty(code).header("Location", &url).into(),
            Some(Effect::Trickle(pause)) => delivered(carry_out(), Delivery::Trickled(pause)),
            Some(Effect::Endless) => delivered(carry_out(), Delivery::Endless),
            // Not about requests: fates strike at creation, and the limit was set when it was given.
            Some(_) => carry_out().into(),
        }
    }
}

fn substitute(service: Service, answer: &Answer) -> Response {
    let response = match (service, &answer.body) {
        (_, _) if answer.code == 204 => Response::empty(204),
        (Service::Api, Some(body)) => Response::new(answer.code, JSON, body.as_str()),
        (Service::Api, None) => {
            Response::json(answer.code, &serde_json::json!({"errors": [http::reason(answer.code)]}))
        }
        (Service::Oned, body) => {
            Response::new(answer.code, "text/xml; charset=utf-8", body.as_deref().unwrap_or_default())
        }
    };
    answer.headers.iter().fold(response, |response, (name, value)| response.header(name, value))
}

fn proxy_page(code: u16) -> Response {
    let title = format!("{code} {}", http::reason(code));
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Response::new(code, "text/html", page)
}
