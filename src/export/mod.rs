//! The formation as service definitions for whatever runs services elsewhere.
//!
//! Pure: [`App`] is what there is to run, each format makes [`File`]s of it with one function, and who writes them to a
//! disk is the command's business. A format knows neither the disk nor another format. What a file says is what
//! `procman start` would have run: commands, ports and variables come from the [`plan`](crate::plan).

pub mod app;
pub mod compose;
pub mod diff;
mod job;
pub mod kubernetes;
pub mod launchd;
pub mod manifest;
pub mod names;
pub mod nomad;
mod packed;
pub mod probe;
pub mod quadlet;
pub mod quote;
mod refusal;
pub mod runit;
pub mod s6;
pub mod secret;
mod service;
pub mod supervision;
pub mod supervisord;
pub mod systemd;
pub mod template;
pub mod unit;
mod unit_supervision;
pub mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::quote::{distance, escaped_path, excerpt};

pub use crate::export::app::{App, Deployment, Instance, Process};
pub use crate::export::supervision::Supervision;
pub use crate::export::template::Templates;

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
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum FormatError {
    /// `name` is what was written, fit to be shown; `meant` what that probably means.
    #[error("`{name}` is no format{}; there is {}", suggestion(*.meant), known())]
    Unknown { name: String, meant: Option<Format> },
    /// foreman has it, and nothing reads it any more.
    #[error("`{name}` is a thing of the past, use `{instead}` instead; there is {}", known())]
    Gone { name: &'static str, instead: Format },
}

/// The formats of foreman that are left out, and what runs services where those did.
const GONE: [(&str, Format); 4] = [
    ("upstart", Format::Systemd),
    ("inittab", Format::Systemd),
    ("daemon", Format::Systemd),
    ("bluepill", Format::Supervisord),
];

/// What else formats are called.
const ALIASES: [(&str, Format); 10] = [
    ("docker", Format::Compose),
    ("docker-compose", Format::Compose),
    ("podman-compose", Format::Compose),
    ("k8s", Format::Kubernetes),
    ("kube", Format::Kubernetes),
    ("kustomize", Format::Kubernetes),
    ("podman", Format::Quadlet),
    ("plist", Format::Launchd),
    ("s6-rc", Format::S6),
    ("supervisor", Format::Supervisord),
];

impl Format {
    /// Returns the format that a text was probably meant to be.
    fn meant(text: &str) -> Option<Format> {
        let text = text.to_ascii_lowercase();
        let called = ALIASES.into_iter().find(|(name, _)| *name == text).map(|(_, format)| format);
        // Of a name as short as `s6` no letter may be wrong: what is left would say nothing.
        let away = |format: &Format| distance(&text, format.name());
        let near = |format: &Format| away(format) <= 2.min(format.name().len() - 2);
        called.or_else(|| Format::ALL.into_iter().filter(near).min_by_key(away))
    }
}

fn suggestion(meant: Option<Format>) -> String {
    meant.map_or_else(String::new, |format| format!(", did you mean `{format}`"))
}

fn known() -> String {
    Format::ALL.map(Format::name).join(", ")
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Format, FormatError> {
        let found = Format::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| match GONE.into_iter().find(|(name, _)| *name == text) {
            Some((name, instead)) => FormatError::Gone { name, instead },
            None => FormatError::Unknown { name: excerpt(text), meant: Format::meant(text) },
        })
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
    /// Returns the mode that such a file is given.
    pub fn mode(self) -> u32 {
        match self {
            Access::Public => 0o644,
            Access::Secret => 0o600,
            Access::Executable => 0o755,
        }
    }

    /// Returns whether it is for its owner alone.
    pub fn is_secret(self) -> bool {
        match self {
            Access::Secret => true,
            Access::Public | Access::Executable => false,
        }
    }

    /// Returns whether a file with that mode is as open as it has to be and no more, which leaves its group to whoever
    /// has copied it, such as git.
    pub fn is_met_by(self, mode: u32) -> bool {
        match self {
            Access::Public => mode & 0o555 == 0o444 && mode & 0o002 == 0,
            Access::Secret => mode & 0o477 == 0o400,
            Access::Executable => mode & 0o555 == 0o555 && mode & 0o002 == 0,
        }
    }
}

/// Returns the files that an app is in a format, ordered by name.
pub fn render(format: Format, app: &App, templates: &Templates) -> Result<Vec<File>, ExportError> {
    refuse_nul(app, format)?;
    refuse_clash(app, format)?;
    let mut files = match format {
        Format::Systemd => systemd::render(app, templates)?,
        Format::Launchd => launchd::render(app)?,
        Format::Supervisord => supervisord::render(app, templates)?,
        Format::Runit => runit::render(app, templates)?,
        Format::S6 => s6::render(app, templates)?,
        Format::Compose => compose::render(app)?,
        Format::Kubernetes => kubernetes::render(app)?,
        Format::Nomad => nomad::render(app)?,
        Format::Quadlet => quadlet::render(app, templates)?,
    };
    files.sort_by(|left, right| left.path.cmp(&right.path));
    check_paths(format, &files)?;
    Ok(files)
}

/// Refuses a NUL in a command, a value or the user's name: no process can be given one.
pub fn refuse_nul(app: &App, format: Format) -> Result<(), ExportError> {
    match app.texts().find(|(_, text)| text.contains('\0')) {
        Some((what, _)) => {
            Err(ExportError::Inexpressible { format, what, why: "it contains a NUL".to_owned() })
        }
        None => Ok(()),
    }
}

/// Refuses types that differ only in case where what is called after them would be taken for one.
fn refuse_clash(app: &App, format: Format) -> Result<(), ExportError> {
    let (what, who) = match format {
        // Of supervisord these are the logs.
        Format::Systemd
        | Format::Launchd
        | Format::Supervisord
        | Format::Runit
        | Format::S6
        | Format::Quadlet => ("files", "some disks ignore"),
        // Each finds the other by the name of its service.
        Format::Compose => ("hosts", "resolvers ignore"),
        // They look at the names that they make themselves.
        Format::Kubernetes | Format::Nomad => return Ok(()),
    };
    let mut owners = BTreeMap::new();
    for Process { name, .. } in &app.processes {
        if let Some(first) = owners.insert(name.to_ascii_lowercase(), name) {
            return Err(ExportError::Inexpressible {
                format,
                what: format!("the type `{name}`"),
                why: format!("its {what} and those of `{first}` would differ only in case, which {who}"),
            });
        }
    }
    Ok(())
}

/// Checks that no file leads out of the location, or takes another's place.
fn check_paths(format: Format, files: &[File]) -> Result<(), ExportError> {
    let mut seen = BTreeSet::new();
    for File { path, .. } in files {
        let refuse = |why| Err(ExportError::Path { format, path: escaped_path(path), why });
        if !is_below(path) {
            return refuse("it is not a path below the location");
        }
        let name = match format {
            // Files are variables there, such as `http_proxy` and `HTTP_PROXY`, for systems whose disks know case.
            Format::Runit | Format::S6 => path.to_string_lossy().into_owned(),
            // Some disks know no case.
            Format::Systemd
            | Format::Launchd
            | Format::Supervisord
            | Format::Compose
            | Format::Kubernetes
            | Format::Nomad
            | Format::Quadlet => path.to_string_lossy().to_lowercase(),
        };
        if !seen.insert(name) {
            return refuse("another file has that name too");
        }
    }
    Ok(())
}

/// Returns whether a path leads to something below the directory that it starts from.
pub fn is_below(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_)))
        && path.file_name().is_some()
        && !path.to_string_lossy().chars().any(char::is_control)
}

