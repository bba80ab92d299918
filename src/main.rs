//! The `procman` program.

fn main() {}
