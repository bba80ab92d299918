//! procman on a terminal: colours, Ctrl-C, Ctrl-Z and `fg`, a terminal that goes away.

use std::path::Path;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::support::{
    App, IDLE, IDLE_ON, guard_of, is_alive, procman, python, state, supervisor_of, wait_until, without_pid,
};

#[test]
fn colours_are_on_where_a_terminal_shows_them() {
    let app = App::new("web: echo hello\n");
    for (variable, value, coloured) in [
        ("TERM", "xterm", true),
        ("TERM", "dumb", false),
        ("NO_COLOR", "1", false),
        ("NO_COLOR", "", true),
        ("CLICOLOR_FORCE", "1", true),
    ] {
        let mut command = app.procman(&["start", "--no-timestamp"]);
        command.env(variable, value);
        let (running, _keyboard) = app.run_on_terminal(command);
        let end = running.finish();
        let (on, off) = if coloured { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
        assert_eq!(
            without_pid(&end.stdout),
            format!(
                "{on}web.1  | {off}started with pid N\r\n\
                 {on}web.1  | {off}hello\r\n\
                 {on}web.1  | {off}exited with code 0\r\n"
            ),
            "{variable}={value}"
        );
    }
    let mut command = app.procman(&["start", "--no-timestamp"]);
    command.env("CLICOLOR_FORCE", "1");
    assert!(app.run(command).finish().stdout.contains("\x1b[36m"));
}

#[test]
fn ctrl_c_reaches_each_instance_as_one_signal() {
    ["auto", "never"].into_iter().for_each(check_ctrl_c);
}

#[track_caller]
fn check_ctrl_c(pty: &str) {
    let app = App::new(&format!(
        "web: for name in HUP INT QUIT TERM; do trap \"echo got $name\" $name; done; {IDLE}; sleep 1; exit 0\n"
    ));
    let mut command = app.procman(&["start", "--no-timestamp", "--no-color", "--pty", pty]);
    command.env("TERM", "xterm");
    let (running, mut keyboard) = app.run_on_terminal(command);
    running.wait_for("ready");
    keyboard.press("\x03");
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    let got: Vec<&str> = end.stdout.lines().filter(|line| line.contains("| got ")).collect();
    assert_eq!(got, ["web.1  | got TERM"], "{}", end.stdout);
    assert_eq!(end.stdout.matches("| SIGINT received").count(), 1);
}

#[test]
fn ctrl_c_twice_kills() {
    let app = App::new(&format!("web: trap 'sleep 1; echo later; sleep 1000' TERM; {IDLE}\n"));
    let (running, mut keyboard) =
        app.run_on_terminal(app.procman(&["start", "--no-timestamp", "-t", "1000"]));
    running.wait_for("ready");
    keyboard.press("\x03");
    running.wait_for("later");
    keyboard.press("\x03");
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(130));
}

#[test]
fn a_terminal_that_goes_away_stops_the_formation() {
    // As `IDLE`, but nobody reads this terminal.
    let idle = "sh -c 'touch ready; exec sleep 1000' & wait";
    // The other one writes until it is stuck.
    let app =
        App::new(&format!("web: trap 'echo asked | tee asked; exit 0' TERM; {idle}\nworker: exec yes\n"));
    let (running, keyboard) = app.run_on_unread_terminal(app.procman(&["start"]));
    wait_until("it is ready", || app.root().join("ready").exists());
    drop(keyboard);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert_eq!(std::fs::read_to_string(app.root().join("asked")).unwrap(), "asked\n");
}

/// Waits until all of these processes are stopped, or none is.
#[track_caller]
fn wait_for_state(processes: &[Pid], stopped: bool) {
    let is_stopped = |pid: &Pid| state(pid.as_raw()) == Some('T');
    wait_until("all stand still, or all run", || processes.iter().all(|pid| is_stopped(pid) == stopped));
}

