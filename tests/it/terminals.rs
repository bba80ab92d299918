//! Instances on pseudo-terminals of their own: what they are given, and what becomes of it in an end.

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

use crate::support::{
    App, IDLE, IDLE_ON, LIMIT, guard_of, is_alive, procman, skipped, state, supervisor_of, wait_until,
    wait_until_stuck,
};

/// What shows whether somebody is on a terminal of its own.
const SHOWS: &str = "test -t 0 -a -t 1 -a -t 2 && echo on $(tty) || echo on none";

/// Returns what `web: COMMAND` writes, on a terminal or not.
fn lines_of_web(command: &str, on_terminal: bool, arguments: &[&str]) -> Vec<String> {
    let app = App::new(&format!("web: {command}\n"));
    let mut procman = app.procman(&[&["start", "--no-timestamp", "--no-color"], arguments].concat());
    procman.env("TERM", "xterm");
    let end = if on_terminal {
        let (running, _keyboard) = app.run_on_terminal(procman);
        running.finish()
    } else {
        app.run(procman).finish()
    };
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0), "{end:?}");
    let lines = end.lines_of("web.1");
    assert_eq!(lines.first().map(String::as_str), Some("started with pid N"));
    assert_eq!(lines.last().map(String::as_str), Some("exited with code 0"));
    lines[1..lines.len() - 1].to_vec()
}

#[test]
fn an_instance_has_a_terminal_where_procman_has_one_or_one_is_asked_for() {
    for (on_terminal, arguments, expected) in [
        (true, &[][..], true),
        (true, &["--pty", "auto"], true),
        (true, &["--pty", "always"], true),
        (true, &["--pty", "never"], false),
        (false, &[], false),
        (false, &["--pty", "auto"], false),
        (false, &["--pty", "always"], true),
        (false, &["--pty", "never"], false),
    ] {
        let [line] = &lines_of_web(SHOWS, on_terminal, arguments)[..] else { panic!("more than a line") };
        assert_eq!(line.starts_with("on /dev/"), expected, "{line}: {on_terminal} {arguments:?}");
    }
}

#[test]
fn each_instance_leads_a_session_with_its_terminal() {
    let app = App::new(&format!("web: {SHOWS}; stty -a; stty -a < /dev/tty | wc -l; {IDLE_ON}\n"));
    let running = app.start(&["--no-timestamp", "--pty", "always", "-m", "web=2"]);
    running.wait_for_times("| ready", 2);
    let pids = ["web.1", "web.2"].map(|name| running.pid_of(name));
    assert_eq!(pids.map(|pid| getsid(Some(pid)).unwrap()), pids);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    let terminal = |name| end.lines_of(name).into_iter().find(|line| line.starts_with("on /dev/")).unwrap();
    assert_ne!(terminal("web.1"), terminal("web.2"));
    for setting in [" -opost", " echo ", " icanon", " isig", "rows 24; columns 80"] {
        assert_eq!(end.stdout.matches(setting).count(), 2, "{setting}: {}", end.stdout);
    }
}

#[test]
fn programs_keep_the_colours_that_they_have_on_a_terminal() {
    let lines = |arguments: &[&str]| {
        let lines = lines_of_web("mkdir -p folder; exec ls --color=auto -d folder", true, arguments);
        lines.concat()
    };
    assert!(lines(&[]).contains("\x1b["));
    assert!(!lines(&["--pty", "never"]).contains("\x1b["));
}

#[test]
fn a_terminal_is_as_wide_as_lines_are_and_follows_every_resize() {
    let app = App::new(&format!("web: trap 'echo now $(stty size)' WINCH; stty size; {IDLE_ON}\n"));
    for (arguments, prefix) in [(&["--no-timestamp"][..], 9), (&[], 18)] {
        let mut command = app.command("sh");
        // Before it starts, and as somebody would do it meanwhile.
        command.args(["-c", "stty rows 30 cols 100; exec \"$@\"", "sh"]).arg(procman()).arg("start");
        command.args(arguments).args(["--no-color"]);
        let (running, keyboard) = app.run_on_terminal(command);
        running.wait_for("| ready");
        running.wait_for(&format!("| 30 {}\r\n", 100 - prefix));
        // One that somebody sends is passed on.
        running.signal(Signal::SIGWINCH);
        running.wait_for(&format!("| now 30 {}\r\n", 100 - prefix));
        for (rows, columns) in [(40, 120), (10, 60), (10, 25)] {
            let began = Instant::now();
            keyboard.resize(rows, columns);
            let width = (columns - prefix).max(20);
            running.wait_for(&format!("| now {rows} {width}\r\n"));
            assert!(began.elapsed() < LIMIT / 10);
        }
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        assert_eq!(end.stdout.matches("| now").count(), 4, "{}", end.stdout);
        app.assert_nothing_is_left();
    }
}

