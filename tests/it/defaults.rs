//! Where options come from: command line > environment > `procman.toml` > `.foreman` > built in.

use nix::sys::signal::Signal;

use crate::support::App;

/// Prints all that the options decide of an instance. One instance only, for the end of one ends the others.
const PROCFILE: &str = "web: echo $PS $PORT $A\n";

/// Checks the line of `web.1` in an app with these files, arguments and variables.
#[track_caller]
fn check(files: &[(&str, &str)], arguments: &[&str], variables: &[(&str, &str)], expected: &str) {
    let app = App::new(PROCFILE);
    for (name, text) in files {
        app.file(name, text);
    }
    let mut command = app.procman(&[&["start"], arguments].concat());
    command.envs(variables.iter().copied());
    let end = app.run(command).finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{end:?}");
    let line = end.stdout.lines().find(|line| line.contains(" | web.1 ")).unwrap_or(&end.stdout);
    assert_eq!(line, expected);
}

#[test]
fn each_source_wins_over_the_next() {
    let foreman = (".foreman", "port: 6000\ntimestamp: false\n");
    let toml = ("procman.toml", "port = 7000\n");
    let variable = ("PROCMAN_PORT", "8000");
    let env = (".env", "PORT=5500\n");
    check(&[env, ("procman.toml", "timestamp = false\n")], &[], &[], "web.1  | web.1 5500");
    check(&[env, foreman], &[], &[], "web.1  | web.1 6000");
    check(&[env, foreman, toml], &[], &[], "web.1  | web.1 7000");
    check(&[env, foreman, toml], &[], &[variable], "web.1  | web.1 8000");
    check(&[env, foreman, toml], &["-p", "9000"], &[variable], "web.1  | web.1 9000");
}

#[test]
fn every_option_has_a_variable() {
    let app = App::new("none: false\n");
    std::fs::create_dir(app.root().join("dir")).unwrap();
    app.file("Other", "web: echo $A $PORT; pwd\nworker: true\n");
    app.file("a", "A=file\n");
    let mut command = app.procman(&["start"]);
    command.envs([
        ("PROCMAN_PROCFILE", "Other"),
        ("PROCMAN_ROOT", "dir"),
        ("PROCMAN_ENV", "a"),
        ("PROCMAN_ENV_PRECEDENCE", "shell"),
        ("PROCMAN_PORT", "6000"),
        ("PROCMAN_FORMATION", "web=1"),
        ("PROCMAN_TIMEOUT", "1.5"),
        ("PROCMAN_TIMESTAMP", "then"),
        ("PROCMAN_COLOR", "never"),
        ("PROCMAN_LOG_FORMAT", "text"),
        ("A", "shell"),
    ]);
    let end = app.run(command).finish();
    let root = app.root().canonicalize().unwrap();
    assert!(end.stdout.contains("then web.1    | shell 6000\n"), "{end:?}");
    assert!(end.stdout.contains(&format!("| {}/dir\n", root.display())), "{end:?}");
    assert!(!end.stdout.contains("worker"), "{end:?}");
}

#[test]
fn a_variable_set_to_nothing_says_nothing() {
    let timestamp = ("PROCMAN_TIMESTAMP", "at");
    let none =
        ["PROCMAN_PORT", "PROCMAN_ENV", "PROCMAN_PROCFILE", "PROCMAN_FORMATION", "PROCMAN_COLOR", "PORT"];
    let variables: Vec<_> = none.into_iter().map(|name| (name, "")).chain([timestamp]).collect();
    check(&[(".env", "A=1\n")], &[], &variables, "at web.1  | web.1 5000 1");
}

#[test]
fn the_timestamp_can_be_turned_off_and_on_everywhere() {
    let off = (".foreman", "timestamp: false\n");
    check(&[off], &[], &[], "web.1  | web.1 5000");
    check(&[off], &["--timestamp=at"], &[], "at web.1  | web.1 5000");
    check(&[], &["--timestamp", "--no-timestamp"], &[], "web.1  | web.1 5000");
    check(&[], &["--no-timestamp", "--timestamp=at"], &[], "at web.1  | web.1 5000");
    check(&[], &[], &[("PROCMAN_TIMESTAMP", "false")], "web.1  | web.1 5000");
    check(&[], &["--no-timestamp"], &[("PROCMAN_TIMESTAMP", "at")], "web.1  | web.1 5000");
}

#[test]
fn files_of_defaults_set_formation_and_environment() {
    let app = App::new("web: true\nworker: echo $PS $PORT $A; exec sleep 60\n");
    app.file("procman.toml", "formation = 'worker=2'\nenv = ['extra']\nlog-format = 'raw'\n");
    app.file("extra", "A=of-extra\n");
    let raw = app.start(&[]);
    raw.wait_for("worker.1 5100 of-extra\n");
    raw.wait_for("worker.2 5101 of-extra\n");
    raw.signal(Signal::SIGTERM);
    let lines = raw.finish().stdout;
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let text = app.start(&["-m", "worker=1", "--log-format=text", "--no-timestamp"]);
    text.wait_for("worker.1 | worker.1 5100 of-extra\n");
    text.signal(Signal::SIGTERM);
    assert!(!text.finish().stdout.contains("worker.2"));
}

#[test]
fn defaults_lie_beside_the_app_and_their_paths_count_from_there() {
    let app = App::new("");
    std::fs::create_dir(app.root().join("dir")).unwrap();
    app.file("dir/Procfile.dev", "web: echo $A $PORT\n");
    app.file("dir/dev.env", "A=dev\n");
    app.file("dir/.foreman", "procfile: Procfile.dev\nenv: dev.env\nport: 6000\ntimestamp: false\n");
    let end = app.start(&["-d", "dir"]).finish();
    assert!(end.stdout.contains("web.1  | dev 6000\n"), "{end:?}");
    let end = app.start(&["-f", "dir/Procfile.dev", "-p", "7000"]).finish();
    assert!(end.stdout.contains("web.1  | dev 7000\n"), "{end:?}");
}

#[test]
fn a_default_that_cannot_be_read_is_named_with_its_place() {
    let app = App::new("web: touch spawned\n");
    app.file("procman.toml", "port = 1\nprot = 2\n");
    let end = app.start(&[]).finish();
    let expected = "procman: procman.toml:2:1: unknown key `prot`, did you mean `port`\n";
    assert_eq!((end.stderr.as_str(), end.status), (expected, Some(1)));
    assert!(!app.root().join("spawned").exists());
}

#[test]
fn a_line_of_foreman_s_that_means_nothing_is_a_warning() {
    let app = App::new("web: true\n");
    app.file(".foreman", "prot: 6000\nport: x\n");
    let expected = "procman: .foreman:1:1: warning: line ignored: foreman has no option `prot`\n\
                    procman: .foreman:2:7: warning: line ignored: `port`: `x` is not a port from 0 to 65535\n";
    let end = app.start(&[]).finish();
    assert_eq!((end.stderr.as_str(), end.status), (expected, Some(0)));
    let end = app.done(&["check"]);
    assert_eq!((end.stderr.as_str(), end.status, end.stdout.as_str()), (expected, Some(1), ""));
}
