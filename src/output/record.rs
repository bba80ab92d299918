//! The last bytes of one instance, and of what procman has said about it, with the times at which they came.
//!
//! Positions count all bytes that have ever come, so a reader keeps a [`Cursor`] and finds out by itself that it has
//! been overtaken. What reading means is in `reading.rs`.
//!
//! Under a flood every byte passes through here and few are ever looked at. So a large read is not copied: the buffer
//! that it was read into is kept, and the caller gets the one that falls out at the other end. Small reads are copied
//! into the last buffer's room.
//!
//! The fewer buffers go round, the more of what they hold is in the processor's caches when it is read: it is that which
//! recording costs. So a record that holds one large read, and forgets it for the next one, is enough.

mod reading;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

use std::collections::VecDeque;

use jiff::Timestamp;
use memchr::{memchr_iter, memrchr};

pub use reading::{Cursor, Line, Segment, Unfinished};

/// What comes within this time, in microseconds, counts as having come together.
const TOGETHER: u64 = 1000;
/// The size of the buffers that small reads are copied into, unless the limit is small.
const COPIED: usize = 16 * 1024;
/// How many buffers of that kind a record has at least.
const BUFFERS: usize = 16;
/// For how many bytes of the limit there may be one mark: shorter lines that come one by one are kept for less long.
const BYTES_PER_MARK: usize = 64;

/// The last bytes of one instance.
#[derive(Debug, Default)]
pub struct Record {
    limit: usize,
    chunks: VecDeque<Chunk>,
    /// The size of all buffers together.
    room: usize,
    /// Where times and voices change; the first is at the first byte or before.
    marks: VecDeque<Mark>,
    /// Whether a line has ended since the last mark. Else that may be given a later time, for a line came when it
    /// ended.
    ended: bool,
    runs: VecDeque<Run>,
    start: u64,
    /// Whether the first byte is a line's first.
    starts_line: bool,
    end: u64,
    /// Whether the last byte is within a line.
    within_line: bool,
    /// How many lines have ended since somebody counts.
    lines: u64,
    counted_by: usize,
}

/// Bytes in one buffer.
#[derive(Debug)]
struct Chunk {
    start: u64,
    length: usize,
    buffer: Vec<u8>,
}

/// From where on bytes came at a time, in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: u64,
    time: i64,
    voice: Voice,
}

/// Whose words bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Instance,
    Procman,
    /// procman's, and the line before has no newline.
    Interrupting,
}

/// From where on bytes are those of a process.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: u64,
    pid: i32,
    position: Option<usize>,
    /// Where the line begins that says how it has ended.
    ended: Option<u64>,
}

impl Record {
    /// Returns an empty record that keeps at most so many bytes.
    pub fn new(limit: usize) -> Self {
        Record { limit, starts_line: true, ..Record::default() }
    }

    /// Says that what follows is of another process, whose type has this position in the Procfile.
    pub fn open(&mut self, pid: i32, position: Option<usize>) {
        self.runs.push_back(Run { from: self.end, pid, position, ended: None });
        self.forget_marks();
    }

    /// Returns the position of the first byte that is kept.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns the position behind the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the position at which the latest process began.
    pub fn run_start(&self) -> u64 {
        self.runs.back().map_or(0, |run| run.from)
    }

    /// Adds bytes of the instance, by copying them.
    pub fn append(&mut self, bytes: &[u8], time: Timestamp) {
        self.mark(time, Voice::Instance, bytes);
        self.copy(bytes);
    }

    /// Adds the first bytes of a buffer that the instance's output was read into, and leaves another one of the same
    /// size in its place if they are many.
    pub fn append_buffer(&mut self, buffer: &mut Vec<u8>, length: usize, time: Timestamp) {
        let size = buffer.len();
        if length < size / 2 || self.limit < size {
            return self.append(&buffer[..length], time);
        }
        self.mark(time, Voice::Instance, &buffer[..length]);
        self.count(&buffer[..length]);
        let other = self.make_room(length, size).unwrap_or_else(|| vec![0; size]);
        let buffer = std::mem::replace(buffer, other);
        self.push(buffer, length);
    }

    /// Adds a line of procman's about the instance.
    pub fn say(&mut self, text: &str, time: Timestamp) {
        let voice = if self.within_line { Voice::Interrupting } else { Voice::Procman };
        if voice == Voice::Interrupting && self.counted_by > 0 {
            self.lines += 1;
        }
        let line = format!("{text}\n");
        self.mark(time, voice, line.as_bytes());
        self.copy(line.as_bytes());
    }

    /// Adds the line of procman's that says how the latest process has ended.
    pub fn say_end(&mut self, text: &str, time: Timestamp) {
        if let Some(run) = self.runs.back_mut() {
            run.ended = Some(self.end);
        }
        self.say(text, time);
    }

    /// Returns whether the line that begins at a position says how a process has ended.
    pub fn is_end(&self, at: u64) -> bool {
        self.runs.iter().any(|run| run.ended == Some(at))
    }

    /// Lets lines be counted until [`Record::count_no_more`], which a reader needs in order to know how many it lost.
    pub fn count_lines(&mut self) {
        self.counted_by += 1;
    }

