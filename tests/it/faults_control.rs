//! Faults around the control socket: what hostile, slow and many clients do to a formation, and what becomes of its
//! socket.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};

use crate::support::formation::{RESTS, descriptors, wait_for_descriptors};
use crate::support::{
    App, Gate, LIMIT, NOBODY, Running, peak, run_by, skipped, state, wait_until, wait_until_stuck,
};

/// An app whose instance writes a line whenever it is let to.
fn speaker() -> (App, Gate) {
    let app = App::new(&format!("web: {RESTS} & while read tick < go; do echo tick; done\n"));
    let go = app.gate("go");
    (app, go)
}

/// Checks that a formation goes on, whatever else is: what it writes is shown, once.
#[track_caller]
fn check_speaks(running: &Running, go: &mut Gate) {
    let before = running.output().matches("| tick\n").count();
    go.open();
    running.wait_for_times("| tick\n", before + 1);
    assert_eq!(running.output().matches("| tick\n").count(), before + 1);
}

fn connect(app: &App) -> UnixStream {
    let stream = UnixStream::connect(app.socket()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Returns all that is answered until the end, be that a reset for what has not been read.
fn answers(mut stream: &UnixStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn no_instance_has_a_descriptor_of_a_socket_or_a_client() {
    let app = App::new("web: ls /proc/$$/fd; echo end; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("| end\n");
    let logs = app.run(app.procman(&["logs", "-f", "--no-timestamp"]));
    logs.wait_for("| end\n");
    let silent = connect(&app);
    app.ask(&["scale", "web=3"]);
    app.ask(&["restart", "web.1"]);
    running.wait_for_times("| end\n", 4);
    drop(silent);
    app.quit_other(running);
    let end = logs.finish();
    for (name, from) in [("web.1", 7), ("web.2", 1), ("web.3", 1)] {
        assert_eq!(end.lines_of(name)[from..from + 4], ["0", "1", "2", "end"], "{}", end.stdout);
    }
}

#[test]
fn a_log_client_that_stands_still_holds_up_nobody_and_is_told_what_it_lost() {
    const LINES: usize = 1_000_000;
    let app = App::new(&format!("web: read go < go; seq {LINES}; touch all; {RESTS}\n"));
    let mut go = app.gate("go");
    let null = File::options().write(true).open("/dev/null").unwrap();
    let running = app.run_into(app.procman(&["start"]), null);
    wait_until("it runs", || app.socket().exists() && app.done(&["ps"]).status == Some(0));
    let logs = app.run(app.procman(&["logs", "-f", "--no-timestamp"]));
    logs.wait_for("started with pid ");
    let stuck = connect(&app);
    (&stuck).write_all(b"{\"version\":1,\"request\":{\"logs\":{\"names\":[],\"follow\":\"on\"}}}\n").unwrap();
    let mut first = String::new();
    BufReader::new(&stuck).read_line(&mut first).unwrap();
    logs.signal(Signal::SIGSTOP);
    wait_until("it stands still", || state(logs.pid().as_raw()) == Some('T'));
    go.open();
    wait_until("all is written", || app.root().join("all").exists());
    app.ask(&["scale", "web=2"]);
    assert_eq!(app.running(), ["web.1", "web.2"]);
    logs.signal(Signal::SIGCONT);
    logs.wait_for("| ready\n");
    app.quit_other(running);
    drop(stuck);
    let end = logs.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    let numbers: Vec<usize> = end.lines_of("web.1").iter().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other) && numbers.last() == Some(&LINES));
    let lost = end.lines_of("system").into_iter().filter_map(|line| {
        line.strip_prefix("web.1: ")?.strip_suffix(" lines skipped: this reader is too slow")?.parse().ok()
    });
    let lost: Vec<usize> = lost.collect();
    assert!(!lost.is_empty());
    assert_eq!(numbers.len() + lost.iter().sum::<usize>(), LINES);
}

#[test]
fn scaling_down_while_scaling_up_and_while_starting_converges() {
    let app = App::new("");
    app.file("Procfile", format!("web: exec sleep {}\n", app.tag()));
    let running = app.start(&["-m", "web=50"]);
    wait_until("it listens", || app.socket().exists());
    // It starts, or has just started.
    app.ask(&["scale", "web=1"]);
    let first = app.leader("web.1");
    for _ in 0..10 {
        let up = app.run(app.procman(&["scale", "web=30"]));
        app.ask(&["scale", "web=25", "--no-wait"]);
        app.ask(&["scale", "web=1"]);
        let end = up.finish();
        // It was there first or last, or it was overtaken.
        assert!(end.status == Some(0) || end.stderr.contains("overtaken by another request"), "{end:?}");
        app.ask(&["scale", "web=1"]);
        assert_eq!(app.running(), ["web.1"]);
        assert_eq!(app.seen().len(), 1);
        assert_eq!(app.sleepers(), [first]);
    }
    app.ask(&["scale", "web=3"]);
    assert_eq!(app.running(), ["web.1", "web.2", "web.3"]);
    app.quit(running);
}

#[test]
fn two_restarts_at_once_are_one() {
    let app = App::new(&format!("web: trap 'read go < go; exit' TERM; {RESTS}\n"));
    let mut go = app.gate("go");
    let running = app.start_ready(&["-t", "1000"], 1);
    let first = app.run(app.procman(&["restart", "web.1"]));
    wait_until("it is being stopped", || app.seen()[0].state == "stopping");
    app.ask(&["restart", "web.1", "--no-wait"]);
    app.ask(&["restart", "--no-wait"]);
    go.open();
    let end = first.finish();
    assert_eq!((end.status, end.stdout.starts_with("web.1 started with pid ")), (Some(0), true), "{end:?}");
    running.wait_for_times("| ready\n", 2);
    app.ask(&["quit", "--no-wait"]);
    go.open();
    let end = running.finish();
    assert_eq!(end.stdout.matches("started with pid").count(), 2, "{}", end.stdout);
}

#[test]
fn what_a_killed_procman_has_left_stands_in_nobodys_way() {
    let app = App::new("");
    app.file("Procfile", format!("web: exec sleep {}\n", app.tag()));
    for _ in 0..3 {
        let running = app.start(&[]);
        wait_until("it runs", || app.sleepers().len() == 1);
        assert_eq!(app.running(), ["web.1"]);
        let supervisor = running.supervisor();
        running.signal(Signal::SIGSTOP);
        kill(supervisor, Signal::SIGKILL).unwrap();
        running.signal(Signal::SIGKILL);
        running.finish();
        // Where the kernel does not do it.
        for pid in app.sleepers() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        app.wait_until_nothing_is_left();
        assert!(app.socket().exists());
        let end = app.done(&["ps"]);
        assert!(end.stderr.starts_with("procman: no procman runs this app\n"), "{end:?}");
    }
    let running = app.start(&[]);
    wait_until("it runs", || app.sleepers().len() == 1);
    app.quit(running);
}

#[test]
fn of_many_starts_at_once_one_runs_and_the_others_say_who() {
    let app = App::new("");
    app.file("Procfile", format!("web: exec sleep {}\n", app.tag()));
    for _ in 0..3 {
        let all: Vec<Running> = (0..30).map(|_| app.start(&[])).collect();
        wait_until("one runs", || app.sleepers().len() == 1);
        let winner = app.formation()["pid"].as_i64().unwrap();
        let mut won = Vec::new();
        for running in all {
            if i64::from(running.pid().as_raw()) == winner {
                won.push(running);
                continue;
            }
            let end = running.finish();
            let expected = format!("procman: this app runs already, as process {winner}\n");
            assert!(end.stderr.starts_with(&expected), "{end:?}");
            assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
        }
        assert_eq!(app.sleepers().len(), 1);
        app.quit(won.pop().unwrap());
    }
}

#[test]
fn another_user_finds_nothing_and_is_not_listened_to() {
    let app = App::new(&format!("web: {RESTS}\n"));
    if app.root().metadata().unwrap().uid() != 0 {
        return skipped("there is no other user to be: that takes root");
    }
    if !app.belongs_to(NOBODY) {
        return;
    }
    let running = app.start_ready(&[], 1);
    let (socket, directory) = (app.socket(), app.socket().parent().unwrap().to_owned());
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&directory)), (0o600, 0o700));
    let as_nobody = |arguments: &[&str]| app.run(run_by(NOBODY, app.procman(arguments))).finish();
    let path = socket.to_str().unwrap();
    let end = as_nobody(&["ps", "--socket", path]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    assert_eq!(end.stderr, format!("procman: cannot connect to `{path}`: not permitted\n"));
    let mut list = app.command("ls");
    list.arg(&directory).stderr(Stdio::null());
    assert!(!run_by(NOBODY, list).status().unwrap().success());
    // Nor is that directory one in which that user could run this app.
    let end = as_nobody(&["ps"]);
    assert!(end.stderr.ends_with("not permitted\n"), "{end:?}");
    // Who has opened both is not asked whether that was wise.
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    for command in [&["ps"][..], &["stop"], &["quit"], &["logs"]] {
        let end = as_nobody(&[command, &["--socket", path]].concat());
        assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""), "{end:?}");
        assert!(end.stderr.contains("will not answer this user"), "{end:?}");
    }
    assert_eq!(app.running(), ["web.1"]);
    app.quit(running);
}

