//! Faults: which requests are to go wrong, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::device::State;
use crate::millis;
use crate::options::RateLimit;
use crate::random::Random;

/// What a request asks for, and, in a [`Fault`], which requests are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /projects/{id}/devices`
    Create,
    /// `GET /devices/{id}`
    Get,
    /// `GET /projects/{id}/devices`
    List,
    /// `DELETE /devices/{id}`
    Delete,
    /// `POST /devices/{id}/actions`: in a fault each of them, in the log one that is none of the next three.
    Action,
    /// The action `power_on`.
    PowerOn,
    /// The action `power_off`.
    PowerOff,
    /// The action `reboot`.
    Reboot,
    /// `GET /devices/{id}/bandwidth`
    Bandwidth,
    /// `GET /devices/{id}/events`
    Events,
    /// Plans, facilities, projects and the rest that only describes.
    Catalogue,
    /// In a fault: any request to the API. In the log: one to a path that it does not have.
    Api,
    /// `one.host.info`
    HostInfo,
    /// `one.hostpool.info`
    HostPool,
    /// `one.host.update`
    HostUpdate,
    /// `one.system.version`
    SystemVersion,
    /// `one.system.config`
    SystemConfig,
    /// In a fault: any request to oned. In the log: one for another method.
    Oned,
    /// A connection to the API, before a request on it is read. See [`Fault`].
    Connection,
    /// A connection to oned, before a request on it is read.
    OnedConnection,
}

impl Operation {
    fn is_of_oned(self) -> bool {
        use Operation::*;
        matches!(self, HostInfo | HostPool | HostUpdate | SystemVersion | SystemConfig | Oned)
    }

    /// Whether a fault on this one strikes that request.
    fn covers(self, asked: Operation) -> bool {
        use Operation::*;
        match self {
            Action => matches!(asked, Action | PowerOn | PowerOff | Reboot),
            Api => !asked.is_of_oned() && !matches!(asked, Connection | OnedConnection),
            Oned => asked.is_of_oned(),
            same => same == asked,
        }
    }
}

/// One rule of misbehaviour.
///
/// A request first meets the rules in the order in which they were given; the first one that strikes decides how it is
/// answered. Rules about the fate of machines ([`Effect::Stuck`] to [`Effect::ListingLag`]) strike beside that one, when a
/// machine is created. With `device` they change the fate of that machine at once instead.
///
/// On [`Operation::Connection`], DropBefore, DropAfter, Hang and Delay strike the connection itself; any other effect strikes
/// the first request on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The requests that are meant.
    pub on: Operation,
    /// Only those that name this device in their path.
    #[serde(default)]
    pub device: Option<String>,
    /// So many of them pass first.
    #[serde(default)]
    pub skip: u32,
    /// So many are struck then; `u32::MAX` for all.
    #[serde(default = "once")]
    pub times: u32,
    /// With which probability one is struck.
    #[serde(default = "surely")]
    pub probability: f64,
    /// How.
    pub effect: Effect,
}

fn once() -> u32 {
    1
}

fn surely() -> f64 {
    1.0
}

impl Fault {
    /// Strikes the next such request.
    pub fn new(on: Operation, effect: Effect) -> Self {
        Fault { on, device: None, skip: 0, times: once(), probability: surely(), effect }
    }

    /// Strikes so many.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Strikes all, until [`crate::Simulator::clear_faults`].
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u32::MAX)
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Strikes only requests about this device.
    #[must_use]
    pub fn device(mut self, id: &str) -> Self {
        self.device = Some(id.to_owned());
        self
    }

    /// Strikes with this probability.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Whether it is this request's turn. Counts.
    fn strikes(&mut self, asked: Operation, device: Option<&str>, random: &mut Random) -> bool {
        let meant =
            self.times > 0 && self.on.covers(asked) && (self.device.is_none() || self.device.as_deref() == device);
        if !meant {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.probability < 1.0 && random.unit() >= self.probability {
            return false;
        }
        if self.times != u32::MAX {
            self.times -= 1;
        }
        true
    }
}

