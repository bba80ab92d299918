//! Processes that the kernel has killed because memory had run out, as the control group of this process counts them.
//!
//! Where nobody counts (no control groups, or the topmost of them) none is ever reported.

use std::fs;
use std::path::{Path, PathBuf};

/// The kernel's count, and what was known of it.
#[derive(Debug)]
pub struct OutOfMemory {
    counter: Option<PathBuf>,
    known: u64,
}

impl OutOfMemory {
    /// Returns the count as it is now, of which nothing is news.
    pub fn watch() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut count = OutOfMemory { counter: counter(&groups), known: 0 };
        count.news();
        count
    }

    /// Returns how many processes were killed since the last call.
    pub fn news(&mut self) -> u64 {
        let text = self.counter.as_ref().and_then(|counter| fs::read_to_string(counter).ok());
        let Some(now) = text.as_deref().and_then(kills) else { return 0 };
        now.saturating_sub(std::mem::replace(&mut self.known, now))
    }
}

/// Returns the file that counts for a process with this `/proc/self/cgroup`: cgroups(7).
fn counter(groups: &str) -> Option<PathBuf> {
    let group_of = |is_it: fn(&str) -> bool| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            is_it(controllers).then(|| path.trim_start_matches('/'))
        })
    };
    // A controller that has a hierarchy of its own is not in the one for all.
    match (group_of(|names| names.split(',').any(|name| name == "memory")), group_of(str::is_empty)) {
        (Some(path), _) => Some(Path::new("/sys/fs/cgroup/memory").join(path).join("memory.oom_control")),
        (None, Some(path)) => Some(Path::new("/sys/fs/cgroup").join(path).join("memory.events")),
        (None, None) => None,
    }
}

/// Returns the count in the text of such a file.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[track_caller]
    fn check(groups: &str, expected: Option<&str>) {
        assert_eq!(super::counter(groups).as_deref(), expected.map(Path::new), "{groups}");
    }

    #[test]
    fn the_counter_lies_in_the_hierarchy_that_has_memory() {
        check("0::/\n", Some("/sys/fs/cgroup/memory.events"));
        check(
            "0::/system.slice/app.service\n",
            Some("/sys/fs/cgroup/system.slice/app.service/memory.events"),
        );
        check("12:pids:/x\n0::/a:b\n", Some("/sys/fs/cgroup/a:b/memory.events"));
        let old = "3:memory,hugetlb:/docker/1\n2:cpu:/\n0::/other\n";
        check(old, Some("/sys/fs/cgroup/memory/docker/1/memory.oom_control"));
        check("", None);
        check("2:cpu:/\nnonsense\n", None);
    }

    #[test]
    fn a_count_is_found_among_others() {
        assert_eq!(super::kills("low 0\noom 7\noom_kill 3\noom_group_kill 9\n"), Some(3));
        assert_eq!(super::kills("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n"), Some(12));
        assert_eq!(super::kills("oom 7\n"), None);
    }
}
