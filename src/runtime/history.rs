//! What the instances have written lately: one thread records it, others read it at their own pace.
//!
//! The pump records and never waits for a reader, nor does it wake anybody who is not waiting. A reader that is too
//! slow loses lines for itself only. Instances are known by name: the record of `web.1` goes on when it is restarted.

mod follower;
mod tail;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::output::{Record, Source};

pub use follower::{Follow, Follower, LogLine, Piece};
pub use tail::{Tail, TailPiece};

/// The records of all instances, and of procman's own lines. Clones share them.
#[derive(Clone, Debug)]
pub struct History {
    limit: usize,
    directory: Arc<Mutex<Directory>>,
}

/// Which records there are.
#[derive(Debug)]
struct Directory {
    /// In the order in which they were begun.
    logs: Vec<Log>,
    course: Course,
    /// Those who wait for another record, or for the end.
    waiting: Waiting,
}

/// Whether anything may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Goes,
    Closed,
}

/// The record of one instance. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    name: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    record: Record,
    /// Those who have read everything and wait for more.
    waiting: Waiting,
}

/// Readers that wait. One that has been woken has to join again.
#[derive(Debug, Default)]
struct Waiting(Vec<Arc<Notify>>);

impl History {
    /// Returns a history that keeps at most so many bytes of each instance.
    pub fn new(limit: usize) -> Self {
        let directory = Directory { logs: Vec::new(), course: Course::Goes, waiting: Waiting::default() };
        History { limit, directory: Arc::new(Mutex::new(directory)) }
    }

    /// Returns the record of a source that begins, which may have had one before.
    pub fn open(&self, source: &Source) -> Log {
        let mut directory = self.directory();
        let known = directory.logs.iter().find(|log| *log.name == *source.name).cloned();
        let is_new = known.is_none();
        let log = known.unwrap_or_else(|| {
            let state = State { record: Record::new(self.limit), waiting: Waiting::default() };
            Log { name: source.name.as_str().into(), state: Arc::new(Mutex::new(state)) }
        });
        let mut waiting = Waiting::default();
        if is_new {
            // Nobody else knows of it, so this waits for nobody.
            log.state().record.open(source.pid, source.position);
            directory.logs.push(log.clone());
            waiting = directory.waiting.take();
        }
        drop(directory);
        if !is_new {
            log.state().record.open(source.pid, source.position);
        }
        waiting.wake();
        log
    }

    /// Returns the names of all that there is a record of, in the order in which they were begun.
    pub fn names(&self) -> Vec<String> {
        self.directory().logs.iter().map(|log| log.name.to_string()).collect()
    }

    /// Returns a reader of the lines of some instances, or of all and procman's own. A name may be that of a process
    /// type, `web`: it stands for all of its instances, those to come included.
    ///
    /// It begins with so many of the last lines of each, or with all that are kept.
    pub fn follow(&self, names: Option<Vec<String>>, last: Option<u64>, follow: Follow) -> Follower {
        Follower::new(self.clone(), names, last, follow)
    }

    /// Returns a reader of what an instance writes, byte by byte, beginning with so many bytes of what its process has
    /// written already. Waits until there is a record of this name; `None` if there will be none.
    pub async fn tail(&self, name: &str, replayed: u64) -> Option<Tail> {
        let bell = Arc::new(Notify::new());
        loop {
            let course = self.course(&bell);
            let log = self.directory().logs.iter().find(|log| *log.name == *name).cloned();
            if let Some(log) = log {
                self.leave(&bell);
                return Some(Tail::new(self.clone(), log, replayed));
            }
            if course == Course::Closed {
                return None;
            }
            bell.notified().await;
        }
    }

    /// Says that nothing will come any more: readers get what is left.
    pub fn close(&self) {
        let mut directory = self.directory();
        directory.course = Course::Closed;
        let mut waiting = directory.waiting.take();
        let logs = directory.logs.clone();
        drop(directory);
        for log in &logs {
            waiting.0.append(&mut log.state().waiting.0);
        }
        waiting.wake();
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether anything may still come; if so, `reader` is woken when nothing may any more.
    fn course(&self, reader: &Arc<Notify>) -> Course {
        let mut directory = self.directory();
        directory.waiting.join(reader);
        directory.course
    }

    fn leave(&self, reader: &Arc<Notify>) {
        self.directory().waiting.leave(reader);
    }
}

impl Log {
    /// Returns whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds the first bytes of a buffer, which another one of its size may take the place of.
    pub fn add(&self, buffer: &mut Vec<u8>, length: usize, time: Timestamp) {
        self.change(|record| record.append_buffer(buffer, length, time));
    }

    /// Adds a line of procman's.
    pub fn say(&self, text: &str, time: Timestamp) {
        self.change(|record| record.say(text, time));
    }

    /// Adds the line of procman's that says how the latest process has ended.
    pub fn say_end(&self, text: &str, time: Timestamp) {
        self.change(|record| record.say_end(text, time));
    }

    /// Returns something about the record, which nothing is added to meanwhile.
    pub fn read<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.state().record)
    }

    /// Changes the record and wakes who waits for that: a look at a list when nobody does.
    fn change(&self, change: impl FnOnce(&mut Record)) {
        let mut state = self.state();
        change(&mut state.record);
        if !state.waiting.0.is_empty() {
            let waiting = state.waiting.take();
            drop(state);
            waiting.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn join(&mut self, reader: &Arc<Notify>) {
        if !self.0.iter().any(|other| Arc::ptr_eq(other, reader)) {
            self.0.push(Arc::clone(reader));
        }
    }

    fn leave(&mut self, reader: &Arc<Notify>) {
        self.0.retain(|other| !Arc::ptr_eq(other, reader));
    }

    fn take(&mut self) -> Waiting {
        std::mem::take(self)
    }

    fn wake(self) {
        self.0.iter().for_each(|reader| reader.notify_one());
    }
}
