//! The machine itself: one formation, from the first spawn to the exit status.
//!
//! The rules are those of a shell's user: the first end stops all others, a request is answered with
//! SIGTERM and, at one deadline, with SIGKILL; a second request does not wait. Every event is answered in
//! every state. One that comes late or names an unknown instance changes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::process::{Exit, Pid, SAME_REQUEST, Signal, UNKILLABLE};
use crate::supervisor::event::{Action, Event, Group, Notice, Request, StopCause, Time};
use crate::supervisor::instance::{Force, Instance, Leader};
use crate::supervisor::phase::{Asked, Escapees, Phase};
use crate::supervisor::relay::{Heard, Relay};

/// How long output may take after the last instance has gone.
const DRAIN: Duration = Duration::from_secs(1);
/// How long output may take when the user has asked twice to stop.
const DRAIN_FORCED: Duration = Duration::from_millis(200);

/// What a user may set about the supervision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The grace period between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// The state of a whole formation.
#[derive(Clone, Debug)]
pub struct Supervisor {
    settings: Settings,
    phase: Phase,
    /// Every instance there ever was, in the order of the formation.
    order: Vec<InstanceId>,
    instances: BTreeMap<InstanceId, Instance>,
    /// Those whose state is `Waiting`. One spawn is under way at a time, so that a request to stop finds
    /// the rest here and no order to spawn has to be taken back.
    waiting: VecDeque<InstanceId>,
    relay: Relay,
    escapees: Escapees,
    /// What was said to stop leaders that live. One that is stopped by the same all the time is no news.
    stopped_by: BTreeSet<(InstanceId, Signal)>,
}

impl Supervisor {
    /// Returns a supervisor that runs nothing yet.
    pub fn new(settings: Settings) -> Self {
        Supervisor {
            settings,
            phase: Phase::Running,
            order: Vec::new(),
            instances: BTreeMap::new(),
            waiting: VecDeque::new(),
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
            Event::Asked(Request::Start(ids)) => self.start(ids, &mut actions),
            Event::Spawned { id, pid } => self.spawned(now, id, pid, &mut actions),
            Event::SpawnFailed { id, exit } => self.spawn_failed(now, id, exit, &mut actions),
            Event::Stopped { id, signal } => self.stopped(id, signal, &mut actions),
            Event::Exited { id, exit, group } => self.exited(now, id, exit, group, &mut actions),
            Event::GroupEmptied { id } => self.group_emptied(&id),
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
            Event::TimePassed => {}
        }
        if actions.last() == Some(&Action::Suspend) {
            // `Resumed` comes next and moves every deadline, one that is due now too.
            return actions;
        }
        self.pass_time(now, &mut actions);
        self.drain_when_down(now, &mut actions);
        actions
    }

