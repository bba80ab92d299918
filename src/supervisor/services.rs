//! Which backing services are waited for, since when, and by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::policy::Service;
use crate::supervisor::event::{Action, Time, Trouble};
use crate::supervisor::notice::Notice;

/// The services that somebody waits for: each of them is being tried.
#[derive(Clone, Debug, Default)]
pub struct Services {
    awaited: BTreeMap<Service, Awaited>,
}

#[derive(Clone, Debug)]
struct Awaited {
    since: Time,
    /// Why it is not there, once that is known.
    trouble: Option<Trouble>,
    /// Those that cannot be spawned without it. It is waited for as long as there are any.
    waiters: BTreeSet<InstanceId>,
}

impl Services {
    /// Lets an instance wait for a service.
    pub fn wait(&mut self, now: Time, service: &Service, id: &InstanceId, actions: &mut Vec<Action>) {
        let awaited = self.awaited.entry(service.clone()).or_insert_with(|| {
            actions.push(Action::Reach(service.clone()));
            Awaited { since: now, trouble: None, waiters: BTreeSet::new() }
        });
        awaited.waiters.insert(id.clone());
    }

    /// Lets an instance wait for nothing any more.
    pub fn leave(&mut self, id: &InstanceId, actions: &mut Vec<Action>) {
        self.awaited.retain(|service, awaited| {
            awaited.waiters.remove(id);
            if awaited.waiters.is_empty() {
                actions.push(Action::LetGo(service.clone()));
            }
            !awaited.waiters.is_empty()
        });
    }

    /// Lets nobody wait any more.
    pub fn leave_all(&mut self, actions: &mut Vec<Action>) {
        actions.extend(std::mem::take(&mut self.awaited).into_keys().map(Action::LetGo));
    }

    /// Takes the news that a service is there, and returns who has waited for it. One that was said not to be there is
    /// said to be.
    pub fn reached(
        &mut self,
        now: Time,
        service: Service,
        actions: &mut Vec<Action>,
    ) -> BTreeSet<InstanceId> {
        let Some(Awaited { since, trouble, waiters }) = self.awaited.remove(&service) else {
            return BTreeSet::new();
        };
        if trouble.is_some() {
            let after = now.saturating_sub(since);
            actions.push(Action::Say(Notice::Reached { service, after }));
        }
        waiters
    }

    /// Takes the news that a service is not there yet, and returns who waits for it if it is news.
    pub fn not_reached(&mut self, service: &Service, trouble: Trouble) -> Vec<InstanceId> {
        match self.awaited.get_mut(service) {
            Some(Awaited { trouble: known @ None, waiters, .. }) => {
                *known = Some(trouble);
                waiters.iter().cloned().collect()
            }
            Some(Awaited { trouble: Some(_), .. }) | None => Vec::new(),
        }
    }

    /// Returns whether an instance waits for any.
    pub fn is_waiting(&self, id: &InstanceId) -> bool {
        self.awaited.values().any(|awaited| awaited.waiters.contains(id))
    }

    /// Returns whether an instance waits for one that is known not to be there.
    pub fn is_in_trouble(&self, id: &InstanceId) -> bool {
        self.awaited.values().any(|awaited| awaited.trouble.is_some() && awaited.waiters.contains(id))
    }

    /// Returns the services that an instance waits for.
    pub fn of(&self, id: &InstanceId) -> impl Iterator<Item = &Service> {
        let of = self.awaited.iter().filter(|(_, awaited)| awaited.waiters.contains(id));
        of.map(|(service, _)| service)
    }

    /// Returns when a service has been waited for long enough, if none comes before.
    pub fn deadline(&self, patience: Duration) -> Option<Time> {
        self.awaited.values().map(|awaited| awaited.since.saturating_add(patience)).min()
    }

    /// Returns every service that has been waited for long enough, with each of those that wait for it.
    pub fn overdue(&self, now: Time, patience: Duration) -> Vec<(Service, InstanceId)> {
        let is_overdue = |(_, awaited): &(&Service, &Awaited)| awaited.since.saturating_add(patience) <= now;
        let overdue = self.awaited.iter().filter(is_overdue);
        overdue
            .flat_map(|(service, awaited)| awaited.waiters.iter().map(|id| (service.clone(), id.clone())))
            .collect()
    }

    /// Returns every service that is waited for, and for how long.
    pub fn missing(&self, now: Time) -> Vec<(Service, Duration)> {
        let missing = self.awaited.iter();
        missing.map(|(service, awaited)| (service.clone(), now.saturating_sub(awaited.since))).collect()
    }

    /// Counts the time that procman stood still for nothing.
    pub fn postpone(&mut self, by: Time) {
        self.awaited.values_mut().for_each(|awaited| awaited.since = awaited.since.saturating_add(by));
    }
}
