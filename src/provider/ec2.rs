//! Amazon EC2, for its bare-metal instances: its words and ours.
//!
//! The query API of version 2016-11-15 ("Amazon EC2 API Reference"): a signed form goes in, XML comes out. The
//! attributes are those of OpenNebula's own ec2 driver, so that a template written for it works unchanged.

mod answer;
mod sigv4;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::answer::Element;
use self::sigv4::{Signer, sha256, timestamp};
use super::attribute::{is_given, private_texts, require, words, yes_or_no};
use super::{Backend, Machine, MachineId, Order, Power, Row, State, Traffic};
use crate::http::client::{Answer, Failure, Http, Method, Request};
use crate::http::error::{ApiError, Kind};
use crate::http::url::{is_http, is_loopback, percent_encode};
use crate::opennebula::host::Host;
use crate::opennebula::owner::Owner;
use crate::opennebula::settings::Settings;
use crate::opennebula::user_data;
use crate::report::finding::{Finding, Problems};
use crate::report::frame::{Report, one_line};
use crate::report::secret::Secret;
use crate::wire::time;

/// EC2's row in the table of providers.
pub const ROW: Row = Row {
    name: "ec2",
    account: &["EC2_ACCESS", "EC2_SECRET", "REGION_NAME", "EC2_API_URL"],
    shows,
    secrets: &["EC2_ACCESS", "EC2_SECRET"],
    id_form: "an instance id such as i-0123456789abcdef0",
    id,
    order,
    open,
};

/// How long a request may take: they answer within seconds.
const REQUEST: Duration = Duration::from_secs(20);
/// How long an order may take.
const ORDER: Duration = Duration::from_secs(60);
/// Instances a page of a listing; the API allows 5 to 1000.
const PAGE: &str = "200";
/// The largest answer that is read: a page of instances is some 2 MB.
const LIMIT: u64 = 4 << 20;
/// The time of which `poll` sums up the traffic, and the length of one point: CloudWatch has no shorter ones
/// unless one pays for them.
const TRAFFIC: (u64, &str) = (3600, "300");
/// How long a new instance may be unknown by its id ("eventual consistency"). Mostly it is a second.
const APPEARANCE: Duration = Duration::from_secs(60);
/// The most user data that EC2 takes, before it is encoded.
const USER_DATA: usize = 16 * 1024;

struct Ec2 {
    http: Http,
    compute: Endpoint,
    metrics: Endpoint,
    region: String,
    access: Secret,
    secret: Secret,
    session: Option<Secret>,
    memory: Mutex<Memory>,
}

/// One of AWS's services, and where it is.
struct Endpoint {
    service: &'static str,
    version: &'static str,
    url: String,
    host: String,
    path: String,
}

/// What was seen of machines, and what is known of those that were not.
#[derive(Default)]
struct Memory {
    /// Those that were ordered and not seen yet, and until when they may appear.
    expected: BTreeMap<MachineId, Instant>,
    /// Those that are no more.
    dead: BTreeSet<MachineId>,
    /// Those that an order was answered with, in their order. See [`Ec2::token`].
    spent: Vec<MachineId>,
}

fn open(settings: &Settings<'_>, report: Report) -> Result<Arc<dyn Backend>> {
    let credential = |name: &str| -> Result<Option<Secret>> {
        let Some(text) = settings.get(name)? else {
            return Ok(None);
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("{name} holds characters that no such key has: copy it anew from AWS");
        }
        Ok(Some(Secret::new(text)))
    };
    let lacking = |name: &str| {
        format!("there is no {name}: put it into the section provision of the host's template")
    };
    let access = credential("EC2_ACCESS")?.with_context(|| lacking("EC2_ACCESS"))?;
    let secret = credential("EC2_SECRET")?.with_context(|| lacking("EC2_SECRET"))?;
    let session = credential("EC2_SESSION_TOKEN")?;
    let region = region(settings)?.with_context(|| lacking("REGION_NAME"))?;
    let own = api_url(settings)?;
    if let Some(url) = own
        && url.starts_with("http://")
        && !is_loopback(url)
    {
        report.warn("EC2_API_URL is http: what is ordered travels in clear; use https");
    }
    let endpoint = |service, version| Endpoint::new(service, version, region, own);
    let compute = endpoint("ec2", "2016-11-15");
    let private = |host| private_texts(host, &[]);
    let mut secrets = settings.host.map(private).unwrap_or_default();
    secrets.extend([access.clone(), secret.clone()]);
    secrets.extend(session.clone());
    Ok(Arc::new(Ec2 {
        http: Http::new(&compute.url, secrets, report),
        compute,
        metrics: endpoint("monitoring", "2010-08-01"),
        region: region.to_owned(),
        access,
        secret,
        session,
        memory: Mutex::default(),
    }))
}

/// Whether `name` is an attribute that is read here and may be shown.
fn shows(name: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "REGION_NAME",
        "EC2_API_URL",
        "TAGS",
        "HOSTNAME",
        "ELASTICIP",
        "CLIENTTOKEN",
        "CLOUD_INIT",
    ];
    ATTRIBUTES.iter().any(|(attribute, ..)| *attribute == name) || OTHERS.contains(&name)
}

/// A deploy id: `i-` and 8 or, since 2016, 17 hexadecimal digits.
fn id(text: &str) -> Option<MachineId> {
    let digits = text.strip_prefix("i-")?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    ((8..=17).contains(&digits.len()) && digits.bytes().all(is_digit))
        .then(|| MachineId::checked(text))
}

fn region<'a>(settings: &Settings<'a>) -> Result<Option<&'a str>> {
    let region = settings.get("REGION_NAME")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if let Some(text) = region.filter(|text| !text.bytes().all(plain)) {
        bail!("REGION_NAME is {text:?}, which is no region: write one such as us-east-1");
    }
    Ok(region)
}

