//! What must hold of everything that others write: each function takes any bytes, reads them as the driver does, and
//! panics where something does not hold. The fuzz targets call them, and so does `cargo test`, with the corpora.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use pm_packet::http::rate_limit;
use pm_packet::opennebula::host::Host;
use pm_packet::opennebula::owner::Owner;
use pm_packet::opennebula::settings::Settings;
use pm_packet::opennebula::template::Template;
use pm_packet::opennebula::user_data;
use pm_packet::opennebula::xmlrpc::{MethodResponse, method_response};
use pm_packet::provider::machine::Machine;
use pm_packet::provider::order::Order;
use pm_packet::provider::{PROVIDERS, ec2, ironic, latitude, packet, phoenixnap, scaleway};
use pm_packet::report::text::one_line;
use pm_packet::system::environment::Environment;
use pm_packet::wire::tree::Tree;
use pm_packet::wire::{time, xml, yaml};
use pm_packet::{action, cli};
use simulator::oneprovision::{host_name_5_8, host_name_5_12, read_poll};

pub mod mime;

use mime::Part;

/// A target's name, and what it calls.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 6] = [
    ("deployment_file", deployment_file),
    ("oned_answer", oned_answer),
    ("provider_answer", provider_answer),
    ("arguments", arguments),
    ("user_data", user_data),
    ("template", template),
];

/// The deployment file, up to the order of every provider.
pub fn deployment_file(data: &[u8]) {
    let text = match xml::decode(data) {
        Ok(text) => text,
        Err(error) => return check_message(&error.to_string()),
    };
    match Host::parse(text) {
        Ok((host, warnings)) => {
            warnings.iter().for_each(|warning| check_message(warning));
            check_host(&host);
        }
        Err(error) => check_message(&format!("{error:#}")),
    }
}

/// A provision template, up to the orders of every provider for its hosts; and any YAML, which is written as it is read.
pub fn template(data: &[u8]) {
    if let Ok((tree, warnings)) = yaml::read(data) {
        warnings.iter().for_each(|warning| check_message(warning));
        let text = yaml::write(&tree);
        let (again, _) = yaml::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(yaml::write(&again), text);
    }
    // What it extends stands in no file that is not this one.
    let text = String::from_utf8_lossy(data).replace("extends", "").replace("public_key", "");
    match Template::read("STDIN", None, text.as_bytes()) {
        Ok(template) => {
            template.warnings.iter().for_each(|warning| check_message(warning));
            for planned in template.hosts.iter().take(3) {
                planned.findings.iter().for_each(|one| check_message(&one.what));
                check_host(&planned.host);
            }
        }
        Err(error) => check_message(&format!("{error:#}")),
    }
}

/// oned's answer, and the host in it.
pub fn oned_answer(data: &[u8]) {
    let answer = match xml::decode(data).and_then(method_response) {
        Ok(answer) => answer,
        Err(error) => return check_message(&format!("{error:#}")),
    };
    match answer {
        MethodResponse::Good(text) => {
            if let Ok(hosts) = Host::parse_pool(&mut text.as_bytes()) {
                hosts.iter().for_each(check_host);
            }
            deployment_file(text.as_bytes());
        }
        MethodResponse::Bad { message, .. } | MethodResponse::Fault(message) => {
            check_message(&message);
        }
    }
}

