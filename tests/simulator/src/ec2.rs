//! A small EC2 on loopback: what an emulator of the whole does not do. Instances take their time, are not shown
//! at once, and fail; `ClientToken` is honoured; faults strike, throttling and want of capacity among them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quick_xml::escape::escape;

use crate::desk::{Connection, Desk};
use crate::fault::{Answer, Effect, Fault, Operation};
use crate::http::{self, Delivery, Reply, Response, Server, Target, lock};
use crate::log::{Request, Service};
use crate::random::Random;

/// The id of the access key that is accepted.
pub const ACCESS: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret. It is not looked at: signatures are for an emulator of the whole to verify.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// How the small EC2 behaves. The default is fast.
#[derive(Clone, Debug)]
pub struct Ec2Options {
    /// How long an instance is `pending`.
    pub pending: Duration,
    /// How long an instance is `stopping`, and `shutting-down`.
    pub leaving: Duration,
    /// How long a new instance is not shown, neither in listings nor by its id.
    pub lag: Duration,
    /// How long a terminated instance is shown (EC2: about an hour).
    pub shown: Duration,
    /// The most instances of a page.
    pub page: usize,
    /// How many requests the log keeps.
    pub log: usize,
    /// Everything random is drawn from it.
    pub seed: u64,
}

impl Default for Ec2Options {
    fn default() -> Self {
        Ec2Options {
            pending: Duration::from_millis(30),
            leaving: Duration::from_millis(30),
            lag: Duration::ZERO,
            shown: Duration::from_secs(3600),
            page: 1000,
            log: 100_000,
            seed: 1,
        }
    }
}

/// An instance.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// Its state, in EC2's words.
    pub state: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The parameters that it was ordered with.
    pub order: BTreeMap<String, String>,
    /// Its public address, while it is up.
    pub public_ip: Option<String>,
    /// Why it is in its state.
    pub reason: Option<String>,
    born: Duration,
    since: Duration,
    /// What it will be, and when.
    next: Vec<(Duration, &'static str)>,
    elastic_ip: Option<String>,
    is_stuck: bool,
    is_protected: bool,
    lag: Duration,
    number: u32,
}

impl Instance {
    /// Whether it is billed: not yet going away.
    pub fn is_billed(&self) -> bool {
        !matches!(self.state.as_str(), "shutting-down" | "terminated")
    }

    fn live(&mut self, now: Duration) {
        while let Some((at, state)) = self.next.first().copied()
            && at <= now
        {
            self.next.remove(0);
            self.enter(state, at);
        }
    }

    fn enter(&mut self, state: &str, at: Duration) {
        state.clone_into(&mut self.state);
        self.since = at;
        match state {
            // Each start brings another address, unless it is an elastic one.
            "running" => {
                self.number += 1;
                let own = format!("203.0.113.{}", self.number % 250 + 1);
                self.public_ip = Some(self.elastic_ip.clone().unwrap_or(own));
            }
            "stopping" | "shutting-down" => {}
            _ => self.public_ip = None,
        }
    }

    fn plan(&mut self, now: Duration, state: &'static str, then: (Duration, &'static str)) {
        self.next.clear();
        self.enter(state, now);
        if !(self.is_stuck && state == "pending") {
            self.next.push((now + then.0, then.1));
        }
    }
}

/// A small EC2 on a port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct Ec2 {
    server: Server,
    cloud: Arc<Cloud>,
}

#[derive(Debug)]
struct Cloud {
    desk: Desk,
    options: Ec2Options,
    world: Mutex<World>,
}

#[derive(Debug)]
struct World {
    random: Random,
    instances: Vec<Instance>,
    /// What each ClientToken ordered: the whole request, and the instance.
    tokens: HashMap<String, (String, String)>,
}

impl Ec2 {
    /// Binds the port and starts the server.
    pub fn start(options: Ec2Options) -> io::Result<Self> {
        let cloud = Arc::new(Cloud {
            desk: Desk::new(options.seed, options.log),
            world: Mutex::new(World {
                random: Random::new(options.seed),
                instances: Vec::new(),
                tokens: HashMap::new(),
            }),
            options,
        });
        let stop = Arc::clone(&cloud.desk.stop);
        Ok(Ec2 {
            server: Server::start(0, None, stop, Arc::clone(&cloud))?,
            cloud,
        })
    }

    /// Base URL of EC2 and of CloudWatch.
    pub fn url(&self) -> String {
        format!("http://{}/", self.server.address())
    }

    /// Every instance that ever was, oldest first.
    pub fn instances(&self) -> Vec<Instance> {
        self.cloud.living().instances.clone()
    }

