//! A `.foreman` file → [`Options`]: foreman's own file of defaults, read for those who come from there.
//!
//! It is YAML, but foreman only ever takes flat `key: scalar` lines from it, which this little reader knows, with their
//! quotes and comments. A YAML library would be a large dependency for ten keys, and those for Rust are no longer
//! kept; whatever would need one is reported with its place.

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use crate::config::{OptionError, Options, split_files};
use crate::quote::excerpt;

/// A line of a `.foreman` file that sets nothing. The rest of the file still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1 in characters.
    pub column: usize,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong with a line, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum FaultKind {
    #[error("line ignored: not a flat `key: value`")]
    NotFlat,
    #[error("line ignored: foreman has no option `{key}`")]
    UnknownKey { key: String },
    #[error("line ignored: `{key}`: {error}")]
    Value { key: String, error: OptionError },
}

/// Returns the options that a `.foreman` file sets, and the lines that set nothing though they should.
///
/// Keys are the long names of foreman's options.
pub fn from_foreman(text: &str) -> (Options, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut options = Options::default();
    let mut faults = Vec::new();
    for (line, source) in (1..).zip(text.lines()) {
        if let Err(kind) = read_line(source.trim_end(), &mut options) {
            faults.push(Fault { line, column: column(source, &kind), kind });
        }
    }
    (options, faults)
}

/// Returns where in its line a fault is.
fn column(line: &str, kind: &FaultKind) -> usize {
    let culprit = match kind {
        FaultKind::NotFlat | FaultKind::UnknownKey { .. } => line,
        FaultKind::Value { .. } => line.split_once(':').map_or(line, |(_, value)| value),
    };
    let before = &line[..line.len() - culprit.trim_start().len()];
    before.chars().count() + 1
}

fn read_line(line: &str, options: &mut Options) -> Result<(), FaultKind> {
    if line.is_empty() || line.trim_start().starts_with('#') || line == "---" {
        return Ok(());
    }
    let (key, value) = line.split_once(':').ok_or(FaultKind::NotFlat)?;
    // A blank before the key or none after the colon is YAML of another shape.
    if key.starts_with([' ', '\t', '-']) || !(value.is_empty() || value.starts_with([' ', '\t'])) {
        return Err(FaultKind::NotFlat);
    }
    let value = scalar(value.trim_start())?;
    match key.trim_end() {
        "procfile" => options.procfile = value.map(PathBuf::from),
        "root" => options.root = value.map(PathBuf::from),
        "env" => options.env = value.as_deref().map(split_files),
        // The older of the two names.
        "formation" | "concurrency" => options.formation = value,
        "port" => options.port = parse("port", value)?,
        "timeout" => options.timeout = parse("timeout", value)?,
        "timestamp" => options.timestamp = parse("timestamp", value.map(switch))?,
        "color" => options.color = parse("color", value.map(switch))?,
        "app" => options.app = parse("app", value)?,
        "user" => options.user = parse("user", value)?,
        "log" => options.log = value.map(PathBuf::from),
        "run" => options.run = value.map(PathBuf::from),
        "template" => options.template = value.map(PathBuf::from),
        key => return Err(FaultKind::UnknownKey { key: excerpt(key) }),
    }
    Ok(())
}

/// Returns the text of a scalar, or nothing for null.
fn scalar(text: &str) -> Result<Option<String>, FaultKind> {
    let quoted = match text.chars().next() {
        Some('\'') => single_quoted(&text[1..]),
        Some('"') => double_quoted(&text[1..]),
        // A list, a map, an anchor, a block: all that YAML marks by a first character.
        Some('[' | '{' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`') => None,
        _ => {
            let comment =
                text.match_indices('#').find(|(at, _)| text[..*at].ends_with([' ', '\t']) || *at == 0);
            let plain = text[..comment.map_or(text.len(), |(at, _)| at)].trim_end();
            return Ok(Some(plain).filter(|plain| !matches!(*plain, "" | "~" | "null")).map(str::to_owned));
        }
    };
    let (value, rest) = quoted.ok_or(FaultKind::NotFlat)?;
    match rest.trim_start() {
        "" => Ok(Some(value)),
        comment if comment.starts_with('#') => Ok(Some(value)),
        _ => Err(FaultKind::NotFlat),
    }
}

/// Returns the value up to the closing quote, in which two quotes stand for one, and what follows it.
fn single_quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut rest) = text.split_once('\'').map(|(value, rest)| (value.to_owned(), rest))?;
    while let Some(after) = rest.strip_prefix('\'') {
        let (more, left) = after.split_once('\'')?;
        value.push('\'');
        value.push_str(more);
        rest = left;
    }
    Some((value, rest))
}

/// Returns the value up to the closing quote and what follows it. Only `\"` and `\\` are known of YAML's many escapes.
fn double_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            character => value.push(character),
        }
    }
}

