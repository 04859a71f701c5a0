//! Templates are read as Ruby's Psych reads them, with which `oneprovision` does: Psych itself is asked.
//!
//! `PM_RUBY` names Ruby; `.ci/run` installs it. `PM_PACKET_SEED` names other documents.

use std::io::Write as _;
use std::process::{Command, Stdio};

use fastrand::Rng;
use pm_packet::wire::tree::Tree;
use pm_packet::wire::yaml;
use serde_json::{Map, Value, json};

/// Templates with what YAML has: anchors, merges, tags, quotes, blocks, brackets, comments, times.
const TEMPLATES: [&str; 4] = [
    "---\nname: myprovision\nplaybook: default\ndefaults:\n  provision:\n    driver: packet\n    packet_token: \"********\"\n    \
     plan: baremetal_0\n  connection:\n    public_key: '/var/lib/one/.ssh/ddc/id_rsa.pub'\nhosts:\n  - reserved_cpu: 100\n    \
     im_mad: kvm\n    provision:\n      hostname: \"host-1\"\n      os: centos_7\n",
    "a: &x\n  b: 1\n  c: [1, two, 'three', {d: e}]\nf:\n  <<: *x\n  c: ~\ng: |\n  line one\n   line two\n\n  line three\nh: >-\n  \
     folded\n  text\n\n  more\n",
    "hosts:\n- name: \"a\\tb\\u00e9\\x41\"\n  list: [a, b,]\n  map: {a: 1, 'b': 2, c: , d}\n  ? complex\n  : value\n- !!str 12\n\
     - !!int \"7\"\n- !!float 3\n- !str 0755\n- !ruby/symbol foo\n- ! bar\n",
    "# comment\nkey with spaces: value with spaces # trailing\n'quoted key': plain\n  multi line\n  value\nurl: \
     http://x.example/y?z#w\ntime: 2026-11-30 18:00:00\nempty:\nlast: x\n",
];

/// Each line begins in another place: within a scalar, within brackets, behind an indicator or a comment.
const LINES: &str = "# c\nname: x # d\nb: [m,\n  n]\na: &x\n  b: 1\n  c: [1, two, {d: e}]\n\n  m: plain\n    more\nhosts:\n  - h: kvm\n    \
                     i:\n      j: \"q\n      r\"\n  # e\n  - k: |\n      lit\n      eral\n    ? l\n    : o\n-- : p\n";

/// What reading a document comes to: `None` where it is refused.
fn ours(document: &str) -> Option<Value> {
    yaml::read(document.as_bytes()).ok().map(|(tree, _)| said(&tree))
}

fn said(tree: &Tree<'_>) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Flag(flag) => json!(flag),
        Tree::Number(number) => json!(number.to_string()),
        Tree::Text(text) => json!(text),
        Tree::List(items) => items.iter().map(said).collect(),
        Tree::Object(_) => {
            tree.members("").map(|(name, value)| (name.to_owned(), said(value))).collect::<Map<_, _>>().into()
        }
    }
}

/// What Psych makes of each document, in UTC.
fn psych(documents: &[String]) -> Vec<Value> {
    let ruby = std::env::var("PM_RUBY").expect("PM_RUBY names no program");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/psych.rb");
    let mut command = Command::new(ruby);
    command.arg(script).env("TZ", "UTC").env("LC_ALL", "C.UTF-8").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It reads everything before it prints anything.
    child.stdin.take().unwrap().write_all(json!(documents).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asserts that a number of documents are read as Psych reads them, and that so many are read at all. Where it `may_refuse`
/// one of the two may refuse what the other reads: YAML 1.2 is not 1.1.
fn compare(may_refuse: bool, least: usize, make: impl Fn(&mut Rng) -> String) {
    let seed = std::env::var("PM_PACKET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_128);
    let mut rng = Rng::with_seed(seed);
    let documents: Vec<String> = (0..3000).map(|_| make(&mut rng)).collect();
    let mut read = 0;
    for (document, theirs) in documents.iter().zip(psych(&documents)) {
        match (ours(document), theirs.get("said")) {
            (Some(ours), Some(theirs)) => {
                assert_eq!(ours, *theirs, "{document:?}");
                read += 1;
            }
            (None, None) => {}
            _ if may_refuse || theirs == json!({}) => {}
            (ours, _) => panic!("{document:?}: {ours:?}, and Psych: {theirs}"),
        }
    }
    assert!(read >= least, "of 3000 documents {read} were read");
}

#[test]
#[ignore = "needs Ruby: PM_RUBY"]
fn scalars_are_what_psych_makes_of_them() {
    #[rustfmt::skip]
    let parts = [
        "0", "1", "7", "8", "9", "12", "60", "059", "2026-11-30", "2026-1-3", "2026-2-30", "-", "+", ".", ",", "_", "e", "E", ":",
        "x", "b", "o", "a", "f", "F", " ", "T", "t", "Z", "yes", "No", "on", "OFF", "true", "null", "Null", "~", "inf", "nan",
        ".inf", ".NaN", "18:00:00", "00:00", "'", "\"", "=", "<<", "+02:00", "-0230", "+99999999999:00", "2026-11-30 8:00:00", "\u{e9}", "y", "n", "/", "%", "@x", "\\",
    ];
    compare(false, 2000, |rng| {
        loop {
            let text: String = (0..rng.usize(1..5)).map(|_| parts[rng.usize(..parts.len())]).collect();
            // Psych 4 counts to sixty for two colons, its predecessors for any number.
            if text.matches(':').count() < 3 {
                return format!("a: {text}\n");
            }
        }
    });
}

#[test]
#[ignore = "needs Ruby: PM_RUBY"]
fn a_tab_is_refused_where_psych_refuses_it() {
    compare(false, 700, |rng| {
        let mut text: Vec<char> = LINES.chars().collect();
        let blanks: Vec<usize> = (0..text.len()).filter(|at| text[*at].is_whitespace()).collect();
        let at = blanks[rng.usize(..blanks.len())];
        match (rng.u8(..3), text[at]) {
            (0, ' ') => text[at] = '\t',
            (1, _) => text.insert(at, '\t'),
            _ => text.insert(at + 1, '\t'),
        }
        text.into_iter().collect()
    });
}

#[test]
#[ignore = "needs Ruby: PM_RUBY"]
fn a_template_with_slips_is_read_as_psych_reads_it_or_refused() {
    let marks: Vec<char> = "  :-#\n\t'\"*{}[],|>%@`~a0=<\r.\\".chars().collect();
    compare(true, 500, |rng| {
        let mut text: Vec<char> = TEMPLATES[rng.usize(..TEMPLATES.len())].chars().collect();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..text.len());
            let mark = marks[rng.usize(..marks.len())];
            match rng.u8(..4) {
                0 => drop(text.remove(at)),
                1 => text[at] = mark,
                2 => text.insert(at, mark),
                _ => {
                    let end = (at + rng.usize(1..12)).min(text.len());
                    let piece = text[at..end].to_vec();
                    let to = rng.usize(..text.len());
                    text.splice(to..to, piece);
                }
            }
        }
        text.into_iter().collect()
    });
}