fn api_url<'a>(settings: &Settings<'a>) -> Result<Option<&'a str>> {
    let url = settings.get("EC2_API_URL")?;
    // What is signed is the path as it is sent: without what would have to be encoded.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_~[]".contains(&byte);
    if url.is_some_and(|url| !is_http(url) || !url.bytes().all(is_plain)) {
        bail!("EC2_API_URL is not the address of an API: leave it out, or set it as https://host/");
    }
    Ok(url)
}

impl Endpoint {
    fn new(service: &'static str, version: &'static str, region: &str, own: Option<&str>) -> Self {
        let url = match own {
            Some(url) => url.to_owned(),
            // China is a partition of its own.
            None if region.starts_with("cn-") => {
                format!("https://{service}.{region}.amazonaws.com.cn/")
            }
            None => format!("https://{service}.{region}.amazonaws.com/"),
        };
        let (_, rest) = url.split_once("://").unwrap_or_default();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self {
            service,
            version,
            host: host.to_owned(),
            path: format!("/{path}"),
            url,
        }
    }
}

// ---- The order -------------------------------------------------------------------------------------------

/// The parameters of a request.
#[derive(Default)]
struct Form(String);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        let mark = if self.0.is_empty() { "" } else { "&" };
        // Forms have their own sign for a blank.
        let value = percent_encode(value).replace("%20", "+");
        self.0.push_str(&format!("{mark}{name}={value}"));
    }
}

/// How the text of an attribute becomes parameters of this name.
type Reading = fn(&mut Form, &str, &str) -> Result<()>;

/// What `RunInstances` takes and an attribute can carry: the attribute, the parameter, and how it is read.
const ATTRIBUTES: &[(&str, &str, Reading)] = &[
    ("AMI", "ImageId", text),
    ("INSTANCETYPE", "InstanceType", text),
    ("KEYPAIR", "KeyName", text),
    ("SUBNETID", "SubnetId", text),
    ("SECURITYGROUPIDS", "SecurityGroupId", list),
    ("SECURITYGROUPS", "SecurityGroup", list),
    ("AVAILABILITYZONE", "Placement.AvailabilityZone", text),
    ("TENANCY", "Placement.Tenancy", text),
    ("PLACEMENTGROUP", "Placement.GroupName", text),
    ("PRIVATEIP", "PrivateIpAddress", address),
    ("BLOCKDEVICEMAPPING", "BlockDeviceMapping", devices),
    ("EBS_OPTIMIZED", "EbsOptimized", flag),
    ("RAMDISK", "RamdiskId", text),
    ("AKI", "KernelId", text),
    ("IMDSV2_REQUIRED", "MetadataOptions.HttpTokens", required),
];

/// What an order's body is: whose it is, what more its token is made of, what is done once the machine is
/// up, and the form. A line each.
struct Body<'a> {
    identity: &'a str,
    client_token: &'a str,
    elastic_ip: &'a str,
    form: &'a str,
}

impl<'a> Body<'a> {
    fn of(order: &'a Order) -> Self {
        let mut lines = order.body.expose().lines();
        let mut line = || lines.next().unwrap_or_default();
        Self {
            identity: line(),
            client_token: line(),
            elastic_ip: line(),
            form: line(),
        }
    }
}

fn order(host: &Host, settings: &Settings<'_>, owner: &Owner, report: &Report) -> Result<Order> {
    let mut problems = Problems::default();
    for result in [
        require_attributes(settings),
        api_url(settings).map(drop),
        region(settings).map(drop),
    ] {
        let problem = result.err().map(|error| error.to_string());
        problems.general.extend(problem);
    }
    let (order, warning) = compose(host, owner, &mut problems.mistakes);
    if problems != Problems::default() {
        return Err(problems.into());
    }
    if let Some(warning) = warning {
        report.warn(warning);
    }
    Ok(order)
}

/// The order for a host, and what the user should know; `mistakes` get what cannot be ordered.
fn compose(host: &Host, owner: &Owner, mistakes: &mut Vec<String>) -> (Order, Option<String>) {
    let attribute = |name: &str| host.provision(name).map(str::trim).unwrap_or_default();
    let mut form = Form::default();
    form.add("MinCount", "1");
    form.add("MaxCount", "1");
    let mut summary = Vec::new();
    let mut warning = None;
    for (name, parameter, reading) in ATTRIBUTES {
        let written = attribute(name);
        if written.is_empty() {
            continue;
        }
        match reading(&mut form, parameter, written) {
            Ok(()) => summary.push((*name, one_line(written))),
            Err(error) => mistakes.push(format!("{name} {error}")),
        }
    }
    let tags = tags(host, owner).unwrap_or_else(|error| {
        mistakes.push(format!("TAGS {error}"));
        Vec::new()
    });
    form.add("TagSpecification.1.ResourceType", "instance");
    for (number, (key, value)) in (1..).zip(&tags) {
        let tag = format!("TagSpecification.1.Tag.{number}");
        form.add(&format!("{tag}.Key"), key);
        form.add(&format!("{tag}.Value"), value);
    }
    let shown: Vec<String> = tags.iter().map(|(key, value)| joined(key, value)).collect();
    summary.push(("TAGS", one_line(&shown.join(", "))));
    match user_data(host, &mut warning) {
        Ok(Some(data)) => {
            summary.push(("USERDATA", format!("({} bytes)", data.len())));
            form.add("UserData", &STANDARD.encode(data));
        }
        Ok(None) => {}
        Err(error) => mistakes.push(format!("USERDATA {error}")),
    }
    let elastic_ip = attribute("ELASTICIP");
    if !elastic_ip.is_empty() {
        if !elastic_ip.starts_with("eipalloc-") && elastic_ip.parse::<Ipv4Addr>().is_err() {
            mistakes.push(format!(
                "ELASTICIP is {elastic_ip:?}: write an IPv4 address or an id such as eipalloc-0123456789abcdef0"
            ));
        }
        summary.push(("ELASTICIP", one_line(elastic_ip)));
    }
    let client_token = attribute("CLIENTTOKEN").replace('\n', " ");
    let order = Order {
        body: Secret::new(format!(
            "{}\n{client_token}\n{elastic_ip}\n{}",
            owner.identity(),
            form.0
        )),
        summary,
    };
    (order, warning)
}

