//! JSON, read into a tree.

use std::borrow::Cow;
use std::fmt;

use anyhow::{Result, anyhow};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::tree::{Tree, VALUES};

impl<'a> Tree<'a> {
    /// Reads JSON.
    ///
    /// # Errors
    /// It is none, or has too many values; nesting is bounded by serde_json, at 128.
    pub fn json(body: &'a [u8]) -> Result<Self> {
        read(body, None)
    }

    /// Reads JSON and hands each item of the list `list`, a member of the root, to `each`: none is kept.
    ///
    /// # Errors
    /// As [`Self::json`], and those of `each`.
    pub fn json_by_item(body: &'a [u8], list: &str, mut each: impl FnMut(&Self) -> Result<()>) -> Result<Self> {
        let mut failure = None;
        let mut hand_over = |item: &Self| each(item).map_err(|error| failure = Some(error)).is_ok();
        let tree = read(body, Some((list, &mut hand_over)));
        failure.map_or(tree, Err)
    }
}

/// Takes an item of a list; false where that fails.
type Each<'f, 'de> = dyn FnMut(&Tree<'de>) -> bool + 'f;

/// Reads JSON; `by_item`: the member of the root whose items are handed over, and to what.
fn read<'de>(body: &'de [u8], by_item: Option<(&str, &mut Each<'_, 'de>)>) -> Result<Tree<'de>> {
    let mut count = 0;
    let mut json = serde_json::Deserializer::from_slice(body);
    let tree = Values { count: &mut count, by_item, each: None }.deserialize(&mut json);
    tree.and_then(|tree| json.end().map(|()| tree)).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "it has not the form that is described",
            Category::Eof => "it is cut off",
            Category::Syntax | Category::Io => "it is no JSON",
        };
        anyhow!("{what}, at line {} column {}", error.line(), error.column())
    })
}

/// Makes the tree while JSON is read, and counts its values.
struct Values<'a, 'f, 'de> {
    count: &'a mut usize,
    by_item: Option<(&'a str, &'a mut Each<'f, 'de>)>,
    /// What takes the items of this list.
    each: Option<&'a mut Each<'f, 'de>>,
}

impl<'de> DeserializeSeed<'de> for Values<'_, '_, 'de> {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Tree<'de>, D::Error> {
        *self.count += 1;
        if *self.count > VALUES {
            return Err(D::Error::custom("too many values"));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_, '_, 'de> {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Tree<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Values { count: self.count, by_item: None, each: None })? {
            match &mut self.each {
                None => items.push(item),
                Some(each) => match each(&item) {
                    true => {}
                    false => return Err(A::Error::custom("an item cannot be read")),
                },
            }
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Tree<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = object.next_key_seed(Name)? {
            let by_item = self.by_item.as_mut().filter(|(list, _)| *list == name);
            let each = by_item.map(|(_, each)| &mut **each);
            members.push((name, object.next_value_seed(Values { count: self.count, by_item: None, each })?));
        }
        Ok(Tree::Object(members))
    }
}

/// Reads the name of a member: serde's own reading of a `Cow` never borrows.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(text.to_owned().into())
    }
}
