//! Which proxy an address is asked through: by the environment's usual variables, read as curl reads them
//! (curl(1), "ENVIRONMENT").
//!
//! ureq has a reading of its own, which takes `HTTP_PROXY` for https too, and the first of all variables that
//! is set.

use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

use crate::http::url::{host_of, is_loopback};
use crate::report::frame::Report;

/// The proxy for `url`, and the variable that names it. Loopback is never asked through one.
pub fn of(url: &str, report: &Report) -> Option<(&'static str, Proxy)> {
    let variable = |name: &str| std::env::var(name).ok();
    let (name, address) = choose(url, variable)?;
    match Proxy::new(&address) {
        Ok(proxy) if matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) => Some((name, proxy)),
        // Its text is not told: it may hold a password.
        _ => {
            report.warn(format_args!(
                "{name} is not the address of an http proxy, so none is used: set it to http://HOST:PORT"
            ));
            None
        }
    }
}

fn choose(url: &str, variable: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let set = |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let first = |names: &[&'static str]| names.iter().find_map(|name| Some((*name, set(name)?)));
    let host = host_of(url)?;
    let (_, exempt) = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    if is_loopback(url) || is_exempt(host, &exempt) {
        return None;
    }
    let own = if url.starts_with("https:") { ["https_proxy", "HTTPS_PROXY"] } else { ["http_proxy", "HTTP_PROXY"] };
    first(&own).or_else(|| first(&["all_proxy", "ALL_PROXY"]))
}

/// Whether the list `exempt` names `host`: itself, a domain that it is in, or a network.
fn is_exempt(host: &str, exempt: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    exempt
        .split([',', ' ', '\t'])
        .map(|entry| entry.trim_matches(['.', '[', ']']).to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| match address {
            _ if entry == "*" || entry == host => true,
            Some(address) => is_in_network(address, &entry),
            None => {
                let domain = entry.trim_start_matches("*.");
                host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            }
        })
}

/// Whether `address` is in `network`, such as `10.0.0.0/8`.
fn is_in_network(address: IpAddr, network: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else {
        return network.parse() == Ok(address);
    };
    let Ok(length) = length.parse::<u32>() else {
        return false;
    };
    match (address, base.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(base))) => {
            let differing = address.to_bits() ^ base.to_bits();
            length <= 32 && differing.leading_zeros() >= length
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(base))) => {
            let differing = address.to_bits() ^ base.to_bits();
            length <= 128 && differing.leading_zeros() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        choose(url, variable).map(|(_, address)| address)
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let both = [("HTTP_PROXY", "http://a"), ("HTTPS_PROXY", "http://b"), ("ALL_PROXY", "http://c")];
        assert_eq!(chosen("http://x.example/", &both).as_deref(), Some("http://a"));
        assert_eq!(chosen("https://x.example/", &both).as_deref(), Some("http://b"));
        assert_eq!(chosen("https://x.example/", &both[..1]), None);
        assert_eq!(chosen("http://x.example/", &both[1..2]), None);
        assert_eq!(chosen("https://x.example/", &both[2..]).as_deref(), Some("http://c"));
        let lower = [("HTTPS_PROXY", "http://a"), ("https_proxy", "http://b")];
        assert_eq!(chosen("https://x.example/", &lower).as_deref(), Some("http://b"));
        assert_eq!(chosen("https://x.example/", &[("HTTPS_PROXY", " ")]), None);
    }

    #[test]
    fn loopback_is_asked_directly() {
        let all = [("ALL_PROXY", "http://a")];
        for url in ["https://localhost:1/", "http://127.0.0.1:2633/RPC2", "http://[::1]/"] {
            assert_eq!(chosen(url, &all), None, "{url}");
        }
    }

    #[test]
    fn exemptions_are_hosts_domains_and_networks() {
        for (host, exempt) in [
            ("api.example.org", "other, api.example.org"),
            ("API.example.org", "api.EXAMPLE.org"),
            ("api.example.org", ".example.org"),
            ("api.example.org", "example.org"),
            ("api.example.org", "*.example.org"),
            ("api.example.org", "*"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("fd00::1", "[fd00::1]"),
            ("fd00::1", "fd00::/8"),
            ("10.1.2.3", "0.0.0.0/0"),
        ] {
            assert!(is_exempt(host, exempt), "{host} by {exempt}");
        }
        for (host, exempt) in [
            ("api.example.org", ""),
            ("api.example.org", "ample.org,pi.example.org"),
            ("api.example.org", "api.example.org.evil"),
            ("11.1.2.3", "10.0.0.0/8,10.0.0.0/99,x/8"),
            ("10.1.2.3", "2.3"),
        ] {
            assert!(!is_exempt(host, exempt), "{host} by {exempt}");
        }
    }
}
