//! What a shell may complete a name with: the instances and types of the formation that runs, else the types of the
//! Procfile.
//!
//! A completion must neither wait nor say anything, so whatever goes wrong means that there is nothing to offer.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;

use crate::cli::args::{Client, Common};
use crate::cli::client;
use crate::cli::load::App;
use crate::control::protocol::{Formation, Instance};
use crate::export::Format;

/// How long a procman that runs may take for its answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// Returns types and instances.
pub fn names() -> Vec<CompletionCandidate> {
    candidates(match formation() {
        Some(formation) => {
            let instances = instances(&formation, |_| true);
            formation.types.into_iter().chain(instances).collect()
        }
        None => types(),
    })
}

/// Returns whoever writes.
pub fn authors() -> Vec<CompletionCandidate> {
    let mut names = names();
    names.push(CompletionCandidate::new("system"));
    names
}

/// Returns the instances that one can attach to.
pub fn terminals() -> Vec<CompletionCandidate> {
    candidates(formation().map(|formation| instances(&formation, |one| one.terminal)).unwrap_or_default())
}

/// Returns what a change of numbers begins with.
pub fn changes() -> Vec<CompletionCandidate> {
    let types = formation().map_or_else(types, |formation| formation.types);
    let all = [String::from("all")];
    candidates(types.into_iter().chain(all).map(|name| format!("{name}=")).collect())
}

/// Returns the types of the Procfile.
pub fn entries() -> Vec<CompletionCandidate> {
    candidates(types())
}

/// Returns the formats of `export`.
pub fn formats() -> Vec<CompletionCandidate> {
    candidates(Format::ALL.map(|format| format.to_string()).to_vec())
}

/// Returns the signals that people send.
pub fn signals() -> Vec<CompletionCandidate> {
    candidates(["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2", "WINCH"].map(str::to_owned).to_vec())
}

fn candidates(names: Vec<String>) -> Vec<CompletionCandidate> {
    let candidate = |(at, name)| CompletionCandidate::new(name).display_order(Some(at));
    names.into_iter().enumerate().map(candidate).collect()
}

fn instances(formation: &Formation, wanted: impl Fn(&Instance) -> bool) -> Vec<String> {
    formation.instances.iter().filter(|one| wanted(one)).map(|one| one.name.clone()).collect()
}

fn formation() -> Option<Formation> {
    let (common, client) = typed(std::env::args_os());
    let path = client::path(common, &client).ok()?;
    client::formation(&path, Some(PATIENCE)).ok()
}

fn types() -> Vec<String> {
    let (common, _) = typed(std::env::args_os());
    let app = App::load(common.options());
    app.map(|app| app.types().iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// Returns which app the words mean that have been typed so far. The shell sends them behind a `--`.
fn typed(words: impl Iterator<Item = OsString>) -> (Common, Client) {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut common = Common {
        procfile: variable("PROCMAN_PROCFILE"),
        root: variable("PROCMAN_ROOT"),
        env: None,
        env_precedence: None,
        port: None,
    };
    let mut socket = variable("PROCMAN_SOCKET");
    let mut words = words.skip_while(|word| word != "--").skip(2);
    let mut command = None;
    while let Some(word) = words.next() {
        let word = word.to_string_lossy().into_owned();
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value)),
            Some(_) | None => (word.as_str(), None),
        };
        let mut value = || match value {
            Some(value) => Some(path(value)),
            // bash takes a `=` for a word of its own.
            None => words.find(|word| word != "=").map(|word| path(&word.to_string_lossy())),
        };
        match option {
            // After `logs`, it is another option.
            "-f" if command.as_deref() == Some("logs") => {}
            "-f" | "--procfile" => (common.procfile, socket) = (value(), None),
            "-d" | "--root" => (common.root, socket) = (value(), None),
            "--socket" => return (common, Client { socket: value() }),
            _ if command.is_none() && !option.starts_with('-') => command = Some(word.clone()),
            _ => {}
        }
    }
    (common, Client { socket })
}

/// Returns the path that a word is once the shell has read it, quotes and all, as far as that is simple.
fn path(word: &str) -> PathBuf {
    let word = word.trim_matches(['\'', '"']);
    match (word.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        (Some(_) | None, _) => PathBuf::from(word),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::typed;

    #[track_caller]
    fn check(words: &str, expected: [Option<&str>; 3]) {
        let (common, client) = typed(words.split(' ').map(OsString::from));
        let found = [&common.procfile, &common.root, &client.socket].map(|path| path.as_deref());
        assert_eq!(found, expected.map(|path| path.map(Path::new)), "{words}");
    }

    #[test]
    fn the_app_is_the_one_that_was_typed() {
        check("procman -- procman stop w", [None; 3]);
        check("procman -- procman -d dir stop w", [None, Some("dir"), None]);
        check("procman -- procman stop --procfile=a/b -d dir", [Some("a/b"), Some("dir"), None]);
        check("procman -- procman logs -f w", [None; 3]);
        check("procman -- procman -f x logs -f w", [Some("x"), None, None]);
        check("procman -- procman stop -d x --socket s", [None, Some("x"), Some("s")]);
        check("procman -- procman stop --root = 'dir' w", [None, Some("dir"), None]);
        check("procman -- procman stop -d", [None; 3]);
        check("procman", [None; 3]);
    }
}
