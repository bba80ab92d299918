//! procman as a container's first process, in a PID namespace. Needs root, and unshare(1) of util-linux.

use std::io::Write;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{
    App, IDLE, IDLE_ON, Running, arguments, child_of, guard_of, is_installed, parent, processes, procman,
    skipped, state, supervisor_of, wait_until,
};

const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

/// Returns whether a PID namespace can be made here, and says so where it cannot.
fn can_be_made() -> bool {
    let tried = Command::new("unshare").args(UNSHARE).arg("true").output();
    let made = tried.is_ok_and(|output| output.status.success());
    if !made {
        skipped("no PID namespace can be made: that takes root and unshare(1)");
    }
    made
}

/// Starts procman as PID 1. Returns nothing where that cannot be done.
fn start(app: &App, arguments: &[&str]) -> Option<Running> {
    if !can_be_made() {
        return None;
    }
    let mut command = app.command("unshare");
    command.args(UNSHARE).arg(procman()).args(arguments);
    Some(app.run(command))
}

/// Returns PID 1 of the namespace, as it is called outside: the only child of `unshare`.
#[track_caller]
fn init(running: &Running) -> Pid {
    guard_of(running.pid())
}

#[test]
fn a_request_stops_a_formation_in_a_container() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let app = App::new(&format!(
            "web: trap 'echo bye; exit 0' TERM; {IDLE}\n\
             worker: (setsid sleep 1000 &); exec sleep 1000\n"
        ));
        let Some(running) = start(&app, &["start", "--no-timestamp"]) else { return };
        running.wait_for("ready");
        kill(init(&running), signal).unwrap();
        let end = running.finish();
        app.wait_until_nothing_is_left();
        assert_eq!(end.status, Some(0), "{end:?}");
        assert_eq!(end.lines_of("web.1")[2..], ["bye", "exited with code 0"]);
        assert_eq!(end.stderr, "");
    }
}

#[test]
fn the_first_end_gives_the_container_its_status() {
    let app = App::new(&format!("web: read go < go; exit 7\nworker: trap 'echo bye; exit 0' TERM; {IDLE}\n"));
    let mut go = app.gate("go");
    let Some(running) = start(&app, &["start", "--no-timestamp"]) else { return };
    running.wait_for("ready");
    go.open();
    let end = running.finish();
    assert_eq!(end.status, Some(7));
    assert_eq!(end.lines_of("worker.1")[2..], ["bye", "exited with code 0"]);
}

/// Returns every process below another, zombies too.
fn below(process: Pid) -> Vec<i32> {
    let all: Vec<_> = processes().into_iter().map(|pid| (pid, parent(pid))).collect();
    let mut found = vec![process.as_raw()];
    let mut next = 0;
    while let Some(this) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, parent)| *parent == Some(this)).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

#[test]
fn ten_thousand_orphans_leave_no_zombie() {
    let app = App::new(
        "web: i=0; while [ $i -lt 10000 ]; do ( : & ); i=$((i + 1)); done; echo all are orphans; \
         read go < go; ( : & ); exec sleep 1000\n",
    );
    let mut go = app.gate("go");
    let Some(running) = start(&app, &["start", "--no-timestamp"]) else { return };
    running.wait_for("all are orphans");
    let init = init(&running);
    let supervisor = supervisor_of(init);
    let zombies = || below(init).into_iter().filter(|pid| state(*pid) == Some('Z')).count();
    let only_the_instance_is_left = || {
        wait_until("only the supervisor and the instance are left", || {
            let left = below(init);
            left.len() == 2 && left.contains(&supervisor.as_raw()) && zombies() == 0
        });
    };
    only_the_instance_is_left();
    // It would be seen: nobody reaps while both stand still.
    for process in [init, supervisor] {
        kill(process, Signal::SIGSTOP).unwrap();
        wait_until("it stands still", || state(process.as_raw()) == Some('T'));
    }
    go.open();
    wait_until("there is a zombie", || zombies() == 1);
    [supervisor, init].into_iter().for_each(|process| kill(process, Signal::SIGCONT).unwrap());
    only_the_instance_is_left();
    kill(init, Signal::SIGTERM).unwrap();
    let end = running.finish();
    assert_eq!(end.status, Some(0));
    assert_eq!(end.lines_of("system"), ["SIGTERM received, sending SIGTERM to all processes"]);
}

