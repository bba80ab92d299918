//! Waiting for the end of children, and reaping them.
//!
//! Nobody here reaps "any child": a leader must stay a zombie until its group has been dealt with, and
//! whoever reaped it by accident would take its exit status away.

use std::collections::BTreeSet;
use std::io;

use nix::libc;

use crate::process::{Exit, Pid, Signal};
use crate::sys::census;

pub use end::{Watch, release};

/// Reaps a child that has ended or is about to, and returns how it ended.
pub fn reap(pid: Pid) -> Exit {
    let mut status = 0;
    // SAFETY: waitpid writes one int. nix's wrapper knows no real-time signals.
    while unsafe { libc::waitpid(pid.0, &raw mut status, 0) } == -1
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
    exit_of(status)
}

/// Returns what the status of a child that has ended means.
pub fn exit_of(status: i32) -> Exit {
    if libc::WIFEXITED(status) {
        Exit::Code(libc::WEXITSTATUS(status))
    } else {
        Exit::Signal(Signal(libc::WTERMSIG(status)))
    }
}

/// The children of this process that are no leaders, after those that had ended were reaped.
#[derive(Debug, PartialEq, Eq)]
pub struct Orphans {
    /// Those that are left, some of which may have ended since, where children can be listed.
    pub left: Option<Vec<Pid>>,
    /// Whether any was reaped.
    pub any_reaped: bool,
}

/// Reaps every orphan that came home to this process and has ended: its children other than `leaders`.
///
/// Only to be called from the first thread.
pub fn reap_orphans(leaders: &BTreeSet<Pid>) -> Orphans {
    let orphans = || {
        let children = census::children()?.into_iter();
        Some(children.filter(|child| !leaders.contains(child)).collect())
    };
    match orphans() {
        Some(listed) => reap_listed(listed, orphans),
        // One is shown after the other, until the first is a leader, which has to wait for its group.
        None => {
            let mut any_reaped = false;
            while let Some(child) = ended_child(libc::P_ALL, 0)
                && !leaders.contains(&child)
            {
                any_reaped |= reap_if_ended(child);
            }
            Orphans { left: None, any_reaped }
        }
    }
}

/// Reaps those of `listed` that have ended.
///
/// One that ended after it was listed has left its own children to this process, and they are not on that list. So
/// there is another look; just one, for a storm of orphans must not keep this process from everything else.
fn reap_listed(mut listed: Vec<Pid>, list: impl Fn() -> Option<Vec<Pid>>) -> Orphans {
    let before = listed.len();
    listed.retain(|orphan| !reap_if_ended(*orphan));
    let any_reaped = listed.len() < before;
    Orphans { left: if any_reaped { list() } else { Some(listed) }, any_reaped }
}

/// Returns whether there was something to reap.
fn reap_if_ended(pid: Pid) -> bool {
    // SAFETY: as above.
    unsafe { libc::waitpid(pid.0, std::ptr::null_mut(), libc::WNOHANG) == pid.0 }
}

/// Returns whether a child of this process has ended and was not reaped.
pub fn has_ended(pid: Pid) -> bool {
    ended_child(libc::P_PID, pid.0.cast_unsigned()).is_some()
}

/// Returns whether that is a child of this process, be it a zombie.
pub fn is_child(pid: Pid) -> bool {
    // SAFETY: waitid fills the structure. Nothing is reaped.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
        libc::waitid(libc::P_PID, pid.0.cast_unsigned(), &raw mut info, flags) == 0
    }
}

/// Returns a child that has ended, of those that waitid(2) is asked for, without reaping it.
fn ended_child(which: libc::idtype_t, id: libc::id_t) -> Option<Pid> {
    // SAFETY: waitid fills the structure.
    let pid = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
        match libc::waitid(which, id, &raw mut info, flags) {
            0 => info.si_pid(),
            _ => 0,
        }
    };
    (pid != 0).then_some(Pid(pid))
}

/// Returns the children that have been stopped and still are, each with what stopped it, once for each stop.
pub fn stopped() -> Vec<(Pid, Signal)> {
    let mut stopped = Vec::new();
    loop {
        // SAFETY: waitid fills the structure.
        let (pid, signal) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            match libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WSTOPPED | libc::WNOHANG) {
                0 => (info.si_pid(), info.si_status()),
                _ => (0, 0),
            }
        };
        if pid == 0 {
            return stopped;
        }
        stopped.push((Pid(pid), Signal(signal)));
    }
}

