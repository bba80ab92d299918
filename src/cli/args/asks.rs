//! The arguments of the commands that ask whether something is ready.

use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use crate::cli::args::Client;
use crate::cli::candidates;
use crate::config::Timeout;

/// Arguments of `healthcheck`.
#[derive(Debug, Args)]
pub struct Healthcheck {
    #[command(flatten)]
    pub client: Client,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// Types, instances, variables and URLs
    #[arg(value_name = "NAME", hide = true, add = ArgValueCandidates::new(candidates::names))]
    pub names: Vec<String>,
    /// Give up after this; 0 tries once [default: 60]
    #[arg(short = 't', long, value_name = "SECONDS", env = "PROCMAN_WAIT_TIMEOUT", hide_env = true)]
    pub timeout: Option<Timeout>,
    #[command(flatten)]
    pub client: Client,
}