#[test]
fn what_is_planted_where_the_socket_should_be_is_let_alone() {
    let plant: [fn(&Path, &Path); 4] = [
        |socket, precious| symlink(precious, socket).unwrap(),
        |socket, _| symlink("nowhere", socket).unwrap(),
        |socket, _| fs::write(socket, "other\n").unwrap(),
        |socket, _| fs::create_dir(socket).unwrap(),
    ];
    for plant in plant {
        let app = App::new(&format!("web: {RESTS}\n"));
        let precious = app.file("precious", "precious\n");
        let socket = app.socket();
        let directory = socket.parent().unwrap();
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
        plant(&socket, &precious);
        let kind = fs::symlink_metadata(&socket).unwrap().file_type();
        let notice = format!("`{}` exists and is no socket of this user", socket.display());
        check_alone(&app, app.start(&["--no-timestamp"]), &notice);
        assert_eq!(fs::symlink_metadata(&socket).unwrap().file_type(), kind);
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
        assert!(!directory.join("nowhere").exists());
    }
}

#[test]
fn a_directory_that_is_a_link_is_no_place_for_a_socket() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let directory = app.socket().parent().unwrap().to_owned();
    let elsewhere = app.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &directory).unwrap();
    let notice = format!("`{}` is no directory that only this user can change", directory.display());
    check_alone(&app, app.start(&["--no-timestamp"]), &notice);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// Checks that a formation runs, says once why nobody can talk to it, and ends as it should.
