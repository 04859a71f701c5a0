//! OpenStack Ironic itself, with Keystone and with BMCs that speak Redfish where a test wants them.
//!
//! `PM_IRONIC` names a folder made by `python3 -m venv`, with `pip install ironic sushy-tools keystone waitress`;
//! `.ci/run` sees to it. Its hardware is pretended; all that answers is what operators run.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::common::fixture;

/// Who the driver is, under basic authentication and at Keystone, where it is `member` of [`PROJECT`].
pub const USER: &str = "one";
pub const PASSWORD: &str = "a-password-of-one";
/// The project that owns all nodes.
pub const PROJECT: &str = "hosts";
/// Users of Keystone with the same password: one is `reader` of [`PROJECT`], one has no role at all.
pub const READER: &str = "reader";
pub const STRANGER: &str = "stranger";
const ADMIN: &str = "admin";
const ADMIN_PASSWORD: &str = "a-password-of-admin";
const VERSION: &str = "1.115";

/// One at a time: Ironic takes 200 MB, Keystone and the BMCs another 200.
static ONE: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    None,
    Basic,
    Keystone,
}

/// What a node is, and how it is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// No hardware at all; each step takes the time that [`Options`] says.
    Fake,
    /// A system of the emulated BMCs, started from `instance_info.boot_iso` as a virtual CD.
    Redfish,
    /// No hardware, and a deployment of `instance_info.image_source` that waits for an agent which never calls.
    Direct,
}

/// How this Ironic is set. Times are in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Fake hardware takes so long for a step of a deployment (it has two), a change of power, and a cleaning.
    pub deploy_delay: u32,
    pub power_delay: u32,
    pub clean_delay: u32,
    pub automated_clean: bool,
    /// How long a direct deployment waits for its agent.
    pub callback_timeout: u32,
    /// How often power states are asked for; each time takes `last_error` away.
    pub power_sync: u32,
    /// How long a token of Keystone is good.
    pub token_seconds: u32,
    /// How many emulated BMCs there are.
    pub systems: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deploy_delay: 1,
            power_delay: 0,
            clean_delay: 0,
            automated_clean: false,
            callback_timeout: 300,
            power_sync: 60,
            token_seconds: 3600,
            systems: 0,
        }
    }
}

/// An allocation, as Ironic has it.
#[derive(Debug, PartialEq)]
pub struct Allocation {
    pub name: String,
    pub uuid: String,
    pub state: String,
    pub node: Option<String>,
    pub extra: Value,
}

/// An answer: status, `X-Subject-Token`, and the body, which is a string where it is no JSON.
pub struct Answer {
    pub status: u16,
    pub subject_token: String,
    pub body: Value,
}

/// A running Ironic.
pub struct Ironic {
    /// Where it is, without a path.
    pub url: String,
    /// Where Keystone is, with `/v3`; empty without one.
    pub identity: String,
    auth: Auth,
    options: Options,
    bmcs: Mutex<Option<Process>>,
    bmc_port: u16,
    /// The node of each system that is used.
    systems: Mutex<BTreeMap<String, String>>,
    images: String,
    project: String,
    token: Mutex<Option<(Instant, String)>>,
    folder: PathBuf,
    others: Vec<Process>,
    _one: MutexGuard<'static, ()>,
}

