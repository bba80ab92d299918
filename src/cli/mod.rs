//! The command line: the user's language, and nothing that decides.
//!
//! Only here are the working directory, environment variables, files that the user names and exit codes
//! looked at; only here are errors put into words. One file a command.

mod args;
mod attach;
mod candidates;
mod change;
mod check;
mod client;
mod completions;
mod error;
mod explain;
mod export;
mod findings;
mod foreground;
mod healthcheck;
mod keys;
mod load;
mod logs;
mod ps;
mod ready;
mod run;
mod since;
mod start;
mod table;
mod tail;
mod transcript;
mod usage;
mod wait;

use std::ffi::{OsStr, OsString};
use std::io;

use clap::builder::{Resettable, StyledStr};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::cli::args::{Arguments, Command, Origin};
use crate::cli::error::Failure;
use crate::cli::start::colour_of_environment;
use crate::config::{Options, SCHEMA};
use crate::output::Colour;
use crate::sys::startup;
use crate::sys::stdio::{write_stderr, write_stderr_unless_stuck, write_stdout};

/// Runs procman with the arguments of this process and returns its exit code.
///
/// 0: ended well or stopped on request. 1: a fault of input, environment or procman's own. 2: wrong usage.
/// 126 and 127: a command that cannot be run or is not found. Else the code of the instance that ended
/// first, or 128 + n when signal n killed it or, asked for twice, ended procman.
pub fn main() -> i32 {
    startup::hold_signals_as_pid_1();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(status) = completions::complete(&arguments) {
        return status;
    }
    let result = match parse(in_one_form(arguments.into_iter())) {
        Ok(Arguments { common, command: chosen }) => match chosen {
            Some(Command::Start(start)) => start::run(common, start),
            Some(Command::Run(run)) => run::run(common, &run),
            Some(Command::Check(check)) => check::run(common, &check),
            Some(Command::Schema) => print(SCHEMA),
            Some(Command::Export(export)) => export::run(common, export),
            Some(Command::Ps(ps)) => ps::run(common, &ps),
            Some(Command::Scale(scale)) => change::scale(common, scale),
            Some(Command::Restart(named)) => change::restart(common, named),
            Some(Command::Stop(named)) => change::stop(common, named),
            Some(Command::Up(named)) => change::up(common, named),
            Some(Command::Signal(signal)) => change::signal(common, signal),
            Some(Command::Quit(quit)) => change::quit(common, &quit),
            Some(Command::Logs(logs)) => logs::run(common, logs),
            Some(Command::Attach(attach)) => attach::run(common, &attach),
            Some(Command::Wait(wait)) => wait::run(common, wait),
            Some(Command::Healthcheck(healthcheck)) => healthcheck::run(common, &healthcheck),
            Some(Command::Completions { shell }) => completions::run(shell),
            None => print_help(&command().render_help()),
        },
        Err(error) => report_usage(&error),
    };
    match result {
        Ok(status) => status,
        Err(failure) => {
            // What ends a formation must not wait for a reader.
            if matches!(failure, Failure::Instance(..) | Failure::OpenFiles(_) | Failure::System(_)) {
                write_stderr_unless_stuck(&failure.to_string());
            } else {
                write_stderr(&failure.to_string());
            }
            failure.status()
        }
    }
}

/// Parses the command line. The whole description of it, which costs more than the parsing, is built only for an error
/// or a help that shows it.
fn parse(arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let brief = without_empty_variables(Arguments::command());
    let matches = match brief.try_get_matches_from(&arguments) {
        Err(error) if error.kind() != ErrorKind::DisplayVersion => command().try_get_matches_from(arguments),
        parsed => parsed,
    };
    let matches = matches?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    if let Some(Command::Export(export)) = &mut arguments.command {
        export.template_origin = origin(&matches, "template");
    }
    let client = arguments.command.as_mut().and_then(Command::client);
    if let Some(client) = client.filter(|_| is_app_named(&matches)) {
        client.socket = client.socket.take().filter(|_| origin(&matches, "socket") == Origin::CommandLine);
    }
    if let Some(Command::Start(start)) = &mut arguments.command {
        start.size.origin = origin(&matches, "formation");
    }
    Ok(arguments)
}

