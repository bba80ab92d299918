//! The commands that talk to a running procman, against one that only plays it: what they ask, what they make of the
//! answers, and what they exit with.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;

use crate::support::{App, End};

const ANSWER: &str =
    r#"{"outcome":{"instance":"web.1","ok":true,"changed":true,"text":"started with pid 77"}}"#;
const FAILURE: &str =
    r#"{"outcome":{"instance":"web.2","ok":false,"changed":true,"text":"could not be \u001bstarted"}}"#;
const DONE: &str = r#"{"done":{}}"#;
const FORMATION: &str = r#"{"formation":{"pid":7,"root":"/app","stopping":false,"types":["web"],"instances":[{"name":"web.1","process":"web","number":1,"state":"running","ready":true,"waits_for":[],"returns_in":null,"status":null,"pid":77,"uptime":3.0,"restarts":0,"port":5000,"cpu":null,"memory":null,"last_exit":null,"terminal":false}]}}"#;

/// Answers one call after the other at `path` with lines, and returns what was asked, and the socket: somebody listens
/// there until then.
fn play(path: PathBuf, answers: &[&[&str]]) -> JoinHandle<(Vec<String>, UnixListener)> {
    let listener = UnixListener::bind(path).unwrap();
    let answers: Vec<String> =
        answers.iter().map(|lines| lines.iter().map(|line| format!("{line}\n")).collect()).collect();
    std::thread::spawn(move || {
        let answer = |text: &String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut call = String::new();
            BufReader::new(&stream).read_line(&mut call).unwrap();
            // A client that has heard enough may have gone.
            let _ = stream.write_all(text.as_bytes());
            call
        };
        let asked = answers.iter().map(answer).collect();
        (asked, listener)
    })
}

/// Runs a command against the answers, and returns how it ended and what it asked last.
#[track_caller]
fn ask(arguments: &[&str], answers: &[&[&str]]) -> (End, String) {
    let app = App::new("");
    let played = play(app.root().join("s"), answers);
    let end = app.done(&[arguments, &["--socket", "s"]].concat());
    (end, played.join().unwrap().0.pop().unwrap())
}

/// Checks the request that a command makes, and that it ends well.
#[track_caller]
fn check_request(arguments: &[&str], expected: &str) {
    let (end, asked) = ask(arguments, &[&[DONE]]);
    assert_eq!(asked, format!("{{\"version\":1,\"request\":{expected}}}\n"));
    assert_eq!((end.status, end.stdout.as_str(), end.stderr.as_str()), (Some(0), "", ""), "{arguments:?}");
}

