//! The plan of the house, held against the source: a folder imports only what stands below it, and no two files
//! import each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The folders, and what stands in `src` itself, from top to bottom.
const FLOORS: [&[&str]; 9] = [
    &["", "main", "cli"],
    &["action"],
    &["engine"],
    &["provider"],
    &["opennebula"],
    &["http"],
    &["report"],
    &["system"],
    &["wire"],
];

/// A module, such as `http::client`; that of `lib.rs` is empty.
type Module = Vec<String>;

/// Each module, with its file and what that says without its tests.
fn modules() -> BTreeMap<Module, (String, String)> {
    fn read(folder: &Path, root: &Path, found: &mut BTreeMap<Module, (String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, root, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            let name = path.strip_prefix(root).unwrap().with_extension("");
            let mut module: Module = name.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            module.pop_if(|last| last == "mod" || last == "lib");
            found.insert(module, (format!("src/{}.rs", name.display()), text));
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    read(&root, &root, &mut found);
    found
}

/// The paths that `text` begins with: one, or as many as its braces hold.
fn paths(text: &str) -> Vec<Module> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    if let Some(rest) = rest.strip_prefix("::") {
        let mut paths = paths(rest);
        paths.iter_mut().for_each(|path| path.insert(0, name.to_owned()));
        return paths;
    }
    let Some(mut rest) = text.strip_prefix('{') else {
        return vec![vec![name.to_owned()]];
    };
    let mut found = paths(rest.trim_start());
    let mut depth = 0;
    while let Some(at) = rest.find([',', '{', '}']) {
        let (mark, after) = (&rest[at..=at], rest[at + 1..].trim_start());
        match (mark, depth) {
            ("}", 0) => break,
            ("}", _) => depth -= 1,
            ("{", _) => depth += 1,
            (_, 0) if !after.starts_with('}') => found.extend(paths(after)),
            _ => {}
        }
        rest = after;
    }
    found
}

/// The modules that the code of `module` names.
fn imports<T>(module: &Module, text: &str, known: &BTreeMap<Module, T>) -> BTreeSet<Module> {
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let code: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
    let code = code.join("\n");
    let parent = &module[..module.len().saturating_sub(1)];
    let starts = [("crate::", &[][..]), ("super::", parent)];
    let mut found = BTreeSet::new();
    for (start, base) in starts {
        for (at, _) in code.match_indices(start) {
            for path in paths(&code[at + start.len()..]) {
                let mut path = [base, &path].concat();
                // What follows the module is something in it.
                while !known.contains_key(&path) {
                    path.pop();
                }
                found.insert(path);
            }
        }
    }
    found.remove(module);
    found
}

fn floor(module: &Module) -> usize {
    let folder = module.first().map_or("", String::as_str);
    let floor = FLOORS.iter().position(|floor| floor.contains(&folder));
    floor.unwrap_or_else(|| panic!("{folder} stands on no floor: give it one in FLOORS"))
}

#[test]
fn braces_hold_paths() {
    let found = paths("a::{b, c::{d, e}, f::g,};").into_iter();
    let found: Vec<String> = found.map(|path| path.join("::")).collect();
    assert_eq!(found, ["a::b", "a::c::d", "a::c::e", "a::f::g"]);
}

#[test]
fn a_folder_imports_only_what_stands_below_it_and_no_two_files_import_each_other() {
    let modules = modules();
    let graph: BTreeMap<&Module, BTreeSet<Module>> =
        modules.iter().map(|(module, (_, text))| (module, imports(module, text, &modules))).collect();
    let mut wrong = Vec::new();
    for (module, imports) in &graph {
        for import in imports {
            let (file, name) = (&modules[*module].0, import.join("::"));
            if floor(import) < floor(module) {
                wrong.push(format!("{file} imports crate::{name}, which stands above it"));
            }
            let mut reached = BTreeSet::from([import]);
            let mut next = vec![import];
            while let Some(import) = next.pop() {
                next.extend(graph[import].iter().filter(|it| reached.insert(it)));
            }
            if reached.contains(module) {
                wrong.push(format!("{file} imports crate::{name}, which leads back to it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 100);
}

/// How many lines a file may have without its tests, and a function from its name to its end.
const FILE: usize = 300;
const FUNCTION: usize = 60;
/// What the comment at the top of a longer file says, with the reason.
const EXCUSE: &str = "Longer than 300 lines";

/// The functions in `text`, as rustfmt lays them out: the first line of each, and how many it has.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let head = line.trim_start();
        let unrestricted = head.replacen("pub(super) ", "pub ", 1);
        let words: Vec<&str> = unrestricted.split(['(', '<']).next().unwrap().split(' ').collect();
        if head.starts_with("//") || !matches!(words[..], [.., "fn", _]) {
            continue;
        }
        let mut rest = lines[at..].iter();
        let opened = rest.position(|line| line.ends_with(['{', ';', '}'])).unwrap();
        // A trait's may have no body, and a short one ends where it begins.
        if !lines[at + opened].ends_with('{') {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - head.len()]);
        let length = lines[at..].iter().position(|line| **line == end).unwrap() + 1;
        found.push((head, length));
    }
    found
}

#[test]
fn no_file_and_no_function_is_too_long() {
    let mut long = Vec::new();
    for (file, text) in modules().values() {
        let mut top = text.lines().take_while(|line| line.starts_with("//!"));
        let lines = text.lines().count();
        if lines > FILE && !top.any(|line| line.contains(EXCUSE)) {
            long.push(format!("{file} has {lines} lines"));
        }
        for (head, lines) in functions(text) {
            if lines > FUNCTION {
                long.push(format!("{file} has {lines} lines in: {head}"));
            }
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}
