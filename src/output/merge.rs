//! Many streams into one: who may write now, what is held back, what a line looks like.
//!
//! A line that is complete goes out at once. The beginning of one is held back until its end arrives, so
//! that no other line can come between; but a prompt must be seen and a line of any length must pass in
//! bounded memory, so what is held back is shown after a pause, or when it grows too long. The line then
//! stands open in the output. While more of it flows, it keeps the output to itself for a moment; after
//! that it is cut, and its rest follows under a prefix with `+`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use memchr::{memchr, memchr_iter};

use crate::output::json::Record;
use crate::output::lines::{leaves_colour_on, split_last_character, split_last_line};
use crate::output::style::{Colour, Format, Style};

/// How much of an unfinished line is held back. What is longer is passed on before its end is known.
const HELD: usize = 64 * 1024;
/// A line that has not grown for this long is shown as it is: most likely it is a prompt.
const QUIET: Duration = Duration::from_millis(250);
/// A line that grows all the time, as dots of progress do, is shown as it is after this time.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a line that flows keeps the output to itself when others have something to write.
const TURN: Duration = Duration::from_millis(250);

/// Names a stream while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey(pub usize);

/// Whose lines a stream carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name in the prefix, such as `web.1`.
    pub name: String,
    /// The process that stands in records of `--log-format json`.
    pub pid: i32,
    /// The position of its type in the Procfile; `None` for procman itself.
    pub position: Option<usize>,
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic, since any beginning: pauses are measured with it.
    pub time: Duration,
    /// The time that is shown.
    pub wall: Timestamp,
}

/// Whether a stream may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Granted,
    /// Somebody's line is flowing; ask again at this time, or when that line has ended.
    Later(Duration),
}

/// The streams, and the batch of output that is ready to be written.
#[derive(Debug)]
pub struct Merge {
    style: Style,
    /// The time that lines bear, and until when it need not be formatted again.
    stamp: String,
    stamp_until: Timestamp,
    now: Moment,
    system: Stream,
    streams: BTreeMap<StreamKey, Stream>,
    /// Streams that hold something back, and some that did: those whose pause may have to be timed.
    holding: Vec<StreamKey>,
    /// The line that stands unfinished at the end of the output.
    open: Option<OpenLine>,
    batch: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    source: Source,
    /// The prefix of a line at the time in `stamp`; empty when it has to be made.
    prefix: Vec<u8>,
    held: Vec<u8>,
    /// When the first and the last byte of `held` came.
    held_first: Duration,
    held_last: Duration,
    listed: Listed,
    line: Line,
}

/// Whether a stream stands in the list of those that hold something back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Yes,
    No,
}

/// How much of a stream's current line has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing.
    Whole,
    /// A part of it.
    Begun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenLine {
    owner: StreamKey,
    pace: Pace,
}

/// How an open line came about, and so how long others wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It was shown because it paused. Nobody waits for it.
    Paused,
    /// It flows, and nobody else has wanted to write.
    Flowing,
    /// It flows, and somebody has been waiting since then.
    Contended(Duration),
}

/// How a piece of output ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With the line.
    Line,
    /// Within the line, which paused.
    Pause,
    /// Within the line, which flows.
    Flow,
}

impl Merge {
    /// Returns a merge without streams; `system` is the source of procman's own lines.
    pub fn new(style: Style, system: Source, now: Moment) -> Self {
        let mut merge = Merge {
            style,
            stamp: String::new(),
            stamp_until: Timestamp::MIN,
            now,
            system: Stream::new(system),
            streams: BTreeMap::new(),
            holding: Vec::new(),
            open: None,
            batch: Vec::new(),
        };
        merge.set_time(now);
        merge
    }

    /// Sets the time of everything that follows.
    pub fn set_time(&mut self, now: Moment) {
        let set_back = now.wall < self.now.wall;
        self.now = now;
        if now.wall < self.stamp_until && !set_back {
            return;
        }
        self.stamp_until = self.style.same_until(now.wall);
        let stamp = self.style.time(now.wall);
        if stamp != self.stamp {
            self.stamp = stamp;
            self.system.prefix.clear();
            self.streams.values_mut().for_each(|stream| stream.prefix.clear());
        }
    }

    /// Adds a stream.
    pub fn open(&mut self, key: StreamKey, source: Source) {
        self.streams.insert(key, Stream::new(source));
    }

    /// Returns whether the stream, or procman itself for `None`, may write now.
    ///
    /// One that is told to wait counts as waiting from then on, so a flowing line is cut in the end.
    pub fn access(&mut self, key: Option<StreamKey>) -> Access {
        let Some(open) = &mut self.open else { return Access::Granted };
        if key == Some(open.owner) {
            return Access::Granted;
        }
        let since = match open.pace {
            Pace::Paused => return Access::Granted,
            Pace::Flowing => self.now.time,
            Pace::Contended(since) => since,
        };
        open.pace = Pace::Contended(since);
        let until = since.saturating_add(TURN);
        if self.now.time >= until { Access::Granted } else { Access::Later(until) }
    }

