//! A reader of lines: those of many instances, in the order in which they came.
//!
//! One that keeps up gets every line, and is woken as soon as there is one; where many come, it pauses a few
//! milliseconds in between, so that the pump is not busy waking it. One that an instance has overtaken goes on with that
//! instance's newest lines and then lets it rest: of a flood nobody can read more than some lines now and then, and
//! however many try, it costs next to nothing.
//!
//! One that does not follow ends where the records ended when it came. Nothing is kept for it: what it reads too late is
//! lost for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::output::{Cursor, Record, Unfinished};
use crate::runtime::history::{Course, History, Log};

/// How much is returned at once, in bytes and in pieces.
const BATCH: usize = 64 * 1024;
const PIECES: usize = 1024;
/// How much of the newest of all instances together one gets that has been overtaken, and of a single one at least.
const NEWEST: usize = 4 * 1024;
const NEWEST_EACH: usize = 256;
/// How long an instance rests that has overtaken.
const REST: Duration = Duration::from_millis(250);
/// How long the beginning of a line waits for its end, as on procman's own screen: after that it is taken for a prompt.
const HELD: Duration = Duration::from_millis(250);
/// One that is woken again within this time lets some lines gather for as long.
const PAUSE: Duration = Duration::from_millis(5);

/// Whether a reader goes on with what is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// It does, until the formation has ended.
    On,
    /// It ends with what there is now.
    Off,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A line.
    Line(LogLine),
    /// Lines that are lost for this reader.
    Skipped {
        /// Whose.
        name: Arc<str>,
        /// How many.
        lines: u64,
    },
}

/// A line, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it came.
    pub time: Timestamp,
    /// Whose it is: an instance, or `system`.
    pub name: Arc<str>,
    /// The process that leads the instance.
    pub pid: i32,
    /// The position of its type in the Procfile.
    pub position: Option<usize>,
    /// Whether procman says it.
    pub own: bool,
    /// Whether it goes on with the next one of this name.
    pub partial: bool,
    /// The line without its newline.
    pub bytes: Vec<u8>,
}

/// A reader of lines.
#[derive(Debug)]
pub struct Follower {
    history: History,
    names: Option<Vec<String>>,
    last: Option<u64>,
    follow: Follow,
    sources: Vec<Followed>,
    /// How many records there were at the last look.
    seen: usize,
    bell: Arc<Notify>,
    woken: Option<Instant>,
    /// Since when there has been the beginning of a line that has not been returned.
    held_since: Option<Instant>,
}

/// One instance.
#[derive(Debug)]
struct Followed {
    log: Log,
    cursor: Cursor,
    /// When its next line came, if it has one.
    next: Option<Timestamp>,
    /// When the last that has been seen of it came.
    latest: Option<Timestamp>,
    rests_until: Option<Instant>,
    /// Where reading ends, unless it follows.
    stop: Option<u64>,
}

impl Follower {
    pub(super) fn new(
        history: History,
        names: Option<Vec<String>>,
        last: Option<u64>,
        follow: Follow,
    ) -> Self {
        let mut follower = Follower {
            history,
            names,
            last,
            follow,
            sources: Vec::new(),
            seen: 0,
            bell: Arc::new(Notify::new()),
            woken: None,
            held_since: None,
        };
        follower.find_sources();
        // Those to come are read from their beginning.
        follower.last = None;
        follower
    }

    /// Waits for the next pieces, in the order in which they came; `None` is the end. May be given up and called
    /// again.
    pub async fn next(&mut self) -> Option<Vec<Piece>> {
        loop {
            let course = self.find_sources();
            let pieces = self.read(course);
            if !pieces.is_empty() {
                return Some(pieces);
            }
            if course == Course::Closed {
                if self.sources.iter().all(|source| source.next.is_none()) {
                    return None;
                }
                continue;
            }
            if self.wait_in_line() {
                self.note_beginnings();
                self.wait().await;
            }
        }
    }

