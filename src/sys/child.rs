//! Starting instances, learning of their end, and reaping them.
//!
//! An instance's leader is not reaped when it ends, only looked at: as long as it is a zombie its number,
//! and with it the number of its group, belongs to nobody else, so a signal to the group cannot reach a
//! stranger. It is reaped once nothing of its group is left. Without `/proc` it has to be reaped before one
//! can ask whether its group is empty; the members then keep the number.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, rlim_t};

use crate::process::{Exit, Pid, Signal};
#[cfg(all(target_os = "linux", not(procman_portable)))]
use crate::sys::direct::start;
use crate::sys::interpreter::{Missing, Search};
use crate::sys::pty::{Master, Pair};
#[cfg(all(target_os = "linux", not(procman_portable)))]
use crate::sys::spawn::Streams as Given;
use crate::sys::{pty, signals, wait};

/// What to start, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The program: a path, or a name to be looked for in the `PATH` of `environment`.
    pub program: &'a OsStr,
    /// Its arguments, without its name.
    pub arguments: &'a [&'a OsStr],
    /// What the program, a shell, would only execute: another program and its arguments, its name first. An instance
    /// becomes that at once where it can.
    pub words: Option<&'a [&'a OsStr]>,
    /// The working directory.
    pub directory: &'a Path,
    /// The whole environment; nothing is added to it, but for the `PWD` that the shell would add.
    pub environment: &'a [(&'a OsStr, &'a OsStr)],
    /// The soft limit of open files that the instance gets.
    pub open_files: u64,
}

/// A leader that has been started and has not been reaped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    watch: wait::Watch,
}

/// Why something could not be started.
#[derive(Debug)]
pub enum SpawnError {
    /// Its working directory cannot be used.
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its program cannot be run.
    Program {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its program is there, but not what that is run by.
    Interpreter(Missing),
    /// Its arguments and variables are more than a process can be given.
    TooLarge {
        /// How many bytes they have together.
        total: usize,
        /// The largest of them.
        largest: Piece,
        /// How many bytes that has.
        size: usize,
    },
    /// The system lacks something that a process needs.
    Resources(io::Error),
}

/// A part of what a process is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// An argument, counted from 1; 0 is the program.
    Argument(usize),
    /// A variable, by its name.
    Variable(String),
}

impl SpawnError {
    /// Returns the end that a shell would report: 127 for what is not found, 126 for what cannot be run.
    pub fn exit(&self) -> Exit {
        match self {
            SpawnError::Program { source, .. } if source.kind() == ErrorKind::NotFound => Exit::Code(127),
            SpawnError::Interpreter(_) => Exit::Code(127),
            SpawnError::Program { .. } => Exit::Code(126),
            SpawnError::Directory { .. } | SpawnError::TooLarge { .. } | SpawnError::Resources(_) => {
                Exit::Code(1)
            }
        }
    }
}

/// How many descriptors of procman's an instance needs for its life: its [`Output`], and where there is one the pidfd.
pub const DESCRIPTORS: u64 = if cfg!(all(target_os = "linux", not(procman_portable))) { 2 } else { 1 };

/// How many more are needed for a while: to spawn, to look at `/proc`.
pub const SPARE_DESCRIPTORS: u64 = 8;

/// From which number on descriptors lie that are kept for an instance: a new process copies only those below.
const ASIDE: i32 = 64;

/// Makes room for the descriptors of so many instances. To be called while there is a single thread: with another one the
/// kernel waits some milliseconds whenever its table has to grow.
pub fn make_room(instances: usize) {
    let most = DESCRIPTORS.saturating_mul(instances as u64).saturating_add(ASIDE as u64);
    // Where the limit is lower the table grows as it can.
    drop(i32::try_from(most).ok().and_then(|number| duplicate(io::stderr(), number)));
}

/// Returns a descriptor that is kept under a number from `ASIDE` on, where there is room.
pub fn set_aside<T: AsFd + From<OwnedFd>>(kept: T) -> T {
    duplicate(&kept, ASIDE).map_or(kept, T::from)
}

