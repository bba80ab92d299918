//! The socket in the file system through which a running procman is asked.
//!
//! A stale socket is told from a live one by connecting to it, never by a file that says so. Looking, removing what is
//! stale and binding happen under a lock on the directory itself, which the kernel gives back whoever dies. The node
//! has its final mode from birth on.

mod watch;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, open};
use nix::libc;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect as connect_to};
use nix::sys::socket::{listen, socket};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, mkdir, unlinkat};

use crate::process::Pid;
use crate::quote::escaped_path;
use crate::sys::census;
use crate::sys::files;
use crate::sys::stdio::plain;

pub use crate::sys::socket::watch::Watch;

/// How long to wait for others that bind in the same directory, and for a procman that is too busy to be connected to.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an end waits for them. What it leaves behind then is stale, and the next start replaces it.
const PATIENCE_AT_THE_END: Duration = Duration::from_millis(100);
const AGAIN: Duration = Duration::from_millis(2);

/// How many clients may wait to be accepted.
const BACKLOG: i32 = 128;

/// A socket that listens. When this is dropped it stops, and is removed from its directory if it is still this one.
///
/// As long as this one is open its number belongs to no other file. What only closes it, such as the end of a process that
/// has inherited it, leaves it where it is.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    node: Node,
}

/// What tells one file of a system from another, as long as both are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    device: libc::dev_t,
    number: libc::ino_t,
}

/// Why there is no socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody listens there.
    #[error("somebody listens on `{}`", escaped_path(path))]
    Taken {
        /// Where.
        path: PathBuf,
        /// Who, where the system tells.
        pid: Option<Pid>,
    },
    /// What is there is no stale socket of this user, and stays.
    #[error("`{}` exists and is no socket of this user", escaped_path(path))]
    Occupied {
        /// Where.
        path: PathBuf,
    },
    /// Others could put something else into the directory, or it is a link.
    #[error("`{}` is no directory that only this user can change", escaped_path(path))]
    Unsafe {
        /// Which one.
        path: PathBuf,
    },
    /// The system cannot take such a long path.
    #[error("`{}` is too long for a socket", escaped_path(path))]
    TooLong {
        /// Which one.
        path: PathBuf,
    },
    /// The system says no.
    #[error("`{}`: {}", escaped_path(path), plain(error))]
    Failed {
        /// To what.
        path: PathBuf,
        /// How.
        error: io::Error,
    },
}

/// Why a client cannot speak to a procman.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no socket.
    #[error("there is no socket")]
    Nothing,
    /// There is one, and nobody listens: who did is dead.
    #[error("nobody listens")]
    Stale,
    /// This user may not.
    #[error("not permitted")]
    NotPermitted,
    /// Somebody listens who is neither this user nor root, and might be anybody.
    #[error("user {0} listens")]
    Foreign(u32),
    /// Whoever listens does not take the connection.
    #[error("no answer")]
    NoAnswer,
    /// The system cannot take such a long path.
    #[error("the path is too long for a socket")]
    TooLong,
    /// What is there is something else, or the system says no.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Listens in a directory of the user's own, which is made if it is missing.
///
/// The directory must belong to the user, and nobody else may change it: whoever could would decide whom clients speak to.
pub fn listen_in(directory: &Path, name: &str) -> Result<Listener, BindError> {
    let failed = |error: Errno| BindError::Failed { path: directory.to_owned(), error: error.into() };
    match mkdir(directory, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(failed(error)),
    }
    let not_safe = || BindError::Unsafe { path: directory.to_owned() };
    let opened = open_directory(directory, OFlag::O_NOFOLLOW).map_err(|error| {
        let is_none = matches!(error, Errno::ELOOP | Errno::ENOTDIR);
        if is_none { not_safe() } else { failed(error) }
    })?;
    let status = fstat(&opened).map_err(failed)?;
    let others = Mode::S_IWGRP | Mode::S_IWOTH;
    if status.st_uid != files::own_user() || status.st_mode & others.bits() != 0 {
        return Err(not_safe());
    }
    listen_beside(opened, name.as_ref(), directory.join(name))
}

/// Listens at a path that the user has chosen, in whatever directory.
pub fn listen_at(path: &Path) -> Result<Listener, BindError> {
    let failed = |error: Errno| BindError::Failed { path: path.to_owned(), error: error.into() };
    let (parent, name) = split(path).ok_or_else(|| failed(Errno::EISDIR))?;
    let parent = open_directory(parent, OFlag::empty()).map_err(failed)?;
    listen_beside(parent, name, path.to_owned())
}

