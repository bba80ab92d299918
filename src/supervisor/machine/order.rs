//! When it is an instance's turn to be spawned: what it needs is there, and no other spawn is under way.

use std::collections::BTreeMap;

use crate::formation::InstanceId;
use crate::policy::{OnExit, Service};
use crate::process::Exit;
use crate::procfile::ProcessType;
use crate::supervisor::event::{Action, Time, Trouble};
use crate::supervisor::instance::{Arrival, Cause, Failure, Instance};
use crate::supervisor::machine::{Due, Supervisor};
use crate::supervisor::notice::{Notice, StopCause, Who};
use crate::supervisor::request::Outcome;
use crate::supervisor::roster::Member;
use crate::supervisor::waits::Wish;

/// What a service that did not come would have been, had it been a process.
const LACK: Exit = Exit::Code(1);

impl Supervisor {
    /// Lets an instance wait for its turn to be spawned, and first for what it needs.
    pub(super) fn enqueue(
        &mut self,
        now: Time,
        id: &InstanceId,
        failure: Failure,
        actions: &mut Vec<Action>,
    ) {
        let Some(member) = self.roster.enlist(id) else { return };
        if self.rules.of(&id.process).needs.is_empty() {
            member.state = Instance::Waiting { failure };
            self.waiting.push_back(id.clone());
            return;
        }
        for service in self.rules.services(&id.process) {
            self.services.wait(now, service, id, actions);
        }
        self.hold(id, failure);
    }

    fn hold(&mut self, id: &InstanceId, failure: Failure) {
        self.enter(id, Instance::Held { failure });
        self.held.insert(id.process.clone());
        self.newly_held.insert(id.clone());
        match failure {
            // It may be held in vain.
            Failure::EndsAll => self.may_be_over(),
            // A request finds nothing that ends: whoever asked may ask for more.
            Failure::StaysDown => {}
        }
    }

    /// Lets those wait for their turn whose needs have been met, in the formation's order, and says who goes on waiting.
    pub(super) fn release(&mut self, actions: &mut Vec<Action>) {
        if self.held.is_empty() {
            return;
        }
        let newly = std::mem::take(&mut self.newly_held);
        let types: Vec<ProcessType> =
            self.roster.types().iter().filter(|process| self.held.contains(*process)).cloned().collect();
        self.held.clear();
        for process in types {
            let needs = self.unmet(&process);
            if !needs.is_empty() && !newly.iter().any(|id| id.process == process) {
                self.held.insert(process);
                continue;
            }
            let mut new = Vec::new();
            for (id, failure) in self.held_of(&process) {
                if needs.is_empty() && !self.services.is_waiting(&id) {
                    self.enter(&id, Instance::Waiting { failure });
                    self.waiting.push_back(id);
                    continue;
                }
                self.held.insert(process.clone());
                if newly.contains(&id) {
                    new.push(id);
                }
            }
            self.tell_held(&process, needs, new, actions);
        }
    }

    /// Orders the next spawn unless one is under way.
    pub(super) fn spawn_next(&mut self, actions: &mut Vec<Action>) {
        if self.spawning.is_some() {
            return;
        }
        while let Some(id) = self.waiting.pop_front() {
            let state = self.roster.get(&id).map(|member| member.state);
            let Some(Instance::Waiting { failure }) = state else { continue };
            // What was ready may have ended since.
            let needs = self.unmet(&id.process);
            if needs.is_empty() {
                self.enter(&id, Instance::Starting { failure, arrival: Arrival::Runs });
                self.spawning = Some(id.clone());
                actions.push(Action::Spawn(id));
                return;
            }
            self.hold(&id, failure);
            self.newly_held.clear();
            self.tell_held(&id.process.clone(), needs, vec![id], actions);
        }
    }

    /// Says for what those wait that have not waited before, and answers who wants them to run.
    fn tell_held(
        &mut self,
        process: &ProcessType,
        needs: Vec<ProcessType>,
        new: Vec<InstanceId>,
        actions: &mut Vec<Action>,
    ) {
        self.answer_held(&new, actions);
        let who = match new.as_slice() {
            [] => return,
            [id] => Who::Instance(id.clone()),
            [_, ..] => Who::Type(process.clone()),
        };
        let lost =
            needs.iter().flat_map(|needed| self.roster.members_of(needed)).find(|member| is_lost(member));
        match lost {
            Some(member) => {
                actions.push(Action::Say(Notice::WaitsInVain { who, id: member.id.clone() }));
            }
            None if needs.is_empty() => {}
            None => actions.push(Action::Say(Notice::Waits { who, needs })),
        }
    }

    /// Tells of an instance that does not come back that others wait for it.
    pub(super) fn tell_in_vain(&mut self, id: &InstanceId, actions: &mut Vec<Action>) {
        if self.roster.get(id).is_none_or(|member| !is_lost(member)) {
            return;
        }
        for process in self.roster.types() {
            if !self.held.contains(process) || !self.rules.processes(process).any(|need| *need == id.process)
            {
                continue;
            }
            let who = match self.held_of(process).as_slice() {
                [] => continue,
                [(held, _)] => Who::Instance(held.clone()),
                [_, ..] => Who::Type(process.clone()),
            };
            actions.push(Action::Say(Notice::WaitsInVain { who, id: id.clone() }));
        }
    }

    /// Returns the types that one needs and of which not every instance is ready.
    pub(super) fn unmet(&self, process: &ProcessType) -> Vec<ProcessType> {
        let is_unmet = |needed: &&ProcessType| {
            let members = self.roster.members_of(needed).map(|member| &member.state);
            **needed != *process
                && members.filter(|state| !state.is_vanishing()).any(|state| !state.is_ready())
        };
        self.rules.processes(process).filter(is_unmet).cloned().collect()
    }