/// Returns files as one text: a single one as it is, several each behind a line that names it and that the
/// format's reader skips.
pub fn as_one(format: Format, files: &[File]) -> String {
    if let [file] = files {
        return file.content.clone();
    }
    let section = |file: &File| {
        let name = escaped_path(&file.path);
        let heading = match format {
            // XML, in which a comment can hold any name that has no `--`.
            Format::Launchd => format!("<!-- {} -->", name.replace("--", "- -")),
            // Each is a document of its own.
            Format::Kubernetes => format!("---\n# {name}"),
            Format::Systemd
            | Format::Supervisord
            | Format::Runit
            | Format::S6
            | Format::Compose
            | Format::Nomad
            | Format::Quadlet => format!("# {name}"),
        };
        let end = if file.content.ends_with('\n') { "" } else { "\n" };
        format!("{heading}\n{}{end}", file.content)
    };
    files.iter().map(section).collect()
}

/// Why a formation cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum ExportError {
    /// `what` names the culprit, such as "the variable `A`"; `why` says what the format cannot express.
    #[error("{what} cannot be written for {format}: {why}")]
    Inexpressible { format: Format, what: String, why: String },
    /// It fits no format.
    #[error("the app cannot be exported: {what} {why}")]
    Unusable { what: String, why: &'static str },
    /// Such as those of the types `a` and `A` on a disk that takes them for one; or a mistake of a format's.
    #[error("`{path}` cannot be written for {format}: {why}")]
    Path { format: Format, path: String, why: &'static str },
    /// A template of the user's.
    #[error("template `{name}`: {message}")]
    Template { name: String, message: String },
}

#[cfg(test)]
pub mod tests;
