//! How the binary is called: through a link whose name is an action, in a folder whose name is the provider,
//! or with the action as its first argument.

use std::ffi::{OsStr, OsString};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use argh::{FromArgs, SubCommand, SubCommands};

use crate::action::{Cancel, Check, Context, Deploy, List, Outcome, Poll, Reboot, Reset, Shutdown};
use crate::provider;
use crate::report::frame::{Level, Report};
use crate::system::environment::Environment;
use crate::system::interrupt::{Interrupt, Notice};
use crate::system::process;

/// What `--help` prints: within 25 lines of 80 columns.
const HELP: &str = "\
Usage: pm-packet <command> [<args>]

OpenNebula provision driver for bare metal. oneprovision calls its actions
through the links REMOTES/pm/DRIVER/ACTION. DRIVER is the provider: packet, ec2
or dummy; called as pm-packet, it is the PM_MAD of the host, else packet.

Actions:
  deploy      order a machine for a host, wait until it is up, print its id
  poll        print addresses, state, size and traffic of a machine
  cancel      delete a machine and wait until it is gone
  reboot      reboot a machine and wait until it was down and is up again
  reset       power a machine off and on again
  shutdown    power a machine off, or delete it, as LCM_STATE says

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
enum Action {
    Deploy(Deploy),
    Poll(Poll),
    Cancel(Cancel),
    Reboot(Reboot),
    Reset(Reset),
    Shutdown(Shutdown),
    Check(Check),
    List(List),
}

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
            Self::Check(_) => Check::COMMAND.name,
            Self::List(_) => List::COMMAND.name,
        }
    }

    fn run(self, context: &Context<'_>) -> Result<Outcome> {
        match self {
            Self::Check(check) => return check.run(context),
            Self::List(list) => return list.run(context),
            Self::Deploy(action) => action.run(context),
            Self::Poll(action) => action.run(context),
            Self::Cancel(action) => action.run(context),
            Self::Reboot(action) => action.run(context),
            Self::Reset(action) => action.run(context),
            Self::Shutdown(action) => action.run(context),
        }
        .map(|()| Outcome::Well)
    }
}

/// Runs the process: reads its `arguments`, the first of which is its own name, does what they say, and
/// returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> u8 {
    process::forbid_core_dumps();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut report = Report::new(Level::default());
    let mut name = None;
    // What a panic says may quote what it was busy with, and no frame is around it: both are mended here.
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(|| {
        report = Report::new(level(environment)?).for_person(environment)?;
        report.info(called(&arguments));
        let call = read(arguments, environment)?;
        name = call.name();
        let outcome = obey(call, environment, &report)?;
        report.info("done");
        Ok(outcome)
    }));
    let result = result.unwrap_or_else(|_| {
        Err(anyhow!(
            "pm-packet made a mistake: please report it, with how it was called"
        ))
    });
    match result {
        Ok(Outcome::Well) => 0,
        Ok(Outcome::Unwell) => crate::UNWELL,
        Err(error) => {
            report.failure(name, &error);
            crate::FAILURE
        }
    }
}

/// How this was called: several drivers write into oneprovision's log side by side.
fn called(arguments: &[OsString]) -> String {
    let words: Vec<_> = arguments
        .iter()
        .map(|argument| argument.to_string_lossy())
        .collect();
    format!(
        "pm-packet {}: {}",
        env!("CARGO_PKG_VERSION"),
        words.join(" ")
    )
}

/// The action that `arguments` ask for, without doing it; `None` where they ask for a text.
///
/// # Errors
/// They name no action, or lack something.
pub fn action_of(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Option<&'static str>> {
    Ok(read(arguments.into_iter().collect(), environment)?.name())
}

/// How much is logged, as `PM_LOG` says.
fn level(environment: &Environment) -> Result<Level> {
    match environment.get("PM_LOG")?.map(str::trim) {
        None => Ok(Level::Quiet),
        Some("info") => Ok(Level::Info),
        Some("debug") => Ok(Level::Debug),
        Some(other) => bail!("PM_LOG is {other:?}: set it to info or debug, or not at all"),
    }
}

/// What the arguments ask for.
enum Call {
    /// To print a text.
    Tell(String),
    /// To do something.
    Act {
        action: Action,
        provider: Option<String>,
        /// How to call another action the same way.
        program: PathBuf,
        via_link: bool,
    },
}

impl Call {
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Tell(_) => None,
            Self::Act { action, .. } => Some(action.name()),
        }
    }
}