    fn held_of(&self, process: &ProcessType) -> Vec<(InstanceId, Failure)> {
        let failure = |member: &Member| Some((member.id.clone(), member.state.held()?));
        self.roster.members_of(process).filter_map(failure).collect()
    }

    /// Returns the names of what a member is held for.
    pub(super) fn missing(&self, member: &Member) -> Vec<String> {
        if member.state.held().is_none() {
            return Vec::new();
        }
        let types = self.unmet(&member.id.process);
        let services = self.services.of(&member.id).map(|service| service.name.clone());
        types.iter().map(ProcessType::to_string).chain(services).collect()
    }

    /// Answers who wants those of these to run that are held for what is known not to be there.
    pub(super) fn answer_held(&mut self, ids: &[InstanceId], actions: &mut Vec<Action>) {
        for id in ids {
            let state = self.roster.get(id).map(|member| member.state);
            if matches!(state, Some(Instance::Held { .. })) && self.is_kept_waiting(id) {
                self.waits.answer(id, Wish::Up, Outcome::Held, actions);
            }
        }
    }

    /// Returns whether one that is held is known not to be spawned soon.
    fn is_kept_waiting(&self, id: &InstanceId) -> bool {
        !self.unmet(&id.process).is_empty() || self.services.is_in_trouble(id)
    }

    /// Returns whether one that is held, while nothing is alive, is held for what can never come by itself.
    pub(super) fn is_hopeless(&self, id: &InstanceId) -> bool {
        self.hopeless(&id.process, None, &mut BTreeMap::new())
    }

    /// Returns whether anything but this one, or at all, is there that does not only wait for what can never come.
    pub(super) fn goes_on_without(&self, lost: Option<&InstanceId>) -> bool {
        self.roster.members().filter(|member| Some(&member.id) != lost).any(|member| {
            let is_in_vain = || self.hopeless(&member.id.process, lost, &mut BTreeMap::new());
            !member.state.is_down() && (member.state.held().is_none() || !is_in_vain())
        })
    }

    /// Decides that of all instances of a type, and remembers it. Another one may be about to be lost.
    fn hopeless(
        &self,
        process: &ProcessType,
        lost: Option<&InstanceId>,
        decided: &mut BTreeMap<ProcessType, bool>,
    ) -> bool {
        if let Some(decided) = decided.get(process) {
            return *decided;
        }
        // Until it is known: a cycle waits for itself.
        decided.insert(process.clone(), true);
        let unmet = self.unmet(process);
        let is_hopeless = unmet.iter().flat_map(|needed| self.roster.members_of(needed)).any(|member| {
            let held = matches!(member.state, Instance::Held { .. });
            is_lost(member)
                || Some(&member.id) == lost
                || held && self.hopeless(&member.id.process, lost, decided)
        });
        decided.insert(process.clone(), is_hopeless);
        is_hopeless
    }

    pub(super) fn reached(&mut self, now: Time, service: Service, actions: &mut Vec<Action>) {
        let waiters: Vec<InstanceId> = self.services.reached(now, service, actions).into_iter().collect();
        self.answer_held(&waiters, actions);
    }

    pub(super) fn not_reached(&mut self, service: Service, trouble: Trouble, actions: &mut Vec<Action>) {
        let waiters = self.services.not_reached(&service, trouble);
        let waits = |process: &&ProcessType| waiters.iter().any(|id| id.process == **process);
        let who: Vec<ProcessType> = self.roster.types().iter().filter(waits).cloned().collect();
        if !who.is_empty() {
            actions.push(Action::Say(Notice::NotReached { who, service, trouble }));
        }
        self.answer_held(&waiters, actions);
    }

    /// Gives those up that have waited for a service for long enough.
    pub(super) fn lose_patience(&mut self, now: Time, actions: &mut Vec<Action>) -> Due {
        let overdue = self.services.overdue(now, self.settings.patience);
        if overdue.is_empty() {
            return Due::Nothing;
        }
        actions.push(Action::Say(Notice::Missing(self.services.missing(now))));
        let mut never = Vec::new();
        // All at once: one that goes on with the others may be about to be given up too.
        for (service, id) in overdue {
            let Some(Instance::Held { failure }) = self.roster.get(&id).map(|member| member.state) else {
                continue;
            };
            let on_exit = self.rules.of(&id.process).on_exit;
            if (failure, on_exit) == (Failure::EndsAll, OnExit::StopAll) {
                self.stop(now, 1, StopCause::Missing(service), actions);
                return Due::Something;
            }
            self.services.leave(&id, actions);
            match failure {
                Failure::EndsAll => {
                    self.fails_for_lack(&id, LACK, service, actions);
                    never.push(id);
                }
                Failure::StaysDown => {
                    self.asked_in_vain(&id, LACK, StopCause::Missing(service), actions);
                }
            }
        }
        if !never.is_empty() && self.goes_on_without(None) {
            actions.push(Action::Say(Notice::NeverStarted(never)));
        }
        Due::Something
    }

    /// Lets nothing be spawned any more.
    pub(super) fn spawn_nothing(&mut self, actions: &mut Vec<Action>) {
        self.waiting.clear();
        self.held.clear();
        self.newly_held.clear();
        self.services.leave_all(actions);
    }
}

/// Returns whether an instance is one that others may need and that does not come back by itself. What a request has
/// stopped may come back by another.
fn is_lost(member: &Member) -> bool {
    matches!(member.state, Instance::Down(Cause::Ended) | Instance::Unkillable { .. })
        && !member.state.is_vanishing()
}
