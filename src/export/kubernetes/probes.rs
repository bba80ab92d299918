//! The probes of a container: those that its type's policy says, and in their place a look at its port if it has one.

use std::ops::Range;

use crate::export::app::Port as Listens;
use crate::export::kubernetes::PORT;
use crate::export::kubernetes::objects::{Exec, HttpGet, Look, Port, Probe, TcpSocket};
use crate::export::probe::{Address, address};
use crate::export::unit::seconds;
use crate::export::{Process, quote};
use crate::policy;

/// Every status that the kubelet takes for a good answer.
pub const GOOD_STATUSES: Range<u16> = 200..400;

/// The three kinds of probes.
pub struct Probes {
    /// Whether it has started: a container that takes too long for it is killed.
    pub startup: Option<Probe>,
    /// Whether it may get requests.
    pub readiness: Option<Probe>,
    /// Whether it has to be started again.
    pub liveness: Option<Probe>,
}

impl Probes {
    /// Returns those of a type's containers.
    pub fn of(process: &Process) -> Probes {
        let is_bound = process.port == Listens::Bound;
        let usual = |period, failures| is_bound.then(|| Probe::of(PORT, period, failures));
        let ready = process.supervision.ready_probe();
        let ready = ready.and_then(|(ready, probe)| Some((ready, look(probe, process)?)));
        let health = process.supervision.health.as_ref();
        let health = health.and_then(|health| Some((health, look(&health.probe, process)?)));
        let startup = ready.as_ref().map(|(ready, look)| {
            let period = seconds(ready.interval).max(1);
            Probe {
                look: look.clone(),
                timeout_seconds: Some(seconds(ready.timeout).max(1)),
                period_seconds: period,
                failure_threshold: seconds(ready.deadline).div_ceil(period).max(1),
            }
        });
        let readiness = ready.map(|(ready, look)| Probe {
            look,
            timeout_seconds: Some(seconds(ready.timeout).max(1)),
            period_seconds: 10,
            failure_threshold: 3,
        });
        let liveness = health.map(|(health, look)| Probe {
            look,
            timeout_seconds: Some(seconds(health.timeout).max(1)),
            period_seconds: seconds(health.interval).max(1),
            failure_threshold: u64::from(health.failures.max(1)),
        });
        Probes {
            startup: startup.or_else(|| usual(2, 60)),
            readiness: readiness.or_else(|| usual(10, 3)),
            liveness: liveness.or_else(|| usual(10, 6)),
        }
    }
}

/// Returns what is tried, if the kubelet can: it is not in the container, so that an address of this machine is the
/// pod's.
fn look(probe: &policy::Probe, process: &Process) -> Option<Look> {
    let own = match process.port {
        Listens::Bound => Port::Name(PORT),
        Listens::Unused => Port::Number(process.first_port()),
    };
    match probe {
        policy::Probe::Port => Some(Look::TcpSocket(TcpSocket { port: own })),
        policy::Probe::Http { target, status } => {
            let (port, path) = match address(target) {
                Address::Own { path } => (own, path.to_owned()),
                Address::Here { port, path } => (Port::Number(port), path),
                Address::Elsewhere => return None,
            };
            Some(match status {
                // It would be killed for being well.
                Some(status) if !GOOD_STATUSES.contains(status) => Look::TcpSocket(TcpSocket { port }),
                Some(_) | None => Look::HttpGet(HttpGet { path, port }),
            })
        }
        // As the command of a container it is looked through for variables.
        policy::Probe::Exec(command) => {
            let command = ["/bin/sh".to_owned(), "-c".to_owned(), quote::kubernetes(command)];
            Some(Look::Exec(Exec { command }))
        }
    }
}
