//! The words for what is wrong in a file that a user wrote: how bad it is, and at which place.
//!
//! What it is, each grammar says itself.

/// Something wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault<Kind> {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1 in characters. One more than the line has when something is missing at its end.
    pub column: usize,
    /// What is wrong.
    pub kind: Kind,
}

/// How bad a fault is. `check` fails with either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Said once; the line means nothing, and the rest of the file still holds.
    Warning,
    /// Nothing is started.
    Error,
}
