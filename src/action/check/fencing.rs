//! `check --fence`: whether a host could be fenced.

use anyhow::Result;

use super::checked::Checked;
use super::{Context, Inquiry, host};
use crate::action::fence;

impl Inquiry {
    /// Finds out whether the host could be fenced, and touches nothing.
    pub(super) fn of_fencing(checked: Checked, context: &Context<'_>) -> Result<Self> {
        let Checked { host, secrets, mut findings, .. } = checked;
        let provider = context.provider_of(Some(&host))?;
        let (mut sections, _) = host::read(&host, provider.spec());
        sections.truncate(2);
        findings.extend(fence::rehearse(&host, context)?);
        let mut inquiry = Self { subject: "Fencing", called: host.called(), sections, findings };
        inquiry.redact(&secrets);
        Ok(inquiry)
    }
}
