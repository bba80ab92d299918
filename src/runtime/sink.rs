//! Standard output as the pump's sink: batches go in, and what could not be written is counted.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::runtime::pump::Note;
use crate::sys::child::grow_pipe;
use crate::sys::stdio::write_stdout;

/// What the pipe that standard output may be holds when batches are large: the most without privileges.
const HOT_PIPE: i32 = 1024 * 1024;
/// From which size a batch is large.
const LARGE: usize = 256 * 1024;
/// How many large batches make the pipe hot.
const HOT: u32 = 8;
/// How long a standard output that failed is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Bytes that have not reached standard output.
#[derive(Debug, Default)]
pub struct Tally {
    /// Those of the batch that is being written, and of lines whose end waits behind it.
    unwritten: AtomicUsize,
    /// Those that were given up because standard output failed.
    dropped: AtomicUsize,
}

impl Tally {
    /// Returns how many bytes have not been written by now.
    pub fn missing(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed) + self.dropped.load(Ordering::Relaxed)
    }
}

/// Standard output, whatever it is.
#[derive(Debug)]
pub struct Sink {
    state: State,
    failure: Failure,
    large_batches: u32,
    tally: Arc<Tally>,
    notes: UnboundedSender<Note>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Nobody reads it: whatever comes is dropped.
    Closed,
    /// It failed: whatever comes before this time is dropped.
    Failing(Instant),
}

/// Whether a failure is news: each new attempt may fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Unheard,
    Reported,
}

impl Sink {
    /// Returns the sink; what is wrong with it is told to `notes`.
    pub fn new(tally: Arc<Tally>, notes: UnboundedSender<Note>) -> Self {
        Sink { state: State::Open, failure: Failure::Unheard, large_batches: 0, tally, notes }
    }

    /// Takes the news that nobody reads standard output any more.
    pub fn close(&mut self) {
        if self.state != State::Closed {
            self.state = State::Closed;
            let _ = self.notes.send(Note::Closed);
        }
    }

    /// Writes a batch, however long the reader takes. `held` more bytes have been read, and wait for it.
    pub fn write(&mut self, batch: &[u8], held: usize) {
        self.note_size(batch.len());
        if let State::Failing(until) = self.state
            && until <= Instant::now()
        {
            self.state = State::Open;
        }
        let mut rest = batch;
        while self.state == State::Open && !rest.is_empty() {
            self.tally.unwritten.store(rest.len() + held, Ordering::Relaxed);
            match write_stdout(rest) {
                Ok(written) => {
                    rest = rest.get(written..).unwrap_or_default();
                    self.failure = Failure::Unheard;
                }
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    self.close();
                }
                Err(error) => {
                    self.state = State::Failing(Instant::now() + RETRY);
                    if self.failure == Failure::Unheard {
                        self.failure = Failure::Reported;
                        let _ = self.notes.send(Note::Failed(error));
                    }
                }
            }
        }
        if matches!(self.state, State::Failing(_)) {
            self.tally.dropped.fetch_add(rest.len(), Ordering::Relaxed);
        }
        self.tally.unwritten.store(0, Ordering::Relaxed);
    }

    /// Makes the pipe that standard output may be larger when it has to take a lot.
    fn note_size(&mut self, size: usize) {
        if size >= LARGE && self.large_batches < HOT {
            self.large_batches += 1;
            if self.large_batches == HOT {
                grow_pipe(&io::stdout(), HOT_PIPE);
            }
        }
    }
}