    /// Takes one [`Record::count_lines`] back.
    pub fn count_no_more(&mut self) {
        self.counted_by = self.counted_by.saturating_sub(1);
    }

    /// Notes when the bytes come that follow, and whose they are.
    fn mark(&mut self, time: Timestamp, voice: Voice, bytes: &[u8]) {
        let time = time.as_microsecond();
        match self.marks.back_mut() {
            Some(last) if last.voice.is_procmans() == voice.is_procmans() && voice != Voice::Interrupting => {
                if last.time.abs_diff(time) >= TOGETHER {
                    if self.ended {
                        self.marks.push_back(Mark { at: self.end, time, voice });
                        self.ended = false;
                    } else {
                        last.time = time;
                    }
                }
            }
            Some(_) | None => {
                self.marks.push_back(Mark { at: self.end, time, voice });
                self.ended = false;
            }
        }
        self.ended = self.ended || memrchr(b'\n', bytes).is_some();
        if self.marks.len() > (self.limit / BYTES_PER_MARK).max(BUFFERS) {
            let second = self.marks[1].at;
            self.forget_before(second);
        }
    }

    /// Takes note of lines' ends.
    fn count(&mut self, bytes: &[u8]) {
        if self.counted_by > 0 {
            self.lines += memchr_iter(b'\n', bytes).count() as u64;
        }
        self.within_line = bytes.last().map_or(self.within_line, |last| *last != b'\n');
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.count(bytes);
        let (skipped, mut rest) = bytes.split_at(bytes.len().saturating_sub(self.limit));
        if let Some(last) = skipped.last() {
            self.forget_before(self.end);
            self.end += skipped.len() as u64;
            self.forget_before(self.end);
            self.starts_line = *last == b'\n';
        }
        let usual = (self.limit / BUFFERS).clamp(1, COPIED);
        while !rest.is_empty() {
            if let Some(last) = self.chunks.back_mut() {
                let before = last.buffer.len();
                let taken = last.fill(rest, usual);
                self.room += last.buffer.len() - before;
                self.end += taken as u64;
                rest = &rest[taken..];
            }
            if !rest.is_empty() {
                // The first one grows as it is needed: most instances say little.
                let size = if self.chunks.is_empty() { rest.len().min(usual) } else { usual };
                let buffer = self.make_room(rest.len().min(size), size).unwrap_or_else(|| vec![0; size]);
                self.push(buffer, 0);
            }
        }
        self.make_room(0, 0);
    }

    fn push(&mut self, buffer: Vec<u8>, length: usize) {
        self.room += buffer.len();
        self.chunks.push_back(Chunk { start: self.end, length, buffer });
        self.end += length as u64;
    }

    /// Lets the oldest chunks go until so many more bytes have room, and returns a buffer of this size if there was
    /// one.
    fn make_room(&mut self, more: usize, size: usize) -> Option<Vec<u8>> {
        let mut found = None;
        while let Some(first) = self.chunks.front() {
            let kept = self.end.saturating_sub(first.start) as usize;
            // Buffers that are not full may take more room than their bytes, but not much.
            if kept + more <= self.limit && (size == 0 || self.room <= self.limit) {
                break;
            }
            let next = self.chunks.get(1).map_or(self.end, |chunk| chunk.start);
            if size == 0 && next == self.end {
                break;
            }
            found = self.forget_before(next).filter(|buffer| buffer.len() == size).or(found);
        }
        found
    }

    /// Forgets all bytes before a position, and returns the buffer of the last chunk that this has emptied.
    fn forget_before(&mut self, start: u64) -> Option<Vec<u8>> {
        if start > self.start {
            // Not those behind: there may be thousands, and each line that comes may have one forgotten.
            let mut passed = self.marks.iter().take_while(|mark| mark.at <= start);
            let interrupted = passed.any(|mark| mark.interrupts_at(start));
            self.starts_line = self.byte(start - 1).is_none_or(|byte| byte == b'\n') || interrupted;
            self.start = start;
        }
        let mut emptied = None;
        while let Some(first) = self.chunks.front()
            && first.end() <= start
        {
            self.room -= first.buffer.len();
            emptied = self.chunks.pop_front().map(|chunk| chunk.buffer);
        }
        self.forget_marks();
        emptied
    }

    fn forget_marks(&mut self) {
        while self.marks.get(1).is_some_and(|second| second.at <= self.start) {
            self.marks.pop_front();
        }
        while self.runs.get(1).is_some_and(|second| second.from <= self.start) {
            self.runs.pop_front();
        }
    }
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Takes as many bytes as there is room for, in a buffer that may grow to a size, and returns how many.
    fn fill(&mut self, bytes: &[u8], most: usize) -> usize {
        let wanted = self.length + bytes.len();
        if wanted > self.buffer.len() && self.buffer.len() < most {
            self.buffer.resize(wanted.max(self.buffer.len() * 2).min(most), 0);
        }
        let taken = bytes.len().min(self.buffer.len() - self.length);
        self.buffer[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        taken
    }
}

impl Mark {
    fn interrupts_at(self, at: u64) -> bool {
        self.at == at && self.voice == Voice::Interrupting
    }
}

impl Voice {
    fn is_procmans(self) -> bool {
        match self {
            Voice::Instance => false,
            Voice::Procman | Voice::Interrupting => true,
        }
    }
}
