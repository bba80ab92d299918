//! What is asked for by requests, and what each of them is answered.
//!
//! The last request counts. It takes effect at once on whatever waits, and otherwise on what comes next: a spawn under
//! way is stopped when it arrives, and what is being stopped ends before it is started anew. A request that wishes the
//! same as those before it joins them; one that wishes the contrary overtakes them, and they are told.

use crate::formation::InstanceId;
use crate::supervisor::event::{Action, Time};
use crate::supervisor::instance::{Arrival, Cause, Failure, Instance, Next, Rest};
use crate::supervisor::machine::Supervisor;
use crate::supervisor::meaning::{self, Order};
use crate::supervisor::phase::Phase;
use crate::supervisor::request::{Outcome, Refusal, Reply, Request, RequestId};
use crate::supervisor::waits::Wish;

/// What an order comes to.
enum Answer {
    /// This, at once.
    Now(Outcome),
    /// What becomes of the wish.
    When(Wish),
}

impl Supervisor {
    /// Returns the instances that a request would make that are not there: none if it would be refused.
    pub fn additions(&self, request: &Request) -> Vec<InstanceId> {
        if self.is_stopping() {
            return Vec::new();
        }
        let orders = meaning::orders(&self.roster, request).unwrap_or_default().into_iter();
        orders.map(|(id, _)| id).filter(|id| self.roster.get(id).is_none()).collect()
    }

    pub(super) fn asked(&mut self, now: Time, by: RequestId, request: &Request, actions: &mut Vec<Action>) {
        match (self.phase, request) {
            (_, Request::Quit) => {
                self.quit(now, actions);
                let alive = self.roster.which(|instance| !instance.is_down());
                self.waits.open_until_end(by, alive);
            }
            (Phase::Running { .. }, _) => match meaning::orders(&self.roster, request) {
                Ok(orders) => {
                    if let Request::Start(_) = request {
                        self.begun();
                    }
                    self.waits.open(by, orders.len(), actions);
                    let named: Vec<InstanceId> = orders.iter().map(|(id, _)| id.clone()).collect();
                    for (id, order) in orders {
                        self.obey(now, by, id, order, actions);
                    }
                    self.answer_held(&named, actions);
                    self.forget_dropped();
                }
                Err(refusal) => actions.push(Action::Reply(by, Reply::Refused(refusal))),
            },
            (Phase::Stopping { .. } | Phase::Draining { .. } | Phase::Finished, _) => {
                actions.push(Action::Reply(by, Reply::Refused(Refusal::Stopping)));
            }
        }
    }

    /// Takes those out of the queue that do not wait any more, all at once: there may be many.
    fn forget_dropped(&mut self) {
        let roster = &self.roster;
        let waits = |instance: Instance| matches!(instance, Instance::Waiting { .. });
        self.waiting.retain(|id| roster.get(id).is_some_and(|member| waits(member.state)));
    }

    fn obey(&mut self, now: Time, by: RequestId, id: InstanceId, order: Order, actions: &mut Vec<Action>) {
        match order.wish() {
            Some(Wish::Up) => self.waits.answer(&id, Wish::Down, Outcome::Overtaken, actions),
            Some(Wish::Down) => self.waits.answer(&id, Wish::Up, Outcome::Overtaken, actions),
            None => {}
        }
        let answer = match order {
            Order::Start(failure) => self.bring_up(now, &id, failure, actions),
            Order::Restart => self.bring_anew(now, &id, actions),
            Order::Stop => self.bring_down(now, &id, Rest::StayDown, actions),
            Order::Remove => self.bring_down(now, &id, Rest::Vanish, actions),
            Order::Signal(signal) => match self.roster.get(&id).and_then(|member| member.state.group()) {
                Some(_) => {
                    actions.push(Action::Signal(id.clone(), signal));
                    Answer::Now(Outcome::Signalled)
                }
                None => Answer::Now(Outcome::NotSignalled),
            },
        };
        match answer {
            Answer::Now(outcome) => self.waits.give(by, id, outcome, actions),
            Answer::When(wish) => self.waits.wait(by, id, wish),
        }
    }

