//! The command line as clap types: names, help, and what a value looks like. No meaning.

mod asks;
mod clients;
mod export;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates;

pub use crate::cli::args::asks::{Healthcheck, Wait};
pub use crate::cli::args::clients::{Attach, Client, Logs, Named, Ps, Quit, Scale, Signal, Waiting};
pub use crate::cli::args::export::Export;
use crate::cli::candidates;
use crate::config::{
    ByteSize, ColorChoice, EnvPrecedence, Flag, LogFormat, Options, Port, PtyChoice, Socket, Timeout,
    Timestamp,
};
use crate::policy::Restart;

/// Run the processes of a Procfile
#[derive(Debug, Parser)]
#[command(name = "procman", version, after_help = AFTER_HELP, help_template = TEMPLATE)]
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
    Check(Check),
    /// Write the formation for systemd, Kubernetes and others
    #[command(after_help = EXPORT_HELP, override_usage = "procman export [OPTIONS] <FORMAT> <LOCATION>")]
    Export(Export),
    /// Show how every instance is
    #[command(after_help = PS_HELP, override_usage = "procman ps [OPTIONS]")]
    Ps(Ps),
    /// Change how many instances run
    #[command(after_help = SCALE_HELP, override_usage = "procman scale [OPTIONS] <CHANGE>...")]
    Scale(Scale),
    /// Stop instances and start them again
    #[command(after_help = RESTART_HELP, override_usage = "procman restart [OPTIONS] [NAME]...")]
    Restart(Named),
    /// Stop instances; procman goes on, `quit` ends it
    #[command(after_help = STOP_HELP, override_usage = "procman stop [OPTIONS] [NAME]...")]
    Stop(Named),
    /// Start instances that are down
    #[command(after_help = UP_HELP, override_usage = "procman up [OPTIONS] [NAME]...")]
    Up(Named),
    /// Send a signal to instances
    #[command(after_help = SIGNAL_HELP, override_usage = "procman signal [OPTIONS] <SIGNAL> [NAME]...")]
    Signal(Signal),
    /// Stop all instances, and procman with them
    #[command(after_help = QUIT_HELP, override_usage = "procman quit [OPTIONS]")]
    Quit(Quit),
    /// Show what instances have written
    #[command(after_help = LOGS_HELP, override_usage = "procman logs [OPTIONS] [NAME]...")]
    Logs(Logs),
    /// Use the terminal of an instance
    #[command(after_help = ATTACH_HELP, override_usage = "procman attach [OPTIONS] <NAME>")]
    Attach(Attach),
    /// Wait until instances are ready and services answer
    #[command(after_help = WAIT_HELP, override_usage = "procman wait [OPTIONS] [NAME|env:VAR|URL]...")]
    Wait(Wait),
    /// Tell whether all that must be ready is
    #[command(after_help = HEALTHCHECK_HELP, override_usage = "procman healthcheck [OPTIONS]")]
    Healthcheck(Healthcheck),
    /// Print the JSON schema of procman.toml, for editors
    // Asked for once by those who know of it, and the list of commands is to fit on a screen.
    #[command(after_help = SCHEMA_HELP, help_template = SCHEMA_TEMPLATE, hide = true)]
    #[command(override_usage = "procman schema")]
    Schema,
    /// Print a script that teaches a shell procman's options
    #[command(after_help = COMPLETIONS_HELP, help_template = COMPLETIONS_TEMPLATE)]
    #[command(override_usage = "procman completions <SHELL>")]
    Completions {
        /// The shell: bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
}

/// Of the options only how they begin: one screen is not enough for all.
const TEMPLATE: &str = "\
{about}
{usage-heading} {usage}

