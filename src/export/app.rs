//! What there is to be exported: an app with its processes, as the plan has them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::export::ExportError;
use crate::export::probe::asks_own_port;
use crate::export::supervision::Supervision;
use crate::formation::{InstanceId, RELEASE};
use crate::plan::policies::Stated;
use crate::plan::{Plan, Program};
use crate::policy::{Kind, Need, Policy, Probe};
use crate::procfile::ProcessType;

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
    /// How long a process has between being asked to end and being killed, unless its type says something else.
    pub grace: Duration,
    /// What the environment files set, but for `PORT` and `PS`, ordered by name.
    pub variables: Vec<(String, String)>,
    /// The types that have instances, in the Procfile's order.
    pub processes: Vec<Process>,
    /// The release phase, if the Procfile has one and it is not among the types: what runs once before a new release does.
    /// It has one instance, whose `PORT` is the one that `procman run release` gives it.
    pub release: Option<Process>,
}

/// What is said of an app that its plan does not say.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// See [`App::name`].
    pub name: String,
    /// See [`App::user`].
    pub user: Option<String>,
    /// See [`App::log`].
    pub log: PathBuf,
    /// See [`App::run`].
    pub run: PathBuf,
    /// See [`App::grace`].
    pub grace: Duration,
    /// What somebody has said of types. Where nobody has, what the plan has is left to the format.
    pub stated: BTreeMap<ProcessType, Stated>,
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
    /// How they are supervised.
    pub supervision: Supervision,
}

/// Whether a type listens on its `PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// It does: it is called `web`, as Heroku's router has it, its command names `PORT`, or its policy says how that is
    /// asked.
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

impl App {
    /// Returns the app that a plan describes. The plan is one of the files alone: what else is in its environment
    /// would be exported with it.
    pub fn new(plan: &Plan, deployment: Deployment) -> Result<App, ExportError> {
        let Deployment { name, user, log, run, grace, stated } = deployment;
        for (what, path) in [
            ("the app's directory", plan.root()),
            ("the directory for logs", &log),
            ("the run directory", &run),
        ] {
            check_path(what, path)?;
        }
        let counts = plan.formation().counts();
        let supervision = |process: &ProcessType| {
            let policy = plan.policies().get(process).cloned().unwrap_or_else(|| Policy::new(grace));
            Supervision::stated(&policy, stated.get(process).copied().unwrap_or_default())
        };
        let process =
            |(process, count): &(ProcessType, u32)| Process::new(plan, process, *count, supervision(process));
        let processes: Vec<Process> = counts.iter().filter_map(process).collect();
        let is_release = |(process, count): &&(ProcessType, u32)| process.as_str() == RELEASE && *count == 0;
        let release = counts.iter().find(is_release).and_then(|(process, _)| {
            // Whatever its table says, it ends by itself.
            let supervision = Supervision { kind: Kind::OneShot, ..supervision(process) };
            Process::new(plan, process, 1, supervision)
        });
        let any = counts.first().map(|(process, _)| InstanceId { process: process.clone(), number: 1 });
        let environment = any.and_then(|instance| plan.instance(&instance)).map(|found| found.environment);
        let set = environment.iter().flat_map(|environment| environment.iter());
        let set = set.filter(|(name, _)| *name != "PORT" && *name != "PS");
        let variables = set
            .map(|(name, value)| Ok((text("a variable", name)?, text("the value of a variable", value)?)))
            .collect::<Result<_, _>>()?;
        let root = plan.root().to_owned();
        Ok(App { name, root, user, log, run, grace, variables, processes, release })
    }

    /// Returns the types that have instances, of those that are needed, in the Procfile's order.
    pub fn needed<'a>(&'a self, supervision: &'a Supervision) -> impl Iterator<Item = &'a Process> {
        let is_needed = |name: &str| {
            supervision.needs.iter().any(|need| match need {
                Need::Process(process) => process.as_str() == name,
                Need::Service(_) => false,
            })
        };
        self.processes.iter().filter(move |process| is_needed(&process.name))
    }

