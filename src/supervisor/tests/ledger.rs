//! The promises that hold in every life of a formation, whatever happens in it.
//!
//! The ledger hears the same events as the machine, sees its orders, and says which promise one of them
//! breaks. It keeps books of its own, coarser than the machine's, so that it cannot share its errors.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::process::{Exit, Pid, Sender, Signal};
use crate::procfile::ProcessType;
use crate::supervisor::tests::courses::{Courses, End, Fate};
use crate::supervisor::tests::wishes::{Asked, Wishes, World};
use crate::supervisor::{
    Action, Event, Group, Notice, Outcome, Receiver, Reply, Request, Settings, State, Supervisor, Time,
};

/// A request this close to the one before is the same request.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// What outlives SIGKILL by this much is given up.
const UNKILLABLE: Duration = Duration::from_secs(2);

/// What has happened so far.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub bodies: BTreeMap<InstanceId, Body>,
    /// How every instance ended the last time.
    exits: BTreeMap<InstanceId, Exit>,
    /// Until when what was sent to a group may take.
    pub due: BTreeMap<InstanceId, Time>,
    pub wishes: Wishes,
    pub courses: Courses,
    /// The status that a success becomes once something could not be killed.
    success: i32,
    pub stop: Option<Stop>,
    guard: Guard,
    escapees: Escapees,
    /// What instances were said to be stopped by.
    stopped_by: BTreeSet<(InstanceId, Signal)>,
}

/// Whether the guard is there, which hears the terminal as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    Present,
    Lost,
}

/// Whether anything is alive outside of all groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapees {
    None,
    Left,
    Asked,
}

/// What is in the world of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Waiting,
    /// Its spawn is under way.
    Ordered,
    Leader(Pid, Sent),
    Leftovers(Pid, Sent),
    /// It is to be spawned again, at a time that is told.
    Pausing(Option<Time>),
    /// It outlived SIGKILL: its leader, or others of its group.
    LostLeader(Pid),
    LostLeftovers(Pid),
    Gone,
}

/// The worst that was sent to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Nothing,
    Term,
    Kill,
}

#[derive(Clone, Copy, Debug)]
pub struct Stop {
    status: i32,
    pub deadline: Time,
    /// When somebody last asked for it; the same request again does not count.
    requested: Option<Time>,
    force: Force,
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    Grace,
    Forced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Flowing,
    Draining,
    Finished,
}

impl Stop {
    /// Returns whether a request that comes now is not the last one once more.
    fn is_another_request(&self, now: Time) -> bool {
        self.requested.is_some_and(|last| now - last > SAME_REQUEST)
    }
}

impl Ledger {
    pub fn new(settings: Settings, types: Vec<ProcessType>) -> Self {
        Ledger {
            bodies: BTreeMap::new(),
            exits: BTreeMap::new(),
            due: BTreeMap::new(),
            courses: Courses::new(settings),
            wishes: Wishes::new(types),
            success: 0,
            stop: None,
            guard: Guard::Present,
            escapees: Escapees::None,
            stopped_by: BTreeSet::new(),
        }
    }

    /// Returns whether every request has had its last reply.
    pub fn owes_nothing(&self) -> bool {
        self.wishes.owe_nothing()
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.is_some()
    }

    pub fn is_draining(&self) -> bool {
        self.stop.is_some_and(|stop| stop.output == Output::Draining)
    }

    pub fn is_finished(&self) -> bool {
        self.stop.is_some_and(|stop| stop.output == Output::Finished)
    }

    /// Returns whether nothing lives or is to.
    pub fn is_still(&self) -> bool {
        let is_still =
            |body: &Body| matches!(body, Body::Gone | Body::LostLeader(_) | Body::LostLeftovers(_));
        self.bodies.values().all(is_still)
    }

    /// Returns when everything has to be gone, once something has asked for that.
    pub fn deadline(&self) -> Option<Time> {
        self.stop.map(|stop| stop.deadline)
    }

    /// Returns the instances whose spawn is under way.
    pub fn ordered(&self) -> Vec<InstanceId> {
        self.all(|body| matches!(body, Body::Ordered))
    }

    /// Returns the instances whose leader is alive.
    pub fn leaders(&self) -> Vec<InstanceId> {
        self.all(|body| matches!(body, Body::Leader(..)))
    }

