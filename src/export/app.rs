//! What there is to be exported: an app with its processes, as the plan has them.

use std::path::PathBuf;
use std::time::Duration;

/// An app to be run elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its name, of the Procfile's alphabet and at most 64 characters.
    pub name: String,
    /// Its root, absolute: every process runs there.
    pub root: PathBuf,
    /// The user that its processes run as; `None` leaves that to the format.
    pub user: Option<String>,
    /// The directory for logs, where a format writes some.
    pub log: PathBuf,
    /// The directory for what lives as long as the processes, such as pid files.
    pub run: PathBuf,
    /// How long a process has between being asked to end and being killed.
    pub grace: Duration,
    /// What the environment files set, but for `PORT` and `PS`, ordered by name.
    pub variables: Vec<(String, String)>,
    /// The types that have instances, in the Procfile's order.
    pub processes: Vec<Process>,
    /// The command of the release phase, as for `/bin/sh -c`, if the Procfile has one.
    pub release: Option<String>,
}

/// A process type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// What `/bin/sh -c` is given, the same as `procman start` gives it.
    pub command: String,
    /// Whether it listens on its port.
    pub port: Port,
    /// Its instances, by number; at least one.
    pub instances: Vec<Instance>,
}

/// Whether a type listens on its `PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// It does: it is called `web`, as Heroku's router has it, or its command names `PORT`.
    Bound,
    /// Nothing says so.
    Unused,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its number, from 1.
    pub number: u32,
    /// Its `PS`, such as `web.1`.
    pub name: String,
    /// Its `PORT`.
    pub port: u16,
}

impl Process {
    /// Returns its first instance's port, which stands for all where instances cannot have their own.
    pub fn first_port(&self) -> u16 {
        self.instances.first().map_or(0, |instance| instance.port)
    }
}

impl Port {
    /// Returns whether a type with this name and command listens on its port.
    pub fn of(name: &str, command: &str) -> Port {
        let names_port = command.match_indices("PORT").any(|(at, word)| {
            let (before, after) = (&command[..at], &command[at + word.len()..]);
            let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
            (before.ends_with('$') || before.ends_with("${")) && !after.starts_with(is_name)
        });
        if name == "web" || names_port { Port::Bound } else { Port::Unused }
    }
}

#[cfg(test)]
pub mod tests {
    //! An app with every kind of trouble in it, for the tests of all formats.

    use std::time::Duration;

    use super::{App, Instance, Port, Process};

    /// Returns an app with every kind of trouble in its values and commands, for the tests of all formats.
    pub fn torture() -> App {
        let process =
            |name: &str, command: &str, numbers: std::ops::RangeInclusive<u32>, base: u16| Process {
                name: name.to_owned(),
                command: command.to_owned(),
                port: Port::of(name, command),
                instances: numbers
                    .map(|number| Instance {
                        number,
                        name: format!("{name}.{number}"),
                        port: base + u16::try_from(number).unwrap_or_default() - 1,
                    })
                    .collect(),
            };
        let variables = [
            ("BACKSLASH", r"C:\dir\app\"),
            ("COLON", "a:b=c,d;e"),
            ("DOLLAR", "pa$$w0rd $HOME ${HOME} $(id) `id`"),
            ("EMPTY", ""),
            ("HASH", "a #b#"),
            ("JSON", r#"{"a": [1, "x"]}"#),
            ("LINES", "one\ntwo\n\tthree"),
            ("PASSWORD", "hunter2"),
            ("PERCENT", "100% %h %% %n"),
            ("QUOTES", r#"it's "so""#),
            ("SPACES", "  a  b  "),
            ("UNICODE", "Grüße 日本 🚀"),
        ];
        App {
            name: "shop".to_owned(),
            root: "/srv/my shop".into(),
            user: Some("deploy".to_owned()),
            log: "/var/log/shop".into(),
            run: "/var/run/shop".into(),
            grace: Duration::from_secs(5),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            processes: vec![
                process("web", "exec ./server --port \"$PORT\" --rate 100% # the 'front'", 1..=2, 5000),
                process("a-b_c", r#"printf '%s\n' "$PS" 'it'"'"'s' C:\\dir; exec ./work"#, 1..=1, 5100),
            ],
            release: Some("exec ./migrate".to_owned()),
        }
    }

    #[test]
    fn a_type_listens_if_its_name_or_its_command_says_so() {
        for (name, command, port) in [
            ("web", "x", Port::Bound),
            ("api", "x -p $PORT", Port::Bound),
            ("api", "x -p ${PORT:-1}", Port::Bound),
            ("api", "x -p $PORTAL", Port::Unused),
            ("api", "x PORT", Port::Unused),
            ("worker", "x", Port::Unused),
        ] {
            assert_eq!(Port::of(name, command), port, "{name}: {command}");
        }
    }
}
