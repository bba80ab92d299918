//! Whoever reads procman's output: steadily, slowly, with stalls, or not to its end.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::ChildStdout;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::check::Checker;
use crate::round::Reader;

/// Reads procman's output until its end, or until it is told to leave.
pub fn read(
    mut stdout: ChildStdout,
    reader: Reader,
    mut checker: Checker,
    leave: &AtomicBool,
    to: &Sender<Checker>,
) {
    let size = if let Reader::Slow { bytes, .. } = reader { bytes } else { 64 * 1024 };
    let mut buffer = vec![0; size];
    let mut unstalled = 0;
    while !leave.load(Ordering::Relaxed) {
        let mut descriptors = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        if poll(&mut descriptors, PollTimeout::from(50_u8)) == Ok(0) {
            continue;
        }
        let Ok(length) = stdout.read(&mut buffer) else { continue };
        if length == 0 {
            break;
        }
        checker.feed(&buffer[..length]);
        unstalled += length;
        match reader {
            Reader::Steady => {}
            Reader::Slow { pause, .. } => thread::sleep(pause),
            Reader::Stalls { every, pause } if unstalled > every => {
                unstalled = 0;
                thread::sleep(pause);
            }
            Reader::Stalls { .. } => {}
        }
    }
    drop(stdout);
    let _ = to.send(checker);
}
