//! What a record keeps, and what its readers get of it.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::sample::select;
use proptest::strategy::{Just, Strategy};
use proptest::{prop_oneof, proptest};

use crate::output::{Cursor, Record, Unfinished};
use crate::trials;

const MIB: usize = 1024 * 1024;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(milliseconds)
}

/// Reads all that is there: `12ms text`, `*` before what is procman's, `…` behind a piece of a line.
fn read(record: &Record, cursor: &mut Cursor, unfinished: Unfinished) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = record.next_line(cursor, unfinished) {
        let (own, partial) = (if line.own { "*" } else { "" }, if line.partial { "…" } else { "" });
        let text = String::from_utf8_lossy(&line.bytes);
        lines.push(format!("{}ms {own}{text}{partial}", line.time.as_millisecond()));
    }
    lines
}

#[track_caller]
fn check_last(record: &Record, last: Option<u64>, unfinished: Unfinished, expected: &[&str]) {
    assert_eq!(read(record, &mut record.cursor(last, unfinished), unfinished), expected);
}

fn told() -> Record {
    let mut record = Record::new(1000);
    record.open(7, Some(0));
    record.say("started", at(0));
    record.append(b"one\ntw", at(10));
    record.append(b"o\n", at(20));
    record.append(b"name? ", at(30));
    record.say("ended", at(40));
    record.open(8, Some(0));
    record.say("started", at(50));
    record.append(b"thr", at(60));
    record
}

#[test]
fn lines_bear_the_time_at_which_they_ended() {
    let lines = ["0ms *started", "10ms one", "20ms two", "30ms name? ", "40ms *ended", "50ms *started"];
    check_last(&told(), None, Unfinished::Left, &lines);
    check_last(&told(), None, Unfinished::Taken, &[&lines[..], &["60ms thr…"]].concat());
}

#[test]
fn the_last_lines_are_found() {
    let lines = ["20ms two", "30ms name? ", "40ms *ended", "50ms *started", "60ms thr…"];
    for last in 0..=lines.len() {
        check_last(&told(), Some(last as u64), Unfinished::Taken, &lines[lines.len() - last..]);
        let whole = &lines[..lines.len() - 1];
        let last = last.min(whole.len());
        check_last(&told(), Some(last as u64), Unfinished::Left, &whole[whole.len() - last..]);
    }
}

#[test]
fn a_line_whose_end_comes_later_is_read_as_a_whole() {
    let mut record = told();
    let mut cursor = record.cursor(Some(0), Unfinished::Left);
    assert_eq!(read(&record, &mut cursor, Unfinished::Left), [""; 0]);
    record.append(b"ee\nfour", at(70));
    assert_eq!(read(&record, &mut cursor, Unfinished::Left), ["70ms three"]);
}

#[test]
fn lines_know_their_process() {
    let record = told();
    let mut cursor = record.cursor(None, Unfinished::Left);
    let mut pids = Vec::new();
    while let Some(line) = record.next_line(&mut cursor, Unfinished::Left) {
        pids.push(line.pid);
    }
    assert_eq!(pids, [7, 7, 7, 7, 7, 8]);
}

#[test]
fn a_line_that_has_lost_its_beginning_is_left_out() {
    let mut record = Record::new(160);
    for number in 0..1000 {
        record.append(format!("line {number}\n").as_bytes(), at(0));
    }
    let lines = read(&record, &mut record.cursor(None, Unfinished::Left), Unfinished::Left);
    assert!(lines.iter().all(|line| line.len() == "0ms line 999".len()), "{lines:?}");
    assert!((160 / 9 - 3..=160 / 9).contains(&lines.len()), "{} lines", lines.len());
}

