//! A template with all that it extends, as `read_config` of oneprovision puts them together.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::opennebula::deployment_file::LIMIT;
use crate::opennebula::session::is_exposed;
use crate::report::secret::Secret;
use crate::system::file;
use crate::wire::tree::{Member, Tree};
use crate::wire::yaml;

/// The members of a mapping.
pub(super) type Members = Vec<Member<'static>>;

/// The sections of `defaults`, and of a host.
pub(super) const SECTIONS: [&str; 3] = ["connection", "provision", "configuration"];
/// How many files a template may consist of, each as often as it is extended.
const FILES: usize = 16;

/// Reads templates.
#[derive(Default)]
pub(super) struct Reader {
    /// Those that are being read, each extended by the one before it.
    open: Vec<PathBuf>,
    count: usize,
    /// What is doubtful about their form, as sentences.
    pub(super) warnings: Vec<String>,
    /// Those that every user can read, and what they say.
    pub(super) exposed: Vec<(PathBuf, Secret)>,
}

impl Reader {
    /// The template in `bytes`, which `source` names, and stands in the file `path` if it is in one.
    pub(super) fn read(&mut self, source: &str, path: Option<&Path>, bytes: &[u8]) -> Result<Members> {
        let (tree, warnings) = yaml::read(bytes).map_err(|error| {
            anyhow!("{source} is neither the XML of a host nor a provision template in YAML: {error}: mend it there")
        })?;
        self.warnings.extend(warnings.into_iter().map(|warning| format!("{source}: {warning}")));
        if let Some(path) = path.filter(|path| is_exposed(path)) {
            self.exposed.push((path.to_owned(), Secret::new(String::from_utf8_lossy(bytes))));
        }
        let Tree::Object(mut template) = tree else {
            bail!(
                "{source} is neither the XML of a host nor a provision template: give what oneprovision writes, what \
                 `onehost show -x` prints, or what `oneprovision create` takes"
            );
        };
        // From 5.10 on it may be a list.
        let mut parents = match take(&mut template, "extends") {
            Tree::Null | Tree::Flag(false) => Vec::new(),
            Tree::List(list) => list,
            one => vec![one],
        };
        let own = path.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let depth = self.open.len();
        self.open.extend(own);
        while let Some(parent) = parents.pop() {
            let Tree::Text(parent) = parent else {
                bail!("{source} extends something that is no path: write the path of a template");
            };
            let base = self.read_parent(source, Path::new(&*parent))?;
            template = merged(base, template)?;
        }
        self.open.truncate(depth);
        Ok(template)
    }

    /// The template that `source` extends: relative to the folder in which oneprovision is called.
    fn read_parent(&mut self, source: &str, path: &Path) -> Result<Members> {
        let shown = path.display();
        self.count += 1;
        if self.count == FILES {
            bail!("{source} extends {shown}, and with it more than {FILES} files in all: extend fewer");
        }
        let found = path.canonicalize();
        if found.is_ok_and(|path| self.open.contains(&path)) {
            bail!("{source} extends {shown}, which extends it in turn: take one of them out");
        }
        let (bytes, _) = file::read(path, LIMIT).map_err(|error| {
            anyhow!(
                "{source} extends {shown}, which cannot be read ({}): give its absolute path, for oneprovision takes \
                 another from the folder that it is called in",
                file::reason(&error)
            )
        })?;
        self.read(&format!("the provision template {shown}"), Some(path), &bytes)
    }
}

/// `base` extended by `child`: lists are appended, of `defaults` each section is merged, and all else is replaced.
fn merged(mut base: Members, mut child: Members) -> Result<Members> {
    for name in ["playbook", "playbooks"] {
        let playbooks = [take(&mut base, name), take(&mut child, name)].map(in_list).concat();
        if !playbooks.is_empty() {
            put(&mut child, name, Tree::List(playbooks));
        }
    }
    let mut defaults = mapping("defaults", take(&mut base, "defaults"))?;
    let mut own = mapping("defaults", take(&mut child, "defaults"))?;
    for section in SECTIONS {
        let mut members = mapping(section, take(&mut defaults, section))?;
        for (name, value) in mapping(section, take(&mut own, section))? {
            put(&mut members, &name, value);
        }
        put(&mut defaults, section, Tree::Object(members));
    }
    put(&mut base, "defaults", Tree::Object(defaults));
    for (name, value) in child {
        match (take(&mut base, &name), value) {
            (Tree::List(mut list), Tree::List(more)) => {
                list.extend(more);
                put(&mut base, &name, Tree::List(list));
            }
            (_, value) => put(&mut base, &name, value),
        }
    }
    Ok(base)
}

fn in_list(tree: Tree<'static>) -> Vec<Tree<'static>> {
    match tree {
        Tree::Null => Vec::new(),
        Tree::List(list) => list,
        one => vec![one],
    }
}

/// The members of the section `name`; one that is not there has none.
pub(super) fn mapping(name: &str, tree: Tree<'static>) -> Result<Members> {
    match tree {
        Tree::Null => Ok(Vec::new()),
        Tree::Object(members) => Ok(members),
        _ => bail!("the section {name} of the template has no names with values: write each as NAME: VALUE"),
    }
}

/// Takes the member `name` out; null where there is none.
pub(super) fn take(members: &mut Members, name: &str) -> Tree<'static> {
    match members.iter().position(|(own, _)| own == name) {
        Some(at) => members.remove(at).1,
        None => Tree::Null,
    }
}

/// Sets the member `name`.
pub(super) fn put(members: &mut Members, name: &str, value: Tree<'static>) {
    match members.iter_mut().find(|(own, _)| own == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned().into(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Result<Members> {
        mapping("test", yaml::read(text.as_bytes())?.0)
    }

    #[test]
    fn what_extends_is_merged_as_oneprovision_does() -> Result<()> {
        let base = "a: 1\nb: {x: 1}\nhosts: [1]\nplaybook: p\ndefaults: {provision: {a: 1, b: {x: 1}}, other: 1, configuration: }";
        let child = "b: {y: 1}\nhosts: [2]\nplaybook: [q]\nc: 1\ndefaults: {provision: {b: {y: 1}, c: 1}, more: 1}";
        let whole = Tree::Object(merged(members(base)?, members(child)?)?);
        for (path, number) in [("a", 1.0), ("b.y", 1.0), ("hosts.0", 1.0), ("hosts.1", 2.0), ("c", 1.0)] {
            assert_eq!(whole.number(path), Some(number), "{path}");
        }
        assert_eq!([whole.text("playbook.0"), whole.text("playbook.1")], [Some("p"), Some("q")]);
        for path in ["provision.a", "provision.b.y", "provision.c", "other"] {
            assert_eq!(whole.number(&format!("defaults.{path}")), Some(1.0), "{path}");
        }
        for path in ["b.x", "defaults.provision.b.x", "defaults.more"] {
            assert!(whole.at(path).is_null(), "{path}");
        }
        Ok(())
    }
}
