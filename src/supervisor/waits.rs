//! Who waits for what to become of which instance.
//!
//! A request owes its asker one outcome an instance, and a last reply when it owes nothing any more.

use std::collections::BTreeMap;

use crate::formation::InstanceId;
use crate::supervisor::event::Action;
use crate::supervisor::request::{Outcome, Reply, RequestId};

/// All that has been asked and not been answered.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// How many outcomes are owed to whom: at least one each.
    owed: BTreeMap<RequestId, usize>,
    /// Who waits for an outcome, in the order of the requests. Those of one instance wish the same: a request that
    /// wishes the contrary overtakes those before it.
    waiters: BTreeMap<InstanceId, Vec<Waiter>>,
    /// Those that wait for the end of the formation, and on the way for outcomes that are not counted.
    quitters: Vec<RequestId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    by: RequestId,
    wish: Wish,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That an instance runs.
    Up,
    /// That nothing of it is alive.
    Down,
}

impl Waits {
    /// Takes a request that will have so many outcomes.
    pub fn open(&mut self, by: RequestId, outcomes: usize, actions: &mut Vec<Action>) {
        if outcomes == 0 {
            actions.push(Action::Reply(by, Reply::Done));
        } else {
            self.owed.insert(by, outcomes);
        }
    }

    /// Takes a request that is done when the formation has ended. Until then it waits for these to be down.
    pub fn open_until_end(&mut self, by: RequestId, ids: Vec<InstanceId>) {
        self.quitters.push(by);
        ids.into_iter().for_each(|id| self.wait(by, id, Wish::Down));
    }

    /// Lets a request wait for its wish.
    pub fn wait(&mut self, by: RequestId, id: InstanceId, wish: Wish) {
        self.waiters.entry(id).or_default().push(Waiter { by, wish });
    }

    /// Gives a request the outcome of one of its instances, and the last reply if that was the last.
    pub fn give(&mut self, by: RequestId, id: InstanceId, outcome: Outcome, actions: &mut Vec<Action>) {
        if self.quitters.contains(&by) {
            return actions.push(Action::Reply(by, Reply::Outcome(id, outcome)));
        }
        let Some(owed) = self.owed.get_mut(&by) else { return };
        actions.push(Action::Reply(by, Reply::Outcome(id, outcome)));
        *owed -= 1;
        if *owed == 0 {
            self.owed.remove(&by);
            actions.push(Action::Reply(by, Reply::Done));
        }
    }

    /// Gives the outcome to all who have this wish for an instance.
    pub fn answer(&mut self, id: &InstanceId, wish: Wish, outcome: Outcome, actions: &mut Vec<Action>) {
        let Some(waiters) = self.waiters.get_mut(id) else { return };
        let answered: Vec<Waiter> = waiters.extract_if(.., |waiter| waiter.wish == wish).collect();
        if waiters.is_empty() {
            self.waiters.remove(id);
        }
        answered.iter().for_each(|waiter| self.give(waiter.by, id.clone(), outcome, actions));
    }

    /// Gives the outcome to all who wait for an instance.
    pub fn answer_all(&mut self, id: &InstanceId, outcome: Outcome, actions: &mut Vec<Action>) {
        for waiter in self.waiters.remove(id).unwrap_or_default() {
            self.give(waiter.by, id.clone(), outcome, actions);
        }
    }

    /// Tells all who have this wish that it will not come about.
    pub fn overtake_all(&mut self, wish: Wish, actions: &mut Vec<Action>) {
        let ids: Vec<InstanceId> = self.waiters.keys().cloned().collect();
        ids.iter().for_each(|id| self.answer(id, wish, Outcome::Overtaken, actions));
    }

    /// Gives everybody a last reply: the formation has ended, or is left to itself.
    pub fn close(&mut self, actions: &mut Vec<Action>) {
        // What ends now is what these have asked for, however it ends.
        let quitters = std::mem::take(&mut self.quitters);
        for (id, waiters) in std::mem::take(&mut self.waiters) {
            for waiter in waiters {
                self.give(waiter.by, id.clone(), Outcome::Overtaken, actions);
            }
        }
        actions.extend(quitters.into_iter().map(|by| Action::Reply(by, Reply::Done)));
    }
}
