//! Secrets: what a token, a session, a password and user data appear in, which is nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common;
use crate::common::{Bench, ROOT_PASSWORD, UNKNOWN_ID, assert_discreet, assert_failure, finish};
use pm_packet::opennebula::host::Host;
use pm_packet::opennebula::owner::Owner;
use pm_packet::opennebula::settings::Settings;
use pm_packet::provider::Provider;
use pm_packet::provider::order::Order;
use pm_packet::provider::packet::Packet;
use pm_packet::system::environment::Environment;
use simulator::oneprovision::Answer;
use simulator::{Effect, Fault, HostTemplate, Operation, Options, SESSION, TOKEN};

const PASSWORD: &str = "the-users-own-password";
const CUSTOM: &str = "a-secret-of-customdata";

fn template(id: i32) -> HostTemplate {
    let script = format!("#!/bin/sh\necho {PASSWORD} | passwd --stdin root\n");
    HostTemplate::new(id).with("USERDATA", &script).with("CUSTOMDATA", &format!("{{\"key\": \"{CUSTOM}\"}}"))
}

/// A bench that logs all that it can.
fn bench() -> Bench {
    Bench::new().set("PM_LOG", "debug")
}

fn assert_silent(answer: &Answer) {
    assert_discreet(answer);
    let both = answer.stdout.clone() + &answer.stderr;
    let parts = [PASSWORD, CUSTOM, "opennebula\n", "passwd"];
    for secret in parts {
        assert!(!both.contains(secret), "{secret} in {answer:?}");
    }
}

#[test]
fn a_whole_life_in_debug_tells_no_secret() {
    // A machine that is down for long enough to be seen is not waited for any longer.
    let bench = Bench::with(Options { powering: Duration::from_millis(500), ..Options::default() });
    let bench = bench.set("PM_LOG", "debug");
    let host = bench.host(&template(7));
    let answers = [
        host.deploy().unwrap(),
        host.poll().unwrap().0,
        host.reboot().unwrap(),
        host.reset().unwrap(),
        host.poweroff().unwrap(),
        host.resume().unwrap(),
        host.cancel().unwrap(),
    ];
    for answer in answers {
        assert!(answer.is_success(), "{answer:?}");
        assert!(answer.stderr.contains("DEBUG"), "{answer:?}");
        assert_silent(&answer);
    }
}

#[test]
fn what_the_operators_commands_print_holds_no_secret() {
    let bench = bench();
    let host = bench.host(&template(7));
    let file = host.write_deployment_file().unwrap();
    assert!(host.deploy().unwrap().is_success());
    for words in [&["check", &file][..], &["list", "--all"], &["list", "--host", "7", "--json"]] {
        let answer = finish(bench.explicit(words).spawn().unwrap());
        assert!(!answer.stdout.is_empty(), "{answer:?}");
        assert_silent(&answer);
    }
}

#[test]
fn the_root_password_is_printed_where_a_setting_asks_for_it_and_nowhere_else() {
    let bench = bench().set("PM_ROOT_PASSWORD", "yes");
    let (host, id) = bench.deployed(7);
    let (answer, values) = host.poll().unwrap();
    let password = values.get("ROOT_PASSWORD").expect("a password");
    assert!(password.starts_with(&format!("\"{ROOT_PASSWORD}")), "{answer:?}");
    assert!(!answer.stderr.contains(ROOT_PASSWORD), "{answer:?}");
    assert_silent(&host.cancel().unwrap());
    bench.assert_books(&[]);
    assert_silent(&bench.run("poll", &[&id, "name", "7", "name"]));
}