#[track_caller]
fn check_alone(app: &App, running: Running, notice: &str) {
    running.wait_for("| ready\n");
    assert_eq!(app.done(&["ps"]).status, Some(1));
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
    let notice = format!("nobody can talk to this procman: {notice}");
    assert_eq!(end.lines_of("system"), [&notice, "SIGTERM received, sending SIGTERM to all processes"]);
    app.assert_nothing_is_left();
}

#[test]
fn where_no_socket_can_be_made_the_formation_runs_with_a_notice() {
    let app = App::new(&format!("web: {RESTS}\n"));
    for (name, mode, reason) in
        [("closed", Some(0o555), "permission denied"), ("gone", None, "no such file or directory")]
    {
        let runtime = app.root().join(name);
        if let Some(mode) = mode {
            fs::create_dir(&runtime).unwrap();
            fs::set_permissions(&runtime, Permissions::from_mode(mode)).unwrap();
        }
        let mut command = app.procman(&["start", "--no-timestamp"]);
        command.env("XDG_RUNTIME_DIR", &runtime);
        let Some(command) = app.unprivileged(command) else { return };
        let notice = format!("`{}`: {reason}", runtime.join("procman").display());
        check_alone(&app, app.run(command), &notice);
    }
}

#[test]
fn where_nothing_can_be_written_the_formation_runs_with_a_notice() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let runtime = app.socket().parent().unwrap().parent().unwrap().to_owned();
    let in_namespace = |script: &str| {
        let mut command = app.command("unshare");
        let mount =
            format!("mount --bind {0} {0} && mount -o remount,bind,ro {0} && {script}", runtime.display());
        command.args(["-rm", "sh", "-c", &mount, "sh"]);
        command
    };
    if !in_namespace("true").output().is_ok_and(|output| output.status.success()) {
        return skipped("nothing can be mounted: that takes unshare(1) and namespaces of a user");
    }
    let mut command = in_namespace("exec \"$@\"");
    command.arg(crate::support::procman()).args(["start", "--no-timestamp"]);
    let notice = format!("`{}`: read-only file system", runtime.join("procman").display());
    check_alone(&app, app.run(command), &notice);
}

