//! The provider that is none, as OpenNebula's own dummy driver: it needs no network, and a machine is no more
//! than an address, its id.
//!
//! Nothing outlives the process, so every address is a machine that runs until this process deletes it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use super::{Backend, Machine, MachineId, Order, Power, Row, State};
use crate::http::error::{ApiError, Kind};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::report::frame::Report;
use crate::report::secret::Secret;

/// The dummy's row in the table of providers.
pub const ROW: Row = Row {
    name: "dummy",
    account: &[],
    shows: |name| name == "IP",
    secrets: &[],
    id_form: "an IP address",
    id,
    order,
    open: |_, _| Ok(Arc::new(Dummy::default())),
};

#[derive(Default)]
struct Dummy {
    known: Mutex<BTreeMap<MachineId, Known>>,
}

#[derive(Clone, Default)]
struct Known {
    state: Option<State>,
    tags: Vec<String>,
}

fn id(text: &str) -> Option<MachineId> {
    let address: IpAddr = text.parse().ok()?;
    Some(MachineId::checked(address.to_string()))
}

fn order(_: &Host, settings: &Settings<'_>, owner: &Owner, _: &Report) -> Result<Order> {
    let text = settings.host.and_then(|host| host.provision("IP"));
    let text = text
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .context("PROVISION lacks the mandatory attribute IP: set it to the address of the host")?;
    let address = id(text).with_context(|| format!("IP is {text:?}: set it to an IP address"))?;
    let mut body = vec![address.to_string()];
    body.extend(owner.tags());
    Ok(Order {
        body: Secret::new(body.join("\n")),
        summary: vec![("IP", address.to_string())],
    })
}

fn describe(id: &MachineId, state: State, tags: Vec<String>) -> Machine {
    Machine {
        id: id.clone(),
        state,
        state_name: format!("{state:?}").to_lowercase(),
        progress: None,
        addresses: id.as_str().parse().into_iter().collect(),
        locked: false,
        tags,
        size: None,
        values: Vec::new(),
        created: None,
        root_password: None,
    }
}

impl Dummy {
    fn machine(&self, id: &MachineId) -> Option<Machine> {
        let known = self.lock().get(id).cloned().unwrap_or(Known {
            state: Some(State::On),
            tags: Vec::new(),
        });
        let state = known.state?;
        Some(describe(id, state, known.tags))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<MachineId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Dummy {
    fn find(&self, tag: &str, _: Instant) -> Result<Vec<Machine>, ApiError> {
        let ids: Vec<MachineId> = self
            .lock()
            .iter()
            .filter(|(_, known)| known.tags.iter().any(|own| own == tag))
            .map(|(id, _)| id.clone())
            .collect();
        Ok(ids.iter().filter_map(|id| self.machine(id)).collect())
    }

    fn create(&self, order: &Order, _: Instant) -> Result<Machine, ApiError> {
        let mut lines = order.body.expose().lines().map(str::to_owned);
        let id = MachineId::checked(lines.next().unwrap_or_default());
        let known = Known {
            state: Some(State::On),
            tags: lines.collect(),
        };
        let machine = describe(&id, State::On, known.tags.clone());
        self.lock().insert(id, known);
        Ok(machine)
    }

    fn get(&self, id: &MachineId, _: Instant) -> Result<Option<Machine>, ApiError> {
        let machine = self.machine(id);
        // A reboot is seen down once, or it would be waited for as for a provider that does not show it.
        if let Some(known) = self.lock().get_mut(id)
            && known.state == Some(State::Stopping)
        {
            known.state = Some(State::On);
        }
        Ok(machine)
    }

    fn power(&self, id: &MachineId, power: Power, _: Instant) -> Result<(), ApiError> {
        let Some(machine) = self.machine(id) else {
            return Err(ApiError {
                kind: Kind::NotFound,
                call: power.to_string(),
                status: None,
                reasons: vec![format!("machine {id} was deleted")],
                retry_after: None,
                remedy: "",
            });
        };
        let known = Known {
            state: Some(match power {
                Power::On => State::On,
                Power::Off => State::Off,
                Power::Reboot => State::Stopping,
            }),
            tags: machine.tags,
        };
        self.lock().insert(id.clone(), known);
        Ok(())
    }

    fn delete(&self, id: &MachineId, _: Instant) -> Result<(), ApiError> {
        self.lock().entry(id.clone()).or_default().state = None;
        Ok(())
    }
}
