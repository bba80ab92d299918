//! What can go wrong, in words for people, each with its exit code.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::findings::Findings;
use crate::cli::foreground::BeginError;
use crate::control::wire::WireError;
use crate::export::manifest::{ManifestError, Obstacle};
use crate::export::{ExportError, Format};
use crate::formation::{FormationError, InstanceId, RequestError, TargetError, listed};
use crate::output::StampError;
use crate::plan::{PlanError, RunError};
use crate::policy::NoEndpoint;
use crate::procfile::ProcessType;
use crate::quote::{escaped, escaped_path, excerpt};
use crate::runtime::Shortage;
use crate::sys::child::{Piece, SpawnError};
use crate::sys::limits::{self, Limit};
use crate::sys::socket::{BindError, ConnectError};
use crate::sys::stdio::plain;
use crate::sys::tree::{Foreign, State, TreeError};

/// Why a command failed. Displays as the lines to be shown on standard error.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// There is no Procfile where one is looked for.
    NoProcfile(PathBuf),
    /// There is no directory where the app root is said to be.
    NoRoot(PathBuf),
    /// Where procman was started cannot be told.
    WorkingDirectory(io::Error),
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// What was read has faults.
    Faulty(Findings),
    /// What was read is dubious, which is too little for an export.
    NotExported(Findings),
    /// More than one thing is wrong.
    Several(Vec<Failure>),
    /// The counts after `-m` cannot be read.
    Counts(RequestError),
    /// The formation that a file asks for cannot be, and why.
    Written(PathBuf, String),
    /// The formation cannot be.
    Formation(FormationError),
    /// The formation cannot be, perhaps because what follows this option was meant to be its value.
    Misplaced(FormationError, String),
    /// This type has a count, and is not among the names to run.
    LeftOut(ProcessType),
    /// The plan cannot be.
    Plan(PlanError),
    /// The time format cannot be used.
    Timestamp(StampError),
    /// There is nothing to run.
    Run(RunError),
    /// A command could not be started; and what the user may have meant.
    Command(SpawnError, Option<String>),
    /// An instance could not be started.
    Instance(InstanceId, SpawnError),
    /// The formation is larger than the limit of open files lets it be.
    OpenFiles(Shortage),
    /// Clients cannot be listened to.
    Socket(BindError),
    /// The log file cannot be written to.
    LogFile(PathBuf, io::Error),
    /// There is no procman to talk to.
    NothingRuns,
    /// The socket cannot be connected to.
    Unreachable(PathBuf, ConnectError),
    /// The conversation broke off.
    Conversation(io::Error),
    /// The procman that was asked has gone.
    Gone,
    /// The procman that was asked has ended, and with which status.
    Finished(i32),
    /// The answer cannot be understood.
    Answer(WireError),
    /// The procman that was asked will not do it: why, and what to do about it.
    Refused(String, Option<String>),
    /// Not all is ready that has to be, in words.
    NotReady(String),
    /// A word names no instance and no type.
    Target(TargetError),
    /// The argument at this position, from 1, means nothing that can be waited for.
    NotAwaited(usize),
    /// What is named leads to no service, and why.
    NoEndpoint { what: String, why: NoEndpoint },
    /// No variable leads to a service.
    NoServices,
    /// After this time, these are still missing.
    NotThere { patience: Duration, missing: Vec<String> },
    /// This is not a terminal.
    NoTerminal(&'static str),
    /// The terminal is somebody else's for now.
    Background,
    /// `start` cannot begin attached to that.
    Attach(BeginError),
    /// The terminal cannot be used.
    Terminal(io::Error),
    /// Standard output cannot be written to.
    Output(io::Error),
    /// The formation cannot be exported.
    Export(ExportError),
    /// The app's directory has no name that could be the app's.
    NoAppName(PathBuf),
    /// There is no template where some are said to be.
    NoTemplate { directory: PathBuf, format: Format, names: Vec<String> },
    /// What the last export has noted cannot be relied on.
    Manifest(PathBuf, ManifestError),
    /// What would have to be overwritten is not procman's.
    Obstacles(Vec<Obstacle>),
    /// The location of an export cannot be used.
    Location(PathBuf, io::Error),
    /// The directory in which files wait is not procman's, and why.
    NotOurs(PathBuf, Foreign),
    /// A file of an export cannot be written.
    Write(TreeError),
    /// A location is not as an export would leave it, and what would change.
    OutOfDate(PathBuf, String),
    /// procman itself cannot do its work.
    System(io::Error),
}

