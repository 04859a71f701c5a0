//! What is ordered: every attribute of the host's PROVISION as it arrives at the provider, the user data, and the
//! deployment file that says so.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::checks::mime::Part;
use crate::common;
use crate::common::orders::assert_described;
use crate::common::{
    Bench, assert_failure_with, assert_success, assert_warned, each, finish, fixture, set_mode, unregistered,
};
use serde_json::{Value, json};
use simulator::{HostTemplate, Operation, PROJECT, TOKEN};

/// The key that the recorded host is reached with, as cloud-init gets it.
const KEYS: &str = "#cloud-config\nssh_authorized_keys:\n- \"ssh-rsa AAAAB3Nza test@one\"\n";
const UUID: &str = "5bd54a37-4e0d-4de6-8f95-b96b93600b0d";

/// The order that a host makes, which is one that the API describes; what was said beside it must begin with
/// `warning`.
fn order_with_warning(template: &HostTemplate, warning: &str) -> Value {
    let bench = Bench::new();
    let answer = bench.host(template).deploy().unwrap();
    let id = match warning {
        "" => assert_success(&answer),
        warning => assert_warned(&answer, warning),
    };
    assert_described(&bench.simulator, 1);
    bench.simulator.device(id).unwrap().order
}

fn order(template: &HostTemplate) -> Value {
    order_with_warning(template, "")
}

/// Asserts that a host is not deployed, for reasons that stand in the first line, and that nobody was asked anything.
fn assert_not_ordered(template: &HostTemplate, parts: &[&str]) {
    let bench = Bench::new();
    let answer = bench.host(template).deploy().unwrap();
    assert_failure_with(&answer, parts);
    assert_eq!(bench.simulator.requests().len(), 0, "{answer:?}");
    assert!(!answer.stderr.contains(TOKEN), "{answer:?}");
}

// ---- Attributes ------------------------------------------------------------------------------------------

#[test]
fn the_recorded_host_is_ordered_as_the_stock_driver_orders_it() {
    let order = order(&HostTemplate::new(7));
    assert_eq!(
        order,
        json!({
            "facility": "ams1",
            "plan": "baremetal_0",
            "operating_system": "centos_7",
            "hostname": "centos-host",
            "tags": ["OpenNebula", "ONE_HOST_ID=7", common::identity(7)],
            "userdata": KEYS,
        })
    );
}

