//! How Latitude.sh describes servers and errors.

use super::super::kit::*;
use super::objects::{is_id, tag_text};
use crate::http::rate_limit::retry_after;

/// A deploy id: `sv_` and letters or digits.
pub(super) fn id(text: &str) -> Option<MachineId> {
    let is_servers = text.len() > 3 && text.starts_with("sv_") && is_id(text);
    is_servers.then(|| MachineId::checked(text))
}

/// The machine that a server of an answer is.
///
/// # Errors
/// It describes none.
pub fn machine(server: &Tree) -> Result<Machine> {
    let id = server.text("id").and_then(id).context("it names a server whose id is none")?;
    let own = |path: &str| server.at("attributes").text(path).map(str::to_owned);
    let word = one_line(&own("status").unwrap_or("unknown".to_owned()));
    // It is there, and billed, until then.
    let ends = own("scheduled_deletion_at").map(|then| format!(", until {}", one_line(&then)));
    let (plan, site) = (own("plan.slug"), own("region.site.slug"));
    let values = values([
        ("OS", own("operating_system.slug")),
        ("PLAN", plan.clone()),
        ("SITE", site.clone()),
        ("PROJECT", own("project.slug")),
    ]);
    let addresses = ["primary_ipv4", "primary_ipv6"].into_iter().filter_map(own).filter_map(|text| text.parse().ok());
    let cores = own("specs.cpu").and_then(|cpu| cores(&cpu)).unwrap_or_default();
    let memory = own("specs.ram").and_then(|ram| kib(&ram)).unwrap_or_default();
    Ok(Machine {
        name: own("hostname"),
        tags: server.items("attributes.tags").filter_map(tag_text).map(str::to_owned).collect(),
        addresses: addresses.collect(),
        locked: server.flag("attributes.locked").unwrap_or_default(),
        size: Some((cores, memory)),
        plan,
        place: site,
        values,
        created: own("created_at").and_then(|text| time::rfc3339(&text)),
        ..Machine::new(id, state(&word), word + &ends.unwrap_or_default())
    })
}

/// The API's states. There is none of a machine that is being deleted, nor of one that is being switched.
fn state(word: &str) -> State {
    match word {
        "on" | "rescue_mode" => State::On,
        "off" => State::Off,
        "failed_deployment" | "failed_disk_erasing" => State::Failed,
        _ => State::Starting,
    }
}

