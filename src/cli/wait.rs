//! `procman wait`: waits until instances are ready and services accept connections, for scripts and entrypoints.
//!
//! What is waited for is tried again and again by threads that tell what they have seen, and the one that has started
//! them keeps the time. What a name costs to be looked up, or a connection to be refused, delays nobody else.

mod instances;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::args::{self, Common};
use crate::cli::error::Failure;
use crate::cli::findings::Findings;
use crate::cli::load::{self, App};
use crate::cli::wait::instances::watch_instances;
use crate::config::{Options, Timeout};
use crate::formation::{InstanceId, Target, nearest};
use crate::plan::Plan;
use crate::policy::{Endpoint, Kind, NoEndpoint, Service};
use crate::process::Signal;
use crate::procfile::ProcessType;
use crate::quote::{excerpt, is_plain};
use crate::runtime::try_to_reach;
use crate::service::{self, VARIABLE};
use crate::supervisor::{Refusal, Trouble};
use crate::sys::signals::Signals;
use crate::sys::startup::Hangup;
use crate::sys::stdio::write_stderr;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long one may take if there is only one.
const ONLY_ATTEMPT: Duration = Duration::from_secs(1);
/// After how long without an answer that is said, though the attempt goes on.
const SILENCE: Duration = Duration::from_secs(1);
/// How long after one attempt the next one follows.
const PAUSE: Duration = Duration::from_millis(250);

/// Something that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Awaited {
    /// Instances of a formation, be it one that is not there yet.
    Instances(Target),
    /// A service: how it is called, and where it is.
    Service(String, Endpoint),
}

/// What a thread has seen of one of those, by its position among them.
enum Seen {
    There(usize),
    NotThere(usize, String),
    /// It can never be there.
    Never(Failure),
    /// procman is asked to end.
    Asked(Signal),
}

