//! The little language of the transcripts: one step a line, `event -> actions`.
//!
//! An event is written as in [`event`] below. `+5s` before it lets time pass first; alone it is
//! `TimePassed`. `next deadline?`, `stop deadline?`, `cause?`, `to come?` and `status?` ask the machine, `#` begins a comment.
//! Every step, whoever takes it, is also held against the promises of the [`ledger`](crate::supervisor::tests::ledger).
//!
//! `ask 7: restart web.1` is a request, and its replies are `reply 7: web.1 runs 12`, `done 7` and `refuse 7: stopping`.
//! `start web.1` is one too, of procman itself: its replies are not shown.

use std::time::Duration;

use crate::formation::{InstanceId, Target};
use crate::policy::{
    Endpoint, Health, Kind, Need, OnExit, Policies, Policy, Probe, Readiness, Restart, Service, Sign,
};
use crate::process::{Exit, Pid, Sender, Signal};
use crate::procfile::ProcessType;
use crate::supervisor::tests::ledger::Ledger;
use crate::supervisor::{
    Action, Announcement, Audience, Event, Group, Manner, Notice, Outcome, Purpose, Receiver, Refusal, Reply,
    Request, RequestId, Settings, Standing, State, Status, StopCause, Supervisor, Time, Trouble, Verdict,
    Who, Why,
};

/// The grace period of all transcripts that do not name one.
pub const GRACE: Duration = Duration::from_secs(5);

/// The types of the Procfile, in its order.
pub const TYPES: [&str; 6] = ["web", "worker", "clock", "a", "b", "release"];

/// The number from which on requests are procman's own, and no one is shown the replies.
const OWN: u64 = 1_000_000;

/// Plays the events of a transcript and compares the actions.
#[track_caller]
pub fn check(transcript: &str) {
    check_with_grace(GRACE, transcript);
}

/// Like [`check`], with another grace period.
#[track_caller]
pub fn check_with_grace(grace: Duration, transcript: &str) {
    play(Player::new(grace), transcript);
}

/// Like [`check`], with policies as [`settings_with`] reads them.
#[track_caller]
pub fn check_with(policies: &str, transcript: &str) {
    play(Player::with(settings_with(policies)), transcript);
}

#[track_caller]
fn play(mut player: Player, transcript: &str) {
    let mut expected = Vec::new();
    let mut actual = Vec::new();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((event, actions)) = line.split_once("->") else { panic!("no arrow in `{line}`") };
        let event = squeeze(event);
        let answer = match event.as_str() {
            "next deadline?" => show_deadline(player.supervisor.next_deadline()),
            "stop deadline?" => show_deadline(player.supervisor.stop_deadline()),
            "cause?" => player.supervisor.stop_cause().map_or_else(String::new, show_cause),
            "to come?" => {
                let all = player.supervisor.status().into_iter().map(|status| status.id);
                show_all(&all.filter(|id| player.supervisor.is_to_come(id)).collect::<Vec<_>>())
            }
            "status?" => show_status(&player.supervisor.status()),
            step => show_actions(&player.play(step)),
        };
        expected.push((event.clone(), squeeze(actions)));
        actual.push((event, answer));
    }
    assert!(actual == expected, "the transcript is now\n\n{}", align(&actual));
}

/// A supervisor, the time, and the watch over its promises.
#[derive(Clone)]
pub struct Player {
    pub supervisor: Supervisor,
    pub ledger: Ledger,
    pub now: Time,
    /// How many requests procman itself has made.
    own: u64,
    history: Vec<(Duration, Event, Vec<Action>)>,
}

impl Player {
    pub fn new(grace: Duration) -> Self {
        Player::with(settings(grace))
    }

    pub fn with(settings: Settings) -> Self {
        let types = if settings.policies.is_empty() { types() } else { all_types() };
        Player {
            supervisor: Supervisor::new(settings.clone(), types.clone()),
            ledger: Ledger::new(settings, types),
            now: Duration::ZERO,
            own: OWN,
            history: Vec::new(),
        }
    }

