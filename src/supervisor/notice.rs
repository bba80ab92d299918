//! What the supervisor tells the user: every line of its own, and the words for it.

use std::fmt;
use std::time::Duration;

use crate::formation::InstanceId;
use crate::policy::Service;
use crate::process::{Exit, Pid, Signal};
use crate::procfile::ProcessType;
use crate::supervisor::event::Trouble;

/// What the supervisor tells the user, each with its words as `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The formation is being stopped.
    Stopping(StopCause, Manner),
    /// A second signal asked to stop: everything is killed.
    Forced(Signal),
    /// These did not end within the grace period and are killed.
    Overdue {
        /// The instances, in the formation's order.
        ids: Vec<InstanceId>,
        /// The time that they had.
        grace: Duration,
    },
    /// What has left its process group did not end within the grace period and is killed.
    EscapeesOverdue,
    /// The instance stands still.
    Stopped {
        /// Which instance.
        id: InstanceId,
        /// What stopped it.
        signal: Signal,
    },
    /// The kernel killed processes because memory had run out. It does not say which.
    OutOfMemory {
        /// How many.
        kills: u64,
    },
    /// The instance's leader ended, but other processes of its group did not.
    Leftovers {
        /// Which instance.
        id: InstanceId,
        /// How its leader ended.
        exit: Exit,
    },
    /// Even SIGKILL did not end the process.
    Unkillable {
        /// Which instance.
        id: InstanceId,
        /// Its leader.
        pid: Pid,
    },
    /// The instance has the sign of being ready.
    Ready {
        /// Which instance.
        id: InstanceId,
        /// How long after its spawn.
        after: Duration,
    },
    /// The instance runs, is not as it should be, and is ended to be started again.
    Restarting {
        /// Which instance.
        id: InstanceId,
        /// What is wrong with it.
        why: Why,
    },
    /// Nothing of the instance is left, and it is started again.
    StartsAgain {
        /// Which instance.
        id: InstanceId,
        /// What has become of it.
        why: Why,
        /// After how long.
        pause: Duration,
        /// How many ends in a row there have been.
        ends: u32,
        /// How many are too many.
        budget: u32,
    },
    /// The instance has ended too often in a row to be started again.
    UsedUp {
        /// Which instance.
        id: InstanceId,
        /// What has become of it the last time.
        why: Why,
        /// How many ends in a row there have been.
        ends: u32,
    },
    /// The instance is not started again, and that means nothing for the others.
    OthersGoOn {
        /// Which instance.
        id: InstanceId,
        /// What has become of it.
        why: Why,
    },
    /// The instance is ended for what is wrong with it, and nothing goes on without it.
    Rejected {
        /// Which instance.
        id: InstanceId,
        /// What is wrong with it.
        why: Why,
    },
    /// Instances are not started before others are ready.
    Waits {
        /// Which instances.
        who: Who,
        /// The types that are not ready.
        needs: Vec<ProcessType>,
    },
    /// Instances are held for one that does not come back by itself.
    WaitsInVain {
        /// Which instances.
        who: Who,
        /// What they wait for.
        id: InstanceId,
    },
    /// Instances are not started because a service has not come, and that means nothing for the others.
    NeverStarted(Vec<InstanceId>),
    /// The instance is asked to end although others that need it have not ended.
    TurnHasCome(InstanceId),
    /// A backing service is waited for.
    NotReached {
        /// The types of those that wait.
        who: Vec<ProcessType>,
        /// Which one.
        service: Service,
        /// Why it has to be.
        trouble: Trouble,
    },
    /// A backing service that was waited for is there.
    Reached {
        /// Which one.
        service: Service,
        /// After how long.
        after: Duration,
    },
    /// Time is up for a backing service. These are not there, each for so long.
    Missing(Vec<(Service, Duration)>),
}

/// How the formation is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All at once, by SIGTERM.
    AtOnce,
    /// By what each type's policy says, those last that others need.
    ByPolicy,
    /// There is nothing that could be.
    NothingRuns,
}