impl Failure {
    /// Returns the exit code.
    pub fn status(&self) -> i32 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Command(error, _) | Failure::Instance(_, error) => error.exit().status(),
            Failure::NoProcfile(_)
            | Failure::NoRoot(_)
            | Failure::WorkingDirectory(_)
            | Failure::Unreadable(..)
            | Failure::Faulty(_)
            | Failure::NotExported(_)
            | Failure::Several(_)
            | Failure::Counts(_)
            | Failure::Written(..)
            | Failure::Formation(_)
            | Failure::Misplaced(..)
            | Failure::LeftOut(_)
            | Failure::Plan(_)
            | Failure::Timestamp(_)
            | Failure::Run(_)
            | Failure::OpenFiles(_)
            | Failure::Socket(_)
            | Failure::LogFile(..)
            | Failure::NothingRuns
            | Failure::Unreachable(..)
            | Failure::Conversation(_)
            | Failure::Gone
            | Failure::Finished(_)
            | Failure::Answer(_)
            | Failure::Refused(..)
            | Failure::NotReady(_)
            | Failure::Target(_)
            | Failure::NotAwaited(_)
            | Failure::NoEndpoint { .. }
            | Failure::NoServices
            | Failure::NotThere { .. }
            | Failure::NoTerminal(_)
            | Failure::Background
            | Failure::Attach(_)
            | Failure::Terminal(_)
            | Failure::Output(_)
            | Failure::Export(_)
            | Failure::NoAppName(_)
            | Failure::NoTemplate { .. }
            | Failure::Manifest(..)
            | Failure::Obstacles(_)
            | Failure::Location(..)
            | Failure::NotOurs(..)
            | Failure::Write(_)
            | Failure::OutOfDate(..)
            | Failure::System(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => write!(f, "procman: {text}"),
            Failure::NoProcfile(path) => {
                writeln!(f, "procman: no Procfile at `{}`", escaped_path(path))?;
                write!(f, "hint: `-d DIR` names the app's directory, `-f FILE` the Procfile itself")
            }
            Failure::NoRoot(path) => write!(f, "procman: no directory at `{}`", escaped_path(path)),
            Failure::WorkingDirectory(error) if error.kind() == io::ErrorKind::NotFound => {
                writeln!(f, "procman: the working directory is gone")?;
                write!(
                    f,
                    "hint: `-d` with a whole path names the app, and finds what runs of one that is gone"
                )
            }
            Failure::WorkingDirectory(error) => {
                write!(f, "procman: cannot tell the working directory: {}", plain(error))
            }
            Failure::Unreadable(path, error) => {
                write!(f, "procman: cannot read `{}`: {}", escaped_path(path), plain(error))
            }
            Failure::Faulty(findings) => write!(f, "{findings}"),
            Failure::NotExported(findings) => {
                write!(f, "{findings}\nprocman: not exported because of the above")
            }
            Failure::Several(failures) => {
                let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
                f.write_str(&failures.join("\n"))
            }
            Failure::Counts(error) => {
                writeln!(f, "procman: formation: {error}")?;
                write!(f, "hint: write it like `-m web=2,worker=1` or `-m all=2`")
            }
            Failure::Written(path, error) => {
                write!(f, "procman: {}: formation: {error}", escaped_path(path))
            }
            Failure::Formation(error) => write!(f, "procman: {error}"),
            Failure::Misplaced(error, option) => {
                write!(f, "procman: {error}\nhint: `{option}` takes a value only with a `=` before it")
            }
            Failure::LeftOut(process) => {
                writeln!(f, "procman: `{process}` has a count, and is not among the names to run")?;
                write!(f, "hint: name it as well, or no type at all")
            }
            Failure::Plan(error) => write!(f, "procman: {error}"),
            Failure::Timestamp(StampError { format, reason }) => {
                write!(f, "procman: `{}` is not a time format: {}", excerpt(format), escaped(reason))
            }
            Failure::Run(error) => write!(f, "procman: {error}"),
            Failure::Command(error, None) => write!(f, "procman: {}", spawn(error)),
            Failure::Command(error, Some(hint)) => write!(f, "procman: {}\nhint: {hint}", spawn(error)),
            Failure::Instance(id, error) => {
                write!(f, "procman: `{id}` could not be started: {}", spawn(error))
            }
            Failure::Socket(BindError::Taken { pid, .. }) => {
                write!(f, "procman: this app runs already")?;
                if let Some(pid) = pid {
                    write!(f, ", as process {pid}")?;
                }
                write!(f, "\nhint: `procman quit` ends it; `--socket PATH` lets another one run beside it")
            }
            Failure::Socket(error) => {
                writeln!(f, "procman: nobody could talk to this procman: {error}")?;
                write!(f, "hint: `--socket PATH` names another place, `--no-socket` does without one")
            }
            Failure::LogFile(path, error) => {
                write!(f, "procman: cannot write to the log file `{}`: {}", escaped_path(path), plain(error))
            }
            Failure::NothingRuns => {
                writeln!(f, "procman: no procman runs this app")?;
                write!(
                    f,
                    "hint: `procman start` runs it; `-d DIR` names another app, `--socket PATH` a socket"
                )
            }
            Failure::Unreachable(path, error) => {
                write!(f, "procman: cannot connect to `{}`: {}", escaped_path(path), connection(error))
            }
            Failure::Conversation(error) => {
                write!(f, "procman: cannot talk to the procman that runs this app: {}", plain(error))
            }
            Failure::Gone => {
                writeln!(
                    f,
                    "procman: the procman that runs this app has gone, or will not answer this user"
                )?;
                write!(f, "hint: only the user that it runs as, and root, are answered")
            }
            Failure::Finished(status) => {
                write!(f, "procman: the formation has ended with status {status}")
            }
            Failure::Answer(error) => {
                writeln!(f, "procman: the answer cannot be understood: {error}")?;
                write!(f, "hint: the procman that runs this app may be of another version")
            }
            Failure::Refused(message, None) => write!(f, "procman: {}", escaped(message)),
            Failure::Refused(message, Some(hint)) => {
                write!(f, "procman: {}\nhint: {}", escaped(message), escaped(hint))
            }
            Failure::NotReady(text) => write!(f, "procman: {text}"),
            Failure::Target(error) => write!(f, "procman: {error}"),
            Failure::NotAwaited(position) => {
                writeln!(
                    f,
                    "procman: argument {position} is neither a name, `env:` and a variable's name, nor a URL"
                )?;
                write!(f, "hint: a URL is like tcp://localhost:5432")
            }
            Failure::NoEndpoint { what, why: why @ NoEndpoint::NoUrl } => {
                write!(f, "procman: {what} {why}\nhint: a URL is like tcp://localhost:5432")
            }
            Failure::NoEndpoint { what, why } => write!(f, "procman: {what} {why}"),
            Failure::NoServices => {
                writeln!(f, "procman: no variable of the app's environment names a service as `..._URL`")?;
                write!(f, "hint: `procman wait env:NAME` waits for that of another variable")
            }
            Failure::NotThere { patience, missing } => {
                let after = if patience.is_zero() {
                    String::new()
                } else {
                    format!(" after {} s", patience.as_secs_f64())
                };
                write!(f, "procman: still missing{after}: {}", missing.join(", "))
            }
            Failure::NoTerminal(which) => {
                writeln!(f, "procman: {which} is not a terminal")?;
                write!(f, "hint: `procman logs -f` shows what instances write anywhere")
            }
            Failure::Background => {
                writeln!(f, "procman: in the background there is no terminal to attach with")?;
                write!(f, "hint: `fg` brings a job to the foreground; `procman logs -f` needs no terminal")
            }
            Failure::Attach(error) => {
                write!(f, "procman: {error}")?;
                error.hint().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
            }
            Failure::Terminal(error) => write!(f, "procman: cannot use the terminal: {}", plain(error)),
            Failure::Output(error) => {
                write!(f, "procman: cannot write to standard output: {}", plain(error))
            }
            Failure::Export(error) => write!(f, "procman: {error}"),
            Failure::NoAppName(root) => {
                writeln!(f, "procman: `{}` is no name for an app", escaped_path(root))?;
                write!(f, "hint: `-a NAME` gives it one")
            }
            Failure::NoTemplate { directory, format, names } if names.is_empty() => {
                writeln!(f, "procman: {format} has no templates to replace")?;
                write!(f, "hint: leave `--template {}` out", escaped_path(directory))
            }
            Failure::NoTemplate { directory, format, names } => {
                writeln!(f, "procman: no template for {format} in `{}`", escaped_path(directory))?;
                write!(f, "hint: {format} has {}", listed(names))
            }
            Failure::Manifest(path, error) => {
                writeln!(f, "procman: `{}` cannot be used: {error}", escaped_path(path))?;
                write!(f, "hint: it says which files an export may replace; without it, it replaces none")
            }
            Failure::Obstacles(obstacles) => {
                for obstacle in obstacles {
                    writeln!(f, "procman: {obstacle}")?;
                }
                write!(f, "hint: nothing was written; move it away, or export to another directory")
            }
            Failure::Location(path, error) => {
                write!(f, "procman: cannot write to `{}`: {}", escaped_path(path), plain(error))
            }
            Failure::NotOurs(path, why) => {
                let why = match why {
                    Foreign::NoDirectory => "is not a directory",
                    Foreign::Owner => "belongs to another user",
                    Foreign::Open => "can be used by others",
                };
                writeln!(f, "procman: `{}` {why}", escaped_path(path))?;
                write!(f, "hint: nothing was written; an export keeps its files there until all are complete")
            }
            Failure::Write(TreeError { path, source, state }) => {
                write!(f, "procman: cannot write `{}`: {}", escaped_path(path), plain(source))?;
                match state {
                    State::Unchanged => write!(f, "\nhint: nothing was changed"),
                    State::HalfDone => write!(f, "\nhint: only some files were changed; export again"),
                }
            }
            Failure::OutOfDate(location, list) => {
                writeln!(f, "procman: `{}` is out of date", escaped_path(location))?;
                f.write_str(list)?;
                write!(f, "hint: `--diff` shows what would change; without `--check`, it is written")
            }
            Failure::OpenFiles(Shortage { instances, needed, limit }) => {
                let need = if *instances == 1 { "instance needs" } else { "instances need" };
                write!(f, "procman: {instances} {need} {needed} open files, and the limit is {limit}")
            }
            Failure::System(error) => write!(f, "procman: {}", lack_at_start(error)),
        }
    }
}

