//! `procman start -D`: a formation in the background, and the file that it writes to.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid, getsid};

use crate::support::formation::{RESTS, descriptors};
use crate::support::{App, End, limit_environment, supervisor_of, wait_until};

/// Starts a formation in the background, and returns its guard.
#[track_caller]
fn start(app: &App, arguments: &[&str]) -> Pid {
    let End { status, stdout, stderr, .. } = app.done(&[&["start", "-D"], arguments].concat());
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let pid = stdout.strip_prefix("runs in the background as process ").unwrap();
    Pid::from_raw(pid.trim_end().parse().unwrap())
}

#[test]
fn start_returns_when_everything_has_been_spawned() {
    let app = App::new(&format!("web: {RESTS}\nworker: {RESTS}\n"));
    let guard = start(&app, &["-m", "web=20,worker=1"]);
    assert_eq!(app.running().len(), 21);
    assert_eq!(app.formation()["pid"], guard.as_raw());
    wait_until("all are ready", || app.ask(&["logs", "--log-format", "raw"]).matches("ready").count() == 21);
    // Of what procman says itself there has been nothing yet.
    assert_eq!(app.ask(&["logs", "system"]), "");
    app.ask(&["scale", "web=1"]);
    app.ask(&["restart"]);
    let end = app.done(&["start", "-D"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    assert!(end.stderr.starts_with(&format!("procman: this app runs already, as process {guard}\n")));
    app.quit_background();
    assert_eq!(app.done(&["ps"]).status, Some(1));
}

#[test]
fn nothing_of_the_caller_is_kept() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = app.procman(&["start", "-D"]);
    command.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    // Else this process has the other end too.
    drop(command);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // It ends, for nobody has it open any more.
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let guard = Pid::from_raw(text.trim().rsplit(' ').next().unwrap().parse().unwrap());
    let all = [guard, supervisor_of(guard)];
    for pid in all {
        assert_ne!(getsid(Some(pid)).unwrap(), getsid(None).unwrap());
        assert_eq!(getsid(Some(pid)).unwrap(), guard);
        let standard: Vec<String> = descriptors(pid).into_iter().take(3).map(|(_, path)| path).collect();
        assert_eq!(standard, ["/dev/null"; 3], "{pid}");
    }
    let web = app.leader("web.1");
    assert_eq!(getpgid(Some(web)).unwrap(), web);
    // A terminal's hangup is not for it, but a signal that somebody sends is.
    kill(guard, Signal::SIGTERM).unwrap();
    app.wait_until_nothing_is_left();
    assert!(!app.socket().exists());
}

#[test]
fn the_end_of_the_terminal_is_not_its_end() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let (running, keyboard) = app.run_on_terminal(app.procman(&["start", "-D"]));
    running.wait_for("runs in the background as process ");
    assert_eq!(running.finish().status, Some(0));
    drop(keyboard);
    assert_eq!(app.running(), ["web.1"]);
    // It has no terminal, so its instances have none.
    assert_eq!(app.formation()["instances"][0]["terminal"], false);
    app.quit_background();
}

#[test]
fn what_is_wrong_is_told_to_whoever_starts_it() {
    let app = App::new("web: sleep 1000\n");
    for (arguments, expected) in [
        (&["-e", "gone"][..], "procman: cannot read `gone`: no such file or directory\n"),
        (
            &["--log-file", "gone/log"],
            "procman: cannot write to the log file `gone/log`: no such file or directory\n",
        ),
        (&["--log-file", "."], "procman: cannot write to the log file `.`: is a directory\n"),
        (&["wbe"], "procman: unknown process `wbe`, did you mean `web`; the Procfile has `web`\n"),
    ] {
        let end = app.done(&[&["start", "-D"], arguments].concat());
        assert_eq!((end.status, end.stderr.as_str(), end.stdout.as_str()), (Some(1), expected, ""));
    }
    assert_eq!(app.done(&["start", "-D", "--attach", "web.1"]).status, Some(2));
    app.assert_nothing_is_left();
}

#[test]
fn an_instance_that_cannot_be_started_fails_the_start() {
    let app = App::new(&format!("web: {RESTS}\nworker: {RESTS}\n"));
    let variables: Vec<String> = (0..3).map(|n| format!("BIG_{n}={}\n", "x".repeat(100_000))).collect();
    app.file(".env", variables.concat());
    let mut command = app.procman(&["start", "-D"]);
    limit_environment(&mut command);
    let end = app.run(command).finish();
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""), "{end:?}");
    assert!(end.stderr.starts_with("procman: `web.1` could not be started: "), "{end:?}");
    app.wait_until_nothing_is_left();
    assert!(!app.socket().exists());
}

#[test]
fn an_instance_that_ends_at_once_ends_the_formation() {
    let app = App::new(&format!("web: exit 3\nworker: {RESTS}\n"));
    // Many follow, so that its end is seen before the last of them is spawned; or else there was nothing to tell.
    let end = app.done(&["start", "-D", "-m", "web=1,worker=200", "-p", "10000", "--log-file", "log"]);
    match end.status {
        Some(0) => assert!(end.stdout.starts_with("runs in the background as process ")),
        Some(3) => assert_eq!(end.stdout, ""),
        _ => panic!("{end:?}"),
    }
    app.wait_until_nothing_is_left();
    let log = fs::read_to_string(app.root().join("log")).unwrap();
    assert!(log.contains("web.1      | exited with code 3\n"), "{log}");
    assert!(!app.socket().exists());
}

