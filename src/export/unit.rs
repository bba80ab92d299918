//! What formats for one machine's service managers share: names of services, durations, and what they refuse.

use std::path::Path;
use std::time::Duration;

use crate::export::{App, ExportError, Format, Instance, Process};
use crate::quote::excerpt;

/// Returns the time in seconds in which so many failures are too many: each takes a second's wait and, to count, no more
/// than ten more.
pub fn limit_interval(limit: u32) -> u64 {
    u64::from(limit) * 11
}

/// Returns the name of an instance's service: `shop-web-1`.
pub fn name(app: &App, process: &Process, instance: &Instance) -> String {
    format!("{}-{}-{}", app.name, process.name, instance.number)
}

/// Returns the name of the service that is the release phase. No instance's is the same, for theirs end in a number.
pub fn release_name(app: &App) -> String {
    format!("{}-release", app.name)
}

/// Returns a duration in whole seconds, none of it lost.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Returns a time as systemd, Podman, Compose and Nomad read it.
pub fn time(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

/// Returns how long systemd waits before it kills: some seconds more than an instance has, which has to be more than the 0
/// that means without end (systemd.service(5), "TimeoutStopSec=").
pub fn timeout(time: Duration, more: u64) -> String {
    // systemd counts microseconds in 64 bits (systemd.time(7)).
    const LONGEST: u64 = u64::MAX / 1_000_000;
    match seconds(time).saturating_add(more) {
        seconds if seconds < LONGEST => format!("{seconds}s"),
        _ => "infinity".to_owned(),
    }
}

/// Returns the name of the image that the user builds of an app: `localhost/shop:latest`.
///
/// Such a name has small letters and digits, and single separators between them
/// (<https://github.com/distribution/reference>).
pub fn image(app: &App) -> String {
    let words = app.name.split(|next: char| !next.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    format!("localhost/{}:latest", if name.is_empty() { "app" } else { &name })
}

/// Returns the error that says what a format cannot hold, and why.
pub fn inexpressible(format: Format, what: String, why: &str) -> ExportError {
    ExportError::Inexpressible { format, what, why: why.to_owned() }
}

/// Returns how a variable is called where it cannot be written.
pub fn variable(name: &str) -> String {
    format!("the variable `{}`", excerpt(name))
}

/// Returns a path as text; `what` says what it is of.
pub fn text<'a>(path: &'a Path, format: Format, what: &str) -> Result<&'a str, ExportError> {
    let refused = |why: &str| inexpressible(format, what.to_owned(), why);
    let text = path.to_str().ok_or_else(|| refused("it is not UTF-8"))?;
    if text.contains(char::is_control) {
        return Err(refused("it contains a control character"));
    }
    Ok(text)
}

/// Returns the app root as text.
pub fn root(app: &App, format: Format) -> Result<&str, ExportError> {
    text(&app.root, format, "the app root")
}

/// Checks every value and command, with what to say of one that contains a character that the format does not take.
pub fn check(app: &App, format: Format, takes: impl Fn(char) -> bool, why: &str) -> Result<(), ExportError> {
    let refused = |what: String| Err(inexpressible(format, what, why));
    let takes_all = |text: &str| text.chars().all(&takes);
    if let Some((name, _)) = app.variables.iter().find(|(_, value)| !takes_all(value)) {
        return refused(variable(name));
    }
    if let Some(process) = app.processes.iter().find(|process| !takes_all(&process.command)) {
        return refused(format!("the command of `{}`", process.name));
    }
    if let Some((what, _)) = app.processes.iter().flat_map(Process::probes).find(|(_, text)| !takes_all(text))
    {
        return refused(what);
    }
    if app.release.as_ref().is_some_and(|release| !takes_all(&release.command)) {
        return refused("the command of `release`".to_owned());
    }
    let user = app.user.as_deref().map(Path::new);
    let others =
        [("the app root", Some(&*app.root)), ("the directory for logs", Some(&*app.log)), ("the user", user)];
    let other =
        others.iter().find(|(_, text)| text.and_then(Path::to_str).is_some_and(|text| !takes_all(text)));
    if let Some((what, _)) = other {
        return refused((*what).to_owned());
    }
    Ok(())
}

/// Returns whether a file of systemd may contain a character: Unicode's, but for NUL, the byte order mark and what
/// Unicode says is no character (systemd.exec(5), "EnvironmentFile=").
pub fn is_systemd_character(character: char) -> bool {
    let code = u32::from(character);
    !(matches!(character, '\0' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}') || code & 0xfffe == 0xfffe)
}

/// Returns whether a file that `EnvironmentFile=` names may set a variable of this name (systemd.exec(5),
/// "Environment=", which says what a name consists of).
pub fn is_systemd_variable(name: &str) -> bool {
    let is_letter = |character: char| character.is_ascii_alphabetic() || character == '_';
    name.starts_with(is_letter) && name.chars().all(|next| is_letter(next) || next.is_ascii_digit())
}