fn require_attributes(settings: &Settings<'_>) -> Result<()> {
    let mut missing = Vec::new();
    for name in ["EC2_ACCESS", "EC2_SECRET", "REGION_NAME"] {
        if settings.get(name)?.is_none() {
            missing.push(name);
        }
    }
    let more = ["AMI", "INSTANCETYPE"];
    missing.extend(more.into_iter().filter(|name| !is_given(settings, name)));
    require(&missing)
}

/// The tags of the order: the user's, the name, and the owner's, which nobody else may set. EC2 takes each
/// key once.
fn tags(host: &Host, owner: &Owner) -> Result<Vec<(String, String)>> {
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: &str| {
        tags.retain(|(known, _)| known != key);
        tags.push((key.to_owned(), value.to_owned()));
    };
    for written in words(host.provision("TAGS").unwrap_or_default()) {
        let (key, value) = parted(&written);
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || key.starts_with("aws:") {
            bail!("has {written:?}: write key=value, with no key that begins with aws:");
        }
        set(key, value);
    }
    let name = host.provision("HOSTNAME").unwrap_or_default().trim();
    if !name.is_empty() {
        set("Name", name);
    }
    for tag in owner.tags() {
        let (key, value) = parted(&tag);
        set(key, value);
    }
    Ok(tags)
}

/// A tag as EC2 has it, key and value: ours are one text, and `A=b` is `b` under the key `A`.
fn parted(tag: &str) -> (&str, &str) {
    tag.split_once('=').unwrap_or((tag, ""))
}

fn joined(key: &str, value: &str) -> String {
    match value {
        "" => key.to_owned(),
        value => format!("{key}={value}"),
    }
}

/// What the instance gets as user data.
///
/// USERDATA is base64, as the stock driver has it, or plain. Without CLOUD_INIT it is sent as it is, and
/// without USERDATA the host's context is, as the packages that OpenNebula has for its images read it. With
/// CLOUD_INIT the SSH key comes as cloud-config, beside the USERDATA.
fn user_data(host: &Host, warning: &mut Option<String>) -> Result<Option<Vec<u8>>> {
    let by_cloud_init = is_yes(host.provision("CLOUD_INIT").unwrap_or_default().trim());
    let own = host.provision("USERDATA").unwrap_or_default();
    let own = match decoded(own) {
        Some(data) => data,
        None => own.as_bytes().to_vec(),
    };
    let data = match String::from_utf8(own) {
        Ok(own) if by_cloud_init => {
            let userdata = user_data::compose(&host.ssh_keys(), Some(&own));
            *warning = userdata.warning;
            let text = userdata.text;
            text.map_or(Vec::new(), |text| text.expose().as_bytes().to_vec())
        }
        Ok(own) if own.trim().is_empty() => context(host).into_bytes(),
        Ok(own) => own.into_bytes(),
        Err(binary) => {
            if by_cloud_init {
                *warning = Some("USERDATA is no text, so the SSH key of the front-end is not added: see that it gets onto the host".to_owned());
            }
            binary.into_bytes()
        }
    };
    if data.len() > USER_DATA {
        bail!("has {} bytes: EC2 takes {USER_DATA}", data.len());
    }
    Ok((!data.is_empty()).then_some(data))
}

/// What `text` holds as base64, in lines; `None` where it is none.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let lines: String = text.lines().map(str::trim).collect();
    STANDARD.decode(lines).ok()
}

/// The host's section CONTEXT as OpenNebula's templates are written.
fn context(host: &Host) -> String {
    let section = host.sections.get("CONTEXT").into_iter().flatten();
    let lines: Vec<String> = section
        .map(|(name, value)| format!("{name}=\"{}\"", value.expose().replace('"', "\\\"")))
        .collect();
    lines.join("\n")
}

fn text(form: &mut Form, name: &str, written: &str) -> Result<()> {
    form.add(name, written);
    Ok(())
}

fn list(form: &mut Form, name: &str, written: &str) -> Result<()> {
    for (number, word) in (1..).zip(words(written)) {
        form.add(&format!("{name}.{number}"), &word);
    }
    Ok(())
}

fn address(form: &mut Form, name: &str, written: &str) -> Result<()> {
    if written.parse::<Ipv4Addr>().is_err() {
        bail!("is {written:?}: write an IPv4 address of the subnet");
    }
    text(form, name, written)
}

fn is_yes(written: &str) -> bool {
    matches!(
        written.to_ascii_lowercase().as_str(),
        "yes" | "true" | "on" | "1"
    )
}

fn flag(form: &mut Form, name: &str, written: &str) -> Result<()> {
    text(
        form,
        name,
        if yes_or_no(written)? { "true" } else { "false" },
    )
}

fn required(form: &mut Form, name: &str, written: &str) -> Result<()> {
    flag(&mut Form::default(), name, written)?;
    if is_yes(written) {
        form.add(name, "required");
    }
    Ok(())
}

/// Block devices as the stock driver has them: blanks between `DEVICE=SNAPSHOT:SIZE:DELETE:TYPE:IOPS`, where
/// each part may be empty or missing, and `DEVICE=none`.
fn devices(form: &mut Form, name: &str, written: &str) -> Result<()> {
    for (number, word) in (1..).zip(written.split_whitespace()) {
        let problem = || {
            format!(
                "has {word:?}: write it as /dev/sda1=snapshot:gigabytes:true:type:iops, or =none"
            )
        };
        let name = format!("{name}.{number}");
        let (device, ebs) = word.split_once('=').with_context(problem)?;
        form.add(&format!("{name}.DeviceName"), device);
        if ebs == "none" {
            form.add(&format!("{name}.NoDevice"), "");
            continue;
        }
        let parts: Vec<&str> = ebs.split(':').collect();
        let names = [
            "SnapshotId",
            "VolumeSize",
            "DeleteOnTermination",
            "VolumeType",
            "Iops",
        ];
        let is_right = |(at, part): (usize, &&str)| match at {
            _ if part.is_empty() => true,
            1 | 4 => part.parse::<u32>().is_ok(),
            2 => matches!(*part, "true" | "false"),
            _ => true,
        };
        if device.is_empty() || parts.len() > names.len() || !parts.iter().enumerate().all(is_right)
        {
            bail!(problem());
        }
        for (part, value) in names.iter().zip(parts) {
            if !value.is_empty() {
                form.add(&format!("{name}.Ebs.{part}"), value);
            }
        }
    }
    Ok(())
}

