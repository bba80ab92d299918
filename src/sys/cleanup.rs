//! Ending every descendant that is left, at any depth, whatever group or session it has escaped to.
//!
//! Works for a process that orphans come home to (a subreaper, or PID 1): then everything that was ever
//! started below it is still below it. Where there is no `/proc` to list that, the groups that are known
//! are signalled instead.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};

use crate::process::{Pid, Signal, UNKILLABLE};
use crate::sys::{census, signals};

/// How often to look again at what is left: no event tells when a grandchild forks.
const ROUND: Duration = Duration::from_millis(20);

/// What is known about the descendants of a process.
#[derive(Debug)]
pub struct Cleanup {
    own: Pid,
    /// The groups of the instances that are alive.
    groups: BTreeSet<Pid>,
    /// Who has had a SIGTERM from here.
    terminated: BTreeSet<Pid>,
}

/// What has come while waiting for descendants to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Nothing of importance.
    None,
    /// Somebody does not want to wait any longer.
    Hurry,
}

impl Cleanup {
    /// Returns the knowledge that a process has of its descendants before there are any.
    pub fn new(own: Pid) -> Self {
        Cleanup { own, groups: BTreeSet::new(), terminated: BTreeSet::new() }
    }

    /// Takes note of the group of an instance, which is signalled as a whole by somebody else.
    pub fn add_group(&mut self, leader: Pid) {
        self.groups.insert(leader);
    }

    /// Forgets a group, whose number may soon mean somebody else.
    pub fn remove_group(&mut self, leader: Pid) {
        self.groups.remove(&leader);
    }

    /// Asks those to end that are in no known group, but for `spared`; each once.
    pub fn terminate_escapees(&mut self, spared: Pid) {
        let everybody = census::descendants(self.own).unwrap_or_default();
        let escaped = everybody.iter().filter(|member| !self.groups.contains(&member.group));
        let escaped: Vec<Pid> = escaped.map(|member| member.pid).filter(|pid| *pid != spared).collect();
        escaped.into_iter().for_each(|pid| self.terminate(pid));
    }

    /// Ends everything below this process, politely until `deadline`.
    ///
    /// Fails with those that cannot be ended; with none where they cannot be listed either.
    ///
    /// `wait` waits for at most the given time, less if a child ends, and says what it has heard.
    pub fn end_descendants(
        &mut self,
        mut deadline: Instant,
        mut wait: impl FnMut(Duration) -> Interruption,
    ) -> Result<(), Vec<Pid>> {
        let mut killed_at = None;
        let mut asked = false;
        while reap() == Children::Left {
            let now = Instant::now();
            if now < deadline {
                self.terminate_everything(asked);
                asked = true;
            } else {
                self.kill_everything();
                if now > *killed_at.get_or_insert(now) + UNKILLABLE {
                    let left = census::descendants(self.own).unwrap_or_default();
                    return Err(left.iter().map(|member| member.pid).collect());
                }
            }
            let until_kill = deadline.saturating_duration_since(now);
            let pause = if until_kill.is_zero() { ROUND } else { ROUND.min(until_kill) };
            if wait(pause) == Interruption::Hurry {
                deadline = now;
            }
        }
        Ok(())
    }

    fn terminate(&mut self, pid: Pid) {
        if self.terminated.insert(pid) {
            let _ = signals::signal_process(pid, Signal::TERM);
            let _ = signals::signal_process(pid, Signal::CONT);
        }
    }

    fn terminate_everything(&mut self, asked_before: bool) {
        match census::descendants(self.own) {
            Some(left) => left.iter().for_each(|member| self.terminate(member.pid)),
            None if asked_before => {}
            None => {
                self.signal_what_is_known(Signal::TERM);
                self.signal_what_is_known(Signal::CONT);
            }
        }
    }

    /// Kills everything, faster than it can fork: what is frozen does not.
    fn kill_everything(&self) {
        let mut frozen: Vec<Pid> = Vec::new();
        loop {
            let Some(left) = census::descendants(self.own) else {
                return self.signal_what_is_known(Signal::KILL);
            };
            let left = left.iter().map(|member| member.pid);
            let fresh: Vec<Pid> = left.filter(|pid| !frozen.contains(pid)).collect();
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

/// Whether this process has any child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Children {
    Left,
    None,
}

/// Reaps every child that has ended.
fn reap() -> Children {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(nix::sys::wait::WaitStatus::StillAlive) => return Children::Left,
            Err(Errno::ECHILD) => return Children::None,
            // One was reaped, be it that nix has no name for the real-time signal that ended it.
            Ok(_) | Err(_) => {}
        }
    }
}
