//! Standard output as the pump's sink: batches go in, and what could not be written is counted.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memchr::{memchr, memrchr};
use tokio::sync::mpsc::UnboundedSender;

use crate::runtime::pump::Note;
use crate::sys::child::grow_pipe;
use crate::sys::logfile::LogFile;
use crate::sys::stdio::write_stdout;
use crate::sys::terminal::{self, Hold, Watch};

/// A size of batches for which the pipe that standard output may be is made larger.
struct Step {
    /// From which size on a batch counts.
    batch: usize,
    /// What the pipe is to hold then.
    pipe: i32,
}

/// Whatever else is written waits behind what the pipe holds. So the most that it may hold without privileges is for
/// batches that only several writers fill together.
const STEPS: [Step; 2] =
    [Step { batch: 64 * 1024, pipe: 256 * 1024 }, Step { batch: 256 * 1024, pipe: 1024 * 1024 }];
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
    /// How often the pump has come to rest or gone on: even while it rests, in a write too, for then the counts hold.
    moves: AtomicUsize,
}

impl Tally {
    /// Returns how many bytes have not been written by now.
    pub fn missing(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed) + self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until another number is missing, a moment at most.
    pub fn wait_while(&self, missing: usize) {
        poll(|| (self.missing() != missing).then_some(()));
    }

    /// Returns what is counted while the pump rests: else bytes may be in its hands.
    pub fn at_rest(&self, count: impl Fn() -> usize) -> usize {
        let exact = poll(|| {
            let before = self.moves.load(Ordering::Acquire);
            let counted = count();
            (before.is_multiple_of(2) && self.moves.load(Ordering::Acquire) == before).then_some(counted)
        });
        exact.unwrap_or_else(count)
    }

    /// Says that the pump rests, with so many bytes in hand.
    pub fn rest(&self, unwritten: usize) {
        self.unwritten.store(unwritten, Ordering::Relaxed);
        self.moves.fetch_add(1, Ordering::AcqRel);
    }

    /// Says that the pump goes on.
    pub fn go_on(&self) {
        self.moves.fetch_add(1, Ordering::AcqRel);
    }
}

/// Asks again and again, for some milliseconds, until there is an answer.
fn poll<T>(answer: impl Fn() -> Option<T>) -> Option<T> {
    const PATIENCE: u32 = 20;
    (0..PATIENCE).find_map(|_| {
        let answer = answer();
        if answer.is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        answer
    })
}

/// Standard output, whatever it is.
#[derive(Debug)]
pub struct Sink {
    state: State,
    failure: Failure,
    /// Where what has been written ends.
    written: Cursor,
    /// Where what has been dropped since then ends.
    dropped: Option<Cursor>,
    /// How many bytes have been read that wait behind the batch.
    held: usize,
    large_batches: [u32; STEPS.len()],
    /// The file that standard output is, if procman has opened one.
    log_file: Option<LogFile>,
    /// Over the terminal that standard output is, if it understands sequences.
    watch: Option<Watch>,
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

/// Where bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    /// Behind a newline, or where nothing is.
    LineStart,
    /// Anywhere else.
    WithinLine,
}

/// Whether a failure is news: each new attempt may fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Unheard,
    Reported,
}

