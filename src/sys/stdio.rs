//! Standard output as a plain descriptor, and standard error for what goes wrong.
//!
//! The descriptor's mode is never touched: `O_NONBLOCK` would be shared with the shell and with everybody
//! else who holds it. A write may therefore block, and is done on a thread that may wait.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Returns whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
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

/// Writes one line to standard error. Nobody can be told that this failed.
pub fn write_stderr(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "{line}");
}

fn wait_writable(descriptor: BorrowedFd<'_>) {
    let mut interest = [PollFd::new(descriptor, PollFlags::POLLOUT)];
    let _ = poll(&mut interest, PollTimeout::NONE);
}
