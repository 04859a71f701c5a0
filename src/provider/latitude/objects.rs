//! What Latitude.sh has beside servers: SSH keys, user data and tags, and its listings, which come in pages.

use super::super::kit::*;
use crate::wire::digest::sha256;

/// Tags come later than the order, so its name is the mark until then.
pub(super) const IDENTITY: Identity = Identity::Name { field: "data.attributes.hostname", tags: None };
/// The most characters of a tag's name (description, `POST /tags`).
pub(super) const TAG: usize = 40;
/// The most items of a page; the description tells none.
const PAGE: usize = 100;

/// A kind of objects that an order names by id.
struct Kept {
    path: &'static str,
    /// The member of an order that takes the ids, and the word for the kind.
    kind: &'static str,
    /// The attribute that holds the owner's mark.
    name: &'static str,
}

const KEYS: Kept = Kept { path: "/ssh_keys", kind: "ssh_keys", name: "attributes.name" };
const USER_DATA: Kept = Kept { path: "/user_data", kind: "user_data", name: "attributes.description" };

/// A tag of the team.
pub(super) struct Tag {
    pub(super) id: String,
    pub(super) text: String,
}

/// A body of JSON:API.
pub(super) fn data(kind: &str, attributes: &Value) -> Value {
    json!({ "data": { "type": kind, "attributes": attributes } })
}

/// Whether `text` can change no address.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && is_plain(text, "_")
}

/// The id of an object that is no server.
fn id(object: &Tree) -> Result<String> {
    let id = object.text("id").filter(|id| is_id(id)).context("it names an object whose id is none")?;
    Ok(id.to_owned())
}

/// Every item of a listing, on all of its pages, with `filter`: further parameters of the query.
pub(super) fn all<T: Send>(
    api: &Api<'_>,
    path: &str,
    filter: &str,
    reading: impl Fn(&Tree) -> Result<T> + Sync,
) -> Result<Vec<T>, ApiError> {
    let page = |number: usize| {
        format!("{path}?page%5Bsize%5D={PAGE}&page%5Bnumber%5D={number}&stats%5Btotal%5D=count{filter}")
    };
    api.numbered(page, &Listing { items: "data", total: "meta.stats.total.count", next: None }, reading)
}

