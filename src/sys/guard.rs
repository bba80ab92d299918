//! The guard: the process that the user starts, and that outlives everything procman starts.
//!
//! [`split`] forks once, before any thread exists. The child becomes the supervisor. The parent, the guard,
//! passes signals on to it, reaps every orphan, stops and continues with it, and when it is gone, however it
//! went, ends every descendant that is left and leaves with its status. It does nothing else, so that there
//! is nothing it could fail in.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use std::{io, process};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::process::{Exit, Pid, Signal};
use crate::sys::census::{self, Member};
use crate::sys::link::{FromGuard, FromSupervisor, Link};
use crate::sys::signals::{self, Received, Signals};
use crate::sys::startup::Hangup;

/// A process that outlives SIGKILL by this much sits in the kernel; nothing can be done about it.
const UNKILLABLE: Duration = Duration::from_secs(2);
/// How often the guard looks again at what is left: no event tells when a grandchild forks.
const ROUND: Duration = Duration::from_millis(20);
/// A signal this soon after the supervisor's end is a copy of the one that it has obeyed.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Which of the two processes this one is, once they are two.
#[derive(Debug)]
pub enum Side {
    /// The child. Its line to the guard, and the guard's process id.
    Supervisor(Link, Pid),
    /// The parent, after everything has ended: what procman exits with.
    Guard(i32),
}

/// Splits this process in two.
///
/// To be called with all signals blocked (`startup::prepare`) and a single thread. Returns at once in the
/// child; in the parent when all is over. `grace` is how long descendants get between SIGTERM and SIGKILL
/// if the supervisor has not said until when.
pub fn split(grace: Duration, hangup: Hangup) -> io::Result<Side> {
    become_subreaper();
    let (guard_end, supervisor_end) = Link::pair()?;
    let guard = own_pid();
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => Ok(Side::Supervisor(supervisor_end, guard)),
        ForkResult::Parent { child } => {
            drop(supervisor_end);
            set_name();
            let status = keep_guard(Some(guard_end), Pid(child.as_raw()), hangup, grace)?;
            Ok(Side::Guard(status))
        }
    }
}

/// Guards a single command that leads its own process group, as PID 1 has to: passes signals on to the
/// group, reaps orphans, and when the command has ended ends the rest. Returns what to exit with.
pub fn accompany(command: Pid, grace: Duration, hangup: Hangup) -> io::Result<i32> {
    keep_guard(None, command, hangup, grace)
}

fn keep_guard(link: Option<Link>, ward: Pid, hangup: Hangup, grace: Duration) -> io::Result<i32> {
    let signals = Signals::listen(hangup).inspect_err(|_| {
        // A supervisor without a guard keeps no promise.
        let _ = signals::signal_process(ward, Signal::KILL);
    })?;
    let (groups, terminated) = (Vec::new(), Vec::new());
    let guard = Guard { link, signals, own: own_pid(), ward, grace, stop: None, groups, terminated };
    Ok(guard.watch())
}

struct Guard {
    /// The line to the supervisor; a single command has none.
    link: Option<Link>,
    signals: Signals,
    own: Pid,
    /// The supervisor, or the command.
    ward: Pid,
    grace: Duration,
    /// When everything must be gone, and when escapees are asked to end although the supervisor still works.
    stop: Option<Stop>,
    /// The groups that the supervisor has started, for machines without `/proc`.
    groups: Vec<Pid>,
    /// Who has had a SIGTERM from the guard.
    terminated: Vec<Pid>,
}

#[derive(Clone, Copy)]
struct Stop {
    deadline: Instant,
    escapees_at: Instant,
}

/// What waiting for children has shown.
enum Reaped {
    /// The supervisor runs.
    Nothing,
    /// The supervisor has ended.
    Supervisor(Exit),
    /// This process has no child at all.
    NoChild,
}

