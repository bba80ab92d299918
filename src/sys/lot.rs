//! What is drawn by lot: a name that nobody knows beforehand, and what spreads those that come back.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns a number that nobody knows beforehand: the standard library seeds its hashes with what the system draws.
pub fn draw() -> u64 {
    RandomState::new().build_hasher().finish()
}
