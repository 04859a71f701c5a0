//! The caller: oneprovision's side of the provision driver contract, ported from its observed behaviour (OpenNebula 5.8
//! to 5.12), not from its text.

mod provision;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub use provision::{Choice, Created, End, Provision};

use crate::oned::Oned;
use crate::options::Version;
use crate::simulator::Simulator;

/// A oneprovision that calls drivers.
#[derive(Clone, Debug)]
pub struct Oneprovision {
    /// The folder of remotes: drivers stand in `pm/PM_MAD` within it.
    pub remotes: PathBuf,
    /// Where deployment files are written.
    pub files: PathBuf,
    /// The whole environment of the drivers.
    pub env: BTreeMap<OsString, OsString>,
    /// Is told each command line before it runs.
    pub announce: fn(&str),
}

/// How a driver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The command line as the shell got it.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
    /// How long it took.
    pub elapsed: Duration,
}

impl Answer {
    /// Exit code 0.
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// What the user is shown of a failure: the first line of the first error frame.
    pub fn error(&self) -> Option<String> {
        let message = read_error(&self.stderr)?;
        Some(message.lines().next().unwrap_or_default().to_owned())
    }
}

impl Oneprovision {
    /// One that knows nothing but the simulator: drivers see HOME, PATH, ONE_XMLRPC and PACKET_API_URL. Deployment files
    /// are written in `home`.
    pub fn new(remotes: &Path, home: &Path, simulator: &Simulator) -> Self {
        Oneprovision { remotes: remotes.to_owned(), files: home.to_owned(), env: BTreeMap::new(), announce: |_| {} }
            .with("HOME", home)
            .with("PATH", "/usr/local/bin:/usr/bin:/bin")
            .with("ONE_XMLRPC", simulator.oned_url())
            .with("PACKET_API_URL", simulator.api_url())
    }

    /// With this variable in the drivers' environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.into(), value.as_ref().into());
        self
    }

    /// Without this variable in the drivers' environment.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.env.remove(OsStr::new(name));
        self
    }

    /// The command line of a driver's action: words with blanks between them, unquoted, so that an empty one vanishes.
    pub fn command_line(&self, pm_mad: &str, action: &str, words: &[&str]) -> String {
        let program = self.remotes.join("pm").join(pm_mad).join(action);
        let mut line = program.display().to_string();
        for word in words {
            line.push(' ');
            line.push_str(word);
        }
        line
    }

    /// The same as a process that can be started: through a shell, with pipes, in a scrubbed environment.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a driver's action to its end.
    pub fn run(&self, pm_mad: &str, action: &str, words: &[&str]) -> io::Result<Answer> {
        let line = self.command_line(pm_mad, action, words);
        (self.announce)(&line);
        let started = Instant::now();
        let mut child = self.command(&line).spawn()?;
        // A pipe that is closed at once.
        drop(child.stdin.take());
        let output = child.wait_with_output()?;
        Ok(Answer {
            command: line,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            elapsed: started.elapsed(),
        })
    }

    /// This host, to be provisioned.
    pub fn host<'a>(&'a self, oned: &'a Oned, id: i32) -> Host<'a> {
        Host { oneprovision: self, oned, id }
    }
}

/// A host of oned, on which oneprovision's commands run.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    oneprovision: &'a Oneprovision,
    oned: &'a Oned,
    id: i32,
}

