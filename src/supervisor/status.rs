//! What one is told of an instance that one asks about.

use crate::formation::InstanceId;
use crate::process::{Exit, Pid};
use crate::supervisor::event::Time;
use crate::supervisor::instance::Instance;
use crate::supervisor::roster::Member;

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which one.
    pub id: InstanceId,
    /// What it is doing.
    pub state: State,
    /// How often it has been started again.
    pub restarts: u32,
    /// How it ended the last time.
    pub last_exit: Option<Exit>,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is about to be started.
    Starting,
    /// Its leader runs.
    Running {
        /// The leader.
        pid: Pid,
        /// When it was started. The time that procman stood still does not count.
        since: Time,
    },
    /// It is to end and has not, be it because nothing can end it.
    Stopping {
        /// The leader.
        pid: Pid,
    },
    /// It ended and waits to be started again.
    BackingOff {
        /// When that will be.
        until: Time,
    },
    /// Nothing of it is alive.
    Down,
}

impl Status {
    /// Returns how a member of the formation is.
    pub fn of(member: &Member) -> Status {
        let state = match member.state {
            Instance::Waiting { .. } | Instance::Starting { .. } => State::Starting,
            Instance::Running { pid, since } => State::Running { pid, since },
            Instance::Stopping { pid, .. } | Instance::Unkillable { pid, .. } => State::Stopping { pid },
            Instance::BackingOff { until } => State::BackingOff { until },
            Instance::Down => State::Down,
        };
        let restarts = member.spawns.saturating_sub(1);
        Status { id: member.id.clone(), state, restarts, last_exit: member.last_exit }
    }
}
