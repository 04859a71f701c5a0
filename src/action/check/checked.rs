//! The host that is checked: from a file, its secrets from oned; all of it from oned; or one of a provision template.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, anyhow};

use super::given::Given;
use super::{Context, host_id};
use crate::action::target::of_oned;
use crate::opennebula::deployment_file;
use crate::opennebula::host::{Host, HostId};
use crate::opennebula::oned::{Oned, OnedError, Which};
use crate::opennebula::session::is_exposed;
use crate::opennebula::template::Planned;
use crate::provider::spec::Spec;
use crate::report::finding::Finding;
use crate::report::secret::Secret;

/// Where a host comes from.
pub(super) enum Origin {
    /// Its XML, before it is in oned.
    File,
    /// oned, for its secrets at least.
    Oned(HostId),
    /// A provision template: nothing is known of it to oned, nor to the provider.
    Template,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the deployment file"),
            Self::Oned(id) => write!(f, "host {id}, from oned"),
            Self::Template => f.write_str("the template"),
        }
    }
}

/// A host, its secrets in the clear as far as they are to be had, and what came up on the way.
pub(super) struct Checked {
    pub(super) host: Host,
    pub(super) origin: Origin,
    /// Every secret that was seen, in the clear or not: none is shown.
    pub(super) secrets: Vec<Secret>,
    pub(super) findings: Vec<Finding>,
}

impl Checked {
    /// The host whose XML was `given`.
    pub(super) fn from_xml(given: &Given, context: &Context<'_>) -> Result<Self> {
        let (host, warnings) = deployment_file::parse(&given.name("deployment file"), &given.bytes)?;
        let spec = context.provider_of(Some(&host))?.spec();
        let mut checked = Self {
            secrets: secrets_of(&host, spec),
            origin: host.id.map_or(Origin::File, Origin::Oned),
            host,
            findings: warnings.into_iter().map(|warning| Finding::doubtful("file", warning, "mend it")).collect(),
        };
        match checked.host.id {
            _ if spec.secrets().is_empty() => {}
            Some(id) => checked.decrypt(id, spec, context)?,
            None if given.path.is_some_and(is_exposed) && !checked.secrets.is_empty() => {
                let what = "every user can read the file, and the token in it";
                checked.findings.push(Finding::doubtful("file", what, "chmod 600 it"));
            }
            None => {}
        }
        Ok(checked)
    }

    /// A host of a template, for a provider that is `spec`.
    pub(super) fn planned(planned: Planned, exposed: &[(PathBuf, Secret)], spec: &Spec) -> Self {
        let Planned { host, mut findings } = planned;
        let secrets = secrets_of(&host, spec);
        for (path, text) in exposed {
            if secrets.iter().any(|secret| !secret.expose().is_empty() && text.expose().contains(secret.expose())) {
                let what = format!("every user can read {}, and the token in it", path.display());
                findings.push(Finding::doubtful("file", what, "chmod 600 it"));
            }
        }
        Self { host, origin: Origin::Template, secrets, findings }
    }

    pub(super) fn from_oned(id: &str, context: &Context<'_>) -> Result<Self> {
        let id = host_id(id)?;
        let (host, oned) = ask_oned(id, context)?;
        let spec = context.provider_of(Some(&host))?.spec();
        let mut findings = vec![Finding::good("oned", format!("answers at {}", oned.endpoint()))];
        findings.extend(in_clear(&oned, id, &host, spec));
        Ok(Self { secrets: secrets_of(&host, spec), origin: Origin::Oned(id), host, findings })
    }

    /// Takes the secrets from oned, and the DEPLOY_ID that it may know.
    fn decrypt(&mut self, id: HostId, spec: &Spec, context: &Context<'_>) -> Result<()> {
        let names = &spec.secrets()[..];
        match ask_oned(id, context) {
            Ok((known, oned)) => {
                self.secrets.extend(secrets_of(&known, spec));
                self.host.take_provision(&known, names);
                if self.host.deploy_id().is_none() {
                    self.host.take_provision(&known, &["DEPLOY_ID"]);
                }
                self.findings.push(Finding::good("oned", format!("answers at {}", oned.endpoint())));
                self.findings.extend(in_clear(&oned, id, &known, spec));
            }
            Err(OnedError::CannotAsk(why)) if context.has_credentials(context.provider_of(Some(&self.host))?)? => {
                let remedy = "deploy will use the credentials of the environment";
                self.findings.push(Finding::doubtful("oned", format!("{why:#}"), remedy));
                self.host.drop_provision(names);
            }
            Err(why) => {
                // What the file has is encrypted: of no use to the provider.
                self.host.drop_provision(names);
                self.findings.push(Finding::of("oned", of_oned(&anyhow!(why))));
            }
        }
        Ok(())
    }
}

fn ask_oned(id: HostId, context: &Context<'_>) -> Result<(Host, Oned), OnedError> {
    let oned = Oned::open(context.environment, &context.interrupt, context.report)?;
    let host = oned.host(Which::Id(id))?;
    Ok((host, oned))
}

/// The secrets of `host` that oned shows in the clear to whoever may see the host. Stock oned.conf encrypts those of the
/// drivers that came with it, and no others (`HOST_ENCRYPTED_ATTR`, since 5.10).
fn in_clear(oned: &Oned, id: HostId, host: &Host, spec: &Spec) -> Option<Finding> {
    let shown = oned.host_as_shown(id).ok()?;
    let is_clear = |name: &&str| host.provision(name).is_some_and(|text| shown.provision(name) == Some(text));
    let clear: Vec<&str> = spec.secrets().into_iter().filter(is_clear).collect();
    if clear.is_empty() {
        return None;
    }
    let lines: Vec<String> = clear.iter().map(|name| format!("HOST_ENCRYPTED_ATTR = \"PROVISION/{name}\"")).collect();
    let what = format!("it shows {} in clear to whoever may see the host", clear.join(" and "));
    let remedy =
        format!("add {} to oned.conf, restart oned, and write the host anew with onehost update", lines.join(" and "));
    Some(Finding::doubtful("oned", what, remedy))
}

fn secrets_of(host: &Host, spec: &Spec) -> Vec<Secret> {
    let names = spec.secrets().into_iter();
    let values = names.filter_map(|name| host.provision(name));
    values.map(|value| Secret::new(value.trim())).collect()
}
