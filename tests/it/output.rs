//! What is shown: the lines of the manual byte for byte, in all formats, whatever becomes of the reader.

use std::fs::File;
use std::io::{BufRead, BufReader};

use nix::sys::signal::{Signal, kill};

use crate::support::{App, IDLE, procman, wait_until, wait_until_stuck, without_pid};

/// Runs a worker that says when it is asked to end, and a web process that ends when it is told to. Returns
/// their output, its process ids replaced and its times checked and replaced.
fn transcript(arguments: &[&str]) -> String {
    let app = App::new(&format!(
        "web: read go < go; printf '\\033[31mred\\n'; printf 'no newline'; exit 3\n\
         worker: trap 'echo bye; exit 0' TERM; {IDLE}\n"
    ));
    let mut go = app.gate("go");
    let mut command = app.procman(&[&["start"], arguments].concat());
    command.env("TZ", "UTC");
    let running = app.run(command);
    running.wait_for("ready");
    go.open();
    let end = running.finish();
    assert_eq!(end.stderr, "");
    assert_eq!(end.status, Some(3));
    end.stdout.split_inclusive('\n').map(|line| without_time(&without_pid(line))).collect()
}

/// Replaces the first `23:59:59` of a line by `12:00:00`.
fn without_time(line: &str) -> String {
    let is_time = |text: &[u8]| {
        let shape = |(index, byte): (usize, &u8)| match index {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        };
        text.iter().enumerate().all(shape)
    };
    match line.as_bytes().windows(8).position(is_time) {
        Some(at) => format!("{}12:00:00{}", &line[..at], &line[at + 8..]),
        None => line.to_owned(),
    }
}

#[test]
fn lines_bear_time_and_name() {
    assert_eq!(
        transcript(&[]),
        "12:00:00 web.1    | started with pid N\n\
         12:00:00 worker.1 | started with pid N\n\
         12:00:00 worker.1 | ready\n\
         12:00:00 web.1    | \x1b[31mred\n\
         12:00:00 web.1    | no newline\n\
         12:00:00 web.1    | exited with code 3\n\
         12:00:00 system   | web.1 ended, sending SIGTERM to all processes\n\
         12:00:00 worker.1 | bye\n\
         12:00:00 worker.1 | exited with code 0\n"
    );
}

#[test]
fn only_the_prefix_is_coloured_and_no_colour_bleeds() {
    assert_eq!(
        transcript(&["--color=always"]),
        "\x1b[36m12:00:00 web.1    | \x1b[0mstarted with pid N\n\
         \x1b[33m12:00:00 worker.1 | \x1b[0mstarted with pid N\n\
         \x1b[33m12:00:00 worker.1 | \x1b[0mready\n\
         \x1b[36m12:00:00 web.1    | \x1b[0m\x1b[31mred\x1b[0m\n\
         \x1b[36m12:00:00 web.1    | \x1b[0mno newline\n\
         \x1b[36m12:00:00 web.1    | \x1b[0mexited with code 3\n\
         \x1b[1m12:00:00 system   | \x1b[0mweb.1 ended, sending SIGTERM to all processes\n\
         \x1b[33m12:00:00 worker.1 | \x1b[0mbye\n\
         \x1b[33m12:00:00 worker.1 | \x1b[0mexited with code 0\n"
    );
}

#[test]
fn names_are_padded_to_the_widest_of_the_formation() {
    for (procfile, counts, expected) in [
        ("a: true\n", "a=1", "a.1    | started with pid N"),
        ("a: true\nbackground: true\n", "a=1", "a.1          | started with pid N"),
        ("background: true\n", "background=10", "background.1  | started with pid N"),
    ] {
        let end = App::new(procfile).start(&["--no-timestamp", "-m", counts]).finish();
        assert_eq!(without_pid(end.stdout.lines().next().unwrap()), expected);
    }
}

#[test]
fn raw_is_what_the_processes_wrote_and_nothing_else() {
    assert_eq!(transcript(&["--log-format", "raw"]), "ready\n\x1b[31mred\nno newline\nbye\n");
}

#[test]
fn json_is_one_object_a_line() {
    let app = App::new("web: printf 'a \"b\"\\n'; printf 'x\\377y\\n'; exec sh -c 'exit 3'\n");
    let end = app.start(&["--log-format", "json"]).finish();
    let objects: Vec<serde_json::Value> =
        end.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let pid = objects[0]["pid"].as_i64().unwrap();
    let messages: Vec<&str> = objects.iter().map(|object| object["message"].as_str().unwrap()).collect();
    let started = format!("started with pid {pid}");
    assert_eq!(messages, [&started, "a \"b\"", "x\u{FFFD}y", "exited with code 3"]);
    for (index, object) in objects.iter().enumerate() {
        assert_eq!(object["process"], "web.1");
        assert_eq!(object["pid"], pid);
        assert_eq!(object.get("lossy").is_some(), index == 2);
        // 2026-01-01T00:00:00.000000Z
        let time = object["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && &time[19..20] == ".", "{time}");
    }
}

#[test]
fn standard_output_and_error_keep_their_order() {
    let app = App::new("web: for n in $(seq 1 1000); do echo out $n; echo err $n >&2; done\n");
    let end = app.start(&["--no-timestamp"]).finish();
    let expected: Vec<String> = (1..=1000).flat_map(|n| [format!("out {n}"), format!("err {n}")]).collect();
    assert_eq!(end.lines_of("web.1")[1..2001], expected);
}

#[test]
fn bytes_pass_as_they_are() {
    let app = App::new("web: cat bytes\n");
    let escapes =
        b"\r\n\r50%\r100%\n\x1b]0;title\x07\n\x1b[2J\x1b[?1049h\x1b[?2004h\x1b]52;c;cHdk\x07\x1b[9;9H\n";
    let bytes: Vec<u8> = (0..=255).chain(*escapes).collect();
    app.file("bytes", &bytes);
    let end = app.start(&["--no-timestamp"]).finish();
    let expected: Vec<u8> =
        bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| [b"web.1  | ", line].concat()).collect();
    let begin = end.bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert_eq!(&end.bytes[begin..begin + expected.len()], expected);
}

