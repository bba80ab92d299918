//! What the pump records, and of which streams it shows what it records: those that nobody holds.
//!
//! Of a stream that is held the journal knows up to where it has been shown. The rest is in its record, as long as that
//! keeps it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use jiff::Timestamp;

use crate::output::{Plain, Record, Source, StreamKey};
use crate::runtime::history::{History, Log};

/// Whose output.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// That of all instances, and procman's own lines.
    All,
    /// That of the instance with this name.
    Instance(String),
}

/// The records of the streams that are open, and what is held.
#[derive(Debug)]
pub struct Journal {
    history: History,
    /// `None` is procman itself.
    entries: BTreeMap<Option<StreamKey>, Entry>,
    /// How often each is held.
    holds: BTreeMap<Whose, usize>,
    /// What is to be shown, while that is being done. Nothing else happens meanwhile.
    due: Option<Due>,
}

/// The streams that were held and are not any more.
#[derive(Debug, Default)]
struct Due {
    /// The first of each name, by the time of its next part.
    heads: BinaryHeap<Reverse<(Option<Timestamp>, Option<StreamKey>)>>,
    /// Those behind them. Of two processes of one name the first comes first, whatever the clock says.
    behind: BTreeMap<String, VecDeque<Option<StreamKey>>>,
}

/// One stream.
#[derive(Debug)]
struct Entry {
    log: Log,
    /// Up to where it has been shown, if that is not everything.
    shown: Option<u64>,
    /// What is left of what was held, on a terminal.
    plain: Plain,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Its instance has ended, and its last line stands before this position of the record.
    Ended(u64),
    /// That too, and its stream is gone.
    Gone(u64),
}

/// A part of what was held, when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whose.
    pub key: Option<StreamKey>,
    /// When it came; `None` if there is nothing.
    pub time: Option<Timestamp>,
    /// What it is.
    pub what: What,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Bytes of the stream.
    Bytes(Vec<u8>),
    /// What procman said of it, in lines.
    Said(String),
    /// So many bytes of this name, which the record has lost.
    Lost(String, u64),
    /// Nothing is left.
    Nothing,
    /// Nothing is left, and nothing will come.
    End,
}

impl Journal {
    /// Returns a journal without streams; `system` is the source of procman's own lines.
    pub fn new(history: History, system: &Source) -> Self {
        let mut journal = Journal { history, entries: BTreeMap::new(), holds: BTreeMap::new(), due: None };
        journal.add(None, system);
        journal
    }

    /// Adds a stream.
    pub fn open(&mut self, key: StreamKey, source: &Source) {
        self.add(Some(key), source);
    }

    fn add(&mut self, key: Option<StreamKey>, source: &Source) {
        let log = self.history.open(source);
        let shown = self.has_hold(log.name()).then(|| log.read(Record::end));
        self.entries.insert(key, Entry { log, shown, plain: Plain::default(), state: State::Open });
    }

    /// Notes that the instance of a stream has ended.
    pub fn close(&mut self, key: StreamKey) {
        if let Some(entry) = self.entries.get_mut(&Some(key)) {
            entry.state = State::Ended(entry.log.read(Record::end));
        }
    }

    /// Forgets a stream, and returns those of which nothing is to be shown any more.
    pub fn forget(&mut self, key: StreamKey) -> Vec<StreamKey> {
        match self.entries.get_mut(&Some(key)) {
            Some(entry) if entry.shown.is_some() => {
                entry.state = State::Gone(entry.until());
                let name = entry.log.name().to_owned();
                self.join_lost(&name)
            }
            Some(_) | None => {
                self.entries.remove(&Some(key));
                vec![key]
            }
        }
    }

