//! Each fault does what it says, to the client and to the books.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::common::{Answer as Got, Api, Client, devices, order, ready, start, wait};
use serde_json::json;
use simulator::{Answer, Effect, Fault, Operation, Options, RateLimit, Simulator, State};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Orders a machine while this effect strikes; and how many machines there are then.
fn struck(effect: Effect) -> (Simulator, io::Result<Got>, usize) {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Create, effect));
    let mut api = Api::of(&simulator);
    let answer = api.try_ask("POST", &devices(), Some(&order()));
    let machines = simulator.devices().len();
    (simulator, answer, machines)
}

#[test]
fn a_status_comes_before_or_after_the_effect() {
    let answer = Answer::new(503).header("Retry-After", "7").body("{\"error\": \"tired\"}");
    for (effect, expected) in [(Effect::Status(answer.clone()), 0), (Effect::StatusAfter(answer), 1)] {
        let (_simulator, answer, machines) = struck(effect);
        let answer = answer.expect("an answer");
        assert_eq!((answer.status, machines), (503, expected));
        assert_eq!(answer.header("Retry-After"), Some("7"));
        assert_eq!(answer.json(), json!({"error": "tired"}));
    }
}

#[test]
fn a_delay_is_before_or_after_the_effect() {
    for (effect, done_at_once) in [(Effect::Delay(MS(300)), true), (Effect::DelayBeforeEffect(MS(300)), false)] {
        let simulator = start(Options::default());
        simulator.fault(Fault::new(Operation::Create, effect));
        let mut api = Api::of(&simulator);
        let began = simulator.now();
        let answer = api.create(&order());
        assert_eq!(answer.status, 201);
        assert!(simulator.now() >= began + MS(300));
        let created = simulator.devices()[0].created;
        assert_eq!(created < began + MS(300), done_at_once);
    }
}

#[test]
fn an_effect_can_come_after_the_client_gave_up() {
    let simulator = start(Options::default());
    let late = Effect::DelayBeforeEffect(MS(300));
    simulator.fault(Fault::new(Operation::Create, late));
    let mut api = Api::of(&simulator);
    api.client.0.set_read_timeout(Some(MS(20))).expect("a timeout");
    assert!(api.try_ask("POST", &devices(), Some(&order())).is_err());
    let gone = simulator.now();
    drop(api);
    wait("the machine", || simulator.devices().len() == 1);
    assert!(simulator.devices()[0].created > gone);
}

#[test]
fn hanging_lasts_until_the_client_goes() {
    for (effect, expected) in [(Effect::Hang, 0), (Effect::HangAfter, 1)] {
        let simulator = start(Options::default());
        simulator.fault(Fault::new(Operation::Create, effect));
        let mut api = Api::of(&simulator);
        api.client.0.set_read_timeout(Some(MS(100))).expect("a timeout");
        let error = api.try_ask("POST", &devices(), Some(&order())).expect_err("no answer");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        wait("the effect", || simulator.devices().len() == expected);
        assert_eq!(simulator.requests()[0].status, None);
    }
}

#[test]
fn a_stopping_simulator_ends_what_hangs() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Api, Effect::Hang).forever());
    let mut api = Api::of(&simulator);
    let headers = [("X-Auth-Token", simulator.token())];
    api.client.send("GET", "/user", &headers, "").expect("sent");
    std::thread::sleep(MS(20));
    let began = Instant::now();
    drop(simulator);
    assert!(api.client.receive().is_err());
    assert!(began.elapsed() < MS(1900), "it did not wait in vain");
}

#[test]
fn a_connection_is_dropped_before_or_after_the_effect() {
    for (effect, kind, expected) in [
        (Effect::DropBefore { reset: true }, ErrorKind::ConnectionReset, 0),
        (Effect::DropBefore { reset: false }, ErrorKind::UnexpectedEof, 0),
        (Effect::DropAfter { reset: true }, ErrorKind::ConnectionReset, 1),
        (Effect::DropAfter { reset: false }, ErrorKind::UnexpectedEof, 1),
    ] {
        let (simulator, answer, machines) = struck(effect);
        assert_eq!(answer.expect_err("no answer").kind(), kind);
        assert_eq!(machines, expected);
        assert_eq!(simulator.requests()[0].status, None);
    }
}

