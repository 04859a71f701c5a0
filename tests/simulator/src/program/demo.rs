//! `demo`: the whole life of a host, as oneprovision plays it, each step judged by its answer and by the provider's books.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use argh::FromArgs;
use simulator::oneprovision::{Answer, Host, host_name_5_8, host_name_5_12};
use simulator::{
    Device, Effect, Fault, HostTemplate, Oneprovision, Operation, Options, Request, SESSION, Simulator, State,
};

use super::scratch::Scratch;
use super::screen::Screen;

/// Play the whole life of a host through a driver, against a simulated provider. Ends with 0 only if every step went right.
#[derive(FromArgs)]
#[argh(subcommand, name = "demo")]
pub(crate) struct Demo {
    /// the folder of the driver's actions, such as /var/lib/one/remotes/pm/packet
    #[argh(positional)]
    driver: PathBuf,
    /// also print what the driver asked the provider and oned, and its warnings
    #[argh(switch)]
    verbose: bool,
}

/// Slow enough to be watched, fast enough to be enjoyed.
fn pace() -> Options {
    let ms = Duration::from_millis;
    Options {
        queued: ms(200),
        provisioning: ms(800)..=ms(1200),
        powering: ms(300),
        reboot_lag: ms(300),
        deprovisioning: ms(300),
        progress: true,
        ..Options::default()
    }
}

/// How long the books may take to balance after the last answer.
const PATIENCE: Duration = Duration::from_secs(3);

impl Demo {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let driver = std::path::absolute(&self.driver)?;
        ensure!(driver.join("deploy").exists(), "there is no deploy in {}", driver.display());
        let (remotes, pm_mad) = split(&driver)?;
        let scratch = Scratch::new().context("cannot make a temporary folder")?;
        scratch.write(".one/one_auth", &format!("{SESSION}\n"))?;
        let simulator = Simulator::start(pace()).context("cannot bind the ports")?;
        let mut oneprovision = Oneprovision::new(remotes, scratch.path(), &simulator).with("PM_TIMEOUT", "20");
        oneprovision.announce = Screen::command;
        let screen = Screen::new();
        screen.headline("The whole life of a host, through the links that oneprovision calls");
        screen.note(&format!("provider   {}", simulator.api_url()));
        screen.note(&format!("oned       {}", simulator.oned_url()));
        screen.note(&format!("driver     {}", driver.display()));

        let mut play = Play {
            screen,
            simulator: &simulator,
            oneprovision: &oneprovision,
            pm_mad,
            verbose: self.verbose,
            steps: 0,
        };
        Ok(match play.all() {
            Ok(()) => {
                play.screen.end("machines left at the provider: 0");
                ExitCode::SUCCESS
            }
            Err(why) => {
                play.screen.wrong(&format!("{why:#}"));
                ExitCode::FAILURE
            }
        })
    }
}

/// `REMOTES/pm/PM_MAD` → REMOTES, PM_MAD
fn split(driver: &Path) -> Result<(&Path, &str)> {
    let pm_mad = driver.file_name().and_then(|name| name.to_str());
    let pm = driver.parent();
    match (pm, pm.and_then(Path::parent), pm_mad) {
        (Some(pm), Some(remotes), Some(pm_mad)) if pm.ends_with("pm") => Ok((remotes, pm_mad)),
        _ => bail!("{} is not of the form REMOTES/pm/DRIVER", driver.display()),
    }
}

struct Play<'a> {
    screen: Screen,
    simulator: &'a Simulator,
    oneprovision: &'a Oneprovision,
    pm_mad: &'a str,
    verbose: bool,
    steps: usize,
}

impl<'a> Play<'a> {
    fn all(&mut self) -> Result<()> {
        self.life()?;
        self.lost_answer()?;
        self.failed_provisioning()
    }

    fn life(&mut self) -> Result<()> {
        let host = self.host(1002)?;
        let id = self.deploy(host, "a host is created: a machine is ordered")?;
        self.poll(host, "its address becomes the host's name", State::Active)?;
        self.step(
            "host reboot",
            "the machine was down, and is up again",
            Host::reboot,
            host,
            |play, since, answer| {
                quiet(answer)?;
                play.passed(&id, since, &[State::PoweringOff, State::Active])
            },
        )?;
        self.step(
            "host reboot --hard",
            "it was powered off and on again",
            Host::reset,
            host,
            |play, since, answer| {
                quiet(answer)?;
                play.passed(&id, since, &[State::Inactive, State::Active])
            },
        )?;
        self.step(
            "host poweroff",
            "the machine is off, and still ours",
            Host::poweroff,
            host,
            |play, since, answer| {
                quiet(answer)?;
                play.passed(&id, since, &[State::Inactive])
            },
        )?;
        self.poll(host, "a machine that is off answers too", State::Inactive)?;
        self.step(
            "host resume: deploy, with the DEPLOY_ID of before",
            "the same machine is on again",
            Host::resume,
            host,
            |play, since, answer| {
                ensure!(answer.stdout.trim_end() == id, "it printed another id than {id}");
                play.passed(&id, since, &[State::Active])
            },
        )?;
        self.poll(host, "and answers as before", State::Active)?;
        for (title, finding) in [
            ("host delete: cancel", "the machine is gone"),
            ("cancel once more: the machine is gone already", "nothing to do is no failure"),
        ] {
            self.step(title, finding, Host::cancel, host, |play, _, answer| {
                quiet(answer)?;
                play.balance()
            })?;
        }
        Ok(())
    }

