//! Who is alive: the processes of this machine by parent and by group, read from `/proc`.
//!
//! Where there is no `/proc`, or only that of another pid namespace, every question is answered with `None`,
//! and the caller takes its portable way.

use std::collections::BTreeSet;

use nix::unistd::{self, getpgid, getpgrp, getppid, getsid};

use crate::process::Pid;

/// One process, as one reading of its `/proc/PID/stat` showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The process.
    pub pid: Pid,
    /// Its parent.
    pub parent: Pid,
    /// Its process group.
    pub group: Pid,
    /// Its state, as ps(1) shows it: `R`, `S`, `T`, `Z`.
    pub state: char,
}

impl Member {
    /// Returns whether it still can do something: a zombie has ended, it only has not been waited for.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Returns everything alive below `ancestor`, at any depth.
pub fn descendants(ancestor: Pid) -> Option<Vec<Member>> {
    let all = proc_fs::processes()?;
    let mut family = BTreeSet::from([ancestor]);
    // Children may be listed before their parents where process ids have wrapped round.
    loop {
        let before = family.len();
        family.extend(
            all.iter().filter(|member| family.contains(&member.parent)).map(|m| m.pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    let below = |member: &Member| member.pid != ancestor && family.contains(&member.pid);
    Some(all.into_iter().filter(|member| below(member) && member.is_alive()).collect())
}

/// Returns those of `groups`, whose leaders have ended, that may still have a live member.
///
/// What a leader leaves comes home to this process, so when it has no `orphans`, children other than leaders,
/// there is nothing. `None` means that they are not known. An orphan that has ended and was not reaped counts, for
/// what it has left may have come after the reading had begun.
pub fn inhabited(groups: &BTreeSet<Pid>, orphans: Option<&[Pid]>) -> Option<BTreeSet<Pid>> {
    if orphans.is_some_and(<[Pid]>::is_empty) {
        return Some(BTreeSet::new());
    }
    let all = proc_fs::processes()?;
    let own = own_pid();
    let is_ended_orphan = |member: &Member| member.parent == own && !groups.contains(&member.pid);
    let counting = all.into_iter().filter(|member| member.is_alive() || is_ended_orphan(member));
    Some(counting.map(|member| member.group).filter(|group| groups.contains(group)).collect())
}

/// Returns the children of this process's first thread, which is the one that orphans come home to.
///
/// The kernel does not promise a complete list while children are reaped; nobody but that very thread does.
pub fn children() -> Option<Vec<Pid>> {
    proc_fs::children(own_pid())
}

/// Returns whether the process group of this process is orphaned: no parent of a member is in another group of the
/// session, where a shell would be (setpgid(2), POSIX). Where members are unknown, one in doubt counts as a shell.
pub fn own_group_is_orphaned() -> bool {
    let (group, session) = (getpgrp(), getsid(None));
    let members = proc_fs::processes();
    let is_known = members.is_some();
    let members = members.unwrap_or_default().into_iter().filter(|member| member.group.0 == group.as_raw());
    let mut parents = members.map(|member| member.parent.0).chain([getppid().as_raw()]);
    !parents.any(|parent| {
        // 0 is a process beyond the namespace, which is no shell of this session; asked for, it would be this process.
        let parent = unistd::Pid::from_raw(parent);
        let is_elsewhere = !is_known || getpgid(Some(parent)) != Ok(group);
        parent.as_raw() > 0 && is_elsewhere && getsid(Some(parent)) == session
    })
}

/// Returns this process.
pub fn own_pid() -> Pid {
    // The kernel counts processes in 22 bits.
    Pid(i32::try_from(std::process::id()).unwrap_or_default())
}

/// Returns what `/proc` says of every process behind its name: proc_pid_stat(5) from the third field on.
pub fn stats() -> Option<impl Iterator<Item = String>> {
    proc_fs::stats()
}

/// Returns one process.
pub fn process(pid: Pid) -> Option<Member> {
    proc_fs::process(pid)
}

#[cfg(all(target_os = "linux", not(procman_portable)))]
mod proc_fs {
    use std::collections::BTreeSet;
    use std::fs;

    use nix::unistd::getpgid;

    use super::{Member, own_pid};
    use crate::process::Pid;
    use crate::sys::wait;

    /// Returns every process that this one may see, and every child of its own.
    ///
    /// Mounted with `hidepid`, `/proc` does not show a process that one may not look into, such as an agent that
    /// keeps keys. Such a child is known by its number alone.
    pub fn processes() -> Option<Vec<Member>> {
        let entries = fs::read_dir(root()?).ok()?;
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut all: Vec<Member> = numbers.filter_map(|number| read(Pid(number))).collect();
        let shown: BTreeSet<Pid> = all.iter().map(|member| member.pid).collect();
        let children = children(own_pid()).unwrap_or_default().into_iter();
        let others = children.filter(|child| !shown.contains(child));
        all.extend(others.filter_map(|child| read(child).or_else(|| hidden_child(child))));
        Some(all)
    }

    fn hidden_child(pid: Pid) -> Option<Member> {
        let group = getpgid(Some(nix::unistd::Pid::from_raw(pid.0))).ok()?;
        let state = if wait::has_ended(pid) { 'Z' } else { 'S' };
        Some(Member { pid, parent: own_pid(), group: Pid(group.as_raw()), state })
    }

    pub fn process(pid: Pid) -> Option<Member> {
        root().and_then(|_| read(pid))
    }

    /// Returns `/proc` if its numbers are those of this process's pid namespace.
    ///
    /// `unshare --pid` without `--mount-proc` leaves one whose numbers mean other processes.
    fn root() -> Option<&'static str> {
        let shown = fs::read_link("/proc/self").ok()?;
        (shown.to_str()?.parse() == Ok(own_pid().0)).then_some("/proc")
    }

    /// Returns what `/proc` says of every process behind its name, from the state on: proc_pid_stat(5).
    pub fn stats() -> Option<impl Iterator<Item = String>> {
        let entries = fs::read_dir(root()?).ok()?;
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Some(numbers.filter_map(|number| stat(Pid(number))))
    }

    fn stat(pid: Pid) -> Option<String> {
        // The name stands in parentheses and may itself contain blanks and parentheses.
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let end = stat.iter().rposition(|byte| *byte == b')')?;
        std::str::from_utf8(stat.get(end + 1..)?).ok().map(str::to_owned)
    }

    fn read(pid: Pid) -> Option<Member> {
        let stat = stat(pid)?;
        let mut fields = stat.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = Pid(fields.next()?.parse().ok()?);
        let group = Pid(fields.next()?.parse().ok()?);
        // A process whose first thread has ended before the others is shown as a zombie, and runs.
        let threads: u32 = fields.nth(14)?.parse().ok()?;
        let state = if state == 'Z' && threads > 1 { 'S' } else { state };
        Some(Member { pid, parent, group, state })
    }

    pub fn children(pid: Pid) -> Option<Vec<Pid>> {
        let list = fs::read_to_string(format!("{}/{pid}/task/{pid}/children", root()?)).ok()?;
        list.split_ascii_whitespace().map(|number| number.parse().ok().map(Pid)).collect()
    }
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
mod proc_fs {
    use super::Member;
    use crate::process::Pid;

    pub fn processes() -> Option<Vec<Member>> {
        None
    }

    pub fn stats() -> Option<impl Iterator<Item = String>> {
        None::<std::iter::Empty<String>>
    }

    pub fn process(_: Pid) -> Option<Member> {
        None
    }

    pub fn children(_: Pid) -> Option<Vec<Pid>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::process::Pid;

    #[test]
    #[cfg(all(target_os = "linux", not(procman_portable)))]
    fn this_process_is_found() {
        let me = Pid(i32::try_from(std::process::id()).expect("pids fit"));
        let member = super::process(me).expect("/proc shows this process");
        assert!(member.is_alive());
        assert!(super::descendants(member.parent).expect("/proc").iter().any(|found| found.pid == me));
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        assert_eq!(super::process(Pid(i32::MAX)), None);
    }
}
