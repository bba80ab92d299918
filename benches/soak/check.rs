//! Holds procman's output against what the instances have written, byte by byte, while it comes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::round::{Format, Round};
use crate::writer::{CHATTER, Script, noise, read_ledger};

/// What has been seen of a round's output.
pub struct Checker {
    format: Format,
    /// An output line that has not ended yet.
    rest: Vec<u8>,
    streams: BTreeMap<String, Stream>,
    /// The instance whose end was said to stop the formation.
    ended: Option<String>,
    /// The last lines, to be shown with a fault.
    pub tail: Vec<String>,
    pub lines: u64,
    pub bytes: u64,
    /// The first thing that was wrong.
    pub fault: Option<String>,
}

/// Whether all that was written has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complete {
    Yes,
    /// Output was cut, which was said, or has been expected.
    No,
}

struct Stream {
    script: Script,
    phase: Phase,
    /// The line that is being shown, and how far.
    number: u64,
    line: Vec<u8>,
    at: usize,
    /// The bytes before that line.
    before: u64,
    /// Whether the piece before was of this line, in JSON.
    open: Piece,
    whose: Whose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Silent,
    Started,
    /// With these words.
    Ended(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    Company,
}

/// What a piece of output is to the instance's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Begins,
    Continues,
}

#[derive(Deserialize)]
struct Record {
    process: String,
    message: String,
    #[serde(default)]
    lossy: bool,
    #[serde(default)]
    partial: bool,
}

impl Checker {
    pub fn new(round: &Round) -> Checker {
        let noise = noise(round.format);
        let stream = |(name, role): (&String, _)| {
            (name.clone(), Stream::new(Script::new(round, name, role, noise.clone())))
        };
        Checker {
            format: round.format,
            rest: Vec::new(),
            streams: round.roles.iter().map(stream).collect(),
            ended: None,
            tail: Vec::new(),
            lines: 0,
            bytes: 0,
            fault: None,
        }
    }

    /// Takes the next bytes of the output.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.rest.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.rest);
            self.lines += 1;
            if self.fault.is_none() {
                self.tail.push(shown(&line));
                self.fault = self.line(&line).err().map(|what| format!("{what}\n  in: {}", shown(&line)));
            }
            if self.tail.len() > 200 {
                self.tail.drain(..100);
            }
            self.rest = line;
            self.rest.clear();
        }
        self.rest.extend_from_slice(bytes);
    }

    /// Returns how many instances have been started.
    pub fn started(&self) -> usize {
        let is_seen = |stream: &&Stream| stream.phase != Phase::Silent || stream.number > 0;
        self.streams.values().filter(is_seen).count()
    }

    /// Takes the end of the output and the ledgers, and returns the first thing that was wrong.
    pub fn finish(&mut self, root: &Path, complete: Complete) -> Result<(), String> {
        if self.format == Format::Raw && !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.fault = self.fault.take().or(self.line(&rest).err());
        }
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if complete == Complete::No {
            return Ok(());
        }
        if !self.rest.is_empty() {
            return Err(format!("the output ends within a line: {}", shown(&self.rest)));
        }
        for (name, stream) in &self.streams {
            let (written, _) = read_ledger(root, name).unwrap_or_default();
            let shown = stream.before + stream.at as u64;
            // A newline at the very end cannot be told from one of procman's.
            if shown + 1 < written {
                return Err(format!("{name} wrote {written} bytes, and {shown} came"));
            }
            if self.format != Format::Raw && stream.phase == Phase::Started {
                return Err(format!("no word on the end of {name}"));
            }
        }
        Ok(())
    }

    /// Returns the words for the end of an instance.
    pub fn end_of(&self, name: &str) -> Option<&str> {
        match &self.streams.get(name)?.phase {
            Phase::Ended(words) => Some(words),
            Phase::Silent | Phase::Started => None,
        }
    }

    /// Returns the status of the instance whose end was said to stop the formation.
    pub fn deciding_status(&self) -> Option<i32> {
        let words = self.end_of(self.ended.as_ref()?)?;
        words.strip_prefix("exited with code ")?.parse().ok()
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if self.format == Format::Raw {
            let stream = self.streams.values_mut().next().ok_or("no instance")?;
            return stream.own(Piece::Begins, line);
        }
        let record;
        let (name, text, piece) = match self.format {
            Format::Text | Format::Raw => split(line).ok_or("no prefix")?,
            Format::TextWithTime => {
                let (time, line) = line.split_at_checked(9).ok_or("no time")?;
                let shape = time.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte });
                if !shape.eq(*b"00:00:00 ") {
                    return Err("no time".to_owned());
                }
                split(line).ok_or("no prefix")?
            }
            Format::Json => {
                record = serde_json::from_slice::<Record>(line).map_err(|error| error.to_string())?;
                if record.lossy {
                    return Err("lossy".to_owned());
                }
                let open = if record.partial { Piece::Continues } else { Piece::Begins };
                let piece = match self.streams.get_mut(&record.process) {
                    Some(stream) => std::mem::replace(&mut stream.open, open),
                    None => Piece::Begins,
                };
                (record.process.as_str(), record.message.as_bytes(), piece)
            }
        };
        if piece == Piece::Continues && text.is_empty() && self.format != Format::Json {
            return Err("the rest of a line, and nothing in it".to_owned());
        }
        if name == "system" {
            let text = String::from_utf8_lossy(text);
            if let Some((name, _)) = text.split_once(" ended, sending SIGTERM") {
                self.ended = Some(name.to_owned());
            }
            return if text.contains("cannot") { Err("procman complains".to_owned()) } else { Ok(()) };
        }
        self.streams.get_mut(name).ok_or_else(|| format!("no instance is named {name}"))?.piece(piece, text)
    }
}

