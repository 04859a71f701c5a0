//! What every test of the binary starts from: the simulator, a folder of links to the real binary, a home with
//! oneadmin's credentials, and oneprovision to call through them in a scrubbed environment.

pub mod orders;
pub mod phase;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pm_packet::engine::journal::Journal;
use pm_packet::opennebula::owner::Owner;
use pm_packet::provider::packet::Packet;
use pm_packet::provider::{PROVIDERS, Provider};
use simulator::oneprovision::{Answer, Host};
use simulator::{
    ENCRYPTED_TOKEN, ENCRYPTED_TOKEN_5_8, Effect, Fault, HostTemplate, IRONIC_PASSWORD, ONE_KEY, Oneprovision,
    Operation, Options, SCALEWAY_KEY, SESSION, Service, Simulator, TOKEN,
};

/// The real binary: cargo's, or, such as one that was packaged, that which PM_PACKET_BINARY named when this was compiled.
pub const BINARY: &str = match option_env!("PM_PACKET_BINARY") {
    Some(binary) => binary,
    None => env!("CARGO_BIN_EXE_pm-packet"),
};
/// The six actions.
pub const ACTIONS: [&str; 6] = ["cancel", "deploy", "poll", "reboot", "reset", "shutdown"];
/// How the password of every machine begins.
pub const ROOT_PASSWORD: &str = "h4x0r";
/// A deploy id that no machine has.
pub const UNKNOWN_ID: &str = "00000000-1111-2222-3333-444444444444";

/// A front-end with the driver installed, beside a provider.
pub struct Bench {
    pub simulator: Simulator,
    pub oneprovision: Oneprovision,
    folder: PathBuf,
}

