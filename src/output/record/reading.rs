//! Reading a record: by lines, behind a cursor, and by what came together.

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::{memchr, memchr_iter, memrchr_iter};

use crate::output::lines::split_last_character;
use crate::output::record::{Chunk, Mark, Record, Run};

/// The most of a line that is read at once: one of any length passes in pieces.
const LONGEST: u64 = 16 * 1024;

/// Up to where a reader has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: u64,
    /// How many lines had ended there, as far as they have been counted: only differences mean something.
    line: u64,
    place: Place,
}

/// Where in a line a cursor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Beginning,
    /// Its beginning has been read, or is lost.
    Within,
}

/// Whether the beginning of a line that has not ended yet is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// It is left for later.
    Left,
    /// It is read, for nobody knows whether there will be a later.
    Taken,
    /// That too, and reading ends at this position, where the record ended once.
    TakenUpTo(u64),
}

/// A line, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it came, or its last byte.
    pub time: Timestamp,
    /// The process that leads the instance.
    pub pid: i32,
    /// The position of its type in the Procfile.
    pub position: Option<usize>,
    /// Whether procman says it of the instance.
    pub own: bool,
    /// Whether it goes on with the next one.
    pub partial: bool,
    /// The line without its newline.
    pub bytes: Cow<'a, [u8]>,
}

/// Bytes that came together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// When they came.
    pub time: Timestamp,
    /// Whether they are procman's, as lines with their newlines.
    pub own: bool,
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
}

/// Where the next line is.
struct Found {
    /// Behind its last byte.
    end: u64,
    time: i64,
    own: bool,
    tail: LineEnd,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Newline,
    /// procman has said something.
    Interrupted,
    /// It goes on.
    Partial,
}

impl Record {
    /// Returns a cursor before the last lines, or before all that are whole. The lines that come have to be counted
    /// ([`Record::count_lines`]) for it to know what it has lost.
    pub fn cursor(&self, last: Option<u64>, unfinished: Unfinished) -> Cursor {
        let first = self.first_whole_line();
        let at = last.map_or(first, |last| self.before_last(last, unfinished).max(first));
        self.cursor_at(at)
    }

    /// Returns whether bytes have gone that the cursor has not read.
    pub fn has_overtaken(&self, cursor: Cursor) -> bool {
        cursor.at < self.start
    }

    /// Returns whether a cursor is at a position already, or behind it.
    pub fn has_reached(&self, cursor: Cursor, at: u64) -> bool {
        cursor.at >= at
    }

    /// Moves a cursor to the last lines within so many bytes, and returns how many lines are lost for it.
    pub fn skip(&self, cursor: &mut Cursor, kept: u64) -> u64 {
        let from = self.start.max(self.end.saturating_sub(kept));
        let begins = from == self.start && self.starts_line || from > 0 && self.byte(from - 1) == Some(b'\n');
        let at =
            if begins { from } else { self.newline(from, self.end).map_or(self.end, |newline| newline + 1) };
        let new = self.cursor_at(at);
        let lost = new.line.wrapping_sub(cursor.line);
        *cursor = new;
        lost
    }

    /// Returns when the last bytes came.
    pub fn last_time(&self) -> Option<Timestamp> {
        self.marks.back().map(|mark| timestamp(mark.time))
    }

    /// Returns the time of the next line, if there is one.
    pub fn next_time(&self, cursor: Cursor, unfinished: Unfinished) -> Option<Timestamp> {
        self.find(cursor, unfinished).map(|found| timestamp(found.time))
    }

