//! The texts of `.env` files → [`Env`], later files winning; and every line that cannot be read, with its place.
//!
//! The dialect is what Ruby dotenv, python-dotenv, node dotenv, godotenv and Compose agree on; where they disagree, a
//! fault says so. Here are names, the extent of values, comments and faults; `value` says what a value stands for.
//! Whether a file or procman's own environment wins in the end is up to [`plan`](crate::plan).

mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::dotenv::value::{Value, evaluate};
use crate::fault::{self, Severity};
use crate::quote::excerpt;

/// The variables set by the files read so far. Its `Debug` shows names only, for values are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env {
    variables: BTreeMap<String, Variable>,
    files: usize,
}

#[derive(Clone, PartialEq, Eq)]
struct Variable {
    value: String,
    place: Place,
}

/// Where the value of a variable stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of the files, counted from 0 in the order they were read.
    pub file: usize,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1 in characters.
    pub column: usize,
}

impl Env {
    /// Returns the value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// Returns where the value of `name` stands.
    pub fn place(&self, name: &str) -> Option<Place> {
        self.variables.get(name).map(|variable| variable.place)
    }

    /// Returns all names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Something wrong at one place.
pub type Fault = fault::Fault<FaultKind>;

/// What is wrong, in words for people. Names appear in them, values and unreadable text never.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum FaultKind {
    #[error("line ignored: no variable name")]
    NoName,
    /// The name is not shown: of a secret that has come apart into lines, it would be a piece.
    #[error("line ignored: no `=` after the variable name")]
    NoEquals,
    /// Ruby and node keep quotes and text as they are, python, godotenv and Compose refuse, a shell joins them.
    #[error("line ignored: text after the closing quote of `{}`", excerpt(name))]
    TextAfterQuote { name: String },
    #[error("the quote that opens the value of `{}` is never closed", excerpt(name))]
    Unterminated { name: String },
    #[error("NUL in the value of `{}`", excerpt(name))]
    Nul { name: String },
    #[error("the value of `{}` expands to more than a process can be given", excerpt(name))]
    TooLarge { name: String },
    /// Else what follows, perhaps the next line, would be a part of this one. Between quotes it is one of the value.
    #[error("a carriage return within the line of `{}`: {OLD_MAC}", excerpt(name))]
    ReturnInLine { name: String },
    #[error("a carriage return within a comment: {OLD_MAC}")]
    ReturnInComment,
    #[error("not UTF-8 text")]
    NotUtf8,
}

const OLD_MAC: &str = "the file may have old Mac line ends";

impl FaultKind {
    /// Returns whether procman can go on in spite of it.
    pub fn severity(&self) -> Severity {
        match self {
            FaultKind::NoName
            | FaultKind::NoEquals
            | FaultKind::TextAfterQuote { .. }
            | FaultKind::ReturnInComment => Severity::Warning,
            FaultKind::Unterminated { .. }
            | FaultKind::Nul { .. }
            | FaultKind::TooLarge { .. }
            | FaultKind::ReturnInLine { .. }
            | FaultKind::NotUtf8 => Severity::Error,
        }
    }
}

