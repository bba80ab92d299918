//! `procman scale`, `restart`, `stop`, `up`, `signal` and `quit`: they differ in what they ask, and in nothing else.

use crate::cli::args::{self, Client, Common, Waiting};
use crate::cli::client::{self, Connection};
use crate::cli::error::Failure;
use crate::cli::print;
use crate::control::protocol::{Answer, Outcome, Request, Wait};
use crate::quote::escaped;
use crate::sys::stdio::write_stderr;

/// Asks for other numbers of instances.
pub fn scale(common: Common, scale: args::Scale) -> Result<i32, Failure> {
    let request = Request::Scale { changes: scale.changes, wait: wait(&scale.waiting) };
    ask(common, &scale.client, request, Shown::Changes)
}

/// Asks for instances to be stopped and started again.
pub fn restart(common: Common, named: args::Named) -> Result<i32, Failure> {
    ask(
        common,
        &named.client,
        Request::Restart { names: named.names, wait: wait(&named.waiting) },
        Shown::All,
    )
}

/// Asks for instances to be stopped.
pub fn stop(common: Common, named: args::Named) -> Result<i32, Failure> {
    ask(common, &named.client, Request::Stop { names: named.names, wait: wait(&named.waiting) }, Shown::All)
}

/// Asks for instances to be started.
pub fn up(common: Common, named: args::Named) -> Result<i32, Failure> {
    ask(common, &named.client, Request::Up { names: named.names, wait: wait(&named.waiting) }, Shown::All)
}

/// Asks for a signal to be sent.
pub fn signal(common: Common, signal: args::Signal) -> Result<i32, Failure> {
    ask(common, &signal.client, Request::Signal { signal: signal.signal, names: signal.names }, Shown::All)
}

/// Asks for the end of everything.
pub fn quit(common: Common, quit: &args::Quit) -> Result<i32, Failure> {
    ask(common, &quit.client, Request::Quit { wait: wait(&quit.waiting) }, Shown::All)
}

fn wait(waiting: &Waiting) -> Wait {
    if waiting.no_wait { Wait::Accepted } else { Wait::Outcome }
}

/// Which outcomes are shown, of those that are what was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    /// Those for which something had to be done: a formation may be large.
    Changes,
}

/// Asks, and shows what becomes of it. Fails with 1 if any of it is not what was asked for.
fn ask(common: Common, client: &Client, request: Request, shown: Shown) -> Result<i32, Failure> {
    let ends = matches!(request, Request::Quit { .. });
    let mut connection = Connection::ask(&client::path(common, client)?, request)?;
    let mut status = 0;
    loop {
        match connection.next() {
            Ok(Answer::Outcome(outcome)) if outcome.ok && shown == Shown::Changes && !outcome.changed => {}
            Ok(Answer::Outcome(outcome)) if outcome.ok => drop(print(&format!("{}\n", line(&outcome)))?),
            Ok(Answer::Outcome(outcome)) => {
                write_stderr(&format!("procman: {}", line(&outcome)));
                status = 1;
            }
            Ok(Answer::Done {}) => return Ok(status),
            Ok(Answer::Finished { .. }) if ends => return Ok(status),
            Ok(other) => return Err(client::unexpected(other)),
            Err(failure) => return Err(failure),
        }
    }
}

fn line(outcome: &Outcome) -> String {
    escaped(&format!("{} {}", outcome.instance, outcome.text))
}
