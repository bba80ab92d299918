//! How long a line takes from its writer to whoever reads procman's output.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::time::{ClockId, clock_gettime};

use crate::table::{Table, figure, median, percentile};
use crate::tools::{Bench, Tool, stop};

/// How many lines are timed in a round, one a millisecond.
const LINES: usize = 1500;

/// Measures a line a millisecond, alone and beside a flood, and prints it.
pub fn measure(bench: &Bench) {
    let tools = bench.tools(&[Tool::Procman, Tool::Ceiling]);
    let mut table = Table::new(&["quiet p50", "quiet p99", "beside a flood p50", "beside a flood p99"]);
    let mut rows: Vec<Vec<f64>> = vec![Vec::new(); tools.len()];
    for is_flooded in [false, true] {
        let mut rounds: Vec<Vec<(f64, f64)>> = vec![Vec::new(); tools.len()];
        for _ in 0..bench.rounds {
            for (tool, rounds) in tools.iter().zip(&mut rounds) {
                rounds.push(run(bench, *tool, is_flooded));
            }
        }
        for (row, rounds) in rows.iter_mut().zip(rounds) {
            row.push(median(rounds.iter().map(|round| round.0).collect()));
            row.push(median(rounds.iter().map(|round| round.1).collect()));
        }
    }
    for (tool, row) in tools.iter().zip(&rows) {
        table.row(tool.name(), row.iter().copied().map(figure));
    }
    table.row("procman / ceiling", rows[0].iter().zip(&rows[1]).map(|(own, of)| figure(own / of)));
    table.print("Latency of one line a millisecond, µs from write to arrival");
}

/// Returns the median and the 99th percentile of the lines that arrived.
fn run(bench: &Bench, tool: Tool, is_flooded: bool) -> (f64, f64) {
    let mut commands = vec![bench.load(&format!("tick {LINES}"))];
    if is_flooded {
        commands.push(bench.load("flood"));
    }
    let mut child = bench.command(tool, &commands).stdout(Stdio::piped()).spawn().unwrap();
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
    // Whatever floods has to have a reader until it ends.
    let reader = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    stop(child);
    let _ = reader.join();
    (percentile(&mut delays, 0.5), percentile(&mut delays, 0.99))
}
