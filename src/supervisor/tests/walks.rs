//! Random lives of a formation in a small simulated world, held against the ledger's promises.
//!
//! The world has processes that obey SIGTERM or ignore it, die by themselves, leave others behind or
//! cannot even be killed; spawns that fail; a user who sends signals at any time; and a runtime that now
//! and then says what cannot be. A failure prints the whole life as a transcript.

use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::sample::select;
use proptest::strategy::{Just, Strategy};
use proptest::{prop_oneof, proptest};

use crate::formation::InstanceId;
use crate::process::{Exit, Pid, Sender, Signal};
use crate::supervisor::tests::ledger::Sent;
use crate::supervisor::tests::transcript::{Player, id};
use crate::supervisor::{Action, Event, Group, Notice, Receiver, Request, Time};
use crate::trials;

/// The longest a spawn takes, what SIGKILL and then output may take.
const FINISH_LIMIT: Duration = Duration::from_secs(1 + 2 + 1);

proptest! {
    #![proptest_config(trials::trials(2000))]

    #[test]
    fn promises_hold_in_every_life(life in life()) {
        World::new(life).live();
    }
}

/// All that chance decides.
#[derive(Clone, Debug)]
struct Life {
    grace: Duration,
    /// The instances of the formation, in its order.
    characters: Vec<Character>,
    /// How long the output takes to be written; `None` is for ever.
    drain: Option<Duration>,
    /// What happens from outside, each so long after the one before.
    incidents: Vec<(Duration, Incident)>,
}

/// How an instance behaves.
#[derive(Clone, Debug)]
struct Character {
    spawn: Duration,
    /// The status of a spawn that fails.
    failure: Option<i32>,
    /// How long it lives if nobody ends it, and how it ends then.
    life: Option<(Duration, Exit)>,
    leader: Manners,
    leftovers: Option<Manners>,
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
    StartMore,
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
    LeaderEnds(InstanceId, Exit),
    GroupEmpties(InstanceId),
    OutputWritten,
    EscapeesEnd,
    Happen(Incident),
}

struct World {
    player: Player,
    now: Time,
    life: Life,
    plans: Vec<(Time, Plan)>,
    /// How long escapees take to end.
    escapees: Option<Duration>,
}

impl World {
    fn new(life: Life) -> Self {
        let mut plans = Vec::new();
        let mut at = Duration::ZERO;
        for (wait, incident) in life.incidents.clone() {
            at += wait;
            plans.push((at, Plan::Happen(incident)));
        }
        World { player: Player::new(life.grace), now: Duration::ZERO, life, plans, escapees: None }
    }

