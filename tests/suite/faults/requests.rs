//! Requests that go wrong: what is sent again, what is not, and that nothing outlasts the deadline.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{Bench, assert_failure, each, taking};
use simulator::{Answer, Effect, Fault, HostTemplate, Operation, Options, RateLimit, Service, Simulator, State};

const HOST: i32 = 7;

/// When requests for this came, since the simulator's start.
fn times(simulator: &Simulator, operation: Operation) -> Vec<Duration> {
    simulator.requests().iter().filter(|request| request.operation == operation).map(|request| request.at).collect()
}

// ---- Waits -----------------------------------------------------------------------------------------------

#[test]
fn the_deadline_of_a_wait_counts_errors_too() {
    let effects = [
        Effect::Html5xx(503),
        Effect::status(500),
        Effect::status(429),
        Effect::Garbage,
        Effect::Truncate,
        Effect::Hang,
        Effect::DropBefore { reset: true },
        Effect::Trickle(Duration::from_millis(100)),
        Effect::Stuck(State::Provisioning),
    ];
    each(&effects, |effect| {
        let bench = Bench::with(taking(10_000)).set("PM_TIMEOUT", "1");
        bench.fault_always(Operation::Get, effect.clone());
        let answer = bench.deploy(HOST);
        let first = assert_failure(&answer);
        assert!(first.contains("PM_TIMEOUT"), "{first}");
        // The wait's second, and the 20 that a roll-back has at least.
        assert!(answer.elapsed < Duration::from_secs(25), "{answer:?}");
        bench.assert_books(&[]);
    });
}

#[test]
fn a_wait_outlasts_passing_errors_however_many() {
    let bench = Bench::with(taking(10));
    bench.simulator.fault(Fault::new(Operation::Get, Effect::Html5xx(503)).times(9));
    let answer = bench.deploy(HOST);
    assert!(answer.is_success(), "{answer:?}");
    bench.assert_books(&[&answer.stdout]);
}

#[test]
fn a_wait_ends_at_once_on_an_answer_that_will_not_change() {
    let effects =
        [Effect::status(401), Effect::status(422), Effect::Redirect { url: "/elsewhere".to_owned(), code: 302 }];
    each(&effects, |effect| {
        let bench = Bench::with(taking(60_000));
        bench.fault(Operation::Get, effect.clone());
        let answer = bench.deploy(HOST);
        let first = assert_failure(&answer);
        assert!(first.contains("was deleted again"), "{first}");
        assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
        bench.assert_books(&[]);
    });
}

