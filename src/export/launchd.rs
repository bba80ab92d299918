//! Property lists for launchd: one a service, for an instance or for the release phase.
//!
//! A serialiser writes them, so that they cannot be malformed. They hold the values of the variables, for launchd reads no
//! other file, and are for their owner's eyes. The same list works for a user (`~/Library/LaunchAgents`) and for the
//! system (`/Library/LaunchDaemons`); only there does `UserName` mean anything. See launchd.plist(5).

use plist::{Dictionary, Value};

use crate::export::job::{Job, Start, jobs};
use crate::export::supervision::{Again, Aspect};
use crate::export::{Access, App, ExportError, File, Format, unit};

/// Returns the property lists of an app.
pub fn render(app: &App) -> Result<Vec<File>, ExportError> {
    let why = "it contains a character that XML does not have, such as a NUL, or a carriage return";
    unit::check(app, Format::Launchd, is_xml_character, why)?;
    jobs(app).map(|job| file(app, &job)).collect()
}

/// Returns the property list of a job, with a comment behind its two opening lines, which have to come first.
fn file(app: &App, job: &Job) -> Result<File, ExportError> {
    let mut bytes = Vec::new();
    let written = Value::Dictionary(dictionary(app, job)?).to_writer_xml(&mut bytes);
    let text = written.ok().and_then(|()| String::from_utf8(bytes).ok());
    // Every text has been looked at, and writing to memory does not fail.
    let text = text.ok_or_else(|| unit::inexpressible(Format::Launchd, job.name.clone(), "it is not XML"))?;
    let (opening, list) = text.split_at(text.find("<plist").unwrap_or_default());
    let content = format!("{opening}{}{list}\n", comment(app, job));
    Ok(File { path: format!("{}.plist", job.name).into(), content, access: Access::Secret })
}

fn dictionary(app: &App, job: &Job) -> Result<Dictionary, ExportError> {
    let root = unit::root(app, Format::Launchd)?;
    let log = unit::text(&app.log, Format::Launchd, "the directory for logs")?;
    let log = Value::from(format!("{}/{}.log", log.trim_end_matches('/'), job.name));
    let variables = app.variables.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let computed = job.computed().map(|(name, value)| (name.to_owned(), Value::from(value)));
    // 0 would mean without end, and launchd counts in a C int.
    let exit_time_out = unit::seconds(job.grace).clamp(1, u64::from(i32::MAX.unsigned_abs()));
    let arguments = ["/bin/sh", "-c", job.command].map(Value::from).to_vec();
    let mut list = Dictionary::new();
    let mut set = |key: &str, value: Value| {
        list.insert(key.to_owned(), value);
    };
    set("Label", Value::from(job.name.as_str()));
    set("ProgramArguments", Value::Array(arguments));
    set("WorkingDirectory", Value::from(root));
    set("EnvironmentVariables", Value::Dictionary(variables.chain(computed).collect()));
    if let Some(user) = &app.user {
        set("UserName", Value::from(user.as_str()));
    }
    match job.start {
        Start::Always => set("RunAtLoad", Value::from(true)),
        Start::Asked => set("RunAtLoad", Value::from(false)),
    }
    match job.again() {
        Again::Never => {}
        Again::AsUsual | Again::OnFailure => {
            let only_failed = Dictionary::from_iter([("SuccessfulExit", Value::from(false))]);
            set("KeepAlive", Value::Dictionary(only_failed));
        }
        Again::Always => set("KeepAlive", Value::from(true)),
    }
    set("ExitTimeOut", Value::from(exit_time_out));
    set("StandardOutPath", log.clone());
    set("StandardErrorPath", log);
    Ok(list)
}

/// Returns what a reader of the file should know.
fn comment(app: &App, job: &Job) -> String {
    let (name, log) = (&job.name, app.log.display());
    let mut text = format!(
        " Written by procman: `{}` for launchd. The next export overwrites this file.\n\
         \n     \
         The directory of the logs has to exist, {log}. To load it:\n\
         \n         \
         launchctl bootstrap gui/$UID ~/Library/LaunchAgents/{name}.plist\n         \
         sudo launchctl bootstrap system /Library/LaunchDaemons/{name}.plist\n\
         \n     \
         the first for a user, the second for the system, where the file has to be root's.\n     ",
        app.name
    );
    text.push_str(&match (job.start, job.again()) {
        (Start::Always, Again::Never) => "One that has ended is not started again. ".to_owned(),
        (Start::Always, Again::Always) => "An instance that has ended is started again after ten seconds at the \
                                           earliest, and without an end: launchd has no limit. "
            .to_owned(),
        (Start::Always, Again::AsUsual | Again::OnFailure) => "A failed instance is started again after ten seconds at the earliest, and without an end: \
                          launchd has no limit. "
            .to_owned(),
        (Start::Asked, _) => format!(
            "The release phase: nothing starts it by itself. `launchctl kickstart gui/$UID/{name}` does, for the \
             system `launchctl kickstart system/{name}`. "
        ),
    });
    for note in job.notes(app, unplaced) {
        text.truncate(text.trim_end().len());
        text.push_str(&format!("\n     {note} "));
    }
    // Two hyphens would end a comment, and names may contain them: <https://www.w3.org/TR/xml/#sec-comments>.
    let text = text.replace("--", "- -").replace("--", "- -");
    format!("<!--{text}-->\n")
}

/// Returns why launchd has no place for something.
fn unplaced(aspect: Aspect<'_>) -> Option<&'static str> {
    match aspect {
        Aspect::StopSignal(_) => Some("launchd knows SIGTERM alone"),
        Aspect::Needs => {
            Some("launchd starts everything at once, and once more what has failed for want of it")
        }
        Aspect::Release => Some("nothing but a person starts the release phase"),
        Aspect::Services => Some("launchd waits for nothing; `procman wait` can, before the command"),
        Aspect::Ready(_) => Some("what has been started is ready"),
        Aspect::Health(_) => Some("what runs is well"),
        Aspect::Budget => Some("launchd has no limit"),
        Aspect::StopsAll => Some("the end of one leaves the others alone"),
        Aspect::Terminal => Some("what is written goes to a file"),
        Aspect::Restart(_) | Aspect::OneShot | Aspect::Status(..) => None,
    }
}

/// Returns whether XML has a character: <https://www.w3.org/TR/xml/#charsets>. A carriage return is one, but readers make a
/// newline of it.
fn is_xml_character(character: char) -> bool {
    match character {
        '\t' | '\n' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => character >= ' ',
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
