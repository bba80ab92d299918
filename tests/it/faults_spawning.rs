//! What cannot be started, or not so many of it: section 2.5 of the catalogue of faults.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::cgroup::Cgroup;
use crate::support::{App, End, IDLE, guard_of, limit, procman, run_by, skipped, state, wait_until};

/// How one shell and another say it.
const NOT_FOUND: [&str; 2] = ["not found", "No such file or directory"];

#[test]
fn a_command_that_cannot_be_run_is_named_and_stops_the_others() {
    for (command, named, words, status) in [
        ("/no/such", "/no/such", &NOT_FOUND[..], 127),
        ("no-such -x", "no-such", &NOT_FOUND, 127),
        ("A=1 ./no-such", "./no-such", &NOT_FOUND, 127),
        ("/etc/passwd", "/etc/passwd", &["Permission denied"], 126),
        ("/etc", "/etc", &[""], 126),
        ("./garbage", "./garbage", &[""], 126),
    ] {
        let app = App::new(&format!("good: sleep 1000\nbad: {command}\n"));
        app.program("garbage", b"\x7fELF\x02\x01\x01\0garbage");
        let end = app.start(&["--no-timestamp"]).finish();
        app.assert_nothing_is_left();
        let lines = end.lines_of("bad.1");
        let said = words.iter().any(|words| lines[1].contains(words));
        assert!(lines[1].contains(named) && said, "{command}: {lines:?}");
        assert_eq!(lines.last().unwrap(), &format!("exited with code {status}"), "{command}");
        assert_eq!(end.status, Some(status), "{command}");
        assert_eq!(end.lines_of("good.1").last().unwrap(), "terminated by SIGTERM");
    }
}

/// A shell says that the script was not found, and so does the system.
#[test]
fn a_missing_interpreter_is_told_from_a_missing_file() {
    let missing = "exited with code 127: the interpreter `/no/such/interp` of `./script` was not found";
    for (command, expected) in [
        ("./script", missing),
        ("A=1 ./script -x >log", missing),
        ("./windows", r"exited with code 127: the interpreter `/bin/sh\r` of `./windows` was not found"),
        // The shell goes on to do other things, so nothing is known.
        ("./script; exit 127", "exited with code 127"),
        ("./no-such", "exited with code 127"),
        ("./exits", "exited with code 127"),
    ] {
        let app = App::new(&format!("bad: {command}\n"));
        app.program("script", "#!/no/such/interp -x\n");
        app.program("windows", "#!/bin/sh\r\necho\r\n");
        app.program("exits", "#!/bin/sh\nexit 127\n");
        let end = app.start(&["--no-timestamp"]).finish();
        assert_eq!(end.lines_of("bad.1").last().unwrap(), expected, "{command}");
        assert_eq!(end.status, Some(127));
    }
    let app = App::new("web: true\n");
    app.program("no-script", "#!/no/such/interp\n");
    for path in [".", "/no/such:."] {
        app.file(".env", format!("PATH={path}:$PATH\n"));
        for name in ["no-script", "./no-script"] {
            let end = app.done(&["run", name, "-x"]);
            let words = "procman: the interpreter `/no/such/interp` of `./no-script` was not found\n";
            assert_eq!((end.stderr.as_str(), end.status), (words, Some(127)));
        }
    }
}

#[test]
fn a_root_that_vanishes_before_the_first_spawn_is_named() {
    for arguments in [&["start"][..], &["run", "true"]] {
        let app = App::new("web: touch ../spawned; sleep 1000\n");
        let root = app.root().join("root");
        std::fs::create_dir(&root).unwrap();
        // procman has looked at the root when it empties this file.
        let pipe = app.root().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let mut options = File::options();
        let mut pipe = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(pipe).unwrap();
        while pipe.write(&[b'\n'; 4096]).is_ok() {}
        let options = ["-f", "Procfile", "-d", "root", "-e", "pipe"];
        let running = app.run(app.procman(&[&options, arguments].concat()));
        wait_until("procman reads the environment", || pipe.write(b"\n").is_ok());
        std::fs::remove_dir(&root).unwrap();
        drop(pipe);
        let end = running.finish();
        let words = format!(
            "cannot use `{}/./root` as working directory: no such file or directory\n",
            app.root().display()
        );
        assert!(end.stderr.starts_with("procman: "), "{end:?}");
        assert!(end.stderr.replace("/./", "/").ends_with(&words.replace("/./", "/")), "{end:?}");
        assert_eq!(end.stderr.contains("`web.1` could not be started"), arguments == ["start"]);
        assert_eq!(end.status, Some(1));
        assert!(!app.root().join("spawned").exists());
        app.wait_until_nothing_is_left();
    }
}

