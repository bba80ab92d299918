//! Random streams through a pump like the real one, and a reader who takes the output apart again.
//!
//! Every byte must come out once, in its order, in a line of its own stream; nobody may wait longer than a
//! turn; what has not been shown must stay small; and after a pause everything is shown.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Just, Strategy};
use proptest::{prop_oneof, proptest};

use crate::output::lines::{split_last_line, split_lines};
use crate::output::tests::transcript::{Player, coloured, json, raw, show_bytes, source, text};
use crate::output::{Access, Colour, Format, StreamKey, Style};
use crate::trials;

const STREAMS: Range<usize> = 0..3;
/// How much the pump reads at once.
const READ: usize = 128 * 1024;
/// How much of a stream may be held back, and what may be left of it when all is quiet.
const HELD: usize = 64 * 1024;
const CHARACTER: usize = 3;
/// How long others wait for a flowing line.
const TURN: Duration = Duration::from_millis(250);
/// When a beginning has been shown for certain, though every stream keeps the others waiting for a turn.
const PAUSE: Duration = Duration::from_secs(2);

const RESET: &[u8] = b"\x1b[0m";

proptest! {
    #![proptest_config(trials::trials(128))]

    #[test]
    fn text_can_be_read_back(walk in walk()) {
        World::new(&text()).live(walk);
    }

    #[test]
    fn coloured_text_can_be_read_back(walk in walk()) {
        World::new(&coloured()).live(walk);
    }

    #[test]
    fn records_can_be_read_back(walk in walk()) {
        World::new(&json()).live(walk);
    }

    #[test]
    fn raw_lines_never_mix(walk in walk()) {
        World::new(&raw()).live(walk);
    }
}

/// Something that happens, so long after the one before.
type Walk = Vec<(Duration, Incident)>;

#[derive(Clone, Debug)]
enum Incident {
    Written(usize, Bytes),
    Ended(usize),
    /// All of a stream has ended, and another one of the same name begins.
    Replaced(usize),
    Said,
    Woken,
}

/// Bytes that a failure shows as the transcripts do.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&show_bytes(&self.0))
    }
}

fn walk() -> impl Strategy<Value = Walk> {
    let wait = prop_oneof![
        4 => Just(0),
        3 => 1..50_u64,
        3 => 50..300_u64,
        1 => 300..3000_u64,
    ];
    let incident = prop_oneof![
        20 => (STREAMS, bytes()).prop_map(|(stream, bytes)| Incident::Written(stream, bytes)),
        1 => STREAMS.prop_map(Incident::Ended),
        1 => STREAMS.prop_map(Incident::Replaced),
        1 => Just(Incident::Said),
        1 => Just(Incident::Woken),
    ];
    vec((wait.prop_map(Duration::from_millis), incident), 1..60)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let words: [&[u8]; 12] = [
        b"\n",
        b"\n",
        b"one\n",
        b"two\nthree",
        b"name? ",
        b".",
        b"\r10%",
        b"\x1b[31mred",
        "日本".as_bytes(),
        // A character in two parts, in the wrong order as often as not.
        b"\xF0\x9F",
        b"\x9A\x80",
        b"\0\xFF\xC3",
    ];
    let piece = prop_oneof![
        60 => select(words.to_vec()).prop_map(<[u8]>::to_vec),
        1 => (0..150_000_usize).prop_map(|length| vec![b'x'; length]),
        1 => (HELD - 5..HELD + 5).prop_map(|length| vec![b'x'; length]),
        // Long, and with characters at every offset.
        1 => (0..4_usize, 10_000..20_000_usize).prop_map(|(offset, count)| ["x".repeat(offset), "🚀".repeat(count)].concat().into_bytes()),
    ];
    vec(piece, 1..6).prop_map(|pieces| Bytes(pieces.concat()))
}

#[derive(Clone, Copy, Debug)]
enum Command {
    SayEnded(usize),
    Replace(usize),
    SaySystem,
}

/// Pipes, a pump, and somebody who reads.
struct World {
    format: Format,
    player: Player,
    pipes: Vec<Pipe>,
    commands: VecDeque<Command>,
    /// Until when the pump was told to wait.
    waits: Option<Duration>,
    said: usize,
    reader: Reader,
}

struct Pipe {
    key: StreamKey,
    waiting: Vec<u8>,
    /// All that has been fed and said, with a newline wherever the end of a line was missing.
    fed: Vec<u8>,
    /// Its length without newlines.
    length: usize,
}

impl World {
    fn new(style: &Style) -> Self {
        let pipe = |index| Pipe { key: StreamKey(index), waiting: Vec::new(), fed: Vec::new(), length: 0 };
        World {
            format: style.format,
            player: Player::new(style),
            pipes: STREAMS.map(pipe).collect(),
            commands: VecDeque::new(),
            waits: None,
            said: 0,
            reader: Reader::new(style),
        }
    }

