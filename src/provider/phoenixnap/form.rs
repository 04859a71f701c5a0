//! How the attributes of phoenixNAP are written: the alphabets are those of its descriptions.

use super::super::kit::*;

/// The most characters of a host name, of a tag's name and of its value.
const LONGEST: usize = 100;
/// The most characters of a host name that is made here: Linux takes no more (HOST_NAME_MAX).
const OWN: usize = 64;

/// The operating systems that take user data for cloud-init (`OsConfiguration.cloudInit.userData`).
#[rustfmt::skip]
const CLOUD_INIT: &[&str] = &[
    "ubuntu/bionic", "ubuntu/focal", "ubuntu/jammy", "debian/bullseye", "debian/bookworm", "centos/centos7",
    "centos/centos8", "almalinux/almalinux8", "almalinux/almalinux9", "rockylinux/rockylinux8",
    "rockylinux/rockylinux9", "virtuozzo/virtuozzo7",
];

/// Reads `HOSTNAME`.
pub(super) fn hostname(written: &str) -> Result<Value> {
    let has_letter = written.bytes().any(|byte| byte.is_ascii_alphabetic());
    if !has_letter || written.len() > LONGEST || !is_plain(written, "().-") {
        let remedy = "write up to 100 letters, digits, dots and hyphens, with a letter among them";
        bail!(Mistake::new(format!("is {written:?}"), remedy));
    }
    Ok(json!(written))
}

/// The host name of a server whose host names none, as an order must have one: `one-`, and what the owner's mark says of
/// the host.
pub(super) fn own_hostname(mark: &str) -> String {
    let (_, value) = mark.split_once('=').unwrap_or(("", mark));
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = "one-".chars().chain(value.chars().map(plain)).take(OWN).collect();
    name.trim_end_matches('-').to_owned()
}

/// Reads `TAGS`.
pub(super) fn tags(written: &str) -> Result<Value> {
    let is_own = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c) || ('À'..='ú').contains(&c);
    let is_word = |word: &str| word.chars().count() <= LONGEST && word.chars().all(is_own);
    for tag in words(written) {
        let (name, value) = tag.split_once('=').unwrap_or((&tag, ""));
        if name.trim().is_empty() || !is_word(name.trim()) || !is_word(value.trim()) {
            let remedy = "write name or name=value, each of up to 100 letters, digits, _ and -";
            bail!(Mistake::new(format!("has {tag:?}"), remedy));
        }
    }
    Ok(Value::Null)
}

/// USERDATA as it is: the keys go with the order itself.
pub(super) fn user_data(host: &Host) -> Result<Payload> {
    let own = host.provision("USERDATA").unwrap_or_default();
    let system = host.provision("OS").unwrap_or_default().trim();
    if !own.is_empty() && !system.is_empty() && !CLOUD_INIT.contains(&system) {
        let near = closest(system, CLOUD_INIT.iter().copied());
        let remedy = format!("leave it out, or set OS to one that takes it, such as {near}");
        bail!(Mistake::new(format!("is not taken by the operating system {system:?}"), remedy));
    }
    Ok(Payload::own(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_what_the_api_takes() {
        for name in ["edge-1", "node7.example", "a", "7(a)"] {
            assert!(hostname(name).is_ok(), "{name}");
        }
        for name in ["7", "one_7", "one 7", "édge", &"a".repeat(101)] {
            assert!(hostname(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_host_name_is_made_of_the_mark() {
        let mark = "ONE_PROVISION_HOST=7a15cf52-8e99-4887-a6a6-ebf8d8536437-7";
        assert_eq!(own_hostname(mark), "one-7a15cf52-8e99-4887-a6a6-ebf8d8536437-7");
        for mark in [mark, "ONE_ORDER=0_1", "ONE_HOST_NAME=provision-ff", &format!("A={}", "é/".repeat(90))] {
            let name = own_hostname(mark);
            assert!(hostname(&name).is_ok() && name.len() <= OWN, "{name}");
        }
    }

    #[test]
    fn tags_are_of_a_small_alphabet() {
        for text in ["team=blue", "plain", "é=ú, A_b-3=C", "team="] {
            assert!(tags(text).is_ok(), "{text}");
        }
        for text in ["team=blue & red", "a.b", "=x", "a=b=c", "x:7", &format!("a={}", "b".repeat(101))] {
            assert!(tags(text).is_err(), "{text}");
        }
    }

    #[test]
    fn user_data_is_for_operating_systems_that_take_it() -> Result<()> {
        let read = |os: &str, own: &str| {
            let text = format!("<HOST><ID>7</ID><TEMPLATE><PROVISION><OS>{os}</OS>{own}</PROVISION></TEMPLATE></HOST>");
            user_data(&Host::parse(&text)?.0)
        };
        let own = "<USERDATA>#!/bin/sh\ntrue</USERDATA>";
        assert_eq!(read("ubuntu/jammy", own)?.data, b"#!/bin/sh\ntrue");
        assert_eq!(read("esxi/esxi80", "")?, Payload::default());
        let refused = read("ubuntu/noble", own).unwrap_err().to_string();
        assert!(refused.contains("\"ubuntu/noble\"") && refused.contains("ubuntu/jammy"), "{refused}");
        Ok(())
    }
}
