//! `procman run`: the command in procman's place.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::App;

const PROCFILE: &str = "release: echo release on $PORT as $PS\nweb: echo web on $PORT as $PS; exit 3\n";

/// Checks what `procman run` with these arguments prints, and its exit code.
#[track_caller]
fn check(arguments: &[&str], expected: &str, status: i32) {
    let app = App::new(PROCFILE);
    let end = app.done(&[&["run"], arguments].concat());
    assert_eq!((end.stdout.as_str(), end.stderr.as_str(), end.status), (expected, "", Some(status)));
}

/// Checks what `procman run` with these arguments says on standard error, and its exit code.
#[track_caller]
fn check_error(app: &App, arguments: &[&str], expected: &str, status: i32) {
    let end = app.done(&[&["run"], arguments].concat());
    assert_eq!((end.stderr.as_str(), end.stdout.as_str(), end.status), (expected, "", Some(status)));
}

#[test]
fn the_exit_code_is_the_command_s() {
    check(&["sh", "-c", "exit 7"], "", 7);
    check(&["true"], "", 0);
}

#[test]
fn the_command_dies_of_its_own_signal() {
    let end = App::new(PROCFILE).done(&["run", "sh", "-c", "kill -9 $$"]);
    assert_eq!((end.signal, end.status), (Some(9), None));
}

#[test]
fn the_command_has_the_process_id_of_procman() {
    let app = App::new(PROCFILE);
    let running = app.run(app.procman(&["run", "sh", "-c", "echo $$"]));
    let pid = running.pid();
    assert_eq!(running.finish().stdout, format!("{pid}\n"));
}

#[test]
fn the_command_reads_what_procman_is_given() {
    let app = App::new(PROCFILE);
    let mut command = app.procman(&["run", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\n\xfftwo").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"one\n\xfftwo");
}

#[test]
fn arguments_arrive_as_they_are() {
    check(&["printf", "<%s>", "a b", "c", "", "$PORT", "*"], "<a b><c><><$PORT><*>", 0);
    check(&["--", "printf", "%s", "--", "-x"], "---x", 0);
}

#[test]
fn options_after_the_command_are_the_command_s() {
    check(&["printf", "%s ", "-p", "-e", "--help", "--port=1", "-d", "x"], "-p -e --help --port=1 -d x ", 0);
    check(&["printf", "%s ", "--no-color", "--color", "always"], "--no-color --color always ", 0);
    check(&["-p", "6000", "sh", "-c", "echo $PORT"], "6000\n", 0);
    check(&["-p", "6000", "--", "sh", "-c", "echo $PORT"], "6000\n", 0);
}

#[test]
fn the_name_of_a_type_runs_its_entry() {
    check(&["web"], "web on 5100 as web.1\n", 3);
    check(&["--", "web"], "web on 5100 as web.1\n", 3);
    check(&["release"], "release on 5000 as release.1\n", 0);
    check(&["-p", "6000", "web"], "web on 6100 as web.1\n", 3);
}

#[test]
fn the_name_of_a_type_with_arguments_is_a_program() {
    let app = App::new(PROCFILE);
    check_error(&app, &["web", "x"], "procman: cannot run `web`: not found in `PATH`\n", 127);
}

#[test]
fn a_command_gets_port_and_name_and_the_files_variables() {
    check(&["sh", "-c", "echo $PORT $PS"], "5000 run.1\n", 0);
    let app = App::new(PROCFILE);
    app.file(".env", "A=file\nPORT=3000\n");
    let mut command = app.procman(&["run", "sh", "-c", "echo $A $B $PORT $PS ${PROCMAN_ENV-none}"]);
    command.envs([("A", "shell"), ("B", "shell"), ("PORT", "4000"), ("PROCMAN_ENV", ".env")]);
    assert_eq!(app.run(command).finish().stdout, "file shell 3000 run.1 none\n");
}

#[test]
fn a_command_runs_in_the_root() {
    let app = App::new("");
    std::fs::create_dir(app.root().join("dir")).unwrap();
    app.file("dir/Procfile", "web: true\n");
    let end = app.done(&["run", "-d", "dir", "pwd"]);
    let root = app.root().canonicalize().unwrap();
    assert_eq!(end.stdout, format!("{}/dir\n", root.display()));
}

#[test]
fn what_is_not_found_is_127() {
    let app = App::new(PROCFILE);
    check_error(&app, &["nosuch"], "procman: cannot run `nosuch`: not found in `PATH`\n", 127);
    check_error(&app, &["./nosuch"], "procman: cannot run `./nosuch`: no such file or directory\n", 127);
    check_error(
        &app,
        &["relase"],
        "procman: cannot run `relase`: not found in `PATH`\nhint: did you mean the entry `release`\n",
        127,
    );
    check_error(
        &app,
        &["ls -l"],
        "procman: cannot run `ls -l`: not found in `PATH`\n\
         hint: one argument is one program; a shell is run by `procman run sh -c '...'`\n",
        127,
    );
}

#[test]
fn a_directory_that_may_not_be_searched_hides_nothing() {
    let app = App::new(PROCFILE);
    let locked = app.root().join("locked");
    std::fs::create_dir_all(locked.join("dir")).unwrap();
    std::fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    let mut command = app.procman(&["run", "nosuch"]);
    command.env("PATH", format!("{}/dir:/usr/bin:/bin", locked.display()));
    let end = app.unprivileged(command).map(|command| app.run(command).finish());
    // The app's directory can be removed again.
    std::fs::set_permissions(&locked, Permissions::from_mode(0o755)).unwrap();
    let Some(end) = end else { return };
    assert_eq!(
        (&*end.stderr, end.status),
        ("procman: cannot run `nosuch`: not found in `PATH`\n", Some(127))
    );
}

#[test]
fn what_cannot_be_executed_is_126() {
    let app = App::new(PROCFILE);
    app.file("script", "#!/bin/sh\n");
    check_error(&app, &["./script"], "procman: cannot run `./script`: permission denied\n", 126);
    check_error(&app, &["/"], "procman: cannot run `/`: permission denied\n", 126);
}

#[test]
fn a_working_directory_that_is_none_is_1() {
    let app = App::new(PROCFILE);
    check_error(&app, &["-d", "nosuch", "-f", "Procfile", "true"], "procman: no directory at `nosuch`\n", 1);
}

#[test]
fn the_command_gets_back_what_a_shell_would_give_it() {
    // SIGPIPE has its default: `yes` dies of it, silently.
    let app = App::new(PROCFILE);
    let mut child =
        app.procman(&["run", "yes"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(13), "{output:?}");
}
