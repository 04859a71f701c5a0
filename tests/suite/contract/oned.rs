//! oned: where it is found, who we are to it, which host is asked for, and what each of its failures says.

use std::fs;
use std::net::TcpStream;
use std::time::Duration;

use crate::common;
use crate::common::{
    Bench, UNKNOWN_ID, assert_failure_with, assert_success, assert_warned, finish, fixture, set_mode, unregistered,
};
use simulator::oneprovision::{Answer as Answered, read_poll};
use simulator::{
    Answer, ENCRYPTED_TOKEN, Effect, HostTemplate, Operation, Options, PROJECT, SESSION, Service, State, TOKEN,
};

/// The words of a call about host 7, whose machine nobody has to have.
const ABOUT_7: [&str; 4] = [UNKNOWN_ID, "provision-7", "7", "provision-7"];

/// A bench with host 7 in oned.
fn bench() -> Bench {
    Bench::new().with_host_7()
}

/// The bodies of the calls that oned got.
fn calls(bench: &Bench) -> Vec<String> {
    let requests = bench.simulator.requests();
    let calls = requests.into_iter().filter(|one| one.service == Service::Oned);
    calls.map(|one| one.body).collect()
}

/// The tokens that the provider got.
fn tokens(bench: &Bench) -> Vec<String> {
    let requests = bench.simulator.requests();
    let to_api = requests.iter().filter(|one| one.service == Service::Api);
    to_api.map(|one| one.header("X-Auth-Token").unwrap_or_default().to_owned()).collect()
}

/// An address at which nobody listens.
fn nowhere() -> String {
    // A port that was free a moment ago is given to another test's server: this is given to none (RFC 863).
    "http://127.0.0.1:9/RPC2".to_owned()
}

/// An answer of oned, as its HTTP server sends it.
fn answer_with(body: &str) -> Effect {
    Effect::Status(Answer::new(200).body(body))
}

/// An answer of oned that is a success with this text.
fn success_with(text: &str) -> Effect {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    answer_with(&format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value><array><data><value><boolean>1</boolean></value>\
         <value><string>{text}</string></value><value><i4>0</i4></value></data></array></value></param></params>\
         </methodResponse>"
    ))
}

/// An answer of oned that is a failure.
fn failure_with(message: &str, code: &str) -> Effect {
    answer_with(&format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value><array><data><value><boolean>0</boolean></value>\
         <value><string>{message}</string></value>{code}</data></array></value></param></params></methodResponse>"
    ))
}

/// Runs `poll` about host 7, which must fail on oned, with these parts in the first line, and tell no secret.
fn assert_fails(bench: &Bench, parts: &[&str]) {
    let answer = bench.run("poll", &ABOUT_7);
    assert_failure_with(&answer, parts);
    for secret in [TOKEN, SESSION, "opennebula\n", ":opennebula"] {
        assert!(!answer.stderr.contains(secret), "{answer:?}");
    }
    assert_eq!(bench.count_of(Service::Api), 0, "no request without credentials");
}

/// Asserts success with a warning of a file that is to be closed to others.
fn assert_every_user_is_warned_of(answer: &Answered) {
    assert_warned(answer, "WARNING: ");
    let remedy = "can be read by every user: chmod 600";
    assert!(answer.stderr.contains(remedy), "{answer:?}");
}

// ---- What is asked ---------------------------------------------------------------------------------------

#[test]
fn the_host_is_asked_for_as_oneprovision_asks() {
    let bench = Bench::new();
    bench.host(&HostTemplate::new(1002));
    let answer = bench.run("cancel", &[UNKNOWN_ID, "name", "1002", "name"]);
    assert_success(&answer);
    assert_eq!(calls(&bench), [fixture("opennebula-5.12/host.info-decrypt.request.xml")]);
    assert_eq!(tokens(&bench)[0], TOKEN, "the decrypted one");
}