impl Stream {
    fn new(script: Script) -> Stream {
        Stream {
            script,
            phase: Phase::Silent,
            number: 0,
            line: Vec::new(),
            at: 0,
            before: 0,
            open: Piece::Begins,
            whose: Whose::Own,
        }
    }

    /// Takes a piece of output of the instance, or a word of procman's about it.
    fn piece(&mut self, piece: Piece, text: &[u8]) -> Result<(), String> {
        let words = std::str::from_utf8(text).ok();
        let is_end =
            |words: &&str| words.starts_with("exited with code ") || words.starts_with("terminated by ");
        match (&self.phase, piece) {
            (Phase::Ended(words), _) => return Err(format!("output after `{words}`")),
            (Phase::Silent, _) if words.is_some_and(|words| words.starts_with("started with pid ")) => {
                self.phase = Phase::Started;
                return Ok(());
            }
            (Phase::Silent, _) => return Err("output before the start".to_owned()),
            (Phase::Started, Piece::Begins) => {
                if let Some(words) = words.filter(is_end) {
                    self.phase = Phase::Ended(words.to_owned());
                    return Ok(());
                }
                self.whose = if text.starts_with(CHATTER) { Whose::Company } else { Whose::Own };
            }
            (Phase::Started, Piece::Continues) => {}
        }
        match self.whose {
            Whose::Own => self.own(piece, text),
            Whose::Company => Ok(()),
        }
    }

    /// Takes a piece of the instance's own lines.
    fn own(&mut self, piece: Piece, text: &[u8]) -> Result<(), String> {
        if piece == Piece::Begins {
            let (number, at, length) = (self.number, self.at, self.line.len());
            if at < length {
                return Err(format!("before this, line {number} was shown up to byte {at} of {length}"));
            }
            if self.number > 0 {
                self.before += self.line.len() as u64 + 1;
            }
            self.number += 1;
            self.line.clear();
            self.script.line(self.number, &mut self.line);
            self.at = 0;
        }
        let expected = &self.line[self.at..];
        if !expected.starts_with(text) {
            let same = expected.iter().zip(text).take_while(|(one, other)| one == other).count();
            let (number, at, length) = (self.number, self.at + same, self.line.len());
            return Err(format!("line {number} of {length} bytes differs at byte {at}"));
        }
        self.at += text.len();
        Ok(())
    }
}

/// Splits `name   | text` and `name   + text`.
fn split(line: &[u8]) -> Option<(&str, &[u8], Piece)> {
    let end = line.iter().position(|byte| *byte == b' ')?;
    let rest = &line[end..];
    let bar = rest.iter().position(|byte| *byte != b' ')?;
    let piece = match rest.get(bar..bar + 2)? {
        b"| " => Piece::Begins,
        b"+ " => Piece::Continues,
        _ => return None,
    };
    Some((std::str::from_utf8(&line[..end]).ok()?, &rest[bar + 2..], piece))
}

fn shown(line: &[u8]) -> String {
    let start = String::from_utf8_lossy(&line[..line.len().min(120)]).into_owned();
    let more = if line.len() > 120 { format!(" … ({} bytes)", line.len()) } else { String::new() };
    format!("{start:?}{more}")
}