    /// Takes one step of the language.
    #[track_caller]
    pub fn play(&mut self, step: &str) -> Vec<Action> {
        let words: Vec<&str> = step.split_whitespace().collect();
        let (wait, event) = match words.as_slice() {
            [wait, rest @ ..] if wait.starts_with('+') => (duration(wait), event(rest)),
            words => (Duration::ZERO, event(words)),
        };
        self.tell(self.now + wait + asleep(&event), self.told_apart(event))
    }

    /// Numbers the requests of procman itself.
    fn told_apart(&self, mut event: Event) -> Event {
        if let Event::Asked { by, .. } = &mut event
            && *by == RequestId(OWN)
        {
            *by = RequestId(self.own);
        }
        event
    }

    /// Tells the machine an event and returns its orders.
    ///
    /// Panics with a transcript of all that has happened if a promise is broken.
    #[track_caller]
    pub fn tell(&mut self, now: Time, event: Event) -> Vec<Action> {
        let wait = now - self.now - asleep(&event);
        self.now = now;
        if matches!(event, Event::Asked { by, .. } if by.0 == self.own) {
            self.own += 1;
        }
        let nothing_due = self.supervisor.next_deadline().is_none_or(|at| at > self.now);
        let must_change_nothing = nothing_due && !self.ledger.is_fact(&event);
        let before = must_change_nothing.then(|| format!("{:?}", self.supervisor));
        let actions = self.supervisor.handle(self.now, event.clone());
        self.history.push((wait, event.clone(), actions.clone()));

        let kept = self.ledger.saw(self.now, &event, &actions, &self.supervisor);
        if let Err(broken) = kept {
            panic!("{broken}; the transcript was\n\n{}", self.transcript());
        }
        if let Some(before) = before
            && (before != format!("{:?}", self.supervisor) || !actions.is_empty())
        {
            panic!("the last event had to change nothing; the transcript was\n\n{}", self.transcript());
        }
        actions
    }

    /// Returns all that has happened, in the language.
    pub fn transcript(&self) -> String {
        let rows = self.history.iter().map(|(wait, event, actions)| {
            let pause = if wait.is_zero() { String::new() } else { format!("+{} ", show_duration(*wait)) };
            let step = pause + &show_event(event);
            (squeeze(&step), show_actions(actions))
        });
        align(&rows.collect::<Vec<_>>())
    }
}

/// How long procman stood still before the event: the clock ran on.
fn asleep(event: &Event) -> Duration {
    if let Event::Resumed { asleep } = event { *asleep } else { Duration::ZERO }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn align(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(event, _)| event.len()).max().unwrap_or_default();
    rows.iter()
        .map(|(event, actions)| format!("{event:width$} -> {actions}").trim_end().to_owned() + "\n")
        .collect()
}

/// The event that a step of the language writes, if it lets no time pass.
pub fn step(text: &str) -> Event {
    event(&text.split_whitespace().collect::<Vec<_>>())
}