// ---- The answers -----------------------------------------------------------------------------------------

/// EC2's states. Those it does not describe are not there yet, never an error.
fn state(name: &str) -> State {
    match name {
        "running" => State::On,
        "stopping" => State::Stopping,
        "stopped" => State::Off,
        "shutting-down" | "terminated" => State::Deleting,
        _ => State::Starting,
    }
}

/// Reads the machines that an answer describes.
///
/// # Errors
/// It is no XML, or too large. The error quotes nothing of it.
pub fn read_machines(body: &[u8]) -> Result<Vec<Machine>> {
    let answer = Element::parse(body)?;
    let machines = instances(&answer).into_iter().map(|(machine, _)| machine);
    Ok(machines.collect())
}

/// The instances of an answer, with the elements that describe them. One without an id is left out.
fn instances(answer: &Element) -> Vec<(Machine, &Element)> {
    let own = answer.items(&["instancesSet"]);
    let reservations = answer.items(&["reservationSet"]);
    own.chain(reservations.flat_map(|reservation| reservation.items(&["instancesSet"])))
        .filter_map(|instance| Some((machine(instance)?, instance)))
        .collect()
}

fn machine(instance: &Element) -> Option<Machine> {
    let state_name = one_line(
        instance
            .text(&["instanceState", "name"])
            .unwrap_or("unknown"),
    );
    let cpus = instance.at(&["cpuOptions"]).and_then(|cpu| {
        let threads = cpu.number(&["threadsPerCore"]).unwrap_or(1);
        Some(cpu.number(&["coreCount"])?.saturating_mul(threads))
    });
    let tags = instance.items(&["tagSet"]).filter_map(|tag| {
        let value = tag.text(&["value"]).unwrap_or_default();
        Some(joined(tag.text(&["key"])?, value))
    });
    let interfaces = instance.items(&["networkInterfaceSet"]);
    let mut groups: Vec<&str> = instance
        .items(&["groupSet"])
        .chain(interfaces.flat_map(|interface| interface.items(&["groupSet"])))
        .filter_map(|group| group.text(&["groupId"]))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let mut values = Vec::new();
    for (name, path) in VALUES {
        values.extend(instance.text(path).map(|text| (*name, text.to_owned())));
    }
    if !groups.is_empty() {
        values.push(("AWS_SECURITY_GROUPS", groups.join(",")));
    }
    Some(Machine {
        id: id(instance.text(&["instanceId"])?)?,
        state: state(&state_name),
        state_name,
        progress: None,
        addresses: addresses(instance),
        locked: false,
        tags: tags.collect(),
        size: Some((cpus.unwrap_or_default(), 0)),
        values,
        created: instance.text(&["launchTime"]).and_then(time::rfc3339),
        root_password: None,
    })
}

/// What `poll` prints, as the stock driver names it, and where it stands.
const VALUES: &[(&str, &[&str])] = &[
    ("AWS_PUBLIC_IP_ADDRESS", &["ipAddress"]),
    ("AWS_PUBLIC_DNS_NAME", &["dnsName"]),
    ("AWS_PRIVATE_IP_ADDRESS", &["privateIpAddress"]),
    ("AWS_PRIVATE_DNS_NAME", &["privateDnsName"]),
    (INSTANCE_TYPE, &["instanceType"]),
    ("AWS_IMAGE_ID", &["imageId"]),
    ("AWS_KEY_NAME", &["keyName"]),
    ("AWS_PLATFORM", &["platform"]),
    ("AWS_VPC_ID", &["vpcId"]),
    ("AWS_SUBNET_ID", &["subnetId"]),
    ("AWS_AVAILABILITY_ZONE", &["placement", "availabilityZone"]),
];
const INSTANCE_TYPE: &str = "AWS_INSTANCE_TYPE";

/// The machine's addresses: the public IPv4 first, then IPv6, then the private one.
fn addresses(instance: &Element) -> Vec<IpAddr> {
    let interfaces = instance.items(&["networkInterfaceSet"]);
    let v6 = interfaces
        .flat_map(|interface| interface.items(&["ipv6AddressesSet"]))
        .filter_map(|address| address.text(&["ipv6Address"]));
    let own = ["ipAddress", "ipv6Address"].map(|name| instance.text(&[name]));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for text in own
        .into_iter()
        .flatten()
        .chain(v6)
        .chain(instance.text(&["privateIpAddress"]))
    {
        if let Ok(address) = text.parse()
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// The code and the reason of an error, in either of AWS's forms.
fn error_of(body: &[u8]) -> Option<(String, String)> {
    let answer = Element::parse(body).ok()?;
    let error = answer
        .at(&["Errors", "Error"])
        .or_else(|| answer.at(&["Error"]))?;
    let message = error.text(&["Message"]).unwrap_or_default();
    Some((error.text(&["Code"])?.to_owned(), message.to_owned()))
}

/// What an error's code and message mean ("Error codes for the Amazon EC2 API"), with a remedy where the kind
/// does not say it all. `by_status`: what the status says, for codes that are not known.
fn meaning(code: &str, message: &str, has_session: bool, by_status: Kind) -> (Kind, &'static str) {
    const CLOCK: &str = "set the clock of this machine";
    const SESSION: &str = "EC2_SESSION_TOKEN has expired or is wrong: get new keys from STS";
    let kind = match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "EC2ThrottledException"
        | "BandwidthLimitExceeded"
        | "SlowDown" => Kind::RateLimited,
        "InvalidInstanceID.NotFound" => Kind::NotFound,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" => {
            return (Kind::Unauthenticated, SESSION);
        }
        // EC2 says so of an expired session as well as of a clock that is slow.
        "RequestExpired" if has_session => {
            return (
                Kind::Unauthenticated,
                "EC2_SESSION_TOKEN has expired, or the clock of this machine is wrong: get new keys from STS, or set it",
            );
        }
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => {
            return (Kind::Unauthenticated, CLOCK);
        }
        // "Signature expired: … is now earlier than …", "Signature not yet current: …".
        "SignatureDoesNotMatch" | "InvalidSignatureException"
            if message.starts_with("Signature ") =>
        {
            return (Kind::Unauthenticated, CLOCK);
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            return (Kind::Unauthenticated, "check EC2_SECRET");
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" => {
            return (Kind::Unauthenticated, "check EC2_ACCESS and REGION_NAME");
        }
        // "Not authorized for images: [ami-…]" is about what is ordered.
        "AuthFailure" if message.starts_with("Not authorized for") => Kind::Rejected,
        "AuthFailure" | "MissingAuthenticationToken" | "IncompleteSignature" => {
            return (
                Kind::Unauthenticated,
                "check EC2_ACCESS and EC2_SECRET, and the clock of this machine",
            );
        }
        "OptInRequired" | "Blocked" | "NotSignedUp" => {
            return (Kind::Unauthenticated, "see the account at AWS");
        }
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            Kind::PermissionDenied
        }
        "OperationNotPermitted" => Kind::Protected,
        // These are sent as 500 and 503, but they are no fault: AWS has none to give.
        _ if code.starts_with("Insufficient") => Kind::Rejected,
        // Whether it passes, the engine sees by the machine's state.
        "IncorrectState" | "IncorrectInstanceState" => Kind::Rejected,
        _ => by_status,
    };
    (kind, "")
}