#[test]
fn every_attribute_arrives_as_its_field() {
    let keys = format!("{UUID},{PROJECT}");
    let cases = [
        ("PLAN", "c3.small.x86", "plan", json!("c3.small.x86")),
        ("OS", "debian_12", "operating_system", json!("debian_12")),
        ("FACILITY", "ny5", "facility", json!("ny5")),
        ("FACILITY", " ny5, ams1 ,any", "facility", json!(["ny5", "ams1", "any"])),
        ("HOSTNAME", "node7.example.org", "hostname", json!("node7.example.org")),
        ("BILLING_CYCLE", "hourly", "billing_cycle", json!("hourly")),
        ("BILLING_CYCLE", "monthly", "billing_cycle", json!("monthly")),
        ("HARDWARE_RESERVATION", "next-available", "hardware_reservation_id", json!("next-available")),
        ("DESCRIPTION", "a \"host\" <of> é & mine", "description", json!("a \"host\" <of> é & mine")),
        ("IPXE_SCRIPT_URL", "http://boot.example.org/x", "ipxe_script_url", json!("http://boot.example.org/x")),
        ("ALWAYS_PXE", "yes", "always_pxe", json!(true)),
        ("ALWAYS_PXE", "FALSE", "always_pxe", json!(false)),
        ("SPOT_INSTANCE", "true", "spot_instance", json!(true)),
        ("SPOT_INSTANCE", "0", "spot_instance", json!(false)),
        ("SPOT_PRICE_MAX", "1.25", "spot_price_max", json!(1.25)),
        ("SPOT_PRICE_MAX", "2", "spot_price_max", json!(2.0)),
        ("TERMINATION_TIME", "2030-11-30T18:00:00Z", "termination_time", json!("2030-11-30T18:00:00Z")),
        ("TERMINATION_TIME", "2030-11-30 18:00:00", "termination_time", json!("2030-11-30T18:00:00Z")),
        ("TERMINATION_TIME", "2030-11-30T18:00:00.5+03:00", "termination_time", json!("2030-11-30T18:00:00.5+03:00")),
        ("PROJECT_SSH_KEYS", UUID, "project_ssh_keys", json!([UUID])),
        ("USER_SSH_KEYS", &keys, "user_ssh_keys", json!([UUID, PROJECT])),
        ("NO_SSH_KEYS", "on", "no_ssh_keys", json!(true)),
        ("FEATURES", "tpm, raid", "features", json!(["tpm", "raid"])),
        ("CUSTOMDATA", "{\"a\": [1, null, \"é\"]}", "customdata", json!({"a": [1, null, "é"]})),
        ("PUBLIC_IPV4_SUBNET_SIZE", "29", "public_ipv4_subnet_size", json!(29)),
        ("PUBLIC_IPV4_SUBNET_SIZE", "/28", "public_ipv4_subnet_size", json!(28)),
        ("PRIVATE_IPV4_SUBNET_SIZE", "25", "private_ipv4_subnet_size", json!(25)),
        (
            "IP_ADDRESSES",
            "[{\"address_family\": 4, \"public\": true}, {\"address_family\": 4, \"public\": false}]",
            "ip_addresses",
            json!([{"address_family": 4, "public": true}, {"address_family": 4, "public": false}]),
        ),
        ("NETWORK_FROZEN", "off", "network_frozen", json!(false)),
        (
            "STORAGE",
            "{\"disks\": [{\"device\": \"/dev/sda\", \"wipeTable\": true}]}",
            "storage",
            json!({"disks": [{"device": "/dev/sda", "wipeTable": true}]}),
        ),
    ];
    each(&cases, |(attribute, written, field, value)| {
        let order = order(&HostTemplate::new(7).with(attribute, &format!("\n {written} ")));
        assert_eq!(order[field], *value, "{attribute}={written}");
    });
}

#[test]
fn an_attribute_that_is_empty_is_as_if_it_were_not_there() {
    let mut template = HostTemplate::new(7);
    for attribute in [
        "METRO",
        "HOSTNAME",
        "BILLING_CYCLE",
        "HARDWARE_RESERVATION",
        "DESCRIPTION",
        "IPXE_SCRIPT_URL",
        "ALWAYS_PXE",
        "SPOT_INSTANCE",
        "SPOT_PRICE_MAX",
        "TERMINATION_TIME",
        "PROJECT_SSH_KEYS",
        "USER_SSH_KEYS",
        "NO_SSH_KEYS",
        "FEATURES",
        "CUSTOMDATA",
        "PUBLIC_IPV4_SUBNET_SIZE",
        "PRIVATE_IPV4_SUBNET_SIZE",
        "IP_ADDRESSES",
        "NETWORK_FROZEN",
        "STORAGE",
        "TAGS",
        "USERDATA",
        "PM_TIMEOUT",
        "DEPLOY_ID",
    ] {
        template = template.with(attribute, " \n");
    }
    let order = order(&template);
    let fields: Vec<&String> = order.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["facility", "operating_system", "plan", "tags", "userdata"]);
}

#[test]
fn a_metro_takes_the_place_of_a_facility() {
    let template = HostTemplate::new(7).with("METRO", "da");
    let warning = "WARNING: PROVISION has both METRO and FACILITY: ordering in the METRO";
    for order in [order(&template.clone().without("FACILITY")), order_with_warning(&template, warning)] {
        assert_eq!((&order["metro"], &order["facility"]), (&json!("da"), &Value::Null));
    }
}

