//! The states of a formation as a whole.

use crate::supervisor::event::Time;

/// How far a formation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It runs, or is about to, be it without an instance. Once something could not be killed its end is a failure.
    Running { losses: Losses },
    /// Everything that lives has been asked to end, until `deadline`.
    Stopping { status: i32, deadline: Time, asked: Asked },
    /// Everything has ended, and until `until` its output may be written.
    Draining { status: i32, deadline: Time, until: Time, asked: Asked },
    /// Its exit status is known.
    Finished,
}

/// What could not be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    /// There was nothing.
    Nothing,
    /// There was something.
    Something,
}

/// How often somebody has asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nobody has: an instance ended, or the output was closed.
    Never,
    /// Once, at this time.
    Once(Time),
    /// Twice, the second time at this time.
    Twice(Time),
}

/// What is known of processes that have left their groups. They have something to say when they are asked to end, so
/// output is drained after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapees {
    /// There are none.
    None,
    /// There are some.
    Left,
    /// They have been asked to end.
    Asked,
}