#[test]
fn a_prompt_is_shown_and_delays_nobody() {
    let app = App::new(
        "web: printf 'your name? '; exec sleep 1000\n\
         worker: read go < go; echo one; read go < go; echo two; exec sleep 1000\n",
    );
    let mut go = app.gate("go");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("web.1    | your name? ");
    go.open();
    running.wait_for("your name? \nworker.1 | one\n");
    go.open();
    running.wait_for("worker.1 | two\n");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn a_reader_that_leaves_ends_the_formation_gracefully() {
    let app = App::new(&format!(
        "web: read go < go; exec yes\n\
         worker: trap 'echo asked > asked; exit 0' TERM; {IDLE}\n"
    ));
    let mut go = app.gate("go");
    let (running, stdout) = app.run_unread(app.procman(&["start", "--no-timestamp"]));
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    while !line.ends_with("| ready\n") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0);
    }
    go.open();
    drop(stdout);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert_eq!(end.stderr, "");
    assert_eq!(std::fs::read_to_string(app.root().join("asked")).unwrap(), "asked\n");
}

#[test]
fn head_takes_its_line_and_procman_ends() {
    let app = App::new("web: while :; do echo tick; sleep 0.01; done\n");
    let mut command = app.command("sh");
    command.args(["-c", "\"$0\" start --no-timestamp | head -1"]).arg(procman());
    let end = app.run(command).finish();
    app.assert_nothing_is_left();
    assert_eq!(without_pid(&end.stdout), "web.1  | started with pid N\n");
    assert_eq!(end.stderr, "");
}

#[test]
fn a_reader_that_pauses_loses_nothing() {
    let app = App::new("web: exec seq 1 200000\n");
    let (mut running, stdout) = app.run_unread(app.procman(&["start", "--no-timestamp"]));
    wait_until_stuck(&stdout);
    running.read(stdout);
    let end = running.finish();
    assert_eq!(end.status, Some(0));
    let lines = end.stdout.lines().filter_map(|line| line.strip_prefix("web.1  | ")?.parse::<u32>().ok());
    assert!(lines.eq(1..=200_000));
}

#[test]
fn a_reader_that_goes_away_while_nothing_is_written_ends_the_formation() {
    let app = App::new("web: echo ready; exec sleep 1000\n");
    let (running, stdout) = app.run_unread(app.procman(&["start", "--no-timestamp"]));
    let mut lines = BufReader::new(stdout).lines();
    while lines.next().unwrap().unwrap() != "web.1  | ready" {}
    drop(lines);
    assert_eq!(running.finish().status, Some(0));
    app.wait_until_nothing_is_left();
}

#[test]
fn a_reader_that_is_stuck_does_not_stop_the_stop() {
    let app = App::new("web: exec yes\nworker: trap '' TERM; exec yes no\n");
    let (running, stdout) = app.run_unread(app.procman(&["start", "--no-timestamp", "-t", "1"]));
    wait_until_stuck(&stdout);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    let dropped = end
        .stderr
        .strip_prefix("procman: ")
        .and_then(|text| text.strip_suffix(" bytes of output could not be written\n")?.parse::<usize>().ok());
    assert!(dropped.is_some_and(|bytes| bytes > 16 * 1024), "{}", end.stderr);
    drop(stdout);
}

#[test]
fn a_full_disk_is_said_once_and_stops_no_supervision() {
    let app = App::new("web: while :; do echo tick; echo tick >> ticks; sleep 0.1; done\n");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let running = app.run_into(app.procman(&["start"]), full);
    // Long enough for every new attempt to have been made more than once.
    let ticks = || std::fs::read_to_string(app.root().join("ticks")).unwrap_or_default().lines().count();
    wait_until("time has passed", || ticks() > 25);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    let lines: Vec<&str> = end.stderr.lines().collect();
    assert!(lines[0].starts_with("procman: cannot write to standard output: "), "{lines:?}");
    assert!(lines[1].ends_with(" bytes of output could not be written"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn an_instance_that_is_killed_has_shown_all_it_wrote() {
    let app = App::new("web: echo one; printf two; echo > ready; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp"]);
    let pid = running.pid_of("web.1");
    wait_until("it has written", || app.root().join("ready").exists());
    kill(pid, Signal::SIGKILL).unwrap();
    let end = running.finish();
    assert_eq!(end.lines_of("web.1")[1..], ["one", "two", "terminated by SIGKILL"]);
}
