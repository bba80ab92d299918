//! A line that is looked for in what an instance writes: the sign by which it is known to be ready.

use memchr::memchr;
use regex_lite::Regex;

use crate::output::plain::Plain;

/// How much of a line is looked at; of a longer one, so much at a time.
const LONGEST: usize = 64 * 1024;
/// How much of that is looked at once more with what follows, for there the pattern may have begun.
const KEPT: usize = 8 * 1024;

/// A pattern, and the part of a line that has not been looked at or may have to be once more.
#[derive(Clone, Debug)]
pub struct Sought {
    pattern: Regex,
    line: Vec<u8>,
    begins: Begins,
}

/// Where a part of a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// Where the line does.
    AtStart,
    /// Somewhere in it, so that no `^` is there.
    Inside,
}

/// Whether it has been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has.
    Yes,
    /// Not so far.
    NotYet,
}

impl Sought {
    /// Returns a search for a regular expression; nothing for what is none.
    pub fn new(pattern: &str) -> Option<Sought> {
        Some(Sought { pattern: Regex::new(pattern).ok()?, line: Vec::new(), begins: Begins::AtStart })
    }

    /// Looks at what has been written next, as far as its lines are complete.
    pub fn look(&mut self, bytes: &[u8]) -> Found {
        let mut rest = bytes;
        while let Some(at) = memchr(b'\n', rest) {
            self.line.extend_from_slice(&rest[..at]);
            if self.line_ends() == Found::Yes {
                return Found::Yes;
            }
            rest = &rest[at + 1..];
        }
        for piece in rest.chunks(LONGEST) {
            self.line.extend_from_slice(piece);
            if self.line.len() >= LONGEST && self.line_goes_on() == Found::Yes {
                return Found::Yes;
            }
        }
        Found::NotYet
    }

    /// Looks at a line whose writer has paused, which may be a prompt. It may go on.
    pub fn pause(&self) -> Found {
        found(self.is_in(&self.text()))
    }

    fn line_ends(&mut self) -> Found {
        let is_found = self.is_in(&self.text());
        self.line.clear();
        self.begins = Begins::AtStart;
        found(is_found)
    }

    /// Looks at a part whose line has not ended, and keeps the last of it.
    fn line_goes_on(&mut self) -> Found {
        let text = self.text();
        // No end of the line is here, nor surely one of a word: what is found has to be there whatever follows.
        let is_found = ["\0", "a"].iter().all(|next| self.is_in(&format!("{text}{next}")));
        self.line.drain(..self.line.len().saturating_sub(KEPT));
        self.begins = Begins::Inside;
        found(is_found)
    }

    fn text(&self) -> String {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        String::from_utf8_lossy(&uncoloured(line)).into_owned()
    }

    fn is_in(&self, text: &str) -> bool {
        match self.begins {
            Begins::AtStart => self.pattern.is_match(text),
            // Behind the first character there is none that begins a line.
            Begins::Inside => {
                text.chars().next().is_some_and(|first| self.pattern.is_match_at(text, first.len_utf8()))
            }
        }
    }
}

fn found(is_found: bool) -> Found {
    if is_found { Found::Yes } else { Found::NotYet }
}

