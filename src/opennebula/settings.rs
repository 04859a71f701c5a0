//! Settings: of one host, or for all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Result, bail};

use crate::opennebula::host::Host;
use crate::opennebula::session::is_exposed;
use crate::report::finding::Mistake;
use crate::report::secret::Secret;
use crate::system::environment::Environment;
use crate::system::file;

/// The largest settings file that is read.
const LIMIT: u64 = 64 << 10;

/// Where settings are read: each is a `PROVISION` attribute of the host, else the environment variable of the same name,
/// else a line of the driver's settings file.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The host, if there is one.
    pub host: Option<&'a Host>,
    /// The environment.
    pub environment: &'a Environment,
    /// The driver's settings file.
    pub file: Option<&'a SettingsFile>,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The host's template.
    Host,
    /// The environment.
    Environment,
    /// The settings file.
    File(&'a Path),
}

impl<'a> Settings<'a> {
    /// Those of a host and of the environment.
    pub fn of(host: Option<&'a Host>, environment: &'a Environment) -> Self {
        Self { host, environment, file: None }
    }

    /// A setting that is not blank, without the blanks around it.
    ///
    /// # Errors
    /// The environment variable is not UTF-8, or the settings file is malformed.
    pub fn get(&self, name: &str) -> Result<Option<&'a str>> {
        Ok(self.find(name)?.map(|(value, _)| value))
    }

    /// The same, and where it comes from.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn find(&self, name: &str) -> Result<Option<(&'a str, Source<'a>)>> {
        let own = self.host.and_then(|host| host.provision(name)).map(str::trim).filter(|value| !value.is_empty());
        if let Some(value) = own {
            return Ok(Some((value, Source::Host)));
        }
        if let Some(value) = self.environment.get(name)? {
            return Ok(Some((value.trim(), Source::Environment)));
        }
        let Some(file) = self.file else {
            return Ok(None);
        };
        Ok(file.get(name)?.map(|value| (value, Source::File(&file.path))))
    }
}

/// The settings file of a driver, `REMOTES/etc/pm/DRIVER/DRIVERrc`: where OpenNebula's own drivers have theirs.
pub struct SettingsFile {
    path: PathBuf,
    settings: Result<BTreeMap<String, Secret>, Mistake>,
    is_exposed: bool,
}

impl SettingsFile {
    /// Reads the file of `driver` under `remotes`; one that is not there has no settings.
    pub fn read(remotes: &Path, driver: &str) -> Self {
        let path = remotes.join("etc/pm").join(driver).join(format!("{driver}rc"));
        let settings = match file::read(&path, LIMIT) {
            Ok((bytes, _)) => parse(&path, &String::from_utf8_lossy(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(Mistake::new(
                format!("{} cannot be read ({})", path.display(), file::reason(&error)),
                "let the user that runs the driver read it",
            )),
        };
        let is_exposed = settings.as_ref().is_ok_and(|settings| !settings.is_empty()) && is_exposed(&path);
        Self { path, settings, is_exposed }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it has settings that every user of the system can read.
    pub fn is_exposed(&self) -> bool {
        self.is_exposed
    }

    fn get(&self, name: &str) -> Result<Option<&str>> {
        match &self.settings {
            Ok(settings) => Ok(settings.get(name).map(Secret::expose)),
            Err(mistake) => bail!(mistake.clone()),
        }
    }
}

/// Reads lines `KEY=value` as kvmrc has them: a value may stand in quotes, `export` before the key, and `#` begins a
/// remark. An error names the line, and nothing of it.
fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Secret>, Mistake> {
    let mut settings = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_key = |key: &str| {
            !key.is_empty()
                && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let setting = line.split_once('=').map(|(key, value)| (key.trim_end(), value.trim()));
        let setting = setting.filter(|(key, _)| is_key(key)).and_then(|(key, value)| Some((key, unquoted(value)?)));
        let Some((key, value)) = setting else {
            let what = format!("line {} of {} is no setting", number + 1, path.display());
            return Err(Mistake::new(what, "write it as KEY=value, with the key in capitals"));
        };
        if !value.is_empty() {
            settings.insert(key.to_owned(), Secret::new(value));
        }
    }
    Ok(settings)
}

/// `value` without the quotes around it; `None` where one is open. Behind an unquoted value may stand a remark.
fn unquoted(value: &str) -> Option<&str> {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (inner, rest) = value[1..].split_once(quote)?;
            let rest = rest.trim_start();
            (rest.is_empty() || rest.starts_with('#')).then_some(inner)
        }
        _ => Some(value.split(" #").next().unwrap_or_default().trim_end()),
    }
}

/// OpenNebula's folder of drivers and hooks, with the settings files of all drivers, each read when it is first asked for.
pub struct Remotes {
    folder: PathBuf,
    files: Vec<(&'static str, OnceLock<SettingsFile>)>,
}

impl Remotes {
    /// The folder, for these `drivers`.
    pub fn new(folder: PathBuf, drivers: impl Iterator<Item = &'static str>) -> Self {
        Self { folder, files: drivers.map(|name| (name, OnceLock::new())).collect() }
    }

    /// Where the settings files are, with `DRIVER` in place of a driver's name.
    pub fn settings_place(&self) -> String {
        self.folder.join("etc/pm/DRIVER/DRIVERrc").display().to_string()
    }

    /// The hook that OpenNebula calls to fence a host.
    pub fn fence_hook(&self) -> PathBuf {
        self.folder.join("hooks/ft/fence_host.sh")
    }

    /// The settings file of a driver, and whether it was read just now.
    pub fn settings_of(&self, driver: &str) -> Option<(&SettingsFile, bool)> {
        let (name, file) = self.files.iter().find(|(name, _)| *name == driver)?;
        let mut is_new = false;
        let file = file.get_or_init(|| {
            is_new = true;
            SettingsFile::read(&self.folder, name)
        });
        Some((file, is_new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let settings = parse(Path::new("packetrc"), text).map_err(|mistake| mistake.to_string())?;
        Ok(settings.into_iter().map(|(key, value)| (key, value.expose().to_owned())).collect())
    }

    #[test]
    fn a_settings_file_is_read_as_kvmrc_is() {
        let text = "# remark\n\n A=1\nexport B = two words # remark\nC=\"x#y\" # remark\nD='a\"b'\nE=\nF=a#b\nA=3\n";
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = [pair("A", "3"), pair("B", "two words"), pair("C", "x#y"), pair("D", "a\"b"), pair("F", "a#b")];
        assert_eq!(read(text), Ok(expected.to_vec()));
    }

    #[test]
    fn what_is_no_setting_is_named_by_its_line_and_not_told() {
        for line in ["token secret-1", "lower=secret-1", "A=\"secret-1", "A=\"secret-1\"x", "=secret-1", "A B=secret-1"]
        {
            let error = read(&format!("\n{line}\n")).unwrap_err();
            assert!(error.starts_with("line 2 of packetrc is no setting") && !error.contains("secret-1"), "{error}");
        }
    }
}