#[test]
fn each_command_asks_for_what_it_says() {
    check_request(
        &["scale", "web=3", "all-1"],
        r#"{"scale":{"changes":["web=3","all-1"],"wait":"outcome"}}"#,
    );
    check_request(&["restart"], r#"{"restart":{"names":[],"wait":"outcome"}}"#);
    check_request(&["stop", "web", "--no-wait"], r#"{"stop":{"names":["web"],"wait":"accepted"}}"#);
    check_request(&["up", "web.2"], r#"{"up":{"names":["web.2"],"wait":"outcome"}}"#);
    check_request(&["signal", "USR1", "web"], r#"{"signal":{"signal":"USR1","names":["web"]}}"#);
    check_request(&["quit"], r#"{"quit":{"wait":"outcome"}}"#);
}

#[test]
fn each_outcome_is_a_line_and_a_failed_one_is_an_error() {
    let (end, _) = ask(&["restart"], &[&[ANSWER, DONE]]);
    assert_eq!(
        (end.status, end.stdout.as_str(), end.stderr.as_str()),
        (Some(0), "web.1 started with pid 77\n", "")
    );
    let (end, _) = ask(&["restart"], &[&[FAILURE, ANSWER, DONE]]);
    assert_eq!(end.stderr, "procman: web.2 could not be \\u{1b}started\n");
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), "web.1 started with pid 77\n"));
}

#[test]
fn what_is_refused_is_an_error_with_the_words_of_who_refused() {
    let refused = r#"{"refused":{"message":"unknown process `wbe`","hint":"the formation has web"}}"#;
    let expected = "procman: unknown process `wbe`\nhint: the formation has web\n";
    for arguments in [&["stop", "wbe"][..], &["ps"], &["scale", "wbe=1"]] {
        let (end, _) = ask(arguments, &[&[refused]]);
        assert_eq!((end.status, end.stderr.as_str(), end.stdout.as_str()), (Some(1), expected, ""));
    }
    let (end, _) = ask(&["logs", "wbe"], &[&[FORMATION], &[refused]]);
    assert_eq!((end.status, end.stderr.as_str(), end.stdout.as_str()), (Some(1), expected, ""));
}

#[test]
fn an_end_is_what_quit_wants_and_nobody_else() {
    let finished = r#"{"finished":{"status":3}}"#;
    let (end, _) = ask(&["quit"], &[&[finished]]);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    let (end, _) = ask(&["restart"], &[&[finished]]);
    assert_eq!(
        (end.status, end.stderr.as_str()),
        (Some(1), "procman: the formation has ended with status 3\n")
    );
    let (end, _) = ask(&["restart"], &[&[]]);
    let expected = "procman: the procman that runs this app has gone, or will not answer this user\nhint: only the user that it runs as, and root, are answered\n";
    assert_eq!((end.status, end.stderr.as_str()), (Some(1), expected));
}

#[test]
fn an_answer_that_makes_no_sense_is_an_error() {
    for answer in ["{", r#"{"what":{}}"#, "[]", r#"{"formation":{}}"#] {
        let (end, _) = ask(&["ps"], &[&[answer]]);
        assert!(end.stderr.starts_with("procman: the answer cannot be understood: "), "{answer}: {end:?}");
        assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    }
}

#[test]
fn ps_shows_a_table_or_the_object() {
    let (end, asked) = ask(&["ps"], &[&[FORMATION]]);
    assert_eq!(asked, "{\"version\":1,\"request\":{\"ps\":{}}}\n");
    let expected = "\
NAME   STATE    PID  PORT  UPTIME  RESTARTS  CPU  MEM  LAST EXIT
web.1  running   77  5000      3s         0    -    -  -
";
    assert_eq!((end.status, end.stdout.as_str()), (Some(0), expected));
    let (end, _) = ask(&["ps", "--json"], &[&[FORMATION]]);
    assert_eq!(format!("{{\"formation\":{}}}", end.stdout.trim_end()), FORMATION);
}

/// One that knows nothing of readiness is understood as before.
#[test]
fn ps_shows_what_an_older_procman_tells() {
    let older = FORMATION.replace(r#""ready":true,"waits_for":[],"returns_in":null,"status":null,"#, "");
    assert!(older.len() < FORMATION.len());
    let (end, _) = ask(&["ps"], &[&[&older]]);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    assert!(end.stdout.contains("\nweb.1  running   77  5000 "), "{}", end.stdout);
}

#[test]
fn a_healthcheck_names_what_is_not_ready() {
    let healthcheck = |formation: &str| {
        let (end, asked) = ask(&["healthcheck"], &[&[formation]]);
        assert_eq!(asked, "{\"version\":1,\"request\":{\"ps\":{}}}\n");
        (end.status, end.stdout, end.stderr)
    };
    let told = |status, stdout: &str, stderr: &str| (Some(status), stdout.to_owned(), stderr.to_owned());
    assert_eq!(healthcheck(FORMATION), told(0, "1 instance is ready\n", ""));
    let unready = FORMATION.replace(r#""ready":true"#, r#""ready":false"#);
    assert_eq!(healthcheck(&unready), told(1, "", "procman: not ready: web.1 (unready)\n"));
    let waiting = unready.replace("running", "waiting").replace("[],\"ret", "[\"db\"],\"ret");
    assert_eq!(healthcheck(&waiting), told(1, "", "procman: not ready: web.1 (waiting for db)\n"));
    let stopping = FORMATION.replace(r#""stopping":false"#, r#""stopping":true"#);
    assert_eq!(healthcheck(&stopping), told(1, "", "procman: the formation is being stopped\n"));
}

#[test]
fn logs_show_lines_as_start_does() {
    let line = |second: u32, text: &str| {
        format!(
            r#"{{"line":{{"time":"2026-11-29T12:00:{second:02}.250000Z","process":"web.1","position":0,"pid":77,"message":"{text}"}}}}"#
        )
    };
    let (one, two, three) = (line(1, "one"), line(2, "two"), line(3, "three"));
    let lines = [one.as_str(), &two, &three, DONE];
    let (end, asked) = ask(&["logs", "-n", "2", "web"], &[&[FORMATION], &lines]);
    let request = r#"{"version":1,"request":{"logs":{"names":["web"],"lines":2,"follow":"off"}}}"#;
    assert_eq!(asked.trim_end(), request);
    let expected = "12:00:01 web.1  | one\n12:00:02 web.1  | two\n12:00:03 web.1  | three\n";
    assert_eq!((end.status, end.stdout.as_str()), (Some(0), expected));

    // What matches is looked for here, in all lines.
    let (end, asked) = ask(&["logs", "-f", "-n1", "--grep", "^t", "--no-timestamp"], &[&[FORMATION], &lines]);
    assert_eq!(asked.trim_end(), r#"{"version":1,"request":{"logs":{"names":[],"follow":"on"}}}"#);
    assert_eq!((end.status, end.stdout.as_str()), (Some(0), "web.1  | three\n"));
    let since = ["logs", "--log-format=raw", "--since", "2026-11-29T12:00:02Z"];
    let (end, _) = ask(&since, &[&[FORMATION], &lines]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(0), "two\nthree\n"));
}

#[test]
fn where_nothing_runs_is_an_error_that_says_so() {
    let app = App::new("");
    let expected = "procman: no procman runs this app\n\
                    hint: `procman start` runs it; `-d DIR` names another app, `--socket PATH` a socket\n";
    for arguments in [&["ps"][..], &["stop"], &["logs"], &["quit", "--socket", "nowhere/s"]] {
        let end = app.done(arguments);
        assert_eq!((end.status, end.stderr.as_str(), end.stdout.as_str()), (Some(1), expected, ""));
    }
    let end = app.done(&["ps", "-d", "gone"]);
    assert_eq!((end.status, end.stderr.as_str()), (Some(1), "procman: no directory at `gone`\n"));
}

#[test]
fn attach_needs_a_terminal() {
    let end = App::new("").done(&["attach", "web.1"]);
    let expected = "procman: standard input is not a terminal\n\
                    hint: `procman logs -f` shows what instances write anywhere\n";
    assert_eq!((end.status, end.stderr.as_str()), (Some(1), expected));
}

/// Says whether the socket that a variable names is asked, with these arguments.
#[track_caller]
fn check_variable(arguments: &[&str], expected: bool) {
    let app = App::new("");
    std::fs::create_dir(app.root().join("dir")).unwrap();
    let played = play(app.root().join("s"), &[&[FORMATION]]);
    let mut command: Command = app.procman(arguments);
    command.env("PROCMAN_SOCKET", "s");
    let end = app.run(command).finish();
    assert_eq!(end.status, Some(if expected { 0 } else { 1 }), "{arguments:?}: {end:?}");
    assert_eq!(played.is_finished() || end.stdout.contains("web.1"), expected, "{arguments:?}");
}

#[test]
fn an_app_on_the_command_line_wins_over_a_socket_in_the_environment() {
    check_variable(&["ps"], true);
    check_variable(&["ps", "-d", "dir"], false);
    check_variable(&["-f", "dir/Procfile", "ps"], false);
    check_variable(&["ps", "-d", "dir", "--socket", "s"], true);
}

#[test]
fn a_socket_may_be_named_in_the_file_of_defaults() {
    let app = App::new("");
    std::fs::create_dir(app.root().join("dir")).unwrap();
    app.file("dir/procman.toml", "socket = 's'\n");
    let played = play(app.root().join("dir/s"), &[&[FORMATION]]);
    assert_eq!(app.done(&["ps", "-d", "dir"]).status, Some(0));
    played.join().unwrap();
}

#[test]
fn the_socket_follows_from_the_app_root() {
    let app = App::new("");
    let runtime = app.root().join("run");
    std::fs::create_dir_all(runtime.join("procman")).unwrap();
    let root = app.root().canonicalize().unwrap();
    let name = procman::control::address::name(&root);
    let played = play(runtime.join("procman").join(name), &[&[FORMATION]]);
    let mut command = app.procman(&["ps"]);
    command.env("XDG_RUNTIME_DIR", &runtime);
    assert_eq!(app.run(command).finish().status, Some(0));
    played.join().unwrap();
}

#[test]
fn a_reader_that_has_gone_ends_logs_that_nobody_writes() {
    let app = App::new("");
    let listener = UnixListener::bind(app.root().join("s")).unwrap();
    let mut command = app.procman(&["logs", "-f", "--socket", "s"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(format!("{FORMATION}\n").as_bytes()).unwrap();
    // Nothing is ever answered here.
    let (_silent, _) = listener.accept().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
