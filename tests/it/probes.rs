//! How an instance is known to be ready or well, and what it waits for: one real process or socket a kind of probe, late
//! and never; and a request to stop while each of them is waited for.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use nix::sys::signal::{Signal, kill};

use crate::support::formation::RESTS;
use crate::support::http::{deaf_port, free_port};
use crate::support::{App, End, Running, python, wait_until};

/// A server at `$PORT` that answers GETs with 503 until there is a file `well`, and then with 204.
const SERVER: &str = "\
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204 if self.path == '/health' and os.path.exists('well') else 503)
        self.end_headers()
    def log_message(self, *words):
        pass

print('serving', flush=True)
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
";

/// Says its arguments, one message each, by sd_notify(3).
const NOTIFIER: &str = "\
import os, socket, sys

address = os.environ['NOTIFY_SOCKET']
if address.startswith('@'):
    address = '\\0' + address[1:]
talk = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for message in sys.argv[1:]:
    talk.sendto(message.encode(), address)
print('said', flush=True)
";

/// Returns an app with a worker that needs `web`, which is ready by this sign.
fn app(web: &str, ready: &str) -> App {
    let app = App::new(&format!("web: {web}\nworker: {RESTS}\n"));
    app.file(
        "procman.toml",
        format!("[process.web]\nready = {ready}\n[process.worker]\nneeds = [\"web\"]\n"),
    );
    app
}

fn start(app: &App, arguments: &[&str]) -> Running {
    app.start(&[&["--no-timestamp"], arguments].concat())
}

/// Waits until `web.1` is ready, and then the worker, and ends the formation. The worker was not started before.
#[track_caller]
fn becomes_ready(app: &App, running: Running) -> End {
    running.wait_for("worker.1 | ready\n");
    let output = running.output();
    let (is_ready, started) = (output.find("web.1 is ready after"), output.find("worker.1 | started"));
    assert!(is_ready.is_some() && is_ready < started, "{output}");
    stop(app, running)
}

/// Ends the formation by a signal, after which nothing is left.
#[track_caller]
fn stop(app: &App, running: Running) -> End {
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    app.assert_nothing_is_left();
    end
}

/// A line that no instance was started behind.
fn is_held(output: &str, instance: &str) -> bool {
    !output.contains(&format!("{instance} | started"))
}

#[test]
fn an_instance_is_ready_when_its_port_accepts() {
    let Some(python) = python() else { return };
    let app = app(&format!("echo begins; read go < gate; exec {python} server.py"), "\"port\"");
    app.file("server.py", SERVER);
    let mut gate = app.gate("gate");
    let running = start(&app, &["-p", &free_port().to_string()]);
    running.wait_for("web.1    | begins");
    assert!(is_held(&running.output(), "worker.1"), "{}", running.output());
    gate.open();
    becomes_ready(&app, running);
}

#[test]
fn an_instance_is_ready_when_it_answers_over_http() {
    let Some(python) = python() else { return };
    let ready = "{ http = \"/health\", status = 204, interval = 0.05 }";
    let app = app(&format!("exec {python} server.py"), ready);
    app.file("server.py", SERVER);
    let running = start(&app, &["-p", &free_port().to_string()]);
    running.wait_for("web.1    | serving");
    assert!(is_held(&running.output(), "worker.1"), "{}", running.output());
    app.file("well", "");
    becomes_ready(&app, running);
}

#[test]
fn an_instance_is_ready_when_it_has_written_a_line() {
    for pty in ["never", "always"] {
        let app = app(
            "echo listening soon; read go < gate; printf '\\033[32mlistening\\033[0m on %s\\n' $PORT; exec sleep 1000",
            "{ log = '^listening on \\d+$' }",
        );
        let mut gate = app.gate("gate");
        let running = start(&app, &["--pty", pty]);
        running.wait_for("listening soon");
        assert!(is_held(&running.output(), "worker.1"), "{}", running.output());
        gate.open();
        becomes_ready(&app, running);
    }
}

#[test]
fn a_prompt_is_a_line_too() {
    let app = app("printf 'login: '; exec sleep 1000", "{ log = '^login: $' }");
    becomes_ready(&app, start(&app, &[]));
}

