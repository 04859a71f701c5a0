//! What can go wrong with a machine.

use std::borrow::Cow;
use std::fmt;
use std::io;

use nix::sys::signal::Signal;

use crate::http::error::ApiError;
use crate::provider::machine::{MachineId, Power};
use crate::system::file;

/// What went wrong.
#[derive(Debug)]
pub enum Error {
    /// A call failed.
    Api(ApiError),
    /// The machine is in a state that it will not leave.
    Failed {
        /// The provider's word for it, and why it is in it.
        state: String,
        /// What somebody may do about it, where the provider's words tell.
        remedy: Option<&'static str>,
    },
    /// The machine is gone, or was taken back by the provider.
    Vanished(Cow<'static, str>),
    /// The deadline passed.
    Deadline {
        /// What was waited for, and for how long.
        waited: String,
        /// What was last seen, or what kept us from seeing.
        last: String,
    },
    /// The deadline passed while the machine was being deleted.
    StillLeaving {
        /// The provider's word for its state.
        state: String,
        /// Why the provider did not take the deletion once more, where it was asked for again.
        refusal: Option<String>,
    },
    /// A signal came.
    Interrupted(Signal),
    /// Several machines carry the owner's mark.
    Several(Vec<MachineId>),
    /// The id could not be handed over.
    NotHandedOver(io::Error),
    /// Every order was lost, and none was carried out.
    OrdersLost(ApiError),
    /// An order got no answer, and may still take effect.
    Unanswered,
    /// The host was deleted meanwhile: what oned says.
    HostDeleted(String),
    /// The provider cannot do that with a machine's power.
    Unsupported(&'static str, Power),
    /// A panic.
    OurMistake,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Failed { state, .. } => write!(f, "the machine is in state {state}"),
            Self::Vanished(how) => write!(f, "the machine {how}"),
            Self::Deadline { waited, last } => {
                write!(f, "{waited}, {last}; PM_TIMEOUT is the time it gets, in seconds")
            }
            Self::StillLeaving { state, refusal } => {
                write!(f, "the machine is being deleted ({state}), and was not seen gone in time; ")?;
                match refusal {
                    Some(why) => write!(f, "asked for again, its deletion was not taken: {why}"),
                    None => f.write_str("PM_TIMEOUT is the time it gets, in seconds"),
                }
            }
            Self::Interrupted(signal) => write!(f, "interrupted ({signal})"),
            Self::Several(ids) => {
                let ids: Vec<&str> = ids.iter().map(MachineId::as_str).collect();
                write!(
                    f,
                    "it has {} machines already, {}: delete all but one at the provider",
                    ids.len(),
                    ids.join(" and ")
                )
            }
            Self::NotHandedOver(error) => {
                write!(f, "the deploy id could not be printed ({}): keep stdout open", file::reason(error))
            }
            Self::OrdersLost(error) => write!(f, "no order got an answer: {error}"),
            Self::Unsupported(provider, power) => {
                write!(f, "{provider} has no {power} of machines: do it where the machine stands")
            }
            Self::Unanswered => f.write_str("its answer was lost, and it may still take effect"),
            Self::HostDeleted(why) => write!(f, "the host was deleted meanwhile: {why}"),
            Self::OurMistake => f.write_str("pm-packet made a mistake: please report it"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Signal> for Error {
    fn from(signal: Signal) -> Self {
        Self::Interrupted(signal)
    }
}
