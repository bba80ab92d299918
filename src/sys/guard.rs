//! The guard: the process that the user starts, and that outlives everything procman starts.
//!
//! [`split`] forks once, before any thread exists. The child becomes the supervisor. The parent, the guard,
//! passes signals on to it, stops and continues with it, and when it is gone, however it went, ends every
//! descendant that is left and leaves with its status. It does nothing else, so that there is nothing it
//! could fail in.
//!
//! Both are subreapers: an orphan comes home to the supervisor while that is alive, and to the guard
//! afterwards. So whichever of the two is killed, the other still has everything below it.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{ForkResult, fork};

use crate::process::{Exit, Pid, SAME_REQUEST, Signal};
use crate::sys::census;
use crate::sys::cleanup::{Cleanup, Interruption};
use crate::sys::daemon;
use crate::sys::link::{FromSupervisor, Link, Peer};
use crate::sys::service_manager::ServiceManager;
use crate::sys::signals::{self, Received, Signals};
use crate::sys::startup::{self, Hangup};
use crate::sys::stdio::write_stderr_unless_stuck;
use crate::sys::terminal::{self, Custody, Hold, Notice};
use crate::sys::wait::exit_of;

/// Which of the two processes this one is, once they are two.
#[derive(Debug)]
pub enum Side {
    /// The child, with the guard and its line to it.
    Supervisor(Pid, Link),
    /// The parent, after everything has ended: what procman exits with.
    Guard(i32),
}

/// Splits this process in two.
///
/// To be called with all signals blocked (`startup::prepare`) and a single thread. Returns at once in the
/// child; in the parent when all is over. `grace` is how long descendants get between SIGTERM and SIGKILL
/// if the supervisor has not said until when. The guard has custody of a terminal that the supervisor is going to use,
/// and tells the service manager what the supervisor announces.
pub fn split(
    grace: Duration,
    hangup: Hangup,
    custody: Option<Custody>,
    manager: Option<ServiceManager>,
) -> io::Result<Side> {
    become_subreaper();
    let guard = census::own_pid();
    let (guard_end, supervisor_end) = Link::pair()?;
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(custody);
            // A child does not inherit this from its parent.
            become_subreaper();
            outlive_guard();
            Ok(Side::Supervisor(guard, supervisor_end))
        }
        ForkResult::Parent { child } => {
            drop(supervisor_end);
            set_name();
            let terminal = custody.as_ref().map(Custody::descriptor);
            startup::let_go_but(
                &[Some(guard_end.as_fd()), terminal].into_iter().flatten().collect::<Vec<_>>(),
            );
            let lines = Lines { link: Some(guard_end), custody, manager };
            Ok(Side::Guard(keep_guard(Ward::Supervisor, lines, Pid(child.as_raw()), hangup, grace)?))
        }
    }
}

/// Guards a single command that leads its own process group, as PID 1 has to: passes signals on to the
/// group, reaps orphans, and when the command has ended ends the rest. Returns what to exit with.
pub fn accompany(command: Pid, grace: Duration, hangup: Hangup) -> io::Result<i32> {
    let lines = Lines { link: None, custody: None, manager: None };
    keep_guard(Ward::Command, lines, command, hangup, grace)
}

/// Does in the supervisor what a guard that is gone can do no more: ends everything below it, with as much
/// patience as a guard has. Fails with what could not be ended.
pub fn stand_in(deadline: Instant, mut signals: Signals) -> Result<(), Vec<Pid>> {
    let began = Instant::now();
    Cleanup::new(census::own_pid()).end_descendants(deadline, |pause| {
        wait(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], Some(Instant::now() + pause));
        interruption(&mut signals, began)
    })
}

/// Says which processes could not be ended. None can be named where they could not even be listed, and what could
/// not be found may not have been asked.
pub fn name_unkillable(unkillable: &[Pid]) {
    let names: Vec<String> = unkillable.iter().map(Pid::to_string).collect();
    write_stderr_unless_stuck(&if names.is_empty() {
        "procman: processes are still running that cannot be found without /proc".to_owned()
    } else {
        format!("procman: cannot be killed, still running: process {}", names.join(", "))
    });
}

/// What a guard has beside signals.
struct Lines {
    link: Option<Link>,
    custody: Option<Custody>,
    manager: Option<ServiceManager>,
}

