//! A configuration of supervisord: a program for each instance, a group of them, and a program outside of it for the
//! release phase, for `supervisorctl start 'shop:*'` starts all that is in the group.
//!
//! The rules are those of <https://supervisord.org/configuration.html>, and where that is silent those of supervisor
//! 4.2: Python's `configparser` reads the lines, `%` expands what is left, and `shlex` divides commands and variables.

use serde::Serialize;

use crate::export::job::{Job, Start, jobs, release};
use crate::export::packed::{can_unpack, pack, unpacking};
use crate::export::refusal::{inexpressible, path, variable};
use crate::export::supervision::{Again, Aspect, Note, all_notes, is_named, signal_word};
use crate::export::template::Templates;
use crate::export::{Access, App, ExportError, File, Format, Process, quote, unit};
use crate::policy::{Kind, Need, Restart};
use crate::process::Signal;

/// Returns the one file: `shop.conf`.
pub fn render(app: &App, templates: &Templates) -> Result<Vec<File>, ExportError> {
    let log = setting("the log directory", path(FORMAT, "the log directory", &app.log)?)?;
    if log.contains('%') {
        return Err(inexpressible(FORMAT, "the log directory", "supervisord expands a `%` there twice"));
    }
    let mut notes = all_notes(app, |process, aspect| note(process.supervision.kind, aspect));
    notes.extend(
        release(app).iter().flat_map(|release| release.notes(app, |aspect| note(Kind::OneShot, aspect))),
    );
    let context = Context {
        app: &app.name,
        directory: setting("the app root", path(FORMAT, "the app root", &app.root)?)?,
        user: app.user.as_deref().map(|user| setting("the user", user)).transpose()?,
        log,
        log_directory: path(FORMAT, "the log directory", &app.log)?,
        grace: unit::seconds(app.grace),
        notes,
        programs: jobs(app).map(|job| program(app, &job)).collect::<Result<_, _>>()?,
    };
    let content = templates.render("supervisord/app.conf", context)?;
    Ok(vec![File { path: format!("{}.conf", app.name).into(), content, access: Access::Secret }])
}

const FORMAT: Format = Format::Supervisord;

/// What the template sees. All texts but one are fit to stand behind an `=`.
#[derive(Serialize)]
struct Context<'a> {
    app: &'a str,
    directory: String,
    user: Option<String>,
    log: String,
    /// As it is, for a comment.
    log_directory: &'a str,
    /// That of a type of which nothing is said, in whole seconds.
    grace: u64,
    /// A line each for what has no place.
    notes: Vec<String>,
    programs: Vec<Program>,
}

#[derive(Serialize)]
struct Program {
    name: String,
    /// Whether it is the release phase, which is not in the group.
    is_release: bool,
    command: String,
    environment: Vec<Variable>,
    /// Whether, and after which end, it is started again.
    autorestart: &'static str,
    /// How long it has to run to count as started.
    startsecs: u32,
    /// How often it is tried if it does not run for so long.
    startretries: u32,
    /// Its place in the order of starts, where some need others.
    priority: Option<usize>,
    stop_signal: String,
    /// In whole seconds: it knows no other.
    grace: u64,
}

#[derive(Serialize)]
struct Variable {
    name: String,
    value: String,
}

fn program(app: &App, job: &Job<'_>) -> Result<Program, ExportError> {
    let mut environment = Vec::new();
    let mut packed = Vec::new();
    for (name, value) in &app.variables {
        let value = match quote::supervisord_variable(value) {
            Some(quoted) => quoted,
            None if can_unpack(name) => {
                packed.push(name.as_str());
                // Packed, there is nothing left in it that could not be quoted.
                quote::supervisord_variable(&pack(value)).unwrap_or_default()
            }
            None => {
                let why =
                    "supervisord cannot quote its value, and a shell cannot set a variable of this name";
                return Err(inexpressible(FORMAT, variable(name), why));
            }
        };
        environment.push(Variable { name: name.clone(), value });
    }
    environment.extend(
        job.computed().map(|(name, value)| Variable { name: name.to_owned(), value: format!("\"{value}\"") }),
    );
    let command = unpacking(job.command, &packed);
    let command = quote::supervisord_argument(&command).ok_or_else(|| {
        inexpressible(FORMAT, format!("the command of `{}`", job.process.name), "it is more than one line")
    })?;
    let signal = if is_named(job.stop_signal) { job.stop_signal } else { Signal::TERM };
    let signal = signal_word(signal);
    let signal = signal.strip_prefix("SIG").unwrap_or(&signal);
    // The first try is none of them (`transition` in supervisor/process.py).
    let retries = job.limit() - 1;
    let (autorestart, startretries, command) = match (job.again(), job.is_one_shot()) {
        (Again::Never, _) => ("false", 0, command),
        (Again::AsUsual | Again::OnFailure | Again::Always, true) => {
            ("false", 0, tried(&command, job.limit(), signal))
        }
        (Again::AsUsual | Again::OnFailure, false) => ("unexpected", retries, command),
        (Again::Always, false) => ("true", retries, command),
    };
    Ok(Program {
        name: job.name.clone(),
        is_release: job.start == Start::Asked,
        command,
        environment,
        autorestart,
        // One that does one thing may be done at once.
        startsecs: if job.is_one_shot() { 0 } else { 1 },
        startretries,
        priority: match job.start {
            Start::Always => priority(app, job.process),
            Start::Asked => None,
        },
        stop_signal: signal.to_owned(),
        grace: unit::seconds(job.grace),
    })
}

