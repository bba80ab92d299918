//! The commands that talk to a running procman, against one that runs: what they do to the formation and to no other.

use std::fs;

use nix::sys::resource::Resource;
use nix::sys::signal::{Signal, kill};

use crate::support::formation::{RESTS, Seen};
use crate::support::{App, IDLE_ON, limit, wait_until};

/// An app with two types, whose instances rest.
fn app() -> App {
    App::new(&format!("web: echo on $PORT as $PS; {RESTS}\nworker: {RESTS}\n"))
}

/// Returns a text with `N` for each process id in `pid 123`.
fn without_pids(text: &str) -> String {
    let mut pieces = text.split("pid ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + "pid N" + piece.trim_start_matches(char::is_numeric))
}

#[track_caller]
fn check_ports(app: &App, expected: &[(&str, u64)]) {
    let seen = app.seen();
    let ports: Vec<(&str, u64)> = seen.iter().map(|seen| (seen.name.as_str(), seen.port)).collect();
    assert_eq!(ports, expected);
    assert!(seen.iter().all(|seen| seen.state == "running"), "{seen:?}");
}

#[test]
fn ps_shows_every_instance_as_it_is() {
    let app = app();
    let running = app.start_ready(&["-m", "web=2"], 2);
    let pids = ["web.1", "web.2"].map(|name| running.pid_of(name));
    let table = app.ask(&["ps"]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = ["NAME", "STATE", "PID", "PORT", "UPTIME", "RESTARTS", "CPU", "MEM", "LAST", "EXIT"];
    assert_eq!(lines[0], head);
    for ((line, pid), (name, port)) in lines[1..].iter().zip(pids).zip([("web.1", "5000"), ("web.2", "5001")])
    {
        assert_eq!(line[..4], [name, "running", &pid.to_string(), port]);
        assert_eq!((line[5], line[8]), ("0", "-"), "{table}");
    }
    assert_eq!(lines[3..].concat(), ["no", "instances:", "worker"]);

    let formation = app.formation();
    assert_eq!(formation["pid"], running.pid().as_raw());
    assert_eq!(formation["root"].as_str(), app.root().canonicalize().unwrap().to_str());
    assert_eq!(formation["stopping"], false);
    assert_eq!(formation["types"], serde_json::json!(["web", "worker"]));
    let web = &formation["instances"][1];
    assert_eq!((&web["process"], &web["number"]), (&"web".into(), &2.into()));
    assert!(web["uptime"].as_f64().unwrap() >= 0.0);
    assert_eq!((&web["last_exit"], &web["terminal"]), (&serde_json::Value::Null, &false.into()));
    // Pipes are no secret, and a shell with a child has memory.
    if cfg!(all(target_os = "linux", not(procman_portable))) {
        assert!(web["memory"].as_u64().unwrap() > 100_000, "{web}");
        assert!(web["cpu"].as_f64().unwrap() >= 0.0, "{web}");
        assert!(lines[1][7].ends_with(['K', 'M']), "{table}");
    }
    app.quit(running);
}

#[test]
fn ps_counts_starts_and_remembers_the_last_end() {
    let app = App::new(&format!("web: trap 'exit 3' TERM; {RESTS}\n"));
    let running = app.start_ready(&[], 1);
    app.ask(&["restart"]);
    running.wait_for_times("| ready\n", 2);
    let web = &app.formation()["instances"][0];
    assert_eq!((&web["restarts"], &web["last_exit"]), (&1.into(), &"exited with code 3".into()));
    let table = app.ask(&["ps"]);
    assert!(table.lines().nth(1).unwrap().ends_with("  code 3"), "{table}");
    app.quit(running);
}

#[test]
fn ps_watches_until_the_formation_has_ended() {
    let app = app();
    let running = app.start_ready(&[], 2);
    let watch = app.run(app.procman(&["ps", "--watch"]));
    let objects = app.run(app.procman(&["ps", "--watch", "--json"]));
    watch.wait_for_times("NAME ", 2);
    objects.wait_for_times("{\"pid\":", 2);
    app.quit_other(running);
    for end in [watch.finish(), objects.finish()] {
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), "procman: the formation has ended\n"));
        assert!(!end.stdout.contains('\x1b'), "{}", end.stdout);
        assert!(end.stdout.contains("%CPU") || end.stdout.lines().all(|line| line.starts_with('{')));
    }
}