#[test]
fn a_long_line_passes_in_pieces() {
    let mut record = Record::new(MIB);
    record.append(&"日".repeat(20_000).into_bytes(), at(0));
    let mut cursor = record.cursor(None, Unfinished::Left);
    let pieces = read(&record, &mut cursor, Unfinished::Left);
    assert_eq!(pieces.len(), 3);
    assert!(pieces.iter().all(|piece| piece.ends_with("日…")));
    record.append(b"\n", at(0));
    let end = read(&record, &mut cursor, Unfinished::Left).concat();
    assert!(end.ends_with('日'), "{end}");
}

#[test]
fn a_large_read_is_not_copied() {
    for kept in 1..=2 {
        let mut record = Record::new(kept * 128 * 1024);
        let mut buffer = vec![b'x'; 128 * 1024];
        let mut buffers = VecDeque::new();
        for read in 0..10 {
            buffers.push_back(buffer.as_ptr());
            record.append_buffer(&mut buffer, 128 * 1024, at(0));
            assert_eq!(buffer.len(), 128 * 1024);
            // The one that falls out comes back.
            assert!(read < kept || Some(buffer.as_ptr()) == buffers.pop_front());
        }
        assert_eq!(record.end() - record.start(), kept as u64 * 128 * 1024);
    }
}

#[test]
fn reads_of_middling_size_do_not_take_much_more_room_than_they_need() {
    for limit in [128 * 1024, 256 * 1024] {
        let mut record = Record::new(limit);
        let mut buffer = vec![b'x'; 128 * 1024];
        for length in (0..1000).map(|number| 64 * 1024 + number * 31 % (64 * 1024)) {
            record.append_buffer(&mut buffer, length, at(0));
            assert!(record.room <= limit + 128 * 1024, "{}", record.room);
        }
        assert!(record.end() - record.start() >= limit as u64 / 2);
    }
}

#[test]
fn tiny_writes_take_little_room() {
    let mut record = Record::new(256 * 1024);
    for number in 0..1_000_000 {
        record.append(if number % 3 == 0 { b"\n" } else { b"x" }, at(number));
    }
    assert!(record.marks.len() <= 4096, "{} marks", record.marks.len());
    // Without lines, all of it is kept.
    for number in 0..1_000_000 {
        record.append(b".", at(number));
    }
    assert!(record.marks.len() <= 2, "{} marks", record.marks.len());
    assert!(record.end() - record.start() >= 240 * 1024);
    assert!(record.room <= 256 * 1024);
}

#[test]
fn one_that_says_little_takes_little_room() {
    let mut record = Record::new(256 * 1024);
    record.say("started with pid 12345", at(0));
    assert!(record.room <= 64, "{}", record.room);
}

#[test]
fn a_clock_that_is_set_back_is_followed() {
    let mut record = Record::new(1000);
    record.append(b"one\n", at(9000));
    record.append(b"two\n", at(1000));
    check_last(&record, None, Unfinished::Left, &["9000ms one", "1000ms two"]);
}

#[test]
fn no_room_is_no_record() {
    let mut record = Record::new(0);
    record.append(b"one\n", at(0));
    record.say("two", at(0));
    check_last(&record, None, Unfinished::Taken, &[]);
    assert_eq!((record.start(), record.end()), (8, 8));
}

/// What happens to a record.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<u8>),
    /// Through a buffer that is larger.
    Buffer(usize),
    Said,
    Wait(i64),
    /// A reader that does not keep up reads.
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words: [&[u8]; 6] = [b"\n", b"one\n", b"two\nthree", b"x", b"\xF0\x9F\x9A\x80", b"\0\xFF"];
    vec(
        prop_oneof![
            8 => vec(select(words.to_vec()), 1..30).prop_map(|words| Step::Append(words.concat())),
            2 => (1..300_usize).prop_map(Step::Buffer),
            1 => Just(Step::Said),
            4 => (0..5_i64).prop_map(Step::Wait),
            1 => Just(Step::Look),
        ],
        1..200,
    )
}

/// All that a reader has got.
struct Reader {
    cursor: Cursor,
    bytes: Vec<u8>,
    lines: u64,
    lost: u64,
}

