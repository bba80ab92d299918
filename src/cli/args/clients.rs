//! The arguments of the commands that talk to a running procman.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCandidates;

use crate::cli::args::Look;
use crate::cli::candidates;
use crate::cli::keys::DetachKey;
use crate::cli::since::Since;

/// Which procman to talk to.
#[derive(Clone, Debug, Default, Args)]
pub struct Client {
    /// Talk to the procman that listens here
    #[arg(long, value_name = "PATH", env = "PROCMAN_SOCKET", hide_env = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
}

/// Arguments of `ps`.
#[derive(Debug, Args)]
pub struct Ps {
    /// Write one JSON object
    #[arg(long)]
    pub json: bool,
    /// Look again every two seconds
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub client: Client,
}

/// Arguments of `scale`.
#[derive(Debug, Args)]
pub struct Scale {
    /// How many instances there shall be, or how many more or fewer
    #[arg(value_name = "CHANGE", required = true, hide = true)]
    #[arg(add = ArgValueCandidates::new(candidates::changes))]
    pub changes: Vec<String>,
    #[command(flatten)]
    pub waiting: Waiting,
    #[command(flatten)]
    pub client: Client,
}

/// Arguments of `restart`, `stop` and `up`.
#[derive(Debug, Args)]
pub struct Named {
    /// Types and instances
    #[arg(value_name = "NAME", hide = true, add = ArgValueCandidates::new(candidates::names))]
    pub names: Vec<String>,
    #[command(flatten)]
    pub waiting: Waiting,
    #[command(flatten)]
    pub client: Client,
}

/// Arguments of `signal`.
#[derive(Debug, Args)]
pub struct Signal {
    /// The signal
    #[arg(value_name = "SIGNAL", hide = true, add = ArgValueCandidates::new(candidates::signals))]
    pub signal: String,
    /// Types and instances
    #[arg(value_name = "NAME", hide = true, add = ArgValueCandidates::new(candidates::names))]
    pub names: Vec<String>,
    #[command(flatten)]
    pub client: Client,
}

/// Arguments of `quit`.
#[derive(Debug, Args)]
pub struct Quit {
    #[command(flatten)]
    pub waiting: Waiting,
    #[command(flatten)]
    pub client: Client,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Types and instances, and `system` for procman
    #[arg(value_name = "NAME", hide = true, add = ArgValueCandidates::new(candidates::authors))]
    pub names: Vec<String>,
    /// Go on with the lines to come
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Begin with the last lines of each [default: all]
    #[arg(short = 'n', long, value_name = "COUNT", env = "PROCMAN_LINES", hide_env = true)]
    pub lines: Option<Count>,
    /// Show only lines that this expression matches
    #[arg(long, value_name = "PATTERN", env = "PROCMAN_GREP", hide_env = true, allow_hyphen_values = true)]
    pub grep: Option<Pattern>,
    /// Begin at this time: 10m, 12:00, 2026-11-29 12:00
    #[arg(long, value_name = "WHEN", env = "PROCMAN_SINCE", hide_env = true)]
    pub since: Option<Since>,
    #[command(flatten)]
    pub look: Look,
    #[command(flatten)]
    pub client: Client,
    /// Read this Procfile [default: Procfile]
    // The same as that of every command, which leaves its short name to `--follow` here.
    #[arg(long, value_name = "FILE", env = "PROCMAN_PROCFILE", hide_env = true, global = true)]
    #[arg(value_hint = ValueHint::FilePath, help_heading = "App")]
    pub procfile: Option<PathBuf>,
}

/// Arguments of `attach`.
#[derive(Debug, Args)]
pub struct Attach {
    /// The instance
    #[arg(value_name = "NAME", hide = true, add = ArgValueCandidates::new(candidates::terminals))]
    pub name: String,
    /// Detach with these keys [default: ctrl-]]
    #[arg(long, value_name = "KEYS", env = "PROCMAN_DETACH_KEY", hide_env = true)]
    pub detach_key: Option<DetachKey>,
    #[command(flatten)]
    pub client: Client,
}

/// Whether to wait for what has been asked for.
#[derive(Debug, Args)]
pub struct Waiting {
    /// Leave as soon as procman has accepted it
    #[arg(long)]
    pub no_wait: bool,
}

/// How many lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

impl std::str::FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Count, String> {
        let wrong = || format!("`{}` is not a number of lines", crate::quote::excerpt(text));
        text.parse().map(Count).map_err(|_| wrong())
    }
}

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern(pub regex_lite::Regex);

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        regex_lite::Regex::new(text)
            .map(Pattern)
            .map_err(|error| format!("`{}` is not a pattern: {error}", crate::quote::excerpt(text)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Count, Pattern};

    #[test]
    fn what_is_no_pattern_is_said_to_be_none() {
        let error = "a(".parse::<Pattern>().unwrap_err();
        assert!(error.starts_with("`a(` is not a pattern: "), "{error}");
        assert!("(?i)get|post".parse::<Pattern>().unwrap().0.is_match("a POST"));
    }

    #[test]
    fn a_count_is_a_number() {
        assert_eq!("0".parse(), Ok(Count(0)));
        assert_eq!("ten".parse::<Count>(), Err("`ten` is not a number of lines".to_owned()));
        assert!("-1".parse::<Count>().is_err());
    }
}
