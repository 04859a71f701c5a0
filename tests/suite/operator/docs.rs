//! The error page and the manual, held against the code and its help.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::ACTIONS;
use pm_packet::provider::PROVIDERS;

/// The repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A file of the repository.
pub fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The driver's source: each file without its own tests and without comments.
fn source() -> Vec<(String, String)> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    files(&path, found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    files(&Path::new(ROOT).join("src"), &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (path.display().to_string(), lines.join("\n"))
    };
    found.into_iter().map(read).collect()
}

/// What a string literal says: its escapes resolved, and `…` for what is filled in.
fn said(literal: &str) -> String {
    let mut text = String::new();
    let mut chars = literal.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            '{' | '}' if chars.next_if_eq(&c).is_some() => text.push(c),
            '{' => {
                while chars.next().is_some_and(|c| c != '}') {}
                text.push('…');
            }
            other => text.push(other),
        }
    }
    text
}

/// The literal that `text` begins with.
fn literal(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('"')?;
    let mut is_escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    Some(&rest[..end])
}

/// What makes an error of two texts: what is wrong, and what to do.
const MISTAKE: &str = "Mistake::new(";

/// What errors say that are made on the spot, with where.
fn errors() -> Vec<(String, String)> {
    const MAKERS: [&str; 6] = ["bail!(", "anyhow!(", ".context(", "with_context(||", "NoSuchHost(", MISTAKE];
    let mut found = Vec::new();
    for (path, text) in source() {
        for maker in MAKERS {
            for (at, _) in text.match_indices(maker) {
                let mut rest = text[at + maker.len()..].trim_start();
                for word in ["{", "format!(", "anyhow!("] {
                    rest = rest.strip_prefix(word).unwrap_or(rest).trim_start();
                }
                // What is wrong; what to do follows as another text.
                let end = if maker == MISTAKE { ": …" } else { "" };
                found.extend(literal(rest).map(|literal| (path.clone(), said(literal) + end)));
            }
        }
    }
    found
}

/// The lines of the page's tables: what stands in the first column, as code.
fn entries() -> Vec<String> {
    let page = read("docs/errors.md");
    let entries = page.lines().filter_map(|line| {
        let line = line.strip_prefix("| ")?;
        let fence = if line.starts_with("``") { "``" } else { "`" };
        let rest = line.strip_prefix(fence)?;
        Some(rest[..rest.find(fence)?].trim().to_owned())
    });
    entries.collect()
}

#[test]
fn the_error_page_has_every_error_of_the_code() {
    let known: BTreeSet<String> = entries().into_iter().collect();
    let is_said = |text: &str| text.chars().filter(|c| c.is_alphabetic()).count() > 7;
    let errors = errors();
    assert!(errors.len() > 90, "the code is not read: {}", errors.len());
    let is_known = |text: &String| {
        let begin = text.strip_suffix('…').filter(|begin| begin.ends_with(": "));
        known.contains(text) || begin.is_some_and(|begin| known.iter().any(|entry| entry.starts_with(begin)))
    };
    let missing: Vec<&(String, String)> = errors.iter().filter(|(_, text)| is_said(text) && !is_known(text)).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks: {missing:#?}");
}

#[test]
fn the_error_page_has_no_error_that_the_code_does_not_have() {
    let mut code = String::new();
    for (_, text) in source() {
        for (at, _) in text.match_indices('"') {
            if let Some(literal) = literal(&text[at..]) {
                code.push_str(&said(literal));
                code.push('\n');
            }
        }
    }
    let is_there = |entry: &String| {
        let mut parts = entry.split('…').map(|part| part.trim_matches([' ', ':', ';', ',', '(', ')']));
        // What is wrong, and what to do, are two texts in most places.
        let is_said = |part: &str| part.len() < 4 || code.contains(part);
        parts.all(|part| is_said(part) || part.split(": ").all(is_said))
    };
    let strange: Vec<String> = entries().into_iter().filter(|entry| !is_there(entry)).collect();
    assert!(strange.is_empty(), "not in the code: {strange:#?}");
}

/// The words of the help and of the code that the manual has to know.
fn commands() -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pm-packet")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    let words = lines.filter_map(|line| line.split_whitespace().next());
    let words = words.filter(|word| !word.starts_with('-')).map(str::to_owned);
    words.collect()
}

/// The settings that the code reads: the names in capitals with which it asks for them.
fn settings() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in source() {
        let asked = [".get(", "timeout_of("].map(|call| text.match_indices(call).map(move |(at, _)| at + call.len()));
        for at in asked.into_iter().flatten() {
            let name = literal(&text[at..]).unwrap_or_default();
            let is_setting = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if name.len() > 3 && name.contains('_') && name.chars().all(is_setting) {
                names.insert(name.to_owned());
            }
        }
    }
    assert!(names.contains("PM_TIMEOUT") && names.contains("ONE_XMLRPC"), "{names:?}");
    names
}

#[test]
fn the_manual_has_every_command_and_setting() {
    let manual = read("man/pm-packet.1").replace("\\-", "-");
    for command in commands() {
        let has_it = manual
            .lines()
            .any(|line| line.starts_with(&format!(".B {command}")) || line.starts_with(&format!(".BI \"{command} ")));
        assert!(has_it, "{command}");
    }
    let settings = settings();
    let missing: Vec<&String> = settings
        .iter()
        // Of the host's XML, not of its owner's choice.
        .filter(|name| !name.starts_with("PROVISION_") && *name != "PM_MAD")
        // Of builds for tests alone.
        .filter(|name| *name != "TIME_LAPSE_FOR_TESTS")
        .filter(|name| !manual.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "man/pm-packet.1 lacks {missing:?}");
    for section in
        ["NAME", "SYNOPSIS", "DESCRIPTION", "ACTIONS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
    {
        assert!(
            manual.contains(&format!("\n.SH {section}\n")) || manual.contains(&format!("\n.SH \"{section}\"\n")),
            "{section}"
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(manual.contains(&format!("\"pm-packet {version}\"")), "{version}");
}

#[test]
fn the_manual_is_formatted_without_a_complaint() {
    let groff = Command::new("groff")
        .args(["-man", "-Tascii", "-ww", "-z", "-rLL=78n"])
        .arg(Path::new(ROOT).join("man/pm-packet.1"))
        .output();
    // Not every machine that builds the driver formats manuals.
    let Ok(output) = groff else { return };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn every_driver_is_named_wherever_one_may_be_chosen() {
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.spec().name).collect();
    let default = format!("else the first one of: {}", names.join(", "));
    let output = Command::new(env!("CARGO_BIN_EXE_pm-packet")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    // On a line of its own.
    assert!(help.contains(&default.replace(": ", ":\n")), "{help}");
    let manual = read("man/pm-packet.1");
    assert!(manual.contains(&format!("{default}.\n")), "man/pm-packet.1 lacks {default:?}");
    let installer = read("install.sh");
    let help = installer.lines().skip_while(|line| !line.starts_with("  -D DRIVER")).take(2);
    let help = help.collect::<String>();
    for name in names {
        assert!(help.contains(name), "the help of install.sh lacks {name}: {help}");
        for action in ACTIONS {
            let link = Path::new(ROOT).join("remotes/pm").join(name).join(action);
            let target = fs::read_link(&link).unwrap_or_default();
            assert_eq!(target, Path::new("../pm-packet"), "{}", link.display());
        }
    }
}
