//! The line between the one who uses the terminal and the one who keeps how it was: what happens to the terminal goes one
//! way, which screen it is on the other. Neither side ever waits for the other.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use crate::sys::terminal::Screen;

/// Something that whoever uses the terminal has to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The terminal may have another size.
    Resized,
    /// This process was stopped, and goes on. Whoever had the terminal meanwhile has set it.
    Continued,
    /// It is over: whoever gives notices has gone.
    Over,
}

/// Gives notices to another thread or process, and gets to know which screen that is on.
#[derive(Debug)]
pub struct Teller {
    pub(super) stream: UnixStream,
    screen: Screen,
    /// Whether the other side has gone.
    pub(super) is_alone: bool,
}

/// Gets notices, and tells which screen the terminal is on.
#[derive(Debug)]
pub struct Notices(pub(super) UnixStream);

/// Returns both ends of a line for notices.
pub fn notices() -> io::Result<(Teller, Notices)> {
    let (teller, notices) = UnixStream::pair()?;
    teller.set_nonblocking(true)?;
    notices.set_nonblocking(true)?;
    let teller = Teller { stream: teller, screen: Screen::Ordinary, is_alone: false };
    Ok((teller, Notices(notices)))
}

impl Teller {
    /// Gives notice. To give up a teller is to say that it is over.
    pub fn tell(&mut self, notice: Notice) {
        let word = match notice {
            Notice::Resized => b'r',
            Notice::Continued => b'c',
            Notice::Over => return drop(self.stream.shutdown(Shutdown::Both)),
        };
        // Who does not listen has plenty of notices when it does.
        let _ = self.stream.write(&[word]);
    }

    /// Returns which screen the other side has left the terminal on.
    pub fn screen(&mut self) -> Screen {
        let mut words = Vec::new();
        // It ends with an error where the other side may have more to say.
        self.is_alone |= self.stream.read_to_end(&mut words).is_ok();
        match words.last() {
            Some(b'a') => self.screen = Screen::Alternate,
            Some(_) => self.screen = Screen::Ordinary,
            None => {}
        }
        self.screen
    }
}

impl Notices {
    /// Tells which screen the terminal is on now. Who has to put it back if this process cannot has to know.
    pub fn tell(&mut self, screen: Screen) {
        let word = match screen {
            Screen::Ordinary => b'o',
            Screen::Alternate => b'a',
        };
        let _ = self.0.write(&[word]);
    }

    /// Returns what notice has been given of since the last call.
    pub fn pending(&mut self) -> Vec<Notice> {
        let mut words = [0; 64];
        let length = match self.0.read(&mut words) {
            Ok(0) => return vec![Notice::Over],
            Ok(length) => length,
            Err(_) => 0,
        };
        let words = words.iter().take(length);
        words.map(|word| if *word == b'c' { Notice::Continued } else { Notice::Resized }).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Notice, notices};
    use crate::sys::terminal::Screen;

    #[test]
    fn notices_come_until_it_is_over() {
        let (mut teller, mut heard) = notices().unwrap();
        assert_eq!(heard.pending(), []);
        teller.tell(Notice::Resized);
        teller.tell(Notice::Continued);
        assert_eq!(heard.pending(), [Notice::Resized, Notice::Continued]);
        drop(teller);
        assert_eq!(heard.pending(), [Notice::Over]);
    }

    #[test]
    fn the_screen_is_the_one_that_was_told_last() {
        let (mut teller, mut heard) = notices().unwrap();
        assert_eq!(teller.screen(), Screen::Ordinary);
        heard.tell(Screen::Ordinary);
        heard.tell(Screen::Alternate);
        drop(heard);
        assert_eq!(teller.screen(), Screen::Alternate);
    }

    #[test]
    fn a_teller_never_waits() {
        let (mut teller, mut heard) = notices().unwrap();
        (0..1_000_000).for_each(|_| teller.tell(Notice::Resized));
        teller.tell(Notice::Over);
        assert!(!heard.pending().is_empty());
    }
}