#[test]
fn an_instance_is_ready_when_a_command_says_so() {
    // It has what the instance has, and whatever it leaves does not outlive it.
    let app = App::new("");
    let command = format!("sleep {} & test \"$PS $A\" = \"web.1 b\" && test -e well", app.tag());
    app.file("Procfile", format!("web: echo begins; exec sleep 1000\nworker: {RESTS}\n"));
    app.file(".env", "A=b\n");
    let policies = format!(
        "[process.web]\nready = {{ exec = '{command}', interval = 0.05 }}\n[process.worker]\nneeds = [\"web\"]\n"
    );
    app.file("procman.toml", policies);
    let running = start(&app, &[]);
    running.wait_for("web.1    | begins");
    assert!(is_held(&running.output(), "worker.1"), "{}", running.output());
    app.file("well", "");
    running.wait_for("web.1 is ready");
    wait_until("nothing of the command is left", || app.sleepers().is_empty());
    becomes_ready(&app, running);
}

#[test]
fn an_instance_is_ready_when_it_says_so() {
    let Some(python) = python() else { return };
    let app = App::new("");
    app.file("notifier.py", NOTIFIER);
    let script = format!(
        "{python} notifier.py STATUS=loading WATCHDOG=1; read go < gate; {python} notifier.py READY=1; exec sleep 1000"
    );
    app.file("Procfile", format!("web: {script}\nworker: echo socket ${{NOTIFY_SOCKET-none}}; {RESTS}\n"));
    app.file("procman.toml", "[process.web]\nready = \"notify\"\n[process.worker]\nneeds = [\"web\"]\n");
    let mut gate = app.gate("gate");
    let running = start(&app, &[]);
    running.wait_for("web.1    | said");
    assert!(is_held(&running.output(), "worker.1"), "{}", running.output());
    gate.open();
    let end = becomes_ready(&app, running);
    assert!(end.stdout.contains("worker.1 | socket none\n"), "{}", end.stdout);
    let left = app.socket().parent().unwrap().read_dir().unwrap().count();
    assert_eq!(left, 0, "no socket is left either");
}

/// What is never seen, for each kind of sign.
const NEVER: [&str; 5] =
    ["port = true", "http = \"/\"", "log = \"never\"", "exec = \"false\"", "notify = true"];

#[test]
fn whatever_is_not_ready_in_time_ends_the_formation() {
    for sign in NEVER {
        let app = app("exec sleep 1000", &format!("{{ {sign}, interval = 0.05, deadline = 0.3 }}"));
        let (_socket, port) = deaf_port();
        let end = start(&app, &["-p", &port.to_string()]).finish();
        assert_eq!(end.status, Some(1), "{sign}: {}", end.stdout);
        assert!(end.stdout.contains("web.1 was not ready within"), "{sign}: {}", end.stdout);
        assert!(is_held(&end.stdout, "worker.1"), "{sign}: {}", end.stdout);
        app.assert_nothing_is_left();
    }
}

#[test]
fn a_request_to_stop_ends_whatever_is_waited_for() {
    for sign in NEVER {
        let app = app("echo begins; exec sleep 1000", &format!("{{ {sign} }}"));
        let (_socket, port) = deaf_port();
        let running = start(&app, &["-p", &port.to_string()]);
        running.wait_for("web.1    | begins");
        assert!(is_held(&stop(&app, running).stdout, "worker.1"), "{sign}");
    }
}

#[test]
fn a_command_that_does_not_end_is_killed_with_its_instance() {
    let app = App::new("");
    let command = format!("trap \"\" TERM; sleep {tag} & sleep {tag}", tag = app.tag());
    app.file("Procfile", format!("web: {RESTS}\n"));
    app.file("procman.toml", format!("[process.web]\nready = {{ exec = '{command}', timeout = 1000 }}\n"));
    let running = start(&app, &[]);
    wait_until("the command runs", || app.sleepers().len() == 2);
    stop(&app, running);
    if cfg!(procman_portable) {
        // There a guard finds no group again whose leader has died with the supervisor.
        return;
    }
    let mut running = start(&app, &[]);
    wait_until("the command runs", || app.sleepers().len() == 2);
    kill(running.supervisor(), Signal::SIGKILL).unwrap();
    running.read(std::io::empty());
    app.wait_until_nothing_is_left();
}

