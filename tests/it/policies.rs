//! What comes back, what does not, and in which order all begin and end: policies at work on real processes.

use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};

use crate::support::formation::RESTS;
use crate::support::{App, Running};

fn app(procfile: &str, toml: &str) -> App {
    let app = App::new(procfile);
    app.file("procman.toml", toml);
    app
}

fn start(app: &App, arguments: &[&str]) -> Running {
    app.start(&[&["--no-timestamp"], arguments].concat())
}

/// Returns the place of a text in the output, which is there.
#[track_caller]
fn place(output: &str, text: &str) -> usize {
    output.find(text).unwrap_or_else(|| panic!("no `{text}` in:\n{output}"))
}

#[test]
fn a_crash_loop_uses_up_its_budget_and_ends_with_its_code() {
    let app = app(
        &format!("web: echo again; exit 7\nworker: {RESTS}\n"),
        "restart = 'on-failure'\n[process.web]\nrestart-budget = 2\n",
    );
    let end = start(&app, &[]).finish();
    app.assert_nothing_is_left();
    assert_eq!((end.status, end.stderr.as_str()), (Some(7), ""), "{}", end.stdout);
    assert_eq!(end.stdout.matches("| again\n").count(), 2);
    let [first, second, third] = &end.lines_of("system")[..] else { panic!("{}", end.stdout) };
    assert!(first.starts_with("web.1 exited with code 7, starts again in 1"), "{first}");
    assert!(first.ends_with(" s (1 of 2 ends in a row)"), "{first}");
    assert_eq!(second, "web.1 exited with code 7 and is not started again after 2 ends in a row");
    assert_eq!(third, "web.1 ended, sending SIGTERM to all processes");
}

#[test]
fn a_request_to_stop_ends_a_pause_at_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let app = app("web: exit 1\n", "");
        let running = start(&app, &["--restart", "always"]);
        // Of half a minute or so, which nobody waits for here.
        running.wait_for("web.1 exited with code 1, starts again in 2");
        running.signal(signal);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
        assert_eq!(end.stdout.matches("| started with").count(), 2, "{}", end.stdout);
    }
}

#[test]
fn two_hundred_that_end_at_once_do_not_come_back_at_once() {
    let app = app(
        "web: if mkdir \"done.$PS\"; then exit 1; fi; exec sleep 1000\n",
        "[process.web]\nrestart = 'on-failure'\n",
    );
    let running = start(&app, &["-m", "web=200"]);
    running.wait_for_times("| started with pid", 400);
    let output = running.output();
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    let pauses: BTreeSet<&str> = output
        .lines()
        .filter_map(|line| Some(line.split_once("starts again in ")?.1.split_once(' ')?.0))
        .collect();
    // By tenths of a second.
    assert!(pauses.is_superset(&BTreeSet::from(["1", "1.1", "1.2"])), "{pauses:?}");
}

#[test]
fn one_that_is_not_ready_in_time_is_started_again() {
    let app = app(
        "web: exec sleep 1000\n",
        "[process.web]\nrestart = 'on-failure'\nrestart-budget = 2\nready = { log = 'never', deadline = 0.1 }\n",
    );
    let end = start(&app, &[]).finish();
    app.assert_nothing_is_left();
    assert_eq!(
        (end.status, end.stderr.as_str()),
        (Some(1), "procman: web.1 was not ready within 0.1 s\n"),
        "{}",
        end.stdout
    );
    assert_eq!(end.stdout.matches("| started with").count(), 2, "{}", end.stdout);
}

#[test]
fn others_go_on_and_the_last_one_ends_all_with_the_first_failure() {
    let app = App::new("web: exit 3\nworker: while ! test -e go; do sleep 0.01; done; exit 4\nclock: true\n");
    let running = start(&app, &["--keep-going"]);
    running.wait_for("web.1 exited with code 3, the others go on\n");
    running.wait_for("clock.1  | exited with code 0\n");
    app.file("go", "");
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!((end.status, end.stderr.as_str()), (Some(3), ""), "{}", end.stdout);
}

