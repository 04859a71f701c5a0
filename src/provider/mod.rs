//! The providers: what the engine asks of each, the table of those there are, and the kit that they are made of.

pub mod account;
pub mod api;
pub mod attribute;
pub mod auth;
pub mod call;
pub mod catalogue;
pub mod dummy;
pub mod ec2;
pub mod explanation;
pub mod form;
pub mod identity;
pub mod ironic;
pub mod kit;
pub mod latitude;
pub mod machine;
pub mod order;
pub mod packet;
pub mod pages;
pub mod phoenixnap;
pub mod scaleway;
pub mod session;
pub mod spec;
pub mod user_data;

use std::sync::Arc;

use anyhow::{Result, bail};

use self::account::Account;
use self::api::Api;
use self::auth::{Auth, Endpoint};
use self::explanation::Explanation;
use self::machine::{Machine, MachineId, Power, State, Traffic};
use self::order::{Order, private_texts};
use self::session::Session;
use self::spec::Spec;
use crate::http::error::ApiError;
use crate::opennebula::settings::Settings;
use crate::report::finding::Finding;
use crate::report::frame::Report;
use crate::report::near::did_you_mean;
use crate::system::clock::Clock;
use crate::wire::tree::Tree;

/// Every provider, in one table. A further one is one file and one entry; the first one is meant where nothing says
/// which.
pub const PROVIDERS: &[&dyn Provider] = &[
    &packet::Packet,
    &ec2::Ec2,
    &ironic::Ironic,
    &scaleway::Scaleway,
    &phoenixnap::PhoenixNap,
    &latitude::Latitude,
    &dummy::Dummy,
];

/// The provider `name`.
///
/// # Errors
/// There is none; the error lists those there are.
pub fn named(name: &str) -> Result<&'static dyn Provider> {
    match PROVIDERS.iter().find(|one| one.spec().name == name) {
        Some(provider) => Ok(*provider),
        None => {
            let known: Vec<&str> = PROVIDERS.iter().map(|one| one.spec().name).collect();
            bail!(
                "there is no provider {name:?}: {}the folder of the link, PM_MAD or --driver must be one of {}",
                did_you_mean(name, known.iter().copied()),
                known.join(", ")
            )
        }
    }
}

/// Which machines are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter<'a> {
    /// Those that carry this mark.
    Marked(&'a str),
    /// Those that OpenNebula ordered, as far as the provider can tell.
    Ours,
    /// All that the account has.
    Account,
}

/// A provider: it translates its words into ours, and decides nothing.
///
/// It MUST NOT sleep, retry, print or read the environment, and holds no state: what it needs is handed to it as
/// [`Api`]. Each method sends its request at most once, but [`list`](Self::list), which sends one a page; it MAY
/// look for what it needs before it acts. What it cannot do it says as an [`ApiError`] whose kind decisions hang on:
///
/// - `NotSent`, `RateLimited`, `Rejected`, `Protected`, `Conflict` MUST mean that nothing was done;
/// - `Conflict` MUST mean that it passes with time, and `Rejected` that it does not;
/// - `NotFound` MUST mean that the provider itself knows no such machine, in a form of its own: whether that proves
///   anything is the engine's to say;
/// - where it is not certain what was done, the kind is `Ambiguous`.
pub trait Provider: Send + Sync {
    /// Everything that can be known of it without asking.
    fn spec(&self) -> &'static Spec;

    /// Where its API is, and how it lets us in, by the settings of the account, which were read by their forms.
    ///
    /// # Errors
    /// A setting that is needed is missing or makes no sense: what, and the remedy.
    fn connect(&self, _account: &Account) -> Result<Endpoint> {
        Ok(Endpoint { base: String::new(), auth: Auth::None })
    }

    /// The machines of the account that pass `filter`; it MAY list more, as the engine looks at each itself. MUST
    /// look at every page, and fail rather than leave one out. A tombstone has the state [`State::Gone`].
    ///
    /// Here and below, a machine MUST be given as [`Api::redacted`] has it: its words may quote a secret.
    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError>;

    /// Makes the objects that an order needs before it can be sent, and puts their ids into it; or finds those that
    /// an earlier run made, by the order's mark. MUST be repeatable.
    fn prepare(&self, _api: &Api<'_>, _order: &mut Order) -> Result<(), ApiError> {
        Ok(())
    }

    /// Orders one machine, in exactly one request that carries the owner's mark, so that no machine without it can
    /// exist.
    ///
    /// With an idempotency key the key MUST differ by [`Order::spent`]; an answer about a machine of an earlier order
    /// is given as it is, and `KeySpent` says that the key's machine is no more.
    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError>;

    /// Looks at a machine, in one request. The engine sees to it that it is the one that was asked for.
    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError>;

    /// Asks for a change of power, and does not wait for it. `Some`: the state that the answer shows, if it shows
    /// that the machine has begun to change.
    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError>;

    /// Takes the next step of a machine that was ordered towards being up, and what is to be done once it is: called
    /// after each look that shows it starting or up, by the run that ordered it as by one that adopted it. MUST be
    /// repeatable.
    fn advance(&self, _api: &Api<'_>, _order: &Order, _machine: &Machine) -> Result<Advance, ApiError> {
        Ok(Advance::Done)
    }

    /// Asks for the deletion of a machine, whatever its state. MUST NOT take a not-found for a success.
    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError>;

    /// Removes the objects that [`prepare`](Self::prepare) made for the owner with this mark. Where there are none,
    /// that is a success.
    fn discard(&self, _api: &Api<'_>, _mark: &str) -> Result<(), ApiError> {
        Ok(())
    }

    /// What an answer with a status from 300 on means. `body` is null where it is not in the provider's format, such
    /// as a proxy's page: then it is none of the provider's own.
    fn explain(&self, _account: &Account, _status: u16, _body: &Tree) -> Explanation {
        Explanation::default()
    }

    /// Asks whether `order` would be accepted: whether the credentials are, and what is named is known and to be
    /// had. MUST change nothing; MAY send a request for each question, and says all that it finds.
    fn preflight(&self, _api: &Api<'_>, _order: &Order) -> Vec<Finding> {
        Vec::new()
    }

    /// The number of CPUs and the memory in KiB of a machine, where asking for it costs a request.
    fn size(&self, _api: &Api<'_>, machine: &Machine) -> Result<Option<(u64, u64)>, ApiError> {
        Ok(machine.size)
    }

    /// The traffic of a machine.
    fn traffic(&self, _api: &Api<'_>, _id: &MachineId) -> Result<Traffic, ApiError> {
        Ok(Traffic::default())
    }
}

/// Whether more is to be done for a machine that was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Nothing, in the state that it is in.
    Done,
    /// A step was taken, or must wait: look again.
    Again,
}

/// A session with the credentials that the settings name. Nobody is asked.
///
/// # Errors
/// What is missing or malformed, with the remedy.
pub fn connect(
    provider: &'static dyn Provider,
    settings: &Settings<'_>,
    clock: Arc<dyn Clock>,
    report: Report,
) -> Result<Session> {
    let spec = provider.spec();
    let account = Account::read(spec, settings)?;
    let endpoint = provider.connect(&account)?;
    let private = settings.host.map(|host| private_texts(spec, host));
    let explain = move |account: &Account, status: u16, body: &Tree| provider.explain(account, status, body);
    Ok(Session::new(spec, Box::new(explain), endpoint, account, clock, private.unwrap_or_default(), report))
}
