//! A Procfile's text → its entries in order, and everything wrong with it, with line and column.
//!
//! This is grammar only: which of the entries run, with which port and environment, is decided by
//! [`formation`](crate::formation) and [`plan`](crate::plan). Reading goes on after a fault, so that all of them can
//! be shown at once. A line that is neither an entry nor a comment is reported rather than dropped in silence.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::fault::{self, Severity};
use crate::quote::excerpt;

/// The name of a process type, such as `web`: 1 to 63 of `A-Z a-z 0-9 _ -`.
///
/// The bound is that of a DNS label, which host names, Compose services and Kubernetes objects made of it have to keep.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessType(Arc<str>);

impl ProcessType {
    /// The most characters a name may have.
    pub const LONGEST: usize = 63;

    /// Returns `name` as a process type, or what is wrong with it.
    pub fn new(name: &str) -> Result<ProcessType, NameError> {
        if name.is_empty() {
            Err(NameError::Empty)
        } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            Err(NameError::Alphabet { name: excerpt(name) })
        } else if name.len() > ProcessType::LONGEST {
            Err(NameError::TooLong { name: excerpt(name), length: name.len() })
        } else {
            Ok(ProcessType(name.into()))
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ProcessType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A map keyed by process types can be asked with plain text.
impl Borrow<str> for ProcessType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is not the name of a process type. `name` is an [`excerpt`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum NameError {
    #[error("a process name is missing")]
    Empty,
    #[error("`{name}` is not a process name: use letters, digits, `_` and `-`")]
    Alphabet { name: String },
    #[error("process name `{name}` has {length} characters, more than {longest}", longest = ProcessType::LONGEST)]
    TooLong { name: String, length: usize },
}

/// One `name: command` of a Procfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What stands before the colon.
    pub name: ProcessType,
    /// What the shell is to run, without the blanks around it. Neither empty nor with a NUL in it.
    pub command: String,
    /// Where it stands, counted from 1.
    pub line: usize,
}

/// What a Procfile says, and all that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The entries in the order of the file, no name twice.
    pub entries: Vec<Entry>,
    /// The faults in the order of the file; that there is no entry at all comes last.
    pub faults: Vec<Fault>,
}

/// Something wrong at one place.
pub type Fault = fault::Fault<FaultKind>;

/// What is wrong, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum FaultKind {
    #[error("line ignored: neither `name: command` nor a comment")]
    NotAnEntry,
    #[error("line ignored: blanks before `{name}:`")]
    Indented { name: ProcessType },
    #[error("line ignored: {0}")]
    NotAName(NameError),
    #[error(transparent)]
    LongName(NameError),
    #[error("no command after `{name}:`")]
    NoCommand { name: ProcessType },
    #[error("`{name}` is already in line {first}")]
    Duplicate { name: ProcessType, first: usize },
    #[error("NUL in the command of `{name}`")]
    Nul { name: ProcessType },
    /// Else what follows, perhaps the next entry, would be a part of this one.
    #[error("a carriage return within the command of `{name}`: {OLD_MAC}")]
    ReturnInCommand { name: ProcessType },
    #[error("a carriage return within a comment: {OLD_MAC}")]
    ReturnInComment,
    #[error("not UTF-8 text")]
    NotUtf8,
    #[error("no process at all: write `name: command`")]
    NoEntry,
}

const OLD_MAC: &str = "the file may have old Mac line ends";

impl FaultKind {
    /// Returns whether procman can go on in spite of it.
    pub fn severity(&self) -> Severity {
        match self {
            FaultKind::NotAnEntry
            | FaultKind::Indented { .. }
            | FaultKind::NotAName(_)
            | FaultKind::ReturnInComment => Severity::Warning,
            FaultKind::LongName(_)
            | FaultKind::NoCommand { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Nul { .. }
            | FaultKind::ReturnInCommand { .. }
            | FaultKind::NotUtf8
            | FaultKind::NoEntry => Severity::Error,
        }
    }
}

/// Returns the entries and faults of a Procfile.
///
/// A byte order mark and carriage returns at the end of lines vanish. Time and memory are linear in the text.
pub fn parse(text: &[u8]) -> Parsed {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut parsed = Parsed::default();
    let mut first_lines = BTreeMap::new();
    for (line, bytes) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let fault = match read_line(bytes) {
            Ok(None) => continue,
            Ok(Some((name, command))) => match first_lines.entry(name.clone()) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(line);
                    parsed.entries.push(Entry { name, command, line });
                    continue;
                }
                btree_map::Entry::Occupied(first) => (1, FaultKind::Duplicate { name, first: *first.get() }),
            },
            Err(fault) => fault,
        };
        let (column, kind) = fault;
        parsed.faults.push(Fault { line, column, kind });
    }
    // After an entry that is in error itself, this would only distract.
    let only_warnings = parsed.faults.iter().all(|fault| fault.kind.severity() == Severity::Warning);
    if parsed.entries.is_empty() && only_warnings {
        parsed.faults.push(Fault { line: 1, column: 1, kind: FaultKind::NoEntry });
    }
    parsed
}

