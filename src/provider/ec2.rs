//! Amazon EC2, for its bare-metal instances.
//!
//! The query API of version 2016-11-15 ("Amazon EC2 API Reference"): a signed form goes in, XML comes out. The
//! attributes are those of OpenNebula's own ec2 driver, so that a template written for it works unchanged.

mod attributes;
mod error;
mod form;
mod instance;
mod sigv4;

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use self::sigv4::{Signer, sha256};
use super::account::Account;
use super::api::Api;
use super::auth::{Auth, Endpoint};
use super::call::Call;
use super::explanation::Explanation;
use super::machine::{Machine, MachineId, Power, State, Traffic};
use super::order::Order;
use super::spec::{Absence, Format, Identity, PowerControl, Spec, UserDataForm};
use super::{Advance, Filter, Provider};
use crate::http::error::{ApiError, Kind};
use crate::opennebula::owner::Owner;
use crate::report::finding::Finding;
use crate::report::secret::Secret;
use crate::wire::time;
use crate::wire::tree::Tree;

pub use self::instance::machines;

/// EC2.
pub struct Ec2;

const SPEC: Spec = Spec {
    name: "ec2",
    id_form: "an instance id such as i-0123456789abcdef0",
    id: instance::id,
    attributes: attributes::ATTRIBUTES,
    answers: Format::Xml,
    user_data: UserDataForm {
        field: "UserData",
        is_base64: true,
        limit: 16 * 1024,
        compose: attributes::user_data,
    },
    identity: Identity::Pairs {
        field: "TagSpecification.1.Tag",
        members: ("Key", "Value"),
        alphabet: None,
    },
    order_within: Duration::from_secs(60),
    // "Eventual consistency"; mostly it is a second.
    appears_within: Duration::from_secs(60),
    absence: Absence::NotFound,
    has_idempotency_key: true,
    has_objects: false,
    power: PowerControl::FULL,
};

/// Instances a page of a listing; the API allows 5 to 1000.
const PAGE: u32 = 200;
/// The seconds of which `poll` sums up the traffic, and the length of one point: CloudWatch has no shorter ones
/// unless one pays for them.
const TRAFFIC: (u64, u32) = (3600, 300);

/// One of AWS's services: its name, and the version of its API.
type Service = (&'static str, &'static str);
const COMPUTE: Service = ("ec2", "2016-11-15");
const METRICS: Service = ("monitoring", "2010-08-01");

/// Seconds since 1970.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Where a service is.
fn address(service: &str, region: &str, own: &str) -> String {
    match own {
        // China is a partition of its own.
        "" if region.starts_with("cn-") => format!("https://{service}.{region}.amazonaws.com.cn/"),
        "" => format!("https://{service}.{region}.amazonaws.com/"),
        own => own.to_owned(),
    }
}

/// The host and the path of an address.
fn parted(url: &str) -> (&str, String) {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host, format!("/{path}"))
}

/// Sends one action with these parameters, and reads its answer.
fn ask<T>(
    api: &Api<'_>,
    service: Service,
    action: &str,
    parameters: Value,
    read: impl FnOnce(&Tree) -> Result<T>,
) -> Result<T, ApiError> {
    let mut body = form::encode(&parameters);
    body.push_str(&format!("&Action={action}&Version={}", service.1));
    let region = api.setting("REGION_NAME");
    let url = address(service.0, region, api.setting("EC2_API_URL"));
    let (host, path) = parted(&url);
    let time = time::compact(unix(SystemTime::now()));
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    let mut headers = vec![("content-type", kind), ("host", host), ("x-amz-date", &time)];
    let session = api.setting("EC2_SESSION_TOKEN");
    if !session.is_empty() {
        headers.push(("x-amz-security-token", session));
    }
    let secret = Secret::new(api.setting("EC2_SECRET"));
    let signer =
        Signer { access: api.setting("EC2_ACCESS"), secret: &secret, region, service: service.0 };
    let authorization = signer.authorization(&path, &headers, body.as_bytes(), &time);
    let shown = format!("{path}?Action={action}");
    let call = match action {
        "RunInstances" => Call::order(&url),
        _ => Call::post(&url),
    };
    let mut call = call.shown(&shown).form(body).header("authorization", &authorization);
    // The client adds the content type itself.
    for (name, value) in &headers[1..] {
        call = call.header(name, value);
    }
    let name = format!("{action}Response");
    api.read(&call, |answer| match answer.at(&name) {
        Tree::Null => bail!("it is no {name}"),
        answer => read(answer),
    })
}

fn act(api: &Api<'_>, action: &str, id: &MachineId) -> Result<(), ApiError> {
    let parameters = json!({ "InstanceId": [id.as_str()] });
    ask(api, COMPUTE, action, parameters, |_| Ok(()))
}

/// The parameters of an order, with one more.
fn run(order: &Order, [name, value]: [&str; 2]) -> Value {
    let mut order = order.clone();
    order.set("MinCount", json!(1));
    order.set("MaxCount", json!(1));
    order.set("TagSpecification.1.ResourceType", json!("instance"));
    order.set(name, json!(value));
    order.body
}