impl Bench {
    /// One whose waits may take 20 s: enough for every test, and short where one hangs.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("pm-packet-{}-{number}", std::process::id()));
        let home = folder.join("home");
        fs::create_dir_all(home.join(".one")).unwrap();
        let mut one_auth =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(home.join(".one/one_auth")).unwrap();
        writeln!(one_auth, "{SESSION}").unwrap();
        for provider in PROVIDERS {
            let links = folder.join("remotes/pm").join(provider.spec().name);
            fs::create_dir_all(&links).unwrap();
            for action in ACTIONS {
                symlink("../pm-packet", links.join(action)).unwrap();
            }
        }
        symlink(BINARY, folder.join("remotes/pm/pm-packet")).unwrap();
        let simulator = Simulator::start(options).unwrap();
        let oneprovision = Oneprovision::new(&folder.join("remotes"), &home, &simulator).with("PM_TIMEOUT", "20");
        Self { simulator, oneprovision, folder }
    }

    /// The same with another variable in the drivers' environment.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.oneprovision = self.oneprovision.clone().with(name, value);
        self
    }

    /// The same where the drivers' clock runs ten times as fast, and one wait may take so many of its seconds: an
    /// order without an answer is looked for during 72 of them.
    pub fn lapsing(self, seconds: &str) -> Self {
        self.lapsing_by(10, seconds)
    }

    /// The same where it runs so many times as fast.
    pub fn lapsing_by(self, rate: u32, seconds: &str) -> Self {
        self.set("TIME_LAPSE_FOR_TESTS", &rate.to_string()).set("PM_TIMEOUT", seconds)
    }

    /// The same without a variable.
    pub fn unset(mut self, name: &str) -> Self {
        self.oneprovision = self.oneprovision.clone().without(name);
        self
    }

    /// The same with a host like the recorded one, whose id is 7, in oned.
    pub fn with_host_7(self) -> Self {
        self.host(&HostTemplate::new(7));
        self
    }

    /// Registers a host in oned.
    pub fn host(&self, template: &HostTemplate) -> Host<'_> {
        let id = self.simulator.oned().add(template).unwrap();
        self.registered(id)
    }

    /// A host that is in oned already.
    pub fn registered(&self, id: i32) -> Host<'_> {
        self.oneprovision.host(self.simulator.oned(), id)
    }

    /// Deploys a host like the recorded one, which is registered first.
    pub fn deploy(&self, id: i32) -> Answer {
        self.host(&HostTemplate::new(id)).deploy().unwrap()
    }

    /// A host like the recorded one, its machine ordered and up: the host, and its deploy id.
    pub fn deployed(&self, id: i32) -> (Host<'_>, String) {
        let host = self.host(&HostTemplate::new(id));
        let answer = host.deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        (host, answer.stdout.trim().to_owned())
    }

    /// A machine of host 7 that is up and takes a moment to go down and up, on a bench whose deadline is this many
    /// seconds from now on: the bench, and its deploy id.
    pub fn deployed_with_deadline(seconds: &str) -> (Self, String) {
        let bench = Self::with(taking(100));
        let (_, id) = bench.deployed(7);
        (bench.set("PM_TIMEOUT", seconds), id)
    }

    /// Runs an action through its link in `remotes/pm/packet`.
    pub fn run(&self, action: &str, words: &[&str]) -> Answer {
        let answer = self.oneprovision.run("packet", action, words).unwrap();
        assert_discreet(&answer);
        answer
    }

    /// Starts an action through its link, without a shell in between, so that signals reach it.
    pub fn start(&self, action: &str, words: &[&str]) -> Child {
        self.command(action, words).spawn().unwrap()
    }

    /// An action as a command: its link called with these words, nothing on STDIN, pipes for the rest.
    pub fn command(&self, action: &str, words: &[&str]) -> Command {
        self.command_of("packet", action, words)
    }

    /// The same through the link in the folder of another driver.
    pub fn command_of(&self, driver: &str, action: &str, words: &[&str]) -> Command {
        let link = self.folder.join("remotes/pm").join(driver).join(action);
        self.command_at(&link, words)
    }

    /// The binary itself, for explicit subcommands.
    pub fn explicit(&self, words: &[&str]) -> Command {
        self.command_at(Path::new(BINARY), words)
    }

    pub fn command_at(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .envs(&self.oneprovision.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs an action through its link, without a shell in between, with this on STDIN.
    pub fn feed(&self, action: &str, words: &[&str], stdin: &[u8]) -> Answer {
        let mut child = self.command(action, words).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // A driver that has read enough closes the pipe.
        let _ = pipe.write_all(stdin);
        drop(pipe);
        finish(child)
    }

    /// A path in the bench's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file in the bench's own folder, readable by its owner alone.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path.display().to_string()
    }

    /// Lets an effect strike the next request for this.
    pub fn fault(&self, on: Operation, effect: Effect) {
        self.simulator.fault(Fault::new(on, effect));
    }

    /// Lets an effect strike every request for this from now on.
    pub fn fault_always(&self, on: Operation, effect: Effect) {
        self.simulator.fault(Fault::new(on, effect).forever());
    }

    /// How many requests came to a service.
    pub fn count_of(&self, service: Service) -> usize {
        let requests = self.simulator.requests();
        requests.iter().filter(|r| r.service == service).count()
    }

    /// How many requests for this came.
    pub fn count(&self, operation: Operation) -> usize {
        let requests = self.simulator.requests();
        requests.iter().filter(|r| r.operation == operation).count()
    }

    /// Asserts that the provider's books hold exactly these machines.
    pub fn assert_books(&self, ids: &[&str]) {
        let mut held: Vec<String> = self.simulator.devices().into_iter().map(|d| d.id).collect();
        let mut expected: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        held.sort();
        expected.sort();
        // A deleted machine is in the books until it is deprovisioned.
        let end = Instant::now() + Duration::from_secs(5);
        while held != expected && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
            held = self.simulator.devices().into_iter().map(|d| d.id).collect();
            held.sort();
        }
        assert_eq!(held, expected, "the provider's books");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        // Whatever a test is about, what it ordered is judged.
        if !std::thread::panicking() {
            orders::assert_taken(&self.simulator);
        }
    }
}

/// The answer of a process that was started by [`Bench::start`] or a command of this module.
pub fn finish(child: Child) -> Answer {
    let started = Instant::now();
    let output = child.wait_with_output().unwrap();
    let answer = Answer {
        command: String::new(),
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        elapsed: started.elapsed(),
    };
    assert_discreet(&answer);
    answer
}

/// Asserts that neither stream of a run holds a token, the session, or, unless it was asked for, a password.
pub fn assert_discreet(answer: &Answer) {
    let both = answer.stdout.clone() + &answer.stderr;
    for secret in [TOKEN, ENCRYPTED_TOKEN, ENCRYPTED_TOKEN_5_8, ONE_KEY, SESSION, IRONIC_PASSWORD, SCALEWAY_KEY] {
        assert!(!both.contains(secret), "{secret} in {answer:?}");
    }
    let asked_for = answer.stdout.contains(" ROOT_PASSWORD=");
    let others = if asked_for { &answer.stderr } else { &both };
    assert!(!others.contains(ROOT_PASSWORD), "a password in {answer:?}");
}

/// Asserts a failure as the contract has it: exit code 255, nothing on stdout, one frame. Returns its first
/// line.
pub fn assert_failure(answer: &Answer) -> String {
    assert_discreet(answer);
    assert_eq!(answer.status.code(), Some(255), "{answer:?}");
    assert_eq!(answer.stdout, "", "{answer:?}");
    assert_eq!(answer.stderr.matches("ERROR MESSAGE --8<------\n").count(), 1, "{answer:?}");
    let first = answer.error().unwrap_or_default();
    assert!(!first.is_empty(), "{answer:?}");
    first
}

