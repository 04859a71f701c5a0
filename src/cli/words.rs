//! What a person typed after the command, sorted: options with their values before the arguments.

use anyhow::{Result, bail};
use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality};

use crate::report::near::did_you_mean;

/// The words of a command line, as the parser of the command reads them without a complaint.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// Options that every command takes, with their values.
    pub(super) common: Vec<String>,
    /// Those of the command itself.
    pub(super) own: Vec<String>,
    /// The arguments.
    pub(super) arguments: Vec<String>,
    /// Whether the help is asked for.
    pub(super) wants_help: bool,
}

impl Words {
    /// Sorts `words`. An option that a command has itself is not the common one of that name.
    ///
    /// # Errors
    /// An option that there is not, without its value, or twice.
    pub(super) fn sort(command: &CommandInfoWithArgs, common: &[FlagInfo<'_>], words: &[String]) -> Result<Self> {
        let mut sorted = Self::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match word.as_str() {
                "--" => sorted.arguments.extend(rest.by_ref().cloned()),
                "-h" | "--help" => return Ok(Self { wants_help: true, ..sorted }),
                "-" => sorted.arguments.push(word.clone()),
                option if option.starts_with('-') => {
                    sorted.take(option, &mut rest, command, common)?;
                }
                _ => sorted.arguments.push(word.clone()),
            }
        }
        Ok(sorted)
    }

    fn take<'a>(
        &mut self,
        word: &str,
        rest: &mut impl Iterator<Item = &'a String>,
        command: &CommandInfoWithArgs,
        common: &[FlagInfo<'_>],
    ) -> Result<()> {
        let Typed { name, value } = Typed::of(word);
        let name_of = command.name;
        let find = |flags: &[FlagInfo<'_>]| {
            flags.iter().find(|flag| is_called(flag, name)).map(|flag| (flag.long.to_owned(), takes_value(flag)))
        };
        let (place, (long, takes_value)) = match (find(command.flags), find(common)) {
            (Some(own), _) => (&mut self.own, own),
            (None, Some(common)) => (&mut self.common, common),
            (None, None) => {
                let known = command.flags.iter().chain(common).map(|flag| flag.long);
                let meant = did_you_mean(name, known);
                bail!("there is no option {name}: {meant}see `pm-packet {name_of} --help`")
            }
        };
        let is_there = place.contains(&long);
        match (takes_value, value) {
            (false, Some(_)) => bail!("{long} takes no value: leave out what follows it"),
            (false, None) if is_there => return Ok(()),
            (true, _) if is_there => bail!("{long} stands twice: give it once"),
            _ => {}
        }
        place.push(long.clone());
        if takes_value {
            let value = value.map(str::to_owned).or_else(|| rest.next().cloned());
            match value {
                Some(value) => place.push(value),
                None => bail!("{long} lacks its value: see `pm-packet {name_of} --help`"),
            }
        }
        Ok(())
    }

    /// Whether there are as many arguments as the command takes.
    ///
    /// # Errors
    /// Those that are missing, all at once, or one too many.
    pub(super) fn check_arguments(&self, command: &CommandInfoWithArgs) -> Result<()> {
        let (name, known) = (command.name, command.positionals);
        let is_needed = |at: usize| known[at].optionality == Optionality::Required;
        let missing: Vec<&str> =
            (self.arguments.len()..known.len()).filter(|at| is_needed(*at)).map(|at| known[at].name).collect();
        if !missing.is_empty() {
            bail!("the arguments lack {}: see `pm-packet {name} --help`", missing.join(" and "));
        }
        let takes_more = known.last().is_some_and(|last| last.optionality == Optionality::Repeating);
        if let Some(surplus) = self.arguments.get(known.len()).filter(|_| !takes_more) {
            bail!("{surplus:?} is one argument too many: see `pm-packet {name} --help`");
        }
        Ok(())
    }
}

/// Whether the value of the option `word`, which every command takes, is the word after it.
///
/// # Errors
/// There is no such option.
pub(super) fn takes_the_next(word: &str, common: &[FlagInfo<'_>]) -> Result<bool> {
    let Typed { name, value } = Typed::of(word);
    match common.iter().find(|flag| is_called(flag, name)) {
        Some(flag) => Ok(takes_value(flag) && value.is_none()),
        None => {
            let known = common.iter().map(|flag| flag.long).chain(["--help", "--version"]);
            bail!("there is no option {name}: {}see `pm-packet --help`", did_you_mean(name, known))
        }
    }
}

/// An option as it was typed: `--name`, `--name=value`, `-n` or `-nvalue`.
struct Typed<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Typed<'a> {
    fn of(word: &'a str) -> Self {
        if word.starts_with("--") {
            return match word.split_once('=') {
                Some((name, value)) => Self { name, value: Some(value) },
                None => Self { name: word, value: None },
            };
        }
        let end = word.char_indices().nth(2).map_or(word.len(), |(end, _)| end);
        let (name, value) = word.split_at(end);
        Self { name, value: Some(value).filter(|value| !value.is_empty()) }
    }
}

fn is_called(flag: &FlagInfo<'_>, name: &str) -> bool {
    flag.long == name || flag.short.is_some_and(|short| name.strip_prefix('-') == Some(short.to_string().as_str()))
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}
