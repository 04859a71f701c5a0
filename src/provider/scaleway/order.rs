//! What is looked up before an order is sent: the ids of the offer, of the operating system and of SSH keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::kit::*;
use super::{HOURLY, MONTHLY, items, of_zone};

const ADD_KEY: &str = "add the key to the SSH keys of the project, or set OS and OFFER to ones that take cloud-init";

/// The SSH keys of a host.
pub(super) struct Keys {
    /// The ids of those that IAM has, and of SSH_KEY_IDS.
    pub(super) ids: Vec<String>,
    /// The texts of those of the context that IAM does not have.
    pub(super) missing: Vec<String>,
    /// Whether what IAM has may be seen.
    pub(super) is_seen: bool,
}

/// The body of an order.
///
/// # Errors
/// What is named is not known, a key of the context cannot reach the machine, or a look failed.
pub(super) fn body(api: &Api<'_>, order: &Order) -> Result<Value, ApiError> {
    let (offer, system, keys) = (offer(api, order)?, system(api, order)?, keys(api, order)?);
    let mut order = order.clone();
    match composed(&order, &system, &keys) {
        Err(mistake) => return Err(api.refusal(mistake)),
        Ok(None) => {}
        Ok(Some(data)) => order.set("user_data", json!(STANDARD.encode(data))),
    }
    // The API wants a name, and takes an empty description.
    let name = match order.attribute("HOSTNAME") {
        "" => order.tags.iter().find_map(|tag| Some(format!("one-host-{}", tag.strip_prefix("ONE_HOST_ID=")?))),
        name => Some(name.to_owned()),
    };
    let name = json!(name.as_deref().unwrap_or("one-host"));
    let description = json!(order.attribute("DESCRIPTION"));
    for (path, value) in [
        ("offer_id", json!(id_of(&offer))),
        ("install.os_id", json!(id_of(&system))),
        ("install.ssh_key_ids", json!(keys.ids)),
        ("install.hostname", name.clone()),
        ("name", name),
        ("description", description),
        ("protected", json!(false)),
    ] {
        order.set(path, value);
    }
    Ok(order.body)
}

/// The user data: USERDATA, and the keys that IAM does not have.
///
/// # Errors
/// Those keys cannot go along.
pub(super) fn composed(order: &Order, system: &Entry, keys: &Keys) -> Result<Option<Vec<u8>>, Mistake> {
    let own = order.body["user_data"].as_str().and_then(|own| STANDARD.decode(own).ok());
    if keys.missing.is_empty() {
        return Ok(own);
    }
    const WHAT: &str = "the SSH key of CONTEXT is not among the SSH keys of the project";
    if system.tree.flag("cloud_init_supported") == Some(false) {
        return Err(Mistake::new(format!("{WHAT}, and {} takes no cloud-init", system.label()), ADD_KEY));
    }
    let own = own.map(|own| String::from_utf8_lossy(&own).into_owned());
    let missing: Vec<&str> = keys.missing.iter().map(String::as_str).collect();
    let composed = user_data::compose(&missing, own.as_deref());
    if composed.warning.is_some() {
        return Err(Mistake::new(format!("{WHAT}, and nothing can be added to this USERDATA"), ADD_KEY));
    }
    Ok(composed.text.map(|text| text.expose().as_bytes().to_vec()))
}

/// The keys of the order's context, as the project in IAM has them.
pub(super) fn keys(api: &Api<'_>, order: &Order) -> Result<Keys, ApiError> {
    let given = order.body["install"]["ssh_key_ids"].as_array().into_iter().flatten();
    let ids: Vec<String> = given.filter_map(|id| id.as_str().map(str::to_owned)).collect();
    let mut keys = Keys { ids, missing: Vec::new(), is_seen: true };
    if order.ssh_keys.is_empty() {
        return Ok(keys);
    }
    let path = format!("/iam/v1alpha1/ssh-keys?project_id={}", api.required("SCW_DEFAULT_PROJECT_ID")?);
    let known = match items(api, &path, "ssh_keys", |key| Ok(key.owned())) {
        Ok(known) => known,
        // IAM needs a permission of its own. Somebody who names keys is believed then.
        Err(error) if error.kind == Kind::PermissionDenied => {
            keys.is_seen = false;
            if keys.ids.is_empty() {
                keys.missing.clone_from(&order.ssh_keys);
            }
            return Ok(keys);
        }
        Err(error) => return Err(error),
    };
    for key in &order.ssh_keys {
        let is_same = |one: &&Tree| {
            let is_same = one.text("public_key").is_some_and(|own| is_same_key(own, key));
            is_same && one.flag("disabled") != Some(true)
        };
        match known.iter().find(is_same).and_then(|one| one.text("id")) {
            Some(id) if keys.ids.iter().any(|known| known == id) => {}
            Some(id) => keys.ids.push(id.to_owned()),
            None => keys.missing.push(key.clone()),
        }
    }
    Ok(keys)
}