\x1b[1m\x1b[4mCommands:\x1b[0m
{subcommands}{after-help}";

const AFTER_HELP: &str = "\
Every command knows -f FILE (the Procfile), -d DIR (the app's directory) and -h.
`procman help COMMAND` says more, `man procman` all, `procman --version` which.";

const START_HELP: &str = "\
NAME... runs only these types. The first end ends all; a second Ctrl-C kills.";

const RUN_HELP: &str = "\
The name of an entry runs that entry. Anything else is a program and its
arguments, as they stand; for shell syntax, run sh -c '...'. The command takes
procman's place: terminal, signals and exit code are its own.";

const CHECK_HELP: &str = "\
Exits with 0 when there is no fault, else with 1.";

const EXPORT_HELP: &str = "\
FORMAT is systemd, launchd, supervisord, runit, s6, compose, kubernetes, nomad
or quadlet. LOCATION is a directory, or - for standard output. Of the variables,
those of the .env files are exported.";

const PS_HELP: &str = "\
CPU and MEM are of the instance's whole process group.";

const SCALE_HELP: &str = "\
CHANGE is web=3, web+1, web-1 or all=0. The highest numbers are stopped first.";

const RESTART_HELP: &str = "\
NAME is a type such as web, or an instance such as web.2. Without one, all
instances are restarted.";

const STOP_HELP: &str = "\
NAME is a type such as web, or an instance such as web.2. Without one, all
instances are stopped. procman itself goes on: `procman up` starts them again,
`procman quit` ends procman.";

const UP_HELP: &str = "\
NAME is a type such as web, or an instance such as web.2. Without one, all
instances that are down are started.";

const SIGNAL_HELP: &str = "\
SIGNAL is a name or a number: USR1, SIGUSR1 or 10. NAME is a type such as web,
or an instance such as web.2; without one, all instances get it.";

const QUIT_HELP: &str = "\
As Ctrl-C where procman was started.";

const LOGS_HELP: &str = "\
NAME is a type, an instance, or system for procman. Without one, all are shown.";

const ATTACH_HELP: &str = "\
NAME is an instance such as web.1, or a type that has one instance. KEYS is one
key such as ctrl-a, or several such as ctrl-p,ctrl-q.";

const WAIT_HELP: &str = "\
NAME is a type or an instance, of a formation that runs or is yet to start, and
env:VAR the service that this variable of the app's environment names. Without
any, each service is waited for that a variable called ..._URL names.";

const HEALTHCHECK_HELP: &str = "\
Exits with 0 when it is, else with 1. What is down does not count.";

const COMPLETIONS_HELP: &str = "\
bash  source <(procman completions bash)
zsh   source <(procman completions zsh)
fish  procman completions fish | source";

const SCHEMA_HELP: &str = "\
procman schema > procman.schema.json
Then the first line of procman.toml may be  #:schema ./procman.schema.json";

/// Leaves the options out: none of them changes the script.
const COMPLETIONS_TEMPLATE: &str = "\
{about}

{usage-heading} {usage}

Arguments:
{positionals}{after-help}";

const SCHEMA_TEMPLATE: &str = "\
{about}

{usage-heading} {usage}{after-help}";

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

/// Options of `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// Run only these process types
    #[arg(value_name = "NAME", hide = true, add = ArgValueCandidates::new(candidates::entries))]
    pub names: Vec<String>,
    #[command(flatten)]
    pub size: Size,
    #[command(flatten)]
    pub ends: Ends,
    #[command(flatten)]
    pub look: Look,
    /// Use ptys: auto, always, never [default: auto]
    #[arg(long, value_name = "WHEN", env = "PROCMAN_PTY", hide_env = true)]
    #[arg(value_parser = words(&["auto", "always", "never"]).try_map(|word| word.parse::<PtyChoice>()))]
    #[arg(hide_possible_values = true)]
    pub pty: Option<PtyChoice>,
    /// Keep this much of each output [default: 128K]
    #[arg(long, value_name = "SIZE", env = "PROCMAN_LOG_BUFFER", hide_env = true)]
    pub log_buffer: Option<ByteSize>,
    /// Start in the background
    #[arg(short = 'D', long, conflicts_with = "attach")]
    pub daemon: bool,
    /// In the background, write to this file
    #[arg(long, value_name = "FILE", env = "PROCMAN_LOG_FILE", hide_env = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub log_file: Option<PathBuf>,
    /// Begin that file anew at this size [default: 10M]
    #[arg(long, value_name = "SIZE", env = "PROCMAN_LOG_SIZE", hide_env = true)]
    pub log_size: Option<ByteSize>,
    /// Begin attached to the terminal of this instance
    #[arg(long, value_name = "NAME", env = "PROCMAN_ATTACH", hide_env = true)]
    #[arg(add = ArgValueCandidates::new(candidates::entries))]
    pub attach: Option<String>,
    /// Take requests at this socket
    // Not from the environment: there it is the socket of the procman above this one.
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Take no requests
    #[arg(long)]
    pub no_socket: bool,
}

/// How many instances there are, and how long they may take to end.
#[derive(Debug, Args)]
pub struct Size {
    /// Run this many of each: web=2,worker=1 or all=2
    #[arg(short = 'm', long, short_alias = 'c', alias = "concurrency", value_name = "NAME=COUNT")]
    #[arg(env = "PROCMAN_FORMATION", hide_env = true, allow_hyphen_values = true)]
    pub formation: Option<Vec<String>>,
    /// Where that has been said.
    #[arg(skip)]
    pub origin: Origin,
    /// Kill what has not ended after this [default: 5]
    #[arg(short = 't', long, value_name = "SECONDS", env = "PROCMAN_TIMEOUT", hide_env = true)]
    pub timeout: Option<Timeout>,
}

/// Where an option has been given a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    CommandLine,
    /// In the environment, or nowhere.
    #[default]
    Environment,
}

/// What becomes of an instance that has ended, and how long one waits for what it needs.
#[derive(Debug, Args)]
pub struct Ends {
    /// Restart: on-failure, always [default: never]
    #[arg(long, value_name = "WHEN", env = "PROCMAN_RESTART", hide_env = true)]
    #[arg(value_parser = words(&["never", "on-failure", "always"]).try_map(|word| word.parse::<Restart>()))]
    #[arg(hide_possible_values = true)]
    pub restart: Option<Restart>,
    /// Let the others live on when one ends
    #[arg(long, value_name = "BOOL", env = "PROCMAN_KEEP_GOING", hide_env = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub keep_going: Option<Flag>,
    /// Wait for the services of all *_URL variables
    #[arg(long, value_name = "BOOL", env = "PROCMAN_WAIT_SERVICES", hide_env = true)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub wait_services: Option<Flag>,
    /// Wait this long for services [default: 60]
    #[arg(long, value_name = "SECONDS", env = "PROCMAN_WAIT_TIMEOUT", hide_env = true)]
    pub wait_timeout: Option<Timeout>,
}

/// How output looks. The two options that begin with `no` mostly arrive as values of the others.
#[derive(Debug, Args)]
pub struct Look {
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
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Say how every type would be supervised
    #[arg(long)]
    pub explain: bool,
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
            formation: self.size.formation(),
            timeout: self.size.timeout,
            restart: self.ends.restart,
            keep_going: self.ends.keep_going,
            wait_services: self.ends.wait_services,
            wait_timeout: self.ends.wait_timeout,
            pty: self.pty,
            log_buffer: self.log_buffer,
            log_file: self.log_file.clone(),
            log_size: self.log_size,
            socket: if self.no_socket { Some(Socket::Off) } else { self.socket.clone().map(Socket::At) },
            ..self.look.options()
        }
    }
}

