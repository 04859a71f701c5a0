//! How one server is asked: through which proxy, whom the connection trusts, and for how long.

use std::time::Duration;

use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;

use crate::http::resolver::LocalFirst;
use crate::http::{proxy, tls};
use crate::report::frame::Report;

/// How long a connection may take to be made, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// How one server is asked.
pub(super) struct Server {
    config: ureq::config::Config,
    pub(super) agent: Option<Agent>,
    /// The variable that names the proxy, if there is one.
    pub(super) proxy: Option<&'static str>,
}

impl Server {
    /// The certificates of the system are loaded only for https; proxies are chosen as curl does.
    pub(super) fn of(origin: &str, report: &Report) -> Self {
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            // Each is zeroed for every connection; the default is 128 KiB, and an answer has 5.
            .input_buffer_size(16 * 1024)
            .output_buffer_size(8 * 1024)
            // As many as are asked for side by side.
            .max_idle_connections_per_host(4)
            .user_agent(concat!("pm-packet/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity");
        let (proxy, proxy_address) = proxy::of(origin, report).unzip();
        builder = builder.proxy(proxy_address);
        if origin.starts_with("https:") {
            builder = builder.tls_config(tls::config(report));
        }
        Self { config: builder.build(), agent: None, proxy }
    }

    /// The connections to it: those that there are, or new ones.
    pub(super) fn agent(&mut self) -> Agent {
        let new = || Agent::with_parts(self.config.clone(), DefaultConnector::new(), LocalFirst::default());
        self.agent.get_or_insert_with(new).clone()
    }
}