/// Asserts a failure as the contract has it, whose first line holds each of `parts`. Returns that line.
pub fn assert_failure_with(answer: &Answer, parts: &[&str]) -> String {
    let first = assert_failure(answer);
    for part in parts {
        assert!(first.contains(part), "no {part:?} in {first:?}");
    }
    first
}

/// Asserts success with no word of complaint. Returns what was printed.
pub fn assert_success(answer: &Answer) -> &str {
    assert_discreet(answer);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(answer.stderr, "", "{answer:?}");
    &answer.stdout
}

/// Asserts success with one line of complaint, which begins with `warning`. Returns what was printed.
pub fn assert_warned<'a>(answer: &'a Answer, warning: &str) -> &'a str {
    assert_discreet(answer);
    assert!(answer.is_success(), "{answer:?}");
    assert!(answer.stderr.starts_with(warning), "{answer:?}");
    assert_eq!(answer.stderr.lines().count(), 1, "{answer:?}");
    &answer.stdout
}

/// Waits until `is_so`, and fails with `what` after ten seconds.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "not in ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A deploy whose stdout is a pipe that is full; nobody reads from its other end, which is returned too.
pub fn unread_deploy(bench: &Bench, host: &Host<'_>) -> (Child, std::io::PipeReader) {
    let file = host.write_deployment_file().unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&[b' '; 65536]).unwrap();
    let mut deploy = bench.command("deploy", &[&file, "TODO"]);
    (deploy.stdout(Stdio::from(writer)).spawn().unwrap(), reader)
}

/// A pipe for a process to write to, which nobody reads.
pub fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Stdio::from(writer)
}

/// Sends a signal to a process.
pub fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, signal).unwrap();
}

/// Behaviour of machines that take so many milliseconds to be up, and to go down and up.
pub fn taking(milliseconds: u64) -> Options {
    let time = Duration::from_millis(milliseconds);
    Options { provisioning: time..=time, powering: time, ..Options::default() }
}

/// The XML of host 7 with these attributes, its token in the clear and without its id: oned is not asked about it.
pub fn unregistered(attributes: &[(&str, &str)]) -> String {
    let template = attributes.iter().fold(HostTemplate::new(7), |host, (name, value)| host.with(name, value));
    template.xml().replace("<ID>7</ID>", "")
}

/// What everybody may do with a file, from now on.
pub fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The text of a fixture.
pub fn fixture(name: &str) -> String {
    fs::read_to_string(fixture_path(name)).unwrap()
}

/// Where a fixture is.
pub fn fixture_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The tag by which the machines of the host with this id are found.
pub fn identity(id: i32) -> String {
    format!("ONE_PROVISION_HOST=7a15cf52-8e99-4887-a6a6-ebf8d8536437:{id}")
}

/// Runs `check` on all cases at once, for they mostly wait, and names those that failed.
pub fn each<C: std::fmt::Debug + Sync>(cases: &[C], check: impl Fn(&C) + Sync) {
    let check = &check;
    let failed: Vec<&C> = std::thread::scope(|scope| {
        let runs: Vec<_> = cases.iter().map(|case| (case, scope.spawn(move || check(case)))).collect();
        runs.into_iter().filter_map(|(case, run)| run.join().is_err().then_some(case)).collect()
    });
    // A case may be megabytes long.
    let named: Vec<String> = failed.iter().map(|case| format!("{case:?}").chars().take(200).collect()).collect();
    assert!(failed.is_empty(), "these failed: {named:#?}");
}

impl Bench {
    /// Starts the deploy of a host, without a shell in between, so that signals reach it.
    pub fn start_deploy(&self, host: &Host<'_>) -> Child {
        let file = host.write_deployment_file().unwrap();
        self.start("deploy", &[&file, "TODO"])
    }

    /// Where `deploy` keeps its journal for a host, while something of it may be left behind.
    pub fn journal(&self, id: i32) -> PathBuf {
        let folder = self.path("home/.local/state/pm-packet");
        let (host, _) = pm_packet::opennebula::host::Host::parse(&HostTemplate::new(id).xml()).unwrap();
        let journal = Journal::in_folder(&folder, Packet.spec(), &Owner::of(&host));
        journal.path().to_owned()
    }

    /// Waits until this was asked for so many times.
    pub fn until_asked(&self, operation: Operation, times: usize) {
        until(&format!("{operation:?} {times} times"), || self.count(operation) >= times);
    }
}