// ---- The calls -------------------------------------------------------------------------------------------

impl Ec2 {
    /// Sends one action of the API.
    fn ask(
        &self,
        endpoint: &Endpoint,
        action: &str,
        mut form: Form,
        by: Instant,
    ) -> Result<Element, ApiError> {
        form.add("Action", action);
        form.add("Version", endpoint.version);
        let time = timestamp(unix_time());
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let mut headers = vec![
            ("content-type", kind),
            ("host", endpoint.host.as_str()),
            ("x-amz-date", &time),
        ];
        if let Some(session) = &self.session {
            headers.push(("x-amz-security-token", session.expose()));
        }
        let signer = Signer {
            access: self.access.expose(),
            secret: &self.secret,
            region: &self.region,
            service: endpoint.service,
        };
        let body = form.0.as_bytes();
        let authorization = signer.authorization(&endpoint.path, &headers, body, &time);
        // The client adds the first one itself.
        headers.remove(0);
        headers.push(("authorization", &authorization));
        let path = format!("{}?Action={action}", endpoint.path);
        let is_order = action == "RunInstances";
        let request = Request {
            method: Method::Post,
            url: &endpoint.url,
            path: &path,
            headers: &headers,
            body: Some((kind, body)),
            by,
            within: if is_order { ORDER } else { REQUEST },
            limit: LIMIT,
        };
        let answer = self
            .http
            .send(&request)
            .map_err(|failure| self.explain(*failure, is_order))?;
        self.read(&path, &answer, &format!("{action}Response"))
    }

    fn read(&self, path: &str, answer: &Answer, name: &str) -> Result<Element, ApiError> {
        let unreadable = |why: &str| self.http.unreadable(Method::Post, path, answer, why);
        match Element::parse(&answer.body) {
            Ok(element) if element.name() == name => Ok(element),
            Ok(_) => Err(unreadable(&format!("it is no {name}"))),
            Err(error) => Err(unreadable(&error.to_string())),
        }
    }

    fn act(&self, action: &str, id: &MachineId, by: Instant) -> Result<Element, ApiError> {
        let mut form = Form::default();
        form.add("InstanceId.1", id.as_str());
        self.ask(&self.compute, action, form, by)
    }

    /// Describes one instance, also one that is terminated: that is shown for about an hour.
    fn describe<T>(
        &self,
        id: &MachineId,
        by: Instant,
        read: impl FnOnce(Machine, &Element) -> T,
    ) -> Result<Option<T>, ApiError> {
        let answer = match self.act("DescribeInstances", id, by) {
            Err(error) if error.kind == Kind::NotFound => return self.missing(id, error, None),
            answer => answer?,
        };
        let found = instances(&answer).into_iter().next();
        match found {
            None => Ok(None),
            Some((machine, instance)) if machine.id == *id => {
                self.note(&machine);
                Ok(Some(read(machine, instance)))
            }
            Some((machine, _)) => Err(self.wrong(
                "DescribeInstances",
                Kind::Ambiguous,
                format!("the answer is about another machine, {}", machine.id),
                "check EC2_API_URL",
            )),
        }
    }

    /// An error of a request that was answered with what is not to be used.
    fn wrong(&self, action: &str, kind: Kind, reason: String, remedy: &'static str) -> ApiError {
        ApiError {
            kind,
            call: format!("POST {}?Action={action}", self.compute.path),
            status: None,
            reasons: vec![reason],
            retry_after: None,
            remedy,
        }
    }

    /// Adds AWS's reasons, which are XML unless a proxy in between answered, and what to do.
    fn explain(&self, failure: Failure, is_order: bool) -> ApiError {
        let Failure { mut error, body } = failure;
        let mut remedy = "";
        // EC2 says by a code that there is no such instance. A mere 404 is of whatever stands in its place, and
        // no proof that a machine is gone.
        if error.kind == Kind::NotFound {
            error.kind = Kind::Rejected;
            remedy = "check EC2_API_URL";
        }
        if let Some((code, message)) = error_of(&body) {
            (error.kind, remedy) = meaning(&code, &message, self.session.is_some(), error.kind);
            error.reasons = self.http.reasons(&[format!("{code}: {message}")], "");
        }
        error.remedy = match error.kind {
            _ if !remedy.is_empty() => remedy,
            Kind::NotSent => "check REGION_NAME, EC2_API_URL and the network",
            Kind::Ambiguous | Kind::RateLimited | Kind::Conflict => "try again later",
            Kind::Unauthenticated => "check EC2_ACCESS and EC2_SECRET",
            Kind::PermissionDenied => "let the policy of EC2_ACCESS allow the action",
            Kind::NotFound => "check REGION_NAME and EC2_API_URL",
            Kind::Rejected if is_order => "change the section provision of the host's template",
            Kind::Rejected => "see the state of the instance at AWS",
            Kind::Protected => "take its termination or stop protection off at AWS first",
            Kind::Redirected => "set EC2_API_URL to the address of the API itself",
            Kind::Untrusted => {
                "mend the certificate, or name its authority with SSL_CERT_FILE or SSL_CERT_DIR"
            }
        };
        error
    }

