//! The `[process.NAME]` tables of `procman.toml`: how the instances of one type are supervised.
//!
//! What is wrong in a table by itself is found here. What it means beside the Procfile and the other tables, above all
//! whom it needs, is [`plan`](crate::plan)'s part, which asks for the [`Fault`] at a place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

#[cfg(test)]
use crate::config::schema;
use crate::config::{Flag, OptionError, PtyChoice, Timeout, place, scalar};
use crate::fault::Fault;
use crate::formation::Request;
use crate::policy::{Health, OnExit, Readiness, Restart};
use crate::process::Signal;

/// All tables, by the names of their types.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "BTreeMap<Spanned<String>, Process>")]
pub struct Processes {
    tables: BTreeMap<Spanned<String>, Process>,
    /// The file that they are from, by which places are told.
    pub(super) text: String,
}

/// The keys of such a table that nothing at the top of the file is called.
pub(super) const OWN_KEYS: &[&str] =
    &["count", "restart-budget", "stop-signal", "grace", "on-exit", "needs", "ready", "health", "one-shot"];

/// What is said of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[serde(expecting = "a table such as `[process.web]`")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "process"))]
pub struct Process {
    /// How many instances run, unless `-m`, `formation` or names after `start` say otherwise; 1 if nothing does.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Count"))]
    pub count: Option<Count>,
    /// When an instance that has ended by itself is started again.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Restart"))]
    pub restart: Option<Restart>,
    /// How many ends in a row are too many for that, each less than 10 s after its start; 10 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Budget"))]
    pub restart_budget: Option<Budget>,
    /// The signal that asks an instance to end, by name or number; SIGTERM if nothing is said.
    #[serde(deserialize_with = "stop_signal")]
    #[cfg_attr(test, schemars(with = "schema::Signal"))]
    pub stop_signal: Option<Signal>,
    /// How many seconds an instance may take to end before it is killed.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Seconds"))]
    pub grace: Option<Timeout>,
    /// What the end of an instance means for the others, once it is not started again.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::OnExit"))]
    pub on_exit: Option<OnExit>,
    /// What has to be there before an instance is started: a process type, which is to be ready; `env:VARIABLE` or a
    /// URL, which are to accept connections.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub needs: Vec<Spanned<String>>,
    /// How an instance is known to be ready; if nothing is said, by its start.
    #[cfg_attr(test, schemars(with = "schema::Ready"))]
    pub ready: Option<Spanned<Readiness>>,
    /// How an instance is known to be well after that, without which it is started anew.
    #[cfg_attr(test, schemars(with = "schema::Health"))]
    pub health: Option<Spanned<Health>>,
    /// When the instances get terminals of their own.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::When"))]
    pub pty: Option<PtyChoice>,
    /// Whether an instance does one thing and ends, such as a migration. It is ready when it has ended with 0.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Switch"))]
    pub one_shot: Option<Flag>,
}

impl Processes {
    /// Returns whether nothing is said of any type.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Returns all tables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &Process)> {
        self.tables.iter()
    }

    /// Returns what is said of a type.
    pub fn get(&self, name: &str) -> Option<&Process> {
        self.tables.get(name)
    }

    /// Returns something that is wrong at a place of the file.
    pub fn fault<Kind>(&self, span: Range<usize>, kind: Kind) -> Fault<Kind> {
        let (line, column) = place(&self.text, span.start);
        Fault { line, column, kind }
    }
}

impl From<BTreeMap<Spanned<String>, Process>> for Processes {
    fn from(tables: BTreeMap<Spanned<String>, Process>) -> Processes {
        Processes { tables, text: String::new() }
    }
}

impl PartialEq for Processes {
    /// Where something stands in the file means nothing.
    fn eq(&self, other: &Processes) -> bool {
        self.tables == other.tables
    }
}

impl Eq for Processes {}

impl Process {
    /// Returns whether it does one thing and ends.
    pub fn is_one_shot(&self) -> bool {
        self.one_shot == Some(Flag(true))
    }
}

/// Reads a signal that can ask an instance to end.
fn stop_signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Signal>, D::Error> {
    match scalar(deserializer)? {
        Some(signal @ (Signal::STOP | Signal::CONT)) => {
            Err(D::Error::custom(format!("{signal} asks no process to end")))
        }
        signal => Ok(signal),
    }
}

/// A number of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u32);

impl FromStr for Count {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Count, OptionError> {
        let count = text.parse().ok().filter(|count| *count <= Request::MOST && !text.starts_with('+'));
        count.map(Count).ok_or_else(|| OptionError::new(text, "a whole number from 0 to 10000"))
    }
}

