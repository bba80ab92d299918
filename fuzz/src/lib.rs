//! What the readers of a user's text, the merge of output and the control socket's lines promise for whatever they
//! are given.
//!
//! Written once and driven twice: by libFuzzer through `fuzz_targets/`, and on every `cargo test` by proptest, through
//! `tests/it/promises.rs`, which includes this file. Each check panics where a promise is broken.

pub mod config;
pub mod dotenv;
pub mod formation;
pub mod lines;
pub mod procfile;
pub mod wire;

mod text;