/// The number in `Xeon E-2276G CPU @ 3.80GHz (6 cores)`.
fn cores(cpu: &str) -> Option<u64> {
    let (before, _) = cpu.split_once(" cores")?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// What an error answer means.
pub(super) fn explain(status: u16, body: &Tree) -> Explanation {
    let told = |error: &Tree| {
        let (title, detail) = (error.text("title"), error.text("detail"));
        let told = match (title.filter(|title| *title != "Error"), detail) {
            (Some(title), Some(detail)) => format!("{title}: {detail}"),
            (title, detail) => title.or(detail)?.to_owned(),
        };
        // The one place that tells which attribute is meant.
        let place = error.text("source.pointer").or(error.text("source.parameter"));
        Some(place.map_or(told.clone(), |place| format!("{told} ({place})")))
    };
    let reasons: Vec<String> = body.items("errors").filter_map(told).collect();
    let says = |words: &str| reasons.iter().any(|reason| reason.to_ascii_lowercase().contains(words));
    let code = body.text("errors.0.code");
    let (kind, remedy) = match status {
        404 if says("specified record not found") => (Some(Kind::NotFound), None),
        403 | 423 if says("locked") => (Some(Kind::Protected), None),
        422 if code == Some("SERVERS_OUT_OF_STOCK") => (None, Some(NO_CAPACITY)),
        // Somebody else has just made it: it is found by the next search.
        422 if says("has already been taken") => (Some(Kind::Conflict), None),
        _ => (None, None),
    };
    let seconds = body.number("errors.0.meta.retry_after");
    Explanation {
        kind,
        code: code.map(str::to_owned),
        remedy,
        retry_after: seconds.and_then(|seconds| retry_after(&seconds.to_string())),
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attributes: &Value) -> Result<Machine> {
        machine(&Tree::json(json!({ "id": "sv_ZWr75Zbjr5A91", "attributes": attributes }).to_string().as_bytes())?)
    }

    fn explained(status: u16, error: &Value) -> Explanation {
        let body = json!({ "errors": [error] }).to_string();
        explain(status, &Tree::json(body.as_bytes()).unwrap_or_default())
    }

    #[test]
    fn words_that_the_description_lacks_are_read_and_unknown_ones_are_not_there_yet() -> Result<()> {
        for (word, expected) in [
            ("starting_deploy", State::Starting),
            ("provisioning", State::Starting),
            ("inventory", State::Starting),
            ("unknown", State::Starting),
            ("disk_erasing", State::Starting),
            ("failed_disk_erasing", State::Failed),
            ("failed_deployment", State::Failed),
            ("rescue_mode", State::On),
            ("pondering", State::Starting),
        ] {
            assert_eq!(read(&json!({ "status": word }))?.state, expected, "{word}");
        }
        Ok(())
    }

    #[test]
    fn a_server_whose_deletion_is_scheduled_is_there_until_then() -> Result<()> {
        let machine = read(&json!({ "status": "on", "scheduled_deletion_at": "2099-01-01T00:00:00+00:00" }))?;
        assert_eq!((machine.state, machine.state_name.as_str()), (State::On, "on, until 2099-01-01T00:00:00+00:00"));
        Ok(())
    }

    #[test]
    fn a_field_of_another_type_does_not_spoil_the_answer() -> Result<()> {
        let machine = read(&json!({
            "status": "on", "locked": "maybe", "tags": [null, { "name": "one" }, "two"], "primary_ipv4": null,
            "primary_ipv6": "2605:6440::1", "specs": { "cpu": "Xeon @ 3.80GHz (6 cores)", "ram": "64 GB" },
        }))?;
        assert_eq!(machine.tags, ["one"]);
        assert_eq!(machine.addresses, ["2605:6440::1".parse::<IpAddr>()?]);
        assert_eq!(machine.size, Some((6, 64 << 20)));
        Ok(())
    }

    #[test]
    fn a_long_tag_is_its_description_only_where_its_name_is_the_digest_of_that() -> Result<()> {
        let long = "ONE_PROVISION_HOST=7a15cf52-8e99-4887-a6a6-ebf8d8536437:7";
        let name = super::super::objects::tag_name(long);
        assert_eq!(name.len(), 36);
        let tags = json!([{ "name": name, "description": long }, { "name": "one-0", "description": long }]);
        assert_eq!(read(&json!({ "tags": tags }))?.tags, [long, "one-0"]);
        Ok(())
    }

    #[test]
    fn only_the_providers_own_not_found_is_one() {
        let of =
            |detail: &str| explained(404, &json!({ "code": "not_found", "title": "Error", "detail": detail })).kind;
        assert_eq!(of("Specified Record Not Found"), Some(Kind::NotFound));
        assert_eq!(of("No route matches"), None);
        assert_eq!(explain(404, &Tree::Null).kind, None);
    }

    #[test]
    fn how_long_to_wait_stands_in_the_body() {
        let limit =
            |wait: Value| explained(429, &json!({ "detail": "x", "meta": { "retry_after": wait } })).retry_after;
        assert_eq!(limit(json!(60)), Some(Duration::from_secs(60)));
        assert_eq!(limit(json!("soon")), None);
        assert!(limit(json!(1e300)).is_none_or(|wait| wait < Duration::from_secs(32 * 24 * 3600)));
    }

    #[test]
    fn reasons_tell_the_title_the_detail_and_the_place() {
        let error =
            json!({ "title": "Validation Error", "detail": "must be filled", "source": { "pointer": "/data" } });
        assert_eq!(explained(422, &error).reasons, ["Validation Error: must be filled (/data)"]);
    }

    #[test]
    fn only_servers_ids_are_deploy_ids() {
        assert!(id("sv_ZWr75Zbjr5A91").is_some());
        for text in ["", "sv_", "sv_../x", "sv_a/b", "sv_a\n", "sv_a-b", "ssh_ffffffffffff1", "1002"] {
            assert!(id(text).is_none(), "{text}");
        }
    }
}
