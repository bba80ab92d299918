//! The command line itself: help, usage errors, completions, and where options may stand.
//!
//! The helps are files in `tests/golden/help`; `PROCMAN_BLESS=1 cargo test` writes them anew.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::support::{App, bless_or_compare, repository, skipped};

/// Checks the help of a command against its file, and that it fits on one screen.
#[track_caller]
fn check_help(command: &str, arguments: &[&str]) {
    let app = App::new("web: true\n");
    let end = app.done(arguments);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    let long = end.stdout.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None, "a line of more than 80 columns");
    // These two have more options than fit on the smallest of screens.
    let most = match command {
        "start" => 34,
        "export" => 31,
        _ => 24,
    };
    assert!(end.stdout.lines().count() <= most, "more than {most} lines:\n{}", end.stdout);
    bless_or_compare(&repository().join("tests/golden/help").join(format!("{command}.txt")), &end.stdout);
}

/// Checks the complaint about a wrong usage: its lines, exit code 2, nothing on standard output.
#[track_caller]
fn check_usage(arguments: &[&str], expected: &str) {
    let app = App::new("web: touch spawned\n");
    let end = app.done(arguments);
    assert_eq!((end.stderr.as_str(), end.status, end.stdout.as_str()), (expected, Some(2), ""));
    assert!(!app.root().join("spawned").exists());
}

#[test]
fn every_help_fits_on_a_screen() {
    check_help("procman", &["--help"]);
    for command in [
        "start",
        "run",
        "check",
        "export",
        "ps",
        "scale",
        "restart",
        "stop",
        "up",
        "signal",
        "quit",
        "logs",
        "attach",
        "wait",
        "healthcheck",
        "completions",
        "schema",
    ] {
        check_help(command, &[command, "--help"]);
    }
}

#[test]
fn all_ways_to_help_say_the_same() {
    check_help("procman", &[]);
    check_help("procman", &["-h"]);
    check_help("procman", &["help"]);
    check_help("start", &["help", "start"]);
    check_help("start", &["start", "-h"]);
    check_help("run", &["run", "-h"]);
    check_help("check", &["help", "check"]);
}

#[test]
fn help_is_coloured_on_demand_only() {
    let app = App::new("");
    let mut command = app.procman(&["--help"]);
    command.env("CLICOLOR_FORCE", "1");
    assert!(app.run(command).finish().stdout.contains("\x1b[1m"));
}

