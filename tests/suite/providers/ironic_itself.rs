//! Hosts on Ironic itself, from PyPI: with passwords, with tokens of Keystone that expire in mid-wait, and with BMCs whose
//! power is read past Ironic. `real_ironic.rs` starts and stops it.

use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use super::real_ironic::{Auth, How, Ironic, Options, PASSWORD, PROJECT, READER, STRANGER, USER};
use crate::common::{BINARY, Bench, assert_failure_with, assert_success, finish, signal, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use simulator::HostTemplate;
use simulator::oneprovision::{Answer, Host};

/// A front-end beside Ironic.
struct Metal {
    ironic: Ironic,
    bench: Bench,
}

impl Metal {
    fn new(auth: Auth, options: Options) -> Self {
        let ironic = Ironic::start(auth, options);
        let bench = Bench::new().set("PM_TIMEOUT", "120");
        let bench = match auth {
            Auth::Keystone => {
                bench.set("OS_AUTH_URL", &ironic.identity).set("OS_PROJECT_NAME", PROJECT).set("OS_REGION_NAME", "here")
            }
            _ => bench.set("OS_ENDPOINT", &ironic.url),
        };
        Self { ironic, bench }
    }

    fn template(&self, id: i32) -> HostTemplate {
        let (image, sum) = self.ironic.image();
        HostTemplate::ironic(id)
            .with("OS_USERNAME", USER)
            .with("OS_PASSWORD", PASSWORD)
            .with("IMAGE_SOURCE", &image)
            .with("IMAGE_CHECKSUM", sum)
    }

    /// A host that is started from a virtual CD, without a config drive: that needs a program on the conductor.
    fn of_redfish(&self, id: i32) -> HostTemplate {
        let mut template = self.template(id).without("IMAGE_SOURCE").without("IMAGE_CHECKSUM").without("HOSTNAME");
        template.ssh_public_key = String::new();
        template.with("BOOT_ISO", &self.ironic.image().0)
    }

    fn deployed(&self, template: &HostTemplate) -> (Host<'_>, String) {
        let host = self.bench.host(template);
        let answer = host.deploy().unwrap();
        let id = assert_success(&answer).to_owned();
        (host, id)
    }

    /// Asserts that nothing holds a node, and that it can be ordered again.
    fn assert_free(&self, node: &str) {
        assert_eq!(self.ironic.allocations(), [], "allocations");
        self.ironic.wait_until(node, "available");
        assert_eq!(self.ironic.instance_uuid(node), None);
        assert_eq!(self.ironic.field(node, "instance_info"), serde_json::json!({}));
    }

    /// Fences a host as OpenNebula 5.12 calls it.
    fn fence(&self, id: i32) -> Answer {
        let folder = self.bench.path("remotes/hooks/ft");
        std::fs::create_dir_all(&folder).unwrap();
        let _ = symlink(BINARY, folder.join("fence_host.sh"));
        let xml = self.bench.simulator.oned().host_xml(id, false).unwrap();
        let mut command = self.bench.command_at(&folder.join("fence_host.sh"), &[]);
        finish(command.arg(STANDARD.encode(xml)).spawn().unwrap())
    }
}

#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn a_host_is_led_through_its_life_and_two_hosts_for_one_node_do_not_get_it_both() {
    let options = Options { power_delay: 1, clean_delay: 1, automated_clean: true, ..Options::default() };
    let metal = Metal::new(Auth::Basic, options);
    metal.ironic.node("n1", "baremetal", How::Fake);
    let (host, id) = metal.deployed(&metal.template(7));
    assert_eq!(metal.ironic.instance_uuid("n1").as_deref(), Some(id.as_str()));
    assert_eq!(metal.ironic.provision_state("n1"), "active");
    // Fake hardware is left off: the driver powers it on.
    assert_eq!(metal.ironic.power_state("n1").as_deref(), Some("power on"));
    let own = &metal.ironic.allocations()[0];
    assert_eq!(own.extra["ONE_PROVISION_HOST"], "7a15cf52-8e99-4887-a6a6-ebf8d8536437:7");
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(values.get("NODE_NAME").map(String::as_str), Some("\"n1\""));
    let other = metal.bench.host(&metal.template(8));
    let refused = other.deploy().unwrap();
    assert_failure_with(
        &refused,
        &["no available nodes match the resource class", "free a node of this RESOURCE_CLASS"],
    );
    assert_eq!(metal.ironic.allocations().len(), 1);
    for answer in [host.reboot(), host.reset(), host.poweroff()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(metal.ironic.power_state("n1").as_deref(), Some("power off"));
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    assert_eq!(metal.ironic.power_state("n1").as_deref(), Some("power on"));
    metal.ironic.set_protected("n1", true);
    assert_failure_with(&host.cancel().unwrap(), &["is protected", "unset its protection"]);
    metal.ironic.set_protected("n1", false);
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    metal.assert_free("n1");
    // Both at once: one of them gets it.
    let hosts = [7, 8].map(|id| metal.bench.host(&metal.template(id)));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let runs: Vec<_> = hosts.iter().map(|host| scope.spawn(|| host.deploy().unwrap())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_success()).count(), 1, "{answers:?}");
    assert_eq!(metal.ironic.allocations().len(), 1);
    for (host, answer) in hosts.iter().zip(&answers) {
        if answer.is_success() {
            assert_success(&host.cancel().unwrap());
        }
    }
    metal.assert_free("n1");
}

