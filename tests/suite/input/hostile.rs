//! Hostile input: whatever a file, STDIN, an argument or an answer holds, the driver stays small, ends in time, and
//! says what is wrong in one frame.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common;
use crate::common::{Bench, UNKNOWN_ID, assert_failure, assert_failure_with, assert_success, finish};
use nix::sys::signal::Signal;
use simulator::oneprovision::{Answer, read_poll};
use simulator::{Effect, Fault, HostTemplate, Operation};

/// How much memory an action may use for itself, in KiB. Beyond it, it is killed.
const MEMORY: u32 = 40 << 10;
/// The same for a look at the whole pool, which may be large by right.
const POOL_MEMORY: u32 = 160 << 10;

/// An action that may use no more than so much memory.
fn within(bench: &Bench, memory: u32, action: &str, words: &[&str]) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("ulimit -d {memory} && exec \"$0\" \"$@\"")])
        .arg(bench.path("remotes/pm/packet").join(action))
        .args(words)
        .env_clear()
        .envs(&bench.oneprovision.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run_within(bench: &Bench, memory: u32, action: &str, words: &[&str]) -> Answer {
    let answer = finish(within(bench, memory, action, words).spawn().unwrap());
    assert!(answer.stderr.len() < 20_000, "{} bytes of complaint", answer.stderr.len());
    answer
}

/// The XML of a host, with this in its template.
fn with_template(inner: &str) -> String {
    HostTemplate::new(7).xml().replace("<TEMPLATE>", &format!("<TEMPLATE>{inner}"))
}

/// Text as often as it takes to be almost as large as a deployment file may be.
fn plenty(text: &str) -> String {
    text.repeat((4 << 20) / text.len() - 1000)
}

// ---- Sizes -----------------------------------------------------------------------------------------------

#[test]
fn a_deployment_file_of_any_size_and_shape_is_refused_in_little_memory() {
    let laughs = "<!DOCTYPE HOST [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;\">]><HOST><NAME>&c;</NAME></HOST>";
    let external = "<!DOCTYPE HOST SYSTEM \"file:///etc/passwd\"><HOST/>";
    let parameter = "<!DOCTYPE HOST [<!ENTITY % x SYSTEM \"http://127.0.0.1:1/\"> %x;]><HOST/>";
    let cases = [
        (laughs.to_owned(), "DOCTYPE"),
        (external.to_owned(), "DOCTYPE"),
        (parameter.to_owned(), "DOCTYPE"),
        (with_template("&x;"), "an entity"),
        (plenty("<A>"), "nested more than 64 deep"),
        (with_template(&plenty("<A/>")), "more than 10000 attributes"),
        (with_template(&plenty("<A></B>")), "closed by the wrong name"),
        (plenty("<HOST/>"), "more than one root element"),
        (plenty("<![CDATA["), "a CDATA section is not closed"),
        (format!("<HOST>{}", plenty("<!-- -->")), "cut off"),
        (format!("<{}/>", plenty("A")), "its root element is"),
        (format!("<HOST>{}", plenty("x")), "cut off"),
        (plenty("x "), "outside of the root element"),
        (format!("<HOST><{}>", plenty("a=\"\" ")), "never closed"),
        (plenty("\u{feff}"), "no element"),
    ];
    common::each(&cases, |(text, reason)| {
        let bench = Bench::new();
        let file = bench.file("hostile.xml", text);
        let answer = run_within(&bench, MEMORY, "deploy", &[&file, "TODO"]);
        assert_failure_with(&answer, &["is not the XML of a host", reason]);
        assert!(bench.simulator.requests().is_empty(), "nobody is asked");
    });
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    let bench = Bench::new();
    let path = bench.path("large.xml");
    // A hole, which takes no room on the disk.
    let file = fs::File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let answer = run_within(&bench, MEMORY, "deploy", &[path.to_str().unwrap(), "TODO"]);
    assert_failure_with(&answer, &["it is larger than 4194304 bytes"]);
    assert_eq!(file.metadata().unwrap().len(), 100 << 20, "left as it was");
}

#[test]
fn an_endless_stdin_is_refused_in_little_memory() {
    let bench = Bench::new();
    let file = bench.path("new.xml");
    let mut command = within(&bench, MEMORY, "deploy", &[file.to_str().unwrap(), "TODO"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        let piece = "<A>".repeat(10_000);
        let mut sent = 0;
        while pipe.write_all(piece.as_bytes()).is_ok() {
            sent += piece.len();
        }
        sent
    });
    assert_failure_with(&finish(child), &["STDIN cannot be read: it is larger than 4194304 bytes"]);
    assert!(writer.join().unwrap() < 8 << 20);
    assert!(!file.exists(), "nothing is written");
}

#[test]
fn a_host_with_more_of_everything_than_any_has_is_still_read() {
    let keys = "ssh-rsa AAAAB3Nza test@one\n".repeat(1000);
    let mut template =
        HostTemplate::new(7).with("USERDATA", &format!("#cloud-config\n{}", "# é comment\n".repeat(20_000)));
    template.ssh_public_key = keys;
    let bench = Bench::new();
    let answer = bench.host(&template).deploy().unwrap();
    bench.assert_books(&[assert_success(&answer)]);
}

/// An answer with this body.
fn body(code: u16, text: &str) -> Effect {
    Effect::Status(simulator::Answer::new(code).body(text))
}

#[test]
fn an_answer_of_any_size_and_shape_is_refused_in_little_memory() {
    let listed = |items: &str| format!("{{\"devices\": [{}]}}", items.trim_end_matches(','));
    let device = format!("{{\"id\":\"{UNKNOWN_ID}\"}},");
    let tags = format!("{{\"devices\": [{{\"id\": \"{UNKNOWN_ID}\", \"tags\": [{}\"\"]}}]}}", plenty("\"\","));
    let cases = [
        (Effect::Endless, "larger than 16777216 bytes"),
        (body(200, &plenty("[")), "the answer cannot be read"),
        (body(200, &format!("{{\"devices\": {}", plenty("["))), "the answer cannot be read"),
        (body(200, &plenty("{\"devices\":")), "the answer cannot be read"),
        (body(200, &listed(&plenty(&device))), "the answer cannot be read"),
        (body(200, &listed(&plenty("0,"))), "the answer cannot be read"),
        (body(200, &format!("[{}0]", plenty("0,"))), "the answer cannot be read"),
        (body(422, &format!("{{\"errors\": [{}0]}}", plenty("0,"))), "the answer gives no reason"),
        (body(422, &plenty("<p>no</p>")), "the answer gives no reason"),
        // More tags than a machine has: it is nobody's, and an order follows.
        (body(200, &tags), ""),
    ];
    common::each(&cases, |(effect, reason)| {
        let bench = Bench::new().set("PM_LOG", "info");
        let file = bench.host(&HostTemplate::new(7));
        let file = file.write_deployment_file().unwrap();
        bench.simulator.fault(Fault::new(Operation::List, effect.clone()));
        let answer = run_within(&bench, MEMORY, "deploy", &[&file, "TODO"]);
        assert!(answer.stderr.contains(reason), "no {reason:?}: {answer:?}");
        // What passes is tried again; a refusal is one, whatever its reasons.
        let is_refusal = reason.contains("no reason");
        assert_eq!(answer.is_success(), !is_refusal, "{answer:?}");
        let left = [answer.stdout.as_str()];
        bench.assert_books(if is_refusal { &[] } else { &left });
    });
}

#[test]
fn a_oned_without_end_is_refused_in_little_memory() {
    let pool = format!(
        "<methodResponse><params><param><value><array><data><value><boolean>1</boolean></value><value><string>{}",
        "&lt;HOST_POOL>".repeat(500_000)
    );
    let cases = [
        (Operation::HostInfo, Effect::Endless, &["name", "7"][..]),
        (Operation::HostPool, Effect::Endless, &["name"]),
        (Operation::HostPool, body(200, &pool), &["name"]),
        (Operation::HostInfo, body(200, &"<value>".repeat(1_000_000)), &["name", "7"]),
        (Operation::HostInfo, body(200, "<!DOCTYPE x [<!ENTITY a \"ha\">]><methodResponse/>"), &["name", "7"]),
    ];
    common::each(&cases, |(operation, effect, host)| {
        let bench = Bench::new().set("ONE_XMLRPC_TIMEOUT", "2");
        bench.simulator.fault(Fault::new(*operation, effect.clone()).forever());
        let words = [&[UNKNOWN_ID], *host].concat();
        let memory = match operation {
            Operation::HostPool => POOL_MEMORY,
            _ => MEMORY,
        };
        let answer = run_within(&bench, memory, "poll", &words);
        assert_failure_with(&answer, &["ONE_XMLRPC"]);
        assert!(answer.elapsed < Duration::from_secs(20), "{answer:?}");
    });
}

// ---- Time ------------------------------------------------------------------------------------------------

#[test]
fn a_trickling_answer_ends_with_the_time_that_there_is() {
    let cases = [Operation::List, Operation::HostInfo];
    common::each(&cases, |operation| {
        let bench = Bench::new().set("PM_TIMEOUT", "1").set("ONE_XMLRPC_TIMEOUT", "1");
        let slow = Effect::Trickle(Duration::from_millis(100));
        bench.simulator.fault(Fault::new(*operation, slow).forever());
        let answer = bench.host(&HostTemplate::new(7)).deploy().unwrap();
        assert_failure(&answer);
        assert!(answer.elapsed < Duration::from_secs(15), "{answer:?}");
        bench.assert_books(&[]);
    });
}

#[test]
fn headers_without_end_end_with_the_time_that_there_is() {
    let slow: (&[u8], u64) = (b"HTTP/1.1 200 OK\r\nX: ", 50);
    let fast: (&[u8], u64) = (b"X: y\r\n", 0);
    common::each(&[slow, fast], |(piece, pause)| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (piece, pause) = (piece.to_vec(), Duration::from_millis(*pause));
        thread::spawn(move || {
            for client in listener.incoming() {
                let piece = piece.clone();
                thread::spawn(move || {
                    let mut client = client?;
                    let _ = client.read(&mut [0; 4096])?;
                    client.write_all(b"HTTP/1.1 200 OK\r\n")?;
                    loop {
                        client.write_all(&piece)?;
                        thread::sleep(pause);
                    }
                    #[allow(unreachable_code, reason = "it says what the errors are")]
                    std::io::Result::Ok(())
                });
            }
        });
        let bench = Bench::new().set("PM_TIMEOUT", "1").set("PACKET_API_URL", &url);
        let host = bench.host(&HostTemplate::new(7));
        let file = host.write_deployment_file().unwrap();
        let answer = run_within(&bench, MEMORY, "deploy", &[&file, "TODO"]);
        assert_failure(&answer);
        assert!(answer.elapsed < Duration::from_secs(15), "{answer:?}");
    });
}