#[test]
fn the_version_is_that_of_the_crate() {
    for arguments in [["--version"], ["-V"]] {
        let end = App::new("").done(&arguments);
        assert_eq!(end.stdout, format!("procman {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!(end.status, Some(0));
    }
}

#[test]
fn an_unknown_command_or_option_is_wrong_usage() {
    check_usage(&["strat"], "procman: unknown command `strat`\nhint: did you mean `start` or `restart`\n");
    check_usage(
        &["web"],
        "procman: unknown command `web`\n\
         hint: `procman help` lists the commands; `procman start NAME` runs a process type\n",
    );
    check_usage(&["start", "--prot=1"], "procman: unknown option `--prot`\nhint: did you mean `--port`\n");
    check_usage(&["run", "--prot", "1"], "procman: unknown option `--prot`\nhint: did you mean `--port`\n");
    check_usage(&["check", "-x"], "procman: unknown option `-x`\nhint: write `procman check [OPTIONS]`\n");
    check_usage(
        &["check", "web"],
        "procman: unexpected argument `web`\nhint: write `procman check [OPTIONS]`\n",
    );
    check_usage(
        &["healthcheck", "http://me:s3cret@h/"],
        "procman: unexpected argument, which is no name\nhint: write `procman healthcheck [OPTIONS]`\n",
    );
    check_usage(
        &["\x1b[31m"],
        "procman: unknown command, which is no name\n\
         hint: `procman help` lists the commands; `procman start NAME` runs a process type\n",
    );
}

#[test]
fn a_wrong_value_is_wrong_usage() {
    check_usage(&["start", "-p", "x"], "procman: `--port`: `x` is not a port from 0 to 65535\n");
    check_usage(&["-p", "65536", "check"], "procman: `--port`: `65536` is not a port from 0 to 65535\n");
    check_usage(
        &["start", "-p", "-1"],
        "procman: unknown option `-1`\nhint: write `procman start [OPTIONS] [NAME]...`\n",
    );
    check_usage(
        &["start", "--timeout=-1"],
        "procman: `--timeout`: `-1` is not a number of seconds from 0 to 31536000\n",
    );
    check_usage(
        &["start", "--color=blue"],
        "procman: `--color`: `blue` is not `auto`, `always` or `never`\n",
    );
    check_usage(
        &["start", "--log-format=jsn"],
        "procman: `--log-format`: `jsn` is not `text`, `json` or `raw`\nhint: did you mean `json`\n",
    );
    check_usage(
        &["run", "--env-precedence=x", "true"],
        "procman: `--env-precedence`: `x` is not `file` or `shell`\n",
    );
    check_usage(
        &["start", "--no-color=x"],
        "procman: `--no-color` takes no value\nhint: write `procman start [OPTIONS] [NAME]...`\n",
    );
}

#[test]
fn a_missing_value_is_wrong_usage() {
    check_usage(&["start", "-m"], "procman: `--formation` needs a value\n");
    check_usage(&["-e"], "procman: `--env` needs a value\n");
    check_usage(
        &["run"],
        "procman: missing `<COMMAND>...`\nhint: write `procman run [OPTIONS] <COMMAND>...`\n",
    );
    check_usage(&["completions"], "procman: missing `<SHELL>`\nhint: write `procman completions <SHELL>`\n");
}

#[test]
fn a_wrong_value_in_the_environment_says_where_it_is_from() {
    let app = App::new("web: touch spawned\n");
    let mut command = app.procman(&["start"]);
    command.env("PROCMAN_LOG_FORMAT", "xml");
    let end = app.run(command).finish();
    assert_eq!(
        end.stderr,
        "procman: `--log-format`: `xml` is not `text`, `json` or `raw`\n\
         hint: `PROCMAN_LOG_FORMAT` in the environment says so\n"
    );
    assert_eq!(end.status, Some(2));
    assert!(!app.root().join("spawned").exists());
}

/// Prints the port of an instance.
const PORT: &str = "web: echo port $PORT\n";

#[test]
fn common_options_stand_before_or_after_the_command() {
    let app = App::new("");
    app.file("Other", PORT);
    for arguments in [
        &["-f", "Other", "-p", "6000", "start"][..],
        &["start", "-f", "Other", "-p", "6000"],
        &["--procfile=Other", "start", "web", "--port=6000"],
        &["-f", "Other", "-p", "7000", "start", "-p6000"],
        &["start", "-f", "Other", "-p", "7000", "-p", "6000"],
    ] {
        let end = app.done(arguments);
        assert!(end.stdout.contains("| port 6000\n"), "{arguments:?}: {end:?}");
    }
}

#[test]
fn several_formations_are_one() {
    let line = "echo $PS is here; exec sleep 60";
    let app = App::new(&format!("web: {line}\nworker: {line}\nclock: {line}\n"));
    let running = app.start(&["-m", "web=1", "-c", "worker=2"]);
    for name in ["web.1", "worker.1", "worker.2"] {
        running.wait_for(&format!("{name} is here"));
    }
    running.signal(Signal::SIGTERM);
    assert!(!running.finish().stdout.contains("clock"));
    let running = app.start(&["--concurrency", "clock=1"]);
    running.wait_for("clock.1 is here");
    running.signal(Signal::SIGTERM);
    assert!(!running.finish().stdout.contains("web"));
}

#[test]
fn environment_files_are_listed_or_repeated() {
    let app = App::new("web: echo $A $B $C\n");
    app.file(".env", "C=of-no-use\n");
    app.file("a", "A=a\nB=a\n");
    app.file("b", "B=b\n");
    for arguments in [
        &["start", "-e", "a,b"][..],
        &["start", "-e", "a", "-e", "b"],
        &["start", "--env=a", "--env", "b"],
        &["-e", "a,b", "start"],
    ] {
        let end = app.done(arguments);
        assert!(end.stdout.contains("| a b\n"), "{arguments:?}: {end:?}");
    }
    let end = app.done(&["start", "-e", "b,a"]);
    assert!(end.stdout.contains("| a a\n"), "{end:?}");
}

/// Says whether procman colours the names, with these arguments and variables.
#[track_caller]
fn check_colour(arguments: &[&str], variables: &[(&str, &str)], expected: bool) {
    let app = App::new("web: true\nworker: true\n");
    let mut command = app.procman(&[&["start"], arguments].concat());
    command.envs(variables.iter().copied());
    let end = app.run(command).finish();
    assert_eq!(end.status, Some(0), "{end:?}");
    assert_eq!(end.stdout.contains("\x1b[36m"), expected, "{end:?}");
}

#[test]
fn colour_follows_the_options() {
    check_colour(&[], &[], false);
    check_colour(&["--color"], &[], true);
    check_colour(&["--color", "web"], &[], true);
    check_colour(&["--color", "always"], &[], true);
    check_colour(&["--color=always"], &[], true);
    check_colour(&["--color=true"], &[], true);
    check_colour(&["--color=auto"], &[], false);
    check_colour(&["--color", "auto"], &[("CLICOLOR_FORCE", "1")], true);
    check_colour(&["--color=never"], &[("CLICOLOR_FORCE", "1")], false);
    check_colour(&["--no-color"], &[("CLICOLOR_FORCE", "1")], false);
    check_colour(&["--no-color"], &[("PROCMAN_COLOR", "always")], false);
    check_colour(&["--no-color", "--color"], &[], true);
    check_colour(&["--color", "--no-color"], &[], false);
}

#[test]
fn colour_follows_the_environment() {
    check_colour(&[], &[("CLICOLOR_FORCE", "1")], true);
    check_colour(&[], &[("CLICOLOR_FORCE", "0")], false);
    check_colour(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true);
    check_colour(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")], true);
    check_colour(&[], &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true);
    check_colour(&["--color"], &[("NO_COLOR", "1")], true);
    check_colour(&[], &[("PROCMAN_COLOR", "always"), ("NO_COLOR", "1")], true);
}

/// Returns the completion script for a shell.
#[track_caller]
fn script(shell: &str) -> String {
    let end = App::new("").done(&["completions", shell]);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    end.stdout
}

/// Feeds a script to a shell and returns what it says; nothing when there is no such shell.
fn in_shell(shell: &str, arguments: &[&str], script: &str) -> Option<String> {
    let app = App::new("");
    app.file("script", script);
    let mut command = app.command(shell);
    let output = command.args(arguments).arg("script").stdin(Stdio::null()).output();
    let Ok(output) = output else {
        skipped(&format!("there is no {shell} to try its completions"));
        return None;
    };
    Some(String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn completions_are_scripts_that_their_shells_understand() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = script(shell);
        assert!(script.contains("procman"), "{shell}");
        if let Some(said) = in_shell(shell, &[check], &script) {
            assert_eq!(said, "", "{shell}");
        }
    }
    for shell in ["elvish", "powershell"] {
        assert!(script(shell).contains("procman"), "{shell}");
    }
}

/// Returns what bash offers for the last of some words, in an app whose Procfile has `web` and `worker`.
#[track_caller]
fn check_completion(words: &[&str], expected: &[&str]) {
    let app = App::new("web: true\nworker: true\n");
    let mut command = app.procman(&[&["--"], words].concat());
    command.env("PROCMAN_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    command.env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string());
    let end = app.run(command).finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    assert_eq!(end.stdout.lines().collect::<Vec<_>>(), expected, "{words:?}");
}

#[test]
fn completions_complete() {
    check_completion(&["procman", "sta"], &["start"]);
    check_completion(
        &["procman", "start", "--log"],
        &["--log-format", "--log-buffer", "--log-file", "--log-size"],
    );
    check_completion(&["procman", "start", "--log-format", ""], &["text", "json", "raw"]);
}

#[test]
fn completions_know_the_names_of_the_procfile() {
    check_completion(&["procman", "start", "w"], &["web", "worker"]);
    check_completion(&["procman", "restart", "wo"], &["worker"]);
    check_completion(&["procman", "scale", "w"], &["web=", "worker="]);
    check_completion(&["procman", "logs", "-f", "s"], &["system"]);
    check_completion(&["procman", "signal", "US"], &["USR1", "USR2"]);
    check_completion(&["procman", "stop", "-d", "/nowhere", "w"], &[]);
}

#[test]
fn help_into_a_closed_pipe_is_no_error() {
    let app = App::new("");
    let mut child = app.procman(&["--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn standard_output_that_takes_nothing_is_an_error() {
    let app = App::new("web: true\n");
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        skipped("there is no /dev/full");
        return;
    };
    let output: std::process::Output = Command::output(app.procman(&["check"]).stdout(full)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "procman: cannot write to standard output: no space left on device\n");
    assert_eq!(output.status.code(), Some(1));
}
