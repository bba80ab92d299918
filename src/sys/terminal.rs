//! procman's own terminal: raw while somebody is attached, and afterwards as it was, whatever happens.
//!
//! No process can put anything right once it has been killed, so there are two: [`keep`] does the work in a child, and
//! the parent keeps the settings and puts them back however the child ends. If the parent is killed, the child puts
//! them back and leaves. Killed in one instant, they leave the terminal raw.
//!
//! Standard input is what is read and set, standard output what is written to; both are the terminal.

mod custody;
mod keeper;
mod notices;
mod watch;

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{self, getpgrp, tcgetpgrp};

use crate::sys::stdio::{stdout_is_terminal, stdout_takes_something, write_stdout};

pub use crate::sys::terminal::custody::Custody;
pub use crate::sys::terminal::keeper::keep;
pub use crate::sys::terminal::notices::{Hold, Notice, Notices};
pub use crate::sys::terminal::watch::Watch;

/// What undoes what a program may have done to a terminal, whatever it was, and leaves the cursor where it is.
///
/// In order: the end of a sequence that was cut off; no colours; all lines scroll, which sends the cursor home, so it
/// is put back; cursor shown, in its own shape; no bracketed paste, mouse, focus reports and application keys; lines
/// wrap; nothing waits for a frame to be complete; the ordinary characters; no colours there.
const RESET: &str = "\x1b\\\x1b[0m\x1b7\x1b[r\x1b8\x1b[?25h\x1b[0 q\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\
                     \x1b[?1006l\x1b[?1004l\x1b[?1l\x1b>\x1b[?7h\x1b[?2026l\x1b(B\x0f\x1b[0m";

/// Leaves the alternate screen. Where nobody is in it, it would send the cursor to where one was left before.
const LEAVE: &str = "\x1b[?1049l";
const ENTER: &str = "\x1b[?1049h";

/// Which of its two screens a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// The one with a history, where shells are.
    Ordinary,
    /// The one of editors and pagers.
    Alternate,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Its height.
    pub rows: u16,
    /// Its width.
    pub columns: u16,
}

/// What of the terminal is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Standard input is something else.
    Input,
    /// Standard output is something else.
    Output,
    /// It is somebody else's now: this process is in the background.
    Foreground,
}

/// Tells whether standard input and output are terminals that this process may use.
pub fn check() -> Result<(), Missing> {
    if !io::stdin().is_terminal() {
        return Err(Missing::Input);
    }
    if !io::stdout().is_terminal() {
        return Err(Missing::Output);
    }
    if is_foreground() { Ok(()) } else { Err(Missing::Foreground) }
}

/// Returns the size of the terminal that standard output is; `None` where it has none.
pub fn size() -> Option<TerminalSize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the call fills the structure.
    let told = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) } == 0;
    (told && size.ws_row > 0 && size.ws_col > 0)
        .then_some(TerminalSize { rows: size.ws_row, columns: size.ws_col })
}

/// The settings of the terminal as they were found.
///
/// A process that outlives the one that attaches keeps a copy.
#[derive(Clone, Debug)]
pub struct Saved(Termios);

impl Saved {
    /// Returns the settings as they are.
    pub fn of_terminal() -> io::Result<Saved> {
        Ok(Saved(tcgetattr(io::stdin())?))
    }

    /// Lets every key through as it is.
    ///
    /// Only output is still worked on: a program that writes plain newlines means new lines.
    pub fn make_raw(&self) -> io::Result<()> {
        let mut raw = self.0.clone();
        cfmakeraw(&mut raw);
        raw.output_flags |= OutputFlags::OPOST | OutputFlags::ONLCR;
        set(&raw)
    }

    /// Puts everything back: settings, screen, cursor, colours.
    ///
    /// The settings belong to whoever is in the foreground. A shell that has taken the terminal back has its own by
    /// then, and would be left without them.
    pub fn restore(&self, screen: Screen) {
        self.restore_settings();
        let _ = write(reset(screen).as_bytes());
    }

