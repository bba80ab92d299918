//! Custody of a terminal: whoever outlives the process that uses it keeps how it was, and puts it back.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys::stdio::stdout_takes_something;
use crate::sys::terminal::notices::{Hold, Notice, Notices, Teller, notices};
use crate::sys::terminal::{Saved, write};

/// How the terminal was, and a line to whoever uses it.
#[derive(Debug)]
pub struct Custody {
    saved: Saved,
    teller: Teller,
}

impl Custody {
    /// Returns custody of the terminal as it is, and what whoever is to use it needs.
    pub fn take() -> io::Result<(Custody, Saved, Notices)> {
        let saved = Saved::of_terminal()?;
        let (teller, notices) = notices()?;
        Ok((Custody { saved: saved.clone(), teller }, saved, notices))
    }

    /// Gives notice to whoever uses the terminal.
    pub fn tell(&mut self, notice: Notice) {
        self.teller.tell(notice);
    }

    /// Hears what whoever uses the terminal has to tell.
    pub fn listen(&mut self) {
        self.teller.hold();
    }

    /// Returns what to wait for before [`Custody::listen`], as long as anything may come.
    pub fn waited(&self) -> Option<BorrowedFd<'_>> {
        self.teller.waited()
    }

    /// Returns the one descriptor that it takes beside the terminal.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.teller.descriptor()
    }

    /// Puts everything back for a while, if it is in use.
    pub fn lay_down(&mut self) {
        if let Hold::Taken(screen) = self.teller.hold() {
            // A terminal that takes nothing must not keep anybody from ending; its settings never wait.
            if stdout_takes_something() {
                self.saved.restore(screen);
            } else {
                self.saved.restore_settings();
            }
        }
    }

    /// Puts everything back, if whoever has used it has not, and begins another line.
    pub fn put_back(&mut self) {
        if self.teller.hold() != Hold::Free {
            self.lay_down();
            // Wherever the cursor stands.
            if stdout_takes_something() {
                let _ = write(b"\n");
            }
        }
    }
}
