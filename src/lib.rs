//! procman runs the processes of a Procfile, and ends them.
//!
//! Outside [`sys`], [`runtime`] and [`cli`], every function is a function of its arguments: no clock,
//! environment, file, process, channel or print. All that is hard is decided there by plain values; all that
//! is slow has no decision left in it.
//!
//! ```text
//! speak    main.rs
//!          cli/                                     arguments, words for people, exit codes
//! join     runtime/                                 the one loop: facts in, orders out; the pump; the control thread
//! decide   supervisor/   output/   control/   export/   pure
//! mean     plan · formation · config · service · dotenv · procfile   pure: what the user wrote, and what it means
//! do       sys/                                     one narrow door each; no policy
//! values   process · fault · quote · policy         Signal, Exit, Pid; Severity, Fault; words of others; Policy
//! ```
//!
//! Names point downward only; `tests/it/layering.rs` holds the table of who may name whom.
//!
//! `procman start` is two processes: the guard, which the user started and which outlives everything
//! ([`sys::guard`]), and below it the supervisor, which does the work ([`runtime`]). The supervisor has three threads:
//! the loop, the pump that carries output ([`runtime::pump`]), and the one that talks to clients
//! ([`runtime::server`]); the last two can be as slow as they like.
//!
//! Read [`plan`] first, then [`supervisor::event`] and the transcripts in `supervisor/tests.rs`, then
//! [`runtime`].

pub mod process;

pub mod fault;

pub mod quote;

pub mod procfile;

pub mod dotenv;

pub mod policy;

pub mod service;

pub mod config;

pub mod formation;

pub mod plan;

pub mod supervisor;

pub mod output;

pub mod control;

pub mod export;

pub mod sys;

pub mod runtime;

pub mod cli;

#[cfg(test)]
mod trials;