#[test]
fn paths_may_be_longer_than_an_address() {
    let app = App::new("");
    let deep = app.root().join(["a".repeat(100), "b".repeat(100), "c".repeat(100)].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("Procfile"), format!("web: echo $PROCMAN_SOCKET; {RESTS}\n")).unwrap();
    for arguments in [&["-d", deep.to_str().unwrap()][..], &["-d", deep.to_str().unwrap(), "--socket", "s"]] {
        let running = app.start_ready(arguments, 1);
        let text = app.ask(&[&["ps"], arguments].concat());
        assert!(text.contains("web.1  running"), "{text}");
        app.ask(&[&["quit"], arguments].concat());
        assert_eq!(running.finish().status, Some(0));
    }
    if cfg!(target_os = "linux") {
        let socket = deep.join("s");
        let arguments = ["-d", deep.to_str().unwrap(), "--socket", socket.to_str().unwrap()];
        let running = app.start_ready(&arguments, 1);
        running.wait_for(&format!("| {}\n", socket.canonicalize().unwrap().display()));
        app.ask(&[&["restart"], &arguments[..]].concat());
        app.ask(&[&["quit"], &arguments[..]].concat());
        assert_eq!(running.finish().status, Some(0));
        assert!(!socket.exists());
    }
}

#[test]
fn a_request_without_an_end_costs_nothing() {
    let (app, mut go) = speaker();
    let running = app.start_ready(&[], 1);
    check_speaks(&running, &mut go);
    let before = peak(running.supervisor());
    for _ in 0..5 {
        let stream = connect(&app);
        let zeros = vec![0; 1024 * 1024];
        let refused = (0..100).any(|_| (&stream).write_all(&zeros).is_err());
        assert!(refused, "100 MB were taken");
        check_speaks(&running, &mut go);
        answers(&stream);
    }
    let grown = peak(running.supervisor()) - before;
    assert!(grown < 4096, "{grown} kB more");
    app.quit(running);
}

#[test]
fn slow_and_silent_clients_delay_nobody() {
    let (app, mut go) = speaker();
    let running = app.start_ready(&[], 1);
    let silent: Vec<UnixStream> = (0..200).map(|_| connect(&app)).collect();
    let slow = connect(&app);
    for byte in b"{\"version\":1," {
        (&slow).write_all(&[*byte]).unwrap();
        check_speaks(&running, &mut go);
    }
    assert_eq!(app.running(), ["web.1"]);
    app.ask(&["signal", "CONT"]);
    // In the end it is told, however it goes on.
    let reader = slow.try_clone().unwrap();
    let told = std::thread::spawn(move || answers(&reader));
    wait_until("it is refused", || {
        let _ = (&slow).write_all(b" ");
        told.is_finished()
    });
    let told = told.join().unwrap();
    assert!(told.is_empty() || told.starts_with("{\"refused\":{\"message\":\""), "{told}");
    check_speaks(&running, &mut go);
    drop(silent);
    app.quit(running);
}