    fn live(mut self, walk: Walk) {
        for (wait, incident) in walk {
            self.pass(wait);
            match incident {
                Incident::Written(index, Bytes(bytes)) => {
                    let bytes = if self.format == Format::Raw { sign(index, &bytes) } else { bytes };
                    self.pipes[index].waiting.extend(bytes);
                }
                Incident::Ended(index) => self.commands.push_back(Command::SayEnded(index)),
                Incident::Replaced(index) => self.commands.push_back(Command::Replace(index)),
                Incident::Said => self.commands.push_back(Command::SaySystem),
                Incident::Woken => {}
            }
            self.pump();
        }
        self.pass(PAUSE);
        assert_eq!(self.player.merge.next_deadline(), None, "nothing is left to be shown");
        self.check_held(CHARACTER);
        self.commands.extend(STREAMS.map(Command::Replace));
        self.pump();
        self.pass(PAUSE);
        self.check_held(0);
        self.check_lines();
    }

    /// Lets time pass, and wakes the pump whenever it has asked for it.
    fn pass(&mut self, wait: Duration) {
        let end = self.player.now.time + wait;
        while let Some(at) = self.player.merge.next_deadline().into_iter().chain(self.waits).min()
            && at <= end
        {
            self.player.pass(at - self.player.now.time);
            self.pump();
        }
        self.player.pass(end - self.player.now.time);
        self.pump();
    }

    /// Does what can be done now.
    fn pump(&mut self) {
        loop {
            self.waits = None;
            self.player.merge.set_time(self.player.now);
            self.obey();
            let read = self.read_pipes();
            let (output, _) = self.player.turn(|_| Access::Granted);
            self.reader.take(&output);
            self.check_held(HELD);
            if !read {
                break;
            }
        }
    }

    fn obey(&mut self) {
        while let Some(command) = self.commands.front().copied() {
            let key = match command {
                Command::SayEnded(index) | Command::Replace(index) => Some(self.pipes[index].key),
                Command::SaySystem => None,
            };
            if !self.may_write(key) {
                return;
            }
            self.commands.pop_front();
            match command {
                Command::SayEnded(index) => {
                    while self.read(index) {}
                    let pipe = &mut self.pipes[index];
                    self.player.merge.say(pipe.key, "exited with code 0");
                    pipe.end_line();
                    if self.format != Format::Raw {
                        pipe.add(b"exited with code 0\n");
                    }
                }
                Command::Replace(index) => {
                    while self.read(index) {}
                    let pipe = &mut self.pipes[index];
                    self.player.merge.close(pipe.key);
                    pipe.end_line();
                    pipe.key = StreamKey(pipe.key.0 + STREAMS.len());
                    self.player.merge.open(pipe.key, source(index));
                }
                Command::SaySystem => {
                    self.player.merge.say_system("hello");
                    self.said += usize::from(self.format != Format::Raw);
                }
            }
        }
    }

    fn read_pipes(&mut self) -> bool {
        let mut read = false;
        for index in STREAMS {
            if !self.pipes[index].waiting.is_empty() && self.may_write(Some(self.pipes[index].key)) {
                read |= self.read(index);
            }
        }
        read
    }

    fn read(&mut self, index: usize) -> bool {
        let pipe = &mut self.pipes[index];
        let rest = pipe.waiting.split_off(pipe.waiting.len().min(READ));
        let bytes = std::mem::replace(&mut pipe.waiting, rest);
        self.player.merge.feed(pipe.key, &bytes);
        pipe.add(&bytes);
        !bytes.is_empty()
    }

    fn may_write(&mut self, key: Option<StreamKey>) -> bool {
        let now = self.player.now.time;
        match self.player.merge.access(key) {
            Access::Granted => true,
            Access::Later(until) => {
                assert!(until > now && until <= now + TURN, "told to wait until {until:?} at {now:?}");
                self.waits = self.waits.into_iter().chain([until]).min();
                false
            }
        }
    }

    /// Checks how much has been fed but not been shown. Records may be longer than what they tell.
    fn check_held(&self, most: usize) {
        for (index, pipe) in self.pipes.iter().enumerate().filter(|_| self.format != Format::Json) {
            let held = pipe.length - self.reader.shown(index);
            assert!(held <= most, "{held} bytes of stream {index} are held back");
        }
    }

    fn check_lines(&self) {
        assert!(self.reader.rest.is_empty(), "a line stands open at the end");
        assert_eq!(self.reader.system, self.said);
        for (index, pipe) in self.pipes.iter().enumerate() {
            let fed: Vec<&[u8]> = split_lines(&pipe.fed).collect();
            let lines = &self.reader.lines[index];
            let read: Vec<Vec<u8>> = lines.iter().map(|pieces| pieces.concat()).collect();
            match self.format {
                Format::Text => assert!(read == fed, "stream {index} reads otherwise than it was written"),
                Format::Json => {
                    let fed: Vec<_> = fed.into_iter().map(String::from_utf8_lossy).collect();
                    let read: Vec<_> = read.iter().map(|line| String::from_utf8_lossy(line)).collect();
                    assert!(read == fed, "stream {index} reads otherwise than it was written");
                }
                // Where a line was cut cannot be seen.
                Format::Raw => assert!(read.len() >= fed.len()),
            }
            for pieces in lines.iter().filter(|pieces| str::from_utf8(&pieces.concat()).is_ok()) {
                assert!(pieces.iter().all(|piece| str::from_utf8(piece).is_ok()), "a character was cut");
            }
        }
    }
}