#[test]
fn stopping_the_guard_stops_everything_and_continuing_it_continues_everything() {
    let app =
        App::new(&format!("web: trap 'echo running' USR1; {IDLE_ON}\nworker: trap : USR1; {IDLE_ON}\n"));
    let running = app.start(&["--no-timestamp"]);
    running.wait_for_times("| ready\n", 2);
    let everything =
        [running.pid(), running.supervisor(), running.pid_of("web.1"), running.pid_of("worker.1")];
    for _ in 0..3 {
        running.signal(Signal::SIGTSTP);
        wait_for_state(&everything, true);
        running.signal(Signal::SIGCONT);
        wait_for_state(&everything, false);
    }
    running.signal(Signal::SIGUSR1);
    running.wait_for("| running");
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.status, Some(0));
    // That instances were stopped is said only when procman did not do it.
    assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
}

#[test]
fn stopping_the_supervisor_stops_everything_too() {
    let app = App::new("web: echo ready; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    let everything = [running.pid(), running.supervisor(), running.pid_of("web.1")];
    kill(running.supervisor(), Signal::SIGTSTP).unwrap();
    wait_for_state(&everything, true);
    running.signal(Signal::SIGCONT);
    wait_for_state(&everything, false);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn ctrl_z_gives_the_prompt_back_and_fg_goes_on() {
    ["auto", "never"].into_iter().for_each(check_ctrl_z);
}

#[track_caller]
fn check_ctrl_z(pty: &str) {
    let app = App::new(&format!("web: trap 'echo running' USR1; {IDLE_ON}\n"));
    let mut command = app.command("sh");
    // A shell with job control; what follows Ctrl-Z is its next command.
    command.args([
        "-c",
        "set -m; \"$0\" start --no-timestamp --no-color --pty $1; echo prompt $?; read line; fg; echo ended $?",
    ]);
    command.arg(procman()).arg(pty);
    let (running, mut keyboard) = app.run_on_terminal(command);
    running.wait_for("ready");
    let guard = guard_of(running.pid());
    let supervisor = supervisor_of(guard);
    let web = running.pid_of("web.1");
    keyboard.press("\x1a");
    // 128 and the number of SIGSTOP or SIGTSTP.
    running.wait_for("prompt 1");
    wait_for_state(&[guard, supervisor, web], true);
    keyboard.press("\n");
    wait_for_state(&[guard, supervisor, web], false);
    kill(guard, Signal::SIGUSR1).unwrap();
    running.wait_for("| running");
    keyboard.press("\x03");
    running.wait_for("ended 0");
    running.finish();
    app.assert_nothing_is_left();
}

#[test]
fn a_background_job_writes_in_spite_of_tostop() {
    let app = App::new("web: read go < go; echo from the background; exit 3\n");
    let mut go = app.gate("go");
    let mut command = app.command("sh");
    command
        .args(["-c", "set -m; stty tostop; \"$0\" start --no-timestamp --no-color & wait $!; echo ended $?"]);
    command.arg(procman());
    let (running, _keyboard) = app.run_on_terminal(command);
    running.wait_for("started with");
    go.open();
    running.wait_for("from the background");
    running.wait_for("ended 3");
    running.finish();
}

#[test]
fn a_stop_from_the_terminal_while_processes_are_started_freezes_nothing() {
    use std::os::unix::process::CommandExt;

    for round in 0..10 {
        let app = App::new("web: exec sleep 1000\n");
        let mut command = app.procman(&["start", "--no-timestamp", "-m", "web=40"]);
        // The terminal signals the whole foreground group, with whatever has just been forked in it.
        command.process_group(0);
        let running = app.run(command);
        running.wait_for(&format!("web.{}", 1 + round * 3));
        killpg(running.pid(), Signal::SIGTSTP).unwrap();
        wait_until("procman stands still", || state(running.pid().as_raw()) == Some('T'));
        killpg(running.pid(), Signal::SIGCONT).unwrap();
        running.wait_for("web.40");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.finish().status, Some(0));
    }
}

#[test]
fn ctrl_c_is_heard_when_the_guard_is_gone() {
    let app = App::new(&format!("web: trap 'sleep 1; echo later; sleep 1000' TERM; {IDLE}\n"));
    let mut command = app.command("sh");
    // Without job control: procman shares its group with a shell that stays, so the terminal still knows it.
    command.args([
        "-c",
        "trap : INT; \"$0\" start --no-timestamp --no-color -t 1000; until [ \"$line\" = bye ]; do read line; done",
    ]);
    command.arg(procman());
    let (running, mut keyboard) = app.run_on_terminal(command);
    running.wait_for("ready");
    let guard = guard_of(running.pid());
    let everything = [supervisor_of(guard), running.pid_of("web.1")];
    kill(guard, Signal::SIGKILL).unwrap();
    running.wait_for("later");
    keyboard.press("\x03");
    running.wait_for("| SIGINT received again, sending SIGKILL to all processes");
    wait_until("all are gone", || everything.iter().all(|pid| !is_alive(pid.as_raw())));
    keyboard.press("bye\n");
    running.finish();
    app.assert_nothing_is_left();
}

#[test]
fn an_instance_that_reads_the_terminal_is_stopped_and_that_is_said() {
    let app = App::new(&format!("web: read line < /dev/tty\nworker: trap 'echo running' USR1; {IDLE_ON}\n"));
    let mut command = app.command("sh");
    // Else Ctrl-C would throw away what has been typed before it.
    command.args([
        "-c",
        "stty noflsh; trap : INT; \"$0\" start --no-timestamp --no-color --pty never; echo ended $?; read line; echo \"sh got $line\"",
    ]);
    command.arg(procman());
    let (running, mut keyboard) = app.run_on_terminal(command);
    running.wait_for("worker.1 | ready");
    running.wait_for("system   | web.1 was stopped by SIGTTIN: an instance cannot read the terminal");
    // It takes no key of procman's or of the shell's, and is in nobody's way.
    keyboard.press("a line\n");
    kill(guard_of(running.pid()), Signal::SIGUSR1).unwrap();
    running.wait_for("worker.1 | running");
    keyboard.press("\x03");
    running.wait_for("ended 0");
    running.wait_for("sh got a line");
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.stdout.matches("was stopped by").count(), 1, "{}", end.stdout);
}