#[test]
fn a_rest_that_an_answer_asks_for_ends_with_the_time_that_there_is() {
    let cases = ["1e18", "18446744073709549568", "1e300", "nan", "-inf", "99999999999999999999"];
    common::each(&cases, |seconds| {
        for operation in [Operation::List, Operation::HostInfo] {
            let bench = Bench::new().set("PM_TIMEOUT", "1").set("ONE_XMLRPC_TIMEOUT", "1");
            let wait = simulator::Answer::new(429)
                .header("Retry-After", seconds)
                .header("X-RateLimit-Remaining", "0")
                .header("X-RateLimit-Reset", "18446744073709551615");
            bench.simulator.fault(Fault::new(operation, Effect::Status(wait)).forever());
            let answer = bench.host(&HostTemplate::new(7)).deploy().unwrap();
            let line = assert_failure(&answer);
            assert!(!line.contains("made a mistake"), "{answer:?}");
            assert!(answer.elapsed < Duration::from_secs(15), "{answer:?}");
        }
    });
}

#[test]
fn a_stdin_that_stays_open_does_not_hold_up_a_deploy_whose_file_is_there() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(7));
    let file = host.write_deployment_file().unwrap();
    let mut child = bench.command("deploy", &[&file, "TODO"]).stdin(Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    let answer = finish(child);
    assert!(answer.is_success(), "{answer:?}");
    assert!(answer.stderr.starts_with("WARNING: STDIN stays open and silent"), "{answer:?}");
    bench.assert_books(&[&answer.stdout]);
}