    /// Takes bytes that a stream delivered.
    pub fn feed(&mut self, key: StreamKey, bytes: &[u8]) {
        let Some(mut stream) = self.streams.remove(&key) else { return };
        let mut rest = bytes;
        if (!stream.held.is_empty() || stream.line == Line::Begun)
            && let Some(newline) = memchr(b'\n', bytes)
        {
            let (head, tail) = bytes.split_at(newline + 1);
            self.end_line(key, &mut stream, head);
            rest = tail;
        }
        let (lines, tail) = split_last_line(rest);
        if !lines.is_empty() {
            self.claim(key);
            self.write_lines(&mut stream, lines);
        }
        self.hold(key, &mut stream, tail);
        self.streams.insert(key, stream);
    }

    /// Writes a line of procman's about an instance, behind everything that the instance has written.
    pub fn say(&mut self, key: StreamKey, text: &str) {
        let Some(mut stream) = self.streams.remove(&key) else { return };
        self.finish_line(key, &mut stream);
        self.claim(key);
        self.write_piece(None, &mut stream, text.as_bytes(), End::Line);
        self.streams.insert(key, stream);
    }

    /// Writes a line of procman's own.
    pub fn say_system(&mut self, text: &str) {
        self.cut_open_line();
        let mut system = std::mem::replace(&mut self.system, Stream::new(Source::nobody()));
        self.write_piece(None, &mut system, text.as_bytes(), End::Line);
        self.system = system;
    }

    /// Removes a stream and writes what it held back.
    pub fn close(&mut self, key: StreamKey) {
        if let Some(mut stream) = self.streams.remove(&key) {
            self.finish_line(key, &mut stream);
        }
    }

    /// Shows unfinished lines that have paused.
    pub fn show_paused(&mut self) {
        for key in std::mem::take(&mut self.holding) {
            let Some(mut stream) = self.streams.remove(&key) else { continue };
            stream.listed = Listed::No;
            if stream.shown_at().is_some_and(|at| at <= self.now.time)
                && self.access(Some(key)) == Access::Granted
            {
                self.show(key, &mut stream, End::Pause);
            } else if !stream.held.is_empty() {
                self.list(key, &mut stream);
            }
            self.streams.insert(key, stream);
        }
    }

    /// Returns when [`Merge::show_paused`] has something to show.
    pub fn next_deadline(&mut self) -> Option<Duration> {
        let streams = &self.streams;
        let open = self.open;
        self.holding
            .iter()
            .filter_map(|key| {
                let at = streams.get(key)?.shown_at()?;
                // One that waits for a flowing line is shown when that line's turn is over.
                match open {
                    Some(OpenLine { owner, pace: Pace::Contended(since) }) if owner != *key => {
                        Some(at.max(since.saturating_add(TURN)))
                    }
                    _ => Some(at),
                }
            })
            .min()
    }

    /// Returns the output that is ready to be written.
    pub fn batch(&self) -> &[u8] {
        &self.batch
    }

    /// Forgets the batch, which has been written.
    pub fn clear_batch(&mut self) {
        self.batch.clear();
    }

    /// Makes the output belong to `key`: whoever has a line open loses it.
    fn claim(&mut self, key: StreamKey) {
        if self.open.is_some_and(|open| open.owner != key) {
            self.cut_open_line();
        }
    }

    fn cut_open_line(&mut self) {
        if self.open.take().is_some() {
            if self.style.colour == Colour::On {
                self.batch.extend_from_slice(RESET);
            }
            self.batch.push(b'\n');
        }
    }

    /// Writes the end of a line whose beginning is held back or has been written.
    fn end_line(&mut self, key: StreamKey, stream: &mut Stream, end: &[u8]) {
        self.claim(key);
        let held = std::mem::take(&mut stream.held);
        let line = end.strip_suffix(b"\n").unwrap_or(end);
        if held.is_empty() {
            self.write_piece(Some(key), stream, line, End::Line);
        } else {
            let mut whole = held;
            whole.extend_from_slice(line);
            self.write_piece(Some(key), stream, &whole, End::Line);
            whole.clear();
            stream.held = whole;
        }
    }

    /// Ends the current line of a stream that will write no more of it.
    fn finish_line(&mut self, key: StreamKey, stream: &mut Stream) {
        let is_open = self.open.is_some_and(|open| open.owner == key);
        if !stream.held.is_empty() || is_open {
            self.end_line(key, stream, b"");
        }
        stream.line = Line::Whole;
    }

    /// Keeps the beginning of a line, or passes it on when it is part of one that flows.
    fn hold(&mut self, key: StreamKey, stream: &mut Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if stream.held.is_empty() {
            stream.held_first = self.now.time;
        }
        stream.held_last = self.now.time;
        stream.held.extend_from_slice(bytes);
        let open = self.open.filter(|open| open.owner == key && self.style.format != Format::Json);
        match open {
            Some(OpenLine { pace: Pace::Flowing | Pace::Contended(_), .. }) => {
                self.show(key, stream, End::Flow);
            }
            _ if stream.held.len() >= HELD => self.show(key, stream, End::Flow),
            Some(OpenLine { pace: Pace::Paused, .. }) => self.show(key, stream, End::Pause),
            None => {}
        }
        self.list(key, stream);
    }

