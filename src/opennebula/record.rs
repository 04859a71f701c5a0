//! The machine of a host, written into oned as soon as its id is known, and taken out again when it is deleted.
//!
//! oneprovision stores the ids that its deploys print only after all of them succeeded, and calls `cancel` only where
//! one is stored: a machine whose id is not in oned is cancelled by nobody. So it is written by the driver itself.
//!
//! The exchange was tried on oned 5.8.5 and 5.12.0.4, see `tests/fixtures/opennebula-5.8` and `-5.12`:
//! `one.host.update` in its append mode replaces the one section that it is given, whole, and keeps what others change
//! elsewhere in the meantime. So PROVISION is sent as `one.host.info` gave it, secrets encrypted as they are, with
//! `DEPLOY_ID` put in front or left out. It is sent as XML: the other syntax loses empty values and ends wrong at a
//! backslash (`src/parsers` of OpenNebula).

use std::fmt;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::opennebula::host::HostId;
use crate::opennebula::oned::{HOST_LIMIT, Oned, OnedError};
use crate::opennebula::xmlrpc::Parameter;
use crate::wire::xml;

/// Where the attributes stand.
const PROVISION: [&str; 3] = ["HOST", "TEMPLATE", "PROVISION"];
const DEPLOY_ID: &str = "DEPLOY_ID";
/// `one.host.update` replaces what it is given, and keeps the rest (OpenNebula's XML-RPC API, `one.host.update`).
const APPEND: u32 = 1;
/// The largest answer to an update: it is a number.
const UPDATE_LIMIT: u64 = 64 << 10;
/// The end of a CDATA section: no value can hold it.
const END: &str = "]]>";

/// Why the record of a host in oned is not what it should be.
#[derive(Debug)]
pub enum RecordError {
    /// There is no such host (any more): error 1024. Somebody deleted it.
    NoSuchHost(String),
    /// Anything else: it may or may not be written.
    Other(anyhow::Error),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchHost(message) => f.write_str(message),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<OnedError> for RecordError {
    fn from(error: OnedError) -> Self {
        match error {
            OnedError::NoSuchHost(mistake) => Self::NoSuchHost(mistake.to_string()),
            OnedError::CannotAsk(error) => Self::Other(error),
        }
    }
}

impl From<anyhow::Error> for RecordError {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl Oned {
    /// Writes `deploy_id` into `host` as its `PROVISION/DEPLOY_ID`, or takes out what is there. Nothing is sent that
    /// would change nothing.
    ///
    /// A signal does not end it, for this is also how a roll-back is told; it ends within the time that oned gets for
    /// one call.
    ///
    /// # Errors
    /// There is no such host, or it is not known to be written.
    pub fn record(&self, host: HostId, deploy_id: Option<&str>) -> Result<(), RecordError> {
        if deploy_id.is_some_and(|id| id.trim().is_empty()) {
            // An empty one vanishes in the shell, and `cancel` is called with shifted words.
            return Err(anyhow!("an empty DEPLOY_ID is never written into oned: leave it out").into());
        }
        let by = self.rpc.deadline();
        let text = self.encrypted_host(host, by)?;
        let section = self.section(host, &text)?;
        if section.deploy_id.as_deref() == deploy_id {
            return Ok(());
        }
        let template = section.with(deploy_id);
        let parameters = [Parameter::Number(host.0), Parameter::Text(&template), Parameter::Number(APPEND)];
        self.rpc.insist("one.host.update", &parameters, UPDATE_LIMIT, by)?;
        if section.is_kept_as_sent(deploy_id) {
            return Ok(());
        }
        let text = self.encrypted_host(host, by)?;
        if self.section(host, &text)?.deploy_id.as_deref() == deploy_id {
            return Ok(());
        }
        Err(anyhow!(
            "oned did not keep the DEPLOY_ID of host {host}: take ]]> out of its section PROVISION with onehost update"
        )
        .into())
    }

    /// Looks whether `host` is still there.
    ///
    /// # Errors
    /// There is no such host, or it cannot be looked for.
    pub fn look(&self, host: HostId) -> Result<(), RecordError> {
        self.encrypted_host(host, self.rpc.deadline())?;
        Ok(())
    }

