//! Pseudo-terminals: the two ends, how the instance's end is set, and reading and writing the other one.
//!
//! The instance's end changes nothing of what is written to it: bytes stay as they were written. Everything else is as on
//! any terminal.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, OFlag, fcntl, open as open_file};
use nix::libc;
use nix::pty::{PtyMaster, grantpt, posix_openpt, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{InputFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its height.
    pub rows: u16,
    /// Its width.
    pub columns: u16,
}

/// procman's end of a pseudo-terminal, which never waits. The other end is hung up when the last copy of it goes.
#[derive(Clone, Debug)]
pub struct Master(Arc<OwnedFd>);

/// Both ends of a pseudo-terminal that nobody uses yet.
#[derive(Debug)]
pub struct Pair {
    /// procman's.
    pub master: Master,
    /// The instance's.
    pub slave: OwnedFd,
}

/// Opens a pseudo-terminal of this size.
pub fn open(size: Size) -> io::Result<Pair> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = open_slave(&master)?;
    let mut settings = tcgetattr(&slave)?;
    settings.output_flags.remove(OutputFlags::OPOST);
    // It shows what is typed, which is nothing unless somebody is attached. A line editor looks once, when it begins to
    // wait, whether it is to show that itself, and would show nothing to whoever attaches later.
    // Else erasing a character erases its last byte.
    settings.input_flags.insert(InputFlags::IUTF8);
    tcsetattr(&slave, SetArg::TCSANOW, &settings)?;
    fcntl(&master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
    let master = Master(Arc::new(OwnedFd::from(master)));
    master.resize(size)?;
    Ok(Pair { master, slave })
}

/// Lets this process lead a session of its own, and this be its terminal: to be called between fork and exec, where it
/// only makes system calls.
pub fn take(slave: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: neither call has memory to get wrong.
    let is_done =
        unsafe { libc::setsid() != -1 && libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY as _, 0) != -1 };
    if is_done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns the size of the terminal that standard output is; nothing if it is none, or one that does not tell.
pub fn size_of_stdout() -> Option<Size> {
    // SAFETY: the call fills the structure, for which all zeros are valid.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        match libc::ioctl(io::stdout().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) {
            0 => size,
            _ => return None,
        }
    };
    (size.ws_row > 0 && size.ws_col > 0).then_some(Size { rows: size.ws_row, columns: size.ws_col })
}

impl Master {
    /// Reads some of what the instance has written.
    ///
    /// It is some 4 KiB at most, however much is there. `WouldBlock` means that nothing is. That nobody has the other
    /// end open is an error too, EIO, and no end: whoever is left of the session may open it again.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(unistd::read(&*self.0, buffer)?)
    }

    /// Types some of `bytes`, and returns how many. `WouldBlock` means that the instance has to read first.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(unistd::write(&*self.0, bytes)?)
    }

    /// Changes its size. If it is another one, the kernel tells the instance by SIGWINCH.
    pub fn resize(&self, Size { rows, columns }: Size) -> io::Result<()> {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the call reads the structure.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Returns whether that is the same terminal.
    pub fn is(&self, other: &Master) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl AsFd for Master {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens the instance's end by way of procman's: it needs no `/dev/pts` in this mount namespace.
#[cfg(all(target_os = "linux", not(procman_portable)))]
fn open_slave(master: &PtyMaster) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;

    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the descriptor returned is new and belongs to nobody else.
    unsafe {
        match libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) {
            // Before Linux 4.13.
            -1 => open_by_name(master),
            number => Ok(OwnedFd::from_raw_fd(number)),
        }
    }
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn open_slave(master: &PtyMaster) -> io::Result<OwnedFd> {
    open_by_name(master)
}

fn open_by_name(master: &PtyMaster) -> io::Result<OwnedFd> {
    // Only the thread that spawns asks, so the next name does not take the place of this one.
    // SAFETY: see above.
    let name = unsafe { nix::pty::ptsname(master) }?;
    Ok(open_file(name.as_str(), OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::ErrorKind;

    use nix::unistd;

    use super::{Pair, Size, open};

    const SIZE: Size = Size { rows: 30, columns: 100 };

    /// Reads until nothing is there, and returns why that was.
    fn read_all(pair: &Pair) -> (Vec<u8>, ErrorKind, Option<i32>) {
        let (mut all, mut buffer) = (Vec::new(), [0; 64 * 1024]);
        loop {
            match pair.master.read(&mut buffer) {
                Ok(length) => all.extend_from_slice(&buffer[..length]),
                Err(error) => return (all, error.kind(), error.raw_os_error()),
            }
        }
    }

    #[test]
    fn bytes_stay_as_they_were_written() {
        let pair = open(SIZE).unwrap();
        let bytes: Vec<u8> = (0..=255).chain(*b"\r\n\n\t\x04").collect();
        unistd::write(&pair.slave, &bytes).unwrap();
        let (all, kind, _) = read_all(&pair);
        assert_eq!((all, kind), (bytes, ErrorKind::WouldBlock));
    }

    #[test]
    fn all_that_was_written_is_there_when_nobody_has_it_open_any_more() {
        let mut pair = open(SIZE).unwrap();
        unistd::write(&pair.slave, &[b'x'; 4000]).unwrap();
        pair.slave = unistd::dup(&pair.slave).unwrap();
        unistd::write(&pair.slave, &[b'y'; 4000]).unwrap();
        pair.slave = std::fs::File::open("/dev/null").unwrap().into();
        let (all, _, code) = read_all(&pair);
        assert_eq!(all, [[b'x'; 4000], [b'y'; 4000]].concat());
        assert_eq!(code, Some(nix::libc::EIO));
    }

    #[test]
    fn what_is_typed_is_shown() {
        let pair = open(SIZE).unwrap();
        pair.master.write(b"ab\n").unwrap();
        let mut line = [0; 8];
        assert_eq!(unistd::read(&pair.slave, &mut line), Ok(3));
        assert_eq!(read_all(&pair).0, b"ab\n");
    }
}