fn keep_guard(kind: Ward, lines: Lines, ward: Pid, hangup: Hangup, grace: Duration) -> io::Result<i32> {
    let Lines { link, custody, manager } = lines;
    let signals = Signals::listen(hangup).inspect_err(|_| {
        // A supervisor without a guard keeps no promise.
        let _ = signals::signal_process(ward, Signal::KILL);
    })?;
    let cleanup = Cleanup::new(census::own_pid());
    let terminal = Hold::Free;
    Ok(Guard { kind, link, custody, terminal, manager, signals, ward, grace, stop: None, cleanup }.watch())
}

struct Guard {
    kind: Ward,
    /// The line to the supervisor, until that closes it. A single command has none.
    link: Option<Link>,
    /// Of the terminal, if the supervisor uses that.
    custody: Option<Custody>,
    /// What instances have made of the terminal that their lines are shown on.
    terminal: Hold,
    /// Who has started procman, and wants to know how it is.
    manager: Option<ServiceManager>,
    signals: Signals,
    /// The supervisor, or the command.
    ward: Pid,
    grace: Duration,
    /// When everything must be gone, and when escapees are asked to end although the supervisor still works.
    stop: Option<Stop>,
    cleanup: Cleanup,
}

#[derive(Clone, Copy)]
struct Stop {
    deadline: Instant,
    escapees_at: Instant,
}

/// What a guard guards.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ward {
    /// A supervisor, which is told of signals.
    Supervisor,
    /// A single command, whose group gets the signals themselves.
    Command,
}

/// What waiting for children has shown.
enum Reaped {
    /// The ward runs.
    Nothing,
    /// The ward has ended.
    Ward(Exit),
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
                Reaped::Ward(exit) => break exit,
                // Somebody else has waited for the supervisor, which cannot be: it ended.
                Reaped::NoChild => break Exit::Code(1),
            }
            self.terminate_escapees_in_time();
        };
        // The last words of the supervisor may say until when what is left may take.
        self.listen();
        self.custody.iter_mut().for_each(Custody::put_back);
        // The supervisor has, unless it was killed or could not write any more.
        terminal::put_back(self.terminal);
        if let Exit::Signal(signal) = exit
            && self.kind == Ward::Supervisor
        {
            write_stderr_unless_stuck(&format!(
                "procman: the supervisor was killed by {signal}, ending what it has left"
            ));
        }
        let Err(unkillable) = self.end_descendants() else { return exit.status() };
        name_unkillable(&unkillable);
        exit.status().max(1)
    }

    fn pass_on(&mut self, received: Received) {
        match (self.kind, received.signal) {
            (_, Signal::CHLD) => {}
            (Ward::Command, signal) => {
                let _ = signals::signal_group(self.ward, signal);
                if is_request(signal) {
                    // A stopped process acts on it only when it is continued.
                    let _ = signals::signal_group(self.ward, Signal::CONT);
                }
            }
            // Whoever continues the guard means procman.
            (Ward::Supervisor, Signal::CONT) => {
                self.custody.iter_mut().for_each(|custody| custody.tell(Notice::Continued));
                let _ = signals::signal_process(self.ward, Signal::CONT);
            }
            // Without a line it is about to end.
            (Ward::Supervisor, signal) => {
                if signal == Signal::WINCH {
                    self.custody.iter_mut().for_each(|custody| custody.tell(Notice::Resized));
                }
                self.link.iter_mut().for_each(|link| link.tell_supervisor(received));
            }
        }
    }

    fn listen(&mut self) {
        self.custody.iter_mut().for_each(Custody::listen);
        let Some(link) = &mut self.link else { return };
        let (messages, peer) = link.hear_supervisor();
        if peer == Peer::Gone {
            self.link = None;
        }
        for message in messages {
            match message {
                FromSupervisor::GroupStarted(leader) => self.cleanup.add_group(leader),
                FromSupervisor::GroupEnded(leader) => self.cleanup.remove_group(leader),
                FromSupervisor::TerminateEscapees => self.cleanup.terminate_escapees(self.ward),
                FromSupervisor::LeaveStderr => daemon::leave_stderr(),
                FromSupervisor::Terminal(hold) => self.terminal = hold,
                FromSupervisor::Announce(news) => {
                    self.manager.iter_mut().for_each(|manager| manager.tell(news));
                }
                FromSupervisor::StopWithin(milliseconds) => {
                    let (now, within) = (Instant::now(), Duration::from_millis(milliseconds.into()));
                    self.stop = Some(Stop { deadline: now + within, escapees_at: now + within / 2 });
                }
            }
        }
    }

    /// Waits for every child that has ended, and stops when the supervisor has stopped.
    fn reap(&mut self) -> Reaped {
        loop {
            let mut status = 0;
            // SAFETY: waitpid writes one int. nix's wrapper knows no real-time signals.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
            match pid {
                0 => return Reaped::Nothing,
                -1 if Errno::last() == Errno::ECHILD => return Reaped::NoChild,
                _ if pid != self.ward.0 => {}
                _ if libc::WIFSTOPPED(status) => self.stop_too(),
                _ => return Reaped::Ward(exit_of(status)),
            }
        }
    }

    /// Stops with the supervisor, so that a shell sees one job that has stopped.
    fn stop_too(&mut self) {
        // The kernel does not stop PID 1, and there is no shell that would continue its job: a supervisor that
        // stood still would obey no request any more. A command may have its own reasons.
        if census::own_pid() == Pid(1) {
            if self.kind == Ward::Supervisor {
                let _ = signals::signal_process(self.ward, Signal::CONT);
            }
            return;
        }
        // It may have been continued in the meantime; then nobody would continue the guard.
        if census::process(self.ward).is_none_or(|member| member.state == 'T') {
            self.custody.iter_mut().for_each(Custody::lay_down);
            terminal::put_back(self.terminal);
            signals::stop_self();
            terminal::take_again(self.terminal);
            self.custody.iter_mut().for_each(|custody| custody.tell(Notice::Continued));
        }
        let _ = signals::signal_process(self.ward, Signal::CONT);
    }

    /// Sleeps until a signal, a message or `until`.
    fn wait(&mut self, until: Option<Instant>) {
        let mut descriptors = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if let Some(link) = &self.link {
            let mut interest = PollFlags::POLLIN;
            interest.set(PollFlags::POLLOUT, link.has_unsent());
            descriptors.push(PollFd::new(link.as_fd(), interest));
        }
        let line = self.custody.as_ref().and_then(Custody::waited);
        descriptors.extend(line.map(|line| PollFd::new(line, PollFlags::POLLIN)));
        wait(&mut descriptors, until);
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
        self.cleanup.terminate_escapees(self.ward);
    }

    /// Ends everything below this process; fails with what cannot be ended.
    fn end_descendants(mut self) -> Result<(), Vec<Pid>> {
        // Whoever still holds the other end has nothing to say.
        (self.link, self.custody) = (None, None);
        let began = Instant::now();
        let deadline = self.stop.map_or(began + self.grace, |stop| stop.deadline);
        let mut cleanup = std::mem::replace(&mut self.cleanup, Cleanup::new(census::own_pid()));
        cleanup.end_descendants(deadline, |pause| {
            self.wait(Some(Instant::now() + pause));
            interruption(&mut self.signals, began)
        })
    }
}

