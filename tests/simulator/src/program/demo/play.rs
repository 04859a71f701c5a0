//! A step of the demo: a command, what it answered, and whether that was right.

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use simulator::oneprovision::{Answer, Host, host_name_5_8, host_name_5_12};
use simulator::{Device, HostTemplate, Oneprovision, Operation, Request, Simulator, State};

use super::screen::{self, Screen};
use super::terminal::{self, Terminal};

/// How long the books may take to balance after the last answer, and a deploy to order.
const PATIENCE: Duration = Duration::from_secs(3);

/// Of a front-end that there is not.
pub(super) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGaZ0ubZzrfCkE7kAhYECOWFiif0d/Y/4yc6IM3ebLhn oneadmin@front-end";
/// Where the front-end's keys are, in the folder of the files; the public one has `.pub` after its name.
pub(super) const PRIVATE_KEY_FILE: &str = ".ssh/id_ed25519";
/// Where they were when the host was recorded.
const RECORDED_KEY_FILE: &str = "/var/lib/one/.ssh/ddc/id_rsa";

pub(super) struct Play<'a> {
    pub(super) screen: Screen,
    pub(super) simulator: &'a Simulator,
    oneprovision: &'a Oneprovision,
    pm_mad: &'a str,
    is_verbose: bool,
    steps: usize,
}

impl<'a> Play<'a> {
    pub(super) fn new(
        screen: Screen,
        simulator: &'a Simulator,
        oneprovision: &'a Oneprovision,
        pm_mad: &'a str,
        is_verbose: bool,
    ) -> Self {
        Play { screen, simulator, oneprovision, pm_mad, is_verbose, steps: 0 }
    }