#[test]
fn an_orphan_that_fails_ends_no_container() {
    let app = App::new("web: (setsid sh orphan.sh &); read go < go; exit 5\n");
    app.file("orphan.sh", "read end < end; exit 9\n");
    let [mut end, mut go] = ["end", "go"].map(|name| app.gate(name));
    let Some(running) = start(&app, &["start", "--no-timestamp"]) else { return };
    let init = init(&running);
    let mut orphan = None;
    wait_until("there is an orphan", || {
        let is_it = |pid: &i32| arguments(*pid) == ["sh", "orphan.sh"];
        orphan = below(init).into_iter().find(is_it);
        orphan.is_some()
    });
    end.open();
    wait_until("the orphan is reaped", || state(orphan.unwrap()).is_none());
    go.open();
    let end = running.finish();
    assert_eq!(end.lines_of("web.1")[1..], ["exited with code 5"]);
    assert_eq!(end.status, Some(5));
}

#[test]
fn a_signal_from_an_instance_to_pid_1_is_heard() {
    for (passed_on, request) in [("USR1", "TERM"), ("QUIT", "INT"), ("USR2", "HUP")] {
        let app = App::new(&format!(
            "web: trap 'echo got it; kill -{request} 1' {passed_on}; \
             sh -c 'trap \"\" {passed_on}; kill -{passed_on} 1; exec sleep 1000' & while :; do wait; done\n"
        ));
        let Some(running) = start(&app, &["start", "--no-timestamp"]) else { return };
        running.wait_for("got it");
        let end = running.finish();
        assert_eq!(end.status, Some(0));
        let stopping = format!("SIG{request} received, sending SIGTERM to all processes");
        assert_eq!(end.lines_of("system"), [stopping]);
    }
}

#[test]
fn a_container_without_proc_keeps_the_promises() {
    if !can_be_made() {
        return;
    }
    // None, or that of the machine, where no number means what it says inside.
    for proc in ["mount -t tmpfs none /proc", "true"] {
        let app = App::new("web: (trap '' TERM; exec sleep 1000) & echo ready; wait\n");
        let mut command = app.command("unshare");
        command.args(["--pid", "--fork", "--mount", "--kill-child", "sh", "-c"]);
        command.arg(format!("{proc} && exec \"$0\" start --no-timestamp -t 1")).arg(procman());
        let running = app.run(command);
        running.wait_for("ready");
        kill(init(&running), Signal::SIGTERM).unwrap();
        let end = running.finish();
        app.wait_until_nothing_is_left();
        assert_eq!((end.status, end.stderr), (Some(0), String::new()), "{proc}: {}", end.stdout);
    }
}

#[test]
fn as_pid_1_a_stop_from_the_terminal_does_not_freeze_it() {
    let app = App::new(&format!("web: {IDLE}\n"));
    let Some(running) = start(&app, &["start"]) else { return };
    running.wait_for("ready");
    let init = init(&running);
    kill(init, Signal::SIGTSTP).unwrap();
    kill(init, Signal::SIGTERM).unwrap();
    assert_eq!(running.finish().status, Some(0));
}

#[test]
fn run_as_pid_1_passes_signals_and_statuses() {
    let app = App::new("web: exit 6\n");
    for (command, status) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["sh", "-c", "kill -9 $$"], 137),
        // A real-time signal, with and without an orphan that outlives the command.
        (&["sh", "-c", "kill -40 $$"], 168),
        (&["sh", "-c", "setsid sleep 1000 & kill -40 $$"], 168),
        (&["nosuch"], 127),
        (&["web"], 6),
    ] {
        let Some(running) = start(&app, &[&["run"], command].concat()) else { return };
        assert_eq!(running.finish().status, Some(status), "{command:?}");
    }
    let script = format!("trap 'echo got TERM; exit 5' TERM; trap 'echo got USR1' USR1; {IDLE_ON}");
    let Some(running) = start(&app, &["run", "sh", "-c", &script]) else { return };
    running.wait_for("ready");
    let init = init(&running);
    kill(init, Signal::SIGUSR1).unwrap();
    running.wait_for("got USR1");
    kill(init, Signal::SIGTERM).unwrap();
    let end = running.finish();
    app.wait_until_nothing_is_left();
    assert_eq!(end.stdout, "ready\ngot USR1\ngot TERM\n");
    assert_eq!(end.status, Some(5));
}

#[test]
fn a_request_to_pid_1_that_waits_for_a_service_is_obeyed() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let app = App::new("");
        if !can_be_made() {
            return;
        }
        let mut command = app.command("sh");
        let script = "exec unshare \"$@\" 2>&1";
        command.args(["-c", script, "sh"]).args(UNSHARE).arg(procman()).args(["wait", "unix:/nowhere"]);
        let running = app.run(command);
        running.wait_for("waiting for /nowhere: no such host or socket\n");
        kill(child_of(running.pid(), &["procman"]), signal).unwrap();
        assert_eq!(running.finish().status, Some(128 + signal as i32));
    }
}

