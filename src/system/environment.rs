//! The environment of the process, as a value that is handed down.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result};

/// The variables of an environment.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable that is set and not blank.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.0.get(OsStr::new(name)) else {
            return Ok(None);
        };
        let value =
            value.to_str().with_context(|| format!("the environment variable {name} is not UTF-8: set it anew"))?;
        Ok(Some(value).filter(|value| !value.trim().is_empty()))
    }

    /// The same of a variable that only says how things look: one that is not UTF-8 is as if it were not set.
    pub fn look(&self, name: &str) -> Option<&str> {
        self.get(name).ok().flatten()
    }
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}