    /// Makes one of the processes of a name of which nothing is left, so that they do not pile up while it is held and
    /// started again and again. Returns the streams that have become part of the first, which alone may have shown
    /// something.
    fn join_lost(&mut self, name: &str) -> Vec<StreamKey> {
        let of_name = self.entries.iter_mut().filter(|(_, entry)| entry.log.name() == name);
        let mut lost = of_name.map_while(|(key, entry)| Some((*key, entry.lost_until()?, entry)));
        let Some((_, _, first)) = lost.next() else { return Vec::new() };
        let mut joined = Vec::new();
        for (key, until, _) in lost {
            first.state = State::Gone(until);
            joined.extend(key);
        }
        for key in &joined {
            self.entries.remove(&Some(*key));
        }
        joined
    }

    /// Returns whether what comes from a stream is not shown now.
    pub fn is_held(&self, key: Option<StreamKey>) -> bool {
        // Asked for every read, and mostly answered by this: what is released is shown before anything else is read.
        !self.holds.is_empty() && self.entries.get(&key).is_some_and(|entry| entry.shown.is_some())
    }

    /// Records the first bytes of a buffer, which another one may take the place of.
    pub fn add_bytes(&mut self, key: StreamKey, buffer: &mut Vec<u8>, length: usize, time: Timestamp) {
        if let Some(entry) = self.entries.get(&Some(key)) {
            entry.log.add(buffer, length, time);
        }
    }

    /// Records a line of procman's about a stream, or of its own.
    pub fn say(&mut self, key: Option<StreamKey>, text: &str, time: Timestamp) {
        if let Some(entry) = self.entries.get(&key) {
            entry.log.say(text, time);
        }
    }

    /// Records how the instance of a stream has ended.
    pub fn say_end(&mut self, key: StreamKey, text: &str, time: Timestamp) {
        if let Some(entry) = self.entries.get(&Some(key)) {
            entry.log.say_end(text, time);
        }
    }

    /// Says that nothing will come any more.
    pub fn end(&self) {
        self.history.close();
    }

    /// Returns how many bytes are held that can still be shown.
    pub fn held(&self) -> usize {
        if self.holds.is_empty() {
            return 0;
        }
        self.entries.values().map(Entry::held).sum()
    }

    /// Holds what comes from now on, and returns the streams that this is new for.
    pub fn hold(&mut self, whose: Whose) -> Vec<StreamKey> {
        *self.holds.entry(whose).or_default() += 1;
        let holds = &self.holds;
        let fresh = self.entries.iter_mut().filter(|(_, entry)| {
            entry.shown.is_none() && entry.state == State::Open && has_hold(holds, entry.log.name())
        });
        let keys = fresh.map(|(key, entry)| {
            entry.shown = Some(entry.log.read(Record::end));
            *key
        });
        keys.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Takes one hold back, if there is one.
    pub fn release(&mut self, whose: &Whose) {
        let Some(count) = self.holds.get_mut(whose) else { return };
        *count -= 1;
        if *count == 0 {
            self.holds.remove(whose);
        }
    }

    /// Takes all holds back.
    pub fn release_all(&mut self) {
        self.holds.clear();
    }

    /// Returns a stream that is, or was, held for this reason.
    pub fn first_of(&self, whose: &Whose) -> Option<StreamKey> {
        let is_one = |entry: &Entry| match whose {
            Whose::All => true,
            Whose::Instance(name) => entry.log.name() == name,
        };
        self.entries.iter().find_map(|(key, entry)| key.filter(|_| is_one(entry)))
    }

    /// Returns what is to be shown next of all that has not been shown and is not held any more: what came first.
    ///
    /// It is to be called until there is nothing more, before anything else is done with the journal.
    pub fn next_part(&mut self) -> Option<Part> {
        let mut due = self.due.take().unwrap_or_else(|| self.due());
        let Reverse((time, key)) = due.heads.pop()?;
        let entry = self.entries.get_mut(&key)?;
        let what = entry.next_part();
        let next = match what {
            What::End | What::Nothing => {
                entry.shown = None;
                due.behind.get_mut(entry.log.name()).and_then(VecDeque::pop_front)
            }
            What::Bytes(_) | What::Said(_) | What::Lost(..) => Some(key),
        };
        if what == What::End {
            self.entries.remove(&key);
        }
        if let Some((next, entry)) = next.and_then(|next| Some((next, self.entries.get(&next)?))) {
            due.heads.push(Reverse((entry.next_time(), next)));
        }
        self.due = Some(due);
        Some(Part { key, time, what })
    }

    fn due(&self) -> Due {
        let mut due = Due::default();
        for (key, entry) in &self.entries {
            let name = entry.log.name();
            if entry.shown.is_none() || has_hold(&self.holds, name) {
                continue;
            }
            match due.behind.get_mut(name) {
                Some(behind) => behind.push_back(*key),
                None => {
                    due.behind.insert(name.to_owned(), VecDeque::new());
                    due.heads.push(Reverse((entry.next_time(), *key)));
                }
            }
        }
        due
    }

    /// Returns what is left of bytes that were held, for a terminal.
    pub fn plain(&mut self, key: StreamKey, bytes: Vec<u8>) -> Vec<u8> {
        match self.entries.get_mut(&Some(key)) {
            Some(entry) => entry.plain.take(bytes),
            None => bytes,
        }
    }

    /// Returns how many streams there are, procman itself included.
    #[cfg(test)]
    pub fn streams(&self) -> usize {
        self.entries.len()
    }

    fn has_hold(&self, name: &str) -> bool {
        has_hold(&self.holds, name)
    }
}

impl Entry {
    /// Returns the end of what belongs to this stream.
    fn until(&self) -> u64 {
        match self.state {
            State::Open => self.log.read(Record::end),
            State::Ended(at) | State::Gone(at) => at,
        }
    }

