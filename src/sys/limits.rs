//! What the system allows procman: open files and processes.
//!
//! An error says only that something is used up. The limits behind it are looked up when it is explained.

use std::fs::{read_dir, read_to_string};
use std::io;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};

use crate::sys::control_group;

/// The error of a system that lets nobody, or not this user, have another process or thread (fork(2)).
pub const TOO_MANY_PROCESSES: i32 = libc::EAGAIN;

/// A limit that may be behind an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many files may be open at once.
    OpenFiles(u64),
    /// So many processes may this user have.
    OfUser(u64),
    /// So many processes may this control group, or one that it is in, have.
    OfGroup(u64),
}

/// Returns the limits that may be behind an error.
pub fn behind(error: &io::Error) -> Vec<Limit> {
    match error.raw_os_error() {
        Some(libc::EMFILE) => soft(Resource::RLIMIT_NOFILE).map(Limit::OpenFiles).into_iter().collect(),
        Some(TOO_MANY_PROCESSES) => {
            of_user().map(Limit::OfUser).into_iter().chain(of_group().map(Limit::OfGroup)).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// Returns how many files are open, and how many may be; nothing where the system does not tell, as without `/proc`.
pub fn open_files() -> Option<(u64, u64)> {
    let limit = soft(Resource::RLIMIT_NOFILE)?;
    match read_dir("/dev/fd") {
        // One of them is the list itself.
        Ok(listed) => Some((listed.count().saturating_sub(1) as u64, limit)),
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => Some((limit, limit)),
        Err(_) => None,
    }
}

fn soft(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    #[allow(clippy::useless_conversion, reason = "the type differs between systems")]
    (soft != libc::RLIM_INFINITY).then(|| soft.into())
}

/// Root may have any number.
#[cfg(target_os = "linux")]
fn of_user() -> Option<u64> {
    if crate::sys::files::own_user() == 0 { None } else { soft(Resource::RLIMIT_NPROC) }
}

/// nix does not know this limit everywhere.
#[cfg(not(target_os = "linux"))]
fn of_user() -> Option<u64> {
    None
}

/// Returns the least `pids.max` of the control group that procman is in, and of those above it.
fn of_group() -> Option<u64> {
    let group = control_group::directory("pids")?;
    group
        .ancestors()
        .filter_map(|group| read_to_string(group.join("pids.max")).ok()?.trim().parse().ok())
        .min()
}
