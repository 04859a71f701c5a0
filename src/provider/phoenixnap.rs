//! phoenixNAP Bare Metal Cloud.
//!
//! What is relied on stands in the descriptions that phoenixNAP publishes of its APIs (phoenixnap/go-sdk-bmc, June 2025):
//! of servers (`/bmc/v1`), tags (`/tag-manager/v1`), products and their stock (`/billing/v1`), locations
//! (`/location-api/v1`). What they do not say, others observed: it stands where it is relied on.

mod form;
mod preflight;
mod server;

use super::kit::*;

pub use self::server::{explain, machine};

/// phoenixNAP.
pub struct PhoenixNap;

const SPEC: Spec = Spec {
    user_data: UserDataForm {
        compose: form::user_data,
        ..UserDataForm::without_keys("osConfiguration.cloudInit.userData").base64()
    },
    // "letters, numbers, and the following symbols: '-', '_'" (TagAssignmentRequest).
    identity: Identity::Pairs { field: "tags", members: ("name", "value"), alphabet: Some("_-") },
    // No answer about a server is a not-found that is described: one that is gone is forbidden, as others' are.
    absence: Absence::Listing,
    has_objects: true,
    ..Spec::usual("phoenixnap", "an id of letters, digits and hyphens", server::id, ATTRIBUTES)
};

#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("PNAP_CLIENT_ID", "the id of the API credentials").form(Form::Token).account().required(),
    Attribute::credential("PNAP_CLIENT_SECRET", "their secret").required(),
    Attribute::address("PNAP_API_URL", "where the APIs are").default("https://api.phoenixnap.com"),
    Attribute::address("PNAP_AUTH_URL", "where tokens are fetched").default("https://auth.phoenixnap.com"),
    Attribute::sent("TYPE", "type", Form::Text, "the kind of server, such as s1.c1.small").required().plan(),
    Attribute::sent("LOCATION", "location", Form::Text, "the place, such as PHX").required().place(),
    Attribute::sent("OS", "os", Form::Text, "the operating system, such as ubuntu/jammy").required(),
    Attribute::sent("HOSTNAME", "hostname", Form::Own("host name", form::hostname), "the host name; made of the provision and the host's id if not said"),
    Attribute::sent("NETWORK_TYPE", "networkType", Form::Text, "PUBLIC_AND_PRIVATE if not said, PRIVATE_ONLY or PUBLIC_ONLY"),
    Attribute::sent("PRICING_MODEL", "pricingModel", Form::Text, "how it is paid; all but HOURLY is paid for its whole term").default(HOURLY),
    Attribute::new("TAGS", "tags beside those of OpenNebula").form(Form::Own("name=value, with commas", form::tags)),
];

/// The pricing model without a commitment.
const HOURLY: &str = "HOURLY";
const SERVERS: &str = "/bmc/v1/servers";
const TAGS: &str = "/tag-manager/v1/tags";
/// Of Keycloak, in the realm that the descriptions name (`tokenUrl`).
const TOKEN: &str = "/auth/realms/BMC/protocol/openid-connect/token";

/// A token (RFC 6749, section 4.4).
fn fetch(ask: &dyn Ask) -> Result<Grant, ApiError> {
    // In the encoding of forms: RFC 6749, section 2.3.1.
    let encoded = |name| Secret::new(percent_encode(ask.setting(name)));
    let basic = Auth::Basic(encoded("PNAP_CLIENT_ID"), encoded("PNAP_CLIENT_SECRET")).header();
    let path = format!("{}{TOKEN}", ask.setting("PNAP_AUTH_URL").trim_end_matches('/'));
    let call = Call::post(&path).form("grant_type=client_credentials".to_owned()).open();
    match ask.ask(&call.with(&basic))?.body.text("access_token") {
        Some(token) => Ok(Grant::bearer(token)),
        None => Err(ask.problem(Kind::Rejected, "the answer of the token server has no token", "check PNAP_AUTH_URL")),
    }
}

/// What is sent as the order.
fn body(order: &Order) -> Value {
    let mut body = order.body.clone();
    // Keys that are marked as default in the account are other people's.
    body["installDefaultSshKeys"] = json!(false);
    body["sshKeys"] = json!(order.ssh_keys);
    if body["hostname"].is_null() {
        body["hostname"] = json!(form::own_hostname(&order.mark));
    }
    // A value has at least one character.
    for tag in body["tags"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        tag.retain(|_, text| text != "");
    }
    body
}

