//! The little language of the transcripts: one step a line, `step -> output`.
//!
//! ```text
//! a: one\n          bytes come from the stream `a`, `b` or `c`, if it may write now
//! say a: text       procman says something about an instance
//! say: text         procman says something of its own
//! close a           the stream has ended
//! clock -1h         somebody sets the clock
//! next deadline?    is asked
//! ```
//!
//! `+250ms` before a step lets time pass first, and may stand alone. Bytes are written with `\n \r \e \0 \xFF`,
//! and `x{70000}` is a long run. Every step is one turn of the pump, which asks for access, says what it has
//! to say, and then has pauses looked at; so every step also shows that no deadline is left in the past.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::output::{Access, Colour, Format, Merge, Moment, Returns, Source, Stamp, StreamKey, Style};

/// The streams of all transcripts; their position is their key, their process is one more.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// From how many on equal bytes are written as a run.
const RUN: usize = 24;

/// Plays a transcript with plain text and compares the output.
#[track_caller]
pub fn check(transcript: &str) {
    check_as(&text(), transcript);
}

/// Plays a transcript and compares the output.
#[track_caller]
pub fn check_as(style: &Style, transcript: &str) {
    let mut player = Player::new(style);
    let mut expected = Vec::new();
    let mut actual = Vec::new();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((step, output)) = line.split_once("->") else { panic!("no arrow in `{line}`") };
        let step = step.trim();
        let answer = player.play(step);
        expected.push((step, output.trim().to_owned()));
        actual.push((step, answer.trim().to_owned()));
    }
    assert!(actual == expected, "the transcript is now\n\n{}", align(&actual));
}

pub fn text() -> Style {
    let (format, colour, returns) = (Format::Text, Colour::Off, Returns::Kept);
    Style { format, colour, returns, stamp: Stamp::Off, zone: TimeZone::UTC, width: 1 }
}

pub fn timed(stamp: Stamp) -> Style {
    Style { stamp, ..text() }
}

pub fn on_terminal() -> Style {
    Style { returns: Returns::Prefixed, ..text() }
}

pub fn coloured() -> Style {
    Style { colour: Colour::On, ..text() }
}

/// With colours and times, of which nothing may be seen.
pub fn raw() -> Style {
    Style { format: Format::Raw, colour: Colour::On, stamp: Stamp::Seconds, ..text() }
}

/// With colours, of which nothing may be seen.
pub fn json() -> Style {
    Style { format: Format::Json, colour: Colour::On, ..text() }
}

/// Noon of a day, when all tests begin.
fn noon() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// A merge, and the time.
pub struct Player {
    format: Format,
    pub merge: Merge,
    pub now: Moment,
}

impl Player {
    pub fn new(style: &Style) -> Self {
        let now = Moment { time: Duration::ZERO, wall: noon() };
        let system = Source { name: "system".to_owned(), pid: 100, position: None };
        let mut merge = Merge::new(style.clone(), system, now);
        for position in 0..NAMES.len() {
            merge.open(StreamKey(position), source(position));
        }
        Player { format: style.format, merge, now }
    }

