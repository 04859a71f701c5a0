//! What one call costs, beside what the same costs with other means, measured in the same run:
//! the exec of a static binary that does nothing, and `curl` making the same requests in one process.
//!
//! Times differ between machines and hours; the ratios do not. Medians over many runs. Fails where a limit of CPU does
//! not hold.

#[path = "../tests/suite/common/mod.rs"]
#[allow(dead_code, reason = "what the tests share; this takes a part of it")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, until};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use simulator::{Effect, Fault, Operation, Options};

/// How often each is run, in turns, so that all meet the same weather.
const RUNS: usize = 300;
/// The most that a start may cost, as a part of the exec of a static binary, and a poll over http and over https, as a part
/// of the same requests by `curl`.
const EXECS: f64 = 2.3;
const CURLS: [f64; 2] = [0.3, 0.5];

fn main() -> ExitCode {
    let floor = do_nothing();
    let plain = Bench::new();
    let (certificates, tls) = tls_bench();
    let mut subjects = vec![
        subject("exec of a static binary that does nothing", Command::new(&floor)),
        subject("pm-packet --version", plain.explicit(&["--version"])),
    ];
    for (bench, scheme, authorities) in [(&plain, "http", None), (&tls, "https", Some(&certificates))] {
        let (host, id) = bench.deployed(1002);
        host.poll().unwrap();
        let name = bench.simulator.oned().host_name(1002).unwrap();
        let poll = bench.command("poll", &[&id, &name, "1002", &name]);
        subjects.push(subject(&format!("poll over {scheme}"), poll));
        let curl = curl(bench, &id, authorities.map(PathBuf::as_path));
        subjects.push(subject(&format!("curl, the same over {scheme}"), curl));
    }
    for _ in 0..RUNS {
        for subject in &mut subjects {
            subject.run();
        }
    }
    let median: Vec<f64> = subjects.iter_mut().map(Subject::median).collect();
    println!("| subject | CPU, median of {RUNS} | of the exec | of curl | limit |");
    println!("|---|---|---|---|---|");
    let mut is_good = true;
    for (at, subject) in subjects.iter().enumerate() {
        let of_exec = median[at] / median[0];
        let (of_curl, limit, told) = match at {
            1 => (None, of_exec / EXECS, format!("{EXECS} of the exec")),
            2 | 4 => {
                let (ratio, most) = (median[at] / median[at + 1], CURLS[at / 2 - 1]);
                (Some(ratio), ratio / most, format!("{most:.2} of curl"))
            }
            _ => (None, 0.0, String::new()),
        };
        is_good &= limit <= 1.0;
        let of_curl = of_curl.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!("| {} | {:.2} ms | {of_exec:.2} | {of_curl} | {told} |", subject.name, median[at]);
    }
    println!();
    println!("| peak memory | KiB | limit |");
    println!("|---|---|---|");
    println!("| poll over http | {} | 6144 |", peak(&plain));
    println!("| poll over https | {} | 8192 |", peak(&tls));
    let size = fs::metadata(common::BINARY).unwrap().len();
    println!("| size of the binary | {} | 3584 |", size / 1024);
    if is_good {
        return ExitCode::SUCCESS;
    }
    println!("a limit does not hold");
    ExitCode::FAILURE
}

struct Subject {
    name: String,
    command: Command,
    milliseconds: Vec<f64>,
}

fn subject(name: &str, mut command: Command) -> Subject {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    Subject { name: name.to_owned(), command, milliseconds: Vec::new() }
}

impl Subject {
    fn run(&mut self) {
        let before = children();
        assert!(self.command.status().unwrap().success(), "{}", self.name);
        self.milliseconds.push(children() - before);
    }

    fn median(&mut self) -> f64 {
        self.milliseconds.sort_by(f64::total_cmp);
        self.milliseconds[self.milliseconds.len() / 2]
    }
}

/// CPU time of all children that ended, in milliseconds.
fn children() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e3
}

/// Peak memory of a poll, read while its last request is kept waiting: what the kernel reports of a child
/// that ended includes the process that it was forked from.
fn peak(bench: &Bench) -> u64 {
    let (_, id) = bench.deployed(1003);
    let delay = Effect::Delay(Duration::from_millis(500));
    bench.simulator.fault(Fault::new(Operation::Bandwidth, delay));
    bench.simulator.clear_requests();
    let child = bench.start("poll", &[&id, "host", "1003", "host"]);
    until("the last request", || bench.count(Operation::Bandwidth) == 1);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert!(common::finish(child).is_success());
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

/// The same three requests on the same connections, in one process.
fn curl(bench: &Bench, id: &str, authorities: Option<&Path>) -> Command {
    let call = bench.file("call.xml", &common::fixture("opennebula-5.12/host.info-decrypt.request.xml"));
    let token = format!("X-Auth-Token: {}", bench.simulator.token());
    let device = format!("{}/devices/{id}", bench.simulator.api_url());
    let bandwidth = format!("{device}/bandwidth?from=1600000000&until=1600003600");
    let oned = bench.simulator.oned_url();
    let data = format!("@{call}");
    let mut command = Command::new("curl");
    command.args(["-sS", "-f", "--data-binary", &data, &oned]);
    for url in [&device, &bandwidth] {
        command.args(["--next", "-sS", "-f", "-H", &token]);
        if let Some(authorities) = authorities {
            command.arg("--cacert").arg(authorities);
        }
        command.arg(url);
    }
    command
}

/// A provider behind TLS, of an authority that stands in a file beside all of the system's, as a company's
/// own does.
fn tls_bench() -> (PathBuf, Bench) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    let bench = Bench::with(Options { tls: Some(Arc::new(config)), ..Options::default() });
    let system = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let bundle = bench.file("authorities.pem", &format!("{system}\n{}", certificate.pem()));
    (PathBuf::from(&bundle), bench.set("SSL_CERT_FILE", &bundle))
}

/// A static binary that does nothing: what the exec of any program costs.
fn do_nothing() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("nothing.c"), folder.join("nothing"));
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let built = Command::new("cc").args(["-O2", "-static", "-o"]).args([&binary, &source]).status().unwrap();
    assert!(built.success());
    binary
}
