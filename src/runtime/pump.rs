//! The pump: one thread that carries what the instances write to standard output.
//!
//! It waits for all pipes and terminals at once, reads whichever have something, lets [`Merge`] make lines of it and
//! writes them in one call. Reading and writing are one thread on purpose: handing every batch to another
//! one costs more than it gains. When nobody reads standard output, the write blocks, so no pipe is read,
//! so the instances block: that is all the back-pressure there is, and it touches nobody else, for
//! supervision runs on another thread and never waits for this one.

mod commands;
mod hold;
mod journal;
mod progress;
mod stream;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod trickle;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::mpsc as notes;

use crate::output::{Access, Found, Merge, Moment, Sought, Source, StreamKey, Style};
use crate::runtime::history::History;
use crate::runtime::pump::commands::Command;
use crate::runtime::pump::journal::Journal;
use crate::runtime::pump::progress::Progress;
use crate::runtime::pump::stream::{Queued, Stream};
use crate::runtime::pump::trickle::Trickle;
use crate::runtime::sink::{Sink, Tally};
use crate::sys::child::{Output, waiting_bytes};
use crate::sys::logfile::LogFile;
use crate::sys::signals::{allow_interruption, interrupt};
use crate::sys::stdio::stdout_has_reader;

pub use crate::runtime::pump::hold::Holder;
pub use crate::runtime::pump::progress::Note;
pub use crate::runtime::pump::stream::READ;

/// A batch of this size is written although there is more to read.
const BATCH: usize = 256 * 1024;
/// How many commands are announced together. Each announcement wakes a thread, which costs more than obeying.
const TOGETHER: usize = 32;
/// How many pipes are made larger at most: the system gives a user 64 MiB for all of his pipes.
const HOT_PIPES: usize = 64;

const WAKE: Token = Token(usize::MAX);
/// Standard output, which has only one thing to tell: that its reader has gone.
const OUTPUT: Token = Token(usize::MAX - 1);

/// The pump, as seen from the supervision's thread. No call waits.
///
/// What it is told may stay unseen until [`Pump::announce`].
#[derive(Debug)]
pub struct Pump {
    commands: Sender<Command>,
    /// How many commands the thread may not have seen.
    unannounced: usize,
    waker: Arc<Waker>,
    tally: Arc<Tally>,
    /// The pipes and terminals that the pump may not have emptied yet.
    outputs: Vec<Weak<Output>>,
    thread: JoinHandle<()>,
}

impl Pump {
    /// Starts the thread. `system` is the source of procman's own lines, `log_file` what standard output is if procman
    /// has opened it. What is shown is recorded in `history`, which is closed when the pump has drained.
    pub fn start(
        style: Style,
        system: Source,
        history: History,
        log_file: Option<LogFile>,
    ) -> io::Result<(Pump, notes::UnboundedReceiver<Note>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        if stdout_has_reader() {
            // That a reader goes away is told whatever one is interested in, and nothing can be read there.
            // Where that cannot be waited for, the next write tells.
            let output = io::stdout().as_raw_fd();
            let _ = poll.registry().register(&mut SourceFd(&output), OUTPUT, Interest::READABLE);
        }
        let (commands, inbox) = mpsc::channel();
        let (notes, reports) = notes::unbounded_channel();
        let tally = Arc::new(Tally::default());
        let began = Instant::now();
        let now = moment(began);
        let journal = Journal::new(history, &system);
        let merge = Merge::new(style, system, now);
        let sink = Sink::new(Arc::clone(&tally), notes.clone(), log_file);
        let worker = Worker {
            poll,
            inbox,
            notes,
            merge,
            journal,
            began,
            now,
            commands: VecDeque::new(),
            streams: BTreeMap::new(),
            ready: VecDeque::new(),
            buffer: vec![0; READ],
            sink,
            tally: Arc::clone(&tally),
            hot_pipes: 0,
            largest_read: 0,
        };
        let thread = thread::Builder::new().name("pump".to_owned()).spawn(move || worker.run())?;
        Ok((Pump { commands, unannounced: 0, waker, tally, outputs: Vec::new(), thread }, reports))
    }

