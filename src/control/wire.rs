//! The lines of a control socket: bytes to values and back, all of bounded size.
//!
//! Whoever may connect may send anything, so every reading has an end and a typed error. What a name or a count means
//! is judged elsewhere; which socket the bytes come from is not known here.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::control::protocol::{Answer, Call, Typed, VERSION};
use crate::quote::{escaped, excerpt};

/// The most that a line of a client may hold, in bytes without its newline.
pub const LONGEST_CALL: usize = 64 * 1024;

/// The most that a line of procman's holds. The longest is that of a whole formation: an instance takes some hundred
/// bytes, so there is room for tens of thousands.
pub const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// How deep objects and lists may lie in each other. No call needs more than four.
const DEEPEST: usize = 16;

/// The requests that there are, as [`crate::control::protocol::Request`] names them.
pub const REQUESTS: [&str; 10] =
    ["ps", "last", "scale", "restart", "stop", "up", "signal", "quit", "logs", "attach"];

/// How each of them is written, in the same order.
const FORMS: [&str; REQUESTS.len()] = [
    r#"{"ps":{}}"#,
    r#"{"last":{}}"#,
    r#"{"scale":{"changes":["web=3"],"wait":"outcome"}}"#,
    r#"{"restart":{"names":["web"],"wait":"outcome"}}"#,
    r#"{"stop":{"names":["web"],"wait":"outcome"}}"#,
    r#"{"up":{"names":["web"],"wait":"outcome"}}"#,
    r#"{"signal":{"signal":"USR1","names":["web"]}}"#,
    r#"{"quit":{"wait":"outcome"}}"#,
    r#"{"logs":{"names":["web"],"lines":10,"follow":"on"}}"#,
    r#"{"attach":{"name":"web.1","size":{"rows":24,"columns":80}}}"#,
];

/// How the line of a client is written.
const CALL: &str = r#"{"version":1,"request":{"ps":{}}}"#;

/// How one is written that follows when it has attached.
const TYPED: &str = r#"{"input":{"base64":"bHMNCg=="}}"#;

/// How deep the only lists are: names and changes.
const LISTS: usize = 3;

/// Returns a value as one line, newline included.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("the values of the protocol have only texts as keys");
    line.push(b'\n');
    line
}

/// Returns bytes as the text that stands for them in a line.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Returns the bytes that such a text stands for.
pub fn bytes(base64: &str) -> Result<Vec<u8>, WireError> {
    STANDARD.decode(base64).map_err(|_| WireError::NotBase64)
}

/// Returns what a client asks with its first line.
///
/// Its version is looked at before anything else that is to be understood.
pub fn decode_call(line: &[u8]) -> Result<Call, WireError> {
    let notes = examine(line)?;
    match notes.version {
        Spoken::Number(VERSION) => {}
        Spoken::Number(version) => return Err(WireError::Version { version }),
        Spoken::Nothing if notes.is_object => return Err(WireError::NoVersion),
        Spoken::Nothing => {}
    }
    understand(line, notes, |line| match name_of_request(line) {
        Some(name) => match REQUESTS.iter().zip(FORMS).find(|(known, _)| **known == name) {
            Some((_, form)) => Ok(form),
            None => Err(WireError::Unknown { name: excerpt(name) }),
        },
        None => Ok(CALL),
    })
}

/// Returns what an attached client sends.
pub fn decode_typed(line: &[u8]) -> Result<Typed, WireError> {
    let notes = examine(line)?;
    understand(line, notes, |_| Ok(TYPED))
}