#[test]
fn a_terminal_is_narrower_when_names_have_become_longer() {
    let app = App::new(&format!("web: trap 'echo now $(stty size)' WINCH; stty size; {IDLE_ON}\n"));
    let mut command = app.command("sh");
    command.args(["-c", "stty rows 30 cols 100; exec \"$@\"", "sh"]).arg(procman()).arg("start");
    command.args(["--no-timestamp", "--no-color", "-m", "web=9"]);
    let (running, _keyboard) = app.run_on_terminal(command);
    running.wait_for_times("| ready", 9);
    app.ask(&["scale", "web=10"]);
    running.wait_for_times("| ready", 10);
    assert!(!running.output().contains("now"), "{}", running.output());
    app.ask(&["scale", "web=100"]);
    running.wait_for("web.100 | 30 90\r\n");
    // Those that were ready before, at least.
    running.wait_for_times("| now 30 90\r\n", 10);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn without_terminals_a_resize_is_passed_on() {
    let app = App::new(&format!("web: trap 'echo resized' WINCH; {IDLE_ON}\n"));
    let command = app.procman(&["start", "--no-timestamp", "--no-color", "--pty", "never"]);
    let (running, keyboard) = app.run_on_terminal(command);
    running.wait_for("| ready");
    keyboard.resize(10, 60);
    running.wait_for("| resized");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.stdout.matches("resized").count(), 1, "{}", end.stdout);
}

#[test]
fn bytes_are_those_of_a_pipe_but_for_the_ends_of_lines() {
    let command = "printf 'a\\tb\\004\\0\\377\\n\\rx\\n'; printf 'one\\r\\ntwo\\r'; printf '\\nthree\\r'";
    let app = App::new(&format!("web: {command}\n"));
    for (pty, expected) in [
        ("never", &b"a\tb\x04\0\xFF\n\rx\none\r\ntwo\r\nthree\r\n"[..]),
        ("always", b"a\tb\x04\0\xFF\n\rx\none\ntwo\nthree\r\n"),
    ] {
        let end = app.done(&["start", "--log-format", "raw", "--pty", pty]);
        assert_eq!(String::from_utf8_lossy(&end.bytes), String::from_utf8_lossy(expected), "{pty}");
    }
}

#[test]
fn the_last_words_are_shown_though_nobody_has_read_them_before_the_end() {
    // As much as a terminal holds, and some less.
    for length in [19_000, 9_000] {
        let app = App::new(&format!(
            "flood: exec yes\nweb: read go < go; head -c {length} /dev/zero | tr '\\0' x; echo; echo last > said\n"
        ));
        let mut go = app.gate("go");
        let arguments = ["start", "--no-timestamp", "--pty", "always", "-t", "1000"];
        let (mut running, stdout) = app.run_unread(app.procman(&arguments));
        wait_until_stuck(&stdout);
        go.open();
        if length < 10_000 {
            wait_until("it has said all", || app.root().join("said").exists());
        }
        running.read(stdout);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert!(end.stdout.contains(&format!("| {}\n", "x".repeat(length))), "{}", end.stdout.len());
        assert_eq!(end.status, Some(0));
    }
}

#[test]
fn much_is_shown_whole_and_in_its_order() {
    let app = App::new("web: i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done; printf end\n");
    let end = app.done(&["start", "--log-format", "raw", "--pty", "always"]);
    let expected: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert!(end.stdout == expected + "end\n", "{} bytes", end.stdout.len());
    assert_eq!(end.stderr, "");
}

