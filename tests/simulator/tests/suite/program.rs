//! The program as it is called.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::common::{Client, fixture, wait, write_script};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pm-packet-simulator"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn serve_says_where_it_is_and_ends_with_its_input() {
    let script = std::env::temp_dir().join(format!("pm-packet-faults-{}.json", std::process::id()));
    std::fs::write(&script, r#"[{"on": "catalogue", "effect": {"status": {"code": 503}}}]"#).expect("a file");
    let host = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/opennebula-5.12/deployment-create.xml");
    let mut child = program()
        .args(["serve", "--speed", "1000", "--host", host, "--faults"])
        .arg(&script)
        .spawn()
        .expect("the program");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut settings = BTreeMap::new();
    for _ in 0..5 {
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let (name, value) = line.trim_end().split_once('=').expect("NAME=value");
        settings.insert(name.to_owned(), value.to_owned());
    }
    let mut api = Client::connect(&settings["PACKET_API_URL"]).expect("the API listens");
    let headers = [("X-Auth-Token", settings["PACKET_TOKEN"].as_str())];
    for status in [503, 200] {
        api.send("GET", "/plans", &headers, "").expect("sent");
        assert_eq!(api.receive().expect("answered").status, status);
    }
    let mut oned = Client::connect(&settings["ONE_XMLRPC"]).expect("oned listens");
    let question = fixture("opennebula-5.12/host.info-decrypt.request.xml");
    oned.send("POST", "/RPC2", &[], &question).expect("sent");
    let answer = oned.receive().expect("answered");
    assert_eq!(answer.text(), fixture("opennebula-5.12/host.info-decrypt.response.xml"));
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
    std::fs::remove_file(script).expect("the file");
}

#[test]
fn stub_says_where_it_is_and_ends_with_its_input() {
    let mut child = program()
        .args(["stub", "scaleway", "--set", "ordering=3600000", "--set", "page=1"])
        .spawn()
        .expect("the program");
    let mut url = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut url).expect("a line");
    let mut api = Client::connect(url.trim_end()).expect("the stub listens");
    let key = [("X-Auth-Token", "11111111-2222-4333-8444-555555555555")];
    for (headers, status) in [(&[][..], 401), (&key[..], 200)] {
        api.send("GET", "/baremetal/v1/zones/fr-par-2/offers", headers, "").expect("sent");
        let answer = api.receive().expect("answered");
        assert_eq!(answer.status, status);
        if status == 200 {
            assert_eq!(answer.json()["offers"].as_array().map(Vec::len), Some(1), "the page is set");
        }
    }
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
}

#[test]
fn a_stub_keeps_the_bodies_that_the_driver_sends() {
    let folder = std::env::temp_dir().join(format!("pm-packet-bodies-test-{}", std::process::id()));
    let mut child = program().args(["stub", "scaleway"]).env("PM_PACKET_BODIES", &folder).spawn().expect("the program");
    let mut url = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut url).expect("a line");
    let mut api = Client::connect(url.trim_end()).expect("the stub listens");
    let key = ("X-Auth-Token", "11111111-2222-4333-8444-555555555555");
    let mut send = |agent: &str, path: &str, body: &str| {
        let path = format!("/baremetal/v1/zones/fr-par-2/servers{path}");
        api.send("POST", &path, &[key, ("User-Agent", agent)], body).expect("sent");
        api.receive().expect("answered")
    };
    let order = |name: &str| {
        let offer = "aaaaaaaa-0000-4000-8000-000000000001";
        format!(r#"{{"offer_id": "{offer}", "name": "{name}", "description": ""}}"#)
    };
    let driver = "pm-packet/0.0.0";
    let machine = send(driver, "", &order("kept")).json();
    assert_eq!(send(driver, "", &order("kept")).status, 200);
    assert_eq!(send("curl/8", "", &order("of somebody else")).status, 200);
    assert_eq!(send(driver, "", &order("")).status, 400, "refused");
    let stop = format!("/{}/stop", machine["id"].as_str().expect("an id"));
    wait("it can be stopped", || send(driver, &stop, "{}").status == 200);
    drop(child.stdin.take());
    assert!(child.wait().expect("its end").success());
    let files = std::fs::read_dir(folder.join("scaleway")).expect("a folder");
    let kept = files.map(|file| {
        let path = file.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let kind = name.split_once('-').expect("a kind").0.to_owned();
        (kind, std::fs::read_to_string(path).expect("a body"))
    });
    let kept: BTreeMap<String, String> = kept.collect();
    assert_eq!(kept, BTreeMap::from([("create".into(), order("kept")), ("power_off".into(), "{}".into())]));
    std::fs::remove_dir_all(folder).expect("the folder");
}

