//! YAML, as the tree that is read by path. What a plain scalar is goes by Ruby's Psych, which is YAML 1.1, for
//! `oneprovision` reads with it: `yes` is true, `0755` is 493, `12:30` counts to sixty. See [`scalar`].
//!
//! It is bounded whatever is written: how deep, how many values, and how much text, with all that aliases stand for.
//! Errors and warnings name a line and a column, and quote nothing: one of the values is a token.

mod mapping;
mod scalar;
mod tab;
mod tag;
mod write;

pub use write::write;

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use granit_parser::{ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, Span};

use self::mapping::Mapping;
use self::tab::Tokens;
use self::tag::{is_float, is_text};
use super::tree::Tree;
use super::xml;

/// How deep lists and mappings may be nested.
const DEPTH: usize = 64;
/// How many values there may be, those included that anchors keep and aliases repeat.
const VALUES: usize = 100_000;
/// How many bytes of text those may have.
const TEXT: usize = 16 << 20;
/// How many warnings are told.
const WARNINGS: usize = 16;

const TAB: &str = "a tab stands where only blanks may indent";

/// Reads the first document of `bytes`, as Psych's `load` does, and what is doubtful about it, as sentences.
///
/// Mappings are objects, whose names are unique: the last of several holds, as in Psych. Whole numbers are
/// [`Tree::Number`]; other numbers, and times, are the text that Ruby's `to_s` makes of them.
///
/// # Errors
/// It is no YAML, or exceeds a bound.
pub fn read(bytes: &[u8]) -> Result<(Tree<'static>, Vec<String>)> {
    let mut options = Options::default();
    options.block_scalar_eof_without_line_feed = true;
    let text = xml::decode(bytes)?;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let (mut builder, mut tokens, mut end) = (Builder::default(), Tokens::default(), 0);
    for step in &mut parser {
        let (event, span) = step.map_err(|error| told(&error))?;
        end = span.start.line();
        if let Event::DocumentEnd = event {
            break;
        }
        tokens.note(&event, &span, text);
        builder.take(event, &span).map_err(|error| anyhow!("{error}, {}", place(&span.start)))?;
    }
    if let Some((line, column)) = tokens.first_refused(text, end) {
        bail!("{TAB}, at line {line} column {}", column + 1);
    }
    if let Some(Ok((Event::DocumentStart(..), span))) = parser.next() {
        builder.warn("another document begins, which is not read", &span.start);
    }
    Ok((builder.root, builder.warnings))
}

fn place(marker: &Marker) -> String {
    format!("at line {} column {}", marker.line(), marker.col() + 1)
}

/// What is wrong, in our words: the parser's may quote.
fn told(error: &ScanError) -> anyhow::Error {
    let what = match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => TAB,
        ErrorKind::InvalidIndentation | ErrorKind::InvalidQuotedScalarIndent => "the indentation fits nothing above it",
        ErrorKind::UnknownAnchor => "an alias names no anchor above it",
        ErrorKind::RecursionLimitExceeded => {
            return anyhow!("it is nested deeper than {DEPTH}, {}", place(error.marker()));
        }
        ErrorKind::UnclosedQuotedScalar => "a quote is not closed",
        ErrorKind::UnclosedFlowCollection { .. } => "a bracket is not closed",
        _ => "it is no YAML",
    };
    anyhow!("{what}, {}", place(error.marker()))
}

/// A value that is complete, and what it counts.
#[derive(Clone, Default)]
struct Built {
    tree: Tree<'static>,
    values: usize,
    text: usize,
    depth: usize,
    is_alias: bool,
}

/// A list or mapping that is not complete yet: what it counts so far, and what it holds.
struct Open {
    anchor: usize,
    values: usize,
    text: usize,
    depth: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Tree<'static>>),
    Mapping(Mapping),
}

/// Makes the tree of the events.
#[derive(Default)]
struct Builder {
    root: Tree<'static>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Built>,
    /// How much was made so far, copies included.
    values: usize,
    text: usize,
    warnings: Vec<String>,
}

