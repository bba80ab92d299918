//! How fast procman is, beside about the least that any program of its kind can cost.
//!
//!     cargo bench --bench speed                     everything, some minutes
//!     cargo bench --bench speed -- --only latency   one part: throughput, latency, life, memory, start
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
    reason = "a measurement that fails has no result"
)]

mod latency;
mod life;
mod memory;
mod plot;
mod start;
mod table;
mod throughput;
mod tools;

use std::path::PathBuf;

use crate::tools::Bench;

/// What to measure, and how often.
struct Options {
    rounds: usize,
    only: Option<String>,
    plot: Option<PathBuf>,
}

fn main() {
    let options = options();
    let bench = Bench::new(options.rounds);
    let is_wanted = |part: &str| options.only.as_ref().is_none_or(|only| only == part);
    println!("{}\n", bench.machine());
    if is_wanted("throughput") {
        let results = throughput::measure(&bench);
        if let Some(file) = &options.plot {
            std::fs::write(file, plot::draw(&results, &bench.machine())).unwrap();
        }
    }
    if is_wanted("latency") {
        latency::measure(&bench);
    }
    if is_wanted("life") {
        life::measure(&bench);
    }
    if is_wanted("memory") {
        memory::measure(&bench);
    }
    if is_wanted("start") {
        start::measure(&bench);
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
            "--only" => options.only = Some(value()),
            "--plot" => options.plot = Some(PathBuf::from(value())),
            _ => panic!("unknown option {argument}"),
        }
    }
    options
}
