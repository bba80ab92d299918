//! Starting a process without copying this one, as Linux can.
//!
//! `fork` copies the page tables, and each page that is written to afterwards costs a fault. Here the child has the
//! memory of this process until it executes its program, on a stack of its own, and the thread that has started it
//! stands still until then (CLONE_VM and CLONE_VFORK of clone(2), as posix_spawn(3) does it). So the child takes no
//! lock and allocates nothing, as after any fork; and no handler may run in it, for which its starter blocks all
//! signals.
//!
//! It shares the descriptors too (CLONE_FILES) until it takes a copy of the lowest ones: otherwise it would copy, and
//! then close, the pipes of all other instances.

use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::libc;

use crate::process::Pid;
use crate::sys::{pty, wait};

/// What a new process is given.
#[derive(Clone, Copy)]
pub struct Image<'a> {
    /// What it may run. The first that can be is.
    pub candidates: &'a [Candidate<'a>],
    /// Its whole environment.
    pub environment: &'a [(&'a OsStr, &'a OsStr)],
    /// Its working directory.
    pub directory: &'a Path,
    /// What it reads and writes.
    pub streams: Streams<'a>,
}

/// The standard streams of a new process.
#[derive(Clone, Copy)]
pub enum Streams<'a> {
    /// This takes its output and errors, and `/dev/null` is its input.
    Pipe(BorrowedFd<'a>),
    /// All three are this terminal, which its session has to itself.
    Terminal(BorrowedFd<'a>),
}

/// A program with its arguments.
#[derive(Clone, Copy)]
pub struct Candidate<'a> {
    /// Its path.
    pub program: &'a OsStr,
    /// Its arguments, its name first.
    pub arguments: &'a [&'a OsStr],
}

/// Starts a process as the leader of a group of its own, in a session of its own too if it gets a terminal, and returns
/// it when it runs its program, with a pidfd where the system has those. `prepare` is the last thing done before that.
///
/// # Safety
///
/// All signals are blocked, which `prepare` lifts: no handler may run in the child. `prepare` runs beside the other threads
/// of this process and in its memory, on a small stack: it makes system calls, and neither allocates nor locks anything.
pub unsafe fn start(
    image: Image<'_>,
    prepare: &dyn Fn() -> io::Result<()>,
) -> io::Result<(Pid, Option<OwnedFd>)> {
    let candidates = image.candidates.iter().map(|candidate| {
        let arguments = texts(candidate.arguments.iter().map(|argument| [*argument].into_iter()))?;
        Ok((CString::new(candidate.program.as_bytes())?, arguments))
    });
    let candidates = candidates.collect::<io::Result<Vec<_>>>()?;
    let equals = OsStr::new("=");
    let environment =
        texts(image.environment.iter().map(|(name, value)| [*name, equals, *value].into_iter()))?;
    let start = Start {
        programs: candidates.iter().map(|(program, arguments)| (&**program, pointers(arguments))).collect(),
        environment: pointers(&environment),
        directory: CString::new(image.directory.as_os_str().as_bytes())?,
        streams: image.streams,
        prepare,
        error: AtomicI32::new(0),
    };
    let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the stack grows down from its end, and like `start` it is there until the child has left this memory,
    // which is when clone(2) returns. Until then this thread stands still, so that `errno`, which both share, is the
    // child's. A system without pidfds leaves that place alone.
    let pid = unsafe {
        let (top, lent) = (stack.spare_capacity_mut().as_mut_ptr_range().end, &raw const start);
        libc::clone(begin, top.cast(), flags, lent.cast_mut().cast(), &raw mut pidfd)
    };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and belongs to nobody else.
    let pidfd = (pidfd != -1).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    match start.error.load(Ordering::Relaxed) {
        0 => Ok((Pid(pid), pidfd)),
        error => {
            wait::reap(Pid(pid));
            Err(io::Error::from_raw_os_error(error))
        }
    }
}

/// Enough for the few calls that the child makes, which take some hundred bytes each: there is no guard page below it.
const STACK: usize = 64 * 1024;

/// The same, as system calls take it, and where to say what has failed.
struct Start<'a> {
    programs: Vec<(&'a CStr, Vec<*const c_char>)>,
    environment: Vec<*const c_char>,
    directory: CString,
    streams: Streams<'a>,
    prepare: &'a dyn Fn() -> io::Result<()>,
    error: AtomicI32,
}

