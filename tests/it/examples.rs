//! Each example does what its README says.

mod postgresql;

use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::http::{free_port, get, post};
use crate::support::{App, End, parent, processes, procman, repository, skipped};

/// Returns the folder of an example, for one that writes nothing.
fn example(name: &str) -> String {
    repository().join("examples").join(name).to_str().unwrap().to_owned()
}

/// Returns a copy of an example.
fn copy(app: &App, name: &str) -> PathBuf {
    let copied = app.command("cp").args(["-R", &example(name), "."]).status().unwrap();
    assert!(copied.success());
    app.root().join(name)
}

/// Returns whether `program` runs with these arguments; says so if it does not.
fn can_run(app: &App, program: &str, arguments: &[&str]) -> bool {
    let status = app.command(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let can = status.is_ok_and(|status| status.success());
    if !can {
        skipped(&format!("`{program} {}` does not work here", arguments.join(" ")));
    }
    can
}

fn has_python(app: &App) -> bool {
    can_run(app, "python3", &["-c", "import sqlite3, sys; sys.exit(sys.version_info < (3, 9))"])
}

/// Checks an end that was asked for: exit code 0, nothing on standard error, nothing left.
#[track_caller]
fn assert_calm(app: &App, end: &End) {
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    app.wait_until_nothing_is_left();
}

#[test]
fn hello() {
    let app = App::new("");
    let running = app.start(&["-d", &example("hello")]);
    running.wait_for("web.1    | listening on port 5000 (well, pretending to)\n");
    running.wait_for("worker.1 | worker.1 waits for jobs\n");
    running.wait_for("clock.1  | tick\n");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert!(end.stdout.contains("web.1    | port 5000 closed\n"), "{}", end.stdout);
    assert!(end.stdout.contains("worker.1 | stopped after "), "{}", end.stdout);
    assert!(end.stdout.contains("clock.1  | the clock stops\n"), "{}", end.stdout);
    assert_eq!(end.stdout.matches("exited with code 0").count(), 3, "{}", end.stdout);
    assert_calm(&app, &end);
}

#[test]
fn hello_runs_what_is_asked_for() {
    let app = App::new("");
    let running = app.start(&["-d", &example("hello"), "-m", "web=2", "-p", "6000"]);
    running.wait_for("listening on port 6000 ");
    running.wait_for("listening on port 6001 ");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert!(!end.stdout.contains("worker"), "{}", end.stdout);
    assert_calm(&app, &end);
}

#[test]
fn twelve_factor() {
    let app = App::new("");
    if !has_python(&app) {
        return;
    }
    let root = copy(&app, "twelve-factor");
    let root = root.to_str().unwrap();
    let port = free_port();
    let running = app.start(&["-d", root, "-p", &port.to_string()]);
    running.wait_for("release.1 | the database went from version 0 to 2\n");
    running.wait_for(&format!("web.1     | listening on http://127.0.0.1:{port}\n"));
    running.wait_for("web.1 is ready");
    running.wait_for("worker.1  | worker.1 is waiting for jobs\n");
    running.wait_for("clock.1   | a heartbeat every 5 seconds\n");
    assert!(get(port, "/health").ends_with("\r\n\r\nok\n"));
    let page = get(port, "/");
    assert!(page.contains("It's a fine day for a twelve-factor app\ninstance: web.1\n"), "{page}");
    let answer = post(port, "/jobs", r#"{"text": "water the plants"}"#);
    assert!(answer.lines().next().unwrap().contains(" 201 "), "{answer}");
    running.wait_for(r#"done: "water the plants""#);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    for line in ["web.1     | stopped\n", "worker.1  | stopped, jobs done: ", "clock.1   | stopped\n"] {
        assert!(end.stdout.contains(line), "no {line} in {}", end.stdout);
    }
    assert_calm(&app, &end);

    let release = app.done(&["run", "-d", root, "release"]);
    assert!(release.stdout.contains("the database is up to date, version 2"), "{release:?}");
    assert_eq!(release.status, Some(0));
    let stats = app.done(&["run", "-d", root, "python3", "admin.py", "stats"]);
    assert!(stats.stdout.contains("done by worker.1: "), "{stats:?}");
    assert_eq!(stats.status, Some(0));
}

#[test]
fn twelve_factor_without_its_release_says_what_to_do() {
    let app = App::new("");
    if !has_python(&app) {
        return;
    }
    let root = copy(&app, "twelve-factor");
    let port = free_port().to_string();
    let arguments = ["-d", root.to_str().unwrap(), "-p", &port, "--restart", "never", "-m", "web=1"];
    let end = app.start(&arguments).finish();
    assert!(end.stdout.contains("run `procman run release` first"), "{}", end.stdout);
    assert_eq!(end.status, Some(1));
    app.wait_until_nothing_is_left();
}

#[test]
fn container() {
    const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    let app = App::new("");
    if !has_python(&app) || !can_run(&app, "unshare", &[&UNSHARE[..], &["true"]].concat()) {
        return;
    }
    let root = copy(&app, "container");
    let port = free_port();
    let mut command = app.command("unshare");
    command.args(UNSHARE).arg(procman()).args(["start", "-d"]).arg(root).args(["-p", &port.to_string()]);
    let running = app.run(command);
    running.wait_for(&format!("web.1    | listening on http://127.0.0.1:{port}\n"));
    running.wait_for("web.1 is ready");
    assert!(get(port, "/").ends_with("\r\n\r\nhello from web.1\n"));
    let health = app.done(&["healthcheck", "-d", app.root().join("container").to_str().unwrap()]);
    assert_eq!((health.status, health.stderr.as_str()), (Some(0), ""), "{}", health.stdout);
    running.wait_for_times("left an orphan behind; zombies of PID 1: 0\n", 2);
    let unshare = running.pid().as_raw();
    let first = processes().into_iter().find(|pid| parent(*pid) == Some(unshare)).unwrap();
    kill(Pid::from_raw(first), Signal::SIGTERM).unwrap();
    let end = running.finish();
    assert!(end.stdout.contains("web.1    | stopped\n"), "{}", end.stdout);
    assert!(end.stdout.contains("worker.1 | stopped after "), "{}", end.stdout);
    assert_calm(&app, &end);
}

#[test]
fn many_instances() {
    let app = App::new("");
    let running = app.start(&["-d", &example("many"), "-m", "idle=40,talker=10"]);
    (1..=40).for_each(|number| running.wait_for(&format!("| idle.{number} is here, port ")));
    (1..=10).for_each(|number| running.wait_for(&format!("| talker.{number} is here, port ")));
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.stdout.matches(" says goodbye\n").count(), 10, "{}", end.stdout);
    assert_calm(&app, &end);
}

#[test]
fn many_types() {
    let app = App::new("");
    let generated =
        app.command("sh").arg(format!("{}/generate.sh", example("many"))).arg("30").output().unwrap();
    app.file("Procfile.30", generated.stdout);
    let running = app.start(&["-f", "Procfile.30"]);
    for number in 1..=30 {
        let name = if number % 10 == 0 { "talker" } else { "idle" };
        let port = 5000 + 100 * (number - 1);
        running.wait_for(&format!("| {name}{number:03}.1 is here, port {port}\n"));
    }
    running.signal(Signal::SIGTERM);
    assert_calm(&app, &running.finish());
}

#[test]
fn every_example_is_valid() {
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let root = entry.unwrap().path();
        let end = App::new("").done(&["check", "-d", root.to_str().unwrap()]);
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", root.display());
        assert!(root.join("README.md").is_file(), "{}", root.display());
    }
}