/// Returns the words that a shell is given to run a command until it ends well, or has failed so many times: a program,
/// the command as its `$0`, and how often that has failed. Asked to end, it waits for the command, which is asked too.
///
/// supervisord itself counts only what ends within `startsecs`, and takes that for a failure however it has ended. So
/// without `startsecs` there would be no end of failures, and with it a good end would be one.
fn tried(command: &str, limit: u32, signal: &str) -> String {
    let program = format!(
        "trap exit {signal}; until /bin/sh -c \"$0\"; do set -- $(($1 + 1)); [ $1 -lt {limit} ] || exit; sleep $1; done"
    );
    format!("{} {command} 0", quote::sh(&program))
}

/// Returns the place of a type in the order of starts, which is that of ends the other way round: behind all that it
/// needs. Where nobody needs anything there is none.
fn priority(app: &App, process: &Process) -> Option<usize> {
    let is_needed = |need: &Need| matches!(need, Need::Process(_));
    let any = app.processes.iter().any(|process| process.supervision.needs.iter().any(is_needed));
    any.then(|| depth(app, process, app.processes.len()) + 1)
}

/// Returns how many types one waits for, one behind the other. There is no way longer than all types.
fn depth(app: &App, process: &Process, longest: usize) -> usize {
    let Some(shorter) = longest.checked_sub(1) else { return 0 };
    let needed = app.needed(&process.supervision);
    needed.map(|needed| depth(app, needed, shorter) + 1).max().unwrap_or_default()
}

fn note(kind: Kind, aspect: Aspect<'_>) -> Option<Note> {
    let unplaced = match aspect {
        Aspect::Budget => {
            let otherwise = match kind {
                Kind::LongLived => "is there, but only what does not run for `startsecs` counts",
                Kind::OneShot => "is there, but every failure counts, however long it took",
            };
            return Some(Note::Otherwise(otherwise));
        }
        Aspect::Restart(Restart::OnFailure | Restart::Always) if kind == Kind::OneShot => {
            return Some(Note::Otherwise("is kept by a shell, which runs its command until it ends well"));
        }
        Aspect::Needs => Some("`priority` is only the order of starts, none waits for another"),
        Aspect::Release => Some("nothing but a person starts the release phase"),
        Aspect::Services => Some("supervisord waits for nothing; `procman wait` can, before the command"),
        Aspect::Ready(_) => Some("what has run for `startsecs` is ready"),
        Aspect::Health(_) => Some("what runs is well"),
        Aspect::StopsAll => Some("the end of one leaves the others alone"),
        Aspect::Terminal => Some("what is written goes to a file"),
        Aspect::StopSignal(signal) if !is_named(signal) => Some("supervisord knows no signal without a name"),
        Aspect::Restart(Restart::Never | Restart::OnFailure | Restart::Always)
        | Aspect::StopSignal(_)
        | Aspect::OneShot
        | Aspect::Status(..) => None,
    };
    unplaced.map(Note::Unplaced)
}