/// What surrounds names and commands; so a carriage return vanishes at the end of a line.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Returns the name and command of one line, nothing for a comment, or the column and kind of its fault.
fn read_line(bytes: &[u8]) -> Result<Option<(ProcessType, String)>, (usize, FaultKind)> {
    let Ok(line) = str::from_utf8(bytes) else {
        let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        return Err((column(valid), FaultKind::NotUtf8));
    };
    let line = line.trim_end_matches(BLANKS);
    let content = line.trim_start_matches(BLANKS);
    let indent = line.len() - content.len();
    let at_return = content.find('\r').map(|at| column(&line[..indent + at]));
    if content.is_empty() || content.starts_with('#') {
        return at_return.map_or(Ok(None), |column| Err((column, FaultKind::ReturnInComment)));
    }
    let Some((name, command)) = content.split_once(':') else {
        return Err((indent + 1, FaultKind::NotAnEntry));
    };
    let name = match ProcessType::new(name) {
        Ok(name) if indent > 0 => return Err((1, FaultKind::Indented { name })),
        Ok(name) => name,
        Err(error @ NameError::TooLong { .. }) => return Err((indent + 1, FaultKind::LongName(error))),
        Err(error @ (NameError::Empty | NameError::Alphabet { .. })) => {
            return Err((indent + 1, FaultKind::NotAName(error)));
        }
    };
    let command = command.trim_start_matches(BLANKS);
    if command.is_empty() {
        return Err((column(line), FaultKind::NoCommand { name }));
    }
    if let Some(column) = at_return {
        return Err((column, FaultKind::ReturnInCommand { name }));
    }
    if let Some(nul) = command.find('\0') {
        let before = line.len() - command.len() + nul;
        return Err((column(&line[..before]), FaultKind::Nul { name }));
    }
    Ok(Some((name, command.to_owned())))
}

