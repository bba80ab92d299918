//! One line of output as one JSON object.

use std::borrow::Cow;

use serde::Serialize;

/// One object; fields that say nothing are left out.
#[derive(Serialize)]
pub struct Record<'a> {
    /// RFC 3339, UTC, with microseconds.
    pub time: &'a str,
    /// `web.1`, or `system` for procman's own lines.
    pub process: &'a str,
    /// The process that leads the instance, or procman itself.
    pub pid: i32,
    /// The line without its newline.
    pub message: Cow<'a, str>,
    /// The line was not valid UTF-8, and what was not is replaced in `message`.
    #[serde(skip_serializing_if = "is_false")]
    pub lossy: bool,
    /// The line goes on in this process's next object.
    #[serde(skip_serializing_if = "is_false")]
    pub partial: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Record<'_> {
    /// Appends the object and a newline to `batch`.
    pub fn write(&self, batch: &mut Vec<u8>) {
        // Writing text and integers into memory cannot fail.
        if serde_json::to_writer(&mut *batch, self).is_ok() {
            batch.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[track_caller]
    fn check(message: &[u8], partial: bool, expected: &str) {
        let text = String::from_utf8_lossy(message);
        let lossy = matches!(text, std::borrow::Cow::Owned(_));
        let record = Record {
            time: "2026-01-01T00:00:00.000000Z",
            process: "web.1",
            pid: 7,
            message: text,
            lossy,
            partial,
        };
        let mut batch = Vec::new();
        record.write(&mut batch);
        let expected = format!(
            "{{\"time\":\"2026-01-01T00:00:00.000000Z\",\"process\":\"web.1\",\"pid\":7,\"message\":{expected}}}\n"
        );
        assert_eq!(String::from_utf8_lossy(&batch), expected);
    }

    #[test]
    fn a_line_is_one_object() {
        check(b"hello", false, "\"hello\"");
        check(b"\"a\"\tb\\\x1b[1m\x00", false, r#""\"a\"\tb\\\u001b[1m\u0000""#);
    }

    #[test]
    fn bytes_that_are_no_text_are_said_to_be_lossy() {
        check(b"a\xFFb", false, "\"a\u{FFFD}b\",\"lossy\":true");
    }

    #[test]
    fn a_piece_of_a_line_is_said_to_be_partial() {
        check(b"a", true, "\"a\",\"partial\":true");
    }
}
