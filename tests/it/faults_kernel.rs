//! What the kernel does to an instance, or refuses procman: memory, numbers, permissions, frozen processes.
//!
//! Most of it takes root. A control group is made below that of the test and removed after it.

use nix::sys::signal::{Signal, kill};

use crate::support::cgroup::Cgroup;
use crate::support::{App, IDLE, NOBODY, guard_of, is_installed, procman, run_by, skipped, wait_until};

/// Returns an app of an unprivileged user that can start what belongs to root: `./setpriv --reuid=0 sleep TAG`.
fn with_a_way_to_root(procfile: &str) -> Option<App> {
    let app = App::new("");
    app.file("Procfile", procfile.replace("TAG", &app.tag()));
    if !is_installed("setpriv") || !app.belongs_to(NOBODY) {
        return None;
    }
    // Nobody else gets into the app's directory.
    app.copy_program("setpriv", 0o4755);
    let mut tried = run_by(NOBODY, app.command(app.root().join("setpriv")));
    if !tried.args(["--reuid=0", "true"]).output().is_ok_and(|output| output.status.success()) {
        skipped("no program can change its user here");
        return None;
    }
    Some(app)
}

#[test]
fn what_belongs_to_another_user_is_named_and_the_others_are_stopped() {
    let foreign = "./setpriv --reuid=0 sleep TAG";
    // The leader, a member of its group, and one that has left that: only a subreaper finds it.
    let cases = [
        (
            format!("exec {foreign}"),
            "SIGTERM cannot be sent to web.1 (process group PID): operation not permitted",
        ),
        (format!("{foreign} & wait"), "web.1 (process group PID) cannot be killed, giving up on it"),
        (format!("setsid {foreign} & wait"), "procman: cannot be killed, still running: process "),
    ];
    let cases = cases.into_iter().filter(|(web, _)| !(cfg!(procman_portable) && web.contains("setsid")));
    let mut started = Vec::new();
    for (web, said) in cases {
        let procfile = format!("web: {web}\nworker: echo ready; exec sleep 1000\n");
        let Some(app) = with_a_way_to_root(&procfile) else { return };
        let command = app.procman(&["start", "--no-timestamp", "-t", "0"]);
        let running = app.run(run_by(NOBODY, command));
        running.wait_for("ready");
        wait_until("it has changed its user", || app.sleepers().len() == 1);
        running.signal(Signal::SIGTERM);
        started.push((app, running, said));
    }
    for (app, running, said) in started {
        let said = said.replace("PID", &running.pid_of("web.1").to_string());
        let end = running.finish();
        let all = end.stdout.clone() + &end.stderr;
        assert!(all.contains(&said), "no `{said}` in:\n{all}");
        assert_eq!(end.status, Some(1), "{all}");
        assert_eq!(app.left(), app.sleepers(), "{all}");
        assert_eq!(app.sleepers().len(), 1, "it can be killed: {all}");
    }
}

#[test]
fn what_cannot_be_killed_and_not_be_listed_is_no_success() {
    let Some(app) = with_a_way_to_root("web: setsid ./setpriv --reuid=0 sleep TAG & wait\n") else { return };
    let mut command = app.command("unshare");
    let script = "mount -t tmpfs none /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups \
                  \"$0\" start --no-timestamp -t 0";
    command.args(["--pid", "--fork", "--mount", "--kill-child", "sh", "-c", script]).arg(procman());
    let running = app.run(command);
    running.wait_for("started");
    wait_until("it has changed its user", || app.sleepers().len() == 1);
    kill(guard_of(running.pid()), Signal::SIGTERM).unwrap();
    let end = running.finish();
    assert_eq!(end.stderr, "procman: processes are still running that cannot be found without /proc\n");
    assert_eq!(end.status, Some(1), "{}", end.stdout);
    // Now the kernel has ended them, with their namespace.
    app.wait_until_nothing_is_left();
}

/// The life of a namespace: procman is started and asked to stop; a stranger gets the number in a file; procman is asked
/// again.
const BESIDE_A_STRANGER: &str = "\
    \"$0\" start --no-timestamp -t 1000 & procman=$!
    read go < stop; kill $procman
    read go < invite; read number < number
    for try in 1 2 3 4 5; do
        echo $((number - 1)) > /proc/sys/kernel/ns_last_pid || exit
        setsid sleep 1000 & [ $! = $number ] && break
    done
    [ $! = $number ] && until kill -0 -$number 2> /dev/null; do :; done && echo a stranger has come
    read go < again; kill $procman; wait $procman; status=$?
    kill -0 -$number && echo the stranger lives
    exit $status";

#[test]
fn a_stranger_under_the_number_of_a_group_that_is_gone_gets_no_signal() {
    const CONTAINER: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    // The group ends with its leader, or after it.
    for web in ["exec sleep 1000", "(trap '' TERM; echo member; read go < last) & exec sleep 1000"] {
        // The member comes home to the shell, which does not reap while it reads: without `/proc` it looks alive.
        if cfg!(procman_portable) && web.contains("member") {
            continue;
        }
        let worker = format!("trap 'sleep 1; echo a second later; read go < never' TERM; {IDLE}");
        let app = App::new(&format!("web: {web}\nworker: {worker}\n"));
        let [mut stop, mut invite, mut again, mut last, _never] =
            ["stop", "invite", "again", "last", "never"].map(|name| app.gate(name));
        let mut tried = app.command("unshare");
        tried.args(CONTAINER).args(["sh", "-c", "echo 9 > /proc/sys/kernel/ns_last_pid"]);
        if !tried.output().is_ok_and(|output| output.status.success()) {
            return skipped("no process number can be chosen: that takes root, unshare(1) and ns_last_pid");
        }
        let mut command = app.command("unshare");
        command.args(CONTAINER).args(["sh", "-c", BESIDE_A_STRANGER]).arg(procman());
        let running = app.run(command);
        running.wait_for("ready");
        if web.contains("member") {
            running.wait_for("| member");
        }
        app.file("number", format!("{}\n", running.pid_of("web.1")));
        stop.open();
        running.wait_for("a second later");
        last.open();
        running.wait_for("web.1    | terminated by SIGTERM");
        invite.open();
        running.wait_for("a stranger has come");
        again.open();
        let end = running.finish();
        assert!(end.stdout.contains("the stranger lives"), "{end:?}");
        assert!(end.stdout.contains("SIGTERM received again, sending SIGKILL"), "{}", end.stdout);
        assert_eq!(end.status, Some(143));
        app.wait_until_nothing_is_left();
    }
}