/// What a provider, or a proxy before it, may answer that quotes what it was sent: `all` of it.
fn echoes(all: &str) -> Vec<Effect> {
    let json = serde_json::json!({"errors": [all, TOKEN], "error": all}).to_string();
    let refuse = |code| Effect::Status(simulator::Answer::new(code).body(&json));
    let with = |code, body: &str| Effect::Status(simulator::Answer::new(code).body(body));
    vec![
        refuse(400),
        refuse(401),
        refuse(403),
        refuse(422),
        refuse(500),
        with(200, &serde_json::json!(all).to_string()),
        with(200, &format!("{{\"id\": \"{TOKEN}\"}}")),
        with(201, &serde_json::json!({"id": [all, TOKEN]}).to_string()),
        with(502, &format!("<html>{all}</html>")),
        with(200, &format!("<html>{all}</html>")),
        Effect::Status(simulator::Answer::new(302).header("Location", &format!("http://127.0.0.1:1/{TOKEN}?{TOKEN}"))),
    ]
}

#[test]
fn a_provider_that_quotes_what_it_was_sent_gives_nothing_away() {
    let order = format!("token {TOKEN}, #!/bin/sh\necho {PASSWORD} | passwd --stdin root\n, {{\"key\":\"{CUSTOM}\"}}");
    let request = format!("X-Auth-Token: {TOKEN}, X-Auth-Token: {TOKEN}");
    let (orders, requests) = (echoes(&order), echoes(&request));
    let cases: Vec<_> = (orders.iter().map(|effect| (Operation::Create, effect)))
        .chain(requests.iter().map(|effect| (Operation::List, effect)))
        .chain(requests.iter().map(|effect| (Operation::Get, effect)))
        .collect();
    common::each(&cases, |(operation, effect)| {
        let bench = bench();
        // One order without a usable answer is enough; the next one gets its own.
        let times = if *operation == Operation::Create { 1 } else { 50 };
        let fault = Fault::new(*operation, (*effect).clone());
        bench.simulator.fault(fault.clone().times(times));
        let hasty = bench.oneprovision.clone().with("PM_TIMEOUT", "1");
        let host = bench.host(&template(7));
        let file = host.write_deployment_file().unwrap();
        assert_silent(&hasty.run("packet", "deploy", &[&file, "TODO"]).unwrap());
        bench.simulator.clear_faults();
        let host = bench.host(&template(8));
        assert!(host.deploy().unwrap().is_success());
        bench.simulator.fault(Fault { on: Operation::Api, times: 50, ..fault });
        let host = hasty.host(bench.simulator.oned(), 8);
        for answer in [host.cancel().unwrap(), host.poll().unwrap().0] {
            assert_failure(&answer);
            assert_silent(&answer);
        }
    });
}

#[test]
fn a_oned_that_quotes_what_it_was_sent_gives_nothing_away() {
    let answer = |flag, message: &str| {
        format!(
            "<methodResponse><params><param><value><array><data><value><boolean>{flag}</boolean></value>\
             <value><string>{message}</string></value><value><i4>256</i4></value></data></array></value></param></params></methodResponse>"
        )
    };
    let host = format!(
        "&lt;HOST&gt;&lt;TEMPLATE&gt;&lt;PROVISION&gt;&lt;PACKET_TOKEN&gt;{TOKEN}&amp;{TOKEN};&lt;/PACKET_TOKEN&gt;"
    );
    let markup = format!("&lt;HOST&gt;&lt;{TOKEN}&gt;&lt;/HOST&gt;");
    let bodies = [
        answer(0, &format!("user {SESSION} or {SESSION}")),
        answer(0, "the password opennebula is wrong"),
        answer(1, &host),
        answer(1, &markup),
        format!("<html>{SESSION}</html>"),
        format!("<{SESSION}>"),
        format!("<methodResponse><fault><value><string>{SESSION}</string></value></fault></methodResponse>"),
        SESSION.to_owned(),
    ];
    common::each(&bodies, |body| {
        for code in [200, 401, 500] {
            let bench = bench().set("ONE_XMLRPC_TIMEOUT", "1");
            let effect = Effect::Status(simulator::Answer::new(code).body(body));
            bench.simulator.fault(Fault::new(Operation::Oned, effect).forever());
            let answer = bench.run("poll", &[UNKNOWN_ID, "name", "7", "name"]);
            assert_failure(&answer);
            assert!(!answer.stderr.contains("opennebula "), "{answer:?}");
        }
    });
}