impl Size {
    /// Returns what the command line and the environment say.
    pub fn options(&self) -> Options {
        Options { formation: self.formation(), timeout: self.timeout, ..Options::default() }
    }

    /// Returns the request for a formation; several are one.
    fn formation(&self) -> Option<String> {
        self.formation.as_ref().map(|requests| requests.join(","))
    }
}

impl Look {
    /// Returns what the command line and the environment say.
    pub fn options(&self) -> Options {
        Options {
            timestamp: if self.no_timestamp { Some(Timestamp::Off) } else { self.timestamp.clone() },
            color: if self.no_color { Some(ColorChoice::Never) } else { self.color },
            log_format: self.log_format,
            ..Options::default()
        }
    }
}

impl Command {
    /// Returns which procman a command is for, if it is for one that runs.
    pub fn client(&mut self) -> Option<&mut Client> {
        Some(match self {
            Command::Start(_)
            | Command::Run(_)
            | Command::Check(_)
            | Command::Schema
            | Command::Export(_)
            | Command::Completions { .. } => {
                return None;
            }
            Command::Ps(Ps { client, .. })
            | Command::Scale(Scale { client, .. })
            | Command::Restart(Named { client, .. })
            | Command::Stop(Named { client, .. })
            | Command::Up(Named { client, .. })
            | Command::Signal(Signal { client, .. })
            | Command::Quit(Quit { client, .. })
            | Command::Logs(Logs { client, .. })
            | Command::Attach(Attach { client, .. })
            | Command::Wait(Wait { client, .. })
            | Command::Healthcheck(Healthcheck { client }) => client,
        })
    }
}