#[test]
fn the_first_facility_of_a_list_that_has_machines_is_taken() {
    let bench = Bench::new();
    bench.simulator.set_sold_out(&["ny5"]);
    let host = bench.host(&HostTemplate::new(7).with("FACILITY", "ny5,am6,ams1"));
    let answer = host.deploy().unwrap();
    assert_eq!(bench.simulator.device(assert_success(&answer)).unwrap().facility, "am6");
}

#[test]
fn the_users_tags_come_with_those_of_opennebula() {
    let order = order(&HostTemplate::new(7).with("TAGS", " web, , db=1,é x "));
    assert_eq!(order["tags"], json!(["web", "db=1", "é x", "OpenNebula", "ONE_HOST_ID=7", common::identity(7)]));
}

#[test]
fn a_locked_machine_is_never_ordered() {
    let order = order(&HostTemplate::new(7).with("LOCKED", "yes"));
    assert_eq!(order["locked"], Value::Null, "a failed deploy could not delete it");
}

#[test]
fn attributes_of_others_are_left_alone() {
    let order = order(&HostTemplate::new(7).with("AWS_REGION", "x").with("NAME", "y").with("plan", "z"));
    assert_eq!(order["plan"], "baremetal_0");
    assert_eq!(order.as_object().unwrap().len(), 6);
}

#[test]
fn all_missing_mandatory_attributes_are_named_at_once() {
    let template = HostTemplate::new(7);
    for missing in ["PACKET_TOKEN", "PACKET_PROJECT", "FACILITY", "PLAN", "OS"] {
        let parts = ["deploy: PROVISION lacks the mandatory attributes", missing, "add them to the section provision"];
        assert_not_ordered(&template.clone().without(missing), &parts);
        // A blank token has been encrypted, and only oned can tell.
        if missing != "PACKET_TOKEN" {
            assert_not_ordered(&template.clone().with(missing, "  "), &parts);
        }
    }
    let mut bare = template;
    bare.provision.clear();
    let all = "the mandatory attributes PACKET_TOKEN, PACKET_PROJECT, FACILITY (or METRO), PLAN, OS: add them";
    assert_not_ordered(&bare, &[all]);
}

