//! What argv asks for: through a link whose name is an action, in a folder whose name is the provider, or with the
//! action as the first argument.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use argh::{FromArgs, SubCommand, SubCommands};

use crate::action::{Cancel, Check, Context, Deploy, Fence, List, Outcome, Poll, Reboot, Reset, Shutdown};
use crate::provider::PROVIDERS;
use crate::system::environment::Environment;

/// What `--help` prints: within 25 lines of 80 columns.
const HELP: &str = "\
Usage: pm-packet <command> [<args>]

OpenNebula provision driver for bare metal. oneprovision calls its actions
through the links REMOTES/pm/DRIVER/ACTION; called as pm-packet, DRIVER is the
PM_MAD of the host, else the first one of:
DRIVERS.

Actions:
  deploy      order a machine for a host, wait until it is up, print its id
  poll        print addresses, state, size and traffic of a machine
  cancel      delete a machine and wait until it is gone
  reboot      reboot a machine and wait until it was down and is up again
  reset       power a machine off and on again
  shutdown    power a machine off, or delete it, as LCM_STATE says
  fence       power off a dead host's machine and see it off (fence_host.sh)

For you:
  check       show what a host's file says and whether a deploy would work
  list        list the machines that were ordered, and the orphans among them

  -h, --help      this text; after a command, its arguments
  -V, --version   the version

Logs on stderr: PM_LOG=info|debug. The manual: man pm-packet";

/// OpenNebula provision driver for bare metal.
#[derive(FromArgs)]
#[argh(help_triggers("-h", "--help"))]
struct Arguments {
    #[argh(subcommand)]
    action: Action,
}

/// Every action, in one table.
#[derive(FromArgs)]
#[argh(subcommand)]
pub enum Action {
    Deploy(Deploy),
    Poll(Poll),
    Cancel(Cancel),
    Reboot(Reboot),
    Reset(Reset),
    Shutdown(Shutdown),
    Fence(Fence),
    Check(Check),
    List(List),
}

/// The name of the hook that `fence` stands in for.
const HOOK: &str = "fence_host.sh";

/// The subcommands that are not OpenNebula's actions: only a person calls them, with options, and no link
/// stands for them.
const FOR_PERSONS: [&str; 2] = [Check::COMMAND.name, List::COMMAND.name];

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Deploy(_) => Deploy::COMMAND.name,
            Self::Poll(_) => Poll::COMMAND.name,
            Self::Cancel(_) => Cancel::COMMAND.name,
            Self::Reboot(_) => Reboot::COMMAND.name,
            Self::Reset(_) => Reset::COMMAND.name,
            Self::Shutdown(_) => Shutdown::COMMAND.name,
            Self::Fence(_) => Fence::COMMAND.name,
            Self::Check(_) => Check::COMMAND.name,
            Self::List(_) => List::COMMAND.name,
        }
    }

    /// Whether it changes nothing.
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::Poll(_) | Self::Check(_) | Self::List(_))
    }

    /// Does it.
    ///
    /// # Errors
    /// As each action tells.
    pub fn run(self, context: &Context<'_>) -> Result<Outcome> {
        match self {
            Self::Check(check) => return check.run(context),
            Self::List(list) => return list.run(context),
            Self::Deploy(action) => action.run(context),
            Self::Poll(action) => action.run(context),
            Self::Cancel(action) => action.run(context),
            Self::Reboot(action) => action.run(context),
            Self::Reset(action) => action.run(context),
            Self::Shutdown(action) => action.run(context),
            Self::Fence(action) => action.run(context),
        }
        .map(|()| Outcome::Well)
    }
}

/// What the arguments ask for.
pub enum Invocation {
    /// To print a text.
    Text(String),
    /// To do something.
    Action {
        /// What.
        action: Action,
        /// The provider that the folder of the link names.
        provider: Option<String>,
        /// How to call another action the same way.
        program: PathBuf,
        /// Whether that is a link.
        via_link: bool,
        /// OpenNebula's folder of drivers and hooks.
        remotes: PathBuf,
    },
}

