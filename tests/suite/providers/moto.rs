//! Hosts on moto, an emulator of EC2 that others made: with a user and a policy, and every signature verified.
//!
//! `PM_MOTO_SERVER` names its program, as `pip install 'moto[ec2,server]'` has it; `.ci/run` sees to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Bench, assert_failure_with, assert_success};
use pm_packet::opennebula::host::Host;
use pm_packet::opennebula::settings::Settings;
use pm_packet::provider::ec2::Ec2;
use pm_packet::provider::machine::State;
use pm_packet::provider::{self, Filter, Provider};
use pm_packet::report::frame::{Level, Report};
use pm_packet::system::clock::SystemClock;
use pm_packet::system::environment::Environment;
use simulator::HostTemplate;
use simulator::oneprovision;

const EVERYTHING: &str = r#"["ec2:*", "monitoring:*"]"#;

/// One server at a time: each takes 200 MB.
static ONE: Mutex<()> = Mutex::new(());

struct Moto {
    server: Child,
    url: String,
    access: String,
    secret: String,
    /// An elastic address that nobody uses yet.
    address: String,
    _one: MutexGuard<'static, ()>,
}

impl Moto {
    /// A server with one user, who may do `actions`.
    fn start(actions: &str) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let program = std::env::var("PM_MOTO_SERVER").expect("PM_MOTO_SERVER names no program");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            // So many requests are taken as they come: those of `ask` below.
            .env("INITIAL_NO_AUTH_ACTION_COUNT", "4")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PM_MOTO_SERVER cannot be started");
        let mut moto = Self {
            server,
            url: format!("http://127.0.0.1:{port}/"),
            access: String::new(),
            secret: String::new(),
            address: String::new(),
            _one: one,
        };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < end, "moto does not come up");
            assert_eq!(moto.server.try_wait().unwrap(), None, "moto has ended");
            thread::sleep(Duration::from_millis(50));
        }
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": {actions}, "Resource": "*"}}]}}"#
        );
        let policy: String = policy.bytes().map(|byte| format!("%{byte:02X}")).collect();
        ask(port, "iam", "Action=CreateUser&UserName=one");
        ask(port, "iam", &format!("Action=PutUserPolicy&UserName=one&PolicyName=own&PolicyDocument={policy}"));
        let key = ask(port, "iam", "Action=CreateAccessKey&UserName=one");
        moto.access = element(&key, "AccessKeyId");
        moto.secret = element(&key, "SecretAccessKey");
        let address = ask(port, "ec2", "Action=AllocateAddress&Domain=vpc");
        moto.address = element(&address, "publicIp");
        moto
    }

    fn bench(&self) -> Bench {
        // A reboot is never seen at EC2, and believed after half of this.
        Bench::new().set("EC2_API_URL", &self.url).set("PM_TIMEOUT", "10")
    }

    fn template(&self, id: i32) -> HostTemplate {
        HostTemplate::ec2(id).with("EC2_ACCESS", &self.access).with("EC2_SECRET", &self.secret)
    }

    /// The ids of all machines that OpenNebula has here.
    fn books(&self) -> Vec<String> {
        let template = self.template(1).with("EC2_API_URL", &self.url);
        let host = Host::parse(&template.xml()).unwrap().0;
        let environment = Environment::default();
        let settings = Settings::of(Some(&host), &environment);
        let report = Report::new(Level::Quiet);
        let clock = Arc::new(SystemClock::of(settings.environment).unwrap());
        let session = provider::connect(&Ec2, &settings, clock, report).unwrap();
        let api = session.api(Instant::now() + Duration::from_secs(20));
        let mut ids: Vec<String> = Ec2
            .list(&api, Filter::Ours)
            .unwrap()
            .iter()
            .filter(|machine| machine.state != State::Gone)
            .map(|one| one.id.to_string())
            .collect();
        ids.sort();
        ids
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Sends a request without a signature, and returns the whole answer.
fn ask(port: u16, service: &str, form: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let version = if service == "iam" { "2010-05-08" } else { "2016-11-15" };
    let form = format!("{form}&Version={version}");
    // By the scope moto tells which of its services is meant.
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).expect(name);
    rest.split('<').next().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "needs moto: .ci/run installs it"]
