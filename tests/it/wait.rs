//! `procman wait`: services and instances that are there, come late or never come.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::formation::RESTS;
use crate::support::http::deaf_port;
use crate::support::{App, End, Running, wait_until};

fn app(env: &str) -> App {
    let app = App::new(&format!("web: {RESTS}\nworker: {RESTS}\n"));
    app.file(".env", env);
    app
}

#[track_caller]
fn check(end: &End, status: i32, stderr: &str) {
    let End { status: found, stdout, stderr: said, .. } = end;
    assert_eq!((*found, stdout.as_str(), said.as_str()), (Some(status), "", stderr));
}

/// Starts to wait, and returns once it has said what for.
#[track_caller]
fn start(app: &App, arguments: &[&str], says: &str) -> Running {
    // What it says goes to standard error, which is read as the output here.
    let mut command = app.command("sh");
    command
        .args(["-c", "exec \"$0\" \"$@\" 2>&1"])
        .arg(crate::support::procman())
        .arg("wait")
        .args(arguments);
    let running = app.run(command);
    running.wait_for(says);
    running
}

/// Returns what came, with `N` for the seconds.
fn without_seconds(text: &str) -> String {
    let line = |line: &str| match line.split_once(" after ") {
        Some((before, _)) => format!("{before} after N s\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn a_service_that_is_there_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = app(&format!("DATABASE_URL=postgres://me:s3cret@127.0.0.1:{port}/db\nCACHE_URL=sqlite:x\n"));
    let there = format!("DATABASE_URL (127.0.0.1:{port}) accepts connections\n");
    check(&app.done(&["wait", "env:DATABASE_URL"]), 0, &there);
    check(&app.done(&["wait"]), 0, &there);
    check(&app.done(&["wait", "--timeout", "0", "env:DATABASE_URL"]), 0, &there);
    // A URL needs no app.
    std::fs::remove_file(app.root().join("Procfile")).unwrap();
    let url = format!("redis://:s3cret@127.0.0.1:{port}");
    check(&app.done(&["wait", &url, &url]), 0, &format!("127.0.0.1:{port} accepts connections\n"));
}

#[test]
fn procmans_own_environment_counts_too_and_the_files_win() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = app(&format!("A_URL=tcp://127.0.0.1:{port}\n"));
    let wait = |arguments: &[&str]| {
        let mut command: Command = app.procman(&[&["wait"], arguments].concat());
        command.env("A_URL", "unset").env("B", format!("tcp://127.0.0.1:{port}"));
        app.run(command).finish()
    };
    let there = |name: &str| format!("{name} (127.0.0.1:{port}) accepts connections\n");
    check(&wait(&["env:A_URL"]), 0, &there("A_URL"));
    check(&wait(&["env:B"]), 0, &there("B"));
    let end = wait(&["env:A_URL", "--env-precedence", "shell"]);
    check(&end, 1, "procman: `A_URL` is not a URL\nhint: a URL is like tcp://localhost:5432\n");
}

#[test]
fn a_service_that_comes_late_is_waited_for() {
    let app = app("");
    let path = app.root().join("s");
    let (name, url) = (path.display(), format!("unix:{}", path.display()));
    let running = start(&app, &[&url], &format!("waiting for {name}: no such host or socket\n"));
    let _listener = UnixListener::bind(&path).unwrap();
    let end = running.finish();
    let expected =
        format!("waiting for {name}: no such host or socket\n{name} accepts connections after N s\n");
    assert_eq!((end.status, without_seconds(&end.stdout)), (Some(0), expected));
}

#[test]
fn a_service_that_never_comes_is_named_when_the_time_is_up() {
    let [(_one, one), (_other, other)] = [deaf_port(), deaf_port()];
    let app = app(&format!("A_URL=tcp://127.0.0.1:{one}\nB_URL=tcp://127.0.0.1:{other}\n"));
    let (one, other) = (format!("A_URL (127.0.0.1:{one})"), format!("B_URL (127.0.0.1:{other})"));
    let missing = format!("{one} (connection refused), {other} (connection refused)\n");
    check(&app.done(&["wait", "-t", "0"]), 1, &format!("procman: still missing: {missing}"));
    let end = app.done(&["wait", "-t", "0.3"]);
    assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""));
    // Why not may not be known yet.
    let last = end.stderr.lines().last().unwrap();
    assert!(last.starts_with(&format!("procman: still missing after 0.3 s: {one} (")), "{end:?}");
    assert!(last.contains(&format!("), {other} (")), "{end:?}");
}

#[test]
fn the_time_may_stand_in_the_file_of_the_app() {
    let (_socket, port) = deaf_port();
    let app = app(&format!("A_URL=tcp://127.0.0.1:{port}\n"));
    app.file("procman.toml", "wait-timeout = 0\n");
    let missing = format!("procman: still missing: A_URL (127.0.0.1:{port}) (connection refused)\n");
    check(&app.done(&["wait"]), 1, &missing);
    check(&app.done(&["wait", "web"]), 1, "procman: still missing: web (not running)\n");
}

#[test]
fn what_names_no_service_is_an_error_that_shows_no_value() {
    let app = app("BAD=s3cret\nODD=foo://s3cret@\n");
    let hint = "hint: a URL is like tcp://localhost:5432\n";
    check(&app.done(&["wait", "env:BAD"]), 1, &format!("procman: `BAD` is not a URL\n{hint}"));
    check(&app.done(&["wait", "env:ODD"]), 1, "procman: `ODD` names no host to connect to\n");
    check(&app.done(&["wait", "env:GONE"]), 1, "procman: `GONE` is not set\n");
    check(&app.done(&["wait", "web", "s3cret:80"]), 1, &format!("procman: argument 2 is not a URL\n{hint}"));
    let none = "procman: no variable of the app's environment names a service as `..._URL`\n\
                hint: `procman wait env:NAME` waits for that of another variable\n";
    check(&app.done(&["wait"]), 1, none);
    assert_eq!(app.done(&["wait", "-t", "soon"]).status, Some(2));
}

