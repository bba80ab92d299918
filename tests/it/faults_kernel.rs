//! What the kernel does to an instance, or refuses procman: memory, numbers, permissions, frozen processes.
//!
//! Most of it takes root. A control group is made below that of the test and removed after it.

use nix::sys::signal::Signal;

use crate::support::{App, IDLE, procman, skipped, wait_until};

/// Returns an app of an unprivileged user that can start what belongs to root: `./setpriv --reuid=0 sleep TAG`.
fn with_a_way_to_root(procfile: &str) -> Option<App> {
    let app = App::new("");
    app.file("Procfile", procfile.replace("TAG", &app.tag()));
    if !app.belongs_to_nobody() {
        return None;
    }
    // Nobody else gets into the app's directory.
    app.program("setpriv", 0o4755);
    let mut tried = app.command("setpriv");
    tried.args(["--reuid=65534", "--regid=65534", "--clear-groups", "./setpriv", "--reuid=0", "true"]);
    if !tried.status().is_ok_and(|status| status.success()) {
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
        let mut command = app.as_nobody();
        command.args(["start", "--no-timestamp", "-t", "0"]);
        let running = app.run(command);
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
    [ $! = $number ] && echo a stranger has come
    read go < again; kill $procman; wait $procman; status=$?
    kill -0 -$number && echo the stranger lives
    exit $status";

#[test]
fn a_stranger_under_the_number_of_a_group_that_is_gone_gets_no_signal() {
    const CONTAINER: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    // The group ends with its leader, or after it.
    for web in ["exec sleep 1000", "(trap '' TERM; echo member; read go < last) & exec sleep 1000"] {
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
