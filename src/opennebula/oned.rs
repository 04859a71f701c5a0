//! oned: where it is, who we are to it, and what it says of a host.
//!
//! The token in a deployment file is encrypted; only `one.host.info` with `decrypt` gives the clear one. The
//! exchanges were recorded from a running oned 5.12.0.3, see `tests/fixtures/opennebula-5.12`; oned 5.8
//! ignores the third parameter and has no encryption.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::http::backoff::Backoff;
use crate::http::client::{Http, Method, Request};
use crate::http::error::{ApiError, Kind};
use crate::http::url::{is_http, is_loopback};
use crate::opennebula::host::{Environment, Host, HostId};
use crate::report::frame::Report;
use crate::report::secret::Secret;
use crate::system::file;
use crate::system::interrupt::Interrupt;
use crate::wire::xml;

/// How long a call to oned may take where `ONE_XMLRPC_TIMEOUT` does not say.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest `one_auth` or `one_endpoint`: they hold a line.
const FILE_LIMIT: u64 = 64 << 10;
/// The largest host that is read: the largest seen had 20 KB.
const HOST_LIMIT: u64 = 8 << 20;
/// The largest pool that is read: some 20,000 hosts.
const POOL_LIMIT: u64 = 64 << 20;

/// Why oned gave no host.
#[derive(Debug)]
pub enum OnedError {
    /// oned could not be asked, or does not know us.
    CannotAsk(anyhow::Error),
    /// oned answered that there is no such host.
    NoSuchHost(String),
}

