//! The words of every notice, outcome and refusal.

use std::time::Duration;

use crate::policy::{Endpoint, Service};
use crate::process::{Exit, Pid, Signal};
use crate::procfile::ProcessType;
use crate::supervisor::tests::transcript::id;
use crate::supervisor::{Manner, Notice, Outcome, Refusal, StopCause, Trouble, Who, Why};

#[test]
fn every_notice_has_its_words() {
    let grace = Duration::from_millis(2500);
    let table = [
        (
            Notice::Stopping(StopCause::Signal(Signal::TERM), Manner::AtOnce),
            "SIGTERM received, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::Quit, Manner::AtOnce),
            "asked to quit, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::Ended(id("web.1")), Manner::AtOnce),
            "web.1 ended, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::NotStarted(id("web.1")), Manner::AtOnce),
            "web.1 does not run, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::OutputClosed, Manner::AtOnce),
            "nobody reads the output, sending SIGTERM to all processes",
        ),
        (
            Notice::Stopping(StopCause::GuardLost, Manner::AtOnce),
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
fn every_notice_about_policies_has_its_words() {
    let (web, process) = (|| id("web.1"), |name| ProcessType::new(name).unwrap());
    let port = Endpoint::Tcp { host: "localhost".into(), port: 5432 };
    let database = || Service { name: "DATABASE_URL".into(), endpoint: Ok(port.clone()) };
    let (one, fractions) = (Duration::from_secs(1), Duration::from_millis(4249));
    let ended = Why::Ended(Exit::Code(1));
    let late = |trouble| Why::Late { within: Duration::from_secs(60), trouble };
    let unwell = |failures| Why::Unwell { failures, trouble: Trouble::Refused };
    let stopping = |cause| Notice::Stopping(cause, Manner::ByPolicy);
    let table = [
        (
            Notice::StartsAgain { id: web(), why: ended, pause: fractions, ends: 3, budget: 10 },
            "web.1 exited with code 1, starts again in 4.2 s (3 of 10 ends in a row)",
        ),
        (
            Notice::StartsAgain {
                id: web(),
                why: Why::NotStarted(Exit::Code(127)),
                pause: one,
                ends: 1,
                budget: 10,
            },
            "web.1 does not run, starts again in 1 s (1 of 10 ends in a row)",
        ),
        (
            Notice::UsedUp { id: web(), why: ended, ends: 10 },
            "web.1 exited with code 1 and is not started again after 10 ends in a row",
        ),
        (
            Notice::UsedUp { id: web(), why: ended, ends: 1 },
            "web.1 exited with code 1 and is not started again after 1 end",
        ),
        (
            Notice::OthersGoOn { id: web(), why: Why::Ended(Exit::Signal(Signal(11))) },
            "web.1 terminated by SIGSEGV, the others go on",
        ),
        (
            Notice::OthersGoOn { id: web(), why: late(None) },
            "web.1 was not ready within 60 s, stopping it, the others go on",
        ),
        (
            Notice::Restarting { id: web(), why: late(Some(Trouble::Status(503))) },
            "web.1 was not ready within 60 s (HTTP status 503), restarting it",
        ),
        (
            Notice::Restarting { id: web(), why: unwell(3) },
            "web.1 failed 3 health checks in a row (connection refused), restarting it",
        ),
        (
            Notice::Restarting { id: web(), why: unwell(1) },
            "web.1 failed a health check (connection refused), restarting it",
        ),
        (Notice::Ready { id: web(), after: Duration::from_millis(1250) }, "web.1 is ready after 1.3 s"),
        (Notice::Ready { id: web(), after: Duration::from_millis(49) }, "web.1 is ready after 0 s"),
        (
            Notice::Waits { who: Who::Instance(web()), needs: vec![process("db"), process("migrate")] },
            "web.1 waits for db, migrate",
        ),
        (Notice::Waits { who: Who::Type(process("web")), needs: vec![process("db")] }, "web waits for db"),
        (
            Notice::WaitsInVain { who: Who::Instance(web()), id: id("db.1") },
            "web.1 waits for db.1, which has ended",
        ),
        (
            Notice::NotReached { who: vec![process("web")], service: database(), trouble: Trouble::Refused },
            "web waits for DATABASE_URL (localhost:5432): connection refused",
        ),
        (
            Notice::NotReached {
                who: vec![process("web"), process("worker")],
                service: database(),
                trouble: Trouble::Refused,
            },
            "web, worker wait for DATABASE_URL (localhost:5432): connection refused",
        ),
        (
            Notice::NotReached {
                who: ["web", "worker", "clock", "release"].map(process).into(),
                service: database(),
                trouble: Trouble::Refused,
            },
            "web, worker and 2 others wait for DATABASE_URL (localhost:5432): connection refused",
        ),
        (Notice::Missing(vec![(database(), Duration::ZERO)]), "still missing: DATABASE_URL (localhost:5432)"),
        (Notice::EscapeesOverdue, "still running outside of the process groups, sending SIGKILL"),
        (Notice::Rejected { id: web(), why: late(None) }, "web.1 was not ready within 60 s, stopping it"),
        (Notice::NeverStarted(vec![web()]), "web.1 is not started, the others go on"),
        (Notice::NeverStarted(vec![web(), id("web.2")]), "web.1, web.2 are not started, the others go on"),
        (
            Notice::TurnHasCome(web()),
            "stopping web.1 although others that need it still run: its share of the time is up",
        ),
        (
            Notice::Stopping(StopCause::Signal(Signal::TERM), Manner::NothingRuns),
            "SIGTERM received, nothing runs",
        ),
        (
            Notice::Reached { service: database(), after: Duration::from_millis(3200) },
            "DATABASE_URL (localhost:5432) accepts connections after 3.2 s",
        ),
        (
            Notice::Missing(vec![
                (database(), Duration::from_secs(60)),
                (
                    Service { name: "/run/cache".into(), endpoint: Ok(Endpoint::Unix("/run/cache".into())) },
                    one,
                ),
            ]),
            "still missing: DATABASE_URL (localhost:5432) for 60 s, /run/cache for 1 s",
        ),
        (stopping(StopCause::Signal(Signal::TERM)), "SIGTERM received, stopping all processes"),
        (
            stopping(StopCause::Failed(web(), late(Some(Trouble::Refused)))),
            "web.1 was not ready within 60 s (connection refused), stopping all processes",
        ),
        (
            stopping(StopCause::Missing(database())),
            "DATABASE_URL (localhost:5432) accepts no connections, stopping all processes",
        ),
        (
            stopping(StopCause::InVain { id: web(), needs: vec![process("worker")] }),
            "web.1 waits for worker, and nothing runs any more, stopping all processes",
        ),
        (stopping(StopCause::NothingLeft), "nothing runs any more, stopping all processes"),
    ];
    for (notice, words) in table {
        assert_eq!(notice.to_string(), words);
    }
}

#[test]
fn every_outcome_has_its_words() {
    let (pid, exit) = (Pid(11), Exit::Code(127));
    let table = [
        (Outcome::Running { pid }, "started with pid 11", true, true),
        (Outcome::RunsAlready { pid }, "runs already, with pid 11", true, false),
        (Outcome::Stopped { exit: Exit::Signal(Signal::TERM) }, "stopped, terminated by SIGTERM", true, true),
        (Outcome::DownAlready, "did not run", true, false),
        (Outcome::NotAgain, "was not running, and is not started again", true, true),
        (Outcome::Signalled, "signalled", true, true),
        (Outcome::NotSignalled, "does not run, so no signal was sent", false, false),
        (Outcome::NotStarted { exit }, "could not be started (status 127)", false, true),
        (Outcome::Held, "waits for what it needs", true, true),
        (Outcome::Overtaken, "was overtaken by another request or by the formation's end", false, true),
        (Outcome::Unkillable, "cannot be killed", false, true),
    ];
    for (outcome, words, is_success, is_change) in table {
        let said = (outcome.to_string(), outcome.is_success(), outcome.is_change());
        assert_eq!(said, (words.to_owned(), is_success, is_change));
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
