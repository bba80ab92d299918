//! The states of one instance, and what each of them knows.
//!
//! Which state follows which is the [`machine`](super::machine)'s decision.

use crate::process::{Exit, Pid};
use crate::supervisor::event::Time;

/// The state of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// It waits for its turn to be spawned.
    Waiting {
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
    Down,
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
    StayDown,
    /// It is spawned again.
    StartAgain,
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
            Instance::Running { pid, .. } | Instance::Stopping { pid, .. } => Some(*pid),
            Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down => None,
        }
    }

    /// Returns whether its leader is alive and somebody's concern.
    pub fn has_leader(&self) -> bool {
        match self {
            Instance::Running { .. } | Instance::Stopping { leader: Leader::Alive, .. } => true,
            Instance::Stopping { leader: Leader::Ended(_), .. }
            | Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down => false,
        }
    }

    /// Returns whether nothing more is to happen to it, and nobody waits for it.
    pub fn is_down(&self) -> bool {
        match self {
            Instance::Unkillable { .. } | Instance::Down => true,
            Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::Stopping { .. }
            | Instance::BackingOff { .. } => false,
        }
    }

    /// Returns whether it is there only until it has ended: it counts for nothing in its formation.
    pub fn is_vanishing(&self) -> bool {
        match self {
            Instance::Starting { arrival: Arrival::IsStopped(Next::Vanish), .. }
            | Instance::Stopping { next: Next::Vanish, .. }
            | Instance::Unkillable { rest: Rest::Vanish, .. } => true,
            Instance::Starting { arrival: Arrival::Runs | Arrival::IsStopped(_), .. }
            | Instance::Stopping { next: Next::End | Next::StayDown | Next::StartAgain, .. }
            | Instance::Unkillable { rest: Rest::StayDown, .. }
            | Instance::Waiting { .. }
            | Instance::Running { .. }
            | Instance::BackingOff { .. }
            | Instance::Down => false,
        }
    }

    /// Returns when this instance needs attention, if nothing happens before.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            Instance::Stopping { force: Force::Terminated { kill_at: at }, .. }
            | Instance::Stopping { force: Force::Killed { give_up_at: at }, .. }
            | Instance::BackingOff { until: at } => Some(*at),
            Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::Unkillable { .. }
            | Instance::Down => None,
        }
    }

    /// Moves every point in time of this state by `by`: procman stood still for that long.
    pub fn postpone(&mut self, by: Time) {
        match self {
            Instance::Running { since: at, .. }
            | Instance::Stopping { force: Force::Terminated { kill_at: at }, .. }
            | Instance::Stopping { force: Force::Killed { give_up_at: at }, .. }
            | Instance::BackingOff { until: at } => *at = at.saturating_add(by),
            Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::Down => {}
        }
    }
}
