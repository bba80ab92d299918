//! Many streams into one: who may write now, what is held back, and when it is shown.
//!
//! A line that is complete goes out at once. The beginning of one is held back until its end arrives, so
//! that no other line can come between; but a prompt must be seen and a line of any length must pass in
//! bounded memory, so what is held back is shown after a pause, or when it grows too long. The line then
//! stands open in the output. While more of it flows, it keeps the output to itself for a moment; after
//! that it is cut, and its rest follows under a prefix with `+`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use memchr::memchr;

use crate::output::held::Held;
use crate::output::lines::{split_last_character, split_last_line};
use crate::output::page::{Access, Author, End, Line, Pace, Page, Source, StreamKey};
use crate::output::style::Style;

/// How much of an unfinished line is held back. What is longer is passed on before its end is known.
const HELD: usize = 64 * 1024;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic, since any beginning: pauses are measured with it.
    pub time: Duration,
    /// The time that is shown.
    pub wall: Timestamp,
}

/// The streams, and the batch of output that is ready to be written.
#[derive(Debug)]
pub struct Merge {
    page: Page,
    now: Duration,
    system: Author,
    streams: BTreeMap<StreamKey, Stream>,
    /// When the beginnings that are held back are shown if nothing follows.
    pauses: BTreeMap<StreamKey, Duration>,
}

#[derive(Debug)]
struct Stream {
    author: Author,
    held: Held,
}

impl Merge {
    /// Returns a merge without streams; `system` is the source of procman's own lines.
    pub fn new(style: Style, system: Source, now: Moment) -> Self {
        let mut merge = Merge {
            page: Page::new(style),
            now: now.time,
            system: Author::new(None, system),
            streams: BTreeMap::new(),
            pauses: BTreeMap::new(),
        };
        merge.set_time(now);
        merge
    }

    /// Sets the time of everything that follows.
    pub fn set_time(&mut self, now: Moment) {
        self.now = now.time;
        self.page.set_time(now.wall);
    }

    /// Adds a stream. A name that is longer than all before makes the prefixes wider from now on.
    pub fn open(&mut self, key: StreamKey, source: Source) {
        self.page.widen(source.name.chars().count());
        let author = Author::new(Some(key), source);
        self.streams.insert(key, Stream { author, held: Held::default() });
    }

    /// Returns whether the stream, or procman itself for `None`, may write now.
    ///
    /// One that is told to wait counts as waiting from then on, so a flowing line is cut in the end.
    pub fn access(&mut self, key: Option<StreamKey>) -> Access {
        self.page.access(key, self.now)
    }

    /// Takes bytes that a stream delivered.
    pub fn feed(&mut self, key: StreamKey, bytes: &[u8]) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let mut rest = bytes;
        if stream.is_within_line()
            && let Some(newline) = memchr(b'\n', bytes)
        {
            stream.held.add(&bytes[..newline], self.now);
            stream.finish_line(&mut self.page);
            rest = &bytes[newline + 1..];
        }
        let (lines, beginning) = split_last_line(rest);
        self.page.write_lines(&stream.author, lines);
        stream.hold(beginning, &mut self.page, self.now);
        match stream.held.paused_at() {
            Some(at) => self.pauses.insert(key, at),
            None => self.pauses.remove(&key),
        };
    }

    /// Writes a line of procman's about an instance, behind everything that the instance has written.
    pub fn say(&mut self, key: StreamKey, text: &str) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        stream.finish_line(&mut self.page);
        self.pauses.remove(&key);
        self.page.say(&stream.author, text);
    }

    /// Writes a line of procman's own.
    pub fn say_system(&mut self, text: &str) {
        self.page.say(&self.system, text);
    }

    /// Shows the unfinished line of a stream now, as if it had paused.
    pub fn show_unfinished(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.show(&mut self.page, End::Pause);
            self.pauses.remove(&key);
        }
    }

    /// Ends the line of a stream of which the rest is not to come.
    pub fn end_line(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.finish_line(&mut self.page);
            self.pauses.remove(&key);
        }
    }

    /// Removes a stream and writes what it held back.
    pub fn close(&mut self, key: StreamKey) {
        if let Some(mut stream) = self.streams.remove(&key) {
            stream.finish_line(&mut self.page);
            self.pauses.remove(&key);
        }
    }

    /// Returns the streams whose unfinished line seems to have paused, unless its rest is in the pipe already.
    pub fn due(&self) -> Vec<StreamKey> {
        self.pauses.iter().filter(|(_, at)| **at <= self.now).map(|(key, _)| *key).collect()
    }

    /// Shows unfinished lines that have paused.
    pub fn show_paused(&mut self) {
        for key in self.due() {
            if self.page.access(Some(key), self.now) == Access::Granted
                && let Some(stream) = self.streams.get_mut(&key)
            {
                stream.show(&mut self.page, End::Pause);
                self.pauses.remove(&key);
            }
        }
    }

    /// Returns when [`Merge::show_paused`] has something to show.
    pub fn next_deadline(&self) -> Option<Duration> {
        let first = *self.pauses.values().min()?;
        // A line that flows is not cut before its turn is over.
        Some(self.turn_ends().map_or(first, |end| first.max(end)))
    }

    /// Returns when the turn of the line is over that somebody has to wait for; `None` if nobody has to.
    pub fn turn_ends(&self) -> Option<Duration> {
        self.page.turn_ends()
    }

    /// Returns whether a terminal shows lines of text.
    pub fn is_for_terminal(&self) -> bool {
        self.page.is_for_terminal()
    }

    /// Returns how many bytes are held back.
    pub fn held(&self) -> usize {
        self.pauses
            .keys()
            .filter_map(|key| self.streams.get(key))
            .map(|stream| stream.held.bytes().len())
            .sum()
    }

    /// Returns the output that is ready to be written.
    pub fn batch(&self) -> &[u8] {
        self.page.batch()
    }

    /// Forgets the batch, which has been written.
    pub fn clear_batch(&mut self) {
        self.page.clear_batch();
    }
}

impl Stream {
    fn is_within_line(&self) -> bool {
        !self.held.bytes().is_empty() || self.author.line() == Line::Begun
    }

    /// Ends the current line: its end has come, or there will be none.
    fn finish_line(&mut self, page: &mut Page) {
        if self.is_within_line() {
            page.write_piece(&mut self.author, self.held.bytes(), End::Line);
            self.held.clear();
        }
    }

    /// Keeps the beginning of a line, or passes it on when the line is long or stands open already.
    fn hold(&mut self, bytes: &[u8], page: &mut Page, now: Duration) {
        if bytes.is_empty() {
            return;
        }
        self.held.add(bytes, now);
        match page.pace(&self.author) {
            Some(Pace::Flowing | Pace::Contended(_)) => self.show(page, End::Flow),
            Some(Pace::Paused) | None if self.held.bytes().len() >= HELD => self.show(page, End::Flow),
            Some(Pace::Paused) => self.show(page, End::Pause),
            None => {}
        }
    }

    /// Writes what is held back, but for a character that is not complete.
    fn show(&mut self, page: &mut Page, end: End) {
        let (whole, _) = split_last_character(self.held.bytes());
        let length = whole.len();
        if length > 0 {
            page.write_piece(&mut self.author, whole, end);
        }
        self.held.forget(length);
    }
}
