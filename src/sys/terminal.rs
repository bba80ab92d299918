//! procman's own terminal: raw while somebody is attached, and afterwards as it was, whatever happens.
//!
//! No process can put anything right once it has been killed, so there are two: [`keep`] does the work in a child, and
//! the parent keeps the settings and puts them back however the child ends. If the parent is killed, the child puts
//! them back and leaves. Killed in one instant, they leave the terminal raw.
//!
//! Standard input is what is read and set, standard output what is written to; both are the terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, SigSet, SigmaskHow, sigprocmask};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{self, ForkResult, fork, getpgrp, tcgetpgrp};

use crate::process::{Exit, Pid, Signal};
use crate::sys::census;
use crate::sys::signals::{self, Signals};
use crate::sys::startup::Hangup;
use crate::sys::stdio::write_stdout;

const QUIT: Signal = Signal(libc::SIGQUIT);
const RESIZED: Signal = Signal(libc::SIGWINCH);

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
}

/// Tells whether standard input and output are terminals.
pub fn check() -> Result<(), Missing> {
    if !io::stdin().is_terminal() {
        return Err(Missing::Input);
    }
    if io::stdout().is_terminal() { Ok(()) } else { Err(Missing::Output) }
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
        if is_foreground() {
            let _ = set(&self.0);
        }
        let leave = match screen {
            Screen::Ordinary => "",
            Screen::Alternate => LEAVE,
        };
        let _ = write(format!("{RESET}{leave}").as_bytes());
    }
}

fn set(settings: &Termios) -> io::Result<()> {
    loop {
        match tcsetattr(io::stdin(), SetArg::TCSANOW, settings) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Returns whether this process may read the terminal.
pub fn is_foreground() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp())
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

/// What is waited for beside the stream and the notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What is typed.
    pub typed: bool,
    /// That the stream takes something.
    pub sendable: bool,
}

/// Waits until something has come.
pub fn wait(stream: &impl AsFd, notices: &Notices, wanted: Wanted) -> io::Result<Came> {
    let stdin = io::stdin();
    let (readable, none) = (PollFlags::POLLIN, PollFlags::empty());
    let mut descriptors = [
        PollFd::new(stdin.as_fd(), if wanted.typed { readable } else { none }),
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
    screen: Screen,
    /// Whether the other side has gone.
    is_alone: bool,
}

/// Gets notices, and tells which screen the terminal is on.
#[derive(Debug)]
pub struct Notices(UnixStream);

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

/// Does work for which the terminal is raw, and puts everything back whatever becomes of it. Returns what to exit with.
///
/// To be called with a single thread. `work` is done by a child, which makes the terminal raw itself, puts it back
/// when it is done, and returns what to exit with.
pub fn keep(work: impl FnOnce(&Saved, Notices) -> i32) -> io::Result<i32> {
    let saved = Saved::of_terminal()?;
    let (teller, notices) = notices()?;
    // What comes before anybody listens waits.
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(teller);
            // It is ended by what ends any process, for the parent puts things back. Nothing stops it for using the
            // terminal in the background: it fails instead.
            for signal in [signal::SIGTTIN, signal::SIGTTOU, signal::SIGTSTP] {
                before.add(signal);
            }
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
            std::process::exit(work(&saved, notices))
        }
        ForkResult::Parent { child } => {
            drop((work, notices));
            let child = Pid(child.as_raw());
            let signals = Signals::listen(Hangup::Heard).inspect_err(|_| {
                let _ = signals::signal_process(child, Signal::KILL);
            })?;
            Ok(Keeper { saved, teller, signals, child }.watch())
        }
    }
}

/// The parent.
struct Keeper {
    saved: Saved,
    teller: Teller,
    signals: Signals,
    child: Pid,
}

impl Keeper {
    /// Waits for the end of the child, and returns what to exit with.
    fn watch(mut self) -> i32 {
        let mut asked = None;
        loop {
            // An interruption only means to look at once.
            let mut descriptors = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            if !self.teller.is_alone {
                descriptors.push(PollFd::new(self.teller.stream.as_fd(), PollFlags::POLLIN));
            }
            let _ = poll(&mut descriptors, PollTimeout::NONE);
            // What is told must not pile up.
            self.teller.screen();
            for received in self.signals.pending() {
                match received.signal {
                    Signal::CONT => self.go_on(),
                    Signal::HUP | Signal::INT | Signal::TERM | QUIT => {
                        asked = asked.or(Some(received.signal));
                        let _ = signals::signal_process(self.child, Signal::TERM);
                        // A stopped process acts on it only when it is continued.
                        let _ = signals::signal_process(self.child, Signal::CONT);
                    }
                    RESIZED => self.teller.tell(Notice::Resized),
                    _ => {}
                }
            }
            let mut status = 0;
            // SAFETY: waitpid writes one int. nix's wrapper knows no real-time signals.
            let pid =
                unsafe { libc::waitpid(self.child.0, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
            match pid {
                0 => {}
                -1 => return self.put_back(),
                _ if libc::WIFSTOPPED(status) => self.stop_too(),
                _ if libc::WIFEXITED(status) => return libc::WEXITSTATUS(status),
                _ => {
                    let killed = self.put_back();
                    return match asked {
                        Some(signal) => Exit::Signal(signal).status(),
                        None => killed.max(Exit::Signal(Signal(libc::WTERMSIG(status))).status()),
                    };
                }
            }
        }
    }

    /// Puts everything back, for the child could not. Returns what to exit with.
    fn put_back(&mut self) -> i32 {
        self.saved.restore(self.teller.screen());
        // Wherever the cursor stands.
        let _ = write(b"\n");
        1
    }

    /// Stops with the child, so that a shell sees one job that has stopped.
    fn stop_too(&mut self) {
        // It may have been continued in the meantime; then nobody would continue this process.
        if census::process(self.child).is_none_or(|member| member.state == 'T') {
            self.saved.restore(self.teller.screen());
            signals::stop_self();
        }
        self.go_on();
    }

    fn go_on(&mut self) {
        self.teller.tell(Notice::Continued);
        let _ = signals::signal_process(self.child, Signal::CONT);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{LEAVE, Notice, RESET, Screen, notices};

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
