//! `procman completions`: what a shell needs to complete procman's command line.
//!
//! The script asks procman itself whenever there is something to complete, so that it knows the names of the
//! formation that runs. The asking is clap_complete's work: it sets a variable, and says behind a `--` what has been
//! typed.

use std::env;
use std::ffi::OsString;

use clap_complete::env::{CompleteEnv, Shells};

use crate::cli::error::Failure;
use crate::cli::{command, print};
use clap_complete::Shell;

/// Set to the name of a shell, it says that procman is to complete and do nothing else.
const VARIABLE: &str = "PROCMAN_COMPLETE";

/// Prints the script for a shell.
pub fn run(shell: Shell) -> Result<i32, Failure> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    if let Some(completer) = shells.completer(&shell.to_string()) {
        completer
            .write_registration(VARIABLE, "procman", "procman", "procman", &mut script)
            .map_err(Failure::Output)?;
    }
    print(&String::from_utf8_lossy(&script))
}

/// Completes, if that is what procman has been called for. Returns what to exit with then.
///
/// Whatever is wrong, nothing is said: somebody is typing.
pub fn complete(arguments: &[OsString]) -> Option<i32> {
    if env::var_os(VARIABLE).is_none_or(|value| value.is_empty()) {
        return None;
    }
    // Without words to complete it would print the script, for which there is a command.
    if !arguments.iter().any(|argument| argument == "--") {
        return None;
    }
    let directory = env::current_dir().ok();
    let completed = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .try_complete(arguments.iter().cloned(), directory.as_deref());
    Some(i32::from(completed.is_err()))
}