#[test]
fn the_reason_is_on_standard_error_whatever_else_is_shown() {
    const LATE: &str = "[process.web.ready]\nlog = 'never'\ndeadline = 0.1\n";
    const UNWELL: &str = "[process.web]\nrestart-budget = 1\n\
                          [process.web.health]\nexec = 'false'\ninterval = 0.1\nfailures = 1\n";
    for (toml, arguments, reason) in [
        (LATE, &["--keep-going"][..], "web.1 was not ready within 0.1 s"),
        (LATE, &["--restart", "never"], "web.1 was not ready within 0.1 s"),
        (UNWELL, &[], "web.1 failed a health check (the command exited with code 1)"),
        (UNWELL, &["--keep-going"], "web.1 failed a health check (the command exited with code 1)"),
    ] {
        let app = app(&format!("web: {RESTS}\n"), toml);
        let end = start(&app, &[&["--log-format", "raw"], arguments].concat()).finish();
        assert_eq!((end.status, end.stderr), (Some(1), format!("procman: {reason}\n")), "{arguments:?}");
        app.assert_nothing_is_left();
    }
    // Whoever starts it in the background sees nothing else.
    let app = app(
        &format!("web: {RESTS}\nworker: {RESTS}\n"),
        &format!("{LATE}[process.worker]\nneeds = ['web']\n"),
    );
    let end = app.done(&["start", "--daemon", "--keep-going"]);
    let told = (end.status, end.stderr.as_str());
    assert_eq!(told, (Some(1), "procman: web.1 was not ready within 0.1 s\n"));
}

#[test]
fn only_one_type_may_end_without_harm() {
    let app = app(
        "web: while ! test -e go; do sleep 0.01; done; exit 5\nhelper: exit 9\n",
        "[process.helper]\non-exit = 'ignore'\n",
    );
    let running = start(&app, &[]);
    running.wait_for("helper.1 exited with code 9, the others go on\n");
    app.file("go", "");
    assert_eq!(running.finish().status, Some(5));
    app.assert_nothing_is_left();
}

#[test]
fn what_is_needed_begins_first_and_ends_last() {
    let says = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done";
    let app = app(
        &format!("web: {says}\ndb: {says}\nmigrate: echo migrated\n"),
        "[process.web]\nneeds = ['db', 'migrate']\n\
         [process.migrate]\none-shot = true\nneeds = ['db']\n\
         [process.db]\nready = { log = '^up$' }\n",
    );
    let running = start(&app, &[]);
    running.wait_for("web.1     | up\n");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    let order =
        ["db.1      | up", "migrate.1 | migrated", "web.1     | up", "web.1     | bye", "db.1      | bye"];
    let places = order.map(|text| place(&end.stdout, text));
    assert!(places.is_sorted(), "{}", end.stdout);
}

#[test]
fn each_type_is_asked_to_end_by_its_own_signal() {
    let app = app(
        "web: trap 'echo by interrupt; exit 0' INT; echo up; while :; do sleep 0.01; done\nworker: exec sleep 1000\n",
        "[process.web]\nstop-signal = 'INT'\n",
    );
    let running = start(&app, &[]);
    running.wait_for("web.1    | up\n");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    assert!(end.stdout.contains("web.1    | by interrupt\n"), "{}", end.stdout);
    assert!(end.stdout.contains("worker.1 | terminated by SIGTERM\n"), "{}", end.stdout);
    assert_eq!(end.lines_of("system"), ["SIGTERM received, stopping all processes"]);
}

#[test]
fn what_a_killed_supervisor_leaves_has_the_time_of_the_type_with_the_most() {
    if cfg!(procman_portable) {
        // There a guard finds no group again whose leader has died with the supervisor.
        return;
    }
    // Behind a shell, for the leader itself is killed with the supervisor, and so is whoever reads what is written.
    let says = "(exec 2>/dev/null; trap 'sleep 1; touch finished; exit 0' TERM; echo up; while :; do sleep 0.01; done) & wait";
    let app = app(&format!("web: {says}\nworker: {RESTS}\n"), "timeout = 0.01\n[process.web]\ngrace = 60\n");
    let running = start(&app, &[]);
    running.wait_for("web.1    | up\n");
    kill(running.supervisor(), Signal::SIGKILL).unwrap();
    assert_eq!(running.finish().status, Some(137));
    app.assert_nothing_is_left();
    assert!(app.root().join("finished").exists());
}

#[test]
fn a_root_that_has_vanished_is_named_when_an_instance_comes_back() {
    let app = app("web: while test -e stay; do sleep 0.01; done; exit 1\n", "");
    let root = app.root().join("place");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("stay"), "").unwrap();
    let path = root.to_str().unwrap().to_owned();
    let running =
        start(&app, &["--restart", "on-failure", "-f", "Procfile", "-d", &path, "--socket", "socket"]);
    running.wait_for("started with pid");
    std::fs::remove_dir_all(&root).unwrap();
    running.wait_for("starts again in 2");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    let told = end.lines_of("system");
    let of_start: Vec<&String> = told.iter().filter(|line| line.contains("could not be started")).collect();
    let reason = format!("cannot use `{path}` as working directory: no such file or directory");
    let expected = format!("web.1 could not be started: {reason}");
    assert!(!of_start.is_empty() && of_start.iter().all(|line| **line == expected), "{}", end.stdout);
}
