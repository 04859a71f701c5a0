//! `demo`: the whole life of a host, as oneprovision plays it, each step judged by its answer and by the provider's books.

mod play;
mod scratch;
mod screen;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use argh::FromArgs;
use simulator::oneprovision::Host;
use simulator::{Effect, Fault, Oneprovision, Operation, Options, SESSION, Simulator, State};

use play::{PRIVATE_KEY_FILE, PUBLIC_KEY, Play, quiet};
use scratch::Scratch;
use screen::{Screen, WIDTH};

/// Play the whole life of a host through a driver, against a simulated provider. Ends with 0 only if every step went right.
#[derive(FromArgs)]
#[argh(subcommand, name = "demo")]
pub(crate) struct Demo {
    /// the folder of the driver's actions, such as /var/lib/one/remotes/pm/packet; pm-packet itself stands above it
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
        queued: ms(400),
        provisioning: ms(2200)..=ms(2600),
        powering: ms(300),
        reboot_lag: ms(300),
        deprovisioning: ms(300),
        progress: true,
        ..Options::default()
    }
}

impl Demo {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let driver = std::path::absolute(&self.driver)?;
        ensure!(driver.join("deploy").exists(), "there is no deploy in {}", driver.display());
        let (remotes, pm_mad) = split(&driver)?;
        let binary = remotes.join("pm/pm-packet");
        ensure!(binary.exists(), "there is no {}", binary.display());
        let scratch = Scratch::new().context("cannot make a temporary folder")?;
        scratch.write(".one/one_auth", &format!("{SESSION}\n"))?;
        scratch.write(PRIVATE_KEY_FILE, "a private key\n")?;
        scratch.write(&format!("{PRIVATE_KEY_FILE}.pub"), &format!("{PUBLIC_KEY}\n"))?;
        let simulator = Simulator::start(pace()).context("cannot bind the ports")?;
        let screen = Screen::new();
        let oneprovision = oneprovision(remotes, scratch.path(), &simulator);
        screen.headline("The whole life of a host, through the links that oneprovision calls");
        screen.note(&format!("provider  {}", simulator.api_url()));
        screen.note(&format!("oned      {}", simulator.oned_url()));
        screen.note(&format!("driver    {}", driver.display()));
        screen.note(&format!("files     {}", scratch.path().display()));
        screen.note("Commands are shown without these folders.");

        let mut play = Play::new(screen, &simulator, &oneprovision, pm_mad, self.verbose);
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

/// A oneprovision whose drivers know the demo's terminal: its width, what kind it is, and whether colours are wanted.
fn oneprovision(remotes: &Path, home: &Path, simulator: &Simulator) -> Oneprovision {
    let mut oneprovision =
        Oneprovision::new(remotes, home, simulator).with("PM_TIMEOUT", "20").with("COLUMNS", WIDTH.to_string());
    for name in ["LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TERM"] {
        if let Some(value) = std::env::var_os(name) {
            oneprovision = oneprovision.with(name, value);
        }
    }
    oneprovision.announce = Screen::command;
    oneprovision
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

/// The scenes.
impl Play<'_> {
    fn all(&mut self) -> Result<()> {
        self.life()?;
        self.failed_provisioning()?;
        self.killed_deploy()?;
        self.orphan()
    }

    fn life(&mut self) -> Result<()> {
        let host = self.host(1002)?;
        self.check(host, "before a host is created: would its deploy be accepted?")?;
        let id = self.deploy(host, "a host is created: a machine is ordered")?;
        self.poll(host, "its address becomes the host's name", State::Active)?;
        self.list("which machines are there, and whose are they?", |answer| {
            ensure!(answer.is_success(), "it found something wrong");
            let is_shown = answer.stdout.lines().any(|line| line.contains(&id) && line.contains(" 1002 "));
            ensure!(is_shown, "it does not show the machine and its host");
            Ok("one machine, of host 1002")
        })?;
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
        self.simulator.oned().remove(host.id());
        Ok(())
    }

    /// A machine breaks while it is provisioned: the driver is to fail, and to clear up.
    fn failed_provisioning(&mut self) -> Result<()> {
        let host = self.host(1003)?;
        self.simulator.fault(Fault::new(Operation::Create, Effect::FailProvisioning));
        self.begin("a host is created, but its machine fails while it is provisioned");
        let (answer, _) = self.run(Host::deploy, host)?;
        ensure!(!answer.is_success(), "it did not fail");
        ensure!(answer.stdout.is_empty(), "it printed an id, and failed");
        let error = answer.error().context("it failed without an error frame")?;
        self.screen.answer(&error);
        ensure!(self.count(Operation::Create) == 1, "it ordered more than once, or never");
        self.balance()?;
        self.screen.right("it failed, said why, and left nothing behind", answer.elapsed);
        Ok(())
    }

    /// A deploy is killed while its machine is provisioned, and repeated.
    fn killed_deploy(&mut self) -> Result<()> {
        let host = self.host(1004)?;
        self.begin("a deploy is killed (SIGKILL), with its machine on the way");
        let elapsed = self.kill_deploy(host)?;
        let ordered = self.only()?.id;
        self.screen.right("one machine is ordered, and nobody was told its id", elapsed);
        let adopted = self.deploy(host, "the deploy is repeated")?;
        ensure!(adopted == ordered && self.count(Operation::Create) == 0, "it ordered another one");
        Ok(())
    }

    /// The host of the scene before disappears, its machine does not.
    fn orphan(&mut self) -> Result<()> {
        let id = self.only()?.id;
        self.simulator.oned().remove(1004);
        let mut removal = String::new();
        self.list("host 1004 is deleted from oned by hand, without its machine", |answer| {
            ensure!(answer.status.code() == Some(1), "{}, and not 1: there is an orphan", answer.status);
            let is_shown = answer.stdout.lines().any(|line| line.contains(&id) && line.contains("ORPHAN"));
            ensure!(is_shown, "it does not show that the machine is an orphan");
            let mut lines = answer.stdout.lines().map(str::trim);
            let line = lines.find(|line| line.starts_with("pm-packet cancel ") && line.contains(&id));
            removal = line.context("it does not say how to remove the machine")?.to_owned();
            Ok("exit code 1: the machine is found, and how to remove it")
        })?;
        self.begin("the orphan is removed, with the command that list printed");
        let words: Vec<&str> = removal.split_whitespace().skip(1).collect();
        let answer = self.call(&words)?;
        ensure!(answer.is_success(), "{}", answer.status);
        self.balance()?;
        self.screen.right("the machine is gone", answer.elapsed);
        Ok(())
    }
}
