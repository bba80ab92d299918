//! `procman healthcheck`: 0 when all that has to be ready is, else 1 and what is not.

use nix::sys::signal::{Signal, kill};

use crate::support::formation::RESTS;
use crate::support::{App, supervisor_of};

/// The words of [`App::ask_in_vain`] are for what is refused; here the state itself is the answer.
#[track_caller]
fn check(app: &App, expected: (Option<i32>, &str, &str)) {
    let end = app.done(&["healthcheck"]);
    assert_eq!((end.status, end.stdout.as_str(), end.stderr.as_str()), expected);
}

#[test]
fn a_formation_is_well_when_all_that_run_are() {
    let app = App::new(&format!("web: {RESTS}\nworker: {RESTS}\n"));
    let nothing = "procman: no procman runs this app\n\
                   hint: `procman start` runs it; `-d DIR` names another app, `--socket PATH` a socket\n";
    check(&app, (Some(1), "", nothing));
    let running = app.start_ready(&["-m", "web=2,worker=1"], 3);
    check(&app, (Some(0), "all 3 instances are ready\n", ""));
    // What has been stopped need not be ready.
    app.ask(&["stop", "web"]);
    check(&app, (Some(0), "1 instance is ready\n", ""));
    app.ask(&["stop"]);
    check(&app, (Some(0), "no instance has to be ready\n", ""));
    app.ask(&["up"]);
    check(&app, (Some(0), "all 3 instances are ready\n", ""));
    app.quit(running);
    check(&app, (Some(1), "", nothing));
}

#[test]
fn a_procman_that_is_stopped_does_not_answer() {
    let app = App::new(&format!("web: {RESTS}\n"));
    let running = app.start_ready(&[], 1);
    // The one that is started is its guard, which answers nobody.
    let supervisor = supervisor_of(running.pid());
    kill(supervisor, Signal::SIGSTOP).unwrap();
    let silent = "procman: the procman that runs this app has not answered within 5 s\n";
    check(&app, (Some(1), "", silent));
    kill(supervisor, Signal::SIGCONT).unwrap();
    check(&app, (Some(0), "1 instance is ready\n", ""));
    app.quit(running);
}
