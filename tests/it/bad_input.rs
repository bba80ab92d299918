//! What is wrong is said on standard error, in one line each and with its place, and nothing is spawned.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{App, End, procman};

/// An entry whose process would leave a trace.
const WEB: &str = "web: touch spawned; sleep 60\n";

/// A value that may appear in no message.
const SECRET: &str = "s3cret";

/// Checks that procman says just this, exits with 1, and has spawned nothing.
#[track_caller]
fn check_app(app: &App, arguments: &[&str], expected: &str) {
    check_end(app, &app.done(arguments), expected);
}

#[track_caller]
fn check_end(app: &App, end: &End, expected: &str) {
    assert_eq!(end.stderr, expected);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    assert!(!app.root().join("spawned").exists(), "something was spawned");
    assert!(!end.stderr.contains(SECRET));
    app.wait_until_nothing_is_left();
}

/// Checks what `start` and `check` say about a Procfile.
#[track_caller]
fn check_procfile(procfile: &str, expected: &str) {
    for command in ["start", "check"] {
        check_app(&App::new(procfile), &[command], expected);
    }
}

/// Checks what `start`, `run` and `check` say about a `.env`.
#[track_caller]
fn check_env(env: &str, expected: &str) {
    let app = App::new(WEB);
    app.file(".env", env);
    for arguments in [&["start"][..], &["run", "touch", "spawned"], &["check"]] {
        check_app(&app, arguments, expected);
    }
}

/// Checks what `start` says about its arguments.
#[track_caller]
fn check_start(arguments: &[&str], expected: &str) {
    let app = App::new(&format!("{WEB}worker: touch spawned\n"));
    check_app(&app, &[&["start"], arguments].concat(), expected);
}

const NO_PROCFILE: &str = "hint: `-d DIR` names the app's directory, `-f FILE` the Procfile itself\n";

#[test]
fn there_is_no_procfile() {
    let app = App::new(WEB);
    std::fs::remove_file(app.root().join("Procfile")).unwrap();
    for arguments in [&["start"][..], &["run", "touch", "spawned"], &["check"]] {
        check_app(&app, arguments, &format!("procman: no Procfile at `Procfile`\n{NO_PROCFILE}"));
    }
    check_app(&app, &["start", "-d", "no"], &format!("procman: no Procfile at `no/Procfile`\n{NO_PROCFILE}"));
    check_app(&app, &["start", "-f", "no"], &format!("procman: no Procfile at `no`\n{NO_PROCFILE}"));
}

#[test]
fn there_is_no_root() {
    let app = App::new(WEB);
    for command in ["start", "check"] {
        check_app(&app, &[command, "-f", "Procfile", "-d", "no"], "procman: no directory at `no`\n");
    }
}

#[test]
fn the_procfile_is_no_file() {
    let app = App::new(WEB);
    check_app(&app, &["start", "-f", "."], "procman: cannot read `.`: is a directory\n");
    check_app(
        &app,
        &["start", "-f", "/dev/null"],
        "procman: /dev/null:1:1: no process at all: write `name: command`\n",
    );
    check_app(
        &app,
        &["start", "-f", "Procfile/x"],
        &format!("procman: no Procfile at `Procfile/x`\n{NO_PROCFILE}"),
    );
}

#[test]
fn the_procfile_is_a_pipe_that_nobody_fills() {
    let app = App::new("");
    mkfifo(&app.root().join("pipe"), Mode::S_IRWXU).unwrap();
    check_app(
        &app,
        &["start", "-f", "pipe"],
        "procman: pipe:1:1: no process at all: write `name: command`\n",
    );
}

#[test]
fn the_procfile_may_not_be_read() {
    let app = App::new(WEB);
    std::fs::set_permissions(app.root().join("Procfile"), Permissions::from_mode(0o000)).unwrap();
    let Some(command) = app.unprivileged(app.procman(&["start"])) else { return };
    let end = app.run(command).finish();
    check_end(&app, &end, "procman: cannot read `Procfile`: permission denied\n");
}

#[test]
fn the_procfile_is_not_text() {
    let app = App::new("");
    app.file("Procfile", b"web: true\nworker: \xff\xfe\n");
    check_app(&app, &["start"], "procman: Procfile:2:9: not UTF-8 text\n");
}

#[test]
fn the_procfile_has_faults() {
    check_procfile("", "procman: Procfile:1:1: no process at all: write `name: command`\n");
    check_procfile("# nothing\n\n", "procman: Procfile:1:1: no process at all: write `name: command`\n");
    check_procfile(
        "web: touch spawned\nworker: touch spawned\nweb: true\n",
        "procman: Procfile:3:1: `web` is already in line 1\n",
    );
    check_procfile("web: touch spawned\nworker:  \n", "procman: Procfile:2:8: no command after `worker:`\n");
    check_procfile(
        &format!("{WEB}{}: touch spawned\n", "x".repeat(64)),
        &format!(
            "procman: Procfile:2:1: process name `{}` has 64 characters, more than 63\n",
            "x".repeat(64)
        ),
    );
    check_procfile(
        "w eb: touch spawned\n",
        "procman: Procfile:1:1: warning: line ignored: `w eb` is not a process name: use letters, digits, \
         `_` and `-`\n\
         procman: Procfile:1:1: no process at all: write `name: command`\n",
    );
}