    /// Returns the leader of an instance of which something is alive, be it lost.
    pub fn pid(&self, id: &InstanceId) -> Option<Pid> {
        match self.bodies.get(id) {
            Some(
                Body::Leader(pid, _)
                | Body::Leftovers(pid, _)
                | Body::LostLeader(pid)
                | Body::LostLeftovers(pid),
            ) => Some(*pid),
            Some(Body::Waiting | Body::Ordered | Body::Pausing(_) | Body::Gone) | None => None,
        }
    }

    /// Returns whether the leader of an instance has not ended, be it lost.
    pub fn has_leader(&self, id: &InstanceId) -> bool {
        matches!(self.bodies.get(id), Some(Body::Leader(..) | Body::LostLeader(_)))
    }

    /// Returns the worst that was sent to the group of the instance.
    pub fn sent(&self, id: &InstanceId) -> Sent {
        match self.bodies.get(id) {
            Some(Body::Leader(_, sent) | Body::Leftovers(_, sent)) => *sent,
            Some(Body::LostLeader(_) | Body::LostLeftovers(_)) => Sent::Kill,
            Some(Body::Waiting | Body::Ordered | Body::Pausing(_) | Body::Gone) | None => Sent::Nothing,
        }
    }

    pub fn all(&self, which: impl Fn(&Body) -> bool) -> Vec<InstanceId> {
        self.bodies.iter().filter(|(_, body)| which(body)).map(|(id, _)| id.clone()).collect()
    }

    /// Returns whether the event may follow what has happened; any other has to change nothing.
    pub fn is_fact(&self, event: &Event) -> bool {
        if self.is_finished() {
            return false;
        }
        let body = |id| self.bodies.get(id).copied();
        match event {
            Event::Spawned { id, .. } | Event::SpawnFailed { id, .. } => body(id) == Some(Body::Ordered),
            Event::Stopped { id, signal } => {
                matches!(body(id), Some(Body::Leader(..)))
                    && !self.stopped_by.contains(&(id.clone(), *signal))
            }
            Event::Exited { id, .. } => self.has_leader(id),
            Event::GroupEmptied { id } => {
                matches!(body(id), Some(Body::Leftovers(..) | Body::LostLeftovers(_)))
            }
            Event::Signalled { sender: Sender::Kernel, receiver: Receiver::Supervisor, .. } => {
                self.guard == Guard::Lost
            }
            Event::OutputClosed => !self.is_stopping(),
            Event::EscapeesLeft => self.escapees == Escapees::None,
            Event::EscapeesGone => self.escapees != Escapees::None,
            Event::GuardLost => self.guard == Guard::Present,
            Event::Drained => self.is_draining(),
            Event::Ready { id, pid } => self.awaits_sign(id, *pid),
            Event::Probed { id, pid, .. } => self.is_probed(id, *pid),
            Event::Extended { id, pid, .. } => self.pid(id) == Some(*pid) && self.leaders().contains(id),
            Event::EndsSoon { id, pid } => self.runs_as(id, *pid),
            Event::Reached { service } => self.courses.known_service(service),
            Event::NotReached { service, .. } => {
                self.courses.known_service(service) && !self.courses.knows_trouble(service)
            }
            Event::Asked { .. }
            | Event::Signalled { .. }
            | Event::MemoryRanOut { .. }
            | Event::Resumed { .. }
            | Event::TimePassed => true,
        }
    }

