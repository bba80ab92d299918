//! The file that standard output is in the background, which begins anew when it has become too large.
//!
//! What is there then becomes `FILE.1`, in place of the one before, so both together have at most twice the size that
//! was asked for. The name is followed at each new beginning; whoever has the old file open goes on with that.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::fstat;
use nix::unistd::{dup2_stderr, dup2_stdout};

/// A log file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// How many bytes it may have.
    most: u64,
    /// How many it has.
    size: u64,
    kind: Kind,
}

/// What the path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A file, which may be given another name.
    Regular,
    /// A device, a pipe or the like.
    Special,
}

impl LogFile {
    /// Opens the file, and returns it too. A new one is for its owner's eyes: what processes write may be a secret.
    pub fn open(path: &Path, most: u64) -> io::Result<(LogFile, File)> {
        let file = append_to(path)?;
        // Where a link leads, so that it is the file that gets another name, and not the link.
        let path = fs::canonicalize(path)?;
        let metadata = file.metadata()?;
        let kind = if metadata.is_file() { Kind::Regular } else { Kind::Special };
        Ok((LogFile { path, most, size: metadata.len(), kind }, file))
    }

    /// Returns how many bytes more it may have now.
    pub fn room(&self) -> usize {
        match self.kind {
            Kind::Regular => usize::try_from(self.most.saturating_sub(self.size)).unwrap_or(usize::MAX),
            Kind::Special => usize::MAX,
        }
    }

    /// Returns how many bytes it may have when it is new.
    pub fn most(&self) -> usize {
        usize::try_from(self.most).unwrap_or(usize::MAX)
    }

    /// Takes note of bytes that are written to it.
    pub fn grow(&mut self, bytes: usize) {
        self.size = self.size.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Begins the file anew if so many bytes more are too many for it. Standard output is the new one then.
    ///
    /// If that fails, it is tried again after as much as a whole file has been written to this one.
    pub fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        let before = self.size;
        self.grow(bytes);
        if self.size <= self.most || before == 0 || self.kind == Kind::Special {
            return Ok(());
        }
        self.size -= before;
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        // Somebody may have given it another name, or have removed it, to have it begun anew.
        if let Err(error) = fs::rename(&self.path, old)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let new = append_to(&self.path)?;
        // In the background errors go there as well.
        if is_same_file(&io::stderr(), &io::stdout()) {
            dup2_stderr(&new)?;
        }
        Ok(dup2_stdout(new)?)
    }
}

fn is_same_file(one: &impl AsFd, other: &impl AsFd) -> bool {
    let identity = |descriptor: BorrowedFd<'_>| fstat(descriptor).ok().map(|file| (file.st_dev, file.st_ino));
    identity(one.as_fd()) == identity(other.as_fd())
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{Kind, LogFile, is_same_file};

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (log_file, file) = LogFile::open(&directory.path().join("log"), 10).unwrap();
        assert_eq!(log_file.kind, Kind::Regular);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_counts_from_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        std::fs::write(&path, "12345").unwrap();
        let (mut log_file, _file) = LogFile::open(&path, 10).unwrap();
        log_file.grow(3);
        assert_eq!(log_file.size, 8);
        log_file.make_room(2).unwrap();
        assert!(!directory.path().join("log.1").exists(), "there was room");
        assert_eq!(log_file.size, 10);
    }

    #[test]
    fn what_is_one_file_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| std::fs::File::create(directory.path().join(name)).unwrap();
        assert!(is_same_file(&file("a"), &file("a")));
        assert!(!is_same_file(&file("a"), &file("b")));
    }

    #[test]
    fn a_device_never_gets_another_name() {
        let (mut log_file, _file) = LogFile::open(Path::new("/dev/null"), 1).unwrap();
        log_file.make_room(1).unwrap();
        log_file.make_room(1000).unwrap();
        assert!(Path::new("/dev/null").exists() && !Path::new("/dev/null.1").exists());
    }
}
