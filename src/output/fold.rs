//! What a terminal makes of the end of a line, taken back.
//!
//! With its settings at their usual, a terminal turns each `\n` of its program into `\r\n`. Those of an instance do not,
//! but a program that edits its lines itself sets them anew, and some write `\r\n` on any terminal.

use memchr::memchr;

/// Makes `\n` of every `\r\n` in a stream, however that is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    kept: Kept,
}

/// Whether the `\r` at the end of the last bytes waits for what follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kept {
    #[default]
    Nothing,
    Return,
}

const RETURN: &[u8] = b"\r";

impl Fold {
    /// Folds the next bytes where they stand, and returns what is to be passed on before them, and them.
    pub fn fold<'a>(&mut self, bytes: &'a mut [u8]) -> (&'static [u8], &'a [u8]) {
        let before = match (self.kept, bytes.first()) {
            (Kept::Return, Some(b'\n')) | (Kept::Nothing, _) => &[],
            (Kept::Return, Some(_)) => RETURN,
            (Kept::Return, None) => return (&[], bytes),
        };
        let whole = match bytes.split_last() {
            Some((b'\r', _)) => bytes.len() - 1,
            Some(_) | None => bytes.len(),
        };
        self.kept = if whole < bytes.len() { Kept::Return } else { Kept::Nothing };
        let folded = fold_whole(&mut bytes[..whole]);
        (before, &bytes[..folded])
    }

    /// Returns what has been kept, for nothing follows.
    pub fn rest(&mut self) -> &'static [u8] {
        match std::mem::take(&mut self.kept) {
            Kept::Nothing => &[],
            Kept::Return => RETURN,
        }
    }
}

/// Folds bytes that do not end with `\r`, and returns how many they are then.
fn fold_whole(bytes: &mut [u8]) -> usize {
    let (mut written, mut read) = (0, 0);
    while let Some(at) = memchr(b'\r', &bytes[read..]) {
        // The `\r` itself stays unless a newline follows.
        let end = read + at + usize::from(bytes.get(read + at + 1) != Some(&b'\n'));
        bytes.copy_within(read..end, written);
        written += end - read;
        read += at + 1;
    }
    if written < read {
        bytes.copy_within(read.., written);
    }
    written + bytes.len() - read
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::Fold;

    fn folded<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let (mut fold, mut all) = (Fold::default(), Vec::new());
        for part in parts {
            let mut part = part.to_vec();
            let (before, rest) = fold.fold(&mut part);
            all.extend_from_slice(before);
            all.extend_from_slice(rest);
        }
        all.extend_from_slice(fold.rest());
        all
    }

    #[track_caller]
    fn check(bytes: &str, expected: &str) {
        let bytes = bytes.as_bytes();
        for at in 0..=bytes.len() {
            let (one, other) = bytes.split_at(at);
            let text = String::from_utf8_lossy(&folded([one, other, b""])).into_owned();
            assert_eq!(text, expected, "cut at {at}");
        }
    }

    #[test]
    fn an_end_of_a_line_is_one_byte() {
        check("one\r\ntwo\r\n", "one\ntwo\n");
        check("\r\n\r\n", "\n\n");
        check("one\ntwo\n", "one\ntwo\n");
    }

    #[test]
    fn any_other_return_stays() {
        check("\r10%\r20%\r\n", "\r10%\r20%\n");
        check("a\r\r\n", "a\r\n");
        check("a\n\rb\r", "a\n\rb\r");
        check("\r", "\r");
        check("", "");
    }

    proptest! {
        #[test]
        fn however_it_is_divided_the_result_is_that_of_the_whole(text in "[ab\r\n]{0,40}", cuts: Vec<u8>) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            assert_eq!(String::from_utf8_lossy(&folded(parts)), text.replace("\r\n", "\n"));
        }
    }
}
