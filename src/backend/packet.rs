//! Packet, later Equinix Metal: its words and ours.
//!
//! What is relied on was observed, or stands in the API description that Equinix published (`Device`,
//! `DeviceCreateInput`, `DeviceActionInput`); its operator ended the public service in June 2026, so the
//! address of the API is a setting.

mod examine;

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Backend, Machine, MachineId, Order, Power, Row, State, Traffic, percent_encode};
use crate::finding::{Finding, Problems};
use crate::host::{Host, Owner, Settings};
use crate::http::{Answer, ApiError, Failure, Http, Kind, Method, Request, is_loopback};
use crate::moment;
use crate::opennebula::is_http;
use crate::report::{Report, one_line};
use crate::secret::Secret;
use crate::userdata;

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
    let mut secrets = settings.host.map(private_texts).unwrap_or_default();
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

// ---- The order -------------------------------------------------------------------------------------------

/// How the text of an attribute becomes a value of the order.
type Reading = fn(&str) -> Result<Value>;

/// What `DeviceCreateInput` takes and an attribute can carry: the attribute, the field, and how it is read.
///
/// `LOCKED` is left out with intent: a locked machine cannot be deleted, so a failed deploy would leave it.
const ATTRIBUTES: &[(&str, &str, Reading)] = &[
    ("PLAN", "plan", text),
    ("OS", "operating_system", text),
    ("FACILITY", "facility", one_or_list),
    ("METRO", "metro", text),
    ("HOSTNAME", "hostname", text),
    ("BILLING_CYCLE", "billing_cycle", text),
    ("HARDWARE_RESERVATION", "hardware_reservation_id", text),
    ("DESCRIPTION", "description", text),
    ("IPXE_SCRIPT_URL", "ipxe_script_url", text),
    ("ALWAYS_PXE", "always_pxe", flag),
    ("SPOT_INSTANCE", "spot_instance", flag),
    ("SPOT_PRICE_MAX", "spot_price_max", number),
    ("TERMINATION_TIME", "termination_time", time),
    ("PROJECT_SSH_KEYS", "project_ssh_keys", uuids),
    ("USER_SSH_KEYS", "user_ssh_keys", uuids),
    ("NO_SSH_KEYS", "no_ssh_keys", flag),
    ("FEATURES", "features", list),
    ("CUSTOMDATA", "customdata", object),
    ("PUBLIC_IPV4_SUBNET_SIZE", "public_ipv4_subnet_size", size),
    ("PRIVATE_IPV4_SUBNET_SIZE", "private_ipv4_subnet_size", size),
    ("IP_ADDRESSES", "ip_addresses", objects),
    ("NETWORK_FROZEN", "network_frozen", flag),
    ("STORAGE", "storage", object),
];

/// Attributes whose values are not shown: what a user puts there may be a secret.
const UNSHOWN: &[&str] = &["CUSTOMDATA"];

fn order(host: &Host, settings: &Settings<'_>, owner: &Owner, report: &Report) -> Result<Order> {
    let mut problems = Problems::default();
    for result in [
        require_attributes(settings),
        api_url(settings).map(drop),
        project_id(settings).map(drop),
    ] {
        let problem = result.err().map(|error| error.to_string());
        problems.general.extend(problem);
    }
    let mut body = Map::new();
    let mut summary = Vec::new();
    let in_metro = host
        .provision("METRO")
        .is_some_and(|text| !text.trim().is_empty());
    for (attribute, field, reading) in ATTRIBUTES {
        let written = host.provision(attribute).map(str::trim).unwrap_or_default();
        if written.is_empty() {
            continue;
        }
        if *attribute == "FACILITY" && in_metro {
            report.warn("PROVISION has both METRO and FACILITY: ordering in the METRO");
            continue;
        }
        match reading(written) {
            Ok(value) => {
                body.insert((*field).to_owned(), value);
                let shown = if UNSHOWN.contains(attribute) {
                    format!("({} bytes)", written.len())
                } else {
                    one_line(written)
                };
                summary.push((*attribute, shown));
            }
            Err(error) => problems.mistakes.push(format!("{attribute} {error}")),
        }
    }
    if problems != Problems::default() {
        return Err(problems.into());
    }
    let mut tags: Vec<String> = split(host.provision("TAGS").unwrap_or_default());
    tags.extend(owner.tags());
    summary.push(("TAGS", one_line(&tags.join(", "))));
    body.insert("tags".to_owned(), json!(tags));

    let userdata = userdata::compose(&host.ssh_keys(), host.provision("USERDATA"));
    if let Some(warning) = userdata.warning {
        report.warn(warning);
    }
    if let Some(text) = userdata.text {
        summary.push(("USERDATA", format!("({} bytes)", text.expose().len())));
        body.insert("userdata".to_owned(), json!(text.expose()));
    }
    Ok(Order {
        body: Secret::new(Value::Object(body).to_string()),
        summary,
    })
}