/// The three requests of an order follow each other within a third of a second.
#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn a_deploy_that_is_killed_at_any_moment_of_its_order_is_gone_on_with() {
    let metal = Metal::new(Auth::None, Options { deploy_delay: 0, ..Options::default() });
    metal.ironic.node("n1", "baremetal", How::Fake);
    let template = metal.template(7).without("OS_USERNAME").without("OS_PASSWORD");
    let mut seen = std::collections::BTreeSet::new();
    for after in (0..440).step_by(40) {
        let host = metal.bench.host(&template);
        let file = host.write_deployment_file().unwrap();
        let deploy = metal.bench.command_of("ironic", "deploy", &[&file, "TODO"]).spawn().unwrap();
        thread::sleep(Duration::from_millis(after));
        signal(&deploy, Signal::SIGKILL);
        finish(deploy);
        seen.insert((metal.ironic.allocations().len(), metal.ironic.provision_state("n1")));
        // It is deployed by whoever comes next, or was given up: there is one allocation.
        let answer = host.deploy().unwrap();
        let id = assert_success(&answer).to_owned();
        let allocations = metal.ironic.allocations();
        assert_eq!(allocations.len(), 1, "{allocations:?}");
        assert_eq!(allocations[0].uuid, id);
        assert_success(&host.cancel().unwrap());
        metal.assert_free("n1");
        metal.bench.simulator.oned().remove(7);
    }
    assert!(seen.len() > 2, "{seen:?}");
}

/// Three hosts for two nodes, deployed and cancelled side by side and killed at random. `PM_PACKET_SEED` names another
/// game; what the threads do when is not part of it.
#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn the_books_of_ironic_balance_after_any_sequence_of_kills() {
    let metal = Metal::new(Auth::None, Options { deploy_delay: 0, ..Options::default() });
    for node in ["n1", "n2"] {
        metal.ironic.node(node, "baremetal", How::Fake);
    }
    let seed = std::env::var("PM_PACKET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
    thread::scope(|scope| {
        for id in 7..10 {
            let metal = &metal;
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed + id as u64);
                let host = metal.bench.host(&metal.template(id).without("OS_USERNAME").without("OS_PASSWORD"));
                for _ in 0..3 {
                    let file = host.write_deployment_file().unwrap();
                    let deploy = metal.bench.command_of("ironic", "deploy", &[&file, "TODO"]).spawn().unwrap();
                    thread::sleep(Duration::from_millis(rng.u64(0..2500)));
                    if rng.bool() {
                        signal(&deploy, Signal::SIGKILL);
                    }
                    finish(deploy);
                }
                // In the end there is a node for each in turn; a killed one is found by its name.
                let end = Instant::now() + Duration::from_secs(90);
                loop {
                    let answer = host.deploy().unwrap();
                    if answer.is_success() {
                        break;
                    }
                    assert_failure_with(&answer, &["no available nodes match"]);
                    assert!(Instant::now() < end, "host {id} gets no node");
                    thread::sleep(Duration::from_millis(500));
                }
                assert_success(&host.cancel().unwrap());
            });
        }
    });
    for node in ["n1", "n2"] {
        metal.assert_free(node);
    }
}