#[test]
fn a_truncated_answer_promises_more_than_it_holds() {
    let (_simulator, answer, machines) = struck(Effect::Truncate);
    assert_eq!(answer.expect_err("half an answer").kind(), ErrorKind::UnexpectedEof);
    assert_eq!(machines, 1);
}

#[test]
fn garbage_has_the_right_status_and_is_no_json() {
    let (_simulator, answer, machines) = struck(Effect::Garbage);
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, machines), (201, 1));
    assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err());
}

#[test]
fn a_proxys_page_is_html() {
    let (_simulator, answer, machines) = struck(Effect::Html5xx(502));
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, machines), (502, 0));
    assert_eq!(answer.header("Content-Type"), Some("text/html"));
    assert!(answer.text().contains("502 Bad Gateway"));
}

#[test]
fn a_redirect_leads_elsewhere() {
    let url = "http://127.0.0.1:9/away".to_owned();
    let (_simulator, answer, machines) = struck(Effect::Redirect { url: url.clone(), code: 307 });
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, machines), (307, 0));
    assert_eq!(answer.header("Location"), Some(url.as_str()));
}

#[test]
fn a_trickle_is_whole_in_the_end() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Get, Effect::Trickle(MS(3))));
    let began = Instant::now();
    let answer = Api::of(&simulator).get("/devices/none");
    assert_eq!(answer.errors(), ["Not found"]);
    assert!(began.elapsed() > MS(3 * 20));
}

#[test]
fn an_endless_body_has_no_end() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Catalogue, Effect::Endless));
    let mut client = Client::connect(&simulator.api_url()).expect("the server listens");
    let headers = [("X-Auth-Token", simulator.token())];
    client.send("GET", "/plans", &headers, "").expect("sent");
    let mut read = vec![0; 4 * 1024 * 1024];
    client.0.read_exact(&mut read).expect("megabytes");
    assert!(read.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn connections_are_struck_before_any_request() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Connection, Effect::DropBefore { reset: true }));
    let mut api = Api::of(&simulator);
    assert!(api.try_ask("GET", "/user", None).is_err());
    assert!(simulator.requests().is_empty());
    simulator.fault(Fault::new(Operation::Connection, Effect::status(502)));
    let mut api = Api::of(&simulator);
    assert_eq!(api.get("/user").status, 502);
    assert_eq!(api.get("/user").status, 200);
}

#[test]
fn rules_count_and_choose() {
    let (simulator, mut api) = ready();
    let (one, other) = (api.created(), api.created());
    simulator.fault(Fault::new(Operation::Get, Effect::status(500)).device(&one).skip(1).times(2));
    let mut status = |id: &str| api.get(&format!("/devices/{id}")).status;
    assert_eq!([status(&one), status(&other), status(&one), status(&one), status(&one)], [200, 200, 500, 500, 200]);
    simulator.fault(Fault::new(Operation::Api, Effect::status(500)).forever());
    assert_eq!([status(&one), status(&other)], [500, 500]);
    simulator.clear_faults();
    assert_eq!(status(&one), 200);
    simulator.fault(Fault::new(Operation::Get, Effect::status(500)).forever().probability(0.5));
    let failed = (0..200).filter(|_| status(&one) == 500).count();
    assert!((60..140).contains(&failed), "{failed}");
}

#[test]
fn the_first_rule_that_strikes_decides() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Api, Effect::status(500)));
    simulator.fault(Fault::new(Operation::Catalogue, Effect::status(502)));
    let mut api = Api::of(&simulator);
    assert_eq!([(); 3].map(|()| api.get("/plans").status), [500, 502, 200]);
}