    /// The host's XML, its secrets encrypted as they are kept.
    pub(super) fn encrypted_host(&self, host: HostId, by: Instant) -> Result<String, OnedError> {
        let parameters = [Parameter::Number(host.0), Parameter::Flag(false)];
        self.rpc.insist("one.host.info", &parameters, HOST_LIMIT, by)
    }

    fn section<'a>(&self, host: HostId, text: &'a str) -> Result<Section<'a>> {
        Section::of(text).with_context(|| self.strange_host(host))
    }
}

/// The section PROVISION of a host.
#[derive(Debug, Default, PartialEq, Eq)]
struct Section<'a> {
    deploy_id: Option<String>,
    /// Each other element, as it was written.
    others: Vec<&'a str>,
}

impl<'a> Section<'a> {
    /// That of the host whose XML is `text`. A value of it may hold anything, such as `<PROVISION>`.
    fn of(text: &'a str) -> Result<Self> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut open: Vec<String> = Vec::new();
        let mut section = Self::default();
        let (mut begin, mut sections) = (0, 0);
        loop {
            let before = at(&reader)?;
            // Its own words may quote a value.
            let Ok(event) = reader.read_event() else {
                bail!("it is not well-formed, at byte {}", reader.error_position());
            };
            let is_within = open == PROVISION;
            match event {
                Event::Start(start) => {
                    if open.len() > PROVISION.len() && open[..PROVISION.len()] == PROVISION {
                        bail!("an element of PROVISION holds another one");
                    }
                    if is_within {
                        begin = before;
                    }
                    open.push(start.name().as_ref().to_owned());
                    sections += usize::from(open == PROVISION);
                }
                Event::Empty(_) if is_within => section.take(&text[before..at(&reader)?])?,
                Event::End(_) => {
                    open.pop();
                    if open == PROVISION {
                        section.take(&text[begin..at(&reader)?])?;
                    }
                }
                Event::Text(words) if is_within && !words.trim().is_empty() => {
                    bail!("there is text between the elements of PROVISION")
                }
                Event::Eof => break,
                _ => {}
            }
        }
        // Append mode would make one of several.
        if sections > 1 {
            bail!("it has more than one section PROVISION");
        }
        Ok(section)
    }

    /// Takes over an element, as it was written.
    fn take(&mut self, element: &'a str) -> Result<()> {
        let mut deploy_id = None;
        xml::leaves(element, |path, value| {
            if path == [DEPLOY_ID] {
                deploy_id = Some(value.to_owned());
            }
            Ok(())
        })?;
        match deploy_id {
            Some(id) => self.deploy_id = Some(id),
            None => self.others.push(element),
        }
        Ok(())
    }

    /// What to send, so that the section has this `deploy_id`.
    fn with(&self, deploy_id: Option<&str>) -> String {
        let id = deploy_id.map(|id| format!("<{DEPLOY_ID}><![CDATA[{id}]]></{DEPLOY_ID}>"));
        let id = id.unwrap_or_default();
        format!("<TEMPLATE><PROVISION>{id}{}</PROVISION></TEMPLATE>", self.others.concat())
    }

    /// Whether oned is known to keep it where it says so. It does not where a value holds the end of a CDATA section, and
    /// that it does where something has another form than its own, or where nothing is left, was never seen.
    fn is_kept_as_sent(&self, deploy_id: Option<&str>) -> bool {
        self.others.iter().all(|element| is_plain(element))
            && !deploy_id.is_some_and(|id| id.contains(END))
            && (deploy_id.is_some() || !self.others.is_empty())
    }
}

/// Whether the value of an element is one CDATA section, as oned writes each of them.
fn is_plain(element: &str) -> bool {
    let value = element.split_once('>').map_or("", |(_, value)| value);
    value.starts_with("<![CDATA[") && value.matches(END).count() == 1 && value.contains("]]></")
}