/// Every object of this kind.
fn each(api: &Api<'_>, kind: &Kept) -> Result<Vec<Tree<'static>>, ApiError> {
    all(api, kind.path, "", |object| Ok(object.owned()))
}

// --- Keys and user data ---------------------------------------------------------------------------------------

/// The name of the owner's object that holds `content`: one with other content is another one.
fn name_of(mark: &str, content: &str) -> String {
    format!("{mark}-{}", &sha256(content.as_bytes())[..8])
}

/// Makes an object, or finds it among those that are `known`.
fn kept(api: &Api<'_>, kind: &Kept, known: &[Tree], name: &str, mut attributes: Value) -> Result<String, ApiError> {
    if let Some(found) = known.iter().find(|object| object.text(kind.name) == Some(name)) {
        return id(found).map_err(|error| api.problem(Kind::Ambiguous, error.to_string()));
    }
    attributes[kind.name.trim_start_matches("attributes.")] = json!(name);
    api.read(&Call::post(kind.path).json(&data(kind.kind, &attributes)), |answer| id(answer.at("data")))
}

/// The id of the object of an SSH key. Where the provider takes no public key twice, any object that has it will do.
fn key(api: &Api<'_>, order: &Order, known: &[Tree], key: &str) -> Result<String, ApiError> {
    let attributes = json!({ "public_key": key, "project": order.attribute("PROJECT") });
    let made = kept(api, &KEYS, known, &name_of(&order.mark, key), attributes);
    let Some(taken) = made.as_ref().err().filter(|error| error.kind == Kind::Conflict).cloned() else {
        return made;
    };
    let all = each(api, &KEYS)?;
    let is_same = |object: &&Tree| object.text("attributes.public_key").is_some_and(|own| is_same_key(own, key));
    let mut same = all.iter().filter(is_same);
    same.find_map(|object| id(object).ok()).ok_or(taken)
}

/// Every object of this kind, before any is made.
fn known(api: &Api<'_>, kind: &Kept) -> Result<Vec<Tree<'static>>, ApiError> {
    each(api, kind).map_err(ApiError::before_order)
}

/// Makes or finds the objects of an order, and puts their ids into it.
pub(super) fn prepare(api: &Api<'_>, order: &mut Order) -> Result<(), ApiError> {
    let mut keys = order.ssh_keys.clone();
    keys.sort();
    keys.dedup();
    if !keys.is_empty() {
        let known = known(api, &KEYS)?;
        let ids: Result<Vec<String>, ApiError> = keys.iter().map(|text| key(api, order, &known, text)).collect();
        order.set("data.attributes.ssh_keys", json!(ids?));
    }
    if let Some(content) = order.body["user_data"].as_str() {
        let known = known(api, &USER_DATA)?;
        let attributes = json!({ "content": content, "project": order.attribute("PROJECT") });
        let id = kept(api, &USER_DATA, &known, &name_of(&order.mark, content), attributes)?;
        order.set("data.attributes.user_data", json!(id));
    }
    Ok(())
}

/// Removes the objects that were made for the owner with this mark.
pub(super) fn discard(api: &Api<'_>, mark: &str) -> Result<(), ApiError> {
    // A machine without our name and tags has a name of its own, which objects of others may have as well.
    let is_digest = |digest: &str| digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mark = mark.strip_prefix("one-").is_some_and(is_digest);
    if !is_mark {
        return Ok(());
    }
    let own = format!("{mark}-");
    for kind in [KEYS, USER_DATA] {
        let is_own = |object: &&Tree| object.text(kind.name).is_some_and(|name| name.starts_with(&own));
        for object in each(api, &kind)?.iter().filter(is_own) {
            let id = id(object).map_err(|error| api.problem(Kind::Ambiguous, error.to_string()))?;
            match api.send(&Call::delete(&format!("{}/{id}", kind.path))) {
                Err(error) if error.kind != Kind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

// --- Tags -----------------------------------------------------------------------------------------------------

/// The name of the tag with this text; where that is too long for one, its digest, and the text is the description.
pub(super) fn tag_name(text: &str) -> String {
    match text.chars().count() {
        ..=TAG => text.to_owned(),
        _ => IDENTITY.encode(text),
    }
}

/// The text of a tag.
pub(super) fn tag_text<'a>(tag: &'a Tree) -> Option<&'a str> {
    let name = tag.text("name")?;
    Some(tag.text("description").filter(|text| tag_name(text) == name).unwrap_or(name))
}

/// A tag of a listing, if it has a text. One whose id cannot be read is not left out: a machine is found by it.
fn tag(tag: &Tree) -> Option<Result<Tag>> {
    let text = tag_text(tag.at("attributes"))?.to_owned();
    Some(id(tag).map(|id| Tag { id, text }))
}

/// Every tag of the team; the listing has no pages.
pub(super) fn tags(api: &Api<'_>) -> Result<Vec<Tag>, ApiError> {
    api.read(&Call::get("/tags"), |answer| answer.list("data")?.filter_map(tag).collect())
}

/// The ids of the tags with these texts. Those that the team lacks are made, and stay.
pub(super) fn tag_ids<'a>(api: &Api<'_>, texts: impl Iterator<Item = &'a String>) -> Result<Vec<String>, ApiError> {
    let known = tags(api)?;
    let mut ids: Vec<String> = Vec::new();
    for text in texts {
        let id = match known.iter().find(|tag| tag.text == *text) {
            Some(tag) => tag.id.clone(),
            None => new_tag(api, text)?,
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn new_tag(api: &Api<'_>, text: &str) -> Result<String, ApiError> {
    let name = tag_name(text);
    let mut attributes = json!({ "name": name, "color": "#ffffff" });
    if name != text {
        attributes["description"] = json!(text);
    }
    api.read(&Call::post("/tags").json(&data("tags", &attributes)), |answer| id(answer.at("data")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_whose_id_is_none_is_not_left_out_of_the_tags_that_machines_are_found_by() -> Result<()> {
        let read = |value: Value| Ok::<_, anyhow::Error>(tag(&Tree::json(value.to_string().as_bytes())?));
        let named = json!({ "name": "one" });
        assert!(read(json!({ "id": "tag_1", "attributes": named }))?.is_some_and(|tag| tag.is_ok()));
        assert!(read(json!({ "id": "../x", "attributes": named }))?.is_some_and(|tag| tag.is_err()));
        assert!(read(json!({ "id": "tag_1", "attributes": {} }))?.is_none());
        Ok(())
    }
}
