//! oned: its hosts, and the XML-RPC methods through which a driver and oneprovision see them.

mod host;
mod vault;
mod xmlrpc;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

pub use host::HostTemplate;
pub use vault::ONE_KEY;

use crate::desk::{Connection, Desk};
use crate::fault::Operation;
use crate::http::{self, Delivery, Reply, Response, lock};
use crate::log::Service;
use crate::options::Version;
use crate::xml::{Element, Node};
use host::Host;
use vault::Vault;
use xmlrpc::{Call, Outcome, Value};

/// The recorded session, and the one that is accepted from the start.
pub const SESSION: &str = "oneadmin:opennebula";

const AUTHENTICATION: i32 = 0x0100;
const AUTHORIZATION: i32 = 0x0200;
const NO_EXISTS: i32 = 0x0400;
const ACTION: i32 = 0x0800;
const ALLOCATE: i32 = 0x2000;
/// `XMLRPC_NO_SUCH_METHOD_ERROR` of xmlrpc-c.
const NO_SUCH_METHOD: i32 = -506;
/// `XMLRPC_PARSE_ERROR` of xmlrpc-c.
const PARSE: i32 = -503;

/// The simulated oned. Hosts are kept in the order in which they were added.
#[derive(Debug)]
pub struct Oned {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    hosts: Vec<Host>,
    sessions: BTreeSet<String>,
    plain_sessions: BTreeSet<String>,
    version: Version,
    vault: Vault,
    encryption: bool,
}

impl Oned {
    pub(crate) fn new(version: Version, encryption: bool) -> Self {
        Oned {
            state: Mutex::new(State {
                hosts: Vec::new(),
                sessions: BTreeSet::from([SESSION.to_owned()]),
                plain_sessions: BTreeSet::new(),
                version,
                vault: Vault::new(version),
                encryption,
            }),
        }
    }

    /// Which version it is of.
    pub fn version(&self) -> Version {
        lock(&self.state).version
    }

    /// Adds a host from its XML, in any layout, and returns its id. A host of that id is replaced.
    ///
    /// `PROVISION/PACKET_TOKEN` may be clear or encrypted, as far as the pair is known ([`Oned::know_token`]; that of the
    /// recordings is).
    pub fn add_host(&self, xml: &str) -> Result<i32> {
        let mut host = Host::parse(xml)?;
        let mut state = lock(&self.state);
        host.change_secrets(|secret| state.vault.open(secret));
        let id = host.id;
        match state.hosts.iter_mut().find(|known| known.id == id) {
            Some(known) => *known = host,
            None => state.hosts.push(host),
        }
        Ok(id)
    }

    /// Adds a host of the recorded kind, and returns its id.
    pub fn add(&self, template: &HostTemplate) -> Result<i32> {
        self.add_host(&template.xml())
    }

    /// Tells what this token looks like when it is encrypted.
    pub fn know_token(&self, clear: &str, encrypted: &str) {
        lock(&self.state).vault.know(clear, encrypted);
    }

    /// The host's XML on one line, as oned returns it: with the encrypted token unless `decrypt`.
    pub fn host_xml(&self, id: i32, decrypt: bool) -> Option<String> {
        let state = lock(&self.state);
        Some(state.shown(state.host(id)?, decrypt).compact())
    }

    /// The file that oneprovision writes for `deploy`: the host as it gets it from oned, the token encrypted.
    pub fn deployment_file(&self, id: i32) -> Option<String> {
        let state = lock(&self.state);
        Some(state.shown(state.host(id)?, false).pretty())
    }

    /// The host's name.
    pub fn host_name(&self, id: i32) -> Option<String> {
        lock(&self.state).host(id).map(Host::name)
    }

    /// An attribute of the host's PROVISION, the token in the clear.
    pub fn provision(&self, id: i32, key: &str) -> Option<String> {
        lock(&self.state).host(id)?.provision(key)
    }

    /// `TEMPLATE/PM_MAD`: the name of the host's driver.
    pub fn pm_mad(&self, id: i32) -> Option<String> {
        lock(&self.state).host(id)?.pm_mad()
    }

    /// Sets an attribute of the host's PROVISION.
    pub fn set_provision(&self, id: i32, key: &str, value: &str) -> Result<()> {
        self.change(id, |host| host.set_provision(key, value))
    }

    /// Stores what `deploy` printed.
    pub fn set_deploy_id(&self, id: i32, deploy_id: &str) -> Result<()> {
        self.set_provision(id, "DEPLOY_ID", deploy_id)
    }

    /// Renames the host.
    pub fn rename(&self, id: i32, name: &str) -> Result<()> {
        self.change(id, |host| host.rename(name))
    }

