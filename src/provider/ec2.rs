//! Amazon EC2, for its bare-metal instances.
//!
//! The query API of version 2016-11-15 ("Amazon EC2 API Reference"): a signed form goes in, XML comes out. The
//! attributes are those of OpenNebula's own ec2 driver, so that a template written for it works unchanged.

mod attributes;
mod error;
mod form;
mod instance;
mod query;
mod sigv4;

use std::net::Ipv4Addr;

use self::query::{COMPUTE, METRICS, act, address, ask, is_denied, run, token};
use super::kit::*;

pub use self::instance::machines;

/// EC2.
pub struct Ec2;

const SPEC: Spec = Spec {
    answers: Format::Xml,
    user_data: UserDataForm { field: "UserData", is_base64: true, limit: 16 * 1024, compose: attributes::user_data },
    identity: Identity::Pairs { field: "TagSpecification.1.Tag", members: ("Key", "Value"), alphabet: None },
    has_idempotency_key: true,
    // `appears_within` is for what AWS calls eventual consistency; mostly it is a second.
    ..Spec::usual("ec2", "an instance id such as i-0123456789abcdef0", instance::id, attributes::ATTRIBUTES)
};

/// Instances a page of a listing; the API allows 5 to 1000.
const PAGE: u32 = 200;
/// The seconds of which `poll` sums up the traffic, and the length of one point: CloudWatch has no shorter ones
/// unless one pays for them.
const TRAFFIC: (u64, u32) = (3600, 300);

impl Provider for Ec2 {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn connect(&self, account: &Account) -> Result<Endpoint> {
        account.need(&["REGION_NAME"])?;
        let base = address(COMPUTE.0, account.get("REGION_NAME"), account.get("EC2_API_URL"));
        Ok(Endpoint { base, auth: Auth::None })
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
                Ok((machines(answer)?.into_iter().map(|machine| api.redacted(machine)).collect(), next))
            })
        })
    }

    fn create(&self, api: &Api<'_>, order: &Order) -> Result<Machine, ApiError> {
        let parameters = run(order, ["ClientToken", &token(order)]);
        let mut machine = ask(api, COMPUTE, "RunInstances", parameters, |answer| {
            let machine = machines(answer)?.into_iter().next().context("it names no instance")?;
            Ok(api.redacted(machine))
        })?;
        if SPEC.identity.other(&order.mark, &machine).is_some() {
            let reason = format!("EC2 answers with {}, the machine of another host", machine.id);
            return Err(api.refusal(Mistake::new(reason, "set another CLIENTTOKEN")));
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
            Ok(machines(answer)?.into_iter().next().map(|machine| api.redacted(machine)))
        })?;
        found.ok_or_else(|| api.problem(Kind::NotFound, format!("EC2 shows no instance {id}")))
    }

    fn power(&self, api: &Api<'_>, id: &MachineId, power: Power) -> Result<Option<State>, ApiError> {
        let action = power.pick(["StartInstances", "StopInstances", "RebootInstances"]);
        act(api, action, id)?;
        Ok(None)
    }

    /// An elastic address can be had only by a machine that is up. It moves here from wherever it is, so this may be
    /// repeated.
    fn advance(&self, api: &Api<'_>, order: &Order, machine: &Machine) -> Result<Advance, ApiError> {
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
            return vec![Finding::good("credentials", "accepted"), Finding::good(ABOUT, "EC2 would take it")];
        }
        use Kind::{Ambiguous, NotSent, Redirected, Unauthenticated, Untrusted};
        let reasons = error.reasons.join("; ");
        vec![match error.kind {
            Unauthenticated => Finding::bad("credentials", reasons, error.remedy).closing(),
            NotSent | Ambiguous | Redirected | Untrusted => Finding::bad("EC2", reasons, error.remedy).closing(),
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
        let now = time::unix(SystemTime::now());
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
            "StartTime": time::rfc3339_of(now.saturating_sub(TRAFFIC.0)),
            "EndTime": time::rfc3339_of(now),
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