/// As its database did to it under load: https://www.sqlite.org/rescode.html#busy_snapshot.
#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn an_undeployment_that_ironic_never_ends_is_told_with_what_ends_it() {
    let metal = Metal::new(Auth::None, Options { deploy_delay: 0, ..Options::default() });
    metal.ironic.node("n1", "baremetal", How::Fake);
    let (host, id) = metal.deployed(&metal.template(7).without("OS_USERNAME").without("OS_PASSWORD"));
    metal.ironic.cut_off("n1");
    let name = metal.bench.simulator.oned().host_name(7).unwrap();
    let mut cancel = metal.bench.command_of("ironic", "cancel", &[&id, &name, "7", &name]);
    let answer = finish(cancel.env("PM_TIMEOUT", "5").spawn().unwrap());
    let told = ["being deleted (released)", "the node is in state deleting", "set it to maintenance and cancel again"];
    assert_failure_with(&answer, &told);
    metal.ironic.set_maintenance("n1", true);
    assert_success(&host.cancel().unwrap());
    assert_eq!(metal.ironic.allocations(), []);
}

#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn what_goes_wrong_is_told_in_the_first_line_and_the_node_is_given_back() {
    let options = Options { callback_timeout: 5, power_sync: 2, ..Options::default() };
    let metal = Metal::new(Auth::Basic, options);
    metal.ironic.node("d1", "direct", How::Direct);
    let failed = |template: &HostTemplate, parts: &[&str]| {
        let host = metal.bench.host(template);
        let answer = host.deploy().unwrap();
        assert_failure_with(&answer, parts);
        metal.bench.simulator.oned().remove(template.id);
        metal.assert_free("d1");
    };
    let direct = metal.template(7).with("RESOURCE_CLASS", "direct");
    let missing = metal.ironic.missing_image();
    failed(&direct.clone().with("IMAGE_SOURCE", &missing), &["Got HTTP code 404", "set IMAGE_SOURCE"]);
    failed(&direct.clone().without("IMAGE_CHECKSUM"), &["image_checksum", "set IMAGE_SOURCE with IMAGE_CHECKSUM"]);
    failed(&direct, &["Timeout reached while waiting for callback", "see the node"]);
    failed(&direct.clone().with("TRAITS", "CUSTOM_NONE"), &["CUSTOM_NONE", "free a node"]);
    failed(&direct.clone().with("CANDIDATE_NODES", "d9"), &["Nodes cannot be found: d9"]);
    let wrong = direct.clone().with("OS_PASSWORD", "not-the-right-one");
    failed(&wrong, &["Incorrect username or password", "check OS_USERNAME and OS_PASSWORD"]);
    metal.ironic.set_maintenance("d1", true);
    failed(&direct, &["no available nodes match"]);
    metal.ironic.set_maintenance("d1", false);
    metal.ironic.node("c1", "lost", How::Fake);
    metal.ironic.lose_conductor("c1");
    let lost = metal.template(9).with("RESOURCE_CLASS", "lost");
    let host = metal.bench.host(&lost);
    assert_failure_with(&host.deploy().unwrap(), &["No valid host was found", "start an ironic-conductor"]);
    assert_eq!(metal.ironic.allocations(), []);
}

