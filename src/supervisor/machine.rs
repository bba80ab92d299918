//! The machine itself: one formation, from the first spawn to the exit status.
//!
//! The rules are those of a shell's user: the first end stops all others, a request is answered with
//! SIGTERM and, at one deadline, with SIGKILL; a second request does not wait. Every event is answered in
//! every state. One that comes late or names an unknown instance changes nothing.
//!
//! Here is what becomes of an instance; what others ask for is in `requests`, the end of the whole in `ending`.

mod ending;
mod requests;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::policy::Policies;
use crate::process::{Exit, Pid, Signal, UNKILLABLE};
use crate::procfile::ProcessType;
use crate::supervisor::event::{Action, Event, Group, Notice, StopCause, Time};
use crate::supervisor::instance::{Arrival, Failure, Force, Instance, Leader, Next, Rest};
use crate::supervisor::phase::{Asked, Escapees, Losses, Phase};
use crate::supervisor::relay::{Heard, Relay};
use crate::supervisor::request::Outcome;
use crate::supervisor::roster::Roster;
use crate::supervisor::status::Status;
use crate::supervisor::waits::{Waits, Wish};

/// What a user may set about the supervision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The grace period between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How the types are supervised; one that is missing as nothing were said of it.
    pub policies: Policies,
    /// How long a backing service may keep those waiting that need it.
    pub patience: Duration,
    /// Whether anybody supervises procman.
    pub audience: Audience,
    /// What the spread of restarts is drawn from; without it there is none.
    pub seed: Option<u64>,
}

/// Whether anybody is to be told how the formation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Nobody listens, and nothing is announced.
    Nobody,
    /// Whoever supervises procman does.
    Supervisor,
}

/// The state of a whole formation.
#[derive(Clone, Debug)]
pub struct Supervisor {
    settings: Settings,
    phase: Phase,
    roster: Roster,
    /// Those whose state is `Waiting`. One spawn is under way at a time, so that a request to stop finds
    /// the rest here and no order to spawn has to be taken back.
    waiting: VecDeque<InstanceId>,
    /// The one whose state is `Starting`.
    spawning: Option<InstanceId>,
    waits: Waits,
    relay: Relay,
    escapees: Escapees,
    /// What was said to stop leaders that live. One that is stopped by the same all the time is no news.
    stopped_by: BTreeSet<(InstanceId, Signal)>,
}

impl Supervisor {
    /// Returns a supervisor that runs nothing yet. `types` are those of the Procfile, in its order.
    pub fn new(settings: Settings, types: Vec<ProcessType>) -> Self {
        Supervisor {
            settings,
            phase: Phase::Running { losses: Losses::Nothing },
            roster: Roster::new(types),
            waiting: VecDeque::new(),
            spawning: None,
            waits: Waits::default(),
            relay: Relay::default(),
            escapees: Escapees::None,
            stopped_by: BTreeSet::new(),
        }
    }