    /// An instance by its id.
    pub fn instance(&self, id: &str) -> Option<Instance> {
        self.instances().into_iter().find(|one| one.id == id)
    }

    /// Orders a machine as somebody else would, without a token.
    pub fn add(&self, order: &[(String, String)]) {
        let form = order.iter().filter(|(name, _)| name != "ClientToken");
        let form = Target::of_pairs(form.cloned());
        let now = self.cloud.desk.clock.now();
        // What an order could be refused for, is not in this one.
        let _ = self.cloud.run(&mut self.cloud.living(), &form, "", now);
    }

    /// Changes an instance: puts it in a state, in which it stays until something is asked of it, and says why.
    pub fn put(&self, id: &str, state: &str, reason: Option<&str>) {
        let now = self.cloud.desk.clock.now();
        let mut world = self.cloud.living();
        if let Some(instance) = world.instances.iter_mut().find(|one| one.id == id) {
            instance.next.clear();
            instance.enter(state, now);
            instance.reason = reason.map(str::to_owned);
        }
    }

    /// Lets something go wrong. RunInstances is [`Operation::Create`], DescribeInstances [`Operation::Get`] or
    /// [`Operation::List`], TerminateInstances [`Operation::Delete`], CloudWatch [`Operation::Bandwidth`],
    /// AssociateAddress [`Operation::Action`], DescribeInstanceTypes [`Operation::Catalogue`].
    pub fn fault(&self, fault: Fault) {
        self.cloud.desk.add(fault);
    }

    /// Ends what faults are still to strike.
    pub fn clear_faults(&self) {
        self.cloud.desk.clear_faults();
    }

    /// The requests that came, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.cloud.desk.requests()
    }

    /// An error as EC2 words it.
    pub fn error(status: u16, code: &str, message: &str) -> Effect {
        Effect::Status(Answer::new(status).body(&error(code, message)))
    }
}

impl http::Service for Cloud {
    type Connection = Connection;

    fn connect(&self) -> Result<Connection, Delivery> {
        self.desk.connect(Operation::Connection)
    }

    fn answer(&self, connection: &mut Connection, request: http::Request) -> Reply {
        let form = Target::parse(&format!("/?{}", String::from_utf8_lossy(&request.body)));
        let id = form.get("InstanceId.1").or(form.get("InstanceId"));
        let operation = match form.get("Action").unwrap_or_default() {
            "RunInstances" => Operation::Create,
            "DescribeInstances" if id.is_some() => Operation::Get,
            "DescribeInstances" => Operation::List,
            "TerminateInstances" => Operation::Delete,
            "StartInstances" => Operation::PowerOn,
            "StopInstances" => Operation::PowerOff,
            "RebootInstances" => Operation::Reboot,
            "AssociateAddress" => Operation::Action,
            "DescribeInstanceTypes" => Operation::Catalogue,
            "GetMetricData" => Operation::Bandwidth,
            _ => Operation::Api,
        };
        let about = (Service::Api, operation, id);
        self.desk.answer(connection, about, &request, || {
            match self.carry_out(&request, &form, id) {
                Ok(xml) => Response::new(200, XML, xml),
                Err((status, code, message)) => Response::new(status, XML, error(code, &message)),
            }
        })
    }
}

