//! How phoenixNAP describes servers and errors.

use super::super::kit::*;

/// The code of the refusal that is given of a server that is gone, never was, or is somebody else's.
pub(super) const NO_ACCESS: &str = "no access";

const CREDENTIALS: &str = "check PNAP_CLIENT_ID and PNAP_CLIENT_SECRET";
const SCOPES: &str = "check that the credentials of PNAP_CLIENT_ID have the scopes bmc and tags";
const NO_STOCK: &str = "wait, or set TYPE or LOCATION to another one; `pm-packet check` says where some are free";

/// A deploy id. Those that were seen have 24 hexadecimal digits; it is described as a text.
pub(super) fn id(text: &str) -> Option<MachineId> {
    let is_id = (1..=64).contains(&text.len()) && !text.starts_with('-') && is_plain(text, "-");
    is_id.then(|| MachineId::checked(text))
}

/// The machine that an answer describes.
///
/// # Errors
/// It describes none.
pub fn machine(server: &Tree) -> Result<Machine> {
    let id = server.text("id").and_then(id).context("it names a server whose id is none")?;
    let word = one_line(server.text("status").unwrap_or("unknown"));
    let own = |path: &str| server.text(path).map(str::to_owned);
    let (plan, place) = (own("type"), own("location"));
    let values = values([
        ("OS", own("os")),
        ("TYPE", plan.clone()),
        ("LOCATION", place.clone()),
        ("PRICING_MODEL", own("pricingModel")),
    ]);
    let addresses = [(true, "publicIpAddresses"), (false, "privateIpAddresses")];
    let addresses = addresses.into_iter().flat_map(|(is_public, list)| {
        server.texts(list).filter_map(first_address).map(move |address| (is_public, address))
    });
    let tag = |tag: &Tree| Some(joined(tag.text("name")?, tag.text("value").unwrap_or_default()));
    let cores = server.count("cpuCount").unwrap_or_default().saturating_mul(server.count("coresPerCpu").unwrap_or(1));
    // As "64GB RAM".
    let memory = server.text("ram").and_then(|ram| kib(ram.split_whitespace().next()?));
    Ok(Machine {
        name: own("hostname"),
        tags: server.items("tags").filter_map(tag).collect(),
        addresses: by_reach(addresses),
        size: Some((cores, memory.unwrap_or_default())),
        plan,
        place,
        values,
        created: server.text("provisionedOn").and_then(time::rfc3339),
        ..Machine::new(id, state(&word), word)
    })
}

/// The states that are described (`Server.status`). What is not is not there yet, never an error.
fn state(word: &str) -> State {
    match word {
        "powered-on" => State::On,
        "powered-off" => State::Off,
        "rebooting" => State::Stopping,
        "error" => State::Failed,
        "deleting" => State::Deleting,
        // Deprovisioned, and paid on as a reservation: no machine any more, and nothing to delete.
        "reserved" => State::Gone,
        // Among them creating, resetting and reinstating.
        _ => State::Starting,
    }
}

/// The address in a text that may be a range, as "10.0.0.11 - 10.0.0.20", or have a prefix: the first one.
fn first_address(text: &str) -> Option<IpAddr> {
    text.split([' ', '/']).next()?.parse().ok()
}

/// The reasons of an error: of the APIs, or of the token server (RFC 6749, section 5.2).
fn reasons(body: &Tree) -> Vec<String> {
    let own = body.text("message").into_iter().chain(body.texts("validationErrors"));
    let of_token = body.text("error").and(body.text("error_description"));
    own.chain(of_token).map(str::to_owned).collect()
}

/// Whether an order was refused for its tags.
pub(super) fn is_of_tags(refused: &ApiError) -> bool {
    let mut words = refused.reasons.iter().flat_map(|reason| reason.split(|c: char| !c.is_alphanumeric()));
    refused.status == Some(400) && words.any(|word| ["tag", "tags"].contains(&word.to_ascii_lowercase().as_str()))
}

