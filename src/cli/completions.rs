//! `procman completions`: a script that teaches a shell procman's command line.

use clap_complete::{Shell, generate};

use crate::cli::error::Failure;
use crate::cli::{command, print};

/// Prints the script for a shell.
pub fn run(shell: Shell) -> Result<i32, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut command(), "procman", &mut script);
    print(&String::from_utf8_lossy(&script))
}