    /// Enters an event and the orders that followed; an error is the promise that one of them breaks.
    pub fn saw(
        &mut self,
        now: Time,
        event: &Event,
        actions: &[Action],
        supervisor: &Supervisor,
    ) -> Result<(), String> {
        if self.is_finished() {
            ensure(actions.is_empty(), "nothing follows the finish")?;
        }
        self.begin_step();
        if self.is_fact(event) {
            self.learn(now, event);
        }
        let is_finished = self.is_finished();
        if actions.last() != Some(&Action::Suspend) && !is_finished {
            self.pass(now, actions);
            self.plan_stop_again(now, supervisor);
        }
        self.count_waiting();
        self.end_if_over(now, supervisor)?;
        for (index, action) in actions.iter().enumerate() {
            match (action, actions.get(index + 1)) {
                // A signal that somebody has asked for.
                (
                    Action::Signal(id, signal),
                    Some(Action::Reply(by, Reply::Outcome(told, Outcome::Signalled))),
                ) if id == told => {
                    let is_asked = matches!(
                        event,
                        Event::Asked { by: asked, request: Request::Signal(wanted, _) }
                            if asked == by && wanted == signal
                    );
                    ensure(is_asked, "whoever asks for a signal is told that it was sent")?;
                }
                (Action::Reply(by, reply), _) => {
                    let is_last = *reply != Reply::Done
                        || !self.wishes.is_quitter(*by)
                        || matches!(actions.last(), Some(Action::Finish(_)));
                    ensure(is_last, "to quit is done when the formation has ended")?;
                    if let Reply::Outcome(id, Outcome::Held) = reply {
                        // Time may be up for it in the same step.
                        let is_over = self.stop.is_some() || self.courses.lacking.contains(id);
                        ensure(is_over || self.is_kept(id), "who is said to wait has to")?;
                    }
                    let (bodies, exits, is_stopping) = (&self.bodies, &self.exits, self.stop.is_some());
                    let lacking = &self.courses.lacking;
                    let world = World { bodies, exits, is_stopping, lacking };
                    self.wishes.replied(*by, reply, event, &world)?;
                }
                (Action::Say(Notice::Unkillable { .. }), _) => {
                    self.carry_out(now, event, action)?;
                    self.end_if_over(now, supervisor)?;
                }
                _ => self.carry_out(now, event, action)?,
            }
        }
        if let Some(index) = actions.iter().position(|action| *action == Action::Suspend) {
            // What is due has to wait for `Resumed`.
            return ensure(index + 1 == actions.len(), "nothing is done after falling asleep");
        }
        self.check_rest(now)?;
        let (bodies, exits, is_stopping) = (&self.bodies, &self.exits, self.stop.is_some());
        let lacking = &self.courses.lacking;
        self.wishes.check_rest(&World { bodies, exits, is_stopping, lacking })?;
        self.check_status(supervisor)?;
        self.check_deadlines(now, supervisor)
    }

    fn learn(&mut self, now: Time, event: &Event) {
        match event {
            Event::Asked { by, request: Request::Quit } => {
                self.wishes.quit(*by, &self.bodies);
                self.begin_stop(now, 0, Some(now));
            }
            Event::Asked { by, .. } if self.is_stopping() => self.wishes.asked_too_late(*by),
            Event::Asked { by, request } => {
                if let Request::Start(_) = request {
                    self.courses.start_asked();
                }
                let before = self.bodies.clone();
                for (id, want) in self.wishes.asked(*by, request, &mut self.bodies) {
                    self.courses.asked(&id, want, before.get(&id).copied());
                }
            }
            Event::Spawned { id, pid } => {
                self.enter(id, Body::Leader(*pid, Sent::Nothing));
                self.courses.spawned(now, id);
            }
            Event::SpawnFailed { id, exit } => {
                let counts = self.stop.is_none() && !self.wishes.is_doomed(id);
                let is_essential = self.wishes.is_essential(id);
                if counts && is_essential {
                    let fate = self.courses.judge(id, End::NotStarted(*exit), Duration::ZERO);
                    self.settle_or_stop(now, id, fate, *exit);
                } else {
                    if counts {
                        self.courses.in_vain = exit.status();
                        self.wishes.give_up(id);
                    }
                    self.gone(id);
                }
            }
            Event::Exited { id, exit, group } => {
                self.exits.insert(id.clone(), *exit);
                self.stopped_by.retain(|(stopped, _)| stopped != id);
                let is_own = self.stop.is_none() && !self.wishes.is_doomed(id) && self.leaders().contains(id);
                let ran = self.courses.ran(now, id);
                let fate = is_own.then(|| self.courses.judge(id, End::Exited(*exit), ran));
                match (self.bodies.get(id).copied(), group) {
                    (Some(Body::Leader(pid, sent)), Group::Inhabited) => {
                        self.enter(id, Body::Leftovers(pid, sent));
                        match fate {
                            Some(Fate::EndsAll) => self.begin_stop(now, exit.status(), None),
                            Some(fate) => self.sentence(id, fate),
                            None => {}
                        }
                    }
                    (Some(Body::Leader(..)), Group::Empty) => match fate {
                        Some(fate) => self.settle_or_stop(now, id, fate, *exit),
                        None => self.gone(id),
                    },
                    (Some(Body::LostLeader(pid)), Group::Inhabited) => {
                        self.enter(id, Body::LostLeftovers(pid));
                    }
                    (_, Group::Empty | Group::Inhabited) => self.gone(id),
                }
            }
            Event::GroupEmptied { id } => self.gone(id),
            Event::Signalled { signal: Signal::TERM | Signal::INT | Signal::HUP, .. } => {
                self.begin_stop(now, 0, Some(now));
            }
            Event::OutputClosed => self.begin_stop(now, 0, None),
            Event::EscapeesLeft => self.escapees = Escapees::Left,
            Event::EscapeesGone => self.escapees = Escapees::None,
            Event::GuardLost => {
                self.guard = Guard::Lost;
                if !self.is_stopping() {
                    self.begin_stop(now, 1, Some(now));
                }
            }
            Event::Resumed { asleep } => {
                self.due.values_mut().for_each(|at| *at += *asleep);
                self.courses.postpone(*asleep);
                for body in self.bodies.values_mut() {
                    if let Body::Pausing(Some(until)) = body {
                        *until += *asleep;
                    }
                }
                if let Some(stop) = &mut self.stop {
                    stop.deadline += *asleep;
                    stop.requested = stop.requested.map(|at| at + *asleep);
                }
            }
            Event::Ready { id, .. } => self.became_ready(now, id),
            Event::Probed { id, verdict, .. } => self.probed(now, id, *verdict),
            Event::Extended { id, by, .. } => self.extended(now, id, *by),
            Event::EndsSoon { id, .. } => self.ends_soon(id),
            Event::Reached { service } => self.courses.reached(service),
            Event::NotReached { service, .. } => self.courses.not_reached(service),
            Event::Stopped { .. }
            | Event::Signalled { .. }
            | Event::MemoryRanOut { .. }
            | Event::Drained
            | Event::TimePassed => {}
        }
    }