impl fmt::Display for OnedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotAsk(error) => error.fmt(f),
            Self::NoSuchHost(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for OnedError {}

impl From<anyhow::Error> for OnedError {
    fn from(error: anyhow::Error) -> Self {
        Self::CannotAsk(error)
    }
}

/// Which host is meant.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The host with this id.
    Id(HostId),
    /// The host of this name; costs a look at the whole pool.
    Name(&'a str),
}

/// The front-end's daemon.
pub struct Oned {
    http: Arc<Http>,
    endpoint: String,
    session: Secret,
    timeout: Duration,
    interrupt: Interrupt,
    report: Report,
}

impl Oned {
    /// oned as the environment and the user's files tell where it is.
    ///
    /// # Errors
    /// There is no session, or the endpoint is no address; nothing was sent.
    pub fn open(environment: &Environment, interrupt: &Interrupt, report: Report) -> Result<Self> {
        let endpoint = endpoint(environment)?;
        let session = session(environment, &report)?;
        if endpoint.starts_with("http://") && !is_loopback(&endpoint) {
            report.warn(format_args!(
                "oned is asked at {endpoint} over plain http: passwords and tokens travel in clear; use https"
            ));
        }
        let timeout = match environment.get("ONE_XMLRPC_TIMEOUT")? {
            None => TIMEOUT,
            Some(text) => text
                .trim()
                .parse::<u32>()
                .ok()
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into()))
                .with_context(|| {
                    format!("ONE_XMLRPC_TIMEOUT is {text:?}: set it to a number of seconds")
                })?,
        };
        let mut secrets = vec![session.clone()];
        if let Some((_, password)) = session.expose().split_once(':') {
            secrets.push(Secret::new(password));
        }
        let http = Arc::new(Http::new(&endpoint, secrets, report));
        let at_work = Arc::clone(&http);
        interrupt.on_first(Box::new(move || at_work.abort()));
        Ok(Self {
            http,
            endpoint,
            session,
            timeout,
            interrupt: interrupt.clone(),
            report,
        })
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The host, its secrets decrypted.
    ///
    /// # Errors
    /// oned cannot be asked, denies, has no such host, or does not answer in XML-RPC.
    pub fn host(&self, which: Which<'_>) -> Result<Host, OnedError> {
        let id = match which {
            Which::Id(id) => id,
            Which::Name(name) => self.id_of(name)?,
        };
        let parameters = [
            Parameter::Text(self.session.expose()),
            Parameter::Number(id.0),
            Parameter::Flag(true),
        ];
        let xml = self.call("one.host.info", &parameters, HOST_LIMIT)?;
        let (host, _) = Host::parse(&xml).with_context(|| {
            format!(
                "oned at {} describes host {id} in a form that cannot be read: is it an OpenNebula 5.8 to 5.12?",
                self.endpoint
            )
        })?;
        Ok(host)
    }

    /// Every host of the pool. Secrets stay encrypted.
    ///
    /// # Errors
    /// oned cannot be asked, denies, or does not answer in XML-RPC.
    pub fn hosts(&self) -> Result<Vec<Host>, OnedError> {
        let hosts = Host::parse_pool(&self.pool()?);
        Ok(hosts.with_context(|| self.strange_pool())?)
    }

    fn pool(&self) -> Result<String, OnedError> {
        self.call(
            "one.hostpool.info",
            &[Parameter::Text(self.session.expose())],
            POOL_LIMIT,
        )
    }

    fn strange_pool(&self) -> String {
        format!(
            "oned at {} lists its hosts in a form that cannot be read: is it an OpenNebula 5.8 to 5.12?",
            self.endpoint
        )
    }

    /// The id of the host of this name.
    fn id_of(&self, name: &str) -> Result<HostId, OnedError> {
        let xml = self.pool()?;
        let mut id = None;
        let mut found = Vec::new();
        xml::leaves(&xml, |path, value| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            match path[..] {
                ["HOST_POOL", "HOST", "ID"] => id = HostId::parse(value.trim()),
                ["HOST_POOL", "HOST", "NAME"] if value == name => found.extend(id),
                _ => {}
            }
            Ok(())
        })
        .with_context(|| self.strange_pool())?;
        match found[..] {
            [id] => Ok(id),
            [] => Err(OnedError::NoSuchHost(format!(
                "oned has no host named {name}: see `onehost list`"
            ))),
            _ => Err(OnedError::NoSuchHost(format!(
                "oned has {} hosts named {name}: give the host id too",
                found.len()
            ))),
        }
    }

    /// Calls `method` and returns the text of its answer.
    fn call(
        &self,
        method: &str,
        parameters: &[Parameter<'_>],
        limit: u64,
    ) -> Result<String, OnedError> {
        let body = method_call(method, parameters);
        let by = Instant::now() + self.timeout;
        let request = Request {
            method: Method::Post,
            url: &self.endpoint,
            path: method,
            headers: &[],
            body: Some(("text/xml; charset=utf-8", body.as_bytes())),
            by,
            within: self.timeout,
            limit,
        };
        let mut backoff = Backoff::default();
        let answer = loop {
            let error = match self.http.send(&request) {
                Ok(answer) => break answer,
                Err(failure) => failure.error,
            };
            self.interrupt.check().map_err(interrupted)?;
            // A oned that refuses connections does not run: waiting for it helps nobody.
            let pause = match error.kind {
                Kind::NotSent => None,
                _ => backoff.after(&error),
            };
            match pause {
                Some(pause) if Instant::now() + pause < by => {
                    self.report.info(format_args!("oned: {error}: again"));
                    self.interrupt.sleep(pause).map_err(interrupted)?;
                }
                _ => return Err(self.explain(&error).into()),
            }
        };
        let not_xml_rpc = |why: &str| {
            anyhow!(
                "{} does not answer as oned does ({}): set ONE_XMLRPC to oned's address",
                self.endpoint,
                self.http.tellable(why)
            )
        };
        let text = xml::decode(&answer.body).map_err(|error| not_xml_rpc(&error.to_string()))?;
        let answer = method_response(text).map_err(|error| not_xml_rpc(&error.to_string()))?;
        self.judge(method, answer)
    }

    fn judge(&self, method: &str, answer: MethodResponse) -> Result<String, OnedError> {
        match answer {
            MethodResponse::Fault(message) => Err(OnedError::CannotAsk(anyhow!(
                "oned at {} answers {method} with a fault: {}: is it an OpenNebula 5.8 to 5.12?",
                self.endpoint,
                self.http.tellable(&message)
            ))),
            MethodResponse::Good(text) => Ok(text),
            MethodResponse::Bad { message, code } => {
                let message = self.http.tellable(&message);
                // Codes of oned's Request::ErrorCode (include/Request.h).
                Err(match code {
                    Some(0x100) => OnedError::CannotAsk(anyhow!(
                        "oned denies the credentials: {message}: check one_auth (or ONE_AUTH)"
                    )),
                    Some(0x200) => OnedError::CannotAsk(anyhow!(
                        "oned does not allow it: {message}: run it as a user who may administrate the host"
                    )),
                    Some(0x400) => OnedError::NoSuchHost(format!(
                        "oned has no such host: {message}: see `onehost list`"
                    )),
                    _ => OnedError::CannotAsk(anyhow!(
                        "oned refuses {method}: {message}: see oned.log"
                    )),
                })
            }
        }
    }

    fn explain(&self, error: &ApiError) -> anyhow::Error {
        let reasons = error.reasons.join("; ");
        let endpoint = &self.endpoint;
        match error.kind {
            Kind::NotSent => anyhow!(
                "oned cannot be reached at {endpoint}: {reasons}: start it, or set ONE_XMLRPC to its address"
            ),
            Kind::Untrusted => anyhow!(
                "oned at {endpoint} is not to be trusted: {reasons}: mend the certificate, or name its authority with SSL_CERT_FILE"
            ),
            _ if error.status.is_some() => anyhow!(
                "{endpoint} does not answer as oned does ({reasons}, status {}): set ONE_XMLRPC to oned's address",
                error.status.unwrap_or_default()
            ),
            _ => anyhow!(
                "oned at {endpoint} gives no answer: {reasons}: see oned.log; ONE_XMLRPC_TIMEOUT is the time it gets"
            ),
        }
    }
}

