//! What argv asks for: through a link whose name is an action, in a folder whose name is the provider, or with the
//! action as the first argument.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use argh::{CommandInfoWithArgs, FromArgs, SubCommand};

use super::commands::{Action, Arguments, commands, is_driver_action, names};
use super::help;
use super::words::{Words, takes_the_next};
use crate::action::Fence;
use crate::report::frame::Level;
use crate::report::near::did_you_mean;
use crate::system::environment::Environment;

/// The name of the hook that `fence` stands in for.
const HOOK: &str = "fence_host.sh";

/// Commands that print a text.
const HELP_COMMAND: &str = "help";
const VERSION_COMMAND: &str = "version";

/// A command, and the words for it, which are not read yet.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    words: Vec<String>,
    call: Call,
}

/// How the binary was called.
#[derive(Clone, Debug)]
pub struct Call {
    /// The path that it was called by: so another action is called, too.
    pub program: PathBuf,
    /// Whether that is the link of an action, or of the hook.
    pub via_link: bool,
    /// The provider that the folder of the link, or an option, names.
    pub provider: Option<String>,
    /// OpenNebula's folder of drivers and hooks.
    pub remotes: PathBuf,
}

/// What the arguments ask for.
pub enum Invocation {
    /// To print a text.
    Text(String),
    /// To do something.
    Action {
        /// What.
        action: Action,
        /// How it was called.
        call: Call,
        /// How much is to be logged at least.
        level: Level,
    },
}

/// Whether `program`, by which the binary was called, is a link of OpenNebula's.
pub fn is_link(program: Option<&OsString>) -> bool {
    let name = program.and_then(|program| Path::new(program).file_name()?.to_str());
    name.is_some_and(|name| name == HOOK || is_driver_action(name))
}

impl Command {
    /// The command that is meant, from the arguments, the first of which is how the binary was called.
    ///
    /// # Errors
    /// They name no command.
    pub fn of(arguments: Vec<OsString>, environment: &Environment) -> Result<Self> {
        let mut arguments = arguments.into_iter();
        let program = PathBuf::from(arguments.next().unwrap_or_default());
        let mut words = Vec::new();
        for (number, argument) in arguments.enumerate() {
            words.push(argument.into_string().map_err(|argument| {
                anyhow!("argument {} is not UTF-8 ({argument:?}): check how it is called", number + 1)
            })?);
        }
        let stem = program.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if stem == HOOK {
            let remotes = remotes_above(folder_of(&program, environment)?);
            let call = Call { program, via_link: true, provider: None, remotes };
            return Ok(Self { name: Fence::COMMAND.name, words, call });
        }
        if let Some(name) = names().into_iter().find(|name| *name == stem && is_driver_action(name)) {
            let folder = folder_of(&program, environment)?;
            let provider = folder.file_name().and_then(OsStr::to_str).map(str::to_owned);
            let provider = Some(provider.with_context(|| in_no_folder(&program))?);
            let call = Call { program, via_link: true, provider, remotes: remotes_above(folder) };
            return Ok(Self { name, words, call });
        }
        let remotes = match environment.get("ONE_LOCATION")? {
            Some(location) => Path::new(location.trim()).join("var/remotes"),
            None => PathBuf::from("/var/lib/one/remotes"),
        };
        let (name, words) = typed(words)?;
        Ok(Self { name, words, call: Call { program, via_link: false, provider: None, remotes } })
    }

    /// Reads the words.
    ///
    /// # Errors
    /// They are not what the command takes.
    pub fn read(self) -> Result<Invocation> {
        let Self { name, words, mut call } = self;
        match name {
            HELP_COMMAND => return Ok(Invocation::Text(help::of_all())),
            VERSION_COMMAND => return Ok(Invocation::Text(format!("pm-packet {}", env!("CARGO_PKG_VERSION")))),
            _ => {}
        }
        let asks_for_help = matches!(&words[..], [word] if word == "--help" || word == "-h");
        let words = match call.via_link {
            // What oneprovision gives is data, whatever it begins with.
            true if !asks_for_help => Words { arguments: words, ..Words::default() },
            _ => Words::sort(&command(name), commands().flags, &words)?,
        };
        if words.wants_help {
            return Ok(Invocation::Text(help::of_command(&command(name), commands().flags)));
        }
        words.check_arguments(&command(name))?;
        let Words { common, own, arguments, .. } = words;
        let line = [common, vec![name.to_owned()], own, vec!["--".to_owned()], arguments].concat();
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        match Arguments::from_args(&["pm-packet"], &line) {
            Ok(Arguments { action, verbose, debug, driver }) => {
                call.provider = call.provider.or(driver);
                let level = match (debug, verbose) {
                    (true, _) => Level::Debug,
                    (_, true) => Level::Info,
                    _ => Level::Quiet,
                };
                Ok(Invocation::Action { action, call, level })
            }
            Err(_) => bail!("the arguments cannot be read: see `pm-packet {name} --help`"),
        }
    }
}

/// The command that was typed, and the words for it. Options that every command takes may stand before it.
fn typed(mut words: Vec<String>) -> Result<(&'static str, Vec<String>)> {
    let mut at = 0;
    loop {
        let Some(word) = words.get(at) else {
            bail!("there is no action: call pm-packet {} ..., or --help", names().join("|"))
        };
        match word.as_str() {
            "-V" | "--version" => return Ok((VERSION_COMMAND, words)),
            "-h" | "--help" => return Ok((HELP_COMMAND, words)),
            option if option.len() > 1 && option.starts_with('-') && option != "--" => {
                at += usize::from(takes_the_next(option, commands().flags)?);
                if at >= words.len() {
                    bail!("{option} lacks its value: see `pm-packet --help`");
                }
            }
            _ => break,
        }
        at += 1;
    }
    let name = words.remove(at);
    match (name.as_str(), words.get(at).map(String::as_str)) {
        (VERSION_COMMAND, _) => Ok((VERSION_COMMAND, words)),
        (HELP_COMMAND, None | Some(HELP_COMMAND | VERSION_COMMAND)) => Ok((HELP_COMMAND, words)),
        (HELP_COMMAND, Some(option)) if option.starts_with('-') => Ok((HELP_COMMAND, words)),
        (HELP_COMMAND, Some(command)) => Ok((known(command)?, vec!["--help".to_owned()])),
        _ => Ok((known(&name)?, words)),
    }
}

/// The command of this name.
fn known(name: &str) -> Result<&'static str> {
    let names = names();
    match names.iter().find(|known| **known == name) {
        Some(known) => Ok(known),
        None => {
            let meant = did_you_mean(name, names.iter().copied().chain([HELP_COMMAND, VERSION_COMMAND]));
            bail!("there is no action {name:?}: {meant}the known ones are {}", names.join(", "))
        }
    }
}

/// What the table says of a command.
fn command(name: &str) -> CommandInfoWithArgs {
    let all = commands().commands.into_iter();
    all.map(|one| one.command).find(|one| one.name == name).unwrap_or_default()
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
