//! `procman.toml` and `.foreman` → [`Options`]: defaults for the command line, and how each type is supervised.
//!
//! A setting means the same wherever it stands: on the command line, in the environment and in either file its
//! text goes through the same `FromStr`. Which of the four wins is said with [`Options::or`]; what nobody says has
//! the `Default` of its type.

mod choice;
mod foreman;
mod names;
mod probe;
pub mod process;
mod reader;
#[cfg(test)]
mod schema;
mod size;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::config::process::Processes;
use crate::policy::{Policy, Restart};
use crate::quote::{excerpt, nearest};

pub use crate::config::choice::{ColorChoice, EnvPrecedence, Flag, LogFormat, PtyChoice, Timestamp};
pub use crate::config::foreman::{Fault, FaultKind, from_foreman};
pub use crate::config::names::{AppName, UserName};
pub use crate::config::reader::{ConfigError, from_toml, read_toml};
pub use crate::config::size::ByteSize;

/// The JSON schema of `procman.toml`, for editors.
pub const SCHEMA: &str = include_str!("config/schema.json");

/// What one source says about the options of `start` and `export`. What it leaves open is `None`.
// The first line of each is what an editor shows with the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(title = "procman.toml", rename = "procman"))]
#[cfg_attr(
    test,
    schemars(description = "Options of procman, and how the instances of each type are supervised.")
)]
pub struct Options {
    /// The Procfile to read.
    #[cfg_attr(test, schemars(with = "String"))]
    pub procfile: Option<PathBuf>,
    /// The app root, in which every process runs.
    #[cfg_attr(test, schemars(with = "String"))]
    pub root: Option<PathBuf>,
    /// The files that replace `.env`, in order; none at all when the list is empty.
    #[serde(deserialize_with = "files")]
    #[cfg_attr(test, schemars(with = "schema::Files"))]
    pub env: Option<Vec<PathBuf>>,
    /// The base port; `PORT`, else 5000 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Port"))]
    pub port: Option<Port>,
    /// Whether the variables of files or of the environment win.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::EnvPrecedence"))]
    pub env_precedence: Option<EnvPrecedence>,
    /// How many instances of each type run, such as `web=2,worker=1` or `all=2`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub formation: Option<String>,
    /// How many seconds an instance may take to end before it is killed; 5 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Seconds"))]
    pub timeout: Option<Timeout>,
    /// When an instance that has ended by itself is started again.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Restart"))]
    pub restart: Option<Restart>,
    /// Whether the others live on when an instance has ended.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Switch"))]
    pub keep_going: Option<Flag>,
    /// Whether every type waits for the services of all variables whose names end in `_URL`.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Switch"))]
    pub wait_services: Option<Flag>,
    /// How many seconds backing services may keep those waiting that need them; 60 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Seconds"))]
    pub wait_timeout: Option<Timeout>,
    /// The time before each line: whether it is shown, or its strftime(3) format.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Timestamp"))]
    pub timestamp: Option<Timestamp>,
    /// When output is coloured.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::When"))]
    pub color: Option<ColorChoice>,
    /// The form of the output.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::LogFormat"))]
    pub log_format: Option<LogFormat>,
    /// When the instances get terminals of their own.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::When"))]
    pub pty: Option<PtyChoice>,
    /// How much of what each instance has written is kept, for `logs` and `attach`.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Size"))]
    pub log_buffer: Option<ByteSize>,
    /// The file that a formation in the background writes to.
    #[cfg_attr(test, schemars(with = "String"))]
    pub log_file: Option<PathBuf>,
    /// How large that file may become.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Size"))]
    pub log_size: Option<ByteSize>,
    /// Where the control socket lies; `false` for none.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Socket"))]
    pub socket: Option<Socket>,
    /// The name of the app in what is exported.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub app: Option<AppName>,
    /// The directory for logs of what is exported.
    #[cfg_attr(test, schemars(with = "String"))]
    pub log: Option<PathBuf>,
    /// The directory for pid files and the like of what is exported.
    #[cfg_attr(test, schemars(with = "String"))]
    pub run: Option<PathBuf>,
    /// The user that exported processes run as, by name or number.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::User"))]
    pub user: Option<UserName>,
    /// The directory of templates that take the place of those built in.
    #[cfg_attr(test, schemars(with = "String"))]
    pub template: Option<PathBuf>,
    /// How the instances of each type are supervised.
    #[serde(rename = "process")]
    #[cfg_attr(test, schemars(with = "schema::Processes"))]
    pub processes: Processes,
}