/// What an error answer means. The statuses are those of the descriptions.
pub fn explain(status: u16, body: &Tree) -> Explanation {
    let reasons = reasons(body);
    let is_own = body.text("message").is_some() && body.members("").any(|(name, _)| name == "validationErrors");
    let mut code = None;
    let (kind, remedy) = match status {
        400 | 401 if ["invalid_client", "unauthorized_client"].contains(&body.text("error").unwrap_or_default()) => {
            (Some(Kind::Unauthenticated), Some(CREDENTIALS))
        }
        401 => (None, Some(CREDENTIALS)),
        403 => {
            let is_meant =
                reasons.iter().any(|reason| reason.contains("cannot be accessed by the provided credentials"));
            code = is_meant.then(|| NO_ACCESS.to_owned());
            (None, Some(SCOPES))
        }
        // Not described of servers; phoenixNAP's own clients take it for gone.
        404 if is_own => (Some(Kind::NotFound), None),
        406 if is_own => (Some(Kind::Rejected), Some(NO_STOCK)),
        409 if is_own => (Some(Kind::Conflict), None),
        _ => (None, None),
    };
    Explanation { kind, code, remedy, reasons, ..Explanation::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(value: Value) -> Result<Tree<'static>> {
        Ok(Tree::json(value.to_string().as_bytes())?.owned())
    }

    #[test]
    fn the_public_address_comes_first_and_a_range_is_its_first() -> Result<()> {
        let server = machine(&tree(json!({
            "id": "6008c14dba6d0e7bdb157b7b",
            "status": "powered-on",
            "privateIpAddresses": ["10.0.0.11 - 10.0.0.20", null, "none"],
            "publicIpAddresses": ["203.0.113.7/29", "2001:db8::7"],
            "cpuCount": 2, "coresPerCpu": 28, "ram": "256GB RAM",
            "provisionedOn": "2026-11-27T10:00:00Z",
            "tags": [{ "name": "OpenNebula" }, { "name": "team", "value": "blue" }, { "value": "none" }, null],
        }))?)?;
        let addresses: Vec<String> = server.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["203.0.113.7", "2001:db8::7", "10.0.0.11"]);
        assert_eq!(server.size, Some((56, 256 << 20)));
        assert_eq!(server.tags, ["OpenNebula", "team=blue"]);
        assert!(server.created.is_some());
        Ok(())
    }

    #[test]
    fn a_reservation_without_a_server_is_a_tombstone_and_an_unknown_state_is_no_error() {
        for (word, expected) in [
            ("creating", State::Starting),
            ("resetting", State::Starting),
            ("reinstating", State::Starting),
            ("powered-on", State::On),
            ("powered-off", State::Off),
            ("rebooting", State::Stopping),
            ("deleting", State::Deleting),
            ("error", State::Failed),
            ("reserved", State::Gone),
            ("pondering", State::Starting),
        ] {
            assert_eq!(state(word), expected, "{word}");
        }
    }

    #[test]
    fn an_id_is_one_word() {
        for text in ["6008c14dba6d0e7bdb157b7b", "B9EB1666-1b72-45ee-b529-806b079ce5af"] {
            assert_eq!(id(text).map(|id| id.to_string()).as_deref(), Some(text));
        }
        for text in ["", "-", "../x", "6008c14d/actions", "6008c14d?force=true", "6008 c14d", "6008c14d\n", "é"] {
            assert!(id(text).is_none(), "{text}");
        }
        assert!(id(&"6".repeat(65)).is_none());
    }

    #[test]
    fn an_error_is_read_in_the_words_of_whoever_answers() -> Result<()> {
        let own = |message: &str| json!({ "message": message, "validationErrors": null });
        let forbidden = "The request failed since this resource cannot be accessed by the provided credentials.";
        let cases = [
            (403, own(forbidden), None, Some(NO_ACCESS)),
            (403, own("The account is blocked."), None, None),
            (404, own("The request failed since the resource could not been found."), Some(Kind::NotFound), None),
            // Of whatever stands in between.
            (404, json!({ "message": "no Route matched with those values" }), None, None),
            (409, json!({ "message": "Conflict" }), None, None),
            (406, own("There are currently no servers available."), Some(Kind::Rejected), None),
            (409, own("The resource is in an incompatible state."), Some(Kind::Conflict), None),
            (500, own("The server encountered an unexpected condition"), None, None),
            (
                400,
                json!({ "error": "unauthorized_client", "error_description": "Invalid client" }),
                Some(Kind::Unauthenticated),
                None,
            ),
        ];
        for (status, body, kind, code) in cases {
            let explained = explain(status, &tree(body.clone())?);
            assert_eq!((explained.kind, explained.code.as_deref()), (kind, code), "{status} {body}");
            assert_eq!(explained.reasons.len(), 1, "{body}");
        }
        let invalid = json!({ "message": "wrong data", "validationErrors": ["os must not be null", "type must"] });
        assert_eq!(explain(400, &tree(invalid)?).reasons, ["wrong data", "os must not be null", "type must"]);
        assert!(explain(403, &Tree::Null).reasons.is_empty());
        Ok(())
    }

    #[test]
    fn an_order_is_refused_for_its_tags_where_the_answer_names_tags() {
        let refused = |status: u16, reason: &str| ApiError {
            status: Some(status),
            reasons: vec!["wrong data".to_owned(), reason.to_owned()],
            ..ApiError::bare(Kind::Rejected)
        };
        assert!(is_of_tags(&refused(400, "Tags: not all exist")));
        assert!(is_of_tags(&refused(400, "tag-name is unknown")));
        assert!(!is_of_tags(&refused(400, "the stage is wrong")));
        assert!(!is_of_tags(&refused(409, "tag")));
    }
}
