//! The keys that detach: how one writes them, and how they are found in what is typed.

use std::fmt;
use std::str::FromStr;

use memchr::memmem;

use crate::quote::excerpt;

/// Keys to be typed one after the other, by the byte that a terminal sends for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKey(Vec<u8>);

impl Default for DetachKey {
    /// As telnet has it, and nothing else that is in use.
    fn default() -> DetachKey {
        DetachKey(vec![0x1D])
    }
}

impl FromStr for DetachKey {
    type Err = String;

    /// Reads `ctrl-]`, `ctrl-a`, `q` or, with commas, several.
    fn from_str(text: &str) -> Result<DetachKey, String> {
        let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
        keys.map(DetachKey).ok_or_else(|| {
            format!("`{}` is not a key such as ctrl-], or several such as ctrl-p,ctrl-q", excerpt(text))
        })
    }
}

fn key(text: &str) -> Option<u8> {
    let (control, name) = match text.get(..5) {
        Some(control) if control.eq_ignore_ascii_case("ctrl-") => (true, &text[5..]),
        Some(_) | None => (false, text),
    };
    let &[byte] = name.as_bytes() else { return None };
    match (control, byte) {
        (true, b'a'..=b'z' | b'@'..=b'_') => Some(byte & 0x1F),
        (false, b'!'..=b'~') => Some(byte),
        (true | false, _) => None,
    }
}

impl fmt::Display for DetachKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "," };
            match byte {
                0..0x20 => write!(f, "{gap}ctrl-{}", char::from(name(*byte)))?,
                _ => write!(f, "{gap}{}", char::from(*byte))?,
            }
        }
        Ok(())
    }
}

/// Returns the key that makes a control character together with the control key.
fn name(control: u8) -> u8 {
    let upper = control | 0x40;
    upper.to_ascii_lowercase()
}

/// Looks for the keys in what is typed.
#[derive(Debug)]
pub struct Search {
    keys: DetachKey,
    /// Other ways in which a terminal may send the one key that there is.
    others: Vec<Vec<u8>>,
    /// The beginning of the keys, if that is what was typed last. It is held back.
    begun: usize,
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Bytes for the program.
    Bytes(Vec<u8>),
    /// Bytes for the program, and then the keys.
    Detach(Vec<u8>),
}

impl Search {
    /// Returns a search at its beginning.
    pub fn new(keys: DetachKey) -> Search {
        let others = match keys.0[..] {
            // Programs may ask for these ways, and then the control character never comes: CSI u and its like of
            // xterm's, see its `modifyOtherKeys`.
            [control @ 0..0x20] => {
                let code = name(control);
                [format!("\x1b[{code};5u"), format!("\x1b[27;5;{code}~")].map(String::into_bytes).to_vec()
            }
            _ => Vec::new(),
        };
        Search { keys, others, begun: 0 }
    }

    /// Takes what was typed, and returns what of it is for the program.
    pub fn take(&mut self, typed: &[u8]) -> Typed {
        let keys = &self.keys.0;
        let mut bytes = Vec::new();
        for byte in typed {
            let mut begun = [&keys[..self.begun], &[*byte]].concat();
            // What turns out not to be the keys may still end with their beginning.
            while !keys.starts_with(&begun) {
                bytes.push(begun.remove(0));
            }
            self.begun = begun.len();
            if self.begun == keys.len() {
                self.begun = 0;
                return Typed::Detach(bytes);
            }
        }
        let found = self.others.iter().find_map(|other| memmem::find(&bytes, other));
        match found {
            Some(at) => Typed::Detach(bytes[..at].to_vec()),
            None => Typed::Bytes(bytes),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{DetachKey, Search, Typed};

    #[test]
    fn keys_are_read_and_shown() {
        for (text, bytes) in [
            ("ctrl-]", &b"\x1d"[..]),
            ("ctrl-a", b"\x01"),
            ("ctrl-p,ctrl-q", b"\x10\x11"),
            ("ctrl-@", b"\0"),
            ("ctrl-[", b"\x1b"),
            ("ctrl-a,d", b"\x01d"),
            ("~,.", b"~."),
        ] {
            let keys: DetachKey = text.parse().unwrap();
            assert_eq!((keys.0.as_slice(), keys.to_string().as_str()), (bytes, text));
        }
        assert_eq!("Ctrl-A".parse::<DetachKey>().unwrap().to_string(), "ctrl-a");
        assert_eq!(DetachKey::default().to_string(), "ctrl-]");
        for text in ["", "ctrl-", "ctrl-ab", "ctrl-é", "ctrl-1", "ab", "ctrl-a,", "^]", "é", "ctrlé"] {
            assert!(text.parse::<DetachKey>().is_err(), "{text}");
        }
    }

    #[track_caller]
    fn check(keys: &str, typed: &[&str], expected: &[Typed]) {
        let mut search = Search::new(keys.parse().unwrap());
        let found: Vec<Typed> = typed.iter().map(|typed| search.take(typed.as_bytes())).collect();
        assert_eq!(found, expected);
    }

    fn bytes(text: &str) -> Typed {
        Typed::Bytes(text.as_bytes().to_vec())
    }

    fn detach(text: &str) -> Typed {
        Typed::Detach(text.as_bytes().to_vec())
    }

    #[test]
    fn one_key_detaches_at_once() {
        check("ctrl-]", &["ls\r", "x\x1dy"], &[bytes("ls\r"), detach("x")]);
    }

    #[test]
    fn several_keys_detach_together_only() {
        check("ctrl-p,ctrl-q", &["\x10", "\x11"], &[bytes(""), detach("")]);
        check("ctrl-p,ctrl-q", &["a\x10", "b\x11"], &[bytes("a"), bytes("\x10b\x11")]);
        check("ctrl-p,ctrl-q", &["\x10\x10\x10\x11"], &[detach("\x10\x10")]);
        check("a,a,b", &["aaaab"], &[detach("aa")]);
    }

    #[test]
    fn a_key_detaches_in_every_way_that_terminals_send_it() {
        check("ctrl-]", &["a\x1b[93;5u"], &[detach("a")]);
        check("ctrl-a", &["\x1b[27;5;97~"], &[detach("")]);
        // Escape alone waits for nothing.
        check("ctrl-]", &["\x1b"], &[bytes("\x1b")]);
    }
}
