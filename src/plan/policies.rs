//! What is said of the supervision of types → their policies, and what is wrong with it beside the Procfile.
//!
//! The command line and the environment win over the table of a type, and that over the rest of `procman.toml`, which
//! are the defaults of the tables.

use std::ops::Range;

use thiserror::Error;

use crate::config::process::{Budget, Process, Processes};
use crate::config::{Flag, Options, PtyChoice, Timeout};
use crate::fault::Fault;
use crate::formation::{FormationError, nearest};
use crate::policy::{Kind, Need, NoEndpoint, OnExit, Policies, Policy, Restart, Service};
use crate::procfile::ProcessType;
use crate::quote::{distance, excerpt};
use crate::service::{self, VARIABLE};

/// What a user has said about supervision.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// On the command line and in the environment.
    pub given: &'a Options,
    /// Everywhere, by precedence.
    pub options: &'a Options,
}

impl Said<'_> {
    /// Returns the policies of all types. The services of variables are not known yet, and what is a fault is left out.
    pub fn policies(self, types: &[ProcessType]) -> Policies {
        let mut policies = Policies::new();
        for process in types {
            policies.insert(process.clone(), self.policy(process, types));
        }
        policies
    }

    fn policy(self, process: &ProcessType, types: &[ProcessType]) -> Policy {
        let Said { given, options } = self;
        let nothing = Process::default();
        let own = options.processes.get(process.as_str()).unwrap_or(&nothing);
        let stated = self.stated(process);
        let usual = Policy::new(options.timeout.unwrap_or_default().0);
        let grace = given.timeout.or(own.grace).map(|Timeout(grace)| grace);
        let mut needs = Vec::new();
        for need in own.needs.iter().filter_map(|need| self::need(need.get_ref(), process, types).ok()) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        Policy {
            kind: if own.is_one_shot() { Kind::OneShot } else { Kind::LongLived },
            restart: stated.restart.unwrap_or(usual.restart),
            budget: own.restart_budget.map_or(usual.budget, |Budget(budget)| budget),
            on_exit: stated.on_exit.unwrap_or(usual.on_exit),
            stop_signal: own.stop_signal.unwrap_or(usual.stop_signal),
            grace: grace.unwrap_or(usual.grace),
            needs,
            ready: own.ready.as_ref().map(|ready| ready.get_ref().clone()),
            health: own.health.as_ref().map(|health| health.get_ref().clone()),
        }
    }

    /// Returns what is said of a type: that it is never started again, say, is more than to say nothing.
    pub fn stated(self, process: &ProcessType) -> Stated {
        let Said { given, options } = self;
        let own = options.processes.get(process.as_str());
        Stated {
            restart: given.restart.or(own.and_then(|own| own.restart)).or(options.restart),
            on_exit: on_exit(given).or(own.and_then(|own| own.on_exit)).or_else(|| on_exit(options)),
            has_terminal: self.pty(process) == PtyChoice::Always,
        }
    }

    /// Returns whether anything at all is said of a type about this.
    pub fn says(self, process: &ProcessType, about: Subject) -> bool {
        let nothing = Process::default();
        let own = self.options.processes.get(process.as_str()).unwrap_or(&nothing);
        match about {
            Subject::End => {
                let restart = own.restart.or(self.options.restart);
                restart.is_some() || own.on_exit.is_some() || self.options.keep_going.is_some()
            }
            Subject::Stop => own.stop_signal.is_some() || own.grace.or(self.options.timeout).is_some(),
        }
    }

    /// Returns when the instances of a type get terminals.
    pub fn pty(self, process: &ProcessType) -> PtyChoice {
        let own = self.options.processes.get(process.as_str()).and_then(|own| own.pty);
        self.given.pty.or(own).or(self.options.pty).unwrap_or_default()
    }
}

/// What can be said of a type in more than one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What follows when one of its instances has ended.
    End,
    /// How its instances are stopped.
    Stop,
}

/// What somebody has said of a type, where its policy is the same when nobody has, or has no word for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// When an instance that has ended by itself is started again.
    pub restart: Option<Restart>,
    /// What the end of an instance means for the others.
    pub on_exit: Option<OnExit>,
    /// Whether its instances always get terminals.
    pub has_terminal: bool,
}

