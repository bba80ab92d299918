//! The checks of a group's service: those that its type's policy says, or else that its port is listened on.

use std::ops::Range;
use std::time::Duration;

use hcl::Block;
use hcl::structure::BlockBuilder;

use crate::export::nomad::{FORMAT, text};
use crate::export::probe::{Address, address};
use crate::export::{ExportError, Process, unit};
use crate::policy::{Probe, Readiness};

/// Every status that Nomad takes for a good answer.
pub const GOOD_STATUSES: Range<u16> = 0..400;

/// Returns the checks, at least one.
pub fn of(process: &Process) -> Result<Vec<Block>, ExportError> {
    let supervision = &process.supervision;
    let ready = supervision.ready_probe();
    let mut checks = Vec::new();
    if let Some((Readiness { interval, timeout, .. }, probe)) = ready
        && let Some(check) = check(process, "ready", probe, *interval, *timeout)?
    {
        checks.push(check.build());
    }
    if let Some(health) = &supervision.health
        && let Some(check) = check(process, "health", &health.probe, health.interval, health.timeout)?
    {
        // It is asked from its start on, and may not be ready for as long as that.
        let patience = ready.map_or(Duration::ZERO, |(ready, _)| ready.deadline);
        let again = Block::builder("check_restart").add_attribute(("limit", health.failures));
        let again = again.add_attribute(("grace", unit::time(patience)));
        checks.push(check.add_block(again.build()).build());
    }
    if checks.is_empty() {
        let usual = [("type", "tcp"), ("interval", "10s"), ("timeout", "5s")];
        checks.push(Block::builder("check").add_attributes(usual).build());
    }
    Ok(checks)
}

/// Returns a check, if it is one of those that Nomad makes itself.
fn check(
    process: &Process,
    name: &str,
    probe: &Probe,
    interval: Duration,
    timeout: Duration,
) -> Result<Option<BlockBuilder>, ExportError> {
    let check = Block::builder("check").add_attribute(("name", name));
    let check = match probe {
        Probe::Port => check.add_attribute(("type", "tcp")),
        Probe::Http { target, status } => match address(target) {
            // It would be killed for being well.
            Address::Own { .. } if status.is_some_and(|status| !GOOD_STATUSES.contains(&status)) => {
                check.add_attribute(("type", "tcp"))
            }
            Address::Own { path } => {
                check.add_attribute(("type", "http")).add_attribute(("path", own_path(process, path)?))
            }
            Address::Here { .. } | Address::Elsewhere => return Ok(None),
        },
        Probe::Exec(_) => return Ok(None),
    };
    // Nomad takes no time below a second for either.
    let time = |time: Duration| unit::time(time.max(Duration::from_secs(1)));
    Ok(Some(check.add_attribute(("interval", time(interval))).add_attribute(("timeout", time(timeout)))))
}

/// Returns a path that stands in a service, where a variable of the task cannot help out.
fn own_path(process: &Process, path: &str) -> Result<hcl::Expression, ExportError> {
    if path.contains("${") {
        return Err(ExportError::Inexpressible {
            format: FORMAT,
            what: format!("a probe of `{}`", process.name),
            why: "Nomad would put a variable in the place of `${` in it".to_owned(),
        });
    }
    text(path)
}