fn event(words: &[&str]) -> Event {
    match words {
        [] => Event::TimePassed,
        ["start", ..] => Event::Asked { by: RequestId(OWN), request: request(words) },
        ["ask", by, words @ ..] => {
            let by = RequestId(by.trim_end_matches(':').parse().unwrap());
            Event::Asked { by, request: request(words) }
        }
        ["spawned", name, pid] => Event::Spawned { id: id(name), pid: Pid(number(pid)) },
        ["spawn-failed", name, code] => Event::SpawnFailed { id: id(name), exit: Exit::Code(number(code)) },
        ["stopped", name, by] => Event::Stopped { id: id(name), signal: signal(by) },
        ["exited", name, code, rest @ ..] => {
            Event::Exited { id: id(name), exit: Exit::Code(number(code)), group: group(rest) }
        }
        ["killed", name, by, rest @ ..] => {
            Event::Exited { id: id(name), exit: Exit::Signal(signal(by)), group: group(rest) }
        }
        ["emptied", name] => Event::GroupEmptied { id: id(name) },
        ["escapees", "left"] => Event::EscapeesLeft,
        ["escapees", "gone"] => Event::EscapeesGone,
        ["out-of-memory", kills] => Event::MemoryRanOut { kills: kills.parse().unwrap() },
        ["output", "closed"] => Event::OutputClosed,
        ["guard", "lost"] => Event::GuardLost,
        ["resumed", asleep] => Event::Resumed { asleep: duration(asleep) },
        ["ready", name, pid] => Event::Ready { id: id(name), pid: Pid(number(pid)) },
        ["probed", name, pid, rest @ ..] => {
            Event::Probed { id: id(name), pid: Pid(number(pid)), verdict: verdict(rest) }
        }
        ["extended", name, pid, by] => {
            Event::Extended { id: id(name), pid: Pid(number(pid)), by: duration(by) }
        }
        ["ends-soon", name, pid] => Event::EndsSoon { id: id(name), pid: Pid(number(pid)) },
        ["reached", name] => Event::Reached { service: service(name) },
        ["not-reached", name] => Event::NotReached { service: service(name), trouble: Trouble::Refused },
        ["drained"] => Event::Drained,
        [heard] => signalled(heard, Sender::Kernel),
        [heard, "from", pid] => signalled(heard, Sender::Process(Pid(number(pid)))),
        _ => panic!("no such event: `{}`", words.join(" ")),
    }
}

/// The request that words such as `restart web.1` write.
pub fn request(words: &[&str]) -> Request {
    let targets =
        |names: &[&str]| -> Vec<Target> { names.iter().map(|name| name.parse().unwrap()).collect() };
    match words {
        ["start", ids @ ..] => Request::Start(ids.iter().map(|name| id(name)).collect()),
        ["scale", changes @ ..] => {
            Request::Scale(changes.iter().map(|change| change.parse().unwrap()).collect())
        }
        ["restart", names @ ..] => Request::Restart(targets(names)),
        ["stop", names @ ..] => Request::Stop(targets(names)),
        ["up", names @ ..] => Request::Up(targets(names)),
        ["signal", by, names @ ..] => Request::Signal(signal(by), targets(names)),
        ["quit"] => Request::Quit,
        _ => panic!("no such request: `{}`", words.join(" ")),
    }
}

/// A signal that the guard got, `SIGTERM`, or the supervisor itself, `SIGTERM@supervisor`.
fn signalled(heard: &str, sender: Sender) -> Event {
    match heard.split_once('@') {
        None => Event::Signalled { signal: signal(heard), sender, receiver: Receiver::Guard },
        Some((name, "supervisor")) => {
            Event::Signalled { signal: signal(name), sender, receiver: Receiver::Supervisor }
        }
        Some(_) => panic!("no such receiver: `{heard}`"),
    }
}

/// A service by the name of its variable.
pub fn service(name: &str) -> Service {
    Service { name: name.to_owned(), endpoint: Ok(Endpoint::Tcp { host: "localhost".to_owned(), port: 1 }) }
}

fn verdict(words: &[&str]) -> Verdict {
    match words {
        [] => Verdict::Passed,
        ["failed"] => Verdict::Failed(Trouble::Refused),
        _ => panic!("a probe is followed by nothing or `failed`, not `{}`", words.join(" ")),
    }
}

fn group(words: &[&str]) -> Group {
    match words {
        [] => Group::Empty,
        ["leaving"] => Group::Inhabited,
        _ => panic!("an end is followed by nothing or `leaving`, not `{}`", words.join(" ")),
    }
}

/// Returns the settings of a formation of whose types nothing is said.
fn settings(grace: Duration) -> Settings {
    let (policies, patience) = (Policies::new(), Duration::from_secs(60));
    Settings { grace, policies, patience, audience: Audience::Nobody, seed: None }
}

