//! The states of one instance, and what each of them knows.
//!
//! Which state follows which is the [`machine`](super::machine)'s decision.

use crate::process::{Exit, Pid};
use crate::supervisor::event::{Time, Trouble};

/// The state of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// It waits for its turn to be spawned.
    Waiting {
        /// What follows if it cannot be.
        failure: Failure,
    },
    /// It is to be spawned, and is not before what it needs is there.
    Held {
        /// What follows if it cannot be.
        failure: Failure,
    },
    /// The order to spawn it is out, and nothing can take that back.
    Starting {
        /// What follows if it fails.
        failure: Failure,
        /// What follows if it does not.
        arrival: Arrival,
    },
    /// Its leader runs.
    Running {
        /// The leader.
        pid: Pid,
        /// When it was spawned.
        since: Time,
        /// How it does.
        condition: Condition,
    },
    /// The formation is being stopped, but others that are still alive need it: its leader runs on.
    Needed {
        /// The leader.
        pid: Pid,
        /// When it is asked to end even so.
        until: Time,
    },
    /// It is being stopped: something of its group is still alive.
    Stopping {
        /// The leader.
        pid: Pid,
        /// Whether the leader itself has ended.
        leader: Leader,
        /// What was sent to the group, and until when that may take.
        force: Force,
        /// What follows.
        next: Next,
    },
    /// It could not be killed and nobody waits for it any more. It keeps its name: another of that name would be a
    /// second one.
    Unkillable {
        /// The leader.
        pid: Pid,
        /// Whether the leader itself has ended.
        leader: Leader,
        /// What follows if it ends after all.
        rest: Rest,
    },
    /// It ended and waits to be spawned again.
    BackingOff {
        /// When to spawn it.
        until: Time,
    },
    /// Nothing of it is alive, and nothing of it will be unless somebody asks.
    Down(Cause),
}

/// How an instance does that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no sign yet that it is ready.
    Unready {
        /// When it is too late for that.
        due: Time,
        /// The probes for it.
        probing: Probing,
        /// What the last of them came to, if it has failed.
        trouble: Option<Trouble>,
    },
    /// It is ready, and well as far as is known.
    Ready {
        /// The probes of its health.
        probing: Probing,
        /// How many of them have failed since one has not.
        failures: u32,
    },
    /// It does the one thing that it is for. It is ready once it has ended well.
    AtWork,
    /// It has said that it is ending.
    Ending,
}

/// What is tried with an instance to learn how it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// Nothing.
    Never,
    /// The next probe is at this time.
    At(Time),
    /// A probe has not come to its end.
    UnderWay,
}

/// Why nothing of an instance is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody has asked for it yet, or somebody for the contrary.
    Asked,
    /// It has done the one thing that it is for.
    Done,
    /// It has ended by itself, or never came to live, and does not come back.
    Ended,
}

/// What a spawn that fails means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The formation is not what it was to be from the start, and ends.
    EndsAll,
    /// A request was in vain.
    StaysDown,
}

/// What is to become of a spawn that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It runs.
    Runs,
    /// It is stopped at once, and then this.
    IsStopped(Next),
}

/// What follows once nothing of an instance is alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The formation ends as well.
    End,
    /// It stays down until somebody asks for it.
    StayDown(Cause),
    /// It is spawned again.
    StartAgain,
    /// It is spawned again after a pause.
    BackOff,
    /// It leaves the formation.
    Vanish,
}

/// What follows once something that cannot be killed has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It stays in the formation.
    StayDown,
    /// It leaves the formation.
    Vanish,
}

/// The leader of a group that is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader {
    /// It has not ended yet.
    Alive,
    /// It ended; what is left are other processes of its group.
    Ended(Exit),
}

/// How far the stopping of a group has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It was asked to end, and is killed at this time.
    Terminated {
        /// When that was.
        since: Time,
        /// When SIGKILL follows.
        kill_at: Time,
    },
    /// It was killed, and is given up at this time.
    Killed {
        /// When it counts as unkillable.
        give_up_at: Time,
    },
}

impl Instance {
    /// Returns the process group that signals for this instance go to, if it has one.
    pub fn group(&self) -> Option<Pid> {
        match self {
            Instance::Running { pid, .. } | Instance::Needed { pid, .. } | Instance::Stopping { pid, .. } => {
                Some(*pid)
            }
            Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => None,
        }
    }