/// Waits for all, and fails with what is missing when the time is up.
pub fn run(common: Common, wait: args::Wait) -> Result<i32, Failure> {
    let patience = patience(&common, &wait)?;
    let (all, known) = awaited(&common, &wait)?;
    let (sender, seen) = mpsc::channel();
    if std::process::id() == 1 {
        obey(&sender)?;
    }
    watch_instances(&all, known, common, &wait.client, patience, &sender)?;
    for (at, one) in all.iter().enumerate() {
        if let Awaited::Service(_, endpoint) = one {
            watch_service(at, endpoint.clone(), patience, sender.clone());
        }
    }
    let (began, mut waiting) = (Instant::now(), Waiting::new(&all));
    let mut silence = (!patience.is_zero()).then_some(SILENCE);
    while !waiting.is_over(patience) {
        // Whoever tries once is waited for as long as that takes.
        let limit = if patience.is_zero() { Duration::MAX } else { patience };
        let until = silence.map_or(limit, |silence| silence.min(limit));
        match seen.recv_timeout(until.saturating_sub(began.elapsed())) {
            Ok(Seen::There(at)) => {
                waiting.there(at, began.elapsed()).iter().for_each(|line| write_stderr(line))
            }
            Ok(Seen::NotThere(at, why)) => {
                // Of what is tried once, the end tells.
                let line = waiting.not_there(at, why).filter(|_| !patience.is_zero());
                line.iter().for_each(|line| write_stderr(line));
            }
            Ok(Seen::Never(failure)) => return Err(failure),
            Ok(Seen::Asked(signal)) => return Ok(128 + signal.0),
            Err(RecvTimeoutError::Timeout) if until < limit => {
                silence = None;
                waiting.silent().iter().for_each(|line| write_stderr(line));
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    let missing = waiting.missing();
    if missing.is_empty() { Ok(0) } else { Err(Failure::NotThere { patience, missing }) }
}

/// Returns how long all may take. What is said for services in `procman.toml` holds where an app is meant.
fn patience(common: &Common, wait: &args::Wait) -> Result<Duration, Failure> {
    let is_url = |word: &String| word.contains(':') && !word.starts_with(VARIABLE);
    match wait.timeout {
        Some(Timeout(timeout)) => Ok(timeout),
        None if !wait.names.is_empty() && wait.names.iter().all(is_url) => Ok(Options::default().patience()),
        None => load::place(common.clone().options()).map(|(_, options)| options.patience()),
    }
}

/// Returns what the words mean; without any, every service that a variable of the app's environment names.
fn awaited(common: &Common, wait: &args::Wait) -> Result<(Vec<Awaited>, Known), Failure> {
    let words = &wait.names;
    let is_variable = |word: &String| word.starts_with(VARIABLE);
    let plan = if words.is_empty() || words.iter().any(is_variable) {
        let (plan, warnings) = plan(common)?;
        if !warnings.is_empty() {
            write_stderr(&warnings.to_string());
        }
        Some(plan)
    } else if words.iter().all(|word| word.contains(':')) {
        None
    } else {
        // An instance can be waited for where there is no app, or where something is wrong with it.
        plan(common).ok().map(|(plan, _)| plan)
    };
    let of_variable = |name: &str| match &plan {
        Some(plan) => plan.service_of(name),
        None => service::of_variable(name, None),
    };
    let mut all = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let one = meaning(at, word, of_variable)?;
        if !all.contains(&one) {
            all.push(one);
        }
    }
    if words.is_empty() {
        // One that the app itself is to be, as `APP_URL` may say, is none to wait for before it is started.
        let (others, _) = plan.as_ref().map(Plan::services).unwrap_or_default();
        all = others.into_iter().filter_map(|service| of_service(service).ok()).collect();
        if all.is_empty() {
            return Err(Failure::NoServices);
        }
    }
    let mut known = plan.as_ref().map(|plan| Known::of(plan, words)).unwrap_or_default();
    if wait.client.socket.is_some() {
        // Who listens there may run another app.
        (known.types, known.one_shots) = Default::default();
    }
    Ok((all, known))
}

/// Returns what one word means. Of a URL, which may have a password in it, only the position is told if it is none.
fn meaning(at: usize, word: &str, of_variable: impl Fn(&str) -> Service) -> Result<Awaited, Failure> {
    if let Some(name) = word.strip_prefix(VARIABLE) {
        if !is_plain(name) {
            return Err(Failure::NotAwaited(at + 1));
        }
        let why = |why| Failure::NoEndpoint { what: format!("`{}`", excerpt(name)), why };
        return of_service(of_variable(name)).map_err(why);
    }
    if word.contains(':') {
        let service = service::of_url(word).and_then(of_service);
        return service.map_err(|why| Failure::NoEndpoint { what: format!("argument {}", at + 1), why });
    }
    if !word.is_empty() && !is_plain(word) {
        return Err(Failure::NotAwaited(at + 1));
    }
    word.parse().map(Awaited::Instances).map_err(Failure::Target)
}

fn of_service(service: Service) -> Result<Awaited, NoEndpoint> {
    let name = service.to_string();
    service.endpoint.map(|endpoint| Awaited::Service(name, endpoint))
}

/// Returns what the app would run, and with which variables, and what is dubious about it.
fn plan(common: &Common) -> Result<(Plan, Findings), Failure> {
    let app = App::load(common.clone().options())?;
    let warnings = app.warnings()?.clone();
    let formation = app.formation(&[])?;
    Ok((app.plan_of_one_off(formation)?, warnings))
}

/// What the app's files say of names that are waited for.
#[derive(Default)]
struct Known {
    /// What the Procfile has; nothing if that is not known.
    types: Vec<ProcessType>,
    one_shots: BTreeSet<ProcessType>,
    /// The names that are those of variables.
    variables: BTreeSet<String>,
}

impl Known {
    fn of(plan: &Plan, words: &[String]) -> Known {
        let one_shots = plan.policies().iter().filter(|(_, policy)| policy.kind == Kind::OneShot);
        let is_set = |word: &&String| plan.service_of(word).endpoint != Err(NoEndpoint::Unset);
        Known {
            types: plan.types(),
            one_shots: one_shots.map(|(process, _)| process.clone()).collect(),
            variables: words.iter().filter(is_set).cloned().collect(),
        }
    }

    /// Fails if the Procfile has no such type, so that waiting would be in vain.
    fn is_to_come(&self, target: &Target) -> Result<(), Failure> {
        let (Target::Type(process) | Target::Instance(InstanceId { process, .. })) = target;
        let may_come = self.types.is_empty() || self.types.contains(process);
        if may_come { Ok(()) } else { Err(self.unknown(process, &self.types)) }
    }

    fn unknown(&self, process: &ProcessType, types: &[ProcessType]) -> Failure {
        let refusal = Refusal::Unknown {
            name: process.to_string(),
            nearest: nearest(process.as_str(), types).cloned(),
            known: types.iter().map(|known| excerpt(known.as_str())).collect(),
        };
        let hint = || format!("`env:{process}` is the service that a variable names");
        Failure::Refused(refusal.to_string(), self.variables.contains(process.as_str()).then(hint))
    }
}

/// What is known of all that is waited for.
struct Waiting<'a> {
    all: &'a [Awaited],
    /// Why each is not there; nothing of one that is or has not been tried.
    missing: BTreeMap<usize, Option<String>>,
}

impl Waiting<'_> {
    fn new(all: &[Awaited]) -> Waiting<'_> {
        Waiting { all, missing: (0..all.len()).map(|at| (at, None)).collect() }
    }

    /// Returns whether there is nothing more to wait for: all are there, or with no patience at all, all were tried.
    fn is_over(&self, patience: Duration) -> bool {
        self.missing.is_empty() || (patience.is_zero() && self.missing.values().all(Option::is_some))
    }

    /// Takes that one is there, and returns the line that says so.
    fn there(&mut self, at: usize, after: Duration) -> Option<String> {
        let before = self.missing.remove(&at)?;
        let what = match self.all.get(at)? {
            Awaited::Instances(target) => format!("{target} is ready"),
            Awaited::Service(name, _) => format!("{name} accepts connections"),
        };
        Some(before.map_or(what.clone(), |_| format!("{what} after {:.1} s", after.as_secs_f64())))
    }

    /// Takes that one is not there, and returns the line that says so the first time.
    fn not_there(&mut self, at: usize, why: String) -> Option<String> {
        let known = self.missing.get_mut(&at)?;
        let line = format!("waiting for {}: {why}", self.all.get(at)?.name());
        known.replace(why).is_none().then_some(line)
    }

    /// Takes that nothing has been heard of some, and returns the lines that say so.
    fn silent(&mut self) -> Vec<String> {
        let unheard = self.missing.iter().filter(|(_, why)| why.is_none());
        let unheard: Vec<usize> = unheard.map(|(at, _)| *at).collect();
        unheard.into_iter().filter_map(|at| self.not_there(at, Trouble::TimedOut.to_string())).collect()
    }

    /// Returns all that are not there, each with the reason.
    fn missing(&self) -> Vec<String> {
        let line = |(at, why): (&usize, &Option<String>)| {
            let why = why.clone().unwrap_or_else(|| Trouble::TimedOut.to_string());
            Some(format!("{} ({why})", self.all.get(*at)?.name()))
        };
        self.missing.iter().filter_map(line).collect()
    }
}

