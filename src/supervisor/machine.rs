//! The machine itself: one formation, from the first spawn to the exit status.
//!
//! The rules are those of a shell's user: the first end stops all others unless a policy says otherwise, a request is
//! answered by asking all to end and, at one deadline, with SIGKILL; a second request does not wait. Every event is
//! answered in every state. One that comes late or names an unknown instance changes nothing.
//!
//! Here is what follows from an event, in which order. What becomes of an instance is in `course`, whether it comes back
//! in `restarts`, whether it is ready and well in `readiness`, and when it is its turn in `order`; what others ask for is
//! in `requests`, the end of the whole in `ending`.

mod announcing;
mod course;
mod ending;
mod order;
mod readiness;
mod requests;
mod restarts;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::policy::Policies;
use crate::process::Signal;
use crate::procfile::ProcessType;
use crate::supervisor::event::{Action, Event, Time};
use crate::supervisor::instance::{Condition, Force, Instance};
use crate::supervisor::machine::announcing::Announced;
use crate::supervisor::machine::restarts::Ends;
use crate::supervisor::notice::{Notice, StopCause};
use crate::supervisor::phase::{Escapees, Losses, Phase};
use crate::supervisor::relay::{Heard, Relay};
use crate::supervisor::roster::{Member, Roster};
use crate::supervisor::rules::{Rules, Turns};
use crate::supervisor::services::Services;
use crate::supervisor::status::Status;
use crate::supervisor::waits::Waits;

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
    rules: Rules,
    phase: Phase,
    roster: Roster,
    /// Those whose state is `Waiting`. One spawn is under way at a time, so that a request to stop finds
    /// the rest here and no order to spawn has to be taken back.
    waiting: VecDeque<InstanceId>,
    /// The one whose state is `Starting`.
    spawning: Option<InstanceId>,
    /// The types of which any may be `Held`.
    held: BTreeSet<ProcessType>,
    /// Those that have been held since the last look at what they need.
    newly_held: BTreeSet<InstanceId>,
    services: Services,
    /// While the formation stops: the types whose instances end after others.
    turns: Turns,
    ends: Ends,
    waits: Waits,
    relay: Relay,
    escapees: Escapees,
    announced: Announced,
    /// Why the formation is being stopped, once it is.
    cause: Option<StopCause>,
    /// What was said to stop leaders that live. One that is stopped by the same all the time is no news.
    stopped_by: BTreeSet<(InstanceId, Signal)>,
}

/// Whether anything was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Something,
}

impl Supervisor {
    /// Returns a supervisor that runs nothing yet. `types` are those of the Procfile, in its order.
    pub fn new(settings: Settings, types: Vec<ProcessType>) -> Self {
        Supervisor {
            rules: Rules::new(settings.policies.clone(), settings.grace),
            settings,
            phase: Phase::Running { losses: Losses::Nothing },
            roster: Roster::new(types),
            waiting: VecDeque::new(),
            spawning: None,
            held: BTreeSet::new(),
            newly_held: BTreeSet::new(),
            services: Services::default(),
            turns: Turns::new(),
            ends: Ends::default(),
            waits: Waits::default(),
            relay: Relay::default(),
            escapees: Escapees::None,
            announced: Announced::default(),
            cause: None,
            stopped_by: BTreeSet::new(),
        }
    }

