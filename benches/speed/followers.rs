//! What fifty clients that follow the logs cost procman's own output, and whether they get every line of what is no flood.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::report::{Report, Target, median};
use crate::tools::{Bench, Limit, Outcome, Tool, stop};

const FOLLOWERS: usize = 50;
/// How long the output is looked at, with and without them.
const SPAN: Duration = Duration::from_secs(2);
/// Lines a second that are no flood, and how many.
const PACE: usize = 2000;
const LINES: usize = 5 * PACE;

/// Measures procman beside itself: no other tool has clients like these.
pub fn measure(bench: &Bench, report: &mut Report) {
    for writers in [1, 4] {
        let part = median(flood(bench, writers));
        report.add(
            format!("50 followers of a flood, {writers} → pipe: own speed, of that without"),
            Target::Least(0.9),
            vec![(Tool::Procman, part)],
        );
    }
    let missed = (0..bench.rounds.div_ceil(3)).map(|_| pace(bench) as f64).max_by(f64::total_cmp);
    report.add(
        "50 followers of 2,000 lines a second: lines that any of them misses",
        Target::Limit(0.0),
        vec![(Tool::Procman, missed.unwrap_or(f64::NAN))],
    );
}

/// Returns how fast the output is with followers, as a part of how fast it is without, round by round.
fn flood(bench: &Bench, writers: usize) -> Vec<f64> {
    let mut child = start(bench, &vec![bench.load("flood"); writers]);
    let seen = Arc::new(AtomicU64::new(0));
    let mut output = child.stdout.take().unwrap();
    let reader = {
        let seen = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1024 * 1024];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                seen.fetch_add(length as u64, Ordering::Relaxed);
            }
        })
    };
    let speed = || {
        let (before, began) = (seen.load(Ordering::Relaxed), Instant::now());
        std::thread::sleep(SPAN);
        (seen.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
    };
    while seen.load(Ordering::Relaxed) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let parts = (0..bench.rounds).map(|_| {
        // Before and after, for the machine's speed drifts.
        let before = speed();
        let followers = follow(bench);
        let with = speed();
        followers.into_iter().for_each(stop);
        2.0 * with / (before + speed())
    });
    let parts = parts.collect();
    stop(child);
    let _ = reader.join();
    parts
}

/// Returns how many of the numbered lines do not come to all, or come in another order or twice.
fn pace(bench: &Bench) -> usize {
    let go = bench.file("go");
    let _ = fs::remove_file(&go);
    let mut child = start(bench, &[bench.load(&format!("pace {PACE} {LINES} {}", go.display()))]);
    drop(
        child
            .stdout
            .take()
            .map(|mut output| std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()))),
    );
    let followers = follow(bench);
    File::create(&go).unwrap();
    let ended = Limit::new(&child);
    child.wait().unwrap();
    assert!(ended.lift() == Outcome::Ended, "procman did not end");
    let missed = followers.into_iter().enumerate().map(|(number, mut follower)| {
        follower.wait().unwrap();
        let text = fs::read_to_string(output(bench, number)).unwrap();
        let numbers =
            text.lines().filter_map(|line| line.strip_suffix(" paced")?.rsplit(' ').next()?.parse().ok());
        let numbers: Vec<usize> = numbers.collect();
        let is_ordered = numbers.is_sorted_by(|one, other| one < other);
        let kept: BTreeSet<usize> = numbers.into_iter().collect();
        if is_ordered { LINES - kept.len() } else { LINES }
    });
    missed.max().unwrap()
}

fn start(bench: &Bench, commands: &[String]) -> Child {
    let mut command = bench.command(Tool::Procman, commands);
    command.arg("--socket").arg(bench.file("socket"));
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Returns clients that have all been seen to follow.
fn follow(bench: &Bench) -> Vec<Child> {
    let patience = Instant::now() + Duration::from_secs(20);
    while !bench.file("socket").exists() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    let client = |number| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_procman"));
        command.args(["logs", "-f", "--socket"]).arg(bench.file("socket"));
        command.current_dir(bench.file("")).stdin(Stdio::null()).stderr(Stdio::null());
        command.stdout(File::create(output(bench, number)).unwrap()).spawn().unwrap()
    };
    let followers: Vec<Child> = (0..FOLLOWERS).map(client).collect();
    let has_begun = |number| fs::metadata(output(bench, number)).is_ok_and(|file| file.len() > 0);
    while !(0..FOLLOWERS).all(has_begun) {
        assert!(Instant::now() < patience, "some do not follow");
        std::thread::sleep(Duration::from_millis(5));
    }
    followers
}

fn output(bench: &Bench, number: usize) -> std::path::PathBuf {
    bench.file(&format!("followed.{number}"))
}