/// What an order holds that must not be told though the API may quote it: the lines of user data and the texts of
/// custom data. Those that are too short to be a secret are left out, and the longest come first, so that none
/// is torn by a shorter one.
fn private_texts(host: &Host) -> Vec<Secret> {
    let written = |name: &str| host.provision(name).unwrap_or_default().to_owned();
    let own = written("USERDATA");
    let composed = userdata::compose(&host.ssh_keys(), Some(&own)).text;
    let custom = written("CUSTOMDATA");
    let mut texts: Vec<String> = (own.lines())
        .chain(composed.iter().flat_map(|text| text.expose().lines()))
        .chain(custom.split('"'))
        .map(|text| text.trim().to_owned())
        .filter(|text| text.len() >= 8)
        .collect();
    // The API quotes a body of JSON as it came, too.
    let quoted = |text: &String| json!(text).to_string().trim_matches('"').to_owned();
    texts.extend(texts.iter().map(quoted).collect::<Vec<_>>());
    texts.sort_by_key(|text| Reverse(text.len()));
    texts.dedup();
    texts.into_iter().map(Secret::new).collect()
}

fn require_attributes(settings: &Settings<'_>) -> Result<()> {
    let mut missing = Vec::new();
    for name in ["PACKET_TOKEN", "PACKET_PROJECT"] {
        if settings.get(name)?.is_none() {
            missing.push(name);
        }
    }
    let is_given = |name: &str| {
        settings
            .host
            .and_then(|host| host.provision(name))
            .is_some_and(|text| !text.trim().is_empty())
    };
    if !is_given("FACILITY") && !is_given("METRO") {
        missing.push("FACILITY (or METRO)");
    }
    missing.extend(["PLAN", "OS"].into_iter().filter(|name| !is_given(name)));
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "PROVISION lacks the mandatory attributes {}: add them to the section provision of the template",
        missing.join(", ")
    )
}

fn split(written: &str) -> Vec<String> {
    written
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn text(written: &str) -> Result<Value> {
    Ok(json!(written))
}

fn list(written: &str) -> Result<Value> {
    Ok(json!(split(written)))
}

fn one_or_list(written: &str) -> Result<Value> {
    Ok(match &split(written)[..] {
        [] => bail!("names nothing: write a code such as am6"),
        [one] => json!(one),
        several => json!(several),
    })
}

fn uuids(written: &str) -> Result<Value> {
    let ids = split(written);
    match ids.iter().find(|id| !is_uuid(id)) {
        Some(id) => bail!("names {id:?}, which is no UUID: write UUIDs with commas between them"),
        None => Ok(json!(ids)),
    }
}

fn flag(written: &str) -> Result<Value> {
    match written.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(json!(true)),
        "no" | "false" | "off" | "0" => Ok(json!(false)),
        _ => bail!("is {written:?}: write yes or no"),
    }
}

