//! Files below one directory, changed all together or not at all.
//!
//! Every step down goes through the descriptor of the directory above and follows no link, so nothing outside is ever
//! reached, whatever somebody else does to the tree meanwhile. What is written is first written in full, and brought
//! to the disk, in a directory of its own beside the rest, as is what it will replace; only then do files change their
//! places, which needs no room. What that is done for, and to which files, is up to the caller.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::unistd::{LinkatFlags, UnlinkatFlags, linkat, unlinkat};

use crate::sys::files::{LIMIT, own_user, refuse_lost_link};

/// A directory that the user has named, however many links lead to it.
#[derive(Debug)]
pub struct Tree {
    root: File,
    /// What had to be made to get there.
    made: Vec<PathBuf>,
}

/// What is at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing; or a link or a file is on the way there.
    Nothing,
    /// A file, with its mode.
    File {
        /// All that is in it.
        bytes: Vec<u8>,
        /// What user, group and others may do with it.
        mode: u32,
    },
    /// A directory, and the names in it.
    Directory(BTreeSet<OsString>),
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Special,
}

/// One thing to do. Paths are those below the tree's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make a directory that everybody may read.
    Make(PathBuf),
    /// Write a file, in place of the one that is there.
    Write {
        /// Where.
        path: PathBuf,
        /// All that is to be in it.
        bytes: Vec<u8>,
        /// Its mode, whatever the umask.
        mode: u32,
    },
    /// Remove a file.
    Remove(PathBuf),
    /// Remove a directory, if it is empty.
    RemoveDirectory(PathBuf),
}

/// Why nothing was done.
#[derive(Debug)]
pub struct TreeError {
    /// Where it failed.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
    /// Whether all is as it was before.
    pub state: State,
}

/// Why nobody can take hold of a tree.
#[derive(Debug)]
pub enum HoldError {
    /// What is in the place of the hold's directory is not this user's own.
    Foreign(Foreign),
    /// Somebody else has it, or the system refuses.
    Failed(io::Error),
}

/// Why a directory is not this user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It is none, or a link to one.
    NoDirectory,
    /// It belongs to somebody else.
    Owner,
    /// Its mode lets others in.
    Open,
}

impl<E: Into<io::Error>> From<E> for HoldError {
    fn from(error: E) -> HoldError {
        HoldError::Failed(error.into())
    }
}

/// What a failed change has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Unchanged,
    /// Some of it, for what had been done could not be undone.
    HalfDone,
}

impl Tree {
    /// Opens a directory; returns nothing if there is none.
    pub fn open(path: &Path) -> io::Result<Option<Tree>> {
        let opened = File::options().read(true).custom_flags(libc::O_DIRECTORY).open(path);
        match opened {
            Ok(root) => Ok(Some(Tree { root, made: Vec::new() })),
            Err(error) if error.kind() == ErrorKind::NotFound => refuse_lost_link(path).map(|()| None),
            Err(error) => Err(error),
        }
    }

    /// Opens a directory, which is made if there is none, as are those above it. They go again with the tree unless
    /// something has come into them.
    pub fn create(path: &Path) -> io::Result<Tree> {
        let missing = path.ancestors().filter(|above| *above != Path::new(""));
        let missing: Vec<PathBuf> = missing.take_while(|above| !above.exists()).map(Path::to_owned).collect();
        refuse_lost_link(path)?;
        fs::create_dir_all(path)?;
        let mut tree = Tree::open(path)?.ok_or(ErrorKind::NotFound)?;
        tree.made = missing;
        Ok(tree)
    }