#[test]
fn a_signal_ends_the_wait_for_stdin() {
    let bench = Bench::new();
    for begun in [false, true] {
        let file = bench.path("never.xml");
        let mut child =
            bench.command("deploy", &[file.to_str().unwrap(), "TODO"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        if begun {
            pipe.write_all(b"<HOST>").unwrap();
        }
        let status = format!("/proc/{}/status", child.id());
        common::until("two more threads", || {
            let status = fs::read_to_string(&status).unwrap();
            status.lines().any(|line| line == "Threads:\t3")
        });
        thread::sleep(Duration::from_millis(50));
        let started = Instant::now();
        common::signal(&child, Signal::SIGTERM);
        assert_failure_with(&finish(child), &["interrupted (SIGTERM) while STDIN was read"]);
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(!file.exists());
    }
}

// ---- Encodings -------------------------------------------------------------------------------------------

#[test]
fn what_is_no_utf_8_is_refused_by_its_name() {
    let xml = HostTemplate::new(7).xml();
    let utf_16 = |mark: bool, big: bool| -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(xml.encode_utf16());
        let bytes = |unit: u16| match big {
            true => unit.to_be_bytes(),
            false => unit.to_le_bytes(),
        };
        units.flat_map(bytes).collect()
    };
    let latin = xml.replace("centos-host", "h\u{f6}st");
    let latin: Vec<u8> = latin.chars().map(|c| c as u8).collect();
    let cases = [
        (utf_16(true, false), "UTF-16: save it as UTF-8"),
        (utf_16(true, true), "UTF-16: save it as UTF-8"),
        (utf_16(false, false), "a NUL character"),
        (latin, "not in UTF-8, from byte "),
        (xml.replace("ams1", "ams1\0").into_bytes(), "a NUL character"),
        (xml.replace("<![CDATA[ams1]]>", "ams&#0;1").into_bytes(), "a reference to a character that there is not"),
        (xml.replace("<![CDATA[ams1]]>", "&#27;[31m").into_bytes(), "a control character (U+001B)"),
        (xml.replace("<![CDATA[ams1]]>", "&#xD800;").into_bytes(), "a reference to a character that there is not"),
    ];
    let bench = Bench::new();
    for (bytes, reason) in cases {
        let path = bench.path("encoded.xml");
        fs::write(&path, &bytes).unwrap();
        let path = path.to_str().unwrap();
        assert_failure_with(&bench.run("deploy", &[path, "TODO"]), &[reason]);
        let answer = bench.feed("deploy", &[path, "TODO"], &bytes);
        assert_failure_with(&answer, &["STDIN is not the XML of a host", reason]);
    }
    assert!(bench.simulator.requests().is_empty());
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_windows_are_read() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(7));
    let file = host.write_deployment_file().unwrap();
    let xml = fs::read_to_string(&file).unwrap();
    let odd = format!("\u{feff}<?xml version=\"1.0\"?>\r\n{}\r\n", xml.replace("><", ">\r\n<"));
    fs::write(&file, odd).unwrap();
    let answer = bench.run("deploy", &[&file, "TODO"]);
    bench.assert_books(&[assert_success(&answer)]);
    assert_eq!(bench.simulator.devices()[0].hostname, "centos-host");
}