/// Whether the other side answers, and does not do this for us.
fn is_denied(error: &ApiError) -> bool {
    use Kind::{NotFound, PermissionDenied, Rejected, Unauthenticated};
    matches!(error.kind, PermissionDenied | Unauthenticated | NotFound | Rejected)
}

/// The `ClientToken` of an order. EC2 answers an order with a token that it knows with the machine of the first one,
/// so that no order is carried out twice, whatever was lost in between.
///
/// It is made of the owner and of what is ordered, so that it is the same in every run for this host, and no other
/// host's; an attribute CLIENTTOKEN adds to it, as hosts of one template must not become one machine. But EC2 knows a
/// token for a day or longer, also when its machine was terminated: without more, a host whose deploy was rolled back
/// could not be deployed again. So every such machine that an order was answered with leads to the next token: each
/// run goes the same way along them, and comes to the machine that lives, or to a token that nobody used.
fn token(order: &Order) -> String {
    let parts = [order.attribute("CLIENTTOKEN"), &form::encode(&order.body)];
    let spent = order.spent.iter().map(String::as_str);
    let text: Vec<&str> = [order.mark.as_str()].into_iter().chain(parts).chain(spent).collect();
    sha256(text.join("\n").as_bytes())
}

impl Provider for Ec2 {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        let region = Some(account.get("REGION_NAME")).filter(|region| !region.is_empty());
        let region = region.context(
            "there is no REGION_NAME: put it into the section provision of the host's template",
        )?;
        Ok(Endpoint {
            base: address(COMPUTE.0, region, account.get("EC2_API_URL")),
            auth: Auth::None,
        })
    }

    fn list(&self, api: &Api<'_>, filter: Filter<'_>) -> Result<Vec<Machine>, ApiError> {
        let filter = match filter {
            Filter::Account => Value::Null,
            Filter::Ours => json!([{ "Name": "tag-key", "Value": [Owner::COMMON_TAG] }]),
            Filter::Marked(mark) => {
                let (key, value) = mark.split_once('=').unwrap_or((mark, ""));
                json!([{ "Name": format!("tag:{key}"), "Value": [value] }])
            }
        };
        api.pages(|next| {
            let parameters = json!({ "MaxResults": PAGE, "Filter": filter, "NextToken": next });
            ask(api, COMPUTE, "DescribeInstances", parameters, |answer| {
                if answer.at("reservationSet").is_null() {
                    bail!("it has no reservationSet");
                }
                let next = answer.text("nextToken").map(str::to_owned);
                Ok((machines(answer), next))
            })
        })
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let parameters = run(order, ["ClientToken", &token(order)]);
        let mut machine = ask(api, COMPUTE, "RunInstances", parameters, |answer| {
            machines(answer).into_iter().next().context("it names no instance")
        })?;
        if SPEC.identity.other(&order.mark, &machine).is_some() {
            let reason = format!("EC2 answers with {}, the machine of another host", machine.id);
            return Err(ApiError {
                remedy: "set another CLIENTTOKEN".into(),
                ..api.problem(Kind::Rejected, reason)
            });
        }
        // A known token's machine may be up already, but the rest of EC2 must know of it as well.
        if matches!(machine.state, State::On | State::Off | State::Stopping) {
            machine.state = State::Starting;
        }
        Ok(machine)
    }

    fn get(&self, api: &Api<'_>, id: &MachineId) -> Result<Machine, ApiError> {
        let parameters = json!({ "InstanceId": [id.as_str()] });
        let found = ask(api, COMPUTE, "DescribeInstances", parameters, |answer| {
            Ok(machines(answer).into_iter().next())
        })?;
        found.ok_or_else(|| api.problem(Kind::NotFound, format!("EC2 shows no instance {id}")))
    }

    fn power(
        &self,
        api: &Api<'_>,
        id: &MachineId,
        power: Power,
    ) -> Result<Option<State>, ApiError> {
        let action = match power {
            Power::On => "StartInstances",
            Power::Off => "StopInstances",
            Power::Reboot => "RebootInstances",
        };
        act(api, action, id)?;
        Ok(None)
    }

    /// An elastic address can be had only by a machine that is up. It moves here from wherever it is, so this may be
    /// repeated.
    fn advance(
        &self,
        api: &Api<'_>,
        order: &Order,
        machine: &Machine,
    ) -> Result<Advance, ApiError> {
        let elastic = order.attribute("ELASTICIP");
        if !elastic.is_empty() && machine.state == State::On {
            let name = match elastic.parse::<Ipv4Addr>() {
                Ok(_) => "PublicIp",
                Err(_) => "AllocationId",
            };
            let parameters = json!({ "InstanceId": machine.id.as_str(), name: elastic });
            ask(api, COMPUTE, "AssociateAddress", parameters, |_| Ok(()))?;
        }
        Ok(Advance::Done)
    }

    fn delete(&self, api: &Api<'_>, id: &MachineId) -> Result<(), ApiError> {
        act(api, "TerminateInstances", id)
    }

    fn explain(&self, account: &Account, status: u16, body: &Tree) -> Explanation {
        error::explain(status, body, account.secret("EC2_SESSION_TOKEN").is_some())
    }

    /// EC2 says of an order whether it would be taken, and does not take it ("DryRun").
    fn preflight(&self, api: &Api<'_>, order: &Order) -> Vec<Finding> {
        const ABOUT: &str = "order";
        let dry = run(order, ["DryRun", "true"]);
        let error = match ask(api, COMPUTE, "RunInstances", dry, |_| Ok(())) {
            Ok(()) => {
                let remedy = "look for it at EC2_API_URL, and delete it";
                let what = "a machine was ordered, though a dry run was asked for";
                return vec![Finding::bad(ABOUT, what, remedy)];
            }
            Err(error) => error,
        };
        if error.code.as_deref() == Some("DryRunOperation") {
            return vec![
                Finding::good("credentials", "accepted"),
                Finding::good(ABOUT, "EC2 would take it"),
            ];
        }
        use Kind::{Ambiguous, NotSent, Redirected, Unauthenticated, Untrusted};
        let reasons = error.reasons.join("; ");
        vec![match error.kind {
            Unauthenticated => Finding::bad("credentials", reasons, error.remedy).closing(),
            NotSent | Ambiguous | Redirected | Untrusted => {
                Finding::bad("EC2", reasons, error.remedy).closing()
            }
            _ => Finding::bad(ABOUT, reasons, error.remedy),
        }]
    }

    fn size(&self, api: &Api<'_>, machine: &Machine) -> Result<Option<(u64, u64)>, ApiError> {
        let Some(plan) = &machine.plan else {
            return Ok(machine.size);
        };
        let (cpus, _) = machine.size.unwrap_or_default();
        let parameters = json!({ "InstanceType": [plan] });
        let size = ask(api, COMPUTE, "DescribeInstanceTypes", parameters, |answer| {
            let described = answer.items("instanceTypeSet").next();
            Ok(described.map(|described| {
                let usual = described.count("vCpuInfo.defaultVCpus").unwrap_or_default();
                let memory = described.count("memoryInfo.sizeInMiB").unwrap_or_default();
                (if cpus == 0 { usual } else { cpus }, memory.saturating_mul(1024))
            }))
        });
        match size {
            Err(error) if !is_denied(&error) => Err(error),
            size => Ok(size.ok().flatten().or(machine.size)),
        }
    }

    /// What CloudWatch counted; nothing where that is not allowed, or not there.
    fn traffic(&self, api: &Api<'_>, id: &MachineId) -> Result<Traffic, ApiError> {
        let now = SystemTime::now();
        let start = now.checked_sub(Duration::from_secs(TRAFFIC.0)).unwrap_or(UNIX_EPOCH);
        let query = |metric: &str| {
            json!({ "Id": metric.to_ascii_lowercase(), "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/EC2",
                    "MetricName": metric,
                    "Dimensions": { "member": [{ "Name": "InstanceId", "Value": id.as_str() }] },
                },
                "Period": TRAFFIC.1,
                "Stat": "Sum",
            }})
        };
        let queries = [query("NetworkIn"), query("NetworkOut")];
        let parameters = json!({
            "StartTime": time::rfc3339_of(unix(start)),
            "EndTime": time::rfc3339_of(unix(now)),
            "MetricDataQueries": { "member": queries },
        });
        let traffic = ask(api, METRICS, "GetMetricData", parameters, |answer| {
            let sum = |id: &str| {
                let results = answer.items("GetMetricDataResult.MetricDataResults");
                let own = results.filter(|result| result.text("Id") == Some(id));
                let points = own.flat_map(|result| result.items("Values"));
                points.filter_map(|point| point.number("")).sum::<f64>() as u64
            };
            Ok(Traffic { received: sum("networkin"), sent: sum("networkout") })
        });
        match traffic {
            Err(error) if is_denied(&error) => Ok(Traffic::default()),
            traffic => traffic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_region_or_ones_own() {
        let of = |region, own| {
            let url = address("ec2", region, own);
            let (host, path) = parted(&url);
            (host.to_owned(), path)
        };
        assert_eq!(address("ec2", "eu-west-1", ""), "https://ec2.eu-west-1.amazonaws.com/");
        let (host, path) = of("eu-west-1", "");
        assert_eq!((host.as_str(), path.as_str()), ("ec2.eu-west-1.amazonaws.com", "/"));
        let (host, _) = of("cn-north-1", "");
        assert_eq!(host, "ec2.cn-north-1.amazonaws.com.cn");
        let (host, path) = of("any", "http://127.0.0.1:5000/services/compute");
        assert_eq!((host.as_str(), path.as_str()), ("127.0.0.1:5000", "/services/compute"));
    }
}
