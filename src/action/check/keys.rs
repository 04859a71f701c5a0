//! SSH keys: what they are called, and whether they reach the host.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::opennebula::host::Host;
use crate::report::finding::Finding;
use crate::system::file;

/// The largest key file that is looked at.
const KEY_LIMIT: u64 = 64 << 10;

/// What is to be said of the keys by which the host is reached for its configuration. `is_said`: the provider's
/// questions said something of them already.
pub fn findings(host: &Host, is_said: bool) -> Vec<Finding> {
    const ABOUT: &str = "ssh key";
    let keys = host.ssh_keys();
    let count = keys.iter().filter(|key| blob(key).is_some()).count();
    let mut findings = Vec::new();
    if count > 0 {
        findings.push(Finding::good(ABOUT, format!("the context has {count}")));
    } else if !keys.is_empty() {
        findings.push(Finding::doubtful(
            ABOUT,
            "SSH_PUBLIC_KEY in the context is not a public key",
            "put the line of an id_rsa.pub there",
        ));
    } else if !is_said && host.deploy_id().is_none() {
        findings.push(Finding::doubtful(
            ABOUT,
            "the context has none",
            "put the front-end's key into CONTEXT/SSH_PUBLIC_KEY of the host's template",
        ));
    }
    for name in ["PRIVATE_KEY", "PUBLIC_KEY"] {
        let path = host.attribute("PROVISION_CONNECTION", name);
        if let Some(path) = path.map(str::trim).filter(|path| !path.is_empty()) {
            findings.extend(of_file(name, path, &keys));
        }
    }
    findings
}

/// What is wrong with a key file of the connection.
fn of_file(name: &str, path: &str, keys: &[&str]) -> Option<Finding> {
    match file::read(Path::new(path), KEY_LIMIT) {
        Err(error) => Some(Finding::doubtful(
            "connection",
            format!("{name} {path} cannot be read ({})", file::reason(&error)),
            "oneadmin needs it to configure the host",
        )),
        Ok((bytes, _)) if name == "PUBLIC_KEY" => {
            let text = String::from_utf8_lossy(&bytes);
            let own = text.lines().next().and_then(blob);
            let is_strange = own.is_some() && !keys.iter().any(|key| blob(key) == own);
            is_strange.then(|| {
                Finding::doubtful(
                    "connection",
                    format!("the key in {path} is none of the context's"),
                    "add it to CONTEXT/SSH_PUBLIC_KEY, or the host cannot be reached with it",
                )
            })
        }
        Ok(_) => None,
    }
}

/// The file of a key, and whether it can be read.
pub fn told_file(name: &str, path: &str) -> String {
    match file::read(Path::new(path), KEY_LIMIT) {
        Err(error) => format!("{path} (cannot be read: {})", file::reason(&error)),
        Ok((bytes, _)) if name == "PUBLIC_KEY" => {
            let key = String::from_utf8_lossy(&bytes);
            match key.lines().next().and_then(fingerprint) {
                Some(print) => format!("{path} ({print})"),
                None => format!("{path} (readable, but no public key)"),
            }
        }
        Ok(_) => format!("{path} (readable)"),
    }
}

/// What a key is called: its fingerprint as `ssh-keygen -l` prints it, its type and its comment.
pub fn told_key(line: &str) -> String {
    fingerprint(line).unwrap_or_else(|| "(no public key)".to_owned())
}

fn fingerprint(line: &str) -> Option<String> {
    let blob = blob(line)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, &blob);
    let kind = kind(&blob)?;
    let comment = line.split_whitespace().skip_while(|word| *word != kind).nth(2).unwrap_or("no comment");
    Some(format!("SHA256:{} {comment} ({kind})", STANDARD_NO_PAD.encode(digest)))
}

/// The key in a line of `authorized_keys`: the word that is one in base64.
fn blob(line: &str) -> Option<Vec<u8>> {
    let mut words = line.split_whitespace();
    words.find_map(|word| {
        let bytes = STANDARD.decode(word).ok()?;
        let kind = kind(&bytes)?.to_owned();
        line.contains(&kind).then_some(bytes)
    })
}

/// The type that a key names itself: a length of four bytes and the name (RFC 4253, 6.6).
fn kind(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let name = rest.get(..u32::from_be_bytes(*length) as usize)?;
    std::str::from_utf8(name).ok().filter(|name| name.len() > 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_prints() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
        assert_eq!(
            fingerprint(key).as_deref(),
            Some("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU github (ssh-ed25519)")
        );
        assert_eq!(fingerprint("ssh-rsa AAAAB3Nza test@one"), None);
        assert_eq!(fingerprint(""), None);
    }
}