const XML: &str = "text/xml;charset=UTF-8";
type Refusal = (u16, &'static str, String);

impl Cloud {
    fn living(&self) -> std::sync::MutexGuard<'_, World> {
        let now = self.desk.clock.now();
        let mut world = lock(&self.world);
        for instance in &mut world.instances {
            instance.live(now);
        }
        world
    }

    fn carry_out(
        &self,
        request: &http::Request,
        form: &Target,
        id: Option<&str>,
    ) -> Result<String, Refusal> {
        let authorization = request.header("authorization").unwrap_or_default();
        if request.header("x-amz-date").is_none() || !authorization.contains("Signature=") {
            let message = "Request is missing Authentication Token".to_owned();
            return Err((400, "MissingAuthenticationToken", message));
        }
        if !authorization.contains(&format!("Credential={ACCESS}/")) {
            let message = "AWS was not able to validate the provided access credentials";
            return Err((401, "AuthFailure", message.to_owned()));
        }
        let action = form.get("Action").unwrap_or_default();
        let now = self.desk.clock.now();
        let mut world = self.living();
        let inner = match action {
            "RunInstances" => self.run(
                &mut world,
                form,
                &String::from_utf8_lossy(&request.body),
                now,
            )?,
            "DescribeInstances" => self.describe(&world, form, id, now)?,
            "DescribeInstanceTypes" => {
                "<instanceTypeSet><item><vCpuInfo><defaultVCpus>96</defaultVCpus></vCpuInfo>\
                <memoryInfo><sizeInMiB>196608</sizeInMiB></memoryInfo></item></instanceTypeSet>"
                    .to_owned()
            }
            "GetMetricData" => metrics(),
            _ => {
                let instance = self.visible(&mut world, id.unwrap_or_default(), now)?;
                self.act(instance, action, form, now)?
            }
        };
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>59dbff89-35bd-4eac-99ed-be587EXAMPLE</requestId>{inner}</{action}Response>"
        ))
    }

    fn run(
        &self,
        world: &mut World,
        form: &Target,
        whole: &str,
        now: Duration,
    ) -> Result<String, Refusal> {
        if form.get("DryRun") == Some("true") {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err((412, "DryRunOperation", message.to_owned()));
        }
        let token = form.get("ClientToken").unwrap_or_default().to_owned();
        if let Some((ordered, id)) = world.tokens.get(&token) {
            if ordered != whole {
                let message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
                return Err((400, "IdempotentParameterMismatch", message.to_owned()));
            }
            let known = world.instances.iter().find(|one| one.id == *id);
            return Ok(known.map(|one| list([one].into_iter())).unwrap_or_default());
        }
        let mut tags = BTreeMap::new();
        for number in 1.. {
            let tag = format!("TagSpecification.1.Tag.{number}");
            let Some(key) = form.get(&format!("{tag}.Key")) else {
                break;
            };
            let value = form.get(&format!("{tag}.Value")).unwrap_or_default();
            tags.insert(key.to_owned(), value.to_owned());
        }
        let mut instance = Instance {
            id: format!("i-{}", world.random.hex(17)),
            state: String::new(),
            tags,
            order: form
                .pairs()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            public_ip: None,
            reason: None,
            born: now,
            since: now,
            next: Vec::new(),
            elastic_ip: None,
            is_stuck: false,
            is_protected: false,
            lag: self.options.lag,
            number: world.instances.len() as u32,
        };
        instance.plan(now, "pending", (self.options.pending, "running"));
        for fate in self.desk.fates() {
            match fate {
                Effect::FailProvisioning => {
                    instance.next = vec![(now + self.options.pending, "terminated")];
                    instance.reason =
                        Some("Server.InternalError: Internal error on launch".to_owned());
                }
                Effect::Vanish { after, .. } => instance.next.push((now + after, "terminated")),
                Effect::Stuck(_) => {
                    instance.is_stuck = true;
                    instance.next.clear();
                }
                Effect::Locked => instance.is_protected = true,
                Effect::ListingLag(lag) => instance.lag = lag,
                _ => {}
            }
        }
        let answer = list([&instance].into_iter());
        if !token.is_empty() {
            world
                .tokens
                .insert(token, (whole.to_owned(), instance.id.clone()));
        }
        world.instances.push(instance);
        Ok(answer)
    }

    fn describe(
        &self,
        world: &World,
        form: &Target,
        id: Option<&str>,
        now: Duration,
    ) -> Result<String, Refusal> {
        let mut shown: Vec<&Instance> = world
            .instances
            .iter()
            .filter(|one| self.is_shown(one, now))
            .collect();
        if let Some(id) = id {
            shown.retain(|one| one.id == id);
            if shown.is_empty() {
                return Err(unknown(id));
            }
        }
        if let Some(filter) = form.get("Filter.1.Name") {
            let value = form.get("Filter.1.Value.1").unwrap_or_default();
            shown.retain(|one| match filter.strip_prefix("tag:") {
                Some(key) => one.tags.get(key).map(String::as_str) == Some(value),
                None => filter == "tag-key" && one.tags.contains_key(value),
            });
        }
        let from: usize = form
            .get("NextToken")
            .and_then(|token| token.parse().ok())
            .unwrap_or(0);
        let most = form.get("MaxResults").and_then(|most| most.parse().ok());
        let to = (from + self.options.page.min(most.unwrap_or(1000))).min(shown.len());
        let mut answer = "<reservationSet>".to_owned();
        for instance in &shown[from.min(to)..to] {
            let _ = write!(answer, "<item>{}</item>", list([*instance].into_iter()));
        }
        answer.push_str("</reservationSet>");
        if to < shown.len() {
            let _ = write!(answer, "<nextToken>{to}</nextToken>");
        }
        Ok(answer)
    }

    fn is_shown(&self, instance: &Instance, now: Duration) -> bool {
        let is_new = now < instance.born + instance.lag;
        let is_forgotten =
            instance.state == "terminated" && now >= instance.since + self.options.shown;
        !is_new && !is_forgotten
    }

    fn visible<'a>(
        &self,
        world: &'a mut World,
        id: &str,
        now: Duration,
    ) -> Result<&'a mut Instance, Refusal> {
        let found = world.instances.iter_mut().find(|one| one.id == id);
        found
            .filter(|one| self.is_shown(one, now))
            .ok_or_else(|| unknown(id))
    }

    fn act(
        &self,
        instance: &mut Instance,
        action: &str,
        form: &Target,
        now: Duration,
    ) -> Result<String, Refusal> {
        let Ec2Options {
            pending, leaving, ..
        } = self.options;
        let wrong_state = || {
            let message = format!("The instance '{}' is not in a state for it.", instance.id);
            (400, "IncorrectInstanceState", message)
        };
        match (action, instance.state.as_str()) {
            ("StartInstances", "stopped") => instance.plan(now, "pending", (pending, "running")),
            ("StartInstances", "pending" | "running") => {}
            ("StopInstances", "running") => instance.plan(now, "stopping", (leaving, "stopped")),
            ("StopInstances", "stopping" | "stopped") => {}
            ("RebootInstances", "running") => {}
            ("TerminateInstances", _) if instance.is_protected => {
                let message = format!(
                    "The instance '{}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.",
                    instance.id
                );
                return Err((400, "OperationNotPermitted", message));
            }
            ("TerminateInstances", "shutting-down" | "terminated") => {}
            ("TerminateInstances", _) => {
                instance.reason =
                    Some("Client.UserInitiatedShutdown: User initiated shutdown".to_owned());
                instance.plan(now, "shutting-down", (leaving, "terminated"));
            }
            ("AssociateAddress", "running") => {
                let address = form.get("PublicIp").unwrap_or("198.51.100.7");
                instance.elastic_ip = Some(address.to_owned());
                instance.public_ip = instance.elastic_ip.clone();
            }
            ("StartInstances" | "StopInstances" | "RebootInstances" | "AssociateAddress", _) => {
                return Err(wrong_state());
            }
            _ => {
                let message = format!("The action {action} is not valid for this web service.");
                return Err((400, "InvalidAction", message));
            }
        }
        Ok("<return>true</return>".to_owned())
    }
}

