//! The formation as service definitions for whatever runs services elsewhere.
//!
//! Pure: [`App`] is what there is to run, each format makes [`File`]s of it with one function, and who writes them to a
//! disk is the command's business. A format knows neither the disk nor another format. What a file says is what
//! `procman start` would have run: commands, ports and variables come from the [`plan`](crate::plan).

pub mod app;
pub mod quote;
pub mod secret;
pub mod template;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

pub use crate::export::app::{App, Instance, Process};

/// What a formation can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Units for systemd.
    Systemd,
    /// Property lists for launchd.
    Launchd,
    /// A configuration of supervisord.
    Supervisord,
    /// Service directories of runit.
    Runit,
    /// Service directories of s6.
    S6,
    /// A file for Docker Compose and Podman Compose.
    Compose,
    /// Objects of Kubernetes, ready for Kustomize.
    Kubernetes,
    /// A job for Nomad.
    Nomad,
    /// Podman's containers under systemd.
    Quadlet,
}

impl Format {
    /// Every format, in the order in which they are listed.
    pub const ALL: [Format; 9] = [
        Format::Systemd,
        Format::Launchd,
        Format::Supervisord,
        Format::Runit,
        Format::S6,
        Format::Compose,
        Format::Kubernetes,
        Format::Nomad,
        Format::Quadlet,
    ];

    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Systemd => "systemd",
            Format::Launchd => "launchd",
            Format::Supervisord => "supervisord",
            Format::Runit => "runit",
            Format::S6 => "s6",
            Format::Compose => "compose",
            Format::Kubernetes => "kubernetes",
            Format::Nomad => "nomad",
            Format::Quadlet => "quadlet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is no format; there is {}", known())]
pub struct FormatError {
    /// What was written, fit to be shown.
    pub name: String,
}

fn known() -> String {
    Format::ALL.map(Format::name).join(", ")
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Format, FormatError> {
        let found = Format::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| FormatError { name: crate::quote::excerpt(text) })
    }
}

/// A file to be written, below the location that the user names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where, without `..` and not from the root.
    pub path: PathBuf,
    /// What is in it.
    pub content: String,
    /// Who may do what with it.
    pub access: Access,
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody may read it: mode 0644.
    Public,
    /// It holds values of the environment, which are for its owner's eyes: mode 0600.
    Secret,
    /// Everybody may read and execute it: mode 0755.
    Executable,
}

impl Access {
    /// Returns the mode of such a file.
    pub fn mode(self) -> u32 {
        match self {
            Access::Public => 0o644,
            Access::Secret => 0o600,
            Access::Executable => 0o755,
        }
    }
}

/// Why a formation cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum ExportError {
    /// `what` names the culprit, such as "the variable `A`"; `why` says what the format cannot express.
    #[error("{what} cannot be written for {format}: {why}")]
    Inexpressible { format: Format, what: String, why: String },
    /// A template of the user's.
    #[error("template `{name}`: {message}")]
    Template { name: String, message: String },
}