    /// Shows what comes out of `output` as lines of `source`, behind the line `first`. When what is sought is found there,
    /// it tells so once.
    pub fn open(
        &mut self,
        key: StreamKey,
        source: Source,
        output: Output,
        sought: Option<Sought>,
        first: String,
    ) {
        let output = Arc::new(output);
        // Before the list grows, those leave it that are gone.
        if self.outputs.len() == self.outputs.capacity() {
            self.outputs.retain(|output| output.strong_count() > 0);
        }
        self.outputs.push(Arc::downgrade(&output));
        self.send(Command::Open { key, source, output, sought, first });
    }

    /// Forgets an instance of which nothing is alive, after what it has written and the line `last`.
    pub fn close(&mut self, key: StreamKey, last: String) {
        self.send(Command::Close { key, last });
    }

    /// Returns what others hold output back with.
    pub fn holder(&self) -> Holder {
        Holder::new(self.commands.clone(), Arc::clone(&self.waker))
    }

    /// Shows a line of procman's own.
    pub fn say(&mut self, line: String) {
        self.send(Command::Say(line));
    }

    /// Asks for [`Note::Drained`] when all of the above has been written.
    pub fn drain(&mut self) {
        self.send(Command::Drain);
    }

    /// Returns how many bytes of the instances have not reached standard output by now.
    pub fn missing(&self) -> usize {
        // A write that is stuck may have written some of its bytes, and tells only when it is interrupted.
        let before = self.tally.missing();
        if before > 0 {
            interrupt(&self.thread);
            self.tally.wait_while(before);
        }
        let outputs = || self.outputs.iter().filter_map(Weak::upgrade);
        let waiting = || outputs().map(|output| waiting_bytes(&*output)).sum::<usize>();
        let count = || waiting() + self.tally.missing();
        self.tally.at_rest(count)
    }

    /// Lets the thread see what it was told.
    pub fn announce(&mut self) {
        if std::mem::take(&mut self.unannounced) > 0 {
            let _ = self.waker.wake();
        }
    }

    fn send(&mut self, command: Command) {
        // The thread ends after `Drain` only, and then nobody expects an answer.
        let _ = self.commands.send(command);
        self.unannounced += 1;
        if self.unannounced >= TOGETHER {
            self.announce();
        }
    }
}

struct Worker {
    poll: Poll,
    inbox: Receiver<Command>,
    notes: notes::UnboundedSender<Note>,
    merge: Merge,
    journal: Journal,
    began: Instant,
    /// When the turn began.
    now: Moment,
    commands: VecDeque<Command>,
    streams: BTreeMap<StreamKey, Stream>,
    /// Streams whose pipe may have something, in the order of their turns.
    ready: VecDeque<StreamKey>,
    buffer: Vec<u8>,
    sink: Sink,
    tally: Arc<Tally>,
    hot_pipes: usize,
    /// The most that has been read at once in this turn.
    largest_read: usize,
}

