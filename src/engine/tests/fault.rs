//! Requests to the scripted provider, and what goes wrong with them.

use std::ops::Range;
use std::time::Duration;

use crate::http::error::Kind;
use crate::provider::machine::Power;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    List,
    Prepare,
    Create,
    Get,
    Power(Power),
    Advance,
    Delete,
    Discard,
}

/// A request that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub what: What,
    /// When, counted from the begin.
    pub at: Duration,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// An error; nothing is done.
    Error(Kind),
    /// An error that asks to wait so long; nothing is done.
    Patience(Kind, Duration),
    /// It is done, and the answer is lost.
    Lost,
    /// The answer is lost, and an order is carried out so much later.
    Late(Duration),
    /// It is done twice, and answered once.
    Twice,
    /// There is no answer until the time that it is allowed is up; nothing is done.
    Hang,
    /// A mistake of ours in the provider.
    Panic,
    /// The process is killed before the request is sent.
    KilledBefore,
    /// The process is killed before the answer comes; it is done.
    KilledAfter,
}

/// What a killed process ends with here.
pub struct Killed;

/// A fault, and which requests it strikes: of this kind, or of any, by their number from 0.
pub type Strike = (Option<What>, Range<usize>, Fault);