#[test]
fn who_holds_the_terminal_of_a_leader_that_has_ended_delays_nobody() {
    // The group gets SIGHUP from the kernel; this one does not mind.
    let app = App::new("web: trap '' HUP; sh late.sh & read go < go; exit 3\n");
    app.file("late.sh", format!("trap 'echo asked; exit' TERM\n{IDLE}\n"));
    let mut go = app.gate("go");
    let running = app.start(&["--no-timestamp", "--pty", "always", "-t", "1000"]);
    running.wait_for("| ready");
    go.open();
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(3));
    assert_eq!(end.lines_of("web.1")[1..], ["ready", "asked", "exited with code 3"]);
}

/// Only a subreaper finds what is in another group.
#[cfg(not(procman_portable))]
#[test]
fn what_has_groups_of_its_own_in_a_session_is_ended_too() {
    for end_by_request in [true, false] {
        let app = App::new("web: sh -c \"$SCRIPT\"; read go < go\n");
        // As a shell with job control does it.
        app.file(
            ".env",
            format!("SCRIPT='set -m; sleep {0} & (trap \"\" HUP TERM; exec sleep {0}) & :'\n", app.tag()),
        );
        let mut go = app.gate("go");
        let running = app.start(&["--no-timestamp", "--pty", "always", "-t", "1"]);
        wait_until("they sleep", || app.sleepers().len() == 2);
        if end_by_request {
            running.signal(Signal::SIGTERM);
        } else {
            go.open();
        }
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn where_there_is_no_terminal_a_pipe_does() {
    let app = App::new(&format!("web: {SHOWS}; {IDLE_ON}\n"));
    let in_namespace = |script: &str| {
        let mut command = app.command("unshare");
        command.args(["-rm", "sh", "-c", &format!("mount --bind /dev/null /dev/ptmx && {script}"), "sh"]);
        command
    };
    if !in_namespace("true").output().is_ok_and(|output| output.status.success()) {
        return skipped("/dev/ptmx cannot be hidden: that takes unshare(1) and namespaces of a user");
    }
    let mut command = in_namespace("exec \"$@\"");
    command.arg(procman()).args(["start", "--no-timestamp", "--pty", "always", "-m", "web=3"]);
    let running = app.run(command);
    running.wait_for_times("| ready", 3);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert_eq!(end.stdout.matches("| on none\n").count(), 3, "{}", end.stdout);
    let system = end.lines_of("system");
    assert_eq!(system.len(), 2, "{system:?}");
    assert!(
        system[0].starts_with("web.1 gets a pipe, as others may, for there is no pseudo-terminal: "),
        "{system:?}"
    );
}

#[test]
fn an_instance_that_reads_its_terminal_waits_and_takes_no_key_of_procmans() {
    let app = App::new(&format!(
        "web: trap '' USR1; read line < /dev/tty; echo got it\ncat: trap '' USR1; exec cat\nworker: trap 'echo running' USR1; {IDLE_ON}\n"
    ));
    let mut command = app.command("sh");
    command.args([
        "-c",
        "stty noflsh; trap : INT; \"$0\" start --no-timestamp --no-color; echo ended $?; read line; echo \"sh got $line\"",
    ]);
    command.arg(procman());
    let (running, mut keyboard) = app.run_on_terminal(command);
    running.wait_for("worker.1 | ready");
    keyboard.press("a line\n");
    kill(guard_of(running.pid()), Signal::SIGUSR1).unwrap();
    running.wait_for("worker.1 | running");
    keyboard.press("\x03");
    running.wait_for("ended 0");
    running.wait_for("sh got a line");
    let end = running.finish();
    app.assert_nothing_is_left();
    assert!(!end.stdout.contains("was stopped by") && !end.stdout.contains("got it"), "{}", end.stdout);
}

/// Those that do not mind SIGHUP come home to a subreaper only.
#[cfg(not(procman_portable))]
#[test]
fn a_killed_supervisor_or_guard_leaves_nothing_on_any_terminal() {
    for kills_guard in [true, false] {
        let app = App::new("");
        app.file("Procfile", format!("web: (trap '' HUP; exec sleep {0}) & exec sleep {0}\n", app.tag()));
        let running = app.start(&["--no-timestamp", "--pty", "always", "-m", "web=3"]);
        wait_until("all sleep", || app.sleepers().len() == 6);
        let victim = if kills_guard { running.pid() } else { running.supervisor() };
        kill(victim, Signal::SIGKILL).unwrap();
        let end = running.finish();
        app.wait_until_nothing_is_left();
        assert_eq!(end.status, if kills_guard { None } else { Some(137) });
    }
}

/// What a session's leader leaves is hung up by the kernel; without terminals it would be left.
#[cfg(not(procman_portable))]
#[test]
fn groups_on_terminals_die_even_with_both_processes_of_procman_at_once() {
    let app = App::new("");
    app.file("Procfile", format!("web: sleep {0} & exec sleep {0}\n", app.tag()));
    let running = app.start(&["--no-timestamp", "--pty", "always", "-m", "web=3"]);
    wait_until("all sleep", || app.sleepers().len() == 6);
    let supervisor = running.supervisor();
    running.signal(Signal::SIGSTOP);
    kill(supervisor, Signal::SIGKILL).unwrap();
    running.signal(Signal::SIGKILL);
    running.finish();
    app.wait_until_nothing_is_left();
}

#[test]
fn the_end_of_procmans_terminal_stops_instances_on_theirs() {
    let app = App::new("web: trap 'echo asked > asked; exit 0' TERM; touch ready; sleep 1000 & wait\n");
    let (running, keyboard) = app.run_on_unread_terminal(app.procman(&["start"]));
    wait_until("it is ready", || app.root().join("ready").exists());
    drop(keyboard);
    assert_eq!(running.finish().status, Some(0));
    assert_eq!(std::fs::read_to_string(app.root().join("asked")).unwrap(), "asked\n");
    app.assert_nothing_is_left();
}

#[test]
fn instances_on_terminals_stand_still_with_procman_and_go_on_with_it() {
    let app = App::new(&format!("web: trap 'echo running' USR1; {IDLE_ON}\n"));
    let running = app.start(&["--no-timestamp", "--pty", "always"]);
    running.wait_for("| ready");
    let everything = [running.pid(), running.supervisor(), running.pid_of("web.1")];
    let is_stopped = |pid: &Pid| state(pid.as_raw()) == Some('T');
    for round in 1..=3 {
        running.signal(Signal::SIGTSTP);
        wait_until("all stand still", || everything.iter().all(is_stopped));
        running.signal(Signal::SIGCONT);
        wait_until("all run", || !everything.iter().any(is_stopped));
        running.signal(Signal::SIGUSR1);
        running.wait_for_times("| running", round);
    }
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn a_progress_bar_on_a_terminal_stays_behind_its_prefix() {
    let app = App::new(
        "web: show() { for i in $(seq $1 $2); do printf '\\r%d%%' $i; done; }; \
              show 1 3; read go < go; show 4 6; echo; echo done; exec sleep 1000\n\
         worker: read tick < tick; echo tick; exec sleep 1000\n",
    );
    let (mut go, mut tick) = (app.gate("go"), app.gate("tick"));
    let command = app.procman(&["start", "--no-timestamp", "--no-color"]);
    let (running, _keyboard) = app.run_on_terminal(command);
    running.wait_for("3%");
    tick.open();
    running.wait_for("| tick\r\n");
    go.open();
    running.wait_for("| done\r\n");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    let bar = |prefix: &str, range: std::ops::RangeInclusive<u32>| {
        format!("{prefix}{}", range.map(|n| format!("\r{prefix}{n}%")).collect::<String>())
    };
    let [first, rest] = [bar("web.1    | ", 1..=3), bar("web.1    + ", 4..=6)];
    // No colour is left on; procman resets it before another's line all the same.
    let expected = format!("{first}\r\nworker.1 | tick\r\n{rest}\r\nweb.1    | done\r\n");
    assert!(end.stdout.replace("\x1b[0m", "").contains(&expected), "{:?}", end.stdout);
}

#[test]
fn the_guard_may_be_gone_when_the_terminal_sends_a_resize() {
    let app = App::new(&format!("web: trap 'stty size' WINCH TERM; {IDLE_ON}\n"));
    let mut command = app.command("sh");
    command.args(["-c", "\"$0\" start --no-timestamp --no-color -t 1; read line"]).arg(procman());
    let (running, keyboard) = app.run_on_terminal(command);
    running.wait_for("| ready");
    let guard = guard_of(running.pid());
    let supervisor = supervisor_of(guard);
    kill(guard, Signal::SIGKILL).unwrap();
    running.wait_for("the guard process is gone");
    keyboard.resize(33, 99);
    wait_until("all are gone", || !is_alive(supervisor.as_raw()));
    drop(running);
    app.wait_until_nothing_is_left();
}
