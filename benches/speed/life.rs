//! How long it takes until the first instance runs, until all do, and until all have ended.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::table::{Table, figure, median};
use crate::tools::{Bench, Tool};

const COUNTS: [usize; 4] = [1, 10, 100, 1000];

/// Measures formations of several sizes and prints it.
pub fn measure(bench: &Bench) {
    let tools = bench.tools(&[Tool::Procman, Tool::Ceiling, Tool::CeilingShell]);
    let mut rows: Vec<[Vec<f64>; 3]> = tools.iter().map(|_| Default::default()).collect();
    for count in COUNTS {
        let rounds = if count == 1000 { bench.rounds.div_ceil(2) } else { bench.rounds };
        let mut results: Vec<[Vec<f64>; 3]> = tools.iter().map(|_| Default::default()).collect();
        for _ in 0..rounds {
            for (tool, results) in tools.iter().zip(&mut results) {
                let run = run(bench, *tool, count);
                results.iter_mut().zip(run).for_each(|(values, value)| values.push(value));
            }
        }
        for (row, results) in rows.iter_mut().zip(results) {
            row.iter_mut().zip(results).for_each(|(row, values)| row.push(median(values)));
        }
    }
    let columns = COUNTS.map(|count| count.to_string());
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    for (index, title) in
        ["First instruction of the first instance, ms", "All started, ms", "All stopped, ms"]
            .iter()
            .enumerate()
    {
        let mut table = Table::new(&columns);
        for (tool, row) in tools.iter().zip(&rows) {
            table.row(tool.name(), row[index].iter().copied().map(figure));
        }
        for (name, ceiling) in [("procman / ceiling", 1), ("procman / ceiling, through sh", 2)] {
            let ratios = rows[0][index].iter().zip(&rows[ceiling][index]);
            table.row(name, ratios.map(|(own, of)| figure(own / of)));
        }
        table.print(title);
    }
}

/// Returns when the first and the last instance ran, and how long the end took.
fn run(bench: &Bench, tool: Tool, count: usize) -> [f64; 3] {
    let command = bench.load(&format!("mark {}", bench.file("marks").display()));
    let mut command = bench.command(tool, &vec![command; count]);
    command.stdout(Stdio::null());
    let _ = bench.take_numbers("marks");
    let began = now();
    let mut child = command.spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    let is_complete = || {
        let text = std::fs::read(bench.file("marks")).unwrap_or_default();
        memchr::memchr_iter(b'\n', &text).count() >= count
    };
    while !is_complete() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Let what is left of starting be over.
    std::thread::sleep(Duration::from_millis(100));
    let asked = now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    let stopped = now();
    let marks = bench.take_numbers("marks");
    let first = marks.iter().min().map_or(f64::NAN, |mark| (*mark as f64 - began) / 1e6);
    let last = marks.iter().max().filter(|_| marks.len() == count);
    [first, last.map_or(f64::NAN, |mark| (*mark as f64 - began) / 1e6), (stopped - asked) / 1e6]
}

/// Returns nanoseconds of the clock that `load` uses.
fn now() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    (time.tv_sec() * 1_000_000_000 + time.tv_nsec()) as f64
}
