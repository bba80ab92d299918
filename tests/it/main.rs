//! procman as its users meet it: the real program, real processes, one file a theme.
//!
//! What can be decided in pure code is tested there; these tests prove the wiring. None sleeps: each waits for
//! a line or a state, within a limit. One exception is in scripts of instances: `sleep 1` and then a line, for a
//! second request must come more than half a second after the first.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod attach;
mod attached;
mod background;
mod bad_input;
mod children;
mod cli;
mod clients;
mod control;
mod defaults;
mod examples;
mod export;
mod export_cluster;
mod export_golden;
mod export_launchd;
mod export_policies;
mod export_services;
mod export_systemd;
mod faults;
mod faults_clocks;
mod faults_containment;
mod faults_control;
mod faults_files;
mod faults_init;
mod faults_kernel;
mod faults_output;
mod faults_readers;
mod faults_signals;
mod faults_spawning;
mod faults_terminal;
mod healthcheck;
mod layering;
mod life;
mod logs;
mod man;
mod output;
mod policies;
mod policies_written;
mod probes;
mod promises;
mod run;
mod support;
mod systemd;
mod terminals;
mod wait;
