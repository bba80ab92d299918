//! procman under a service manager, played by a socket of the test: what it is told, by whom, and what it is not.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::export_systemd::has_manager;
use crate::support::formation::RESTS;
use crate::support::{App, LIMIT, Running, is_installed, procman, state, supervisor_of, wait_until};

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
fn the_manager_is_told_when_all_are_ready_and_when_they_are_stopped() {
    let app = App::new(&format!("web: {RESTS}\nworker: {RESTS}\n"));
    let manager = Manager::new(&app);
    let running = app.run(manager.command(&app, &[]));
    let mut told = Vec::new();
    while !told.contains(&"READY=1".to_owned()) {
        told.push(manager.hear(LIMIT).unwrap());
    }
    assert!(told.contains(&"STATUS=2 of 2 ready".to_owned()), "{told:?}");
    running.wait_for_times("| ready\n", 2);
    end(running);
    let told = manager.heard();
    let stopping = "STOPPING=1\nSTATUS=stopping";
    assert_eq!(told.iter().filter(|told| *told == stopping).count(), 1, "{told:?}");
    assert!(!told.contains(&"READY=1".to_owned()), "{told:?}");
}

/// A real one listens to the process that it has started, and to no other.
#[test]
fn systemd_hears_procman_and_kills_one_that_stands_still() {
    if !is_installed("systemd-run") || !has_manager() {
        return;
    }
    let app = app();
    let unit = format!("procman-test-{}", std::process::id());
    // The last of them ends what a failed test would leave.
    let properties =
        ["Type=notify", "NotifyAccess=main", "WatchdogSec=2", "WatchdogSignal=SIGKILL", "RuntimeMaxSec=120"];
    let mut command = Command::new("systemd-run");
    command.args(["--user", "--unit", &unit]).args(properties.map(|property| format!("-p{property}")));
    command.arg("--working-directory").arg(app.root());
    let environment = app.command("true");
    let variables =
        environment.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    command.args(variables.map(|(name, value)| format!("--setenv={name}={value}")));
    // It returns when the unit is started, which is when procman has said so.
    let started = command.arg(procman()).arg("start").output().unwrap();
    assert!(started.status.success(), "{started:?}");
    let show = |property: &str| {
        let arguments = ["--user", "show", "--value", "-p", property, &unit];
        let output = Command::new("systemctl").args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(show("StatusText"), "1 of 1 ready");
    let guard = Pid::from_raw(show("MainPID").parse().unwrap());
    assert_eq!(app.formation()["pid"], guard.as_raw());
    kill(supervisor_of(guard), Signal::SIGSTOP).unwrap();
    wait_until("the watchdog has bitten", || show("Result") == "watchdog");
    app.wait_until_nothing_is_left();
    Command::new("systemctl").args(["--user", "reset-failed", &unit]).output().unwrap();
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