/// Checks that some instances were started, that the next one is named with the limit, and that all is over.
#[track_caller]
fn check_refused(app: &App, end: &End, limit: &str) {
    app.assert_nothing_is_left();
    assert!(!app.socket().exists());
    let started = end.stdout.matches("started with").count();
    assert!((1..10).contains(&started), "{end:?}");
    let words = format!(
        "procman: `web.{}` could not be started: the system refuses another process: too many processes (",
        started + 1
    );
    assert!(end.stderr.starts_with(&words) && end.stderr.contains(limit), "{end:?}");
    assert_eq!((end.stderr.lines().count(), end.status), (1, Some(1)));
    assert_eq!(end.stdout.matches("terminated by SIGTERM").count(), started);
    let refused = format!("web.{}", started + 1);
    let lines = ["could not be started", "does not run, sending SIGTERM to all processes"];
    assert_eq!(end.lines_of("system"), lines.map(|line| format!("{refused} {line}")));
}

#[test]
fn a_user_who_may_have_no_more_processes_is_told_so() {
    let app = App::new("web: exec sleep 1000\n");
    // Nobody else has this one, so it has no processes yet.
    let user = 1_000_000 + std::process::id();
    if !app.belongs_to(user) {
        return;
    }
    let mut command = run_by(user, app.procman(&["start", "--no-timestamp", "-m", "web=10"]));
    limit(&mut command, Resource::RLIMIT_NPROC, 8);
    check_refused(&app, &app.run(command).finish(), "the limit of this user is 8");
}

#[test]
fn a_control_group_that_may_have_no_more_processes_is_told_so() {
    let app = App::new("web: exec sleep 1000\n");
    let Some(group) = Cgroup::limited("pids", 9) else { return };
    let mut command = app.command("sh");
    let script = format!("{}; exec \"$0\" start --no-timestamp -m web=10", group.join());
    command.args(["-c", &script]).arg(procman());
    check_refused(&app, &app.run(command).finish(), "the limit of this control group is 9");
}

#[test]
fn more_instances_than_open_files_allow_are_refused_before_the_first() {
    let app = App::new("web: exec sleep 1000\n");
    let limited = |most| {
        let mut command = app.procman(&["start", "--no-timestamp", "-m", "web=40"]);
        limit(&mut command, Resource::RLIMIT_NOFILE, most);
        app.run(command)
    };
    let end = limited(24).finish();
    app.assert_nothing_is_left();
    let told = end.stderr.strip_prefix("procman: 40 instances need ").unwrap();
    let needed = told.strip_suffix(" open files, and the limit is 24\n").unwrap().parse().unwrap();
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    assert!(!app.socket().exists());
    // The number is true.
    assert_eq!(limited(needed - 1).finish().status, Some(1));
    let running = limited(needed);
    running.wait_for("web.40 | started");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    // So few are not even enough for procman alone.
    for most in 8..12 {
        let end = limited(most).finish();
        let words = format!("procman: 40 instances need {needed} open files, and the limit is {most}\n");
        assert_eq!((end.stderr, end.status), (words, Some(1)));
    }
}

#[test]
fn five_hundred_instances_start_and_stop_under_a_low_soft_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < 1100 {
        return skipped("the hard limit of open files is too low for 500 instances");
    }
    let app = App::new("web: ulimit -Sn; exec sleep 1000\n");
    let mut command = app.command("sh");
    command.args(["-c", "ulimit -Sn 77; exec \"$0\" start --no-timestamp -t 1000 -m web=500"]).arg(procman());
    let running = app.run(command);
    running.wait_for_times("| 77\n", 500);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert_eq!(end.stdout.matches("terminated by SIGTERM\n").count(), 500);
    assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
}