/// A terminal that understands no sequences was sent some.
#[test]
fn ps_watches_on_any_terminal() {
    let app = app();
    let running = app.start_ready(&[], 2);
    for (term, redraws) in [("xterm", true), ("dumb", false)] {
        let mut command = app.procman(&["ps", "--watch"]);
        command.env("TERM", term);
        let (watch, mut keyboard) = app.run_on_terminal(command);
        watch.wait_for_times("NAME ", 2);
        keyboard.press("\x03");
        assert_eq!(watch.finish().stdout.contains('\x1b'), redraws, "{term}");
    }
    app.quit(running);
}

#[test]
fn ps_watches_no_longer_than_somebody_reads() {
    let app = app();
    let running = app.start_ready(&[], 2);
    for format in [&[][..], &["--json"]] {
        let (watch, reader) = app.run_unread(app.procman(&[&["ps", "--watch"], format].concat()));
        drop(reader);
        let end = watch.finish();
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{format:?}");
    }
    app.quit(running);
}

#[test]
fn scale_starts_the_next_numbers_and_stops_the_highest() {
    let app = app();
    let running = app.start_ready(&[], 2);
    let first = app.leader("web.1");
    let text = without_pids(&app.ask(&["scale", "web=3"]));
    assert_eq!(text, "web.2 started with pid N\nweb.3 started with pid N\n");
    running.wait_for("web.3    | on 5002 as web.3\n");
    check_ports(&app, &[("web.1", 5000), ("web.2", 5001), ("web.3", 5002), ("worker.1", 5100)]);

    app.ask(&["scale", "web+1", "worker+1"]);
    let all = [("web.1", 5000), ("web.2", 5001), ("web.3", 5002), ("web.4", 5003)];
    check_ports(&app, &[&all[..], &[("worker.1", 5100), ("worker.2", 5101)]].concat());

    let text = app.ask(&["scale", "web-2", "worker=0"]);
    for name in ["web.3", "web.4", "worker.1", "worker.2"] {
        assert!(text.contains(&format!("{name} stopped, terminated by SIGTERM\n")), "{text}");
    }
    check_ports(&app, &all[..2]);
    assert!(app.ask(&["ps"]).ends_with("no instances: worker\n"));
    // Fewer than there are is none, and whose number was used before gets it again.
    app.ask(&["scale", "web-5", "all=1"]);
    check_ports(&app, &[("worker.1", 5100)]);
    app.ask(&["scale", "all=2"]);
    check_ports(&app, &[&all[..2], &[("worker.1", 5100), ("worker.2", 5101)]].concat());
    assert_ne!(app.leader("web.1"), first);
    app.ask(&["scale", "all=0"]);
    assert_eq!(app.seen(), []);
    let end = app.quit(running);
    assert_eq!(end.lines_of("web.2").last().unwrap(), "terminated by SIGTERM");
}

#[test]
fn scale_asks_gracefully_and_kills_at_the_deadline() {
    let app = App::new(&format!("web: trap 'echo asked' TERM; {IDLE_ON}\n"));
    let running = app.start_ready(&["-m", "web=2", "-t", "1"], 2);
    let end = app.done(&["scale", "web=1"]);
    assert_eq!(end.status, Some(0));
    assert!(end.stdout.ends_with("web.2 stopped, terminated by SIGKILL\n"), "{end:?}");
    assert_eq!(app.running(), ["web.1"]);
    let end = app.quit(running);
    assert_eq!(end.lines_of("web.2")[2..], ["asked", "terminated by SIGKILL"]);
}

