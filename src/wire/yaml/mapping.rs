//! The members of a mapping while it is read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::wire::tree::{Member, Tree};

/// How many names a mapping may have: each is compared with those before it.
const NAMES: usize = 1_000;

/// A mapping that is not complete yet.
#[derive(Default)]
pub(super) struct Mapping {
    members: Vec<Member<'static>>,
    /// The name that waits for its value.
    name: Option<Cow<'static, str>>,
    /// The names of members that came by `<<`: what stands after it replaces them.
    merged: BTreeSet<Cow<'static, str>>,
}

impl Mapping {
    /// Whether what comes next is the name of a member.
    pub(super) fn is_at_name(&self) -> bool {
        self.name.is_none()
    }

    /// What was read.
    pub(super) fn members(self) -> Vec<Member<'static>> {
        self.members
    }

    /// Takes the next name or value, which an alias may stand for. Returns false where a member is there already.
    ///
    /// # Errors
    /// It is a name and no text, or there are too many.
    pub(super) fn take(&mut self, tree: Tree<'static>, is_alias: bool) -> Result<bool> {
        match (self.name.take(), tree) {
            (None, Tree::Text(text)) => {
                self.name = Some(text);
                Ok(true)
            }
            (None, _) => bail!("the name of a member is no text"),
            (Some(name), tree) if name == "<<" => self.merge(tree, is_alias),
            (Some(name), tree) => {
                let was_merged = self.merged.remove(&name);
                Ok(self.put(name, tree)? || was_merged)
            }
        }
    }

    /// Sets the member `name`; whether it is new.
    fn put(&mut self, name: Cow<'static, str>, value: Tree<'static>) -> Result<bool> {
        if let Some((_, old)) = self.members.iter_mut().find(|(own, _)| *own == name) {
            *old = value;
            return Ok(false);
        }
        if self.members.len() == NAMES {
            bail!("a mapping has more than {NAMES} names");
        }
        self.members.push((name, value));
        Ok(true)
    }

    /// Takes what `<<` stands for: the members of a mapping, or of a list of several, whose first one wins; a list that an
    /// alias names is none. As in Psych they replace those of the same name that stand before, and what stands after
    /// replaces them.
    fn merge(&mut self, value: Tree<'static>, is_alias: bool) -> Result<bool> {
        let several = match value {
            Tree::Object(merged) => vec![merged],
            Tree::List(list) if !is_alias && list.iter().all(|one| matches!(one, Tree::Object(_))) => {
                let objects = list.into_iter().rev();
                objects.filter_map(|one| if let Tree::Object(merged) = one { Some(merged) } else { None }).collect()
            }
            other => return self.put("<<".into(), other),
        };
        for (name, value) in several.into_iter().flatten() {
            self.merged.insert(name.clone());
            self.put(name, value)?;
        }
        Ok(true)
    }
}
