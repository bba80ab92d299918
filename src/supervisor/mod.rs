//! The supervisor: a pure machine that is told facts and answers with orders.
//!
//! It knows which instances there are and what state each is in. It knows no command, port, environment,
//! clock, process or channel: the [`runtime`](crate::runtime) brings it the facts and carries out the orders.
//! Read [`event`], [`notice`] and [`request`] first for the vocabularies, then the transcripts in `tests.rs`, then [`machine`].

mod backoff;
pub mod event;
pub mod instance;
pub mod machine;
mod meaning;
pub mod notice;
mod phase;
mod relay;
pub mod request;
mod roster;
mod rules;
mod services;
mod status;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod waits;

pub use event::{Action, Announcement, Event, Group, Purpose, Receiver, Time, Trouble, Verdict};
pub use machine::{Audience, Settings, Supervisor};
pub use notice::{Manner, Notice, StopCause, Who, Why};
pub use request::{Outcome, Refusal, Reply, Request, RequestId};
pub use status::{Standing, State, Status};
