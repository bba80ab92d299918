//! The command line as clap types: names, help, and what a value looks like. No meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::config::{ColorChoice, EnvPrecedence, LogFormat, Options, Port, PtyChoice, Timeout, Timestamp};

/// Run the processes of a Procfile
#[derive(Debug, Parser)]
#[command(name = "procman", version, after_help = AFTER_HELP)]
// One screen of 80 columns, and of two values for one option the last one.
#[command(max_term_width = 80, args_override_self = true)]
pub struct Arguments {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the formation until it ends or is told to stop
    #[command(after_help = START_HELP, override_usage = "procman start [OPTIONS] [NAME]...")]
    Start(Start),
    /// Run one command, or one entry, in the app's environment
    #[command(after_help = RUN_HELP, override_usage = "procman run [OPTIONS] <COMMAND>...")]
    Run(Run),
    /// Report every fault of the app's files, and run nothing
    #[command(after_help = CHECK_HELP)]
    Check,
    /// Print a script that teaches a shell procman's options
    #[command(after_help = COMPLETIONS_HELP, help_template = COMPLETIONS_TEMPLATE)]
    #[command(override_usage = "procman completions <SHELL>")]
    Completions {
        /// The shell: bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
}

const AFTER_HELP: &str = "\
`procman help COMMAND` says more about a command, `man procman` everything.";

const START_HELP: &str = "\
NAME... runs only these process types. The first process to end ends all others,
and its exit code is procman's. Ctrl-C stops all; a second Ctrl-C kills them.";

const RUN_HELP: &str = "\
The name of an entry runs that entry. Anything else is a program and its
arguments, as they stand; for shell syntax, run sh -c '...'. The command takes
procman's place: terminal, signals and exit code are its own.";

const CHECK_HELP: &str = "\
Exits with 0 when there is no fault, else with 1.";

const COMPLETIONS_HELP: &str = "\
bash  source <(procman completions bash)
zsh   source <(procman completions zsh)
fish  procman completions fish | source";

/// Leaves the options out: none of them changes the script.
const COMPLETIONS_TEMPLATE: &str = "\
{about}

{usage-heading} {usage}

Arguments:
{positionals}{after-help}";

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "App")]
pub struct Common {
    /// Read this Procfile [default: Procfile]
    #[arg(short = 'f', long, value_name = "FILE", global = true, env = "PROCMAN_PROCFILE", hide_env = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub procfile: Option<PathBuf>,
    /// Run in this directory [default: the Procfile's]
    #[arg(short = 'd', long, value_name = "DIR", global = true, env = "PROCMAN_ROOT", hide_env = true)]
    #[arg(value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Read these files instead of .env: a.env,b.env
    #[arg(short = 'e', long, value_name = "FILES", global = true, env = "PROCMAN_ENV", hide_env = true)]
    #[arg(value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub env: Option<Vec<PathBuf>>,
    /// Let file or shell variables win [default: file]
    #[arg(long, value_name = "WHICH", global = true, env = "PROCMAN_ENV_PRECEDENCE", hide_env = true)]
    #[arg(value_parser = words(&["file", "shell"]).try_map(|word| word.parse::<EnvPrecedence>()))]
    #[arg(hide_possible_values = true)]
    pub env_precedence: Option<EnvPrecedence>,
    /// Set the base port [default: PORT, else 5000]
    #[arg(short = 'p', long, value_name = "PORT", global = true, env = "PROCMAN_PORT", hide_env = true)]
    pub port: Option<Port>,
}

/// Options of `start`. The two that begin with `no` mostly arrive as values of the others.
#[derive(Debug, Args)]
pub struct Start {
    /// Run only these process types
    #[arg(value_name = "NAME", hide = true)]
    pub names: Vec<String>,
    /// Run this many of each: web=2,worker=1 or all=2
    #[arg(short = 'm', long, short_alias = 'c', alias = "concurrency", value_name = "NAME=COUNT")]
    #[arg(env = "PROCMAN_FORMATION", hide_env = true, allow_hyphen_values = true)]
    pub formation: Option<Vec<String>>,
    /// Kill what has not ended after this [default: 5]
    #[arg(short = 't', long, value_name = "SECONDS", env = "PROCMAN_TIMEOUT", hide_env = true)]
    pub timeout: Option<Timeout>,
    /// Show the time like this [default: %H:%M:%S]
    #[arg(long, value_name = "STRFTIME", env = "PROCMAN_TIMESTAMP", hide_env = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub timestamp: Option<Timestamp>,
    /// Show no time
    #[arg(long)]
    pub no_timestamp: bool,
    /// Use colour: auto, always, never [default: auto]
    #[arg(long, value_name = "WHEN", env = "PROCMAN_COLOR", hide_env = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    #[arg(value_parser = words(&["auto", "always", "never"]).try_map(|word| word.parse::<ColorChoice>()))]
    #[arg(hide_possible_values = true)]
    pub color: Option<ColorChoice>,
    /// Colour nothing
    #[arg(long)]
    pub no_color: bool,
    /// Write text, json or raw lines [default: text]
    #[arg(long, value_name = "FORMAT", env = "PROCMAN_LOG_FORMAT", hide_env = true)]
    #[arg(value_parser = words(&["text", "json", "raw"]).try_map(|word| word.parse::<LogFormat>()))]
    #[arg(hide_possible_values = true)]
    pub log_format: Option<LogFormat>,
    /// Use ptys: auto, always, never [default: auto]
    #[arg(long, value_name = "WHEN", env = "PROCMAN_PTY", hide_env = true)]
    #[arg(value_parser = words(&["auto", "always", "never"]).try_map(|word| word.parse::<PtyChoice>()))]
    #[arg(hide_possible_values = true)]
    pub pty: Option<PtyChoice>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The name of an entry, or a program and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    #[arg(value_hint = ValueHint::CommandWithArguments, hide = true)]
    pub command: Vec<OsString>,
}

/// Returns a parser that knows the words of an option, so that a shell can complete them.
fn words(words: &'static [&'static str]) -> PossibleValuesParser {
    // `true` and `false` are how the files of defaults and foreman say it.
    let alias = |word: &str| match word {
        "always" => Some("true"),
        "never" => Some("false"),
        _ => None,
    };
    PossibleValuesParser::new(words.iter().map(|word| PossibleValue::new(*word).aliases(alias(word))))
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
            // Several are one request.
            formation: self.formation.as_ref().map(|requests| requests.join(",")),
            timeout: self.timeout,
            timestamp: if self.no_timestamp { Some(Timestamp::Off) } else { self.timestamp.clone() },
            color: if self.no_color { Some(ColorChoice::Never) } else { self.color },
            log_format: self.log_format,
            pty: self.pty,
            ..Options::default()
        }
    }
}
