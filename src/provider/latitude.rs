//! Latitude.sh.
//!
//! What is relied on stands in its description (OpenAPI, version 2023-06-01), or in what its Terraform provider recorded
//! of it. An order takes no tags, so its host name is the owner's mark. Once the machine is up it gets its tags, and
//! then the name that the user gave it. SSH keys and user data are objects of their own, which an order names by id.

mod objects;
mod preflight;
mod server;

use super::kit::*;

use self::objects::{IDENTITY, TAG, all, data, tags};

pub use self::server::machine;

/// Latitude.sh.
pub struct Latitude;

const SPEC: Spec = Spec {
    // The keys are objects of their own.
    user_data: UserDataForm::without_keys("user_data").base64(),
    identity: IDENTITY,
    has_objects: true,
    // There is no word for a machine on its way down.
    power: PowerControl { shows_reboot: false, ..PowerControl::FULL },
    ..Spec::usual("latitude", "an id such as sv_ZWr75Zbjr5A91", server::id, ATTRIBUTES)
};

#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    Attribute::credential("LATITUDESH_AUTH_TOKEN", "the API key").required(),
    Attribute::address("LATITUDESH_API_URL", "where the API is").default("https://api.latitude.sh"),
    Attribute::sent("PROJECT", "data.attributes.project", Form::Text, "the project, by id or slug").required(),
    Attribute::sent("PLAN", "data.attributes.plan", Form::Text, "the plan, by slug").required().plan(),
    Attribute::sent("SITE", "data.attributes.site", Form::Text, "the site, by slug").required().place(),
    Attribute::sent("OS", "data.attributes.operating_system", Form::Text, "the operating system, by slug").required(),
    Attribute::new("HOSTNAME", "the name at the provider, once it is up").form(Form::Own("host name", host_name)),
    Attribute::sent("BILLING", "data.attributes.billing", Form::OneOf(&["hourly", "monthly", "yearly"]), "how it is billed"),
    Attribute::sent("RAID", "data.attributes.raid", Form::OneOf(&["raid-0", "raid-1"]), "the RAID of its disks"),
    Attribute::new("TAGS", "tags beside those of OpenNebula").form(Form::Own("list with commas", tag_names)),
];

fn host_name(written: &str) -> Result<Value> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && is_plain(label, "-") && !label.starts_with('-') && !label.ends_with('-')
    };
    match written.len() <= 253 && written.split('.').all(is_label) {
        true => Ok(json!(written)),
        false => bail!(Mistake::new("is no host name", "write letters, digits, hyphens and dots")),
    }
}

fn tag_names(written: &str) -> Result<Value> {
    let tags = words(written);
    match tags.iter().find(|tag| tag.chars().count() > TAG) {
        None => Ok(json!(tags)),
        Some(tag) => bail!(Mistake::new(format!("has {tag:?}"), format!("write tags of at most {TAG} characters"))),
    }
}

/// The machines of the team that pass `filter`, further parameters of the query.
fn servers(api: &Api<'_>, filter: &str) -> Result<Vec<Machine>, ApiError> {
    all(api, "/servers", filter, |server| Ok(api.redacted(machine(server)?)))
}

/// Changes attributes of a machine.
fn change(api: &Api<'_>, id: &MachineId, attributes: &Value) -> Result<Advance, ApiError> {
    let mut body = data("servers", attributes);
    body["data"]["id"] = json!(id.as_str());
    api.send(&Call::patch(&format!("/servers/{id}")).json(&body))?;
    Ok(Advance::Again)
}

impl Provider for Latitude {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        Ok(Endpoint::with_header(account, "LATITUDESH_API_URL", "authorization", "LATITUDESH_AUTH_TOKEN"))
    }

    /// A name is given away after the tags are there, so who looks for the name first misses a machine at no moment.
    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        let Filter::Marked(mark) = filter else {
            return servers(api, "");
        };
        let mut found = servers(api, &format!("&filter%5Bhostname%5D={}", percent_encode(mark)))?;
        let mut tags = tags(api)?.into_iter();
        if let Some(tag) = tags.find(|tag| IDENTITY.encode(&tag.text) == mark) {
            let tagged = servers(api, &format!("&filter%5Btags%5D={}", tag.id))?;
            found.retain(|known| tagged.iter().all(|machine| machine.id != known.id));
            found.extend(tagged);
        }
        Ok(found)
    }

    fn prepare(&self, api: &Api<'_>, order: &mut Order) -> Result<(), ApiError> {
        objects::prepare(api, order).map_err(no_project)
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let body = data("servers", &order.body["data"]["attributes"]);
        let ordered = api.machine(&Call::order("/servers").json(&body), |answer| machine(answer.at("data")));
        ordered.map_err(no_project)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        api.machine(&Call::get(&format!("/servers/{id}")), |answer| machine(answer.at("data")))
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let action = power.pick(["power_on", "power_off", "reboot"]);
        let body = data("actions", &json!({ "action": action }));
        api.send(&Call::post(&format!("/servers/{id}/actions")).json(&body))?;
        Ok(None)
    }

    /// First the tags, then the name, and that only where the search that finds the machine by its tags shows them:
    /// whoever gave both away would not find it again.
    fn advance(&self, api: &Api<'_>, order: &Order, machine: &Machine) -> Result<Advance, ApiError> {
        if machine.state != State::On {
            return Ok(Advance::Again);
        }
        let has_tags = |machine: &Machine| order.tags.iter().all(|tag| machine.tags.contains(tag));
        let name = order.attribute("HOSTNAME");
        let has_name = name.is_empty() || machine.name.as_deref() != Some(order.mark.as_str());
        if has_tags(machine) && has_name {
            return Ok(Advance::Done);
        }
        let ids = objects::tag_ids(api, machine.tags.iter().chain(&order.tags))?;
        let tagged = servers(api, &format!("&filter%5Btags%5D={}", ids.join(",")))?;
        match tagged.iter().find(|tagged| tagged.id == machine.id) {
            None => change(api, &machine.id, &json!({ "tags": ids })),
            Some(tagged) if !has_name && has_tags(tagged) && has_tags(machine) => {
                let renamed = change(api, &machine.id, &json!({ "hostname": name }));
                renamed.map_err(|error| match error.kind {
                    Kind::Rejected => error.with("change HOSTNAME"),
                    _ => error,
                })
            }
            // It has them, and does not show them: its name stays the mark.
            Some(_) => Ok(Advance::Done),
        }
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        api.send(&Call::delete(&format!("/servers/{id}")))
    }

    fn discard(&self, api: &Api<'_>, mark: &str) -> Result<(), ApiError> {
        objects::discard(api, mark)
    }

    fn explain(&self, _: &Account, status: u16, body: &Tree) -> Explanation {
        server::explain(status, body)
    }

    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        preflight::ask(api, order)
    }
}

/// The same error, of a request that names no machine: what is not found is the project.
fn no_project(error: ApiError) -> ApiError {
    match error.kind {
        Kind::NotFound => {
            let remedy = "set PROJECT to a project of the team; `pm-packet check` shows which there are";
            error.of(Kind::Rejected).with(remedy)
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_and_tags_are_read() {
        for text in ["node0", "node-0.example.com", "7"] {
            assert!(host_name(text).is_ok(), "{text}");
        }
        for text in ["-a", "a-", "a..b", "a_b", "a b", "", &"a".repeat(64), &"a.".repeat(200)] {
            assert!(host_name(text).is_err(), "{text}");
        }
        assert!(tag_names(&format!("one, {}", "x".repeat(TAG))).is_ok());
        assert!(tag_names(&"x".repeat(TAG + 1)).is_err());
    }
}
