//! `procman.toml` and `.foreman` → [`Options`]: defaults for the command line.
//!
//! A setting means the same wherever it stands: on the command line, in the environment and in either file its
//! text goes through the same `FromStr`. Which of the four wins is said with [`Options::or`]; what nobody says has
//! the `Default` of its type.

mod foreman;
mod names;
mod size;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::quote::{escaped, excerpt};

pub use crate::config::foreman::{Fault, FaultKind, from_foreman};
pub use crate::config::names::{AppName, UserName};
pub use crate::config::size::ByteSize;

/// What one source says about the options of `start` and `export`. What it leaves open is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// The Procfile to read.
    pub procfile: Option<PathBuf>,
    /// The app root.
    pub root: Option<PathBuf>,
    /// The files that replace `.env`, in order; none at all when the list is empty.
    #[serde(deserialize_with = "files")]
    pub env: Option<Vec<PathBuf>>,
    /// The base port.
    #[serde(deserialize_with = "scalar")]
    pub port: Option<Port>,
    /// Whether files or environment win.
    #[serde(deserialize_with = "scalar")]
    pub env_precedence: Option<EnvPrecedence>,
    /// What `-m` takes; [`formation`](crate::formation) reads it.
    pub formation: Option<String>,
    /// The grace period.
    #[serde(deserialize_with = "scalar")]
    pub timeout: Option<Timeout>,
    /// The time before each line.
    #[serde(deserialize_with = "scalar")]
    pub timestamp: Option<Timestamp>,
    /// When output is coloured.
    #[serde(deserialize_with = "scalar")]
    pub color: Option<ColorChoice>,
    /// The form of the output.
    #[serde(deserialize_with = "scalar")]
    pub log_format: Option<LogFormat>,
    /// When the instances get terminals.
    #[serde(deserialize_with = "scalar")]
    pub pty: Option<PtyChoice>,
    /// How much of what each instance has written is kept, for `logs` and `attach`.
    #[serde(deserialize_with = "scalar")]
    pub log_buffer: Option<ByteSize>,
    /// The file that a formation in the background writes to.
    pub log_file: Option<PathBuf>,
    /// How large that file may become.
    #[serde(deserialize_with = "scalar")]
    pub log_size: Option<ByteSize>,
    /// Where the control socket lies.
    #[serde(deserialize_with = "scalar")]
    pub socket: Option<Socket>,
    /// The name of the app in what is exported.
    #[serde(deserialize_with = "scalar")]
    pub app: Option<AppName>,
    /// The directory for logs of what is exported.
    pub log: Option<PathBuf>,
    /// The directory for pid files and the like of what is exported.
    pub run: Option<PathBuf>,
    /// The user that exported processes run as.
    #[serde(deserialize_with = "scalar")]
    pub user: Option<UserName>,
    /// The directory of templates that take the place of those built in.
    pub template: Option<PathBuf>,
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
        }
    }
}

/// Returns the options that a `procman.toml` sets. Keys are the long names of the command line.
pub fn from_toml(text: &str) -> Result<Options, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A text without a place in it is wrong from the start.
    toml::from_str(text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
        let last = before.rsplit('\n').next().unwrap_or_default().trim_end_matches('\r');
        ConfigError {
            line: before.matches('\n').count() + 1,
            column: last.chars().count() + 1,
            message: escaped(error.message()),
        }
    })
}

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

/// Why a text is not a value of an option. `value` is already fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{value}` is not {expected}")]
pub struct OptionError {
    /// What was written.
    pub value: String,
    /// What it should be, such as "a port from 0 to 65535".
    pub expected: &'static str,
}

