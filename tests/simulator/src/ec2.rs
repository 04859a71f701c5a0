//! A small EC2 on loopback: what an emulator of the whole does not do. It is played from its fixture, `fixtures/ec2`.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use crate::fault::Effect;
use crate::stub::{Object, Stub, StubOptions};

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
}

impl Instance {
    /// Whether it is billed: not yet going away.
    pub fn is_billed(&self) -> bool {
        !matches!(self.state.as_str(), "shutting-down" | "terminated")
    }

    fn of(object: &Object) -> Self {
        let some = |name: &str| Some(object.text(name)).filter(|text| !text.is_empty());
        Instance {
            id: object.id(),
            state: object.text("state"),
            tags: object.texts("tags"),
            order: object.texts("order"),
            public_ip: some("public_ip"),
            reason: some("reason"),
        }
    }
}

/// A small EC2 on a port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct Ec2(Stub);

impl Ec2 {
    /// Binds the port and starts the server.
    pub fn start(options: Ec2Options) -> io::Result<Self> {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let set = vec![
            ("pending", millis(options.pending)),
            ("leaving", millis(options.leaving)),
            ("lag", millis(options.lag)),
            ("shown", millis(options.shown)),
            ("page", options.page as u64),
        ];
        let (log, seed) = (options.log, options.seed);
        Stub::start("ec2", StubOptions { set, log, seed }).map(Ec2)
    }

    /// Base URL of EC2 and of CloudWatch.
    pub fn url(&self) -> String {
        format!("{}/", self.0.url())
    }

    /// Every instance that ever was, oldest first.
    pub fn instances(&self) -> Vec<Instance> {
        self.objects("instance").iter().map(Instance::of).collect()
    }

    /// An instance by its id.
    pub fn instance(&self, id: &str) -> Option<Instance> {
        self.instances().into_iter().find(|one| one.id == id)
    }

    /// Orders a machine as somebody else would, without a token.
    pub fn add(&self, order: &[(String, String)]) {
        let order = order.iter().filter(|(name, _)| name != "ClientToken");
        self.post("/", order.cloned());
    }

    /// Changes an instance: puts it in a state, in which it stays until something is asked of it, and says why.
    pub fn put(&self, id: &str, state: &str, reason: Option<&str>) {
        let set = [("state", state.into()), ("reason", reason.into())];
        self.0.put("instance", id, set);
    }

    /// An error as EC2 words it.
    pub fn error(status: u16, code: &str, message: &str) -> Effect {
        Stub::refusal("ec2", status, &[("code", code), ("message", message)]).expect("EC2's fixture can be read")
    }
}

/// Faults and the log. RunInstances is [`crate::Operation::Create`], DescribeInstances `Get` or `List`,
/// TerminateInstances `Delete`, CloudWatch `Bandwidth`, AssociateAddress `Action`, DescribeInstanceTypes `Catalogue`.
impl Deref for Ec2 {
    type Target = Stub;

    fn deref(&self) -> &Stub {
        &self.0
    }
}
