//! The completions of three shells: made here of the tables of the command line, and asked by the shells that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind};
use pm_packet::cli;
use pm_packet::provider::PROVIDERS;

use super::docs::{ROOT, read};

/// What the shells offer.
struct Offers {
    /// The options before a command.
    common: Vec<Choice>,
    commands: Vec<Offer>,
}

/// A command, with the options that every command takes.
struct Offer {
    name: String,
    about: String,
    options: Vec<Choice>,
    arguments: Arguments,
}

#[derive(PartialEq, Eq)]
enum Arguments {
    Files,
    Commands,
    Others,
}

/// An option of a command.
#[derive(Clone, PartialEq, Eq)]
struct Choice {
    /// With its dashes.
    long: String,
    short: Option<char>,
    about: String,
    value: Option<Value>,
}

/// What stands after an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Host,
    Driver,
    File,
    Other,
}

impl Offers {
    /// What the tables have, and the words that are in none.
    fn of_tables() -> Self {
        let tables = cli::commands();
        let version =
            Choice { long: "--version".into(), short: Some('V'), about: "print the version".into(), value: None };
        let common: Vec<Choice> = options_of(tables.flags);
        let mut commands: Vec<Offer> = tables.commands.iter().map(|one| Offer::of(&one.command, &common)).collect();
        let mut word = |name: &str, about: &str, arguments| {
            commands.push(Offer { name: name.into(), about: about.into(), options: Vec::new(), arguments });
        };
        word("help", "print the help, or that of a command", Arguments::Commands);
        word("version", "print the version", Arguments::Others);
        Offers { common: common.into_iter().chain([version]).collect(), commands }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.commands.iter().map(|command| command.name.as_str()).collect();
        names.join(" ")
    }

    /// The options, each with the commands that take it; those before a command are of the one without a name.
    fn options(&self) -> impl Iterator<Item = (&str, &Choice)> {
        let of_commands = self.commands.iter().flat_map(|command| {
            let name = command.name.as_str();
            command.options.iter().map(move |option| (name, option))
        });
        self.common.iter().map(|option| ("", option)).chain(of_commands)
    }
}

impl Offer {
    fn of(command: &CommandInfoWithArgs, common: &[Choice]) -> Self {
        let mut options = options_of(command.flags);
        let common = common.iter().filter(|common| options.iter().all(|own| own.long != common.long));
        let common: Vec<Choice> = common.cloned().collect();
        options.extend(common);
        let takes_files = command.positionals.iter().any(|argument| argument.name.contains("FILE"));
        Offer {
            name: command.name.to_owned(),
            about: brief(command.description),
            options,
            arguments: if takes_files { Arguments::Files } else { Arguments::Others },
        }
    }
}

fn options_of(flags: &[FlagInfo<'_>]) -> Vec<Choice> {
    let option = |flag: &FlagInfo<'_>| Choice {
        long: flag.long.to_owned(),
        short: if flag.long == "--help" { Some('h') } else { flag.short },
        about: brief(flag.description),
        value: match flag.kind {
            FlagInfoKind::Switch => None,
            FlagInfoKind::Option { arg_name: "ID" | "HOST_ID" } => Some(Value::Host),
            FlagInfoKind::Option { arg_name: "FILE" } => Some(Value::File),
            FlagInfoKind::Option { .. } if flag.long == "--driver" => Some(Value::Driver),
            FlagInfoKind::Option { .. } => Some(Value::Other),
        },
    };
    flags.iter().map(option).collect()
}

/// The begin of a description, as shells have it in one line.
fn brief(description: &str) -> String {
    let end = [". ", ".\n", "\n\n", "; ", ": ", " ("].iter().filter_map(|mark| description.find(mark)).min();
    let text = description[..end.unwrap_or(description.len())].trim_end_matches('.').replace('\n', " ");
    let (first, rest) = text.split_at(1);
    first.to_lowercase() + rest
}

impl Choice {
    /// The option as it is written, in each form.
    fn forms(&self) -> Vec<String> {
        let short = self.short.map(|letter| format!("-{letter}"));
        short.into_iter().chain([self.long.clone()]).collect()
    }
}

/// Prints the ids of all hosts.
const HOSTS: &str = "onehost list --no-header --list ID 2>/dev/null";
const MADE: &str =
    "completion for pm-packet, made of the tables of its command line: tests/suite/operator/completions.rs";

fn drivers() -> String {
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.spec().name).collect();
    names.join(" ")
}

