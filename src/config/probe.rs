//! `ready` and `health` of a `[process.NAME]` table: a word, or a table with the sign and its times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use regex_lite::Regex;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

#[cfg(test)]
use crate::config::schema;
use crate::config::{OptionError, Timeout, scalar};
use crate::policy::{Health, Probe, Readiness, Sign};
use crate::service;

/// How an instance is known to be ready. Just one of `port`, `http`, `log`, `exec` and `notify`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ready-table", extend("oneOf" = schema::just_one(&["port", "http", "log", "exec", "notify"]))))]
pub(super) struct ReadyTable {
    /// Its `PORT` accepts a connection.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::True"))]
    port: Option<True>,
    /// A GET is answered: a path at its `PORT`, or an `http://` URL.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Target"))]
    http: Option<Target>,
    /// The status that `http` is to be answered with; any from 200 to 399 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Status"))]
    status: Option<Status>,
    /// It writes a line in which this regular expression is found.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "String"))]
    log: Option<Pattern>,
    /// This command, run by `/bin/sh -c` with its environment, exits with 0.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "String"))]
    exec: Option<Command>,
    /// It says so, by sd_notify(3).
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::True"))]
    notify: Option<True>,
    /// How many seconds after one probe the next one follows; 0.5 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Span"))]
    interval: Option<Span>,
    /// How many seconds a probe may take; 5 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Span"))]
    timeout: Option<Span>,
    /// How many seconds after its start it has to be ready; 60 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Span"))]
    deadline: Option<Span>,
}

/// How an instance is known to be well. Just one of `port`, `http` and `exec`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "health-table", extend("oneOf" = schema::just_one(&["port", "http", "exec"]))))]
pub(super) struct HealthTable {
    /// Its `PORT` accepts a connection.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::True"))]
    port: Option<True>,
    /// A GET is answered: a path at its `PORT`, or an `http://` URL.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Target"))]
    http: Option<Target>,
    /// The status that `http` is to be answered with; any from 200 to 399 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Status"))]
    status: Option<Status>,
    /// This command, run by `/bin/sh -c` with its environment, exits with 0.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "String"))]
    exec: Option<Command>,
    /// How many seconds after one probe the next one follows; 10 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Span"))]
    interval: Option<Span>,
    /// How many seconds a probe may take; 5 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Span"))]
    timeout: Option<Span>,
    /// How many failures in a row are too many; 3 if nothing is said.
    #[serde(deserialize_with = "scalar")]
    #[cfg_attr(test, schemars(with = "schema::Failures"))]
    failures: Option<Failures>,
}

impl<'de> Deserialize<'de> for Readiness {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Readiness, D::Error> {
        const WORDS: &str = "`port`, `notify` or a table such as `{ http = \"/health\" }`";
        let table = table(deserializer, WORDS, |word| match word {
            "port" => Some(ReadyTable { port: Some(True), ..ReadyTable::default() }),
            "notify" => Some(ReadyTable { notify: Some(True), ..ReadyTable::default() }),
            _ => None,
        })?;
        let ReadyTable { port, http, status, log, exec, notify, interval, timeout, deadline } = table;
        let signs = [
            port.map(|True| ("port", Sign::Probe(Probe::Port))),
            http.map(|http| ("http", Sign::Probe(http_probe(http, status)))),
            log.map(|Pattern(pattern)| ("log", Sign::Log(pattern))),
            exec.map(|Command(command)| ("exec", Sign::Probe(Probe::Exec(command)))),
            notify.map(|True| ("notify", Sign::Notify)),
        ];
        let sign = the_only(signs, "`port`, `http`, `log`, `exec` or `notify`", status)?;
        Ok(Readiness {
            sign,
            interval: interval.map_or(Readiness::INTERVAL, |Span(time)| time),
            timeout: timeout.map_or(Readiness::TIMEOUT, |Span(time)| time),
            deadline: deadline.map_or(Readiness::DEADLINE, |Span(time)| time),
        })
    }
}

