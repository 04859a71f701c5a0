//! What others answer, as a bounded tree that is read by path: JSON and XML alike.
//!
//! A part that is missing, or that has another type than is asked for, reads as if it were null: what nobody needs
//! cannot spoil an answer. The tree has no `Debug`, and its errors quote nothing of it: answers hold passwords.

use std::borrow::Cow;

use anyhow::{Result, bail};

use super::xml::{self, Step};

/// How many values an answer may have: a page of a hundred machines has some 20,000, and the smallest value, two
/// bytes of text, takes a hundred in memory.
pub(super) const VALUES: usize = 100_000;

/// A value. It borrows what it can of the text that it was read from.
#[derive(Clone, Default)]
pub enum Tree<'a> {
    /// Nothing.
    #[default]
    Null,
    /// A truth value of JSON.
    Flag(bool),
    /// A number of JSON.
    Number(f64),
    /// A text, or an element of XML that has no elements in it.
    Text(Cow<'a, str>),
    /// A list of JSON.
    List(Vec<Self>),
    /// An object of JSON, or an element of XML with its elements, whose names may repeat.
    Object(Vec<Member<'a, Self>>),
}

/// What has a name.
pub type Member<'a, T = Tree<'a>> = (Cow<'a, str>, T);

/// What is read where there is nothing.
static NULL: Tree<'static> = Tree::Null;

impl<'a> Tree<'a> {
    /// Reads XML: an object with one member, the root element.
    ///
    /// # Errors
    /// It is not well-formed, or has too many elements, or an entity of its own.
    pub fn xml(body: &[u8]) -> Result<Self> {
        let mut open: Vec<Member<'a, Vec<_>>> = Vec::new();
        let mut root = Vec::new();
        let mut values = 0;
        let wrong_ends = xml::walk(xml::decode(body)?, |step| {
            match step {
                Step::Open(name) => {
                    values += 1;
                    if values > VALUES {
                        bail!("it has more than {VALUES} elements");
                    }
                    open.push((name.to_owned().into(), Vec::new()));
                }
                Step::Close(leaf) => {
                    let Some((name, children)) = open.pop() else {
                        return Ok(());
                    };
                    let done = match leaf {
                        Some(text) => Self::Text(text.to_owned().into()),
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

    /// The same on its own, whatever becomes of the text that it was read from.
    pub fn owned(&self) -> Tree<'static> {
        let own = |text: &Cow<'_, str>| Cow::Owned(text.to_string());
        match self {
            Self::Null => Tree::Null,
            Self::Flag(flag) => Tree::Flag(*flag),
            Self::Number(number) => Tree::Number(*number),
            Self::Text(text) => Tree::Text(own(text)),
            Self::List(items) => Tree::List(items.iter().map(Self::owned).collect()),
            Self::Object(members) => {
                Tree::Object(members.iter().map(|(name, value)| (own(name), value.owned())).collect())
            }
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
        let (list, members): (&[Self], &[Member<'_, Self>]) = match self.at(path) {
            Self::List(items) => (items, &[]),
            Self::Object(members) => (&[], members),
            _ => (&[], &[]),
        };
        let is_item = |(name, _): &&Member<'_, Self>| matches!(&**name, "item" | "member");
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
        let members: &[Member<'_, Self>] = match self.at(path) {
            Self::Object(members) => members,
            _ => &[],
        };
        members.iter().map(|(name, value)| (&**name, value))
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
    fn the_items_of_a_list_are_handed_over_one_by_one() -> Result<()> {
        let text = br#"{"meta": {"a": [1]}, "a": [{"a": [2, 3]}, null, 4], "total": 3}"#;
        let mut items = Vec::new();
        let tree = Tree::json_by_item(text, "a", |item| {
            items.push((item.is_null(), item.items("a").count(), item.count("")));
            Ok(())
        })?;
        assert_eq!(items, [(false, 2, None), (true, 0, None), (false, 0, Some(4))]);
        assert_eq!((tree.items("a").count(), tree.count("total"), tree.count("meta.a.0")), (0, Some(3), Some(1)));
        assert!(tree.list("a").is_ok());
        let refused = Tree::json_by_item(text, "a", |_| bail!("refused"));
        assert_eq!(refused.err().map(|error| error.to_string()).as_deref(), Some("refused"));
        assert!(Tree::json_by_item(br#"{"a": null}"#, "a", |_| Ok(()))?.list("a").is_err());
        let many = format!("{{\"a\": [{}0]}}", "[],".repeat(VALUES));
        assert!(Tree::json_by_item(many.as_bytes(), "a", |_| Ok(())).is_err());
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
