//! What others answer, as a bounded tree that is read by path: JSON and XML alike.
//!
//! A part that is missing, or that has another type than is asked for, reads as if it were null: what nobody needs
//! cannot spoil an answer. The tree has no `Debug`, and its errors quote nothing of it: answers hold passwords.

use std::fmt;

use anyhow::{Result, anyhow, bail};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::xml::{self, Step};

/// How many values an answer may have: a page of a hundred machines has some 20,000, and the smallest value, two
/// bytes of text, takes a hundred in memory.
const VALUES: usize = 100_000;

/// A value.
#[derive(Clone, Default)]
pub enum Tree {
    /// Nothing.
    #[default]
    Null,
    /// A truth value of JSON.
    Flag(bool),
    /// A number of JSON.
    Number(f64),
    /// A text, or an element of XML that has no elements in it.
    Text(String),
    /// A list of JSON.
    List(Vec<Tree>),
    /// An object of JSON, or an element of XML with its elements, whose names may repeat.
    Object(Vec<(String, Tree)>),
}

/// What is read where there is nothing.
static NULL: Tree = Tree::Null;

impl Tree {
    /// Reads JSON.
    ///
    /// # Errors
    /// It is none, or has too many values; nesting is bounded by serde_json, at 128.
    pub fn json(body: &[u8]) -> Result<Self> {
        let mut values = 0;
        let mut json = serde_json::Deserializer::from_slice(body);
        let tree = Values(&mut values).deserialize(&mut json);
        tree.and_then(|tree| json.end().map(|()| tree)).map_err(|error| {
            let what = match error.classify() {
                Category::Data => "it has not the form that is described",
                Category::Eof => "it is cut off",
                Category::Syntax | Category::Io => "it is no JSON",
            };
            anyhow!("{what}, at line {} column {}", error.line(), error.column())
        })
    }

    /// Reads XML: an object with one member, the root element.
    ///
    /// # Errors
    /// It is not well-formed, or has too many elements, or an entity of its own.
    pub fn xml(body: &[u8]) -> Result<Self> {
        let mut open: Vec<(String, Vec<(String, Self)>)> = Vec::new();
        let mut root = Vec::new();
        let mut values = 0;
        let wrong_ends = xml::walk(xml::decode(body)?, |step| {
            match step {
                Step::Open(name) => {
                    values += 1;
                    if values > VALUES {
                        bail!("it has more than {VALUES} elements");
                    }
                    open.push((name.to_owned(), Vec::new()));
                }
                Step::Close(leaf) => {
                    let Some((name, children)) = open.pop() else {
                        return Ok(());
                    };
                    let done = match leaf {
                        Some(text) => Self::Text(text.to_owned()),
                        None => Self::Object(children),
                    };
                    open.last_mut().map_or(&mut root, |(_, siblings)| siblings).push((name, done));
                }
            }
            Ok(())
        })?;
        match wrong_ends.first() {
            None => Ok(Self::Object(root)),
            Some(end) => bail!("<{}> is closed by </{}>", end.opened, end.closed),
        }
    }