impl Builder {
    fn warn(&mut self, what: &str, marker: &Marker) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(format!("{what}, {}", place(marker)));
        }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<()> {
        let marker = &span.start;
        match event {
            Event::Alias(anchor) => {
                // An anchor that is not complete yet is not there either.
                let built = self.anchors.get(&anchor).context("an alias stands within what it names")?;
                let (values, text) = (self.values + built.values, self.text + built.text);
                check(values, text)?;
                let built = built.clone();
                (self.values, self.text) = (values, text);
                self.place(Built { is_alias: true, ..built }, marker)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                let is_missing = style == ScalarStyle::Plain && span.start.index() == span.end.index();
                let text = if is_missing { Cow::Borrowed("") } else { text };
                // Quotes make text of those that have no tag.
                let is_read = tag.map_or(style == ScalarStyle::Plain, |tag| !is_text(tag));
                // A name is text whatever it looks like.
                let is_name =
                    matches!(self.open.last(), Some(Open { kind: Kind::Mapping(own), .. }) if own.is_at_name());
                let tree = match is_read && !is_name {
                    _ if is_name && is_missing => bail!("a member has no name"),
                    true if tag.is_some_and(is_float) => {
                        scalar::read_float(&text).context("what a tag says to be a number is none")?
                    }
                    true => scalar::read(&text),
                    false => Tree::Text(text.into_owned().into()),
                };
                let text = if let Tree::Text(text) = &tree { text.len() } else { 0 };
                self.values += 1;
                self.text += text;
                self.finish(Built { tree, values: 1, text, ..Built::default() }, anchor, marker)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(anchor, Kind::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.begin(anchor, Kind::Mapping(Mapping::default())),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, values, text, depth, kind }) = self.open.pop() else {
                    return Ok(());
                };
                let tree = match kind {
                    Kind::List(items) => Tree::List(items),
                    Kind::Mapping(mapping) => Tree::Object(mapping.members()),
                };
                self.finish(Built { tree, values: values + 1, text, depth: depth + 1, is_alias: false }, anchor, marker)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, kind: Kind) -> Result<()> {
        self.values += 1;
        self.open.push(Open { anchor, values: 0, text: 0, depth: 0, kind });
        if self.open.len() > DEPTH {
            bail!("it is nested deeper than {DEPTH}");
        }
        check(self.values, self.text)
    }

    /// Keeps a complete value under its anchor, if it has one, and puts it where it belongs.
    fn finish(&mut self, built: Built, anchor: usize, marker: &Marker) -> Result<()> {
        if anchor != 0 {
            self.values += built.values;
            self.text += built.text;
            check(self.values, self.text)?;
            self.anchors.insert(anchor, built.clone());
        }
        self.place(built, marker)
    }

    fn place(&mut self, built: Built, marker: &Marker) -> Result<()> {
        check(self.values, self.text)?;
        if self.open.len() + built.depth > DEPTH {
            bail!("it is nested deeper than {DEPTH}");
        }
        let Some(open) = self.open.last_mut() else {
            self.root = built.tree;
            return Ok(());
        };
        open.values += built.values;
        open.text += built.text;
        open.depth = open.depth.max(built.depth);
        let is_new = match &mut open.kind {
            Kind::List(items) => {
                items.push(built.tree);
                true
            }
            Kind::Mapping(mapping) => mapping.take(built.tree, built.is_alias)?,
        };
        if !is_new {
            self.warn("a name stands twice in one mapping: the last one holds", marker);
        }
        Ok(())
    }
}