fn duplicate(descriptor: impl AsFd, least: i32) -> Option<OwnedFd> {
    let number = fcntl(descriptor.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(least)).ok()?;
    // SAFETY: the descriptor is new and belongs to nobody else.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// What an instance is to read and write.
#[derive(Debug)]
pub enum Streams {
    /// `/dev/null`, and one pipe for output and errors, so that their order is kept.
    Pipe,
    /// A terminal of its own, for all three.
    Terminal(pty::Pair),
}

/// What an instance writes to, as procman reads it. Reading never waits.
#[derive(Debug)]
pub enum Output {
    /// A pipe.
    Pipe(PipeReader),
    /// A terminal.
    Terminal(Master),
}

/// Starts a process as the leader of a group of its own, or of a session if it gets a terminal, and returns it with what
/// it writes to.
///
/// It gets default signal dispositions, an empty signal mask, and no descriptor but its streams. On Linux it is killed if
/// the calling *thread* ends: call this from one that lives as long as procman. The program of `order` is a path.
pub fn spawn(order: &Order<'_>, streams: Streams) -> Result<(Child, Output), SpawnError> {
    let (output, given) = match streams {
        Streams::Pipe => {
            let (reader, writer) = io::pipe().map_err(SpawnError::Resources)?;
            set_nonblocking(&reader).map_err(SpawnError::Resources)?;
            (Output::Pipe(set_aside(reader)), OwnedFd::from(writer))
        }
        Streams::Terminal(Pair { master, slave }) => (Output::Terminal(master), slave),
    };
    let given_streams = match output {
        Output::Pipe(_) => Given::Pipe(given.as_fd()),
        Output::Terminal(_) => Given::Terminal(given.as_fd()),
    };
    start_watched(order, given_streams).map(|child| (child, output))
}

/// Starts a process as [`spawn`] does, with `/dev/null` for all its streams.
pub fn spawn_silent(order: &Order<'_>) -> Result<Child, SpawnError> {
    let null = File::options().write(true).open("/dev/null").map_err(SpawnError::Resources)?;
    start_watched(order, Given::Pipe(null.as_fd()))
}

fn start_watched(order: &Order<'_>, streams: Given<'_>) -> Result<Child, SpawnError> {
    let started = signals::while_blocked(|| start(order, streams)).map_err(SpawnError::Resources)?;
    let (pid, watch) = started.map_err(|source| explain(order, source))?;
    match watch {
        Ok(watch) => Ok(Child { pid, watch }),
        Err(error) => {
            // Nobody would notice its end, so it must not run.
            let _ = signals::signal_group(pid, Signal::KILL);
            wait::reap(pid);
            Err(SpawnError::Resources(error))
        }
    }
}

/// The instance's side of its streams.
#[cfg(not(all(target_os = "linux", not(procman_portable))))]
enum Given<'a> {
    Pipe(BorrowedFd<'a>),
    Terminal(BorrowedFd<'a>),
}

/// Starts the ordered process, all signals being blocked.
#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn start(order: &Order<'_>, streams: Given<'_>) -> io::Result<(Pid, io::Result<wait::Watch>)> {
    let mut command = command(order);
    let (parent, open_files) = (std::process::id(), order.open_files);
    match streams {
        Given::Pipe(pipe) => {
            let output = pipe.try_clone_to_owned()?;
            command
                .stdin(std::process::Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .process_group(0);
        }
        Given::Terminal(terminal) => {
            let terminal = terminal.try_clone_to_owned()?;
            command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
            // SAFETY: as below. Its input is the terminal by then.
            unsafe {
                command.pre_exec(|| pty::take(BorrowedFd::borrow_raw(0)));
            }
        }
    }
    // SAFETY: between fork and exec only system calls are made, and no memory is allocated.
    unsafe {
        command.pre_exec(move || prepare(parent, open_files));
    }
    let child = command.spawn()?;
    let pid = Pid(i32::try_from(child.id()).unwrap_or_default());
    Ok((pid, wait::Watch::new(pid)))
}

/// Replaces this process by the ordered one. Returns only if that fails.
///
/// Unlike an instance it keeps procman's standard streams, process group and other descriptors.
pub fn replace_self(order: &Order<'_>) -> SpawnError {
    let mut command = command(order);
    explain(order, command.exec())
}

/// Starts the ordered process with procman's own standard streams, and, on a terminal, in its foreground.
pub fn spawn_foreground(order: &Order<'_>) -> Result<Pid, SpawnError> {
    let mut command = command(order);
    command.process_group(0);
    let (parent, open_files) = (std::process::id(), order.open_files);
    // SAFETY: between fork and exec only system calls are made, and no memory is allocated.
    unsafe {
        command.pre_exec(move || {
            // SIGTTOU is blocked here, so a background group may do this. Without a terminal it fails.
            libc::tcsetpgrp(0, libc::getpid());
            prepare(parent, open_files)
        });
    }
    let child = signals::while_blocked(|| command.spawn()).map_err(SpawnError::Resources)?;
    let child = child.map_err(|source| explain(order, source))?;
    Ok(Pid(i32::try_from(child.id()).unwrap_or_default()))
}

impl Child {
    /// Returns the process id, which is that of the group too.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the leader has ended, and returns how.
    ///
    /// May be dropped and called again at any time.
    pub async fn ended(&mut self) -> io::Result<Exit> {
        self.watch.ended(self.pid).await
    }

    /// Gives the number of an ended leader back. From then on only members of its group keep that number from
    /// meaning somebody else.
    pub fn release(self) {
        wait::release(self.pid);
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Output::Pipe(pipe) => pipe.as_fd(),
            Output::Terminal(master) => master.as_fd(),
        }
    }
}

/// Returns how many bytes wait in a pipe; of a terminal these may be more.
pub fn waiting_bytes(pipe: &impl AsFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    let result = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result == 0 { usize::try_from(count).unwrap_or_default() } else { 0 }
}

/// Returns whether anybody can still write into a pipe or a terminal.
pub fn has_writer(pipe: &impl AsFd) -> bool {
    let mut descriptors = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    let hung_up = PollFlags::POLLHUP | PollFlags::POLLERR;
    let seen = poll(&mut descriptors, PollTimeout::ZERO).ok().and_then(|_| descriptors[0].revents());
    seen.is_none_or(|seen| !seen.intersects(hung_up))
}

/// Makes a pipe hold at least so much, where the system allows it: it may be larger already, and the call that grows a
/// pipe shrinks one too.
pub fn grow_pipe(pipe: &impl AsFd, bytes: i32) {
    #[cfg(target_os = "linux")]
    if fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ).is_ok_and(|size| size < bytes) {
        let _ = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(bytes));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (pipe, bytes);
}

