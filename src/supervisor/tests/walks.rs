//! Random lives of a formation in a small simulated world, held against the ledger's promises.
//!
//! The world has processes that obey SIGTERM or ignore it, die by themselves, leave others behind or
//! cannot even be killed; spawns that fail; services that come late; probes that pass or do not; users who send signals
//! and ask for things at any time; and a runtime that now and then says what cannot be. A failure prints the whole life
//! as a transcript.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::sample::select;
use proptest::strategy::{Just, Strategy};
use proptest::{prop_oneof, proptest};

use crate::formation::{Amount, Change, InstanceId, Target};
use crate::policy::{Health, Kind, Need, OnExit, Policies, Policy, Probe, Readiness, Restart, Service, Sign};
use crate::process::{Exit, Pid, Sender, Signal};
use crate::supervisor::tests::ledger::Sent;
use crate::supervisor::tests::transcript::{Player, id, service};
use crate::supervisor::{
    Action, Audience, Event, Group, Notice, Purpose, Receiver, Reply, Request, RequestId, Settings, Time,
    Trouble, Verdict,
};
use crate::trials;

/// The longest a spawn takes, what SIGKILL and then output may take.
const FINISH_LIMIT: Duration = Duration::from_secs(1 + 2 + 1);

/// The types of every life, each of which may need those behind it.
const TYPES: [&str; 3] = ["web", "worker", "clock"];

/// The services that may be needed.
const SERVICES: [&str; 2] = ["DB", "CACHE"];

/// A life without an end is ended then.
const HORIZON: Duration = Duration::from_secs(300);

proptest! {
    #![proptest_config(trials::trials(1500))]

    #[test]
    fn promises_hold_in_every_life(life in life()) {
        World::new(life).live();
    }

    #[test]
    fn promises_hold_in_every_life_that_is_full_of_requests(life in life_of_requests()) {
        World::new(life).live();
    }

    #[test]
    fn promises_hold_in_every_life_with_policies(life in life_with_policies()) {
        World::new(life).live();
    }
}

/// All that chance decides.
#[derive(Clone, Debug)]
struct Life {
    settings: Settings,
    /// When each service is there, if ever.
    services: Vec<Option<Duration>>,
    /// How instances behave, each like the one before it by so many.
    characters: Vec<Character>,
    /// How many instances there are at first.
    instances: usize,
    /// How long the output takes to be written; `None` is for ever.
    drain: Option<Duration>,
    /// What happens from outside, each so long after the one before.
    incidents: Vec<(Duration, Incident)>,
}

/// How an instance behaves.
#[derive(Clone, Debug)]
struct Character {
    spawn: Duration,
    /// Which of its spawns fails, and with which status.
    failure: Option<(u32, i32)>,
    /// How long it lives if nobody ends it, and how it ends then.
    life: Option<(Duration, Exit)>,
    leader: Manners,
    leftovers: Option<Manners>,
    /// How long after it has been given up it ends nevertheless.
    after_all: Option<Duration>,
    /// How long after its spawn it is ready, if ever, and not well any more.
    ready: Option<Duration>,
    ill: Option<Duration>,
    /// How long a probe of it takes.
    probe: Duration,
}

/// What SIGTERM and SIGKILL do to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    Obeys(Duration),
    IgnoresTerm,
    Unkillable,
}

#[derive(Clone, Debug)]
enum Incident {
    Signal {
        signal: Signal,
        sender: Sender,
        receiver: Receiver,
    },
    MemoryRanOut,
    /// Something has left its group; it ends so long after it has been asked to, or never.
    Escaped(Option<Duration>),
    OutputClosed,
    GuardLost,
    /// Somebody stops an instance that lives.
    Stopped(Signal),
    Asked(Request),
    /// One that lives asks for more time.
    Extended(Duration),
    /// One that lives says that it ends.
    EndsSoon,
    /// The machine is woken although nothing is due.
    Woken,
    /// Somebody stops procman, and later continues it.
    Sleep(Duration),
    /// Something is told that may be true or not.
    Nonsense(Event),
}