impl Host<'_> {
    /// `provision create`: writes the deployment file, runs `deploy FILE TODO`, and stores what it prints, whole, as
    /// DEPLOY_ID. A failure stores nothing.
    pub fn deploy(&self) -> Result<Answer> {
        let file = self.write_deployment_file()?;
        let answer = self.run("deploy", &[&file, "TODO"])?;
        if answer.is_success() {
            self.oned.set_deploy_id(self.id, &answer.stdout)?;
        }
        Ok(answer)
    }

    /// The driver's part of creation alone, with a file that was written before; nothing is stored.
    pub fn deploy_with(&self, file: &Path) -> Result<Answer> {
        self.run("deploy", &[&file.display().to_string(), "TODO"])
    }

    /// The host's XML in a file of another name, as the next run of oneprovision has it.
    pub fn write_deployment_file_anew(&self, name: &str) -> Result<String> {
        self.write_file(&self.oneprovision.files.join(name))
    }

    /// `host resume`: `deploy FILE NAME HOST_ID NAME`.
    pub fn resume(&self) -> Result<Answer> {
        let file = self.write_deployment_file()?;
        self.run("deploy", &[&file, &self.name()?, &self.id.to_string(), &self.name()?])
    }

    /// After create, reset and resume: `poll`. The host that still has the name of its creation gets its address as its
    /// name, as this version of OpenNebula reads it.
    pub fn poll(&self) -> Result<(Answer, BTreeMap<String, String>)> {
        let answer = self.act("poll", &[])?;
        let values = read_poll(&answer.stdout);
        if answer.is_success()
            && self.name()?.starts_with("provision-")
            && let Some(name) = self.name_in(&values)
        {
            self.oned.rename(self.id, &name)?;
        }
        Ok((answer, values))
    }

    /// `host reboot`
    pub fn reboot(&self) -> Result<Answer> {
        self.act("reboot", &[])
    }

    /// `host reboot --hard`
    pub fn reset(&self) -> Result<Answer> {
        self.act("reset", &[])
    }

    /// `host poweroff`
    pub fn poweroff(&self) -> Result<Answer> {
        self.act("shutdown", &["SHUTDOWN_POWEROFF"])
    }

    /// `host delete`, `provision delete`: the host is kept where the driver fails.
    pub fn delete(&self) -> Result<Answer> {
        let answer = self.cancel()?;
        if answer.is_success() {
            self.oned.remove(self.id);
        }
        Ok(answer)
    }

    /// The driver's part of deletion alone.
    pub fn cancel(&self) -> Result<Answer> {
        self.act("cancel", &[])
    }

    /// Its number in oned.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Writes the host's XML where `deploy` gets it from.
    pub fn write_deployment_file(&self) -> Result<String> {
        self.write_file(&self.oneprovision.files.join(format!("deployment-{}.xml", self.id)))
    }

    fn write_file(&self, path: &Path) -> Result<String> {
        let xml = self.oned.deployment_file(self.id).context("no such host")?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(xml.as_bytes())?;
        Ok(path.display().to_string())
    }

    /// `ACTION DEPLOY_ID NAME [MORE] HOST_ID NAME`
    fn act(&self, action: &str, more: &[&str]) -> Result<Answer> {
        let deploy_id = self.oned.provision(self.id, "DEPLOY_ID").unwrap_or_default();
        let (id, name) = (self.id.to_string(), self.name()?);
        let words = [&[deploy_id.as_str(), &name], more, &[&id, &name]].concat();
        self.run(action, &words)
    }

    fn name_in(&self, values: &BTreeMap<String, String>) -> Option<String> {
        match self.oned.version() {
            Version::V5_12 => host_name_5_12(values),
            Version::V5_8 | Version::V5_10 => host_name_5_8(values),
        }
    }

    fn run(&self, action: &str, words: &[&str]) -> Result<Answer> {
        let pm_mad = self.oned.pm_mad(self.id).context("a host without PM_MAD")?;
        let answer = self.oneprovision.run(&pm_mad, action, words);
        answer.with_context(|| format!("cannot run {action}"))
    }

    fn name(&self) -> Result<String> {
        self.oned.host_name(self.id).context("no such host")
    }
}

/// What `poll` printed, as oneprovision takes it apart: at blanks, then each piece at its first `=`, the key in capitals.
/// A piece without `=` is no value.
pub fn read_poll(text: &str) -> BTreeMap<String, String> {
    text.split([' ', '\n'])
        .filter_map(|piece| piece.split_once('='))
        .map(|(key, value)| (key.to_uppercase(), value.to_owned()))
        .collect()
}

/// The new name of a polled host as OpenNebula 5.12 reads it, None where it finds none.
pub fn host_name_5_12(values: &BTreeMap<String, String>) -> Option<String> {
    let name = match values.get("GUEST_IP_ADDRESSES") {
        Some(addresses) => first_address(addresses),
        None => values.get("AWS_PUBLIC_IP_ADDRESS")?.clone(),
    };
    Some(name.replace('"', "")).filter(|name| !name.is_empty())
}

/// The same as 5.8 and 5.10 read it: they do not remove the closing quote, and expect `\"1.2.3.4\"` of EC2.
pub fn host_name_5_8(values: &BTreeMap<String, String>) -> Option<String> {
    let name = match values.get("GUEST_IP_ADDRESSES") {
        Some(addresses) => first_address(addresses),
        None => {
            let quoted: Vec<char> = values.get("AWS_PUBLIC_IP_ADDRESS")?.chars().collect();
            let end = quoted.len().saturating_sub(2).max(2);
            quoted.get(2..end)?.iter().collect()
        }
    };
    Some(name).filter(|name| !name.is_empty())
}