fn number(written: &str) -> Result<Value> {
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(json!(number)),
        _ => bail!("is {written:?}: write a number such as 1.25"),
    }
}

fn size(written: &str) -> Result<Value> {
    match written.trim_start_matches('/').parse::<u8>() {
        Ok(size) if size <= 32 => Ok(json!(size)),
        _ => bail!("is {written:?}: write the length of a prefix, such as 29"),
    }
}

fn object(written: &str) -> Result<Value> {
    match serde_json::from_str(written) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => bail!("is no JSON object: write it as {{\"name\": \"value\"}}"),
    }
}

fn objects(written: &str) -> Result<Value> {
    match serde_json::from_str(written) {
        Ok(Value::Array(values)) if values.iter().all(Value::is_object) => Ok(Value::Array(values)),
        _ => bail!("is no JSON list of objects: write it as [{{\"name\": \"value\"}}]"),
    }
}

/// A date and time as RFC 3339 has it. Without a zone the API takes it for UTC, so that is made explicit.
fn time(written: &str) -> Result<Value> {
    let problem = || anyhow!("is {written:?}: write a time such as 2026-11-30T18:00:00Z");
    let date = written.get(..19).with_context(problem)?;
    let zone = written.get(19..).with_context(problem)?;
    let has_form = date
        .bytes()
        .zip(*b"dddd-dd-ddTdd:dd:dd")
        .all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            mark => byte == mark,
        });
    let fraction = match zone.strip_prefix('.') {
        Some(rest) => rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len() + 1,
        None => 0,
    };
    let (fraction, zone) = zone.split_at(fraction);
    let zone = match zone.as_bytes() {
        b"" | b"Z" | b"z" => "Z",
        [b'+' | b'-', h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) =>
        {
            zone
        }
        _ => return Err(problem()),
    };
    if !has_form || fraction == "." {
        return Err(problem());
    }
    Ok(json!(format!(
        "{}T{}{fraction}{zone}",
        &date[..10],
        &date[11..]
    )))
}

// ---- The answers -----------------------------------------------------------------------------------------

/// Reads the machine that an answer describes.
///
/// # Errors
/// It is no JSON, or describes none. The error quotes nothing of it.
pub fn read_machine(body: &[u8]) -> Result<Machine> {
    let device: Device = parse(body)?;
    device.into_machine().context(NO_UUID)
}

/// Reads, of one page of a listing, the machines that carry `tag`, and whether it is the last one.
///
/// # Errors
/// It is no such page, or holds more machines than a page has.
pub fn read_page(body: &[u8], tag: &str) -> Result<(Vec<Machine>, bool)> {
    let list: DeviceList = parse(body)?;
    let is_last = list.devices.0.is_empty() || list.meta.and_then(|meta| meta.next).is_none();
    // The filter is the server's; whose a machine is, is too important to trust it.
    let ours = |device: &Device| device.tags.iter().flatten().any(|own| own == tag);
    let ours = list.devices.0.into_iter().filter(ours);
    let machines = ours.map(|device| device.into_machine().context(NO_UUID));
    Ok((machines.collect::<Result<_>>()?, is_last))
}

/// Reads the traffic that an answer tells.
///
/// # Errors
/// It is no JSON object.
pub fn read_traffic(body: &[u8]) -> Result<Traffic> {
    let bandwidth: Bandwidth = parse(body)?;
    let series = bandwidth.bandwidth.unwrap_or_default();
    let sum = |target: &str| {
        let points = series
            .iter()
            .filter(|one| one.target.as_deref() == Some(target))
            .flat_map(|one| one.datapoints.iter().flatten());
        let kilobits: f64 = points.filter_map(|(value, _)| *value).sum();
        // Kilobits to bytes, as the stock driver reckons.
        (kilobits * 1024.0 / 8.0) as u64
    };
    Ok(Traffic {
        received: sum("inbound"),
        sent: sum("outbound"),
    })
}

