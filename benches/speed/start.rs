//! How long it takes to say the version: what every use of procman costs.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::table::{Table, figure, median};
use crate::tools::Bench;

const RUNS: usize = 40;

/// Measures `procman --version` beside a static C program that does nothing, and prints it.
pub fn measure(bench: &Bench) {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..bench.rounds * RUNS {
        let nothing = bench.file("load");
        for (values, (program, arguments)) in times
            .iter_mut()
            .zip([(std::path::Path::new(env!("CARGO_BIN_EXE_procman")), "--version"), (&*nothing, "nothing")])
        {
            let mut command = Command::new(program);
            command.arg(arguments).stdout(Stdio::null());
            let began = Instant::now();
            command.status().unwrap();
            values.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let [own, nothing] = times.map(median);
    let mut table = Table::new(&["ms"]);
    table.row("procman --version", [figure(own)]);
    table.row("a static C program", [figure(nothing)]);
    table.row("ratio", [figure(own / nothing)]);
    table.print("Cold start");
}
