//! A line of the list: a machine and its host.

use std::time::SystemTime;

use super::mark::{Mark, owner_of};
use crate::opennebula::host::Host;
use crate::provider::attribute::Attribute;
use crate::provider::machine::{Machine, MachineId};
use crate::provider::spec::Spec;

/// A line of the list.
pub(super) struct Line {
    pub(super) provider: &'static str,
    pub(super) id: MachineId,
    pub(super) host_id: Option<String>,
    pub(super) host_name: Option<String>,
    /// The provider's word for its state, if it could be looked at and is there.
    pub(super) state: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) place: Option<String>,
    pub(super) address: Option<String>,
    pub(super) created: Option<SystemTime>,
    /// The mark of the owner that it bears.
    pub(super) owner: Option<String>,
    pub(super) mark: Mark,
    /// The command that is to be run, if one is: it removes an orphan, or a host whose machine is gone.
    pub(super) removal: Option<String>,
}

impl Line {
    pub(super) fn of(machine: &Machine, host: Option<&Host>, mark: Mark, spec: &Spec) -> Self {
        // The number of another OpenNebula's host is of no use here.
        let tag = machine.tags.iter().find_map(|tag| tag.strip_prefix("ONE_HOST_ID="));
        let tag = tag.filter(|_| !mark.is_foreign());
        let host_id = host.and_then(|host| host.id).map(|id| id.to_string());
        Self {
            provider: spec.name,
            id: machine.id.clone(),
            host_id: host_id.or_else(|| tag.map(str::to_owned)),
            host_name: host.map(|host| host.name.clone()),
            state: Some(machine.state_name.clone()),
            plan: machine.plan.clone(),
            place: machine.place.clone(),
            address: machine.addresses.first().map(ToString::to_string),
            created: machine.created,
            owner: owner_of(machine, spec),
            mark,
            removal: None,
        }
    }

    /// The line of a host whose machine is not there, or cannot be looked at.
    pub(super) fn without_machine(id: &MachineId, host: &Host, mark: Mark, spec: &Spec) -> Self {
        let own = |is_meant: fn(&Attribute) -> bool| {
            let mut names = spec.names(is_meant).into_iter();
            names.find_map(|name| host.provision(name).map(str::to_owned))
        };
        let removal = host.id.map(|id| format!("oneprovision host delete {id}"));
        Self {
            provider: spec.name,
            id: id.clone(),
            host_id: host.id.map(|id| id.to_string()),
            host_name: Some(host.name.clone()),
            state: None,
            plan: own(|one| one.is_plan),
            place: own(|one| one.is_place),
            address: None,
            created: None,
            owner: None,
            mark,
            removal: removal.filter(|_| mark == Mark::Gone),
        }
    }
}
