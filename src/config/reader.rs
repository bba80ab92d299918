//! The text of a `procman.toml` → what it sets, and everything that is wrong with it.
//!
//! serde stops at the first fault. So what is wrong is taken out of the file and the rest read again, until nothing is
//! wrong with it.

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error as TomlError};

use crate::config::{Options, place, process};
use crate::quote::{escaped, excerpt, nearest};

/// What is wrong with a `procman.toml`, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1 in characters.
    pub column: usize,
    /// What is wrong, in words for people.
    pub message: String,
}

/// Returns the options that a `procman.toml` sets. Keys are the long names of the command line.
///
/// Fails with the first of its faults.
pub fn from_toml(text: &str) -> Result<Options, ConfigError> {
    let (options, faults) = read_toml(text);
    faults.into_iter().next().map_or(Ok(options), Err)
}

/// Returns the options that a `procman.toml` sets, and everything that is wrong with it, in its order.
///
/// What is wrong sets nothing. A text that is not TOML has one fault and sets nothing at all.
pub fn read_toml(text: &str) -> (Options, Vec<ConfigError>) {
    /// A file with more is none that somebody mends fault by fault, and each costs a reading.
    const MOST: usize = 100;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => return (Options::default(), vec![fault(text, &error, None)]),
    };
    let (mut faults, mut torn) = (Vec::new(), Vec::new());
    let mut options = loop {
        let error = match Options::deserialize(Deserializer::from(table.clone())) {
            Ok(options) => break options,
            Err(error) => error,
        };
        let taken = take(table.get_mut(), start(&error), &mut torn);
        // A table that lacks something for what was taken out of it is not at fault.
        let is_torn =
            |taken: &Spanned<DeValue>| taken.get_ref().is_table() && torn.contains(&taken.span().start);
        if !taken.as_ref().is_some_and(is_torn) {
            faults.push(fault(text, &error, taken.as_ref().map(Spanned::get_ref)));
        }
        if taken.is_none() || faults.len() == MOST {
            break Options::default();
        }
    };
    options.processes.text = text.to_owned();
    faults.sort_by_key(|fault| (fault.line, fault.column));
    (options, faults)
}

fn fault(text: &str, error: &TomlError, taken: Option<&DeValue>) -> ConfigError {
    let (line, column) = place(text, start(error));
    ConfigError { line, column, message: escaped(&in_our_words(error.message(), taken)) }
}

/// Returns where an error is. A text without a place in it is wrong from the start.
fn start(error: &TomlError) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// Takes the innermost item that is at a place of the text, by its key or its value, out of a table. Where the tables
/// begin that it was in is added to `torn`.
fn take<'i>(table: &mut DeTable<'i>, at: usize, torn: &mut Vec<usize>) -> Option<Spanned<DeValue<'i>>> {
    // Of `[process.web]` both keys are in the value, if one may say so.
    let of_key = table.keys().find(|key| key.span().contains(&at)).cloned();
    if let Some(key) = of_key {
        return table.remove(&key);
    }
    for (_, value) in table.iter_mut() {
        let begin = value.span().start;
        let taken = match value.get_mut() {
            DeValue::Table(inner) => {
                let taken = take(inner, at, torn);
                torn.extend(taken.is_some().then_some(begin));
                taken
            }
            DeValue::Array(items) => take_item(items, at),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => None,
        };
        if taken.is_some() {
            return taken;
        }
    }
    let (key, _) = table.iter().find(|(_, value)| value.span().contains(&at))?;
    let key = key.clone();
    table.remove(&key)
}

fn take_item<'i>(items: &mut DeArray<'i>, at: usize) -> Option<Spanned<DeValue<'i>>> {
    let index = items.iter().position(|item| item.span().contains(&at))?;
    let mut all: Vec<Spanned<DeValue>> = std::mem::replace(items, DeArray::new()).into_iter().collect();
    let taken = all.remove(index);
    *items = all.into_iter().collect();
    Some(taken)
}

/// Returns a message without the words of serde, and without the value, which may be a URL with a password in it.
/// `taken` is what stood at the place.
fn in_our_words(message: &str, taken: Option<&DeValue>) -> String {
    if let Some(unknown) = message.strip_prefix("unknown field `")
        && let Some((key, known)) = unknown.rsplit_once("`, expected ")
    {
        let is_table = taken.is_some_and(DeValue::is_table);
        return unknown_key(key, known, is_table);
    }
    if message.starts_with("invalid type: ") || message.starts_with("invalid value: ") {
        let expected = message.rsplit_once(", expected ").map_or("something else", |(_, expected)| expected);
        let expected = match expected {
            "a map" => "tables such as `[process.web]`",
            "a sequence" => "a list such as `[\"db\", \"env:DATABASE_URL\"]`",
            "a string" => "a text in quotes",
            // What no integer of procman's can hold.
            "any value" => "a smaller number",
            "path string" => "a path in quotes",
            expected => expected,
        };
        return format!("expected {expected}");
    }
    message.to_owned()
}

