//! How Scaleway says no: `message`, mostly a `type`, and what belongs to that type (`scw/errors.go` of its Go client).

use super::super::kit::*;

/// The code of an error that says of a zone that it is none: the type of the error, and the argument.
const NO_ZONE: &str = "invalid_arguments: zone";

const CLOUD_INIT: &str = "leave USERDATA out and add the SSH key of CONTEXT to the SSH keys of the project, or set OFFER to one that takes cloud-init";

/// Whether the API itself says that it has no such zone.
pub(super) fn is_no_zone(error: &ApiError) -> bool {
    error.code.as_deref() == Some(NO_ZONE)
}

/// What an error answer means.
pub(super) fn explain(status: u16, body: &Tree) -> Explanation {
    let Some(message) = body.text("message") else {
        return Explanation::default();
    };
    let kind = body.text("type").unwrap_or_default();
    let is_about = |argument: &str| {
        let mut details = body.items("details");
        kind == "invalid_arguments" && details.any(|detail| detail.text("argument_name") == Some(argument))
    };
    // Permanent, though its status says nothing of the kind: recorded for cloud-init.
    let is_unsupported = kind.is_empty() && message.contains("is not supported");
    let code = match kind {
        "" => None,
        _ if is_about("zone") => Some(NO_ZONE.to_owned()),
        kind => Some(kind.to_owned()),
    };
    let remedy = match kind {
        _ if is_about("zone") => Some("set SCW_DEFAULT_ZONE to a zone of Elastic Metal, such as fr-par-2"),
        _ if is_about("project_id") => Some("set SCW_DEFAULT_PROJECT_ID to the UUID of a project that exists"),
        _ if is_unsupported && message.contains("cloud-init") => Some(CLOUD_INIT),
        "out_of_stock" => Some(NO_CAPACITY),
        "quotas_exceeded" => Some("ask Scaleway for a larger quota, or delete what is not needed"),
        "permissions_denied" => {
            Some("give the API key of SCW_SECRET_KEY the permissions for it in SCW_DEFAULT_PROJECT_ID")
        }
        "locked" => Some("ask Scaleway why it is locked"),
        "precondition_failed" if !is_protected(body) => Some("take what uses it off it at Scaleway first"),
        _ => None,
    };
    Explanation {
        kind: read_kind(status, kind, message, body, is_unsupported),
        code,
        reasons: reasons(message, body),
        remedy,
        ..Explanation::default()
    }
}

fn read_kind(status: u16, kind: &str, message: &str, body: &Tree, is_unsupported: bool) -> Option<Kind> {
    match (kind, status) {
        // So a server that is gone is answered (recorded); the type is that of the client.
        ("", 404) if message == "Not Found" => Some(Kind::NotFound),
        ("not_found", _) if body.text("resource").is_none_or(|what| what == "server") => Some(Kind::NotFound),
        ("transient_state", _) => Some(match body.text("current_state") {
            // Named so by the API, and left by nobody but its user.
            Some("ready" | "completed" | "stopped" | "error" | "out_of_stock" | "locked") => Kind::Rejected,
            _ => Kind::Conflict,
        }),
        ("locked", _) => Some(Kind::Protected),
        ("precondition_failed", _) if is_protected(body) => Some(Kind::Protected),
        ("denied_authentication", _) => Some(Kind::Unauthenticated),
        // A quota is refused with 403 as a permission is.
        (
            "not_found"
            | "precondition_failed"
            | "quotas_exceeded"
            | "out_of_stock"
            | "invalid_arguments"
            | "resource_expired",
            _,
        ) => Some(Kind::Rejected),
        _ if is_unsupported => Some(Kind::Rejected),
        _ => None,
    }
}

/// Whether it is refused as the server is `protected`.
fn is_protected(body: &Tree) -> bool {
    let help = body.text("help_message").unwrap_or_default();
    body.text("precondition") == Some("attribute_must_be_set") || help.contains("protect")
}

/// The message, and what else the error says of what is wrong.
fn reasons(message: &str, body: &Tree) -> Vec<String> {
    let mut reasons = vec![message.to_owned()];
    for detail in body.items("details") {
        let said = detail.text("help_message").or(detail.text("reason")).unwrap_or_default();
        reasons.extend(detail.text("argument_name").map(|argument| format!("{argument}: {said}")));
        let quota = detail.text("resource").zip(detail.count("quota"));
        reasons.extend(quota.map(|(resource, quota)| format!("the quota of {resource} is {quota}")));
    }
    let resource = body.text("resource").map(|resource| match body.text("current_state") {
        Some(state) => format!("the {resource} is {state}"),
        None => format!("{resource} {}", body.text("resource_id").unwrap_or_default()).trim_end().to_owned(),
    });
    reasons.extend(resource);
    reasons.extend(body.text("help_message").map(str::to_owned));
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(status: u16, body: &Value) -> Result<Explanation> {
        Ok(explain(status, &Tree::json(body.to_string().as_bytes())?))
    }

    #[test]
    fn errors_are_what_their_type_says_whatever_their_status() -> Result<()> {
        let typed = |kind: &str| json!({ "type": kind, "message": "no" });
        let state = |state: &str| json!({ "type": "transient_state", "resource": "server", "current_state": state, "message": "no" });
        for (status, body, kind) in [
            (404, json!({ "message": "Not Found" }), Some(Kind::NotFound)),
            (404, json!({ "type": "not_found", "resource": "server", "message": "no" }), Some(Kind::NotFound)),
            (404, json!({ "type": "not_found", "resource": "offer", "message": "no" }), Some(Kind::Rejected)),
            // Not Scaleway's own words.
            (404, json!({ "message": "no Route matched with those values" }), None),
            (404, json!({ "error": "Not Found" }), None),
            (409, typed("transient_state"), Some(Kind::Conflict)),
            (409, state("installing"), Some(Kind::Conflict)),
            (409, state("stopped"), Some(Kind::Rejected)),
            (423, typed("locked"), Some(Kind::Protected)),
            (403, typed("quotas_exceeded"), Some(Kind::Rejected)),
            (503, typed("out_of_stock"), Some(Kind::Rejected)),
            (400, typed("invalid_arguments"), Some(Kind::Rejected)),
            (403, typed("denied_authentication"), Some(Kind::Unauthenticated)),
            (403, typed("permissions_denied"), None),
            (412, typed("precondition_failed"), Some(Kind::Rejected)),
            (503, json!({ "message": "cloud-init is not supported on this offer" }), Some(Kind::Rejected)),
            (503, json!({ "message": "service unavailable" }), None),
        ] {
            assert_eq!(explained(status, &body)?.kind, kind, "{status} {body}");
        }
        let protected =
            json!({ "type": "precondition_failed", "precondition": "attribute_must_be_set", "message": "no" });
        assert_eq!(explained(412, &protected)?.kind, Some(Kind::Protected));
        Ok(())
    }

    #[test]
    fn only_a_wrong_zone_is_told_as_one() -> Result<()> {
        let wrong = |argument: &str| {
            let detail = json!({ "argument_name": argument, "reason": "constraint", "help_message": "" });
            json!({ "type": "invalid_arguments", "message": "invalid argument(s)", "details": [detail] })
        };
        let zone = explained(400, &wrong("zone"))?;
        assert_eq!(zone.code.as_deref(), Some(NO_ZONE));
        assert_eq!(zone.reasons, ["invalid argument(s)", "zone: constraint"]);
        assert_eq!(explained(400, &wrong("offer_id"))?.code.as_deref(), Some("invalid_arguments"));
        assert_eq!(explained(404, &json!({ "message": "Not Found" }))?.code, None);
        Ok(())
    }
}