fn connection(error: &ConnectError) -> String {
    if let ConnectError::Failed(source) = error { plain(source) } else { error.to_string() }
}

/// Returns the words for why something could not be started.
pub fn spawn(error: &SpawnError) -> String {
    match error {
        SpawnError::Directory { directory, source } => {
            format!("cannot use `{}` as working directory: {}", escaped_path(directory), plain(source))
        }
        SpawnError::Program { program, source } => {
            let is_path = program.contains('/');
            let name = if is_path { escaped(program) } else { excerpt(program) };
            // Of a name without a slash, the system says only that it has looked everywhere.
            if source.kind() == io::ErrorKind::NotFound && !is_path {
                format!("cannot run `{name}`: not found in `PATH`")
            } else {
                format!("cannot run `{name}`: {}", plain(source))
            }
        }
        SpawnError::Interpreter(missing) => missing.to_string(),
        SpawnError::TooLarge { total, largest, size } => {
            let largest = match largest {
                Piece::Argument(number) => format!("argument {number}"),
                Piece::Variable(name) => format!("the variable `{}`", excerpt(name)),
            };
            format!(
                "the arguments and variables are more than a process can be given: {total} bytes, \
                 of which {largest} has {size}"
            )
        }
        SpawnError::Resources(source) => format!("the system refuses another process: {}", lack(source)),
    }
}

