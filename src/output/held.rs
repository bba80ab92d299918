//! The beginning of a line that waits for its end, and how long it waits.

use std::time::Duration;

/// A line that has not grown for this long is shown as it is: most likely it is a prompt.
const QUIET: Duration = Duration::from_millis(250);
/// A line that grows all the time, as dots of progress do, is shown as it is after this time.
const PATIENCE: Duration = Duration::from_secs(1);

/// What of a stream's line has come but has not been shown.
#[derive(Debug, Default)]
pub struct Held {
    bytes: Vec<u8>,
    waits: Option<Waits>,
}

/// When the first and the last byte came.
#[derive(Clone, Copy, Debug)]
struct Waits {
    first: Duration,
    last: Duration,
}

impl Held {
    /// Adds bytes that have just come.
    pub fn add(&mut self, bytes: &[u8], now: Duration) {
        self.bytes.extend_from_slice(bytes);
        let first = self.waits.map_or(now, |waits| waits.first);
        self.waits = Some(Waits { first, last: now });
    }

    /// Returns what is held.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets everything, for the line has ended.
    pub fn clear(&mut self) {
        self.forget(self.bytes.len());
    }

    /// Forgets the first bytes, which have been shown.
    ///
    /// What remains is less than a character: it waits for its rest, however long that takes.
    pub fn forget(&mut self, shown: usize) {
        self.bytes.drain(..shown);
        self.waits = None;
    }

    /// Returns when it is shown if nothing follows.
    pub fn paused_at(&self) -> Option<Duration> {
        let Waits { first, last } = self.waits?;
        Some(last.saturating_add(QUIET).min(first.saturating_add(PATIENCE)))
    }
}
