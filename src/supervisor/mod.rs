//! The supervisor: a pure machine that is told facts and answers with orders.
//!
//! It knows which instances there are and what state each is in. It knows no command, port, environment,
//! clock, process or channel: the [`runtime`](crate::runtime) brings it the facts and carries out the orders.
//! Read [`event`] and [`request`] first for the vocabularies, then the transcripts in `tests.rs`, then [`machine`].

pub mod event;
pub mod instance;
pub mod machine;
mod meaning;
mod phase;
mod relay;
pub mod request;
mod roster;
mod status;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod waits;

pub use event::{
    Action, Announcement, Event, Group, Notice, Purpose, Receiver, StopCause, Time, Trouble, Verdict,
};
pub use machine::{Audience, Settings, Supervisor};
pub use request::{Outcome, Refusal, Reply, Request, RequestId};
pub use status::{State, Status};
