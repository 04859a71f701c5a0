//! The two servers together, and what a test can ask and change while they run.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Api;
use crate::desk::Desk;
use crate::device::{Device, NewDevice, State};
use crate::fault::{Effect, Fault};
use crate::http::Server;
use crate::log::Request;
use crate::oned::{Endpoint, Oned};
use crate::options::{Options, RateLimit};
use crate::world::World;

/// The recorded host's token, and the one that is valid from the start.
pub const TOKEN: &str = "tok-0123456789abcdefSECRET";
/// The same as the recorded oned encrypted it.
pub const ENCRYPTED_TOKEN: &str = "iG32m8cZOSAS7g/DvGjT9/1UvWD65AaVPwfmjfaFKtk=";
/// The same as the recorded oneprovision 5.8 encrypted it.
pub const ENCRYPTED_TOKEN_5_8: &str = "d1Bf/yJQ1EFtUKe4iTTNjYC3WxE2m5qJGPgln/xuAEc=";
/// The recorded host's project, and the one that exists from the start.
pub const PROJECT: &str = "f3f131c8-f302-49ef-8c44-9405022dc6dd";

/// A Packet API and a oned on ports of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct Simulator {
    // Servers first: they are dropped, and thereby stopped, before what they serve.
    api_server: Server,
    oned_server: Server,
    api: Arc<Api>,
    oned: Arc<Oned>,
    desk: Arc<Desk>,
    scheme: &'static str,
}

impl Simulator {
    /// Binds the ports and starts both servers.
    pub fn start(options: Options) -> io::Result<Self> {
        let desk = Arc::new(Desk::new(options.seed, options.log));
        let oned = Arc::new(Oned::new(options.opennebula, options.encryption));
        let (api_port, oned_port, tls) = (options.api_port, options.oned_port, options.tls.clone());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut world = World::new(options);
        world.projects.insert(PROJECT.to_owned(), "OpenNebula".to_owned());
        world.tokens.insert(TOKEN.to_owned(), BTreeSet::from([PROJECT.to_owned()]));
        let api = Arc::new(Api::new(Arc::clone(&desk), world));
        let endpoint = Arc::new(Endpoint { desk: Arc::clone(&desk), oned: Arc::clone(&oned) });
        Ok(Simulator {
            api_server: Server::start(api_port, tls, Arc::clone(&desk.stop), Arc::clone(&api))?,
            oned_server: Server::start(oned_port, None, Arc::clone(&desk.stop), endpoint)?,
            api,
            oned,
            desk,
            scheme,
        })
    }

    /// Base URL of the API, with the path of the newer one. The same paths are answered without it.
    pub fn api_url(&self) -> String {
        format!("{}/metal/v1", self.api_root())
    }

    /// Base URL of the API without a path, as the older name had it.
    pub fn api_root(&self) -> String {
        format!("{}://{}", self.scheme, self.api_server.address())
    }

    /// URL of oned's XML-RPC.
    pub fn oned_url(&self) -> String {
        format!("http://{}/RPC2", self.oned_server.address())
    }

    /// The token that is valid from the start: the recording's.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// The project that exists from the start: the recording's.
    pub fn project(&self) -> &'static str {
        PROJECT
    }

    /// Since the start, the time by which everything here is dated.
    pub fn now(&self) -> Duration {
        self.desk.clock.now()
    }

    /// The books: every machine that exists and is billed, oldest first, in whatever state.
    pub fn devices(&self) -> Vec<Device> {
        let (mut world, now) = self.api.world();
        world.devices(now).to_vec()
    }

    /// A machine by its id, also one that is gone.
    pub fn device(&self, id: &str) -> Option<Device> {
        let (mut world, now) = self.api.world();
        let present = world.device(id, now).cloned();
        present.or_else(|| world.gone(id).cloned())
    }

    /// Orders a machine as somebody else would, and returns it. It goes through the same states.
    pub fn add_device(&self, new: NewDevice) -> Device {
        let (mut world, now) = self.api.world();
        world.create(new, &[], now).clone()
    }

    /// Puts a machine in a state, in which it stays until something is asked of it; whether it exists.
    pub fn set_state(&self, id: &str, state: State) -> bool {
        let (mut world, now) = self.api.world();
        world.device(id, now).map(|device| device.put(now, state)).is_some()
    }

    /// Adds a project, or renames one.
    pub fn add_project(&self, id: &str, name: &str) {
        self.api.world().0.projects.insert(id.to_owned(), name.to_owned());
    }

    /// Makes a token valid for these projects, and no others.
    pub fn add_token(&self, token: &str, projects: &[&str]) {
        let projects = projects.iter().map(|id| (*id).to_owned()).collect();
        self.api.world().0.tokens.insert(token.to_owned(), projects);
    }

    /// Makes a token invalid: 401 from now on.
    pub fn revoke_token(&self, token: &str) {
        self.api.world().0.tokens.remove(token);
    }

    /// From now on, this many requests in a window, or as many as come.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.api.world().0.options.rate_limit = limit;
    }

    /// From now on, facilities of these codes have no machines to order.
    pub fn set_sold_out(&self, facilities: &[&str]) {
        let facilities = facilities.iter().map(|code| (*code).to_owned()).collect();
        self.api.world().0.options.sold_out = facilities;
    }

    /// Lets something go wrong. See [`Fault`].
    pub fn fault(&self, fault: Fault) {
        if let Effect::RateLimit(limit) = fault.effect {
            self.set_rate_limit(Some(limit));
            return;
        }
        match &fault.device {
            Some(id) if fault.effect.is_fate() => {
                let (mut world, now) = self.api.world();
                if let Some(device) = world.device(id, now) {
                    device.meet(&fault.effect, now);
                }
            }
            _ => self.desk.add(fault),
        }
    }

    /// Ends what faults are still to strike. What has become of machines stays.
    pub fn clear_faults(&self) {
        self.desk.clear_faults();
    }

    /// The requests that came to both servers, oldest first, as many as [`Options::log`] keeps.
    pub fn requests(&self) -> Vec<Request> {
        self.desk.requests()
    }

    /// Forgets the requests that came.
    pub fn clear_requests(&self) {
        self.desk.clear_requests();
    }

    /// The simulated oned.
    pub fn oned(&self) -> &Oned {
        &self.oned
    }
}