/// Returns what the variables of the environment say to `start`.
fn variables_of_start() -> Result<Options, Failure> {
    let arguments = parse(["procman", "start"].map(OsString::from).to_vec());
    let arguments = arguments.map_err(|error| Failure::Usage(usage::explain(&error)))?;
    Ok(if let Some(Command::Start(start)) = arguments.command { start.options() } else { Options::default() })
}

/// Returns whether the command line says which app is meant. That wins over a socket of the environment, which every
/// instance has, and with it whatever is run from there.
fn is_app_named(matches: &ArgMatches) -> bool {
    ["root", "procfile"].iter().any(|name| matches.value_source(name) == Some(ValueSource::CommandLine))
}

/// Returns where this option of the command's own has been given a value.
fn origin(matches: &ArgMatches, option: &str) -> Origin {
    match matches.subcommand().and_then(|(_, matches)| matches.value_source(option)) {
        Some(ValueSource::CommandLine) => Origin::CommandLine,
        Some(_) | None => Origin::Environment,
    }
}

/// Returns the description of the command line, from which help, man page and completions are made.
pub fn command() -> clap::Command {
    let mut command = without_empty_variables(Arguments::command());
    // Only now is there a `help`, whose own description is longer than a line.
    command.build();
    let command = command.mut_subcommands(|command| match command.get_name() {
        "start" | "run" | "check" | "help" | "completions" | "schema" => command,
        // What is exported has the variables of the files, and no others that could win.
        "export" => command.mut_args(|argument| {
            if argument.get_id() == "env_precedence" { argument.hide(true) } else { argument }
        }),
        // What is waited for may be in the environment.
        "wait" => command
            .mut_args(|argument| if argument.get_id() == "port" { argument.hide(true) } else { argument }),
        // A formation that runs has its environment and ports.
        _ => command.mut_args(|argument| {
            let says_nothing = matches!(argument.get_id().as_str(), "env" | "env_precedence" | "port");
            if says_nothing { argument.hide(true) } else { argument }
        }),
    });
    command.mut_subcommand("help", |help| help.about("Print help, or that of a command"))
}

/// Lets a variable that is set to nothing be none, as with `PORT` and `NO_COLOR`.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |variable: &OsStr| std::env::var_os(variable).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|argument| {
        if argument.get_env().is_some_and(is_empty) { argument.env(Resettable::Reset) } else { argument }
    });
    command.mut_subcommands(without_empty_variables)
}

/// Writes text to standard output. A reader that has gone does not want it.
fn print(text: &str) -> Result<i32, Failure> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match write_stdout(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(Failure::Output(error)),
        }
    }
    Ok(0)
}

/// Shows what clap has to say: help and version on standard output, wrong usage as an error.
fn report_usage(error: &clap::Error) -> Result<i32, Failure> {
    if error.use_stderr() { Err(Failure::Usage(usage::explain(error))) } else { print_help(&error.render()) }
}

/// Prints help, with bold headings where colour is wanted.
fn print_help(help: &StyledStr) -> Result<i32, Failure> {
    match colour_of_environment() {
        Colour::On => print(&help.ansi().to_string()),
        Colour::Reset | Colour::Off => print(&help.to_string()),
    }
}

/// Writes the options that foreman has too, and that clap knows in one form only, in that form: `--color WHEN` as
/// `--color=WHEN`, and `--no-color` and `--no-timestamp` as values of `--color` and `--timestamp`.
///
/// foreman's `--color` has no value, so clap is told that one needs a `=`; otherwise the `web` of
/// `--color web` would be taken for a value. Of `--color` and `--no-color` the last one holds, and either wins over
/// the environment, which clap would take for a contradiction.
fn in_one_form(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut written: Vec<OsString> = Vec::new();
    let mut is_option = true;
    for argument in arguments {
        // What follows is the command of `run`, or names.
        is_option &= argument != "--" && argument != "run";
        match (argument.to_str(), written.last_mut()) {
            (Some("--no-color"), _) if is_option => written.push("--color=never".into()),
            (Some("--no-timestamp"), _) if is_option => written.push("--timestamp=false".into()),
            (Some("auto" | "always" | "never"), Some(last)) if is_option && last == OsStr::new("--color") => {
                last.push("=");
                last.push(argument);
            }
            _ => written.push(argument),
        }
    }
    written
}