    /// Removes the host; whether there was one.
    pub fn remove(&self, id: i32) -> bool {
        let hosts = &mut lock(&self.state).hosts;
        let before = hosts.len();
        hosts.retain(|host| host.id != id);
        hosts.len() < before
    }

    /// Ids of all hosts.
    pub fn hosts(&self) -> Vec<i32> {
        lock(&self.state).hosts.iter().map(|host| host.id).collect()
    }

    /// Accepts this session (`user:password`) too.
    pub fn accept(&self, session: &str) {
        lock(&self.state).sessions.insert(session.to_owned());
    }

    /// Accepts this session as that of a user who may administrate nothing, and is not in the group oneadmin.
    pub fn accept_plain(&self, session: &str) {
        lock(&self.state).plain_sessions.insert(session.to_owned());
    }

    /// Accepts this session no longer.
    pub fn reject(&self, session: &str) {
        let mut state = lock(&self.state);
        state.sessions.remove(session);
        state.plain_sessions.remove(session);
    }

    fn change(&self, id: i32, change: impl FnOnce(&mut Host)) -> Result<()> {
        let mut state = lock(&self.state);
        let host = state.host_mut(id).with_context(|| format!("there is no host {id}"))?;
        change(host);
        Ok(())
    }

    fn call(&self, call: &Call) -> Outcome {
        let mut state = lock(&self.state);
        let failure = match state.call(call) {
            Ok(outcome) => return outcome,
            Err(failure) => failure,
        };
        let message = format!("[{}] {}", call.method, failure.message);
        let (code, object) = (failure.code, failure.object);
        match state.version {
            Version::V5_12 => Outcome::Failure { message, code, object },
            Version::V5_8 | Version::V5_10 => Outcome::ShortFailure { message, code, object },
        }
    }
}

/// Why a call fails.
struct Refusal {
    message: String,
    code: i32,
    /// The object that it is about, -1 for none.
    object: i32,
}

fn refusal(code: i32, object: i32, message: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), code, object }
}

/// The methods that are simulated: what a driver reads and writes, and what oneprovision writes.
const METHODS: [&str; 7] = [
    "one.system.version",
    "one.system.config",
    "one.hostpool.info",
    "one.host.info",
    "one.host.update",
    "one.host.rename",
    "one.host.delete",
];
/// The number of everybody who may log in and no more ([`Oned::accept_plain`]), as recorded.
const PLAIN_USER: i32 = 5;

impl State {
    fn call(&mut self, call: &Call) -> Result<Outcome, Refusal> {
        let method = call.method.as_str();
        if !METHODS.contains(&method) {
            return Ok(Outcome::Fault { code: NO_SUCH_METHOD, message: format!("Method '{method}' not defined") });
        }
        let session = call.text(0).unwrap_or_default();
        let is_plain = self.plain_sessions.contains(&session);
        if !is_plain && !self.sessions.contains(&session) {
            let message = "User couldn't be authenticated, aborting call.";
            return Err(refusal(AUTHENTICATION, -1, message));
        }
        let text = match method {
            "one.system.version" => self.version.text().to_owned(),
            "one.system.config" => self.config(is_plain)?,
            "one.hostpool.info" => self.pool(),
            _ => return self.call_about_host(call, is_plain),
        };
        Ok(Outcome::Success(Value::Text(text)))
    }

    fn call_about_host(&mut self, call: &Call, is_plain: bool) -> Result<Outcome, Refusal> {
        let id = call.integer(1).unwrap_or(-1);
        let Some(host) = self.host(id) else {
            return Err(refusal(NO_EXISTS, id, format!("Error getting host [{id}].")));
        };
        if call.method == "one.host.info" {
            let xml = self.shown(host, call.boolean(2)).compact();
            return Ok(Outcome::Success(Value::Text(xml)));
        }
        if is_plain {
            let message = format!("User [{PLAIN_USER}] : Not authorized to perform ADMIN HOST [{id}].");
            return Err(refusal(AUTHORIZATION, -1, message));
        }
        let text = call.text(2).unwrap_or_default();
        match call.method.as_str() {
            "one.host.update" => self.update(id, &text, call.integer(3) == Some(1))?,
            "one.host.rename" => {
                if self.hosts.iter().any(|host| host.id != id && host.name() == text) {
                    let message = format!("Error renaming host [{id}]: NAME is already taken.");
                    return Err(refusal(ACTION, id, message));
                }
                if let Some(host) = self.host_mut(id) {
                    host.rename(&text);
                }
            }
            // The last of METHODS: one.host.delete.
            _ => self.hosts.retain(|host| host.id != id),
        }
        Ok(Outcome::Success(Value::Integer(id)))
    }

