//! The caller's port, with a driver that writes down how it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{start, write_script};
use simulator::oneprovision::{Choice, Created, End, Provision};
use simulator::{HostTemplate, Oneprovision, Options, Simulator};

/// A folder of remotes, removed when dropped.
struct Remotes(PathBuf);

impl Remotes {
    /// With a driver `packet`, each action of which is this shell script.
    fn new(name: &str, script: &str) -> Self {
        let root = std::env::temp_dir().join(format!("pm-packet-{name}-{}", std::process::id()));
        let driver = root.join("pm/packet");
        fs::create_dir_all(&driver).expect("a folder");
        for action in ["deploy", "poll", "reboot", "reset", "shutdown", "cancel"] {
            write_script(&driver.join(action), script);
        }
        Remotes(root)
    }
}

impl Drop for Remotes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn oneprovision(remotes: &Remotes, simulator: &Simulator) -> Oneprovision {
    Oneprovision::new(&remotes.0, &remotes.0, simulator)
}

/// The words after the name of the action.
fn words(stdout: &str) -> Vec<&str> {
    stdout.lines().next().unwrap_or_default().split('|').collect()
}

const TELL: &str = "printf '%s|' \"$@\"";

#[test]
fn actions_get_the_words_of_the_contract() {
    let remotes = Remotes::new("words", TELL);
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    let id = simulator.oned().add(&HostTemplate::new(1002)).expect("a host");
    let name = simulator.oned().host_name(id).expect("a name");
    simulator.oned().set_deploy_id(id, "b9eb1666").expect("the host");
    let host = oneprovision.host(simulator.oned(), id);
    let file = remotes.0.join("deployment-1002.xml").display().to_string();
    let told = |answer: anyhow::Result<simulator::oneprovision::Answer>| answer.expect("an answer").stdout;

    let usual = ["b9eb1666", &name, "1002", &name, ""];
    assert_eq!(words(&told(host.reboot())), usual);
    assert_eq!(words(&told(host.reset())), usual);
    assert_eq!(words(&told(host.cancel())), usual);
    assert_eq!(words(&host.poll().expect("an answer").0.stdout), usual);
    assert_eq!(words(&told(host.poweroff())), ["b9eb1666", &name, "SHUTDOWN_POWEROFF", "1002", &name, ""]);
    assert_eq!(words(&told(host.resume())), [&file, &name, "1002", &name, ""]);
    assert_eq!(words(&told(host.deploy())), [&file, "TODO", ""]);
    assert_eq!(
        fs::read_to_string(&file).ok().map(|xml| xml.contains("<DEPLOY_ID>")),
        Some(true),
        "the file is the host as it was"
    );
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    assert_eq!(simulator.oned().provision(id, "DEPLOY_ID"), Some(format!("{file}|TODO|")), "stdout is stored whole");
}

#[test]
fn words_are_not_quoted() {
    let remotes = Remotes::new("quotes", TELL);
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    let answer = oneprovision.run("packet", "poll", &["", "a b", "$HOME", "c;exit 3"]).expect("an answer");
    assert_eq!(words(&answer.stdout), ["a", "b", &remotes.0.display().to_string(), "c", ""]);
    assert_eq!(answer.status.code(), Some(3));
}

#[test]
fn standard_input_is_a_closed_pipe_and_the_environment_is_scrubbed() {
    let remotes = Remotes::new("input", "test -p /dev/stdin && cat && env | sort | cut -d= -f1 | tr '\\n' ' '");
    let simulator = start(Options::default());
    let answer = oneprovision(&remotes, &simulator).run("packet", "poll", &[]).expect("an answer");
    assert_eq!(answer.stdout, "HOME ONE_XMLRPC PACKET_API_URL PATH PWD ");
}

