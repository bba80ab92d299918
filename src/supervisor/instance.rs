//! The states of one instance, and what each of them knows.
//!
//! Which state follows which is the [`machine`](super::machine)'s decision.

use crate::process::{Exit, Pid};
use crate::supervisor::event::Time;

/// The state of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// It waits for its turn to be spawned.
    Waiting,
    /// The order to spawn it is out.
    Starting,
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
    },
    /// It ended and waits to be spawned again.
    BackingOff {
        /// When to spawn it.
        until: Time,
    },
    /// Nothing of it is alive, and nothing of it will be.
    Down {
        /// How it ended; `None` when it was never spawned.
        exit: Option<Exit>,
    },
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
            Instance::Waiting | Instance::Starting | Instance::BackingOff { .. } | Instance::Down { .. } => {
                None
            }
        }
    }

    /// Returns whether its leader is alive.
    pub fn has_leader(&self) -> bool {
        match self {
            Instance::Running { .. } | Instance::Stopping { leader: Leader::Alive, .. } => true,
            Instance::Stopping { leader: Leader::Ended(_), .. }
            | Instance::Waiting
            | Instance::Starting
            | Instance::BackingOff { .. }
            | Instance::Down { .. } => false,
        }
    }

    /// Returns when this instance needs attention, if nothing happens before.
    pub fn deadline(&self) -> Option<Time> {
        match self {
            Instance::Stopping { force: Force::Terminated { kill_at: at }, .. }
            | Instance::Stopping { force: Force::Killed { give_up_at: at }, .. }
            | Instance::BackingOff { until: at } => Some(*at),
            Instance::Waiting | Instance::Starting | Instance::Running { .. } | Instance::Down { .. } => None,
        }
    }

    /// Moves every point in time of this state by `by`: procman stood still for that long.
    pub fn postpone(&mut self, by: Time) {
        match self {
            Instance::Running { since: at, .. }
            | Instance::Stopping { force: Force::Terminated { kill_at: at }, .. }
            | Instance::Stopping { force: Force::Killed { give_up_at: at }, .. }
            | Instance::BackingOff { until: at } => *at = at.saturating_add(by),
            Instance::Waiting | Instance::Starting | Instance::Down { .. } => {}
        }
    }
}
