//! The catalogue of faults, `tests/FAULTS.md`: every row has a result, and every test it names exists.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::repository;

/// How many faults the catalogue has.
const FAULTS: usize = 132;

/// One row of the table.
struct Row<'a> {
    number: usize,
    tests: Vec<Test<'a>>,
    result: &'a str,
    build: &'a str,
}

/// A test that a row names: `module::name`, with `(Linux)` behind it where the portable build has no such test.
struct Test<'a> {
    name: &'a str,
    is_linux_only: bool,
}

#[test]
fn every_fault_has_a_row_with_a_result() {
    let text = table();
    let rows: Vec<Row> = rows(&text).collect();
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=FAULTS).collect::<Vec<_>>());
    for Row { number, tests, result, build } in rows {
        let is_open = result.starts_with("waits for ") || result.starts_with("not provoked: ");
        assert_eq!(tests.is_empty(), is_open, "row {number}: a result needs a test, what has none a reason");
        assert!(!result.is_empty(), "row {number} has no result");
        let expected = match () {
            () if tests.is_empty() => "–",
            () if tests.iter().all(|test| test.is_linux_only) => "Linux",
            () => "both",
        };
        assert_eq!(build, expected, "row {number}");
    }
}

#[test]
fn every_test_of_the_table_exists() {
    let (text, built) = (table(), built());
    for Row { number, tests, .. } in rows(&text) {
        for Test { name, is_linux_only } in tests {
            let exists = built.contains(name) || is_beside_the_code(name);
            assert_eq!(exists, !(is_linux_only && cfg!(procman_portable)), "row {number}: the test `{name}`");
        }
    }
}

#[test]
fn every_test_of_a_fault_is_in_the_table() {
    let text = table();
    let named: BTreeSet<&str> = rows(&text).flat_map(|row| row.tests).map(|test| test.name).collect();
    let forgotten: Vec<String> =
        built().into_iter().filter(|test| test.starts_with("faults_") && !named.contains(&**test)).collect();
    assert!(forgotten.is_empty(), "no row names {forgotten:#?}");
}

fn table() -> String {
    std::fs::read_to_string(repository().join("tests/FAULTS.md")).unwrap()
}

/// Returns the rows of the table: `| number | fault | tests | result | build |`.
fn rows(text: &str) -> impl Iterator<Item = Row<'_>> {
    text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells[0].parse().ok()?;
        let [_, _, tests, result, build] = cells[..] else { panic!("not five cells: {line}") };
        let tests = tests.split("<br>").filter_map(|test| {
            let (name, rest) = test.strip_prefix('`')?.split_once('`')?;
            Some(Test { name, is_linux_only: rest == " (Linux)" })
        });
        Some(Row { number, tests: tests.collect(), result, build })
    })
}

/// Returns the tests of this program, as the harness lists them.
fn built() -> BTreeSet<String> {
    let list = Command::new(std::env::current_exe().unwrap()).args(["--list", "--format=terse"]).output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    list.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Returns whether the library has that test: it is in the file of one of the modules on its path.
fn is_beside_the_code(test: &str) -> bool {
    let pieces: Vec<&str> = test.split("::").collect();
    let (name, modules) = pieces.split_last().unwrap();
    (1..=modules.len()).any(|count| {
        let file = repository().join("src").join(modules[..count].join("/")).with_extension("rs");
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {name}(")))
    })
}
