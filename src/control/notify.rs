//! The language of sd_notify(3): what an instance says of itself in a datagram.
//!
//! A message is lines of `NAME=value`. What procman has no use for is passed over, as whoever receives such messages is
//! to do: processes, watchdogs and descriptors are the business of systemd.

use std::time::Duration;

use crate::quote::escaped;

/// The longest message, which is systemd's limit too.
pub const LONGEST: usize = 4096;

/// How many characters of a status are kept.
const STATUS: usize = 200;

/// Something that an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is ready.
    Ready,
    /// It is ending.
    Stopping,
    /// What it does takes so long from now on.
    Extend(Duration),
    /// What it is doing, fit to be shown; empty if it says so no more.
    Status(String),
}

/// Returns what a message says, in its order.
pub fn words(message: &[u8]) -> Vec<Word> {
    message.split(|byte| *byte == b'\n').filter_map(word).collect()
}

fn word(line: &[u8]) -> Option<Word> {
    let at = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&line[..at], &line[at + 1..]);
    match (name, value) {
        (b"READY", b"1") => Some(Word::Ready),
        (b"STOPPING", b"1") => Some(Word::Stopping),
        (b"EXTEND_TIMEOUT_USEC", value) => {
            let microseconds = std::str::from_utf8(value).ok()?.parse().ok()?;
            Some(Word::Extend(Duration::from_micros(microseconds)))
        }
        (b"STATUS", value) => {
            let text = String::from_utf8_lossy(value);
            let mut shown: String = text.trim().chars().take(STATUS).collect();
            if text.trim().chars().nth(STATUS).is_some() {
                shown.push('…');
            }
            Some(Word::Status(escaped(&shown)))
        }
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::proptest;

    use super::{Word, words};

    #[track_caller]
    fn check(message: &[u8], expected: &[Word]) {
        assert_eq!(words(message), expected, "{}", message.escape_ascii());
    }

    fn status(text: &str) -> Word {
        Word::Status(text.to_owned())
    }

    #[test]
    fn a_message_says_what_its_lines_say() {
        check(b"READY=1", &[Word::Ready]);
        check(b"READY=1\n", &[Word::Ready]);
        check(b"STATUS=2 workers\nREADY=1\n", &[status("2 workers"), Word::Ready]);
        check(
            b"STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000",
            &[Word::Stopping, Word::Extend(Duration::from_millis(1500))],
        );
        check(b"STATUS=", &[status("")]);
        check(b"STATUS=a=b", &[status("a=b")]);
    }

    #[test]
    fn whatever_else_it_says_is_passed_over() {
        for message in [
            &b""[..],
            b"\n\n",
            b"READY",
            b"READY=0",
            b"READY=11",
            b"ready=1",
            b" READY=1",
            b"RELOADING=1",
            b"MAINPID=7",
            b"WATCHDOG=1",
            b"FDSTORE=1\nFDNAME=x",
            b"EXTEND_TIMEOUT_USEC=-1",
            b"EXTEND_TIMEOUT_USEC=",
            b"EXTEND_TIMEOUT_USEC=99999999999999999999",
            b"=",
            b"\0READY=1",
        ] {
            check(message, &[]);
        }
    }

    #[test]
    fn a_status_does_nothing_to_a_terminal_and_has_an_end() {
        check(b"STATUS=\x1b[2Jx\xff\r", &[status("\\u{1b}[2Jx\u{fffd}")]);
        let long = format!("STATUS={}", "é".repeat(300));
        check(long.as_bytes(), &[status(&format!("{}…", "é".repeat(200)))]);
    }

    proptest! {
        #[test]
        fn no_message_is_too_odd(message: Vec<u8>) {
            for word in words(&message).into_iter().chain(words(&[b"STATUS=", &*message].concat())) {
                if let Word::Status(text) = word {
                    assert!(!text.contains(char::is_control), "{text:?}");
                }
            }
        }
    }
}
