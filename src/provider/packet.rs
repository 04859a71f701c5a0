//! Packet, later Equinix Metal: its words and ours.
//!
//! What is relied on was observed, or stands in the API description that Equinix published (`Device`,
//! `DeviceCreateInput`, `DeviceActionInput`); its operator ended the public service in June 2026, so the
//! address of the API is a setting.

mod answer;
mod examine;
mod order;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::json;

pub use self::answer::{read_machine, read_page, read_reasons, read_traffic};
use self::order::{ATTRIBUTES, UNSHOWN, order};
use super::attribute::private_texts;
use super::{Backend, Machine, MachineId, Order, Power, Row, Traffic};
use crate::http::client::{Answer, Failure, Http, Method, Request};
use crate::http::error::{ApiError, Kind};
use crate::http::url::{is_http, is_loopback, percent_encode};
use crate::opennebula::host::Host;
use crate::opennebula::settings::Settings;
use crate::report::finding::Finding;
use crate::report::frame::Report;
use crate::report::secret::Secret;

/// Packet's row in the table of providers.
pub const ROW: Row = Row {
    name: "packet",
    account: &["PACKET_TOKEN", "PACKET_PROJECT", "PACKET_API_URL"],
    shows,
    secrets: &["PACKET_TOKEN"],
    id_form: "a UUID",
    id,
    order,
    open,
};

const API_URL: &str = "https://api.equinix.com/metal/v1";
/// How long a look, an action or a deletion may take: they answer within a second or two.
const REQUEST: Duration = Duration::from_secs(20);
/// How long an order may take: it waits for the provider's scheduler.
const ORDER: Duration = Duration::from_secs(60);
/// Machines a page of a listing; the API allows up to 1000.
const PAGE: usize = 100;
/// Pages after which a listing must have ended: no project has 100,000 machines with one tag.
const PAGES: usize = 1000;
/// The largest answer that is read: a page of machines is some 1 MB.
const LIMIT: u64 = 16 << 20;
/// The time of which `poll` sums up the traffic.
const TRAFFIC: Duration = Duration::from_secs(3600);

struct Packet {
    http: Http,
    base: String,
    token: Secret,
    project: Option<String>,
}

fn open(settings: &Settings<'_>, report: Report) -> Result<Arc<dyn Backend>> {
    let token = settings.get("PACKET_TOKEN")?.context(
        "there is no PACKET_TOKEN: put it into the section provision of the host's template",
    )?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("PACKET_TOKEN holds characters that no token has: copy it anew from the provider");
    }
    let base = api_url(settings)?;
    if base.starts_with("http://") && !is_loopback(base) {
        report.warn("PACKET_API_URL is http: the token travels in clear; use https");
    }
    let project = project_id(settings)?.map(str::to_owned);
    let token = Secret::new(token);
    let private = |host| private_texts(host, UNSHOWN);
    let mut secrets = settings.host.map(private).unwrap_or_default();
    secrets.push(token.clone());
    Ok(Arc::new(Packet {
        http: Http::new(base, secrets, report),
        base: base.trim_end_matches('/').to_owned(),
        token,
        project,
    }))
}

/// Whether `name` is an attribute that is read here and may be shown.
fn shows(name: &str) -> bool {
    let is_ordered = ATTRIBUTES.iter().any(|(attribute, ..)| *attribute == name);
    let others = ["PACKET_PROJECT", "PACKET_API_URL", "TAGS"];
    (is_ordered || others.contains(&name)) && !UNSHOWN.contains(&name)
}

/// A deploy id: a UUID, as nothing else is ever put into an address.
fn id(text: &str) -> Option<MachineId> {
    is_uuid(text).then(|| MachineId::checked(text.to_ascii_lowercase()))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn api_url<'a>(settings: &Settings<'a>) -> Result<&'a str> {
    let base = settings.get("PACKET_API_URL")?.unwrap_or(API_URL);
    if !is_http(base) || base.contains(['?', '#']) {
        bail!("PACKET_API_URL is not the address of an API: set it as {API_URL}");
    }
    Ok(base)
}

fn project_id<'a>(settings: &Settings<'a>) -> Result<Option<&'a str>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let project = settings.get("PACKET_PROJECT")?;
    if project.is_some_and(|text| !text.bytes().all(plain)) {
        bail!("PACKET_PROJECT is no project id: set it to the UUID of the project");
    }
    Ok(project)
}

