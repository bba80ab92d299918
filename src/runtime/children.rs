//! What becomes of the children: which have ended, which stand still, and what is left of their groups.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::formation::InstanceId;
use crate::process::{Exit, Pid};
use crate::runtime::{Runtime, reason};
use crate::supervisor::{Event, Group};
use crate::sys::child::Child;
use crate::sys::link::FromSupervisor;
use crate::sys::memory::OutOfMemory;
use crate::sys::wait;

/// How long the look at the children waits for more ends, for each instance that runs: it lists all children, so it may
/// not be made for each of many that end at once.
const GATHER_EACH: Duration = Duration::from_micros(5);
/// What is less is not waited for: the unit of the runtime's clock.
const GATHER_LEAST: Duration = Duration::from_millis(1);

/// A leader that has ended.
pub struct End {
    pub id: InstanceId,
    pub child: Child,
    pub exit: Exit,
}

impl Runtime<'_> {
    /// Lets the children be seen to, at once where few run that could end.
    pub fn see_to_children_soon(&mut self) {
        let known = self.instances.values().filter(|live| live.exit.is_none()).count();
        let running = u32::try_from(known.saturating_sub(self.ended.len())).unwrap_or(u32::MAX);
        let gather = Some(GATHER_EACH.saturating_mul(running)).filter(|long| *long >= GATHER_LEAST);
        let at = Instant::now() + gather.unwrap_or_default();
        self.children_at = Some(self.children_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Sees to children that have ended or stand still, and to what is left of the groups of leaders that have ended.
    pub fn see_to_children(&mut self) -> Vec<Event> {
        self.children_at = None;
        let orphans = wait::reap_orphans(&self.leaders());
        if orphans.any_reaped {
            self.groups.orphans_reaped();
        }
        let mut events = self.stopped();
        events.extend(self.ended(orphans.left.as_deref()));
        events
    }

    /// Looks which leaders stand still. Those that were stopped with procman itself are continued by now.
    fn stopped(&self) -> Vec<Event> {
        let instance = |leader| self.instances.iter().find(|(_, live)| live.group == leader);
        let stopped = wait::stopped().into_iter();
        let events =
            stopped.filter_map(|(pid, signal)| Some(Event::Stopped { id: instance(pid)?.0.clone(), signal }));
        events.collect()
    }

    /// Sees to leaders that have ended. `orphans` are the children that are none.
    fn ended(&mut self, orphans: Option<&[Pid]>) -> Vec<Event> {
        let mut exits = Vec::new();
        let mut children = Vec::new();
        for End { id, child, exit } in std::mem::take(&mut self.ended) {
            self.errands.forget(&id);
            if let Some(live) = self.instances.get_mut(&id) {
                live.exit = Some(exit);
            }
            exits.push((id.clone(), exit));
            children.push((id, child));
        }
        let mut events = Vec::new();
        if !exits.is_empty() {
            // Groups that lost their leader earlier may be found empty by the same look.
            let mut empty = self.groups.take(children, orphans);
            let kills = self.memory.as_mut().map_or(0, OutOfMemory::news);
            if kills > 0 {
                events.push(Event::MemoryRanOut { kills });
            }
            // The line that is shown first is that of the end that is told first: it decides the exit code.
            for (id, exit) in exits {
                let group = if empty.remove(&id) { Group::Empty } else { Group::Inhabited };
                if group == Group::Empty {
                    self.forget(&id);
                }
                events.push(Event::Exited { id, exit, group });
            }
            for id in empty {
                self.forget(&id);
                events.push(Event::GroupEmptied { id });
            }
        }
        // To be known before the last end is.
        self.escapees(orphans).into_iter().chain(events).collect()
    }

    fn escapees(&mut self, orphans: Option<&[Pid]>) -> Option<Event> {
        if self.instances.is_empty() { self.escapees.look(orphans) } else { None }
    }

    /// Sees to groups that have lost their last member.
    pub fn emptied(&mut self) -> Vec<Event> {
        if self.groups.look_at().is_none_or(|at| at > Instant::now()) {
            return Vec::new();
        }
        let orphans = wait::reap_orphans(&self.leaders()).left;
        let emptied = self.groups.emptied(orphans.as_deref());
        emptied.iter().for_each(|id| self.forget(id));
        let emptied = emptied.into_iter().map(|id| Event::GroupEmptied { id }).collect::<Vec<_>>();
        self.escapees(orphans.as_deref()).into_iter().chain(emptied).collect()
    }

    /// Drops what is kept for an instance of which nothing is alive, after its last words.
    fn forget(&mut self, id: &InstanceId) {
        if let Some(live) = self.instances.remove(id) {
            let last = live.exit.map(|exit| reason::of_end(self.plan, id, exit)).unwrap_or_default();
            self.terminals.remove(&id.to_string());
            self.pump.close(live.stream, last);
            self.tell_guard(FromSupervisor::GroupEnded(live.group));
        }
    }

    /// Returns all leaders that have not been reaped, those of commands that probe included.
    fn leaders(&self) -> BTreeSet<Pid> {
        self.instances.values().map(|live| live.group).chain(self.errands.leaders()).collect()
    }
}
