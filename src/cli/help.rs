//! The help: of all commands, and of one, from the table of the command line.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};

use crate::provider::PROVIDERS;
use crate::report::screen::Screen;
use crate::report::table::{Look, Table};

/// How wide the help is: nobody's terminal is narrower.
const PAGE: Screen = Screen { width: Some(80), has_colours: false, has_utf8: false, is_terminal: false };

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

  -h, --help, help [COMMAND]    this text, or that of a command
  -V, --version, version        the version
  -d, --verbose; -D, --debug    log decisions (PM_LOG=info); requests (=debug)
  --driver NAME                 the driver, in place of the one said above
Exit codes: 0 done; 1 check or list found something; 255 failed. man pm-packet";

/// The help, with the drivers of the table in it.
pub(super) fn of_all() -> String {
    let drivers: Vec<&str> = PROVIDERS.iter().map(|one| one.spec().name).collect();
    HELP.replace("DRIVERS", &drivers.join(", "))
}

/// The help of a command, which also takes the options `common`.
pub(super) fn of_command(command: &CommandInfoWithArgs, common: &[FlagInfo<'_>]) -> String {
    let mut words = vec![format!("Usage: pm-packet {}", command.name)];
    let own = command.flags.iter().filter(|flag| !is_help(flag));
    words.extend(own.clone().map(|flag| format!("[{}]", written(flag))));
    words.extend(command.positionals.iter().map(usage_of));
    let usage = PAGE.folded(&words.join(" "));
    let mut text = format!("{usage}\n\n{}\n", PAGE.folded(command.description));
    let arguments = command.positionals.iter().map(|one| (one.name.to_owned(), one.description));
    paragraph(&mut text, "Arguments", arguments);
    let is_own = |flag: &&FlagInfo<'_>| command.flags.iter().any(|own| own.long == flag.long);
    let common = common.iter().filter(|flag| !is_help(flag) && !is_own(flag));
    let options = own.chain(common).map(|flag| (option(flag), flag.description));
    paragraph(&mut text, "Options", options.chain([("-h, --help".to_owned(), "this text")]));
    text
}

fn paragraph<'a>(text: &mut String, title: &str, lines: impl Iterator<Item = (String, &'a str)>) {
    let mut table = Table::new(PAGE);
    lines.for_each(|(name, about)| table.row([(name, Look::Plain), (about.to_owned(), Look::Plain)]));
    let lines = table.text(2);
    if !lines.is_empty() {
        text.push_str(&format!("\n{title}:\n{lines}"));
    }
}

fn is_help(flag: &FlagInfo<'_>) -> bool {
    flag.long == "--help"
}

/// `--name VALUE`
fn written(flag: &FlagInfo<'_>) -> String {
    match flag.kind {
        FlagInfoKind::Option { arg_name } => format!("{} {arg_name}", flag.long),
        FlagInfoKind::Switch => flag.long.to_owned(),
    }
}

/// `-n, --name VALUE`
fn option(flag: &FlagInfo<'_>) -> String {
    let short = flag.short.map(|short| format!("-{short}, "));
    short.unwrap_or_default() + &written(flag)
}

fn usage_of(argument: &PositionalInfo<'_>) -> String {
    match argument.optionality {
        Optionality::Required => argument.name.to_owned(),
        Optionality::Optional => format!("[{}]", argument.name),
        Optionality::Repeating | Optionality::Greedy => format!("[{}...]", argument.name),
    }
}
