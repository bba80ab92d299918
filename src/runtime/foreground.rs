//! The client that has the terminal first: `start --attach`.
//!
//! It is procman's own, on a thread of its own. Nothing else is shown as long as it has the terminal, and the end of the
//! formation waits until it has given that back.

use std::fmt;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::runtime::pump::Holder;

/// How long the last output waits for the client. It has been told of the end by then, and has little to do.
const FAREWELL: Duration = Duration::from_millis(300);

/// What to do with the terminal. It speaks the language of clients.
pub struct Foreground(Box<dyn FnOnce(UnixStream) + Send>);

impl Foreground {
    /// Returns what to do with the terminal, and a stream to the control thread. It returns when the terminal is as it
    /// was before.
    pub fn new(work: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        Foreground(Box::new(work))
    }
}

impl fmt::Debug for Foreground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Foreground")
    }
}

/// Holds all output back for as long as it is there.
#[derive(Debug)]
struct Held(Holder);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release_all();
    }
}

/// A client that waits for its instance. Output is held back already.
#[derive(Debug)]
pub struct Reserved {
    foreground: Foreground,
    held: Held,
    _left: oneshot::Sender<()>,
}

impl Reserved {
    /// Lets it begin, and returns the control thread's end of its stream.
    pub fn begin(self) -> io::Result<UnixStream> {
        let (own, served) = UnixStream::pair()?;
        thread::Builder::new().name("attached".to_owned()).spawn(move || {
            let Reserved { foreground, held, _left } = self;
            (foreground.0)(own);
            // In this order: what was held is shown before what comes of its having left.
            drop(held);
        })?;
        Ok(served)
    }
}

/// Who has the terminal.
#[derive(Debug)]
pub enum Stage {
    /// Nobody: lines are shown.
    Free,
    /// The client, until this is closed. Then everything may be written for the last time, if that is due.
    Taken { left: oneshot::Receiver<()>, drain: Drain },
}

/// Whether everything is to be written for the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// There is more to come.
    No,
    /// It is, at the latest at this time.
    By(Instant),
}

impl Stage {
    /// Returns who has the terminal, and the client that waits if there is one.
    pub fn new(foreground: Option<Foreground>, holder: Holder) -> (Stage, Option<Reserved>) {
        let Some(foreground) = foreground else { return (Stage::Free, None) };
        let (sender, left) = oneshot::channel();
        holder.hold_all();
        let reserved = Reserved { foreground, held: Held(holder), _left: sender };
        (Stage::Taken { left, drain: Drain::No }, Some(reserved))
    }

    /// Waits until the client has left, and returns whether everything is to be written for the last time now. May be
    /// dropped while it waits.
    pub async fn left(&mut self) -> Drain {
        match self {
            Stage::Free => pending().await,
            Stage::Taken { left, drain } => {
                let _ = left.await;
                let drain = *drain;
                *self = Stage::Free;
                drain
            }
        }
    }

    /// Returns whether everything may be written for the last time; else it may be once the client has left.
    pub fn may_drain(&mut self) -> bool {
        match self {
            Stage::Free => true,
            Stage::Taken { drain, .. } => {
                *drain = Drain::By(Instant::now() + FAREWELL);
                false
            }
        }
    }

    /// Returns when not to wait for the client any longer.
    pub fn drain_by(&self) -> Option<Instant> {
        match self {
            Stage::Free | Stage::Taken { drain: Drain::No, .. } => None,
            Stage::Taken { drain: Drain::By(at), .. } => Some(*at),
        }
    }
}