/// Whether so many values, and so many bytes of text, are not too many.
fn check(values: usize, text: usize) -> Result<()> {
    if values > VALUES {
        bail!("it has more than {VALUES} values");
    }
    if text > TEXT {
        bail!("its values have more than {TEXT} bytes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree<'static> {
        read(text.as_bytes()).map(|(tree, _)| tree).unwrap_or_default()
    }

    fn error(text: impl AsRef<[u8]>) -> String {
        read(text.as_ref()).map(|_| String::new()).unwrap_or_else(|error| format!("{error:#}"))
    }

    fn warnings(text: &str) -> Vec<String> {
        read(text.as_bytes()).map(|(_, warnings)| warnings).unwrap_or_default()
    }

    #[test]
    fn mappings_lists_and_texts_are_read() {
        let tree = tree("---\na:\n  - b: 'x'\n    c: |\n      one\n      two\n  - [1, {d: \"\\u00e9\"}]\n8080: yes\n");
        assert_eq!(tree.text("a.0.b"), Some("x"));
        assert_eq!(tree.text("a.0.c"), Some("one\ntwo"));
        assert_eq!(tree.number("a.1.0"), Some(1.0));
        assert_eq!(tree.text("a.1.1.d"), Some("\u{e9}"));
        assert_eq!(tree.flag("8080"), Some(true));
    }

    #[test]
    fn line_ends_and_marks_of_other_systems_are_read() {
        assert_eq!(tree("\u{feff}a:\r\n  b: c\r\n").text("a.b"), Some("c"));
        assert_eq!(tree("a: |\n  last line").text("a"), Some("last line"));
    }

    #[test]
    fn what_is_quoted_or_tagged_is_text() {
        let tree = tree("a: '8080'\nb: !!str 8080\nc: !str\nd: \"no\"\ne: ! yes\nf: !!int '8080'\n");
        for (name, text) in [("a", "8080"), ("b", "8080"), ("c", ""), ("d", "no")] {
            assert!(matches!(tree.at(name), Tree::Text(own) if own == text), "{name}");
        }
        assert_eq!(tree.flag("e"), Some(true));
        assert_eq!(tree.number("f"), Some(8080.0));
    }

    #[test]
    fn aliases_and_merges_are_those_of_psych() {
        let text =
            "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {y: 0, <<: *a, z: 3}\nd: {<<: [*a, *b]}\ne: *a\nf: {<<: g}\n";
        let tree = tree(text);
        let numbers = |name: &str| ["x", "y", "z"].map(|one| tree.number(&format!("{name}.{one}")));
        assert_eq!(numbers("c"), [Some(1.0), Some(1.0), Some(3.0)]);
        assert_eq!(numbers("d"), [Some(1.0), Some(1.0), Some(2.0)]);
        assert_eq!(numbers("e"), [Some(1.0), Some(1.0), None]);
        assert_eq!(tree.text("f.<<"), Some("g"));
        assert!(warnings(text).is_empty());
        assert!(warnings("a: &a {x: 1}\nb: {<<: *a, x: 2}\n").is_empty());
        assert_eq!(warnings("a: &a {x: 1}\nb: {<<: *a, x: 2, x: 3}\n").len(), 1);
    }

    #[test]
    fn the_last_of_several_names_holds_with_a_warning() {
        assert_eq!(tree("a: 1\nb: 2\na: 3\n").number("a"), Some(3.0));
        let said = "a name stands twice in one mapping: the last one holds, at line 3 column 4";
        assert_eq!(warnings("a: 1\nb: 2\na: 3\n"), [said]);
        assert_eq!(warnings("a: 1\n---\nb: 2\n"), ["another document begins, which is not read, at line 2 column 1"]);
        assert_eq!(warnings(&"a: 1\n".repeat(500)).len(), WARNINGS);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_nothing_of_it() {
        let cases = [
            ("a:\n\tb: secret-1\n", "a tab stands where only blanks may indent, at line 2 column 2"),
            ("a: 1\n  b: secret-1\n", "at line 2 column "),
            ("a: *secret-1\n", "an alias names no anchor above it, at line 1 column 4"),
            ("a: &a [*a]\n", "an alias stands within what it names, at line 1 column 8"),
            ("a: 'secret-1\n", "at line "),
            ("a: [secret-1\n", "at line "),
            ("a: b: secret-1\n", "at line 1 column "),
            (": secret-1\n", "a member has no name, at line 1 column 1"),
            ("a: 1\n\t# secret-1\n", "a tab stands where only blanks may indent, at line 2 column 1"),
            ("a:\n -\tsecret-1\n", "a tab stands where only blanks may indent, at line 2 column 3"),
            ("a: !!float secret-1\n", "what a tag says to be a number is none, at line 1 column 12"),
            ("? [secret-1]\n: b\n", "the name of a member is no text, at line 1 column "),
            ("a: \u{0}secret-1\n", "it has a NUL character"),
            ("%YAML 9.9\n---\nsecret-1\n", "at line 1 column "),
        ];
        for (text, part) in cases {
            let error = error(text);
            assert!(error.contains(part) && !error.contains("secret-1"), "{text:?}: {error}");
        }
        assert!(error(b"\xff\xfea\0").contains("UTF-16"));
        assert!(error(b"a: \xff").contains("not in UTF-8"));
    }

    #[test]
    fn whatever_is_written_is_bounded() {
        let deep = |open: &str, count: usize| open.repeat(count);
        for text in [deep("[", 5000), deep("- ", 65), deep("{a: ", 5000), deep("[", 1 << 20), deep("? ", 1 << 20)] {
            assert!(error(&text).starts_with("it is nested deeper than 64, at line 1 column "), "{}", error(&text));
        }
        let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..10 {
            let alias = format!("*a{},", level - 1).repeat(10);
            laughs.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
        }
        assert!(error(&laughs).starts_with("it has more than 100000 values"), "{}", error(&laughs));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(100));
        assert!(error(&long).starts_with("its values have more than 16777216 bytes"), "{}", error(&long));
        let mut chain = "a0: &a0 []\n".to_owned();
        for level in 1..100 {
            chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(error(&chain).starts_with("it is nested deeper than 64"), "{}", error(&chain));
        let names: String = (0..=1000).map(|number| format!("k{number}: 1\n")).collect();
        assert!(error(&names).starts_with("a mapping has more than 1000 names"), "{}", error(&names));
    }
}
