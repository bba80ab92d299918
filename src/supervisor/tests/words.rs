//! The words of every notice, outcome and refusal.

use std::time::Duration;

use crate::process::{Exit, Pid, Signal};
use crate::procfile::ProcessType;
use crate::supervisor::tests::transcript::id;
use crate::supervisor::{Notice, Outcome, Refusal, StopCause};

#[test]
fn every_notice_has_its_words() {
    let grace = Duration::from_millis(2500);
    let table = [
        (
            Notice::Stopping(StopCause::Signal(Signal::TERM)),
            "SIGTERM received, sending SIGTERM to all processes",
        ),
        (Notice::Stopping(StopCause::Quit), "asked to quit, sending SIGTERM to all processes"),
        (Notice::Stopping(StopCause::Ended(id("web.1"))), "web.1 ended, sending SIGTERM to all processes"),
        (
            Notice::Stopping(StopCause::NotStarted(id("web.1"))),
            "web.1 does not run, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::OutputClosed),
            "nobody reads the output, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::GuardLost),
            "the guard process is gone, sending SIGTERM to all processes",
        ),
        (Notice::Forced(Signal::INT), "SIGINT received again, sending SIGKILL to all processes"),
        (
            Notice::Overdue { ids: vec![id("web.1"), id("web.10")], grace },
            "still running after 2.5 s, sending SIGKILL: web.1 web.10",
        ),
        (
            Notice::Overdue { ids: vec![id("web.1")], grace: Duration::from_secs(5) },
            "still running after 5 s, sending SIGKILL: web.1",
        ),
        (
            Notice::Stopped { id: id("web.1"), signal: Signal::TTIN },
            "web.1 was stopped by SIGTTIN: an instance cannot read the terminal",
        ),
        (
            Notice::Stopped { id: id("web.1"), signal: Signal::TTOU },
            "web.1 was stopped by SIGTTOU: an instance cannot use the terminal",
        ),
        (
            Notice::Stopped { id: id("web.1"), signal: Signal::STOP },
            "web.1 was stopped by SIGSTOP and stands still until somebody sends it SIGCONT",
        ),
        (
            Notice::Leftovers { id: id("web.1"), exit: Exit::Code(4) },
            "web.1 exited with code 4, but left processes running in its group, stopping them",
        ),
        (
            Notice::Unkillable { id: id("web.1"), pid: Pid(11) },
            "web.1 (process group 11) cannot be killed, giving up on it",
        ),
        (
            Notice::OutOfMemory { kills: 1 },
            "out of memory: the kernel has killed 1 process of procman's control group",
        ),
        (
            Notice::OutOfMemory { kills: 2 },
            "out of memory: the kernel has killed 2 processes of procman's control group",
        ),
    ];
    for (notice, words) in table {
        assert_eq!(notice.to_string(), words);
    }
}

#[test]
fn every_outcome_has_its_words() {
    let (pid, exit) = (Pid(11), Exit::Code(127));
    let table = [
        (Outcome::Running { pid }, "started with pid 11", true),
        (Outcome::RunsAlready { pid }, "runs already, with pid 11", true),
        (Outcome::Stopped { exit: Exit::Signal(Signal::TERM) }, "stopped, terminated by SIGTERM", true),
        (Outcome::DownAlready, "did not run", true),
        (Outcome::Signalled, "signalled", true),
        (Outcome::NotSignalled, "does not run, so no signal was sent", false),
        (Outcome::NotStarted { exit }, "could not be started (status 127)", false),
        (Outcome::Overtaken, "was overtaken by another request or by the formation's end", false),
        (Outcome::Unkillable, "cannot be killed", false),
    ];
    for (outcome, words, is_success) in table {
        assert_eq!((outcome.to_string().as_str(), outcome.is_success()), (words, is_success));
    }
}

#[test]
fn every_refusal_has_its_words() {
    let process = || ProcessType::new("web").unwrap();
    let known = || vec!["web".to_owned(), "worker".to_owned()];
    let table = [
        (
            Refusal::Unknown { name: "wbe".into(), nearest: Some(process()), known: known() },
            "unknown process `wbe`, did you mean `web`; there is `web`, `worker`",
        ),
        (
            Refusal::Unknown { name: "clock".into(), nearest: None, known: known() },
            "unknown process `clock`; there is `web`, `worker`",
        ),
        (Refusal::NoneOf { process: process() }, "the formation has no instance of `web`"),
        (
            Refusal::TooMany { process: process(), count: 10_001 },
            "`web` would have 10001 instances, and 10000 are the most",
        ),
        (Refusal::Twice { name: "web".into() }, "`web` has more than one count"),
        (Refusal::Stopping, "the formation is being stopped"),
    ];
    for (refusal, words) in table {
        assert_eq!(refusal.to_string(), words);
    }
}
