//! Settings: of one host, or for all of them.

use anyhow::Result;

use crate::opennebula::host::Host;
use crate::system::environment::Environment;

/// Where settings are read: each is a `PROVISION` attribute of the host, with the environment variable of
/// the same name as its default.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The host, if there is one.
    pub host: Option<&'a Host>,
    /// The environment.
    pub environment: &'a Environment,
}

impl<'a> Settings<'a> {
    /// A setting that is not blank, without the blanks around it.
    ///
    /// # Errors
    /// The environment variable is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&'a str>> {
        let own = self.host.and_then(|host| host.provision(name)).map(str::trim).filter(|value| !value.is_empty());
        match own {
            Some(value) => Ok(Some(value)),
            None => Ok(self.environment.get(name)?.map(str::trim)),
        }
    }
}
