//! Where a server is, by its name. ureq starts a thread for each look-up that has a time-out; what needs no look-up needs
//! none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::http::url::host_of;

/// Knows addresses, and `localhost`, which is the loopback wherever it is asked for (RFC 6761, 6.3); asks the system for
/// all other names.
#[derive(Debug, Default)]
pub(super) struct LocalFirst(DefaultResolver);

impl Resolver for LocalFirst {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let known = known(&uri.to_string());
        let port = uri.port_u16().or(match uri.scheme_str() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        });
        let Some((known, port)) = known.zip(port) else {
            return self.0.resolve(uri, config, timeout);
        };
        let mut found = self.empty();
        known.iter().for_each(|address| found.push(SocketAddr::new(*address, port)));
        Ok(found)
    }
}

/// The addresses of the host in `url`, if nobody need be asked for them.
fn known(url: &str) -> Option<Vec<IpAddr>> {
    let host = host_of(url)?;
    match host.parse() {
        Ok(address) => Some(vec![address]),
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_the_loopback_are_known_and_names_are_not() {
        let is_known = |url: &str| known(url).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(is_known("http://192.0.2.1:2633/RPC2"), Some(vec!["192.0.2.1".to_owned()]));
        assert_eq!(is_known("https://[2001:db8::1]/"), Some(vec!["2001:db8::1".to_owned()]));
        assert_eq!(is_known("http://LocalHost:1/"), Some(vec!["127.0.0.1".to_owned(), "::1".to_owned()]));
        for name in ["https://api.example.org/", "http://localhost.example.org/", "http://1.2.3/"] {
            assert_eq!(is_known(name), None);
        }
    }
}