impl Packet {
    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        by: Instant,
    ) -> Result<Answer, ApiError> {
        let is_order = method == Method::Post && path.starts_with("/projects/");
        let request = Request {
            method,
            url: &format!("{}{path}", self.base),
            path,
            headers: &[("x-auth-token", self.token.expose())],
            body: body.map(|body| ("application/json", body.as_bytes())),
            by,
            within: if is_order { ORDER } else { REQUEST },
            limit: LIMIT,
        };
        self.http
            .send(&request)
            .map_err(|failure| self.explain(*failure, is_order))
    }

    /// Sends a request and reads its answer with `reading`.
    fn read<T>(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        by: Instant,
        reading: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T, ApiError> {
        let answer = self.send(method, path, body, by)?;
        reading(&answer.body).map_err(|error| {
            self.http
                .unreadable(method, path, &answer, &error.to_string())
        })
    }

    fn projects_devices(&self) -> Result<String, ApiError> {
        match &self.project {
            Some(project) => Ok(format!("/projects/{project}/devices")),
            None => Err(ApiError {
                kind: Kind::Rejected,
                call: "nothing was sent".to_owned(),
                status: None,
                reasons: vec!["there is no PACKET_PROJECT".to_owned()],
                retry_after: None,
                remedy: "put it into the section provision of the host's template",
            }),
        }
    }

    /// Adds the API's reasons, which are JSON unless a proxy in between answered, and what to do.
    fn explain(&self, failure: Failure, is_order: bool) -> ApiError {
        let Failure { mut error, body } = failure;
        let reasons = read_reasons(&body);
        error.reasons = self.http.reasons(&reasons, &error.reasons.join("; "));
        let says = |word: &str| {
            let mut reasons = error.reasons.iter();
            reasons.any(|reason| reason.to_ascii_lowercase().contains(word))
        };
        if error.kind == Kind::Rejected {
            // "Cannot delete a device while it is provisioning" passes with time, "Cannot delete a locked
            // item." does not.
            if says("while") && says("provisioning") {
                error.kind = Kind::Conflict;
            } else if says("locked") {
                error.kind = Kind::Protected;
            }
        }
        error.remedy = match error.kind {
            Kind::NotSent => "check PACKET_API_URL and the network",
            Kind::Ambiguous | Kind::RateLimited | Kind::Conflict => "try again later",
            Kind::Unauthenticated => "check PACKET_TOKEN",
            Kind::PermissionDenied => "check that PACKET_TOKEN may use PACKET_PROJECT",
            Kind::NotFound => "check PACKET_PROJECT and PACKET_API_URL",
            Kind::Rejected if is_order => "change the section provision of the host's template",
            Kind::Rejected => "see the state of the machine at the provider",
            Kind::Protected => "unlock it at the provider first",
            Kind::Redirected => "set PACKET_API_URL to the address of the API itself",
            Kind::Untrusted => {
                "mend the certificate, or name its authority with SSL_CERT_FILE or SSL_CERT_DIR"
            }
        };
        error
    }
}

impl Backend for Packet {
    fn find(&self, tag: &str, by: Instant) -> Result<Vec<Machine>, ApiError> {
        let devices = self.projects_devices()?;
        let mut found = Vec::new();
        for page in 1..=PAGES {
            let path = format!(
                "{devices}?tag={}&per_page={PAGE}&page={page}",
                percent_encode(tag)
            );
            let (machines, is_last) =
                self.read(Method::Get, &path, None, by, |body| read_page(body, tag))?;
            found.extend(machines);
            if is_last {
                return Ok(found);
            }
        }
        Err(ApiError {
            kind: Kind::Ambiguous,
            call: format!("GET {devices}"),
            status: None,
            reasons: vec![format!("the listing has no end after {PAGES} pages")],
            retry_after: None,
            remedy: "check PACKET_API_URL",
        })
    }

    fn create(&self, order: &Order, by: Instant) -> Result<Machine, ApiError> {
        let path = self.projects_devices()?;
        self.read(
            Method::Post,
            &path,
            Some(order.body.expose()),
            by,
            read_machine,
        )
    }

    fn get(&self, id: &MachineId, by: Instant) -> Result<Option<Machine>, ApiError> {
        let path = format!("/devices/{id}");
        let machine = match self.read(Method::Get, &path, None, by, read_machine) {
            Err(error) if error.kind == Kind::NotFound => return Ok(None),
            machine => machine?,
        };
        if machine.state_name == "deleted" {
            return Ok(None);
        }
        if machine.id != *id {
            return Err(ApiError {
                kind: Kind::Ambiguous,
                call: format!("GET {path}"),
                status: None,
                reasons: vec![format!(
                    "the answer is about another machine, {}",
                    machine.id
                )],
                retry_after: None,
                remedy: "check PACKET_API_URL",
            });
        }
        Ok(Some(machine))
    }

    fn power(&self, id: &MachineId, power: Power, by: Instant) -> Result<(), ApiError> {
        let action = match power {
            Power::On => "power_on",
            Power::Off => "power_off",
            Power::Reboot => "reboot",
        };
        let body = json!({ "type": action }).to_string();
        self.send(
            Method::Post,
            &format!("/devices/{id}/actions"),
            Some(&body),
            by,
        )?;
        Ok(())
    }

    fn delete(&self, id: &MachineId, by: Instant) -> Result<(), ApiError> {
        match self.send(Method::Delete, &format!("/devices/{id}"), None, by) {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            result => result.map(|_| ()),
        }
    }

    fn traffic(&self, id: &MachineId, by: Instant) -> Result<Traffic, ApiError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let path = format!(
            "/devices/{id}/bandwidth?from={}&until={}",
            now.saturating_sub(TRAFFIC).as_secs(),
            now.as_secs()
        );
        self.read(Method::Get, &path, None, by, read_traffic)
    }

    fn examine(&self, host: &Host, by: Instant) -> Vec<Finding> {
        self.questions(host, by)
    }

    fn rest(&self) -> Duration {
        self.http.rest()
    }

    fn abort(&self) {
        self.http.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_deploy_ids() {
        assert!(id("B9EB1666-1b72-45ee-b529-806b079ce5af").is_some());
        for text in [
            "",
            "../projects/f3f131c8-f302-49ef-8c44-9405022dc6dd",
            "b9eb1666-1b72-45ee-b529-806b079ce5af/actions",
            "b9eb1666-1b72-45ee-b529-806b079ce5a\n",
            "b9eb1666x1b72-45ee-b529-806b079ce5af",
            "1002",
        ] {
            assert!(id(text).is_none(), "{text}");
        }
    }
}
