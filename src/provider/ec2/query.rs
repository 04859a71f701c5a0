//! The query API: a signed form goes in, XML comes out.

use super::super::kit::*;
use super::form;
use super::sigv4::Signer;
use crate::wire::digest::sha256;

/// One of AWS's services: its name, and the version of its API.
pub(super) type Service = (&'static str, &'static str);
pub(super) const COMPUTE: Service = ("ec2", "2016-11-15");
pub(super) const METRICS: Service = ("monitoring", "2010-08-01");

/// Where a service is.
pub(super) fn address(service: &str, region: &str, own: &str) -> String {
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
pub(super) fn ask<T>(
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
    let time = time::compact(time::unix(SystemTime::now()));
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    let mut headers = vec![("content-type", kind), ("host", host), ("x-amz-date", &time)];
    let session = api.setting("EC2_SESSION_TOKEN");
    if !session.is_empty() {
        headers.push(("x-amz-security-token", session));
    }
    let secret = Secret::new(api.setting("EC2_SECRET"));
    let signer = Signer { access: api.setting("EC2_ACCESS"), secret: &secret, region, service: service.0 };
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

pub(super) fn act(api: &Api<'_>, action: &str, id: &MachineId) -> Result<(), ApiError> {
    let parameters = json!({ "InstanceId": [id.as_str()] });
    ask(api, COMPUTE, action, parameters, |_| Ok(()))
}

/// The parameters of an order, with one more.
pub(super) fn run(order: &Order, [name, value]: [&str; 2]) -> Value {
    let mut order = order.clone();
    order.set("MinCount", json!(1));
    order.set("MaxCount", json!(1));
    order.set("TagSpecification.1.ResourceType", json!("instance"));
    order.set(name, json!(value));
    order.body
}

/// Whether the other side answers, and does not do this for us.
pub(super) fn is_denied(error: &ApiError) -> bool {
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
pub(super) fn token(order: &Order) -> String {
    let parts = [order.attribute("CLIENTTOKEN"), &form::encode(&order.body)];
    let spent = order.spent.iter().map(String::as_str);
    let text: Vec<&str> = [order.mark.as_str()].into_iter().chain(parts).chain(spent).collect();
    sha256(text.join("\n").as_bytes())
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