/// Returns what procman answers.
pub fn decode_answer(line: &[u8]) -> Result<Answer, WireError> {
    if line.len() > LONGEST_ANSWER {
        return Err(WireError::TooLong { most: LONGEST_ANSWER });
    }
    serde_json::from_slice(line).map_err(|error| WireError::NotUnderstood(escaped(&error.to_string())))
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It does not end where it should.
    #[error("a line is longer than {most} bytes")]
    TooLong {
        /// The most that it may hold.
        most: usize,
    },
    /// A byte of it is NUL.
    #[error("a line has a NUL in it")]
    Nul,
    /// It is no text.
    #[error("a line is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// How many bytes of it are.
        at: usize,
    },
    /// It is no JSON, and why.
    #[error("a line is not JSON: {0}")]
    NotJson(String),
    /// Too many objects and lists lie in each other.
    #[error("a line has more than {DEEPEST} objects or lists in each other")]
    TooDeep,
    /// An object has the same key twice.
    #[error("a line has the key `{key}` twice in one object")]
    Duplicate {
        /// Which one, [`excerpt`].
        key: String,
    },
    /// It does not tell which version of the protocol it is in.
    #[error("a request has to have `\"version\":{VERSION}`")]
    NoVersion,
    /// It is in another version of the protocol.
    #[error("this procman speaks version {VERSION} of the protocol, and not {version}")]
    Version {
        /// That version.
        version: u32,
    },
    /// There is no such request.
    #[error("there is no request `{name}`")]
    Unknown {
        /// What it is called, [`excerpt`].
        name: String,
    },
    /// It is something else than what may stand there.
    #[error("a line is not understood: {why}")]
    Malformed {
        /// What of it, and where.
        why: String,
        /// How it is written.
        form: &'static str,
    },
    /// It is no answer, and why.
    #[error("a line is not understood: {0}")]
    NotUnderstood(String),
    /// What should be base64 is not.
    #[error("bytes have to be base64, with padding")]
    NotBase64,
}

impl WireError {
    /// Returns what to do about it, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            WireError::Unknown { .. } => Some(format!("known are {}", REQUESTS.join(", "))),
            WireError::Version { .. } => {
                Some("let the client and the formation be of one procman".to_owned())
            }
            WireError::Malformed { form, .. } => Some(format!("it is written like `{form}`")),
            WireError::TooLong { .. }
            | WireError::Nul
            | WireError::NotUtf8 { .. }
            | WireError::NotJson(_)
            | WireError::TooDeep
            | WireError::Duplicate { .. }
            | WireError::NoVersion
            | WireError::NotUnderstood(_)
            | WireError::NotBase64 => None,
        }
    }
}

/// Returns what a line is like, if it is JSON.
fn examine(line: &[u8]) -> Result<Notes, WireError> {
    if line.len() > LONGEST_CALL {
        return Err(WireError::TooLong { most: LONGEST_CALL });
    }
    if line.contains(&0) {
        return Err(WireError::Nul);
    }
    let text = str::from_utf8(line).map_err(|error| WireError::NotUtf8 { at: error.valid_up_to() })?;
    let mut notes = Notes::default();
    let mut json = serde_json::Deserializer::from_str(text);
    Walk { notes: &mut notes, depth: 0 }
        .deserialize(&mut json)
        .and_then(|_| json.end())
        .map_err(|error| WireError::NotJson(escaped(&error.to_string())))?;
    Ok(notes)
}

/// Returns the value that a line is, given what it is like. `form` tells how one that is something else should be written.
fn understand<T: for<'line> Deserialize<'line>>(
    line: &[u8],
    notes: Notes,
    form: impl Fn(&Value) -> Result<&'static str, WireError>,
) -> Result<T, WireError> {
    if notes.is_too_deep {
        return Err(WireError::TooDeep);
    }
    if let Some(key) = notes.duplicate {
        return Err(WireError::Duplicate { key: excerpt(&key) });
    }
    let why = match serde_json::from_slice(line) {
        // What has names is read without them, too, from a list in their order.
        Ok(_) if notes.has_other_list => "a list stands where none may".to_owned(),
        Ok(value) => return Ok(value),
        Err(error) => words(&error),
    };
    let value: Value =
        serde_json::from_slice(line).map_err(|error| WireError::NotJson(escaped(&error.to_string())))?;
    Err(WireError::Malformed { why, form: form(&value)? })
}