#[test]
fn an_instance_that_takes_the_foreground_keeps_procman_from_nothing() {
    let Some(python) = python() else { return };
    let app = App::new(&format!(
        "web: exec {python} grab.py\nworker: read go < go; echo still shown; exec sleep 1000\n"
    ));
    let mut go = app.gate("go");
    app.file(
        "grab.py",
        "import os, signal\n\
         signal.signal(signal.SIGTTOU, signal.SIG_IGN)\n\
         os.tcsetpgrp(os.open('/dev/tty', os.O_RDWR), os.getpgrp())\n\
         print('mine', flush=True)\n\
         while True: signal.pause()\n",
    );
    let mut command = app.command("sh");
    command
        .args(["-c", "stty tostop; exec \"$0\" start --no-timestamp --no-color --pty never"])
        .arg(procman());
    let (running, _keyboard) = app.run_on_terminal(command);
    running.wait_for("| mine");
    go.open();
    running.wait_for("| still shown");
    running.signal(Signal::SIGINT);
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.status, Some(0));
    assert_eq!(end.stdout.matches("terminated by SIGTERM").count(), 2, "{}", end.stdout);
}

#[test]
fn the_settings_of_the_terminal_outlive_a_killed_supervisor() {
    // With colours, and in the middle of much output.
    let app = App::new("web: exec yes\n");
    let mut command = app.command("sh");
    command.args(["-c", "stty -a > before; \"$0\" start; code=$?; stty -a > after; echo ended $code"]);
    command.arg(procman()).env("TERM", "xterm");
    let (running, _keyboard) = app.run_on_terminal(command);
    running.wait_for_times("| \x1b[0my", 1000);
    kill(supervisor_of(guard_of(running.pid())), Signal::SIGKILL).unwrap();
    running.wait_for("ended 137");
    running.finish();
    let settings = |name| std::fs::read_to_string(app.root().join(name)).unwrap();
    assert!(settings("before").contains("intr = ^C"));
    assert_eq!(settings("before"), settings("after"));
}