/// These seconds since the epoch as a date, as HTTP writes it.
fn http_date(unix: u64) -> String {
    let output = Command::new("date")
        .env("LC_ALL", "C")
        .args(["-u", "-d", &format!("@{unix}")])
        .arg("+%a, %d %b %Y %H:%M:%S GMT")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn retry_after_is_kept_in_seconds_and_as_a_date() {
    let mut cases = Vec::new();
    for is_date in [false, true] {
        for status in [429, 503] {
            for on in [Operation::List, Operation::Get, Operation::Delete] {
                cases.push((is_date, status, on));
            }
        }
    }
    each(&cases, |(is_date, status, on)| {
        let bench = Bench::with(taking(300));
        let host = bench.host(&HostTemplate::new(HOST));
        let clock = || {
            let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            epoch - bench.simulator.now()
        };
        let then = (clock() + bench.simulator.now()).as_secs() + 3;
        let after = if *is_date { http_date(then) } else { "2".to_owned() };
        let strike = || {
            let answer = Answer::new(*status).header("Retry-After", &after);
            bench.fault(*on, Effect::Status(answer));
        };
        if *on == Operation::Delete {
            let failed = Fault::new(Operation::Create, Effect::FailProvisioning);
            bench.simulator.fault(failed);
        }
        strike();
        let deployed = host.deploy().unwrap();
        assert_eq!(deployed.is_success(), *on != Operation::Delete);
        let times = times(&bench.simulator, *on);
        let earliest = if *is_date { Duration::from_secs(then) - clock() } else { times[0] + Duration::from_secs(2) };
        let early = earliest.saturating_sub(times[1]);
        assert!(early < Duration::from_millis(20), "{early:?} too early");
    });
}

#[test]
fn retry_after_does_not_outlast_the_deadline() {
    each(&[Operation::List, Operation::Create, Operation::Get], |on| {
        let bench = Bench::with(taking(60_000)).set("PM_TIMEOUT", "1");
        let answer = Answer::new(429).header("Retry-After", "3600");
        bench.fault(*on, Effect::Status(answer));
        let answer = bench.deploy(HOST);
        assert_failure(&answer);
        assert!(answer.elapsed < Duration::from_secs(20), "{answer:?}");
        bench.assert_books(&[]);
    });
}

#[test]
fn what_is_left_of_a_rate_limit_is_spread_over_the_time_until_it_is_renewed() {
    let provisioning = Duration::from_millis(3000);
    let limit = RateLimit { requests: 12, window: Duration::from_secs(5), date: false };
    let looks = |rate_limit: Option<RateLimit>| {
        let bench =
            Bench::with(Options { provisioning: provisioning..=provisioning, rate_limit, ..Options::default() });
        let answer = bench.deploy(HOST);
        assert!(answer.is_success(), "{answer:?}");
        let requests = bench.simulator.requests();
        let refused = requests.iter().filter(|r| r.status == Some(429)).count();
        (bench.count(Operation::Get), refused)
    };
    let ((with_limit, refused), (without, _)) = std::thread::scope(|scope| {
        let limited = scope.spawn(|| looks(Some(limit)));
        let free = looks(None);
        (limited.join().unwrap(), free)
    });
    assert_eq!(refused, 0, "never asked too often");
    assert!(with_limit < without, "{with_limit} and {without}");
}

#[test]
fn hosts_that_share_a_rate_limit_are_all_deployed() {
    each(&[false, true], |date| {
        let bench = Bench::with(Options {
            rate_limit: Some(RateLimit { requests: 6, window: Duration::from_secs(1), date: *date }),
            ..Options::default()
        });
        let ids: Vec<i32> = (1..=4).collect();
        each(&ids, |id| {
            let answer = bench.host(&HostTemplate::new(*id)).deploy().unwrap();
            assert!(answer.is_success(), "{answer:?}");
        });
        assert_eq!(bench.simulator.devices().len(), ids.len());
    });
}

#[test]
fn looks_are_frequent_at_first_then_rarer_and_never_in_step() {
    let bench = Bench::with(taking(3500));
    let answer = bench.deploy(HOST);
    assert!(answer.is_success(), "{answer:?}");
    let times = times(&bench.simulator, Operation::Get);
    let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 6, "{gaps:?}");
    let least = |gaps: &[Duration]| gaps.iter().min().copied().unwrap();
    let (first, last) = (least(&gaps[..5]), least(&gaps[gaps.len() - 4..]));
    assert!(last > first, "{gaps:?}");
    // A fixed interval would repeat to the millisecond.
    let spread = gaps[..8].iter().max().copied().unwrap() - least(&gaps[..8]);
    assert!(spread > Duration::from_millis(5), "{gaps:?}");
}

// ---- What is sent again ----------------------------------------------------------------------------------

#[test]
fn passing_faults_of_requests_that_may_be_repeated_are_outlasted() {
    use Operation::{Delete, Get, HostInfo, List, PowerOff, PowerOn, Reboot};
    let effects = [
        Effect::DropBefore { reset: false },
        Effect::DropBefore { reset: true },
        Effect::DropAfter { reset: true },
        Effect::Truncate,
        Effect::status(408),
        Effect::status(429),
        Effect::status(500),
        Effect::Html5xx(502),
        Effect::status(503),
        Effect::status_after(504),
    ];
    each(&effects, |effect| {
        // Slow enough that a reboot is seen, so that nothing waits for the grace period.
        let bench = Bench::with(taking(300));
        let strike = |operations: &[Operation]| {
            for on in operations {
                bench.fault(*on, effect.clone());
            }
        };
        let host = bench.host(&HostTemplate::new(HOST));
        strike(&[HostInfo, List, Get]);
        let mut answers = vec![host.deploy().unwrap()];
        let id = answers[0].stdout.clone();
        strike(&[PowerOff]);
        answers.push(host.poweroff().unwrap());
        strike(&[PowerOn]);
        answers.push(host.resume().unwrap());
        strike(&[Reboot]);
        answers.push(host.reboot().unwrap());
        bench.assert_books(&[&id]);
        strike(&[Delete]);
        answers.push(host.cancel().unwrap());
        for answer in answers {
            assert!(answer.is_success(), "{answer:?}");
        }
        assert_eq!(bench.count(Operation::Create), 1);
        bench.assert_books(&[]);
    });
}

#[test]
fn answers_that_make_no_sense_are_asked_for_again() {
    let effects = [
        Effect::Garbage,
        Effect::Endless,
        Effect::Status(Answer::new(200).body("<html>a portal</html>")),
        Effect::Status(Answer::new(200).body("[]")),
        Effect::Status(Answer::new(204)),
    ];
    each(&effects, |effect| {
        let bench = Bench::with(taking(300));
        for on in [Operation::List, Operation::Get] {
            bench.simulator.fault(Fault::new(on, effect.clone()).times(2));
        }
        let answer = bench.deploy(HOST);
        assert!(answer.is_success(), "{answer:?}");
        // Two that make no sense, one that does, and the one before the hand-over.
        assert_eq!(bench.count(Operation::List), 4);
        bench.assert_books(&[&answer.stdout]);
    });
}