/// Adds what one file sets to `env` and returns the faults of that file, in its order. An error is the last.
///
/// `$NAME` means what `env` holds at that line, else what `outer`, procman's own environment, says. That is so
/// whichever of the two wins in the end: the text means the same under either precedence.
pub fn read(env: &mut Env, text: &[u8], outer: &dyn Fn(&str) -> Option<String>) -> Vec<Fault> {
    let file = env.files;
    env.files += 1;
    let text = match decode(text) {
        Ok(text) => text,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let mut total = 0;
    let mut rest = &*text;
    let mut line = 1;
    while !rest.is_empty() {
        let assigned = assignment(rest).and_then(|assignment| match assignment {
            None => Ok(0),
            Some(Assignment { name, value, start, end }) => {
                let lookup = |name: &str| env.get(name).map(str::to_owned).or_else(|| outer(name));
                let value = evaluate(&value, &lookup)
                    .filter(|value| total + value.len() <= MOST)
                    .ok_or_else(|| (start, FaultKind::TooLarge { name: name.to_owned() }))?;
                total += value.len();
                let place = Place { file, line, column: column(&rest[..start]) };
                env.variables.insert(name.to_owned(), Variable { value, place });
                Ok(end)
            }
        });
        let end = match assigned {
            Ok(end) => end,
            Err((offset, kind)) => {
                let fault = fault(line, &rest[..offset], kind);
                let severity = fault.kind.severity();
                faults.push(fault);
                match severity {
                    Severity::Warning => offset,
                    // After an open quote all the rest may belong to the value; none of it can be judged.
                    Severity::Error => break,
                }
            }
        };
        let length = rest[end..].find('\n').map_or(rest.len(), |newline| end + newline + 1);
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    faults
}

/// How many bytes the values of one file may have together: more than any system gives to a process. Values
/// that refer to one another would otherwise grow with the square of the file.
const MOST: usize = 8 * 1024 * 1024;

const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// `name=value` at the start of a text, which may go on over several lines.
struct Assignment<'a> {
    name: &'a str,
    value: Value<'a>,
    /// Where the value starts, its quote included, in bytes.
    start: usize,
    /// Where nothing of it is left but perhaps a comment.
    end: usize,
}

/// Returns the text without byte order mark and carriage returns, or where it is not UTF-8.
fn decode(text: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match str::from_utf8(text) {
        Ok(text) if text.contains("\r\n") => Ok(text.replace("\r\n", "\n").into()),
        Ok(text) => Ok(text.into()),
        Err(_) => {
            let valid = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            Err(fault(1, valid, FaultKind::NotUtf8))
        }
    }
}

/// Returns a fault that lies just after `before`, which starts at the beginning of `line`.
fn fault(line: usize, before: &str, kind: FaultKind) -> Fault {
    Fault { line: line + before.matches('\n').count(), column: column(before), kind }
}

/// Returns the column just after `before`.
fn column(before: &str) -> usize {
    before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1
}

/// Returns the assignment that starts on the first line of `text`, nothing for a comment or a blank line, or where
/// and why it cannot be read.
fn assignment(text: &str) -> Result<Option<Assignment<'_>>, (usize, FaultKind)> {
    let line = text.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    let mut at = skip(line, 0, &BLANKS);
    if at == line.len() || line[at..].starts_with('#') {
        return return_within(text, at).map_or(Ok(None), |at| Err((at, FaultKind::ReturnInComment)));
    }
    let content = at;
    let mut name = name_at(line, at);
    if name == "export" {
        let next = skip(line, at + name.len(), &BLANKS);
        // `export=1` and `export = 1` set a variable of that name.
        if next > at + name.len() && !name_at(line, next).is_empty() {
            (at, name) = (next, name_at(line, next));
        }
    }
    if name.is_empty() {
        return Err((at, FaultKind::NoName));
    }
    at += name.len();
    let separator = skip(line, at, &BLANKS);
    at = match &line.as_bytes()[separator..] {
        [b'=', ..] => separator + 1,
        [b':', b' ' | b'\t', ..] if separator == at => separator + 1,
        _ => return Err((separator, FaultKind::NoEquals)),
    };
    let start = skip(line, at, &BLANKS);
    let (value, end) = match &line.as_bytes()[start..] {
        [quote @ (b'\'' | b'"'), ..] => quoted(text, start, *quote, name)?,
        _ => (Value::Plain(plain(line, start)), line.len()),
    };
    let (Value::Plain(written) | Value::Single(written) | Value::Double(written)) = value;
    if let Some(nul) = written.find('\0') {
        let quote = usize::from(!matches!(value, Value::Plain(_)));
        return Err((start + quote + nul, FaultKind::Nul { name: name.to_owned() }));
    }
    let at_return = match value {
        Value::Plain(_) => return_within(text, content),
        Value::Single(_) | Value::Double(_) => {
            text[content..start].find('\r').map(|at| content + at).or_else(|| return_within(text, end))
        }
    };
    if let Some(at) = at_return {
        return Err((at, FaultKind::ReturnInLine { name: name.to_owned() }));
    }
    Ok(Some(Assignment { name, value, start, end }))
}

