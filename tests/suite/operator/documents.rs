//! The documents: what they link and name is there, and their tables of attributes are the code's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pm_packet::provider::PROVIDERS;
use pm_packet::provider::attribute::Attribute;
use pm_packet::provider::spec::{Identity, Spec, UserDataForm};

use super::docs::{ROOT, read};

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
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].iter().map(PathBuf::from).collect();
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
                && (anchor.is_empty() || anchors(&fs::read_to_string(&path).unwrap_or_default()).contains(anchor));
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
    let picture = readme.lines().position(|line| line.starts_with("![") && line.contains("(docs/demo.svg)"));
    assert!(picture.is_some_and(|line| line < 15), "{picture:?}");
}

#[test]
fn the_picture_is_of_the_demo_and_as_wide_as_it_is() {
    let picture = read("docs/demo.svg");
    let demo = read("tests/simulator/src/program/demo/mod.rs");
    let texts: Vec<String> = picture.split("<text ").skip(1).map(text_of).collect();
    assert!((20..=48).contains(&texts.len()), "{} lines", texts.len());
    let mut titles = 0;
    for text in &texts {
        let Some((number, title)) = text.split_once(". ") else { continue };
        if number.parse::<u8>().is_ok() {
            titles += 1;
            assert!(
                demo.contains(&format!("\"{title}\"")),
                "the demo has no step {title:?}: run tests/simulator/picture"
            );
        }
    }
    assert!(titles > 2, "{texts:#?}");
    for shown in
        ["$ ./install.sh --demo", "$ pm-packet check ", "$ packet/deploy ", "$ pm-packet list ", "$ pm-packet cancel "]
    {
        assert!(texts.iter().any(|text| text.starts_with(shown)), "{shown}");
    }
    assert!(texts.iter().any(|text| text.contains(" of 0:20 | ")), "the line of a wait");
    assert!(texts.iter().all(|text| text.chars().count() <= 80), "{texts:#?}");
    assert!(!picture.contains("/tmp"), "a path of a machine");
    assert!(picture.contains("prefers-color-scheme:dark"));
}

/// The text in an element of SVG, from after its opening: that of its spans.
fn text_of(element: &str) -> String {
    let end = element.find("</text>").unwrap();
    let pieces = element[..end].split('<').map(|piece| piece.rsplit('>').next().unwrap_or_default());
    pieces.collect::<String>().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[test]
fn the_readme_links_every_document() {
    let linked: BTreeSet<String> = links(&read("README.md")).into_iter().collect();
    for (page, _) in documents() {
        let page = page.display().to_string();
        assert!(page == "README.md" || linked.contains(&page), "{page}");
    }
}

/// Where the table of attributes stands in a page.
const MARKS: [&str; 2] = ["<!-- attributes: begin -->\n", "<!-- attributes: end -->\n"];

/// What stock oned.conf encrypts (`HOST_ENCRYPTED_ATTR` of 5.10 to 5.12).
const ENCRYPTED: [&str; 3] = ["PACKET_TOKEN", "EC2_ACCESS", "EC2_SECRET"];

/// The table of a provider's attributes, as its page has it.
fn table(spec: &Spec) -> String {
    let code = |text: &str| format!("`{text}`");
    let row = |attribute: &Attribute, sent: String, limit: Option<usize>| {
        let mandatory = attribute.is_required.then(|| match attribute.or.or(attribute.unless) {
            Some(other) => format!("mandatory without {}", code(other)),
            None => "mandatory".to_owned(),
        });
        let remarks = [
            mandatory,
            attribute.is_account.then(|| "account".to_owned()),
            attribute.is_secret.then(|| match ENCRYPTED.contains(&attribute.name) {
                true => "secret".to_owned(),
                false => "secret, [in clear](../../SECURITY.md#secrets-in-oned) in a stock `oned`".to_owned(),
            }),
            attribute.is_private.then(|| "private".to_owned()),
            attribute.default.map(|default| format!("default {}", code(default))),
            limit.map(|limit| format!("at most {limit} bytes")),
        ];
        let remarks: Vec<String> = remarks.into_iter().flatten().collect();
        let cells = [code(attribute.name), attribute.about.to_owned(), attribute.form.name(), sent, remarks.join(", ")];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        format!("| {} |\n", cells.join(" | "))
    };
    let mut table = "| attribute | what it is | form | sent as | remarks |\n|---|---|---|---|---|\n".to_owned();
    for attribute in spec.attributes {
        let sent = match (attribute.field, attribute.tag, spec.identity) {
            ("", Some(key), _) => format!("tag {}", code(key)),
            ("", _, Identity::Tags { field } | Identity::Pairs { field, .. }) if attribute.name == "TAGS" => {
                code(field)
            }
            ("", ..) => String::new(),
            (field, ..) => code(field),
        };
        table += &row(attribute, sent, None);
    }
    let UserDataForm { field, is_base64, limit, .. } = spec.user_data;
    if !field.is_empty() {
        let sent = code(field) + if is_base64 { ", in base64" } else { "" };
        let limit = Some(limit).filter(|limit| *limit < usize::MAX);
        table += &row(spec.attribute("USERDATA").unwrap(), sent, limit);
    }
    table
}

#[test]
fn every_provider_has_its_page_with_the_table_of_its_attributes() {
    let readme: BTreeSet<String> = links(&read("README.md")).into_iter().collect();
    for provider in PROVIDERS {
        let spec = provider.spec();
        let page = format!("docs/providers/{}.md", spec.name);
        assert!(readme.contains(&page), "README.md does not link {page}");
        let text = read(&page);
        for mark in MARKS {
            assert_eq!(text.matches(&format!("\n{mark}")).count(), 1, "{page}: {mark}");
        }
        let (before, rest) = text.split_once(MARKS[0]).unwrap();
        let (written, after) = rest.split_once(MARKS[1]).unwrap();
        let table = table(spec);
        if std::env::var_os("PM_PACKET_BLESS").is_some() {
            let text = [before, MARKS[0], &table, MARKS[1], after].concat();
            fs::write(Path::new(ROOT).join(&page), text).unwrap();
        } else {
            assert!(
                written == table,
                "the table in {page} is not that of the code. To write it, run:\n\
                 PM_PACKET_BLESS=1 cargo test --locked every_provider_has_its_page"
            );
        }
    }
}

#[test]
fn every_page_of_a_provider_is_of_one_that_there_is() {
    let known: BTreeSet<String> =
        PROVIDERS.iter().map(|one| format!("docs/providers/{}.md", one.spec().name)).collect();
    for (page, _) in documents() {
        let page = page.display().to_string();
        assert!(!page.starts_with("docs/providers/") || known.contains(&page), "{page}");
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