impl Options {
    /// Returns these options, with those they leave open taken from `lower`.
    pub fn or(self, lower: Options) -> Options {
        Options {
            procfile: self.procfile.or(lower.procfile),
            root: self.root.or(lower.root),
            env: self.env.or(lower.env),
            port: self.port.or(lower.port),
            env_precedence: self.env_precedence.or(lower.env_precedence),
            formation: self.formation.or(lower.formation),
            timeout: self.timeout.or(lower.timeout),
            restart: self.restart.or(lower.restart),
            keep_going: self.keep_going.or(lower.keep_going),
            wait_services: self.wait_services.or(lower.wait_services),
            wait_timeout: self.wait_timeout.or(lower.wait_timeout),
            timestamp: self.timestamp.or(lower.timestamp),
            color: self.color.or(lower.color),
            log_format: self.log_format.or(lower.log_format),
            pty: self.pty.or(lower.pty),
            log_buffer: self.log_buffer.or(lower.log_buffer),
            log_file: self.log_file.or(lower.log_file),
            log_size: self.log_size.or(lower.log_size),
            socket: self.socket.or(lower.socket),
            app: self.app.or(lower.app),
            log: self.log.or(lower.log),
            run: self.run.or(lower.run),
            user: self.user.or(lower.user),
            template: self.template.or(lower.template),
            // Only one source has any.
            processes: if self.processes.is_empty() { lower.processes } else { self.processes },
        }
    }

    /// Returns how long backing services may keep those waiting that need them.
    pub fn patience(&self) -> Duration {
        self.wait_timeout.map_or(Duration::from_secs(60), |Timeout(timeout)| timeout)
    }
}

/// Returns the line and the column of a place in a text, both counted from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let last = before.rsplit('\n').next().unwrap_or_default().trim_end_matches('\r');
    (before.matches('\n').count() + 1, last.chars().count() + 1)
}

/// Why a text is not a value of an option. `value` is already fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{value}` is not {expected}{}", self.suggestion())]
pub struct OptionError {
    /// What was written.
    pub value: String,
    /// What it should be, such as "a port from 0 to 65535".
    pub expected: &'static str,
}

impl OptionError {
    fn new(value: &str, expected: &'static str) -> OptionError {
        // Of what may be a URL with a password in it nothing is shown.
        let may_be_url = value.contains("://") || value.contains('@') && value.contains([':', '/']);
        OptionError { value: if may_be_url { "…".to_owned() } else { excerpt(value) }, expected }
    }

    /// Returns the word that was probably meant, if it should be one of a few.
    fn suggestion(&self) -> String {
        let words: Vec<&str> = self.expected.split('`').skip(1).step_by(2).collect();
        let meant = nearest(&self.value, &words, |word| *word);
        let meant = meant.filter(|_| self.expected.starts_with('`') && words.len() > 1);
        meant.map_or_else(String::new, |word| format!(", did you mean `{word}`"))
    }
}

/// The base port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(pub u16);

impl FromStr for Port {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Port, OptionError> {
        text.parse().map(Port).map_err(|_| OptionError::new(text, "a port from 0 to 65535"))
    }
}

/// The grace period, written in seconds, perhaps with a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl Timeout {
    /// A year. A bound keeps every sum of times far from overflow.
    const LONGEST: Duration = Duration::from_secs(31_536_000);
}

impl Default for Timeout {
    fn default() -> Timeout {
        Timeout(Policy::GRACE)
    }
}

impl FromStr for Timeout {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Timeout, OptionError> {
        let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds
            .filter(|seconds| *seconds <= Timeout::LONGEST)
            .map(Timeout)
            .ok_or_else(|| OptionError::new(text, "a number of seconds from 0 to 31536000"))
    }
}

/// Where the control socket lies, when that does not follow from the app root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// There is none; written `false`.
    Off,
    /// At this path.
    At(PathBuf),
}

impl FromStr for Socket {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Socket, OptionError> {
        match text {
            "" | "true" => Err(OptionError::new(text, "a path or `false`")),
            "false" => Ok(Socket::Off),
            path => Ok(Socket::At(path.into())),
        }
    }
}

