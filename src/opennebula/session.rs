//! Where oned is, who we are to it, and how long it gets: the `ONE_…` variables, or the user's files.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::http::url::is_http;
use crate::report::finding::Mistake;
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::system::environment::Environment;
use crate::system::file;

/// How long a call to oned may take where `ONE_XMLRPC_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest `one_auth` or `one_endpoint`: they hold a line.
const FILE_LIMIT: u64 = 64 << 10;

/// Where oned listens: `$ONE_XMLRPC`, else what a file `one_endpoint` says, else its default.
pub(super) fn endpoint(environment: &Environment) -> Result<String> {
    let (source, text) = match environment.get("ONE_XMLRPC")? {
        Some(text) => ("ONE_XMLRPC".to_owned(), text.to_owned()),
        None => match first_file(environment, "one_endpoint")? {
            Some((path, text)) => (path.display().to_string(), text),
            None => (String::new(), "http://localhost:2633/RPC2".to_owned()),
        },
    };
    let text = text.trim();
    if !is_http(text) {
        bail!(Mistake::new(format!("{source} is not an address of oned"), "set it to http://HOST:2633/RPC2"));
    }
    Ok(text.to_owned())
}

/// Who we are to oned: the first line of `$ONE_AUTH`, or of a file `one_auth`.
pub(super) fn session(environment: &Environment, report: &Report) -> Result<Secret> {
    let (path, text) = match environment.get("ONE_AUTH")? {
        Some(path) => {
            let path = PathBuf::from(path);
            let text = read_text(&path).with_context(|| {
                let what = format!("ONE_AUTH names {}, which cannot be read", path.display());
                Mistake::new(what, "set it to a file with USER:PASSWORD")
            })?;
            (path, text)
        }
        None => first_file(environment, "one_auth")?.with_context(|| {
            let looked: Vec<String> =
                homes(environment).iter().map(|home| home.join("one_auth").display().to_string()).collect();
            let what = format!("there is no one_auth ({})", looked.join(", "));
            Mistake::new(what, "run as oneadmin, or set ONE_AUTH to a file with USER:PASSWORD")
        })?,
    };
    warn_if_exposed(&path, "holds the password of oned", report);
    let line = text.lines().next().unwrap_or_default().trim();
    if !line.contains(':') {
        bail!(Mistake::new(format!("{} has no USER:PASSWORD in its first line", path.display()), "write it anew"));
    }
    Ok(Secret::new(line))
}

/// How long a call to oned may take: `$ONE_XMLRPC_TIMEOUT`, in seconds.
pub(super) fn timeout(environment: &Environment) -> Result<Duration> {
    let Some(text) = environment.get("ONE_XMLRPC_TIMEOUT")? else {
        return Ok(TIMEOUT);
    };
    text.trim()
        .parse::<u32>()
        .ok()
        .filter(|seconds| *seconds > 0)
        .map(|seconds| Duration::from_secs(seconds.into()))
        .with_context(|| Mistake::new(format!("ONE_XMLRPC_TIMEOUT is {text:?}"), "set it to a number of seconds"))
}

/// Warns where others than the owner and its group may read the file at `path`, which `holds` something.
pub fn warn_if_exposed(path: &Path, holds: &str, report: &Report) {
    if is_exposed(path) {
        report.warn(format_args!("{} {holds} and can be read by every user: chmod 600 it", path.display()));
    }
}

/// Whether others than the owner and its group may read the file at `path`.
pub fn is_exposed(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}

/// The first of the user's and of oneadmin's files of this name that exists, and its text.
fn first_file(environment: &Environment, name: &str) -> Result<Option<(PathBuf, String)>> {
    for home in homes(environment) {
        let path = home.join(name);
        match read_text(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            // Another user's home: as if it were not there.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => {
                let mistake = Mistake::new(format!("{} cannot be read", path.display()), "make it a file of text");
                return Err(anyhow!(file::reason(&error)).context(mistake));
            }
        }
    }
    Ok(None)
}

fn read_text(path: &Path) -> io::Result<String> {
    let (bytes, _) = file::read(path, FILE_LIMIT)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not in UTF-8"))
}

fn homes(environment: &Environment) -> Vec<PathBuf> {
    let own = environment.get("HOME").ok().flatten().map(PathBuf::from);
    own.into_iter().chain([PathBuf::from("/var/lib/one")]).map(|home| home.join(".one")).collect()
}