/// Returns text without anything that a terminal would obey, colours included.
fn uncoloured(line: &[u8]) -> Vec<u8> {
    let coloured = Plain::default().take(line.to_vec());
    let mut text = Vec::with_capacity(coloured.len());
    let mut rest = &*coloured;
    // Colours are all that is left there, each from its `ESC` to an `m`.
    while let Some(escape) = memchr(0x1B, rest) {
        text.extend_from_slice(&rest[..escape]);
        let end = memchr(b'm', &rest[escape..]).map_or(rest.len(), |at| escape + at + 1);
        rest = &rest[end..];
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Found, LONGEST, Sought};

    /// Checks whether a pattern is found in text, however that is divided, and whether it is in what has paused.
    #[track_caller]
    fn check(pattern: &str, text: &str, expected: Found, in_pause: Found) {
        let bytes = text.as_bytes();
        for at in 0..=bytes.len() {
            let mut sought = Sought::new(pattern).unwrap();
            let (one, other) = bytes.split_at(at);
            let found = match sought.look(one) {
                Found::Yes => Found::Yes,
                Found::NotYet => sought.look(other),
            };
            assert_eq!(found, expected, "{pattern:?} in {text:?}, divided at {at}");
            if found == Found::NotYet {
                assert_eq!(sought.pause(), in_pause, "{pattern:?} in {text:?}, divided at {at}");
            }
        }
    }

    #[test]
    fn a_pattern_is_found_in_a_line() {
        check("listening", "starting\nnow listening on 80\n", Found::Yes, Found::NotYet);
        check("^ready$", "ready\n", Found::Yes, Found::NotYet);
        check("^ready$", "not ready\nready \n", Found::NotYet, Found::NotYet);
        check("a.*b", "a\nb\n", Found::NotYet, Found::NotYet);
        check("^$", "x\n\n", Found::Yes, Found::NotYet);
        check("größe", "die größe\n", Found::Yes, Found::NotYet);
    }

    #[test]
    fn the_end_of_a_line_and_its_colours_are_no_part_of_it() {
        check("^ready$", "ready\r\n", Found::Yes, Found::NotYet);
        check("^ready now$", "\x1b[32mready\x1b[0m \x1b[1;31mnow\x1b[m\x1b[K\n", Found::Yes, Found::NotYet);
        check("^m$", "\x1b]0;title\x07m\n", Found::Yes, Found::NotYet);
    }

    #[test]
    fn a_line_that_is_not_complete_is_looked_at_when_its_writer_pauses() {
        check("^login: $", "welcome\nlogin: ", Found::NotYet, Found::Yes);
        check("^login", "log", Found::NotYet, Found::NotYet);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_matter() {
        let mut sought = Sought::new("ready").unwrap();
        assert_eq!(sought.look(b"\xff\0ready\x80\n"), Found::Yes);
    }

    #[test]
    fn a_line_without_end_is_held_in_bounds() {
        let mut sought = Sought::new("yes").unwrap();
        for _ in 0..100 {
            assert_eq!(sought.look(&[b'x'; 10_000]), Found::NotYet);
            assert!(sought.line.len() < LONGEST);
        }
        assert_eq!(sought.look(b"yes\n"), Found::Yes);
    }

    /// Checks whether a pattern is found in a line that is so long that it is looked at in parts.
    #[track_caller]
    fn check_long(pattern: &str, before: usize, text: &str, after: usize, expected: Found) {
        let line = [&vec![b'x'; before], text.as_bytes(), &vec![b'y'; after], b"\n"].concat();
        for size in [LONGEST, 10_000, 4096] {
            let mut sought = Sought::new(pattern).unwrap();
            let found = line.chunks(size).any(|piece| sought.look(piece) == Found::Yes);
            assert_eq!(found, expected == Found::Yes, "{pattern:?} behind {before}, {size} at a time");
        }
    }

    #[test]
    fn a_pattern_is_found_where_a_long_line_is_divided() {
        for before in LONGEST - 12..LONGEST + 3 {
            check_long("listening", before, "listening", 70_000, Found::Yes);
            check_long("listening\\b", before, "listening on", 0, Found::Yes);
            check_long("größe$", before, "größe", 0, Found::Yes);
        }
    }

    #[test]
    fn a_long_line_begins_and_ends_once() {
        for before in [1, LONGEST - 9, LONGEST, LONGEST - 8192, LONGEST + 1, 3 * LONGEST] {
            check_long("^listening", before, "listening", 70_000, Found::NotYet);
            check_long("listening$", before, "listening", 70_000, Found::NotYet);
            check_long("listening\\b", before, "listening", 70_000, Found::NotYet);
        }
        check_long("^listening", 0, "listening", 200_000, Found::Yes);
        check_long("^x", 0, "", 200_000, Found::NotYet);
        // The next line begins anew.
        let mut sought = Sought::new("^ready$").unwrap();
        assert_eq!(sought.look(&[b'x'; 2 * LONGEST]), Found::NotYet);
        assert_eq!(sought.look(b"\nready\n"), Found::Yes);
    }

    #[test]
    fn what_is_no_pattern_is_never_found() {
        assert!(Sought::new("(").is_none());
    }
}
