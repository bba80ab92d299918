//! What an instance is given: its port, its environment, and nothing of procman's.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{App, procman};

/// Starts a formation whose instances each say one line, and returns those lines, sorted.
#[track_caller]
fn said(app: &App, arguments: &[&str], count: usize) -> Vec<String> {
    let running = app.start(&[&["--log-format", "json"], arguments].concat());
    let lines = || -> Vec<String> {
        let output = running.output();
        let lines = output.lines().filter(|line| line.contains("said: "));
        let mut lines: Vec<String> =
            lines.map(|l| l.split("said: ").nth(1).unwrap().split('"').next().unwrap().to_owned()).collect();
        lines.sort();
        lines
    };
    crate::support::wait_until("every instance has spoken", || lines().len() >= count);
    running.signal(Signal::SIGTERM);
    let before = lines();
    assert_eq!(running.finish().status, Some(0));
    before
}

const SAY_PORT: &str = "echo said: $PS $PORT; exec sleep 1000";

#[test]
fn ports_count_by_type_and_instance() {
    let app = App::new(&format!("web: {SAY_PORT}\nworker: {SAY_PORT}\nclock: {SAY_PORT}\n"));
    assert_eq!(
        said(&app, &["-m", "all=1,web=3", "-p", "6000"], 5),
        ["clock.1 6200", "web.1 6000", "web.2 6001", "web.3 6002", "worker.1 6100"]
    );
    assert_eq!(said(&app, &["-m", "web=2"], 2), ["web.1 5000", "web.2 5001"]);
    assert_eq!(said(&app, &["clock", "worker"], 2), ["clock.1 5200", "worker.1 5100"]);
    assert_eq!(said(&app, &["-p", "7000", "-c", "clock=2", "clock"], 2), ["clock.1 7200", "clock.2 7201"]);
}

#[test]
fn the_base_port_comes_from_the_file_before_the_environment() {
    let app = App::new(&format!("web: {SAY_PORT}\n"));
    let mut command = app.procman(&["start", "--no-timestamp"]);
    command.env("PORT", "8000");
    let running = app.run(command);
    running.wait_for("said: web.1 8000");
    running.signal(Signal::SIGTERM);
    running.finish();
    app.file(".env", "PORT=9000\n");
    assert_eq!(said(&app, &[], 1), ["web.1 9000"]);
}

#[test]
fn files_win_over_the_environment_unless_told_otherwise() {
    let app = App::new("web: echo $FROM_FILE $FROM_BOTH $FROM_SHELL $PS; echo end\n");
    app.file(".env", "FROM_FILE=file\nFROM_BOTH=file\nPS=file\n");
    for (precedence, expected) in [("file", "file file shell web.1"), ("shell", "file shell shell web.1")] {
        let mut command = app.procman(&["start", "--no-timestamp", "--env-precedence", precedence]);
        command.envs([("FROM_BOTH", "shell"), ("FROM_SHELL", "shell")]);
        assert_eq!(app.run(command).finish().lines_of("web.1")[1], expected);
    }
}

/// Returns procman started by somebody who has made a mess of what it inherits.
fn messy(app: &App, arguments: &str) -> Command {
    let mut command = app.command("sh");
    let script = format!(
        "ulimit -Sn 123; exec 3</dev/null 7>&1 9</; \
         exec env --ignore-signal=CHLD --ignore-signal=PIPE --ignore-signal=QUIT --ignore-signal=USR1 \
         --block-signal=TERM --block-signal=INT --block-signal=CHLD \"$0\" start --no-timestamp {arguments}"
    );
    command.args(["-c", &script]).arg(procman());
    command
}

#[test]
fn an_instance_has_three_descriptors_and_no_input() {
    // The shell stays, so that no descriptor of `ls` is among them.
    let app = App::new("web: ls /proc/$$/fd; readlink /proc/$$/fd/0; true\n");
    let end = app.run(messy(&app, "")).finish();
    assert_eq!(end.lines_of("web.1")[1..], ["0", "1", "2", "/dev/null", "exited with code 0"]);
}

#[test]
fn an_instance_has_default_signals_and_the_limit_of_procmans_caller() {
    let app = App::new(
        "web: ulimit -Sn; exec cat /proc/self/status\n\
         worker: exec sleep 1000\n",
    );
    let end = app.run(messy(&app, "-m web=1")).finish();
    let lines = end.lines_of("web.1");
    assert_eq!(lines[1], "123");
    for set in ["SigBlk", "SigIgn", "SigCgt"] {
        let field = lines.iter().find_map(|line| line.strip_prefix(&format!("{set}:\t"))).unwrap();
        // 32 and 33 are the C library's own: whoever spawns with it may leave them ignored, and it lets
        // nobody set them.
        assert_eq!(u64::from_str_radix(field, 16).unwrap() & !0x1_8000_0000, 0, "{set} is {field}");
    }
}

#[test]
fn an_instance_leads_a_group_of_its_own() {
    let app = App::new("web: exec cat /proc/self/stat\n");
    let end = app.start(&["--no-timestamp"]).finish();
    let lines = end.lines_of("web.1");
    let stat: Vec<&str> = lines[1].split(' ').collect();
    assert_eq!(stat[0], stat[4], "{stat:?}");
}

#[test]
fn an_inherited_mess_takes_no_exit_code_and_no_request_away() {
    let app = App::new("web: exit 5\n");
    assert_eq!(app.run(messy(&app, "")).finish().status, Some(5));

    let app = App::new("web: echo ready; exec sleep 1000\n");
    let running = app.run(messy(&app, ""));
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn closed_standard_streams_disturb_nothing() {
    // The shell in the middle keeps what it needs for the list away from the one that is looked at.
    let app = App::new("web: echo lost; sh -c 'exec > list; ls /proc/$PPID/fd'; exit 6\n");
    let mut command = app.command("sh");
    command.args(["-c", "exec \"$0\" start <&- >&- 2>&-"]).arg(procman());
    assert_eq!(app.run(command).finish().status, Some(6));
    assert_eq!(std::fs::read_to_string(app.root().join("list")).unwrap(), "0\n1\n2\n");
}

#[test]
fn the_app_root_is_the_working_directory() {
    let app = App::new("web: pwd\n");
    let procfile = app.root().join("Procfile");
    let mut command = app.procman(&["start", "--no-timestamp", "-f", procfile.to_str().unwrap()]);
    command.current_dir("/");
    let root = app.root().canonicalize().unwrap();
    assert_eq!(app.run(command).finish().lines_of("web.1")[1], root.to_str().unwrap());
}