    pub fn enter(&mut self, id: &InstanceId, body: Body) {
        self.bodies.insert(id.clone(), body);
    }

    /// Nothing of the instance is alive any more.
    fn gone(&mut self, id: &InstanceId) {
        self.due.remove(id);
        if self.stop.is_some() {
            self.enter(id, Body::Gone);
        } else {
            let was_lost = matches!(self.bodies.get(id), Some(Body::LostLeader(_) | Body::LostLeftovers(_)));
            let _: Asked = self.wishes.gone(id, &mut self.bodies);
            match self.courses.sentences.remove(id) {
                Some(fate) => self.settle(id, fate),
                None if was_lost => self.ended_after_all(id),
                None => {}
            }
        }
    }

    /// Nothing is left of an instance that nobody has asked to end.
    fn settle_or_stop(&mut self, now: Time, id: &InstanceId, fate: Fate, exit: Exit) {
        self.gone(id);
        self.settle(id, fate);
        if fate == Fate::EndsAll {
            self.begin_stop(now, exit.status(), None);
        }
    }

    pub fn begin_stop(&mut self, now: Time, status: i32, requested: Option<Time>) {
        match &mut self.stop {
            Some(stop) => stop.requested = stop.requested.or(requested),
            None => {
                let deadline = self.plan_stop(now);
                let (force, output) = (Force::Grace, Output::Flowing);
                let status = if status == 0 { self.success } else { status };
                self.stop = Some(Stop { status, deadline, requested, force, output });
                let is_to_be = |body: &Body| matches!(body, Body::Waiting | Body::Pausing(_));
                for body in self.bodies.values_mut().filter(|body| is_to_be(body)) {
                    *body = Body::Gone;
                }
                self.limit_dues(deadline);
            }
        }
    }

