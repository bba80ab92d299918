//! How long it takes until the first instance runs, until all do, and until all have ended.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::report::{Report, Target, in_turns, medians};
use crate::tools::{Bench, Limit, Outcome, Tool};

const COUNTS: [usize; 4] = [1, 10, 100, 1000];

/// Measures formations of several sizes.
pub fn measure(bench: &Bench, report: &mut Report) {
    let own = [Tool::Procman, Tool::Ceiling, Tool::CeilingShell];
    let command = bench.load(&format!("mark {}", bench.file("marks").display()));
    for count in COUNTS {
        let rounds = if count == 1000 { bench.rounds.div_ceil(2) } else { bench.rounds };
        // Some of the other tools cannot start a thousand, and some leave them behind.
        let tools = if count <= 100 { bench.tools(&own) } else { own.to_vec() };
        let plain = in_turns(&tools, rounds, |tool| run(bench, tool, &command, count));
        // The same with commands that need a shell. The ceiling has no other ones.
        let own = [Tool::Procman, Tool::CeilingShell];
        let shell = in_turns(&own, rounds, |tool| run(bench, tool, &format!(":; exec {command}"), count));
        let at_most = |times, tool, least| {
            if count >= least { Target::AtMost(times, tool) } else { Target::Beside(tool) }
        };
        if count == 1 {
            let target = Target::AtMost(1.25, Tool::CeilingShell);
            report.add("first instruction, ms", target, medians(&plain, |run| run.first));
        }
        let target = at_most(1.15, Tool::Ceiling, 100);
        report.add(format!("{count} started, ms"), target, medians(&plain, |run| run.all));
        let target = at_most(1.15, Tool::CeilingShell, 100);
        report.add(format!("{count} started through a shell, ms"), target, medians(&shell, |run| run.all));
        let target = at_most(1.2, Tool::Ceiling, 1000);
        report.add(format!("{count} stopped, ms"), target, medians(&plain, |run| run.stopped));
    }
}

/// Milliseconds until the first and the last instance ran, and until all had ended.
struct Life {
    first: f64,
    all: f64,
    stopped: f64,
}

fn run(bench: &Bench, tool: Tool, load: &str, count: usize) -> Life {
    let mut command = bench.command(tool, &vec![load.to_owned(); count]);
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
    let limit = Limit::new(&child);
    child.wait().unwrap();
    let stopped = (now() - asked) / 1e6;
    let is_stopped = limit.lift() == Outcome::Ended;
    assert!(tool.is_peer() || is_stopped, "{} did not stop", tool.name());
    let marks = bench.take_numbers("marks");
    assert!(tool.is_peer() || marks.len() == count, "{} started {} of {count}", tool.name(), marks.len());
    let after = |mark: Option<&u64>| mark.map_or(f64::NAN, |mark| (*mark as f64 - began) / 1e6);
    let all = if marks.len() == count { after(marks.iter().max()) } else { f64::NAN };
    Life { first: after(marks.iter().min()), all, stopped: if is_stopped { stopped } else { f64::NAN } }
}

/// Returns nanoseconds of the clock that `load` uses.
fn now() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    (time.tv_sec() * 1_000_000_000 + time.tv_nsec()) as f64
}
