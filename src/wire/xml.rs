//! A bounded walk through an XML text: the one loop by which all XML is read.
//!
//! OpenNebula's XML is shallow and carries all it says in leaves, so a callback for each leaf is all that it
//! needs, and memory stays flat however large the text is. Nothing is fetched and nothing is expanded but
//! the five entities of XML itself.

use std::cell::Cell;
use std::io::{self, BufRead, ErrorKind, Read};

use anyhow::{Result, anyhow, bail};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

/// How deep elements may be nested. OpenNebula's own go no deeper than ten.
const DEPTH: usize = 64;
/// How long a value, and a tag, may be.
const VALUE: usize = 8 << 20;
/// How many leaves may be closed by the wrong name: each is warned of.
const WRONG_ENDS: usize = 16;

/// A leaf closed by the wrong name, as `<PACKET_PROJECT>…</PROJECT>`.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongEnd {
    /// The name that was opened.
    pub opened: String,
    /// The name that closes it.
    pub closed: String,
}

/// `bytes` as the text that they hold.
///
/// # Errors
/// They are not UTF-8 (OpenNebula writes nothing else), or hold a NUL.
pub fn decode(bytes: &[u8]) -> Result<&str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bail!("it is in UTF-16: save it as UTF-8");
    }
    if bytes.contains(&0) {
        bail!("it has a NUL character");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => bail!("it is not in UTF-8, from byte {} on", error.valid_up_to()),
    }
}

/// Calls `visit` with the path and the text of each leaf of `text`.
///
/// # Errors
/// Those of [`walk`], and those of `visit`.
pub fn leaves(text: &str, mut visit: impl FnMut(&[String], &str) -> Result<()>) -> Result<Vec<WrongEnd>> {
    steps(&mut without_mark(text).as_bytes(), &Cell::default(), &mut |path, step| match step {
        Step::Close(Some(value)) => visit(path, value),
        _ => Ok(()),
    })
}

/// The same of a text that is read meanwhile: no more of it is kept than a leaf.
///
/// # Errors
/// As [`leaves`]; the text cannot be read, or is not in UTF-8.
pub fn leaves_of(
    text: &mut dyn BufRead,
    mut visit: impl FnMut(&[String], &str) -> Result<()>,
) -> Result<Vec<WrongEnd>> {
    let left = Cell::new(VALUE);
    steps(&mut Bounded { text, left: &left }, &left, &mut |path, step| match step {
        Step::Close(Some(value)) => visit(path, value),
        _ => Ok(()),
    })
}

