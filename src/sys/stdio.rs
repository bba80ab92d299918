//! Standard output as a plain descriptor, and standard error for what goes wrong.
//!
//! The descriptor's mode is never touched: `O_NONBLOCK` would be shared with the shell and with everybody
//! else who holds it. A write may therefore block, and is done on a thread that may wait.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};

/// How long a message waits for room, in milliseconds.
const PATIENCE: u16 = 500;

/// Returns whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Returns whether standard output is a pipe or a socket, so that somebody who reads it may go away.
pub fn stdout_has_reader() -> bool {
    let kind = fstat(io::stdout()).map_or(0, |status| status.st_mode & SFlag::S_IFMT.bits());
    kind == SFlag::S_IFIFO.bits() || kind == SFlag::S_IFSOCK.bits()
}

/// Writes some of `bytes` to standard output and returns how many; waits until at least one can be.
pub fn write_stdout(bytes: &[u8]) -> io::Result<usize> {
    let stdout = io::stdout();
    let stdout = stdout.as_fd();
    loop {
        match nix::unistd::write(stdout, bytes) {
            Ok(written) => return Ok(written),
            Err(Errno::EINTR) => {}
            // Whoever shares the descriptor has made it non-blocking.
            Err(Errno::EAGAIN) => wait_writable(stdout),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns whether standard output takes something, be it after a moment.
pub fn stdout_takes_something() -> bool {
    let stdout = io::stdout();
    let mut interest = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
    matches!(poll(&mut interest, PollTimeout::from(PATIENCE)), Ok(1..))
}

/// What came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something can be read, be it the end.
    Readable,
    /// Whoever read standard output has gone.
    NobodyReads,
    /// Neither in time.
    Nothing,
}

/// Waits until something can be read from `source`, or `longest` is over, or nobody reads standard output any more.
pub fn wait_for(source: &impl AsFd, longest: Option<Duration>) -> Waited {
    wait(Some(source.as_fd()), longest)
}

/// Waits until `longest` is over, or nobody reads standard output any more.
pub fn pause(longest: Duration) -> Waited {
    wait(None, Some(longest))
}

fn wait(source: Option<BorrowedFd<'_>>, longest: Option<Duration>) -> Waited {
    let stdout = io::stdout();
    // Of a closed pipe one is told without asking.
    let mut interest = vec![PollFd::new(stdout.as_fd(), PollFlags::empty())];
    interest.extend(source.map(|source| PollFd::new(source, PollFlags::POLLIN)));
    let timeout = longest
        .map_or(PollTimeout::NONE, |longest| PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX));
    match poll(&mut interest, timeout) {
        Ok(0) | Err(_) => Waited::Nothing,
        Ok(_) if interest[0].any().unwrap_or(true) => Waited::NobodyReads,
        Ok(_) => Waited::Readable,
    }
}

/// Writes lines to standard error, however long the reader takes. Nobody can be told that this failed.
pub fn write_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes lines to standard error unless nobody takes them.
///
/// For whatever runs or ends a formation: standard error is often the same pipe or terminal as standard
/// output, and an end must not wait for it.
pub fn write_stderr_unless_stuck(text: &str) {
    let stderr = io::stderr();
    let mut interest = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if matches!(poll(&mut interest, PollTimeout::from(PATIENCE)), Ok(1..)) {
        write_stderr(text);
    }
}

/// Returns an error of the system without its number, in lower case.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

fn wait_writable(descriptor: BorrowedFd<'_>) {
    let mut interest = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    let _ = poll(&mut interest, PollTimeout::NONE);
}