/// Reads the reasons of an error: none where it is not the API's, such as the page of a proxy.
pub fn read_reasons(body: &[u8]) -> Vec<String> {
    let Ok(Reasons { errors, error }) = serde_json::from_slice(body) else {
        return Vec::new();
    };
    errors.into_iter().flatten().chain(error).collect()
}

/// Reads JSON. Unlike serde's, the error does not quote what was read instead: it may be a password.
fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "it has not the form that is described",
            Category::Eof => "it is cut off",
            Category::Syntax | Category::Io => "it is no JSON",
        };
        anyhow!("{what}, at line {} column {}", error.line(), error.column())
    })
}

const NO_UUID: &str = "it names a machine whose id is no UUID";

/// The most items of a list: more than any machine has, and than a page may be asked to hold. What a list of
/// empty items takes in memory is many times its text.
const ITEMS: usize = 1000;

/// Field by field: one that has another type than described is as if it were null, so that what we do not
/// need cannot spoil the answer.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    let text = Box::<RawValue>::deserialize(d)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// The same for a list, item by item. One that is too long is as if it were null.
fn lenient_items<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    d: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let items: Option<Items<Lenient<T>>> = lenient(d)?;
    Ok(items.map(|items| items.0.into_iter().filter_map(|item| item.0).collect()))
}

/// One item, if it has the type that is described.
struct Lenient<T>(Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        lenient(d).map(Self)
    }
}

/// A list that is not too long.
struct Items<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(Self(Vec::new()))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Self, A::Error> {
        while let Some(item) = items.next_element()? {
            if self.0.len() == ITEMS {
                return Err(A::Error::custom(format_args!(
                    "a list has more than {ITEMS} items"
                )));
            }
            self.0.push(item);
        }
        Ok(self)
    }
}

#[derive(Deserialize)]
struct Device {
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    provisioning_percentage: Option<f64>,
    #[serde(default, deserialize_with = "lenient_items")]
    ip_addresses: Option<Vec<Address>>,
    #[serde(default, deserialize_with = "lenient")]
    locked: Option<bool>,
    #[serde(default, deserialize_with = "lenient_items")]
    tags: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    created_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    root_password: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    plan: Option<Plan>,
    #[serde(default, deserialize_with = "lenient")]
    facility: Option<Place>,
    #[serde(default, deserialize_with = "lenient")]
    metro: Option<Place>,
    #[serde(default, deserialize_with = "lenient")]
    operating_system: Option<OperatingSystem>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default, deserialize_with = "lenient")]
    address: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    public: Option<bool>,
}

#[derive(Deserialize)]
struct Plan {
    #[serde(default, deserialize_with = "lenient")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    specs: Option<Specs>,
}

#[derive(Deserialize)]
struct Specs {
    #[serde(default, deserialize_with = "lenient_items")]
    cpus: Option<Vec<Cpus>>,
    #[serde(default, deserialize_with = "lenient")]
    memory: Option<Memory>,
}

#[derive(Deserialize)]
struct Cpus {
    #[serde(default, deserialize_with = "lenient")]
    count: Option<u64>,
}

#[derive(Deserialize)]
struct Memory {
    #[serde(default, deserialize_with = "lenient")]
    total: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default, deserialize_with = "lenient")]
    code: Option<String>,
}

#[derive(Deserialize)]
struct OperatingSystem {
    #[serde(default, deserialize_with = "lenient")]
    slug: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    distro: Option<String>,
}

#[derive(Deserialize)]
struct DeviceList {
    devices: Items<Device>,
    #[serde(default, deserialize_with = "lenient")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "lenient")]
    next: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Bandwidth {
    #[serde(default, deserialize_with = "lenient_items")]
    bandwidth: Option<Vec<Series>>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default, deserialize_with = "lenient")]
    target: Option<String>,
    #[serde(default, deserialize_with = "lenient_items")]
    datapoints: Option<Vec<(Option<f64>, IgnoredAny)>>,
}