/// What is wrong with what is said of a type, in words for people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the words beside each variant say it")]
pub enum PolicyFault {
    #[error(transparent)]
    Unknown(#[from] FormationError),
    #[error("`{process}` needs itself")]
    Itself { process: ProcessType },
    /// From one type to itself.
    #[error("needs go round in a circle: {}", arrows(circle))]
    Circle { circle: Vec<ProcessType> },
    #[error("the name of a variable is missing after `env:`")]
    NoVariable,
    #[error("what follows `env:` is not the name of a variable")]
    NotAVariable,
    /// Nothing of the text is shown, for it may be a URL with a slip in it; only what was surely meant.
    #[error(
        "this is neither a process, nor `env:` and a variable, nor a URL such as `tcp://localhost:5432`{}",
        meant.as_ref().map_or_else(String::new, |meant| format!(", did you mean `{meant}`"))
    )]
    NoNeed { meant: Option<String> },
    /// Nothing of the URL is shown, for there may be a password in it.
    #[error("this {none}")]
    Url { none: NoEndpoint },
    /// `name` is an [`excerpt`].
    #[error("the variable `{name}` {none}")]
    Variable { name: String, none: NoEndpoint },
    #[error("a one-shot is ready when it has ended with 0, and has no other sign")]
    ReadyOneShot,
    #[error("a one-shot ends by itself, and has no health")]
    HealthyOneShot,
}

/// Returns what options for all types say of the end of an instance.
fn on_exit(options: &Options) -> Option<OnExit> {
    match options.keep_going? {
        Flag(true) => Some(OnExit::Ignore),
        Flag(false) => Some(OnExit::StopAll),
    }
}

fn arrows(circle: &[ProcessType]) -> String {
    circle.iter().map(ProcessType::as_str).collect::<Vec<_>>().join(" → ")
}

/// Returns all that is wrong with the tables beside these types of the Procfile, in the order of the file.
pub fn faults(processes: &Processes, types: &[ProcessType]) -> Vec<Fault<PolicyFault>> {
    let mut faults = Vec::new();
    let mut fault = |span: Range<usize>, kind| faults.push(processes.fault(span, kind));
    for (name, own) in processes.iter() {
        let Some(process) = types.iter().find(|process| process.as_str() == name.get_ref()) else {
            fault(name.span(), unknown(name.get_ref(), types));
            continue;
        };
        for text in &own.needs {
            if let Err(kind) = need(text.get_ref(), process, types) {
                fault(text.span(), kind);
            }
        }
        if own.is_one_shot() {
            let ready = own.ready.as_ref().map(|ready| (ready.span(), PolicyFault::ReadyOneShot));
            let health = own.health.as_ref().map(|health| (health.span(), PolicyFault::HealthyOneShot));
            ready.into_iter().chain(health).for_each(|(span, kind)| fault(span, kind));
        }
    }
    for (span, circle) in circles(processes, types) {
        fault(span, PolicyFault::Circle { circle });
    }
    in_order(faults)
}

/// Returns the needs of variables that lead nowhere, in the order of the file. `policies` are those of a plan.
pub fn lost(processes: &Processes, policies: &Policies) -> Vec<Fault<PolicyFault>> {
    let mut faults = Vec::new();
    for (process, own) in processes.iter() {
        let Some(policy) = policies.get(process.get_ref().as_str()) else { continue };
        for text in &own.needs {
            let name = text.get_ref().strip_prefix(VARIABLE);
            let service = name.and_then(|name| services(policy).find(|service| service.name == name));
            if let Some(Service { name, endpoint: Err(none) }) = service {
                let kind = PolicyFault::Variable { name: excerpt(name), none: *none };
                faults.push(processes.fault(text.span(), kind));
            }
        }
    }
    in_order(faults)
}

