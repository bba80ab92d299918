//! What each instance runs: Procfile × `.env` files × procman's environment × base port × app root.
//!
//! `start`, `run` and `export` ask the same plan, so that an exported unit is what `start` would have run. All that can
//! be wrong with a formation is said when the plan is made, before anything is spawned. The environment holds secrets:
//! no `Debug` output and no error shows a value of it.

pub mod policies;
mod services;
mod shell;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::config::EnvPrecedence;
use crate::dotenv::{Env, Place};
use crate::formation::{Formation, InstanceId};
use crate::policy::{Policies, Policy};
use crate::procfile::{Entry, ProcessType};
use crate::quote::excerpt;

/// Everything a plan is made of.
pub struct Inputs {
    /// The entries of the Procfile, in its order.
    pub entries: Vec<Entry>,
    /// What the `.env` files set.
    pub files: Env,
    /// procman's own environment.
    pub outer: Vec<(OsString, OsString)>,
    /// Which of the two wins.
    pub precedence: EnvPrecedence,
    /// The base port given with `-p`.
    pub port: Option<u16>,
    /// The working directory of every process.
    pub root: PathBuf,
    /// The instances to begin with.
    pub formation: Formation,
    /// How the types are supervised. Where the services of variables are is said by the plan.
    pub policies: Policies,
}

/// What any instance runs, and which instances there are at first.
#[derive(Clone, Debug)]
pub struct Plan {
    entries: Vec<Entry>,
    positions: BTreeMap<ProcessType, u32>,
    formation: Formation,
    policies: Policies,
    base_port: u16,
    root: Arc<Path>,
    shared: Shared,
}

impl Plan {
    /// Returns the plan, or the first thing that would keep an instance of the formation from running.
    pub fn new(inputs: Inputs) -> Result<Plan, PlanError> {
        let base_port = base_port(&inputs)?;
        let shared = shared(&inputs.files, inputs.outer, inputs.precedence)?;
        check_commands(&inputs.entries)?;
        let mut policies = inputs.policies;
        policies.values_mut().for_each(|policy| shared.find_services(policy));
        let mut positions = BTreeMap::new();
        positions.extend(inputs.entries.iter().map(|entry| entry.name.clone()).zip(0..));
        let plan = Plan {
            entries: inputs.entries,
            positions,
            formation: inputs.formation,
            policies,
            base_port,
            root: inputs.root.into(),
            shared,
        };
        plan.check_ports(plan.formation.instances())?;
        Ok(plan)
    }

    /// Tells every instance where procman takes requests, so that a process can ask for its own restart.
    pub fn set_socket(&mut self, path: &Path) {
        let socket = (SOCKET.into(), path.into());
        self.shared.variables = self.shared.variables.iter().cloned().chain([socket]).collect();
    }

    /// Returns the app root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the formation that `start` begins with.
    pub fn formation(&self) -> &Formation {
        &self.formation
    }

    /// Returns how the types are supervised; one that is missing as nothing were said of it.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Returns how long the end of any instance may take: as long as that of the type with the most time.
    pub fn longest_grace(&self) -> Duration {
        self.policies.values().map(|policy| policy.grace).max().unwrap_or(Policy::GRACE)
    }

    /// Returns the types of the Procfile, in its order.
    pub fn types(&self) -> Vec<ProcessType> {
        self.entries.iter().map(|entry| entry.name.clone()).collect()
    }

    /// Returns the position of a type in the Procfile, from 0: it decides ports and colours.
    pub fn position(&self, process: &ProcessType) -> Option<usize> {
        self.positions.get(process).map(|position| *position as usize)
    }

    /// Returns what `instance` runs, whether or not it is in the formation; nothing for a type that is not in the
    /// Procfile, and beyond the last port.
    pub fn instance(&self, instance: &InstanceId) -> Option<Invocation> {
        let entry = self.entry(instance.process.as_str())?;
        let port = self.port_of(instance)?;
        // A command that is as long as can be has no room for a word more.
        let command = Some(shell::with_exec(&entry.command)).filter(|command| command.len() <= LONGEST);
        let command = command.unwrap_or(Cow::Borrowed(&entry.command)).into_owned();
        Some(self.invocation(Program::Shell(command), port, instance.to_string()))
    }