impl Guard {
    /// Guards until nothing is left, and returns the status to leave with.
    fn watch(mut self) -> i32 {
        let exit = loop {
            self.wait(self.stop.map(|stop| stop.escapees_at));
            for received in self.signals.pending() {
                self.pass_on(received);
            }
            self.listen();
            match self.reap() {
                Reaped::Nothing => {}
                Reaped::Supervisor(exit) => break exit,
                // Somebody else has waited for the supervisor, which cannot be: it ended.
                Reaped::NoChild => break Exit::Code(1),
            }
            self.terminate_escapees_in_time();
        };
        // The last words of the supervisor may say until when what is left may take.
        self.listen();
        if let Exit::Signal(signal) = exit
            && self.link.is_some()
        {
            complain(&format!("the supervisor was killed by {signal}, ending what it has left"));
        }
        let unkillable = self.end_descendants();
        if unkillable.is_empty() {
            return exit.status();
        }
        let names: Vec<String> = unkillable.iter().map(Pid::to_string).collect();
        complain(&format!("cannot be killed, still running: process {}", names.join(", ")));
        exit.status().max(1)
    }

    fn pass_on(&mut self, received: Received) {
        match received.signal {
            Signal::CHLD => {}
            // Whoever continues the guard means procman.
            Signal::CONT => drop(signals::signal_process(self.ward, Signal::CONT)),
            signal => match &mut self.link {
                Some(link) => link.tell_supervisor(FromGuard::Signal(received)),
                None => drop(signals::signal_group(self.ward, signal)),
            },
        }
    }

    fn listen(&mut self) {
        let Some(link) = &mut self.link else { return };
        for message in link.hear_supervisor().0 {
            match message {
                FromSupervisor::GroupStarted(leader) => self.groups.push(leader),
                FromSupervisor::GroupEnded(leader) => self.groups.retain(|group| *group != leader),
                FromSupervisor::StopWithin(milliseconds) => {
                    let (now, within) = (Instant::now(), Duration::from_millis(milliseconds.into()));
                    self.stop = Some(Stop { deadline: now + within, escapees_at: now + within / 2 });
                }
            }
        }
    }

