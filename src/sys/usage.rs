//! What the processes of instances use: processor time and memory, read from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::process::Pid;
use crate::sys::census;

/// What the processes of one instance use together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The processor time that those alive, and the children they have waited for, have used.
    pub cpu: Duration,
    /// How many bytes of memory they have, where pages that several share count for each.
    pub memory: u64,
}

/// Returns what the group and the session of each leader use; `None` where there is no `/proc`.
pub fn of_groups(leaders: &BTreeSet<Pid>) -> Option<BTreeMap<Pid, Usage>> {
    let unit = |variable| sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
    let (ticks, page) = (unit(SysconfVar::CLK_TCK)?, unit(SysconfVar::PAGE_SIZE)?);
    let mut usages: BTreeMap<Pid, Usage> = BTreeMap::new();
    for stat in census::stats()? {
        let Some(process) = parse(&stat) else { continue };
        let leader = [process.group, process.session].into_iter().find(|pid| leaders.contains(pid));
        let Some(leader) = leader else { continue };
        let usage = usages.entry(leader).or_default();
        let milliseconds = process.ticks.saturating_mul(1000) / ticks.max(1);
        usage.cpu = usage.cpu.saturating_add(Duration::from_millis(milliseconds));
        usage.memory = usage.memory.saturating_add(process.pages.saturating_mul(page));
    }
    Some(usages)
}

/// What one line of proc_pid_stat(5) says.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    group: Pid,
    session: Pid,
    /// Of its own and of the children it has waited for, user and system.
    ticks: u64,
    pages: u64,
}

fn parse(stat: &str) -> Option<Process> {
    // The manual counts from 1, and the first one here is the third there.
    let fields: Vec<&str> = stat.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<i64>().ok());
    let ticks = [14, 15, 16, 17].into_iter().map(number).sum::<Option<i64>>()?;
    Some(Process {
        group: Pid(number(5)?.try_into().ok()?),
        session: Pid(number(6)?.try_into().ok()?),
        ticks: ticks.try_into().ok()?,
        pages: number(24)?.try_into().ok()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Process, parse};
    use crate::process::Pid;

    #[test]
    fn the_fields_are_those_of_the_manual() {
        let stat =
            " S 1 77 66 0 -1 4194560 100 0 0 0 3 4 20 100 20 0 1 0 500 10000000 250 18446744073709551615";
        let expected = Process { group: Pid(77), session: Pid(66), ticks: 127, pages: 250 };
        assert_eq!(parse(stat), Some(expected));
        assert_eq!(parse(" S 1 77"), None);
    }

    #[test]
    #[cfg(all(target_os = "linux", not(procman_portable)))]
    fn this_process_uses_memory() {
        let group = Pid(nix::unistd::getpgrp().as_raw());
        let usages = super::of_groups(&[group].into()).unwrap();
        assert!(usages[&group].memory > 0);
    }
}