#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn the_power_that_is_told_is_that_of_the_bmc_and_a_fenced_host_is_off() {
    let metal = Metal::new(Auth::Basic, Options { systems: 1, power_sync: 3600, ..Options::default() });
    metal.ironic.node("r1", "metal", How::Redfish);
    let missing = metal.of_redfish(8).with("RESOURCE_CLASS", "metal").with("BOOT_ISO", &metal.ironic.missing_image());
    let answer = metal.bench.host(&missing).deploy().unwrap();
    assert_failure_with(&answer, &["deploy failed", "Got HTTP code 404", "set IMAGE_SOURCE"]);
    metal.assert_free("r1");
    let (host, id) = metal.deployed(&metal.of_redfish(7).with("RESOURCE_CLASS", "metal"));
    assert_eq!(metal.ironic.bmc_power("r1"), "On");
    assert_success(&host.poweroff().unwrap());
    assert_eq!(metal.ironic.bmc_power("r1"), "Off");
    assert_success(&host.resume().unwrap());
    assert_eq!(metal.ironic.bmc_power("r1"), "On");
    assert_success(&host.reset().unwrap());
    assert_eq!(metal.ironic.bmc_power("r1"), "On");
    let answer = metal.fence(7);
    assert!(answer.is_success() && answer.stdout.starts_with(&format!("fenced: machine {id}")), "{answer:?}");
    assert_eq!(metal.ironic.bmc_power("r1"), "Off");
    assert_success(&host.resume().unwrap());
    // A BMC that nobody reaches: what Ironic believes of its power is no proof.
    metal.ironic.stop_bmcs();
    let bench = &metal.bench;
    let name = bench.simulator.oned().host_name(7).unwrap();
    let begin = Instant::now();
    let words = [id.as_str(), &name, "SHUTDOWN_POWEROFF", "7", &name];
    let answer = finish(bench.command_of("ironic", "shutdown", &words).spawn().unwrap());
    assert_eq!(answer.status.code(), Some(255), "{answer:?}");
    assert!(begin.elapsed() < Duration::from_secs(115), "{answer:?}");
    metal.ironic.start_bmcs();
    assert_eq!(metal.ironic.bmc_power("r1"), "On");
    until("it is not locked", || metal.ironic.field("r1", "reservation").is_null());
    assert_success(&host.cancel().unwrap());
    metal.assert_free("r1");
}

#[test]
#[ignore = "needs Ironic: PM_IRONIC"]
fn tokens_of_keystone_expire_in_mid_wait_and_a_missing_role_is_named() {
    let options = Options { token_seconds: 8, deploy_delay: 10, ..Options::default() };
    let metal = Metal::new(Auth::Keystone, options);
    metal.ironic.node("k1", "baremetal", How::Fake);
    let (host, id) = metal.deployed(&metal.template(7));
    assert_eq!(metal.ironic.instance_uuid("k1").as_deref(), Some(id.as_str()));
    assert_success(&host.poweroff().unwrap());
    let reader = metal.template(8).with("OS_USERNAME", READER);
    let answer = metal.bench.host(&reader).deploy().unwrap();
    assert_failure_with(&answer, &["Access was denied", "give OS_USERNAME the role member"]);
    let stranger = metal.template(9).with("OS_USERNAME", STRANGER);
    let answer = metal.bench.host(&stranger).deploy().unwrap();
    assert_failure_with(&answer, &["requires authentication", "check OS_USERNAME and OS_PASSWORD"]);
    let wrong = metal.template(10).with("OS_PASSWORD", "not-the-right-one");
    let answer = metal.bench.host(&wrong).deploy().unwrap();
    assert_failure_with(&answer, &["requires authentication", "check OS_USERNAME and OS_PASSWORD"]);
    for answer in [host.cancel(), host.cancel()] {
        assert_success(&answer.unwrap());
    }
    metal.assert_free("k1");
}