#[test]
fn every_mistake_in_an_attribute_is_named_with_its_remedy() {
    for (attribute, written, remedy) in [
        ("FACILITY", " , ", "names nothing: write a code"),
        ("ALWAYS_PXE", "maybe", "is \"maybe\": write yes or no"),
        ("SPOT_INSTANCE", "2", "is \"2\": write yes or no"),
        ("NO_SSH_KEYS", "y", "is \"y\": write yes or no"),
        ("NETWORK_FROZEN", "nope", "is \"nope\": write yes or no"),
        ("SPOT_PRICE_MAX", "1,25", "is \"1,25\": write a number such as 1.25"),
        ("SPOT_PRICE_MAX", "-1", "is \"-1\": write a number"),
        ("SPOT_PRICE_MAX", "NaN", "is \"NaN\": write a number"),
        ("SPOT_PRICE_MAX", "inf", "is \"inf\": write a number"),
        ("TERMINATION_TIME", "tomorrow", "is \"tomorrow\": write a time such as 2026-11-30T18:00:00Z"),
        ("TERMINATION_TIME", "2030-11-30", "write a time such as"),
        ("TERMINATION_TIME", "2030-11-30T18:00:00+3", "write a time such as"),
        ("PROJECT_SSH_KEYS", "key", "names \"key\", which is no UUID: write UUIDs"),
        ("USER_SSH_KEYS", &format!("{UUID},../x"), "names \"../x\", which is no UUID: write UUIDs"),
        ("CUSTOMDATA", "text", "is no JSON object: write it as {\"name\": \"value\"}"),
        ("CUSTOMDATA", "[1]", "is no JSON object"),
        ("STORAGE", "{", "is no JSON object"),
        ("IP_ADDRESSES", "{}", "is no JSON list of objects: write it as [{\"name\": \"value\"}]"),
        ("IP_ADDRESSES", "[1]", "is no JSON list of objects"),
        ("PUBLIC_IPV4_SUBNET_SIZE", "33", "is \"33\": write the length of a prefix, such as 29"),
        ("PUBLIC_IPV4_SUBNET_SIZE", "255.255.255.0", "write the length of a prefix"),
        ("PRIVATE_IPV4_SUBNET_SIZE", "-1", "is \"-1\": write the length of a prefix"),
    ] {
        let parts = ["deploy: PROVISION cannot be ordered: ", attribute, remedy];
        assert_not_ordered(&HostTemplate::new(7).with(attribute, written), &parts);
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let template = HostTemplate::new(7)
        .with("ALWAYS_PXE", "maybe")
        .with("SPOT_PRICE_MAX", "much")
        .with("CUSTOMDATA", "top secret")
        .with("TERMINATION_TIME", "soon");
    let bench = Bench::new();
    let answer = bench.host(&template).deploy().unwrap();
    let parts = [
        "ALWAYS_PXE is \"maybe\"",
        "SPOT_PRICE_MAX is \"much\"",
        "CUSTOMDATA is no JSON",
        "TERMINATION_TIME is \"soon\"",
    ];
    let first = assert_failure_with(&answer, &parts);
    assert!(!first.contains("top secret"), "{first}");
}

#[test]
fn settings_that_cannot_be_are_said_before_anybody_is_asked() {
    let template = HostTemplate::new(7);
    for odd in ["../projects/1", "a/b", "a b", "x?y", "é"] {
        let parts = ["PACKET_PROJECT is no project id", "set it to the UUID of the project"];
        assert_not_ordered(&template.clone().with("PACKET_PROJECT", odd), &parts);
    }
    for odd in
        ["api.example.org", "ftp://api.example.org", "http://a/?x=1", "http://a/#x", "https://user:pw@a/", "http://"]
    {
        let parts = ["PACKET_API_URL is not the address of an API", "set it as https://"];
        assert_not_ordered(&template.clone().with("PACKET_API_URL", odd), &parts);
    }
}

#[test]
fn the_base_of_the_api_may_have_a_path_or_none() {
    for slash in ["", "/", "//"] {
        let bench = Bench::new();
        let root = format!("{}{slash}", bench.simulator.api_root());
        let bench = bench.set("PACKET_API_URL", &root);
        bench.deployed(7);
        let root = format!("{}{slash}", bench.simulator.api_url());
        let host = bench.host(&HostTemplate::new(8).with("PACKET_API_URL", &root));
        assert_success(&host.deploy().unwrap());
        assert_eq!(bench.simulator.devices().len(), 2);
    }
}

#[test]
fn the_dummy_needs_an_address_and_nothing_else() {
    let mut template = HostTemplate::new(7);
    template.pm_mad = "dummy".to_owned();
    template.provision.clear();
    assert_not_ordered(
        &template,
        &["deploy: PROVISION lacks the mandatory attribute IP", "set it to the address of the host"],
    );
    assert_not_ordered(&template.clone().with("IP", "192.0.2"), &["IP is \"192.0.2\": set it to an IP address"]);
    let bench = Bench::new();
    for (written, id) in [(" 192.0.2.7 ", "192.0.2.7"), ("2001:DB8::0:7", "2001:db8::7")] {
        let host = bench.host(&template.clone().with("IP", written));
        assert_eq!(assert_success(&host.deploy().unwrap()), id);
    }
}

// ---- User data -------------------------------------------------------------------------------------------

/// The user data that arrives for a host with these keys and this USERDATA.
fn userdata(keys: &str, own: &str) -> Value {
    userdata_with_warning(keys, own, "")
}

fn userdata_with_warning(keys: &str, own: &str, warning: &str) -> Value {
    let mut template = HostTemplate::new(7).with("USERDATA", own);
    template.ssh_public_key = keys.to_owned();
    order_with_warning(&template, warning)["userdata"].clone()
}

/// The parts of user data, which is a multipart that cloud-init takes for one.
fn parts(userdata: &Value) -> Vec<Part> {
    let text = userdata.as_str().unwrap();
    // cloud-init looks for it in the first 4096 bytes.
    assert!(text[..text.len().min(200)].contains("MIME-Version: 1.0"), "{text}");
    let message = Part::parse(text);
    assert_eq!(message.kind(), "multipart/mixed");
    assert_eq!(message.header("mime-version"), Some("1.0"));
    message.parts()
}

/// Asserts that a part is the recorded key, merged into whatever lists came before it.
fn assert_is_key(part: &Part) {
    assert_eq!(part.kind(), "text/cloud-config");
    let text = part.text();
    assert!(text.starts_with(KEYS), "{text}");
    assert!(text.contains("merge_how:"), "{text}");
}

const KEY: &str = "ssh-rsa AAAAB3Nza test@one";

#[test]
fn keys_alone_are_cloud_config_a_line_each() {
    assert_eq!(userdata(KEY, ""), KEYS);
    let two = format!("\n {KEY} \n\nssh-ed25519 AAAAC3Nza \"other\": - é\r\n");
    // YAML has an escape for every letter.
    let userdata = userdata(&two, "").as_str().unwrap().replace("\\U000000E9", "é");
    assert_eq!(userdata, format!("{KEYS}- \"ssh-ed25519 AAAAC3Nza \\\"other\\\": - é\"\n"));
}

#[test]
fn without_keys_the_users_own_is_sent_as_it_is() {
    let own = "#!/bin/sh\necho \"]]&gt;<é\"\n\n";
    assert_eq!(userdata("", own), own);
    assert_eq!(userdata("", ""), Value::Null);
}

#[test]
fn the_users_own_and_the_keys_both_arrive() {
    let long = format!("#!/bin/sh\n# {}\n", "x".repeat(2000));
    let cases = [
        ("#!/bin/sh\necho hello\n", "text/x-shellscript"),
        ("#!/bin/sh\nno line feed at the end", "text/x-shellscript"),
        ("#cloud-config\npackages: [qemu-kvm]\nruncmd:\n- [ls]\n", "text/cloud-config"),
        ("#cloud-config-archive\n- type: text/x-shellscript\n", "text/cloud-config-archive"),
        ("#include\nhttp://example.org/a\n", "text/x-include-url"),
        ("#include-once\nhttp://example.org/a\n", "text/x-include-once-url"),
        ("#cloud-boothook\nx\n", "text/cloud-boothook"),
        ("#part-handler\nx\n", "text/part-handler"),
        ("## template: jinja\n#cloud-config\nx: {{ v1 }}\n", "text/jinja2"),
        // What mail would change: other letters, long lines, boundaries.
        ("#!/bin/sh\necho é\n", "text/x-shellscript"),
        (&long, "text/x-shellscript"),
        ("#!/bin/sh\n--==pm-packet-0==\n--==pm-packet-0==--\n", "text/x-shellscript"),
        ("#!/bin/sh\n\nFrom: me\n.\n", "text/x-shellscript"),
    ];
    each(&cases, |case| {
        let (own, kind) = *case;
        let parts = parts(&userdata(KEY, own));
        let [first, second] = &parts[..] else {
            panic!("{parts:?}");
        };
        assert_eq!(first.kind(), kind);
        assert_eq!(first.text().trim_end_matches('\n'), own.trim_end_matches('\n'));
        assert_is_key(second);
    });
}

#[test]
fn the_first_line_is_read_as_cloud_init_reads_it() {
    // In any case of letters, and after blanks.
    for own in ["#Cloud-Config\na: 1\n", "\n  #cloud-config\na: 1\n"] {
        let parts = parts(&userdata(KEY, own));
        assert_eq!(parts[0].kind(), "text/cloud-config");
        assert_eq!(parts[0].text().trim_end(), own.trim_end());
        assert_is_key(&parts[1]);
    }
}

#[test]
fn a_multipart_of_the_users_own_gets_the_key_as_one_more_part() {
    let own = "Content-Type: multipart/mixed; boundary=\"BOUNDARY\"\nMIME-Version: 1.0\n\npreamble\n--BOUNDARY\n\
               Content-Type: text/x-shellscript\n\n#!/bin/sh\ntrue\n--BOUNDARY\nContent-Type: text/cloud-config\n\
               Content-Transfer-Encoding: base64\n\nI2Nsb3VkLWNvbmZpZwo=\n--BOUNDARY--\nepilogue\n";
    let folded = own.replace("multipart/mixed; boundary=\"BOUNDARY\"", "multipart/mixed;\n boundary=BOUNDARY");
    let swapped = own.replacen("MIME-Version: 1.0\n", "", 1);
    let swapped = format!("MIME-Version: 1.0\n{swapped}");
    let unclosed = own.split("--BOUNDARY--").next().unwrap().to_owned();
    for own in [own, &own.replace('\n', "\r\n"), &folded, &swapped, &unclosed] {
        let parts = parts(&userdata(KEY, own));
        assert_eq!(parts.len(), 3, "{parts:?}");
        assert_eq!(parts[0].kind(), "text/x-shellscript");
        assert_eq!(parts[0].text(), "#!/bin/sh\ntrue");
        assert_eq!(parts[1].text(), "#cloud-config\n");
        assert_is_key(&parts[2]);
    }
}

#[test]
fn what_takes_no_second_part_is_sent_alone_with_a_warning() {
    for (own, warning) in [
        ("#!ipxe\nchain http://example.org/x\n", "WARNING: USERDATA is an iPXE script"),
        ("{\"ignition\": {\"version\": \"3.0.0\"}}", "WARNING: USERDATA is nothing that cloud-init knows"),
        ("Content-Type: text/plain\nMIME-Version: 1.0\n\nx\n", "WARNING: USERDATA is nothing that cloud-init knows"),
    ] {
        assert_eq!(userdata_with_warning(KEY, own, warning), own);
    }
}

// ---- The deployment file ---------------------------------------------------------------------------------

/// Asserts that a deployment file is a file for its owner alone.
fn assert_private(path: &Path) {
    let meta = fs::symlink_metadata(path).unwrap();
    assert!(meta.is_file(), "{meta:?}");
    assert_eq!(meta.permissions().mode() & 0o7777, 0o600);
}

/// Asserts what `deploy` left beside the file: neither a temporary file nor a journal.
fn assert_alone(path: &Path) {
    let folder = path.parent().unwrap();
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [path.file_name().unwrap()]);
}

