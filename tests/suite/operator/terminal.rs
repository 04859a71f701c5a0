//! What somebody at a terminal sees of the driver: the line that renews itself, the log, the help.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::{Bench, assert_success, finish, signal, until};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use simulator::{Effect, Fault, HostTemplate, Operation, Options, State, TOKEN};

/// Puts the cursor at the begin of the line and erases the line.
const ERASE: &str = "\r\x1b[K";

/// A terminal of so many columns: where to write to it, and what appears there.
pub fn terminal(columns: u16) -> (Stdio, JoinHandle<String>) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(Some(&size), None).unwrap();
    let mut master = File::from(terminal.master);
    let seen = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A terminal that nobody has open any more is an error, not an end.
        let _ = master.read_to_end(&mut bytes);
        String::from_utf8(bytes).unwrap()
    });
    (Stdio::from(terminal.slave), seen)
}

/// A process whose stderr is a terminal, and what appears there.
struct Watched {
    child: Child,
    seen: JoinHandle<String>,
}

impl Watched {
    fn start(command: Command) -> Self {
        Self::start_on(command, 120)
    }

    /// The same on a terminal of so many columns.
    fn start_on(mut command: Command, columns: u16) -> Self {
        let (stderr, seen) = terminal(columns);
        // The last copy of the terminal goes with the command, or the reading would never end.
        let child = command.stderr(stderr).spawn().unwrap();
        drop(command);
        Self { child, seen }
    }

    /// What was printed on stdout, and what was seen.
    fn finish(self) -> (simulator::oneprovision::Answer, String) {
        (finish(self.child), self.seen.join().unwrap())
    }
}

/// A bench whose machines take a while, and whose provider tells how far they are.
fn slow() -> Bench {
    Bench::with(Options {
        provisioning: Duration::from_millis(1500)..=Duration::from_millis(1500),
        progress: true,
        ..Options::default()
    })
}

fn deploy(bench: &Bench) -> Command {
    let file = bench.host(&HostTemplate::new(7)).write_deployment_file();
    bench.command("deploy", &[&file.unwrap(), "TODO"])
}