    /// Returns what is at a place.
    pub fn look(&self, path: &Path) -> io::Result<Entry> {
        let Some(name) = path.file_name() else { return Err(ErrorKind::InvalidInput.into()) };
        let directory = match self.directory_of(path) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(Entry::Nothing),
            opened => opened?,
        };
        let status = match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(Entry::Nothing),
            status => status?,
        };
        let kind = kind(&status);
        if kind == SFlag::S_IFREG {
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            let file = File::from(openat(&directory, name, flags, Mode::empty())?);
            let mode = file.metadata()?.mode() & 0o7777;
            return Ok(Entry::File { bytes: read(file)?, mode });
        }
        Ok(match kind {
            SFlag::S_IFDIR => Entry::Directory(names(open(&directory, name)?)?),
            SFlag::S_IFLNK => Entry::Link,
            _ => Entry::Special,
        })
    }

    /// Takes hold of the tree for a change: nobody else gets a hold of this name meanwhile. `name` is that of a directory
    /// below the root, which is there for as long.
    pub fn hold(&self, name: &str) -> Result<Hold<'_>, HoldError> {
        loop {
            match mkdirat(&self.root, name, Mode::S_IRWXU) {
                // One that was left by whoever was killed, or one in use.
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let directory = match open(&self.root, OsStr::new(name)) {
                Err(Errno::ENOENT) => continue,
                Err(Errno::ENOTDIR | Errno::ELOOP) => return Err(HoldError::Foreign(Foreign::NoDirectory)),
                Err(Errno::EACCES) if self.is_anothers(name) => {
                    return Err(HoldError::Foreign(Foreign::Owner));
                }
                opened => File::from(opened?),
            };
            let metadata = directory.metadata()?;
            if metadata.uid() != own_user() {
                return Err(HoldError::Foreign(Foreign::Owner));
            }
            if metadata.mode() & 0o077 != 0 {
                return Err(HoldError::Foreign(Foreign::Open));
            }
            match directory.try_lock() {
                Err(fs::TryLockError::WouldBlock) => {
                    let busy = "another export is at work there";
                    return Err(io::Error::new(ErrorKind::ResourceBusy, busy).into());
                }
                // Where a disk knows no locks, nobody is in the way.
                Ok(()) | Err(fs::TryLockError::Error(_)) => {}
            }
            // Whoever held it may have removed it before it let go.
            let now = fstatat(&self.root, name, AtFlags::AT_SYMLINK_NOFOLLOW);
            if now
                .is_ok_and(|now| (now.st_ino, now.st_dev) == (metadata.ino(), metadata.dev() as libc::dev_t))
            {
                let hold = Hold { tree: self, name: name.to_owned(), directory };
                hold.empty();
                return Ok(hold);
            }
        }
    }

    fn is_anothers(&self, name: &str) -> bool {
        let status = fstatat(&self.root, name, AtFlags::AT_SYMLINK_NOFOLLOW);
        status.is_ok_and(|status| status.st_uid != own_user())
    }

    /// Opens the directory that holds a place, without following a link on the way.
    fn directory_of(&self, path: &Path) -> nix::Result<OwnedFd> {
        let mut directory = open(&self.root, OsStr::new("."))?;
        for component in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = component else { return Err(Errno::EINVAL) };
            directory = open(&directory, name)?;
        }
        Ok(directory)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for path in &self.made {
            let _ = fs::remove_dir(path);
        }
    }
}

/// A tree that nobody else changes.
#[derive(Debug)]
pub struct Hold<'a> {
    tree: &'a Tree,
    name: String,
    /// Where new files wait, and old ones lie until all is done.
    directory: File,
}

/// A step that has been taken.
enum Done {
    Made(PathBuf),
    /// What the order of this number has done to this file.
    Changed(usize, PathBuf),
    Removed(PathBuf),
}

