//! The line between the one who uses the terminal and the one who keeps how it was: what happens to the terminal goes one
//! way, which screen it is on the other. Neither side ever waits for the other.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
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
    stream: UnixStream,
    hold: Hold,
    /// Whether the other side has gone.
    is_alone: bool,
}

/// Whether somebody uses the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nobody does, or it has been put back.
    Free,
    /// Somebody does, on this screen.
    Taken(Screen),
}

/// Gets notices, and tells which screen the terminal is on.
#[derive(Debug)]
pub struct Notices(pub(super) UnixStream);

/// Returns both ends of a line for notices.
pub fn notices() -> io::Result<(Teller, Notices)> {
    let (teller, notices) = UnixStream::pair()?;
    teller.set_nonblocking(true)?;
    notices.set_nonblocking(true)?;
    let teller = Teller { stream: teller, hold: Hold::Free, is_alone: false };
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

    /// Returns what the other side has made of the terminal. To be called whenever there is something to be heard, for
    /// what is told must not pile up.
    pub fn hold(&mut self) -> Hold {
        let mut words = Vec::new();
        // It ends with an error where the other side may have more to say.
        self.is_alone |= self.stream.read_to_end(&mut words).is_ok();
        match words.last() {
            Some(b'a') => self.hold = Hold::Taken(Screen::Alternate),
            Some(b'o') => self.hold = Hold::Taken(Screen::Ordinary),
            Some(_) => self.hold = Hold::Free,
            None => {}
        }
        self.hold
    }

    /// Returns what to wait for to hear the other side, until that has gone.
    pub fn waited(&self) -> Option<BorrowedFd<'_>> {
        (!self.is_alone).then(|| self.stream.as_fd())
    }

    /// Returns its descriptor.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Notices {
    /// Tells what has been made of the terminal. Who has to put it back if this process cannot has to know.
    pub fn tell(&mut self, hold: Hold) {
        let word = match hold {
            Hold::Free => b'f',
            Hold::Taken(Screen::Ordinary) => b'o',
            Hold::Taken(Screen::Alternate) => b'a',
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
    use super::{Hold, Notice, notices};
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
    fn what_was_told_last_holds() {
        let (mut teller, mut heard) = notices().unwrap();
        assert_eq!(teller.hold(), Hold::Free);
        heard.tell(Hold::Taken(Screen::Ordinary));
        heard.tell(Hold::Taken(Screen::Alternate));
        assert_eq!(teller.hold(), Hold::Taken(Screen::Alternate));
        heard.tell(Hold::Free);
        drop(heard);
        assert_eq!(teller.hold(), Hold::Free);
        assert!(teller.waited().is_none());
    }

    #[test]
    fn a_teller_never_waits() {
        let (mut teller, mut heard) = notices().unwrap();
        (0..1_000_000).for_each(|_| teller.tell(Notice::Resized));
        teller.tell(Notice::Over);
        assert!(!heard.pending().is_empty());
    }
}