    /// Returns the program that an instance becomes, where its command is surely a single one, as it is written.
    pub fn program(&self, process: &ProcessType) -> Option<&str> {
        shell::lone_program(&self.entry(process.as_str())?.command)
    }

    /// Returns what `procman run` runs. One argument that is the name of a type means its entry, as its first instance;
    /// any other is a program with its arguments, which no shell sees.
    pub fn run(&self, arguments: &[OsString]) -> Result<Invocation, RunError> {
        let (program, rest) = arguments.split_first().ok_or(RunError::NoCommand)?;
        let entry = program.to_str().filter(|_| rest.is_empty()).and_then(|name| self.entry(name));
        if let Some(entry) = entry {
            let first = InstanceId { process: entry.name.clone(), number: 1 };
            return self.instance(&first).ok_or(RunError::NoPort { instance: first });
        }
        let direct = Program::Direct { program: program.clone(), arguments: rest.to_vec() };
        Ok(self.invocation(direct, self.base_port, "run.1".to_owned()))
    }

    /// Returns the `PORT` of an instance; none for a type that is not in the Procfile, and beyond the last port.
    pub fn port_of(&self, instance: &InstanceId) -> Option<u16> {
        u16::try_from(self.port(instance)?).ok()
    }

    /// Returns whether each of these instances gets a port of its own; asked again before scaling.
    pub fn check_ports(&self, instances: impl Iterator<Item = InstanceId>) -> Result<(), PlanError> {
        // Holds at most one instance a port, however many there are.
        let mut owners = BTreeMap::new();
        for instance in instances {
            // A type that is not in the Procfile runs nothing and needs no port.
            let Some(port) = self.port(&instance) else { continue };
            if port > u16::MAX.into() {
                return Err(PlanError::PortTooHigh { instance, port });
            }
            if let Some(first) = owners.insert(port, instance.clone()) {
                return Err(PlanError::SamePort { port, first, second: instance });
            }
        }
        Ok(())
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(*self.positions.get(name)? as usize)
    }

    /// Returns base + 100 × the position of the type + (n − 1), which may lie above all ports.
    fn port(&self, instance: &InstanceId) -> Option<u64> {
        let position = *self.positions.get(&instance.process)?;
        let offset = instance.number.checked_sub(1)?;
        Some(u64::from(self.base_port) + 100 * u64::from(position) + u64::from(offset))
    }

    fn invocation(&self, program: Program, port: u16, name: String) -> Invocation {
        let environment = Environment {
            shared: self.shared.clone(),
            port: port.to_string().into(),
            name: name.into(),
            notify: None,
        };
        Invocation { program, directory: self.root.clone(), environment }
    }
}

/// One process to be: what, where and with which variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What it executes.
    pub program: Program,
    /// Where it starts: the app root.
    pub directory: Arc<Path>,
    /// All variables it has.
    pub environment: Environment,
}

impl Invocation {
    /// Returns the program and its arguments where a shell would only execute them, with this very environment.
    pub fn words(&self) -> Option<Vec<OsString>> {
        match &self.program {
            Program::Shell(command) if self.environment.shared.passes_shells => {
                shell::words(command, |name| self.environment.get(OsStr::new(name)))
            }
            Program::Shell(_) | Program::Direct { .. } => None,
        }
    }
}

/// What a process executes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `/bin/sh -c` with this command; one that is a single program begins with `exec`.
    Shell(String),
    /// A program, looked for in `PATH`, with its arguments as they are.
    Direct {
        /// Its name or path.
        program: OsString,
        /// Those after its name.
        arguments: Vec<OsString>,
    },
}

/// The whole environment of one process. All but `PORT` and `PS` is shared by all, so a copy costs next to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    shared: Shared,
    port: OsString,
    name: OsString,
    notify: Option<OsString>,
}

impl Environment {
    /// Tells this process alone where it can say how it does: sd_notify(3).
    pub fn set_notify_socket(&mut self, address: &OsStr) {
        self.notify = Some(address.to_owned());
    }

