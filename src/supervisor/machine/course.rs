//! What becomes of an instance, from its spawn to the time when nothing of it is alive.

use crate::formation::InstanceId;
use crate::process::{Exit, Pid, Signal, UNKILLABLE};
use crate::supervisor::event::{Action, Group, Time};
use crate::supervisor::instance::{
    Arrival, Cause, Condition, Failure, Force, Instance, Leader, Next, Probing, Rest,
};
use crate::supervisor::machine::Supervisor;
use crate::supervisor::machine::restarts::Fate;
use crate::supervisor::notice::{Notice, StopCause, Why};
use crate::supervisor::phase::{Asked, Losses, Phase};
use crate::supervisor::request::Outcome;
use crate::supervisor::waits::Wish;

impl Supervisor {
    pub(super) fn spawned(&mut self, now: Time, id: &InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        let condition = self.condition_at_first(now, id);
        let Some(member) = self.roster.get_mut(id) else { return };
        let Instance::Starting { arrival, .. } = member.state else { return };
        member.state = Instance::Running { pid, since: now, condition };
        member.spawns = member.spawns.saturating_add(1);
        self.spawning = None;
        self.may_be_over();
        match (arrival, self.phase) {
            (Arrival::Runs, _) => {
                self.waits.answer(id, Wish::Up, Outcome::Running { pid }, actions);
                if let Condition::Unready { probing: Probing::At(_), .. } = condition {
                    self.probe(id, pid, actions);
                }
            }
            // The order to stop came while this spawn was under way.
            (Arrival::IsStopped(_), Phase::Stopping { asked: Asked::Twice(_), .. }) => {
                self.kill(now, id, actions);
            }
            (Arrival::IsStopped(_), Phase::Stopping { .. }) => self.end_in_turn(now, id, pid, actions),
            (Arrival::IsStopped(next), Phase::Running { .. } | Phase::Draining { .. } | Phase::Finished) => {
                self.terminate(now, id, next, actions);
            }
        }
    }

    pub(super) fn spawn_failed(&mut self, now: Time, id: &InstanceId, exit: Exit, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        let Instance::Starting { failure, arrival } = member.state else { return };
        member.last_exit = Some(exit);
        self.spawning = None;
        match (arrival, failure) {
            (Arrival::IsStopped(next), _) => self.gone(now, id, next, Outcome::DownAlready, actions),
            (Arrival::Runs, Failure::StaysDown) => {
                self.asked_in_vain(id, exit, StopCause::NotStarted(id.clone()), actions)
            }
            (Arrival::Runs, Failure::EndsAll) => {
                let why = Why::NotStarted(exit);
                self.waits.answer(id, Wish::Up, Outcome::NotStarted { exit }, actions);
                match self.fate(id, why, Time::ZERO, actions) {
                    Fate::Again => self.back_off(now, id, why, actions),
                    fate @ (Fate::Done | Fate::Stays | Fate::EndsAll) => {
                        self.gone(now, id, fate.next(), Outcome::DownAlready, actions);
                        if fate == Fate::EndsAll {
                            self.stop(now, exit.status(), StopCause::NotStarted(id.clone()), actions);
                        }
                    }
                }
            }
        }
    }

    pub(super) fn stopped(&mut self, id: InstanceId, signal: Signal, actions: &mut Vec<Action>) {
        let has_leader = self.roster.get(&id).is_some_and(|member| member.state.has_leader());
        if has_leader && self.stopped_by.insert((id.clone(), signal)) {
            actions.push(Action::Say(Notice::Stopped { id, signal }));
        }
    }

    pub(super) fn exited(
        &mut self,
        now: Time,
        id: InstanceId,
        exit: Exit,
        group: Group,
        actions: &mut Vec<Action>,
    ) {
        let Some(member) = self.roster.get_mut(&id) else { return };
        let leader = Leader::Ended(exit);
        let state = member.state;
        if state.has_leader() || matches!(state, Instance::Unkillable { leader: Leader::Alive, .. }) {
            member.last_exit = Some(exit);
        }
        match (state, group) {
            (Instance::Running { pid, since, .. }, _) => {
                let ran = now.saturating_sub(since);
                self.ended_by_itself(now, &id, pid, ran, exit, group, actions);
            }
            (Instance::Needed { .. }, Group::Empty) => {
                self.gone(now, &id, Next::End, Outcome::Stopped { exit }, actions);
            }
            (Instance::Needed { pid, .. }, Group::Inhabited) => {
                actions.push(Action::Say(Notice::Leftovers { id: id.clone(), exit }));
                self.terminate_group(now, &id, pid, leader, Next::End, actions);
            }
            (Instance::Stopping { leader: Leader::Alive, next, .. }, Group::Empty) => {
                self.gone(now, &id, next, Outcome::Stopped { exit }, actions);
            }
            (Instance::Stopping { leader: Leader::Alive, pid, force, next }, Group::Inhabited) => {
                member.state = Instance::Stopping { pid, leader, force, next };
            }
            (Instance::Unkillable { leader: Leader::Alive, rest, .. }, Group::Empty) => {
                self.gone_after_all(&id, rest);
            }
            (Instance::Unkillable { leader: Leader::Alive, pid, rest }, Group::Inhabited) => {
                member.state = Instance::Unkillable { pid, leader, rest };
            }
            (
                Instance::Stopping { leader: Leader::Ended(_), .. }
                | Instance::Unkillable { leader: Leader::Ended(_), .. }
                | Instance::Waiting { .. }
                | Instance::Held { .. }
                | Instance::Starting { .. }
                | Instance::BackingOff { .. }
                | Instance::Down(_),
                _,
            ) => return,
        }
        self.stopped_by.retain(|(stopped, _)| *stopped != id);
    }