fn in_order(mut faults: Vec<Fault<PolicyFault>>) -> Vec<Fault<PolicyFault>> {
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

fn services(policy: &Policy) -> impl Iterator<Item = &Service> {
    policy.needs.iter().filter_map(|need| match need {
        Need::Process(_) => None,
        Need::Service(service) => Some(service),
    })
}

/// Returns what a need means. Of a variable it is not known yet where it leads.
fn need(text: &str, process: &ProcessType, types: &[ProcessType]) -> Result<Need, PolicyFault> {
    if let Some(name) = text.strip_prefix(VARIABLE) {
        if name.trim().is_empty() {
            return Err(PolicyFault::NoVariable);
        }
        if name.contains(|character: char| character.is_whitespace() || "@/:=".contains(character)) {
            return Err(PolicyFault::NotAVariable);
        }
        return Ok(Need::Service(Service { name: name.to_owned(), endpoint: Err(NoEndpoint::Unset) }));
    }
    if text == process.as_str() {
        return Err(PolicyFault::Itself { process: process.clone() });
    }
    if let Ok(name) = ProcessType::new(text) {
        return if types.contains(&name) { Ok(Need::Process(name)) } else { Err(unknown(text, types)) };
    }
    match service::of_url(text) {
        Ok(service) => Ok(Need::Service(service)),
        Err(none) if text.contains("://") => Err(PolicyFault::Url { none }),
        Err(_) => Err(PolicyFault::NoNeed { meant: meant(text, types) }),
    }
}

/// Returns the need that was surely meant: `env:A_URL` for `$A_URL` and `evn:A_URL`, `web` for `web.1`.
fn meant(text: &str, types: &[ProcessType]) -> Option<String> {
    if let Some((name, number)) = text.split_once('.') {
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        return types.iter().find(|process| process.as_str() == name && is_number).map(ToString::to_string);
    }
    let name = match (text.strip_prefix('$'), text.split_once(':')) {
        (Some(name), _) => name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name),
        (None, Some((word, name))) if distance(&word.to_ascii_lowercase(), "env") <= 2 => name.trim_start(),
        (None, Some(_) | None) => return None,
    };
    let is_usual = |byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
    (!name.is_empty() && name.bytes().all(is_usual)).then(|| format!("{VARIABLE}{name}"))
}

fn unknown(name: &str, types: &[ProcessType]) -> PolicyFault {
    let nearest = nearest(name, types).cloned();
    PolicyFault::Unknown(FormationError::Unknown { name: excerpt(name), nearest, known: types.to_vec() })
}

