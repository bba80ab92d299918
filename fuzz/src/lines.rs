//! Lines: every byte comes out once, in its order, behind the name of its stream, however it was cut into pieces and
//! whatever came between; what is held back stays small; nobody waits for long.
//!
//! An input is a script, one step after the other, each a byte that says what, and whose, and then what it takes:
//!
//! ```text
//! .. 000 ss  to  .. 010 ss   bytes come from stream ss: the next byte tells how many of those after it, up to 31
//! .. 011 ss                  a long run comes from it: the next byte tells how many times 1 KiB, up to 96 in all
//! .. 100 ss, .. 101 ss       time passes: the next byte tells how many times 10 ms
//! .. 110 ss                  procman says something about stream ss, and for ss = 3 of its own
//! .. 111 ss                  stream ss ends, and another begins
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use procman::output::{Access, Colour, Format, Merge, Moment, Returns, Source, Stamp, StreamKey, Style};

const NAMES: [&str; 3] = ["a", "b", "c"];

/// What procman says.
const WORDS: &str = "hello";

/// How much of a line may be held back.
const HELD: usize = 64 * 1024;

/// How many bytes all long runs of a script have together, so that a script takes no time worth naming.
const LONG: usize = 96 * 1024;

/// How long others wait for a line that flows, and when all that can be shown has been.
const TURN: Duration = Duration::from_millis(250);
const QUIET: Duration = Duration::from_secs(2);

/// Checks everything for one script.
pub fn check(script: &[u8]) {
    let steps = steps(script);
    for format in [Format::Text, Format::Raw] {
        check_alone(format, &steps);
    }
    for format in [Format::Text, Format::Json] {
        World::new(format).live(&steps);
    }
}

enum Step {
    Came(usize, Vec<u8>),
    Passed(Duration),
    /// About a stream, or of procman's own.
    Said(Option<usize>),
    Replaced(usize),
}

fn steps(script: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = script;
    let mut long = LONG;
    while let [what, after @ ..] = rest {
        let whose = usize::from(what & 3);
        let stream = whose.min(NAMES.len() - 1);
        let (next, behind) = after.split_first().map_or((0, after), |(next, behind)| (*next, behind));
        let (step, left) = match what >> 2 & 7 {
            0..=2 => {
                let (bytes, left) = behind.split_at(usize::from(next % 32).min(behind.len()));
                (Step::Came(stream, bytes.to_vec()), left)
            }
            3 => {
                let length = long.min(1024 * usize::from(next));
                long -= length;
                (Step::Came(stream, vec![b'x'; length]), behind)
            }
            4 | 5 => (Step::Passed(Duration::from_millis(10 * u64::from(next))), behind),
            6 => (Step::Said(Some(whose).filter(|whose| *whose < NAMES.len())), after),
            _ => (Step::Replaced(stream), after),
        };
        steps.push(step);
        rest = left;
    }
    steps
}

/// Checks that a stream on its own comes out as if it had come all at once.
fn check_alone(format: Format, steps: &[Step]) {
    let mut world = World::new(format);
    let mut all = Vec::new();
    for step in steps {
        match step {
            Step::Came(_, bytes) => {
                assert!(world.come(0, bytes), "nobody else writes");
                all.extend_from_slice(bytes);
                if format == Format::Raw {
                    assert!(all.len() - world.output.len() <= HELD);
                }
            }
            Step::Passed(wait) => world.pass(*wait),
            Step::Said(_) | Step::Replaced(_) => {}
        }
    }
    world.end();
    let is_open = all.last().is_some_and(|last| *last != b'\n');
    all.extend(is_open.then_some(b'\n'));
    let lines = all.split_inclusive(|byte| *byte == b'\n');
    let prefix: &[u8] = if format == Format::Text { b"a | " } else { b"" };
    let expected = lines.flat_map(|line| [prefix, line]).collect::<Vec<_>>().concat();
    assert!(world.output == expected, "{:?} was {:?}", lossy(&world.output), lossy(&expected));
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned()
}

/// Streams, a pump, and what came of it.
struct World {
    format: Format,
    merge: Merge,
    now: Moment,
    keys: Vec<StreamKey>,
    output: Vec<u8>,
    /// The lines of each name that are to be read, and the beginning of the next.
    lines: BTreeMap<&'static str, Vec<Vec<u8>>>,
    begun: [Vec<u8>; NAMES.len()],
}

impl World {
    fn new(format: Format) -> World {
        let (colour, returns, stamp) = (Colour::Off, Returns::Kept, Stamp::Off);
        let style = Style { format, colour, returns, stamp, zone: TimeZone::UTC, width: 1 };
        let now = Moment { time: Duration::ZERO, wall: jiff::Timestamp::UNIX_EPOCH };
        let system = Source { name: "system".to_owned(), pid: 1, position: None };
        let mut merge = Merge::new(style, system, now);
        let keys: Vec<StreamKey> = (0..NAMES.len()).map(StreamKey).collect();
        for key in &keys {
            merge.open(*key, source(key.0));
        }
        World {
            format,
            merge,
            now,
            keys,
            output: Vec::new(),
            lines: BTreeMap::new(),
            begun: Default::default(),
        }
    }

