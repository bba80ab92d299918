//! Signals to procman: requests to stop, copies of them, and what is passed on.

use std::fs::{DirEntry, read_dir};
use std::hint;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{App, IDLE, IDLE_ON, is_alive, procman, python, state, wait_until};

#[test]
fn a_request_stops_everything_and_is_no_failure() {
    for (signal, name) in
        [(Signal::SIGTERM, "SIGTERM"), (Signal::SIGINT, "SIGINT"), (Signal::SIGHUP, "SIGHUP")]
    {
        let app = App::new("web: echo ready; exec sleep 1000\n");
        let running = app.start(&["--no-timestamp"]);
        running.wait_for("ready");
        running.signal(signal);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0), "{name}");
        assert_eq!(end.lines_of("system"), [format!("{name} received, sending SIGTERM to all processes")]);
        assert_eq!(end.lines_of("web.1").last().unwrap(), "terminated by SIGTERM");
    }
}

/// Returns a Procfile whose only process says a line a second after it was asked to end.
fn reluctant() -> String {
    format!("web: trap 'echo asked; sleep 1; echo a second later; read go < go; exit 0' TERM; {IDLE}\n")
}

#[test]
fn a_second_request_kills_at_once() {
    let app = App::new(&reluctant());
    let _shut = app.gate("go");
    let running = app.start(&["--no-timestamp", "-t", "1000"]);
    running.wait_for("ready");
    running.signal(Signal::SIGINT);
    running.wait_for("a second later");
    running.signal(Signal::SIGINT);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(130));
    assert_eq!(end.lines_of("system")[1..], ["SIGINT received again, sending SIGKILL to all processes"]);
    assert_eq!(end.lines_of("web.1").last().unwrap(), "terminated by SIGKILL");
}

#[test]
fn one_request_to_both_processes_of_procman_counts_once() {
    let app = App::new(&reluctant());
    let mut go = app.gate("go");
    let running = app.start(&["--no-timestamp", "-t", "1000"]);
    running.wait_for("ready");
    let supervisor = running.supervisor();
    running.signal(Signal::SIGTERM);
    kill(supervisor, Signal::SIGTERM).unwrap();
    running.wait_for("a second later");
    go.open();
    let end = running.finish();
    assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
    assert_eq!(end.lines_of("web.1")[2..], ["asked", "a second later", "exited with code 0"]);
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_signal_is_passed_on_once_to_the_whole_group() {
    // Two processes in one group, each of which says what it gets.
    let app = App::new(
        "web: trap : USR1 USR2 QUIT WINCH; sh says.sh one >&2 | sh says.sh two\n\
         worker: exec sh says.sh other\n",
    );
    app.file(
        "says.sh",
        format!("for name in USR1 USR2 QUIT WINCH; do trap \"echo $1 got $name\" $name; done\n{IDLE_ON}\n"),
    );
    let running = app.start(&["--no-timestamp"]);
    let everybody = ["one", "two", "other"];
    running.wait_for_times("| ready\n", 3);
    let signals = [
        ("USR1", Signal::SIGUSR1),
        ("USR2", Signal::SIGUSR2),
        ("QUIT", Signal::SIGQUIT),
        ("WINCH", Signal::SIGWINCH),
    ];
    for (name, signal) in signals {
        running.signal(signal);
        // The other process of procman may get a copy.
        kill(running.supervisor(), signal).unwrap();
        everybody.iter().for_each(|who| running.wait_for(&format!("{who} got {name}")));
    }
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    for who in everybody {
        for (name, _) in signals {
            assert_eq!(end.stdout.matches(&format!("{who} got {name}\n")).count(), 1, "{}", end.stdout);
        }
    }
    assert_eq!(end.status, Some(0));
}

#[test]
fn no_other_signal_ends_procman_and_each_is_passed_on() {
    let Some(python) = python() else { return };
    let app = App::new(&format!("web: exec {python} says.py\n"));
    app.file(
        "says.py",
        // Not `print`, which the next signal must not interrupt.
        "import os, signal\n\
         def say(number, frame): os.write(1, b'got %d\\n' % number)\n\
         for number in signal.valid_signals():\n\
         \x20   if number not in (9, 15, 17, 18, 19): signal.signal(number, say)\n\
         print('ready', flush=True)\n\
         while True: signal.pause()\n",
    );
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    // Real-time signals by number: nix has no names for them.
    let pass_on = |number: i32, process: Pid| {
        let arguments = ["-c", "kill -$0 $1", &number.to_string(), &process.to_string()];
        assert!(app.command("sh").args(arguments).status().unwrap().success());
        running.wait_for(&format!("got {number}\n"));
    };
    let passed_on = [3, 6, 10, 12, 14, 16, 23, 24, 25, 26, 27, 28, 29, 30].into_iter().chain(34..=64);
    passed_on.clone().take_while(|number| *number < 63).for_each(|number| pass_on(number, running.pid()));
    // These end or stop a process that has no handler, and are not passed on: they mean procman itself.
    let kept = [
        Signal::SIGPIPE,
        Signal::SIGILL,
        Signal::SIGFPE,
        Signal::SIGBUS,
        Signal::SIGSEGV,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGTTIN,
        Signal::SIGTTOU,
        Signal::SIGCONT,
    ];
    for signal in kept {
        running.signal(signal);
        kill(running.supervisor(), signal).unwrap();
    }
    // Of those that wait, each process gets the highest last.
    pass_on(63, running.pid());
    pass_on(64, running.supervisor());
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.status, Some(0), "{end:?}");
    let lines = end.lines_of("web.1");
    let got = lines.iter().filter_map(|line| line.strip_prefix("got ")?.parse().ok());
    assert_eq!(got.collect::<Vec<i32>>(), passed_on.collect::<Vec<_>>());
}