impl Ironic {
    pub fn start(auth: Auth, options: Options) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("pm-packet-ironic-{}-{number}", std::process::id()));
        for name in ["http", "bmcs"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("http/boot.iso"), "not read by anybody").unwrap();
        write_configuration(&folder, "sitecustomize.py", &[]);
        let images_port = free_port();
        let mut ironic = Self {
            url: format!("http://127.0.0.1:{}", free_port()),
            identity: String::new(),
            auth,
            options,
            bmcs: Mutex::new(None),
            bmc_port: free_port(),
            systems: Mutex::default(),
            images: format!("http://127.0.0.1:{images_port}"),
            project: String::new(),
            token: Mutex::new(None),
            folder,
            others: Vec::new(),
            _one: one,
        };
        let directory = ironic.folder.join("http").display().to_string();
        let words = ["-m", "http.server", &images_port.to_string(), "-b", "127.0.0.1", "-d", &directory];
        ironic.others.push(Process::start("python", &words, &ironic.folder));
        if options.systems > 0 {
            ironic.start_bmcs();
        }
        if auth == Auth::Keystone {
            ironic.start_keystone();
        }
        ironic.start_ironic();
        ironic
    }

    fn start_ironic(&mut self) {
        let auth = match self.auth {
            Auth::None => "noauth",
            Auth::Basic => "http_basic",
            Auth::Keystone => "keystone",
        };
        let Options { deploy_delay, power_delay, clean_delay, automated_clean, .. } = self.options;
        let (_, port) = self.url.rsplit_once(':').unwrap();
        let values = [
            ("auth", auth),
            ("folder", &self.folder.display().to_string()),
            ("port", port),
            ("images", &self.images),
            ("identity", &self.identity),
            ("admin_password", ADMIN_PASSWORD),
            ("automated_clean", &automated_clean.to_string()),
            ("callback_timeout", &self.options.callback_timeout.to_string()),
            ("power_sync", &self.options.power_sync.to_string()),
            ("deploy_delay", &deploy_delay.to_string()),
            ("power_delay", &power_delay.to_string()),
            ("clean_delay", &clean_delay.to_string()),
        ];
        let file = write_configuration(&self.folder, "ironic.conf", &values);
        fs::write(self.folder.join("htpasswd"), fixture("ironic/htpasswd")).unwrap();
        static SCHEMA: OnceLock<Vec<u8>> = OnceLock::new();
        let database = self.folder.join("ironic.sqlite");
        let create = || {
            run("ironic-dbsync", &["--config-file", &file, "create_schema"], &self.folder);
            database_of(&database)
        };
        fs::write(&database, SCHEMA.get_or_init(create)).unwrap();
        self.others.push(Process::start("ironic", &["--config-file", &file], &self.folder));
        // It has drivers as soon as its conductor works.
        self.wait_for("Ironic", |ironic| {
            let answer = ironic.try_request("GET", "/v1/drivers", &Value::Null);
            answer.is_some_and(|(status, body)| status == 200 && body["drivers"][0].is_object())
        });
    }

    fn start_keystone(&mut self) {
        let folder = self.folder.display().to_string();
        let port = free_port().to_string();
        self.identity = format!("http://127.0.0.1:{port}/v3");
        let values = [("folder", folder.as_str()), ("token_seconds", &self.options.token_seconds.to_string())];
        let file = write_configuration(&self.folder, "keystone.conf", &values);
        // A primary key and a staged one, each the base64 of 32 bytes.
        fs::create_dir(self.folder.join("fernet")).unwrap();
        for (name, letter) in [("0", "MDAw"), ("1", "MTEx")] {
            fs::write(self.folder.join("fernet").join(name), format!("{}{}=", letter.repeat(10), &letter[..3]))
                .unwrap();
        }
        static SCHEMA: OnceLock<Vec<u8>> = OnceLock::new();
        let database = self.folder.join("keystone.sqlite");
        let create = || {
            run("keystone-manage", &["--config-file", &file, "db_sync"], &self.folder);
            database_of(&database)
        };
        fs::write(&database, SCHEMA.get_or_init(create)).unwrap();
        let words = ["--config-file", &file, "bootstrap", "--bootstrap-password", ADMIN_PASSWORD];
        let places = ["--bootstrap-public-url", &self.identity, "--bootstrap-internal-url", &self.identity];
        let region = ["--bootstrap-region-id", "here"];
        run("keystone-manage", &[&words[..], &places, &region].concat(), &self.folder);
        let script = write_configuration(&self.folder, "serve.py", &[]);
        self.others.push(Process::start("python", &[&script, &file, &port], &self.folder));
        self.wait_for("Keystone", |ironic| send("GET", &ironic.identity, &[], &Value::Null).is_ok());
        self.fill_keystone();
    }

    /// The project, the users, and Ironic's entry in the catalogue.
    fn fill_keystone(&mut self) {
        let ask = |method: &str, path: &str, body: Value| {
            let url = format!("{}/{path}", self.identity);
            let answer = send(method, &url, &[("X-Auth-Token", &self.harness_token())], &body).unwrap();
            assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
            answer.body
        };
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        let body = json!({"project": {"name": PROJECT, "domain_id": "default"}});
        let project = text(&ask("POST", "projects", body)["project"]["id"]);
        let roles = ask("GET", "roles", Value::Null);
        let role = |name: &str| {
            let roles = roles["roles"].as_array().unwrap();
            text(&roles.iter().find(|role| role["name"] == name).expect(name)["id"])
        };
        for (name, has) in [(USER, Some("member")), (READER, Some("reader")), (STRANGER, None)] {
            let body = json!({"user": {"name": name, "password": PASSWORD, "domain_id": "default"}});
            let user = text(&ask("POST", "users", body)["user"]["id"]);
            if let Some(has) = has {
                ask("PUT", &format!("projects/{project}/users/{user}/roles/{}", role(has)), Value::Null);
            }
        }
        let service = ask("POST", "services", json!({"service": {"type": "baremetal", "name": "ironic"}}));
        let service = text(&service["service"]["id"]);
        for interface in ["public", "internal", "admin"] {
            let endpoint = json!({"service_id": service, "interface": interface, "region_id": "here", "url": self.url});
            ask("POST", "endpoints", json!({"endpoint": endpoint}));
        }
        self.project = project;
    }

    fn wait_for(&mut self, what: &str, is_up: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(90);
        while !is_up(self) {
            let process = self.others.last_mut().unwrap();
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{what} does not come up: {ended:?}\n{}", process.last());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Switches the BMCs themselves on; their systems are as they were.
    pub fn start_bmcs(&self) {
        let systems: Vec<String> = (0..self.options.systems).map(system).collect();
        let folder = self.folder.join("bmcs").display().to_string();
        let values = [("port", &self.bmc_port.to_string()), ("folder", &folder), ("systems", &format!("{systems:?}"))];
        let values = values.map(|(name, value)| (name, value.as_str()));
        let file = write_configuration(&self.folder, "sushy.conf", &values);
        *self.bmcs.lock().unwrap() = Some(Process::start("sushy-emulator", &["--config", &file], &self.folder));
        let end = Instant::now() + Duration::from_secs(30);
        while send("GET", &self.bmc(""), &[], &Value::Null).is_err() {
            assert!(
                Instant::now() < end,
                "the BMCs do not come up: {}",
                self.bmcs.lock().unwrap().as_ref().unwrap().last()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets nobody reach a BMC any more.
    pub fn stop_bmcs(&self) {
        *self.bmcs.lock().unwrap() = None;
    }

    fn bmc(&self, system: &str) -> String {
        format!("http://127.0.0.1:{}/redfish/v1/Systems/{system}", self.bmc_port)
    }

    /// `On` or `Off`, as the node's BMC says it; Ironic is not asked.
    pub fn bmc_power(&self, node: &str) -> String {
        let system = self.systems.lock().unwrap()[node].clone();
        let answer = send("GET", &self.bmc(&system), &[], &Value::Null).unwrap();
        answer.body["PowerState"].as_str().expect("no PowerState").to_owned()
    }

    /// Where there is a file that a node can be deployed with, and its MD5.
    pub fn image(&self) -> (String, &'static str) {
        (format!("{}/boot.iso", self.images), "48f7e17adb3aeda7eb9acfb80169a4c1")
    }

    /// Where there is none: its server answers 404.
    pub fn missing_image(&self) -> String {
        format!("{}/missing.iso", self.images)
    }

    /// Brings up a node that can be ordered, owned by [`PROJECT`] at Keystone. Returns its UUID.
    pub fn node(&self, name: &str, resource_class: &str, how: How) -> String {
        let mut node = json!({"name": name, "resource_class": resource_class, "driver": "fake-hardware"});
        node["deploy_interface"] = json!("fake");
        match how {
            How::Fake => {}
            How::Redfish => {
                let mut systems = self.systems.lock().unwrap();
                let system = system(systems.len());
                node["driver"] = json!("redfish");
                node["deploy_interface"] = json!("ramdisk");
                node["boot_interface"] = json!("redfish-virtual-media");
                node["driver_info"] = json!({
                    "redfish_address": format!("http://127.0.0.1:{}", self.bmc_port),
                    "redfish_system_id": format!("/redfish/v1/Systems/{system}"),
                    "redfish_username": "admin",
                    "redfish_password": "password",
                });
                systems.insert(name.to_owned(), system);
            }
            How::Direct => {
                node["deploy_interface"] = json!("direct");
                let image = self.image().0;
                node["driver_info"] = json!({"deploy_kernel": image, "deploy_ramdisk": image});
                node["properties"] = json!({"local_gb": 1, "memory_mb": 1, "cpu_arch": "x86_64"});
            }
        }
        if self.auth == Auth::Keystone {
            node["owner"] = json!(self.project);
        }
        let made = self.ask("POST", "/v1/nodes", &node);
        let uuid = made["uuid"].as_str().unwrap().to_owned();
        if how == How::Direct {
            self.ask("POST", "/v1/ports", &json!({"node_uuid": uuid, "address": "52:54:00:00:00:99"}));
        }
        for (target, state) in [("manage", "manageable"), ("provide", "available")] {
            self.provision(name, target);
            self.wait_until(name, state);
        }
        // Fake hardware has no power state before it was given one, and then cannot be allocated.
        if how != How::Redfish {
            let path = format!("/v1/nodes/{name}/states/power");
            self.ask("PUT", &path, &json!({"target": "power off"}));
        }
        let end = Instant::now() + Duration::from_secs(60);
        while self.power_state(name).is_none() || !self.field(name, "reservation").is_null() {
            assert!(Instant::now() < end, "{name} gets no power state");
            thread::sleep(Duration::from_millis(100));
        }
        uuid
    }

    /// Asks for a new provision state: `active`, `deleted`, `manage`, `provide`.
    pub fn provision(&self, node: &str, target: &str) {
        self.ask("PUT", &format!("/v1/nodes/{node}/states/provision"), &json!({"target": target}));
    }

    pub fn provision_state(&self, node: &str) -> String {
        self.field(node, "provision_state").as_str().unwrap().to_owned()
    }

    pub fn power_state(&self, node: &str) -> Option<String> {
        self.field(node, "power_state").as_str().map(str::to_owned)
    }

    pub fn instance_uuid(&self, node: &str) -> Option<String> {
        self.field(node, "instance_uuid").as_str().map(str::to_owned)
    }

    /// What a node says of itself in this field.
    pub fn field(&self, node: &str, name: &str) -> Value {
        self.ask("GET", &format!("/v1/nodes/{node}?fields={name}"), &Value::Null)[name].clone()
    }

    /// Every allocation there is, in the order of their names.
    pub fn allocations(&self) -> Vec<Allocation> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = self.ask("GET", "/v1/allocations", &Value::Null);
        let mut all: Vec<Allocation> = found["allocations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| Allocation {
                name: text(&one["name"]),
                uuid: text(&one["uuid"]),
                state: text(&one["state"]),
                node: one["node_uuid"].as_str().map(str::to_owned),
                extra: one["extra"].clone(),
            })
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    pub fn set_maintenance(&self, node: &str, is_so: bool) {
        let method = if is_so { "PUT" } else { "DELETE" };
        let body = if is_so { json!({"reason": "a fan"}) } else { Value::Null };
        self.ask(method, &format!("/v1/nodes/{node}/maintenance"), &body);
    }

    /// Forbids that a node which is deployed is undeployed, or allows it again.
    pub fn set_protected(&self, node: &str, is_so: bool) {
        self.patch(node, "/protected", json!(is_so));
    }

    /// Sets something of a node.
    pub fn patch(&self, node: &str, path: &str, value: Value) {
        let body = json!([{"op": "add", "path": path, "value": value}]);
        self.ask("PATCH", &format!("/v1/nodes/{node}"), &body);
    }

    /// Moves a node into a conductor group that no conductor serves: Ironic refuses it, so its database is told.
    pub fn lose_conductor(&self, node: &str) {
        self.set_in_database(node, "conductor_group", "rack9");
    }

    /// Puts a node into a provision state that Ironic does not have.
    pub fn ponder(&self, node: &str) {
        self.set_in_database(node, "provision_state", "pondering");
    }

    /// Leaves a node as Ironic does when its database fails while it undeploys it: without its instance, in `deleting`,
    /// and with its allocation.
    pub fn cut_off(&self, node: &str) {
        for (column, value) in [("provision_state", "deleting"), ("target_provision_state", "available")] {
            self.set_in_database(node, column, value);
        }
        self.set_in_database(node, "instance_uuid", "");
    }

    /// Sets a column of a node, to null where the value is empty.
    fn set_in_database(&self, node: &str, column: &str, value: &str) {
        let script = "import sqlite3, sys\n\
                      with sqlite3.connect(sys.argv[1], timeout=30) as database:\n    \
                      database.execute(f\"UPDATE nodes SET {sys.argv[2]} = NULLIF(?, '') WHERE name = ?\", sys.argv[3:])";
        let database = self.folder.join("ironic.sqlite").display().to_string();
        run("python", &["-c", script, &database, column, value, node], &self.folder);
    }

    /// Waits until a node is in this provision state, for two minutes.
    pub fn wait_until(&self, node: &str, state: &str) {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let now = self.provision_state(node);
            if now == state {
                return;
            }
            assert!(Instant::now() < end, "{node} is {now}, and not {state}: {:?}", self.errors(node));
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What went wrong on a node so far, the oldest first.
    pub fn errors(&self, node: &str) -> Vec<String> {
        let history = self.ask("GET", &format!("/v1/nodes/{node}/history"), &Value::Null);
        let history = history["history"].as_array().unwrap();
        let errors = history.iter().filter(|entry| entry["severity"] == "ERROR");
        errors.map(|entry| entry["event"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Sends a request as one who may do everything. A node that is locked for the moment is asked again.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, answer) = self.request(method, path, body);
            if status < 300 {
                return answer;
            }
            assert!(status == 409 && Instant::now() < end, "{method} {path}: {status} {answer}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// The same, for whatever answer there is.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_request(method, path, body).expect("Ironic does not answer")
    }

    fn try_request(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let header = match self.auth {
            Auth::None => None,
            Auth::Basic => Some(("Authorization", basic(USER, PASSWORD))),
            Auth::Keystone => Some(("X-Auth-Token", self.harness_token())),
        };
        let headers: Vec<_> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.request_with(method, path, &headers, body).ok()?;
        Some((answer.status, answer.body))
    }

    /// Sends a request to Ironic with no other credentials than those in `headers`.
    pub fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, ureq::Error> {
        let version = [("X-OpenStack-Ironic-API-Version", VERSION)];
        send(method, &format!("{}{path}", self.url), &[&version[..], headers].concat(), body)
    }

    fn sign_in(&self, user: &str, password: &str, scope: &Value) -> Answer {
        let user = json!({"name": user, "domain": {"id": "default"}, "password": password});
        let identity = json!({"methods": ["password"], "password": {"user": user}});
        let body = json!({"auth": {"identity": identity, "scope": scope}});
        send("POST", &format!("{}/auth/tokens", self.identity), &[], &body).unwrap()
    }

    /// A token for the whole system, with half of its time left.
    fn harness_token(&self) -> String {
        let mut token = self.token.lock().unwrap();
        let fresh = Duration::from_secs(u64::from(self.options.token_seconds)) / 2;
        if token.as_ref().is_none_or(|(since, _)| since.elapsed() > fresh) {
            let since = Instant::now();
            let answer = self.sign_in(ADMIN, ADMIN_PASSWORD, &json!({"system": {"all": true}}));
            assert_eq!(answer.status, 201, "{}", answer.body);
            *token = Some((since, answer.subject_token));
        }
        token.as_ref().unwrap().1.clone()
    }
}

impl Drop for Ironic {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.others.last().map(Process::last).unwrap_or_default();
            eprintln!("what Ironic said last:\n{log}");
        }
        self.others.clear();
        self.stop_bmcs();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server, until it is dropped.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(program: &str, words: &[&str], folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = folder.join(format!("{program}-{number}.log"));
        let file = fs::File::create(&log).unwrap();
        let child = command(program, folder).args(words).stderr(file).spawn().expect("PM_IRONIC lacks a program");
        Self { child, log }
    }

    /// The end of what it said, without the requests that it answered.
    fn last(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" INFO ")).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ironic works in a child of the process that was started, which one of its threads made.
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let children: Vec<String> =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
        let _ = self.child.kill();
        let _ = self.child.wait();
        for child in children.iter().flat_map(|ids| ids.split_whitespace()).filter_map(|id| id.parse().ok()) {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
        }
    }
}

/// A program of the folder that `PM_IRONIC` names, which leaves its files in `folder`.
fn command(program: &str, folder: &Path) -> Command {
    let venv = std::env::var("PM_IRONIC").expect("PM_IRONIC names no folder");
    let mut command = Command::new(Path::new(&venv).join("bin").join(program));
    command.env("TMPDIR", folder).env("PYTHONPATH", folder).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn run(program: &str, words: &[&str], folder: &Path) {
    let output = command(program, folder).args(words).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a file of `tests/fixtures/ironic` with these values. Returns its path.
fn write_configuration(folder: &Path, name: &str, values: &[(&str, &str)]) -> String {
    let text = fixture(&format!("ironic/{name}"));
    let text = values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A database of SQLite as a file, set to a write-ahead log: without one, Ironic's threads lock each other out ("database
/// is locked"). 2 says so in the bytes 18 and 19: <https://sqlite.org/fileformat2.html#file_format_version_numbers>.
fn database_of(path: &Path) -> Vec<u8> {
    let mut database = fs::read(path).unwrap();
    database[18..20].fill(2);
    database
}

fn system(number: usize) -> String {
    format!("27946b59-9e44-4fa7-8e91-{number:012}")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// The value of `Authorization` for a user.
pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {both}")
}

/// Sends a request; without a body where `body` is null.
fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer, ureq::Error> {
    let time = Some(Duration::from_secs(60));
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(time);
    let agent = ureq::Agent::new_with_config(config.build());
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = if body.is_null() {
        agent.run(request.body(())?)?
    } else {
        agent.run(request.header("Content-Type", "application/json").body(body.to_string())?)?
    };
    let token = response.headers().get("X-Subject-Token").and_then(|token| token.to_str().ok());
    let subject_token = token.unwrap_or_default().to_owned();
    let text = response.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status: response.status().as_u16(), subject_token, body })
}