#[test]
fn instances_are_waited_for_before_there_is_a_formation() {
    let app = app("");
    check(&app.done(&["wait", "web", "-t", "0"]), 1, "procman: still missing: web (not running)\n");
    // There is nothing to wait for.
    let unknown = "procman: unknown process `wbe`, did you mean `web`; there is `web`, `worker`\n";
    check(&app.done(&["wait", "wbe"]), 1, unknown);
    let waiting = start(&app, &["web", "worker.1"], "waiting for worker.1: not running\n");
    let running = app.start_ready(&[], 2);
    let end = waiting.finish();
    let expected = "waiting for web: not running\nwaiting for worker.1: not running\n\
                    web is ready after N s\nworker.1 is ready after N s\n";
    assert_eq!((end.status, without_seconds(&end.stdout).as_str()), (Some(0), expected));
    check(&app.done(&["wait", "web"]), 0, "web is ready\n");
    check(&app.done(&["wait", "wbe"]), 1, unknown);
    let none = "procman: still missing: web.2 (no such instance)\n";
    check(&app.done(&["wait", "web.2", "-t", "0"]), 1, none);
    app.ask(&["stop", "web"]);
    let down = "procman: still missing: web (web.1 (down))\n";
    check(&app.done(&["wait", "web", "-t", "0"]), 1, down);
    app.quit(running);
}

#[test]
fn an_interruption_ends_the_waiting_and_what_would_have_followed() {
    let app = app("");
    let (_socket, port) = deaf_port();
    let url = format!("tcp://127.0.0.1:{port}");
    let running = start(&app, &[&url], "waiting for ");
    running.signal(Signal::SIGINT);
    // A shell shows 130, and ends the script that this was part of.
    assert_eq!(running.finish().signal, Some(Signal::SIGINT as i32));
    wait_until("nothing is left", || app.left().is_empty());
}

#[test]
fn a_variable_is_no_process_and_without_a_procfile_anything_may_come() {
    let app = app("A_URL=redis://a\n");
    let unknown = "procman: unknown process `A_URL`; there is `web`, `worker`\n\
                   hint: `env:A_URL` is the service that a variable names\n";
    check(&app.done(&["wait", "A_URL"]), 1, unknown);
    std::fs::remove_file(app.root().join("Procfile")).unwrap();
    let missing = "procman: still missing: A_URL (not running)\n";
    check(&app.done(&["wait", "A_URL", "-t", "0"]), 1, missing);
}

#[test]
fn a_word_that_may_have_a_password_in_it_is_not_shown() {
    let app = app("");
    for word in ["password=s3cret host=h", "web@s3cret", "env:postgres://u:s3cret@h/x"] {
        let end = app.done(&["wait", word]);
        assert!(
            end.status == Some(1) && end.stderr.starts_with("procman: argument 1 is neither "),
            "{end:?}"
        );
        assert!(!end.stderr.contains("s3cret"), "{end:?}");
    }
    let end = app.done(&["start", "postgres://u:s3cret@h/x"]);
    assert!(end.status == Some(1) && !end.stderr.contains("s3cret"), "{end:?}");
}

#[test]
fn a_one_shot_that_has_failed_is_not_waited_for() {
    let app = App::new(&format!("web: {RESTS}\nmigrate: exit 3\n"));
    app.file("procman.toml", "[process.migrate]\none-shot = true\non-exit = \"ignore\"\n");
    let running = app.start(&[]);
    let failed = "procman: `migrate.1` exited with code 3\n";
    let end = app.done(&["wait", "migrate"]);
    assert!(end.status == Some(1) && end.stderr.ends_with(failed), "{end:?}");
    app.quit(running);
}

#[test]
fn a_one_shot_whose_end_is_that_of_all_is_heard_of() {
    for (end, status, says) in [
        ("exit 0", 0, "migrate is ready after N s\n"),
        ("exit 3", 1, "procman: `migrate.1` exited with code 3\n"),
    ] {
        let app = App::new(&format!("migrate: echo ready; read line < fifo; {end}\n"));
        mkfifo(&app.root().join("fifo"), Mode::S_IRWXU).unwrap();
        app.file("procman.toml", "[process.migrate]\none-shot = true\n");
        let running = app.start_ready(&[], 1);
        let waiting = start(&app, &["migrate"], "waiting for migrate: migrate.1 (unready)\n");
        std::fs::write(app.root().join("fifo"), "").unwrap();
        let told = waiting.finish();
        assert_eq!(told.status, Some(status), "{told:?}");
        let expected = format!("waiting for migrate: migrate.1 (unready)\n{says}");
        assert_eq!(without_seconds(&told.stdout), expected);
        running.finish();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_service_that_swallows_connections_is_named_before_the_attempt_ends() {
    use std::net::TcpStream;
    use std::time::Duration;

    use nix::sys::socket::{Backlog, listen};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    // Where no more may wait, the kernel says nothing.
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let held: Vec<TcpStream> = std::iter::from_fn(connect).collect();
    let app = app("");
    let url = format!("tcp://{address}");
    let missing = format!("procman: still missing: {address} (no answer in time)\n");
    check(&app.done(&["wait", &url, "-t", "0"]), 1, &missing);
    let running = start(&app, &[&url], &format!("waiting for {address}: no answer in time\n"));
    held.iter().for_each(|_| drop(listener.accept().unwrap()));
    assert_eq!(running.finish().status, Some(0));
}