#[test]
fn a_file_that_cannot_be_read_is_not_quoted() {
    let token = "tok-of-a-broken-file";
    let bench = bench();
    for text in [
        format!("<HOST><PACKET_TOKEN>{token}</HOST>"),
        format!("<HOST><PACKET_TOKEN>a&{token};</PACKET_TOKEN></HOST>"),
        format!("<HOST><PACKET_TOKEN>a& {token}</PACKET_TOKEN></HOST>"),
        format!("<HOST><PACKET_TOKEN>a<{token} /></HOST>"),
        format!("<HOST><PACKET_TOKEN>a<b={token}></HOST>"),
        format!("<HOST><PACKET_TOKEN>a</{token}=></HOST>"),
        format!("<HOST><PACKET_TOKEN>&#{token};</PACKET_TOKEN></HOST>"),
        format!("<HOST><ID>{token}</ID></HOST>"),
        format!("<!DOCTYPE x [<!ENTITY t \"{token}\">]><HOST>&t;</HOST>"),
        token.to_owned(),
    ] {
        let file = bench.file("broken.xml", &text);
        let answer = bench.run("deploy", &[&file, "TODO"]);
        assert_failure(&answer);
        let quoted = answer.stderr.contains(token);
        // A name of letters alone is a name, whatever it was meant to be.
        assert!(!quoted || text.contains("<tok"), "{text}: {answer:?}");
    }
}

/// A server that must never be spoken to.
struct Canary(TcpListener);

impl Canary {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}/elsewhere", self.0.local_addr().unwrap())
    }

    fn assert_alone(&self) {
        assert!(self.0.accept().is_err(), "somebody came");
    }
}

#[test]
fn a_redirect_is_never_followed() {
    let canary = Canary::new();
    for code in [301, 302, 303, 307, 308] {
        for operation in [Operation::List, Operation::Create, Operation::Oned] {
            let bench = bench().lapsing("300");
            let url = canary.url();
            let effect = Effect::Redirect { url, code };
            bench.simulator.fault(Fault::new(operation, effect).times(20));
            let answer = bench.host(&template(7)).deploy().unwrap();
            assert_silent(&answer);
            let line = assert_failure(&answer);
            assert!(line.contains("redirects to http://127.0.0.1:"), "{line}");
            bench.assert_books(&[]);
        }
    }
    canary.assert_alone();
}

#[test]
fn no_id_leads_to_another_address() {
    let canary = Canary::new();
    let address = canary.0.local_addr().unwrap();
    let bench = bench();
    for id in [
        format!("@{address}/x"),
        canary.url(),
        format!("//{address}/"),
        format!("{UNKNOWN_ID}@{address}"),
        format!("{UNKNOWN_ID}?x=y"),
        format!("{UNKNOWN_ID}/../../projects"),
        format!("{UNKNOWN_ID}%2f.."),
        "..".to_owned(),
    ] {
        for action in ["poll", "cancel", "reboot", "reset"] {
            let words = [id.as_str(), "name", "7", "name"];
            let child = bench.start(action, &words);
            common::assert_failure_with(&finish(child), &["which is not a UUID"]);
        }
    }
    assert!(bench.simulator.requests().is_empty(), "nobody is asked");
    canary.assert_alone();
}