    pub(super) fn group_emptied(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get(id) else { return };
        match member.state {
            Instance::Stopping { leader: Leader::Ended(exit), next, .. } => {
                self.gone(now, id, next, Outcome::Stopped { exit }, actions);
            }
            Instance::Unkillable { leader: Leader::Ended(_), rest, .. } => self.gone_after_all(id, rest),
            Instance::Stopping { leader: Leader::Alive, .. }
            | Instance::Unkillable { leader: Leader::Alive, .. }
            | Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => {}
        }
    }

    /// Nothing of an instance is alive any more: whoever waited for that gets the outcome.
    pub(super) fn gone(
        &mut self,
        now: Time,
        id: &InstanceId,
        next: Next,
        outcome: Outcome,
        actions: &mut Vec<Action>,
    ) {
        match next {
            Next::End => self.enter(id, Instance::Down(Cause::Ended)),
            Next::StayDown(cause) => self.rest(id, cause, actions),
            Next::StartAgain => {
                // Whoever has stopped it has been overtaken.
                self.may_be_over();
                self.enqueue(now, id, Failure::StaysDown, actions);
            }
            Next::BackOff => {
                if let Some(exit) = self.roster.get(id).and_then(|member| member.last_exit) {
                    self.back_off(now, id, Why::Ended(exit), actions);
                }
            }
            Next::Vanish => {
                self.roster.remove(id);
                self.has_been_stopped();
            }
        }
        self.waits.answer(id, Wish::Down, outcome, actions);
    }

    /// What could not be killed has ended.
    fn gone_after_all(&mut self, id: &InstanceId, rest: Rest) {
        match rest {
            Rest::StayDown => self.enter(id, Instance::Down(Cause::Ended)),
            Rest::Vanish => self.roster.remove(id),
        }
    }

    pub(super) fn enter(&mut self, id: &InstanceId, state: Instance) {
        if let Some(member) = self.roster.get_mut(id) {
            member.state = state;
        }
    }

    /// Asks an instance to end if it runs.
    pub(super) fn terminate(&mut self, now: Time, id: &InstanceId, next: Next, actions: &mut Vec<Action>) {
        match self.roster.get(id).map(|member| member.state) {
            Some(Instance::Running { pid, .. } | Instance::Needed { pid, .. }) => {
                self.terminate_group(now, id, pid, Leader::Alive, next, actions);
            }
            Some(
                Instance::Waiting { .. }
                | Instance::Held { .. }
                | Instance::Starting { .. }
                | Instance::Stopping { .. }
                | Instance::Unkillable { .. }
                | Instance::BackingOff { .. }
                | Instance::Down(_),
            )
            | None => {}
        }
    }

    /// Asks all processes of a group to end.
    pub(super) fn terminate_group(
        &mut self,
        now: Time,
        id: &InstanceId,
        pid: Pid,
        leader: Leader,
        next: Next,
        actions: &mut Vec<Action>,
    ) {
        let policy = self.rules.of(&id.process);
        let own = now.saturating_add(policy.grace);
        let kill_at = self.stop_deadline().map_or(own, |deadline| own.min(deadline).max(now));
        let stop_signal = policy.stop_signal;
        let force = Force::Terminated { since: now, kill_at };
        self.enter(id, Instance::Stopping { pid, leader, force, next });
        actions.push(Action::Signal(id.clone(), stop_signal));
        // A stopped process acts on that only when it is continued.
        actions.push(Action::Signal(id.clone(), Signal::CONT));
    }

    /// Kills an instance if anything of it is alive.
    pub(super) fn kill(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        let (pid, leader, next) = match member.state {
            Instance::Running { pid, .. } | Instance::Needed { pid, .. } => (pid, Leader::Alive, Next::End),
            Instance::Stopping { pid, leader, next, force: Force::Terminated { .. } } => (pid, leader, next),
            Instance::Stopping { force: Force::Killed { .. }, .. }
            | Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => return,
        };
        let force = Force::Killed { give_up_at: now.saturating_add(UNKILLABLE) };
        member.state = Instance::Stopping { pid, leader, force, next };
        actions.push(Action::Signal(id.clone(), Signal::KILL));
    }

    /// Counts an instance that nothing can kill as gone, and its formation as failed.
    pub(super) fn give_up(
        &mut self,
        id: &InstanceId,
        pid: Pid,
        leader: Leader,
        next: Next,
        actions: &mut Vec<Action>,
    ) {
        let rest = match next {
            // Should it end after all, nobody expects it to be started any more.
            Next::End | Next::StayDown(_) | Next::StartAgain | Next::BackOff => Rest::StayDown,
            Next::Vanish => Rest::Vanish,
        };
        self.enter(id, Instance::Unkillable { pid, leader, rest });
        match &mut self.phase {
            Phase::Running { losses } => *losses = Losses::Something,
            Phase::Stopping { status: status @ 0, .. } => *status = 1,
            Phase::Stopping { .. } | Phase::Draining { .. } | Phase::Finished => {}
        }
        actions.push(Action::Say(Notice::Unkillable { id: id.clone(), pid }));
        match next {
            // Nobody has asked for its end.
            Next::StayDown(Cause::Done | Cause::Ended) | Next::BackOff | Next::StartAgain => {
                self.settled(id, actions);
            }
            Next::StayDown(Cause::Asked) | Next::Vanish => self.has_been_stopped(),
            Next::End => {}
        }
        self.waits.answer_all(id, Outcome::Unkillable, actions);
    }
}
