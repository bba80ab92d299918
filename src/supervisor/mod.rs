//! The supervisor: a pure machine that is told facts and answers with orders.
//!
//! It knows which instances there are and what state each is in. It knows no command, port, environment,
//! clock, process or channel: the [`runtime`](crate::runtime) brings it the facts and carries out the orders.
//! Read [`event`] first for the two vocabularies, then the transcripts in `tests.rs`, then [`machine`].

pub mod event;
pub mod instance;
pub mod machine;
mod phase;
mod relay;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;

pub use event::{Action, Event, Group, Notice, Receiver, Request, StopCause, Time};
pub use machine::{Settings, Supervisor};