    fn list(&mut self, key: StreamKey, stream: &mut Stream) {
        if stream.listed == Listed::No && !stream.held.is_empty() {
            stream.listed = Listed::Yes;
            self.holding.push(key);
        }
    }

    /// Writes what is held back, but for a character that is not complete.
    fn show(&mut self, key: StreamKey, stream: &mut Stream, end: End) {
        let mut held = std::mem::take(&mut stream.held);
        let whole = split_last_character(&held).0.len();
        if whole > 0 {
            self.claim(key);
            self.write_piece(Some(key), stream, &held[..whole], end);
            held.drain(..whole);
        }
        // What remains is less than a character: it waits for its rest, however long that takes.
        stream.held_first = Duration::MAX;
        stream.held_last = Duration::MAX;
        stream.held = held;
    }

    /// Writes whole lines; each ends with its newline. The output is the stream's already.
    fn write_lines(&mut self, stream: &mut Stream, lines: &[u8]) {
        let plain = match (self.style.format, self.style.colour) {
            (Format::Raw, Colour::Off) => return self.batch.extend_from_slice(lines),
            (Format::Json, _) => false,
            (Format::Text, Colour::Off) => true,
            (Format::Text | Format::Raw, Colour::On) => memchr(ESCAPE, lines).is_none(),
        };
        let mut start = 0;
        if plain {
            self.make_prefix(stream);
            for newline in memchr_iter(b'\n', lines) {
                self.batch.extend_from_slice(&stream.prefix);
                self.batch.extend_from_slice(&lines[start..=newline]);
                start = newline + 1;
            }
        } else {
            for newline in memchr_iter(b'\n', lines) {
                self.write_piece(None, stream, &lines[start..newline], End::Line);
                start = newline + 1;
            }
        }
    }

    /// Writes a line or a piece of one, without its newline. `key` is `None` where no line is left open.
    fn write_piece(&mut self, key: Option<StreamKey>, stream: &mut Stream, piece: &[u8], end: End) {
        if self.style.format == Format::Json {
            self.write_record(stream, piece, end);
        } else {
            self.write_text(key, stream, piece, end);
        }
        stream.line = match end {
            End::Line => Line::Whole,
            End::Pause | End::Flow => Line::Begun,
        };
    }

    fn write_text(&mut self, key: Option<StreamKey>, stream: &mut Stream, piece: &[u8], end: End) {
        let goes_on = key.is_some() && self.open.map(|open| open.owner) == key;
        match (stream.line, goes_on) {
            (_, true) => {}
            (Line::Whole, false) => {
                self.make_prefix(stream);
                self.batch.extend_from_slice(&stream.prefix);
            }
            (Line::Begun, false) => {
                let Source { name, position, .. } = &stream.source;
                self.style.write_prefix(&mut self.batch, &self.stamp, name, *position, '+');
            }
        }
        self.batch.extend_from_slice(piece);
        match (end, key) {
            (End::Line, _) | (_, None) => {
                // The beginning of a line that stood open may have set a colour that this piece did not.
                if self.style.colour == Colour::On && (goes_on || leaves_colour_on(piece)) {
                    self.batch.extend_from_slice(RESET);
                }
                self.batch.push(b'\n');
                self.open = None;
            }
            (End::Pause, Some(owner)) => self.open = Some(OpenLine { owner, pace: Pace::Paused }),
            (End::Flow, Some(owner)) => {
                let pace = match self.open {
                    Some(OpenLine { pace: pace @ Pace::Contended(_), .. }) => pace,
                    _ => Pace::Flowing,
                };
                self.open = Some(OpenLine { owner, pace });
            }
        }
    }

    fn write_record(&mut self, stream: &Stream, piece: &[u8], end: End) {
        let message = String::from_utf8_lossy(piece);
        let record = Record {
            time: &self.stamp,
            process: &stream.source.name,
            pid: stream.source.pid,
            lossy: matches!(message, Cow::Owned(_)),
            message,
            partial: end != End::Line,
        };
        record.write(&mut self.batch);
    }

    fn make_prefix(&self, stream: &mut Stream) {
        if stream.prefix.is_empty() {
            let Source { name, position, .. } = &stream.source;
            self.style.write_prefix(&mut stream.prefix, &self.stamp, name, *position, '|');
        }
    }
}

const ESCAPE: u8 = 0x1B;
const RESET: &[u8] = b"\x1b[0m";

impl Stream {
    fn new(source: Source) -> Self {
        Stream {
            source,
            prefix: Vec::new(),
            held: Vec::new(),
            held_first: Duration::MAX,
            held_last: Duration::MAX,
            listed: Listed::No,
            line: Line::Whole,
        }
    }

    /// Returns when what is held back is shown if nothing follows.
    fn shown_at(&self) -> Option<Duration> {
        let pauses = self.held_last.saturating_add(QUIET).min(self.held_first.saturating_add(PATIENCE));
        (!self.held.is_empty() && pauses != Duration::MAX).then_some(pauses)
    }
}

impl Source {
    fn nobody() -> Self {
        Source { name: String::new(), pid: 0, position: None }
    }
}