    /// Returns all commands, probes and values, and the user, each with the words that say what it is.
    pub fn texts(&self) -> impl Iterator<Item = (String, &str)> {
        let command = |process: &Process| format!("the command of `{}`", process.name);
        let commands = self.processes.iter().map(move |process| (command(process), process.command.as_str()));
        let probes = self.processes.iter().flat_map(Process::probes);
        let release = self.release.iter().map(move |release| (command(release), release.command.as_str()));
        let variables = self.variables.iter();
        let variables = variables.map(|(name, value)| (format!("the variable `{name}`"), value.as_str()));
        let user = self.user.iter().map(|user| ("the user".to_owned(), user.as_str()));
        commands.chain(probes).chain(release).chain(variables).chain(user)
    }
}

impl Process {
    fn new(plan: &Plan, process: &ProcessType, count: u32, supervision: Supervision) -> Option<Process> {
        let instance = |number| {
            let id = InstanceId { process: process.clone(), number };
            Some(Instance { number, name: id.to_string(), port: plan.port_of(&id)? })
        };
        let instances: Vec<Instance> = (1..=count).filter_map(instance).collect();
        let (name, command) = (process.to_string(), command(plan, process)?);
        let is_asked = supervision.probes().any(asks_own_port);
        let port = if is_asked { Port::Bound } else { Port::of(&name, &command) };
        (!instances.is_empty()).then_some(Process { name, command, port, instances, supervision })
    }

    /// Returns what is tried to see whether an instance is ready or well, each with the words that say what it is.
    pub fn probes(&self) -> impl Iterator<Item = (String, &str)> {
        let text = |probe| match probe {
            &Probe::Port => None,
            Probe::Http { target, .. } => Some(target.as_str()),
            Probe::Exec(command) => Some(command.as_str()),
        };
        let texts = self.supervision.probes().filter_map(text);
        texts.map(|text| (format!("a probe of `{}`", self.name), text))
    }

    /// Returns its first instance's port, which stands for all where instances cannot have their own.
    pub fn first_port(&self) -> u16 {
        self.instances.first().map_or(0, |instance| instance.port)
    }

    /// Returns its first instance's name.
    pub fn first_name(&self) -> &str {
        self.instances.first().map_or(&self.name, |instance| &instance.name)
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

/// Returns what the shell is given for a type.
fn command(plan: &Plan, process: &ProcessType) -> Option<String> {
    let first = InstanceId { process: process.clone(), number: 1 };
    match plan.instance(&first)?.program {
        Program::Shell(command) => Some(command),
        Program::Direct { .. } => None,
    }
}

/// Checks that a path can stand in a file of text, in a line with others.
fn check_path(what: &str, path: &Path) -> Result<(), ExportError> {
    let path = text(what, path.as_os_str())?;
    if path.chars().any(char::is_control) {
        return Err(ExportError::Unusable {
            what: what.to_owned(),
            why: "has a control character in its name",
        });
    }
    Ok(())
}

fn text(what: &str, text: &OsStr) -> Result<String, ExportError> {
    let unusable = || ExportError::Unusable { what: what.to_owned(), why: "is not UTF-8 text" };
    text.to_str().map(str::to_owned).ok_or_else(unusable)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    //! An app with every kind of trouble in it, for the tests of all formats.

    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::{App, Deployment, Instance, Port, Process, Supervision};
    use crate::config::EnvPrecedence;
    use crate::dotenv::{self, Env};
    use crate::formation::{Formation, RELEASE, Request};
    use crate::plan::policies::Stated;
    use crate::plan::{Inputs, Plan};
    use crate::policy::{
        Endpoint, Health, Kind, Need, OnExit, Policies, Policy, Probe, Readiness, Restart, Service, Sign,
    };
    use crate::process::Signal;
    use crate::procfile::{self, ProcessType};

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
                supervision: Supervision::new(&Policy::new(Duration::from_secs(5))),
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
            release: Some(release("exec ./migrate")),
        }
    }