#[test]
fn a_running_deploy_has_no_secret_among_its_arguments_and_dumps_no_core() {
    let bench = bench().set("PM_TIMEOUT", "20");
    let hang = Fault::new(Operation::List, Effect::Hang);
    bench.simulator.fault(hang);
    let host = bench.host(&template(7));
    let file = host.write_deployment_file().unwrap();
    let child = bench.command("deploy", &[&file, "TODO"]).stdin(Stdio::null()).spawn().unwrap();
    bench.until_asked(Operation::List, 1);
    let process = format!("/proc/{}", child.id());
    let line = fs::read_to_string(format!("{process}/cmdline")).unwrap();
    assert!(line.contains("deploy\0"), "{line:?}");
    for secret in [TOKEN, SESSION, PASSWORD] {
        assert!(!line.contains(secret), "{line:?}");
    }
    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    common::signal(&child, nix::sys::signal::Signal::SIGTERM);
    assert_silent(&finish(child));
}

#[test]
fn a_file_with_a_clear_token_that_others_can_read_is_warned_of() {
    const WARNING: &str = "holds a token in clear and can be read by every user: chmod 600 it";
    let open_to_all = |file: &str| {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    };
    let bench = Bench::new();
    // A host that is not in the database, as in the documentation.
    let text = HostTemplate::new(7).xml().replace("<ID>7</ID>", "");
    let file = bench.file("clear.xml", &text);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    assert!(!answer.stderr.contains(WARNING), "{answer:?}");
    open_to_all(&file);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    assert!(answer.is_success(), "{answer:?}");
    assert!(answer.stderr.contains(WARNING), "{answer:?}");
    // One that oned encrypted, and one of a oned that does not.
    for encryption in [true, false] {
        let bench = Bench::with(Options { encryption, ..Options::default() });
        let host = bench.host(&HostTemplate::new(7));
        let file = host.write_deployment_file().unwrap();
        open_to_all(&file);
        let answer = bench.run("deploy", &[&file, "TODO"]);
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(answer.stderr.contains(WARNING), !encryption, "{answer:?}");
    }
}

#[test]
fn a_one_auth_that_others_can_read_is_warned_of() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let one_auth = bench.path("home/.one/one_auth");
    fs::set_permissions(&one_auth, fs::Permissions::from_mode(0o644)).unwrap();
    let answer = bench.run("poll", &[&id, "name", "7", "name"]);
    assert!(answer.is_success(), "{answer:?}");
    let warning = "one_auth holds the password of oned and can be read by every user: chmod 600 it\n";
    assert!(answer.stderr.ends_with(warning), "{answer:?}");
}