    fn carry_out(&mut self, now: Time, event: &Event, action: &Action) -> Result<(), String> {
        match action {
            Action::Spawn(id) => {
                ensure(self.stop.is_none(), "nothing is spawned while the formation stops")?;
                ensure(self.ordered().is_empty(), "one spawn is under way at a time")?;
                ensure(
                    self.bodies.get(id) == Some(&Body::Waiting),
                    "an instance is spawned in its turn, once",
                )?;
                ensure(!self.is_held(id), "nothing is spawned before what it needs is there")?;
                self.enter(id, Body::Ordered);
            }
            Action::Signal(id, signal) => {
                let policy = self.courses.policy(&id.process);
                // A request may have asked for it in the same step.
                let is_doomed = self.wishes.is_doomed(id);
                let is_spared = self.leaders().contains(id) && !is_doomed && self.is_needed(now, id);
                let sent = match self.bodies.get_mut(id) {
                    Some(Body::Leader(_, sent) | Body::Leftovers(_, sent)) => sent,
                    Some(
                        Body::Waiting
                        | Body::Ordered
                        | Body::LostLeader(_)
                        | Body::LostLeftovers(_)
                        | Body::Pausing(_)
                        | Body::Gone,
                    )
                    | None => {
                        return Err(format!("{signal} goes to {id}, which has no group"));
                    }
                };
                let deadline = self.stop.map(|stop| stop.deadline);
                match *signal {
                    signal if signal == policy.stop_signal => {
                        ensure(!is_spared, "what others need ends after them")?;
                        let is_wanted = deadline.is_some() || self.wishes.is_doomed(id);
                        ensure(is_wanted, "SIGTERM is sent only to what is to be stopped")?;
                        ensure(
                            *sent == Sent::Nothing,
                            "SIGTERM is sent to a group once, and before SIGKILL",
                        )?;
                        *sent = Sent::Term;
                        let own = now + policy.grace;
                        let due = deadline.map_or(own, |deadline| own.min(deadline).max(now));
                        self.due.insert(id.clone(), due);
                    }
                    Signal::KILL => {
                        let own = self.due.get(id).copied().filter(|_| *sent == Sent::Term);
                        let is_time = own.into_iter().chain(deadline).any(|at| at <= now);
                        ensure(is_time, "SIGKILL does not come early")?;
                        ensure(*sent != Sent::Kill, "SIGKILL is sent to a group once")?;
                        *sent = Sent::Kill;
                        self.due.insert(id.clone(), now + UNKILLABLE);
                    }
                    _ => {}
                }
            }
            Action::Say(notice) => self.hear(now, notice)?,
            // `saw` hands these to the book about requests.
            Action::Reply(..) | Action::Suspend => {}
            Action::Probe { id, pid, purpose } => self.probe(now, id, *pid, *purpose)?,
            Action::Reach(service) => self.courses.reach(now, service)?,
            Action::LetGo(service) => self.courses.leave(service)?,
            Action::Announce(announcement) => self.announced(*announcement)?,
            Action::TerminateEscapees => {
                ensure(self.nothing_alive(), "escapees are asked to end after the last end")?;
                ensure(self.escapees == Escapees::Left, "escapees are asked to end once")?;
                self.stopping()?;
                self.escapees = Escapees::Asked;
            }
            Action::Drain => {
                ensure(self.nothing_alive(), "output is drained after the last end")?;
                let is_over = self.deadline().is_some_and(|at| at <= now);
                ensure(self.escapees == Escapees::None || is_over, "output is drained after escapees")?;
                let stop = self.stopping()?;
                ensure(stop.output == Output::Flowing, "output is drained once")?;
                stop.output = Output::Draining;
            }
            Action::Finish(status) => {
                ensure(self.owes_nothing(), "the last replies come before the finish")?;
                let forced = self.status_of_request(event);
                let nothing_alive = self.nothing_alive();
                let stop = self.stopping()?;
                let asked_again = stop.is_another_request(now);
                match stop.output {
                    Output::Flowing => {
                        ensure(stop.force == Force::Forced, "only a third request leaves something alive")?;
                        ensure(asked_again, "a request within half a second is the same one")?;
                        ensure(forced == Some(*status), "a third request finishes with 128 + n")?;
                    }
                    Output::Draining => {
                        ensure(nothing_alive, "nothing is alive at the finish")?;
                        let expected = forced.filter(|_| asked_again).unwrap_or(stop.status);
                        ensure(*status == expected, "the status is that of the first cause, or forced")?;
                    }
                    Output::Finished => return Err("there is one finish".into()),
                }
                stop.output = Output::Finished;
            }
        }
        Ok(())
    }

