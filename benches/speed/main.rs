//! How fast procman is, beside about the least that any program of its kind can cost.
//!
//!     cargo bench --bench speed                     everything, some minutes
//!     cargo bench --bench speed -- --only latency   one part: throughput, latency, followers, life, memory, start
//!     cargo bench --bench speed -- --rounds 15      more rounds
//!     cargo bench --bench speed -- --plot FILE      draws the throughput as an SVG, too
//!
//! The machine is never quiet and never the same, so only ratios count: every figure is the median of rounds in which
//! all programs take turns. What they have to multiplex comes from `load.c`; the *ceiling* is `ceiling.c`, a
//! multiplexer that supervises nothing. Procfile tools that are on `PATH` join. What procman, and the ceiling, wrote
//! is checked in the same run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that fails has no result"
)]

mod followers;
mod latency;
mod life;
mod memory;
mod plot;
mod report;
mod start;
mod throughput;
mod tools;

use std::path::PathBuf;

use crate::report::Report;
use crate::tools::Bench;

/// What to measure, and how often.
struct Options {
    rounds: usize,
    only: Option<String>,
    plot: Option<PathBuf>,
}

/// A part by its name, and what adds its rows.
type Part = (&'static str, fn(&Bench, &mut Report));

const PARTS: [Part; 6] = [
    ("throughput", throughput::measure),
    ("latency", latency::measure),
    ("followers", followers::measure),
    ("life", life::measure),
    ("memory", memory::measure),
    ("start", start::measure),
];

fn main() {
    let options = options();
    let bench = Bench::new(options.rounds);
    let is_wanted = |part: &str| options.only.as_ref().is_none_or(|only| only == part);
    let mut report = Report::default();
    for (part, measure) in PARTS {
        if is_wanted(part) {
            measure(&bench, &mut report);
        }
    }
    println!("{}\n\n{}", bench.machine(), report.markdown());
    if let (Some(file), Some(row)) = (&options.plot, report.row(plot::MEASURE)) {
        std::fs::write(file, plot::draw(row, &bench.machine())).unwrap();
    }
}

fn options() -> Options {
    let mut options = Options { rounds: 7, only: None, plot: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            // Of cargo bench.
            "--bench" => {}
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--only" => {
                let part = value();
                assert!(PARTS.iter().any(|(name, _)| *name == part), "there is no part {part}");
                options.only = Some(part);
            }
            "--plot" => options.plot = Some(PathBuf::from(value())),
            _ => panic!("unknown option {argument}"),
        }
    }
    options
}
