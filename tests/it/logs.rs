//! `procman logs` of a formation that runs: what it shows is what `start` writes.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use crate::support::formation::RESTS;
use crate::support::{App, End};

/// Writes some lines, of which one is no text.
const WRITES: &str = "echo one; echo two >&2; printf 'th\\377ree\\n'";

fn app() -> App {
    App::new(&format!("web: {WRITES}; {RESTS}\nworker: echo GET /; echo POST /; {RESTS}\n"))
}

/// Returns the lines of an output by whose they are: among several the order may differ. So may the times, by less than
/// a millisecond, for a record has one for all that came together.
fn by_instance(text: &str) -> BTreeMap<String, Vec<String>> {
    let time = regex_lite::Regex::new(r"\d\d:\d\d:\d\d(\.\d{6})?").unwrap();
    let text = time.replace_all(text, "TIME");
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let name = match (line.split_once(" | "), line.split_once("\"process\":\"")) {
            (Some((prefix, _)), _) => prefix.split_whitespace().last().unwrap(),
            (None, Some((_, rest))) => rest.split('"').next().unwrap(),
            (None, None) => line,
        };
        lines.entry(name.to_owned()).or_default().push(line.to_owned());
    }
    lines
}

#[test]
fn logs_show_what_start_writes_in_every_format_until_the_end() {
    for arguments in [
        &["--no-color"][..],
        &["--timestamp=%Y at %H:%M:%S"],
        &["--no-timestamp"],
        &["--no-timestamp", "--color"],
        &["--log-format", "json"],
        &["--log-format", "raw"],
    ] {
        let app = app();
        let running = app.start(arguments);
        running.wait_for_times("ready", 2);
        app.ask(&["restart", "worker"]);
        let logs = app.run(app.procman(&[&["logs", "-f"], arguments].concat()));
        running.wait_for_times("ready", 3);
        logs.wait_for_times("ready", 3);
        assert_eq!(app.done(&["quit"]).status, Some(0));
        let (started, logged) = (running.finish(), logs.finish());
        for end in [&started, &logged] {
            assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        }
        app.assert_nothing_is_left();
        assert_eq!(by_instance(&logged.stdout), by_instance(&started.stdout), "{arguments:?}");
        assert_eq!(logged.bytes.contains(&0xFF), !arguments.contains(&"json"));
    }
}

/// A procfile whose web.1 has written the numbers to 20.
fn numbers() -> App {
    App::new(&format!("web: seq 1 20; {RESTS}\nworker: echo GET /; echo POST /; {RESTS}\n"))
}

fn raw(app: &App, arguments: &[&str]) -> Vec<String> {
    let text = app.ask(&[&["logs", "--log-format", "raw"], arguments].concat());
    text.lines().filter(|line| *line != "ready").map(str::to_owned).collect()
}

#[test]
fn logs_begin_with_the_last_lines_of_each() {
    let app = numbers();
    let running = app.start_ready(&[], 2);
    let count =
        |arguments: &[&str]| app.ask(&[&["logs", "--no-timestamp"], arguments].concat()).lines().count();
    // A line about its start, those that it wrote, and `ready`.
    assert_eq!(count(&[]), 22 + 4);
    assert_eq!(count(&["-n", "3"]), 6);
    assert_eq!(count(&["-n", "0"]), 0);
    assert_eq!(raw(&app, &["-n", "3", "web"]), ["19", "20"]);
    assert_eq!(raw(&app, &["-n", "3", "web.1"]), ["19", "20"]);
    assert_eq!(raw(&app, &["worker", "web.1", "-n2"]).len(), 2);
    assert_eq!(raw(&app, &["worker"]), ["GET /", "POST /"]);
    app.quit(running);
}