fn interrupted(signal: nix::sys::signal::Signal) -> anyhow::Error {
    anyhow!("interrupted ({signal}) while asking oned: nothing was done")
}

/// Where oned listens: `$ONE_XMLRPC`, else what a file `one_endpoint` says, else its default.
fn endpoint(environment: &Environment) -> Result<String> {
    let (source, text) = match environment.get("ONE_XMLRPC")? {
        Some(text) => ("ONE_XMLRPC".to_owned(), text.to_owned()),
        None => match first_file(environment, "one_endpoint")? {
            Some((path, text)) => (path.display().to_string(), text),
            None => (String::new(), "http://localhost:2633/RPC2".to_owned()),
        },
    };
    let text = text.trim();
    if !is_http(text) {
        bail!("{source} is not an address of oned: set it to http://HOST:2633/RPC2");
    }
    Ok(text.to_owned())
}

/// Who we are to oned: the first line of `$ONE_AUTH`, or of a file `one_auth`.
fn session(environment: &Environment, report: &Report) -> Result<Secret> {
    let (path, text) = match environment.get("ONE_AUTH")? {
        Some(path) => {
            let path = PathBuf::from(path);
            let text = read_text(&path)
                .with_context(|| format!("ONE_AUTH names {}, which cannot be read: set it to a file with USER:PASSWORD", path.display()))?;
            (path, text)
        }
        None => first_file(environment, "one_auth")?.with_context(|| {
            let looked: Vec<String> = homes(environment)
                .iter()
                .map(|home| home.join("one_auth").display().to_string())
                .collect();
            format!(
                "there is no one_auth ({}): run as oneadmin, or set ONE_AUTH to a file with USER:PASSWORD",
                looked.join(", ")
            )
        })?,
    };
    warn_if_exposed(&path, "holds the password of oned", report);
    let line = text.lines().next().unwrap_or_default().trim();
    if !line.contains(':') {
        bail!(
            "{} has no USER:PASSWORD in its first line: write it anew",
            path.display()
        );
    }
    Ok(Secret::new(line))
}

/// Warns where others than the owner and its group may read the file at `path`, which `holds` something.
pub fn warn_if_exposed(path: &Path, holds: &str, report: &Report) {
    if is_exposed(path) {
        report.warn(format_args!(
            "{} {holds} and can be read by every user: chmod 600 it",
            path.display()
        ));
    }
}

/// Whether others than the owner and its group may read the file at `path`.
pub fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0)
}

/// The first of the user's and of oneadmin's files of this name that exists, and its text.
fn first_file(environment: &Environment, name: &str) -> Result<Option<(PathBuf, String)>> {
    for home in homes(environment) {
        let path = home.join(name);
        match read_text(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            // Another user's home: as if it were not there.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("{} cannot be read: make it a file of text", path.display())
                });
            }
        }
    }
    Ok(None)
}

fn read_text(path: &Path) -> io::Result<String> {
    let (bytes, _) = file::read(path, FILE_LIMIT)?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not in UTF-8"))
}

fn homes(environment: &Environment) -> Vec<PathBuf> {
    let own = environment.get("HOME").ok().flatten().map(PathBuf::from);
    own.into_iter()
        .chain([PathBuf::from("/var/lib/one")])
        .map(|home| home.join(".one"))
        .collect()
}

/// A parameter of a call.
pub enum Parameter<'a> {
    /// `<string>`
    Text(&'a str),
    /// `<i4>`
    Number(u32),
    /// `<boolean>`
    Flag(bool),
}

