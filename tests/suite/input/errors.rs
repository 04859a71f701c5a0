//! Bad input of every kind: each has its own first line with what is wrong and what to do, in a frame that oneprovision
//! reads, with exit code 255 and nothing on stdout; and nobody is asked in vain.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::common;
use crate::common::{BINARY, Bench, UNKNOWN_ID, assert_failure, assert_failure_with, each, finish, unregistered};
use simulator::oneprovision::{Answer, read_error};
use simulator::{
    Answer as Reply, ENCRYPTED_TOKEN, Effect, Fault, HostTemplate, Operation, Options, SESSION, Service, State, TOKEN,
};

const NAME: &str = "provision-7";
/// The actions that are about one machine.
const ABOUT_A_MACHINE: [&str; 4] = ["cancel", "poll", "reboot", "reset"];

fn run(command: &mut Command) -> Answer {
    finish(command.spawn().unwrap())
}

/// A bench with host 7 in oned.
fn bench() -> Bench {
    Bench::new().with_host_7()
}

fn assert_nobody_was_asked(bench: &Bench) {
    assert_eq!(bench.simulator.requests().len(), 0, "{:?}", bench.simulator.requests());
}

/// Asserts that no secret of the recorded host stands in what was said.
fn assert_tells_no_secret(answer: &Answer) {
    for secret in [TOKEN, ENCRYPTED_TOKEN, SESSION] {
        assert!(!answer.stderr.contains(secret), "{answer:?}");
    }
}

// ---- How it is called ------------------------------------------------------------------------------------

