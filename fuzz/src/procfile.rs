//! Procfile: every line that says something is an entry or a fault; a fault points at its culprit; what is written of
//! the entries is read as the same; line ends, byte order mark and comments mean nothing.

use procman::fault::Severity;
use procman::procfile::{Entry, Fault, FaultKind, Parsed, ProcessType, parse};

use super::text::{check_message, commented, dos, introduced, is_no_text, marked, place, unix, unmarked};

const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Checks everything for one text.
pub fn check(text: &[u8]) {
    let parsed = parse(text);
    check_every_line_is_told(&parsed, text);
    check_entries(&parsed, text);
    parsed.faults.iter().for_each(|fault| check_fault(fault, &parsed, text));
    check_order(&parsed);

    let plain = unix(text);
    assert_eq!(parse(&plain), parsed, "carriage returns vanish");
    assert_eq!(parse(&dos(&plain)), parsed, "carriage returns vanish");
    assert_eq!(parse(&marked(text)), parsed, "a byte order mark vanishes");
    assert_eq!(parse(&commented(text)), parsed, "a comment says nothing");
    assert_eq!(parse(&introduced(text)), a_line_lower(&parsed), "a comment says nothing");

    let written: String =
        parsed.entries.iter().map(|entry| format!("{}: {}\n", entry.name, entry.command)).collect();
    let again = parse(written.as_bytes());
    assert_eq!(told(&again), told(&parsed), "what is written is read");
    assert_eq!(again.faults.is_empty(), !parsed.entries.is_empty());
}

fn told(parsed: &Parsed) -> Vec<(&ProcessType, &str)> {
    parsed.entries.iter().map(|entry| (&entry.name, entry.command.as_str())).collect()
}

/// Checks that a line is an entry, or has one fault, or is blank or a comment.
fn check_every_line_is_told(parsed: &Parsed, text: &[u8]) {
    let faults = parsed.faults.iter().filter(|fault| fault.kind != FaultKind::NoEntry);
    let mut lines: Vec<usize> = parsed.entries.iter().map(|entry| entry.line).collect();
    lines.extend(faults.map(|fault| fault.line));
    lines.sort_unstable();
    let numbered = (1..).zip(unmarked(text).split(|byte| *byte == b'\n'));
    let expected: Vec<usize> = numbered.filter(|(_, line)| says_something(line)).map(|(at, _)| at).collect();
    assert_eq!(lines, expected, "each line is told once");
}

fn says_something(line: &[u8]) -> bool {
    match line.iter().find(|byte| !BLANKS.contains(&char::from(**byte))) {
        None => false,
        Some(b'#') => str::from_utf8(line).is_err() || has_return_within(line),
        Some(_) => true,
    }
}

/// Returns whether a carriage return stands between what the line says.
fn has_return_within(line: &[u8]) -> bool {
    String::from_utf8_lossy(line).trim_matches(BLANKS).contains('\r')
}

fn check_entries(parsed: &Parsed, text: &[u8]) {
    for Entry { name, command, line } in &parsed.entries {
        assert_eq!(ProcessType::new(name.as_str()).as_ref(), Ok(name));
        let (before, rest) = place(text, *line, name.as_str().len() + 1);
        assert_eq!((before.as_str(), rest.starts_with(':')), (name.as_str(), true));
        assert_eq!(rest[1..].trim_matches(BLANKS), command);
        assert!(!command.is_empty() && !command.contains(['\0', '\r']), "a command can be given to a shell");
    }
    for (index, entry) in parsed.entries.iter().enumerate() {
        assert!(parsed.entries[..index].iter().all(|other| other.name != entry.name), "no name twice");
    }
}

/// Checks that the culprit stands where the fault says.
fn check_fault(fault: &Fault, parsed: &Parsed, text: &[u8]) {
    check_message(&fault.kind.to_string());
    let (before, rest) = place(text, fault.line, fault.column);
    let is_blank = |text: &str| text.trim_matches(BLANKS).is_empty();
    let is_fitting = match &fault.kind {
        FaultKind::NotAnEntry => is_blank(&before) && !is_blank(&rest) && !rest.contains(':'),
        FaultKind::Indented { name } => {
            before.is_empty()
                && rest.trim_start().starts_with(&format!("{name}:"))
                && !rest.starts_with(name.as_str())
        }
        FaultKind::NotAName(_) | FaultKind::LongName(_) => {
            is_blank(&before) && rest.split(':').next().is_some_and(|name| ProcessType::new(name).is_err())
        }
        FaultKind::NoCommand { name } => before == format!("{name}:") && is_blank(&rest),
        FaultKind::Duplicate { name, first } => {
            let is_first = |entry: &Entry| entry.name == *name && entry.line == *first;
            *first < fault.line && rest.starts_with(name.as_str()) && parsed.entries.iter().any(is_first)
        }
        FaultKind::Nul { name } => before.starts_with(&format!("{name}:")) && rest.starts_with('\0'),
        FaultKind::ReturnInCommand { name } => {
            before.starts_with(&format!("{name}:")) && rest.starts_with('\r') && !is_blank(&rest)
        }
        FaultKind::ReturnInComment => {
            before.trim_start_matches(BLANKS).starts_with('#') && rest.starts_with('\r') && !is_blank(&rest)
        }
        FaultKind::NotUtf8 => is_no_text(text, fault.line, fault.column),
        FaultKind::NoEntry => {
            parsed.entries.is_empty()
                && parsed.faults.last() == Some(fault)
                && (fault.line, fault.column) == (1, 1)
        }
    };
    assert!(is_fitting, "{fault:?} between {before:?} and {rest:?}");
}

fn check_order(parsed: &Parsed) {
    assert!(parsed.entries.is_sorted_by(|one, next| one.line < next.line));
    let faults = parsed.faults.iter().filter(|fault| fault.kind != FaultKind::NoEntry);
    assert!(faults.is_sorted_by(|one, next| one.line < next.line));
    let can_run = parsed.faults.iter().all(|fault| fault.kind.severity() == Severity::Warning);
    assert!(!can_run || !parsed.entries.is_empty(), "without an entry there is an error");
}

/// Returns what the text says when a line stands before it.
fn a_line_lower(parsed: &Parsed) -> Parsed {
    let mut parsed = parsed.clone();
    parsed.entries.iter_mut().for_each(|entry| entry.line += 1);
    for fault in &mut parsed.faults {
        fault.line += usize::from(fault.kind != FaultKind::NoEntry);
        if let FaultKind::Duplicate { first, .. } = &mut fault.kind {
            *first += 1;
        }
    }
    parsed
}