/// Returns the offset of the first carriage return from `at` on that something follows in its line.
fn return_within(text: &str, at: usize) -> Option<usize> {
    let line = text[at..].split('\n').next()?;
    line.trim_end_matches(BLANKS).find('\r').map(|found| at + found)
}

/// Returns the offset of the first character at or after `at` that is none of `skipped`.
fn skip(line: &str, at: usize, skipped: &[char]) -> usize {
    line.len() - line[at..].trim_start_matches(skipped).len()
}

/// Returns the longest variable name at `at`, perhaps an empty one.
fn name_at(line: &str, at: usize) -> &str {
    let rest = &line[at..];
    &rest[..rest.find(|character: char| !is_name(character)).unwrap_or(rest.len())]
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.')
}

/// Returns the quoted value whose quote stands at `start`, and where it ends.
fn quoted<'a>(
    text: &'a str,
    start: usize,
    quote: u8,
    name: &str,
) -> Result<(Value<'a>, usize), (usize, FaultKind)> {
    let inside = &text[start + 1..];
    let length = if quote == b'"' { closing_quote(inside) } else { inside.find('\'') };
    let Some(length) = length else {
        return Err((start, FaultKind::Unterminated { name: name.to_owned() }));
    };
    let end = start + 1 + length + 1;
    let next = skip(text, end, &BLANKS);
    if !matches!(text.as_bytes().get(next), None | Some(b'\n' | b'#')) {
        return Err((next, FaultKind::TextAfterQuote { name: name.to_owned() }));
    }
    let written = &inside[..length];
    Ok((if quote == b'"' { Value::Double(written) } else { Value::Single(written) }, end))
}

/// Returns the offset of the first double quote without a backslash that counts before it.
fn closing_quote(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..].find(['"', '\\'])?;
        if text[at..].starts_with('"') {
            return Some(at);
        }
        at += 1 + text[at + 1..].chars().next()?.len_utf8();
    }
}