#[test]
fn a_call_without_an_action_names_them() {
    let bench = bench();
    let answer = run(&mut bench.explicit(&[]));
    assert_failure_with(
        &answer,
        &["there is no action: call pm-packet deploy|poll|cancel|reboot|reset|shutdown", "..., or --help"],
    );
    for (odd, meant) in
        [("destroy", ""), ("", ""), ("--", ""), ("Deploy", "deploy"), ("deploy ", "deploy"), ("lst", "list")]
    {
        let answer = run(&mut bench.explicit(&[odd, "x"]));
        let meant = if meant.is_empty() { String::new() } else { format!("did you mean {meant}? ") };
        let known = "the known ones are deploy, poll, cancel, reboot, reset, shutdown";
        assert_failure_with(&answer, &[&format!("there is no action {odd:?}: {meant}{known}")]);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_link_of_an_unknown_name_lists_the_known_ones() {
    let bench = bench();
    let link = bench.path("remotes/pm/packet/destroy");
    symlink(BINARY, &link).unwrap();
    let answer = bench.run("destroy", &[UNKNOWN_ID, NAME]);
    assert_failure_with(&answer, &["there is no action", "the known ones are deploy, poll"]);
    assert_nobody_was_asked(&bench);
}

#[test]
fn an_unknown_provider_lists_the_known_ones() {
    let bench = bench();
    let folder = bench.path("remotes/pm/acme");
    fs::create_dir(&folder).unwrap();
    symlink(BINARY, folder.join("poll")).unwrap();
    let answer = bench.oneprovision.run("acme", "poll", &[UNKNOWN_ID, NAME, "7", NAME]).unwrap();
    let parts = [
        "poll: there is no provider \"acme\"",
        "the folder of the link, PM_MAD or --driver must be one of packet, ",
        "dummy",
    ];
    assert_failure_with(&answer, &parts);
    let mut template = HostTemplate::new(8);
    template.pm_mad = "acme".to_owned();
    let file = bench.host(&template).write_deployment_file().unwrap();
    let answer = run(&mut bench.explicit(&["deploy", &file, "TODO"]));
    assert_failure_with(&answer, &["deploy: there is no provider \"acme\"", "packet, ", "dummy"]);
    assert_nobody_was_asked(&bench);
    let answer = run(&mut bench.explicit(&["poll", UNKNOWN_ID, NAME, "8", NAME]));
    assert_failure_with(&answer, &["poll: there is no provider \"acme\"", "packet, ", "dummy"]);
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn a_link_that_stands_nowhere_says_so() {
    let bench = bench();
    let mut command = bench.explicit(&[UNKNOWN_ID]);
    let answer = run(command.arg0("poll").env("PATH", bench.path("home")));
    assert_failure_with(&answer, &["poll stands in no folder whose name is a provider", "call it by its path"]);
    let answer = run(bench.explicit(&[UNKNOWN_ID]).arg0("/poll"));
    assert_failure_with(&answer, &["/poll stands in no folder", "call it by its path"]);
}

#[test]
fn missing_arguments_are_named_all_at_once() {
    let bench = bench();
    for (action, words, missing) in [
        ("deploy", vec![], "DEPLOYMENT_FILE"),
        ("poll", vec![], "DEPLOY_ID"),
        ("cancel", vec![], "DEPLOY_ID"),
        ("reboot", vec![], "DEPLOY_ID"),
        ("reset", vec![], "DEPLOY_ID"),
        ("shutdown", vec![], "DEPLOY_ID and HOST and LCM_STATE"),
        ("shutdown", vec![UNKNOWN_ID], "HOST and LCM_STATE"),
        ("shutdown", vec![UNKNOWN_ID, NAME], "LCM_STATE"),
    ] {
        let first = format!("{action}: the arguments lack {missing}: see `pm-packet {action} --help`");
        assert_eq!(assert_failure(&bench.run(action, &words)), first);
        let words = [&[action][..], &words].concat();
        assert_eq!(assert_failure(&run(&mut bench.explicit(&words))), first);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn an_argument_that_is_not_utf_8_is_named() {
    let bench = bench();
    let answer = run(bench.command("poll", &[UNKNOWN_ID]).arg(OsStr::from_bytes(b"n\xff")));
    assert_failure_with(&answer, &["argument 2 is not UTF-8 (\"n\\xFF\")", "check how it is called"]);
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_deploy_id_that_is_none_never_reaches_the_network() {
    let bench = bench();
    for odd in [
        "../projects/f3f131c8-f302-49ef-8c44-9405022dc6dd",
        "b9eb1666-1b72-45ee-b529-806b079ce5af/actions",
        "b9eb1666-1b72-45ee-b529-806b079ce5af?x=1",
        "b9eb1666-1b72-45ee-b529-806b079ce5a",
        "b9eb16661b7245eeb529806b079ce5af",
        "b9eb1666-1b72-45ee-b529-806b079ce5ag",
        " b9eb1666-1b72-45ee-b529-806b079ce5af",
        "b9eb1666-1b72-45ee-b529-806b079ce5af\n",
        "é9eb1666-1b72-45ee-b529-806b079ce5a",
        "%2e%2e",
        "nonsense",
    ] {
        for action in ABOUT_A_MACHINE {
            let answer = run(&mut bench.command(action, &[odd, NAME, "7", NAME]));
            let first =
                format!("{action}: DEPLOY_ID is {odd:?}, which is not a UUID: give the DEPLOY_ID that deploy printed");
            assert_eq!(assert_failure(&answer), first.replace('é', "\\u{e9}"));
        }
        let answer = run(&mut bench.command("shutdown", &[odd, NAME, "SHUTDOWN", "7", NAME]));
        assert_failure_with(&answer, &["shutdown: DEPLOY_ID is ", "which is not a UUID: give"]);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_deploy_id_of_the_dummy_is_an_address() {
    let bench = bench();
    for action in ABOUT_A_MACHINE {
        let answer = bench.oneprovision.run("dummy", action, &[UNKNOWN_ID, NAME, "7", NAME]).unwrap();
        assert_failure_with(
            &answer,
            &[&format!("{action}: DEPLOY_ID is {UNKNOWN_ID:?}, which is not an IP address"), "give the DEPLOY_ID"],
        );
    }
    assert_nobody_was_asked(&bench);
    // Where the host tells the provider, its id must be one of that.
    let answer = run(&mut bench.explicit(&["poll", "192.0.2.7", NAME, "7", NAME]));
    assert_failure_with(&answer, &["poll: DEPLOY_ID is \"192.0.2.7\", which is not a UUID"]);
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn a_host_id_that_is_no_number_is_said_to_be_shifted() {
    let bench = bench();
    for odd in ["seven", "-7", "+7", "7.0", "4294967296", "0x7"] {
        for action in ABOUT_A_MACHINE {
            let answer = bench.run(action, &[UNKNOWN_ID, NAME, odd, NAME]);
            let first = format!("{action}: HOST_ID is {odd:?}, which is no number: the arguments look shifted");
            assert_failure_with(&answer, &[&first, "an empty one vanishes on its way through the shell"]);
        }
        let answer = bench.run("shutdown", &[UNKNOWN_ID, NAME, "SHUTDOWN", odd, NAME]);
        assert_failure_with(&answer, &["shutdown: HOST_ID is ", "look shifted"]);
        let file = bench.file("deployment.xml", &unregistered(&[]));
        let answer = bench.run("deploy", &[&file, NAME, odd, NAME]);
        assert_failure_with(&answer, &["deploy: HOST_ID is ", "look shifted"]);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_state_of_a_shutdown_that_is_none_names_the_three() {
    let bench = bench();
    for odd in ["SUSPEND", "", "shutdown", "SHUTDOWN_", NAME] {
        let answer = run(&mut bench.command("shutdown", &[UNKNOWN_ID, NAME, odd, "7", NAME]));
        let first =
            format!("shutdown: LCM_STATE is {odd:?}: it must be SHUTDOWN, SHUTDOWN_POWEROFF or SHUTDOWN_UNDEPLOY");
        assert_eq!(assert_failure(&answer), first);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_host_that_is_not_named_at_all_is_asked_for() {
    let bench = bench();
    for action in ABOUT_A_MACHINE {
        let answer = bench.run(action, &[UNKNOWN_ID]);
        let parts = [&format!("{action}: there is neither a host id nor a host name"), "give HOST and HOST_ID"];
        assert_failure_with(&answer, &parts.map(|part: &str| part));
    }
    assert_nobody_was_asked(&bench);
}

// ---- The deployment file and STDIN -----------------------------------------------------------------------

#[test]
fn a_deployment_file_that_is_not_there_or_no_file_is_named() {
    let bench = bench();
    let missing = bench.path("missing.xml").display().to_string();
    let folder = bench.path("home").display().to_string();
    let pipe = bench.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe = pipe.display().to_string();
    let below = format!("{}/x", bench.file("plain", ""));
    for (file, why) in [
        (&*missing, "No such file"),
        (&folder, "it is no regular file"),
        (&pipe, "it is no regular file"),
        (&below, "Not a directory"),
        ("/dev/zero", "it is no regular file"),
        ("TODO", "No such file"),
    ] {
        let answer = bench.run("deploy", &[file, "TODO"]);
        let parts = [
            "deploy: the deployment file ",
            &format!("{file:?}"),
            "cannot be read",
            why,
            "give the path of one, or its XML on STDIN",
        ];
        assert_failure_with(&answer, &parts);
    }
    assert_nobody_was_asked(&bench);
}

/// What is no XML of a host, and why.
fn no_hosts() -> Vec<(Vec<u8>, &'static str)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let good = unregistered(&[]);
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    vec![
        (text("hello"), "there is text outside of the root element"),
        (text("<!-- nothing -->"), "it has no element"),
        (text(&good[..good.find("</TEMPLATE>").unwrap_or_default()]), "never closed: the text is cut off"),
        (text(&good[..good.len() - 3]), "at byte"),
        (text("<HOST><TEMPLATE>"), "<TEMPLATE> is never closed"),
        (text("<HOST></HOST></HOST>"), "a tag closes what was never opened, at byte 13"),
        (text("<HOST></HOST><HOST></HOST>"), "it has more than one root element"),
        (text("<HOST><TEMPLATE><PLAN>x</PLAN></HOST>"), "<TEMPLATE> is closed by </HOST>"),
        (text("<HOST></HOST>tail"), "there is text outside of the root element"),
        (text("<VM><ID>7</ID></VM>"), "its root element is <VM> and not <HOST>"),
        (text("<HOST_POOL></HOST_POOL>"), "its root element is <HOST_POOL>"),
        (text("<HOST><ID>seven</ID></HOST>"), "its ID is not a number"),
        (text("<HOST><ID>-7</ID></HOST>"), "its ID is not a number"),
        (text("<HOST><ID></ID></HOST>"), "its ID is not a number"),
        (text("<!DOCTYPE HOST [<!ENTITY a \"b\">]><HOST><NAME>&a;</NAME></HOST>"), "it has a document type (DOCTYPE)"),
        (text("<HOST><NAME>&own;</NAME></HOST>"), "it has an entity that XML itself does not have"),
        (text("<HOST><NAME>&#8;</NAME></HOST>"), "it has a control character (U+0008)"),
        (text("<HOST><NAME>a & b</NAME></HOST>"), "an & stands alone: it is written &amp;, at byte"),
        (text(&format!("{}{}", "<HOST>".repeat(500), "</HOST>".repeat(500))), "nested more than 64 deep"),
        (text("<HOST>\u{0}</HOST>"), "it has a NUL character"),
        (b"<HOST><NAME>\xe9</NAME></HOST>".to_vec(), "it is not in UTF-8, from byte 12 on"),
        (utf_16, "it is in UTF-16: save it as UTF-8"),
        (text("{\"HOST\": {}}"), "there is text outside of the root element"),
    ]
}

#[test]
fn a_deployment_file_that_is_no_host_says_why() {
    let bench = bench();
    for (bytes, why) in no_hosts() {
        let path = bench.path("deployment.xml");
        fs::write(&path, &bytes).unwrap();
        let path = path.display().to_string();
        let answer = bench.run("deploy", &[&path, "TODO"]);
        let parts =
            [&*format!("deploy: the deployment file {path} is not the XML of a host: "), why, "see `onehost show -x`"];
        assert_failure_with(&answer, &parts);
        assert_tells_no_secret(&answer);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_stdin_that_is_no_host_says_why_and_writes_nothing() {
    let bench = bench();
    let path = bench.path("deployment.xml");
    for (bytes, why) in no_hosts() {
        let answer = bench.feed("deploy", &[path.to_str().unwrap(), "TODO"], &bytes);
        assert_failure_with(&answer, &["deploy: STDIN is not the XML of a host: ", why, "see `onehost show -x`"]);
        assert_tells_no_secret(&answer);
        assert!(!path.exists());
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_file_that_is_empty_holds_no_host() {
    let bench = bench();
    for text in ["", "\n \n"] {
        let file = bench.file("deployment.xml", text);
        let answer = bench.run("deploy", &[&file, "TODO"]);
        assert_failure_with(&answer, &["is not the XML of a host: it has no element", "see `onehost show -x`"]);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn what_is_too_large_is_not_read() {
    let bench = bench();
    let large = unregistered(&[]).replace("<HOST>", &format!("<HOST>{}", " ".repeat(5 << 20)));
    assert!(large.len() > 5 << 20);
    let file = bench.file("deployment.xml", &large);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    assert_failure_with(
        &answer,
        &["the deployment file ", "cannot be read (it is larger than 4194304 bytes)", "give the path of one"],
    );
    let new = bench.path("new.xml");
    let answer = bench.feed("deploy", &[new.to_str().unwrap(), "TODO"], large.as_bytes());
    assert_failure_with(
        &answer,
        &["deploy: STDIN cannot be read: it is larger than 4194304 bytes", "send the XML of a host, or nothing"],
    );
    assert!(!new.exists());
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_stdin_that_cannot_be_read_matters_only_where_there_is_no_file() {
    let bench = bench();
    let folder = || Stdio::from(File::open(bench.path("home")).unwrap());
    let missing = bench.path("missing.xml").display().to_string();
    let answer = run(bench.command("deploy", &[&missing, "TODO"]).stdin(folder()));
    assert_failure_with(&answer, &["deploy: STDIN cannot be read: ", "send the XML of a host, or nothing"]);
    assert_nobody_was_asked(&bench);
    let file = bench.file("deployment.xml", &unregistered(&[]));
    let answer = run(bench.command("deploy", &[&file, "TODO"]).stdin(folder()));
    common::assert_success(&answer);
}

#[test]
fn a_deployment_file_that_cannot_be_written_is_named() {
    let bench = bench();
    let xml = unregistered(&[]);
    let missing = bench.path("missing/deployment.xml").display().to_string();
    let folder = bench.path("home").display().to_string();
    for file in [&missing, &folder, "/", "/proc/deployment.xml"] {
        let answer = bench.feed("deploy", &[file, "TODO"], xml.as_bytes());
        let parts = ["deploy: the deployment file ", &format!("{file:?}"), "cannot be written (", "see its folder"];
        assert_failure_with(&answer, &parts);
        assert_tells_no_secret(&answer);
    }
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_deploy_id_of_the_host_that_is_none_is_to_be_mended() {
    let bench = bench();
    let xml = unregistered(&[("DEPLOY_ID", "../projects")]);
    let file = bench.file("deployment.xml", &xml);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    let parts = [
        "deploy: DEPLOY_ID of host provision-",
        "is \"../projects\", which is not a UUID",
        "mend it with onehost update",
    ];
    assert_failure_with(&answer, &parts);
    assert_nobody_was_asked(&bench);
}

// ---- Settings --------------------------------------------------------------------------------------------

#[test]
fn a_timeout_that_is_none_is_said() {
    for odd in ["0", "-1", "soon", "1.5", "604801", "99999999999999999999"] {
        let bench = bench().set("PM_TIMEOUT", odd);
        let parts = [&*format!("PM_TIMEOUT is {odd:?}"), "set it to a number of seconds, 1 to 604800"];
        assert_failure_with(&bench.run("cancel", &[UNKNOWN_ID, NAME, "7", NAME]), &parts);
        let file = bench.file("deployment.xml", &unregistered(&[("PM_TIMEOUT", odd)]));
        assert_failure_with(&bench.run("deploy", &[&file, "TODO"]), &parts);
        assert_eq!(bench.count_of(Service::Api), 0);
    }
}

#[test]
fn settings_of_the_host_that_cannot_be_reach_no_provider() {
    for (name, value, first) in [
        (
            "PACKET_TOKEN",
            "two words",
            "PACKET_TOKEN holds characters that no token has: copy it anew from the provider",
        ),
        (
            "PACKET_TOKEN",
            "tok\nInjected: yes",
            "PACKET_TOKEN holds characters that no token has: copy it anew from the provider",
        ),
        ("PACKET_TOKEN", "tokén", "PACKET_TOKEN holds characters that no token has: copy it anew from the provider"),
        ("PACKET_TOKEN", " ", "there is no PACKET_TOKEN: put it into the section provision of the host's template"),
        ("PACKET_PROJECT", "../x", "PACKET_PROJECT is no project id: set it to the UUID of the project"),
        (
            "PACKET_API_URL",
            "here",
            "PACKET_API_URL is not the address of an API: set it as https://api.equinix.com/metal/v1",
        ),
        ("PM_TIMEOUT", "never", "PM_TIMEOUT is \"never\": set it to a number of seconds, 1 to 604800"),
    ] {
        let bench = Bench::new();
        let host = bench.host(&HostTemplate::new(7).with(name, value));
        for action in ABOUT_A_MACHINE {
            let answer = bench.run(action, &[UNKNOWN_ID, NAME, "7", NAME]);
            assert_eq!(assert_failure(&answer), format!("{action}: {first}"));
        }
        let answer = bench.run("shutdown", &[UNKNOWN_ID, NAME, "SHUTDOWN", "7", NAME]);
        assert_eq!(assert_failure(&answer), format!("shutdown: {first}"));
        let answer = host.deploy().unwrap();
        assert_eq!(assert_failure(&answer), format!("deploy: {first}"));
        assert_eq!(bench.count_of(Service::Api), 0);
        assert_eq!(bench.count(Operation::HostPool), 0);
    }
}

#[test]
fn a_host_without_token_says_where_it_belongs() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7).without("PACKET_TOKEN"));
    let answer = bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
    assert_failure_with(&answer, &["poll: there is no PACKET_TOKEN", "put it into the section provision"]);
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn an_environment_that_is_not_utf_8_is_named() {
    let bench = bench();
    let odd = OsStr::from_bytes(b"http://\xff");
    for name in ["ONE_XMLRPC", "ONE_AUTH", "ONE_XMLRPC_TIMEOUT", "PACKET_API_URL", "PM_TIMEOUT"] {
        let mut command = bench.command("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
        let answer = run(command.env(name, odd));
        assert_failure_with(&answer, &[&format!("the environment variable {name} is not UTF-8: set it anew")]);
    }
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn a_token_over_plain_http_to_elsewhere_is_warned_of() {
    let bench = bench().set("PACKET_API_URL", "http://api.invalid/").set("PM_TIMEOUT", "1");
    let answer = bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
    assert_failure_with(&answer, &["poll: cannot look at machine "]);
    assert!(
        answer.stderr.starts_with("WARNING: PACKET_API_URL is http: the token travels in clear; use https\n"),
        "{answer:?}"
    );
}

// ---- What the provider says ------------------------------------------------------------------------------

/// Asserts that every action about a machine of host 7, and its deploy, says this in its first line when every request
/// is answered so.
fn assert_all_say(effect: &Effect, parts: &[&str]) {
    let bench = bench();
    bench.fault_always(Operation::Api, effect.clone());
    for action in ABOUT_A_MACHINE {
        let answer = bench.run(action, &[UNKNOWN_ID, NAME, "7", NAME]);
        let first = assert_failure_with(&answer, parts);
        assert!(first.starts_with(&format!("{action}: ")), "{first}");
        assert!(first.contains(&format!("machine {UNKNOWN_ID} of host 7 ({NAME})")), "{first}");
        assert_tells_no_secret(&answer);
    }
    let answer = bench.registered(7).deploy().unwrap();
    let first = assert_failure_with(&answer, parts);
    assert!(first.starts_with("deploy: packet gives no machine for host 7 (provision-"), "{first}");
    assert!(first.ends_with("; nothing was ordered"), "{first}");
    assert_tells_no_secret(&answer);
}

#[test]
fn a_wrong_token_is_said_by_every_action_and_not_tried_again() {
    let bench = bench();
    bench.simulator.revoke_token(TOKEN);
    let answer = bench.registered(7).deploy().unwrap();
    assert_failure_with(
        &answer,
        &["Invalid authentication token (status 401 to GET /projects/", "check PACKET_TOKEN; nothing was ordered"],
    );
    assert_eq!(bench.count_of(Service::Api), 1);
    assert_all_say(&Effect::status(401), &["(status 401 to ", "check PACKET_TOKEN"]);
}

#[test]
fn a_project_of_others_is_said() {
    let bench = Bench::new();
    bench.simulator.add_project("someone-elses", "x");
    let host = bench.host(&HostTemplate::new(7).with("PACKET_PROJECT", "someone-elses"));
    let answer = host.deploy().unwrap();
    let parts = [
        "You are not authorized to view this resource (status 403 to GET /projects/someone-elses/devices",
        "check that PACKET_TOKEN may use PACKET_PROJECT",
    ];
    assert_failure_with(&answer, &parts);
    assert_eq!(bench.count_of(Service::Api), 1);
}

#[test]
fn a_project_that_does_not_exist_is_said() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(7).with("PACKET_PROJECT", UNKNOWN_ID));
    let answer = host.deploy().unwrap();
    assert_failure_with(
        &answer,
        &["Not found (status 404 to GET /projects/", "check PACKET_PROJECT and PACKET_API_URL"],
    );
    assert_eq!(bench.count_of(Service::Api), 1);
}

#[test]
fn a_redirect_is_not_followed_and_said() {
    let redirect = |url: String| Effect::Redirect { url, code: 302 };
    let elsewhere = Bench::new();
    let url = format!("{}/user", elsewhere.simulator.api_root());
    let parts = [
        "the answer redirects to http://",
        "which is never followed",
        "(status 302 to ",
        "set PACKET_API_URL to the address of the API itself",
    ];
    assert_all_say(&redirect(url), &parts);
    assert_nobody_was_asked(&elsewhere);
}

#[test]
fn an_order_that_is_refused_says_why_in_the_providers_words() {
    for (template, reason) in [
        (HostTemplate::new(7).with("PLAN", "no-such-plan"), "no-such-plan is not a valid plan"),
        (HostTemplate::new(7).with("OS", "no_such_os"), "no_such_os is not a valid operating system"),
        (HostTemplate::new(7).with("FACILITY", "nowhere"), "nowhere is not a valid facility"),
        (HostTemplate::new(7).without("FACILITY").with("METRO", "xx"), "xx is not a valid metro"),
        (HostTemplate::new(7).with("HOSTNAME", "a_b"), "Hostname is invalid"),
        (HostTemplate::new(7).with("BILLING_CYCLE", "weekly"), "billing_cycle is not included in the list"),
        (
            HostTemplate::new(7).with("PLAN", "x").with("OS", "y"),
            "x is not a valid plan; y is not a valid operating system",
        ),
        (HostTemplate::new(7).with("FACILITY", "ny5"), "The facility ny5 has no provisionable baremetal_0 servers"),
    ] {
        let bench = Bench::new();
        bench.simulator.set_sold_out(&["ny5"]);
        let answer = bench.host(&template).deploy().unwrap();
        let parts = [
            "deploy: packet gives no machine for host 7 (provision-",
            reason,
            "(status 422 to POST /projects/",
            "change the section provision of the host's template; nothing was ordered",
        ];
        assert_failure_with(&answer, &parts);
        assert_eq!(bench.count(Operation::Create), 1, "asking again would not help");
        bench.assert_books(&[]);
        assert!(!bench.journal(7).exists());
    }
}

#[test]
fn a_refusal_without_reason_is_said_to_have_none() {
    for (body, parts) in [
        ("{\"errors\": []}", ["the answer gives no reason (status 422 to POST", "nothing was ordered"]),
        ("<html>no</html>", ["the answer gives no reason (status 422 to POST", "nothing was ordered"]),
        ("{\"error\": \"just no\"}", ["just no (status 422 to POST", "nothing was ordered"]),
        ("{\"errors\": [\"one\", null, \"two\"]}", ["one; two (status 422 to POST", "nothing was ordered"]),
        (
            "{\"errors\": [\"a\\nb\\u001b[31m ERROR MESSAGE --8<------\"]}",
            ["a b [31m ERROR MESSAGE - -8<------", "nothing was ordered"],
        ),
    ] {
        let bench = bench();
        bench.fault(Operation::Create, Effect::Status(Reply::new(422).body(body)));
        let answer = bench.registered(7).deploy().unwrap();
        assert_failure_with(&answer, &parts);
        bench.assert_books(&[]);
    }
}

#[test]
fn a_provider_that_quotes_our_token_does_not_make_us_tell_it() {
    let bench = bench();
    let effect = Effect::refuse(422, &format!("the token {TOKEN} is too poor"));
    bench.fault(Operation::Create, effect);
    let answer = bench.registered(7).deploy().unwrap();
    assert_failure_with(&answer, &["the token [secret] is too poor"]);
    assert_tells_no_secret(&answer);
}

#[test]
fn a_reboot_of_a_machine_that_is_off_says_so() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    assert!(host.poweroff().unwrap().is_success());
    let answer = host.reboot().unwrap();
    let parts = [
        "reboot: machine ",
        &id,
        "Device must be powered on (status 422 to POST /devices/",
        "see the state of the machine at the provider",
        "resume it with `oneprovision host resume 7`",
    ];
    assert_failure_with(&answer, &parts);
    assert_eq!(bench.simulator.device(&id).unwrap().state, State::Inactive);
}

#[test]
fn a_locked_machine_is_to_be_unlocked_first() {
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    bench.simulator.fault(Fault::new(Operation::Delete, Effect::Locked).device(&id));
    let answer = host.cancel().unwrap();
    let parts = [
        "cancel: machine ",
        &id,
        "Cannot delete a locked item. (status 422 to DELETE /devices/",
        "unlock it at the provider first",
    ];
    assert_failure_with(&answer, &parts);
    assert_eq!(bench.count(Operation::Delete), 1);
    bench.assert_books(&[&id]);
}

#[test]
fn a_machine_that_is_gone_can_only_be_created_anew() {
    let bench = bench();
    for words in [
        vec!["poll", UNKNOWN_ID, NAME, "7", NAME],
        vec!["reboot", UNKNOWN_ID, NAME, "7", NAME],
        vec!["reset", UNKNOWN_ID, NAME, "7", NAME],
        vec!["shutdown", UNKNOWN_ID, NAME, "SHUTDOWN_POWEROFF", "7", NAME],
    ] {
        let answer = bench.run(words[0], &words[1..]);
        let parts = [&*format!("{}: ", words[0]), UNKNOWN_ID, "is gone: delete the host and create it anew"];
        assert_failure_with(&answer, &parts);
    }
    bench.simulator.oned().set_deploy_id(7, UNKNOWN_ID).unwrap();
    let answer = bench.registered(7).resume().unwrap();
    let parts = [
        "deploy: cannot resume host 7 (provision-",
        UNKNOWN_ID,
        "the machine is gone: delete the host and create it anew",
    ];
    assert_failure_with(&answer, &parts);
}

#[test]
fn several_machines_of_one_host_are_named_and_none_is_touched() {
    let bench = bench();
    let twin =
        || bench.simulator.add_device(simulator::NewDevice::with_tags(simulator::PROJECT, [common::identity(7)]));
    let (one, two) = (twin().id, twin().id);
    let answer = bench.registered(7).deploy().unwrap();
    let parts = ["it has 2 machines already, ", &one, &two, "delete all but one at the provider"];
    assert_failure_with(&answer, &parts);
    bench.assert_books(&[&one, &two]);
}

#[test]
fn a_deadline_says_what_it_waited_for_and_how_to_give_it_more() {
    let bench = Bench::with(Options { powering: Duration::from_secs(60), ..Options::default() });
    let (_, id) = bench.deployed(7);
    let bench = bench.set("PM_TIMEOUT", "1");
    let answer = bench.run("shutdown", &[&id, NAME, "SHUTDOWN_POWEROFF", "7", NAME]);
    let parts = [
        "shutdown: machine ",
        &id,
        "is not powered off after ",
        "it is powering_off",
        "PM_TIMEOUT is the time it gets, in seconds",
    ];
    assert_failure_with(&answer, &parts);
}

#[test]
fn a_provider_that_does_not_run_is_said_with_its_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bench = bench().set("PACKET_API_URL", &nowhere).set("PM_TIMEOUT", "1");
    let remedy = "check PACKET_API_URL and the network";
    each(&ABOUT_A_MACHINE, |action| {
        let answer = bench.run(action, &[UNKNOWN_ID, NAME, "7", NAME]);
        assert_failure_with(&answer, &[&format!("{action}: "), UNKNOWN_ID, "the connection was refused (", remedy]);
    });
    let answer = bench.registered(7).deploy().unwrap();
    assert_failure_with(&answer, &["the connection was refused (GET /projects/", remedy, "nothing was ordered"]);
}

#[test]
fn a_certificate_that_cannot_be_trusted_is_said_and_nothing_is_sent() {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key.into())
        .unwrap();
    let bench = Bench::with(Options { tls: Some(Arc::new(server)), ..Options::default() });
    let host = bench.host(&HostTemplate::new(7));
    let why = "the certificate is self-signed or of an unknown authority";
    let answer = host.deploy().unwrap();
    assert_failure_with(
        &answer,
        &[
            "deploy: packet gives no machine",
            why,
            "mend the certificate, or name its authority with SSL_CERT_FILE",
            "nothing was ordered",
        ],
    );
    assert_eq!(bench.count_of(Service::Api), 0);
    let bench = {
        let api = bench.simulator.api_url();
        bench.set("ONE_XMLRPC", &api)
    };
    let answer = bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
    assert_failure_with(
        &answer,
        &[
            "poll: oned at https://",
            "is not to be trusted",
            why,
            "mend the certificate, or name its authority with SSL_CERT_FILE",
        ],
    );
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn an_answer_that_makes_no_sense_is_said() {
    let cases = [
        (Effect::Garbage, "the answer cannot be read: "),
        (Effect::Html5xx(502), "(status 502 to GET /devices/"),
        (Effect::DropBefore { reset: true }, "the connection was closed before the answer was complete"),
        (Effect::Status(Reply::new(200).body("{\"id\": \"x\", \"state\": \"active\"}")), "whose id is no UUID"),
        (
            Effect::Status(Reply::new(200).body("{\"id\": \"5bd54a37-4e0d-4de6-8f95-b96b93600b0d\"}")),
            "the answer is about another machine",
        ),
    ];
    each(&cases, |(effect, why)| {
        let bench = Bench::new();
        let (_, id) = bench.deployed(7);
        let bench = bench.set("PM_TIMEOUT", "1");
        bench.fault_always(Operation::Get, effect.clone());
        let answer = bench.run("poll", &[&id, NAME, "7", NAME]);
        assert_failure_with(&answer, &["poll: cannot look at machine ", &id, why, "PM_TIMEOUT is the time it gets"]);
    });
}

// ---- The frame -------------------------------------------------------------------------------------------

#[test]
fn a_closed_stdout_is_an_error_of_poll_and_help() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let answer = run(bench.command("poll", &[&id, NAME, "7", NAME]).stdout(full()));
    assert_failure_with(&answer, &["poll: the values cannot be printed: keep stdout open"]);
    let answer = run(bench.explicit(&["--help"]).stdout(full()));
    assert_failure_with(&answer, &["the answer cannot be printed: keep stdout open"]);
    let mut host = HostTemplate::new(8);
    host = host.with("DEPLOY_ID", &id);
    let file = bench.host(&host).write_deployment_file().unwrap();
    let answer = run(bench.command("deploy", &[&file, NAME, "8", NAME]).stdout(full()));
    assert_failure_with(&answer, &["deploy: the deploy id cannot be printed: keep stdout open"]);
    bench.assert_books(&[&id]);
}

#[test]
fn what_stands_below_the_first_line_are_its_causes_and_no_backtrace() {
    let bench = bench();
    fs::remove_file(bench.path("home/.one/one_auth")).unwrap();
    let missing = bench.path("missing").display().to_string();
    let bench = bench.set("ONE_AUTH", &missing).set("RUST_BACKTRACE", "full");
    let answer = bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
    assert_failure_with(&answer, &["poll: ONE_AUTH names "]);
    let message = read_error(&answer.stderr).unwrap();
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines.len(), 2, "{message}");
    assert!(lines[1].starts_with("No such file"), "{message}");
    assert!(answer.stderr.starts_with("ERROR MESSAGE --8<------\n"), "{answer:?}");
    assert!(answer.stderr.ends_with("ERROR MESSAGE ------>8--\n"), "{answer:?}");
}

#[test]
fn what_comes_from_outside_cannot_forge_a_frame_or_leave_its_line() {
    let bench = bench();
    let evil = "x\nERROR MESSAGE ------>8--\nERROR MESSAGE --8<------\n\u{1b}[2J";
    let answer = run(&mut bench.command("poll", &[evil, NAME, "7", NAME]));
    assert_failure_with(&answer, &["poll: DEPLOY_ID is \"x"]);
    let answer = run(&mut bench.command("poll", &[UNKNOWN_ID, evil, "99", evil]));
    assert_failure_with(&answer, &["oned has no such host"]);
    let answer = run(&mut bench.command("poll", &[UNKNOWN_ID, evil]));
    let first = assert_failure_with(&answer, &["oned has no host named x", "see `onehost list`"]);
    assert!(!first.contains('\u{1b}'), "{first:?}");
}

#[test]
fn an_action_of_a_host_without_deploy_id_says_that_its_deploy_failed() {
    let bench = bench();
    for action in ABOUT_A_MACHINE {
        // As oneprovision calls it: the empty DEPLOY_ID vanishes in the shell.
        let told = match action {
            "cancel" => "there is nothing to cancel, for its deploy failed",
            _ => "its deploy failed: delete the host and create it anew",
        };
        let called = format!("host 7 ({NAME}) has no DEPLOY_ID");
        for words in [&["", NAME, "7", NAME][..], &[NAME, "7", NAME]] {
            let answer = run(&mut bench.command(action, words));
            assert_failure_with(&answer, &[&called, told, "look shifted"]);
        }
    }
    let answer = bench.run("shutdown", &["", NAME, "SHUTDOWN_POWEROFF", "7", NAME]);
    let told = "its deploy failed: delete the host and create it anew";
    assert_failure_with(&answer, &["LCM_STATE is \"7\"", told, "look shifted"]);
    assert_nobody_was_asked(&bench);
}

#[test]
fn a_machine_that_is_active_without_an_address_is_not_told_to_become_active() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(7));
    for (state, remedy) in [
        ("active", "is active and has no address yet: try again, or see its network"),
        ("provisioning", "it is provisioning: try again when it is active"),
    ] {
        let body = format!("{{\"id\": \"{UNKNOWN_ID}\", \"state\": \"{state}\"}}");
        let answer = simulator::Answer::new(200).body(&body);
        bench.simulator.fault(Fault::new(Operation::Get, Effect::Status(answer)));
        let answer = bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
        assert_failure_with(&answer, &["poll: machine ", remedy]);
    }
}

#[test]
fn a_provider_without_machines_says_to_wait_or_to_choose_another_plan_or_place() {
    for reason in [
        "The facility ams1 has no provisionable baremetal_0 servers matching your criteria.",
        "There is not enough capacity for baremetal_0 in ams1",
        "baremetal_0 is not available in ams1",
    ] {
        let bench = Bench::new();
        bench.fault(Operation::Create, Effect::refuse(422, reason));
        let answer = bench.deploy(7);
        let remedy = "wait, or choose another plan or place and change the section provision of the host's template";
        assert_failure_with(&answer, &[reason, remedy, "nothing was ordered"]);
    }
}

#[test]
fn the_public_service_that_ended_is_named_where_it_does_not_answer() {
    let bench = Bench::new().unset("PACKET_API_URL").set("PM_TIMEOUT", "1");
    // Nothing leaves this machine: the proxy refuses every connection.
    let bench = bench.set("HTTPS_PROXY", "http://127.0.0.1:9");
    bench.host(&HostTemplate::new(7));
    let parts = ["set PACKET_API_URL to the API that you use", "ended on 2026-06-30"];
    for answer in [bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]), bench.registered(7).deploy().unwrap()] {
        assert_failure_with(&answer, &parts);
    }
    // Another address is not that service.
    let bench = bench.set("PACKET_API_URL", "https://api.invalid/metal/v1");
    let answer = bench.run("poll", &[UNKNOWN_ID, NAME, "7", NAME]);
    assert!(!assert_failure(&answer).contains("2026-06-30"), "{answer:?}");
}