/// As [`lack`], where the error may be that of a thread.
fn lack_at_start(error: &io::Error) -> String {
    if error.raw_os_error() != Some(limits::TOO_MANY_PROCESSES) || limits::processes_are_used_up() {
        return lack(error);
    }
    match limits::lack_of_memory() {
        Some(error) => lack(&error),
        None => "too many processes, or too little memory".to_owned(),
    }
}

/// Returns the words for what the system is short of, with the limits that may be the reason.
fn lack(error: &io::Error) -> String {
    let limits: Vec<String> = limits::behind(error).iter().map(limit).collect();
    let what = match error.raw_os_error() {
        // The system's own words are "resource temporarily unavailable".
        Some(limits::TOO_MANY_PROCESSES) => "too many processes".to_owned(),
        Some(_) | None => plain(error),
    };
    if limits.is_empty() { what } else { format!("{what} ({})", limits.join(", ")) }
}

fn limit(limit: &Limit) -> String {
    match limit {
        Limit::OpenFiles(most) => format!("the limit is {most}"),
        Limit::OfUser(most) => format!("the limit of this user is {most}"),
        Limit::OfGroup(most) => format!("the limit of this control group is {most}"),
        Limit::Memory(most) => format!("the limit is {most} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Failure, lack, limits};

    #[test]
    fn what_the_system_is_short_of_is_said_with_the_limit() {
        let [files, processes, all_files] =
            [24, limits::TOO_MANY_PROCESSES, 23].map(io::Error::from_raw_os_error);
        assert!(lack(&files).starts_with("too many open files (the limit is "), "{}", lack(&files));
        assert!(lack(&processes).starts_with("too many processes"), "{}", lack(&processes));
        assert_eq!(lack(&all_files), "too many open files in system");
        assert!(Failure::System(files).to_string().ends_with(')'));
        assert_eq!(
            Failure::System(processes).to_string(),
            "procman: too many processes, or too little memory"
        );
    }
}
