//! What the kernel does to an instance, or refuses procman: memory, numbers, permissions, frozen processes.
//!
//! Most of it takes root. A control group is made below that of the test and removed after it.

use nix::sys::signal::Signal;

use crate::support::{App, skipped, wait_until};

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
