//! Hosts on EC2, through the links, beside the small EC2 of the simulator. What EC2 itself is, is asked of an
//! emulator of the whole: see `moto.rs`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::{
    ACTIONS, Bench, assert_failure, assert_failure_with, assert_success, assert_warned, each, finish, until,
};
use nix::sys::signal::Signal;
use simulator::ec2::{ACCESS, Ec2, Ec2Options, Instance, SECRET};
use simulator::oneprovision::{self, Host};
use simulator::{Effect, Fault, HostTemplate, Operation};

const UNKNOWN_ID: &str = "i-0123456789abcdef0";
/// An id of a host, and the tag by which its machine is found.
const ID: i32 = 7;
const TAG: (&str, &str) = ("ONE_PROVISION_HOST", "7a15cf52-8e99-4887-a6a6-ebf8d8536437:7");

/// A front-end beside the small EC2.
struct Cloud {
    ec2: Ec2,
    bench: Bench,
}

impl Cloud {
    fn new() -> Self {
        Self::with(Ec2Options::default())
    }

    fn with(options: Ec2Options) -> Self {
        let ec2 = Ec2::start(options).unwrap();
        let bench = Bench::new().set("EC2_API_URL", &ec2.url());
        Self { ec2, bench }
    }

    fn set(self, name: &str, value: &str) -> Self {
        Self { bench: self.bench.set(name, value), ..self }
    }

    fn host(&self) -> Host<'_> {
        self.bench.host(&HostTemplate::ec2(ID))
    }

    fn deployed(&self) -> (Host<'_>, String) {
        let host = self.host();
        let id = deploy(&host);
        (host, id)
    }

    fn billed(&self) -> Vec<String> {
        let instances = self.ec2.instances().into_iter();
        instances.filter(Instance::is_billed).map(|one| one.id).collect()
    }

    fn count(&self, operation: Operation) -> usize {
        let requests = self.ec2.requests();
        requests.iter().filter(|r| r.operation == operation).count()
    }

    fn instance(&self, id: &str) -> Instance {
        self.ec2.instance(id).unwrap()
    }

    fn fault(&self, operation: Operation, effect: Effect) {
        self.ec2.fault(Fault::new(operation, effect));
    }
}

fn deploy(host: &Host<'_>) -> String {
    let answer = host.deploy().unwrap();
    assert_success(&answer).to_owned()
}

