//! Signals that procman receives, each with its origin.
//!
//! Every signal that can be caught is: none may end procman by surprise, and as PID 1 one that is neither blocked
//! nor handled would be dropped. The loops of the guard and of the supervisor read what came.
//!
//! On Linux signals stay blocked and are read from a signalfd: one system call, where a handler costs one for each
//! of some fifty signals. Elsewhere signal-hook's handlers store what came.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, sigaction};
use nix::{libc, unistd};

use crate::process::{Pid, Sender, Signal};
use crate::sys::ready::Left;
use crate::sys::startup::Hangup;
use crate::sys::{census, wait};

use delivery::Delivery;

/// One signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which signal.
    pub signal: Signal,
    /// Who sent it.
    pub sender: Sender,
}

/// The signals of this process, from [`Signals::listen`] on.
#[derive(Debug)]
pub struct Signals(Delivery);

impl Signals {
    /// Receives every signal that can be caught. To be called with all signals blocked.
    ///
    /// The signals of a crash are not received and stay blocked: blocked they still end a process that really
    /// crashes, but not one that somebody sends them to. A handler that returns from one would run for ever.
    pub fn listen(hangup: Hangup) -> io::Result<Self> {
        let caught: Vec<i32> = (1..=last_signal())
            .filter(|number| !is_left_alone(*number))
            .filter(|number| *number != libc::SIGHUP || hangup == Hangup::Heard)
            .collect();
        Delivery::of(&caught).map(Signals)
    }

    /// Returns what has come since the last call, without waiting. Where much comes, some is left for the next call.
    pub fn pending(&mut self) -> Vec<Received> {
        let mut pending = self.0.pending();
        pending.retain(|received| !is_own_doing(*received) && !is_stop_for_good(*received));
        coalesced(pending)
    }

    /// Waits until something has come, and returns it.
    pub fn wait(&mut self) -> Vec<Received> {
        loop {
            let pending = self.pending();
            if !pending.is_empty() {
                return pending;
            }
            let _ = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
        }
    }

    /// Returns whether the last call has left something.
    pub fn left(&self) -> Left {
        self.0.left()
    }
}

/// Returns signals without those that the kernel would have merged, had nobody looked in between: a classic signal
/// comes once, and a real-time signal not more often than anybody counts.
pub fn coalesced(received: Vec<Received>) -> Vec<Received> {
    const REAL_TIME: usize = 32;
    let mut counts: BTreeMap<(Signal, Option<Pid>), usize> = BTreeMap::new();
    let mut received = received;
    received.retain(|Received { signal, sender }| {
        let sender = match sender {
            Sender::Kernel => None,
            Sender::Process(pid) => Some(*pid),
        };
        let count = counts.entry((*signal, sender)).or_default();
        *count += 1;
        *count <= if signal.0 < first_real_time() { 1 } else { REAL_TIME }
    });
    received
}

impl AsFd for Signals {
    /// Returns a descriptor that is readable when something has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Signals from a signalfd(2), which stay blocked.
#[cfg(all(target_os = "linux", not(procman_portable)))]
mod delivery {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd};

    use nix::libc;
    use nix::sys::signalfd::{SfdFlags, SignalFd};

    use crate::process::{Pid, Sender, Signal};
    use crate::sys::ready::Left;
    use crate::sys::signals::{Received, set_of};

    /// How many signals are read in one call: somebody may send them faster than they are read.
    const MOST: usize = 256;

    #[derive(Debug)]
    pub struct Delivery {
        descriptor: SignalFd,
        left: Left,
    }

    impl Delivery {
        pub fn of(caught: &[i32]) -> io::Result<Self> {
            let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
            let descriptor = SignalFd::with_flags(&set_of(caught), flags)?;
            Ok(Delivery { descriptor, left: Left::Nothing })
        }