/// One instance, or all of a type that something concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Who {
    Instance(InstanceId),
    Type(ProcessType),
}

/// Why an instance does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has ended.
    Ended(Exit),
    /// It could not be started.
    NotStarted(Exit),
    /// It was not ready in time.
    Late {
        /// How long it had.
        within: Duration,
        /// What the last probe came to, if it was one.
        trouble: Option<Trouble>,
    },
    /// It is not well.
    Unwell {
        /// How many probes in a row have failed.
        failures: u32,
        /// What the last one came to.
        trouble: Trouble,
    },
}

impl Why {
    /// Returns the exit status that stands for it.
    pub fn status(self) -> i32 {
        match self {
            Why::Ended(exit) | Why::NotStarted(exit) => exit.status(),
            Why::Late { .. } | Why::Unwell { .. } => 1,
        }
    }
}

/// Why the formation is being stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// A signal asked for it.
    Signal(Signal),
    /// A request asked for it.
    Quit,
    /// An instance ended, and one for all.
    Ended(InstanceId),
    /// An instance could not be started.
    NotStarted(InstanceId),
    /// An instance is not as it should be.
    Failed(InstanceId, Why),
    /// An instance was so too often, which has been said.
    GivenUp(InstanceId, Why),
    /// A backing service has not come.
    Missing(Service),
    /// Nothing runs any more but one that waits for others.
    InVain {
        /// What waits.
        id: InstanceId,
        /// The types that are not ready.
        needs: Vec<ProcessType>,
    },
    /// The last instance has ended, and none of them badly.
    NothingLeft,
    /// Nobody reads the output any more.
    OutputClosed,
    /// The guard is gone.
    GuardLost,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Stopping(cause, Manner::AtOnce) => {
                write!(f, "{cause}, sending SIGTERM to all processes")
            }
            Notice::Stopping(cause, Manner::ByPolicy) => write!(f, "{cause}, stopping all processes"),
            Notice::Stopping(cause, Manner::NothingRuns) => write!(f, "{cause}, nothing runs"),
            Notice::Forced(signal) => write!(f, "{signal} received again, sending SIGKILL to all processes"),
            Notice::Overdue { ids, grace } => {
                write!(f, "still running after {}, sending SIGKILL:", Seconds(*grace))?;
                ids.iter().try_for_each(|id| write!(f, " {id}"))
            }
            Notice::EscapeesOverdue => {
                f.write_str("still running outside of the process groups, sending SIGKILL")
            }
            Notice::Stopped { id, signal } => {
                write!(f, "{id} was stopped by {signal}")?;
                match *signal {
                    Signal::TTIN => f.write_str(": an instance cannot read the terminal"),
                    Signal::TTOU => f.write_str(": an instance cannot use the terminal"),
                    _ => f.write_str(" and stands still until somebody sends it SIGCONT"),
                }
            }
            Notice::Leftovers { id, exit } => {
                write!(f, "{id} {exit}, but left processes running in its group, stopping them")
            }
            Notice::OutOfMemory { kills } => {
                let processes = if *kills == 1 { "process" } else { "processes" };
                write!(
                    f,
                    "out of memory: the kernel has killed {kills} {processes} of procman's control group"
                )
            }
            Notice::Unkillable { id, pid } => {
                write!(f, "{id} (process group {pid}) cannot be killed, giving up on it")
            }
            Notice::Ready { id, after } => write!(f, "{id} is ready after {}", Seconds(*after)),
            Notice::Restarting { id, why } => write!(f, "{id} {why}, restarting it"),
            Notice::StartsAgain { id, why, pause, ends, budget } => {
                let pause = Seconds(*pause);
                write!(f, "{id} {why}, starts again in {pause} ({ends} of {budget} ends in a row)")
            }
            Notice::UsedUp { id, why, ends } => {
                let ends = if *ends == 1 { "1 end".to_owned() } else { format!("{ends} ends in a row") };
                write!(f, "{id} {why} and is not started again after {ends}")
            }
            Notice::OthersGoOn { id, why: why @ (Why::Ended(_) | Why::NotStarted(_)) } => {
                write!(f, "{id} {why}, the others go on")
            }
            Notice::OthersGoOn { id, why: why @ (Why::Late { .. } | Why::Unwell { .. }) } => {
                write!(f, "{id} {why}, stopping it, the others go on")
            }
            Notice::Rejected { id, why } => write!(f, "{id} {why}, stopping it"),
            Notice::Waits { who, needs } => {
                write!(f, "{who} waits for ")?;
                join(f, needs)
            }
            Notice::WaitsInVain { who, id } => write!(f, "{who} waits for {id}, which has ended"),
            Notice::NeverStarted(ids) => {
                join(f, ids)?;
                let are = if ids.len() == 1 { "is" } else { "are" };
                write!(f, " {are} not started, the others go on")
            }
            Notice::TurnHasCome(id) => {
                write!(f, "stopping {id} although others that need it still run: its share of the time is up")
            }
            Notice::NotReached { who, service, trouble } => {
                let wait = match who.as_slice() {
                    [_] => "waits",
                    [..] => "wait",
                };
                match who.as_slice() {
                    [first, second, _, others @ ..] if !others.is_empty() => {
                        write!(f, "{first}, {second} and {} others", others.len() + 1)?;
                    }
                    all => join(f, all)?,
                }
                write!(f, " {wait} for {service}: {trouble}")
            }
            Notice::Reached { service, after } => {
                write!(f, "{service} accepts connections after {}", Seconds(*after))
            }
            Notice::Missing(services) => {
                let for_how_long = |(service, after): &(Service, Duration)| match after.is_zero() {
                    true => service.to_string(),
                    false => format!("{service} for {}", Seconds(*after)),
                };
                f.write_str("still missing: ")?;
                join(f, &services.iter().map(for_how_long).collect::<Vec<_>>())
            }
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Instance(id) => id.fmt(f),
            Who::Type(process) => process.fmt(f),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Ended(exit) => exit.fmt(f),
            // What is wrong has been said.
            Why::NotStarted(_) => f.write_str("does not run"),
            Why::Late { within, trouble } => {
                write!(f, "was not ready within {}", Seconds(*within))?;
                trouble.iter().try_for_each(|trouble| write!(f, " ({trouble})"))
            }
            Why::Unwell { failures: 1, trouble } => write!(f, "failed a health check ({trouble})"),
            Why::Unwell { failures, trouble } => {
                write!(f, "failed {failures} health checks in a row ({trouble})")
            }
        }
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopCause::Signal(signal) => write!(f, "{signal} received"),
            StopCause::Quit => f.write_str("asked to quit"),
            StopCause::Ended(id) | StopCause::GivenUp(id, _) => write!(f, "{id} ended"),
            StopCause::NotStarted(id) => write!(f, "{id} does not run"),
            StopCause::Failed(id, why) => write!(f, "{id} {why}"),
            StopCause::Missing(service) => write!(f, "{service} accepts no connections"),
            StopCause::InVain { id, needs } => {
                write!(f, "{id} waits for ")?;
                join(f, needs)?;
                f.write_str(", and nothing runs any more")
            }
            StopCause::NothingLeft => f.write_str("nothing runs any more"),
            StopCause::OutputClosed => f.write_str("nobody reads the output"),
            StopCause::GuardLost => f.write_str("the guard process is gone"),
        }
    }
}

/// A time for people: in seconds, to the tenth.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.saturating_add(Duration::from_millis(50)).as_millis() / 100;
        match tenths % 10 {
            0 => write!(f, "{} s", tenths / 10),
            tenth => write!(f, "{}.{tenth} s", tenths / 10),
        }
    }
}

fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, all: &[T]) -> fmt::Result {
    all.iter().enumerate().try_for_each(|(index, one)| {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{one}")
    })
}
