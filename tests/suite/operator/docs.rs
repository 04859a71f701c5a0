//! The pages, held against the code: the error page, the manual, the completion, and what all of them link and name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The driver's source: each file without its own tests and without comments.
fn source() -> Vec<(String, String)> {
    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
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
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
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
    const MAKERS: [&str; 6] =
        ["bail!(", "anyhow!(", ".context(", "with_context(||", "NoSuchHost(", MISTAKE];
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
        known.contains(text)
            || begin.is_some_and(|begin| known.iter().any(|entry| entry.starts_with(begin)))
    };
    let missing: Vec<&(String, String)> =
        errors.iter().filter(|(_, text)| is_said(text) && !is_known(text)).collect();
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
        let mut parts =
            entry.split('…').map(|part| part.trim_matches([' ', ':', ';', ',', '(', ')']));
        parts.all(|part| part.len() < 4 || code.contains(part))
    };
    let strange: Vec<String> = entries().into_iter().filter(|entry| !is_there(entry)).collect();
    assert!(strange.is_empty(), "not in the code: {strange:#?}");
}

/// The words of the help and of the code that the manual and the completion have to know.
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
        for (at, _) in text.match_indices(".get(\"") {
            let name = literal(&text[at + ".get(".len()..]).unwrap_or_default();
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
        let has_it = manual.lines().any(|line| {
            line.starts_with(&format!(".B {command}"))
                || line.starts_with(&format!(".BI \"{command} "))
        });
        assert!(has_it, "{command}");
    }
    let settings = settings();
    let missing: Vec<&String> = settings
        .iter()
        // Of the host's XML, not of its owner's choice.
        .filter(|name| !name.starts_with("PROVISION_") && *name != "PM_MAD")
        .filter(|name| !manual.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "man/pm-packet.1 lacks {missing:?}");
    for section in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "ACTIONS",
        "ENVIRONMENT",
        "FILES",
        "EXIT STATUS",
        "EXAMPLES",
        "SEE ALSO",
    ] {
        assert!(
            manual.contains(&format!("\n.SH {section}\n"))
                || manual.contains(&format!("\n.SH \"{section}\"\n")),
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
fn the_completion_has_every_command_and_option() {
    let completion = read("completions/pm-packet.bash");
    for command in commands() {
        assert!(completion.contains(&command), "{command}");
    }
    for command in ["check", "list"] {
        let output = Command::new(env!("CARGO_BIN_EXE_pm-packet"))
            .args([command, "--help"])
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
        for option in options.filter_map(|line| line.split_whitespace().next()) {
            assert!(completion.contains(&format!("--{option}")), "{option}");
        }
    }
}

/// The documents: their paths and their texts.
fn documents() -> Vec<(PathBuf, String)> {
    fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if Path::new(ROOT).join(&path).is_dir() {
                pages(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut found: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .iter()
        .map(PathBuf::from)
        .collect();
    pages(Path::new("docs"), &mut found);
    found.sort();
    assert!(found.len() > 8, "documents are missing: {found:?}");
    let with_text = |path: PathBuf| {
        let text = read(path.to_str().unwrap());
        (path, text)
    };
    found.into_iter().map(with_text).collect()
}

/// The lines of a page that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence && !line.starts_with("    ")
    })
}

/// What the links and images of a page point to.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for (at, _) in line.match_indices(opening) {
                let rest = &line[at + opening.len()..];
                found.extend(rest.find(closing).map(|end| rest[..end].to_owned()));
            }
        }
    }
    found
}

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let slug = |heading: &str| -> String {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn every_link_of_the_documents_points_to_something() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for (page, text) in documents() {
        for link in links(&text) {
            if link.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = match file {
                "" => page.clone(),
                file => page.with_file_name(file),
            };
            let path = Path::new(ROOT).join(path);
            let is_there = path.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&path).unwrap_or_default()).contains(anchor));
            if !is_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(followed > 20, "the links are not read: {followed}");
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
}

#[test]
fn the_readme_is_an_overview_with_the_two_commands_and_the_demo() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 170, "{lines} lines");
    for command in ["./install.sh --demo", "cargo test --workspace --locked"] {
        let has_it = readme.lines().any(|line| line.strip_prefix("    ") == Some(command));
        assert!(has_it, "{command}");
    }
    let picture =
        readme.lines().position(|line| line.starts_with("![") && line.contains("(docs/demo.svg)"));
    assert!(picture.is_some_and(|line| line < 40), "{picture:?}");
}

#[test]
fn the_readme_links_every_document() {
    let linked: BTreeSet<String> = links(&read("README.md")).into_iter().collect();
    for (page, _) in documents() {
        let page = page.display().to_string();
        assert!(page == "README.md" || linked.contains(&page), "{page}");
    }
}

#[test]
fn every_page_of_a_provider_says_where_its_attributes_are() {
    for (page, text) in documents() {
        if page.starts_with("docs/providers") {
            for mark in ["begin", "end"] {
                let mark = format!("\n<!-- attributes: {mark} -->\n");
                assert_eq!(text.matches(&mark).count(), 1, "{}: {mark}", page.display());
            }
        }
    }
}

#[test]
fn no_document_names_a_source_that_is_not_there() {
    let is_of_a_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let mut named = BTreeSet::new();
    let mut missing = Vec::new();
    for (page, text) in documents() {
        for (at, _) in text.match_indices("src/") {
            // Another crate's, as that of the simulator.
            if text[..at].ends_with(is_of_a_path) {
                continue;
            }
            let rest = &text[at..];
            let end = rest.find(|c| !is_of_a_path(c)).unwrap_or(rest.len());
            let mut path = Path::new(rest[..end].trim_end_matches('.'));
            // `NAME.rs` stands for any: then its folder is what must be there.
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            if stem.chars().all(|c| c.is_ascii_uppercase()) {
                path = path.parent().unwrap();
            }
            named.insert(path.to_owned());
            if !Path::new(ROOT).join(path).exists() {
                missing.push(format!("{}: {}", page.display(), path.display()));
            }
        }
    }
    assert!(named.len() > 8, "the documents are not read: {named:?}");
    assert!(missing.is_empty(), "not there: {missing:#?}");
}