    /// An order is carried out, but nobody hears of it.
    fn lost_answer(&mut self) -> Result<()> {
        let host = self.host(1003)?;
        let lost = Effect::DropAfter { reset: true };
        self.simulator.fault(Fault::new(Operation::Create, lost));
        self.deploy(host, "the provider's answer to an order is lost")?;
        self.step(
            "host delete: cancel",
            "there was one machine, and it is gone",
            Host::cancel,
            host,
            |play, _, answer| {
                quiet(answer)?;
                play.balance()
            },
        )
    }

    /// A machine breaks while it is provisioned: the driver is to fail, and to clear up.
    fn failed_provisioning(&mut self) -> Result<()> {
        let host = self.host(1004)?;
        self.simulator.fault(Fault::new(Operation::Create, Effect::FailProvisioning));
        self.begin("a host is created, but its machine fails while it is provisioned");
        let (answer, _) = self.run(Host::deploy, host)?;
        ensure!(!answer.is_success(), "it did not fail");
        ensure!(answer.stdout.is_empty(), "it printed an id, and failed");
        let error = answer.error().context("it failed without an error frame")?;
        self.screen.answer(&error);
        let ordered = self.simulator.requests();
        let ordered = ordered.iter().filter(|request| request.operation == Operation::Create);
        ensure!(ordered.count() == 1, "it ordered more than once, or never");
        self.balance()?;
        self.screen.right("it failed, said why, and left nothing behind", answer.elapsed);
        Ok(())
    }

    fn host(&self, id: i32) -> Result<Host<'a>> {
        let mut template = HostTemplate::new(id);
        template.pm_mad = self.pm_mad.to_owned();
        self.simulator.oned().add(&template)?;
        Ok(self.oneprovision.host(self.simulator.oned(), id))
    }

    /// Orders a machine, and returns its id.
    fn deploy(&mut self, host: Host<'a>, title: &str) -> Result<String> {
        let mut id = String::new();
        self.step(title, "one machine is active at the provider", Host::deploy, host, |play, _, answer| {
            let device = play.only()?;
            ensure!(answer.stdout == device.id, "it did not print {} and nothing else", device.id);
            ensure!(device.state == State::Active, "the machine is {}", device.state);
            id = device.id;
            Ok(())
        })?;
        Ok(id)
    }

    fn poll(&mut self, host: Host<'a>, title: &str, state: State) -> Result<()> {
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

    /// A step that is to succeed.
    fn step(
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

    fn begin(&mut self, title: &str) {
        self.steps += 1;
        self.screen.step(self.steps, title);
        self.simulator.clear_requests();
    }

    /// Runs an action and prints its answer. Returns it, and when it began in the simulator's time.
    fn run(&self, action: impl FnOnce(&Host<'a>) -> Result<Answer>, host: Host<'a>) -> Result<(Answer, Duration)> {
        let since = self.simulator.now();
        let answer = action(&host)?;
        self.screen.answer(&answer.stdout);
        if self.verbose {
            let requests: Vec<String> = self.simulator.requests().iter().map(told).collect();
            for same in requests.chunk_by(PartialEq::eq) {
                let times = match same.len() {
                    1 => String::new(),
                    times => format!(" ({times} times)"),
                };
                self.screen.detail(&format!("{}{times}", same[0]));
            }
        }
        if self.verbose || !answer.is_success() && answer.error().is_none() {
            self.screen.detail(&answer.stderr);
        }
        Ok((answer, since))
    }

    /// The one machine that the provider should have.
    fn only(&self) -> Result<Device> {
        let mut devices = self.simulator.devices();
        ensure!(devices.len() == 1, "the provider has {} machines, and not one", devices.len());
        Ok(devices.remove(0))
    }

    /// Whether the machine came through these states, one after the other, and is in the last of them.
    fn passed(&self, id: &str, since: Duration, states: &[State]) -> Result<()> {
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
    fn balance(&self) -> Result<()> {
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

fn quiet(answer: &Answer) -> Result<()> {
    ensure!(answer.stdout.is_empty(), "it printed what nobody asked for");
    Ok(())
}