#[test]
fn what_cannot_be_done_is_said() {
    for (arguments, reason) in [
        (&["serve", "--faults", "/nonexistent"][..], "cannot read /nonexistent"),
        (&["serve", "--speed", "0"], "--speed must be above 0"),
        (&["stub", "nobody"], "cannot play nobody: "),
        (&["stub", "scaleway", "--set", "page"], "--set page is not OPTION=NUMBER"),
        (&["stub", "scaleway", "--set", "page=-1"], "--set page=-1 is not OPTION=NUMBER"),
        (&["stub", "scaleway", "--set", "nothing=1"], "cannot play scaleway: "),
        (&["demo", "/nonexistent/pm/packet"], "there is no deploy in"),
    ] {
        let output = program().args(arguments).output().expect("the program");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr.starts_with(&format!("pm-packet-simulator: {reason}")), "{stderr}");
    }
}

/// A demo of scripts as the driver: `deploy`, and `pm-packet` beside its folder. Returns how it ended.
fn demo_of(name: &str, deploy: &str) -> std::process::Output {
    let root = std::env::temp_dir().join(format!("pm-packet-demo-{name}-{}", std::process::id()));
    let driver = root.join("pm/packet");
    std::fs::create_dir_all(&driver).expect("a folder");
    write_script(&driver.join("deploy"), deploy);
    write_script(&root.join("pm/pm-packet"), "echo A deploy would be accepted.");
    let output = program().arg("demo").arg(&driver).env_remove("TERM").output().expect("the program");
    std::fs::remove_dir_all(root).expect("the folder");
    output
}

#[test]
fn the_demo_fails_with_its_first_wrong_step() {
    let deploy = "printf 'ERROR MESSAGE --8<------\\nno luck\\nERROR MESSAGE ------>8--\\n' >&2\nexit 255";
    let output = demo_of("wrong", deploy);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout.contains("\n$ pm-packet check deployment-1002.xml\nA deploy would be accepted.\nok "), "{stdout}");
    assert!(stdout.contains("\n$ packet/deploy deployment-1002.xml TODO\n"), "the command is shown: {stdout}");
    assert!(stdout.ends_with("FAILED: exit status: 255: no luck\n"), "{stdout}");
    assert!(!stdout.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn the_demo_shows_the_last_state_of_a_deploys_line_where_it_has_no_terminal() {
    let draw = |state: &str| format!("printf '\\r\\033[K\\033[?7l{state}\\033[?7h' >&2\n");
    let long = format!("0:02 of 0:20 | provisioning | {}", "x".repeat(100));
    let deploy = format!("test -t 2 || exit 1\n{}{}printf '\\r\\033[K' >&2", draw("0:01"), draw(&long));
    let stdout = String::from_utf8(demo_of("line", &deploy).stdout).expect("UTF-8");
    let after = stdout.split("/deploy deployment-1002.xml TODO\n").nth(1).expect("a deploy");
    assert_eq!(after.lines().next(), Some(&long[..80]), "{stdout}");
    assert!(!stdout.contains('\x1b'), "{stdout}");
    let stdout = String::from_utf8(demo_of("no-line", "exit 0").stdout).expect("UTF-8");
    assert!(stdout.ends_with("FAILED: no line showed how far it was\n"), "{stdout}");
}