    /// Returns when the machine wants to be told `TimePassed`; `None` while it waits for events only.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Stopping { deadline, .. } if self.awaits_escapees() => Some(deadline),
            Phase::Running | Phase::Stopping { .. } => {
                self.instances.values().filter_map(Instance::deadline).min()
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
            Phase::Running | Phase::Finished => None,
        }
    }

    fn start(&mut self, ids: Vec<InstanceId>, actions: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        for id in ids {
            if !self.instances.contains_key(&id) {
                self.instances.insert(id.clone(), Instance::Waiting);
                self.order.push(id.clone());
                self.waiting.push_back(id);
            }
        }
        if !self.is_spawning() {
            self.spawn_next(actions);
        }
    }

    fn is_spawning(&self) -> bool {
        self.instances.values().any(|instance| *instance == Instance::Starting)
    }

    /// Orders the next spawn; none must be under way.
    fn spawn_next(&mut self, actions: &mut Vec<Action>) {
        if let Some(id) = self.waiting.pop_front() {
            self.instances.insert(id.clone(), Instance::Starting);
            actions.push(Action::Spawn(id));
        }
    }

    fn spawned(&mut self, now: Time, id: InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if *instance != Instance::Starting {
            return;
        }
        *instance = Instance::Running { pid, since: now };
        match self.phase {
            Phase::Running => self.spawn_next(actions),
            Phase::Stopping { asked: Asked::Twice(_), .. } => self.kill(now, &id, actions),
            // The order to stop came while this spawn was under way.
            Phase::Stopping { deadline, .. } => self.terminate(&id, deadline, actions),
            Phase::Draining { .. } | Phase::Finished => {}
        }
    }

    fn spawn_failed(&mut self, now: Time, id: InstanceId, exit: Exit, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if *instance != Instance::Starting {
            return;
        }
        *instance = Instance::Down { exit: Some(exit) };
        self.stop(now, exit.status(), StopCause::NotStarted(id), actions);
    }

    fn stopped(&mut self, id: InstanceId, signal: Signal, actions: &mut Vec<Action>) {
        let has_leader = self.instances.get(&id).is_some_and(Instance::has_leader);
        if has_leader && self.stopped_by.insert((id.clone(), signal)) {
            actions.push(Action::Say(Notice::Stopped { id, signal }));
        }
    }

    fn exited(&mut self, now: Time, id: InstanceId, exit: Exit, group: Group, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let (pid, force) = match *instance {
            Instance::Running { pid, .. } => (pid, None),
            Instance::Stopping { pid, leader: Leader::Alive, force } => (pid, Some(force)),
            Instance::Stopping { leader: Leader::Ended(_), .. }
            | Instance::Waiting
            | Instance::Starting
            | Instance::BackingOff { .. }
            | Instance::Down { .. } => return,
        };
        self.stopped_by.retain(|(stopped, _)| *stopped != id);
        match (group, force) {
            (Group::Empty, _) => *instance = Instance::Down { exit: Some(exit) },
            (Group::Inhabited, Some(force)) => {
                *instance = Instance::Stopping { pid, leader: Leader::Ended(exit), force };
            }
            (Group::Inhabited, None) => {
                actions.push(Action::Say(Notice::Leftovers { id: id.clone(), exit }));
                self.terminate(&id, now.saturating_add(self.settings.grace), actions);
                if let Some(Instance::Stopping { leader, .. }) = self.instances.get_mut(&id) {
                    *leader = Leader::Ended(exit);
                }
            }
        }
        self.stop(now, exit.status(), StopCause::Ended(id), actions);
    }

    fn group_emptied(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match *instance {
            Instance::Stopping { leader: Leader::Ended(exit), .. } => {
                *instance = Instance::Down { exit: Some(exit) };
            }
            Instance::Stopping { leader: Leader::Alive, .. }
            | Instance::Waiting
            | Instance::Starting
            | Instance::Running { .. }
            | Instance::BackingOff { .. }
            | Instance::Down { .. } => {}
        }
    }

    fn signalled(&mut self, heard: Heard, actions: &mut Vec<Action>) {
        if !self.relay.is_news(heard) {
            return;
        }
        match heard.signal {
            Signal::HUP | Signal::INT | Signal::TERM => self.asked_to_stop(heard.at, heard.signal, actions),
            Signal::TSTP => {
                self.signal_all(Signal::STOP, actions);
                actions.push(Action::Suspend);
            }
            // Being continued is reported as `Resumed`; children are reported as ended.
            Signal::CONT | Signal::CHLD => {}
            other => self.signal_all(other, actions),
        }
    }

    fn asked_to_stop(&mut self, now: Time, signal: Signal, actions: &mut Vec<Action>) {
        let forced = 128 + signal.0;
        match &mut self.phase {
            Phase::Running => self.stop(now, 0, StopCause::Signal(signal), actions),
            Phase::Stopping { asked: asked @ Asked::Never, .. }
            | Phase::Draining { asked: asked @ Asked::Never, .. } => *asked = Asked::Once(now),
            Phase::Stopping { asked: Asked::Once(at) | Asked::Twice(at), .. }
            | Phase::Draining { asked: Asked::Once(at) | Asked::Twice(at), .. }
                if now.saturating_sub(*at) <= SAME_REQUEST => {}
            Phase::Stopping { asked: Asked::Once(_), .. } => {
                self.phase = Phase::Stopping { status: forced, deadline: now, asked: Asked::Twice(now) };
                actions.push(Action::Say(Notice::Forced(signal)));
                for id in self.order.clone() {
                    self.kill(now, &id, actions);
                }
            }
            // A third time: the guard ends what is left. While draining, only output is.
            Phase::Stopping { asked: Asked::Twice(_), .. }
            | Phase::Draining { asked: Asked::Once(_) | Asked::Twice(_), .. } => self.finish(forced, actions),
            Phase::Finished => {}
        }
    }

    /// Begins to stop the formation unless that has begun.
    fn stop(&mut self, now: Time, status: i32, cause: StopCause, actions: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let asked = match cause {
            StopCause::Signal(_) | StopCause::GuardLost => Asked::Once(now),
            StopCause::Ended(_) | StopCause::NotStarted(_) | StopCause::OutputClosed => Asked::Never,
        };
        let deadline = now.saturating_add(self.settings.grace);
        self.phase = Phase::Stopping { status, deadline, asked };
        for id in std::mem::take(&mut self.waiting) {
            self.instances.insert(id, Instance::Down { exit: None });
        }
        let at = actions.len();
        for id in self.order.clone() {
            self.terminate(&id, deadline, actions);
        }
        if actions.len() > at || self.is_spawning() {
            actions.insert(at, Action::Say(Notice::Stopping(cause)));
        }
    }

    /// Asks an instance to end if it runs, or drops its restart if it waits for one.
    fn terminate(&mut self, id: &InstanceId, kill_at: Time, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match *instance {
            Instance::Running { pid, .. } => {
                let force = Force::Terminated { kill_at };
                *instance = Instance::Stopping { pid, leader: Leader::Alive, force };
                actions.push(Action::Signal(id.clone(), Signal::TERM));
                // A stopped process acts on SIGTERM only when it is continued.
                actions.push(Action::Signal(id.clone(), Signal::CONT));
            }
            Instance::BackingOff { .. } => *instance = Instance::Down { exit: None },
            Instance::Waiting | Instance::Starting | Instance::Stopping { .. } | Instance::Down { .. } => {}
        }
    }

    /// Kills an instance if anything of it is alive.
    fn kill(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let (pid, leader) = match *instance {
            Instance::Running { pid, .. } => (pid, Leader::Alive),
            Instance::Stopping { pid, leader, force: Force::Terminated { .. } } => (pid, leader),
            Instance::Stopping { force: Force::Killed { .. }, .. }
            | Instance::Waiting
            | Instance::Starting
            | Instance::BackingOff { .. }
            | Instance::Down { .. } => return,
        };
        let force = Force::Killed { give_up_at: now.saturating_add(UNKILLABLE) };
        *instance = Instance::Stopping { pid, leader, force };
        actions.push(Action::Signal(id.clone(), Signal::KILL));
    }

    fn resumed(&mut self, asleep: Duration, actions: &mut Vec<Action>) {
        self.instances.values_mut().for_each(|instance| instance.postpone(asleep));
        self.relay.postpone(asleep);
        if let Phase::Draining { until, .. } = &mut self.phase {
            *until = until.saturating_add(asleep);
        }
        match &mut self.phase {
            Phase::Stopping { deadline, asked, .. } | Phase::Draining { deadline, asked, .. } => {
                *deadline = deadline.saturating_add(asleep);
                match asked {
                    Asked::Once(at) | Asked::Twice(at) => *at = at.saturating_add(asleep),
                    Asked::Never => {}
                }
            }
            Phase::Running | Phase::Finished => {}
        }
        self.signal_all(Signal::CONT, actions);
    }

    fn signal_all(&self, signal: Signal, actions: &mut Vec<Action>) {
        let alive = self
            .order
            .iter()
            .filter(|id| self.instances.get(id).is_some_and(|instance| instance.group().is_some()));
        actions.extend(alive.map(|id| Action::Signal(id.clone(), signal)));
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
        let due: Vec<InstanceId> = self
            .order
            .iter()
            .filter(|id| self.instances.get(id).and_then(Instance::deadline).is_some_and(|at| at <= now))
            .cloned()
            .collect();
        let mut overdue = Vec::new();
        let at = actions.len();
        for id in due {
            match self.instances.get(&id) {
                Some(Instance::Stopping { force: Force::Terminated { .. }, .. }) => {
                    self.kill(now, &id, actions);
                    overdue.push(id);
                }
                Some(Instance::Stopping { force: Force::Killed { .. }, pid, .. }) => {
                    let pid = *pid;
                    self.give_up(id, pid, actions);
                }
                Some(Instance::BackingOff { .. }) => {
                    self.instances.insert(id.clone(), Instance::Waiting);
                    self.waiting.push_back(id);
                    if !self.is_spawning() {
                        self.spawn_next(actions);
                    }
                }
                Some(
                    Instance::Waiting | Instance::Starting | Instance::Running { .. } | Instance::Down { .. },
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
    fn give_up(&mut self, id: InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        if let Phase::Stopping { status, .. } = &mut self.phase
            && *status == 0
        {
            *status = 1;
        }
        self.instances.insert(id.clone(), Instance::Down { exit: None });
        actions.push(Action::Say(Notice::Unkillable { id, pid }));
    }

    fn drain_when_down(&mut self, now: Time, actions: &mut Vec<Action>) {
        let Phase::Stopping { status, deadline, asked } = self.phase else { return };
        if !self.is_down() {
            return;
        }
        match self.escapees {
            Escapees::Left if now < deadline => {
                self.escapees = Escapees::Asked;
                actions.push(Action::TerminateEscapees);
            }
            Escapees::Asked if now < deadline => {}
            Escapees::None | Escapees::Left | Escapees::Asked => {
                let limit = match asked {
                    Asked::Never | Asked::Once(_) => DRAIN,
                    Asked::Twice(_) => DRAIN_FORCED,
                };
                self.phase = Phase::Draining { status, deadline, until: now.saturating_add(limit), asked };
                actions.push(Action::Drain);
            }
        }
    }

    fn is_down(&self) -> bool {
        self.instances.values().all(|instance| matches!(instance, Instance::Down { .. }))
    }

    fn awaits_escapees(&self) -> bool {
        self.escapees == Escapees::Asked && self.is_down()
    }

    fn drained(&mut self, actions: &mut Vec<Action>) {
        if let Phase::Draining { status, .. } = self.phase {
            self.finish(status, actions);
        }
    }

    fn finish(&mut self, status: i32, actions: &mut Vec<Action>) {
        self.phase = Phase::Finished;
        actions.push(Action::Finish(status));
    }
}
