//! Scaleway Elastic Metal.
//!
//! What is relied on stands in Scaleway's description of the API and in its clients (`scaleway-sdk-go`: baremetal v1,
//! `scw/errors.go`), or in the recordings of the API that its Terraform provider keeps (2025-12). A server belongs to a
//! zone, and is known there alone: its deploy id is `ZONE/UUID`.

mod error;
mod order;
mod preflight;
mod server;

use super::kit::*;

pub use self::server::machine;

/// Scaleway.
pub struct Scaleway;

const SPEC: Spec = Spec {
    // Which keys have to go along, IAM tells: `order` adds them.
    user_data: UserDataForm::without_keys("user_data").base64(),
    // A server that is gone is answered with 404 and `{"message": "Not Found"}` (recorded): no more than a wrong path, or
    // something in between, may say.
    absence: Absence::Listing,
    // The first look after an order shows the server in each recording.
    appears_within: Duration::from_secs(12),
    ..Spec::usual(
        "scaleway",
        "a zone and a UUID, such as fr-par-2/00000000-0000-0000-0000-000000000000",
        server::id,
        ATTRIBUTES,
    )
};

/// Whether a server is `protected` is left out with intent: one that is cannot be deleted, so a failed deploy would leave
/// it.
#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    Attribute::credential("SCW_SECRET_KEY", "the secret key of an API key").required(),
    Attribute::sent("SCW_DEFAULT_PROJECT_ID", "project_id", Form::Own("UUID", project), "the project").account().required(),
    Attribute::new("SCW_DEFAULT_ZONE", "the zone, such as fr-par-2").form(Form::Own("zone", zone)).account().required().place(),
    Attribute::address("SCW_API_URL", "where the API is").default("https://api.scaleway.com"),
    Attribute::sent("OFFER", "offer_id", Form::Text, "the offer, by name or id").required().plan(),
    Attribute::sent("OS", "install.os_id", Form::Text, "the operating system, by name or id").required(),
    Attribute::sent("HOSTNAME", "install.hostname", Form::Text, "the host name, and the server's name"),
    Attribute::sent("SSH_KEY_IDS", "install.ssh_key_ids", Form::Uuids, "keys of IAM beside the context's"),
    Attribute::sent("DESCRIPTION", "description", Form::Text, "what it is for"),
    Attribute::new("SUBSCRIPTION_PERIOD", "hourly, or monthly, which is a commitment").form(Form::OneOf(&[HOURLY, MONTHLY])).default(HOURLY),
    Attribute::new("TAGS", "tags beside those of OpenNebula").form(Form::List),
];

/// The zones of Elastic Metal (API description).
const ZONES: [&str; 6] = ["fr-par-1", "fr-par-2", "nl-ams-1", "nl-ams-2", "pl-waw-2", "pl-waw-3"];
/// The period without a commitment.
const HOURLY: &str = "hourly";
const MONTHLY: &str = "monthly";
/// The most items of a page: all offers together are 2 MB.
const PAGE: usize = 50;

fn project(written: &str) -> Result<Value> {
    if !is_uuid(written) {
        bail!(Mistake::new("is no project id", "set it to the UUID of the project"));
    }
    Ok(json!(written))
}

fn zone(written: &str) -> Result<Value> {
    if !server::is_zone(written) {
        bail!(Mistake::new(format!("is {written:?}"), "write a zone such as fr-par-2"));
    }
    Ok(json!(written))
}

/// The zones where the account may have servers, that of the settings first.
fn zones<'a>(api: &Api<'a>) -> impl Iterator<Item = &'a str> {
    let own = Some(api.setting("SCW_DEFAULT_ZONE")).filter(|own| !own.is_empty());
    own.into_iter().chain(ZONES.into_iter().filter(move |zone| Some(*zone) != own))
}

/// The path of what a zone has.
fn of_zone(zone: &str, what: &str) -> String {
    format!("/baremetal/v1/zones/{zone}/{what}")
}

/// The path of a server.
fn of_server(id: &MachineId) -> String {
    let (zone, uuid) = id.as_str().split_once('/').unwrap_or_default();
    of_zone(zone, &format!("servers/{uuid}"))
}

/// Every item of a listing at `path`.
fn items<T: Send>(
    api: &Api<'_>,
    path: &str,
    list: &'static str,
    reading: impl Fn(&Tree) -> Result<T> + Sync,
) -> Result<Vec<T>, ApiError> {
    let sign = if path.contains('?') { '&' } else { '?' };
    let listing = Listing { items: list, total: "total_count", next: None };
    api.numbered(|page| format!("{path}{sign}page={page}&page_size={PAGE}"), &listing, reading)
}

/// The same error, of a request about the server `id`, for what it proves: that a server is not to be seen says nothing
/// where it is denied, or where no listing looks.
fn about_server(api: &Api<'_>, id: &MachineId, error: ApiError) -> ApiError {
    let is_listed = zones(api).any(|zone| id.as_str().starts_with(zone));
    match error.kind {
        Kind::PermissionDenied => error.of(Kind::Rejected),
        Kind::NotFound if !is_listed => {
            error.of(Kind::Rejected).with("set SCW_DEFAULT_ZONE to the zone of the machine")
        }
        _ => error,
    }
}

impl Provider for Scaleway {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        Ok(Endpoint::with_header(account, "SCW_API_URL", "x-auth-token", "SCW_SECRET_KEY"))
    }

    /// Whether the API's own filter by tags is exact is not said: it is not used.
    fn list(&self, api: &Api<'_>, _: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        let project = api.required("SCW_DEFAULT_PROJECT_ID")?;
        let mut machines = Vec::new();
        for zone in zones(api) {
            let path = of_zone(zone, &format!("servers?order_by=created_at_asc&project_id={project}"));
            match items(api, &path, "servers", |server| Ok(api.redacted(machine(server)?))) {
                Ok(found) => machines.extend(found),
                // Nothing can stand in what Scaleway says is no zone. That of the settings is a mistake.
                Err(error) if error::is_no_zone(&error) && zone != api.setting("SCW_DEFAULT_ZONE") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(machines)
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let path = of_zone(api.required("SCW_DEFAULT_ZONE")?, "servers");
        let body = order::body(api, order).map_err(ApiError::before_order)?;
        api.machine(&Call::order(&path).json(&body), machine)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        let seen = api.machine(&Call::get(&of_server(id)), machine);
        seen.map_err(|error| about_server(api, id, error))
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let normal = || json!({ "boot_type": "normal" });
        let (action, body) = power.pick([("start", normal()), ("stop", json!({})), ("reboot", normal())]);
        // A reboot may be over between two looks: its answer is the only sure sign that the machine went down.
        let answer = api.machine(&Call::post(&format!("{}/{action}", of_server(id))).json(&body), machine);
        answer.map(|machine| Some(machine.state)).map_err(|error| about_server(api, id, error))
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        let answer = api.send(&Call::delete(&of_server(id)));
        answer.map_err(|error| about_server(api, id, error))
    }

    fn explain(&self, _: &Account, status: u16, body: &Tree) -> Explanation {
        error::explain(status, body)
    }

    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        preflight::ask(api, order)
    }

    fn size(&self, api: &Api<'_>, machine: &Machine) -> Result<Option<(u64, u64)>, ApiError> {
        let offer = machine.value(server::OFFER_ID).filter(|offer| is_uuid(offer));
        let (Some(offer), Some(zone)) = (offer, &machine.place) else {
            return Ok(None);
        };
        let path = of_zone(zone, &format!("offers/{offer}"));
        api.read(&Call::get(&path), |offer| Ok(Some(server::size(offer))))
    }
}