#[derive(Deserialize)]
struct Reasons {
    #[serde(default, deserialize_with = "lenient_items")]
    errors: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    error: Option<String>,
}

/// The API's states. Those it does not describe are not there yet, never an error.
fn state(name: &str) -> State {
    match name {
        "active" => State::On,
        "inactive" => State::Off,
        "powering_off" | "rebooting" => State::Stopping,
        "failed" => State::Failed,
        "deprovisioning" | "deleted" => State::Deleting,
        _ => State::Starting,
    }
}

impl Device {
    fn into_machine(self) -> Option<Machine> {
        let state_name = one_line(self.state.as_deref().unwrap_or("unknown"));
        let specs = self.plan.as_ref().and_then(|plan| plan.specs.as_ref());
        let cpus = specs
            .and_then(|specs| specs.cpus.as_ref()?.first()?.count)
            .unwrap_or_default();
        let memory = specs
            .and_then(|specs| kib(specs.memory.as_ref()?.total.as_deref()?))
            .unwrap_or_default();
        let system = self.operating_system.as_ref();
        let mut values = Vec::new();
        let mut add = |name, value: Option<&str>| {
            values.extend(value.map(|value| (name, value.to_owned())));
        };
        add("OS", system.and_then(|system| system.slug.as_deref()));
        add(
            "PLAN",
            self.plan.as_ref().and_then(|plan| plan.slug.as_deref()),
        );
        add(
            "FACILITY",
            self.facility
                .as_ref()
                .and_then(|place| place.code.as_deref()),
        );
        add(
            "METRO",
            self.metro.as_ref().and_then(|place| place.code.as_deref()),
        );
        let logo = system
            .and_then(|system| system.distro.as_deref())
            .map(|distro| format!("images/logos/{distro}.png"));
        add("LOGO", logo.as_deref());
        Some(Machine {
            id: id(&self.id)?,
            state: state(&state_name),
            state_name,
            progress: self.provisioning_percentage,
            addresses: addresses(self.ip_addresses.as_deref().unwrap_or_default()),
            locked: self.locked.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            size: Some((cpus, memory)),
            values,
            created: self.created_at.as_deref().and_then(moment::rfc3339),
            root_password: self
                .root_password
                .filter(|password| !password.is_empty())
                .map(Secret::new),
        })
    }
}

/// The machine's addresses: public IPv4 first, as the front-end reaches the host on it, then public IPv6,
/// then private ones. The API promises no order.
fn addresses(given: &[Address]) -> Vec<IpAddr> {
    let mut ranked: Vec<(bool, bool, IpAddr)> = given
        .iter()
        .filter_map(|entry| {
            let address = IpAddr::from_str(entry.address.as_deref()?.trim()).ok()?;
            Some((
                !entry.public.unwrap_or_default(),
                address.is_ipv6(),
                address,
            ))
        })
        .collect();
    ranked.sort_by_key(|(private, v6, _)| (*private, *v6));
    ranked.into_iter().map(|(_, _, address)| address).collect()
}

/// A size such as `8GB` or `1.5TB`, in KiB; the API counts in powers of two.
fn kib(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace());
    let unit = text[digits.len()..].trim().to_ascii_uppercase();
    let factor = match unit.trim_end_matches('B').trim_end_matches('I') {
        "K" => 1.0,
        "M" => 1024.0,
        "" | "G" => 1024.0 * 1024.0,
        "T" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let size = digits.parse::<f64>().ok()? * factor;
    // A size that is none becomes zero, and one beyond all machines the largest number.
    Some(size as u64)
}