// ---- What is printed -------------------------------------------------------------------------------------

const FORGED: &str = "x\nERROR MESSAGE ------>8--\nERROR MESSAGE --8<------\nforged\nERROR MESSAGE ------>8--\n\u{1b}[31mred\u{9b}1m\u{202e}\r\0";

/// Asserts that a terminal is neither coloured nor turned around, and that there is one frame at most.
fn assert_plain(answer: &Answer) {
    let both = answer.stdout.clone() + &answer.stderr;
    let odd = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!both.contains(odd), "{both:?}");
    for mark in ["ERROR MESSAGE --8<------", "ERROR MESSAGE ------>8--"] {
        assert!(both.matches(mark).count() <= 1, "{both}");
    }
    assert!(!answer.error().unwrap_or_default().starts_with("forged"));
}

#[test]
fn nothing_that_others_write_forges_a_frame_or_colours_a_terminal() {
    let json = |code, value: serde_json::Value| body(code, &value.to_string());
    let quoted = serde_json::json!(FORGED);
    let effects = [
        json(422, serde_json::json!({"errors": [quoted, quoted]})),
        json(500, serde_json::json!({"error": quoted})),
        json(200, serde_json::json!({"id": UNKNOWN_ID, "state": quoted})),
        Effect::Status(simulator::Answer::new(302).header("Location", "http://x/\u{1b}[31m")),
    ];
    common::each(&effects, |effect| {
        let bench = Bench::new().set("PM_LOG", "debug").set("PM_TIMEOUT", "1");
        bench.simulator.fault(Fault::new(Operation::Api, effect.clone()).times(30));
        for action in ["poll", "cancel", "reboot"] {
            assert_plain(&bench.run(action, &[UNKNOWN_ID, "name", "7", "name"]));
        }
        assert_plain(&bench.host(&HostTemplate::new(8)).deploy().unwrap());
    });
    // The user's own words: arguments, and a host.
    let bench = Bench::new().set("PM_LOG", "debug");
    let forged = FORGED.trim_end_matches('\0');
    for words in
        [[forged, "name", "7", "name"], [UNKNOWN_ID, forged, "7", "name"], [UNKNOWN_ID, "name", forged, "name"]]
    {
        for action in common::ACTIONS {
            assert_plain(&finish(bench.start(action, &words)));
        }
    }
    assert_plain(&finish(bench.explicit(&[forged]).spawn().unwrap()));
    let wild = forged.replace(['\u{1b}', '\u{9b}'], "&#x85;").replace('\r', "");
    for part in ["NAME", "PLAN", "HOSTNAME", "DEPLOY_ID", "TERMINATION_TIME", "PM_MAD"] {
        let text = format!(
            "<HOST><{part}>{wild}</{part}><TEMPLATE><{part}>{wild}</{part}><PROVISION><{part}>{wild}</{part}></PROVISION></TEMPLATE></HOST>"
        );
        let file = bench.file("wild.xml", &text);
        assert_plain(&bench.run("deploy", &[&file, "TODO"]));
    }
}