        pub fn pending(&mut self) -> Vec<Received> {
            // An error, of which the manual names none for a valid descriptor, is as good as nothing to read.
            let read = || self.descriptor.read_signal().ok().flatten();
            let pending: Vec<_> = std::iter::from_fn(read).take(MOST).map(|info| received(&info)).collect();
            self.left = if pending.len() == MOST { Left::Something } else { Left::Nothing };
            pending
        }

        pub fn left(&self) -> Left {
            self.left
        }
    }

    impl AsFd for Delivery {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.descriptor.as_fd()
        }
    }

    fn received(info: &libc::signalfd_siginfo) -> Received {
        // Only these come from a process that wanted to send them: sigaction(2).
        let sender = match info.ssi_code {
            libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL | libc::SI_MESGQ => {
                Sender::Process(Pid(info.ssi_pid.cast_signed()))
            }
            _ => Sender::Kernel,
        };
        Received { signal: Signal(info.ssi_signo.cast_signed()), sender }
    }
}

/// Signals from handlers, as POSIX has them.
#[cfg(not(all(target_os = "linux", not(procman_portable))))]
mod delivery {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::net::UnixStream;

    use signal_hook::iterator::backend::SignalDelivery;
    use signal_hook::iterator::exfiltrator::WithOrigin;

    use crate::process::{Pid, Sender, Signal};
    use crate::sys::ready::Left;
    use crate::sys::signals::{Received, unblock};

    #[derive(Debug)]
    pub struct Delivery(SignalDelivery<UnixStream, WithOrigin>);

    impl Delivery {
        pub fn of(caught: &[i32]) -> io::Result<Self> {
            let (read, write) = UnixStream::pair()?;
            write.set_nonblocking(true)?;
            let delivery = SignalDelivery::with_pipe(read, write, WithOrigin::default(), caught)?;
            unblock(caught)?;
            Ok(Delivery(delivery))
        }

        pub fn pending(&mut self) -> Vec<Received> {
            let sender = |pid| Sender::Process(Pid(pid));
            let origins = self.0.pending().map(|origin| Received {
                signal: Signal(origin.signal),
                sender: origin.process.map_or(Sender::Kernel, |process| sender(process.pid)),
            });
            origins.collect()
        }

        /// The handlers merge what nobody has looked at.
        #[expect(clippy::unused_self, reason = "the other way needs it")]
        pub fn left(&self) -> Left {
            Left::Nothing
        }
    }

    impl AsFd for Delivery {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.get_read().as_fd()
        }
    }
}

/// Runs `work` with every signal blocked in this thread.
///
/// Between fork and exec a child still has this process's handlers, on Linux just that of [`interrupt`]; a signal
/// that came then would be taken for one of this process's own, or end the child before it is in its group.
pub fn while_blocked<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let mut before = SigSet::empty();
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    let result = work();
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    Ok(result)
}

/// The signal of [`interrupt`]. Nobody else means anything by it: procman never reads the terminal.
const INTERRUPTION: signal::Signal = signal::Signal::SIGTTIN;

/// Lets [`interrupt`] reach this thread, which has every signal blocked otherwise.
pub fn allow_interruption() -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(INTERRUPTION, &action) }?;
    unblock(&[INTERRUPTION as i32])
}

/// Interrupts a write that a thread is stuck in: it returns how much it has written, if it has written anything.
pub fn interrupt<T>(thread: &JoinHandle<T>) {
    // SAFETY: a thread that has not been joined has a valid handle, even after its end.
    unsafe {
        libc::pthread_kill(thread.as_pthread_t(), INTERRUPTION as i32);
    }
}

/// Sends a signal to a process group, and to its leader where that has joined another group. One that is gone
/// already is a success.
pub fn signal_group(leader: Pid, signal: Signal) -> io::Result<()> {
    let sent = send(-leader.0, signal);
    // Until it is reaped its number means nobody else.
    let is_elsewhere = unistd::getpgid(Some(unistd::Pid::from_raw(leader.0)))
        .is_ok_and(|group| group.as_raw() != leader.0 && wait::is_child(leader));
    if is_elsewhere { sent.and(send(leader.0, signal)) } else { sent }
}