    /// Returns the release phase of that app with this command.
    pub fn release(command: &str) -> Process {
        let usual = Supervision::new(&Policy::new(Duration::from_secs(5)));
        Process {
            name: RELEASE.to_owned(),
            command: command.to_owned(),
            port: Port::Unused,
            instances: vec![Instance { number: 1, name: "release.1".to_owned(), port: 5200 }],
            supervision: Supervision { kind: Kind::OneShot, ..usual },
        }
    }

    /// Returns that app with another grace period for all of it.
    pub fn torture_in(grace: Duration) -> App {
        let mut app = App { grace, ..torture() };
        app.processes.iter_mut().for_each(|process| process.supervision.grace = grace);
        app
    }

    /// Returns a plan of files alone.
    fn plan(procfile: &str, env: &str, counts: &str, root: &str, policies: Policies) -> Plan {
        let entries = procfile::parse(procfile.as_bytes()).entries;
        let types: Vec<ProcessType> = entries.iter().map(|entry| entry.name.clone()).collect();
        let mut files = Env::default();
        assert_eq!(dotenv::read(&mut files, env.as_bytes(), &|_| None), []);
        let request: Option<Request> = (!counts.is_empty()).then(|| counts.parse().unwrap());
        let formation = Formation::resolve(&types, request.as_ref(), &[]).unwrap();
        Plan::new(Inputs {
            entries,
            files,
            outer: Vec::new(),
            precedence: EnvPrecedence::File,
            port: None,
            root: root.into(),
            formation,
            policies,
        })
        .unwrap()
    }

    fn deployment() -> Deployment {
        Deployment {
            name: "shop".to_owned(),
            user: None,
            log: "/var/log/shop".into(),
            run: "/var/run/shop".into(),
            grace: Duration::from_secs(5),
            stated: BTreeMap::new(),
        }
    }

    /// Returns policies of all kinds.
    fn policies_of_all_kinds() -> Policies {
        let usual = Policy::new(Duration::from_secs(5));
        let name = |name: &str| ProcessType::new(name).unwrap();
        let sign = |sign| {
            let (interval, timeout) = (Duration::from_millis(500), Duration::from_secs(5));
            Some(Readiness { sign, interval, timeout, deadline: Duration::from_secs(30) })
        };
        let probe = |probe| sign(Sign::Probe(probe));
        let http = |target: &str, status| Probe::Http { target: target.to_owned(), status };
        let health = |probe| {
            let (interval, timeout) = (Duration::from_secs(20), Duration::from_secs(2));
            Some(Health { probe, interval, timeout, failures: 5 })
        };
        let service = |name: &str, host: &str, port| {
            let endpoint = Ok(Endpoint::Tcp { host: host.to_owned(), port });
            Need::Service(Service { name: name.to_owned(), endpoint })
        };
        let check = r#"test "$(./ask '100% ${A} {{ b }}')" = 'it'"'"'s' # x"#;
        Policies::from([
            (
                name("web"),
                Policy {
                    restart: Restart::Always,
                    stop_signal: "QUIT".parse().unwrap(),
                    grace: Duration::from_millis(12_500),
                    needs: vec![
                        Need::Process(name("migrate")),
                        Need::Process(name("cache")),
                        service("DATABASE_URL", "db.internal", 5432),
                    ],
                    ready: probe(http("/health?a='$(id)'&b=[1]%20", None)),
                    health: health(http("http://localhost:9000/alive", Some(204))),
                    ..usual.clone()
                },
            ),
            (
                name("cache"),
                Policy { restart: Restart::OnFailure, budget: 3, ready: probe(Probe::Port), ..usual.clone() },
            ),
            (
                name("work"),
                Policy {
                    stop_signal: Signal(36),
                    needs: vec![Need::Process(name("cache")), Need::Process(name("gone"))],
                    ready: probe(Probe::Exec(check.to_owned())),
                    health: health(Probe::Exec(check.to_owned())),
                    ..usual.clone()
                },
            ),
            (
                name("clock"),
                Policy {
                    needs: vec![Need::Process(name("work")), Need::Process(name("release"))],
                    ready: sign(Sign::Notify),
                    ..usual.clone()
                },
            ),
            (
                name("release"),
                Policy {
                    restart: Restart::OnFailure,
                    budget: 3,
                    stop_signal: "INT".parse().unwrap(),
                    grace: Duration::from_secs(60),
                    needs: vec![Need::Process(name("cache"))],
                    ..usual.clone()
                },
            ),
            (name("mail"), Policy { ready: sign(Sign::Log("listening -->\n".to_owned())), ..usual.clone() }),
            (name("migrate"), Policy { kind: Kind::OneShot, ..usual.clone() }),
            (name("plain"), Policy { budget: 1, ..usual.clone() }),
            (
                name("seed"),
                Policy {
                    kind: Kind::OneShot,
                    restart: Restart::Always,
                    budget: 4,
                    grace: Duration::from_secs(60),
                    ..usual
                },
            ),
        ])
    }