// ---- The calls -------------------------------------------------------------------------------------------

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
                kind: Kind::Refused,
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
        if error.kind == Kind::Refused {
            // "Cannot delete a device while it is provisioning" passes with time, "Cannot delete a locked
            // item." does not.
            if says("while") && says("provisioning") {
                error.kind = Kind::Busy;
            } else if says("locked") {
                error.kind = Kind::Locked;
            }
        }
        error.remedy = match error.kind {
            Kind::Unsent => "check PACKET_API_URL and the network",
            Kind::Lost | Kind::Throttled | Kind::Busy => "try again later",
            Kind::Unauthorized => "check PACKET_TOKEN",
            Kind::Forbidden => "check that PACKET_TOKEN may use PACKET_PROJECT",
            Kind::Missing => "check PACKET_PROJECT and PACKET_API_URL",
            Kind::Refused if is_order => "change the section provision of the host's template",
            Kind::Refused => "see the state of the machine at the provider",
            Kind::Locked => "unlock it at the provider first",
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
            kind: Kind::Lost,
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
            Err(error) if error.kind == Kind::Missing => return Ok(None),
            machine => machine?,
        };
        if machine.state_name == "deleted" {
            return Ok(None);
        }
        if machine.id != *id {
            return Err(ApiError {
                kind: Kind::Lost,
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
            Err(error) if error.kind == Kind::Missing => Ok(()),
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

    #[test]
    fn sizes_of_memory_are_read() {
        assert_eq!(kib("8GB"), Some(8_388_608));
        assert_eq!(kib("1TB"), Some(1 << 30));
        assert_eq!(kib("1.5 TB"), Some(3 << 29));
        assert_eq!(kib("512MB"), Some(524_288));
        assert_eq!(kib("64GiB"), Some(64 << 20));
        for text in ["", "GB", "8PB", "8 bananas", "é"] {
            assert_eq!(kib(text), None, "{text}");
        }
        assert_eq!(kib("-8GB"), Some(0));
    }

    #[test]
    fn the_public_ipv4_comes_first() {
        let entry = |address: &str, public: bool| Address {
            address: Some(address.to_owned()),
            public: Some(public),
        };
        let ordered: Vec<String> = addresses(&[
            entry("10.80.0.11", false),
            entry("2604:1380:1000::b", true),
            entry("147.75.0.11", true),
            entry("not an address", true),
        ])
        .iter()
        .map(IpAddr::to_string)
        .collect();
        assert_eq!(ordered, ["147.75.0.11", "2604:1380:1000::b", "10.80.0.11"]);
    }

    #[test]
    fn times_are_made_explicit() -> Result<()> {
        assert_eq!(time("2026-11-30 18:00:00")?, json!("2026-11-30T18:00:00Z"));
        assert_eq!(
            time("2026-11-30T18:00:00.5+03:00")?,
            json!("2026-11-30T18:00:00.5+03:00")
        );
        for text in [
            "tomorrow",
            "2026-11-30",
            "2026-11-30T18:00:00.",
            "2026-11-30T18:00:00+3",
            "é026-11-30T18:00:00Z",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_field_of_another_type_does_not_spoil_the_answer() -> Result<()> {
        let device: Device = serde_json::from_value(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "state": "active",
            "locked": "maybe",
            "plan": { "slug": "baremetal_0", "specs": { "cpus": {}, "memory": { "total": "8GB" } } },
            "ip_addresses": null,
        }))?;
        let machine = device.into_machine().context("no machine")?;
        assert_eq!(machine.state, State::On);
        assert_eq!(machine.size, Some((0, 8_388_608)));
        Ok(())
    }

    #[test]
    fn a_null_in_a_list_does_not_spoil_the_list() -> Result<()> {
        let device: Device = serde_json::from_value(json!({
            "id": "b9eb1666-1b72-45ee-b529-806b079ce5af",
            "tags": ["OpenNebula", null, 7],
            "ip_addresses": [null, { "address": "147.75.0.11", "public": true }, "x"],
        }))?;
        let machine = device.into_machine().context("no machine")?;
        assert_eq!(machine.tags, ["OpenNebula"]);
        assert_eq!(machine.addresses.len(), 1);
        Ok(())
    }

    #[test]
    fn unknown_states_are_not_errors() {
        assert_eq!(state("post_provisioning"), State::Starting);
    }
}
