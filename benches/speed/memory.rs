//! What procman holds in memory, how often it wakes when nothing happens, and how large it is.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::report::{Report, Target, in_turns, medians};
use crate::tools::{Bench, Tool, stop};

/// Measures a hundred idle instances, sixteen floods, a line of a hundred megabytes and a blocked reader, all processes
/// of the tool together.
pub fn measure(bench: &Bench, report: &mut Report) {
    let rounds = bench.rounds.div_ceil(3);
    let tools = bench.tools(&[Tool::Procman, Tool::Ceiling]);
    let idle = in_turns(&tools, rounds, |tool| idle(bench, tool));
    report.add("100 idle, MB (PSS)", Target::Limit(4.0), medians(&idle, |idle| idle.0));
    report.add("100 idle, wake-ups a second", Target::Limit(0.0), medians(&idle, |idle| idle.1));
    let tools = [Tool::Procman, Tool::Ceiling];
    let floods = in_turns(&tools, rounds, |tool| flood(bench, tool));
    report.add("16 floods, MB (peak)", Target::Limit(16.0), medians(&floods, |peak| *peak));
    // The ceiling has no room for such a line.
    let line = in_turns(&[Tool::Procman], rounds, |tool| long_line(bench, tool));
    report.add("a line of 100 MB, MB (peak)", Target::Limit(16.0), medians(&line, |peak| *peak));
    let blocked = in_turns(&tools, rounds, |tool| blocked(bench, tool));
    report.add(
        "reader blocked for 1 s, MB (peak)",
        Target::Limit(16.0),
        medians(&blocked, |blocked| blocked.0),
    );
    let growth = medians(&blocked, |blocked| blocked.1 - blocked.0);
    report.add("the same, growth in 3 s more", Target::Limit(0.1), growth);
    let size = fs::metadata(env!("CARGO_BIN_EXE_procman")).unwrap().len() as f64 / 1e6;
    report.add("size of the program, MB", Target::Limit(4.0), vec![(Tool::Procman, size)]);
}

/// Returns the memory of a hundred idle instances' tool, and how often it wakes a second.
fn idle(bench: &Bench, tool: Tool) -> (f64, f64) {
    const SECONDS: u64 = 2;
    let child = start(bench, tool, &vec![bench.load("idle"); 100], Stdio::null());
    std::thread::sleep(Duration::from_secs(1));
    let switches = || own(&child).iter().map(|pid| switches(*pid)).sum::<u64>();
    let before = switches();
    std::thread::sleep(Duration::from_secs(SECONDS));
    let wakes = (switches() - before) as f64 / SECONDS as f64;
    let memory = own(&child).iter().map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum();
    stop(child);
    (memory, wakes)
}

fn flood(bench: &Bench, tool: Tool) -> f64 {
    let child = start(bench, tool, &vec![bench.load("flood"); 16], Stdio::null());
    std::thread::sleep(Duration::from_secs(2));
    let peak = peak(&child);
    stop(child);
    peak
}

fn long_line(bench: &Bench, tool: Tool) -> f64 {
    let file = bench.file("cpu");
    let lines = [bench.load(&format!("write 1 100000000 0 {} 1", file.display())), bench.load("idle")];
    let child = start(bench, tool, &lines, Stdio::null());
    let peak = peak_until(&child, || file.exists());
    stop(child);
    let _ = bench.take_numbers("cpu");
    peak
}

fn blocked(bench: &Bench, tool: Tool) -> (f64, f64) {
    let mut child = start(bench, tool, &vec![bench.load("flood"); 16], Stdio::piped());
    std::thread::sleep(Duration::from_secs(1));
    let early = peak(&child);
    std::thread::sleep(Duration::from_secs(3));
    let late = peak(&child);
    drop(child.stdout.take());
    stop(child);
    (early, late)
}

fn start(bench: &Bench, tool: Tool, commands: &[String], stdout: Stdio) -> Child {
    bench.command(tool, commands).stdout(stdout).spawn().unwrap()
}

fn peak_until(child: &Child, is_over: impl Fn() -> bool) -> f64 {
    let mut most = 0.0_f64;
    while !is_over() {
        // Afterwards nobody can be asked any more.
        most = most.max(peak(child));
        std::thread::sleep(Duration::from_millis(5));
    }
    most
}

/// Returns the largest memory that the tool's processes have had so far, in MB.
fn peak(child: &Child) -> f64 {
    own(child).iter().map(|pid| field(&format!("/proc/{pid}/status"), "VmHWM:")).sum()
}

/// Returns the processes of the tool itself: those that run the same program.
fn own(child: &Child) -> Vec<u32> {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = program(child.id());
    let mut found = vec![child.id()];
    let mut at = 0;
    while let Some(pid) = found.get(at) {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        found.extend(children.filter(|pid| program(*pid) == own).collect::<Vec<u32>>());
        at += 1;
    }
    found
}

/// Returns a field of a file in `/proc`, which is in KiB, in MB.
fn field(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    value.and_then(|value| value.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1.024 / 1000.0
}

/// Returns how often the threads of a process have gone to sleep by themselves.
fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let count = threads.filter_map(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok())
    });
    count.sum()
}