impl Hold<'_> {
    /// Carries the orders out, in this order; where one fails, none.
    pub fn apply(&self, orders: &[Order]) -> Result<(), TreeError> {
        let mut done = Vec::new();
        let result = self.prepare(orders, &mut done).and_then(|()| self.carry_out(orders, &mut done));
        let result = result.map_err(|(path, source)| {
            let undone = done.iter().rev().map(|done| self.undo(done)).fold(Ok(()), nix::Result::and);
            let state = if undone.is_ok() { State::Unchanged } else { State::HalfDone };
            TreeError { path, source, state }
        });
        self.empty();
        result
    }

    /// Does everything that needs room: makes directories, writes new files, and keeps the old ones.
    fn prepare(&self, orders: &[Order], done: &mut Vec<Done>) -> Result<(), (PathBuf, io::Error)> {
        for (number, order) in orders.iter().enumerate() {
            match order {
                Order::Make(path) => {
                    let made = self.make(path).map_err(|error| (path.clone(), error.into()))?;
                    done.extend(made.then(|| Done::Made(path.clone())));
                }
                Order::Write { path, bytes, mode } => {
                    let written = self.write(&new(number), bytes, *mode);
                    written.and_then(|()| self.keep(number, path)).map_err(|error| (path.clone(), error))?;
                }
                Order::Remove(_) | Order::RemoveDirectory(_) => {}
            }
        }
        Ok(())
    }

    fn carry_out(&self, orders: &[Order], done: &mut Vec<Done>) -> Result<(), (PathBuf, io::Error)> {
        let mut changed = BTreeSet::new();
        for (number, order) in orders.iter().enumerate() {
            let (path, result) = match order {
                Order::Make(path) => (path, Ok(None)),
                Order::Write { path, .. } => {
                    (path, self.put(&new(number), path).map(|()| Some(Done::Changed(number, path.clone()))))
                }
                Order::Remove(path) => {
                    (path, self.take(path, &old(number)).map(|()| Some(Done::Changed(number, path.clone()))))
                }
                Order::RemoveDirectory(path) => (path, self.remove_directory(path)),
            };
            done.extend(result.map_err(|error| (path.clone(), error.into()))?);
            changed.extend(path.parent());
        }
        for path in changed {
            // A disk that has no such thing loses nothing by it.
            let directory = self.tree.directory_of(&path.join("x"));
            let _ = directory.map(|directory| File::from(directory).sync_all());
        }
        Ok(())
    }

    fn undo(&self, done: &Done) -> nix::Result<()> {
        let ignore_missing = |result| if result == Err(Errno::ENOENT) { Ok(()) } else { result };
        match done {
            Done::Made(path) => {
                let directory = self.tree.directory_of(path)?;
                ignore_missing(unlinkat(&directory, name_of(path)?, UnlinkatFlags::RemoveDir))
            }
            Done::Removed(path) => self.make(path).map(|_| ()),
            Done::Changed(number, path) => match self.put(&old(*number), path) {
                // There was none before.
                Err(Errno::ENOENT) => {
                    let directory = self.tree.directory_of(path)?;
                    ignore_missing(unlinkat(&directory, name_of(path)?, UnlinkatFlags::NoRemoveDir))
                }
                put => put,
            },
        }
    }

    /// Makes a directory, and returns whether it was not there.
    fn make(&self, path: &Path) -> nix::Result<bool> {
        let mode = Mode::from_bits_truncate(0o755);
        let (directory, name) = (self.tree.directory_of(path)?, name_of(path)?);
        match mkdirat(&directory, name, mode) {
            Err(Errno::EEXIST) => Ok(false),
            made => {
                made?;
                // The umask may have taken something away.
                fchmod(open(&directory, name)?, mode)?;
                Ok(true)
            }
        }
    }

    /// Writes a file where new ones wait.
    fn write(&self, name: &OsStr, bytes: &[u8], mode: u32) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        file.write_all(bytes)?;
        fchmod(&file, mode_of(mode))?;
        file.sync_all()
    }

    /// Keeps what is at a place now, so that it can be put back: by another name, else as a copy.
    fn keep(&self, number: usize, path: &Path) -> io::Result<()> {
        let (directory, name) = (self.tree.directory_of(path)?, name_of(path)?);
        match linkat(&directory, name, &self.directory, old(number).as_os_str(), LinkatFlags::empty()) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            // Not every disk has hard links, and not everybody may make them.
            Err(_) => match self.tree.look(path)? {
                Entry::File { bytes, mode } => self.write(&old(number), &bytes, mode),
                Entry::Nothing => Ok(()),
                Entry::Directory(_) => Err(ErrorKind::IsADirectory.into()),
                Entry::Link | Entry::Special => Err(ErrorKind::InvalidInput.into()),
            },
        }
    }

    /// Gives a file that waits its place.
    fn put(&self, name: &OsStr, path: &Path) -> nix::Result<()> {
        renameat(&self.directory, name, self.tree.directory_of(path)?, name_of(path)?)
    }

    /// Takes a file from its place. One that has gone meanwhile need not be.
    fn take(&self, path: &Path, name: &OsStr) -> nix::Result<()> {
        match renameat(self.tree.directory_of(path)?, name_of(path)?, &self.directory, name) {
            Err(Errno::ENOENT) => Ok(()),
            taken => taken,
        }
    }

    fn remove_directory(&self, path: &Path) -> nix::Result<Option<Done>> {
        let directory = self.tree.directory_of(path)?;
        match unlinkat(&directory, name_of(path)?, UnlinkatFlags::RemoveDir) {
            // Somebody else has put something there, or has removed it.
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOENT) => Ok(None),
            removed => removed.map(|()| Some(Done::Removed(path.to_owned()))),
        }
    }

    /// Removes all that waits and lies there.
    fn empty(&self) {
        let Ok(directory) = open(&self.directory, OsStr::new(".")) else { return };
        for name in names(directory).unwrap_or_default() {
            let _ = unlinkat(&self.directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(&self.tree.root, self.name.as_str(), UnlinkatFlags::RemoveDir);
    }
}

fn new(number: usize) -> OsString {
    format!("new-{number}").into()
}

fn old(number: usize) -> OsString {
    format!("old-{number}").into()
}

/// Opens a directory that is no link.
fn open(above: impl AsFd, name: &OsStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(above, name, flags, Mode::empty())
}

fn name_of(path: &Path) -> nix::Result<&OsStr> {
    path.file_name().ok_or(Errno::EINVAL)
}

fn kind(status: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits())
}

