//! Bytes: where lines end, where text may be cut, and whether it leaves a colour on.

use memchr::{memchr_iter, memrchr};

/// Splits bytes behind their last newline: whole lines, and the beginning of one that is not complete.
pub fn split_last_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memrchr(b'\n', bytes) {
        Some(newline) => bytes.split_at(newline + 1),
        None => (&[], bytes),
    }
}

/// Splits whole lines, each with its newline.
pub fn split_lines_inclusive(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'\n', lines).map(move |newline| {
        let line = &lines[start..=newline];
        start = newline + 1;
        line
    })
}

/// Splits whole lines, and leaves out their newlines.
pub fn split_lines(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_lines_inclusive(lines).map(|line| &line[..line.len() - 1])
}

/// Splits bytes before a character that is not complete yet, at most three bytes from the end.
///
/// Bytes that are not UTF-8 at all are never held back: only the beginning of a sequence that may still
/// become a character is.
pub fn split_last_character(bytes: &[u8]) -> (&[u8], &[u8]) {
    let tail = bytes.len().saturating_sub(3);
    for (back, byte) in bytes[tail..].iter().rev().enumerate() {
        let length = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => break,
        };
        if length > back + 1 {
            return bytes.split_at(bytes.len() - back - 1);
        }
        break;
    }
    (bytes, &[])
}

/// Returns whether a terminal would still show colours or attributes behind this text.
///
/// The last `ESC [ … m` decides: it leaves none on when it is a plain reset.
pub fn leaves_colour_on(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(escape) = memrchr(0x1B, rest) {
        let sequence = &text[escape + 1..];
        if let Some(parameters) = sequence.strip_prefix(b"[") {
            let end = parameters.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'));
            if let Some(end) = end
                && parameters[end] == b'm'
            {
                return !matches!(&parameters[..end], b"" | b"0" | b"00");
            }
        }
        rest = &text[..escape];
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::{leaves_colour_on, split_last_character, split_last_line};

    #[test]
    fn lines_end_at_their_newline() {
        assert_eq!(split_last_line(b"a\nb\nc"), (&b"a\nb\n"[..], &b"c"[..]));
        assert_eq!(split_last_line(b"a\n"), (&b"a\n"[..], &b""[..]));
        assert_eq!(split_last_line(b"a"), (&b""[..], &b"a"[..]));
        assert_eq!(split_last_line(b""), (&b""[..], &b""[..]));
    }

    #[test]
    fn a_character_is_never_cut() {
        for text in ["a", "é", "日", "🚀", "x🚀"] {
            for end in 0..=text.len() {
                let (whole, held) = split_last_character(&text.as_bytes()[..end]);
                assert!(std::str::from_utf8(whole).is_ok(), "{text:?} cut at {end} gives {whole:?} {held:?}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_not_held_back() {
        for bytes in [&b"\xFF"[..], b"\x80", b"a\x80\x80\x80", b"\xC3\xA9\x80", b"\xFE\xFF", b"\xC0"] {
            assert_eq!(split_last_character(bytes), (bytes, &b""[..]));
        }
    }

    #[test]
    fn the_last_colour_of_a_line_decides() {
        for (text, expected) in [
            ("plain", false),
            ("\x1b[31mred", true),
            ("\x1b[31mred\x1b[0m", false),
            ("\x1b[31mred\x1b[m", false),
            ("\x1b[0;1mbold", true),
            ("\x1b[31mred\x1b[K", true),
            ("\x1b[2J", false),
            ("\x1b[", false),
            ("\x1b", false),
            ("\x1b[38:5:3m", true),
        ] {
            assert_eq!(leaves_colour_on(text.as_bytes()), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn splitting_loses_nothing(bytes: Vec<u8>) {
            for (head, tail) in [split_last_line(&bytes), split_last_character(&bytes)] {
                assert_eq!([head, tail].concat(), bytes);
            }
            assert!(split_last_character(&bytes).1.len() <= 3);
            leaves_colour_on(&bytes);
        }
    }
}