/// The offer of the order. One name has an entry for each period.
pub(super) fn offer(api: &Api<'_>, order: &Order) -> Result<Entry, ApiError> {
    let zone = api.required("SCW_DEFAULT_ZONE")?;
    let (period, name) = (order.attribute("SUBSCRIPTION_PERIOD"), order.attribute("OFFER"));
    let offers = |period: &str| -> Result<Vec<Entry>, ApiError> {
        let path = of_zone(zone, &format!("offers?subscription_period={period}"));
        let mut offers = items(api, &path, "offers", |offer| Ok(Entry::of(offer, &["name", "id"])))?;
        offers.retain(|offer| offer.tree.text("subscription_period") == Some(period));
        Ok(offers)
    };
    let mistake = match pick(offers(period)?, &format!("offer in {zone}"), "OFFER", name) {
        Ok(offer) => return Ok(offer),
        Err(mistake) => mistake,
    };
    let other = if period == HOURLY { MONTHLY } else { HOURLY };
    let is_other = offers(other)?.iter().any(|offer| offer.is_called(name));
    let mistake = match is_other {
        true => Mistake::new(
            format!("the offer {:?} is {other} in {zone}, not {period}", one_line(name)),
            format!("{}, or set SUBSCRIPTION_PERIOD={other}", mistake.remedy),
        ),
        false => mistake,
    };
    Err(api.refusal(mistake))
}

/// The operating system of the order: by its id, or its name with as many words of its version as tell it from others.
pub(super) fn system(api: &Api<'_>, order: &Order) -> Result<Entry, ApiError> {
    let zone = api.required("SCW_DEFAULT_ZONE")?;
    let entry = |system: &Tree| {
        let whole = [system.text("name"), system.text("version")].map(Option::unwrap_or_default).join(" ");
        let whole = whole.trim_end();
        let shorter = whole.rmatch_indices(' ').map(|(at, _)| &whole[..at]);
        let names = std::iter::once(whole).chain(shorter).chain(system.text("id"));
        Ok(Entry { names: names.map(str::to_owned).collect(), title: None, tree: system.owned() })
    };
    let all = items(api, &of_zone(zone, "os"), "os", entry)?;
    let system = pick(all, &format!("operating system in {zone}"), "OS", order.attribute("OS"));
    system.map_err(|mistake| api.refusal(mistake))
}

/// The one of `entries` that goes by this name.
fn pick(entries: Vec<Entry>, about: &str, attribute: &str, name: &str) -> Result<Entry, Mistake> {
    let called = entries.iter().filter(|entry| entry.is_called(name));
    let called: Vec<String> = called.map(|one| format!("{} ({})", one.name(), id_of(one))).collect();
    if called.len() < 2 {
        return catalogue::pick(entries, about, attribute, name);
    }
    let what = format!("there is more than one {about} called {:?}", one_line(name));
    Err(Mistake::new(what, one_line(&format!("set {attribute} to one of {}", called.join(", ")))))
}

/// The id of an entry.
pub(super) fn id_of(entry: &Entry) -> &str {
    entry.tree.text("id").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_tell_one_entry() {
        let entry = |id: &str, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let tree = Tree::json(json!({ "id": id }).to_string().as_bytes()).unwrap_or_default().owned();
            Entry { names, title: None, tree }
        };
        let all = || vec![entry("1", &["Ubuntu 22.04", "Ubuntu"]), entry("2", &["Ubuntu 24.04", "Ubuntu"])];
        let picked = |name: &str| pick(all(), "operating system", "OS", name).map(|entry| id_of(&entry).to_owned());
        assert_eq!(picked("Ubuntu 24.04"), Ok("2".to_owned()));
        let mistake = picked("Ubuntu").unwrap_err().to_string();
        assert!(mistake.ends_with("set OS to one of Ubuntu 22.04 (1), Ubuntu 24.04 (2)"), "{mistake}");
        let mistake = picked("Ubuntu 23").unwrap_err().to_string();
        assert!(
            mistake.contains("no operating system called \"Ubuntu 23\": set OS to another one, such as"),
            "{mistake}"
        );
    }
}