#[test]
fn scale_refuses_what_cannot_be_and_changes_nothing() {
    let app = app();
    // A limit of its own: without one, so many would be started, and others need processes too.
    let mut command = app.procman(&["start", "--no-timestamp"]);
    limit(&mut command, Resource::RLIMIT_NOFILE, 128);
    let running = app.run(command);
    running.wait_for_times("| ready\n", 2);
    for (changes, expected) in [
        (&["web=101"][..], "procman: `worker.1` and `web.101` would both get port 5100"),
        (&["worker=70000"], "procman: `worker=70000` is too many: 10000 is the most"),
        (&["worker+10000"], "procman: `worker` would have 10001 instances, and 10000 are the most"),
        (&["wbe=1"], "procman: unknown process `wbe`, did you mean `web`; there is `web`, `worker`"),
        (&["web=2", "web=3"], "procman: `web` has more than one count"),
        (&["web"], "procman: `web` is not `name=count`, `name+count` or `name-count`"),
    ] {
        assert_eq!(app.ask_in_vain(&[&["scale"], changes].concat()), expected);
    }
    let most = app.ask_in_vain(&["scale", "worker=150"]);
    assert!(
        most.starts_with("procman: that needs ") && most.ends_with(" open files, and the limit is 128"),
        "{most}"
    );
    app.quit(running);
}

#[test]
fn names_are_padded_to_those_that_have_come() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let running = app.start_ready(&["-p", "20000"], 1);
    running.wait_for("web.1  | ready\n");
    app.ask(&["scale", "web=10"]);
    running.wait_for("web.10 | ready\n");
    app.ask(&["scale", "web=100"]);
    running.wait_for("web.100 | ready\n");
    app.ask(&["restart", "web.1"]);
    running.wait_for("web.1   | ready\n");
    app.quit(running);
}

#[test]
fn restart_is_for_those_that_are_named() {
    let app = app();
    let running = app.start_ready(&["-m", "web=2,worker=1"], 3);
    let check = |arguments: &[&str], new: [bool; 3]| {
        let before = app.seen();
        let text = app.ask(arguments);
        let after = app.seen();
        let is_new = |(before, after): (&Seen, &Seen)| before.pid != after.pid;
        let changed: Vec<bool> = before.iter().zip(&after).map(is_new).collect();
        assert_eq!(changed, new, "{arguments:?}");
        for seen in after.iter().zip(new).filter_map(|(seen, new)| new.then_some(seen)) {
            assert!(text.contains(&format!("{} started with pid {}\n", seen.name, seen.pid)), "{text}");
        }
        assert_eq!(text.lines().count(), new.iter().filter(|new| **new).count());
    };
    check(&["restart", "web.2"], [false, true, false]);
    check(&["restart", "web"], [true, true, false]);
    check(&["restart", "worker", "web.1"], [true, false, true]);
    check(&["restart"], [true, true, true]);
    app.quit(running);
}

#[test]
fn what_is_stopped_stays_down_until_it_is_wanted() {
    let app = app();
    let running = app.start_ready(&["-m", "web=2,worker=1"], 3);
    assert_eq!(app.ask(&["stop", "web.1"]), "web.1 stopped, terminated by SIGTERM\n");
    assert_eq!(app.running(), ["web.2", "worker.1"]);
    assert_eq!(app.ask(&["stop", "web.1"]), "web.1 did not run\n");
    let table = app.ask(&["ps"]);
    let cells: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(cells[..4], ["web.1", "down", "-", "5000"], "{table}");
    // What is known at once is told at once.
    let text = without_pids(&app.ask(&["up", "web"]));
    assert_eq!(text, "web.2 runs already, with pid N\nweb.1 started with pid N\n");
    // All of it may be down; procman stays.
    assert_eq!(app.ask(&["stop"]).lines().count(), 3);
    assert!(app.running().is_empty());
    assert_eq!(app.ask(&["up"]).lines().count(), 3);
    assert_eq!(app.running(), ["web.1", "web.2", "worker.1"]);
    app.ask(&["stop", "worker"]);
    app.ask(&["restart", "worker"]);
    assert_eq!(app.running().len(), 3);
    app.quit(running);
}

