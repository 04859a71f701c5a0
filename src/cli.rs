//! How the binary is called: through a link whose name is an action, in a folder whose name is the provider,
//! or with the action as its first argument.

use std::ffi::{OsStr, OsString};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use argh::{FromArgs, SubCommand, SubCommands};

use crate::action::{Cancel, Context, Deploy, Poll, Reboot, Reset, Shutdown};
use crate::backend;
use crate::host::Environment;
use crate::interrupt::Interrupt;
use crate::limits;
use crate::report::{Level, Report};

/// OpenNebula provision driver for bare metal.
///
/// Through a link remotes/pm/DRIVER/ACTION the provider is DRIVER; else it is the PM_MAD of the host, else
/// packet.
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
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Deploy(_) => Deploy::COMMAND.name,
            Self::Poll(_) => Poll::COMMAND.name,
            Self::Cancel(_) => Cancel::COMMAND.name,
            Self::Reboot(_) => Reboot::COMMAND.name,
            Self::Reset(_) => Reset::COMMAND.name,
            Self::Shutdown(_) => Shutdown::COMMAND.name,
        }
    }

    fn run(self, context: &Context<'_>) -> Result<()> {
        match self {
            Self::Deploy(action) => action.run(context),
            Self::Poll(action) => action.run(context),
            Self::Cancel(action) => action.run(context),
            Self::Reboot(action) => action.run(context),
            Self::Reset(action) => action.run(context),
            Self::Shutdown(action) => action.run(context),
        }
    }
}

/// Runs the process: reads its `arguments`, the first of which is its own name, and does what they say.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: &Environment) -> ExitCode {
    let arguments = arguments.into_iter().collect();
    let mut report = Report::new(Level::default());
    let mut name = None;
    // What a panic says may quote what it was busy with, and no frame is around it: both are mended here.
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(|| {
        limits::set();
        report = Report::new(level(environment)?);
        let call = read(arguments, environment)?;
        name = call.name();
        obey(call, environment, &report)
    }));
    let result = result.unwrap_or_else(|_| {
        Err(anyhow!("pm-packet made a mistake: please report it, with how it was called"))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.failure(name, &error);
            ExitCode::from(crate::FAILURE)
        }
    }
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

fn obey(call: Call, environment: &Environment, report: &Report) -> Result<()> {
    match call {
        Call::Tell(text) => report
            .answer(text.trim_end())
            .context("the answer cannot be printed: keep stdout open"),
        Call::Act {
            action,
            provider,
            program,
            via_link,
        } => {
            let row = provider.as_deref().map(backend::row).transpose()?;
            // A look changes nothing: a signal may end it as it ends any program.
            let interrupt = match action {
                Action::Poll(_) => Interrupt::default(),
                _ => Interrupt::arm(*report)?,
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
    if is_action(name) {
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
        Some((option, _)) if option == "--help" || option == "-h" => Ok(tell(
            Arguments::from_args(&["pm-packet"], &["--help"]).err(),
        )),
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
    if !asks_for_help {
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
    Call::Tell(exit.map(|exit| exit.output).unwrap_or_default())
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