/// What will be if nothing prevents it.
#[derive(Clone, Debug)]
enum Plan {
    Spawn(InstanceId),
    LeaderEnds(InstanceId, Pid, Exit),
    GroupEmpties(InstanceId, Pid),
    OutputWritten,
    EscapeesEnd,
    Tell(Event),
    /// What comes of trying a service, unless that is of no use any more.
    Tried(u32, Event),
    Happen(Incident),
}

struct World {
    player: Player,
    now: Time,
    life: Life,
    plans: Vec<(Time, Plan)>,
    /// How often each instance has been spawned.
    spawns: BTreeMap<InstanceId, u32>,
    /// When each leader was spawned.
    births: BTreeMap<Pid, Time>,
    /// Those that are being tried.
    tries: BTreeMap<Service, u32>,
    last_try: u32,
    last_pid: i32,
    last_request: u64,
    /// How long escapees take to end.
    escapees: Option<Duration>,
    /// Whether nobody has asked for anything to be stopped or taken out.
    must_end: bool,
}

impl World {
    fn new(life: Life) -> Self {
        let mut plans = Vec::new();
        let mut at = Duration::ZERO;
        for (wait, incident) in life.incidents.clone() {
            at += wait;
            plans.push((at, Plan::Happen(incident)));
        }
        World {
            player: Player::with(life.settings.clone()),
            now: Duration::ZERO,
            life,
            plans,
            spawns: BTreeMap::new(),
            births: BTreeMap::new(),
            tries: BTreeMap::new(),
            last_try: 0,
            last_pid: 100,
            last_request: 0,
            escapees: None,
            must_end: true,
        }
    }

    /// Lives until nothing is planned and nothing awaited. If nobody has ended the formation by then, a
    /// request does.
    fn live(mut self) {
        let ids = (0..self.life.instances).map(instance).collect();
        self.ask(Request::Start(ids));
        loop {
            let mut is_quiet = false;
            while !is_quiet && (self.now < HORIZON || self.player.ledger.is_stopping()) {
                is_quiet = !self.step();
            }
            let owes_nothing = self.player.ledger.owes_nothing() || !is_quiet;
            assert!(owes_nothing, "somebody waits for ever:\n\n{}", self.player.transcript());
            if self.player.ledger.is_stopping() {
                break;
            }
            let is_forgotten = self.must_end && self.last_pid > 100 && self.player.ledger.is_still();
            assert!(!is_forgotten, "nobody wished that nothing runs:\n\n{}", self.player.transcript());
            let (sender, receiver) = (Sender::Kernel, Receiver::Guard);
            self.tell(Event::Signalled { signal: Signal::TERM, sender, receiver });
        }
        assert!(self.player.ledger.is_finished(), "no finish came after\n\n{}", self.player.transcript());
    }

    /// Does what comes next, a plan or the machine's deadline, and returns whether there was any.
    fn step(&mut self) -> bool {
        // `min_by_key` takes the first of equals: what was planned first.
        let plan = (0..self.plans.len()).min_by_key(|&index| self.plans[index].0);
        let deadline = self.player.supervisor.next_deadline();
        match (plan, deadline) {
            (Some(index), _) if deadline.is_none_or(|at| self.plans[index].0 <= at) => {
                let (at, plan) = self.plans.remove(index);
                self.now = at;
                self.happen(plan);
            }
            (_, Some(at)) => {
                self.now = at;
                self.tell(Event::TimePassed);
            }
            (_, None) => return false,
        }
        true
    }

    fn happen(&mut self, plan: Plan) {
        let ledger = &self.player.ledger;
        match plan {
            Plan::Spawn(id) => self.spawn(id),
            Plan::LeaderEnds(id, pid, exit) if ledger.pid(&id) == Some(pid) && ledger.has_leader(&id) => {
                let group = match (self.character(&id).leftovers, ledger.sent(&id)) {
                    (None, _) | (Some(Manners::Obeys(_) | Manners::IgnoresTerm), Sent::Kill) => Group::Empty,
                    (Some(Manners::Obeys(after)), Sent::Term) => {
                        self.plan(after, Plan::GroupEmpties(id.clone(), pid));
                        Group::Inhabited
                    }
                    (Some(_), _) => Group::Inhabited,
                };
                self.tell(Event::Exited { id, exit, group });
            }
            Plan::GroupEmpties(id, pid) if ledger.pid(&id) == Some(pid) && !ledger.has_leader(&id) => {
                self.tell(Event::GroupEmptied { id });
            }
            // Something else ended it before.
            Plan::LeaderEnds(..) | Plan::GroupEmpties(..) => {}
            Plan::OutputWritten => self.tell(Event::Drained),
            Plan::EscapeesEnd => self.tell(Event::EscapeesGone),
            Plan::Tell(event) => self.tell(event),
            Plan::Tried(number, event) if self.tries.values().any(|open| *open == number) => {
                if let Event::Reached { service } = &event {
                    self.tries.remove(service);
                }
                self.tell(event);
            }
            Plan::Tried(..) => {}
            Plan::Happen(incident) => self.befall(incident),
        }
    }

