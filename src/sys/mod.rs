//! The doors to the operating system, one narrow module each, without any policy.
//!
//! Only here are `nix`, `signal-hook` and `unsafe` named. Where Linux offers more than POSIX (subreaper,
//! parent-death signal, pidfd, signalfd, a child in its parent's memory until it executes, `/proc`), the portable
//! way stands beside it; the feature `portable` builds that one on Linux too, so that it is compiled and tested and
//! cannot rot.

#![allow(unsafe_code, reason = "this is the only module that may, each block with the reason it is sound")]

pub mod census;
pub mod child;
pub mod cleanup;
pub mod connect;
mod control_group;
pub mod daemon;
#[cfg(all(target_os = "linux", not(procman_portable)))]
mod direct;
pub mod files;
pub mod guard;
pub mod interpreter;
pub mod limits;
pub mod link;
pub mod logfile;
pub mod lot;
pub mod memory;
pub mod notify;
pub mod pty;
pub mod ready;
pub mod service_manager;
pub mod signals;
pub mod socket;
#[cfg(all(target_os = "linux", not(procman_portable)))]
mod spawn;
pub mod startup;
pub mod stdio;
pub mod terminal;
pub mod tree;
pub mod usage;
pub mod wait;
pub mod zone;