#[test]
fn no_instance_has_a_descriptor_of_another() {
    let app = App::new("web: ls /proc/$$/fd; echo end; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp", "-m", "web=5"]);
    running.wait_for_times("| end\n", 5);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    for number in 1..=5 {
        assert_eq!(end.lines_of(&format!("web.{number}"))[1..5], ["0", "1", "2", "end"]);
    }
}

#[test]
fn a_pipeline_ends_by_sigpipe() {
    let app = App::new("web: (yes; echo $? >&2) | head -n 1\n");
    let mut command = app.command("env");
    command.args(["--ignore-signal=PIPE"]).arg(procman()).args(["start", "--no-timestamp"]);
    let end = app.run(command).finish();
    let lines = end.lines_of("web.1");
    assert!(lines.contains(&"141".to_owned()), "{lines:?}");
}

#[test]
fn an_instance_that_ends_at_once_is_seen_to_start_and_to_end() {
    let app = App::new("web: exit 7\n");
    for _ in 0..10 {
        let end = app.start(&["--no-timestamp", "-m", "web=20"]).finish();
        assert_eq!(end.status, Some(7));
        let started = end.stdout.matches("started with").count();
        for number in 1..=started {
            let lines = end.lines_of(&format!("web.{number}"));
            assert_eq!((lines.len(), lines[0].as_str()), (2, "started with pid N"), "{lines:?}");
            assert!(
                ["exited with code 7", "terminated by SIGTERM"].contains(&lines[1].as_str()),
                "{lines:?}"
            );
        }
        assert!(started > 0 && end.lines_of(&format!("web.{}", started + 1)).is_empty());
    }
    app.assert_nothing_is_left();
}

#[test]
fn any_closed_standard_stream_disturbs_nothing() {
    let files = ["Procfile", ".env"];
    let app = App::new("web: echo lost; echo lost >&2; exit 6\n");
    app.file(".env", "A=1\n");
    let before = files.map(|name| std::fs::read(app.root().join(name)).unwrap());
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        for what in ["start", "run web"] {
            let mut command = app.command("sh");
            command.args(["-c", &format!("exec \"$0\" {what} {closed}")]).arg(procman());
            assert_eq!(app.run(command).finish().status, Some(6), "{what} {closed}");
        }
    }
    assert_eq!(files.map(|name| std::fs::read(app.root().join(name)).unwrap()), before);
}

#[test]
fn ctrl_z_during_the_start_neither_blocks_nor_starts_anything_twice() {
    let app = App::new(&format!("web: {IDLE}\n"));
    let mut command = app.command("sh");
    // Else the key would show, and throw away what the terminal has not given to its reader yet. What `fg`
    // returns is 128 and the number of SIGSTOP or SIGTSTP.
    command.args([
        "-c",
        "stty -echo noflsh; set -m; \"$0\" start --no-timestamp --no-color -t 1000 -m web=80; \
         while [ $? -gt 140 ]; do echo prompt; fg; done; echo ended $?",
    ]);
    let (running, mut keyboard) = app.run_on_terminal({
        command.arg(procman());
        command
    });
    for prompt in 1..=8 {
        running.wait_for(&format!("web.{}", 8 * prompt));
        keyboard.press("\x1a");
        running.wait_for_times("prompt", prompt);
        // Before `fg` has its terminal, the key would stop the shell.
        let guard = guard_of(running.pid()).as_raw();
        wait_until("it is in the foreground", || state(guard).is_some_and(|state| state != 'T'));
    }
    running.wait_for_times("| ready", 80);
    keyboard.press("\x03");
    running.wait_for("ended");
    let end = running.finish();
    app.assert_nothing_is_left();
    for number in 1..=80 {
        let started = format!("web.{number:<3}| started");
        assert_eq!(end.stdout.matches(&started).count(), 1, "{}", end.stdout);
    }
}

/// Returns what a command writes, and its exit code.
fn whole(mut command: Command) -> (String, Option<i32>) {
    let (mut reader, writer) = io::pipe().unwrap();
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).unwrap();
    (String::from_utf8(output).unwrap(), child.wait().unwrap().code())
}