#[test]
fn a_line_that_is_no_entry_is_a_warning_for_start_and_a_fault_for_check() {
    let app = App::new("web: true\n  worker: true\nnothing\nda.sh: true\n");
    let expected = "procman: Procfile:2:1: warning: line ignored: blanks before `worker:`\n\
                    procman: Procfile:3:1: warning: line ignored: neither `name: command` nor a comment\n\
                    procman: Procfile:4:1: warning: line ignored: `da.sh` is not a process name: use \
                    letters, digits, `_` and `-`\n";
    let end = app.start(&[]).finish();
    assert_eq!((end.stderr.as_str(), end.status), (expected, Some(0)));
    check_app(&app, &["check"], expected);
}

#[test]
fn a_port_is_none() {
    check_env("PORT=s3cret\n", "procman: .env:1:6: `PORT` is not a port from 0 to 65535\n");
    check_env("A=1\n\nPORT = 65536\n", "procman: .env:3:8: `PORT` is not a port from 0 to 65535\n");
    let app = App::new(WEB);
    let mut command = app.procman(&["start"]);
    command.env("PORT", "tcp://s3cret");
    let end = app.run(command).finish();
    check_end(&app, &end, "procman: `PORT` in the environment is not a port from 0 to 65535\n");
}

#[test]
fn a_port_is_too_high_or_given_twice() {
    check_start(&["-p", "65500"], "procman: `worker.1` would get port 65600, and 65535 is the last\n");
    check_start(&["-m", "web=101,worker=1"], "procman: `web.101` and `worker.1` would both get port 5100\n");
    let app = App::new(WEB);
    check_app(
        &app,
        &["start", "-p", "65535", "-m", "web=2"],
        "procman: `web.2` would get port 65536, and 65535 is the last\n",
    );
}

#[test]
fn an_environment_file_cannot_be_read() {
    let app = App::new(WEB);
    check_app(&app, &["start", "-e", "no"], "procman: cannot read `no`: no such file or directory\n");
    check_app(
        &app,
        &["run", "-e", "no", "touch", "spawned"],
        "procman: cannot read `no`: no such file or directory\n",
    );
    check_app(
        &app,
        &["check", "-e", "no,."],
        "procman: cannot read `no`: no such file or directory\nprocman: cannot read `.`: is a directory\n",
    );
    std::fs::create_dir(app.root().join(".env")).unwrap();
    check_app(&app, &["start"], "procman: cannot read `.env`: is a directory\n");
    let root = app.root().to_str().unwrap();
    check_app(&app, &["start", "-d", root], &format!("procman: cannot read `{root}/.env`: is a directory\n"));
}

#[test]
fn an_environment_file_is_faulty() {
    check_env(
        "A=1\nSECRET='s3cret\nB=s3cret\n",
        "procman: .env:2:8: the quote that opens the value of `SECRET` is never closed\n",
    );
    let app = App::new(WEB);
    app.file(".env", b"A=1\nSECRET=s3cret\xff\n");
    check_app(&app, &["start"], "procman: .env:2:14: not UTF-8 text\n");
    app.file(".env", b"A=1\nSECRET=s3cret\0\n");
    check_app(&app, &["start"], "procman: .env:2:14: NUL in the value of `SECRET`\n");
    app.file(".env", format!("SECRET={}\n", SECRET.repeat(30_000)));
    check_app(
        &app,
        &["start"],
        "procman: the variable `SECRET` has 180007 bytes with its name, more than a process can be given \
         (131071)\n",
    );
}

#[test]
fn a_line_of_an_environment_file_that_cannot_be_read_is_a_warning() {
    let app = App::new("web: echo $A$B\n");
    app.file(".env", "A=1\ns3cret\nSECRET s3cret\n=s3cret\nC=\"s3cret\" s3cret\nB=2\n");
    let expected = "procman: .env:2:7: warning: line ignored: no `=` after the variable name\n\
                    procman: .env:3:8: warning: line ignored: no `=` after the variable name\n\
                    procman: .env:4:1: warning: line ignored: no variable name\n\
                    procman: .env:5:12: warning: line ignored: text after the closing quote of `C`\n";
    let end = app.start(&[]).finish();
    assert_eq!((end.stderr.as_str(), end.status), (expected, Some(0)));
    assert!(end.stdout.contains("| 12\n"), "{end:?}");
    let end = app.done(&["run", "sh", "-c", "echo $A$B"]);
    assert_eq!((end.stderr.as_str(), end.status, end.stdout.as_str()), (expected, Some(0), "12\n"));
    check_app(&app, &["check"], expected);
}