    /// Finds records that are new, and returns whether anything may still come.
    fn find_sources(&mut self) -> Course {
        let directory = self.history.clone();
        let mut directory = directory.directory();
        if self.follow == Follow::On {
            directory.waiting.join(&self.bell);
        } else if self.seen > 0 {
            return Course::Closed;
        }
        let mut found = Vec::new();
        for log in &directory.logs[self.seen..] {
            if self.names.as_ref().is_none_or(|names| names.iter().any(|name| stands_for(name, &log.name))) {
                found.push(log.clone());
            }
        }
        self.seen = directory.logs.len();
        let course = match self.follow {
            Follow::On => directory.course,
            Follow::Off => Course::Closed,
        };
        // Whoever records needs the directory, and should not wait for a look at every record.
        drop(directory);
        let sources = found.into_iter().map(|log| Followed::new(log, self.last, self.follow));
        self.sources.extend(sources);
        course
    }

    fn read(&mut self, course: Course) -> Vec<Piece> {
        let now = Instant::now();
        let unfinished = match course {
            Course::Goes if self.held_since.is_none_or(|since| since + HELD > now) => Unfinished::Left,
            Course::Goes | Course::Closed => Unfinished::Taken,
        };
        if course == Course::Closed {
            self.sources.iter_mut().for_each(|source| source.rests_until = None);
        }
        let newest = (NEWEST / self.sources.len().max(1)).max(NEWEST_EACH);
        let mut pieces = Pieces::default();
        self.look(now, newest, unfinished, &mut pieces);
        // Whoever has written something before the latest of what has been seen has done so by now, even if that was
        // not seen; what came later is left for the next time.
        let latest = self.sources.iter().flat_map(|source| [source.next, source.latest]).max().flatten();
        self.look(now, newest, unfinished, &mut pieces);
        while let Some(latest) = latest
            && !pieces.are_many()
        {
            let Some((first, second)) = self.first_two() else { break };
            let first = &mut self.sources[first];
            if first.next > Some(latest) {
                break;
            }
            let until = second.map_or(latest, |second| second.min(latest));
            first.read(until, newest, unfinished, &mut pieces);
        }
        pieces.all
    }

    /// Returns who has the earliest line, and when the earliest of the others came.
    fn first_two(&self) -> Option<(usize, Option<Timestamp>)> {
        let mut heads = self.sources.iter().enumerate().filter_map(|(at, source)| Some((source.next?, at)));
        let (mut first, mut second) = (heads.next()?, None);
        for head in heads {
            if head.0 < first.0 {
                (first, second) = (head, Some(first.0));
            } else if second.is_none_or(|second| head.0 < second) {
                second = Some(head.0);
            }
        }
        Some((first.1, second))
    }

    /// Looks for lines of those that have none and do not rest.
    fn look(&mut self, now: Instant, newest: usize, unfinished: Unfinished, pieces: &mut Pieces) {
        for source in &mut self.sources {
            if source.rests_until.is_some_and(|until| until > now) || source.next.is_some() {
                continue;
            }
            source.rests_until = None;
            source.look(newest, unfinished, pieces);
        }
    }

    /// Asks to be woken by whoever has something. Returns whether to wait: nobody has anything by now.
    fn wait_in_line(&self) -> bool {
        let awake = self.sources.iter().filter(|source| source.rests_until.is_none());
        awake.fold(true, |wait, source| {
            let mut state = source.log.state();
            let is_empty = !state.record.has_overtaken(source.cursor)
                && state.record.next_time(source.cursor, Unfinished::Left).is_none();
            if is_empty {
                state.waiting.join(&self.bell);
            }
            wait && is_empty
        })
    }

    /// Takes note of when a line has begun that has not ended: what is returned until then is whole lines.
    fn note_beginnings(&mut self) {
        let has_begun = |source: &Followed| {
            source.log.state().record.next_time(source.cursor, Unfinished::Taken).is_some()
        };
        if !self.sources.iter().any(has_begun) {
            self.held_since = None;
        } else if self.held_since.is_none_or(|since| since.elapsed() >= HELD) {
            self.held_since = Some(Instant::now());
        }
    }