/// Returns one of YAML's words for a truth value as `true` or `false`, and any other text as it is.
fn switch(text: String) -> String {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "true".to_owned(),
        "false" | "no" | "off" => "false".to_owned(),
        _ => text,
    }
}

fn parse<T: FromStr<Err = OptionError>>(key: &str, value: Option<String>) -> Result<Option<T>, FaultKind> {
    let parsed = value.map(|text| text.parse()).transpose();
    parsed.map_err(|error| FaultKind::Value { key: key.to_owned(), error })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::{Fault, from_foreman};
    use crate::config::{Options, from_toml};

    /// Compares the options with those of a `procman.toml`, and the faults as `line words`.
    #[track_caller]
    fn check(text: &str, toml: &str, expected: &[&str]) {
        let (options, faults) = from_foreman(text);
        let faults: Vec<String> =
            faults.iter().map(|Fault { line, column, kind }| format!("{line}:{column} {kind}")).collect();
        assert_eq!(
            (options, faults),
            (from_toml(toml).unwrap(), expected.iter().map(ToString::to_string).collect())
        );
    }

    #[test]
    fn foreman_s_options_are_known() {
        check(
            "---\nprocfile: Procfile.dev\nroot: /srv/app\nenv: .env,b.env\nport: 3000\nformation: web=2,all=1\n\
             timeout: 2.5\ntimestamp: false\ncolor: true\n",
            "procfile = 'Procfile.dev'\nroot = '/srv/app'\nenv = ['.env', 'b.env']\nport = 3000\n\
             formation = 'web=2,all=1'\ntimeout = 2.5\ntimestamp = false\ncolor = 'always'",
            &[],
        );
        check("concurrency: web=2", "formation = 'web=2'", &[]);
        check("timestamp: No\ncolor: off", "timestamp = false\ncolor = false", &[]);
    }

    #[test]
    fn options_of_other_commands_are_no_fault() {
        let toml = "app = 'shop'\nlog = '/var/log'\nrun = '/run'\ntemplate = 't'\nuser = 'deploy'";
        check("app: shop\nlog: /var/log\nrun: /run\ntemplate: t\nuser: deploy", toml, &[]);
    }

    #[test]
    fn quotes_comments_and_null_are_those_of_yaml() {
        check("# port: 1\nport: \"3000\" # base\r\n", "port = 3000", &[]);
        check("procfile: a#b # c", "procfile = 'a#b'", &[]);
        check("procfile: 'it''s' #", "procfile = \"it's\"", &[]);
        check(r#"procfile: "a\"b\\c: d""#, r#"procfile = 'a"b\c: d'"#, &[]);
        check("port:\nroot: ~\nprocfile: null\nformation: # none", "", &[]);
        check("\u{feff}port : 1\nport: 2", "port = 2", &[]);
    }

    #[test]
    fn what_is_not_flat_is_a_fault() {
        let fault = "line ignored: not a flat `key: value`";
        check("env:\n  - a\n  - b\nport: 1", "port = 1", &[&format!("2:3 {fault}"), &format!("3:3 {fault}")]);
        for text in [
            "env: [a, b]",
            "env: {a: b}",
            "env: 'a",
            "env: 'a' b",
            r#"env: "\x""#,
            "env:a",
            "words",
            "- a: b",
        ] {
            check(text, "", &[&format!("1:1 {fault}")]);
        }
    }

    #[test]
    fn an_unknown_key_or_a_wrong_value_is_a_fault_that_names_it() {
        check("prot: 1\nport: 2", "port = 2", &["1:1 line ignored: foreman has no option `prot`"]);
        check("a\x1b: 1", "", &[r"1:1 line ignored: foreman has no option `a\u{1b}`"]);
        check("port: x", "", &["1:7 line ignored: `port`: `x` is not a port from 0 to 65535"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            from_foreman(&text);
        }

        #[test]
        fn nothing_but_known_keys_sets_anything(text in "[^a-z]*") {
            assert_eq!(from_foreman(&text).0, Options::default());
        }
    }
}