#[test]
fn a_message_has_an_end() {
    let bench = Bench::new();
    let text =
        format!("<HOST><TEMPLATE><PROVISION><DEPLOY_ID>{}</DEPLOY_ID></PROVISION></TEMPLATE></HOST>", plenty("x"));
    let file = bench.file("long.xml", &text);
    let answer = run_within(&bench, MEMORY, "deploy", &[&file, "TODO"]);
    let line = assert_failure(&answer);
    assert!(line.ends_with("...") || line.len() < 20_000, "{} bytes", line.len());
}

#[test]
fn no_value_of_the_provider_breaks_the_line_of_poll() {
    for wild in [
        "a b",
        "a\"b",
        "a=b STATE=FAILURE",
        "a\nGUEST_IP_ADDRESSES=\"6.6.6.6,\"",
        "\u{1b}[31m",
        "é\u{a0}ü",
        "$(id)`id`'",
        "a\tb",
        "\\\"",
    ] {
        let bench = Bench::new();
        let (host, id) = bench.deployed(7);
        let device = serde_json::json!({
            "id": id, "state": "active", "hostname": wild, "root_password": wild,
            "operating_system": {"slug": wild, "distro": wild}, "plan": {"slug": wild, "specs": {"memory": {"total": wild}}},
            "facility": {"code": wild}, "metro": {"code": wild},
            "ip_addresses": [{"address": wild, "public": true}, {"address": "147.75.0.1", "public": true}, {"address": "fe80::1%eth0"}],
        });
        let fault = Fault::new(Operation::Get, body(200, &device.to_string()));
        bench.simulator.fault(fault.times(2));
        let (answer, values) = host.poll().unwrap();
        assert_plain(&answer);
        assert!(answer.is_success(), "{answer:?}");
        assert_eq!(answer.stdout.matches('\n').count(), 1);
        assert_eq!(values["GUEST_IP_ADDRESSES"], "\"147.75.0.1,\"");
        assert_eq!(values["STATE"], "RUNNING");
        for name in ["OS", "PLAN", "FACILITY", "METRO", "LOGO"] {
            let value = &values[name];
            assert!(value.len() > 2 && value.starts_with('"') && value.ends_with('"'), "{value}");
            assert!(!value[1..value.len() - 1].contains(['"', '=', '\\', '`', '\'', ' ']), "{value}");
        }
        // Where the password is asked for, one that does not fit a line is not printed.
        let asked = bench.set("PM_ROOT_PASSWORD", "yes");
        let answer = asked.run("poll", &[&id, "name", "7", "name"]);
        assert_plain(&answer);
        assert_eq!(read_poll(&answer.stdout)["GUEST_IP_ADDRESSES"], "\"147.75.0.1,\"");
    }
}