    /// Takes one step of the language and returns what it shows.
    #[track_caller]
    pub fn play(&mut self, step: &str) -> String {
        let (wait, step) = match step.strip_prefix('+') {
            Some(step) => step.split_once(' ').unwrap_or((step, "")),
            None => ("0s", step),
        };
        self.pass(duration(wait));
        if step == "next deadline?" {
            return self.merge.next_deadline().map_or("none".to_owned(), show_duration);
        }
        let (output, waits) = self.turn(|player| match step.split_once(' ') {
            None if step.is_empty() => Access::Granted,
            Some(("clock", by)) => {
                player.now.wall += by.parse::<SignedDuration>().unwrap();
                player.merge.set_time(player.now);
                Access::Granted
            }
            Some(("close", name)) => player.ask(Some(key(name)), |merge| merge.close(key(name))),
            Some(("say:", text)) => player.ask(None, |merge| merge.say_system(text)),
            Some(("say", rest)) => {
                let (name, text) = rest.split_once(": ").unwrap();
                player.ask(Some(key(name)), |merge| merge.say(key(name), text))
            }
            _ => {
                let Some((name, bytes)) = step.split_once(": ") else { panic!("no such step: `{step}`") };
                player.ask(Some(key(name)), |merge| merge.feed(key(name), &bytes_of(bytes)))
            }
        });
        let shown = if self.format == Format::Json { show_records(&output) } else { show_bytes(&output) };
        match waits {
            Access::Granted => shown,
            Access::Later(until) => format!("{shown} waits until {}", show_duration(until)),
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, wait: Duration) {
        self.now.time += wait;
        self.now.wall += SignedDuration::try_from(wait).unwrap();
    }

    /// Takes one turn as the pump does and returns what it has to write.
    #[track_caller]
    pub fn turn(&mut self, act: impl FnOnce(&mut Self) -> Access) -> (Vec<u8>, Access) {
        self.merge.set_time(self.now);
        let access = act(self);
        self.merge.show_paused();
        if let Some(deadline) = self.merge.next_deadline() {
            assert!(deadline > self.now.time, "the deadline {deadline:?} has passed at {:?}", self.now.time);
        }
        let output = self.merge.batch().to_vec();
        self.merge.clear_batch();
        (output, access)
    }

    /// Does something if `key` may write now.
    pub fn ask(&mut self, key: Option<StreamKey>, act: impl FnOnce(&mut Merge)) -> Access {
        let access = self.merge.access(key);
        if access == Access::Granted {
            act(&mut self.merge);
        }
        access
    }

    /// Feeds bytes that nobody's line keeps from being read, and returns what is shown.
    #[track_caller]
    pub fn feed(&mut self, key: StreamKey, bytes: &[u8]) -> Vec<u8> {
        let (output, access) = self.turn(|player| player.ask(Some(key), |merge| merge.feed(key, bytes)));
        assert_eq!(access, Access::Granted);
        output
    }
}

/// Returns the source of the stream at a position.
pub fn source(position: usize) -> Source {
    Source { name: NAMES[position].to_owned(), pid: 1 + position as i32, position: Some(position) }
}

fn key(name: &str) -> StreamKey {
    StreamKey(NAMES.into_iter().position(|other| other == name).unwrap())
}

fn align(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(step, _)| step.len()).max().unwrap_or_default();
    rows.iter()
        .map(|(step, output)| format!("{step:width$} -> {output}").trim_end().to_owned() + "\n")
        .collect()
}

fn duration(text: &str) -> Duration {
    text.parse::<SignedDuration>().unwrap().try_into().unwrap()
}

fn show_duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Reads what [`show_bytes`] writes.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = 0..0;
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        let start = bytes.len();
        match char {
            '{' => {
                let count: String = rest.by_ref().take_while(|&char| char != '}').collect();
                let unit = bytes[last.clone()].to_vec();
                bytes.extend(unit.repeat(count.parse::<usize>().unwrap() - 1));
            }
            '\\' => match rest.next() {
                Some('n') => bytes.push(b'\n'),
                Some('r') => bytes.push(b'\r'),
                Some('e') => bytes.push(0x1B),
                Some('0') => bytes.push(0),
                Some('x') => {
                    let digits: String = rest.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                }
                other => panic!("no such escape: {other:?}"),
            },
            char => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        last = start..bytes.len();
    }
    bytes
}

pub fn show_bytes(bytes: &[u8]) -> String {
    let mut units = Vec::new();
    for chunk in bytes.utf8_chunks() {
        units.extend(chunk.valid().chars().map(|char| match char {
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\x1b' => "\\e".to_owned(),
            '\0' => "\\0".to_owned(),
            char if char.is_ascii_control() => format!("\\x{:02X}", char as u32),
            char => char.to_string(),
        }));
        units.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    let runs = units.chunk_by(|one, other| one == other);
    runs.map(|run| if run.len() < RUN { run.concat() } else { format!("{}{{{}}}", run[0], run.len()) })
        .collect()
}

/// Shows records as `a "message" lossy partial`.
fn show_records(batch: &[u8]) -> String {
    let records = batch.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let record: serde_json::Value = serde_json::from_slice(line).unwrap();
        let message = show_bytes(record["message"].as_str().unwrap().as_bytes());
        let marks = ["lossy", "partial"].into_iter().filter(|mark| record[*mark] == true);
        let marks: String = marks.map(|mark| format!(" {mark}")).collect();
        format!("{} \"{message}\"{marks}", record["process"].as_str().unwrap())
    });
    records.collect::<Vec<_>>().join(", ")
}
