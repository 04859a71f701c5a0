//! What becomes of the values of a template: text, as Ruby writes it into the XML of a host.

use crate::opennebula::host::Section;
use crate::report::finding::Finding;
use crate::report::secret::Secret;
use crate::wire::tree::{Member, Tree};

/// What oneprovision fills in, when it makes the provision.
const EXPRESSION: &str = "<%= ";

/// The members as attributes, their names in capitals, and what is doubtful about their values.
pub(super) fn attributes(members: &[Member<'static>], findings: &mut Vec<Finding>) -> Section {
    let mut section = Section::new();
    for (name, value) in members {
        let name = name.to_uppercase();
        if !is_name(&name) {
            let what = "a name in the template has characters that none of an attribute may have, or none at all";
            findings.push(Finding::bad("attributes", what, "write it with letters, digits and underscores"));
            continue;
        }
        let text = said(value);
        if section.contains_key(&name) {
            let what = format!("{name} is given twice, in different letters");
            findings.push(Finding::doubtful("attributes", what, "write it once: which one holds is not certain"));
        }
        if matches!(value, Tree::List(_) | Tree::Object(_)) {
            let what = format!("{name} is no single value, and oneprovision writes it as Ruby shows it, or not at all");
            findings.push(Finding::doubtful("attributes", what, "write it as one text, in quotes"));
        }
        if text.contains(EXPRESSION) {
            let what = format!("{name} is filled in by oneprovision when it makes the provision");
            findings.push(Finding::doubtful("attributes", what, "what it will be is not checked here"));
        }
        // Of several, OpenNebula's tools read the first.
        section.entry(name).or_insert_with(|| Secret::new(text));
    }
    section
}

/// Whether an element of XML may have this name, and an attribute of OpenNebula.
fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_inner)
}

/// What Ruby's `to_s` makes of a value that becomes the content of an element; a mapping becomes the element's
/// attributes, and nothing of it is read.
pub(super) fn said(value: &Tree<'static>) -> String {
    match value {
        Tree::Null | Tree::Object(_) => String::new(),
        Tree::Flag(flag) => flag.to_string(),
        Tree::Number(number) => number.to_string(),
        Tree::Text(text) => text.to_string(),
        Tree::List(_) => shown(value),
    }
}

/// What Ruby's `inspect` makes of a value.
fn shown(value: &Tree<'static>) -> String {
    match value {
        Tree::Null => "nil".to_owned(),
        Tree::Text(text) => format!("{text:?}"),
        Tree::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Tree::Object(members) => {
            let pairs = members.iter().map(|(name, value)| format!("{name:?}=>{}", shown(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Tree::Flag(_) | Tree::Number(_) => said(value),
    }
}
