//! Roll-backs: from the moment an order may exist until its id is handed over, any failure deletes it again.

use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::phase::{PHASES, Phase, deploy_until};
use crate::common::{Bench, assert_failure, closed_pipe, each, finish, identity, signal};
use nix::sys::signal::Signal;
use simulator::{Answer, Effect, Fault, HostTemplate, Operation, Options, PROJECT, State, TOKEN};

const HOST: i32 = 7;
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// One where machines are never up: they are stuck on the way.
fn stuck() -> Bench {
    let bench = Bench::new();
    bench.fault_always(Operation::Create, Effect::Stuck(State::Provisioning));
    bench
}

/// The only machine of the books.
fn only(bench: &Bench) -> String {
    let devices = bench.simulator.devices();
    let [device] = &devices[..] else { panic!("{devices:?}") };
    device.id.clone()
}

/// Asserts that a deploy failed, that its first line says so and that nothing is left, in the books and in the
/// journal. Returns that line.
fn assert_rolled_back(bench: &Bench, answer: &simulator::oneprovision::Answer) -> String {
    let first = assert_failure(answer);
    assert!(!first.contains("STILL BILLED"), "{first}");
    bench.assert_books(&[]);
    assert!(!bench.journal(HOST).exists());
    first
}

/// Runs the command that a message says between back quotes, in a shell as an administrator would.
fn run_the_command_of(bench: &Bench, message: &str) {
    let line = message.split('`').nth(1).expect(message);
    let status = bench.oneprovision.command(line).status().unwrap();
    assert!(status.success(), "{line}: {status}");
}

// ---- What fails ------------------------------------------------------------------------------------------

#[test]
fn a_machine_whose_provisioning_failed_is_deleted() {
    let bench = Bench::new();
    bench.fault(Operation::Create, Effect::FailProvisioning);
    let answer = bench.deploy(HOST);
    let first = assert_rolled_back(&bench, &answer);
    assert!(first.contains("state failed"), "{first}");
    assert!(first.contains("was deleted again"), "{first}");
    assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
}

#[test]
fn a_machine_that_is_not_up_by_the_deadline_is_deleted() {
    let states = [State::Queued, State::Provisioning, State::Inactive, State::Other("being_thought_about".to_owned())];
    each(&states, |state| {
        let bench = Bench::new().set("PM_TIMEOUT", "2");
        bench.fault(Operation::Create, Effect::Stuck(state.clone()));
        let answer = bench.deploy(HOST);
        let first = assert_rolled_back(&bench, &answer);
        // The deadline may come in the middle of a look.
        let told = first.contains(state.as_str()) || first.contains("the last look failed");
        assert!(told && first.contains("PM_TIMEOUT"), "{first}");
    });
}

#[test]
fn a_machine_that_the_provider_took_back_is_not_waited_for_and_is_not_said_to_be_billed() {
    each(&[404, 403], |status| {
        let bench = stuck();
        bench.fault(Operation::Create, Effect::Vanish { after: Duration::from_secs(2), status: *status });
        let answer = bench.deploy(HOST);
        let first = assert_rolled_back(&bench, &answer);
        let (how, within) = match status {
            404 => ("is gone", Duration::from_secs(10)),
            // Only the listing proves it, which may lack a machine that is younger than 12 s.
            _ => ("taken back", Duration::from_secs(20)),
        };
        assert!(first.contains(how), "{first}");
        assert!(answer.elapsed < within, "{answer:?}");
    });
}

#[test]
fn a_machine_that_somebody_deletes_is_not_waited_for() {
    let bench = stuck();
    let host = bench.host(&HostTemplate::new(HOST));
    let deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::Get, 1);
    let id = only(&bench);
    // It takes its time: a DELETE is answered that it is deprovisioning, and it is never seen gone.
    bench.simulator.set_state(&id, State::Deprovisioning);
    let begun = Instant::now();
    let first = assert_failure(&finish(deploy));
    assert!(first.contains("is being deleted"), "{first}");
    assert!(first.contains("was not seen gone"), "{first}");
    assert!(!first.contains("STILL BILLED"), "{first}");
    assert!(!first.contains("was deleted again"), "{first}");
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_deletion_whose_answer_was_lost_is_not_repeated_until_the_machine_is_gone() {
    let bench = Bench::with(Options { deprovisioning: Duration::from_secs(3), ..Options::default() });
    bench.fault(Operation::Create, Effect::FailProvisioning);
    bench.fault(Operation::Delete, Effect::status_after(503));
    let answer = bench.deploy(HOST);
    let first = assert_failure(&answer);
    assert!(first.contains("was deleted again"), "{first}");
    assert!(answer.elapsed < Duration::from_secs(10), "{answer:?}");
    assert_eq!(bench.count(Operation::Delete), 2);
}