fn a_host_lives_its_whole_life() {
    let moto = Moto::start(EVERYTHING);
    let bench = moto.bench();
    let template = moto
        .template(1)
        .with("TAGS", "team=blue & red")
        .with("IMDSV2_REQUIRED", "yes")
        .with("BLOCKDEVICEMAPPING", "/dev/sdb=:8:true:gp3 /dev/sdc=:9")
        .with("EBS_OPTIMIZED", "no")
        .with("AVAILABILITYZONE", "us-east-1b")
        .with("ELASTICIP", &moto.address);
    let host = bench.host(&template);
    let file = host.write_deployment_file().unwrap();
    let check = bench.explicit(&["check", &file]).output().unwrap();
    let found = String::from_utf8_lossy(&check.stdout);
    assert!(found.contains("EC2 would take it"), "{check:?}");
    assert_eq!(moto.books(), [""; 0], "a check orders nothing");
    let answer = host.deploy().unwrap();
    let id = assert_success(&answer).to_owned();
    assert_eq!(moto.books(), [id.as_str()]);
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(values["STATE"], "RUNNING");
    assert_eq!(values["CPU"], "9600");
    assert_eq!(values["MEMORY"], "201326592");
    assert_eq!(values["AWS_INSTANCE_TYPE"], "\"c5.metal\"");
    assert_eq!(values["AWS_AVAILABILITY_ZONE"], "\"us-east-1b\"");
    for read in [oneprovision::host_name_5_8, oneprovision::host_name_5_12] {
        assert_eq!(read(&values).as_ref(), Some(&moto.address));
    }
    for answer in [host.reboot(), host.reset(), host.poweroff()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    let (answer, values) = host.poll().unwrap();
    assert_success(&answer);
    assert_eq!(values["STATE"], "POWEROFF");
    assert_eq!(assert_success(&host.resume().unwrap()), id);
    for answer in [host.cancel(), host.cancel()] {
        assert_eq!(assert_success(&answer.unwrap()), "");
    }
    assert_eq!(moto.books(), [""; 0]);
    // Terminated, it is still shown, and gone all the same.
    let (answer, _) = host.poll().unwrap();
    assert_failure_with(&answer, &[&id, "is gone"]);
}

#[test]
#[ignore = "needs moto: .ci/run installs it"]
fn a_wrong_secret_and_a_wrong_key_are_told_and_order_nothing() {
    let moto = Moto::start(EVERYTHING);
    let bench = moto.bench();
    for (name, value) in
        [("EC2_SECRET", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), ("EC2_ACCESS", "AKIAIOSFODNN7EXAMPLE")]
    {
        let host = bench.host(&moto.template(1).with(name, value));
        let parts = ["AuthFailure", "check EC2_ACCESS and EC2_SECRET", "nothing was ordered"];
        assert_failure_with(&host.deploy().unwrap(), &parts);
    }
    assert_eq!(moto.books(), [""; 0]);
}

#[test]
#[ignore = "needs moto: .ci/run installs it"]
fn what_the_policy_does_not_allow_is_told() {
    let moto = Moto::start(r#"["ec2:Describe*"]"#);
    let host_bench = moto.bench();
    let host = host_bench.host(&moto.template(1));
    let parts = ["RunInstances", "the policy of EC2_ACCESS", "nothing was ordered"];
    assert_failure_with(&host.deploy().unwrap(), &parts);
}

#[test]
#[ignore = "needs moto: .ci/run installs it"]
fn an_unknown_id_is_gone_and_an_unknown_image_is_refused() {
    let moto = Moto::start(EVERYTHING);
    let bench = moto.bench();
    let id = "i-0123456789abcdef0";
    bench.host(&moto.template(1));
    let run = |action: &str| {
        let words = [id, "host", "1", "host"];
        bench.oneprovision.run("ec2", action, &words).unwrap()
    };
    assert_success(&run("cancel"));
    for action in ["poll", "reboot", "reset"] {
        assert_failure_with(&run(action), &[id, "is gone"]);
    }
    let host = bench.host(&moto.template(2).with("SUBNETID", "subnet-0123456789abcdef0"));
    let parts = ["InvalidSubnetID.NotFound", "section provision", "nothing was ordered"];
    assert_failure_with(&host.deploy().unwrap(), &parts);
}

#[test]
#[ignore = "needs moto: .ci/run installs it"]
fn several_hosts_are_deployed_side_by_side_adopted_and_cancelled() {
    let moto = Moto::start(EVERYTHING);
    let bench = moto.bench();
    let deploy = |id: i32| {
        let host = bench.host(&moto.template(id));
        let answer = host.deploy().unwrap();
        assert_success(&answer).to_owned()
    };
    let mut ids: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = (1..=4).map(|id| scope.spawn(move || deploy(id))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let again = deploy(1);
    assert_eq!(again, ids[0], "a repeated deploy adopts");
    let first = ids.remove(0);
    let words = [first.as_str(), "host", "1", "host"];
    assert_success(&bench.oneprovision.run("ec2", "cancel", &words).unwrap());
    ids.sort();
    assert_eq!(moto.books(), ids);
    let anew = deploy(1);
    assert_ne!(anew, first);
}
