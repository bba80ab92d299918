//! The templates that text-shaped formats are written with: those built in, and those of the user in their place.
//!
//! A template is called `format/name`, such as `systemd/process.service`, and is Jinja as
//! <https://docs.rs/minijinja/latest/minijinja/syntax/> has it. A variable that there is not is an error rather than
//! nothing, and nothing is escaped unless a filter does it: `{{ command | sh }}`. No template sees the disk or the
//! environment, and none can include another.

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;

use crate::export::quote;
use crate::export::{ExportError, Format};
use crate::quote::{escaped_path, excerpt};

/// Every template that is built in, by its name.
const BUILT_IN: &[(&str, &str)] = &[
    ("quadlet/environment", include_str!("templates/quadlet/environment")),
    ("quadlet/process.container", include_str!("templates/quadlet/process.container")),
    ("quadlet/release.container", include_str!("templates/quadlet/release.container")),
    ("quadlet/service.environment", include_str!("templates/quadlet/service.environment")),
    ("runit/control-k", include_str!("templates/runit/control-k")),
    ("runit/control-t", include_str!("templates/runit/control-t")),
    ("runit/finish", include_str!("templates/runit/finish")),
    ("runit/log-run", include_str!("templates/runit/log-run")),
    ("runit/run", include_str!("templates/runit/run")),
    ("s6/finish", include_str!("templates/s6/finish")),
    ("s6/log-run", include_str!("templates/s6/log-run")),
    ("s6/run", include_str!("templates/s6/run")),
    ("supervisord/app.conf", include_str!("templates/supervisord/app.conf")),
    ("systemd/app.target", include_str!("templates/systemd/app.target")),
    ("systemd/environment", include_str!("templates/systemd/environment")),
    ("systemd/process.service", include_str!("templates/systemd/process.service")),
    ("systemd/release.service", include_str!("templates/systemd/release.service")),
];

/// What text-shaped formats are written with.
#[derive(Debug)]
pub struct Templates {
    sources: BTreeMap<String, Source>,
    environment: Environment<'static>,
}

/// A template's text, and what its user knows it by.
#[derive(Debug)]
struct Source {
    text: String,
    known_as: String,
}

impl Templates {
    /// Returns the templates that are built in.
    pub fn built_in() -> Templates {
        Templates::of(BUILT_IN.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())))
    }

    /// Returns the names of a format's templates, without the format's; none for a format that has none.
    pub fn names(format: Format) -> impl Iterator<Item = &'static str> {
        let of_format = move |name: &'static str| name.strip_prefix(format.name())?.strip_prefix('/');
        BUILT_IN.iter().filter_map(move |(name, _)| of_format(name))
    }

    /// Puts a template of the user's, from this file, in the place of one that is built in.
    pub fn replace(&mut self, format: Format, name: &str, text: String, file: &Path) {
        let known_as = escaped_path(file);
        self.sources.insert(format!("{format}/{name}"), Source { text, known_as });
    }

    /// Returns what becomes of the template `name` with the variables in `context`.
    pub fn render(&self, name: &str, context: impl Serialize) -> Result<String, ExportError> {
        let fault = |name: &str, message| ExportError::Template { name: name.to_owned(), message };
        let none = || fault(name, "there is none of this name".to_owned());
        let Source { text, known_as } = self.sources.get(name).ok_or_else(none)?;
        self.environment
            .render_named_str(name, text, Serde(context))
            .map_err(|error| fault(known_as, words(text, &error)))
    }

    fn of(sources: impl Iterator<Item = (String, String)>) -> Templates {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true);
        // Fails for delimiters only, and these are the usual ones.
        environment.set_syntax(syntax.build().unwrap_or_default());
        add_filters(&mut environment);
        let mut all = BTreeMap::new();
        all.extend(sources.map(|(name, text)| (name.clone(), Source { text, known_as: name })));
        Templates { sources: all, environment }
    }
}

/// Adds a filter for each quoting rule.
fn add_filters(environment: &mut Environment) {
    environment.add_filter("sh", |text: &str| quote::sh(text));
    environment.add_filter("systemd_directory", |text: &str| quote::systemd_directory(text));
    environment.add_filter("systemd_environment", |text: &str| quote::systemd_environment(text));
    environment.add_filter("systemd_word", |text: &str| quote::systemd_word(text));
}

/// Returns what is wrong with a template, and in which line. minijinja names the culprit, never its value; of an
/// undefined one it knows no more than the line, which is shown instead.
fn words(source: &str, error: &minijinja::Error) -> String {
    let line = error.line().and_then(|number| source.lines().nth(number.checked_sub(1)?));
    let what = match (error.detail(), error.kind(), line) {
        (Some(detail), kind, _) => format!("{kind}: {detail}"),
        (None, kind @ ErrorKind::UndefinedError, Some(line)) => {
            format!("{kind} in `{}`", excerpt(line.trim()))
        }
        (None, kind, _) => kind.to_string(),
    };
    error.line().map_or(what.clone(), |line| format!("line {line}: {what}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::{BUILT_IN, Templates};
    use crate::export::Format;

    /// Checks what becomes of a template, or what is said to be wrong with it.
    #[track_caller]
    fn check(source: &str, expected: Result<&str, &str>) {
        let templates = Templates::of([("x/y".to_owned(), source.to_owned())].into_iter());
        let context = BTreeMap::from([("name", "<it's> & \"so\"")]);
        let rendered = templates.render("x/y", context).map_err(|error| error.to_string());
        assert_eq!(rendered, expected.map(str::to_owned).map_err(str::to_owned), "{source}");
    }

    #[test]
    fn nothing_is_escaped_but_by_a_filter() {
        check("[{{ name }}]\n", Ok("[<it's> & \"so\"]\n"));
        check("{{ name | sh }}", Ok(r#"'<it'\''s> & "so"'"#));
    }

    #[test]
    fn blocks_leave_no_lines_of_their_own() {
        check("a\n  {% if name %}\nb\n  {% endif %}\n", Ok("a\nb\n"));
    }

    #[test]
    fn a_fault_is_named_with_its_line() {
        check("a\n{{ nam }}", Err("template `x/y`: line 2: undefined value in `{{ nam }}`"));
        check("{{ name | nope }}", Err("template `x/y`: line 1: unknown filter: filter nope is unknown"));
        check(
            "{% if name %}",
            Err("template `x/y`: line 1: syntax error: unexpected end of input, expected end of block"),
        );
        check("{% include 'a' %}", Err("template `x/y`: line 1: syntax error: unknown statement include"));
        let error = Templates::built_in().render("x/z", ()).unwrap_err();
        assert_eq!(error.to_string(), "template `x/z`: there is none of this name");
    }

    #[test]
    fn what_is_built_in_belongs_to_a_format_and_can_be_replaced() {
        for (name, _) in BUILT_IN {
            let (format, file) = name.split_once('/').unwrap();
            assert!(Templates::names(format.parse().unwrap()).any(|other| other == file), "{name}");
        }
        let mut templates = Templates::built_in();
        templates.replace(Format::Systemd, "a", "b".to_owned(), Path::new("mine/a"));
        assert_eq!(templates.render("systemd/a", ()).unwrap(), "b");
        templates.replace(Format::Systemd, "a", "{{ b }}".to_owned(), Path::new("mine/a"));
        let error = templates.render("systemd/a", ()).unwrap_err().to_string();
        assert_eq!(error, "template `mine/a`: line 1: undefined value in `{{ b }}`");
    }
}
