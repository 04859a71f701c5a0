//! A machine and its host, and how the two agree.

use std::time::SystemTime;

use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::provider::attribute::Attribute;
use crate::provider::machine::{Machine, MachineId, State};
use crate::provider::spec::Spec;

/// Where the provider and oned disagree, or what else is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// They agree.
    None,
    /// The host has no DEPLOY_ID yet.
    Deploying,
    /// It goes away.
    Deleting,
    /// No host in oned is its own.
    NoHost,
    /// Its host has another machine.
    Replaced,
    /// The host's machine is not there.
    Gone,
    /// The host's machine is not in the project, and may not be looked at.
    Unseen,
    /// oned cannot be asked.
    Unknown,
}

impl Mark {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Deploying => "host has no DEPLOY_ID yet",
            Self::Deleting => "being deleted",
            Self::NoHost => "ORPHAN, still billed: no such host in oned",
            Self::Replaced => "ORPHAN, still billed: host has another DEPLOY_ID",
            Self::Gone => "machine is gone",
            Self::Unseen => "machine is not in the project any more",
            Self::Unknown => "?",
        }
    }
}

/// The host of a machine, and how the two agree.
pub(super) fn join<'a>(
    machine: &Machine,
    hosts: &'a [Host],
    spec: &Spec,
) -> (Option<&'a Host>, Mark) {
    let has_it = |host: &&Host| host.deploy_id().and_then(spec.id).as_ref() == Some(&machine.id);
    let has_tag = |tag: &str| machine.tags.iter().any(|own| own == tag);
    let by_identity =
        |host: &&Host| spec.identity.is_borne(&spec.identity.mark(&Owner::of(host)), machine);
    // The stock driver's tag says nothing of the installation: it is believed only while it orders.
    let by_number = |host: &&Host| {
        machine.state == State::Starting
            && host.deploy_id().is_none()
            && host.id.is_some_and(|id| has_tag(&format!("ONE_HOST_ID={id}")))
    };
    let is_deleting = machine.state == State::Deleting;
    if let Some(host) = hosts.iter().find(has_it) {
        let mark = if is_deleting { Mark::Deleting } else { Mark::None };
        return (Some(host), mark);
    }
    let tagged = hosts.iter().find(by_identity).or_else(|| hosts.iter().find(by_number));
    let mark = match tagged {
        _ if is_deleting => Mark::Deleting,
        Some(host) if host.deploy_id().is_none() => Mark::Deploying,
        Some(_) => Mark::Replaced,
        None => Mark::NoHost,
    };
    (tagged, mark)
}

/// A line of the list.
pub(super) struct Line {
    pub(super) id: MachineId,
    pub(super) host_id: Option<String>,
    pub(super) host_name: Option<String>,
    pub(super) state: String,
    pub(super) plan: Option<String>,
    pub(super) place: Option<String>,
    pub(super) address: Option<String>,
    pub(super) created: Option<SystemTime>,
    pub(super) mark: Mark,
    /// The command that removes the machine.
    pub(super) removal: String,
}

impl Line {
    pub(super) fn of(machine: &Machine, host: Option<&Host>, mark: Mark, removal: String) -> Self {
        let tag = machine.tags.iter().find_map(|tag| tag.strip_prefix("ONE_HOST_ID="));
        let host_id = host.and_then(|host| host.id).map(|id| id.to_string());
        Self {
            id: machine.id.clone(),
            host_id: host_id.or_else(|| tag.map(str::to_owned)),
            host_name: host.map(|host| host.name.clone()),
            state: machine.state_name.clone(),
            plan: machine.plan.clone(),
            place: machine.place.clone(),
            address: machine.addresses.first().map(ToString::to_string),
            created: machine.created,
            mark,
            removal,
        }
    }

    pub(super) fn gone(id: &MachineId, host: &Host, mark: Mark, spec: &Spec) -> Self {
        let own = |is_meant: fn(&Attribute) -> bool| {
            let mut names = spec.names(is_meant).into_iter();
            names.find_map(|name| host.provision(name).map(str::to_owned))
        };
        Self {
            id: id.clone(),
            host_id: host.id.map(|id| id.to_string()),
            host_name: Some(host.name.clone()),
            state: "-".to_owned(),
            plan: own(|one| one.is_plan),
            place: own(|one| one.is_place),
            address: None,
            created: None,
            mark,
            removal: format!(
                "oneprovision host delete {}",
                host.id.map(|id| id.to_string()).unwrap_or_default()
            ),
        }
    }

    pub(super) fn is_orphan(&self) -> bool {
        matches!(self.mark, Mark::NoHost | Mark::Replaced)
    }
}
