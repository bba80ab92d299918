//! How long it takes to say the version: what every use of procman costs.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::report::{Report, Target, median};
use crate::tools::{Bench, Tool};

const RUNS: usize = 40;

/// Measures `procman --version` beside a static C program that does nothing.
pub fn measure(bench: &Bench, report: &mut Report) {
    let programs =
        [(Tool::Procman, env!("CARGO_BIN_EXE_procman").into()), (Tool::Ceiling, bench.file("load"))];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..bench.rounds * RUNS {
        for (times, (_, program)) in times.iter_mut().zip(&programs) {
            let mut command = Command::new(program);
            command.arg("--version").stdout(Stdio::null());
            let began = Instant::now();
            command.status().unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let values = programs.iter().zip(times).map(|((tool, _), times)| (*tool, median(times))).collect();
    report.add("`--version` beside a static C program, ms", Target::AtMost(2.0, Tool::Ceiling), values);
}