#[test]
fn the_command_that_removes_a_machine_can_be_pasted_into_a_shell() {
    let bench = Bench::new();
    let mut template = HostTemplate::new(7);
    template.name = "x'; touch /tmp/pasted; $(id) `id` #".to_owned();
    let host = bench.host(&template);
    bench.simulator.fault(Fault::new(Operation::Create, Effect::FailProvisioning));
    bench.simulator.fault(Fault::new(Operation::Create, Effect::Locked));
    let file = host.write_deployment_file().unwrap();
    let line = assert_failure(&bench.run("deploy", &[&file, "TODO"]));
    let id = &bench.simulator.devices()[0].id;
    let name = r"'x'\''; touch /tmp/pasted; $(id) `id` #'";
    assert!(line.contains(&format!("cancel {id} {name} 7")), "{line}");
}

// ---- Arguments and files ---------------------------------------------------------------------------------

#[test]
fn arguments_of_any_bytes_and_length_are_refused_in_one_frame() {
    let bench = Bench::new();
    let long = "x".repeat(100_000);
    for action in common::ACTIONS {
        let no_text = std::ffi::OsString::from_vec(b"\xff\xfe".to_vec());
        let child = bench.command(action, &[]).arg(&no_text).spawn().unwrap();
        assert_failure_with(&finish(child), &["argument 1 is not UTF-8"]);
        let answer = finish(bench.start(action, &[&long, &long, &long]));
        let line = assert_failure(&answer);
        assert!(line.len() < 20_000, "{} bytes", line.len());
    }
    let answer =
        finish(bench.command("poll", &[]).env("PM_LOG", std::ffi::OsString::from_vec(vec![0xff])).spawn().unwrap());
    assert_failure_with(&answer, &["PM_LOG is not UTF-8"]);
}

#[test]
fn the_file_is_written_for_its_owner_alone_and_never_through_a_link() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(7));
    let xml = fs::read(host.write_deployment_file().unwrap()).unwrap();
    let target = bench.file("target", "precious");
    let link = bench.path("link.xml");
    symlink(&target, &link).unwrap();
    let dangling = bench.path("dangling.xml");
    symlink(bench.path("nothing-here"), &dangling).unwrap();
    let other = bench.path("other-name.xml");
    fs::hard_link(&target, &other).unwrap();
    let open = bench.path("open.xml");
    fs::write(&open, "<HOST/>").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).unwrap();
    for path in [&link, &dangling, &other, &open, &bench.path("new.xml")] {
        let answer = bench.feed("deploy", &[path.to_str().unwrap(), "TODO"], &xml);
        assert!(answer.is_success(), "{answer:?}");
        let meta = fs::symlink_metadata(path).unwrap();
        assert!(meta.is_file(), "a file, and no link");
        assert_eq!(meta.mode() & 0o7777, 0o600);
        assert_eq!(fs::read(path).unwrap(), xml);
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(!bench.path("nothing-here").exists());
    let left = fs::read_dir(bench.path("")).unwrap();
    let hidden = left.filter(|entry| entry.as_ref().unwrap().file_name().as_encoded_bytes()[0] == b'.');
    assert_eq!(hidden.count(), 0, "nothing half-written is left");
}