/// The names of the order's tags that the account does not have.
fn missing_tags(api: &Api<'_>, order: &Order) -> Result<Vec<String>, ApiError> {
    let known: Vec<String> = api.read(&Call::get(TAGS), |tags| {
        Ok(tags.list("")?.filter_map(|tag| tag.text("name")).map(str::to_owned).collect())
    })?;
    let tags = order.body["tags"].as_array().into_iter().flatten();
    let names = tags.filter_map(|tag| tag["name"].as_str()).map(str::to_owned);
    Ok(names.filter(|name| !known.contains(name)).collect())
}

/// An error about one server: that it cannot be accessed is what is said of one that is gone or never was.
fn of_server(error: ApiError) -> ApiError {
    match error.code.as_deref() {
        Some(server::NO_ACCESS) => error.of(Kind::NotFound),
        _ => error,
    }
}

impl Provider for PhoenixNap {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        account.need(&["PNAP_CLIENT_ID"])?;
        Ok(Endpoint { base: account.base("PNAP_API_URL"), auth: Auth::Fetched(fetch) })
    }

    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        let path = match filter {
            Filter::Marked(mark) => format!("{SERVERS}?tag={}", percent_encode(&mark.replacen('=', ".", 1))),
            // What is filtered by is a name with a value, and what all have in common has none.
            Filter::Ours | Filter::Account => SERVERS.to_owned(),
        };
        // There are no pages.
        api.read(&Call::get(&path), |servers| {
            servers.list("")?.map(|server| Ok(api.redacted(machine(server)?))).collect()
        })
    }

    /// Tags are the account's vocabulary: what is made once serves every later order, and stays.
    fn prepare(&self, api: &Api<'_>, order: &mut Order) -> Result<(), ApiError> {
        for name in missing_tags(api, order).map_err(ApiError::before_order)? {
            let tag = json!({ "name": name, "isBillingTag": false });
            match api.send(&Call::post(TAGS).json(&tag)) {
                // Somebody else made it meanwhile.
                Err(error) if error.kind == Kind::Conflict => {}
                made => made?,
            }
        }
        Ok(())
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let refused = match api.machine(&Call::order(SERVERS).json(&body(order)), machine) {
            Err(error) if matches!(error.kind, Kind::Conflict | Kind::Rejected) => error,
            answer => return answer,
        };
        // Orders know a new tag only after a while (phoenixnap/terraform-provider-pnap, pull request 29). All else that
        // is in the way of an order is not said to pass.
        let is_early = server::is_of_tags(&refused) && missing_tags(api, order).is_ok_and(|missing| missing.is_empty());
        Err(refused.of(if is_early { Kind::Conflict } else { Kind::Rejected }))
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        api.machine(&Call::get(&format!("{SERVERS}/{id}")), machine).map_err(of_server)
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        // `reset` installs the server anew.
        let (action, end) = power.pick([("power-on", State::On), ("power-off", State::Off), ("reboot", State::Off)]);
        let refused = match api.send(&Call::post(&format!("{SERVERS}/{id}/actions/{action}"))) {
            Ok(()) => return Ok(None),
            Err(error) => of_server(error),
        };
        // "The resource is in an incompatible state": it is busy, or it is in one that does not pass by itself.
        let is_final = |machine: Machine| machine.state == end || matches!(machine.state, State::Failed | State::Gone);
        match refused.kind {
            Kind::Conflict if self.get(api, id).is_ok_and(is_final) => {
                Err(refused.of(Kind::Rejected).with("see the state of the machine at the provider"))
            }
            _ => Err(refused),
        }
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        // The block of addresses that the order bought stays, and is billed, unless it is said.
        let both = json!({ "deleteIpBlocks": true });
        let path = format!("{SERVERS}/{id}/actions/deprovision");
        api.send(&Call::post(&path).json(&both)).map_err(of_server)
    }

    fn explain(&self, _: &Account, status: u16, body: &Tree) -> Explanation {
        explain(status, body)
    }

    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        preflight::ask(api, order)
    }
}