    /// Waits for every child that has ended, and stops when the supervisor has stopped.
    fn reap(&mut self) -> Reaped {
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED;
        let mut orphans = 0;
        let result = loop {
            match waitpid(None, Some(flags)) {
                Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == self.ward.0 => {
                    break Reaped::Supervisor(Exit::Code(code));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == self.ward.0 => {
                    break Reaped::Supervisor(Exit::Signal(Signal(signal as i32)));
                }
                Ok(WaitStatus::Stopped(pid, _)) if pid.as_raw() == self.ward.0 => self.stop_too(),
                Ok(WaitStatus::StillAlive) => break Reaped::Nothing,
                Ok(WaitStatus::Stopped(..)) => {}
                Ok(_) => orphans += 1,
                Err(Errno::ECHILD) => break Reaped::NoChild,
                Err(Errno::EINTR) => {}
                // nix has no name for the real-time signal that killed this orphan.
                Err(_) => orphans += 1,
            }
        };
        if let Some(link) = &mut self.link
            && orphans > 0
        {
            link.tell_supervisor(FromGuard::OrphansReaped);
        }
        result
    }

    /// Stops with the supervisor, so that a shell sees one job that has stopped.
    fn stop_too(&self) {
        // The kernel does not stop PID 1, and there is no shell that would continue its job.
        if self.own == Pid(1) {
            return;
        }
        // It may have been continued in the meantime; then nobody would continue the guard.
        if census::process(self.ward).is_none_or(|member| member.state == 'T') {
            signals::stop_self();
        }
        let _ = signals::signal_process(self.ward, Signal::CONT);
    }

    /// Sleeps until a signal, a message or `until`.
    fn wait(&mut self, until: Option<Instant>) {
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up: waking too early would mean waking again.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut descriptors = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if let Some(link) = &self.link {
            let mut interest = PollFlags::POLLIN;
            interest.set(PollFlags::POLLOUT, link.has_unsent());
            descriptors.push(PollFd::new(link.as_fd(), interest));
        }
        // An interruption only means to look at once.
        let _ = poll(&mut descriptors, timeout);
        if let Some(link) = &mut self.link {
            link.flush();
        }
    }

    /// Asks escapees to end when a stop takes long.
    ///
    /// An ordinary stop is over long before. In one that takes its whole grace period, what has left its
    /// process group would otherwise meet SIGKILL without having been asked.
    fn terminate_escapees_in_time(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        let now = Instant::now();
        if now < stop.escapees_at {
            return;
        }
        // Far beyond any stop, so once is enough.
        stop.escapees_at = now + Duration::from_secs(86_400);
        let everybody = census::descendants(self.own).unwrap_or_default();
        let is_led =
            |member: &Member| everybody.iter().any(|m| m.pid == member.group && m.parent == self.ward);
        let escapees: Vec<Pid> = everybody
            .iter()
            .filter(|member| member.pid != self.ward && !is_led(member))
            .map(|member| member.pid)
            .collect();
        escapees.into_iter().for_each(|pid| self.terminate(pid));
    }

    fn terminate(&mut self, pid: Pid) {
        if !self.terminated.contains(&pid) {
            self.terminated.push(pid);
            let _ = signals::signal_process(pid, Signal::TERM);
            let _ = signals::signal_process(pid, Signal::CONT);
        }
    }

    /// Ends everything below this process, and returns what could not be ended.
    fn end_descendants(&mut self) -> Vec<Pid> {
        let began = Instant::now();
        let mut deadline = self.stop.map_or(began + self.grace, |stop| stop.deadline);
        let mut killed_at = None;
        let mut asked = false;
        loop {
            if matches!(self.reap(), Reaped::NoChild) {
                return Vec::new();
            }
            let now = Instant::now();
            if now < deadline {
                self.terminate_everything(&mut asked);
            } else {
                self.kill_everything();
                if now > *killed_at.get_or_insert(now) + UNKILLABLE {
                    let left = census::descendants(self.own).unwrap_or_default();
                    return left.iter().map(|member| member.pid).collect();
                }
            }
            self.wait(Some((now + ROUND).min(deadline.max(now))));
            let stop_again =
                |received: &Received| matches!(received.signal, Signal::HUP | Signal::INT | Signal::TERM);
            if self.signals.pending().iter().any(stop_again) && began.elapsed() > SAME_REQUEST {
                deadline = now;
            }
        }
    }

    fn terminate_everything(&mut self, asked: &mut bool) {
        match census::descendants(self.own) {
            Some(left) => left.iter().for_each(|member| self.terminate(member.pid)),
            None if !*asked => {
                self.signal_what_is_known(Signal::TERM);
                self.signal_what_is_known(Signal::CONT);
            }
            None => {}
        }
        *asked = true;
    }

    /// Kills everything, faster than it can fork: what is frozen does not.
    fn kill_everything(&self) {
        let mut frozen: Vec<Pid> = Vec::new();
        loop {
            let Some(left) = census::descendants(self.own) else {
                return self.signal_what_is_known(Signal::KILL);
            };
            let fresh: Vec<Pid> =
                left.iter().map(|member| member.pid).filter(|pid| !frozen.contains(pid)).collect();
            if fresh.is_empty() {
                break;
            }
            fresh.iter().for_each(|pid| drop(signals::signal_process(*pid, Signal::STOP)));
            frozen.extend(fresh);
        }
        frozen.iter().for_each(|pid| drop(signals::signal_process(*pid, Signal::KILL)));
    }

    /// Signals what can be reached where nobody can list the processes.
    fn signal_what_is_known(&self, signal: Signal) {
        if self.own == Pid(1) {
            let _ = signals::signal_everyone(signal);
        } else {
            self.groups.iter().for_each(|group| drop(signals::signal_group(*group, signal)));
        }
    }
}

/// Says on stderr what the user has to know.
fn complain(text: &str) {
    // Nobody can be told that stderr cannot be written to.
    let _ = writeln!(io::stderr(), "procman: {text}");
}

fn own_pid() -> Pid {
    // The kernel counts processes in 22 bits.
    Pid(i32::try_from(process::id()).unwrap_or_default())
}

#[cfg(all(target_os = "linux", not(procman_portable)))]
fn become_subreaper() {
    // Where the kernel refuses, orphans go to init, and the guard ends what it can see.
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Gives the guard a name of its own, so that `pkill procman` means the supervisor alone.
#[cfg(all(target_os = "linux", not(procman_portable)))]
fn set_name() {
    let _ = nix::sys::prctl::set_name(c"pm-guard");
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn become_subreaper() {}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn set_name() {}