    /// Returns an app with policies of all kinds.
    pub fn supervised() -> App {
        let procfile = "web: ./web -p $PORT\ncache: ./cache\nwork: ./work\nclock: ./tick\nmail: ./mail\n\
                        migrate: ./migrate\nseed: ./seed\nrelease: ./release\ngone: x\nplain: ./plain\n";
        let counts = "web=2,cache=2,work=1,clock=1,mail=1,migrate=1,seed=2,plain=1";
        let plan = plan(procfile, "A=1\n", counts, "/srv/shop", policies_of_all_kinds());
        let said = |name: &str, stated| (ProcessType::new(name).unwrap(), stated);
        let nothing = Stated::default();
        let stated = BTreeMap::from([
            said("work", Stated { restart: Some(Restart::Never), on_exit: Some(OnExit::StopAll), ..nothing }),
            said("mail", Stated { has_terminal: true, on_exit: Some(OnExit::Ignore), ..nothing }),
        ]);
        App::new(&plan, Deployment { stated, ..deployment() }).unwrap()
    }

    const PROCFILE: &str = "web: ./web\nrelease: ./migrate\nwork: a; b\nidle: x\n";

    #[test]
    fn what_is_exported_is_what_start_would_run() {
        let plan =
            plan(PROCFILE, "B=2\nA=1\nPORT=6000\nPS=x\n", "web=2,work=1", "/srv/shop", Policies::new());
        let app = App::new(&plan, deployment()).unwrap();
        let shown: Vec<String> = app
            .processes
            .iter()
            .map(|process| {
                let instances = process.instances.iter().map(|one| format!(" {}={}", one.name, one.port));
                format!("{}:{}", process.command, instances.collect::<String>())
            })
            .collect();
        assert_eq!(shown, ["exec ./web: web.1=6000 web.2=6001", "a; b: work.1=6200"]);
        assert_eq!(app.variables, [("A", "1"), ("B", "2")].map(|(a, b)| (a.to_owned(), b.to_owned())));
        let release = app.release.unwrap();
        assert_eq!((&*release.command, release.first_port()), ("exec ./migrate", 6100));
    }

    #[test]
    fn a_release_that_is_asked_for_is_an_instance_like_any_other() {
        let app =
            App::new(&plan(PROCFILE, "", "release=1", "/srv/shop", Policies::new()), deployment()).unwrap();
        assert_eq!((app.processes.len(), app.release), (1, None));
        let app = App::new(&plan("web: x\n", "", "", "/srv/shop", Policies::new()), deployment()).unwrap();
        assert_eq!(app.release, None);
    }

    #[test]
    fn a_directory_that_is_no_line_of_text_is_refused() {
        let error =
            App::new(&plan(PROCFILE, "", "", "/srv/a\nb", Policies::new()), deployment()).unwrap_err();
        let words = "the app cannot be exported: the app's directory has a control character in its name";
        assert_eq!(error.to_string(), words);
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
