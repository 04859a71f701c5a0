//! A bounded walk through an XML text: its leaves, each with the path that leads to it.
//!
//! OpenNebula's XML is shallow and carries all it says in leaves, so a callback for each leaf is all that is
//! needed, and memory stays flat however large the text is. Nothing is fetched and nothing is expanded but
//! the five entities of XML itself.

use anyhow::{Result, bail};
use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// How deep elements may be nested. OpenNebula's own go no deeper than ten.
const DEPTH: usize = 64;
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
/// The end of a leaf closes it whatever its name, as libxml2 recovers from it: the documentation's example
/// of a deployment file has such an end, and people copied it. The result names those.
///
/// # Errors
/// `text` is not well-formed in any other way, is nested too deep, or holds what we do not read: a document
/// type, an entity of its own.
pub fn leaves(
    text: &str,
    mut visit: impl FnMut(&[String], &str) -> Result<()>,
) -> Result<Vec<WrongEnd>> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().check_end_names = false;
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk::default();
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => bail!("{error}, at byte {}", reader.error_position()),
        };
        match event {
            Event::Start(start) => walk.open(start.name().as_ref())?,
            Event::End(end) => {
                if walk.check_end(end.name().as_ref())? {
                    visit(&walk.path, &walk.value)?;
                }
                walk.is_leaf = false;
                walk.path.pop();
            }
            Event::Text(text) => walk.push(&text.xml10_content())?,
            Event::CData(text) => walk.push(&text.xml10_content())?,
            Event::GeneralRef(entity) => walk.push(&resolve(&entity)?)?,
            Event::DocType(_) => bail!("it has a document type (DOCTYPE), which is not read"),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match walk.path.last() {
        Some(open) => bail!("<{}> is never closed: the text is cut off", shown(open)),
        None if walk.roots == 0 => bail!("it has no element"),
        None => Ok(walk.wrong_ends),
    }
}

/// Where a walk is.
#[derive(Default)]
struct Walk {
    /// The names of the elements that are open.
    path: Vec<String>,
    /// The text since the last of them was opened.
    value: String,
    /// Whether the last of them has no element in it so far.
    is_leaf: bool,
    roots: usize,
    wrong_ends: Vec<WrongEnd>,
}

impl Walk {
    fn open(&mut self, name: &str) -> Result<()> {
        if self.path.is_empty() {
            self.roots += 1;
            if self.roots > 1 {
                bail!("it has more than one root element");
            }
        }
        if self.path.len() == DEPTH {
            bail!("elements are nested more than {DEPTH} deep");
        }
        self.path.push(name.to_owned());
        self.value.clear();
        self.is_leaf = true;
        Ok(())
    }

    /// Whether the element that `name` closes is a leaf.
    fn check_end(&mut self, name: &str) -> Result<bool> {
        let Some(opened) = self.path.last() else {
            bail!("</{}> closes nothing", shown(name));
        };
        if name != opened {
            if !self.is_leaf {
                bail!("<{}> is closed by </{}>", shown(opened), shown(name));
            }
            if self.wrong_ends.len() == WRONG_ENDS {
                bail!("more than {WRONG_ENDS} elements are closed by the wrong name");
            }
            self.wrong_ends.push(WrongEnd {
                opened: shown(opened).to_owned(),
                closed: shown(name).to_owned(),
            });
        }
        Ok(self.is_leaf)
    }

    fn push(&mut self, text: &str) -> Result<()> {
        if self.path.is_empty() && !text.trim().is_empty() {
            bail!("there is text outside of the root element");
        }
        self.value.push_str(text);
        Ok(())
    }
}

/// The text of an entity of XML itself, or of a character reference.
fn resolve(entity: &BytesRef<'_>) -> Result<String> {
    if let Some(c) = entity.resolve_char_ref()? {
        // XML 1.0 has no other control characters, as a reference neither.
        if c.is_control() && !matches!(c, '\t' | '\n' | '\r') {
            bail!("it has a control character (U+{:04X})", c as u32);
        }
        return Ok(c.to_string());
    }
    match quick_xml::escape::resolve_xml_entity(&entity.xml10_content()) {
        Some(text) => Ok(text.to_owned()),
        // Its name is not told: it may be a piece of a token that was written without escapes.
        None => bail!("it has an entity that XML itself does not have, which is not expanded"),
    }
}

/// The name of an element as it may be told. One that no attribute could have is a piece of a value that was
/// written without escapes.
fn shown(name: &str) -> &str {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.len() <= 64 && name.bytes().all(is_usual) {
        name
    } else {
        "…"
    }
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
        assert_eq!(
            found,
            expected.map(|(path, value)| (path.to_owned(), value.to_owned()))
        );
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