/// Connects to whoever listens at a path, unless that is another user.
///
/// The connection blocks. Root may speak to anybody's.
pub fn connect(path: &Path) -> Result<UnixStream, ConnectError> {
    let (parent, name) = split(path).ok_or(ConnectError::TooLong)?;
    // Opened for a path that is too long otherwise.
    let directory = match UnixAddr::new(path) {
        Ok(_) => None,
        Err(_) => Some(open_directory(parent, OFlag::empty()).map_err(|error| refusal(error.into()))?),
    };
    let address = address(path, directory.as_ref().map(AsFd::as_fd), name).ok_or(ConnectError::TooLong)?;
    let stream = patiently(|| connect_now(&address), Errno::EAGAIN, PATIENCE)
        .map_err(|error| refusal(error.into()))?;
    let (user, _) = peer(&stream)?;
    let own = files::own_user();
    if user != own && user != 0 && own != 0 {
        return Err(ConnectError::Foreign(user));
    }
    stream.set_nonblocking(false)?;
    Ok(stream)
}

impl Listener {
    /// Returns where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what accepts connections, within a tokio runtime.
    pub fn incoming(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.socket.try_clone()?)
    }

    /// Returns whether clients that look at the path find this socket.
    pub fn is_in_place(&self) -> bool {
        node(self.directory.as_fd(), &self.name).is_ok_and(|(node, _)| node == self.node)
    }

    /// Listens anew where this one was removed from. Fails as at the beginning, if somebody else listens there by now.
    pub fn renewed(&self) -> Result<Listener, BindError> {
        let failed = |error| BindError::Failed { path: self.path.clone(), error };
        let directory = self.directory.try_clone().map_err(failed)?;
        listen_beside(directory, &self.name, self.path.clone())
    }

    /// Returns what tells that something has gone from its directory, where the system does; to be called within a tokio
    /// runtime.
    pub fn watch(&self) -> Option<Watch> {
        watch::of(self.path.parent()?).ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another procman may be about to replace what it found stale.
        let Ok(lock) = lock(&self.directory, PATIENCE_AT_THE_END) else { return };
        if self.is_in_place() {
            let _ = unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        drop(lock);
    }
}

fn open_directory(path: &Path, how: OFlag) -> Result<OwnedFd, Errno> {
    open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | how, Mode::empty())
}

/// Returns the directory that a path lies in, and its name there.
fn split(path: &Path) -> Option<(&Path, &OsStr)> {
    let parent = path.parent()?;
    Some((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, path.file_name()?))
}

fn listen_beside(directory: OwnedFd, name: &OsStr, path: PathBuf) -> Result<Listener, BindError> {
    let failed = |error: Errno| BindError::Failed { path: path.clone(), error: error.into() };
    let Some(address) = address(&path, Some(directory.as_fd()), name) else {
        return Err(BindError::TooLong { path });
    };
    let lock = lock(&directory, PATIENCE).map_err(failed)?;
    match node(directory.as_fd(), name) {
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(failed(error)),
        // A link is not followed, whatever it leads to.
        Ok((_, status)) if !is_socket(&status) || status.st_uid != files::own_user() => {
            return Err(BindError::Occupied { path });
        }
        Ok(_) => match connect_now(&address) {
            Ok(stream) => {
                let pid = peer(&stream).ok().and_then(|(_, pid)| pid);
                return Err(BindError::Taken { path, pid });
            }
            // So many wait that it takes no more.
            Err(Errno::EAGAIN) => return Err(BindError::Taken { path, pid: None }),
            Err(Errno::ECONNREFUSED) => {
                unlinkat(&directory, name, UnlinkatFlags::NoRemoveDir).map_err(failed)?;
            }
            // It is a socket of another kind, or has just gone.
            Err(Errno::EPROTOTYPE) => return Err(BindError::Occupied { path }),
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(failed(error)),
        },
    }
    let socket = stream_socket().map_err(failed)?;
    // The mode of the node is that of the socket, where the system lets it have one. To change it after binding would
    // leave a moment for anybody to connect in, and the umask belongs to all threads.
    let has_mode = fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR).is_ok();
    bind(socket.as_raw_fd(), &address).map_err(|error| {
        // Somebody binds there who takes no lock.
        let is_taken = error == Errno::EADDRINUSE;
        if is_taken { BindError::Taken { path: path.clone(), pid: None } } else { failed(error) }
    })?;
    if !has_mode || !cfg!(target_os = "linux") {
        narrow(directory.as_fd(), name).map_err(failed)?;
    }
    Backlog::new(BACKLOG).and_then(|backlog| listen(&socket, backlog)).map_err(failed)?;
    // Looked up in the directory that was checked: had the path led elsewhere, there would be nothing.
    let (node, _) = node(directory.as_fd(), name).map_err(failed)?;
    drop(lock);
    Ok(Listener { socket: socket.into(), path, directory, name: name.to_owned(), node })
}

