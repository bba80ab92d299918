//! What one is told of an instance that one asks about.

use crate::formation::InstanceId;
use crate::policy::{Kind, Policy};
use crate::process::{Exit, Pid};
use crate::supervisor::event::Time;
use crate::supervisor::instance::{Cause, Instance};
use crate::supervisor::roster::Member;

/// How an instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which one.
    pub id: InstanceId,
    /// What it is doing.
    pub state: State,
    /// Whether it is ready.
    pub standing: Standing,
    /// The names of the types and services that it is held for.
    pub waits_for: Vec<String>,
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
    /// It is to be started, once what it needs is there.
    Held,
    /// Its leader runs.
    Running {
        /// The leader.
        pid: Pid,
        /// When it was started. The time that procman stood still does not count.
        since: Time,
    },
    /// It is to end and has not, be it because others need it, or because nothing can end it.
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

/// Whether an instance is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is said of how that is known: it is as long as it runs.
    NotAsked,
    /// It is not, or not any more.
    Unready,
    /// It is.
    Ready,
    /// It has done the one thing that it is for.
    Done,
}

impl Status {
    /// Returns how a member of the formation is that has this policy and waits for these.
    pub fn of(member: &Member, policy: &Policy, waits_for: Vec<String>) -> Status {
        let state = match member.state {
            Instance::Waiting { .. } | Instance::Starting { .. } => State::Starting,
            Instance::Held { .. } => State::Held,
            Instance::Running { pid, since, .. } => State::Running { pid, since },
            Instance::Needed { pid, .. }
            | Instance::Stopping { pid, .. }
            | Instance::Unkillable { pid, .. } => State::Stopping { pid },
            Instance::BackingOff { until } => State::BackingOff { until },
            Instance::Down(_) => State::Down,
        };
        let standing = match (&member.state, policy.kind, &policy.ready) {
            (Instance::Down(Cause::Done), ..) => Standing::Done,
            (_, Kind::LongLived, None) => Standing::NotAsked,
            (state, Kind::OneShot, None) | (state, _, Some(_)) if state.is_ready() => Standing::Ready,
            (_, Kind::OneShot, None) | (_, _, Some(_)) => Standing::Unready,
        };
        let restarts = member.spawns.saturating_sub(1);
        Status { id: member.id.clone(), state, standing, waits_for, restarts, last_exit: member.last_exit }
    }
}
