//! What follows when an instance does not go on: it comes back, it stays down, or all others end as well.

use crate::formation::InstanceId;
use crate::policy::{Kind, OnExit, Restart, Service};
use crate::process::{Exit, Pid};
use crate::supervisor::backoff::{self, STEADY};
use crate::supervisor::event::{Action, Group, Time};
use crate::supervisor::instance::{Cause, Failure, Instance, Leader, Next};
use crate::supervisor::machine::Supervisor;
use crate::supervisor::notice::{Notice, StopCause, Why};
use crate::supervisor::phase::Phase;
use crate::supervisor::request::Outcome;
use crate::supervisor::waits::Wish;

/// What is known of ends that were not the end of all.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// The first status of them that is none of success, and what it stands for.
    failure: Option<(i32, StopCause)>,
    /// The same of the last start in this step that was asked for in vain.
    in_vain: Option<(i32, StopCause)>,
    last: Last,
}

/// What has become last of any instance. It tells whether the formation is over, should nothing of it be left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    /// A request has stopped it, or nothing has run yet: somebody may ask for it again, if in vain so far.
    #[default]
    Stopped,
    /// It has come to live, or has ended by itself: nobody has wished that nothing runs.
    Lived,
}

impl Ends {
    fn remember(&mut self, status: i32, cause: StopCause) {
        if status != 0 {
            self.failure.get_or_insert((status, cause));
        }
    }
}

/// What is to become of an instance that does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has done what it is for.
    Done,
    /// It is started again.
    Again,
    /// It stays down, and the others go on.
    Stays,
    /// The formation ends with it.
    EndsAll,
}

impl Fate {
    /// Returns what follows once nothing of it is alive.
    pub fn next(self) -> Next {
        match self {
            Fate::Done => Next::StayDown(Cause::Done),
            Fate::Again => Next::BackOff,
            Fate::Stays => Next::StayDown(Cause::Ended),
            Fate::EndsAll => Next::End,
        }
    }
}

impl Supervisor {
    /// Decides what is to become of an instance that does not go on after it ran for so long, and counts its ends.
    pub(super) fn fate(&mut self, id: &InstanceId, why: Why, ran: Time, actions: &mut Vec<Action>) -> Fate {
        let policy = self.rules.of(&id.process);
        let (kind, restart, budget, on_exit) = (policy.kind, policy.restart, policy.budget, policy.on_exit);
        let others = self.goes_on_without(Some(id));
        let Some(member) = self.roster.get_mut(id) else { return Fate::Stays };
        if (kind, why) == (Kind::OneShot, Why::Ended(Exit::Code(0))) {
            member.ends = 0;
            return Fate::Done;
        }
        let comes_back = match (why, restart) {
            (Why::Unwell { .. }, _) | (_, Restart::Always) => true,
            (Why::Late { .. }, Restart::OnFailure) => true,
            (Why::Ended(exit) | Why::NotStarted(exit), Restart::OnFailure) => exit != Exit::Code(0),
            (Why::Late { .. } | Why::Ended(_) | Why::NotStarted(_), Restart::Never) => false,
        };
        if comes_back {
            member.ends = match why {
                // It ran, but was not ready for a moment of it.
                Why::Late { .. } => member.ends,
                Why::Ended(_) | Why::NotStarted(_) | Why::Unwell { .. } if ran < STEADY => member.ends,
                Why::Ended(_) | Why::NotStarted(_) | Why::Unwell { .. } => 0,
            };
            member.ends += 1;
            if member.ends < budget {
                return Fate::Again;
            }
            actions.push(Action::Say(Notice::UsedUp { id: id.clone(), why, ends: member.ends }));
        }
        match on_exit {
            OnExit::StopAll => Fate::EndsAll,
            OnExit::Ignore => {
                self.ends.remember(why.status(), StopCause::Failed(id.clone(), why));
                match why {
                    // Why has been said.
                    _ if comes_back => {}
                    _ if others => actions.push(Action::Say(Notice::OthersGoOn { id: id.clone(), why })),
                    Why::Late { .. } | Why::Unwell { .. } => {
                        actions.push(Action::Say(Notice::Rejected { id: id.clone(), why }));
                    }
                    // That it has ended is seen.
                    Why::Ended(_) | Why::NotStarted(_) => {}
                }
                Fate::Stays
            }
        }
    }

    /// The leader of one that nobody has asked to end has ended.
    #[expect(clippy::too_many_arguments, reason = "all of it is what is known of one end")]
    pub(super) fn ended_by_itself(
        &mut self,
        now: Time,
        id: &InstanceId,
        pid: Pid,
        ran: Time,
        exit: Exit,
        group: Group,
        actions: &mut Vec<Action>,
    ) {
        if group == Group::Inhabited {
            actions.push(Action::Say(Notice::Leftovers { id: id.clone(), exit }));
        }
        let fate = self.fate(id, Why::Ended(exit), ran, actions);
        match group {
            Group::Empty => self.gone(now, id, fate.next(), Outcome::Stopped { exit }, actions),
            Group::Inhabited => {
                self.terminate_group(now, id, pid, Leader::Ended(exit), fate.next(), actions);
            }
        }
        if fate == Fate::EndsAll {
            self.stop(now, exit.status(), StopCause::Ended(id.clone()), actions);
        }
    }