#[test]
fn malformed_requests_change_nothing_and_delay_nobody() {
    let (app, mut go) = speaker();
    let running = app.start_ready(&[], 1);
    let (before, open) = (app.seen(), descriptors(running.supervisor()).len());
    let deep = format!("{{\"version\":1,\"request\":{}", "[".repeat(30_000));
    let requests: [&[u8]; 14] = [
        b"\n",
        b"{",
        b"\0\0\0\n",
        b"\xff\xfe\n",
        b"null\n",
        b"[]\n",
        b"{\"version\":1}\n",
        b"{\"version\":2,\"request\":{\"quit\":{\"wait\":\"outcome\"}}}\n",
        b"{\"version\":1e400,\"request\":{\"quit\":{\"wait\":\"outcome\"}}}\n",
        b"{\"version\":1,\"version\":1,\"request\":{\"quit\":{\"wait\":\"outcome\"}}}\n",
        b"{\"version\":1,\"request\":{\"quit\":{\"wait\":\"outcome\"},\"ps\":{}}}\n",
        b"{\"version\":1,\"request\":{\"quit\":{\"wait\":\"never\"}}}\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        deep.as_bytes(),
    ];
    for _ in 0..10 {
        for request in requests {
            let stream = connect(&app);
            // It may have heard enough before the end.
            let _ = (&stream).write_all(request);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let answer = answers(&stream);
            assert!(answer.is_empty() || answer.starts_with("{\"refused\":{"), "{answer}");
        }
        check_speaks(&running, &mut go);
    }
    assert_eq!(app.seen(), before);
    wait_for_descriptors(running.supervisor(), open);
    app.quit(running);
}

#[test]
fn a_client_that_is_killed_within_an_answer_leaves_nothing_open() {
    let app = App::new(&format!("web: seq 100000; {RESTS}\n"));
    let null = File::options().write(true).open("/dev/null").unwrap();
    let running = app.run_into(app.procman(&["start", "--log-buffer", "10M"]), null);
    wait_until("it runs", || app.socket().exists() && app.done(&["ps"]).status == Some(0));
    wait_until("all is written", || {
        app.ask(&["logs", "-n", "1", "--log-format", "raw"]).ends_with("ready\n")
    });
    let supervisor = running.supervisor();
    let open = descriptors(supervisor).len();
    for follow in ["-n1000000", "-f"] {
        for _ in 0..5 {
            let mut client = app.procman(&["logs", follow, "--log-format", "raw"]);
            let mut client = client.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            // It waits for its reader, and procman for it.
            wait_until_stuck(client.stdout.as_ref().unwrap());
            client.kill().unwrap();
            client.wait().unwrap();
        }
    }
    let clients: Vec<UnixStream> = (0..20).map(|_| connect(&app)).collect();
    for client in &clients {
        let mut client = client;
        client
            .write_all(b"{\"version\":1,\"request\":{\"logs\":{\"names\":[],\"follow\":\"on\"}}}\n")
            .unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
    }
    drop(clients);
    wait_for_descriptors(supervisor, open);
    assert_eq!(app.running(), ["web.1"]);
    app.quit_other(running);
}

/// Only inotify tells.
#[cfg(not(procman_portable))]
#[test]
fn a_socket_that_is_removed_is_there_again() {
    let (app, mut go) = speaker();
    let running = app.start_ready(&[], 1);
    fs::remove_file(app.socket()).unwrap();
    running.wait_for("the socket has been removed, and is there again");
    check_speaks(&running, &mut go);
    assert_eq!(app.running(), ["web.1"]);
    let second = app.done(&["start"]);
    assert_eq!(second.status, Some(1));
    assert!(second.stderr.starts_with("procman: this app runs already, as process "), "{second:?}");
    app.quit_other(running);
    assert!(!app.socket().exists());
    app.assert_nothing_is_left();
}

#[test]
fn a_socket_that_is_replaced_ends_nothing_and_what_is_there_stays() {
    let (app, mut go) = speaker();
    let running = app.start_ready(&[], 1);
    let other = app.file("other", "other\n");
    fs::rename(other, app.socket()).unwrap();
    check_speaks(&running, &mut go);
    let end = app.done(&["ps"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
    assert_eq!(fs::read_to_string(app.socket()).unwrap(), "other\n");
    app.assert_nothing_is_left();
}