#[test]
fn a_signal_goes_to_the_whole_group() {
    let app = App::new(&format!(
        "web: sh -c 'trap \"echo child $PS\" USR1; {0}' & trap 'echo leader' USR1; {0}\n",
        "while :; do sleep 1000 & echo ready; wait; done"
    ));
    let running = app.start_ready(&["-m", "web=2"], 4);
    assert_eq!(app.ask(&["signal", "USR1", "web.2"]), "web.2 signalled\n");
    running.wait_for("web.2  | child web.2\n");
    running.wait_for("web.2  | leader\n");
    assert!(!running.output().contains("web.1  | leader"), "{}", running.output());
    app.ask(&["signal", "SIGUSR1"]);
    running.wait_for("web.1  | leader\n");
    running.wait_for_times("web.2  | leader\n", 2);
    app.ask(&["stop", "web.1"]);
    let end = app.done(&["signal", "USR1", "web"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), "web.2 signalled\n"));
    assert_eq!(end.stderr, "procman: web.1 does not run, so no signal was sent\n");
    let refused = app.ask_in_vain(&["signal", "FOO", "web"]);
    assert!(refused.starts_with("procman: ") && refused.contains("`FOO`"), "{refused}");
    app.quit(running);
}

#[test]
fn unknown_names_are_refused_with_those_that_are_known() {
    let app = app();
    let running = app.start_ready(&[], 2);
    let unknown = "procman: unknown process `wbe`, did you mean `web`; there is `web`, `worker`";
    for command in [&["restart", "wbe"][..], &["stop", "wbe"], &["up", "wbe"], &["signal", "USR1", "wbe"]] {
        assert_eq!(app.ask_in_vain(command), unknown);
    }
    // One that is known does not help.
    assert_eq!(app.ask_in_vain(&["restart", "web", "wbe"]), unknown);
    assert_eq!(app.ask_in_vain(&["stop", "web.2"]), "procman: unknown process `web.2`; there is `web.1`");
    let known = "\nhint: known are `web`, `worker`, `web.1`, `worker.1`, `system`";
    assert_eq!(app.ask_in_vain(&["logs", "wbe"]), format!("procman: unknown process `wbe`{known}"));
    app.quit(running);
}

#[test]
fn quit_waits_for_the_end_and_shows_it() {
    let app = App::new(&format!("web: trap 'echo bye; exit 3' TERM; {RESTS}\nworker: {RESTS}\n"));
    let running = app.start_ready(&[], 2);
    let (web, worker) = (app.leader("web.1"), app.leader("worker.1"));
    let end = app.done(&["quit"]);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    let mut lines: Vec<&str> = end.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["web.1 stopped, exited with code 3", "worker.1 stopped, terminated by SIGTERM"]);
    // When it has returned there is nothing any more to talk to, nor anything that ran.
    assert!(!app.socket().exists());
    assert!([web, worker].iter().all(|pid| kill(*pid, None).is_err()));
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    app.assert_nothing_is_left();
    assert_eq!(end.lines_of("system"), ["asked to quit, sending SIGTERM to all processes"]);
    assert_eq!(end.lines_of("web.1")[2..], ["bye", "exited with code 3"]);
}

