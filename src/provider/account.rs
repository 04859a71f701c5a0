//! The settings that say which account is meant.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::attribute::Attribute;
use super::spec::Spec;
use crate::opennebula::settings::Settings;
use crate::report::finding::Mistake;
use crate::report::secret::Secret;

/// The settings of an account, each read by its form. None of them can be printed by accident.
#[derive(Clone, Debug, Default)]
pub struct Account(BTreeMap<&'static str, Secret>);

impl Account {
    /// Reads the attributes of `spec` that are part of the account.
    ///
    /// # Errors
    /// A credential is missing, or a setting malformed: which, and the remedy.
    pub fn read(spec: &Spec, settings: &Settings<'_>) -> Result<Self> {
        let mut account = Self::default();
        for attribute in spec.attributes.iter().filter(|one| one.is_account) {
            let name = attribute.name;
            match settings.get(name)?.or(attribute.default) {
                Some(text) => {
                    if let Err(error) = attribute.read(text) {
                        bail!(Mistake::of(&error).about(name));
                    }
                    account.0.insert(name, Secret::new(text));
                }
                None if attribute.is_secret && attribute.is_required => {
                    let misspelt = settings.host.map(|host| spec.misspelt(host, [name].into_iter()));
                    let Mistake { what, remedy } = lacking(&[name]);
                    bail!(Mistake::new(what, misspelt.unwrap_or_default() + &remedy))
                }
                None => {}
            }
        }
        Ok(account)
    }

    /// A setting in the clear; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.secret(name).map_or("", Secret::expose)
    }

    /// Sees to it that there are these settings.
    ///
    /// # Errors
    /// Those that are missing.
    pub fn need(&self, names: &[&str]) -> Result<()> {
        let missing: Vec<&str> = names.iter().copied().filter(|name| self.get(name).is_empty()).collect();
        match missing[..] {
            [] => Ok(()),
            _ => bail!(lacking(&missing)),
        }
    }

    /// The address that a setting is, which paths are added to.
    pub fn base(&self, name: &str) -> String {
        self.get(name).trim_end_matches('/').to_owned()
    }

    /// What to do where the address is that of a service that there is no more.
    pub fn ended(&self, spec: &Spec) -> Option<&'static str> {
        let mut addresses = spec.attributes.iter().filter(|one| one.is_address);
        let is_default = |one: &&Attribute| one.default == Some(self.get(one.name));
        addresses.find(is_default)?.ended
    }

    /// A setting, if there is one.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }
}

/// The mistake that there are no such settings.
pub fn lacking(names: &[&str]) -> Mistake {
    let remedy = "put it into the section provision of the host's template";
    Mistake::new(format!("there is no {}", names.join(" and no ")), remedy)
}