#[test]
fn actions_are_struck_by_name_or_all() {
    let (simulator, mut api) = ready();
    let id = api.created();
    api.until(&id, "active");
    simulator.fault(Fault::new(Operation::PowerOff, Effect::status_after(502)));
    assert_eq!(api.act(&id, "power_on").status, 422);
    assert_eq!(api.act(&id, "power_off").status, 502);
    api.until(&id, "inactive");
    simulator.fault(Fault::new(Operation::Action, Effect::status(500)));
    assert_eq!(api.act(&id, "power_on").status, 500);
}

#[test]
fn a_machine_is_stuck_where_it_is_told() {
    let (simulator, mut api) = ready();
    for (state, reached) in [
        (State::Queued, "queued"),
        (State::Provisioning, "provisioning"),
        (State::Other("pondering".to_owned()), "pondering"),
        (State::Reinstalling, "reinstalling"),
    ] {
        simulator.fault(Fault::new(Operation::Create, Effect::Stuck(state)));
        let id = api.created();
        api.until(&id, reached);
        std::thread::sleep(MS(60));
        assert_eq!(api.state(&id), reached);
        assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 204);
        api.until(&id, "404");
    }
}

#[test]
fn a_machine_can_stick_on_a_later_way() {
    let (simulator, mut api) = ready();
    let id = api.created();
    api.until(&id, "active");
    simulator.fault(Fault::new(Operation::Create, Effect::Stuck(State::PoweringOff)).device(&id));
    assert_eq!(api.act(&id, "power_off").status, 202);
    api.until(&id, "powering_off");
    std::thread::sleep(MS(60));
    assert_eq!(api.state(&id), "powering_off");
    simulator.fault(Fault::new(Operation::Create, Effect::Stuck(State::Deprovisioning)).device(&id));
    assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 204);
    std::thread::sleep(MS(60));
    assert_eq!(api.state(&id), "deprovisioning");
    assert_eq!(simulator.devices().len(), 1, "and it is billed");
}

#[test]
fn a_machine_fails_at_its_order_or_later() {
    let (simulator, mut api) = ready();
    simulator.fault(Fault::new(Operation::Create, Effect::FailProvisioning));
    let id = api.created();
    api.until(&id, "failed");
    let id = api.created();
    api.until(&id, "active");
    simulator.fault(Fault::new(Operation::Create, Effect::FailProvisioning).device(&id));
    assert_eq!(api.state(&id), "failed");
}

#[test]
fn a_vanished_machine_is_off_the_books() {
    let (simulator, mut api) = ready();
    for status in [404, 403] {
        simulator.fault(Fault::new(Operation::Create, Effect::Vanish { after: MS(300), status }));
        let id = api.created();
        assert_eq!(api.get(&format!("/devices/{id}")).status, 200);
        api.until(&id, &status.to_string());
        assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, status);
        assert!(simulator.devices().is_empty());
        assert_eq!(api.get(&devices()).json()["meta"]["total"], 0);
        assert_eq!(simulator.device(&id).and_then(|device| device.taken), Some(status));
    }
}

#[test]
fn deletion_is_refused_for_a_while_or_for_ever() {
    let (simulator, mut api) = ready();
    let reason = "Cannot delete a device while it is provisioning".to_owned();
    simulator.fault(Fault::new(Operation::Create, Effect::RefuseDelete { until: MS(300), reason: reason.clone() }));
    let id = api.created();
    let refused = api.ask("DELETE", &format!("/devices/{id}"), None);
    assert_eq!((refused.status, refused.errors()), (422, vec![reason]));
    std::thread::sleep(MS(310));
    assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 204);

    simulator.fault(Fault::new(Operation::Create, Effect::Locked));
    let id = api.created();
    let refused = api.ask("DELETE", &format!("/devices/{id}"), None);
    assert_eq!(refused.errors(), ["Cannot delete a locked item."]);
}