#[test]
fn a_hangup_that_nohup_ignores_stays_ignored() {
    let app = App::new(&format!("web: trap 'echo still here' USR1; {IDLE_ON}\n"));
    let mut command = app.command("env");
    command.arg("--ignore-signal=HUP").arg(procman()).args(["start", "--no-timestamp"]);
    let running = app.run(command);
    running.wait_for("ready");
    running.signal(Signal::SIGHUP);
    kill(running.supervisor(), Signal::SIGHUP).unwrap();
    running.signal(Signal::SIGUSR1);
    running.wait_for("still here");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_request_in_the_first_milliseconds_is_never_lost() {
    let app = App::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
    let requests = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
    for (attempt, request) in (0..60).zip(requests.into_iter().cycle()) {
        let running = app.start(&["--no-timestamp"]);
        // Not to wait for something, but to hit another moment each time.
        let moment = Instant::now() + Duration::from_micros(200) * attempt;
        while Instant::now() < moment {
            hint::spin_loop();
        }
        running.signal(request);
        let end = running.finish();
        app.assert_nothing_is_left();
        // In the very first it is not procman yet that decides.
        let died_early = end.signal == Some(request as i32) && end.stdout.is_empty();
        assert!(end.status == Some(0) || died_early, "{end:?}");
    }
}

/// A shell has SIGINT ignored by what it starts in the background, and the kernel dropped it until procman supervised.
#[test]
fn a_request_that_was_ignored_is_heard_while_files_are_read() {
    for (signal, name) in [(Signal::SIGINT, "INT"), (Signal::SIGTERM, "TERM")] {
        let app = App::new("");
        let _pipe = app.gate("pipe");
        let mut command = app.command("env");
        command.arg(format!("--ignore-signal={name}")).arg(procman()).args(["start", "-f", "pipe"]);
        let running = app.run(command);
        let files = format!("/proc/{}/fd", running.pid());
        let opened = |file: io::Result<DirEntry>| {
            file.and_then(|file| file.path().read_link()).is_ok_and(|path| path.ends_with("pipe"))
        };
        wait_until("it reads", || read_dir(&files).is_ok_and(|mut files| files.any(opened)));
        running.signal(signal);
        let end = running.finish();
        assert_eq!(end.signal, Some(signal as i32), "{end:?}");
    }
}

#[test]
fn a_request_while_procman_stands_still_is_obeyed_afterwards() {
    let app = App::new("web: echo ready; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    running.signal(Signal::SIGSTOP);
    running.signal(Signal::SIGTERM);
    running.signal(Signal::SIGCONT);
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn an_instance_that_is_stopped_is_named_once() {
    let app = App::new("web: for n in 1 2 3; do kill -STOP $$; echo awake $n; done; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp"]);
    let web = running.pid_of("web.1");
    for n in 1..=3 {
        wait_until("it stands still", || state(web.as_raw()) == Some('T'));
        running.wait_for("| web.1 was stopped by SIGSTOP");
        kill(web, Signal::SIGCONT).unwrap();
        running.wait_for(&format!("| awake {n}"));
    }
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(
        end.lines_of("system"),
        [
            "web.1 was stopped by SIGSTOP and stands still until somebody sends it SIGCONT",
            "SIGTERM received, sending SIGTERM to all processes"
        ]
    );
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_request_while_the_output_is_stuck_ends_procman_and_tells_what_is_lost() {
    const LINES: &str = "a line\n";
    // More than a pipe holds, and less than two.
    const COUNT: usize = 15_000;
    let app = App::new(&format!(
        "web: echo $$ > web; trap 'sleep 1; yes a line | head -n {COUNT}; exit 0' TERM; {IDLE}\n"
    ));
    for _ in 0..10 {
        let arguments = ["start", "--log-format", "raw", "-t", "1000"];
        let (running, mut stdout) = app.run_unread(app.procman(&arguments));
        stdout.read_exact(&mut [0; "ready\n".len()]).unwrap();
        let web = std::fs::read_to_string(app.root().join("web")).unwrap().trim().parse().unwrap();
        running.signal(Signal::SIGTERM);
        wait_until("it has written everything", || !is_alive(web));
        running.signal(Signal::SIGINT);
        let end = running.finish();
        app.assert_nothing_is_left();
        let mut written = Vec::new();
        stdout.read_to_end(&mut written).unwrap();
        let lost = end.stderr.strip_prefix("procman: ").unwrap_or_default();
        let lost = lost.strip_suffix(" bytes of output could not be written\n").unwrap_or_default();
        assert_eq!(lost.parse(), Ok(LINES.len() * COUNT - written.len()), "{}", end.stderr);
        // Output may take a second. If that was over before the request came, another attempt has to show it.
        if end.status == Some(130) {
            return;
        }
        assert_eq!(end.status, Some(0));
    }
    panic!("ten times procman had ended before the request came");
}

/// Signals that came faster than they were passed on used to pile up in the guard: ends were not seen any more, and what
/// had long been killed was called unkillable.
#[test]
fn a_storm_of_signals_keeps_no_end_from_being_seen() {
    let app = App::new(
        "a: trap '' TERM USR1; echo ready; while :; do sleep 1; done\nb: trap '' USR1; exec sleep 1000\n",
    );
    let running = app.start(&["-t", "0.5"]);
    running.wait_for("ready");
    let guard = running.pid();
    let is_over = AtomicBool::new(false);
    let end = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) && kill(guard, Signal::SIGUSR1).is_ok() {
                hint::spin_loop()
            }
        });
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        is_over.store(true, Ordering::Relaxed);
        end
    });
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0), "{end:?}");
    assert!(!end.stdout.contains("cannot be killed"), "{end:?}");
}