/// The provider's answers, in whatever place they come, and what `poll` prints of them.
pub fn provider_answer(data: &[u8]) {
    let json = read(Tree::json(data));
    let traffic = packet::read_traffic(&json);
    for reason in packet::read_reasons(&json) {
        check_message(&reason);
    }
    for described in std::iter::once(&json).chain(json.items("devices")) {
        match packet::machine(described) {
            Ok(machine) => check_poll(&machine, &action::values(&machine, traffic)),
            Err(error) => check_message(&format!("{error:#}")),
        }
    }
    for machine in [ironic::read_machine(&json), scaleway::machine(&json)] {
        match machine {
            Ok(machine) => check_poll(&machine, &action::values(&machine, traffic)),
            Err(error) => check_message(&format!("{error:#}")),
        }
    }
    for described in json.items("data") {
        match latitude::machine(described) {
            Ok(machine) => check_poll(&machine, &action::values(&machine, traffic)),
            Err(error) => check_message(&format!("{error:#}")),
        }
    }
    for status in [400, 401, 403, 404, 406, 409] {
        for reason in phoenixnap::explain(status, &json).reasons {
            check_message(&reason);
        }
    }
    for described in std::iter::once(&json).chain(json.items("")) {
        match phoenixnap::machine(described) {
            Ok(machine) => check_poll(&machine, &action::values(&machine, traffic)),
            Err(error) => check_message(&format!("{error:#}")),
        }
    }
    let xml = read(Tree::xml(data));
    for (_, answer) in xml.members("") {
        for machine in ec2::machines(answer).unwrap_or_default() {
            check_poll(&machine, &action::values(&machine, traffic));
        }
    }
    let header = String::from_utf8_lossy(data);
    for time in [rate_limit::retry_after(&header), rate_limit::rate_limit_reset(&header)] {
        assert!(time.is_none_or(|time| time <= Duration::from_secs(31 * 24 * 3600)));
    }
    let _ = time::rfc3339(&header);
}

/// What was read; nothing where it could not be.
fn read(answer: anyhow::Result<Tree<'_>>) -> Tree<'_> {
    answer.unwrap_or_else(|error| {
        check_message(&format!("{error:#}"));
        Tree::Null
    })
}

/// The arguments, one after another with NULs between them; the first one is how the program is called.
pub fn arguments(data: &[u8]) {
    const ACTIONS: [(&str, usize); 6] =
        [("cancel", 1), ("deploy", 1), ("poll", 1), ("reboot", 1), ("reset", 1), ("shutdown", 3)];
    let words: Vec<OsString> = data.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let read = cli::action_of(words.clone(), &Environment::default());
    if let Err(error) = &read {
        check_message(&format!("{error:#}"));
    }
    // Whatever the words are, they are data: they neither choose another action nor become options.
    let called = ACTIONS.iter().find(|(name, _)| words[0] == *format!("remotes/pm/packet/{name}"));
    let rest = &words[1..];
    if let Some((name, least)) = called
        && rest.iter().all(|word| word.to_str().is_some())
        && rest != ["--help"]
        && rest != ["-h"]
    {
        assert_eq!(read.ok(), (rest.len() >= *least).then_some(Some(*name)));
    }
    for text in words.iter().filter_map(|word| word.to_str()) {
        for provider in PROVIDERS {
            if let Some(id) = (provider.spec().id)(text) {
                // One piece of a path, and that piece as it is.
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
                let id = id.as_str();
                assert!(id.bytes().all(plain) && !id.starts_with('.'), "{id}");
            }
        }
    }
}

/// A line of SSH keys each, a NUL, and the user's own data: what becomes of them, as cloud-init reads it.
pub fn user_data(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (keys, own) = match text.split_once('\0') {
        Some((keys, own)) => (keys, Some(own)),
        None => (text, None),
    };
    let keys: Vec<&str> = keys.lines().filter(|line| !line.is_empty()).collect();
    let own = own.filter(|own| !own.trim().is_empty());
    let composed = user_data::compose(&keys, own);
    let warned = composed.warning.is_some();
    let Some(text) = composed.text else {
        assert!(keys.is_empty() && own.is_none(), "something is left out");
        return;
    };
    let text = text.expose();
    match own {
        None => check_keys(text, &keys),
        Some(own) if keys.is_empty() || warned => assert_eq!(text, own),
        Some(own) if text.starts_with("Content-Type: multipart/mixed; boundary=\"==pm-packet-") => {
            check_parts(text, own, &keys);
        }
        // The user's own multipart: as good as it was, with all that it had.
        Some(own) => assert!(text.len() > own.trim_end().len()),
    }
}

fn check_parts(text: &str, own: &str, keys: &[&str]) {
    // A multipart of the user's own that looks like ours gets one more part.
    if own.starts_with("Content-Type:") {
        return;
    }
    let parts = Part::parse(text).parts();
    let [first, second] = &parts[..] else {
        panic!("not two parts: {parts:?}");
    };
    assert_eq!(first.text(), own);
    assert_eq!(second.kind(), "text/cloud-config");
    let config = second.text();
    let (list, merging) = config.split_once("merge_how:\n").expect("a way to merge");
    check_keys(list, keys);
    assert_eq!(merging.lines().filter(|line| line.starts_with('-')).count(), 2);
}

/// Asserts that a cloud-config says these keys and nothing else.
fn check_keys(config: &str, keys: &[&str]) {
    assert!(config.is_ascii(), "{config}");
    let mut lines = config.split('\n');
    assert_eq!(lines.next(), Some("#cloud-config"));
    assert_eq!(lines.next(), Some("ssh_authorized_keys:"));
    for key in keys {
        let string = lines.next().and_then(|line| line.strip_prefix("- "));
        assert_eq!(string.map(read_yaml_string).as_deref(), Some(*key));
    }
    assert_eq!(lines.next(), Some(""), "the end of the last line");
    assert_eq!(lines.next(), None, "something stands after the keys");
}

/// A string of YAML in double quotes, with the escapes that the driver writes.
fn read_yaml_string(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).expect("quotes");
    let mut read = String::new();
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        assert!(matches!(c, ' '..='~') && c != '"', "{quoted}");
        read.push(match c {
            '\\' => match rest.next() {
                Some('U') => {
                    let digits: String = rest.by_ref().take(8).collect();
                    let number = u32::from_str_radix(&digits, 16).expect("a number");
                    char::from_u32(number).expect("a character")
                }
                Some(c @ ('"' | '\\')) => c,
                other => panic!("{other:?} after a backslash"),
            },
            c => c,
        });
    }
    read
}

