//! What the pump is told: instances come and go, procman has something to say, output is held back.

use std::sync::Arc;

use mio::Token;

use crate::output::{Access, Sought, Source, StreamKey};
use crate::runtime::pump::Worker;
use crate::runtime::pump::journal::Whose;
use crate::runtime::pump::progress::Progress;
use crate::runtime::pump::stream::Stream;
use crate::sys::child::Output;

#[derive(Debug)]
pub(super) enum Command {
    /// Show a line about a new instance, then what it writes, and look for something there.
    Open { key: StreamKey, source: Source, output: Arc<Output>, sought: Option<Sought>, first: String },
    /// Nothing of the instance is alive: write what is left, then a line about its end, and forget it.
    Close { key: StreamKey, last: String },
    /// Show a line of procman's own.
    Say(String),
    /// Record what these write, and do not show it.
    Hold(Whose),
    /// Show it again, and what has been recorded.
    Release(Whose),
    /// Report when everything above has been written.
    Drain,
}

impl Worker {
    /// Obeys commands in their order, as long as nobody's line is flowing.
    pub(super) fn obey(&mut self) -> Progress {
        while let Some(command) = self.commands.pop_front() {
            let key = match &command {
                Command::Open { key, .. } | Command::Close { key, .. } => Some(*key),
                Command::Hold(whose) | Command::Release(whose) => self.journal.first_of(whose),
                Command::Say(_) | Command::Drain => None,
            };
            if let Access::Later(until) = self.merge.access(key) {
                self.commands.push_front(command);
                return Progress::Waiting(until);
            }
            match command {
                Command::Open { key, source, output, sought, first } => {
                    self.open(key, source, Stream::new(output, sought), &first);
                }
                Command::Close { key, last } => self.close(key, &last),
                Command::Say(line) => self.stage().say(None, &line),
                Command::Hold(whose) => self.stage().hold(whose),
                Command::Release(whose) => self.release(&whose),
                Command::Drain => {
                    self.drain();
                    return Progress::Done;
                }
            }
            self.write_if_large();
        }
        Progress::Idle
    }

    fn open(&mut self, key: StreamKey, source: Source, stream: Stream, first: &str) {
        self.journal.open(key, &source);
        self.merge.open(key, source);
        self.stage().say(Some(key), first);
        if let Err(error) = stream.register(self.poll.registry(), Token(key.0)) {
            self.stage().say(Some(key), &format!("its output cannot be read: {error}"));
        }
        self.streams.insert(key, stream);
    }

    /// Reads no more of an instance but for what its escapees say until the end, as much as its pipe holds: they have
    /// a reader as long as procman lives.
    fn close(&mut self, key: StreamKey, last: &str) {
        self.read_what_waits(key);
        self.stage().say_end(key, last);
        self.journal.close(key);
        let Some(stream) = self.streams.get(&key) else { return };
        self.hot_pipes -= usize::from(stream.is_grown());
        if stream.has_writer() {
            stream.deregister(self.poll.registry());
        } else {
            // With its descriptor goes its registration.
            self.forget(key);
        }
        self.ready.retain(|ready| *ready != key);
    }

    fn forget(&mut self, key: StreamKey) {
        self.journal.forget(key).into_iter().for_each(|key| self.merge.close(key));
        self.streams.remove(&key);
    }

    /// Shows what is held back, and what escapees have said since their instances were closed.
    fn drain(&mut self) {
        self.release_all();
        for key in self.streams.keys().copied().collect::<Vec<_>>() {
            self.read_what_waits(key);
            self.forget(key);
        }
    }
}
