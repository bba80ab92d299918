//! The output itself: lines behind their prefixes, and the line that stands unfinished at its end.
//!
//! What is written, and when, is decided in [`merge`](crate::output::merge). A line that stands open is
//! continued as long as nobody else writes; then it is cut, and its rest follows under a prefix with `+`.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use memchr::memchr;

use crate::output::json::Record;
use crate::output::lines::{leaves_colour_on, split_lines, split_lines_inclusive};
use crate::output::returns::{Cursor, goes_on, write_behind_prefix};
use crate::output::style::{Colour, Format, Returns, Style};

/// How long a line that flows keeps the output to itself when others have something to write.
const TURN: Duration = Duration::from_millis(250);

const ESCAPE: u8 = 0x1B;
const RESET: &[u8] = b"\x1b[0m";

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

/// Whether a stream may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Granted,
    /// Somebody's line is flowing; ask again at this time, or when that line has ended.
    Later(Duration),
}

/// The batch of output that is ready to be written, and what has to be known to continue it.
#[derive(Debug)]
pub struct Page {
    style: Style,
    /// The time that lines bear, and for which times it need not be formatted again.
    stamp: String,
    stamp_range: Range<Timestamp>,
    /// The line that stands unfinished at the end of the output.
    open: Option<OpenLine>,
    batch: Vec<u8>,
    /// The prefix of the lines that are being written.
    prefix: Vec<u8>,
}

/// Somebody who writes lines.
#[derive(Debug)]
pub struct Author {
    /// `None` for procman itself.
    key: Option<StreamKey>,
    source: Source,
    line: Line,
}

/// How much of an author's current line has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing.
    Whole,
    /// A part of it, which stands open or has been cut.
    Begun,
}

/// How a piece of a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the line.
    Line,
    /// Within the line, which paused.
    Pause,
    /// Within the line, which flows.
    Flow,
}