#[test]
fn debug_shows_neither_a_host_nor_an_order() {
    let (host, _) = Host::parse(&template(7).xml()).unwrap();
    let environment: Environment = [("HOME".into(), "/".into())].into_iter().collect();
    let settings = Settings::of(Some(&host), &environment);
    let order = Order::of(Packet.spec(), &host, &settings, &Owner::of(&host)).unwrap();
    assert!(order.body.to_string().contains(CUSTOM));
    let shown = format!("{host:?} {order:?} {:?}", host.sections);
    for secret in [TOKEN, PASSWORD, CUSTOM] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A token that hardly any encoding leaves as it is.
const ODD_TOKEN: &str = "tok+0123/456&789=SECRET~";

/// The forms in which somebody may quote a secret.
fn forms(secret: &str) -> Vec<String> {
    let percent = |upper: bool| -> String {
        let encode = |byte: u8| match (byte.is_ascii_alphanumeric(), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        secret.bytes().map(encode).collect()
    };
    let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
    let html: String = secret.chars().map(|c| format!("&#{};", c as u32)).collect();
    let (begin, end) = secret.split_at(11);
    let base64 = |text: &str| STANDARD.encode(text);
    vec![
        secret.to_owned(),
        percent(true),
        percent(false),
        secret.replace('&', "&amp;"),
        html,
        secret.replace('/', "\\/"),
        escaped.replace('\\', "\\\\"),
        escaped,
        base64(secret),
        base64(secret).trim_end_matches('=').to_owned(),
        base64(&format!("user:{secret} and more")),
        base64(&format!("x{secret}")),
        base64(&format!("xy{secret}")),
        format!("{begin}\n{end}"),
        format!("{begin}\u{7}{end}"),
        format!("{begin}\r\n  {end}"),
    ]
}

/// Asserts that nothing of a form is told, as it is or as it looks on one line.
fn assert_no_form(answer: &Answer, form: &str) {
    let both = answer.stdout.clone() + &answer.stderr;
    let line: String = form.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for shown in [form, line.as_str()] {
        assert!(!both.contains(shown), "{shown:?} in {answer:?}");
    }
    for piece in form.split(char::is_control).filter(|piece| piece.trim().len() > 8) {
        assert!(!both.contains(piece.trim()), "{piece:?} in {answer:?}");
    }
}

#[test]
fn a_provider_that_quotes_the_token_in_whatever_form_gives_nothing_away() {
    common::each(&forms(ODD_TOKEN), |form| {
        let bench = bench();
        bench.simulator.add_token(ODD_TOKEN, &[simulator::PROJECT]);
        let host = bench.host(&HostTemplate::new(7).with("PACKET_TOKEN", ODD_TOKEN));
        let body = serde_json::json!({"errors": [format!("bad token ({form})")]}).to_string();
        let refuse = |code| Effect::Status(simulator::Answer::new(code).body(&body));
        bench.fault(Operation::Create, refuse(422));
        let answer = host.deploy().unwrap();
        common::assert_failure_with(&answer, &["bad token ([secret])"]);
        assert_no_form(&answer, form);
        // In the word for a state, while it waits and where it gives up.
        bench.simulator.fault(Fault::new(Operation::Create, Effect::Stuck(simulator::State::Other(form.clone()))));
        let hasty = bench.oneprovision.clone().with("PM_TIMEOUT", "4");
        let answer = hasty.host(bench.simulator.oned(), 7).deploy().unwrap();
        common::assert_failure_with(&answer, &["[secret]"]);
        assert_no_form(&answer, form);
        bench.simulator.clear_faults();
        // In what poll prints.
        let answer = host.deploy().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        let id = answer.stdout.clone();
        let mut device = serde_json::json!({"id": id, "state": "active"});
        device["ip_addresses"] = serde_json::json!([{"address": "147.75.0.11", "public": true}]);
        device["operating_system"] = serde_json::json!({"slug": form, "distro": form});
        device["plan"] = serde_json::json!({"slug": form});
        device["facility"] = serde_json::json!({"code": form});
        device["metro"] = serde_json::json!({"code": form});
        let shown = Effect::Status(simulator::Answer::new(200).body(&device.to_string()));
        bench.fault_always(Operation::Get, shown);
        let (answer, _) = host.poll().unwrap();
        assert!(answer.is_success(), "{answer:?}");
        assert_no_form(&answer, form);
        bench.simulator.clear_faults();
        assert!(host.delete().unwrap().is_success());
    });
}

#[test]
fn a_oned_that_quotes_the_session_in_whatever_form_gives_nothing_away() {
    let session = "someone:pass+word/&=~1234";
    let cases = [forms(session), forms("pass+word/&=~1234")].concat();
    common::each(&cases, |form| {
        let bench = bench();
        bench.file("home/.one/one_auth", session);
        let text = form.replace('&', "&amp;").replace('<', "&lt;").replace('\r', "&#13;");
        // XML has no such character.
        let text = text.replace('\u{7}', "\u{85}");
        let body = format!(
            "<methodResponse><params><param><value><array><data><value><boolean>0</boolean></value><value><string>\
             bad user ({text})</string></value><value><i4>256</i4></value></data></array></value></param></params></methodResponse>"
        );
        bench.fault(Operation::Oned, Effect::Status(simulator::Answer::new(200).body(&body)));
        let answer = bench.run("poll", &[UNKNOWN_ID, "name", "7", "name"]);
        common::assert_failure_with(&answer, &["bad user ([secret])"]);
        assert_no_form(&answer, form);
    });
}