fn bash(offers: &Offers) -> String {
    let forms = |options: &[Choice]| options.iter().flat_map(Choice::forms).collect::<Vec<_>>();
    let with_value: Vec<Choice> = offers.common.iter().filter(|option| option.value.is_some()).cloned().collect();
    let mut text = format!(
        r#"# bash {MADE}
# Installed as /usr/share/bash-completion/completions/pm-packet

_pm_packet() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command='' words='' files='' at=1
    COMPREPLY=()
    while [[ $at -lt $COMP_CWORD && -z $command ]]; do
        case ${{COMP_WORDS[at]}} in
            {}) at=$((at + 1)) ;;
            -* | =) ;;
            *) [[ ${{COMP_WORDS[at - 1]}} == '=' ]] || command=${{COMP_WORDS[at]}} ;;
        esac
        at=$((at + 1))
    done
    # bash takes --option=value for three words.
    if [[ $word == '=' ]]; then
        word=''
    elif [[ $before == '=' ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    case $before in
"#,
        forms(&with_value).join(" | ")
    );
    for (value, offer) in [
        (Value::Host, format!("words=$({HOSTS})")),
        (Value::Driver, format!("words='{}'", drivers())),
        (Value::File, "files=yes".to_owned()),
        (Value::Other, ":".to_owned()),
    ] {
        let takers = offers.options().filter(|(_, option)| option.value == Some(value));
        let patterns: BTreeSet<String> = takers.flat_map(|(_, option)| option.forms()).collect();
        let patterns: Vec<String> = patterns.into_iter().collect();
        text += &format!("        {}) {offer} ;;\n", patterns.join(" | "));
    }
    let common = forms(&offers.common).join(" ");
    text += &format!(
        "        *)\n            case $command in\n                '') words='{} {common}' ;;\n",
        offers.names()
    );
    for command in &offers.commands {
        let mut words = forms(&command.options);
        if command.arguments == Arguments::Commands {
            words.push(offers.names());
        }
        let files = if command.arguments == Arguments::Files { " files=yes" } else { "" };
        text += &format!("                {}) words='{}'{files} ;;\n", command.name, words.join(" "));
    }
    text += r#"            esac
            [[ $word != -* ]] || files=''
            ;;
    esac
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}

complete -F _pm_packet pm-packet
"#;
    text
}

fn zsh(offers: &Offers) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let spec = |option: &Choice| {
        let about = option.about.replace('\\', r"\\").replace('[', r"\[").replace(']', r"\]");
        let value = match option.value {
            None => String::new(),
            Some(Value::Host) => ":host:_pm-packet_hosts".to_owned(),
            Some(Value::Driver) => format!(":driver:({})", drivers()),
            Some(Value::File) => ":file:_files".to_owned(),
            Some(Value::Other) => ":value: ".to_owned(),
        };
        let rest = format!("[{about}]{value}");
        let (after_short, after_long) = if option.value.is_some() { ("+", "=") } else { ("", "") };
        match option.short {
            // Each excludes the other.
            Some(short) => format!(
                "'(-{short} {long})'{{-{short}{after_short},{long}{after_long}}}{}",
                quoted(&rest),
                long = option.long
            ),
            None => quoted(&format!("{}{after_long}{rest}", option.long)),
        }
    };
    let lines = |options: &[Choice], indent: usize| {
        options.iter().map(|option| format!("{}{}\n", " ".repeat(indent), spec(option))).collect::<String>()
    };
    let (version, common) = offers.common.split_last().expect("that of the version is the last");
    let mut text = format!(
        r#"#compdef pm-packet
# zsh {MADE}
# Installed as _pm-packet in a folder of $fpath

_pm-packet_hosts() {{
    local -a hosts=(${{=$({HOSTS})}})
    _describe host hosts
}}

_pm-packet() {{
    local curcontext=$curcontext state
    local -a line commands=(
"#
    );
    for command in &offers.commands {
        text += &format!("        {}\n", quoted(&format!("{}:{}", command.name, command.about)));
    }
    text += &format!("    ) common=(\n{}    ) own=()\n", lines(common, 8));
    text += &format!("    _arguments -C $common {} \\\n", spec(version));
    text += r#"        '1:command:->command' '*::argument:->argument' && return
    case $state in
        command) _describe command commands ;;
        argument)
            case $words[1] in
"#;
    for command in &offers.commands {
        let own: Vec<Choice> = command.options.iter().filter(|option| !common.contains(option)).cloned().collect();
        // An option of the command's own stands in the place of the common one.
        let with_common = match own.iter().find(|own| common.iter().any(|common| common.long == own.long)) {
            _ if command.options.is_empty() => String::new(),
            None => "$common ".to_owned(),
            Some(own) => format!("${{common:#{}=*}} ", own.long),
        };
        let rest = match command.arguments {
            Arguments::Files => "'1:file:_files' '*: : '".to_owned(),
            Arguments::Commands => format!("'1:command:({})'", offers.names()),
            Arguments::Others => "'*: : '".to_owned(),
        };
        text += &format!("                {})\n", command.name);
        if !own.is_empty() {
            text += &format!("                    own=(\n{}                    )\n", lines(&own, 24));
        }
        text += &format!("                    _arguments $own {with_common}{rest}\n                    ;;\n");
    }
    text += "            esac\n            ;;\n    esac\n}\n\n_pm-packet \"$@\"\n";
    text
}

