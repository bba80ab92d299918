//! The command line as clap types: names, help, and what a value looks like. No meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{ColorChoice, EnvPrecedence, LogFormat, Options, Port, Timeout, Timestamp};

/// Run the processes of a Procfile
#[derive(Debug, Parser)]
#[command(name = "procman", version, disable_help_subcommand = false)]
#[command(after_help = "`procman help COMMAND` tells more about a command; `man procman` tells everything.")]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the formation until it ends or is told to stop
    #[command(after_help = START_HELP)]
    Start(Start),
    /// Run a one-off command, or one entry, in the app's environment
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Read everything and report every fault, without running anything
    Check,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

const START_HELP: &str = "\
The first process to end ends all others, and procman exits with its code.
Ctrl-C stops the formation; a second Ctrl-C kills it.";

const RUN_HELP: &str = "\
One argument that is the name of an entry runs that entry; anything else is a program and its arguments.
The command replaces procman, so terminal, signals and exit code are its own.";

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "App")]
pub struct Common {
    /// Read this Procfile [default: Procfile in the app root]
    #[arg(short = 'f', long, value_name = "FILE", global = true, env = "PROCMAN_PROCFILE", hide_env = true)]
    pub procfile: Option<PathBuf>,
    /// Run everything in this directory [default: where the Procfile is]
    #[arg(short = 'd', long, value_name = "DIR", global = true, env = "PROCMAN_ROOT", hide_env = true)]
    pub root: Option<PathBuf>,
    /// Read these environment files instead of .env
    #[arg(
        short = 'e',
        long,
        value_name = "FILES",
        global = true,
        env = "PROCMAN_ENV",
        hide_env = true,
        value_delimiter = ','
    )]
    pub env: Option<Vec<PathBuf>>,
    /// Say whether the files or procman's own environment win: file, shell [default: file]
    #[arg(long, value_name = "WHICH", global = true, env = "PROCMAN_ENV_PRECEDENCE", hide_env = true)]
    pub env_precedence: Option<EnvPrecedence>,
    /// Give the first process this port, the next type 100 more [default: 5000]
    #[arg(short = 'p', long, value_name = "PORT", global = true, env = "PROCMAN_PORT", hide_env = true)]
    pub port: Option<Port>,
}

/// Options of `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// Run only these process types
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Run this many of each type, such as web=2,worker=1 or all=2
    #[arg(
        short = 'm',
        long,
        short_alias = 'c',
        visible_short_alias = 'c',
        visible_alias = "concurrency",
        value_name = "COUNTS",
        env = "PROCMAN_FORMATION",
        hide_env = true,
        allow_hyphen_values = true
    )]
    pub formation: Option<String>,
    /// Kill what has not ended this long after the request to stop [default: 5]
    #[arg(short = 't', long, value_name = "SECONDS", env = "PROCMAN_TIMEOUT", hide_env = true)]
    pub timeout: Option<Timeout>,
    /// Show the time before each line, in this format [default: %H:%M:%S]
    #[arg(
        long, value_name = "FORMAT", env = "PROCMAN_TIMESTAMP", hide_env = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", overrides_with = "no_timestamp",
        help_heading = "Output"
    )]
    pub timestamp: Option<Timestamp>,
    /// Show no time
    #[arg(long, action = ArgAction::SetTrue, overrides_with = "timestamp", help_heading = "Output")]
    pub no_timestamp: bool,
    /// Colour the prefixes: auto, always, never [default: auto]
    #[arg(
        long, value_name = "WHEN", env = "PROCMAN_COLOR", hide_env = true, num_args = 0..=1,
        require_equals = true, default_missing_value = "always", overrides_with = "no_color",
        help_heading = "Output"
    )]
    pub color: Option<ColorChoice>,
    /// Colour nothing
    #[arg(long, action = ArgAction::SetTrue, overrides_with = "color", help_heading = "Output")]
    pub no_color: bool,
    /// Print lines as text, as json or, without prefixes, raw [default: text]
    #[arg(long, value_name = "FORMAT", env = "PROCMAN_LOG_FORMAT", hide_env = true, help_heading = "Output")]
    pub log_format: Option<LogFormat>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The name of an entry, or a program with its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

impl Common {
    /// Returns what the command line and the environment say.
    pub fn options(self) -> Options {
        Options {
            procfile: self.procfile,
            root: self.root,
            env: self.env,
            env_precedence: self.env_precedence,
            port: self.port,
            ..Options::default()
        }
    }
}

impl Start {
    /// Returns what the command line and the environment say, but for the names.
    pub fn options(&self) -> Options {
        Options {
            formation: self.formation.clone(),
            timeout: self.timeout,
            timestamp: if self.no_timestamp { Some(Timestamp::Off) } else { self.timestamp.clone() },
            color: if self.no_color { Some(ColorChoice::Never) } else { self.color },
            log_format: self.log_format,
            ..Options::default()
        }
    }
}
