//! The promises that hold in every life of a formation, whatever happens in it.
//!
//! The ledger hears the same events as the machine, sees its orders, and says which promise one of them
//! breaks. It keeps books of its own, coarser than the machine's, so that it cannot share its errors.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::process::{Pid, Sender, Signal};
use crate::supervisor::{Action, Event, Group, Notice, Receiver, Request, Supervisor, Time};

/// A request this close to the one before is the same request.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// What has happened so far.
#[derive(Clone, Debug)]
pub struct Ledger {
    grace: Duration,
    bodies: BTreeMap<InstanceId, Body>,
    stop: Option<Stop>,
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
enum Body {
    Waiting,
    /// Its spawn is under way.
    Ordered,
    Leader(Pid, Sent),
    Leftovers(Pid, Sent),
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
struct Stop {
    status: i32,
    deadline: Time,
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
    pub fn new(grace: Duration) -> Self {
        let (bodies, stopped_by) = (BTreeMap::new(), BTreeSet::new());
        Ledger { grace, bodies, stop: None, guard: Guard::Present, escapees: Escapees::None, stopped_by }
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

    /// Returns the instances whose group has outlived the leader.
    pub fn leftovers(&self) -> Vec<InstanceId> {
        self.all(|body| matches!(body, Body::Leftovers(..)))
    }

    /// Returns the worst that was sent to the group of the instance.
    pub fn sent(&self, id: &InstanceId) -> Sent {
        match self.bodies.get(id) {
            Some(Body::Leader(_, sent) | Body::Leftovers(_, sent)) => *sent,
            Some(Body::Waiting | Body::Ordered | Body::Gone) | None => Sent::Nothing,
        }
    }

    fn all(&self, which: impl Fn(&Body) -> bool) -> Vec<InstanceId> {
        self.bodies.iter().filter(|(_, body)| which(body)).map(|(id, _)| id.clone()).collect()
    }

    /// Returns whether the event may follow what has happened; any other has to change nothing.
    pub fn is_fact(&self, event: &Event) -> bool {
        if self.is_finished() {
            return false;
        }
        let body = |id| self.bodies.get(id).copied();
        match event {
            Event::Asked(Request::Start(ids)) => {
                !self.is_stopping() && ids.iter().any(|id| !self.bodies.contains_key(id))
            }
            Event::Spawned { id, .. } | Event::SpawnFailed { id, .. } => body(id) == Some(Body::Ordered),
            Event::Stopped { id, signal } => {
                matches!(body(id), Some(Body::Leader(..)))
                    && !self.stopped_by.contains(&(id.clone(), *signal))
            }
            Event::Exited { id, .. } => matches!(body(id), Some(Body::Leader(..))),
            Event::GroupEmptied { id } => matches!(body(id), Some(Body::Leftovers(..))),
            Event::Signalled { sender: Sender::Kernel, receiver: Receiver::Supervisor, .. } => {
                self.guard == Guard::Lost
            }
            Event::OutputClosed => !self.is_stopping(),
            Event::EscapeesLeft => self.escapees == Escapees::None,
            Event::EscapeesGone => self.escapees != Escapees::None,
            Event::GuardLost => self.guard == Guard::Present,
            Event::Drained => self.is_draining(),
            Event::Signalled { .. }
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
        if self.is_fact(event) {
            self.learn(now, event);
        }
        for action in actions {
            self.carry_out(now, event, action)?;
        }
        if let Some(index) = actions.iter().position(|action| *action == Action::Suspend) {
            // What is due has to wait for `Resumed`.
            return ensure(index + 1 == actions.len(), "nothing is done after falling asleep");
        }
        self.check_rest(now)?;
        self.check_deadlines(now, supervisor)
    }

    fn learn(&mut self, now: Time, event: &Event) {
        match event {
            Event::Asked(Request::Start(ids)) => {
                for id in ids {
                    self.bodies.entry(id.clone()).or_insert(Body::Waiting);
                }
            }
            Event::Spawned { id, pid } => self.enter(id, Body::Leader(*pid, Sent::Nothing)),
            Event::SpawnFailed { id, exit } => {
                self.enter(id, Body::Gone);
                self.begin_stop(now, exit.status(), None);
            }
            Event::Exited { id, exit, group } => {
                if let (Some(Body::Leader(pid, sent)), Group::Inhabited) = (self.bodies.get(id), group) {
                    self.enter(id, Body::Leftovers(*pid, *sent));
                } else {
                    self.enter(id, Body::Gone);
                }
                self.begin_stop(now, exit.status(), None);
            }
            Event::GroupEmptied { id } => self.enter(id, Body::Gone),
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
                if let Some(stop) = &mut self.stop {
                    stop.deadline += *asleep;
                    stop.requested = stop.requested.map(|at| at + *asleep);
                }
            }
            Event::Stopped { .. }
            | Event::Signalled { .. }
            | Event::MemoryRanOut { .. }
            | Event::Drained
            | Event::TimePassed => {}
        }
    }

    fn enter(&mut self, id: &InstanceId, body: Body) {
        self.bodies.insert(id.clone(), body);
    }

    fn begin_stop(&mut self, now: Time, status: i32, requested: Option<Time>) {
        match &mut self.stop {
            Some(stop) => stop.requested = stop.requested.or(requested),
            None => {
                let deadline = now + self.grace;
                let (force, output) = (Force::Grace, Output::Flowing);
                self.stop = Some(Stop { status, deadline, requested, force, output });
                for body in self.bodies.values_mut().filter(|body| **body == Body::Waiting) {
                    *body = Body::Gone;
                }
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
                self.enter(id, Body::Ordered);
            }
            Action::Signal(id, signal) => {
                let sent = match self.bodies.get_mut(id) {
                    Some(Body::Leader(_, sent) | Body::Leftovers(_, sent)) => sent,
                    Some(Body::Waiting | Body::Ordered | Body::Gone) | None => {
                        return Err(format!("{signal} goes to {id}, which has no group"));
                    }
                };
                let deadline = self.stop.map(|stop| stop.deadline);
                match *signal {
                    Signal::TERM => {
                        ensure(deadline.is_some(), "SIGTERM is sent only to stop the formation")?;
                        ensure(
                            *sent == Sent::Nothing,
                            "SIGTERM is sent to a group once, and before SIGKILL",
                        )?;
                        *sent = Sent::Term;
                    }
                    Signal::KILL => {
                        ensure(deadline.is_some_and(|at| at <= now), "SIGKILL does not come early")?;
                        ensure(*sent != Sent::Kill, "SIGKILL is sent to a group once")?;
                        *sent = Sent::Kill;
                    }
                    _ => {}
                }
            }
            Action::Say(notice) => self.hear(now, notice)?,
            Action::Suspend => {}
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
                self.enter(id, Body::Gone);
                let stop = self.stopping()?;
                if stop.status == 0 {
                    stop.status = 1;
                }
            }
            Notice::Stopped { id, signal } => {
                ensure(self.leaders().contains(id), "only what lives stands still")?;
                let is_news = self.stopped_by.insert((id.clone(), *signal));
                ensure(is_news, "what stops an instance is said once")?;
            }
            Notice::OutOfMemory { .. } => {}
            Notice::Stopping(_) | Notice::Overdue { .. } | Notice::Leftovers { .. } => {
                self.stopping()?;
            }
        }
        Ok(())
    }