#[test]
fn a_deploy_asks_for_the_decrypted_token_of_its_host() {
    let bench = bench();
    let host = bench.registered(7);
    let file = host.write_deployment_file().unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains(ENCRYPTED_TOKEN));
    assert_success(&host.deploy().unwrap());
    // Once for the token; to record its machine in the host, a look and an update; and a look before the hand-over.
    assert_eq!(bench.count(Operation::HostInfo), 3);
    assert_eq!(bench.count(Operation::HostUpdate), 1);
    assert_eq!(bench.count_of(Service::Oned), 4);
    assert!(tokens(&bench).iter().all(|token| token == TOKEN));
}

#[test]
fn the_pool_is_looked_at_only_where_there_is_no_id() {
    let bench = Bench::new();
    let (_, id) = bench.deployed(7);
    for other in 8..40 {
        bench.host(&HostTemplate::new(other));
    }
    let name = bench.simulator.oned().host_name(7).unwrap();
    bench.simulator.clear_requests();
    assert_success(&bench.run("poll", &[&id, &name, "7", &name]));
    assert_eq!(bench.count(Operation::HostPool), 0);
    assert_eq!(bench.count(Operation::HostInfo), 1);
    assert_success(&bench.run("poll", &[&id, &name]));
    assert_eq!(bench.count(Operation::HostPool), 1);
    assert_eq!(bench.count(Operation::HostInfo), 2);
    assert_eq!(calls(&bench)[1], fixture("opennebula-5.12/hostpool.info.request.xml"));
    assert!(calls(&bench)[2].contains("<i4>7</i4>"));
    assert!(tokens(&bench).iter().all(|token| token == TOKEN), "the pool has them encrypted");
}

#[test]
fn a_name_is_looked_up_in_the_recorded_pool() {
    let bench = Bench::new();
    let pool = fixture("opennebula-5.12/hostpool.info.response.xml");
    bench.fault(Operation::HostPool, answer_with(&pool));
    let info = fixture("opennebula-5.12/host.info-decrypt.response.xml");
    bench.fault(Operation::HostInfo, answer_with(&info));
    assert_success(&bench.run("cancel", &[UNKNOWN_ID, "147.75.0.12"]));
    assert!(calls(&bench)[1].contains("<i4>1</i4>"), "{:?}", calls(&bench));
    assert_eq!(tokens(&bench)[0], TOKEN);
}

#[test]
fn a_host_id_that_is_not_that_of_the_file_is_refused() {
    let bench = bench();
    let file = bench.host(&HostTemplate::new(8)).write_deployment_file().unwrap();
    let answer = bench.run("deploy", &[&file, "name", "7", "name"]);
    let parts = ["HOST_ID is 7", "the deployment file is of host 8", "shifted"];
    assert_failure_with(&answer, &parts);
    assert!(bench.simulator.requests().is_empty());
}

#[test]
fn a_machine_that_oned_knows_already_is_resumed_and_none_ordered() {
    let bench = bench();
    let host = bench.registered(7);
    let file = host.write_deployment_file().unwrap();
    let answer = host.deploy().unwrap();
    let id = assert_success(&answer);
    assert_success(&host.poweroff().unwrap());
    // The file of the first call, which has no DEPLOY_ID.
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("DEPLOY_ID"), "{text}");
    assert_eq!(assert_success(&bench.run("deploy", &[&file, "TODO"])), id);
    assert_eq!(bench.simulator.device(id).unwrap().state, State::Active);
    assert_eq!(bench.count(Operation::Create), 1);
}

#[test]
fn an_oned_without_encryption_serves_as_well() {
    let bench = Bench::with(Options { encryption: false, ..Options::default() }).with_host_7();
    let host = bench.registered(7);
    assert!(host.deploy().unwrap().is_success());
    let (answer, _) = host.poll().unwrap();
    assert!(answer.is_success(), "{answer:?}");
    assert_success(&host.cancel().unwrap());
    assert!(tokens(&bench).iter().all(|token| token == TOKEN));
    bench.assert_books(&[]);
}

#[test]
fn a_file_without_id_carries_its_own_token_and_oned_is_not_asked() {
    let bench = Bench::new();
    let file = bench.file("deployment.xml", &unregistered(&[]));
    let answer = bench.run("deploy", &[&file, "TODO"]);
    bench.assert_books(&[assert_success(&answer)]);
    assert_eq!(bench.count_of(Service::Oned), 0);
    assert!(tokens(&bench).iter().all(|token| token == TOKEN));
    let order = &bench.simulator.devices()[0].order;
    let tags = order["tags"].as_array().unwrap();
    assert!(tags.iter().all(|tag| !tag.as_str().unwrap().starts_with("ONE_HOST_ID")), "{tags:?}");
}

