//! What could not be read, and why.

use std::fmt;

use serde_json::{Value, json};

use crate::opennebula::host::{Host, HostId};
use crate::provider::Provider;
use crate::report::finding::Mistake;

/// What could not be read.
pub(super) struct Failure {
    /// The provider whose account it is, if it is one.
    account: Option<&'static str>,
    /// The host that names the account, if one does.
    host: Option<Host>,
    mistake: Mistake,
}

impl Failure {
    /// oned could not be asked for its hosts.
    pub(super) fn of_oned(mistake: Mistake) -> Self {
        let what = format!("which machines are orphans is not known, for {}", mistake.what);
        Self { account: None, host: None, mistake: Mistake { what, ..mistake } }
    }

    /// No account is known.
    pub(super) fn no_account() -> Self {
        let mistake = Mistake::new(
            "which machines there are is not known, for no host in oned names an account and the environment has no credentials",
            "set those of a provider",
        );
        Self { account: None, host: None, mistake }
    }

    /// oned does not give the host whose account is meant.
    pub(super) fn of_host(id: HostId, mistake: Mistake) -> Self {
        let what = format!("the machines of host {id} are unknown, as it cannot be asked for: {}", mistake.what);
        let host = Host { id: Some(id), ..Host::default() };
        Self { account: None, host: Some(host), mistake: Mistake { what, ..mistake } }
    }

    /// The machines of an account could not be listed: that of a host, or of the environment.
    pub(super) fn of_account(provider: &dyn Provider, host: Option<&Host>, mistake: Mistake) -> Self {
        let name = provider.spec().name;
        let whose = match host {
            Some(host) => format!("{} ({name})", host.called()),
            None => format!("the environment's account ({name})"),
        };
        let lead = format!("the machines of {whose} are unknown, as they cannot be listed");
        Self::about(provider, host, &lead, mistake)
    }

    /// The machine of a host could not be looked at.
    pub(super) fn of_machine(provider: &dyn Provider, host: &Host, mistake: Mistake) -> Self {
        let lead = format!("the machine of {} cannot be looked at", host.called());
        Self::about(provider, Some(host), &lead, mistake)
    }

    fn about(provider: &dyn Provider, host: Option<&Host>, lead: &str, mistake: Mistake) -> Self {
        let what = format!("{lead}: {}", mistake.what);
        Self { account: Some(provider.spec().name), host: host.cloned(), mistake: Mistake { what, ..mistake } }
    }

    pub(super) fn json(&self) -> Value {
        let host = self.host.as_ref();
        json!({
            "account": self.account,
            "host": host.and_then(|host| host.id).map(|id| id.0),
            "host_name": host.map(|host| host.name.clone()),
            "message": self.mistake.what,
            "remedy": self.mistake.remedy,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake.fmt(f)
    }
}
