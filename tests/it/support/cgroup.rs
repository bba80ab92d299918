//! A control group of a test's own, in which little is allowed. It takes root.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{holds_within_limit, skipped, wait_until};

/// A control group, removed with everything in it when it is dropped.
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes a group with a limit for one controller: below the test's own where the controller has a hierarchy of its
    /// own, else below the topmost. Says why where that cannot be done.
    pub fn limited(controller: &str, limit: u64) -> Option<Cgroup> {
        let files = [format!("{controller}.max"), format!("{controller}.limit_in_bytes")];
        Cgroup::made(controller, |path| {
            let file = files.iter().map(|file| path.join(file)).find(|file| file.exists());
            file.is_some_and(|file| fs::write(file, limit.to_string()).is_ok())
        })
    }

    /// Makes a group in which even SIGKILL waits while it is frozen: only the old freezer is that strict.
    pub fn freezer() -> Option<Cgroup> {
        Cgroup::made("freezer", |path| path.join("freezer.state").exists())
    }

    fn made(controller: &str, fits: impl Fn(&Path) -> bool) -> Option<Cgroup> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == controller).then(|| format!("{controller}{path}"))
        });
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("procman-test-{}-{number}", std::process::id());
        let path = Path::new("/sys/fs/cgroup").join(own.unwrap_or_default()).join(name);
        let made = fs::create_dir(&path).is_ok().then(|| Cgroup { path });
        let group = made.filter(|group| fits(&group.path));
        if group.is_none() {
            skipped(&format!("no control group for {controller} can be made: that takes root"));
        }
        group
    }

    /// Returns what a shell has to do first to be in this group, with all that it starts. It goes no further if that
    /// fails.
    pub fn join(&self) -> String {
        format!("echo $$ > {} || exit 99", self.path.join("cgroup.procs").display())
    }

    /// Returns what is in it.
    pub fn members(&self) -> Vec<Pid> {
        let list = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
    }

    /// Lets everything in it stand still, beyond the reach of SIGKILL.
    #[track_caller]
    pub fn freeze(&self) {
        let state = self.path.join("freezer.state");
        fs::write(&state, "FROZEN").unwrap();
        wait_until("all is frozen", || fs::read_to_string(&state).unwrap() == "FROZEN\n");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Nothing more comes; what stands still can end.
        let _ = fs::write(self.path.join("pids.max"), "0");
        let _ = fs::write(self.path.join("freezer.state"), "THAWED");
        let removed = holds_within_limit(|| {
            for pid in self.members() {
                let _ = kill(pid, Signal::SIGKILL);
            }
            fs::remove_dir(&self.path).is_ok()
        });
        assert!(removed || thread::panicking(), "{} cannot be removed", self.path.display());
    }
}