/// What the child runs.
extern "C" fn begin(start: *mut c_void) -> c_int {
    // SAFETY: the parent has lent it, and stands still.
    let start = unsafe { &*start.cast::<Start<'_>>() };
    let Err(error) = become_program(start);
    start.error.store(error.raw_os_error().unwrap_or(libc::EINVAL), Ordering::Relaxed);
    // SAFETY: this ends the child alone. What exit(3) does besides, in memory that is the parent's, is not done.
    unsafe { libc::_exit(127) }
}

fn become_program(start: &Start<'_>) -> io::Result<Infallible> {
    // SAFETY: all pointers are to texts that end with NUL, and the arrays of them end with a null pointer. Nothing here
    // allocates, locks or unwinds.
    unsafe {
        let (input, output) = match start.streams {
            Streams::Pipe(pipe) => {
                done(libc::setpgid(0, 0))?;
                take_descriptors(pipe)?;
                let null = done(libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
                (null, pipe.as_raw_fd())
            }
            Streams::Terminal(terminal) => {
                pty::take(terminal)?;
                take_descriptors(terminal)?;
                (terminal.as_raw_fd(), terminal.as_raw_fd())
            }
        };
        done(libc::dup2(input, 0))?;
        done(libc::dup2(output, 1))?;
        done(libc::dup2(output, 2))?;
        done(libc::chdir(start.directory.as_ptr()))?;
        (start.prepare)()?;
        for (program, arguments) in &start.programs {
            libc::execve(program.as_ptr(), arguments.as_ptr(), start.environment.as_ptr());
        }
    }
    Err(io::Error::last_os_error())
}

/// Gives the child descriptors of its own, those up to `last`; before Linux 5.9 all of them, which end with exec.
fn take_descriptors(last: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: descriptors are closed in the copy alone, where nobody knows of them.
    unsafe {
        let beyond = last.as_raw_fd() + 1;
        if libc::syscall(libc::SYS_close_range, beyond, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE) == -1 {
            done(libc::unshare(libc::CLONE_FILES))?;
        }
    }
    Ok(())
}

fn done(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Returns texts one behind the other, each of its parts and with its final NUL.
fn texts<'a>(texts: impl Iterator<Item = impl Iterator<Item = &'a OsStr>>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for text in texts {
        for part in text {
            if part.as_bytes().contains(&0) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.push(0);
    }
    Ok(bytes)
}

/// Returns where each text begins, and a null pointer.
fn pointers(texts: &[u8]) -> Vec<*const c_char> {
    let begins = texts.split_inclusive(|byte| *byte == 0).map(|text| text.as_ptr().cast());
    begins.chain([ptr::null()]).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;
    use std::io::{self, Read, Write};
    use std::os::fd::AsFd;
    use std::path::Path;

    use nix::libc;

    use super::{Candidate, Image, Streams, start};
    use crate::sys::child::prepare;
    use crate::sys::signals::while_blocked;
    use crate::sys::wait;

    /// Returns what a program writes, or why it was not started.
    fn run(
        arguments: &[&str],
        environment: &[(&str, &str)],
        directory: &str,
        prepare: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<String> {
        let (mut reader, writer) = io::pipe()?;
        let arguments: Vec<_> = arguments.iter().map(OsStr::new).collect();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value))).collect();
        let image = Image {
            candidates: &[Candidate { program: arguments[0], arguments: &arguments }],
            environment: &environment,
            directory: Path::new(directory),
            streams: Streams::Pipe(writer.as_fd()),
        };
        // SAFETY: signals are blocked, and what the tests prepare makes system calls.
        let (pid, _) = while_blocked(|| unsafe { start(image, prepare) })??;
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        wait::reap(pid);
        Ok(text)
    }

    #[test]
    fn a_program_gets_what_it_is_given_and_nothing_else() {
        let environment = [("A", "x y"), ("B%", ""), ("C", "=\n")];
        assert_eq!(run(&["/usr/bin/env"], &environment, "/", &|| Ok(())).unwrap(), "A=x y\nB%=\nC==\n\n");
        let script = ["/bin/sh", "-c", "pwd; cat; echo error >&2; echo \"$0|$@\"", "", "a  b"];
        assert_eq!(run(&script, &[], "/usr", &|| Ok(())).unwrap(), "/usr\nerror\n|a  b\n");
    }

    /// The child closes descriptors, and puts others in the place of its standard ones.
    #[test]
    fn the_descriptors_of_the_parent_stay_as_they_are() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let output = std::fs::read_link("/proc/self/fd/1").unwrap();
        assert_eq!(run(&["/usr/bin/env"], &[("A", "b")], "/", &|| Ok(())).unwrap(), "A=b\n");
        assert_eq!(std::fs::read_link("/proc/self/fd/1").unwrap(), output);
        writer.write_all(b"still open").unwrap();
        drop(writer);
        assert_eq!(io::read_to_string(&mut reader).unwrap(), "still open");
    }

    #[test]
    fn what_fails_in_the_child_is_known_to_the_parent() {
        let refused = || Err(io::Error::from_raw_os_error(libc::EXDEV));
        let code = |result: io::Result<String>| result.unwrap_err().raw_os_error();
        assert_eq!(code(run(&["/no/such"], &[], "/", &|| Ok(()))), Some(libc::ENOENT));
        assert_eq!(code(run(&["/usr/bin/env"], &[], "/no/such", &|| Ok(()))), Some(libc::ENOENT));
        assert_eq!(code(run(&["/etc/passwd"], &[], "/", &|| Ok(()))), Some(libc::EACCES));
        assert_eq!(code(run(&["/usr/bin/env"], &[], "/", &refused)), Some(libc::EXDEV));
        let long = "x".repeat(128 * 1024);
        assert_eq!(code(run(&["/usr/bin/env", &long], &[], "/", &|| Ok(()))), Some(libc::E2BIG));
    }

    /// Stopped before it runs its program, it would stop this thread with it.
    #[test]
    fn what_came_before_the_child_was_ready_does_not_reach_it() {
        let parent = std::process::id();
        let prepare = || {
            for signal in [libc::SIGTSTP, libc::SIGTERM, libc::SIGRTMIN()] {
                // SAFETY: nothing but a system call is made.
                unsafe { libc::kill(libc::getpid(), signal) };
            }
            prepare(parent, 100)
        };
        let script = ["/bin/sh", "-c", "ulimit -n; cat /proc/self/status"];
        let text = run(&script, &[("PATH", "/bin:/usr/bin")], "/", &prepare).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "100");
        for field in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"] {
            let set = lines.iter().find_map(|line| line.strip_prefix(&format!("{field}:\t"))).unwrap();
            // 32 and 33 are the C library's own, and nobody can set them.
            assert_eq!(u64::from_str_radix(set, 16).unwrap() & !0x1_8000_0000, 0, "{text}");
        }
    }

    #[test]
    fn no_text_ends_before_its_end() {
        for (arguments, environment) in
            [(&["/usr/bin/env", "a\0b"][..], &[][..]), (&["/usr/bin/env"], &[("A", "b\0C=d")])]
        {
            let error = run(arguments, environment, "/", &|| Ok(())).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