    /// What it means that EC2 does not know an instance: `gone`, unless it may just not know it yet.
    fn missing<T>(&self, id: &MachineId, mut error: ApiError, gone: T) -> Result<T, ApiError> {
        match self.memory().expected.get(id) {
            Some(until) if Instant::now() < *until => {
                error.kind = Kind::Conflict;
                error.remedy = "it was just ordered, and may appear yet";
                Err(error)
            }
            _ => Ok(gone),
        }
    }

    /// Remembers what was seen of a machine.
    fn note(&self, machine: &Machine) {
        let mut memory = self.memory();
        memory.expected.remove(&machine.id);
        if machine.state == State::Deleting {
            memory.dead.insert(machine.id.clone());
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `ClientToken` of an order. EC2 answers an order with a token that it knows with the machine of the
    /// first one, so that no order is carried out twice, whatever was lost in between.
    ///
    /// It is made of the owner and of what is ordered, so that it is the same in every run for this host, and
    /// no other host's; an attribute CLIENTTOKEN adds to it, as hosts of one template must not become one
    /// machine. But EC2 knows a token for a day or longer, also when its machine was terminated: without more,
    /// a host whose deploy was rolled back could not be deployed again. So every such machine that an order
    /// was answered with leads to the next token: each run goes the same way along them, and comes to the
    /// machine that lives, or to a token that nobody used.
    fn token(&self, order: &Order) -> String {
        let Body {
            identity,
            client_token,
            form,
            ..
        } = Body::of(order);
        let mut text = format!("{identity}\n{client_token}\n{form}");
        for id in &self.memory().spent {
            text.push_str(&format!("\n{id}"));
        }
        sha256(text.as_bytes())
    }
}

impl Backend for Ec2 {
    fn find(&self, tag: &str, by: Instant) -> Result<Vec<Machine>, ApiError> {
        let (key, value) = parted(tag);
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut form = Form::default();
            form.add("MaxResults", PAGE);
            match value {
                "" => {
                    form.add("Filter.1.Name", "tag-key");
                    form.add("Filter.1.Value.1", key);
                }
                value => {
                    form.add("Filter.1.Name", &format!("tag:{key}"));
                    form.add("Filter.1.Value.1", value);
                }
            }
            if let Some(token) = &next {
                form.add("NextToken", token);
            }
            let answer = self.ask(&self.compute, "DescribeInstances", form, by)?;
            for (machine, _) in instances(&answer) {
                // The filter is the server's, and takes `*` and `?`; whose a machine is, is too important.
                if !machine.tags.iter().any(|own| own == tag) {
                    continue;
                }
                self.note(&machine);
                if machine.state_name != "terminated" {
                    found.push(machine);
                }
            }
            next = answer.text(&["nextToken"]).map(str::to_owned);
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    fn create(&self, order: &Order, by: Instant) -> Result<Machine, ApiError> {
        let Body { identity, form, .. } = Body::of(order);
        let mut form = Form(form.to_owned());
        form.add("ClientToken", &self.token(order));
        let answer = self.ask(&self.compute, "RunInstances", form, by)?;
        let Some((mut machine, _)) = instances(&answer).into_iter().next() else {
            return Err(self.wrong(
                "RunInstances",
                Kind::Ambiguous,
                "the answer names no instance".to_owned(),
                "try again later",
            ));
        };
        self.note(&machine);
        let (key, _) = parted(identity);
        let is_anothers = |tag: &String| parted(tag).0 == key && tag != identity;
        if machine.tags.iter().any(is_anothers) {
            return Err(self.wrong(
                "RunInstances",
                Kind::Rejected,
                format!(
                    "EC2 answers with {}, the machine of another host",
                    machine.id
                ),
                "set another CLIENTTOKEN",
            ));
        }
        let mut memory = self.memory();
        if memory.dead.contains(&machine.id) {
            let reason = format!(
                "{} was ordered for this host before, and is no more",
                machine.id
            );
            memory.spent.push(machine.id);
            let mut error = self.wrong("RunInstances", Kind::RateLimited, reason, "try again");
            error.retry_after = Some(Duration::ZERO);
            return Err(error);
        }
        let until = Instant::now() + APPEARANCE;
        memory.expected.insert(machine.id.clone(), until);
        // A known token's machine may be up already, but the rest of EC2 must know of it as well.
        machine.state = State::Starting;
        Ok(machine)
    }

    fn announce(&self, id: &MachineId, age: Duration) {
        if let Some(left) = APPEARANCE.checked_sub(age) {
            let until = Instant::now() + left;
            self.memory().expected.insert(id.clone(), until);
        }
    }

    fn get(&self, id: &MachineId, by: Instant) -> Result<Option<Machine>, ApiError> {
        let machine = self.describe(id, by, |machine, _| machine)?;
        Ok(machine.filter(|machine| machine.state_name != "terminated"))
    }

    fn power(&self, id: &MachineId, power: Power, by: Instant) -> Result<(), ApiError> {
        let action = match power {
            Power::On => "StartInstances",
            Power::Off => "StopInstances",
            Power::Reboot => "RebootInstances",
        };
        self.act(action, id, by).map(|_| ())
    }

    fn delete(&self, id: &MachineId, by: Instant) -> Result<(), ApiError> {
        match self.act("TerminateInstances", id, by) {
            Err(error) if error.kind == Kind::NotFound => self.missing(id, error, ()),
            result => result.map(|_| ()),
        }
    }

    /// An elastic address can be had only by a machine that is up. It moves here from wherever it is, so this
    /// may be repeated.
    fn finish(&self, order: &Order, id: &MachineId, by: Instant) -> Result<(), ApiError> {
        let Body { elastic_ip, .. } = Body::of(order);
        if elastic_ip.is_empty() {
            return Ok(());
        }
        let mut form = Form::default();
        form.add("InstanceId", id.as_str());
        match elastic_ip.parse::<Ipv4Addr>() {
            Ok(_) => form.add("PublicIp", elastic_ip),
            Err(_) => form.add("AllocationId", elastic_ip),
        }
        self.ask(&self.compute, "AssociateAddress", form, by)
            .map(|_| ())
    }

    fn fate(&self, id: &MachineId, by: Instant) -> Result<Option<String>, ApiError> {
        let told = self.describe(id, by, |machine, instance| {
            let reason = |name| instance.text(&["stateReason", name]);
            let word = match machine.state {
                State::Deleting => machine.state_name,
                _ => return None,
            };
            // AWS's message repeats its code: "Server.InternalError: Internal error on launch".
            let why = reason("message").or_else(|| reason("code"))?;
            Some(self.http.tellable(&format!("is {word} ({why})")))
        })?;
        Ok(told.flatten())
    }

    fn size(&self, machine: &Machine, by: Instant) -> Result<Option<(u64, u64)>, ApiError> {
        let is_type = |(name, _): &&(&str, String)| *name == INSTANCE_TYPE;
        let Some((_, kind)) = machine.values.iter().find(is_type) else {
            return Ok(machine.size);
        };
        let mut form = Form::default();
        form.add("InstanceType.1", kind);
        let answer = match self.ask(&self.compute, "DescribeInstanceTypes", form, by) {
            Err(error) if is_denied(&error) => return Ok(machine.size),
            answer => answer?,
        };
        let Some(described) = answer.items(&["instanceTypeSet"]).next() else {
            return Ok(machine.size);
        };
        let cpus = machine.size.map_or(0, |(cpus, _)| cpus);
        let usual = described.number(&["vCpuInfo", "defaultVCpus"]);
        let memory = described.number(&["memoryInfo", "sizeInMiB"]);
        Ok(Some((
            if cpus == 0 {
                usual.unwrap_or_default()
            } else {
                cpus
            },
            memory.unwrap_or_default().saturating_mul(1024),
        )))
    }

    /// What CloudWatch counted; nothing where that is not allowed, or not there.
    fn traffic(&self, id: &MachineId, by: Instant) -> Result<Traffic, ApiError> {
        let now = unix_time();
        let mut form = Form::default();
        form.add("StartTime", &iso(now.saturating_sub(TRAFFIC.0)));
        form.add("EndTime", &iso(now));
        for (number, metric) in [(1, "NetworkIn"), (2, "NetworkOut")] {
            let query = format!("MetricDataQueries.member.{number}");
            let stat = format!("{query}.MetricStat");
            let dimension = format!("{stat}.Metric.Dimensions.member.1");
            for (name, value) in [
                (format!("{query}.Id"), metric.to_ascii_lowercase().as_str()),
                (format!("{stat}.Metric.Namespace"), "AWS/EC2"),
                (format!("{stat}.Metric.MetricName"), metric),
                (format!("{dimension}.Name"), "InstanceId"),
                (format!("{dimension}.Value"), id.as_str()),
                (format!("{stat}.Period"), TRAFFIC.1),
                (format!("{stat}.Stat"), "Sum"),
            ] {
                form.add(&name, value);
            }
        }
        let answer = match self.ask(&self.metrics, "GetMetricData", form, by) {
            Err(error) if is_denied(&error) => return Ok(Traffic::default()),
            answer => answer?,
        };
        let sum = |id: &str| {
            let results = answer.items(&["GetMetricDataResult", "MetricDataResults"]);
            let points = results
                .filter(|result| result.text(&["Id"]) == Some(id))
                .flat_map(|result| result.items(&["Values"]));
            let bytes: f64 = points
                .filter_map(|point| point.text(&[])?.parse::<f64>().ok())
                .sum();
            bytes as u64
        };
        Ok(Traffic {
            received: sum("networkin"),
            sent: sum("networkout"),
        })
    }

    /// EC2 says of an order whether it would be taken, and does not take it ("DryRun").
    fn examine(&self, host: &Host, by: Instant) -> Vec<Finding> {
        const ABOUT: &str = "order";
        let mut mistakes = Vec::new();
        let (order, _) = compose(host, &Owner::of(host), &mut mistakes);
        let mut form = Form(Body::of(&order).form.to_owned());
        form.add("DryRun", "true");
        let error = match self.ask(&self.compute, "RunInstances", form, by) {
            Ok(_) => {
                let remedy = "look for it at EC2_API_URL, and delete it";
                let what = "a machine was ordered, though a dry run was asked for";
                return vec![Finding::bad(ABOUT, what, remedy)];
            }
            Err(error) => error,
        };
        let reasons = error.reasons.join("; ");
        if reasons.starts_with("DryRunOperation") {
            return vec![
                Finding::good("credentials", "accepted"),
                Finding::good(ABOUT, "EC2 would take it"),
            ];
        }
        let about = match error.kind {
            Kind::Unauthenticated => "credentials",
            Kind::NotSent | Kind::Ambiguous | Kind::Redirected | Kind::Untrusted => "EC2",
            _ => ABOUT,
        };
        vec![Finding::bad(about, reasons, error.remedy)]
    }

    fn rest(&self) -> Duration {
        self.http.rest()
    }

    fn abort(&self) {
        self.http.abort();
    }
}

/// Whether the other side answers, and does not do this for us.
fn is_denied(error: &ApiError) -> bool {
    matches!(
        error.kind,
        Kind::PermissionDenied | Kind::Unauthenticated | Kind::NotFound | Kind::Rejected
    )
}

fn unix_time() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// Unix seconds as CloudWatch reads them: `2015-08-30T12:36:00Z`.
fn iso(unix: u64) -> String {
    time::rfc3339_of(unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What moto 5.2 answered, in the layout of the API Reference.
    const DESCRIBED: &str = include_str!("../../tests/fixtures/ec2/describe-instances.xml");

    fn host(provision: &str) -> Result<Host> {
        let context = "<CONTEXT><SSH_PUBLIC_KEY>ssh-rsa A</SSH_PUBLIC_KEY></CONTEXT>";
        let text = format!(
            "<HOST><ID>7</ID><TEMPLATE>{context}<PROVISION><PROVISION_ID>p</PROVISION_ID>{provision}</PROVISION></TEMPLATE></HOST>"
        );
        Ok(Host::parse(&text)?.0)
    }

    fn sent(provision: &str) -> Result<String> {
        let mut warning = None;
        let data = user_data(&host(provision)?, &mut warning)?;
        Ok(String::from_utf8(data.unwrap_or_default())?)
    }

    #[test]
    fn only_instance_ids_are_deploy_ids() {
        for text in ["i-0123abcd", "i-0123456789abcdef0"] {
            assert_eq!(id(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        for text in [
            "i-",
            "i-0123abc",
            "i-0123456789abcdef01",
            "I-0123abcd",
            "i-0123ABCD",
            "i-0123abcg",
        ] {
            assert!(id(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_described_instance_is_read() -> Result<()> {
        let answer = Element::parse(DESCRIBED.as_bytes())?;
        let found = instances(&answer);
        let states: Vec<State> = found.iter().map(|(machine, _)| machine.state).collect();
        assert_eq!(states, [State::On, State::Deleting]);
        let (machine, _) = &found[0];
        assert_eq!(machine.state_name, "running");
        assert_eq!(machine.tags.len(), 4);
        assert!(machine.tags.contains(&"OpenNebula".to_owned()));
        assert!(machine.addresses.len() == 2 && machine.created.is_some());
        let mut names: Vec<&str> = machine.values.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), machine.values.len());
        assert!(names.contains(&"AWS_PUBLIC_DNS_NAME") && names.contains(&"AWS_SECURITY_GROUPS"));
        Ok(())
    }

    #[test]
    fn states_that_nobody_described_are_not_errors() {
        assert_eq!(state("rebooting"), State::Starting);
    }

    #[test]
    fn errors_are_read_in_both_forms() {
        let code = |body: &str| error_of(body.as_bytes()).map(|(code, _)| code);
        assert_eq!(
            code("<Response><Errors><Error><Code>A</Code></Error></Errors></Response>").as_deref(),
            Some("A")
        );
        assert_eq!(
            code("<ErrorResponse><Error><Type>Sender</Type><Code>B</Code></Error></ErrorResponse>")
                .as_deref(),
            Some("B")
        );
        assert_eq!(code("<html><body>Bad Gateway</body></html>"), None);
        assert_eq!(code("{\"message\": \"no\"}"), None);
    }

    #[test]
    fn user_data_is_sent_as_the_stock_driver_sends_it() -> Result<()> {
        let plain = "<USERDATA>#!/bin/sh\ntrue</USERDATA>";
        assert_eq!(sent(plain)?, "#!/bin/sh\ntrue");
        let base64 = "<USERDATA>IyEvYmlu\nL3NoCnRydWU=\n</USERDATA>";
        assert_eq!(sent(base64)?, "#!/bin/sh\ntrue");
        assert_eq!(sent("")?, "SSH_PUBLIC_KEY=\"ssh-rsa A\"");
        Ok(())
    }

    #[test]
    fn by_cloud_init_the_key_comes_with_the_user_data() -> Result<()> {
        let yes = "<CLOUD_INIT>Yes</CLOUD_INIT>";
        assert!(sent(yes)?.starts_with("#cloud-config\nssh_authorized_keys:\n- \"ssh-rsa A\""));
        let both = sent(&format!("{yes}<USERDATA>IyEvYmluL3NoCnRydWU=</USERDATA>"))?;
        assert!(
            both.contains("\n#!/bin/sh\ntrue\n") && both.contains("ssh-rsa A"),
            "{both}"
        );
        // Compressed, it takes no second part.
        let mut warning = None;
        let zipped = host(&format!("{yes}<USERDATA>H4sIAAAAAAAA/w==</USERDATA>"))?;
        let data = user_data(&zipped, &mut warning)?.unwrap_or_default();
        assert!(data.starts_with(&[0x1f, 0x8b]) && warning.is_some());
        Ok(())
    }

    #[test]
    fn what_aws_has_not_to_give_is_a_refusal_whatever_its_status() {
        let kind = |code, by_status| meaning(code, "", false, by_status).0;
        assert_eq!(
            kind("InsufficientInstanceCapacity", Kind::Ambiguous),
            Kind::Rejected
        );
        assert_eq!(
            kind("RequestLimitExceeded", Kind::Ambiguous),
            Kind::RateLimited
        );
        assert_eq!(kind("InternalError", Kind::Ambiguous), Kind::Ambiguous);
        assert_eq!(
            kind("InvalidParameterValue", Kind::Rejected),
            Kind::Rejected
        );
    }

    #[test]
    fn addresses_are_those_of_the_region_or_ones_own() {
        let of = |region, own| {
            let Endpoint {
                url, host, path, ..
            } = Endpoint::new("ec2", "", region, own);
            (url, host, path)
        };
        let (url, host, path) = of("eu-west-1", None);
        assert_eq!(url, "https://ec2.eu-west-1.amazonaws.com/");
        assert_eq!(
            (host.as_str(), path.as_str()),
            ("ec2.eu-west-1.amazonaws.com", "/")
        );
        let (_, host, _) = of("cn-north-1", None);
        assert_eq!(host, "ec2.cn-north-1.amazonaws.com.cn");
        let (_, host, path) = of("any", Some("http://127.0.0.1:5000/services/compute"));
        assert_eq!(
            (host.as_str(), path.as_str()),
            ("127.0.0.1:5000", "/services/compute")
        );
    }
}