#[test]
fn a_host_is_deployed_polled_rebooted_reset_powered_off_resumed_and_cancelled() {
    // A reboot is never seen at EC2, and believed after half of this.
    let cloud = Cloud::new().set("PM_TIMEOUT", "3");
    let (host, id) = cloud.deployed();
    assert_eq!(cloud.billed(), [id.as_str()]);
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    let first = cloud.instance(&id).public_ip.unwrap();
    let expected = [
        ("CPU", "9600".to_owned()),
        ("MEMORY", "201326592".to_owned()),
        ("NETRX", "1024".to_owned()),
        ("NETTX", "2048".to_owned()),
        ("STATE", "RUNNING".to_owned()),
        ("GUEST_IP_ADDRESSES", format!("\"{first},10.0.0.7\"")),
        ("AWS_PUBLIC_IP_ADDRESS", format!("\"{first}\"")),
        ("AWS_PRIVATE_IP_ADDRESS", "\"10.0.0.7\"".to_owned()),
        ("AWS_INSTANCE_TYPE", "\"c5.metal\"".to_owned()),
        ("AWS_IMAGE_ID", "\"ami-1e749f67\"".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(values.get(name), Some(&value), "{name}");
    }
    for read in [oneprovision::host_name_5_8, oneprovision::host_name_5_12] {
        assert_eq!(read(&values).as_ref(), Some(&first));
    }
    for answer in [host.reboot(), host.reset(), host.poweroff()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(cloud.instance(&id).state, "stopped");
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(values.get("STATE").map(String::as_str), Some("POWEROFF"));
    let answer = host.resume().unwrap();
    assert_eq!(assert_success(&answer), id);
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(cloud.billed(), [""; 0]);
    assert_eq!(cloud.instance(&id).state, "terminated");
}

#[test]
fn every_attribute_of_the_stock_driver_is_ordered() {
    let cloud = Cloud::new();
    let mut template = HostTemplate::ec2(ID).without("CLOUD_INIT");
    for (name, value) in [
        ("SUBNETID", "subnet-1"),
        ("SECURITYGROUPIDS", "sg-1, sg-2"),
        ("SECURITYGROUPS", "one,two"),
        ("KEYPAIR", "key"),
        ("AVAILABILITYZONE", "us-east-1b"),
        ("TENANCY", "dedicated"),
        ("PLACEMENTGROUP", "near"),
        ("PRIVATEIP", "10.0.0.9"),
        ("BLOCKDEVICEMAPPING", "/dev/sda1=snap-1:20:false:io1:300 /dev/sdb=:8 /dev/sdc=none"),
        ("EBS_OPTIMIZED", "true"),
        ("RAMDISK", "ari-1"),
        ("AKI", "aki-1"),
        ("TAGS", "team=blue & red,Name=lost,ONE_HOST_ID=8,plain"),
        ("USERDATA", "IyEvYmluL3NoCnRydWUK"),
        ("IMDSV2_REQUIRED", "yes"),
    ] {
        template = template.with(name, value);
    }
    let answer = cloud.bench.host(&template).deploy().unwrap();
    let warning = "WARNING: TAGS has \"ONE_HOST_ID=8\", which only this driver may set";
    let id = assert_warned(&answer, warning);
    let Instance { order, tags, .. } = cloud.instance(id);
    for (name, value) in [
        ("Action", "RunInstances"),
        ("Version", "2016-11-15"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("ImageId", "ami-1e749f67"),
        ("InstanceType", "c5.metal"),
        ("SubnetId", "subnet-1"),
        ("SecurityGroupId.1", "sg-1"),
        ("SecurityGroupId.2", "sg-2"),
        ("SecurityGroup.1", "one"),
        ("SecurityGroup.2", "two"),
        ("KeyName", "key"),
        ("Placement.AvailabilityZone", "us-east-1b"),
        ("Placement.Tenancy", "dedicated"),
        ("Placement.GroupName", "near"),
        ("PrivateIpAddress", "10.0.0.9"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", "snap-1"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
        ("BlockDeviceMapping.1.Ebs.VolumeType", "io1"),
        ("BlockDeviceMapping.1.Ebs.Iops", "300"),
        ("BlockDeviceMapping.2.DeviceName", "/dev/sdb"),
        ("BlockDeviceMapping.2.Ebs.VolumeSize", "8"),
        ("BlockDeviceMapping.3.DeviceName", "/dev/sdc"),
        ("BlockDeviceMapping.3.NoDevice", ""),
        ("EbsOptimized", "true"),
        ("RamdiskId", "ari-1"),
        ("KernelId", "aki-1"),
        ("UserData", "IyEvYmluL3NoCnRydWUK"),
        ("MetadataOptions.HttpTokens", "required"),
    ] {
        assert_eq!(order.get(name).map(String::as_str), Some(value), "{name}");
    }
    let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    // The name and the owner's tags are nobody else's to set.
    assert_eq!(
        tags,
        [("Name", "centos-host"), ("ONE_HOST_ID", "7"), TAG, ("OpenNebula", ""), ("plain", ""), ("team", "blue & red"),]
    );
}

#[test]
fn all_that_is_missing_is_named_at_once_and_nobody_is_asked() {
    let cloud = Cloud::new();
    let mut template = HostTemplate::ec2(ID);
    let names = ["EC2_ACCESS", "EC2_SECRET", "REGION_NAME", "AMI", "INSTANCETYPE"];
    for name in names {
        template = template.without(name);
    }
    let answer = cloud.bench.host(&template).deploy().unwrap();
    assert_failure_with(&answer, &names);
    let template = HostTemplate::ec2(ID)
        .with("TAGS", "=x")
        .with("BLOCKDEVICEMAPPING", "/dev/sda1")
        .with("PRIVATEIP", "here")
        .with("EBS_OPTIMIZED", "perhaps")
        .with("ELASTICIP", "mine")
        .with("USERDATA", &"#".repeat(17_000));
    let answer = cloud.bench.host(&template).deploy().unwrap();
    let parts = ["TAGS", "BLOCKDEVICEMAPPING", "PRIVATEIP", "EBS_OPTIMIZED", "ELASTICIP", "USERDATA"];
    assert_failure_with(&answer, &parts);
    assert!(cloud.ec2.requests().is_empty());
}

#[test]
fn the_session_token_is_sent_and_no_secret_is_ever_printed() {
    let cloud = Cloud::new().set("EC2_SESSION_TOKEN", "session-0123456789").set("PM_LOG", "debug");
    let host = cloud.host();
    let answer = host.deploy().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    for request in cloud.ec2.requests() {
        let token = request.header("x-amz-security-token");
        assert_eq!(token, Some("session-0123456789"));
        let signed = request.header("authorization").unwrap();
        assert!(signed.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,"));
    }
    let said = format!("{}{}", answer.stdout, answer.stderr);
    for secret in [ACCESS, SECRET, "session-0123456789"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn several_hosts_get_a_machine_each_also_with_one_clienttoken() {
    let cloud = Cloud::new();
    let mut ids = Vec::new();
    for number in 1..=3 {
        let template = HostTemplate::ec2(number).with("CLIENTTOKEN", "the-same");
        ids.push(deploy(&cloud.bench.host(&template)));
    }
    assert_eq!(cloud.billed(), ids);
    let again = deploy(&cloud.bench.host(&HostTemplate::ec2(2).with("CLIENTTOKEN", "the-same")));
    assert_eq!(again, ids[1], "a repeated deploy adopts");
}

#[test]
fn an_order_whose_answer_was_lost_is_not_carried_out_twice() {
    // So slow a listing that the order is sent again before it appears: only its token tells.
    let cloud = Cloud::with(Ec2Options { lag: Duration::from_secs(5), ..Ec2Options::default() }).set("PM_TIMEOUT", "7");
    cloud.fault(Operation::Create, Effect::DropAfter { reset: true });
    let (_, id) = cloud.deployed();
    assert_eq!(cloud.count(Operation::Create), 2);
    assert_eq!(cloud.billed(), [id]);
}

#[test]
fn a_killed_deploys_machine_is_the_next_ones_although_nothing_shows_it_yet() {
    let cloud = Cloud::with(Ec2Options { lag: Duration::from_secs(2), ..Ec2Options::default() });
    let host = cloud.host();
    let file = host.write_deployment_file().unwrap();
    let mut command: Command = cloud.bench.command_of("ec2", "deploy", &[&file, "TODO"]);
    let child = command.spawn().unwrap();
    until("it is ordered", || cloud.count(Operation::Get) > 0);
    common::signal(&child, Signal::SIGKILL);
    finish(child);
    let id = deploy(&host);
    assert_eq!(cloud.billed(), [id]);
}

#[test]
fn a_machine_that_ec2_does_not_know_yet_is_rolled_back_all_the_same() {
    let cloud = Cloud::with(Ec2Options { lag: Duration::from_secs(2), ..Ec2Options::default() });
    let file = cloud.host().write_deployment_file().unwrap();
    let mut command: Command = cloud.bench.command_of("ec2", "deploy", &[&file, "TODO"]);
    let child = command.spawn().unwrap();
    until("it is looked at", || cloud.count(Operation::Get) > 0);
    common::signal(&child, Signal::SIGTERM);
    let answer = finish(child);
    assert_failure_with(&answer, &["SIGTERM", "was deleted again"]);
    assert_eq!(cloud.ec2.instances().len(), 1);
    assert_eq!(cloud.billed(), [""; 0]);
}

#[test]
fn the_machine_of_another_host_is_neither_taken_nor_touched() {
    let cloud = Cloud::new();
    let (_, id) = cloud.deployed();
    let body = format!(
        "<RunInstancesResponse><instancesSet><item><instanceId>{id}</instanceId><tagSet><item>\
         <key>ONE_PROVISION_HOST</key><value>another:1</value></item></tagSet></item></instancesSet></RunInstancesResponse>"
    );
    let answer = simulator::Answer::new(200).body(&body);
    cloud.fault(Operation::Create, Effect::Status(answer));
    let answer = cloud.bench.host(&HostTemplate::ec2(8)).deploy().unwrap();
    assert_failure_with(&answer, &[&id, "the machine of another host", "CLIENTTOKEN"]);
    assert_eq!(cloud.billed(), [id]);
}

#[test]
fn a_machine_that_fails_to_launch_ends_the_wait_with_the_reason_and_can_be_deployed_again() {
    let cloud = Cloud::new();
    let host = cloud.host();
    cloud.ec2.fault(Fault::new(Operation::Create, Effect::FailProvisioning).times(2));
    for _ in 0..2 {
        let started = Instant::now();
        let answer = host.deploy().unwrap();
        assert_failure_with(
            &answer,
            &["is terminated (Server.InternalError: Internal error on launch)", "nothing is left"],
        );
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(cloud.billed(), [""; 0]);
    }
    // EC2 answers the tokens of both with their machines, which are no more.
    let id = deploy(&host);
    assert_eq!(cloud.billed(), [id]);
    assert_eq!(cloud.ec2.instances().len(), 3);
}

#[test]
fn a_host_can_be_deployed_again_when_nothing_shows_its_terminated_machine_any_more() {
    let cloud = Cloud::with(Ec2Options { shown: Duration::ZERO, ..Ec2Options::default() });
    let (host, first) = cloud.deployed();
    assert_success(&host.cancel().unwrap());
    cloud.bench.simulator.oned().set_provision(ID, "DEPLOY_ID", "").unwrap();
    let second = deploy(&host);
    assert_ne!(first, second);
    assert_eq!(cloud.billed(), [second]);
}

#[test]
fn errors_of_the_order_end_it_at_once_with_the_reason_of_aws() {
    struct Case(u16, &'static str, &'static str, &'static [&'static str]);
    let cases = [
        Case(
            500,
            "InsufficientInstanceCapacity",
            "There is no Spot capacity available that matches your request.",
            &["There is no Spot capacity", "section provision"],
        ),
        Case(400, "InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist", &["ami-1", "section provision"]),
        Case(400, "VcpuLimitExceeded", "You have requested more vCPU capacity", &["more vCPU"]),
        Case(403, "UnauthorizedOperation", "You are not authorized", &["policy of EC2_ACCESS"]),
        Case(401, "AuthFailure", "AWS was not able to validate", &["EC2_ACCESS and EC2_SECRET"]),
        Case(403, "InvalidClientTokenId", "The security token is invalid", &["check EC2_ACCESS"]),
        Case(403, "SignatureDoesNotMatch", "The request signature we calculated", &["check EC2_SECRET"]),
        Case(403, "SignatureDoesNotMatch", "Signature expired: 2015", &["set the clock"]),
        Case(400, "RequestExpired", "Request has expired.", &["set the clock"]),
        Case(400, "ExpiredToken", "The security token has expired", &["EC2_SESSION_TOKEN has expired"]),
        Case(403, "AuthFailure", "Not authorized for images: [ami-1]", &["images: [ami-1]", "section provision"]),
    ];
    for Case(status, code, message, parts) in cases {
        let cloud = Cloud::new();
        cloud.fault(Operation::Create, Ec2::error(status, code, message));
        let started = Instant::now();
        let first = assert_failure_with(&cloud.host().deploy().unwrap(), parts);
        assert!(first.contains(code) && first.ends_with("nothing was ordered"), "{first}");
        assert!(started.elapsed() < Duration::from_secs(2), "{first}");
        assert!(cloud.ec2.instances().is_empty());
    }
}

#[test]
fn an_expired_session_is_told_from_a_wrong_clock_where_it_can_be() {
    let cloud = Cloud::new().set("EC2_SESSION_TOKEN", "session");
    let expired = Ec2::error(400, "RequestExpired", "Request has expired.");
    cloud.fault(Operation::List, expired);
    let answer = cloud.host().deploy().unwrap();
    assert_failure_with(&answer, &["EC2_SESSION_TOKEN has expired, or the clock"]);
}

#[test]
fn a_wrong_key_is_told_at_once() {
    let cloud = Cloud::new();
    let host = cloud.bench.host(&HostTemplate::ec2(ID).with("EC2_ACCESS", "AKIAWRONG"));
    let answer = host.deploy().unwrap();
    assert_failure_with(&answer, &["AuthFailure", "EC2_ACCESS", "nothing was ordered"]);
    assert_eq!(cloud.count(Operation::Create), 0);
}

#[test]
fn throttling_is_waited_out_wherever_it_strikes() {
    let cloud = Cloud::new();
    for operation in [Operation::List, Operation::Create, Operation::Get, Operation::PowerOff, Operation::Delete] {
        let throttled = Ec2::error(503, "RequestLimitExceeded", "Request limit exceeded.");
        cloud.ec2.fault(Fault::new(operation, throttled).times(2));
    }
    let (host, id) = cloud.deployed();
    assert_success(&host.poweroff().unwrap());
    assert_success(&host.cancel().unwrap());
    assert_eq!(cloud.instance(&id).state, "terminated");
    assert_eq!(cloud.ec2.instances().len(), 1);
}

#[test]
fn a_machine_that_is_gone_is_gone_for_every_action() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    cloud.ec2.put(&id, "terminated", Some("Client.UserInitiatedShutdown: User initiated shutdown"));
    for answer in [
        host.poll().unwrap().0,
        host.reboot().unwrap(),
        host.reset().unwrap(),
        host.poweroff().unwrap(),
        host.resume().unwrap(),
    ] {
        assert_failure_with(&answer, &[&id, "delete the host and create it anew"]);
    }
    assert_success(&host.cancel().unwrap());
}

#[test]
fn an_id_that_nobody_has_is_gone_too_and_one_that_is_none_is_not_asked_for() {
    let cloud = Cloud::new();
    let run = |action: &str, id: &str| {
        let command = cloud.bench.oneprovision.run(
            "ec2",
            action,
            &match action {
                "shutdown" => vec![id, "host", "SHUTDOWN_POWEROFF", "7", "host"],
                _ => vec![id, "host", "7", "host"],
            },
        );
        command.unwrap()
    };
    cloud.host();
    assert_success(&run("cancel", UNKNOWN_ID));
    for action in ["poll", "reboot", "reset", "shutdown"] {
        assert_failure_with(&run(action, UNKNOWN_ID), &[UNKNOWN_ID, "is gone"]);
    }
    let before = cloud.ec2.requests().len();
    for action in ACTIONS.into_iter().filter(|action| *action != "deploy") {
        let first = assert_failure(&run(action, "b9eb1666-1b72-45ee-b529-806b079ce5af"));
        assert!(first.contains("is not an instance id such as i-"), "{first}");
    }
    assert_eq!(cloud.ec2.requests().len(), before);
}

#[test]
fn an_elastic_address_is_associated_before_the_machine_is_handed_over() {
    let cloud = Cloud::new();
    let template = HostTemplate::ec2(ID).with("ELASTICIP", "198.51.100.20");
    let host = cloud.bench.host(&template);
    cloud.fault(Operation::Action, Effect::status(503));
    let id = deploy(&host);
    assert_eq!(cloud.instance(&id).public_ip.as_deref(), Some("198.51.100.20"));
    let (_, values) = host.poll().unwrap();
    assert_eq!(oneprovision::host_name_5_12(&values).as_deref(), Some("198.51.100.20"));
}

#[test]
fn a_machine_that_cannot_have_its_elastic_address_is_rolled_back() {
    let cloud = Cloud::new();
    let template = HostTemplate::ec2(ID).with("ELASTICIP", "eipalloc-1");
    cloud.fault(
        Operation::Action,
        Ec2::error(400, "InvalidAllocationID.NotFound", "The allocation ID 'eipalloc-1' does not exist"),
    );
    let answer = cloud.bench.host(&template).deploy().unwrap();
    assert_failure_with(&answer, &["'eipalloc-1' does not exist", "was deleted again"]);
    assert_eq!(cloud.billed(), [""; 0]);
}

#[test]
fn a_poll_needs_neither_cloudwatch_nor_the_table_of_types() {
    let cloud = Cloud::new();
    let (host, _) = cloud.deployed();
    let denied = |action: &str| Ec2::error(403, "AccessDenied", &format!("not authorized to perform: {action}"));
    cloud.fault(Operation::Bandwidth, denied("cloudwatch:GetMetricData"));
    cloud.fault(Operation::Catalogue, Ec2::error(403, "UnauthorizedOperation", "You are not authorized"));
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(values["NETRX"], "0");
    assert_eq!((values["CPU"].as_str(), values["MEMORY"].as_str()), ("9600", "0"));
}

#[test]
fn a_404_of_something_in_between_is_no_proof_that_a_machine_is_gone() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    for operation in [Operation::Delete, Operation::Get] {
        let fault = Fault::new(operation, Effect::Html5xx(404));
        cloud.ec2.fault(fault.forever());
    }
    for answer in [host.cancel().unwrap(), host.poll().unwrap().0] {
        assert_failure_with(&answer, &[&id, "status 404", "check EC2_API_URL"]);
    }
    assert_eq!(cloud.billed(), [id]);
}

#[test]
fn a_protected_machine_is_not_cancelled_and_that_is_said_at_once() {
    let cloud = Cloud::new();
    cloud.fault(Operation::Create, Effect::Locked);
    let (host, id) = cloud.deployed();
    let answer = host.cancel().unwrap();
    assert_failure_with(&answer, &[&id, "disableApiTermination", "protection off"]);
    assert_eq!(cloud.billed(), [id]);
}

#[test]
fn a_machine_that_never_comes_up_is_terminated_at_the_deadline() {
    let cloud = Cloud::new().set("PM_TIMEOUT", "2");
    cloud.fault(Operation::Create, Effect::Stuck(simulator::State::Queued));
    let answer = cloud.host().deploy().unwrap();
    assert_failure_with(&answer, &["not active after", "it is pending", "was deleted again"]);
    assert_eq!(cloud.billed(), [""; 0]);
}

#[test]
fn a_machine_on_its_way_down_is_resumed_once_it_is_there() {
    let cloud = Cloud::new();
    let (host, id) = cloud.deployed();
    cloud.ec2.put(&id, "running", None);
    let answer = cloud.bench.oneprovision.run("ec2", "shutdown", &[&id, "host", "SHUTDOWN_POWEROFF", "7", "host"]);
    assert_success(&answer.unwrap());
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    assert_eq!(cloud.instance(&id).state, "running");
}

#[test]
fn every_page_of_a_listing_is_looked_at() {
    let cloud = Cloud::with(Ec2Options { page: 1, ..Ec2Options::default() });
    // Two machines of one host, as nobody but a person can have made them.
    let (host, first) = cloud.deployed();
    let order: Vec<(String, String)> = cloud.instance(&first).order.into_iter().collect();
    cloud.ec2.add(&order);
    cloud.bench.simulator.oned().set_provision(ID, "DEPLOY_ID", "").unwrap();
    let second = cloud.ec2.instances().pop().unwrap().id;
    let answer = host.deploy().unwrap();
    assert_failure_with(&answer, &["has 2 machines", &first, &second]);
    assert_eq!(cloud.billed(), [first, second]);
}

#[test]
fn what_is_no_answer_of_ec2_is_no_answer() {
    let garbage = [
        Effect::Garbage,
        Effect::Truncate,
        Effect::Html5xx(502),
        Effect::Redirect { url: "http://127.0.0.1:9/".to_owned(), code: 302 },
    ];
    each(&garbage, |effect| {
        let cloud = Cloud::new().set("PM_TIMEOUT", "5");
        cloud.ec2.fault(Fault::new(Operation::Create, effect.clone()));
        let answer = cloud.host().deploy().unwrap();
        let billed = cloud.billed();
        match answer.is_success() {
            true => assert_eq!(billed, [answer.stdout]),
            false => assert_eq!(billed, [""; 0], "{answer:?}"),
        }
    });
}

#[test]
fn check_asks_ec2_by_a_dry_run_and_orders_nothing() {
    let cloud = Cloud::new();
    let host = cloud.host();
    let file = host.write_deployment_file().unwrap();
    let run = || finish(cloud.bench.explicit(&["check", &file]).spawn().unwrap());
    let answer = run();
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains("EC2 would take it"), "{answer:?}");
    assert!(!answer.stdout.contains(SECRET), "{answer:?}");
    let refused = Ec2::error(400, "InvalidAMIID.NotFound", "The image id '[ami-1e749f67]' does not exist");
    cloud.fault(Operation::Create, refused);
    let answer = run();
    assert_ne!(answer.status.code(), Some(0), "{answer:?}");
    assert!(answer.stdout.contains("does not exist"), "{answer:?}");
    assert!(cloud.ec2.instances().is_empty());
}

#[test]
fn list_shows_the_machines_of_ec2_with_their_hosts() {
    let cloud = Cloud::new();
    let (_, id) = cloud.deployed();
    let command = cloud.bench.explicit(&["list", "--host", "7"]).spawn();
    let answer = finish(command.unwrap());
    let line = answer.stdout.lines().find(|line| line.contains(&id));
    assert!(line.is_some_and(|line| line.contains("running")), "{answer:?}");
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
}

#[test]
fn the_printed_command_removes_an_orphan_of_ec2_with_the_credentials_of_a_host_or_of_the_environment() {
    let cloud = Cloud::new();
    let (_, id) = cloud.deployed();
    let printed = |cloud: &Cloud, words: &[&str], ending: &str| {
        // The machine of host 8 of this provision, which oned has no more.
        let other = cloud.bench.host(&HostTemplate::ec2(8));
        let orphan = deploy(&other);
        cloud.bench.simulator.oned().remove(8);
        let command = cloud.bench.explicit(&[&["list"], words].concat()).spawn();
        let answer = finish(command.unwrap());
        assert_eq!(answer.status.code(), Some(1), "{answer:?}");
        let ending = format!(" cancel {orphan}{ending}");
        let command = answer.stdout.lines().find(|line| line.ends_with(&ending));
        let command = command.unwrap_or_else(|| panic!("{ending}: {answer:?}"));
        let output = cloud.bench.oneprovision.command(command.trim()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
        assert_eq!(cloud.billed(), [id.as_str()]);
    };
    printed(&cloud, &["--all"], " --credentials-of 7");
    let cloud = cloud.set("EC2_ACCESS", ACCESS).set("EC2_SECRET", SECRET).set("REGION_NAME", "us-east-1");
    printed(&cloud, &["--driver", "ec2"], " --driver ec2");
}

#[test]
fn two_accounts_in_one_region_are_told_apart() {
    let cloud = Cloud::new();
    let (_, id) = cloud.deployed();
    let bench = cloud.bench;
    // Another account: the same region, other keys, and another machine.
    let strange = HostTemplate::ec2(8).with("EC2_ACCESS", "AKIAOTHER").with("DEPLOY_ID", UNKNOWN_ID);
    bench.host(&strange);
    let answer = finish(bench.explicit(&["list", "--host", "7"]).spawn().unwrap());
    assert!(answer.stdout.contains(&id), "{answer:?}");
    assert!(!answer.stdout.contains("machine is gone"), "{answer:?}");
    assert_eq!(answer.status.code(), Some(0), "{answer:?}");
}

#[test]
fn no_capacity_says_to_wait_or_to_choose_another_plan_or_place() {
    let cloud = Cloud::new();
    let refusal = Ec2::error(500, "InsufficientInstanceCapacity", "We do not have sufficient capacity");
    cloud.fault(Operation::Create, refusal);
    let answer = cloud.host().deploy().unwrap();
    let parts = ["wait, or choose another plan or place", "section provision", "nothing was ordered"];
    assert_failure_with(&answer, &parts);
}

#[test]
fn a_reboot_of_an_instance_that_is_stopped_says_to_resume_it() {
    let cloud = Cloud::new();
    let (host, _) = cloud.deployed();
    assert_success(&host.poweroff().unwrap());
    let first = assert_failure(&host.reboot().unwrap());
    assert!(first.contains("resume it with `oneprovision host resume 7`"), "{first}");
}
