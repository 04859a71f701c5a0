//! The corpora of the fuzz targets, and what fuzzing found, read through the same functions as the targets call.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::checks;

/// The files in a folder, and none where there is no such folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Reads each file as a target does, and names those that it panics on.
fn assert_read(target: fn(&[u8]), files: &[PathBuf]) {
    let fails = |path: &&PathBuf| {
        let data = fs::read(path).unwrap();
        catch_unwind(AssertUnwindSafe(|| target(&data))).is_err()
    };
    let failed: Vec<&PathBuf> = files.iter().filter(fails).collect();
    assert!(failed.is_empty(), "these failed: {failed:#?}");
}

#[test]
fn every_corpus_holds_what_must_hold() {
    for (name, target) in checks::TARGETS {
        let seeds = files(&format!("fuzz/seeds/{name}"));
        assert!(!seeds.is_empty(), "{name} has no corpus");
        assert_read(target, &seeds);
        assert_read(target, &files(&format!("fuzz/reproducers/{name}")));
    }
}

#[test]
fn the_recordings_hold_what_must_hold_wherever_they_come() {
    let recordings = files("tests/fixtures/opennebula-5.12");
    assert!(!recordings.is_empty());
    for (_, target) in checks::TARGETS {
        assert_read(target, &recordings);
    }
}

#[test]
fn every_check_has_its_target() {
    for (name, _) in checks::TARGETS {
        let path = format!("fuzz/targets/{name}.rs");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("checks::{name}(data)")), "{text}");
    }
    assert_eq!(files("fuzz/targets").len(), checks::TARGETS.len());
}
