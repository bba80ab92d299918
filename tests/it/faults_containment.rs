//! Nothing is left: whatever an instance starts, and however procman's two processes end.
//!
//! Everything that an instance does to get away is tried at once: groups, sessions, double forks, wiped
//! environments. It is found again by the argument of `sleep`.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{App, Running, python, wait_until};

/// Starts an app whose instance has started sleepers, and waits until they all sleep.
fn with_sleepers(lines: &str, count: usize, arguments: &[&str]) -> (App, Running) {
    let app = App::new("web: sh web.sh\nworker: exec sleep 1000\n");
    app.file("web.sh", format!("{}\necho ready\nwait\nsleep 1000\n", lines.replace("TAG", &app.tag())));
    let running = app.start(&[&["--no-timestamp"], arguments].concat());
    running.wait_for("ready");
    wait_until("everything sleeps", || app.sleepers().len() == count);
    (app, running)
}

/// A child in the background, a grandchild under a shell, one that waits in the foreground.
const IN_THE_GROUP: &str = "sleep TAG &\n\
    sh -c 'sleep TAG; true' &\n\
    (trap '' HUP; sleep TAG) &";

#[test]
fn a_stop_leaves_nothing_of_a_group() {
    let (app, running) = with_sleepers(IN_THE_GROUP, 3, &[]);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
}

#[test]
fn a_shell_around_a_command_leaves_no_command() {
    let app = App::new("");
    app.file("Procfile", format!("web: sh -c 'sleep {}; true'\nworker: read go < go\n", app.tag()));
    let mut go = app.gate("go");
    let running = app.start(&[]);
    wait_until("it sleeps", || app.sleepers().len() == 1);
    go.open();
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn a_killed_guard_leaves_nothing_of_a_group() {
    let (app, running) = with_sleepers(IN_THE_GROUP, 3, &[]);
    running.signal(Signal::SIGKILL);
    let end = running.finish();
    app.wait_until_nothing_is_left();
    assert_eq!(end.signal, Some(Signal::SIGKILL as i32));
    assert_eq!(end.lines_of("system"), ["the guard process is gone, sending SIGTERM to all processes"]);
}

#[test]
fn leaders_leftovers_and_escapees_have_one_deadline() {
    const GRACE: Duration = Duration::from_secs(5);
    // None of them minds SIGTERM. Only a subreaper finds the one that has left its group.
    let immune = "trap '' TERM; exec";
    let idle = "sh -c 'echo ready; exec sleep 1000'";
    let setsid = if cfg!(procman_portable) { "" } else { "setsid" };
    let app = App::new(&format!(
        "leader: {immune} {idle}\n\
         leftover: ({immune} {idle}) & exec sleep 1000\n\
         escapee: ({immune} {setsid} {idle}) & exec sleep 1000\n"
    ));
    let running = app.start(&["--no-timestamp", "-t", &GRACE.as_secs().to_string()]);
    running.wait_for_times("| ready", 3);
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    let took = asked.elapsed();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0), "{}", end.stdout);
    assert_eq!(end.stdout.matches("terminated by SIGTERM").count(), 2, "{}", end.stdout);
    // Two graces one after the other would take twice as long.
    assert!((GRACE..2 * GRACE).contains(&took), "{took:?}\n{}", end.stdout);
}

/// Only a subreaper hears of those who have left their group: this is promised on Linux alone.
#[cfg(not(procman_portable))]
mod escapees {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::{IN_THE_GROUP, with_sleepers};
    use crate::support::{App, IDLE, is_alive, procman, python, skipped, state, wait_until};

    /// Sessions of their own, daemons, a wiped environment, closed descriptors.
    const ESCAPED: &str = "setsid sleep TAG &\n\
    setsid env -i /bin/sleep TAG &\n\
    setsid sh -c 'sleep TAG & exit 0' &\n\
    (setsid setsid sh -c 'cd /; exec env -i /bin/sleep TAG <&- >&- 2>&-' & exit 0)\n\
    (setsid sh -c 'trap \"\" HUP INT QUIT; (exec env -i setsid /bin/sleep TAG </dev/null >/dev/null 2>&1) & exit' &)";