/// Returns what is said of a key with the one that was probably meant, in place of serde's list of all keys.
fn unknown_key(key: &str, known: &str, is_table: bool) -> String {
    let names: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let shown = excerpt(key);
    let meant = nearest(key, &names, |name| *name);
    // Only at the top.
    if names.contains(&"process") && meant != Some(&"process") {
        if is_table && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return format!("unknown key `{shown}`; the table of a process is `[process.{shown}]`");
        }
        if process::OWN_KEYS.contains(&key) {
            return format!("unknown key `{shown}`; it belongs in a table such as `[process.web]`");
        }
    }
    match meant {
        Some(name) => format!("unknown key `{shown}`, did you mean `{name}`"),
        None => format!("unknown key `{shown}`; there are {}", known.trim_start_matches("one of ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use crate::config::read_toml;

    /// Checks all that is wrong with a text.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let (_, faults) = read_toml(text);
        let told: Vec<String> =
            faults.iter().map(|fault| format!("{}:{} {fault}", fault.line, fault.column)).collect();
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn all_faults_are_told_in_the_order_of_the_file() {
        check(
            "prot = 1\ncolor = []\n[process.web]\nrestrat = 1\ncount = 'x'\nneeds = [1, 'db', 2]\n\
             [process.db]\nready = { interval = 0, port = false }\ngrace = -1\n[process.a.health]\nlog = 'x'\n",
            &[
                "1:1 unknown key `prot`, did you mean `port`",
                "2:9 expected a string, a number, `true` or `false`",
                "4:1 unknown key `restrat`, did you mean `restart`",
                "5:9 `x` is not a whole number from 0 to 10000",
                "6:10 expected a text in quotes",
                "6:19 expected a text in quotes",
                "8:22 `0` is not a number of seconds above 0, at most 31536000",
                "8:32 `false` is not `true`",
                "9:9 `-1` is not a number of seconds from 0 to 31536000",
                "11:1 unknown key `log`; there are `port`, `http`, `status`, `exec`, `interval`, `timeout`, `failures`",
            ],
        );
    }

    #[test]
    fn what_follows_from_a_fault_is_none() {
        check(
            "[process.web]\nready = { htpp = '/', interval = 2 }",
            &["2:11 unknown key `htpp`, did you mean `http`"],
        );
        check("[process.web.ready]\nhtpp = '/'", &["2:1 unknown key `htpp`, did you mean `http`"]);
        let words = "there has to be `port`, `http`, `log`, `exec` or `notify`";
        check(
            "[process.web.ready]\n[process.db]\nready = {}",
            &[&format!("1:1 {words}"), &format!("3:9 {words}")],
        );
    }

    #[test]
    fn what_is_right_is_set_beside_what_is_wrong() {
        let (options, faults) = read_toml("prot = 1\nport = 2\n[process.web]\ncount = 3\ngrace = 'x'");
        assert_eq!(faults.len(), 2);
        assert!(options.port.is_some() && options.processes.get("web").unwrap().count.is_some());
    }

    #[test]
    fn a_value_of_another_type_is_not_shown() {
        let list = "expected a list such as `[\"db\", \"env:DATABASE_URL\"]`";
        check("[process.web]\nneeds = 'postgres://u:s3cret@h, expected x'", &[&format!("2:9 {list}")]);
        check("process.web = 'u:s3cret@h'", &["1:15 expected a table such as `[process.web]`"]);
        check("[process]\nweb = 3", &["2:7 expected a table such as `[process.web]`"]);
        check("process = 3", &["1:11 expected tables such as `[process.web]`"]);
        check("procfile = 3", &["1:12 expected a path in quotes"]);
        check("formation = 3", &["1:13 expected a text in quotes"]);
        check("port = 'postgres://u:s3cret@h'", &["1:8 `…` is not a port from 0 to 65535"]);
        check("port = 'u:s3cret@h'", &["1:8 `…` is not a port from 0 to 65535"]);
        check("port = 99999999999999999999", &["1:8 `99999999999999999999` is not a port from 0 to 65535"]);
    }

    #[test]
    fn a_key_of_a_process_has_its_place() {
        for key in ["grace", "count", "ready", "needs", "on-exit", "one-shot", "health", "stop-signal"] {
            let words = format!("1:1 unknown key `{key}`; it belongs in a table such as `[process.web]`");
            check(&format!("{key} = 1"), &[&words]);
        }
        check("[web]\ncount = 1", &["1:2 unknown key `web`; the table of a process is `[process.web]`"]);
        check("[api]\ncount = 1", &["1:2 unknown key `api`; the table of a process is `[process.api]`"]);
        check("[proces.web]\ncount = 1", &["1:2 unknown key `proces`, did you mean `process`"]);
    }
}
