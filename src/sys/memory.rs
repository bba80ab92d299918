//! Processes that the kernel has killed because memory had run out, as the control group of this process counts them.
//!
//! Where nobody counts (no control groups, or the topmost of them) none is ever reported.

use std::fs::read_to_string;
use std::path::PathBuf;

use crate::sys::control_group;

/// The kernel's count, and what was known of it.
#[derive(Debug)]
pub struct OutOfMemory {
    group: Option<PathBuf>,
    known: u64,
}

impl OutOfMemory {
    /// Returns the count as it is now, of which nothing is news.
    pub fn watch() -> Self {
        let mut count = OutOfMemory { group: control_group::directory("memory"), known: 0 };
        count.news();
        count
    }

    /// Returns how many processes were killed since the last call.
    pub fn news(&mut self) -> u64 {
        // The name in the hierarchy for all controllers, and in one of memory's own.
        let read = |name| read_to_string(self.group.as_ref()?.join(name)).ok();
        let text = read("memory.events").or_else(|| read("memory.oom_control"));
        let Some(now) = text.as_deref().and_then(kills) else { return 0 };
        now.saturating_sub(std::mem::replace(&mut self.known, now))
    }
}

/// Returns the count in the text of such a file.
fn kills(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_count_is_found_among_others() {
        assert_eq!(super::kills("low 0\noom 7\noom_kill 3\noom_group_kill 9\n"), Some(3));
        assert_eq!(super::kills("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n"), Some(12));
        assert_eq!(super::kills("oom 7\n"), None);
    }
}