/// Returns what has been found instead of what may stand there. Most of the parser's own words are about its types.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text.rsplit_once(" at line ").map_or(text.as_str(), |(said, _)| said);
    let said = match said.split_once(" `") {
        Some(("missing field" | "unknown field", _)) => escaped(said),
        Some(("unknown variant", rest)) => escaped(&format!("unknown value `{rest}")),
        Some(_) | None => "something else is expected".to_owned(),
    };
    format!("{said} at column {}", error.column())
}

/// Returns the request that a line names, be there one of that name or not.
fn name_of_request(line: &Value) -> Option<&str> {
    match line.get("request")? {
        Value::String(name) => Some(name),
        Value::Object(request) if request.len() == 1 => request.keys().next().map(String::as_str),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// What can be told of a line without understanding it.
#[derive(Default)]
struct Notes {
    /// Whether it is an object.
    is_object: bool,
    /// The version that it says it is in.
    version: Spoken,
    is_too_deep: bool,
    /// The first key that an object has twice. What is read afterwards may be about the one or the other.
    duplicate: Option<String>,
    /// Whether there is a list that is not one of texts in its place.
    has_other_list: bool,
}

#[derive(Clone, Copy, Default)]
enum Spoken {
    #[default]
    Nothing,
    Number(u32),
}

/// Goes through a whole line, as deep as may be, and keeps nothing of it but notes.
///
/// The value is what is found, if it is a number that a version can be.
struct Walk<'notes> {
    notes: &'notes mut Notes,
    depth: usize,
}

impl Walk<'_> {
    fn inner(&mut self) -> Walk<'_> {
        Walk { notes: self.notes, depth: self.depth + 1 }
    }

    /// Notes how deep this is, and returns whether it is too deep to be gone into.
    fn is_too_deep(&mut self) -> bool {
        let is_too_deep = self.depth >= DEEPEST;
        self.notes.is_too_deep |= is_too_deep;
        is_too_deep
    }
}

impl<'line> DeserializeSeed<'line> for Walk<'_> {
    type Value = Spoken;

    fn deserialize<D: Deserializer<'line>>(self, line: D) -> Result<Spoken, D::Error> {
        line.deserialize_any(self)
    }
}