/// What a terminal shows in the end: the lines that were not erased.
fn left(seen: &str) -> String {
    let lines = seen.split('\n').map(|line| {
        let line = line.trim_end_matches('\r');
        line.rsplit(ERASE).next().unwrap_or_default()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn while_a_wait_lasts_a_line_on_the_terminal_renews_itself_and_disappears() {
    let bench = slow().set("TERM", "xterm");
    let (answer, seen) = Watched::start(deploy(&bench)).finish();
    assert!(answer.is_success(), "{answer:?} {seen:?}");
    let id = answer.stdout.clone();
    bench.assert_books(&[&id]);
    let lines: Vec<&str> = seen.split(ERASE).filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 3, "{seen:?}");
    for line in &lines {
        // It is cut off at the margin, not wrapped.
        assert!(line.starts_with("\x1b[?7l") && line.ends_with("\x1b[?7h"), "{line:?}");
        assert!(line.contains(" of 0:") && line.contains("| until active | machine "), "{line:?}");
        assert!(line.contains(&id) && !line.contains('\n'), "{line:?}");
    }
    let clocks: BTreeSet<&str> = lines.iter().filter_map(|line| line.split(" of ").next()).collect();
    assert!(clocks.len() > 1, "it does not count: {seen:?}");
    assert!(seen.contains("| provisioning ("), "{seen:?}");
    assert_eq!(left(&seen), "");
}

#[test]
fn the_line_fits_the_terminal_and_says_what_matters_first() {
    for (columns, has_goal, has_id) in [(80, true, false), (40, false, false), (120, true, true)] {
        let bench = slow().set("TERM", "xterm");
        let (answer, seen) = Watched::start_on(deploy(&bench), columns).finish();
        assert!(answer.is_success(), "{answer:?}");
        let lines: Vec<&str> = seen.split(ERASE).filter(|line| !line.is_empty()).collect();
        for line in &lines {
            let line = line.trim_start_matches("\x1b[?7l").trim_end_matches("\x1b[?7h");
            assert!(line.chars().count() <= usize::from(columns) && line.contains(" of 0:"), "{line:?}");
        }
        let any = |part: &str| lines.iter().any(|line| line.contains(part));
        assert!(any("| provisioning ("), "{seen:?}");
        assert_eq!(any("| until active"), has_goal, "{seen:?}");
        assert_eq!(any("| machine "), has_id, "{seen:?}");
    }
}

#[test]
fn without_a_terminal_or_with_a_dumb_one_there_is_not_a_byte_of_it() {
    let bench = slow();
    let piped = finish(deploy(&bench).spawn().unwrap());
    assert_success(&piped);
    let bench = slow().set("TERM", "dumb");
    let (answer, seen) = Watched::start(deploy(&bench)).finish();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(seen, "");
}

#[test]
fn a_lost_order_is_seen_being_looked_for() {
    let bench = Bench::with(Options { listing_lag: Duration::from_millis(700), ..Options::default() }).lapsing("300");
    let lost = Effect::DropAfter { reset: false };
    bench.simulator.fault(Fault::new(Operation::Create, lost));
    let (answer, seen) = Watched::start_on(deploy(&bench), 200).finish();
    assert!(answer.is_success(), "{answer:?}");
    let goal = format!("until an order appears | tag {}", common::identity(7));
    assert!(seen.contains(&goal), "{seen:?}");
    assert_eq!(left(&seen), "");
}

#[test]
fn what_keeps_the_driver_waiting_is_seen() {
    let bench = slow();
    let answer = simulator::Answer::new(503).header("Retry-After", "2");
    let fault = Fault::new(Operation::Get, Effect::Status(answer)).skip(2);
    bench.simulator.fault(fault);
    let (answer, seen) = Watched::start(deploy(&bench)).finish();
    assert!(answer.is_success(), "{answer:?}");
    assert!(seen.contains("the last look failed: "), "{seen:?}");
}

#[test]
fn ctrl_c_says_that_it_rolls_back_and_what_became_of_it() {
    let bench = Bench::new();
    let stuck = Effect::Stuck(State::Provisioning);
    bench.simulator.fault(Fault::new(Operation::Create, stuck).forever());
    let watched = Watched::start(deploy(&bench));
    bench.until_asked(Operation::Get, 2);
    signal(&watched.child, Signal::SIGINT);
    let (answer, seen) = watched.finish();
    assert_eq!(answer.status.code(), Some(255));
    let left = left(&seen);
    let lines: Vec<&str> = left.lines().collect();
    assert!(lines[0].starts_with("interrupted (SIGINT): rolling back"), "{left}");
    assert_eq!(lines[1], "ERROR MESSAGE --8<------", "a link is called by oneprovision");
    assert!(lines[2].contains("interrupted (SIGINT); machine ") && lines[2].contains("was deleted again"), "{left}");
    assert_eq!(lines.len(), 4, "{left}");
    bench.assert_books(&[]);
}

#[test]
fn an_action_that_is_interrupted_says_that_it_may_happen_all_the_same() {
    let bench = Bench::with(Options { reboot_lag: Duration::from_secs(60), ..Options::default() });
    let (_, id) = bench.deployed(7);
    let name = bench.simulator.oned().host_name(7).unwrap();
    let child = bench.start("reboot", &[&id, &name, "7", &name]);
    bench.until_asked(Operation::Reboot, 1);
    until("it is looked at", || bench.count(Operation::Get) > 2);
    signal(&child, Signal::SIGINT);
    common::assert_failure_with(&finish(child), &["interrupted (SIGINT)", "may happen all the same", "ask again"]);
}

/// Whether these are a date and a time, as oneprovision's log has them.
fn is_moment(day: &str, time: &str) -> bool {
    let has_form = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(c, f)| if f == b'0' { c.is_ascii_digit() } else { c == f })
    };
    has_form(day, "0000-00-00") && has_form(time, "00:00:00")
}