fn types() -> Vec<ProcessType> {
    TYPES.iter().map(|name| ProcessType::new(name).unwrap()).collect()
}

/// The types of a formation with policies: there are more to be needed.
fn all_types() -> Vec<ProcessType> {
    let needed = ["db", "migrate"].iter().map(|name| ProcessType::new(name).unwrap());
    types().into_iter().chain(needed).collect()
}

/// Returns the settings that policies write, `web: restart=always needs=db,env:X; db: ready=probe`. What concerns
/// the formation is said of `all`: `all: patience=9s supervised seed=7`.
pub fn settings_with(policies: &str) -> Settings {
    let mut all = settings(GRACE);
    for text in policies.split([';', '\n']).map(str::trim).filter(|text| !text.is_empty()) {
        let Some((name, words)) = text.split_once(':') else { panic!("no colon in `{text}`") };
        if name == "all" {
            words.split_whitespace().for_each(|word| set_for_all(&mut all, word));
            continue;
        }
        let mut policy = Policy::new(all.grace);
        words.split_whitespace().for_each(|word| set(&mut policy, word));
        all.policies.insert(ProcessType::new(name).unwrap(), policy);
    }
    all
}

fn set_for_all(settings: &mut Settings, word: &str) {
    match word.split_once('=') {
        Some(("patience", patience)) => settings.patience = duration(patience),
        Some(("seed", seed)) => settings.seed = Some(seed.parse().unwrap()),
        None if word == "supervised" => settings.audience = Audience::Supervisor,
        _ => panic!("no such setting: `{word}`"),
    }
}

fn set(policy: &mut Policy, word: &str) {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match (key, value) {
        ("one-shot", "") => policy.kind = Kind::OneShot,
        ("restart", "never") => policy.restart = Restart::Never,
        ("restart", "on-failure") => policy.restart = Restart::OnFailure,
        ("restart", "always") => policy.restart = Restart::Always,
        ("budget", ends) => policy.budget = ends.parse().unwrap(),
        ("on-exit", "stop-all") => policy.on_exit = OnExit::StopAll,
        ("on-exit", "ignore") => policy.on_exit = OnExit::Ignore,
        ("stop-signal", name) => policy.stop_signal = signal(name),
        ("grace", time) => policy.grace = duration(time),
        ("needs", names) => policy.needs = names.split(',').map(need).collect(),
        ("ready", sign) => policy.ready = Some(readiness(sign)),
        ("deadline", time) => policy.ready.as_mut().unwrap().deadline = duration(time),
        ("health", failures) => policy.health = Some(health(failures.parse().unwrap())),
        _ => panic!("no such policy: `{word}`"),
    }
}

fn need(name: &str) -> Need {
    match name.strip_prefix("env:") {
        Some(variable) => Need::Service(service(variable)),
        None => Need::Process(ProcessType::new(name).unwrap()),
    }
}

fn readiness(sign: &str) -> Readiness {
    let sign = match sign {
        "probe" => Sign::Probe(Probe::Port),
        "log" => Sign::Log("listening".into()),
        "notify" => Sign::Notify,
        _ => panic!("no such sign: `{sign}`"),
    };
    let (interval, timeout, deadline) = (Readiness::INTERVAL, Readiness::TIMEOUT, Readiness::DEADLINE);
    Readiness { sign, interval, timeout, deadline }
}

fn health(failures: u32) -> Health {
    Health { probe: Probe::Port, interval: Health::INTERVAL, timeout: Health::TIMEOUT, failures }
}

/// The instance `web.1`.
pub fn id(name: &str) -> InstanceId {
    let (process, number) = name.rsplit_once('.').unwrap();
    InstanceId { process: ProcessType::new(process).unwrap(), number: number.parse().unwrap() }
}

fn signal(name: &str) -> Signal {
    (1..=64)
        .map(Signal)
        .find(|signal| signal.to_string() == name)
        .unwrap_or_else(|| panic!("no such signal: `{name}`"))
}