impl Sink {
    /// Returns the sink; what is wrong with it is told to `notes`. `log_file` is what standard output is, if that is
    /// procman's to begin anew.
    pub fn new(tally: Arc<Tally>, notes: UnboundedSender<Note>, log_file: Option<LogFile>) -> Self {
        Sink {
            state: State::Open,
            failure: Failure::Unheard,
            written: Cursor::LineStart,
            dropped: None,
            held: 0,
            large_batches: [0; STEPS.len()],
            log_file,
            watch: terminal::understands_sequences().then(Watch::begin),
            tally,
            notes,
        }
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
        self.look(batch);
        let mut rest = batch;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(self.fitting(rest));
            self.write_piece(piece, held + later.len());
            rest = later;
        }
    }

    /// Looks for what is about to happen to the terminal. Whoever has to put it back if this process cannot has to know.
    fn look(&mut self, batch: &[u8]) {
        let Some(watch) = &mut self.watch else { return };
        let before = watch.hold();
        watch.take(batch);
        if watch.hold() != before {
            let _ = self.notes.send(Note::Terminal(watch.hold()));
        }
    }

    /// Undoes what has happened to the terminal. Nothing is to be written afterwards.
    pub fn put_terminal_back(&mut self) {
        if let Some(Hold::Taken(screen)) = self.watch.take().map(|watch| watch.hold()) {
            let reset = terminal::reset(screen);
            if self.write_all(reset.as_bytes()).is_empty() {
                let _ = self.notes.send(Note::Terminal(Hold::Free));
            }
        }
    }

    /// Returns how much of a batch goes into one log file: whole lines, as many as it has room for, or one that is
    /// larger than any file may be.
    fn fitting(&self, batch: &[u8]) -> usize {
        let Some(log_file) = self.log_file.as_ref().filter(|log_file| log_file.room() < batch.len()) else {
            return batch.len();
        };
        let lines = |most: usize| memrchr(b'\n', batch.get(..most).unwrap_or(batch)).map(|at| at + 1);
        let anew = match self.written {
            Cursor::LineStart => lines(log_file.most()),
            Cursor::WithinLine => None,
        };
        let line = || memchr(b'\n', batch).map_or(batch.len(), |at| at + 1);
        lines(log_file.room()).or(anew).unwrap_or_else(line)
    }

    fn write_piece(&mut self, batch: &[u8], held: usize) {
        self.held = held;
        self.note_size(batch.len());
        if let State::Failing(until) = self.state
            && until <= Instant::now()
        {
            self.state = State::Open;
        }
        // What is dropped takes no room.
        if self.state == State::Open {
            self.make_room(batch.len());
        }
        let batch = match (self.state, self.dropped) {
            (State::Open, Some(dropped)) => self.resume(dropped, batch),
            (State::Open, None) | (State::Closed | State::Failing(_), _) => batch,
        };
        let rest = self.write_all(batch);
        match self.state {
            State::Open if batch.is_empty() => {}
            State::Open => self.failure = Failure::Unheard,
            State::Closed | State::Failing(_) => self.give_up(rest),
        }
    }

    /// Goes on behind a gap: a line that was torn is ended, and the rest of one whose beginning was dropped is
    /// dropped too, so that no line is made of parts of two. Returns what is to be written.
    fn resume<'a>(&mut self, dropped: Cursor, batch: &'a [u8]) -> &'a [u8] {
        let start = match dropped {
            Cursor::LineStart => 0,
            Cursor::WithinLine => {
                batch.iter().position(|byte| *byte == b'\n').map_or(batch.len(), |at| at + 1)
            }
        };
        let (torn, rest) = batch.split_at(start);
        self.give_up(torn);
        if self.written == Cursor::WithinLine && !rest.is_empty() {
            self.write_all(b"\n");
        }
        if self.state == State::Open && !rest.is_empty() {
            self.dropped = None;
        }
        rest
    }

    /// Writes until everything is written or something is wrong, and returns what is left.
    fn write_all<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while self.state == State::Open && !rest.is_empty() {
            self.tally.rest(rest.len() + self.held);
            let written = write_stdout(rest);
            self.tally.go_on();
            match written {
                Ok(written) => {
                    let (taken, left) = rest.split_at(written.min(rest.len()));
                    self.written = Cursor::after(taken).unwrap_or(self.written);
                    rest = left;
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
        rest
    }

    /// Drops bytes. Where nobody reads, nobody misses them.
    fn give_up(&mut self, bytes: &[u8]) {
        self.dropped = Cursor::after(bytes).or(self.dropped);
        if self.state != State::Closed {
            self.tally.dropped.fetch_add(bytes.len(), Ordering::Relaxed);
        }
    }

    /// Begins the log file anew before it becomes too large, but in no line.
    fn make_room(&mut self, size: usize) {
        let Some(log_file) = &mut self.log_file else { return };
        match self.written {
            Cursor::WithinLine => log_file.grow(size),
            Cursor::LineStart => {
                if let Err(error) = log_file.make_room(size) {
                    let _ = self.notes.send(Note::TooLarge(error));
                }
            }
        }
    }

    /// Makes the pipe that standard output may be larger when it has to take a lot.
    fn note_size(&mut self, size: usize) {
        for (Step { batch, pipe }, seen) in STEPS.into_iter().zip(&mut self.large_batches) {
            if size >= batch && *seen < HOT {
                *seen += 1;
                if *seen == HOT {
                    grow_pipe(&io::stdout(), pipe);
                }
            }
        }
    }
}

impl Cursor {
    /// Returns where bytes end; `None` if there are none.
    fn after(bytes: &[u8]) -> Option<Cursor> {
        bytes.last().map(|&byte| if byte == b'\n' { Cursor::LineStart } else { Cursor::WithinLine })
    }
}
