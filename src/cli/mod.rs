//! The command line: the user's language, and nothing that decides.
//!
//! Only here are the working directory, environment variables, files that the user names and exit codes
//! looked at; only here are errors put into words. One file a command.

mod args;
mod check;
mod completions;
mod error;
mod load;
mod run;
mod start;

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::args::{Arguments, Command};
use crate::cli::error::Failure;
use crate::sys::stdio::{write_stderr, write_stdout};

/// Runs procman with the arguments of this process and returns its exit code.
///
/// 0: ended well or stopped on request. 1: a fault of input, environment or procman's own. 2: wrong usage.
/// 126 and 127: a command that cannot be run or is not found. Else the code of the instance that ended
/// first, or 128 + n when signal n killed it or, asked for twice, ended procman.
pub fn main() -> i32 {
    let arguments = join_colour(std::env::args_os());
    let arguments = match command().try_get_matches_from(arguments) {
        Ok(matches) => Arguments::from_arg_matches(&matches),
        Err(error) => Err(error),
    };
    let result = match arguments {
        Ok(Arguments { common, command: chosen }) => match chosen {
            Some(Command::Start(start)) => start::run(common, start),
            Some(Command::Run(run)) => run::run(common, &run),
            Some(Command::Check) => check::run(common),
            Some(Command::Completions { shell }) => completions::run(shell),
            None => print(&command().render_help().to_string()),
        },
        Err(error) => report_usage(&error),
    };
    match result {
        Ok(status) => status,
        Err(failure) => {
            for line in failure.to_string().lines() {
                write_stderr(line);
            }
            failure.status()
        }
    }
}

/// Returns the description of the command line, from which help, man page and completions are made.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Writes text to standard output. A reader that has gone does not want it.
fn print(text: &str) -> Result<i32, Failure> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match write_stdout(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(Failure::Output(error)),
        }
    }
    Ok(0)
}

/// Shows what clap has to say: help and version on standard output, wrong usage as an error.
fn report_usage(error: &clap::Error) -> Result<i32, Failure> {
    if error.use_stderr() {
        let text = error.render().to_string();
        return Err(Failure::Usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned()));
    }
    print(&error.render().to_string())
}

/// Joins `--color WHEN` to `--color=WHEN`.
///
/// foreman's `--color` has no value, so clap is told that one needs a `=`; otherwise the `web` of
/// `--color web` would be taken for a value.
fn join_colour(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut is_option = true;
    for argument in arguments {
        let is_value = ["auto", "always", "never"].iter().any(|value| argument == *value);
        match joined.last_mut() {
            Some(last) if is_option && is_value && last == OsStr::new("--color") => {
                last.push("=");
                last.push(argument);
            }
            _ => {
                // What follows is the command of `run`, or names.
                is_option &= argument != "--" && argument != "run";
                joined.push(argument);
            }
        }
    }
    joined
}