#[test]
fn a_file_that_cannot_be_written_stays_as_it_was_and_nothing_is_ordered() {
    let bench = Bench::new();
    let xml = HostTemplate::new(7).xml();
    // So long that a name beside it is too long.
    let path = bench.path(&format!("{}.xml", "x".repeat(250)));
    fs::write(&path, "<HOST/>").unwrap();
    let folder = bench.path("folder.xml");
    fs::create_dir(&folder).unwrap();
    for path in [&path, &folder, &bench.path("no/folder.xml")] {
        let answer = bench.feed("deploy", &[path.to_str().unwrap(), "TODO"], xml.as_bytes());
        assert_failure_with(&answer, &["cannot be written"]);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "<HOST/>");
    let broken = bench.feed("deploy", &[path.to_str().unwrap(), "TODO"], b"<HOST>");
    assert_failure_with(&broken, &["STDIN is not the XML of a host"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "<HOST/>");
    assert!(bench.simulator.requests().is_empty());
}

#[test]
fn a_pipe_or_a_device_in_the_place_of_a_file_holds_nothing_up() {
    let bench = Bench::new();
    let pipe = bench.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [pipe.to_str().unwrap(), "/dev/zero"] {
        let answer = bench.run("deploy", &[path, "TODO"]);
        assert_failure_with(&answer, &["it is no regular file"]);
        let asking = bench.oneprovision.clone().with("ONE_AUTH", path);
        let answer = asking.run("packet", "poll", &[UNKNOWN_ID, "name", "7", "name"]);
        assert_failure_with(&answer.unwrap(), &["ONE_AUTH names ", "cannot be read"]);
    }
    fs::write(bench.path("home/.one/one_auth"), "x:y\n".repeat(100_000)).unwrap();
    let answer = bench.run("poll", &[UNKNOWN_ID, "name", "7", "name"]);
    assert_failure_with(&answer, &["one_auth cannot be read"]);
}

#[test]
fn a_reader_that_went_away_is_an_error_and_no_signal() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let mut child = bench.start("poll", &[&id, "name", "7", "name"]);
    drop(child.stdout.take());
    assert_failure_with(&finish(child), &["cannot be printed: keep stdout open"]);
}

#[test]
fn whatever_others_say_stderr_is_ascii_where_it_is_no_terminal() {
    let texts = ["plan \u{201c}caf\u{e9}\u{201d} is \u{1f525}", "\u{540d}\u{524d}\u{2026}", &"\u{e9}".repeat(9000)];
    for text in texts {
        let bench = Bench::new().set("PM_LOG", "debug");
        let host = bench.host(&HostTemplate::new(7).with("FACILITY", "any"));
        let refused = Effect::refuse(422, text);
        bench.fault(Operation::Create, refused);
        // Its words for a host, in a name and in a warning.
        bench.simulator.oned().rename(7, "h\u{f6}st").unwrap();
        let answer = host.deploy().unwrap();
        let line = assert_failure(&answer);
        assert!(answer.stderr.is_ascii(), "{answer:?}");
        assert!(line.contains("h\\u{f6}st"), "{line}");
        let piece = if text.starts_with("plan") { "plan \"caf\\u{e9}\" is \\u{1f525}" } else { "..." };
        assert!(line.contains(piece), "{line}");
        // In a state and in a log.
        let state = simulator::State::Other(text.to_owned());
        bench.simulator.fault(Fault::new(Operation::Create, Effect::Stuck(state)));
        let hasty = bench.oneprovision.clone().with("PM_TIMEOUT", "1");
        let answer = hasty.host(bench.simulator.oned(), 7).deploy().unwrap();
        assert_failure(&answer);
        assert!(answer.stderr.is_ascii(), "{answer:?}");
    }
    // What our own words have to cut, and what nobody can call us by.
    for words in [&["d\u{e9}ploy"][..], &["cancel", "\u{2026}"], &[], &["deploy", "/n\u{f6}", "TODO"]] {
        let answer = finish(Bench::new().explicit(words).spawn().unwrap());
        assert_failure(&answer);
        assert!(answer.stderr.is_ascii(), "{answer:?}");
    }
}
