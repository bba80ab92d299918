//! The example app in every format, as it was read and found good before: `tests/golden/twelve-factor/<format>`.
//!
//! The trees of the app with every kind of trouble are compared where the formats are, in `src/export`. With
//! `PROCMAN_BLESS=1` in the environment, the trees are written anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use procman::export::Format;

use crate::support::{App, bless_or_compare, repository};

/// Where the example would lie, in place of where the test has it.
const ROOT: &str = "/srv/twelve-factor";

/// Compares a tree with the one that it should be.
#[track_caller]
fn golden(format: Format, tree: &Path, root: &Path) {
    let held = repository().join("tests/golden/twelve-factor").join(format.name());
    let paths = paths(tree);
    if std::env::var_os("PROCMAN_BLESS").is_some_and(|value| value == "1") {
        let _ = fs::remove_dir_all(&held);
    }
    for path in &paths {
        let text = fs::read_to_string(tree.join(path)).unwrap();
        bless_or_compare(&held.join(path), &text.replace(root.to_str().unwrap(), ROOT));
    }
    assert_eq!(self::paths(&held), paths, "other files than these are in {}", held.display());
}

/// Returns the paths of all files below a directory, but for procman's own notes.
fn paths(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_note = path.file_name().unwrap().to_str().unwrap().starts_with(".procman-");
            if path.is_dir() {
                folders.push(path);
            } else if !is_note {
                found.insert(path.strip_prefix(directory).unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn the_example_is_exported_as_it_was() {
    let app = App::new("");
    let example = repository().join("examples/twelve-factor");
    let root = app.root().canonicalize().unwrap().join("twelve-factor");
    fs::create_dir(&root).unwrap();
    fs::copy(example.join("Procfile"), root.join("Procfile")).unwrap();
    app.file("twelve-factor/.env", "GREETING=\"It's 100% yours\"\nSECRET_KEY=s3cret\n");
    for format in Format::ALL {
        let out = format!("out/{format}");
        let arguments = ["export", format.name(), &out, "-d", "twelve-factor", "-u", "deploy"];
        let arguments = [&arguments[..], &["-m", "web=2,worker=1,clock=1"]].concat();
        let end = app.done(&arguments);
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{format}");
        golden(format, &app.root().join(&out), &root);
        // What is written is what standard output gets, and up to date.
        let stream = app.done(&[&["export", format.name(), "-"], &arguments[3..]].concat()).stdout;
        for path in paths(&app.root().join(&out)) {
            let text = fs::read_to_string(app.root().join(&out).join(path)).unwrap();
            assert!(stream.contains(&text), "{text}\nin\n{stream}");
        }
        let check = app.done(&[&arguments[..], &["--check"]].concat());
        assert_eq!((check.status, check.stderr.as_str()), (Some(0), ""), "{format}");
    }
}