#[test]
fn connections_that_are_dropped_are_made_again() {
    let cases = [
        (Operation::Connection, true),
        (Operation::Connection, false),
        (Operation::OnedConnection, true),
        (Operation::OnedConnection, false),
    ];
    each(&cases, |(on, reset)| {
        let bench = Bench::new();
        let drop = Effect::DropBefore { reset: *reset };
        bench.simulator.fault(Fault::new(*on, drop).times(2));
        let answer = bench.deploy(HOST);
        assert!(answer.is_success(), "{answer:?}");
        bench.assert_books(&[&answer.stdout]);
    });
}

#[test]
fn what_is_hopeless_is_not_asked_again() {
    let on_powered_off = |on: Operation| on == Operation::PowerOff;
    let elsewhere = Effect::Redirect { url: "/elsewhere".to_owned(), code: 301 };
    let mut cases = Vec::new();
    for effect in [Effect::status(401), Effect::status(403), Effect::status(404), elsewhere] {
        for on in [Operation::List, Operation::PowerOff] {
            cases.push((on, effect.clone()));
        }
    }
    cases.push((Operation::List, Effect::status(400)));
    cases.push((Operation::List, Effect::status(422)));
    each(&cases, |(on, effect)| {
        let bench = Bench::new();
        let (_, id) = bench.deployed(HOST + 1);
        bench.simulator.clear_requests();
        bench.fault_always(*on, effect.clone());
        let answer = if on_powered_off(*on) {
            bench.run("shutdown", &[&id, "name", "SHUTDOWN_POWEROFF", "8", "name"])
        } else {
            bench.deploy(HOST)
        };
        assert_failure(&answer);
        assert_eq!(bench.count(*on), 1);
        bench.assert_books(&[&id]);
    });
}

#[test]
fn an_action_that_is_refused_for_good_is_not_sent_for_ever() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(HOST);
    bench.fault_always(Operation::Reboot, Effect::refuse(422, "Device is not rebootable"));
    let answer = host.reboot().unwrap();
    let first = assert_failure(&answer);
    assert!(first.contains("Device is not rebootable"), "{first}");
    assert!(bench.count(Operation::Reboot) <= 2);
    assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
    bench.assert_books(&[&id]);
}

#[test]
fn a_hang_is_bounded_by_the_deadline_whatever_is_asked_for() {
    use Operation::{Connection, Delete, Get, List, PowerOff, Reboot};
    let words = |action| match action {
        "shutdown" => vec!["name", "SHUTDOWN_POWEROFF", "7", "name"],
        _ => vec!["name", "7", "name"],
    };
    let mut cases = Vec::new();
    for effect in [Effect::Hang, Effect::Trickle(Duration::from_millis(200))] {
        for (on, action) in [(List, "deploy"), (Get, "deploy"), (Get, "shutdown"), (Get, "cancel"), (Get, "poll")] {
            // A status of 404 is an answer, even where its body trickles.
            if action != "cancel" || matches!(effect, Effect::Hang) {
                cases.push((on, effect.clone(), action));
            }
        }
    }
    for (on, action) in
        [(PowerOff, "shutdown"), (Reboot, "reboot"), (Delete, "cancel"), (Connection, "deploy"), (Connection, "cancel")]
    {
        cases.push((on, Effect::Hang, action));
    }
    each(&cases, |(on, effect, action)| {
        let (bench, id) = Bench::deployed_with_deadline("1");
        bench.fault_always(*on, effect.clone());
        let answer = if *action == "deploy" {
            bench.deploy(HOST + 1)
        } else {
            let mut line = vec![id.as_str()];
            line.extend(words(*action));
            bench.run(action, &line)
        };
        assert_failure(&answer);
        assert!(answer.elapsed < Duration::from_secs(15), "{answer:?}");
    });
}

#[test]
fn a_oned_that_hangs_is_bounded_by_its_own_time_out() {
    each(&[Operation::HostInfo, Operation::OnedConnection], |on| {
        let bench = Bench::new().set("ONE_XMLRPC_TIMEOUT", "1");
        bench.fault_always(*on, Effect::Hang);
        let answer = bench.deploy(HOST);
        let first = assert_failure(&answer);
        assert!(first.contains("ONE_XMLRPC_TIMEOUT"), "{first}");
        assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
        let requests = bench.simulator.requests();
        assert!(requests.iter().all(|r| r.service == Service::Oned));
    });
}

#[test]
fn an_api_that_cannot_be_reached_is_an_error_before_anything_is_ordered() {
    let bench = Bench::new().set("PACKET_API_URL", "http://127.0.0.1:1/metal/v1").set("PM_TIMEOUT", "1");
    let answer = bench.deploy(HOST);
    let first = assert_failure(&answer);
    assert!(first.contains("PACKET_API_URL"), "{first}");
    assert!(first.contains("nothing was ordered"), "{first}");
    assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
}