#[test]
fn start_returns_when_what_is_held_has_been_started_too() {
    let app = App::new(&format!("web: {RESTS}\nworker: {RESTS}\n"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("database");
    app.file("procman.toml", format!("[process.web]\nneeds = [\"unix://{}\"]\n", path.display()));
    let starting = app.run(app.procman(&["start", "-D"]));
    // Clients are answered meanwhile.
    wait_until("worker.1 runs", || app.done(&["ps"]).stdout.contains("worker.1  running"));
    let table = app.ask(&["ps"]);
    assert!(table.contains("web.1     waiting"), "{table}");
    let listener = UnixListener::bind(&path).unwrap();
    let end = starting.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    assert!(end.stdout.starts_with("runs in the background as process "), "{end:?}");
    assert_eq!(app.running(), ["web.1", "worker.1"]);
    drop(listener);
    app.quit_background();
}

#[test]
fn what_ends_before_everything_has_been_started_fails_the_start() {
    let app = App::new(&format!("web: {RESTS}\nworker: read go < go; exit 3\n"));
    let mut go = app.gate("go");
    app.file("procman.toml", "[process.web]\nneeds = [\"unix:///no/such/socket\"]\n");
    let end = app.done(&["start", "-D", "--wait-timeout", "0.2"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    let expected = "procman: still missing: /no/such/socket for ";
    assert!(end.stderr.starts_with(expected) && end.stderr.lines().count() == 1, "{end:?}");
    app.wait_until_nothing_is_left();
    let starting = app.run(app.procman(&["start", "-D"]));
    wait_until("worker.1 runs", || app.done(&["ps"]).stdout.contains("worker.1  running"));
    go.open();
    let end = starting.finish();
    assert_eq!((end.status, end.stdout.as_str()), (Some(3), ""));
    assert_eq!(end.stderr, "procman: worker.1 exited with code 3\n");
    app.wait_until_nothing_is_left();
}

#[test]
fn the_log_file_has_what_start_would_have_written() {
    let app = App::new(&format!("web: echo out; echo err >&2; {RESTS}\n"));
    app.file("mine", "before\n");
    start(&app, &["--log-file", "log", "--no-timestamp"]);
    wait_until("it is ready", || fs::read_to_string(app.root().join("log")).unwrap().contains("ready"));
    app.quit_background();
    let log = fs::read_to_string(app.root().join("log")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with("web.1  | started with pid "));
    assert_eq!(lines[1..4], ["web.1  | out", "web.1  | err", "web.1  | ready"]);
    let end = ["system | asked to quit, sending SIGTERM to all processes", "web.1  | terminated by SIGTERM"];
    assert_eq!(lines[4..], end);
    let mode = |name: &str| app.root().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("log"), 0o600);
    // One that is there keeps its mode and what is in it.
    fs::set_permissions(app.root().join("mine"), fs::Permissions::from_mode(0o644)).unwrap();
    start(&app, &["--log-file", "mine", "--log-format", "json"]);
    app.quit_background();
    let log = fs::read_to_string(app.root().join("mine")).unwrap();
    assert!(log.starts_with("before\n{\"time\":\""), "{log}");
    assert_eq!(mode("mine"), 0o644);
}

#[test]
fn the_log_file_begins_anew_and_no_line_is_torn_or_lost() {
    let app =
        App::new(&format!("web: i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; {RESTS}\n"));
    start(&app, &["--log-file", "log", "--log-size", "20K", "--log-format", "raw"]);
    wait_until("it has written all", || {
        app.ask(&["logs", "-n", "1", "--log-format", "raw", "web"]).contains("ready")
    });
    app.quit_background();
    let read = |name: &str| fs::read_to_string(app.root().join(name)).unwrap();
    let (old, new) = (read("log.1"), read("log"));
    assert!(old.len() <= 20 * 1024 && new.len() <= 20 * 1024, "{} {}", old.len(), new.len());
    let kept = old + &new;
    let all: String = (1..=3000).map(|number| format!("line {number}\n")).collect::<String>() + "ready\n";
    assert!(all.ends_with(&kept), "{kept}");
    assert!(kept.len() > 20 * 1024, "{}", kept.len());
    assert!(!app.root().join("log.2").exists());
    let mode = app.root().join("log.1").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_log_file_that_is_a_link_stays_one() {
    let app = App::new(&format!("web: echo said; {RESTS}\n"));
    symlink("real", app.root().join("log")).unwrap();
    start(&app, &["--log-file", "log", "--log-format", "raw"]);
    wait_until("it is ready", || fs::read_to_string(app.root().join("real")).unwrap().contains("ready"));
    app.quit_background();
    assert_eq!(fs::read_to_string(app.root().join("real")).unwrap(), "said\nready\n");
    // A device is no file that could become too large.
    start(&app, &["--log-file", "/dev/null", "--log-size", "1K"]);
    app.quit_background();
}
