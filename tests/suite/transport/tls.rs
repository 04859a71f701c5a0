//! Trust: which servers are believed to be the provider, and on which way they are asked.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::common;
use crate::common::{Bench, assert_failure_with};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use simulator::oneprovision::Answer;
use simulator::{Options, Service, TOKEN};

/// A company's own authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server with a certificate for `name`, valid from the beginning of one year to that of another.
    fn server(&self, name: &str, from: i32, until: i32) -> Arc<ServerConfig> {
        let params = params(name, from, until);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        server(certificate.der().clone(), &key)
    }
}

fn params(name: &str, from: i32, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into());
    Arc::new(config.unwrap())
}

/// A bench whose API is served by `server`, and the file of `authority`'s certificate.
fn bench(server: Arc<ServerConfig>, authority: &Authority) -> (Bench, String) {
    let bench = Bench::with(Options { tls: Some(server), ..Options::default() });
    let file = bench.file("authority.pem", &authority.pem());
    (bench, file)
}

fn deploy(bench: &Bench) -> Answer {
    bench.deploy(7)
}

fn assert_deployed(bench: &Bench) {
    let answer = deploy(bench);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(answer.stderr, "");
    bench.assert_books(&[answer.stdout.trim()]);
}

/// How many requests the provider understood.
fn asked(bench: &Bench) -> usize {
    let requests = bench.simulator.requests();
    requests.iter().filter(|r| r.service == Service::Api).count()
}

#[test]
fn a_companys_own_authority_is_trusted_where_a_file_or_a_folder_names_it() {
    let authority = Authority::new("A company's own");
    let (bench, file) = bench(authority.server("127.0.0.1", 2020, 4000), &authority);
    let bench = bench.set("SSL_CERT_FILE", &file);
    assert_deployed(&bench);
    let folder = bench.path("certificates");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&file, folder.join("8d33f237.0")).unwrap();
    let bench = bench.unset("SSL_CERT_FILE").set("SSL_CERT_DIR", folder.to_str().unwrap());
    let answer = bench.deploy(8);
    assert!(answer.is_success(), "{answer:?}");
}

#[test]
fn a_certificate_that_is_not_the_providers_is_refused_and_the_first_line_says_why() {
    const HERE: &str = "127.0.0.1";
    let authority = Authority::new("A company's own");
    let own = |ca: bool| {
        let key = KeyPair::generate().unwrap();
        let mut params = params(HERE, 2020, 4000);
        params.is_ca = match ca {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::NoCa,
        };
        server(params.self_signed(&key).unwrap().der().clone(), &key)
    };
    let cases = [
        (authority.server(HERE, 2019, 2020), "the certificate has expired"),
        (authority.server(HERE, 3000, 4000), "the certificate is not valid yet"),
        (authority.server("other.example", 2020, 4000), "the certificate is for another host"),
        (
            Authority::new("Another").server(HERE, 2020, 4000),
            "the certificate is self-signed or of an unknown authority",
        ),
        (own(false), "the certificate is self-signed or of an unknown authority"),
        (own(true), "the certificate is self-signed, and an authority's own"),
    ];
    for (server, reason) in cases {
        let (bench, file) = bench(server, &authority);
        let bench = bench.set("SSL_CERT_FILE", &file).set("PM_LOG", "debug");
        let answer = deploy(&bench);
        let remedy = "mend the certificate, or name its authority with SSL_CERT_FILE";
        assert_failure_with(&answer, &[reason, remedy]);
        assert_eq!(asked(&bench), 0, "nothing was sent: {reason}");
        assert!(!answer.stderr.contains("attempt 2"), "{answer:?}");
    }
}

#[test]
fn the_systems_own_store_does_not_trust_a_made_up_authority() {
    let authority = Authority::new("A company's own");
    let (bench, _) = bench(authority.server("127.0.0.1", 2020, 4000), &authority);
    assert_failure_with(&deploy(&bench), &["the certificate is self-signed or of an unknown authority"]);
}