fn number(text: &str) -> i32 {
    text.parse().unwrap_or_else(|_| panic!("no number: `{text}`"))
}

fn duration(text: &str) -> Duration {
    let text = text.trim_start_matches('+');
    match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(milliseconds), _) => Duration::from_millis(milliseconds.parse().unwrap()),
        (None, Some(seconds)) => Duration::from_secs(seconds.parse().unwrap()),
        (None, None) => panic!("no duration: `{text}`"),
    }
}

fn show_event(event: &Event) -> String {
    match event {
        Event::Asked { by, request } if is_own(*by) => show_request(request),
        Event::Asked { by, request } => format!("ask {}: {}", by.0, show_request(request)),
        Event::Spawned { id, pid } => format!("spawned {id} {pid}"),
        Event::SpawnFailed { id, exit } => format!("spawn-failed {id} {}", exit.status()),
        Event::Stopped { id, signal } => format!("stopped {id} {signal}"),
        Event::Exited { id, exit, group } => {
            let end = match exit {
                Exit::Code(code) => format!("exited {id} {code}"),
                Exit::Signal(signal) => format!("killed {id} {signal}"),
            };
            match group {
                Group::Empty => end,
                Group::Inhabited => end + " leaving",
            }
        }
        Event::GroupEmptied { id } => format!("emptied {id}"),
        Event::Signalled { signal, sender, receiver } => {
            let heard = match receiver {
                Receiver::Guard => signal.to_string(),
                Receiver::Supervisor => format!("{signal}@supervisor"),
            };
            match sender {
                Sender::Kernel => heard,
                Sender::Process(pid) => format!("{heard} from {pid}"),
            }
        }
        Event::EscapeesLeft => "escapees left".into(),
        Event::EscapeesGone => "escapees gone".into(),
        Event::MemoryRanOut { kills } => format!("out-of-memory {kills}"),
        Event::OutputClosed => "output closed".into(),
        Event::GuardLost => "guard lost".into(),
        Event::Resumed { asleep } => format!("resumed +{}", show_duration(*asleep)),
        Event::Ready { id, pid } => format!("ready {id} {pid}"),
        Event::Probed { id, pid, verdict: Verdict::Passed } => format!("probed {id} {pid}"),
        Event::Probed { id, pid, verdict: Verdict::Failed(_) } => format!("probed {id} {pid} failed"),
        Event::Extended { id, pid, by } => format!("extended {id} {pid} {}", show_duration(*by)),
        Event::EndsSoon { id, pid } => format!("ends-soon {id} {pid}"),
        Event::Reached { service } => format!("reached {}", service.name),
        Event::NotReached { service, .. } => format!("not-reached {}", service.name),
        Event::Drained => "drained".into(),
        Event::TimePassed => String::new(),
    }
}

fn show_request(request: &Request) -> String {
    match request {
        Request::Start(ids) => format!("start {}", show_all(ids)),
        Request::Scale(changes) => format!("scale {}", show_all(changes)),
        Request::Restart(targets) => format!("restart {}", show_all(targets)),
        Request::Stop(targets) => format!("stop {}", show_all(targets)),
        Request::Up(targets) => format!("up {}", show_all(targets)),
        Request::Signal(signal, targets) => format!("signal {signal} {}", show_all(targets)),
        Request::Quit => "quit".into(),
    }
}

