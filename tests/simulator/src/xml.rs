//! XML as a tree that can be changed, and written as oned and as oneprovision write it.

use std::fmt::Write;

use anyhow::{Context, Result, anyhow, bail};
use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// An element. Attributes are not kept: none of the protocols here has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub name: String,
    pub children: Vec<Node>,
}

/// What stands in an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Element(Element),
    Text(String),
    /// Written as CDATA, also where it is empty.
    CData(String),
}

impl Element {
    pub(crate) fn new(name: &str, children: Vec<Node>) -> Self {
        Element { name: name.to_owned(), children }
    }

    /// `<name><![CDATA[value]]></name>`
    pub(crate) fn cdata(name: &str, value: &str) -> Self {
        Element::new(name, vec![Node::CData(value.to_owned())])
    }

    /// `<name>value</name>`
    pub(crate) fn plain(name: &str, value: &str) -> Self {
        Element::new(name, vec![Node::Text(value.to_owned())])
    }

    /// Reads a document: its root element, whatever stands around it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Element> = Vec::new();
        loop {
            let node = match reader.read_event().context("not XML")? {
                Event::Start(start) => {
                    open.push(Element::new(start.name().as_ref(), Vec::new()));
                    continue;
                }
                Event::Empty(start) => Node::Element(Element::new(start.name().as_ref(), Vec::new())),
                Event::End(_) => {
                    // The reader has checked that it closes what is open.
                    let mut element = open.pop().context("an element ends that did not begin")?;
                    element.drop_indentation();
                    Node::Element(element)
                }
                Event::Text(text) => Node::Text(text.xml_content(XmlVersion::Implicit1_0).into_owned()),
                Event::GeneralRef(reference) => Node::Text(match reference.resolve_char_ref()? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)
                        .with_context(|| format!("unknown entity &{};", &*reference))?
                        .to_owned(),
                }),
                Event::CData(data) => Node::CData(data.xml_content(XmlVersion::Implicit1_0).into_owned()),
                Event::Eof => bail!("the document has no element, or ends within one"),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            };
            match (open.last_mut(), node) {
                (Some(parent), node) => parent.push(node),
                (None, Node::Element(root)) => return Ok(root),
                (None, Node::Text(text)) if text.trim().is_empty() => {}
                (None, _) => return Err(anyhow!("text before the first element")),
            }
        }
    }

    /// Adds a node; pieces of text, as entities cut them, become one.
    fn push(&mut self, node: Node) {
        match (self.children.last_mut(), node) {
            (Some(Node::Text(before)), Node::Text(more)) => before.push_str(&more),
            (_, node) => self.children.push(node),
        }
    }

    /// Between elements, white space is there for the reader's eye.
    fn drop_indentation(&mut self) {
        if self.elements().next().is_some() {
            self.children.retain(|node| !matches!(node, Node::Text(text) if text.trim().is_empty()));
        }
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    pub(crate) fn child_mut(&mut self, name: &str) -> Option<&mut Element> {
        self.children.iter_mut().find_map(|node| match node {
            Node::Element(element) if element.name == name => Some(element),
            _ => None,
        })
    }

    /// The element at the end of a path of names.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    pub(crate) fn at_mut(&mut self, path: &[&str]) -> Option<&mut Element> {
        path.iter().try_fold(self, |element, name| element.child_mut(name))
    }

    /// The text in the element itself.
    pub(crate) fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) | Node::CData(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// Sets a child by name, in its place or where the order of names has it (oned keeps its templates sorted).
    pub(crate) fn set(&mut self, child: Element) {
        if let Some(old) = self.child_mut(&child.name) {
            *old = child;
            return;
        }
        let at =
            self.children.iter().position(|node| matches!(node, Node::Element(element) if element.name > child.name));
        let at = at.unwrap_or(self.children.len());
        self.children.insert(at, Node::Element(child));
    }

    /// On one line, as oned writes a host: `<VMS></VMS>` when empty, and only `<MONITORING/>` short.
    pub(crate) fn compact(&self) -> String {
        let mut out = String::new();
        self.write_compact(&mut out);
        out
    }

    fn write_compact(&self, out: &mut String) {
        let name = &self.name;
        if self.children.is_empty() && name == "MONITORING" {
            out.push_str("<MONITORING/>");
            return;
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "<{name}>");
        for child in &self.children {
            match child {
                Node::Element(element) => element.write_compact(out),
                text => text.write_text(out),
            }
        }
        let _ = write!(out, "</{name}>");
    }

    /// A line an element, indented by two, as oneprovision writes deployment files.
    pub(crate) fn pretty(&self) -> String {
        let mut out = String::new();
        self.write_pretty(&mut out, 0);
        out
    }

    fn write_pretty(&self, out: &mut String, depth: usize) {
        let name = &self.name;
        let indent = "  ".repeat(depth);
        if self.children.is_empty() {
            let _ = writeln!(out, "{indent}<{name}/>");
        } else if self.elements().next().is_some() {
            let _ = writeln!(out, "{indent}<{name}>");
            for element in self.elements() {
                element.write_pretty(out, depth + 1);
            }
            let _ = writeln!(out, "{indent}</{name}>");
        } else {
            let _ = write!(out, "{indent}<{name}>");
            for text in &self.children {
                text.write_text(out);
            }
            let _ = writeln!(out, "</{name}>");
        }
    }
}

impl Node {
    fn write_text(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Node::Text(text) => write!(out, "{}", escape(text)),
            Node::CData(text) => write!(out, "<![CDATA[{text}]]>"),
            Node::Element(_) => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_entities_and_cdata_are_told_apart() -> Result<()> {
        let root = Element::parse("<?xml version=\"1.0\"?>\n<A>\n <B>1 &lt; &#50;</B><C><![CDATA[]]></C><D/>\n</A>\n")?;
        assert_eq!(root.child("B").map(Element::text).as_deref(), Some("1 < 2"));
        assert_eq!(root.compact(), "<A><B>1 &lt; 2</B><C><![CDATA[]]></C><D></D></A>");
        assert_eq!(root.pretty(), "<A>\n  <B>1 &lt; 2</B>\n  <C><![CDATA[]]></C>\n  <D/>\n</A>\n");
        Ok(())
    }

    #[test]
    fn a_new_child_stands_where_the_names_have_it() -> Result<()> {
        let mut root = Element::parse("<A><B/><D/></A>")?;
        root.set(Element::plain("C", "x"));
        root.set(Element::plain("D", "y"));
        assert_eq!(root.compact(), "<A><B></B><C>x</C><D>y</D></A>");
        Ok(())
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        for text in ["", "x", "<A>", "<A></B>", "<A>&nbsp;</A>"] {
            assert!(Element::parse(text).is_err(), "{text}");
        }
    }
}