    /// Checks what must hold whenever all orders have been carried out.
    fn check_rest(&self, now: Time) -> Result<(), String> {
        let Some(stop) = self.stop else {
            let idle = self.ordered().is_empty() && self.bodies.values().any(|body| *body == Body::Waiting);
            return ensure(!idle, "what waits is spawned as soon as nothing else is");
        };
        for (id, body) in &self.bodies {
            match body {
                Body::Leader(_, sent) | Body::Leftovers(_, sent) if stop.output != Output::Finished => {
                    ensure(*sent != Sent::Nothing, &format!("a stop reaches all, {id} too"))?;
                    let late = stop.deadline <= now && *sent != Sent::Kill;
                    ensure(!late, &format!("whatever is left at the deadline is killed, {id} too"))?;
                }
                Body::Leader(..) | Body::Leftovers(..) | Body::Ordered | Body::Gone => {}
                Body::Waiting => return Err(format!("{id} waits although the formation stops")),
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
            None | Some(Stop { output: Output::Finished, .. }) => {
                ensure(next.is_none(), "while nothing stops, nothing is awaited")?;
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
            Event::Asked(_)
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
        self.bodies.values().all(|body| matches!(body, Body::Waiting | Body::Gone))
    }

    fn stopping(&mut self) -> Result<&mut Stop, String> {
        self.stop.as_mut().ok_or_else(|| "nothing has asked to stop".into())
    }
}

fn ensure(holds: bool, promise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("broken: {promise}")) }
}
