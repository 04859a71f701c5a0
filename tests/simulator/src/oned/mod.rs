//! oned: its hosts, and the XML-RPC methods through which a driver and oneprovision see them.

mod host;
mod vault;
mod xmlrpc;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

pub use host::HostTemplate;

use crate::desk::{Connection, Desk};
use crate::fault::Operation;
use crate::http::{self, Delivery, Reply, Response, lock};
use crate::log::Service;
use crate::xml::Element;
use host::Host;
use vault::Vault;
use xmlrpc::{Call, Outcome, Value};

/// The recorded session, and the one that is accepted from the start.
pub const SESSION: &str = "oneadmin:opennebula";

const AUTHENTICATION: i32 = 0x0100;
const NO_EXISTS: i32 = 0x0400;
const ACTION: i32 = 0x0800;
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
    vault: Vault,
    encryption: bool,
}

impl Oned {
    pub(crate) fn new(encryption: bool) -> Self {
        Oned {
            state: Mutex::new(State {
                hosts: Vec::new(),
                sessions: BTreeSet::from([SESSION.to_owned()]),
                vault: Vault::new(),
                encryption,
            }),
        }
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

    /// Accepts this session no longer.
    pub fn reject(&self, session: &str) {
        lock(&self.state).sessions.remove(session);
    }

    fn change(&self, id: i32, change: impl FnOnce(&mut Host)) -> Result<()> {
        let mut state = lock(&self.state);
        let host = state.host_mut(id).with_context(|| format!("there is no host {id}"))?;
        change(host);
        Ok(())
    }

    fn call(&self, call: &Call) -> Outcome {
        let mut state = lock(&self.state);
        let method = call.method.as_str();
        if !METHODS.contains(&method) {
            return Outcome::Fault {
                code: NO_SUCH_METHOD,
                message: format!("Method '{method}' not defined"),
            };
        }
        if !state.sessions.contains(&call.text(0).unwrap_or_default()) {
            return Outcome::Failure {
                message: format!("[{method}] User couldn't be authenticated, aborting call."),
                code: AUTHENTICATION,
                object: -1,
            };
        }
        match method {
            "one.system.version" => return Outcome::Success(Value::Text("5.12.0.3".to_owned())),
            "one.hostpool.info" => return Outcome::Success(Value::Text(state.pool())),
            _ => {}
        }
        let id = call.integer(1).unwrap_or(-1);
        if state.host(id).is_none() {
            return Outcome::Failure {
                message: format!("[{method}] Error getting host [{id}]."),
                code: NO_EXISTS,
                object: id,
            };
        }
        match method {
            "one.host.info" => {
                let decrypt = call.boolean(2);
                let host = state.host(id).map(|host| state.shown(host, decrypt).compact());
                return Outcome::Success(Value::Text(host.unwrap_or_default()));
            }
            "one.host.rename" => {
                let name = call.text(2).unwrap_or_default();
                if state.hosts.iter().any(|host| host.id != id && host.name() == name) {
                    return Outcome::Failure {
                        message: format!(
                            "[{method}] Error renaming host [{id}]: NAME is already taken."
                        ),
                        code: ACTION,
                        object: id,
                    };
                }
                if let Some(host) = state.host_mut(id) {
                    host.rename(&name);
                }
            }
            // The last of METHODS: one.host.delete.
            _ => state.hosts.retain(|host| host.id != id),
        }
        Outcome::Success(Value::Integer(id))
    }
}

/// The methods that are simulated: what a driver reads, and what oneprovision writes.
const METHODS: [&str; 5] = [
    "one.system.version",
    "one.hostpool.info",
    "one.host.info",
    "one.host.rename",
    "one.host.delete",
];

impl State {
    fn host(&self, id: i32) -> Option<&Host> {
        self.hosts.iter().find(|host| host.id == id)
    }

    fn host_mut(&mut self, id: i32) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|host| host.id == id)
    }

    /// The host as it is shown: its secrets are encrypted unless `decrypt`, or unless this oned knows no encryption.
    fn shown(&self, host: &Host, decrypt: bool) -> Element {
        let mut host = host.clone();
        if self.encryption && !decrypt {
            host.change_secrets(|secret| self.vault.seal(secret));
        }
        host.xml().clone()
    }

    fn pool(&self) -> String {
        let hosts: String =
            self.hosts.iter().map(|host| self.shown(host, false).compact()).collect();
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
        let call = Call::parse(&String::from_utf8_lossy(&request.body));
        let operation = match call.as_ref().map(|call| call.method.as_str()) {
            Ok("one.host.info") => Operation::HostInfo,
            Ok("one.hostpool.info") => Operation::HostPool,
            _ => Operation::Oned,
        };
        let about = (Service::Oned, operation, None);
        self.desk.answer(connection, about, &request, || self.carry_out(&request, call))
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
            Err(error) => Outcome::Fault {
                code: PARSE,
                message: format!("Call is not valid XML.  {error:#}"),
            },
        };
        // As Abyss, the HTTP server in xmlrpc-c, sends it.
        Response::new(200, "text/xml; charset=utf-8", outcome.xml())
            .header("Server", "Xmlrpc-c_Abyss/1.40.0")
            .header("Date", &self.desk.clock.http_date(self.desk.clock.now()))
    }
}