/// Takes away what others may do with a node, where a socket has no mode of its own.
fn narrow(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    use nix::sys::stat::{FchmodatFlags, fchmodat};

    fchmodat(directory, name, Mode::S_IRUSR | Mode::S_IWUSR, FchmodatFlags::FollowSymlink)
}

/// Locks a directory against all who bind in it.
fn lock(directory: &OwnedFd, patience: Duration) -> Result<Flock<OwnedFd>, Errno> {
    // A second descriptor of the same open directory holds the same lock.
    let mut descriptor = Some(directory.try_clone().map_err(|error| errno(&error))?);
    patiently(
        || {
            let taken = descriptor.take().ok_or(Errno::EBADF)?;
            Flock::lock(taken, FlockArg::LockExclusiveNonblock).map_err(|(back, error)| {
                descriptor = Some(back);
                error
            })
        },
        Errno::EWOULDBLOCK,
        patience,
    )
}

/// Tries again and again while the error is the one that time mends, for as long as there is patience.
fn patiently<T>(
    mut attempt: impl FnMut() -> Result<T, Errno>,
    mended: Errno,
    patience: Duration,
) -> Result<T, Errno> {
    let until = Instant::now() + patience;
    loop {
        match attempt() {
            Err(error) if (error == mended || error == Errno::EINTR) && Instant::now() < until => {
                sleep(AGAIN)
            }
            result => return result,
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// Returns what a name in a directory is, without following it.
fn node(directory: BorrowedFd<'_>, name: &OsStr) -> Result<(Node, FileStat), Errno> {
    let status = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok((Node { device: status.st_dev, number: status.st_ino }, status))
}

fn is_socket(status: &FileStat) -> bool {
    status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFSOCK.bits()
}

/// Returns the address of a path, however long, if the system can be told it.
///
/// An address has room for about a hundred bytes. Where there is `/proc`, the open directory is a shorter way.
fn address(path: &Path, directory: Option<BorrowedFd<'_>>, name: &OsStr) -> Option<UnixAddr> {
    if let Ok(address) = UnixAddr::new(path) {
        return Some(address);
    }
    if !cfg!(target_os = "linux") {
        return None;
    }
    let short = Path::new("/proc/self/fd").join(directory?.as_raw_fd().to_string());
    if !short.exists() {
        return None;
    }
    UnixAddr::new(&short.join(name)).ok()
}

/// Returns a socket that does not block and that no child inherits.
fn stream_socket() -> Result<OwnedFd, Errno> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    return socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    );
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    {
        use nix::fcntl::{FcntlArg, FdFlag, fcntl};

        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(socket)
    }
}

/// Connects without waiting. A socket of the file system connects at once, or not at all.
fn connect_now(address: &UnixAddr) -> Result<UnixStream, Errno> {
    let socket = stream_socket()?;
    connect_to(socket.as_raw_fd(), address)?;
    Ok(socket.into())
}

/// Returns the user at the other end, and the process where the system tells.
///
/// Of one that listens, it is who called listen(2), even if another process accepts (unix(7)).
fn peer(stream: &UnixStream) -> io::Result<(u32, Option<Pid>)> {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

        let credentials = getsockopt(stream, PeerCredentials)?;
        // A process in another namespace has no number here.
        Ok((credentials.uid(), Some(credentials.pid()).filter(|pid| *pid > 0).map(Pid)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let (mut user, mut group) = (0, 0);
        // SAFETY: both are places of the right type for what is written there.
        let result = unsafe { libc::getpeereid(stream.as_raw_fd(), &mut user, &mut group) };
        Errno::result(result)?;
        Ok((user, None))
    }
}

/// Returns who listens at the other end if he has been stopped, as by Ctrl-Z, so that no answer will come.
pub fn stands_still(stream: &UnixStream) -> Option<Pid> {
    let (_, pid) = peer(stream).ok()?;
    pid.filter(|pid| census::process(*pid).is_some_and(|process| process.state == 'T'))
}

fn refusal(error: io::Error) -> ConnectError {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => ConnectError::Nothing,
        Some(libc::ECONNREFUSED) => ConnectError::Stale,
        Some(libc::EACCES | libc::EPERM) => ConnectError::NotPermitted,
        Some(libc::EAGAIN) => ConnectError::NoAnswer,
        Some(libc::ENAMETOOLONG) => ConnectError::TooLong,
        Some(_) | None => ConnectError::Failed(error),
    }
}

/// Does something as another user: a thread of its own becomes that user, and no other thread does.
#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
pub fn as_user<T: Send>(user: u32, what: impl FnOnce() -> T + Send) -> T {
    let become_user = move || {
        // SAFETY: the bare system call changes this thread alone, which ends right after.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) };
        assert_eq!(result, 0);
        what()
    };
    std::thread::scope(|scope| scope.spawn(become_user).join().unwrap())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use std::path::Path;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{BindError, ConnectError, Listener, Node, connect, listen_at, listen_in};
    use crate::sys::{census, files};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    /// Closes a socket as a kill does: it stays where it is.
    fn kill(mut listener: Listener) {
        listener.node = Node { device: 0, number: 0 };
    }

    #[track_caller]
    fn check_taken(result: Result<Listener, BindError>) {
        assert!(matches!(result, Err(BindError::Taken { .. })), "{result:?}");
        if let Err(BindError::Taken { pid, .. }) = result
            && cfg!(target_os = "linux")
        {
            assert_eq!(pid, Some(census::own_pid()));
        }
    }

    #[test]
    fn directory_and_socket_are_the_users_own() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("procman");
        let listener = listen_in(&directory, "a.sock").unwrap();
        assert_eq!(listener.path(), directory.join("a.sock"));
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(listener.path()), 0o600);
        connect(listener.path()).unwrap();
        drop(listener);
        assert!(matches!(connect(&directory.join("a.sock")), Err(ConnectError::Nothing)));
        assert!(directory.is_dir());
    }

    #[test]
    fn who_listens_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("procman");
        let first = listen_in(&directory, "a.sock").unwrap();
        check_taken(listen_in(&directory, "a.sock"));
        check_taken(listen_at(&directory.join("a.sock")));
        connect(first.path()).unwrap();
        listen_in(&directory, "b.sock").unwrap();
    }

    #[test]
    fn what_is_stale_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        kill(listen_at(&path).unwrap());
        assert!(path.exists());
        assert!(matches!(connect(&path), Err(ConnectError::Stale)));
        let second = listen_at(&path).unwrap();
        connect(&path).unwrap();
        drop(second);
    }

    #[test]
    fn of_many_at_once_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        kill(listen_at(&path).unwrap());
        let barrier = Barrier::new(32);
        let won: Vec<Listener> = thread::scope(|scope| {
            let start = || {
                barrier.wait();
                listen_at(&path)
            };
            let threads: Vec<_> = (0..32).map(|_| scope.spawn(start)).collect();
            let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            let is_taken = |result: &&_| matches!(result, Err(BindError::Taken { pid: Some(_), .. }));
            assert_eq!(results.iter().filter(is_taken).count(), 31, "{results:?}");
            results.into_iter().flatten().collect()
        });
        assert_eq!(won.len(), 1);
        assert!(won[0].is_in_place());
    }

    #[test]
    fn only_the_own_socket_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let first = listen_at(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!first.is_in_place());
        let second = listen_at(&path).unwrap();
        drop(first);
        assert!(second.is_in_place());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(second);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn what_is_no_stale_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "precious").unwrap();
        symlink(path("file"), path("link")).unwrap();
        drop(UnixListener::bind(path("stale")).unwrap());
        symlink(path("stale"), path("link-to-stale")).unwrap();
        symlink(path("nothing"), path("link-to-nothing")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        let _datagram = UnixDatagram::bind(path("datagram")).unwrap();
        for name in ["file", "link", "link-to-stale", "link-to-nothing", "directory", "datagram"] {
            let before = fs::symlink_metadata(path(name)).unwrap().ino();
            let refused = listen_at(&path(name));
            assert!(matches!(refused, Err(BindError::Occupied { .. })), "{name}: {refused:?}");
            assert_eq!(fs::symlink_metadata(path(name)).unwrap().ino(), before);
        }
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "precious");
        assert!(!path("nothing").exists());
    }

    #[test]
    fn a_directory_that_others_can_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("procman");
        fs::create_dir(&directory).unwrap();
        let check = |path: &Path| {
            let refused = listen_in(path, "a.sock");
            assert!(matches!(refused, Err(BindError::Unsafe { .. })), "{refused:?}");
            assert!(!path.join("a.sock").exists());
        };
        for mode in [0o777, 0o720, 0o702, 0o1777] {
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
            check(&directory);
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        listen_in(&directory, "a.sock").unwrap();
        let link = folder.path().join("link");
        symlink(&directory, &link).unwrap();
        check(&link);
        fs::write(folder.path().join("file"), "").unwrap();
        check(&folder.path().join("file"));
        if files::own_user() == 0 {
            std::os::unix::fs::chown(&directory, Some(65534), None).unwrap();
            check(&directory);
        }
    }

    #[test]
    fn what_the_system_refuses_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("no/where");
        for result in [listen_in(&nowhere, "a.sock"), listen_at(&nowhere.join("a.sock"))] {
            assert!(
                matches!(&result, Err(BindError::Failed { error, .. })
                    if error.kind() == std::io::ErrorKind::NotFound),
                "{result:?}"
            );
        }
        assert!(matches!(connect(&nowhere), Err(ConnectError::Nothing)));
        assert!(listen_at(Path::new("/")).is_err());
        assert!(listen_at(Path::new("")).is_err());
        assert!(connect(Path::new("a\0b")).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_may_be_longer_than_an_address() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("x".repeat(200));
        fs::create_dir(&directory).unwrap();
        let path = directory.join("a.sock");
        let listener = listen_at(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        connect(&path).unwrap();
        check_taken(listen_at(&path));
        kill(listener);
        assert!(matches!(connect(&path), Err(ConnectError::Stale)));
        listen_at(&path).unwrap();
        assert!(matches!(connect(&path), Err(ConnectError::Nothing)));
        let name = directory.join("y".repeat(200));
        assert!(matches!(listen_at(&name), Err(BindError::TooLong { .. })));
        assert!(matches!(connect(&name), Err(ConnectError::TooLong)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_is_too_busy_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _listener = listen_at(&path).unwrap();
        // Nobody accepts, so this many wait.
        let _waiting: Vec<_> = (0..=super::BACKLOG).map(|_| connect(&path).unwrap()).collect();
        assert!(matches!(listen_at(&path), Err(BindError::Taken { pid: None, .. })));
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[allow(clippy::print_stderr, reason = "the gate counts what was skipped")]
    fn another_user_is_kept_out_of_the_socket_and_not_spoken_to() {
        if files::own_user() != 0 {
            return eprintln!("skipped: only root can be another user");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let path = folder.path().join("a.sock");
        let listener = listen_at(&path).unwrap();
        super::as_user(65534, || {
            assert!(matches!(connect(&path), Err(ConnectError::NotPermitted)));
            // That of somebody else stays, dead or alive.
            assert!(matches!(listen_at(&path), Err(BindError::Occupied { .. })));
        });
        kill(listener);
        super::as_user(65534, || {
            assert!(matches!(listen_at(&path), Err(BindError::Occupied { .. })));
        });
        let theirs = folder.path().join("theirs.sock");
        let _theirs = super::as_user(65534, || listen_at(&theirs).unwrap());
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o666)).unwrap();
        connect(&theirs).expect("root may speak to anybody");
        super::as_user(65533, || assert!(matches!(connect(&theirs), Err(ConnectError::Foreign(65534)))));
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[allow(clippy::print_stderr, reason = "the gate counts what was skipped")]
    fn at_no_moment_can_another_user_connect() {
        if files::own_user() != 0 {
            return eprintln!("skipped: only root can be another user");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let path = folder.path().join("a.sock");
        let is_over = AtomicBool::new(false);
        let seen = AtomicUsize::new(0);
        thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                super::as_user(65534, || {
                    while !is_over.load(Ordering::Relaxed) {
                        assert!(UnixStream::connect(&path).is_err());
                        if let Ok(status) = fs::symlink_metadata(&path) {
                            assert_eq!(status.mode() & 0o7777, 0o600);
                            seen.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            });
            let limit = Instant::now() + Duration::from_secs(60);
            while seen.load(Ordering::Relaxed) < 100 && !watcher.is_finished() && Instant::now() < limit {
                drop(listen_at(&path).unwrap());
            }
            is_over.store(true, Ordering::Relaxed);
            watcher.join().unwrap();
            assert!(seen.load(Ordering::Relaxed) >= 100, "it has been looked at");
        });
    }

    #[test]
    fn a_lock_is_waited_for_and_ends_with_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let directory = fs::File::open(folder.path()).unwrap();
        directory.lock().unwrap();
        thread::scope(|scope| {
            let binding = scope.spawn(|| listen_at(&path));
            assert!(!path.exists());
            // As the end of a process does it.
            drop(directory);
            binding.join().unwrap().unwrap();
        });
    }
}