    fn spawn(&mut self, id: InstanceId) {
        let spawns = self.spawns.entry(id.clone()).or_default();
        *spawns += 1;
        let spawns = *spawns;
        let Character { failure, life, ready, .. } = *self.character(&id);
        match failure {
            Some((which, status)) if which == spawns => {
                self.tell(Event::SpawnFailed { id, exit: Exit::Code(status) });
            }
            Some(_) | None => {
                self.last_pid += 1;
                let pid = Pid(self.last_pid);
                if let Some((life, exit)) = life {
                    self.plan(life, Plan::LeaderEnds(id.clone(), pid, exit));
                }
                let policy = self.life.settings.policies.get(&id.process);
                let sign = policy.and_then(|policy| policy.ready.as_ref()).map(|ready| &ready.sign);
                if let (Some(after), Some(Sign::Log(_) | Sign::Notify)) = (ready, sign) {
                    self.plan(after, Plan::Tell(Event::Ready { id: id.clone(), pid }));
                }
                self.births.insert(pid, self.now);
                self.tell(Event::Spawned { id, pid });
            }
        }
    }

    fn ask(&mut self, request: Request) {
        self.last_request += 1;
        self.must_end &= !matches!(request, Request::Stop(_) | Request::Scale(_));
        self.tell(Event::Asked { by: RequestId(self.last_request), request });
    }

    fn befall(&mut self, incident: Incident) {
        match incident {
            Incident::Signal { signal, sender, receiver } => {
                self.tell(Event::Signalled { signal, sender, receiver });
            }
            Incident::Escaped(after) => {
                self.escapees = after;
                self.tell(Event::EscapeesLeft);
            }
            Incident::MemoryRanOut => self.tell(Event::MemoryRanOut { kills: 1 }),
            Incident::OutputClosed => self.tell(Event::OutputClosed),
            Incident::GuardLost => self.tell(Event::GuardLost),
            Incident::Stopped(signal) => {
                if let Some(id) = self.player.ledger.leaders().pop() {
                    self.tell(Event::Stopped { id, signal });
                }
            }
            Incident::Asked(request) => self.ask(request),
            Incident::Extended(by) => {
                if let Some((id, pid)) = self.somebody() {
                    self.tell(Event::Extended { id, pid, by });
                }
            }
            Incident::EndsSoon => {
                if let Some((id, pid)) = self.somebody() {
                    self.tell(Event::EndsSoon { id, pid });
                }
            }
            Incident::Woken => self.tell(Event::TimePassed),
            Incident::Sleep(asleep) => self.sleep(asleep),
            // What fits would be a lie: the world itself says that.
            Incident::Nonsense(event) if self.player.ledger.is_fact(&event) => {}
            Incident::Nonsense(event) => self.tell(event),
        }
    }

    /// One whose leader lives.
    fn somebody(&self) -> Option<(InstanceId, Pid)> {
        let id = self.player.ledger.leaders().pop()?;
        let pid = self.player.ledger.pid(&id)?;
        Some((id, pid))
    }

