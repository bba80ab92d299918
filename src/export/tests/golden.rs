//! The golden trees: what the formats make of the app with every kind of trouble.

use std::collections::BTreeSet;
use std::path::Path;

use crate::export::{File, Format};

/// Compares files with those in `tests/golden/export/<format>`; with `PROCMAN_BLESS=1` in the environment, puts them
/// there instead.
#[track_caller]
#[allow(clippy::unwrap_used)]
pub fn check(format: Format, files: &[File]) {
    check_below("export", format, files);
}

/// Compares files with those in `tests/golden/<folder>/<format>`.
#[track_caller]
#[allow(clippy::unwrap_used)]
pub fn check_below(folder: &str, format: Format, files: &[File]) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder).join(format.name());
    if std::env::var_os("PROCMAN_BLESS").is_some_and(|value| value == "1") {
        let _ = std::fs::remove_dir_all(&tree);
        for file in files {
            let path = tree.join(&file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.content).unwrap();
        }
    }
    let mut held = BTreeSet::new();
    let mut folders = vec![tree.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                held.insert(path);
            }
        }
    }
    let hint = "run PROCMAN_BLESS=1 cargo test and read the diff";
    let made: BTreeSet<_> = files.iter().map(|file| tree.join(&file.path)).collect();
    assert_eq!(made, held, "{hint}");
    for file in files {
        let text = std::fs::read_to_string(tree.join(&file.path)).unwrap();
        assert!(text == file.content, "{}: {hint}\n{}", file.path.display(), file.content);
    }
}