    /// Returns the end of what belongs to this stream, if it is gone and the record has lost all of it.
    fn lost_until(&self) -> Option<u64> {
        match self.state {
            State::Gone(until) if self.shown.is_some() && until <= self.log.read(Record::start) => {
                Some(until)
            }
            State::Gone(_) | State::Open | State::Ended(_) => None,
        }
    }

    fn held(&self) -> usize {
        let Some(shown) = self.shown else { return 0 };
        let from = shown.max(self.log.read(Record::start));
        usize::try_from(self.until().saturating_sub(from)).unwrap_or(usize::MAX)
    }

    /// Returns when the next part came, if there is one.
    fn next_time(&self) -> Option<Timestamp> {
        let time = self.log.read(|record| record.segment(self.shown?).map(|segment| segment.time));
        time.filter(|_| self.held() > 0)
    }

    fn next_part(&mut self) -> What {
        let until = self.until();
        let Some(shown) = self.shown.filter(|shown| *shown < until) else {
            return match self.state {
                State::Open | State::Ended(_) => What::Nothing,
                State::Gone(_) => What::End,
            };
        };
        let start = self.log.read(Record::start);
        if shown < start {
            self.shown = Some(start);
            return What::Lost(self.log.name().to_owned(), start.min(until) - shown);
        }
        let part = self.log.read(|record| {
            let segment = record.segment(shown)?;
            let length = segment.bytes.len().min(usize::try_from(until - shown).unwrap_or(usize::MAX));
            let bytes = segment.bytes[..length].to_vec();
            let said = |bytes: Vec<u8>| What::Said(String::from_utf8_lossy(&bytes).into_owned());
            Some((length as u64, if segment.own { said(bytes) } else { What::Bytes(bytes) }))
        });
        let (length, what) = part.unwrap_or((until - shown, What::Nothing));
        self.shown = Some(shown + length);
        what
    }
}

fn has_hold(holds: &BTreeMap<Whose, usize>, name: &str) -> bool {
    !holds.is_empty()
        && (holds.contains_key(&Whose::All) || holds.contains_key(&Whose::Instance(name.to_owned())))
}