    /// Takes a fact and returns the orders that follow from it, to be carried out in their order.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Finished {
            return actions;
        }
        self.take(now, event, &mut actions);
        if actions.last() == Some(&Action::Suspend) {
            // `Resumed` comes next and moves every deadline, one that is due now too.
            return actions;
        }
        self.ask_whom_nobody_needs(now, &mut actions);
        while self.pass_time(now, &mut actions) == Due::Something {
            self.ask_whom_nobody_needs(now, &mut actions);
        }
        self.release(&mut actions);
        self.spawn_next(&mut actions);
        self.end_with_the_last(now, &mut actions);
        self.announce(&mut actions);
        self.drain_when_down(now, &mut actions);
        actions
    }

    fn take(&mut self, now: Time, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Asked { by, request } => self.asked(now, by, &request, actions),
            Event::Spawned { id, pid } => self.spawned(now, &id, pid, actions),
            Event::SpawnFailed { id, exit } => self.spawn_failed(now, &id, exit, actions),
            Event::Stopped { id, signal } => self.stopped(id, signal, actions),
            Event::Exited { id, exit, group } => self.exited(now, id, exit, group, actions),
            Event::GroupEmptied { id } => self.group_emptied(now, &id, actions),
            Event::Signalled { signal, sender, receiver } => {
                self.signalled(Heard { signal, sender, receiver, at: now }, actions);
            }
            Event::EscapeesLeft if self.escapees == Escapees::None => self.escapees = Escapees::Left,
            Event::EscapeesLeft => {}
            Event::EscapeesGone => self.escapees = Escapees::None,
            Event::MemoryRanOut { kills } => actions.push(Action::Say(Notice::OutOfMemory { kills })),
            Event::OutputClosed => self.stop(now, 0, StopCause::OutputClosed, actions),
            Event::GuardLost => {
                self.relay.guard_lost();
                self.stop(now, 1, StopCause::GuardLost, actions);
            }
            Event::Resumed { asleep } => self.resumed(asleep, actions),
            Event::Drained => self.drained(actions),
            Event::Ready { id, pid } => self.became_ready(now, &id, pid, actions),
            Event::Probed { id, pid, verdict } => self.probed(now, &id, pid, verdict, actions),
            Event::Extended { id, pid, by } => self.extended(now, &id, pid, by),
            Event::EndsSoon { id, pid } => self.ends_soon(&id, pid),
            Event::Reached { service } => self.reached(now, service, actions),
            Event::NotReached { service, trouble } => self.not_reached(service, trouble, actions),
            Event::TimePassed => {}
        }
    }

    /// Returns when the machine wants to be told `TimePassed`; `None` while it waits for events only.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.phase {
            Phase::Stopping { deadline, .. } if self.awaits_escapees() => Some(deadline),
            Phase::Running { .. } | Phase::Stopping { .. } => {
                let members = self.roster.members().filter_map(|member| member.state.deadline());
                members.chain(self.services.deadline(self.settings.patience)).min()
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

    /// Returns why the formation is being stopped, or has been.
    pub fn stop_cause(&self) -> Option<&StopCause> {
        self.cause.as_ref()
    }

    /// Returns how every instance is, in the Procfile's order and then by number.
    pub fn status(&self) -> Vec<Status> {
        let status = |member: &Member| {
            let policy = self.rules.of(&member.id.process);
            Status::of(member, policy, self.missing(member))
        };
        self.roster.members().map(status).collect()
    }

    /// Does what is due at `now`, once. That may make more due.
    fn pass_time(&mut self, now: Time, actions: &mut Vec<Action>) -> Due {
        // The usual answer, and this is asked for every event.
        if self.next_deadline().is_none_or(|at| at > now) {
            return Due::Nothing;
        }
        if let Phase::Draining { status, .. } = self.phase {
            self.finish(status, actions);
            return Due::Nothing;
        }
        let is_due = |instance: &Instance| instance.deadline().is_some_and(|at| at <= now);
        let due = self.roster.which(is_due);
        self.kill_overdue(now, &due, actions);
        for id in &due {
            // What was done before may have changed it.
            match self.roster.get(id).map(|member| member.state).filter(is_due) {
                Some(Instance::Running { pid, since, condition }) => match condition {
                    Condition::Unready { due, trouble, .. } if due <= now => {
                        self.too_late(now, id, due.saturating_sub(since), trouble, actions);
                    }
                    Condition::Unready { .. } | Condition::Ready { .. } => self.probe(id, pid, actions),
                    Condition::AtWork | Condition::Ending => {}
                },
                // It was asked to end just now, and is due the next time.
                Some(Instance::Stopping { force: Force::Terminated { .. }, .. }) => {}
                Some(Instance::Stopping { force: Force::Killed { .. }, pid, leader, next }) => {
                    self.give_up(id, pid, leader, next, actions);
                }
                Some(Instance::BackingOff { .. }) => self.return_from_pause(now, id, actions),
                Some(Instance::Needed { .. }) => {
                    actions.push(Action::Say(Notice::TurnHasCome(id.clone())));
                    self.terminate_at_the_end(now, id, actions);
                }
                Some(
                    Instance::Waiting { .. }
                    | Instance::Held { .. }
                    | Instance::Starting { .. }
                    | Instance::Unkillable { .. }
                    | Instance::Down(_),
                )
                | None => {}
            }
        }
        match (due.is_empty(), self.lose_patience(now, actions)) {
            (true, Due::Nothing) => Due::Nothing,
            (false, Due::Nothing) | (_, Due::Something) => Due::Something,
        }
    }

    /// Kills those of these that were asked to end and have not.
    fn kill_overdue(&mut self, now: Time, due: &[InstanceId], actions: &mut Vec<Action>) {
        let mut overdue: Vec<(Duration, Vec<InstanceId>)> = Vec::new();
        for id in due {
            if let Some(Instance::Stopping { force: Force::Terminated { since, kill_at }, .. }) =
                self.roster.get(id).map(|member| member.state)
            {
                let had = kill_at.saturating_sub(since);
                match overdue.iter_mut().find(|(grace, _)| *grace == had) {
                    Some((_, ids)) => ids.push(id.clone()),
                    None => overdue.push((had, vec![id.clone()])),
                }
            }
        }
        let all: Vec<InstanceId> = overdue.iter().flat_map(|(_, ids)| ids).cloned().collect();
        actions.extend(overdue.into_iter().map(|(grace, ids)| Action::Say(Notice::Overdue { ids, grace })));
        all.iter().for_each(|id| self.kill(now, id, actions));
    }
}