fn mode_of(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode as libc::mode_t)
}

/// Returns the names in a directory, but those of itself and of the one above.
fn names(directory: OwnedFd) -> nix::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for entry in Dir::from_fd(directory)?.iter() {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.insert(name);
        }
    }
    Ok(names)
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    use super::{Entry, HoldError, Order, State, Tree};

    fn write(path: &str, text: &str, mode: u32) -> Order {
        Order::Write { path: path.into(), bytes: text.into(), mode }
    }

    fn make(path: &str) -> Order {
        Order::Make(path.into())
    }

    fn remove(path: &str) -> Order {
        Order::Remove(path.into())
    }

    fn remove_directory(path: &str) -> Order {
        Order::RemoveDirectory(path.into())
    }

    /// Returns all that is below a directory, with modes and texts: `a 644 text`, `d/ 755`, `l@`.
    fn listing(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let (mode, shown) =
                    (metadata.permissions().mode() & 0o7777, path.strip_prefix(root).unwrap());
                let shown = shown.display();
                if metadata.is_symlink() {
                    found.push(format!("{shown}@"));
                } else if metadata.is_dir() {
                    found.push(format!("{shown}/ {mode:o}"));
                    folders.push(path);
                } else {
                    found.push(format!("{shown} {mode:o} {}", fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    fn apply(root: &Path, orders: &[Order]) -> Result<(), (PathBuf, ErrorKind, State)> {
        let tree = Tree::open(root).unwrap().unwrap();
        let hold = tree.hold(".hold").unwrap();
        hold.apply(orders).map_err(|error| (error.path, error.source.kind(), error.state))
    }

    #[test]
    fn orders_are_carried_out_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        apply(root, &[make("d"), make("d/e"), write("d/e/run", "1", 0o755), write("a", "1", 0o600)]).unwrap();
        assert_eq!(listing(root), ["a 600 1", "d/ 755", "d/e/ 755", "d/e/run 755 1"]);
        let orders =
            [write("a", "2", 0o644), remove("d/e/run"), remove_directory("d/e"), remove_directory("d")];
        apply(root, &orders).unwrap();
        assert_eq!(listing(root), ["a 644 2"]);
        // What has gone already needs no removal, and what is not empty stays.
        fs::create_dir_all(root.join("d/e")).unwrap();
        apply(root, &[remove("x"), remove("y/z/x"), remove_directory("d"), remove_directory("x")])
            .unwrap_err();
        apply(root, &[remove("x"), remove_directory("d"), remove_directory("x")]).unwrap();
        assert_eq!(listing(root).len(), 3);
    }

    #[test]
    fn a_failure_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, text) in [("a", "1"), ("b", "1"), ("c/run", "1")] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), text).unwrap();
        }
        fs::create_dir(root.join("dir")).unwrap();
        let before = listing(root);
        // The last order fails only when all others have been carried out.
        let last = write("new", "", 0o644);
        let [first, third] = [write("a", "2", 0o600), write("n/x", "1", 0o644)];
        let orders = [
            first,
            make("n"),
            third,
            remove("c/run"),
            remove_directory("c"),
            last,
            remove("dir/none/x"),
            write("a", "3", 0o644),
        ];
        let error = apply(root, &orders).unwrap_err();
        assert_eq!(error, ("dir/none/x".into(), ErrorKind::NotFound, State::Unchanged));
        assert_eq!(listing(root), before);
        let error = apply(root, &[write("a", "2", 0o644), write("dir", "", 0o644)]).unwrap_err();
        assert_eq!(error, ("dir".into(), ErrorKind::IsADirectory, State::Unchanged));
        assert_eq!(listing(root), before);
        let error = apply(root, &[write("b", "2", 0o644), write("a/b", "", 0o644)]).unwrap_err();
        assert_eq!(error, ("a/b".into(), ErrorKind::NotADirectory, State::Unchanged));
        assert_eq!(listing(root), before);
    }

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [root, outside] = ["root", "outside"].map(|name| folder.path().join(name));
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "1").unwrap();
        symlink(&outside, root.join("d")).unwrap();
        symlink(outside.join("file"), root.join("l")).unwrap();
        let tree = Tree::open(&root).unwrap().unwrap();
        assert_eq!(tree.look(Path::new("d/file")).unwrap(), Entry::Nothing);
        assert_eq!(tree.look(Path::new("d")).unwrap(), Entry::Link);
        assert_eq!(tree.look(Path::new("l")).unwrap(), Entry::Link);
        assert!(tree.look(Path::new("../outside/file")).is_err());
        for orders in [
            [write("d/file", "2", 0o644)],
            [remove("d/file")],
            [make("d/x")],
            [write("../outside/file", "2", 0o644)],
            [remove("../outside/file")],
        ] {
            assert_eq!(apply(&root, &orders).unwrap_err().2, State::Unchanged, "{orders:?}");
        }
        // The link itself is replaced, not what it leads to.
        apply(&root, &[write("l", "2", 0o644)]).unwrap();
        assert_eq!(listing(&outside), ["file 644 1"]);
        symlink(&outside, root.join(".hold")).unwrap();
        assert!(tree.hold(".hold").is_err());
    }

    #[test]
    fn one_at_a_time_holds_a_tree_and_clears_what_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open(folder.path()).unwrap().unwrap();
        let hold = tree.hold(".hold").unwrap();
        let busy = tree.hold(".hold").unwrap_err();
        assert!(
            matches!(&busy, HoldError::Failed(error) if error.kind() == ErrorKind::ResourceBusy),
            "{busy:?}"
        );
        tree.hold(".other").unwrap();
        // As if it had been killed.
        fs::write(folder.path().join(".hold/new-0"), "").unwrap();
        std::mem::forget(hold);
        let left = folder.path().join(".left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("new-0"), "").unwrap();
        assert!(tree.hold(".left").is_err(), "others may read it");
        fs::set_permissions(&left, fs::Permissions::from_mode(0o700)).unwrap();
        tree.hold(".left").unwrap().apply(&[write("a", "1", 0o644)]).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn a_tree_that_nothing_has_come_into_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert!(Tree::open(&path).unwrap().is_none());
        let error = Tree::create(&path).unwrap().hold(".h").unwrap().apply(&[make("x/y")]).unwrap_err();
        assert_eq!(error.path, Path::new("x/y"));
        assert_eq!(listing(folder.path()), [""; 0]);
        Tree::create(&path).unwrap().hold(".h").unwrap().apply(&[write("x", "1", 0o644)]).unwrap();
        assert!(path.join("x").exists());
        assert!(Tree::open(&path.join("x")).is_err());
    }

    #[test]
    fn what_is_at_a_place_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("d/e")).unwrap();
        fs::write(folder.path().join("f"), "text").unwrap();
        nix::unistd::mkfifo(&folder.path().join("p"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let tree = Tree::open(folder.path()).unwrap().unwrap();
        let look = |path: &str| tree.look(Path::new(path)).unwrap();
        assert_eq!(look("d"), Entry::Directory(["e".into()].into()));
        assert_eq!(look("f"), Entry::File { bytes: b"text".into(), mode: 0o644 });
        assert_eq!([look("p"), look("x"), look("f/x")], [Entry::Special, Entry::Nothing, Entry::Nothing]);
    }
}