    /// Tells the machine, and lets the world answer its orders.
    fn tell(&mut self, event: Event) {
        for action in self.player.tell(self.now, event) {
            match action {
                Action::Spawn(id) => self.plan(self.character(&id).spawn, Plan::Spawn(id)),
                Action::Signal(id, Signal::TERM | Signal::INT) => self.terminate(id),
                Action::Signal(id, Signal::KILL) => self.kill(id),
                Action::Say(Notice::Unkillable { id, .. }) => {
                    let Character { leader, leftovers, .. } = self.character(&id);
                    let unkillable = [Some(*leader), *leftovers].contains(&Some(Manners::Unkillable));
                    assert!(unkillable, "{id} is given up for nothing:\n\n{}", self.player.transcript());
                    self.end_after_all(id);
                }
                // What is refused could not be.
                Action::Reply(_, Reply::Outcome(..) | Reply::Done | Reply::Refused(_)) => {}
                Action::Signal(..) | Action::Say(_) => {}
                Action::Probe { id, pid, purpose } => self.probe(id, pid, purpose),
                Action::Reach(service) => self.reach(service),
                Action::LetGo(service) => {
                    self.tries.remove(&service);
                }
                Action::Announce(_) => {}
                Action::Suspend => self.sleep(Duration::from_secs(7)),
                Action::TerminateEscapees => {
                    if let Some(after) = self.escapees {
                        self.plan(after, Plan::EscapeesEnd);
                    }
                }
                Action::Drain => {
                    if let Some(drain) = self.life.drain {
                        self.plan(drain, Plan::OutputWritten);
                    }
                }
                Action::Finish(_) => {
                    let deadline = self.player.ledger.deadline();
                    let timely = deadline.is_some_and(|at| self.now <= at + FINISH_LIMIT);
                    assert!(timely, "the finish comes late:\n\n{}", self.player.transcript());
                }
            }
        }
    }

    fn probe(&mut self, id: InstanceId, pid: Pid, purpose: Purpose) {
        let Character { ready, ill, probe, .. } = *self.character(&id);
        let age = self.now - self.births[&pid];
        let passes = match purpose {
            Purpose::Readiness => ready.is_some_and(|after| age >= after),
            Purpose::Health => ill.is_none_or(|after| age < after),
        };
        let verdict = if passes { Verdict::Passed } else { Verdict::Failed(Trouble::Refused) };
        self.plan(probe, Plan::Tell(Event::Probed { id, pid, verdict }));
    }

    fn reach(&mut self, service: Service) {
        self.last_try += 1;
        let number = self.last_try;
        self.tries.insert(service.clone(), number);
        let index = SERVICES.iter().position(|name| *name == service.name).unwrap();
        let soon = Duration::from_millis(100);
        let wait = self.life.services[index].map(|at| at.saturating_sub(self.now));
        if wait != Some(Duration::ZERO) {
            let trouble = Trouble::Refused;
            let event = Event::NotReached { service: service.clone(), trouble };
            self.plan(soon, Plan::Tried(number, event));
        }
        if let Some(wait) = wait {
            self.plan(wait + soon, Plan::Tried(number, Event::Reached { service }));
        }
    }

    /// Ends what procman has given up, perhaps.
    fn end_after_all(&mut self, id: InstanceId) {
        let Character { after_all, .. } = *self.character(&id);
        if let (Some(after), Some(pid)) = (after_all, self.player.ledger.pid(&id)) {
            self.plan(after, Plan::LeaderEnds(id.clone(), pid, Exit::Signal(Signal::KILL)));
            self.plan(after * 2, Plan::GroupEmpties(id, pid));
        }
    }

    fn terminate(&mut self, id: InstanceId) {
        let Some(pid) = self.player.ledger.pid(&id) else { return };
        let leader = self.player.ledger.leaders().contains(&id);
        let Character { leader: manners, leftovers, .. } = *self.character(&id);
        match (leader, manners, leftovers) {
            (true, Manners::Obeys(after), _) => {
                self.plan(after, Plan::LeaderEnds(id, pid, Exit::Signal(Signal::TERM)));
            }
            (false, _, Some(Manners::Obeys(after))) => self.plan(after, Plan::GroupEmpties(id, pid)),
            (true, Manners::IgnoresTerm | Manners::Unkillable, _)
            | (false, _, Some(Manners::IgnoresTerm | Manners::Unkillable) | None) => {}
        }
    }

    fn kill(&mut self, id: InstanceId) {
        let Some(pid) = self.player.ledger.pid(&id) else { return };
        let leader = self.player.ledger.leaders().contains(&id);
        let Character { leader: manners, leftovers, .. } = *self.character(&id);
        let soon = Duration::from_millis(1);
        match (leader, manners, leftovers) {
            (true, Manners::Unkillable, _) | (false, _, Some(Manners::Unkillable)) => {}
            (true, Manners::Obeys(_) | Manners::IgnoresTerm, _) => {
                self.plan(soon, Plan::LeaderEnds(id, pid, Exit::Signal(Signal::KILL)));
            }
            (false, _, Some(Manners::Obeys(_) | Manners::IgnoresTerm) | None) => {
                self.plan(soon, Plan::GroupEmpties(id, pid));
            }
        }
    }