/// What goes wrong. In scripts, names are in snake case and durations in milliseconds:
/// `{"delay": 500}`, `"hang"`, `{"status": {"code": 503}}`, `{"stuck": "provisioning"}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// This answer, and nothing is done.
    Status(Answer),
    /// What was asked is done, then this answer.
    StatusAfter(Answer),
    /// What was asked is done at once, its answer comes this much later.
    #[serde(with = "millis")]
    Delay(Duration),
    /// What was asked is done, and answered, this much later, whether the client is still there or not.
    #[serde(with = "millis")]
    DelayBeforeEffect(Duration),
    /// Nothing is done and nothing answered; the connection stays open until the client closes it.
    Hang,
    /// As Hang, but what was asked is done.
    HangAfter,
    /// The connection is closed, and nothing is done.
    DropBefore {
        /// Abruptly (RST). Otherwise as after an answer (FIN).
        reset: bool,
    },
    /// What was asked is done twice, as where something in between repeats a request; the first answer is given.
    Twice,
    /// What was asked is done, and the connection closed without an answer.
    DropAfter {
        /// Abruptly (RST). Otherwise as after an answer (FIN).
        reset: bool,
    },
    /// What was asked is done; the answer ends in the middle of its body.
    Truncate,
    /// What was asked is done; status and headers are right, the body is neither JSON nor XML.
    Garbage,
    /// A proxy's page with this status, and nothing is done.
    Html5xx(u16),
    /// A redirect, and nothing is done.
    Redirect {
        /// Its target, absolute or a path.
        url: String,
        /// 301, 302, 303, 307 or 308.
        code: u16,
    },
    /// What was asked is done; each byte of the answer's body takes this long.
    #[serde(with = "millis")]
    Trickle(Duration),
    /// What was asked is done; the answer's body never ends, as fast as it is read.
    Endless,
    /// The machine never leaves this state, once it is in it. Queued, provisioning, active, powering_on, powering_off and
    /// deprovisioning are come to on their way; any other, known to the API or not, takes the place of active. A machine
    /// stuck before deprovisioning can be deleted.
    Stuck(State),
    /// The machine fails at the end of its provisioning.
    FailProvisioning,
    /// The provider takes the machine back.
    Vanish {
        /// Since it was ordered.
        #[serde(rename = "after_ms", with = "millis")]
        after: Duration,
        /// What it is answered with from then on: 404, or 403 as a machine of the provider's own.
        status: u16,
    },
    /// DELETE answers 422.
    RefuseDelete {
        /// Since it was ordered.
        #[serde(rename = "until_ms", with = "millis")]
        until: Duration,
        /// What it says, such as "Cannot delete a device while it is provisioning".
        reason: String,
    },
    /// DELETE answers 422 "Cannot delete a locked item." for ever.
    Locked,
    /// The machine is missing from listings for so long since its order.
    #[serde(with = "millis")]
    ListingLag(Duration),
    /// From now on, whatever `on` says.
    RateLimit(RateLimit),
}

impl Effect {
    /// This status with the API's own form of a body, and nothing is done.
    pub fn status(code: u16) -> Self {
        Effect::Status(Answer::new(code))
    }

    /// This status after what was asked is done.
    pub fn status_after(code: u16) -> Self {
        Effect::StatusAfter(Answer::new(code))
    }

    /// A refusal with its reason, as the API words them: `{"errors": [reason]}`.
    pub fn refuse(code: u16, reason: &str) -> Self {
        Effect::Status(Answer::new(code).body(&serde_json::json!({"errors": [reason]}).to_string()))
    }

    /// Whether this is about what becomes of a machine, not about one request.
    pub(crate) fn is_fate(&self) -> bool {
        use Effect::*;
        matches!(self, Stuck(_) | FailProvisioning | Vanish { .. } | RefuseDelete { .. } | Locked | ListingLag(_))
    }
}

/// An answer that is given in place of the right one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// Headers beside Content-Type and Content-Length, such as Retry-After. Content-Type can be given here.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// None takes `{"errors": ["the status's name"]}`, or nothing from oned.
    #[serde(default)]
    pub body: Option<String>,
}

impl Answer {
    /// This status, no headers, the usual body.
    pub fn new(code: u16) -> Self {
        Answer { code, headers: BTreeMap::new(), body: None }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Vec<Fault>,
    random: Random,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Faults { rules: Vec::new(), random: Random::new(seed ^ 0xfa17) }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// How this request is to be answered wrongly, if at all.
    pub(crate) fn strike(&mut self, asked: Operation, device: Option<&str>) -> Option<Effect> {
        let Faults { rules, random } = self;
        let struck = rules
            .iter_mut()
            .filter(|rule| !rule.effect.is_fate())
            .find_map(|rule| rule.strikes(asked, device, random).then(|| rule.effect.clone()));
        rules.retain(|rule| rule.times > 0);
        struck
    }

    /// What is to become of the machine that is being created.
    pub(crate) fn fates(&mut self) -> Vec<Effect> {
        let Faults { rules, random } = self;
        let fates = rules
            .iter_mut()
            .filter(|rule| rule.effect.is_fate())
            .filter_map(|rule| rule.strikes(Operation::Create, None, random).then(|| rule.effect.clone()))
            .collect();
        rules.retain(|rule| rule.times > 0);
        fates
    }
}