/// Returns the column of what follows `before` in its line.
fn column(before: &str) -> usize {
    before.chars().count() + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::{Parsed, ProcessType, Severity, parse};

    /// Compares the entries as `line name=command` and the faults as `severity line:column words`.
    #[track_caller]
    fn check(text: impl AsRef<[u8]>, expected: &[&str]) {
        assert_eq!(told(&parse(text.as_ref())), expected);
    }

    fn told(parsed: &Parsed) -> Vec<String> {
        let entries =
            parsed.entries.iter().map(|entry| format!("{} {}={}", entry.line, entry.name, entry.command));
        let faults = parsed.faults.iter().map(|fault| {
            let severity = match fault.kind.severity() {
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            format!("{severity} {}:{} {}", fault.line, fault.column, fault.kind)
        });
        entries.chain(faults).collect()
    }

    const NO_ENTRY: &str = "error 1:1 no process at all: write `name: command`";

    #[test]
    fn entries_keep_their_order() {
        check(
            "web: bundle exec thin\nworker: rake jobs\n",
            &["1 web=bundle exec thin", "2 worker=rake jobs"],
        );
        check("z: 1\na: 2\nA-b_9: 3", &["1 z=1", "2 a=2", "3 A-b_9=3"]);
    }

    #[test]
    fn blanks_round_a_command_are_dropped_and_those_inside_kept() {
        check("web: \t ./run  \"a  b\" \t\n", &["1 web=./run  \"a  b\""]);
        check("web:./run", &["1 web=./run"]);
    }

    #[test]
    fn a_command_keeps_colons_hashes_and_whatever_the_shell_means() {
        check("web: A=1 ./run # $PORT | x:y && z", &["1 web=A=1 ./run # $PORT | x:y && z"]);
    }

    #[test]
    fn comments_and_blank_lines_are_nothing() {
        check("# web: x\n\n \t\n  # y\nweb: z\n", &["5 web=z"]);
    }

    #[test]
    fn byte_order_mark_and_carriage_returns_vanish() {
        check("\u{feff}web: x\r\n\r\nworker: y\r", &["1 web=x", "3 worker=y"]);
    }

    /// A line end that a conversion had doubled left a carriage return in the command, and made an entry of a blank line.
    #[test]
    fn several_carriage_returns_vanish_as_one_does() {
        check("web: x\r\r\n\r\r\n\r# y\nworker: z \r\r", &["1 web=x", "4 worker=z"]);
        check("web: a\nworker:\r\r\n", &["1 web=a", "error 2:8 no command after `worker:`"]);
    }

    /// The next entry became a part of the command, and all after a comment one comment.
    #[test]
    fn a_carriage_return_within_a_line_is_a_fault_where_it_stands() {
        let mac = "the file may have old Mac line ends";
        let words = |name| format!("a carriage return within the command of `{name}`: {mac}");
        check("web: é\rworker: y\r", &[&format!("error 1:7 {}", words("web"))]);
        check("web: x\nworker:\r y\n", &["1 web=x", &format!("error 2:8 {}", words("worker"))]);
        check(
            " # x\rweb: y\nweb: z\n",
            &["2 web=z", &format!("warning 1:5 a carriage return within a comment: {mac}")],
        );
    }

    #[test]
    fn a_line_that_is_neither_is_a_warning() {
        check(
            "web: x\n  run it\n",
            &["1 web=x", "warning 2:3 line ignored: neither `name: command` nor a comment"],
        );
        check("web: x\n worker: y\n", &["1 web=x", "warning 2:1 line ignored: blanks before `worker:`"]);
        check("web: x\n: y\n", &["1 web=x", "warning 2:1 line ignored: a process name is missing"]);
        for name in ["we b", "../x", "web ", "bücher", "a/b"] {
            let words = format!("`{name}` is not a process name: use letters, digits, `_` and `-`");
            check(format!("web: x\n{name}: y"), &["1 web=x", &format!("warning 2:1 line ignored: {words}")]);
        }
    }

    #[test]
    fn a_name_twice_is_an_error_that_names_the_first_line() {
        check("web: a\n\nweb: b\n", &["1 web=a", "error 3:1 `web` is already in line 1"]);
    }

    #[test]
    fn an_empty_command_is_an_error_where_it_should_stand() {
        check("web: a\nworker:\n", &["1 web=a", "error 2:8 no command after `worker:`"]);
        check("web: \t\r\n", &["error 1:5 no command after `web:`"]);
    }

    #[test]
    fn no_entry_at_all_is_an_error() {
        check("", &[NO_ENTRY]);
        check("# only this\n", &[NO_ENTRY]);
        check("nonsense", &["warning 1:1 line ignored: neither `name: command` nor a comment", NO_ENTRY]);
    }

    #[test]
    fn bytes_that_no_command_can_hold_are_errors_where_they_stand() {
        check(b"a: x\nweb: \xc3\xa9\xff\n", &["1 a=x", "error 2:7 not UTF-8 text"]);
        check("a: x\nweb: é\0", &["1 a=x", "error 2:7 NUL in the command of `web`"]);
    }

    #[test]
    fn a_name_has_at_most_63_characters() {
        let longest = "n".repeat(63);
        check(format!("{longest}: x"), &[&format!("1 {longest}=x")]);
        let (long, cut) = ("n".repeat(10_000), "n".repeat(64));
        let words = format!("error 1:1 process name `{cut}…` has 10000 characters, more than 63");
        check(format!("{long}: x"), &[&words]);
    }

    #[test]
    fn a_message_shows_control_characters_rather_than_sending_them() {
        check(
            "a: x\n\x1b]0;: y",
            &[
                "1 a=x",
                r"warning 2:1 line ignored: `\u{1b}]0;` is not a process name: use letters, digits, `_` and `-`",
            ],
        );
    }

    #[test]
    fn a_process_type_is_shown_as_its_name() {
        let name = ProcessType::new("web").unwrap();
        assert_eq!((format!("{name:<5}|"), format!("{name:?}")), ("web  |".to_owned(), "\"web\"".to_owned()));
    }

    #[test]
    fn many_lines_take_linear_time() {
        let text: String = (0..200_000).map(|number| format!("p{number}: x\n")).collect();
        assert_eq!(parse(text.as_bytes()).entries.len(), 200_000);
        let same = "p: x\n".repeat(200_000);
        assert_eq!(parse(same.as_bytes()).faults.len(), 199_999);
    }

    proptest! {
        #[test]
        fn faults_lie_inside_the_text(text in any::<Vec<u8>>()) {
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            for fault in parse(&text).faults {
                let length = lines[fault.line - 1].len();
                assert!((1..=length + 1).contains(&fault.column), "{fault:?}");
            }
        }

        #[test]
        fn what_is_written_is_read(names in proptest::collection::btree_set("[A-Za-z0-9_-]{1,9}", 1..9), command in "[!-~]([ -~]*[!-~])?") {
            let text: String = names.iter().map(|name| format!("{name}:{command}\r\n")).collect();
            let parsed = parse(text.as_bytes());
            assert_eq!(parsed.faults, []);
            assert!(parsed.entries.iter().map(|entry| entry.name.as_str()).eq(names.iter().map(String::as_str)));
            assert!(parsed.entries.iter().all(|entry| entry.command == command));
        }
    }
}
