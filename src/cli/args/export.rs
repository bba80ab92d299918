//! The arguments of `export`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCandidates;

use crate::cli::args::{Origin, Size};
use crate::cli::candidates;
use crate::config::{AppName, Options, UserName};
use crate::export::Format;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// What to write
    #[arg(value_name = "FORMAT", hide = true, add = ArgValueCandidates::new(candidates::formats))]
    pub format: Format,
    /// The directory to write to, or `-` for standard output
    #[arg(value_name = "LOCATION", hide = true, value_hint = ValueHint::DirPath)]
    pub location: PathBuf,
    /// Call the app this [default: its directory]
    #[arg(short = 'a', long, value_name = "NAME", env = "PROCMAN_APP", hide_env = true)]
    pub app: Option<AppName>,
    /// Log to this directory, with launchd, supervisord, runit and s6 [default: /var/log/APP]
    #[arg(short = 'l', long, value_name = "DIR", env = "PROCMAN_LOG", hide_env = true)]
    #[arg(value_hint = ValueHint::DirPath)]
    pub log: Option<PathBuf>,
    /// Taken because foreman has it: no format writes pid files
    #[arg(short = 'r', long, value_name = "DIR", env = "PROCMAN_RUN", hide_env = true)]
    #[arg(value_hint = ValueHint::DirPath)]
    pub run: Option<PathBuf>,
    /// Run as this user
    #[arg(short = 'u', long, value_name = "USER", env = "PROCMAN_USER", hide_env = true)]
    #[arg(value_hint = ValueHint::Username)]
    pub user: Option<UserName>,
    #[command(flatten)]
    pub size: Size,
    /// Use the templates in this directory
    #[arg(short = 'T', long, value_name = "DIR", env = "PROCMAN_TEMPLATE", hide_env = true)]
    #[arg(value_hint = ValueHint::DirPath)]
    pub template: Option<PathBuf>,
    /// Where that has been said.
    #[arg(skip)]
    pub template_origin: Origin,
    /// Write nothing, list what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Write nothing, show what would change
    #[arg(long)]
    pub diff: bool,
    /// Write nothing, fail if something would change
    #[arg(long)]
    pub check: bool,
}

impl Export {
    /// Returns what the command line and the environment say.
    pub fn options(&self) -> Options {
        Options {
            app: self.app.clone(),
            log: self.log.clone(),
            run: self.run.clone(),
            user: self.user.clone(),
            template: self.template.clone(),
            ..self.size.options()
        }
    }
}
