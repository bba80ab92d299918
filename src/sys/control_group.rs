//! Where the kernel shows what the control group of this process may have, and what has become of it: cgroups(7).

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Returns the directory of this process's control group in the hierarchy that has `controller`.
pub fn directory(controller: &str) -> Option<PathBuf> {
    directory_of(&read_to_string("/proc/self/cgroup").ok()?, controller)
}

/// Returns the directory for a process with this `/proc/self/cgroup`.
fn directory_of(groups: &str, controller: &str) -> Option<PathBuf> {
    let find = |name: &str| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|other| other == name).then(|| path.trim_start_matches('/'))
        })
    };
    let top = Path::new("/sys/fs/cgroup");
    // A controller that has a hierarchy of its own is not in the one for all, which names none.
    let own = find(controller).map(|path| top.join(controller).join(path));
    own.or_else(|| Some(top.join(find("")?)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[track_caller]
    fn check(groups: &str, expected: Option<&str>) {
        assert_eq!(super::directory_of(groups, "memory").as_deref(), expected.map(Path::new), "{groups}");
    }

    #[test]
    fn a_group_lies_in_the_hierarchy_that_has_the_controller() {
        check("0::/\n", Some("/sys/fs/cgroup"));
        check("0::/system.slice/app.service\n", Some("/sys/fs/cgroup/system.slice/app.service"));
        check("12:pids:/x\n0::/a:b\n", Some("/sys/fs/cgroup/a:b"));
        let old = "3:hugetlb,memory:/docker/1\n2:cpu:/\n0::/other\n";
        check(old, Some("/sys/fs/cgroup/memory/docker/1"));
        check("", None);
        check("2:cpu:/\nnonsense\n", None);
    }
}