impl<'de> Deserialize<'de> for Health {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Health, D::Error> {
        const WORDS: &str = "`port` or a table such as `{ http = \"/health\" }`";
        let table = table(deserializer, WORDS, |word| match word {
            "port" => Some(HealthTable { port: Some(True), ..HealthTable::default() }),
            _ => None,
        })?;
        let HealthTable { port, http, status, exec, interval, timeout, failures } = table;
        let probes = [
            port.map(|True| ("port", Probe::Port)),
            http.map(|http| ("http", http_probe(http, status))),
            exec.map(|Command(command)| ("exec", Probe::Exec(command))),
        ];
        let probe = the_only(probes, "`port`, `http` or `exec`", status)?;
        Ok(Health {
            probe,
            interval: interval.map_or(Health::INTERVAL, |Span(time)| time),
            timeout: timeout.map_or(Health::TIMEOUT, |Span(time)| time),
            failures: failures.map_or(Health::FAILURES, |Failures(failures)| failures),
        })
    }
}

fn http_probe(Target(target): Target, status: Option<Status>) -> Probe {
    Probe::Http { target, status: status.map(|Status(status)| status) }
}

/// Returns the sign that is there, when it is alone. `all` are the names of those that can be.
fn the_only<T, E: Error>(
    signs: impl IntoIterator<Item = Option<(&'static str, T)>>,
    all: &str,
    status: Option<Status>,
) -> Result<T, E> {
    let mut signs = signs.into_iter().flatten();
    let (name, sign) = signs.next().ok_or_else(|| E::custom(format!("there has to be {all}")))?;
    if let Some((second, _)) = signs.next() {
        return Err(E::custom(format!("`{name}` and `{second}` exclude each other")));
    }
    if status.is_some() && name != "http" {
        return Err(E::custom(format!("`status` is for `http`, not for `{name}`")));
    }
    Ok(sign)
}

/// Reads a word or a table. An enum without tags, which serde has for that, would lose the places of faults.
fn table<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    words: &'static str,
    of_word: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct WordOrTable<T, F>(&'static str, F, std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>, F: Fn(&str) -> Option<T>> Visitor<'de> for WordOrTable<T, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
            (self.1)(word).ok_or_else(|| E::custom(OptionError::new(word, self.0)))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(WordOrTable(words, of_word, std::marker::PhantomData))
}

/// The value of a key that only says that it is there.
#[derive(Clone, Copy)]
struct True;

impl FromStr for True {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<True, OptionError> {
        if text == "true" { Ok(True) } else { Err(OptionError::new(text, "`true`")) }
    }
}

/// What a GET is for.
struct Target(String);

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        // Of what is no path nothing is shown, for there may be a password in it.
        const WORDS: &str = "a path such as `/health` or a URL such as `http://localhost:8080/health`";
        let is_plain = !text.chars().any(|character| character.is_whitespace() || character.is_control());
        let lower = text.to_ascii_lowercase();
        if text.starts_with('/') && is_plain {
            Ok(Target(text.to_owned()))
        } else if lower.starts_with("https:") {
            let words = "`https` cannot be probed; name a port that speaks `http`, or use `exec` with a program such as curl";
            Err(words.to_owned())
        } else if lower.starts_with("http://") && text.contains('@') {
            Err(format!("this URL has a user in it, and should be {WORDS}"))
        } else if lower.starts_with("http://") && is_plain && service::endpoint(text).is_ok() {
            // Whoever reads it knows one way to write a scheme.
            Ok(Target(format!("http://{}", &text["http://".len()..])))
        } else {
            Err(format!("this is not {WORDS}"))
        }
    }
}

/// A status of HTTP.
#[derive(Clone, Copy)]
struct Status(u16);

impl FromStr for Status {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Status, OptionError> {
        let status = text.parse().ok().filter(|status| (100..=599).contains(status));
        status.map(Status).ok_or_else(|| OptionError::new(text, "a status of HTTP from 100 to 599"))
    }
}