fn fish(offers: &Offers) -> String {
    const FIRST: &str = "'not __pm_packet_command >/dev/null'";
    let quoted = |text: &str| format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"));
    let after = |commands: &[&str]| format!("'__pm_packet_is {}'", commands.join(" "));
    let line = |condition: &str, rest: &str| format!("complete -c pm-packet -n {condition} {rest}\n");
    let with_value = offers.common.iter().filter(|option| option.value.is_some());
    let with_value: Vec<String> = with_value.flat_map(Choice::forms).collect();
    let mut text = format!(
        r#"# fish {MADE}
# Installed as /usr/share/fish/vendor_completions.d/pm-packet.fish

# Prints the command that stands on the line, and fails where there is none yet.
function __pm_packet_command
    set -l words (commandline -opc)[2..]
    while set -q words[1]
        switch $words[1]
            case {}
                set words $words[2..]
            case '-*'
            case '*'
                echo $words[1]
                return 0
        end
        set words $words[2..]
    end
    return 1
end

function __pm_packet_is
    set -l command (__pm_packet_command)
    and contains -- $command $argv
end

complete -c pm-packet -f
"#,
        with_value.join(" ")
    );
    for command in &offers.commands {
        text += &line(FIRST, &format!("-a {} -d {}", command.name, quoted(&command.about)));
    }
    for command in &offers.commands {
        match command.arguments {
            Arguments::Files => text += &line(&after(&[&command.name]), "-F"),
            Arguments::Commands => text += &line(&after(&[&command.name]), &format!("-a '{}'", offers.names())),
            Arguments::Others => {}
        }
    }
    // Each option once, for all commands that take it.
    let mut told: Vec<&Choice> = Vec::new();
    for (_, option) in offers.options() {
        if told.contains(&option) {
            continue;
        }
        told.push(option);
        let takers = offers.options().filter(|(_, other)| *other == option).map(|(command, _)| command);
        let takers: Vec<&str> = takers.collect();
        let named: Vec<&str> = takers.iter().copied().filter(|command| !command.is_empty()).collect();
        let short = option.short.map_or(String::new(), |letter| format!("-s {letter} "));
        let value = match option.value {
            None => String::new(),
            Some(Value::Host) => format!(" -x -a '({HOSTS} | string trim)'"),
            Some(Value::Driver) => format!(" -x -a '{}'", drivers()),
            Some(Value::File) => " -r -F".to_owned(),
            Some(Value::Other) => " -x".to_owned(),
        };
        let rest = format!("{short}-l {}{value} -d {}", option.long.trim_start_matches('-'), quoted(&option.about));
        if named.len() < takers.len() {
            text += &line(FIRST, &rest);
        }
        if !named.is_empty() {
            text += &line(&after(&named), &rest);
        }
    }
    text
}

/// Writes the completion of a shell.
type Writer = fn(&Offers) -> String;

/// The files of the completions.
const FILES: [(&str, Writer); 3] =
    [("completions/pm-packet.bash", bash), ("completions/_pm-packet", zsh), ("completions/pm-packet.fish", fish)];

#[test]
fn the_completions_are_those_of_the_tables() {
    let offers = Offers::of_tables();
    for (file, made) in FILES {
        let made = made(&offers);
        if std::env::var_os("PM_PACKET_BLESS").is_some() {
            fs::write(Path::new(ROOT).join(file), made).unwrap();
        } else {
            assert!(
                fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default() == made,
                "{file} is not that of the tables. To write it, run:\n\
                 PM_PACKET_BLESS=1 cargo test --locked the_completions_are_those"
            );
        }
    }
}