    /// Returns every name and value, no name twice.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let computed = [(OsStr::new(PORT), &*self.port), (OsStr::new(PS), &*self.name)];
        self.shared
            .variables
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
            .filter(|(name, _)| self.notify.is_none() || *name != NOTIFY_SOCKET)
            .chain(computed)
            .chain(self.notify.iter().map(|address| (OsStr::new(NOTIFY_SOCKET), address.as_os_str())))
    }

    fn get(&self, name: &OsStr) -> Option<&OsStr> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum PlanError {
    #[error("`PORT` in the environment is not a port from 0 to 65535")]
    OuterPort,
    /// The value at this place of the `.env` files.
    #[error("`PORT` is not a port from 0 to 65535")]
    FilePort { place: Place },
    #[error("`{instance}` would get port {port}, and 65535 is the last")]
    PortTooHigh { instance: InstanceId, port: u64 },
    #[error("`{first}` and `{second}` would both get port {port}")]
    SamePort { port: u64, first: InstanceId, second: InstanceId },
    /// `name` is an [`excerpt`].
    #[error(
        "the variable `{name}` has {size} bytes with its name, more than a process can be given ({LONGEST})"
    )]
    LongVariable { name: String, size: usize },
    #[error("the command of `{process}` has {size} bytes, more than a process can be given ({LONGEST})")]
    LongCommand { process: ProcessType, size: usize },
}

/// Why there is nothing for `procman run` to run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum RunError {
    #[error("no command to run")]
    NoCommand,
    #[error("there is no port for `{instance}`: 65535 is the last")]
    NoPort { instance: InstanceId },
}

/// The computed variables, which win over all others.
const PORT: &str = "PORT";
const PS: &str = "PS";
/// Where one that is asked to can say how it does.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// Where procman takes requests, which is no secret and leads nobody in who may not come.
const SOCKET: &str = "PROCMAN_SOCKET";

const DEFAULT_PORT: u16 = 5000;

/// Linux refuses a longer argument or variable with E2BIG: MAX_ARG_STRLEN is 32 pages of 4 KiB, with the final NUL
/// (execve(2)).
const LONGEST: usize = 32 * 4096 - 1;