    fn hear(&mut self, now: Time, notice: &Notice) -> Result<(), String> {
        match notice {
            Notice::Forced(signal) => {
                let stop = self.stopping()?;
                ensure(stop.is_another_request(now), "a request within half a second is the same one")?;
                ensure(stop.force == Force::Grace, "a second request comes once")?;
                let (status, requested) = (128 + signal.0, Some(now));
                *stop = Stop { status, deadline: now, requested, force: Force::Forced, ..*stop };
            }
            Notice::Unkillable { id, pid } => {
                let killed = [Body::Leader(*pid, Sent::Kill), Body::Leftovers(*pid, Sent::Kill)];
                ensure(
                    self.bodies.get(id).is_some_and(|body| killed.contains(body)),
                    "only what was killed is given up",
                )?;
                ensure(self.due.remove(id).is_some_and(|at| at <= now), "nothing is given up early")?;
                let is_leader = self.has_leader(id);
                self.enter(id, if is_leader { Body::LostLeader(*pid) } else { Body::LostLeftovers(*pid) });
                self.wishes.give_up(id);
                self.courses.sentences.remove(id);
                self.success = 1;
                if let Some(stop) = &mut self.stop
                    && stop.status == 0
                {
                    stop.status = 1;
                }
            }
            Notice::Stopped { id, signal } => {
                ensure(self.leaders().contains(id), "only what lives stands still")?;
                let is_news = self.stopped_by.insert((id.clone(), *signal));
                ensure(is_news, "what stops an instance is said once")?;
            }
            Notice::OutOfMemory { .. } => {}
            Notice::EscapeesOverdue => ensure(self.stop.is_some(), "only an end is overdue")?,
            Notice::Overdue { ids, .. } => {
                let due = |id| self.due.get(id).is_some_and(|at| *at <= now);
                ensure(ids.iter().all(due), "only what is overdue is said to be")?;
            }
            Notice::Stopping(..) => {
                self.stopping()?;
            }
            Notice::Leftovers { id, .. } => {
                let is_known = self.stop.is_some() || self.courses.sentences.contains_key(id);
                ensure(is_known, "leftovers are stopped")?;
            }
            Notice::Ready { .. }
            | Notice::Restarting { .. }
            | Notice::StartsAgain { .. }
            | Notice::UsedUp { .. }
            | Notice::OthersGoOn { .. }
            | Notice::Rejected { .. }
            | Notice::Waits { .. }
            | Notice::WaitsInVain { .. }
            | Notice::NeverStarted(_)
            | Notice::TurnHasCome(_)
            | Notice::NotReached { .. }
            | Notice::Reached { .. }
            | Notice::Missing(_) => self.hear_of_policies(now, notice)?,
        }
        Ok(())
    }

    /// Checks what must hold whenever all orders have been carried out.
    fn check_rest(&self, now: Time) -> Result<(), String> {
        let is_over = self.is_finished();
        let late = self.due.iter().find(|(_, at)| **at <= now).filter(|_| !is_over);
        if let Some((id, _)) = late {
            return Err(format!("broken: whatever is due is done, about {id} too"));
        }
        let Some(stop) = self.stop else {
            let waiting = self.all(|body| *body == Body::Waiting);
            let idle = self.ordered().is_empty() && waiting.iter().any(|id| !self.is_held(id));
            ensure(!idle, "what waits is spawned as soon as nothing else is")?;
            return self.check_courses(now);
        };
        self.check_stopped_courses()?;
        for (id, body) in &self.bodies {
            match body {
                Body::Leader(_, Sent::Nothing) if self.is_needed(now, id) => {}
                Body::Leader(_, sent) | Body::Leftovers(_, sent) if stop.output != Output::Finished => {
                    ensure(*sent != Sent::Nothing, &format!("a stop reaches all, {id} too"))?;
                    let late = stop.deadline <= now && *sent != Sent::Kill;
                    ensure(!late, &format!("whatever is left at the deadline is killed, {id} too"))?;
                }
                Body::Leader(..)
                | Body::Leftovers(..)
                | Body::LostLeader(_)
                | Body::LostLeftovers(_)
                | Body::Ordered
                | Body::Gone => {}
                Body::Waiting | Body::Pausing(_) => {
                    return Err(format!("{id} waits although the formation stops"));
                }
            }
        }
        let patient = self.escapees == Escapees::Asked && now < stop.deadline;
        let stuck = self.nothing_alive() && stop.output == Output::Flowing && !patient;
        ensure(!stuck, "output is drained as soon as nothing is alive")
    }