/// Returns the circles of types that need each other, no type in two of them, with the place of a need of the first.
fn circles(processes: &Processes, types: &[ProcessType]) -> Vec<(Range<usize>, Vec<ProcessType>)> {
    // In the order of the Procfile, each with those that it needs.
    let of_types = types.iter().filter_map(|process| {
        let needs = &processes.get(process.as_str())?.needs;
        let others = needs.iter().filter(|need| need.get_ref() != process.as_str());
        Some((process.as_str(), others.collect()))
    });
    let mut needs: Vec<(&str, Vec<_>)> = of_types.collect();
    let mut circles = Vec::new();
    loop {
        // What needs nothing that is left is in no circle, until nothing else is left.
        let mut before = usize::MAX;
        while needs.len() < before {
            before = needs.len();
            let left: Vec<&str> = needs.iter().map(|(name, _)| *name).collect();
            needs.retain_mut(|(_, others)| {
                others.retain(|other| left.contains(&other.get_ref().as_str()));
                !others.is_empty()
            });
        }
        // Each has a need that is left, so that the way from the first comes back to itself.
        let mut way: Vec<(&str, Range<usize>)> = Vec::new();
        let mut at = needs.first().map(|(name, _)| *name);
        let start = loop {
            let Some(name) = at else { return circles };
            if let Some(start) = way.iter().position(|(seen, _)| *seen == name) {
                break start;
            }
            let others = needs.iter().find(|(known, _)| *known == name).map(|(_, others)| others);
            let next = others.and_then(|others| others.first());
            way.extend(next.map(|next| (name, next.span())));
            at = next.map(|next| next.get_ref().as_str());
        };
        let circle = &way[start..];
        let names = circle.iter().chain(circle.first()).filter_map(|(name, _)| ProcessType::new(name).ok());
        if let Some((_, span)) = circle.first() {
            circles.push((span.clone(), names.collect()));
        }
        needs.retain(|(name, _)| circle.iter().all(|(gone, _)| gone != name));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::fmt::Write as _;

    use super::{Said, faults};
    use crate::config::{Options, from_toml};
    use crate::policy::Need;
    use crate::procfile::ProcessType;

    fn types(names: &[&str]) -> Vec<ProcessType> {
        names.iter().map(|name| ProcessType::new(name).unwrap()).collect()
    }

    /// Checks what is wrong with a file beside a Procfile of web, worker, db and migrate.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let options = from_toml(text).unwrap();
        let faults = faults(&options.processes, &types(&["web", "worker", "db", "migrate"]));
        let told: Vec<String> =
            faults.iter().map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.kind)).collect();
        assert_eq!(told, expected, "{text}");
    }

    const KNOWN: &str = "the Procfile has `web`, `worker`, `db`, `migrate`";

    #[test]
    fn a_name_that_the_procfile_does_not_have_is_a_fault() {
        let words = format!("1:10 unknown process `wbe`, did you mean `web`; {KNOWN}");
        check("[process.wbe]\ncount = 1", &[&words]);
        let words = format!("2:10 unknown process `dbb`, did you mean `db`; {KNOWN}");
        check("[process.web]\nneeds = ['dbb']", &[&words]);
        check("[process.web]\nneeds = ['db', 'db', 'env:A_URL', 'redis://h', 'unix:/run/x']", &[]);
    }

    #[test]
    fn a_need_that_leads_nowhere_is_a_fault() {
        check("[process.web]\nneeds = ['web']", &["2:10 `web` needs itself"]);
        check("[process.web]\nneeds = ['env:']", &["2:10 the name of a variable is missing after `env:`"]);
        let words = "2:10 this is neither a process, nor `env:` and a variable, nor a URL such as \
                     `tcp://localhost:5432`";
        // Even what is no URL may be one with a password in it.
        for text in [
            "localhost:5432",
            "postgres//u:s3cret@h",
            "u:s3cret@h:5432",
            "postgres:/u:s3cret@h",
            "$s3cret@h",
            "evn:s3cret",
        ] {
            check(&format!("[process.web]\nneeds = ['{text}']"), &[words]);
        }
        for (text, meant) in [
            ("$A_URL", "env:A_URL"),
            ("${A_URL}", "env:A_URL"),
            ("evn:A_URL", "env:A_URL"),
            ("Env: A_URL", "env:A_URL"),
            ("db.1", "db"),
        ] {
            let words = format!("{words}, did you mean `{meant}`");
            check(&format!("[process.web]\nneeds = ['{text}']"), &[&words]);
        }
        let words = "2:10 what follows `env:` is not the name of a variable";
        check("[process.web]\nneeds = ['env:postgres://u:s3cret@h']", &[words]);
        let words = "2:10 this names no port, and its scheme has none that is usual";
        check("[process.web]\nneeds = ['tcp://me:s3cret@h']", &[words]);
        check("[process.web]\nneeds = ['file:///x']", &["2:10 this names no host to connect to"]);
    }

    #[test]
    fn circles_are_named_whole() {
        check(
            "[process.web]\nneeds = ['db']\n[process.db]\nneeds = ['web']",
            &["2:10 needs go round in a circle: web → db → web"],
        );
        check(
            "[process.migrate]\nneeds = ['db']\n[process.db]\nneeds = ['worker']\n\
             [process.worker]\nneeds = ['env:A', 'db']\n[process.web]\nneeds = ['migrate']",
            &["4:10 needs go round in a circle: db → worker → db"],
        );
        check(
            "process.web.needs = ['worker']\nprocess.worker.needs = ['web', 'db']\n\
             process.db.needs = ['migrate']\nprocess.migrate.needs = ['db']",
            &[
                "1:22 needs go round in a circle: web → worker → web",
                "3:21 needs go round in a circle: db → migrate → db",
            ],
        );
        check("process.web.needs = ['worker', 'db']\nprocess.worker.needs = ['db']", &[]);
    }

    #[test]
    fn a_one_shot_has_neither_sign_nor_health() {
        check(
            "[process.migrate]\none-shot = true\nready = 'port'\nhealth = 'port'",
            &[
                "3:9 a one-shot is ready when it has ended with 0, and has no other sign",
                "4:10 a one-shot ends by itself, and has no health",
            ],
        );
        check("[process.migrate]\none-shot = false\nready = 'port'\nhealth = 'port'", &[]);
    }

    #[test]
    fn all_faults_are_told_in_the_order_of_the_file() {
        check(
            "[process.web]\nneeds = ['web', 'env:']\n[process.db]\nneeds = ['db']",
            &[
                "2:10 `web` needs itself",
                "2:17 the name of a variable is missing after `env:`",
                "4:10 `db` needs itself",
            ],
        );
    }

    /// Returns what follows for a type from what was given and the file.
    fn policy(given: &str, file: &str, process: &str) -> String {
        let (given, file) = (from_toml(given).unwrap(), from_toml(file).unwrap());
        let options = given.clone().or(file);
        let said = Said { given: &given, options: &options };
        let process = ProcessType::new(process).unwrap();
        let policies = said.policies(&types(&["web", "db"]));
        let policy = &policies[&process];
        let mut told = format!("{:?} {:?} {:?}", policy.restart, policy.on_exit, said.pty(&process));
        write!(told, " {} {:?}", policy.stop_signal, policy.grace).unwrap();
        for need in &policy.needs {
            match need {
                Need::Process(process) => write!(told, " {process}").unwrap(),
                Need::Service(service) => write!(told, " {service}").unwrap(),
            }
        }
        told
    }

    #[test]
    fn what_is_said_is_more_than_the_same_of_which_nothing_is() {
        #[track_caller]
        fn check(file: &str, expected: [&str; 2]) {
            let (given, file) = (Options::default(), from_toml(file).unwrap());
            let stated = |process: &ProcessType| {
                let stated = Said { given: &given, options: &file }.stated(process);
                format!("{:?} {:?} {}", stated.restart, stated.on_exit, stated.has_terminal)
            };
            assert_eq!(types(&["web", "db"]).iter().map(stated).collect::<Vec<_>>(), expected, "{file:?}");
        }
        let nothing = "None None false";
        check("", [nothing, nothing]);
        check(
            "[process.db]\nrestart = 'never'\non-exit = 'stop-all'\npty = 'always'",
            [nothing, "Some(Never) Some(StopAll) true"],
        );
        check(
            "restart = 'never'\nkeep-going = true\npty = 'always'\n[process.db]\nrestart = 'always'\npty = 'auto'",
            ["Some(Never) Some(Ignore) true", "Some(Always) Some(Ignore) false"],
        );
    }

    #[test]
    fn what_is_given_wins_over_the_table_and_that_over_the_rest_of_the_file() {
        #[track_caller]
        fn check(given: &str, file: &str, expected: [&str; 2]) {
            assert_eq!([policy(given, file, "web"), policy(given, file, "db")], expected);
        }
        let usual = "Never StopAll Auto SIGTERM 5s";
        check("", "", [usual, usual]);
        let file = "restart = 'always'\nkeep-going = true\npty = 'never'\ntimeout = 2\n[process.web]\n\
                    restart = 'on-failure'\non-exit = 'stop-all'\npty = 'always'\ngrace = 9\nstop-signal = 'INT'";
        let db = "Always Ignore Never SIGTERM 2s";
        check("", file, ["OnFailure StopAll Always SIGINT 9s", db]);
        let given = "restart = 'never'\nkeep-going = true\npty = 'auto'\ntimeout = 1";
        check(given, file, ["Never Ignore Auto SIGINT 1s", "Never Ignore Auto SIGTERM 1s"]);
        check(
            "keep-going = false",
            file,
            ["OnFailure StopAll Always SIGINT 9s", "Always StopAll Never SIGTERM 2s"],
        );
    }

    #[test]
    fn needs_keep_their_order_and_come_once() {
        let file = "[process.web]\nneeds = ['redis://u:s3cret@h', 'db', 'env:A', 'db']";
        assert_eq!(policy("", file, "web"), "Never StopAll Auto SIGTERM 5s h:6379 db A");
    }

    #[test]
    fn what_is_a_fault_is_left_out_of_the_policies() {
        let file = "[process.web]\nneeds = ['nope', 'web', 'env:']\n[process.nope]\n";
        assert_eq!(policy("", file, "web"), "Never StopAll Auto SIGTERM 5s");
        assert_eq!(from_toml("").unwrap(), Options::default());
    }
}
