//! Megabytes of payload a second, and the CPU time that it costs.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};

use crate::report::{Report, Target, in_turns, medians};
use crate::tools::{Bench, Limit, Outcome, Tool};

/// One kind of traffic.
struct Traffic {
    name: &'static str,
    writers: usize,
    /// Bytes of a line, and of one write; 0 for each line by itself.
    length: usize,
    block: usize,
    sink: Sink,
    /// Megabytes that all write together.
    size: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sink {
    Pipe,
    File,
    Null,
}

const BLOCK: usize = 64 * 1024;

const TRAFFIC: &[Traffic] = &[
    Traffic { name: "1 → pipe", writers: 1, length: 80, block: BLOCK, sink: Sink::Pipe, size: 1000 },
    Traffic { name: "4 → pipe", writers: 4, length: 80, block: BLOCK, sink: Sink::Pipe, size: 1000 },
    Traffic { name: "16 → pipe", writers: 16, length: 80, block: BLOCK, sink: Sink::Pipe, size: 1000 },
    Traffic { name: "4 → file", writers: 4, length: 80, block: BLOCK, sink: Sink::File, size: 400 },
    Traffic { name: "4 → /dev/null", writers: 4, length: 80, block: BLOCK, sink: Sink::Null, size: 1000 },
    Traffic {
        name: "1 KB lines, 4 → pipe",
        writers: 4,
        length: 1024,
        block: BLOCK,
        sink: Sink::Pipe,
        size: 1000,
    },
    Traffic {
        name: "a write a line, 1 → pipe",
        writers: 1,
        length: 80,
        block: 0,
        sink: Sink::Pipe,
        size: 100,
    },
    Traffic {
        name: "a write a line, 16 → pipe",
        writers: 16,
        length: 80,
        block: 0,
        sink: Sink::Pipe,
        size: 160,
    },
];

/// How many megabytes a tool gets to do that is not procman or the ceiling.
const PEERS_SIZE: usize = 5;

/// What one run has shown.
struct Run {
    megabytes_per_second: f64,
    cpu_seconds_per_gigabyte: f64,
}

/// Measures every kind of traffic.
pub fn measure(bench: &Bench, report: &mut Report) {
    let tools = bench.tools(&[Tool::Procman, Tool::Ceiling]);
    for traffic in TRAFFIC {
        let results = in_turns(&tools, bench.rounds, |tool| run(bench, tool, traffic));
        let least = if traffic.block == 0 { 0.9 } else { 0.8 };
        let target = Target::AtLeast(least, Tool::Ceiling);
        let speeds = medians(&results, |run| run.megabytes_per_second);
        report.add(format!("{}, MB/s", traffic.name), target, speeds);
        let target = Target::AtMost(1.25, Tool::Ceiling);
        let costs = medians(&results, |run| run.cpu_seconds_per_gigabyte);
        report.add(format!("{}, CPU s a GB", traffic.name), target, costs);
    }
}

fn run(bench: &Bench, tool: Tool, traffic: &Traffic) -> Run {
    let Traffic { writers, length, block, .. } = *traffic;
    let size = if tool.is_peer() { PEERS_SIZE } else { traffic.size };
    let lines = size * 1_000_000 / length / writers;
    let command =
        bench.load(&format!("write {lines} {length} {block} {} {writers}", bench.file("cpu").display()));
    let mut command = bench.command(tool, &vec![command; writers]);
    command.stdout(match traffic.sink {
        Sink::Pipe => Stdio::piped(),
        Sink::File => Stdio::from(File::create(bench.file("out")).unwrap()),
        Sink::Null => Stdio::null(),
    });
    let _ = bench.take_numbers("cpu");
    let before = children_cpu();
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let limit = Limit::new(&child);
    let found = child.stdout.take().map(count_lines);
    child.wait().unwrap();
    if limit.lift() == Outcome::Killed {
        assert!(tool.is_peer(), "{} did not end", tool.name());
        let _ = bench.take_numbers("cpu");
        return Run { megabytes_per_second: f64::NAN, cpu_seconds_per_gigabyte: f64::NAN };
    }
    let seconds = began.elapsed().as_secs_f64();
    let load: u64 = bench.take_numbers("cpu").iter().sum();
    let cpu = children_cpu() - before - load as f64 / 1e6;
    if !tool.is_peer() {
        let expected = lines * writers;
        assert!(found.is_none_or(|count| count == expected), "{} lost lines", tool.name());
        if traffic.sink == Sink::File {
            check(bench, tool, writers, lines, length);
        }
    }
    let bytes = (lines * length * writers) as f64;
    Run { megabytes_per_second: bytes / 1e6 / seconds, cpu_seconds_per_gigabyte: cpu / (bytes / 1e9) }
}

/// Returns how many lines of the writers end in what is read.
fn count_lines(mut pipe: impl Read) -> usize {
    let mut buffer = vec![0; 1024 * 1024];
    let (mut count, mut before) = (0, 0);
    loop {
        match pipe.read(&mut buffer).unwrap() {
            0 => return count,
            length => {
                let newlines = memchr::memchr_iter(b'\n', &buffer[..length]);
                // A line of the tool's own ends otherwise.
                count +=
                    newlines.filter(|at| at.checked_sub(1).map_or(before, |at| buffer[at]) == b'x').count();
                before = buffer[length - 1];
            }
        }
    }
}

/// Checks that every line is there once, whole, in order, under the name of its writer.
fn check(bench: &Bench, tool: Tool, writers: usize, lines: usize, length: usize) {
    let mut next = vec![0; writers];
    for line in BufReader::new(File::open(bench.file("out")).unwrap()).split(b'\n') {
        let line = line.unwrap();
        let bar = memchr::memmem::find(&line, b" | ").unwrap();
        let (prefix, text) = (str::from_utf8(&line[..bar]).unwrap(), &line[bar + 3..]);
        if text.len() != length - 1 || !text.ends_with(b"xx") {
            continue; // A line of the tool's own; a torn one leaves a gap in the numbers.
        }
        let name = prefix.rsplit(' ').find(|word| word.starts_with('w')).unwrap();
        // `w3.1` of three types, `w1.3` of one type with three instances.
        let (kind, instance) = name[1..].split_once('.').unwrap();
        let writer = kind.parse::<usize>().unwrap() + instance.parse::<usize>().unwrap() - 1;
        let number: usize = str::from_utf8(&text[..10]).unwrap().parse().unwrap();
        assert_eq!(number, next[writer - 1], "{}, {name}", tool.name());
        next[writer - 1] += 1;
    }
    assert!(next.iter().all(|count| *count == lines), "{} lost lines: {next:?}", tool.name());
}

/// Returns the CPU seconds of every child that has ended, and of theirs.
fn children_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .sum()
}