impl Reader {
    fn new(record: &Record) -> Reader {
        let cursor = record.cursor(None, Unfinished::Left);
        Reader { cursor, bytes: Vec::new(), lines: 0, lost: 0 }
    }

    fn read(&mut self, record: &Record, unfinished: Unfinished) {
        if record.has_overtaken(self.cursor) {
            self.lost += record.skip(&mut self.cursor, 100);
        }
        while let Some(line) = record.next_line(&mut self.cursor, unfinished) {
            self.bytes.extend_from_slice(&line.bytes);
            if !line.partial {
                self.bytes.push(b'\n');
                self.lines += 1;
            }
        }
    }
}

/// Lives through the steps, and compares what a reader has got that keeps up, and one that does not.
fn live(limit: usize, steps: Vec<Step>) {
    let mut record = Record::new(limit);
    record.count_lines();
    let (mut good, mut slow) = (Reader::new(&record), Reader::new(&record));
    // What a reader sees of it: a line that procman interrupts has an end.
    let mut expected = Vec::new();
    let mut buffer = vec![0; 300];
    let (mut now, mut end, mut tail) = (0, 0, 0);
    for step in steps {
        match step {
            Step::Append(bytes) => {
                record.append(&bytes, at(now));
                end += bytes.len() as u64;
                expected.extend_from_slice(&bytes);
            }
            Step::Buffer(length) => {
                buffer[..length].fill(b'y');
                buffer[length / 2] = b'\n';
                expected.extend_from_slice(&buffer[..length]);
                record.append_buffer(&mut buffer, length, at(now));
                assert_eq!(buffer.len(), 300);
                end += length as u64;
            }
            Step::Said => {
                if expected.last().is_some_and(|last| *last != b'\n') {
                    expected.push(b'\n');
                }
                expected.extend_from_slice(b"said\n");
                record.say("said", at(now));
                end += 5;
            }
            Step::Wait(milliseconds) => now += milliseconds,
            Step::Look => slow.read(&record, Unfinished::Left),
        }
        assert_eq!(record.end(), end);
        assert!((end - record.start()) as usize <= limit);
        good.read(&record, Unfinished::Left);
        while let Some(segment) = record.segment(tail) {
            tail = tail.max(record.start()) + segment.bytes.len() as u64;
        }
        assert_eq!(tail.max(record.start()), end);
    }
    for reader in [&mut good, &mut slow] {
        reader.read(&record, Unfinished::Taken);
    }
    let lines = expected.iter().filter(|byte| **byte == b'\n').count() as u64;
    if limit >= 1000 {
        assert_eq!(String::from_utf8_lossy(&good.bytes), String::from_utf8_lossy(&expected));
        assert_eq!((good.lines, good.lost), (lines, 0));
    }
    assert_eq!(slow.lines + slow.lost, lines, "{} read and {} lost", slow.lines, slow.lost);
    assert_eq!(good.lines + good.lost, lines, "{} read and {} lost", good.lines, good.lost);
    let stop = record.end();
    let (before, start) = (record.cursor(None, Unfinished::Taken), record.start());
    let mut all = Vec::new();
    for last in [None, Some(0), Some(1), Some(7)] {
        let lines = read(&record, &mut record.cursor(last, Unfinished::Taken), Unfinished::Taken);
        assert!(last.is_none_or(|last| lines.len() as u64 <= last));
        all.push(lines);
    }
    record.append(b"more\n", at(now));
    if record.start() == start {
        assert_eq!(read(&record, &mut before.clone(), Unfinished::TakenUpTo(stop)), all[0]);
    }
}

proptest! {
    #![proptest_config(trials::trials(256))]

    #[test]
    fn who_keeps_up_gets_every_byte_and_who_does_not_is_told(
        limit in select(vec![0, 1, 7, 100, 500, 1000, 5000, MIB]),
        steps in steps(),
    ) {
        live(limit, steps);
    }
}
