//! procman under a service manager, played by a socket of the test: what it is told, by whom, and what it is not.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::support::formation::RESTS;
use crate::support::{App, LIMIT, Running, state, wait_until};

/// How often a watchdog of [`WATCHDOG`] is fed.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same in the words of the manager: twice as much, in microseconds.
const WATCHDOG: &str = "200000";

/// A manager that listens.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    /// Returns one that listens in the app's directory.
    fn new(app: &App) -> Manager {
        let socket = UnixDatagram::bind(app.root().join("notify")).unwrap();
        Manager { socket }
    }

    /// Returns procman as this manager starts it.
    fn command(&self, app: &App, arguments: &[&str]) -> Command {
        let mut command = app.procman(&[&["start", "--no-timestamp"], arguments].concat());
        command.env("NOTIFY_SOCKET", app.root().join("notify"));
        command
    }

    /// Returns the next message; nothing if there is none in time.
    fn hear(&self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 256];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Waits for a message, past others.
    #[track_caller]
    fn wait_for(&self, message: &str) {
        let mut others = Vec::new();
        while let Some(heard) = self.hear(LIMIT) {
            if heard == message {
                return;
            }
            others.push(heard);
        }
        panic!("no `{message}` in {others:?}");
    }

    /// Returns all messages that have come and not been heard.
    fn heard(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).unwrap();
        let heard = std::iter::from_fn(|| self.hear(INTERVAL)).collect();
        self.socket.set_nonblocking(false).unwrap();
        heard
    }
}

fn app() -> App {
    App::new(&format!("web: {RESTS}\n"))
}

#[track_caller]
fn end(running: Running) {
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
}

#[test]
fn the_watchdog_is_fed_while_the_loop_goes_round_and_not_while_it_stands_still() {
    let app = app();
    let manager = Manager::new(&app);
    let mut command = manager.command(&app, &[]);
    command.env("WATCHDOG_USEC", WATCHDOG);
    let running = app.run(command);
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    let supervisor = running.supervisor();
    kill(supervisor, Signal::SIGSTOP).unwrap();
    // A stopped supervisor stops its guard, which may have something left to tell until then.
    let stands_still = || [supervisor, running.pid()].iter().all(|pid| state(pid.as_raw()) == Some('T'));
    wait_until("both stand still", stands_still);
    manager.heard();
    assert_eq!(manager.hear(INTERVAL * 5), None);
    kill(supervisor, Signal::SIGCONT).unwrap();
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    end(running);
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let app = app();
    let manager = Manager::new(&app);
    let mut command = manager.command(&app, &[]);
    command.env("WATCHDOG_USEC", "2").env("WATCHDOG_PID", "1");
    let running = app.run(command);
    running.wait_for("| ready\n");
    end(running);
    let heard = manager.heard();
    assert!(!heard.contains(&"WATCHDOG=1".to_owned()), "{heard:?}");
}

#[test]
fn the_watchdog_is_known_by_the_process_that_was_started() {
    let app = app();
    let manager = Manager::new(&app);
    let procman = manager.command(&app, &[]);
    let mut command = app.command("sh");
    command.args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\""]).arg(procman.get_program());
    command.args(procman.get_args()).env("NOTIFY_SOCKET", app.root().join("notify"));
    command.env("WATCHDOG_USEC", WATCHDOG);
    let running = app.run(command);
    manager.wait_for("WATCHDOG=1");
    end(running);
}

#[test]
fn an_instance_cannot_speak_for_procman() {
    let app = App::new("web: echo \"<$NOTIFY_SOCKET$WATCHDOG_USEC>\"\n");
    let manager = Manager::new(&app);
    let mut command = manager.command(&app, &[]);
    command.env("WATCHDOG_USEC", WATCHDOG);
    let end = app.run(command).finish();
    assert_eq!(end.status, Some(0));
    assert!(end.stdout.contains("| <>\n"), "{}", end.stdout);
}

/// The process that the manager has started has ended by then, and it would not listen to another.
#[test]
fn in_the_background_nothing_is_told() {
    let app = app();
    let manager = Manager::new(&app);
    let mut command = manager.command(&app, &["-D"]);
    command.env("WATCHDOG_USEC", "2000");
    assert_eq!(app.run(command).finish().status, Some(0));
    app.quit_background();
    assert_eq!(manager.heard(), [""; 0]);
}

#[test]
fn a_manager_that_is_not_there_is_said_once_and_changes_nothing() {
    let app = app();
    let mut command = app.procman(&["start", "--no-timestamp"]);
    command.env("NOTIFY_SOCKET", app.root().join("gone")).env("WATCHDOG_USEC", "2000");
    let running = app.run(command);
    running.wait_for("| ready\n");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    let expected = "procman: warning: cannot tell the service manager at `NOTIFY_SOCKET`: \
                    no such file or directory\n";
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), expected));
}
