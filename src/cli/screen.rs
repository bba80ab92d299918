//! Which screen a program has left a terminal on, from what it has written.

use crate::sys::terminal::Screen;

/// The longest sequence that is looked at. Those that matter are much shorter.
const LONGEST: usize = 64;

/// Looks for the sequences that change the screen, in bytes that may come in any pieces.
#[derive(Debug)]
pub struct Watch {
    screen: Screen,
    /// What has come of a sequence behind its `ESC`; `None` outside of one.
    sequence: Option<Vec<u8>>,
}

impl Watch {
    /// Returns a watch over a terminal that is on its ordinary screen.
    pub fn new() -> Watch {
        Watch { screen: Screen::Ordinary, sequence: None }
    }

    /// Returns the screen.
    pub fn screen(&self) -> Screen {
        self.screen
    }

    /// Takes what is written to the terminal.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.sequence.is_none() {
                let Some(escape) = memchr::memchr(0x1B, rest) else { return };
                rest = &rest[escape + 1..];
                self.sequence = Some(Vec::new());
                continue;
            }
            self.take_one(rest[0]);
            rest = &rest[1..];
        }
    }

    /// Takes a byte within a sequence.
    fn take_one(&mut self, byte: u8) {
        let Some(sequence) = &mut self.sequence else { return };
        match (sequence.len(), byte) {
            (_, 0x1B) => sequence.clear(),
            (0, b'[') | (1, b'?') => sequence.push(byte),
            (2..LONGEST, b'0'..=b'9' | b';') => sequence.push(byte),
            (2.., b'h' | b'l') => {
                let numbers = sequence[2..].split(|byte| *byte == b';');
                let changes = numbers.into_iter().any(|number| matches!(number, b"47" | b"1047" | b"1049"));
                if changes {
                    self.screen = if byte == b'h' { Screen::Alternate } else { Screen::Ordinary };
                }
                self.sequence = None;
            }
            (_, _) => self.sequence = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::sys::terminal::Screen::{self, Alternate, Ordinary};

    #[track_caller]
    fn check(text: &str, expected: Screen) {
        let mut whole = Watch::new();
        whole.take(text.as_bytes());
        let mut pieces = Watch::new();
        text.as_bytes().iter().for_each(|byte| pieces.take(&[*byte]));
        assert_eq!([whole.screen(), pieces.screen()], [expected; 2], "{text:?}");
    }

    #[test]
    fn the_screen_is_the_one_that_was_chosen_last() {
        check("", Ordinary);
        check("a\x1b[?1049hb", Alternate);
        check("\x1b[?1049h\x1b[2J\x1b[?1049l", Ordinary);
        check("\x1b[?47h", Alternate);
        check("\x1b[?25;1049h", Alternate);
        check("\x1b\x1b[?1047h", Alternate);
    }

    #[test]
    fn anything_else_leaves_the_screen_alone() {
        check("\x1b[1049h", Ordinary);
        check("\x1b[?1h", Ordinary);
        check("[?1049h", Ordinary);
        check("\x1b[?10 49h", Ordinary);
        check(&format!("\x1b[?{};1049h", "1;".repeat(100)), Ordinary);
    }
}