/// A progress bar that hides the cursor used to leave it hidden, and what draws a screen left the shell on that.
#[test]
fn what_instances_make_of_the_terminal_is_undone_behind_the_last_line() {
    for (text, term, expected) in [
        ("\\033[?25lbuilding", "xterm", Some("\x1b[0m")),
        ("\\033[?1049h\\033[?1000h\\033[2Jediting", "xterm", Some("\x1b[?1049l")),
        ("\\033[?25lbuilding", "dumb", None),
        ("\\033[1mloud\\033[0m", "xterm", None),
    ] {
        let app = App::new(&format!("web: printf '{text}\\n'; echo ready; exec sleep 1000\n"));
        let mut command = app.procman(&["start", "--no-timestamp", "--no-color"]);
        command.env("TERM", term);
        let (running, mut keyboard) = app.run_on_terminal(command);
        running.wait_for("| ready");
        keyboard.press("\x03");
        let end = running.finish();
        assert_eq!(end.status, Some(0));
        let (_, after) = end.stdout.split_once("terminated by SIGTERM").unwrap();
        match expected {
            Some(last) => {
                assert!(after.contains("\x1b[?25h") && after.contains("\x1b[?1000l"), "{:?}", end.stdout);
                assert!(after.ends_with(last), "{:?}", end.stdout);
            }
            None => assert!(!after.contains("\x1b["), "{:?}", end.stdout),
        }
    }
}

#[test]
fn what_instances_make_of_the_terminal_is_undone_for_a_killed_supervisor_too() {
    let app = App::new("web: printf '\\033[?1049h\\033[?1000h\\033[2J\\n'; echo ready; exec sleep 1000\n");
    let mut command = app.procman(&["start", "--no-timestamp"]);
    command.env("TERM", "xterm");
    let (running, _keyboard) = app.run_on_terminal(command);
    running.wait_for("ready");
    // Clients are answered last: the guard has been told by then.
    app.ask(&["ps"]);
    kill(running.supervisor(), Signal::SIGSTOP).unwrap();
    wait_until("the guard stands still", || state(running.pid().as_raw()) == Some('T'));
    running.wait_for("\x1b[?1049l");
    kill(running.supervisor(), Signal::SIGKILL).unwrap();
    running.signal(Signal::SIGCONT);
    running.wait_for_times("\x1b[?1049l", 2);
    let end = running.finish();
    assert_eq!(end.status, Some(137));
    assert_eq!(end.stdout.matches("\x1b[?25h").count(), 2, "{:?}", end.stdout);
    app.wait_until_nothing_is_left();
}

#[test]
fn under_nohup_a_terminal_that_goes_away_ends_nothing() {
    let app = App::new(&format!("web: trap 'echo still here' USR1; {IDLE_ON}\n"));
    let mut command = app.command("nohup");
    command.arg(procman()).args(["start", "--no-timestamp"]);
    let (running, keyboard) = app.run_on_unread_terminal(command);
    let says = |text: &str| {
        let output = std::fs::read_to_string(app.root().join("nohup.out")).unwrap_or_default();
        output.contains(text)
    };
    wait_until("it is ready", || says("| ready"));
    drop(keyboard);
    running.signal(Signal::SIGUSR1);
    wait_until("it still runs", || says("| still here"));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
    assert!(!says("SIGHUP"));
}