    fn check_deadlines(&self, now: Time, supervisor: &Supervisor) -> Result<(), String> {
        let next = supervisor.next_deadline();
        ensure(next.is_none_or(|at| at > now), "no deadline lies in the past")?;
        let stop_deadline = match self.stop {
            None => {
                let due = self.due.values().copied().chain(self.next_of_courses()).min();
                ensure(next == due, "nothing is awaited but what has to happen by itself")?;
                None
            }
            Some(Stop { output: Output::Finished, .. }) => {
                ensure(next.is_none(), "nothing is awaited after the finish")?;
                None
            }
            Some(stop) => {
                let awaits_spawn = !self.ordered().is_empty();
                ensure(next.is_some() || awaits_spawn, "a stop always has a deadline")?;
                Some(stop.deadline)
            }
        };
        ensure(supervisor.stop_deadline() == stop_deadline, "there is one deadline for all")
    }

    /// Checks that what is told of each instance is so, in the formation's order.
    fn check_status(&self, supervisor: &Supervisor) -> Result<(), String> {
        ensure(supervisor.is_stopping() == self.is_stopping(), "it is known whether the formation stops")?;
        let status = supervisor.status();
        let places = status.iter().map(|status| self.wishes.place(&status.id));
        ensure(places.is_sorted_by(|one, next| one < next), "instances are in the formation's order")?;
        if self.is_stopping() {
            return Ok(());
        }
        ensure(status.len() == self.bodies.len(), "every instance has a state")?;
        for status in status {
            let is_so = match (status.state, self.bodies.get(&status.id)) {
                (State::Starting, Some(Body::Waiting | Body::Ordered)) => true,
                (State::Running { pid, .. }, Some(Body::Leader(leader, Sent::Nothing))) => pid == *leader,
                (State::Stopping { pid }, Some(_)) => self.pid(&status.id) == Some(pid),
                (State::Down, Some(Body::Gone)) => true,
                (State::Held, Some(Body::Waiting)) => self.is_held(&status.id),
                (State::BackingOff { until }, Some(Body::Pausing(told))) => *told == Some(until),
                (
                    State::Starting
                    | State::Held
                    | State::Running { .. }
                    | State::BackingOff { .. }
                    | State::Down,
                    Some(_),
                )
                | (_, None) => false,
            };
            let is_so = is_so && self.is_standing(&status);
            ensure(is_so, &format!("what is told of an instance is so, {status:?} too"))?;
        }
        Ok(())
    }

    /// Returns the status that an event finishes with if it is a request once too often.
    fn status_of_request(&self, event: &Event) -> Option<i32> {
        match event {
            // The terminal's signal has been told by the guard.
            Event::Signalled { sender: Sender::Kernel, receiver: Receiver::Supervisor, .. }
                if self.guard == Guard::Present =>
            {
                None
            }
            Event::Signalled { signal: signal @ (Signal::TERM | Signal::INT | Signal::HUP), .. } => {
                Some(128 + signal.0)
            }
            Event::Ready { .. }
            | Event::Probed { .. }
            | Event::Extended { .. }
            | Event::EndsSoon { .. }
            | Event::Reached { .. }
            | Event::NotReached { .. }
            | Event::Asked { .. }
            | Event::Spawned { .. }
            | Event::SpawnFailed { .. }
            | Event::Stopped { .. }
            | Event::Exited { .. }
            | Event::GroupEmptied { .. }
            | Event::Signalled { .. }
            | Event::EscapeesLeft
            | Event::EscapeesGone
            | Event::MemoryRanOut { .. }
            | Event::OutputClosed
            | Event::GuardLost
            | Event::Resumed { .. }
            | Event::Drained
            | Event::TimePassed => None,
        }
    }

    fn nothing_alive(&self) -> bool {
        let is_over = |body: &Body| match body {
            Body::Waiting | Body::Pausing(_) | Body::Gone | Body::LostLeader(_) | Body::LostLeftovers(_) => {
                true
            }
            Body::Ordered | Body::Leader(..) | Body::Leftovers(..) => false,
        };
        self.bodies.values().all(is_over)
    }

    fn stopping(&mut self) -> Result<&mut Stop, String> {
        self.stop.as_mut().ok_or_else(|| "nothing has asked to stop".into())
    }
}

pub fn ensure(holds: bool, promise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {promise}")) }
}