impl Invocation {
    /// The name of the action, if it is one.
    pub fn action(&self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Action { action, .. } => Some(action.name()),
        }
    }

    /// Reads the arguments, the first of which is how the binary was called.
    ///
    /// # Errors
    /// They name no action, or lack something.
    pub fn read(arguments: Vec<OsString>, environment: &Environment) -> Result<Self> {
        let mut arguments = arguments.into_iter();
        let program = PathBuf::from(arguments.next().unwrap_or_default());
        let mut words = Vec::new();
        for (number, argument) in arguments.enumerate() {
            words.push(argument.into_string().map_err(|argument| {
                anyhow!("argument {} is not UTF-8 ({argument:?}): check how it is called", number + 1)
            })?);
        }
        let name = program.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        if name == HOOK {
            let remotes = remotes_above(folder_of(&program, environment)?);
            return parse(Fence::COMMAND.name, &words, Called { provider: None, program, via_link: true, remotes });
        }
        if is_driver_action(&name) {
            let folder = folder_of(&program, environment)?;
            let provider = folder.file_name().and_then(OsStr::to_str).map(str::to_owned);
            let provider = Some(provider.with_context(|| in_no_folder(&program))?);
            let called = Called { provider, program, via_link: true, remotes: remotes_above(folder) };
            return parse(&name, &words, called);
        }
        let remotes = match environment.get("ONE_LOCATION")? {
            Some(location) => Path::new(location.trim()).join("var/remotes"),
            None => PathBuf::from("/var/lib/one/remotes"),
        };
        let called = Called { provider: None, program, via_link: false, remotes };
        match words.split_first() {
            None => {
                bail!("there is no action: call pm-packet {} ..., or --help", known().join("|"))
            }
            Some((option, _)) if option == "--version" || option == "-V" => {
                Ok(Self::Text(format!("pm-packet {}", env!("CARGO_PKG_VERSION"))))
            }
            Some((option, _)) if option == "--help" || option == "-h" => Ok(Self::Text(help())),
            Some((action, [rest @ .., option, driver])) if option == "--driver" && is_driver_action(action) => {
                parse(action, rest, Called { provider: Some(driver.clone()), ..called })
            }
            Some((action, rest)) if is_action(action) => parse(action, rest, called),
            Some((action, _)) => {
                bail!("there is no action {action:?}: the known ones are {}", known().join(", "))
            }
        }
    }
}

/// The text of `--help`, with the drivers of the table in it.
fn help() -> String {
    let drivers: Vec<&str> = PROVIDERS.iter().map(|one| one.spec().name).collect();
    HELP.replace("DRIVERS", &drivers.join(", "))
}

/// How the binary was called.
struct Called {
    provider: Option<String>,
    program: PathBuf,
    via_link: bool,
    remotes: PathBuf,
}

fn parse(name: &str, words: &[String], called: Called) -> Result<Invocation> {
    let Called { provider, program, via_link, remotes } = called;
    let mut line = vec![name];
    let asks_for_help = matches!(words, [word] if word == "--help" || word == "-h");
    // Arguments are data: they may begin with a dash, or be words that argh would take for its own.
    let is_for_persons = FOR_PERSONS.contains(&name);
    if !asks_for_help && !is_for_persons {
        line.push("--");
    }
    line.extend(words.iter().map(String::as_str));
    match Arguments::from_args(&["pm-packet"], &line) {
        Ok(Arguments { action }) => Ok(Invocation::Action { action, provider, program, via_link, remotes }),
        Err(exit) if exit.status.is_ok() => Ok(Invocation::Text(exit.output.lines().map(wrap).collect())),
        Err(exit) if is_for_persons => {
            let problem: Vec<&str> = exit.output.split_whitespace().collect();
            let problem = problem.join(" ").replace("Unrecognized argument:", "there is no option");
            bail!("{name}: {problem}: see `pm-packet {name} --help`")
        }
        Err(exit) => {
            // All else is taken as data, so only a lack can be wrong; the names stand below the first line.
            let missing: Vec<&str> = exit.output.lines().skip(1).map(str::trim).collect();
            bail!("{name}: the arguments lack {}: see `pm-packet {name} --help`", missing.join(" and "))
        }
    }
}

/// `line`, broken between words where it is longer than 80 columns, and a line feed. argh lays out what it
/// indents, and nothing else.
fn wrap(line: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in line.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if column + length > 80 && column > 0 && !line.starts_with(' ') {
            text.truncate(text.trim_end().len());
            text.push('\n');
            column = 0;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.push('\n');
    text
}

fn is_action(name: &str) -> bool {
    known().contains(&name)
}

fn known() -> Vec<&'static str> {
    Action::COMMANDS.iter().map(|command| command.name).collect()
}

/// Whether a link of this name stands for an action.
fn is_driver_action(name: &str) -> bool {
    is_action(name) && !FOR_PERSONS.contains(&name) && name != Fence::COMMAND.name
}

fn in_no_folder(program: &Path) -> String {
    format!("{} stands in no folder whose name is a provider: call it by its path", program.display())
}

/// The folder of drivers and hooks, of which `folder` is the one for a driver or a kind of hooks.
fn remotes_above(folder: PathBuf) -> PathBuf {
    folder.ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The folder that the link `program` stands in.
fn folder_of(program: &Path, environment: &Environment) -> Result<PathBuf> {
    let problem = || in_no_folder(program);
    let path = if program.components().count() > 1 {
        program.to_owned()
    } else {
        // Without a slash the shell found it on the PATH.
        let path = environment.get("PATH")?.unwrap_or_default();
        std::env::split_paths(path)
            .map(|folder| folder.join(program))
            .find(|candidate| candidate.exists())
            .with_context(problem)?
    };
    let folder = path.parent().with_context(problem)?;
    let folder = std::path::absolute(folder).with_context(problem)?;
    match folder.file_name() {
        Some(_) => Ok(folder),
        // `../deploy` stands in a folder that has a name all the same.
        None => folder.canonicalize().with_context(problem),
    }
}