/// Where the reader stands in its text.
fn at(reader: &Reader<&[u8]>) -> Result<usize> {
    Ok(usize::try_from(reader.buffer_position())?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use nix::sys::signal::Signal;
    use proptest::prelude::*;
    use simulator::{Effect, Fault, Operation, Simulator};

    use super::*;
    use crate::opennebula::host::Host;
    use crate::opennebula::xmlrpc::{MethodResponse, method_call, method_response};
    use crate::report::frame::{Level, Report};
    use crate::system::interrupt::Interrupt;

    macro_rules! recording {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/opennebula-", $name))
        };
    }

    const ID: &str = "5f1d1b5a-2c1e-4c55-9c0f-1b7f3f0a9d10";

    /// The text of a recorded answer.
    fn host(answer: &str) -> Result<String> {
        match method_response(answer)? {
            MethodResponse::Good(text) => Ok(text),
            other => bail!("{other:?}"),
        }
    }

    fn request(session: &str, host: u32, template: &str) -> String {
        let parameters = [Parameter::Number(host), Parameter::Text(template), Parameter::Number(APPEND)];
        method_call("one.host.update", session, &parameters)
    }

    #[test]
    fn what_is_sent_is_what_was_recorded_byte_for_byte() -> Result<()> {
        let admin = "oneadmin:opennebula";
        let look = [Parameter::Number(135), Parameter::Flag(false)];
        assert_eq!(method_call("one.host.info", admin, &look), recording!("5.12/host.info-before-update.request.xml"));
        let before = host(recording!("5.12/host.info-before-update.response.xml"))?;
        let before = Section::of(&before)?;
        assert_eq!(before.deploy_id, None);
        let written = before.with(Some(ID));
        assert_eq!(request(admin, 135, &written), recording!("5.12/host.update.request.xml"));
        assert_eq!(request(admin, 99, &written), recording!("5.12/host.update-no-such-host.request.xml"));
        assert_eq!(
            request("plain:opennebula", 135, &written),
            recording!("5.12/host.update-not-authorized.request.xml")
        );
        let after = host(recording!("5.12/host.info-after-update.response.xml"))?;
        let after = Section::of(&after)?;
        assert_eq!(after.deploy_id.as_deref(), Some(ID));
        assert_eq!(after.others, before.others);
        assert_eq!(request(admin, 135, &after.with(None)), recording!("5.12/host.update-remove.request.xml"));
        Ok(())
    }

    #[test]
    fn what_is_sent_to_5_8_is_what_was_recorded_byte_for_byte() -> Result<()> {
        let admin = "oneadmin:opennebula";
        let before = host(recording!("5.8/host.info.response.xml"))?;
        let written = Section::of(&before)?.with(Some(ID));
        assert_eq!(request(admin, 19, &written), recording!("5.8/host.update.request.xml"));
        let after = host(recording!("5.8/host.info-after-update.response.xml"))?;
        assert_eq!(
            request(admin, 19, &Section::of(&after)?.with(None)),
            recording!("5.8/host.update-remove.request.xml")
        );
        Ok(())
    }

    fn of_provision(inner: &str) -> String {
        format!("<HOST><ID>1</ID><TEMPLATE><A>x</A><PROVISION>{inner}</PROVISION></TEMPLATE></HOST>")
    }

    #[test]
    fn what_cannot_be_sent_back_as_it_was_is_refused() {
        for inner in ["<A><B>1</B></A>", "loose", "<A>1</B>", "<A>", "</PROVISION><PROVISION>"] {
            assert!(Section::of(&of_provision(inner)).is_err(), "{inner}");
        }
        assert_eq!(Section::of("<HOST><ID>1</ID></HOST>").ok(), Some(Section::default()));
    }

    #[test]
    fn what_oned_may_not_keep_is_known() -> Result<()> {
        // As oned writes a value that holds the end of a CDATA section.
        for odd in [
            "<A><![CDATA[a]]>b]]></A>",
            "<A><![CDATA[a]]>b</A>",
            "<A>b<![CDATA[a]]></A>",
            "<A><![CDATA[a]]><![CDATA[b]]></A>",
            "<A>a</A>",
            "<A/>",
        ] {
            let odd = of_provision(&format!("<B><![CDATA[]]></B>{odd}"));
            assert!(!Section::of(&odd)?.is_kept_as_sent(Some(ID)), "{odd}");
        }
        let usual = of_provision("<A><![CDATA[a]]></A><B><![CDATA[]]></B>");
        let usual = Section::of(&usual)?;
        assert!(usual.is_kept_as_sent(Some(ID)) && usual.is_kept_as_sent(None));
        assert!(!usual.is_kept_as_sent(Some("a]]>")));
        assert!(!Section::default().is_kept_as_sent(None));
        Ok(())
    }

    /// A value as XML has it, with what may be mistaken for the host's own markup.
    fn value() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[ -~]{0,12}",
            "\\PC{0,6}",
            Just("</PROVISION><PROVISION>".to_owned()),
            Just("<DEPLOY_ID><![CDATA[x".to_owned()),
            Just("]] > &amp;&#10;\\\"'\n\t".to_owned()),
        ];
        let pieces = prop::collection::vec(piece, 0..5);
        pieces.prop_map(|pieces| pieces.concat().replace(END, ""))
    }

    /// oned with host 7, as the driver finds it.
    fn running(name: &str, interrupt: &Interrupt) -> Result<(Simulator, Oned)> {
        let simulator = Simulator::start(simulator::Options::default())?;
        simulator.oned().add(&simulator::HostTemplate::new(7))?;
        let file = format!("pm-packet-{name}-{}", std::process::id());
        let one_auth = std::env::temp_dir().join(file);
        fs::write(&one_auth, simulator::SESSION)?;
        fs::set_permissions(&one_auth, fs::Permissions::from_mode(0o600))?;
        let variables = [("ONE_AUTH", one_auth.clone().into_os_string()), ("ONE_XMLRPC", simulator.oned_url().into())];
        let environment = variables.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let oned = Oned::open(&environment, interrupt, Report::new(Level::Quiet));
        fs::remove_file(&one_auth)?;
        Ok((simulator, oned?))
    }

    #[test]
    fn a_signal_that_came_before_does_not_keep_it_from_being_written() -> Result<()> {
        let interrupt = Interrupt::default();
        let (simulator, oned) = running("before", &interrupt)?;
        interrupt.raise(Signal::SIGTERM);
        simulator.fault(Fault::new(Operation::HostUpdate, Effect::DropBefore { reset: true }));
        oned.record(HostId(7), Some(ID))?;
        assert_eq!(simulator.oned().provision(7, "DEPLOY_ID").as_deref(), Some(ID));
        Ok(())
    }

    #[test]
    fn a_signal_that_ends_its_request_does_not_end_it() -> Result<()> {
        let interrupt = Interrupt::default();
        let (simulator, oned) = running("meanwhile", &interrupt)?;
        simulator.fault(Fault::new(Operation::HostUpdate, Effect::Hang));
        std::thread::scope(|scope| {
            let recording = scope.spawn(|| oned.record(HostId(7), Some(ID)));
            let is_update = |one: &simulator::Request| one.operation == Operation::HostUpdate;
            while !simulator.requests().iter().any(is_update) && !recording.is_finished() {
                std::thread::sleep(Duration::from_millis(5));
            }
            // It may still be on its way from the log to the wait.
            std::thread::sleep(Duration::from_millis(50));
            interrupt.raise(Signal::SIGTERM);
            Ok::<_, anyhow::Error>(recording.join().map_err(|_| anyhow!("it panicked"))??)
        })?;
        assert_eq!(simulator.oned().provision(7, "DEPLOY_ID").as_deref(), Some(ID));
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_value_survives(
            values in prop::collection::btree_map("[A-CE-Z][A-Z0-9_]{0,12}", value(), 1..8),
            had in any::<bool>(),
            gets in any::<bool>(),
        ) {
            let element = |(name, value): (&String, &String)| {
                format!("<{name}><![CDATA[{value}]]></{name}>")
            };
            let others: String = values.iter().map(element).collect();
            let old = if had { "<DEPLOY_ID><![CDATA[old]]></DEPLOY_ID>" } else { "" };
            let text = of_provision(&format!("{old}{others}"));
            let section = Section::of(&text).unwrap();
            prop_assert!(section.is_kept_as_sent(Some(ID)));
            let sent = section.with(gets.then_some(ID));
            // As oned is told it, and as it reads it.
            let call = request("a:b", 1, &sent);
            let mut told = Vec::new();
            xml::leaves(&call, |_, value| {
                told.push(value.to_owned());
                Ok(())
            }).unwrap();
            prop_assert_eq!(&told[3], &sent);
            let (host, _) = Host::parse(&format!("<HOST>{sent}</HOST>")).unwrap();
            prop_assert_eq!(host.provision("DEPLOY_ID"), gets.then_some(ID));
            for (name, value) in &values {
                prop_assert_eq!(host.provision(name), Some(value.as_str()));
            }
            let kept = host.sections["PROVISION"].len();
            prop_assert_eq!(kept, values.len() + usize::from(gets));
        }
    }
}