#[test]
fn a_deletion_is_tried_again_where_it_meets_a_passing_fault() {
    let effects = [
        Effect::status(500),
        Effect::Html5xx(502),
        Effect::status_after(503),
        Effect::status(429),
        Effect::DropBefore { reset: true },
        Effect::DropAfter { reset: false },
    ];
    each(&effects, |effect| {
        let bench = Bench::new();
        bench.fault(Operation::Create, Effect::FailProvisioning);
        bench.simulator.fault(Fault::new(Operation::Delete, effect.clone()).times(2));
        let answer = bench.deploy(HOST);
        assert_rolled_back(&bench, &answer);
    });
}

#[test]
fn a_refusal_to_delete_while_it_is_provisioning_is_waited_out() {
    let bench = Bench::with(Options {
        provisioning: Duration::from_secs(2)..=Duration::from_secs(2),
        refuse_delete_while_provisioning: true,
        ..Options::default()
    })
    .set("PM_TIMEOUT", "1");
    let answer = bench.deploy(HOST);
    assert_rolled_back(&bench, &answer);
    assert!(bench.count(Operation::Delete) > 1);
}

#[test]
fn a_machine_that_cannot_be_deleted_is_named_with_the_command_that_removes_it() {
    let later = Answer::new(429).header("Retry-After", "3600");
    let cases = [
        (None, "status 401"),
        (Some(Effect::status(401)), "status 401"),
        (Some(Effect::status(403)), "status 403"),
        (Some(Effect::Status(later)), "status 429"),
        (Some(Effect::refuse(422, "Cannot delete a locked item.")), "locked"),
    ];
    each(&cases, |(refusal, why)| {
        let bench = stuck();
        let host = bench.host(&HostTemplate::new(HOST));
        let deploy = bench.start_deploy(&host);
        bench.until_asked(Operation::Get, 1);
        let id = only(&bench);
        match refusal {
            Some(effect) => {
                let fault = Fault::new(Operation::Delete, effect.clone());
                bench.simulator.fault(fault.forever());
                bench.simulator.set_state(&id, State::Failed);
            }
            None => bench.simulator.revoke_token(TOKEN),
        }
        let begun = Instant::now();
        let first = assert_failure(&finish(deploy));
        assert!(first.contains(&id), "{first}");
        assert!(first.contains("STILL BILLED"), "{first}");
        assert!(first.contains(why), "{first}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        bench.assert_books(&[&id]);
        bench.simulator.clear_faults();
        bench.simulator.add_token(TOKEN, &[PROJECT]);
        run_the_command_of(&bench, &first);
        bench.assert_books(&[]);
    });
}

#[test]
fn a_roll_back_that_meets_the_same_error_again_and_again_ends_and_names_the_machine() {
    let bench = Bench::new();
    bench.fault(Operation::Create, Effect::FailProvisioning);
    bench.fault_always(Operation::Delete, Effect::status(500));
    let first = assert_failure(&bench.deploy(HOST));
    assert!(first.contains("STILL BILLED"), "{first}");
    assert!(bench.count(Operation::Delete) > 2, "{first}");
    bench.simulator.clear_faults();
    run_the_command_of(&bench, &first);
    bench.assert_books(&[]);
}

#[test]
fn a_machine_that_could_not_be_deleted_is_adopted_by_the_next_deploy() {
    let bench = Bench::new();
    bench.fault(Operation::Get, Effect::refuse(401, "for a moment"));
    bench.fault(Operation::Delete, Effect::status(401));
    // The machine stays in no listing: it is known from the journal alone.
    bench.fault(Operation::Create, Effect::ListingLag(Duration::from_secs(3600)));
    let host = bench.host(&HostTemplate::new(HOST));
    let first = assert_failure(&host.deploy().unwrap());
    assert!(first.contains("STILL BILLED"), "{first}");
    let id = only(&bench);
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(answer.stdout, id);
    assert!(!bench.journal(HOST).exists());
}

// ---- Stdout ----------------------------------------------------------------------------------------------

#[test]
fn an_id_that_cannot_be_handed_over_is_a_failure_that_leaves_nothing() {
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    for stdout in [closed_pipe(), full()] {
        let bench = Bench::new();
        let host = bench.host(&HostTemplate::new(HOST));
        let file = host.write_deployment_file().unwrap();
        let mut deploy = bench.command("deploy", &[&file, "TODO"]);
        let answer = finish(deploy.stdout(stdout).spawn().unwrap());
        let first = assert_rolled_back(&bench, &answer);
        assert!(first.contains("could not be printed"), "{first}");
    }
}

#[test]
fn a_stdout_that_is_closed_or_dev_null_is_no_hand_over() {
    for stdout in [">&-", ">/dev/null"] {
        let bench = Bench::new();
        let host = bench.host(&HostTemplate::new(HOST));
        let file = host.write_deployment_file().unwrap();
        let line = bench.oneprovision.command_line("packet", "deploy", &[&file, "TODO", stdout]);
        let mut child = bench.oneprovision.command(&line);
        let answer = finish(child.spawn().unwrap());
        let first = assert_rolled_back(&bench, &answer);
        assert!(first.contains("stdout is closed or /dev/null"), "{stdout}: {first}");
        assert!(bench.simulator.requests().is_empty(), "{stdout}");
    }
}

// ---- Signals ---------------------------------------------------------------------------------------------

/// One where machines are stuck and the listing lags, and that waits long enough to outlast every test.
fn slow() -> Bench {
    let bench = Bench::with(Options { listing_lag: Duration::from_millis(700), ..Options::default() }).lapsing("600");
    bench.fault_always(Operation::Create, Effect::Stuck(State::Provisioning));
    bench
}

#[test]
fn a_signal_at_any_moment_of_a_deploy_rolls_it_back() {
    let cases: Vec<(Signal, Phase)> =
        SIGNALS.into_iter().flat_map(|signal| PHASES.map(|phase| (signal, phase))).collect();
    each(&cases, |(number, phase)| {
        let bench = slow();
        let host = bench.host(&HostTemplate::new(HOST));
        let deploy = deploy_until(&bench, &host, *phase);
        signal(&deploy, *number);
        let begun = Instant::now();
        let first = assert_rolled_back(&bench, &finish(deploy));
        assert!(first.contains(number.as_str()), "{first}");
        // What hangs is ended, not waited for; an order without an answer is looked for.
        assert!(begun.elapsed() < Duration::from_secs(18), "{first}");
        let ordered = usize::from(*phase as u8 >= Phase::OrderCarriedOut as u8);
        assert_eq!(bench.count(Operation::Delete), ordered, "{first}");
    });
}

#[test]
fn a_second_signal_exits_at_once_and_says_what_is_left() {
    each(&[Phase::Order, Phase::OrderCarriedOut, Phase::Wait], |phase| {
        let bench = slow();
        let host = bench.host(&HostTemplate::new(HOST));
        let deploy = deploy_until(&bench, &host, *phase);
        let next = match phase {
            Phase::Wait => Operation::Delete,
            _ => Operation::List,
        };
        bench.fault_always(next, Effect::Hang);
        let asked = bench.count(next);
        signal(&deploy, Signal::SIGTERM);
        bench.until_asked(next, asked + 1);
        signal(&deploy, Signal::SIGINT);
        let begun = Instant::now();
        let first = assert_failure(&finish(deploy));
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(first.contains("interrupted twice"), "{first}");
        assert!(first.contains("BILLED") || first.contains("billed"), "{first}");
        bench.simulator.clear_faults();
        if *phase == Phase::Wait {
            assert!(first.contains(&only(&bench)), "{first}");
            run_the_command_of(&bench, &first);
            bench.assert_books(&[]);
        } else {
            assert!(first.contains(&identity(HOST)), "{first}");
        }
    });
}

#[test]
fn a_second_signal_before_anything_was_ordered_says_that_nothing_is_left() {
    let bench = Bench::new();
    bench.fault(Operation::HostInfo, Effect::Hang);
    let host = bench.host(&HostTemplate::new(HOST));
    let deploy = bench.start_deploy(&host);
    bench.until_asked(Operation::HostInfo, 1);
    for number in SIGNALS {
        signal(&deploy, number);
    }
    let first = finish(deploy).error().unwrap();
    assert!(first.contains("nothing"), "{first}");
    assert_eq!(bench.count(Operation::Create), 0);
    bench.assert_books(&[]);
}

#[test]
fn a_second_signal_to_a_cancellation_says_that_the_machine_may_be_left() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(HOST);
    bench.fault_always(Operation::Delete, Effect::Hang);
    let cancel = bench.start("cancel", &[&id, "name", "7", "name"]);
    bench.until_asked(Operation::Delete, 1);
    // Both are pending when the first one is taken.
    signal(&cancel, Signal::SIGSTOP);
    signal(&cancel, Signal::SIGTERM);
    signal(&cancel, Signal::SIGINT);
    signal(&cancel, Signal::SIGCONT);
    let answer = finish(cancel);
    assert_eq!(answer.status.code(), Some(255), "{answer:?}");
    let first = answer.error().unwrap();
    assert!(first.contains(&id), "{first}");
    assert!(!first.contains("nothing is left"), "{first}");
    bench.assert_books(&[&id]);
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let bench =
        Bench::with(Options { provisioning: Duration::from_secs(1)..=Duration::from_secs(1), ..Options::default() });
    let host = bench.host(&HostTemplate::new(HOST));
    let file = host.write_deployment_file().unwrap();
    let line = bench.oneprovision.command_line("packet", "deploy", &[&file, "TODO"]);
    // A shell hands an ignored signal on, as nohup does.
    let mut command = bench.oneprovision.command(&format!("trap '' HUP; exec {line}"));
    let deploy = command.stdin(Stdio::null()).spawn().unwrap();
    bench.until_asked(Operation::Get, 1);
    signal(&deploy, Signal::SIGHUP);
    let answer = finish(deploy);
    assert!(answer.is_success(), "{answer:?}");
    bench.assert_books(&[&answer.stdout]);
}