#[cfg(all(target_os = "linux", not(procman_portable)))]
fn become_subreaper() {
    // Where the kernel refuses, orphans go to init, and the guard ends what it can see.
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// Lets the supervisor be continued when the guard dies: standing still, it could not see that.
///
/// If the guard is gone already, that has not kept the supervisor from running.
#[cfg(all(target_os = "linux", not(procman_portable)))]
fn outlive_guard() {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGCONT);
}

/// Gives the guard a name of its own, so that `pkill procman` means the supervisor alone.
#[cfg(all(target_os = "linux", not(procman_portable)))]
fn set_name() {
    let _ = nix::sys::prctl::set_name(c"pm-guard");
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn become_subreaper() {}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn outlive_guard() {}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn set_name() {}

fn is_request(signal: Signal) -> bool {
    matches!(signal, Signal::HUP | Signal::INT | Signal::TERM)
}

/// Sleeps until one of the descriptors has something, or `until`.
fn wait(descriptors: &mut [PollFd<'_>], until: Option<Instant>) {
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        let left = until.saturating_duration_since(Instant::now());
        // Rounded up: waking too early would mean waking again.
        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    });
    // An interruption only means to look at once.
    let _ = poll(descriptors, timeout);
}

/// Returns whether a request has come that is not the one from before the cleaning up, which `began` then.
fn interruption(signals: &mut Signals, began: Instant) -> Interruption {
    let asked = signals.pending().iter().any(|received| is_request(received.signal));
    if asked && began.elapsed() > SAME_REQUEST { Interruption::Hurry } else { Interruption::None }
}
