//! The commands and their options, in one table: that of the derived parsers.

use argh::{ArgsInfo, CommandInfoWithArgs, FromArgs, SubCommand, SubCommands};

use crate::action::{Cancel, Check, Context, Deploy, Fence, List, Outcome, Poll, Reboot, Reset, Shutdown};

/// OpenNebula provision driver for bare metal.
#[derive(FromArgs, ArgsInfo)]
#[argh(help_triggers("-h", "--help"))]
pub(super) struct Arguments {
    /// log each decision on stderr, as PM_LOG=info does
    #[argh(switch, short = 'd')]
    pub(super) verbose: bool,
    /// log each request too, as PM_LOG=debug does
    #[argh(switch, short = 'D')]
    pub(super) debug: bool,
    /// the driver, in place of the PM_MAD of the host
    #[argh(option, arg_name = "NAME")]
    pub(super) driver: Option<String>,
    #[argh(subcommand)]
    pub(super) action: Action,
}

/// Every action, in one table.
#[derive(FromArgs, ArgsInfo)]
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

/// The subcommands that are not OpenNebula's actions: only a person calls them, and no link stands for them.
const FOR_PERSONS: [&str; 2] = [Check::COMMAND.name, List::COMMAND.name];

impl Action {
    /// Whether it changes nothing.
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::Poll(_) | Self::Check(_) | Self::List(_))
    }

    /// Does it.
    ///
    /// # Errors
    /// As each action tells.
    pub fn run(self, context: &Context<'_>) -> anyhow::Result<Outcome> {
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

/// All commands, with their options and arguments; those of the whole are the options that each command takes.
pub fn commands() -> CommandInfoWithArgs {
    Arguments::get_args_info()
}

/// The names of the commands.
pub(super) fn names() -> Vec<&'static str> {
    Action::COMMANDS.iter().map(|command| command.name).collect()
}

/// Whether a link of this name stands for an action.
pub(super) fn is_driver_action(name: &str) -> bool {
    names().contains(&name) && !FOR_PERSONS.contains(&name) && name != Fence::COMMAND.name
}