/// The end of a leader through a pidfd: no signal, no race, and the leader stays unreaped.
#[cfg(all(target_os = "linux", not(procman_portable)))]
mod end {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use nix::libc;

    use crate::process::{Exit, Pid, Signal};
    use crate::sys::ready::Ready;

    /// Waits for the end of one leader.
    #[derive(Debug)]
    pub struct Watch(Ready<OwnedFd>);

    impl Watch {
        /// Returns the watch over a child that has not been reaped.
        pub fn new(pid: Pid) -> io::Result<Self> {
            // SAFETY: the descriptor returned is new and belongs to nobody else.
            let descriptor = unsafe {
                match libc::syscall(libc::SYS_pidfd_open, pid.0, 0) {
                    -1 => return Err(io::Error::last_os_error()),
                    number => OwnedFd::from_raw_fd(number as i32),
                }
            };
            Watch::over(descriptor)
        }

        /// Returns the watch over the child that a pidfd is of.
        pub fn over(pidfd: OwnedFd) -> io::Result<Self> {
            Ready::new(pidfd).map(Watch)
        }

        /// Returns how the leader has ended, when it has.
        pub async fn ended(&mut self, _: Pid) -> io::Result<Exit> {
            loop {
                if let Some(exit) = self.0.read(|pidfd| look(pidfd)).await?? {
                    return Ok(exit);
                }
            }
        }
    }

    /// Gives back the number of a leader whose end is known.
    pub fn release(pid: Pid) {
        crate::sys::wait::reap(pid);
    }

    fn look(pidfd: &OwnedFd) -> io::Result<Option<Exit>> {
        let id = pidfd.as_raw_fd().cast_unsigned();
        // SAFETY: waitid fills the structure. nix's wrapper knows no real-time signals.
        let (status, code) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
            if libc::waitid(libc::P_PIDFD, id, &raw mut info, flags) == -1 {
                return Err(io::Error::last_os_error());
            }
            if info.si_pid() == 0 {
                return Ok(None);
            }
            (info.si_status(), info.si_code)
        };
        Ok(Some(if code == libc::CLD_EXITED { Exit::Code(status) } else { Exit::Signal(Signal(status)) }))
    }
}

/// The end of a leader through SIGCHLD and waitpid, as POSIX has it. Looking reaps.
#[cfg(not(all(target_os = "linux", not(procman_portable))))]
mod end {
    use std::io;

    use nix::libc;
    use tokio::signal::unix::{SignalKind, signal};

    use crate::process::{Exit, Pid, Signal};

    /// Waits for the end of one leader.
    #[derive(Debug)]
    pub struct Watch;

    impl Watch {
        /// Returns the watch over a child that has not been reaped.
        pub fn new(_: Pid) -> io::Result<Self> {
            Ok(Watch)
        }

        /// Returns how the leader has ended, when it has.
        pub async fn ended(&mut self, pid: Pid) -> io::Result<Exit> {
            // Listening begins before the first look, so no end falls between the two.
            let mut children = signal(SignalKind::child())?;
            loop {
                if let Some(exit) = look(pid)? {
                    return Ok(exit);
                }
                children.recv().await;
            }
        }
    }

    /// Does nothing: the look that has shown the end has reaped the leader.
    pub fn release(_: Pid) {}

    fn look(pid: Pid) -> io::Result<Option<Exit>> {
        let mut status = 0;
        // SAFETY: waitpid writes one int.
        match unsafe { libc::waitpid(pid.0, &raw mut status, libc::WNOHANG) } {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(None),
            _ if libc::WIFEXITED(status) => Ok(Some(Exit::Code(libc::WEXITSTATUS(status)))),
            _ => Ok(Some(Exit::Signal(Signal(libc::WTERMSIG(status))))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{Orphans, has_ended, reap_listed};
    use crate::process::Pid;

    #[test]
    fn who_comes_home_while_orphans_are_reaped_is_seen() {
        // Reads until its input ends.
        let start = || Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (mut one, mut other) = (start(), start());
        let pids = [&one, &other].map(|child| Pid(i32::try_from(child.id()).unwrap()));
        let [parent, orphan] = pids;
        let nobody_else = || Some(vec![orphan]);
        let left = |orphan, any_reaped| Orphans { left: Some(vec![orphan]), any_reaped };
        assert_eq!(reap_listed(vec![parent], nobody_else), left(parent, false));
        drop(one.stdin.take());
        while !has_ended(parent) {
            std::thread::yield_now();
        }
        assert_eq!(reap_listed(vec![parent], nobody_else), left(orphan, true));
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
