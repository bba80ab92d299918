//! How long a line takes from its writer to whoever reads procman's output.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::time::{ClockId, clock_gettime};

use crate::report::{Report, Target, in_turns, medians, percentile};
use crate::tools::{Bench, Limit, Tool, stop};

/// How many lines are timed in a round, one a millisecond.
const LINES: usize = 1500;

/// Measures a line a millisecond, alone and beside a flood.
pub fn measure(bench: &Bench, report: &mut Report) {
    let tools = bench.tools(&[Tool::Procman, Tool::Ceiling]);
    for (words, is_flooded, most) in [("quiet", false, 1.0), ("beside a flood", true, 2.0)] {
        let results = in_turns(&tools, bench.rounds, |tool| run(bench, tool, is_flooded));
        let target = Target::AtMost(most, Tool::Ceiling);
        report.add(
            format!("a line a ms, {words}: µs to arrive, p50"),
            target,
            medians(&results, |run| run.0),
        );
        report.add(
            format!("a line a ms, {words}: µs to arrive, p99"),
            target,
            medians(&results, |run| run.1),
        );
    }
}

/// Returns the median and the 99th percentile of the lines that arrived.
fn run(bench: &Bench, tool: Tool, is_flooded: bool) -> (f64, f64) {
    let mut commands = vec![bench.load(&format!("tick {LINES}"))];
    if is_flooded {
        commands.push(bench.load("flood"));
    }
    let mut child = bench.command(tool, &commands).stdout(Stdio::piped()).spawn().unwrap();
    let limit = Limit::new(&child);
    let mut output = BufReader::with_capacity(1024 * 1024, child.stdout.take().unwrap());
    let (mut delays, mut line) = (Vec::new(), Vec::new());
    while delays.len() < LINES {
        line.clear();
        if output.read_until(b'\n', &mut line).unwrap() == 0 {
            break;
        }
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
        // The time that it was written is the line's last word.
        let text = str::from_utf8(&line).unwrap_or_default().trim_end();
        let word = text.rsplit(' ').next().unwrap_or_default();
        if word.len() >= 12
            && let Ok(written) = word.parse::<i64>()
        {
            let arrived = now.tv_sec() * 1_000_000_000 + now.tv_nsec();
            delays.push((arrived - written) as f64 / 1000.0);
        }
    }
    let is_complete = delays.len() == LINES;
    assert!(tool.is_peer() || is_complete, "{} lost lines", tool.name());
    // Whatever floods has to have a reader until it ends.
    let reader = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    stop(child);
    limit.lift();
    let _ = reader.join();
    if !is_complete {
        return (f64::NAN, f64::NAN);
    }
    (percentile(delays.iter().copied(), 0.5), percentile(delays, 0.99))
}
