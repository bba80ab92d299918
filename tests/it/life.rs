//! How a formation begins and ends: the first end, the exit code, the grace period.

use nix::sys::signal::{Signal, kill};

use crate::support::{App, Gate, IDLE, limit_environment};

/// Returns a command that says when it is asked to end, and ends.
fn polite() -> String {
    format!("trap 'echo asked to end; exit 0' TERM; {IDLE}")
}

#[test]
fn a_formation_runs_and_ends() {
    let app = App::new("web: echo hello from $PS on $PORT\n");
    let end = app.start(&["--no-timestamp"]).finish();
    assert_eq!(
        end.lines_of("web.1"),
        ["started with pid N", "hello from web.1 on 5000", "exited with code 0"]
    );
    assert_eq!(end.stderr, "");
    assert_eq!(end.status, Some(0));
}

#[test]
fn the_first_end_stops_the_others_and_gives_its_code() {
    let (worker, clock) = (polite(), polite());
    let app = App::new(&format!("web: read go < go; exit 3\nworker: {worker}\nclock: {clock}\n"));
    let mut go = app.gate("go");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("worker.1 | ready");
    running.wait_for("clock.1  | ready");
    go.open();
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(3));
    for name in ["worker.1", "clock.1"] {
        assert_eq!(end.lines_of(name)[2..], ["asked to end", "exited with code 0"]);
    }
}

#[test]
fn an_exit_code_is_passed_on() {
    for code in [1, 2, 42, 126, 127, 128, 254].into_iter().chain((0..=255).step_by(15)) {
        let app = App::new(&format!("web: exit {code}\n"));
        let end = app.start(&["--no-timestamp"]).finish();
        assert_eq!(end.status, Some(code));
        assert_eq!(end.lines_of("web.1")[1], format!("exited with code {code}"));
    }
}

#[test]
fn a_death_by_signal_is_128_and_its_number() {
    // Every one that ends a process by default.
    #[rustfmt::skip]
    let table = [
        (1, "HUP"), (2, "INT"), (3, "QUIT"), (4, "ILL"), (5, "TRAP"), (6, "ABRT"), (7, "BUS"), (8, "FPE"),
        (9, "KILL"), (10, "USR1"), (11, "SEGV"), (12, "USR2"), (13, "PIPE"), (14, "ALRM"), (15, "TERM"),
        (16, "STKFLT"), (24, "XCPU"), (25, "XFSZ"), (26, "VTALRM"), (27, "PROF"), (29, "IO"), (30, "PWR"),
        (31, "SYS"), (34, "RTMIN"), (35, "RTMIN+1"), (64, "RTMIN+30"),
    ];
    for (number, name) in table {
        let app = App::new(&format!("web: ulimit -c 0; kill -{number} $$\n"));
        let end = app.start(&["--no-timestamp"]).finish();
        assert_eq!(end.status, Some(128 + number));
        assert_eq!(end.lines_of("web.1").last().unwrap(), &format!("terminated by SIG{name}"));
    }
}

#[test]
fn an_instance_that_somebody_kills_ends_the_formation_with_137() {
    let app = App::new(&format!("web: exec sleep 1000\nworker: {}\n", polite()));
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    kill(running.pid_of("web.1"), Signal::SIGKILL).unwrap();
    let end = running.finish();
    assert_eq!(end.status, Some(137));
    assert_eq!(end.lines_of("worker.1")[2..], ["asked to end", "exited with code 0"]);
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_after_the_grace_period() {
    let app = App::new("web: trap '' TERM; echo ready; while :; do sleep 1000; done\n");
    let running = app.start(&["--no-timestamp", "-t", "1"]);
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(
        end.lines_of("system"),
        [
            "SIGTERM received, sending SIGTERM to all processes",
            "still running after 1 s, sending SIGKILL: web.1"
        ]
    );
    assert_eq!(end.lines_of("web.1").last().unwrap(), "terminated by SIGKILL");
    assert_eq!(end.status, Some(0));
}

#[test]
fn what_a_leader_leaves_in_its_group_meets_the_same_deadline() {
    let procfile = "web: trap 'exit 0' TERM; (trap '' TERM; echo ready; exec sleep 1000) & wait\n";
    let app = App::new(procfile);
    let running = app.start(&["--no-timestamp", "-t", "1"]);
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.lines_of("web.1").last().unwrap(), "exited with code 0");
    assert!(end.lines_of("system").contains(&"still running after 1 s, sending SIGKILL: web.1".to_owned()));
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_stopped_instance_ends_by_its_own_handler() {
    let app = App::new("web: trap 'echo awake; exit 0' TERM; echo ready; kill -STOP $$\n");
    let running = app.start(&["--no-timestamp", "-t", "1000"]);
    running.wait_for("web.1 was stopped by SIGSTOP");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.lines_of("web.1")[2..], ["awake", "exited with code 0"]);
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_grandchild_that_holds_the_output_delays_no_end() {
    let app = App::new("web: (trap '' TERM; exec sleep 1000) & read go < go; exit 4\n");
    let mut go = app.gate("go");
    go.open();
    let end = app.start(&["--no-timestamp", "-t", "1"]).finish();
    app.assert_nothing_is_left();
    assert_eq!(end.lines_of("web.1").last().unwrap(), "exited with code 4");
    assert!(end.lines_of("system").contains(
        &"web.1 exited with code 4, but left processes running in its group, stopping them".to_owned()
    ));
    assert_eq!(end.status, Some(4));
}

#[test]
fn a_request_in_the_middle_of_the_start_leaves_nothing() {
    let app = App::new("web: exec sleep 1000\n");
    for reached in [1, 30, 90, 199] {
        let running = app.start(&["--no-timestamp", "-m", "web=200"]);
        running.wait_for(&format!("{:7} | started", format!("web.{reached}")));
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0));
        let count = |text: &str| end.stdout.matches(text).count();
        assert_eq!(count("started with"), count("terminated by SIGTERM"));
        let (_, after) = end.stdout.split_once("SIGTERM received").unwrap();
        // The one that was under way, at most.
        assert!(after.matches("started with").count() <= 1, "{after}");
    }
}

