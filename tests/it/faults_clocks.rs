//! Clocks that jump, and time that procman has not lived through.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::support::{App, IDLE, skipped, state, wait_until};

/// Returns the library that gives a program another wall clock, where there is one.
fn libfaketime() -> Option<PathBuf> {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let found = places.iter().map(|place| PathBuf::from(place).join("faketime/libfaketime.so.1"));
    let found = found.into_iter().find(|library| library.exists());
    if found.is_none() {
        skipped("there is no libfaketime to set a clock with");
    }
    found
}

/// Returns procman with a wall clock that stands at the time in a file of the app, `clock`.
fn with_clock(app: &App, time: &str, arguments: &[&str]) -> Option<Command> {
    let library = libfaketime()?;
    let mut command = app.procman(arguments);
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", app.file("clock", time));
    // Only procman's wall clock: what it measures by must not be a fake.
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("TZ", "UTC");
    Some(command)
}

#[test]
fn a_clock_that_is_set_back_delays_no_deadline() {
    // The instance sets it back itself: once while all is well, and once when the deadline stands.
    let app = App::new(
        "web: trap 'mv far-back clock' TERM; echo now; read go < go; mv back clock; echo set back; \
         (trap '' TERM; echo ready; exec sleep 1000) & while :; do wait; done\n",
    );
    let mut go = app.gate("go");
    app.file("back", "2026-06-15 11:30:00");
    app.file("far-back", "2026-06-15 10:30:00");
    let arguments = ["start", "-t", "1", "--timestamp=%Y %H"];
    let Some(command) = with_clock(&app, "2026-06-15 12:30:00", &arguments) else { return };
    let running = app.run(command);
    running.wait_for("2026 12 web.1  | now");
    go.open();
    // The shown time follows the clock.
    running.wait_for("2026 11 web.1  | set back");
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    // It would take an hour more than the limit of this test if the deadline moved along.
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert!(end.stdout.contains("still running after 1 s, sending SIGKILL: web.1"), "{}", end.stdout);
}

#[test]
fn a_clock_beyond_what_32_bits_count_is_shown() {
    let app = App::new("web: echo hello\n");
    let arguments = ["start", "--timestamp=%Y-%m-%d"];
    let Some(command) = with_clock(&app, "2106-02-07 12:00:00", &arguments) else { return };
    let end = app.run(command).finish();
    assert!(end.stdout.contains("2106-02-07 web.1  | hello\n"), "{}", end.stdout);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
}

#[test]
fn time_in_which_everything_stood_still_counts_for_no_deadline() {
    // Asked to stop, it waits for a line that comes only when the deadline has passed.
    let app = App::new(&format!("web: trap 'echo asked; read go < go; echo bye; exit 0' TERM; {IDLE}\n"));
    let mut go = app.gate("go");
    let running = app.start(&["--no-timestamp", "-t", "2"]);
    running.wait_for("ready");
    let web = running.pid_of("web.1");
    let everybody = [running.pid(), running.supervisor(), web];
    running.signal(Signal::SIGTERM);
    running.wait_for("asked");
    let asked = Instant::now();
    everybody.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP).unwrap());
    wait_until("the deadline has passed", || asked.elapsed() > Duration::from_secs(3));
    go.open();
    everybody.iter().rev().for_each(|pid| kill(*pid, Signal::SIGCONT).unwrap());
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.lines_of("web.1")[2..], ["asked", "bye", "exited with code 0"], "{}", end.stdout);
    assert_eq!((end.status, &*end.stderr), (Some(0), ""));
}

#[test]
fn a_machine_that_stood_still_kills_nobody_when_it_goes_on() {
    let app = App::new(&format!("web: trap 'echo bye; exit 0' TERM; {IDLE}\nworker: exec sleep 1000\n"));
    let running = app.start(&["--no-timestamp", "-t", "1000"]);
    running.wait_for("ready");
    let everybody =
        [running.pid(), running.supervisor(), running.pid_of("web.1"), running.pid_of("worker.1")];
    for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
        everybody.iter().for_each(|pid| kill(*pid, signal).unwrap());
        let stands = |pid: &nix::unistd::Pid| state(pid.as_raw()) == Some('T');
        wait_until("all stand still, or none", || {
            everybody.iter().all(|pid| stands(pid) == (signal == Signal::SIGSTOP))
        });
    }
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!((end.status, &*end.stderr), (Some(0), ""));
    assert!(end.lines_of("web.1").contains(&"bye".to_owned()), "{}", end.stdout);
    assert!(!end.stdout.contains("SIGKILL"), "{}", end.stdout);
}
