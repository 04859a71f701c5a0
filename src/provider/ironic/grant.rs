//! How Ironic lets its users in, and which version of its API is spoken.

use super::super::kit::*;

/// The newest version of the API whose answers are known here: node histories came with it (OpenStack Xena).
const NEWEST: u32 = 78;
/// The oldest that has all that an order needs: config drives in JSON came with it (OpenStack Stein).
const OLDEST: u32 = 56;
const VERSION: &str = "x-openstack-ironic-api-version";

/// Who asks Ironic.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    None,
    Basic,
    Keystone,
}

impl Login {
    /// That which `OS_AUTH_TYPE` names, in the words of OpenStack's own clients.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" | "noauth" => Self::None,
            "http_basic" => Self::Basic,
            "password" | "v3password" => Self::Keystone,
            _ => return None,
        })
    }

    /// That of the settings.
    fn of<'a>(setting: impl Fn(&str) -> &'a str) -> Self {
        let has = |name| !setting(name).is_empty();
        let by_settings = match (has("OS_USERNAME"), has("OS_AUTH_URL")) {
            (false, _) => Self::None,
            (true, false) => Self::Basic,
            (true, true) => Self::Keystone,
        };
        Self::named(setting("OS_AUTH_TYPE")).unwrap_or(by_settings)
    }
}

/// Reads `OS_AUTH_TYPE`.
pub(super) fn auth_type(written: &str) -> Result<Value> {
    match Login::named(written) {
        Some(_) => Ok(json!(written)),
        None => bail!(Mistake::new(format!("is {written:?}"), "set it to none, http_basic or password")),
    }
}

/// Where Ironic is, as far as the settings tell.
pub(super) fn endpoint(account: &Account) -> Result<Endpoint> {
    let login = Login::of(|name| account.get(name));
    let mut needed = match login {
        Login::None => vec!["OS_ENDPOINT"],
        Login::Basic => vec!["OS_ENDPOINT", "OS_USERNAME", "OS_PASSWORD"],
        Login::Keystone => vec!["OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD"],
    };
    if login == Login::Keystone && account.get("OS_SYSTEM_SCOPE").is_empty() {
        needed.push("OS_PROJECT_NAME");
    }
    account.need(&needed)?;
    Ok(Endpoint { base: root(account.get("OS_ENDPOINT")), auth: Auth::Fetched(fetch) })
}

/// An address of Ironic without what paths begin with.
fn root(address: &str) -> String {
    let address = address.trim_end_matches('/');
    address.strip_suffix("/v1").unwrap_or(address).trim_end_matches('/').to_owned()
}

/// What lets us in, and the version of the API.
fn fetch(ask: &dyn Ask) -> Result<Grant, ApiError> {
    let mut grant = match Login::of(|name| ask.setting(name)) {
        Login::None => Grant::default(),
        Login::Basic => {
            let secret = |name| Secret::new(ask.setting(name));
            let basic = Auth::Basic(secret("OS_USERNAME"), secret("OS_PASSWORD"));
            Grant { credential: basic.header(), ..Grant::default() }
        }
        Login::Keystone => token(ask)?,
    };
    let base = grant.base.clone().unwrap_or_else(|| root(ask.setting("OS_ENDPOINT")));
    let path = format!("{base}/");
    let answer = ask.ask(&Call::get(&path).shown("/").open().with(&grant.credential))?.body;
    let newest = answer.text("default_version.version").and_then(|version| version.strip_prefix("1.")?.parse().ok());
    match newest {
        Some(newest) if newest >= OLDEST => {
            grant.headers.push((VERSION, format!("1.{}", NEWEST.min(newest))));
            Ok(grant)
        }
        Some(newest) => {
            let what = format!("Ironic speaks version 1.{newest} of its API, and 1.{OLDEST} is needed");
            Err(ask.problem(Kind::Rejected, &what, "use an Ironic of OpenStack Stein or later"))
        }
        None => {
            let what = format!("{path} tells no version, as Ironic does");
            Err(ask.problem(Kind::Rejected, &what, "set OS_ENDPOINT to the address of Ironic"))
        }
    }
}

/// A token of Keystone, and where its catalogue says that Ironic is (api-ref of Keystone, "Password authentication").
fn token(ask: &dyn Ask) -> Result<Grant, ApiError> {
    let own = |name| ask.setting(name);
    let domain = |name| json!({ "name": own(name) });
    let user =
        json!({ "name": own("OS_USERNAME"), "password": own("OS_PASSWORD"), "domain": domain("OS_USER_DOMAIN_NAME") });
    let scope = match own("OS_PROJECT_NAME") {
        "" => json!({ "system": { "all": true } }),
        project => json!({ "project": { "name": project, "domain": domain("OS_PROJECT_DOMAIN_NAME") } }),
    };
    let identity = json!({ "methods": ["password"], "password": { "user": user } });
    let body = json!({ "auth": { "identity": identity, "scope": scope } });
    let keystone = own("OS_AUTH_URL").trim_end_matches('/');
    let path = format!("{}/v3/auth/tokens", keystone.strip_suffix("/v3").unwrap_or(keystone));
    let answer = ask.ask(&Call::post(&path).json(&body).wanting("x-subject-token").open())?;
    let Some(token) = answer.header.filter(|token| !token.is_empty()) else {
        return Err(ask.problem(Kind::Rejected, "Keystone gave no token", "check OS_AUTH_URL"));
    };
    let mut grant = Grant { credential: Some(("x-auth-token", Secret::new(token))), ..Grant::default() };
    if own("OS_ENDPOINT").is_empty() {
        grant.base = Some(in_catalogue(ask, &answer.body)?);
    }
    Ok(grant)
}

/// Where the catalogue of a token says that Ironic is.
fn in_catalogue(ask: &dyn Ask, answer: &Tree) -> Result<String, ApiError> {
    let (region, interface) = (ask.setting("OS_REGION_NAME"), ask.setting("OS_INTERFACE"));
    let services = answer.items("token.catalog").filter(|service| service.text("type") == Some("baremetal"));
    let mut endpoints = services.flat_map(|service| service.items("endpoints"));
    let is_meant = |endpoint: &&Tree| {
        let is_there =
            region.is_empty() || [endpoint.text("region"), endpoint.text("region_id")].contains(&Some(region));
        is_there && endpoint.text("interface") == Some(interface)
    };
    let found =
        endpoints.find(is_meant).and_then(|endpoint| endpoint.text("url")).filter(|url| url.starts_with("http"));
    found.map(root).ok_or_else(|| {
        let place = if region.is_empty() { String::new() } else { format!(" in {region}") };
        let what = format!("Keystone's catalogue has no {interface} endpoint of a baremetal service{place}");
        ask.problem(Kind::Rejected, &what, "set OS_ENDPOINT, or OS_REGION_NAME and OS_INTERFACE")
    })
}