/// How many ends in a row are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(pub u32);

impl FromStr for Budget {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Budget, OptionError> {
        let budget = text.parse().ok().filter(|budget| (1..=1000).contains(budget) && !text.starts_with('+'));
        budget.map(Budget).ok_or_else(|| OptionError::new(text, "a whole number from 1 to 1000"))
    }
}

impl FromStr for Restart {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Restart, OptionError> {
        match text {
            "never" => Ok(Restart::Never),
            "on-failure" => Ok(Restart::OnFailure),
            "always" => Ok(Restart::Always),
            _ => Err(OptionError::new(text, "`never`, `on-failure` or `always`")),
        }
    }
}

impl FromStr for OnExit {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<OnExit, OptionError> {
        match text {
            "stop-all" => Ok(OnExit::StopAll),
            "ignore" => Ok(OnExit::Ignore),
            _ => Err(OptionError::new(text, "`stop-all` or `ignore`")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use super::{Budget, Count, Process};
    use crate::config::{Flag, Options, PtyChoice, Timeout, from_toml};
    use crate::policy::{OnExit, Restart};
    use crate::process::Signal;

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = from_toml(text).unwrap_err();
        assert_eq!(format!("{}:{} {error}", error.line, error.column), expected);
    }

    #[test]
    fn every_key_says_something_of_one_type() {
        let text = r#"
            [process.web]
            count = 2
            restart = "always"
            restart-budget = 3
            stop-signal = "SIGINT"
            grace = 1.5
            on-exit = "ignore"
            needs = ["db", "env:REDIS_URL"]
            ready = "port"
            health = "port"
            pty = false
            one-shot = false
            [process.db]
            stop-signal = 10
        "#;
        let options = from_toml(text).unwrap();
        let mut web = options.processes.get("web").unwrap().clone();
        let needs: Vec<String> = std::mem::take(&mut web.needs).iter().map(ToString::to_string).collect();
        assert_eq!(needs, ["db", "env:REDIS_URL"]);
        assert!(web.ready.take().is_some() && web.health.take().is_some());
        let expected = Process {
            count: Some(Count(2)),
            restart: Some(Restart::Always),
            restart_budget: Some(Budget(3)),
            stop_signal: Some(Signal::INT),
            grace: Some(Timeout(Duration::from_millis(1500))),
            on_exit: Some(OnExit::Ignore),
            pty: Some(PtyChoice::Never),
            one_shot: Some(Flag(false)),
            ..Process::default()
        };
        assert_eq!(web, expected);
        assert_eq!(options.processes.get("db").unwrap().stop_signal, Some(Signal(10)));
        assert_eq!(options.processes.get("worker"), None);
        let order: Vec<&str> = options.processes.iter().map(|(name, _)| name.get_ref().as_str()).collect();
        assert_eq!(order, ["db", "web"]);
        assert_eq!(Options { processes: options.processes.clone(), ..Options::default() }, options);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_likeliest_one() {
        check_error("[process.web]\nrestrat = 1", "2:1 unknown key `restrat`, did you mean `restart`");
        check_error("process.web.one_shot = 1", "1:13 unknown key `one_shot`, did you mean `one-shot`");
        check_error(
            "[process.web]\ncommand = 'x'",
            "2:1 unknown key `command`; there are `count`, `restart`, `restart-budget`, `stop-signal`, `grace`, `on-exit`, `needs`, \
             `ready`, `health`, `pty`, `one-shot`",
        );
    }

    #[test]
    fn a_wrong_value_is_an_error_where_it_stands() {
        for (line, expected) in [
            ("count = -1", "2:9 `-1` is not a whole number from 0 to 10000"),
            ("count = 10001", "2:9 `10001` is not a whole number from 0 to 10000"),
            (
                "restart = 'alway'",
                "2:11 `alway` is not `never`, `on-failure` or `always`, did you mean `always`",
            ),
            ("stop-signal = 'TREM'", "2:15 `TREM` is no signal, did you mean `TERM`"),
            ("stop-signal = 'STOP'", "2:15 SIGSTOP asks no process to end"),
            ("stop-signal = 'sigcont'", "2:15 SIGCONT asks no process to end"),
            ("grace = 'x'", "2:9 `x` is not a number of seconds from 0 to 31536000"),
            ("on-exit = 'stop'", "2:11 `stop` is not `stop-all` or `ignore`"),
            ("one-shot = 1", "2:12 `1` is not `true` or `false`"),
            ("pty = 'alwas'", "2:7 `alwas` is not `auto`, `always` or `never`, did you mean `always`"),
        ] {
            check_error(&format!("[process.web]\n{line}"), expected);
        }
    }
}