    /// Stands still: whatever was to come comes that much later.
    fn sleep(&mut self, asleep: Duration) {
        self.plans.iter_mut().for_each(|(at, _)| *at += asleep);
        self.births.values_mut().for_each(|at| *at += asleep);
        self.now += asleep;
        self.tell(Event::Resumed { asleep });
    }

    fn plan(&mut self, after: Duration, plan: Plan) {
        self.plans.push((self.now + after, plan));
    }

    fn character(&self, id: &InstanceId) -> &Character {
        let of_type = TYPES.iter().position(|name| *name == id.process.as_str()).unwrap_or(1);
        let number = usize::try_from(id.number).unwrap() - 1;
        &self.life.characters[(TYPES.len() * number + of_type) % self.life.characters.len()]
    }
}

fn life() -> impl Strategy<Value = Life> {
    lives(plain(), character(), incident(), 12)
}

/// Most are ready sooner or later, and many end by themselves.
fn life_with_policies() -> impl Strategy<Value = Life> {
    let life = option::weighted(0.5, (tenths(0..=150), exit()));
    let character = (character(), life).prop_map(|(character, life)| Character { life, ..character });
    let incident = prop_oneof![
        3 => incident(),
        8 => request().prop_map(Incident::Asked),
        3 => tenths(0..=200).prop_map(Incident::Extended),
        1 => Just(Incident::EndsSoon),
        4 => nonsense_about_policies().prop_map(Incident::Nonsense),
    ];
    lives(settings(), character, incident, 10)
}

/// Nobody ends the formation, so that what is asked for has time to come about.
fn life_of_requests() -> impl Strategy<Value = Life> {
    let character = character().prop_map(|character| Character { life: None, ..character });
    let incident = prop_oneof![
        12 => request().prop_map(Incident::Asked),
        1 => option::of(tenths(0..=40)).prop_map(Incident::Escaped),
        1 => tenths(0..=600).prop_map(Incident::Sleep),
        1 => nonsense().prop_map(Incident::Nonsense),
    ];
    lives(plain(), character, incident, 24)
}

fn lives(
    settings: impl Strategy<Value = Settings>,
    character: impl Strategy<Value = Character>,
    incident: impl Strategy<Value = Incident>,
    most: usize,
) -> impl Strategy<Value = Life> {
    let services = vec(option::weighted(0.8, tenths(0..=300)), SERVICES.len());
    let drain = option::weighted(0.8, tenths(0..=12));
    let incidents = vec((tenths(0..=15), incident), 0..most);
    (settings, services, vec(character, 1..5), 1..7_usize, drain, incidents).prop_map(
        |(settings, services, characters, instances, drain, incidents)| Life {
            settings,
            services,
            characters,
            instances,
            drain,
            incidents,
        },
    )
}

