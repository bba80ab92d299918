//! What procman puts right about itself before it does anything: inherited descriptors, limits, signals.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};

/// What procman was started with and its instances are to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The soft limit of open files.
    pub open_files: u64,
    /// Whether SIGHUP was ignored, as `nohup` does.
    pub hangup: Hangup,
}

/// What a terminal's hangup meant to procman when it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// It ends a process, as usual.
    Heard,
    /// It was ignored, and stays ignored.
    Ignored,
}

/// Keeps signals for later while procman still reads the user's files, if it is PID 1: to be called first.
///
/// The kernel drops a signal that PID 1 neither blocks nor handles, and a request to stop would be lost. Any other
/// process is ended by it, as its user wants.
pub fn hold_signals_as_pid_1() {
    if std::process::id() == 1 {
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    }
}

/// Lets SIGINT and SIGTERM end this process until it supervises: for one that is going to, to be called first.
///
/// A shell without job control has SIGINT ignored by what it starts in the background. Those who supervise obey it
/// nevertheless, and what is ignored before it is blocked the kernel drops: a request would be lost.
pub fn stop_ignoring_requests() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the disposition set is the default; no handler runs.
        let _ = unsafe { sigaction(signal, &default) };
    }
}

/// Prepares a process that will supervise: to be called before any thread exists and anything is opened.
///
/// - Every signal is blocked until it can be received (`Signals::listen`), so none is lost and none kills by surprise.
/// - SIGCHLD is reset: one that was ignored by procman's parent would take the exit codes away.
/// - SIGTTIN and SIGTTOU are ignored: `stty tostop` must not stop a job that only writes its log.
/// - Descriptors from 3 up that were inherited are closed on exec, so no instance sees them.
/// - The soft limit of open files is raised to the hard one: an instance needs up to two.
pub fn prepare() -> io::Result<Inherited> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: the dispositions set are the default and "ignore"; no handler runs.
    let hangup = unsafe {
        sigaction(Signal::SIGCHLD, &default)?;
        sigaction(Signal::SIGTTIN, &ignore)?;
        sigaction(Signal::SIGTTOU, &ignore)?;
        match sigaction(Signal::SIGHUP, &default)?.handler() {
            SigHandler::SigIgn => {
                sigaction(Signal::SIGHUP, &ignore)?;
                Hangup::Ignored
            }
            SigHandler::SigDfl | SigHandler::Handler(_) | SigHandler::SigAction(_) => Hangup::Heard,
        }
    };
    close_inherited_on_exec();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Where the limit cannot be raised it stays as it is, and a formation that it is too low for is refused.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    #[allow(clippy::useless_conversion, reason = "the type differs between systems")]
    Ok(Inherited { open_files: soft.into(), hangup })
}

#[cfg(all(target_os = "linux", not(procman_portable)))]
fn close_inherited_on_exec() {
    // SAFETY: the call only sets a flag on descriptors. Before Linux 5.11 it fails, and nothing is lost but
    // that junk descriptors of procman's parent are passed on.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
fn close_inherited_on_exec() {
    for descriptor in open_descriptors().into_iter().filter(|number| *number > 2) {
        // SAFETY: the call only sets a flag, and fails on a descriptor that is not open.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Lets go of what a process holds that only waits: every descriptor from 3 up but `kept`, and its directory.
///
/// Whoever waits for the end of a pipe that procman inherited, or wants to unmount, must not wait for it.
pub fn let_go_but(kept: &[BorrowedFd<'_>]) {
    let is_kept = |number: i32| number <= 2 || kept.iter().any(|kept| kept.as_raw_fd() == number);
    for descriptor in open_descriptors().into_iter().filter(|number| !is_kept(*number)) {
        // SAFETY: nothing in this process knows of any other descriptor yet.
        unsafe {
            libc::close(descriptor);
        }
    }
    let _ = std::env::set_current_dir("/");
}

fn open_descriptors() -> Vec<i32> {
    let listed = std::fs::read_dir("/dev/fd").into_iter().flatten();
    listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}