    /// The value at the end of `path`: names, and places in lists, with dots between them; an empty one is this
    /// value. Null where there is none.
    pub fn at(&self, path: &str) -> &Self {
        let names = path.split('.').filter(|name| !name.is_empty());
        names.fold(self, |tree, name| match tree {
            Self::Object(members) => {
                let found = members.iter().find(|(own, _)| own == name);
                found.map_or(&NULL, |(_, value)| value)
            }
            Self::List(items) => {
                let place = name.parse::<usize>().ok();
                place.and_then(|at| items.get(at)).unwrap_or(&NULL)
            }
            _ => &NULL,
        })
    }

    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text at the end of `path`, without blanks around it, unless that is nothing.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.at(path) {
            Self::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The number at the end of `path`; one in a text too, as XML has no other.
    pub fn number(&self, path: &str) -> Option<f64> {
        match self.at(path) {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The number at the end of `path`, if it counts something.
    pub fn count(&self, path: &str) -> Option<u64> {
        let number = self.number(path)?;
        (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
    }

    /// The truth value at the end of `path`.
    pub fn flag(&self, path: &str) -> Option<bool> {
        match self.at(path) {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The items of the list at the end of `path`. In XML those are the elements `item` (as EC2 names them) and
    /// `member` (as CloudWatch does).
    pub fn items(&self, path: &str) -> impl Iterator<Item = &Self> {
        let (list, members): (&[Self], &[(String, Self)]) = match self.at(path) {
            Self::List(items) => (items, &[]),
            Self::Object(members) => (&[], members),
            _ => (&[], &[]),
        };
        let is_item = |(name, _): &&(String, Self)| matches!(name.as_str(), "item" | "member");
        let members = members.iter().filter(is_item);
        list.iter().chain(members.map(|(_, value)| value))
    }

    /// The items of the JSON list at the end of `path`.
    ///
    /// # Errors
    /// There is no list: one that cannot be read is not an empty one.
    pub fn list(&self, path: &str) -> Result<impl Iterator<Item = &Self>> {
        match self.at(path) {
            Self::List(_) => Ok(self.items(path)),
            _ => bail!("it has no list {path}"),
        }
    }

    /// The texts among the items of the list at the end of `path`.
    pub fn texts(&self, path: &str) -> impl Iterator<Item = &str> {
        self.items(path).filter_map(|item| item.text(""))
    }

    /// The members of the object at the end of `path`, with their names.
    pub fn members(&self, path: &str) -> impl Iterator<Item = (&str, &Self)> {
        let members: &[(String, Self)] = match self.at(path) {
            Self::Object(members) => members,
            _ => &[],
        };
        members.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Makes the tree while JSON is read, and counts its values.
struct Values<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Tree, D::Error> {
        *self.0 += 1;
        if *self.0 > VALUES {
            return Err(D::Error::custom("too many values"));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Values(self.0))? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = object.next_key::<String>()? {
            members.push((name, object.next_value_seed(Values(self.0))?));
        }
        Ok(Tree::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_by_path_and_a_wrong_type_is_as_if_it_were_null() -> Result<()> {
        let text = r#"{"a": {"b": [1, "x ", null, {"c": true}]}, "n": "", "é": -2.5}"#;
        let tree = Tree::json(text.as_bytes())?;
        assert_eq!(tree.count("a.b.0"), Some(1));
        assert_eq!(tree.text("a.b.1"), Some("x"));
        assert_eq!(tree.flag("a.b.3.c"), Some(true));
        assert_eq!(tree.number("é"), Some(-2.5));
        assert_eq!(tree.count("é"), None);
        assert_eq!(tree.texts("a.b").collect::<Vec<_>>(), ["x"]);
        for path in ["n", "a", "a.b.9", "a.b.x", "nothing.at.all"] {
            assert_eq!(tree.text(path), None, "{path}");
        }
        Ok(())
    }

    #[test]
    fn xml_is_read_by_path() -> Result<()> {
        let text = "<?xml version=\"1.0\"?>\n<a xmlns=\"http://x/\">\n<s>\n<item><k>1 &lt; &#50;</k></item>\
                    <item><k/></item></s>\n<n>7</n></a>\n";
        let tree = Tree::xml(text.as_bytes())?;
        let items: Vec<Option<&str>> = tree.items("a.s").map(|item| item.text("k")).collect();
        assert_eq!(items, [Some("1 < 2"), None]);
        assert_eq!(tree.count("a.n"), Some(7));
        assert_eq!(tree.text("a.s.x"), None);
        Ok(())
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let many = format!("[{}0]", "[],".repeat(VALUES));
        for text in ["", "{", "[1", "{} {}", &"[".repeat(1000), &many, "<html>"] {
            assert!(Tree::json(text.as_bytes()).is_err());
        }
        let deep = "<a>".repeat(100);
        let many = format!("<a>{}</a>", "<b/>".repeat(VALUES));
        for text in ["", "x", "<a>", "<a></b>", "<a>&x;</a>", "<html><br></html>", &deep, &many] {
            assert!(Tree::xml(text.as_bytes()).is_err());
        }
        assert!(Tree::xml(b"<a>\xff</a>").is_err());
    }
}