#[test]
fn the_log_has_each_decision_and_with_debug_each_request_in_lines_without_secrets() {
    let bench = Bench::new().set("PM_LOG", "debug");
    let fault = Fault::new(Operation::Get, Effect::status(503));
    bench.simulator.fault(fault.times(2));
    let host = bench.host(&HostTemplate::new(7));
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    let id = answer.stdout.clone();
    let requests = bench.simulator.requests();
    let logged: Vec<&str> = answer.stderr.lines().filter(|line| line.contains(" DEBUG : ")).collect();
    assert_eq!(logged.len(), requests.len(), "{}", answer.stderr);
    for (line, request) in logged.iter().zip(&requests) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [day, time, "DEBUG", ":", method, path, "attempt", attempt, status, millis, "ms"] = words[..] else {
            panic!("{line}");
        };
        assert!(is_moment(day, time) && millis.parse::<u32>().is_ok(), "{line}");
        assert_eq!(method, request.method);
        let call = match request.operation {
            Operation::HostUpdate => "one.host.update",
            _ => "one.host.info",
        };
        let known = request.path.strip_prefix("/metal/v1").unwrap_or(call);
        assert_eq!(path, format!("{known},"));
        assert_eq!(status, format!("{},", request.status.unwrap()));
        assert!(attempt.trim_end_matches(':').parse::<u32>().is_ok());
    }
    let looks: Vec<&&str> = logged.iter().filter(|line| line.contains("GET /devices/")).collect();
    for (line, attempt) in looks.iter().zip(["attempt 1: 503,", "attempt 2: 503,", "attempt 3: 200,"]) {
        assert!(line.contains(attempt), "{looks:?}");
    }
    let info = bench.set("PM_LOG", "info");
    assert!(answer.stderr.contains(&format!("machine {id} was ordered")), "{answer:?}");
    // oned never heard of it: the next deploy adopts it.
    let again = info.host(&HostTemplate::new(7)).deploy().unwrap();
    assert_eq!(again.stdout, id);
    assert!(again.stderr.contains(&format!("machine {id} of this host is adopted")), "{again:?}");
    assert!(!again.stderr.contains("DEBUG"));
    for text in [&answer.stderr, &again.stderr] {
        assert!(!text.contains(TOKEN) && !text.contains("oneadmin:"), "{text}");
        let is_logged = |line: &str| [" DEBUG : ", " INFO  : "].iter().any(|mark| line[19..].starts_with(mark));
        assert!(text.lines().all(is_logged), "{text}");
    }
}

#[test]
fn the_log_tells_what_is_called_and_how_it_ended() {
    let bench = Bench::new().set("PM_LOG", "info");
    let (host, _) = bench.deployed(7);
    let answer = host.cancel().unwrap();
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert!(lines[0].contains("pm-packet ") && lines[0].contains("/cancel "), "{lines:?}");
    assert!(lines.last().unwrap().ends_with(" INFO  : done"), "{lines:?}");
}

#[test]
fn a_deploy_does_not_wait_for_somebody_to_type_its_file() {
    let deploy = |bench: &Bench, file: &str| {
        let terminal = openpty(None, None).unwrap();
        let mut command = bench.explicit(&["deploy", file, "TODO"]);
        command.stdin(Stdio::from(terminal.slave));
        let begun = Instant::now();
        let answer = finish(command.spawn().unwrap());
        // The other end stays open until then: what is read from it would wait.
        drop(terminal.master);
        (answer, begun.elapsed())
    };
    let bench = Bench::new();
    let file = bench.host(&HostTemplate::new(7)).write_deployment_file().unwrap();
    let (answer, took) = deploy(&bench, &file);
    assert!(answer.is_success() && answer.stderr.is_empty(), "{answer:?}");
    assert!(took < Duration::from_millis(1900), "{took:?}");
    let (answer, took) = deploy(&bench, "/nonexistent/host.xml");
    common::assert_failure_with(&answer, &["there is no deployment file /nonexistent/host.xml", "STDIN is a terminal"]);
    assert!(took < Duration::from_millis(1900), "{took:?}");
}

#[test]
fn help_fits_a_terminal() {
    let bench = Bench::new();
    let help = |words: &[&str]| {
        let answer = finish(bench.explicit(words).spawn().unwrap());
        assert_success(&answer);
        assert!(answer.stdout.lines().all(|line| line.chars().count() <= 80), "{}", answer.stdout);
        assert!(answer.stdout.lines().count() <= 25, "{}", answer.stdout);
        answer.stdout
    };
    let text = help(&["--help"]);
    for command in [&common::ACTIONS[..], &["check", "list"]].concat() {
        assert!(text.contains(&format!("\n  {command} ")), "{command}");
        assert!(help(&[command, "--help"]).contains(command));
    }
}

#[test]
fn colours_are_for_terminals_and_not_against_no_color() {
    let bench = Bench::new();
    bench.deployed(7);
    let shown = |variable: &str, value: &str| {
        let terminal = openpty(None, None).unwrap();
        let mut command = bench.explicit(&["check", "--host", "7"]);
        command.env(variable, value).stdout(Stdio::from(terminal.slave));
        let mut child = command.spawn().unwrap();
        drop(command);
        let mut bytes = Vec::new();
        let _ = File::from(terminal.master).read_to_end(&mut bytes);
        child.wait().unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let coloured = shown("TERM", "xterm");
    assert!(coloured.contains("\x1b[32mok\x1b[0m"), "{coloured}");
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = shown(variable, value);
        assert!(plain.contains("  ok  ") && !plain.contains('\x1b'), "{plain}");
    }
}
