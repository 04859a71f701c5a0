//! The provider that is none, as OpenNebula's own dummy driver: it needs no network, and a machine is no more than
//! an address, its id.
//!
//! Nothing outlives the process, so every address is a machine that runs until this process deletes it.

use super::kit::*;

/// The dummy.
pub struct Dummy;

const SPEC: Spec = Spec {
    order_within: Duration::ZERO,
    appears_within: Duration::ZERO,
    has_idempotency_key: true,
    ..Spec::usual("dummy", "an IP address", id, &[IP])
};

const IP: Attribute = Attribute::sent("IP", "ip", Form::Address, "the address of the host")
    .required()
    .reach()
    .remedy("set it to the address of the host");

fn id(text: &str) -> Option<MachineId> {
    let address: IpAddr = text.parse().ok()?;
    Some(MachineId::checked(address.to_string()))
}

/// What this process knows of a machine: one that it did not hear of runs.
fn known(api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
    let known = api.memory().get(id).cloned();
    let machine = known.unwrap_or_else(|| Machine {
        addresses: id.as_str().parse().into_iter().collect(),
        ..Machine::new(id.clone(), State::On, "on")
    });
    match machine.state {
        State::Gone => Err(api.problem(Kind::NotFound, format!("machine {id} was deleted"))),
        _ => Ok(machine),
    }
}

fn set(api: &Api<'_>, id: &MachineId, state: State) -> Result<(), ApiError> {
    let machine = Machine { state, state_name: format!("{state:?}").to_lowercase(), ..known(api, id)? };
    api.memory().insert(id.clone(), machine);
    Ok(())
}

impl Provider for Dummy {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn list(&self, api: &Api<'_>, _: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        Ok(api.memory().values().cloned().collect())
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let id = id(order.attribute("IP"));
        let id = id.ok_or_else(|| api.problem(Kind::Rejected, "IP is no address"))?;
        let tags = order.body["tags"].as_array().into_iter().flatten();
        let tags = tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect();
        let machine = Machine { tags, ..known(api, &id)? };
        api.memory().insert(id, machine.clone());
        Ok(machine)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        known(api, id)
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let (state, shown) = match power {
            Power::On => (State::On, State::On),
            Power::Off => (State::Off, State::Off),
            // It is down and up again at once.
            Power::Reboot => (State::On, State::Stopping),
        };
        set(api, id, state)?;
        Ok(Some(shown))
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        set(api, id, State::Gone)
    }
}