#[test]
fn what_stdin_holds_is_written_to_the_file_for_its_owner_alone() {
    let bench = Bench::new();
    fs::create_dir(bench.path("files")).unwrap();
    let path = bench.path("files/deployment.xml");
    let words = [path.to_str().unwrap(), "TODO"];
    let answer = bench.feed("deploy", &words, unregistered(&[]).as_bytes());
    bench.assert_books(&[assert_success(&answer)]);
    assert_eq!(fs::read_to_string(&path).unwrap(), unregistered(&[]));
    assert_private(&path);
    assert_alone(&path);
}

#[test]
fn stdin_goes_before_a_file_that_is_there_and_replaces_it() {
    let bench = Bench::new();
    fs::create_dir(bench.path("files")).unwrap();
    let file = bench.file("files/deployment.xml", &unregistered(&[]).replace("baremetal_0", "c3.small.x86"));
    set_mode(&file, 0o644);
    let answer = bench.feed("deploy", &[&file, "TODO"], unregistered(&[]).as_bytes());
    let id = assert_success(&answer);
    assert_eq!(bench.simulator.device(id).unwrap().plan, "baremetal_0");
    assert_eq!(fs::read_to_string(&file).unwrap(), unregistered(&[]));
    assert_private(Path::new(&file));
    assert_alone(Path::new(&file));
}