// ---- Resumed hosts ---------------------------------------------------------------------------------------

/// Resumes the host in a process of its own.
fn start_resume(bench: &Bench) -> Child {
    let host = bench.registered(HOST);
    let file = host.write_deployment_file().unwrap();
    let name = bench.simulator.oned().host_name(HOST).unwrap();
    resume(bench, &file, &name).spawn().unwrap()
}

fn resume(bench: &Bench, file: &str, name: &str) -> Command {
    bench.command("deploy", &[file, name, &HOST.to_string(), name])
}

/// A host whose machine is off, and the id of that.
fn powered_off(timeout: &str) -> (Bench, String) {
    let bench = Bench::new();
    let (_, id) = bench.deployed(HOST);
    bench.simulator.set_state(&id, State::Inactive);
    (bench.set("PM_TIMEOUT", timeout), id)
}

#[test]
fn a_resumed_host_is_never_deleted_whatever_goes_wrong() {
    let faults = [
        (Operation::PowerOn, Effect::refuse(422, "no"), "no"),
        (Operation::PowerOn, Effect::status(500), "no time left"),
        (Operation::PowerOn, Effect::status(401), "401"),
        (Operation::PowerOn, Effect::status(403), "403"),
        (Operation::Get, Effect::status(404), "gone"),
        // The account's listing has it: that it was taken back is not known.
        (Operation::Get, Effect::status(403), "PACKET_TOKEN may use"),
        (Operation::Get, Effect::Hang, "not active after"),
        (Operation::Get, Effect::Html5xx(502), "not active after"),
    ];
    each(&faults, |(on, effect, why)| {
        let (bench, id) = powered_off("1");
        bench.fault_always(*on, effect.clone());
        let first = assert_failure(&finish(start_resume(&bench)));
        assert!(first.contains(&id), "{first}");
        assert!(first.contains(why), "{first}");
        assert_eq!(bench.count(Operation::Delete), 0);
        assert_eq!(bench.count(Operation::Create), 1, "its own");
        bench.assert_books(&[&id]);
    });
}

