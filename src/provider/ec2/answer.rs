//! The XML that EC2 and CloudWatch answer with, as a small tree: it is read by names, and what it has beside
//! them, and in which order, does not matter.

use anyhow::{Context, Result, bail};
use quick_xml::Reader;
use quick_xml::events::Event;

/// How deep elements may be nested. Those of a description of an instance go ten deep.
const DEPTH: usize = 32;
/// How many elements an answer may have: a page of instances has some 30,000.
const ELEMENTS: usize = 200_000;

/// An element.
#[derive(Debug, Default)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads the root element of an answer.
    ///
    /// # Errors
    /// It is not well-formed, or too large, or holds an entity of its own. The error quotes nothing of it.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let text = crate::wire::xml::decode(body)?;
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut open: Vec<Self> = Vec::new();
        let mut count = 0;
        loop {
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(_) => bail!("it is no XML, from byte {} on", reader.error_position()),
            };
            match event {
                Event::Start(start) => {
                    count += 1;
                    if open.len() == DEPTH || count > ELEMENTS {
                        bail!("it has too many elements, or they are nested too deep");
                    }
                    open.push(Self {
                        name: start.local_name().as_ref().to_owned(),
                        ..Self::default()
                    });
                }
                // The reader sees to it that it closes what is open.
                Event::End(_) => {
                    let done = open.pop().context("an element ends that did not begin")?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(done),
                        None => return Ok(done),
                    }
                }
                Event::Text(text) => push(&mut open, &text.xml10_content()),
                Event::CData(text) => push(&mut open, &text.xml10_content()),
                Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                    Ok(Some(c)) => push(&mut open, c.encode_utf8(&mut [0; 4])),
                    _ => match quick_xml::escape::resolve_predefined_entity(&entity) {
                        Some(text) => push(&mut open, text),
                        None => bail!("it has an entity of its own, which is not expanded"),
                    },
                },
                Event::Eof => bail!("it has no element, or ends within one"),
                _ => {}
            }
        }
    }

    /// The element's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The elements of the list at the end of a path of names. EC2 names them `item`, CloudWatch `member`.
    pub fn items(&self, path: &[&str]) -> impl Iterator<Item = &Self> {
        let list = self.at(path);
        list.into_iter().flat_map(|list| {
            let children = list.children.iter();
            children.filter(|child| matches!(child.name.as_str(), "item" | "member"))
        })
    }

    /// The element at the end of a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        let mut element = self;
        for name in path {
            element = element.children.iter().find(|child| child.name == *name)?;
        }
        Some(element)
    }

    /// The text at the end of a path of names, unless it is blank.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        let text = self.at(path)?.text.trim();
        (!text.is_empty()).then_some(text)
    }

    /// The number at the end of a path of names.
    pub fn number(&self, path: &[&str]) -> Option<u64> {
        self.text(path)?.parse().ok()
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_found() -> Result<()> {
        let text = "<?xml version=\"1.0\"?>\n<a xmlns=\"http://x/\">\n<s>\n<item><k>1 &lt; &#50;</k></item>\
                    <item><k/></item></s>\n<n>7</n></a>\n";
        let root = Element::parse(text.as_bytes())?;
        assert_eq!(root.name(), "a");
        let items: Vec<Option<&str>> = root.items(&["s"]).map(|item| item.text(&["k"])).collect();
        assert_eq!(items, [Some("1 < 2"), None]);
        assert_eq!(root.number(&["n"]), Some(7));
        assert_eq!(root.text(&["s", "x"]), None);
        Ok(())
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let deep = "<a>".repeat(100);
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS));
        for text in [
            "",
            "x",
            "<a>",
            "<a></b>",
            "<a>&x;</a>",
            "<html><br></html>",
            &deep,
            &many,
        ] {
            assert!(Element::parse(text.as_bytes()).is_err());
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
    }
}
