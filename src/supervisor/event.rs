//! The two vocabularies of the supervisor: [`Event`], facts in the past tense, and [`Action`], orders.
//!
//! Both are plain values without a handle, channel or clock, so that a test can write a whole life of a
//! formation down as text.

use std::fmt;
use std::time::Duration;

use crate::formation::InstanceId;
use crate::policy::Service;
use crate::process::{Exit, Pid, Sender, Signal};
use crate::supervisor::notice::Notice;
use crate::supervisor::request::{Reply, Request, RequestId};

/// Time since procman started.
///
/// The runtime reads it from a monotonic clock, once an event, so the wall clock may jump as it likes.
pub type Time = Duration;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody asked for something.
    Asked {
        /// Who, and for what.
        by: RequestId,
        /// What.
        request: Request,
    },
    /// The instance runs, as the leader of a process group of its own.
    Spawned {
        /// Which instance.
        id: InstanceId,
        /// Its leader, and so its group.
        pid: Pid,
    },
    /// The instance could not be started at all; `exit` is what a shell would have shown (126, 127 or 1).
    SpawnFailed {
        /// Which instance.
        id: InstanceId,
        /// The end that stands for the failure.
        exit: Exit,
    },
    /// The leader of the instance's group was stopped, by somebody else than procman.
    Stopped {
        /// Which instance.
        id: InstanceId,
        /// By which signal.
        signal: Signal,
    },
    /// The leader of the instance's group ended.
    Exited {
        /// Which instance.
        id: InstanceId,
        /// How its leader ended.
        exit: Exit,
        /// What the leader left in its group.
        group: Group,
    },
    /// Nothing is alive any more in the group whose leader ended earlier.
    GroupEmptied {
        /// Which instance.
        id: InstanceId,
    },
    /// procman got a signal.
    Signalled {
        /// Which signal.
        signal: Signal,
        /// Who sent it.
        sender: Sender,
        /// Which of procman's two processes got it.
        receiver: Receiver,
    },
    /// No instance is alive any more, but processes are that had left their groups.
    EscapeesLeft,
    /// Of those none is left.
    EscapeesGone,
    /// Memory ran out, and the kernel killed so many processes of procman's control group.
    MemoryRanOut {
        /// How many.
        kills: u64,
    },
    /// Nobody reads procman's output any more.
    OutputClosed,
    /// The guard is gone, so nobody would clean up behind the supervisor.
    GuardLost,
    /// procman was suspended and runs again.
    Resumed {
        /// How long it stood still.
        asleep: Duration,
    },
    /// The sign by which the instance is known to be ready has been seen: its line, its word, but no probe of ours.
    Ready {
        /// Which instance.
        id: InstanceId,
        /// Its leader, for it may be another by now.
        pid: Pid,
    },
    /// A probe of the instance has come to its end.
    Probed {
        /// Which instance.
        id: InstanceId,
        /// Its leader when the probe was ordered.
        pid: Pid,
        /// What came of it.
        verdict: Verdict,
    },
    /// The instance asks for more time for what it is doing, by `EXTEND_TIMEOUT_USEC` of sd_notify(3).
    Extended {
        /// Which instance.
        id: InstanceId,
        /// Its leader.
        pid: Pid,
        /// From now on.
        by: Duration,
    },
    /// The instance says that it is ending, by `STOPPING` of sd_notify(3).
    EndsSoon {
        /// Which instance.
        id: InstanceId,
        /// Its leader.
        pid: Pid,
    },
    /// A backing service accepts connections.
    Reached {
        /// Which one.
        service: Service,
    },
    /// A backing service did not accept a connection. It is tried on, and told only the first time.
    NotReached {
        /// Which one.
        service: Service,
        /// Why not.
        trouble: Trouble,
    },
    /// All output has been written.
    Drained,
    /// The time asked for by `next_deadline` has come.
    TimePassed,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Passed,
    /// Something is not.
    Failed(Trouble),
}

/// Why a probe has failed, with its words as `Display`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody listens there.
    Refused,
    /// There was no answer in time.
    TimedOut,
    /// There is no such host, or no such socket.
    NotFound,
    /// The connection could not be made for another reason, or broke.
    Unreachable,
    /// It was made, and closed without an answer.
    Closed,
    /// What was answered is no HTTP.
    NoHttp,
    /// The head of the answer is too long to be read.
    TooLong,
    /// HTTP answered with this status.
    Status(u16),
    /// The command ended like this.
    Ended(Exit),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused => f.write_str("connection refused"),
            Trouble::TimedOut => f.write_str("no answer in time"),
            Trouble::NotFound => f.write_str("no such host or socket"),
            Trouble::Unreachable => f.write_str("no connection"),
            Trouble::Closed => f.write_str("the connection was closed without an answer"),
            Trouble::TooLong => f.write_str("the answer has too long a head"),
            Trouble::NoHttp => f.write_str("the answer is no HTTP"),
            Trouble::Status(status) => write!(f, "HTTP status {status}"),
            Trouble::Ended(exit) => write!(f, "the command {exit}"),
        }
    }
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see whether the instance is ready.
    Readiness,
    /// To see whether it is well.
    Health,
}

/// What whoever supervises procman is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// Everything that the formation began with is ready.
    Ready,
    /// The formation is being stopped.
    Stopping,
    /// So many of so many are ready.
    Progress {
        /// Those that are.
        ready: usize,
        /// All that are to be.
        of: usize,
    },
}

/// What is left of a process group after its leader's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// No live process.
    Empty,
    /// At least one live process.
    Inhabited,
}

/// The process of procman that got a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The guard, which is the process that the user started and sees.
    Guard,
    /// The supervisor below it.
    Supervisor,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the instance, and report `Spawned` or `SpawnFailed`.
    Spawn(InstanceId),
    /// Send the signal to the whole process group of the instance.
    Signal(InstanceId, Signal),
    /// Write a line of procman's own.
    Say(Notice),
    /// Try once whether the instance is ready or well, and report `Probed`.
    Probe {
        /// Which instance.
        id: InstanceId,
        /// Its leader.
        pid: Pid,
        /// What for.
        purpose: Purpose,
    },
    /// Try whether the service accepts a connection until it does, and report `Reached`; the first failure as
    /// `NotReached`.
    Reach(Service),
    /// Nobody waits for the service any more.
    LetGo(Service),
    /// Tell this to whoever supervises procman.
    Announce(Announcement),
    /// Tell this to whoever asked.
    Reply(RequestId, Reply),
    /// Stop procman itself until it is continued, and report `Resumed`.
    Suspend,
    /// Ask those to end that have left their groups, and report `EscapeesGone`.
    TerminateEscapees,
    /// Write what is still in the pipes, and report `Drained`.
    Drain,
    /// Leave with this exit status.
    Finish(i32),
}
