//! Addresses: whether a text is one, and whom it is for, and how a value is written in one.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All that RFC 3986, 2.3 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether `text` is an http or https address without blanks and without credentials in it.
pub fn is_http(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !authority.is_empty() && !authority.contains('@') && text.parse::<ureq::http::Uri>().is_ok()
    })
}

/// Whether `url` is for this machine itself.
pub fn is_loopback(url: &str) -> bool {
    host_of(url).is_some_and(|host| {
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
    })
}

/// The name or address of the host that `url` is for.
pub fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => authority.split(':').next(),
    }
}

/// The scheme, host and port of `url`: all before its path.
pub fn origin_of(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']);
    &url[..end.map_or(url.len(), |end| authority + end)]
}

/// `text` as a value of a query or a form: only unreserved characters stay as they are.
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_alone() {
        assert!(is_loopback("http://localhost:2633/RPC2"));
        assert!(is_loopback("http://127.0.0.1:1"));
        assert!(is_loopback("http://[::1]:1/x"));
        assert!(!is_loopback("http://127.0.0.1.example.org/"));
        assert!(!is_loopback("https://api.example.org/localhost"));
    }

    #[test]
    fn an_origin_ends_where_the_path_begins() {
        for (url, origin) in [
            ("http://a:1/x/y?z", "http://a:1"),
            ("https://[::1]:2", "https://[::1]:2"),
            ("https://a?x=http://b/", "https://a"),
            ("", ""),
        ] {
            assert_eq!(origin_of(url), origin, "{url}");
        }
    }

    #[test]
    fn only_unreserved_characters_stay_as_they_are() {
        assert_eq!(percent_encode("aZ09-._~"), "aZ09-._~");
        assert_eq!(percent_encode("a b+/&=%é"), "a%20b%2B%2F%26%3D%25%C3%A9");
    }
}