    /// One that no request ends.
    const STUBBORN: &str = "trap '' TERM\nsetsid env -i /bin/sleep TAG &\ntrap - TERM";

    #[test]
    fn a_stop_leaves_nothing_of_what_has_escaped() {
        let (app, running) = with_sleepers(&format!("{ESCAPED}\n{IN_THE_GROUP}"), 8, &[]);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0));
        assert_eq!(end.stderr, "");
    }

    #[test]
    fn an_end_leaves_nothing_of_what_has_escaped() {
        let (app, running) = with_sleepers(ESCAPED, 5, &[]);
        kill(running.pid_of("worker.1"), Signal::SIGKILL).unwrap();
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(137));
    }

    #[test]
    fn the_last_words_of_an_escapee_are_shown() {
        let app = App::new("web: setsid sh daemon.sh & read go < go; exit 9\nworker: exec sleep 1000\n");
        // It cannot clean up if its words have no reader.
        app.file(
            "daemon.sh",
            format!("trap 'echo stopping; sleep 0.1; echo cleaned up; touch clean; exit' TERM\n{IDLE}\n"),
        );
        for is_asked in [true, false] {
            let mut go = app.gate("go");
            let running = app.start(&["--no-timestamp", "-t", "1000"]);
            running.wait_for("| ready");
            if is_asked {
                running.signal(Signal::SIGTERM)
            } else {
                go.open()
            }
            let end = running.finish();
            app.assert_nothing_is_left();
            let mut lines = end.lines_of("web.1");
            // Its first word may overtake the line of the end that it comes after.
            lines.retain(|line| ["stopping", "cleaned up"].contains(&line.as_str()));
            assert_eq!(lines, ["stopping", "cleaned up"], "{}", end.stdout);
            assert_eq!((end.status, &*end.stderr), (Some(if is_asked { 0 } else { 9 }), ""));
            for file in ["clean", "go"] {
                std::fs::remove_file(app.root().join(file)).unwrap();
            }
        }
    }

    #[test]
    fn an_escapee_that_ignores_sigterm_is_killed_after_the_grace_period() {
        let (app, running) = with_sleepers(STUBBORN, 1, &["-t", "1"]);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0));
    }

    #[test]
    fn a_second_request_does_not_wait_for_an_escapee() {
        let (app, running) = with_sleepers(
            &format!("{STUBBORN}\ntrap 'sleep 1; echo later; sleep 1000' TERM"),
            1,
            &["-t", "1000"],
        );
        running.signal(Signal::SIGINT);
        running.wait_for("later");
        running.signal(Signal::SIGINT);
        assert_eq!(running.finish().status, Some(130));
        app.assert_nothing_is_left();
    }

    #[test]
    fn a_killed_supervisor_leaves_nothing() {
        let (app, running) = with_sleepers(&format!("{ESCAPED}\n{IN_THE_GROUP}"), 8, &[]);
        kill(running.supervisor(), Signal::SIGKILL).unwrap();
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(137));
        assert_eq!(end.stderr, "procman: the supervisor was killed by SIGKILL, ending what it has left\n");
    }

    #[test]
    fn what_a_killed_supervisor_leaves_is_killed_after_the_grace_period() {
        let (app, running) = with_sleepers(STUBBORN, 1, &["-t", "1"]);
        kill(running.supervisor(), Signal::SIGKILL).unwrap();
        assert_eq!(running.finish().status, Some(137));
        app.assert_nothing_is_left();
    }

    #[test]
    fn a_killed_guard_leaves_nothing_of_what_has_escaped() {
        let (app, running) = with_sleepers(ESCAPED, 5, &[]);
        running.signal(Signal::SIGKILL);
        running.finish();
        app.wait_until_nothing_is_left();
    }

    #[test]
    fn when_the_guard_is_gone_a_second_request_does_not_wait_for_an_escapee() {
        let (app, running) = with_sleepers(STUBBORN, 1, &["-t", "1000"]);
        let (supervisor, web) = (running.supervisor(), running.pid_of("web.1"));
        running.signal(Signal::SIGKILL);
        wait_until("the instances have ended", || !is_alive(web.as_raw()));
        wait_until("nothing is left", || {
            let _ = kill(supervisor, Signal::SIGINT);
            app.left().is_empty()
        });
    }

    #[test]
    fn instances_die_even_with_both_processes_of_procman_at_once() {
        let app = App::new("web: exec sleep 1000\nworker: exec sleep 1000\n");
        let running = app.start(&["--no-timestamp", "-m", "all=3"]);
        running.wait_for("worker.3 | started");
        let supervisor = running.supervisor();
        running.signal(Signal::SIGSTOP);
        kill(supervisor, Signal::SIGKILL).unwrap();
        running.signal(Signal::SIGKILL);
        running.finish();
        app.wait_until_nothing_is_left();
    }

    #[test]
    fn an_orphan_that_ends_is_no_instance_that_ends() {
        // The daemon ends with 9 while the formation runs on.
        let app = App::new(
            "web: (setsid sh -c 'echo $$ > daemon; read go < go; exit 9' &); echo ready; exec sleep 1000\n",
        );
        let mut go = app.gate("go");
        let running = app.start(&["--no-timestamp"]);
        running.wait_for("ready");
        let mut daemon = None;
        wait_until("there is a daemon", || {
            let pid = std::fs::read_to_string(app.root().join("daemon")).ok();
            daemon = pid.and_then(|pid| pid.trim().parse::<i32>().ok());
            daemon.is_some()
        });
        go.open();
        wait_until("the daemon is reaped", || state(daemon.unwrap()).is_none());
        assert!(is_alive(running.pid_of("web.1").as_raw()));
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
        assert_eq!(end.status, Some(0));
    }

    #[test]
    fn only_the_supervisor_is_named_procman() {
        let app = App::new("web: exec sleep 1000\n");
        let running = app.start(&["--no-timestamp"]);
        running.wait_for("started");
        let name = |pid: Pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        // It gives itself that name when the other one runs already.
        wait_until("the guard has its name", || name(running.pid()) == "pm-guard\n");
        assert_eq!(name(running.supervisor()), "procman\n");
        running.signal(Signal::SIGTERM);
        running.finish();
    }

    /// Each is there for less than a millisecond, and a look at who is left takes longer.
    #[test]
    fn a_chain_of_forks_is_not_lost_sight_of() {
        let Some(python) = python() else { return };
        let app = App::new(&format!("web: {python} -S chain.py\n"));
        app.file(
            "chain.py",
            "import os, signal\n\
             signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
             for _ in range(1000):\n    if os.fork(): os._exit(0)\n\
             print('the last', flush=True)\n",
        );
        let end = app.start(&["--no-timestamp", "-t", "1000"]).finish();
        assert_eq!(end.lines_of("web.1")[1..], ["the last", "exited with code 0"], "{}", end.stdout);
        assert_eq!(end.status, Some(0));
    }

    #[test]
    fn a_group_of_its_own_in_the_same_session_is_no_way_out() {
        let Some(python) = python() else { return };
        let app = App::new("");
        let script = format!(
            "web: {python} -c 'import os; os.fork() or (os.setpgid(0, 0), os.execvp(\"sleep\", [\"sleep\", \"{}\"]))'; \
             exec sleep 1000\n",
            app.tag()
        );
        app.file("Procfile", script);
        let running = app.start(&["--no-timestamp"]);
        wait_until("it sleeps", || app.sleepers().len() == 1);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0));
    }

    #[test]
    fn a_namespace_of_its_own_is_no_way_out() {
        // Its first process is deaf to SIGTERM, as every init without a handler is.
        for command in
            ["unshare --pid --fork --kill-child sleep TAG", "setsid unshare --pid --fork sleep TAG & wait"]
        {
            let app = App::new("");
            let mut tried = app.command("unshare");
            if !tried.args(["--pid", "--fork", "true"]).output().is_ok_and(|tried| tried.status.success()) {
                return skipped("no PID namespace can be made: that takes root and unshare(1)");
            }
            app.file("Procfile", format!("web: {}\n", command.replace("TAG", &app.tag())));
            let running = app.start(&["--no-timestamp", "-t", "1"]);
            wait_until("it sleeps", || app.sleepers().len() == 1);
            running.signal(Signal::SIGTERM);
            let end = running.finish();
            app.assert_nothing_is_left();
            assert_eq!(end.status, Some(0), "{end:?}");
        }
    }
    /// Its first thread has ended, so `/proc` shows a zombie. It used to be left.
    #[test]
    fn a_process_without_its_first_thread_is_no_zombie() {
        let Some(python) = python() else { return };
        for web in ["setsid PYTHON threads.py & wait", "PYTHON threads.py & wait", "exec PYTHON threads.py"] {
            let app = App::new(&format!("web: {}\n", web.replace("PYTHON", python)));
            app.file(
                "threads.py",
                "import ctypes, os, threading, time\n\
                 threading.Thread(target=time.sleep, args=(1000,)).start()\n\
                 print('pid', os.getpid(), flush=True)\n\
                 ctypes.CDLL(None).pthread_exit(0)\n",
            );
            let running = app.start(&["--no-timestamp"]);
            running.wait_for("| pid ");
            let output = running.output();
            let pid =
                output.split_once("| pid ").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
            wait_until("its first thread has ended", || state(pid) == Some('Z'));
            running.signal(Signal::SIGTERM);
            let end = running.finish();
            let left = state(pid);
            if left.is_some() {
                // Its environment cannot be read, so nobody else finds it.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            assert_eq!(left, None, "{web}: it is left");
            assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{end:?}");
        }
    }

    #[test]
    fn a_procman_below_procman_ends_with_all_it_has_started() {
        let cases = [("", "1000", "exited with code 0"), ("trap '' TERM;", "1", "terminated by SIGKILL")];
        for (app_is, grace, end_of_inner) in cases {
            let app = App::new("");
            let (procman, tag) = (procman().display(), app.tag());
            app.file(
                "Procfile",
                format!("web: exec {procman} start --no-timestamp --no-socket -f inner -t 1000\n"),
            );
            let inner = format!(
                "app: {app_is} (setsid sleep {tag} &); sleep {tag} & echo ready; wait; read go < go\n"
            );
            app.file("inner", inner);
            let _shut = app.gate("go");
            let running = app.start(&["--no-timestamp", "-t", grace]);
            running.wait_for("ready");
            wait_until("everything sleeps", || app.sleepers().len() == 2);
            running.signal(Signal::SIGTERM);
            let end = running.finish();
            app.assert_nothing_is_left();
            assert_eq!(end.lines_of("web.1").last().unwrap(), end_of_inner);
            // Both processes of the inner one are in its group, and count it once.
            assert_eq!(end.stdout.matches("SIGTERM received").count(), 2, "{}", end.stdout);
            assert_eq!(end.status, Some(0), "{}", end.stdout);
        }
    }
    #[test]
    fn a_stopped_escapee_ends_by_itself() {
        let (app, running) = with_sleepers("setsid sleep TAG &", 1, &["-t", "1000"]);
        let sleeper = app.sleepers()[0];
        kill(sleeper, Signal::SIGSTOP).unwrap();
        wait_until("it stands still", || state(sleeper.as_raw()) == Some('T'));
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.status, Some(0), "{}", end.stdout);
    }
}

#[test]
fn a_leader_that_leaves_its_group_is_stopped_all_the_same() {
    let Some(python) = python() else { return };
    // Deaf to SIGTERM or not, and with or without somebody who stays in the group.
    for (command, deaf, ends) in [
        ("exec", "", "terminated by SIGTERM"),
        ("exec", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", "terminated by SIGKILL"),
        ("sleep 1000 & exec", "", "terminated by SIGTERM"),
    ] {
        let app = App::new(&format!("web: {command} {python} leave.py\n"));
        app.file(
            "leave.py",
            format!(
                "import os, signal\n\
                 {deaf}\n\
                 os.setpgid(0, os.getpgid(os.getppid()))\n\
                 print('ready', flush=True)\n\
                 while True: signal.pause()\n"
            ),
        );
        let running = app.start(&["--no-timestamp", "-t", if deaf.is_empty() { "1000" } else { "0" }]);
        running.wait_for("ready");
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!(end.lines_of("web.1").last().unwrap(), ends, "{}", end.stdout);
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    }
}