#[test]
fn a_clear_token_that_every_user_can_read_is_warned_of() {
    let bench = Bench::new();
    let file = bench.file("deployment.xml", &unregistered(&[]));
    set_mode(&file, 0o644);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    assert_every_user_is_warned_of(&answer);
}

// ---- Where oned is ---------------------------------------------------------------------------------------

#[test]
fn the_endpoint_is_that_of_the_environment_else_of_the_users_file() {
    let bench = bench();
    let file = bench.path("home/.one/one_endpoint");
    fs::write(&file, nowhere()).unwrap();
    assert_success(&bench.run("cancel", &ABOUT_7));
    assert_eq!(bench.count_of(Service::Oned), 1, "ONE_XMLRPC goes first");
    fs::write(&file, format!("{}\n", bench.simulator.oned_url())).unwrap();
    let bench = bench.unset("ONE_XMLRPC");
    assert_success(&bench.run("cancel", &ABOUT_7));
    assert_eq!(bench.count_of(Service::Oned), 2, "then the file");
}

#[test]
fn without_either_oned_is_at_its_default_port() {
    let bench = bench().unset("ONE_XMLRPC");
    // On a front-end there may be a oned, which does not know our password.
    let is_here = TcpStream::connect("localhost:2633").is_ok();
    let parts: &[&str] = match is_here {
        true => &["oned"],
        false => &["oned cannot be reached at http://localhost:2633/RPC2", "ONE_XMLRPC"],
    };
    assert_fails(&bench, parts);
    assert_eq!(bench.simulator.requests().len(), 0);
}

#[test]
fn an_endpoint_that_is_no_address_is_named_where_it_was_found() {
    for odd in ["localhost:2633", "ftp://localhost/RPC2", "http://", "http://a b/", "http://u:p@localhost/RPC2"] {
        assert_fails(&bench().set("ONE_XMLRPC", odd), &["ONE_XMLRPC is not an address of oned", "set it to http://"]);
    }
    let bench = bench().unset("ONE_XMLRPC");
    fs::write(bench.path("home/.one/one_endpoint"), "here\n").unwrap();
    assert_fails(&bench, &["home/.one/one_endpoint is not an address of oned", "set it to http://"]);
}

// ---- Who we are ------------------------------------------------------------------------------------------

#[test]
fn the_session_is_the_first_line_of_one_auth() {
    let bench = bench();
    bench.simulator.oned().reject(SESSION);
    bench.simulator.oned().accept("someone:pass word&<>");
    let own = bench.file("home/.one/one_auth", "someone:pass word&<>\nanother:line\n");
    assert_success(&bench.run("cancel", &ABOUT_7));
    // ONE_AUTH names another file, and goes first.
    fs::write(own, "nobody:nothing\n").unwrap();
    let file = bench.file("auth", "someone:pass word&<>\n");
    let bench = bench.set("ONE_AUTH", &file);
    assert_success(&bench.run("cancel", &ABOUT_7));
}

#[test]
fn credentials_that_oned_does_not_know_are_denied() {
    let bench = bench();
    bench.simulator.oned().reject(SESSION);
    assert_fails(&bench, &["poll: oned denies the credentials", "couldn't be authenticated", "check one_auth"]);
    assert_eq!(bench.count_of(Service::Oned), 1, "asking again would not help");
}

#[test]
fn without_one_auth_it_says_where_it_looked() {
    let bench = bench();
    fs::remove_file(bench.path("home/.one/one_auth")).unwrap();
    // A front-end's own file comes next; its oned is another one.
    let parts: &[&str] = match fs::exists("/var/lib/one/.one/one_auth").unwrap_or(true) {
        true => &["one_auth"],
        false => &["there is no one_auth (", "home/.one/one_auth, /var/lib/one/.one/one_auth", "run as oneadmin"],
    };
    assert_fails(&bench, parts);
}