#[test]
fn an_instance_that_eats_all_memory_is_named_and_procman_lives() {
    let Some(group) = Cgroup::limited("memory", 64 << 20) else { return };
    // There is no line in it, so all of it is kept.
    let app = App::new(
        "web: read go < go; exec tail /dev/zero\nworker: trap 'echo bye; exit 0' TERM; echo ready; read go < never\n",
    );
    let [mut go, _never] = ["go", "never"].map(|name| app.gate(name));
    let mut command = app.command("sh");
    command.args(["-c", &format!("{}; exec \"$0\" start --no-timestamp", group.join())]).arg(procman());
    let running = app.run(command);
    running.wait_for("ready");
    go.open();
    let end = running.finish();
    app.assert_nothing_is_left();
    assert_eq!(end.lines_of("web.1")[1..], ["terminated by SIGKILL"]);
    assert_eq!(end.lines_of("worker.1")[2..], ["bye", "exited with code 0"]);
    let killed = "out of memory: the kernel has killed 1 process of procman's control group";
    assert_eq!(end.lines_of("system"), [killed, "web.1 ended, sending SIGTERM to all processes"]);
    assert_eq!(end.status, Some(137));
}

#[test]
fn processes_that_multiply_are_stopped() {
    // In the group, deaf to SIGTERM, and each in a session of its own: only a subreaper finds those.
    for bomb in [
        "sh bomb.sh & sh bomb.sh & wait",
        "trap '' TERM; sh bomb.sh & sh bomb.sh & wait",
        "setsid sh bomb.sh & setsid sh bomb.sh & wait",
        "trap '' TERM; setsid sh bomb.sh & setsid sh bomb.sh & wait",
    ] {
        if cfg!(procman_portable) && bomb.contains("setsid") {
            continue;
        }
        // Nothing runs before it is in there.
        let Some(group) = Cgroup::limited("pids", 30) else { return };
        let app = App::new("web: sh web.sh 2>/dev/null\n");
        app.file("web.sh", format!("{}\nexec sh bomb.sh\n", group.join()));
        // A shell that may not fork ends: it begins again, so that they never die out.
        app.file("bomb.sh", format!("trap 'exec sh bomb.sh' EXIT\n{bomb}\n"));
        let running = app.start(&["--no-timestamp", "-t", "1"]);
        wait_until("there are many", || group.members().len() > 20);
        running.signal(Signal::SIGTERM);
        let end = running.finish();
        if cfg!(procman_portable) {
            // Killed for certain, but procman does not wait for it there.
            wait_until("all are gone", || group.members().is_empty());
        }
        assert_eq!(group.members(), [], "{bomb}");
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{bomb}: {}", end.stdout);
    }
}

#[test]
fn what_even_sigkill_does_not_end_is_named_and_given_up() {
    let Some(group) = Cgroup::freezer() else { return };
    let app =
        App::new(&format!("web: {}; echo ready; exec sleep 1000\nworker: exec sleep 1000\n", group.join()));
    let running = app.start(&["--no-timestamp", "-t", "0"]);
    running.wait_for("worker.1 | started");
    running.wait_for("ready");
    wait_until("it sleeps", || group.members() == [running.pid_of("web.1")]);
    let web = running.pid_of("web.1");
    group.freeze();
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert!(end.lines_of("worker.1").last().unwrap().starts_with("terminated"), "{}", end.stdout);
    assert_eq!(
        end.lines_of("system").last().unwrap(),
        &format!("web.1 (process group {web}) cannot be killed, giving up on it")
    );
    if cfg!(not(procman_portable)) {
        assert_eq!(end.stderr, format!("procman: cannot be killed, still running: process {web}\n"));
    }
    assert_eq!(end.status, Some(1));
    assert_eq!(app.left(), [web]);
    drop(group);
    app.wait_until_nothing_is_left();
}

#[test]
fn without_proc_what_has_escaped_is_left_and_that_is_said() {
    let app = App::new("");
    app.file("Procfile", format!("web: setsid sleep {} & echo ready; wait\n", app.tag()));
    let mut tried = app.command("unshare");
    if !tried.args(["--mount", "umount", "-l", "/proc"]).output().is_ok_and(|tried| tried.status.success()) {
        return skipped("/proc cannot be taken away: that takes root and unshare(1)");
    }
    let mut command = app.command("unshare");
    command.args(["--mount", "sh", "-c", "umount -l /proc; exec \"$0\" start --no-timestamp -t 0"]);
    command.arg(procman());
    let running = app.run(command);
    running.wait_for("ready");
    wait_until("it sleeps", || app.sleepers().len() == 1);
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    if cfg!(not(procman_portable)) {
        assert_eq!(end.stderr, "procman: processes are still running that cannot be found without /proc\n");
        assert_eq!(end.status, Some(1), "{}", end.stdout);
    }
    assert_eq!(app.left(), app.sleepers());
}