#[test]
fn the_completions_have_every_command_option_and_driver() {
    let tables = cli::commands();
    let flags = |command: &CommandInfoWithArgs| {
        let longs = command.flags.iter().map(|flag| flag.long.trim_start_matches('-').to_owned());
        longs.collect::<Vec<_>>()
    };
    let mut words: BTreeSet<String> = flags(&tables).into_iter().collect();
    for command in &tables.commands {
        words.insert(command.name.to_owned());
        words.extend(flags(&command.command));
    }
    words.extend(PROVIDERS.iter().map(|provider| provider.spec().name.to_owned()));
    assert!(words.len() > 25, "{words:?}");
    for (file, _) in FILES {
        let text = read(file);
        for word in &words {
            assert!(text.contains(word.as_str()), "{file} lacks {word}");
        }
    }
}

/// What a shell prints of a script, a line each; none where there is no such shell here.
fn asked(shell: &str, script: &str) -> Option<Vec<String>> {
    let output = match Command::new(shell).args(["-c", script]).current_dir(ROOT).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}: {script}");
    assert!(output.status.success(), "{shell}: {script}");
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// What stands before the cursor, and what is offered there: all of these, and none of those.
type Asked = (&'static str, &'static [&'static str], &'static [&'static str]);

const ASKED: [Asked; 12] = [
    ("pm-packet ", &["deploy", "check", "list", "fence", "help", "version"], &["packet", "Cargo.toml", "7"]),
    ("pm-packet de", &["deploy"], &["check"]),
    ("pm-packet --ver", &["--version"], &["deploy"]),
    ("pm-packet help c", &["cancel", "check"], &["deploy"]),
    ("pm-packet check Cargo.t", &["Cargo.toml"], &["--host"]),
    ("pm-packet deploy Cargo.t", &["Cargo.toml"], &[]),
    ("pm-packet check --", &["--host", "--fence", "--json"], &["--all", "Cargo.toml"]),
    ("pm-packet list --host ", &["7", "12"], &["Cargo.toml", "packet"]),
    ("pm-packet cancel --credentials-of 1", &["12"], &["7"]),
    ("pm-packet list --driver ", &["packet", "dummy", "ironic"], &["7", "Cargo.toml"]),
    ("pm-packet list --metrics Cargo.t", &["Cargo.toml"], &["packet"]),
    ("pm-packet -D --driver packet ca", &["cancel"], &["check"]),
];

#[track_caller]
fn assert_offered(shell: &str, offered: impl Fn(&str) -> Option<Vec<String>>) {
    for (typed, expected, others) in ASKED {
        let Some(offered) = offered(typed) else { return };
        let has = |word: &&&str| offered.iter().any(|one| one == **word);
        assert_eq!(expected.iter().find(|word| !has(word)), None, "{shell}, {typed:?}: {offered:?}");
        assert_eq!(others.iter().find(has), None, "{shell}, {typed:?}: {offered:?}");
    }
}

#[test]
fn bash_offers_what_can_stand_there() {
    let offered = |words: &str| {
        let script = format!(
            "onehost() {{ printf '   7\\n  12\\n'; }}\n. completions/pm-packet.bash\nCOMP_WORDS=({words})\n\
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n_pm_packet\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        asked("bash", &script)
    };
    // A word that was not begun is an empty one.
    assert_offered("bash", |typed| {
        offered(&if typed.ends_with(' ') { format!("{typed}''") } else { typed.to_owned() })
    });
    // bash takes --host=1 for three words.
    for (words, expected) in [
        ("pm-packet list --host =", vec!["7", "12"]),
        ("pm-packet list --host = 1", vec!["12"]),
        ("pm-packet --driver = packet fe", vec!["fence"]),
    ] {
        assert_eq!(offered(words).unwrap(), expected, "{words}");
    }
}

#[test]
fn fish_offers_what_can_stand_there() {
    assert_offered("fish", |typed| {
        let script = format!(
            "function onehost; printf '   7\\n  12\\n'; end\nsource completions/pm-packet.fish\ncomplete -C '{typed}'"
        );
        // After a tab stands what it is.
        let lines = asked("fish", &script)?;
        Some(lines.iter().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect())
    });
}

#[test]
fn zsh_reads_its_completion() {
    let Some(lines) = asked("zsh", "zsh -n completions/_pm-packet && echo read") else { return };
    assert_eq!(lines, ["read"]);
    assert!(read("completions/_pm-packet").starts_with("#compdef pm-packet\n"));
}