#[test]
fn a_one_auth_that_holds_no_session_is_named() {
    let bench = bench();
    for text in ["", "\n", "oneadmin\n", "\nuser:password\n"] {
        bench.file("home/.one/one_auth", text);
        assert_fails(&bench, &["home/.one/one_auth has no USER:PASSWORD in its first line", "write it anew"]);
    }
    fs::remove_file(bench.path("home/.one/one_auth")).unwrap();
    fs::create_dir(bench.path("home/.one/one_auth")).unwrap();
    assert_fails(&bench, &["home/.one/one_auth cannot be read: make it a file of text"]);
    let missing = bench.path("missing").display().to_string();
    let bench = bench.set("ONE_AUTH", &missing);
    assert_fails(&bench, &["ONE_AUTH names ", "missing, which cannot be read", "set it to a file with USER:PASSWORD"]);
    assert_eq!(bench.simulator.requests().len(), 0);
}

#[test]
fn a_password_that_every_user_can_read_is_warned_of() {
    let bench = bench();
    let path = bench.path("home/.one/one_auth");
    set_mode(&path, 0o644);
    let answer = bench.run("cancel", &ABOUT_7);
    assert_every_user_is_warned_of(&answer);
}

// ---- Each failure has its own first line -----------------------------------------------------------------

#[test]
fn an_oned_that_does_not_run_is_not_waited_for() {
    let endpoint = nowhere();
    let bench = bench().set("ONE_XMLRPC", &endpoint);
    let remedy = "start it, or set ONE_XMLRPC";
    assert_fails(&bench, &["oned cannot be reached at ", &endpoint, "refused", remedy]);
}

#[test]
fn an_oned_whose_name_is_unknown_cannot_be_reached() {
    let bench = bench().set("ONE_XMLRPC", "http://oned.invalid:2633/RPC2").set("ONE_XMLRPC_TIMEOUT", "5");
    assert_fails(&bench, &["oned cannot be reached at http://oned.invalid:2633/RPC2", "set ONE_XMLRPC"]);
}

#[test]
fn an_oned_that_hangs_gets_the_time_that_is_set() {
    let bench = bench().set("ONE_XMLRPC_TIMEOUT", "1");
    bench.fault_always(Operation::HostInfo, Effect::Hang);
    assert_fails(&bench, &["oned at ", "gives no answer: no answer in time", "ONE_XMLRPC_TIMEOUT is the time it gets"]);
}

#[test]
fn a_timeout_that_is_no_number_is_said() {
    for odd in ["0", "-1", "1.5", "soon", "99999999999"] {
        let bench = bench().set("ONE_XMLRPC_TIMEOUT", odd);
        assert_fails(&bench, &[&format!("ONE_XMLRPC_TIMEOUT is {odd:?}"), "set it to a number of seconds"]);
        assert_eq!(bench.simulator.requests().len(), 0);
    }
}