#[test]
fn only_a_success_is_stored() {
    let remotes = Remotes::new(
        "failure",
        concat!(
            "echo a warning >&2; echo an id; ",
            "printf 'ERROR MESSAGE --8<------\\nno luck\\nmore\\nERROR MESSAGE ------>8--\\n' >&2; exit 255"
        ),
    );
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    let id = simulator.oned().add(&HostTemplate::new(7)).expect("a host");
    let host = oneprovision.host(simulator.oned(), id);
    let answer = host.deploy().expect("an answer");
    assert_eq!(answer.error().as_deref(), Some("no luck"));
    assert_eq!(simulator.oned().provision(id, "DEPLOY_ID"), None);
    host.delete().expect("an answer");
    assert_eq!(simulator.oned().hosts(), [id]);
}

#[test]
fn the_first_poll_names_the_host() {
    let remotes = Remotes::new("poll", "echo 'STATE=RUNNING GUEST_IP_ADDRESSES=\"1.2.3.4,\"'");
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    let id = simulator.oned().add(&HostTemplate::new(7)).expect("a host");
    let host = oneprovision.host(simulator.oned(), id);
    let (_, values) = host.poll().expect("an answer");
    assert_eq!(values["STATE"], "RUNNING");
    assert_eq!(simulator.oned().host_name(id).as_deref(), Some("1.2.3.4"));
    simulator.oned().rename(id, "mine").expect("the host");
    host.poll().expect("an answer");
    assert_eq!(simulator.oned().host_name(id).as_deref(), Some("mine"));
    host.delete().expect("an answer");
    assert!(simulator.oned().hosts().is_empty());
    assert!(Path::new(&remotes.0).exists());
}

/// A driver that says how it is called: `deploy` prints an id for its host, and fails where a file `fail-ID` is there, once
/// where that is empty.
const DRIVER: &str = concat!(
    "root=$(dirname \"$0\")/../..; echo \"${0##*/} $*\" >> \"$root/calls\"\n",
    "case ${0##*/} in\n",
    "deploy) id=$(sed -n 's|.*<ID>\\(.*\\)</ID>.*|\\1|p' \"$1\" 2>/dev/null); test -n \"$id\" || exit 255\n",
    "  if [ -e \"$root/fail-$id\" ]; then\n",
    "    [ -s \"$root/fail-$id\" ] || rm \"$root/fail-$id\"; exit 255\n",
    "  fi; printf 'machine-%s' \"$id\";;\n",
    "poll) case $1 in machine-*) echo \"GUEST_IP_ADDRESSES=\\\"10.0.0.${1#machine-},\\\"\";; *) exit 255;; esac;;\n",
    "esac\n",
);

/// A provision of hosts 1 to 4, two at a time, of which `failing` fail: what it is created with, and what the driver was
/// called with.
fn create(name: &str, failing: &[(i32, &str)], choice: Choice, loses_file: bool) -> (Simulator, Created, Vec<String>) {
    let remotes = Remotes::new(name, DRIVER);
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    for (id, how) in failing {
        fs::write(remotes.0.join(format!("fail-{id}")), how).expect("a file");
    }
    let hosts = (1..=4).map(|id| {
        simulator.oned().add(&HostTemplate::new(id)).expect("a host");
        oneprovision.host(simulator.oned(), id)
    });
    let provision = Provision { threads: 2, loses_file, ..Provision::new(hosts.collect()) };
    let mut asked = 0;
    let created = provision.create(|_, _| {
        asked += 1;
        if asked == 1 { choice } else { Choice::Quit }
    });
    let calls = fs::read_to_string(remotes.0.join("calls")).expect("calls");
    let created = created.expect("an end");
    (simulator, created, calls.lines().map(str::to_owned).collect())
}

fn stored(simulator: &Simulator) -> Vec<Option<String>> {
    (1..=4).map(|id| simulator.oned().provision(id, "DEPLOY_ID")).collect()
}

