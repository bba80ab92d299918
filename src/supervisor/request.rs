//! What one can ask of a running formation, and what one is answered.
//!
//! An asker is a number: the runtime keeps the connection that belongs to it. Every request is answered by outcomes,
//! each of an instance, and then by one last reply, [`Reply::Done`] or [`Reply::Refused`].

use std::fmt;

use thiserror::Error;

use crate::formation::{Change, InstanceId, Request as Counts, Target, listed};
use crate::process::{Exit, Pid, Signal};
use crate::procfile::ProcessType;

/// Who asked, and for what: no two requests have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What one can ask of a supervisor. No target at all means every instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run these instances, started in this order, and end all if one cannot be started.
    Start(Vec<InstanceId>),
    /// Let there be so many instances of these types, and let them run. The highest numbers go.
    Scale(Vec<Change>),
    /// Stop these and start them again; one that is down is started.
    Restart(Vec<Target>),
    /// Stop these; they stay in the formation.
    Stop(Vec<Target>),
    /// Start those of these that do not run.
    Up(Vec<Target>),
    /// Send a signal to the groups of these.
    Signal(Signal, Vec<Target>),
    /// Stop the formation and leave, with an outcome for each that is alive. Asking again hurries nothing.
    Quit,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What has become of an instance.
    Outcome(InstanceId, Outcome),
    /// Nothing more will come of the request.
    Done,
    /// Nothing was done.
    Refused(Refusal),
}

/// What has become of an instance, with its words as `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was started.
    Running {
        /// Its leader.
        pid: Pid,
    },
    /// It ran before.
    RunsAlready {
        /// Its leader.
        pid: Pid,
    },
    /// It was stopped, and nothing of its group is left.
    Stopped {
        /// How its leader ended.
        exit: Exit,
    },
    /// It did not run.
    DownAlready,
    /// It did not run, and is not started again as it was to be.
    NotAgain,
    /// The signal was sent.
    Signalled,
    /// It does not run, so that nothing was sent.
    NotSignalled,
    /// It could not be started.
    NotStarted {
        /// The end that stands for the failure.
        exit: Exit,
    },
    /// It is started once what it needs is there.
    Held,
    /// Somebody wanted the contrary, or the formation ends, before it came about.
    Overtaken,
    /// Even SIGKILL does not end it.
    Unkillable,
}

impl Outcome {
    /// Returns whether that is what was asked for.
    pub fn is_success(self) -> bool {
        match self {
            Outcome::Running { .. }
            | Outcome::RunsAlready { .. }
            | Outcome::Stopped { .. }
            | Outcome::DownAlready
            | Outcome::NotAgain
            | Outcome::Held
            | Outcome::Signalled => true,
            Outcome::NotSignalled | Outcome::NotStarted { .. } | Outcome::Overtaken | Outcome::Unkillable => {
                false
            }
        }
    }
}

impl Outcome {
    /// Returns whether something has been done for it.
    pub fn is_change(self) -> bool {
        match self {
            Outcome::RunsAlready { .. } | Outcome::DownAlready | Outcome::NotSignalled => false,
            Outcome::Running { .. }
            | Outcome::Stopped { .. }
            | Outcome::NotAgain
            | Outcome::Signalled
            | Outcome::NotStarted { .. }
            | Outcome::Held
            | Outcome::Overtaken
            | Outcome::Unkillable => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Running { pid } => write!(f, "started with pid {pid}"),
            Outcome::RunsAlready { pid } => write!(f, "runs already, with pid {pid}"),
            Outcome::Stopped { exit } => write!(f, "stopped, {exit}"),
            Outcome::DownAlready => f.write_str("did not run"),
            Outcome::NotAgain => f.write_str("was not running, and is not started again"),
            Outcome::Signalled => f.write_str("signalled"),
            Outcome::NotSignalled => f.write_str("does not run, so no signal was sent"),
            Outcome::NotStarted { exit } => write!(f, "could not be started (status {})", exit.status()),
            Outcome::Held => f.write_str("waits for what it needs"),
            Outcome::Overtaken => f.write_str("was overtaken by another request or by the formation's end"),
            Outcome::Unkillable => f.write_str("cannot be killed"),
        }
    }
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum Refusal {
    /// Neither a type of the Procfile nor an instance of the formation. `known` are those that are.
    #[error("unknown process `{name}`{}; there is {}", suggestion(nearest), listed(known))]
    Unknown { name: String, nearest: Option<ProcessType>, known: Vec<String> },
    #[error("the formation has no instance of `{process}`")]
    NoneOf { process: ProcessType },
    #[error("`{process}` would have {count} instances, and {most} are the most", most = Counts::MOST)]
    TooMany { process: ProcessType, count: u64 },
    #[error("`{name}` has more than one count")]
    Twice { name: String },
    #[error("the formation is being stopped")]
    Stopping,
}

fn suggestion(nearest: &Option<ProcessType>) -> String {
    nearest.as_ref().map_or_else(String::new, |process| format!(", did you mean `{process}`"))
}
