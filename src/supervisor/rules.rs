//! The policies of a formation, and what follows from who needs whom.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::policy::{Need, Policies, Policy, Service};
use crate::procfile::ProcessType;
use crate::supervisor::event::Time;

/// How each type is supervised.
#[derive(Clone, Debug)]
pub struct Rules {
    policies: Policies,
    /// The policy of a type of which nothing is said.
    usual: Policy,
    /// The types that need one, directly or by way of others.
    dependents: BTreeMap<ProcessType, BTreeSet<ProcessType>>,
}

/// When those are asked to end, while the formation stops, that others need: at these times at the latest.
pub type Turns = BTreeMap<ProcessType, Time>;

impl Rules {
    /// Returns the rules of these policies.
    pub fn new(policies: Policies, grace: Duration) -> Rules {
        let mut dependents: BTreeMap<ProcessType, BTreeSet<ProcessType>> = BTreeMap::new();
        for process in policies.keys() {
            for needed in needed_by(&policies, process) {
                if needed != *process {
                    dependents.entry(needed).or_default().insert(process.clone());
                }
            }
        }
        Rules { policies, usual: Policy::new(grace), dependents }
    }

    /// Returns the policy of a type.
    pub fn of(&self, process: &ProcessType) -> &Policy {
        self.policies.get(process).unwrap_or(&self.usual)
    }

    /// Returns the types that one needs itself.
    pub fn processes(&self, process: &ProcessType) -> impl Iterator<Item = &ProcessType> {
        self.of(process).needs.iter().filter_map(|need| match need {
            Need::Process(process) => Some(process),
            Need::Service(_) => None,
        })
    }

    /// Returns the services that a type needs.
    pub fn services(&self, process: &ProcessType) -> impl Iterator<Item = &Service> {
        self.of(process).needs.iter().filter_map(|need| match need {
            Need::Service(service) => Some(service),
            Need::Process(_) => None,
        })
    }

    /// Returns the types that need one, directly or by way of others.
    pub fn dependents(&self, process: &ProcessType) -> impl Iterator<Item = &ProcessType> {
        self.dependents.get(process).into_iter().flatten()
    }

    /// Returns when each of these types that another of them needs has to be asked to end, if all are to be gone after
    /// `total`: the time is shared out evenly among those that nobody needs, those that only these need, and so on.
    pub fn turns(&self, alive: &[&ProcessType], start: Time, total: Duration) -> Turns {
        let mut depths: BTreeMap<&ProcessType, u32> = BTreeMap::new();
        depths.extend(alive.iter().map(|process| (*process, 0)));
        // As often as the longest chain is long; a cycle, which is refused when policies are read, ends with that too.
        for _ in 1..alive.len() {
            let before = depths.clone();
            for (process, depth) in &mut depths {
                let above = self.dependents(process).filter_map(|dependent| before.get(dependent));
                *depth = above.max().map_or(0, |above| above.saturating_add(1));
            }
            if depths == before {
                break;
            }
        }
        let levels = depths.values().max().map_or(1, |deepest| deepest.saturating_add(1));
        let mut turns = Turns::new();
        for (process, depth) in depths.into_iter().filter(|(_, depth)| *depth > 0) {
            turns.insert(process.clone(), start.saturating_add(share(total, depth, levels)));
        }
        turns
    }
}

/// Returns `part` of `parts` of a time, however long it is.
fn share(total: Duration, part: u32, parts: u32) -> Duration {
    (total / parts).saturating_mul(part)
}

/// Returns all types that one needs, directly or by way of others.
fn needed_by(policies: &Policies, process: &ProcessType) -> BTreeSet<ProcessType> {
    let mut found = BTreeSet::new();
    let mut open = vec![process.clone()];
    while let Some(next) = open.pop() {
        let needs = policies.get(&next).map(|policy| policy.needs.as_slice()).unwrap_or_default();
        for need in needs {
            match need {
                Need::Process(needed) if found.insert(needed.clone()) => open.push(needed.clone()),
                Need::Process(_) | Need::Service(_) => {}
            }
        }
    }
    found
}