impl Pipe {
    fn add(&mut self, bytes: &[u8]) {
        self.fed.extend_from_slice(bytes);
        self.length += text_length(bytes);
    }

    fn end_line(&mut self) {
        if self.fed.last().is_some_and(|&byte| byte != b'\n') {
            self.fed.push(b'\n');
        }
    }
}

/// Takes output apart: whose line is it, and is it the rest of one?
struct Reader {
    style: Style,
    /// The line that stands open, its stream, and how much of it has been seen.
    rest: Vec<u8>,
    open: Option<(usize, usize)>,
    /// The lines of each stream, in the pieces in which they came.
    lines: Vec<Vec<Vec<Vec<u8>>>>,
    /// The streams whose next record goes on with their last.
    partial: Vec<bool>,
    system: usize,
    /// How much of each stream has been seen, without newlines.
    length: Vec<usize>,
}

/// One line of the output.
struct Read<'a> {
    /// `None` is procman itself.
    stream: Option<usize>,
    continues: bool,
    text: Cow<'a, [u8]>,
}

impl Reader {
    fn new(style: &Style) -> Self {
        Reader {
            style: style.clone(),
            rest: Vec::new(),
            open: None,
            lines: STREAMS.map(|_| Vec::new()).collect(),
            partial: STREAMS.map(|_| false).collect(),
            system: 0,
            length: STREAMS.map(|_| 0).collect(),
        }
    }

    fn take(&mut self, output: &[u8]) {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(output);
        let (lines, rest) = split_last_line(&bytes);
        for line in split_lines(lines) {
            let Read { stream, continues, text } = self.read(line);
            let Some(stream) = stream else {
                assert_eq!(text, &b"hello"[..]);
                self.system += 1;
                continue;
            };
            self.length[stream] += text.len();
            if continues {
                self.lines[stream].last_mut().unwrap().push(text.into_owned());
            } else {
                self.lines[stream].push(vec![text.into_owned()]);
            }
        }
        self.rest = rest.to_vec();
        self.open = (!rest.is_empty()).then(|| {
            let open = self.read(rest);
            (open.stream.unwrap(), open.text.len())
        });
    }

    fn read<'a>(&mut self, line: &'a [u8]) -> Read<'a> {
        match self.style.format {
            Format::Text => self.read_text(line),
            Format::Json => self.read_record(line),
            Format::Raw => read_raw(line),
        }
    }

    fn read_text<'a>(&self, line: &'a [u8]) -> Read<'a> {
        for (separator, continues) in [('|', false), ('+', true)] {
            for stream in STREAMS.map(Some).chain([None]) {
                let name = stream.map_or("system".to_owned(), |index| source(index).name);
                let mut prefix = Vec::new();
                self.style.write_prefix(&mut prefix, "", &name, stream, separator);
                if let Some(text) = line.strip_prefix(&prefix[..]) {
                    let coloured = self.style.colour == Colour::On;
                    let text = if coloured { text.strip_suffix(RESET).unwrap_or(text) } else { text };
                    return Read { stream, continues, text: Cow::Borrowed(text) };
                }
            }
        }
        panic!("a line without prefix: {:?}", String::from_utf8_lossy(line));
    }

    fn read_record(&mut self, line: &[u8]) -> Read<'static> {
        let record: serde_json::Value = serde_json::from_slice(line).unwrap();
        let process = record["process"].as_str().unwrap();
        let text = record["message"].as_str().unwrap();
        assert_eq!(record["lossy"] == true, text.contains('\u{FFFD}'), "{record}");
        let stream = STREAMS.into_iter().find(|index| source(*index).name == process);
        let partial = record["partial"] == true;
        let continues = stream.is_some_and(|index| std::mem::replace(&mut self.partial[index], partial));
        Read { stream, continues, text: Cow::Owned(text.as_bytes().to_vec()) }
    }

    /// Returns how much of a stream has been seen, without newlines.
    fn shown(&self, index: usize) -> usize {
        self.length[index] + self.open.filter(|(stream, _)| *stream == index).map_or(0, |(_, length)| length)
    }
}

/// Makes raw bytes tell whose they are: letters of the stream, and no line without one.
fn sign(index: usize, bytes: &[u8]) -> Vec<u8> {
    let letter = b'a' + index as u8;
    let (lines, rest) = split_last_line(bytes);
    let signed = split_lines(lines).flat_map(|line| [vec![letter; line.len().max(1)], vec![b'\n']]);
    signed.chain([vec![letter; rest.len()]]).collect::<Vec<_>>().concat()
}

fn read_raw(line: &[u8]) -> Read<'_> {
    let letter = line[0];
    assert!(line == vec![letter; line.len()], "a line of more than one stream");
    Read { stream: Some(usize::from(letter - b'a')), continues: false, text: Cow::Borrowed(line) }
}

fn text_length(bytes: &[u8]) -> usize {
    bytes.len() - split_lines(bytes).count()
}
