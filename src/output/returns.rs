//! Text that goes back to the beginning of its line, as a progress bar does, on a terminal.
//!
//! What follows would be written over the prefix. So the prefix is written there again, and all bytes are kept.

use memchr::memchr;

use crate::output::lines::leaves_colour_on;

/// Where the last byte of a line that stands open leaves the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Behind the prefix.
    Within,
    /// Before it: what comes next is to stand behind another.
    Returned,
}

impl Cursor {
    /// Returns where this text leaves the cursor, if there is any.
    pub fn after(text: &[u8]) -> Option<Cursor> {
        text.last().map(|byte| if *byte == b'\r' { Cursor::Returned } else { Cursor::Within })
    }
}

/// Returns whether text goes on, where the one before it went back.
pub fn goes_on(text: &[u8]) -> bool {
    !matches!(text.first(), None | Some(b'\r' | b'\n'))
}

/// Appends text, with the prefix wherever it goes on behind a `\r`, and `reset` before that where it leaves a colour on.
pub fn write_behind_prefix(batch: &mut Vec<u8>, text: &[u8], prefix: &[u8], reset: &[u8]) {
    let mut rest = text;
    while let Some(at) = memchr(b'\r', rest) {
        let (head, tail) = rest.split_at(at + 1);
        batch.extend_from_slice(head);
        if goes_on(tail) {
            if !reset.is_empty() && leaves_colour_on(head) {
                batch.extend_from_slice(reset);
            }
            batch.extend_from_slice(prefix);
        }
        rest = tail;
    }
    batch.extend_from_slice(rest);
}
