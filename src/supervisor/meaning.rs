//! What a request means for each instance: request × roster → orders, or the reason why there are none.
//!
//! Nothing is done here. What an order does depends on the state of its instance and is the
//! [`machine`](super::machine)'s part.

use std::collections::{BTreeMap, BTreeSet};

use crate::formation::{Amount, Change, InstanceId, RELEASE, Request as Counts, Target, nearest};
use crate::process::Signal;
use crate::procfile::ProcessType;
use crate::supervisor::instance::{Failure, Instance};
use crate::supervisor::request::{Refusal, Request};
use crate::supervisor::roster::Roster;
use crate::supervisor::waits::Wish;

/// What is asked for one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Let it run.
    Start(Failure),
    /// Let it run anew.
    Restart,
    /// Let it be down.
    Stop,
    /// Let it be gone.
    Remove,
    /// Send it this signal.
    Signal(Signal),
}

impl Order {
    /// Returns what whoever gave the order waits for, and nothing for what is done at once.
    pub fn wish(self) -> Option<Wish> {
        match self {
            Order::Start(_) | Order::Restart => Some(Wish::Up),
            Order::Stop | Order::Remove => Some(Wish::Down),
            Order::Signal(_) => None,
        }
    }
}

/// The orders that a request consists of, no instance twice.
pub type Orders = Vec<(InstanceId, Order)>;

/// Returns what a request means. To quit concerns no instance, but the whole.
pub fn orders(roster: &Roster, request: &Request) -> Result<Orders, Refusal> {
    let each = |ids: Vec<InstanceId>, order| Ok(ids.into_iter().map(|id| (id, order)).collect());
    match request {
        Request::Start(ids) => start(roster, ids),
        Request::Scale(changes) => scale(roster, changes),
        Request::Restart(targets) => each(members(roster, targets)?, Order::Restart),
        Request::Up(targets) => each(members(roster, targets)?, Order::Start(Failure::StaysDown)),
        Request::Stop(targets) => each(all(roster, targets)?, Order::Stop),
        Request::Signal(signal, targets) => each(all(roster, targets)?, Order::Signal(*signal)),
        Request::Quit => Ok(Orders::new()),
    }
}

fn start(roster: &Roster, ids: &[InstanceId]) -> Result<Orders, Refusal> {
    let mut seen = BTreeSet::new();
    let mut orders = Orders::new();
    for id in ids {
        known(roster, &id.process)?;
        if seen.insert(id) {
            orders.push((id.clone(), Order::Start(Failure::EndsAll)));
        }
    }
    Ok(orders)
}

/// Every type has the count of its own change, else that of `all`, else it is left alone. `release`, Heroku's release
/// phase, is no part of `all` unless the formation has one: it ends by design, and would take the others with it.
fn scale(roster: &Roster, changes: &[Change]) -> Result<Orders, Refusal> {
    let mut own = BTreeMap::new();
    let mut others = None;
    for Change { process, amount } in changes {
        let before = match process {
            Some(process) => {
                known(roster, process)?;
                own.insert(process, *amount)
            }
            None => others.replace(*amount),
        };
        if before.is_some() {
            let name = process.as_ref().map_or("all", ProcessType::as_str).to_owned();
            return Err(Refusal::Twice { name });
        }
    }
    let mut orders = Orders::new();
    for process in roster.types() {
        let present = present(roster, process);
        let in_all = process.as_str() != RELEASE || present > 0;
        let amount = own.get(process).copied().or(others.filter(|_| in_all));
        if let Some(amount) = amount {
            let count = count(process, present, amount)?;
            let run = Order::Start(Failure::StaysDown);
            orders.extend((1..=count).map(|number| (InstanceId { process: process.clone(), number }, run)));
            let above = roster.members_of(process).filter(|member| member.id.number > count);
            orders.extend(above.map(|member| (member.id.clone(), Order::Remove)));
        }
    }
    Ok(orders)
}

/// Returns how many instances of a type the formation has, those not counted that are about to leave it.
fn present(roster: &Roster, process: &ProcessType) -> usize {
    roster.members_of(process).filter(|member| !member.state.is_vanishing()).count()
}

fn count(process: &ProcessType, present: usize, amount: Amount) -> Result<u32, Refusal> {
    let present = u32::try_from(present).unwrap_or(u32::MAX);
    let count = match amount {
        Amount::Exactly(count) => u64::from(count),
        Amount::More(more) => u64::from(present) + u64::from(more),
        Amount::Fewer(fewer) => u64::from(present.saturating_sub(fewer)),
    };
    let most = u32::try_from(count).ok().filter(|count| *count <= Counts::MOST);
    most.ok_or_else(|| Refusal::TooMany { process: process.clone(), count })
}

/// Returns those that targets name, in the formation's order, without those that are about to leave it.
fn members(roster: &Roster, targets: &[Target]) -> Result<Vec<InstanceId>, Refusal> {
    select(roster, targets, |instance| !instance.is_vanishing())
}

/// Returns those that targets name, in the formation's order.
fn all(roster: &Roster, targets: &[Target]) -> Result<Vec<InstanceId>, Refusal> {
    select(roster, targets, |_| true)
}

fn select(
    roster: &Roster,
    targets: &[Target],
    counts: impl Fn(&Instance) -> bool,
) -> Result<Vec<InstanceId>, Refusal> {
    let (mut types, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for target in targets {
        match target {
            Target::Type(process) => {
                known(roster, process)?;
                if !roster.members_of(process).any(|member| counts(&member.state)) {
                    return Err(Refusal::NoneOf { process: process.clone() });
                }
                types.insert(process);
            }
            Target::Instance(id) => {
                known(roster, &id.process)?;
                if !roster.get(id).is_some_and(|member| counts(&member.state)) {
                    return Err(no_instance(roster, id, counts));
                }
                ids.insert(id);
            }
        }
    }
    let named = |id: &InstanceId| targets.is_empty() || types.contains(&id.process) || ids.contains(id);
    let members = roster.members().filter(|member| counts(&member.state) && named(&member.id));
    Ok(members.map(|member| member.id.clone()).collect())
}

fn known(roster: &Roster, process: &ProcessType) -> Result<(), Refusal> {
    if roster.has_type(process) {
        return Ok(());
    }
    let known = roster.types().iter().map(ProcessType::to_string).collect();
    let nearest = nearest(process.as_str(), roster.types()).cloned();
    Err(Refusal::Unknown { name: process.to_string(), nearest, known })
}

fn no_instance(roster: &Roster, id: &InstanceId, counts: impl Fn(&Instance) -> bool) -> Refusal {
    let present = roster.members_of(&id.process).filter(|member| counts(&member.state));
    let known: Vec<String> = present.map(|member| member.id.to_string()).collect();
    if known.is_empty() {
        return Refusal::NoneOf { process: id.process.clone() };
    }
    Refusal::Unknown { name: id.to_string(), nearest: None, known }
}
