//! The client that has the terminal first: `start --attach`.
//!
//! It is procman's own, on a thread of its own, and has the terminal from when its instance is started. Nothing else is
//! shown as long as it has that, and the end of the formation waits until it has given it back.

use std::fmt;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::formation::InstanceId;
use crate::runtime::pump::Holder;

/// How long the last output waits for the client. It has been told of the end by then, and has little to do.
const FAREWELL: Duration = Duration::from_millis(300);

/// What to do with the terminal. It speaks the language of clients.
pub struct Foreground {
    instance: InstanceId,
    work: Box<dyn FnOnce(UnixStream) + Send>,
}

impl Foreground {
    /// Returns what to do with the terminal, and a stream to the control thread, once an instance has been started. It
    /// returns when the terminal is as it was before.
    pub fn new(instance: InstanceId, work: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        Foreground { instance, work: Box::new(work) }
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

/// A client's place on the stage. In this order: what was held is shown before what comes of its having left.
#[derive(Debug)]
struct Place {
    _held: Held,
    _left: oneshot::Sender<()>,
}

/// A client that waits for its instance.
#[derive(Debug)]
pub struct Reserved {
    foreground: Foreground,
    holder: Holder,
    place: Option<Place>,
    door: Option<oneshot::Sender<UnixStream>>,
}

impl Reserved {
    /// Returns what it waits for.
    pub fn instance(&self) -> &InstanceId {
        &self.foreground.instance
    }

    /// Returns where the control thread's end of its stream comes out.
    pub fn door(&mut self) -> oneshot::Receiver<UnixStream> {
        let (door, opens) = oneshot::channel();
        self.door = Some(door);
        opens
    }

    /// Leaves the stage to the lines as long as its instance is not there. Returns whether it had it.
    pub fn stand_back(&mut self) -> bool {
        self.place.take().is_some()
    }

    /// Lets it begin, and returns who has the terminal then, if that is another than before.
    pub fn begin(self) -> io::Result<Option<Stage>> {
        let Reserved { foreground, holder, place, door } = self;
        let (own, served) = UnixStream::pair()?;
        let (place, stage) = match place {
            Some(place) => (place, None),
            None => {
                let (place, stage) = enter(holder);
                (place, Some(stage))
            }
        };
        thread::Builder::new().name("attached".to_owned()).spawn(move || {
            (foreground.work)(own);
            drop(place);
        })?;
        if let Some(door) = door {
            let _ = door.send(served);
        }
        Ok(stage)
    }
}

/// Holds all output back for a client.
fn enter(holder: Holder) -> (Place, Stage) {
    let (sender, left) = oneshot::channel();
    holder.hold_all();
    (Place { _held: Held(holder), _left: sender }, Stage::Taken { left, drain: Drain::No })
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
        let (place, stage) = enter(holder.clone());
        (stage, Some(Reserved { foreground, holder, place: Some(place), door: None }))
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