    /// Lets an instance run that is to run from now on.
    fn bring_up(
        &mut self,
        now: Time,
        id: &InstanceId,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) -> Answer {
        let Some(member) = self.roster.get_mut(id) else {
            self.enqueue(now, id, failure, actions);
            return Answer::When(Wish::Up);
        };
        match &mut member.state {
            Instance::Held { .. }
            | Instance::Waiting { .. }
            | Instance::Starting { arrival: Arrival::Runs | Arrival::IsStopped(Next::StartAgain), .. }
            | Instance::Stopping { next: Next::StartAgain, .. } => {}
            Instance::Starting {
                arrival: Arrival::IsStopped(Next::End | Next::StayDown(_) | Next::BackOff | Next::Vanish),
                ..
            } => {
                member.state = Instance::Starting { failure, arrival: Arrival::Runs };
            }
            Instance::Stopping {
                next: next @ (Next::End | Next::StayDown(_) | Next::BackOff | Next::Vanish),
                ..
            } => {
                *next = Next::StartAgain;
                member.ends = 0;
            }
            Instance::BackingOff { .. } => {
                member.ends = 0;
                // It would have come back, whatever has been stopped meanwhile.
                self.may_be_over();
                self.enqueue(now, id, failure, actions);
            }
            Instance::Down(_) => {
                member.ends = 0;
                self.enqueue(now, id, failure, actions);
            }
            Instance::Running { pid, .. } => return Answer::Now(Outcome::RunsAlready { pid: *pid }),
            // The formation ends, so that nobody is asked for anything.
            Instance::Needed { pid, .. } => return Answer::Now(Outcome::RunsAlready { pid: *pid }),
            Instance::Unkillable { rest, .. } => {
                *rest = Rest::StayDown;
                return Answer::Now(Outcome::Unkillable);
            }
        }
        Answer::When(Wish::Up)
    }

    /// Lets an instance run that is spawned after this.
    fn bring_anew(&mut self, now: Time, id: &InstanceId, actions: &mut Vec<Action>) -> Answer {
        let again = Next::StartAgain;
        let Some(member) = self.roster.get_mut(id) else {
            self.enqueue(now, id, Failure::StaysDown, actions);
            return Answer::When(Wish::Up);
        };
        member.ends = 0;
        match &mut member.state {
            Instance::Held { .. } | Instance::Waiting { .. } => {}
            Instance::Starting { arrival, .. } => *arrival = Arrival::IsStopped(again),
            Instance::Running { .. } | Instance::Needed { .. } => self.terminate(now, id, again, actions),
            Instance::Stopping { next, .. } => *next = again,
            Instance::Unkillable { .. } => return Answer::Now(Outcome::Unkillable),
            Instance::BackingOff { .. } => {
                self.may_be_over();
                self.enqueue(now, id, Failure::StaysDown, actions);
            }
            Instance::Down(_) => self.enqueue(now, id, Failure::StaysDown, actions),
        }
        Answer::When(Wish::Up)
    }

    /// Lets an instance be down, and out of the formation as well. One that is about to leave it does.
    fn bring_down(&mut self, now: Time, id: &InstanceId, rest: Rest, actions: &mut Vec<Action>) -> Answer {
        let Some(member) = self.roster.get_mut(id) else { return Answer::Now(Outcome::DownAlready) };
        let rest = if member.state.is_vanishing() { Rest::Vanish } else { rest };
        let after = match rest {
            Rest::StayDown => Next::StayDown(Cause::Asked),
            Rest::Vanish => Next::Vanish,
        };
        match &mut member.state {
            Instance::Starting { arrival, .. } => *arrival = Arrival::IsStopped(after),
            Instance::Running { .. } | Instance::Needed { .. } => self.terminate(now, id, after, actions),
            Instance::Stopping { next, .. } => *next = after,
            Instance::Unkillable { rest: kept, .. } => {
                *kept = rest;
                return Answer::Now(Outcome::Unkillable);
            }
            Instance::BackingOff { .. } => {
                self.drop_waiting(id, rest, actions);
                return Answer::Now(Outcome::NotAgain);
            }
            Instance::Waiting { .. } | Instance::Held { .. } | Instance::Down(_) => {
                self.drop_waiting(id, rest, actions);
                return Answer::Now(Outcome::DownAlready);
            }
        }
        Answer::When(Wish::Down)
    }

    /// Lets an instance be down of which nothing is alive. One that has ended before has not ended because of that.
    fn drop_waiting(&mut self, id: &InstanceId, rest: Rest, actions: &mut Vec<Action>) {
        self.services.leave(id, actions);
        let is_down = self.roster.get(id).is_some_and(|member| member.state.is_down());
        match rest {
            Rest::StayDown if is_down => {}
            Rest::StayDown => self.enter(id, Instance::Down(Cause::Asked)),
            Rest::Vanish => self.roster.remove(id),
        }
        if !is_down {
            self.has_been_stopped();
        }
    }
}