/// Returns a text that stands unquoted behind an `=`.
fn setting(what: &str, text: &str) -> Result<String, ExportError> {
    quote::supervisord_setting(text).ok_or_else(|| {
        let why = "supervisord would take part of it for a comment, for blanks, for a line or for `%(here)s`";
        inexpressible(FORMAT, what, why)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    //! The reader here is written from supervisor's and Python's sources, and shares nothing with what writes.

    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::sample::select;
    use proptest::strategy::Strategy;
    use proptest::{prop_assert_eq, proptest};

    use super::render;
    use crate::export::app::tests::torture;
    use crate::export::template::Templates;
    use crate::export::tests::golden;
    use crate::export::{App, Format, quote};
    use crate::trials::trials;

    #[test]
    fn supervisord_is_as_it_was() {
        golden::check(Format::Supervisord, &render(&torture(), &Templates::built_in()).unwrap());
    }

    /// Checks why an app is refused.
    #[track_caller]
    fn check_refused(app: &App, expected: &str) {
        let error = render(app, &Templates::built_in()).unwrap_err().to_string();
        assert_eq!(error, expected);
    }

    #[test]
    fn what_supervisord_would_mangle_is_refused() {
        let mut app = torture();
        app.variables = vec![("a.b".to_owned(), "one\ntwo".to_owned())];
        check_refused(
            &app,
            "the variable `a.b` cannot be written for supervisord: supervisord cannot quote its value, and a shell \
             cannot set a variable of this name",
        );
        let mut app = torture();
        app.processes[0].command.push_str("\nx");
        check_refused(
            &app,
            "the command of `web` cannot be written for supervisord: it is more than one line",
        );
        check_refused(
            &App { log: "/var/log/100%".into(), ..torture() },
            "the log directory cannot be written for supervisord: supervisord expands a `%` there twice",
        );
        let why = "supervisord would take part of it for a comment, for blanks, for a line or for `%(here)s`";
        for root in ["/a #b", "/a ;b", "/a ", "/a\nb=c", "/%(here)s"] {
            check_refused(
                &App { root: root.into(), ..torture() },
                &format!("the app root cannot be written for supervisord: {why}"),
            );
        }
        check_refused(
            &App { user: Some("a\nb=c".to_owned()), ..torture() },
            &format!("the user cannot be written for supervisord: {why}"),
        );
    }

    /// Returns texts in which what is special to supervisord is no rarity.
    fn text() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "a", "B", "1", " ", "\t", "'", "\"", "\\", "%", "%%", "%s", "%(here)s", "(", "#", ";", " #",
            " ;", "=", ",", "[", "]", ":", "$", "`", "\u{1c}", "\u{85}", "\u{a0}", "\u{2028}", "é", "🚀",
        ];
        vec(select(PIECES), 0..20).prop_map(|pieces| pieces.concat())
    }

    /// Returns the value of a line `name=value`, as `UnhosedConfigParser` and `expand` make it.
    fn setting(line: &str) -> String {
        let is_space =
            |character: char| character.is_whitespace() || matches!(u32::from(character), 0x1c..=0x1f);
        let mut before = ' ';
        let comment = line.char_indices().find(|(_, character)| {
            let found = matches!(character, '#' | ';') && is_space(before);
            before = *character;
            found
        });
        let line = &line[..comment.map_or(line.len(), |(at, _)| at)];
        let value =
            line.split_once('=').unwrap().1.trim_matches(is_space).replace("%(here)s", "/etc/supervisor");
        let mut expanded = String::new();
        let mut characters = value.chars();
        while let Some(character) = characters.next() {
            if character == '%' {
                assert_eq!(characters.next(), Some('%'), "badly formatted: {value}");
            }
            expanded.push(character);
        }
        expanded
    }

    /// Reads one word as `shlex.split` does.
    fn word(text: &str) -> String {
        let mut word = String::new();
        let mut quote = None;
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match (quote, character) {
                (Some(open), close) if open == close => quote = None,
                (Some('"'), '\\') => panic!("not read here"),
                (Some(_), inner) => word.push(inner),
                (None, '\'' | '"') => quote = Some(character),
                (None, '\\') => word.push(characters.next().unwrap()),
                (None, outer) => {
                    assert!(!" \t\r\n".contains(outer), "more than one word: {text}");
                    word.push(outer);
                }
            }
        }
        assert_eq!(quote, None, "no closing quotation");
        word
    }

    /// Reads variables as `dict_of_key_value_pairs` does.
    fn pairs(text: &str) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        let mut rest = text.trim_matches([' ', '\t', '\n']);
        while let Some((name, behind)) = rest.split_once('=') {
            let quote = behind.chars().next().unwrap();
            assert!("'\"".contains(quote), "{behind}");
            let end = behind[1..].find(quote).unwrap() + 1;
            pairs.insert(name.to_owned(), behind[..=end].trim_matches(['\'', '"']).to_owned());
            rest = behind[end + 1..].trim_start_matches([',', ' ', '\t', '\n']);
        }
        assert_eq!(rest, "");
        pairs
    }

    proptest! {
        #![proptest_config(trials(2000))]

        #[test]
        fn an_argument_is_read_as_it_was(text in text()) {
            let line = format!("command={}", quote::supervisord_argument(&text).unwrap());
            prop_assert_eq!(word(&setting(&line)), text);
        }

        #[test]
        fn a_variable_is_read_as_it_was(text in text()) {
            if let Some(value) = quote::supervisord_variable(&text) {
                let line = format!("environment=A={value},B=\"x\"");
                let read = pairs(&setting(&line));
                prop_assert_eq!((&read["A"], read.len()), (&text, 2));
            }
        }

        #[test]
        fn a_setting_is_read_as_it_was(text in text()) {
            if let Some(value) = quote::supervisord_setting(&text) {
                prop_assert_eq!(setting(&format!("directory={value}")), text);
            }
        }
    }
}