fn unknown(id: &str) -> Refusal {
    let message = format!("The instance ID '{id}' does not exist");
    (400, "InvalidInstanceID.NotFound", message)
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{}</Message></Error></Errors>\
         <RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>",
        escape(message)
    )
}

fn list<'a>(instances: impl Iterator<Item = &'a Instance>) -> String {
    let mut xml = "<reservationId>r-1234567890abcdef0</reservationId><instancesSet>".to_owned();
    for one in instances {
        let mut item = String::new();
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = write!(item, "<{name}>{}</{name}>", escape(value));
            }
        };
        let ordered = |name: &str| one.order.get(name).map(String::as_str).unwrap_or_default();
        add("instanceId", &one.id);
        add("imageId", ordered("ImageId"));
        add("instanceType", ordered("InstanceType"));
        add("keyName", ordered("KeyName"));
        add("privateIpAddress", "10.0.0.7");
        add("ipAddress", one.public_ip.as_deref().unwrap_or_default());
        let _ = write!(
            item,
            "<instanceState><code>0</code><name>{}</name></instanceState>\
             <cpuOptions><coreCount>48</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>\
             <launchTime>2026-03-01T12:00:00.000Z</launchTime>",
            escape(&one.state)
        );
        if let Some(reason) = &one.reason {
            let code = reason.split(": ").next().unwrap_or_default();
            let _ = write!(
                item,
                "<stateReason><code>{}</code><message>{}</message></stateReason>",
                escape(code),
                escape(reason)
            );
        }
        item.push_str("<tagSet>");
        for (key, value) in &one.tags {
            let _ = write!(
                item,
                "<item><key>{}</key><value>{}</value></item>",
                escape(key),
                escape(value)
            );
        }
        let _ = write!(xml, "<item>{item}</tagSet></item>");
    }
    xml.push_str("</instancesSet>");
    xml
}

fn metrics() -> String {
    let result = |id: &str, values: [u32; 2]| {
        format!(
            "<member><Id>{id}</Id><StatusCode>Complete</StatusCode><Values><member>{}.0</member><member>{}.0</member></Values></member>",
            values[0], values[1]
        )
    };
    format!(
        "<GetMetricDataResult><MetricDataResults>{}{}</MetricDataResults></GetMetricDataResult>",
        result("networkin", [1000, 24]),
        result("networkout", [2000, 48])
    )
}
