//! The socket by which one instance says how it does: sd_notify(3).
//!
//! On Linux its address is in no directory, and the kernel vouches for who has sent a message. Elsewhere it is a file
//! that only this user may write to, which goes with the socket.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::process::Pid;
use crate::sys::census::own_pid;
use crate::sys::child::set_aside;
use crate::sys::lot::draw;

/// A socket that takes messages and never waits.
#[derive(Debug)]
pub struct Notices {
    socket: UnixDatagram,
    address: OsString,
}

/// Who has sent a message, where the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// This process of this user.
    Process(Pid, u32),
    /// One that was allowed to.
    Allowed,
}

/// Returns a part of an address that nobody else has, and nobody knows beforehand.
fn unique() -> String {
    format!("procman-{}-{:016x}", own_pid(), draw())
}

/// Returns how much of a message that was cut off is in lines that were not.
fn whole_lines(message: &[u8]) -> usize {
    message.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

impl Notices {
    /// Listens; where the address has to be in a directory, in this one.
    pub fn listen(directory: &Path) -> io::Result<Notices> {
        let (socket, address) = system::bind(directory)?;
        socket.set_nonblocking(true)?;
        Ok(Notices { socket: set_aside(socket), address })
    }

    /// Returns its address as `NOTIFY_SOCKET` has it.
    pub fn address(&self) -> &OsStr {
        &self.address
    }

    /// Takes the next message into the buffer, and returns how long it is and who has sent it; of one that is longer than
    /// the buffer, those lines that are whole.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Author)> {
        system::receive(&self.socket, buffer)
    }
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(all(target_os = "linux", not(procman_portable)))]
mod system {
    use std::ffi::OsString;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::path::Path;

    use nix::libc;
    use nix::sys::socket::{setsockopt, sockopt::PassCred};

    use super::{Author, unique, whole_lines};
    use crate::process::Pid;

    pub fn bind(_: &Path) -> io::Result<(UnixDatagram, OsString)> {
        let name = unique();
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        setsockopt(&socket, PassCred, &true)?;
        Ok((socket, format!("@{name}").into()))
    }

    /// Room for who has sent a message and for nothing else: descriptors that come with one find none, and the kernel
    /// closes them (unix(7)). So nobody can fill the table of this process.
    #[repr(C)]
    struct Control {
        header: libc::cmsghdr,
        author: libc::ucred,
    }

    pub fn receive(socket: &UnixDatagram, buffer: &mut [u8]) -> io::Result<(usize, Author)> {
        // SAFETY: recvmsg(2) is told of two places with their sizes, both of which are there until it returns. All of
        // these structures may be zero, and what the kernel does not write stays so.
        let (length, flags, control) = unsafe {
            let mut control: Control = std::mem::zeroed();
            let mut message: libc::msghdr = std::mem::zeroed();
            let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            message.msg_iov = &raw mut piece;
            message.msg_iovlen = 1;
            message.msg_control = (&raw mut control).cast();
            message.msg_controllen = size_of::<Control>() as _;
            let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
            match libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) {
                -1 => return Err(io::Error::last_os_error()),
                length => (length.cast_unsigned(), message.msg_flags, control),
            }
        };
        let Control { header, author } = control;
        // What has no author is not believed.
        let is_told = header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_CREDENTIALS;
        let author = if is_told { Author::Process(Pid(author.pid), author.uid) } else { NOBODY };
        let is_whole = flags & libc::MSG_TRUNC == 0;
        Ok((if is_whole { length } else { whole_lines(&buffer[..length]) }, author))
    }

    /// What the kernel says of a process that cannot be seen from here.
    const NOBODY: Author = Author::Process(Pid(0), u32::MAX);
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
mod system {
    use std::ffi::OsString;
    use std::fs::{Permissions, set_permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;

    use super::{Author, Notices, unique, whole_lines};

    pub fn bind(directory: &Path) -> io::Result<(UnixDatagram, OsString)> {
        let path = directory.join(unique());
        let socket = UnixDatagram::bind(&path)?;
        // Where others may look into the directory, they have a moment for a lie that nobody gains by.
        set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok((socket, path.into()))
    }

    pub fn receive(socket: &UnixDatagram, buffer: &mut [u8]) -> io::Result<(usize, Author)> {
        let length = socket.recv(buffer)?;
        // One that fills the buffer may have been cut off.
        Ok((if length < buffer.len() { length } else { whole_lines(buffer) }, Author::Allowed))
    }

    impl Drop for Notices {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.address);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, missing_docs)]
pub mod tests {
    use std::ffi::OsStr;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;

    use super::{Author, Notices};

    /// Sends as sd_notify(3) does.
    pub fn send(address: &OsStr, message: &[u8]) {
        let socket = UnixDatagram::unbound().unwrap();
        #[cfg(target_os = "linux")]
        if let Some(name) = address.to_str().unwrap().strip_prefix('@') {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;

            let address = SocketAddr::from_abstract_name(name).unwrap();
            socket.send_to_addr(message, &address).unwrap();
            return;
        }
        socket.send_to(message, Path::new(address)).unwrap();
    }

    #[test]
    fn a_message_comes_in_whole_lines_with_its_author() {
        let directory = tempfile::tempdir().unwrap();
        let notices = Notices::listen(directory.path()).unwrap();
        let other = Notices::listen(directory.path()).unwrap();
        assert_ne!(notices.address(), other.address());
        let mut buffer = [0; 16];
        assert_eq!(notices.receive(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        send(notices.address(), b"READY=1");
        send(notices.address(), &[b'x'; 17]);
        send(notices.address(), b"READY=1\nSTATUS=what is longer");
        send(notices.address(), b"");
        let (length, author) = notices.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        let own = (crate::sys::census::own_pid(), crate::sys::files::own_user());
        assert!(matches!(author, Author::Allowed) || author == Author::Process(own.0, own.1));
        assert_eq!(notices.receive(&mut buffer).unwrap().0, 0);
        let (length, _) = notices.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\n");
        assert_eq!(notices.receive(&mut buffer).unwrap().0, 0);
        assert_eq!(other.receive(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop((notices, other));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    /// Else whoever may write to it could use up the open files of procman.
    #[test]
    #[cfg(all(target_os = "linux", not(procman_portable)))]
    fn descriptors_that_come_with_a_message_are_not_taken() {
        use std::io::{IoSlice, Read};
        use std::os::fd::AsRawFd;

        use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

        let notices = Notices::listen(Path::new("/")).unwrap();
        let name = notices.address().to_str().unwrap().trim_start_matches('@');
        let address = UnixAddr::new_abstract(name.as_bytes()).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let sent = [writer.as_raw_fd(); 3];
        let message = [IoSlice::new(b"FDSTORE=1")];
        let rights = [ControlMessage::ScmRights(&sent)];
        sendmsg(socket.as_raw_fd(), &message, &rights, MsgFlags::empty(), Some(&address)).unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        let (length, author) = notices.receive(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"FDSTORE=1");
        assert!(matches!(author, Author::Process(..)));
        // Nobody holds the other end any more.
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    }
}
