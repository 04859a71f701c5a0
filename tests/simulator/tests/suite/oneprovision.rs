//! The caller's port, with a driver that writes down how it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{start, write_script};
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
    let told =
        |answer: anyhow::Result<simulator::oneprovision::Answer>| answer.expect("an answer").stdout;

    let usual = ["b9eb1666", &name, "1002", &name, ""];
    assert_eq!(words(&told(host.reboot())), usual);
    assert_eq!(words(&told(host.reset())), usual);
    assert_eq!(words(&told(host.cancel())), usual);
    assert_eq!(words(&host.poll().expect("an answer").0.stdout), usual);
    assert_eq!(
        words(&told(host.poweroff())),
        ["b9eb1666", &name, "SHUTDOWN_POWEROFF", "1002", &name, ""]
    );
    assert_eq!(words(&told(host.resume())), [&file, &name, "1002", &name, ""]);
    assert_eq!(words(&told(host.deploy())), [&file, "TODO", ""]);
    assert_eq!(
        fs::read_to_string(&file).ok().map(|xml| xml.contains("<DEPLOY_ID>")),
        Some(true),
        "the file is the host as it was"
    );
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    assert_eq!(
        simulator.oned().provision(id, "DEPLOY_ID"),
        Some(format!("{file}|TODO|")),
        "stdout is stored whole"
    );
}

#[test]
fn words_are_not_quoted() {
    let remotes = Remotes::new("quotes", TELL);
    let simulator = start(Options::default());
    let oneprovision = oneprovision(&remotes, &simulator);
    let answer =
        oneprovision.run("packet", "poll", &["", "a b", "$HOME", "c;exit 3"]).expect("an answer");
    assert_eq!(words(&answer.stdout), ["a", "b", &remotes.0.display().to_string(), "c", ""]);
    assert_eq!(answer.status.code(), Some(3));
}

#[test]
fn standard_input_is_a_closed_pipe_and_the_environment_is_scrubbed() {
    let remotes = Remotes::new(
        "input",
        "test -p /dev/stdin && cat && env | sort | cut -d= -f1 | tr '\\n' ' '",
    );
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