    fn live(mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Came(stream, bytes) => {
                    self.come(*stream, bytes);
                }
                Step::Passed(wait) => self.pass(*wait),
                Step::Said(None) => {
                    self.wait_for(None);
                    self.merge.say_system(WORDS);
                    self.lines.entry("system").or_default().push(WORDS.into());
                }
                Step::Said(Some(stream)) => {
                    self.wait_for(Some(self.keys[*stream]));
                    self.merge.say(self.keys[*stream], WORDS);
                    self.end_line(*stream);
                    self.lines.entry(NAMES[*stream]).or_default().push(WORDS.into());
                }
                Step::Replaced(stream) => self.replace(*stream),
            }
            self.turn();
        }
        self.end();
    }

    /// Lets bytes come as soon as they may; returns whether that was at once.
    fn come(&mut self, stream: usize, bytes: &[u8]) -> bool {
        let before = self.now.time;
        self.wait_for(Some(self.keys[stream]));
        self.merge.feed(self.keys[stream], bytes);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = piece.strip_suffix(b"\n");
            self.begun[stream].extend_from_slice(line.unwrap_or(piece));
            if line.is_some() {
                let line = std::mem::take(&mut self.begun[stream]);
                self.lines.entry(NAMES[stream]).or_default().push(line);
            }
        }
        self.turn();
        self.now.time == before
    }

    fn replace(&mut self, stream: usize) {
        self.wait_for(Some(self.keys[stream]));
        self.merge.close(self.keys[stream]);
        self.end_line(stream);
        self.keys[stream] = StreamKey(self.keys[stream].0 + NAMES.len());
        self.merge.open(self.keys[stream], source(stream));
    }

    fn end_line(&mut self, stream: usize) {
        let line = std::mem::take(&mut self.begun[stream]);
        if !line.is_empty() {
            self.lines.entry(NAMES[stream]).or_default().push(line);
        }
    }

    fn wait_for(&mut self, key: Option<StreamKey>) {
        let since = self.now.time;
        while let Access::Later(until) = self.merge.access(key) {
            assert!(until > self.now.time && until <= since + TURN, "nobody waits for longer than a turn");
            self.pass(until - self.now.time);
        }
    }

    /// Lets time pass, with a turn whenever one was asked for.
    fn pass(&mut self, wait: Duration) {
        let end = self.now.time + wait;
        while let Some(deadline) = self.merge.next_deadline().filter(|deadline| *deadline < end) {
            self.now.time = deadline;
            self.turn();
        }
        self.now.time = end;
        self.turn();
    }

    fn turn(&mut self) {
        self.merge.set_time(self.now);
        self.merge.show_paused();
        let deadline = self.merge.next_deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now.time), "no deadline is left in the past");
        self.output.extend_from_slice(self.merge.batch());
        self.merge.clear_batch();
    }

    /// Ends all streams, and compares what is to be read with what was written.
    fn end(&mut self) {
        self.pass(QUIET);
        assert_eq!(self.merge.next_deadline(), None, "nothing is left to be shown");
        (0..NAMES.len()).for_each(|stream| self.replace(stream));
        self.turn();
        let read = match self.format {
            Format::Text => read_text(&self.output),
            Format::Json => read_records(&self.output),
            Format::Raw => return,
        };
        let written = |line: &Vec<u8>| match self.format {
            Format::Text | Format::Raw => line.clone(),
            Format::Json => String::from_utf8_lossy(line).into_owned().into_bytes(),
        };
        let expected = self.lines.iter().map(|(name, lines)| (*name, lines.iter().map(written).collect()));
        let expected: BTreeMap<&str, Vec<Vec<u8>>> = expected.collect();
        assert!(read == expected, "read from {:?}", lossy(&self.output));
    }
}

fn source(position: usize) -> Source {
    Source { name: NAMES[position].to_owned(), pid: 2, position: Some(position) }
}

/// The lines of each name.
type Lines = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn read_text(output: &[u8]) -> Lines {
    let mut lines = Lines::new();
    for line in whole_lines(output) {
        let name = NAMES.into_iter().chain(["system"]).find(|name| line.starts_with(name.as_bytes()));
        let name = name.expect("a line begins with a name");
        match &line[name.len()..] {
            [b' ', b'|', b' ', text @ ..] => lines.entry(name).or_default().push(text.to_vec()),
            [b' ', b'+', b' ', text @ ..] => {
                let begun = lines.get_mut(name).and_then(|lines| lines.last_mut());
                begun.expect("a rest follows a beginning").extend_from_slice(text);
                assert!(!text.is_empty(), "a line that has only to end ends");
            }
            _ => panic!("no separator in {:?}", lossy(line)),
        }
    }
    lines
}

fn read_records(output: &[u8]) -> Lines {
    let mut lines = Lines::new();
    let mut partial = BTreeMap::new();
    for line in whole_lines(output) {
        let record: serde_json::Value = serde_json::from_slice(line).expect("a line is a record");
        let process = record["process"].as_str().expect("a record names its process");
        let message = record["message"].as_str().expect("a record has a message").as_bytes();
        let name = NAMES.into_iter().chain(["system"]).find(|name| *name == process).expect("a name we gave");
        assert!(record["lossy"] != true || message.windows(3).any(|bytes| bytes == "\u{fffd}".as_bytes()));
        let lines = lines.entry(name).or_default();
        match lines.last_mut().filter(|_| partial.get(name) == Some(&true)) {
            Some(begun) => Vec::extend_from_slice(begun, message),
            None => lines.push(message.to_vec()),
        }
        partial.insert(name, record["partial"] == true);
    }
    assert!(partial.values().all(|partial| !partial), "no record waits for its rest");
    lines
}

fn whole_lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    assert!(output.is_empty() || output.ends_with(b"\n"), "no line stands open at the end");
    output.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1])
}
