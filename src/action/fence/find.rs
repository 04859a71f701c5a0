//! Which machine is the host's: that of its DEPLOY_ID, else the one machine of the account that has its address.

use std::collections::BTreeSet;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::action::Context;
use crate::action::target::mistake_of;
use crate::engine::{Engine, Sight};
use crate::opennebula::host::Host;
use crate::opennebula::oned::Which;
use crate::opennebula::settings::Settings;
use crate::provider::machine::{Machine, MachineId, Power, State};
use crate::provider::session::Session;
use crate::provider::{self, Filter, PROVIDERS, Provider};
use crate::report::finding::{Finding, Mistake};

/// The time that what is asked now may take, by the settings.
type Time<'a> = &'a dyn Fn(&Settings<'_>) -> Result<Duration>;

/// What a look for the machine of a host brought.
pub(super) enum Found {
    /// It is there.
    Here { provider: &'static dyn Provider, session: Arc<Session>, machine: Box<Machine> },
    /// It is proven to be gone.
    Gone(MachineId),
}

/// Finds the machine of `host`, and changes nothing.
///
/// # Errors
/// It is not known which machine it is, or what became of it.
pub(super) fn find(host: Host, context: &Context<'_>, time: Time<'_>) -> Result<Found> {
    let called = host.called();
    let Some(name) = host.pm_mad() else {
        return by_address(&host, &configured(&host, context)?, context, time);
    };
    let provider = provider::named(name)?;
    can_fence(provider)?;
    let host = decrypted(host, provider, context)?;
    let Some(text) = host.deploy_id() else {
        return by_address(&host, &[provider], context, time);
    };
    let spec = provider.spec();
    let id = (spec.id)(text).ok_or_else(|| {
        let what = format!("DEPLOY_ID of {called} is {text:?}, which is not {}", spec.id_form);
        anyhow!(Mistake::new(what, "mend it with onehost update"))
    })?;
    let (session, engine) = open(provider, &host, context, time)?;
    match engine.look(&id).map_err(|error| anyhow!("machine {id} of {called}: {}", mistake_of(error)))? {
        Sight::Here(machine) => Ok(Found::Here { provider, session, machine }),
        Sight::NotYet => bail!("machine {id} of {called} is not shown yet: try again later"),
        Sight::Gone(_) => match with_address(&engine, &addresses(&host)) {
            Ok(others) if others.is_empty() => Ok(Found::Gone(id)),
            Ok(others) => bail!(
                "machine {id} of {called} is gone, and machine {} has its address: see which one the host is",
                others[0].id
            ),
            Err(error) => bail!(
                "machine {id} of {called} is gone, and whether another one has its address is not known ({error})"
            ),
        },
    }
}

/// What fencing of `host` would come to.
pub(super) fn rehearse(host: &Host, context: &Context<'_>, time: Duration) -> Finding {
    const ABOUT: &str = "fencing";
    match find(host.clone(), context, &|_| Ok(time)) {
        Ok(Found::Gone(id)) => Finding::good(ABOUT, format!("machine {id} is gone, so the host counts as fenced")),
        Ok(Found::Here { machine, .. }) => match machine.state {
            State::Failed | State::Deleting => {
                let what = format!("machine {} is {}", machine.id, machine.state_name);
                Finding::doubtful(ABOUT, what, "see whether the provider powers it off in that state")
            }
            _ => Finding::good(
                ABOUT,
                format!("machine {} is {}, and would be powered off", machine.id, machine.state_name),
            ),
        },
        Err(error) => Finding::of(ABOUT, Mistake::of(&error)),
    }
}

/// Whether a machine of this provider can be seen off.
fn can_fence(provider: &dyn Provider) -> Result<()> {
    let spec = provider.spec();
    let has_api = !spec.names(|one| one.is_address).is_empty();
    if has_api && spec.power.takes.contains(&Power::Off) && spec.power.shows_off {
        return Ok(());
    }
    let what = format!("{} does not show whether a machine is off", spec.name);
    bail!(Mistake::new(what, "fence its hosts by another script, such as one for their BMC"))
}

/// The providers that settings name, for a host that names none.
fn configured(host: &Host, context: &Context<'_>) -> Result<Vec<&'static dyn Provider>> {
    let mut found = Vec::new();
    for provider in PROVIDERS.iter().copied() {
        if context.has_credentials(provider)? {
            found.push(provider);
        }
    }
    if found.is_empty() {
        let what = format!("{} has no PM_MAD, and no driver has settings", host.called());
        let remedy = format!("put the credentials of the account into {}", context.remotes.settings_place());
        bail!(Mistake::new(what, remedy));
    }
    Ok(found)
}

/// The same host with the secrets that only oned can decrypt, where it has any.
fn decrypted(mut host: Host, provider: &'static dyn Provider, context: &Context<'_>) -> Result<Host> {
    let secrets = &provider.spec().secrets()[..];
    if secrets.iter().all(|name| host.provision(name).is_none()) {
        return Ok(host);
    }
    match context.ask_oned(host.id.map(Which::Id), Some(provider))? {
        Some(known) => host.take_provision(&known, secrets),
        None => host.drop_provision(secrets),
    }
    Ok(host)
}

fn open(
    provider: &'static dyn Provider,
    host: &Host,
    context: &Context<'_>,
    time: Time<'_>,
) -> Result<(Arc<Session>, Engine)> {
    let settings = context.settings(provider, Some(host));
    let time = time(&settings)?;
    let session = provider::connect(provider, &settings, context.clock()?, context.report)?;
    let session = Arc::new(session);
    let engine = context.engine_within(provider, Arc::clone(&session), time)?;
    Ok((session, engine))
}

/// The one machine of all these accounts that has the host's address.
fn by_address(
    host: &Host,
    providers: &[&'static dyn Provider],
    context: &Context<'_>,
    time: Time<'_>,
) -> Result<Found> {
    let called = host.called();
    let sought = addresses(host);
    if sought.is_empty() {
        let what = format!("{called} has no DEPLOY_ID, and its name is no address");
        bail!(Mistake::new(what, "write PM_MAD and PROVISION/DEPLOY_ID into it with onehost update"));
    }
    let mut found = Vec::new();
    for provider in providers.iter().copied() {
        let (session, engine) = open(provider, host, context, time)?;
        let machines = with_address(&engine, &sought);
        let machines =
            machines.map_err(|error| anyhow!("the machines of {} cannot be listed: {error}", provider.spec().name))?;
        found.extend(machines.into_iter().map(|machine| (provider, Arc::clone(&session), machine)));
    }
    let [(provider, session, machine)] = <[_; 1]>::try_from(found).map_err(|found| {
        let what = match found.len() {
            0 => format!("no machine has the address of {called}"),
            count => format!("{count} machines have the address of {called}"),
        };
        anyhow!(Mistake::new(what, "write PM_MAD and PROVISION/DEPLOY_ID into it with onehost update"))
    })?;
    can_fence(provider)?;
    Ok(Found::Here { provider, session, machine: Box::new(machine) })
}

fn with_address(engine: &Engine, sought: &BTreeSet<IpAddr>) -> Result<Vec<Machine>> {
    if sought.is_empty() {
        return Ok(Vec::new());
    }
    let mut machines = engine.list(Filter::Account).map_err(|error| anyhow!(mistake_of(error)))?;
    machines.retain(|machine| machine.addresses.iter().any(|address| sought.contains(address)));
    Ok(machines)
}

/// The addresses of a host: its name is one, or is resolved to some.
fn addresses(host: &Host) -> BTreeSet<IpAddr> {
    let name = host.name.trim();
    match name.parse() {
        Ok(address) => BTreeSet::from([address]),
        Err(_) => (name, 0).to_socket_addrs().into_iter().flatten().map(|address| address.ip()).collect(),
    }
}