#[test]
fn with_an_empty_stdin_the_file_is_read() {
    let bench = Bench::new();
    for (number, stdin) in ["", "\n", " \r\n\t"].into_iter().enumerate() {
        let xml =
            unregistered(&[]).replace("provision-0", &format!("provision-{number}")).replace("7a15cf52", "8b26df63");
        let file = bench.file("deployment.xml", &xml);
        let answer = bench.feed("deploy", &[&file, "TODO"], stdin.as_bytes());
        assert!(!assert_success(&answer).is_empty());
        assert_eq!(fs::read_to_string(&file).unwrap(), xml, "left as it was");
    }
}

#[test]
fn a_symbolic_link_is_replaced_and_never_followed() {
    let bench = Bench::new();
    let target = bench.file("precious", "precious");
    let link = bench.path("deployment.xml");
    symlink(&target, &link).unwrap();
    let answer = bench.feed("deploy", &[link.to_str().unwrap(), "TODO"], unregistered(&[]).as_bytes());
    assert_success(&answer);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert_private(&link);
}

#[test]
fn a_stdin_that_is_no_host_leaves_the_file_as_it_was() {
    let bench = Bench::new();
    fs::create_dir(bench.path("files")).unwrap();
    let file = bench.file("files/deployment.xml", &unregistered(&[]));
    for stdin in ["hello", "<HOST>", "<VM></VM>"] {
        let answer = bench.feed("deploy", &[&file, "TODO"], stdin.as_bytes());
        assert_failure_with(&answer, &["deploy: STDIN is not the XML of a host: ", "see `onehost show -x`"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), unregistered(&[]));
        assert_alone(Path::new(&file));
    }
    assert_eq!(bench.simulator.requests().len(), 0);
}