#[test]
fn logs_show_lines_that_match_or_are_new_enough() {
    let app = numbers();
    let running = app.start_ready(&[], 2);
    assert_eq!(raw(&app, &["--grep", "^1.$", "web"]), (10..20).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(raw(&app, &["--grep", "^(GET|POST)"]), ["GET /", "POST /"]);
    // Of those that match the last ones.
    assert_eq!(raw(&app, &["--grep", "^1.$", "-n", "2"]), ["18", "19"]);
    assert_eq!(raw(&app, &["--grep", "nothing"]), [""; 0]);
    assert_eq!(raw(&app, &["--since", "1h", "worker"]), ["GET /", "POST /"]);
    let end = app.done(&["logs", "--since", "2999-01-01 00:00"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(0), ""));
    for wrong in [&["--grep", "("][..], &["--since", "yesterdayish"], &["-n", "some"]] {
        assert_eq!(app.done(&[&["logs"], wrong].concat()).status, Some(2), "{wrong:?}");
    }
    app.quit(running);
}

#[test]
fn logs_follow_those_that_are_named_be_they_yet_to_come() {
    let app = numbers();
    let running = app.start_ready(&[], 2);
    // Something for each to begin with, so that it is known when it follows.
    app.ask(&["signal", "STOP", "worker"]);
    running.wait_for("system   | worker.1 was stopped by SIGSTOP");
    app.ask(&["signal", "CONT", "worker"]);
    let follow = |names: &[&str]| {
        let arguments = [&["logs", "-f", "-n", "1", "--no-timestamp"], names].concat();
        let logs = app.run(app.procman(&arguments));
        logs.wait_for("\n");
        logs
    };
    let [all, worker, system] = [follow(&[]), follow(&["worker"]), follow(&["system"])];
    app.ask(&["scale", "worker=2", "web=2"]);
    all.wait_for("worker.2 | ready\n");
    all.wait_for("web.2    | 20\n");
    worker.wait_for("worker.2 | ready\n");
    app.done(&["quit"]);
    let [all, worker, system] = [all, worker, system].map(|logs| logs.finish());
    assert_eq!(running.finish().status, Some(0));
    assert!(worker.stdout.lines().all(|line| line.starts_with("worker.")), "{worker:?}");
    let last = "system   | asked to quit, sending SIGTERM to all processes\n";
    assert!(system.stdout.ends_with(last) && system.stdout.lines().count() == 2, "{system:?}");
    assert!(all.stdout.contains(last));
    assert_eq!(worker.lines_of("worker.1").last().unwrap(), "terminated by SIGTERM");
    assert!([all, worker, system].iter().all(|end| end.status == Some(0) && end.stderr.is_empty()));
}

#[test]
fn logs_remember_those_that_have_left_the_formation() {
    let app = numbers();
    let running = app.start_ready(&[], 2);
    app.ask(&["scale", "worker=0"]);
    let text = app.ask(&["logs", "worker.1", "--no-timestamp", "-n", "1"]);
    assert_eq!(text, "worker.1 | terminated by SIGTERM\n");
    app.quit(running);
}

#[test]
fn logs_leave_a_terminal_as_it_is() {
    let app = App::new(&format!("web: printf '\\033[?1049h\\033[2J\\033[32mhello\\033[m\\n'; {RESTS}\n"));
    let running = app.start_ready(&[], 1);
    let arguments = ["logs", "--no-timestamp", "--color=never"];
    let (logs, _keyboard) = app.run_on_terminal(app.procman(&arguments));
    let shown = logs.finish().stdout;
    assert!(shown.contains("| \x1b[32mhello\x1b[m\r\n") && !shown.contains("\x1b[?1049h"), "{shown:?}");
    assert!(app.ask(&arguments).contains("| \x1b[?1049h\x1b[2J\x1b[32mhello\x1b[m\n"));
    app.quit(running);
}

#[test]
fn logs_keep_as_much_as_was_asked_for() {
    let app = App::new(&format!("web: seq 1 100000; {RESTS}\n"));
    let running = app.start_ready(&["--log-buffer", "10K"], 1);
    let lines = raw(&app, &[]);
    assert_eq!(lines.last().unwrap(), "100000");
    let first: usize = lines[0].parse().unwrap();
    assert!((97_000..99_000).contains(&first), "{first}");
    assert_eq!(lines.len(), 100_001 - first);
    app.quit(running);
}

#[test]
fn logs_end_with_the_formation_however_it_ends() {
    for signal in [Some(Signal::SIGTERM), None] {
        let app = App::new(&format!("web: {RESTS}\nworker: read go < go; echo last; exit 3\n"));
        let mut go = app.gate("go");
        let running = app.start_ready(&[], 1);
        let logs = app.run(app.procman(&["logs", "-f", "--no-timestamp"]));
        logs.wait_for("| ready\n");
        match signal {
            Some(signal) => running.signal(signal),
            None => go.open(),
        }
        let End { status, stdout, stderr, .. } = logs.finish();
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        let worker = stdout.lines().filter(|line| line.starts_with("worker.1 | ")).skip(1);
        let expected = if signal.is_some() {
            &["worker.1 | terminated by SIGTERM"][..]
        } else {
            &["worker.1 | last", "worker.1 | exited with code 3"]
        };
        assert_eq!(worker.collect::<Vec<_>>(), expected);
        assert!(stdout.contains("web.1    | terminated by SIGTERM\n"), "{stdout}");
        assert_eq!(running.finish().status, Some(if signal.is_some() { 0 } else { 3 }));
    }
}

#[cfg(not(procman_portable))]
#[test]
fn logs_say_that_procman_has_been_killed() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let running = app.start_ready(&[], 1);
    let logs = app.run(app.procman(&["logs", "-f", "--no-timestamp"]));
    logs.wait_for("| ready\n");
    nix::sys::signal::kill(running.supervisor(), Signal::SIGKILL).unwrap();
    let end = logs.finish();
    assert_eq!(end.status, Some(1));
    assert_eq!(
        end.stderr,
        "procman: the procman that runs this app has gone, or will not answer this user\nhint: only the user that it runs as, and root, are answered\n"
    );
    running.finish();
    app.wait_until_nothing_is_left();
}