impl<'line> Visitor<'line> for Walk<'_> {
    type Value = Spoken;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Spoken, E> {
        Ok(Spoken::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Spoken, E> {
        Ok(Spoken::Nothing)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Spoken, E> {
        Ok(u32::try_from(number).map_or(Spoken::Nothing, Spoken::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Spoken, E> {
        Ok(Spoken::Nothing)
    }

    fn visit_str<E>(self, _: &str) -> Result<Spoken, E> {
        Ok(Spoken::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Spoken, E> {
        Ok(Spoken::Nothing)
    }

    fn visit_seq<A: SeqAccess<'line>>(mut self, mut list: A) -> Result<Spoken, A::Error> {
        self.notes.has_other_list |= self.depth != LISTS;
        if self.is_too_deep() {
            while list.next_element::<IgnoredAny>()?.is_some() {}
        } else {
            while let Some(element) = list.next_element_seed(self.inner())? {
                self.notes.has_other_list |= matches!(element, Spoken::Number(_));
            }
        }
        Ok(Spoken::Nothing)
    }

    fn visit_map<A: MapAccess<'line>>(mut self, mut object: A) -> Result<Spoken, A::Error> {
        let is_whole = self.depth == 0;
        self.notes.is_object |= is_whole;
        let is_too_deep = self.is_too_deep();
        let mut keys = BTreeSet::new();
        while let Some(key) = object.next_key::<String>()? {
            if is_too_deep {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = object.next_value_seed(self.inner())?;
            if is_whole && key == "version" {
                self.notes.version = value;
            }
            if keys.contains(&key) {
                self.notes.duplicate.get_or_insert(key);
            } else {
                keys.insert(key);
            }
        }
        Ok(Spoken::Nothing)
    }
}

/// Lines of a stream that comes in pieces.
#[derive(Debug)]
pub struct Lines {
    most: usize,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// Up to where there is no newline.
    searched: usize,
}

impl Lines {
    /// Returns the lines of a stream of which none has been read, each of at most `most` bytes.
    pub fn new(most: usize) -> Lines {
        Lines { most, buffer: Vec::new(), start: 0, searched: 0 }
    }

    /// Takes the next piece. What is held is bounded if the lines are taken out after each.
    pub fn push(&mut self, piece: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(piece);
    }

    /// Returns the next line without its newline, if all of it has come.
    ///
    /// After one that is too long there are no lines any more, only this error.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, WireError> {
        let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
        let end = found.map_or(self.buffer.len(), |at| self.searched + at);
        if end - self.start > self.most {
            // It has been searched for its end in vain, or found to have one too late: either stays as it is.
            return Err(WireError::TooLong { most: self.most });
        }
        self.searched = end;
        if found.is_none() {
            return Ok(None);
        }
        let line = self.start..end;
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(&self.buffer[line]))
    }

    /// Returns what has come of a line whose end has not: at the end of a stream, a last line without a newline.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        CALL, DEEPEST, FORMS, LONGEST_CALL, Lines, REQUESTS, TYPED, WireError, base64, bytes, decode_answer,
        decode_call, decode_typed, encode,
    };
    use crate::control::protocol::{Answer, Call, Follow, Request, Size, Typed, VERSION, Wait};

    #[track_caller]
    fn check_call(request: Request, expected: &str) {
        let call = Call { version: VERSION, request };
        let line = encode(&call);
        assert_eq!(String::from_utf8_lossy(&line), format!("{expected}\n"));
        assert_eq!(decode_call(&line), Ok(call.clone()));
        assert_eq!(decode_call(expected.as_bytes()), Ok(call), "without its newline");
    }

    #[track_caller]
    fn check_refused(line: impl AsRef<[u8]>, expected: &str) {
        let line = line.as_ref();
        let refused = decode_call(line).unwrap_err();
        assert_eq!(refused.to_string(), expected, "{}", line.escape_ascii());
    }

    #[test]
    fn a_call_is_one_line() {
        let names = || vec!["web".to_owned(), "web.2".to_owned()];
        check_call(Request::Ps {}, r#"{"version":1,"request":{"ps":{}}}"#);
        check_call(Request::Last {}, r#"{"version":1,"request":{"last":{}}}"#);
        check_call(
            Request::Scale { changes: vec!["web=3".to_owned()], wait: Wait::Outcome },
            r#"{"version":1,"request":{"scale":{"changes":["web=3"],"wait":"outcome"}}}"#,
        );
        check_call(
            Request::Signal { signal: "USR1".to_owned(), names: names() },
            r#"{"version":1,"request":{"signal":{"signal":"USR1","names":["web","web.2"]}}}"#,
        );
        check_call(
            Request::Quit { wait: Wait::Accepted },
            r#"{"version":1,"request":{"quit":{"wait":"accepted"}}}"#,
        );
        check_call(
            Request::Logs { names: names(), lines: None, follow: Follow::On },
            r#"{"version":1,"request":{"logs":{"names":["web","web.2"],"follow":"on"}}}"#,
        );
        check_call(
            Request::Attach { name: "web.1".to_owned(), size: Size { rows: 24, columns: 80 } },
            r#"{"version":1,"request":{"attach":{"name":"web.1","size":{"rows":24,"columns":80}}}}"#,
        );
    }

    #[test]
    fn blanks_and_a_carriage_return_say_nothing() {
        let call = Call { version: VERSION, request: Request::Ps {} };
        assert_eq!(decode_call(b" { \"request\": {\"ps\": {}}, \"version\": 1 } \r"), Ok(call));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        check_refused("", "a line is not JSON: EOF while parsing a value at line 1 column 0");
        check_refused("hello", "a line is not JSON: expected value at line 1 column 1");
        check_refused(
            r#"{"version":1,"request":{"#,
            "a line is not JSON: EOF while parsing an object at line 1 column 24",
        );
        check_refused("{} {}", "a line is not JSON: trailing characters at line 1 column 4");
        check_refused("{\"a\0\":1}", "a line has a NUL in it");
        check_refused(b"{\"a\xff\":1}", "a line is not UTF-8 from byte 3 on");
        check_refused(
            format!(r#"{{"version":1{},"request":{{"ps":{{}}}}}}"#, "e9".repeat(400)),
            "a line is not JSON: expected `,` or `}` at line 1 column 15",
        );
        check_refused(
            r#"{"version":1e999,"request":{"ps":{}}}"#,
            "a line is not JSON: number out of range at line 1 column 16",
        );
    }

    #[test]
    fn another_version_is_told_whatever_else_is_said() {
        let told = "this procman speaks version 1 of the protocol, and not 2";
        check_refused(r#"{"version":2,"request":{"ps":{}}}"#, told);
        check_refused(r#"{"request":{"dance":[]},"tempo":3,"version":2}"#, told);
        check_refused(r#"{"version":2,"request":{"ps":{"a":1,"a":2}}}"#, told);
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        check_refused(format!(r#"{{"request":{deep},"version":2}}"#), told);
        assert!(decode_call(br#"{"version":2}"#).unwrap_err().hint().is_some());
    }

    #[test]
    fn a_version_that_is_none_is_asked_for() {
        let told = "a request has to have `\"version\":1`";
        for version in
            ["", r#""version":"1","#, r#""version":-1,"#, r#""version":1.5,"#, r#""version":null,"#]
        {
            check_refused(format!(r#"{{{version}"request":{{"ps":{{}}}}}}"#), told);
        }
        check_refused(r#"{"version":99999999999999999999999,"request":{"ps":{}}}"#, told);
    }

    #[test]
    fn an_unknown_request_is_told_the_known_ones() {
        for request in [r#"{"dance":{"a":1}}"#, r#""dance""#] {
            let line = format!(r#"{{"version":1,"request":{request}}}"#);
            let refused = decode_call(line.as_bytes()).unwrap_err();
            assert_eq!(refused, WireError::Unknown { name: "dance".to_owned() });
            let known = "known are ps, last, scale, restart, stop, up, signal, quit, logs, attach";
            assert_eq!(refused.hint().as_deref(), Some(known));
        }
        check_refused(
            format!(r#"{{"version":1,"request":{{"\u001b[31m{}":{{}}}}}}"#, "x".repeat(100)),
            &format!(r"there is no request `\u{{1b}}[31m{}…`", "x".repeat(59)),
        );
    }

    #[test]
    fn the_known_requests_are_those_that_are_understood() {
        let refused = serde_json::from_str::<Request>(r#"{"dance":{}}"#).unwrap_err().to_string();
        let listed = REQUESTS.map(|name| format!("`{name}`")).join(", ");
        assert!(refused.contains(&format!("expected one of {listed} at")), "{refused}");
    }

    #[test]
    fn what_is_something_else_is_not_understood() {
        check_refused(
            r#"{"version":1,"request":{"ps":{}},"more":1}"#,
            "a line is not understood: unknown field `more`, expected `version` or `request` at column 39",
        );
        check_refused(
            r#"{"version":1,"request":{"ps":{"more":1}}}"#,
            "a line is not understood: unknown field `more`, there are no fields at column 36",
        );
        check_refused(r#"{"version":1}"#, "a line is not understood: missing field `request` at column 13");
        for request in
            [r#""ps""#, "{}", r#"{"ps":{},"quit":{}}"#, r#"{"ps":[1]}"#, r#"{"stop":{}}"#, "7", "null"]
        {
            let line = format!(r#"{{"version":1,"request":{request}}}"#);
            let refused = decode_call(line.as_bytes());
            assert!(matches!(refused, Err(WireError::Malformed { .. })), "{line}: {refused:?}");
        }
        for line in ["[]", "7", "null", r#""ps""#] {
            let refused = decode_call(line.as_bytes());
            assert!(matches!(refused, Err(WireError::Malformed { .. })), "{line}: {refused:?}");
        }
    }

    #[track_caller]
    fn check_malformed(request: &str, why: &str, form: &str) {
        let line = format!(r#"{{"version":1,"request":{request}}}"#);
        let refused = decode_call(line.as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), format!("a line is not understood: {why}"), "{line}");
        assert_eq!(refused.hint(), Some(format!("it is written like `{form}`")), "{line}");
    }

    #[test]
    fn what_is_written_in_another_way_is_told_how_it_is() {
        let [ps, _, _, _, stop, .., logs, _] = FORMS;
        check_malformed(r#""ps""#, "something else is expected at column 28", ps);
        check_malformed(r#"{"ps":null}"#, "something else is expected at column 33", ps);
        check_malformed(r#"{"stop":{}}"#, "missing field `names` at column 33", stop);
        check_malformed(
            r#"{"stop":{"names":[],"wait":"never"}}"#,
            "unknown value `never`, expected `outcome` or `accepted` at column 57",
            stop,
        );
        check_malformed(
            r#"{"stop":{"names":"web","wait":"outcome"}}"#,
            "something else is expected at column 45",
            stop,
        );
        check_malformed(
            r#"{"logs":{"names":[],"lines":-1,"follow":"on"}}"#,
            "something else is expected at column 53",
            logs,
        );
        check_malformed("7", "something else is expected at column 24", CALL);
        let typed = decode_typed(br#"{"input":"hi"}"#).unwrap_err();
        assert_eq!(typed.hint(), Some(format!("it is written like `{TYPED}`")));
    }

    #[test]
    fn every_request_is_written_as_is_told() {
        for (name, form) in REQUESTS.iter().zip(FORMS) {
            assert!(form.starts_with(&format!("{{\"{name}\":")), "{form}");
            assert!(decode_call(format!(r#"{{"version":1,"request":{form}}}"#).as_bytes()).is_ok(), "{form}");
        }
        assert!(decode_call(CALL.as_bytes()).is_ok());
        assert!(decode_typed(TYPED.as_bytes()).is_ok());
    }

    #[test]
    fn a_list_is_no_object() {
        let told = "a line is not understood: a list stands where none may";
        for line in [
            r#"[1,{"ps":{}}]"#,
            r#"{"version":1,"request":{"ps":[]}}"#,
            r#"{"version":1,"request":{"stop":[["web"],"outcome"]}}"#,
            r#"{"version":1,"request":{"attach":{"name":"web.1","size":[24,80]}}}"#,
        ] {
            check_refused(line, told);
        }
        for line in [r#"{"input":["aGk="]}"#, r#"{"resize":{"size":[24,80]}}"#, r#"{"resize":[[24,80]]}"#] {
            assert_eq!(decode_typed(line.as_bytes()).unwrap_err().to_string(), told, "{line}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        check_refused(
            r#"{"version":1,"version":1,"request":{"ps":{}}}"#,
            "a line has the key `version` twice in one object",
        );
        check_refused(
            r#"{"version":1,"request":{"quit":{"wait":"outcome","wa\u0069t":"accepted"}}}"#,
            "a line has the key `wait` twice in one object",
        );
        check_refused(
            r#"{"version":1,"request":{"ps":{},"ps":{}}}"#,
            "a line has the key `ps` twice in one object",
        );
    }

    #[test]
    fn depth_and_length_have_an_end() {
        let told = "a line has more than 16 objects or lists in each other";
        let nested = |depth: usize| {
            let lists = depth - 1;
            format!(r#"{{"version":1,"request":{}{}}}"#, "[".repeat(lists), "]".repeat(lists))
        };
        assert!(matches!(decode_call(nested(DEEPEST).as_bytes()), Err(WireError::Malformed { .. })));
        check_refused(nested(DEEPEST + 1), told);
        check_refused(nested(10_000), told);
        check_refused(
            format!(r#"{{"version":1,"request":{}1{}}}"#, r#"{"a":"#.repeat(5000), "}".repeat(5000)),
            told,
        );
        let padded = |length| {
            let mut line = br#"{"version":1,"request":{"ps":{}}}"#.to_vec();
            line.resize(length, b' ');
            line
        };
        assert!(decode_call(&padded(LONGEST_CALL)).is_ok());
        check_refused(padded(LONGEST_CALL + 1), "a line is longer than 65536 bytes");
        check_refused("[".repeat(100_000), "a line is longer than 65536 bytes");
    }

    #[test]
    fn what_is_typed_arrives() {
        let all: Vec<u8> = (0..=255).collect();
        let text = base64(&all);
        let typed = Typed::Input { base64: text.clone() };
        assert_eq!(decode_typed(&encode(&typed)), Ok(typed));
        assert_eq!(bytes(&text), Ok(all));
        assert_eq!(bytes("YQ"), Err(WireError::NotBase64));
        let resized = Typed::Resize { size: Size { rows: 1, columns: 65535 } };
        assert_eq!(encode(&resized), b"{\"resize\":{\"size\":{\"rows\":1,\"columns\":65535}}}\n");
        assert_eq!(decode_typed(&encode(&resized)), Ok(resized));
        assert!(decode_typed(br#"{"resize":{"size":{"rows":1,"columns":65536}}}"#).is_err());
        assert!(decode_typed(br#"{"input":{"base64":"","base64":""}}"#).is_err());
    }

    #[test]
    fn an_answer_arrives() {
        let answer = Answer::Refused { message: "no\n\u{1b}".to_owned(), hint: None };
        let line = encode(&answer);
        assert_eq!(line, b"{\"refused\":{\"message\":\"no\\n\\u001b\"}}\n");
        assert_eq!(decode_answer(&line), Ok(answer));
        assert_eq!(decode_answer(br#"{"done":{}}"#), Ok(Answer::Done {}));
        assert!(decode_answer(b"{}").is_err());
    }

    #[track_caller]
    fn check_lines(pieces: &[&[u8]], expected: &[&str], rest: &str) {
        let mut lines = Lines::new(4);
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next_line().unwrap() {
                found.push(String::from_utf8(line.to_vec()).unwrap());
            }
        }
        assert_eq!(found, expected);
        assert_eq!(lines.rest(), rest.as_bytes());
    }

    #[test]
    fn lines_come_in_pieces() {
        check_lines(&[], &[], "");
        check_lines(&[b"ab\n\ncd", b"ef", b"", b"\ng\n", b"hijk"], &["ab", "", "cdef", "g"], "hijk");
        check_lines(&[b"a", b"b", b"c", b"d", b"\n"], &["abcd"], "");
    }

    #[test]
    fn a_line_has_an_end() {
        for pieces in
            [&[&b"a\nabcde"[..]][..], &[b"a\nabc", b"de"], &[b"a\nabcde\n"], &[b"a\nabcd", b"e\nf\n"]]
        {
            let mut lines = Lines::new(4);
            let mut count = 0;
            let mut take = |lines: &mut Lines| {
                while lines.next_line()?.is_some() {
                    count += 1;
                }
                Ok(())
            };
            let taken = pieces.iter().try_for_each(|piece| {
                lines.push(piece);
                take(&mut lines)
            });
            assert_eq!(taken, Err(WireError::TooLong { most: 4 }));
            lines.push(b"\n");
            assert_eq!(take(&mut lines), Err(WireError::TooLong { most: 4 }), "it stays so");
            assert_eq!(count, 1);
        }
    }
}
