//! `procman attach` on a terminal, against a procman that is only played: what goes over, and that the terminal is
//! afterwards as it was, whoever is killed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, OutputFlags, Termios};
use nix::unistd::Pid;

use crate::support::{App, Keyboard, Running, child_of, procman, wait_until};

/// What the instance does to the terminal before anything happens: another screen, no cursor, red, and `hello`.
const OUTPUT: &str = r#"{"output":{"base64":"G1s/MTA0OWgbWz8yNWwbWzMxbWhlbGxvDQo="}}"#;

/// Plays a procman that an instance is attached to, until the client leaves or, with `last`, at once. Returns all lines
/// that the client has sent.
fn play(app: &App, last: &'static [&'static str]) -> JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(app.root().join("s")).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut heard = vec![lines.next().unwrap().unwrap()];
        let attached = r#"{"attached":{"instance":"web.1","pid":77}}"#;
        stream.write_all(format!("{attached}\n{OUTPUT}\n").as_bytes()).unwrap();
        for line in last {
            // A client that has heard enough may have gone.
            let _ = stream.write_all(format!("{line}\n").as_bytes());
        }
        if last.is_empty() {
            heard.extend(lines.map_while(Result::ok));
        }
        heard
    })
}

/// Attaches below a shell, as people do: without one, a terminal goes away with the process that has it. Returns the
/// settings of before, too.
fn attach(app: &App) -> (Running, Keyboard, Termios) {
    let mut command = app.command("/bin/sh");
    let script = "read line; \"$0\" attach web.1 --socket s; echo status $?; read line; echo left";
    command.args(["-c", script]).arg(procman());
    let (running, mut keyboard) = app.run_on_terminal(command);
    let before = keyboard.settings();
    keyboard.press("\n");
    (running, keyboard, before)
}

/// Returns what matters of settings, for a comparison.
fn flags(settings: &Termios) -> (LocalFlags, OutputFlags, Vec<u8>) {
    (settings.local_flags, settings.output_flags, settings.control_chars.to_vec())
}

/// Checks that the terminal is as it was when something happens to the process that was started and its child, and
/// what the shell is told.
#[track_caller]
fn check_restored(happen: impl FnOnce(Pid, Pid, &mut Keyboard), status: &str) {
    let app = App::new("");
    let played = play(&app, &[]);
    let (running, mut keyboard, before) = attach(&app);
    running.wait_for("attached to web.1; ctrl-] detaches");
    running.wait_for("hello");
    let raw = keyboard.settings();
    assert!(!raw.local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG));
    assert!(raw.output_flags.contains(OutputFlags::OPOST | OutputFlags::ONLCR));
    let keeper = child_of(running.pid(), &["procman"]);
    let child = child_of(keeper, &["procman"]);
    happen(keeper, child, &mut keyboard);
    running.wait_for(&format!("status {status}"));
    wait_until("the settings are back", || flags(&keyboard.settings()) == flags(&before));
    wait_until("the screen is back", || {
        let shown = running.output();
        let after = shown.rsplit("hello").next().unwrap_or_default();
        ["\x1b[?1049l", "\x1b[?25h", "\x1b[0m", "\x1b[?2004l"].iter().all(|sequence| after.contains(sequence))
    });
    keyboard.press("\n");
    running.wait_for("left");
    running.finish();
    app.wait_until_nothing_is_left();
    played.join().unwrap();
}

#[test]
fn the_keys_detach_however_much_is_typed_that_nobody_reads() {
    let app = App::new("");
    let listener = UnixListener::bind(app.root().join("s")).unwrap();
    let (over, is_over) = mpsc::channel::<()>();
    let played = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let attached = r#"{"attached":{"instance":"web.1","pid":77}}"#;
        stream.write_all(format!("{attached}\n{OUTPUT}\n").as_bytes()).unwrap();
        let _ = is_over.recv();
    });
    let (running, mut keyboard, _) = attach(&app);
    running.wait_for("hello");
    keyboard.press(&"x".repeat(1024 * 1024));
    keyboard.press("\x1d");
    running.wait_for("status 0");
    drop(over);
    played.join().unwrap();
    keyboard.press("\n");
    running.wait_for("left");
    running.finish();
}

#[test]
fn the_terminal_is_put_back_when_one_detaches() {
    check_restored(|_, _, keyboard| keyboard.press("\x1d"), "0");
}

#[test]
fn the_terminal_is_put_back_when_one_is_asked_to_leave() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let status = (128 + signal as i32).to_string();
        check_restored(|keeper, _, _| kill(keeper, signal).unwrap(), &status);
    }
}

#[test]
fn the_terminal_is_put_back_when_either_process_is_killed() {
    check_restored(|_, child, _| kill(child, Signal::SIGKILL).unwrap(), "137");
    check_restored(|keeper, _, _| kill(keeper, Signal::SIGKILL).unwrap(), "137");
    check_restored(|_, child, _| kill(child, Signal::SIGTERM).unwrap(), "143");
}

#[test]
fn the_end_of_the_instance_is_told() {
    let app = App::new("");
    const ENDED: &str = r#"{"ended":{"exit":"exited with code 3"}}"#;
    let played = play(&app, &[ENDED, r#"{"done":{}}"#]);
    let (running, mut keyboard, _) = attach(&app);
    running.wait_for("web.1 exited with code 3\r\nstatus 0");
    keyboard.press("\n");
    running.finish();
    played.join().unwrap();
}

#[test]
fn a_procman_that_goes_away_is_told() {
    let app = App::new("");
    let played = play(&app, &[r#"{"missed":{"bytes":9}}"#]);
    let (running, mut keyboard, _) = attach(&app);
    running.wait_for("procman: 9 bytes are missing here: this terminal is too slow");
    running.wait_for("procman: the procman that ran web.1 has gone\r\nstatus 1");
    keyboard.press("\n");
    running.finish();
    played.join().unwrap();
}

#[test]
fn every_key_goes_to_the_instance() {
    let app = App::new("");
    let played = play(&app, &[]);
    let (running, mut keyboard, _) = attach(&app);
    running.wait_for("hello");
    // Ctrl-C, Ctrl-Z, Ctrl-\, Ctrl-S, return; then detach.
    keyboard.press("\x03\x1a\x1c\x13\r");
    std::thread::yield_now();
    keyboard.press("\x1d");
    running.wait_for("detached from web.1");
    keyboard.press("\n");
    running.finish();
    let heard = played.join().unwrap();
    assert!(heard[0].starts_with(r#"{"version":1,"request":{"attach":{"name":"web.1","size":"#), "{heard:?}");
    let typed = heard[1..].concat();
    assert_eq!(typed, r#"{"input":{"base64":"AxocEw0="}}"#);
}