#[test]
fn a_store_that_cannot_be_read_is_named() {
    let authority = Authority::new("A company's own");
    let (bench, _) = bench(authority.server("127.0.0.1", 2020, 4000), &authority);
    let bench = bench.set("SSL_CERT_FILE", "/nowhere/authority.pem");
    let answer = deploy(&bench);
    assert_failure_with(&answer, &["unknown authority"]);
    assert!(answer.stderr.contains("WARNING: no certificate is trusted"), "{answer:?}");
    assert!(answer.stderr.contains("/nowhere/authority.pem"), "{answer:?}");
}

#[test]
fn a_oned_of_another_authority_does_not_get_the_session() {
    let authority = Authority::new("A company's own");
    let (bench, _) = bench(authority.server("127.0.0.1", 2020, 4000), &authority);
    let url = format!("{}/RPC2", bench.simulator.api_root());
    let bench = bench.set("ONE_XMLRPC", &url);
    assert_failure_with(&deploy(&bench), &["oned at https://", "is not to be trusted", "SSL_CERT_FILE"]);
    assert_eq!(asked(&bench), 0);
}

/// The same server under an address that is not loopback, and needs neither a network nor a resolver.
fn elsewhere(url: &str) -> String {
    url.replace("127.0.0.1", "0.0.0.0")
}

#[test]
fn plain_http_to_another_machine_is_warned_of() {
    let bench = Bench::new();
    let (api, oned) = (bench.simulator.api_url(), bench.simulator.oned_url());
    let bench = bench.set("PACKET_API_URL", &elsewhere(&api));
    let answer = deploy(&bench);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(answer.stderr, "WARNING: PACKET_API_URL is http: the token travels in clear; use https\n");
    let bench = bench.set("PACKET_API_URL", &api).set("ONE_XMLRPC", &elsewhere(&oned));
    let answer = bench.deploy(8);
    assert!(answer.is_success(), "{answer:?}");
    let warning = "over plain http: passwords and tokens travel in clear; use https\n";
    assert!(answer.stderr.starts_with("WARNING: oned is asked at "), "{answer:?}");
    assert!(answer.stderr.ends_with(warning), "{answer:?}");
}

/// A proxy that leads every CONNECT to one server, and notes what it is asked and what goes through.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    /// One that leads to `target`, or refuses with this answer.
    fn start(target: Result<SocketAddr, &'static str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), asked: Arc::default(), seen: Arc::default() };
        let (asked, seen) = (proxy.asked.clone(), proxy.seen.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (asked, seen) = (asked.clone(), seen.clone());
                thread::spawn(move || serve(client?, target, &asked, &seen));
            }
        });
        proxy
    }

    fn url(&self) -> String {
        format!("http://user:proxy-password@{}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut client: TcpStream,
    target: Result<SocketAddr, &'static str>,
    asked: &Mutex<Vec<String>>,
    seen: &Arc<Mutex<Vec<u8>>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    asked.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let target = match target {
        Ok(target) => target,
        Err(refusal) => return client.write_all(refusal.as_bytes()),
    };
    let mut server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
        copied
    });
    let mut buffer = [0; 4096];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        seen.lock().unwrap().extend(&buffer[..count]);
        server.write_all(&buffer[..count])?;
    }
    server.shutdown(Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}

/// A bench whose provider is called `metal.example`, a name that nobody but the proxy knows.
fn behind_a_proxy() -> (Bench, SocketAddr) {
    let authority = Authority::new("A company's own");
    let (bench, file) = bench(authority.server("metal.example", 2020, 4000), &authority);
    let address = bench.simulator.api_root().replace("https://", "");
    let bench = bench.set("SSL_CERT_FILE", &file).set("PACKET_API_URL", "https://metal.example/metal/v1");
    (bench, address.parse().unwrap())
}

#[test]
fn the_provider_is_asked_through_the_proxy_for_https_which_sees_nothing() {
    let (bench, address) = behind_a_proxy();
    let proxy = Proxy::start(Ok(address));
    let bench = bench.set("HTTPS_PROXY", &proxy.url());
    assert_deployed(&bench);
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    for head in asked {
        assert!(head.starts_with("CONNECT metal.example:443 HTTP/1.1\r\n"), "{head}");
        assert!(!head.contains(TOKEN), "{head}");
    }
    let seen = proxy.seen.lock().unwrap();
    assert!(!seen.is_empty());
    assert!(!seen.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes()));
}

