//! What can go wrong, in words for people, each with its exit code.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::cli::load::Findings;
use crate::formation::{FormationError, InstanceId, RequestError};
use crate::output::StampError;
use crate::plan::{PlanError, RunError};
use crate::sys::child::SpawnError;

/// Why a command failed. Displays as the lines to be shown on standard error.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// There is no Procfile where one is looked for.
    NoProcfile(PathBuf),
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// What was read has faults.
    Faulty(Findings),
    /// The counts after `-m` cannot be read.
    Counts(RequestError),
    /// The formation cannot be.
    Formation(FormationError),
    /// The plan cannot be.
    Plan(PlanError),
    /// The time format cannot be used.
    Timestamp(StampError),
    /// There is nothing to run.
    Run(RunError),
    /// A command could not be started.
    Command(SpawnError),
    /// An instance could not be started.
    Instance(InstanceId, SpawnError),
    /// Standard output cannot be written to.
    Output(io::Error),
    /// procman itself cannot do its work.
    System(io::Error),
}

impl Failure {
    /// Returns the exit code.
    pub fn status(&self) -> i32 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Command(error) | Failure::Instance(_, error) => error.exit().status(),
            Failure::NoProcfile(_)
            | Failure::Unreadable(..)
            | Failure::Faulty(_)
            | Failure::Counts(_)
            | Failure::Formation(_)
            | Failure::Plan(_)
            | Failure::Timestamp(_)
            | Failure::Run(_)
            | Failure::Output(_)
            | Failure::System(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => write!(f, "procman: {text}"),
            Failure::NoProcfile(path) => {
                writeln!(f, "procman: no Procfile at `{}`", shown(path))?;
                write!(f, "hint: `-d DIR` names the app's directory, `-f FILE` the Procfile itself")
            }
            Failure::Unreadable(path, error) => {
                write!(f, "procman: cannot read `{}`: {}", shown(path), plain(error))
            }
            Failure::Faulty(findings) => write!(f, "{findings}"),
            Failure::Counts(error) => {
                writeln!(f, "procman: formation: {error}")?;
                write!(f, "hint: write it like `-m web=2,worker=1` or `-m all=2`")
            }
            Failure::Formation(error) => write!(f, "procman: {error}"),
            Failure::Plan(error) => write!(f, "procman: {error}"),
            Failure::Timestamp(error) => write!(f, "procman: {error}"),
            Failure::Run(error) => write!(f, "procman: {error}"),
            Failure::Command(error) => write!(f, "procman: {error}"),
            Failure::Instance(id, error) => write!(f, "procman: {id} could not be started: {error}"),
            Failure::Output(error) => {
                write!(f, "procman: cannot write to standard output: {}", plain(error))
            }
            Failure::System(error) => write!(f, "procman: {}", plain(error)),
        }
    }
}

/// Returns a path fit to be quoted: nothing in it that a terminal would obey.
pub fn shown(path: &std::path::Path) -> String {
    crate::procfile::shown(&path.to_string_lossy())
}

/// Returns an error of the system without its number, in lower case.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