/// A regular expression that can be read.
struct Pattern(String);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        match Regex::new(text) {
            Ok(_) => Ok(Pattern(text.to_owned())),
            Err(error) => Err(format!("this is not a regular expression: {error}")),
        }
    }
}

/// A command that says anything.
struct Command(String);

impl FromStr for Command {
    type Err = String;

    fn from_str(text: &str) -> Result<Command, String> {
        // No process can be given a NUL.
        if text.trim().is_empty() || text.contains('\0') {
            return Err("this is not a command".to_owned());
        }
        Ok(Command(text.to_owned()))
    }
}

/// A time that is longer than nothing, in seconds.
struct Span(Duration);

impl FromStr for Span {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Span, OptionError> {
        let time = text.parse::<Timeout>().ok().map(|Timeout(time)| time).filter(|time| !time.is_zero());
        time.map(Span).ok_or_else(|| OptionError::new(text, "a number of seconds above 0, at most 31536000"))
    }
}

/// A number of failures in a row.
struct Failures(u32);

impl FromStr for Failures {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Failures, OptionError> {
        let failures = text.parse().ok().filter(|failures| *failures >= 1);
        failures.map(Failures).ok_or_else(|| OptionError::new(text, "a whole number from 1"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use crate::config::from_toml;
    use crate::policy::{Health, Probe, Readiness, Sign};

    /// Returns what a value of `ready` means.
    fn ready(value: &str) -> Result<Readiness, String> {
        let options = from_toml(&format!("[process.web]\nready = {value}"));
        let options = options.map_err(|error| format!("{}:{} {error}", error.line, error.column))?;
        Ok(options.processes.get("web").unwrap().ready.clone().unwrap().into_inner())
    }

    fn health(value: &str) -> Result<Health, String> {
        let options = from_toml(&format!("[process.web]\nhealth = {value}"));
        let options = options.map_err(|error| format!("{}:{} {error}", error.line, error.column))?;
        Ok(options.processes.get("web").unwrap().health.clone().unwrap().into_inner())
    }

    #[track_caller]
    fn check_sign(value: &str, sign: Sign) {
        let usual = Readiness {
            sign,
            interval: Readiness::INTERVAL,
            timeout: Readiness::TIMEOUT,
            deadline: Readiness::DEADLINE,
        };
        assert_eq!(ready(value), Ok(usual), "{value}");
    }

    fn http(target: &str, status: Option<u16>) -> Probe {
        Probe::Http { target: target.to_owned(), status }
    }

    #[test]
    fn a_sign_is_a_word_or_a_table() {
        check_sign("'port'", Sign::Probe(Probe::Port));
        check_sign("{ port = true }", Sign::Probe(Probe::Port));
        check_sign("'notify'", Sign::Notify);
        check_sign("{ notify = true }", Sign::Notify);
        check_sign("{ log = 'listening on .*' }", Sign::Log("listening on .*".to_owned()));
        check_sign("{ exec = './ready' }", Sign::Probe(Probe::Exec("./ready".to_owned())));
        check_sign("{ http = '/health?a=b' }", Sign::Probe(http("/health?a=b", None)));
        let url = "http://localhost:8080/x";
        check_sign(&format!("{{ http = '{url}', status = 204 }}"), Sign::Probe(http(url, Some(204))));
        check_sign("{ http = 'HTTP://H/X' }", Sign::Probe(http("http://H/X", None)));
    }

    #[test]
    fn the_times_of_a_probe_can_be_set() {
        let [half, two, nine] = [500, 2000, 9000].map(Duration::from_millis);
        let expected =
            Readiness { sign: Sign::Probe(Probe::Port), interval: half, timeout: two, deadline: nine };
        assert_eq!(ready("{ port = true, interval = 0.5, timeout = 2, deadline = '9' }"), Ok(expected));
        let usual = Health {
            probe: Probe::Port,
            interval: Health::INTERVAL,
            timeout: Health::TIMEOUT,
            failures: Health::FAILURES,
        };
        assert_eq!(health("'port'"), Ok(usual.clone()));
        let expected = Health { probe: http("/", Some(200)), interval: half, timeout: two, failures: 1 };
        let value = "{ http = '/', status = 200, interval = 0.5, timeout = 2, failures = 1 }";
        assert_eq!(health(value), Ok(expected));
    }

    #[test]
    fn a_table_of_their_own_is_read_as_the_one_in_line() {
        let text = "[process.web.ready]\nport = true\ninterval = 2\n[process.web]\ncount = 1";
        let options = from_toml(text).unwrap();
        let in_line = ready("{ port = true, interval = 2 }").unwrap();
        assert_eq!(options.processes.get("web").unwrap().ready.as_ref().unwrap().get_ref(), &in_line);
    }

    #[test]
    fn a_wrong_sign_is_an_error_where_it_stands() {
        for (value, expected) in [
            (
                "'prot'",
                "2:9 `prot` is not `port`, `notify` or a table such as `{ http = \"/health\" }`, did you mean `port`",
            ),
            ("{}", "2:9 there has to be `port`, `http`, `log`, `exec` or `notify`"),
            ("{ interval = 1 }", "2:9 there has to be `port`, `http`, `log`, `exec` or `notify`"),
            ("{ port = true, exec = 'x' }", "2:9 `port` and `exec` exclude each other"),
            ("{ port = true, status = 200 }", "2:9 `status` is for `http`, not for `port`"),
            ("{ port = false }", "2:18 `false` is not `true`"),
            ("{ htpp = '/' }", "2:11 unknown key `htpp`, did you mean `http`"),
            (
                "{ port = true, interval = 0 }",
                "2:35 `0` is not a number of seconds above 0, at most 31536000",
            ),
            (
                "{ port = true, deadline = -1 }",
                "2:35 `-1` is not a number of seconds above 0, at most 31536000",
            ),
            ("{ http = '/', status = 99 }", "2:32 `99` is not a status of HTTP from 100 to 599"),
            ("{ exec = ' ' }", "2:18 this is not a command"),
        ] {
            assert_eq!(ready(value), Err(expected.to_owned()), "{value}");
        }
        let error = ready("{ log = '(' }").unwrap_err();
        assert!(error.starts_with("2:17 this is not a regular expression: "), "{error}");
        let error = ready("1").unwrap_err();
        assert!(error.contains("expected `port`, `notify` or a table"), "{error}");
    }

    #[test]
    fn health_knows_neither_lines_nor_words() {
        for (value, expected) in [
            ("'notify'", "2:10 `notify` is not `port` or a table such as `{ http = \"/health\" }`"),
            ("{}", "2:10 there has to be `port`, `http` or `exec`"),
            ("{ port = true, failures = 0 }", "2:36 `0` is not a whole number from 1"),
        ] {
            assert_eq!(health(value), Err(expected.to_owned()), "{value}");
        }
        for key in ["log = 'x'", "notify = true", "deadline = 1"] {
            let error = health(&format!("{{ {key} }}")).unwrap_err();
            let words = "there are `port`, `http`, `status`, `exec`, `interval`, `timeout`, `failures`";
            assert!(error.starts_with("2:12 unknown key `") && error.ends_with(words), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for_over_http_is_refused_without_being_shown() {
        const WORDS: &str = "a path such as `/health` or a URL such as `http://localhost:8080/health`";
        for (target, expected) in [
            (
                "https://h",
                "`https` cannot be probed; name a port that speaks `http`, or use `exec` with a program such as curl",
            ),
            ("http://me:s3cret@h/", &format!("this URL has a user in it, and should be {WORDS}")),
            ("health", &format!("this is not {WORDS}")),
            ("/a b", &format!("this is not {WORDS}")),
            ("http://", &format!("this is not {WORDS}")),
            ("http://h:x/", &format!("this is not {WORDS}")),
        ] {
            assert_eq!(
                ready(&format!("{{ http = '{target}' }}")),
                Err(format!("2:18 {expected}")),
                "{target}"
            );
        }
    }
}