#[test]
fn a_proxy_that_does_not_connect_is_named_without_its_password() {
    let (bench, _) = behind_a_proxy();
    let refusal =
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
    let proxy = Proxy::start(Err(refusal));
    let bench = bench.set("HTTPS_PROXY", &proxy.url()).set("PM_TIMEOUT", "2").set("PM_LOG", "debug");
    let answer = deploy(&bench);
    let line = assert_failure_with(&answer, &["407", "through the proxy that HTTPS_PROXY names"]);
    assert!(line.contains("the proxy does not connect"), "{line}");
    assert!(!answer.stderr.contains("proxy-password"), "{answer:?}");
}

#[test]
fn an_address_that_is_no_proxy_is_not_used_and_not_quoted() {
    let authority = Authority::new("A company's own");
    let (bench, file) = bench(authority.server("0.0.0.0", 2020, 4000), &authority);
    let url = elsewhere(&bench.simulator.api_url());
    let bench = bench.set("SSL_CERT_FILE", &file).set("PACKET_API_URL", &url);
    for address in ["socks5://user:proxy-password@127.0.0.1:1", "http://:proxy-password"] {
        let bench = bench.oneprovision.clone().with("HTTPS_PROXY", address);
        let answer = bench.run("packet", "poll", &[common::UNKNOWN_ID, "n"]).unwrap();
        assert!(!answer.stderr.contains("proxy-password"), "{answer:?}");
    }
    let bench = bench.set("HTTPS_PROXY", "socks5://user:proxy-password@127.0.0.1:1");
    let answer = deploy(&bench);
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(
        answer.stderr,
        "WARNING: HTTPS_PROXY is not the address of an http proxy, so none is used: set it to http://HOST:PORT\n"
    );
}

#[test]
fn the_proxy_of_http_is_none_for_https_and_no_proxy_exempts() {
    let authority = Authority::new("A company's own");
    let (bench, file) = bench(authority.server("0.0.0.0", 2020, 4000), &authority);
    let (url, oned) = (elsewhere(&bench.simulator.api_url()), elsewhere(&bench.simulator.oned_url()));
    let address = bench.simulator.api_root().replace("https://", "");
    let proxy = Proxy::start(Ok(address.parse().unwrap()));
    let bench = bench.set("SSL_CERT_FILE", &file).set("PACKET_API_URL", &url).set("HTTP_PROXY", &proxy.url());
    assert_deployed(&bench);
    assert_eq!(proxy.asked(), [""; 0], "HTTP_PROXY for https");
    let id = bench.simulator.devices()[0].id.clone();
    let run = |name: &str, value: &str| {
        let driver = bench.oneprovision.clone().with(name, value);
        driver.without("HTTP_PROXY").with("HTTPS_PROXY", proxy.url())
    };
    let words = [id.as_str(), "name", "7", "name"];
    let exempt = run("NO_PROXY", "other.example, 0.0.0.0");
    let answer = exempt.run("packet", "poll", &words).unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_eq!(proxy.asked(), [""; 0], "NO_PROXY");
    let answer = run("ONE_XMLRPC", &oned).run("packet", "poll", &words).unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert!(!proxy.asked().is_empty(), "HTTPS_PROXY");
    for head in proxy.asked() {
        assert!(head.starts_with("CONNECT 0.0.0.0:"), "{head}");
        assert!(url.contains(head.split([' ', '\r']).nth(1).unwrap()), "oned over https? {head}");
    }
}

#[test]
fn loopback_is_never_asked_through_a_proxy() {
    let bench = Bench::new();
    let proxy = Proxy::start(Err("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"));
    let bench = bench.set("ALL_PROXY", &proxy.url()).set("http_proxy", &proxy.url());
    assert_deployed(&bench);
    assert_eq!(proxy.asked(), [""; 0]);
}
