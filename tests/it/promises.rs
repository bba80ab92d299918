//! What every reader of a user's text, the merge of output and the lines of the control socket promise, tried on texts
//! that chance makes of good ones.
//!
//! The promises stand in `fuzz/src`, where libFuzzer drives them for as long as one likes; here they are driven on
//! every run. The texts are the seeds of `fuzz/`, whole and line by line, with crumbs between them and bytes changed.

use std::fmt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::sample::{Index, select};
use proptest::strategy::{Just, Strategy};
use proptest::{prop_oneof, proptest};
use serde_json::Value;

use crate::promises::trials::trials;
use crate::support::{bless_or_compare, repository};

#[path = "../../fuzz/src/lib.rs"]
mod promised;
#[path = "../../src/trials.rs"]
mod trials;

use promised::{config, dotenv, formation, lines, procfile, wire};

type Check = fn(&[u8]);

/// The targets of `fuzz/`, and what each checks.
const TARGETS: [(&str, Check); 7] = [
    ("procfile", procfile::check),
    ("dotenv", dotenv::check),
    ("formation", formation::check),
    ("toml", config::check_toml),
    ("foreman", config::check_foreman),
    ("lines", lines::check),
    ("wire", wire::check),
];

proptest! {
    #![proptest_config(trials(500))]

    #[test]
    fn a_procfile_keeps_its_promises(Bytes(text) in texts("procfile", &PROCFILE)) {
        procfile::check(&text);
    }

    #[test]
    fn an_environment_file_keeps_its_promises(Bytes(text) in texts("dotenv", &DOTENV)) {
        dotenv::check(&text);
    }

    #[test]
    fn a_formation_keeps_its_promises(Bytes(text) in request()) {
        formation::check(&text);
    }

    #[test]
    fn procman_toml_keeps_its_promises(Bytes(text) in texts("toml", &TOML)) {
        config::check_toml(&text);
    }

    #[test]
    fn a_foreman_file_keeps_its_promises(Bytes(text) in texts("foreman", &FOREMAN)) {
        config::check_foreman(&text);
    }

    #[test]
    fn what_goes_over_the_socket_keeps_its_promises(Bytes(stream) in texts("wire", &WIRE)) {
        wire::check(&stream);
    }
}

proptest! {
    // Lines of several hundred KiB take their time.
    #![proptest_config(trials(128))]

    #[test]
    fn lines_keep_their_promises(Bytes(script) in script()) {
        lines::check(&script);
    }
}

/// What stands between lines of good texts.
const PROCFILE: [&str; 6] = ["\t# ", ":", "web:", "web: a", "ä: b", "#"];
const DOTENV: [&str; 12] = ["A=", "B=$A", "${A", ":-", "}", "export ", "'", "\"", "\\", "$$", " #", "KEY: "];
const NAMES: [&str; 6] = ["web", "worker", "release", "all", "wbe", "nosuch"];
const TOML: [&str; 12] = [
    "env = ",
    "[",
    "]",
    "'",
    "\"\"\"",
    "'''",
    "1e3",
    " = ",
    "[process.a]\n",
    "ready = {",
    "}\n",
    "needs = ['a']\n",
];
const FOREMAN: [&str; 8] = ["env: ", "port:", "'", "''", "\"", "~", " # ", "- "];
const WIRE: [&str; 12] = [
    "{",
    "}",
    "[",
    "]",
    "\"version\":1",
    "\"version\":2",
    "\"request\":",
    ",",
    "{\"ps\":{}}",
    "\\u0000",
    "1e999",
    "null",
];
const ANYWHERE: [&str; 8] = ["\n", "\r\n", " ", "\t", "\u{feff}", "\0", "é", "\u{2028}"];

#[test]
fn every_seed_keeps_its_promises() {
    for (target, check) in TARGETS {
        for (path, seed) in seeds(target) {
            assert!(catch_unwind(|| check(&seed)).is_ok(), "{}", path.display());
        }
    }
}

/// `PROCMAN_BLESS=1 cargo test` writes them anew.
#[test]
fn the_table_of_environment_files_is_among_the_seeds() {
    let table: Value = serde_json::from_str(include_str!("../data/dotenv_cases.json")).unwrap();
    for case in table["cases"].as_array().unwrap() {
        let path = folder("dotenv").join(format!("case-{}", case["id"].as_str().unwrap()));
        bless_or_compare(&path, case["input"].as_str().unwrap());
    }
}

#[test]
fn every_target_has_its_file_and_its_seeds() {
    let manifest: toml::Table =
        std::fs::read_to_string(repository().join("fuzz/Cargo.toml")).unwrap().parse().unwrap();
    let listed: Vec<&str> =
        manifest["bin"].as_array().unwrap().iter().map(|target| target["name"].as_str().unwrap()).collect();
    assert_eq!(listed, TARGETS.map(|(target, _)| target));
    assert!(listed.iter().all(|target| !seeds(target).is_empty()));
}