/// Shows SIGTERM and the SIGCONT behind it as one order, `terminate`.
fn show_actions(actions: &[Action]) -> String {
    let mut shown = Vec::new();
    let mut rest = actions;
    while let [action, others @ ..] = rest {
        rest = others;
        if matches!(action, Action::Reply(by, _) if is_own(*by)) {
            continue;
        }
        shown.push(match action {
            Action::Signal(id, Signal::TERM)
                if rest.first() == Some(&Action::Signal(id.clone(), Signal::CONT)) =>
            {
                rest = &rest[1..];
                format!("terminate {id}")
            }
            Action::Signal(id, Signal::KILL) => format!("kill {id}"),
            Action::Signal(id, Signal::STOP) => format!("stop {id}"),
            Action::Signal(id, Signal::CONT) => format!("continue {id}"),
            Action::Signal(id, signal) => format!("{signal} {id}"),
            Action::Spawn(id) => format!("spawn {id}"),
            Action::Say(notice) => format!("say {}", show_notice(notice)),
            Action::Reply(by, reply) => show_reply(by.0, reply),
            Action::Probe { id, pid, purpose: Purpose::Readiness } => format!("probe {id} {pid}"),
            Action::Probe { id, pid, purpose: Purpose::Health } => format!("examine {id} {pid}"),
            Action::Reach(service) => format!("reach {}", service.name),
            Action::LetGo(service) => format!("let go {}", service.name),
            Action::Announce(Announcement::Ready) => "announce ready".into(),
            Action::Announce(Announcement::Stopping) => "announce stopping".into(),
            Action::Announce(Announcement::Progress { ready, of }) => format!("announce {ready} of {of}"),
            Action::Suspend => "suspend".into(),
            Action::TerminateEscapees => "terminate escapees".into(),
            Action::Drain => "drain".into(),
            Action::Finish(status) => format!("finish {status}"),
        });
    }
    shown.join(", ")
}

fn is_own(by: RequestId) -> bool {
    by.0 >= OWN
}

fn show_reply(by: u64, reply: &Reply) -> String {
    let outcome = match reply {
        Reply::Done => return format!("done {by}"),
        Reply::Refused(refusal) => return format!("refuse {by}: {}", show_refusal(refusal)),
        Reply::Outcome(id, outcome) => (id, outcome),
    };
    let (id, outcome) = outcome;
    let shown = match outcome {
        Outcome::Running { pid } => format!("runs {pid}"),
        Outcome::RunsAlready { pid } => format!("runs already {pid}"),
        Outcome::Stopped { exit } => format!("stopped {}", show_exit(*exit)),
        Outcome::DownAlready => "down already".into(),
        Outcome::NotAgain => "not again".into(),
        Outcome::Signalled => "signalled".into(),
        Outcome::NotSignalled => "not signalled".into(),
        Outcome::NotStarted { exit } => format!("not started {}", show_exit(*exit)),
        Outcome::Held => "held".into(),
        Outcome::Overtaken => "overtaken".into(),
        Outcome::Unkillable => "unkillable".into(),
    };
    format!("reply {by}: {id} {shown}")
}

fn show_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unknown { name, .. } => format!("unknown {name}"),
        Refusal::NoneOf { process } => format!("none of {process}"),
        Refusal::TooMany { process, count } => format!("too many {process} {count}"),
        Refusal::Twice { name } => format!("twice {name}"),
        Refusal::Stopping => "stopping".into(),
    }
}

fn show_exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => code.to_string(),
        Exit::Signal(signal) => signal.to_string(),
    }
}

/// `web.1 running 11, web.2 down`, with `restarted 2` and `after 3` (its last end) where there is something to say.
fn show_status(all: &[Status]) -> String {
    let each = all.iter().map(|Status { id, state, standing, waits_for, restarts, last_exit }| {
        let state = match state {
            State::Starting => "starting".to_owned(),
            State::Held => format!("held for {}", waits_for.join(" ")),
            State::Running { pid, since } => format!("running {pid} since {}", show_duration(*since)),
            State::Stopping { pid } => format!("stopping {pid}"),
            State::BackingOff { until } => format!("backing off until {}", show_duration(*until)),
            State::Down => "down".to_owned(),
        };
        let restarted = if *restarts == 0 { String::new() } else { format!(" restarted {restarts}") };
        let after = last_exit.map_or_else(String::new, |exit| format!(" after {}", show_exit(exit)));
        let standing = match standing {
            Standing::NotAsked => "",
            Standing::Unready => " unready",
            Standing::Ready => " ready",
            Standing::Done => " done",
        };
        format!("{id} {state}{standing}{restarted}{after}")
    });
    each.collect::<Vec<_>>().join(", ")
}