#[test]
fn a_name_is_unknown() {
    let known = "the Procfile has `web`, `worker`";
    check_start(&["nosuch"], &format!("procman: unknown process `nosuch`; {known}\n"));
    check_start(
        &["web", "wroker"],
        &format!("procman: unknown process `wroker`, did you mean `worker`; {known}\n"),
    );
    check_start(&["-m", "nosuch=1"], &format!("procman: unknown process `nosuch`; {known}\n"));
    check_start(
        &["-m", "web=1,wbe=1"],
        &format!("procman: unknown process `wbe`, did you mean `web`; {known}\n"),
    );
}

/// Such a count was dropped in silence.
#[test]
fn a_count_is_for_a_type_that_is_not_among_the_names() {
    let expected = "procman: `worker` has a count, and is not among the names to run\n\
                    hint: name it as well, or no type at all\n";
    check_start(&["web", "-m", "worker=2"], expected);
    // What is usual here is no contradiction.
    let app = App::new("web: echo only\nworker: echo $PS\n");
    let mut command = app.procman(&["start", "web", "--no-timestamp"]);
    command.env("PROCMAN_FORMATION", "web=1,worker=2");
    let end = app.run(command).finish();
    assert_eq!((end.lines_of("web.1")[1].as_str(), end.status), ("only", Some(0)), "{end:?}");
    assert!(!end.stdout.contains("worker.1"), "{end:?}");
}

#[test]
fn a_formation_is_malformed() {
    let hint = "hint: write it like `-m web=2,worker=1` or `-m all=2`\n";
    check_start(&["-m", "web"], &format!("procman: formation: `web` is not `name=count`\n{hint}"));
    check_start(&["-m", ""], &format!("procman: formation: `` is not `name=count`\n{hint}"));
    check_start(&["-m", "-1"], &format!("procman: formation: `-1` is not `name=count`\n{hint}"));
    for count in ["-1", "x", "1.5", ""] {
        check_start(
            &["-m", &format!("web={count}")],
            &format!(
                "procman: formation: `{count}` is not a count of `web`: use a whole number from 0\n{hint}"
            ),
        );
    }
    check_start(
        &["-m", "web=10001"],
        &format!("procman: formation: `web=10001` is too many: 10000 is the most\n{hint}"),
    );
    check_start(
        &["-m", "web=1", "-m", "web=2"],
        &format!("procman: formation: `web` has more than one count\n{hint}"),
    );
}

#[test]
fn nothing_is_left_to_run() {
    check_start(&["-m", "all=0"], "procman: nothing to run: every process has a count of 0\n");
    check_start(&["-m", "web=0", "web"], "procman: nothing to run: every process has a count of 0\n");
    check_app(
        &App::new("release: touch spawned\n"),
        &["start"],
        "procman: nothing to run: `release` runs only when asked for by name or with `-m release=1`\n",
    );
}

#[test]
fn a_time_format_is_none() {
    let app = App::new(WEB);
    let expected = "procman: `%` is not a time format: `%` begins no directive; a percent sign is `%%`\n";
    check_app(&app, &["start", "--timestamp=%"], expected);
}

#[test]
fn a_value_is_taken_for_a_name() {
    let known = "the Procfile has `web`, `worker`";
    for (option, value, fault) in [
        ("--color", "nosuch", format!("unknown process `nosuch`; {known}")),
        ("--timestamp", "%H:%M", format!("argument 1 is not a process name; {known}")),
    ] {
        let hint = format!("hint: `{option}` takes a value only with a `=` before it");
        check_start(&[option, value], &format!("procman: {fault}\n{hint}\n"));
    }
}

#[test]
fn check_says_that_all_is_well() {
    let app = App::new("web: touch spawned\nworker: touch spawned\n");
    app.file(".env", "A=1\nPORT=3000\n");
    let end = app.done(&["check"]);
    assert_eq!(end.stdout, "valid procfile detected (web, worker)\n");
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    assert!(!app.root().join("spawned").exists());
}

#[test]
fn check_says_everything_at_once() {
    let app = App::new("web: touch spawned\nweb: x\nclock:\nnothing\n");
    app.file(".env", "SECRET s3cret\nPORT=s3cret\n");
    app.file("procman.toml", "formation = 'web=x'\nprot = 1\n");
    app.file(".foreman", "prot: 1\ntimestamp: '%'\n");
    let end = app.done(&["check"]);
    let said: Vec<&str> = end.stderr.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    let expected = [
        "procman.toml:2:1",
        ".foreman:1:1",
        "Procfile:2:1",
        "Procfile:3:7",
        "Procfile:4:1",
        ".env:1:8",
        "`%` is not a time format",
        "procman.toml",
        ".env:2:6",
    ];
    assert_eq!(said, expected, "{}", end.stderr);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    assert!(!end.stderr.contains(SECRET));
}

