//! Holding output back: while somebody is attached to an instance, what it writes is recorded and not shown.
//!
//! What was held is shown when it is released, with the times at which it came, as far as the record still has it; and
//! in any case before the pump has drained. On a terminal nothing of it is shown again but text and colours: what it
//! has done to another screen must not be done to this one.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use mio::Waker;

use crate::output::{Merge, Moment, StreamKey};
use crate::runtime::pump::journal::{Journal, Part, What, Whose};
use crate::runtime::pump::stream::Stream;
use crate::runtime::pump::{Command, Worker};

/// Holds output back, from whatever thread. No call waits. Each hold takes one release.
#[derive(Clone, Debug)]
pub struct Holder {
    commands: Sender<Command>,
    waker: Arc<Waker>,
}

impl Holder {
    pub(super) fn new(commands: Sender<Command>, waker: Arc<Waker>) -> Self {
        Holder { commands, waker }
    }

    /// Shows nothing more of the instance with this name, until it is released, or started again and released.
    pub fn hold(&self, name: &str) {
        self.send(Command::Hold(Whose::Instance(name.to_owned())));
    }

    /// Takes one [`Holder::hold`] back.
    pub fn release(&self, name: &str) {
        self.send(Command::Release(Whose::Instance(name.to_owned())));
    }

    /// Shows nothing more at all.
    pub fn hold_all(&self) {
        self.send(Command::Hold(Whose::All));
    }

    /// Takes one [`Holder::hold_all`] back.
    pub fn release_all(&self) {
        self.send(Command::Release(Whose::All));
    }

    /// Shows a line of procman's own.
    pub fn say(&self, line: String) {
        self.send(Command::Say(line));
    }

    fn send(&self, command: Command) {
        // The thread ends when it has drained, and then everything is shown.
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

/// What is recorded and what is shown, at one time.
pub(super) struct Stage<'a> {
    pub journal: &'a mut Journal,
    pub merge: &'a mut Merge,
    pub now: Moment,
}

/// Whether there may be more to show of what was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Some,
    None,
}

impl Stage<'_> {
    /// Takes bytes of a stream, the first of a buffer.
    pub(super) fn take(&mut self, key: StreamKey, buffer: &mut Vec<u8>, length: usize) {
        if !self.journal.is_held(Some(key)) {
            self.merge.feed(key, &buffer[..length]);
        }
        self.journal.add_bytes(key, buffer, length, self.now.wall);
    }

    fn take_part(&mut self, key: StreamKey, part: &[u8]) {
        if !part.is_empty() {
            self.take(key, &mut part.to_vec(), part.len());
        }
    }

    /// Says something about a stream, or of procman's own.
    pub(super) fn say(self, key: Option<StreamKey>, text: &str) {
        self.journal.say(key, text, self.now.wall);
        if !self.journal.is_held(key) {
            show(self.merge, key, text);
        }
    }

    /// Says how the instance of a stream has ended.
    pub(super) fn say_end(self, key: StreamKey, text: &str) {
        self.journal.say_end(key, text, self.now.wall);
        if !self.journal.is_held(Some(key)) {
            show(self.merge, Some(key), text);
        }
    }

    /// Holds output back from now on.
    pub(super) fn hold(self, whose: Whose) {
        // What has come before is before it on the screen.
        for key in self.journal.hold(whose) {
            self.merge.show_unfinished(key);
        }
    }

    /// Shows some of what was held and is not any more.
    pub(super) fn show_held(self) -> Rest {
        let Some(Part { key, time, what }) = self.journal.next_part() else {
            self.merge.set_time(self.now);
            return Rest::None;
        };
        if let Some(wall) = time {
            self.merge.set_time(Moment { wall, ..self.now });
        }
        match (what, key) {
            (What::Bytes(bytes), Some(key)) if self.merge.is_for_terminal() => {
                let plain = self.journal.plain(key, bytes);
                self.merge.feed(key, &plain);
            }
            (What::Bytes(bytes), Some(key)) => self.merge.feed(key, &bytes),
            (What::Said(lines), key) => lines.lines().for_each(|line| show(self.merge, key, line)),
            (What::Lost(name, bytes), key) => {
                key.into_iter().for_each(|key| self.merge.end_line(key));
                self.merge.say_system(&format!("{name}: {bytes} bytes written while attached are gone"));
            }
            (What::End, Some(key)) => self.merge.close(key),
            (What::Bytes(_) | What::End, None) | (What::Nothing, _) => {}
        }
        Rest::Some
    }
}

impl Worker {
    pub(super) fn stage(&mut self) -> Stage<'_> {
        Stage { journal: &mut self.journal, merge: &mut self.merge, now: self.now }
    }

    /// Takes one hold back.
    pub(super) fn release(&mut self, whose: &Whose) {
        self.journal.release(whose);
        self.show_held();
    }

    /// Takes all holds back.
    pub(super) fn release_all(&mut self) {
        self.journal.release_all();
        self.show_held();
    }

    /// Shows what was held and is not held any more.
    fn show_held(&mut self) {
        while self.stage().show_held() == Rest::Some {
            self.write_if_large();
        }
    }

    /// Returns how many bytes wait to be shown.
    pub(super) fn held(&self) -> usize {
        self.merge.held() + self.journal.held()
    }

    /// Takes what has been read of a stream.
    pub(super) fn take(&mut self, key: StreamKey, length: usize) {
        let Worker { journal, merge, now, buffer, streams, .. } = self;
        let mut stage = Stage { journal, merge, now: *now };
        match streams.get_mut(&key).and_then(|stream| stream.meant(&mut buffer[..length])) {
            None => stage.take(key, buffer, length),
            // Of a terminal little comes at once, so a copy is no matter.
            Some(parts) => parts.into_iter().for_each(|part| stage.take_part(key, part)),
        }
    }

    /// Takes what has been kept of a stream of which nothing follows.
    pub(super) fn take_rest(&mut self, key: StreamKey) {
        let rest = self.streams.get_mut(&key).map(Stream::rest);
        self.stage().take_part(key, rest.unwrap_or_default());
    }
}

fn show(merge: &mut Merge, key: Option<StreamKey>, text: &str) {
    match key {
        Some(key) => merge.say(key, text),
        None => merge.say_system(text),
    }
}