/// Up to the first comma, less the first character, which should be the quote.
fn first_address(addresses: &str) -> String {
    let first = addresses.split(',').next().unwrap_or_default();
    first.chars().skip(1).collect()
}

/// What stands in the first error frame of a driver's stderr: `/^ERROR MESSAGE --8<------\n(.*?)ERROR MESSAGE ------>8--$/m`
/// as Ruby reads it, where `.` is any character and `^` and `$` are the ends of lines.
pub fn read_error(stderr: &str) -> Option<String> {
    const BEGIN: &str = "ERROR MESSAGE --8<------\n";
    const END: &str = "ERROR MESSAGE ------>8--";
    let line_starts = |(at, _): &(usize, &str)| *at == 0 || stderr.as_bytes()[at - 1] == b'\n';
    let (begin, _) = stderr.match_indices(BEGIN).find(line_starts)?;
    let message = &stderr[begin + BEGIN.len()..];
    let (end, _) = message.match_indices(END).find(|(at, _)| {
        let after = &message[at + END.len()..];
        after.is_empty() || after.starts_with('\n')
    })?;
    Some(message[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: &str = "CPU=100 MEMORY=8388608 NETTX=19200 NETRX=2560 \
        GUEST_IP_ADDRESSES=\"147.75.0.11,2604:1380:1000::b,10.80.0.11\" ROOT_PASSWORD=\"h4x0r$ecret\" OS = \"7f01…\" \
        PLAN = \"e1eb…\" FACILITY = \"c1bb…\" logo = images/logos/centos.png\n";

    #[test]
    fn the_stock_drivers_poll_is_read_as_oneprovision_reads_it() {
        let values = read_poll(STOCK);
        assert_eq!(values["CPU"], "100");
        assert_eq!(values["ROOT_PASSWORD"], "\"h4x0r$ecret\"");
        assert_eq!(values.get("OS"), None, "the blanks around = lose the value");
        assert_eq!(host_name_5_12(&values).as_deref(), Some("147.75.0.11"));
        assert_eq!(host_name_5_8(&values).as_deref(), Some("147.75.0.11"));
    }

    #[test]
    fn a_list_of_one_address_misleads_the_older_ones() {
        let values = read_poll("guest_ip_addresses=\"1.2.3.4\"");
        assert_eq!(host_name_5_12(&values).as_deref(), Some("1.2.3.4"));
        assert_eq!(host_name_5_8(&values).as_deref(), Some("1.2.3.4\""));
        let values = read_poll("GUEST_IP_ADDRESSES=\"1.2.3.4,\"");
        assert_eq!(host_name_5_12(&values).as_deref(), Some("1.2.3.4"));
        assert_eq!(host_name_5_8(&values).as_deref(), Some("1.2.3.4"));
    }

    #[test]
    fn without_a_list_the_address_of_ec2_is_the_name() {
        let values = read_poll("AWS_PUBLIC_IP_ADDRESS=\\\"1.2.3.4\\\"");
        assert_eq!(host_name_5_8(&values).as_deref(), Some("1.2.3.4"));
        assert_eq!(host_name_5_12(&read_poll("AWS_PUBLIC_IP_ADDRESS=\"1.2.3.4\"")).as_deref(), Some("1.2.3.4"));
        assert_eq!(host_name_5_8(&read_poll("AWS_PUBLIC_IP_ADDRESS=x")), None);
        assert_eq!(host_name_5_12(&read_poll("STATE=RUNNING")), None);
    }

    #[test]
    fn the_first_frame_is_the_error() {
        let stderr = "warning\nERROR MESSAGE --8<------\nfirst\nsecond\nERROR MESSAGE ------>8--\n\
                      ERROR MESSAGE --8<------\nother\nERROR MESSAGE ------>8--\n";
        assert_eq!(read_error(stderr).as_deref(), Some("first\nsecond\n"));
        assert_eq!(read_error("x ERROR MESSAGE --8<------\na\nERROR MESSAGE ------>8--\n"), None);
        assert_eq!(read_error("ERROR MESSAGE --8<------\na\nERROR MESSAGE ------>8-- x\n"), None);
        assert_eq!(read_error(""), None);
    }
}