impl OptionError {
    fn new(value: &str, expected: &'static str) -> OptionError {
        OptionError { value: excerpt(value), expected }
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
        Timeout(Duration::from_secs(5))
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

/// Whether the `.env` files or procman's own environment win when both set a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvPrecedence {
    /// foreman's order.
    #[default]
    File,
    /// The order of containers and of most dotenv loaders.
    Shell,
}

impl FromStr for EnvPrecedence {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<EnvPrecedence, OptionError> {
        match text {
            "file" => Ok(EnvPrecedence::File),
            "shell" => Ok(EnvPrecedence::Shell),
            _ => Err(OptionError::new(text, "`file` or `shell`")),
        }
    }
}

/// The time before each line of output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timestamp {
    /// Written `false`.
    Off,
    /// Written `true`.
    #[default]
    Default,
    /// In this `strftime` format; anything else that is written.
    Format(String),
}

impl FromStr for Timestamp {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Timestamp, OptionError> {
        match text {
            "false" => Ok(Timestamp::Off),
            "true" => Ok(Timestamp::Default),
            "" => Err(OptionError::new(text, "`true`, `false` or a time format")),
            _ => Ok(Timestamp::Format(text.to_owned())),
        }
    }
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Always; written `true` too.
    Always,
    /// Never; written `false` too.
    Never,
}

impl FromStr for ColorChoice {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<ColorChoice, OptionError> {
        match text {
            "auto" => Ok(ColorChoice::Auto),
            "always" | "true" => Ok(ColorChoice::Always),
            "never" | "false" => Ok(ColorChoice::Never),
            _ => Err(OptionError::new(text, "`auto`, `always` or `never`")),
        }
    }
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, name and line.
    #[default]
    Text,
    /// One object a line.
    Json,
    /// The bytes of the processes, line by line.
    Raw,
}

impl FromStr for LogFormat {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<LogFormat, OptionError> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            "raw" => Ok(LogFormat::Raw),
            _ => Err(OptionError::new(text, "`text`, `json` or `raw`")),
        }
    }
}

/// When each instance gets a pseudo-terminal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PtyChoice {
    /// When procman itself writes to a terminal.
    #[default]
    Auto,
    /// Always; written `true` too.
    Always,
    /// Never; written `false` too.
    Never,
}

impl FromStr for PtyChoice {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<PtyChoice, OptionError> {
        match text {
            "auto" => Ok(PtyChoice::Auto),
            "always" | "true" => Ok(PtyChoice::Always),
            "never" | "false" => Ok(PtyChoice::Never),
            _ => Err(OptionError::new(text, "`auto`, `always` or `never`")),
        }
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

/// A value of TOML that a command line could write too.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string, a number, `true` or `false`")]
enum Scalar {
    Switch(bool),
    Whole(i64),
    Fraction(f64),
    Text(String),
}

/// The files after `env`, as `-e` takes them or one by one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected file names, in a list or with commas between them")]
enum Files {
    Joined(String),
    List(Vec<PathBuf>),
}

fn scalar<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err = OptionError>,
    D: Deserializer<'de>,
{
    let text = match Scalar::deserialize(deserializer)? {
        Scalar::Switch(value) => value.to_string(),
        Scalar::Whole(value) => value.to_string(),
        Scalar::Fraction(value) => value.to_string(),
        Scalar::Text(value) => value,
    };
    text.parse().map(Some).map_err(D::Error::custom)
}

fn files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    Ok(Some(match Files::deserialize(deserializer)? {
        Files::Joined(text) => split_files(&text),
        Files::List(files) => files,
    }))
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
        ByteSize, ColorChoice, EnvPrecedence, LogFormat, Options, Port, PtyChoice, Socket, Timeout,
        Timestamp, from_toml,
    };

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
    fn an_unknown_key_is_an_error_that_lists_the_known_ones() {
        check_error(
            "port = 1\nprot = 2\n",
            "2:1 unknown field `prot`, expected one of `procfile`, `root`, `env`, `port`, `env-precedence`, \
             `formation`, `timeout`, `timestamp`, `color`, `log-format`, \
             `pty`, `log-buffer`, `log-file`, `log-size`, `socket`, \
             `app`, `log`, `run`, `user`, `template`",
        );
    }

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
