//! Reading the small files that a user names, without hanging on what is no file, and what is wrong with such a name.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The most that a configuration file may hold. A Procfile of this size has hundreds of thousands of lines.
pub const LIMIT: u64 = 16 * 1024 * 1024;

/// What a file says, and who decides that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// All that was in it.
    pub bytes: Vec<u8>,
    /// Who may write to it; nothing for what is no file.
    pub access: Option<Access>,
}

/// Who may write to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The number of the user it belongs to.
    pub owner: u32,
    /// What user, group and others may do with it.
    pub mode: u32,
}

/// Reads a whole file of at most [`LIMIT`] bytes.
///
/// A pipe, such as a shell's `<(…)`, or a device, such as `/dev/null`, is read to its end; a directory or a
/// socket is refused.
/// Opening never waits for a writer.
pub fn read(path: &Path) -> io::Result<Content> {
    use std::os::unix::fs::FileTypeExt;

    let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() && !kind.is_fifo() && !kind.is_char_device() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "neither a file nor a pipe"));
    }
    let access = Access { owner: metadata.uid(), mode: metadata.mode() & 0o7777 };
    let access = kind.is_file().then_some(access);
    let mut bytes = Vec::new();
    loop {
        match file.by_ref().take(LIMIT + 1 - bytes.len() as u64).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > LIMIT => {
                return Err(io::Error::new(ErrorKind::FileTooLarge, "larger than 16 MiB"));
            }
            Ok(_) => return Ok(Content { bytes, access }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let mut interest = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
                let _ = poll(&mut interest, PollTimeout::NONE);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Refuses a path with a link in it that leads nowhere: of that the system says only that something is there.
pub fn refuse_lost_link(path: &Path) -> io::Result<()> {
    // Without a slash at its end, behind which there is no link.
    let path: PathBuf = path.components().collect();
    let leads_nowhere =
        |path: &Path| std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    match path.ancestors().position(|path| path.is_symlink() && leads_nowhere(path)) {
        None => Ok(()),
        Some(0) => Err(io::Error::other("it is a link that leads nowhere")),
        Some(_) => Err(io::Error::other("a link on the way leads nowhere")),
    }
}

/// Returns the number of the user that procman is.
pub fn own_user() -> u32 {
    // SAFETY: the call has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::ErrorKind;

    use super::{Content, read};

    #[test]
    fn what_is_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(read(&socket).is_err());
        assert_eq!(read(&directory.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_pipe_without_a_writer_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&path).unwrap().bytes, b"");
    }

    #[test]
    fn a_device_is_read_to_its_end() {
        assert_eq!(read("/dev/null".as_ref()).unwrap(), Content { bytes: vec![], access: None });
        assert_eq!(read("/dev/zero".as_ref()).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        std::fs::File::create(&path).unwrap().set_len(super::LIMIT + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
