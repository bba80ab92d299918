//! Going into the background: the process that the user started stays until it is known how that went.
//!
//! [`detach`] forks once, before any thread exists. The child has a session of its own, without a terminal, and goes on;
//! the parent waits for [`Starter::release`] or for the child's end, whichever comes first.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};

use crate::process::{Exit, Pid};
use crate::sys::wait;

/// Which of the two processes this one is, once they are two.
#[derive(Debug)]
pub enum Side {
    /// The parent: it runs in the background, with this process id.
    Starter(Pid),
    /// The parent: it has ended already, like this.
    Ended(Exit),
    /// The child, which is to say when it runs.
    Background(Starter),
}

/// The process that waits for the news.
#[derive(Debug)]
pub struct Starter(PipeWriter);

/// What the starter is told.
const RUNS: &[u8] = b"runs";

/// Splits this process in two. The child's standard input is `/dev/null`, and its output too unless it is given
/// `output`; its standard error stays until [`Starter::release`], for what may be wrong.
///
/// To be called with a single thread.
pub fn detach(output: Option<File>) -> io::Result<Side> {
    let (reader, writer) = io::pipe()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: there is one thread, so the child may do whatever the parent may.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            setsid()?;
            dup2_stdin(&null)?;
            match output {
                Some(file) => dup2_stdout(file)?,
                None => dup2_stdout(&null)?,
            }
            Ok(Side::Background(Starter(writer)))
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let child = Pid(child.as_raw());
            Ok(if is_told(reader) { Side::Starter(child) } else { Side::Ended(wait::reap(child)) })
        }
    }
}

impl Starter {
    /// Tells the starter that everything runs, and lets go of its standard error in this process. To the guard that has
    /// to be said before.
    pub fn release(mut self) {
        leave_stderr();
        // A starter that has been killed in the meantime need not know.
        let _ = self.0.write_all(RUNS);
    }
}

/// Lets go of the starter's standard error, which somebody may read to its end: what there is still to be said goes where
/// the output goes.
pub fn leave_stderr() {
    let _ = dup2_stderr(io::stdout());
}

/// Waits until the child has told that it runs, or has ended.
fn is_told(mut reader: PipeReader) -> bool {
    let mut told = Vec::new();
    reader.read_to_end(&mut told).is_ok() && told == RUNS
}