/// What procman's own supervisor has told procman, and no one else: to notify, to ping and to take over sockets
/// (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)). Whoever wants them in a process sets them in a file.
const ONLY_FOR_PROCMAN: [&str; 6] =
    [NOTIFY_SOCKET, "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// The variables every instance has, without the computed ones.
#[derive(Clone, PartialEq, Eq)]
struct Shared {
    /// Ordered by name.
    variables: Arc<[(OsString, OsString)]>,
    /// Whether every shell passes them all on.
    passes_shells: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

/// Returns the base port: `-p`, else the `PORT` that wins by precedence, else 5000. An empty `PORT` sets nothing.
fn base_port(inputs: &Inputs) -> Result<u16, PlanError> {
    if let Some(port) = inputs.port {
        return Ok(port);
    }
    let place = inputs.files.place(PORT);
    let error = place.map(|place| PlanError::FilePort { place });
    let files = inputs.files.get(PORT).map(OsStr::new).zip(error);
    let outer = inputs.outer.iter().find(|(name, _)| name == PORT);
    let outer = outer.map(|(_, value)| (value.as_os_str(), PlanError::OuterPort));
    let candidates = match inputs.precedence {
        EnvPrecedence::File => [files, outer],
        EnvPrecedence::Shell => [outer, files],
    };
    match candidates.into_iter().flatten().find(|(value, _)| !value.is_empty()) {
        None => Ok(DEFAULT_PORT),
        Some((value, error)) => value.to_str().and_then(|text| text.trim().parse().ok()).ok_or(error),
    }
}

/// Returns what the files set and what is passed on of procman's own environment, byte for byte.
fn shared(
    files: &Env,
    outer: Vec<(OsString, OsString)>,
    precedence: EnvPrecedence,
) -> Result<Shared, PlanError> {
    let files = files.iter().map(|(name, value)| (name.into(), value.into()));
    let outer = outer.into_iter().filter(|(name, _)| is_passed_on(name));
    // Of two values of one name, the later stays.
    let mut variables: BTreeMap<OsString, OsString> = BTreeMap::new();
    match precedence {
        EnvPrecedence::File => variables.extend(outer.chain(files)),
        EnvPrecedence::Shell => variables.extend(files.chain(outer)),
    }
    variables.retain(|name, _| name != PORT && name != PS);
    for (name, value) in &variables {
        let size = name.len() + "=".len() + value.len();
        if size > LONGEST {
            return Err(PlanError::LongVariable { name: excerpt(&name.to_string_lossy()), size });
        }
    }
    let passes_shells = variables.keys().all(|name| shell::is_passed_on(name));
    Ok(Shared { variables: variables.into_iter().collect(), passes_shells })
}

fn is_passed_on(name: &OsStr) -> bool {
    let own = name.as_encoded_bytes().starts_with(b"PROCMAN_");
    !own && !ONLY_FOR_PROCMAN.iter().any(|only| name == *only)
}

fn check_commands(entries: &[Entry]) -> Result<(), PlanError> {
    let long = entries.iter().find(|entry| entry.command.len() > LONGEST);
    long.map_or(Ok(()), |entry| {
        Err(PlanError::LongCommand { process: entry.name.clone(), size: entry.command.len() })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use super::{Environment, Inputs, Plan, PlanError, Program};
    use crate::config::EnvPrecedence;
    use crate::dotenv::{self, Env};
    use crate::formation::{Formation, InstanceId};
    use crate::policy::{NoEndpoint, Policies, Service};
    use crate::procfile::{self, ProcessType};

    const PROCFILE: &str = "web: ./web -p $PORT\nworker: ./work\nclock: ./tick\n";

    /// Returns the inputs for a Procfile, with nothing else set and one instance of each type.
    fn inputs(procfile: &str) -> Inputs {
        let entries = procfile::parse(procfile.as_bytes()).entries;
        let types: Vec<ProcessType> = entries.iter().map(|entry| entry.name.clone()).collect();
        Inputs {
            entries,
            files: Env::default(),
            outer: Vec::new(),
            precedence: EnvPrecedence::File,
            port: None,
            root: PathBuf::from("/app"),
            formation: Formation::resolve(&types, None, &[]).unwrap(),
            policies: Policies::new(),
        }
    }

    fn formation(inputs: &Inputs, request: &str) -> Formation {
        let types: Vec<ProcessType> = inputs.entries.iter().map(|entry| entry.name.clone()).collect();
        Formation::resolve(&types, Some(&request.parse().unwrap()), &[]).unwrap()
    }

    fn files(text: &str) -> Env {
        let mut env = Env::default();
        assert_eq!(dotenv::read(&mut env, text.as_bytes(), &|_| None), []);
        env
    }

    fn outer(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn id(name: &str, number: u32) -> InstanceId {
        InstanceId { process: ProcessType::new(name).unwrap(), number }
    }

    /// Returns the environment of web.1 as `A=1 B=2`.
    fn environment(inputs: Inputs) -> String {
        let invocation = Plan::new(inputs).unwrap().instance(&id("web", 1)).unwrap();
        let pairs = invocation
            .environment
            .iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn one_instance_is_told_where_it_can_say_how_it_does() {
        let plan = Plan::new(Inputs { files: files("NOTIFY_SOCKET=/of/a/file\nA=b\n"), ..inputs(PROCFILE) });
        let mut told = plan.unwrap().instance(&id("web", 1)).unwrap().environment;
        let value = |environment: &Environment| {
            let all = environment.iter().filter(|(name, _)| *name == "NOTIFY_SOCKET");
            all.map(|(_, value)| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(value(&told), ["/of/a/file"]);
        let other = told.clone();
        told.set_notify_socket(OsStr::new("@own"));
        assert_eq!(value(&told), ["@own"]);
        assert_eq!(value(&other), ["/of/a/file"]);
        assert_eq!(told.iter().count(), other.iter().count());
    }

    /// Checks the ports of all instances, in the order of the formation, or the error.
    #[track_caller]
    fn check_ports(request: &str, base: Option<u16>, expected: &str) {
        let inputs = inputs(PROCFILE);
        let formation = formation(&inputs, request);
        let told = match Plan::new(Inputs { formation, port: base, ..inputs }) {
            Err(error) => error.to_string(),
            Ok(plan) => {
                let ports = plan.formation().instances().map(|instance| {
                    let environment = plan.instance(&instance).unwrap().environment;
                    let port = environment.iter().find(|(name, _)| *name == "PORT").unwrap().1;
                    format!("{instance}={}", port.display())
                });
                ports.collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(told, expected);
    }

    /// Checks the base port that `PORT` in the files and outside gives, an empty text being no `PORT` at all.
    #[track_caller]
    fn check_base(
        precedence: EnvPrecedence,
        in_files: Option<&str>,
        outside: Option<&str>,
        expected: Result<&str, &str>,
    ) {
        let inputs = Inputs {
            files: in_files.map_or_else(Env::default, |port| files(&format!("PORT={port}"))),
            outer: outside.map_or_else(Vec::new, |port| outer(&[("PORT", port)])),
            precedence,
            ..inputs("web: x")
        };
        let told =
            Plan::new(inputs).map(|plan| plan.base_port.to_string()).map_err(|error| error.to_string());
        assert_eq!(told, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn an_instance_is_its_command_in_the_root() {
        let plan = Plan::new(inputs(PROCFILE)).unwrap();
        let invocation = plan.instance(&id("web", 1)).unwrap();
        assert_eq!(invocation.program, Program::Shell("exec ./web -p $PORT".to_owned()));
        assert_eq!(&*invocation.directory, Path::new("/app"));
    }

    #[test]
    fn an_instance_of_plain_words_is_known_without_a_shell() {
        let words = |variables: &[(&str, &str)]| {
            let plan = Plan::new(Inputs { outer: outer(variables), ..inputs(PROCFILE) }).unwrap();
            plan.instance(&id("web", 1)).unwrap().words()
        };
        assert_eq!(words(&[]).unwrap(), ["./web", "-p", "5000"]);
        assert_eq!(words(&[("PORT", "7000"), ("A", "*")]).unwrap(), ["./web", "-p", "7000"]);
        // Not every shell would pass these on.
        assert_eq!(words(&[("IFS", "0")]), None);
        assert_eq!(words(&[("a.b", "c")]), None);
        let direct = Plan::new(inputs(PROCFILE)).unwrap().run(&["ls".into(), "-l".into()]).unwrap();
        assert_eq!(direct.words(), None);
    }

    #[test]
    fn what_is_not_in_the_procfile_is_no_instance() {
        let plan = Plan::new(inputs(PROCFILE)).unwrap();
        assert_eq!(plan.instance(&id("other", 1)), None);
        assert_eq!(plan.instance(&id("web", 0)), None);
        assert_eq!(plan.instance(&id("web", 60_537)), None);
    }

    #[test]
    fn each_type_has_a_hundred_ports_be_it_running_or_not() {
        check_ports("all=1", None, "web.1=5000 worker.1=5100 clock.1=5200");
        check_ports("web=2,clock=1", Some(3000), "web.1=3000 web.2=3001 clock.1=3200");
        check_ports("clock=1", Some(0), "clock.1=200");
    }

    #[test]
    fn a_port_above_all_is_an_error() {
        check_ports("all=1", Some(65_400), "`clock.1` would get port 65600, and 65535 is the last");
        check_ports("web=1,worker=1", Some(65_435), "web.1=65435 worker.1=65535");
    }

    #[test]
    fn two_instances_with_one_port_are_an_error() {
        check_ports("web=101,worker=1", None, "`web.101` and `worker.1` would both get port 5100");
        let inputs = inputs(PROCFILE);
        let formation = formation(&inputs, "web=101");
        assert!(Plan::new(Inputs { formation, ..inputs }).is_ok());
    }

    #[test]
    fn the_base_port_comes_from_files_then_environment() {
        check_base(EnvPrecedence::File, None, None, Ok("5000"));
        check_base(EnvPrecedence::File, None, Some("3000"), Ok("3000"));
        check_base(EnvPrecedence::File, Some("4000"), Some("3000"), Ok("4000"));
        check_base(EnvPrecedence::File, Some(""), Some(" 3000"), Ok("3000"));
        check_base(EnvPrecedence::File, Some("4000"), Some("x"), Ok("4000"));
    }

    #[test]
    fn the_base_port_follows_the_precedence() {
        check_base(EnvPrecedence::Shell, Some("4000"), Some("3000"), Ok("3000"));
        check_base(EnvPrecedence::Shell, Some("4000"), None, Ok("4000"));
        check_base(EnvPrecedence::Shell, Some("4000"), Some(""), Ok("4000"));
    }

    #[test]
    fn a_base_port_that_is_none_is_an_error_that_says_where() {
        let (in_files, outside) = (
            "`PORT` is not a port from 0 to 65535",
            "`PORT` in the environment is not a port from 0 to 65535",
        );
        check_base(EnvPrecedence::File, Some("x"), Some("3000"), Err(in_files));
        check_base(EnvPrecedence::File, None, Some("65536"), Err(outside));
        check_base(EnvPrecedence::Shell, Some("4000"), Some("tcp://"), Err(outside));
    }

    #[test]
    fn the_option_goes_before_every_variable() {
        let inputs = Inputs {
            port: Some(7000),
            files: files("PORT=x"),
            outer: outer(&[("PORT", "y")]),
            ..inputs(PROCFILE)
        };
        assert_eq!(environment(inputs), "PORT=7000 PS=web.1");
    }

    #[test]
    fn files_win_over_the_environment_and_computed_variables_over_both() {
        let both = Inputs {
            files: files("A=file\nB=file\nPS=file\nPORT=4000"),
            outer: outer(&[("A", "outer"), ("C", "outer"), ("PS", "outer"), ("PORT", "3000")]),
            ..inputs(PROCFILE)
        };
        assert_eq!(environment(both), "A=file B=file C=outer PORT=4000 PS=web.1");
    }

    #[test]
    fn every_url_that_leads_somewhere_is_a_service_but_those_of_the_app_itself() {
        let urls = "A_URL=redis://a\nB_URI=redis://b\nC_URL=sqlite:db\nD_URL=\nE_URL=http://e:80/\n\
                    F_URL=http://localhost:5000/\nG_URL=http://[::1]:5100/\nH_URL=http://localhost:5001/\n\
                    I_URL=http://i:5000/\n";
        let plan =
            Plan::new(Inputs { files: files(urls), ..inputs("web: ./web\nworker: ./work\n") }).unwrap();
        let shown = |services: Vec<Service>| services.iter().map(Service::to_string).collect::<Vec<_>>();
        let (others, own) = plan.services();
        let expected = ["A_URL (a:6379)", "E_URL (e:80)", "H_URL (localhost:5001)", "I_URL (i:5000)"];
        assert_eq!(shown(others), expected);
        assert_eq!(shown(own), ["F_URL (localhost:5000)", "G_URL ([::1]:5100)"]);
        assert_eq!(plan.service_of("B_URI").to_string(), "B_URI (b:6379)");
        assert_eq!(plan.service_of("X_URL").endpoint, Err(NoEndpoint::Unset));
    }

    #[test]
    fn the_environment_wins_with_shell_precedence() {
        let both = Inputs {
            files: files("A=file\nB=file\nPS=file"),
            outer: outer(&[("A", "outer"), ("C", "outer")]),
            precedence: EnvPrecedence::Shell,
            ..inputs(PROCFILE)
        };
        assert_eq!(environment(both), "A=outer B=file C=outer PORT=5000 PS=web.1");
    }

    #[test]
    fn what_was_meant_for_procman_is_passed_on_from_files_only() {
        let names = [
            "NOTIFY_SOCKET",
            "WATCHDOG_PID",
            "WATCHDOG_USEC",
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_FDNAMES",
            "PROCMAN_PORT",
        ];
        for precedence in [EnvPrecedence::File, EnvPrecedence::Shell] {
            for name in names {
                let outside = outer(&[(name, "outer"), ("PROCMANX", "kept")]);
                let none = Inputs { outer: outside.clone(), precedence, ..inputs(PROCFILE) };
                assert_eq!(environment(none), "PROCMANX=kept PORT=5000 PS=web.1");
                let set = Inputs {
                    outer: outside,
                    precedence,
                    files: files(&format!("{name}=file")),
                    ..inputs(PROCFILE)
                };
                assert!(environment(set).contains(&format!("{name}=file")), "{name}");
            }
        }
    }

    #[test]
    fn the_environment_passes_byte_for_byte() {
        let odd: (OsString, OsString) =
            (OsString::from_vec(b"BASH_FUNC_x%%\xfe".to_vec()), OsString::from_vec(b"() {\n\xff".to_vec()));
        let plan = Plan::new(Inputs { outer: vec![odd], ..inputs(PROCFILE) }).unwrap();
        let environment = plan.instance(&id("web", 1)).unwrap().environment;
        let first = environment.iter().next();
        assert_eq!(first, Some((OsStr::from_bytes(b"BASH_FUNC_x%%\xfe"), OsStr::from_bytes(b"() {\n\xff"))));
    }

    #[test]
    fn a_variable_that_no_process_can_be_given_is_an_error() {
        let longest = "x".repeat(128 * 1024 - 1 - "A=".len());
        assert!(Plan::new(Inputs { files: files(&format!("A={longest}")), ..inputs(PROCFILE) }).is_ok());
        let error =
            Plan::new(Inputs { files: files(&format!("A={longest}x")), ..inputs(PROCFILE) }).unwrap_err();
        let words =
            "the variable `A` has 131072 bytes with its name, more than a process can be given (131071)";
        assert_eq!(error.to_string(), words);
    }

    #[test]
    fn a_command_that_no_process_can_be_given_is_an_error() {
        let error = Plan::new(inputs(&format!("web: {}", "x".repeat(131_072)))).unwrap_err();
        assert_eq!(
            error,
            PlanError::LongCommand { process: ProcessType::new("web").unwrap(), size: 131_072 }
        );
    }

    #[test]
    fn the_longest_command_is_run_as_it_is() {
        let command = format!("./web {}", "x".repeat(131_071 - "./web ".len()));
        let plan = Plan::new(inputs(&format!("web: {command}"))).unwrap();
        assert_eq!(plan.instance(&id("web", 1)).unwrap().program, Program::Shell(command));
    }

    /// Checks what `procman run` runs, as the program and its computed variables, or the error.
    #[track_caller]
    fn check_run(base: u16, arguments: &[&str], expected: &str) {
        let plan =
            Plan::new(Inputs { port: Some(base), formation: Formation::idle(&[]), ..inputs(PROCFILE) })
                .unwrap();
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let told = match plan.run(&arguments) {
            Err(error) => error.to_string(),
            Ok(invocation) => {
                let environment = &invocation.environment;
                format!(
                    "{:?} {} {}",
                    invocation.program,
                    environment.port.display(),
                    environment.name.display()
                )
            }
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn run_with_the_name_of_a_type_runs_its_entry() {
        check_run(5000, &["worker"], r#"Shell("exec ./work") 5100 worker.1"#);
        check_run(65_500, &["worker"], "there is no port for `worker.1`: 65535 is the last");
    }

    #[test]
    fn run_with_anything_else_is_an_argument_vector() {
        check_run(5000, &["worker", "a b"], r#"Direct { program: "worker", arguments: ["a b"] } 5000 run.1"#);
        check_run(65_500, &["ls -l"], r#"Direct { program: "ls -l", arguments: [] } 65500 run.1"#);
        check_run(5000, &[], "no command to run");
    }

    #[test]
    fn a_plan_shows_no_value() {
        let inputs =
            Inputs { files: files("A=s3cret"), outer: outer(&[("B", "s3cret")]), ..inputs(PROCFILE) };
        let plan = Plan::new(inputs).unwrap();
        let shown = format!("{plan:?} {:?}", plan.instance(&id("web", 1)));
        assert!(shown.contains(r#"{"A", "B"}"#) && !shown.contains("s3cret"), "{shown}");
    }
}