#[test]
fn a_host_that_does_not_exist_is_said_to_be_none() {
    let bench = bench();
    let answer = bench.run("poll", &[UNKNOWN_ID, "name", "99", "name"]);
    let parts = ["poll: oned has no such host", "Error getting host [99]", "see `onehost list`"];
    assert_failure_with(&answer, &parts);
    let answer = bench.run("poll", &[UNKNOWN_ID, "nobody"]);
    assert_failure_with(&answer, &["oned has no host named nobody", "see `onehost list`"]);
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn several_hosts_of_one_name_are_told_apart_by_their_id() {
    let bench = bench();
    for id in [8, 9] {
        let mut twin = HostTemplate::new(id);
        twin.name = "twin".to_owned();
        bench.host(&twin);
    }
    let answer = bench.run("cancel", &[UNKNOWN_ID, "twin"]);
    assert_failure_with(&answer, &["oned has 2 hosts named twin", "give the host id too"]);
    assert_success(&bench.run("cancel", &[UNKNOWN_ID, "twin", "9", "twin"]));
}

#[test]
fn the_recorded_failures_are_read() {
    for (recording, parts) in [
        ("host.info-bad-credentials", ["oned denies the credentials", "check one_auth"]),
        ("host.info-no-such-host", ["oned has no such host", "see `onehost list`"]),
        ("fault", ["with a fault: Method 'one.nosuch' not defined", "is it an OpenNebula 5.8 to 5.12?"]),
    ] {
        let bench = bench();
        let recorded = fixture(&format!("opennebula-5.12/{recording}.response.xml"));
        bench.fault(Operation::HostInfo, answer_with(&recorded));
        assert_fails(&bench, &parts);
    }
}

#[test]
fn other_refusals_are_told_in_oneds_own_words() {
    let bench = bench();
    let not_allowed =
        failure_with("[one.host.info] Not authorized to perform ADMIN HOST [7].", "<value><i4>512</i4></value>");
    bench.fault(Operation::HostInfo, not_allowed);
    assert_fails(&bench, &["oned does not allow it", "Not authorized", "run it as a user who may administrate"]);
    // Of three to five values the code may be the last, or missing.
    for code in ["<value><i4>8192</i4></value>", ""] {
        let other = failure_with("[one.host.info] Internal error.", code);
        bench.fault(Operation::HostInfo, other);
        assert_fails(&bench, &["oned refuses one.host.info", "Internal error.", "see oned.log"]);
    }
}

#[test]
fn what_is_not_xml_rpc_is_not_oned() {
    for body in
        ["", "<html><body>It works!</body></html>", "{}", "<methodResponse/>", "\u{0}", "<methodResponse><params>"]
    {
        let bench = bench();
        bench.fault_always(Operation::HostInfo, answer_with(body));
        assert_fails(&bench, &["does not answer as oned does", "set ONE_XMLRPC to oned's address"]);
    }
    let bench = bench();
    bench.fault_always(Operation::HostInfo, Effect::Garbage);
    assert_fails(&bench, &["does not answer as oned does", "set ONE_XMLRPC to oned's address"]);
}

#[test]
fn an_address_of_something_else_is_not_oned() {
    let bench = bench();
    let elsewhere = bench.simulator.oned_url().replace("/RPC2", "/");
    let bench = bench.set("ONE_XMLRPC", &elsewhere);
    assert_fails(&bench, &[&elsewhere, "does not answer as oned does", "status 404", "set ONE_XMLRPC"]);
    let bench = bench.set("ONE_XMLRPC", &elsewhere.replace("http", "https")).set("ONE_XMLRPC_TIMEOUT", "1");
    assert_fails(&bench, &["oned at https://", "see oned.log"]);
}

#[test]
fn a_redirect_is_never_followed() {
    let bench = bench();
    let url = bench.simulator.oned_url();
    let redirect = Effect::Redirect { url, code: 307 };
    bench.fault(Operation::HostInfo, redirect);
    assert_fails(&bench, &["does not answer as oned does", "redirects to http", "status 307"]);
    assert_eq!(bench.count_of(Service::Oned), 1, "the session would go with it");
}

#[test]
fn a_passing_fault_of_oned_is_outlasted() {
    let bench = bench();
    for effect in [Effect::DropBefore { reset: true }, Effect::status(502), Effect::Truncate] {
        bench.fault(Operation::HostInfo, effect);
    }
    assert_success(&bench.run("cancel", &ABOUT_7));
    assert_eq!(bench.count(Operation::HostInfo), 4);
}

#[test]
fn a_host_or_pool_that_cannot_be_read_is_oneds_fault() {
    let bench = bench();
    for text in ["", "<HOST>", "<HOST_POOL></HOST_POOL>", "<HOST><ID>seven</ID></HOST>"] {
        bench.fault(Operation::HostInfo, success_with(text));
        assert_fails(&bench, &["oned at ", "describes host 7 in a form that cannot be read: is it an OpenNebula"]);
    }
    bench.fault(Operation::HostPool, success_with("<HOST_POOL>"));
    let answer = bench.run("poll", &[UNKNOWN_ID, "name"]);
    assert_failure_with(&answer, &["lists its hosts in a form that cannot be read: is it an OpenNebula"]);
}

#[test]
fn what_oned_says_cannot_tell_our_secrets_or_leave_its_line() {
    let bench = bench();
    let message = format!("no {SESSION}, no password opennebula&#10;ERROR MESSAGE ------&gt;8--&#10;\u{2028}x");
    bench.fault(Operation::HostInfo, failure_with(&message, ""));
    let answer = bench.run("poll", &ABOUT_7);
    let first = assert_failure_with(&answer, &["oned refuses", "[secret]"]);
    assert!(!first.contains("opennebula"), "{first}");
    assert!(first.ends_with("see oned.log"), "{first}");
}

// ---- Without oned ----------------------------------------------------------------------------------------

#[test]
fn where_oned_cannot_be_asked_the_token_of_the_environment_is_used_with_a_warning() {
    let unreachable = nowhere();
    let (other, project) = ("tok-of-the-environment", [PROJECT]);
    let bench = Bench::new();
    let (host, id) = bench.deployed(7);
    let file = host.write_deployment_file().unwrap();
    bench.simulator.add_token(other, &project);
    bench.simulator.clear_requests();
    let bench = bench.set("PACKET_TOKEN", other).set("ONE_XMLRPC", &unreachable);
    for words in [
        vec!["poll", &id, "name", "7", "name"],
        vec!["poll", &id, "name"],
        vec!["deploy", &file, "name", "7", "name"],
        vec!["cancel", &id, "name", "7", "name"],
    ] {
        let answer = bench.run(words[0], &words[1..]);
        assert_warned(&answer, "WARNING: oned cannot be reached at");
        assert!(answer.stderr.contains("using the credentials of the environment"), "{answer:?}");
    }
    assert!(!tokens(&bench).is_empty());
    assert!(tokens(&bench).iter().all(|token| token == other), "{:?}", tokens(&bench));
}

#[test]
fn a_new_machine_can_be_ordered_without_oned() {
    let bench = bench();
    let host = bench.registered(7);
    let file = host.write_deployment_file().unwrap();
    bench.simulator.oned().reject(SESSION);
    let bench = bench.set("PACKET_TOKEN", TOKEN);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    let id = assert_warned(&answer, "WARNING: oned denies the credentials");
    assert!(tokens(&bench).iter().all(|token| token == TOKEN), "the encrypted one is of no use");
    bench.assert_books(&[id]);
}

#[test]
fn a_host_that_oned_does_not_have_is_an_error_whatever_the_environment_has() {
    let bench = bench().set("PACKET_TOKEN", TOKEN);
    let answer = bench.run("poll", &[UNKNOWN_ID, "name", "99", "name"]);
    assert_failure_with(&answer, &["oned has no such host"]);
    assert_eq!(bench.count_of(Service::Api), 0);
}

#[test]
fn the_token_of_the_host_goes_before_that_of_the_environment() {
    let bench = bench().set("PACKET_TOKEN", "tok-of-the-environment");
    assert_success(&bench.run("cancel", &ABOUT_7));
    assert_eq!(tokens(&bench), [TOKEN; 1].repeat(tokens(&bench).len()));
}

#[test]
fn a_host_without_token_takes_that_of_the_environment() {
    let bench = Bench::new().set("PACKET_TOKEN", TOKEN).set("PACKET_PROJECT", PROJECT);
    let template = HostTemplate::new(7).without("PACKET_TOKEN").without("PACKET_PROJECT");
    let host = bench.host(&template);
    bench.assert_books(&[assert_success(&host.deploy().unwrap())]);
    let (answer, _) = host.poll().unwrap();
    assert_eq!(read_poll(assert_success(&answer))["STATE"], "RUNNING");
}

#[test]
fn a_signal_ends_the_question_to_oned() {
    let bench = bench();
    bench.fault(Operation::HostInfo, Effect::Hang);
    let child = bench.start("cancel", &ABOUT_7);
    common::until("oned is asked", || bench.count(Operation::HostInfo) == 1);
    // It may still be on its way from the log to the wait.
    std::thread::sleep(Duration::from_millis(50));
    common::signal(&child, nix::sys::signal::Signal::SIGTERM);
    let answer = finish(child);
    assert_failure_with(&answer, &["interrupted (SIGTERM) while asking oned", "nothing was done"]);
    assert_eq!(bench.count_of(Service::Api), 0);
}