#[test]
fn ctrl_s_holds_the_output_and_no_end() {
    let app = App::new("web: exec yes\n");
    let (running, mut keyboard) = app.run_on_terminal(app.procman(&["start", "--no-timestamp"]));
    for _ in 0..2 {
        let before = running.output().len();
        wait_until("it is shown", || running.output().len() > before);
        keyboard.press("\x13");
        let (mut last, mut unchanged) = (0, 0);
        wait_until("it is held", || {
            let now = running.output().len();
            unchanged = if now == last { unchanged + 1 } else { 0 };
            last = now;
            unchanged > 20
        });
        keyboard.press("\x11");
    }
    keyboard.press("\x13");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn continuing_the_supervisor_continues_the_guard() {
    let app = App::new(&format!("web: trap 'echo running' USR1; {IDLE_ON}\n"));
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("| ready");
    let both = [running.pid(), running.supervisor()];
    for round in 1..=3 {
        kill(running.supervisor(), Signal::SIGSTOP).unwrap();
        wait_for_state(&both, true);
        kill(running.supervisor(), Signal::SIGCONT).unwrap();
        wait_for_state(&both, false);
        // The guard has continued the supervisor in turn by the time it passes on anything else.
        running.signal(Signal::SIGUSR1);
        running.wait_for_times("| running", round);
    }
    kill(running.supervisor(), Signal::SIGSTOP).unwrap();
    wait_for_state(&both, true);
    running.signal(Signal::SIGTERM);
    kill(running.supervisor(), Signal::SIGCONT).unwrap();
    assert_eq!(running.finish().status, Some(0));
    app.assert_nothing_is_left();
}

#[test]
fn the_stop_key_is_discarded_where_no_shell_could_continue() {
    // The leader of a session, as under `ssh -t host procman start`, and a process in the group of one.
    let start = ["start", "--no-timestamp", "--no-color"];
    let mut under_a_script = vec!["-c", "\"$@\"; true", "sh", procman().to_str().unwrap()];
    under_a_script.extend(start);
    for (program, arguments) in [(procman(), &start[..]), (Path::new("sh"), &under_a_script)] {
        if cfg!(procman_portable) && program != procman() {
            // It cannot know what else is in its group.
            continue;
        }
        let app = App::new(&format!("web: trap 'echo running' USR1; {IDLE_ON}\n"));
        let mut command = app.command(program);
        command.args(arguments);
        let (running, mut keyboard) = app.run_on_terminal(command);
        running.wait_for("| ready");
        keyboard.press("\x1a");
        // The next keys find everything as it was.
        running.wait_for("^Z");
        kill(running.pid_of("web.1"), Signal::SIGUSR1).unwrap();
        running.wait_for("| running");
        keyboard.press("\x03");
        let end = running.finish();
        app.wait_until_nothing_is_left();
        // The script dies of the key, too.
        assert!(end.status == Some(0) || end.signal == Some(2), "{end:?}");
        assert!(end.stdout.contains("terminated by SIGTERM"), "{}", end.stdout);
    }
}

#[test]
fn a_supervisor_that_is_killed_while_it_stands_still_leaves_nothing() {
    let app = App::new("web: echo ready; exec sleep 1000\n");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    let both = [running.pid(), running.supervisor()];
    kill(both[1], Signal::SIGSTOP).unwrap();
    wait_for_state(&both, true);
    kill(both[1], Signal::SIGKILL).unwrap();
    running.signal(Signal::SIGCONT);
    assert_eq!(running.finish().status, Some(137));
    app.wait_until_nothing_is_left();
}

/// Only Linux tells the supervisor, which stands still too.
#[cfg(not(procman_portable))]
#[test]
fn a_guard_that_is_killed_while_all_stands_still_leaves_nothing() {
    let app = App::new("web: echo ready; exec sleep 1000\n");
    // In a session of its own: the kernel continues only what that death has orphaned.
    let mut command = app.command("setsid");
    command.arg(procman()).args(["start", "--no-timestamp"]);
    let running = app.run(command);
    running.wait_for("ready");
    let everything = [running.pid(), running.supervisor(), running.pid_of("web.1")];
    running.signal(Signal::SIGTSTP);
    wait_for_state(&everything, true);
    running.signal(Signal::SIGKILL);
    let end = running.finish();
    app.wait_until_nothing_is_left();
    assert_eq!(end.lines_of("system"), ["the guard process is gone, sending SIGTERM to all processes"]);
}