fn obey(call: Call, environment: &Environment, report: &Report) -> Result<Outcome> {
    match call {
        Call::Tell(text) => report
            .answer(text.trim_end())
            .map(|()| Outcome::Well)
            .context("the answer cannot be printed: keep stdout open"),
        Call::Act {
            action,
            provider,
            program,
            via_link,
        } => {
            process::close_what_is_inherited();
            let row = provider.as_deref().map(provider::row).transpose()?;
            // A look changes nothing: a signal may end it as it ends any program.
            let interrupt = match action {
                Action::Poll(_) | Action::Check(_) | Action::List(_) => Interrupt::default(),
                _ => armed(*report)?,
            };
            action.run(&Context {
                row,
                program,
                via_link,
                environment,
                interrupt,
                report: *report,
            })
        }
    }
}

/// The signals of an action that changes something.
fn armed(report: Report) -> Result<Interrupt> {
    Interrupt::arm(crate::FAILURE, move |notice| match notice {
        Notice::Stopping(signal) => report.info(format_args!("{signal} received: stopping")),
        Notice::Ending(signal, at_stake) => {
            let left = at_stake.unwrap_or("nothing is left behind");
            report.failure(None, &anyhow!("interrupted twice ({signal}): {left}"));
        }
    })
}

fn read(arguments: Vec<OsString>, environment: &Environment) -> Result<Call> {
    let mut arguments = arguments.into_iter();
    let program = PathBuf::from(arguments.next().unwrap_or_default());
    let mut words = Vec::new();
    for (number, argument) in arguments.enumerate() {
        words.push(argument.into_string().map_err(|argument| {
            anyhow!(
                "argument {} is not UTF-8 ({argument:?}): check how it is called",
                number + 1
            )
        })?);
    }
    let name = program
        .file_name()
        .and_then(OsStr::to_str)
        .unwrap_or_default();
    if is_action(name) && !FOR_PERSONS.contains(&name) {
        let provider = folder_of(&program, environment)?;
        let name = name.to_owned();
        return parse(&name, &words, Some(provider), program, true);
    }
    match words.split_first() {
        None => bail!(
            "there is no action: call pm-packet {} …, or --help",
            known().join("|")
        ),
        Some((option, _)) if option == "--version" || option == "-V" => Ok(Call::Tell(format!(
            "pm-packet {}",
            env!("CARGO_PKG_VERSION")
        ))),
        Some((option, _)) if option == "--help" || option == "-h" => {
            Ok(Call::Tell(HELP.to_owned()))
        }
        Some((action, rest)) if is_action(action) => parse(action, rest, None, program, false),
        Some((action, _)) => bail!(
            "there is no action {action:?}: the known ones are {}",
            known().join(", ")
        ),
    }
}

fn parse(
    name: &str,
    words: &[String],
    provider: Option<String>,
    program: PathBuf,
    via_link: bool,
) -> Result<Call> {
    let mut line = vec![name];
    let asks_for_help = matches!(words, [word] if word == "--help" || word == "-h");
    // Arguments are data: they may begin with a dash, or be words that argh would take for its own.
    let is_for_persons = FOR_PERSONS.contains(&name);
    if !asks_for_help && !is_for_persons {
        line.push("--");
    }
    line.extend(words.iter().map(String::as_str));
    match Arguments::from_args(&["pm-packet"], &line) {
        Ok(Arguments { action }) => Ok(Call::Act {
            action,
            provider,
            program,
            via_link,
        }),
        Err(exit) if exit.status.is_ok() => Ok(tell(Some(exit))),
        Err(exit) if is_for_persons => {
            let problem: Vec<&str> = exit.output.split_whitespace().collect();
            let problem = problem
                .join(" ")
                .replace("Unrecognized argument:", "there is no option");
            bail!("{name}: {problem}: see `pm-packet {name} --help`")
        }
        Err(exit) => {
            // All else is taken as data, so only a lack can be wrong; the names stand below the first line.
            let missing: Vec<&str> = exit.output.lines().skip(1).map(str::trim).collect();
            bail!(
                "{name}: the arguments lack {}: see `pm-packet {name} --help`",
                missing.join(" and ")
            )
        }
    }
}

fn tell(exit: Option<argh::EarlyExit>) -> Call {
    let text = exit.map(|exit| exit.output).unwrap_or_default();
    Call::Tell(text.lines().map(wrap).collect())
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
    Action::COMMANDS
        .iter()
        .map(|command| command.name)
        .collect()
}

/// The name of the folder that the link `program` stands in.
fn folder_of(program: &Path, environment: &Environment) -> Result<String> {
    let problem = || {
        format!(
            "{} stands in no folder whose name is a provider: call it by its path",
            program.display()
        )
    };
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
    let folder = match folder.file_name() {
        Some(name) => name.to_owned(),
        // `./deploy` and `../deploy` stand in folders that have names all the same.
        None => std::path::absolute(folder)
            .and_then(|folder| folder.canonicalize())
            .with_context(problem)?
            .file_name()
            .with_context(problem)?
            .to_owned(),
    };
    folder.into_string().ok().with_context(problem)
}