impl Worker {
    fn run(mut self) {
        // Where this fails, a write that is stuck counts as a whole.
        let _ = allow_interruption();
        let mut events = Events::with_capacity(256);
        let mut progress = Progress::Idle;
        let mut trickle = Trickle::default();
        while progress != Progress::Done {
            if let Some(pause) = trickle.pause() {
                thread::sleep(pause);
            }
            let before = self.began.elapsed();
            let timeout = self.timeout(progress);
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Without its pipes the pump is of no use, and a formation without output is stopped.
                    let _ = self.notes.send(Note::Failed(error));
                    let _ = self.notes.send(Note::Closed);
                    self.journal.end();
                    return;
                }
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    OUTPUT if event.is_write_closed() || event.is_error() => self.sink.close(),
                    OUTPUT => {}
                    Token(key) => self.queue(StreamKey(key)),
                }
            }
            self.tally.go_on();
            let now = moment(self.began);
            self.largest_read = 0;
            progress = self.turn(now);
            trickle.note(now.time.saturating_sub(before), self.largest_read);
            self.tally.rest(self.held());
        }
        self.journal.end();
        // Who hears it counts what is missing, and waits until the pump rests.
        let _ = self.notes.send(Note::Drained);
    }

    fn timeout(&mut self, progress: Progress) -> Option<Duration> {
        let until = match progress {
            Progress::Busy | Progress::Done => return Some(Duration::ZERO),
            Progress::Waiting(until) => {
                self.merge.next_deadline().map_or(Some(until), |at| Some(at.min(until)))
            }
            Progress::Idle => self.merge.next_deadline(),
        };
        // A millisecond is the unit of the call: rounding down would mean waking for nothing.
        until.map(|until| until.saturating_sub(self.began.elapsed()) + Duration::from_millis(1))
    }

    /// Does everything once that can be done now.
    fn turn(&mut self, now: Moment) -> Progress {
        self.now = now;
        self.merge.set_time(now);
        self.commands.extend(self.inbox.try_iter());
        let obeyed = self.obey();
        if obeyed == Progress::Done {
            self.write();
            self.sink.put_terminal_back();
            return Progress::Done;
        }
        let read = self.read_ready();
        let line_has_ended = self.merge.turn_ends().is_none();
        self.write();
        match obeyed.and(read) {
            Progress::Waiting(_) if line_has_ended => Progress::Busy,
            progress @ (Progress::Idle | Progress::Busy | Progress::Waiting(_) | Progress::Done) => progress,
        }
    }

    fn queue(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key)
            && stream.queued == Queued::No
        {
            stream.queued = Queued::Yes;
            self.ready.push_back(key);
        }
    }

    /// Reads once from every stream that is ready and may write, and shows what has paused.
    fn read_ready(&mut self) -> Progress {
        let mut progress = Progress::Idle;
        let mut refused = 0;
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            // What is only recorded waits for nobody's line.
            if !self.journal.is_held(Some(key))
                && let Access::Later(until) = self.merge.access(Some(key))
            {
                self.ready.push_back(key);
                refused += 1;
                if progress == Progress::Idle {
                    progress = Progress::Waiting(until);
                }
                continue;
            }
            if let Some(stream) = self.streams.get_mut(&key) {
                stream.queued = Queued::No;
            }
            if self.read_some(key, READ) == READ {
                self.queue(key);
                progress = Progress::Busy;
            }
            self.write_if_large();
        }
        // Of those who wait the pipe may hold the rest of a line that seems to have paused.
        if refused == 0 && self.read_what_is_due() == Progress::Busy {
            progress = Progress::Busy;
        }
        progress
    }

    /// Shows lines that have paused: those whose pipe is empty now, for after a stuck write every beginning that
    /// is held looks old.
    fn read_what_is_due(&mut self) -> Progress {
        let mut progress = Progress::Idle;
        for key in self.merge.due() {
            let granted = self.merge.access(Some(key)) == Access::Granted;
            match if granted { self.read_some(key, READ) } else { continue } {
                0 => self.look_paused(key),
                READ => {
                    self.queue(key);
                    progress = Progress::Busy;
                }
                _ => {}
            }
            self.write_if_large();
        }
        self.merge.show_paused();
        progress
    }

    /// Reads exactly what is in a pipe now: what processes wrote that have ended is not beyond that, and what
    /// one that has escaped still writes has no end.
    fn read_what_waits(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get(&key) else { return };
        let mut left = stream.waiting();
        while left > 0 {
            match self.read_some(key, left.min(READ)) {
                0 => break,
                length => left -= length.min(left),
            }
            self.write_if_large();
        }
        self.take_rest(key);
    }

    /// Reads at most `most` bytes and returns how many came; less than asked means that no more is there.
    fn read_some(&mut self, key: StreamKey, most: usize) -> usize {
        let Some(stream) = self.streams.get_mut(&key) else { return 0 };
        let length = stream.read(&mut self.buffer[..most]);
        if stream.look(&self.buffer[..length]) == Found::Yes {
            let _ = self.notes.send(Note::Found(key));
        }
        if stream.is_hot() && self.hot_pipes < HOT_PIPES {
            self.hot_pipes += 1;
            stream.grow();
        }
        self.largest_read = self.largest_read.max(length);
        self.take(key, length);
        length
    }

    fn look_paused(&mut self, key: StreamKey) {
        if self.streams.get_mut(&key).map(Stream::look_paused) == Some(Found::Yes) {
            let _ = self.notes.send(Note::Found(key));
        }
    }

    fn write_if_large(&mut self) {
        if self.merge.batch().len() >= BATCH {
            self.write();
        }
    }

    fn write(&mut self) {
        if !self.merge.batch().is_empty() {
            self.sink.write(self.merge.batch(), self.held());
            self.merge.clear_batch();
        }
    }
}

fn moment(began: Instant) -> Moment {
    Moment { time: began.elapsed(), wall: Timestamp::now() }
}