/// Reads a value that a command line could write too, as it would be written there.
// An enum without tags, which serde has for that, would be compiled with a copy of all that TOML can say.
fn scalar<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    struct Written;

    impl Visitor<'_> for Written {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string, a number, `true` or `false`")
        }

        fn visit_bool<E>(self, value: bool) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_i64<E>(self, value: i64) -> Result<String, E> {
            Ok(value.to_string())
        }

        // What toml gives where no `i64` holds the number.
        fn visit_u64<E>(self, value: u64) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_i128<E>(self, value: i128) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_u128<E>(self, value: u128) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_f64<E>(self, value: f64) -> Result<String, E> {
            Ok(value.to_string())
        }

        fn visit_str<E>(self, value: &str) -> Result<String, E> {
            Ok(value.to_owned())
        }
    }

    deserializer.deserialize_any(Written)?.parse().map(Some).map_err(D::Error::custom)
}

/// Reads the files after `env`, as `-e` takes them or one by one.
fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    struct Files;

    impl<'de> Visitor<'de> for Files {
        type Value = Vec<PathBuf>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("file names, in a list or with commas between them")
        }

        fn visit_str<E>(self, text: &str) -> Result<Vec<PathBuf>, E> {
            Ok(split_files(text))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<PathBuf>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(Files).map(Some)
}