    /// Puts the settings back.
    fn restore_settings(&self) {
        if is_foreground() {
            let _ = set(&self.0);
        }
    }
}

/// Returns what undoes what programs may have done to a terminal that is on this screen.
pub fn reset(screen: Screen) -> String {
    let leave = match screen {
        Screen::Ordinary => "",
        Screen::Alternate => LEAVE,
    };
    format!("{RESET}{leave}")
}

/// Undoes what programs have done to the terminal, unless it takes nothing.
pub fn put_back(hold: Hold) {
    if let Hold::Taken(screen) = hold
        && stdout_takes_something()
    {
        let _ = write(reset(screen).as_bytes());
    }
}

/// Goes back to the screen that was left for a while, unless that is somebody else's now.
pub fn take_again(hold: Hold) {
    if let Hold::Taken(screen) = hold
        && is_foreground()
        && stdout_takes_something()
    {
        let _ = enter(screen);
    }
}

/// Returns whether standard output is a terminal that understands sequences.
pub fn understands_sequences() -> bool {
    stdout_is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

fn set(settings: &Termios) -> io::Result<()> {
    loop {
        match tcsetattr(io::stdin(), SetArg::TCSANOW, settings) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Returns whether this process may read the terminal. No shell gives it to anybody else where it controls no session of
/// this process's.
pub fn is_foreground() -> bool {
    tcgetpgrp(io::stdin()).map_or(true, |group| group == getpgrp())
}

/// Goes back to a screen that was left for a while. What was on it has gone.
pub fn enter(screen: Screen) -> io::Result<()> {
    match screen {
        Screen::Ordinary => Ok(()),
        Screen::Alternate => write(ENTER.as_bytes()),
    }
}

/// Reads what has been typed; nothing when the terminal has gone.
pub fn read(buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match unistd::read(io::stdin(), buffer) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Writes to the terminal.
pub fn write(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = write_stdout(bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    /// Something was typed.
    pub typed: bool,
    /// The stream has something to be read, be it its end.
    pub received: bool,
    /// The stream takes something.
    pub sendable: bool,
    /// There are notices.
    pub noticed: bool,
}

/// What is waited for beside what is typed, what the stream has, and the notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// That the stream takes something.
    pub sendable: bool,
}

/// Waits until something has come.
pub fn wait(stream: &impl AsFd, notices: &Notices, wanted: Wanted) -> io::Result<Came> {
    let stdin = io::stdin();
    let (readable, none) = (PollFlags::POLLIN, PollFlags::empty());
    let mut descriptors = [
        PollFd::new(stdin.as_fd(), readable),
        PollFd::new(stream.as_fd(), if wanted.sendable { readable | PollFlags::POLLOUT } else { readable }),
        PollFd::new(notices.0.as_fd(), readable),
    ];
    match poll(&mut descriptors, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [stdin, stream, notices] = descriptors.map(|descriptor| descriptor.revents().unwrap_or(none));
    Ok(Came {
        typed: !stdin.is_empty(),
        received: stream.intersects(readable | PollFlags::POLLHUP | PollFlags::POLLERR),
        sendable: stream.contains(PollFlags::POLLOUT),
        noticed: !notices.is_empty(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{LEAVE, RESET};

    #[test]
    fn the_reset_shows_nothing() {
        // Every sequence is one: nothing is left that a terminal would show.
        let text = format!("{RESET}{LEAVE}");
        let mut rest = text.as_str();
        while let Some(after) = rest.strip_prefix('\u{f}').or_else(|| rest.strip_prefix('\x1b')) {
            if rest.starts_with('\u{f}') {
                rest = after;
                continue;
            }
            let length = match after.as_bytes()[0] {
                b'[' => after.find(|end: char| end.is_ascii_alphabetic()).unwrap() + 1,
                b'(' => 2,
                _ => 1,
            };
            rest = &after[length..];
        }
        assert_eq!(rest, "");
    }
}