#[test]
fn who_does_not_wait_is_answered_at_once() {
    let app = App::new(&format!("web: trap 'read go < go; exit' TERM; {RESTS}\n"));
    let mut go = app.gate("go");
    let running = app.start_ready(&["-t", "1000"], 1);
    let before = app.leader("web.1");
    assert_eq!(app.ask(&["restart", "--no-wait"]), "");
    assert_eq!(app.seen()[0].state, "stopping");
    go.open();
    wait_until("it is another", || app.seen()[0].state == "running" && app.leader("web.1") != before);
    running.wait_for_times("| ready\n", 2);
    assert_eq!(app.ask(&["quit", "--no-wait"]), "");
    // Clients still see what there is, and can change nothing.
    assert_eq!(app.formation()["stopping"], true);
    assert!(app.ask(&["ps"]).ends_with("the formation is being stopped\n"));
    for command in [&["scale", "web=5"][..], &["restart"], &["up", "web"], &["stop"], &["signal", "USR1"]] {
        assert_eq!(app.ask_in_vain(command), "procman: the formation is being stopped");
    }
    go.open();
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn who_waits_for_a_change_is_told_of_the_end() {
    let app = App::new(&format!("web: trap 'read go < go; exit 4' TERM; {RESTS}\n"));
    let mut go = app.gate("go");
    let running = app.start_ready(&["-t", "1000"], 1);
    let restart = app.run(app.procman(&["restart"]));
    wait_until("it is being stopped", || app.seen()[0].state == "stopping");
    running.signal(Signal::SIGTERM);
    let end = restart.finish();
    assert_eq!(end.status, Some(1));
    assert_eq!(end.stderr, "procman: web.1 was overtaken by another request or by the formation's end\n");
    go.open();
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn a_start_that_fails_is_told_with_its_reason_and_ends_nobody() {
    let app = app();
    std::fs::create_dir(app.root().join("inner")).unwrap();
    let running = app.start_ready(&["-d", "inner", "-f", "Procfile", "--socket", "s", "-m", "web=1"], 1);
    std::fs::remove_dir(app.root().join("inner")).unwrap();
    let end = app.done(&["scale", "worker=1", "--socket", "s"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    let inner = app.root().canonicalize().unwrap().join("inner");
    let reason = format!("cannot use `{}` as working directory: no such file or directory", inner.display());
    assert_eq!(end.stderr, format!("procman: worker.1 could not be started: {reason}\n"));
    let table = app.ask(&["ps", "--socket", "s"]);
    assert!(table.contains("web.1     running") && table.contains("worker.1  down"), "{table}");
    app.ask(&["quit", "--socket", "s"]);
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    assert!(
        end.stdout.contains(&format!("system   | worker.1 could not be started: {reason}\n")),
        "{}",
        end.stdout
    );
}

#[test]
fn a_formation_is_found_though_its_directory_is_gone() {
    let app = App::new("");
    let root = app.root().canonicalize().unwrap().join("above/shop");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("Procfile"), format!("web: {RESTS}\n")).unwrap();
    std::os::unix::fs::symlink(app.root(), app.root().join("link")).unwrap();
    let running = app.start_ready(&["-d", "above/shop"], 1);
    fs::remove_dir_all(root.parent().unwrap()).unwrap();
    for path in ["above/shop", "link/above/./shop/"] {
        assert!(app.ask(&["ps", "-d", path]).contains("web.1  running"), "{path}");
        assert!(app.ask(&["logs", "-d", path, "--no-timestamp"]).contains("web.1  | ready\n"), "{path}");
    }
    let end = app.done(&["ps", "-d", "above/other"]);
    assert_eq!((end.status, end.stderr.as_str()), (Some(1), "procman: no directory at `above/other`\n"));
    assert!(app.ask(&["quit", "-d", "above/shop"]).starts_with("web.1 stopped"));
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn an_instance_may_ask_for_its_own_restart() {
    let app = App::new(&format!("web: read go < go; \"$PROCMAN\" restart $PS; {RESTS}\n"));
    let mut go = app.gate("go");
    let mut command = app.procman(&["start", "--no-timestamp"]);
    command.env("PROCMAN", crate::support::procman());
    let running = app.run(command);
    let before = running.pid_of("web.1");
    go.open();
    running.wait_for_times("web.1  | started with pid ", 2);
    wait_until("it runs", || app.running() == ["web.1"]);
    assert_ne!(app.leader("web.1"), before);
    let environment = std::fs::read(format!("/proc/{}/environ", app.leader("web.1"))).unwrap();
    let socket = format!("PROCMAN_SOCKET={}", app.socket().display());
    assert!(environment.split(|byte| *byte == 0).any(|variable| variable == socket.as_bytes()));
    app.quit(running);
}

#[test]
fn a_start_below_an_instance_is_a_formation_of_its_own() {
    let app = App::new("web: exec \"$PROCMAN\" start --no-timestamp -d inner\n");
    std::fs::create_dir(app.root().join("inner")).unwrap();
    app.file("inner/Procfile", format!("inner: echo $PROCMAN_SOCKET; {RESTS}\n"));
    let mut command = app.procman(&["start", "--no-timestamp"]);
    command.env("PROCMAN", crate::support::procman());
    let running = app.run(command);
    running.wait_for("| ready\n");
    let inner = app.socket_of(&app.root().join("inner"));
    running.wait_for(&format!("web.1  | inner.1 | {}\n", inner.display()));
    assert_eq!(app.running(), ["web.1"]);
    let text = app.ask(&["ps", "-d", "inner"]);
    assert!(text.contains("inner.1  running"), "{text}");
    app.quit(running);
    assert!(!inner.exists());
}

#[test]
fn a_second_start_says_who_runs_and_a_socket_of_its_own_lets_it_run() {
    let app = app();
    let running = app.start_ready(&[], 2);
    let end = app.done(&["start", "-p", "6000"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    let expected = format!(
        "procman: this app runs already, as process {}\n\
         hint: `procman quit` ends it; `--socket PATH` lets another one run beside it\n",
        running.pid()
    );
    assert_eq!(end.stderr, expected);
    let other = app.start_ready(&["-p", "6000", "--socket", "other.sock"], 2);
    let port = |seen: Vec<Seen>| seen[0].port;
    assert_eq!(port(app.seen()), 5000);
    let text = app.ask(&["ps", "--socket", "other.sock"]);
    assert!(text.contains("6000") && !text.contains("5000"), "{text}");
    app.ask(&["quit", "--socket", "other.sock"]);
    assert_eq!(other.finish().status, Some(0));
    assert!(!app.root().join("other.sock").exists());
    assert_eq!(app.running(), ["web.1", "worker.1"]);
    app.quit(running);
}

#[test]
fn without_a_socket_nobody_is_listened_to() {
    let app = App::new(&format!("web: echo socket ${{PROCMAN_SOCKET-none}}; {RESTS}\n"));
    let running = app.start_ready(&["--no-socket"], 1);
    running.wait_for("| socket none\n");
    assert!(!app.socket().exists());
    let end = app.done(&["ps"]);
    assert_eq!(end.status, Some(1));
    assert!(end.stderr.starts_with("procman: no procman runs this app\nhint: "), "{end:?}");
    // So there may be another one.
    let other = app.start_ready(&[], 1);
    app.quit_other(other);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn a_socket_that_cannot_be_had_where_it_is_named_is_an_error() {
    let app = app();
    app.file("file", "precious\n");
    for (path, expected) in [
        ("gone/s", "procman: nobody could talk to this procman: `ROOT/gone/s`: no such file or directory\n"),
        (
            "file",
            "procman: nobody could talk to this procman: `ROOT/file` exists and is no socket of this user\n",
        ),
        ("file/s", "procman: nobody could talk to this procman: `ROOT/file/s`: not a directory\n"),
    ] {
        let end = app.done(&["start", "--socket", path]);
        let root = app.root().canonicalize().unwrap();
        let expected = expected.replace("ROOT", root.to_str().unwrap())
            + "hint: `--socket PATH` names another place, `--no-socket` does without one\n";
        assert_eq!((end.status, end.stderr.as_str(), end.stdout.as_str()), (Some(1), &*expected, ""));
    }
    assert_eq!(std::fs::read_to_string(app.root().join("file")).unwrap(), "precious\n");
}