#[test]
fn a_provisioning_machine_can_be_undeletable() {
    let simulator = start(Options {
        refuse_delete_while_provisioning: true,
        provisioning: MS(300)..=MS(300),
        ..Options::default()
    });
    let mut api = Api::of(&simulator);
    let id = api.created();
    let refused = api.ask("DELETE", &format!("/devices/{id}"), None);
    assert_eq!(refused.errors(), ["Cannot delete a device while it is provisioning"]);
    api.until(&id, "active");
    assert_eq!(api.ask("DELETE", &format!("/devices/{id}"), None).status, 204);
}

#[test]
fn a_listing_lags_and_reading_does_not() {
    let (simulator, mut api) = ready();
    simulator.fault(Fault::new(Operation::Create, Effect::ListingLag(MS(400))));
    let id = api.created();
    assert_eq!(api.get(&devices()).json()["meta"]["total"], 0);
    assert_eq!(api.get(&format!("/devices/{id}")).status, 200);
    std::thread::sleep(MS(410));
    assert_eq!(api.get(&devices()).json()["meta"]["total"], 1);
}

#[test]
fn a_fate_strikes_beside_a_lost_answer() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Create, Effect::FailProvisioning));
    simulator.fault(Fault::new(Operation::Create, Effect::DropAfter { reset: false }));
    assert!(Api::of(&simulator).try_ask("POST", &devices(), Some(&order())).is_err());
    std::thread::sleep(MS(60));
    assert_eq!(simulator.devices()[0].state, State::Failed);
}

#[test]
fn a_limit_is_a_fault_too() {
    let simulator = start(Options::default());
    simulator.fault(Fault::new(Operation::Api, Effect::RateLimit(RateLimit::per_second(1))));
    let mut api = Api::of(&simulator);
    assert_eq!([api.get("/user").status, api.get("/user").status], [200, 429]);
}

#[test]
fn scripts_can_say_it_all() {
    let script = json!([
        {"on": "create", "effect": {"drop_after": {"reset": true}}},
        {"on": "get", "device": "x", "skip": 2, "times": 4294967295u32, "probability": 0.5, "effect": "hang"},
        {"on": "delete", "effect": {"status": {"code": 503, "headers": {"Retry-After": "1"}, "body": "x"}}},
        {"on": "reboot", "effect": {"status_after": {"code": 500}}},
        {"on": "list", "effect": {"delay": 250}},
        {"on": "list", "effect": {"delay_before_effect": 250}},
        {"on": "list", "effect": {"trickle": 1000}},
        {"on": "list", "effect": "truncate"},
        {"on": "list", "effect": "garbage"},
        {"on": "list", "effect": "endless"},
        {"on": "host_info", "effect": {"html5xx": 502}},
        {"on": "any", "effect": {"redirect": {"url": "/", "code": 302}}},
        {"on": "create", "effect": {"stuck": "provisioning"}},
        {"on": "create", "effect": {"stuck": "pondering"}},
        {"on": "create", "effect": "fail_provisioning"},
        {"on": "create", "effect": {"vanish": {"after_ms": 20, "status": 403}}},
        {"on": "create", "effect": {"refuse_delete": {"until_ms": 20, "reason": "no"}}},
        {"on": "create", "effect": "locked"},
        {"on": "create", "effect": {"listing_lag": 3000}},
        {"on": "api", "effect": {"rate_limit": {"requests": 5, "window_ms": 1000, "date": true}}},
    ]);
    for rule in script.as_array().expect("a list") {
        let read = serde_json::from_value::<Fault>(rule.clone());
        if rule["on"] == "any" {
            assert!(read.is_err(), "an unknown operation");
        } else {
            read.unwrap_or_else(|error| panic!("{rule}: {error}"));
        }
    }
    let fault: Fault = serde_json::from_value(script[4].clone()).expect("a fault");
    assert!(matches!(fault.effect, Effect::Delay(delay) if delay == MS(250)));
    assert!(matches!(
        serde_json::from_value::<Fault>(script[13].clone()).expect("a fault").effect,
        Effect::Stuck(State::Other(word)) if word == "pondering"
    ));
}
