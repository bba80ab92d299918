//! Text without what it does to a terminal but colour it: for output that comes late.
//!
//! A program that somebody was attached to may have taken the whole screen, moved the cursor about, or asked the terminal
//! something. Done again behind a prefix, that would wreck the screen of whoever reads, and the terminal would answer to
//! a shell.

use memchr::memchr;

/// The longest sequence for colours that is kept.
const LONGEST: usize = 128;

const ESCAPE: u8 = 0x1B;
const BELL: u8 = 0x07;

/// Leaves sequences out, in text that may come in any pieces.
#[derive(Debug, Default)]
pub struct Plain(Within);

/// What the text is within.
#[derive(Debug, Default)]
enum Within {
    /// No sequence.
    #[default]
    Text,
    /// One of which only the `ESC` has come, or `ESC` and what is followed by one more.
    Escape,
    /// A control sequence, from its `ESC` on.
    Control(Vec<u8>),
    /// A string for the terminal, such as a title.
    Told,
    /// Such a string, which an `ESC` may end.
    MayEnd,
}

impl Plain {
    /// Takes the next piece, and returns what is left of it.
    pub fn take(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if matches!(self.0, Within::Text) && memchr(ESCAPE, &bytes).is_none() {
            return bytes;
        }
        let mut plain = Vec::with_capacity(bytes.len());
        bytes.into_iter().for_each(|byte| self.take_one(byte, &mut plain));
        plain
    }

    fn take_one(&mut self, byte: u8, plain: &mut Vec<u8>) {
        let within = std::mem::take(&mut self.0);
        self.0 = match (within, byte) {
            (Within::Told, BELL) => Within::Text,
            (Within::Told, ESCAPE) => Within::MayEnd,
            (Within::Told, _) => Within::Told,
            (_, ESCAPE) => Within::Escape,
            (Within::Text, byte) => {
                plain.push(byte);
                Within::Text
            }
            (Within::Escape, b'[') => Within::Control(vec![ESCAPE, b'[']),
            (Within::Escape | Within::MayEnd, b']' | b'P' | b'X' | b'^' | b'_') => Within::Told,
            // One more byte follows, as in `ESC ( B`.
            (Within::Escape, 0x20..=0x2F) => Within::Escape,
            (Within::Control(mut sequence), 0x20..=0x3F) => {
                if sequence.len() < LONGEST {
                    sequence.push(byte);
                }
                Within::Control(sequence)
            }
            (Within::Control(sequence), b'm') if sequence.len() < LONGEST => {
                plain.extend(sequence);
                plain.push(b'm');
                Within::Text
            }
            // What belongs to no sequence, such as a newline, stays whatever it has broken off.
            (Within::Escape | Within::MayEnd | Within::Control(_), 0x00..=0x1F) => {
                plain.push(byte);
                Within::Text
            }
            (Within::Escape | Within::MayEnd | Within::Control(_), _) => Within::Text,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Plain;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let whole = Plain::default().take(text.as_bytes().to_vec());
        let mut plain = Plain::default();
        let pieces: Vec<u8> = text.bytes().flat_map(|byte| plain.take(vec![byte])).collect();
        let shown = [whole, pieces].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(shown, [expected; 2], "{text:?}");
    }

    #[test]
    fn text_and_colours_stay() {
        check("", "");
        check("one\r\ntwo\tä\n", "one\r\ntwo\tä\n");
        check("\x1b[31mred\x1b[0m \x1b[38;5;1mx\x1b[m", "\x1b[31mred\x1b[0m \x1b[38;5;1mx\x1b[m");
    }

    #[test]
    fn whatever_else_a_terminal_obeys_goes() {
        check("a\x1b[?1049h\x1b[2J\x1b[1;1Hb\x1b[?25lc", "abc");
        check("a\x1b[6n\x1b[>cb", "ab");
        check("a\x1b(B\x1b=\x1b7b\x1bM", "ab");
        check("a\x1b]0;title\x07b\x1b]8;;x\x1b\\c\x1bP+q436f\x1b\\d", "abcd");
    }

    #[test]
    fn a_sequence_that_is_broken_off_takes_no_text_with_it() {
        check("a\x1b[3\nb", "a\nb");
        check("a\x1b\nb", "a\nb");
        check("a\x1b", "a");
        check("\x1b\x1b[31mred", "\x1b[31mred");
        check(&format!("\x1b[{}mx", "1;".repeat(1000)), "x");
    }
}
