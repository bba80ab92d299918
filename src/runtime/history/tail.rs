//! A reader of bytes: what one instance writes to its terminal.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::output::Record;
use crate::runtime::history::{Course, History, Log};

/// How much is returned at once.
const BATCH: usize = 16 * 1024;
/// With how much of the newest one goes on that has been overtaken, and how long it rests then.
const NEWEST: u64 = 16 * 1024;
const REST: Duration = Duration::from_millis(20);

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailPiece {
    /// Bytes of the instance.
    Bytes(Vec<u8>),
    /// Bytes that are lost for this reader.
    Missed(u64),
    /// A line that procman says of the instance.
    Said(String),
    /// How its process has ended, or the one before.
    Ended(String),
}

/// A reader of bytes.
#[derive(Debug)]
pub struct Tail {
    history: History,
    log: Log,
    at: u64,
    bell: Arc<Notify>,
    /// What follows on bytes that were missed, and when to look for more.
    newest: Option<TailPiece>,
    rests_until: Option<Instant>,
}

impl Tail {
    pub(super) fn new(history: History, log: Log, replayed: u64) -> Self {
        let at = log
            .read(|record| record.run_start().max(record.end().saturating_sub(replayed)).max(record.start()));
        Tail { history, log, at, bell: Arc::new(Notify::new()), newest: None, rests_until: None }
    }

    /// Waits for the next piece; `None` is the end. May be given up and called again.
    pub async fn next(&mut self) -> Option<TailPiece> {
        if self.newest.is_some() {
            return self.newest.take();
        }
        loop {
            if let Some(until) = self.rests_until {
                sleep_until(until).await;
                self.rests_until = None;
            }
            let course = self.history.course(&self.bell);
            let log = self.log.clone();
            {
                let mut state = log.state();
                if let Some(piece) = self.read(&state.record) {
                    return Some(piece);
                }
                state.waiting.join(&self.bell);
            }
            if course == Course::Closed {
                return None;
            }
            self.bell.notified().await;
        }
    }

    fn read(&mut self, record: &Record) -> Option<TailPiece> {
        if self.at < record.start() {
            let newest = record.start().max(record.end().saturating_sub(NEWEST));
            let missed = newest - self.at;
            self.at = newest;
            self.newest = self.read_on(record);
            // One that cannot keep up does not have to be told so all the time.
            self.rests_until = Some(Instant::now() + REST);
            return Some(TailPiece::Missed(missed));
        }
        self.read_on(record)
    }

    fn read_on(&mut self, record: &Record) -> Option<TailPiece> {
        let mut bytes = Vec::new();
        while let Some(segment) = record.segment(self.at) {
            if segment.own && bytes.is_empty() {
                let is_end = record.is_end(self.at.max(record.start()));
                let line = segment.bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
                self.at += line.len() as u64;
                let text = String::from_utf8_lossy(line).trim_end_matches('\n').to_owned();
                return Some(if is_end { TailPiece::Ended(text) } else { TailPiece::Said(text) });
            }
            if segment.own || bytes.len() >= BATCH {
                break;
            }
            let taken = segment.bytes.len().min(BATCH - bytes.len());
            bytes.extend_from_slice(&segment.bytes[..taken]);
            self.at += taken as u64;
        }
        (!bytes.is_empty()).then_some(TailPiece::Bytes(bytes))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.history.leave(&self.bell);
        self.log.state().waiting.leave(&self.bell);
    }
}