impl Awaited {
    fn name(&self) -> String {
        match self {
            Awaited::Instances(target) => target.to_string(),
            Awaited::Service(name, _) => name.clone(),
        }
    }
}

/// Returns how long an attempt may take.
fn limit_of_attempt(patience: Duration) -> Duration {
    if patience.is_zero() { ONLY_ATTEMPT } else { ATTEMPT.min(patience) }
}

/// Tries to connect until that succeeds, or once if there is no patience.
fn watch_service(at: usize, endpoint: Endpoint, patience: Duration, sender: Sender<Seen>) {
    let limit = limit_of_attempt(patience);
    thread::spawn(move || {
        // Nobody hears it any more when the time is up.
        while let Err(trouble) = try_to_reach(&endpoint, limit) {
            if sender.send(Seen::NotThere(at, trouble.to_string())).is_err() || patience.is_zero() {
                return;
            }
            thread::sleep(PAUSE);
        }
        let _ = sender.send(Seen::There(at));
    });
}

/// Lets requests to end be heard as PID 1, for whom the kernel does nothing with them. Any other process is ended.
fn obey(sender: &Sender<Seen>) -> Result<(), Failure> {
    let mut signals = Signals::listen(Hangup::Heard).map_err(Failure::System)?;
    let sender = sender.clone();
    thread::spawn(move || {
        loop {
            let ends = |signal: &Signal| matches!(*signal, Signal::HUP | Signal::INT | Signal::TERM);
            let came = signals.wait();
            if let Some(signal) = came.into_iter().map(|received| received.signal).find(ends)
                && sender.send(Seen::Asked(signal)).is_err()
            {
                return;
            }
        }
    });
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;
    use std::time::Duration;

    use super::instances::{lack, see};
    use super::{Awaited, Known, Seen, Waiting, meaning};
    use crate::cli::ready::tests::{formation, instance};
    use crate::control::protocol::State;
    use crate::policy::Endpoint;
    use crate::procfile::ProcessType;
    use crate::service::of_variable;

    #[track_caller]
    fn check_meaning(word: &str, expected: &str) {
        let value = |name: &str| match name {
            "DB" => Some(OsStr::new("postgres://u:s3cret@h/db")),
            "NONE" => Some(OsStr::new("s3cret")),
            _ => None,
        };
        let meant = meaning(1, word, |name| of_variable(name, value(name)));
        let told = meant.map_or_else(|failure| failure.to_string(), |awaited| awaited.name());
        assert_eq!(told, expected, "{word}");
    }

    #[test]
    fn a_word_is_an_instance_a_variable_or_a_url() {
        check_meaning("web", "web");
        check_meaning("web.2", "web.2");
        check_meaning("env:DB", "DB (h:5432)");
        check_meaning("redis://:s3cret@h/0", "h:6379");
        check_meaning("unix:/run/x.sock", "/run/x.sock");
        check_meaning(
            "web.0",
            "procman: `0` is not the number of an instance of `web`: use a whole number from 1",
        );
    }

    #[test]
    fn nothing_of_what_is_no_url_is_told() {
        const HINT: &str = "\nhint: a URL is like tcp://localhost:5432";
        check_meaning("env:NONE", &format!("procman: `NONE` is not a URL{HINT}"));
        check_meaning("env:GONE", "procman: `GONE` is not set");
        for word in
            ["password=s3cret host=h", "web@s3cret", "env:postgres://u:s3cret@h/x", "env:", "s3cr\u{e9}t"]
        {
            let neither = "procman: argument 2 is neither a name, `env:` and a variable's name, nor a URL";
            check_meaning(word, &format!("{neither}{HINT}"));
        }
        check_meaning("s3cret:80", &format!("procman: argument 2 is not a URL{HINT}"));
        check_meaning(
            "foo://u:s3cret@h",
            "procman: argument 2 names no port, and its scheme has none that is usual",
        );
    }

    #[test]
    fn one_line_says_what_is_waited_for_and_one_that_it_is_there() {
        let endpoint = Endpoint::Tcp { host: "h".to_owned(), port: 1 };
        let all =
            [Awaited::Service("DB (h:1)".to_owned(), endpoint), Awaited::Instances("web".parse().unwrap())];
        let mut waiting = Waiting::new(&all);
        let after = Duration::from_millis(1234);
        let refused = || "connection refused".to_owned();
        assert_eq!(waiting.not_there(0, refused()).unwrap(), "waiting for DB (h:1): connection refused");
        assert_eq!(waiting.not_there(0, "no answer in time".to_owned()), None);
        // What is there at once has not been waited for.
        assert_eq!(waiting.there(1, after).unwrap(), "web is ready");
        assert_eq!(waiting.there(1, after), None);
        assert_eq!(waiting.missing(), ["DB (h:1) (no answer in time)"]);
        assert!(!waiting.is_over(Duration::from_secs(1)) && waiting.is_over(Duration::ZERO));
        assert_eq!(waiting.there(0, after).unwrap(), "DB (h:1) accepts connections after 1.2 s");
        assert!(waiting.is_over(Duration::from_secs(1)));
    }

    #[test]
    fn a_type_is_ready_when_all_its_instances_are() {
        let mut instances = vec![
            instance("web.1", State::Running, Some(true)),
            instance("web.2", State::Running, Some(false)),
            instance("migrate.1", State::Down, Some(true)),
            instance("clock.1", State::Down, None),
            instance("seed.1", State::Down, None),
        ];
        instances[4].last_exit = Some("exited with code 3".to_owned());
        instances[1].number = 2;
        let mut formation = formation(instances);
        formation.types = ["web", "worker", "migrate", "clock", "seed"].map(str::to_owned).to_vec();
        let known = Known {
            one_shots: [ProcessType::new("seed").unwrap()].into(),
            variables: ["A_URL".to_owned()].into(),
            ..Known::default()
        };
        let lack = |name: &str| match lack(&formation, &name.parse().unwrap(), &known) {
            Ok(lack) => lack.unwrap_or_else(|| "ready".to_owned()),
            Err(failure) => failure.to_string(),
        };
        assert_eq!(lack("web"), "web.2 (unready)");
        assert_eq!(lack("web.1"), "ready");
        assert_eq!(lack("web.2"), "unready");
        assert_eq!(lack("web.3"), "no such instance");
        assert_eq!(lack("worker"), "no such instance");
        assert_eq!(lack("migrate"), "ready");
        assert_eq!(lack("clock"), "clock.1 (down)");
        let unknown = "procman: unknown process `wbe`, did you mean `web`; there is `web`, `worker`, `migrate`, `clock`, `seed`";
        assert_eq!(lack("wbe.1"), unknown);
        let failure = lack("A_URL");
        assert!(failure.ends_with("\nhint: `env:A_URL` is the service that a variable names"), "{failure}");
        assert_eq!(lack("seed"), "procman: `seed.1` exited with code 3");
        assert_eq!(lack("seed.1"), "procman: `seed.1` exited with code 3");
    }

    #[test]
    fn what_has_ended_with_all_others_is_told_of() {
        let mut instances = vec![
            instance("migrate.1", State::Down, Some(true)),
            instance("seed.1", State::Down, None),
            instance("web.1", State::Down, None),
        ];
        instances[1].last_exit = Some("exited with code 3".to_owned());
        let mut formation = formation(instances);
        formation.types = ["web", "migrate", "seed"].map(str::to_owned).to_vec();
        let one_shots = ["migrate", "seed"].map(|name| ProcessType::new(name).unwrap()).into();
        let known = Known { one_shots, ..Known::default() };
        let see = |name: &str, status| {
            let mut targets = vec![(0, name.parse().unwrap())];
            let seen = see(&formation, &mut targets, &known, Some(status));
            let told = match seen.as_ref().map(Vec::as_slice) {
                Ok([Seen::There(0)]) => "ready".to_owned(),
                Ok([Seen::NotThere(0, why)]) => why.clone(),
                other => format!("{:?}", other.err().map(ToString::to_string)),
            };
            (told, targets.len())
        };
        assert_eq!(see("migrate", 3), ("ready".to_owned(), 0));
        // It may come back with the formation.
        assert_eq!(see("web", 3), ("ended with 3".to_owned(), 1));
        assert_eq!(see("seed", 3).0, r#"Some("procman: `seed.1` exited with code 3")"#);
        // The formation was told to end, and `seed` with it.
        assert_eq!(see("seed", 0), ("ended with 0".to_owned(), 1));
    }

    #[test]
    fn what_is_silent_is_told_of_once() {
        let all: [Awaited; 2] = ["web", "worker"].map(|name| Awaited::Instances(name.parse().unwrap()));
        let mut waiting = Waiting::new(&all);
        waiting.not_there(0, "not running".to_owned());
        assert_eq!(waiting.silent(), ["waiting for worker: no answer in time"]);
        assert_eq!(waiting.silent(), Vec::<String>::new());
    }
}