#[test]
fn a_command_that_takes_too_long_has_failed() {
    let app = App::new("");
    let command = format!("test -e well && exit 0; touch well; sleep {} & wait", app.tag());
    app.file("Procfile", "web: exec sleep 1000\n");
    let policy = format!("[process.web]\nready = {{ exec = '{command}', timeout = 0.2, interval = 0.05 }}\n");
    app.file("procman.toml", policy);
    let running = start(&app, &[]);
    running.wait_for("web.1 is ready");
    wait_until("nothing of the command is left", || app.sleepers().is_empty());
    stop(&app, running);
}

#[test]
fn an_instance_that_is_not_well_is_started_anew() {
    let app = App::new("web: echo begins; touch well; exec sleep 1000\n");
    let health = "{ exec = \"test -e well\", interval = 0.05, failures = 2 }";
    app.file("procman.toml", format!("[process.web]\nhealth = {health}\n"));
    let running = start(&app, &[]);
    running.wait_for("web.1  | begins");
    wait_until("it has been well", || app.root().join("well").exists());
    std::fs::remove_file(app.root().join("well")).unwrap();
    running.wait_for("web.1 failed 2 health checks in a row");
    running.wait_for_times("web.1  | begins", 2);
    stop(&app, running);
}

/// Returns an app that needs the service at a URL.
fn needy(url: &str) -> App {
    let app = App::new(&format!("web: {RESTS}\n"));
    app.file(".env", format!("DATABASE_URL={url}\n"));
    app.file("procman.toml", "[process.web]\nneeds = [\"env:DATABASE_URL\"]\n");
    app
}

#[test]
fn a_service_that_comes_late_is_waited_for() {
    let port = free_port();
    let app = needy(&format!("postgres://user:secret@localhost:{port}/db"));
    let running = start(&app, &[]);
    running.wait_for(&format!("web waits for DATABASE_URL (localhost:{port}): connection refused"));
    assert!(is_held(&running.output(), "web.1"), "{}", running.output());
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    running.wait_for("web.1  | ready");
    drop(listener);
    let end = stop(&app, running);
    assert!(end.stdout.contains("accepts connections after"), "{}", end.stdout);
    assert!(!end.stdout.contains("secret"), "{}", end.stdout);
}

#[test]
fn a_service_may_be_a_socket_of_this_machine() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("database");
    let app = needy(&format!("unix://{}", path.display()));
    let running = start(&app, &[]);
    running.wait_for("no such host or socket");
    assert!(is_held(&running.output(), "web.1"), "{}", running.output());
    let listener = UnixListener::bind(&path).unwrap();
    running.wait_for("web.1  | ready");
    drop(listener);
    stop(&app, running);
}

#[test]
fn a_service_that_never_comes_ends_the_formation() {
    let (_socket, port) = deaf_port();
    let app = needy(&format!("redis://127.0.0.1:{port}"));
    let end = start(&app, &["--wait-timeout", "0.3"]).finish();
    assert_eq!(end.status, Some(1), "{}", end.stdout);
    assert!(end.stdout.contains("still missing: DATABASE_URL"), "{}", end.stdout);
    assert!(is_held(&end.stdout, "web.1"), "{}", end.stdout);
    app.assert_nothing_is_left();
}

#[test]
fn a_request_to_stop_ends_the_wait_for_a_service() {
    // Nobody answers at the first: those addresses are for documentation (RFC 5737).
    for url in [
        "redis://192.0.2.1:6379",
        "redis://no-such-host.invalid",
        "redis://localhost:1",
        "unix:///no/such/socket",
    ] {
        let app = needy(url);
        app.file("Procfile", format!("web: {RESTS}\nother: {RESTS}\n"));
        let running = start(&app, &[]);
        running.wait_for("other.1 | ready");
        assert!(is_held(&stop(&app, running).stdout, "web.1"), "{url}");
    }
}