    /// Ends an instance that runs and is not as it should be.
    pub(super) fn reject(
        &mut self,
        now: Time,
        id: &InstanceId,
        why: Why,
        ran: Time,
        actions: &mut Vec<Action>,
    ) {
        let said = actions.len();
        match self.fate(id, why, ran, actions) {
            // That its budget is used up has been said, and why.
            Fate::EndsAll if actions.len() > said => {
                self.stop(now, 1, StopCause::GivenUp(id.clone(), why), actions);
            }
            Fate::EndsAll => self.stop(now, 1, StopCause::Failed(id.clone(), why), actions),
            fate @ Fate::Again => {
                actions.push(Action::Say(Notice::Restarting { id: id.clone(), why }));
                self.terminate(now, id, fate.next(), actions);
            }
            fate @ (Fate::Done | Fate::Stays) => self.terminate(now, id, fate.next(), actions),
        }
    }

    /// Nothing of an instance is left that is started again: the pause begins.
    pub(super) fn back_off(&mut self, now: Time, id: &InstanceId, why: Why, actions: &mut Vec<Action>) {
        let budget = self.rules.of(&id.process).budget;
        self.may_be_over();
        let Some(member) = self.roster.get_mut(id) else { return };
        let ends = member.ends;
        let pause = backoff::pause(ends, id, self.settings.seed);
        member.state = Instance::BackingOff { until: now.saturating_add(pause) };
        actions.push(Action::Say(Notice::StartsAgain { id: id.clone(), why, pause, ends, budget }));
    }

    pub(super) fn return_from_pause(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) {
        self.enqueue(now, id, Failure::EndsAll, actions);
    }

    /// Nothing of an instance is alive, and it does not come back.
    pub(super) fn rest(&mut self, id: &InstanceId, cause: Cause, actions: &mut Vec<Action>) {
        self.enter(id, Instance::Down(cause));
        match cause {
            Cause::Done | Cause::Ended => self.settled(id, actions),
            Cause::Asked => self.has_been_stopped(),
        }
    }

    /// An instance has come to its end without being asked to. Those that wait for it are told, and it may have been the
    /// last one.
    pub(super) fn settled(&mut self, id: &InstanceId, actions: &mut Vec<Action>) {
        self.tell_in_vain(id, actions);
        self.may_be_over();
    }

    /// A service that did not come is the end of an instance that needs it, which the others survive.
    pub(super) fn fails_for_lack(
        &mut self,
        id: &InstanceId,
        exit: Exit,
        service: Service,
        actions: &mut Vec<Action>,
    ) {
        self.ends.remember(exit.status(), StopCause::Missing(service));
        self.rest(id, Cause::Ended, actions);
        self.waits.answer(id, Wish::Up, Outcome::NotStarted { exit }, actions);
    }

    /// A start that a request has asked for was in vain. Nothing follows from that unless it was the last hope.
    pub(super) fn asked_in_vain(
        &mut self,
        id: &InstanceId,
        exit: Exit,
        cause: StopCause,
        actions: &mut Vec<Action>,
    ) {
        self.enter(id, Instance::Down(Cause::Asked));
        self.ends.in_vain = Some((exit.status(), cause));
        self.waits.answer(id, Wish::Up, Outcome::NotStarted { exit }, actions);
    }

    /// The formation is over as soon as nothing of it is left.
    pub(super) fn may_be_over(&mut self) {
        self.ends.last = Last::Lived;
    }

    /// A request has stopped an instance, or taken it out. Should that be the last one, somebody may ask for it again.
    pub(super) fn has_been_stopped(&mut self) {
        self.ends.last = Last::Stopped;
    }

    /// Stops the formation if nothing of it is left and nobody has asked for that.
    pub(super) fn end_with_the_last(&mut self, now: Time, actions: &mut Vec<Action>) {
        let asked_in_vain = self.ends.in_vain.take();
        match (self.phase, self.ends.last) {
            (Phase::Running { .. }, Last::Lived) => {}
            (Phase::Running { .. }, Last::Stopped)
            | (Phase::Stopping { .. } | Phase::Draining { .. } | Phase::Finished, _) => return,
        }
        let mut waits = None;
        for member in self.roster.members() {
            match member.state {
                Instance::Down(_) | Instance::Unkillable { .. } => {}
                Instance::Held { .. } if self.is_hopeless(&member.id) => {
                    waits.get_or_insert(&member.id);
                }
                Instance::Held { .. }
                | Instance::Waiting { .. }
                | Instance::Starting { .. }
                | Instance::Running { .. }
                | Instance::Needed { .. }
                | Instance::Stopping { .. }
                | Instance::BackingOff { .. } => return,
            }
        }
        let in_vain =
            waits.map(|id| (1, StopCause::InVain { id: id.clone(), needs: self.unmet(&id.process) }));
        let reason = self.ends.failure.clone().or(asked_in_vain).or(in_vain);
        let (status, cause) = reason.unwrap_or((0, StopCause::NothingLeft));
        self.stop(now, status, cause, actions);
    }
}
