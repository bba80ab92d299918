//! Formation: what a request asks for is what runs, whatever its order and blanks; what is written of the counts is
//! read as the same; whatever is refused is named.
//!
//! The first line of an input is the request (`-m`), the second the names after `start`, the rest the process types.

use procman::formation::{Formation, Request};
use procman::procfile::ProcessType;

use super::text::check_message;

/// Beyond this, instances are counted but not looked at one by one.
const MANY: usize = 2000;

/// Checks everything for one input.
pub fn check(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let mut parts = input.splitn(3, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (text, names, types) = (next(), words(next()), types(next()));
    let request = match text.parse::<Request>() {
        Ok(request) => request,
        Err(error) => {
            check_message(&error.to_string());
            assert!(reversed(text).parse::<Request>().is_err(), "refused in any order");
            return;
        }
    };
    assert_eq!(reversed(text).parse(), Ok(request.clone()), "the order does not matter");
    assert_eq!(spaced(text).parse(), Ok(request.clone()), "blanks do not matter");
    for request in [Some(&request), None] {
        let resolved = Formation::resolve(&types, request, &names);
        let reversed: Vec<String> = names.iter().rev().chain(&names).cloned().collect();
        let again = Formation::resolve(&types, request, &reversed);
        assert_eq!(again.is_ok(), resolved.is_ok(), "neither order nor repetition of names matters");
        match &resolved {
            Ok(formation) => {
                assert_eq!(again.as_ref(), Ok(formation));
                check_formation(formation, &types);
                check_counts(formation, request.map(|_| text), &names);
            }
            Err(error) => check_message(&error.to_string()),
        }
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Returns the types that a text names, no type twice, as a Procfile has them.
fn types(text: &str) -> Vec<ProcessType> {
    let mut types: Vec<ProcessType> = Vec::new();
    for process in text.split_whitespace().filter_map(|name| ProcessType::new(name).ok()) {
        if !types.contains(&process) {
            types.push(process);
        }
    }
    types
}

fn reversed(request: &str) -> String {
    request.split(',').rev().collect::<Vec<_>>().join(",")
}

fn spaced(request: &str) -> String {
    request.replace(',', " ,\t").replace('=', "\t= ")
}

/// Checks that the counts are those of the types, in their order, and all that follows from the counts.
fn check_formation(formation: &Formation, types: &[ProcessType]) {
    assert!(formation.counts().iter().map(|(process, _)| process).eq(types), "the Procfile's order");
    assert!(formation.counts().iter().all(|(_, count)| *count <= Request::MOST));
    let total: usize = formation.counts().iter().map(|(_, count)| *count as usize).sum();
    assert!(total > 0, "something runs");
    if total <= MANY {
        let shown: Vec<String> = formation.instances().map(|instance| instance.to_string()).collect();
        let counted = formation.counts().iter();
        let expected =
            counted.flat_map(|(process, count)| (1..=*count).map(move |n| format!("{process}.{n}")));
        assert!(shown.iter().cloned().eq(expected), "every instance once, in order: {shown:?}");
        assert!(shown.iter().all(|name| name.len() <= formation.name_width()));
    }
    let written: Vec<String> =
        formation.counts().iter().map(|(process, count)| format!("{process}={count}")).collect();
    let request: Result<Request, _> = written.join(",").parse();
    let again = request.map(|request| Formation::resolve(types, Some(&request), &[]));
    let again = again.expect("what is written is read").expect("what runs can run");
    assert_eq!(again.counts(), formation.counts(), "what is written is read");
    assert!(!again.release_skipped());
}

/// Checks each count against what was written, item by item.
fn check_counts(formation: &Formation, request: Option<&str>, names: &[String]) {
    let items = request.into_iter().flat_map(|request| request.split(','));
    let items: Vec<(&str, u32)> = items
        .map(|item| item.split_once('=').expect("the request was read"))
        .map(|(name, count)| (name.trim(), count.trim().parse().expect("the request was read")))
        .collect();
    let asked = |wanted: &str| items.iter().find(|(name, _)| *name == wanted).map(|(_, count)| *count);
    for (process, count) in formation.counts() {
        let name = process.as_str();
        let is_named = names.iter().any(|other| other == name);
        let own = asked(name).filter(|_| name != "all");
        let expected = match (own, asked("all")) {
            _ if !names.is_empty() && !is_named => 0,
            (Some(count), _) => count,
            (None, _) if name == "release" && !is_named => 0,
            (None, Some(all)) => all,
            (None, None) => u32::from(is_named || request.is_none()),
        };
        assert_eq!(*count, expected, "{process}");
    }
}