/// Returns the unquoted value at `start`, without a comment and the blanks before it.
fn plain(line: &str, start: usize) -> &str {
    let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(BLANKS));
    line[start..comment.map_or(line.len(), |(at, _)| at)].trim_end_matches(BLANKS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::any;
    use proptest::proptest;
    use serde::Deserialize;

    use super::{Env, Place, Severity, read};

    /// procman's environment in all tests.
    fn outer(name: &str) -> Option<String> {
        (name == "EXISTING").then(|| "outer".to_owned())
    }

    /// Returns what one text sets as `NAME=value`, then its faults as `severity line:column words`.
    fn told(text: impl AsRef<[u8]>) -> Vec<String> {
        let mut env = Env::default();
        let faults = read(&mut env, text.as_ref(), &outer);
        let variables = env.iter().map(|(name, value)| format!("{name}={value}"));
        let faults = faults.iter().map(|fault| {
            let severity = match fault.kind.severity() {
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            format!("{severity} {}:{} {}", fault.line, fault.column, fault.kind)
        });
        variables.chain(faults).collect()
    }

    #[track_caller]
    fn check(text: impl AsRef<[u8]>, expected: &[&str]) {
        assert_eq!(told(text), expected);
    }

    /// Checks that `A=` with `written` after it sets A to `value`.
    #[track_caller]
    fn check_value(written: &str, value: &str) {
        check(format!("A={written}\n"), &[&format!("A={value}")]);
    }

    #[test]
    fn the_table_of_the_contract_holds() {
        #[derive(Deserialize)]
        struct Table {
            cases: Vec<Case>,
        }
        #[derive(Deserialize)]
        struct Case {
            id: String,
            input: String,
            #[serde(default)]
            expected: BTreeMap<String, String>,
            #[serde(default)]
            fault: bool,
            #[serde(default)]
            error: bool,
        }
        let table: Table = serde_json::from_str(include_str!("../tests/data/dotenv_cases.json")).unwrap();
        assert!(!table.cases.is_empty());
        for case in table.cases {
            let mut env = Env::default();
            let faults = read(&mut env, case.input.as_bytes(), &outer);
            let worst = faults.iter().map(|fault| fault.kind.severity()).max();
            let expected = match (case.error, case.fault) {
                (true, _) => Some(Severity::Error),
                (false, true) => Some(Severity::Warning),
                (false, false) => None,
            };
            let variables = env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!((worst, variables), (expected, case.expected), "{}", case.id);
        }
    }

    #[test]
    fn later_files_win_and_see_the_earlier_ones() {
        let mut env = Env::default();
        assert_eq!(read(&mut env, b"A=1\nB=2\n", &outer), []);
        assert_eq!(read(&mut env, b"A=$A$B\n", &outer), []);
        assert_eq!(env.iter().collect::<Vec<_>>(), [("A", "12"), ("B", "2")]);
    }

    #[test]
    fn the_place_of_a_value_is_known() {
        let mut env = Env::default();
        assert_eq!(read(&mut env, b"\xef\xbb\xbfA=1\r\nexport B = \"1\n2\"\nC: 3\n", &outer), []);
        assert_eq!(read(&mut env, b"\n  C=4\n", &outer), []);
        let places = ["A", "B", "C"].map(|name| env.place(name).unwrap());
        let expected = [(0, 1, 3), (0, 2, 12), (1, 2, 5)];
        assert_eq!(places.map(|Place { file, line, column }| (file, line, column)), expected);
        assert_eq!(env.place("D"), None);
    }

    #[test]
    fn a_colon_and_a_blank_assign_too() {
        check("A: 1\nB:\t'x' # c\nexport C: 3\n", &["A=1", "B=x", "C=3"]);
    }

    #[test]
    fn a_colon_alone_assigns_nothing() {
        for (line, column) in [("A:1", 2), ("A :1", 3), ("A : 1", 3), ("A:", 2)] {
            check(line, &[&format!("warning 1:{column} line ignored: no `=` after the variable name")]);
        }
    }

    #[test]
    fn export_is_a_prefix_or_a_name() {
        check("export A=1\nexport = 2\n", &["A=1", "export=2"]);
        check("export\n", &["warning 1:7 line ignored: no `=` after the variable name"]);
        check("export A\n", &["warning 1:9 line ignored: no `=` after the variable name"]);
    }

    #[test]
    fn passwords_paths_and_json_come_through_unharmed() {
        for value in [
            "pa$$w0rd",
            r"C:\dir\app",
            r#"{"a":1}"#,
            "it's",
            "a$5b$",
            "$$HOME",
            "a`b",
            r#"x"y z""#,
            "$(date)",
            "a=b",
            "é$",
        ] {
            check_value(value, value);
        }
    }

    #[test]
    fn only_a_blank_before_it_makes_a_hash_a_comment() {
        check_value("a#b \t# c # d", "a#b");
        check_value("'a'#c", "a");
        check_value(r#""a" # "b""#, "a");
        check_value("\t#c", "");
    }

    #[test]
    fn double_quotes_know_their_escapes_and_keep_all_others() {
        check_value(r#""\n\r\t\"\\\$""#, "\n\r\t\"\\$");
        check_value(r#""\z\'\é\ ""#, r"\z\'\é\ ");
        check_value(r#""C:\dir\app""#, r"C:\dir\app");
    }

    #[test]
    fn quoted_values_go_on_over_lines() {
        check("A=\"1\r\n#2\r\n\r\n'3\"\r\nB='x\n\"y\\' # c\nC=1", &["A=1\n#2\n\n'3", "B=x\n\"y\\", "C=1"]);
    }

    #[test]
    fn text_after_a_closing_quote_is_a_fault() {
        let words = "line ignored: text after the closing quote of";
        check("A=\"x\"y\nB=2\n", &["B=2", &format!("warning 1:6 {words} `A`")]);
        check("A='x' y\nB=2\n", &["B=2", &format!("warning 1:7 {words} `A`")]);
        check("A='it\\'s'\nB=2\n", &["B=2", &format!("warning 1:8 {words} `A`")]);
        check("\nA='x\ny' é z\nB=2\n", &["B=2", &format!("warning 3:4 {words} `A`")]);
    }

    #[test]
    fn an_unterminated_quote_stops_all_where_it_opens() {
        let words = "the quote that opens the value of";
        check("A=1\nB= 'x\nC=2\n", &["A=1", &format!("error 2:4 {words} `B` is never closed")]);
        check(r#"A="x\""#, &[&format!("error 1:3 {words} `A` is never closed")]);
        check(r#"A="x\"#, &[&format!("error 1:3 {words} `A` is never closed")]);
    }

    #[test]
    fn lines_that_cannot_be_read_are_faults_where_they_fail() {
        check(
            "A=1\nnot one\n  =2\n- B=1\n",
            &[
                "A=1",
                "warning 2:5 line ignored: no `=` after the variable name",
                "warning 3:3 line ignored: no variable name",
                "warning 4:1 line ignored: no variable name",
            ],
        );
    }

    #[test]
    fn what_no_variable_can_hold_is_an_error() {
        check("A=1\nB=é\0\n", &["A=1", "error 2:4 NUL in the value of `B`"]);
        check("B='\n\0\nA=1'\nC=1", &["error 2:1 NUL in the value of `B`"]);
        check(b"A=1\nB=\xc3\xa9\xff\n", &["error 2:4 not UTF-8 text"]);
    }

    /// What was missing at the end of a line was missed behind the carriage return, where there is no column.
    #[test]
    fn a_carriage_return_is_no_column() {
        for line in ["A", "A\r", "A\r\n", "A\r\r\n"] {
            check(line, &["warning 1:2 line ignored: no `=` after the variable name"]);
        }
    }

    /// The next line became a part of the value, and all after a comment one comment.
    #[test]
    fn a_carriage_return_within_a_line_is_a_fault_where_it_stands() {
        let mac = "the file may have old Mac line ends";
        for (line, column) in [
            ("A=1\rB=2\r", 4),
            ("A=\rB=2", 3),
            ("  A=é # c\rB=2", 10),
            ("A='1' # c\rB=2", 10),
            ("A=\r'1'", 3),
            ("export\rA=1", 7),
        ] {
            check(line, &[&format!("error 1:{column} a carriage return within the line of `A`: {mac}")]);
        }
        let words = format!("warning 1:4 a carriage return within a comment: {mac}");
        check("# c\rA=1\nB=2\n", &["B=2", &words]);
        for line in ["\rA=1\r", "A=1 \r \n", "A='1'\r \r\n", "A=1 # c\r"] {
            check(line, &["A=1"]);
        }
        check("A='1\r2'\n", &["A=1\r2"]);
    }

    #[test]
    fn a_message_cuts_a_long_name() {
        let words = "line ignored: text after the closing quote of";
        let line = format!("{}='1'x", "A".repeat(100_000));
        check(line, &[&format!("warning 1:100005 {words} `{}…`", "A".repeat(64))]);
    }

    #[test]
    fn variables_of_the_files_go_before_those_outside() {
        check("A=$EXISTING\nEXISTING=inner\nB=${EXISTING}\n", &["A=outer", "B=inner", "EXISTING=inner"]);
    }

    #[test]
    fn a_name_set_nowhere_stays_without_braces_and_vanishes_with_them() {
        check_value("<$NO><${NO}>", "<$NO><>");
        check_value(r#""<$NO><${NO}>""#, "<$NO><>");
        check_value("$EXISTING.x $EXISTINGx", "outer.x $EXISTINGx");
    }

    #[test]
    fn braces_take_a_default() {
        check_value("${NO-a b}c", "a bc");
        check_value("${NO:-a}${EXISTING:-b}${EXISTING-c}", "aouterouter");
        check_value("${NO:-}", "");
        check_value("${NO:-${EXISTING}-$EXISTING-${NO:-x}}", "outer-outer-x");
        check_value(r#""${NO:-\"\$\t\}\n}""#, "\"$\t\\\n}");
    }

    #[test]
    fn odd_references_stay_as_they_are() {
        for value in
            ["${NO", "${", "${}", "${NO:-x", "${NO:?x}", "${NO:+x}", "${a b}", "${NO:-$", "$-", "$", "${ä}"]
        {
            check_value(value, value);
        }
        check_value("${NO:-${EXISTING}", "${NO:-outer");
    }

    #[test]
    fn what_is_expanded_is_not_expanded_again() {
        check(
            "A='$EXISTING \"\\n\"'\nB=$A\nC=\"$A\"\n",
            &["A=$EXISTING \"\\n\"", "B=$EXISTING \"\\n\"", "C=$EXISTING \"\\n\""],
        );
    }

    #[test]
    fn expansion_has_a_limit() {
        let mut bomb = String::from("A=xxxxxxxxxxxxxxxx\n");
        for (from, to) in "ABCD".chars().zip("BCDE".chars()) {
            bomb.push_str(&format!("{to}={}\n", format!("${from}").repeat(16)));
        }
        let told = told(&bomb);
        // E would have 16⁵ bytes, and its prefix.
        let words = "error 5:3 the value of `E` expands to more than a process can be given";
        assert_eq!(told.iter().filter(|line| line.contains("error")).collect::<Vec<_>>(), [words]);
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_hangs() {
        let deep = "${A:-".repeat(100_000);
        check_value(&deep, &deep);
        let mut env = Env::default();
        let closed = format!("B={deep}{}", "}".repeat(100_000));
        assert_eq!(read(&mut env, closed.as_bytes(), &outer), []);
    }

    #[test]
    fn secrets_show_neither_in_debug_output_nor_in_messages() {
        let text = "A='s3cret' s3cret\nB=s3cret\ns3cret+s3cret\ns3cret s3cret\nC='s3cret";
        let mut env = Env::default();
        let faults = read(&mut env, text.as_bytes(), &outer);
        let words: Vec<String> = faults.iter().map(|fault| format!("{fault:?} {}", fault.kind)).collect();
        assert_eq!((words.len(), format!("{env:?}")), (4, "{\"B\"}".to_owned()));
        assert!(!words.concat().contains("s3cret"), "{words:?}");
    }

    #[test]
    fn values_that_refer_to_one_another_have_a_limit_together() {
        let chain: String = (1..60_000).map(|n| format!("A{n}=x$A{}\n", n - 1)).collect();
        let faults = read(&mut Env::default(), format!("A0=\n{chain}").as_bytes(), &|_| None);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].kind.severity(), Severity::Error);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_faults_lie_inside_them(text in any::<Vec<u8>>()) {
            let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
            for fault in read(&mut Env::default(), &text, &outer) {
                assert!((1..=lines[fault.line - 1].len() + 1).contains(&fault.column), "{fault:?}");
            }
        }

        #[test]
        fn any_text_of_the_dialect_is_read(text in r#"([A-B ={}$:\\"'\n#x-]|export |A=|B="|\$\{A:-)*"#) {
            let lines: Vec<&str> = text.split('\n').collect();
            for fault in read(&mut Env::default(), text.as_bytes(), &outer) {
                assert!((1..=lines[fault.line - 1].len() + 1).contains(&fault.column), "{fault:?}");
            }
        }

        #[test]
        fn what_single_quotes_hold_is_kept(value in "[^'\0\r]*") {
            check_value(&format!("'{value}'"), &value);
        }

        #[test]
        fn what_is_escaped_for_double_quotes_is_kept(value in "[^\0\r]*") {
            let escaped = value.replace('\\', r"\\").replace('"', r#"\""#).replace('$', r"\$");
            check_value(&format!("\"{escaped}\""), &value);
        }
    }
}