/// Sends a signal to a process. One that is gone already is a success.
pub fn signal_process(pid: Pid, signal: Signal) -> io::Result<()> {
    send(pid.0, signal)
}

/// Sends a signal to every process that this one may signal, but for itself and the system's init.
///
/// For PID 1 only: it then reaches exactly its own pid namespace.
pub fn signal_everyone(signal: Signal) -> io::Result<()> {
    send(-1, signal)
}

/// Returns whether any process, a zombie too, is in the group.
pub fn group_exists(leader: Pid) -> bool {
    ask_group(leader).is_none_or(|error| error == libc::EPERM)
}

/// Returns whether the group exists, and nobody in it may be signalled.
pub fn group_refuses(leader: Pid) -> bool {
    ask_group(leader) == Some(libc::EPERM)
}

/// Returns the error of a signal to the group, if there would be one.
fn ask_group(leader: Pid) -> Option<i32> {
    // SAFETY: signal 0 only asks.
    match unsafe { libc::kill(-leader.0, 0) } {
        0 => None,
        _ => io::Error::last_os_error().raw_os_error(),
    }
}

/// Stops this process until somebody continues it.
pub fn stop_self() {
    let _ = signal_process(Pid(unistd::getpid().as_raw()), Signal::STOP);
}

fn send(target: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: kill has no memory to get wrong. nix's wrapper knows no real-time signals.
    if unsafe { libc::kill(target, signal.0) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

fn unblock(numbers: &[i32]) -> io::Result<()> {
    Ok(signal::pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&set_of(numbers)), None)?)
}

/// Returns a set of signals. nix's own way to make one knows no real-time signals.
fn set_of(numbers: &[i32]) -> SigSet {
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        numbers.iter().for_each(|number| {
            libc::sigaddset(&raw mut set, *number);
        });
        SigSet::from_sigset_t_unchecked(set)
    }
}

/// Returns whether a signal only says that this process has met its own limit of file sizes. The kernel sends it
/// in the writer's name, and the write tells too; the instances, which it would end, have nothing to do with it.
fn is_own_doing(received: Received) -> bool {
    received.signal == Signal(libc::SIGXFSZ)
        && received.sender == Sender::Process(Pid(unistd::getpid().as_raw()))
}

/// Returns whether a signal is the terminal's stop key where no shell would continue this process, as under
/// `ssh -t host procman start`. The kernel discards such a stop unless it is caught, as here.
fn is_stop_for_good(received: Received) -> bool {
    received.signal == Signal::TSTP && received.sender == Sender::Kernel && census::own_group_is_orphaned()
}

/// Returns whether a signal is not received.
fn is_left_alone(number: i32) -> bool {
    let crash = [libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP, libc::SIGSYS];
    let uncatchable = [libc::SIGKILL, libc::SIGSTOP];
    // SIGPIPE is ignored by Rust's runtime, the other two by `startup`; of these SIGTTIN means something to the
    // thread that `interrupt` is for.
    let ignored = [libc::SIGPIPE, libc::SIGTTIN, libc::SIGTTOU];
    crash.contains(&number)
        || uncatchable.contains(&number)
        || ignored.contains(&number)
        // The C library's own, between the classic signals and the real-time ones.
        || (number > 31 && number < first_real_time())
}

#[cfg(target_os = "linux")]
fn last_signal() -> i32 {
    libc::SIGRTMAX()
}

#[cfg(target_os = "linux")]
fn first_real_time() -> i32 {
    libc::SIGRTMIN()
}

#[cfg(not(target_os = "linux"))]
fn last_signal() -> i32 {
    31
}

#[cfg(not(target_os = "linux"))]
fn first_real_time() -> i32 {
    32
}
