//! What tags say of scalars, as Psych has it (`lib/psych/visitors/to_ruby.rb`).

use granit_parser::Tag;

/// Whether a tag says that a scalar is text, whatever it looks like.
pub(super) fn is_text(tag: &Tag) -> bool {
    // A class may follow, behind a colon.
    let word = tag.suffix().split(':').next().unwrap_or_default();
    let is_ruby = ["str", "ruby/string"].contains(&word) || word.starts_with("ruby/sym");
    tag.is_yaml_core_schema_tag("str") || (tag.handle() == "!" && is_ruby)
}

/// Whether a tag says that a scalar is a number with a point.
pub(super) fn is_float(tag: &Tag) -> bool {
    tag.is_yaml_core_schema_tag("float") || (tag.handle() == "!" && tag.suffix() == "float")
}
