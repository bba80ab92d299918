//! Why a formation has not begun, and the one reason that can be foreseen: too few open files.

use std::io;

use crate::formation::InstanceId;
use crate::plan::Plan;
use crate::policy::{Need, Policies, Policy, Service, Sign};
use crate::sys::child::{DESCRIPTORS, SPARE_DESCRIPTORS};
use crate::sys::limits;

/// Why a formation has not begun, or has been given up.
#[derive(Debug)]
pub enum Failed {
    /// procman cannot wait, or cannot start its threads.
    System(io::Error),
    /// It is larger than the limit of open files lets it be.
    OpenFiles(Shortage),
}

/// More open files than there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// How many instances there would be.
    pub instances: u64,
    /// How many open files procman needs for them.
    pub needed: u64,
    /// How many it may have.
    pub limit: u64,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::System(error)
    }
}

/// How many files the runtime opens for itself: 7 before the first spawn (3 of tokio, 2 of the pump, and the pair that
/// tells of signals), and 6 later, for those who ask (3 of tokio, the pair again, the watch over the socket, the socket).
const OWN: u64 = 13;

/// Checks that these and every instance can be had beside what is open now: half a formation is of no use, and where
/// tokio cannot open its own it panics.
pub fn check_open_files(plan: &Plan) -> Result<(), Failed> {
    let own = OWN + services(plan.policies());
    check_room(plan, plan.formation().instances(), own).map_err(Failed::OpenFiles)
}

/// Checks that these instances can be had beside what is open now.
pub fn check_more_open_files(plan: &Plan, added: &[InstanceId]) -> Result<(), Shortage> {
    check_room(plan, added.iter().cloned(), 0)
}

fn check_room(plan: &Plan, added: impl Iterator<Item = InstanceId>, own: u64) -> Result<(), Shortage> {
    let Some((open, limit)) = limits::open_files() else { return Ok(()) };
    let (mut instances, mut needed) = (0, open + own + SPARE_DESCRIPTORS);
    for id in added {
        instances += 1;
        needed += DESCRIPTORS + plan.policies().get(&id.process).map_or(0, for_policy);
    }
    if needed > limit { Err(Shortage { instances, needed, limit }) } else { Ok(()) }
}

/// Returns how many more open files an instance of this policy needs: the socket by which it says that it is ready, and
/// one for a probe, of which there is one at a time.
fn for_policy(policy: &Policy) -> u64 {
    let (socket, probe) = match policy.ready.as_ref().map(|ready| &ready.sign) {
        Some(Sign::Notify) => (1, 0),
        Some(Sign::Probe(_)) => (0, 1),
        Some(Sign::Log(_)) | None => (0, 0),
    };
    socket + probe.max(u64::from(policy.health.is_some()))
}

/// Returns how many backing services may be tried at once, each with a socket.
fn services(policies: &Policies) -> u64 {
    let needs = policies.values().flat_map(|policy| &policy.needs);
    let services = needs.filter_map(|need| match need {
        Need::Service(service) => Some(service),
        Need::Process(_) => None,
    });
    let mut distinct: Vec<&Service> = Vec::new();
    for service in services {
        if !distinct.contains(&service) {
            distinct.push(service);
        }
    }
    distinct.len() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{for_policy, services};
    use crate::policy::{Endpoint, Health, Need, Policies, Policy, Probe, Readiness, Service, Sign};
    use crate::procfile::ProcessType;

    fn policy(sign: Option<Sign>, health: Option<Probe>) -> Policy {
        let second = Duration::from_secs(1);
        let ready = sign.map(|sign| Readiness { sign, interval: second, timeout: second, deadline: second });
        let health = health.map(|probe| Health { probe, interval: second, timeout: second, failures: 1 });
        Policy { ready, health, ..Policy::new(second) }
    }

    #[test]
    fn whatever_an_instance_is_asked_by_is_an_open_file() {
        let log = Some(Sign::Log("ready".to_owned()));
        for (sign, health, expected) in [
            (None, None, 0),
            (log.clone(), None, 0),
            (log, Some(Probe::Port), 1),
            (Some(Sign::Probe(Probe::Port)), None, 1),
            (Some(Sign::Probe(Probe::Port)), Some(Probe::Port), 1),
            (Some(Sign::Notify), None, 1),
            (Some(Sign::Notify), Some(Probe::Port), 2),
        ] {
            assert_eq!(for_policy(&policy(sign.clone(), health.clone())), expected, "{sign:?} {health:?}");
        }
    }

    #[test]
    fn a_service_that_many_need_is_one() {
        let service = |port| {
            let endpoint = Ok(Endpoint::Tcp { host: "db".to_owned(), port });
            Need::Service(Service { name: "DATABASE_URL".to_owned(), endpoint })
        };
        let needs = |needs| Policy { needs, ..policy(None, None) };
        let name = |name| ProcessType::new(name).into_iter();
        let policies: Policies = [("web", vec![service(1), service(2)]), ("worker", vec![service(1)])]
            .into_iter()
            .flat_map(|(process, list)| name(process).map(move |name| (name, list.clone())))
            .map(|(name, list)| (name, needs(list)))
            .collect();
        assert_eq!(services(&policies), 2);
    }
}