#[test]
fn a_command_is_what_a_shell_makes_of_it() {
    for command in [
        "echo a # and a comment",
        "printenv A # and; a | comment",
        "# only a comment",
        "cat <<END",
        "cat <<END; echo b",
        "exec printenv A",
        "exec sh -c 'exit 9'",
        "true & wait; echo $?",
        "printenv A;",
        "exit 3;",
        "A=changed printenv A",
        "A=1 B=\"$A x\"; echo $A $B",
        "A=only",
        "printf '<%s>\\n' 'a  b' \"c $A\" d\\ e",
        "sh -c 'echo \"$@\"; exit 5' x a 'b  c'",
        "echo \"$@\" $# $0",
        "! true",
        "! printenv NONE",
        "{ echo a; exit 4; }",
        "(echo a; exit 4); echo $?",
        "( exit 8 )",
        "case $A in v*) echo yes;; *) echo no;; esac",
        "for a in 1 2 3; do echo $a; done",
        "if [ -e nothing ]; then echo a; else exit 2; fi",
        "f() { echo $1; }; f x",
        "printenv A >file; cat file; printenv NONE >>file",
        "sh -c 'echo err >&2; echo out' 2>&1",
        "ls no-such-file 2>/dev/null",
        "cat < /dev/null",
        "printenv A | tr a-z A-Z",
        "false || echo or && echo and",
        "test $$ -gt 1 && echo ok",
        "printf '%s\\n' \\$A '\\n' \"\\$A\" \\\\",
        "echo 100% `echo sub` $(echo sub) $((1 + 2)) ~root",
        "printenv A \\",
        "echo 'unclosed",
        "echo )",
        "kill -TERM $$",
        "printenv \"A\"",
        "2>&1 printenv A",
        "./*.sh",
        "env -u A printenv A",
        "nice printenv A",
        "set -e; false; echo not reached",
        "trap 'echo bye' EXIT; exit 6",
        "sleep 0 && exec printenv A",
    ] {
        let app = App::new(&format!("web: {command}\n"));
        app.program("only.sh", "#!/bin/sh\necho only; exit 3\n");
        let mut shell = app.command("/bin/sh");
        shell.args(["-c", command]).envs([("A", "value"), ("PORT", "5000"), ("PS", "web.1")]);
        // What `start` shows of a death by a signal is its number above 128.
        let expected = match whole(shell) {
            (output, None) => (output, Some(128 + 15)),
            other => other,
        };
        let mut start = app.procman(&["start", "--log-format", "raw"]);
        start.env("A", "value");
        assert_eq!(whole(start), expected, "start: {command}");
        if expected.1 != Some(128 + 15) {
            let mut run = app.procman(&["run", "web"]);
            run.env("A", "value");
            assert_eq!(whole(run), expected, "run: {command}");
        }
    }
}

/// Of a thread that there is no memory for, the C library says what the system says of too many processes.
#[test]
fn too_little_memory_is_not_called_too_many_processes() {
    let app = App::new("web: true\n");
    let mut told = Vec::new();
    for most in (16..256).map(|step| step * 256 * 1024) {
        let mut command = app.procman(&["start"]);
        limit(&mut command, Resource::RLIMIT_AS, most);
        let end = app.run(command).finish();
        if end.status == Some(0) {
            break;
        }
        // With still less, not even the loader gets as far as that.
        told.extend(end.stderr.strip_prefix("procman: ").map(str::to_owned));
    }
    assert!(told.iter().any(|words| words.contains("memory")), "{told:?}");
    let wrong = |words: &String| words.contains("too many") && !words.contains("or too little memory");
    assert!(!told.iter().any(wrong), "{told:?}");
}

/// Where it is the number of processes that keeps procman from starting, it is said with the limit.
#[test]
fn a_user_who_may_not_even_have_procman_is_told_so() {
    let app = App::new("web: exec sleep 1000\n");
    let user = 2_000_000 + std::process::id();
    if !app.belongs_to(user) {
        return;
    }
    // One for the guard, then one for the supervisor, which has a thread more.
    for most in [1, 2] {
        let mut command = run_by(user, app.procman(&["start"]));
        limit(&mut command, Resource::RLIMIT_NPROC, most);
        let end = app.run(command).finish();
        let words = format!("procman: too many processes (the limit of this user is {most}");
        assert!(end.stderr.starts_with(&words), "{end:?}");
        assert_eq!(end.status, Some(1));
    }
}