    /// Takes a fact and returns the orders that follow from it, to be carried out in their order.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Finished {
            return actions;
        }
        match event {
            Event::Asked { by, request } => self.asked(now, by, &request, &mut actions),
            Event::Spawned { id, pid } => self.spawned(now, &id, pid, &mut actions),
            Event::SpawnFailed { id, exit } => self.spawn_failed(now, id, exit, &mut actions),
            Event::Stopped { id, signal } => self.stopped(id, signal, &mut actions),
            Event::Exited { id, exit, group } => self.exited(now, id, exit, group, &mut actions),
            Event::GroupEmptied { id } => self.group_emptied(&id, &mut actions),
            Event::Signalled { signal, sender, receiver } => {
                self.signalled(Heard { signal, sender, receiver, at: now }, &mut actions);
            }
            Event::EscapeesLeft if self.escapees == Escapees::None => self.escapees = Escapees::Left,
            Event::EscapeesLeft => {}
            Event::EscapeesGone => self.escapees = Escapees::None,
            Event::MemoryRanOut { kills } => actions.push(Action::Say(Notice::OutOfMemory { kills })),
            Event::OutputClosed => self.stop(now, 0, StopCause::OutputClosed, &mut actions),
            Event::GuardLost => {
                self.relay.guard_lost();
                self.stop(now, 1, StopCause::GuardLost, &mut actions);
            }
            Event::Resumed { asleep } => self.resumed(asleep, &mut actions),
            Event::Drained => self.drained(&mut actions),
            Event::Ready { .. }
            | Event::Probed { .. }
            | Event::Extended { .. }
            | Event::EndsSoon { .. }
            | Event::Reached { .. }
            | Event::NotReached { .. }
            | Event::TimePassed => {}
        }
        if actions.last() == Some(&Action::Suspend) {
            // `Resumed` comes next and moves every deadline, one that is due now too.
            return actions;
        }
        self.pass_time(now, &mut actions);
        self.spawn_next(&mut actions);
        self.drain_when_down(now, &mut actions);
        actions
    }

    /// Returns when the machine wants to be told `TimePassed`; `None` while it waits for events only.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Stopping { deadline, .. } if self.awaits_escapees() => Some(deadline),
            Phase::Running { .. } | Phase::Stopping { .. } => {
                self.roster.members().filter_map(|member| member.state.deadline()).min()
            }
            Phase::Draining { until, .. } => Some(until),
            Phase::Finished => None,
        }
    }

    /// Returns when everything that procman has started must be gone, once that is decided.
    pub fn stop_deadline(&self) -> Option<Time> {
        match self.phase {
            // The instances have gone when output is drained, but not what has left their groups.
            Phase::Stopping { deadline, .. } | Phase::Draining { deadline, .. } => Some(deadline),
            Phase::Running { .. } | Phase::Finished => None,
        }
    }

    /// Returns whether the formation is being stopped, or has been: it does nothing new for anybody.
    pub fn is_stopping(&self) -> bool {
        match self.phase {
            Phase::Stopping { .. } | Phase::Draining { .. } | Phase::Finished => true,
            Phase::Running { .. } => false,
        }
    }

    /// Returns how every instance is, in the Procfile's order and then by number.
    pub fn status(&self) -> Vec<Status> {
        self.roster.members().map(Status::of).collect()
    }

    /// Lets an instance wait for its turn to be spawned.
    fn enqueue(&mut self, id: &InstanceId, failure: Failure) {
        if let Some(member) = self.roster.enlist(id) {
            member.state = Instance::Waiting { failure };
            self.waiting.push_back(id.clone());
        }
    }

    /// Orders the next spawn unless one is under way.
    fn spawn_next(&mut self, actions: &mut Vec<Action>) {
        if self.spawning.is_some() {
            return;
        }
        let Some(id) = self.waiting.pop_front() else { return };
        if let Some(member) = self.roster.get_mut(&id)
            && let Instance::Waiting { failure } = member.state
        {
            member.state = Instance::Starting { failure, arrival: Arrival::Runs };
            self.spawning = Some(id.clone());
            actions.push(Action::Spawn(id));
        }
    }

    fn spawned(&mut self, now: Time, id: &InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        let Instance::Starting { arrival, .. } = member.state else { return };
        member.state = Instance::Running { pid, since: now };
        member.spawns = member.spawns.saturating_add(1);
        self.spawning = None;
        let grace_ends = now.saturating_add(self.settings.grace);
        match (arrival, self.phase) {
            (Arrival::Runs, _) => self.waits.answer(id, Wish::Up, Outcome::Running { pid }, actions),
            // The order to stop came while this spawn was under way.
            (Arrival::IsStopped(_), Phase::Stopping { asked: Asked::Twice(_), .. }) => {
                self.kill(now, id, actions);
            }
            (Arrival::IsStopped(next), Phase::Stopping { deadline, .. }) => {
                self.terminate(id, deadline, next, actions);
            }
            (Arrival::IsStopped(next), Phase::Running { .. } | Phase::Draining { .. } | Phase::Finished) => {
                self.terminate(id, grace_ends, next, actions)
            }
        }
    }

    fn spawn_failed(&mut self, now: Time, id: InstanceId, exit: Exit, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(&id) else { return };
        let Instance::Starting { failure, arrival } = member.state else { return };
        member.last_exit = Some(exit);
        self.spawning = None;
        match (arrival, failure) {
            (Arrival::IsStopped(next), _) => self.gone(&id, next, Outcome::DownAlready, actions),
            (Arrival::Runs, Failure::StaysDown) => {
                member.state = Instance::Down;
                self.waits.answer(&id, Wish::Up, Outcome::NotStarted { exit }, actions);
            }
            (Arrival::Runs, Failure::EndsAll) => {
                member.state = Instance::Down;
                self.waits.answer(&id, Wish::Up, Outcome::NotStarted { exit }, actions);
                self.stop(now, exit.status(), StopCause::NotStarted(id), actions);
            }
        }
    }

    fn stopped(&mut self, id: InstanceId, signal: Signal, actions: &mut Vec<Action>) {
        let has_leader = self.roster.get(&id).is_some_and(|member| member.state.has_leader());
        if has_leader && self.stopped_by.insert((id.clone(), signal)) {
            actions.push(Action::Say(Notice::Stopped { id, signal }));
        }
    }

    fn exited(&mut self, now: Time, id: InstanceId, exit: Exit, group: Group, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(&id) else { return };
        let leader = Leader::Ended(exit);
        match (member.state, group) {
            (Instance::Running { pid, .. }, _) => {
                member.last_exit = Some(exit);
                self.ended_by_itself(now, id.clone(), pid, exit, group, actions);
            }
            (Instance::Stopping { leader: Leader::Alive, next, .. }, Group::Empty) => {
                member.last_exit = Some(exit);
                self.gone(&id, next, Outcome::Stopped { exit }, actions);
            }
            (Instance::Stopping { leader: Leader::Alive, pid, force, next }, Group::Inhabited) => {
                member.last_exit = Some(exit);
                member.state = Instance::Stopping { pid, leader, force, next };
            }
            (Instance::Unkillable { leader: Leader::Alive, rest, .. }, Group::Empty) => {
                member.last_exit = Some(exit);
                self.gone_after_all(&id, rest);
            }
            (Instance::Unkillable { leader: Leader::Alive, pid, rest }, Group::Inhabited) => {
                member.last_exit = Some(exit);
                member.state = Instance::Unkillable { pid, leader, rest };
            }
            (
                Instance::Stopping { leader: Leader::Ended(_), .. }
                | Instance::Unkillable { leader: Leader::Ended(_), .. }
                | Instance::Waiting { .. }
                | Instance::Starting { .. }
                | Instance::BackingOff { .. }
                | Instance::Down,
                _,
            ) => return,
        }
        self.stopped_by.retain(|(stopped, _)| *stopped != id);
    }

    /// One that nobody has asked to end takes the others with it.
    fn ended_by_itself(
        &mut self,
        now: Time,
        id: InstanceId,
        pid: Pid,
        exit: Exit,
        group: Group,
        actions: &mut Vec<Action>,
    ) {
        match group {
            Group::Empty => self.gone(&id, Next::End, Outcome::Stopped { exit }, actions),
            Group::Inhabited => {
                actions.push(Action::Say(Notice::Leftovers { id: id.clone(), exit }));
                self.terminate(&id, now.saturating_add(self.settings.grace), Next::End, actions);
                if let Some(member) = self.roster.get_mut(&id)
                    && let Instance::Stopping { force, next, .. } = member.state
                {
                    member.state = Instance::Stopping { pid, leader: Leader::Ended(exit), force, next };
                }
            }
        }
        self.stop(now, exit.status(), StopCause::Ended(id), actions);
    }

    fn group_emptied(&mut self, id: &InstanceId, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get(id) else { return };
        match member.state {
            Instance::Stopping { leader: Leader::Ended(exit), next, .. } => {
                self.gone(id, next, Outcome::Stopped { exit }, actions);
            }
            Instance::Unkillable { leader: Leader::Ended(_), rest, .. } => self.gone_after_all(id, rest),
            Instance::Stopping { leader: Leader::Alive, .. }
            | Instance::Unkillable { leader: Leader::Alive, .. }
            | Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::BackingOff { .. }
            | Instance::Down => {}
        }
    }

    /// Nothing of an instance is alive any more: whoever waited for that gets the outcome.
    fn gone(&mut self, id: &InstanceId, next: Next, outcome: Outcome, actions: &mut Vec<Action>) {
        match next {
            Next::End | Next::StayDown => self.enter(id, Instance::Down),
            Next::StartAgain => self.enqueue(id, Failure::StaysDown),
            Next::Vanish => self.roster.remove(id),
        }
        self.waits.answer(id, Wish::Down, outcome, actions);
    }

    /// What could not be killed has ended.
    fn gone_after_all(&mut self, id: &InstanceId, rest: Rest) {
        match rest {
            Rest::StayDown => self.enter(id, Instance::Down),
            Rest::Vanish => self.roster.remove(id),
        }
    }

    fn enter(&mut self, id: &InstanceId, state: Instance) {
        if let Some(member) = self.roster.get_mut(id) {
            member.state = state;
        }
    }

    /// Asks an instance to end if it runs.
    fn terminate(&mut self, id: &InstanceId, kill_at: Time, next: Next, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        if let Instance::Running { pid, .. } = member.state {
            let force = Force::Terminated { kill_at };
            member.state = Instance::Stopping { pid, leader: Leader::Alive, force, next };
            actions.push(Action::Signal(id.clone(), Signal::TERM));
            // A stopped process acts on SIGTERM only when it is continued.
            actions.push(Action::Signal(id.clone(), Signal::CONT));
        }
    }

    /// Kills an instance if anything of it is alive.
    fn kill(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        let (pid, leader, next) = match member.state {
            Instance::Running { pid, .. } => (pid, Leader::Alive, Next::End),
            Instance::Stopping { pid, leader, next, force: Force::Terminated { .. } } => (pid, leader, next),
            Instance::Stopping { force: Force::Killed { .. }, .. }
            | Instance::Waiting { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down => return,
        };
        let force = Force::Killed { give_up_at: now.saturating_add(UNKILLABLE) };
        member.state = Instance::Stopping { pid, leader, force, next };
        actions.push(Action::Signal(id.clone(), Signal::KILL));
    }

    /// Does what is due at `now`.
    fn pass_time(&mut self, now: Time, actions: &mut Vec<Action>) {
        // The usual answer, and this is asked for every event.
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        if let Phase::Draining { status, .. } = self.phase {
            return self.finish(status, actions);
        }
        let mut overdue = Vec::new();
        let at = actions.len();
        for id in self.roster.which(|instance| instance.deadline().is_some_and(|at| at <= now)) {
            match self.roster.get(&id).map(|member| member.state) {
                Some(Instance::Stopping { force: Force::Terminated { .. }, .. }) => {
                    self.kill(now, &id, actions);
                    overdue.push(id);
                }
                Some(Instance::Stopping { force: Force::Killed { .. }, pid, leader, next }) => {
                    self.give_up(id, pid, leader, next, actions);
                }
                Some(Instance::BackingOff { .. }) => self.enqueue(&id, Failure::EndsAll),
                Some(
                    Instance::Waiting { .. }
                    | Instance::Starting { .. }
                    | Instance::Running { .. }
                    | Instance::Unkillable { .. }
                    | Instance::Down,
                )
                | None => {}
            }
        }
        if !overdue.is_empty() {
            let notice = Notice::Overdue { ids: overdue, grace: self.settings.grace };
            actions.insert(at, Action::Say(notice));
        }
    }

    /// Counts an instance that nothing can kill as gone, and its formation as failed.
    fn give_up(&mut self, id: InstanceId, pid: Pid, leader: Leader, next: Next, actions: &mut Vec<Action>) {
        let rest = match next {
            // Should it end after all, nobody expects it to be started any more.
            Next::End | Next::StayDown | Next::StartAgain => Rest::StayDown,
            Next::Vanish => Rest::Vanish,
        };
        self.enter(&id, Instance::Unkillable { pid, leader, rest });
        match &mut self.phase {
            Phase::Running { losses } => *losses = Losses::Something,
            Phase::Stopping { status: status @ 0, .. } => *status = 1,
            Phase::Stopping { .. } | Phase::Draining { .. } | Phase::Finished => {}
        }
        actions.push(Action::Say(Notice::Unkillable { id: id.clone(), pid }));
        self.waits.answer_all(&id, Outcome::Unkillable, actions);
    }
}