/// A call, as oned's clients write it.
pub fn method_call(method: &str, parameters: &[Parameter<'_>]) -> String {
    let mut call =
        format!("<?xml version=\"1.0\" ?><methodCall><methodName>{method}</methodName><params>");
    for parameter in parameters {
        let value = match parameter {
            Parameter::Text(text) => {
                format!("<string>{}</string>", quick_xml::escape::escape(*text))
            }
            Parameter::Number(number) => format!("<i4>{number}</i4>"),
            Parameter::Flag(flag) => format!("<boolean>{}</boolean>", u8::from(*flag)),
        };
        call.push_str(&format!("<param><value>{value}</value></param>"));
    }
    call.push_str("</params></methodCall>\n");
    call
}

/// What a call brought.
#[derive(Debug, PartialEq, Eq)]
pub enum MethodResponse {
    /// `[true, text, …]`
    Good(String),
    /// `[false, message, code, …]`
    Bad {
        /// What oned says.
        message: String,
        /// Its `Request::ErrorCode`.
        code: Option<i64>,
    },
    /// `<fault>`
    Fault(String),
}

/// Reads an answer: the first three values of its array, or its fault.
///
/// # Errors
/// It is no XML, or not in the form of an answer.
pub fn method_response(text: &str) -> Result<MethodResponse> {
    const VALUES: [&str; 7] = [
        "methodResponse",
        "params",
        "param",
        "value",
        "array",
        "data",
        "value",
    ];
    let mut values: Vec<String> = Vec::new();
    let mut fault: Option<String> = None;
    let mut member = String::new();
    let mut root = None;
    xml::leaves(text, |path, value| {
        if root.is_none() {
            root = path.first().cloned();
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if path.starts_with(&VALUES) {
            // A success has its text second, and only that may be large: nothing else is kept.
            if values.len() < 3 {
                values.push(value.to_owned());
            }
        } else if path.get(1) == Some(&"fault") {
            fault.get_or_insert_default();
            match path.last() {
                Some(&"name") => member = value.to_owned(),
                _ if member == "faultString" => fault = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(())
    })?;
    if let Some(message) = fault {
        return Ok(MethodResponse::Fault(message));
    }
    if root.as_deref() != Some("methodResponse") {
        bail!("its root element is <{}>", root.unwrap_or_default());
    }
    let mut values = values.into_iter();
    match (values.next().as_deref(), values.next()) {
        (Some("1" | "true"), Some(text)) => Ok(MethodResponse::Good(text)),
        (Some("0" | "false"), Some(message)) => Ok(MethodResponse::Bad {
            message,
            code: values.next().and_then(|code| code.trim().parse().ok()),
        }),
        _ => bail!("it has not the two values of an answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! recording {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/opennebula-5.12/", $name))
        };
    }

    #[test]
    fn a_call_is_what_oneprovision_sends() {
        let call = method_call(
            "one.host.info",
            &[
                Parameter::Text("oneadmin:opennebula"),
                Parameter::Number(1002),
                Parameter::Flag(true),
            ],
        );
        assert_eq!(call, recording!("host.info-decrypt.request.xml"));
    }

    #[test]
    fn the_session_cannot_leave_its_value() {
        let call = method_call("m", &[Parameter::Text("a:</string>&")]);
        assert!(call.contains("<string>a:&lt;/string&gt;&amp;</string>"));
    }

    #[test]
    fn the_recorded_answers_are_read() -> Result<()> {
        let good = method_response(recording!("host.info-decrypt.response.xml"))?;
        let MethodResponse::Good(text) = good else {
            bail!("{good:?}");
        };
        let (host, _) = Host::parse(&text)?;
        assert_eq!(
            host.provision("PACKET_TOKEN"),
            Some("tok-0123456789abcdefSECRET")
        );
        assert_eq!(
            method_response(recording!("host.info-no-such-host.response.xml"))?,
            MethodResponse::Bad {
                message: "[one.host.info] Error getting host [99].".into(),
                code: Some(1024)
            }
        );
        assert_eq!(
            method_response(recording!("fault.response.xml"))?,
            MethodResponse::Fault("Method 'one.nosuch' not defined".into())
        );
        Ok(())
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "<html></html>",
            "<methodResponse><params/></methodResponse>",
            "<methodResponse/>",
            "{}",
        ] {
            assert!(method_response(text).is_err(), "{text}");
        }
    }
}
