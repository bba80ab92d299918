//! What programs have made of a terminal, from what they have written to it: which screen it is on, and whether there is
//! anything to be put back.

use memchr::memchr;

use crate::sys::terminal::{Hold, Screen};

/// The longest sequence that is looked at. Those that matter are much shorter.
const LONGEST: usize = 64;

/// Looks for the sequences that change a terminal, in bytes that may come in any pieces.
///
/// Colours are none of them: whoever shows lines sees to those line by line.
#[derive(Debug)]
pub struct Watch {
    hold: Hold,
    at: At,
    /// What has come of a sequence behind its `ESC`.
    sequence: Vec<u8>,
}

/// Where the bytes have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Text,
    Sequence,
}

impl Watch {
    /// Returns a watch over a terminal that is as its user wants it.
    pub fn begin() -> Watch {
        Watch { hold: Hold::Free, at: At::Text, sequence: Vec::new() }
    }

    /// Returns what has become of it.
    pub fn hold(&self) -> Hold {
        self.hold
    }

    /// Returns the screen.
    pub fn screen(&self) -> Screen {
        match self.hold {
            Hold::Free => Screen::Ordinary,
            Hold::Taken(screen) => screen,
        }
    }

    /// Takes what is written to the terminal.
    pub fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            match self.at {
                At::Text => {
                    let Some(escape) = memchr(0x1B, rest) else { return };
                    rest = &rest[escape + 1..];
                    self.sequence.clear();
                    self.at = At::Sequence;
                }
                At::Sequence => {
                    self.take_one(*first);
                    rest = after;
                }
            }
        }
    }

    /// Takes a byte within a sequence.
    fn take_one(&mut self, byte: u8) {
        match (self.sequence.len(), byte) {
            (_, 0x1B) => self.sequence.clear(),
            (0, b'[') | (1..LONGEST, b' '..=b'?') => self.sequence.push(byte),
            (_, _) => {
                self.at = At::Text;
                self.hold = self.after(byte);
            }
        }
    }

    /// Returns what the sequence makes of the terminal that this byte ends.
    fn after(&self, byte: u8) -> Hold {
        match (&self.sequence[..], byte) {
            ([b'[', b'?', numbers @ ..], b'h' | b'l') => {
                let mut numbers = numbers.split(|byte| *byte == b';');
                let changes = numbers.any(|number| matches!(number, b"47" | b"1047" | b"1049"));
                let chosen = if byte == b'h' { Screen::Alternate } else { Screen::Ordinary };
                Hold::Taken(if changes { chosen } else { self.screen() })
            }
            // Which lines scroll and the shape of the cursor; what the keypad sends, and other characters.
            ([b'[', ..], b'r' | b'q') | ([], b'=' | b'(' | b')') => Hold::Taken(self.screen()),
            (_, _) => self.hold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::sys::terminal::Hold::{self, Free, Taken};
    use crate::sys::terminal::Screen::{Alternate, Ordinary};

    #[track_caller]
    fn check(text: &str, expected: Hold) {
        let mut whole = Watch::begin();
        whole.take(text.as_bytes());
        let mut pieces = Watch::begin();
        text.as_bytes().iter().for_each(|byte| pieces.take(&[*byte]));
        assert_eq!([whole.hold(), pieces.hold()], [expected; 2], "{text:?}");
    }

    #[test]
    fn the_screen_is_the_one_that_was_chosen_last() {
        check("a\x1b[?1049hb", Taken(Alternate));
        check("\x1b[?1049h\x1b[2J\x1b[?1049l", Taken(Ordinary));
        check("\x1b[?47h", Taken(Alternate));
        check("\x1b[?25;1049h", Taken(Alternate));
        check("\x1b\x1b[?1047h", Taken(Alternate));
        check("\x1b[?1049h\x1b[?25l", Taken(Alternate));
    }

    #[test]
    fn anything_else_leaves_the_screen_alone() {
        check("\x1b[?25l", Taken(Ordinary));
        check("\x1b[?1000h\x1b[31m", Taken(Ordinary));
        check("\x1b[?10 49h", Taken(Ordinary));
        check("\x1b[2;10r", Taken(Ordinary));
        check("\x1b[4 q", Taken(Ordinary));
        check("\x1b(0", Taken(Ordinary));
    }

    #[test]
    fn what_only_shows_text_leaves_nothing_behind() {
        check("", Free);
        check("\x1b[36mweb.1 | \x1b[0m\x1b[2K\x1b[1Gtext", Free);
        check("\x1b[1049h", Free);
        check("[?1049h", Free);
        check("\x1b[?25", Free);
        check("\x1b]0;a title?25h\x07", Free);
        check(&format!("\x1b[?{};1049h", "1;".repeat(100)), Free);
    }
}