    /// Returns the next line, if there is one, and moves the cursor behind it.
    pub fn next_line(&self, cursor: &mut Cursor, unfinished: Unfinished) -> Option<Line<'_>> {
        let found = self.find(*cursor, unfinished)?;
        let run = self.run_at(cursor.at);
        let newline = u64::from(found.tail == LineEnd::Newline);
        let bytes = self.bytes(cursor.at, found.end - newline);
        cursor.at = found.end;
        cursor.place = if found.tail == LineEnd::Partial { Place::Within } else { Place::Beginning };
        cursor.line = cursor.line.wrapping_add(u64::from(found.tail != LineEnd::Partial));
        Some(Line {
            time: timestamp(found.time),
            pid: run.map_or(0, |run| run.pid),
            position: run.and_then(|run| run.position),
            own: found.own,
            partial: found.tail == LineEnd::Partial,
            bytes,
        })
    }

    /// Returns what came together with the byte at a position, from there on. What has gone is not waited for.
    pub fn segment(&self, at: u64) -> Option<Segment<'_>> {
        let at = at.max(self.start);
        if at >= self.end {
            return None;
        }
        let index = self.mark_index(at);
        let mark = self.marks.get(index)?;
        let end = self.marks.get(index + 1).map_or(self.end, |next| next.at);
        let own = mark.voice.is_procmans();
        // A line of procman's is small, and stays whole.
        let end = if own { end } else { self.chunks.get(self.chunk_index(at))?.end().min(end) };
        Some(Segment { time: timestamp(mark.time), own, bytes: self.bytes(at, end) })
    }

    /// Returns where the next line ends, when it came and whose it is.
    fn find(&self, cursor: Cursor, unfinished: Unfinished) -> Option<Found> {
        let at = cursor.at.max(self.start);
        let stop = match unfinished {
            Unfinished::Left | Unfinished::Taken => self.end,
            Unfinished::TakenUpTo(stop) => stop.min(self.end),
        };
        if at >= stop {
            return None;
        }
        // Of a longer line only a piece is wanted, so its end is not looked for.
        let near = stop.min(at + LONGEST + 1);
        let (mut end, mut tail) = match self.newline(at, near) {
            Some(newline) => (newline + 1, LineEnd::Newline),
            None => (near, LineEnd::Partial),
        };
        let first = self.mark_index(at);
        let own = self.marks.get(first)?.voice.is_procmans();
        let mut time = self.marks.get(first)?.time;
        if cursor.place == Place::Within && self.marks.get(first)?.interrupts_at(at) {
            return Some(Found { end: at, time, own: false, tail: LineEnd::Interrupted });
        }
        for mark in self.marks.range(first + 1..).take_while(|mark| mark.at < end) {
            if mark.voice.is_procmans() != own {
                (end, tail) = (mark.at, LineEnd::Interrupted);
                break;
            }
            time = mark.time;
        }
        if end - at > LONGEST {
            let piece = self.bytes(at, at + LONGEST);
            (end, tail) = (at + split_last_character(&piece).0.len() as u64, LineEnd::Partial);
        } else if tail == LineEnd::Partial && unfinished == Unfinished::Left {
            return None;
        }
        Some(Found { end, time, own, tail })
    }

    fn cursor_at(&self, at: u64) -> Cursor {
        let newlines = self.slices(at, self.end).map(|bytes| memchr_iter(b'\n', bytes).count() as u64);
        let interrupted = self.interruptions().take_while(|end| *end > at).count() as u64;
        let place = if at == self.end && self.within_line { Place::Within } else { Place::Beginning };
        Cursor { at, place, line: self.lines.wrapping_sub(newlines.sum::<u64>() + interrupted) }
    }

    /// Returns where the first line begins that has not lost its beginning; if there is only one that has, where what is
    /// left of it does.
    fn first_whole_line(&self) -> u64 {
        if self.starts_line {
            return self.start;
        }
        let newline = self.newline(self.start, self.end).map(|newline| newline + 1);
        let interrupted = self.interruptions().last();
        newline.into_iter().chain(interrupted).min().unwrap_or(self.start)
    }

    /// Returns where the last lines begin.
    fn before_last(&self, lines: u64, unfinished: Unfinished) -> u64 {
        let mut left = match unfinished {
            Unfinished::Taken | Unfinished::TakenUpTo(_) if lines == 0 => return self.end,
            Unfinished::Taken | Unfinished::TakenUpTo(_) if self.within_line => lines - 1,
            Unfinished::Taken | Unfinished::TakenUpTo(_) | Unfinished::Left => lines,
        };
        let mut interruptions = self.interruptions().peekable();
        for chunk in self.chunks.iter().rev() {
            for newline in memrchr_iter(b'\n', chunk.bytes()) {
                let end = chunk.start + newline as u64 + 1;
                while let Some(at) = interruptions.next_if(|at| *at > end) {
                    if left == 0 {
                        return at;
                    }
                    left -= 1;
                }
                if left == 0 {
                    return end;
                }
                left -= 1;
            }
        }
        self.start
    }

    /// Returns where lines end that procman has interrupted, the last first.
    fn interruptions(&self) -> impl Iterator<Item = u64> {
        let marks =
            self.marks.iter().rev().filter(|mark| mark.interrupts_at(mark.at) && mark.at > self.start);
        marks.map(|mark| mark.at)
    }

    /// Returns where the next newline is, if it is before a position.
    fn newline(&self, from: u64, to: u64) -> Option<u64> {
        let mut at = from.max(self.start);
        self.slices(at, to).find_map(|bytes| match memchr(b'\n', bytes) {
            Some(newline) => Some(at + newline as u64),
            None => {
                at += bytes.len() as u64;
                None
            }
        })
    }

    pub(super) fn byte(&self, at: u64) -> Option<u8> {
        let chunk = self.chunks.get(self.chunk_index(at))?;
        chunk.bytes().get(usize::try_from(at.checked_sub(chunk.start)?).ok()?).copied()
    }

    fn bytes(&self, from: u64, to: u64) -> Cow<'_, [u8]> {
        let mut slices = self.slices(from, to);
        let first = slices.next().unwrap_or_default();
        match slices.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                let mut bytes = [first, second].concat();
                slices.for_each(|slice| bytes.extend_from_slice(slice));
                Cow::Owned(bytes)
            }
        }
    }

    fn slices(&self, from: u64, to: u64) -> impl Iterator<Item = &[u8]> {
        let chunks = self.chunks.range(self.chunk_index(from)..).take_while(move |chunk| chunk.start < to);
        chunks.map(move |chunk| {
            let begin = from.saturating_sub(chunk.start) as usize;
            let end = chunk.length.min((to - chunk.start) as usize);
            chunk.bytes().get(begin..end).unwrap_or_default()
        })
    }

    /// Returns which chunk has the byte at a position, or would have it.
    fn chunk_index(&self, at: u64) -> usize {
        self.chunks.partition_point(|chunk: &Chunk| chunk.start <= at).saturating_sub(1)
    }

    fn mark_index(&self, at: u64) -> usize {
        self.marks.partition_point(|mark: &Mark| mark.at <= at).saturating_sub(1)
    }

    fn run_at(&self, at: u64) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.from <= at).or(self.runs.front())
    }
}

fn timestamp(microseconds: i64) -> Timestamp {
    // It was one before.
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}