fn check_host(host: &Host) {
    check_message(&host.called());
    let owner = Owner::of(host);
    for tag in owner.tags() {
        assert!(tag.bytes().all(|byte| byte.is_ascii_graphic()), "{tag:?}");
        assert!(!tag.contains(','), "{tag:?}");
    }
    let environment = Environment::default();
    let settings = Settings::of(Some(host), &environment);
    for provider in PROVIDERS {
        match Order::of(provider.spec(), host, &settings, &owner) {
            Ok(order) => {
                for (_, value) in &order.summary {
                    check_message(value);
                }
                order.warnings.iter().for_each(|warning| check_message(warning));
            }
            Err(error) => check_message(&format!("{error:#}")),
        }
        if let Some(id) = host.deploy_id() {
            let _ = (provider.spec().id)(id);
        }
    }
    for key in host.ssh_keys() {
        assert!(!key.contains('\n') && !key.trim().is_empty());
    }
}

/// Asserts that a line of `poll` says what the machine is, however oneprovision reads it.
fn check_poll(machine: &Machine, line: &str) {
    assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
    assert!(!line.contains('\\') && !line.contains('`') && !line.contains('\''));
    for piece in line.split(' ') {
        let (name, value) = piece.split_once('=').expect("a name and a value");
        assert!(name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{name}");
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        assert!(!inner.unwrap_or(value).contains(['"', '=']), "{piece}");
    }
    let values = read_poll(line);
    assert_eq!(values.len(), line.split(' ').count(), "{line}");
    let first = machine.addresses.first().map(ToString::to_string);
    if first.is_some() {
        assert_eq!(host_name_5_12(&values), first);
        assert_eq!(host_name_5_8(&values), first);
    }
}

/// Asserts that whatever is told stays on its line.
fn check_message(message: &str) {
    let line = one_line(message);
    assert!(!line.is_empty() && !line.chars().any(char::is_control));
    assert!(!line.contains("ERROR MESSAGE --"));
    assert!(line.chars().count() < 10_000);
}
