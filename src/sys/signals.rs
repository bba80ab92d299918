//! Signals that procman receives, each with its origin.
//!
//! Every signal that can be caught is: none may end procman by surprise, and as PID 1 one without a handler
//! would be dropped. A handler only stores what came; the loops of the guard and of the supervisor read it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use nix::sys::signal::{self, SigSet, SigmaskHow};
use nix::{libc, unistd};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;

use crate::process::{Pid, Sender, Signal};
use crate::sys::startup::Hangup;
use crate::sys::{census, wait};

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
pub struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
}

impl Signals {
    /// Catches every signal that can be caught, and lifts the block on those.
    ///
    /// Left blocked are the signals of a crash: a handler that returns from one would run for ever, and
    /// blocked they still end a process that really crashes, but not one that somebody sends them to.
    pub fn listen(hangup: Hangup) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        write.set_nonblocking(true)?;
        let caught: Vec<i32> = (1..=last_signal())
            .filter(|number| !is_left_alone(*number))
            .filter(|number| *number != libc::SIGHUP || hangup == Hangup::Heard)
            .collect();
        let delivery = SignalDelivery::with_pipe(read, write, WithOrigin::default(), &caught)?;
        unblock(&caught)?;
        Ok(Signals { delivery })
    }

    /// Returns what has come since the last call, without waiting.
    pub fn pending(&mut self) -> Vec<Received> {
        let origins = self.delivery.pending();
        origins
            .map(|origin| Received {
                signal: Signal(origin.signal),
                sender: origin.process.map_or(Sender::Kernel, |process| Sender::Process(Pid(process.pid))),
            })
            .filter(|received| !is_own_doing(*received) && !is_stop_for_good(*received))
            .collect()
    }
}

impl AsFd for Signals {
    /// Returns a descriptor that is readable when something has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Runs `work` with every signal blocked in this thread.
///
/// Between fork and exec a child still has this process's handlers; a signal that came then would be
/// taken for one of this process's own.
pub fn while_blocked<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    let mut before = SigSet::empty();
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    let result = work();
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    Ok(result)
}

/// Lets [`interrupt`] reach this thread, which has every signal blocked otherwise.
pub fn allow_interruption() -> io::Result<()> {
    unblock(&[libc::SIGCHLD])
}

/// Interrupts a write that a thread is stuck in: it returns how much it has written, if it has written anything.
///
/// The signal is one that means no more to this process than to look after its children.
pub fn interrupt<T>(thread: &JoinHandle<T>) {
    // SAFETY: a thread that has not been joined has a valid handle, even after its end.
    unsafe {
        libc::pthread_kill(thread.as_pthread_t(), libc::SIGCHLD);
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
    // SAFETY: the set is initialised by sigemptyset before it is used. nix's own type cannot hold
    // real-time signals.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        numbers.iter().for_each(|number| {
            libc::sigaddset(&raw mut set, *number);
        });
        match libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
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

/// Returns whether procman sets no handler for a signal.
fn is_left_alone(number: i32) -> bool {
    let crash = [libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS, libc::SIGTRAP, libc::SIGSYS];
    let uncatchable = [libc::SIGKILL, libc::SIGSTOP];
    // SIGPIPE is ignored by Rust's runtime, the other two by `startup`.
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
