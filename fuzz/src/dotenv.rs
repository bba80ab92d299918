//! `.env`: every line sets a variable or is reported where it lies; what is written of the variables is read as the
//! same; a file may be cut in two between any two assignments; line ends, byte order mark and comments mean nothing.

use procman::dotenv::{Env, Fault, FaultKind, read};
use procman::fault::Severity;

use super::text::{check_message, commented, dos, introduced, is_no_text, marked, place, unix, unmarked};

/// How many bytes the values of one file may have together.
const MOST: usize = 8 * 1024 * 1024;

/// Beyond this, values are not read again and again in other forms.
const LARGE: usize = 64 * 1024;

/// At how many line ends a text is cut in two.
const CUTS: usize = 4;

const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// What a file says: names and values, wherever they stand in it.
type Said = Vec<(String, String)>;

/// Checks everything for one text.
pub fn check(text: &[u8]) {
    let (env, faults) = read_alone(text);
    for (name, value) in &env {
        assert!(is_name(name), "{name:?} is a name");
        assert!(!value.contains('\0'), "the value of {name} can be given to a process");
    }
    let size = env.iter().map(|(_, value)| value.len()).sum::<usize>();
    assert!(size <= MOST);
    faults.iter().for_each(|fault| check_fault(fault, text));
    assert!(faults.is_sorted_by_key(|fault| (fault.line, fault.column)));
    let errors = faults.iter().position(|fault| fault.kind.severity() == Severity::Error);
    assert!(errors.is_none_or(|first| first + 1 == faults.len()), "an error is the last");

    if size > LARGE {
        return;
    }
    let result = (env, faults);
    let plain = unix(text);
    assert_eq!(read_alone(&plain), read_alone(&dos(&plain)), "carriage returns vanish");
    assert_eq!(read_alone(&marked(text)), result, "a byte order mark vanishes");
    assert_eq!(read_alone(&commented(text)), result, "a comment says nothing");
    let (env, mut faults) = read_alone(&introduced(text));
    faults.iter_mut().for_each(|fault| fault.line -= 1);
    assert_eq!((env, faults), result, "a comment says nothing");

    let (env, faults) = result;
    assert_eq!(read_alone(written(&env).as_bytes()), (env.clone(), vec![]), "what is written is read");
    if errors.is_none() {
        check_last_wins(&env, text);
    }
    if let Ok(text) = str::from_utf8(unmarked(text)) {
        check_every_line_is_told(text);
        if errors.is_none() {
            check_cuts(text, &env, &faults);
        }
    }
}

fn read_alone(text: &[u8]) -> (Said, Vec<Fault>) {
    let mut env = Env::default();
    let faults = read(&mut env, text, &outer);
    for (name, _) in env.iter() {
        let at = env.place(name).expect("what is set is set somewhere");
        let (before, _) = place(text, at.line, at.column);
        assert!(at.file == 0 && before.contains(name), "{name} at {at:?}");
    }
    (said(&env), faults)
}

fn said(env: &Env) -> Said {
    env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// procman's environment in all texts.
fn outer(name: &str) -> Option<String> {
    assert!(is_name(name), "procman's environment is asked for {name:?}");
    (name == "EXISTING").then(|| "outer".to_owned())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

/// Checks that a fault lies in the text, where its culprit is, and that it shows nothing but names.
fn check_fault(fault: &Fault, text: &[u8]) {
    let message = fault.kind.to_string();
    check_message(&message);
    let mut shown = message.split('`').skip(1).step_by(2).map(|shown| shown.trim_end_matches('…'));
    assert!(shown.all(|shown| shown == "=" || is_name(shown)), "{message}");
    let (before, rest) = place(text, fault.line, fault.column);
    let is_fitting = match &fault.kind {
        FaultKind::NoName => !rest.starts_with(is_name_character),
        FaultKind::NoEquals => !before.is_empty() && !rest.starts_with('='),
        FaultKind::TextAfterQuote { .. } => !rest.is_empty() && !rest.starts_with(['\n', '#', ' ', '\t']),
        FaultKind::Unterminated { name } => before.contains(name) && rest.starts_with(['\'', '"']),
        FaultKind::Nul { .. } => rest.starts_with('\0'),
        FaultKind::TooLarge { name } => before.contains(name) && !rest.is_empty(),
        FaultKind::ReturnInLine { name } => before.contains(name) && is_return_within(&rest),
        FaultKind::ReturnInComment => {
            before.trim_start_matches(BLANKS).starts_with('#') && is_return_within(&rest)
        }
        FaultKind::NotUtf8 => is_no_text(text, fault.line, fault.column),
    };
    assert!(is_fitting, "{fault:?} between {before:?} and {rest:?}");
}

fn is_return_within(rest: &str) -> bool {
    rest.starts_with('\r') && !rest.trim_matches(BLANKS).is_empty()
}

fn is_name_character(character: char) -> bool {
    is_name(character.encode_utf8(&mut [0; 4]))
}

/// Returns a file that sets the same variables.
fn written(env: &Said) -> String {
    let quoted = |value: &str| {
        if value.contains(['\'', '\r']) {
            let escaped = value.replace('\\', r"\\").replace('"', r#"\""#).replace('$', r"\$");
            format!("\"{}\"", escaped.replace('\r', r"\r"))
        } else {
            format!("'{value}'")
        }
    };
    env.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect()
}

/// Checks that one more assignment at the end sets its variable and no other.
fn check_last_wins(env: &Said, text: &[u8]) {
    let name = env.first().map_or("NEW", |(name, _)| name);
    let (after, _) = read_alone(&[text, b"\n", name.as_bytes(), b"='the last'"].concat());
    assert!(after.contains(&(name.to_owned(), "the last".to_owned())));
    let others = |env: &Said| -> Said { env.iter().filter(|(other, _)| other != name).cloned().collect() };
    assert_eq!(others(&after), others(env));
}

/// Checks that a line on its own sets one variable or has one fault, or is blank or a comment.
fn check_every_line_is_told(text: &str) {
    for line in text.split('\n') {
        let content = line.trim_matches(['\u{feff}', ' ', '\t', '\r']);
        let is_silent = content.starts_with('#') && !content.contains('\r');
        let (env, faults) = read_alone(line.as_bytes());
        let expected = usize::from(!content.is_empty() && !is_silent);
        assert_eq!(env.len() + faults.len(), expected, "each line is told once");
    }
}

/// Checks that two files say what they say as one, wherever the first of them is complete.
fn check_cuts(text: &str, env: &Said, faults: &[Fault]) {
    for (at, _) in text.match_indices('\n').take(CUTS) {
        let (first, second) = text.split_at(at + 1);
        let mut both = Env::default();
        let mut all = read(&mut both, first.as_bytes(), &outer);
        // A mark is a character within a file, and nothing before one.
        if all.iter().any(|fault| fault.kind.severity() == Severity::Error) || second.starts_with('\u{feff}')
        {
            continue;
        }
        let above = first.matches('\n').count();
        let below = read(&mut both, second.as_bytes(), &outer).into_iter();
        all.extend(below.map(|fault| Fault { line: fault.line + above, ..fault }));
        assert_eq!((&said(&both), &all[..]), (env, faults), "cut after line {above}");
    }
}