    /// Only XML is read here: the syntax of templates loses what a driver has to keep.
    fn update(&mut self, id: i32, template: &str, appends: bool) -> Result<(), Refusal> {
        let malformed = "Cannot update template. Parse error: XML Template malformed.";
        let is_xml = template.starts_with('<');
        let template = Element::parse(template).ok().filter(|_| is_xml);
        let template = template.ok_or_else(|| refusal(ALLOCATE, -1, malformed))?;
        let old = self.host(id).cloned();
        let sealed = |secret: &str| self.vault.seal(secret);
        let before: Vec<(String, String)> = (host::SECRETS.iter())
            .filter_map(|key| old.as_ref()?.provision(key))
            .map(|clear| (sealed(&clear), clear))
            .collect();
        let Some(mut host) = old else {
            return Ok(());
        };
        host.update(&template, appends);
        // What is encrypted already is not encrypted twice.
        host.change_secrets(|secret| {
            let known = before.iter().find(|(sealed, _)| sealed == secret);
            known.map_or_else(|| self.vault.open(secret), |(_, clear)| clear.clone())
        });
        if let Some(place) = self.host_mut(id) {
            *place = host;
        }
        Ok(())
    }

    /// oned's configuration, as far as it was recorded.
    fn config(&self, is_plain: bool) -> Result<String, Refusal> {
        if is_plain {
            let message = format!(
                "User [{PLAIN_USER}] : The oned configuration can only be retrieved by users in the oneadmin group."
            );
            return Err(refusal(AUTHORIZATION, -1, message));
        }
        let values = [("LISTEN_ADDRESS", "127.0.0.1"), ("NETWORK_SIZE", "254"), ("ONE_KEY", ONE_KEY), ("PORT", "2633")];
        let values = values.map(|(name, value)| Node::Element(Element::cdata(name, value)));
        Ok(Element::new("TEMPLATE", values.into()).compact())
    }

    fn host(&self, id: i32) -> Option<&Host> {
        self.hosts.iter().find(|host| host.id == id)
    }

    fn host_mut(&mut self, id: i32) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|host| host.id == id)
    }

    /// The host as it is shown: its secrets are encrypted unless `decrypt`, which 5.8 ignores, or unless nothing is
    /// encrypted here.
    fn shown(&self, host: &Host, decrypt: bool) -> Element {
        let mut host = host.clone();
        let decrypts = decrypt && self.version > Version::V5_8;
        if self.encryption && !decrypts {
            host.change_secrets(|secret| self.vault.seal(secret));
        }
        host.xml().clone()
    }

    fn pool(&self) -> String {
        let hosts: String = self.hosts.iter().map(|host| self.shown(host, false).compact()).collect();
        format!("<HOST_POOL>{hosts}</HOST_POOL>")
    }
}

/// oned's server.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub desk: Arc<Desk>,
    pub oned: Arc<Oned>,
}

impl http::Service for Endpoint {
    type Connection = Connection;

    fn connect(&self) -> Result<Connection, Delivery> {
        self.desk.connect(Operation::OnedConnection)
    }

    fn answer(&self, connection: &mut Connection, request: http::Request) -> Reply {
        let call = || Call::parse(&String::from_utf8_lossy(&request.body));
        let operation = match call().as_ref().map(|call| call.method.as_str()) {
            Ok("one.host.info") => Operation::HostInfo,
            Ok("one.hostpool.info") => Operation::HostPool,
            Ok("one.host.update") => Operation::HostUpdate,
            Ok("one.system.version") => Operation::SystemVersion,
            Ok("one.system.config") => Operation::SystemConfig,
            _ => Operation::Oned,
        };
        let about = (Service::Oned, operation, None);
        self.desk.answer(connection, about, &request, || self.carry_out(&request, call()))
    }
}

impl Endpoint {
    fn carry_out(&self, request: &http::Request, call: Result<Call>) -> Response {
        if request.target != "/RPC2" {
            return Response::new(404, "text/html", "<HTML><BODY>Not Found</BODY></HTML>");
        }
        if request.method != "POST" {
            return Response::new(405, "text/html", "<HTML><BODY>Method Not Allowed</BODY></HTML>");
        }
        let outcome = match call {
            Ok(call) => self.oned.call(&call),
            Err(error) => Outcome::Fault { code: PARSE, message: format!("Call is not valid XML.  {error:#}") },
        };
        // As Abyss, the HTTP server in xmlrpc-c, sends it.
        Response::new(200, "text/xml; charset=utf-8", outcome.xml())
            .header("Server", "Xmlrpc-c_Abyss/1.40.0")
            .header("Date", &self.desk.clock.http_date(self.desk.clock.now()))
    }
}
