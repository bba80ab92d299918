//! Who may name whom: DESIGN's table as a test, and a few rules of the house that a machine can check.
//!
//! A new arrow between modules, or from a module to a package, is a decision that somebody makes on purpose: here,
//! with its reason. The table is exact, so an arrow that nobody uses any more has to go as well. Comments, texts
//! and tests are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module, the modules it names, and the packages it names. `thiserror` is free to all.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

/// From the bottom to the top: a module names only what stands above its own line.
const TABLE: &[Row] = &[
    // The words that the readers of a user's files share.
    ("fault", &[], &[]),
    // How the words of others stand in a message.
    ("quote", &[], &[]),
    // What is not the name of a signal is quoted.
    ("process", &["quote"], &[]),
    ("procfile", &["fault", "quote"], &[]),
    // What a policy is made of: a signal, and the types that one needs.
    ("policy", &["process", "procfile"], &[]),
    // Where a policy's service is; a URL is read as the standard has it.
    ("service", &["policy"], &["percent_encoding", "url"]),
    ("dotenv", &["fault", "quote"], &["dotenvy"]),
    // `ProcessType` is what a count belongs to.
    ("formation", &["procfile", "quote"], &[]),
    // A policy is read as it will be: its counts, signals and URLs, and its patterns with regex_lite. What is wrong beside
    // the Procfile has a place in the file. Only in tests, schemars makes the schema of these types, as a serde_json value.
    (
        "config",
        &["fault", "quote", "process", "policy", "formation", "service"],
        &["regex_lite", "schemars", "serde", "serde_json", "toml"],
    ),
    // Where the services are that types need follows from the variables; what is wrong with that has its place.
    ("plan", &["fault", "procfile", "quote", "dotenv", "config", "formation", "policy", "service"], &[]),
    // What comes of a request depends on which types there are, and in which order.
    ("supervisor", &["formation", "policy", "process", "procfile"], &[]),
    // Names come as text. jiff formats the time, serde_json is what serde writes with, and regex_lite looks for the line
    // by which an instance is known to be ready.
    ("output", &[], &["jiff", "memchr", "nu_ansi_term", "regex_lite", "serde", "serde_json"]),
    // The types know no bytes, and the bytes no sockets. What clients have written is quoted.
    ("control", &["quote"], &["base64", "memchr", "serde", "serde_json"]),
    // An app is made of a plan. Templates are minijinja's, which serde hands the variables to; the manifest is JSON, and
    // similar shows what would change. serde_saphyr writes YAML, plist the
    // lists of launchd, and hcl HCL, which holds one of Unicode's forms only. A policy is carried as far as a format can,
    // and a signal is a part of it.
    (
        "export",
        &["quote", "process", "procfile", "policy", "formation", "plan"],
        &[
            "hcl",
            "minijinja",
            "plist",
            "serde",
            "serde_json",
            "serde_saphyr",
            "similar",
            "unicode_normalization",
        ],
    ),
    // tokio waits for what nix opens; signal_hook where there is no signalfd. jiff reads the time zone of the machine.
    // memchr looks for what changes a terminal.
    ("sys", &["process", "quote"], &["jiff", "memchr", "nix", "signal_hook", "tokio"]),
    // The pump waits for its pipes with mio, in a thread of its own, and reads the clock with jiff. memchr looks for the
    // line at which a log file ends.
    // The control thread speaks the language of the socket, and quotes what clients have written. What an instance writes
    // to is a wish of its `ProcessType`. Policies say where a backing service is, and how an instance is known to be
    // ready; httparse reads what one answers.
    (
        "runtime",
        &[
            "process",
            "procfile",
            "quote",
            "policy",
            "formation",
            "plan",
            "supervisor",
            "output",
            "control",
            "sys",
        ],
        &["httparse", "jiff", "memchr", "mio", "tokio"],
    ),
    (
        "cli",
        // Everything: here the user's files meet the plan, and every error gets its words.
        &[
            "process",
            "fault",
            "quote",
            "procfile",
            "policy",
            "service",
            "dotenv",
            "config",
            "formation",
            "plan",
            "supervisor",
            "output",
            "control",
            "export",
            "sys",
            "runtime",
        ],
        // jiff reads the times that the user writes, regex_lite the patterns; memchr looks for keys in what is typed.
        &["clap", "clap_complete", "jiff", "memchr", "regex_lite"],
    ),
    ("lib", &[], &[]),
    ("main", &[], &[]),
];