fn command(order: &Order<'_>) -> Command {
    let mut command = Command::new(order.program);
    command.args(order.arguments).current_dir(order.directory).env_clear();
    command.envs(order.environment.iter().copied());
    command
}

/// Prepares a child between fork and exec: only system calls are made, and no memory is allocated.
pub fn prepare(parent: u32, open_files: u64) -> io::Result<()> {
    #[allow(clippy::useless_conversion, reason = "the type differs between systems")]
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && let Ok(soft) = rlim_t::try_from(open_files)
    {
        let _ = nix::sys::resource::setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard);
    }
    // SAFETY: signal(2), sigpending(2), prctl(2), getppid(2) and sigprocmask(2) may be called here; the sets are
    // initialised.
    unsafe {
        let mut pending = std::mem::zeroed();
        libc::sigpending(&raw mut pending);
        for number in 1..=64 {
            // What came between fork and the new group was meant for procman, which has it too; ignoring a
            // signal discards it. A pending SIGTSTP would stop this process before exec, and with it procman,
            // which waits for exec. Both calls fail for what cannot be changed, which has its default anyway.
            if libc::sigismember(&raw const pending, number) == 1 {
                libc::signal(number, libc::SIG_IGN);
            }
            libc::signal(number, libc::SIG_DFL);
        }
        #[cfg(target_os = "linux")]
        {
            // The net below the guard's net: if guard and supervisor are killed at once, this still works.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = parent;
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
    Ok(())
}

/// Finds out which of the things that can be missing is: the system reports all of them alike.
fn explain(order: &Order<'_>, source: io::Error) -> SpawnError {
    let directory = order.directory.to_path_buf();
    match std::fs::metadata(&directory) {
        Err(source) => return SpawnError::Directory { directory, source },
        Ok(metadata) if !metadata.is_dir() => {
            return SpawnError::Directory { directory, source: ErrorKind::NotADirectory.into() };
        }
        Ok(_) => {}
    }
    match source.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => SpawnError::Resources(source),
        Some(libc::E2BIG) => too_large(order),
        _ => {
            let search = Search::new(order.directory, order.environment.iter().copied());
            // A directory of `PATH` that may not be searched hides nothing that could have been run.
            let is_hidden = source.kind() == ErrorKind::PermissionDenied && !search.is_refused(order.program);
            let source = if is_hidden { ErrorKind::NotFound.into() } else { source };
            let is_missing = source.kind() == ErrorKind::NotFound;
            match is_missing.then(|| search.missing(order.program)).flatten() {
                Some(missing) => SpawnError::Interpreter(missing),
                None => SpawnError::Program { program: order.program.to_string_lossy().into_owned(), source },
            }
        }
    }
}

/// Weighs what the process would have been given, each piece with its final NUL.
fn too_large(order: &Order<'_>) -> SpawnError {
    let arguments = order.arguments.iter().zip(1..);
    let arguments = arguments.map(|(argument, number)| (Piece::Argument(number), argument.len() + 1));
    let variables = order.environment.iter().map(|(name, value)| {
        (Piece::Variable(name.to_string_lossy().into_owned()), name.len() + value.len() + 2)
    });
    let program = order.program.len() + 1;
    let mut largest = (Piece::Argument(0), program);
    let mut total = program;
    for piece in arguments.chain(variables) {
        total += piece.1;
        if piece.1 > largest.1 {
            largest = piece;
        }
    }
    SpawnError::TooLarge { total, largest: largest.0, size: largest.1 }
}

fn set_nonblocking(pipe: &PipeReader) -> io::Result<()> {
    fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io;

    use nix::fcntl::{FcntlArg, fcntl};

    use super::grow_pipe;

    #[test]
    fn a_pipe_never_gets_smaller() {
        let (reader, _writer) = io::pipe().unwrap();
        let size = || fcntl(&reader, FcntlArg::F_GETPIPE_SZ).unwrap();
        let first = size();
        grow_pipe(&reader, first / 2);
        assert_eq!(size(), first);
        grow_pipe(&reader, first * 2);
        assert_eq!(size(), first * 2);
    }
}