#[test]
fn a_stdin_that_stays_open_and_silent_does_not_hold_up_a_deploy() {
    let bench = Bench::new();
    let file = bench.file("deployment.xml", &unregistered(&[]));
    let mut child = bench.command("deploy", &[&file, "TODO"]).stdin(Stdio::piped()).spawn().unwrap();
    let open = child.stdin.take();
    let answer = finish(child);
    drop(open);
    let id = assert_warned(&answer, "WARNING: STDIN stays open and silent: reading ");
    bench.assert_books(&[id]);
}

#[test]
fn a_slow_stdin_is_read_to_its_end() {
    use std::io::Write;
    let bench = Bench::new();
    let path = bench.path("deployment.xml");
    let words = [path.to_str().unwrap(), "TODO"];
    let mut child = bench.command("deploy", &words).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let xml = unregistered(&[]);
    for piece in xml.as_bytes().chunks(xml.len() / 4) {
        pipe.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(pipe);
    assert_success(&finish(child));
    assert_eq!(fs::read_to_string(&path).unwrap(), xml);
}

#[test]
fn the_recorded_files_are_deployed_and_resumed() {
    let bench = Bench::new();
    let create = fixture("opennebula-5.12/deployment-create.xml");
    bench.simulator.oned().add_host(&create).unwrap();
    let file = bench.file("deployment.xml", &create);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    let id = assert_success(&answer).to_owned();
    assert_described(&bench.simulator, 1);
    let order = bench.simulator.device(&id).unwrap().order;
    assert_eq!(order["hostname"], "centos-host");
    assert_eq!(order["userdata"], KEYS);
    assert_eq!(order["tags"], json!(["OpenNebula", "ONE_HOST_ID=1002", common::identity(1002)]));

    let resume = fixture("opennebula-5.12/deployment-resume.xml").replace("b9eb1666-1b72-45ee-b529-806b079ce5af", &id);
    bench.simulator.oned().add_host(&resume).unwrap();
    let name = "147.75.0.13";
    assert_success(&bench.run("shutdown", &[&id, name, "SHUTDOWN_POWEROFF", "1002", name]));
    let file = bench.file("deployment.xml", &resume);
    let answer = bench.run("deploy", &[&file, name, "1002", name]);
    assert_eq!(assert_success(&answer), id);
    assert_eq!(bench.count(Operation::Create), 1);
    assert_eq!(bench.count(Operation::PowerOn), 1);
}

#[test]
fn the_documentations_wrong_end_of_a_project_is_read_with_a_warning() {
    let bench = Bench::new();
    let xml = format!(
        "<HOST>\n<NAME>provision-c968cbcf40716f8e18caddbb8757c2ca7ed0942a357d511b</NAME>\n<TEMPLATE>\n<IM_MAD>kvm</IM_MAD>\n\
         <PM_MAD>packet</PM_MAD>\n<PROVISION>\n<PACKET_TOKEN>{TOKEN}</PACKET_TOKEN>\n\
         <PACKET_PROJECT>{PROJECT}</PROJECT>\n<FACILITY>ams1</FACILITY>\n<PLAN>baremetal_0</PLAN>\n\
         <HOSTNAME>TestOneProvision-C7</HOSTNAME>\n<BILLING_CYCLE>hourly</BILLING_CYCLE>\n<OS>centos_7</OS>\n\
         </PROVISION>\n<VM_MAD>kvm</VM_MAD>\n</TEMPLATE>\n</HOST>\n"
    );
    let path = bench.path("deployment.xml");
    let answer = bench.feed("deploy", &[path.to_str().unwrap(), "TODO"], xml.as_bytes());
    assert!(answer.is_success(), "{answer:?}");
    let warning =
        "WARNING: STDIN: <PACKET_PROJECT> is closed by </PROJECT>: read as if it were closed by </PACKET_PROJECT>\n";
    assert_eq!(answer.stderr, warning);
    let device = bench.simulator.device(&answer.stdout).unwrap();
    assert_eq!(device.hostname, "TestOneProvision-C7");
    assert_eq!(device.tags[1], "ONE_HOST_NAME=provision-c968cbcf40716f8e18caddbb8757c2ca7ed0942a357d511b");
}

#[test]
fn cdata_entities_and_plain_text_read_the_same() {
    let bench = Bench::new();
    for (number, written) in
        ["<![CDATA[a <b> & \"c\"]]>", "a &lt;b&gt; &amp; &quot;c&#x22;", "\n a <![CDATA[<b>]]> &amp; \"c&#34; "]
            .into_iter()
            .enumerate()
    {
        let xml = HostTemplate::new(7 + number as i32).with("DESCRIPTION", "THERE").xml();
        let xml = xml.replace(&format!("<ID>{}</ID>", 7 + number), "").replace("7a15cf52", &format!("7a15cf5{number}"));
        let xml = xml.replace("<![CDATA[THERE]]>", written);
        let file = bench.file("deployment.xml", &format!("\u{feff}<?xml version=\"1.0\"?>\n<!-- x -->\n{xml}\n"));
        let answer = bench.run("deploy", &[&file, "TODO"]);
        let order = bench.simulator.device(assert_success(&answer)).unwrap().order;
        assert_eq!(order["description"], "a <b> & \"c\"", "{written}");
    }
}

#[test]
fn the_monitored_host_name_is_not_the_one_that_is_ordered() {
    let bench = Bench::new();
    let xml = unregistered(&[]).replace("<TEMPLATE>", "<TEMPLATE><HOSTNAME>monitored</HOSTNAME><PLAN>no-such</PLAN>");
    let file = bench.file("deployment.xml", &xml);
    let answer = bench.run("deploy", &[&file, "TODO"]);
    let device = bench.simulator.device(assert_success(&answer)).unwrap();
    assert_eq!((&*device.hostname, &*device.plan), ("centos-host", "baremetal_0"));
}

#[test]
fn a_host_that_nothing_identifies_is_deployed_with_a_warning() {
    let bench = Bench::new();
    let mut template = HostTemplate::new(7).without("PROVISION_ID");
    template.name = "node7".to_owned();
    let answer = bench.host(&template).deploy().unwrap();
    let warning = "WARNING: host 7 (node7) has no PROVISION_ID and no random name";
    assert_warned(&answer, warning);
}