#[test]
fn a_port_that_is_none_is_named_with_its_file_and_line() {
    let app = App::new("web: true\n");
    app.file("a", "PORT=3000\n");
    app.file("b", "\n# none\nPORT: 'abc'\n");
    for arguments in
        [&["start", "-e", "a,b"][..], &["check", "-e", "a", "-e", "b"], &["run", "-e", "a,b", "true"]]
    {
        let end = app.done(arguments);
        let words = "procman: b:3:7: `PORT` is not a port from 0 to 65535\n";
        assert_eq!((end.stderr.as_str(), end.status), (words, Some(1)));
    }
    // The last one holds, and an option is before all.
    assert_eq!(app.done(&["start", "-e", "b,a"]).status, Some(0));
    assert_eq!(app.done(&["start", "-e", "b", "-p", "3000"]).status, Some(0));
}

#[test]
fn the_working_directory_is_gone() {
    for arguments in ["start", "check", "run true", "start -d ..", "start -f Procfile -d /"] {
        let app = App::new(WEB);
        let mut command = app.command("sh");
        let script = format!("mkdir gone; cd gone; rmdir ../gone; exec \"$0\" {arguments}");
        command.args(["-c", &script]).arg(procman());
        let end = app.run(command).finish();
        let words = "procman: the working directory is gone\n\
                     hint: `-d` with a whole path names the app, and finds what runs of one that is gone\n";
        check_end(&app, &end, words);
    }
    // What is said with whole paths does not need it.
    let app = App::new("web: true\n");
    let mut command = app.command("sh");
    command.args(["-c", "mkdir gone; cd gone; rmdir ../gone; exec \"$0\" start -d \"$1\""]);
    command.arg(procman()).arg(app.root());
    assert_eq!(app.run(command).finish().status, Some(0));
}

#[test]
fn of_many_faults_of_a_file_the_first_are_shown() {
    let warnings = |count: usize| "nothing\n".repeat(count);
    let fault = |line: usize| {
        format!("procman: Procfile:{line}:1: warning: line ignored: neither `name: command` nor a comment\n")
    };
    let first = |last: usize| (2..=last).map(fault).collect::<String>();
    for (count, expected) in [
        (20, first(21)),
        (21, format!("{}procman: Procfile: warning: … and 1 more\n", first(21))),
        (50_000, format!("{}procman: Procfile: warning: … and 49980 more\n", first(21))),
    ] {
        let app = App::new(&format!("web: true\n{}", warnings(count)));
        let end = app.start(&[]).finish();
        assert_eq!((end.stderr.as_str(), end.status), (expected.as_str(), Some(0)));
        check_app(&app, &["check"], &expected);
    }
    // What keeps procman from starting is among them, at its place.
    let error = |line: usize| format!("procman: Procfile:{line}:5: no command after `bad:`\n");
    let app = App::new(&format!("web: true\n{}bad:\n{}", warnings(30), warnings(30)));
    let expected = format!("{}{}procman: Procfile: warning: … and 41 more\n", first(20), error(32));
    check_app(&app, &["start"], &expected);
    let app = App::new(&format!("{}{}", warnings(30), "bad:\n".repeat(30)));
    let expected = (31..=50).map(error).collect::<String>();
    check_app(&app, &["check"], &format!("{expected}procman: Procfile: … and 40 more\n"));
    let app = App::new("web: true\n");
    app.file(".env", "A\n".repeat(30));
    app.file(".foreman", "a: 1\n".repeat(30));
    let end = app.start(&[]).finish();
    assert_eq!((end.stderr.lines().count(), end.stderr.matches("… and 10 more").count()), (42, 2));
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_file_with_the_line_ends_of_an_old_mac_is_named() {
    let mac = "the file may have old Mac line ends";
    check_procfile(
        "a: touch spawned\rb: sleep 1\r",
        &format!("procman: Procfile:1:17: a carriage return within the command of `a`: {mac}\n"),
    );
    check_env(
        "A=1\rSECRET=s3cret\r",
        &format!("procman: .env:1:4: a carriage return within the line of `A`: {mac}\n"),
    );
    let app = App::new("# all\rthis: touch spawned\nweb: true\n");
    let expected = format!("procman: Procfile:1:6: warning: a carriage return within a comment: {mac}\n");
    let end = app.start(&[]).finish();
    assert_eq!((end.stderr.as_str(), end.status), (expected.as_str(), Some(0)));
    check_app(&app, &["check"], &expected);
}