/// Packages that every module may name.
const FREE: &[&str] = &["thiserror"];

/// Where effects are at home. Everywhere else a function sees only its arguments.
const EFFECTFUL: &[&str] = &["sys", "runtime", "cli", "main"];

/// What a function that sees only its arguments has no use for.
const EFFECTS: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "TimeZone::system",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::sync::mpsc",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "println!",
    "eprintln!",
];

/// The most lines of a file without its tests, and the files that have a reason to be longer.
const LONGEST: usize = 450;
const LONGER: &[(&str, usize)] = &[
    // One idea that does not come apart: how the lines of many streams become one.
    ("src/output/merge.rs", 500),
];

#[test]
fn every_arrow_is_in_the_table() {
    let mut seen = Arrows::default();
    let mut faults = Vec::new();
    for (path, text) in sources() {
        faults.extend(check(&path, &text, &mut seen));
    }
    faults.extend(unused(&seen));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn names_point_downward() {
    let above = |at: usize| TABLE.iter().take(at).map(|(name, ..)| *name).collect::<Vec<_>>();
    for (at, (module, named, _)) in TABLE.iter().enumerate() {
        for name in *named {
            assert!(above(at).contains(name), "`{module}` names `{name}`, which does not stand above it");
        }
    }
}

/// Everything that the sources name, by module.
#[derive(Default)]
struct Arrows {
    modules: BTreeMap<String, BTreeSet<String>>,
    packages: BTreeMap<String, BTreeSet<String>>,
}

/// Returns what is wrong with one file, each fault with the file's name, and notes what the file names.
fn check(path: &str, text: &str, seen: &mut Arrows) -> Vec<String> {
    let module = module_of(path);
    let Some((_, modules, packages)) = TABLE.iter().find(|(name, ..)| *name == module) else {
        return vec![format!("{path}: module `{module}` is not in the table of tests/it/layering.rs")];
    };
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(format!("{path}: {text}"));
    if !text.starts_with("//!") {
        fault("does not open with `//!`".to_owned());
    }
    let whole = code(text);
    for banned in ["super::super", "::*;", "crate::{"] {
        if whole.contains(banned) {
            fault(format!("contains `{banned}`"));
        }
    }
    let code = without_tests(&whole);
    let (lines, most) = (code.lines().count(), LONGER.iter().find(|(file, _)| *file == path));
    let most = most.map_or(LONGEST, |(_, most)| *most);
    if lines > most {
        fault(format!("has {lines} lines before its tests, more than {most}"));
    }
    if module != "sys" && words(code).any(|(word, _)| word == "unsafe") {
        fault("contains `unsafe`, which only `sys` may".to_owned());
    }
    // `.ci/run` tests the portable way of no other module again.
    if module != "sys" && words(code).any(|(word, _)| word == "procman_portable") {
        fault("names `procman_portable`, which only `sys` may".to_owned());
    }
    if !EFFECTFUL.contains(&module.as_str()) {
        for effect in EFFECTS.iter().filter(|effect| code.contains(**effect)) {
            fault(format!("names `{effect}`, which is for {} only", EFFECTFUL.join(", ")));
        }
    }
    for named in named_modules(code).filter(|named| *named != module) {
        if !modules.contains(&named.as_str()) {
            fault(format!("{module} → {named} is not in the table; {module} may name {modules:?}"));
        }
        seen.modules.entry(module.clone()).or_default().insert(named);
    }
    for named in named_packages(code) {
        if !packages.contains(&named.as_str()) && !FREE.contains(&named.as_str()) {
            fault(format!("{module} → package {named} is not in the table; {module} may name {packages:?}"));
        }
        seen.packages.entry(module.clone()).or_default().insert(named);
    }
    faults
}

/// Returns the arrows of the table that no source has.
fn unused(seen: &Arrows) -> Vec<String> {
    let has = |map: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str| {
        map.get(from).is_some_and(|named| named.contains(to))
    };
    let mut faults = Vec::new();
    for (module, modules, packages) in TABLE {
        let idle = modules.iter().filter(|to| !has(&seen.modules, module, to));
        let idle = idle.chain(packages.iter().filter(|to| !has(&seen.packages, module, to)));
        faults.extend(idle.map(|to| format!("the table has {module} → {to}, and no source has")));
    }
    faults
}

/// Returns the module at the top that a file belongs to: `cli` for `src/cli/args.rs`.
fn module_of(path: &str) -> String {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split(['/', '.']).next().unwrap_or_default().to_owned()
}

/// Returns the modules that follow a `crate::`.
fn named_modules(code: &str) -> impl Iterator<Item = String> {
    let after = words(code).filter(|(word, rest)| *word == "crate" && rest.starts_with("::"));
    let named = after.filter(|(_, rest)| rest[2..].starts_with(is_in_word));
    let named = named.filter_map(|(_, rest)| words(rest).next().map(|(word, _)| word.to_owned()));
    named.collect::<BTreeSet<_>>().into_iter()
}

/// Returns the packages of Cargo.toml that begin a path.
fn named_packages(code: &str) -> impl Iterator<Item = String> {
    let packages = packages();
    let begins_path = |(word, rest): &(&str, &str)| {
        let before = code[..code.len() - rest.len() - word.len()].chars().next_back();
        rest.starts_with("::") && before != Some(':')
    };
    let named = words(code).filter(begins_path).map(|(word, _)| word.to_owned());
    named.filter(|word| packages.contains(word)).collect::<BTreeSet<_>>().into_iter()
}

/// Returns the names of all dependencies, as code writes them.
fn packages() -> BTreeSet<String> {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().unwrap();
    let of = |table: &str| manifest[table].as_table().unwrap().keys().map(|name| name.replace('-', "_"));
    of("dependencies").chain(of("dev-dependencies")).collect()
}

/// Returns every identifier with what follows it.
fn words(code: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|character: char| !is_in_word(character));
        let end = rest.find(|character: char| !is_in_word(character)).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        (!word.is_empty()).then_some((word, rest))
    })
}