fn show_notice(notice: &Notice) -> String {
    match notice {
        Notice::Stopping(cause, Manner::AtOnce) => format!("stopping {}", show_cause(cause)),
        Notice::Stopping(cause, Manner::ByPolicy) => format!("stopping by policy {}", show_cause(cause)),
        Notice::Stopping(cause, Manner::NothingRuns) => format!("nothing to stop {}", show_cause(cause)),
        Notice::Forced(signal) => format!("forced by {signal}"),
        Notice::Overdue { ids, .. } => format!("overdue {}", show_all(ids)),
        Notice::EscapeesOverdue => "overdue escapees".into(),
        Notice::Stopped { id, signal } => format!("stopped {id} {signal}"),
        Notice::Leftovers { id, .. } => format!("leftovers {id}"),
        Notice::OutOfMemory { kills } => format!("out-of-memory {kills}"),
        Notice::Unkillable { id, pid } => format!("unkillable {id} {pid}"),
        Notice::Ready { id, after } => format!("ready {id} after {}", show_duration(*after)),
        Notice::Restarting { id, why } => format!("restarting {id} {}", show_why(why)),
        Notice::StartsAgain { id, why, pause, ends, .. } => {
            format!("back in {} {id} {} ({ends})", show_duration(*pause), show_why(why))
        }
        Notice::UsedUp { id, why, .. } => format!("used up {id} {}", show_why(why)),
        Notice::OthersGoOn { id, why } => format!("others go on {id} {}", show_why(why)),
        Notice::Rejected { id, why } => format!("rejected {id} {}", show_why(why)),
        Notice::Waits { who, needs } => format!("{} waits for {}", show_who(who), show_all(needs)),
        Notice::WaitsInVain { who, id } => format!("{} waits in vain for {id}", show_who(who)),
        Notice::NeverStarted(ids) => format!("never started {}", show_all(ids)),
        Notice::TurnHasCome(id) => format!("turn of {id}"),
        Notice::NotReached { service, .. } => format!("no {}", service.name),
        Notice::Reached { service, after } => format!("{} after {}", service.name, show_duration(*after)),
        Notice::Missing(services) => {
            let missing = |(service, after): &(Service, Duration)| {
                format!("{} {}", service.name, show_duration(*after))
            };
            format!("missing {}", services.iter().map(missing).collect::<Vec<_>>().join(" "))
        }
    }
}

fn show_cause(cause: &StopCause) -> String {
    match cause {
        StopCause::Signal(signal) => format!("for {signal}"),
        StopCause::Quit => "for quit".into(),
        StopCause::Ended(id) => format!("for {id}"),
        StopCause::NotStarted(id) => format!("without {id}"),
        StopCause::Failed(id, why) => format!("for {id} {}", show_why(why)),
        StopCause::GivenUp(id, _) => format!("for {id}"),
        StopCause::InVain { id, .. } => format!("for {id} in vain"),
        StopCause::Missing(service) => format!("without {}", service.name),
        StopCause::NothingLeft => "for nothing".into(),
        StopCause::OutputClosed => "for output".into(),
        StopCause::GuardLost => "for guard".into(),
    }
}

fn show_why(why: &Why) -> String {
    match why {
        Why::Ended(exit) => show_exit(*exit),
        Why::NotStarted(exit) => format!("unstarted {}", show_exit(*exit)),
        Why::Late { .. } => "late".into(),
        Why::Unwell { failures, .. } => format!("unwell {failures}"),
    }
}

fn show_who(who: &Who) -> String {
    match who {
        Who::Instance(id) => id.to_string(),
        Who::Type(process) => process.to_string(),
    }
}

fn show_all<T: ToString>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

fn show_deadline(deadline: Option<Time>) -> String {
    deadline.map_or("none".into(), show_duration)
}

fn show_duration(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}