#[test]
fn a_resumed_host_that_fails_or_does_not_come_up_is_not_deleted() {
    each(&[State::Failed, State::PoweringOn], |state| {
        let (bench, id) = powered_off("1");
        bench.fault(Operation::PowerOn, Effect::Status(Answer::new(202)));
        let deploy = start_resume(&bench);
        bench.until_asked(Operation::PowerOn, 1);
        bench.simulator.set_state(&id, state.clone());
        let first = assert_failure(&finish(deploy));
        assert!(first.contains(state.as_str()), "{first}");
        assert_eq!(bench.count(Operation::Delete), 0);
        bench.assert_books(&[&id]);
    });
}

#[test]
fn a_resumed_host_is_not_deleted_on_a_signal_or_where_its_id_cannot_be_handed_over() {
    each(&SIGNALS, |number| {
        let (bench, id) = powered_off("20");
        bench.fault(Operation::PowerOn, Effect::Hang);
        let deploy = start_resume(&bench);
        bench.until_asked(Operation::PowerOn, 1);
        signal(&deploy, *number);
        let first = assert_failure(&finish(deploy));
        assert!(first.contains(number.as_str()), "{first}");
        assert_eq!(bench.count(Operation::Delete), 0);
        bench.assert_books(&[&id]);
    });
    let (bench, id) = powered_off("20");
    let host = bench.registered(HOST);
    let file = host.write_deployment_file().unwrap();
    let child = resume(&bench, &file, "name").stdout(closed_pipe()).spawn().unwrap();
    let first = assert_failure(&finish(child));
    assert!(first.contains("cannot be printed"), "{first}");
    assert_eq!(bench.count(Operation::Delete), 0);
    bench.assert_books(&[&id]);
}
