//! Lives through a round: does to procman what was drawn, waits for its end, and holds that against the contract.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCONT, SIGTERM, SIGTSTP};

use crate::check::{Checker, Complete};
use crate::figures::Figures;
use crate::round::{Ending, Event, OnTerm, Pace, Place, Reader};
use crate::running::{Fault, LIMIT, Running};
use crate::watch;
use crate::writer::read_ledger;

/// Those that signal-hook does not name, for they cannot be caught.
const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

impl Running<'_> {
    /// Lives through the round. `spared` is a child of this process that belongs to somebody else.
    pub fn live(mut self, spared: i32) -> Result<Figures, String> {
        let outcome = self.get_ready().and_then(|()| self.suffer()).and_then(|()| self.end(spared));
        self.conclude(outcome)
    }

    /// Waits until procman's two processes run and, in a calm round, every instance is ready, or procman has
    /// ended.
    pub fn get_ready(&mut self) -> Result<(), Fault> {
        let pid = self.pid();
        let first_child = |parent: i32| watch::children(parent).first().map(|child| child.pid);
        self.guard = match self.round.place {
            Place::Here => Some(pid),
            Place::Init => self.wait_for("PID 1", || first_child(pid))?,
        };
        let Some(guard) = self.guard else { return Ok(()) };
        self.supervisor = self.wait_for("the supervisor", || first_child(guard))?;
        if self.round.pace == Pace::Hurried {
            return Ok(());
        }
        let (root, round) = (self.directory.path().to_owned(), self.round);
        let is_ready = || round.roles.keys().all(|name| read_ledger(&root, name).is_some());
        self.wait_for("every instance is ready", || is_ready().then_some(()))?;
        Ok(())
    }

    /// Does what was drawn to happen, up to what ends the round.
    fn suffer(&mut self) -> Result<(), Fault> {
        for (pause, event) in &self.round.events {
            self.sleep(*pause)?;
            self.happen(*event)?;
        }
        self.sleep(self.round.pause)?;
        match &self.round.ending {
            Ending::Asked(signal) | Ending::CrashAndAsked(_, signal) => self.signal(self.guard, *signal)?,
            Ending::Forced(signal) => {
                // How far apart procman sees two requests is not for us to say, so it is told until it hears.
                while !self.has_ended()? && self.began.elapsed() < LIMIT {
                    self.signal(self.guard, *signal)?;
                    self.sleep(Duration::from_millis(700))?;
                }
            }
            Ending::Crash(_) => {}
            Ending::KillInstance(name) => {
                let mark = self.mark.clone();
                let writer = self.wait_for("the writer", || watch::writer(&mark, name))?;
                self.kill(writer)?;
            }
            Ending::KillSupervisor => self.kill(self.supervisor)?,
            Ending::KillGuard => self.kill(self.guard)?,
            Ending::ReaderLeaves => self.leave.store(true, Ordering::Relaxed),
        }
        Ok(())
    }

    fn kill(&mut self, pid: Option<i32>) -> Result<(), Fault> {
        self.figures.kills += 1;
        self.signal(pid, SIGKILL)
    }

    /// Lets something happen to procman that does not end it.
    pub fn happen(&mut self, event: Event) -> Result<(), Fault> {
        let (guard, supervisor) = (self.guard, self.supervisor);
        let (victim, signal, length) = match event {
            Event::PassedOn(signal) => {
                self.passed_on += 1;
                return self.signal(guard, signal);
            }
            Event::FreezeGuard(length) => (guard, SIGSTOP, length),
            Event::FreezeSupervisor(length) => (supervisor, SIGSTOP, length),
            Event::Suspend(length) => (guard, SIGTSTP, length),
        };
        let is_stopped = |pid: Option<i32>| watch::process(pid?).map(|process| process.state == 'T');
        self.signal(victim, signal)?;
        if self.round.place == Place::Here {
            // Whichever is stopped first, in the end it is the guard too.
            self.wait_for("the guard stops", || is_stopped(guard)?.then_some(()))?;
        }
        self.sleep(length)?;
        self.signal(guard, SIGCONT)?;
        // Of one that has ended meanwhile there is nothing to wait for.
        self.wait_for("the supervisor goes on", || (is_stopped(supervisor) != Some(true)).then_some(()))?;
        Ok(())
    }

    /// Waits for procman's end and checks all that has been promised about it.
    pub fn end(&mut self, spared: i32) -> Result<(), Fault> {
        self.wait_for("the end", || None::<()>)?;
        let status = self.child.wait()?;
        let status = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        self.note(&format!("procman has ended with {status}"));
        self.look_for_what_is_left(spared)?;

        let nobody_closes = |_| Fault::Wrong("somebody holds procman's output open".to_owned());
        let mut checker = self.output.recv_timeout(LIMIT).map_err(nobody_closes)?;
        self.stderr = self.errors.recv_timeout(LIMIT).map_err(nobody_closes)?;
        let checked = self.check(status, &mut checker);
        self.tail = std::mem::take(&mut checker.tail);
        checked.map_err(Fault::Wrong)
    }

    /// Finds what procman has left: a living process, or one that came to us because nobody waited for it.
    fn look_for_what_is_left(&mut self, spared: i32) -> Result<(), Fault> {
        let since = Instant::now();
        loop {
            let ours = watch::children(own_pid()).into_iter().filter(|child| child.pid != spared);
            let left: Vec<_> = ours.chain(watch::marked(&self.mark)).collect();
            if left.is_empty() {
                return Ok(());
            }
            // Without its guard, the supervisor comes to us, and is not gone at once.
            if !matches!(self.round.ending, Ending::KillGuard) || since.elapsed() > LIMIT {
                let left: Vec<String> = left.iter().map(ToString::to_string).collect();
                return Err(Fault::Wrong(format!("left behind: {}", left.join(", "))));
            }
            for zombie in left.iter().filter(|process| process.is_zombie()) {
                let _ = waitpid(Pid::from_raw(zombie.pid), Some(WaitPidFlag::WNOHANG));
            }
            self.pause()?;
        }
    }

    /// Checks status, standard error and output.
    fn check(&mut self, status: i32, checker: &mut Checker) -> Result<(), String> {
        let round = self.round;
        let cut = self.stderr.contains("bytes of output could not be written");
        let as_init = round.place == Place::Init;
        let complete = match &round.ending {
            Ending::KillSupervisor | Ending::ReaderLeaves => Complete::No,
            _ if cut => Complete::No,
            Ending::Asked(_)
            | Ending::Forced(_)
            | Ending::Crash(_)
            | Ending::CrashAndAsked(..)
            | Ending::KillInstance(_)
            | Ending::KillGuard => Complete::Yes,
        };
        checker.finish(self.directory.path(), complete)?;
        if !round.statuses().contains(&status) {
            return Err(format!("exit status {status} instead of {:?}", round.statuses()));
        }
        let is_crash = matches!(round.ending, Ending::Crash(_) | Ending::CrashAndAsked(..));
        if let Some(decided) = checker.deciding_status()
            && is_crash
            && decided != status
        {
            return Err(format!("exit status {status}, but the end that was said to stop it was {decided}"));
        }
        let is_expected = |line: &&str| {
            line.contains("bytes of output could not be written")
                || (line.contains("killed by SIGKILL") && matches!(round.ending, Ending::KillSupervisor))
        };
        if let Some(line) = self.stderr.lines().find(|line| !is_expected(line)) {
            return Err(format!("unexpected on standard error: {line}"));
        }
        self.check_signals(checker)?;
        let forced = matches!(round.ending, Ending::Forced(_));
        let steady = matches!(round.reader, Reader::Steady);
        self.figures = Figures {
            rounds: 1,
            as_init: u64::from(as_init),
            instances: checker.started() as u64,
            lines: checker.lines,
            bytes: checker.bytes,
            cut: u64::from(cut),
            cut_although_read: u64::from(cut && steady && !forced),
            ..self.figures
        };
        Ok(())
    }

    /// Checks that a signal was passed on to those who could not miss it, and to nobody twice.
    fn check_signals(&self, checker: &Checker) -> Result<(), String> {
        for (name, role) in &self.round.roles {
            let Some((_, heard)) = read_ledger(self.directory.path(), name) else { continue };
            // What comes after a SIGTERM may come too late. SIGTERM itself is looked at last.
            let lived = matches!(self.round.ending, Ending::Asked(SIGTERM))
                && matches!(role.on_term, OnTerm::SayBye(_))
                && checker.end_of(name) == Some("exited with code 0");
            let least = u64::from(self.passed_on > 0 && lived);
            if !(least..=self.passed_on).contains(&heard) {
                return Err(format!("{name} heard {heard} of {} signals", self.passed_on));
            }
        }
        Ok(())
    }
}

/// Returns this process.
pub fn own_pid() -> i32 {
    std::process::id().cast_signed()
}
