//! Process groups whose leader has ended: whether anything is left of them, and when to look again.
//!
//! The kernel announces the end of a leader, but not that its group is empty. A look at `/proc` tells, and
//! pays when orphans have been reaped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::formation::InstanceId;
use crate::process::Pid;
use crate::supervisor::Group;
use crate::sys::census;
use crate::sys::child::Child;
use crate::sys::signals::{group_exists, group_refuses};

/// How often to look when nothing is announced: a member may be a child of somebody who ignores its end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long to let news pile up before a look, for each look reads all of `/proc`.
const GATHER: Duration = Duration::from_millis(20);

/// The groups without a leader.
#[derive(Debug)]
pub struct Groups {
    /// The leaders, not reaped yet, so that the numbers of their groups stay theirs. Without `/proc` they
    /// have to be, or the zombie would look like a member.
    leaderless: BTreeMap<Pid, (InstanceId, Option<Child>)>,
    /// Groups that have had a SIGKILL.
    killed: BTreeSet<Pid>,
    look_at: Option<Instant>,
}

impl Groups {
    /// Returns no groups.
    pub fn new() -> Self {
        Groups { leaderless: BTreeMap::new(), killed: BTreeSet::new(), look_at: None }
    }

    /// Takes leaders that have just ended and returns those that left nobody, reaped. `orphans` are the children of this
    /// process that are no leaders, where they are known, read after those ends.
    pub fn take(&mut self, ended: Vec<(InstanceId, Child)>, orphans: Option<&[Pid]>) -> BTreeSet<InstanceId> {
        self.leaderless.extend(ended.into_iter().map(|(id, child)| (child.pid(), (id, Some(child)))));
        let mut empty = BTreeSet::new();
        empty.extend(self.emptied(orphans));
        empty
    }

    /// Looks which groups are empty, and returns their instances, their leaders reaped.
    pub fn emptied(&mut self, orphans: Option<&[Pid]>) -> Vec<InstanceId> {
        let groups: BTreeSet<Pid> = self.leaderless.keys().copied().collect();
        let inhabited = census::inhabited(&groups, orphans);
        let mut emptied = Vec::new();
        for pid in groups {
            let left = match &inhabited {
                Some(inhabited) if inhabited.contains(&pid) => Group::Inhabited,
                Some(_) => Group::Empty,
                None => self.release_and_ask(pid),
            };
            if left == Group::Empty
                && let Some((id, child)) = self.leaderless.remove(&pid)
            {
                child.into_iter().for_each(Child::release);
                self.killed.remove(&pid);
                emptied.push(id);
            }
        }
        self.look_at = (!self.leaderless.is_empty()).then(|| Instant::now() + LOOK_AGAIN);
        emptied
    }

    /// Takes the news that a group has been killed.
    pub fn killed(&mut self, group: Pid) {
        self.killed.insert(group);
    }

    /// Returns when to call [`Groups::emptied`] again.
    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Takes the news that orphans have been reaped.
    pub fn orphans_reaped(&mut self) {
        self.look_at = self.look_at.map(|at| at.min(Instant::now() + GATHER));
    }

    /// Finds out without `/proc` whether a group is empty: its zombie leader must not count.
    ///
    /// Other zombies do, until whoever adopted them reaps them. After a SIGKILL there is nothing but those, and
    /// those who may not be killed.
    fn release_and_ask(&mut self, pid: Pid) -> Group {
        if let Some((_, child)) = self.leaderless.get_mut(&pid) {
            child.take().into_iter().for_each(Child::release);
        }
        let killed = self.killed.contains(&pid);
        if group_refuses(pid) || (group_exists(pid) && !killed) { Group::Inhabited } else { Group::Empty }
    }
}
