//! Whether the links of the drivers that were installed are ours still. An upgrade of OpenNebula's package puts its own
//! scripts there, where neither dpkg nor rpm was told to keep them out; oneprovision then calls those, without a word.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Outcome;
use crate::provider;
use crate::report::finding::Finding;
use crate::system::{file, process};

/// The list of the drivers that were installed, beside the binary: `install.sh` and the packages write it.
const LIST: &str = "pm-packet.drivers";
/// The most bytes of it that are read.
const LIMIT: u64 = 1 << 16;
/// What each link of a driver points to.
const TARGET: &str = "../pm-packet";
/// How the hook of host high availability is listed, the link that it is, and what that points to.
const FENCE: &str = "fence";
const HOOK: (&[&str], &str) = (&["fence_host.sh"], "../../pm/pm-packet");
/// The six links of a driver.
const ACTIONS: [&str; 6] = ["cancel", "deploy", "poll", "reboot", "reset", "shutdown"];

/// A driver, or the hook, some of whose links are not ours any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Displaced {
    /// Its name.
    pub(super) driver: String,
    /// Where its links belong.
    folder: PathBuf,
    /// Which are not ours.
    actions: Vec<&'static str>,
}

impl Displaced {
    /// The drivers of the installation that this binary is the program of.
    pub(super) fn all() -> Vec<Self> {
        process::folder_of_program().map(|folder| Self::of(&folder)).unwrap_or_default()
    }

    /// Those of the folder `remotes/pm`.
    fn of(pm: &Path) -> Vec<Self> {
        // Without a list nothing was installed there.
        let text = file::read(&pm.join(LIST), LIMIT).map(|(bytes, _)| bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let names = text.lines().filter(|name| *name == FENCE || provider::named(name).is_ok());
        names.map(|name| Self::look(pm, name)).filter(|one| !one.actions.is_empty()).collect()
    }

    fn look(pm: &Path, driver: &str) -> Self {
        let (folder, links, target) = match driver {
            FENCE => (pm.with_file_name("hooks").join("ft"), HOOK.0, HOOK.1),
            _ => (pm.join(driver), &ACTIONS[..], TARGET),
        };
        let is_ours = |link: &&str| fs::read_link(folder.join(link)).is_ok_and(|to| to == Path::new(target));
        let actions = links.iter().copied().filter(|link| !is_ours(link)).collect();
        Self { driver: driver.to_owned(), folder, actions }
    }

    /// What is wrong.
    pub(super) fn what(&self) -> String {
        let folder = self.folder.display();
        format!("not ours any more in {folder}: {}; OpenNebula calls what stands there", self.actions.join(", "))
    }

    /// What to do.
    pub(super) fn remedy() -> &'static str {
        "run install.sh, or install the package, again: it keeps what stands there, and mends the links"
    }

    /// The same as a finding: of the driver that is checked, or of another one.
    pub(super) fn finding(&self, is_checked: bool) -> Finding {
        match is_checked {
            true => Finding::bad("links", self.what(), Self::remedy()),
            false => Finding::doubtful("links", self.what(), Self::remedy()),
        }
    }

    /// The same in JSON.
    pub(super) fn json(&self) -> Value {
        json!({ "driver": self.driver, "folder": self.folder.display().to_string(), "actions": self.actions })
    }

    /// How it stands with an installation of which these are not ours.
    pub(super) fn outcome(displaced: &[Self]) -> Outcome {
        if displaced.is_empty() { Outcome::Well } else { Outcome::Unwell }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_stands_at_the_place_of_a_link_is_seen() {
        let pm = std::env::temp_dir().join(format!("pm-packet-links-{}", std::process::id()));
        for driver in ["packet", "ec2", "dummy"] {
            fs::create_dir_all(pm.join(driver)).unwrap();
            for action in ACTIONS {
                symlink(TARGET, pm.join(driver).join(action)).unwrap();
            }
        }
        assert_eq!(Displaced::of(&pm), [], "there is no list");
        fs::write(pm.join(LIST), "packet\nec2\n../dummy\nnosuch\n\u{1f}").unwrap();
        assert_eq!(Displaced::of(&pm), []);
        fs::remove_file(pm.join("packet/poll")).unwrap();
        fs::write(pm.join("packet/poll"), "#!/bin/sh").unwrap();
        fs::remove_file(pm.join("packet/reset")).unwrap();
        fs::remove_file(pm.join("dummy/reset")).unwrap();
        let displaced = Displaced::of(&pm);
        let [one] = &displaced[..] else { panic!("{displaced:?}") };
        assert_eq!((one.driver.as_str(), &one.actions[..]), ("packet", &["poll", "reset"][..]));
        assert!(one.what().contains("/packet: poll, reset; OpenNebula"), "{}", one.what());
        assert_eq!(Displaced::outcome(&displaced), Outcome::Unwell);
        fs::write(pm.join(LIST), "fence\n").unwrap();
        let hook = Displaced::of(&pm).pop().unwrap();
        assert!(hook.what().contains("/hooks/ft: fence_host.sh; "), "{}", hook.what());
        fs::remove_dir_all(&pm).unwrap();
    }
}