fn folder(target: &str) -> PathBuf {
    repository().join("fuzz/seeds").join(target)
}

/// Returns the seeds of a target, ordered by name.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    if matches!(target, "procfile" | "dotenv") {
        let name = if target == "procfile" { "Procfile" } else { ".env" };
        let examples = std::fs::read_dir(repository().join("examples")).unwrap();
        paths.extend(examples.map(|entry| entry.unwrap().path().join(name)).filter(|path| path.is_file()));
    }
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Texts of whole seeds, lines of seeds, crumbs and bytes, then changed here and there.
fn texts(target: &str, crumbs: &'static [&'static str]) -> impl Strategy<Value = Bytes> + use<> {
    let seeds: Vec<Vec<u8>> = seeds(target).into_iter().map(|(_, seed)| seed).collect();
    let lines = seeds.iter().flat_map(|seed| seed.split_inclusive(|byte| *byte == b'\n'));
    let lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    let piece = prop_oneof![
        1 => select(seeds),
        8 => select(lines),
        6 => select(crumbs).prop_map(|crumb| crumb.as_bytes().to_vec()),
        4 => select(&ANYWHERE[..]).prop_map(|crumb| crumb.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..8),
    ];
    (vec(piece, 0..12), vec(change(), 0..3))
        .prop_map(|(pieces, changes)| Bytes(changed(pieces.concat(), changes)))
}

/// A request, names and types, as [`formation`] reads them.
fn request() -> impl Strategy<Value = Bytes> {
    let names = |most| vec(select(&NAMES[..]), 0..most).prop_map(|names| names.join(" "));
    let count = prop_oneof![9 => (0..12_u32).prop_map(|count| count.to_string()), 1 => "[0-9+.-]{0,6}"];
    let item = (select(&NAMES[..4]), count).prop_map(|(name, count)| format!("{name}={count}"));
    let request = vec(item, 1..4).prop_map(|items| items.join(","));
    (request, names(3), names(6), vec(change(), 0..2)).prop_map(|(request, names, types, changes)| {
        Bytes(changed(format!("{request}\n{names}\nweb worker {types}").into_bytes(), changes))
    })
}

/// Bytes that a failure shows as `printf` takes them.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0.escape_ascii())
    }
}

/// A byte of a text is removed, written twice or replaced: these come in its place, and `None` is that byte.
#[derive(Clone, Debug)]
struct Change {
    at: Index,
    bytes: Vec<Option<u8>>,
}

fn change() -> impl Strategy<Value = Change> {
    let odd = select(&b"\0\xff\xc3\r\n\t :=,#'\"\\$"[..]).prop_map(Some);
    let bytes = prop_oneof![
        Just(vec![]),
        Just(vec![None, None]),
        odd.clone().prop_map(|odd| vec![odd]),
        odd.prop_map(|odd| vec![None, odd]),
    ];
    (any::<Index>(), bytes).prop_map(|(at, bytes)| Change { at, bytes })
}

fn changed(mut text: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for Change { at, bytes } in changes.into_iter() {
        if text.is_empty() {
            break;
        }
        let at = at.index(text.len());
        let old = text[at];
        text.splice(at..=at, bytes.into_iter().map(|byte| byte.unwrap_or(old)));
    }
    text
}

/// A script, as [`lines`] reads it.
fn script() -> impl Strategy<Value = Bytes> {
    let words: [&[u8]; 12] = [
        b"\n",
        b"\n\n",
        b"one\n",
        b"two\nthree",
        b"name? ",
        b"a | ",
        b"\r10%",
        b"\x1b[31mred",
        "日本".as_bytes(),
        b"\xF0\x9F",
        b"\x9A\x80",
        b"\0\xFF\xC3",
    ];
    let bytes = prop_oneof![select(words.to_vec()).prop_map(<[u8]>::to_vec), vec(any::<u8>(), 0..31)];
    let step = prop_oneof![
        12 => bytes.prop_map(|bytes| [vec![0, bytes.len() as u8], bytes].concat()),
        1 => any::<u8>().prop_map(|length| vec![3 << 2, length]),
        6 => any::<u8>().prop_map(|wait| vec![4 << 2, wait]),
        2 => Just(vec![6 << 2]),
        1 => Just(vec![7 << 2]),
    ];
    let whose = |(whose, mut step): (u8, Vec<u8>)| {
        step[0] |= whose;
        step
    };
    vec((0..4_u8, step).prop_map(whose), 0..40).prop_map(|steps| Bytes(steps.concat()))
}
