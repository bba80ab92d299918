//! The end of a formation: what begins it, what hastens it, and what has to be over before it.
//!
//! Signals to procman are here as well: most of them ask for the end.

use std::time::Duration;

use crate::formation::InstanceId;
use crate::process::{Pid, SAME_REQUEST, Signal};
use crate::procfile::ProcessType;
use crate::supervisor::event::{Action, Time};
use crate::supervisor::instance::{Arrival, Cause, Force, Instance, Next};
use crate::supervisor::machine::Supervisor;
use crate::supervisor::notice::{Manner, Notice, StopCause};
use crate::supervisor::phase::{Asked, Escapees, Losses, Phase};
use crate::supervisor::relay::Heard;
use crate::supervisor::waits::Wish;

/// How long output may take after the last instance has gone.
const DRAIN: Duration = Duration::from_secs(1);
/// How long output may take when the user has asked twice to stop.
const DRAIN_FORCED: Duration = Duration::from_millis(200);

impl Supervisor {
    pub(super) fn signalled(&mut self, heard: Heard, actions: &mut Vec<Action>) {
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
            Phase::Running { .. } => self.stop(now, 0, StopCause::Signal(signal), actions),
            Phase::Stopping { asked: asked @ Asked::Never, .. }
            | Phase::Draining { asked: asked @ Asked::Never, .. } => *asked = Asked::Once(now),
            Phase::Stopping { asked: Asked::Once(at) | Asked::Twice(at), .. }
            | Phase::Draining { asked: Asked::Once(at) | Asked::Twice(at), .. }
                if now.saturating_sub(*at) <= SAME_REQUEST => {}
            Phase::Stopping { asked: Asked::Once(_), .. } => {
                self.phase = Phase::Stopping { status: forced, deadline: now, asked: Asked::Twice(now) };
                actions.push(Action::Say(Notice::Forced(signal)));
                for id in self.roster.which(|instance| instance.group().is_some()) {
                    self.kill(now, &id, actions);
                }
            }
            // A third time: the guard ends what is left. While draining, only output is.
            Phase::Stopping { asked: Asked::Twice(_), .. }
            | Phase::Draining { asked: Asked::Once(_) | Asked::Twice(_), .. } => self.finish(forced, actions),
            Phase::Finished => {}
        }
    }

    /// Stops the formation because a request asks for it. It counts like a first signal, but never like a second one:
    /// those who ask for the same do not hurry each other.
    pub(super) fn quit(&mut self, now: Time, actions: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Running { .. } => self.stop(now, 0, StopCause::Quit, actions),
            Phase::Stopping { asked: asked @ Asked::Never, .. }
            | Phase::Draining { asked: asked @ Asked::Never, .. } => *asked = Asked::Once(now),
            Phase::Stopping { asked: Asked::Once(_) | Asked::Twice(_), .. }
            | Phase::Draining { asked: Asked::Once(_) | Asked::Twice(_), .. }
            | Phase::Finished => {}
        }
    }

    /// Begins to stop the formation unless that has begun.
    pub(super) fn stop(&mut self, now: Time, status: i32, cause: StopCause, actions: &mut Vec<Action>) {
        let Phase::Running { losses } = self.phase else { return };
        let asked = match cause {
            StopCause::Signal(_) | StopCause::Quit | StopCause::GuardLost => Asked::Once(now),
            StopCause::Ended(_)
            | StopCause::NotStarted(_)
            | StopCause::Failed(..)
            | StopCause::GivenUp(..)
            | StopCause::Missing(_)
            | StopCause::InVain { .. }
            | StopCause::NothingLeft
            | StopCause::OutputClosed => Asked::Never,
        };
        let status = match (status, losses) {
            (0, Losses::Something) => 1,
            (status, Losses::Something | Losses::Nothing) => status,
        };
        let (deadline, manner) = self.plan_end(now);
        self.phase = Phase::Stopping { status, deadline, asked };
        self.cause = Some(cause.clone());
        self.announce_stop(actions);
        if self.roster.members().any(|member| is_concerned_by_end(&member.state)) {
            actions.push(Action::Say(Notice::Stopping(cause, manner)));
        } else if asked != Asked::Never && !self.roster.members().any(|member| member.state.is_alive()) {
            // Whoever has asked sees that it was heard.
            actions.push(Action::Say(Notice::Stopping(cause, Manner::NothingRuns)));
        }
        self.spawn_nothing(actions);
        for id in self.roster.which(|instance| !instance.is_down()) {
            self.end(now, &id, deadline, actions);
        }
        // Who waits for an instance to be down will see that.
        self.waits.overtake_all(Wish::Up, actions);
    }

    /// Decides when all have to be gone, and which of them have to wait for others before they are asked to end.
    fn plan_end(&mut self, now: Time) -> (Time, Manner) {
        let is_alive =
            |process: &&ProcessType| self.roster.members_of(process).any(|member| member.state.is_alive());
        let alive: Vec<&ProcessType> = self.roster.types().iter().filter(is_alive).collect();
        let policies = || alive.iter().map(|process| self.rules.of(process));
        let total = policies().map(|policy| policy.grace).max().unwrap_or(self.settings.grace);
        let by_term = policies().all(|policy| policy.stop_signal == Signal::TERM);
        let turns = self.rules.turns(&alive, now, total);
        let manner = if by_term && turns.is_empty() { Manner::AtOnce } else { Manner::ByPolicy };
        self.turns = turns;
        (now.saturating_add(total), manner)
    }

    fn end(&mut self, now: Time, id: &InstanceId, deadline: Time, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        match &mut member.state {
            Instance::Waiting { .. } | Instance::Held { .. } | Instance::BackingOff { .. } => {
                member.state = Instance::Down(Cause::Asked);
            }
            Instance::Starting { arrival, .. } => *arrival = Arrival::IsStopped(Next::End),
            Instance::Running { pid, .. } => {
                let pid = *pid;
                self.end_in_turn(now, id, pid, actions);
            }
            Instance::Stopping { next, force, .. } => {
                *next = Next::End;
                // Its own deadline comes before the one of the formation, unless it has asked for more time.
                if let Force::Terminated { kill_at, .. } = force {
                    *kill_at = deadline.min(*kill_at);
                }
            }
            Instance::Needed { .. } | Instance::Unkillable { .. } | Instance::Down(_) => {}
        }
    }

    /// Asks an instance to end while all do, or lets it run on as long as others need it.
    pub(super) fn end_in_turn(&mut self, now: Time, id: &InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        match self.turns.get(&id.process) {
            Some(turn) if *turn > now => {
                let until = *turn;
                self.enter(id, Instance::Needed { pid, until });
            }
            Some(_) | None => self.terminate_at_the_end(now, id, actions),
        }
    }

    pub(super) fn terminate_at_the_end(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) {
        self.terminate(now, id, Next::End, actions);
    }

    /// Asks those to end that had to wait for others which are gone by now.
    pub(super) fn ask_whom_nobody_needs(&mut self, now: Time, actions: &mut Vec<Action>) {
        let free: Vec<ProcessType> =
            self.turns.keys().filter(|process| !self.is_needed(process)).cloned().collect();
        if free.is_empty() {
            return;
        }
        for id in self.roster.which(|instance| matches!(instance, Instance::Needed { .. })) {
            if free.contains(&id.process) {
                self.terminate_at_the_end(now, &id, actions);
            }
        }
        self.turns.retain(|process, _| !free.contains(process));
    }

    /// Returns whether anything is alive that needs this type.
    fn is_needed(&self, process: &ProcessType) -> bool {
        let dependents = self.rules.dependents(process);
        dependents
            .flat_map(|dependent| self.roster.members_of(dependent))
            .any(|member| member.state.is_alive())
    }

    pub(super) fn resumed(&mut self, asleep: Duration, actions: &mut Vec<Action>) {
        self.roster.members_mut().for_each(|member| member.state.postpone(asleep));
        self.services.postpone(asleep);
        self.turns.values_mut().for_each(|turn| *turn = turn.saturating_add(asleep));
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
            Phase::Running { .. } | Phase::Finished => {}
        }
        self.signal_all(Signal::CONT, actions);
    }

    fn signal_all(&self, signal: Signal, actions: &mut Vec<Action>) {
        let alive = self.roster.members().filter(|member| member.state.group().is_some());
        actions.extend(alive.map(|member| Action::Signal(member.id.clone(), signal)));
    }

    pub(super) fn drain_when_down(&mut self, now: Time, actions: &mut Vec<Action>) {
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
                match (self.escapees, asked) {
                    (Escapees::Asked, Asked::Never | Asked::Once(_)) => {
                        actions.push(Action::Say(Notice::EscapeesOverdue));
                    }
                    // There are none, that was said of everything, or they have had no time of their own.
                    (Escapees::Asked, Asked::Twice(_)) | (Escapees::None | Escapees::Left, _) => {}
                }
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
        self.roster.members().all(|member| member.state.is_down())
    }

    pub(super) fn awaits_escapees(&self) -> bool {
        self.escapees == Escapees::Asked && self.is_down()
    }

    pub(super) fn drained(&mut self, actions: &mut Vec<Action>) {
        if let Phase::Draining { status, .. } = self.phase {
            self.finish(status, actions);
        }
    }

    pub(super) fn finish(&mut self, status: i32, actions: &mut Vec<Action>) {
        self.phase = Phase::Finished;
        self.waits.close(actions);
        actions.push(Action::Finish(status));
    }
}

/// Returns whether the end of the formation is news for an instance: it is alive, and not because its own end, which
/// brings the others', has left something behind.
fn is_concerned_by_end(instance: &Instance) -> bool {
    match instance {
        Instance::Starting { .. }
        | Instance::Running { .. }
        | Instance::Needed { .. }
        | Instance::Stopping {
            next: Next::StayDown(_) | Next::StartAgain | Next::BackOff | Next::Vanish,
            ..
        } => true,
        Instance::Stopping { next: Next::End, .. }
        | Instance::Waiting { .. }
        | Instance::Held { .. }
        | Instance::Unkillable { .. }
        | Instance::BackingOff { .. }
        | Instance::Down(_) => false,
    }
}
