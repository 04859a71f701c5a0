//! The provider's books: who may do what, and every machine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::device::{Address, Device, NewDevice};
use crate::fault::Effect;
use crate::options::{Options, RateLimit};
use crate::random::Random;

/// Everything that the API knows.
#[derive(Debug)]
pub(crate) struct World {
    pub options: Options,
    pub random: Random,
    /// Names of the projects by their ids.
    pub projects: BTreeMap<String, String>,
    /// The projects that a token opens.
    pub tokens: BTreeMap<String, BTreeSet<String>>,
    /// In the order of their creation.
    devices: Vec<Device>,
    /// Deleted, or taken back.
    gone: HashMap<String, Device>,
    machines: u32,
    window: Window,
}

/// The current window of the rate limit.
#[derive(Debug, Default)]
struct Window {
    began: Duration,
    used: u32,
}

/// Where a request stands in the rate limit.
pub(crate) struct Quota {
    pub limit: u32,
    pub remaining: u32,
    /// When the next window begins, since the start.
    pub reset: Duration,
    /// Whether the request comes too many.
    pub exceeded: bool,
    /// Whether Retry-After is a date.
    pub date: bool,
}

/// What a token may do with a project or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Granted,
    /// It exists, but not for this token.
    Forbidden,
    Unknown,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        World {
            random: Random::new(options.seed),
            options,
            projects: BTreeMap::new(),
            tokens: BTreeMap::new(),
            devices: Vec::new(),
            gone: HashMap::new(),
            machines: 0,
            window: Window::default(),
        }
    }

    /// Counts a request, where there is a limit.
    pub(crate) fn count(&mut self, now: Duration) -> Option<Quota> {
        let RateLimit { requests, window, date } = self.options.rate_limit.clone()?;
        if now >= self.window.began + window {
            self.window = Window { began: now, used: 0 };
        }
        let exceeded = self.window.used >= requests;
        if !exceeded {
            self.window.used += 1;
        }
        Some(Quota {
            limit: requests,
            remaining: requests - self.window.used.min(requests),
            reset: self.window.began + window,
            exceeded,
            date,
        })
    }

    pub(crate) fn access(&self, token: &str, project: &str) -> Access {
        if !self.projects.contains_key(project) {
            Access::Unknown
        } else if self.tokens.get(token).is_some_and(|open| open.contains(project)) {
            Access::Granted
        } else {
            Access::Forbidden
        }
    }

    /// A new machine.
    pub(crate) fn create(&mut self, new: NewDevice, fates: &[Effect], now: Duration) -> &Device {
        self.machines += 1;
        let addresses = addresses(self.machines, &new.order, &mut self.random);
        let device = Device::order(new, addresses, fates, &self.options, &mut self.random, now);
        self.devices.push(device);
        &self.devices[self.devices.len() - 1]
    }

    /// Every machine that is on the books, oldest first.
    pub(crate) fn devices(&mut self, now: Duration) -> &[Device] {
        for device in &mut self.devices {
            device.advance(now);
        }
        for device in self.devices.extract_if(.., |device| device.is_gone()) {
            self.gone.insert(device.id.clone(), device);
        }
        &self.devices
    }

    /// A machine that is on the books.
    pub(crate) fn device(&mut self, id: &str, now: Duration) -> Option<&mut Device> {
        let at = self.devices.iter().position(|device| device.id == id)?;
        self.devices[at].advance(now);
        if self.devices[at].is_gone() {
            let device = self.devices.remove(at);
            self.gone.insert(device.id.clone(), device);
            return None;
        }
        Some(&mut self.devices[at])
    }

    /// A machine that is off the books.
    pub(crate) fn gone(&self, id: &str) -> Option<&Device> {
        self.gone.get(id)
    }
}

/// The addresses of the nth machine: those that the order asks for, else a public and a private IPv4 and an IPv6.
fn addresses(machine: u32, order: &serde_json::Value, random: &mut Random) -> Vec<Address> {
    // 147.75.0.0 and 10.80.0.0 with 62 machines in each /24, four addresses apart, so that each has a /30 or more.
    let (net, host) = (machine / 62 % 256, machine % 62 * 4 + 2);
    let ipv4 = |random: &mut Random, public: bool, cidr: u8| {
        let first = if public { "147.75" } else { "10.80" };
        Address {
            address: format!("{first}.{net}.{host}"),
            family: 4,
            public,
            cidr,
            id: random.uuid(),
            gateway: format!("{first}.{net}.{}", host - 1),
            network: format!("{first}.{net}.{}", host - 2),
            netmask: std::net::Ipv4Addr::from(u32::MAX << (32 - u32::from(cidr))).to_string(),
        }
    };
    let ipv6 = |random: &mut Random| Address {
        address: format!("2604:1380:{:x}:{:x}::1", 0x1000 + (machine >> 16), machine & 0xffff),
        family: 6,
        public: true,
        cidr: 127,
        id: random.uuid(),
        gateway: format!("2604:1380:{:x}:{:x}::", 0x1000 + (machine >> 16), machine & 0xffff),
        network: format!("2604:1380:{:x}:{:x}::", 0x1000 + (machine >> 16), machine & 0xffff),
        netmask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe".to_owned(),
    };
    let length = |value: &serde_json::Value, default| {
        value
            .as_u64()
            .and_then(|length| u8::try_from(length).ok())
            .filter(|length| (1..=32).contains(length))
            .unwrap_or(default)
    };
    let public = length(&order["public_ipv4_subnet_size"], 31);
    let private = length(&order["private_ipv4_subnet_size"], 31);
    match order["ip_addresses"].as_array().filter(|list| !list.is_empty()) {
        None => vec![ipv4(random, true, public), ipv4(random, false, private), ipv6(random)],
        Some(wanted) => wanted
            .iter()
            .map(|wish| match (wish["address_family"] == 6, wish["public"] != false) {
                (true, _) => ipv6(random),
                (false, true) => ipv4(random, true, length(&wish["cidr"], public)),
                (false, false) => ipv4(random, false, length(&wish["cidr"], private)),
            })
            .collect(),
    }
}
