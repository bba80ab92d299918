//! What the service directories of runit and s6 have in common: one for each instance and one for the release phase,
//! with a file for each variable.

use std::path::PathBuf;

use serde::Serialize;

use crate::export::job::{Job, Start, jobs};
use crate::export::refusal::{inexpressible, path, variable};
use crate::export::template::Templates;
use crate::export::{Access, App, ExportError, File, Format, unit};

/// What the templates see.
#[derive(Serialize)]
pub struct Context<'a> {
    app: &'a str,
    /// The instance, such as `web.1`.
    instance: &'a str,
    /// Whether it is the release phase, which runs once and only when somebody says so.
    is_release: bool,
    root: &'a str,
    user: Option<&'a str>,
    command: String,
    /// The directory of this instance's log.
    log: String,
    /// In whole seconds, rounded up: `sleep` knows no other everywhere.
    grace: u64,
}

/// A service directory to be.
pub struct Service<'a> {
    format: Format,
    templates: &'a Templates,
    name: String,
    context: Context<'a>,
    files: Vec<File>,
}

impl<'a> Service<'a> {
    /// Returns the service directory of a job that runs `command`, with nothing in it but what keeps the release phase
    /// from being started with the rest.
    pub fn new(
        format: Format,
        templates: &'a Templates,
        app: &'a App,
        job: &Job<'a>,
        command: String,
    ) -> Result<Service<'a>, ExportError> {
        let name = job.name.clone();
        let context = Context {
            app: &app.name,
            instance: job.instance,
            is_release: job.start == Start::Asked,
            root: path(format, "the app root", &app.root)?,
            user: app.user.as_deref(),
            command,
            log: format!("{}/{name}", path(format, "the log directory", &app.log)?),
            grace: unit::seconds(app.grace),
        };
        let mut service = Service { format, templates, name, context, files: Vec::new() };
        match job.start {
            Start::Always => {}
            Start::Asked => service.file("down", String::new(), Access::Public),
        }
        Ok(service)
    }

    /// Puts in a program that a template writes.
    pub fn program(&mut self, file: &str, template: &str) -> Result<(), ExportError> {
        let content = self.templates.render(&format!("{}/{template}", self.format), &self.context)?;
        self.file(file, content, Access::Executable);
        Ok(())
    }

    /// Puts in a file.
    pub fn file(&mut self, file: &str, content: String, access: Access) {
        let path = PathBuf::from(&self.name).join(file);
        self.files.push(File { path, content, access });
    }

    /// Puts in a variable, the content of whose file is `content`.
    pub fn variable(&mut self, name: &str, content: String) -> Result<(), ExportError> {
        let why = match name {
            _ if name.starts_with('.') => "files whose names begin with a full stop are not read",
            // The longest name that Linux's file systems take (NAME_MAX).
            _ if name.len() > 255 => "its name is too long for a file",
            _ => {
                self.file(&format!("env/{name}"), content, Access::Secret);
                return Ok(());
            }
        };
        Err(inexpressible(self.format, variable(name), why))
    }

    /// Returns the files of the directory.
    pub fn files(self) -> Vec<File> {
        self.files
    }
}

/// Returns the files of all services, each made by `service`.
pub fn all<'a>(
    app: &'a App,
    service: impl Fn(&Job<'a>) -> Result<Service<'a>, ExportError>,
) -> Result<Vec<File>, ExportError> {
    let mut files = Vec::new();
    for job in jobs(app) {
        files.extend(service(&job)?.files());
    }
    Ok(files)
}

/// Returns the variables of a service, ordered by name but for the computed ones, which are last.
pub fn variables<'a>(app: &'a App, job: &Job<'_>) -> impl Iterator<Item = (&'a str, String)> {
    app.variables.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(job.computed())
}