    async fn wait(&mut self) {
        let rested = self.sources.iter().filter_map(|source| source.rests_until).min();
        match [rested, self.held_since.map(|since| since + HELD)].into_iter().flatten().min() {
            Some(until) => {
                tokio::select! {
                    () = self.bell.notified() => {}
                    () = sleep_until(until) => return,
                }
            }
            None => self.bell.notified().await,
        }
        let woken = self.woken.replace(Instant::now());
        if woken.is_some_and(|woken| woken.elapsed() < PAUSE) {
            sleep(PAUSE).await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.history.leave(&self.bell);
        for source in &self.sources {
            let mut state = source.log.state();
            state.waiting.leave(&self.bell);
            state.record.count_no_more();
        }
    }
}

impl Followed {
    fn new(log: Log, last: Option<u64>, follow: Follow) -> Self {
        let mut state = log.state();
        state.record.count_lines();
        let (stop, unfinished) = match follow {
            Follow::On => (None, Unfinished::Left),
            Follow::Off => (Some(state.record.end()), Unfinished::Taken),
        };
        let cursor = state.record.cursor(last, unfinished);
        drop(state);
        Followed { log, cursor, next: None, latest: None, rests_until: None, stop }
    }

    /// Returns what is read at the end, where that is known.
    fn unfinished(&self, usual: Unfinished) -> Unfinished {
        self.stop.map_or(usual, Unfinished::TakenUpTo)
    }

    /// Returns whether something is lost that has not been read yet and should be.
    fn is_overtaken(&self, record: &Record) -> bool {
        record.has_overtaken(self.cursor)
            && self.stop.is_none_or(|stop| !record.has_reached(self.cursor, stop))
    }

    fn look(&mut self, newest: usize, unfinished: Unfinished, pieces: &mut Pieces) {
        let unfinished = self.unfinished(unfinished);
        let log = self.log.clone();
        let state = log.state();
        if self.is_overtaken(&state.record) {
            self.skip(&state.record, newest, pieces);
        } else {
            self.next = state.record.next_time(self.cursor, unfinished);
            self.latest = state.record.last_time();
        }
    }

    /// Reads lines up to a time.
    fn read(&mut self, until: Timestamp, newest: usize, unfinished: Unfinished, pieces: &mut Pieces) {
        let unfinished = self.unfinished(unfinished);
        let log = self.log.clone();
        let state = log.state();
        if self.is_overtaken(&state.record) {
            return self.skip(&state.record, newest, pieces);
        }
        while !pieces.are_many() && self.next.is_some_and(|next| next <= until) {
            self.read_line(&state.record, unfinished, pieces);
            self.next = state.record.next_time(self.cursor, unfinished);
        }
    }

    /// Goes on with the newest lines, and then rests, or ends; or with what is left up to where it ends.
    fn skip(&mut self, record: &Record, newest: usize, pieces: &mut Pieces) {
        let left = self.stop.filter(|stop| record.start() < *stop);
        let kept = left.map_or(newest as u64, |_| u64::MAX);
        let lines = record.skip(&mut self.cursor, kept);
        if lines > 0 {
            pieces.all.push(Piece::Skipped { name: Arc::clone(&self.log.name), lines });
        }
        match left {
            Some(stop) => self.next = record.next_time(self.cursor, Unfinished::TakenUpTo(stop)),
            None => {
                while self.read_line(record, Unfinished::Left, pieces) {}
                self.next = None;
                self.rests_until = Some(Instant::now() + REST);
            }
        }
    }

    fn read_line(&mut self, record: &Record, unfinished: Unfinished, pieces: &mut Pieces) -> bool {
        let Some(line) = record.next_line(&mut self.cursor, unfinished) else { return false };
        pieces.bytes += line.bytes.len();
        pieces.all.push(Piece::Line(LogLine {
            time: line.time,
            name: Arc::clone(&self.log.name),
            pid: line.pid,
            position: line.position,
            own: line.own,
            partial: line.partial,
            bytes: line.bytes.into_owned(),
        }));
        true
    }
}

/// What has been read.
#[derive(Debug, Default)]
struct Pieces {
    all: Vec<Piece>,
    bytes: usize,
}

impl Pieces {
    fn are_many(&self) -> bool {
        self.bytes >= BATCH || self.all.len() >= PIECES
    }
}

/// Returns whether a name stands for an instance: it is its own, or its type's.
fn stands_for(name: &str, instance: &str) -> bool {
    instance
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.').is_some_and(|rest| !rest.contains('.')))
}