    /// Lives until nothing is planned and nothing awaited. If nobody has ended the formation by then, a
    /// request does.
    fn live(mut self) {
        let ids = (0..self.life.characters.len()).map(instance).collect();
        self.tell(Event::Asked(Request::Start(ids)));
        loop {
            while self.step() {}
            if self.player.ledger.is_stopping() {
                break;
            }
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
            Plan::Spawn(id) => match self.character(&id).clone() {
                Character { failure: Some(status), .. } => {
                    self.tell(Event::SpawnFailed { id, exit: Exit::Code(status) });
                }
                Character { failure: None, life, .. } => {
                    let pid = Pid(100 + i32::try_from(id.number).unwrap());
                    if let Some((life, exit)) = life {
                        self.plan(life, Plan::LeaderEnds(id.clone(), exit));
                    }
                    self.tell(Event::Spawned { id, pid });
                }
            },
            Plan::LeaderEnds(id, exit) if ledger.leaders().contains(&id) => {
                let group = match (self.character(&id).leftovers, ledger.sent(&id)) {
                    (None, _) | (Some(Manners::Obeys(_) | Manners::IgnoresTerm), Sent::Kill) => Group::Empty,
                    (Some(Manners::Obeys(after)), Sent::Term) => {
                        self.plan(after, Plan::GroupEmpties(id.clone()));
                        Group::Inhabited
                    }
                    (Some(_), _) => Group::Inhabited,
                };
                self.tell(Event::Exited { id, exit, group });
            }
            Plan::GroupEmpties(id) if ledger.leftovers().contains(&id) => {
                self.tell(Event::GroupEmptied { id });
            }
            // Something else ended it before.
            Plan::LeaderEnds(..) | Plan::GroupEmpties(_) => {}
            Plan::OutputWritten => self.tell(Event::Drained),
            Plan::EscapeesEnd => self.tell(Event::EscapeesGone),
            Plan::Happen(incident) => self.befall(incident),
        }
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
            Incident::StartMore => {
                let id = instance(self.life.characters.len());
                self.life.characters.push(self.life.characters[0].clone());
                self.tell(Event::Asked(Request::Start(vec![id])));
            }
            Incident::Woken => self.tell(Event::TimePassed),
            Incident::Sleep(asleep) => self.sleep(asleep),
            // What fits would be a lie: the world itself says that.
            Incident::Nonsense(event) if self.player.ledger.is_fact(&event) => {}
            Incident::Nonsense(event) => self.tell(event),
        }
    }

    /// Tells the machine, and lets the world answer its orders.
    fn tell(&mut self, event: Event) {
        for action in self.player.tell(self.now, event) {
            match action {
                Action::Spawn(id) => self.plan(self.character(&id).spawn, Plan::Spawn(id)),
                Action::Signal(id, Signal::TERM) => self.terminate(id),
                Action::Signal(id, Signal::KILL) => self.kill(id),
                Action::Say(Notice::Unkillable { id, .. }) => {
                    let Character { leader, leftovers, .. } = self.character(&id);
                    let unkillable = [Some(*leader), *leftovers].contains(&Some(Manners::Unkillable));
                    assert!(unkillable, "{id} is given up for nothing:\n\n{}", self.player.transcript());
                }
                Action::Signal(..) | Action::Say(_) => {}
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

    fn terminate(&mut self, id: InstanceId) {
        let leader = self.player.ledger.leaders().contains(&id);
        let Character { leader: manners, leftovers, .. } = *self.character(&id);
        match (leader, manners, leftovers) {
            (true, Manners::Obeys(after), _) => {
                self.plan(after, Plan::LeaderEnds(id, Exit::Signal(Signal::TERM)));
            }
            (false, _, Some(Manners::Obeys(after))) => self.plan(after, Plan::GroupEmpties(id)),
            (true, Manners::IgnoresTerm | Manners::Unkillable, _)
            | (false, _, Some(Manners::IgnoresTerm | Manners::Unkillable) | None) => {}
        }
    }

    fn kill(&mut self, id: InstanceId) {
        let leader = self.player.ledger.leaders().contains(&id);
        let Character { leader: manners, leftovers, .. } = *self.character(&id);
        let soon = Duration::from_millis(1);
        match (leader, manners, leftovers) {
            (true, Manners::Unkillable, _) | (false, _, Some(Manners::Unkillable)) => {}
            (true, Manners::Obeys(_) | Manners::IgnoresTerm, _) => {
                self.plan(soon, Plan::LeaderEnds(id, Exit::Signal(Signal::KILL)));
            }
            (false, _, Some(Manners::Obeys(_) | Manners::IgnoresTerm) | None) => {
                self.plan(soon, Plan::GroupEmpties(id));
            }
        }
    }

    /// Stands still: whatever was to come comes that much later.
    fn sleep(&mut self, asleep: Duration) {
        self.plans.iter_mut().for_each(|(at, _)| *at += asleep);
        self.now += asleep;
        self.tell(Event::Resumed { asleep });
    }

    fn plan(&mut self, after: Duration, plan: Plan) {
        self.plans.push((self.now + after, plan));
    }

    fn character(&self, id: &InstanceId) -> &Character {
        &self.life.characters[usize::try_from(id.number).unwrap() - 1]
    }
}

fn life() -> impl Strategy<Value = Life> {
    let grace = (0..=10_u64).prop_map(|halves| Duration::from_millis(500 * halves));
    let drain = option::weighted(0.8, tenths(0..=12));
    let incidents = vec((tenths(0..=15), incident()), 0..12);
    (grace, vec(character(), 1..5), drain, incidents).prop_map(|(grace, characters, drain, incidents)| Life {
        grace,
        characters,
        drain,
        incidents,
    })
}

fn character() -> impl Strategy<Value = Character> {
    let failure = option::weighted(0.1, select(vec![1, 126, 127]));
    let life = option::weighted(0.3, (tenths(0..=100), exit()));
    (tenths(0..=10), failure, life, manners(), option::weighted(0.3, manners())).prop_map(
        |(spawn, failure, life, leader, leftovers)| Character { spawn, failure, life, leader, leftovers },
    )
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
        1 => Just(Incident::StartMore),
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
        who().prop_map(|id| Event::Asked(Request::Start(vec![id]))),
        who().prop_map(|id| Event::Spawned { id, pid: Pid(666) }),
        who().prop_map(|id| Event::SpawnFailed { id, exit: Exit::Code(127) }),
        (who(), exit(), group).prop_map(|(id, exit, group)| Event::Exited { id, exit, group }),
        who().prop_map(|id| Event::Stopped { id, signal: Signal::TTIN }),
        who().prop_map(|id| Event::GroupEmptied { id }),
        Just(Event::Drained),
        Just(Event::EscapeesGone),
    ]
}

/// Tenths of a second, so that things happen at the same time now and then.
fn tenths(range: RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(|tenths| Duration::from_millis(100 * tenths))
}

fn instance(index: usize) -> InstanceId {
    id(&format!("web.{}", index + 1))
}