#[test]
fn a_missing_working_directory_is_named() {
    let app = App::new("web: true\n");
    let procfile = app.root().join("Procfile");
    let end = app.start(&["-f", procfile.to_str().unwrap(), "-d", "/no/such"]).finish();
    assert_eq!(end.status, Some(1));
    assert!(end.stderr.contains("/no/such"), "{}", end.stderr);
}

#[test]
fn an_environment_that_no_process_can_be_given_is_said() {
    let app = App::new("web: exec sleep 1000\n");
    // Each is below the limit of one variable, together they are above that of all.
    let variables: Vec<String> = (0..3).map(|n| format!("BIG_{n}={}\n", "x".repeat(100_000 + n))).collect();
    app.file(".env", variables.concat());
    let words = "the arguments and variables are more than a process can be given: 300";
    for (arguments, before) in [
        (&["start", "--no-timestamp"][..], "`web.1` could not be started: "),
        (&["run", "true"], ""),
        (&["run", "web"], ""),
    ] {
        let mut command = app.procman(arguments);
        limit_environment(&mut command);
        let end = app.run(command).finish();
        assert_eq!(end.status, Some(1));
        assert!(end.stderr.starts_with(&format!("procman: {before}{words}")), "{}", end.stderr);
        assert!(end.stderr.ends_with(" bytes, of which the variable `BIG_2` has 100009\n"), "{}", end.stderr);
    }
}

#[test]
fn unknown_names_and_empty_formations_start_nothing() {
    let app = App::new("web: touch started\n");
    for arguments in [&["-m", "nosuch=1"][..], &["nosuch"], &["-m", "web=0"], &["-m", "web=-1"]] {
        let end = app.start(arguments).finish();
        assert_eq!(end.status, Some(1), "{arguments:?}");
        assert!(end.stderr.starts_with("procman: "), "{}", end.stderr);
        assert_eq!(end.stdout, "");
    }
    assert!(!app.root().join("started").exists());
}

/// An end used to take the news away that the group of an earlier end was empty: that instance was waited for
/// until it could not be killed.
#[test]
fn many_groups_that_empty_while_others_end_are_all_seen_to_be_empty() {
    let app = App::new(&format!("web: {IDLE}\n"));
    for _ in 0..5 {
        let running = app.start(&["--no-timestamp", "-m", "web=30", "-t", "1000"]);
        running.wait_for_times("| ready\n", 30);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
        assert_eq!(end.status, Some(0));
    }
}

#[test]
fn of_two_ends_at_once_the_one_shown_first_gives_the_code() {
    let app = App::new("a: read go < a; exit 3\nb: read go < b; exit 4\n");
    let mut gates = [app.gate("b"), app.gate("a")];
    for _ in 0..20 {
        let running = app.start(&["--no-timestamp"]);
        running.wait_for("b.1    | started");
        gates.iter_mut().for_each(Gate::open);
        let end = running.finish();
        let first = end.stdout.lines().find_map(|line| line.split_once("exited with code ")).unwrap().1;
        assert_eq!(end.status, first.parse().ok(), "{}", end.stdout);
    }
}

#[test]
fn a_failure_after_a_request_is_a_success() {
    let app = App::new(&format!("web: trap 'exit 9' TERM; {IDLE}\n"));
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.lines_of("web.1").last().unwrap(), "exited with code 9");
    assert_eq!(end.status, Some(0));
}

/// There is a fact to tell after each spawn, and that used to come before everything else.
#[test]
fn a_stop_is_told_while_the_others_are_still_being_started() {
    let app = App::new("web: kill -STOP $$; true\nmore: exec sleep 1000\n");
    let running = app.start(&["--no-timestamp", "-m", "web=1,more=300"]);
    running.wait_for("web.1 was stopped by SIGSTOP");
    running.wait_for("more.300 | started");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    let at = |text: &str| end.stdout.find(text).unwrap();
    assert!(at("web.1 was stopped") < at("more.300 | started"), "{}", end.stdout);
    assert_eq!(end.status, Some(0));
}