/// Settings of which nothing but the grace period is said.
fn plain() -> impl Strategy<Value = Settings> {
    grace().prop_map(|grace| Settings {
        grace,
        policies: Policies::new(),
        patience: Duration::from_secs(60),
        audience: Audience::Nobody,
        seed: None,
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let policies = (policy(0), policy(1), policy(2)).prop_map(|(web, worker, clock)| {
        let all = TYPES.into_iter().zip([web, worker, clock]);
        all.map(|(name, policy)| (instance_of(name, 1).process, policy)).collect()
    });
    let audience = select(vec![Audience::Nobody, Audience::Supervisor]);
    (grace(), policies, tenths(1..=200), audience, option::of(0..9_u64)).prop_map(
        |(grace, policies, patience, audience, seed)| Settings { grace, policies, patience, audience, seed },
    )
}

fn grace() -> impl Strategy<Value = Duration> {
    (0..=10_u64).prop_map(|halves| Duration::from_millis(500 * halves))
}

/// A policy of the type at this position, which may need those behind it.
fn policy(position: usize) -> impl Strategy<Value = Policy> {
    let kind = prop_oneof![5 => Just(Kind::LongLived), 1 => Just(Kind::OneShot)];
    let restart = select(vec![Restart::Never, Restart::OnFailure, Restart::Always]);
    let on_exit = select(vec![OnExit::StopAll, OnExit::Ignore]);
    let stop_signal = prop_oneof![4 => Just(Signal::TERM), 1 => Just(Signal::INT)];
    let processes = TYPES[position + 1..].iter().map(|name| Need::Process(instance_of(name, 1).process));
    let services = SERVICES.iter().map(|name| Need::Service(service(name)));
    let all: Vec<Need> = processes.chain(services).collect();
    let needs = vec(proptest::bool::weighted(0.4), all.len()).prop_map(move |which| {
        let needed = all.iter().zip(which).filter(|(_, is_needed)| *is_needed);
        needed.map(|(need, _)| need.clone()).collect::<Vec<Need>>()
    });
    let sign =
        prop_oneof![Just(Sign::Probe(Probe::Port)), Just(Sign::Log(String::new())), Just(Sign::Notify)];
    let timeout = Duration::from_secs(5);
    let ready = (sign, tenths(1..=20), tenths(1..=150))
        .prop_map(move |(sign, interval, deadline)| Readiness { sign, interval, timeout, deadline });
    let health = (tenths(5..=60), 1..4_u32).prop_map(move |(interval, failures)| Health {
        probe: Probe::Port,
        interval,
        timeout,
        failures,
    });
    let restart = (restart, select(vec![1, 2, 10]));
    let sorts = (kind, restart, on_exit, stop_signal, tenths(0..=60), needs);
    (sorts, option::of(ready), option::weighted(0.3, health)).prop_map(
        |((kind, (restart, budget), on_exit, stop_signal, grace, needs), ready, health)| Policy {
            kind,
            restart,
            budget,
            on_exit,
            stop_signal,
            grace,
            needs,
            ready,
            health,
        },
    )
}

fn character() -> impl Strategy<Value = Character> {
    let failure = option::weighted(0.2, (1..4_u32, select(vec![1, 126, 127])));
    let life = option::weighted(0.3, (tenths(0..=100), exit()));
    let after_all = option::of(tenths(0..=40));
    let body = (tenths(0..=10), failure, life, manners(), option::weighted(0.3, manners()), after_all);
    let ready = option::weighted(0.8, tenths(0..=60));
    let ill = option::weighted(0.3, tenths(0..=200));
    (body, ready, ill, tenths(0..=8)).prop_map(
        |((spawn, failure, life, leader, leftovers, after_all), ready, ill, probe)| Character {
            spawn,
            failure,
            life,
            leader,
            leftovers,
            after_all,
            ready,
            ill,
            probe,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let start = vec((0..6_usize).prop_map(instance), 0..3).prop_map(Request::Start);
    let scale = vec(change(), 1..3).prop_map(Request::Scale);
    prop_oneof![
        4 => start,
        12 => scale,
        12 => targets().prop_map(Request::Restart),
        12 => targets().prop_map(Request::Stop),
        12 => targets().prop_map(Request::Up),
        6 => (select(vec![Signal(10), Signal::STOP, Signal::HUP]), targets())
            .prop_map(|(signal, targets)| Request::Signal(signal, targets)),
        1 => (select(vec![Signal::TERM, Signal::KILL]), targets())
            .prop_map(|(signal, targets)| Request::Signal(signal, targets)),
        1 => Just(Request::Quit),
    ]
}

/// Mostly one instance or type that is there; all; or one that is not.
fn targets() -> impl Strategy<Value = Vec<Target>> {
    let one = (0..6_usize).prop_map(|index| Target::Instance(instance(index)));
    let process =
        select(vec!["web", "worker", "clock", "release", "ghost"]).prop_map(|name| name.parse().unwrap());
    vec(prop_oneof![6 => one, 2 => process], 0..4)
}

fn change() -> impl Strategy<Value = Change> {
    let amount = prop_oneof![
        (0..4_u32).prop_map(Amount::Exactly),
        (0..3_u32).prop_map(Amount::More),
        (0..3_u32).prop_map(Amount::Fewer)
    ];
    let process = prop_oneof![4 => Just("web"), 4 => Just("worker"), 2 => Just("clock"), 1 => Just("all"), 1 => Just("ghost")];
    (process, amount).prop_map(|(name, amount)| {
        let process = if name == "all" { None } else { Some(instance_of(name, 1).process) };
        Change { process, amount }
    })
}

fn manners() -> impl Strategy<Value = Manners> {
    prop_oneof![
        6 => tenths(0..=60).prop_map(Manners::Obeys),
        2 => Just(Manners::IgnoresTerm),
        1 => Just(Manners::Unkillable),
    ]
}

fn exit() -> impl Strategy<Value = Exit> {
    select(vec![
        Exit::Code(0),
        Exit::Code(3),
        Exit::Code(255),
        Exit::Signal(Signal::TERM),
        Exit::Signal(Signal(11)),
    ])
}

fn incident() -> impl Strategy<Value = Incident> {
    prop_oneof![
        6 => (signal(), sender(), receiver())
            .prop_map(|(signal, sender, receiver)| Incident::Signal { signal, sender, receiver }),
        1 => Just(Incident::MemoryRanOut),
        1 => option::of(tenths(0..=40)).prop_map(Incident::Escaped),
        1 => Just(Incident::OutputClosed),
        1 => Just(Incident::GuardLost),
        1 => select(vec![Signal::STOP, Signal::TTIN]).prop_map(Incident::Stopped),
        6 => request().prop_map(Incident::Asked),
        1 => Just(Incident::Woken),
        1 => tenths(0..=600).prop_map(Incident::Sleep),
        6 => nonsense().prop_map(Incident::Nonsense),
    ]
}

fn signal() -> impl Strategy<Value = Signal> {
    let requests = select(vec![Signal::TERM, Signal::INT, Signal::HUP]);
    let others = select(vec![Signal::TSTP, Signal::CONT, Signal::CHLD, Signal(3), Signal(10), Signal(64)]);
    prop_oneof![requests, others]
}

fn sender() -> impl Strategy<Value = Sender> {
    select(vec![Sender::Kernel, Sender::Process(Pid(77)), Sender::Process(Pid(78))])
}

fn receiver() -> impl Strategy<Value = Receiver> {
    select(vec![Receiver::Guard, Receiver::Supervisor])
}

fn nonsense() -> impl Strategy<Value = Event> {
    let group = select(vec![Group::Empty, Group::Inhabited]);
    // One of the formation, mostly.
    let who = || (0..6_usize).prop_map(instance);
    prop_oneof![
        who().prop_map(|id| Event::Spawned { id, pid: Pid(666) }),
        who().prop_map(|id| Event::SpawnFailed { id, exit: Exit::Code(127) }),
        (who(), exit(), group).prop_map(|(id, exit, group)| Event::Exited { id, exit, group }),
        who().prop_map(|id| Event::Stopped { id, signal: Signal::TTIN }),
        who().prop_map(|id| Event::GroupEmptied { id }),
        Just(Event::Drained),
        Just(Event::EscapeesGone),
    ]
}

fn nonsense_about_policies() -> impl Strategy<Value = Event> {
    let who = || (0..6_usize).prop_map(instance);
    let pid = Pid(101);
    let service = || select(SERVICES.to_vec()).prop_map(service);
    prop_oneof![
        who().prop_map(move |id| Event::Ready { id, pid }),
        who().prop_map(move |id| Event::Probed { id, pid, verdict: Verdict::Passed }),
        who().prop_map(move |id| Event::Extended { id, pid, by: Duration::from_secs(60) }),
        who().prop_map(move |id| Event::EndsSoon { id, pid }),
        service().prop_map(|service| Event::Reached { service }),
        service().prop_map(|service| Event::NotReached { service, trouble: Trouble::TimedOut }),
    ]
}

/// Tenths of a second, so that things happen at the same time now and then.
fn tenths(range: RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(|tenths| Duration::from_millis(100 * tenths))
}

/// `web.1`, `worker.1`, `clock.1`, `web.2` and so on.
fn instance(index: usize) -> InstanceId {
    instance_of(TYPES[index % TYPES.len()], index / TYPES.len() + 1)
}

fn instance_of(name: &str, number: usize) -> InstanceId {
    id(&format!("{name}.{number}"))
}