/// Without a handler a signal to PID 1 is dropped by the kernel, so one that came while the files were read used
/// to be lost.
#[test]
fn a_request_to_pid_1_that_still_reads_its_files_is_obeyed_afterwards() {
    for command in ["start", "run"] {
        let app = App::new("");
        let pipe = app.gate("pipe");
        let arguments: &[&str] = if command == "run" { &["sleep", "1000"] } else { &[] };
        let Some(running) = start(&app, &[&[command, "-f", "pipe"], arguments].concat()) else { return };
        let init = init(&running);
        let opened = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.and_then(|entry| entry.path().read_link()).is_ok_and(|path| path.ends_with("pipe"))
        };
        wait_until("it reads", || {
            std::fs::read_dir(format!("/proc/{init}/fd")).is_ok_and(|mut files| files.any(opened))
        });
        kill(init, Signal::SIGTERM).unwrap();
        let mut procfile = std::fs::File::options().write(true).open(app.root().join("pipe")).unwrap();
        procfile.write_all(b"web: exec sleep 1000\n").unwrap();
        drop((procfile, pipe));
        let end = running.finish();
        assert_eq!(end.status, Some(if command == "run" { 143 } else { 0 }), "{end:?}");
    }
}

#[test]
fn an_orphan_that_ends_when_procman_does_changes_nothing() {
    if !can_be_made() {
        return;
    }
    for attempt in 0..5 {
        let apps: Vec<_> = (0..5)
            .map(|n| {
                let orphan = format!("trap \"\" TERM; sleep 0.0{}{}", attempt, 2 * n);
                App::new(&format!("web: (setsid sh -c '{orphan}' &); exit 5\n"))
            })
            .collect();
        let running: Vec<_> = apps.iter().filter_map(|app| start(app, &["start"])).collect();
        for end in running.into_iter().map(Running::finish) {
            assert_eq!((end.status, end.stderr), (Some(5), String::new()), "{}", end.stdout);
        }
        apps.iter().for_each(App::wait_until_nothing_is_left);
    }
}

#[test]
fn below_another_init_nothing_is_lost_and_nothing_said() {
    if !is_installed("tini") {
        return;
    }
    let in_a_container: &[&str] = if can_be_made() { &UNSHARE } else { &[] };
    for around in [&["env"][..], &[&["unshare"], in_a_container].concat()] {
        let app = App::new("");
        // Only a subreaper finds what has left its group.
        let sleeper = format!("{} sleep {}", if cfg!(procman_portable) { "" } else { "setsid" }, app.tag());
        app.file("Procfile", format!("web: ({sleeper} &); echo ready; read go < go; exit 7\n"));
        let mut go = app.gate("go");
        let mut command = app.command(around[0]);
        command
            .args(&around[1..])
            .args(["tini", "-s", "--"])
            .arg(procman())
            .args(["start", "--no-timestamp"]);
        let running = app.run(command);
        running.wait_for("ready");
        go.open();
        let end = running.finish();
        app.assert_nothing_is_left();
        assert_eq!((end.status, end.stderr), (Some(7), String::new()), "{around:?}: {}", end.stdout);
    }
}

/// A process that nobody may look into, such as an agent that keeps keys, is not shown even to its own user. It used
/// to be taken for gone.
#[test]
#[cfg(not(procman_portable))]
fn what_proc_does_not_show_is_ended_too() {
    use crate::support::NOBODY;

    let app = App::new("");
    let tag = app.tag();
    let line =
        "web: (setsid ./sleep TAG &); (trap '' TERM; exec ./sleep TAG) & read go < go; kill $PPID; wait\n";
    app.file("Procfile", line.replace("TAG", &tag));
    let [mut go, mut on] = ["go", "on"].map(|name| app.gate(name));
    if !can_be_made() || !is_installed("setpriv") || !app.belongs_to(NOBODY) {
        return;
    }
    // Who may not read a program may not look into its process.
    app.copy_program("sleep", 0o711);
    let mut command = app.command("unshare");
    let script = "mount -o remount,hidepid=2 /proc && setpriv --reuid=65534 --regid=65534 --clear-groups \
                  \"$0\" start --no-timestamp -t 1; status=$?; echo over; read go < on; exit $status";
    command.args(UNSHARE).args(["sh", "-c", script]).arg(procman());
    let running = app.run(command);
    wait_until("everything sleeps", || app.sleepers().len() == 2);
    go.open();
    running.wait_for("over");
    assert_eq!(app.sleepers(), []);
    on.open();
    let end = running.finish();
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
    assert_eq!(end.lines_of("system")[1..], ["still running after 1 s, sending SIGKILL: web.1"]);
}