    /// Returns what follows if it cannot be spawned, while it is held for what it needs.
    pub fn held(&self) -> Option<Failure> {
        match self {
            Instance::Held { failure } => Some(*failure),
            Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => None,
        }
    }

    /// Returns whether its leader is alive and somebody's concern.
    pub fn has_leader(&self) -> bool {
        match self {
            Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { leader: Leader::Alive, .. } => true,
            Instance::Stopping { leader: Leader::Ended(_), .. }
            | Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => false,
        }
    }

    /// Returns whether something of it is alive, or about to be: the end of the formation has to wait for that.
    pub fn is_alive(&self) -> bool {
        match self {
            Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { .. } => true,
            Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => false,
        }
    }

    /// Returns whether nothing more is to happen to it, and nobody waits for it.
    pub fn is_down(&self) -> bool {
        match self {
            Instance::Unkillable { .. } | Instance::Down(_) => true,
            Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { .. }
            | Instance::BackingOff { .. } => false,
        }
    }

    /// Returns whether those that need it may be spawned: it is ready, or has done what it is for.
    pub fn is_ready(&self) -> bool {
        match self {
            Instance::Running { condition: Condition::Ready { .. }, .. } | Instance::Down(Cause::Done) => {
                true
            }
            Instance::Running {
                condition: Condition::Unready { .. } | Condition::AtWork | Condition::Ending,
                ..
            }
            | Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(Cause::Asked | Cause::Ended) => false,
        }
    }

    /// Returns whether it is there only until it has ended: it counts for nothing in its formation.
    pub fn is_vanishing(&self) -> bool {
        match self {
            Instance::Starting { arrival: Arrival::IsStopped(Next::Vanish), .. }
            | Instance::Stopping { next: Next::Vanish, .. }
            | Instance::Unkillable { rest: Rest::Vanish, .. } => true,
            Instance::Starting { arrival: Arrival::Runs | Arrival::IsStopped(_), .. }
            | Instance::Stopping {
                next: Next::End | Next::StayDown(_) | Next::StartAgain | Next::BackOff,
                ..
            }
            | Instance::Unkillable { rest: Rest::StayDown, .. }
            | Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => false,
        }
    }

    /// Returns when this instance needs attention, if nothing happens before.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            Instance::Running { condition, .. } => condition.deadline(),
            Instance::Stopping { force: Force::Terminated { kill_at: at, .. }, .. }
            | Instance::Stopping { force: Force::Killed { give_up_at: at }, .. }
            | Instance::Needed { until: at, .. }
            | Instance::BackingOff { until: at } => Some(*at),
            Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::Down(_) => None,
        }
    }

    /// Moves every point in time of this state by `by`: procman stood still for that long.
    pub fn postpone(&mut self, by: Time) {
        let later = |at: &mut Time| *at = at.saturating_add(by);
        match self {
            Instance::Running { since, condition, .. } => {
                later(since);
                condition.postpone(by);
            }
            Instance::Stopping { force: Force::Terminated { since, kill_at }, .. } => {
                later(since);
                later(kill_at);
            }
            Instance::Stopping { force: Force::Killed { give_up_at: at }, .. }
            | Instance::Needed { until: at, .. }
            | Instance::BackingOff { until: at } => later(at),
            Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::Down(_) => {}
        }
    }
}

impl Condition {
    fn deadline(&self) -> Option<Time> {
        match self {
            Condition::Unready { due, probing: Probing::At(at), .. } => Some(*due.min(at)),
            Condition::Unready { due, probing: Probing::Never | Probing::UnderWay, .. } => Some(*due),
            Condition::Ready { probing: Probing::At(at), .. } => Some(*at),
            Condition::Ready { probing: Probing::Never | Probing::UnderWay, .. }
            | Condition::AtWork
            | Condition::Ending => None,
        }
    }

    fn postpone(&mut self, by: Time) {
        let later = |at: &mut Time| *at = at.saturating_add(by);
        match self {
            Condition::Unready { due, probing, .. } => {
                later(due);
                probing.postpone(by);
            }
            Condition::Ready { probing, .. } => probing.postpone(by),
            Condition::AtWork | Condition::Ending => {}
        }
    }
}

impl Probing {
    fn postpone(&mut self, by: Time) {
        match self {
            Probing::At(at) => *at = at.saturating_add(by),
            Probing::Never | Probing::UnderWay => {}
        }
    }
}
