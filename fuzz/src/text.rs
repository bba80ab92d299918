//! The forms of a text that must all mean the same, and what must hold wherever a fault is told.

pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Appending this to a text, or putting it before one, must not change what the text says. It closes no quote.
pub const COMMENT: &str = "# a=comment: $B";

/// Returns a text without the carriage returns at the ends of its lines.
pub fn unix(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(without_returns).collect();
    lines.join(&b'\n')
}

fn without_returns(line: &[u8]) -> &[u8] {
    let length = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &line[..length]
}

/// Returns such a text with a carriage return before every newline.
pub fn dos(unix: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = unix.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

/// Returns a text with a comment behind it.
pub fn commented(text: &[u8]) -> Vec<u8> {
    [text, b"\n", COMMENT.as_bytes()].concat()
}

/// Returns a text with a comment before it.
pub fn introduced(text: &[u8]) -> Vec<u8> {
    let mark = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { &[] };
    [mark, COMMENT.as_bytes(), b"\n", &text[mark.len()..]].concat()
}

/// Returns a text with a byte order mark, unless it has one: a second one is a character.
pub fn marked(text: &[u8]) -> Vec<u8> {
    let mark = if text.starts_with(BYTE_ORDER_MARK) { &[] } else { BYTE_ORDER_MARK };
    [mark, text].concat()
}

/// Returns a text without its byte order mark.
pub fn unmarked(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Returns a line up to a column and from it on; the place must lie in the text. What is not UTF-8 counts as characters.
#[track_caller]
pub fn place(text: &[u8], line: usize, column: usize) -> (String, String) {
    let found = unmarked(text).split(|byte| *byte == b'\n').nth(line.wrapping_sub(1));
    let Some(found) = found else { panic!("there is no line {line}") };
    let found = String::from_utf8_lossy(without_returns(found));
    let length = found.chars().count();
    assert!((1..=length + 1).contains(&column), "line {line} has {length} characters and no column {column}");
    (found.chars().take(column - 1).collect(), found.chars().skip(column - 1).collect())
}

/// Returns whether a column is the first in its line that is not UTF-8.
pub fn is_no_text(text: &[u8], line: usize, column: usize) -> bool {
    let found = unmarked(text).split(|byte| *byte == b'\n').nth(line - 1);
    let chunk = found.and_then(|line| line.utf8_chunks().next());
    chunk.is_some_and(|chunk| !chunk.invalid().is_empty() && chunk.valid().chars().count() + 1 == column)
}

/// Checks that a message is one line with nothing in it that a terminal would obey.
#[track_caller]
pub fn check_message(message: &str) {
    assert!(!message.is_empty() && !message.contains(char::is_control), "{message:?}");
}
