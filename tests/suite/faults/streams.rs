//! Streams that nobody reads, and files that may not grow: they outlast no signal, and end no deploy without a word.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Bench, assert_failure_with, finish, signal, taking, unread_deploy, until};
use nix::sys::signal::Signal;
use simulator::{HostTemplate, Operation, State};

const HOST: i32 = 7;

#[test]
fn a_stdout_that_nobody_reads_does_not_outlast_a_signal() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(HOST));
    let (deploy, reader) = unread_deploy(&bench, &host);
    until("active", || bench.simulator.devices().first().is_some_and(|machine| machine.state == State::Active));
    std::thread::sleep(Duration::from_secs(1));
    signal(&deploy, Signal::SIGTERM);
    let answer = finish(deploy);
    assert_failure_with(&answer, &["could not be printed", "was deleted again"]);
    bench.assert_books(&[]);
    drop(reader);
}

#[test]
fn a_stdout_that_nobody_reads_does_not_outlast_the_deadline() {
    let bench = Bench::new().set("PM_TIMEOUT", "2");
    let host = bench.host(&HostTemplate::new(HOST));
    let (deploy, reader) = unread_deploy(&bench, &host);
    let answer = finish(deploy);
    assert_failure_with(&answer, &["could not be printed", "was deleted again"]);
    bench.assert_books(&[]);
    drop(reader);
}

#[test]
fn a_stderr_that_nobody_reads_outlasts_neither_a_signal_nor_the_deploy() {
    for is_signalled in [false, true] {
        let bench = Bench::with(taking(if is_signalled { 60_000 } else { 500 })).set("PM_LOG", "debug");
        let host = bench.host(&HostTemplate::new(HOST));
        let file = host.write_deployment_file().unwrap();
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[b' '; 65536]).unwrap();
        let mut deploy = bench.command("deploy", &[&file, "TODO"]);
        let mut deploy = deploy.stderr(Stdio::from(writer.try_clone().unwrap())).spawn().unwrap();
        let begun = Instant::now();
        if is_signalled {
            bench.until_asked(Operation::Get, 1);
            signal(&deploy, Signal::SIGTERM);
        }
        let mut id = String::new();
        deploy.stdout.take().unwrap().read_to_string(&mut id).unwrap();
        let status = deploy.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        assert_eq!(status.success(), !is_signalled);
        let left = if is_signalled { vec![] } else { vec![id.as_str()] };
        bench.assert_books(&left);
        drop(writer);
        let _ = reader.read(&mut [0; 10]);
    }
}

#[test]
fn a_limit_of_the_size_of_files_is_an_error_and_leaves_nothing() {
    let bench = Bench::new();
    let host = bench.host(&HostTemplate::new(HOST));
    let file = host.write_deployment_file().unwrap();
    let out = bench.path("out");
    let line = bench.oneprovision.command_line("packet", "deploy", &[&file, "TODO"]);
    let mut child = bench.oneprovision.command(&format!("ulimit -f 0; exec {line} > {}", out.display()));
    let answer = finish(child.spawn().unwrap());
    assert_failure_with(&answer, &["could not be printed", "was deleted again"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "");
    bench.assert_books(&[]);
}
