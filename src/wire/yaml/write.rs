//! A tree as YAML, in the layout of Ruby's `to_yaml`.

use super::scalar;
use crate::wire::tree::Tree;

/// `tree` as a document of YAML.
pub fn write(tree: &Tree<'static>) -> String {
    let mut text = "---".to_owned();
    value(tree, 0, &mut text);
    text
}

/// Puts what stands behind `---`, a dash or a name, to the end of its last line.
fn value(tree: &Tree<'static>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match tree {
        Tree::List(items) if !items.is_empty() => {
            text.push('\n');
            for item in items {
                text.push_str(&format!("{indent}-"));
                value(item, depth + 1, text);
            }
        }
        Tree::Object(members) if !members.is_empty() => {
            text.push('\n');
            for (name, member) in members {
                text.push_str(&format!("{indent}{}:", word(name)));
                value(member, depth + 1, text);
            }
        }
        Tree::List(_) => text.push_str(" []\n"),
        Tree::Object(_) => text.push_str(" {}\n"),
        Tree::Null => text.push('\n'),
        Tree::Flag(flag) => text.push_str(&format!(" {flag}\n")),
        Tree::Number(number) => text.push_str(&format!(" {number}\n")),
        Tree::Text(own) => text.push_str(&format!(" {}\n", word(own))),
    }
}

/// A text as a scalar in one line: in quotes, unless it is plain and would be read as the same text.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let is_same = || matches!(scalar::read(text), Tree::Text(read) if read == text);
    match text.starts_with(char::is_alphanumeric) && text.chars().all(is_plain) && is_same() {
        true => text.to_owned(),
        // A string of JSON is one of YAML.
        false => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::super::read;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() -> Result<()> {
        assert_eq!(write(&Tree::Object(Vec::new())), "--- {}\n");
        let text = "---\nkvm:\n  nested: true\n  size: 12\n  \"yes\": \"8080\"\n  none:\n  empty: []\n  lines: \"a\\nb: c\"\n  list:\n    - a\n    -\n      b: \"\"\n";
        assert_eq!(write(&read(text.as_bytes())?.0), text);
        Ok(())
    }
}
