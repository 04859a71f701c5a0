//! The record of a host's machine in oned, as the engine asks for it.
//!
//! oneprovision stores DEPLOY_IDs only after all deploys of a provision succeeded, so a machine of a deploy that went
//! well is lost where another one fails. With its id in the host, whoever deletes the host cancels the machine.

use anyhow::{Result, anyhow};

use crate::engine::{Record, Unrecorded};
use crate::opennebula::host::HostId;
use crate::opennebula::oned::Oned;
use crate::opennebula::record::RecordError;
use crate::opennebula::settings::Settings;
use crate::provider::form::yes_or_no;
use crate::provider::machine::MachineId;
use crate::report::frame::Report;

/// A host in oned.
pub(super) struct HostRecord {
    oned: Oned,
    host: HostId,
    report: Report,
}

impl HostRecord {
    /// The record of a host, unless `PM_RECORD` says no.
    ///
    /// # Errors
    /// The setting is neither a yes nor a no.
    pub(super) fn of(oned: Oned, host: HostId, settings: &Settings<'_>, report: Report) -> Result<Option<Self>> {
        let is_wanted = match settings.get("PM_RECORD")? {
            None => true,
            Some(text) => yes_or_no(text).map_err(|error| anyhow!("PM_RECORD {error}"))?,
        };
        Ok(is_wanted.then_some(Self { oned, host, report }))
    }
}

impl Record for HostRecord {
    fn write(&self, machine: Option<&MachineId>) -> Result<(), Unrecorded> {
        self.oned.record(self.host, machine.map(MachineId::as_str)).map_err(unrecorded)?;
        self.report.info(match machine {
            Some(_) => {
                format!("oned has the DEPLOY_ID of host {}: whoever deletes the host cancels the machine", self.host)
            }
            None => format!("oned has no DEPLOY_ID of host {} any more", self.host),
        });
        Ok(())
    }

    fn look(&self) -> Result<(), Unrecorded> {
        self.oned.look(self.host).map_err(unrecorded)
    }
}

fn unrecorded(error: RecordError) -> Unrecorded {
    match error {
        RecordError::NoSuchHost(why) => Unrecorded::NoSuchHost(why),
        RecordError::Other(why) => Unrecorded::Other(format!("{why:#}")),
    }
}