fn is_in_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Returns a file up to its module of tests.
fn without_tests(code: &str) -> &str {
    let tests = code.match_indices("#[cfg(test)]").map(|(at, _)| at);
    // Other things may be for tests too; the module of tests is the last thing in a file.
    tests
        .filter(|at| code[*at..].lines().skip(1).find(|line| !line.starts_with("#[")).is_some_and(is_tests))
        .map(|at| &code[..at])
        .next()
        .unwrap_or(code)
}

fn is_tests(line: &str) -> bool {
    // Those of one file may lend the others of its folder what they share.
    matches!(line, "mod tests {" | "pub mod tests {")
}

/// Returns a source with blanks in place of comments and the insides of texts, line by line as before.
fn code(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_in_word);
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with('"') {
            text_length(rest)
        } else if !after_word && rest.starts_with(['r', 'b', 'c']) {
            prefixed_text_length(rest)
        } else if rest.starts_with('\'') {
            character_length(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..skipped].chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            rest = &rest[skipped..];
        }
    }
    code
}

/// Returns the length of a text in quotes, escapes and all.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// Returns the length of `r"…"`, `b"…"`, `br#"…"#` and their like; 0 for anything else.
fn prefixed_text_length(rest: &str) -> usize {
    let prefix = rest.find(|character: char| !matches!(character, 'r' | 'b' | 'c')).unwrap_or(rest.len());
    let hashes = rest[prefix..].chars().take_while(|character| *character == '#').count();
    let Some(quoted) = rest[prefix + hashes..].strip_prefix('"') else { return 0 };
    if !rest[..prefix].contains('r') {
        return if hashes == 0 { prefix + text_length(&rest[prefix..]) } else { 0 };
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let inside = quoted.find(&close).map_or(quoted.len(), |at| at + close.len());
    prefix + hashes + 1 + inside
}

/// Returns the length of a character in quotes; 0 for a lifetime.
fn character_length(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some(_) => characters.next().filter(|(_, character)| *character == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

/// Returns every source of the crate but those of its tests, with its path from the repository's top.
fn sources() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![top.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            if name == "tests" || name == "trials" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let shown = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                found.push((shown, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn check_fake(path: &str, text: &str, expected: &[&str]) {
    assert_eq!(check(path, text, &mut Arrows::default()), expected, "{path}: {text}");
}

#[test]
fn the_checker_names_file_and_arrow() {
    check_fake("src/plan.rs", "//! Plan.\nuse crate::formation::Formation;\n", &[]);
    check_fake(
        "src/output/style.rs",
        "//! Style.\nuse crate::plan::Plan;\n",
        &["src/output/style.rs: output → plan is not in the table; output may name []"],
    );
    check_fake(
        "src/plan.rs",
        "//! Plan.\nfn f() { nix::unistd::fork(); }\n",
        &["src/plan.rs: plan → package nix is not in the table; plan may name []"],
    );
    check_fake(
        "src/other.rs",
        "//! Other.\n",
        &["src/other.rs: module `other` is not in the table of tests/it/layering.rs"],
    );
}

#[test]
fn the_checker_knows_the_rules_of_the_house() {
    check_fake("src/plan.rs", "use std::fmt;\n", &["src/plan.rs: does not open with `//!`"]);
    check_fake("src/plan.rs", "//! P.\nuse super::super::x;\n", &["src/plan.rs: contains `super::super`"]);
    check_fake("src/plan.rs", "//! P.\nuse std::fmt::*;\n", &["src/plan.rs: contains `::*;`"]);
    check_fake("src/plan.rs", "//! P.\nuse crate::{a, b};\n", &["src/plan.rs: contains `crate::{`"]);
    check_fake(
        "src/cli/run.rs",
        "//! R.\nfn f() { unsafe { g() } }\n",
        &["src/cli/run.rs: contains `unsafe`, which only `sys` may"],
    );
    check_fake(
        "src/plan.rs",
        "//! P.\nuse std::env;\n",
        &["src/plan.rs: names `std::env`, which is for sys, runtime, cli, main only"],
    );
    check_fake(
        "src/runtime/server.rs",
        "//! S.\n#[cfg(procman_portable)]\nfn f() {}\n",
        &["src/runtime/server.rs: names `procman_portable`, which only `sys` may"],
    );
    let long = format!("//! P.\n{}", "fn f() {}\n".repeat(LONGEST));
    check_fake("src/plan.rs", &long, &["src/plan.rs: has 451 lines before its tests, more than 450"]);
}

#[test]
fn the_checker_sees_no_comments_texts_and_tests() {
    let text = r####"//! [`crate::sys`]
// crate::cli
const A: &str = "crate::cli \" nix::x";
const B: &str = r#"crate::cli " nix::x"#;
const C: &[u8] = b"nix::x";
fn f<'a>(quote: &'a str) -> char { '"' }
const D: char = '\'';
const E: &str = "crate::cli";
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::sys::x;
}
"####;
    check_fake("src/plan.rs", text, &[]);
    // What follows such texts is seen.
    let text = text.replace("const E: &str = \"crate::cli\";", "use crate::cli;");
    let text = text.replace("crate::sys::x", "crate::cli::x");
    let expected = "src/quote.rs: quote → cli is not in the table; quote may name []";
    check_fake("src/quote.rs", &text, &[expected]);
}

#[test]
fn the_checker_notices_an_arrow_that_is_gone() {
    let faults = unused(&Arrows::default());
    assert!(faults.contains(&"the table has plan → dotenv, and no source has".to_owned()), "{faults:?}");
}