    /// A new host of oned, with the front-end's key.
    pub(super) fn host(&self, id: i32) -> Result<Host<'a>> {
        let mut template = HostTemplate::new(id);
        template.pm_mad = self.pm_mad.to_owned();
        template.ssh_public_key = PUBLIC_KEY.to_owned();
        let key = self.oneprovision.files.join(PRIVATE_KEY_FILE);
        let xml = template.xml().replace(RECORDED_KEY_FILE, &key.display().to_string());
        self.simulator.oned().add_host(&xml)?;
        Ok(self.oneprovision.host(self.simulator.oned(), id))
    }

    pub(super) fn begin(&mut self, title: &str) {
        self.steps += 1;
        self.screen.step(self.steps, title);
        self.simulator.clear_requests();
    }

    /// A step that is to succeed.
    pub(super) fn step(
        &mut self,
        title: &str,
        finding: &str,
        action: impl FnOnce(&Host<'a>) -> Result<Answer>,
        host: Host<'a>,
        check: impl FnOnce(&Self, Duration, &Answer) -> Result<()>,
    ) -> Result<()> {
        self.begin(title);
        let (answer, since) = self.run(action, host)?;
        succeeded(&answer)?;
        check(self, since, &answer)?;
        self.screen.right(finding, answer.elapsed);
        Ok(())
    }

    /// Deploys a host, or does so again, and returns its machine's id.
    pub(super) fn deploy(&mut self, host: Host<'a>, title: &str) -> Result<String> {
        self.begin(title);
        let (answer, _) = self.run(|host| self.watched_deploy(host), host)?;
        succeeded(&answer)?;
        let device = self.only()?;
        ensure!(answer.stdout == device.id, "it did not print {} and nothing else", device.id);
        ensure!(device.state == State::Active, "the machine is {}", device.state);
        self.simulator.oned().set_deploy_id(host.id(), &answer.stdout)?;
        self.screen.right("one machine is active at the provider", answer.elapsed);
        Ok(device.id)
    }

    pub(super) fn poll(&mut self, host: Host<'a>, title: &str, state: State) -> Result<()> {
        self.begin(title);
        let mut values = Default::default();
        let (answer, _) = self.run(
            |host| {
                let (answer, read) = host.poll()?;
                values = read;
                Ok(answer)
            },
            host,
        )?;
        succeeded(&answer)?;
        let device = self.only()?;
        ensure!(device.state == state, "the machine is {}", device.state);
        let address = device.addresses.iter().find(|own| own.public && own.family == 4);
        let address = address.map(|own| own.address.clone());
        ensure!(host_name_5_12(&values) == address, "OpenNebula 5.12 reads no {address:?} of it");
        ensure!(host_name_5_8(&values) == address, "OpenNebula 5.8 reads no {address:?} of it");
        let wanted = if state == State::Active { "RUNNING" } else { "POWEROFF" };
        let told = values.get("STATE").map_or("", |told| told.trim_matches('"'));
        ensure!(told == wanted, "STATE is {told}, and not {wanted}");
        let finding = format!("the host is {} and {wanted}", address.unwrap_or_default());
        self.screen.right(&finding, answer.elapsed);
        Ok(())
    }

    /// `pm-packet check`, of the host's deployment file. Nothing is to be changed by it.
    pub(super) fn check(&mut self, host: Host<'a>, title: &str) -> Result<()> {
        self.begin(title);
        let file = host.write_deployment_file()?;
        let name = Path::new(&file).file_name().and_then(|name| name.to_str()).context("a file without a name")?;
        let answer = self.call(&["check", name])?;
        succeeded(&answer)?;
        ensure!(
            answer.stdout.contains("A deploy would be accepted"),
            "it does not say that a deploy would be accepted"
        );
        self.balance()?;
        self.screen.right("exit code 0, and nothing was ordered", answer.elapsed);
        Ok(())
    }

    /// `pm-packet list --all`: `judge` says what is right about the answer.
    pub(super) fn list<'b>(&mut self, title: &str, judge: impl FnOnce(&Answer) -> Result<&'b str>) -> Result<()> {
        self.begin(title);
        let answer = self.call(&["list", "--all"])?;
        let finding = judge(&answer)?;
        self.screen.right(finding, answer.elapsed);
        Ok(())
    }

    /// Runs an action and prints its answer. Returns it, and when it began in the simulator's time.
    pub(super) fn run(
        &self,
        action: impl FnOnce(&Host<'a>) -> Result<Answer>,
        host: Host<'a>,
    ) -> Result<(Answer, Duration)> {
        let since = self.simulator.now();
        let answer = action(&host)?;
        self.screen.answer(&answer.stdout);
        self.tell_more(&answer, answer.error().is_none());
        Ok((answer, since))
    }

    /// What else happened; what stands on stderr of a failure too, where nothing else says why it failed.
    fn tell_more(&self, answer: &Answer, is_unexplained: bool) {
        if self.is_verbose {
            let requests: Vec<String> = self.simulator.requests().iter().map(told).collect();
            for same in requests.chunk_by(PartialEq::eq) {
                let mut line = same[0].clone();
                if same.len() > 1 {
                    let _ = write!(line, " ({} times)", same.len());
                }
                self.screen.detail(&line);
            }
        }
        if self.is_verbose || !answer.is_success() && is_unexplained {
            self.screen.detail(&answer.stderr);
        }
    }

    /// `deploy` with a terminal as its stderr, where it shows how far it is.
    fn watched_deploy(&self, host: &Host<'a>) -> Result<Answer> {
        let line = self.announced_deploy(host)?;
        let terminal = Terminal::open()?;
        let mut command = self.oneprovision.command(&line);
        command.stdin(Stdio::null()).stderr(terminal.stdio()?);
        let show: fn(&[u8]) = match self.screen.is_live() {
            true => screen::pass_on,
            // The line is wanted all the same, where the demo's own terminal is none.
            false => {
                command.env("TERM", "xterm");
                |_| ()
            }
        };
        let started = Instant::now();
        let child = start(command)?;
        let watch = terminal.watch(show);
        let (status, stdout, _) = terminal::finish(child)?;
        let elapsed = started.elapsed();
        let seen = watch.end();
        let states = terminal::renewed(&seen);
        if let (Some(last), false) = (states.last(), self.screen.is_live()) {
            self.screen.state(last);
        }
        ensure!(!status.success() || !states.is_empty(), "no line showed how far it was");
        Ok(Answer { command: line, status, stdout, stderr: terminal::stayed(&seen), elapsed })
    }

    /// Kills a deploy as soon as it waits for its machine. Returns how long it ran.
    pub(super) fn kill_deploy(&self, host: Host<'a>) -> Result<Duration> {
        let line = self.announced_deploy(&host)?;
        let started = Instant::now();
        // In the shell's place, so that it is what is killed.
        let mut command = self.oneprovision.command(&format!("exec {line}"));
        command.stdin(Stdio::null());
        let mut child = start(command)?;
        while self.count(Operation::Get) == 0 && child.try_wait()?.is_none() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill()?;
        let (status, stdout, stderr) = terminal::finish(child)?;
        self.screen.text(&status.to_string());
        ensure!(status.signal().is_some(), "it ended before: {stderr}");
        ensure!(stdout.is_empty(), "it printed an id");
        Ok(started.elapsed())
    }

    /// The command line of `provision create`, which is shown.
    fn announced_deploy(&self, host: &Host<'a>) -> Result<String> {
        let file = host.write_deployment_file()?;
        let line = self.oneprovision.command_line(self.pm_mad, "deploy", &[&file, "TODO"]);
        Screen::command(&line);
        Ok(line)
    }

    /// Calls `pm-packet` by its name, as an administrator does in the folder of the files, and prints its answer: with
    /// colours where the demo has them, but none of them are in what is returned.
    pub(super) fn call(&self, words: &[&str]) -> Result<Answer> {
        const NAME: &str = "pm-packet";
        let line = format!("{NAME} {}", words.join(" "));
        Screen::command(&line);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.oneprovision.remotes.join("pm").display());
        let mut command = Command::new(NAME);
        command.args(words).env_clear().envs(&self.oneprovision.env).env("PATH", path);
        command.current_dir(&self.oneprovision.files);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let terminal = self.screen.is_live().then(Terminal::open).transpose()?;
        if let Some(terminal) = &terminal {
            command.stdout(terminal.stdio()?);
        }
        let started = Instant::now();
        let child = start(command)?;
        let watch = terminal.map(|terminal| terminal.watch(|_| ()));
        let (status, piped, stderr) = terminal::finish(child)?;
        let elapsed = started.elapsed();
        let stdout = watch.map_or(piped, terminal::Watch::end);
        if !stdout.is_empty() {
            self.screen.text(&stdout);
        }
        let answer = Answer { command: line, status, stdout: terminal::plain(&stdout), stderr, elapsed };
        self.tell_more(&answer, answer.stdout.is_empty());
        Ok(answer)
    }

    /// How many such requests came in this step.
    pub(super) fn count(&self, operation: Operation) -> usize {
        self.simulator.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// The one machine that the provider should have.
    pub(super) fn only(&self) -> Result<Device> {
        let mut devices = self.simulator.devices();
        ensure!(devices.len() == 1, "the provider has {} machines, and not one", devices.len());
        Ok(devices.remove(0))
    }

    /// Whether the machine came through these states, one after the other, and is in the last of them.
    pub(super) fn passed(&self, id: &str, since: Duration, states: &[State]) -> Result<()> {
        let device = self.only()?;
        ensure!(device.id == id, "the provider has another machine");
        let mut history = device.history.iter().filter(|(at, _)| *at >= since);
        for state in states {
            ensure!(history.any(|(_, came_to)| came_to == state), "the machine was not {state}");
        }
        ensure!(states.last() == Some(&device.state), "the machine is {}", device.state);
        Ok(())
    }

    /// Whether nothing is left at the provider, or soon will not be.
    pub(super) fn balance(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = self.simulator.devices();
            let Some(device) = left.first() else {
                return Ok(());
            };
            let ends = device.state == State::Deprovisioning && Instant::now() < until;
            ensure!(ends, "machines left at the provider: {} ({})", left.len(), device.state);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The command's ends of pipes and terminals go with it.
fn start(mut command: Command) -> Result<Child> {
    command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))
}

/// A request in one line.
fn told(request: &Request) -> String {
    let status = request.status.map_or("no answer".to_owned(), |status| status.to_string());
    format!("{} {} → {status}", request.method, request.path)
}

fn succeeded(answer: &Answer) -> Result<()> {
    ensure!(
        answer.is_success(),
        "{}: {}",
        answer.status,
        answer.error().unwrap_or_else(|| "no error frame".to_owned())
    );
    Ok(())
}

pub(super) fn quiet(answer: &Answer) -> Result<()> {
    ensure!(answer.stdout.is_empty(), "it printed what nobody asked for");
    Ok(())
}