/// Returns the files that `a.env,b.env` names.
fn split_files(text: &str) -> Vec<PathBuf> {
    text.split(',').map(str::trim).filter(|file| !file.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::{
        ByteSize, ColorChoice, EnvPrecedence, Flag, LogFormat, Options, Port, Processes, PtyChoice, Socket,
        Timeout, Timestamp, from_toml,
    };
    use crate::policy::Restart;

    #[track_caller]
    fn check(text: &str, expected: Options) {
        assert_eq!(from_toml(text), Ok(expected));
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = from_toml(text).unwrap_err();
        assert_eq!(format!("{}:{} {error}", error.line, error.column), expected);
    }

    #[test]
    fn an_empty_file_leaves_everything_open() {
        check("", Options::default());
        check("# nothing\n", Options::default());
    }

    #[test]
    fn every_option_has_a_key() {
        let text = r#"
            procfile = "Procfile.dev"
            root = ".."
            env = [".env", "a,b.env"]
            port = 3000
            env-precedence = "shell"
            formation = "web=2"
            timeout = 2.5
            restart = "on-failure"
            keep-going = true
            wait-services = false
            wait-timeout = 30
            timestamp = "%H:%M"
            color = "always"
            log-format = "json"
            pty = "never"
            log-buffer = "64K"
            log-file = "log/app.log"
            log-size = 4096
            socket = "tmp/procman.sock"
            app = "shop"
            log = "log"
            run = "tmp"
            user = 1000
            template = "deploy"
        "#;
        let expected = Options {
            procfile: Some("Procfile.dev".into()),
            root: Some("..".into()),
            env: Some(vec![".env".into(), "a,b.env".into()]),
            port: Some(Port(3000)),
            env_precedence: Some(EnvPrecedence::Shell),
            formation: Some("web=2".to_owned()),
            timeout: Some(Timeout(Duration::from_millis(2500))),
            restart: Some(Restart::OnFailure),
            keep_going: Some(Flag(true)),
            wait_services: Some(Flag(false)),
            wait_timeout: Some(Timeout(Duration::from_secs(30))),
            timestamp: Some(Timestamp::Format("%H:%M".to_owned())),
            color: Some(ColorChoice::Always),
            log_format: Some(LogFormat::Json),
            pty: Some(PtyChoice::Never),
            log_buffer: Some(ByteSize(65_536)),
            log_file: Some("log/app.log".into()),
            log_size: Some(ByteSize(4096)),
            socket: Some(Socket::At("tmp/procman.sock".into())),
            app: Some("shop".parse().unwrap()),
            log: Some("log".into()),
            run: Some("tmp".into()),
            user: Some("1000".parse().unwrap()),
            template: Some("deploy".into()),
            // What is in them is read elsewhere.
            processes: Processes::default(),
        };
        check(text, expected);
        check("socket = false", Options { socket: Some(Socket::Off), ..Options::default() });
    }

    #[test]
    fn a_value_may_be_written_as_on_the_command_line_or_as_toml_would() {
        check("port = '3000'", Options { port: Some(Port(3000)), ..Options::default() });
        let timeout = Some(Timeout(Duration::from_secs(7)));
        check("timeout = 7", Options { timeout, ..Options::default() });
        check("timeout = '7.0'", Options { timeout, ..Options::default() });
        check("timestamp = false", Options { timestamp: Some(Timestamp::Off), ..Options::default() });
        check("timestamp = true", Options { timestamp: Some(Timestamp::Default), ..Options::default() });
        check("color = false", Options { color: Some(ColorChoice::Never), ..Options::default() });
        check("pty = true", Options { pty: Some(PtyChoice::Always), ..Options::default() });
        let env = Some(vec![PathBuf::from("a"), PathBuf::from("b")]);
        check("env = 'a, b,'", Options { env, ..Options::default() });
        check("env = ''", Options { env: Some(vec![]), ..Options::default() });
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_likeliest_one() {
        check_error("port = 1\nprot = 2\n", "2:1 unknown key `prot`, did you mean `port`");
        check_error("'log_format' = 2\n", "1:1 unknown key `log_format`, did you mean `log-format`");
        check_error("'a`b c' = 2", &format!("1:1 unknown key `a`b c`; there are {KEYS}"));
    }

    const KEYS: &str = "`procfile`, `root`, `env`, `port`, `env-precedence`, `formation`, `timeout`, `restart`, \
                        `keep-going`, `wait-services`, `wait-timeout`, `timestamp`, `color`, `log-format`, `pty`, \
                        `log-buffer`, `log-file`, `log-size`, `socket`, `app`, `log`, `run`, `user`, `template`, \
                        `process`";

    #[test]
    fn a_wrong_value_is_an_error_where_it_stands() {
        check_error("\nport = 70000\n", "2:8 `70000` is not a port from 0 to 65535");
        check_error("timeout = -1", "1:11 `-1` is not a number of seconds from 0 to 31536000");
        check_error("timeout = nan", "1:11 `NaN` is not a number of seconds from 0 to 31536000");
        check_error("timeout = 1e9", "1:11 `1000000000` is not a number of seconds from 0 to 31536000");
        check_error("timeout = 'x'", "1:11 `x` is not a number of seconds from 0 to 31536000");
        check_error("timestamp = ''", "1:13 `` is not `true`, `false` or a time format");
        check_error("color = 'é'", "1:9 `é` is not `auto`, `always` or `never`");
        check_error("pty = 1", "1:7 `1` is not `auto`, `always` or `never`");
        check_error("log-format = 'xml'", "1:14 `xml` is not `text`, `json` or `raw`");
        check_error("env-precedence = 1", "1:18 `1` is not `file` or `shell`");
        check_error(
            "restart = 'allways'",
            "1:11 `allways` is not `never`, `on-failure` or `always`, did you mean `always`",
        );
        check_error("keep-going = 'yes'", "1:14 `yes` is not `true` or `false`");
        check_error("color = []", "1:9 expected a string, a number, `true` or `false`");
        check_error("env = 1", "1:7 expected file names, in a list or with commas between them");
    }

    #[test]
    fn columns_count_characters() {
        check_error("formation = 'é' x", "1:17 unexpected key or value, expected newline, `#`");
    }

    /// It was counted as a column, in which no editor shows anything.
    #[test]
    fn a_byte_order_mark_vanishes() {
        check("\u{feff}port = 3000", Options { port: Some(Port(3000)), ..Options::default() });
        check_error("\u{feff}port = 70000", "1:8 `70000` is not a port from 0 to 65535");
    }

    /// What was missing at the end of a line was missed behind the carriage return.
    #[test]
    fn a_carriage_return_is_no_column() {
        check_error("'port\r\n", "1:6 key with no value, expected `=`");
    }

    #[test]
    fn a_message_shows_control_characters_rather_than_sending_them() {
        check_error("color = \"\\u001b[2J\"", r"1:9 `\u{1b}[2J` is not `auto`, `always` or `never`");
    }

    #[test]
    fn what_is_left_open_comes_from_the_lower_source() {
        let upper = from_toml("port = 1\ncolor = 'auto'").unwrap();
        let lower = from_toml("port = 2\nformation = 'web=1'").unwrap();
        let expected = from_toml("port = 1\ncolor = 'auto'\nformation = 'web=1'").unwrap();
        assert_eq!(upper.clone().or(lower.clone()), expected);
        assert_eq!(Options::default().or(lower.clone()), lower);
        assert_eq!(upper.clone().or(Options::default()), upper);
    }
}