#[test]
fn ids_are_stored_and_polled_when_every_deploy_succeeded() {
    let (simulator, created, calls) = create("all", &[], Choice::Quit, false);
    assert_eq!(created.end, End::Done);
    let deploys: Vec<_> = calls.iter().map(|call| call.starts_with("deploy ")).collect();
    assert_eq!(deploys, [true, true, true, true, false, false, false, false]);
    for (id, stored) in (1..=4).zip(stored(&simulator)) {
        assert_eq!(stored, Some(format!("machine-{id}")));
        assert_eq!(simulator.oned().host_name(id), Some(format!("10.0.0.{id}")));
    }
}

#[test]
fn a_quit_stores_nothing_and_cancels_nothing() {
    let (simulator, created, calls) = create("quit", &[(2, "always")], Choice::Quit, false);
    assert_eq!(created.end, End::Quit);
    assert_eq!(stored(&simulator), [None, None, None, None]);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(simulator.oned().hosts(), [1, 2, 3, 4]);
}

#[test]
fn a_cleanup_cancels_only_what_has_its_id_stored() {
    let (simulator, created, calls) = create("cleanup", &[(2, "always")], Choice::Cleanup, false);
    assert_eq!(created.end, End::CleanedUp);
    assert_eq!(created.of("cancel").len(), 0, "oneprovision itself stored none: {calls:?}");
    assert!(simulator.oned().hosts().is_empty());

    let remotes = Remotes::new("stored", DRIVER);
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    let hosts = [1, 2].map(|id| {
        simulator.oned().add(&HostTemplate::new(id)).expect("a host");
        oneprovision.host(simulator.oned(), id)
    });
    // A driver that stores it itself.
    simulator.oned().set_deploy_id(2, "machine-2").expect("the host");
    let cancelled = Provision::new(hosts.into()).clean_up().expect("answers");
    let ids: Vec<i32> = cancelled.iter().map(|(id, _, _)| *id).collect();
    assert_eq!(ids, [2]);
    assert!(simulator.oned().hosts().is_empty());
}

#[test]
fn a_skip_empties_the_id_shifts_the_poll_and_loses_the_later_ones() {
    let (simulator, created, calls) = create("skip", &[(2, "always")], Choice::Skip, false);
    assert_eq!(created.end, End::Unnamed(2));
    let ids = ["machine-1", ""].map(|id| Some(id.to_owned()));
    assert_eq!(stored(&simulator), [&ids[..], &[None, None]].concat());
    let name = simulator.oned().host_name(2).expect("a name");
    assert_eq!(calls.last(), Some(&format!("poll {name} 2 {name}")));
}

#[test]
fn a_retry_has_the_same_file_unless_it_was_the_last_of_its_batch() {
    let (_, created, calls) = create("retry", &[(2, "")], Choice::Retry, false);
    assert_eq!(created.end, End::Done);
    let deploys = calls.iter().filter(|call| call.contains("deployment-2.xml")).count();
    assert_eq!(deploys, 2);
    let (simulator, created, _) = create("gone", &[(2, "")], Choice::Retry, true);
    assert_eq!(created.end, End::Quit, "there is no file");
    assert_eq!(stored(&simulator), [None, None, None, None]);
    let (_, created, _) = create("first", &[(1, "")], Choice::Retry, true);
    assert_eq!(created.end, End::Done, "the first one keeps its file");
}

#[test]
fn the_next_run_has_a_file_of_another_name() {
    let remotes = Remotes::new("anew", TELL);
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    simulator.oned().add(&HostTemplate::new(7)).expect("a host");
    let host = oneprovision.host(simulator.oned(), 7);
    let file = host.write_deployment_file_anew("other.xml").expect("a file");
    let answer = host.deploy_with(Path::new(&file)).expect("an answer");
    assert_eq!(words(&answer.stdout), [&file, "TODO", ""]);
    assert_eq!(simulator.oned().provision(7, "DEPLOY_ID"), None, "nothing is stored");
}