/// A step of a walk through a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// An element begins: its name, without a prefix.
    Open(&'a str),
    /// The element that began last ends; with its text, if no element is in it.
    Close(Option<&'a str>),
}

/// Calls `visit` at the begin and at the end of each element of `text`.
///
/// The end of a leaf closes it whatever its name, as libxml2 recovers from it: the documentation's example
/// of a deployment file has such an end, and people copied it. The result names those.
///
/// # Errors
/// `text` is not well-formed in any other way, is nested too deep, or holds what we do not read: a document
/// type, an entity of its own.
pub fn walk(text: &str, mut visit: impl FnMut(Step<'_>) -> Result<()>) -> Result<Vec<WrongEnd>> {
    steps(&mut without_mark(text).as_bytes(), &Cell::default(), &mut |_, step| visit(step))
}

/// `text` without the byte order marks that editors begin it with.
fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// The loop: `visit` is also given the names of the elements that are open. `left`: how much of a text that comes in
/// pieces may be read for one event.
fn steps(
    text: &mut dyn BufRead,
    left: &Cell<usize>,
    visit: &mut dyn FnMut(&[String], Step<'_>) -> Result<()>,
) -> Result<Vec<WrongEnd>> {
    let mut reader = Reader::from_reader(text);
    reader.config_mut().check_end_names = false;
    reader.config_mut().expand_empty_elements = true;
    let mut open = Open::default();
    let (mut buffer, mut value) = (Vec::new(), String::new());
    let mut is_leaf = false;
    let mut roots = 0;
    let mut wrong_ends = Vec::new();
    loop {
        buffer.clear();
        left.set(VALUE);
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(_) if left.get() == 0 => bail!("it has a value of more than {VALUE} bytes"),
            Err(error) => bail!("{}, at byte {}", problem(&error), reader.error_position()),
        };
        match event {
            Event::Start(start) => {
                roots += usize::from(open.names().is_empty());
                if roots > 1 {
                    bail!("it has more than one root element");
                }
                if open.depth == DEPTH {
                    bail!("elements are nested more than {DEPTH} deep");
                }
                let name = start.local_name();
                open.push(name.as_ref());
                visit(open.names(), Step::Open(name.as_ref()))?;
                value.clear();
                is_leaf = true;
            }
            Event::End(end) => {
                wrong_ends.extend(wrong_end(end.local_name().as_ref(), open.names().last(), is_leaf)?);
                if wrong_ends.len() > WRONG_ENDS {
                    bail!("more than {WRONG_ENDS} elements are closed by the wrong name");
                }
                visit(open.names(), Step::Close(is_leaf.then_some(&value)))?;
                is_leaf = false;
                open.depth -= 1;
            }
            Event::Text(text) => push(&mut value, &open, &text.xml10_content())?,
            Event::CData(text) => push(&mut value, &open, &text.xml10_content())?,
            Event::GeneralRef(entity) => push(&mut value, &open, resolve(&entity)?.encode_utf8(&mut [0; 4]))?,
            Event::DocType(_) => bail!("it has a document type (DOCTYPE), which is not read"),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match open.names().last() {
        Some(open) => bail!("<{}> is never closed: the text is cut off", shown(open)),
        None if roots == 0 => bail!("it has no element"),
        None => Ok(wrong_ends),
    }
}

/// A text, of which no more than `left` bytes are read at once: however long it is, one value is kept at a time.
struct Bounded<'a> {
    text: &'a mut dyn BufRead,
    left: &'a Cell<usize>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Bounded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Err(ErrorKind::InvalidData.into());
        }
        let bytes = self.text.fill_buf()?;
        Ok(&bytes[..bytes.len().min(self.left.get())])
    }

    fn consume(&mut self, amount: usize) {
        self.left.set(self.left.get().saturating_sub(amount));
        self.text.consume(amount);
    }
}

/// The names of the elements that are open; the strings of those that were closed are used again.
#[derive(Default)]
struct Open {
    strings: Vec<String>,
    depth: usize,
}

impl Open {
    fn push(&mut self, name: &str) {
        match self.strings.get_mut(self.depth) {
            Some(string) => name.clone_into(string),
            None => self.strings.push(name.to_owned()),
        }
        self.depth += 1;
    }

    fn names(&self) -> &[String] {
        &self.strings[..self.depth]
    }
}

/// What is wrong with the end `closed` of the element that was `opened` last, where it is a leaf.
fn wrong_end(closed: &str, opened: Option<&String>, is_leaf: bool) -> Result<Option<WrongEnd>> {
    let Some(opened) = opened else {
        bail!("</{}> closes nothing", shown(closed));
    };
    if closed == opened {
        return Ok(None);
    }
    let (opened, closed) = (shown(opened).to_owned(), shown(closed).to_owned());
    if !is_leaf {
        bail!("<{opened}> is closed by </{closed}>");
    }
    Ok(Some(WrongEnd { opened, closed }))
}

fn push(value: &mut String, open: &Open, text: &str) -> Result<()> {
    if open.names().is_empty() && !text.trim().is_empty() {
        bail!("there is text outside of the root element");
    }
    if value.len() + text.len() > VALUE {
        bail!("it has a value of more than {VALUE} bytes");
    }
    value.push_str(text);
    Ok(())
}

/// What is not well-formed. Names are not told: a value that was written without escapes is read as one.
fn problem(error: &quick_xml::Error) -> String {
    use quick_xml::errors::{IllFormedError, SyntaxError};
    let problem = match error {
        quick_xml::Error::Io(error) => match error.get_ref() {
            Some(own) => return own.to_string(),
            None => "it cannot be read",
        },
        quick_xml::Error::Syntax(SyntaxError::UnclosedCData) => "a CDATA section is not closed",
        quick_xml::Error::Syntax(SyntaxError::UnclosedComment) => "a comment is not closed",
        quick_xml::Error::Syntax(SyntaxError::UnclosedDoctype) => "it has a document type (DOCTYPE) that is cut off",
        quick_xml::Error::Syntax(SyntaxError::InvalidBangMarkup) => "what begins with <! is nothing that XML has",
        quick_xml::Error::Syntax(_) => "a tag is not closed",
        quick_xml::Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "a tag closes what was never opened",
        quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => "an & stands alone: it is written &amp;",
        _ => "it is not well-formed",
    };
    problem.to_owned()
}

/// The character that an entity of XML itself, or a character reference, stands for.
pub(super) fn resolve(entity: &BytesRef<'_>) -> Result<char> {
    let reference = entity.resolve_char_ref();
    if let Some(c) =
        reference.map_err(|_| anyhow!("it has a reference to a character that there is not, or may not be"))?
    {
        // XML 1.0 has no other control characters, as a reference neither.
        if c.is_control() && !matches!(c, '\t' | '\n' | '\r') {
            bail!("it has a control character (U+{:04X})", c as u32);
        }
        return Ok(c);
    }
    match resolve_xml_entity(&entity.xml10_content()).and_then(|text| text.chars().next()) {
        Some(c) => Ok(c),
        // Its name is not told: it may be a piece of a token that was written without escapes.
        None => bail!("it has an entity that XML itself does not have, which is not expanded"),
    }
}

/// The name of an element as it may be told. One that no attribute could have is a piece of a value that was
/// written without escapes.
fn shown(name: &str) -> &str {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.len() <= 64 && name.bytes().all(is_usual) { name } else { "..." }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        leaves(text, |path, value| {
            found.push((path.join("/"), value.to_owned()));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn leaves_come_with_their_path() -> Result<()> {
        let text = "<a>\n <b><![CDATA[x<]]>&amp;&#65;</b><c/> <d><e> y </e></d></a>";
        let found = read(text)?;
        let expected = [("a/b", "x<&A"), ("a/c", ""), ("a/d/e", " y ")];
        assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
        Ok(())
    }

    #[test]
    fn a_leaf_may_be_closed_by_another_name() -> Result<()> {
        let ends = leaves("<a><bc>1</c></a>", |_, _| Ok(()))?;
        let (opened, closed) = ("bc".to_owned(), "c".to_owned());
        assert_eq!(ends, [WrongEnd { opened, closed }]);
        Ok(())
    }

    #[test]
    fn a_value_without_end_is_refused_before_it_is_kept() {
        /// As many bytes as are asked for: a value in one piece, in pieces, or a tag.
        struct Endless(&'static [u8], usize);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 += buffer.len();
                assert!(self.1 < 4 * VALUE, "it reads on and on");
                let bytes = self.0.iter().cycle();
                Ok(buffer.iter_mut().zip(bytes).map(|(to, from)| *to = *from).count())
            }
        }
        for (begin, rest) in
            [("<a>", &b"xxxxxxxx"[..]), ("<a>", b"x&amp;xx"), ("<a b='", b"xxxxxxxx"), ("<", b"xxxxxxxx")]
        {
            let mut text = io::BufReader::with_capacity(64, begin.as_bytes().chain(Endless(rest, 0)));
            let refused = leaves_of(&mut text, |_, _| Ok(())).map(drop).unwrap_err().to_string();
            assert!(refused.starts_with("it has a value of more than 8388608 bytes"), "{begin}: {refused}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "",
            "hello",
            "<a>",
            "<a><b></a>",
            "<a><b><c>1</c></a></a>",
            "</a>",
            "<a/><b/>",
            "<a>&own;</a>",
            "<a>&#0;</a>",
            "<a>& b</a>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            "<a>1</a>tail",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"<a>".repeat(1000)).is_err());
    }
}
