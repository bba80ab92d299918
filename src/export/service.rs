//! What the service directories of runit and s6 have in common: one for each instance and one for the release phase,
//! with a file for each variable.

use std::path::PathBuf;

use serde::Serialize;

use crate::export::job::{Job, Start, jobs};
use crate::export::refusal::{inexpressible, path, variable};
use crate::export::supervision::{Again, Aspect, signal_word};
use crate::export::template::Templates;
use crate::export::{Access, App, ExportError, File, Format, unit};
use crate::policy::Sign;

/// What the templates see.
#[derive(Serialize)]
pub struct Context<'a> {
    app: &'a str,
    /// The instance, such as `web.1`.
    instance: &'a str,
    /// Whether it is the release phase, which runs once and only when somebody says so.
    is_release: bool,
    /// After which end it is started again: `never`, `on-failure` or `always`.
    restart: &'static str,
    /// A line each for what has no place.
    notes: Vec<String>,
    stop_signal: String,
    root: &'a str,
    user: Option<&'a str>,
    /// The user as the format's program wants it that gives up root's rights.
    account: Option<String>,
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
        let signal = signal_word(job.stop_signal);
        let context = Context {
            app: &app.name,
            instance: job.instance,
            is_release: job.start == Start::Asked,
            restart: match job.again() {
                Again::Never => "never",
                Again::AsUsual | Again::OnFailure => "on-failure",
                Again::Always => "always",
            },
            notes: job.notes(app, |aspect| unplaced(format, aspect)),
            stop_signal: signal.strip_prefix("SIG").unwrap_or(&signal).to_owned(),
            root: path(format, "the app root", &app.root)?,
            user: app.user.as_deref(),
            account: app.user.as_deref().map(|user| account(format, user)),
            command,
            log: format!("{}/{name}", path(format, "the log directory", &app.log)?),
            grace: unit::seconds(job.grace),
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

/// Returns a user as `chpst -u` and `s6-setuidgid` read one. For a number they want that of a group with it: nobody may
/// have that number where this is written, so it is the same one, as where every user has a group of his own.
fn account(format: Format, user: &str) -> String {
    let is_number = user.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number, format == Format::Runit) {
        (false, _) => user.to_owned(),
        (true, true) => format!(":{user}:{user}"),
        (true, false) => format!("{user}:{user}"),
    }
}

/// Returns why a directory has no place for something.
fn unplaced(format: Format, aspect: Aspect<'_>) -> Option<&'static str> {
    match aspect {
        Aspect::Needs => Some("all are started at once, and once more what has failed for want of it"),
        Aspect::Release => Some("nothing but a person starts the release phase"),
        Aspect::Services => Some("nothing is waited for; `procman wait` can, before the command"),
        Aspect::Ready(Sign::Notify) if format == Format::S6 => {
            Some("s6 wants a line on a descriptor rather than sd_notify")
        }
        Aspect::Ready(_) => Some("what has been started is ready"),
        Aspect::Health(_) => Some("what runs is well"),
        Aspect::Budget => Some("what has failed is started again without an end"),
        Aspect::StopsAll => Some("the end of one leaves the others alone"),
        Aspect::Terminal => Some("what is written goes to a log"),
        Aspect::Restart(_) | Aspect::StopSignal(_) | Aspect::OneShot | Aspect::Status(..) => None,
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

#[cfg(test)]
mod tests {
    use super::account;
    use crate::export::Format;

    #[test]
    fn a_number_of_a_user_is_that_of_a_group_too() {
        for (user, runit, s6) in
            [("deploy", "deploy", "deploy"), ("u1", "u1", "u1"), ("1000", ":1000:1000", "1000:1000")]
        {
            assert_eq!([account(Format::Runit, user), account(Format::S6, user)], [runit, s6]);
        }
    }
}
