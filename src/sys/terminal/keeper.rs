//! The two processes of `procman attach`: the child uses the terminal, and the parent puts it back.

use std::io;
use std::os::fd::AsFd;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, fork};

use crate::process::{Exit, Pid, Signal};
use crate::sys::census;
use crate::sys::signals::{self, Signals};
use crate::sys::startup::Hangup;
use crate::sys::terminal::{Custody, Notice, Notices, Saved};

const QUIT: Signal = Signal(libc::SIGQUIT);
const RESIZED: Signal = Signal(libc::SIGWINCH);

/// Does work for which the terminal is raw, and puts everything back whatever becomes of it. Returns what to exit with.
///
/// To be called with a single thread. `work` is done by a child, which makes the terminal raw itself, puts it back
/// when it is done, and returns what to exit with.
pub fn keep(work: impl FnOnce(&Saved, Notices) -> i32) -> io::Result<i32> {
    let (custody, saved, notices) = Custody::take()?;
    // What comes before anybody listens waits.
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(custody);
            // It is ended by what ends any process, for the parent puts things back. Nothing stops it for using the
            // terminal in the background: it fails instead.
            for signal in [signal::SIGTTIN, signal::SIGTTOU, signal::SIGTSTP] {
                before.add(signal);
            }
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
            std::process::exit(work(&saved, notices))
        }
        ForkResult::Parent { child } => {
            drop((work, notices));
            let child = Pid(child.as_raw());
            let signals = Signals::listen(Hangup::Heard).inspect_err(|_| {
                let _ = signals::signal_process(child, Signal::KILL);
            })?;
            Ok(Keeper { custody, signals, child }.watch())
        }
    }
}

/// The parent.
struct Keeper {
    custody: Custody,
    signals: Signals,
    child: Pid,
}

impl Keeper {
    /// Waits for the end of the child, and returns what to exit with.
    fn watch(mut self) -> i32 {
        let mut asked = None;
        loop {
            // An interruption only means to look at once.
            let mut descriptors = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            descriptors.extend(self.custody.waited().map(|line| PollFd::new(line, PollFlags::POLLIN)));
            let _ = poll(&mut descriptors, PollTimeout::NONE);
            self.custody.listen();
            for received in self.signals.pending() {
                match received.signal {
                    Signal::CONT => self.go_on(),
                    Signal::HUP | Signal::INT | Signal::TERM | QUIT => {
                        asked = asked.or(Some(received.signal));
                        let _ = signals::signal_process(self.child, Signal::TERM);
                        // A stopped process acts on it only when it is continued.
                        let _ = signals::signal_process(self.child, Signal::CONT);
                    }
                    RESIZED => self.custody.tell(Notice::Resized),
                    _ => {}
                }
            }
            let mut status = 0;
            // SAFETY: waitpid writes one int. nix's wrapper knows no real-time signals.
            let pid =
                unsafe { libc::waitpid(self.child.0, &raw mut status, libc::WNOHANG | libc::WUNTRACED) };
            match pid {
                0 => {}
                -1 => {
                    self.custody.put_back();
                    return 1;
                }
                _ if libc::WIFSTOPPED(status) => self.stop_too(),
                _ if libc::WIFEXITED(status) => return libc::WEXITSTATUS(status),
                _ => {
                    self.custody.put_back();
                    return Exit::Signal(asked.unwrap_or(Signal(libc::WTERMSIG(status)))).status();
                }
            }
        }
    }

    /// Stops with the child, so that a shell sees one job that has stopped.
    fn stop_too(&mut self) {
        // It may have been continued in the meantime; then nobody would continue this process.
        if census::process(self.child).is_none_or(|member| member.state == 'T') {
            self.custody.lay_down();
            signals::stop_self();
        }
        self.go_on();
    }

    fn go_on(&mut self) {
        self.custody.tell(Notice::Continued);
        let _ = signals::signal_process(self.child, Signal::CONT);
    }
}
