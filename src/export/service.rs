//! What the service directories of runit and s6 have in common: one for each instance, with a file for each variable.

use std::path::PathBuf;

use serde::Serialize;

use crate::export::refusal::{inexpressible, path, variable};
use crate::export::template::Templates;
use crate::export::{Access, App, ExportError, File, Format, Instance, Process};

/// What the templates see.
#[derive(Serialize)]
pub struct Context<'a> {
    app: &'a str,
    /// The instance, such as `web.1`.
    instance: &'a str,
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
    /// Returns the service directory of an instance that runs `command`, with nothing in it yet.
    pub fn new(
        format: Format,
        templates: &'a Templates,
        app: &'a App,
        (process, instance): (&Process, &'a Instance),
        command: String,
    ) -> Result<Service<'a>, ExportError> {
        let name = format!("{}-{}-{}", app.name, process.name, instance.number);
        let context = Context {
            app: &app.name,
            instance: &instance.name,
            root: path(format, "the app root", &app.root)?,
            user: app.user.as_deref(),
            command,
            log: format!("{}/{name}", path(format, "the log directory", &app.log)?),
            grace: app.grace.as_secs() + u64::from(app.grace.subsec_nanos() > 0),
        };
        Ok(Service { format, templates, name, context, files: Vec::new() })
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

/// Returns the files of all instances, each made by `service`.
pub fn all<'a>(
    app: &'a App,
    service: impl Fn(&'a Process, &'a Instance) -> Result<Service<'a>, ExportError>,
) -> Result<Vec<File>, ExportError> {
    let mut files = Vec::new();
    for process in &app.processes {
        for instance in &process.instances {
            files.extend(service(process, instance)?.files());
        }
    }
    Ok(files)
}

/// Returns the variables of an instance, ordered by name but for the computed ones, which are last.
pub fn variables<'a>(app: &'a App, instance: &Instance) -> impl Iterator<Item = (&'a str, String)> {
    let computed = [("PORT", instance.port.to_string()), ("PS", instance.name.clone())];
    app.variables.iter().map(|(name, value)| (name.as_str(), value.clone())).chain(computed)
}