/// How an open line came about, and so how long others wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It was shown because it paused. Nobody waits for it.
    Paused,
    /// It flows, and nobody else has wanted to write.
    Flowing,
    /// It flows, and somebody has been waiting since then.
    Contended(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenLine {
    owner: Option<StreamKey>,
    pace: Pace,
    /// What stands between its prefix and its text.
    separator: char,
    cursor: Cursor,
}

impl Page {
    /// Returns an empty page. Only text has colours and prefixes.
    pub fn new(mut style: Style) -> Self {
        if style.format != Format::Text {
            (style.colour, style.returns) = (Colour::Off, Returns::Kept);
        }
        Page {
            style,
            stamp: String::new(),
            stamp_range: Timestamp::MIN..Timestamp::MIN,
            open: None,
            batch: Vec::new(),
            prefix: Vec::new(),
        }
    }

    /// Sets the time that the lines bear which follow. A clock that is set back is followed.
    pub fn set_time(&mut self, wall: Timestamp) {
        if !self.stamp_range.contains(&wall) {
            self.stamp = self.style.time(wall);
            self.stamp_range = wall..self.style.same_until(wall);
        }
    }

    /// Pads names to at least so many columns from now on.
    pub fn widen(&mut self, width: usize) {
        self.style.width = self.style.width.max(width);
    }

    /// Returns whether a terminal shows lines of text.
    pub fn is_for_terminal(&self) -> bool {
        self.style.returns == Returns::Prefixed
    }

    /// Returns the output that is ready to be written.
    pub fn batch(&self) -> &[u8] {
        &self.batch
    }

    /// Forgets the batch, which has been written.
    pub fn clear_batch(&mut self) {
        self.batch.clear();
    }

    /// Returns whether somebody may write now; if not, the open line counts as waited for from now on.
    pub fn access(&mut self, key: Option<StreamKey>, now: Duration) -> Access {
        let Some(open) = &mut self.open else { return Access::Granted };
        if open.owner == key {
            return Access::Granted;
        }
        let since = match open.pace {
            Pace::Paused => return Access::Granted,
            Pace::Flowing => now,
            Pace::Contended(since) => since,
        };
        open.pace = Pace::Contended(since);
        let until = since.saturating_add(TURN);
        if now >= until { Access::Granted } else { Access::Later(until) }
    }

    /// Returns when the turn of the open line is over; `None` if nobody has to wait for it.
    pub fn turn_ends(&self) -> Option<Duration> {
        match self.open?.pace {
            Pace::Paused | Pace::Flowing => None,
            Pace::Contended(since) => Some(since.saturating_add(TURN)),
        }
    }

    /// Returns the pace of the author's line if it stands open.
    pub fn pace(&self, author: &Author) -> Option<Pace> {
        self.open.filter(|open| open.owner == author.key).map(|open| open.pace)
    }

    /// Writes whole lines, each with its newline, of an author who has no line begun.
    pub fn write_lines(&mut self, author: &Author, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        self.cut();
        match self.style.format {
            Format::Text => self.write_text_lines(author, lines),
            Format::Json => split_lines(lines).for_each(|line| self.write_record(author, line, End::Line)),
            Format::Raw => self.batch.extend_from_slice(lines),
        }
    }

    /// Writes the next piece of an author's line, without its newline.
    pub fn write_piece(&mut self, author: &mut Author, piece: &[u8], end: End) {
        match self.style.format {
            Format::Text | Format::Raw => self.write_text(author, piece, end),
            Format::Json => self.write_record(author, piece, end),
        }
        author.line = match end {
            End::Line => Line::Whole,
            End::Pause | End::Flow => Line::Begun,
        };
    }

    /// Writes a line of procman's, of which raw output has none.
    pub fn say(&mut self, author: &Author, text: &str) {
        match self.style.format {
            Format::Text | Format::Json => self.write_lines(author, format!("{text}\n").as_bytes()),
            Format::Raw => {}
        }
    }

    fn write_text_lines(&mut self, author: &Author, lines: &[u8]) {
        let colours = self.style.colour != Colour::Off && memchr(ESCAPE, lines).is_some();
        self.prefix.clear();
        author.write_prefix(&mut self.prefix, &self.style, &self.stamp, '|');
        let returns = self.style.returns == Returns::Prefixed && memchr(b'\r', lines).is_some();
        let (prefix, batch) = (self.prefix.as_slice(), &mut self.batch);
        if !colours && !returns {
            for line in split_lines_inclusive(lines) {
                batch.extend_from_slice(prefix);
                batch.extend_from_slice(line);
            }
            return;
        }
        let reset = if colours { RESET } else { &[] };
        for line in split_lines_inclusive(lines) {
            batch.extend_from_slice(prefix);
            let is_reset = colours && leaves_colour_on(line);
            let text = if is_reset { &line[..line.len() - 1] } else { line };
            if returns {
                write_behind_prefix(batch, text, prefix, reset);
            } else {
                batch.extend_from_slice(text);
            }
            if is_reset {
                batch.extend_from_slice(RESET);
                batch.push(b'\n');
            }
        }
    }

    fn write_text(&mut self, author: &Author, piece: &[u8], end: End) {
        let open = self.open.filter(|open| open.owner == author.key);
        let pace = open.map(|open| open.pace);
        let separator = match (open, author.line) {
            (Some(open), _) => open.separator,
            // The newline that the cut has made is all that was missing.
            (None, Line::Begun) if piece.is_empty() && end == End::Line => return,
            (None, Line::Begun) => '+',
            (None, Line::Whole) => '|',
        };
        if open.is_none() {
            self.cut();
            author.write_prefix(&mut self.batch, &self.style, &self.stamp, separator);
        }
        let cursor = open.map_or(Cursor::Within, |open| open.cursor);
        self.write_from(author, separator, cursor, piece);
        let cursor = Cursor::after(piece).unwrap_or(cursor);
        let pace = match (end, pace) {
            (End::Line, None) => {
                if leaves_colour_on(piece) {
                    self.reset_colour();
                }
                return self.batch.push(b'\n');
            }
            // What was written before may have left a colour on.
            (End::Line, Some(_)) => return self.cut(),
            (End::Pause, _) => Pace::Paused,
            (End::Flow, Some(Pace::Contended(since))) => Pace::Contended(since),
            (End::Flow, Some(Pace::Paused | Pace::Flowing) | None) => Pace::Flowing,
        };
        self.open = Some(OpenLine { owner: author.key, pace, separator, cursor });
    }

    /// Writes a piece of an author's line where the line has been left.
    fn write_from(&mut self, author: &Author, separator: char, cursor: Cursor, piece: &[u8]) {
        let goes_on = cursor == Cursor::Returned && goes_on(piece);
        if self.style.returns == Returns::Kept || (!goes_on && memchr(b'\r', piece).is_none()) {
            return self.batch.extend_from_slice(piece);
        }
        self.prefix.clear();
        author.write_prefix(&mut self.prefix, &self.style, &self.stamp, separator);
        if goes_on {
            // What was written before may have left a colour on.
            self.reset_colour();
            self.batch.extend_from_slice(&self.prefix);
        }
        let reset = if self.style.colour == Colour::Off { &[] } else { RESET };
        write_behind_prefix(&mut self.batch, piece, &self.prefix, reset);
    }

    fn write_record(&mut self, author: &Author, piece: &[u8], end: End) {
        let message = String::from_utf8_lossy(piece);
        let record = Record {
            time: &self.stamp,
            process: &author.source.name,
            pid: author.source.pid,
            lossy: matches!(message, Cow::Owned(_)),
            message,
            partial: end != End::Line,
        };
        record.write(&mut self.batch);
    }

    /// Ends the open line, whoever's it is.
    fn cut(&mut self) {
        if self.open.take().is_some() {
            self.reset_colour();
            self.batch.push(b'\n');
        }
    }

    fn reset_colour(&mut self) {
        if self.style.colour != Colour::Off {
            self.batch.extend_from_slice(RESET);
        }
    }
}

impl Author {
    /// Returns an author with nothing written; `None` is procman itself.
    pub fn new(key: Option<StreamKey>, source: Source) -> Self {
        Author { key, source, line: Line::Whole }
    }

    /// Returns how much of the current line has been written.
    pub fn line(&self) -> Line {
        self.line
    }

    fn write_prefix(&self, prefix: &mut Vec<u8>, style: &Style, stamp: &str, separator: char) {
        let Source { name, position, .. } = &self.source;
        style.write_prefix(prefix, stamp, name, *position, separator);
    }
}
